"""Places: where each style goes, which part of it counts, and that all that is exact elsewhere is so with masks too."""

import copy
from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import nstlib as nst
from nstlib.control.colors import match_colors
from nstlib.control.masks import GUIDANCES, covered
from nstlib.control.regions import REGION_COLORS, color_coded, read_masks, regions_of
from nstlib.large.recording import Evaluator
from nstlib.losses import gram, guided_gram

FINE = ["relu1_1", "relu2_1", "relu3_1"]
SMALL = {"size": 48, "backbone": "tiny", "device": "cpu", "progress": False}


@pytest.fixture
def styles():
    return [nst.load_image("swirls", 40), nst.load_image("mosaic", 32)]


@pytest.fixture
def left(content):
    mask = torch.zeros(content.shape[-2:])
    mask[:, : content.shape[-1] // 2] = 1
    return mask


@pytest.fixture
def soft(content):
    """A mask that falls from left to right."""
    return torch.linspace(1, 0, content.shape[-1]).expand(content.shape[-2:]).clone()


def take(run, steps):
    for _ in run.steps(steps, progress=False):
        pass
    return run


def png(mask):
    file = BytesIO()
    nst.to_pil(mask.expand(1, 3, -1, -1) if mask.ndim == 2 else mask).save(file, "PNG")
    return file.getvalue()


# ---------------------------------------------------------------- guided Gram matrices


def test_a_guided_gram_matrix_is_the_paper_s_of_features_times_a_guide_divided_by_its_mass():
    rng = np.random.default_rng(0)
    features, guide = rng.normal(size=(2, 5, 6, 7)), rng.random((3, 6, 7))
    weights = guide**2 / (guide**2).sum((1, 2), keepdims=True)
    found = guided_gram(torch.from_numpy(features).float(), torch.from_numpy(weights).float())
    assert found.shape == (2, 3, 5, 5)
    for picture in range(2):
        for region in range(3):
            rows = (features[picture] * guide[region]).reshape(5, -1)
            expected = rows @ rows.T / (guide[region] ** 2).sum()
            np.testing.assert_allclose(found[picture, region].numpy(), expected, rtol=2e-5, atol=2e-6)


@given(st.integers(0, 2**31), st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
def test_its_gradient_is_that_of_the_formula(seed, dtype):
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(2, 3, 4, 5, generator=rng).to(dtype).requires_grad_()
    weights, slope = torch.rand(2, 4, 5, generator=rng), torch.randn(2, 2, 3, 3, generator=rng)
    (found,) = torch.autograd.grad((guided_gram(features, weights) * slope).sum(), features)
    exact = features.detach().double().requires_grad_()
    matrices = torch.einsum("bchw,bdhw,rhw->brcd", exact, exact, weights.double())
    (expected,) = torch.autograd.grad((matrices * slope).sum(), exact)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


def test_a_mask_of_everything_is_as_no_mask(extract, content, style):
    plain = nst.Objective(extract, content, style)
    for guidance in GUIDANCES:
        masked = nst.Objective(extract, content, style, masks=torch.ones(1, *content.shape[-2:]), guidance=guidance)
        image = torch.rand_like(content).requires_grad_()
        losses = [objective(image).total for objective in (plain, masked)]
        slopes = [torch.autograd.grad(loss, image)[0] for loss in losses]
        torch.testing.assert_close(*losses, rtol=5e-6, atol=0)
        torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-4 * float(slopes[0].abs().max()))


def test_a_region_is_judged_by_its_own_positions_however_small_it_is(extract, content, style):
    mask = torch.zeros(content.shape[-2:])
    mask[8:16, 16:24] = 1
    objective = nst.Objective(extract, content, [style, style], masks=[mask, 1 - mask], style_layers=["relu1_1"])
    image = torch.rand_like(content)
    features, target = extract(image, "relu1_1")["relu1_1"], objective.style_target["relu1_1"]
    own = [gram(features[..., mask == kind].unsqueeze(-1)) for kind in (1, 0)]
    relative = [((g - target[:, r]).square().sum() / target[:, r].square().sum()) for r, g in enumerate(own)]
    torch.testing.assert_close(objective(image).style[0], sum(relative) / 2)


def test_shares_say_how_much_each_place_counts_and_the_network_is_not_asked(extract, content, styles, left, counted):
    objective = nst.Objective(extract, content, styles, masks=[left])
    image = torch.rand_like(content)
    alone = []
    for shares in ((1, 0), (0, 1), (0.3, 0.7)):
        before = counted()
        objective.shares = shares
        assert counted() == before
        alone.append(objective(image).style)
    torch.testing.assert_close(alone[2], 0.3 * alone[0] + 0.7 * alone[1])


@pytest.fixture
def counted(monkeypatch):
    """How often a network has been asked."""
    calls, forward = [], nst.FeatureExtractor.forward

    def counting(self, image, layers):
        calls.append(layers)
        return forward(self, image, layers)

    monkeypatch.setattr(nst.FeatureExtractor, "forward", counting)
    return lambda: len(calls)


# ---------------------------------------------------------------- how a mask is brought to a layer


@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1", "relu3_1", "relu4_1"])
@pytest.mark.parametrize("guidance", ["inside", "dilated"])
def test_inside_sees_nothing_else_and_dilated_is_all_that_sees_any_of_it(extract, layer, guidance):
    content = nst.load_image("chelsea", 256)
    mask = torch.zeros(content.shape[-2:])
    mask[32:-32, 48:-32] = 1
    guide = nst.Objective(extract, content, content, style_layers=[layer], masks=[mask], guidance=guidance)._guides[
        layer
    ][0]
    shaken = torch.where(mask == (0 if guidance == "inside" else 1), torch.rand_like(content), content)
    before, after = (extract(picture, layer)[layer] for picture in (content, shaken))
    counts = guide > 0
    assert 0 < counts.sum() < counts.numel()
    unmoved = (before == after).all(1)[0]
    assert unmoved[counts if guidance == "inside" else ~counts].all()


def test_plain_counts_as_much_as_the_mask_covers_of_a_position_s_own_pixels(extract, content, soft):
    objective = nst.Objective(extract, content, content, style_layers=["relu3_1"], masks=[soft])
    height, width = (side // 4 for side in content.shape[-2:])
    means = soft[: 4 * height, : 4 * width].reshape(height, 4, width, 4).mean((1, 3))
    torch.testing.assert_close(objective._guides["relu3_1"][0], means**2 / (means**2).sum())


def test_a_layer_that_sees_no_region_alone_asks_nothing_of_it(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left], guidance="inside")
    image = torch.rand_like(content)
    terms = objective(image)
    assert terms.layers["style/relu5_1"] == 0
    assert terms.layers["style/relu1_1"] > 0
    assert terms.total.isfinite().all()


# ---------------------------------------------------------------- what comes out


@pytest.fixture(scope="module")
def two_places():
    """Swirls on the left, mosaic on the right, by mini: objective, picture."""
    content = nst.load_image("village", 96)
    styles = [nst.load_image(name, 96) for name in ("swirls", "engraving")]
    mask = torch.zeros(content.shape[-2:])
    mask[:, : content.shape[-1] // 2] = 1
    objective = nst.Objective(
        nst.FeatureExtractor("mini", device="cpu"), content, styles, style_layers=FINE, masks=[mask], beta=100
    )
    return objective, take(nst.Run(objective, "noise"), 60).image


def test_nothing_spills_over_each_place_has_its_own_style_and_hardly_anything_of_the_other(two_places):
    objective, image = two_places
    half = image.shape[-1] // 2
    away = 8  # pixels from the border between them, which both styles see
    places = [image[..., : half - away], image[..., half + away :]]
    for layer in FINE:
        targets = objective.style_target[layer].unbind(1)
        grams = [gram(objective.extract(place, layer)[layer]) for place in places]
        for own in (0, 1):
            right, wrong = (
                (grams[own] - targets[k]).square().sum() / targets[k].square().sum() for k in (own, 1 - own)
            )
            assert right < 0.1
            assert right < 0.2 * wrong


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("options", [{}, {"scales": {0: 0.5, 3: 1.0}}], ids=["full size", "coarse to fine"])
def test_what_no_mask_covers_keeps_its_content_pixel_by_pixel(extract, content, style, left, optimizer, options):
    objective = nst.Objective(extract, content, style, masks=[left], beta=100, tv=1)
    run = take(nst.Run(objective, "noise", optimizer, **options), 6)
    outside = left == 0
    assert torch.equal(run.image[..., outside], content[..., outside])
    assert (run.image - content)[..., ~outside].abs().mean() > 0.02
    torch.testing.assert_close(objective(run.image).total[0].item(), run.history["total"][-1].item(), rtol=0.2, atol=0)


def test_a_soft_border_of_the_covered_part_mixes_picture_and_content(extract, content, style, soft):
    run = take(nst.Run(nst.Objective(extract, content, style, masks=[soft], beta=100), "noise"), 4)
    inner = run._descent.good
    torch.testing.assert_close(run.image, content + soft * (inner - content))


def test_masks_that_together_cover_everything_leave_nothing_to_the_content(content, soft):
    assert covered(torch.stack([soft, 1 - soft])) is None
    assert covered(torch.stack([soft, soft])) is not None


# ---------------------------------------------------------------- exact where the rest is


@settings(max_examples=25)
@given(arrays(np.float32, (2, 48, 64), elements=st.floats(0, 1, width=32)), st.sampled_from([16, 32]), st.booleans())
def test_tiles_give_the_losses_and_the_gradient_of_the_whole_picture(masks, tile, hard):
    masks = torch.from_numpy(masks.round() if hard else masks)
    masks[:, 0, 0] = 1
    extract, content = nst.FeatureExtractor("tiny", device="cpu"), nst.load_image("village", 64)[..., :48, :]
    masks, part = masks[..., : content.shape[-2], :], masks[0, :32, :40]
    styles = [nst.load_image("swirls", 40), nst.load_image("mosaic", 32)]
    image = torch.rand(content.shape, generator=torch.Generator().manual_seed(0))
    found = []
    for side in (None, tile):
        objective = nst.Objective(extract, content, styles, masks=masks, style_masks=[part, None], tile=side)
        leaf = image.clone().requires_grad_()
        terms = objective(leaf)
        found.append((*terms.as_dict().values(), torch.autograd.grad(terms.total, leaf)[0]))
    for whole, tiled in zip(*found, strict=True):
        torch.testing.assert_close(tiled, whole, rtol=1e-4, atol=max(1e-6 * float(whole.detach().abs().max()), 1e-9))


def test_a_run_can_go_over_to_tiles_and_back(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left])
    image, before = torch.rand_like(content), []
    for tile in (None, 16, None):
        objective.tile = tile
        before.append(objective(image).total)
    torch.testing.assert_close(before[1], before[0])
    torch.testing.assert_close(before[2], before[0])


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_saved_run_goes_on_exactly_as_if_it_had_not_stopped(extract, content, styles, soft, tmp_path, optimizer):
    def fresh():
        masks = [soft, (1 - soft) / 2]
        objective = nst.Objective(
            extract, content, [(styles[0], 0.2), (styles[1], 0.8)], masks=masks,
            style_masks=[None, torch.ones(30, 30).triu()], guidance="dilated",
        )  # fmt: skip
        return nst.Run(objective, "noise", optimizer)

    through = take(fresh(), 8)
    resumed = nst.Run.load(take(fresh(), 4).save(tmp_path / "run.pt"), device="cpu")
    assert torch.equal(take(resumed, 4).image, through.image)
    assert resumed.objective.guidance == "dilated"


def test_a_sweep_makes_each_picture_as_its_run_alone(extract, content, styles, left):
    third = nst.load_image("coffee", 36)
    objective = nst.Objective(extract, content, styles, masks=[left])
    swept = nst.sweep(
        objective, shares=[0.2, 0.9], style={"one": styles, "other": [third, styles[0]]}, steps=4, progress=False
    )
    for label, pair in (("one", styles), ("other", [third, styles[0]])):
        for share in (0.2, 0.9):
            alone = nst.Objective(extract, content, list(zip(pair, (share, 1 - share), strict=True)), masks=[left])
            picture = take(nst.Run(alone), 4).image
            torch.testing.assert_close(swept.pictures[str(share), label], picture, rtol=0, atol=2e-5)


def test_a_sweep_keeps_which_part_of_a_style_counts(extract, content, styles, left):
    part = torch.ones(styles[0].shape[-2:]).triu()
    objective = nst.Objective(extract, content, styles, masks=[left], style_masks=[part, None])
    swept = nst.sweep(objective, beta=[1.0, 20.0], steps=3, progress=False)
    objective.beta = 20
    torch.testing.assert_close(swept.pictures["20"], take(nst.Run(objective), 3).image, rtol=0, atol=2e-5)


def test_styles_of_another_number_than_the_masks_are_not_swept(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left])
    with pytest.raises(nst.InputError, match="there are 2 masks, but a style to sweep is 1"):
        nst.sweep(objective, style={"one": styles[0], "both": styles}, steps=1, progress=False)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_losses(content, styles, left, precision):
    image, found = torch.rand_like(content), []
    for kind in ("float32", precision):
        objective = nst.Objective(
            nst.FeatureExtractor("tiny", precision=kind, device="cpu"), content, styles, masks=[left, (1 - left) / 2]
        )
        found.append(objective(image).total)
    torch.testing.assert_close(*found, rtol=0.03, atol=0)


