"""Masks from whatever they come in: gray pictures, pictures with a color for each region, arrays, a brush.

A mask is a float32 tensor (H, W): 1 where a style goes, 0 where it does not, and anything between.
"""

import colorsys
import os
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..base.checks import counted
from ..errors import ImageError, InputError
from ..extractor import luminance
from ..images import Source, download, load_image
from ..pictures.sources import find, is_address


class Painted(Protocol):
    """What holds masks, as a brush does."""

    @property
    def masks(self) -> Tensor:
        """(R, H, W) in [0, 1]."""


Masks = Source | Sequence[Source] | Painted
# Regions in this order; what is black belongs to none.
REGION_COLORS: dict[str, tuple[int, int, int]] = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "magenta": (1, 0, 1),
    "cyan": (0, 1, 1),
    "white": (1, 1, 1),
}
COLORED = 0.25  # between the channels of a pixel: a gray picture has less, but for a JPEG's noise
DARK = 0.2  # below which a color is black
APART = 0.25  # between two colors that mean two regions
LEAST_SHARE = 0.001  # of the pixels that are counted: rarer colors are noise
FEW = 1 + len(REGION_COLORS)  # a picture with no more colors was drawn with a hard brush, and each of them is meant
FLAT = 0.1  # within the 5 x 5 pixels around one that has a region's own color, and not that of a soft border
LEVELS = 16  # of each channel, when colors are counted


def read_masks(source: Masks, count: int) -> list[Tensor]:
    """The masks that are meant, each (h, w) in [0, 1].

    Args:
        source: a list with a mask for each style; a picture with a color for each region, see `regions_of`; a gray
            picture, white where the style goes; labels: an array (H, W) of whole numbers up to `count`, 0 for nowhere
            and k for style k; an array or tensor (R, H, W) of masks; or what has such `masks`, as a brush does.
        count: how many styles there are.

    Raises:
        ImageError, InputError: what is none of these.
    """
    if hasattr(source, "masks"):
        return read_masks(source.masks, count)
    if isinstance(source, list | tuple):
        return [_one(mask, place) for place, mask in enumerate(source, start=1)]
    if isinstance(source, Tensor | np.ndarray):
        array = source.detach().cpu().numpy() if isinstance(source, Tensor) else source
        if array.ndim == 2 and array.dtype.kind in "iu" and array.size and array.max() <= count:
            return _of_labels(array, count)
        if array.ndim == 3 and not (isinstance(source, np.ndarray) and array.shape[2] in (3, 4)):
            return [_one(mask, place) for place, mask in enumerate(array, start=1)]
        if array.ndim == 2:
            return [_one(array, 1)]
    picture = _picture(source)
    if not _is_colored(picture):
        return [luminance(picture)[0, 0]]
    regions = regions_of(picture)
    if len(regions) != count:
        found = ", ".join(f"{name} {float(mask.mean()):.0%}" for name, mask in regions.items())
        raise InputError(
            f"the picture of regions has {counted(len(regions), 'color')} ({found}), but the number of styles is "
            f"{count}; black is no region"
        )
    return list(regions.values())


def read_style_masks(source: Sequence[Source | None] | Source) -> list[Tensor | None]:
    """Which part of each style counts: a list with a mask or None for each, or the mask of one style alone.

    Raises:
        ImageError, InputError: what is no mask.
    """
    masks = source if isinstance(source, list | tuple) else [source]
    return [None if mask is None else _one(mask, place) for place, mask in enumerate(masks, start=1)]


def regions_of(picture: Any) -> dict[str, Tensor]:
    """The regions of a picture in which each has a color of its own: color, as "#ff0000", to mask (H, W).

    They come in the order red, green, blue, yellow, magenta, cyan, white, each color by the nearest of these. Black is
    no region. A border that was softened, by resizing or by JPEG, goes to the nearest region.

    Args:
        picture: whatever `nstlib.load_image` takes.
    """
    loaded = _picture(picture)
    pixels = loaded[0].permute(1, 2, 0)
    palette = _palette(loaded)
    nearest = torch.cdist(pixels.reshape(-1, 3), palette).argmin(1).view(pixels.shape[:2])
    named = sorted((_order(color), _hex(color), place) for place, color in enumerate(palette) if color.max() > DARK)
    return {name: (nearest == place).float() for _, name, place in named}


def color_coded(masks: Tensor) -> Tensor:
    """Masks (R, H, W) as a picture (1, 3, H, W) with a color for each region, which `read_masks` reads.

    Each pixel belongs to the mask that is largest there, if that is above a half.

    Raises:
        InputError: more masks than colors.
    """
    if len(masks) > len(REGION_COLORS):
        raise InputError(f"there are {len(masks)} regions; a picture tells {len(REGION_COLORS)} apart by their colors")
    largest, region = masks.max(0)
    colors = torch.tensor([(0, 0, 0), *REGION_COLORS.values()], dtype=torch.float32, device=masks.device)
    return colors[torch.where(largest > 0.5, region + 1, 0)].permute(2, 0, 1)[None]


