"""Smoothing: a softmax over each picture's response, wherever features are compared, and how even a response is."""

import numpy as np
import pytest
import torch
from scipy import special, stats

import nstlib as nst
from nstlib import live, transfer
from nstlib.large import budget
from nstlib.large.ways import InTiles
from nstlib.losses import content_loss, gram, guided_gram, style_loss
from nstlib.smoothing import entropy, smoothed

SMALL = {"size": 48, "style_size": 40, "backbone": "keen", "device": "cpu", "progress": False, "steps": 2}
LAYERS = ["relu1_1", "relu2_1", "relu3_1"]
ADVICE = "'softmax' divides .* no tiles; use a smaller size, or leave smoothing out"


@pytest.fixture
def extract():
    return nst.FeatureExtractor("keen", device="cpu")


@pytest.fixture
def smooth(extract):
    return extract.other(smoothing="softmax")


def response(seed=0, batch=2, shape=(5, 7, 9), scale=1.0):
    return np.random.default_rng(seed).normal(0.5, scale, (batch, *shape))


def by_scipy(values, temperature=1.0):
    """In float64: a softmax over channels and positions, times how many there are."""
    return special.softmax(values / temperature, axis=(1, 2, 3)) * values[0].size


def noisy(picture):
    return (picture + 0.1 * torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def take(run, steps):
    for _ in run.steps(steps, progress=False):
        pass
    return run


# ---------------------------------------------------------------- the formula


@pytest.mark.parametrize("temperature", [0.2, 1.0, 30.0])
@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_smoothed_is_scipys_softmax_times_the_number_of_activations(temperature, scale):
    values = response(scale=scale)
    found = smoothed(torch.from_numpy(values), temperature)
    np.testing.assert_allclose(found.numpy(), by_scipy(values, temperature), rtol=1e-10)
    in_float32 = smoothed(torch.from_numpy(values).float(), temperature)
    np.testing.assert_allclose(in_float32.numpy(), by_scipy(values, temperature), rtol=1e-2, atol=1e-5)
    torch.testing.assert_close(in_float32.mean((1, 2, 3)), torch.ones(2))


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_smoothed_keeps_shape_and_the_order_in_memory_of_a_network(order):
    values = torch.from_numpy(response()).contiguous(memory_format=order)
    np.testing.assert_allclose(smoothed(values).numpy(), by_scipy(values.numpy()), rtol=1e-10)
    if order == torch.channels_last:
        assert smoothed(values).is_contiguous(memory_format=order)


def test_each_picture_of_a_batch_is_smoothed_by_itself():
    values = torch.from_numpy(response(batch=3)).float()
    values[1] *= 50
    torch.testing.assert_close(smoothed(values), torch.cat([smoothed(each[None]) for each in values]))


def test_the_gradient_of_smoothed_is_that_of_finite_differences():
    values = torch.from_numpy(response(shape=(2, 3, 2))).requires_grad_()
    assert torch.autograd.gradcheck(lambda each: smoothed(each, 2.0), values)


@pytest.mark.parametrize("height", [200.0, 1e4, 1e30])
def test_high_activations_do_not_overflow(height):
    values = torch.full((1, 4, 8, 8), height - 1e-3 * height)
    values[0, 0, 0, 0] = height
    values.requires_grad_()
    found = smoothed(values)
    (gradient,) = torch.autograd.grad(found.square().sum(), values)
    assert found.isfinite().all()
    assert gradient.isfinite().all()
    assert found.mean().item() == pytest.approx(1)


def test_a_warm_softmax_raises_the_entropy_of_a_peaky_response_and_a_cold_one_lowers_it():
    values = torch.from_numpy(response(batch=1)).float().relu()
    values[0, 2, 3, 4] = 200
    warm, cold = smoothed(values, 100.0), smoothed(values, 1.0)
    assert entropy(cold) < 0.1 < entropy(values) - 0.1
    assert entropy(warm) > max(entropy(values), torch.tensor(0.99))


def test_of_mini_a_temperature_of_1_lowers_the_entropy_and_10_raises_it():
    picture, layers = nst.load_image("chelsea", 128), ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    mini = nst.FeatureExtractor("mini", device="cpu")
    plain, cold, warm = (
        torch.cat([entropy(each) for each in mini.other(smoothing=smoothing)(picture, layers).values()])
        for smoothing in (None, "softmax", "softmax:10")
    )
    assert (cold < 0.45).all()
    assert ((plain > 0.8) & (plain < 0.96)).all()
    assert (warm > 0.985).all()


# ---------------------------------------------------------------- entropy


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_entropy_is_scipys_over_that_of_equal_shares(kind):
    values = np.maximum(response(batch=3), 0)
    flat = values.reshape(3, -1)
    expected = stats.entropy(flat, axis=1) / np.log(flat.shape[1])
    found = nst.entropy(torch.from_numpy(values).to(kind))
    assert (found.shape, found.dtype) == ((3,), kind)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5 if kind == torch.float32 else 1e-12)


