"""The engine of the live pictures: a run that follows a hand. No widget is in here, and no thread.

What is wanted is only noted, from any thread; the loop takes it up between two steps. `drivers` call the loop.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..base.checks import known_names
from ..base.interrupts import noted
from ..history import History
from ..optimize import Run
from .curves import Curves
from .modes import memory_explained, own_modes
from .pace import Pace, marks_of
from .sharing import turn
from .snapshots import Snapshot

PATIENCE = 300  # steps that have to lower the loss by a share of
LEAST = 1e-3
UNDOS = 12
SNAPSHOTS = 6
MERGED = 1.0  # seconds within which changes of the same settings count as one for `undo`
INTERRUPTED = "interrupted; press Start to go on"

ENDS = {  # what a run says, in words for the page
    "interrupted": INTERRUPTED,
    "broken": "the losses are not numbers any more: lower the learning rate, then reset",
    "converged": "converged: no step lowers the loss any more; move a slider, and it goes on",
}

Settings = Mapping[str, Any]
Begin = Callable[[Settings], Run]
Adopt = Callable[[Run, Settings, Settings], Run]


@dataclass(frozen=True)
class Moment:
    """What undo goes back to: settings, the picture as it was (3, H, W) in 8 bit, and its number of steps."""

    settings: Settings
    picture: Tensor
    taken: int


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
            Without it, every change begins anew. Where one of the two raises, the objective must be as it was before.
        together: a setting, and those whose values fit one value of it alone. What a hand sets of them, while a change
            of the first is refused, counts only with another first one.

    Attributes:
        wanted, settings: what the hand set; what the loop has taken up.
        taken_back: whether the last `work` failed in a change: then settings and run are as they were before it.
        run: the run.
        shown: the last frame, (3, H, W) in 8 bit on the CPU.
        curves: the terms so far.
        snapshots: the last pictures kept.
        faithful: whether nothing changed since the run began, so that the settings alone give this very picture.
    """

    def __init__(self, settings: Settings, begin: Begin, adopt: Adopt | None = None, together: Sequence[str] = ()):
        self._begin, self._adopt, self._together = begin, adopt, together
        self._lock = threading.RLock()  # the loop's: never two at once
        self._commands: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._moments: deque[Moment] = deque(maxlen=UNDOS)
        self._last_change: tuple[frozenset[str], float] = (frozenset(), 0.0)
        self.snapshots: deque[Snapshot] = deque(maxlen=SNAPSHOTS)
        self._clock: deque[tuple[float, int]] = deque(maxlen=20)
        self.wanted: Settings = dict(settings)
        self.taken_back = False
        with own_modes(), memory_explained():
            self._restart(self.wanted)

    def set(self, **settings: Any) -> None:
        """Want other values; the next step takes them up."""
        known_names(settings, list(self.wanted), "setting")
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
        self.tell(lambda: self._restart(self.settings))

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
        self.tell(self._keep)

    def tell(self, command: Callable[[], None]) -> None:
        """Have the loop call a function between two steps."""
        self._commands.put(command)

    def work(self, seconds: float, stepping: bool = True, count: int | None = None) -> str:
        """Take up what is wanted, and step: for about so many seconds and once at least, or `count` times.

        Ctrl-C ends it after the step under way.

        Args:
            seconds: at most, except that a step is never cut short.
            stepping: False only takes up what is wanted.
            count: steps, whatever the time.

        Returns:
            Why it does not go on ("converged ...", "interrupted ..."), or "".

        Raises:
            What the objective raises; OutOfMemory for want of memory, wherever it shows.
        """
        self.taken_back = False
        interrupts: list[int] = []
        with self._lock, turn(), own_modes(), memory_explained(), noted(interrupts):
            end, taken, stopped = time.monotonic() + seconds, 0, ""
            self._take_up()
            while stepping and not stopped:
                stopped = self._step()
                taken += 1
                if interrupts or taken == count or (count is None and time.monotonic() >= end):
                    break
                self._take_up()
            self._look()
            return stopped or (INTERRUPTED if interrupts else self._hardly_falls() if stepping else "")

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

    def _restart(self, settings: Settings) -> None:
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
        try:
            if changed:
                self._change(wanted, changed)
        finally:
            while not self._commands.empty():
                self._commands.get()()

    def _change(self, wanted: Settings, changed: Settings) -> None:
        try:
            if self._adopt is None:
                self._restart(wanted)
                return
            self._read_history()  # whose terms may be others from now on
            self.run = self._adopt(self.run, wanted, changed)
        except BaseException:
            self._take_back(wanted)
            raise
        self.settings, self.faithful = wanted, False
        self.curves.changes.append(self.run.taken)
        self._renew()

    def _take_back(self, refused: Settings) -> None:
        """Want what is; but a hand may have set something else meanwhile."""
        wanted = self.wanted
        since = {name for name in wanted if refused[name] != wanted[name]}
        for first in self._together[:1]:
            if first in since:
                since |= set(self._together)
            elif refused[first] != self.settings[first]:
                since -= set(self._together)
        self.wanted = {**self.settings, **{name: wanted[name] for name in since}}
        if self._moments and self._moments[-1].settings == self.settings:
            self._moments.pop()
        self._last_change, self.taken_back = (frozenset(), 0.0), True

    def _renew(self) -> None:
        """After a change: an ended run goes on, and patience begins anew."""
        self._steps = self.run.steps(2**62, progress=False)
        self._pace = Pace(marks_of(self.run.device))
        self._last_best, self._waited = torch.inf, 0
        self.idle()

    def _step(self) -> str:
        try:
            step = next(self._steps, None)
        except BaseException:
            self._steps = self.run.steps(2**62, progress=False)  # a generator that has raised gives nothing more
            raise
        self._pace.step_taken()
        stopped = self.run.stop_reason
        if step is None or stopped:
            self._steps = self.run.steps(2**62, progress=False)
        return ENDS.get(stopped, stopped)

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

    def _keep(self) -> None:
        self._look()
        self.snapshots.append(Snapshot.of(self.pil(), self.run.taken, self.settings, self.faithful))
