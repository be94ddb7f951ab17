"""The mathematics, against plain NumPy in float64 and against finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import nstlib as nst

seeds = st.integers(0, 2**31 - 1)


def random_features(seed, batch=2, channels=5, height=7, width=9):
    return np.random.default_rng(seed).normal(0.3, 1, (batch, channels, height, width))


def numpy_gram(features):
    """The paper's G_ij = sum_k F_ik F_jk, divided by M, with loops over nothing but the batch."""
    flat = features.reshape(features.shape[0], features.shape[1], -1)
    return np.stack([rows @ rows.T for rows in flat]) / flat.shape[2]


def tensor(array):
    return torch.from_numpy(np.asarray(array)).float()


def test_gram_equals_the_papers_sum_divided_by_the_number_of_positions():
    features = random_features(0)
    np.testing.assert_allclose(nst.gram(tensor(features)), numpy_gram(features), rtol=1e-5, atol=1e-6)


def test_content_loss_paper_is_half_the_sum_of_squares():
    f, p = random_features(1), random_features(2)
    expected = 0.5 * ((f - p) ** 2).reshape(2, -1).sum(1)
    np.testing.assert_allclose(nst.content_loss(tensor(f), tensor(p), "paper"), expected, rtol=1e-5)


def test_content_loss_relative_is_the_error_over_the_targets_norm():
    f, p = random_features(1), random_features(2)
    expected = ((f - p) ** 2).reshape(2, -1).sum(1) / (p**2).reshape(2, -1).sum(1)
    np.testing.assert_allclose(nst.content_loss(tensor(f), tensor(p), "relative"), expected, rtol=1e-5)


def test_style_loss_paper_has_the_papers_constant_1_over_4_n2_m2():
    f, a = random_features(3), random_features(4)
    n, m = f.shape[1], f.shape[2] * f.shape[3]
    sums_f, sums_a = numpy_gram(f) * m, numpy_gram(a) * m  # the paper's own G and A
    expected = ((sums_f - sums_a) ** 2).reshape(2, -1).sum(1) / (4 * n**2 * m**2)
    given = nst.style_loss(nst.gram(tensor(f)), nst.gram(tensor(a)), "paper")
    np.testing.assert_allclose(given, expected, rtol=1e-4)


def test_style_loss_paper_is_n2_over_4_of_the_pytorch_tutorials():
    """The tutorial takes G / (C H W) and the mean of squares: 4 / N^2 of the paper's E_l."""
    f, a = tensor(random_features(5)), tensor(random_features(6))
    n = f.shape[1]

    def tutorial_gram(x):
        rows = x.flatten(2)
        return rows @ rows.mT / (x.shape[1] * x.shape[2] * x.shape[3])

    tutorial = torch.stack([F.mse_loss(g, t) for g, t in zip(tutorial_gram(f), tutorial_gram(a), strict=True)])
    torch.testing.assert_close(tutorial, nst.style_loss(nst.gram(f), nst.gram(a), "paper") * 4 / n**2)


def test_style_loss_relative_is_the_error_over_the_targets_norm():
    g, a = numpy_gram(random_features(7)), numpy_gram(random_features(8))
    expected = ((g - a) ** 2).sum((1, 2)) / (a**2).sum((1, 2))
    np.testing.assert_allclose(nst.style_loss(tensor(g), tensor(a), "relative"), expected, rtol=1e-5)


def test_tv_is_the_mean_square_of_neighboring_differences():
    x = np.random.default_rng(9).random((2, 3, 6, 5))
    expected = ((x[..., 1:, :] - x[..., :-1, :]) ** 2).mean((1, 2, 3)) + ((x[..., :, 1:] - x[..., :, :-1]) ** 2).mean(
        (1, 2, 3)
    )
    np.testing.assert_allclose(nst.tv_loss(tensor(x)), expected, rtol=1e-5)


