"""The optimizer: right on problems with known answers, and true to its promises."""

import copy
import math

import numpy as np
import pytest
import scipy.optimize
import torch

import nstlib as nst


def minimize(function, start, steps, **options):
    """Run L-BFGS on function: (B, ...) -> (B,). Gives the optimizer and the accepted losses, (steps, B)."""
    x = start.clone().requires_grad_()
    optimizer, losses, best = nst.LBFGS([x], **options), [], torch.full((len(x),), torch.inf)

    def closure():
        x.grad = None
        loss = function(x)
        loss.sum().backward()
        return loss

    for _ in range(steps):
        loss = optimizer.step(closure)
        best = torch.where(optimizer.rejections() == 0, loss, best)
        losses.append(best)
    return optimizer, torch.stack(losses)


def rosenbrock(x):
    return (1 - x[:, :-1]).square().sum(1) + 100 * (x[:, 1:] - x[:, :-1].square()).square().sum(1)


def quadratics(count=3, size=30):
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(count, size, size, generator=generator, dtype=torch.float64)
    a, b = a @ a.mT + torch.eye(size), torch.randn(count, size, generator=generator, dtype=torch.float64)
    return a, b


def test_it_solves_quadratics_to_their_exact_minimum():
    a, b = quadratics()
    optimizer, _ = minimize(lambda x: torch.einsum("bi,bij,bj->b", x, a, x) / 2 - (b * x).sum(1), b * 0, 400)
    torch.testing.assert_close(optimizer.accepted_point(), torch.linalg.solve(a, b), rtol=0, atol=1e-5)


def test_on_rosenbrock_it_needs_few_more_evaluations_than_scipy():
    start = np.array([-1.2, 1.0, -1.2, 1.0, -1.2, 1.0])
    scipys = scipy.optimize.minimize(
        scipy.optimize.rosen, start, jac=scipy.optimize.rosen_der, method="L-BFGS-B", options={"gtol": 1e-6}
    )
    optimizer, losses = minimize(rosenbrock, torch.from_numpy(start)[None], 3 * scipys.nfev)
    assert losses[-1] < 1e-8
    torch.testing.assert_close(optimizer.accepted_point(), torch.ones(1, 6, dtype=torch.float64), rtol=0, atol=1e-3)


def test_every_picture_of_a_batch_equals_its_single_run():
    starts = torch.tensor([[-1.2, 1.0, 0.3], [0.0, 0.0, 0.0], [3.0, -2.0, 1.0]], dtype=torch.float64)
    together, _ = minimize(rosenbrock, starts, 40)
    for k, start in enumerate(starts):
        alone, _ = minimize(rosenbrock, start[None], 40)
        torch.testing.assert_close(alone.accepted_point()[0], together.accepted_point()[k])


def test_accepted_losses_never_rise():
    _, losses = minimize(rosenbrock, 3 * torch.randn(4, 8, generator=torch.Generator().manual_seed(1)), 100)
    assert (losses.diff(dim=0) <= 0).all()


def test_one_step_is_one_evaluation():
    evaluations = []

    def counted(x):
        evaluations.append(1)
        return rosenbrock(x)

    minimize(counted, torch.zeros(1, 4), 25)
    assert len(evaluations) == 25


def test_nan_is_rejected_and_a_shorter_step_is_taken():
    optimizer, losses = minimize(lambda x: (x - 1).square().sum(1) + (1.3 - x).log().sum(1) * 0, torch.zeros(1, 3), 60)
    assert optimizer.accepted_point().isfinite().all()
    torch.testing.assert_close(optimizer.accepted_point(), torch.ones(1, 3), rtol=0, atol=1e-3)

    wild, _ = minimize(lambda x: (x - 5).sqrt().sum(1), torch.zeros(1, 3), 5)
    torch.testing.assert_close(wild.accepted_point(), torch.zeros(1, 3))
    assert wild.rejections() == 5
    assert losses.isfinite().all()


