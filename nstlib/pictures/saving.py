"""Pictures become files: checked before a long run, whole or not at all, and elsewhere rather than nowhere."""

import contextlib
import math
import os
import re
import shutil
import struct
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..base.checks import known_arguments, whole
from ..errors import ImageError, InputError, OutOfMemory, RunWarning, brief
from .pixels import over_white
from .sources import PICTURE_SUFFIXES, full_path

LONGEST_SIDE = {"WEBP": 16_383, "JPEG": 65_500, "GIF": 65_535}  # what the formats, and their libraries, can hold
LONGEST_NAME = 255  # bytes; what nearly every file system takes
# On Windows these are devices, whatever their ending.
NO_NAMES = {"CON", "CONIN$", "CONOUT$", "PRN", "AUX", "NUL"}
NO_NAMES |= {f"{port}{k}" for port in ("COM", "LPT") for k in "0123456789¹²³"}


@known_arguments
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


@known_arguments
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
    quality = whole("quality", quality, 1, 100)
    check_output(path)  # before the work of the next line
    picture = _as_rgb(image)
    path = check_output(path, size=(picture.height, picture.width))
    kind = Image.registered_extensions()[path.suffix.lower()]
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality},
        "TIFF": {"compression": "tiff_deflate"},
    }
    return write_whole(path, partial(picture.save, format=kind, **options.get(kind, {})))


def save_image_somewhere(image: Tensor | Image.Image, path: str | os.PathLike[str], quality: int = 92) -> Path:
    """Save one picture to `path`, or, where that fails, to another place: the picture of a long run is not lost.

    Tried in turn: the path; the same as PNG, should the format be the problem; then, under a name that is free, the
    working folder, the home folder and the folder for temporary files. A RunWarning says why and where.

    Returns:
        Where the picture is.

    Raises:
        ImageError where no place takes it; InputError for a wrong argument.
    """
    quality = whole("quality", quality, 1, 100)
    picture = _as_rgb(image)
    try:
        return save_image(picture, path, quality)
    except ImageError as error:
        reason = error
    for place in _other_places(Path(path)):
        with contextlib.suppress(ImageError):
            saved = save_image(picture, place, quality)
            warnings.warn(f"{reason}. The picture is in {saved}", RunWarning, stacklevel=2)
            return saved
    raise reason


