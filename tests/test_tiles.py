"""Tiles: the same losses and the same gradient as from the whole picture, in memory that a tile bounds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nstlib as nst
from nstlib import backbones
from nstlib.large.tiles import cut, halo_of, smaller_tile
from nstlib.large.ways import InTiles
from nstlib.optimize import OPTIMIZERS
from nstlib.style_losses.means import Gram

DEEP = ["relu1_1", "relu3_1", "relu5_1"]


@pytest.fixture
def extract():
    return nst.FeatureExtractor("keen", device="cpu")


def terms_and_gradient(objective, image):
    image = image.clone().requires_grad_()
    terms = objective(image)
    (gradient,) = torch.autograd.grad(terms.total.sum(), image)
    return terms.detach().as_dict(), gradient


def assert_equal_from_tiles(objective, image, tile, rtol=1e-5):
    """Every term and the gradient, whole and in tiles."""
    objective.tile = None
    whole, gradient = terms_and_gradient(objective, image)
    objective.tile = tile
    tiled, tiled_gradient = terms_and_gradient(objective, image)
    assert list(tiled) == list(whole)
    for name in whole:
        torch.testing.assert_close(tiled[name], whole[name], rtol=rtol, atol=5e-7)
    for mine, other in zip(tiled_gradient, gradient, strict=True):
        assert (mine - other).norm() <= rtol * other.norm()
        assert (mine - other).abs().max() <= rtol * other.abs().max()


def noisy(picture, seed=0):
    return picture + 0.1 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pooling", ["avg", "max", "l2"])
@pytest.mark.parametrize("tile", [16, 64, 1000])
def test_terms_and_gradient_equal_those_of_the_whole_picture(pooling, tile):
    extract = nst.FeatureExtractor("mini", pooling, device="cpu")
    content, style = nst.load_image("village", 135)[..., :77, :], nst.load_image("swirls", 120)
    objective = nst.Objective(extract, content, style, beta=20.0, tv=10.0)
    # With the noise of seed 0 two of the four that a maximum chooses from are equal up to rounding.
    assert_equal_from_tiles(objective, noisy(content, seed=1), tile)


@settings(max_examples=15)
@given(
    height=st.integers(16, 110),
    width=st.integers(16, 110),
    tile=st.integers(16, 70),
    style_layers=st.lists(st.sampled_from(backbones.load_backbone("tiny").layers), unique=True, max_size=4),
    content_layers=st.lists(st.sampled_from(["relu1_2", "relu3_1", "conv4_2", "relu5_1"]), unique=True, max_size=2),
    normalization=st.sampled_from(["relative", "paper"]),
    border=st.sampled_from([0.0, 2.0]),
)
def test_any_size_any_tile_and_any_layers(height, width, tile, style_layers, content_layers, normalization, border):
    if not style_layers and not content_layers:
        content_layers = ["relu2_2"]
    extract = nst.FeatureExtractor("keen", device="cpu")
    content, style = torch.rand(1, 3, height, width), torch.rand(1, 3, 40, 56)
    objective = nst.Objective(
        extract, content, style, content_layers, style_layers, 1.0, 5.0, 3.0, normalization, border=border
    )
    assert_equal_from_tiles(objective, noisy(content), tile)


@pytest.mark.parametrize("parts", ["content", "style"])
def test_content_alone_and_style_alone(extract, parts):
    picture = torch.rand(1, 3, 100, 70)
    assert_equal_from_tiles(nst.Objective(extract, **{parts: picture}, tv=2.0), noisy(picture), 32)


def test_each_picture_of_a_batch_has_its_own_weights_and_its_own_targets(extract):
    contents, styles = torch.rand(3, 3, 70, 90), torch.rand(3, 3, 64, 64)
    objective = nst.Objective(extract, contents, styles, alpha=[0.0, 1.0, 2.0], beta=[30.0, 1.0, 5.0], tv=[1.0, 0.0, 9])
    assert_equal_from_tiles(objective, noisy(contents), 48)


def test_each_term_alone_can_be_differentiated(extract, content, style):
    objective = nst.Objective(extract, content, style, tile=16, border=1.0)
    image = noisy(content).requires_grad_()
    for term in ("content", "style", "tv"):
        objective.tile = None
        (whole,) = torch.autograd.grad(objective(image).as_dict()[term].sum(), image)
        objective.tile = 16
        (tiled,) = torch.autograd.grad(objective(image).as_dict()[term].sum(), image)
        assert (tiled - whole).norm() <= 1e-5 * whole.norm()


def test_targets_of_large_pictures_are_those_of_the_whole_pictures(extract):
    picture = torch.rand(2, 3, 131, 90)
    for layer, matrix in InTiles(extract, 32).statistics(picture, DEEP, Gram()).items():
        torch.testing.assert_close(matrix, nst.gram(extract(picture, DEEP)[layer]), rtol=1e-5, atol=1e-8)
    for layer, response in InTiles(extract, 32).responses(picture, DEEP).items():
        torch.testing.assert_close(response, extract(picture, DEEP)[layer], rtol=1e-5, atol=1e-6)


def test_no_more_than_a_tile_and_its_halo_goes_through_the_network(extract, monkeypatch):
    seen, forward = [], extract.forward
    monkeypatch.setattr(extract, "forward", lambda image, layers: seen.append(image.shape) or forward(image, layers))
    picture = torch.rand(1, 3, 250, 300)
    objective = nst.Objective(extract, picture, picture, tile=64)
    terms_and_gradient(objective, picture)
    assert len(seen) == 4 * 20
    assert max(max(shape[-2:]) for shape in seen) <= 64 + 2 * halo_of(extract, objective.layers)


def test_the_halo_is_what_the_responses_depend_on(extract):
    """As derived by hand: each convolution sees one position further, at the stride of its layer."""
    expected = {"relu1_1": 1, "relu1_2": 2, "relu2_1": 4, "relu3_1": 12, "relu4_2": 40, "relu5_1": 80}
    assert {layer: halo_of(extract, [layer]) for layer in expected} == expected
    assert halo_of(extract, list(expected)) == 80


@settings(max_examples=30)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 8), st.sampled_from([2, 16]))
def test_every_pixel_belongs_to_one_tile(height, width, sides, stride):
    counted = torch.zeros(1, 1, height, width)
    for tile in cut((height, width), sides * stride, 5 * stride, stride):
        tile.own(counted, 1).add_(1)
        assert (tile.down.first % stride, tile.across.first % stride) == (0, 0)
    assert (counted == 1).all()


def test_tiles_become_smaller_by_powers_of_two_of_the_stride():
    assert [smaller_tile(side, 16) for side in (4096, 513, 512, 33, 32, 17, 16, 3)] == [
        2048, 512, 256, 32, 16, 16, None, None,
    ]  # fmt: skip


@nst.register("global")
def _global(pooling, keep_scale, weights):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.InstanceNorm2d(4))
    return nst.Backbone("global", net, {"norm": "1"}, {"norm": 1})


def test_a_backbone_that_sees_the_whole_picture_at_once_cannot_be_tiled():
    extract = nst.FeatureExtractor("global", device="cpu")
    objective = nst.Objective(extract, style=torch.rand(1, 3, 40, 40), content_layers=[], style_layers="norm")
    assert objective.smaller_tile(torch.rand(1, 3, 40, 40)) is None
    objective.tile = 16
    with pytest.raises(nst.InputError, match="global cannot be tiled: the responses of norm depend on the whole"):
        objective(torch.rand(1, 3, 40, 40))


@nst.register("downscale")
def _downscale(pooling, keep_scale, weights):
    """Strided convolutions with padding, whose responses are longer than a picture of odd size divided by two."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(3, 6, 7, 2, padding=3), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, padding=1), nn.ReLU())
    return nst.Backbone("downscale", net, {"relu1": "1", "relu2": "3"}, {"relu1": 2, "relu2": 4})


