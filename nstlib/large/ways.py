"""How losses and targets are computed: whole, in tiles, or in tiles that several processes share.

A loss depends on the picture only through sums over positions: the style through Gram matrices and their like, the
content through squared errors, the total variation through squared differences. Such sums can be added up tile by tile.
So two passes over the same tiles give what one pass over the whole picture gives:

    1. without gradients, add up the sums; from them come the losses, and dL/dG and its like, which are small;
    2. with dL/dG held fixed, back-propagate through one tile after the other, and add up the gradients.

All ways give the same numbers. `Ways` says which one a picture takes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..base.checks import Size, size_of, whole
from ..base.devices import give_back_large_blocks
from ..errors import InputError
from ..extractor import FeatureExtractor, Features, luminance
from ..losses import (
    Normalization,
    content_loss,
    content_loss_of_sums,
    sum_of_squares,
    tv_loss,
    tv_loss_of_sums,
    tv_sum,
)
from ..smoothing import no_tiles
from . import ranks
from .tiles import Tile, halo_of, shared_tile, smaller_tile, stride_of, tiles_of

Sums = dict[str, Tensor]


class StyleLoss(Protocol):
    """What a way asks of a style loss, see `nstlib.style_losses.statistics`."""

    @property
    def name(self) -> str:
        """By which it is asked for."""

    @property
    def beyond(self) -> int:
        """How many positions around its own a statistic looks at."""

    def statistics(
        self, features: Mapping[str, Tensor], picture: Tensor, guides: Mapping[str, Tensor] | None
    ) -> dict[str, Tensor]:
        """The statistic of each term."""

    def of_style(
        self, features: Mapping[str, Tensor], picture: Tensor, guides: Mapping[str, Tensor] | None
    ) -> dict[str, Tensor]:
        """As a style's are kept."""

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization) -> Tensor:
        """How far a statistic is from its target, (B,)."""


@runtime_checkable
class AddsUp(Protocol):
    """A style loss whose statistics are means over positions."""

    def maps(self, features: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, ...]]:
        """Of each term what is averaged over its layer's positions."""

    def mean(self, maps: tuple[Tensor, ...], guides: Tensor | None = None) -> Tensor:
        """The mean; with guides, a weighted sum for each region."""


def no_sum(style_loss: StyleLoss) -> str:
    """Why a picture cannot be computed in tiles, and what to do."""
    return (
        f"style_loss {style_loss.name!r} compares positions with positions, which takes the whole picture at once and "
        "no tiles; use a smaller size, or a style loss of means, such as 'gram', 'covariance' or 'wasserstein'"
    )


def no_even_maps(style_loss: StyleLoss, backbone: str) -> str:
    """Why a picture cannot be computed in tiles with this network, and what to do."""
    return (
        f"style_loss {style_loss.name!r} compares layers position by position, and the positions of {backbone} do not "
        "halve evenly, so that there are no tiles; use a smaller size, another backbone, such as 'mini' or 'vgg19', or "
        "another style loss, such as 'gram'"
    )


@dataclass(frozen=True)
class Comparison:
    """What a picture is compared with, and how.

    Attributes:
        content: layer name to response (B or 1, C, H', W'); it may be on another device than the network.
        style: layer name to the target of the style loss, such as a Gram matrix (B or 1, C, C); with guides, to one
            for each region, (B or 1, R, C, C).
        style_loss: what is taken for style.
        style_layers: whose features it needs, shallow ones first.
        normalization, border: see `nstlib.losses`.
        guides: layer name to how much each position counts for each region, (R, H', W'), see `nstlib.control.masks`;
            None where the whole picture has one style. They may be on another device than the network.
        shares: how much each region counts, (B or 1, R).
    """

    content: Mapping[str, Tensor]
    style: Mapping[str, Tensor]
    style_loss: StyleLoss
    style_layers: Sequence[str]
    normalization: Normalization
    border: float
    guides: Mapping[str, Tensor] | None = None
    shares: Tensor | None = None

    @property
    def layers(self) -> list[str]:
        """The layers that they need."""
        return list(dict.fromkeys([*self.content, *self.style_layers]))

    @property
    def names(self) -> list[str]:
        """Of the losses, in order: "content/relu4_2", "style/relu1_1", ..., "tv"."""
        return [*(f"content/{layer}" for layer in self.content), *(f"style/{layer}" for layer in self.style), "tv"]

    def of_style(self, statistic: Tensor, layer: str) -> Tensor:
        """How far the statistic of a layer is from its style, (B,); of regions, the mean by shares."""
        target, loss = self.style[layer], self.style_loss.loss
        if self.shares is None:
            return loss(statistic, target, self.normalization)
        pairs = zip(statistic.unbind(1), target.unbind(1), strict=True)
        return (torch.stack([loss(*pair, self.normalization) for pair in pairs], 1) * self.shares).sum(1)


