"""Pictures in and out: files, addresses, names and arrays become tensors, and tensors become files.

A picture is a float32 tensor (B, 3, H, W), sRGB in [0, 1].
"""

import difflib
import hashlib
import importlib.util
import math
import os
import re
import socket
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import platformdirs
import requests
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from torch import Tensor

from .errors import ImageError, InputError

Source = str | os.PathLike[str] | Image.Image | NDArray[Any] | Tensor
Array = NDArray[Any]

MIN_SIDE = 16  # what the deepest convolutions of VGG need: four poolings halve a side four times
MAX_SIZE = 16_384
MAX_PIXELS = 178_000_000  # a small file can unfold into a picture that fills the memory
MAX_BYTES = 50_000_000

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "retina.jpg", "rocket.jpg")
FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
_HERE = Path(__file__).parent
# A wheel carries the pictures inside the package; a clone keeps them beside it.
_HOME = _HERE if (_HERE / "img").is_dir() else _HERE.parent
_ACCEPTED = (
    "give a path, an http(s) address, a bundled name, a PIL picture, a NumPy array (H, W) or (H, W, 3), "
    "or a tensor (3, H, W)"
)


def load_image(source: Source, size: int | None = None, device: str | torch.device | None = None) -> Tensor:
    """Load a picture.

    Transparent pictures are laid over white, embedded color profiles are converted to sRGB, a camera's rotation is
    applied, and an animation gives its first frame.

    Example:
        >>> load_image("chelsea", size=256).shape
        torch.Size([1, 3, 170, 256])

    Args:
        source: a path, an http(s) address, a name of `bundled_images()`, a PIL picture, a NumPy array (H, W) or
            (H, W, 1 | 3 | 4) of uint8, uint16, bool or floats in [0, 1], or a tensor (3, H, W) or (B, 3, H, W).
        size: pixels of the longer side; the other side follows, so that nothing is stretched. None keeps the size.
        device: where the picture shall be; without it, the CPU.

    Returns:
        (1, 3, H, W), or (B, 3, H, W) for a batch: float32, sRGB in [0, 1].

    Raises:
        ImageError for a picture that cannot be found, read or used; InputError for a wrong argument.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer)):
        raise InputError(f"size is {size!r}; give the longer side in pixels, a whole number such as 512")
    if size is not None and not 0 < size <= MAX_SIZE:
        raise InputError(f"size is {size}; give the longer side in pixels, from {MIN_SIDE} to {MAX_SIZE}")
    if isinstance(source, Image.Image):
        name, pixels = "the PIL picture", _from_pil(source, "the PIL picture")
    elif isinstance(source, np.ndarray):
        name, pixels = "the array", _from_array(source, "the array")
    elif isinstance(source, Tensor):
        name, pixels = "the tensor", _from_tensor(source)
    elif isinstance(source, str | os.PathLike):
        name, path = _find(os.fsdecode(source))
        pixels = _from_file(path, name)
    else:
        raise InputError(f"a picture cannot be made from {source!r:.60} ({type(source).__name__}); {_ACCEPTED}")
    pixels = _resize(pixels, size, name)
    whole = pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels.clip(0, 1)
    return torch.from_numpy(np.ascontiguousarray(whole)).to(device or "cpu")


def to_pil(image: Tensor) -> Image.Image:
    """One picture (3, H, W) or (1, 3, H, W) as a PIL picture: clamped to [0, 1] and rounded to 8 bits."""
    if not isinstance(image, Tensor) or not image.is_floating_point():
        kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
        raise InputError(f"a picture must be a tensor of floats in [0, 1], not {kind}")
    if image.ndim == 4 and len(image) > 1:
        raise InputError(f"this is a batch of {len(image)} pictures; choose one, for example image[0]")
    if image.shape[-3:-2] != (3,) or image.ndim not in (3, 4) or image.numel() == 0:
        raise InputError(f"a picture must have the shape (3, H, W) or (1, 3, H, W), not {tuple(image.shape)}")
    image = image.detach().reshape(image.shape[-3:]).float().cpu()
    if image.isnan().any():
        raise ImageError("the picture holds values that are not numbers (NaN); take an earlier step, or a lower rate")
    eight_bits = image.clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(eight_bits.permute(1, 2, 0).contiguous().numpy())


def save_image(image: Tensor | Image.Image, path: str | os.PathLike[str], quality: int = 92) -> Path:
    """Save one picture (3, H, W) or (1, 3, H, W); the suffix of the path says the format.

    The parent folder is made where it is missing. The file appears whole or not at all.

    Args:
        image: floats, clamped to [0, 1], or a PIL picture.
        path: ends in one of `FORMATS`.
        quality: 1 to 100, for JPEG and WebP.

    Raises:
        ImageError where the file cannot be written; InputError for a wrong argument.
    """
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise InputError(f"quality is {quality!r}; give a whole number from 1 to 100")
    path = check_output(path)
    picture = image.convert("RGB") if isinstance(image, Image.Image) else to_pil(image)
    options: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality},
        "TIFF": {"compression": "tiff_deflate"},
    }
    kind = FORMATS[path.suffix.lower()]
    return _write(path, partial(picture.save, format=kind, **options.get(kind, {})))


def save_gif(
    frames: Iterable[Tensor | Image.Image], path: str | os.PathLike[str], seconds_a_frame: float = 0.1
) -> Path:
    """Save pictures of one size as an endless animation, which rests on its last frame for two seconds.

    All frames share one palette, so that colors do not flicker.
    """
    if not 0.02 <= seconds_a_frame <= 60:
        raise InputError(f"seconds_a_frame is {seconds_a_frame!r}; give a number from 0.02 to 60")
    path = check_output(path, [".gif"])
    pictures = [frame.convert("RGB") if isinstance(frame, Image.Image) else to_pil(frame) for frame in frames]
    if not pictures or len({picture.size for picture in pictures}) > 1:
        sizes = sorted({"{} x {}".format(*picture.size) for picture in pictures})
        raise InputError(f"an animation needs frames of one size, not {', '.join(sizes) or 'none at all'}")
    palette = _shared_palette(pictures)
    indexed = [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
    times = [round(1000 * seconds_a_frame)] * (len(indexed) - 1) + [2000]
    save = partial(
        indexed[0].save, format="GIF", save_all=True, append_images=indexed[1:], duration=times, loop=0, optimize=False
    )
    return _write(path, save)


def check_output(path: str | os.PathLike[str], suffixes: Iterable[str] = tuple(FORMATS)) -> Path:
    """Raise now the ImageError that saving a picture to `path` would raise after a long run; give the full path."""
    full = Path(os.path.abspath(os.path.expanduser(path)))
    if full.is_dir():
        raise ImageError(f"{path} is a folder; give the name of a file in it, for example {Path(path) / 'result.png'}")
    suffixes = list(suffixes)
    if full.suffix.lower() not in suffixes:
        found = f"the ending {full.suffix!r}" if full.suffix else "no ending"
        raise ImageError(f"{path} has {found}, which says no format; possible are {', '.join(suffixes)}")
    if full.exists() and not os.access(full, os.W_OK):
        raise ImageError(f"{path} is protected against writing; choose another name")
    folder = next(folder for folder in full.parents if folder.exists())
    if not folder.is_dir():
        raise ImageError(f"{path} cannot be written: {folder} is a file, not a folder; choose another folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(f"{path} cannot be written: the folder {folder} is protected; choose another folder")
    return full


def bundled_images(kind: str | None = None) -> list[str]:
    """Names that `load_image` knows: of kind "content", "style" or "photo" (scikit-image's photographs), or all."""
    bundled = _bundled()
    if kind is not None and kind not in bundled:
        raise InputError(f"kind is {kind!r}; choose one of: {', '.join(bundled)}")
    return [name for one in bundled for name in bundled[one] if kind in (None, one)]


def cache_folder() -> Path:
    """Where downloads are kept: the environment variable NST_CACHE if set, else the system's folder for caches."""
    return Path(os.environ.get("NST_CACHE") or platformdirs.user_cache_dir("nstlib")).expanduser()


def download(url: str, *, max_bytes: int = MAX_BYTES, seconds: float = 60.0) -> Path:
    """Download a picture once, and give the path of the kept file from then on.

    Only whole pictures are kept.

    Raises:
        ImageError where the address leads to no picture, to more than `max_bytes`, or takes longer than `seconds`.
    """
    kept = cache_folder() / "pictures" / hashlib.sha256(url.encode()).hexdigest()[:32]
    if kept.is_file():
        return kept
    try:
        data = _within(seconds, lambda: _fetch(url, max_bytes, time.monotonic() + seconds))
    except (requests.RequestException, OSError) as error:
        raise ImageError(f"{url} could not be downloaded: {_why_no_answer(error)}") from error
    _from_file(BytesIO(data), url)
    return _write(kept, lambda file: file.write(data))


# Sources to arrays (B, 3, H, W): uint8, or float32 in [0, 1] where 8 bits would lose something.


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
        raise ImageError(_too_many_pixels(name, f"{picture.width} x {picture.height} is "))
    if picture.format == "EPS":
        raise ImageError(f"{name} is a PostScript drawing, not a picture of pixels; export it as PNG first")
    try:
        picture.load()
    except Exception as error:  # as above
        raise ImageError(f"{name} is cut off or damaged ({_brief(error)}); get the file again") from error
    picture = _upright(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_deep_gray(picture, name)
    return np.asarray(_in_srgb(_over_white(picture))).transpose(2, 0, 1)[None]


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # unreadable metadata is no reason to refuse the picture
        return picture


def _over_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("LA" if picture.mode in ("L", "LA", "La") else "RGBA")
    paper = Image.new(picture.mode[:-1], picture.size, "white")
    paper.paste(picture.convert(paper.mode), mask=picture.getchannel("A"))
    if "icc_profile" in picture.info:
        paper.info["icc_profile"] = picture.info["icc_profile"]
    return paper


def _in_srgb(picture: Image.Image) -> Image.Image:
    if picture.mode not in ("RGB", "L", "CMYK", "LAB"):
        picture = picture.convert("RGB")
    try:
        if picture.mode == "LAB":
            profile: Any = ImageCms.createProfile("LAB")
        else:
            profile = BytesIO(picture.info["icc_profile"])
        converted = ImageCms.profileToProfile(
            picture,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (KeyError, TypeError, ImageCms.PyCMSError):  # no profile, or a broken one
        converted = None
    return converted or picture.convert("RGB")


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


def _from_array(array: Array, name: str) -> Array:
    """(H, W) or (H, W, 1 | 3 | 4) to (1, 3, H, W)."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = "; its channels come first: give array.transpose(1, 2, 0)" if array.shape[:1] in ((1,), (3,)) else ""
        raise ImageError(f"{name} has the shape {array.shape}, not (H, W) or (H, W, 1 | 3 | 4){hint}")
    values = _checked_floats(array, name).reshape(*array.shape[:2], -1)
    color, alpha = (values[..., :3], values[..., 3:]) if values.shape[2] == 4 else (values, np.float32(1))
    laid = np.broadcast_to(color * alpha + (1 - alpha), (*array.shape[:2], 3))
    return laid.transpose(2, 0, 1)[None]


def _from_tensor(tensor: Tensor) -> Array:
    """(3, H, W) or (B, 3, H, W) to (B, 3, H, W)."""
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3:
        raise ImageError(f"the tensor has the shape {tuple(tensor.shape)}, not (3, H, W) or (B, 3, H, W)")
    plain = tensor.detach().cpu()
    values = _checked_floats((plain.double() if plain.is_floating_point() else plain).numpy(), "the tensor")
    return values.reshape(-1, *values.shape[-3:])


def _checked_floats(array: Array, name: str) -> Array:
    """Values of any accepted type as a float32 copy in [0, 1]."""
    if array.size == 0:
        raise ImageError(f"{name} is empty: its shape is {array.shape}")
    whites = {"bool": 1, "uint8": 255, "uint16": 65535}
    if array.dtype.kind != "f" and array.dtype.name not in whites:
        raise ImageError(f"{name} holds {array.dtype}; give uint8, uint16, bool, or floats in [0, 1]")
    values = array.astype(np.float32) / np.float32(whites.get(array.dtype.name, 1))
    if not np.isfinite(values).all():
        raise ImageError(f"{name} holds values that are not finite (NaN or infinite)")
    if values.min() < -1e-4 or values.max() > 1 + 1e-4:
        raise ImageError(
            f"{name} holds floats from {values.min():.4g} to {values.max():.4g}, but white is 1; "
            "divide by 255 if white is 255, or clip to [0, 1]"
        )
    return values.clip(0, 1)


def _resize(pixels: Array, size: int | None, name: str) -> Array:
    """Lanczos, plane by plane, so that floats keep their precision."""
    height, width = pixels.shape[-2:]
    if not height or not width:
        raise ImageError(f"{name} is empty: it is {width} x {height} pixels")
    shorter, longer = sorted((height, width))
    new_height, new_width = (max(1, round(side * int(size or longer) / longer)) for side in (height, width))
    if min(new_height, new_width) < MIN_SIDE:
        enough = math.ceil(MIN_SIDE * longer / shorter)
        resized = f" and would be {new_width} x {new_height} with size={size}" if size else ""
        advice = f"give size={enough} or more" if enough <= MAX_SIZE else "cut out a part that is less long"
        raise ImageError(f"{name} is {width} x {height} pixels{resized}; each side needs at least {MIN_SIDE}: {advice}")
    if (new_height, new_width) == (height, width):
        return pixels
    planes = [
        np.asarray(Image.fromarray(plane).resize((new_width, new_height), Image.Resampling.LANCZOS))
        for plane in pixels.reshape(-1, height, width)
    ]
    return np.stack(planes).reshape(*pixels.shape[:2], new_height, new_width)


# Names and paths.


def _bundled() -> dict[str, dict[str, Path]]:
    """Kind to name to path."""
    found = {kind: sorted((_HOME / "img" / kind).glob("*.jpg")) for kind in ("content", "style")}
    skimage = importlib.util.find_spec("skimage")  # finds its folder, and spends no time on importing it
    folders = (skimage and skimage.submodule_search_locations) or []
    found["photo"] = [Path(folder, "data", photograph) for folder in folders for photograph in PHOTOGRAPHS]
    return {kind: {path.stem: path for path in paths} for kind, paths in found.items()}


def _find(source: str) -> tuple[str, Path]:
    """The name by which messages call a picture, and its file. What exists wins over a bundled name."""
    scheme = re.match(r"(data(?=:)|[a-z][a-z0-9+.-]*(?=://))", source, re.IGNORECASE)
    if scheme and scheme[0].lower() in ("http", "https"):
        path = download(source)
        return f"{source} (kept in {path})", path
    if scheme and scheme[0].lower() != "file":
        raise ImageError(f"{source:.100} is an address of the kind {scheme[0]}; give an http(s) address or a path")
    path = Path(url2pathname(urlsplit(source).path) if scheme else os.path.expanduser(source))
    if not source.strip():
        raise ImageError(f"the path is empty; {_ACCEPTED}")
    if os.path.exists(path):
        if path.is_dir():
            raise ImageError(f"{source} is a folder; give one picture in it{_for_example(path)}")
        if not path.is_file():
            raise ImageError(f"{source} is not a file but a device or a pipe; give a picture's path")
        return source, path
    names = {name: file for files in _bundled().values() for name, file in files.items()}
    if source in names:
        return source, names[source]
    if path.parts[:1] == ("img",) and (_HOME / path).is_file():
        return source, _HOME / path
    raise ImageError(_not_found(source, path, list(names)))


def _for_example(folder: Path) -> str:
    pictures = [path for path in _listing(folder) if Path(path).suffix.lower() in FORMATS]
    return f", for example {folder / pictures[0]}" if pictures else ""


def _listing(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _not_found(source: str, path: Path, names: list[str]) -> str:
    folder = Path(os.path.abspath(path)).parent
    if not folder.is_dir():
        return f"there is no picture {source}: the folder {folder} does not exist; check the path"
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"{source} cannot be reached: the folder {folder} may not be read; change its permissions"
    if path.name == source and not path.suffix:
        nearest = difflib.get_close_matches(source.lower(), names, n=3, cutoff=0.5) or names
        return (
            f"there is no bundled picture {source!r}; the nearest are {', '.join(nearest)}. "
            f"For a file of your own give its path, for example pictures/{source}.jpg"
        )
    nearest = difflib.get_close_matches(path.name, _listing(folder), n=3)
    near = f"the nearest names there are {', '.join(nearest)}" if nearest else "check its name"
    return f"there is no file {path.name!r} in the folder {folder}; {near}"


# What went wrong, in words.


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]


def _too_many_pixels(name: str, size: str = "it is ") -> str:
    return f"{name} has too many pixels: {size}more than {MAX_PIXELS // 10**6} million; make it smaller first"


def _what_it_is(file: Path | BytesIO) -> str:
    """What a file that is not a readable picture seems to be, and what to do with it."""
    try:
        head = (file.getvalue() if isinstance(file, BytesIO) else file.open("rb").read(4096))[:4096]
    except OSError as error:
        return f"{_brief(error)}; check the file"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    signs = {
        "it is empty; get the file again": not head,
        "it is a web page (text/html), not a picture; open the picture itself and copy its address": text.startswith(
            (b"<!doctype html", b"<html")
        ),
        "it is an SVG, a drawing without pixels; export it as PNG first": b"<svg" in text,
        "it is a PDF; export the page as PNG first": text.startswith(b"%pdf"),
        "it is an HEIC picture, which Pillow cannot read; export it as JPEG first": head[4:11]
        in (b"ftyphei", b"ftyphev", b"ftypmif"),
        "it is an AVIF picture that this Pillow cannot read; export it as JPEG first": head[4:11] == b"ftypavi",
        "it is a video; save one of its frames as PNG first": head[4:8] == b"ftyp",
        "it is text; give a JPEG, PNG or WebP picture": bool(head)
        and not re.search(rb"[^\t-\r\x20-\x7e\x80-\xff]", head),
    }
    unknown = "it is damaged, or of a kind that Pillow does not know; get it again, or export it as JPEG or PNG"
    return next((words for words, holds in signs.items() if holds), unknown)


# The network.


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


def _fetch(url: str, max_bytes: int, deadline: float) -> bytes:
    from . import __version__

    too_large = f"{url} is larger than {max_bytes / 1e6:g} MB; take a smaller version of the picture"
    headers = {
        "User-Agent": f"nstlib/{__version__} (neural style transfer tutorials)",
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
            if expected > max_bytes:
                raise ImageError(too_large)
            data = bytearray()
            for chunk in response.iter_content(16_384):
                data += chunk
                if len(data) > max_bytes:
                    raise ImageError(too_large)
                if time.monotonic() > deadline:
                    raise TimeoutError
            if response.raw.tell() < expected:
                raise requests.exceptions.ChunkedEncodingError
    return bytes(data)


def _why_refused(status: int) -> str:
    if status in (401, 403):
        what = "the site does not give it to programs; download it in your browser and give the file's path"
    elif status in (404, 410):
        what = "there is nothing at this address; check it"
    elif status == 429:
        what = "the site has had too many requests; wait a few minutes"
    elif status >= 500:
        what = "the server is in trouble; try again later"
    else:
        what = "the server gave no picture; check the address in a browser"
    return f"{what} (HTTP status {status})"


def _why_no_answer(error: BaseException) -> str:
    reasons: list[tuple[type[BaseException], str]] = [
        (TimeoutError, "the server took too long; try again, or download it in your browser and give the file's path"),
        (requests.Timeout, "the server took too long; try again later"),
        (
            requests.exceptions.SSLError,
            "its certificate cannot be trusted; check the address and your computer's clock",
        ),
        (requests.TooManyRedirects, "it leads in circles; open the picture itself in a browser and copy its address"),
        (requests.exceptions.ChunkedEncodingError, "the download broke off; try again"),
        (socket.gaierror, "the server's name cannot be found; check its spelling and your network"),
        (requests.ConnectionError, "the server does not answer; check the address and your network"),
        (ValueError, "the address is not well formed; check it"),
    ]
    chain = list(_causes(error))
    found = (words for kind, words in reasons if any(isinstance(cause, kind) for cause in chain))
    return next(found, _brief(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# Files and palettes.


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
        beside.unlink(missing_ok=True)
    return path


def _shared_palette(pictures: list[Image.Image]) -> Image.Image:
    """256 colors that suit samples from the whole animation."""
    chosen = [pictures[round(k * (len(pictures) - 1) / 7)].copy() for k in range(8)]
    sheet = Image.new("RGB", (8 * 128, 128))
    for k, picture in enumerate(chosen):
        sheet.paste(picture.resize((128, 128)), (128 * k, 0))
    return sheet.quantize(256)
