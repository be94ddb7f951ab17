"""Buttons that bring pictures from the reader's own computer into a notebook, wherever its kernel runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from ..errors import ImageError, InputError
from ..images import Source
from .panel import VIEW, widgets


@dataclass(frozen=True)
class PictureFile:
    """A picture as the bytes of its file, with a name: it can be compared."""

    name: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def open(self) -> Image.Image:
        """The picture.

        Raises:
            ImageError: the file is none.
        """
        try:
            picture = Image.open(BytesIO(self.data))
            picture.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ImageError(f"{self.name} cannot be read as a picture ({error}); choose a JPEG or PNG file") from error
        return picture


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


class Upload:
    """A button for each picture. As the last expression of a cell it shows itself.

    Example:
        >>> mine = Upload(content="chelsea", style="marbling")
        >>> mine                                            # shows the buttons
        >>> nst.stylize(mine["content"], mine["style"])     # of the files that were chosen by then

    Args:
        pictures: what the button says to the picture that stands in as long as no file is chosen.
    """

    def __init__(self, **pictures: Source):
        if not pictures:
            raise InputError('there is no picture to ask for; give names, as in Upload(content="village")')
        self._instead = pictures
        self.buttons = {
            name: widgets.FileUpload(accept="image/*", multiple=False, description=f"Upload {name}")
            for name in pictures
        }
        self.widget = widgets.HBox(list(self.buttons.values()))

    def __getitem__(self, name: str) -> Source:
        """The bytes of the file that was chosen last, or the picture that stands in; `load_image` takes both."""
        if name not in self.buttons:
            raise InputError(f"no button asks for {name!r}; there are {', '.join(self.buttons)}")
        file = uploaded(self.buttons[name].value)
        return self._instead[name] if file is None else file.data

    def _ipython_display_(self) -> None:
        from IPython.display import display

        labels = ", ".join(f"*{button.description}*" for button in self.buttons.values())
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        data = {VIEW: view, "text/markdown": f"(While the notebook runs, there are buttons here: {labels}.)"}
        display(data | {"text/plain": f"Buttons: {labels}"}, raw=True)  # type: ignore[no-untyped-call]
