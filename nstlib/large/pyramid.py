"""Coarse to fine: the first steps of a run at a part of its size."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor

from ..errors import InputError
from ..objective import Objective
from ..starts import cover
from .tiles import Size

SMALLEST = 48  # pixels of the shorter side, so that a coarse picture still reaches the deepest layer


class Pyramid:
    """Sees to it that an objective's pictures have the scale that is due.

    What an optimizer remembers is not carried from scale to scale: L-BFGS's pairs, scaled up with the picture, left it
    at a higher loss after as many steps (measured at 256 pixels), and so did Adam's means (at 512).

    Args:
        objective: whose pictures, at their full size, are scaled.
        size: (H, W) of the image at full size.
        scales: see `Run`.

    Raises:
        InputError: scales that do not lead from step 0 to 1; a style target that no picture has.
    """

    def __init__(self, objective: Objective, size: Size, scales: Mapping[int, float]):
        self._objective = objective
        self._scales = _checked(scales)
        self._pictures = (objective.content, objective.style) if scales else (None, None)
        self._set = self._pictures
        self.size: Size | None = size if scales else None  # of the image at full size, while there are coarse steps
        if scales and not objective.own_style_target:
            raise InputError("the style target was set by hand and has no picture to be scaled; leave the scales out")

    def changes_at(self, step: int) -> bool:
        """Whether another scale is due before this step, from 0."""
        if self.size is not None and not self._is_its_own():
            self._end()
        return step > 0 and step in self._scales

    def at_step(self, step: int, image: Tensor) -> Tensor:
        """Give the objective pictures of the scale of this step, and the image in it."""
        if self.size is None:
            return image
        scale = max(self._scales[step], min(1.0, SMALLEST / min(self.size)))
        size = _scaled(self.size, scale)
        content, style = self._pictures
        if content is not None:
            self._objective.set_content(cover(content, size))
        if style is not None:
            self._objective.set_style(cover(style, _scaled(style.shape[-2:], scale)))
        self._set = (self._objective.content, self._objective.style)
        if step == max(self._scales):
            self._end()
        return cover(image, size)

    def state_dict(self) -> dict[str, Any] | None:
        """What `from_state_dict` needs; None where nothing is to come."""
        if self.size is None:
            return None
        return {"scales": self._scales, "pictures": self._pictures, "size": tuple(self.size)}

    @classmethod
    def from_state_dict(cls, objective: Objective, state: Mapping[str, Any] | None) -> Self:
        """Go on where `state_dict` was; the objective has the pictures of its scale already."""
        pyramid = cls(objective, (0, 0), {})
        if state is not None:
            pyramid._scales, pyramid.size = state["scales"], state["size"]
            pyramid._pictures, pyramid._set = state["pictures"], (objective.content, objective.style)
        return pyramid

    def _is_its_own(self) -> bool:
        """Whether the objective still has the pictures that were set here."""
        return self._objective.content is self._set[0] and self._objective.style is self._set[1]

    def _end(self) -> None:
        self._scales, self._pictures, self._set, self.size = {}, (None, None), (None, None), None


def _scaled(size: Sequence[int], scale: float) -> Size:
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def _checked(scales: Mapping[int, float]) -> dict[int, float]:
    steps = sorted(scales)
    whole = all(isinstance(step, int) and not isinstance(step, bool) and step >= 0 for step in steps)
    if scales and not (whole and steps[0] == 0 and scales[steps[-1]] == 1):
        raise InputError(f"scales are {dict(scales)}; expected steps from 0 on, whose last scale is 1")
    if not all(0 < scale <= 1 for scale in scales.values()):
        raise InputError(f"scales are {dict(scales)}; expected shares of the full size, above 0 and up to 1")
    return {step: float(scales[step]) for step in steps}
