"""Masks from whatever they come in: gray pictures, pictures with a color for each region, arrays, a brush.

A mask is a float32 tensor (H, W): 1 where a style goes, 0 where it does not, and anything between.
"""

import colorsys
import os
from collections.abc import Sequence
from io import BytesIO
from itertools import combinations
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
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
FEW = 32  # colors: a picture with no more was drawn, and rare ones count too, if they are no blend of two others
BLEND = 0.05, 0.2  # shares of all pixels, and of those of either of two colors, below which a color may be their blend
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
        array = _as_array(source)
        if (
            array.ndim == 2
            and array.dtype.kind in "iu"
            and array.size
            and array.max() <= max(count, len(REGION_COLORS))
        ):
            return _of_labels(array, count)
        if array.ndim == 4 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim == 3 and not (isinstance(source, np.ndarray) and array.shape[2] in (1, 3, 4)):
            return [_one(mask, place) for place, mask in enumerate(array, start=1)]
        if array.ndim == 2:
            return [_one(array, 1)]
    picture = _picture(source)
    if not _is_colored(picture):
        gray = luminance(picture)[0, 0]
        labels = _labels_of(gray)
        return [gray] if labels is None else _of_labels(labels, count)
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
    if hasattr(source, "masks"):
        source = source.masks
    if isinstance(source, np.ndarray | Tensor) and _as_array(source).ndim == 3 and not _is_picture(source):
        source = list(source)
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
            layer = ImageOps.exif_transpose(picture).convert("RGBA")
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


def _labels_of(gray: Tensor) -> np.ndarray[Any, Any] | None:
    """The labels of a gray picture (H, W) that holds nothing but small whole numbers."""
    levels = (255 * gray).round().int().numpy()
    return levels if 0 < levels.max() <= len(REGION_COLORS) else None


def _one(mask: Any, place: int) -> Tensor:
    """One mask of several."""
    if isinstance(mask, Tensor) and mask.ndim == 2:
        mask = _as_array(mask)
    if isinstance(mask, np.ndarray) and mask.ndim == 2 and mask.dtype.kind in "iu" and mask.size:
        if 1 < mask.max() <= len(REGION_COLORS):
            raise InputError(
                f"mask {place} looks like labels up to {mask.max()}; give labels of all styles in one array"
            )
        mask = mask.astype(bool) if mask.max() <= 1 else mask  # labels of one region
    try:
        picture = _picture(mask)
        if _is_colored(picture):
            raise InputError("it has colors; give a gray picture for each style, or one with a color for each of them")
        gray = luminance(picture)[0, 0]
        if _labels_of(gray) is not None:
            raise InputError("it looks like labels; give those of all styles in one picture")
        return gray
    except ImageError as error:
        raise ImageError(f"mask {place}: {error}") from error
    except InputError as error:
        raise InputError(f"mask {place}: {error}") from error


def _of_labels(labels: np.ndarray[Any, Any], count: int) -> list[Tensor]:
    if labels.min() < 0 or labels.max() > count:
        raise InputError(
            f"the labels go from {labels.min()} to {labels.max()}, but the number of styles is {count}; 0 is nowhere, "
            "and k is style k"
        )
    return [torch.from_numpy(labels == region).float() for region in range(1, count + 1)]


def _as_array(source: Any) -> np.ndarray[Any, Any]:
    if isinstance(source, Tensor):
        source = source.detach().cpu()
        source = (source.float() if source.is_floating_point() else source).numpy()
    array: np.ndarray[Any, Any] = source
    return array


def _is_picture(array: Any) -> bool:
    """Whether an array of three dimensions is a picture rather than masks."""
    return isinstance(array, np.ndarray) and array.shape[2] in (1, 3, 4)


def _is_colored(picture: Tensor) -> bool:
    colored = (picture.amax(1) - picture.amin(1)) > COLORED
    if not bool(colored.any()):  # most masks: their colors need not be counted
        return False
    if len(_colors(picture[0].flatten(1).T, 256)[0]) <= FEW:  # drawn: a single pixel is meant
        return True
    return bool(colored.float().mean() > LEAST_SHARE)


def _palette(picture: Tensor) -> Tensor:
    """The colors (n, 3) that mean a region, of a picture (1, 3, H, W); the most frequent first."""
    everything = picture[0].flatten(1).T
    colors, counts = _colors(everything, 256)
    drawn = len(colors) <= FEW
    if not drawn:
        flat = _varies(picture) < FLAT
        colors, counts = _colors(everything[flat.flatten()] if bool(flat.any()) else everything, LEVELS)
    shares = counts / counts.sum()
    kept: list[int] = []
    for place in shares.argsort(descending=True).tolist():
        frequent = drawn or not kept or bool(shares[place] >= LEAST_SHARE)
        apart = all(float((colors[place] - colors[other]).norm()) > APART for other in kept)
        if frequent and apart and not _is_blend(place, kept, colors, shares):
            kept.append(place)
    return colors[kept]


def _is_blend(place: int, kept: list[int], colors: Tensor, shares: Tensor) -> bool:
    """Whether a rare color lies between two others, as along a border that was softened."""
    for one, other in combinations(kept, 2):
        way = colors[other] - colors[one]
        along = ((colors[place] - colors[one]) @ way / (way @ way)).clamp(0, 1)
        aside = (colors[place] - colors[one] - along * way).norm()
        least = max(BLEND[0], BLEND[1] * float(torch.minimum(shares[one], shares[other])))
        if float(aside) < APART and float(shares[place]) < least:
            return True
    return False


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
