"""Where pictures come from: bundled names, paths and the network."""

import difflib
import importlib.util
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import platformdirs
import requests

from ..base.checks import the_nearest
from ..base.version import __version__
from ..errors import ImageError, InputError

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")  # of what can be saved
# Of what cameras, telephones and pages give besides. Where Pillow cannot read one, it is at least not passed over.
OTHER_SUFFIXES = (".gif", ".jfif", ".jpe", ".avif", ".heic", ".heif")

# Whom a web site may ask about the downloads; `make links` writes it, from pyproject.toml.
REPOSITORY = "https://github.com/OWNER/NAME"

_HERE = Path(__file__).parents[1]
# A wheel carries the pictures inside the package; a clone keeps them beside it.
_HOME = _HERE if (_HERE / "img").is_dir() else _HERE.parent


def bundled_images(kind: str | None = None) -> list[str]:
    """Names that `load_image` knows: of kind "content", "style" or "photo" (scikit-image's photographs), or all."""
    bundled = _bundled()
    if kind is not None and kind not in bundled:
        raise InputError(f"kind is {kind!r}; choose one of: {', '.join(bundled)}")
    return [name for one in bundled for name in bundled[one] if kind in (None, one)]


def cache_folder() -> Path:
    """Where downloads are kept: the environment variable NST_CACHE if set, else the system's folder for caches."""
    return Path(os.path.expanduser(os.environ.get("NST_CACHE") or platformdirs.user_cache_dir("nstlib")))


def full_path(path: str | os.PathLike[str]) -> Path:
    """The path from the root, with `~` as the home folder.

    Raises:
        ImageError: there is no working folder that a relative path could begin in.
    """
    plain = os.path.expanduser(os.fsdecode(path))
    try:
        return Path(os.path.abspath(plain))
    except (OSError, ValueError) as error:
        raise ImageError(
            f"{plain:.100} cannot be found: the working folder does not exist any more; "
            "change to another folder, or give the full path"
        ) from error


def is_called_picture(name: str) -> bool:
    """Whether a file has a picture's name, and is not hidden: macOS puts a ._photo.jpg beside each on a USB stick."""
    return name.lower().endswith((*PICTURE_SUFFIXES, *OTHER_SUFFIXES)) and not name.startswith(".")


def is_address(source: str) -> bool:
    """Whether a source is to be downloaded."""
    return _scheme(source) in ("http", "https")


def find(source: str) -> Path:
    """The file that a path, a file:// address or a bundled name means. A file wins over a bundled name.

    Raises:
        ImageError where there is no such file; its message names the nearest ones.
    """
    scheme = _scheme(source)
    if scheme not in ("", "file"):
        raise ImageError(f"{source:.100} is an address of the kind {scheme!r}; give an http(s) address or a path")
    if not source.strip():
        raise ImageError("the path is empty; give a picture's path, its http(s) address or a bundled name")
    path = Path(_path_of(source) if scheme else os.path.expanduser(source))
    bundled = {name: file for files in _bundled().values() for name, file in files.items()}
    if os.path.isfile(path):
        return path
    for name, file in bundled.items():
        if source in (name, file.name):
            return file
    if path.parts[:1] == ("img",) and os.path.isfile(_HOME / path):  # as a clone has it, from any folder
        return _HOME / path
    if os.path.isdir(path):
        raise ImageError(f"{source} is a folder; give one picture in it{_for_example(path)}")
    if os.path.exists(path):
        raise ImageError(f"{source} is not a file but a device or a pipe; give a picture's path")
    raise ImageError(_not_found(source, path, list(bundled)))


