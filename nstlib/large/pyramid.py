"""Coarse to fine: the first steps of a run at a part of its size."""

import copy
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from torch import Tensor

from ..base.checks import Size, number, size_of, whole
from ..control.styles import Blend
from ..errors import InputError
from ..images import cover

SMALLEST = 48  # pixels of the shorter side, so that a coarse picture still reaches the deepest layer


class Scalable(Protocol):
    """What a pyramid asks of an objective."""

    content: Tensor | None
    style: Tensor | Blend | None
    own_style_target: bool

    @property
    def targets_version(self) -> int:
        """Grows with every change of a picture."""

    def set_content(self, content: Tensor | None) -> None:
        """Change the content picture."""

    def set_style(self, style: Tensor | Blend | None) -> None:
        """Change the style."""


Objective = TypeVar("Objective", bound=Scalable)


class Pyramid(Generic[Objective]):
    """The objective of each step: at first of smaller pictures, in the end the objective itself.

    The objective of smaller pictures shares the weights, so that a slider moves both, and follows when other pictures
    are set. The objective itself never changes.

    What an optimizer remembers is not carried from scale to scale: L-BFGS's pairs, scaled up with the picture, left it
    at a higher loss after as many steps (measured at 256 pixels), and so did Adam's means (at 512).

    Args:
        objective: whose pictures have their full size.
        scales: see `Run`.

    Raises:
        InputError: scales that do not lead from step 0 to 1; a style target that no picture has.
    """

    def __init__(self, objective: Objective, scales: Mapping[int, float]):
        self._objective = objective
        self.scales = _checked(scales)
        self._made: tuple[float, int] = (1.0, 0)  # the scale and the version of the targets that `_small` was made for
        self._small = objective
        if self.scales and not objective.own_style_target:
            raise InputError("the style target was set by hand and has no picture to be scaled; leave the scales out")

    def scale(self, step: int, size: Size) -> float:
        """The share of the full size (H, W) at which a step is computed, from step 0."""
        due = max((begin for begin in self.scales if begin <= step), default=None)
        share = 1.0 if due is None else self.scales[due]
        return _not_too_small(share, size)

    def objective_at(self, scale: float) -> Objective:
        """The objective of a scale; the last one is kept."""
        if scale == 1:
            self._small = self._objective  # and the memory of a smaller one's targets is free
            return self._objective
        made = scale, self._objective.targets_version
        if self._small is self._objective or self._made != made:
            self._small, self._made = _scaled(self._objective, scale), made
        return self._small


def scaled(size: Size, scale: float) -> Size:
    """A share of a size (H, W), in whole pixels."""
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _not_too_small(share: float, size: Size) -> float:
    return max(share, min(1.0, SMALLEST / min(size)))


def _scaled(objective: Objective, scale: float) -> Objective:
    small = copy.copy(objective)
    if objective.content is not None:
        small.set_content(cover(objective.content, scaled(size_of(objective.content), scale)))
    if objective.style is not None and objective.own_style_target:
        small.set_style(Blend.of(objective.style).map(lambda picture: _small_style(picture, scale)))
    return small


def _small_style(picture: Tensor, scale: float) -> Tensor:
    size = size_of(picture)
    return cover(picture, scaled(size, _not_too_small(scale, size)))


def _checked(scales: Mapping[int, float]) -> dict[int, float]:
    if not isinstance(scales, Mapping):
        raise InputError(f"scales are {scales!r:.80}; expected a dict of steps to shares, such as {{0: 0.5, 60: 1}}")
    try:
        steps = {whole("a step", step): number("a share", share, above=True) for step, share in scales.items()}
        fit = not steps or (min(steps) == 0 and steps[max(steps)] == 1 and max(steps.values()) == 1)
    except InputError:
        fit = False
    if not fit:
        raise InputError(
            f"scales are {dict(scales)}; expected steps, from 0 on, with shares of the full size, above 0 and up to 1, "
            "the last of them 1"
        )
    return {step: steps[step] for step in sorted(steps)}