def test_a_recording_reads_masks_and_shares_and_a_slider_needs_no_new_one(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left / 2, (1 - left) / 2])
    before = objective.reads()
    objective.shares = (0.9, 0.1)
    for name, value in objective.reads().items():
        if isinstance(value, torch.Tensor) and name != "style":
            assert name.startswith("style/") or value.data_ptr() == before[name].data_ptr(), name
    objective.set_masks([1 - left, left / 2])
    after = objective.reads()
    assert {f"guides/{layer}" for layer in objective.style_layers} <= after.keys()
    changed = {name for name in after if after[name] is not before.get(name)}
    assert {"coverage", *(f"guides/{layer}" for layer in objective.style_layers)} <= changed


def test_a_recorded_run_sees_what_is_painted_meanwhile(content, style, left):
    from test_recording import Recorder, objective_of

    def painted(recorder):
        objective = objective_of(content, [style, style.flip(1)], masks=[left])
        run = nst.Run(objective, "noise", "adam")
        if recorder:
            run._evaluate = Evaluator(objective, recorder)
        for step in run.steps(14, progress=False):
            if step.number == 5:
                objective.shares = (0.1, 0.9)
            if step.number == 8:
                objective.set_masks([1 - left, left / 2])
        return run.image

    recorder = Recorder()
    torch.testing.assert_close(painted(recorder), painted(None), rtol=0, atol=1e-6)
    assert recorder.recordings == 2