def test_entropy_is_1_where_all_is_equal_and_0_where_one_or_nothing_responds():
    one = torch.zeros(1, 3, 4, 5)
    one[0, 1, 2, 3] = 7
    flat, nothing = torch.full((1, 3, 4, 5), 0.3), torch.zeros(1, 3, 4, 5)
    found = nst.entropy(torch.cat([flat, one, nothing]))
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0, 0.0]))
    assert found.max() <= 1
    assert nst.entropy(torch.ones(1, 1, 1, 1)).tolist() == [0.0]


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 100.0, 1e37])
def test_entropy_does_not_feel_a_factor(factor):
    values = torch.from_numpy(np.maximum(response(), 0)).float()
    torch.testing.assert_close(nst.entropy(values * factor), nst.entropy(values))


def test_entropy_of_half_precision_is_taken_in_float32():
    values = torch.from_numpy(np.maximum(response(shape=(16, 64, 64)), 0)).half()
    found = nst.entropy(values)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, nst.entropy(values.double()).float())


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (torch.tensor([[[[1.0, -1e-6]]]]), "negative values.*take a rectified layer, such as relu4_2"),
        (torch.ones(3, 4, 5), r"\(3, 4, 5\); expected floats \(B, C, H, W\)"),
        (torch.ones(1, 3, 4, 5, dtype=torch.int64), "expected floats"),
        (torch.ones(1, 3, 0, 5), "expected floats"),
        ("relu4_2", "str; expected floats"),
    ],
)
def test_entropy_refuses_what_has_no_shares(values, words):
    with pytest.raises(nst.InputError, match=words):
        nst.entropy(values)


# ---------------------------------------------------------------- a factor, as the released code has it


def test_a_factor_on_features_leaves_relative_losses_and_multiplies_the_papers_gram_loss_by_its_fourth_power():
    one, other = (torch.from_numpy(response(seed)) for seed in (1, 2))

    def losses(factor, normalization):
        ours, theirs = factor * one, factor * other
        style = style_loss(gram(ours).double(), gram(theirs).double(), normalization)
        return content_loss(ours, theirs, normalization), style

    for found, expected in zip(losses(0.001, "relative"), losses(1, "relative"), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)
    for found, expected, power in zip(losses(0.001, "paper"), losses(1, "paper"), (2, 4), strict=True):
        torch.testing.assert_close(found / expected, torch.full_like(found, 0.001**power), rtol=1e-4, atol=0)


# ---------------------------------------------------------------- the extractor


@pytest.mark.parametrize(("smoothing", "temperature"), [("softmax", 1.0), ("softmax:10", 10.0), ("softmax:0.5", 0.5)])
def test_every_layer_asked_for_is_smoothed(extract, content, smoothing, temperature):
    layers = ["conv1_1", "relu2_1", "pool3"]
    plain, found = extract(content, layers), extract.other(smoothing=smoothing)(content, layers)
    assert list(found) == layers
    for layer in layers:
        assert found[layer].dtype == torch.float32
        expected = by_scipy(plain[layer].double().numpy(), temperature)
        np.testing.assert_allclose(found[layer].numpy(), expected, rtol=1e-3)


def test_a_layer_smoothed_is_not_what_the_next_one_sees(extract, smooth, content):
    alone = smooth(content, "relu3_1")["relu3_1"]
    torch.testing.assert_close(smooth(content, ["relu1_1", "relu3_1"])["relu3_1"], alone)
    torch.testing.assert_close(alone, smoothed(extract(content, "relu3_1")["relu3_1"]))


