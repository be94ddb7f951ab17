"""The sliced Wasserstein distance: distributions compared along random directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..base.checks import whole
from ..base.devices import without_autocast
from ..losses import Normalization, checked, gram, or_one, style_loss
from .positions import OfPositions, in_order, mixed_positions, ranked


@dataclass(eq=False)
class Sliced(OfPositions):
    """Squared Wasserstein distance along random directions, their mean (Heitz et al. 2021, arXiv 2006.07229).

    Features are projected on unit vectors and sorted: in one dimension the cheapest way from one distribution to
    another keeps the order. Zero means equal distributions, not equal moments alone. A layer with many positions gets
    fewer directions, drawn anew at each renewal; the expected value is the same.

    Attributes:
        work: directions times positions of a layer, at most; but two directions at least.
    """

    name = "sliced"
    work: int = 2**18
    fewest: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.work = whole("work", self.work, 1)

    def positions(self, layer: str, response: Tensor, picture: Tensor, most: int | None = None) -> Tensor:
        """All of them, (B, C, N)."""
        return self.chosen(layer, response.flatten(2).float(), most)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """The mean over directions and positions of the squared way."""
        return self._distances(found, target)[0]

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """See `StyleLoss`; nothing at all is as far as the target along the same directions."""
        distance, of_nothing = self._distances(found, target)
        return distance if checked(normalization) == "paper" else distance / or_one(of_nothing)

    def _distances(self, found: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        directions = self._directions(found)
        with without_autocast(found.device):
            values = (found.mT @ directions.mT).mT  # so that the gradient has the features' order in memory
            matched = ranked(values, in_order(directions @ target))
        return _mean_square(values - matched), _mean_square(matched)

    def _directions(self, found: Tensor) -> Tensor:
        """Unit vectors (D, C)."""
        channels, positions = found.shape[1:]
        count = min(channels, max(self.work // positions, self.fewest))

        def draw(generator: torch.Generator) -> Tensor:
            vectors = torch.randn(count, channels, generator=generator, dtype=torch.float32)
            return F.normalize(vectors, dim=1)

        return self._drawing.of(f"{count} directions of {channels}", found.device, draw)


@dataclass(eq=False)
class Histogram(OfPositions):
    """The Gram loss and the distance of each channel's histogram, beside each other (Risser et al. 2017, 1701.08893).

    Each value of a channel is to become the one of the same rank in the style. The Gram matrix alone leaves a channel
    free to trade its mean for its spread, which shows as drifting brightness. The statistic has both side by side,
    (B, C, C + N).
    """

    name = "histogram"
    random = False

    def positions(self, layer: str, response: Tensor, picture: Tensor, most: int | None = None) -> Tensor:
        """The Gram matrix, and positions, no more than `most`."""
        return torch.cat([gram(response), self.chosen(layer, response.flatten(2).float(), most)], 2)

    def mixed(self, statistics: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """The mean of the matrices, and of each style as many positions as its share says."""
        channels = statistics[0].shape[1]
        matrix = sum(share * each[..., :channels] for each, share in zip(statistics, shares, strict=True))
        assert isinstance(matrix, Tensor)
        positions = mixed_positions([each[..., channels:] for each in statistics], shares)
        return torch.cat([matrix.expand(len(positions), -1, -1), positions], 2)

    def finished(self, target: Tensor) -> Tensor:
        """Each channel's values sorted."""
        channels = target.shape[1]
        return torch.cat([target[..., :channels], in_order(target[..., channels:])], -1)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """Equation 4 of Gatys et al., and the mean over channels and positions of the squared way."""
        matrices, ways, _ = self._compared(found, target)
        return style_loss(*matrices, "paper") + ways

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """See `StyleLoss`; relative is the mean of both, each in its own measure."""
        if checked(normalization) == "paper":
            return self.distance(found, target)
        matrices, ways, of_nothing = self._compared(found, target)
        return (style_loss(*matrices, "relative") + ways / or_one(of_nothing)) / 2

    @staticmethod
    def _compared(found: Tensor, target: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        channels = found.shape[1]
        values = found[..., channels:]
        matched = ranked(values, target[..., channels:])  # which is sorted once, when it is finished
        return (found[..., :channels], target[..., :channels]), _mean_square(values - matched), _mean_square(matched)


def _mean_square(values: Tensor) -> Tensor:
    return values.flatten(1).square().mean(1)