def test_a_copy_has_masks_of_its_own(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left])
    twin = copy.deepcopy(objective)
    twin.set_masks([1 - left])
    assert torch.equal(objective.masks[0], left)
    image = torch.rand_like(content)
    assert objective(image).total != twin(image).total


# ---------------------------------------------------------------- masks change while it runs


def test_painting_acts_on_the_next_step_and_the_network_is_not_asked_for_targets(
    extract, content, styles, left, counted
):
    objective = nst.Objective(extract, content, styles, masks=[left])
    run = take(nst.Run(objective, optimizer="adam"), 2)
    before, version = counted(), objective.version
    objective.set_masks([1 - left])
    assert counted() == before
    assert objective.version > version
    take(run, 2)
    fresh = nst.Objective(extract, content, styles, masks=[1 - left])
    assert run.history["style"][2] == pytest.approx(float(fresh(take_image(run, 2)).style), rel=1e-5)


def take_image(run, number):
    """The picture of which the history has the losses at that place, made again."""
    again = nst.Run(run.objective, optimizer="adam")
    masks = run.objective.masks
    run.objective.set_masks(1 - masks)
    take(again, 2)
    run.objective.set_masks(masks)
    return again._param.detach() if number == 2 else None


def test_a_mask_that_is_painted_on_does_not_change_what_was_given_before(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left])
    kept = left.clone()
    left.zero_()
    objective.set_content(content.flip(3))
    assert torch.equal(objective.masks[0], kept)