def _picture(source: Any) -> Tensor:
    if isinstance(source, str | os.PathLike | bytes | Image.Image | np.ndarray | Tensor):
        picture = load_image(over_black(source))
        if len(picture) > 1:
            raise InputError(f"there are {len(picture)} pictures of masks; give masks as (R, H, W), or a list of them")
        return picture
    raise InputError(
        f"the masks are {source!r:.60} ({type(source).__name__}); give a picture, an array (H, W), a list with one "
        "for each style, or a brush"
    )


def over_black(source: Any) -> Any:
    """A picture whose transparent pixels, which no color was given, are black; other sources as they are."""
    if isinstance(source, np.ndarray | Tensor):
        return source
    try:
        with _opened(source) as picture:
            if not picture.has_transparency_data:
                return source
            layer = picture.convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        return source  # load_image says in words what is wrong
    return Image.alpha_composite(Image.new("RGBA", layer.size, "black"), layer).convert("RGB")


def _opened(source: Any) -> Image.Image:
    if isinstance(source, Image.Image):
        return source.copy()
    if isinstance(source, bytes):
        return Image.open(BytesIO(source))
    plain = os.fsdecode(source)
    return Image.open(download(plain) if is_address(plain) else find(plain))


def _one(mask: Any, place: int) -> Tensor:
    """One mask of several."""
    if isinstance(mask, Tensor) and mask.ndim == 2:
        mask = mask.detach().cpu()
        mask = (mask.float() if mask.is_floating_point() else mask).numpy()
    if isinstance(mask, np.ndarray) and mask.ndim == 2 and mask.dtype.kind in "iu" and mask.size and mask.max() <= 1:
        mask = mask.astype(bool)  # labels of one region
    try:
        picture = _picture(mask)
        if _is_colored(picture):
            raise InputError("it has colors; give a gray picture for each style, or one with a color for each of them")
        return luminance(picture)[0, 0]
    except ImageError as error:
        raise ImageError(f"mask {place}: {error}") from error
    except InputError as error:
        raise InputError(f"mask {place}: {error}") from error


def _of_labels(labels: np.ndarray[Any, Any], count: int) -> list[Tensor]:
    if labels.min() < 0:
        raise InputError(f"the labels go down to {labels.min()}; expected 0 for nowhere and k for style k")
    return [torch.from_numpy(labels == region).float() for region in range(1, count + 1)]


def _is_colored(picture: Tensor) -> bool:
    return bool(((picture.amax(1) - picture.amin(1)) > COLORED).float().mean() > LEAST_SHARE)


def _palette(picture: Tensor) -> Tensor:
    """The colors (n, 3) that mean a region, of a picture (1, 3, H, W); the most frequent first."""
    everything = picture[0].flatten(1).T
    drawn, counts = _colors(everything, 256)
    if len(drawn) <= FEW:
        return drawn[counts.argsort(descending=True)]
    flat = _varies(picture) < FLAT
    pixels = everything[flat.flatten()] if bool(flat.any()) else everything
    colors, counts = _colors(pixels, LEVELS)
    kept: list[Tensor] = []
    for place in counts.argsort(descending=True).tolist():
        frequent = int(counts[place]) >= LEAST_SHARE * len(pixels)
        if (frequent or not kept) and all(float((colors[place] - other).norm()) > APART for other in kept):
            kept.append(colors[place])
    return torch.stack(kept)


def _colors(pixels: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """The colors (n, 3) of pixels (N, 3), as means of those that are alike in so many levels, and their counts (n,)."""
    bins = (pixels * (levels - 1)).round().long()
    codes = (bins[:, 0] * levels + bins[:, 1]) * levels + bins[:, 2]
    found, where, counts = torch.unique(codes, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(found), 3, dtype=torch.float64).index_add_(0, where, pixels.double())
    return (sums / counts[:, None]).float(), counts


def _varies(picture: Tensor) -> Tensor:
    """By how much the colors around each pixel differ, (1, H, W)."""
    high, low = (F.max_pool2d(values, 5, stride=1, padding=2) for values in (picture, -picture))
    return torch.amax(high + low, 1)


def _order(color: Tensor) -> tuple[int, float, float]:
    """Where a color stands among the regions: by the nearest of the named ones, then by hue and brightness."""
    values = color.tolist()
    hue, saturation, value = colorsys.rgb_to_hsv(*values)
    full = torch.tensor(colorsys.hsv_to_rgb(hue, float(saturation > COLORED), 1.0))
    nearest = (torch.tensor(list(REGION_COLORS.values())) - full).norm(dim=1).argmin()
    return int(nearest), hue, value


def _hex(color: Tensor) -> str:
    return "#" + "".join(f"{round(255 * value):02x}" for value in color.tolist())
