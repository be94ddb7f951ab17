"""The run: what it promises about stopping, resuming, NaN, memory and what it remembers."""

import copy
import dataclasses
import signal

import numpy as np
import pytest
import torch

import nstlib as nst
from nstlib import optimize
from nstlib.images import cover
from nstlib.starts import start_image

OPTIMIZERS = ["lbfgs", "adam"]


@pytest.fixture
def objective(extract, content, style):
    return nst.Objective(extract, content, style, beta=10.0)


def walk(run, count):
    return list(run.steps(count, progress=False))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_lowers_the_loss(objective, optimizer):
    run = nst.Run(objective, "noise", optimizer)
    walk(run, 40)
    assert run.history["total"][-1] < 0.5 * run.history["total"][0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_image_stays_a_picture_and_nothing_is_clamped_after_its_losses_were_taken(objective, optimizer):
    run = nst.Run(objective, "style_statistics", optimizer)
    walk(run, 30)
    assert run.image.min() >= 0
    assert run.image.max() <= 1
    assert objective(run.image).total.item() == pytest.approx(run.history["total"][-1], rel=1e-5)
    assert run.image.shape == objective.content.shape
    assert not run.image.requires_grad


def test_adam_is_clamped_after_its_steps(objective):
    run = nst.Run(objective, "noise", "adam", lr=0.5)
    walk(run, 5)
    assert run._param.min() >= 0
    assert run._param.max() <= 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_step_is_one_evaluation_and_they_are_counted(objective, optimizer, monkeypatch):
    evaluations, call = [], type(objective).__call__
    monkeypatch.setattr(nst.Objective, "__call__", lambda self, image: evaluations.append(1) or call(self, image))
    run = nst.Run(objective, optimizer=optimizer)
    steps = walk(run, 7)
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert run.taken == len(evaluations) == 7


def test_what_is_differentiated_is_what_is_reported(objective):
    """The gradient that the optimizer sees is that of terms.total, and nothing is clamped on the way."""
    run = nst.Run(objective, "style_statistics", "adam")
    with torch.no_grad():
        run._param.add_(0.7)  # far outside [0, 1]
    image = run._param.detach().clone().requires_grad_()
    expected = objective(image).total
    expected.sum().backward()
    step = run.step()
    torch.testing.assert_close(step.terms.total, expected.detach())
    torch.testing.assert_close(run._param.grad, image.grad)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("init", ["content", "noise"])
def test_a_saved_run_continues_exactly_as_if_it_had_not_been_stopped(objective, optimizer, init, tmp_path):
    whole = nst.Run(objective, init, optimizer, snapshot_every=4, seed=3)
    walk(whole, 20)
    part = nst.Run(objective, init, optimizer, snapshot_every=4, seed=3)
    walk(part, 9)
    rest = nst.Run.load(part.save(tmp_path / "run.pt"), device="cpu")
    walk(rest, 11)
    assert torch.equal(rest.image, whole.image)
    assert torch.equal(rest._param, whole._param)
    assert list(rest.history) == list(whole.history)
    for name in whole.history:
        np.testing.assert_array_equal(rest.history[name], whole.history[name])
    assert list(rest.snapshots) == [0, 4, 8, 12, 16, 20]
    for number in whole.snapshots:
        assert torch.equal(rest.snapshots[number], whole.snapshots[number])
    assert rest.taken == 20


def test_saving_does_not_change_the_run(objective, tmp_path):
    saved, unsaved = nst.Run(objective), nst.Run(objective)
    for _ in range(6):
        saved.step()
        saved.save(tmp_path / "run.pt")
        unsaved.step()
    assert torch.equal(saved.image, unsaved.image)


def test_a_run_saved_before_its_first_step_can_be_loaded(objective, tmp_path):
    run = nst.Run.load(nst.Run(objective).save(tmp_path / "new" / "run.pt"))
    walk(run, 2)
    assert run.taken == 2


def test_an_interrupted_save_leaves_the_older_file_whole(objective, tmp_path, monkeypatch):
    run = nst.Run(objective)
    path = run.save(tmp_path / "run.pt")
    before = path.read_bytes()
    walk(run, 2)

    def full_disk(state, file):
        file.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(nst.RunError, match=r"cannot be saved.*No space left"):
        run.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("data", [b"", b"not a run", None])
def test_something_else_than_a_saved_run_is_refused(tmp_path, data):
    path = tmp_path / "run.pt"
    if data is None:
        torch.save({"weights": torch.zeros(3)}, path)
    else:
        path.write_bytes(data)
    with pytest.raises(nst.RunError, match=r"run\.pt is not a saved run"):
        nst.Run.load(path)
    with pytest.raises(nst.RunError, match="nowhere"):
        nst.Run.load(tmp_path / "nowhere.pt")


def test_the_same_seed_gives_the_same_run_and_another_seed_another(objective):
    images = []
    for seed in (1, 1, 2):
        run = nst.Run(objective, "noise", seed=seed)
        walk(run, 5)
        images.append(run.image)
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_batch_equals_its_single_runs(extract, content, style, optimizer):
    betas = [1.0, 30.0]
    steps = 7  # later on, differences in the last digit of a convolution have grown
    batch = nst.Run(nst.Objective(extract, content, style, beta=betas), "noise", optimizer)
    walk(batch, steps)
    assert batch.history["total"].shape == (steps, 2)
    for k, beta in enumerate(betas):
        single = nst.Run(nst.Objective(extract, content, style, beta=beta), "noise", optimizer)
        walk(single, steps)
        torch.testing.assert_close(batch.image[k], single.image[0], rtol=0, atol=2e-3)
        np.testing.assert_allclose(batch.history["total"][:, k], single.history["total"], rtol=1e-2)


def test_history_holds_every_term_of_every_step(objective):
    run = nst.Run(objective)
    steps = walk(run, 6)
    assert set(run.history) == set(steps[0].terms.as_dict())
    assert all(values.shape == (6,) for values in run.history.values())
    assert run.history["total"][0] == pytest.approx(steps[0].loss)
    assert (np.diff(run.history["total"]) <= 0).all()  # L-BFGS: rejected trials do not count
    with pytest.raises(KeyError, match="no term 'loss'; there are total"):
        run.history["loss"]


def test_snapshots_hold_the_start_and_every_nth_picture(objective):
    run = nst.Run(objective, snapshot_every=3)
    walk(run, 8)
    assert list(run.snapshots) == [0, 3, 6]
    torch.testing.assert_close(run.snapshots[0], objective.content, rtol=0, atol=0.5 / 255 + 1e-6)
    assert run.snapshots[6].shape == objective.content.shape


@pytest.mark.parametrize(("optimizer", "tile"), [("lbfgs", None), ("adam", None), ("adam", 16)])
def test_nan_is_noticed_reported_and_the_last_good_picture_kept(objective, optimizer, tile, monkeypatch):
    objective.tile = tile
    call, count = type(objective).__call__, iter(range(1000))

    def sometimes_nan(self, image):
        terms = call(self, image)
        if next(count) in (5, 6):
            return nst.Terms(terms.total * torch.nan, terms.content, terms.style, terms.tv, terms.layers)
        return terms

    run = nst.Run(objective, optimizer=optimizer)
    walk(run, 5)
    good, loss = run.image, run.history["total"][-1]
    monkeypatch.setattr(nst.Objective, "__call__", sometimes_nan)
    next(count), next(count), next(count), next(count), next(count)
    with pytest.warns(nst.RunWarning, match="NaN near step"):
        walk(run, 2)
    assert torch.equal(run.image, good)
    assert run.history["total"][-1] == loss
    walk(run, 10)
    assert run.image.isfinite().all()
    assert run.history["total"][-1] < loss
    if optimizer == "adam":
        assert run.lr < optimize.DEFAULT_LR["adam"]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.filterwarnings("ignore::nstlib.errors.RunWarning")
def test_a_run_that_stays_nan_ends_and_says_so(objective, optimizer, monkeypatch):
    call = type(objective).__call__

    def nan(self, image):
        terms = call(self, image)
        return nst.Terms(terms.total * torch.nan, terms.content, terms.style, terms.tv, terms.layers)

    monkeypatch.setattr(nst.Objective, "__call__", nan)
    run = nst.Run(objective, optimizer=optimizer)
    assert len(walk(run, 200)) < 200
    assert run.stop_reason == "broken"
    assert torch.equal(run.image, objective.content)


def test_a_run_that_cannot_get_better_ends_and_says_so(extract, content):
    run = nst.Run(nst.Objective(extract, content=content), "content")
    assert len(walk(run, 200)) < 200
    assert run.stop_reason == "converged"
    torch.testing.assert_close(run.image, content)


def test_ctrl_c_ends_the_run_after_the_step_and_keeps_the_picture(objective, monkeypatch):
    call, count = type(objective).__call__, iter(range(1, 1000))

    def interrupted(self, image):
        if next(count) == 4:
            signal.raise_signal(signal.SIGINT)
        return call(self, image)

    monkeypatch.setattr(nst.Objective, "__call__", interrupted)
    run = nst.Run(objective)
    assert len(walk(run, 50)) == 4
    assert run.stop_reason == "interrupted"
    assert run.history["total"].shape == (4,)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(walk(run, 3)) == 3
    assert run.stop_reason == ""


def test_a_second_ctrl_c_does_not_wait_and_still_keeps_the_picture(objective, monkeypatch):
    run = nst.Run(objective)
    walk(run, 3)
    before = run.image

    def impatient(self, image):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(nst.Objective, "__call__", impatient)
    with pytest.raises(KeyboardInterrupt):
        walk(run, 1)
    assert torch.equal(run.image, before)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_out_of_memory_is_explained_and_the_picture_kept(objective, monkeypatch, error):
    run = nst.Run(objective)
    walk(run, 3)
    before, call = run.image, type(objective).__call__

    def full(self, image):
        raise error

    monkeypatch.setattr(nst.Objective, "__call__", full)
    with pytest.raises(nst.RunError, match="out of memory at 48 x 32 pixels on cpu; use a smaller size"):
        walk(run, 1)
    assert torch.equal(run.image, before)
    monkeypatch.setattr(nst.Objective, "__call__", call)
    walk(run, 2)
    assert run.taken == 5


def test_other_errors_are_not_called_out_of_memory(objective, monkeypatch):
    def wrong(self, image):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(nst.Objective, "__call__", wrong)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        nst.Run(objective).step()


def test_a_weight_changed_during_a_run_acts_on_the_next_step_and_lbfgs_goes_on(objective):
    run = nst.Run(objective, "content")
    walk(run, 10)
    before = run.image
    objective.beta = 1000.0
    step = run.step()
    expected = objective(run.image).total.item()
    assert step.loss == pytest.approx(expected, rel=1e-4)
    walk(run, 30)
    assert run.history["total"][-1] < run.history["total"][10]
    assert not torch.equal(run.image, before)


def test_a_style_target_set_during_a_run_acts_on_the_next_step_and_lbfgs_goes_on(objective):
    run = nst.Run(objective, "content")
    walk(run, 10)
    objective.style_target = {layer: matrix.flip(1, 2) for layer, matrix in objective.style_target.items()}
    assert run.step().loss == pytest.approx(objective(run.image).total.item(), rel=1e-4)
    walk(run, 30)  # would stay where it is, if trials were still compared with the loss of the old target
    assert run.history["total"][-1] < 0.9 * run.history["total"][10]


def test_a_content_of_another_size_resamples_the_picture_and_goes_on(objective):
    run = nst.Run(objective)
    walk(run, 5)
    objective.set_content(nst.load_image("chelsea", 64))
    walk(run, 5)
    assert run.image.shape == objective.content.shape


def test_a_weight_that_changes_at_every_step_does_not_hold_the_picture_up(objective):
    run = nst.Run(objective)
    for step in run.steps(60, progress=False):
        objective.beta = 10.0 + step.number
    style = run.history["style"]
    assert style[-1] < 0.7 * style[0]


def test_a_learning_rate_set_during_a_run_acts_on_the_next_step(objective):
    still, moved = nst.Run(objective, optimizer="adam"), nst.Run(objective, optimizer="adam")
    walk(still, 3)
    walk(moved, 3)
    moved.lr = 1e-6
    assert moved.lr == 1e-6
    before = {run: run._param.detach().clone() for run in (still, moved)}
    assert torch.equal(before[still], before[moved])
    walk(still, 1)
    walk(moved, 1)
    assert (moved._param - before[moved]).abs().max() < 1e-5 < (still._param - before[still]).abs().max()
    with pytest.raises(nst.InputError, match="learning rate is 0; expected a number above 0"):
        moved.lr = 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_goes_on_from_a_picture_put_there(objective, style, optimizer):
    run = nst.Run(objective, "noise", optimizer)
    walk(run, 5)
    run.go_on_from(style)
    assert torch.equal(run.image, cover(style, objective.content.shape[-2:]))
    walk(run, 1)
    assert run.taken == 6
    restarted = nst.Run(objective, style, optimizer)
    walk(restarted, 1)
    assert run.history["total"][-1] == pytest.approx(restarted.history["total"][-1], rel=1e-5)


def test_a_picture_put_there_takes_the_size_of_a_content_that_was_changed_before(objective, content, style):
    run = nst.Run(objective)
    walk(run, 2)
    objective.set_content(cover(content, (40, 56)))
    run.go_on_from(style)
    walk(run, 1)
    assert run.image.shape == (1, 3, 40, 56)


def test_the_noise_start_is_the_mean_color_and_little_noise_inside_the_range(objective):
    start = start_image(objective, "noise", seed=0)
    assert start.shape == objective.content.shape
    torch.testing.assert_close(start.mean((2, 3)), objective.content.mean((2, 3)), rtol=0, atol=0.02)
    assert 0.05 < start.std() < 0.15


def test_the_style_statistics_start_has_the_colors_of_the_style(extract, content):
    style = 0.5 + 0.08 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    style[:, 1] += 0.9 * (style[:, 0] - 0.5)
    start = start_image(nst.Objective(extract, content, style), "style_statistics")
    for picture in (start, style):
        assert picture.flatten(2).std(2).max() < 0.2
    torch.testing.assert_close(start.mean((2, 3)), style.mean((2, 3)), rtol=0, atol=0.02)
    torch.testing.assert_close(torch.cov(start[0].flatten(1)), torch.cov(style[0].flatten(1)), rtol=0, atol=2e-3)


def test_a_gray_style_can_be_a_start_too(extract, content):
    gray = torch.rand(1, 1, 32, 32).expand(1, 3, 32, 32)
    assert start_image(nst.Objective(extract, content, gray), "style_statistics").isfinite().all()


def test_a_picture_as_a_start_is_cropped_and_never_stretched():
    circle = ((torch.arange(60)[:, None] - 30) ** 2 + (torch.arange(90) - 45) ** 2 < 20**2).float().expand(1, 3, 60, 90)
    wide = cover(circle, (40, 40))
    assert wide.shape == (1, 3, 40, 40)
    rows, columns = (wide[0, 0] > 0.5).any(1).sum(), (wide[0, 0] > 0.5).any(0).sum()
    assert abs(int(rows) - int(columns)) <= 1


def test_without_a_content_the_size_is_the_styles_or_the_one_given(extract, style):
    objective = nst.Objective(extract, style=style)
    assert nst.Run(objective, "noise").image.shape == style.shape
    assert nst.Run(objective, "noise", size=(32, 48)).image.shape == (1, 3, 32, 48)


def test_seconds_count_the_steps_only(objective):
    run = nst.Run(objective)
    steps = walk(run, 3)
    assert 0 < steps[0].seconds < steps[-1].seconds == run.seconds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizer": "sgd"}, r"'sgd'.*lbfgs, adam"),
        ({"lr": 0}, "learning rate is 0"),
        ({"lr": float("nan")}, "learning rate is nan"),
        ({"init": "image"}, r"'image'.*content, noise, style_statistics"),
        ({"init": "noise", "seed": -1}, "seed is -1"),
        ({"init": "noise", "seed": 2**70}, "seed is"),
        ({"size": (10, 10)}, "leave the size out"),
    ],
)
def test_wrong_arguments_are_refused_in_words(objective, options, words):
    with pytest.raises(nst.InputError, match=words):
        nst.Run(objective, **options)