def test_masks_follow_another_size_of_the_content(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left])
    larger = nst.load_image("chelsea", 96)
    objective.set_content(larger)
    assert objective.masks.shape == (2, *larger.shape[-2:])
    fresh = nst.Objective(extract, larger, styles, masks=[left])
    image = torch.rand_like(larger)
    torch.testing.assert_close(objective(image).total, fresh(image).total)


def test_a_larger_content_brings_layers_back_that_saw_no_place_alone(extract, styles):
    small, large = nst.load_image("chelsea", 48), nst.load_image("chelsea", 512)
    left = torch.zeros(small.shape[-2:])
    left[:, :24] = 1
    objective = nst.Objective(extract, small, styles, masks=[left], guidance="inside")
    assert not objective.style_target["relu5_1"].any()
    objective.set_content(large)
    fresh = nst.Objective(extract, large, styles, masks=[left], guidance="inside")
    assert fresh.style_target["relu5_1"].any()
    assert torch.equal(objective.style_target["relu5_1"], fresh.style_target["relu5_1"])


def test_a_content_that_is_refused_leaves_masks_as_they_were(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left])
    with pytest.raises(nst.ImageError, match="needs at least 16"):
        objective.set_content(content[..., :10, :15])
    assert torch.equal(objective.masks[0], left)
    assert objective(content).total.isfinite().all()


