"""Several processes that share the work, as torchrun starts them: one a GPU, on one machine or on several.

Without torchrun, and until `joined`, there is one process, of rank 0, and torch.distributed is not touched.
"""

import atexit
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ..base.devices import default_device
from ..errors import InputError, RunError, brief

_joined = False


def launched() -> bool:
    """Whether torchrun started this process together with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


@contextmanager
def joined(device: str | torch.device | None = None) -> Iterator[None]:
    """Share the work with the other processes that torchrun started; without them, nothing happens.

    Every process does the same within, with the same pictures and settings. What it computes is the same everywhere;
    one of them, of rank 0, should show and save it.

    Args:
        device: what all compute on. On "cuda", as by default where there is a GPU, each process has a GPU of its own,
            which is from here on what "cuda" means.

    Raises:
        InputError: there are fewer GPUs than processes, or this build of torch knows no others.
        RunError: the processes do not find each other.
    """
    global _joined
    if not launched() or _joined:
        yield
        return
    from torch import distributed

    if not distributed.is_available():
        raise InputError("this build of torch cannot share work between processes; start one, without torchrun")
    if not distributed.is_initialized():
        _find_each_other(device)
    _joined = True
    try:
        yield
    finally:
        _joined = False


def count() -> int:
    """How many processes share the work."""
    return _group().get_world_size() if _joined else 1


def count_here() -> int:
    """How many of them run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", count())) if _joined else 1


def rank() -> int:
    """The number of this process, from 0."""
    return _group().get_rank() if _joined else 0


def add_up(tensors: Iterable[Tensor]) -> None:
    """Put into each tensor the sum of what all processes have there; they must come in the same order everywhere.

    Raises:
        RunError: another process has ended.
    """
    if not _joined:
        return
    tensors = list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in tensors]) if len(tensors) > 1 else tensors[0]
    message = flat.cpu() if flat.device.type == "mps" else flat  # gloo knows no MPS
    with _told_of_the_end():
        _group().all_reduce(message)
    parts = torch.split(message.flatten(), [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        if tensor is not message:
            tensor.copy_(part.view_as(tensor))


def gathered(thing: Any) -> list[Any]:
    """What each process has, in the order of ranks; any object that can be pickled.

    Raises:
        RunError: another process has ended.
    """
    if not _joined:
        return [thing]
    things: list[Any] = [None] * count()
    with _told_of_the_end():
        _group().all_gather_object(things, thing)
    return things


def _find_each_other(device: str | torch.device | None) -> None:
    # Its functions' defaults are the group that there is as it is imported. torch imports it with much else, and with
    # a group by then, that group outlives its end: its threads ask for the interpreter as it goes, and abort (#190489).
    import torch.distributed.nn  # noqa: F401

    own_gpu = str(device or default_device()) == "cuda"
    if own_gpu:
        _take_own_gpu()
    try:
        _group().init_process_group("nccl" if own_gpu else "gloo")
    except (RuntimeError, ValueError) as error:
        raise RunError(f"the processes that share the run do not find each other ({brief(error)})") from error
    # Once for all: processes that part and look for each other again may meet the addresses of the last time.
    atexit.register(_group().destroy_process_group)


def _take_own_gpu() -> None:
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise InputError(
            f"process {number} of this machine has no GPU: there are {there}; start as many processes as GPUs, or give "
            "the device 'cpu'"
        )
    torch.cuda.set_device(number)


@contextmanager
def _told_of_the_end() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RunError(f"another of the processes that share the run has ended ({brief(error)})") from error


def _group() -> Any:
    from torch import distributed

    return distributed