class Whole:
    """The whole picture at once: the fastest, as long as it fits into memory.

    Attributes:
        recordable: whether a recording of it pays, see `nstlib.large.recording`.
        home: where pictures and their responses are kept.
    """

    recordable: ClassVar[bool] = True

    def __init__(self, extract: FeatureExtractor):
        self.extract = extract
        self.home = extract.device

    def losses(self, image: Tensor, targets: Comparison) -> Features:
        """The losses by the names of the targets, (B,) each; they can be differentiated."""
        features = self.extract(image, targets.layers)
        how = targets.normalization
        content = [content_loss(features[layer], target, how) for layer, target in targets.content.items()]
        of_style = {layer: features[layer] for layer in targets.style_layers}
        statistics = targets.style_loss.statistics(of_style, _seen(self.extract, image), targets.guides)
        style = [targets.of_style(statistics[layer], layer) for layer in targets.style]
        return dict(zip(targets.names, [*content, *style, tv_loss(image, targets.border)], strict=True))

    @torch.no_grad()
    def statistics(
        self, picture: Tensor, layers: Sequence[str], style_loss: StyleLoss, guides: Mapping[str, Tensor] | None = None
    ) -> Features:
        """What a style loss keeps of a style, by layers, shallow ones first; with guides, of each region."""
        return style_loss.of_style(self.extract(picture, layers), _seen(self.extract, picture), guides)

    @torch.no_grad()
    def responses(self, picture: Tensor, layers: Iterable[str]) -> Features:
        """The response of each layer."""
        found: Features = self.extract(picture, layers)
        return found