def test_taking_away_masks_that_are_not_there_keeps_a_target_that_was_set(extract, content, style):
    objective = nst.Objective(extract, content, style)
    objective.style_target = {layer: 2 * target for layer, target in objective.style_target.items()}
    objective.set_masks(None)
    assert not objective.own_style_target


def test_masks_are_taken_away_with_none(extract, content, styles, left):
    objective = nst.Objective(extract, content, styles, masks=[left])
    objective.set_masks(None)
    image = torch.rand_like(content)
    assert objective.masks is None
    assert torch.equal(objective(image).total, nst.Objective(extract, content, styles)(image).total)
    objective.set_style(styles[0])  # as many as one likes, again


# ---------------------------------------------------------------- which part of a style


def test_of_a_style_the_part_in_its_mask_counts(extract, content, style):
    mask = torch.zeros(style.shape[-2:])
    mask[:, :16] = 1
    objective = nst.Objective(extract, content, style, style_layers=["relu1_1"], style_masks=[mask])
    features = extract(style, "relu1_1")["relu1_1"]
    torch.testing.assert_close(objective.style_target["relu1_1"], gram(features[..., :16]))
    assert objective.masks is None


def test_a_part_that_no_deep_position_sees_alone_still_has_a_target_in_every_layer(extract, content):
    style = nst.load_image("swirls", 128)
    part = torch.zeros(style.shape[-2:])
    part[:30] = 1
    objective = nst.Objective(extract, content, style, style_masks=[part], guidance="inside")
    assert all(target.any() for target in objective.style_target.values())
    assert objective(content).total.item() < 1e4


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.bfloat16, torch.float64])
def test_style_masks_of_any_type_count_and_are_kept_as_they_were(extract, content, style, kind):
    part = torch.zeros(style.shape[-2:])
    part[:, :16] = 1
    given = part.to(kind)
    objective = nst.Objective(extract, content, style, style_masks=[given])
    expected = nst.Objective(extract, content, style, style_masks=part).style_target["relu1_1"]
    given.fill_(1)
    assert torch.equal(objective.style_target["relu1_1"], expected)
    assert torch.equal(objective.state_dict()["style_masks"][0], part)
    copy.deepcopy(objective)


def test_a_style_that_is_refused_leaves_the_others_as_they_were(extract, content, style):
    objective = nst.Objective(extract, content, [style, style.flip(1)])
    with pytest.raises(nst.InputError, match=r"the styles are batches of \[2, 3\] pictures"):
        objective.set_style([style.expand(2, -1, -1, -1), style.expand(3, -1, -1, -1)])
    objective.shares = (0.2, 0.8)
    for bad, words in (([0 * style[0, 0], None], "style mask 1 is empty"), (5, "expected a list")):
        with pytest.raises(nst.InputError, match=words):
            objective.set_style([style, style], style_masks=bad)
    assert objective.shares == (0.2, 0.8)


def test_one_painting_gives_two_styles_by_its_parts(extract, content, style, left):
    top = torch.zeros(style.shape[-2:])
    top[:16] = 1
    objective = nst.Objective(extract, content, [style, style], masks=[left], style_masks=[top, 1 - top])
    targets = objective.style_target["relu1_1"][0]
    assert (targets[0] - targets[1]).norm() > 0.05 * targets[0].norm()
    assert take(nst.Run(objective), 2).image.isfinite().all()


