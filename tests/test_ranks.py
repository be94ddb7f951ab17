"""Several processes, as torchrun starts them, make the picture of one."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import distributed

import nstlib as nst
from nstlib.large import ranks
from nstlib.large.tiles import cut, shared_tile

ROOT = Path(__file__).parents[1]
ARGUMENTS = ["village", "swirls", "--size", "96", "--backbone", "mini", "--device", "cpu"]

gloo = pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()), reason="this build of torch has no gloo"
)


def torchrun(*program, folder):
    """Two processes on this machine; what they print and how they end."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *program],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.slow
@gloo
def test_the_command_line_makes_the_same_picture_and_the_first_process_alone_speaks_and_saves(tmp_path):
    options = ["--steps", "6", "-o", "x.png", "--save-every", "3", "--gif", "--checkpoint", "x.pt"]
    done = torchrun("-m", "nstlib", *ARGUMENTS, *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("picture") == 1
    assert "6 steps" in done.stdout
    assert "shared by 2 processes" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"x.png", "x.gif", "x.pt", "x_frames"}
    together, alone = (
        nst.Run.load(tmp_path / "x.pt", device="cpu"),
        nst.prepare("village", "swirls", size=96, backbone="mini", device="cpu"),
    )
    for _ in alone.steps(6, progress=False):
        pass
    assert (together.image - alone.image).abs().max() < 1 / 255
    np.testing.assert_allclose(together.history["total"], alone.history["total"], rtol=1e-4)
    saved = np.asarray(Image.open(tmp_path / "x.png"), np.int16)
    assert abs(saved - np.asarray(nst.to_pil(alone.image), np.int16)).max() <= 1


# The same in every process, alone or together.
PICTURES = """
import atexit
import sys
import weakref
from pathlib import Path
import torch
import nstlib as nst
from nstlib import ranks

def take(run, steps):
    for _ in run.steps(steps, progress=False):
        pass
    return run

def pictures(folder):
    extract = nst.FeatureExtractor("mini", device="cpu")
    content, style = nst.load_image("village", 64), nst.load_image("swirls", 64)
    mask = torch.ones(content.shape[-2:]).triu()
    places = nst.Objective(extract, content, [style, style.flip(1)], masks=[mask], spread=True)
    objective = nst.Objective(extract, content, style, tv=10, spread=True)
    saved = take(nst.Run(objective), 3).save(folder / f"{ranks.rank()}.pt")
    sweep = nst.sweep(objective, beta=[1.0, 50.0, 100.0], steps=4, progress=False)
    return {
        "resumed": take(nst.Run.load(saved, device="cpu"), 3).image,
        "coarse to fine": take(nst.Run(objective, scales={0: 0.5, 3: 1.0}), 6).image,
        "tiles": take(nst.Run(nst.Objective(extract, content, style, tile=16, spread=True)), 4).image,
        "places": take(nst.Run(places), 4).image,
        **sweep.pictures,
    }

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    atexit.register(lambda: (folder / f"left_{number}.txt").write_text(str(group())))  # runs after what comes later
    with ranks.joined("cpu"):
        number, group = ranks.rank(), weakref.ref(torch.distributed.group.WORLD)
        torch.save(pictures(folder), folder / f"pictures_{ranks.rank()}.pt")
"""


