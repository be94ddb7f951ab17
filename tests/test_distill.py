"""The script that trains the bundled backbone, with a small random teacher in place of VGG-19."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nstlib.backbones import mini_net
from nstlib.losses import gram

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
distill = pytest.importorskip("distill")

TEACHER_WIDTHS = (6, 6, "M", 8, 8, "M", 12)
STUDENT_WIDTHS = (4, 4, "M", 5, 5, "M", 8, 6, 6, 6, "M", 6, 6, 6, 6, "M", 6, 6, 6, 6, "M")
RECIPE = distill.Recipe(
    steps=8, seed=3, batch=2, crop=32, pictures=4, rate=1e-3, gram_weight=0.5, dreams=3, precision="float32"
)


def random_teacher():
    torch.manual_seed(0)
    features = mini_net(TEACHER_WIDTHS)
    return distill.Vgg(features.eval().requires_grad_(False))


def training(recipe=RECIPE):
    return distill.Training(recipe, random_teacher(), "cpu", STUDENT_WIDTHS)


@pytest.fixture(scope="module")
def finished():
    whole = training()
    errors = list(whole.run())
    return whole, errors


def test_every_layer_learns_something_and_deeper_ones_see_larger_things(finished):
    targets = finished[0].targets
    shrinks = [target.shrink for target in targets.values()]
    assert len(targets) == 16
    assert shrinks == sorted(shrinks)
    assert targets["relu3_1"].shrink == 1
    assert targets["relu4_1"].shrink == pytest.approx(2)
    assert targets["relu5_1"].shrink == pytest.approx(4)
    taught = set().union(*(distill.lesson(targets, step) for step in range(distill.GROUPS)))
    assert taught == set(targets)


def test_resumes_exactly(finished, tmp_path):
    whole, _ = finished
    first = training()
    for _ in range(5):
        first.advance()
    distill.write(tmp_path / "checkpoint.pt", lambda path: torch.save(first.state(), path))

    second = training()
    second.load_state(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    list(second.run())

    assert second.step == whole.step
    assert len(second.pictures.dreams) == len(whole.pictures.dreams) > 0
    resumed = second.weights()
    for key, value in whole.weights().items():
        assert torch.equal(resumed[key], value), key


def test_refuses_a_checkpoint_of_another_recipe(finished):
    other = training(replace(RECIPE, seed=4))
    with pytest.raises(SystemExit, match="another recipe"):
        other.load_state(finished[0].state())


def test_training_lowers_the_errors():
    learner = training(replace(RECIPE, steps=30, dreams=0))
    errors = [sum(error[0].item() for error in found.values()) / len(found) for found in learner.run()]
    assert sum(errors[-9:]) < sum(errors[:9])


def test_errors_from_second_moments_are_those_of_the_guess():
    torch.manual_seed(1)
    features, target, head = torch.randn(2, 30, 4), torch.rand(2, 30, 6), torch.randn(6, 4)
    guess = features @ head.T
    found = distill.layer_errors(features, target, head)
    norm = target.square().sum((1, 2))
    feature_error = (guess - target).square().sum((1, 2)) / (norm + 0.1 * norm.mean())
    torch.testing.assert_close(found[0], feature_error.mean())

    grams = [rows.mT @ rows for rows in (guess, target)]
    norm = grams[1].square().sum((1, 2))
    gram_error = (grams[0] - grams[1]).square().sum((1, 2)) / (norm + 0.1 * norm.mean())
    torch.testing.assert_close(found[1], (gram_error + 1e-5).sqrt().mean())


def test_normalizing_filters_leaves_the_function_and_makes_means_one():
    torch.manual_seed(2)
    features = mini_net(TEACHER_WIDTHS)
    vgg, picture = distill.Vgg(features), torch.randn(2, 3, 32, 32)
    layers = ["relu1_1", "relu2_2", "relu3_1"]
    with torch.no_grad():
        before = vgg(picture, layers, "max")
        distill.normalize_filters(vgg, picture)
        after = vgg(picture, layers, "max")
    for layer in layers:
        means = before[layer].mean((0, 2, 3), keepdim=True)
        alive = (means > 1e-4).flatten()
        torch.testing.assert_close(after[layer][:, alive], (before[layer] / means)[:, alive], rtol=1e-3, atol=1e-4)


def test_chosen_filters_explain_the_others():
    torch.manual_seed(3)
    basis = torch.rand(1, 3, 200)
    others = torch.einsum("oc,bcm->bom", torch.rand(5, 3), basis)
    features = torch.cat([others, basis], 1)[..., None]
    moments = gram(features)[0].double()
    chosen = distill.choose_filters(moments, 3)
    guess = moments[:, chosen] @ torch.linalg.inv(moments[chosen][:, chosen]) @ moments[chosen]
    torch.testing.assert_close(guess, moments, rtol=1e-3, atol=1e-3)


def test_inherited_student_of_the_same_width_is_the_teacher():
    teacher = random_teacher()
    student = distill.Student((*TEACHER_WIDTHS, "M", 8), {f"relu{name}": 12 for name in ("1_1",)})
    student.heads = nn.ModuleDict()
    picture = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        distill.inherit(student, teacher, picture)
        ours = student.vgg(picture, ["relu3_1"], "avg")["relu3_1"]
        theirs = teacher(picture, ["relu3_1"], "avg")["relu3_1"]
    # The same filters, perhaps in another order.
    torch.testing.assert_close(ours.mean((0, 2, 3)).sort().values, theirs.mean((0, 2, 3)).sort().values)


def test_reads_a_published_file_of_normalised_weights(tmp_path):
    torch.manual_seed(4)
    sequence = nn.Sequential(
        *(nn.Conv2d(3, 3, 1), nn.ReflectionPad2d(1), nn.Conv2d(3, 6, 3), nn.ReLU()),
        *(nn.ReflectionPad2d(1), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.ReflectionPad2d(1), nn.Conv2d(5, 4, 3), nn.ReLU()),
    )
    torch.save(sequence.state_dict(), tmp_path / "teacher.pth")
    teacher = distill.load_teacher(str(tmp_path / "teacher.pth"), "reflect")
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        found = teacher(distill.normalize_picture(picture), ["relu2_1"], "max")["relu2_1"]
        torch.testing.assert_close(found, sequence(picture), rtol=1e-4, atol=1e-5)
