"""What is optimized: the sum of the paper, targets computed once, weights that change in place."""

import copy
import math

import pytest
import torch

import nstlib as nst


@pytest.fixture
def objective(extract, content, style):
    return nst.Objective(extract, content, style, alpha=2.0, beta=30.0, tv=5.0)


def count_extractions(extract, monkeypatch):
    calls, forward = [], extract.forward
    monkeypatch.setattr(extract, "forward", lambda *args: calls.append(1) or forward(*args))
    return calls


@pytest.mark.parametrize("normalization", ["paper", "relative"])
def test_total_is_alpha_content_plus_beta_style_plus_tv(extract, content, style, normalization):
    content_layers, style_layers = {"relu4_2": 1.0, "conv3_1": 0.5}, {"relu1_1": 0.7, "relu3_1": 0.2}
    objective = nst.Objective(extract, content, style, content_layers, style_layers, 2.0, 30.0, 5.0, normalization)
    image = torch.rand_like(content)
    terms = objective(image)
    f, p, a = (extract(picture, [*content_layers, *style_layers]) for picture in (image, content, style))
    expected_content = sum(w * nst.content_loss(f[x], p[x], normalization) for x, w in content_layers.items())
    expected_style = sum(
        w * nst.style_loss(nst.gram(f[x]), nst.gram(a[x]), normalization) for x, w in style_layers.items()
    )
    torch.testing.assert_close(terms.content, expected_content)
    torch.testing.assert_close(terms.style, expected_style)
    torch.testing.assert_close(terms.tv, nst.tv_loss(image))
    torch.testing.assert_close(terms.total, 2 * expected_content + 30 * expected_style + 5 * nst.tv_loss(image))
    assert list(terms.as_dict()) == [
        "total", "content", "style", "tv", "content/relu4_2", "content/conv3_1", "style/relu1_1", "style/relu3_1",
    ]  # fmt: skip


def test_the_border_is_smoother_only_where_that_is_asked_for(extract, content):
    image = torch.rand_like(content)
    for border in (0.0, 0.5):
        objective = nst.Objective(extract, content, tv=5.0, border=border)
        assert nst.Objective.from_state_dict(objective.state_dict(), device="cpu").border == border
        torch.testing.assert_close(objective(image).tv, nst.tv_loss(image, border=border))


@pytest.mark.parametrize("border", [-1, math.inf, math.nan, "wide", None])
def test_a_border_that_cannot_be_is_refused(extract, content, border):
    with pytest.raises(nst.InputError, match="the border is"):
        nst.Objective(extract, content, border=border)


def test_the_defaults_are_the_papers_layers_with_a_fifth_each():
    assert dict(nst.GATYS_CONTENT) == {"relu4_2": 1.0}
    assert dict(nst.GATYS_STYLE) == {f"relu{block}_1": 0.2 for block in (1, 2, 3, 4, 5)}


@pytest.mark.parametrize(("normalization", "beta"), [("relative", 10), ("paper", 2e6)])
def test_the_default_beta_suits_the_normalization(extract, content, style, normalization, beta):
    assert nst.Objective(extract, content, style, normalization=normalization).beta.item() == beta


def test_content_loss_is_zero_at_the_content_and_style_loss_at_the_style(extract, content):
    terms = nst.Objective(extract, content, content)(content)
    assert terms.content == 0
    assert terms.style < 1e-9


def test_targets_are_computed_once(extract, content, style, monkeypatch):
    calls = count_extractions(extract, monkeypatch)
    objective = nst.Objective(extract, content, style)
    assert len(calls) == 2
    objective(content)
    objective.beta = 7
    objective(content)
    assert len(calls) == 4  # one for each call of the objective


def test_changing_a_picture_computes_only_its_own_target(extract, objective, content, style, monkeypatch):
    old_style, calls = objective.style_target["relu3_1"], count_extractions(extract, monkeypatch)
    objective.set_content(1 - content)
    assert len(calls) == 1
    assert objective.style_target["relu3_1"] is old_style
    objective.set_style(1 - style)
    assert len(calls) == 2
    torch.testing.assert_close(
        objective(content).total, nst.Objective(extract, 1 - content, 1 - style, alpha=2, beta=30, tv=5)(content).total
    )


