"""L-BFGS for a batch of pictures: each has its own memory, and one step is one evaluation."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from .base.checks import number, whole
from .errors import InputError

MEMORY = 10  # pairs of pictures
SUFFICIENT_DECREASE = 1e-4  # Armijo's constant (Nocedal and Wright, Numerical Optimization, equation 3.4)


class LBFGS(torch.optim.Optimizer):
    """Limited-memory BFGS with a backtracking line search, for a parameter whose first axis is a batch.

    It differs from `torch.optim.LBFGS` where style transfer needs it to:

    - Each picture of the batch is a problem of its own, with its own curvature memory and its own step length: a batch
      gives the pictures that single runs give.
    - One `step` evaluates the closure exactly once, at a trial point. A trial that lowers the loss enough (Armijo) is
      accepted, and the parameter moves on to the next trial. A trial that does not, NaN included, is rejected, and a
      shorter step is tried from the last accepted point. So the loss of accepted points never rises.
    - Values stay within `bounds`: trial points are projected onto them, values that press against a bound are left out
      of the direction, and what is remembered and compared is the step that was really taken. Clamping the image
      behind the optimizer's back would falsify its memory; leaving it unbounded blows out whites and blacks.
    - Nothing is read back from the device, and no tolerance stops it without a word.

    After `step` the parameter holds the next trial, not yet evaluated; `accepted_point()` holds the best picture so
    far, and `rejections()` how many trials in a row have failed: many mean that the search has converged.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithm 7.4, started with the scaling of equation 7.20;
    the projection after Bertsekas, Projected Newton methods (1982).

    Args:
        params: a list of one parameter (B, ...).
        lr: length of the first trial along each new direction; 1 is the quasi-Newton step.
        memory: how many pairs of steps and gradient changes are kept, each of the parameter's size. A rejected trial
            leaves its pair empty, so `memory` rejections in a row restart the search from steepest descent.
        first_step: largest change of any value in the very first trial, when no curvature is known yet.
        bounds: smallest and largest value that the parameter may take.

    Raises:
        InputError: an argument that cannot work.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1.0,
        memory: int = MEMORY,
        first_step: float = 0.02,
        bounds: tuple[float, float] = (-math.inf, math.inf),
    ):
        settings = {
            "lr": number("lr", lr, above=True),
            "memory": whole("memory", memory, least=1),
            "first_step": number("first_step", first_step, above=True),
            "bounds": _checked_bounds(bounds),
        }
        super().__init__([_only(params)], settings)
        self.reset()

    @property
    def _param(self) -> Tensor:
        param: Tensor = self.param_groups[0]["params"][0]
        return param

    def _setting(self, name: str) -> Any:
        return self.param_groups[0][name]

    @torch.inference_mode(False)
    @torch.no_grad()
    def reset(self) -> None:
        """Forget curvature and losses, as after a change of the objective.

        The search goes on from the trial that is due, so that it moves also where every step brings a change; but from
        the last accepted point where a trial has just failed.
        """
        param, state = self._param, self.state[self._param]
        point = state.get("point", param).detach().clone()
        if "rejections" in state:
            param.copy_(_choose(state["rejections"] == 0, param, point))
        wide = torch.promote_types(param.dtype, torch.float32)
        one = torch.ones(len(param), device=param.device, dtype=wide)
        self.state[param] = {
            "point": point,
            "gradient": torch.zeros_like(param),
            "loss": torch.inf * one,
            "slope": 0 * one,  # change of the loss that the gradient foretells for the current trial
            "length": one.clone(),  # of the current trial, in units of the direction
            "scale": 0 * one,  # of the inverse Hessian before the memory's pairs; 0 means: not known yet
            "rejections": 0 * one,
            "pairs": [],  # oldest first: (change of the point, change of the gradient, 1 / their product or 0)
        }

    def accepted_point(self) -> Tensor:
        """The parameter at the lowest loss so far."""
        point: Tensor = self.state[self._param]["point"]
        return point

    def rejections(self) -> Tensor:
        """How many trials in a row were rejected, (B,)."""
        count: Tensor = self.state[self._param]["rejections"]
        return count

    @torch.inference_mode(False)
    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """Evaluate the current trial, accept or reject it, and move the parameter to the next.

        Args:
            closure: clears the gradient, computes the losses (B,), back-propagates their sum and returns them.

        Returns:
            (B,), what the closure returned.
        """
        param, state = self._param, self.state[self._param]
        with torch.enable_grad():
            loss = closure().detach()
        gradient = torch.zeros_like(param) if param.grad is None else param.grad.detach()
        param.grad = None  # taken over, not copied: of a large picture every copy counts

        wanted = state["loss"] + SUFFICIENT_DECREASE * state["slope"]
        accepted = (loss <= wanted) & (loss < state["loss"]) & gradient.isfinite().flatten(1).all(1)
        shorter = _backtrack(state["length"], loss - state["loss"], state["slope"])
        self._remember(state, gradient, accepted)
        state["point"] = _choose(accepted, param, state["point"])
        state["gradient"] = _choose(accepted, gradient, state["gradient"])
        del gradient
        state["loss"] = torch.where(accepted, loss, state["loss"])
        state["length"] = torch.where(accepted, self._setting("lr"), shorter)
        state["rejections"] = torch.where(accepted, 0, state["rejections"] + 1)

        direction = self._direction(state)
        param.copy_(state["point"] + _per_picture(state["length"], direction) * direction)
        param.clamp_(*self._setting("bounds"))
        state["slope"] = _dot(state["gradient"], param - state["point"])
        return loss

    def _remember(self, state: dict[str, Any], gradient: Tensor, accepted: Tensor) -> None:
        """Store how the gradient changed along the step just taken, for the pictures whose trial was accepted."""
        del state["pairs"][: max(len(state["pairs"]) + 1 - self._setting("memory"), 0)]
        change = self._param - state["point"]
        bend = gradient - state["gradient"]
        product = _dot(change, bend)
        # Without Wolfe's second condition curvature can come out negative: such a pair would spoil the direction.
        known = state["loss"].isfinite()  # and so is the gradient there
        useful = accepted & known & (product > 1e-8 * _dot(change, change).sqrt() * _dot(bend, bend).sqrt())
        first_scale = self._setting("first_step") * _inverse(gradient.abs().flatten(1).amax(1), accepted)
        state["scale"] = torch.where(accepted & (state["scale"] == 0), first_scale, state["scale"])
        state["scale"] = torch.where(useful, product * _inverse(_dot(bend, bend), useful), state["scale"])
        for values in (change, bend):
            values.masked_fill_(~_per_picture(useful, values), 0)  # no product: 0 times NaN is NaN
        state["pairs"].append((change, bend, _inverse(product, useful)))

    def _direction(self, state: dict[str, Any]) -> Tensor:
        """Minus the inverse Hessian times the gradient, by the two-loop recursion."""
        point, gradient = state["point"], state["gradient"]
        low, high = self._setting("bounds")
        pressing = (point <= low) & (gradient > 0) | (point >= high) & (gradient < 0)
        direction: Tensor = gradient.masked_fill(pressing, 0).neg_()
        shares = []
        for change, bend, inverse in reversed(state["pairs"]):
            share = inverse * _dot(change, direction)
            direction -= _per_picture(share, bend) * bend
            shares.append(share)
        direction *= _per_picture(state["scale"], direction)
        for (change, bend, inverse), share in zip(state["pairs"], reversed(shares), strict=True):
            correction = share - inverse * _dot(bend, direction)
            direction += _per_picture(correction, change) * change
        return direction.masked_fill_(pressing, 0)


