"""Training in stages: on small pictures first, which cost little, so that it sees many; on larger ones at last.

A network finds its colors and its shortest strokes on crops of 64 pixels. But the Gram matrices of so small a picture
cannot be those of a whole painting: there the style asks for more than can be had, and the content goes under. Measured
with thirteen styles, on two photographs of 256 pixels: sixteen thousand steps on crops of 64 pixels took the loss of
the swirls from 1.9 to 1.7, and then ninety seconds on crops of 128 or 256 pixels to 1.5. Each stage is a `Training` of
its own, which begins with the weights of the one before.
"""

import os
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from ..base.checks import number, whole
from ..base.interrupts import noted
from ..errors import NstError, OutOfMemory, RunError, RunWarning
from ..images import Source
from .judging import Judge
from .network import StyleNetwork
from .pictures import DEFAULT_SOURCES, Contents
from .training import NetworkPrecision, Only, Training, Watch

SIZE = 256
SMALLEST = 32  # below it the deepest maps of a VGG have one position, and no variance
SAVE_EVERY, CHECK_EVERY = 200, 250  # steps
ROUNDED = 0.05  # of a target, by which two devices and precisions may differ
HELD_OUT = 2**40  # the number of a batch that no training comes to


@dataclass(frozen=True)
class Stage:
    """A part of a training.

    Attributes:
        share: of the time.
        shrink: how often its contents go into the side of the last stage's.
        batch: pictures a step.
        lr: its highest learning rate.
        plain: of a network for any style: it learns to give pictures back, see `AnyStyleTraining`.
    """

    share: float
    shrink: int
    batch: int
    lr: float
    plain: bool = False


FROM_SCRATCH = (Stage(0.1, 4, 8, 3e-3), Stage(0.3, 2, 4, 2e-3), Stage(0.6, 1, 1, 1e-3))
NEW_STYLE = (Stage(0.4, 2, 4, 1e-3), Stage(0.6, 1, 1, 5e-4))
ROWS = (Stage(0.4, 2, 4, 2e-2), Stage(0.6, 1, 1, 1e-2))


