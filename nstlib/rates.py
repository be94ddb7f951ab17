"""Learning rates, step by step."""

from collections.abc import Mapping

import numpy as np

from .base.checks import number, whole
from .errors import InputError


class Rates:
    """Step to learning rate, linear between the steps that are given.

    Args:
        lr: one rate for all steps, or a dict of steps to rates.

    Raises:
        InputError: a rate that is no number above 0, or none at all.
    """

    def __init__(self, lr: float | Mapping[int, float]):
        given = lr if isinstance(lr, Mapping) else {0: lr}
        if not given:
            raise InputError("the learning rate is {}; expected a number above 0, or a dict of steps to such numbers")
        try:
            rates = {whole("a step", step): number("a rate", rate, above=True) for step, rate in given.items()}
        except InputError as error:
            raise InputError(
                f"the learning rate is {lr!r:.200}; expected a number above 0, or a dict of steps to such numbers"
            ) from error
        self.by_step = {step: rates[step] for step in sorted(rates)}

    def at(self, step: int) -> float:
        """The rate of a step, from 0."""
        return float(np.interp(step, list(self.by_step), list(self.by_step.values())))

    def halved(self) -> "Rates":
        """Half of every rate."""
        return Rates({step: rate / 2 for step, rate in self.by_step.items()})
