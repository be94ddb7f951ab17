"""Training of a network for any style: each picture in the style of another painting, and sometimes of none."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..base.checks import instance, number
from ..errors import InputError, RunError
from ..images import Source
from ..losses import Terms
from .adain import AdaINNetwork
from .any_style import AnyStyleNetwork
from .judging import Judge
from .paintings import Paintings
from .predicting import PredictingNetwork
from .stages import Course, Stage
from .styled import Styled
from .training import Training

EXACT = 200.0
# First to draw what is there (as the paper's authors' readers advise), then in styles.
ADAIN = (Stage(0.1, 4, 8, 1e-3, plain=True), Stage(0.3, 2, 4, 1e-3), Stage(0.6, 1, 1, 5e-4))
# Many paintings first, at little cost. One picture a step, in one style, is too little to learn all styles from.
PREDICTING = (Stage(0.7, 2, 4, 1e-3), Stage(0.3, 1, 2, 5e-4))
GOING_ON = (Stage(0.6, 2, 4, 7e-4), Stage(0.4, 1, 2, 4e-4))
KINDS: tuple[type[AnyStyleNetwork], ...] = (AdaINNetwork, PredictingNetwork)


class AnyStyleTraining(Training):
    """Trains a network for any style.

    Each step takes contents and paintings, paints the ones in the style of the others, and has the objective of a slow
    transfer judge them. Of each total L it makes log(1 + L) smaller: beside a painting of hardly any contrast every
    picture is far too loud, and the few such would drown all others. Where the style is asked for at a strength s < 1,
    pixels count too, with (1 - s)^2: at 0 the picture itself is to come back.

    Example:
        >>> network = AdaINNetwork(FeatureExtractor("mini"))
        >>> training = AnyStyleTraining(network, {"mosaic": "mosaic"}, paintings=Paintings(without=["mosaic"]))
        >>> training.run(minutes=60)

    Args:
        network: see `Training`.
        styles: by which it is checked on held-out contents; the network knows them from then on.
        paintings: whose styles it learns on; a `Paintings`, or its arguments.
        exact: how much the mean squared error of pixels counts at strength 0; None is 200 for an `AdaINNetwork`, and 0
            for a `PredictingNetwork`, which has it without learning.
        plain: learn to give pictures back before all else: every strength is 0.
        training: further arguments of `Training`.
    """

    network: AnyStyleNetwork  # type: ignore[assignment]
    KIND = AnyStyleNetwork

    def __init__(
        self,
        network: AnyStyleNetwork,
        styles: Mapping[str, Source] | Judge,
        *,
        paintings: Paintings | Mapping[str, Any] | None = None,
        exact: float | None = None,
        plain: bool = False,
        **training: Any,
    ):
        instance("the network", AnyStyleNetwork, network)
        if training.get("only") is not None:
            raise InputError(
                f"only is {training['only']!r:.80}, but a network for any style learns no rows: add_style looks at a "
                "painting once"
            )
        if exact is None:
            exact = EXACT if isinstance(network, AdaINNetwork) else 0.0
        self.exact, self.plain = number("exact", exact), instance("plain", bool, plain)
        self.paintings = _checked_paintings(paintings)
        if not isinstance(styles, Judge):
            for name, picture in instance("styles", Mapping, styles).items():  # type: ignore[type-abstract]
                if name not in network.styles:
                    network.add_style(name, picture)
        super().__init__(network, styles, **training)  # type: ignore[arg-type]

    @property
    def _settings(self) -> dict[str, Any]:
        return {**super()._settings, "paintings": self.paintings.recipe, "exact": self.exact, "plain": self.plain}

    @classmethod
    def _kind_in(cls, state: Mapping[str, Any]) -> type[Styled]:
        kinds = {kind.__name__: kind for kind in KINDS}
        if state.get("kind") not in kinds:
            raise RunError(f"this is a training of a {state.get('kind')}, for known styles; read it with Training.load")
        return kinds[state["kind"]]

    def _lesson(self, totals: Tensor) -> Tensor:
        return totals.log1p().mean()

    def _begin(self) -> None:
        super()._begin()
        self._working.train()
        self.network.eval()

    def _judged(self) -> Terms:
        contents = self.contents.batch(self.batch).to(self.device)
        paintings = self.paintings.at(self.taken, self.batch).to(self.device)
        strengths = self._strengths().to(self.device) * (not self.plain)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._in_half()):
            pictures = self._working(contents, paintings, strengths)
        terms = self.judge(pictures, contents, paintings, strengths)
        exact = self.exact * (1 - strengths).square() * (pictures - contents).square().mean((1, 2, 3))
        return replace(terms, total=terms.total + exact)


def _checked_paintings(paintings: Any) -> Paintings:
    if isinstance(paintings, Paintings):
        return paintings
    return Paintings(**instance("paintings", Mapping, {} if paintings is None else paintings))  # type: ignore[type-abstract]


@dataclass(frozen=True)
class AnyStyleCourse(Course):
    """Stages of such a training; see `Course`.

    Attributes:
        unseen: names of bundled styles that it does not learn on.
    """

    unseen: Collection[str] = ()

    def _training(self, network: AnyStyleNetwork, stage: Stage, **how: Any) -> Training:
        size = how["contents"].size
        paintings = Paintings(size=size, seed=self.seed, without=[*self.unseen, *self.without])
        return AnyStyleTraining(network, self.judge, paintings=paintings, plain=stage.plain, **how)

    def _load(self, path: str | os.PathLike[str]) -> Training:
        return AnyStyleTraining.load(path, device=self.judge.extract.device)