def test_starts_that_need_a_picture_that_is_not_there_are_refused(extract, content, style):
    with pytest.raises(nst.InputError, match="no content picture"):
        nst.Run(nst.Objective(extract, style=style), "content")
    with pytest.raises(nst.InputError, match="no style picture"):
        nst.Run(nst.Objective(extract, content), "style_statistics")


def test_a_schedule_leads_the_learning_rate_linearly_from_step_to_step(objective):
    run = nst.Run(objective, optimizer="adam", lr={0: 0.04, 4: 0.02, 6: 0.03})
    rates = []
    for _ in range(8):
        rates.append(run.lr)
        run.step()
    assert rates == pytest.approx([0.04, 0.035, 0.03, 0.025, 0.02, 0.025, 0.03, 0.03])
    assert run._optimizer.param_groups[0]["lr"] == pytest.approx(0.03)


def test_a_rate_set_by_hand_ends_the_schedule(objective):
    run = nst.Run(objective, optimizer="adam", lr={0: 0.04, 4: 0.02})
    run.lr = 0.01
    walk(run, 3)
    assert run.lr == 0.01


def test_a_run_with_a_schedule_and_betas_of_its_own_continues_exactly(objective, tmp_path):
    def fresh():
        return nst.Run(objective, optimizer="adam", lr={0: 0.04, 6: 0.005}, betas=(0.8, 0.7))

    straight = fresh()
    walk(straight, 8)
    stopped = fresh()
    walk(stopped, 3)
    resumed = nst.Run.load(stopped.save(tmp_path / "run.pt"), objective)
    walk(resumed, 5)
    assert torch.equal(resumed.image, straight.image)
    assert resumed.lr == straight.lr


