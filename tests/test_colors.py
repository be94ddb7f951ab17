"""Whose colors a picture has: means and covariances, luminance, and the word `color` wherever a transfer is told."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import linalg

import nstlib as nst
from nstlib.control.colors import COLORS, LEAST_VARIANCE, MATCHINGS, keep_colors, match_colors, match_luminance
from nstlib.extractor import luminance

LINEAR = [how for how in MATCHINGS if how != "histogram"]


def moments(picture):
    colors = picture.double().flatten(2)[0]
    return colors.mean(1), torch.cov(colors, correction=0)


def colorful(seed, size=(24, 32)):
    """A picture with correlated colors of some spread."""
    rng = torch.Generator().manual_seed(seed)
    mixed = torch.einsum("ij,jhw->ihw", torch.rand(3, 3, generator=rng), torch.rand(3, *size, generator=rng))
    return (mixed / mixed.amax()).unsqueeze(0)


@pytest.mark.parametrize("how", MATCHINGS)
@pytest.mark.parametrize("seed", range(3))
def test_the_matched_style_has_the_contents_mean_and_covariance_exactly(how, seed):
    style, content = colorful(seed), colorful(seed + 10, (20, 20))
    mean, covariance = moments(match_colors(style, content, how, clip=False))
    wanted_mean, wanted = moments(content)
    torch.testing.assert_close(mean, wanted_mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(covariance, wanted, rtol=0, atol=1e-6)


def map_of(style, content, how):
    """The matrix A of the color map, read off what it does."""
    matched = match_colors(style, content, how, clip=False)
    before, after = (p.double().flatten(2)[0] for p in (style, matched))
    before, after = (values - values.mean(1, keepdim=True) for values in (before, after))
    return (after @ torch.linalg.pinv(before)).numpy()


def test_the_transport_map_is_that_of_scipys_matrix_roots():
    style, content = colorful(1), colorful(2)
    ours, aim = (moments(picture)[1].numpy() for picture in (style, content))
    root = linalg.sqrtm(ours).real
    inverse = linalg.inv(root)
    expected = inverse @ linalg.sqrtm(root @ aim @ root).real @ inverse
    np.testing.assert_allclose(map_of(style, content, "transport"), expected, atol=1e-5)


def test_the_other_maps_are_those_of_the_paper():
    style, content = colorful(3), colorful(4)
    ours, aim = (moments(picture)[1].numpy() for picture in (style, content))
    cholesky = linalg.cholesky(aim, lower=True) @ linalg.inv(linalg.cholesky(ours, lower=True))
    np.testing.assert_allclose(map_of(style, content, "cholesky"), cholesky, atol=1e-4)
    pca = linalg.sqrtm(aim).real @ linalg.inv(linalg.sqrtm(ours).real)
    np.testing.assert_allclose(map_of(style, content, "pca"), pca, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_the_transport_map_changes_colors_least(seed):
    style, content = colorful(seed), colorful(seed + 20)
    moved = {how: (match_colors(style, content, how, clip=False) - style).square().mean() for how in LINEAR}
    assert moved["transport"] <= min(moved.values()) + 1e-7


def test_matched_histograms_are_nearer_to_the_contents_than_a_linear_map_brings_them():
    style, content = colorful(5, (40, 40)) ** 3, colorful(6, (40, 40))
    quantiles = torch.linspace(0, 1, 50)

    def distance(picture):
        pairs = zip(picture[0].flatten(1), content[0].flatten(1), strict=True)
        return sum((one.quantile(quantiles) - other.quantile(quantiles)).abs().mean() for one, other in pairs)

    assert distance(match_colors(style, content, "histogram")) < 0.5 * distance(match_colors(style, content))


def test_equal_colors_stay_equal_when_histograms_are_matched():
    style = (colorful(7) * 3).round() / 3
    matched = match_colors(style, colorful(8), "histogram")
    before, after = style.flatten(2)[0].T, matched.flatten(2)[0].T
    assert len(after.mul(1e4).round().unique(dim=0)) <= len(before.unique(dim=0))


pictures = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda size: arrays(np.float32, (1, 3, *size), elements=st.floats(0, 1, width=32))
)


@given(style=pictures, content=pictures, how=st.sampled_from(MATCHINGS))
def test_any_two_pictures_give_a_picture(style, content, how):
    made = match_colors(torch.from_numpy(style), torch.from_numpy(content), how)
    assert made.shape == style.shape
    assert made.isfinite().all()
    assert made.min() >= 0
    assert made.max() <= 1


@pytest.mark.parametrize("how", MATCHINGS)
def test_gray_flat_and_single_pixels_have_the_contents_mean(how):
    content = colorful(9)
    gray = torch.rand(1, 1, 12, 12).expand(-1, 3, -1, -1)
    for style in (gray, torch.full((1, 3, 8, 8), 0.4), torch.rand(1, 3, 1, 1)):
        made = match_colors(style, content, how, clip=False)
        torch.testing.assert_close(made.mean((2, 3)), content.mean((2, 3)), rtol=0, atol=1e-5)
        assert moments(made)[1].trace() <= moments(content)[1].trace() + 1e-5
    assert match_colors(content, torch.full((1, 3, 8, 8), 0.4), how).std((2, 3)).max() < 1e-5


def test_noise_below_a_level_of_255_is_not_enlarged():
    gray = torch.rand(1, 1, 40, 40).expand(-1, 3, -1, -1)
    noisy = gray + 0.2 * LEAST_VARIANCE**0.5 * torch.randn(1, 3, 40, 40)
    matched = match_colors(noisy, colorful(10), clip=False)
    off_gray = torch.linalg.eigvalsh(moments(matched)[1])
    assert off_gray[1] < 0.2 * torch.linalg.eigvalsh(moments(colorful(10))[1])[1]


def test_each_picture_of_a_batch_is_matched_as_by_itself():
    styles = torch.cat([colorful(1), colorful(2)])
    both = match_colors(styles, colorful(3))
    for place in range(2):
        assert torch.equal(both[place : place + 1], match_colors(styles[place : place + 1], colorful(3)))
    with pytest.raises(nst.InputError, match="there are 2 styles, but 3 contents"):
        match_colors(styles, colorful(3).expand(3, -1, -1, -1))
    with pytest.raises(nst.InputError, match=r"how is 'transprot'; .*did you mean 'transport'"):
        match_colors(styles, styles, "transprot")


@given(image=arrays(np.float32, (1, 3, 3, 4), elements=st.floats(0, 1, width=32)), seed=st.integers(0, 99))
def test_kept_colors_have_the_images_brightness_and_fit_into_the_range(image, seed):
    image, content = torch.from_numpy(image), torch.rand(1, 3, 3, 4, generator=torch.Generator().manual_seed(seed))
    made = keep_colors(image, content)
    assert made.min() >= 0
    assert made.max() <= 1
    torch.testing.assert_close(luminance(made), luminance(image), rtol=0, atol=2e-6)


def test_kept_colors_are_the_contents_differences_from_its_brightness():
    image, content = (0.4 + 0.2 * torch.rand(1, 3, 6, 8) for _ in range(2))
    light = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    brightness = (image * light).sum(1, keepdim=True)
    expected = content - (content * light).sum(1, keepdim=True) + brightness
    torch.testing.assert_close(keep_colors(image, content), expected)
    with pytest.raises(nst.ImageError, match="the image is 8 x 6 pixels, but the content 8 x 5 pixels"):
        keep_colors(image, content[:, :, :5])


def test_luminance_is_matched_in_mean_and_deviation():
    style, content = 0.5 + 0.1 * colorful(11), 0.3 + 0.3 * colorful(12)
    made = match_luminance(style, content)
    assert torch.equal(made[:, 0], made[:, 1])
    for statistic in (torch.mean, torch.std):
        torch.testing.assert_close(statistic(luminance(made)), statistic(luminance(content)), rtol=0, atol=2e-3)


# ---------------------------------------------------------------- in a transfer

FAST = {"size": 32, "backbone": "mini", "device": "cpu", "steps": 3, "progress": False}


def test_with_luminance_every_color_of_the_content_stays():
    content = nst.load_image("village", 32)
    made = nst.stylize(content, "swirls", color="luminance", **FAST)
    torch.testing.assert_close(made, keep_colors(made, content), rtol=0, atol=1e-6)
    assert (luminance(made) - luminance(content)).abs().max() > 0.01


def test_with_luminance_the_network_sees_no_color(extract):
    sees = nst.FeatureExtractor(extract.backbone, sees="luminance")
    picture = torch.rand(1, 3, 32, 32)
    gray = luminance(picture).expand(-1, 3, -1, -1)
    for layer in ("relu1_1", "relu4_2"):
        torch.testing.assert_close(sees(picture, layer)[layer], extract(gray, layer)[layer])
    with pytest.raises(nst.InputError, match="sees is 'gray'; choose one of: colors, luminance"):
        nst.FeatureExtractor(extract.backbone, sees="gray")


def test_with_match_the_style_of_the_objective_has_the_contents_colors():
    run = nst.prepare("village", "swirls", size=48, backbone="mini", device="cpu", color="match", quiet=True)
    content, style = run.objective.content, run.objective.style
    torch.testing.assert_close(style, match_colors(nst.load_image("swirls", 48), content))


@pytest.mark.parametrize("color", COLORS)
def test_a_run_in_any_color_resumes_exactly_as_it_would_have_gone_on(tmp_path, color):
    run = nst.prepare("village", "swirls", size=32, backbone="mini", device="cpu", color=color, quiet=True)
    list(run.steps(2, progress=False))
    run.save(tmp_path / "run.pt")
    resumed = nst.Run.load(tmp_path / "run.pt", device="cpu")
    for each in (run, resumed):
        list(each.steps(3, progress=False))
    assert torch.equal(run.image, resumed.image)


def test_luminance_in_tiles_and_coarse_to_fine_is_luminance():
    options = {**FAST, "size": 64, "color": "luminance", "optimizer": "adam"}
    whole, tiles = (nst.stylize("village", "swirls", tile=tile, **options) for tile in (None, 32))
    torch.testing.assert_close(whole, tiles, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"color": "luminanc"}, "color is 'luminanc'; .*did you mean 'luminance'"),
        ({"original_colors": True}, "what other programs call original_colors is 'color' here"),
    ],
)
def test_other_words_for_color_are_refused_with_the_right_one(options, words):
    with pytest.raises(nst.InputError, match=words):
        nst.stylize("village", "swirls", **options)


def test_color_without_both_pictures_is_refused():
    with pytest.raises(nst.InputError, match="color is 'match', which takes a content and a style"):
        nst.prepare(None, "swirls", color="match", size=32, backbone="mini", device="cpu")


def test_a_sweep_over_colors_makes_what_single_runs_make(extract):
    content, style = nst.load_image("village", 48), nst.load_image("swirls", 48)
    objective = nst.Objective(extract, content=content, style=style)
    swept = nst.sweep(objective, color=list(COLORS), beta=[5, 50], steps=4, optimizer="adam", progress=False)
    for color in COLORS:
        options = {"size": 48, "backbone": extract.backbone.name, "device": "cpu", "optimizer": "adam", "tv": 0}
        single = nst.stylize(
            content, style, beta=50, border=0, color=color, content_layers=nst.GATYS_CONTENT, steps=4, progress=False,
            **options,
        )  # fmt: skip
        torch.testing.assert_close(swept.pictures[color, "50"], single, rtol=0, atol=2e-3)


@pytest.mark.parametrize("wrong", [None, np.zeros((1, 3, 4, 4)), torch.rand(3, 4, 4), torch.full((1, 3, 4, 4), 255.0)])
def test_what_is_no_picture_has_no_colors_to_keep(wrong):
    content = torch.rand(1, 3, 4, 4)
    for call in (keep_colors, match_luminance, match_colors):
        with pytest.raises(nst.InputError, match=r"expected a picture \(B, 3, H, W\)|must lie in \[0, 1\]"):
            call(wrong, content)
    with pytest.raises(nst.InputError, match="there are 2 images, but 3 contents"):
        keep_colors(content.expand(2, -1, -1, -1), content.expand(3, -1, -1, -1))


def test_a_content_of_another_size_may_come_while_luminance_is_painted(extract):
    content = nst.load_image("village", 32)
    run = nst.Run(nst.Objective(extract.other(sees="luminance"), content, nst.load_image("swirls", 32)))
    list(run.steps(1, progress=False))
    run.objective.set_content(nst.load_image("village", 48))
    assert run.image.shape == content.shape
    list(run.steps(1, progress=False))
    assert max(run.image.shape) == 48
