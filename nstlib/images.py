"""Pictures in and out: files, addresses, names and arrays become tensors, and tensors become files.

A picture is a float32 tensor (B, 3, H, W), sRGB in [0, 1].
"""

import contextlib
import hashlib
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFile
from torch import Tensor
from torch.nn import functional as F

from .base.checks import known_arguments, whole
from .base.devices import usable_device
from .errors import ImageError, InputError, NstError, OutOfMemory, RunWarning, brief
from .pictures.mending import mended
from .pictures.pixels import MAX_SIZE, MIN_SIDE, Size, goal_size, read_smaller, values_of
from .pictures.saving import check_output, safe_stem, save_gif, save_image, save_image_somewhere, to_pil, write_whole
from .pictures.sources import bundled_images, cache_folder, fetch, find, is_address

__all__ = [
    "MAX_SIZE",
    "MIN_SIDE",
    "bundled_images",
    "check_output",
    "cover",
    "download",
    "load_image",
    "safe_stem",
    "save_gif",
    "save_image",
    "save_image_somewhere",
    "to_pil",
]

Array = NDArray[Any]
Source = str | os.PathLike[str] | bytes | Image.Image | Array | Tensor

MAX_PIXELS = 178_000_000  # a small file can unfold into a picture that fills the memory
MAX_BYTES = 50_000_000


@known_arguments
def load_image(source: Source, size: int | None = None, device: str | torch.device | None = None) -> Tensor:
    """Load a picture.

    Transparent pictures are laid over white, embedded color profiles are converted to sRGB, a camera's rotation is
    applied, and an animation gives its first frame.

    Example:
        >>> load_image("chelsea", size=256).shape
        torch.Size([1, 3, 170, 256])

    Args:
        source: a path, an http(s) address, a name of `bundled_images()`, the bytes of a file, a PIL picture, a NumPy
            array (H, W) or (H, W, 1 | 3 | 4) of uint8, uint16, bool or floats in [0, 1], or a tensor (3, H, W) or
            (B, 3, H, W).
        size: pixels of the longer side; the other side follows, so that nothing is stretched. None keeps the size.
        device: where the picture shall be; without it, the CPU.

    Returns:
        (1, 3, H, W), or (B, 3, H, W) for a batch: float32, sRGB in [0, 1].

    Raises:
        ImageError for a picture that cannot be found, read or used; InputError for a wrong argument; OutOfMemory for a
        picture that does not fit into the memory.
    """
    if size is not None:
        size = whole("size", size, 1, MAX_SIZE, "; it is the longer side in pixels")
    name = _name_of(source)
    # A picture that is loaded under inference_mode shall serve for gradients later.
    with _memory_errors_of(name), torch.inference_mode(False):
        return _moved(torch.from_numpy(_as_floats(_pixels(source, size, name))), device or "cpu")


def download(url: str, *, max_bytes: int = MAX_BYTES, seconds: float = 60.0) -> Path:
    """Download a picture once, and give the path of the kept file from then on. Only whole pictures are kept.

    Where the folder for downloads cannot be written, the file is kept until the program ends.

    Raises:
        ImageError where the address leads to no picture, to more than `max_bytes`, or takes longer than `seconds`.
    """
    file = _file_of_address(url, max_bytes, seconds)
    if isinstance(file, BytesIO):
        raise ImageError(f"{url} cannot be kept: neither {cache_folder()} nor a temporary folder can be written")
    return file


