"""The correlation chain: which channels of neighboring layers respond together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from ..base.checks import instance, number
from ..base.devices import without_autocast
from ..errors import InputError
from ..losses import Normalization, checked, or_one, sum_of_squares
from .means import SHIFTS
from .statistics import Maps, OfMeans


@dataclass(eq=False)
class Chain(OfMeans):
    """Gram matrices across neighboring layers, F^l up(F^k)^T (Novak and Nikulin, arXiv 1605.04603).

    Layer k is the next deeper one; up enlarges its response to layer l's positions. The term is called after layer l,
    and the deepest layer has none of its own. The statistic is this matrix with the means of F^l beside it and those
    of F^k below it, (B, C_l + 1, C_k + 1).

    Attributes:
        shift: s of F + s, as with `Shifted`; relative, in units of each layer's mean response.
        blur: whether responses are blurred before the product, by weights 1 2 1 down and across.
    """

    name = "chain"
    across_layers = True
    shift: float = 0.0
    blur: bool = False

    def __post_init__(self) -> None:
        self.shift, self.blur = number("the shift", self.shift, *SHIFTS), instance("blur", bool, self.blur)

    @property
    def beyond(self) -> int:  # type: ignore[override]
        """Rows that pooling cut off go with the last deep position, maybe in the next tile; a blur sees one more."""
        return 1 + self.blur

    def terms(self, layers: Sequence[str]) -> list[str]:
        """All but the deepest."""
        if len(layers) < 2:
            raise InputError(f"a chain has two layers at least; here is {', '.join(layers) or 'none'}")
        return list(layers[:-1])

    def needs(self, terms: Sequence[str], layers: Sequence[str]) -> list[str]:
        """Each with the next deeper one."""
        pairs = [pair for pair in pairwise(layers) if pair[0] in terms]
        return [layer for layer in layers if any(layer in pair for pair in pairs)]

    def maps(self, features: Mapping[str, Tensor]) -> dict[str, Maps]:
        """Of each layer the response, and that of the next deeper one in its size."""
        wide = {layer: response.float() for layer, response in features.items()}
        prepared = {layer: blurred(response) if self.blur else response for layer, response in wide.items()}
        return {
            shallow: (prepared[shallow], enlarged(prepared[deep], prepared[shallow]))
            for shallow, deep in pairwise(prepared)
        }

    def mean(self, maps: Maps, guides: Tensor | None = None) -> Tensor:
        """F^l up(F^k)^T, a mean over positions, with the means of both."""
        shallow, deep = (response.flatten(2).float() for response in maps)
        with without_autocast(shallow.device):
            if guides is None:
                return _bordered(shallow @ deep.mT / shallow.shape[2], shallow.mean(2), deep.mean(2))
            weights = guides.flatten(1).float()
            regions = [_bordered((shallow * each) @ deep.mT, shallow @ each, deep @ each) for each in weights]
        return torch.stack(regions, 1)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """1/(4 C_l C_k) sum of squares."""
        one = torch.ones_like(target[..., -1, -1])
        return self._distance(found, target, (one, one))

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """See `StyleLoss` and above."""
        if checked(normalization) == "paper":
            return self.distance(found, target)
        units = target[..., :-1, -1].mean(-1), target[..., -1, :-1].mean(-1)
        of_nothing = self._distance(torch.zeros_like(target), target, units)
        return self._distance(found, target, units) / or_one(of_nothing)

    def _distance(self, found: Tensor, target: Tensor, units: tuple[Tensor, Tensor]) -> Tensor:
        error = self._matrix(found, units) - self._matrix(target, units)
        return sum_of_squares(error) / (4 * error.shape[-2] * error.shape[-1])

    def _matrix(self, statistic: Tensor, units: tuple[Tensor, Tensor]) -> Tensor:
        """(F^l + s)(up(F^k) + s)^T without s^2, which cancels in differences."""
        by_shallow, by_deep = (self.shift * unit.view(-1, 1, 1) for unit in units)
        return statistic[..., :-1, :-1] + by_deep * statistic[..., :-1, -1:] + by_shallow * statistic[..., -1:, :-1]


def _bordered(matrix: Tensor, right: Tensor, below: Tensor) -> Tensor:
    """A matrix (B, C, K) with a column (B, C) and a row (B, K) at its border, and 0 in the corner."""
    corner = torch.zeros_like(right[:, :1])
    return torch.cat([torch.cat([matrix, right.unsqueeze(2)], 2), torch.cat([below, corner], 1).unsqueeze(1)], 1)


def enlarged(deep: Tensor, shallow: Tensor) -> Tensor:
    """A deep layer's response with, at each position of a shallower one, what covers it: (B, C, H, W).

    What pooling left over goes with the last position.
    """
    size = shallow.shape[-2], shallow.shape[-1]
    down, across = (_stride(*counts) for counts in zip(size, deep.shape[-2:], strict=True))
    if down is None or across is None:
        return F.interpolate(deep, size, mode="nearest")  # of networks whose maps are no even fraction
    if (down, across) != (1, 1):
        deep = F.interpolate(deep, scale_factor=(float(down), float(across)), mode="nearest")
    left_over = (0, size[1] - deep.shape[-1], 0, size[0] - deep.shape[-2])
    return F.pad(deep, left_over, mode="replicate") if any(left_over) else deep


def _stride(count: int, deep: int) -> int | None:
    """The power of two by which so many positions were pooled to the deep ones; None where there is none."""
    stride: int = 2 ** max(int(math.log2(count / deep)), 0)
    return stride if deep * stride <= count < (deep + 1) * stride else None


def blurred(response: Tensor) -> Tensor:
    """Each position with its neighbors, by weights 1 2 1 down and across; at a border the outermost serve again."""
    for dim, sides in ((-2, (0, 0, 1, 1)), (-1, (1, 1, 0, 0))):
        padded, count = F.pad(response, sides, mode="replicate"), response.shape[dim]
        before, here, after = (padded.narrow(dim, start, count) for start in range(3))
        response = (before + 2 * here + after) / 4
    return response
