"""Networks in files: plain tensors (safetensors), with what they mean beside them, and nothing that is executed."""

import json
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..base.checks import instance, known_arguments
from ..base.devices import is_out_of_memory, usable_device
from ..errors import InputError, NstError, OutOfMemory, WeightsUnavailable, brief
from .adain import AdaINNetwork
from .any_style import AnyStyleNetwork
from .network import StyleNetwork
from .predicting import PredictingNetwork
from .styled import Styled, checked_network

WEIGHTS = Path(__file__).parents[1] / "weights"
BUNDLED = WEIGHTS / "styles.safetensors"  # all bundled styles in one network
ANY_STYLE = WEIGHTS / "any_style.safetensors"  # the network for any style
ADAIN = WEIGHTS / "adain.safetensors"  # another, by AdaIN
CALLED = {"any": ANY_STYLE, "adain": ADAIN}  # the words for them
KIND, VERSION = "nstlib.", 1
SPREAD = "predictor.spread"  # what paintings differ by, of which the network makes one
SETTINGS: dict[type[Styled], tuple[str, ...]] = {
    StyleNetwork: ("styles", "widths", "blocks", "kernel"),
    AdaINNetwork: ("encoder", "layers", "styles", "widths"),
    PredictingNetwork: ("encoder", "layers", "styles", "widths", "blocks", "kernel", "bottleneck"),
}

N = TypeVar("N", bound=Styled)


@known_arguments
def save_network(network: Styled, path: str | os.PathLike[str], notes: Mapping[str, Any] | None = None) -> Path:
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
    network, path = checked_network(network), path_of_network(path)
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
    return _of_kind(StyleNetwork, BUNDLED if path is None else path, device)


@known_arguments
def load_any_style(
    path: str | os.PathLike[str] | None = None, device: str | torch.device | None = "cpu"
) -> AnyStyleNetwork:
    """A network for any style that `save_network` wrote; arguments and errors as for `load_network`.

    None and "any" are the bundled `PredictingNetwork`, "adain" is the bundled `AdaINNetwork`. Both look with mini, and
    know the bundled styles.
    """
    return _of_kind(AnyStyleNetwork, bundled_file("any" if path is None else path), device)


def bundled_file(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """The file that a word for a bundled network means; any other path as it is."""
    return CALLED.get(path, path) if isinstance(path, str) else path


def _of_kind(kind: type[N], path: str | os.PathLike[str], device: str | torch.device | None) -> N:
    network = read_network(path, device)
    if not isinstance(network, kind):
        other = "load_any_style" if isinstance(network, AnyStyleNetwork) else "load_network"
        raise WeightsUnavailable(
            f"{path} holds {_with_article(type(network))}, not {_with_article(kind)}; read it with {other}"
        )
    return network


def read_network(path: str | os.PathLike[str], device: str | torch.device | None = "cpu") -> Styled:
    """The network of a file, of whatever kind; as `load_network`."""
    path, place = path_of_network(path), usable_device(device)
    if path.is_dir():
        raise WeightsUnavailable(f"{path} is a folder; give the file of the network itself")
    if not path.exists():
        raise WeightsUnavailable(f"there is no file of a network at {path}")
    try:
        with torch.inference_mode(False), safe_open(path, "pt", device="cpu") as file:
            metadata = file.metadata() or {}
            kind = _kind_of(path, metadata)
            network = _empty(kind, metadata)
            _fill(network, file)
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


def metadata_of(network: Styled, notes: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The settings in JSON, one by one: metadata in files are texts. Without notes, those of the network.

    Raises:
        InputError: notes that JSON cannot hold.
    """
    notes = instance("notes", Mapping, network.notes if notes is None else notes)  # type: ignore[type-abstract]
    settings = {"version": VERSION, **network.settings, "notes": dict(notes)}
    try:
        texts = {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items()}
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the notes cannot be kept as JSON ({brief(error)}); give text, numbers, lists or dicts"
        ) from error
    return {"kind": KIND + type(network).__name__, **texts}


def _kind_of(path: Path, metadata: Mapping[str, str]) -> type[Styled]:
    kinds = {KIND + kind.__name__: kind for kind in SETTINGS}
    if metadata.get("kind") not in kinds:
        raise WeightsUnavailable(
            f"{path} holds other tensors than those of a network that paints; give a file that save_network wrote"
        )
    version = json.loads(metadata["version"])
    if version != VERSION:
        raise WeightsUnavailable(f"{path} has format {version}; this version of nstlib reads {VERSION}: update it")
    return kinds[metadata["kind"]]


def _empty(kind: type[Styled], metadata: Mapping[str, str]) -> Styled:
    """The network with other weights."""
    settings = {name: json.loads(metadata[name]) for name in SETTINGS[kind]}
    network = kind.from_settings(settings)
    network.notes = dict(json.loads(metadata["notes"]))
    return network


def _fill(network: Styled, file: Any) -> None:
    """Put the tensors of an open file into the network, in float32, which it has.

    Nothing is read before its name and shape are known to fit: a file may say more than memory holds.

    Raises:
        InputError: other tensors than the network's, or numbers with which nothing can be painted.
    """
    wanted = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    for name in [*wanted, *shapes]:
        if wanted.get(name) != shapes.get(name):
            here, there = (shape.get(name, "not there") for shape in (shapes, wanted))
            raise InputError(f"{name:.80} is {here}; by the settings it should be {there}")
    network.load_state_dict({name: _usable(name, file.get_tensor(name)) for name in wanted})


def _usable(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise InputError(f"{name} is {tensor.dtype}; expected floats")
    if not tensor.isfinite().all():
        raise InputError(f"{name} holds numbers that are not finite")
    if name == SPREAD and not (tensor > 0).all():
        raise InputError(f"{name} holds numbers that are not above 0; it is divided by them")
    return tensor


def _with_article(kind: type[Styled]) -> str:
    return f"{'an' if kind.__name__.startswith('A') else 'a'} {kind.__name__}"
