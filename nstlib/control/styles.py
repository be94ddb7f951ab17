"""Several styles at once: each with its share.

The style of a blend is the mean of the styles' Gram matrices, weighted by the shares. A Gram matrix is a mean of
products over positions, so that the blend is the matrix of a picture which has of each style as much as its share says,
side by side. It is not that of the mean picture, in which both would show through.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..base.checks import counted, number
from ..errors import InputError


@dataclass(frozen=True, eq=False)  # pictures cannot be compared with ==
class Blend:
    """Several styles, each a picture with its share; iterating gives the pairs.

    Attributes:
        pictures: of any sizes.
        shares: 0 or more each; their sum is 1.
        parts: which part of each picture counts: a mask (h, w), or None for all of it. Empty where all of each does.
    """

    pictures: tuple[Any, ...]
    shares: tuple[float, ...]
    parts: tuple[Tensor | None, ...] = ()

    @classmethod
    def of(cls, style: Any, shares: Sequence[float] | None = None) -> "Blend":
        """The blend that is meant by a picture, a list of pictures or of (picture, share), or a dict of them.

        Args:
            style: pictures without a share have equal ones. Shares are brought to the sum 1.
            shares: where they are not beside the pictures.

        Raises:
            InputError: no style at all, shares that cannot work, or shares twice.
        """
        if shares is not None:
            if has_shares(style):
                raise InputError("the styles have shares already; give them beside the styles or as shares, not both")
            return cls.of(style).with_shares(shares)
        if isinstance(style, Blend):
            return style
        if not is_several(style):
            return cls((style,), (1.0,))
        if isinstance(style, tuple) and len(style) == 2 and isinstance(style[1], Real) and not is_several(style[0]):
            raise InputError(f"{style!r:.80} is one style with its share; expected a list of such pairs")
        pairs = list(style.items()) if isinstance(style, Mapping) else [_pair(each) for each in style]
        if not pairs:
            raise InputError("there is no style in the list of styles; give at least one")
        pictures, shares = zip(*pairs, strict=True)
        if None in shares:
            if any(share is not None for share in shares):
                raise InputError("some styles have a share and some have none; give one to each, or to none")
            shares = (1.0,) * len(pairs)
        return cls(tuple(pictures), normalized(shares))

    def __iter__(self) -> Iterator[tuple[Any, float]]:
        return iter(zip(self.pictures, self.shares, strict=True))

    def __len__(self) -> int:
        return len(self.pictures)

    def map(self, change: Callable[[Any], Any]) -> "Blend":
        """The blend of the changed pictures."""
        return Blend(tuple(map(change, self.pictures)), self.shares, self.parts)

    def with_shares(self, shares: Sequence[float]) -> "Blend":
        """The same pictures with other shares.

        Raises:
            InputError: not as many, or shares that cannot work.
        """
        shares = normalized(shares)
        if len(shares) != len(self):
            raise InputError(f"for {counted(len(self), 'style')} there should be as many shares, not {len(shares)}")
        return Blend(self.pictures, shares, self.parts)

    def with_parts(self, parts: Sequence[Tensor | None]) -> "Blend":
        """The same pictures, of which these parts count.

        Raises:
            InputError: not as many.
        """
        if len(parts) != len(self):
            raise InputError(
                f"for {counted(len(self), 'style')} there should be as many style masks, not {len(parts)}; None stands "
                "for a whole style"
            )
        return Blend(self.pictures, self.shares, tuple(parts) if any(part is not None for part in parts) else ())

    @property
    def style(self) -> Any:
        """The picture, where it is one and whole, else the blend."""
        return self.pictures[0] if len(self) == 1 and not self.parts else self


def is_several(style: Any) -> bool:
    """Whether it is several styles, rather than a picture in one of the many forms that pictures have."""
    return isinstance(style, list | tuple | Mapping | Blend)


def has_shares(style: Any) -> bool:
    """Whether several styles come with their shares."""
    if isinstance(style, Mapping | Blend):
        return True
    return isinstance(style, list | tuple) and any(isinstance(each, list | tuple) for each in style)


def normalized(shares: Iterable[Any]) -> tuple[float, ...]:
    """The shares, brought to the sum 1.

    Raises:
        InputError: a share that is no number, 0 or more; or none above 0.
    """
    if isinstance(shares, str | bytes | Mapping | Set) or not isinstance(shares, Iterable):
        raise InputError(f"the shares are {shares!r:.80}; expected numbers, one a style, such as [0.7, 0.3]")
    values = [number("a share", share) for share in shares]
    if not any(values):
        raise InputError(f"the shares are {values}; at least one must be above 0")
    values = [value / max(values) for value in values]  # so that no sum is too large
    return tuple(value / sum(values) for value in values)


def side_by_side(statistics: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Statistics (B or 1, ...) by layer name, of each style one, as (B or 1, styles, ...)."""
    return {layer: _stacked([each[layer] for each in statistics]) for layer in (statistics[0] if statistics else ())}


def mean_colors(blend: Blend) -> tuple[Tensor, Tensor]:
    """Mean (B or 1, 3, 1) and covariance (B or 1, 3, 3) of the colors of a blend, of all its pixels together."""
    means = [picture.flatten(2).mean(2, keepdim=True) for picture in blend.pictures]
    mean = weighted_sum(means, blend.shares)
    spreads = []
    for picture, own in zip(blend.pictures, means, strict=True):
        pixels = picture.flatten(2) - own
        away = own.to(mean.device) - mean
        spreads.append((pixels @ pixels.mT / pixels.shape[2]).to(mean.device) + away @ away.mT)
    return mean, weighted_sum(spreads, blend.shares)


def _stacked(statistics: Sequence[Tensor]) -> Tensor:
    batch = max(map(len, statistics))
    return torch.stack([each.expand(batch, *each.shape[1:]) for each in statistics], 1)


def weighted_sum(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Of tensors for one picture or for as many, on the first one's device."""
    total = weights[0] * tensors[0]
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total = total + weight * tensor.to(total.device)
    return total


def _pair(each: Any) -> tuple[Any, Any]:
    if not isinstance(each, list | tuple):
        return each, None
    if len(each) != 2:
        raise InputError(f"{each!r:.80} is no style with its share; expected pairs such as ('swirls', 0.7)")
    return each[0], each[1]
