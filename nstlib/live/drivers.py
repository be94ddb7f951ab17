"""Three ways to drive an engine's loop: in the background, at every tick of a clock in the page, only when told."""

import atexit
import threading
import time
import traceback
from collections.abc import Callable
from typing import ClassVar

from ..errors import NstError, OutOfMemory
from .engine import Engine

SLICE = 0.1  # seconds of steps between two frames
TICK_SLICE = 0.08  # likewise, where a clock in the page ticks every 0.1 s
SILENCE = 8.0  # seconds without a sign of life from the page, after which nobody watches


class Driver:
    """Starts, pauses and closes an engine's loop. This one never runs by itself: for tests and scripts.

    Only one of a process runs at a time: starting one pauses the others. A new one closes the old one of its name.

    Args:
        engine: whose loop it calls.
        show: called after each slice of work, in the thread that did it.
        name: of the picture that it drives.

    Attributes:
        running: whether it is.
        reason: why it is not, in words.
        error: the traceback of the exception that paused it, or of a frame that failed, or "". As text: an exception
            keeps its tensors alive.
        unwatched: whether it waits for somebody to watch.
        too_large: whether it was want of memory.
    """

    _open: ClassVar[dict[str, "Driver"]] = {}

    def __init__(self, engine: Engine, show: Callable[[], None] = lambda: None, name: str = ""):
        self.engine, self.show, self.name = engine, show, name
        self.running, self.closed, self.reason = False, False, "press Start"
        self.error, self.too_large = "", False
        self._seen, self.unwatched = time.monotonic(), False
        if name in self._open:
            self._open[name].close()
        self._open[name] = self

    def start(self) -> None:
        """Go on until paused."""
        if self.closed:
            return
        for other in list(self._open.values()):
            if other is not self and other.running:
                other.pause("another picture runs")
        self._seen, self.unwatched = time.monotonic(), False
        self.running, self.reason, self.error, self.too_large = True, "", "", False
        self.engine.tell(self.engine.idle)
        self.poke()

    def pause(self, reason: str = "paused") -> None:
        """Stop after the step that is being taken."""
        self.running, self.reason = False, reason
        self.poke()

    def poke(self) -> None:
        """Something is wanted: take it up and show it, also while paused."""
        self._slice(0.0, stepping=False)

    def step(self, count: int = 1) -> None:
        """Take some steps, then pause."""
        self.running = False
        self.engine.tell(lambda: None)
        self._slice(0.0, count=count)

    def seen(self) -> None:
        """Somebody watches; what was paused for want of that goes on."""
        self._seen = time.monotonic()
        if self.unwatched and not self.running:
            self.start()

    def close(self) -> None:
        """End for good."""
        if not self.closed:
            self.closed, self.running, self.reason = True, False, "closed: the cell was run again"
            if self._open.get(self.name) is self:
                del self._open[self.name]
            self._show()

    def _slice(self, seconds: float, stepping: bool = True, count: int | None = None) -> None:
        try:
            stopped = self.engine.work(seconds, stepping, count)
            if stopped:
                self.running, self.reason = False, stopped
        except Exception as error:  # whatever it is, the page shows it and the loop waits
            self.running, self.error = False, traceback.format_exc()
            taken_back = self.engine.taken_back
            self.too_large = isinstance(error, OutOfMemory) and not taken_back
            self.reason = _in_words(error)
            if taken_back:
                self.reason = f"{self.reason.rstrip('.')}. The change was taken back."
        self._show()

    def _show(self) -> None:
        """Show what there is. A frame that fails is noted, and ends nothing: the next one may do."""
        try:
            self.show()
        except Exception as error:
            self.error = self.error or traceback.format_exc()
            self.reason = self.reason or f"a frame could not be shown ({_in_words(error)})"


class Pump(Driver):
    """Works at each tick of a clock in the page, in the kernel's own thread: for Colab, which shows nothing else."""

    def tick(self) -> None:
        """One slice of steps and a frame."""
        if self.running:
            self._slice(TICK_SLICE)


class Thread(Driver):
    """Works in a thread of its own, so that other cells can run meanwhile. Pauses when nobody watches.

    Args:
        engine, show, name: see `Driver`.
        busy: whether the page cannot be heard at the moment, because the kernel runs a cell.
    """

    def __init__(
        self,
        engine: Engine,
        show: Callable[[], None] = lambda: None,
        name: str = "",
        busy: Callable[[], bool] = lambda: False,
    ):
        super().__init__(engine, show, name)
        self._busy = busy
        self._steps_wanted = 0
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"nstlib {name}", daemon=True)
        self._thread.start()

    def poke(self) -> None:
        """Wake the loop."""
        self._wake.set()

    def step(self, count: int = 1) -> None:
        """Have the loop take some steps, then pause."""
        self.running, self.reason = False, "paused"
        self._steps_wanted += count
        self.poke()

    def silence(self) -> float:
        """Seconds since the last sign of life of the page."""
        return time.monotonic() - self._seen

    def close(self) -> None:
        """End for good; returns when the thread has ended."""
        super().close()
        self.poke()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=10)

    def _loop(self) -> None:
        while not self.closed:
            if not self.running:
                self._wake.wait()
            self._wake.clear()
            if self.closed:
                return
            if self._busy():
                self._seen = time.monotonic()
            if self.running and self.silence() > SILENCE:
                self.running, self.unwatched = False, True
                self.reason = "nobody watches; press Start to go on"
            count, self._steps_wanted = self._steps_wanted, 0
            if count:
                self._slice(0.0, count=count)
            else:
                self._slice(SLICE, stepping=self.running)


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, NstError) else f"{type(error).__name__}: {error}"


def close_all() -> None:
    """Close every live picture of this process."""
    for driver in list(Driver._open.values()):
        driver.close()


atexit.register(close_all)
