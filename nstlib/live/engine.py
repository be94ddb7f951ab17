"""The engine of the live pictures: a run that follows a hand, and three ways to drive it. No widget is in here.

What is wanted is only noted, from any thread; the loop takes it up between two steps. Drivers call the loop: `Thread`
in the background, `Pump` at every tick of a clock in the page, `Driver` itself only when told.
"""

import atexit
import json
import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from queue import SimpleQueue
from typing import Any, ClassVar

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..errors import InputError, NstError, OutOfMemory
from ..history import History
from ..optimize import Run, is_out_of_memory

SLICE = 0.1  # seconds of steps between two frames
TICK_SLICE = 0.08  # likewise, where a clock in the page ticks every 0.1 s
SILENCE = 8.0  # seconds without a sign of life from the page, after which nobody watches
PATIENCE = 300  # steps that have to lower the loss by a share of
LEAST = 1e-3
UNDOS = 12
SNAPSHOTS = 6
MERGED = 1.0  # seconds within which changes of the same settings count as one for `undo`
POLITE = 0.005  # seconds after a turn, in which another process can take the next
TERMS = ("content", "style", "tv", "total")

Settings = Mapping[str, Any]
Begin = Callable[[Settings], Run]
Adopt = Callable[[Run, Settings, Settings], Run]


@dataclass(frozen=True)
class Moment:
    """What undo goes back to: settings, the picture as it was (3, H, W) in 8 bit, and its number of steps."""

    settings: Settings
    picture: Tensor
    taken: int


@dataclass(frozen=True)
class Snapshot:
    """A picture that was kept: a PNG file that carries its settings, see `read_settings`."""

    png: bytes
    taken: int
    settings: Settings


class Curves:
    """The terms of a run that may go on for ever: a bounded number of points, evenly spread over all its steps."""

    def __init__(self, limit: int = 400):
        self._limit, self._every = limit, 1
        self.steps: list[int] = []
        self.values: dict[str, list[float]] = {name: [] for name in TERMS}
        self.changes: deque[int] = deque(maxlen=40)  # steps before which settings changed

    def add(self, first: int, history: Mapping[str, Any]) -> None:
        """Add the terms of the steps `first`, `first` + 1, ..."""
        columns = {name: history[name].tolist() for name in TERMS}
        for row, step in enumerate(range(first, first + len(columns["total"]))):
            if step % self._every == 0:
                self.steps.append(step)
                for name in TERMS:
                    self.values[name].append(columns[name][row])
        while len(self.steps) > self._limit:
            self._every *= 2
            kept = [row for row, step in enumerate(self.steps) if step % self._every == 0]
            self.steps = [self.steps[row] for row in kept]
            self.values = {name: [values[row] for row in kept] for name, values in self.values.items()}