def test_shorter_means_change_what_adam_does(objective):
    usual, shorter = (nst.Run(objective, optimizer="adam", betas=betas) for betas in ((0.9, 0.999), (0.9, 0.8)))
    walk(usual, 4)
    walk(shorter, 4)
    assert not torch.equal(usual.image, shorter.image)


@pytest.mark.parametrize("lr", [0, -1, float("nan"), {}, {0: 0.1, 5: 0}])
def test_a_learning_rate_that_cannot_be_is_refused(objective, lr):
    with pytest.raises(nst.InputError, match="learning rate"):
        nst.Run(objective, lr=lr)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 1.0), (-0.1, 0.9)])
def test_betas_that_cannot_be_are_refused(objective, betas):
    with pytest.raises(nst.InputError, match="betas"):
        nst.Run(objective, optimizer="adam", betas=betas)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"snapshot_every": -1}, "snapshot_every is -1"),
        ({"memory": -1}, "memory is -1"),
        ({"memory": 2.0}, "memory is 2.0"),
        ({"lr": "fast"}, "the learning rate is 'fast'"),
        ({"lr": {}}, "the learning rate is {}"),
        ({"lr": float("nan")}, "the learning rate is nan"),
        ({"betas": 0.9}, "betas are 0.9"),
        ({"betas": (0.9, 1.0)}, "one of the betas is 1.0"),
        ({"optimizer": "Adam"}, "did you mean 'adam'"),
        ({"scales": 0.5}, "scales are 0.5"),
        ({"planned": "x"}, "planned is 'x'"),
    ],
)
def test_what_a_run_cannot_work_with_is_refused(objective, options, words):
    with pytest.raises(nst.InputError, match=words):
        nst.Run(objective, **options)


