"""What a run remembers: every term at every step, and pictures on the way."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .errors import InputError


class History(Mapping[str, np.ndarray]):
    """Every term at every step: `history["total"]` is (steps,), or (steps, B) for a batch of several pictures.

    Rows stay on the device until somebody reads them, so that recording never waits for it. What was read once is in
    a table, which has room for more, so that reading after every step costs little.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._pending: list[Tensor] = []
        self._table = np.zeros((0, 0, 1), np.float32)  # (steps and room for more, number of names, B)
        self._count = 0  # rows of the table that are in use

    def append(self, names: list[str], row: Tensor) -> None:
        """Add the terms of one step, (number of names, B)."""
        if names != self._names:
            if self._names:
                raise InputError(
                    "the terms of a run cannot change while it runs; make a new run, or set run.history = nst.History()"
                )
            self._names = names
        self._pending.append(row)

    def rows(self) -> np.ndarray:
        """All steps, (steps, number of names, B). Reading waits for the device."""
        return self._read().copy()

    def state_dict(self) -> dict[str, Any]:
        """Names and rows as plain values and a tensor."""
        return {"names": self._names, "rows": torch.from_numpy(self.rows())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self._names, self._pending = list(state["names"]), []
        self._table = state["rows"].numpy().copy()
        self._count = len(self._table)

    def _read(self) -> np.ndarray:
        """The table's rows, after those that wait were added."""
        if waiting := self._pending[:]:
            rows = torch.stack(waiting).cpu().numpy()
            del self._pending[: len(waiting)]  # and not more: a thread may have added some
            self._make_room(self._count + len(rows), rows)
            self._table[self._count : self._count + len(rows)] = rows
            self._count += len(rows)
        return self._table[: self._count]

    def _make_room(self, count: int, like: np.ndarray) -> None:
        if count > len(self._table):
            # Twice as much each time, so that a row is copied about twice, however often somebody reads.
            larger = np.zeros((max(count, 2 * len(self._table)), *like.shape[1:]), like.dtype)
            if self._count:
                larger[: self._count] = self._table[: self._count]
            self._table = larger

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(f"no term {name!r}; there are {', '.join(self._names) or 'none before the first step'}")
        values = self._read()[:, self._names.index(name)]
        return (values[:, 0] if values.shape[1] == 1 else values).copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Snapshots(Mapping[int, Tensor]):
    """Pictures on the way: step number to picture (B, 3, H, W), kept on the CPU in 8 bit."""

    def __init__(self) -> None:
        self._pictures: dict[int, Tensor] = {}

    def take(self, number: int, image: Tensor) -> None:
        """Keep a picture in [0, 1] under the number of its step."""
        self._pictures[number] = (image * 255).round().to(torch.uint8).cpu()

    def state_dict(self) -> dict[int, Tensor]:
        """The pictures in 8 bit."""
        return dict(self._pictures)

    def load_state_dict(self, state: Mapping[int, Tensor]) -> None:
        """Take over what `state_dict` gave."""
        self._pictures = dict(state)

    def __getitem__(self, number: int) -> Tensor:
        return self._pictures[number].float() / 255

    def __iter__(self) -> Iterator[int]:
        return iter(self._pictures)

    def __len__(self) -> int:
        return len(self._pictures)
