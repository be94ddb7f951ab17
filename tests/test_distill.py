"""The scripts that train the bundled backbone, with a small random teacher in place of a real VGG."""

import copy
import os
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import nstlib as nst
from nstlib.networks.vgg import LowRankConv2d, mini_net, named_vgg

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
distill = pytest.importorskip("distill")
easel, compressing, teachers, training_batches = (
    pytest.importorskip(name) for name in ("easel", "compressing", "teachers", "training_batches")
)

TEACHER = (6, 6, "M", 8, 8, "M", 12, 12, 12, "M", 10, 10, 10, "M", 10, 10, 10)
PLAN = (4, 4, "M", 6, 6, "M", (None, 6, 8), (6, 6, 12), "M", (6, 6, 10), "M", (6, 6, 10))
PUPIL = (4, 4, "M", 6, 6, "M", (None, 6, 8), (6, 6, 12), (6, 6, 12), "M", *[(6, 6, 10)] * 3, "M", *[(6, 6, 10)] * 3)
RECIPE = distill.Recipe(
    *(8, 3, 2, 32, 4, 1e-3),  # steps, seed, batch, crop, drawn, rate
    gram_weight=0.5,
    compressing_batches=3,
    painted_batches=5,
    precision="float32",
)


def network(widths, seed=0):
    torch.manual_seed(seed)
    net = mini_net(widths).eval().requires_grad_(False)
    for convolution in net.modules():
        if isinstance(convolution, nn.Conv2d):
            nn.init.kaiming_normal_(convolution.weight)
    return teachers.Vgg(net)


@pytest.fixture(scope="module")
def pictures():
    return training_batches.Pictures(4, RECIPE.seed, side=64, largest=128)


@pytest.fixture
def training(pictures):
    def begin(recipe=RECIPE, **options):
        return distill.Training(recipe, network(TEACHER, 1), pictures, plan=PLAN, groups=2, **options)

    return begin


@pytest.fixture(scope="module")
def compressed(pictures):
    """The state right after compressing."""
    begun = distill.Training(RECIPE, network(TEACHER, 1), pictures, plan=PLAN, groups=2)
    begun.compress()
    return begun.state()


@pytest.fixture(scope="module")
def finished(pictures, compressed):
    whole = distill.Training(RECIPE, network(TEACHER, 1), pictures, plan=PLAN, groups=2)
    whole.load_state(copy.deepcopy(compressed))
    list(whole.run())
    return whole


# ---------------------------------------------------------------- teachers


def test_a_pupil_has_its_teachers_topology_and_widths_of_its_own():
    found = teachers.narrower(network(TEACHER), PLAN)
    assert list(found.convolutions) == list(network(TEACHER).convolutions)
    shapes = {key: value.shape for key, value in found.features.state_dict().items()}
    assert shapes == {key: value.shape for key, value in mini_net(PUPIL).state_dict().items()}


@pytest.mark.parametrize("widths", [TEACHER[:10], TEACHER])
def test_reads_a_file_of_torchvisions_names(widths, tmp_path):
    whole = network(widths)
    state = {f"features.{key}": value.half() for key, value in whole.features.state_dict().items()}
    torch.save(state, tmp_path / "teacher.pth")
    found = teachers.load_network(tmp_path / "teacher.pth")
    assert list(found.convolutions) == list(whole.convolutions)
    last = list(whole.convolutions)[-1]
    picture = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(found(picture, [last], "avg"), whole(picture, [last], "avg"), rtol=1e-2, atol=1e-3)


def test_reads_torchvisions_whole_file_and_leaves_the_classifier_out(tmp_path):
    whole = network(TEACHER)
    state = {f"features.{key}": value for key, value in whole.features.state_dict().items()}
    state |= {"classifier.0.weight": torch.rand(7, 5), "classifier.0.bias": torch.rand(7)}
    torch.save(state, tmp_path / "teacher.pth")
    assert list(teachers.load_network(tmp_path / "teacher.pth").convolutions) == list(whole.convolutions)


@pytest.mark.parametrize("state", [{"fc.weight": torch.rand(2, 2)}, {}, {"0.weight": torch.rand(4, 3, 3, 3)}])
def test_a_file_of_another_network_is_no_teacher(tmp_path, state):
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(nst.WeightsUnavailable, match=r"other.pth holds no VGG's weights"):
        teachers.load_network(tmp_path / "other.pth")


