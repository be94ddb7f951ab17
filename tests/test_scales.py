"""Scales: strokes of one style on forms of another, and strokes of a known size in print."""

import math
import signal

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

import nstlib as nst
from nstlib.control.colors import keep_colors, match_colors

DEEP = "relu4_1"
FAST = {"size": 48, "backbone": "tiny", "device": "cpu", "steps": 2, "progress": False}


@pytest.fixture(scope="module")
def mini():
    return nst.FeatureExtractor("mini", device="cpu")


@pytest.fixture(scope="module")
def strokes():
    return nst.load_image("engraving", 112)


@pytest.fixture(scope="module")
def forms():
    return nst.load_image("swirls", 128)


@pytest.fixture(scope="module")
def made(mini, strokes, forms):
    return painted(nst.prepare_strokes(mini, strokes, forms), 30)


def painted(run, steps):
    list(run.steps(steps, progress=False))
    return run.image


def wrong(extract, picture, target, layer):
    """How far the Gram matrix is from the target's, as a share of it."""
    ours, aim = (nst.gram(extract(each, layer)[layer]) for each in (picture, target))
    return float((ours - aim).square().sum() / aim.square().sum())


def from_afar(picture):
    """What is left of a picture where every 8 x 8 pixels become one."""
    return F.avg_pool2d(picture, 8).flatten()


# ---------------------------------------------------------------- strokes on forms


@torch.no_grad()
@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1"])
def test_the_strokes_come_over(mini, strokes, forms, made, layer):
    matched = match_colors(strokes, forms)  # measured: 220 and 410 times nearer
    assert wrong(mini, made, matched, layer) < wrong(mini, forms, matched, layer) / 50


@torch.no_grad()
def test_the_forms_stay_for_the_eye_and_for_the_network(mini, strokes, forms, made):
    both = torch.stack([from_afar(made), from_afar(forms)])
    assert torch.corrcoef(both)[0, 1] > 0.9  # measured: 0.97
    matched = match_colors(strokes, forms)  # measured: 0.07 against 0.31, and 0.17 without a content term
    assert wrong(mini, made, forms, DEEP) < wrong(mini, matched, forms, DEEP) / 2
    assert wrong(mini, made, forms, DEEP) < wrong(mini, made, matched, DEEP)


@torch.no_grad()
def test_without_the_content_term_deep_gram_matrices_leave_the_forms(mini, strokes, forms, made):
    papers = painted(nst.prepare_strokes(mini, strokes, forms, alpha=0), 30)
    assert wrong(mini, papers, forms, DEEP) > 1.5 * wrong(mini, made, forms, DEEP)


def test_the_result_is_a_picture_of_the_forms_size():
    made = nst.strokes_on_forms("engraving", "swirls", **{**FAST, "size": 64}, strokes_size=40)
    assert made.shape == nst.load_image("swirls", 64).shape
    assert made.dtype == torch.float32
    assert made.device.type == "cpu"
    assert 0 <= made.min() <= made.max() <= 1


def test_the_same_pictures_give_the_same_result():
    first, second = (nst.strokes_on_forms("engraving", "swirls", **FAST) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, nst.load_image("swirls", 48))


def test_it_takes_every_kind_of_picture(tmp_path):
    file = tmp_path / "strokes.png"
    nst.save_image(nst.load_image("engraving", 48), file)
    picture = nst.load_image(file)
    results = [nst.strokes_on_forms(each, "swirls", **FAST) for each in (picture, file, Image.open(file))]
    assert all(torch.equal(result, results[0]) for result in results)


def test_a_batch_of_forms_gives_a_batch(mini):
    strokes, forms = nst.load_image("engraving", 48), torch.rand(2, 3, 32, 40)
    both = painted(nst.prepare_strokes(mini, strokes, forms), 4)
    for place in range(2):
        single = painted(nst.prepare_strokes(mini, strokes, forms[place : place + 1]), 4)
        torch.testing.assert_close(both[place : place + 1], single, rtol=0, atol=1e-3)


def test_the_result_serves_as_a_style():
    options = {name: value for name, value in FAST.items() if name != "steps"}
    made = nst.strokes_on_forms("engraving", "swirls", **FAST)
    assert nst.stylize("village", made, steps=1, **options).isfinite().all()


def test_its_strokes_are_those_of_the_size_that_is_told(extract):
    run = nst.prepare_strokes(extract, strokes := nst.load_image("engraving", 40), nst.load_image("swirls", 64))
    torch.testing.assert_close(run.objective.style, match_colors(strokes, nst.load_image("swirls", 64)))
    assert run.taken == 0


def test_the_strokes_bring_the_colors_that_are_told(extract):
    strokes, forms = nst.load_image("engraving", 40), nst.load_image("swirls", 48)
    runs = {color: nst.prepare_strokes(extract, strokes, forms, color=color) for color in ("style", "luminance")}
    assert torch.equal(runs["style"].objective.style, strokes)
    made = painted(runs["luminance"], 3)
    assert (made - forms).abs().max() > 0.01
    torch.testing.assert_close(made, keep_colors(made, forms), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("alpha", "deepest"), [(0, "relu2_1"), (0.01, "relu4_2")])
def test_nothing_is_run_past_the_deepest_layer_that_is_compared(alpha, deepest):
    extract = nst.FeatureExtractor("tiny", device="cpu")
    position = int(extract.backbone.nodes[deepest])
    calls = {}
    for place, module in enumerate(extract.net):
        module.register_forward_hook(lambda *_, place=place: calls.update({place: True}))
    strokes, forms = nst.load_image("engraving", 40), nst.load_image("swirls", 48)
    painted(nst.prepare_strokes(extract, strokes, forms, alpha=alpha), 2)
    assert list(calls) == list(range(position + 1))


