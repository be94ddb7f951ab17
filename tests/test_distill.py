"""The script that trains the bundled backbone, with a small random teacher in place of VGG-19."""

import copy
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
    assert len({target.layer for target in targets.values()}) == 16
    shrinks = [targets[layer].shrink for layer in dict.fromkeys(target.layer for target in targets.values())]
    assert shrinks == sorted(shrinks)
    assert targets["relu3_1"].shrink == 1
    assert targets["relu4_1"].shrink == pytest.approx(2)
    assert targets["relu5_1"].shrink == pytest.approx(4)
    assert targets["relu3_1_2"] == distill.Target("relu3_1", "relu2_1", shrink=2)
    assert targets["relu4_2_4"] == distill.Target("relu4_2", "relu2_2", shrink=4)
    taught = set().union(*(distill.lesson(targets, step) for step in range(distill.GROUPS)))
    assert taught == set(targets)


def test_layers_that_learn_of_shrunk_pictures_also_learn_of_the_fine_structure_that_shrinking_removes(finished):
    whole = finished[0]
    board = torch.zeros(1, 3, 32, 32)
    board[..., ::2, ::2] = board[..., 1::2, 1::2] = 1  # no larger structure at all
    pictures = torch.cat([board, torch.full_like(board, 0.5)])
    targets = {name: target for name, target in whole.targets.items() if target.layer == "relu4_1"}
    taught = distill.teach(whole.teacher, pictures, targets, "avg")
    coarse, fine = (taught[name] for name in ("relu4_1", "relu4_1_fine"))
    assert distill.fit(fine, targets["relu4_1_fine"], torch.Size([4, 4])).shape[-2:] == (4, 4)

    def difference(features):
        return ((features[0] - features[1]).norm() / features[1].norm()).item()

    assert difference(fine) > 3 * difference(coarse)


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


def test_normalizing_filters_leaves_the_function_and_makes_means_one_and_no_filter_loud():
    torch.manual_seed(2)
    features = mini_net(TEACHER_WIDTHS)
    convolutions = [module for module in features if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        convolutions[0].bias[0] -= 1  # responds seldom
    vgg, pictures = distill.Vgg(features), torch.randn(4, 3, 32, 32)
    layers = ["relu1_1", "relu2_2", "relu3_1"]

    def responses():
        both = [vgg(pictures, layers, pooling) for pooling in ("avg", "max")]
        return {layer: torch.cat([features[layer] for features in both]) for layer in layers}

    with torch.no_grad():
        before = responses()
        distill.normalize_filters(vgg, pictures)
        after = responses()
    for layer in layers:
        alive = before[layer].mean((0, 2, 3)) > 1e-4
        scale = after[layer].mean((0, 2, 3), keepdim=True) / before[layer].mean((0, 2, 3), keepdim=True)
        torch.testing.assert_close(after[layer][:, alive], (before[layer] * scale)[:, alive], rtol=1e-3, atol=1e-4)
        assert after[layer].mean() == pytest.approx(1, rel=1e-3)
        mean, squares = after[layer].mean((0, 2, 3))[alive], after[layer].square().mean((2, 3))[:, alive]
        steady = squares.amax(0).sqrt() < 1.9 * mean
        largest = mean.max()  # what 1 is before the layer is scaled as a whole
        torch.testing.assert_close(mean[steady], largest.expand(int(steady.sum())), rtol=1e-3, atol=1e-3)
        assert (squares.mean(0).sqrt() < 2.001 * largest).all()
        assert (squares.sqrt() < 4.001 * largest).all()
    seldom = after["relu1_1"][:, 0]
    assert seldom.mean() < 0.9 * after["relu1_1"][:, 1:].mean()
    assert seldom.square().mean().sqrt() > 0.5


def test_filters_on_their_way_to_deeper_layers_are_quiet_and_the_function_stays(finished):
    whole = finished[0]
    vgg, pictures = whole.average.vgg, whole.pictures.batch(0, 8)
    plain, quiet = (distill.Vgg(copy.deepcopy(whole.average.features)) for _ in range(2))
    loud = distill.loudness(whole.teacher, vgg.convolutions)
    assert set(loud) == set(vgg.convolutions)
    assert (loud["conv1_1"] == distill.QUIET).sum() == distill.CARRIED
    assert (loud["conv5_1"] == 1).all()
    distill.normalize_filters(plain, pictures)
    distill.normalize_filters(quiet, pictures, loud)
    names = ["relu1_2", "relu2_1", "relu3_1", "relu5_1"]
    with torch.no_grad():
        before, after = plain(pictures, names, "avg"), quiet(pictures, names, "avg")
    for name in names:
        alive = before[name].amax((0, 2, 3)) > 1e-3
        share = (
            loud[name.replace("relu", "conv")]
            * after[name].sum()
            / (before[name] * loud[name.replace("relu", "conv")][:, None, None]).sum()
        )
        torch.testing.assert_close(
            after[name][:, alive], (before[name] * share[:, None, None])[:, alive], rtol=1e-2, atol=1e-3
        )


def test_chosen_filters_explain_the_others():
    torch.manual_seed(3)
    basis = torch.rand(1, 3, 200)
    others = torch.einsum("oc,bcm->bom", torch.rand(5, 3), basis)
    features = torch.cat([others, basis], 1)[..., None]
    moments = gram(features)[0].double()
    chosen = distill.choose_filters(moments, 3)
    guess = moments[:, chosen] @ torch.linalg.inv(moments[chosen][:, chosen]) @ moments[chosen]
    torch.testing.assert_close(guess, moments, rtol=1e-3, atol=1e-3)


@torch.no_grad()
def inherited(widths, layer, picture):
    """What a student without training sees at the layer."""
    student = distill.Student(widths, {}, {})
    distill.inherit(student, random_teacher(), torch.randn(4, 3, 32, 32))
    return student.vgg(picture, [layer], "avg")[layer]


def test_inherited_student_of_the_same_width_is_the_teacher():
    picture = torch.randn(4, 3, 32, 32)
    ours, theirs = inherited(TEACHER_WIDTHS, "relu3_1", picture), random_teacher()(picture, ["relu3_1"], "avg")
    # The same filters, perhaps in another order.
    torch.testing.assert_close(
        ours.mean((0, 2, 3)).sort().values, theirs["relu3_1"].mean((0, 2, 3)).sort().values, rtol=1e-3, atol=1e-4
    )


def test_a_layer_a_block_deeper_than_the_teacher_inherits_its_eyes_for_the_picture_halved():
    # Wide enough for all of the teacher's filters, twice, for the picture that is carried on, and for what is passed.
    widths = (9, 9, "M", 17, 17, "M", 20, 14, 14, 14, "M", 15)
    picture = torch.randn(4, 3, 32, 32)
    ours = inherited(widths, "relu4_1", picture)[:, -12:]

    blur = torch.tensor([1.0, 2, 1]) / 4
    half = picture
    for _ in range(2):
        half = nn.functional.pad(half, (1, 1, 1, 1), mode="replicate")
        half = nn.functional.conv2d(half, torch.outer(blur, blur).expand(3, 1, 3, 3), groups=3)
    theirs = random_teacher()(nn.functional.avg_pool2d(half, 2), ["relu3_1"], "avg")["relu3_1"]
    assert ours.shape == theirs.shape
    torch.testing.assert_close(
        ours.mean((0, 2, 3)).sort().values, theirs.mean((0, 2, 3)).sort().values, rtol=1e-3, atol=1e-4
    )


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
