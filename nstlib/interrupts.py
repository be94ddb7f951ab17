"""Ctrl-C that waits until a step is done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noted(interruptions: list[int]) -> Iterator[None]:
    """Let a step finish on Ctrl-C, so that the run stays consistent; a second Ctrl-C does not wait."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interruptions:
            before(number, frame)
        interruptions.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