# ---------------------------------------------------------------- what cannot work


@pytest.mark.parametrize(
    ("masks", "error", "words"),
    [
        (
            lambda m: [m, m, m],
            nst.InputError,
            "there are 3 masks for 2 styles; give one for each, or 1",
        ),
        (lambda m: [m, 0 * m], nst.InputError, "mask 2 is empty"),
        (lambda m: [m[:, :20], m], nst.ImageError, "mask 1 is 20 x 32 pixels and the content 48 x 32 pixels"),
        (lambda m: [2 * m, m], nst.InputError, "mask 1 holds values from 0 to 2"),
        (lambda m: [m / 0 - m / 0, m], nst.InputError, "mask 1 holds values from nan"),
        (lambda m: [m[None], m], nst.InputError, r"mask 1 is \(1, 32, 48\); expected a tensor \(H, W\)"),
        (lambda m: "sky.png", nst.InputError, "the masks are 'sky.png'; expected tensors"),
        (lambda m: 3, nst.InputError, "the masks are 3; expected tensors"),
    ],
)
def test_masks_that_cannot_work_are_refused_and_nothing_is_lost(extract, content, styles, left, masks, error, words):
    assert content.shape[-2:] == (32, 48)
    objective = nst.Objective(extract, content, styles, masks=[left])
    image = torch.rand_like(content)
    before = objective(image).total
    with pytest.raises(error, match=words):
        objective.set_masks(masks(left))
    assert torch.equal(objective(image).total, before)


def test_masks_without_what_they_need_are_refused(extract, content, styles, left):
    with pytest.raises(nst.InputError, match="give a content and a style"):
        nst.Objective(extract, None, styles, masks=[left])
    with pytest.raises(nst.InputError, match="give a content and a style"):
        nst.Objective(extract, content, masks=[left])
    objective = nst.Objective(extract, content, styles, masks=[left])
    with pytest.raises(nst.InputError, match="there are 2 masks for as many styles, but now 1"):
        objective.set_style(styles[0])
    with pytest.raises(nst.InputError, match=r"call set_masks\(None\)"):
        objective.set_content(None)
    with pytest.raises(nst.ImageError, match="the sides have another ratio"):
        objective.set_content(content[..., :24])
    with pytest.raises(nst.InputError, match=r"call set_masks\(masks\)"):
        objective.masks = [left]
    with pytest.raises(nst.InputError, match="did you mean 'inside'"):
        nst.Objective(extract, content, styles, masks=[left], guidance="insid")
    with pytest.raises(nst.InputError, match="for 2 styles there should be as many style masks, not 1"):
        nst.Objective(extract, content, styles, style_masks=[left])
    with pytest.raises(nst.InputError, match=r"a Gram matrix of each region, \(B or 1, 2, 4, 4\)"):
        objective.style_target = {"relu1_1": torch.zeros(1, 4, 4)}


# ---------------------------------------------------------------- masks from whatever they come in


@given(arrays(np.uint8, (16, 20), elements=st.integers(0, 7)))
def test_a_picture_with_a_color_for_each_region_gives_the_regions_back(labels):
    present = [k for k in range(1, 8) if (labels == k).any()]
    masks = torch.stack([torch.from_numpy(labels == k).float() for k in range(1, 8)])
    found = regions_of(nst.to_pil(color_coded(masks)))
    assert len(found) == len(present)
    for k, mask in zip(present, found.values(), strict=True):
        assert torch.equal(mask, masks[k - 1])


def test_colors_come_in_the_order_of_the_named_ones_whatever_their_shade():
    shades = {"green": (4, 200, 3), "gray": (120, 120, 120), "red": (230, 120, 20), "blue": (6, 51, 255)}
    picture = np.concatenate([np.full((20, 6, 3), color, np.uint8) for color in shades.values()], 1)
    found = list(regions_of(picture))
    assert found == ["#e67814", "#04c803", "#0633ff", "#787878"]


def test_regions_survive_jpeg_and_resizing():
    labels = np.zeros((120, 160), np.uint8)
    labels[:50], labels[50:, :70], labels[90:, 100:] = 1, 2, 3
    masks = torch.stack([torch.from_numpy(labels == k).float() for k in (1, 2, 3)])
    file = BytesIO()
    nst.to_pil(color_coded(masks)).resize((240, 180), Image.Resampling.BICUBIC).save(file, "JPEG", quality=60)
    found = torch.stack(read_masks(file.getvalue(), 3))
    brought = torch.nn.functional.interpolate(found[None], (120, 160), mode="area")[0].round()
    assert (brought != masks).float().mean() < 0.02