class Engine:
    """A run whose settings can change at any moment.

    `set`, `reset`, `undo`, `snapshot` and `tell` may be called from any thread: they note what is wanted and return at
    once. `work` does it; only a driver calls it.

    Example:
        >>> engine = Engine({"beta": 20.0}, begin=lambda settings: Run(objective), adopt=change_weights)
        >>> engine.set(beta=100.0)
        >>> engine.work(seconds=0.1)  # takes the 100 up, then steps

    Args:
        settings: name to value; compared with == to find what changed.
        begin: makes a fresh run from settings.
        adopt: takes (run, all settings, changed settings), and gives the run to go on with, most often the same.
            Without it, every change begins anew.

    Attributes:
        wanted, settings: what the hand set; what the loop has taken up.
        run: the run.
        shown: the last frame, (3, H, W) in 8 bit on the CPU.
        curves: the terms so far.
        snapshots: the last pictures kept.
        faithful: whether nothing changed since the run began, so that the settings alone give this very picture.
    """

    def __init__(self, settings: Settings, begin: Begin, adopt: Adopt | None = None):
        self._begin, self._adopt = begin, adopt
        self._lock = threading.RLock()  # the loop's: never two at once
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._moments: deque[Moment] = deque(maxlen=UNDOS)
        self._last_change: tuple[frozenset[str], float] = (frozenset(), 0.0)
        self.snapshots: deque[Snapshot] = deque(maxlen=SNAPSHOTS)
        self._clock: deque[tuple[float, int]] = deque(maxlen=20)
        self.wanted: Settings = dict(settings)
        self._restart()

    def set(self, **settings: Any) -> None:
        """Want other values; the next step takes them up."""
        unknown = set(settings) - set(self.wanted)
        if unknown:
            raise InputError(f"there is no setting {', '.join(sorted(unknown))}; there are {', '.join(self.wanted)}")
        changed = frozenset(name for name, value in settings.items() if self.wanted[name] != value)
        if changed:
            now = time.monotonic()
            if changed != self._last_change[0] or now - self._last_change[1] > MERGED:
                self._remember()
            self._last_change = (changed, now)
            self.wanted = {**self.wanted, **settings}

    def reset(self) -> None:
        """Begin anew with the settings as they are."""
        self._remember()
        self.tell(self._restart)

    def undo(self) -> Settings | None:
        """Go back to before the last change or reset, settings and picture; gives the settings, or None at the end."""
        if not self._moments:
            return None
        moment = self._moments.pop()
        self._last_change = (frozenset(), 0.0)
        self.wanted = moment.settings
        self.tell(lambda: self._return_to(moment))
        return moment.settings

    def snapshot(self) -> None:
        """Keep the picture as it is."""
        self.tell(lambda: self.snapshots.append(self._png()))

    def tell(self, command: Callable[[], None]) -> None:
        """Have the loop call a function between two steps."""
        self._commands.put(command)

    def work(self, seconds: float, stepping: bool = True, count: int | None = None) -> str:
        """Take up what is wanted, and step: for about so many seconds and once at least, or `count` times.

        Args:
            seconds: at most, except that a step is never cut short.
            stepping: False only takes up what is wanted.
            count: steps, whatever the time.

        Returns:
            Why it cannot go on ("converged ..."), or "".

        Raises:
            What the objective raises; OutOfMemory for want of memory, wherever it shows.
        """
        with self._lock, turn(), torch.enable_grad(), _memory_explained():
            end, taken, stopped = time.monotonic() + seconds, 0, ""
            self._take_up()
            while stepping and not stopped:
                stopped = self._step()
                taken += 1
                if taken == count or (count is None and time.monotonic() >= end):
                    break
                self._take_up()
            self._look()
            return stopped or (self._hardly_falls() if stepping else "")

    def rates(self) -> tuple[float, float]:
        """Steps a second and looks (frames) a second, over the last two seconds or so."""
        (began, first), (ended, last) = self._clock[0], self._clock[-1]
        if ended <= began or last < first:
            return 0.0, 0.0
        return (last - first) / (ended - began), (len(self._clock) - 1) / (ended - began)

    def pil(self) -> Image.Image:
        """The last frame as a PIL picture."""
        return Image.fromarray(self.shown.permute(1, 2, 0).contiguous().numpy())

    def idle(self) -> None:
        """Forget the clock, so that a pause does not count as slowness."""
        self._clock.clear()
        self._clock.append((time.monotonic(), self.run.taken))

    def _remember(self) -> None:
        self._moments.append(Moment(self.wanted, self.shown, self.run.taken))

    def _restart(self) -> None:
        settings = self.wanted
        self.run = self._begin(settings)
        self.settings = settings
        self.curves, self.faithful = Curves(), True
        self._renew()
        self._look()

    def _return_to(self, moment: Moment) -> None:
        self.run.go_on_from(moment.picture[None].to(self.run.device).float() / 255)
        self.run.taken, self.faithful = moment.taken, False
        self.curves = Curves()
        self._renew()

    def _take_up(self) -> None:
        wanted = self.wanted  # read once: another thread may replace it
        changed = {name: value for name, value in wanted.items() if self.settings[name] != value}
        if changed and self._adopt is None:
            self._restart()
        elif changed and self._adopt:
            self._read_history()  # whose terms may be others from now on
            self.run = self._adopt(self.run, wanted, changed)
            self.settings, self.faithful = wanted, False
            self.curves.changes.append(self.run.taken)
            self._renew()
        while not self._commands.empty():
            self._commands.get()()

    def _renew(self) -> None:
        """After a change: an ended run goes on, and patience begins anew."""
        self._steps = self.run.steps(2**62, progress=False)
        self._last_best, self._waited = torch.inf, 0
        self.idle()

    def _step(self) -> str:
        try:
            next(self._steps)
        except Exception:
            self._steps = self.run.steps(2**62, progress=False)  # a generator that has raised gives nothing more
            raise
        if not self.run.stop_reason:
            return ""
        self._steps = self.run.steps(2**62, progress=False)
        if self.run.stop_reason == "broken":
            return "the losses are not numbers any more: lower the learning rate, then reset"
        return "converged: no step lowers the loss any more; move a slider, and it goes on"

    def _look(self) -> None:
        """Make the frame, and read the losses: here the loop waits for the device."""
        self.shown = (self.run.image[0] * 255).round().to(torch.uint8).cpu()
        self._read_history()
        self._clock.append((time.monotonic(), self.run.taken))

    def _read_history(self) -> None:
        history = self.run.history
        if len(history):
            total = history["total"]
            first = self.run.taken - len(total) + 1
            self.curves.add(first, history)
            self._waited += len(total)
            self._best = float(total.min())
            self.run.history = History()  # the curves keep what is worth keeping, so that memory does not grow

    def _hardly_falls(self) -> str:
        if self._waited < PATIENCE:
            return ""
        falls, self._last_best, self._waited = self._best < (1 - LEAST) * self._last_best, self._best, 0
        return "" if falls else f"converged: {PATIENCE} steps changed the loss by less than {LEAST:.1%}"

    def _png(self) -> Snapshot:
        self._look()
        facts = {"settings": self.settings, "steps": self.run.taken, "faithful": self.faithful}
        text = PngInfo()
        text.add_text("Software", "nstlib")
        text.add_itxt("nstlib", json.dumps(facts, default=str))
        file = BytesIO()
        self.pil().save(file, "PNG", pnginfo=text)
        return Snapshot(file.getvalue(), self.run.taken, self.settings)


