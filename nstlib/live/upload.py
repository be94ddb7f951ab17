"""Buttons that bring pictures from the reader's own computer into a notebook, wherever its kernel runs."""

from ..errors import InputError
from ..images import Source
from .panel import VIEW, widgets


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
        chosen = self.buttons[name].value
        files = list(chosen.values() if isinstance(chosen, dict) else chosen)  # ipywidgets 7, and 8
        return bytes(files[-1]["content"]) if files else self._instead[name]

    def _ipython_display_(self) -> None:
        from IPython.display import display

        labels = ", ".join(f"*{button.description}*" for button in self.buttons.values())
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        data = {VIEW: view, "text/markdown": f"(While the notebook runs, there are buttons here: {labels}.)"}
        display(data | {"text/plain": f"Buttons: {labels}"}, raw=True)  # type: ignore[no-untyped-call]
