"""Networks in files: plain tensors (safetensors), with what they mean beside them, and nothing that is executed."""

import json
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..base.checks import instance, known_arguments
from ..base.devices import is_out_of_memory, usable_device
from ..errors import InputError, NstError, OutOfMemory, WeightsUnavailable, brief
from .network import StyleNetwork

BUNDLED = Path(__file__).parents[1] / "weights" / "styles.safetensors"  # all bundled styles in one network
KIND, VERSION = "nstlib.StyleNetwork", 1


@known_arguments
def save_network(network: StyleNetwork, path: str | os.PathLike[str], notes: Mapping[str, Any] | None = None) -> Path:
    """Save a network in half precision: 0.8 MB, and 3 KB a style.

    Args:
        network: of any precision, on any device.
        path: of the file; it is complete, or as it was.
        notes: how it was trained, or whatever else JSON can hold, by name; without them, the network's own.

    Returns:
        The path.

    Raises:
        InputError: weights that are not finite, notes that JSON cannot hold, or a file that cannot be written.
    """
    network, path = instance("the network", StyleNetwork, network), path_of_network(path)
    tensors = {
        name: value.detach().to("cpu", torch.float16).contiguous() for name, value in network.state_dict().items()
    }
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise InputError(f"{name} holds numbers that are not finite, or too large for half precision; train anew")
    metadata = metadata_of(network, notes)
    return write_complete(path, lambda part: save_file(tensors, part, metadata))


@known_arguments
def load_network(path: str | os.PathLike[str] | None = None, device: str | torch.device | None = "cpu") -> StyleNetwork:
    """A network that `save_network` wrote, in float32; its `notes` are those of the file.

    Args:
        path: of the file; None for the bundled network, which has all bundled styles.
        device: where the network is to be; None for the default.

    Raises:
        WeightsUnavailable: no such file, another file, or a damaged one.
        InputError: a device that cannot be used.
    """
    path, place = path_of_network(BUNDLED if path is None else path), usable_device(device)
    if path.is_dir():
        raise WeightsUnavailable(f"{path} is a folder; give the file of the network itself")
    if not path.exists():
        raise WeightsUnavailable(f"there is no file of a network at {path}")
    try:
        with torch.inference_mode(False), safe_open(path, "pt", device="cpu") as file:
            metadata = file.metadata() or {}
            _check_kind(path, metadata)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            network = _empty(metadata)
            network.load_state_dict(tensors)  # into float32, which the network has
    except NstError as error:
        if isinstance(error, WeightsUnavailable):
            raise
        raise WeightsUnavailable(f"{path} describes no network that can be built ({error})") from error
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"out of memory while {path} is read; free some") from error
        raise WeightsUnavailable(f"{path} cannot be read as a network ({brief(error)})") from error
    return network.to(place).eval()


def path_of_network(path: str | os.PathLike[str]) -> Path:
    """The path, with `~` as the home folder.

    Raises:
        InputError: what is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"the path of the network is {path!r:.80}; expected the name of a file, as 'mine.safetensors'")
    return Path(os.path.expanduser(path))


def write_complete(path: Path, write: Callable[[Path], object]) -> Path:
    """Let a file of a network be written beside its path, and move it there once it is complete.

    Raises:
        InputError: it cannot be written; an older file is as it was.
    """
    part = path.parent / f".{uuid.uuid4().hex[:12]}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.chmod(0o644)  # safetensors leaves its files to their owner alone
        part.replace(path)
    except Exception as error:  # safetensors' own, besides the system's
        raise InputError(f"the network cannot be saved to {path} ({brief(error)})") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return path


def metadata_of(network: StyleNetwork, notes: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The settings in JSON, one by one: metadata in files are texts. Without notes, those of the network.

    Raises:
        InputError: notes that JSON cannot hold.
    """
    notes = instance("notes", Mapping, network.notes if notes is None else notes)  # type: ignore[type-abstract]
    settings = {
        "version": VERSION,
        "styles": network.styles,
        "widths": network.widths,
        "blocks": network.blocks,
        "kernel": network.kernel,
        "notes": dict(notes),
    }
    try:
        return {"kind": KIND} | {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items()}
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the notes cannot be kept as JSON ({brief(error)}); give text, numbers, lists or dicts"
        ) from error


def _check_kind(path: Path, metadata: Mapping[str, str]) -> None:
    if metadata.get("kind") != KIND:
        raise WeightsUnavailable(
            f"{path} holds other tensors than those of a StyleNetwork; give a file that save_network wrote"
        )
    version = json.loads(metadata["version"])
    if version != VERSION:
        raise WeightsUnavailable(f"{path} has format {version}; this version of nstlib reads {VERSION}: update it")


def _empty(metadata: Mapping[str, str]) -> StyleNetwork:
    """The network with other weights."""
    settings = {name: json.loads(metadata[name]) for name in ("styles", "widths", "blocks", "kernel", "notes")}
    network = StyleNetwork(settings["styles"], settings["widths"], settings["blocks"], settings["kernel"])
    network.notes = dict(settings["notes"])
    return network