@pytest.mark.parametrize("size", [(64, 64), (67, 75)])
def test_a_backbone_of_another_kind_needs_nothing_but_its_strides(size):
    extract, picture = nst.FeatureExtractor("downscale", device="cpu"), torch.rand(1, 3, *size)
    objective = nst.Objective(extract, picture, picture.flip(2), "relu2", ["relu1", "relu2"])
    assert_equal_from_tiles(objective, noisy(picture), 20)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_in_tiles_gives_the_same_picture(extract, content, style, optimizer):
    runs = [nst.Run(nst.Objective(extract, content, style, tile=tile), "noise", optimizer) for tile in (None, 16)]
    for run in runs:
        for _ in run.steps(12, progress=False):
            pass
    torch.testing.assert_close(runs[1].image, runs[0].image, rtol=0, atol=2e-3)
    assert runs[1].history["total"][-1] == pytest.approx(runs[0].history["total"][-1], rel=1e-2)


def test_the_tile_can_be_changed_while_a_run_goes_on_and_lbfgs_forgets_nothing(extract, content, style):
    objective = nst.Objective(extract, content, style)
    run = nst.Run(objective)
    for step in run.steps(8, progress=False):
        if step.number == 4:
            objective.tile = 32
    assert len(run._descent.optimizer.state[run._param]["pairs"]) == 8
    objective.tile = None
    whole = nst.Run(nst.Objective(extract, content, style))
    for _ in whole.steps(8, progress=False):
        pass
    torch.testing.assert_close(run.image, whole.image, rtol=0, atol=2e-3)


