"""A painter under the hand: styles, their shares, strength, colors and places of a network that paints in one pass."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

from PIL import Image
from torch import Tensor

from ..base.checks import KnownAttributes, fraction, given, known_arguments, one_of, picture, size_of, whole
from ..control.colors import COLORS, Color
from ..control.masks import fitted
from ..errors import InputError, NstError
from ..feedforward.fast import Network, network_for, painted, styles_in
from ..feedforward.styled import Styled
from ..images import Source, load_image, to_pil
from . import sketch
from .brush import Brush
from .mixing import Mixing, Shares, Style
from .painter_page import Page
from .palette import Palette, painting_url, readable, thumbnails_of
from .panel import device_name, heading, in_colab, place, set_by_hand, show, shown_value, widgets
from .places import FIRST, MIXES, SECOND, Places
from .sharing import take_share, turn
from .snapshots import Album, Snapshot, problem_of, strip_html
from .studio import folder_for
from .upload import uploaded

KEPT = 8  # pictures that can be saved from the page


class Painter(KnownAttributes):
    """A network's styles under the hand; each change paints at once. `live.painter` makes it.

    The sliders and these attributes are the same: setting one moves the sliders, and paints.

    Example:
        >>> painter = live.painter("village")
        >>> painter                                         # shows itself
        >>> painter.style = {"mosaic": 0.7, "swirls": 0.3}
        >>> painter.strength, painter.color = 0.8, "luminance"
        >>> painter.image                                   # (1, 3, H, W), as the page shows it
        >>> painter.add_style("waves", "waves.jpg")         # where the network is for any style

    Attributes:
        widget: all of it, to be put into a layout of one's own.
        paintings: how many times it has painted.
        snapshots: the last pictures kept by the button.
        folder: where these go, or None.
        controls: the widgets, by setting.
    """

    controls: dict[str, widgets.ValueWidget]
    widget: widgets.Widget
    paintings: int
    snapshots: list[Snapshot]
    folder: Path | None

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("network", "folder"), "make another painter with it"),
        **dict.fromkeys(("widget", "paintings", "snapshots"), "it is the painter's own"),
    }

    def __init__(
        self,
        content: Source = "village",
        style: Style | None = None,
        *,
        network: Network | None = None,
        styles: Sequence[Any] | None = None,
        strength: float = 1.0,
        color: Color = "style",
        masks: Any = None,
        second: Style | None = None,
        size: int = 256,
        style_size: int | None = None,
        folder: str | os.PathLike[str] | None = "auto",
    ):
        self.folder = folder_for(folder)
        paintings = [each for one in (style, second, styles) if one is not None for each in styles_in(one)]
        self._mixing = Mixing(network_for(paintings, network), styles, style_size, len(MIXES))
        self._strength = fraction("the strength", strength)
        self._color = cast(Color, one_of("the color", color, COLORS))
        self._source, self._size = content, whole("size", size, 1)
        self._content = _loaded(content, self._size)
        self._mixing.set(FIRST, self._mixing.usual() if style is None else style)
        self._mixing.set(SECOND, self.styles[-1] if second is None else second)
        self._moving, self._painting, self._stale = threading.RLock(), threading.RLock(), False
        self._said, self._milliseconds = problem_of(self.folder), 0.0
        self._album = Album(self.folder, "painter", KEPT)
        self.paintings, self.snapshots = 0, self._album.snapshots
        self._build()
        take_share()
        if masks is not None:
            self.masks = masks
        else:
            self._refresh()

    # What is chosen

    @property
    def image(self) -> Tensor:
        """The picture as it is now, (1, 3, H, W) in [0, 1], on the CPU."""
        return self._image

    @property
    def styles(self) -> tuple[str, ...]:
        """The names of those that are offered."""
        return self._mixing.offered

    @property
    def network(self) -> Styled:
        """That paints. One for any style is a twin of that which was given, and knows the paintings of this painter."""
        return self._mixing.ready()

    @property
    def sliders(self) -> dict[str, widgets.FloatSlider]:
        """The widgets of the shares, by style."""
        return self._page.palette.sliders

    @property
    def thumbnails(self) -> dict[str, widgets.Button]:
        """The widgets that choose a style alone, by style."""
        return self._page.palette.thumbnails

    @property
    def style(self) -> str | dict[str, float]:
        """Its name where it is one, the shares of several; of none, {}.

        Set with a name, shares, or None for none; where the network is for any style, also with paintings, which are
        offered from then on.
        """
        return _plain(self.shares)

    @style.setter
    def style(self, style: Style | None) -> None:
        self._set_mix(FIRST, style)

    @property
    def shares(self) -> dict[str, float]:
        """Of each style that has one; their sum is 1, or there are none and the picture is the content."""
        return self._mixing.shares(FIRST)

    @shares.setter
    def shares(self, shares: Shares) -> None:
        self._set_mix(FIRST, shares)

    @property
    def second(self) -> str | dict[str, float]:
        """The style of the second place, as `style`."""
        return _plain(self._mixing.shares(SECOND))

    @second.setter
    def second(self, style: Style | None) -> None:
        self._set_mix(SECOND, style)

    def add_style(self, name: str, picture: Source) -> None:
        """Offer a painting before all other styles, and paint in its style alone; for a network for any style.

        Args:
            name: of the new style.
            picture: in any form that `load_image` takes.

        Raises:
            InputError: a name that is taken or no name, or a network of known styles. ImageError: a picture that cannot
                be read.
        """
        with self._moving:
            with turn():
                self._mixing.add(name, picture)
            self._show_new([name])
        self._set_mix(self._hand, name)

    @property
    def style_size(self) -> int | None:
        """Pixels of the longer side in which paintings are looked at: larger, larger strokes. From 128 to 512.

        None where the network has learned its styles. A style whose painting is not there stays as the network knows
        it.
        """
        return self._mixing.style_size

    @style_size.setter
    def style_size(self, size: int) -> None:
        self._look_in(size)
        self._follow()

    @property
    def strength(self) -> float:
        """How much of the style, from 0, the content, to 1."""
        return self._strength

    @strength.setter
    def strength(self, strength: float) -> None:
        self._strength = fraction("the strength", strength)
        self._follow()

    @property
    def color(self) -> Color:
        """Whose colors: "style", "match" or "luminance", as for `nstlib.stylize`."""
        return self._color

    @color.setter
    def color(self, color: Color) -> None:
        self._color = cast(Color, one_of("the color", color, COLORS))
        self._follow()

    @property
    def content(self) -> Tensor:
        """The content, (1, 3, H, W). Set with whatever `load_image` takes."""
        return self._content

    @content.setter
    def content(self, content: Source) -> None:
        self._take(content, self._size)
        self._follow()

    @property
    def size(self) -> int:
        """Pixels of the longer side."""
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._take(self._source, whole("size", size, 1))
        self._follow()

    @property
    def places(self) -> bool:
        """Whether the page shows the brush, and what is painted with it counts."""
        return bool(self._places.shown.value)

    @places.setter
    def places(self, places: bool) -> None:
        if not isinstance(places, bool):
            raise InputError(f"places is {places!r:.80}; expected True or False")
        with self._page.quietly():
            self._places.shown.value = places
        self._lay_out_places()
        self._follow()

    @property
    def masks(self) -> Tensor | None:
        """Where the two mixes go, (2, H, W) of 0 and 1; None for the first everywhere. Set as `Brush.load` takes it."""
        return self._places.masks

    @masks.setter
    def masks(self, masks: Any) -> None:
        if masks is None:
            self.places = False
            return
        self._places.renew(getattr(masks, "labels", masks))  # first: masks that cannot be leave the page as it was
        self.places = True

    @property
    def brush(self) -> Brush | None:
        """What paints the places; None before they are asked for."""
        return self._places.brush

    def paint(self, pictures: Tensor) -> Tensor:
        """Paint other pictures with what is chosen now, but for the places, such as the frames of a camera.

        Args:
            pictures: (B, 3, H, W) in [0, 1].

        Returns:
            The same shape, in [0, 1].

        Raises:
            InputError: what is no picture.
        """
        with turn():
            pictures = picture("batch of pictures", pictures)
            network = self._mixing.ready()
            return painted(network, pictures, self._rows(network)[:1], [self._color])

    def rows(self) -> list[tuple[str, str, float | None]]:
        """The settings for the still: label, value and place on the slider."""
        told: list[tuple[str, str, float | None]] = [("strength", f"{self._strength:.3g}", self._strength)]
        told += [(readable(name)[:18], f"{share:.0%}", share) for name, share in self.shares.items()]
        if self.masks is not None:
            seconds = self._mixing.shares(SECOND)
            told += [(f"second: {readable(name)}"[:18], f"{share:.0%}", share) for name, share in seconds.items()]
        told = told[:12]
        if self.style_size is not None:
            told.append(("stroke size", str(self.style_size), place(self.controls["style_size"])))
        choices = {"colors": "color", "content": "content", "size": "size"}
        return told + [(label, shown_value(self.controls[name]), None) for label, name in choices.items()]

    def alt(self) -> str:
        """The still in words."""
        styles = " and ".join(f"{share:.0%} {readable(name)}" for name, share in self.shares.items()) or "no style"
        places = ", in places that were painted" if self.masks is not None else ""
        strokes = "" if self.style_size is None else f"; stroke size: {self.style_size}"
        content, colors = (shown_value(self.controls[name]) for name in ("content", "color"))
        return (
            f"A live picture, painter: {content}, painted in {styles} at strength {self._strength:.2g}{places}; "
            f"colors: {colors}{strokes}"
        )

    def still(self) -> Image.Image:
        """The picture with its settings beside it."""
        return sketch.still(to_pil(self._image), "Live: painter", self.rows())

    def _ipython_display_(self) -> None:
        if in_colab():  # which must be told now of a brush that may come later
            self._places.opened()
        show(self.widget, self.still(), self.alt(), None if self.brush is None else self.brush.told())

    # From settings to a picture

    def _follow(self) -> None:
        """Move the controls to what was set in Python, and paint."""
        self._write()
        self._refresh()

    def _refresh(self) -> None:
        """Paint what is chosen now, unless another thread does it meanwhile: what waits is painted once, all of it.

        A page waits too: it sends the next move of a slider when this has returned, and of all moves the newest.
        """
        self._stale = True
        with self._painting:
            if not self._stale:
                return
            self._stale = False
            start = time.perf_counter()
            with turn():
                self._image = self._paint_now()
            self._milliseconds = 1000 * (time.perf_counter() - start)
            self._put(paintings=self.paintings + 1)
            self._show()

    def _paint_now(self) -> Tensor:
        masks, colors = self.masks, [self._color] * len(MIXES)
        network = self._mixing.ready(1 if masks is None else len(MIXES))
        rows = self._rows(network)
        if masks is None:
            return painted(network, self._content, rows[:1], colors)
        return painted(network, self._content, rows, colors, fitted(list(masks), size_of(self._content)))

    def _rows(self, network: Styled) -> Tensor:
        return self._mixing.rows(network, self._strength)

    def _look_in(self, size: int) -> None:
        with turn():
            self._mixing.look_in(size)

    def _take(self, source: Source, size: int) -> None:
        """Another content, or the same at another size; on an error all is as before."""
        loaded = _loaded(source, size)
        another = source is not self._source
        self._content, self._source, self._size = loaded, source, size
        if another and self.brush is not None:  # what was painted belongs to the picture before
            self._places.renew()

    def _set_mix(self, which: int, style: Style | None) -> None:
        with self._moving:
            with turn():  # a painting that is new is looked at
                new = self._mixing.set(which, style)
            self._show_new(new)
            self._write()
        self._refresh()

    def _show_new(self, names: Sequence[str]) -> None:
        """Put paintings that are offered from now on into the palette."""
        if names:
            self._page.palette.add({name: painting_url(self._mixing.pictures[name]) for name in names})

    # The page

    def _build(self) -> None:
        thumbnails = thumbnails_of(self.network, self.styles, self._content, self._mixing.pictures)
        palette = Palette(self.styles, thumbnails, self._choose_alone, self._by_hand)
        self._places = Places(lambda: self._source, lambda: self._answer(self._refresh))
        picture, takes_paintings = to_pil(self._content), self._mixing.takes_paintings
        self._page = page = Page(palette, self._places, picture, self._on_save, takes_paintings)
        self._put(controls=page.controls, widget=page.widget)
        self._write()
        hears = {"strength": self._by_hand, "color": self._by_hand, "style_size": self._on_style_size}
        for name, control in page.controls.items():
            control.observe(hears.get(name, self._on_content), "value")
        self._places.mix.observe(self._on_mix, "value")
        self._places.shown.observe(self._on_places, "value")
        page.content_upload.observe(self._on_upload, "value")
        page.style_upload.observe(self._on_style_upload, "value")

    @property
    def _hand(self) -> int:
        """The mix that the sliders are."""
        return int(self._places.mix.value)

    def _write(self) -> None:
        """Move the controls to what is so, without their painting."""
        with self._moving:
            content = self._page.label_of(self._source)
            settings = {"strength": self._strength, "color": self._color, "content": content, "size": self._size}
            self._page.write({**settings, "style_size": self.style_size}, self._mixing.mixes[self._hand])

    def _show(self) -> None:
        """Bring the page up to date."""
        self._page.show(to_pil(self._image))
        self._page.palette.say(self._mixing.shares(self._hand))
        self._say()

    def _say(self, said: str | None = None) -> None:
        """Write the line of facts; its data attributes say what was painted."""
        self._said = self._said if said is None else said
        took = f"painted in {self._milliseconds:.0f} ms · {self._image.shape[-1]} x {self._image.shape[-2]} pixels"
        data = {
            "paintings": self.paintings,
            "ms": f"{self._milliseconds:.1f}",
            "strength": self._strength,
            "color": self._color,
            "size": self._size,
            "style-size": self.style_size,
            "shares": " ".join(f"{name}:{share:.4g}" for name, share in self.shares.items()),
            "places": "none" if self.masks is None else "painted",
        }
        self._page.say(f"{took} · {device_name(self._mixing.device)}", self._said, data)

    # What a hand does

    def _by_hand(self, _: Any) -> None:
        """A slider or a choice was moved."""
        if self._page.moves_itself():
            return
        with self._moving:
            mix = self._mixing.mixes[self._hand]
            mix.update({name: float(set_by_hand(slider, mix[name])) for name, slider in self.sliders.items()})
            self._strength = float(set_by_hand(self.controls["strength"], self._strength))
            self._color = self.controls["color"].value
        self._answer(self._refresh)

    def _choose_alone(self, name: str) -> None:
        self._answer(lambda: self._set_mix(self._hand, name))

    def _on_mix(self, _: Any) -> None:
        """The sliders show the other mix; nothing is to be painted."""
        self._write()
        self._page.palette.say(self._mixing.shares(self._hand))

    def _on_places(self, _: Any) -> None:
        if not self._page.moves_itself():
            self._answer(self._lay_out_places, self._refresh)

    def _on_style_size(self, slider: Any) -> None:
        if self._page.moves_itself():
            return
        size = set_by_hand(self.controls["style_size"], self.style_size)
        if size != self.style_size:
            self._answer(lambda: self._look_in(size), self._refresh)
            self._write()

    def _on_content(self, _: Any) -> None:
        if self._page.moves_itself():
            return
        source, size = self._page.sources[self.controls["content"].value], self.controls["size"].value
        self._answer(lambda: self._take(source, size), self._refresh)
        self._write()

    def _on_upload(self, _: Any) -> None:
        file = uploaded(self._page.content_upload.value)
        if file is None:
            return

        def take() -> None:
            self._take(file.data, self._size)
            self._page.sources = {file.name: file.data, **self._page.sources}

        self._answer(take, self._follow, said=f"{file.in_words} is here")

    def _on_style_upload(self, _: Any) -> None:
        file = uploaded(self._page.style_upload.value)
        if file is not None:
            name = self._mixing.free_name(file.name)
            self._answer(lambda: self.add_style(name, file.data), said=f"{file.in_words} is here")

    def _on_save(self) -> None:
        """Keep the picture in the folder, and on the page as a link that saves it."""
        settings = {
            "content": self.controls["content"].value,
            "style": self.shares,
            "second": self.second if self.masks is not None else None,
            "strength": self._strength,
            "color": self._color,
            "size": self._size,
            "style_size": self.style_size,
            "masks": None if self.masks is None else "painted",
        }
        said = self._album.keep(to_pil(self._image), settings, self.masks is None)
        self._page.strip.value = heading("Kept: press one to save it").value + strip_html(self.snapshots)
        self._say(said)

    def _answer(self, *actions: Callable[[], object], said: str = "") -> None:
        """Do what a page has asked for; what goes wrong is said there."""
        self._said = said
        try:
            for action in actions:
                action()
        except Exception as error:
            self._say(str(error) if isinstance(error, NstError) else f"{type(error).__name__}: {error}")

    def _lay_out_places(self) -> None:
        """Show or hide the brush; without it the sliders are those of the first mix."""
        with self._page.quietly():
            self._places.lay_out()
        self._write()


@known_arguments
def painter(
    content: Source = "village",
    style: Style | None = None,
    *,
    network: Network | None = None,
    styles: Sequence[Any] | None = None,
    strength: float = 1.0,
    color: Color = "style",
    masks: Any = None,
    second: Style | None = None,
    size: int = 256,
    style_size: int | None = None,
    folder: str | os.PathLike[str] | None = "auto",
) -> Painter:
    """A panel on which a network paints at once what the sliders say: styles, strength, colors and places together.

    Example:
        >>> live.painter("harbor", "mosaic")                # as the last line of a cell
        >>> live.painter("harbor", {"mosaic": 0.7, "swirls": 0.3}, strength=0.8, color="luminance")
        >>> live.painter("harbor", {"waves.jpg": 0.5, "swirls": 0.5}, network="any")

    Args:
        content: the picture: a path, a bundled name, a tensor, or what else `load_image` takes. Others can be chosen
            and uploaded on the page.
        style: a name, or names with their shares, which are brought to the sum 1; {} for the content. For a network for
            any style also paintings, as for `nstlib.fast`: each is called after its file. None is "swirls", or the
            first that the network has.
        network: a network, the path of its file, or "any" or "adain" for a bundled one for any style, with which the
            page takes paintings as styles; the network itself is not changed. None is the bundled one of known styles,
            and "any" where a style is a painting. Where the device is faster in another precision, a copy in it paints,
            which does not learn on with the network: make another painter then.
        styles: what the page offers; None for all that the network has.
        strength: how much of the style, from 0, the content, to 1.
        color: whose colors: "style", "match" or "luminance", as for `nstlib.stylize`.
        masks: where the first and the second mix go: whatever `Brush.load` takes, or a brush, whose places are copied.
            None is the first everywhere, until places are painted on the page.
        second: the style of the second place, as `style`; None is the last that is offered.
        size: pixels of the longer side.
        style_size: pixels of the longer side in which paintings are looked at, from 128 to 512, for a network for any
            style: larger, larger strokes. None is 256, and what the network knows already.
        folder: where the button saves; "auto" is img/results; None only offers pictures on the page.

    Raises:
        NstError: a picture, a network, a name or a number that cannot work.
    """
    return Painter(
        content,
        style,
        network=network,
        styles=styles,
        strength=strength,
        color=color,
        masks=masks,
        second=second,
        size=size,
        style_size=style_size,
        folder=folder,
    )


def _loaded(source: Source, size: int) -> Tensor:
    given("content", source)
    loaded = load_image(source, size)
    if len(loaded) != 1:
        raise InputError(f"the content is a batch of {len(loaded)} pictures; choose one, as content[:1]")
    return loaded


def _plain(shares: dict[str, float]) -> str | dict[str, float]:
    return next(iter(shares)) if len(shares) == 1 else shares