def test_tv_counts_more_at_a_border_and_as_ever_within():
    x = np.random.default_rng(9).random((2, 3, 12, 15))

    def more(length):
        return np.array([max(1 - min(place, length - 1 - place) / 4, 0) for place in range(length)])

    down, across = np.diff(x, axis=-2) ** 2, np.diff(x, axis=-1) ** 2
    expected = (down * (1 + 0.5 * (more(11)[:, None] + more(15)))).mean((1, 2, 3))
    expected += (across * (1 + 0.5 * (more(12)[:, None] + more(14)))).mean((1, 2, 3))
    np.testing.assert_allclose(nst.tv_loss(tensor(x), border=0.5), expected, rtol=1e-5)
    x[..., :6, :], x[..., 6:, :], x[..., 5:7, 5:10] = 0.2, 0.2, np.random.default_rng(10).random((2, 5))
    torch.testing.assert_close(nst.tv_loss(tensor(x), border=0.5), nst.tv_loss(tensor(x)))
    for size in ((1, 5), (5, 1), (1, 1)):
        assert nst.tv_loss(torch.ones(1, 3, *size), border=0.5) == 0


@pytest.mark.parametrize("normalization", ["paper", "relative"])
def test_a_target_of_one_serves_every_picture_of_a_batch(normalization):
    f, p = tensor(random_features(10, batch=3)), tensor(random_features(11, batch=1))
    singles = torch.cat([nst.content_loss(one[None], p, normalization) for one in f])
    torch.testing.assert_close(nst.content_loss(f, p, normalization), singles)
    singles = torch.cat([nst.style_loss(nst.gram(one[None]), nst.gram(p), normalization) for one in f])
    torch.testing.assert_close(nst.style_loss(nst.gram(f), nst.gram(p), normalization), singles)


@pytest.mark.parametrize("normalization", ["paper", "relative"])
def test_gradients_equal_finite_differences(normalization):
    f = tensor(random_features(12, batch=1, channels=3, height=3, width=4))
    target = tensor(random_features(13, batch=1, channels=3, height=3, width=4))

    def numpy_losses(values):
        features, wanted = values.reshape(1, 3, 3, 4), target.double().numpy()
        content, style = ((features - wanted) ** 2).sum(), ((numpy_gram(features) - numpy_gram(wanted)) ** 2).sum()
        tv = ((features[..., 1:, :] - features[..., :-1, :]) ** 2).mean()
        tv += ((features[..., 1:] - features[..., :-1]) ** 2).mean()
        if normalization == "paper":
            return content / 2 + style / (4 * 3**2) + tv
        return content / (wanted**2).sum() + style / (numpy_gram(wanted) ** 2).sum() + tv

    f.requires_grad_()
    total = nst.content_loss(f, target, normalization) + nst.tv_loss(f)
    (total + nst.style_loss(nst.gram(f), nst.gram(target), normalization)).sum().backward()
    start, epsilon = f.detach().double().numpy().ravel(), 1e-5
    numeric = [
        (numpy_losses(start + epsilon * unit) - numpy_losses(start - epsilon * unit)) / (2 * epsilon)
        for unit in np.eye(start.size)
    ]
    np.testing.assert_allclose(f.grad.ravel(), numeric, rtol=2e-3, atol=2e-4)


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_gram_is_symmetric_and_positive_semidefinite(seed):
    matrix = nst.gram(tensor(random_features(seed))).double()
    torch.testing.assert_close(matrix, matrix.mT)
    assert (torch.linalg.eigvalsh(matrix) > -1e-5).all()


@given(seeds)
@settings(max_examples=30, deadline=None)
def test_gram_is_blind_to_where_things_are(seed):
    features = tensor(random_features(seed))
    shuffled = features.flatten(2)[..., torch.randperm(63, generator=torch.Generator().manual_seed(seed))]
    torch.testing.assert_close(nst.gram(shuffled.view_as(features)), nst.gram(features))


@given(seeds, st.sampled_from(["paper", "relative"]))
@settings(max_examples=30, deadline=None)
def test_losses_are_zero_at_the_target_and_positive_elsewhere(seed, normalization):
    f, other = tensor(random_features(seed)), tensor(random_features(seed + 1))
    assert (nst.content_loss(f, f, normalization) == 0).all()
    assert (nst.style_loss(nst.gram(f), nst.gram(f), normalization) == 0).all()
    assert (nst.content_loss(f, other, normalization) > 0).all()
    assert (nst.style_loss(nst.gram(f), nst.gram(other), normalization) > 0).all()