@pytest.mark.parametrize("count", [-3, 2.0, "3", None, True])
def test_a_number_of_steps_that_is_none_is_refused_at_once(objective, count):
    with pytest.raises(nst.InputError, match=r"steps is .*; expected a whole number, 0 or more"):
        nst.Run(objective).steps(count)


def test_numbers_of_numpy_are_numbers(objective):
    run = nst.Run(objective, snapshot_every=np.int64(2), memory=np.int32(3), lr=np.float32(0.5))
    assert len(walk(run, np.int64(2))) == 2


def test_an_attribute_that_means_nothing_is_refused(objective):
    with pytest.raises(nst.InputError, match=r"Run has no 'learning_rate'; what other programs call .* is 'lr' here"):
        nst.Run(objective).learning_rate = 0.5


def test_starts_that_do_not_fit_the_batch_are_refused_before_the_first_step(extract, content, style):
    objective = nst.Objective(extract, torch.cat([content, content]), style)
    with pytest.raises(nst.InputError, match="init holds 3 pictures, but the objective is made for 2"):
        nst.Run(objective, torch.rand(3, *content.shape[1:]))


@pytest.mark.parametrize(("name", "value"), [("border", 8.0), ("normalization", "paper")])
def test_a_change_of_the_formula_on_the_way_does_not_stop_lbfgs(objective, name, value):
    objective.tv = 50.0
    run = nst.Run(objective, "noise")
    walk(run, 12)
    setattr(objective, name, value)
    walk(run, 40)
    assert run.stop_reason == ""
    assert objective(run.image).total.item() == pytest.approx(run.history["total"][-1], rel=1e-4)
    assert run.history["total"][-1] < run.history["total"][12]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_other_content_layers_and_a_new_history_let_the_run_go_on(objective, optimizer):
    run = nst.Run(objective, "noise", optimizer)
    walk(run, 3)
    objective.set_content_layers(["relu2_1", "relu3_1", "relu4_1"])
    run.history = nst.History()
    walk(run, 3)
    assert "content/relu3_1" in run.history
    assert len(run.history["total"]) == 3
    assert objective(run.image).total.item() == pytest.approx(run.history["total"][-1], rel=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("scales", [None, {0: 0.75, 6: 1.0}])
def test_a_deep_copy_goes_on_by_itself_and_exactly_as_the_run_does(objective, optimizer, scales):
    run = nst.Run(objective, "noise", optimizer, scales=scales)
    walk(run, 4)
    twin = copy.deepcopy(run)
    walk(run, 4)
    before = run.image
    walk(twin, 4)
    assert torch.equal(twin.image, run.image)
    twin.objective.beta = 500.0
    walk(twin, 2)
    assert torch.equal(run.image, before)
    assert run.objective.beta.item() == 10.0


def test_what_changed_before_saving_is_seen_after_loading(objective, tmp_path):
    def steered(save):
        run = nst.Run(copy.deepcopy(objective), "noise")
        walk(run, 8)
        run.objective.beta = 400.0
        if save:
            run = nst.Run.load(run.save(tmp_path / "run.pt"), device="cpu")
        walk(run, 6)
        return run.image

    assert torch.equal(steered(True), steered(False))


def test_a_file_of_an_earlier_version_is_read(objective, tmp_path):
    run = nst.Run(objective, scales={0: 0.75, 6: 1.0})
    walk(run, 3)
    path = run.save(tmp_path / "run.pt")
    state = torch.load(path)
    settings = state["settings"]
    pictures = (state["objective"]["content"], state["objective"]["style"])
    coarse = run._now
    state["objective"] |= {"content": coarse.content, "style": coarse.style}
    state["pyramid"] = {"scales": settings.pop("scales"), "pictures": pictures, "size": settings.pop("size")}
    del state["planned"], state["changed"]
    torch.save(state, path)
    old = nst.Run.load(path, device="cpu")
    walk(run, 5)
    walk(old, 5)
    assert torch.equal(old.image, run.image)


def test_two_runs_may_save_to_one_file_at_once(objective, tmp_path, monkeypatch):
    parts, save = [], torch.save
    monkeypatch.setattr(torch, "save", lambda state, part: parts.append(part) or save(state, part))
    run = nst.Run(objective)
    run.save(tmp_path / "run.pt")
    run.save(tmp_path / "run.pt")
    assert parts[0] != parts[1]
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def test_an_interrupt_while_saving_leaves_nothing_behind(objective, tmp_path, monkeypatch):
    def interrupted(state, part):
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nst.Run(objective).save(tmp_path / "run.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["settings", "param", "optimizer", "objective", "history", "good"])
def test_a_file_that_lacks_something_is_refused_in_words(objective, tmp_path, missing):
    path = nst.Run(objective).save(tmp_path / "run.pt")
    state = torch.load(path)
    del state[missing]
    torch.save(state, path)
    with pytest.raises(nst.RunError, match=r"run\.pt is not a saved run"):
        nst.Run.load(path)


def test_a_picture_in_place_of_a_saved_run_is_refused_without_advice_to_run_its_code(tmp_path, content):
    path = nst.save_image(content, tmp_path / "photo.jpg")
    with pytest.raises(nst.RunError, match=r"photo\.jpg is not a saved run; give the file that") as error:
        nst.Run.load(path)
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_nan_in_half_precision_leads_to_float32_and_not_to_smaller_steps(content, style, optimizer, monkeypatch):
    extract = nst.FeatureExtractor("tiny", precision="float16", device="cpu")
    run = nst.Run(nst.Objective(extract, content, style), "noise", optimizer)
    walk(run, 2)
    rate, call = run.lr, nst.Objective.__call__

    def overflowing(self, image):
        terms = call(self, image)
        return (
            dataclasses.replace(terms, total=terms.total * torch.nan) if self.extract.precision != "float32" else terms
        )

    monkeypatch.setattr(nst.Objective, "__call__", overflowing)
    with pytest.warns(nst.RunWarning, match="in float32, in place of float16"):
        walk(run, 6)
    assert run.objective.extract.precision == "float32"
    assert run.lr == rate
    assert run.stop_reason == ""
    assert run.history["total"][-1] < run.history["total"][1]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])
