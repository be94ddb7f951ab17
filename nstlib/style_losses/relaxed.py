"""The relaxed earth mover's distance: every feature near some feature of the style, and every one of these in use."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..losses import Normalization, checked, or_one
from .positions import OfSamples

# Of red, green and blue: brightness, and two differences of colors from it (ITU-R BT.601).
YUV = (0.299, 0.587, 0.114), (-0.147, -0.289, 0.436), (0.615, -0.515, -0.1)
SMALL = 2.0**-26  # a vector as short as this has no direction; a power of 4, whose root has no rounding


@dataclass(eq=False)
class Relaxed(OfSamples):
    """STROTSS (Kolkin et al. 2019, arXiv 1904.12785): relaxed earth mover's distance, moments and palette.

    At positions that are drawn anew, the same for all layers, the features are compared by the angle between them:
    max(mean_i min_j C_ij, mean_j min_i C_ij), C = 1 - cos. Angles leave lengths free, so means and covariances are
    compared beside them, and the colors of the picture at these positions by angle and distance. The authors put the
    features of all layers into one vector; here each layer has a term and a weight of its own. The relative loss is the
    mean of the three, each in its own measure. The statistic is the features with the colors below, (B, C + 3, N).
    """

    name = "relaxed"
    kept: ClassVar[int] = 2**10

    def positions(self, layer: str, response: Tensor, picture: Tensor, most: int | None = None) -> Tensor:
        """Features and colors at random places of the picture, between positions linear."""
        count, draws = self.sampled(most)

        def draw(generator: torch.Generator) -> Tensor:
            return 2 * torch.rand(1, 1, count, 2, generator=generator, dtype=torch.float32) - 1

        places = draws.of(f"{count} places", response.device, draw)
        return torch.cat([_at(places, response.float()), _at(places, picture.to(response.device).float())], 1)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """The sum of the three."""
        return torch.stack(self._parts(found, target)[0]).sum(0)

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """See `StyleLoss` and above."""
        if checked(normalization) == "paper":
            return self.distance(found, target)
        parts, of_nothing = self._parts(found, target)
        ratios = [part / or_one(norm) for part, norm in zip(parts, of_nothing, strict=True)]
        return torch.stack(ratios).mean(0)

    @staticmethod
    def _parts(found: Tensor, target: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Earth mover's distance, moments and palette, (B,) each; and of features and colors that are zero."""
        features, colors = found[:, :-3], _yuv(found[:, -3:])
        wanted, palette = target[:, :-3], _yuv(target[:, -3:])
        moments, wanted_moments = _mean_and_covariance(features), _mean_and_covariance(wanted)
        differences = [one - other for one, other in zip(moments, wanted_moments, strict=True)]
        parts = [relaxed_distance(features, wanted), _size(differences)]
        parts.append(relaxed_distance(colors, palette, by_way=True))
        nothing, black = (torch.zeros_like(each[..., :1]) for each in (wanted, palette))
        of_nothing = [relaxed_distance(nothing, wanted), _size(wanted_moments)]
        return parts, [*of_nothing, relaxed_distance(black, palette, by_way=True)]


def relaxed_distance(one: Tensor, other: Tensor, by_way: bool = False) -> Tensor:
    """max(mean_i min_j C_ij, mean_j min_i C_ij): what has to be moved at the least, both ways; (B,).

    Args:
        one: (B, C, N).
        other: (B or 1, C, M); no gradient goes there.
        by_way: whether C, 1 - cos, has the distance, divided by the root of the number of channels, beside it.
    """
    other = other.expand(len(one), -1, -1)
    with torch.no_grad():
        costs = 1 - _directions(one).mT @ _directions(other)
        if by_way:
            costs += torch.cdist(one.mT, other.mT) / one.shape[1] ** 0.5
        to, back = costs.min(2).indices, costs.min(1).indices
    # Of all these pairs the nearest alone are differentiated.
    there = _cost(one, _columns(other, to), by_way)
    return torch.maximum(there.mean(1), _cost(_columns(one, back), other, by_way).mean(1))


def _cost(one: Tensor, other: Tensor, by_way: bool) -> Tensor:
    """C of columns (B, C, N) pair by pair, (B, N)."""
    angle = 1 - (_directions(one) * _directions(other)).sum(1)
    way = ((one - other).square().mean(1) + SMALL).sqrt() - math.sqrt(SMALL)  # a root has no slope at 0
    return angle + way if by_way else angle


def _directions(columns: Tensor) -> Tensor:
    """Unit vectors of columns (B, C, N), (B, C + 1, N); what is zero has the last dimension to itself, and no gradient.

    So black is like black, and unlike all else; and nothing is divided by next to nothing.
    """
    lengths = columns.square().sum(1, keepdim=True)
    known = lengths > SMALL**2
    units = torch.where(known, columns, 0) * torch.where(known, lengths, 1).rsqrt()
    return torch.cat([units, (~known).float()], 1)


def _columns(values: Tensor, places: Tensor) -> Tensor:
    """Of values (B, C, N) the columns at places (B, M)."""
    return values.gather(2, places.unsqueeze(1).expand(-1, values.shape[1], -1))


def _at(places: Tensor, maps: Tensor) -> Tensor:
    """Maps (B, C, H, W) at places (1, 1, N, 2) from -1 to 1, (B, C, N)."""
    places = places.expand(len(maps), -1, -1, -1)
    return F.grid_sample(maps, places, mode="bilinear", padding_mode="border", align_corners=False)[:, :, 0]


def _size(tensors: Sequence[Tensor]) -> Tensor:
    """The sum of the mean absolute values, (B,)."""
    return torch.stack([each.abs().flatten(1).mean(1) for each in tensors]).sum(0)


def _mean_and_covariance(columns: Tensor) -> tuple[Tensor, Tensor]:
    mean = columns.mean(2, keepdim=True)
    away = columns - mean
    return mean, away @ away.mT / columns.shape[2]


def _yuv(colors: Tensor) -> Tensor:
    red, green, blue = colors.unbind(1)
    return torch.stack([r * red + g * green + b * blue for r, g, b in YUV], 1)