@pytest.mark.slow
@gloo
def test_scales_tiles_sweeps_and_resumed_runs_give_every_process_the_pictures_of_one(tmp_path):
    (tmp_path / "script.py").write_text(PICTURES)
    done = torchrun("script.py", str(tmp_path), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    # A group that outlives its end has threads that abort the process now and then as the interpreter goes.
    assert [(tmp_path / f"left_{number}.txt").read_text() for number in (0, 1)] == ["None", "None"]
    alone = runpy.run_path(str(tmp_path / "script.py"))["pictures"](tmp_path)
    each = [torch.load(tmp_path / f"pictures_{rank}.pt") for rank in (0, 1)]
    assert list(each[0]) == list(each[1]) == list(alone)
    for name, picture in alone.items():
        assert torch.equal(each[0][name], each[1][name]), name
        assert (each[0][name] - picture).abs().max() < 1 / 255, name


TROUBLE = f"""
import signal
import sys
import torch
import nstlib as nst
from nstlib import ranks
from nstlib.cli import main

call, calls = nst.Objective.__call__, 0

def troubled(self, image):
    global calls
    calls += 1
    if ranks.rank() == 1 and calls == 3:
        signal.raise_signal(signal.SIGINT)
    if ranks.rank() == 1 and calls == 5:
        raise torch.OutOfMemoryError("CUDA out of memory")
    return call(self, image)

nst.Objective.__call__ = troubled
status = main([*{ARGUMENTS}, "-o", "stopped.png", "--checkpoint", "stopped.pt"])
sys.stdout.write("status " + str(status) + "\\n")  # in one piece: both processes write there
raise SystemExit(main(["--resume", "stopped.pt", "-o", "failed.png", "--device", "cpu", "-q"]))
"""


@pytest.mark.slow
@gloo
def test_ctrl_c_in_one_process_stops_all_after_the_same_step_and_an_error_in_one_ends_all(tmp_path):
    (tmp_path / "script.py").write_text(TROUBLE)
    done = torchrun("script.py", folder=tmp_path)
    assert done.stdout.count("status 130") == 2, done.stdout + done.stderr
    assert "3 steps" in done.stdout
    assert nst.Run.load(tmp_path / "stopped.pt", device="cpu").taken == 3
    assert (tmp_path / "stopped.png").is_file()
    assert done.returncode == 1
    assert "nstlib: out of memory at" in done.stderr
    assert "going on with tiles" not in done.stderr  # one process alone cannot


def test_outside_torchrun_there_is_one_process_and_nothing_is_shared(monkeypatch):
    monkeypatch.setattr(distributed, "init_process_group", None)
    with ranks.joined():
        assert (ranks.count(), ranks.rank(), ranks.gathered("mine")) == (1, 0, ["mine"])
        tensor = torch.ones(3)
        ranks.add_up([tensor])
        assert tensor.tolist() == [1, 1, 1]


@given(height=st.integers(16, 700), width=st.integers(16, 700), count=st.integers(2, 16))
def test_every_process_has_a_tile_if_there_are_enough_and_no_larger_tile_would_do(height, width, count):
    side = shared_tile((height, width), 16, count)
    most = len(cut((height, width), 16, 0, 16))
    assert len(cut((height, width), side, 0, 16)) >= min(count, most)
    assert side == 16 or len(cut((height, width), side + 16, 0, 16)) < count or side + 16 > max(height, width)


def test_more_processes_than_tiles_are_refused(monkeypatch, extract):
    monkeypatch.setattr(ranks, "count", lambda: 7)
    objective = nst.Objective(extract, style=torch.rand(1, 3, 32, 48), spread=True)
    with pytest.raises(nst.InputError, match="has 6 tiles of 16 pixels for 7 processes; use a larger size"):
        objective(torch.rand(1, 3, 32, 48))


def test_more_processes_than_gpus_are_refused(monkeypatch):
    for name, value in {"WORLD_SIZE": "4", "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(nst.InputError, match="process 3 of this machine has no GPU: there are 2"), ranks.joined("cuda"):
        pass


def test_processes_that_do_not_find_each_other_say_so(monkeypatch):
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(nst.RunError, match=r"do not find each other .*RANK expected"), ranks.joined("cpu"):
        pass


def test_a_process_that_is_left_alone_says_so(monkeypatch):
    def lost(tensor):
        raise RuntimeError("Connection closed by peer\nand more")

    monkeypatch.setattr(ranks, "_joined", True)
    monkeypatch.setattr(distributed, "all_reduce", lost)
    with pytest.raises(nst.RunError, match=r"another of the processes .* has ended \(Connection closed by peer\)"):
        ranks.add_up([torch.ones(2)])