def test_a_run_takes_gradients_whatever_the_block_around_it_says(extract, content, style, optimizer, block):
    plain = nst.Run(nst.Objective(extract, content, style), "noise", optimizer, snapshot_every=2)
    walk(plain, 4)
    with block():
        run = nst.Run(nst.Objective(extract, content, style), "noise", optimizer, snapshot_every=2)
        walk(run, 4)
        run.go_on_from(style)
        walk(run, 1)
    plain.go_on_from(style)
    walk(plain, 1)
    assert torch.equal(run.image, plain.image)


def test_planned_steps_are_counted_down_and_saved(objective, tmp_path):
    run = nst.Run(objective, planned=5)
    walk(run, 2)
    assert nst.Run.load(run.save(tmp_path / "run.pt")).remaining == 3
    walk(run, 4)
    assert run.remaining == 0


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "", "~nobody-here/run.pt"])
def test_a_path_that_cannot_be_is_refused_in_words(objective, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    run = nst.Run(objective)
    with pytest.raises(nst.RunError, match="is not a saved run"):
        nst.Run.load(name)
    if not name.startswith("~"):  # which is a name like any other where nobody is called so
        with pytest.raises(nst.RunError, match="cannot be saved"):
            run.save(name)


def test_a_saved_run_that_does_not_fit_into_memory_is_not_called_something_else(objective, tmp_path, monkeypatch):
    path = nst.Run(objective).save(tmp_path / "run.pt")
    monkeypatch.setattr(nst.Objective, "from_state_dict", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(nst.OutOfMemory, match="out of memory"):
        nst.Run.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("snapshot_every", -3), ("snapshot_every", 1.5), ("planned", -1), ("taken", "x"), ("seconds", None)),
        *(("history", None), ("snapshots", {}), ("objective", None), ("image", torch.zeros(1, 3, 8, 8))),
    ],
)
def test_attributes_of_a_run_are_checked_where_they_are_assigned(objective, name, value):
    run = nst.Run(objective)
    with pytest.raises(nst.InputError, match=name):
        setattr(run, name, value)
    assert len(walk(run, 2)) == 2


