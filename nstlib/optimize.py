"""The run: an image, changed step by step until its features match."""

import math
import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from .errors import InputError, OutOfMemory, RunError, RunWarning
from .history import History, Snapshots
from .large import ranks
from .large.pyramid import Pyramid
from .large.recording import Evaluator
from .lbfgs import LBFGS, MEMORY
from .objective import Objective, Terms
from .starts import Init, cover, start_image

OptimizerName = Literal["lbfgs", "adam"]
OPTIMIZERS: tuple[str, ...] = get_args(OptimizerName)

DEFAULT_LR = {"lbfgs": 1.0, "adam": 0.02}
ADAM_BETAS = (0.9, 0.999)
MAX_REJECTIONS = 30  # of L-BFGS trials in a row: each at least halves the step: 2**-30 of it changes no float32 picture
MAX_RESTORATIONS = 5
LOOK_EVERY = 20  # steps between two looks at a GPU's losses
FORMAT = 1  # of saved runs


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


class Run:
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
            the covariance of the style's colors); or a picture, which is scaled to cover the image and cropped.
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
            as {0: 0.5, 30: 0.7, 60: 1}. Coarse steps cost less, and lay out what is large. They change the pictures of
            the objective, until the last brings the full ones back; whoever sets other pictures meanwhile ends that.

    Attributes:
        history: every term at every step.
        snapshots: pictures on the way.
        taken: how many steps (evaluations of the objective) have been taken.
        seconds: time spent in steps.
        stop_reason: why the last `steps` ended early ("interrupted", "converged", "broken"), or "".
    """

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
    ):
        if optimizer not in OPTIMIZERS:
            raise InputError(f"optimizer is {optimizer!r}; choose one of: {', '.join(OPTIMIZERS)}")
        rates = _schedule(DEFAULT_LR[optimizer] if lr is None else lr)
        self.objective, self.snapshot_every = objective, snapshot_every
        self._evaluate = Evaluator(objective)
        self.history, self.snapshots = History(), Snapshots()
        self.taken, self.stop_reason = 0, ""
        self._settings: dict[str, Any] = {
            "optimizer": optimizer,
            "lr": rates,
            "betas": _checked_betas(betas),
            "memory": memory,
        }
        start = start_image(objective, init, seed, size)
        self._pyramid = Pyramid(objective, _size(start), scales or {})
        start = self._pyramid.at_step(0, start)
        self._start_from(start.expand(max(objective.batch, len(start)), -1, -1, -1))
        self._row: Tensor | None = None
        self._restorations = 0
        self.seconds = 0.0
        if snapshot_every:
            self.snapshots.take(0, self.image)

    @property
    def image(self) -> Tensor:
        """The picture now, (B, 3, H, W) in [0, 1]: the one whose losses are last in `history`.

        A picture at a coarse scale is brought to the full size. One in tiles may be in the memory of the CPU.
        """
        return cover(self._good, self._pyramid.size or _size(self._good)).clone()

    @property
    def lr(self) -> float:
        """The learning rate of the next step. Setting it ends a schedule."""
        rates: dict[int, float] = self._settings["lr"]
        return float(np.interp(self.taken, list(rates), list(rates.values())))

    @lr.setter
    def lr(self, rate: float) -> None:
        self._settings["lr"] = _schedule(rate)

    def go_on_from(self, image: Tensor) -> None:
        """Put another picture (B or 1, 3, H, W) there; steps go on counting, the optimizer remembers nothing."""
        reference = self._param if self.objective.content is None else self.objective.content
        picture = cover(image.to(self.device, torch.float32), reference.shape[-2:])
        self._start_from(picture.expand(len(self._param), -1, -1, -1))

    @property
    def device(self) -> torch.device:
        """Where the run computes."""
        return self._param.device

    def step(self) -> Step:
        """Evaluate the objective once and change the image.

        Raises:
            OutOfMemory: the picture so far is kept in `image`.
        """
        began = time.perf_counter()
        if self._pyramid.changes_at(self.taken):
            self._start_from(self._pyramid.at_step(self.taken, self._good))
        if self._version != self.objective.version:
            self._follow_objective()
        self._optimizer.param_groups[0]["lr"] = self.lr
        try:
            terms = self._update()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            height, width = self._param.shape[-2:]
            raise OutOfMemory(
                f"out of memory at {width} x {height} pixels on {self.device}; use a smaller size, "
                "a smaller backbone such as 'mini', or optimizer='adam', which remembers less. The picture is kept."
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
        self.stop_reason = ""
        interruptions: list[int] = []
        bar = tqdm(total=count, disable=not progress or ranks.rank() > 0, unit="step", leave=False)
        with bar, self._evaluate:
            for number in range(1, count + 1):
                with _noted(interruptions):
                    step = self.step()
                    # Reading from a GPU waits for it, so there it is done now and then, not at every step.
                    if self.device.type == "cpu" or number % LOOK_EVERY == 0 or number == count:
                        self._look_after()
                        bar.set_postfix(loss=f"{float(self._loss.mean()):.4g}", refresh=False)
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
        """
        path = Path(path)
        state = {
            "format": FORMAT,
            "objective": self.objective.state_dict(),
            "settings": self._settings,
            "snapshot_every": self.snapshot_every,
            "param": self._param.detach(),
            "good": self._good,
            "row": self._row,
            "failures": self._failures,
            "broken": self._broken,
            "optimizer": self._optimizer.state_dict(),
            "history": self.history.state_dict(),
            "snapshots": self.snapshots.state_dict(),
            "taken": self.taken,
            "restorations": self._restorations,
            "seconds": self.seconds,
            "pyramid": self._pyramid.state_dict(),
        }
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(state, part)
            part.replace(path)
        except (OSError, RuntimeError) as error:  # torch reports an unwritable file as RuntimeError
            with suppress(OSError):
                part.unlink()
            raise RunError(f"the run cannot be saved to {path} ({error})") from error
        return path

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
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if state["format"] != FORMAT:
                raise RunError(f"{path} is a saved run of format {state['format']}; this version reads {FORMAT}")
        except (OSError, EOFError, RuntimeError, ValueError, TypeError, KeyError, pickle.UnpicklingError) as error:
            raise error if isinstance(error, RunError) else RunError(f"{path} is not a saved run ({error})") from error
        run = cls.__new__(cls)
        run.objective = objective or Objective.from_state_dict(state["objective"], device)
        run._evaluate = Evaluator(run.objective)
        to = run.objective.extract.device
        run.snapshot_every, run._settings = state["snapshot_every"], {"betas": ADAM_BETAS, **state["settings"]}
        run._settings["lr"] = _schedule(run._settings["lr"])
        run.taken, run._restorations, run.seconds = state["taken"], state["restorations"], state["seconds"]
        run._start_from(state["param"].to(to))
        run._optimizer.load_state_dict(state["optimizer"])
        run._good = state["good"].to(run._good.device)
        run._failures, run._broken = (state[name].to(to) for name in ("failures", "broken"))
        run._row = None if state["row"] is None else state["row"].to(to)
        run.history, run.snapshots = History(), Snapshots()
        run.history.load_state_dict(state["history"])
        run.snapshots.load_state_dict(state["snapshots"])
        run.stop_reason = ""
        run._pyramid = Pyramid.from_state_dict(run.objective, state.get("pyramid"))
        return run

    @property
    def _loss(self) -> Tensor:
        assert self._row is not None
        return self._row[0]

    def _start_from(self, image: Tensor) -> None:
        """Put the image there, with an optimizer that remembers nothing."""
        self._good = image.detach().to(self.objective.extract.device).clamp(0, 1)
        self._param = self._good.clone().requires_grad_()
        self._optimizer: torch.optim.Optimizer
        if self._settings["optimizer"] == "lbfgs":
            self._optimizer = LBFGS([self._param], lr=self.lr, memory=self._settings["memory"], bounds=(0, 1))
            self._good = self._optimizer.accepted_point()
        else:
            self._optimizer = torch.optim.Adam([self._param], lr=self.lr, betas=self._settings["betas"], fused=True)
            if self.objective.is_tiled(self._param):  # one copy less on a GPU that is small for the picture
                self._good = self._good.cpu()
        self._failures = torch.zeros(len(image), device=self.device)  # steps in a row that gave no good picture
        self._broken = torch.zeros(len(image), dtype=torch.bool, device=self.device)  # NaN since the last look
        self._version = self.objective.version

    def _follow_objective(self) -> None:
        """After a change of weights or targets: what L-BFGS remembers is of another loss, and sizes may differ."""
        content = self.objective.content
        if content is not None and content.shape[-2:] != self._param.shape[-2:]:
            self._start_from(cover(self._good, content.shape[-2:]))
        elif isinstance(self._optimizer, LBFGS):
            self._optimizer.reset()
        self._version = self.objective.version

    def _update(self) -> Terms:
        """One evaluation and one change of the image; nothing here waits for the device."""
        terms = self._evaluated()
        named = terms.as_dict()
        row = torch.stack(list(named.values()))
        good = row.isfinite().all(0)
        self._broken |= ~good
        if isinstance(self._optimizer, LBFGS):
            self._optimizer.step(lambda: terms.total)
            good = self._optimizer.rejections() == 0
            self._good = self._optimizer.accepted_point()
        else:
            self._keep(good)
            self._optimizer.step()
            with torch.no_grad():
                self._param.clamp_(0, 1)
        self._row = row if self._row is None else torch.where(good, row, self._row)
        self._failures = torch.where(good, 0, self._failures + 1)
        self.history.append(list(named), self._row)
        return terms

    def _keep(self, good: Tensor) -> None:
        """Keep those pictures, before they change. In place: of large ones every copy counts."""
        if self._good.device == self._param.device and not self.objective.is_tiled(self._param):
            torch.where(good.view(-1, 1, 1, 1), self._param.detach(), self._good, out=self._good)
            return
        for place in good.nonzero().flatten().tolist():  # waits for the device, a moment beside a step in tiles
            self._good[place].copy_(self._param.detach()[place])

    def _evaluated(self) -> Terms:
        """The terms, with the gradient in place. Where memory does not suffice, smaller tiles may help."""
        self._optimizer.zero_grad()
        while True:
            try:
                terms, self._param.grad = self._evaluate(self._param)
                return terms
            except RuntimeError as error:
                # Pictures of a batch need not be computed at once: whoever put them together can take fewer.
                if not is_out_of_memory(error) or len(self._param) > 1 or not self.objective.shrink_tile(self._param):
                    raise
            _tell(f"out of memory; going on with tiles of {self.objective.tile} pixels")

    def _look_after(self) -> None:
        """Read how the last steps went; go back to the good picture after NaN, and stop where nothing helps."""
        failures, broken = torch.stack([self._failures.float(), self._broken.float()]).cpu()
        self._broken.zero_()
        if broken.any() and isinstance(self._optimizer, LBFGS):
            _tell(f"NaN near step {self.taken}: the step was taken back and shortened")
        elif broken.any():
            self._restorations += 1
            self._settings["lr"] = {step: rate / 2 for step, rate in self._settings["lr"].items()}
            self._start_from(self._good)
            _tell(
                f"NaN near step {self.taken}: went back to the last good picture, "
                f"learning rate lowered to {self.lr:.3g}"
            )
        if self._restorations > MAX_RESTORATIONS:
            self.stop_reason = "broken"
        elif failures.min() >= MAX_REJECTIONS:
            self.stop_reason = "converged" if bool(self._loss.isfinite().all()) else "broken"


@contextmanager
def _noted(interruptions: list[int]) -> Iterator[None]:
    """Let a step finish on Ctrl-C, so that the run stays consistent; a second Ctrl-C does not wait."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def note(number: int, frame: FrameType | None) -> None:
        if interruptions:
            before(number, frame)
        interruptions.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def _schedule(lr: float | Mapping[int, float]) -> dict[int, float]:
    """Step to learning rate, in order."""
    rates = {int(step): float(lr[step]) for step in sorted(lr)} if isinstance(lr, Mapping) else {0: float(lr)}
    if not rates or not all(0 < rate < math.inf for rate in rates.values()):
        raise InputError(f"the learning rate is {lr!r}; expected a number above 0, or a dict of steps to such numbers")
    return rates


def _checked_betas(betas: tuple[float, float]) -> tuple[float, float]:
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise InputError(f"betas are {betas!r}; expected two numbers from 0 up to, but not including, 1")
    return betas[0], betas[1]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says that the memory did not suffice, in torch's words or in `RunError`'s."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "allocate memory" in text


def _tell(message: str) -> None:
    warnings.warn(message, RunWarning, stacklevel=4)
