"""The two layers of a network that paints: a convolution, and a normalization that a style steers.

Each convolution continues what it sees by reflection, as far as it reaches itself; the picture is not continued once,
for all of them. So a response has exactly one position for each pixel (or 2 x 2, or 4 x 4 pixels): the mean and the
variance of the whole picture count each place once and nothing that was made up, a picture of eight pixels is enough,
and a tile needs from its neighbors what one convolution reaches, at most four positions, in place of all that the
network does. At a border the reflection of a tile is that of the picture, so that tiles are exact there too.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..base.devices import without_autocast
from ..errors import InputError

EPS = 1e-5  # added to variances: Dumoulin et al.'s, and everybody's
DARKEST = 1e-3  # and the brightest as far from 1: the logit of black has no bounds
STRIDE = 4  # of the residual blocks; sides of what goes through the network are multiples of it
MOST_NUMBERS = 50_000_000  # of a network: 200 MB, and thirty times Johnson et al.'s
HALF = (torch.float16, torch.bfloat16)
# Devices on which torch normalizes such maps with float32's means, variances, gammas and betas; on others it may not.
COMPUTES_HALF_IN_FLOAT32 = ("cpu", "cuda")
SMALLEST = 8  # pixels a side, so that the first convolution, and those of the blocks, can continue by reflection


def check_numbers(count: int) -> None:
    """Refuse a network that would be far too large, before memory is taken: its sizes may be those of a damaged file.

    Raises:
        InputError: it would have more than fifty million numbers.
    """
    if count > MOST_NUMBERS:
        raise InputError(
            f"the network would have {count:,} numbers; expected {MOST_NUMBERS:,} at most: give smaller widths, fewer "
            "blocks or fewer styles"
        )


class Layered(Protocol):
    """A network of these layers, as what paints with it sees it; see `network.StyleNetwork`."""

    widths: tuple[int, int, int]

    @property
    def convolutions(self) -> "list[Convolution]":
        """In the order in which a picture goes through them; a normalization follows each."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which the convolutions compute."""

    def affines(self, row: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """gamma and beta of each normalization, in a row (B, numbers)."""

    def skip(self, row: Tensor) -> Tensor:
        """How much of the picture's own colors is added to what the last layer gives, (B, 1, 1, 1)."""


class Convolution(nn.Module):
    """A convolution of the picture continued by reflection, enlarged before it where it is asked to be.

    Args:
        channels, filters: of what it sees, and of what it gives.
        kernel: side of its filters, odd.
        stride: every how many positions it looks.
        enlarge: how often each row and column is repeated before.
        bias: a number for each filter is added; a normalization after it would take that away again.
    """

    def __init__(
        self, channels: int, filters: int, kernel: int, stride: int = 1, enlarge: int = 1, *, bias: bool = False
    ):
        super().__init__()
        shape = filters, channels, kernel, kernel
        self.weight = nn.Parameter(torch.empty(shape, dtype=torch.float32, device="cpu"))
        self.bias = nn.Parameter(torch.zeros(filters, dtype=torch.float32, device="cpu")) if bias else None
        self.reach, self.stride, self.enlarge = kernel // 2, stride, enlarge

    def initialize(self, generator: torch.Generator) -> None:
        """Normal weights of variance 2 / fan_in (He et al. 2015, arXiv 1502.01852, equation 10).

        The normalization takes the scale of a response away, but for `EPS`: with Dumoulin et al.'s deviation of 0.01,
        the first responses to a picture of little contrast would have variances near it.
        """
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu", generator=generator)

    def forward(self, maps: Tensor) -> Tensor:
        """From maps (B, C, H, W) to (B, C', H * enlarge / stride, W * enlarge / stride); H and W divide so."""
        if torch.is_grad_enabled() and (self.enlarge, self.reach, self.stride) == (2, 1, 1):
            return self._by_phases(maps)
        return self.convolved(_continued(self.enlarged(maps), self.reach, "reflect"))

    def _by_phases(self, maps: Tensor) -> Tensor:
        """The same, by four filters on the maps as they are, for the four places that each position becomes.

        Of three neighboring rows two are copies of one, so that a filter's weights for them add up; and the row that
        reflection puts before the first is a copy of the first. With its gradient, and in bfloat16 on an Intel Xeon, it
        took two fifths of the time where maps become 256 x 256, and two thirds where they become 128 x 128. Without a
        gradient it took hardly less, and what is the same everywhere would not stay so to the last digit: the two ways
        differ by rounding.
        """
        phases = _before_enlarging(_before_enlarging(self.weight, -2), -1)
        filters = phases.permute(2, 1, 0, 3, 4, 5).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat_interleave(4)
        return F.pixel_shuffle(F.conv2d(_continued(maps, 1, "replicate"), filters, bias), 2)

    def enlarged(self, maps: Tensor) -> Tensor:
        """Each row and each column as often as the convolution wants it."""
        return maps if self.enlarge == 1 else F.interpolate(maps, scale_factor=float(self.enlarge), mode="nearest")

    def convolved(self, continued: Tensor) -> Tensor:
        """What is left of maps that reach beyond the response on all sides already."""
        return F.conv2d(continued, self.weight, self.bias, stride=self.stride)

    def extra_repr(self) -> str:
        """What print shows."""
        filters, channels, kernel, _ = self.weight.shape
        return f"{channels}, {filters}, kernel={kernel}, stride={self.stride}, enlarge={self.enlarge}"


def _before_enlarging(filters: Tensor, axis: int) -> Tensor:
    """What three rows (or columns) of enlarged maps are to filters, as what three of the maps themselves are to them.

    Args:
        filters: with a length of 3 along the axis.
        axis: counted from the end.

    Returns:
        (2, ...): for the even rows of the enlarged maps, and for the odd ones.
    """
    first, middle, last = filters.unbind(axis)
    nothing = torch.zeros_like(first)
    even, odd = (first, middle + last, nothing), (nothing, first + middle, last)
    return torch.stack([torch.stack(rows, axis) for rows in (even, odd)])


def _continued(maps: Tensor, reach: int, mode: str) -> Tensor:
    """Maps continued on all sides, in their own precision: autocast on a CPU would do it in float32, for nothing."""
    if not reach:
        return maps
    with without_autocast(maps.device):
        return F.pad(maps, (reach,) * 4, mode=mode)


def normalize(response: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Conditional instance normalization, z = gamma_s (x - mu) / sigma + beta_s, Dumoulin et al.'s equation 5.

    mu and sigma^2 are the mean and the variance (over n, not n - 1) of each channel of each picture, over its
    positions, in float32 at least, whatever precision the response has.

    Args:
        response: x, (B or 1, C, H, W), of two positions or more.
        gamma, beta: of each picture's style, (B or 1, C) in float32 or better.

    Returns:
        z, (B, C, H, W), in the response's precision.
    """
    batch, (_, channels, height, width) = max(len(response), len(gamma)), response.shape
    # A batch's normalization with a channel for each channel of each picture: one pass of torch's own code, which
    # keeps for the gradient nothing but x. Written out, it took 2.5 to 4 times as long on a CPU.
    x = response.expand(batch, -1, -1, -1).reshape(1, batch * channels, height, width)
    gamma, beta = (each.expand(batch, -1).reshape(-1) for each in (gamma, beta))
    if not (x.dtype in HALF and gamma.dtype == torch.float32 and x.device.type in COMPUTES_HALF_IN_FLOAT32):
        x = x.to(gamma.dtype)
    z = F.batch_norm(x, None, None, gamma, beta, training=True, eps=EPS)
    return z.to(response.dtype).view(batch, channels, height, width)


def colored(colors: Tensor, pictures: Tensor, skip: Tensor) -> Tensor:
    """The painted pictures: sigmoid(x + skip * logit(p)), of what the last layer gives and the pictures themselves.

    Args:
        colors: x, (B, 3, H, W), in float32 or better.
        pictures: p, (B or 1, 3, H, W) in [0, 1].
        skip: (B or 1, 1, 1, 1); with 1, and x = 0, the picture comes back, within `DARKEST`.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    return torch.addcmul(colors, skip, pictures.to(colors).clamp(DARKEST, 1 - DARKEST).logit()).sigmoid()


def continued(pictures: Tensor, stride: int = STRIDE, smallest: int = SMALLEST) -> Tensor:
    """Pictures (B, 3, H, W) continued below and to the right, until their sides are multiples of a stride.

    By reflection; where a side is too short for it, at most half of the smallest side, by the outermost pixels.
    """
    for axis, side in ((-2, pictures.shape[-2]), (-1, pictures.shape[-1])):
        more = max(-(-side // stride) * stride, smallest) - side
        if more:
            place = (0, more, 0, 0) if axis == -1 else (0, 0, 0, more)
            pictures = F.pad(pictures, place, mode="reflect" if more < side else "replicate")
    return pictures
