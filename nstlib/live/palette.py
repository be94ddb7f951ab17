"""The styles of a network under the hand: a thumbnail and a slider for the share of each."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ..feedforward.styled import Styled
from ..images import bundled_images, cover, to_pil
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
        self.thumbnails = {name: _thumbnail(name, pictures[name], choose) for name in styles}
        self.sliders = {name: _slider(name) for name in styles}
        for slider in self.sliders.values():
            slider.observe(moved, "value")
        self._cells = {name: widgets.VBox([self.thumbnails[name], self.sliders[name]]) for name in styles}
        for cell in self._cells.values():
            cell.add_class("nst-style")
        grid = widgets.Box(list(self._cells.values()))
        grid.add_class("nst-palette")
        # What widgets cannot say of themselves: pictures behind buttons, a grid that wraps.
        look = widgets.HTML(f"<style>{LOOK.read_text('utf-8')}{''.join(map(_background, pictures.values()))}</style>")
        look.layout.display = "none"
        self.widget = widgets.VBox([look, grid], layout=widgets.Layout(max_width="100%"))

    def say(self, shares: Mapping[str, float]) -> None:
        """Write on each thumbnail what its share comes to; the page shows it where there is one."""
        for name, thumbnail in self.thumbnails.items():
            share = shares.get(name, 0.0)
            words = "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
            if thumbnail.description != words:
                thumbnail.description = words
                cell = self._cells[name]
                (cell.add_class if share else cell.remove_class)("nst-used")


def thumbnails_of(network: Styled, styles: Sequence[str], content: Tensor) -> dict[str, str]:
    """Of bundled styles their pictures; of others, of which there is none, the content painted in them."""
    bundled = set(bundled_images("style"))
    small = cover(content, THUMBNAIL[::-1])
    return {
        name: thumbnail_url(name, THUMBNAIL)
        if name in bundled
        else picture_url(to_pil(network.paint(small, name, progress=False)))
        for name in styles
    }


def readable(name: str) -> str:
    """The name of a picture as a page shows it."""
    return name.replace("_", " ")


def _thumbnail(name: str, picture: str, choose: Callable[[str], None]) -> widgets.Button:
    layout = widgets.Layout(width="100%", height="46px")
    made = widgets.Button(description="0 %", tooltip=f"{readable(name)} alone", layout=layout)
    made.add_class(_class_of(picture))
    made.on_click(lambda _: choose(name))
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
