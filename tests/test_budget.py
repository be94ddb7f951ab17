"""The budget: pictures that fit are computed whole, others in tiles, and nobody has to ask for it."""

import math
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import nstlib as nst
from nstlib.large import budget, ranks
from nstlib.large.budget import FEWEST_PAIRS, MEMORY, left_in_container, plan, saved_bytes
from nstlib.large.tiles import halo_of

LAYERS = ["relu1_1", "relu3_1", "relu4_2", "relu5_1"]
LITTLE = 50e6  # bytes
SIZE = 368  # pixels; larger than the smallest tile


@pytest.fixture
def little_memory(monkeypatch):
    monkeypatch.setattr(budget, "free_memory", lambda device: LITTLE)


def test_a_picture_that_fits_is_computed_whole_and_lbfgs_remembers_all_that_it_is_asked_to(extract):
    fitting = plan(extract, LAYERS, [(400, 600), (500, 300)], pairs=20, free=8e9)
    assert (fitting.tile, fitting.memory) == (None, 20)


def test_a_picture_that_does_not_fit_is_computed_in_tiles_and_lbfgs_remembers_less(extract):
    fitting = plan(extract, LAYERS, [(4096, 4096)], free=8e9)
    assert fitting.tile < 4096
    assert FEWEST_PAIRS <= fitting.memory < MEMORY
    assert "would take" in fitting.reason
    assert "8.0 GB are free" in fitting.reason
    assert f"L-BFGS remembers {fitting.memory} steps" in fitting.reason


def test_adam_remembers_less_and_so_leaves_more_room(extract):
    adam, lbfgs = (plan(extract, LAYERS, [(2048, 2048)], pairs, free=4.5e9) for pairs in (1, MEMORY))
    assert (adam.tile, adam.memory) == (None, 1)
    assert lbfgs.tile is not None


def test_a_large_style_alone_makes_tiles(extract):
    assert plan(extract, LAYERS, [(256, 256)], free=2e9).tile is None
    assert plan(extract, LAYERS, [(256, 256), (4096, 4096)], free=2e9).tile is not None


@settings(max_examples=30)
@given(
    sizes=st.lists(st.tuples(st.integers(300, 9000), st.integers(300, 9000)), min_size=1, max_size=2),
    pairs=st.sampled_from([1, 10, 20]),
    free=st.floats(0, 1e12),
)
def test_tiles_are_aligned_and_not_mostly_halo_and_more_memory_never_means_smaller_ones(sizes, pairs, free):
    extract = nst.FeatureExtractor("tiny", device="cpu")
    less, more = (plan(extract, LAYERS, sizes, pairs, memory) for memory in (free, 2 * free))
    for fitting in (less, more):
        assert min(pairs, FEWEST_PAIRS) <= fitting.memory <= pairs
        assert fitting.tile is None or (fitting.tile % 16 == 0 and fitting.tile >= 2 * halo_of(extract, LAYERS))
    assert more.tile is None or more.tile >= less.tile
    assert more.memory >= less.memory


def test_what_is_taken_into_account_fits_into_half_of_the_free_memory(extract):
    height, width = 5000, 6000
    for free in (10e9, 16e9):
        fitting = plan(extract, LAYERS, [(height, width)], free=free)
        side = fitting.tile + 2 * halo_of(extract, LAYERS)
        pictures = budget.COPIES + 2 * fitting.memory
        taken = budget.PEAK * saved_bytes(extract, LAYERS) * side**2 + pictures * 12 * height * width
        assert taken <= free / 2


class LargeTensors(TorchDispatchMode):
    """Counts the tensors of a size that are alive at once."""

    def __init__(self, least):
        super().__init__()
        self.least, self.alive, self.most = least, {}, 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        found = function(*arguments, **(options or {}))
        for tensor in tree_leaves(found):
            if not isinstance(tensor, torch.Tensor) or tensor.is_meta:  # those have a size and take no memory
                continue
            if tensor.untyped_storage().nbytes() >= self.least:
                storage = tensor.untyped_storage()
                if storage._cdata not in self.alive:
                    self.alive[storage._cdata] = storage.nbytes()
                    weakref.finalize(storage, self.alive.pop, storage._cdata, None)
        self.most = max(self.most, sum(self.alive.values()))
        return found


def test_a_run_of_adam_in_tiles_holds_four_copies_of_the_picture_and_two_moments():
    content, style = torch.rand(1, 3, 256, 320), torch.rand(1, 3, 64, 64)
    with LargeTensors(content.nbytes) as seen:
        content = content.clone()  # seen from here on
        extract = nst.FeatureExtractor("tiny", device="cpu")
        objective = nst.Objective(extract, content, style, ["relu2_1"], ["relu1_1"], tile=64)
        run = nst.Run(objective, optimizer="adam")
        for _ in range(3):
            run.step()
    assert seen.most == 6 * content.nbytes  # the content, the image, its last good one, the gradient; the moments
    assert seen.most <= (budget.COPIES + 2) * content.nbytes