def test_in_a_batch_each_picture_has_the_responses_that_it_has_alone(smooth, content):
    pair = torch.cat([content, content.flip(1) * 0.3])
    together = smooth(pair, "relu3_1")["relu3_1"]
    alone = torch.cat([smooth(each[None], "relu3_1")["relu3_1"] for each in pair])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_in_half_precision_the_softmax_is_that_of_float32(extract, content, precision):
    half = extract.other(precision=precision)
    picture = content.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = half.other(smoothing="softmax")(picture, "relu2_1")["relu2_1"]
    torch.testing.assert_close(found, smoothed(half(content, "relu2_1")["relu2_1"]))
    (gradient,) = torch.autograd.grad(found.square().sum(), picture)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


def test_another_extractor_keeps_the_smoothing_unless_it_is_told_another(extract, smooth):
    assert smooth.other() is smooth
    assert smooth.other(smoothing="softmax:1.0") is smooth
    gray = smooth.other(sees="luminance", precision="bfloat16")
    assert (gray.smoothing, gray.spec["smoothing"]) == ("softmax", "softmax")
    warm = gray.other(smoothing="softmax:10")
    assert (warm.smoothing, warm.sees, warm.precision) == ("softmax:10", "luminance", "bfloat16")
    plain = smooth.other(smoothing=None)
    assert (plain.smoothing, plain.spec) == (None, extract.spec)


def test_a_spec_builds_the_same_extractor_and_one_without_the_word_one_that_does_not_smooth(extract, content):
    warm = extract.other(smoothing="softmax:10")
    again = nst.FeatureExtractor(**warm.spec, device="cpu")
    assert torch.equal(again(content, "relu2_1")["relu2_1"], warm(content, "relu2_1")["relu2_1"])
    old = {name: value for name, value in extract.spec.items() if name != "smoothing"}
    assert nst.FeatureExtractor(**old, device="cpu").smoothing is None


WRONG = [
    ("sofmax", r"smoothing is 'sofmax'; choose None, 'softmax:T'.*\(did you mean 'softmax'\?\)"),
    ("sofmax:10", r"did you mean 'softmax'"),
    (True, "smoothing is True; choose None"),
    (10, "smoothing is 10; choose None"),
    ("softmax:", "the temperature of smoothing is ''; expected a finite number"),
    ("softmax:warm", "the temperature of smoothing is 'warm'; expected a finite number"),
    ("softmax:0", "the temperature of smoothing is 0.0; expected"),
    ("softmax:-1", "the temperature of smoothing is -1.0; expected"),
    ("softmax:inf", "the temperature of smoothing is inf; expected"),
    ("softmax:nan", "the temperature of smoothing is nan; expected"),
]


@pytest.mark.parametrize(("smoothing", "words"), WRONG)
def test_what_is_no_smoothing_is_refused_with_the_nearest_word(extract, content, style, smoothing, words):
    objective = nst.Objective(extract, content, style)
    version = objective.version
    for given in (
        lambda: nst.FeatureExtractor("keen", smoothing=smoothing),
        lambda: extract.other(smoothing=smoothing),
        lambda: objective.set_smoothing(smoothing),
        lambda: nst.prepare("chelsea", "coffee", smoothing=smoothing),
        lambda: nst.sweep(objective, smoothing=[None, smoothing], steps=1),
    ):
        with pytest.raises(nst.InputError, match=words):
            given()
    assert objective.version == version


# ---------------------------------------------------------------- the objective, runs, sweeps


def test_content_and_style_are_compared_by_smoothed_responses(extract, smooth, content, style):
    terms = nst.Objective(smooth, content, style, LAYERS, LAYERS)(noisy(content)).layers
    plain = {name: extract(each, LAYERS) for name, each in (("x", noisy(content)), ("p", content), ("a", style))}
    for layer in LAYERS:
        x, p, a = (by_scipy(plain[name][layer].double().numpy()) for name in ("x", "p", "a"))
        expected = ((x - p) ** 2).sum() / (p**2).sum()
        assert float(terms[f"content/{layer}"]) == pytest.approx(expected, rel=1e-3)
        g, target = (each[0].reshape(each.shape[1], -1) for each in (x, a))
        g, target = (each @ each.T / each.shape[1] for each in (g, target))
        expected = ((g - target) ** 2).sum() / (target**2).sum()
        assert float(terms[f"style/{layer}"]) == pytest.approx(expected, rel=1e-3)


