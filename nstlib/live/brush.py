"""A brush that paints regions over a picture in the notebook: each region a mask."""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image
from torch import Tensor

from ..base.checks import given, known_arguments, size_of, whole
from ..errors import InputError
from ..images import Source, load_image, to_pil
from . import maps, sketch
from .maps import Labels
from .panel import encoded, show
from .past import CHANGE, KERNEL, REDO, UNDO, Note, Past

SIZE = 512  # of the longer side of a file, unless told otherwise


class Brush:
    """A picture on which one paints regions. As the last expression of a cell it shows itself.

    What is painted arrives while the pointer is still down, some five times a second, so that a running optimization
    can take up the masks at its next step. Whoever changes the map last wins, the page or Python; an undo on either
    side brings back what was there.

    Example:
        >>> brush = live.brush("village", names=["sky", "houses"])
        >>> brush                              # shows itself; paint
        >>> brush.masks                        # (2, H, W) of 0 and 1
        >>> brush.save("regions.png")          # and, another day: live.brush("village", start="regions.png")

    Args:
        content: the picture: a path, a bundled name, a tensor, or what else `load_image` takes.
        regions: how many, 1 to 7. Without it, as many as there are names or as `start` holds, and two at least.
        names: what the buttons say, one a region; without them, the colors of the file that `save` writes.
        size: pixels of the picture's longer side, and so of the map's. Without it, a tensor keeps its size, and all
            else has 512.
        start: regions to begin with, see `load`.

    Attributes:
        content: the picture (1, 3, H, W).
        regions, names, size: how many there are, what they are called, and (H, W) of the map.
        widget: what the page shows, to be put into a layout of one's own.

    Raises:
        InputError, ImageError; MissingPackage without anywidget.
    """

    def __init__(
        self,
        content: Source,
        regions: int | None = None,
        *,
        names: Sequence[str] | None = None,
        size: int | None = None,
        start: Any = None,
    ):
        from .canvas import Canvas

        given("content", content)
        as_it_is = size is None and isinstance(content, Tensor)
        self.content = load_image(content, None if as_it_is else whole("size", SIZE if size is None else size, 1))
        if len(self.content) != 1:
            raise InputError(f"the content is a batch of {len(self.content)} pictures; choose one, as content[:1]")
        self.size = size_of(self.content)
        self.names = _names(names, _count(regions, names, start, self.size))
        self.regions = len(self.names)
        empty = np.zeros(self.size, np.uint8)
        self._labels = maps.unpacked(maps.packed(empty if start is None else self._read(start)), self.size)
        self._past = Past(Note(KERNEL, 0, 0, CHANGE, maps.packed(self._labels)))
        self._listeners: list[Callable[[Brush], object]] = []
        self._lock = threading.RLock()  # a page's messages may come on another thread than a cell's
        self.widget = Canvas(
            picture=encoded(to_pil(self.content)),
            size=list(self.size),
            names=list(self.names),
            tints=list(maps.TINTS[: self.regions]),
            patterns=maps.patterns(max(self.size)).tobytes(),
            painted=self._past.now.packed(),
        )
        self.widget.observe(self._hear, "painted")
        self.widget.on_msg(lambda *_: self.undo())  # a page that was opened anew asks for what it has not seen

    @property
    def labels(self) -> Labels:
        """The map as it is now: uint8 (H, W), 0 where nothing is painted, k in region k. `load` changes it."""
        return self._labels

    @property
    def masks(self) -> Tensor:
        """One mask a region as it is now: float32 (R, H, W) of 0 and 1, on the CPU."""
        return maps.masks_of(self._labels, self.regions)

    def load(self, start: Any) -> Self:
        """Put regions in, in place of what is there; gives the brush itself.

        Args:
            start: labels (H, W); masks (R, H, W) in [0, 1], of which the largest above 0.5 counts; or a color-coded
                picture, such as `save` writes: its path, its address, its bytes or a PIL picture. One of another size
                but the same shape is scaled.

        Raises:
            InputError: more regions than the brush has, or another shape; ImageError: a file that cannot be read.
        """
        runs = maps.packed(self._read(start))
        self._set(CHANGE, lambda: runs)
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the map as a PNG whose pixels are black, or a region's color; gives its full path.

        The colors are, from region 1 to 7: red, green, blue, yellow, magenta, cyan and white.

        Raises:
            ImageError: it cannot be written there, or the path does not end in .png.
        """
        return maps.save_color_coded(self._labels, path)

    def clear(self) -> None:
        """Take all regions away; an undo brings them back."""
        self._set(CHANGE, lambda: maps.packed(np.zeros(self.size, np.uint8)))

    def undo(self) -> bool:
        """Take the last change back, a stroke or another; gives whether there was one."""
        return self._set(UNDO, self._past.before)

    def redo(self) -> bool:
        """Make the last undo undone; gives whether there was one."""
        return self._set(REDO, self._past.after)

    def observe(self, callback: Callable[["Brush"], object]) -> Callable[["Brush"], object]:
        """Call a function with the brush after each change of the map, whoever makes it; gives the function.

        During a stroke it is called some five times a second. It runs where the page's messages are heard, so it
        should only write down what is to be done; an error in it does not keep the other callbacks from being called.

        Raises:
            InputError: it cannot be called.
        """
        if not callable(callback):
            raise InputError(f"the callback is {callback!r:.80}; expected a function that takes the brush")
        self._listeners.append(callback)
        return callback

    def unobserve(self, callback: Callable[["Brush"], object]) -> None:
        """Call a function no longer.

        Raises:
            InputError: it was not called before.
        """
        if callback not in self._listeners:
            raise InputError(f"{callback!r:.80} does not observe this brush")
        self._listeners.remove(callback)

    def told(self) -> Mapping[str, Any]:
        """What a page must be told with a widget that holds the brush: Colab, where third-party widgets come from."""
        bundle = self.widget._repr_mimebundle_()
        return bundle[1] if isinstance(bundle, tuple) else {}

    def alt(self) -> str:
        """The still in words."""
        said = ", ".join(f"{name} {share:.0%}" for name, share in zip(self.names, self._shares(), strict=True))
        return f"A picture with regions painted over it, and a brush; of the picture, {said}"

    def still(self) -> Image.Image:
        """The picture under its regions, with their shares beside it."""
        rows = [(name[:18], f"{share:.0%}", share) for name, share in zip(self.names, self._shares(), strict=True)]
        return sketch.still(maps.veiled(to_pil(self.content), self._labels), "Live: brush", rows)

    def _ipython_display_(self) -> None:
        show(self.widget, self.still(), self.alt(), self.told())

    def _shares(self) -> list[float]:
        return maps.shares(self._labels, self.regions)

    def _read(self, start: Any) -> Labels:
        return maps.labels_from(start, self.size, self.regions)

    def _set(self, way: int, find: Callable[[], bytes | None]) -> bool:
        """Python's own change, if there is one to be found; the page hears of it."""
        with self._lock:
            number, runs = self._times_set + 1, find()
            changed = runs is not None and self._take(Note(KERNEL, number, number, way, runs))
            self._say()
        if changed:  # outside of the lock: a callback may wait for a loop that asks for it
            self._tell()
        return runs is not None

    def _hear(self, change: Any) -> None:
        """What a page has painted."""
        note = Note.read(change["new"])
        if note.author == KERNEL:
            return
        with self._lock:
            late = note.seen < self._times_set
            if late:  # painted on a map that Python has replaced meanwhile, as the page learns or has learned
                maps.unpacked(note.runs, self.size)
                self._past.slip_under(note)
            changed = not late and self._take(note)
            self._say()
        if changed:
            self._tell()

    @property
    def _times_set(self) -> int:
        return self._past.now.seen

    def _take(self, note: Note) -> bool:
        self._labels = maps.unpacked(note.runs, self.size)
        return self._past.follow(note)

    def _say(self) -> None:
        """What is so, to the page; what it has said itself is not sent to it again."""
        self.widget.painted = self._past.now.packed()
        self.widget.undoable = self._past.before() is not None

    def _tell(self) -> None:
        errors = []
        for callback in list(self._listeners):
            try:
                callback(self)
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]


@known_arguments
def brush(
    content: Source,
    regions: int | None = None,
    *,
    names: Sequence[str] | None = None,
    size: int | None = None,
    start: Any = None,
) -> Brush:
    """A picture on which one paints regions; see `Brush`, whose arguments these are."""
    return Brush(content, regions, names=names, size=size, start=start)


def _count(regions: int | None, names: Sequence[str] | None, start: Any, size: tuple[int, int]) -> int:
    if regions is not None:
        return whole("regions", regions, 1, maps.MOST, "; each has a corner of the color cube, and black is none")
    if isinstance(names, Sequence):
        return len(names)
    return 2 if start is None else max(2, maps.regions_in(start, size))


def _names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        return tuple(maps.COLORS)[:count]
    plain = isinstance(names, Sequence) and not isinstance(names, str)
    if not plain or not all(isinstance(name, str) and name.strip() for name in names):
        raise InputError(f'names is {names!r:.80}; expected one word or more a region, as ["sky", "houses"]')
    if len(names) != count or not 1 <= count <= maps.MOST:
        raise InputError(f"there are {len(names)} names, but {count} regions; of both, 1 to {maps.MOST} are possible")
    return tuple(name.strip() for name in names)