def cover(image: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Scale a picture (B, 3, h, w) until it covers (H, W), aspect kept, and cut off what hangs over on both sides."""
    height, width = size
    scale = max(height / image.shape[-2], width / image.shape[-1])
    scaled = [max(round(side * scale), least) for side, least in zip(image.shape[-2:], size, strict=True)]
    if scaled != list(image.shape[-2:]):
        # On the CPU: MPS has no antialiased resampling, and this is done once.
        image = F.interpolate(image.cpu(), scaled, mode="bicubic", antialias=True).clamp(0, 1).to(image.device)
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    return image[..., top : top + height, left : left + width]


# Sources to arrays (B, 3, H, W): uint8, or float32 in [0, 1] where 8 bits would lose something.


def _name_of(source: Source) -> str:
    """How messages call a picture."""
    if isinstance(source, str | os.PathLike):
        return f"{os.fsdecode(source):.300}"
    kinds: dict[type, str] = {Image.Image: "the PIL picture", np.ndarray: "the array", Tensor: "the tensor"}
    return next((name for kind, name in kinds.items() if isinstance(source, kind)), "the file")


def _pixels(source: Source, size: int | None, name: str) -> Array:
    if isinstance(source, Image.Image):
        try:
            _load(source, name)
        except _Unreadable as error:
            file = getattr(source, "filename", "")
            if file and os.path.isfile(file):  # where more can be done than Pillow does with what it has opened
                return _pixels(os.fsdecode(file), size, os.fsdecode(file))
            raise ImageError(f"{error}; or give its path or its bytes, of which more can be read") from error.__cause__
        return values_of(source, source.size, size, name)
    if isinstance(source, np.ndarray):
        return _resized(_from_array(source), size, name)
    if isinstance(source, Tensor):
        return _resized(_from_tensor(source), size, name)
    if isinstance(source, str | os.PathLike):
        plain = os.fsdecode(source)
        return _from_file(_file_of_address(plain) if is_address(plain) else find(plain), size, name)
    if isinstance(source, bytes):
        return _from_file(BytesIO(source), size, name)
    raise InputError(
        f"a picture cannot be made of {source!r:.60} ({type(source).__name__}); give a path, an http(s) address, "
        "a bundled name, a PIL picture, a NumPy array (H, W, 3) or a tensor (3, H, W)"
    )


def _from_file(file: Path | BytesIO, size: int | None, name: str) -> Array:
    with _opened(file, size, name) as (picture, full):
        return values_of(picture, full, size, name)


def _from_array(array: Array) -> Array:
    """(H, W) or (H, W, 1 | 3 | 4) to (1, 3, H, W)."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = "; its channels come first: give array.transpose(1, 2, 0)" if array.shape[:1] in ((1,), (3,)) else ""
        raise ImageError(f"the array has the shape {array.shape}, not (H, W) or (H, W, 1 | 3 | 4){hint}")
    values = _checked_floats(array, "the array").reshape(*array.shape[:2], -1)
    if values.shape[2] == 4:
        color, alpha = values[..., :3], values[..., 3:]
        values = color * alpha + (1 - alpha)
    return np.broadcast_to(values, (*array.shape[:2], 3)).transpose(2, 0, 1)[None]


def _from_tensor(tensor: Tensor) -> Array:
    """(3, H, W) or (B, 3, H, W) to (B, 3, H, W)."""
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3:
        raise ImageError(f"the tensor has the shape {tuple(tensor.shape)}, not (3, H, W) or (B, 3, H, W)")
    plain = tensor.detach().cpu()
    values = _checked_floats((plain.float() if plain.is_floating_point() else plain).numpy(), "the tensor")
    return values.reshape(-1, *values.shape[-3:])


def _checked_floats(array: Array, name: str) -> Array:
    """Values of any accepted type as float32 in [0, 1], but for a little rounding."""
    if array.size == 0:
        raise ImageError(f"{name} is empty: its shape is {array.shape}")
    white = {"bool": 1, "uint8": 255, "uint16": 65535}.get(array.dtype.name, 1 if array.dtype.kind == "f" else None)
    if white is None:
        raise ImageError(f"{name} holds {array.dtype}; give uint8, uint16, bool, or floats in [0, 1]")
    values = array.astype(np.float32) / np.float32(white)
    if not np.isfinite(values).all():
        raise ImageError(f"{name} holds values that are not finite (NaN or infinite)")
    low, high = values.min(), values.max()
    if low < -1e-4 or high > 1 + 1e-4:
        raise ImageError(
            f"{name} holds floats from {low:.4g} to {high:.4g}, but must lie in [0, 1]; "
            "divide by 255 if white is 255, or clip"
        )
    return values


def _resized(pixels: Array, size: int | None, name: str) -> Array:
    """Lanczos, plane by plane, so that floats keep their precision."""
    height, width = pixels.shape[-2:]
    goal = goal_size((width, height), size, name)
    if goal == (width, height):
        return pixels
    planes = [
        np.asarray(Image.fromarray(plane).resize(goal, Image.Resampling.LANCZOS))
        for plane in pixels.reshape(-1, height, width)
    ]
    return np.stack(planes).reshape(*pixels.shape[:2], *goal[::-1])


def _moved(picture: Tensor, device: str | torch.device) -> Tensor:
    try:
        return picture.to(device)
    except (RuntimeError, AssertionError, ValueError):  # torch raises each of them, depending on its build
        usable_device(device)  # says what is wrong with it
        raise


def _as_floats(pixels: Array) -> Array:
    """Its own memory, float32 in [0, 1]."""
    floats = np.empty(pixels.shape, np.float32)
    if pixels.dtype == np.uint8:
        return np.divide(pixels, np.float32(255), out=floats, dtype=np.float32)
    return np.clip(pixels, 0, 1, out=floats)


# Files to PIL pictures that have been read.


class _Unreadable(Exception):
    """Pillow cannot read a file: its message says why."""


@contextlib.contextmanager
def _opened(file: Path | BytesIO, size: int | None, name: str) -> Iterator[tuple[Image.Image, Size]]:
    """The picture of a file, read, perhaps as a smaller draft for this size; and the size that the file has."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # Pillow warns about odd metadata, and about sizes that are checked here
        try:
            found = _read(stack.enter_context(_open(file, name)), size, name)
        except _Unreadable as error:
            again = mended(file)
            if again is None:
                raise ImageError(str(error)) from error.__cause__
            try:
                found = _read(stack.enter_context(again), size, name)
            except _Unreadable:
                raise ImageError(str(error)) from error.__cause__
        yield found


def _open(file: Path | BytesIO, name: str) -> Image.Image:
    try:
        return Image.open(file)
    except Image.DecompressionBombError as error:
        raise ImageError(_too_many_pixels(name)) from error
    except PermissionError as error:
        raise ImageError(f"{name} may not be read; change its permissions, or copy it to your own folder") from error
    except Exception as error:  # a damaged file can make Pillow raise nearly anything
        _pass_on_memory_error(error)
        raise _Unreadable(f"{name} cannot be read as a picture: {_what_it_is(file)}") from error


def _read(picture: Image.Image, size: int | None, name: str) -> tuple[Image.Image, Size]:
    """The picture of an opened file, as a draft if it is far larger than it shall be; and its full size."""
    full = picture.size
    if size is not None and 0 not in full and full[0] * full[1] <= MAX_PIXELS:
        read_smaller(picture, goal_size(full, size, name))
    is_gray = any(tile[3] == "LA;16B" for tile in getattr(picture, "tile", ()))  # which Pillow makes RGBA
    _load(picture, name)
    return picture.convert("LA") if is_gray else picture, full


def _load(picture: Image.Image, name: str) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageError(_too_many_pixels(name))
    if picture.format in ("EPS", "WMF"):  # Pillow would start another program to draw it
        raise ImageError(f"{name} is a drawing ({picture.format}), not a picture of pixels; export it as PNG first")
    if _is_planar_and_deep(picture):
        raise ImageError(
            f"{name} is a planar TIFF (each channel apart) of other than 8 bits, which Pillow reads wrongly; "
            "save it with interleaved channels, or as PNG"
        )
    had_no_file = _is_without_file(picture)
    try:
        picture.load()
    except Image.DecompressionBombError as error:
        raise ImageError(_too_many_pixels(name)) from error
    except Exception as error:  # as above
        _pass_on_memory_error(error)
        if had_no_file or "closed image" in str(error):
            raise ImageError(
                f"{name} is closed; call its load() before it is closed, or give the path of its file"
            ) from error
        raise _Unreadable(f"{name} is cut off or damaged ({brief(error)}); get the file again") from error


def _is_planar_and_deep(picture: Image.Image) -> bool:
    """Whether it is a TIFF whose planes Pillow takes for 8 bits, whatever they are; compressed ones it reads well."""
    bits, compression, photometric, arrangement = 258, 259, 262, 284
    tags = getattr(picture, "tag_v2", {})
    plain = set(tags.get(bits, (1,))) in ({1}, {8}) and tags.get(photometric) != 0
    return tags.get(arrangement) == 2 and tags.get(compression, 1) == 1 and not plain


def _is_without_file(picture: Image.Image) -> bool:
    """Whether the file was closed before its pixels were read."""
    if not isinstance(picture, ImageFile.ImageFile) or not picture.tile:
        return False
    return picture.fp is None or picture.fp.closed


# Addresses.

_KEPT_FOR_NOW: dict[str, Path] = {}  # downloads of this process, where the folder for them cannot be written


def _file_of_address(url: str, max_bytes: int = MAX_BYTES, seconds: float = 60.0) -> Path | BytesIO:
    """The kept file, or, where nothing can be kept at all, its bytes."""
    name = hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:32]
    kept = cache_folder() / "pictures" / name
    for file in (kept, _KEPT_FOR_NOW.get(name, kept)):
        if os.path.isfile(file) and os.access(file, os.R_OK):
            return file
    data = fetch(url, max_bytes, seconds)
    with _opened(BytesIO(data), None, url):  # only whole pictures are kept
        pass
    try:
        return write_whole(kept, lambda file: file.write(data))
    except ImageError:
        _say_that_nothing_is_kept(kept.parent)
    with contextlib.suppress(ImageError, OSError):
        _KEPT_FOR_NOW[name] = write_whole(Path(_temporary_folder().name, name), lambda file: file.write(data))
    return _KEPT_FOR_NOW.get(name, BytesIO(data))


@cache  # once for each folder
def _say_that_nothing_is_kept(folder: Path) -> None:
    reason = f"the folder {folder} cannot be written; the environment variable NST_CACHE names another"
    warnings.warn(f"downloads are not kept for the next time: {reason}", RunWarning, stacklevel=4)


@cache
def _temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    """A folder that is gone when the program ends."""
    return tempfile.TemporaryDirectory(prefix="nstlib-", ignore_cleanup_errors=True)


# Memory.


def _pass_on_memory_error(error: BaseException) -> None:
    """Raise an error that speaks of memory as MemoryError: it says nothing about the file."""
    if _is_of_memory(error):
        raise MemoryError from error


def _is_of_memory(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "allocate memory" in words


@contextlib.contextmanager
def _memory_errors_of(name: str) -> Iterator[None]:
    try:
        yield
    except NstError:
        raise
    except Exception as error:
        if not _is_of_memory(error):
            raise
        raise OutOfMemory(
            f"{name} does not fit into the memory; close other programs, give a smaller size, "
            "or make it smaller in another program first"
        ) from error


# What went wrong, in words.


def _too_many_pixels(name: str) -> str:
    return f"{name} has more than {MAX_PIXELS // 10**6} million pixels; make it smaller in another program first"


_SIGNS = {
    rb"\s*(<!doctype html|<html)": "it is a web page (text/html); open the picture itself and copy its address",
    rb".*<svg": "it is an SVG, a drawing without pixels; export it as PNG first",
    rb"\s*%pdf": "it is a PDF; export the page as PNG first",
    rb"....ftyp(hei|hev|mif)": "it is an HEIC picture, which Pillow cannot read; export it as JPEG first",
    rb"....ftypavi": "it is an AVIF picture that this Pillow cannot read; export it as JPEG first",
    rb"....ftyp": "it is a video; save one of its frames as PNG first",
    rb"(?:[\t-\r\x20-\x7e]|[\xc2-\xf4][\x80-\xbf]+)+[\xc2-\xf4]?$": "it is text; give a JPEG, PNG or WebP picture",
    rb"$": "it is empty; get the file again",
    rb"": "it is damaged, or of a kind that Pillow does not know; get it again, or export it as JPEG or PNG",
}


def _what_it_is(file: Path | BytesIO) -> str:
    """What a file that is not a readable picture seems to be, and what to do with it."""
    try:
        with BytesIO(file.getvalue()) if isinstance(file, BytesIO) else file.open("rb") as opened:
            head = opened.read(4096).removeprefix(b"\xef\xbb\xbf").lower()
    except OSError as error:
        return f"{brief(error)}; check the file"
    return next(words for sign, words in _SIGNS.items() if re.match(sign, head, re.DOTALL))
