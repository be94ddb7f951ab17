"""What one position of a layer is computed from: the arithmetic of windows, through a network's graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from .pooling import ScaledPool2d, Window
from .tracing import Graph

LARGEST = 1024  # pixels; a network that needs a larger picture is none of these


@dataclass(frozen=True)
class Field:
    """The positions of a layer along one axis of a picture.

    Attributes:
        count: how many there are.
        stride: pixels from one to the next.
        first: the pixel in the middle of what the first one sees; where that is an even number of pixels, plus a half.
        size: how many pixels a position sees.
    """

    count: int
    stride: int = 1
    first: float = 0.0
    size: int = 1

    def through(self, window: Window) -> "Field":
        """Of what windows over these positions give."""
        room = self.count + 2 * window.padding - window.size
        count = -(-room // window.stride) + 1 if window.ceil_mode else room // window.stride + 1
        if window.ceil_mode and (count - 1) * window.stride >= self.count + window.padding:
            count -= 1  # a window that would begin beyond the last position
        return Field(
            count if self.count > 0 else 0,
            self.stride * window.stride,
            self.first + ((window.size - 1) / 2 - window.padding) * self.stride,
            self.size + (window.size - 1) * self.stride,
        )

    @property
    def overhang(self) -> int:
        """By how many pixels the cell of the first position begins before the picture, rounded up."""
        return int(-(-(self.stride - 1 - 2 * self.first) // 2))


def receptive_fields(graph: Graph, side: int) -> dict[str, Field]:
    """For each node of a network that has positions, what it sees of a picture of so many pixels on each side.

    Where windows are not as high as they are wide, the longer side counts.
    """
    down, across = (_along(axis, graph, side) for axis in (0, 1))
    return {graph.names[node]: max(down[node], across[node], key=lambda field: field.size) for node in down}


def smallest_sides(graph: Graph) -> dict[str, int]:
    """For each node that has positions the smallest side of a picture, in pixels, that gives it one."""
    found: dict[str, int] = {}
    for side in range(1, LARGEST):
        fields = receptive_fields(graph, side)
        found |= {node: side for node, field in fields.items() if field.count > 0 and node not in found}
        if len(found) == len(fields):
            return found
    raise ValueError(f"{', '.join(fields.keys() - found)} cannot be reached by a picture of {LARGEST} pixels")


def _along(axis: int, graph: Graph, side: int) -> dict[fx.Node, Field]:
    """The positions of each node along one axis, as far as it has positions."""
    found: dict[fx.Node, Field] = {}
    for node in graph.names:
        if node.op == "placeholder":
            found[node] = Field(side)
            continue
        given = [found[each] for each in node.all_input_nodes if each in found]
        windows = _windows(node, graph.modules, axis) if given else None
        if windows is not None:
            found[node] = _through(_together(given), windows)
    return found


def _together(fields: Iterable[Field]) -> Field:
    """Of a sum, or of channels side by side: as many positions as each has, and what the farthest-sighted sees."""
    fields = list(fields)
    widest = max(fields, key=lambda field: field.size)
    return Field(min(field.count for field in fields), widest.stride, widest.first, widest.size)


def _through(field: Field, windows: Iterable[Window]) -> Field:
    for window in windows:
        field = field.through(window)
    return field


POOLS = (nn.MaxPool2d, nn.AvgPool2d)
POOLS_AS_FUNCTIONS = (F.max_pool2d, F.avg_pool2d)
WITHOUT_POSITIONS = (nn.AdaptiveAvgPool2d, nn.Linear, nn.Flatten)
WITHOUT_POSITIONS_AS_FUNCTIONS = (F.adaptive_avg_pool2d, torch.flatten)


def _windows(node: fx.Node, modules: Mapping[str, nn.Module], axis: int) -> tuple[Window, ...] | None:
    """What a node looks through along one axis; nothing of what works on each position by itself.

    None for what has no positions any more.
    """
    if node.op == "call_module":
        module = modules[str(node.target)]
        return None if isinstance(module, WITHOUT_POSITIONS) else _windows_of(module, axis)
    if node.target in WITHOUT_POSITIONS_AS_FUNCTIONS:
        return None
    if node.target in POOLS_AS_FUNCTIONS:
        given = dict(zip(("input", "kernel_size", "stride", "padding"), node.args, strict=False)) | node.kwargs
        size = _at(given["kernel_size"], axis)
        return (Window(size, _at(given.get("stride") or size, axis), _at(given.get("padding", 0), axis)),)
    return ()


def _windows_of(module: nn.Module, axis: int) -> tuple[Window, ...]:
    if isinstance(module, ScaledPool2d):
        return _windows_of(module.pool, axis)
    if hasattr(module, "windows"):
        return tuple(module.windows)  # type: ignore[arg-type]
    if isinstance(module, nn.Conv2d):
        size = module.dilation[axis] * (module.kernel_size[axis] - 1) + 1
        return (Window(size, module.stride[axis], int(module.padding[axis])),)
    if isinstance(module, POOLS):
        size, stride, padding = (_at(value, axis) for value in (module.kernel_size, module.stride, module.padding))
        return (Window(size, stride, padding, module.ceil_mode),)
    return ()


def _at(value: Any, axis: int) -> int:
    """Of a number, or of a pair of them, that of an axis."""
    return int(value[axis] if isinstance(value, tuple | list) else value)