@pytest.mark.parametrize(
    "spoil", [lambda p: p * 255, lambda p: p * torch.nan, lambda _: None, lambda p: p.repeat(2, 1, 1, 1)]
)
def test_a_run_goes_on_from_pictures_alone(objective, content, spoil):
    run = nst.Run(objective)
    walk(run, 2)
    before = run.image
    with pytest.raises(nst.InputError, match="to go on from"):
        run.go_on_from(spoil(content))
    assert torch.equal(run.image, before)


@pytest.mark.parametrize("change", ["beta", "content"])
def test_a_batch_that_comes_on_the_way_is_refused_in_words(objective, content, change):
    run = nst.Run(objective)
    walk(run, 2)
    if change == "beta":
        objective.beta = [1.0, 2.0]
    else:
        objective.set_content(content.repeat(2, 1, 1, 1))
    with pytest.raises(nst.InputError, match="made for 2 pictures now, the run for 1"):
        run.step()


@pytest.mark.parametrize(
    ("name", "value"), [("seconds", None), ("snapshot_every", None), ("planned", -1), ("param", 3)]
)
def test_a_file_with_values_that_cannot_be_is_refused_by_its_name(objective, tmp_path, name, value):
    path = nst.Run(objective).save(tmp_path / "run.pt")
    torch.save({**torch.load(path), name: value}, path)
    with pytest.raises(nst.RunError, match=r"run\.pt is not a saved run"):
        nst.Run.load(path)


def test_a_wrong_objective_is_not_blamed_on_the_file(objective, tmp_path):
    path = nst.Run(objective).save(tmp_path / "run.pt")
    with pytest.raises(nst.InputError, match="objective is 'x'; expected an instance of Objective"):
        nst.Run.load(path, objective="x")
