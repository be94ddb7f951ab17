"""Pictures in and out: files, addresses, names and arrays become tensors, and tensors become files.

A picture is a float32 tensor (B, 3, H, W), sRGB in [0, 1].
"""

import contextlib
import hashlib
import math
import os
import re
import uuid
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from torch import Tensor
from torch.nn import functional as F

from .errors import ImageError, InputError
from .sources import PICTURE_SUFFIXES, bundled_images, cache_folder, fetch, find, is_address

__all__ = ["bundled_images", "check_output", "cover", "download", "load_image", "save_gif", "save_image", "to_pil"]

Array = NDArray[Any]
Source = str | os.PathLike[str] | bytes | Image.Image | Array | Tensor

MIN_SIDE = 16  # VGG's four poolings leave one position of it
MAX_SIZE = 16_384
MAX_PIXELS = 178_000_000  # a small file can unfold into a picture that fills the memory
MAX_BYTES = 50_000_000


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
        ImageError for a picture that cannot be found, read or used; InputError for a wrong argument.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= MAX_SIZE):
        raise InputError(f"size is {size!r}; give the longer side in pixels, a whole number up to {MAX_SIZE}")
    name, pixels = _pixels(source)
    pixels = _resize(pixels, size, name)
    floats = pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels.clip(0, 1)
    return torch.from_numpy(np.ascontiguousarray(floats)).to(device or "cpu")


def download(url: str, *, max_bytes: int = MAX_BYTES, seconds: float = 60.0) -> Path:
    """Download a picture once, and give the path of the kept file from then on. Only whole pictures are kept.

    Raises:
        ImageError where the address leads to no picture, to more than `max_bytes`, or takes longer than `seconds`.
    """
    kept = cache_folder() / "pictures" / hashlib.sha256(url.encode()).hexdigest()[:32]
    if not kept.is_file():
        data = fetch(url, max_bytes, seconds)
        _from_file(BytesIO(data), url)
        _write(kept, lambda file: file.write(data))
    return kept


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


def to_pil(image: Tensor) -> Image.Image:
    """One picture (3, H, W) or (1, 3, H, W) as a PIL picture: clamped to [0, 1] and rounded to 8 bits."""
    if not isinstance(image, Tensor) or not image.is_floating_point():
        kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
        raise InputError(f"a picture must be a tensor of floats in [0, 1], not {kind}")
    if image.ndim == 4 and len(image) > 1:
        raise InputError(f"this is a batch of {len(image)} pictures; choose one, for example image[0]")
    if image.ndim not in (3, 4) or image.shape[-3] != 3 or image.numel() == 0:
        raise InputError(f"a picture must have the shape (3, H, W) or (1, 3, H, W), not {tuple(image.shape)}")
    if image.isnan().any():
        raise ImageError("the picture holds values that are not numbers (NaN); take an earlier step, or a lower rate")
    eight_bits = image.detach().float().clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return Image.fromarray(eight_bits.reshape(image.shape[-3:]).permute(1, 2, 0).contiguous().numpy())


def save_image(image: Tensor | Image.Image, path: str | os.PathLike[str], quality: int = 92) -> Path:
    """Save one picture; the ending of the path (.png, .jpg, .webp, .tif, .bmp) says the format.

    The parent folder is made where it is missing. The file appears whole or not at all.

    Args:
        image: (3, H, W) or (1, 3, H, W), clamped to [0, 1]; or a PIL picture.
        path: where to.
        quality: 1 to 100, for JPEG and WebP.

    Raises:
        ImageError where the file cannot be written; InputError for a wrong argument.
    """
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise InputError(f"quality is {quality!r}; give a whole number from 1 to 100")
    path = check_output(path)
    kind = Image.registered_extensions()[path.suffix.lower()]
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality},
        "TIFF": {"compression": "tiff_deflate"},
    }
    return _write(path, partial(_as_rgb(image).save, format=kind, **options.get(kind, {})))


