"""How much memory a picture takes: whether it is computed whole or in tiles, and how far back L-BFGS remembers."""

import math
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from torch import Tensor

from ..base.checks import Size
from ..extractor import FeatureExtractor
from ..lbfgs import MEMORY
from . import ranks
from .tiles import halo_of, stride_of

SHARE = 0.5  # of the free memory that a run may take
LIMIT = 2.5e9  # bytes of a run in tiles, if it can: with Python, torch and targets, a process of less than 4 GB
TILE = 0.8e9  # bytes that a tile may take in any case; much smaller ones are mostly halo
PEAK = 2.2  # of a step, in bytes that are saved for its gradient: 1.9 to 2.2 for VGG-19s with every pooling
COPIES = 5  # of the image that a run holds, besides the pairs of L-BFGS
FEWEST_PAIRS = 3
PIXEL = 12  # bytes of three float32


@dataclass(frozen=True)
class Plan:
    """How to compute a picture.

    Attributes:
        tile: longest side of a tile, None for the whole picture at once.
        memory: of L-BFGS, in pairs.
        reason: why, in a few words.
    """

    tile: int | None
    memory: int
    reason: str


def plan(
    extract: FeatureExtractor, layers: list[str], sizes: list[Size], pairs: int = MEMORY, free: float | None = None
) -> Plan:
    """What fits into memory.

    Args:
        extract, layers: what each step computes.
        sizes: (H, W) of the image, and of other pictures that go through the network.
        pairs: of pictures that the optimizer remembers, where there is room; Adam's two moments are one.
        free: bytes; without it, what the device has. Processes that share the work go by the least that one has, as
            all must have the same tiles.
    """
    free = min(ranks.gathered(free_memory(extract.device) if free is None else free))
    image, *others = (height * width for height, width in sizes)
    pixel, pair = PEAK * saved_bytes(extract, layers), 2 * PIXEL * image
    copies = PIXEL * (COPIES * image + sum(others))
    whole = pixel * max(image, *others, 0) + copies + pairs * pair
    if whole <= SHARE * free:
        return Plan(None, pairs, "it fits")
    fewest = min(FEWEST_PAIRS, pairs)
    room = min(SHARE * free, max(LIMIT, copies + fewest * pair + TILE)) - copies
    memory = min(max(int((room - TILE) / pair), fewest), pairs)
    stride = stride_of(extract, layers)
    seen = math.isqrt(max(int((room - memory * pair) / pixel), 0))
    halo = halo_of(extract, layers)
    tile = max(seen - 2 * halo, 2 * halo, stride) // stride * stride
    reason = f"a step of the whole picture would take {whole / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
    reason += f"; L-BFGS remembers {memory} steps" if memory < pairs else ""
    return Plan(tile, memory, reason)


def free_memory(device: torch.device) -> float:
    """Bytes that can be taken on the device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(torch.cuda.mem_get_info(device)[0] + cached)
    return min(float(psutil.virtual_memory().available), left_in_container()) / ranks.count_here()


def left_in_container(group: Path = Path("/sys/fs/cgroup")) -> float:
    """Bytes that the limit of a container, such as Docker's or JupyterHub's, leaves; infinity without one.

    Source: cgroup v2 of Linux. Files that the system keeps in memory only as long as nobody needs it are not counted.
    """
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        kept = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return math.inf if limit == "max" else float(limit) - float(used) + float(kept["inactive_file"])
    except (OSError, ValueError, KeyError):
        return math.inf


def saved_bytes(extract: FeatureExtractor, layers: list[str]) -> float:
    """Bytes that one pixel of the picture leaves behind for the gradient; measured on a small picture."""
    side = 8 * max(stride_of(extract, layers), 8)
    known = {weight.untyped_storage().data_ptr() for weight in extract.parameters()}
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    picture = torch.zeros(1, 3, side, side, dtype=torch.float32, device=extract.device, requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        responses = extract(picture, layers)
    for response in responses.values():
        note(response)
    return sum(saved.values()) / side**2
