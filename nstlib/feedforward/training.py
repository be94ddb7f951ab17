"""Training: a network learns to paint by being judged, picture by picture, as a slow transfer is.

Each step paints a batch of contents, each in a style drawn at random, and moves the weights a little against the
gradient of the mean loss. What is kept, shown and painted with are the weights' moving averages: single steps jump, and
spots come and go with them.
"""

import copy
import math
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ..backbones import default_backbone
from ..base.checks import instance, known_arguments, number, one_of, picture, whole
from ..base.devices import fast_precision, is_out_of_memory, without_autocast
from ..base.interrupts import noted
from ..base.reporting import progress_bar
from ..base.saving import read_run, told_as_foreign, write_run
from ..errors import InputError, OutOfMemory, RunError, RunWarning
from ..extractor import FeatureExtractor
from ..history import History
from ..images import Source
from ..losses import Terms
from ..optimize import Step
from ..rates import Rates
from .judging import Judge, Judged
from .network import StyleNetwork
from .pictures import Contents
from .styled import Styled

Only = Literal["style"]
NetworkPrecision = Literal["float32", "bfloat16", "auto"]
Watch = Callable[["Training"], object]

RATE = 1e-3  # everybody's, from Johnson et al. on
WARM = 50  # steps in which the rate rises to it, or a tenth of the training: Adam's first steps are the largest
LAST = 1e-3  # of the rate, with the last step
WEAK = 0.25
AVERAGED = 0.999  # how much of the averages stays with each step, from some thousand steps on
CLIP = 1.0  # the longest gradient
GOOD_EVERY = 25  # steps between two states to go back to
MAX_RESTORATIONS = 5
CHECKED = 5  # the last so many snapshots, of which the best is kept
WRITER = "Training.save"
PLAN_EVERY = 10  # steps between two looks at the clock
SETTINGS = ("batch", "lr", "planned", "only", "weak", "averaged", "clip", "seed", "check_every", "precision")


@dataclass(frozen=True)
class Check:
    """How the averaged network did on held-out contents.

    Attributes:
        number: of the step after which it was asked.
        styles: of each style, what its pictures came to.
    """

    number: int
    styles: Mapping[str, Judged]

    @property
    def total(self) -> float:
        """Mean total loss over the styles."""
        return sum(judged.total for judged in self.styles.values()) / len(self.styles)