@known_arguments
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
    check_output(path, (".gif",), pictures[0].size[::-1])
    palette = _shared_palette(pictures)
    first, *others = [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
    times = [round(1000 * seconds_a_frame)] * len(others) + [round(1000 * max(2.0, seconds_a_frame))]
    save = partial(first.save, format="GIF", save_all=True, append_images=others, duration=times, loop=0)
    return write_whole(path, save)


def check_output(
    path: str | os.PathLike[str],
    suffixes: Iterable[str] = PICTURE_SUFFIXES,
    size: tuple[int, int] | None = None,
) -> Path:
    """Raise now the ImageError that saving to `path` would raise after a long run; else give the full path.

    Args:
        path: where a picture shall be saved.
        suffixes: the endings that are possible.
        size: (H, W) of the picture, where it is known: whether the format can hold it, and the disk.

    Raises:
        ImageError; InputError for what is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"the path is of type {type(path).__name__}; expected the path of a file, as 'result.png'")
    full = full_path(path)
    problem = _problem(full, tuple(suffixes)) or (size and _problem_of_size(full, *size))
    if problem:
        raise ImageError(f"{os.fspath(path)!s:.300} cannot be written: {problem}")
    return full


def safe_stem(name: str, longest: int = 100) -> str:
    """A name for a file, without its ending, that every system takes, made of any text: a title, an address.

    Example:
        >>> safe_stem("What? A/B: 1 & 2.")
        'What_ A_B_ 1 _ 2'

    Args:
        name: the text.
        longest: how many characters the name has at most; as UTF-8, twice as many bytes.
    """
    stem = re.sub(r'[?:&|<>"*/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]+', "_", name.strip())
    stem = stem[:longest].encode()[: 2 * longest].decode(errors="ignore").rstrip(". ") or "picture"
    return f"{stem}_" if stem.partition(".")[0].rstrip().upper() in NO_NAMES else stem


def write_whole(path: Path, save: Callable[[Any], object]) -> Path:
    """Write beside the path first and move into place, so that an interrupted write loses nothing.

    Raises:
        ImageError: the file cannot be written; OutOfMemory: what is to be written does not fit into the memory.
    """
    beside = path.with_name(f".{uuid.uuid4().hex[:12]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("xb") as file:
            save(file)
        os.replace(beside, path)
    except MemoryError as error:
        raise OutOfMemory(f"{path} cannot be written: the memory is full; close other programs") from error
    except (OSError, ValueError, ArithmeticError, RuntimeError, SystemError, struct.error) as error:
        raise ImageError(f"{path} cannot be written ({brief(error)}); choose another folder or format") from error
    finally:
        with contextlib.suppress(OSError, ValueError):
            beside.unlink()
    return path


# What stands in the way, in words; "" where nothing does.


def _problem(full: Path, suffixes: tuple[str, ...]) -> str:
    folder = _nearest_folder(full)
    if os.path.isdir(full):
        return f"it is a folder; give the name of a file in it, for example {full / 'result.png'}"
    if full.suffix.lower() not in suffixes:
        return f"its ending {full.suffix[:20]!r} says no known format; possible are {', '.join(suffixes)}"
    if os.path.exists(full) and not os.path.isfile(full):
        return "it is not a file but a device or a pipe; choose another name"
    if os.path.exists(full) and not os.access(full, os.W_OK):
        return "the file is protected; choose another name"
    if not os.path.isdir(folder):
        missing = "is a file, not a folder" if os.path.exists(folder) else "does not exist"
        return f"{folder} {missing}; choose another folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {folder} is protected; choose another folder"
    return _problem_of_names(full, folder)


def _nearest_folder(full: Path) -> Path:
    """The deepest folder above a path that exists; of a drive that does not exist, its root."""
    return next((folder for folder in full.parents if os.path.exists(folder)), Path(full.anchor))


def _problem_of_names(full: Path, folder: Path) -> str:
    """Of the names that are to be made in this folder."""
    for name in full.relative_to(folder).parts:
        try:
            length = len(os.fsencode(name))
        except UnicodeError:
            return f"its name {name[:40]!r} holds characters that this system cannot write; choose another"
        if "\0" in name:
            return f"its name {name[:40]!r} holds a NUL character; choose another"
        if length > LONGEST_NAME:
            return f"its name {name[:40]!r}... is {length} bytes long; choose one of {LONGEST_NAME} at most"
    try:
        full.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # the path as a whole is too long, or a name means something else here
        return f"{brief(error)[:60]}; choose another name"
    return ""


def _problem_of_size(full: Path, height: int, width: int) -> str:
    kind = Image.registered_extensions().get(full.suffix.lower(), "")
    most = LONGEST_SIDE.get(kind)
    if most is not None and max(height, width) > most:
        return f"a {kind} picture has {most} pixels a side at most, and this one is {width} x {height}; save it as .png"
    folder = _nearest_folder(full)
    with contextlib.suppress(OSError):
        disk = shutil.disk_usage(folder)
        needed = 3 * height * width  # what a picture that cannot be compressed takes
        if disk.total and disk.free < needed:  # some network drives say 0 of 0
            free = f"{disk.free / 1e6:.0f} MB are free, and the picture may take {math.ceil(needed / 1e6)}"
            return f"the disk is full: in {folder} {free}; make room, or choose another folder"
    return ""


# How a picture is written.


def _as_rgb(image: Tensor | Image.Image) -> Image.Image:
    return over_white(image).convert("RGB") if isinstance(image, Image.Image) else to_pil(image)


def _shared_palette(pictures: list[Image.Image]) -> Image.Image:
    """256 colors that suit samples from the whole animation."""
    sheet = Image.new("RGB", (8 * 128, 128))
    for k in range(8):
        sheet.paste(pictures[round(k * (len(pictures) - 1) / 7)].resize((128, 128)), (128 * k, 0))
    return sheet.quantize(256)


def _other_places(path: Path) -> Iterator[Path]:
    """Where a picture may be saved that cannot be saved to `path`: at first as PNG beside it."""
    yield _free(path.with_suffix(".png") if path.name else path / "picture.png")
    suffix = path.suffix if path.suffix.lower() in PICTURE_SUFFIXES else ".png"
    yield from places_elsewhere(path.stem, (suffix, ".png"))


def places_elsewhere(stem: str, endings: Iterable[str]) -> Iterator[Path]:
    """Free names in the working folder, the home folder and the folder for temporary files."""
    for folder in (os.getcwd, lambda: os.path.expanduser("~"), tempfile.gettempdir):
        with contextlib.suppress(OSError):
            for ending in dict.fromkeys(endings):
                yield _free(Path(folder(), safe_stem(stem) + ending))


def _free(path: Path) -> Path:
    """The path, with a number where there is such a file."""
    numbered = (path.with_stem(f"{path.stem}_{k}") for k in range(2, 10_000))
    return next((free for free in (path, *numbered) if not os.path.lexists(free)), path)
