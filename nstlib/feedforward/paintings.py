"""What a network for any style looks at while it learns: a few paintings, in ever other colors, sizes and directions.

What such a network has to learn is to draw what means and deviations of features say, and not these paintings. So they
are changed until their statistics have little left in common with those that they began with.
"""

from collections.abc import Collection, Iterable

import numpy as np
import torch
from torch import Tensor

from ..base.checks import known_arguments
from ..images import Source
from .drawing import STROKES, drawing
from .pictures import DRAWN_COUNT, Contents, drawn_side

SOURCES = ("style", "content", "photo", "drawn")
STROKES_COUNT, STROKES_SHARE = 300, 0.25  # of the paintings, that are drawn as painters draw
AS_IT_IS = 0.5  # of the crops, as a share: those to come are no recolored ones, and what is usual is learned first
GRAYEST, MOST_COLORFUL = 0.0, 1.5
NEGATIVE = 0.15  # of the paintings, as a share
DARKER = 0.6  # the logarithm of the power that a channel is taken to, at most
LEAST_CONTRAST = 0.5  # of the range that a picture had


class Paintings(Contents):
    """Batches of crops of paintings, photographs and drawn pictures, in other colors each time.

    What batch number n holds depends on the seed and on n alone, and is drawn apart from the contents of that seed and
    number: a content is not to meet the same paintings each time. See `Contents` for the arguments.
    """

    _stream = (3,)  # a training draws its styles from 1, its strengths from 2

    @known_arguments
    def __init__(
        self,
        sources: Source | Iterable[Source] = SOURCES,
        size: int = 256,
        *,
        seed: int = 0,
        without: Collection[str] = (),
        drawn: tuple[int, float] = (DRAWN_COUNT, 0.2),
    ):
        super().__init__(sources, size, seed=seed, without=without, drawn=drawn)
        self._strokes: dict[int, Tensor] = {}

    def __len__(self) -> int:
        """How many pictures there are, drawn ones included."""
        return super().__len__() + STROKES_COUNT

    def _source(self, rng: np.random.Generator) -> Tensor:
        if rng.random() < STROKES_SHARE:
            return self._drawn_in_strokes(int(rng.integers(STROKES_COUNT)))
        return super()._source(rng)

    def _drawn_in_strokes(self, index: int) -> Tensor:
        """Drawn when it is first asked for: each takes a fraction of a second."""
        if index not in self._strokes:
            picture = drawing(index, drawn_side(self.size), self.seed, STROKES)
            self._strokes[index] = torch.from_numpy(picture).permute(2, 0, 1)
        return self._strokes[index]

    def _any_crop(self, rng: np.random.Generator) -> Tensor:
        crop = super()._any_crop(rng)
        if rng.random() < AS_IT_IS:
            return crop
        return recolored(torch.rot90(crop, int(rng.integers(4)), (1, 2)), rng).contiguous()


def recolored(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """A picture (3, H, W) in [0, 1], its channels exchanged, with more color or less, another contrast and light."""
    picture = picture[torch.from_numpy(rng.permutation(3))]
    gray = picture.mean(0, keepdim=True)
    picture = gray + (picture - gray) * rng.uniform(GRAYEST, MOST_COLORFUL)
    if rng.random() < NEGATIVE:
        picture = 1 - picture
    powers = np.exp(rng.uniform(-DARKER, DARKER) + rng.normal(0, DARKER / 4, 3))
    picture = picture.clamp(0, 1) ** torch.from_numpy(powers.astype(np.float32))[:, None, None]
    contrast = rng.uniform(LEAST_CONTRAST, 1) if rng.random() < 0.5 else 1.0
    low = rng.uniform(0, 1 - contrast)
    high = low + contrast
    return low + (high - low) * picture
