"""What the loop sets for itself while it works: modes of torch, interrupts, and words for want of memory."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from ..errors import OutOfMemory
from ..optimize import is_out_of_memory


@contextmanager
def own_modes() -> Iterator[None]:
    """Gradients, whatever the cell that started it has chosen. As a decorator too."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def interrupts_noted() -> Iterator[list[int]]:
    """Ctrl-C is put on a list, so that what is under way gets done; a second one does not wait.

    Only Python's main thread is ever interrupted: in another the list stays empty.
    """
    noted: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield noted
        return

    def note(number: int, frame: FrameType | None) -> None:
        if noted:
            before(number, frame)
        noted.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def memory_explained() -> Iterator[None]:
    """Want of memory, wherever it shows, in the package's words."""
    try:
        yield
    except OutOfMemory:
        raise
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory("out of memory; use a smaller size. The picture is kept.") from error
