"""The losses of a live picture as curves: few points, however long it runs."""

from collections import deque
from collections.abc import Mapping
from typing import Any

TERMS = ("content", "style", "tv", "total")


class Curves:
    """The terms of a run that may go on for ever: a bounded number of points, evenly spread over all its steps."""

    def __init__(self, limit: int = 400):
        self._limit, self._every = limit, 1
        self.steps: list[int] = []
        self.values: dict[str, list[float]] = {name: [] for name in TERMS}
        self.changes: deque[int] = deque(maxlen=40)  # steps before which settings changed

    def add(self, first: int, history: Mapping[str, Any]) -> None:
        """Add the terms of the steps `first`, `first` + 1, ..."""
        columns = {name: history[name].tolist() for name in TERMS}
        for row, step in enumerate(range(first, first + len(columns["total"]))):
            if step % self._every == 0:
                self.steps.append(step)
                for name in TERMS:
                    self.values[name].append(columns[name][row])
        while len(self.steps) > self._limit:
            self._every *= 2
            kept = [row for row, step in enumerate(self.steps) if step % self._every == 0]
            self.steps = [self.steps[row] for row in kept]
            self.values = {name: [values[row] for row in kept] for name, values in self.values.items()}