@given(seeds, st.floats(0.1, 100))
@settings(max_examples=30, deadline=None)
def test_relative_losses_do_not_see_the_scale_of_the_features(seed, scale):
    f, p = tensor(random_features(seed)), tensor(random_features(seed + 1))
    torch.testing.assert_close(
        nst.content_loss(f, p, "relative"), nst.content_loss(scale * f, scale * p, "relative"), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(
        nst.style_loss(nst.gram(f), nst.gram(p), "relative"),
        nst.style_loss(nst.gram(scale * f), nst.gram(scale * p), "relative"),
        rtol=1e-4,
        atol=0,
    )


@given(st.integers(4, 40), st.integers(4, 40), st.integers(1, 4), st.floats(0.001, 0.02))
@settings(max_examples=30, deadline=None)
def test_tv_does_not_depend_on_the_size(height, width, times, slope):
    def ramp(h, w):
        return (slope * (torch.arange(h)[:, None] + 2 * torch.arange(w)[None])).expand(1, 3, h, w)

    torch.testing.assert_close(nst.tv_loss(ramp(height, width)), nst.tv_loss(ramp(times * height, times * width)))


def test_gram_and_losses_stay_float32_for_half_precision_features():
    features = torch.full((1, 2, 300, 300), 40.0, dtype=torch.bfloat16)  # 300 * 300 * 1600 overflows float16
    assert nst.gram(features).dtype == torch.float32
    torch.testing.assert_close(nst.gram(features), torch.full((1, 2, 2), 1600.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nst.gram(features.float()).dtype == torch.float32


def test_a_target_of_zeros_gives_a_finite_relative_loss():
    zeros = torch.zeros(1, 2, 4, 4)
    assert nst.content_loss(zeros + 1, zeros, "relative").isfinite().all()
    assert nst.style_loss(nst.gram(zeros + 1), nst.gram(zeros), "relative").isfinite().all()


def test_an_unknown_normalization_is_named_with_the_possible_ones():
    f = torch.ones(1, 2, 4, 4)
    with pytest.raises(nst.InputError, match=r"'gatys'.*paper, relative"):
        nst.content_loss(f, f, "gatys")
    with pytest.raises(nst.InputError, match="relative"):
        nst.style_loss(nst.gram(f), nst.gram(f), "mean")


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_gradient_of_the_gram_matrix_is_that_of_its_formula(memory_format):
    features = torch.randn(2, 5, 4, 7).contiguous(memory_format=memory_format).requires_grad_()
    slope = torch.randn(2, 5, 5)  # not symmetric
    (ours,) = torch.autograd.grad(nst.gram(features), features, slope)
    formula = torch.einsum("bihw,bjhw->bij", features, features) / 28
    (expected,) = torch.autograd.grad(formula, features, slope)
    torch.testing.assert_close(ours, expected)


def test_the_gradient_of_the_gram_matrix_of_half_precision_has_that_precision():
    features = torch.randn(1, 5, 4, 7, dtype=torch.bfloat16, requires_grad=True)
    nst.gram(features).sum().backward()
    assert features.grad.dtype == torch.bfloat16


def test_grams_in_half_precision_are_compared_in_float32():
    a, b = (300 * torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    for normalization in ("paper", "relative"):
        found = nst.style_loss(a.half(), b.half(), normalization)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, nst.style_loss(a.half().float(), b.half().float(), normalization))


def test_neither_default_type_nor_default_device_changes_the_losses():
    image = torch.rand(2, 3, 9, 11, generator=torch.Generator().manual_seed(0))

    def losses():
        matrix = nst.gram(image)
        return [matrix, nst.style_loss(matrix, matrix.flip(1)), nst.content_loss(image, image.flip(1), "relative"),
                nst.tv_loss(image), nst.tv_loss(image, 2.0)]  # fmt: skip

    expected = losses()
    torch.set_default_dtype(torch.float64)
    try:
        wide = losses()
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.device("meta"):
        elsewhere = losses()
    for found in (wide, elsewhere):
        assert all(
            torch.equal(one, other) and one.dtype == other.dtype for one, other in zip(found, expected, strict=True)
        )