def read_settings(picture: str | os.PathLike[str] | bytes) -> dict[str, Any]:
    """What a snapshot's file says: its "settings", its number of "steps", and whether these alone give it ("faithful").

    Raises:
        InputError where the picture is no snapshot.
    """
    with (
        suppress(OSError, ValueError, KeyError),
        Image.open(BytesIO(picture) if isinstance(picture, bytes) else picture) as png,
    ):
        facts: dict[str, Any] = json.loads(png.info["nstlib"])
        return facts
    raise InputError(f"{picture if not isinstance(picture, bytes) else 'this'} is not a snapshot with settings inside")


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
        error: the traceback of the exception that paused it, or "". As text: an exception keeps its tensors alive.
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
            with suppress(Exception):  # the page may have gone
                self.show()

    def _slice(self, seconds: float, stepping: bool = True, count: int | None = None) -> None:
        try:
            stopped = self.engine.work(seconds, stepping, count)
            if stopped:
                self.running, self.reason = False, stopped
        except Exception as error:  # whatever it is, the page shows it and the loop waits
            self.running, self.error = False, traceback.format_exc()
            self.too_large = isinstance(error, OutOfMemory)
            self.reason = str(error) if isinstance(error, NstError) else f"{type(error).__name__}: {error}"
        self.show()


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


def close_all() -> None:
    """Close every live picture of this process."""
    for driver in list(Driver._open.values()):
        driver.close()


atexit.register(close_all)


@contextmanager
def turn() -> Iterator[None]:
    """A turn at a device that several processes share: the environment variable NST_LIVE_LOCK names their file."""
    path = os.environ.get("NST_LIVE_LOCK")
    if not path:
        yield
        return
    from filelock import FileLock

    with FileLock(path, poll_interval=POLITE / 2):
        yield
    time.sleep(POLITE)


def take_share() -> None:
    """Keep to a share of the GPU's memory: the environment variable NST_LIVE_MEMORY, 0.1 for a tenth."""
    share = os.environ.get("NST_LIVE_MEMORY")
    if share and torch.cuda.is_available():
        try:
            torch.cuda.set_per_process_memory_fraction(float(share))
        except ValueError as error:
            raise InputError(f"NST_LIVE_MEMORY is {share!r}; give a share from 0 to 1, such as 0.1") from error


@contextmanager
def _memory_explained() -> Iterator[None]:
    try:
        yield
    except OutOfMemory:
        raise
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory("out of memory; use a smaller size. The picture is kept.") from error