def test_the_gradient_through_the_objective_is_that_of_finite_differences(smooth, content, style):
    objective = nst.Objective(smooth, content, style, ["relu2_1"], LAYERS)
    image = noisy(content).requires_grad_()
    (gradient,) = torch.autograd.grad(objective(image).total.sum(), image)
    direction = gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = (float(objective(image + sign * 0.02 * direction).total) for sign in (1, -1))
    assert (ahead - behind) / 0.04 == pytest.approx(float(gradient.norm()), rel=2e-2)


def test_changes_of_the_objective_keep_the_smoothing_and_it_can_be_changed(extract, smooth, content, style):
    image, objective = noisy(content), nst.Objective(extract, content, style)
    plain, version = objective(image).total, objective.version
    objective.set_smoothing("softmax")
    assert objective.version > version
    torch.testing.assert_close(objective(image).total, nst.Objective(smooth, content, style)(image).total)
    objective.set_sight("luminance")
    objective.set_precision("bfloat16")
    assert objective.extract.smoothing == "softmax"
    objective.set_sight("colors")
    objective.set_precision("float32")
    objective.set_smoothing(None)
    torch.testing.assert_close(objective(image).total, plain)


def test_masks_weigh_the_positions_of_the_smoothed_whole(extract, smooth, content, style):
    left = torch.zeros(content.shape[-2:])
    left[:, :24] = 1
    objective = nst.Objective(smooth, content, [style, style.flip(1)], ["relu2_1"], LAYERS, masks=[left])
    terms = objective(noisy(content))
    responses = {layer: smoothed(each) for layer, each in extract(noisy(content), LAYERS).items()}
    for layer in LAYERS:
        found = guided_gram(responses[layer], objective.guides[layer])
        target = objective.style_target[layer]
        losses = [style_loss(found[:, region], target[:, region], "relative") for region in range(2)]
        torch.testing.assert_close(terms.layers[f"style/{layer}"], sum(losses) / 2, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("guidance", ["inside", "dilated"])
def test_masks_reach_the_layers_as_they_do_without_smoothing(extract, smooth, content, style, guidance):
    mask = torch.zeros(content.shape[-2:])
    mask[:, :24] = 1
    how = {"style_layers": LAYERS, "masks": [mask], "guidance": guidance}
    plain, even = (nst.Objective(each, content, style, **how) for each in (extract, smooth))
    for layer in LAYERS:
        assert torch.equal(plain.guides[layer], even.guides[layer])
    assert even(noisy(content)).total.isfinite().all()


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("scales", [None, {0: 0.5, 3: 1.0}])
def test_a_saved_run_goes_on_exactly(extract, tmp_path, optimizer, scales):
    warm = extract.other(smoothing="softmax:10")
    pictures = nst.load_image("chelsea", 112), nst.load_image("coffee", 100)

    def run():
        return nst.Run(nst.Objective(warm, *pictures), "content", optimizer, scales=scales)

    straight, half = take(run(), 6), take(run(), 2)
    rest = take(nst.Run.load(half.save(tmp_path / "run.pt"), device="cpu"), 4)
    assert rest.objective.extract.smoothing == "softmax:10"
    assert torch.equal(rest.image, straight.image)
    assert np.array_equal(rest.history["total"], straight.history["total"])


def test_a_run_saved_before_there_was_smoothing_loads(extract, content, style):
    objective = nst.Objective(extract, content, style)
    state = objective.state_dict()
    state["backbone"] = {name: value for name, value in state["backbone"].items() if name != "smoothing"}
    loaded = nst.Objective.from_state_dict(state, device="cpu")
    assert loaded.extract.smoothing is None
    assert torch.equal(loaded(noisy(content)).total, objective(noisy(content)).total)


def test_a_run_lowers_the_smoothed_loss(smooth, content, style):
    run = take(nst.Run(nst.Objective(smooth, content, style)), 10)
    assert run.history["total"][-1] < 0.8 * run.history["total"][0]


def test_a_sweep_over_smoothing_makes_the_pictures_of_single_runs(extract, content, style):
    objective = nst.Objective(extract, content, style)
    swept = nst.sweep(objective, smoothing=[None, "softmax", "softmax:10"], beta=[1, 10], steps=2, progress=False)
    assert swept.axes["smoothing"] == ["None", "softmax", "softmax:10"]
    for (label, beta), picture in swept.pictures.items():
        smoothing = None if label == "None" else label
        alone = nst.Objective(extract.other(smoothing=smoothing), content, style, beta=float(beta))
        torch.testing.assert_close(picture, take(nst.Run(alone), 2).image, rtol=0, atol=2e-3)


def test_a_sweep_over_something_else_smooths_as_the_objective_does(smooth, content, style):
    swept = nst.sweep(nst.Objective(smooth, content, style), beta=[1, 10], steps=2, progress=False)
    alone = take(nst.Run(nst.Objective(smooth, content, style, beta=10)), 2).image
    torch.testing.assert_close(swept.pictures["10"], alone, rtol=0, atol=2e-3)


def test_in_a_sweep_a_target_set_by_hand_counts_for_its_own_smoothing_alone(extract, content, style):
    objective = nst.Objective(extract, content, style)
    objective.style_target = {layer: 2 * target for layer, target in objective.style_target.items()}
    swept = nst.sweep(objective, smoothing=[None, "softmax"], steps=1, progress=False)
    assert swept.histories["None"]["style"][0] == pytest.approx(float(objective(content).style), rel=1e-4)
    own = nst.Objective(extract.other(smoothing="softmax"), content, style)
    assert swept.histories["softmax"]["style"][0] == pytest.approx(float(own(content).style), rel=1e-4)


# ---------------------------------------------------------------- tiles are refused, at each face


def test_an_objective_refuses_tiles_and_spread_with_advice(smooth, content, style):
    for how in ({"tile": 16}, {"spread": True}):
        with pytest.raises(nst.InputError, match=ADVICE):
            nst.Objective(smooth, content, style, **how)
    with pytest.raises(nst.InputError, match=ADVICE):
        nst.Objective(smooth, style=style, tile=16)
    with pytest.raises(nst.InputError, match=ADVICE):
        InTiles(smooth, 16)
    assert nst.Objective(smooth, content, style, tile=64)(content).total.isfinite().all()


def test_a_tile_set_later_is_refused_and_the_objective_stays_as_it_is(smooth, content, style):
    objective = nst.Objective(smooth, content, style)
    total = objective(noisy(content)).total
    with pytest.raises(nst.InputError, match=ADVICE):
        objective.tile = 16
    with pytest.raises(nst.InputError, match="the tile is 'auto'; expected a whole number of pixels"):
        objective.tile = "auto"
    assert objective.tile is None
    assert torch.equal(objective(noisy(content)).total, total)


def test_a_larger_picture_that_would_take_tiles_is_refused_and_the_old_one_stays(smooth, content, style):
    objective = nst.Objective(smooth, content, style, tile=64)
    for change in (objective.set_content, objective.set_style):
        with pytest.raises(nst.InputError, match=ADVICE):
            change(torch.rand(1, 3, 80, 70))
    assert torch.equal(objective.content, content)
    assert torch.equal(objective.style, style)


def test_smoothing_is_refused_where_there_are_tiles_and_the_objective_stays_as_it_is(extract, content, style):
    objective = nst.Objective(extract, content, style, style_layers=LAYERS, tile=16)
    total, version = objective(noisy(content)).total, objective.version
    with pytest.raises(nst.InputError, match=ADVICE):
        objective.set_smoothing("softmax")
    assert (objective.version, objective.extract.smoothing) == (version, None)
    assert torch.equal(objective(noisy(content)).total, total)


def test_out_of_memory_finds_no_smaller_tile(extract, smooth, content, style):
    image = torch.rand(1, 3, 300, 260)
    assert nst.Objective(extract, None, style, style_layers=LAYERS).smaller_tile(image)
    assert nst.Objective(smooth, None, style, style_layers=LAYERS).smaller_tile(image) is None


def test_a_sweep_in_tiles_refuses_smoothing_before_its_first_picture(extract, content, style, monkeypatch):
    monkeypatch.setattr("nstlib.sweeps._optimize", lambda *_: pytest.fail("it began"))
    tiled = nst.Objective(extract, content, style, tile=16)
    with pytest.raises(nst.InputError, match=ADVICE):
        nst.sweep(tiled, smoothing=[None, "softmax"], steps=1, progress=False)


def test_stylize_refuses_tiles_also_where_memory_would_want_them(monkeypatch):
    with pytest.raises(nst.InputError, match=ADVICE):
        nst.stylize("chelsea", "coffee", **SMALL, tile=16, smoothing="softmax")
    monkeypatch.setattr(budget, "free_memory", lambda device: 1e6)
    with pytest.raises(nst.InputError, match=ADVICE):
        nst.stylize("chelsea", "coffee", **{**SMALL, "size": 512}, smoothing="softmax")
    picture = nst.stylize("chelsea", "coffee", **SMALL, tile=None, smoothing="softmax")
    assert max(picture.shape[-2:]) == 48


# ---------------------------------------------------------------- all of it in one call


def test_stylize_smooths_as_an_extractor_does(extract):
    content, style = nst.load_image("chelsea", 48), nst.load_image("coffee", 40)
    objective = nst.Objective(extract.other(smoothing="softmax:10"), content, style, tv=10, border=0.5)
    expected = take(nst.Run(objective), 2).image
    assert torch.equal(nst.stylize("chelsea", "coffee", **SMALL, smoothing="softmax:10"), expected)
    assert not torch.equal(nst.stylize("chelsea", "coffee", **SMALL), expected)


def test_the_studio_keeps_the_smoothing_it_was_given(tmp_path):
    how = {"size": 48, "backbone": "keen", "device": "cpu", "smoothing": "softmax:10"}
    made = live.studio("chelsea", "coffee", driver="none", folder=tmp_path, **how)
    made.run(2)
    made.controls["color"].value = "luminance"
    made.run(1)
    extract = made.engine.run.objective.extract
    assert (extract.smoothing, extract.sees) == ("softmax:10", "luminance")
    assert "smoothing='softmax:10'" in made.call()


def test_strokes_are_made_without_smoothing(monkeypatch):
    seen, prepared = [], transfer.prepare_strokes

    def noted(extract, *pictures):
        seen.append(extract.smoothing)
        return prepared(extract, *pictures)

    monkeypatch.setattr(transfer, "prepare_strokes", noted)
    how = {"size": 48, "backbone": "keen", "device": "cpu", "quiet": True}
    run = nst.prepare("chelsea", "coffee", **how, strokes="mosaic", smoothing="softmax")
    assert seen == [None]
    assert run.objective.extract.smoothing == "softmax"


def test_the_command_line_takes_smoothing(run_cli, tmp_path):
    common = ["chelsea", "coffee", "-s", 48, "-n", 2, "--backbone", "keen", "--device", "cpu", "-q"]
    pictures = []
    for name, more in (("plain", []), ("smooth", ["--smoothing", "softmax:10"])):
        status, _, err = run_cli(*common, *more, "-o", tmp_path / f"{name}.png")
        assert status == 0, err
        pictures.append(nst.load_image(tmp_path / f"{name}.png"))
    assert not torch.equal(*pictures)
    wrong = {
        ("sofmax",): "did you mean 'softmax'",
        ("softmax:0",): "temperature",
        ("softmax", "--tile", 16): "no tiles",
    }
    for more, words in wrong.items():
        status, _, err = run_cli(*common, "--smoothing", *more, "-o", tmp_path / "x.png")
        assert (status, err.count("\n"), words in err) == (2, 1, True)
    assert "--smoothing softmax[:T]" in run_cli("--help")[1]


def test_what_a_softmax_of_a_large_picture_would_leave_of_a_gram_loss_without_the_factor():
    count = 64 * 4096**2
    even, other = torch.ones(1, 2, 4, 4), torch.full((1, 2, 4, 4), 1.001)
    with_factor = style_loss(gram(even), gram(other), "paper")
    without = style_loss(gram(even / count), gram(other / count), "paper")
    assert with_factor > 0
    assert float(without) < torch.finfo(torch.float32).tiny
