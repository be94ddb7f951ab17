"""Who judges pictures that a network paints: the same `Objective` that a slow transfer minimizes.

So the numbers of the two can be compared: same layers, same formulas, same weights.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from ..base.checks import instance, known_arguments, whole
from ..errors import InputError
from ..extractor import FeatureExtractor, Features, Precision
from ..images import MAX_SIZE, Source, load_image
from ..losses import Normalization, Terms
from ..objective import Objective
from ..style_losses.names import StyleLoss
from ..weighting import Layers, Weight
from .network import StyleNetwork

STYLE_SIZE = 256
FACED = ("content", "style_target")  # what an objective has of the batch that it judged last


class Painter(Protocol):
    """What paints in one pass, such as a `StyleNetwork`."""

    def __call__(self, pictures: Tensor, style: Any) -> Tensor:
        """Pictures (B, 3, H, W) in a style, or each in one of its own."""


@dataclass(frozen=True)
class Judged:
    """What pictures came to, means over all of them; without their weights, but for `total`."""

    total: float
    content: float
    style: float


class Judge:
    """An objective for many contents and several styles: each picture of a batch is compared with its own two.

    The target of each style is computed once, those of the contents with every batch, without gradients.

    Example:
        >>> judge = Judge(FeatureExtractor("mini"), {"swirls": "swirls", "mine": "painting.jpg"})
        >>> judge(pictures, contents, ["mine", "swirls", "mine", "swirls"]).total      # (4,)
        >>> judge.judged(network, [nst.load_image("coffee", 256)], "mine")

    Args:
        extract: the features to compare.
        styles: name to a picture in any form that `load_image` takes.
        style_size: longer side of the styles in pixels, or several: the target is then the mean. It says how large
            strokes become, whatever the size of the contents. None keeps each picture's own.
        content_layers, style_layers, alpha, beta, tv, border, normalization, style_loss: see `Objective`.

    Attributes:
        objective: the judge itself; alpha, beta, tv and weights of layers can be changed at any time.
        targets: of each style, by name, layer name to target.

    Raises:
        NstError: a picture, a layer or a value that cannot work.
    """

    @known_arguments
    def __init__(
        self,
        extract: FeatureExtractor,
        styles: Mapping[str, Source],
        *,
        style_size: int | Sequence[int] | None = STYLE_SIZE,
        content_layers: Layers | None = None,
        style_layers: Layers | None = None,
        alpha: Weight = 1.0,
        beta: Weight | None = None,
        tv: Weight = 10.0,
        border: float = 0.5,
        normalization: Normalization = "relative",
        style_loss: str | StyleLoss = "gram",
    ):
        instance("the extractor", FeatureExtractor, extract)
        sizes, loaded = _checked_sizes(style_size), _checked_styles(styles)
        pictures = {name: [load_image(source, size) for size in sizes] for name, source in loaded.items()}
        first = next(iter(pictures.values()))[0]
        self.objective = Objective(
            extract,
            style=first,
            content_layers=content_layers,
            style_layers=style_layers,
            alpha=alpha,
            beta=beta,
            tv=tv,
            border=border,
            normalization=normalization,
            style_loss=style_loss,
        )
        if not self.objective.style_loss.adds_up or self.objective.style_loss.random:
            raise InputError(
                f"style_loss {self.objective.style_loss.name!r} cannot judge a batch of several styles; use one of "
                "means that nothing is drawn in, such as 'gram', 'covariance' or 'wasserstein'"
            )
        self.targets = {name: self._target(several) for name, several in pictures.items()}

    @property
    def extract(self) -> FeatureExtractor:
        """The features that it compares."""
        return self.objective.extract

    def __call__(
        self, pictures: Tensor, contents: Tensor, styles: Sequence[str] | Tensor, strengths: Tensor | None = None
    ) -> Terms:
        """Every term of the pictures (B, 3, H, W), painted of the contents in these styles, one each.

        The styles are names, or paintings (B, 3, h, w), for a network that paints in any.
        At strengths (B,) from 0 to 1, beta counts strength^2 times: so a picture at a third of the strength is one that
        a slow transfer makes at a ninth of beta.
        """
        self.face(contents, styles)
        terms = self.objective(pictures)
        if strengths is None:
            return terms
        less = (1 - strengths.square()) * self.objective.beta * terms.style
        return replace(terms, total=terms.total - less)

    def face(self, contents: Tensor, styles: Sequence[str] | Tensor) -> None:
        """Set the objective's targets: these contents (B, 3, H, W), and for each of them its style, see `__call__`."""
        if len(contents) != len(styles):
            raise InputError(f"there are {len(contents)} contents and {len(styles)} styles; give one style for each")
        self.objective.set_content(contents)
        if isinstance(styles, Tensor):
            self.objective.style_target = self.objective.statistics_of(styles)
            return
        each = [self.target(style) for style in styles]
        self.objective.style_target = {layer: torch.cat([target[layer] for target in each]) for layer in each[0]}

    def target(self, style: str) -> Features:
        """The target of a style by its name."""
        if style not in self.targets:
            raise InputError(f"there is no style {style!r} to judge by; there are {', '.join(self.targets)}")
        return self.targets[style]

    def objective_of(self, content: Tensor, style: str, precision: Precision | None = None) -> Objective:
        """An objective of its own for a slow transfer of the same content to the same style, to compare with."""
        own = {name: value for name, value in self.objective.state_dict().items() if name not in ("backbone", *FACED)}
        twin = Objective(self.extract.other(precision=precision), content=content, **own)
        twin.style_target = self.target(style)
        return twin

    @torch.no_grad()
    def judged(self, network: Painter, contents: Tensor | Iterable[Tensor], style: str) -> Judged:
        """Mean losses of what the network paints of contents (B, 3, H, W), one batch or several of unlike sizes."""
        rows = []
        for batch in [contents] if isinstance(contents, Tensor) else contents:
            batch = batch.to(self.extract.device)
            terms = self(network(batch, style), batch, [style] * len(batch))
            rows.append(torch.stack([terms.total, terms.content, terms.style], 1))
        if not rows:
            raise InputError("there are no contents to judge by; give pictures, such as [nstlib.load_image('coffee')]")
        return Judged(*torch.cat(rows).mean(0).tolist())

    @torch.no_grad()
    def nearest(self, network: StyleNetwork, contents: Tensor, style: str) -> str:
        """Which of the network's own styles comes nearest to a style of the judge: what learning it can begin with."""
        contents = contents.to(self.extract.device)

        def away(own: str) -> float:
            return self(network(contents, own), contents, [style] * len(contents)).total.mean().item()

        return min(network.styles, key=away)

    def state_dict(self) -> dict[str, Any]:
        """What `from_state_dict` needs to build the same judge: its objective, and the targets of the styles."""
        objective = {name: None if name in FACED else value for name, value in self.objective.state_dict().items()}
        return {"objective": objective, "targets": self.targets}

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], device: str | torch.device | None = None) -> Self:
        """Build the judge that `state_dict` described; the backbone's weights are loaded by its name."""
        judge = object.__new__(cls)
        judge.objective = Objective.from_state_dict(state["objective"], device)
        home = judge.extract.device
        judge.targets = {
            name: {layer: tensor.to(home) for layer, tensor in target.items()}
            for name, target in state["targets"].items()
        }
        return judge

    def _target(self, pictures: Sequence[Tensor]) -> Features:
        statistics = [self.objective.statistics_of(picture) for picture in pictures]
        shares = [1 / len(pictures)] * len(pictures)
        mixed = self.objective.style_loss.mixed
        return {layer: mixed([each[layer] for each in statistics], shares) for layer in statistics[0]}


def _checked_styles(styles: Any) -> dict[str, Source]:
    if not isinstance(styles, Mapping) or not styles:
        raise InputError(f"the styles are {styles!r:.80}; expected names and pictures, as {{'mine': 'painting.jpg'}}")
    return dict(styles)


def _checked_sizes(sizes: Any) -> list[int | None]:
    listed = list(sizes) if isinstance(sizes, Sequence) and not isinstance(sizes, str) else [sizes]
    if not listed:
        raise InputError("style_size is empty; give the longer side in pixels, or several")
    return [None if size is None else whole("style_size", size, 8, MAX_SIZE) for size in listed]
