"""Training of a network for any style: each picture in the style of another painting, and sometimes of none."""

import os
from collections.abc import Collection, Iterable, Mapping
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
from .paintings import SOURCES, Paintings
from .pictures import names_in
from .predicting import PredictingNetwork
from .stages import Course, Stage
from .styled import Styled
from .training import Training

EXACT = 200.0
GIVEN = "given as pictures"  # in a file, in place of paintings that no words and paths name
# First to draw what is there (as the paper's authors' readers advise), then in styles.
ADAIN = (Stage(0.1, 4, 8, 1e-3, plain=True), Stage(0.3, 2, 4, 1e-3), Stage(0.6, 1, 1, 5e-4))
# Many paintings first, at little cost. One picture a step, in one style, is too little to learn all styles from.
PREDICTING = (Stage(0.7, 2, 4, 1e-3), Stage(0.3, 1, 2, 5e-4))
GOING_ON = (Stage(0.4, 1, 1, 1e-3), Stage(0.6, 1, 2, 6e-4))
PREDICTORS_PACE = 0.2  # its thousands of inputs rise and fall together: at the full rate a step carries them too far
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
        before = network.rows, network.styles
        try:
            if not isinstance(styles, Judge):
                for name, picture in instance("styles", Mapping, styles).items():  # type: ignore[type-abstract]
                    if name not in network.styles:
                        network.add_style(name, picture)
            super().__init__(network, styles, **training)  # type: ignore[arg-type]
        except BaseException:
            network.rows, network._names = before[0], list(before[1])
            raise

    @property
    def _settings(self) -> dict[str, Any]:
        paintings = self.paintings.recipe or GIVEN
        return {**super()._settings, "paintings": paintings, "exact": self.exact, "plain": self.plain}

    @property
    def _place(self) -> dict[str, Any]:
        return {**super()._place, "paintings": self.paintings.state_dict()}

    def _take_over(self, state: Mapping[str, Any]) -> None:
        super()._take_over(state)
        if "paintings" in state["place"]:  # not in files of before 0.10
            self.paintings.load_state_dict(state["place"]["paintings"])

    @classmethod
    def _kind_in(cls, state: Mapping[str, Any]) -> type[Styled]:
        kinds = {kind.__name__: kind for kind in KINDS}
        if state.get("kind") not in kinds:
            raise RunError(f"this is a training of a {state.get('kind')}, for known styles; read it with Training.load")
        return kinds[state["kind"]]

    def _pace(self, name: str) -> float:
        return PREDICTORS_PACE if name.startswith("predictor.") else 1.0

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
    if isinstance(paintings, str) and paintings == GIVEN:
        raise RunError(
            "the paintings of this training were given as pictures, which its file has not kept, so it cannot go on; "
            "save its network, and train that"
        )
    if isinstance(paintings, Paintings):
        return paintings
    return Paintings(**instance("paintings", Mapping, {} if paintings is None else paintings))  # type: ignore[type-abstract]


@dataclass(frozen=True)
class AnyStyleCourse(Course):
    """Stages of such a training; see `Course`.

    Attributes:
        unseen: names of bundled styles that it does not learn on.
        paintings: the sources of the paintings, see `Paintings`.
    """

    unseen: Collection[str] = ()
    paintings: Source | Iterable[Source] = SOURCES

    def _training(self, network: AnyStyleNetwork, stage: Stage, **how: Any) -> Training:
        kept = {self.without} if isinstance(self.without, str) else self.without
        known = names_in(self.paintings)
        without = [*self.unseen, *(name for name in kept if name in known)]
        paintings = Paintings(self.paintings, how["contents"].size, seed=self.seed, without=without)
        return AnyStyleTraining(network, self.judge, paintings=paintings, plain=stage.plain, **how)

    def _load(self, path: str | os.PathLike[str]) -> Training:
        return AnyStyleTraining.load(path, device=self.judge.extract.device)
