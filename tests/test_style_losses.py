"""Style losses: each against another's arithmetic in float64, and all that is promised of Gram matrices too."""

import copy
import math
from dataclasses import dataclass

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, ndimage
from torch.nn import functional as F

import nstlib as nst
from nstlib.descent import LBFGSDescent
from nstlib.style_losses.chain import Chain, enlarged
from nstlib.style_losses.means import TINY, Gram, Shifted, Wasserstein
from nstlib.style_losses.names import STYLE_LOSSES, name_of, style_loss_of
from nstlib.style_losses.patches import Patches
from nstlib.style_losses.positions import mixed_positions
from nstlib.style_losses.relaxed import YUV, Relaxed
from nstlib.style_losses.roots import by_eigenvalues, by_products, common_trace, edge_of, root, rounding_of
from nstlib.style_losses.sliced import Sliced
from nstlib.style_losses.statistics import OfMeans, StyleLoss

MEANS = [name for name in STYLE_LOSSES if style_loss_of(name).adds_up]
POSITIONS = [name for name in STYLE_LOSSES if name not in MEANS]
SMALL = {"size": 48, "backbone": "tiny", "device": "cpu", "progress": False}
LAYERS = ["relu1_1", "relu2_1", "relu3_1"]

seeds = st.integers(0, 2**31 - 1)