def test_reads_a_published_file_of_normalised_weights(tmp_path):
    torch.manual_seed(4)
    sequence = nn.Sequential(
        *(nn.Conv2d(3, 3, 1), nn.ReflectionPad2d(1), nn.Conv2d(3, 6, 3), nn.ReLU()),
        *(nn.ReflectionPad2d(1), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.ReflectionPad2d(1), nn.Conv2d(5, 4, 3), nn.ReLU()),
    )
    torch.save(sequence.state_dict(), tmp_path / "teacher.pth")
    teacher = teachers.load_network(tmp_path / "teacher.pth", "reflect")
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        found = teacher(training_batches.normalize_picture(picture), ["relu2_1"], "max")["relu2_1"]
        torch.testing.assert_close(found, sequence(picture), rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- compressing


def test_chosen_channels_explain_the_others():
    torch.manual_seed(3)
    basis = torch.rand(3, 200)
    features = torch.cat([torch.rand(5, 3) @ basis, basis]).double()
    moments = features @ features.T
    chosen = compressing.choose_channels(moments, 3)
    guess = moments[:, chosen] @ torch.linalg.inv(moments[chosen][:, chosen]) @ moments[chosen]
    torch.testing.assert_close(guess, moments, rtol=1e-4, atol=1e-4)


def test_a_regression_through_the_relu_does_not_care_how_negative_a_response_is():
    torch.manual_seed(5)
    inputs = torch.cat([torch.randn(400, 6), torch.ones(400, 1)], 1)
    responses = inputs @ torch.randn(7, 3)
    responses = torch.where(responses > 0, responses, 4 * responses)
    plain, through = (compressing.regress(inputs, responses, rounds, 1e-6)[1].mean() for rounds in (0, 100))
    assert plain > 0.3
    assert through < 0.01


def test_a_regression_of_low_rank_is_the_best_such_of_all():
    """Against a truncated singular value decomposition of what all weights give."""
    torch.manual_seed(2)
    inputs, importance = torch.randn(500, 8), torch.tensor([1.0, 3.0, 0.5, 2.0, 1.0])
    responses = inputs @ torch.randn(8, 5) + 0.3 * torch.randn(500, 5)
    found = compressing.regress(inputs, responses, 0, 1e-9, rank=2, importance=importance)[0]
    assert torch.linalg.matrix_rank(found, rtol=1e-4) == 2
    full = torch.linalg.lstsq(inputs, responses).solution
    left, size, right = torch.linalg.svd((inputs @ full * importance), full_matrices=False)
    best = (left[:, :2] * size[:2] @ right[:2]) / importance
    torch.testing.assert_close(inputs @ found, best, rtol=1e-3, atol=1e-3)


def test_mixtures_to_read_keep_what_a_convolution_listens_to():
    torch.manual_seed(8)
    basis, inputs = torch.randn(3, 10), torch.randn(200, 10)
    weight = torch.einsum("ok,ki,t->oit", torch.randn(4, 3), basis, torch.randn(9)).view(4, 10, 3, 3)
    mixtures = compressing.mixtures_to_read(inputs.T @ inputs / 200, weight, 3)
    seen = mixtures @ inputs.T
    wanted = basis @ inputs.T
    told = wanted @ seen.T @ torch.linalg.inv(seen @ seen.T) @ seen
    torch.testing.assert_close(told, wanted, rtol=1e-3, atol=1e-3)


def test_mixtures_of_fewer_places_than_channels_are_numbers():
    torch.manual_seed(8)
    inputs = torch.randn(4, 10)
    mixtures = compressing.mixtures_to_read(inputs.T @ inputs / 4, torch.randn(6, 10, 3, 3), 3)
    assert mixtures.shape == (3, 10)
    assert mixtures.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("last", [8, (None, 6, 8), (6, 6, 8)])
def test_a_pupil_as_wide_as_its_teacher_becomes_the_teacher(pictures, last):
    widths = (6, 6, "M", 8, 8)
    whole = network(widths)
    if last != 8:  # its last convolution is of the rank that the pupil's can have
        weight = whole.convolutions["conv2_2"].weight
        weight.copy_(torch.einsum("oi,ijhw->ojhw", torch.linalg.qr(torch.randn(8, 6))[0] @ torch.randn(6, 8), weight))
        weight.copy_(torch.einsum("oihw,ij->ojhw", weight, torch.randn(8, 6) @ torch.randn(6, 8) / 4))
    pupil = teachers.narrower(whole, (*widths[:-1], last))
    batches = [("max", pictures.batch(step, 4, 64)) for step in range(4)]
    kept, errors = compressing.compress(pupil, whole, batches, ridge=1e-6)
    assert max(errors.values()) < 0.01
    fresh = pictures.batch(9, 2, 64)
    found, wanted = pupil(fresh, kept, "max"), whole(fresh, kept, "max")
    for layer, taught in wanted.items():
        assert sorted(kept[layer].channels.tolist()) == list(range(taught.shape[1]))
        assert distill.layer_errors(found[layer], kept[layer].of(taught), kept[layer].loudness).max() < 0.1, layer


@torch.no_grad()
def test_a_pupil_is_nearer_to_its_teacher_than_silence_on_pictures_that_it_never_saw(pictures):
    whole = network(TEACHER, 1)
    pupil = teachers.narrower(whole, PLAN)
    kept, _ = compressing.compress(pupil, whole, [("avg", pictures.batch(step, 4, 64)) for step in range(12)])
    assert [len(kept[layer].channels) for layer in ("relu1_1", "relu3_1", "relu3_2")] == [4, 8, 12]
    fresh = pictures.batch(99, 8, 64)
    for layer in ("relu1_1", "relu2_1"):  # no space of few responses holds what random layers say deeper
        aim = kept[layer].of(whole(fresh, [layer], "avg")[layer])
        error = (pupil(fresh, [layer], "avg")[layer] - aim).square().sum() / aim.square().sum()
        assert error < 0.9, layer


def test_kept_channels_have_a_mean_of_one_unless_they_respond_seldom():
    torch.manual_seed(6)
    responses = torch.rand(5000, 3) * torch.tensor([1.0, 50.0, 1.0])
    responses[:, 2] -= 0.995
    kept = compressing._choose(responses, 3)
    mean = (responses.relu()[:, kept.channels] * kept.scale).mean(0)
    steady = kept.channels < 2
    torch.testing.assert_close(mean[steady], torch.ones(2), rtol=1e-3, atol=1e-3)
    assert mean[~steady] < 0.5


# ---------------------------------------------------------------- pictures


def test_batches_depend_on_seed_and_step_alone(pictures):
    assert torch.equal(pictures.batch(5, 2, 32), pictures.batch(5, 2, 32))
    assert not torch.equal(pictures.batch(5, 2, 32), pictures.batch(6, 2, 32))


def test_a_folder_of_photographs_is_learned_from_too(pictures, tmp_path):
    nst.save_image(torch.full((1, 3, 40, 50), 0.5), tmp_path / "gray.jpg")
    more = training_batches.Pictures(1, 0, tmp_path, side=32, largest=32)
    assert len(more.shelves["photographs"]) == len(pictures.shelves["photographs"]) + 1
    assert more.shelves["photographs"][-1].shape == (3, 26, 32)


def test_a_folder_without_photographs_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(nst.ImageError, match="the folder"):
            training_batches.Pictures(1, 0, folder, side=32, largest=32)


def test_painting_goes_on_from_visit_to_visit_and_then_begins_anew(pictures, monkeypatch):
    monkeypatch.setattr(easel, "AGES", (9, 10))
    stand, pupil = easel.Easel(pictures, groups=2, count=2, crop=32), network(PUPIL)
    first = stand.visit(pupil, 0)
    group = stand.groups[0]
    content = group["content"]
    assert stand.groups[1]["age"] == 0
    second = stand.visit(pupil, 2)
    assert first.shape == (2, 3, 32, 32)
    assert not torch.equal(first, second)
    assert group["age"] == 2 * easel.STEPS_A_VISIT
    assert 0 <= group["image"].min() <= group["image"].max() <= 1
    for step in (4, 6):
        stand.visit(pupil, step)
    assert not torch.equal(stand.groups[0]["content"], content)


def test_painting_brings_the_pictures_nearer_to_their_styles(pictures):
    stand, pupil = easel.Easel(pictures, groups=1, count=2, crop=32), network(PUPIL)

    def distance(picture):
        style = pupil(training_batches.normalize_picture(stand.groups[0]["style"]), ["relu2_1"], "avg")["relu2_1"]
        own = pupil(picture, ["relu2_1"], "avg")["relu2_1"]
        return nst.style_loss(nst.gram(own), nst.gram(style), "relative").mean()

    before = distance(stand.visit(pupil, 0))
    for step in range(1, 9):
        after = distance(stand.visit(pupil, step))
    assert after < 0.7 * before


# ---------------------------------------------------------------- training


def test_errors_are_relative_and_those_of_the_formulas():
    torch.manual_seed(1)
    features, target = torch.rand(2, 4, 5, 6), torch.rand(2, 4, 5, 6)
    loudness = torch.tensor([0.5, 0.5, 1.0, 2.0])
    found = distill.layer_errors(features, target, loudness)
    grams = [nst.gram(values * loudness[:, None, None]) for values in (features, target)]
    for value, own, aim in ((found[0], features, target), (found[1], *grams)):
        error, norm = (x.square().flatten(1).sum(1) for x in (own - aim, aim))
        torch.testing.assert_close(value, (error / (norm + 0.1 * norm.mean())).sqrt().mean(), rtol=1e-3, atol=1e-4)
    assert distill.layer_errors(target, target, loudness).max() < 0.01


def test_resumes_exactly(training, finished, tmp_path):
    first = training()
    first.compress()  # once more: the same seed gives the same
    for _ in range(5):
        first.advance()
    distill.write(tmp_path / "checkpoint.pt", lambda path: torch.save(first.state(), path))

    second = training()
    second.load_state(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    list(second.run())
    assert second.step == finished.step
    resumed, notes = second.weights()
    assert notes == finished.weights()[1]
    for key, value in finished.weights()[0].items():
        assert torch.equal(resumed[key], value), key


def test_refuses_a_checkpoint_of_another_recipe(training, finished):
    with pytest.raises(nst.RunError, match="another recipe"):
        training(replace(RECIPE, seed=4)).load_state(finished.state())


def test_refuses_a_checkpoint_of_another_teacher_or_of_other_pictures(training, finished):
    other = distill.Training(RECIPE, network(TEACHER, 2), finished.pictures, plan=PLAN, groups=2)
    with pytest.raises(nst.RunError, match="another choice of teacher"):
        other.load_state(finished.state())
    fewer = training_batches.Pictures(3, RECIPE.seed, side=64, largest=128)
    with pytest.raises(nst.RunError, match="another choice of pictures"):
        distill.Training(RECIPE, network(TEACHER, 1), fewer, plan=PLAN, groups=2).load_state(finished.state())


def test_a_loss_that_is_no_number_ends_the_training_with_the_weights_of_before(training, compressed):
    learner = training()
    learner.load_state(copy.deepcopy(compressed))
    learner.advance()
    before = [weight.clone() for weight in learner.student.features.parameters()]
    learner.recipe = replace(RECIPE, gram_weight=float("nan"))
    with pytest.raises(nst.RunError, match=r"in step 2 the loss is nan; try a lower --rate"):
        learner.advance()
    assert all(torch.equal(*pair) for pair in zip(before, learner.student.features.parameters(), strict=True))


def test_a_teacher_that_ends_too_early_is_refused_before_anything_is_computed(pictures):
    with pytest.raises(nst.WeightsUnavailable, match=r"ends before relu4_2; give one that goes to relu5_1"):
        distill.Training(RECIPE, network(TEACHER[:10]), pictures, plan=PLAN)


def test_training_lowers_the_errors(training):
    learner = training(replace(RECIPE, steps=40, rate=2e-3))
    errors = [sum(error.sum().item() for error in found.values()) for found in learner.run()]
    assert sum(errors[-10:]) < 0.95 * sum(errors[:10])


def test_weights_are_read_as_mini_and_can_be_started_from(training, finished, tmp_path):
    tensors, notes = finished.weights()
    save_file(tensors, tmp_path / "next.safetensors", notes)
    extract = nst.FeatureExtractor("mini", weights=tmp_path / "next.safetensors", device="cpu")
    assert extract(torch.rand(1, 3, 32, 32), ["relu5_1"])["relu5_1"].shape[1] == 10

    again = training(start=tmp_path / "next.safetensors")
    assert {key: value.dtype for key, value in again.weights()[0].items()} == dict.fromkeys(tensors, torch.float16)
    for key, value in again.weights()[0].items():
        torch.testing.assert_close(value, tensors[key], rtol=2e-3, atol=1e-6)
    for layer, kept in finished.kept.items():
        assert torch.equal(again.kept[layer].channels, kept.channels)
        torch.testing.assert_close(again.kept[layer].scale, kept.scale, rtol=1e-3, atol=0)  # four digits are kept


def test_channels_of_the_weights_are_as_loud_beside_each_other_as_the_teachers(training, tmp_path, pictures):
    compressed = training(replace(RECIPE, steps=0))
    list(compressed.run())
    tensors, notes = compressed.weights()
    save_file(tensors, tmp_path / "next.safetensors", notes)
    extract = nst.FeatureExtractor("mini", weights=tmp_path / "next.safetensors", device="cpu")
    picture = pictures.contents(np.random.default_rng(0), 4, 64)
    own = extract(picture, ["relu1_1"])["relu1_1"].mean((0, 2, 3))
    taught = compressed.teacher(training_batches.normalize_picture(picture), ["relu1_1"], "avg")["relu1_1"]
    taught = taught.mean((0, 2, 3))[compressed.kept["relu1_1"].channels]
    torch.testing.assert_close(own / own.sum(), taught / taught.sum(), rtol=0.05, atol=0.01)
    plain = compressed.average(training_batches.normalize_picture(picture), ["relu5_1"], "avg")["relu5_1"]
    factor = compressed.kept["relu5_1"].loudness[:, None, None]
    torch.testing.assert_close(extract(picture, ["relu5_1"])["relu5_1"], plain * factor, rtol=0.02, atol=0.02)


def test_weights_that_do_not_say_what_they_keep_cannot_be_started_from(training, tmp_path):
    save_file(named_vgg(mini_net(PUPIL)).state_dict(), tmp_path / "old.safetensors")
    with pytest.raises(nst.WeightsUnavailable, match="does not say which"):
        training(start=tmp_path / "old.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("[", "[99, ", 1),
        lambda note: note[:5],
        lambda _: "7",
        lambda note: note.replace("]}", ", 1.0]}"),
        lambda note: note.replace('"scale": [', '"scale": [-'),
        lambda _: '{"channels": 7, "scale": 1.0}',
        lambda note: note.replace("[", "[0.", 1),
    ],
    ids=[
        "another channel",
        "cut off",
        "a number",
        "a scale of another length",
        "a scale below zero",
        "bare numbers",
        "a part of a channel",
    ],
)
def test_weights_of_another_teachers_pupil_cannot_be_started_from(training, finished, tmp_path, change):
    tensors, notes = finished.weights()
    save_file(tensors, tmp_path / "other.safetensors", notes | {"relu3_1": change(notes["relu3_1"])})
    with pytest.raises(nst.WeightsUnavailable, match="does not say which of this teacher's channels relu3_1 keeps"):
        training(start=tmp_path / "other.safetensors")


def test_weights_of_other_widths_or_none_cannot_be_started_from(training, tmp_path):
    save_file(named_vgg(mini_net(TEACHER)).state_dict(), tmp_path / "wide.safetensors")
    with pytest.raises(nst.WeightsUnavailable, match="other layers, or other widths"):
        training(start=tmp_path / "wide.safetensors")
    with pytest.raises(nst.WeightsUnavailable, match="no file of weights"):
        training(start=tmp_path / "nowhere.safetensors")


# ---------------------------------------------------------------- command line


@pytest.fixture
def run(monkeypatch, pictures, compressed, tmp_path):
    """Run the command with the small teacher; gives where the checkpoint and the weights lie."""
    monkeypatch.setattr(distill.Training, "compress", lambda self: self.load_state(copy.deepcopy(compressed)))
    monkeypatch.setattr(distill, "load_network", lambda _: network(TEACHER, 1))
    monkeypatch.setattr(distill, "Pictures", lambda *_: pictures)
    monkeypatch.setattr(distill, "Training", partial(distill.Training, plan=PLAN, groups=2))
    checkpoint, out = tmp_path / "run.pt", tmp_path / "next.safetensors"
    small = {name.replace("_", "-"): value for name, value in vars(RECIPE).items()}
    words = [word for name, value in small.items() for word in (f"--{name}", str(value))]

    def act(*more):
        words_of_now = [*words, "--teacher", "vgg16", "--checkpoint", str(checkpoint), "--out", str(out), *more]
        monkeypatch.setattr(sys, "argv", ["distill.py", *words_of_now])
        distill.main()

    return act, checkpoint, out


def test_ctrl_c_finishes_the_step_and_keeps_all_so_that_it_goes_on_exactly(run, finished, monkeypatch, capsys):
    act, checkpoint, out = run
    report, told = distill.report, []

    def interrupting(shown):
        told.append(report(shown))
        if len(told) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return told[-1]

    monkeypatch.setattr(distill, "report", interrupting)
    act()
    assert "after 3 of 8 steps" in capsys.readouterr().out
    assert torch.load(checkpoint, weights_only=True)["step"] == 3
    act("--resume")
    assert "after 8 of 8 steps" in capsys.readouterr().out
    for key, value in load_file(out).items():
        assert torch.equal(value, finished.weights()[0][key]), key


def test_ctrl_c_right_after_compressing_keeps_what_was_compressed(run, monkeypatch):
    act, checkpoint, out = run

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(distill, "noted", interrupted)
    with pytest.raises(SystemExit, match="what was saved last stays"):
        act()
    assert torch.load(checkpoint, weights_only=True)["step"] == 0
    assert out.exists()


def test_weights_that_are_not_finite_are_not_written(run, finished, monkeypatch):
    act, checkpoint, out = run
    tensors, notes = finished.weights()
    monkeypatch.setattr(distill.Training.func, "weights", lambda _: ({**tensors, "x": torch.tensor(torch.nan)}, notes))
    with pytest.raises(SystemExit, match="not finite"):
        act()
    assert not checkpoint.exists()
    assert not out.exists()


def test_what_cannot_be_read_as_a_checkpoint_is_refused_and_none_begins_anew(run, capsys):
    act, checkpoint, _ = run
    checkpoint.write_text("no checkpoint")
    with pytest.raises(SystemExit, match=r"run.pt cannot be read as a checkpoint"):
        act("--resume")
    checkpoint.unlink()
    act("--resume")
    assert "this begins anew" in capsys.readouterr().out


WRONG = {
    "--steps": "-1",
    "--batch": "0",
    "--crop": "40",
    "--drawn": "0",
    "--rate": "nan",
    "--gram-weight": "-1",
    "--painted-batches": "4",
    "--compressing-batches": "0",
    "--save-every": "0",
    "--seed": "x",
}


@pytest.mark.parametrize("name", WRONG)
def test_options_that_cannot_work_are_refused_at_once(monkeypatch, capsys, name):
    monkeypatch.setattr(sys, "argv", ["distill.py", "--teacher", "vgg16", f"{name}={WRONG[name]}"])
    with pytest.raises(SystemExit):
        distill.options()
    assert name in capsys.readouterr().err


def test_the_command_line_needs_a_teacher(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["distill.py", "--steps", "1"])
    with pytest.raises(SystemExit):
        distill.options()
    assert "--teacher" in capsys.readouterr().err


def test_pooling_scales_are_ratios_of_means():
    pooling_scale = pytest.importorskip("pooling_scale")
    responses = torch.tensor([[[[3.0, 1.0], [0.0, 0.0]]]])
    found = pooling_scale.poolings(responses)
    assert found["avg"].item() == 1
    assert found["l2"].item() == pytest.approx(2.5**0.5)
    ratios = pooling_scale.pooling_scale(network(TEACHER))
    assert ratios["avg"].keys() == {"pool1", "pool2"}
    assert all(ratios["avg"][at] >= ratios["l2"][at] >= 1 for at in ratios["avg"])


def test_the_optimizer_moves_weights_and_biases_in_place():
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(3, 4, 3), LowRankConv2d(4, 3, 3, 5)).to(memory_format=torch.channels_last)
    optimizer = distill.Optimizer(features, 0.01)
    before = [parameter.detach().clone() for parameter in features.parameters()]
    losses = []
    for _ in range(20):
        features.zero_grad()
        loss = (features(torch.ones(1, 3, 8, 8)) - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert all((old != new).any() for old, new in zip(before, features.parameters(), strict=True))