class InTiles:
    """One tile after the other: memory depends on the tile, and the network sees each tile twice.

    What is kept of large pictures lies in the memory of the CPU, and leaves a GPU to the image that is being made.

    Args:
        extract: the features to compare.
        tile: longest side of a tile, in pixels; rounded down to a multiple of the deepest layer's stride.

    Raises:
        InputError: responses that are smoothed, which takes the whole picture.
    """

    recordable: ClassVar[bool] = False  # a tile is work enough for a GPU

    def __init__(self, extract: FeatureExtractor, tile: int):
        if extract.smoothing is not None:
            raise InputError(no_tiles(extract.smoothing))
        self.extract, self.tile = extract, tile
        self.home = torch.device("cpu")

    def losses(self, image: Tensor, targets: Comparison) -> Features:
        """The losses by the names of the targets, (B,) each; they can be differentiated."""
        values: tuple[Tensor, ...] = _Losses.apply(image, self, targets)
        return dict(zip(targets.names, values, strict=True))

    @torch.no_grad()
    def statistics(
        self, picture: Tensor, layers: Sequence[str], style_loss: StyleLoss, guides: Mapping[str, Tensor] | None = None
    ) -> Features:
        """What a style loss keeps of a style, added up over tiles; with guides, of each region.

        Raises:
            InputError: a style loss that does not add up.
        """
        tiles = tiles_of(self.extract, layers, picture, self.tile, style_loss.beyond)
        sums = (self._style_sums(part, self._responses_of(part, picture, layers), style_loss, guides) for part in tiles)
        return _means(_added(sums))

    @torch.no_grad()
    def responses(self, picture: Tensor, layers: Iterable[str]) -> Features:
        """The response of each layer, in the memory of the CPU: those of a large picture may not fit elsewhere."""
        layers, strides = list(layers), self.extract.backbone.strides
        # Not where the last tile ends: of networks that do not continue a picture it may have no position.
        sizes = self.extract.map_sizes(layers, size_of(picture))
        whole: Features = {}
        for part in tiles_of(self.extract, layers, picture, self.tile):
            for layer, response in self._responses_of(part, picture, layers).items():
                if layer not in whole:
                    shape = *response.shape[:2], *sizes[layer]
                    whole[layer] = torch.empty(shape, device=self.home, dtype=response.dtype)
                part.own(whole[layer], strides[layer]).copy_(part.own_of_seen(response, strides[layer]))
        return whole

    def own_tiles(self, image: Tensor, targets: Comparison) -> list[Tile]:
        """The tiles that this process looks after."""
        return tiles_of(self.extract, targets.layers, image, self.tile, targets.style_loss.beyond)

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Add to each tensor what other processes have there; here there are none."""

    def sums(self, tile: Tile, seen: Tensor, size: Size, targets: Comparison) -> Sums:
        """What a tile adds to the sums on which the losses depend; `seen` is its crop of the image (H, W)."""
        strides, sums = self.extract.backbone.strides, _tv_sums(tile, seen, size, targets.border)
        features = self.extract(seen, targets.layers)
        for layer, target in targets.content.items():
            own = tile.own_of_seen(features[layer], strides[layer]).float()
            wanted = tile.own(target, strides[layer]).to(own.device).float()
            sums[f"error/{layer}"] = sum_of_squares(own - wanted)
            sums[f"norm/{layer}"] = sum_of_squares(wanted)
        of_style = {layer: features[layer] for layer in targets.style_layers}
        return sums | self._style_sums(tile, of_style, targets.style_loss, targets.guides)

    def _style_sums(
        self, tile: Tile, features: Features, style_loss: StyleLoss, guides: Mapping[str, Tensor] | None
    ) -> Sums:
        """What a tile's own positions add to the statistic of each term, and how many they are, (1,).

        A guide's weights are those of the whole picture, so that the parts of its mean are added up, and nothing is
        left to be divided by.
        """
        if not isinstance(style_loss, AddsUp):
            raise InputError(no_sum(style_loss))
        sums: Sums = {}
        for layer, maps in style_loss.maps(features).items():
            stride = self.extract.backbone.strides[layer]
            own = tuple(tile.own_of_seen(each, stride) for each in maps)
            positions = own[0].shape[-2] * own[0].shape[-1]
            if guides is not None:
                weights = tile.own(guides[layer], stride).to(own[0].device)
                sums[f"statistic/{layer}"] = style_loss.mean(own, weights)
                continue
            # A narrow last tile may have no position of a deep layer: one of zeros then, which counts nothing.
            total = style_loss.mean(own if positions else tuple(_one_position(each) for each in own)) * positions
            sums[f"statistic/{layer}"] = total
            sums[f"positions/{layer}"] = torch.full((1,), float(positions), dtype=torch.float32, device=total.device)
        return sums

    def _responses_of(self, part: Tile, picture: Tensor, layers: Iterable[str]) -> Features:
        found: Features = self.extract(part.crop(picture).to(self.extract.device), layers)
        return found


class OverRanks(InTiles):
    """Tiles that the processes of a torchrun share, see `nstlib.large.ranks`; each has the same losses and gradient."""

    def own_tiles(self, image: Tensor, targets: Comparison) -> list[Tile]:
        """The tiles that this process looks after.

        Raises:
            InputError: there are fewer tiles than processes that share them.
        """
        tiles = super().own_tiles(image, targets)
        if len(tiles) < ranks.count():
            raise InputError(
                f"the picture has {len(tiles)} tiles of {self.tile} pixels for {ranks.count()} processes; use a larger "
                "size, smaller tiles or fewer processes"
            )
        return tiles[ranks.rank() :: ranks.count()]

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Put into each tensor the sum of what all processes have there."""
        ranks.add_up(tensors)


Way = Whole | InTiles


class Ways:
    """Which way a picture takes.

    Args:
        extract: the features to compare.
        layers: all that may be asked for; tiles begin at multiples of the stride of the deepest.
        tile: larger pictures are computed in tiles of this side, rounded down to such a multiple; None for whole.
        spread: whether processes that `nstlib.large.ranks` joined share the tiles.

    Raises:
        InputError: a tile that is no whole number of pixels, or smaller than the stride.
    """

    def __init__(self, extract: FeatureExtractor, layers: Iterable[str], tile: int | None = None, spread: bool = False):
        self._extract, self._layers, self.spread = extract, list(layers), spread
        self._stride = stride_of(extract, self._layers)
        self.tile = tile

    @property
    def tile(self) -> int | None:
        """Longest side of a tile in pixels, or None where every picture is computed whole."""
        return self._tile

    @tile.setter
    def tile(self, side: int | None) -> None:
        if side is not None:
            side = self.checked(side)
            if self._extract.device.type == "cpu":
                give_back_large_blocks()
        self._tile = side

    def checked(self, side: int) -> int:
        """The side of a tile, rounded down; raises InputError for one that makes no sense."""
        return whole("the tile", side, self._stride, unit="pixels") // self._stride * self._stride

    def of(self, picture: Tensor) -> Way:
        """The way of a picture (B, 3, H, W)."""
        size, longest = size_of(picture), max(size_of(picture))
        side = longest if self._tile is None else self._tile
        if self.spread and ranks.count() > 1:
            return OverRanks(self._extract, min(side, shared_tile(size, self._stride, ranks.count())))
        return InTiles(self._extract, side) if side < longest else Whole(self._extract)

    def smaller_tile(self, image: Tensor) -> int | None:
        """The tile to go on with after memory ran out; None where it cannot be smaller."""
        longest = max(size_of(image))
        tile = smaller_tile(longest if self._tile is None else min(self._tile, longest), self._stride)
        if tile is None or self.spread:  # the ranks must all have the same tiles
            return None
        try:
            halo_of(self._extract, self._layers)
        except InputError:  # of a backbone that sees the whole picture at once
            return None
        return tile


