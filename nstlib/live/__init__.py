"""Live pictures: optimizations that run while you watch, and follow your hand.

Read `engine` first: a run that takes up changes between two steps; `drivers` call it, `panel` shows it. `small` has a
live picture for each notebook, and `studio` all of a transfer under the hand: `choices` are what it offers, `steering`
is the transfer beneath. Needs ipywidgets, which comes with `pip install "nstlib[lab]"`.

Example:
    >>> live.texture(extract, style, ["relu1_1", "relu2_1", "relu3_1"]).run(40)
"""

from .panel import Live
from .small import Scrubber, balance, reconstruct, scrub, texture
from .snapshots import read_settings
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