def _only(params: Iterable[Tensor]) -> Tensor:
    given = [] if isinstance(params, Tensor) else list(params)
    if len(given) != 1 or not isinstance(given[0], Tensor):
        raise InputError("LBFGS optimizes one tensor, a batch of pictures; give it in a list")
    (param,) = given
    if not param.ndim or not param.is_floating_point():
        raise InputError(f"LBFGS optimizes a batch of real numbers; got {param.dtype}, shape {tuple(param.shape)}")
    if param.is_inference():
        raise InputError("the parameter was made in torch.inference_mode(), which allows no gradient; make it outside")
    return param


def _checked_bounds(bounds: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:
        raise InputError(f"bounds are {bounds!r:.80}; expected two numbers, the smaller one first")
    return low, high


def _backtrack(length: Tensor, rise: Tensor, slope: Tensor) -> Tensor:
    """Where the parabola through both losses and the slope has its minimum, between a tenth and half of the step."""
    best = -slope * length / (2 * (rise - slope))
    return torch.where(best.isfinite(), best.clamp(0.1 * length, 0.5 * length), 0.1 * length)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)


def _per_picture(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))


def _choose(mask: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(_per_picture(mask, new), new, old)


def _inverse(values: Tensor, mask: Tensor) -> Tensor:
    """1 / values where the mask holds and the values are not 0, else 0."""
    mask = mask & (values != 0)
    return torch.where(mask, 1 / torch.where(mask, values, 1.0), 0.0)
