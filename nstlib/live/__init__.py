"""Live pictures: optimizations that run while you watch, and follow your hand.

Read `engine` first: a run that takes up changes between two steps. `small` has a live picture for each notebook, and
`studio` all of a transfer under the hand. Needs ipywidgets, which comes with `pip install "nstlib[lab]"`.

Example:
    >>> live.texture(extract, style, ["relu1_1", "relu2_1", "relu3_1"]).run(40)
"""

from .engine import read_settings
from .panel import Live
from .small import Scrubber, balance, reconstruct, scrub, texture
from .studio import Studio, studio
from .upload import Upload

__all__ = [
    "Live",
    "Scrubber",
    "Studio",
    "Upload",
    "balance",
    "read_settings",
    "reconstruct",
    "scrub",
    "studio",
    "texture",
]
