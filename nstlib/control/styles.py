"""Several styles at once: each with its share.

The style of a blend is the mean of the styles' Gram matrices, weighted by the shares. A Gram matrix is a mean of
products over positions, so that the blend is the matrix of a picture which has of each style as much as its share says,
side by side. It is not that of the mean picture, in which both would show through.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..base.checks import number
from ..errors import InputError


@dataclass(frozen=True)
class Blend:
    """Several styles, each a picture with its share; iterating gives the pairs.

    Attributes:
        pictures: of any sizes.
        shares: 0 or more each; their sum is 1.
    """

    pictures: tuple[Any, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, style: Any) -> "Blend":
        """The blend that is meant by a picture, a list of pictures or of (picture, share), or a dict of them.

        Args:
            style: pictures without a share have equal ones. Shares are brought to the sum 1.

        Raises:
            InputError: no style at all, or shares that cannot work.
        """
        if isinstance(style, Blend):
            return style
        if not is_several(style):
            return cls((style,), (1.0,))
        pairs = list(style.items()) if isinstance(style, Mapping) else [_pair(each) for each in style]
        if not pairs:
            raise InputError("there is no style in the list of styles; give at least one")
        pictures, shares = zip(*pairs, strict=True)
        if all(share is None for share in shares):
            shares = (1.0,) * len(pairs)
        return cls(tuple(pictures), normalized(shares))

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        return iter(zip(self.pictures, self.shares, strict=True))

    def __len__(self) -> int:
        return len(self.pictures)

    def map(self, change: Callable[[Any], Any]) -> "Blend":
        """The blend of the changed pictures."""
        return Blend(tuple(map(change, self.pictures)), self.shares)

    def with_shares(self, shares: Sequence[float]) -> "Blend":
        """The same pictures with other shares.

        Raises:
            InputError: not as many, or shares that cannot work.
        """
        shares = normalized(shares)
        if len(shares) != len(self):
            raise InputError(f"there are {len(shares)} shares, but {len(self)} styles")
        return Blend(self.pictures, shares)

    @property
    def style(self) -> Any:
        """The picture, where it is one, else the blend."""
        return self.pictures[0] if len(self) == 1 else self


def is_several(style: Any) -> bool:
    """Whether it is several styles, rather than a picture in one of the many forms that pictures have."""
    return isinstance(style, list | tuple | Mapping | Blend)


def normalized(shares: Iterable[Any]) -> tuple[float, ...]:
    """The shares, brought to the sum 1.

    Raises:
        InputError: a share that is no number, 0 or more; or none above 0.
    """
    if isinstance(shares, str | bytes) or not isinstance(shares, Iterable):
        raise InputError(f"the shares are {shares!r:.80}; expected numbers, one a style, such as [0.7, 0.3]")
    values = [number("a share", share) for share in shares]
    if not sum(values) > 0:
        raise InputError(f"the shares are {values}; at least one must be above 0")
    return tuple(value / sum(values) for value in values)


def mean_of_grams(grams: Sequence[Mapping[str, Tensor]], shares: Sequence[float]) -> dict[str, Tensor]:
    """The mean, weighted by the shares, of Gram matrices by layer name."""
    return {
        layer: torch.stack([share * each[layer] for each, share in zip(grams, shares, strict=True)]).sum(0)
        for layer in (grams[0] if grams else ())
    }


def mean_colors(blend: Blend) -> tuple[Tensor, Tensor]:
    """Mean (B or 1, 3, 1) and covariance (B or 1, 3, 3) of the colors of a blend, of all its pixels together."""
    means = [picture.flatten(2).mean(2, keepdim=True) for picture in blend.pictures]
    mean = torch.stack([share * each for each, share in zip(means, blend.shares, strict=True)]).sum(0)
    spreads = []
    for (picture, share), own in zip(blend, means, strict=True):
        pixels = picture.flatten(2) - own
        away = own - mean
        spreads.append(share * (pixels @ pixels.mT / pixels.shape[2] + away @ away.mT))
    return mean, torch.stack(spreads).sum(0)


def _pair(each: Any) -> tuple[Any, Any]:
    if not isinstance(each, list | tuple):
        return each, None
    if len(each) != 2:
        raise InputError(f"{each!r:.80} is no style with its share; expected pairs such as ('swirls', 0.7)")
    return each[0], each[1]