def save_gif(
    frames: Iterable[Tensor | Image.Image], path: str | os.PathLike[str], seconds_a_frame: float = 0.1
) -> Path:
    """Save pictures of one size as an endless animation that rests on its last frame.

    All frames share one palette, so that colors do not flicker.

    Raises:
        ImageError where the file cannot be written; InputError for frames of several sizes, or none.
    """
    if not 0.02 <= seconds_a_frame <= 60:
        raise InputError(f"seconds_a_frame is {seconds_a_frame!r}; give a number from 0.02 to 60")
    path = check_output(path, (".gif",))
    pictures = [_as_rgb(frame) for frame in frames]
    sizes = {f"{picture.width} x {picture.height}" for picture in pictures}
    if len(sizes) != 1:
        raise InputError(f"an animation needs frames of one size, not {', '.join(sorted(sizes)) or 'none at all'}")
    palette = _shared_palette(pictures)
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
    times = [round(1000 * seconds_a_frame)] * len(others) + [round(1000 * max(2.0, seconds_a_frame))]
    return _write(path, partial(first.save, format="GIF", save_all=True, append_images=others, duration=times, loop=0))


def check_output(path: str | os.PathLike[str], suffixes: Iterable[str] = PICTURE_SUFFIXES) -> Path:
    """Raise now the ImageError that saving to `path` would raise after a long run; else give the full path."""
    full = Path(os.path.abspath(os.path.expanduser(path)))
    folder = next(folder for folder in full.parents if os.path.exists(folder))
    if full.is_dir():
        problem = f"it is a folder; give the name of a file in it, for example {full / 'result.png'}"
    elif full.suffix.lower() not in suffixes:
        problem = f"its ending {full.suffix!r} says no known format; possible are {', '.join(suffixes)}"
    elif full.exists() and not os.access(full, os.W_OK):
        problem = "the file is protected; choose another name"
    elif not folder.is_dir():
        problem = f"{folder} is a file, not a folder; choose another folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem = f"the folder {folder} is protected; choose another folder"
    else:
        return full
    raise ImageError(f"{path} cannot be written: {problem}")


# Sources to arrays (B, 3, H, W): uint8, or float32 in [0, 1] where 8 bits would lose something.


def _pixels(source: Source) -> tuple[str, Array]:
    """How messages call the picture, and its values."""
    if isinstance(source, Image.Image):
        return "the PIL picture", _from_pil(source, "the PIL picture")
    if isinstance(source, np.ndarray):
        return "the array", _from_array(source)
    if isinstance(source, Tensor):
        return "the tensor", _from_tensor(source)
    if isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        return name, _from_file(download(name) if is_address(name) else find(name), name)
    if isinstance(source, bytes):
        return "the file", _from_file(BytesIO(source), "the file")
    raise InputError(
        f"a picture cannot be made of {source!r:.60} ({type(source).__name__}); give a path, an http(s) address, "
        "a bundled name, a PIL picture, a NumPy array (H, W, 3) or a tensor (3, H, W)"
    )


def _from_file(file: Path | BytesIO, name: str) -> Array:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about odd metadata, and about sizes that are checked here
            with Image.open(file) as picture:
                return _from_pil(picture, name)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(_too_many_pixels(name)) from error
    except PermissionError as error:
        raise ImageError(f"{name} may not be read; change its permissions, or copy it to your own folder") from error
    except Exception as error:  # a damaged file can make Pillow raise nearly anything
        raise ImageError(f"{name} cannot be read as a picture: {_what_it_is(file)}") from error


def _from_pil(picture: Image.Image, name: str) -> Array:
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageError(_too_many_pixels(name))
    if picture.format in ("EPS", "WMF"):  # Pillow would start another program to draw it
        raise ImageError(f"{name} is a drawing ({picture.format}), not a picture of pixels; export it as PNG first")
    try:
        picture.load()
    except Exception as error:  # as above
        raise ImageError(f"{name} is cut off or damaged ({_brief(error)}); get the file again") from error
    with contextlib.suppress(Exception):  # unreadable metadata is no reason to refuse a picture
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_deep_gray(picture, name)
    return np.asarray(_in_srgb(_over_white(picture))).transpose(2, 0, 1)[None]


def _over_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("LA" if picture.mode in ("L", "LA", "La") else "RGBA")
    paper = Image.new(picture.mode[:-1], picture.size, "white")
    paper.paste(picture.convert(paper.mode), mask=picture.getchannel("A"))
    paper.info = {"icc_profile": picture.info.get("icc_profile")}
    return paper


