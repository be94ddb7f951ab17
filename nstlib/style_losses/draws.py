"""Random numbers that come from a seed, and stay until they are renewed."""

import zlib
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Draw = Callable[[torch.Generator], Tensor]


class Draws:
    """What was drawn, by name. The same seed, number and name give the same, on every device and in any order.

    Args:
        seed: of all of it.
    """

    def __init__(self, seed: int):
        self._seed, self._number = seed, 0
        self._made: dict[str, tuple[Draw, Tensor]] = {}

    def of(self, name: str, device: torch.device, draw: Draw) -> Tensor:
        """What is drawn under a name; at first it is drawn on the CPU, by a generator."""
        name = f"{name} {device}"
        if name not in self._made:
            with torch.inference_mode(False):
                self._made[name] = draw, self._drawn(name, draw).to(device)
        return self._made[name][1]

    def renew(self, number: int) -> None:
        """Draw all of it anew, in place; nothing happens where the number is still the same."""
        if number != self._number:
            self._number = number
            for name, (draw, drawn) in self._made.items():
                drawn.copy_(self._drawn(name, draw), non_blocking=True)

    @property
    def drawn(self) -> Mapping[str, Tensor]:
        """All of it by name."""
        return {name: drawn for name, (_, drawn) in self._made.items()}

    def _drawn(self, name: str, draw: Draw) -> Tensor:
        text = f"{self._seed} {self._number} {name.rpartition(' ')[0]}"
        with torch.device("cpu"):  # whatever the default is
            return draw(torch.Generator("cpu").manual_seed(zlib.crc32(text.encode())))
