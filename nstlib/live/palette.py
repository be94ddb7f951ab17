"""The styles of a network under the hand: a thumbnail and a slider for the share of each; there may come more."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ..feedforward.styled import Styled
from ..images import Source, bundled_images, cover, load_image, to_pil
from .choices import thumbnail_url
from .panel import widgets
from .snapshots import picture_url

THUMBNAIL = (168, 108)  # pixels of the picture behind a button: twice as many as the page shows
STEP = 0.05  # of a slider: twenty keys from none to all
LOOK = Path(__file__).with_name("painter.css")


class Palette:
    """A cell for each style: its picture, which chooses it alone, and the slider of its share.

    Args:
        styles: the names.
        pictures: name to the address of its thumbnail.
        choose: called with a name when its thumbnail is pressed.
        moved: called after a slider was moved.

    Attributes:
        sliders, thumbnails: by the style's name.
        widget: all cells.
    """

    def __init__(
        self,
        styles: Sequence[str],
        pictures: Mapping[str, str],
        choose: Callable[[str], None],
        moved: Callable[[object], None],
    ):
        self._choose, self._moved = choose, moved
        self.thumbnails: dict[str, widgets.Button] = {}
        self.sliders: dict[str, widgets.FloatSlider] = {}
        self._cells: dict[str, widgets.VBox] = {}
        self._pictures: dict[str, str] = {}
        self._look, self._grid = widgets.HTML(), widgets.Box()
        self._look.layout.display = "none"
        self._grid.add_class("nst-palette")
        self.add({name: pictures[name] for name in styles})
        self.widget = widgets.VBox([self._look, self._grid], layout=widgets.Layout(max_width="100%"))

    def add(self, pictures: Mapping[str, str]) -> None:
        """Cells for more styles, before all others; for each name the address of its thumbnail."""
        self.thumbnails = {
            name: _thumbnail(name, url, self._choose) for name, url in pictures.items()
        } | self.thumbnails
        self.sliders = {name: _slider(name) for name in pictures} | self.sliders
        for name in pictures:
            self.sliders[name].observe(self._moved, "value")
        self._cells = {name: _cell(self.thumbnails[name], self.sliders[name]) for name in pictures} | self._cells
        self._pictures = {**pictures, **self._pictures}
        # What widgets cannot say of themselves: pictures behind buttons, a grid that wraps.
        backgrounds = "".join(map(_background, self._pictures.values()))
        self._look.value = f"<style>{LOOK.read_text('utf-8')}{backgrounds}</style>"
        self._grid.children = list(self._cells.values())

    def say(self, shares: Mapping[str, float]) -> None:
        """Write on each thumbnail what its share comes to; the page shows it where there is one."""
        for name, thumbnail in self.thumbnails.items():
            share = shares.get(name, 0.0)
            words = "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
            if thumbnail.description != words:
                thumbnail.description = words
                cell = self._cells[name]
                (cell.add_class if share else cell.remove_class)("nst-used")


def thumbnails_of(
    network: Styled, styles: Sequence[str], content: Tensor, pictures: Mapping[str, Source]
) -> dict[str, str]:
    """Of styles whose paintings are there these; of others the content painted in them."""
    small = cover(content, THUMBNAIL[::-1])
    return {
        name: painting_url(pictures[name])
        if name in pictures
        else picture_url(to_pil(network.paint(small, name, progress=False)))
        for name in styles
    }


def painting_url(picture: Source) -> str:
    """A painting as small as its thumbnail, as an address that holds it."""
    if isinstance(picture, str) and picture in bundled_images("style"):
        return thumbnail_url(picture, THUMBNAIL)
    return picture_url(to_pil(cover(load_image(picture, 2 * max(THUMBNAIL))[:1], THUMBNAIL[::-1])))


def readable(name: str) -> str:
    """The name of a picture as a page shows it."""
    return name.replace("_", " ")


def _thumbnail(name: str, picture: str, choose: Callable[[str], None]) -> widgets.Button:
    layout = widgets.Layout(width="100%", height="46px")
    made = widgets.Button(description="0 %", tooltip=f"{readable(name)} alone", layout=layout)
    made.add_class(_class_of(picture))
    made.on_click(lambda _: choose(name))
    return made


def _cell(*children: widgets.Widget) -> widgets.VBox:
    made = widgets.VBox(children)
    made.add_class("nst-style")
    return made


def _slider(name: str) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        min=0,
        max=1,
        step=STEP,
        value=0,
        description=readable(name),
        readout=False,
        layout=widgets.Layout(width="100%"),
    )


def _class_of(picture: str) -> str:
    """After the picture itself: panels of several notebooks may be on one page."""
    return f"nst-style-{hashlib.sha256(picture.encode()).hexdigest()[:12]}"


def _background(picture: str) -> str:
    return f".nst-style .widget-button.{_class_of(picture)} {{ background-image: url({picture}); }}\n"
