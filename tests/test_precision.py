"""Networks in half precision: faster, and the picture must not suffer."""

import pytest
import torch

import nstlib as nst
from nstlib.base import devices

HALVES = ["bfloat16", "float16"]


def gradient_of(objective, image, factor=1.0):
    image = image.clone().requires_grad_()
    terms = objective(image)
    (factor * terms.total).sum().backward()
    return terms.detach(), image.grad


def objective_in(precision, content, style, **options):
    return nst.Objective(nst.FeatureExtractor("tiny", precision=precision, device="cpu"), content, style, **options)


def distance(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("precision", HALVES)
def test_responses_grams_and_losses_are_float32(precision, content, style):
    objective = objective_in(precision, content, style)
    assert objective.extract.net[0].weight.dtype == getattr(torch, precision)
    assert {response.dtype for response in objective.extract(content, ["relu1_1", "relu5_1"]).values()} == {
        torch.float32
    }
    terms, gradient = gradient_of(objective, torch.rand_like(content))
    assert {term.dtype for term in terms.as_dict().values()} == {torch.float32}
    assert gradient.dtype == torch.float32
    assert {target.dtype for target in objective.style_target.values()} == {torch.float32}


@pytest.mark.parametrize(("precision", "far"), [("bfloat16", 0.25), ("float16", 0.05)])
def test_losses_and_gradients_are_near_those_in_float32(precision, far, content, style):
    image = torch.rand(content.shape, generator=torch.Generator().manual_seed(0))
    terms, gradient = gradient_of(objective_in(precision, content, style), image)
    exact, exact_gradient = gradient_of(objective_in("float32", content, style), image)
    assert terms.total.item() == pytest.approx(exact.total.item(), rel=0.02)
    assert distance(gradient, exact_gradient) < far


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_gradients_too_small_or_too_large_for_float16_survive(factor, content, style):
    objective = objective_in("float16", content, style)
    _, gradient = gradient_of(objective, content.flip(-1))
    _, scaled = gradient_of(objective, content.flip(-1), factor)
    assert distance(scaled / factor, gradient) < 5e-3


def test_in_float16_each_picture_of_a_batch_has_a_scale_of_its_own(content, style):
    images = torch.cat([content.flip(-1), content.flip(-2)])
    batch = objective_in("float16", content, style, beta=[1e-6, 1e6])
    _, gradients = gradient_of(batch, images)
    for number, beta in enumerate((1e-6, 1e6)):
        _, alone = gradient_of(objective_in("float16", content, style, beta=beta), images[number : number + 1])
        assert distance(gradients[number : number + 1], alone) < 1e-2


def test_a_picture_without_any_gradient_has_none_in_float16(content):
    objective = objective_in("float16", content, None)
    _, gradient = gradient_of(objective, content)  # the content itself: nothing to be changed
    assert gradient.eq(0).all()


# Of Adam, for which the qualities choose half precision; L-BFGS ends some percent higher, and stays in float32 there.
@pytest.mark.parametrize(("precision", "steps"), [("bfloat16", 40), ("float16", 20)])
def test_after_as_many_steps_the_loss_is_within_two_percent_of_that_in_float32(precision, steps):
    content, style = nst.load_image("village", 112), nst.load_image("swirls", 112)
    judge = nst.Objective(nst.FeatureExtractor("mini", device="cpu"), content, style, tv=10)

    def loss_after(precision):
        extract = nst.FeatureExtractor("mini", precision=precision, device="cpu")
        run = nst.Run(nst.Objective(extract, content, style, tv=10), optimizer="adam")
        for _ in run.steps(steps, progress=False):
            pass
        with torch.no_grad():
            return judge(run.image).total.item()

    assert loss_after(precision) < 1.02 * loss_after("float32")


def test_a_network_that_others_use_stays_in_float32(content):
    backbone = nst.load_backbone("tiny")
    half = nst.FeatureExtractor(backbone, precision="bfloat16", device="cpu")
    assert half.net is not backbone.net
    assert backbone.net[0].weight.dtype == torch.float32


def test_a_saved_run_goes_on_in_its_precision(tmp_path, content, style):
    run = nst.Run(objective_in("bfloat16", content, style))
    run.step()
    resumed = nst.Run.load(run.save(tmp_path / "run.pt"))
    assert resumed.objective.extract.precision == "bfloat16"
    assert torch.equal(resumed.image, run.image)


def test_auto_takes_what_the_device_is_fast_at(monkeypatch):
    monkeypatch.setattr("nstlib.extractor.fast_precision", lambda device: "bfloat16")
    assert nst.FeatureExtractor("tiny", precision="auto", device="cpu").precision == "bfloat16"


@pytest.mark.parametrize(("capability", "precision"), [((6, 1), "float32"), ((7, 5), "float16"), ((9, 0), "bfloat16")])
def test_the_fast_precision_of_a_gpu_follows_its_generation(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.fast_precision(torch.device("cuda")) == precision


@pytest.mark.parametrize(("has", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_the_fast_precision_of_a_processor_follows_its_instructions(monkeypatch, has, precision):
    for name in devices.CPU_HAS_BFLOAT16:
        monkeypatch.setattr(torch.cpu, name, lambda: has, raising=False)
    assert devices.fast_precision(torch.device("cpu")) == precision


def test_an_unknown_precision_is_refused_in_words():
    with pytest.raises(nst.InputError, match="precision is 'half'; choose one of: auto, float32, bfloat16, float16"):
        nst.FeatureExtractor("tiny", precision="half")


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("pooling", ["max", "avg", "l2"])
@pytest.mark.parametrize("keep_scale", [False, True])
def test_every_pooling_works_in_half_precision(precision, pooling, keep_scale, content, style):
    def found(precision):
        extract = nst.FeatureExtractor("tiny", pooling, keep_scale=keep_scale, precision=precision, device="cpu")
        return gradient_of(nst.Objective(extract, content, style), content.flip(-1))

    (terms, gradient), (exact, exact_gradient) = found(precision), found("float32")
    assert terms.total.item() == pytest.approx(exact.total.item(), rel=0.05)
    assert distance(gradient, exact_gradient) < 0.3


def test_autocast_around_it_changes_nothing(content):
    extract = nst.FeatureExtractor("tiny", device="cpu")
    plain = extract(content, ["relu3_1"])["relu3_1"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(extract(content, ["relu3_1"])["relu3_1"], plain)
