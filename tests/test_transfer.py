"""The faces: stylize, main with the three modes, and the command line with its exit statuses."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nstlib as nst
from nstlib.images import cover
from nstlib.outputs import CLONE, default_output
from nstlib.transfer import _coarse_to_fine

FAST = {"size": 32, "backbone": "tiny", "device": "cpu"}
ARGUMENTS = ["--size", "32", "--backbone", "tiny", "--device", "cpu", "--steps", "4"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_stylize_gives_a_picture_of_the_contents_shape():
    picture = nst.stylize("chelsea", "coffee", steps=3, progress=False, **FAST)
    assert picture.shape == (1, 3, 21, 32)
    assert picture.device.type == "cpu"
    assert 0 <= picture.min() <= picture.max() <= 1


def test_stylize_takes_every_kind_of_picture(tmp_path):
    content = nst.load_image("chelsea", 32)
    array = np.uint8(255 * content[0].permute(1, 2, 0).numpy())
    nst.save_image(content, tmp_path / "content.png")
    results = [
        nst.stylize(source, "coffee", steps=2, progress=False, **FAST)
        for source in (content, array, Image.fromarray(array), tmp_path / "content.png")
    ]
    assert all(result.shape == results[0].shape for result in results)


def test_prepare_hands_every_option_on():
    run = nst.prepare(
        "chelsea", "coffee", **FAST, style_size=48, pooling="avg", keep_scale=True, content_layers={"relu3_1": 2.0},
        style_layers=["relu1_1"], alpha=3.0, beta=4.0, tv=5.0, normalization="paper", optimizer="adam", lr=0.3,
        init="style_statistics", seed=7, snapshot_every=2,
    )  # fmt: skip
    objective = run.objective
    assert objective.content.shape[-2:] == (21, 32)
    assert objective.style.shape[-2:] == (32, 48)
    assert (objective.extract.spec["pooling"], objective.extract.spec["keep_scale"]) == ("avg", True)
    assert [w.item() for w in (objective.alpha, objective.beta, objective.tv)] == [3, 4, 5]
    assert {name: w.item() for name, w in objective.content_layers.items()} == {"relu3_1": 2}
    assert list(objective.style_layers) == ["relu1_1"]
    assert objective.normalization == "paper"
    assert isinstance(run._optimizer, torch.optim.Adam)
    assert run.lr == 0.3
    assert list(run.snapshots) == [0]


def test_a_style_is_never_squashed_to_the_contents_shape():
    run = nst.prepare(nst.load_image("chelsea", 32)[..., :16], "coffee", **FAST)
    assert run.objective.style.shape[-2:] == (21, 32)


def test_init_can_be_a_picture_of_any_shape():
    run = nst.prepare("chelsea", "coffee", init="rocket", **FAST)
    assert run.image.shape == run.objective.content.shape
    assert not torch.allclose(run.image, run.objective.content)


@pytest.mark.parametrize(
    ("arguments", "file", "start", "terms"),
    [
        (("chelsea", "coffee", "style_transfer"), "chelsea_coffee.png", "content", ("content", "style")),
        (("noise", "chelsea", "content"), "noise_chelsea_content.png", "noise", ("content",)),
        (("chelsea", None, "content"), "chelsea_content.png", "noise", ("content",)),
        (("coffee", "chelsea", "content"), "coffee_chelsea_content.png", "picture", ("content",)),
        (("noise", "coffee", "style"), "noise_coffee_style.png", "noise", ("style",)),
        (("chelsea", "coffee", "style"), "chelsea_coffee_style.png", "picture", ("style",)),
    ],
)
def test_main_has_the_modes_of_the_experiments(tmp_path, arguments, file, start, terms, monkeypatch, capsys):
    from nstlib import transfer

    runs, prepare = [], transfer.prepare
    monkeypatch.setattr(transfer, "prepare", lambda *a, **k: runs.append(prepare(*a, snapshot_every=9, **k)) or runs[0])
    picture = nst.main(*arguments, steps=2, progress=False, **FAST)
    saved = tmp_path / "img" / "results" / file
    assert capsys.readouterr().out == f"saved img/results/{file}\n"
    assert np.array_equal(np.asarray(Image.open(saved)), np.asarray(picture))
    kinds = {name.split("/")[0] for name in runs[0].history if "/" in name}
    assert kinds == set(terms)
    first = runs[0].snapshots[0]
    picture = cover(nst.load_image("chelsea" if start == "noise" else arguments[0]), first.shape[-2:])
    alike = torch.corrcoef(torch.stack([first.flatten(), picture.flatten()]))[0, 1]
    assert (alike > 0.9) == (start != "noise")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("noise", "coffee", "style_transfer"), "needs a content picture, not 'noise'"),
        (("chelsea", None, "style_transfer"), "needs a second picture: the style"),
        (("noise", None, "content"), "needs a second picture: the content"),
        (("chelsea", "coffee", "both"), r"'both'.*style_transfer, content, style"),
    ],
)
def test_main_refuses_what_makes_no_sense(arguments, words):
    with pytest.raises(nst.InputError, match=words):
        nst.main(*arguments, **FAST)


def test_cli_writes_the_picture_and_says_where(tmp_path, run_cli):
    status, out, _ = run_cli("chelsea", "coffee", "-o", "a/b/result.jpg", *ARGUMENTS)
    assert status == 0
    assert Image.open(tmp_path / "a/b/result.jpg").size == (32, 21)
    assert str(tmp_path / "a/b/result.jpg") in out
    assert "total" in out
    assert "4 steps" in out


def test_cli_without_an_output_names_the_result_after_its_pictures(tmp_path, run_cli):
    assert run_cli("chelsea", "coffee", *ARGUMENTS, "--quiet") == (0, "", "")
    assert (tmp_path / "img/results/chelsea_coffee.png").is_file()


def test_cli_takes_every_option(tmp_path, run_cli):
    status, *_ = run_cli(
        "chelsea", "coffee", "-o", "x.png", *ARGUMENTS, "--style-size", 48, "-a", 2, "-b", 30, "--tv", 1,
        "--content-layers", "relu3_1=0.5,relu4_2", "--style-layers", "relu1_1,relu2_1", "--optimizer", "adam",
        "--lr", 0.1, "--init", "noise", "--pooling", "l2", "--keep-scale", "--seed", 5, "--normalization", "paper",
        "--save-every", 2, "--gif", "x.gif", "--checkpoint", "x.pt", "--checkpoint-every", 3,
    )  # fmt: skip
    assert status == 0
    run = nst.Run.load(tmp_path / "x.pt")
    assert {name: w.item() for name, w in run.objective.content_layers.items()} == {"relu3_1": 0.5, "relu4_2": 1.0}
    assert {name: w.item() for name, w in run.objective.style_layers.items()} == {"relu1_1": 0.5, "relu2_1": 0.5}
    assert [w.item() for w in (run.objective.alpha, run.objective.beta, run.objective.tv)] == [2, 30, 1]
    assert sorted(path.name for path in (tmp_path / "x_frames").iterdir()) == ["00002.png", "00004.png"]
    assert Image.open(tmp_path / "x.gif").n_frames >= 3


def test_cli_resumes_a_run_exactly(tmp_path, run_cli):
    arguments = [*ARGUMENTS[:-2], "--quiet"]
    run_cli("chelsea", "coffee", "-o", "whole.png", *arguments, "-n", 9)
    run_cli("chelsea", "coffee", "-o", "part.png", *arguments, "-n", 4, "--checkpoint", "run.pt")
    status, *_ = run_cli("--resume", "run.pt", "-o", "rest.png", "-n", 5, "--device", "cpu", "-q")
    assert status == 0
    assert (tmp_path / "rest.png").read_bytes() == (tmp_path / "whole.png").read_bytes()


@pytest.mark.parametrize(("given", "tile"), [("16", 16), ("auto", None), ("none", None)])
def test_cli_takes_tiles_and_a_saved_run_keeps_them(tmp_path, run_cli, given, tile):
    run_cli("chelsea", "coffee", "-o", "x.png", *ARGUMENTS, "--tile", given, "--checkpoint", "x.pt")
    run_cli("--resume", "x.pt", "-n", 1, "--checkpoint", "y.pt", "--device", "cpu")
    assert nst.Run.load(tmp_path / "y.pt").objective.tile == tile


def test_cli_lists_pictures_and_backbones(run_cli):
    status, out, _ = run_cli("--list")
    assert status == 0
    for name in ("village", "swirls", "mosaic", "chelsea", "mini", "vgg19"):
        assert name in out


def test_cli_says_which_backbones_are_here_and_what_the_others_need(run_cli, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    _, out, _ = run_cli("--list")
    here = next(line for line in out.splitlines() if line.startswith("backbone")).split()
    assert {"mini", "squeezenet"} <= {*here}
    assert "resnet50" not in here
    assert "          resnet50 (downloads 98 MB once)\n" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give a content and a style picture"),
        (("chelsea",), "give a style picture"),
        (("nowhere.jpg", "coffee"), "nowhere.jpg"),
        (("chelsae", "coffee"), "nearest are chelsea"),
        (("chelsea", "."), "is a folder"),
        (("noise", "coffee"), "not 'noise'"),
        (("chelsea", "coffee", "extra"), "there is no bundled picture 'extra'"),
        (("chelsea", "coffee", "-o", "x.xyz"), "'.xyz' says no known format"),
        (("chelsea", "coffee", "-o", "."), "is a folder"),
        (("chelsea", "coffee", "--size", "0"), "'0' is not a whole number above 0"),
        (("chelsea", "coffee", "--size", "big"), "'big' is not a whole number"),
        (("chelsea", "coffee", "--size", "20"), "needs 16 at least"),
        (("chelsea", "coffee", "--size", "999999"), "size is 999999"),
        (("chelsea", "coffee", "--steps", "-3"), "'-3'"),
        (("chelsea", "coffee", "--alpha", "-1"), "weight alpha is -1"),
        (("chelsea", "coffee", "--beta", "nan"), "weight beta is nan"),
        (("chelsea", "coffee", "--tv", "some"), "invalid float value: 'some'"),
        (("chelsea", "coffee", "--lr", "0"), "learning rate is 0"),
        (("chelsea", "coffee", "--optimizer", "sgd"), "invalid choice: 'sgd'"),
        (("chelsea", "coffee", "--backbone", "vgg18"), "invalid choice: 'vgg18'"),
        (("chelsea", "coffee", "--backbone", "squeezenett"), "did you mean 'squeezenet'?"),
        (("chelsea", "coffee", "--style-loss", "Wasserstein"), "did you mean 'wasserstein'?"),
        (("chelsea", "coffee", "--pooling", "blurr"), "did you mean 'blur'?"),
        (("chelsea", "coffee", "--content-layers", "relu9_9"), "'relu9_9' is not in tiny"),
        (("chelsea", "coffee", "--style-layers", "relu1_1=x"), "relu1_1=0.5"),
        (("chelsea", "coffee", "--style-layers", ","), "',' names no layer"),
        (("chelsea", "coffee", "--init", "nothing_like_it"), "no bundled picture 'nothing_like_it'"),
        (("chelsea", "coffee", "--device", "cuda:99"), "device 'cuda:99' cannot be used"),
        (("chelsea", "coffee", "--weights", "no.pth", "--backbone", "vgg19"), "no file of weights at no.pth"),
        (("chelsea", "coffee", "--gif", "x.mp4"), "'.mp4' says no known format"),
        (("chelsea", "coffee", "--seed", "x"), "invalid int value: 'x'"),
        (("--resume", "no.pt"), "no.pt is not a saved run"),
        (("chelsea", "coffee", "--resume", "no.pt"), "settings of the saved run; leave out"),
        (("--resume", "no.pt", "--beta", "7"), "leave out beta"),
        (("--resume", "no.pt", "--tile", "none"), "leave out tile"),
        (("chelsea", "coffee", "--tile", "some"), "'some' is not a whole number"),
        (("chelsea", "coffee", "--tile", "5"), "the tile is 5; expected a whole number of pixels, 16 or more"),
    ],
)
def test_cli_answers_bad_arguments_with_one_clear_line_and_status_2(arguments, words, run_cli):
    defaults = [] if {"--backbone", "--resume"} & set(arguments) else ["--backbone", "tiny"]
    defaults += [] if {"--size", "--resume"} & set(arguments) else ["--size", "32"]
    status, _, err = run_cli(*arguments, *defaults)
    assert status == 2
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert err.startswith("nstlib: ")


def test_cli_shows_no_traceback_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "nstlib", "nowhere.jpg", "coffee"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "nowhere.jpg" in done.stderr


def test_cli_keeps_the_picture_on_ctrl_c(tmp_path, monkeypatch, run_cli):
    call, count = nst.Objective.__call__, iter(range(1, 1000))

    def interrupted(self, image):
        if next(count) == 3:
            signal.raise_signal(signal.SIGINT)
        return call(self, image)

    monkeypatch.setattr(nst.Objective, "__call__", interrupted)
    arguments = [*ARGUMENTS[:-1], 500]
    status, out, _ = run_cli("chelsea", "coffee", "-o", "x.png", "--gif", *arguments)
    assert status == 130
    assert "3 steps" in out
    assert "interrupted" in out
    assert Image.open(tmp_path / "x.png").size == (32, 21)


def test_cli_keeps_the_picture_when_memory_runs_out_and_says_what_to_do(tmp_path, monkeypatch, run_cli):
    call, count = nst.Objective.__call__, iter(range(1, 1000))

    def full(self, image):
        if next(count) >= 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return call(self, image)

    monkeypatch.setattr(nst.Objective, "__call__", full)
    status, _, err = run_cli("chelsea", "coffee", "-o", "x.png", *ARGUMENTS, "-q")
    assert status == 1
    assert "use a smaller size" in err
    assert Image.open(tmp_path / "x.png").size == (32, 21)


def test_inside_a_clone_results_go_to_its_own_folder(monkeypatch):
    monkeypatch.chdir(CLONE / "notebooks")
    assert default_output("chelsea", "coffee", "style") == CLONE / "img/results/chelsea_coffee_style.png"
    monkeypatch.chdir("/")
    assert default_output("a/b.jpg", None, "content") == Path("img/results/b_content.png")


def test_everything_the_package_exports_exists_and_is_documented():
    for name in nst.__all__:
        item = getattr(nst, name)
        assert item.__doc__ or isinstance(item, io.IOBase | dict), name


def test_a_quality_chooses_what_is_not_given():
    run = nst.prepare("chelsea", "coffee", quality="good", **FAST)
    assert isinstance(run._optimizer, torch.optim.Adam)
    assert run._optimizer.defaults["betas"] == (0.9, 0.8)
    assert run.lr == 0.05
    assert run.objective.extract.precision == nst.FeatureExtractor("tiny", precision="auto", device="cpu").precision
    given = nst.prepare("chelsea", "coffee", quality="good", lr=0.01, precision="float32", **FAST)
    assert (given.lr, given.objective.extract.precision) == (0.01, "float32")
    assert isinstance(given._optimizer, torch.optim.Adam)


def test_rates_of_a_quality_are_not_for_another_optimizer():
    run = nst.prepare("chelsea", "coffee", quality="best", optimizer="lbfgs", **FAST)
    assert run.lr == nst.prepare("chelsea", "coffee", optimizer="lbfgs", **FAST).lr


def test_lbfgs_stays_in_float32_whatever_the_quality():
    run = nst.prepare("chelsea", "coffee", quality="draft", optimizer="lbfgs", **FAST)
    assert run.objective.extract.precision == "float32"


def test_who_says_neither_steps_nor_quality_gets_a_good_picture(monkeypatch):
    taken = []
    monkeypatch.setattr(nst.Run, "steps", lambda run, count, progress=True: taken.append((count, run.lr)) or iter(()))
    nst.stylize("chelsea", "coffee", **FAST)
    nst.stylize("chelsea", "coffee", quality="draft", **FAST)
    nst.stylize("chelsea", "coffee", steps=7, **FAST)
    nst.stylize("chelsea", "coffee", steps=7, quality="best", **FAST)
    assert taken == [(120, 0.05), (40, 0.03), (7, 1.0), (7, 0.04)]


def test_a_quality_takes_large_pictures_from_coarse_to_fine_and_others_not():
    small = nst.prepare("chelsea", "coffee", quality="good", **FAST)
    assert small.objective.content.shape[-2:] == (21, 32)
    large = nst.prepare("chelsea", "coffee", quality="good", **{**FAST, "size": 1024})
    assert max(large._now.content.shape) == 512
    assert max(large.image.shape) == 1024


@pytest.mark.parametrize(
    ("size", "scales"),
    [(512, {}), (700, {}), (1024, {0: 0.5, 60: 1.0}), (4096, {0: 0.125, 20: 0.25, 40: 0.5, 60: 1.0})],
)
def test_sizes_double_and_half_of_the_steps_are_at_full_size(size, scales):
    assert _coarse_to_fine(size, 120) == scales


def test_an_unknown_quality_is_refused_with_the_known_ones(run_cli):
    with pytest.raises(nst.InputError, match="draft, good, best"):
        nst.stylize("chelsea", "coffee", quality="perfect", **FAST)
    status, _, err = run_cli("chelsea", "coffee", "--quality", "perfect")
    assert status == 2
    assert "--quality" in err


@pytest.mark.slow
def test_what_makes_a_quality_fast_costs_less_than_two_percent_of_the_loss():
    options = {"size": 160, "backbone": "mini", "device": "cpu"}

    def loss(**more):
        run = nst.prepare("village", "swirls", **options, **more)
        for _ in run.steps(120, progress=False):
            pass
        with torch.no_grad():
            return judge(run.image).total.item()

    judge = nst.prepare("village", "swirls", **options).objective
    assert loss(quality="good") < 1.02 * loss(quality="good", precision="float32")
    assert loss(quality="good") < 1.02 * loss(optimizer="adam")


@pytest.mark.parametrize("kind", ["tensor", "array", "pil"])
def test_main_takes_pictures_of_every_kind(tmp_path, kind):
    def given(name):
        tensor = nst.load_image(name, 48)
        pil = nst.to_pil(tensor)
        return {"tensor": tensor, "pil": pil, "array": np.asarray(pil)}[kind]

    options = {"size": 48, "steps": 2, "backbone": "tiny", "device": "cpu", "progress": False}
    nst.main(given("chelsea"), given("coffee"), out=tmp_path / "a.png", init=given("coffee"), **options)
    nst.main("noise", given("coffee"), mode="content", out=tmp_path / "b.png", **options)
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "b.png").exists()