@pytest.mark.parametrize(
    "kind", ["bytes", "PIL", "uint8", "bool", "float", "tensor", "list", "labels", "brush", "path"]
)
def test_a_mask_may_come_in_many_forms(kind, tmp_path):
    mask = torch.zeros(18, 22)
    mask[2:5, 3:9] = 1
    (tmp_path / "mask.png").write_bytes(png(mask))
    forms = {
        "bytes": png(mask),
        "PIL": Image.open(BytesIO(png(mask))).convert("L"),
        "uint8": (255 * mask).byte().numpy(),
        "bool": mask.bool().numpy(),
        "float": mask.numpy(),
        "tensor": mask[None],
        "list": [mask],
        "labels": mask.byte().numpy(),
        "brush": type("Brush", (), {"masks": mask[None]})(),
        "path": tmp_path / "mask.png",
    }
    (found,) = read_masks(forms[kind], 1)
    torch.testing.assert_close(found, mask, rtol=0, atol=0.005)


def test_what_is_transparent_in_a_mask_is_nowhere():
    mask = torch.zeros(18, 22)
    mask[2:5, 3:9] = 1
    layer = np.dstack([np.full((18, 22, 3), 255), 255 * mask.numpy()]).astype(np.uint8)
    assert torch.equal(read_masks(Image.fromarray(layer), 1)[0], mask)


def test_labels_say_which_style_goes_where():
    labels = np.array([[0, 1], [2, 2]])
    one, two = read_masks(labels, 2)
    assert one.tolist() == [[0, 1], [0, 0]]
    assert two.tolist() == [[0, 0], [1, 1]]
    assert len(read_masks(torch.from_numpy(labels), 2)) == 2


def test_a_soft_gray_mask_stays_soft(soft):
    torch.testing.assert_close(read_masks(png(soft), 1)[0], soft, rtol=0, atol=0.003)


def three_stripes():
    return color_coded(torch.eye(3).repeat_interleave(8, 1)[:, None].expand(3, 20, 24))


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ("nowhere.png", "nowhere.png"),
        ([np.zeros((4, 4, 7))], "mask 1: "),
        ({"a": 1}, "the masks are"),
        (np.array([[-1, 2]]), "the labels go from -1 to 2"),
        (torch.full((1, 24, 24), 7.0), "mask 1: .* must lie in"),
        (torch.zeros(2, 3, 24, 24), "there are 2 pictures of masks"),
        (
            nst.to_pil(three_stripes()),
            r"has 3 colors \(#ff0000 33%, #00ff00 33%, #0000ff 33%\)",
        ),
    ],
)
def test_what_is_no_mask_is_refused_in_clear_words(masks, words):
    with pytest.raises(nst.NstError, match=words):
        read_masks(masks, 2)


def test_there_are_no_more_regions_than_colors():
    with pytest.raises(nst.InputError, match="there are 8 regions; a picture tells 7 apart"):
        color_coded(torch.zeros(8, 2, 2))
    assert len(REGION_COLORS) == 7


# ---------------------------------------------------------------- wherever a transfer is told


def test_the_last_style_has_the_rest_where_one_mask_is_missing(content, left):
    told = nst.stylize("chelsea", ["coffee", "mosaic"], masks=[left], steps=3, **SMALL)
    both = nst.stylize("chelsea", ["coffee", "mosaic"], masks=[left, 1 - left], steps=3, **SMALL)
    assert torch.equal(told, both)


def test_in_the_content_s_colors_each_style_gets_those_of_its_place(content, left):
    run = nst.prepare(
        "chelsea", ["coffee", "mosaic"], masks=[left], color="match", **{k: SMALL[k] for k in SMALL if k != "progress"}
    )
    for picture, mask, name in zip(run.objective.style.pictures, (left, 1 - left), ("coffee", "mosaic"), strict=True):
        place = content[..., mask == 1].unsqueeze(-2)
        torch.testing.assert_close(picture, match_colors(nst.load_image(name, 48), place))