def test_weights_change_in_place_and_act_on_the_next_call(objective, content):
    image, tensors = torch.rand_like(content), (objective.alpha, objective.style_layers["relu2_1"])
    before = objective(image)
    objective.alpha = 4.0
    objective.beta = 60.0
    objective.tv = 10.0
    torch.testing.assert_close(objective(image).total, 2 * before.total)
    objective.style_layers["relu2_1"] = 0.0
    without = objective(image)
    torch.testing.assert_close(without.style, before.style - 0.2 * before.layers["style/relu2_1"])
    assert tensors[0] is objective.alpha
    assert tensors[1] is objective.style_layers["relu2_1"]
    assert tensors[0].item() == 4


def test_version_grows_with_every_change(objective, content):
    versions = [objective.version]
    for change in (
        lambda: setattr(objective, "alpha", 1.5),
        lambda: objective.content_layers.update(relu4_2=0.3),
        lambda: objective.style_layers.update(relu1_1=0.3),
        lambda: objective.set_content(1 - content),
        lambda: setattr(objective, "style_target", {}),
        lambda: objective.set_style(None),
    ):
        change()
        versions.append(objective.version)
    assert versions == sorted(set(versions))


def test_a_style_target_can_be_set_and_the_picture_puts_its_own_back(extract, objective, content, style):
    own = dict(objective.style_target)
    other = nst.Objective(extract, content, 1 - style).style_target
    objective.style_target = other
    torch.testing.assert_close(objective(content).style, nst.Objective(extract, content, 1 - style)(content).style)
    again = nst.Objective.from_state_dict(objective.state_dict(), device="cpu")
    assert torch.equal(again(content).style, objective(content).style)
    objective.set_style(style)
    assert all(torch.equal(objective.style_target[layer], own[layer]) for layer in own)


def test_a_style_target_that_cannot_be_matched_is_refused_and_changes_nothing(objective, content):
    before, version = objective(content).style, objective.version
    matrix = objective.style_target["relu1_1"]
    with pytest.raises(nst.LayerNotFound, match="'relu9_1' has no weight"):
        objective.style_target = {"relu9_1": matrix}
    with pytest.raises(nst.InputError, match=r"relu1_1 is \(4, 4\); expected a Gram matrix \(B or 1, 4, 4\)"):
        objective.style_target = {"relu1_1": matrix[0]}
    with pytest.raises(nst.InputError, match="relu1_1 is list"):
        objective.style_target = {"relu1_1": matrix.tolist()}
    with pytest.raises(nst.InputError, match=r"relu2_1 is \(1, 4, 4\); expected .* \(B or 1, 6, 6\)"):
        objective.style_target = {"relu2_1": matrix}
    with pytest.raises(TypeError):
        objective.style_target["relu1_1"] = 0 * matrix  # nobody would notice; all of it is set at once
    assert torch.equal(objective(content).style, before)
    assert objective.version == version


def test_a_batch_gives_each_picture_its_own_losses_and_weights(extract, content, style):
    images = torch.rand(3, *content.shape[1:])
    beta = [1.0, 10.0, 100.0]
    batch = nst.Objective(extract, content, style, beta=beta)
    assert batch.batch == 3
    singles = [nst.Objective(extract, content, style, beta=b)(x[None]).total for b, x in zip(beta, images, strict=True)]
    torch.testing.assert_close(batch(images).total, torch.cat(singles))


def test_a_batch_of_styles_gives_each_picture_its_own_style(extract, content, style):
    styles, images = torch.cat([style, 1 - style]), torch.rand(2, *content.shape[1:])
    objective = nst.Objective(extract, content, styles)
    singles = [nst.Objective(extract, content, s[None])(x[None]).total for s, x in zip(styles, images, strict=True)]
    assert objective.batch == 2
    torch.testing.assert_close(objective(images).total, torch.cat(singles))


def test_weights_for_batches_of_different_sizes_are_refused(extract, content, style):
    objective = nst.Objective(extract, content, style, alpha=[1, 2], beta=[1, 2, 3])
    with pytest.raises(nst.InputError, match=r"\[2, 3\]"):
        _ = objective.batch


def test_layer_names_alone_share_a_weight_of_one(extract, content, style):
    objective = nst.Objective(extract, content, style, "relu2_2", ["relu1_1", "relu2_1"])
    assert {name: weight.item() for name, weight in objective.content_layers.items()} == {"relu2_2": 1.0}
    assert {name: weight.item() for name, weight in objective.style_layers.items()} == {"relu1_1": 0.5, "relu2_1": 0.5}


