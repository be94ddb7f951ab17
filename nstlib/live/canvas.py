"""The brush's side that a page shows: brush.js draws and paints, and its map of regions is a trait here."""

from pathlib import Path
from typing import Any

import traitlets

from ..errors import MissingPackage

try:
    import anywidget
except ImportError as error:
    raise MissingPackage('painting regions needs anywidget; install it with: pip install "nstlib[lab]"') from error


class Canvas(anywidget.AnyWidget):
    """What the page is told, and what it tells.

    Attributes:
        picture: a JPEG of the content.
        size: height and width of the map.
        names, tints: one a region.
        patterns: see `regions.patterns`.
        painted: a `past.Note`; both sides set it.
        undoable: whether the kernel has something to undo, even where the page has not.
    """

    _esm = Path(__file__).with_name("brush.js")
    _css = Path(__file__).with_name("brush.css")
    picture: Any = traitlets.CBytes().tag(sync=True)
    size: Any = traitlets.List(traitlets.Int()).tag(sync=True)
    names: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tints: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)
    patterns: Any = traitlets.CBytes().tag(sync=True)
    # What comes from a page is a memoryview, of which this makes bytes.
    painted: Any = traitlets.CBytes().tag(sync=True)
    undoable: Any = traitlets.Bool(False).tag(sync=True)