@dataclass(frozen=True)
class Course:
    """What all stages have in common; see `Training` and `Contents`.

    Attributes:
        judge: of the pictures.
        sources, without: of the contents.
        size: side of the contents in the last stage, in pixels.
        only, seed, precision: see `Training`.
        checkpoint: a file in which the training is saved on the way. If it is there, it is gone on with. One that
            cannot be written is told, and stops nothing.
        watch: called with the training of the stage every 200 steps. What it cannot do is told, and stops nothing.
    """

    judge: Judge
    sources: Source | Iterable[Source] = DEFAULT_SOURCES
    without: Collection[str] = ()
    size: int = SIZE
    only: Only | None = None
    seed: int = 0
    precision: NetworkPrecision = "auto"
    checkpoint: str | os.PathLike[str] | None = None
    watch: Watch | None = None

    def train(
        self, network: StyleNetwork, minutes: float, stages: Sequence[Stage] = FROM_SCRATCH, *, progress: bool = True
    ) -> Training:
        """Train stage by stage, so many minutes in all, with a progress bar for each.

        Ctrl-C ends it early, also between two stages; the `stop_reason` of the training is then "interrupted". Where
        the memory runs out after something was learned, that is told, and kept; it is then "broken".

        Returns:
            The training of the last stage, or of the one in which it was stopped. Its network is the one given, or, if
            there was a checkpoint, that of the checkpoint.

        Raises:
            InputError: a size too small for the stages. RunError: a checkpoint of another training. OutOfMemory:
            nothing was learned.
        """
        minutes = number("minutes", minutes, above=True)
        whole("size", self.size, SMALLEST * max(stage.shrink for stage in stages), unit="pixels")
        place, training = self._saved(network, stages)
        training = training or self._begun(network, stages[0])
        for later, stage in enumerate(stages[place:]):
            interruptions: list[int] = []
            with noted(interruptions):  # what was learned before is not to be lost
                if later:
                    training = self._begun(training.network, stage)
            training.watch, training.watch_every = self._on_the_way, SAVE_EVERY
            left = minutes * stage.share - training.seconds / 60
            if left > 0 and not interruptions:
                _run(training, left, progress, first=place == later == 0)
                with noted(interruptions):
                    self._on_the_way(training)
            if interruptions:
                training.stop_reason = "interrupted"
            if training.stop_reason:
                break
        return training

    def nearest(self, network: StyleNetwork, style: str) -> str:
        """Which of the network's styles comes nearest to one that it is to learn, by some of the contents."""
        return self.judge.nearest(network, self._contents.at(HELD_OUT, 4), style)

    @cached_property
    def _contents(self) -> Contents:
        """Of the last stage; the others have the same pictures, which are read once: of a folder they may be many."""
        return Contents(self.sources, self.size, seed=self.seed, without=self.without)

    def _side(self, stage: Stage) -> int:
        return self.size // stage.shrink

    def _begun(self, network: StyleNetwork, stage: Stage) -> Training:
        side = self._side(stage)
        contents = self._contents.resized(side)
        if contents is None:
            contents = Contents(self.sources, side, seed=self.seed, without=self.without)
        return self._training(
            network,
            stage,
            contents=contents,
            batch=stage.batch,
            lr=stage.lr,
            only=self.only,
            seed=self.seed,
            precision=self.precision,
            held_out=[contents.at(HELD_OUT, 4)],
            check_every=CHECK_EVERY,
        )

    def _training(self, network: Any, stage: Stage, **how: Any) -> Training:
        return Training(network, self.judge, **how)

    def _load(self, path: str | os.PathLike[str]) -> Training:
        return Training.load(path, device=self.judge.extract.device)

    def _saved(self, network: StyleNetwork, stages: Sequence[Stage]) -> tuple[int, Training | None]:
        """In which stage the checkpoint was saved, and its training; 0 and None without one."""
        if self.checkpoint is None or not Path(self.checkpoint).exists():
            return 0, None
        training = self._load(self.checkpoint)
        size = training.contents.size
        places = [place for place, stage in enumerate(stages) if self._side(stage) == size]
        same = training.network.styles == network.styles and set(training.rows) == set(self.judge.targets)
        if not same or training.only != self.only or not places:
            raise RunError(
                f"{self.checkpoint} was saved by another training, of {', '.join(training.rows)} at "
                f"{size} pixels; go on with that, or give another file"
            )
        if not _judge_alike(training.judge, self.judge):
            raise RunError(
                f"{self.checkpoint} was saved by a training with other paintings of these names, or other weights; go "
                "on with those, or give another file"
            )
        return next((place for place in places if stages[place].batch == training.batch), places[0]), training

    def _on_the_way(self, training: Training) -> None:
        if self.checkpoint is not None:
            try:
                training.save(self.checkpoint)
            except RunError as error:
                warnings.warn(str(error), RunWarning, stacklevel=2)
        if self.watch is not None:
            try:
                self.watch(training)
            except NstError as error:  # such as a disk that is full; what was learned is worth more
                warnings.warn(str(error), RunWarning, stacklevel=2)


def _run(training: Training, minutes: float, progress: bool, first: bool) -> None:
    """Run a stage; where its pictures are too much for the memory, keep what was learned, in it or before it."""
    try:
        training.run(minutes=minutes, progress=progress)
    except OutOfMemory as error:
        if first and not training.taken:
            raise
        warnings.warn(str(error), RunWarning, stacklevel=3)
        training.keep_best()
        training.stop_reason = "broken"


def _judge_alike(one: Judge, other: Judge) -> bool:
    """Whether two judges ask for the same: the weights of the losses, and the targets within what devices round."""
    first, second = one.objective, other.objective
    pairs = [
        *((first.weights, second.weights), (first.content_layers, second.content_layers)),
        (first.style_layers, second.style_layers),
        *((one.targets[name], other.targets[name]) for name in one.targets),
    ]
    return all(_alike(mine, yours) for mine, yours in pairs)


def _alike(mine: Mapping[str, Any], yours: Mapping[str, Any]) -> bool:
    """Whether two mappings have the same names, and nearly the same numbers."""
    return mine.keys() == yours.keys() and all(_near(mine[name], yours[name]) for name in mine)


def _near(value: Any, other: Any) -> bool:
    value, other = (torch.as_tensor(each).detach().to("cpu", torch.float32) for each in (value, other))
    return value.shape == other.shape and bool((value - other).norm() <= ROUNDED * other.norm())