def test_a_saved_run_keeps_its_tile_and_older_files_have_none(extract, content, style, tmp_path):
    run = nst.Run(nst.Objective(extract, content, style, tile=32))
    run.step()
    assert nst.Run.load(run.save(tmp_path / "run.pt"), device="cpu").objective.tile == 32
    state = run.objective.state_dict()
    del state["tile"]
    assert nst.Objective.from_state_dict(state, "cpu").tile is None


def test_a_sweep_takes_over_the_tile(extract, content, style):
    results = [
        nst.sweep(nst.Objective(extract, content, style, tile=tile), beta=[1.0, 50.0], steps=4, progress=False)
        for tile in (None, 16)
    ]
    for key, picture in results[0].pictures.items():
        torch.testing.assert_close(results[1].pictures[key], picture, rtol=0, atol=2e-3)


def out_of_memory_above(extract, monkeypatch, side):
    forward = extract.forward

    def limited(image, layers):
        if image.requires_grad and max(image.shape[-2:]) > side:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(image, layers)

    monkeypatch.setattr(extract, "forward", limited)


@pytest.mark.filterwarnings("ignore::nstlib.RunWarning")
def test_out_of_memory_is_tried_again_in_tiles_and_the_run_goes_on_as_if_nothing_had_been(extract, monkeypatch):
    content, style = torch.rand(1, 3, 300, 260), torch.rand(1, 3, 64, 64)
    expected = nst.Run(nst.Objective(extract, content, style))
    for _ in expected.steps(3, progress=False):
        pass
    run = nst.Run(nst.Objective(extract, content, style))
    run.step()
    out_of_memory_above(extract, monkeypatch, 64 + 2 * 80)
    with pytest.warns(nst.RunWarning, match="out of memory; going on with tiles of 64 pixels"):
        run.step()
    run.step()
    assert (run.taken, run.objective.tile) == (3, 64)
    torch.testing.assert_close(run.image, expected.image, rtol=0, atol=2e-3)


@pytest.mark.filterwarnings("ignore::nstlib.RunWarning")
def test_out_of_memory_with_the_smallest_tiles_is_an_error_and_the_picture_is_kept(extract, content, monkeypatch):
    run = nst.Run(nst.Objective(extract, content))
    run.step()
    before = run.image
    out_of_memory_above(extract, monkeypatch, 0)
    with pytest.raises(nst.OutOfMemory, match="use a smaller size"):
        run.step()
    assert torch.equal(run.image, before)


@pytest.mark.parametrize("tile", [0, 15, -16, 20.0, True, "auto"])
def test_a_tile_that_makes_no_sense_is_refused_and_changes_nothing(extract, content, style, tile):
    objective = nst.Objective(extract, content, style, tile=50)
    assert objective.tile == 48
    with pytest.raises(nst.InputError, match=r"the tile is .*16 or more"):
        objective.tile = tile
    assert objective.tile == 48


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_run_in_tiles_keeps_its_last_good_picture_in_the_memory_of_the_cpu(content, style, tmp_path):
    extract = nst.FeatureExtractor("tiny", device="cuda")
    runs = [nst.Run(nst.Objective(extract, content, style, tile=tile), optimizer="adam") for tile in (None, 16)]
    for run in runs:
        for _ in run.steps(4, progress=False):
            pass
    whole, tiled = (run.image for run in runs)
    assert (whole.device.type, tiled.device.type) == ("cuda", "cpu")
    torch.testing.assert_close(tiled, whole.cpu(), rtol=0, atol=2e-3)
    resumed = nst.Run.load(runs[1].save(tmp_path / "run.pt"), device="cuda")
    assert torch.equal(resumed.image, tiled)
    runs[1].objective.tile = None
    runs[1].step()
