"""Where the work is done."""

import ctypes
import sys
from functools import cache

import torch

from .errors import InputError


def default_device() -> torch.device:
    """CUDA where there is a GPU, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def usable_device(device: str | torch.device | None) -> torch.device:
    """The device by that name, or the default.

    Raises:
        InputError: there is no such device here.
    """
    device = device or default_device()
    try:
        return torch.zeros(1, device=device).device
    except (RuntimeError, AssertionError, ValueError) as error:  # torch raises each of them, depending on its build
        reason = str(error).splitlines()[0]
        raise InputError(f"device {str(device)!r} cannot be used ({reason}); the best is {default_device()}") from error


@cache
def keep_freed_memory() -> None:
    """Ask the C library to keep freed memory for the next tensor, in place of giving it back to the system.

    A step on the CPU frees and takes hundreds of megabytes; fetching them page by page again in each step is a good
    part of its time, most of all on a virtual machine. The price: the process stays as large as at its peak.
    """
    if sys.platform == "linux":
        trim_threshold, mmap_max = -1, -4  # the numbers of mallopt's parameters in glibc's malloc.h
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            library.mallopt(trim_threshold, -1)
            library.mallopt(mmap_max, 0)