def test_style_and_content_may_have_different_shapes(extract, content):
    objective = nst.Objective(extract, content, torch.rand(1, 3, 90, 33))
    assert objective(content).total.isfinite().all()


def test_without_content_or_style_only_the_other_is_computed(extract, content, style):
    assert nst.Objective(extract, content=content).layers == ["relu4_2"]
    assert nst.Objective(extract, style=style).layers == list(nst.GATYS_STYLE)
    assert nst.Objective(extract, style=style)(content).content == 0


def test_it_builds_itself_again_from_its_state(objective, content):
    again = nst.Objective.from_state_dict(objective.state_dict(), device="cpu")
    assert torch.equal(again(content).total, objective(content).total)


def test_nothing_to_match_is_refused(extract):
    with pytest.raises(nst.InputError, match="nothing to match"):
        nst.Objective(extract)


def test_a_mistyped_layer_is_refused_also_when_its_picture_comes_later(extract, content):
    with pytest.raises(nst.LayerNotFound, match=r"'relu9_1' is not in tiny"):
        nst.Objective(extract, content, style_layers={"relu9_1": 1.0})


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "much", None, [[1.0]]])
def test_weights_that_make_no_sense_are_refused_and_change_nothing(objective, weight):
    with pytest.raises(nst.InputError, match="weight beta"):
        objective.beta = weight
    assert objective.beta.item() == 30


def test_a_layer_without_a_weight_is_refused_with_those_that_have_one(objective):
    with pytest.raises(nst.LayerNotFound, match=r"'relu3_2' has no weight.*relu1_1"):
        objective.style_layers["relu3_2"] = 1.0
    with pytest.raises(nst.InputError, match="set it to 0"):
        del objective.style_layers["relu1_1"]


def test_a_picture_too_small_for_the_deepest_layer_is_refused_and_the_old_target_kept(extract, objective, content):
    with pytest.raises(nst.ImageError, match="relu5_1 of tiny needs at least 16"):
        objective.set_style(torch.rand(1, 3, 12, 40))
    assert objective(content).total.isfinite().all()


def test_an_image_of_another_size_than_the_content_is_refused(objective):
    with pytest.raises(nst.ImageError, match="the image is 64 x 32 pixels, but the content is 48 x 32"):
        objective(torch.rand(1, 3, 32, 64))


@pytest.mark.parametrize("picture", ["village", torch.rand(3, 32, 32), torch.rand(1, 1, 32, 32)])
def test_something_else_than_a_picture_is_refused(extract, picture):
    with pytest.raises(nst.InputError, match=r"expected a picture \(B, 3, H, W\)"):
        nst.Objective(extract, content=picture)


def test_other_content_layers_are_taken_up_and_only_their_target_is_computed(extract, content, style, monkeypatch):
    objective = nst.Objective(extract, content, style, content_layers=["relu4_2"])
    objective.content_layers["relu4_2"] = 0.5  # a version that must not be lost
    before, style_target = objective.version, objective.style_target
    calls = count_extractions(extract, monkeypatch)
    objective.set_content_layers({"relu2_1": 0.25})
    assert calls == [1]
    assert objective.version > before
    assert objective.style_target is style_target
    image = 1 - content
    assert torch.equal(
        objective(image).total, nst.Objective(extract, content, style, content_layers={"relu2_1": 0.25})(image).total
    )
    with pytest.raises(nst.LayerNotFound, match="conv9_9"):
        objective.set_content_layers(["conv9_9"])
    assert list(objective.content_layers) == ["relu2_1"]


@pytest.mark.parametrize(("slip", "right"), [("bta", "beta"), ("style_weight", "'beta'"), ("contents", "content")])
def test_an_attribute_that_means_nothing_is_refused_with_the_nearest(objective, slip, right):
    with pytest.raises(nst.InputError, match=f"Objective has no '{slip}'.*{right}"):
        setattr(objective, slip, 3.0)


@pytest.mark.parametrize("kind", ["content", "style"])
@pytest.mark.parametrize(
    "spoil", [lambda p: p * 255, lambda p: p * 4 - 2, lambda p: p / 0, lambda p: p.mul(255).byte()]
)
def test_a_picture_whose_values_are_no_colors_is_refused_and_changes_nothing(objective, kind, spoil):
    before, target = getattr(objective, kind), objective.style_target
    with pytest.raises(nst.InputError, match=f"the {kind} holds values from .* must lie in"):
        getattr(objective, f"set_{kind}")(spoil(before))
    assert getattr(objective, kind) is before
    assert objective.style_target is target


