"""Where the work is done."""

import ctypes
import sys
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch

from ..errors import InputError, brief

# Not public, so they may go: a torch without them says float32.
CPU_HAS_BFLOAT16 = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def has_gpu() -> bool:
    """Whether torch finds an accelerator: CUDA, Apple's MPS, Intel's XPU."""
    return torch.accelerator.is_available()


def default_device() -> torch.device:
    """The accelerator that torch finds, else the CPU."""
    found = torch.accelerator.current_accelerator() if has_gpu() else None
    return found or torch.device("cpu")


def usable_device(device: str | torch.device | None, with_numbers: bool = True) -> torch.device:
    """The device by that name, or the default.

    Args:
        device: its name.
        with_numbers: whether it must keep numbers; "meta" keeps shapes alone, which is enough to count memory.

    Raises:
        InputError: there is no such device here, or it keeps no numbers, as "meta".
    """
    device = default_device() if device is None else device
    try:
        place = torch.zeros(1, device=device)
        if with_numbers:
            place.cpu()
    except Exception as error:  # torch raises many kinds, depending on its build
        unknown = "device type at start of device string" in str(error)  # torch lists all that anybody ever built
        reason = "it is none of cpu, cuda, mps, xpu" if unknown else brief(error)
        raise InputError(f"device {str(device)!r} cannot be used ({reason}); the best is {default_device()}") from error
    return place.device


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """A block in which tensors of the device have the precision that they were given, whatever is around it."""
    known = torch.amp.is_autocast_available(device.type)
    within = known and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if within else nullcontext()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says that the memory did not suffice, in torch's words, in Python's or in `OutOfMemory`'s."""
    text = str(error).lower()
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or "out of memory" in text or "allocate memory" in text


def fast_precision(device: torch.device) -> str:
    """In which precision the device convolves fastest: "bfloat16", "float16" or "float32".

    bfloat16 on processors with AVX512-BF16 or AMX and on GPUs since Ampere (compute capability 8), float16 on older
    GPUs with tensor cores (7: Volta and Turing, such as Colab's T4). With float32, CUDA convolves in TF32 where it can,
    as PyTorch does by itself; products of matrices, and so the Gram matrices, stay in full float32.
    """
    if device.type == "cuda":
        generation = torch.cuda.get_device_capability(device)[0]
        return "bfloat16" if generation >= 8 else "float16" if generation == 7 else "float32"
    if device.type == "cpu" and any(getattr(torch.cpu, name, bool)() for name in CPU_HAS_BFLOAT16):
        return "bfloat16"
    return "float32"


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


def give_back_large_blocks() -> None:
    """Ask the C library to give blocks of 32 MB and more back to the system once they are freed, from now on.

    For pictures in tiles: where large tensors come and go among small ones, kept memory falls into pieces that the next
    large one does not fit into.
    """
    if sys.platform == "linux":
        mmap_threshold, mmap_max = -3, -4
        library = ctypes.CDLL(None)
        if hasattr(library, "gnu_get_libc_version"):
            library.mallopt(mmap_threshold, 2**25)  # the largest that glibc takes
            library.mallopt(mmap_max, 65536)  # as it is by default
