"""The correlation chain: which channels of neighboring layers respond together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from ..base.devices import without_autocast
from ..errors import InputError
from ..losses import sum_of_squares
from .statistics import Maps, OfMeans


@dataclass(eq=False)
class Chain(OfMeans):
    """Gram matrices across neighboring layers, F^l up(F^k)^T (Novak and Nikulin, arXiv 1605.04603).

    Layer k is the next deeper one; up enlarges its response to layer l's positions. The term is called after layer l,
    and the deepest layer has none of its own. The statistic is (B, C_l, C_k).

    Attributes:
        shift: s of F + s, as with `Shifted`.
        blur: whether responses are blurred before the product, by weights 1 2 1 down and across.
    """

    name = "chain"
    shift: float = 0.0
    blur: bool = False

    @property
    def beyond(self) -> int:  # type: ignore[override]
        """One position: what pooling left over goes with the last, which may be another tile's; one more for a blur."""
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
        prepared = {layer: self._prepared(response) for layer, response in features.items()}
        return {
            shallow: (prepared[shallow], enlarged(prepared[deep], prepared[shallow]))
            for shallow, deep in pairwise(prepared)
        }

    def mean(self, maps: Maps, guides: Tensor | None = None) -> Tensor:
        """F^l up(F^k)^T, a mean over positions."""
        with without_autocast(maps[0].device):
            shallow, deep = (response.flatten(2).float() for response in maps)
            if guides is None:
                matrix: Tensor = shallow @ deep.mT / shallow.shape[2]
                return matrix
            parts = guides.flatten(1).float()
            matrices: Tensor = torch.stack([(shallow * weights) @ deep.mT for weights in parts], 1)
            return matrices

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """1/(4 C_l C_k) sum of squares."""
        return sum_of_squares(found - target) / (4 * target.shape[-2] * target.shape[-1])

    def of_nothing(self, target: Tensor) -> Tensor:
        """Of features that are zero the product is s^2."""
        return self.distance(torch.full_like(target, self.shift**2), target)

    def _prepared(self, response: Tensor) -> Tensor:
        response = response.float()
        blurred = _blurred(response) if self.blur else response
        return blurred + self.shift if self.shift else blurred


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


def _blurred(response: Tensor) -> Tensor:
    """Each position with its neighbors, by weights 1 2 1 down and across; at a border the outermost serve again."""
    for dim, sides in ((-2, (0, 0, 1, 1)), (-1, (1, 1, 0, 0))):
        padded, count = F.pad(response, sides, mode="replicate"), response.shape[dim]
        before, here, after = (padded.narrow(dim, start, count) for start in range(3))
        response = (before + 2 * here + after) / 4
    return response