def test_an_interruption_keeps_the_picture(monkeypatch):
    evaluate, evaluations = nst.Objective.__call__, []

    def interrupted(self, image):
        evaluations.append(1)
        if len(evaluations) == 3:
            signal.raise_signal(signal.SIGINT)
        return evaluate(self, image)

    monkeypatch.setattr(nst.Objective, "__call__", interrupted)
    made = nst.strokes_on_forms("engraving", "swirls", **{**FAST, "steps": 50})
    assert len(evaluations) == 3
    assert not torch.equal(made, nst.load_image("swirls", 48))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"strokes": None}, nst.InputError, "strokes is None; give a picture"),
        ({"forms": None}, nst.InputError, "forms is None; give a picture"),
        ({"steps": 0}, nst.InputError, "steps is 0; expected a whole number, 1 or more"),
        ({"strokes_size": 0.5}, nst.InputError, "strokes_size is 0.5; .*longer side in pixels"),
        ({"color": "mach"}, nst.InputError, "color is 'mach'; .*did you mean 'match'"),
        ({"alpha": -1}, nst.InputError, "alpha is -1; expected a finite number, 0 or more"),
        ({"strokes_layers": []}, nst.InputError, "there are no strokes_layers; give shallow ones"),
        ({"strokes_layers": ["relu1_9"]}, nst.LayerNotFound, "'relu1_9' is not in tiny; the nearest are"),
        ({"forms_layers": 3}, nst.InputError, "the layers are 3; expected names"),
        ({"content_weight": 1}, nst.InputError, "what other programs call content_weight is 'alpha' here"),
        ({"stroke_size": 1}, nst.InputError, "there is no argument 'stroke_size'; the nearest are strokes_size"),
    ],
)
def test_what_cannot_work_is_refused_with_clear_words(change, error, words):
    with pytest.raises(error, match=words):
        nst.strokes_on_forms(**{"strokes": "engraving", "forms": "swirls", **FAST, **change})


def test_a_run_of_strokes_wants_pictures_and_an_extractor(extract):
    with pytest.raises(nst.InputError, match="the picture of forms is str; expected a picture"):
        nst.prepare_strokes(extract, torch.rand(1, 3, 32, 32), "swirls")
    with pytest.raises(nst.InputError, match="the extractor is 'mini'"):
        nst.prepare_strokes("mini", torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))


# ---------------------------------------------------------------- centimeters


def test_painting_and_print_have_as_many_pixels_a_centimeter():
    size = nst.style_size_for(1000, picture_cm=40, painting_cm=92.1)
    assert size == 2302
    assert math.isclose(size / 92.1, 1000 / 40, rel_tol=1e-3)
    assert nst.style_size_for(512, 30, 30) == 512


def test_strokes_keep_their_pixels_when_the_print_grows_and_gain_with_the_dots():
    size = nst.style_size_for(600, 30, 50)
    assert nst.style_size_for(1200, 60, 50) == size
    assert nst.style_size_for(1200, 30, 50) == 2 * size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 40, 92), "size is 0; .*longer side in pixels"),
        ((512, 0, 92), "picture_cm is 0; expected a finite number, above 0"),
        ((512, 40, "92"), "painting_cm is '92'; expected a finite number"),
        ((512, math.nan, 92), "picture_cm is nan"),
        ((4000, 2, 92), "make a painting of 92 cm 1.84e[+]05 pixels long; expected 1 to 16384"),
        ((16, 400, 0.1), "0.004 pixels long; expected 1 to"),
    ],
)
def test_sizes_that_cannot_be_are_refused(arguments, words):
    with pytest.raises(nst.InputError, match=words):
        nst.style_size_for(*arguments)


# ---------------------------------------------------------------- in one call

ONE_CALL = {"size": 48, "backbone": "tiny", "device": "cpu", "progress": False}


def test_the_option_paints_the_strokes_onto_the_style_first():
    told = nst.stylize("chelsea", "coffee", strokes="mosaic", strokes_size=40, steps=3, **ONE_CALL)
    style = nst.strokes_on_forms("mosaic", "coffee", strokes_size=40, **ONE_CALL)
    assert torch.equal(told, nst.stylize("chelsea", style, steps=3, **ONE_CALL))


def test_of_several_styles_each_gets_the_strokes():
    run = nst.prepare("chelsea", ["coffee", "swirls"], strokes="mosaic", size=48, backbone="tiny", device="cpu")
    for name, picture in zip(("coffee", "swirls"), run.objective.style.pictures, strict=True):
        assert torch.equal(picture, nst.strokes_on_forms("mosaic", name, **ONE_CALL))


def test_ctrl_c_while_strokes_are_painted_ends_the_call(monkeypatch):
    monkeypatch.setattr(nst.Run, "step", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        nst.stylize("chelsea", "coffee", strokes="mosaic", steps=3, **ONE_CALL)


def test_the_command_line_takes_strokes_and_keeps_their_picture(run_cli, tmp_path):
    strokes = nst.save_image(nst.load_image("mosaic", 48), tmp_path / "mosaic.png")
    common = ["chelsea", "coffee", "-s", 48, "-n", 1, "--backbone", "tiny", "--device", "cpu", "-q"]
    status, _, err = run_cli(*common, "--strokes", strokes, "--strokes-size", 40, "-o", tmp_path / "made.png")
    assert status == 0, err
    assert "is the picture of strokes itself" in run_cli(*common, "--strokes", strokes, "-o", strokes)[2]
    assert (
        "strokes are given, but no styles"
        in run_cli(*common[:1], *common[2:], "--mode", "content", "--strokes", strokes)[2]
    )
