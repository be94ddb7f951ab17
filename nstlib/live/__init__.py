"""Live pictures: optimizations that run while you watch, and follow your hand.

Read `engine` first: a run that takes up changes between two steps; `drivers` call it, `panel` shows it. `small` has a
live picture for each notebook, and `studio` all of a transfer under the hand: `choices` are what it offers, `steering`
is the transfer beneath. `brush` paints regions over a picture. What a network paints in one pass needs no engine:
`painter`, with `mixing` for what it paints with and `painter_page`, `palette` and `places` for what a page shows; and
`camera`, what the browser's camera sees. Needs ipywidgets, and the brush and the camera anywidget, which come with
`pip install "nstlib[lab]"`.

Example:
    >>> live.texture(extract, style, ["relu1_1", "relu2_1", "relu3_1"]).run(40)
"""

from .brush import Brush, brush
from .camera import Camera, camera
from .painter import Painter, painter
from .panel import Live
from .small import Scrubber, balance, reconstruct, scrub, texture
from .snapshots import read_settings
from .studio import Studio, studio
from .upload import Upload

__all__ = [
    "Brush",
    "Camera",
    "Live",
    "Painter",
    "Scrubber",
    "Studio",
    "Upload",
    "balance",
    "brush",
    "camera",
    "painter",
    "read_settings",
    "reconstruct",
    "scrub",
    "studio",
    "texture",
]
