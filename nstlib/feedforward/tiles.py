"""Pictures of any size, painted in tiles that fit together exactly.

A network that normalizes each tile by itself paints each as a picture of its own: brightness and strokes change at the
seams. Here every normalization has the mean and the variance of the whole picture. So the picture goes through the
network layer by layer, not tile by tile: a convolution of all tiles gives a normalization's statistics, then the next
convolution of all tiles sees what is normalized by them.

What lies between two layers is kept in the memory of the CPU, but for responses of the full size, which are the largest
by far: those two are computed again where the next layer needs them. That is 1.2 times the multiplications of the whole
picture at once; measured at 1024 x 1024 on one core, 1.9 times the time. (Keeping nothing, and going through the
network anew for each of the sixteen normalizations, would be 7.4 times the multiplications.) Kept at once, at most, are
the picture and three responses of a residual block, 4 float32 a pixel each at half of Johnson's width: 60 bytes a
pixel, 1 GB at 4096 x 4096, where the whole process was measured at 1.6 GB. All else is of the size of a tile.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..base.checks import Size, size_of
from .layers import EPS, Convolution, Layered, colored

Affines = Iterator[tuple[Tensor, Tensor]]


def in_tiles(
    network: Layered, picture: Tensor, row: Tensor, side: int, advance: Callable[[], object] = lambda: None
) -> Tensor:
    """What `StyleNetwork.forward` makes of a picture, from tiles; without gradients.

    Args:
        network: that paints.
        picture: (B, 3, H, W), whose sides are multiples of 4; on any device.
        row: gammas, betas and how much of the picture is added, (B or 1, numbers).
        side: of the tiles, in pixels, a multiple of 4. See `painting.pixel_bytes` for what one takes.
        advance: called after each tile of each layer.

    Returns:
        (B, 3, H, W), float32 or better, in the memory of the CPU.
    """
    painter = Painter(network.device, network.affines(row), side, advance, size_of(picture))
    first, *rest, last = network.convolutions
    shrinking, residual, (enlarging, widest) = rest[:2], rest[2:-2], rest[-2:]
    # No more is kept than the next layer needs: each step lets go of what it began with.
    source = painter.layer(painter.kept(picture, network.dtype), first, keep=False)
    for convolution in shrinking:
        source = painter.layer(source, convolution)
    maps = painter.written(source)
    del source
    for pair in zip(residual[::2], residual[1::2], strict=True):
        _add_block(painter, maps, *pair)
    source = painter.layer(painter.kept(maps), enlarging)
    del maps
    source = painter.layer(source, widest, keep=False)
    source = painter.layer(source, last, relu=False, precise=True)
    skip = network.skip(row)
    return painter.written(lambda area: colored(source(area), area.of(picture).to(network.device), skip))


def _add_block(painter: "Painter", maps: Tensor, first: Convolution, second: Convolution) -> None:
    """Add what a residual block finds in maps to them."""
    inner = painter.layer(painter.kept(maps), first)
    outer = painter.layer(inner, second, relu=False)
    del inner
    painter.add(outer, maps)


@dataclass(frozen=True)
class Area:
    """A rectangle of maps, in positions: `top` to `bottom`, `left` to `right`, ends not included."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, maps: Tensor) -> Tensor:
        """Its part of maps (..., H, W); a view."""
        return maps[..., self.top : self.bottom, self.left : self.right]


Source = Callable[[Area], Tensor]  # maps that may be kept or computed: any area of them, on the network's device