def test_a_face_keeps_its_content_also_where_only_brightness_comes_over(content, left):
    made = nst.stylize("chelsea", "coffee", masks=left[None], color="luminance", init="noise", steps=3, **SMALL)
    assert torch.equal(made[..., left == 0], content[..., left == 0])


@pytest.mark.parametrize("name", ["masks", "style_masks", "shares"])
def test_control_without_a_style_is_refused(name, left):
    with pytest.raises(nst.InputError, match=f"{name} are given, but no styles"):
        nst.prepare("chelsea", None, **{name: [1.0] if name == "shares" else [left]}, size=48, backbone="tiny")


def test_the_command_line_takes_masks(run_cli, tmp_path, left):
    (tmp_path / "sky.png").write_bytes(png(left))
    (tmp_path / "part.png").write_bytes(png(torch.ones(30, 30).triu()))
    (tmp_path / "regions.png").write_bytes(png(color_coded(torch.stack([left, 1 - left]))))
    common = ["chelsea", "coffee", "mosaic", "-s", 48, "-n", 2, "--backbone", "tiny", "--device", "cpu", "-q"]
    pictures = []
    for number, masks in enumerate((tmp_path / "sky.png", tmp_path / "regions.png")):
        out = tmp_path / f"{number}.png"
        status, _, err = run_cli(*common, "--masks", masks, "--style-masks", f"none,{tmp_path}/part.png", "-o", out)
        assert status == 0, err
        pictures.append(nst.load_image(out))
    torch.testing.assert_close(*pictures, rtol=0, atol=2 / 255)


def test_the_command_line_says_what_is_wrong_with_masks(run_cli, tmp_path, left):
    mask = tmp_path / "sky.png"
    mask.write_bytes(png(left))
    common = ["chelsea", "coffee", "-s", 48, "-n", 1, "--backbone", "tiny", "--device", "cpu", "-q"]
    assert "missing.png" in run_cli(*common, "--masks", "missing.png")[2]
    status, _, err = run_cli(*common, "--masks", f"{mask},{mask},{mask}", "-o", tmp_path / "x.png")
    assert (status, "there are 3 masks for 1 style; give one" in err) == (2, True)
    assert "is the mask 1 itself and would be written over" in run_cli(*common, "--masks", mask, "-o", mask)[2]
    assert "--mask_path, it is --masks here" in run_cli(*common, "--mask_path", mask)[2]
    assert "invalid choice: 'outside'" in run_cli(*common, "--guidance", "outside")[2]


def test_spaces_between_several_values_are_refused_with_the_right_spelling(run_cli):
    for option, values in (
        ("--masks", ("a.png", "b.png")),
        ("--shares", ("0.7", "0.3")),
        ("--style-size", ("64", "96")),
    ):
        status, _, err = run_cli("chelsea", "coffee", "mosaic", option, *values)
        assert status == 2
        assert f"several values have commas between them, and no spaces: {option} {','.join(values)}" in err


def test_what_masks_were_understood_as_is_told(run_cli, tmp_path, left):
    (tmp_path / "sky.png").write_bytes(png(left))
    common = ["chelsea", "coffee", "mosaic", "-s", 48, "-n", 1, "--backbone", "tiny", "--device", "cpu"]
    out = run_cli(*common, "--masks", tmp_path / "sky.png", "-o", tmp_path / "x.png")[1]
    assert "places: coffee on 50%, mosaic on 50% of the picture" in out


@pytest.mark.parametrize(
    ("masks", "words"),
    [
        ([torch.ones(32, 48)], "what the masks cover is everything, and nothing is left for the last style"),
        ([color_coded(torch.ones(1, 32, 48))] * 2, "mask 1: it has colors; give a gray picture for each style"),
    ],
)
def test_masks_that_a_newcomer_gives_are_answered(masks, words):
    with pytest.raises(nst.InputError, match=words):
        nst.prepare("chelsea", ["coffee", "mosaic"], masks=masks, size=48, backbone="tiny", device="cpu", quiet=True)


def test_strokes_size_without_strokes_is_refused():
    with pytest.raises(nst.InputError, match="strokes_size is given, but no strokes"):
        nst.prepare("chelsea", "coffee", strokes_size=40, size=48, backbone="tiny", device="cpu")
