"""What is said about work that is done or under way: a report must never fail the work that it reports.

`sys.stdout` may be None (a program without a console), closed, a pipe that nobody reads any more, a full disk, or of an
encoding that lacks the letters of a path. All of that loses a line at most.
"""

import os
import sys
from contextlib import suppress
from io import StringIO
from typing import Any, TextIO

from tqdm import tqdm

NOTEBOOK_COLUMNS = 80  # of a progress bar in a notebook, which has no terminal to ask


def tell(message: object, file: TextIO | None = None) -> None:
    """Print a message, whatever the stream is like; letters that it cannot show become `\\u7d50`.

    Example:
        >>> tell(f"saved {shown_path(path)}")
        >>> tell(f"nstlib: {error}", file=sys.stderr)

    Args:
        message: what to say.
        file: where to; `sys.stdout` unless given. Where there is none, nothing is said.
    """
    stream = Steady(sys.stdout if file is None else file)
    stream.write(f"{message}\n")
    stream.flush()


def shown_path(path: str | os.PathLike[str]) -> str:
    """The path as people are shown it: from the working folder where there is a way, else absolute.

    There is none to another drive of Windows, and none from a working folder that was deleted.
    """
    for form in (os.path.relpath, os.path.abspath):
        with suppress(OSError, ValueError):
            return form(os.fspath(path))
    return os.fspath(path)


def progress_bar(total: int, shown: bool = True, unit: str = "step") -> "tqdm[Any]":
    """A bar that shows how far the work is, and is gone when it is closed.

    In a terminal it is a line on `sys.stderr`. In a notebook it is an output of the cell, which is emptied at the end,
    so that a saved notebook keeps nothing of it. Where neither is there, nothing is shown.

    Example:
        >>> with progress_bar(300) as bar:
        ...     bar.update()
        ...     bar.set_postfix(loss="0.12", refresh=False)

    Args:
        total: how many units there are to do.
        shown: False makes a bar that nobody sees.
        unit: what is counted.
    """
    options: dict[str, Any] = {"total": total, "unit": unit, "leave": False}
    if _in_notebook():
        return _NotebookBar(disable=not shown, file=StringIO(), ncols=NOTEBOOK_COLUMNS, ascii=False, **options)
    stream = Steady(sys.stderr)
    return tqdm(disable=not (shown and stream), file=stream, dynamic_ncols=True, **options)


class Steady:
    """A stream of text that takes everything and never raises; false where there is no stream that takes anything."""

    def __init__(self, stream: TextIO | None):
        self._stream = stream

    def __bool__(self) -> bool:
        return self._stream is not None and not getattr(self._stream, "closed", False)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        """Write the text, with escapes for letters that the stream's encoding lacks."""
        if self:
            self._try("write", text)

    def flush(self) -> None:
        """Send on what was written."""
        if self:
            self._try("flush")

    def _try(self, method: str, *text: str) -> None:
        # Whatever a stream raises, and programs put all kinds of objects there, the work is worth more than its report.
        try:
            getattr(self._stream, method)(*text)
        except UnicodeEncodeError:
            with suppress(Exception):
                getattr(self._stream, method)(*map(self._escaped, text))
        except BlockingIOError:  # full for a moment
            pass
        except OSError:
            self._give_up()
        except Exception:
            pass

    def _escaped(self, text: str) -> str:
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _give_up(self) -> None:
        """Let a standard stream that fails lead nowhere, or Python fails on it again when it ends: with status 120."""
        if self._stream is sys.stdout or self._stream is sys.stderr:
            with suppress(Exception):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self.fileno())
                os.close(nowhere)


class _NotebookBar(tqdm):  # type: ignore[type-arg]
    """A bar in the output of a cell.

    tqdm's own bar for notebooks is a widget. What a saved notebook keeps of it is its first text, "0%| | 0/300".
    """

    _handle: Any = None

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Show the bar as it is now, or an empty output where the message is empty."""
        from IPython.display import display

        text = str(self) if msg is None else msg
        data = {"text/plain": text} if text else {}
        with suppress(Exception):  # a kernel that is going down
            if self._handle is None:
                self._handle = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
            else:
                self._handle.update(data, raw=True)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
