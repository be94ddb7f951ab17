"""Whether pictures are painted at once, one by one or in tiles: by the memory that they take."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ..base.checks import Size, in_pixels, size_of
from ..base.devices import give_back_large_blocks, is_out_of_memory
from ..base.reporting import progress_bar
from ..errors import OutOfMemory
from ..large.budget import SHARE, free_memory

TILE = 512  # pixels: 0.15 GB at half of Johnson's width
SMALLEST_TILE = 64


class Tileable(Protocol):
    """A network as what paints any size with it sees it; see `styled.Styled`."""

    stride: int

    @property
    def device(self) -> torch.device:
        """Where the weights are."""

    @property
    def pixel_bytes(self) -> int:
        """What one pixel takes at the peak, where it is painted at once."""

    def continued(self, pictures: Tensor) -> Tensor:
        """Pictures whose sides divide by the stride."""

    def in_tiles(self, picture: Tensor, shares: Tensor, side: int, advance: Callable[[], object]) -> Tensor:
        """Paint such a picture in tiles."""

    def tiles_of(self, size: Size, side: int) -> int:
        """How often `in_tiles` advances with a picture (H, W)."""

    def __call__(self, pictures: Tensor, style: Tensor) -> Tensor:
        """Paint pictures (B, 3, H, W) in shares (B, styles)."""


def paint(network: Tileable, pictures: Tensor, shares: Tensor, tile: int | None, progress: bool) -> Tensor:
    """What `Styled.paint` does with checked pictures (B or 1, 3, H, W) and shares (B or 1, styles)."""
    batch, size = max(len(pictures), len(shares)), size_of(pictures)
    if tile is None and fits(network, size, batch):
        try:
            return _at_once(network, pictures, shares)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
    side = _side(network, size) if tile is None else tile
    in_tiles = max(size) > side
    rows = zip(pictures.expand(batch, -1, -1, -1), shares.expand(batch, -1), strict=True)
    pairs = [(picture[None], row[None]) for picture, row in rows]
    if in_tiles and network.device.type == "cpu":
        give_back_large_blocks()
    count = batch * network.tiles_of(size, side) if in_tiles else 0
    with progress_bar(count, progress and in_tiles, unit="tile") as bar:
        painted = [_one(network, picture, row, side, bar.update) for picture, row in pairs]
    return (torch.cat(painted) if batch > 1 else painted[0]).to(pictures.device)


def fits(network: Tileable, size: Size, batch: int = 1) -> bool:
    """Whether so many pictures (H, W) can go through the network at once."""
    return batch * size[0] * size[1] * network.pixel_bytes <= SHARE * free_memory(network.device)


def _at_once(network: Tileable, pictures: Tensor, shares: Tensor) -> Tensor:
    painted: Tensor = network(pictures.to(network.device), shares)
    return painted.to(pictures.device)


def _side(network: Tileable, size: Size) -> int:
    """Of the tiles where nobody says: the whole picture's, if one by one fits."""
    return max(size) if fits(network, size) else TILE


def _one(network: Tileable, picture: Tensor, row: Tensor, side: int, advance: Callable[[], object]) -> Tensor:
    """One picture (1, 3, H, W), in tiles if it is larger than one; in smaller ones where memory runs out."""
    height, width = size_of(picture)
    side = min(side, max(height, width))
    try:
        if side == max(height, width):
            return _at_once(network, picture, row)
        return network.in_tiles(network.continued(picture), row, side, advance)[..., :height, :width]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        if side // 2 < SMALLEST_TILE:
            raise OutOfMemory(
                f"out of memory while painting {in_pixels((height, width))} in tiles of {side}; free some, or use a "
                "smaller picture"
            ) from error
    return _one(network, picture, row, side // 2 // network.stride * network.stride, advance)