class Training:
    """Trains all styles of a network, or some, or nothing but their rows.

    Example:
        >>> network = StyleNetwork(["swirls", "mosaic"])
        >>> training = Training(network, {"swirls": "swirls", "mosaic": "mosaic"}, size=128, planned=4000)
        >>> for step in training.steps():
        ...     if step.number % 500 == 0:
        ...         training.save("training.pt")
        >>> network(nst.load_image("coffee", 512), "mosaic")

        >>> network.add_style("mine", like="swirls")
        >>> Training(network, {"mine": "painting.jpg"}, only="style", planned=300).run()

    Which styles a step gets depends on the seed and the number of the step alone; its contents are the next batch of
    `contents`, whose own seed and place say what that is.

    Args:
        network: it holds the averaged weights from then on, in float32 at least, and can be used at any time; what
            jumps is a copy.
        styles: name to picture, for some or all of the network's styles, or a `Judge` that has them.
        contents: what to paint: a `Contents`, or what `Contents` takes as sources; without any, the bundled ones.
        size: side of the contents in pixels, where no `Contents` is given.
        batch: pictures a step.
        lr: learning rate, to which it rises and from which it falls to 0.
        planned: how many steps the training is meant for: with the last the rate is 0.
        only: "style" trains the rows of these styles, and leaves all else, so that other styles paint as before.
        weak: of how many pictures, as a share, the style is asked for at less than full strength, drawn evenly from 0
            to 1: so a picture between the two is one of its own. See `Judge` for what it is to be.
        averaged: how much of the averages stays with each step; at the beginning less.
        clip: a longer gradient is shortened to this.
        seed: of contents and styles.
        held_out: contents that it is judged by on the way, batches (B, 3, H, W).
        check_every: steps between two such checks; 0 makes none.
        watch, watch_every: called with the training every so many steps, to show or save sample pictures.
        precision: in which the network convolves while it learns; its weights stay in float32. "bfloat16" is faster
            where the device is made for it, and "auto" takes it there. The judge's is that of `extract`.
        extract: whose features the styles are judged by; without it, `default_backbone()`'s.
        device: where to compute, if no extractor or judge says it; without it, the best there is.
        how: further arguments of `Judge`: style_size, content_layers, alpha, beta, ...

    Attributes:
        judge: the objective and the targets.
        history: every term at every step, means over the batch, and the rate.
        checks: all of them.
        taken, planned: steps.
        seconds: time spent in steps.
        stop_reason: why the last `steps` ended early ("interrupted", "stopped", "broken"), or "".

    Raises:
        NstError: an argument that cannot work; the message says what is possible.
    """

    KIND: ClassVar[type[Styled]] = StyleNetwork

    @known_arguments
    def __init__(
        self,
        network: StyleNetwork,
        styles: Mapping[str, Source] | Judge,
        *,
        contents: Contents | Any = None,
        size: int = 256,
        batch: int = 4,
        lr: float = RATE,
        planned: int = 2000,
        only: Only | None = None,
        weak: float = WEAK,
        averaged: float = AVERAGED,
        clip: float = CLIP,
        seed: int = 0,
        held_out: Sequence[Tensor] = (),
        check_every: int = 0,
        watch: Watch | None = None,
        watch_every: int = 100,
        precision: NetworkPrecision = "float32",
        extract: FeatureExtractor | None = None,
        device: str | torch.device | None = None,
        how: Mapping[str, Any] | None = None,
    ):
        self.network = cast(StyleNetwork, instance("the network", self.KIND, network))
        self.batch, self.planned = whole("batch", batch, 1), whole("planned", planned, 1)
        self.lr, self.clip = number("lr", lr, above=True), number("clip", clip, above=True)
        self.weak = number("weak", weak, below=1.0)
        self.averaged = number("averaged", averaged, below=1.0)
        self.only = None if only is None else one_of("only", only, get_args(Only))
        self.seed = whole("the seed", seed)
        self.precision = one_of("precision", precision, get_args(NetworkPrecision))
        self.held_out, self.check_every = _checked_held_out(held_out), whole("check_every", check_every)
        self.watch, self.watch_every = _checked_watch(watch), whole("watch_every", watch_every, 1)
        self.judge = _judge(styles, extract, _checked_how(how), device)
        self.rows = self._rows()
        self.contents = contents if isinstance(contents, Contents) else _contents(contents, size, self.seed)
        self.history, self.checks, self.stop_reason = History(), list[Check](), ""
        self.taken, self.seconds = 0, 0.0
        self._restorations = self._failures = 0
        self._snapshots: deque[tuple[Check, dict[str, Tensor]]] = deque(maxlen=CHECKED)
        self._stop = False
        self._begin()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.judge.extract.device

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        warm = max(min(WARM, self.planned // 10), 1)
        course = {0: 1 / warm, warm: 1.0, max(self.planned, warm + 1): LAST}
        return self.lr * 0.5**self._restorations * Rates(course).at(self.taken)

    @property
    def remaining(self) -> int:
        """How many of the planned steps are still to come."""
        return max(self.planned - self.taken, 0)

    @property
    def notes(self) -> dict[str, Any]:
        """How the network was trained, in words and numbers, for its file; see `nstlib.feedforward.files`."""
        objective = self.judge.objective
        return {
            "trained": self.rows,
            "only": self.only,
            "steps": self.taken,
            "minutes": round(self.seconds / 60, 2),
            "size": self.contents.size,
            "batch": self.batch,
            "lr": self.lr,
            "seed": self.seed,
            "backbone": self.judge.extract.backbone.name,
            "content_layers": {layer: round(float(weight), 6) for layer, weight in objective.content_layers.items()},
            "style_layers": {layer: round(float(weight), 6) for layer, weight in objective.style_layers.items()},
            **{name: round(float(weight), 6) for name, weight in objective.weights.items()},
        }

    @property
    def _settings(self) -> dict[str, Any]:
        """The arguments that `load` gives on."""
        return {name: getattr(self, name) for name in SETTINGS}

    def step(self) -> Step:
        """Paint one batch, judge it, and change the weights once.

        Raises:
            OutOfMemory: the network is as it was before the step.
        """
        began, place = time.perf_counter(), self.contents.taken
        with _as_usual(self.device):
            try:
                terms = self._update()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                self.contents.taken = place
                raise self._out_of_memory() from error
        self.taken += 1
        self.seconds += time.perf_counter() - began
        self._look_after()
        return Step(self.taken, self.seconds, terms)

    def steps(self, count: int | None = None, *, minutes: float | None = None, progress: bool = True) -> Iterator[Step]:
        """Take steps, and yield the facts of each.

        It ends early, and says why in `stop_reason`, when it is interrupted (Ctrl-C during a step), when `stop` was
        called, or when the losses stay NaN. Whatever happens, `network` holds what has been learned.

        Args:
            count: how many; without it, the planned ones that remain.
            minutes: plan as many as fit into this time, and take those: the rate comes to 0 as it ends.
            progress: show a progress bar.
        """
        if minutes is not None:
            clock = _Clock(number("minutes", minutes, above=True) * 60, self)
            return self._steps(max(self.remaining, 1), progress, clock)
        return self._steps(self.remaining if count is None else whole("steps", count), progress, None)

    def run(self, count: int | None = None, *, minutes: float | None = None, progress: bool = True) -> StyleNetwork:
        """Take the steps, and give the network: where it was checked on the way, the best of the last snapshots."""
        interruptions: list[int] = []
        with noted(interruptions):
            for _ in self.steps(count, minutes=minutes, progress=progress):
                if interruptions:
                    self.stop_reason = "interrupted"
                    break
        if self.check_every and self.held_out and (not self.checks or self.checks[-1].number < self.taken):
            self.check()  # the last weights are most often the best
        self.keep_best()
        return self.network

    def stop(self) -> None:
        """Let the steps end after the one that is under way; for a button, or a callback."""
        self._stop = True

    def check(self) -> Check:
        """Ask the averaged network for pictures of the held-out contents, and remember how it did.

        Raises:
            InputError: there are no held-out contents. OutOfMemory: too many at once, or too large.
        """
        with _as_usual(self.device):
            try:
                judged = {row: self.judge.judged(self.network, self.held_out, row) for row in self.rows}
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise self._out_of_memory() from error
        check = Check(self.taken, judged)
        if math.isfinite(check.total):
            self._snapshots.append((check, _copied(self.network.state_dict())))
        self.checks.append(check)
        return check

    def _out_of_memory(self) -> OutOfMemory:
        return OutOfMemory(
            f"out of memory with {self.batch} pictures of {self.contents.size} pixels on {self.device}; use a smaller "
            "batch or size. The network is kept."
        )

    @property
    def best(self) -> Check | None:
        """The best of the last snapshots by their total on held-out contents; None before the first check."""
        return min((check for check, _ in self._snapshots), key=lambda check: check.total, default=None)

    def keep_best(self) -> Check | None:
        """Put the best of the last snapshots into the network; without checks, it stays as it is."""
        best = self.best
        if best is not None:
            weights = next(weights for check, weights in self._snapshots if check is best)
            self.network.load_state_dict(weights)
        return best

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to a file, from which `load` goes on exactly; for the network alone see `files`.

        The file is complete or not there: an interrupted write leaves an older one as it was.

        Raises:
            RunError: it cannot be written.
        """
        state = {
            "settings": self._settings,
            "judge": self.judge.state_dict(),
            "contents": self.contents.recipe,
            "place": self._place,
            "kind": type(self.network).__name__,
            "network": self.network.settings,
            "averages": self.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "weights": self._working.state_dict(),
            "history": self.history.state_dict(),
            "checks": [asdict(check) for check in self.checks],
            "snapshots": [(asdict(check), weights) for check, weights in self._snapshots],
            "held_out": self.held_out,
            "taken": self.taken,
            "seconds": self.seconds,
            "restorations": self._restorations,
            "failures": self._failures,
        }
        return write_run({"training": state}, path)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        contents: Contents | None = None,
        *,
        device: str | torch.device | None = None,
        watch: Watch | None = None,
        watch_every: int = 100,
    ) -> Self:
        """Read a saved training. On the same machine it continues exactly as if it had not been stopped.

        Args:
            path: what `save` wrote.
            contents: to go on with; needed where they were not all named by words and paths.
            device: where to compute.
            watch, watch_every: see `Training`.

        Raises:
            RunError: no such file, not a saved training, or other contents. WeightsUnavailable: the backbone's weights
            are not at hand.
        """
        with _as_usual(torch.device("cpu")):
            state = read_run(path, WRITER)
            with told_as_foreign(path, values_too=True, writers=WRITER):
                state = state["training"]
                judge = Judge.from_state_dict(state["judge"], device)
                network = cast(StyleNetwork, cls._kind_in(state).from_settings(state["network"]))
                network.load_state_dict(state["averages"])
                training = cls(
                    network,
                    judge,
                    contents=_again(contents, state["contents"]),
                    held_out=state["held_out"],
                    watch=watch,
                    watch_every=watch_every,
                    **state["settings"],
                )
                training._take_over(state)
        return training

    @classmethod
    def _kind_in(cls, state: Mapping[str, Any]) -> type[Styled]:
        """Which kind of network was saved."""
        kind = state.get("kind", cls.KIND.__name__)
        if kind != cls.KIND.__name__:
            raise RunError(f"this is a training of {kind}, for any style; read it with AnyStyleTraining.load")
        return cls.KIND

    @property
    def _place(self) -> dict[str, Any]:
        """Where it is in what it learns on."""
        return self.contents.state_dict()

    def _take_over(self, state: Mapping[str, Any]) -> None:
        self.taken, self.seconds, self._restorations = state["taken"], state["seconds"], state["restorations"]
        self._failures = state["failures"]
        self._working.load_state_dict(state["weights"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.history.load_state_dict(state["history"])
        self.contents.load_state_dict(state["place"])
        self.checks = [_check_of(check) for check in state["checks"]]
        self._snapshots.extend((_check_of(check), weights) for check, weights in state["snapshots"])
        self._remember()

    def _rows(self) -> list[str]:
        names = list(self.judge.targets)
        for name in names:
            one_of("a style to train", name, self.network.styles)
        return names

    def _begin(self) -> None:
        """The copy that jumps, and its optimizer."""
        self.network.to(self.device)
        for parameter in self.network.parameters():
            if parameter.dtype.itemsize < torch.float32.itemsize:  # averages would stand still in it
                parameter.data = parameter.data.float()
        self._working = copy.deepcopy(self.network).requires_grad_(self.only is None)
        for name in self.rows if self.only else ():
            for parameter in self._working.style_parameters(name):
                parameter.requires_grad_()
        pairs = zip(self._working.named_parameters(), self.network.parameters(), strict=True)
        learned = [(name, working, kept) for (name, working), kept in pairs if working.requires_grad]
        self._learned: list[Tensor] = [working for _, working, _ in learned]
        self._averages: list[Tensor] = [kept for _, _, kept in learned]
        groups: dict[float, list[Tensor]] = {}
        for name, working, _ in learned:
            groups.setdefault(self._pace(name), []).append(working)
        self._paces = [*groups]
        self._optimizer = torch.optim.Adam([{"params": weights} for weights in groups.values()], lr=self.lr)
        self._remember()

    def _pace(self, name: str) -> float:
        """Of the learning rate, the share at which the weights of this name learn."""
        return 1.0

    def _judged(self) -> Terms:
        """What the network paints of a batch comes to."""
        contents, styles = self.contents.batch(self.batch).to(self.device), self._styles()
        strengths = self._strengths().to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._in_half()):
            pictures = self._working(contents, styles, strengths)
        return self.judge(pictures, contents, styles, strengths)

    def _update(self) -> Terms:
        self._optimizer.zero_grad()
        terms = self._judged()
        self._lesson(terms.total).backward()  # type: ignore[no-untyped-call]
        self._length = nn.utils.clip_grad_norm_(self._learned, self.clip)
        rate = self.rate
        for group, pace in zip(self._optimizer.param_groups, self._paces, strict=True):
            group["lr"] = rate * pace
        self._record(terms, rate)
        self._finite = bool(self._length.isfinite())
        if self._finite:  # else what was averaged so far stays clean
            self._optimizer.step()
            self._average()
        return terms.detach()

    def _lesson(self, totals: Tensor) -> Tensor:
        """The number that is to become smaller, of the total of each picture of a batch."""
        return totals.mean()

    def _in_half(self) -> bool:
        chosen = fast_precision(self.device) if self.precision == "auto" else self.precision
        return chosen == "bfloat16"  # float16 would need gradients that are scaled

    def _styles(self) -> list[str]:
        """The style of each picture: all in turn, in a new order each time."""
        rng = np.random.default_rng((self.seed, self.taken, 1))
        turns = -(-self.batch // len(self.rows))
        order = np.concatenate([rng.permutation(len(self.rows)) for _ in range(turns)])
        return [self.rows[place] for place in order[: self.batch]]

    def _strengths(self) -> Tensor:
        """How strong the style of each picture is to be, (B,)."""
        rng = np.random.default_rng((self.seed, self.taken, 2))
        strengths = np.where(rng.random(self.batch) < self.weak, rng.random(self.batch), 1.0)
        return torch.from_numpy(strengths.astype(np.float32))

    @torch.no_grad()
    def _average(self) -> None:
        # At the beginning over a tenth of the steps so far, or the first weights would stay for thousands of steps.
        stays = min(self.averaged, (1 + self.taken) / (10 + self.taken))
        torch._foreach_lerp_(self._averages, self._learned, 1 - stays)

    def _record(self, terms: Terms, rate: float) -> None:
        named = {"total": terms.total, "content": terms.content, "style": terms.style, "tv": terms.tv}
        means = [term.detach().mean() for term in named.values()]
        row = torch.stack([*means, means[0].new_tensor(rate)])
        self.history.append([*named, "rate"], row[:, None])

    def _remember(self) -> None:
        """Keep the state as one to go back to."""
        self._good = _copied(
            {
                "weights": self._working.state_dict(),
                "averages": self.network.state_dict(),
                "optimizer": self._optimizer.state_dict(),
            }
        )

    def _look_after(self) -> None:
        """Go back where the loss stays NaN; else keep a good state now and then.

        Once alone it was the batch: its gradient was not taken, and the weights are as they were.
        """
        self._failures = 0 if self._finite else self._failures + 1
        if self._failures > 1:
            self._mend()
        elif self._failures:
            return
        elif self.taken % GOOD_EVERY == 0:
            self._remember()

    def _mend(self) -> None:
        good = copy.deepcopy(self._good)  # the optimizer goes on with the tensors that it is given
        self._working.load_state_dict(good["weights"])
        self.network.load_state_dict(good["averages"])
        self._optimizer.load_state_dict(good["optimizer"])
        self._restorations += 1
        near = f"the loss is not finite near step {self.taken}"
        if self._restorations > MAX_RESTORATIONS:
            self.stop_reason = "broken"
            told = f"{near}, for the {self._restorations}th time: the training ends with what it had before"
        else:
            told = f"{near}: went back to the last good weights, learning rate lowered to {self.rate:.3g}"
        warnings.warn(told, RunWarning, stacklevel=4)

    def _steps(self, count: int, progress: bool, clock: "_Clock | None") -> Iterator[Step]:
        self.stop_reason, self._stop = "", False
        interruptions: list[int] = []
        last = self.taken + count
        with progress_bar(count, shown=progress) as bar:
            while self.taken < last:
                with noted(interruptions):
                    step = self.step()
                    self._show(bar, step)
                    self._on_the_way()
                yield step
                if clock is not None:
                    last = self.planned = clock.planned(self)
                    bar.total = bar.n + last - self.taken
                if interruptions or self._stop:
                    self.stop_reason = "interrupted" if interruptions else "stopped"
                if self.stop_reason:
                    break

    def _show(self, bar: Any, step: Step) -> None:
        if self.device.type == "cpu" or step.number % PLAN_EVERY == 0:
            losses = {name: f"{float(step.terms.as_dict()[name].mean()):.3g}" for name in ("total", "content", "style")}
            bar.set_postfix(losses, refresh=False)
        bar.update()

    def _on_the_way(self) -> None:
        if self.check_every and self.held_out and self.taken % self.check_every == 0:
            self.check()
        if self.watch is not None and self.taken % self.watch_every == 0:
            self.watch(self)


class _Clock:
    """How many steps fit into a time, as far as one can tell."""

    def __init__(self, seconds: float, training: Training):
        self._end, self._last = time.perf_counter() + seconds, (time.perf_counter(), training.taken)
        self._began = training.taken

    def planned(self, training: Training) -> int:
        """The number of the last step that fits, of all that were ever taken."""
        now, taken = time.perf_counter(), training.taken
        if now >= self._end:
            return taken
        before, then = self._last
        # The first step is slower than any other, and says little.
        if taken - self._began == 1:
            self._last = now, taken
        elif taken - self._began in (3, 6) or taken % PLAN_EVERY == 0:
            each, self._last = (now - before) / (taken - then), (now, taken)
            return taken + max(round((self._end - now) / each), 1)
        return max(training.planned, taken + 1)


def _judge(
    styles: Mapping[str, Source] | Judge,
    extract: FeatureExtractor | None,
    how: Mapping[str, Any],
    device: str | torch.device | None,
) -> Judge:
    if isinstance(styles, Judge):
        if extract is not None or how:
            raise InputError("the Judge is there already; give what it shall be like to Judge, not to Training")
        return styles
    return Judge(extract or FeatureExtractor(default_backbone(device=device), device=device), styles, **how)


def _checked_held_out(held_out: Any) -> list[Tensor]:
    """Batches of pictures; a single one may come without a list around it."""
    if not isinstance(held_out, Tensor) and (isinstance(held_out, str) or not isinstance(held_out, Iterable)):
        raise InputError(f"held_out is {held_out!r:.80}; expected pictures, such as [nstlib.load_image('coffee', 256)]")
    batches = [held_out] if isinstance(held_out, Tensor) else list(held_out)
    return [picture("held-out picture", batch) for batch in batches]


def _checked_how(how: Any) -> dict[str, Any]:
    return dict(instance("how", Mapping, {} if how is None else how))  # type: ignore[type-abstract]


def _checked_watch(watch: Any) -> Watch | None:
    if watch is not None and not callable(watch):
        raise InputError(f"watch is {watch!r:.80}; expected a function that takes the training")
    return cast(Watch | None, watch)


def _contents(sources: Any, size: int, seed: int) -> Contents:
    return Contents(size=size, seed=seed) if sources is None else Contents(sources, size, seed=seed)


def _again(contents: Contents | None, recipe: Mapping[str, Any] | None) -> Contents:
    """The contents of a saved training."""
    if contents is not None:
        return instance("the contents", Contents, contents)
    if recipe is None:
        raise RunError("the contents of this training were given as pictures; give load the same Contents again")
    return Contents(**recipe)


def _check_of(state: Mapping[str, Any]) -> Check:
    return Check(state["number"], {name: Judged(**judged) for name, judged in state["styles"].items()})


def _copied(state: Any) -> Any:
    """The same numbers, in memory of their own."""
    return copy.deepcopy(state)


@contextmanager
def _as_usual(device: torch.device) -> Iterator[None]:
    """Gradients in full precision, whatever the block around a training says."""
    with torch.inference_mode(False), torch.enable_grad(), without_autocast(device):
        yield