def _in_srgb(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("RGB", "L", "CMYK", "LAB"):
        picture = picture.convert("RGB")
    profile = BytesIO(picture.info.get("icc_profile") or b"")
    try:
        return ImageCms.profileToProfile(
            picture,
            ImageCms.createProfile("LAB") if picture.mode == "LAB" else profile,
            ImageCms.createProfile("sRGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        ) or picture.convert("RGB")
    except ImageCms.PyCMSError:  # no profile, or a broken one
        return picture.convert("RGB")


def _from_deep_gray(picture: Image.Image, name: str) -> Array:
    """16 bits, 32 bits or floats: the smallest usual range that holds the values is taken for the full one."""
    values = np.asarray(picture).astype(np.float32)
    ranges = {"I": (255, 65535), "F": (1, 255, 65535)}.get(picture.mode, (65535,))
    white = next((white for white in ranges if values.max(initial=0) <= white), None)
    if white is None or not values.min(initial=0) >= 0:
        raise ImageError(f"{name} holds gray values outside 0 to {ranges[-1]}; save it as an 8- or 16-bit picture")
    gray = values / white
    gray[values == picture.info.get("transparency", -1)] = 1
    return np.broadcast_to(gray, (1, 3, *gray.shape))


def _from_array(array: Array) -> Array:
    """(H, W) or (H, W, 1 | 3 | 4) to (1, 3, H, W)."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = "; its channels come first: give array.transpose(1, 2, 0)" if array.shape[:1] in ((1,), (3,)) else ""
        raise ImageError(f"the array has the shape {array.shape}, not (H, W) or (H, W, 1 | 3 | 4){hint}")
    values = _as_floats(array, "the array").reshape(*array.shape[:2], -1)
    if values.shape[2] == 4:
        color, alpha = values[..., :3], values[..., 3:]
        values = color * alpha + (1 - alpha)
    return np.broadcast_to(values, (*array.shape[:2], 3)).transpose(2, 0, 1)[None]


def _from_tensor(tensor: Tensor) -> Array:
    """(3, H, W) or (B, 3, H, W) to (B, 3, H, W)."""
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3:
        raise ImageError(f"the tensor has the shape {tuple(tensor.shape)}, not (3, H, W) or (B, 3, H, W)")
    plain = tensor.detach().cpu()
    values = _as_floats((plain.float() if plain.is_floating_point() else plain).numpy(), "the tensor")
    return values.reshape(-1, *values.shape[-3:])


def _as_floats(array: Array, name: str) -> Array:
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


def _resize(pixels: Array, size: int | None, name: str) -> Array:
    """Lanczos, plane by plane, so that floats keep their precision."""
    height, width = pixels.shape[-2:]
    shorter, longer = sorted((height, width))
    if shorter == 0:
        raise ImageError(f"{name} is empty: it is {width} x {height} pixels")
    to_height, to_width = (max(1, round(side * (size or longer) / longer)) for side in (height, width))
    if min(to_height, to_width) < MIN_SIDE:
        enough = math.ceil(MIN_SIDE * longer / shorter)
        resized = f" and would be {to_width} x {to_height} with size={size}" if size else ""
        advice = f"give size={enough} or more" if enough <= MAX_SIZE else "cut out a part that is less long"
        raise ImageError(f"{name} is {width} x {height} pixels{resized}; a side needs {MIN_SIDE} at least: {advice}")
    if (to_height, to_width) == (height, width):
        return pixels
    planes = [
        np.asarray(Image.fromarray(plane).resize((to_width, to_height), Image.Resampling.LANCZOS))
        for plane in pixels.reshape(-1, height, width)
    ]
    return np.stack(planes).reshape(*pixels.shape[:2], to_height, to_width)


# What went wrong, in words.


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


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
        return f"{_brief(error)}; check the file"
    return next(words for sign, words in _SIGNS.items() if re.match(sign, head, re.DOTALL))


# Writing.


def _write(path: Path, save: Callable[[Any], object]) -> Path:
    """Write beside the path first and move into place, so that an interrupted write loses nothing."""
    beside = path.with_name(f".{uuid.uuid4().hex[:12]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            save(file)
        os.replace(beside, path)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be written ({_brief(error)}); choose another folder or format") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
    return path


def _as_rgb(image: Tensor | Image.Image) -> Image.Image:
    return _over_white(image).convert("RGB") if isinstance(image, Image.Image) else to_pil(image)


def _shared_palette(pictures: list[Image.Image]) -> Image.Image:
    """256 colors that suit samples from the whole animation."""
    sheet = Image.new("RGB", (8 * 128, 128))
    for k in range(8):
        sheet.paste(pictures[round(k * (len(pictures) - 1) / 7)].resize((128, 128)), (128 * k, 0))
    return sheet.quantize(256)
