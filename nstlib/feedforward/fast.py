"""Painting in one call: which style of a network, how much of it, in whose colors, and where.

The network paints the whole picture once for each place, and everything else is done with what comes out. So the four
wishes do not disturb each other: a mix of styles and its strength are a row of shares, which the network sees; colors
are changed in what it has painted; masks say which of the painted pictures is seen where.
"""

import copy
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..base.checks import counted, given, in_pixels, known_arguments, one_of, size_of, whole
from ..base.devices import fast_precision, is_out_of_memory, keep_freed_memory, usable_device
from ..control.colors import COLORS, Color, keep_colors, match_colors
from ..control.masks import checked_masks, covered, fitted, kept_outside
from ..control.regions import Masks, read_masks
from ..control.styles import Blend
from ..errors import InputError, NstError, OutOfMemory
from ..extractor import PRECISIONS, Precision
from ..images import Source, bundled_images
from ..pictures.pixels import MAX_SIZE
from ..pictures.sources import full_path, is_address, is_called_picture
from ..transfer import loaded_picture
from .any_style import AnyStyleNetwork, called
from .files import BUNDLED, bundled_file, read_network
from .styled import Styled, checked_network

KEPT = 4  # networks that were read from files and stay in memory
ANY = "any"  # the word for the network for any style

T = TypeVar("T")
Mix = str | Mapping[str, float] | Sequence[str | tuple[str, float]] | Blend
Network = Styled | str | os.PathLike[str]
Recolor = Callable[[Tensor, Tensor], Tensor]  # from what is painted, and the content
_RECOLORED: dict[str, Recolor] = {"luminance": keep_colors, "match": match_colors}


@known_arguments
def fast(
    content: Source,
    style: Mix | Sequence[Mix] | None = None,
    *,
    strength: float | Sequence[float] = 1.0,
    size: int | None = None,
    color: Color | Sequence[Color] = "style",
    masks: Masks | None = None,
    network: Network | None = None,
    style_size: int | None = None,
    tile: int | None = None,
    precision: Precision = "auto",
    device: str | torch.device | None = None,
    progress: bool = True,
) -> Tensor:
    """Paint a picture in one pass of a trained network.

    Example:
        >>> nst.fast("village", "swirls")
        >>> nst.fast("photo.jpg", [("swirls", 0.7), ("mosaic", 0.3)], strength=0.6, color="luminance")
        >>> nst.fast("photo.jpg", "painting.jpg")
        >>> nst.fast("harbor", ["swirls", {"mosaic": 0.5, "cubist": 0.5}], masks="sky.png", strength=[1, 0.5])

    Args:
        content: a path, an address, a bundled name, a PIL picture, an array or a tensor.
        style: the name of a style of the network; for a network for any style also a painting, in any form that content
            takes; or several with their shares, as [("swirls", 0.7), ("mosaic", 0.3)], or a dict of
            them. With masks, a list with one such style for each place. None is the style of a network that has but
            one.
        strength: how much of the style, from 0, the picture itself within 0.002 (by the network for any style, as near
            as it gives it back), to 1. With masks, one for all or a list of one for each place.
        size: longer side of the result in pixels; None keeps the picture's own.
        color: "style": the style's colors; "luminance": the painted brightness in the content's colors, pixel by pixel;
            "match": the painted colors, brought to the content's mean and covariance. With masks, one for all or a list
            of one for each place.
        masks: where each style goes, as for `nstlib.stylize`: one for each style, or one fewer, and the last has the
            rest. Each place shows what the whole picture would be in its style, and what no mask covers is the
            content. Where masks overlap, or are gray, pictures are mixed.
        network: a file that `save_network` wrote, or a `StyleNetwork` or an `AnyStyleNetwork`; "any" and "adain" are
            the bundled ones for any style, see `load_any_style`. None is the bundled one with all bundled styles, and
            "any" where a style is a painting. A file that was read stays in memory, and is read again where it changes.
        style_size: longer side of the paintings in pixels, for a network for any style; larger, larger strokes. None
            is 256, and rows of styles that it knows.
        tile: see `StyleNetwork.paint`: side of the tiles in pixels; None decides by the memory that is free.
        precision: of the convolutions; "auto" takes what the device is fastest in, see `fast_precision`. In bfloat16
            colors differ by less than 0.05 from those in float32.
        device: where it is painted; without it, where the network is, and for a file the best there is.
        progress: show a bar while tiles are painted.

    Returns:
        Picture (1, 3, H, W) in [0, 1], on the CPU; (B, 3, H, W) for a batch of contents.

    Raises:
        InputError: a style that the network does not know, or another value that cannot work.
        ImageError: a picture or a mask that cannot be read, or a mask of another aspect.
        WeightsUnavailable: a file that holds no network. OutOfMemory: not even tiles fit.
    """
    given("content", content)
    painter = painter_of(network, style, style_size, precision, device)
    wishes = _wishes(painter, style, strength, color, with_masks=masks is not None)
    picture = loaded_picture("content", content, size, calls=4)
    places = None
    if masks is not None:
        places = fitted(checked_masks(read_masks(masks, len(wishes)), len(wishes)), size_of(picture))
    shares, colors = torch.cat([wish.shares for wish in wishes]), [wish.color for wish in wishes]
    return painted(painter, picture, shares, colors, places, tile=tile, progress=progress)


