"""What can be undone: the maps of regions that were, and those that were taken back."""

import struct
from dataclasses import dataclass
from typing import Self

from ..errors import InputError

CHANGE, UNDO, REDO = range(3)
KERNEL = 0  # the author of what Python has set; each page has a number of its own
DEPTH = 100  # how many changes can be undone
HEAD = struct.Struct("<IIII")


@dataclass(frozen=True)
class Note:
    """A map on its way between a page and the kernel.

    Attributes:
        author: who made it, KERNEL or a page.
        edit: which of its author's edits; a stroke under way sends several notes of one edit.
        seen: how often Python had set a map, as far as the author knew. So the kernel can tell what was painted on a
            map that it had replaced meanwhile.
        way: CHANGE, UNDO or REDO.
        runs: the map, see `regions.packed`.
    """

    author: int
    edit: int
    seen: int
    way: int
    runs: bytes

    def packed(self) -> bytes:
        """The note as bytes."""
        return HEAD.pack(self.author, self.edit, self.seen, self.way) + self.runs

    @classmethod
    def read(cls, data: bytes) -> Self:
        """The note that was packed.

        Raises:
            InputError: it is too short.
        """
        if len(data) < HEAD.size:
            raise InputError(f"a map of regions arrived damaged: it has {len(data)} bytes")
        author, edit, seen, way = HEAD.unpack_from(data)
        return cls(author, edit, seen, way, data[HEAD.size :])

    def continues(self, other: "Note") -> bool:
        """Whether both are of one edit."""
        return (self.author, self.edit) == (other.author, other.edit)


class Past:
    """The present map, those before it, and those that were undone. brush.js keeps its own in the same way."""

    def __init__(self, now: Note):
        self.now = now
        self._back: list[bytes] = []
        self._forth: list[bytes] = []
        self._replaced = now

    def follow(self, note: Note) -> bool:
        """Go where a note says; gives whether the map is another one."""
        before, self.now = self.now, note
        if note.runs == before.runs or note.continues(before):
            return note.runs != before.runs
        if note.way == UNDO and self._back[-1:] == [note.runs]:
            self._forth.append(before.runs)
            self._back.pop()
        elif note.way == REDO and self._forth[-1:] == [note.runs]:
            self._back.append(before.runs)
            self._forth.pop()
        else:
            self._back = [*self._back, before.runs][-DEPTH:]
            self._forth.clear()
            self._replaced = before
        return True

    def slip_under(self, note: Note) -> None:
        """Keep a map that came too late, for an undo; the rest of a stroke replaces its beginning."""
        if self._back and note.continues(self._replaced):
            self._back.pop()
        self._back.append(note.runs)
        self._replaced = note

    def before(self) -> bytes | None:
        """What an undo would bring."""
        return self._back[-1] if self._back else None

    def after(self) -> bytes | None:
        """What a redo would bring."""
        return self._forth[-1] if self._forth else None
