"""The camera's side that a page shows: camera.js opens it, sends frames, and shows what comes back painted."""

from pathlib import Path
from typing import Any

import traitlets

from ..errors import MissingPackage

try:
    import anywidget
except ImportError as error:
    raise MissingPackage('the camera needs anywidget; install it with: pip install "nstlib[lab]"') from error


class Lens(anywidget.AnyWidget):
    """What the page is told. Frames come and go as messages, which no notebook keeps.

    Attributes:
        size: pixels of the longer side of the frames that the page sends.
        mirror: whether they are mirrored at first.
    """

    _esm = Path(__file__).with_name("camera.js")
    _css = Path(__file__).with_name("camera.css")
    size: Any = traitlets.Int(256).tag(sync=True)
    mirror: Any = traitlets.Bool(True).tag(sync=True)
