"""The painter's page: its widgets, how they lie, and what they say. What they do is the painter's."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from ..images import Source, bundled_images
from .choices import COLORS_OF, SIZES, wide
from .mixing import STYLE_SIZES
from .palette import Palette, readable
from .panel import button, encoded, framed, heading, widgets, with_own_keys
from .places import Places
from .upload import limit_html, upload_button

FINER = 32  # pixels that a step of the slider adds to the size in which paintings are looked at


class Page:
    """All that a page shows of a painter.

    Args:
        palette, places: the parts of it that are widgets of several.
        picture: that stands there until one is painted.
        save: called when the button is pressed.
        takes_paintings: whether there are an upload and a size for them.

    Attributes:
        controls: the widgets of the settings, by name.
        sources: the contents that can be chosen, by what the page calls them.
        save, content_upload, style_upload: the buttons.
        picture, facts, strip: what is painted, a line about it, and what was kept.
        widget: all of it.
    """

    def __init__(
        self,
        palette: Palette,
        places: Places,
        picture: Image.Image,
        save: Callable[[], None],
        takes_paintings: bool,
    ):
        self.palette, self.places, self._hands = palette, places, threading.local()
        self.sources: dict[str, Source] = {
            readable(name): name for name in bundled_images("content") + bundled_images("photo")
        }
        self.controls = _controls(list(self.sources), takes_paintings)
        self.save = button("Save", save, "save", "Keep this picture, with its settings inside")
        self.content_upload, self.style_upload = upload_button("own content"), upload_button("own style")
        self.picture, self.facts, self.strip = framed(picture), widgets.HTML(), widgets.HTML()
        self.widget = self._lay_out(
            [self.content_upload, self.style_upload] if takes_paintings else [self.content_upload]
        )

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """What this thread does to controls meanwhile is not done by hand."""
        before = self.moves_itself()
        self._hands.quiet = True
        try:
            yield
        finally:
            self._hands.quiet = before

    def moves_itself(self) -> bool:
        """Whether a control moves because this thread moves it."""
        return getattr(self._hands, "quiet", False)

    def write(self, settings: Mapping[str, Any], shares: Mapping[str, float]) -> None:
        """Move the controls to what is so, without their painting."""
        with self.quietly():
            for name, value in settings.items():
                if name == "content":
                    self._offer(name, list(self.sources), value)
                elif name == "size":
                    self._offer(name, _sizes(value), value)
                elif name in self.controls:
                    self.controls[name].value = value
            for name, share in shares.items():
                self.palette.sliders[name].value = share

    def label_of(self, source: Source) -> str:
        """What the page calls a content; one that is new gets a name."""
        for label, known in self.sources.items():
            if known is source or (isinstance(source, str) and isinstance(known, str) and known == source):
                return label
        label = Path(os.fsdecode(source)).name if isinstance(source, str | os.PathLike) else "the one given"
        self.sources = {label: source, **{name: known for name, known in self.sources.items() if name != label}}
        return label

    def show(self, picture: Image.Image) -> None:
        """Show another picture, of whatever size."""
        width, height = str(picture.width), str(picture.height)
        if (self.picture.width, self.picture.height) != (width, height):
            self.picture.width, self.picture.height = width, height
        self.picture.layout.max_width = f"min(100%, 64vh * {picture.width / picture.height:.4f}, {2 * picture.width}px)"
        self.picture.value = encoded(picture)

    def say(self, facts: str, said: str, data: Mapping[str, Any]) -> None:
        """Write the line of facts, what is to be said besides, and what scripts can read."""
        attributes = " ".join(f'data-{name}="{escape(str(value))}"' for name, value in data.items())
        more = f'<br><b role="status">{escape(said)}</b>' if said else ""
        self.facts.value = f'<span class="nst-facts" {attributes}>{facts}{more}</span>'

    def _offer(self, name: str, options: list[Any], value: Any) -> None:
        """Choose it among these."""
        control = self.controls[name]
        if list(control.options) != options:
            control.options = options
        control.value = value

    def _lay_out(self, uploads: Sequence[widgets.Widget]) -> widgets.Widget:
        row = widgets.Layout(flex_flow="row wrap")
        blocks = {
            "picture": widgets.VBox([self.picture, self.facts, widgets.HBox([self.save]), self.strip]),
            "controls": with_own_keys(
                *(control for name, control in self.controls.items() if name not in ("content", "size")),
                heading("Styles: press a picture to have it alone"),
                self.places.mix_box,
                self.palette.widget,
                heading("Content"),
                self.controls["content"],
                self.controls["size"],
                widgets.HBox([*uploads, limit_html()], layout=row),
            ),
            "places": with_own_keys(self.places.box),
        }
        for name, block in blocks.items():
            block.add_class(f"nst-painter-{name}")
        within = widgets.Box(list(blocks.values()))
        within.add_class("nst-painter-blocks")
        around = widgets.VBox([within])
        around.add_class("nst-painter")
        return around


def _controls(contents: list[str], takes_paintings: bool) -> dict[str, widgets.ValueWidget]:
    strength = widgets.FloatSlider(min=0, max=1, step=0.02, description="strength", readout_format=".2f", **_wide())
    style_size = widgets.IntSlider(
        min=STYLE_SIZES[0],
        max=STYLE_SIZES[1],
        step=FINER,
        description="stroke size",
        continuous_update=False,  # each size takes a look at each painting
        **_wide(),
    )
    return {
        "strength": strength,
        **({"style_size": style_size} if takes_paintings else {}),
        "color": widgets.Dropdown(options=list(COLORS_OF.items()), description="colors", **_wide()),
        "content": widgets.Dropdown(options=contents, description="content", **_wide()),
        "size": widgets.Dropdown(options=_sizes(SIZES[0]), description="size", **_wide()),
    }


def _sizes(also: int) -> list[tuple[str, int]]:
    return [(f"{size} pixels", size) for size in sorted({*SIZES, also})]


def _wide() -> dict[str, Any]:
    return wide() | {"style": {"description_width": "70px"}}
