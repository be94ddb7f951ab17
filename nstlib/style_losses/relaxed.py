"""The relaxed earth mover's distance: every feature near some feature of the style, and every one of these in use."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..losses import Normalization, or_one
from .draws import Draws
from .positions import OfPositions

# Of red, green and blue: brightness, and two differences of colors from it (ITU-R BT.601).
YUV = (0.299, 0.587, 0.114), (-0.147, -0.289, 0.436), (0.615, -0.515, -0.1)
SMALL = 2.0**-26  # a vector as short as this has no direction; its root is exact


@dataclass(eq=False)
class Relaxed(OfPositions):
    """STROTSS (Kolkin et al. 2019, arXiv 1904.12785): relaxed earth mover's distance, moments and palette.

    At positions that are drawn anew, the same for all layers, the features are compared by the angle between them:
    max(mean_i min_j C_ij, mean_j min_i C_ij), C = 1 - cos. Angles leave lengths free, so means and covariances are
    compared beside them, and the colors of the picture at these positions by angle and distance. The authors put the
    features of all layers into one vector; here each layer has a term and a weight of its own. The relative loss is the
    mean of the three, each in its own measure. The statistic is the features with the colors below, (B, C + 3, N).

    Attributes:
        compared: positions of a picture in a step.
    """

    name = "relaxed"
    compared: int = 2**10
    kept: ClassVar[int] = 2**11

    def positions(self, layer: str, response: Tensor, picture: Tensor, most: int | None = None) -> Tensor:
        """Features and colors at random places of the picture, between positions linear."""
        count = self.compared if most is None else most
        draws = self._drawing if most is None else Draws(self.seed)

        def draw(generator: torch.Generator) -> Tensor:
            return 2 * torch.rand(1, 1, count, 2, generator=generator, dtype=torch.float32) - 1

        places = draws.of(f"{count} places", response.device, draw)
        return torch.cat([_at(places, response.float()), _at(places, picture.to(response.device).float())], 1)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """The sum of the three."""
        distance: Tensor = sum(self._parts(found, target))  # type: ignore[assignment]
        return distance

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """See `StyleLoss` and above."""
        if normalization == "paper":
            return self.distance(found, target)
        of_nothing = self._parts(torch.zeros_like(target[..., :1]), target)
        parts = zip(self._parts(found, target), of_nothing, strict=True)
        return torch.stack([part / or_one(norm) for part, norm in parts]).mean(0)

    @staticmethod
    def _parts(found: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Earth mover's distance, moments, palette; (B,) each."""
        features, colors = found[:, :-3], _yuv(found[:, -3:])
        wanted, palette = target[:, :-3], _yuv(target[:, -3:])
        angles = relaxed_distance(_cosine(features, wanted))
        return angles, _moments(features, wanted), relaxed_distance(_cosine(colors, palette) + _length(colors, palette))


def relaxed_distance(costs: Tensor) -> Tensor:
    """max(mean_i min_j C_ij, mean_j min_i C_ij) of costs (B, N, M): what has to be moved at the least, both ways."""
    return torch.maximum(costs.amin(2).mean(1), costs.amin(1).mean(1))


def _at(places: Tensor, maps: Tensor) -> Tensor:
    """Maps (B, C, H, W) at places (1, 1, N, 2) from -1 to 1, (B, C, N)."""
    places = places.expand(len(maps), -1, -1, -1)
    return F.grid_sample(maps, places, mode="bilinear", padding_mode="border", align_corners=False)[:, :, 0]


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    """1 - cos of columns (B, C, N) and (B or 1, C, M): (B, N, M)."""
    return 1 - _directions(one).mT @ _directions(other)


def _directions(columns: Tensor) -> Tensor:
    """Unit vectors of columns (B, C, N), (B, C + 1, N); what is zero has the last dimension to itself, and no gradient.

    So black is like black, and unlike all else; and nothing is divided by next to nothing.
    """
    lengths = columns.square().sum(1, keepdim=True)
    known = lengths > SMALL**2
    units = torch.where(known, columns, 0) * torch.where(known, lengths, 1).rsqrt()
    return torch.cat([units, (~known).float()], 1)


def _length(one: Tensor, other: Tensor) -> Tensor:
    """Distances of columns (B, C, N) and (B or 1, C, M), divided by the root of C: (B, N, M)."""
    squares = one.square().sum(1).unsqueeze(2) + other.square().sum(1).unsqueeze(1) - 2 * one.mT @ other
    return (squares.clamp(min=0) / one.shape[1] + SMALL).sqrt() - math.sqrt(SMALL)


def _moments(one: Tensor, other: Tensor) -> Tensor:
    """Mean differences of means and of covariances."""
    (mean, spread), (wanted, wanted_spread) = _mean_and_covariance(one), _mean_and_covariance(other)
    return (mean - wanted).abs().flatten(1).mean(1) + (spread - wanted_spread).abs().flatten(1).mean(1)


def _mean_and_covariance(columns: Tensor) -> tuple[Tensor, Tensor]:
    mean = columns.mean(2, keepdim=True)
    away = columns - mean
    return mean, away @ away.mT / columns.shape[2]


def _yuv(colors: Tensor) -> Tensor:
    red, green, blue = colors.unbind(1)
    return torch.stack([r * red + g * green + b * blue for r, g, b in YUV], 1)
