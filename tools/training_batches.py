"""Batches of pictures to train on: crops of photographs, our own and drawn pictures, at many scales."""

from pathlib import Path

import numpy as np
import torch
import training_pictures
from torch import Tensor
from torch.nn import functional as F

from nstlib.backbones import IMAGENET_MEAN, IMAGENET_STD
from nstlib.feedforward.pictures import folder_pictures
from nstlib.images import load_image

OWN = Path(__file__).resolve().parents[1] / "img"
PHOTOGRAPHS, PAINTED = 0.5, 0.2  # shares of the crops; the others are drawn by rules


class Pictures:
    """Crops from three shelves: photographs, our own pictures, and pictures drawn by rules.

    What is drawn depends on the seed and on the numbers given alone.

    Raises:
        ImageError: a folder of photographs that is not there or has none, or one that cannot be read.
    """

    def __init__(self, drawn: int, seed: int, photographs: Path | None = None, side: int = 320, largest: int = 1024):
        self.seed = seed
        pool = training_pictures.pool(drawn, side, seed)
        own = [_read(path, largest) for path in sorted(OWN.glob("*/*.jpg"))]
        taken = [torch.from_numpy(p.copy()).permute(2, 0, 1) for p in training_pictures.photographs()]
        taken += [_read(path, largest) for path in folder_pictures(photographs)] if photographs else []
        self.shelves = {
            "photographs": taken,
            "painted": own,
            "drawn": [torch.from_numpy(p).permute(2, 0, 1) for p in pool],
        }

    def batch(self, step: int, count: int, crop: int, use: int = 1) -> Tensor:
        """Pictures (count, 3, crop, crop), normalized as torchvision does."""
        rng = np.random.default_rng((self.seed, step, use))
        return normalize_picture(torch.stack([self._picture(rng, crop) for _ in range(count)]))

    def contents(self, rng: np.random.Generator, count: int, crop: int) -> Tensor:
        """What a transfer keeps the layout of: mostly photographs, sRGB in [0, 1]."""
        return torch.stack([self._crop(rng, crop, (0.8, 0.1)) for _ in range(count)])

    def styles(self, rng: np.random.Generator, count: int, crop: int) -> Tensor:
        """What a transfer takes its manner from: painted, drawn, seldom a photograph."""
        return torch.stack([_recolor(rng, self._crop(rng, crop, (0.1, 0.45))) for _ in range(count)])

    def _picture(self, rng: np.random.Generator, crop: int) -> Tensor:
        picture = self._crop(rng, crop)
        if rng.random() < 0.1:
            picture = picture.lerp(self._crop(rng, crop), float(rng.uniform(0.1, 0.9)))
        return _disturb(rng, _recolor(rng, picture))

    def _crop(
        self, rng: np.random.Generator, crop: int, shares: tuple[float, float] = (PHOTOGRAPHS, PAINTED)
    ) -> Tensor:
        shelf = rng.choice(list(self.shelves), p=(*shares, 1 - sum(shares)))
        source = self.shelves[shelf][rng.integers(len(self.shelves[shelf]))]
        side = int(min(crop * np.exp(rng.uniform(-0.5, 1.4)), *source.shape[1:]))
        y, x = (int(rng.integers(0, length - side + 1)) for length in source.shape[1:])
        part = source[:, y : y + side, x : x + side].float()[None] / 255
        part = F.interpolate(part, (crop, crop), mode="bilinear", antialias=True)[0]
        part = part.mT if rng.random() < 0.2 else part
        return part.flip([axis for axis in (1, 2) if rng.random() < (0.15, 0.5)[axis - 1]])


def _read(path: Path, largest: int) -> Tensor:
    return (load_image(path, largest)[0] * 255).round().to(torch.uint8)


def normalize_picture(picture: Tensor) -> Tensor:
    """From sRGB in [0, 1] to what torchvision's networks take."""
    mean, std = (torch.tensor(v, device=picture.device).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (picture - mean) / std


def _recolor(rng: np.random.Generator, picture: Tensor) -> Tensor:
    if rng.random() < 0.25:
        picture = picture[torch.from_numpy(rng.permutation(3))]
    if rng.random() < 0.05:
        picture = 1 - picture
    if rng.random() < 0.3:
        mean = picture.mean((1, 2), keepdim=True)
        picture = mean + (picture - mean) * float(rng.uniform(0.3, 1.5)) + float(rng.normal(0, 0.1))
    return picture


def _disturb(rng: np.random.Generator, picture: Tensor) -> Tensor:
    """Noise, and the stripes and checkerboards at the limit of resolution that optimizers like to hide in pictures."""
    size = picture.shape[-1]
    if rng.random() < 0.25:
        noise = rng.normal(0, np.exp(rng.uniform(-4, -1)), (3 if rng.random() < 0.7 else 1, size, size))
        picture = picture * float(rng.choice([0, 0.5, 1, 1, 1, 1])) + torch.from_numpy(noise).float()
        if rng.random() < 0.3:
            picture = F.avg_pool2d(picture[None], 3, 1, 1, count_include_pad=False)[0]
    if rng.random() < 0.05:
        y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        period, turn = int(rng.integers(1, 3)), int(rng.integers(3))
        board = ((y // period * (turn != 1) + x // period * (turn != 0)) % 2) - 0.5
        color = torch.from_numpy(rng.normal(0, 0.15, (3, 1, 1))).float()
        picture = picture + color * board
    return picture