class _Losses(torch.autograd.Function):
    """Forward is the first pass, backward the second."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, way: InTiles, targets: Comparison) -> tuple[Tensor, ...]:
        """The losses, in the order of the targets' names."""
        size = size_of(image)
        tiles = way.own_tiles(image, targets)
        sums = _added(way.sums(tile, tile.crop(image), size, targets) for tile in tiles)
        way.add_up(sums.values())
        ctx.way, ctx.targets, ctx.names = way, targets, list(sums)
        ctx.save_for_backward(image, *sums.values())
        return tuple(_losses_of(sums, size, targets))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of the weighted sum of the losses."""
        image, *saved = ctx.saved_tensors
        way, targets = ctx.way, ctx.targets
        sums = dict(zip(ctx.names, saved, strict=True))
        slopes = _slopes(sums, weights, lambda values: _losses_of(values, size_of(image), targets))
        gradient = torch.zeros_like(image)
        for tile in way.own_tiles(image, targets):
            tile.crop(gradient).add_(_tile_gradient(way, targets, tile, image, slopes))
        way.add_up([gradient])
        return gradient, None, None


def _losses_of(sums: Sums, size: Size, targets: Comparison) -> list[Tensor]:
    """From the sums over all tiles of an image (H, W) to the losses, in the order of the targets' names."""
    how = targets.normalization
    content = (content_loss_of_sums(sums[f"error/{layer}"], sums[f"norm/{layer}"], how) for layer in targets.content)
    statistics = _means(sums)
    style = (targets.of_style(statistics[layer], layer) for layer in targets.style)
    return [*content, *style, tv_loss_of_sums(sums["down"], sums["across"], size)]


def _slopes(sums: Sums, weights: Iterable[Tensor], losses: Callable[[Sums], list[Tensor]]) -> Sums:
    """The derivative of the weighted losses with respect to each sum: small, and the same for all tiles."""
    with torch.enable_grad():
        leaves = {name: value.detach().requires_grad_() for name, value in sums.items()}
        total = sum((weight * loss).sum() for weight, loss in zip(weights, losses(leaves), strict=True))
        assert isinstance(total, Tensor)
        slopes = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    return {name: slope for name, slope in zip(leaves, slopes, strict=True) if slope is not None}


def _tile_gradient(way: InTiles, targets: Comparison, tile: Tile, image: Tensor, slopes: Sums) -> Tensor:
    """What a tile adds to the gradient, of the shape of its crop."""
    with torch.enable_grad():
        seen = tile.crop(image).detach().requires_grad_()
        sums = way.sums(tile, seen, size_of(image), targets)
        moving = [name for name in slopes if sums[name].requires_grad]
        (gradient,) = torch.autograd.grad([sums[name] for name in moving], seen, [slopes[name] for name in moving])
    return gradient


def _seen(extract: FeatureExtractor, picture: Tensor) -> Tensor:
    """A picture as the network sees it, (B, 3, H, W)."""
    return picture if extract.sees == "colors" else luminance(picture).expand(-1, 3, -1, -1)


def _one_position(maps: Tensor) -> Tensor:
    """In place of maps without a position, one of zeros, which hangs on them all the same."""
    return maps.sum((2, 3), keepdim=True)


def _means(sums: Sums) -> Features:
    """From sums over all tiles to the statistics, by layer."""
    means: Features = {}
    for name, total in sums.items():
        kind, _, layer = name.partition("/")
        if kind == "statistic":
            count = sums.get(f"positions/{layer}")  # none with guides, whose weights make a mean by themselves
            means[layer] = total if count is None else total / count.view(-1, *[1] * (total.ndim - 1))
    return means


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