def areas(size: Size, side: int) -> list[Area]:
    """Maps (H, W) cut into squares of this side; at the bottom and at the right is what is left over."""
    height, width = size
    return [
        Area(top, min(top + side, height), left, min(left + side, width))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


@dataclass
class Painter:
    """Takes a picture through a network's layers, one after the other, each in tiles.

    Attributes:
        device: of the network.
        affines: gamma and beta of the normalizations to come, (B or 1, C) each.
        side: of a tile, in pixels of the picture; a multiple of 4.
        advance: called after each tile of each layer.
        stride: pixels of the picture a position of the maps so far.
        size: of the maps so far (H, W).
    """

    device: torch.device
    affines: Affines
    side: int
    advance: Callable[[], object]
    size: Size
    stride: int = 1

    def kept(self, maps: Tensor, dtype: torch.dtype | None = None) -> Source:
        """Maps that lie in memory as the source for a layer, which may see them in another precision."""
        return lambda area: area.of(maps).to(self.device, dtype)

    def layer(
        self, source: Source, convolution: Convolution, *, keep: bool = True, relu: bool = True, precise: bool = False
    ) -> Source:
        """The normalized response of a convolution: once over all tiles for its mean and variance.

        Args:
            source: what the convolution sees.
            convolution: the layer.
            keep: the response lies in memory from then on; otherwise it is computed anew wherever it is asked for.
            relu: what is normalized is rectified.
            precise: what is normalized has at least float32, whatever the network's precision.
        """
        raw, statistics = self._convolved(source, convolution), Statistics()

        def seen(area: Area) -> Tensor:
            response = raw(area)
            statistics.add(response)
            self.advance()
            return response

        if keep:
            raw = self.kept(self.written(seen))
        else:
            for area in self._areas():
                seen(area)
        return _normalized(raw, *statistics.affine(*next(self.affines)), relu, precise)

    def add(self, source: Source, maps: Tensor) -> None:
        """Add what a residual block found to the maps that lie in memory."""
        for area in self._areas():
            area.of(maps).copy_(area.of(maps).to(self.device) + source(area))

    def written(self, source: Source) -> Tensor:
        """All of a source in memory."""
        memory: Tensor | None = None
        for area in self._areas():
            part = source(area)
            if memory is None:
                memory = torch.empty(*part.shape[:2], *self.size, dtype=part.dtype, device="cpu")
            area.of(memory).copy_(part)
        assert memory is not None
        return memory

    def _areas(self) -> list[Area]:
        return areas(self.size, self.side // self.stride)

    def _convolved(self, source: Source, convolution: Convolution) -> Source:
        """The response of a convolution, whose size becomes that of the maps so far."""
        height, width = self.size
        enlarge, stride = convolution.enlarge, convolution.stride
        self.size = height * enlarge // stride, width * enlarge // stride
        self.stride = self.stride * stride // enlarge

        def crop(area: Area) -> Tensor:
            down = _seen(area.top, area.bottom, height, convolution)
            across = _seen(area.left, area.right, width, convolution)
            seen = convolution.enlarged(source(Area(down.first, down.last, across.first, across.last)))
            seen = seen[..., down.within, across.within]
            return convolution.convolved(F.pad(seen, (*across.beyond, *down.beyond), mode="reflect"))

        return crop


def _normalized(raw: Source, scale: Tensor, shift: Tensor, relu: bool, precise: bool) -> Source:
    """z = scale x + shift of a response x, rectified if asked for."""

    def crop(area: Area) -> Tensor:
        response = raw(area)
        z = torch.addcmul(shift, response.to(scale.dtype), scale)
        z = z if precise else z.to(response.dtype)
        return z.relu_() if relu else z

    return crop


@dataclass(frozen=True)
class _Seen:
    """What a convolution sees for some positions of its response, along one axis.

    Attributes:
        first, last: which positions of its source.
        within: the part of them that it sees, once they are enlarged.
        beyond: how many it sees beyond either end of the whole: there it is continued by reflection.
    """

    first: int
    last: int
    within: slice
    beyond: tuple[int, int]


def _seen(start: int, stop: int, length: int, convolution: Convolution) -> _Seen:
    """For positions from `start` to `stop` of the response to a source of this length."""
    enlarge, reach, stride = convolution.enlarge, convolution.reach, convolution.stride
    begin, end = start * stride - reach, (stop - 1) * stride + reach + 1
    low, high = max(begin, 0), min(end, length * enlarge)
    first, last = low // enlarge, -(-high // enlarge)
    return _Seen(first, last, slice(low - first * enlarge, high - first * enlarge), (low - begin, end - high))


class Statistics:
    """Mean and variance of each channel over all tiles, in float64, from those of each tile.

    Chan et al. 1979's update, which never takes the difference of two large sums. On the CPU: it is a few numbers.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = self._squares = torch.zeros((), dtype=torch.float64, device="cpu")

    def add(self, response: Tensor) -> None:
        """Add a tile's response (B, C, H, W)."""
        response = response.to(torch.promote_types(response.dtype, torch.float32))
        count = response.shape[2] * response.shape[3]
        variance, mean = (each.cpu().double() for each in torch.var_mean(response, (2, 3), correction=0, keepdim=True))
        total = self._count + count
        away = mean - self._mean
        self._mean = self._mean + away * (count / total)
        self._squares = self._squares + variance * count + away.square() * (self._count * count / total)
        self._count = total

    def affine(self, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift (B, C, 1, 1) that make of x what `layers.normalize` makes of it: z = scale x + shift."""
        of_style = [each.cpu().double()[:, :, None, None] for each in (gamma, beta)]
        scale = of_style[0] / self._deviation
        shift = of_style[1] - scale * self._mean
        return scale.to(gamma), shift.to(gamma)

    def moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation (B, C), what `any_style.moments` gives; in a tensor's precision, on its device."""
        return self._mean[:, :, 0, 0].to(like), self._deviation[:, :, 0, 0].to(like)

    @property
    def _deviation(self) -> Tensor:
        return (self._squares / self._count + EPS).sqrt()
