"""Style losses that compare positions with positions: no sums, so that they need all of a picture at once.

The target is a number of positions of the style, drawn once. Of several styles, as many of each as its share says.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..base.checks import whole
from ..errors import InputError
from .draws import Draws
from .statistics import StyleLoss, no_masks


@dataclass(eq=False)
class OfPositions(StyleLoss):
    """A style loss whose statistics are features at positions, (B, C', N), in no order.

    Attributes:
        seed: of what is random, which a run renews between its steps.
        kept: how many positions of a style are kept at most; more are drawn from, once.
    """

    adds_up = False
    random = True
    seed: int = 0
    kept: ClassVar[int] = 2**14

    def __post_init__(self) -> None:
        self.seed = whole("the seed", self.seed)
        self.draws = self._drawing = Draws(self.seed)

    @abstractmethod
    def positions(self, layer: str, response: Tensor, picture: Tensor, most: int | None = None) -> Tensor:
        """The features of a layer (B, C, H', W') at its positions, (B, C', N); at no more than `most`."""

    def statistics(
        self, features: Mapping[str, Tensor], picture: Tensor, guides: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """See `StyleLoss`."""
        self._refuse(guides)
        return {layer: self.positions(layer, response, picture) for layer, response in features.items()}

    def of_style(
        self, features: Mapping[str, Tensor], picture: Tensor, guides: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Positions in random order, so that the first of them are a sample of all."""
        self._refuse(guides)
        return {layer: self.positions(layer, response, picture, self.kept) for layer, response in features.items()}

    def mixed(self, statistics: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """Of each style as many positions as its share says, in all as many as the largest has."""
        return mixed_positions(statistics, shares)

    def chosen(self, name: str, values: Tensor, most: int | None) -> Tensor:
        """Of values (B, C, N) those at no more than `most` positions, in the order in which they are drawn."""
        count = values.shape[-1]
        if most is None:
            return values
        order = Draws(self.seed).of(
            name, values.device, lambda generator: torch.randperm(count, generator=generator)[:most]
        )
        return values.index_select(-1, order)

    def _refuse(self, guides: Mapping[str, Tensor] | None) -> None:
        if guides is not None:
            raise InputError(no_masks(self.name))


@dataclass(eq=False)
class OfSamples(OfPositions):
    """A style loss that compares a sample of positions, another one at each renewal.

    Attributes:
        compared: how many of a picture are compared in a step, at most.
    """

    compared: int = 2**10

    def __post_init__(self) -> None:
        super().__post_init__()
        self.compared = whole("compared", self.compared, 1)

    def sampled(self, most: int | None) -> tuple[int, Draws]:
        """How many positions, and what draws them; those of a style, of which `most` are kept, are drawn once."""
        return (self.compared, self._drawing) if most is None else (most, Draws(self.seed))


def mixed_positions(statistics: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Positions (B or 1, C, N) of several styles, of each as many as its share says: (B or 1, C, N of the largest)."""
    batch, most = max(map(len, statistics)), max(each.shape[-1] for each in statistics)
    ends = [round(most * sum(shares[: place + 1])) for place in range(len(shares))]
    parts = [
        each.to(statistics[0].device)[..., torch.arange(end - begin, device=statistics[0].device) % each.shape[-1]]
        for each, begin, end in zip(statistics, [0, *ends], ends, strict=False)
    ]
    return torch.cat([part.expand(batch, -1, -1) for part in parts], -1)


def ranked(values: Tensor, target: Tensor) -> Tensor:
    """For each value the one of the same rank in the target: how the distribution comes over at the least cost.

    Args:
        values: (B, D, N).
        target: (B or 1, D, M), sorted along M; between its values it is linear.

    Returns:
        (B, D, N), without a gradient.
    """
    with torch.no_grad():
        wanted = target.expand(len(values), -1, -1)
        if target.shape[-1] != values.shape[-1]:
            wanted = F.interpolate(wanted, values.shape[-1], mode="linear")
        return torch.empty_like(values).scatter_(-1, order_of(values), wanted)


def order_of(values: Tensor) -> Tensor:
    """As `Tensor.argsort` along the last axis. On a CPU by NumPy, which takes a fraction of torch's time."""
    if values.device.type != "cpu":
        return values.argsort(-1)
    return torch.from_numpy(np.argsort(values.detach().numpy(), -1))


def in_order(values: Tensor) -> Tensor:
    """Sorted along the last axis, without a gradient; likewise."""
    if values.device.type != "cpu":
        return values.detach().sort(-1).values
    return torch.from_numpy(np.sort(values.detach().numpy(), -1))