def fetch(url: str, max_bytes: int, seconds: float) -> bytes:
    """What a web server gives.

    Raises:
        ImageError where it gives nothing, more than `max_bytes`, or takes longer than `seconds` in all.
    """
    try:
        return _within(seconds, lambda: _stream(url, max_bytes, time.monotonic() + seconds))
    except (requests.RequestException, OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{url} could not be downloaded: {_why_no_answer(error)}") from error


def _scheme(source: str) -> str:
    found = re.match(r"data(?=:)|[a-z][a-z0-9+.-]+(?=://)", source, re.IGNORECASE)
    return found[0].lower() if found else ""


def _path_of(address: str) -> str:
    try:
        return url2pathname(urlsplit(address).path)
    except ValueError as error:
        raise ImageError(f"{address:.100} is not well formed; give the picture's path without file://") from error


def _bundled() -> dict[str, dict[str, Path]]:
    """Kind to name to path."""
    found = {kind: sorted((_HOME / "img" / kind).glob("*.jpg")) for kind in ("content", "style")}
    skimage = importlib.util.find_spec("skimage")  # finds its folder, and spends no time on importing it
    folders = (skimage and skimage.submodule_search_locations) or []
    found["photo"] = [Path(folder, "data", photograph) for folder in folders for photograph in PHOTOGRAPHS]
    return {kind: {path.stem: path for path in paths} for kind, paths in found.items()}


def _for_example(folder: Path) -> str:
    pictures = [name for name in _listing(folder) if is_called_picture(name)]
    return f", for example {folder / pictures[0]}" if pictures else ""


def _listing(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []


def _not_found(source: str, path: Path, bundled: list[str]) -> str:
    if path.name == source and not path.suffix:
        nearest = difflib.get_close_matches(source.lower(), bundled, n=3, cutoff=0.5) or bundled
        return (
            f"there is no bundled picture {source!r:.100}; {the_nearest(nearest)}. "
            f"For a file of your own give its path, for example pictures/{source:.100}.jpg"
        )
    folder = full_path(path).parent
    if not os.path.isdir(folder):
        return f"there is no picture {source:.300}: the folder {folder!s:.300} does not exist; check the path"
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"{source:.300} cannot be reached: the folder {folder} may not be read; change its permissions"
    nearest = difflib.get_close_matches(path.name, _listing(folder), n=3)
    near = f"the nearest names there are {', '.join(nearest)}" if nearest else "check its name"
    return f"there is no file {path.name!r:.300} in the folder {folder}; {near}"


def _within(seconds: float, work: Callable[[], bytes]) -> bytes:
    """The result of `work`, or TimeoutError: a server that sends a byte now and then never meets a read time-out."""
    future: Future[bytes] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future.result(timeout=seconds)


def _stream(url: str, max_bytes: int, deadline: float) -> bytes:
    headers = {
        "User-Agent": f"nstlib/{__version__} ({REPOSITORY}; neural style transfer tutorials)",
        "Accept": "image/*,*/*;q=0.5",
        "Accept-Encoding": "identity",
    }
    with requests.Session() as session:
        session.max_redirects = 5
        with session.get(url, stream=True, timeout=(10, 20), headers=headers) as response:
            if response.status_code != 200:
                raise ImageError(f"{url} could not be downloaded: {_why_refused(response.status_code)}")
            declared = response.headers.get("Content-Length", "")
            expected = int(declared) if declared.isdecimal() else 0
            data = bytearray()
            for chunk in response.iter_content(16_384) if expected <= max_bytes else ():
                data += chunk
                if time.monotonic() > deadline:
                    raise TimeoutError
                if len(data) > max_bytes:
                    break
            if max(expected, len(data)) > max_bytes:
                raise ImageError(f"{url} is larger than {max_bytes / 1e6:g} MB; take a smaller version of the picture")
            if response.raw.tell() < expected:
                raise requests.exceptions.ChunkedEncodingError
    return bytes(data)


def _why_refused(status: int) -> str:
    reasons = {
        401: "it needs a password; download it in your browser and give the file's path",
        403: "the site does not give it to programs; download it in your browser and give the file's path",
        404: "there is nothing at this address; check it",
        410: "there is nothing at this address any more; find another",
        429: "the site has had too many requests; wait a few minutes",
    }
    usual = "the server is in trouble; try again later" if status >= 500 else "no picture came; check the address"
    return f"{reasons.get(status, usual)} (HTTP status {status})"


def _why_no_answer(error: BaseException) -> str:
    reasons: dict[type[BaseException], str] = {
        TimeoutError: "the server took too long; try again, or download it in your browser and give the file's path",
        requests.exceptions.SSLError: "its certificate cannot be trusted; check the address and the computer's clock",
        requests.TooManyRedirects: "it leads in circles; open the picture itself in a browser and copy its address",
        requests.exceptions.ChunkedEncodingError: "the download broke off; try again",
        socket.gaierror: "the server's name cannot be found; check its spelling and your network",
        requests.ConnectionError: "the server does not answer; check the address and your network",
        ValueError: "the address is not well formed; check it",
    }
    chain = list(_causes(error))
    found = (words for kind, words in reasons.items() if any(isinstance(cause, kind) for cause in chain))
    return next(found, str(error)[:120])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
