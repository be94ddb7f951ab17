"""How far the loop may run ahead of a device that does its work later."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

AHEAD = 1  # steps: one is computed while the next is being prepared


class Mark(Protocol):
    """A place among a device's commands."""

    def synchronize(self) -> None:
        """Wait until the device has come there."""


class Pace:
    """Keeps a loop at most `AHEAD` steps ahead of its device.

    A GPU takes commands faster than it carries them out. A loop that looks at its own clock alone would hand over a
    second of work in a tenth of a second, and what a hand changes then would wait for all of it.

    Args:
        mark: puts a mark behind the commands so far; None for a device that has done its work when a call returns.
    """

    def __init__(self, mark: Callable[[], Mark] | None):
        self._mark = mark
        self._marks: deque[Mark] = deque()

    def step_taken(self) -> None:
        """A step was handed over: wait for the one before it."""
        if self._mark is None:
            return
        self._marks.append(self._mark())
        while len(self._marks) > AHEAD:
            self._marks.popleft().synchronize()


@dataclass(frozen=True)
class _Everything:
    """A mark for devices without events: it waits for all of their commands."""

    device: torch.device

    def synchronize(self) -> None:
        torch.accelerator.synchronize(self.device)


def marks_of(device: torch.device) -> Callable[[], Mark] | None:
    """What `Pace` needs to know of a device."""
    if device.type == "cpu":
        return None
    if device.type != "cuda":
        return lambda: _Everything(device)

    def mark() -> Mark:
        event: Any = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]  # waits without spinning
        event.record(torch.cuda.current_stream(device))
        found: Mark = event
        return found

    return mark
