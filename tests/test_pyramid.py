"""Coarse to fine: what is computed at which scale, and that nothing else changes."""

import pytest
import torch

import nstlib as nst

SCALES = {0: 0.5, 3: 0.75, 5: 1.0}


@pytest.fixture
def pictures():
    return nst.load_image("chelsea", 192), nst.load_image("coffee", 168)


def run_of(extract, pictures, **options):
    return nst.Run(nst.Objective(extract, *pictures), scales=SCALES, **options)


def take(run, steps):
    for _ in run.steps(steps, progress=False):
        pass
    return run


def test_each_step_is_computed_at_its_scale_and_the_last_ones_at_full_size(extract, pictures):
    run = run_of(extract, pictures)
    sizes = []
    for _ in run.steps(7, progress=False):
        sizes.append((max(run.objective.content.shape), max(run.objective.style.shape)))
    assert sizes == 3 * [(96, 84)] + 2 * [(144, 126)] + 2 * [(192, 168)]
    assert torch.equal(run.objective.content, pictures[0])
    assert torch.equal(run.objective.style, pictures[1])


def test_the_picture_and_the_snapshots_have_the_full_size_all_the_way(extract, pictures):
    run = run_of(extract, pictures, snapshot_every=1)
    assert run.image.shape == pictures[0].shape
    take(run, 6)
    assert {picture.shape for picture in run.snapshots.values()} == {pictures[0].shape}


def test_a_texture_grows_too(extract, pictures):
    run = nst.Run(nst.Objective(extract, style=pictures[1]), init="noise", size=(100, 120), scales=SCALES)
    assert run.objective.style.shape[-2:] == (56, 84)
    assert take(run, 6).image.shape[-2:] == (100, 120)
    assert run.objective.style.shape == pictures[1].shape


@pytest.mark.parametrize("steps", [2, 3, 4, 6])
def test_a_saved_run_continues_exactly_at_any_scale(tmp_path, extract, pictures, steps):
    straight = take(run_of(extract, pictures), 8)
    stopped = take(run_of(extract, pictures), steps)
    resumed = take(nst.Run.load(stopped.save(tmp_path / "run.pt")), 8 - steps)
    assert torch.equal(resumed.image, straight.image)
    assert resumed.history["total"].tolist() == straight.history["total"].tolist()


def test_another_picture_set_meanwhile_ends_the_coarse_steps(extract, pictures):
    run = take(run_of(extract, pictures), 2)
    other = pictures[0].flip(-1)
    run.objective.set_content(other)
    take(run, 6)
    assert torch.equal(run.objective.content, other)
    assert run.image.shape == other.shape


def test_a_small_picture_is_not_made_too_small_for_the_deepest_layer(extract):
    pictures = nst.load_image("chelsea", 64), nst.load_image("coffee", 64)
    run = run_of(extract, pictures)
    take(run, 6)
    assert run.image.shape == pictures[0].shape


def test_after_as_many_steps_the_loss_is_within_two_percent_of_that_at_full_size_alone():
    content, style = nst.load_image("village", 192), nst.load_image("swirls", 192)
    extract = nst.FeatureExtractor("mini", device="cpu")

    def loss_after(steps=120, **options):
        run = take(nst.Run(nst.Objective(extract, content, style, tv=10), **options), steps)
        return run.history["total"][-1]

    assert loss_after(scales={0: 0.71, 30: 1}) < 1.02 * loss_after()


@pytest.mark.parametrize(
    "scales", [{1: 1.0}, {0: 0.5}, {0: 0.5, 10: 0.9}, {0: 0.0, 5: 1.0}, {0: 2.0, 5: 1.0}, {0: 0.5, 2.5: 1.0}]
)
def test_scales_that_do_not_lead_to_the_full_size_are_refused(extract, pictures, scales):
    with pytest.raises(nst.InputError, match="scales are"):
        nst.Run(nst.Objective(extract, *pictures), scales=scales)


def test_a_style_target_set_by_hand_cannot_be_scaled(extract, pictures):
    objective = nst.Objective(extract, *pictures)
    objective.style_target = dict(objective.style_target)
    with pytest.raises(nst.InputError, match="leave the scales out"):
        nst.Run(objective, scales=SCALES)