def test_tiny_losses_do_not_stop_it():
    """torch.optim.LBFGS stops without a word where gradients are below its tolerances."""
    _, losses = minimize(lambda x: 1e-12 * rosenbrock(x), torch.zeros(1, 4, dtype=torch.float64), 120)
    assert losses[-1] < 1e-12 * 1e-6


def test_the_first_trial_changes_no_value_by_more_than_first_step():
    x = torch.zeros(2, 5)
    optimizer, _ = minimize(lambda y: ((y - 3) * torch.arange(5)).square().sum(1), x, 1, first_step=0.02)
    trial = optimizer.param_groups[0]["params"][0].detach()
    torch.testing.assert_close(trial.abs().amax(1), torch.full((2,), 0.02))


def test_its_state_continues_exactly():
    start = torch.tensor([[-1.2, 1.0, 0.3]])
    whole, _ = minimize(rosenbrock, start, 30)
    half, _ = minimize(rosenbrock, start, 17)
    x = half.param_groups[0]["params"][0].detach().clone().requires_grad_()
    rest = nst.LBFGS([x])
    rest.load_state_dict(half.state_dict())

    def closure():
        x.grad = None
        loss = rosenbrock(x)
        loss.sum().backward()
        return loss

    for _ in range(13):
        rest.step(closure)
    assert torch.equal(rest.accepted_point(), whole.accepted_point())


def test_it_moves_on_though_every_step_brings_a_reset():
    x = torch.full((2, 5), 3.0, requires_grad=True)
    optimizer = nst.LBFGS([x])
    for _ in range(100):
        optimizer.step(lambda: evaluated(x, x.square().sum(1)))
        optimizer.reset()
    assert optimizer.accepted_point().square().sum() < 0.7 * 90


def test_after_a_reset_that_leads_to_nan_it_goes_on_from_the_accepted_point():
    x = torch.full((1, 5), 3.0, requires_grad=True)
    optimizer = nst.LBFGS([x])
    for _ in range(3):
        optimizer.step(lambda: evaluated(x, x.square().sum(1)))
    accepted = optimizer.accepted_point().clone()
    optimizer.reset()
    assert not torch.equal(x, accepted)
    optimizer.step(lambda: evaluated(x, x.square().sum(1) * torch.nan))
    assert torch.equal(x, accepted)
    for _ in range(30):
        optimizer.step(lambda: evaluated(x, x.square().sum(1)))
    assert optimizer.accepted_point().abs().max() < 1e-3


def evaluated(x, loss):
    x.grad = None
    loss.sum().backward()
    return loss.detach()


def test_within_bounds_it_finds_what_scipy_finds():
    a, b = quadratics(size=12)
    optimizer, _ = minimize(
        lambda x: torch.einsum("bi,bij,bj->b", x, a, x) / 2 - (b * x).sum(1), b * 0 + 0.05, 300, bounds=(0, 0.1)
    )
    for matrix, vector, found in zip(a.numpy(), b.numpy(), optimizer.accepted_point(), strict=True):
        scipys = scipy.optimize.minimize(
            lambda x, matrix=matrix, vector=vector: (x @ matrix @ x / 2 - vector @ x, matrix @ x - vector),
            np.full(12, 0.05),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, 0.1)] * 12,
        )
        np.testing.assert_allclose(found, scipys.x, atol=1e-4)


def test_no_trial_ever_leaves_the_bounds():
    trials = []

    def recorded(x):
        trials.append(x.detach().clone())
        return rosenbrock(x)

    minimize(recorded, torch.tensor([[-0.5, 0.4, 0.1]]), 60, bounds=(-0.5, 0.5))
    assert torch.cat(trials).abs().max() <= 0.5


