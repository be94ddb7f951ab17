"""Pictures of any size in bounded memory: the losses and their gradient, exactly, from one part at a time.

A loss depends on the picture only through sums over positions: the style through Gram matrices, the content through
squared errors, the total variation through squared differences. Such sums can be added up tile by tile. So two passes
over the same tiles give what one pass over the whole picture gives:

    1. without gradients, add up the sums; from them come the losses, and dL/dG and its like, which are small;
    2. with dL/dG held fixed, back-propagate through one tile after the other, and add up the gradients.

A tile is seen with a halo: as many pixels around it as its responses depend on. Each position of a layer's response
counts in one tile alone.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..errors import InputError
from ..extractor import FeatureExtractor, Features
from ..losses import (
    Normalization,
    content_loss_of_sums,
    gram,
    style_loss,
    sum_of_squares,
    tv_loss_of_sums,
    tv_sum,
)
from . import ranks

Size = tuple[int, int]
Sums = dict[str, Tensor]
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
    clean = 2 * stride
    while clean <= max(PROBE_LIMIT, 8 * stride):
        picture = torch.full((1, 3, clean + 2 * stride, clean + 2 * stride), torch.nan)
        picture[..., stride:-stride, stride:-stride] = 0.5
        responses = net(picture)
        reaches = [_reach(responses[layer], stride, clean, extract.backbone.strides[layer]) for layer in layers]
        if all(reach is not None for reach in reaches):
            # At least one stride: what is seen must reach the deepest layer where the last tile is narrow.
            return max(1, *(-(-reach // stride) for reach in reaches if reach is not None)) * stride
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


class TiledLosses:
    """The losses of a picture from its tiles.

    Args:
        extract: the features to compare.
        content, style: targets, as `Objective` has them; responses may be on another device than the network.
        normalization: see `nstlib.losses`.
        tile: longer side of a tile, in pixels.
        spread: whether the ranks of a torchrun share the tiles, see `nstlib.large.ranks`.
        border: see `nstlib.losses.tv_loss`.
    """

    def __init__(
        self,
        extract: FeatureExtractor,
        content: Mapping[str, Tensor],
        style: Mapping[str, Tensor],
        normalization: Normalization,
        tile: int,
        spread: bool = False,
        border: float = 0.0,
    ):
        self.extract, self.content, self.style = extract, content, style
        self.normalization, self.tile, self.spread, self.border = normalization, tile, spread, border

    def __call__(self, image: Tensor) -> Features:
        """Layer losses "content/relu4_2", "style/relu1_1", ... and "tv", (B,) each; they can be differentiated."""
        values: tuple[Tensor, ...] = _Losses.apply(image, self)
        return dict(zip(self.names, values, strict=True))

    @property
    def names(self) -> list[str]:
        """Of the losses, in order."""
        return [*(f"content/{layer}" for layer in self.content), *(f"style/{layer}" for layer in self.style), "tv"]

    def tiles(self, image: Tensor) -> list[Tile]:
        """The tiles of an image that this process looks after.

        Raises:
            InputError: there are fewer tiles than processes that share them.
        """
        tiles = tiles_of(self.extract, [*self.content, *self.style], image, self.tile)
        if not self.spread:
            return tiles
        if len(tiles) < ranks.count():
            raise InputError(
                f"the picture has {len(tiles)} tiles of {self.tile} pixels for {ranks.count()} processes; use a larger "
                "size, smaller tiles or fewer processes"
            )
        return tiles[ranks.rank() :: ranks.count()]

    def sums(self, tile: Tile, seen: Tensor, size: Size) -> Sums:
        """What a tile adds to the sums on which the losses depend; `seen` is its crop of the image (H, W)."""
        strides, sums = self.extract.backbone.strides, _tv_sums(tile, seen, size, self.border)
        features = self.extract(seen, dict.fromkeys([*self.content, *self.style]))
        for layer, target in self.content.items():
            own = tile.own_of_seen(features[layer], strides[layer]).float()
            wanted = tile.own(target, strides[layer]).to(own.device).float()
            sums[f"error/{layer}"] = sum_of_squares(own - wanted)
            sums[f"norm/{layer}"] = sum_of_squares(wanted)
        for layer in self.style:
            sums |= _gram_sums(layer, tile.own_of_seen(features[layer], strides[layer]))
        return sums

    def losses(self, sums: Sums, size: Size) -> list[Tensor]:
        """From the sums over all tiles of an image (H, W) to the losses, in the order of `names`."""
        content = (
            content_loss_of_sums(sums[f"error/{layer}"], sums[f"norm/{layer}"], self.normalization)
            for layer in self.content
        )
        style = (style_loss(_mean(sums, layer), target, self.normalization) for layer, target in self.style.items())
        return [*content, *style, tv_loss_of_sums(sums["down"], sums["across"], size)]


class _Losses(torch.autograd.Function):
    """Forward is the first pass, backward the second."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, tiled: TiledLosses) -> tuple[Tensor, ...]:
        """The losses, in the order of `tiled.names`."""
        sums = _added(tiled.sums(tile, tile.crop(image), _size(image)) for tile in tiled.tiles(image))
        if tiled.spread:
            ranks.add_up(sums.values())
        ctx.tiled, ctx.names = tiled, list(sums)
        ctx.save_for_backward(image, *sums.values())
        return tuple(tiled.losses(sums, _size(image)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor, None]:
        """The gradient of the weighted sum of the losses."""
        image, *saved = ctx.saved_tensors
        sums = dict(zip(ctx.names, saved, strict=True))
        slopes = _slopes(sums, weights, lambda values: ctx.tiled.losses(values, _size(image)))
        gradient = torch.zeros_like(image)
        for tile in ctx.tiled.tiles(image):
            tile.crop(gradient).add_(_tile_gradient(ctx.tiled, tile, image, slopes))
        if ctx.tiled.spread:
            ranks.add_up([gradient])
        return gradient, None


def _slopes(sums: Sums, weights: Iterable[Tensor], losses: Callable[[Sums], list[Tensor]]) -> Sums:
    """The derivative of the weighted losses with respect to each sum: small, and the same for all tiles."""
    with torch.enable_grad():
        leaves = {name: value.detach().requires_grad_() for name, value in sums.items()}
        total = sum((weight * loss).sum() for weight, loss in zip(weights, losses(leaves), strict=True))
        assert isinstance(total, Tensor)
        slopes = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    return {name: slope for name, slope in zip(leaves, slopes, strict=True) if slope is not None}


def _tile_gradient(tiled: TiledLosses, tile: Tile, image: Tensor, slopes: Sums) -> Tensor:
    """What a tile adds to the gradient, of the shape of its crop."""
    with torch.enable_grad():
        seen = tile.crop(image).detach().requires_grad_()
        sums = tiled.sums(tile, seen, _size(image))
        moving = [name for name in slopes if sums[name].requires_grad]
        (gradient,) = torch.autograd.grad([sums[name] for name in moving], seen, [slopes[name] for name in moving])
    return gradient


def tiles_of(extract: FeatureExtractor, layers: Iterable[str], picture: Tensor, tile: int) -> list[Tile]:
    """The tiles of a picture (B, 3, H, W) for these layers; `tile` is rounded down to a multiple of their stride."""
    layers = list(layers)
    extract.check(layers, picture.shape[-2:])
    stride = stride_of(extract, layers)
    return cut(_size(picture), max(tile // stride, 1) * stride, halo_of(extract, layers), stride)


@torch.no_grad()
def tiled_grams(extract: FeatureExtractor, picture: Tensor, layers: Iterable[str], tile: int) -> Features:
    """`gram` of each layer's response, added up over tiles. The picture may be on another device than the network."""
    layers, strides = list(layers), extract.backbone.strides

    def sums(part: Tile) -> Sums:
        added: Sums = {}
        for layer, response in extract(part.crop(picture).to(extract.device), layers).items():
            added |= _gram_sums(layer, part.own_of_seen(response, strides[layer]))
        return added

    total = _added(map(sums, tiles_of(extract, layers, picture, tile)))
    return {layer: _mean(total, layer) for layer in layers}


@torch.no_grad()
def tiled_responses(extract: FeatureExtractor, picture: Tensor, layers: Iterable[str], tile: int) -> Features:
    """The responses of the layers, in the memory of the CPU: those of a large picture may not fit elsewhere.

    The picture may be there too.
    """
    layers, strides = list(layers), extract.backbone.strides
    whole: Features = {}
    for part in reversed(tiles_of(extract, layers, picture, tile)):  # the last one's position tells the whole size
        for layer, response in extract(part.crop(picture).to(extract.device), layers).items():
            own = part.own_of_seen(response, strides[layer])
            down, across = part.down.own(strides[layer]).start, part.across.own(strides[layer]).start
            if layer not in whole:
                whole[layer] = torch.empty(*own.shape[:2], down + own.shape[-2], across + own.shape[-1])
            part.own(whole[layer], strides[layer]).copy_(own)
    return whole


def _gram_sums(layer: str, own: Tensor) -> Sums:
    """Sum of F F^T over a tile's own positions, (B, C, C), and how many these are, (1,)."""
    positions = own.shape[-2] * own.shape[-1]
    # A narrow last tile may have no position of a deep layer.
    total = gram(own) * positions if positions else own.flatten(2).float() @ own.flatten(2).float().mT
    return {f"gram/{layer}": total, f"positions/{layer}": torch.full((1,), float(positions), device=own.device)}


def _mean(sums: Sums, layer: str) -> Tensor:
    """The Gram matrix as `nstlib.losses.gram` gives it."""
    return sums[f"gram/{layer}"] / sums[f"positions/{layer}"].view(-1, 1, 1)


def _tv_sums(tile: Tile, seen: Tensor, size: Size, border: float) -> Sums:
    """Squared differences of a tile's own pixels to their neighbors below and to the right."""
    down, across = tile.down.own_of_seen(1), tile.across.own_of_seen(1)
    place = tile.down.own(1), tile.across.own(1)
    below = seen[..., _and_next(down), across].float().diff(dim=-2)
    right = seen[..., down, _and_next(across)].float().diff(dim=-1)
    return {
        "down": tv_sum(below, size, -2, border, place),
        "across": tv_sum(right, size, -1, border, place),
    }


def _and_next(places: slice) -> slice:
    return slice(places.start, None if places.stop is None else places.stop + 1)


def _added(parts: Iterable[Sums]) -> Sums:
    total: Sums = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total[name] + value if name in total else value
    return total


def _size(picture: Tensor) -> Size:
    return picture.shape[-2], picture.shape[-1]
