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
        sizes.append((max(run._now.content.shape), max(run._now.style.shape)))
        assert torch.equal(run.objective.content, pictures[0])
        assert torch.equal(run.objective.style, pictures[1])
    assert sizes == 3 * [(96, 84)] + 2 * [(144, 126)] + 2 * [(192, 168)]
    assert run._now is run.objective


def test_the_picture_and_the_snapshots_have_the_full_size_all_the_way(extract, pictures):
    run = run_of(extract, pictures, snapshot_every=1)
    assert run.image.shape == pictures[0].shape
    take(run, 6)
    assert {picture.shape for picture in run.snapshots.values()} == {pictures[0].shape}


def test_a_texture_grows_too(extract, pictures):
    run = nst.Run(nst.Objective(extract, style=pictures[1]), init="noise", size=(100, 120), scales=SCALES)
    assert run._now.style.shape[-2:] == (56, 84)
    assert take(run, 6).image.shape[-2:] == (100, 120)
    assert run._now.style.shape == pictures[1].shape


@pytest.mark.parametrize("steps", [2, 3, 4, 6])
def test_a_saved_run_continues_exactly_at_any_scale(tmp_path, extract, pictures, steps):
    straight = take(run_of(extract, pictures), 8)
    stopped = take(run_of(extract, pictures), steps)
    resumed = take(nst.Run.load(stopped.save(tmp_path / "run.pt")), 8 - steps)
    assert torch.equal(resumed.image, straight.image)
    assert resumed.history["total"].tolist() == straight.history["total"].tolist()


@pytest.mark.parametrize("kind", ["content", "style"])
def test_another_picture_set_meanwhile_is_taken_up_at_the_scale_that_is_due(extract, pictures, kind):
    run = take(run_of(extract, pictures), 2)
    other = pictures[kind == "style"].flip(-1)
    getattr(run.objective, f"set_{kind}")(other)
    take(run, 1)
    assert max(getattr(run._now, kind).shape) == max(other.shape) // 2
    take(run, 5)
    assert torch.equal(getattr(run._now, kind), other)
    fresh = nst.Objective(extract, **{"content": pictures[0], "style": pictures[1], kind: other})
    assert run.history["total"][-1] == pytest.approx(fresh(run.image).total.item(), rel=1e-4)


def test_another_size_set_meanwhile_is_taken_up_at_the_scale_that_is_due(extract, pictures):
    run = take(run_of(extract, pictures), 2)
    run.objective.set_content(nst.load_image("chelsea", 160))
    take(run, 1)
    assert max(run._param.shape) == 80
    assert max(take(run, 5).image.shape) == 160


def test_a_weight_set_meanwhile_acts_at_every_scale(extract, pictures):
    run = take(run_of(extract, pictures), 2)
    run.objective.beta, run.objective.border = 70.0, 0.25
    take(run, 1)
    assert run._now.beta.item() == 70.0
    assert run._now.border == 0.25


def test_an_interrupted_coarse_phase_leaves_the_pictures_whole_for_the_next_run(extract, pictures):
    run = take(run_of(extract, pictures), 2)
    assert run.image.shape == pictures[0].shape
    assert nst.Run(run.objective).image.shape == pictures[0].shape
    assert torch.equal(run.objective(pictures[0]).total, nst.Objective(extract, *pictures)(pictures[0]).total)


def test_a_small_style_is_not_made_too_small_for_the_deepest_layer(extract, pictures):
    run = run_of(extract, (pictures[0], nst.load_image("coffee", 40)))
    assert min(run._now.style.shape[-2:]) == 27 < min(run._now.content.shape[-2:])


def test_a_small_picture_is_not_made_too_small_for_the_deepest_layer(extract):
    pictures = nst.load_image("chelsea", 64), nst.load_image("coffee", 64)
    run = run_of(extract, pictures)
    take(run, 6)
    assert run.image.shape == pictures[0].shape


@pytest.mark.slow
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
