"""Where a picture is cut: tiles, the halo around them, and what of a response is a tile's own.

A tile is seen with a halo: as many pixels around it as its responses depend on. Each position of a layer's response
counts in one tile alone. `ways` adds up what the tiles give.
"""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..base.checks import Size, size_of
from ..errors import InputError
from ..extractor import FeatureExtractor

PROBE_LIMIT = 512  # pixels; responses that depend on all of so large a picture are taken to depend on any picture's


@dataclass(frozen=True)
class Span:
    """One axis of a tile, in pixels: `start` to `stop` are its own, `first` to `last` are seen.

    `stop` is None at the end of the picture: what is left over there belongs to the last tile, at every layer.
    """

    start: int
    stop: int | None
    first: int
    last: int

    @property
    def seen(self) -> slice:
        """What is cut out of the picture."""
        return slice(self.first, self.last)

    def own(self, stride: int) -> slice:
        """Its own positions in the response of the whole picture, at a layer of this stride."""
        return slice(self.start // stride, None if self.stop is None else self.stop // stride)

    def own_of_seen(self, stride: int) -> slice:
        """Its own positions in the response of what is seen."""
        own, before = self.own(stride), self.first // stride
        return slice(own.start - before, None if own.stop is None else own.stop - before)


@dataclass(frozen=True)
class Tile:
    """A part of a picture; its spans down and across."""

    down: Span
    across: Span

    def crop(self, picture: Tensor) -> Tensor:
        """What is seen of a picture (B, 3, H, W); a view."""
        return picture[..., self.down.seen, self.across.seen]

    def own(self, response: Tensor, stride: int) -> Tensor:
        """Its own positions of the response of the whole picture (B, C, H', W'); a view."""
        return response[..., self.down.own(stride), self.across.own(stride)]

    def own_of_seen(self, response: Tensor, stride: int) -> Tensor:
        """Its own positions of the response of its crop; a view."""
        return response[..., self.down.own_of_seen(stride), self.across.own_of_seen(stride)]


def cut(size: Size, tile: int, halo: int, stride: int) -> list[Tile]:
    """Cut a picture (H, W) into tiles of almost equal size.

    Args:
        size: of the picture.
        tile: longest side of what is a tile's own; a multiple of the stride.
        halo: pixels that are seen around it; a multiple of the stride.
        stride: of the deepest layer: pooling windows must start where they start in the whole picture.
    """
    down, across = (_spans(length, tile, halo, stride) for length in size)
    return [Tile(*spans) for spans in product(down, across)]


def _spans(length: int, tile: int, halo: int, stride: int) -> list[Span]:
    count = -(-length // tile)
    side = -(-length // (count * stride)) * stride
    return [
        Span(
            start,
            stop=None if start + side >= length else start + side,
            first=max(start - halo, 0),
            last=min(start + side + halo, length),
        )
        for start in range(0, length, side)
    ]


def stride_of(extract: FeatureExtractor, layers: Iterable[str]) -> int:
    """The stride of the deepest of the layers; sides of tiles are multiples of it."""
    return max((extract.backbone.strides[layer] for layer in layers), default=1)


def smaller_tile(side: int, stride: int) -> int | None:
    """The largest power of two, times the stride, below a side; None where there is none."""
    if side <= stride:
        return None
    return stride << ((side - 1) // stride).bit_length() - 1


@cache
def shared_tile(size: Size, stride: int, count: int) -> int:
    """The largest tile that gives each of several processes at least one of a picture (H, W), if any does."""
    sides = range(max(size) // stride * stride, stride, -stride)
    return next((side for side in sides if len(cut(size, side, 0, stride)) >= count), stride)


def halo_of(extract: FeatureExtractor, layers: Iterable[str]) -> int:
    """How far the responses of the layers look beyond their own pixels, rounded up to the stride of the deepest.

    Raises:
        InputError: every response depends on the whole picture, as with a normalization over all positions.
    """
    known = _HALOS.setdefault(extract.net, {})
    asked = frozenset(layers)
    if asked not in known:
        known[asked] = _probed_halo(extract, asked)
    return known[asked]


_HALOS: WeakKeyDictionary[nn.Module, dict[frozenset[str], int]] = WeakKeyDictionary()


@torch.no_grad()
def _probed_halo(extract: FeatureExtractor, layers: frozenset[str]) -> int:
    """See how far NaN spreads from a frame around a picture: through convolutions, ReLUs and poolings alike."""
    stride = stride_of(extract, layers)
    # On the CPU, in float32: a GPU's fast convolutions spread NaN further than the convolution itself would.
    net = copy.deepcopy(extract.cut(layers)).to("cpu", torch.float32)
    # What is seen must reach the deepest layer where the last tile is narrow, too.
    needed = -(-max(extract.backbone.smallest_side(layer) for layer in layers) // stride) * stride
    clean = max(2 * stride, needed)
    while clean <= max(PROBE_LIMIT, 8 * stride):
        shape = 1, 3, clean + 2 * stride, clean + 2 * stride
        picture = torch.full(shape, torch.nan, dtype=torch.float32, device="cpu")
        picture[..., stride:-stride, stride:-stride] = 0.5
        responses = net(picture)
        reaches = [_reach(responses[layer], stride, clean, extract.backbone.strides[layer]) for layer in layers]
        if all(reach is not None for reach in reaches):
            return max(-(-reach // stride) for reach in (needed, *reaches) if reach is not None) * stride
        clean *= 2
    raise InputError(
        f"{extract.backbone.name} cannot be tiled: the responses of {', '.join(sorted(layers))} depend on the whole "
        "picture; leave the tile out"
    )


def _reach(response: Tensor, frame: int, clean: int, stride: int) -> int | None:
    """How many pixels the frame's NaN came in; None where nothing stayed clean."""
    known = ~response[0].isnan().any(0)
    reaches = []
    for axis in (0, 1):
        places = known.any(axis).nonzero().flatten()
        if not len(places):
            return None
        first, last = int(places[0]), int(places[-1])
        reaches += [first * stride - frame, frame + clean - (last + 1) * stride]
    return max(0, *reaches)


def tiles_of(
    extract: FeatureExtractor, layers: Iterable[str], picture: Tensor, tile: int, beyond: int = 0
) -> list[Tile]:
    """The tiles of a picture (B, 3, H, W) for these layers; `tile` is rounded down to a multiple of their stride.

    Args:
        extract, layers, picture, tile: see `nstlib.large.ways.InTiles`.
        beyond: how many positions of a layer more are seen around a tile's own.
    """
    layers = list(layers)
    extract.check(layers, picture.shape[-2:])
    stride = stride_of(extract, layers)
    return cut(size_of(picture), max(tile // stride, 1) * stride, halo_of(extract, layers) + beyond * stride, stride)
