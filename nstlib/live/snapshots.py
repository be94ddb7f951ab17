"""Snapshots: pictures that were kept as PNG files with their settings inside, on the page and in a folder."""

import base64
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, Self

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..base.reporting import shown_path
from ..control.styles import Blend
from ..errors import ImageError, InputError
from ..images import check_output, safe_stem
from ..outputs import CLONE

MOST_NAMED = 4  # pictures in the name of a file, which cannot be of any length


@dataclass(frozen=True)
class Snapshot:
    """A picture that was kept: a PNG file that carries its settings, see `read_settings`."""

    png: bytes
    taken: int
    settings: Mapping[str, Any]
    of_a: str = "studio"

    @classmethod
    def of(
        cls, picture: Image.Image, taken: int, settings: Mapping[str, Any], faithful: bool, of_a: str = "studio"
    ) -> Self:
        """The picture as a file; see `Engine` for the rest, and `of_a` for what made it."""
        text = PngInfo()
        text.add_text("Software", "nstlib")
        facts = {"settings": settings, "steps": taken, "faithful": faithful}
        text.add_itxt("nstlib", json.dumps(facts, default=str))
        file = BytesIO()
        picture.save(file, "PNG", pnginfo=text)
        return cls(file.getvalue(), taken, settings, of_a)

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"Snapshot at step {self.taken}" if self.of_a == "studio" else f"Picture {self.taken} of the {self.of_a}"

    @property
    def stem(self) -> str:
        """The name of its file, without the ending."""
        style = self.settings["style"]
        pictures = [self.settings["content"], *(Blend.of(style).pictures if style else ())][:MOST_NAMED]
        names = [safe_stem(Path(str(picture)).stem, 40) for picture in pictures]
        return f"{self.of_a}_{'_'.join(names)}_{self.taken}"


class Album:
    """The last pictures that a page keeps: each is a link there, and a file in the folder where there is one.

    Args:
        folder: for the files, or None.
        of_a: what makes the pictures.
        most: how many stay on the page.

    Attributes:
        snapshots: these, the oldest first.
    """

    def __init__(self, folder: Path | None, of_a: str, most: int):
        self.folder, self.of_a, self.most = folder, of_a, most
        self.snapshots: list[Snapshot] = []

    def keep(self, picture: Image.Image, settings: Mapping[str, Any], faithful: bool) -> str:
        """Keep a picture with its settings; gives what a page is to say of it."""
        taken = self.snapshots[-1].taken + 1 if self.snapshots else 1
        snapshot = Snapshot.of(picture, taken, settings, faithful, self.of_a)
        self.snapshots.append(snapshot)
        del self.snapshots[: -self.most]
        if self.folder is None:
            return ""
        try:
            return f"kept {shown_path(written(snapshot, self.folder))}"
        except OSError as error:  # the picture is on the page all the same
            return f"it cannot be written to {shown_path(self.folder)}: {error.strerror or error}"


def read_settings(picture: str | os.PathLike[str] | bytes) -> dict[str, Any]:
    """What a snapshot's file says: its "settings", its number of "steps", and whether these alone give it ("faithful").

    Raises:
        InputError where the picture is no snapshot.
    """
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, Image.DecompressionBombError):
        with Image.open(BytesIO(picture) if isinstance(picture, bytes) else os.fspath(picture)) as png:
            facts = json.loads(png.info["nstlib"])
        return {name: facts[name] for name in ("settings", "steps", "faithful")}
    name = "this" if isinstance(picture, bytes) else f"{picture!s:.200}"
    raise InputError(f"{name} is not a snapshot with settings inside")


def written(snapshot: Snapshot, folder: Path) -> Path:
    """Write a snapshot's file into a folder, under a name that is free there; gives its path.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        path = folder / (f"{snapshot.stem}_{number}.png" if number > 1 else f"{snapshot.stem}.png")
        with suppress(FileExistsError):
            file = path.open("xb")
            break
    try:
        with file:
            file.write(snapshot.png)
    except OSError:
        path.unlink(missing_ok=True)  # half a picture
        raise
    return path


def problem_of(folder: Path | None) -> str:
    """Why snapshots cannot be written to a folder, as far as it can be known before, or ""."""
    try:
        if folder is not None:
            check_output(folder / "snapshot.png")
    except (ImageError, OSError) as error:
        return f"snapshots can only be saved from this page: {error}"
    return ""


def default_folder() -> Path | None:
    """img/results of the clone, or of the folder at hand; none on a page for a class, whose students would share it."""
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return None
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return None
    return (CLONE if here.is_relative_to(CLONE) and (CLONE / "img").is_dir() else here) / "img" / "results"


def strip_html(snapshots: Iterable[Snapshot]) -> str:
    """Snapshots side by side; each is a link that saves its file."""
    links = []
    for snapshot in snapshots:
        name = escape(f"{snapshot.stem}.png")
        small = Image.open(BytesIO(snapshot.png))
        small.thumbnail((140, 140))
        links.append(
            f'<a download="{name}" href="{_url(snapshot.png, "png")}" style="margin-right:8px">'
            f'<img src="{picture_url(small)}" alt="{snapshot.title}" title="{name}"></a>'
        )
    return f'<div style="display:flex; flex-wrap:wrap">{"".join(links)}</div>'


def picture_url(picture: Image.Image) -> str:
    """A picture as an address that holds it, for a page."""
    file = BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=80)
    return _url(file.getvalue(), "jpeg")


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