def test_it_takes_one_tensor_only():
    with pytest.raises(nst.InputError, match="one tensor"):
        nst.LBFGS([torch.zeros(1, 2), torch.zeros(1, 2)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": -1}, "memory is -1; expected a whole number, 1 or more"),
        ({"memory": 0}, "memory is 0"),
        ({"memory": 2.0}, "memory is 2.0"),
        ({"memory": True}, "memory is True"),
        ({"lr": 0}, "lr is 0; expected a finite number, above 0"),
        ({"lr": "fast"}, "lr is 'fast'"),
        ({"lr": math.nan}, "lr is nan"),
        ({"first_step": -0.1}, "first_step is -0.1"),
        ({"bounds": (1, 0)}, "expected two numbers, the smaller one first"),
        ({"bounds": (0, math.nan)}, "expected two numbers"),
        ({"bounds": 1.0}, "expected two numbers"),
        ({"bounds": (0, 0.5, 1)}, "expected two numbers"),
    ],
)
def test_settings_that_cannot_work_are_refused(options, message):
    with pytest.raises(nst.InputError, match=message):
        nst.LBFGS([torch.zeros(1, 2)], **options)


def test_numpys_numbers_are_numbers():
    nst.LBFGS([torch.zeros(1, 2)], lr=np.float32(0.5), memory=np.int64(3), first_step=np.float64(0.1))


@pytest.mark.parametrize("params", [[], torch.zeros(1, 2), [None], [torch.zeros(())], [torch.zeros(1, 2).int()]])
def test_what_is_no_batch_of_real_numbers_is_refused(params):
    with pytest.raises(nst.InputError, match="LBFGS optimizes"):
        nst.LBFGS(params)


@pytest.mark.parametrize("ambient", [torch.inference_mode, torch.no_grad])
def test_it_steps_where_gradients_are_switched_off(ambient):
    start = torch.tensor([[-1.2, 1.0, 0.3]])
    expected, _ = minimize(rosenbrock, start, 20)
    x = start.clone().requires_grad_()
    with ambient():
        optimizer = nst.LBFGS([x])
        for _ in range(20):
            optimizer.step(lambda: evaluated(x, rosenbrock(x)))
    assert torch.equal(optimizer.accepted_point(), expected.accepted_point())
    optimizer.reset()
    optimizer.step(lambda: evaluated(x, rosenbrock(x)))


def test_a_tensor_that_can_have_no_gradient_is_refused():
    with torch.inference_mode():
        x = torch.zeros(1, 3)
    with pytest.raises(nst.InputError, match=r"made in torch.inference_mode\(\)"):
        nst.LBFGS([x])


def test_neither_default_device_nor_default_type_changes_what_it_finds():
    start = torch.tensor([[-1.2, 1.0, 0.3]])
    expected, _ = minimize(rosenbrock, start, 20)
    torch.set_default_dtype(torch.float64)
    try:
        wide, _ = minimize(rosenbrock, start, 20)
    finally:
        torch.set_default_dtype(torch.float32)
    x = start.clone().requires_grad_()
    with torch.device("meta"):
        elsewhere = nst.LBFGS([x])
        for _ in range(20):
            elsewhere.step(lambda: evaluated(x, rosenbrock(x)))
    for optimizer in (wide, elsewhere):
        assert optimizer.accepted_point().dtype == torch.float32
        assert torch.equal(optimizer.accepted_point(), expected.accepted_point())


def test_a_copy_goes_on_by_itself():
    x = torch.tensor([[-1.2, 1.0, 0.3]]).requires_grad_()
    optimizer = nst.LBFGS([x])
    for _ in range(10):
        optimizer.step(lambda: evaluated(x, rosenbrock(x)))
    twin = copy.deepcopy(optimizer)
    before, y = optimizer.accepted_point().clone(), twin.param_groups[0]["params"][0]
    assert y is not x
    for _ in range(10):
        twin.step(lambda: evaluated(y, rosenbrock(y)))
    assert torch.equal(optimizer.accepted_point(), before)
    for _ in range(10):
        optimizer.step(lambda: evaluated(x, rosenbrock(x)))
    assert torch.equal(optimizer.accepted_point(), twin.accepted_point())
