"""The run: an image, changed step by step until its features match."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

import torch
from torch import Tensor

from .base.checks import (
    KnownAttributes,
    Size,
    in_pixels,
    instance,
    known_arguments,
    number,
    one_of,
    picture,
    size_of,
    whole,
)
from .base.devices import is_out_of_memory as is_out_of_memory
from .base.devices import without_autocast
from .base.interrupts import noted
from .base.reporting import progress_bar
from .base.saving import read_run, told_as_foreign, write_run
from .control.colors import with_colors_of
from .descent import AdamDescent, Descent, LBFGSDescent
from .errors import InputError, OutOfMemory, RunWarning
from .history import History, Snapshots
from .images import cover
from .large import ranks
from .large.pyramid import Pyramid, scaled
from .large.recording import Evaluator
from .lbfgs import MEMORY
from .objective import Objective, Terms
from .rates import Rates
from .starts import Init, start_image

OptimizerName = Literal["lbfgs", "adam"]
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)

DEFAULT_LR = {"lbfgs": 1.0, "adam": 0.02}
ADAM_BETAS = (0.9, 0.999)
MAX_REJECTIONS = 30  # of L-BFGS trials in a row: each at least halves the step: 2**-30 of it changes no float32 picture
MAX_RESTORATIONS = 5
LOOK_EVERY = 20  # steps between two looks at a GPU's losses


@dataclass(frozen=True)
class Step:
    """The facts of one step.

    Attributes:
        number: how many steps the run has taken, this one included. One step is one evaluation of the objective,
            forward and backward, with either optimizer.
        seconds: time spent in steps so far. On a GPU a step returns before its work is done, so only sums are exact.
        terms: the losses at this step, on the device.
    """

    number: int
    seconds: float
    terms: Terms

    @property
    def loss(self) -> float:
        """Total loss, the mean over the batch. Reading it waits for the device."""
        return float(self.terms.total.mean())


class Stepper(KnownAttributes):
    """The image, what changes it, and the objective of the scale that is due; the lower half of `Run`.

    Args:
        objective, optimizer, lr, betas, memory, scales: see `Run`.
        start: the image to begin with, (B or 1, 3, H, W), at full size.

    Attributes:
        objective: with the pictures at full size.
        taken: how many steps have been taken.
    """

    objective: Objective
    taken: int
    _instead: ClassVar[Mapping[str, str]] = {"image": "call go_on_from(picture)", "objective": "make a new run"}

    def __init__(
        self,
        objective: Objective,
        start: Tensor,
        optimizer: OptimizerName,
        lr: float | Mapping[int, float] | None,
        betas: tuple[float, float],
        memory: int,
        scales: Mapping[int, float],
    ):
        self.objective, self.taken = objective, 0
        self._optimizer_name, self._betas = one_of("optimizer", optimizer, OPTIMIZERS), _checked_betas(betas)
        self._rates = Rates(DEFAULT_LR[optimizer] if lr is None else lr)
        self._memory = whole("memory", memory)
        self._size = size_of(start)  # of the image at full size
        self._pyramid = Pyramid(objective, scales)
        self._evaluate = Evaluator(objective)
        self._begin_at(start.expand(max(objective.batch, len(start)), -1, -1, -1))

    @property
    def image(self) -> Tensor:
        """The picture now, (B, 3, H, W) in [0, 1]: the one whose losses are last in `history`.

        A picture at a coarse scale is brought to the full size. One in tiles may be in the memory of the CPU. Where the
        network sees the luminance alone, the colors are the content's; where masks leave a part uncovered, all is.
        """
        good, content = cover(self._descent.good, self._size), self.objective.content
        if content is not None and self.objective.extract.sees == "luminance":
            good = with_colors_of(cover(content, self._size).to(good.device), good)  # which may be new and larger
        if content is not None and size_of(content) == self._size:
            good = self.objective.kept_outside(good)
        return good.clone()

    @property
    def device(self) -> torch.device:
        """Where the run computes."""
        return self._param.device

    @property
    def lr(self) -> float:
        """The learning rate of the next step. Setting it ends a schedule."""
        return self._rates.at(self.taken)

    @lr.setter
    def lr(self, rate: float) -> None:
        self._rates = Rates(rate)

    def go_on_from(self, image: Tensor) -> None:
        """Put another picture (B or 1, 3, H, W) there; steps go on counting, the optimizer remembers nothing."""
        with _as_usual(self.device):
            start, count = picture("picture to go on from", image), len(self._param)
            if len(start) not in (1, count):
                raise InputError(f"there are {len(start)} pictures to go on from, but the run makes {count}")
            self._begin_at(start.to(self.device, torch.float32).expand(count, -1, -1, -1))

    @property
    def _param(self) -> Tensor:
        return self._descent.image

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
        return self._descent.optimizer

    @property
    def _row(self) -> Tensor:
        """All terms of the picture, (number of terms, B), the total first."""
        assert self._descent.row is not None
        return self._descent.row

    def _due(self) -> tuple[Objective, Size]:
        """The objective of the next step, and the size (H, W) of its image."""
        if self.objective.content is not None:
            self._size = size_of(self.objective.content)
        scale = self._pyramid.scale(self.taken, self._size)
        return self._pyramid.objective_at(scale), scaled(self._size, scale)

    def _begin_at(self, image: Tensor) -> None:
        """Put the image there, in the size that is due, with an optimizer that remembers nothing."""
        self._now, size = self._due()
        self._evaluate.objective = self._now
        self._start_from(cover(image, size))

    def _start_from(self, image: Tensor) -> None:
        start = image.detach().to(self.objective.extract.device).clamp(0, 1)
        known = getattr(self, "_descent", None)
        kept = self._now.way(start).home, None if known is None else known.row
        self._descent: Descent
        if self._optimizer_name == "lbfgs":
            self._descent = LBFGSDescent(start, *kept, self.lr, self._memory)
        else:
            self._descent = AdamDescent(start, *kept, self.lr, self._betas)
        self._version = self._now.version

    def _follow_objective(self) -> None:
        """Take up the scale that is due, and what was changed: what L-BFGS remembers is of another loss then."""
        due, size = self._due()
        if due.version != self._version and due.batch not in (1, len(self._param)):
            raise InputError(
                f"the objective is made for {due.batch} pictures now, the run for {len(self._param)}; make a new run"
            )
        if size != size_of(self._param):
            self._begin_at(self._descent.good)
        elif due.version != self._version:
            self._descent.forget()
        number, since = divmod(self.taken, self._descent.steady)
        due.style_loss.renew(number)
        if not since and due.style_loss.random:
            self._descent.forget()
        self._now = self._evaluate.objective = due
        self._version = due.version
        self._descent.set_rate(self.lr)

    def _update(self) -> Terms:
        """One evaluation and one change of the image; nothing here waits for the device."""
        terms = self._evaluated()
        self._descent.change(terms.total, torch.stack(list(terms.as_dict().values())))
        return terms

    def _evaluated(self) -> Terms:
        """The terms, with the gradient in place. Where memory does not suffice, smaller tiles may help."""
        while True:
            try:
                self._param.grad = None  # its memory serves the next
                terms, self._param.grad = self._evaluate(self._param)
                return terms
            except (RuntimeError, MemoryError) as error:
                # Pictures of a batch need not be computed at once: whoever put them together can take fewer.
                if not is_out_of_memory(error) or len(self._param) > 1:
                    raise
                tile = self._now.smaller_tile(self._param)
                if tile is None:
                    raise
            self._now.tile = self.objective.tile = tile
            _tell(f"out of memory; going on with tiles of {tile} pixels")


class Run(Stepper):
    """An optimization that can be watched, steered, stopped, saved and resumed.

    Example:
        >>> run = Run(objective, init="content", optimizer="lbfgs")
        >>> for step in run.steps(300):
        ...     if step.number == 100:
        ...         objective.beta = 200
        >>> run.image, run.history["total"]

    The image stays in [0, 1]: L-BFGS projects its trial points onto this range and takes account of it; after a step of
    Adam the image is clamped. The objective itself never clamps, so its gradient is that of the loss it returns.

    Args:
        objective: what to minimize.
        init: "content"; "noise" (the mean color and small Gaussian noise); "style_statistics" (noise with the mean and
            the covariance of the style's colors); "fast" (what a bundled network paints in one pass);
            or a picture, which is scaled to cover the image and cropped.
        optimizer: "lbfgs" or "adam".
        lr: learning rate; 1 for L-BFGS and 0.02 for Adam unless given. A dict of steps to rates is a schedule, linear
            between its steps.
        betas: of Adam: how far back its means of the gradient and of its square reach. A second one as short as 0.8
            comes to a low loss in a fraction of the steps (benchmarks/time_to_loss.py), with a falling rate.
        seed: of the noise. Every picture of a batch starts from the same noise.
        size: (H, W) of the image where there is no content picture; the style's own size unless given.
        snapshot_every: keep a picture every so many steps, and the start; 0 keeps none.
        memory: of L-BFGS, in pairs of pictures.
        scales: coarse to fine: step to the share of the full size at which everything is computed from there on, such
            as {0: 0.5, 30: 0.7, 60: 1}. Coarse steps cost less, and lay out what is large. The objective keeps its
            full pictures; whoever sets others meanwhile has them from the next step on, at the scale that is due.
        planned: how many steps the run is meant for, where somebody knows; see `remaining`.

    Attributes:
        history: every term at every step.
        snapshots: pictures on the way.
        taken: how many steps (evaluations of the objective) have been taken.
        seconds: time spent in steps.
        stop_reason: why the last `steps` ended early ("interrupted", "converged", "broken"), or "".

    Raises:
        NstError: an argument that cannot work; the message says what is possible.
    """

    snapshot_every: int
    history: History
    snapshots: Snapshots
    planned: int
    _checks: ClassVar[Mapping[str, Callable[[Any], Any]]] = {
        **{name: partial(whole, name) for name in ("snapshot_every", "planned", "taken")},
        "history": partial(instance, "history", History),
        "snapshots": partial(instance, "snapshots", Snapshots),
        "seconds": partial(number, "seconds"),
    }
    stop_reason: str
    seconds: float

    @known_arguments
    def __init__(
        self,
        objective: Objective,
        init: Init | Tensor = "content",
        optimizer: OptimizerName = "lbfgs",
        *,
        lr: float | Mapping[int, float] | None = None,
        betas: tuple[float, float] = ADAM_BETAS,
        seed: int = 0,
        size: tuple[int, int] | None = None,
        snapshot_every: int = 0,
        memory: int = MEMORY,
        scales: Mapping[int, float] | None = None,
        planned: int = 0,
    ):
        self.snapshot_every, self.planned = snapshot_every, planned
        self.history, self.snapshots = History(), Snapshots()
        self.stop_reason, self.seconds, self._restorations = "", 0.0, 0
        with _as_usual(instance("the objective", Objective, objective).extract.device):
            start = start_image(objective, init, seed, size)
            super().__init__(objective, start, optimizer, lr, betas, memory, scales or {})
            if snapshot_every:
                self.snapshots.take(0, self.image)

    @property
    def remaining(self) -> int:
        """How many of the planned steps are still to come."""
        return max(self.planned - self.taken, 0)

    def step(self) -> Step:
        """Evaluate the objective once and change the image.

        Raises:
            OutOfMemory: the picture so far is kept in `image`.
        """
        began = time.perf_counter()
        with _as_usual(self.device):
            try:
                self._follow_objective()
                terms = self._update()
                self.history.append(list(terms.as_dict()), self._row)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise OutOfMemory(
                    f"out of memory at {in_pixels(size_of(self._param))} on {self.device}; use a smaller size, a "
                    "smaller backbone such as 'mini', or optimizer='adam', which remembers less. The picture is kept."
                ) from error
            self.taken += 1
            if self.snapshot_every and self.taken % self.snapshot_every == 0:
                self.snapshots.take(self.taken, self.image)
        self.seconds += time.perf_counter() - began
        return Step(self.taken, self.seconds, terms)

    def steps(self, count: int, progress: bool = True) -> Iterator[Step]:
        """Take up to `count` steps, and yield the facts of each.

        It ends early, and says why in `stop_reason`, when it is interrupted (Ctrl-C during a step), when no change
        lowers the loss any more, or when the losses stay NaN. Whatever happens, `image` holds the best picture so far.
        Of processes that share the run, the first one shows the progress.
        """
        return self._steps(whole("steps", count), progress)

    def _steps(self, count: int, progress: bool) -> Iterator[Step]:
        self.stop_reason = ""
        interruptions: list[int] = []
        with progress_bar(count, shown=progress and ranks.rank() == 0) as bar:
            for place in range(1, count + 1):
                with noted(interruptions):
                    step = self.step()
                    # Reading from a GPU waits for it, so there it is done now and then, not at every step.
                    if self.device.type == "cpu" or place % LOOK_EVERY == 0 or place == count:
                        self._look_after()
                        bar.set_postfix(loss=f"{float(self._row[0].mean()):.4g}", refresh=False)
                    interrupted = bool(interruptions)
                    if self.objective.spread:  # all stop after the same step
                        interrupted = any(ranks.gathered(interrupted))
                    bar.update()
                yield step
                if interrupted:
                    self.stop_reason = "interrupted"
                if self.stop_reason:
                    break

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to a file: pictures, weights, history, the optimizer's memory.

        The file is complete or not there: an interrupted write leaves an older one as it was.

        Raises:
            RunError: it cannot be written.
        """
        settings = {
            "optimizer": self._optimizer_name,
            "lr": self._rates.by_step,
            "betas": self._betas,
            "memory": self._memory,
            "scales": self._pyramid.scales,
            "size": tuple(self._size),
        }
        state = {
            "objective": self.objective.state_dict(),
            "settings": settings,
            "snapshot_every": self.snapshot_every,
            **self._descent.state_dict(),
            "history": self.history.state_dict(),
            "snapshots": self.snapshots.state_dict(),
            "taken": self.taken,
            "planned": self.planned,
            "changed": self._version != self._now.version,
            "restorations": self._restorations,
            "seconds": self.seconds,
        }
        return write_run(state, path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        objective: Objective | None = None,
        device: str | torch.device | None = None,
    ) -> Self:
        """Read a saved run. On the same machine it continues exactly as if it had not been stopped.

        Args:
            path: what `save` wrote.
            objective: to go on with; built from the file unless given.
            device: of an objective built from the file.

        Raises:
            RunError: no such file, or not a saved run. WeightsUnavailable: the backbone's weights are not at hand.
        """
        if objective is not None:
            instance("objective", Objective, objective)
        with _as_usual(torch.device("cpu")):
            state = read_run(path)
            if objective is None:
                with told_as_foreign(path):
                    objective = Objective.from_state_dict(state["objective"], device, spread=ranks.count() > 1)
            with told_as_foreign(path, values_too=True):
                return cls._of(objective, state)

    @classmethod
    def _of(cls, objective: Objective, state: Mapping[str, Any]) -> Self:
        settings = state["settings"]
        run = cls(
            objective,
            state["param"],
            settings["optimizer"],
            lr=settings["lr"],
            betas=settings.get("betas", ADAM_BETAS),
            memory=settings["memory"],
            size=None if objective.content is not None else settings["size"],
            planned=state.get("planned", 0),
        )
        run._take_over(state)
        return run

    def _take_over(self, state: Mapping[str, Any]) -> None:
        settings = state["settings"]
        self.taken, self.snapshot_every = state["taken"], state["snapshot_every"]
        self.seconds, self._restorations = state["seconds"], whole("restorations", state["restorations"])
        self.history.load_state_dict(state["history"])
        self.snapshots.load_state_dict(state["snapshots"])
        self._pyramid, self._size = Pyramid(self.objective, settings["scales"]), tuple(settings["size"])
        # The picture is that of the last step; another scale may be due before the next.
        self._now = self._pyramid.objective_at(self._pyramid.scale(max(self.taken - 1, 0), self._size))
        self._start_from(state["param"])
        self._descent.load_state_dict(state)
        if state.get("changed"):
            self._version = -1

    def _look_after(self) -> None:
        """Read how the last steps went; go back to the good picture after NaN, and stop where nothing helps."""
        failures, broken = self._descent.outcome()
        if broken.any():
            self._mend()
        if self._restorations > MAX_RESTORATIONS:
            self.stop_reason = "broken"
        elif failures.min() >= MAX_REJECTIONS:
            self.stop_reason = "converged" if bool(self._row[0].isfinite().all()) else "broken"

    def _mend(self) -> None:
        """After NaN: numbers of a larger range where the network's were small, else smaller steps."""
        near, precision = f"NaN near step {self.taken}", self.objective.extract.precision
        if precision != "float32":
            self.objective.set_precision("float32")
            self._start_from(self._descent.good)
            _tell(f"{near}: going on from the last good picture in float32, in place of {precision}")
        elif self._optimizer_name == "lbfgs":
            _tell(f"{near}: the step was taken back and shortened")
        else:
            self._restorations += 1
            self._rates = self._rates.halved()
            self._start_from(self._descent.good)
            _tell(f"{near}: went back to the last good picture, learning rate lowered to {self.lr:.3g}")


def take_steps(run: Run, count: int, progress: bool, interruptions: list[int]) -> None:
    """Take the steps of a run; Ctrl-C ends them, whenever it comes, and leaves what the run has.

    Args:
        interruptions: where `nstlib.base.interrupts.noted` notes them around the call.
    """
    try:
        for _ in run.steps(count, progress):
            if interruptions:
                break
    except KeyboardInterrupt:  # pressed twice
        interruptions.append(1)
    if interruptions:
        run.stop_reason = "interrupted"


@contextmanager
def _as_usual(device: torch.device) -> Iterator[None]:
    """Gradients, and the precision that the extractor has, whatever the block around a run says."""
    with torch.inference_mode(False), torch.enable_grad(), without_autocast(device):
        yield


def _checked_betas(betas: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(betas, Sequence) or isinstance(betas, str) or len(betas) != 2:
        raise InputError(f"betas are {betas!r:.80}; expected two numbers from 0 up to, but not including, 1")
    first, second = (number("one of the betas", beta, below=1.0) for beta in betas)
    return first, second


def _tell(event: str) -> None:
    """Warn of something that the run mended by itself."""
    warnings.warn(event, RunWarning, stacklevel=5)
