"""What the pixels of a picture mean: transparency, color profile, depth, rotation; and the picture at its size.

A large picture goes through in strips, each flattened, converted and reduced before the next one comes: whole copies of
it, one a stage, would take many times its memory.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from ..errors import ImageError

Array = NDArray[Any]
Size = tuple[int, int]  # (width, height)

MIN_SIDE = 16  # VGG's four poolings leave one position of it
MAX_SIZE = 16_384

STRIP_PIXELS = 4_000_000
LARGE = 16_000_000  # pixels; a larger picture is reduced by a whole factor first
GAP = 3  # what is reduced first stays three times as large as it will be, where nothing of it can be seen

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def values_of(picture: Image.Image, full: Size, size: int | None, name: str) -> Array:
    """The values of a picture that has been read, upright, at its size.

    Args:
        picture: what was read, perhaps as a draft, smaller than the file's picture.
        full: the size of the file's picture.
        size: pixels of the longer side; None keeps the file's.
        name: what messages call the picture.

    Returns:
        (1, 3, H, W): uint8, or float32 in [0, 1] for gray values of more than 8 bits.

    Raises:
        ImageError: the picture would be too small, or its values are outside every usual range.
    """
    goal = goal_size(full, size, name)
    factor = _whole_factor(picture.size, goal) if _is_large(full) else 1
    plain = _in_strips(picture, _meaning(picture, name), factor)
    if plain.size != goal:
        step = factor * round(max(full) / max(picture.size))  # a draft is smaller by a whole factor, too
        box = (0, 0, full[0] / step, full[1] / step)  # a part of the last column and row may lie outside of the picture
        plain = plain.resize(goal, Image.Resampling.LANCZOS, box=box)
    values = np.asarray(_upright(plain, picture))
    return values.transpose(2, 0, 1)[None] if values.ndim == 3 else np.broadcast_to(values, (1, 3, *values.shape))


def goal_size(full: Size, size: int | None, name: str) -> Size:
    """(width, height) of a picture whose longer side shall be `size`.

    Raises:
        ImageError: it is empty, or a side would be too small.
    """
    shorter, longer = sorted(full)
    if shorter == 0:
        raise ImageError(f"{name} is empty: it is {full[0]} x {full[1]} pixels")
    width, height = (max(1, round(side * (size or longer) / longer)) for side in full)
    if min(width, height) < MIN_SIDE:
        enough = math.ceil(MIN_SIDE * longer / shorter)
        resized = f" and would be {width} x {height} in size {size}" if size else ""
        advice = f"give a size of {enough} or more" if enough <= MAX_SIZE else "cut out a part that is less long"
        raise ImageError(f"{name} is {full[0]} x {full[1]} pixels{resized}; a side needs {MIN_SIDE} at least: {advice}")
    return width, height


def read_smaller(picture: Image.Image, goal: Size) -> None:
    """Let a large JPEG be decoded at a half, a quarter or an eighth, as far as nothing of it can be seen in the end."""
    if _is_large(picture.size):
        picture.draft(None, (GAP * goal[0], GAP * goal[1]))


def over_white(picture: Image.Image) -> Image.Image:
    """The picture laid over white paper, where it is transparent."""
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("LA" if picture.mode in ("L", "LA", "La") else "RGBA")
    paper = Image.new(picture.mode[:-1], picture.size, "white")
    paper.paste(picture.convert(paper.mode), mask=picture.getchannel("A"))
    paper.info = {"icc_profile": picture.info.get("icc_profile")}
    return paper


def _is_large(size: Size) -> bool:
    return size[0] * size[1] > LARGE


def _whole_factor(size: Size, goal: Size) -> int:
    return max(1, min(now // (GAP * then) for now, then in zip(size, goal, strict=True)))


def _upright(picture: Image.Image, original: Image.Image) -> Image.Image:
    """The picture turned as the camera of the original says."""
    try:
        turn = _TURNS.get(original.getexif().get(ExifTags.Base.Orientation, 1))
    except MemoryError:
        raise
    except Exception:  # unreadable metadata is no reason to refuse a picture
        return picture
    return picture if turn is None else picture.transpose(turn)


# In strips.


def _in_strips(picture: Image.Image, convert: Callable[[Image.Image], Image.Image], factor: int) -> Image.Image:
    """The picture converted, and smaller by a whole factor."""
    rows = max(1, STRIP_PIXELS // picture.width // factor) * factor
    whole = None
    for top, strip in _strips(picture, rows):
        converted = convert(strip)
        reduced = converted.reduce(factor) if factor > 1 else converted
        if strip is picture:
            return reduced
        if whole is None:
            whole = Image.new(reduced.mode, (reduced.width, math.ceil(picture.height / factor)))
        whole.paste(reduced, (0, top // factor))
    assert whole is not None, "an empty picture was refused before"
    return whole


def _strips(picture: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """Each strip with its first row; the picture itself where one strip holds it."""
    if rows >= picture.height:
        yield 0, picture
    else:
        for top in range(0, picture.height, rows):
            yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _meaning(picture: Image.Image, name: str) -> Callable[[Image.Image], Image.Image]:
    """The function that makes each strip of the picture plain: RGB with 8 bits, or gray floats (F) in [0, 1]."""
    if not picture.mode.startswith("I") and picture.mode != "F":
        return _in_srgb
    white = _white_of(picture, name)
    curve = _gray_curve(picture.info.get("icc_profile") or b"")
    return partial(_deep_gray, white=white, is_negative=_is_negative(picture), curve=curve)


# Colors of 8 bits.


def _in_srgb(picture: Image.Image) -> Image.Image:
    picture = over_white(picture)
    if picture.mode not in ("RGB", "L", "CMYK", "LAB"):
        picture = picture.convert("RGB")
    profile = picture.info.get("icc_profile") or b""
    if picture.mode == "L":
        curve = _gray_curve(profile)
        levels = None if curve is None else (curve[:: 65535 // 255] * 255).round().astype(int).tolist()
        return (picture.point(levels) if levels else picture).convert("RGB")
    transform = _srgb_transform(picture.mode, profile)
    if transform is not None:
        return ImageCms.applyTransform(picture, transform) or picture
    return picture.convert("RGB")


@lru_cache(maxsize=2)
def _srgb_transform(mode: str, profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """The way from a profile to sRGB; None without a profile, or with a broken or foreign one."""
    try:
        return ImageCms.buildTransform(
            ImageCms.createProfile("LAB") if mode == "LAB" else BytesIO(profile),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError:
        return None


# Gray of any depth.


@lru_cache(maxsize=2)
def _gray_curve(profile: bytes) -> Array | None:
    """What 65,536 equal steps from black to white become in sRGB, in [0, 1]; None as above."""
    ramp = Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256))
    # Little CMS calculates in 16 bits only from gray to gray, and its short cuts (optimizations) bend the shadows.
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOOPTIMIZE
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    try:
        there = ImageCms.profileToProfile(
            ramp, BytesIO(profile), BytesIO(_gray_srgb()), intent, outputMode="I;16", flags=flags
        )
    except ImageCms.PyCMSError:
        return None
    return np.asarray(there).astype(np.float32).reshape(-1) / np.float32(65535)


def _gray_srgb() -> bytes:
    """A profile for gray with the tone curve of sRGB: the profile of sRGB, whose red curve is made the only one."""
    srgb: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return srgb.replace(b"RGB XYZ ", b"GRAYXYZ ", 1).replace(b"rTRC", b"kTRC", 1)


def _white_of(picture: Image.Image, name: str) -> int:
    """The value of white: the smallest usual range that holds the values is taken for the full one."""
    strips = (np.asarray(strip) for _, strip in _strips(picture, max(1, STRIP_PIXELS // picture.width)))
    lows, highs = zip(*((strip.min(), strip.max()) for strip in strips), strict=True)
    low, high = np.min(lows), np.max(highs)
    ranges = {"I": (255, 65535), "F": (1, 255, 65535)}.get(picture.mode, (65535,))
    white = next((white for white in ranges if high <= white), None)
    if white is None or not low >= 0:  # not a number is neither
        raise ImageError(f"{name} holds gray values outside 0 to {ranges[-1]}; save it as an 8- or 16-bit picture")
    return white


def _is_negative(picture: Image.Image) -> bool:
    """Whether 0 is white, as a TIFF may have it: Pillow turns values of 8 bits around, and leaves deeper ones."""
    photometric, white_is_zero = 262, 0
    return getattr(picture, "tag_v2", {}).get(photometric) == white_is_zero


def _deep_gray(picture: Image.Image, white: int, is_negative: bool, curve: Array | None) -> Image.Image:
    values = np.asarray(picture).astype(np.float32)
    gray = values / np.float32(white)
    if is_negative:
        gray = 1 - gray
    if curve is not None:
        gray = np.interp(gray, np.linspace(0, 1, len(curve)), curve).astype(np.float32)
    gray[values == picture.info.get("transparency", -1)] = 1
    return Image.fromarray(gray)
