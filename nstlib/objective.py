"""What is optimized: targets computed once, weights that can change at any moment, one call for every term."""

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from .backbones import GATYS_CONTENT as GATYS_CONTENT
from .backbones import GATYS_STYLE as GATYS_STYLE
from .backbones import default_layers
from .base.checks import in_pixels, instance, known_arguments, number, one_of, shape_of, size_of
from .base.devices import without_autocast
from .control.masks import Guidance, kept_outside
from .control.styles import Blend
from .errors import ImageError, InputError
from .extractor import FeatureExtractor
from .large.ways import Comparison
from .losses import NORMALIZATIONS, Normalization
from .losses import Terms as Terms
from .style_losses.names import StyleLoss
from .targets import Style as Style
from .targets import Targets
from .weighting import Layers as Layers  # they belong to the face of an objective
from .weighting import OneWeight, Weights
from .weighting import Weight as Weight
from .weighting import layer_weights as layer_weights

# Balanced by eye with the default layers of VGG; each normalization counts content and style in units of its own.
BETA: Mapping[str, float] = {"relative": 10.0, "paper": 2e6}


class Objective(Targets):
    """alpha * L_content + beta * L_style + tv * L_tv (equation 7 of the paper, and the total variation).

    Example:
        >>> objective = Objective(FeatureExtractor("mini"), content=content, style=style, beta=50)
        >>> objective(image).total       # (B,)
        >>> objective.beta = 200         # from the next call on; nothing else is computed anew
        >>> objective.style_layers["relu1_1"] = 0.0

    Args:
        extract: the features to compare.
        content: picture (B or 1, 3, H, W) in [0, 1], or None for no content term.
        style: picture of any size; several with their shares, as [(one, 0.7), (other, 0.3)]; or None for no style term.
        content_layers, style_layers: layer name to w_l, or names alone, which share a weight of 1; without them,
            `default_layers` of the backbone.
        alpha, beta, tv: a number, or one for each picture of the batch. Without beta, `BETA` of the normalization.
        normalization: "relative" or "paper", see `nstlib.losses`.
        tile: pictures larger than so many pixels are computed in tiles no longer than this (rounded down to a multiple
            of the deepest layer's stride): the same losses and gradients in bounded memory, see `nstlib.large.tiles`.
            It can be changed at any time; None computes every picture whole.
        spread: whether processes that `nstlib.large.ranks` joined share the tiles. These are then small enough that
            each process has one.
        border: how much more the total variation counts at the border, see `nstlib.losses.tv_loss`.
        masks: where in the content each style goes, see `set_masks`; None: everywhere.
        style_masks: which part of each style counts, see `set_style`.
        guidance: how masks are brought to the layers: "plain", "inside" or "dilated", see
            `nstlib.control.masks.guides`.
        style_loss: what of the features is style: a name of `nstlib.style_losses.names`, or a `StyleLoss`.

    Attributes:
        weights: alpha, beta and tv by name; further ones see `Targets`.

    Raises:
        LayerNotFound, ImageError (a picture too small for the deepest layer), InputError.
    """

    weights: Weights
    _instead: ClassVar[Mapping[str, str]] = {**Targets._instead, "weights": "assign alpha, beta or tv"}
    alpha = OneWeight()
    beta = OneWeight()
    tv = OneWeight()

    @known_arguments
    def __init__(
        self,
        extract: FeatureExtractor,
        content: Tensor | None = None,
        style: Style | None = None,
        content_layers: Layers | None = None,
        style_layers: Layers | None = None,
        alpha: Weight = 1.0,
        beta: Weight | None = None,
        tv: Weight = 0.0,
        normalization: Normalization = "relative",
        tile: int | None = None,
        spread: bool = False,
        border: float = 0.0,
        masks: Sequence[Tensor] | Tensor | None = None,
        style_masks: Sequence[Tensor | None] | None = None,
        guidance: Guidance = "plain",
        style_loss: str | StyleLoss | Mapping[str, Any] = "gram",
    ):
        self.normalization, self.border = normalization, border
        beta = BETA[self.normalization] if beta is None else beta
        instance("the extractor", FeatureExtractor, extract)
        content_layers, style_layers = layers_of(extract, content_layers, style_layers)
        self.weights = Weights({"alpha": alpha, "beta": beta, "tv": tv}, extract.device)
        super().__init__(
            *(extract, content, style, content_layers, style_layers, tile, spread),
            *(masks, style_masks, guidance, style_loss),
        )
        if not self.layers:
            raise InputError("there is nothing to match: give a content or a style picture, and layers for it")

    @property
    def batch(self) -> int:
        """How many pictures the weights and the targets are made for; 1 where each holds for all pictures."""
        weights = [*self.weights.values(), *self.content_layers.values(), *self.style_layers.values()]
        weights += [] if self._region_shares is None else [self._region_shares]
        targets = [*self.content_target.values(), *self._style_target.values()]
        sizes = {len(tensor) for tensor in (*weights, *targets)} - {1}
        if len(sizes) > 1:
            raise InputError(f"weights and pictures are made for batches of different sizes: {sorted(sizes)}")
        return max(sizes, default=1)

    @property
    def version(self) -> int:
        """Grows with every change of a weight, a target or a formula: what an optimizer remembers is out of date."""
        return self._swaps + self.weights.version + self.content_layers.version + self.style_layers.version

    def __call__(self, image: Tensor) -> Terms:
        """Every term for a picture.

        Args:
            image: (B, 3, H, W), of the content's size where there is a content.

        Returns:
            `Terms`; `total` can be differentiated with respect to `image`.
        """
        if not isinstance(image, Tensor) or image.ndim != 4 or not image.is_floating_point():
            raise InputError(f"the image is {shape_of(image)}; expected floats (B, 3, H, W) in [0, 1]")
        if self.content is not None and size_of(image) != size_of(self.content):
            raise ImageError(
                f"the image is {in_pixels(size_of(image))}, but the content is {in_pixels(size_of(self.content))}"
            )
        image = self.kept_outside(image)
        targets = Comparison(
            *(self.content_target, self._style_target, self.style_loss, self.layers_of_style),
            *(self.normalization, self.border, self._guides, self._region_shares),
        )
        with without_autocast(image.device):
            losses = self.way(image).losses(image, targets)
        tv = losses.pop("tv")
        content = _weighted("content", losses, self.content_layers, image)
        style = _weighted("style", losses, self.style_layers, image)
        total = self.alpha * content + self.beta * style + self.tv * tv
        return Terms(total, content, style, tv, layers=losses)

    def kept_outside(self, image: Tensor) -> Tensor:
        """The image (B, 3, H, W) as it counts and is shown: where masks leave a part uncovered, that is the content."""
        return image if self.content is None else kept_outside(image, self.content, self.coverage)

    def reads(self) -> dict[str, Any]:
        """All that a call reads beside the image, by name: settings, weights and targets."""
        return {
            "how": (self.normalization, self.border, tuple(self.style_loss.settings().items())),
            "network": self.extract.mean,  # goes where the network goes
            **{f"weight of {name}": weight for name, weight in self.weights.items()},
            **{f"weight of content/{layer}": weight for layer, weight in self.content_layers.items()},
            **{f"weight of style/{layer}": weight for layer, weight in self.style_layers.items()},
            **{f"content/{layer}": target for layer, target in self.content_target.items()},
            **{f"style/{layer}": target for layer, target in self._style_target.items()},
            **{f"guides/{layer}": guides for layer, guides in (self._guides or {}).items()},
            **{f"drawn/{name}": drawn for name, drawn in self.style_loss.drawn.items()},
            "shares": self._region_shares,
            "coverage": self.coverage,
            "content": None if self.coverage is None else self.content,
        }

    @property
    def normalization(self) -> Normalization:
        """Whose formulas count, see `nstlib.losses`. The weights stay as they are."""
        return self._normalization

    @normalization.setter
    def normalization(self, name: Normalization) -> None:
        one_of("normalization", name, NORMALIZATIONS)
        self._normalization: Normalization = name
        self._swaps += 1

    @property
    def border(self) -> float:
        """How much more the total variation counts at the border."""
        return self._border

    @border.setter
    def border(self, share: float) -> None:
        self._border = number("the border", share)
        self._swaps += 1

    def state_dict(self) -> dict[str, Any]:
        """What `from_state_dict` needs to build the same objective: pictures, weights and the backbone's name."""
        return {
            "backbone": self.extract.spec,
            "content": self.content,
            "style": list(self.style) if isinstance(self.style, Blend) else self.style,
            "content_layers": dict(self.content_layers),
            "style_layers": dict(self.style_layers),
            **self.weights,
            "normalization": self.normalization,
            "style_target": None if self.own_style_target else dict(self.style_target),
            "tile": self.tile,
            "border": self.border,
            "masks": self._masks,
            "style_masks": list(self.style.parts) or None if isinstance(self.style, Blend) else None,
            "guidance": self.guidance,
            "style_loss": self.style_loss.settings(),
        }

    @classmethod
    def from_state_dict(
        cls, state: Mapping[str, Any], device: str | torch.device | None = None, spread: bool = False
    ) -> Self:
        """Build the objective that `state_dict` described; the backbone's weights are loaded by its name."""
        arguments = dict(state)
        extract = FeatureExtractor(**arguments.pop("backbone"), device=device)
        style_target = arguments.pop("style_target", None)
        objective = cls(extract, **arguments, spread=spread)
        if style_target is not None:
            objective.style_target = style_target
        return objective

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy with weights, pictures and targets of its own; the network, which is frozen, serves both."""
        memo[id(self.extract)] = self.extract
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        parts = {name: part for name, part in vars(self).items() if name != "_style_target"}
        vars(twin).update(copy.deepcopy(parts, memo))
        twin._style_target = MappingProxyType(copy.deepcopy(dict(self._style_target), memo))
        return twin


def layers_of(extract: FeatureExtractor, content: Layers | None, style: Layers | None) -> tuple[Layers, Layers]:
    """The layers for content and for style, those of the backbone where none are given."""
    default_content, default_style = default_layers(extract)
    return default_content if content is None else content, default_style if style is None else style


def _weighted(term: str, losses: Mapping[str, Tensor], weights: Weights, image: Tensor) -> Tensor:
    total = torch.zeros(len(image), dtype=torch.float32, device=image.device)
    for layer, weight in weights.items():
        if f"{term}/{layer}" in losses:
            total = total + weight * losses[f"{term}/{layer}"]
    return total