def test_a_little_rounding_is_no_fault(extract, content, style):
    nst.Objective(extract, content * 1.005, style - 0.005)


@pytest.mark.parametrize("layers", [[1, 6], 5, [None], {2: 1.0}])
def test_layers_that_are_no_names_are_refused(extract, content, style, layers):
    with pytest.raises(nst.InputError, match="expected names, such as"):
        nst.Objective(extract, content, style, style_layers=layers)


@pytest.mark.parametrize(("name", "value"), [("border", 0.75), ("normalization", "paper")])
def test_a_change_of_the_formula_is_seen_by_the_version(objective, name, value):
    before = objective.version
    setattr(objective, name, value)
    assert getattr(objective, name) == value
    assert objective.version > before


@pytest.mark.parametrize(("name", "value"), [("border", -1), ("border", "0.5"), ("normalization", "Paper")])
def test_a_formula_that_makes_no_sense_is_refused_and_changes_nothing(objective, name, value):
    before, version = getattr(objective, name), objective.version
    with pytest.raises(nst.InputError, match=name):
        setattr(objective, name, value)
    assert (getattr(objective, name), objective.version) == (before, version)


def test_several_weights_change_together_or_not_at_all(objective):
    before = objective.beta.clone()
    with pytest.raises(nst.InputError, match="tv"):
        objective.weights.update(beta=3.0, tv=-1.0)
    assert torch.equal(objective.beta, before)


def test_a_deep_copy_shares_the_network_and_nothing_else(objective, content):
    twin = copy.deepcopy(objective)
    assert twin.extract is objective.extract
    before = objective(content).total.clone()
    assert torch.equal(twin(content).total, before)
    twin.beta, twin.style_layers["relu1_1"] = 900.0, 0.0
    twin.set_content(content.flip(-1))
    assert torch.equal(objective(content).total, before)
    assert twin(content).total > before


def test_targets_made_without_gradients_can_be_matched_with_them(extract, content, style):
    with torch.inference_mode():
        objective = nst.Objective(extract, content.clone(), style.clone())
        objective.beta = 5.0
    image = content.flip(-1).requires_grad_()
    objective(image).total.backward()
    assert image.grad.isfinite().all()


def test_another_precision_computes_the_targets_anew(content, style):
    objective = nst.Objective(nst.FeatureExtractor("tiny", precision="bfloat16", device="cpu"), content, style)
    objective.set_precision("float32")
    plain = nst.Objective(nst.FeatureExtractor("tiny", device="cpu"), content, style)
    assert objective.extract.spec["precision"] == "float32"
    assert torch.equal(objective(1 - content).total, plain(1 - content).total)


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        *(("content", "set_content"), ("style", "set_style"), ("content_layers", "set_content_layers")),
        *(("style_layers", "single weights"), ("weights", "alpha, beta or tv"), ("extract", "set_precision")),
        *(("own_style_target", "set_style"), ("layers", "follows from the rest"), ("spread", "follows from the rest")),
    ],
)
def test_what_cannot_be_assigned_says_how_it_is_changed(objective, content, name, instead):
    before = objective(content).total.clone()
    with pytest.raises(nst.InputError, match=f"{name} cannot be assigned; .*{instead}"):
        setattr(objective, name, 3)
    assert torch.equal(objective(content).total, before)


@pytest.mark.parametrize("image", [None, torch.zeros(3, 32, 48), torch.zeros(1, 3, 32, 48, dtype=torch.uint8)])
def test_what_is_no_image_is_refused_in_words(objective, image):
    with pytest.raises(nst.InputError, match="expected floats"):
        objective(image)
    with pytest.raises(nst.InputError, match="expected layer names"):
        objective.style_target = None


@pytest.mark.parametrize("value", [True, "3"])
def test_what_is_no_number_is_no_weight(objective, value):
    with pytest.raises(nst.InputError, match=r"the weight beta is .*; expected a number"):
        objective.beta = value


def test_a_layer_named_twice_is_refused():
    with pytest.raises(nst.InputError, match="relu1_1 is there twice; name each layer once"):
        nst.objective.layer_weights(["relu1_1", "relu2_1", "relu1_1"])