def painted(
    network: Styled,
    content: Tensor,
    shares: Tensor,
    colors: Sequence[str],
    places: Tensor | None = None,
    *,
    tile: int | None = None,
    progress: bool = False,
) -> Tensor:
    """What `fast` paints, once everything is a number; for panels.

    Args:
        network: a ready one, see `ready_network`.
        content: (B, 3, H, W) in [0, 1].
        shares: how much of each style of the network, (R, styles), a row a place; the sum of a row is its strength.
        colors: of each place, see `fast`.
        places: where each row is seen, (R, H, W) in [0, 1]; None is the only row everywhere.
        tile, progress: as for `fast`.

    Raises:
        OutOfMemory: not even tiles fit.
    """

    def one(row: Tensor, color: str) -> Tensor:
        picture = network.paint(content, row[None], tile=tile, progress=progress)
        return picture if color == "style" else _RECOLORED[color](picture, content)

    with _told_where_memory_ends(content):
        if places is None:
            return one(shares[0], colors[0])
        seen = [place for place, mask in enumerate(places) if mask.any()]
        pictures = (one(shares[place], colors[place]) for place in seen)
        return _side_by_side(pictures, content, places[seen])


def ready_network(
    network: Network | None = None,
    precision: Precision = "auto",
    device: str | torch.device | None = None,
) -> Styled:
    """The network, on the device and with convolutions in the precision that are wanted.

    Only the convolutions are in half precision, which take the time: what makes a style stays exact.

    Args:
        network, precision, device: as for `fast`.

    Returns:
        The network itself where it is as wanted, else a copy. One from a file is kept for the next call, so leave it as
        it is.

    Raises:
        InputError, WeightsUnavailable: as `fast` does.
    """
    one_of("precision", precision, PRECISIONS)
    if network is not None and not isinstance(network, str | os.PathLike):
        network = checked_network(network)
        return _brought(network, precision, network.device if device is None else usable_device(device))
    path = full_path(BUNDLED if network is None else bundled_file(network))
    return _read(path, _state_of(path), precision, usable_device(device))


@lru_cache(maxsize=KEPT)
def _read(path: Path, state: object, precision: Precision, device: torch.device) -> Styled:
    """The network of a file in this state."""
    return _brought(read_network(path, device), precision, device)


