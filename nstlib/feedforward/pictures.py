"""What a network learns on: contents at random places, scales and sides; the same for the same seed."""

import copy
import os
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..base.checks import counted, fraction, guess, known_arguments, whole
from ..errors import ImageError, InputError, MissingPackage, RunError, RunWarning, brief
from ..images import Source, bundled_images, load_image
from ..pictures.sources import is_called_picture
from .drawing import draw

KINDS = ("content", "photo", "style")  # bundled pictures by kind, see `bundled_images`
DRAWN = "drawn"
DEFAULT_SOURCES = ("content", "photo", DRAWN)
LARGEST = 640  # longer side of a kept picture: crops of it show single things, and twenty fit into 25 MB
LARGEST_CROP = 2048  # pixels: the drawn pictures, which are as large, take 1.5 GB
FLAT, TRIES = 0.03, 10  # a crop with less contrast is taken elsewhere, where ten times are enough to find one
COARSEST, FINEST = 0.8, 3.0  # the side of what is cut out, in sides of the crop
DRAWN_SIDE = 256
DRAWN_COUNT, DRAWN_SHARE = 120, 0.25  # how many there are, and of how many crops they are the source


class Contents:
    """Batches of crops to train on. What batch number n holds depends on the seed and on n alone.

    Example:
        >>> contents = Contents(size=128, seed=0)
        >>> contents.batch(4).shape
        torch.Size([4, 3, 128, 128])
        >>> Contents("my_holidays", size=256)                # a folder of pictures
        >>> Contents(["my_holidays", "drawn"], without=["me.jpg"])

    Args:
        sources: where pictures come from, one or several: the bundled kinds "content", "photo" (scikit-image's
            photographs) and "style"; "drawn", pictures drawn by rules; a folder; or a picture in any form that
            `load_image` takes. A file in a folder that cannot be read is left out, with a warning.
        size: side of a crop in pixels, 8 to 2048.
        seed: of the drawn pictures, the places, the scales and the sides.
        without: names of bundled pictures, and of files in the folders, that are left out, to be looked at afterwards.
        drawn: how many are drawn, and the share of the crops that are theirs where there are others.

    Attributes:
        recipe: the arguments that build the same again; None where a source is neither a word nor a path.
        names: of the pictures, without the drawn ones.
        taken: how many batches were taken; setting it goes to another place of the sequence.

    Raises:
        ImageError: no picture at all. MissingPackage: scikit-image's photographs, where it is not installed.
        InputError: an argument that cannot work.
    """

    _stream: tuple[int, ...] = ()  # tells its random numbers from those of others with the same seed

    @known_arguments
    def __init__(
        self,
        sources: Source | Iterable[Source] = DEFAULT_SOURCES,
        size: int = 256,
        *,
        seed: int = 0,
        without: Collection[str] = (),
        drawn: tuple[int, float] = (DRAWN_COUNT, DRAWN_SHARE),
    ):
        self.size, self.seed, self.taken = whole("size", size, 8, LARGEST_CROP), whole("the seed", seed), 0
        count, self._drawn_share = _checked_drawn(drawn)
        listed, left_out = _listed(sources), {without} if isinstance(without, str) else set(without)
        self.recipe = _recipe(listed, self.size, self.seed, left_out, (count, self._drawn_share))
        others = [source for source in listed if not _is_drawn(source)]
        _check_left_out(left_out, others)
        found = _pictures(others, left_out, _longest(size))
        self.names, self._pictures = [name for name, _ in found], [picture for _, picture in found]
        drawings = draw(count, drawn_side(size), seed) if len(others) < len(listed) else ()
        self._drawn = [torch.from_numpy(drawing).permute(2, 0, 1) for drawing in drawings]
        if not self._pictures and not self._drawn:
            raise ImageError("there is no picture to train on; give a folder of pictures, or 'content' and 'drawn'")

    def resized(self, size: int) -> "Contents | None":
        """These pictures in crops of another size, from the first batch on: what the same arguments would give.

        None where crops of that size need larger pictures than are kept, or smaller ones.
        """
        if _longest(size) != _longest(self.size) or drawn_side(size) != drawn_side(self.size):
            return None
        other = copy.copy(self)
        other.size, other.taken = whole("size", size, 8, LARGEST_CROP), 0
        other.recipe = self.recipe and {**self.recipe, "size": other.size}
        return other

    def __len__(self) -> int:
        """How many pictures there are, drawn ones included."""
        return len(self._pictures) + len(self._drawn)

    def batch(self, count: int) -> Tensor:
        """The next batch, (count, 3, size, size) in [0, 1], on the CPU."""
        crops = self.at(self.taken, count)
        self.taken += 1
        return crops

    def at(self, number: int, count: int) -> Tensor:
        """Batch number so and so, whatever the next one is."""
        rng = np.random.default_rng((self.seed, whole("number", number), *self._stream))
        return torch.stack([self._crop(rng) for _ in range(whole("count", count, 1))])

    def state_dict(self) -> dict[str, Any]:
        """Where the sequence is, and what tells it from another."""
        return {"seed": self.seed, "size": self.size, "pictures": len(self), "taken": self.taken}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken.

        Raises:
            RunError: it was taken of other contents: what follows would not be what would have followed.
        """
        own = self.state_dict()
        for name, word in {"seed": "seed", "size": "size", "pictures": "number of pictures"}.items():
            if state[name] != own[name]:
                raise RunError(
                    f"these contents have the {word} {own[name]}, the saved ones {state[name]}; give the same contents"
                )
        self.taken = whole("taken", state["taken"])

    def _crop(self, rng: np.random.Generator) -> Tensor:
        """A crop that shows something: what is of one color gets a gradient that knows no bounds.

        A network normalizes each response, so that it divides by the contrast, layer after layer.
        """
        for _ in range(TRIES):
            crop = self._any_crop(rng)
            if crop.std((1, 2)).max() > FLAT:
                break
        return crop

    def _any_crop(self, rng: np.random.Generator) -> Tensor:
        source = self._source(rng)
        scale = np.exp(rng.uniform(np.log(COARSEST), np.log(FINEST)))
        side = min(max(round(self.size * scale), 1), *source.shape[1:])
        top, left = (int(rng.integers(0, length - side + 1)) for length in source.shape[1:])
        part = source[:, top : top + side, left : left + side].float()[None] / 255
        crop = F.interpolate(part, (self.size, self.size), mode="bilinear", antialias=True)[0].clamp(0, 1)
        return crop.flip(2) if rng.random() < 0.5 else crop

    def _source(self, rng: np.random.Generator) -> Tensor:
        share = self._drawn_share if self._pictures else 1.0
        shelf = self._drawn if self._drawn and rng.random() < share else self._pictures or self._drawn
        return shelf[rng.integers(len(shelf))]


def folder_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """The files of a folder that are called as pictures are, but for hidden ones, in order of their names.

    Raises:
        ImageError: it cannot be read, or has none.
    """
    path = Path(os.path.expanduser(folder))
    try:
        files = sorted(file for file in path.iterdir() if is_called_picture(file.name) and file.is_file())
    except OSError as error:
        raise ImageError(f"the folder {path} cannot be read ({brief(error)}); check its path") from error
    if not files:
        raise ImageError(f"the folder {path} has no pictures; expected files such as *.jpg or *.png")
    return files


def _longest(size: int) -> int:
    """Longer side of the pictures that are kept for crops of this size."""
    return max(LARGEST, 2 * size)


def drawn_side(size: int) -> int:
    """Side of the drawn pictures for crops of this size."""
    return max(size, DRAWN_SIDE)


def names_in(sources: Source | Iterable[Source]) -> set[str]:
    """What `without` may name of such sources."""
    return {name for source in _listed(sources) for name in _names_in(source)}


def _check_left_out(names: Collection[str], sources: Sequence[Source]) -> None:
    """A picture that is to be kept for looking, and under a name that is not quite its own would be learned."""
    known = names_in(sources) if names else set()
    for name in sorted(names):
        if name not in known:
            raise InputError(f"there is no picture {name!r:.80} to leave out of the sources{guess(name, known)}")


def _names_in(source: Source) -> list[str]:
    if _is_kind(source):
        return _bundled(source)
    return [name for file in folder_pictures(source) for name in (file.name, file.stem)] if _is_folder(source) else []


def _is_folder(source: Source) -> TypeGuard[str | os.PathLike[str]]:
    return isinstance(source, str | os.PathLike) and os.path.isdir(os.path.expanduser(source))


def _pictures(sources: Sequence[Source], without: set[str], longest: int) -> list[tuple[str, Tensor]]:
    """Names and pictures, uint8 (3, H, W)."""
    found: list[tuple[str, Tensor]] = []
    for source in sources:
        if _is_kind(source):
            names = [name for name in _bundled(source) if name not in without]
            found += [(name, picture) for name in names for picture in _read(name, longest)]
        elif _is_folder(source):
            files = [file for file in folder_pictures(source) if not {file.name, file.stem} & without]
            found += _readable(files, longest)
        else:
            name = os.fsdecode(source) if isinstance(source, str | os.PathLike) else "a picture"
            found += [(name, picture) for picture in _read(source, longest)]
    return found


def _bundled(kind: str) -> list[str]:
    names = bundled_images(kind)
    if not names and kind == "photo":
        raise MissingPackage("the photographs are scikit-image's: pip install scikit-image, or leave 'photo' out")
    return names


def _readable(files: Sequence[Path], longest: int) -> list[tuple[str, Tensor]]:
    """Those that can be read; a warning names the others."""
    found, broken = [], []
    for file in files:
        try:
            found += [(file.name, picture) for picture in _read(file, longest)]
        except ImageError as error:
            broken.append(brief(error))
    if broken:
        told = f"{counted(len(broken), 'picture')} left out of the training; the first: {broken[0]}"
        warnings.warn(told, RunWarning, stacklevel=5)
    return found


def _read(source: Source, longest: int) -> Tensor:
    """One picture, or several of a batch, uint8 (B, 3, H, W)."""
    # In 8 bit, and never enlarged: what is blurred teaches nothing about edges.
    picture = load_image(source)
    if max(picture.shape[-2:]) > longest:
        picture = load_image(picture, longest)
    return (picture * 255).round().to(torch.uint8)


def _listed(sources: Source | Iterable[Source]) -> list[Source]:
    """One source or several as a list."""
    if isinstance(sources, str | os.PathLike | bytes | np.ndarray | Tensor | Image.Image):
        return [sources]
    if not isinstance(sources, Iterable):
        raise InputError(f"the sources are {sources!r:.80}; expected 'content', 'photo', 'drawn', folders or pictures")
    return list(sources)


def _is_drawn(source: Source) -> bool:
    return isinstance(source, str) and source == DRAWN


def _is_kind(source: Source) -> TypeGuard[str]:
    return isinstance(source, str) and source in KINDS


def _recipe(
    sources: Sequence[Source], size: int, seed: int, without: Collection[str], drawn: tuple[int, float]
) -> dict[str, Any] | None:
    if not all(isinstance(source, str | os.PathLike) for source in sources):
        return None
    words = [os.fsdecode(source) for source in sources if isinstance(source, str | os.PathLike)]
    return {"sources": words, "size": size, "seed": seed, "without": sorted(without), "drawn": drawn}


def _checked_drawn(drawn: Any) -> tuple[int, float]:
    if not isinstance(drawn, tuple) or len(drawn) != 2:
        raise InputError(f"drawn is {drawn!r:.80}; expected how many, and their share, such as (120, 0.25)")
    return whole("the number of drawn pictures", drawn[0], 1), fraction("the share of drawn pictures", drawn[1])
