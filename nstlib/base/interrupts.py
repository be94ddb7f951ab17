"""Ctrl-C that waits until a step is done."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

Made = TypeVar("Made")


@contextmanager
def noted(interruptions: list[int]) -> Iterator[list[int]]:
    """Let a step finish on Ctrl-C, so that the run stays consistent; a second Ctrl-C does not wait."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield interruptions
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interruptions:
            before(number, frame)
        interruptions.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield interruptions
    finally:
        signal.signal(signal.SIGINT, before)


def finish(work: Callable[[], Made], interruptions: list[int] | None = None) -> Made:
    """What the work gives, such as a saved picture: Ctrl-C waits for it, and where it broke in, it is done again.

    Args:
        work: what may be done twice.
        interruptions: gets an entry where Ctrl-C was pressed meanwhile.

    Raises:
        KeyboardInterrupt: it broke in again; then somebody means it.
    """
    meanwhile: list[int] = []
    try:
        with noted(meanwhile):
            return work()
    except KeyboardInterrupt:
        meanwhile.append(signal.SIGINT)
        with noted(meanwhile[:0]):
            return work()
    finally:
        if interruptions is not None:
            interruptions += meanwhile
