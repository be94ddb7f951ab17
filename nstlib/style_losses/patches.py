"""Markov random fields: each patch of a picture is to be some patch of the style."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..losses import Normalization, checked, or_one
from .positions import OfSamples

SIDE = 3  # positions of a patch, down and across
AT_ONCE = 2**22  # similarities that are held in memory


@dataclass(eq=False)
class Patches(OfSamples):
    """Each patch of 3 x 3 positions is compared with the nearest of the style's (Li and Wand 2016, arXiv 1601.04589).

    Nearest is the one of the largest normalized correlation. Patches keep what the style's own neighborhoods look
    like, and may well use a few of them for everything. Of a layer with many positions a random sample of patches is
    compared, drawn anew at each renewal. The relative loss is the squared error divided by the squared norm of what was
    found.
    """

    name = "patches"
    kept: ClassVar[int] = 2**11

    def positions(self, layer: str, response: Tensor, picture: Tensor, most: int | None = None) -> Tensor:
        """Patches (B, 9 C, N)."""
        maps = _at_least_a_patch(response.float())
        height, width = maps.shape[-2] - SIDE + 1, maps.shape[-1] - SIDE + 1
        count, draws = self.sampled(most)
        if most is None and height * width <= count:
            return F.unfold(maps, SIDE)

        def draw(generator: torch.Generator) -> Tensor:
            return torch.randperm(height * width, generator=generator)[:count]

        corners = draws.of(f"patches of {layer} in {height} x {width}", maps.device, draw)
        steps = torch.arange(SIDE, device=maps.device)
        within = (steps[:, None] * maps.shape[-1] + steps).flatten()
        first = corners // width * maps.shape[-1] + corners % width
        places = (within[:, None] + first).flatten()
        found = maps.flatten(2).index_select(2, places)
        return found.view(len(maps), maps.shape[1] * SIDE**2, -1)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """The mean square of the difference to the nearest."""
        return (found - nearest(found, target)).flatten(1).square().mean(1)

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """See `StyleLoss` and above."""
        wanted = nearest(found, target)
        distance = (found - wanted).flatten(1).square().mean(1)
        return distance if checked(normalization) == "paper" else distance / or_one(wanted.flatten(1).square().mean(1))


@torch.no_grad()
def nearest(found: Tensor, target: Tensor) -> Tensor:
    """For each column of (B, C, N) the one of the target, (B or 1, C, M), with the largest normalized correlation.

    Memory holds `AT_ONCE` similarities at a time.
    """
    target = target.expand(len(found), -1, -1)
    directions = F.normalize(target, dim=1).mT
    chunk = max(AT_ONCE // (len(found) * target.shape[-1]), 1)
    places = torch.cat([(directions @ part).argmax(1) for part in torch.split(found, chunk, -1)], 1)
    return target.gather(2, places.unsqueeze(1).expand(-1, target.shape[1], -1))


def _at_least_a_patch(maps: Tensor) -> Tensor:
    """Maps smaller than a patch with their last row and column repeated."""
    down, across = max(SIDE - maps.shape[-2], 0), max(SIDE - maps.shape[-1], 0)
    return F.pad(maps, (0, across, 0, down), mode="replicate") if down or across else maps