def random_features(seed, batch=1, size=(7, 9)):
    """Two layers as a network has them: rectified, the deeper one pooled, with a row and a column left over."""
    rng = np.random.default_rng(seed)
    shapes = {"one": (batch, 5, *size), "two": (batch, 4, size[0] // 2, size[1] // 2)}
    return {layer: np.maximum(rng.normal(0.6, 1, shape), 0) for layer, shape in shapes.items()}


def random_picture(seed, batch=1, size=(7, 9)):
    return np.random.default_rng(seed).random((batch, 3, *size))


def tensors(features):
    return {layer: torch.from_numpy(response).float() for layer, response in features.items()}


def compared(loss, features, style, normalization="relative", pictures=(None, None)):
    """The loss of each layer that has a term, by tensors of features."""
    picture, other = (
        torch.full((1, 3, 4, 4), 0.5) if given is None else torch.as_tensor(given).float() for given in pictures
    )
    targets = {layer: loss.finished(loss.mixed([each], [1.0])) for layer, each in loss.of_style(style, other).items()}
    found = loss.statistics(features, picture)
    return {layer: loss.loss(found[layer], targets[layer], normalization) for layer in targets}


def quick(name):
    """The loss of a name, with fewer places where these make it slow."""
    return Relaxed(compared=64) if name == "relaxed" else style_loss_of(name)


def take(run, steps):
    for _ in run.steps(steps, progress=False):
        pass
    return run


def terms_and_gradient(objective, image):
    image = image.clone().requires_grad_()
    terms = objective(image)
    (gradient,) = torch.autograd.grad(terms.total.sum(), image)
    return terms.detach().as_dict(), gradient


def assert_same(objective, other, image, rtol=1e-5):
    (terms, gradient), (others, other_gradient) = (terms_and_gradient(each, image) for each in (objective, other))
    assert list(terms) == list(others)
    for name in terms:
        torch.testing.assert_close(terms[name], others[name], rtol=rtol, atol=1e-6)
    assert (gradient - other_gradient).norm() <= 10 * rtol * other_gradient.norm()


# ---------------------------------------------------------------- against NumPy, SciPy and POT


def rows(response):
    return response.reshape(len(response), -1)


def numpy_gram(response, other=None):
    return rows(response) @ rows(response if other is None else other).T / rows(response).shape[1]


def of_matrices(matrix):
    def reference(loss, found, wanted):
        found, wanted = matrix(found), matrix(wanted)
        return ((found - wanted) ** 2).sum() / (4 * found.shape[0] * found.shape[1])

    return reference


def numpy_chain(shift, blur):
    def product(features):
        shallow, deep = features["one"], features["two"]
        if blur:
            for axis in (1, 2):
                shallow, deep = (
                    ndimage.correlate1d(each, [0.25, 0.5, 0.25], axis, mode="nearest") for each in (shallow, deep)
                )
        down, across = (
            np.minimum(np.arange(count) // 2, last - 1)
            for count, last in zip(shallow.shape[1:], deep.shape[1:], strict=True)
        )
        return numpy_gram(shallow + shift, deep[:, down][:, :, across] + shift)

    return of_matrices(product)


def numpy_moments(loss, found, wanted):
    pairs = [(rows(each["one"]).mean(1), np.sqrt(rows(each["one"]).var(1) + TINY)) for each in (found, wanted)]
    return sum(((one - other) ** 2).mean() for one, other in zip(*pairs, strict=True))


def bures(loss, found, wanted):
    moments = [(rows(each["one"]).mean(1), np.cov(rows(each["one"]), bias=True)) for each in (found, wanted)]
    (mean, spread), (other, other_spread) = moments
    return ot.gaussian.bures_wasserstein_distance(mean, other, spread, other_spread) ** 2 / len(mean)


def along_directions(loss, found, wanted):
    directions = next(each for each in loss.drawn.values() if each.shape[1] == 5)
    projections = zip(*(directions.double().numpy() @ rows(each["one"]) for each in (found, wanted)), strict=True)
    return np.mean([ot.emd2_1d(one, other, metric="sqeuclidean") for one, other in projections])


def gram_and_ranks(loss, found, wanted):
    ways = np.sort(rows(found["one"])) - np.sort(rows(wanted["one"]))
    return of_matrices(lambda each: numpy_gram(each["one"]))(loss, found, wanted) + (ways**2).mean()


def nearest_patches(loss, found, wanted):
    def patches(response):
        height, width = (side - 2 for side in response.shape[1:])
        return [response[:, y : y + 3, x : x + 3].ravel() for y in range(height) for x in range(width)]

    def way(patch):
        near = max(patches(wanted["one"]), key=lambda other: patch @ other / np.linalg.norm(other))
        return ((patch - near) ** 2).mean()

    return np.mean([way(patch) for patch in patches(found["one"])])


REFERENCES = {
    "gram": of_matrices(lambda each: numpy_gram(each["one"])),
    "shifted": of_matrices(lambda each: numpy_gram(each["one"] - 1)),
    "chain": numpy_chain(0, False),
    "chain_blurred": numpy_chain(0, True),
    "novak": numpy_chain(-1, True),
    "moments": numpy_moments,
    "covariance": of_matrices(lambda each: np.cov(rows(each["one"]), bias=True)),
    "wasserstein": bures,
    "sliced": along_directions,
    "histogram": gram_and_ranks,
    "patches": nearest_patches,
}


def of_one(features):
    return {layer: response[0] for layer, response in features.items()}


@pytest.mark.parametrize("name", REFERENCES)
def test_the_loss_is_that_of_an_independent_reference(name):
    loss = style_loss_of(name)
    for seed in range(3):
        found, wanted = random_features(seed), random_features(seed + 100)
        given = compared(loss, tensors(found), tensors(wanted), "paper")["one"]
        np.testing.assert_allclose(given, REFERENCES[name](loss, of_one(found), of_one(wanted)), rtol=1e-4)


def test_shift_and_blur_of_a_chain_may_be_chosen_one_by_one():
    found, wanted = random_features(0), random_features(1)
    for shift, blur in ((0.5, False), (-2.0, True)):
        given = compared(Chain(shift, blur), tensors(found), tensors(wanted), "paper")["one"]
        np.testing.assert_allclose(given, numpy_chain(shift, blur)(None, of_one(found), of_one(wanted)), rtol=1e-4)


@pytest.mark.parametrize("name", REFERENCES)
def test_the_gradient_is_that_of_the_reference_by_finite_differences(name):
    loss = style_loss_of(name)
    found, wanted, direction = random_features(3), random_features(103), random_features(4)
    rng = np.random.default_rng(5)  # no ties: ranks have a corner there
    found = {layer: response + 0.05 + 0.1 * rng.random(response.shape) for layer, response in found.items()}
    leaves = {layer: leaf.requires_grad_() for layer, leaf in tensors(found).items()}
    value = compared(loss, leaves, tensors(wanted), "paper")["one"]
    slopes = torch.autograd.grad(value.sum(), list(leaves.values()), allow_unused=True)

    def moved(step):
        away = {layer: response + step * direction[layer] for layer, response in found.items()}
        return REFERENCES[name](loss, of_one(away), of_one(wanted))

    numeric = (moved(1e-6) - moved(-1e-6)) / 2e-6
    pairs = zip(slopes, direction.values(), strict=True)
    along = sum(float((slope.double().numpy() * way).sum()) for slope, way in pairs if slope is not None)
    assert along == pytest.approx(numeric, rel=2e-3)


def test_wasserstein_is_that_of_scipys_matrix_roots():
    found, wanted = random_features(5)["one"], random_features(6)["one"]
    mean, other = rows(found[0]).mean(1), rows(wanted[0]).mean(1)
    spread, other_spread = np.cov(rows(found[0]), bias=True), np.cov(rows(wanted[0]), bias=True)
    half = linalg.sqrtm(other_spread)
    between = linalg.sqrtm(half @ spread @ half).real
    expected = (((mean - other) ** 2).sum() + np.trace(spread + other_spread - 2 * between)) / 5
    given = compared(Wasserstein(), tensors({"one": found}), tensors({"one": wanted}), "paper")["one"]
    np.testing.assert_allclose(given, expected, rtol=2e-4)


@pytest.mark.parametrize(("size", "other"), [((9, 8), (6, 6)), ((6, 6), (9, 8)), ((6, 6), (12, 12))])
def test_pictures_of_other_sizes_than_the_style_are_compared_rank_by_rank(size, other):
    """Between the sorted values of the style it is linear; POT has steps there, so that it is near."""
    found, wanted = (
        {"one": np.random.default_rng(seed).normal(0.5 * seed, 1, (1, 5, *shape))}
        for seed, shape in ((7, size), (9, other))
    )
    loss = Sliced()
    given = compared(loss, tensors(found), tensors(wanted), "paper")["one"]
    np.testing.assert_allclose(given, along_directions(loss, of_one(found), of_one(wanted)), rtol=0.05)
    (directions,) = loss.drawn.values()
    values, sorted_ = (np.sort(directions.double().numpy() @ rows(each["one"][0])) for each in (found, wanted))
    count, places = sorted_.shape[1], (np.arange(values.shape[1]) + 0.5) / values.shape[1]
    matched = np.stack([np.interp(places * count - 0.5, np.arange(count), each) for each in sorted_])
    np.testing.assert_allclose(given, ((values - matched) ** 2).mean(), rtol=1e-4)


def test_directions_are_unit_vectors_and_fewer_where_there_are_many_positions():
    for size, count in (((4, 4), 5), ((30, 30), 3), ((60, 60), 2)):
        loss, features = Sliced(work=3000), torch.rand(1, 5, *size)
        compared(loss, {"one": features}, {"one": features.flip(1)})
        (directions,) = loss.drawn.values()
        assert directions.shape == (count, 5)
        torch.testing.assert_close(directions.norm(dim=1), torch.ones(count))


def test_of_many_patches_some_are_compared_and_they_are_patches_of_the_map():
    loss, features = Patches(compared=6), tensors(random_features(8))["one"]
    some = loss.statistics({"one": features}, features[:, :3])["one"]
    every = F.unfold(features, 3)
    assert some.shape == (1, 45, 6)
    assert all((every == column[..., None]).all(1).any() for column in some.unbind(-1))
    assert len({tuple(column.flatten().tolist()) for column in some.unbind(-1)}) == 6


# ---------------------------------------------------------------- relaxed


def bilinear(response, places):
    """Values (C, N) at places from -1 to 1, where a position is a square with its value in the middle."""
    height, width = response.shape[1:]
    across, down = ((places + 1) * (width, height) / 2 - 0.5).T
    columns = np.clip(across, 0, width - 1), np.clip(down, 0, height - 1)
    return np.stack([ndimage.map_coordinates(channel, columns[::-1], order=1, mode="nearest") for channel in response])


def numpy_relaxed(found, target):
    def angles(one, other):
        return np.array([[1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for b in other.T] for a in one.T])

    def both_ways(costs):
        return max(costs.min(1).mean(), costs.min(0).mean())

    features, wanted = found[:-3], target[:-3]
    colors, palette = (np.array(YUV) @ each[-3:] for each in (found, target))
    lengths = np.sqrt(((colors[:, :, None] - palette[:, None]) ** 2).mean(0))
    moments = np.abs(features.mean(1) - wanted.mean(1)).mean()
    moments += np.abs(np.cov(features, bias=True) - np.cov(wanted, bias=True)).mean()
    return np.array([both_ways(angles(features, wanted)), moments, both_ways(angles(colors, palette) + lengths)])


def test_relaxed_takes_features_and_colors_at_the_same_places_between_positions_linear():
    loss, found, picture = Relaxed(compared=30), random_features(9), random_picture(10, size=(14, 18))
    statistics = loss.statistics(tensors(found), torch.from_numpy(picture))
    (places,) = loss.drawn.values()
    places = places.double().numpy().reshape(-1, 2)
    for layer, response in found.items():
        expected = np.concatenate([bilinear(response[0], places), bilinear(picture[0], places)])
        np.testing.assert_allclose(statistics[layer][0], expected, rtol=1e-4, atol=1e-5)


def test_relaxed_is_that_of_brute_force_and_its_gradient_that_of_finite_differences():
    rng = np.random.default_rng(0)
    found, target, direction = (rng.random((8, count)) + 0.1 for count in (20, 31, 20))
    leaf = torch.from_numpy(found).float()[None].requires_grad_()
    wanted = torch.from_numpy(target).float()[None]
    value = Relaxed().distance(leaf, wanted)
    assert value.item() == pytest.approx(numpy_relaxed(found, target).sum(), rel=1e-3)
    (slope,) = torch.autograd.grad(value.sum(), leaf)
    ends = [numpy_relaxed(found + step * direction, target).sum() for step in (1e-6, -1e-6)]
    assert float((slope[0].double().numpy() * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=5e-3)
    of_nothing = numpy_relaxed(np.full((8, 1), 1e-30), target)
    of_nothing[[0, 2]] = 1, 1 + np.sqrt(((np.array(YUV) @ target[-3:]) ** 2).mean(0)).mean()
    expected = (numpy_relaxed(found, target) / of_nothing).mean()
    assert Relaxed().loss(leaf, wanted).item() == pytest.approx(expected, rel=1e-3)


def test_black_is_like_black_and_pulls_at_nothing():
    loss, black, gray = Relaxed(compared=8), torch.zeros(1, 6, 8), torch.full((1, 6, 8), 0.4)
    assert loss.loss(black, black).item() == 0
    half = torch.cat([black, gray], 2).requires_grad_()
    value = loss.loss(half, half.detach())
    assert value.item() == pytest.approx(0, abs=1e-3)
    (slope,) = torch.autograd.grad(loss.loss(half, 2 * gray).sum(), half)
    assert slope.abs().max() < 10


# ---------------------------------------------------------------- roots


@given(seeds, st.integers(1, 8))
@settings(max_examples=30)
def test_traces_by_products_are_those_by_eigenvalues_and_of_scipy(seed, channels):
    rng = np.random.default_rng(seed)
    made = [rng.normal(size=(channels, 4 * channels + 4)) for _ in range(2)]
    spread, other = (torch.from_numpy(each @ each.T / each.shape[1]) for each in made)
    half = root(other[None])
    between = half.double() @ spread @ half.double()
    traces = [
        by_eigenvalues(between, edge_of(half).double()),
        by_products(between.float(), edge_of(half), rounding_of(spread[None].float(), half)),
    ]
    torch.testing.assert_close(traces[1][0].double(), traces[0][0], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(traces[1][1].double(), traces[0][1], rtol=0.02, atol=0.02 * float(traces[0][1].max()))
    expected = np.trace(linalg.sqrtm(half[0].double().numpy() @ spread.numpy() @ half[0].double().numpy()).real)
    assert common_trace(spread[None].float(), half).item() == pytest.approx(expected, rel=1e-3)


def test_the_gradient_of_the_common_trace_is_that_of_finite_differences():
    rng = np.random.default_rng(1)
    spread, other, way = (each @ each.T / 20 for each in rng.normal(size=(3, 6, 20)))
    half = root(torch.from_numpy(other)[None])
    leaf = torch.from_numpy(spread)[None].float().requires_grad_()
    (slope,) = torch.autograd.grad(common_trace(leaf, half).sum(), leaf)
    wide = half[0].double().numpy()
    ends = [np.trace(linalg.sqrtm(wide @ (spread + step * way) @ wide).real) for step in (1e-6, -1e-6)]
    assert float((slope[0].double().numpy() * way).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-3)


@pytest.mark.parametrize("ranks", [(0, 0), (0, 6), (6, 0), (1, 1), (2, 6), (6, 2)])
def test_singular_covariances_have_finite_traces_and_gradients(ranks):
    rng = np.random.default_rng(2)
    spread, other = (torch.from_numpy(each @ each.T).float()[None] for each in
                     (rng.normal(size=(6, rank)) for rank in ranks))  # fmt: skip
    leaf, half = spread.requires_grad_(), root(other)
    value = common_trace(leaf, half)
    (slope,) = torch.autograd.grad(value.sum(), leaf)
    assert value.isfinite().all()
    assert slope.isfinite().all()
    trace, inverse = by_products(half @ spread.detach() @ half, edge_of(half), rounding_of(spread.detach(), half))
    assert trace.isfinite().all()
    assert inverse.isfinite().all()
    torch.testing.assert_close(trace, value.detach(), rtol=0.02, atol=1e-3)


@given(seeds, st.integers(1, 40), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=60)
def test_traces_by_products_of_singular_covariances_stay_near(seed, channels, rank, other_rank):
    rng = np.random.default_rng(seed)
    spread, other = (torch.from_numpy(each @ each.T).float()[None] for each in
                     (rng.normal(size=(channels, count)) for count in (rank, other_rank)))  # fmt: skip
    half = root(other)
    found, inverse = by_products(half @ spread @ half, edge_of(half), rounding_of(spread, half))
    assert inverse.isfinite().all()
    bound = (spread.diagonal(dim1=-2, dim2=-1).sum() * other.diagonal(dim1=-2, dim2=-1).sum()).sqrt()
    torch.testing.assert_close(found, common_trace(spread, half), rtol=0.05, atol=float(3e-3 * bound))


# ---------------------------------------------------------------- what "relative" means


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_relative_is_0_at_the_target(name):
    loss, features = style_loss_of(name), tensors(random_features(11))
    picture = random_picture(11)
    found = loss.statistics(features, torch.from_numpy(picture))
    if name == "relaxed":  # a style's positions are others
        values = [loss.loss(each, each) for each in found.values()]
        assert max(values) < 1e-3
    else:
        values = compared(loss, features, features, pictures=(picture, picture)).values()
        assert max(values) < 1e-5
    assert min(values) >= -1e-6


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_relative_is_1_where_the_network_responds_with_nothing(name):
    loss, style = style_loss_of(name), tensors(random_features(12))
    nothing = {layer: torch.zeros_like(response) for layer, response in style.items()}
    pictures = torch.zeros(1, 3, 7, 9), random_picture(12)
    for value in compared(loss, nothing, style, pictures=pictures).values():
        assert value.item() == pytest.approx(1, abs=1e-6)


# Histogram and relaxed are sums of two and three measures; a shift has units of its own in relative.
@pytest.mark.parametrize("name", sorted({*STYLE_LOSSES} - {"histogram", "relaxed", "shifted", "novak"}))
def test_relative_and_paper_differ_by_a_constant_of_the_target(name):
    loss, style = style_loss_of(name), tensors(random_features(13))
    ratios = []
    for seed in (14, 15):
        features = tensors(random_features(seed))
        paper, relative = (compared(loss, features, style, how)["one"] for how in ("paper", "relative"))
        ratios.append((paper / relative).item())
    # What nothing would cost is, of patches, that of those that were found.
    assert ratios[0] == pytest.approx(ratios[1], rel=0.2 if name == "patches" else 1e-4)


# Relaxed adds differences of means to those of covariances.
@pytest.mark.parametrize("name", sorted({*STYLE_LOSSES} - {"relaxed"}))
@given(seed=seeds, scale=st.floats(0.5, 50))
@settings(max_examples=10)
def test_relative_does_not_see_the_scale_of_the_features(name, seed, scale):
    loss, found, style = style_loss_of(name), tensors(random_features(seed)), tensors(random_features(seed + 1))
    once = compared(loss, found, style)
    scaled = compared(loss, *({layer: scale * each for layer, each in both.items()} for both in (found, style)))
    for layer in once:
        tolerance = 2e-2 if name == "moments" else 2e-3  # moments have TINY beside a variance
        torch.testing.assert_close(scaled[layer], once[layer], rtol=tolerance, atol=1e-6)


def test_a_relative_shift_counts_in_units_of_the_targets_mean_response():
    loss, found, style = style_loss_of("shifted"), tensors(random_features(16)), tensors(random_features(17))
    # Of features with a mean of 1 the paper's shift is the relative one, but for what nothing would cost.
    of_one = {layer: response / response.mean() for layer, response in style.items()}
    scaled = {layer: response / style[layer].mean() for layer, response in found.items()}
    nothing = {layer: torch.zeros_like(response) for layer, response in found.items()}
    for layer, relative in compared(loss, found, style).items():
        paper, norm = (compared(loss, each, of_one, "paper")[layer] for each in (scaled, nothing))
        torch.testing.assert_close(relative, paper / norm, rtol=1e-4, atol=0.0)


def test_an_unknown_normalization_is_refused_by_each_objective(extract, content, style):
    with pytest.raises(nst.InputError, match="paper, relative"):
        nst.Objective(extract, content, style, style_loss="sliced", normalization="gatys")


# ---------------------------------------------------------------- batches, sizes, precision, what is degenerate


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("normalization", ["relative", "paper"])
def test_each_picture_of_a_batch_is_as_alone_also_with_a_target_of_one(name, normalization):
    loss, features, pictures = quick(name), tensors(random_features(16, 3)), random_picture(16, 3)
    for batch in (1, 3):
        style, others = tensors(random_features(17, batch, (6, 8))), random_picture(17, batch, (6, 8))
        together = compared(loss, features, style, normalization, (pictures, others))
        for place in range(3):
            of, own = slice(place, place + 1), slice(place % batch, place % batch + 1)
            alone = compared(
                loss, {layer: each[of] for layer, each in features.items()},
                {layer: each[own] for layer, each in style.items()}, normalization, (pictures[of], others[own]),
            )  # fmt: skip
            for layer in together:
                assert together[layer].shape == (3,)
                torch.testing.assert_close(together[layer][of], alone[layer], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_features_in_half_precision_are_added_up_in_float32(name, kind):
    style, picture = tensors(random_features(19, size=(8, 8))), random_picture(18, size=(40, 40))
    half = {layer: (300 * each).to(kind) for layer, each in tensors(random_features(18, size=(40, 40))).items()}
    wide = {layer: each.float() for layer, each in half.items()}
    found, expected = (compared(quick(name), each, style, pictures=(picture, picture)) for each in (half, wide))
    for layer, value in found.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[layer])


FLAT = {"one": torch.rand(1, 5, 1, 1, generator=torch.Generator().manual_seed(0)).expand(1, 5, 7, 9),
        "two": torch.rand(1, 4, 1, 1, generator=torch.Generator().manual_seed(1)).expand(1, 4, 3, 4)}  # fmt: skip
DEGENERATE = {
    "full": tensors(random_features(20)),
    "flat": FLAT,
    "zero": {layer: torch.zeros_like(each) for layer, each in FLAT.items()},
    "one position": {layer: each[..., :1, :1] + 0.3 for layer, each in tensors(random_features(21)).items()},
    "dead channels": {layer: each * (each > 0.5) * torch.tensor([1.0, 0, 1, 0, 0])[: each.shape[1], None, None]
                      for layer, each in tensors(random_features(22)).items()},
}  # fmt: skip


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("normalization", ["relative", "paper"])
def test_whatever_is_flat_black_or_a_single_position_has_finite_losses_and_gradients(name, normalization):
    loss = quick(name)
    for kind, features in DEGENERATE.items():
        for other, style in DEGENERATE.items():
            leaves = {layer: each.clone().requires_grad_() for layer, each in features.items()}
            picture = torch.zeros(1, 3, 7, 9) if kind == "zero" else random_picture(20)
            black = torch.zeros(1, 3, 7, 9) if other == "zero" else random_picture(21)
            total = torch.stack([*compared(loss, leaves, style, normalization, (picture, black)).values()]).sum()
            slopes = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
            # Nothing is divided by rounding: a loss stays a number that others can be added to.
            assert -1e-5 <= float(total.detach()) < 1e4, (kind, other)
            assert all(slope is None or slope.abs().max() < 1e3 for slope in slopes), (kind, other)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_losses_and_steps_are_finite_for_flat_and_black_pictures(extract, style, name):
    for value in (0.0, 0.6):
        flat = torch.full((1, 3, 33, 37), value)
        for pair in ((flat, style), (style, flat), (flat, flat)):
            run = take(nst.Run(nst.Objective(extract, *pair, style_loss=quick(name)), optimizer="adam"), 3)
            assert np.isfinite(run.history["total"]).all()
            assert run.image.isfinite().all()


def test_a_covariance_that_is_rounding_is_nothing_to_divide_by(content):
    extract, flat = nst.FeatureExtractor("keen", device="cpu"), torch.zeros(1, 3, 48, 48)
    losses = nst.Objective(extract, content, flat, style_loss="covariance")(content).layers
    assert max(loss.item() for name, loss in losses.items() if name.startswith("style")) < 100


# ---------------------------------------------------------------- chains


def test_a_chain_has_a_term_for_each_layer_but_the_deepest_in_whatever_order_they_are_named(extract, content, style):
    objective = nst.Objective(extract, content, style, style_layers=LAYERS[::-1], style_loss="chain")
    assert [name for name in objective(content).layers if "style" in name] == ["style/relu1_1", "style/relu2_1"]
    assert objective.style_target["relu1_1"].shape == (1, 5, 7)  # with the means of both
    assert objective.layers_of_style == LAYERS


def test_a_chain_of_one_layer_is_refused_and_leaves_everything_as_it_was(extract, content, style):
    with pytest.raises(nst.InputError, match="two layers at least; here is relu1_1"):
        nst.Objective(extract, content, style, style_layers="relu1_1", style_loss="chain")
    objective = nst.Objective(extract, content, style, style_layers="relu1_1")
    before, version = objective(torch.zeros_like(content)).total, objective.version
    with pytest.raises(nst.InputError, match="two layers"):
        objective.set_style_loss("novak")
    assert (objective.style_loss.name, objective.version) == ("gram", version)
    assert torch.equal(objective(torch.zeros_like(content)).total, before)


@pytest.mark.parametrize(("size", "deep"), [((7, 9), (3, 4)), ((8, 8), (4, 4)), ((9, 5), (1, 1)), ((15, 13), (3, 3))])
def test_what_pooling_left_over_goes_with_the_last_position(size, deep):
    stride = 2 ** int(math.log2(size[0] / deep[0]))
    numbered = torch.arange(math.prod(deep)).float().view(1, 1, *deep)
    large = enlarged(numbered, torch.zeros(1, 2, *size))[0, 0]
    assert large.shape == size
    down, across = ((torch.arange(n) // stride).clamp(max=m - 1) for n, m in zip(size, deep, strict=True))
    assert torch.equal(large, numbered[0, 0][down][:, across])


# ---------------------------------------------------------------- means: tiles, masks, blends


def noisy(picture, seed=0):
    return picture + 0.1 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", MEANS)
@pytest.mark.parametrize(("size", "tile"), [((67, 75), 16), ((41, 98), 48)])
@pytest.mark.parametrize("masked", [False, True])
def test_tiles_give_the_losses_and_the_gradient_of_the_whole_picture(name, size, tile, masked):
    extract, generator = nst.FeatureExtractor("keen", device="cpu"), torch.Generator().manual_seed(0)
    content, *styles = (torch.rand(1, 3, *each, generator=generator) for each in (size, (45, 39), (33, 52)))
    how = {"content_layers": "relu2_1", "style_layers": [*LAYERS, "relu4_1"], "style_loss": name}
    if masked:
        how["masks"] = [torch.linspace(1, 0, size[1]).expand(size)]
    whole, tiled = (nst.Objective(extract, content, styles, **how, tile=side) for side in (None, tile))
    for layer, target in whole.style_target.items():
        torch.testing.assert_close(tiled.style_target[layer], target, rtol=1e-3, atol=1e-5 * float(target.abs().max()))
    assert_same(tiled, whole, noisy(content), rtol=1e-4)


@pytest.mark.parametrize("name", MEANS)
def test_a_mask_of_everything_is_as_no_mask_and_each_style_has_its_own_place(extract, content, style, name):
    how = {"style_layers": LAYERS, "style_loss": name}
    plain = nst.Objective(extract, content, style, **how)
    everywhere = nst.Objective(extract, content, style, masks=[torch.ones(content.shape[-2:])], **how)
    assert_same(everywhere, plain, noisy(content), rtol=1e-3)
    left = torch.zeros(content.shape[-2:])
    left[:, : content.shape[-1] // 2] = 1
    images = [noisy(content), noisy(content)]
    images[1][..., content.shape[-1] // 2 + 8 :] = 0.5
    guided = nst.Objective(extract, content, [(style, 1), (style.flip(1), 0)], masks=[left], guidance="inside", **how)
    losses = [guided(image).layers["style/relu1_1"] for image in images]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("name", sorted({*MEANS} - {"chain_blurred", "novak"}))  # a blur mixes where they meet
def test_a_blend_is_the_style_of_a_picture_that_has_both_side_by_side(name):
    loss, styles = style_loss_of(name), [tensors(random_features(seed, size=(8, 8))) for seed in (23, 24)]
    both = {layer: torch.cat([each[layer] for each in styles], 3) for layer in styles[0]}
    picture = torch.zeros(1, 3, 4, 4)
    statistics = [loss.of_style(each, picture) for each in styles]
    for layer, expected in loss.of_style(both, picture).items():
        mixed = loss.mixed([each[layer] for each in statistics], [0.5, 0.5])
        torch.testing.assert_close(mixed, expected)


@pytest.mark.parametrize("name", MEANS)
def test_shares_weigh_what_was_measured_and_the_target_is_finished_from_the_mean(extract, content, style, name):
    objective = nst.Objective(extract, content, [(style, 0.3), (style.flip(1), 0.7)], style_loss=name)
    one, other = objective.style_statistics
    for layer, target in objective.style_target.items():
        mean = 0.3 * one[layer] + 0.7 * other[layer]
        torch.testing.assert_close(target, objective.style_loss.finished(mean))
    objective.shares = [1, 0]
    alone = nst.Objective(extract, content, style, style_loss=name)
    for layer, target in objective.style_target.items():
        torch.testing.assert_close(target, alone.style_target[layer])


# ---------------------------------------------------------------- positions: what they refuse, and blends


@pytest.mark.parametrize("name", POSITIONS)
def test_losses_of_positions_refuse_masks_tiles_and_spread_with_advice(extract, content, style, name):
    advice = rf"{name}' compares positions with positions.* a style loss of means, such as 'gram'"
    mask = torch.ones(content.shape[-2:])
    for how in ({"tile": 16}, {"spread": True}, {"masks": [mask]}, {"style_masks": [torch.ones(style.shape[-2:])]}):
        with pytest.raises(nst.InputError, match=advice):
            nst.Objective(extract, content, style, style_loss=name, **how)
        objective = nst.Objective(extract, content, style, style_layers=LAYERS, **how)
        before, image = objective.version, noisy(content)
        total = objective(image).total
        with pytest.raises(nst.InputError, match=advice):
            objective.set_style_loss(name)
        assert (objective.version, objective.style_loss.name) == (before, "gram")
        assert torch.equal(objective(image).total, total)
    objective = nst.Objective(extract, content, style, style_loss=name)
    for change in (lambda: objective.set_masks([mask]), lambda: setattr(objective, "tile", 16),
                   lambda: objective.set_style(style, [torch.ones(8, 8)])):  # fmt: skip
        with pytest.raises(nst.InputError, match=advice):
            change()
    assert (objective.tile, objective.masks) == (None, None)
    assert objective(noisy(content)).total.isfinite().all()


def test_a_larger_content_or_style_that_would_take_tiles_is_refused_and_the_old_one_stays(extract, content, style):
    objective = nst.Objective(extract, content, style, style_loss="sliced", tile=64)
    for change in (objective.set_content, objective.set_style):
        with pytest.raises(nst.InputError, match="no tiles; use a smaller size"):
            change(torch.rand(1, 3, 80, 70))
    assert torch.equal(objective.content, content)
    assert torch.equal(objective.style, style)
    assert objective(content).total.isfinite().all()


def test_out_of_memory_finds_no_smaller_tile_for_losses_of_positions(extract, content, style):
    image = torch.rand(1, 3, 300, 260)
    assert nst.Objective(extract, None, style).smaller_tile(image) == 256
    assert all(nst.Objective(extract, None, style, style_loss=name).smaller_tile(image) is None for name in POSITIONS)


@pytest.mark.parametrize("name", POSITIONS)
def test_a_blend_of_positions_has_of_each_style_as_many_as_its_share_says(extract, content, style, name):
    objective = nst.Objective(extract, content, [(style, 0.25), (style[..., :24], 0.75)], style_loss=name)
    one, other = (statistics["relu1_1"] for statistics in objective.style_statistics)
    mixed = objective.style_loss.mixed([one, other], objective.shares)
    assert mixed.shape == one.shape
    first = one.shape[1] if name == "histogram" else 0  # channels of the Gram matrix stand before
    count = round(0.25 * (one.shape[2] - first))
    assert torch.equal(mixed[..., first : first + count], one[..., first : first + count])
    assert torch.equal(mixed[..., first + count], other[..., first])
    objective.shares = [1, 0]
    alone = nst.Objective(extract, content, style, style_loss=name)
    assert_same(objective, alone, noisy(content))


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=4).filter(
        lambda e: any(dict(e).values())
    )
)
def test_mixed_positions_are_as_many_as_the_largest_style_has(styles):
    total = sum(share for _, share in styles)
    parts = [torch.full((1, 2, count), float(place)) for place, (count, _) in enumerate(styles)]
    mixed = mixed_positions(parts, [share / total for _, share in styles])
    most = max(count for count, _ in styles)
    assert mixed.shape == (1, 2, most)
    for place, (_, share) in enumerate(styles):
        assert abs((mixed[0, 0] == place).sum() - most * share / total) <= 1


# ---------------------------------------------------------------- what is random


def random_loss(name, seed=0):
    """Small enough that each draws."""
    settings = {"patches": {"compared": 50}, "relaxed": {"compared": 60}, "sliced": {"work": 2000}}[name]
    return style_loss_of({"name": name, "seed": seed, **settings})


@pytest.mark.parametrize("name", ["sliced", "patches", "relaxed"])
def test_the_same_seed_gives_the_same_losses_and_another_one_others(extract, content, style, name):
    def total(seed, number=0):
        objective = nst.Objective(extract, content, style, style_loss=random_loss(name, seed))
        objective.style_loss.renew(number)
        return objective(noisy(content)).total.item()

    assert total(0) == total(0)
    assert total(0) != total(1)
    assert total(0, 7) == total(0, 7) != total(0)


@pytest.mark.parametrize("name", ["sliced", "patches", "relaxed"])
def test_draws_are_renewed_in_place_where_a_recording_reads_them_and_come_back_by_number(extract, content, style, name):
    objective = nst.Objective(extract, content, style, style_loss=random_loss(name))
    first, before = (
        objective(noisy(content)).total,
        {key: each.clone() for key, each in objective.style_loss.drawn.items()},
    )
    assert before
    places = {key: each.data_ptr() for key, each in objective.style_loss.drawn.items()}
    read = {key: each.data_ptr() for key, each in objective.reads().items() if key.startswith("drawn/")}
    assert read == {f"drawn/{key}": place for key, place in places.items()}
    objective.style_loss.renew(1)
    assert {key: each.data_ptr() for key, each in objective.style_loss.drawn.items()} == places
    assert not any(torch.equal(each, before[key]) for key, each in objective.style_loss.drawn.items())
    assert objective(noisy(content)).total != first
    objective.style_loss.renew(0)
    assert torch.equal(objective(noisy(content)).total, first)


def draws_of_steps(run, steps):
    seen = []
    for _ in run.steps(steps, progress=False):
        seen.append(torch.cat([each.flatten().float() for each in run.objective.style_loss.drawn.values()]))
    return seen


def test_adam_has_other_draws_at_each_step(extract, content, style):
    seen = draws_of_steps(nst.Run(nst.Objective(extract, content, style, style_loss="sliced"), optimizer="adam"), 5)
    assert len({tuple(each.tolist()) for each in seen}) == 5


@pytest.mark.parametrize(("name", "times"), [("sliced", 3), ("gram", 0), ("histogram", 0)])
def test_lbfgs_has_the_same_draws_for_some_steps_and_forgets_with_them(
    extract, content, style, monkeypatch, name, times
):
    monkeypatch.setattr(LBFGSDescent, "steady", 3)
    forgotten, forget = [], LBFGSDescent.forget
    run = nst.Run(nst.Objective(extract, content, style, style_loss=name))
    monkeypatch.setattr(LBFGSDescent, "forget", lambda self: (forgotten.append(run.taken), forget(self)))
    if name == "sliced":
        seen = [tuple(each.tolist()) for each in draws_of_steps(run, 8)]
        assert [seen.index(each) for each in seen] == [0, 0, 0, 3, 3, 3, 6, 6]
    else:
        take(run, 8)
    assert forgotten == [0, 3, 6][:times]


@pytest.mark.parametrize("name", ["sliced", "patches", "relaxed"])
@pytest.mark.parametrize(("optimizer", "saved"), [("adam", 3), ("lbfgs", 4), ("lbfgs", 3)])
def test_a_saved_run_goes_on_exactly_as_if_it_had_not_stopped(
    extract, content, style, tmp_path, monkeypatch, name, optimizer, saved
):
    monkeypatch.setattr(LBFGSDescent, "steady", 3)

    def fresh():
        return nst.Run(nst.Objective(extract, content, style, style_loss=random_loss(name, 5)), "noise", optimizer)

    through = take(fresh(), 8)
    resumed = nst.Run.load(take(fresh(), saved).save(tmp_path / "run.pt"), device="cpu")
    assert resumed.objective.style_loss.settings() == random_loss(name, 5).settings()
    assert torch.equal(take(resumed, 8 - saved).image, through.image)


def test_the_real_number_of_steady_steps_divides_nothing_wrongly(extract, content, style, tmp_path):
    def fresh():
        return nst.Run(nst.Objective(extract, content, style, style_layers=["relu1_1"], style_loss="sliced"), "noise")

    through, resumed = take(fresh(), 24), nst.Run.load(take(fresh(), 22).save(tmp_path / "run.pt"), device="cpu")
    assert torch.equal(take(resumed, 2).image, through.image)


# ---------------------------------------------------------------- names, and one's own


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_setting_a_style_loss_is_as_a_new_objective(extract, content, style, name):
    changed = nst.Objective(extract, content, style)
    changed.set_style_loss(name)
    assert name_of(changed.style_loss) == name
    assert_same(changed, nst.Objective(extract, content, style, style_loss=name), noisy(content), rtol=0)
    changed.set_style_loss("gram")
    assert_same(changed, nst.Objective(extract, content, style), noisy(content), rtol=0)


def test_a_run_follows_another_style_loss_and_its_optimizer_forgets(extract, content, style):
    objective = nst.Objective(extract, content, style)
    run = take(nst.Run(objective), 4)
    objective.set_style_loss("wasserstein")
    assert objective.style_target["relu1_1"].shape == (1, 4, 9)
    take(run, 3)
    assert len(run._descent.optimizer.state[run._param]["pairs"]) < 7
    assert run.history["total"][-1] < nst.Objective(extract, content, style, style_loss="wasserstein")(content).total


def test_unknown_names_and_settings_are_refused_with_the_nearest(extract, content, style):
    objective = nst.Objective(extract, content, style)
    for call in (lambda: objective.set_style_loss("wassertein"), lambda: style_loss_of("wassertein"),
                 lambda: nst.sweep(objective, style_loss=["gram", "wassertein"], steps=1, progress=False),
                 lambda: nst.stylize("chelsea", "coffee", **SMALL, steps=1, style_loss="wassertein")):  # fmt: skip
        with pytest.raises(nst.InputError, match=r"style_loss is 'wassertein'.*did you mean 'wasserstein'"):
            call()
    with pytest.raises(nst.InputError, match="'sliced' cannot be told"):
        style_loss_of({"name": "sliced", "sed": 3})
    for nonsense in (3, None, {"name": "gramm"}, {}):
        with pytest.raises(nst.InputError, match="style_loss is"):
            style_loss_of(nonsense)
    assert name_of(objective.style_loss) == "gram"
    with pytest.raises(nst.InputError, match=r"call set_style_loss\(name\)"):
        objective.style_loss = "sliced"


@pytest.mark.parametrize(
    ("kind", "told"),
    [(Sliced, {"work": 0}), (Sliced, {"work": "much"}), (Sliced, {"seed": 1.5}), (Patches, {"compared": 2.5}),
     (Relaxed, {"compared": 0}), (Shifted, {"shift": "a"}), (Chain, {"shift": math.nan}), (Chain, {"blur": "yes"})],
)  # fmt: skip
def test_what_a_style_loss_cannot_be_told_is_refused_at_once(kind, told):
    ((field, value),) = told.items()
    for make in (lambda: kind(**told), lambda: style_loss_of({"name": kind.name, **told})):
        with pytest.raises(nst.InputError, match=f"{field} is {value!r}; expected"):
            make()


@pytest.mark.parametrize("layers", ["Novak", ["novak", "relu1_1"], {"novak": 1.0}])
def test_novak_stands_alone_among_layers(extract, content, style, layers):
    with pytest.raises(nst.InputError, match="give 'novak' alone"):
        nst.Objective(extract, content, style, style_layers=layers)


def test_a_run_goes_on_from_gram_to_a_chain_with_a_new_history(extract, content, style):
    objective = nst.Objective(extract, content, style)
    run = take(nst.Run(objective), 2)
    objective.set_style_loss("chain")
    with pytest.raises(nst.InputError, match=r"run\.history = nst\.History\(\)"):
        take(run, 1)
    run.history = nst.History()
    assert "style/relu5_1" not in take(run, 2).history


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_an_objective_comes_back_from_its_state_and_a_copy_is_its_own(extract, content, style, name):
    objective = nst.Objective(extract, content, style, style_loss=name)
    image = noisy(content)
    back = nst.Objective.from_state_dict(objective.state_dict(), "cpu")
    assert name_of(back.style_loss) == name
    assert_same(back, objective, image, rtol=0)
    before, twin = objective(image).total, copy.deepcopy(objective)
    assert_same(twin, objective, image, rtol=0)
    twin.style_loss.renew(5)
    twin.set_style_loss("shifted" if name != "shifted" else "gram")
    assert torch.equal(objective(image).total, before)
    state = objective.state_dict()
    del state["style_loss"]  # of an older file
    assert nst.Objective.from_state_dict(state, "cpu").style_loss.name == "gram"


class Means(OfMeans):
    """The mean of each channel alone: a style loss of somebody's own."""

    name = "own"

    def __init__(self, power=2.0):
        self.power = power

    def mean(self, maps, guides=None):
        if guides is None:
            return maps[0].float().flatten(2).mean(2, keepdim=True)
        return torch.einsum("bchw,rhw->brc", maps[0].float(), guides)[..., None]

    def distance(self, found, target):
        return (found - target).abs().pow(self.power).flatten(1).mean(1)

    def settings(self):
        return {"name": self.name, "power": self.power}


def test_a_style_loss_of_one_s_own_works_in_objectives_tiles_masks_blends_and_sweeps(extract, content, style):
    own = Means()
    objective = nst.Objective(extract, content, [style, style.flip(1)], style_layers=LAYERS, style_loss=own)
    assert objective.style_loss is not own
    features, styles = extract(content, ["relu1_1"]), [extract(each, ["relu1_1"]) for each in (style, style.flip(1))]
    means = [each["relu1_1"].mean((2, 3)) for each in (features, *styles)]
    expected = (means[0] - (means[1] + means[2]) / 2).square().sum() / ((means[1] + means[2]) / 2).square().sum()
    torch.testing.assert_close(objective(content).layers["style/relu1_1"], expected[None], rtol=1e-4, atol=1e-7)
    tiled = nst.Objective(extract, content, [style, style.flip(1)], style_layers=LAYERS, style_loss=own, tile=16)
    assert_same(tiled, objective, noisy(content), rtol=1e-4)
    objective.set_masks([torch.linspace(1, 0, content.shape[-1]).expand(content.shape[-2:])])
    tiled.set_masks(objective.given_masks)
    assert_same(tiled, objective, noisy(content), rtol=1e-4)
    plain = nst.Objective(extract, content, style, style_loss=own)
    swept = nst.sweep(plain, style_loss={"squares": own, "cubes": Means(3.0), "gram": "gram"}, steps=3, progress=False)
    for label, loss in (("squares", own), ("cubes", Means(3.0)), ("gram", "gram")):
        alone = take(nst.Run(nst.Objective(extract, content, style, style_loss=loss)), 3).image
        torch.testing.assert_close(swept.pictures[label], alone, rtol=0, atol=2e-5)


@dataclass(eq=False)
class Told(Means):
    """The same as a dataclass."""

    name = "told"
    power: float = 2.0
    settings = StyleLoss.settings


def test_a_saved_run_of_a_style_loss_of_one_s_own_goes_on_where_its_class_is_known(extract, content, style, tmp_path):
    run = take(nst.Run(nst.Objective(extract, content, style, style_loss=Told(3.0))), 2)
    back = nst.Run.load(run.save(tmp_path / "run.pt"), device="cpu")
    assert back.objective.style_loss.settings() == {"name": "told", "power": 3.0}
    assert torch.equal(take(back, 2).image, take(run, 2).image)
    with pytest.raises(nst.InputError, match="'unheard'; choose the name of a class of your own, which is to be def"):
        style_loss_of({"name": "unheard"})


def test_a_style_loss_of_one_s_own_that_could_not_be_told_from_others_is_refused(extract, content, style):
    class Louder(Gram):
        """Its settings would be those of Gram: a sweep or a saved run would take the one for the other."""

    class Bare(Told):
        """Not decorated."""

        name = "bare"

    for loss, words in ((Louder(), "Louder needs a name of its own"), (Bare(), "Bare is no dataclass")):
        with pytest.raises(nst.InputError, match=words):
            nst.Objective(extract, content, style, style_loss=loss)


# ---------------------------------------------------------------- sweeps, stylize, the command line


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_sweep_over_style_losses_makes_each_picture_as_its_run_alone(content, style, optimizer):
    extract = nst.FeatureExtractor("keen", device="cpu")  # a step of Adam by a gradient of next to nothing is large
    objective = nst.Objective(extract, content, style, style_layers=LAYERS, beta=30)
    swept = nst.sweep(objective, style_loss=STYLE_LOSSES, tv=[0, 5], steps=3, optimizer=optimizer, progress=False)
    assert swept.axes == {"style_loss": list(STYLE_LOSSES), "tv": ["0", "5"]}
    for name in STYLE_LOSSES:
        alone = nst.Objective(extract, content, style, style_layers=LAYERS, style_loss=name, beta=30, tv=5)
        run = take(nst.Run(alone, optimizer=optimizer), 3)
        np.testing.assert_allclose(swept.histories[name, "5"]["style"], run.history["style"], rtol=1e-3)
        assert (swept.pictures[name, "5"] - run.image).abs().mean() < 1e-4


@pytest.mark.parametrize("name", ["gram", "sliced", "histogram", "patches"])
def test_a_sweep_takes_styles_of_several_sizes(extract, content, style, name):
    objective, styles = (
        nst.Objective(extract, content, style, style_loss=name),
        {"one": style, "other": style[..., :24]},
    )
    swept = nst.sweep(objective, style=styles, steps=2, progress=False)
    for label, each in styles.items():
        alone = take(nst.Run(nst.Objective(extract, content, each, style_loss=name)), 2).image
        torch.testing.assert_close(swept.pictures[label], alone, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ["chain", "novak"])
def test_in_a_sweep_over_layers_each_chain_has_its_own_neighbors(extract, content, style, name):
    objective, sets = nst.Objective(extract, content, style, style_loss=name), [LAYERS[::2], LAYERS[:2], LAYERS]
    swept = nst.sweep(objective, style_layers=sets, steps=2, progress=False)
    for label, layers in zip(swept.pictures, sets, strict=True):
        alone = take(nst.Run(nst.Objective(extract, content, style, style_loss=name, style_layers=layers)), 2)
        np.testing.assert_allclose(swept.histories[label]["style"], alone.history["style"], rtol=1e-4)


def test_a_sweep_refuses_what_cannot_work_before_its_first_picture(extract, content, style, monkeypatch):
    monkeypatch.setattr("nstlib.sweeps._optimize", lambda *_: pytest.fail("it began"))
    masked = nst.Objective(extract, content, style, masks=[torch.ones(content.shape[-2:])])
    with pytest.raises(nst.InputError, match="takes no masks"):
        nst.sweep(masked, style_loss=["gram", "sliced"], steps=1, progress=False)
    tiled = nst.Objective(extract, content, style, tile=16)
    with pytest.raises(nst.InputError, match="no tiles"):
        nst.sweep(tiled, style_loss=["gram", "relaxed"], steps=1, progress=False)
    with pytest.raises(nst.InputError, match="two layers"):
        nst.sweep(
            nst.Objective(extract, content, style), style_loss=["gram", "chain"], style_layers=["relu1_1"], steps=1
        )


@pytest.mark.parametrize("name", STYLE_LOSSES)
@pytest.mark.parametrize("around", ["autocast", "float64", "meta", "inference"])
def test_what_is_around_an_objective_changes_nothing(extract, content, style, name, around):
    def totals():
        objective = nst.Objective(extract, content, [style, style.flip(1)], style_layers=LAYERS, style_loss=quick(name))
        objective.style_loss.renew(1)
        return objective(noisy_content).total, *objective.style_target.values()

    noisy_content = noisy(content)
    expected = totals()
    if around == "float64":
        torch.set_default_dtype(torch.float64)
        try:
            found = totals()
        finally:
            torch.set_default_dtype(torch.float32)
    else:
        block = {"autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16), "meta": lambda: torch.device("meta"),
                 "inference": torch.inference_mode}[around]  # fmt: skip
        with block():
            found = totals()
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["wasserstein", "novak", "sliced"])
def test_stylize_takes_a_style_loss(name):
    def picture(**how):
        return nst.stylize("chelsea", "coffee", **SMALL, steps=3, style_size=40, **how)

    named, given = picture(style_loss=name), picture(style_loss=style_loss_of(name))
    assert torch.equal(named, given)
    assert not torch.equal(named, picture())


def test_the_command_line_takes_a_style_loss(run_cli, tmp_path):
    common = ["chelsea", "coffee", "-s", 48, "-n", 2, "--backbone", "tiny", "--device", "cpu", "-q"]
    pictures = []
    for name in ("gram", "sliced"):
        status, _, err = run_cli(*common, "--style-loss", name, "-o", tmp_path / f"{name}.png")
        assert status == 0, err
        pictures.append(nst.load_image(tmp_path / f"{name}.png"))
    assert not torch.equal(*pictures)
    status, _, err = run_cli(*common, "--style-loss", "slicd", "-o", tmp_path / "x.png")
    assert (status, err.count("\n"), "'slicd'" in err, "sliced" in err) == (2, 1, True, True)
    status, _, err = run_cli(*common, "--style-loss", "sliced", "--tile", 16, "-o", tmp_path / "x.png")
    assert (status, "no tiles" in err) == (2, True)
    layers = ["--style-layers", "novak", "--content-layers", "novak", "--style-loss", "novak"]
    status, _, err = run_cli(*common, *layers, "-o", tmp_path / "novak.png")
    assert status == 0, err


# ---------------------------------------------------------------- Novak and Nikulin's layers


def test_novak_weighs_shallow_layers_for_style_and_deep_ones_for_content(extract, content, style):
    objective = nst.Objective(extract, content, style, "novak", "novak")
    for weights, factor in ((objective.style_layers, 0.5), (objective.content_layers, 2.0)):
        assert list(weights) == [layer for layer in extract.layers if layer.startswith("relu")]
        assert len(weights) == 16
        values = torch.cat(list(weights.values()))
        torch.testing.assert_close(values.sum(), torch.tensor(1.0))
        torch.testing.assert_close(values[1:] / values[:-1], torch.full((15,), factor))
    assert nst.Objective(extract, content, style, ["novak"], ["novak"])(content).total == objective(content).total
    swept = nst.sweep(objective, style_layers=["novak", "relu1_1"], steps=1, progress=False)
    assert len(swept.settings["novak"]["style_layers"]) == 16


@nst.register("nameless")
def _nameless(pooling, keep_scale, weights):
    """A network whose layers have other names."""
    return nst.Backbone("nameless", torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), {"first": "0"}, {"first": 1})


def test_novak_is_refused_by_a_network_without_such_names(content, style):
    extract = nst.FeatureExtractor("nameless", device="cpu")
    for layers in (("novak", "first"), ("first", "novak")):
        with pytest.raises(nst.InputError, match="'novak' takes the layers relu1_1"):
            nst.Objective(extract, content, style, *layers)


def test_gram_is_as_it_always_was(extract, content, style):
    objective, image = nst.Objective(extract, content, style), noisy(content)
    for how in ("relative", "paper"):
        objective.normalization = how
        for layer, response in extract(image, list(objective.style_layers)).items():
            expected = nst.style_loss(nst.gram(response), nst.gram(extract(style, [layer])[layer]), how)
            assert torch.equal(objective(image).layers[f"style/{layer}"], expected)
    assert isinstance(objective.style_loss, Gram)
