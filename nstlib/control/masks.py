"""Places: masks say where each style goes, and which part of it counts (Gatys et al. 2017, arXiv 1611.07865).

A mask is brought to each layer as a guide: one number a position, which says how much it counts there. The Gram matrix
of a region is then a mean over its own positions, so that a small region has as much to say as a large one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from ..base.checks import ROUNDING, Size, counted, in_pixels, shape_of, size_of
from ..errors import ImageError, InputError

Guidance = Literal["plain", "inside", "dilated"]
GUIDANCES: tuple[str, ...] = get_args(Guidance)

OTHER_ASPECT = 0.02  # relative, beyond rounding to whole pixels: the mask is of another picture then
EMPTY = 0.02  # a mask that is nowhere above this is empty
WHOLE = 1 - 1e-3  # what masks leave uncovered by less than a level of 255 is covered


@dataclass(frozen=True)
class Map:
    """Where a layer's positions lie in the picture.

    Attributes:
        size: how many there are, (H', W').
        stride: pixels from one to the next; each has a cell of so many pixels.
        reach: how many pixels beyond its cell a position sees.
        overhang: by how many pixels the first cell begins before the picture, at most half a stride; negative where it
            begins later.
    """

    size: Size
    stride: int
    reach: int
    overhang: int = 0


def fitted(masks: Sequence[Tensor], size: Size, of: str = "the content", what: str = "mask") -> Tensor:
    """Masks (h, w) of any size, brought to the size (H, W) of their picture: (R, H, W) in [0, 1], float32.

    Raises:
        ImageError: one of another aspect than the picture: it would be stretched, and lie somewhere else.
    """
    return torch.stack([_fitted(mask, size, f"{what} {place}", of) for place, mask in enumerate(masks, start=1)])


def _fitted(mask: Tensor, size: Size, name: str, of: str) -> Tensor:
    height, width = size_of(mask)
    aspect, wanted = width / height, size[1] / size[0]
    rounding = 1 / min(height, width) + 1 / min(size)
    if abs(aspect / wanted - 1) > OTHER_ASPECT + rounding:
        raise ImageError(
            f"{name} is {in_pixels((height, width))} and {of} {in_pixels(size)}: the sides have another ratio; "
            "give a mask that was made over the whole picture, in whatever size"
        )
    if (height, width) == size:
        return mask
    brought = F.interpolate(mask[None, None].cpu(), size, mode="bilinear", antialias=True)[0, 0]
    return brought.clamp(0, 1).to(mask.device)


def covered(masks: Tensor) -> Tensor | None:
    """How much of each pixel, (H, W), the masks (R, H, W) give to any style; None where that is all, everywhere."""
    sums = masks.sum(0).clamp(max=1)
    return None if float(sums.min()) >= WHOLE else sums


def kept_outside(image: Tensor, content: Tensor, coverage: Tensor | None) -> Tensor:
    """The image (B, 3, H, W) where there is a style, the content where there is none; exactly, in either place."""
    if coverage is None:
        return image
    return torch.lerp(content.to(image.device), image, coverage.to(image.device))


def guides(masks: Tensor, maps: Mapping[str, Map], guidance: Guidance) -> dict[str, Tensor]:
    """Masks at each layer, as weights of its positions: T^2 / sum T^2, with T the mask brought to the layer.

    With these, sum_k w_k F_ik F_jk is the Gram matrix of T F, which the paper calls guided, divided by the mass of T.

    Args:
        masks: (R, H, W) in [0, 1].
        maps: layer name to where its positions lie.
        guidance: how a mask is brought to a layer. "plain": a position counts as much as the mask covers of its own
            pixels; "inside": only where all that it sees is in the mask; "dilated": where anything that it sees is.

    Returns:
        Layer name to (R, H', W'). The sum of each is 1, or 0 where no position counts, as may be with "inside" in
        layers that see far.
    """
    return {layer: _normalized(_brought(masks, there, guidance).square()) for layer, there in maps.items()}


def _normalized(weights: Tensor) -> Tensor:
    mass = weights.sum((1, 2), keepdim=True, dtype=torch.float64)
    return (weights / torch.where(mass > 0, mass, 1.0)).float()


def _brought(masks: Tensor, there: Map, guidance: Guidance) -> Tensor:
    if guidance == "plain":
        return _cells(masks, there, _mean_pool, F.adaptive_avg_pool2d)
    if guidance == "dilated":
        return _cells(_largest(masks, there.reach), there, F.max_pool2d, F.adaptive_max_pool2d)
    # What sees something else: the same of all that is not in the mask.
    return 1 - _brought(1 - masks, there, "dilated")


def _mean_pool(values: Tensor, side: int, stride: int, padding: int) -> Tensor:
    return F.avg_pool2d(values, side, stride, padding, count_include_pad=False)


def _cells(
    values: Tensor,
    there: Map,
    pool: Callable[[Tensor, int, int, int], Tensor],
    adaptive: Callable[[Tensor, Size], Tensor],
) -> Tensor:
    """One number for the cell of each position. Pixels after the last whole cell belong to none, as in pooling."""
    if there.overhang or there.size == tuple(side // there.stride for side in size_of(values)):
        cells = pool(_reaching(values, there)[None], there.stride, there.stride, max(there.overhang, 0))[0]
        return cells[:, : there.size[0], : there.size[1]]
    return adaptive(values[None], there.size)[0]  # of networks whose maps are no even fraction


def _reaching(values: Tensor, there: Map) -> Tensor:
    """The values (R, H, W) from where the first cell begins; outermost ones serve again where the last one ends."""
    before = max(-there.overhang, 0)
    values = values[..., before:, before:]
    down, across = (
        max(count * there.stride - there.overhang - before - side - max(there.overhang, 0), 0)
        for count, side in zip(there.size, size_of(values), strict=True)
    )
    return F.pad(values[None], (0, across, 0, down), mode="replicate")[0] if down or across else values


def _largest(values: Tensor, reach: int) -> Tensor:
    """The largest within so many pixels down and across; what lies outside of the picture does not count."""
    for window in ((2 * reach + 1, 1), (1, 2 * reach + 1)):
        values = F.max_pool2d(values[None], window, stride=1, padding=(window[0] // 2, window[1] // 2))[0]
    return values


def checked_masks(given: Sequence[Tensor] | Tensor, count: int) -> list[Tensor]:
    """So many masks (h, w), one for each style; where one is missing, the last style has what the others leave.

    Raises:
        InputError: another number of masks, one that is empty, or what is no mask.
    """
    if not isinstance(given, Sequence | Tensor) or isinstance(given, str | bytes) or shape_of(given) == ():
        raise InputError(f"the masks are {given!r:.60}; expected tensors (H, W), one for each style")
    masks = [_checked_mask(mask, f"mask {place}") for place, mask in enumerate(given, start=1)]
    if len(masks) == count - 1 and masks:
        masks.append(_rest(masks))
        if float(masks[-1].max()) <= EMPTY:
            raise InputError(
                "what the masks cover is everything, and nothing is left for the last style; "
                "white is where a mask's style goes"
            )
    if len(masks) != count:
        few = f"; give one for each, or {count - 1}: the last style then has the rest" if count > 1 else "; give one"
        there = "is" if len(masks) == 1 else "are"
        raise InputError(f"there {there} {counted(len(masks), 'mask')} for {counted(count, 'style')}{few}")
    for place, mask in enumerate(masks, start=1):
        if float(mask.max()) <= EMPTY:
            raise InputError(f"mask {place} is empty: it is black everywhere; white is where its style goes")
    return masks


def checked_parts(given: Sequence[Tensor | None] | Tensor) -> list[Tensor | None]:
    """For each style the mask (h, w) of the part that counts, or None.

    Raises:
        InputError: one that is empty, or what is no mask.
    """
    if not isinstance(given, list | tuple | Tensor) or shape_of(given) == ():
        raise InputError(
            f"the style masks are {given!r:.60}; expected a list with a tensor (h, w) or None for each style"
        )
    single = isinstance(given, Tensor) and given.ndim == 2
    parts = [
        None if part is None else _checked_mask(part, f"style mask {place}")
        for place, part in enumerate([given] if single else given, start=1)
    ]
    for place, part in enumerate(parts, start=1):
        if part is not None and float(part.max()) <= EMPTY:
            raise InputError(f"style mask {place} is empty: it is black everywhere; white is what counts of its style")
    return parts


def with_plain(guides: Mapping[str, Tensor], plain: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Guides of a part of a style; at layers where no position sees the part alone the plain ones, and where it has no
    position at all, all of them alike: every layer has a target."""
    found = {layer: guide if bool(guide.any()) else plain[layer] for layer, guide in guides.items()}
    return {
        layer: guide if bool(guide.any()) else torch.full_like(guide, 1 / guide.numel())
        for layer, guide in found.items()
    }


def _checked_mask(mask: Any, name: str) -> Tensor:
    if not isinstance(mask, Tensor) or mask.ndim != 2 or not mask.numel() or mask.is_complex():
        raise InputError(f"{name} is {shape_of(mask)}; expected a tensor (H, W)")
    with torch.inference_mode(False):
        found = mask.detach().clone().float()  # it may be painted on meanwhile
    low, high = map(float, torch.aminmax(found))
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise InputError(f"{name} holds values from {low:.4g} to {high:.4g}, but must lie in [0, 1]")
    return found.clamp(0, 1)


def _rest(masks: Sequence[Tensor]) -> Tensor:
    """What is in no mask, in the size of the largest."""
    size = max((size_of(mask) for mask in masks), key=max)
    return 1 - fitted(masks, size, "the largest mask").sum(0).clamp(max=1)