def _state_of(path: Path) -> tuple[int, int] | None:
    """What changes with a file; None where there is none, which `load_network` says in words."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _brought(network: Styled, precision: Precision, device: torch.device) -> Styled:
    if device.type == "cpu":
        keep_freed_memory()  # measured at 512 x 512 on one core: 0.17 s in place of 0.39
    dtype = getattr(torch, fast_precision(device) if precision == "auto" else precision)
    if network.device == device and network.dtype == dtype:
        return network
    with torch.inference_mode(False):
        brought = copy.deepcopy(network).to(device)
        for convolution in brought.convolutions:
            convolution.to(dtype)
    return brought


@dataclass(frozen=True)
class _Wish:
    """What is to be painted in one place.

    Attributes:
        shares: of each style of the network, (1, styles).
        color: whose colors it gets.
    """

    shares: Tensor
    color: str


def painter_of(
    network: Network | None,
    style: Any,
    style_size: int | None = None,
    precision: Precision = "auto",
    device: str | torch.device | None = None,
) -> Styled:
    """The network for these styles; one for any style has looked at the paintings among them.

    Arguments and errors as for `fast`.
    """
    styles = [] if style is None else styles_in(style)
    painter = network_for(styles, network, precision, device)
    if isinstance(painter, AnyStyleNetwork):
        if style_size is not None:
            style_size = whole("style_size", style_size, 1, MAX_SIZE, "; it is the longer side in pixels")
        return painter.that_knows(styles, style_size)
    if style_size is not None:
        refuse_style_size(style_size)
    return painter


def network_for(
    styles: Sequence[Any],
    network: Network | None = None,
    precision: Precision = "auto",
    device: str | torch.device | None = None,
) -> Styled:
    """The ready network; without one, that for any style where a painting is among the styles. See `ready_network`."""
    found = ready_network(network, precision, device)
    if network is None and any(is_painting(each, found.styles) for each in styles):
        return ready_network(ANY, precision, device)
    return found


def styles_in(style: Any) -> list[Any]:
    """All styles in a mix, or in a list of mixes."""
    if isinstance(style, Mapping):
        return list(style)
    if isinstance(style, Blend):
        return list(style.pictures)
    if isinstance(style, list | tuple):
        if len(style) == 2 and isinstance(style[1], Real):
            return [style[0]]
        return [found for one in style for found in styles_in(one)]
    return [style]


def is_painting(style: Any, known: Sequence[str]) -> bool:
    """Whether it is a picture, and not the name of a style, one that is known or one that is misspelled."""
    if not isinstance(style, str):
        return True
    if style in known:
        return False
    return is_address(style) or is_called_picture(style) or os.sep in style or style in bundled_images()


def _wishes(network: Styled, style: Any, strength: Any, color: Any, *, with_masks: bool) -> list[_Wish]:
    """One for each place; one without masks."""
    styles = _style_of_each_place(style) if with_masks else [style]
    strengths, colors = (
        _one_each(what, value, len(styles)) for what, value in (("strength", strength), ("color", color))
    )
    return [
        _Wish(_shares(network, one, how_much), one_of("color", whose, COLORS))
        for one, how_much, whose in zip(styles, strengths, colors, strict=True)
    ]


def _style_of_each_place(style: Any) -> list[Any]:
    if not isinstance(style, list | tuple):
        return [style]
    for one in style:
        if isinstance(one, list | tuple) and len(one) == 2 and isinstance(one[1], Real):
            raise InputError(
                f"{one!r:.80} is a style with its share, but with masks each style has a place of its own; give how "
                "much of each as strength=[0.7, 0.3], or a mix for one place as a dict or a list in the list"
            )
    return list(style)


def _one_each(what: str, value: T | Sequence[T], count: int) -> list[T]:
    """One value for all places, or a list of one for each."""
    if isinstance(value, Tensor | np.ndarray) and value.ndim:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return [value] * count  # type: ignore[list-item]
    if len(value) != count:
        places = f"{counted(count, 'style')}, or one for each" if count > 1 else "the whole picture"
        raise InputError(
            f"there should be one {what} for {places}; these are {len(value)}"
            + ("; give masks for places with values of their own" if count == 1 else "")
        )
    return list(value)


def _shares(network: Styled, mix: Any, strength: Any) -> Tensor:
    """How much of each style of the network is in a mix, at a strength, (1, styles)."""
    if mix is None:
        return network.shares(None, strength)
    shares: dict[str, float] = {}
    for name, share in Blend.of(mix):
        known = _known_style(name, network)
        shares[known] = shares.get(known, 0.0) + share
    return network.shares(shares, strength)


def _known_style(name: Any, network: Styled) -> str:
    if isinstance(network, AnyStyleNetwork):
        return called(name)
    if is_painting(name, network.styles):
        refuse_painting(name, network)
    return one_of("the style", name, network.styles)


def refuse_painting(painting: Any, network: Styled) -> NoReturn:
    """Say that a network of known styles cannot paint in that of a painting.

    Raises:
        InputError: always.
    """
    shown = f"a {type(painting).__name__}" if isinstance(painting, Tensor | np.ndarray | bytes) else f"{painting!r:.80}"
    raise InputError(
        f"the style is {shown}, but a network paints in the styles that it has learned: {', '.join(network.styles)}. "
        f'For a painting of your own take network="{ANY}", use nstlib.stylize, or teach a network: '
        "python -m nstlib.fast --train painting.jpg -o mine.safetensors"
    )


def refuse_style_size(style_size: Any) -> NoReturn:
    """Say that a network of known styles looks at no paintings.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"style_size is {style_size!r:.80}, but this network has learned how large strokes are; leave it out, or give "
        "a network for any style"
    )


def _side_by_side(pictures: Iterator[Tensor], content: Tensor, masks: Tensor) -> Tensor:
    """Of each picture (B, 3, H, W) what its mask of (R, H, W) shows, and the content where there is none.

    Where one mask is 1 and the others are 0, the picture is there exactly.
    """
    sums = masks.sum(0).clamp_min(torch.finfo(masks.dtype).tiny)
    total = torch.zeros_like(content)
    for picture, mask in zip(pictures, masks, strict=True):
        total += mask / sums * picture
    return kept_outside(total, content, covered(masks))


@contextmanager
def _told_where_memory_ends(picture: Tensor) -> Iterator[None]:
    try:
        yield
    except NstError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"out of memory while a picture of {in_pixels(size_of(picture))} is painted; free some, or give a smaller "
            "size"
        ) from error
