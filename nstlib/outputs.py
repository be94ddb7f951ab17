"""Where results go: under names that take nothing from anybody, and elsewhere where that fails."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from PIL import Image
from torch import Tensor

from .control.styles import Blend
from .errors import ImageError, InputError
from .images import Source, safe_stem, save_image_somewhere
from .pictures.sources import find, full_path, is_address

CLONE = Path(__file__).resolve().parents[1]
LONGEST = 50  # characters of one of two pictures' part of a name: systems take some 250 bytes for the whole


def default_output(content_path: Source, style_path: Any, mode: str) -> Path:
    """img/results/<content>_<style>.png, after the names of the pictures; of several styles, after all of them.

    In the folder at hand; from anywhere in a clone, such as notebooks/, in the clone's own folder of results.

    Raises:
        ImageError: the folder at hand was deleted.
    """
    here = full_path(".")
    styles = () if style_path is None else Blend.of(style_path).pictures
    sources = [content_path, *styles]
    names = [name_of(source, 2 * LONGEST // max(len(sources), 2)) for source in sources]
    base = CLONE if here.is_relative_to(CLONE) and (CLONE / "img").is_dir() else Path()
    stem = "_".join([*names, *([] if mode == "style_transfer" else [mode])])
    return base / "img" / "results" / f"{stem}.png"


def free_name(path: Path) -> Path:
    """The path, or where something is there already path_2, path_3 and so on: a name nobody chose takes no place."""
    free, number = path, 2
    while os.path.lexists(free):
        free, number = path.with_name(f"{path.stem}_{number}{path.suffix}"), number + 1
    return free


def keep_inputs(outputs: Mapping[str, Path | None], inputs: Mapping[str, Any]) -> None:
    """Refuse to write over what is read, under whatever name, and two things into one file.

    Args:
        outputs: what messages call it, and the full path.
        inputs: what messages call it, and a picture's source or the path of a file.

    Raises:
        InputError: which output is which input.
    """
    paths = {what: path for what, path in outputs.items() if path is not None}
    for place, (what, path) in enumerate(paths.items()):
        for role, source in inputs.items():
            file = _file_of(source)
            if file is not None and _same(path, file):
                raise InputError(f"{what} {path} is the {role} itself and would be written over; choose another name")
        for other in list(paths)[:place]:
            if _same(path, paths[other]):
                raise InputError(f"{other} and {what} are both {path}; choose another name for one of them")


def save_picture(image: Tensor, path: Path, chosen: bool = True) -> Path:
    """Save it there, or where nobody chose that name at the next free one, or where that fails elsewhere.

    Returns:
        Where the picture is.

    Raises:
        ImageError: it cannot be saved anywhere.
    """
    return save_image_somewhere(image, path if chosen else free_name(path))


def name_of(source: Source, longest: int = LONGEST) -> str:
    """What a picture is called, by its file or the end of its address, in characters that every system takes."""
    if not isinstance(source, str | os.PathLike):
        return "picture"
    text = os.fsdecode(source)
    if is_address(text):
        address = urlsplit(text)
        text = unquote(address.path).rstrip("/") or address.hostname or "picture"
    return safe_stem(Path(text).stem, longest)


def _file_of(source: Any) -> Path | None:
    """The file on this machine that a source is read from."""
    if isinstance(source, Image.Image):
        source = getattr(source, "filename", None)
    if not isinstance(source, str | os.PathLike) or not os.fspath(source):
        return None
    with suppress(ImageError, OSError, ValueError):
        return find(os.fsdecode(source))
    return None


def _same(path: Path, other: Path) -> bool:
    with suppress(OSError):
        return os.path.samefile(path, other)
    return path == other
