"""Buttons that bring pictures from the reader's own computer into a notebook, wherever its kernel runs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ..base.checks import given
from ..base.reporting import tell
from ..errors import InputError
from ..images import Source
from .panel import VIEW, widgets

USUAL_LIMIT = 10 * 2**20  # bytes of one message to a Jupyter server, which drops the connection at a larger one


@dataclass(frozen=True)
class PictureFile:
    """A picture as the bytes of its file, with a name: it can be compared."""

    name: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def in_words(self) -> str:
        """Its name and how large it is."""
        return f"{self.name} ({len(self.data) / 2**20:.1f} MB)"


def uploaded(value: Any) -> PictureFile | None:
    """What a FileUpload holds: a dict of files in ipywidgets 7, a tuple in 8."""
    if not value:
        return None
    if isinstance(value, Mapping):
        name, file = list(value.items())[-1]
    else:
        file = value[-1]
        name = file["name"]
    return PictureFile(str(name), bytes(file["content"]))


def upload_button(description: str) -> widgets.FileUpload:
    """A button that asks for one picture."""
    made = widgets.FileUpload(accept="image/*", multiple=False, description=description)
    made.layout.width = "auto"  # room for the count of files that the page puts after the words
    return made


def limit_note() -> str:
    """How large a file may be. A server that takes more than Jupyter's usual 10 MB says so in NST_UPLOAD_LIMIT."""
    limit = os.environ.get("NST_UPLOAD_LIMIT", "")
    if limit.isdecimal():
        return f"Files up to {int(limit) / 2**20:.0f} MB."
    return (
        f"Files up to {USUAL_LIMIT / 2**20:.0f} MB: most servers drop larger ones without a word; one that "
        "make lab has started takes 100 MB."
    )


def limit_html() -> widgets.HTML:
    """The same for a page, to stand beside the buttons."""
    return widgets.HTML(f'<span style="font-size: 12px">{escape(limit_note())}</span>')


class Upload:
    """A button for each picture. As the last expression of a cell it shows itself.

    Example:
        >>> mine = Upload(content="chelsea", style="marbling")
        >>> mine                                            # shows the buttons
        >>> nst.stylize(mine["content"], mine["style"])     # of the files that were chosen by then

    Args:
        pictures: what the button says to the picture that stands in as long as no file has arrived.

    Raises:
        InputError: no picture to ask for, or none to stand in.
    """

    def __init__(self, **pictures: Source):
        if not pictures:
            raise InputError('there is no picture to ask for; give names, as in Upload(content="village")')
        for name, picture in pictures.items():
            given(name, picture)
        self._instead = pictures
        self.buttons = {name: upload_button(f"Upload {name}") for name in pictures}
        self._arrived = widgets.HTML()
        for button in self.buttons.values():
            button.observe(self._say, "value")
        row = widgets.HBox(list(self.buttons.values()), layout=widgets.Layout(flex_flow="row wrap"))
        self.widget = widgets.VBox([row, limit_html(), self._arrived])

    def __getitem__(self, name: str) -> Source:
        """The bytes of the file that was chosen last, or the picture that stands in; `load_image` takes both.

        It says which of the two: a file that is too large for the server never arrives.
        """
        if name not in self.buttons:
            raise InputError(f"no button asks for {name!r}; there are {', '.join(self.buttons)}")
        file, instead = uploaded(self.buttons[name].value), self._instead[name]
        if file is not None:
            tell(f"{name}: {file.in_words}")
            return file.data
        tell(f"{name}: no file has arrived; {instead if isinstance(instead, str) else 'the one given'} stands in")
        return instead

    def _say(self, _: Any) -> None:
        files = {name: uploaded(button.value) for name, button in self.buttons.items()}
        arrived = ", ".join(f"{name}: {file.in_words}" for name, file in files.items() if file is not None)
        self._arrived.value = f'<span role="status">Here: {escape(arrived)}</span>' if arrived else ""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        labels = ", ".join(f"*{button.description}*" for button in self.buttons.values())
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        data = {VIEW: view, "text/markdown": f"(While the notebook runs, there are buttons here: {labels}.)"}
        display(data | {"text/plain": f"Buttons: {labels}"}, raw=True)  # type: ignore[no-untyped-call]
