"""Maps of regions: which region each pixel belongs to, from and to arrays, masks, files, messages and pictures.

A map of labels is a uint8 array (H, W): 0 is no region, k is region k, and there are at most 7. In a color-coded file
each region has a corner of the color cube, in the order of COLORS, and black is no region.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..base.checks import Size, in_pixels
from ..control.regions import REGION_COLORS, over_black
from ..errors import InputError
from ..images import load_image
from ..pictures.saving import check_output, write_whole

Labels = NDArray[np.uint8]
Given = Any  # labels, masks, or a color-coded picture or file

COLORS = {name: (255 * r, 255 * g, 255 * b) for name, (r, g, b) in REGION_COLORS.items()}
# On the screen: near the colors of the files, and apart for the color-blind, as far as seven can be.
TINTS = ("#d9420f", "#009e73", "#2f6fd6", "#f0e442", "#cc6db0", "#56c4e9", "#ffffff")
MOST = len(COLORS)
STRAY = 0.02  # share of the pixels that may have a color of no region where a file has soft edges, as JPEG has
LENGTH_BITS = 13  # of 16 in a run; the other three are its label
LONGEST = 1 << LENGTH_BITS
VEIL, MARK, EDGE = 96, 156, 230  # how opaque a region lies on the picture, of 255: its plain, its pattern and its edge
EDGE_SHADE = 0.55  # how dark its edge is


def packed(labels: Labels) -> bytes:
    """A map (H, W) as runs, row after row: two bytes each, with the label and the length of the run."""
    flat = labels.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=flat[0] ^ 1))
    lengths = np.diff(starts, append=flat.size)
    pieces = -(-lengths // LONGEST)
    cut = np.full(pieces.sum(), LONGEST)
    cut[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * LONGEST
    runs = np.repeat(flat[starts].astype(np.uint16), pieces) << LENGTH_BITS | (cut - 1).astype(np.uint16)
    return runs.astype("<u2").tobytes()


def unpacked(data: bytes, size: Size) -> Labels:
    """The map (H, W) that was packed; it cannot be written to.

    Raises:
        InputError: the runs do not fill such a map.
    """
    runs = np.frombuffer(data[: len(data) // 2 * 2], "<u2")
    lengths = (runs & (LONGEST - 1)).astype(np.int64) + 1
    if len(data) % 2 or lengths.sum() != size[0] * size[1]:
        raise InputError(f"a map of regions arrived damaged: its runs do not fill {in_pixels(size)}")
    labels = np.repeat((runs >> LENGTH_BITS).astype(np.uint8), lengths).reshape(size)
    labels.flags.writeable = False
    return labels


def masks_of(labels: Labels, regions: int) -> Tensor:
    """One mask a region: float32 (R, H, W) of 0 and 1."""
    return torch.from_numpy((labels == np.arange(1, regions + 1)[:, None, None]).astype(np.float32))


def color_coded(labels: Labels) -> Image.Image:
    """The map as a picture in the pure colors of COLORS."""
    return Image.fromarray(np.array([(0, 0, 0), *COLORS.values()], np.uint8)[labels])


def save_color_coded(labels: Labels, path: str | os.PathLike[str]) -> Path:
    """Write the map as a color-coded PNG.

    Raises:
        ImageError: it cannot be written there, or the path does not end in .png: other formats change the colors.
    """
    path = check_output(path, (".png",), (labels.shape[0], labels.shape[1]))
    picture = color_coded(labels)
    return write_whole(path, lambda file: picture.save(file, "PNG", optimize=True))


def labels_from(given: Given, size: Size, regions: int) -> Labels:
    """A map of the size (H, W) from whatever tells regions.

    Args:
        given: labels (H, W); masks (R, H, W) in [0, 1], of which the largest above 0.5 counts; a color-coded picture:
            a path, an address, the bytes of a file, a PIL picture, or a uint8 array (H, W, 3 | 4). Pixels that are
            transparent there belong to no region. One of another size but the same shape is scaled.
        size: of the map.
        regions: how many there may be.

    Raises:
        InputError: it tells no regions, more than there may be, or has another shape; ImageError: a picture that
            cannot be read.
    """
    if isinstance(given, str | os.PathLike | bytes | Image.Image):
        found = _from_picture(given, regions)
    else:
        found = _from_array(_as_array(given), regions)
    return _fitted(found, size)


def regions_in(given: Given, size: Size) -> int:
    """How many regions something tells of that `labels_from` takes."""
    shares_there = shares(labels_from(given, size, MOST), MOST)
    array = isinstance(given, Tensor | np.ndarray)
    if array and given.ndim == 3 and len(given) <= MOST:
        return len(given)
    least = 0 if array else STRAY / 4
    return max((k for k, share in enumerate(shares_there, 1) if share > least), default=0)


def veiled(picture: Image.Image, labels: Labels) -> Image.Image:
    """A picture under its regions, as the page shows it."""
    height, width = labels.shape
    tile = patterns(max(height, width))
    side = tile.shape[-1]
    opacity = tile[labels, np.arange(height)[:, None] % side, np.arange(width) % side].astype(np.float32)
    edge = _edges(labels)
    opacity[edge] = EDGE
    color = np.array([(0, 0, 0), *map(_rgb, TINTS)], np.float32)[labels] * np.where(edge, EDGE_SHADE, 1.0)[..., None]
    below = np.asarray(picture.convert("RGB"), np.float32)
    share = np.where(labels > 0, opacity, 0)[..., None] / 255
    return Image.fromarray((below + (color - below) * share).round().astype(np.uint8))


def patterns(longest: int) -> Labels:
    """How opaque each label lies on the picture, as tiles (8, P, P): patterns tell the regions apart without color."""
    side = 2 * max(3, round(longest / 56))
    line = max(1, round(side / 9))
    y, x = np.mgrid[:side, :side]
    middle = side // 2
    rising, falling, flat, upright = ((z % side) < line for z in (x + y, x - y, y, x))
    dots = (x - middle) ** 2 + (y - middle) ** 2 < (1.3 * line) ** 2
    marks = [np.zeros_like(flat), np.zeros_like(flat), rising, falling, dots, flat, upright, rising | falling]
    tiles = np.where(np.stack(marks), MARK, VEIL).astype(np.uint8)
    tiles[0] = 0
    return tiles


def shares(labels: Labels, regions: int) -> list[float]:
    """Which share of the picture each region has."""
    return [float(share) for share in np.bincount(labels.ravel(), minlength=regions + 1)[1:] / labels.size]


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue


def _edges(labels: Labels) -> NDArray[np.bool_]:
    """Where a neighbor belongs elsewhere; the border of the picture is no edge."""
    around = np.pad(labels, 1, mode="edge")
    neighbors = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    edges: NDArray[np.bool_] = np.any([labels != neighbor for neighbor in neighbors], axis=0)
    return edges


def _as_array(given: Given) -> NDArray[Any]:
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        return np.asarray(given.float() if given.is_floating_point() else given)
    if isinstance(given, np.ndarray) and given.dtype.kind in "buif":
        return given
    raise InputError(
        f"regions cannot be read from {given!r:.60} ({type(given).__name__}); give labels (H, W), masks (R, H, W), or "
        "a color-coded picture, such as the path of a PNG"
    )


def _from_array(array: NDArray[Any], regions: int) -> Labels:
    if array.ndim == 2 and array.size:
        return _from_labels(array, regions)
    if array.ndim == 3 and array.size:
        colored = array.dtype == np.uint8 and array.shape[2] in (3, 4) and array.shape[0] > MOST
        return _from_picture(Image.fromarray(array), regions) if colored else _from_masks(array, regions)
    raise InputError(f"regions of the shape {array.shape} cannot be; give labels (H, W) or masks (R, H, W)")


def _from_labels(array: NDArray[Any], regions: int) -> Labels:
    plain = array.astype(np.float64)
    low, high = plain.min(), plain.max()
    if not (low >= 0 and high <= regions) or (plain % 1).any():
        raise InputError(
            f"labels hold values from {low:g} to {high:g}; expected whole numbers from 0, no region, to {regions}"
        )
    return array.astype(np.uint8)


def _from_masks(array: NDArray[Any], regions: int) -> Labels:
    if len(array) > regions:
        raise InputError(f"there are {len(array)} masks (R, H, W), but {_counted(regions)}")
    low, high = (float(end) for end in (array.min(), array.max()))
    if not (low >= 0 and high <= 1):
        raise InputError(f"masks hold values from {low:g} to {high:g}, but must lie in [0, 1]; divide by 255 if so")
    return np.where(array.max(0) > 0.5, array.argmax(0) + 1, 0).astype(np.uint8)


def _from_picture(source: Any, regions: int) -> Labels:
    levels = (load_image(over_black(source))[0] * 255).round().byte().permute(1, 2, 0).numpy()
    bits = np.array([1, 2, 4])  # of the corner of the cube that is nearest
    place = np.zeros(8, np.uint8)
    place[(np.array(list(COLORS.values())) > 0) @ bits] = np.arange(1, MOST + 1)
    labels: Labels = place[(levels >= 128) @ bits]
    stray = labels > regions
    pure = np.isin(levels, (0, 255)).all()
    if stray.mean() > (0 if pure else STRAY):
        there = [list(COLORS)[k - 1] for k in np.unique(labels[stray])]
        known = ", ".join(list(COLORS)[:regions])
        raise InputError(f"the picture has regions in {', '.join(there)}, but {_counted(regions)} ({known})")
    labels[stray] = _nearest(levels[stray], regions)
    return labels


def _nearest(levels: NDArray[np.uint8], regions: int) -> Labels:
    """The labels of the nearest colors that are possible, for values (N, 3)."""
    colors = np.array([(0, 0, 0), *list(COLORS.values())[:regions]], np.float32)
    distances = ((levels[:, None].astype(np.float32) - colors) ** 2).sum(-1)
    nearest: Labels = distances.argmin(1).astype(np.uint8)
    return nearest


def _fitted(labels: Labels, size: Size) -> Labels:
    """The map in another size, if the shape is the same but for rounding."""
    (h, w), (height, width) = labels.shape, size
    if min(abs(h - w * height / width), abs(height - h * width / w)) > 1:
        raise InputError(
            f"the regions have {in_pixels((h, w))}, and the picture {in_pixels(size)}: that is another shape; "
            "paint them on this picture, or cut them to its shape"
        )
    rows, columns = ((np.arange(to) + 0.5) * of // to for of, to in ((h, height), (w, width)))
    fitted: Labels = labels[rows.astype(int)[:, None], columns.astype(int)]
    return fitted


def _counted(regions: int) -> str:
    return f"this brush has {regions} region{'s' if regions > 1 else ''}"
