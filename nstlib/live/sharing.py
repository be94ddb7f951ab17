"""Several processes at one device, such as the studios of a class: turns, and shares of its memory."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import InputError

POLITE = 0.005  # seconds after a turn, in which another process can take the next


@contextmanager
def turn() -> Iterator[None]:
    """A turn at a device that several processes share: the environment variable NST_LIVE_LOCK names their file."""
    path = os.environ.get("NST_LIVE_LOCK")
    if not path:
        yield
        return
    from filelock import FileLock

    with FileLock(path, poll_interval=POLITE / 2):
        yield
    time.sleep(POLITE)


def take_share() -> None:
    """Keep to a share of the GPU's memory: the environment variable NST_LIVE_MEMORY, 0.1 for a tenth."""
    share = os.environ.get("NST_LIVE_MEMORY")
    if share and torch.cuda.is_available():
        try:
            torch.cuda.set_per_process_memory_fraction(float(share))
        except ValueError as error:
            raise InputError(f"NST_LIVE_MEMORY is {share!r}; give a share from 0 to 1, such as 0.1") from error