def bytes_kept_for_the_gradient(objective, image):
    """By a whole step, over its pixels; without weights and targets, which no pixel adds to."""
    fixed = [*objective.extract.parameters(), *objective.content_target.values(), *objective.style_target.values()]
    known = {tensor.untyped_storage().data_ptr() for tensor in fixed}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        terms = objective(image.clone().requires_grad_())
    assert terms.total.requires_grad  # and so everything noted is still there
    return sum(kept.values()) / image[0, 0].numel()


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("pooling", ["avg", "max", "l2"])
def test_what_a_pixel_takes_is_measured_as_a_step_takes_it(pooling, precision):
    extract = nst.FeatureExtractor("mini", pooling, precision=precision, device="cpu")
    content, style = nst.load_image("village", 256), nst.load_image("swirls", 128)
    objective = nst.Objective(extract, content, style, tv=10)
    # Of a small picture, Gram matrices of 512 channels take as much as the features do.
    assert saved_bytes(extract, objective.layers) == pytest.approx(
        bytes_kept_for_the_gradient(objective, content), rel=0.1
    )


def test_half_precision_and_fewer_layers_take_less():
    half = nst.FeatureExtractor("mini", precision="bfloat16", device="cpu")
    assert saved_bytes(half, LAYERS) < 0.8 * saved_bytes(nst.FeatureExtractor("mini", device="cpu"), LAYERS)
    assert saved_bytes(half, ["relu1_1"]) < 0.4 * saved_bytes(half, LAYERS)


def stylized(**options):
    options = {"size": SIZE, "backbone": "tiny", "device": "cpu", **options}
    return nst.stylize("chelsea", "coffee", steps=4, progress=False, **options)


def test_with_little_memory_tiles_are_taken_and_the_picture_is_the_same(little_memory, capsys):
    run = nst.prepare("chelsea", "coffee", size=SIZE, backbone="tiny", device="cpu")
    assert run.objective.tile < SIZE
    said = capsys.readouterr().out
    assert said.startswith(f"tiles: of {run.objective.tile} pixels (a step of the whole picture would take 0.")
    for _ in run.steps(4, progress=False):
        pass
    torch.testing.assert_close(run.image, stylized(tile=None), rtol=0, atol=2e-3)


def test_coarse_to_fine_runs_take_tiles_too(little_memory):
    """At a coarse scale the picture is smaller than a tile."""
    images = []
    for tile in ("auto", None):
        prepared = nst.prepare("chelsea", "coffee", size=SIZE, backbone="tiny", device="cpu", quiet=True, tile=tile)
        run = nst.Run(prepared.objective, scales={0: 0.4, 2: 1.0})
        for _ in run.steps(4, progress=False):
            pass
        images.append(run.image)
    torch.testing.assert_close(*images, rtol=0, atol=2e-3)


def test_without_progress_nothing_is_said(little_memory, capsys):
    stylized()
    assert capsys.readouterr() == ("", "")


def test_enough_memory_and_no_tiles_asked_for_mean_none(monkeypatch, little_memory):
    options = {"size": SIZE, "backbone": "tiny", "device": "cpu", "quiet": True}
    assert nst.prepare("chelsea", "coffee", tile=None, **options).objective.tile is None
    assert nst.prepare("chelsea", "coffee", tile=100, **options).objective.tile == 96
    monkeypatch.setattr(budget, "free_memory", lambda device: 1e12)
    assert nst.prepare("chelsea", "coffee", **options).objective.tile is None


def test_processes_that_share_a_picture_go_by_the_least_memory_that_one_has(monkeypatch, extract):
    expected = plan(extract, LAYERS, [(4096, 4096)], free=8e9)
    assert plan(extract, LAYERS, [(4096, 4096)], free=9e9) != expected
    monkeypatch.setattr(ranks, "gathered", lambda free: [free, 8e9])
    assert plan(extract, LAYERS, [(4096, 4096)], free=9e9) == expected


def test_the_free_memory_is_that_of_the_machine():
    free = budget.free_memory(torch.device("cpu"))
    assert 1e6 < free < 1e15


def test_the_limit_of_a_container_counts(tmp_path):
    assert left_in_container(tmp_path) == math.inf  # no such files: not in a container, or not on Linux
    for name, text in {"max": "3000\n", "current": "1200\n", "stat": "anon 900\ninactive_file 200\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert left_in_container(tmp_path) == 2000
    (tmp_path / "memory.max").write_text("max\n")
    assert left_in_container(tmp_path) == math.inf
