"""Saved runs: a file that is complete or not there."""

import os
import pickle
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError, NstError, OutOfMemory, RunError, brief
from .devices import is_out_of_memory

FORMAT = 1
WRITERS = "Run.save or --checkpoint"
# What torch and the objects of a run raise where a file is damaged, or of something else.
FOREIGN = (
    *(OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError),
    pickle.UnpicklingError,
)


def write_run(state: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a state beside its path first, under a name of its own, then move it there.

    Raises:
        RunError: it cannot be written; an older file is as it was.
    """
    path = Path(os.path.expanduser(path))
    part = path.parent / f".{uuid.uuid4().hex[:12]}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"format": FORMAT, **state}, part)
        part.replace(path)
    except (OSError, ValueError, RuntimeError) as error:  # torch reports an unwritable file as RuntimeError
        reason = (
            "its folder cannot be written, or the disk is full" if isinstance(error, RuntimeError) else brief(error)
        )
        raise RunError(f"the run cannot be saved to {path} ({reason})") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return path


def read_run(path: str | os.PathLike[str], writers: str = WRITERS) -> dict[str, Any]:
    """The state in a file.

    Args:
        path: of the file.
        writers: what writes such files, for messages.

    Raises:
        RunError: no such file, or not a saved run.
    """
    path = Path(os.path.expanduser(path))
    if not os.path.isfile(path):
        raise RunError(f"{path} is not a saved run: there is no such file; give the one that {writers} wrote")
    with told_as_foreign(path, writers=writers):
        # torch explains at length how to read such a file all the same; whoever has the wrong file needs another.
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if state["format"] != FORMAT:
            raise RunError(f"{path} is a saved run of format {state['format']}; this version reads {FORMAT}")
        return _as_today(state)


def _as_today(state: dict[str, Any]) -> dict[str, Any]:
    """A file from before the objective kept its full pictures during coarse steps."""
    if "pyramid" not in state:
        return state
    coarse = state["pyramid"]
    if coarse is not None:
        state["objective"] |= dict(zip(("content", "style"), coarse["pictures"], strict=True))
    size = state["param"].shape[-2:] if coarse is None else coarse["size"]
    state["settings"] |= {"scales": {} if coarse is None else coarse["scales"], "size": tuple(size)}
    return state


@contextmanager
def told_as_foreign(path: str | os.PathLike[str], values_too: bool = False, writers: str = WRITERS) -> Iterator[None]:
    """Say that a file is not a saved run where what it holds does not fit, or, if asked, is no value that fits."""
    try:
        yield
    except NstError as error:
        if values_too and isinstance(error, InputError):
            raise RunError(f"{path} is not a saved run, or a damaged one ({error})") from error
        raise
    except PermissionError as error:
        raise RunError(f"{path} may not be read; change its permissions") from error
    except (*FOREIGN, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemory(
                f"out of memory on the way to go on with {path}; free some, or use another device"
            ) from error
        raise RunError(f"{path} is not a saved run; give the file that {writers} wrote") from error
