"""What a style loss is: a statistic of features, and how far two of them are apart."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..control.styles import weighted_sum
from ..losses import Normalization, checked, or_one
from .draws import Draws

Maps = tuple[Tensor, ...]


class StyleLoss(ABC):
    """What of the features is taken for style, by layer, and how far a picture's is from the target.

    Two normalizations, as everywhere: "paper" is the distance as its source has it; "relative" divides it by the
    distance of nothing at all, of features that are zero. So 0 is right and 1 is as wrong as a picture to which the
    network does not respond, whatever the loss, and one beta serves for all of them roughly.

    A subclass is a dataclass with a name of its own: what it can be told are its fields. A saved run of it can be
    loaded where the class has been defined before.

    Attributes:
        name: by which it is asked for.
        adds_up: whether the statistic is a mean over positions, which can be added up over tiles and weighted by masks.
        across_layers: whether it compares positions of one layer with those of another that cover them.
        random: whether something in it is drawn, and renewed between steps.
        beyond: how many positions around its own a statistic looks at, beside what the network does.
        draws: what is random in it.
    """

    name: ClassVar[str]
    adds_up: ClassVar[bool]
    across_layers: ClassVar[bool] = False
    random: ClassVar[bool] = False
    beyond: int = 0
    draws: Draws | None = None

    def terms(self, layers: Sequence[str]) -> list[str]:
        """Of these layers, shallow ones first, those that have a term; each is called after its layer."""
        return list(layers)

    def needs(self, terms: Sequence[str], layers: Sequence[str]) -> list[str]:
        """Of these layers, shallow ones first, those whose features the terms need."""
        return [layer for layer in layers if layer in terms]

    @abstractmethod
    def statistics(
        self, features: Mapping[str, Tensor], picture: Tensor, guides: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """The statistic of each term, float32; it can be differentiated.

        Args:
            features: layer name to (B, C, H', W'), shallow ones first.
            picture: (B, 3, H, W), whose features they are.
            guides: layer name to the weights of its positions in each region, (R, H', W'); there is then one statistic
                for each, along a second axis.
        """

    def of_style(
        self, features: Mapping[str, Tensor], picture: Tensor, guides: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """As `statistics`, but as a style's are kept."""
        return self.statistics(features, picture, guides)

    @abstractmethod
    def mixed(self, statistics: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """The statistic of a picture in which each style fills its share of the area."""

    def finished(self, target: Tensor) -> Tensor:
        """The target, with what can be computed from it once and kept."""
        return target

    @abstractmethod
    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """How far the statistic of a picture is from the target, as its source has it; (B,)."""

    def of_nothing(self, target: Tensor) -> Tensor:
        """How far features that are zero are from the target; (B or 1,)."""
        return self.distance(torch.zeros_like(target), target)

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """The distance in the normalization, (B,)."""
        distance = self.distance(found, target)
        return distance if checked(normalization) == "paper" else distance / or_one(self.of_nothing(target))

    def renew(self, number: int) -> None:
        """Draw what is random anew: the same for the same number."""
        if self.draws is not None:
            self.draws.renew(number)

    @property
    def drawn(self) -> Mapping[str, Tensor]:
        """What was drawn, and changes in place."""
        return {} if self.draws is None else self.draws.drawn

    def settings(self) -> dict[str, Any]:
        """Its name and what it was told, from which `nstlib.style_losses.names` makes it again."""
        return {"name": self.name, **asdict(self)}  # type: ignore[call-overload]


def no_masks(name: str) -> str:
    """Why a style loss of this name takes no masks, and what to do."""
    return (
        f"style_loss {name!r} compares positions with positions and takes no masks; leave them out, or take a style "
        "loss of means, such as 'gram', 'covariance' or 'wasserstein'"
    )


class OfMeans(StyleLoss):
    """A style loss whose statistics are means over positions of products of features."""

    adds_up = True

    def maps(self, features: Mapping[str, Tensor]) -> dict[str, Maps]:
        """Of each term what is averaged over its layer's positions: maps (B, C, H', W') of one size."""
        return {layer: (response,) for layer, response in features.items()}

    @abstractmethod
    def mean(self, maps: Maps, guides: Tensor | None = None) -> Tensor:
        """The mean over positions, (B, ...); with guides (R, H', W') weighted sums, (B, R, ...)."""

    def statistics(
        self, features: Mapping[str, Tensor], picture: Tensor, guides: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """See `StyleLoss`."""
        return {
            layer: self.mean(maps, None if guides is None else guides[layer].to(maps[0].device))
            for layer, maps in self.maps(features).items()
        }

    def mixed(self, statistics: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
        """The mean by shares: of means over positions, that over the positions of all."""
        return weighted_sum(statistics, shares)
