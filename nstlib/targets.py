"""What an image is compared with: pictures, and the targets that the network gives for them, computed once."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor

from .base.checks import KnownAttributes, picture, shape_of
from .control.styles import Blend, mean_of_grams
from .errors import InputError, LayerNotFound
from .extractor import FeatureExtractor, Features, Precision, Sight
from .large.ways import Way, Ways
from .weighting import Layers, Weights, layer_weights

Style = Tensor | Blend | Sequence[Tensor | tuple[Tensor, float]]


class Targets(KnownAttributes):
    """Pictures and their targets, each of which can be changed while the other stays; the lower half of `Objective`.

    Attributes:
        extract: the features to compare.
        content_layers, style_layers: layer name to w_l; they say which targets there are.
        content: the picture; one in tiles, in the memory of the CPU.
        style: likewise; or a `Blend` of several pictures with their shares.
        content_target: layer name to response (B or 1, C, H', W'); likewise.
        own_style_target: whether the style target is the style picture's own, and not one that was set.
    """

    extract: FeatureExtractor
    content_layers: Weights
    style_layers: Weights
    content: Tensor | None
    style: Tensor | Blend | None
    content_target: Features
    own_style_target: bool
    _swaps: int = 0
    _instead: ClassVar[Mapping[str, str]] = {
        "extract": "call set_precision or set_sight, or make a new objective",
        "content_layers": "set single weights, or call set_content_layers",
        "style_layers": "set single weights, as in style_layers['relu1_1'] = 0, or make a new objective",
        "content": "call set_content(picture)",
        "style": "call set_style(picture)",
        "own_style_target": "call set_style(picture), or assign style_target",
    }

    def __init__(
        self,
        extract: FeatureExtractor,
        content: Tensor | None,
        style: Style | None,
        content_layers: Layers,
        style_layers: Layers,
        tile: int | None,
        spread: bool,
    ):
        self.extract = extract
        self.content_layers = Weights(layer_weights(content_layers), extract.device)
        self.style_layers = Weights(layer_weights(style_layers), extract.device)
        extract.check([*self.content_layers, *self.style_layers])
        self._ways = Ways(extract, [*self.content_layers, *self.style_layers], tile, spread)
        self.set_content(content)
        self.set_style(style)

    def set_content(self, content: Tensor | None) -> None:
        """Change the content picture, (B or 1, 3, H, W); only its own target is computed anew."""
        kept = None if content is None else self._kept("content", content)
        self.content_target = self._target(kept, lambda way, kept: way.responses(kept, self.content_layers))
        self._put(content=kept)
        self._swaps += 1

    def set_style(self, style: Style | None) -> None:
        """Change the style; only its own target is computed anew.

        Args:
            style: a picture (B or 1, 3, H, W) of any size; or several, as a list of pictures or of pairs (picture,
                share), see `nstlib.control.styles`; or None.
        """
        kept = Blend((), ()) if style is None else Blend.of(style).map(partial(self._kept, "style"))
        grams = [
            self._target(picture, lambda way, picture: way.grams(picture, self.style_layers))
            for picture in kept.pictures
        ]
        self._grams_of_styles = grams
        self._mix(kept.shares)
        self._put(style=None if style is None else kept.style)

    @property
    def shares(self) -> tuple[float, ...]:
        """How much of each style there is; the sum is 1. Set, it acts from the next call on."""
        return self.style.shares if isinstance(self.style, Blend) else () if self.style is None else (1.0,)

    @shares.setter
    def shares(self, shares: Sequence[float]) -> None:
        if self.style is None:
            raise InputError("there is no style that could have a share; call set_style")
        blend = Blend.of(self.style).with_shares(shares)
        self._mix(blend.shares)
        self._put(style=blend.style)

    def _mix(self, shares: Sequence[float]) -> None:
        """Take the styles' own target, in these shares."""
        with torch.inference_mode(False):
            self._style_target = MappingProxyType(mean_of_grams(self._grams_of_styles, shares))
        self._put(own_style_target=True)
        self._swaps += 1

    @property
    def style_target(self) -> Mapping[str, Tensor]:
        """Layer name to the Gram matrix (B or 1, C, C) to match; the style picture's own unless it is set.

        Set it to match something that no single picture has, such as a mean of the matrices of two styles. A change of
        the style picture puts the picture's own in place again.
        """
        return self._style_target

    @style_target.setter
    def style_target(self, target: Mapping[str, Tensor]) -> None:
        if not isinstance(target, Mapping):
            raise InputError(f"the style target is {target!r:.80}; expected layer names and Gram matrices")
        for layer, matrix in target.items():
            if layer not in self.style_layers:
                raise LayerNotFound(f"{layer!r} has no weight here; there are {', '.join(self.style_layers)}")
            known = self._style_target.get(layer)
            square = isinstance(matrix, Tensor) and matrix.ndim == 3 and matrix.shape[1] == matrix.shape[2]
            if not square or (known is not None and matrix.shape[1:] != known.shape[1:]):
                c = "C" if known is None else known.shape[1]
                raise InputError(
                    f"the target of {layer} is {shape_of(matrix)}; expected a Gram matrix (B or 1, {c}, {c})"
                )
        with torch.inference_mode(False):
            kept = {layer: matrix.detach().clone() for layer, matrix in target.items()}
        self._style_target = MappingProxyType(
            {layer: matrix.to(self.extract.device, torch.float32) for layer, matrix in kept.items()}
        )
        self._put(own_style_target=False)
        self._swaps += 1

    def set_content_layers(self, layers: Layers) -> None:
        """Change where the content is compared; only its own target is computed anew.

        The names of the terms change with it: give a run that goes on a new `history`.
        """
        weights = Weights(layer_weights(layers), self.extract.device)
        self.extract.check(weights)
        ways = Ways(self.extract, [*weights, *self.style_layers], self.tile, self.spread)
        self.content_target = self._target(self.content, lambda way, kept: way.responses(kept, weights), ways)
        self._swaps += 1 + self.content_layers.version  # which the sum of versions loses
        self._put(content_layers=weights)
        self._ways = ways

    def set_precision(self, precision: Precision) -> None:
        """Let the network compute in another precision; targets are computed anew, except one set by hand."""
        self._look_through(self.extract.other(precision=precision))

    def set_sight(self, sees: Sight) -> None:
        """Let the network see "colors" or "luminance"; targets are computed anew, except one set by hand."""
        self._look_through(self.extract.other(sees=sees))

    def _look_through(self, extract: FeatureExtractor) -> None:
        if extract is self.extract:
            return
        set_by_hand = None if self.own_style_target else self._style_target
        self._put(extract=extract)
        self._ways = Ways(extract, [*self.content_layers, *self.style_layers], self.tile, self.spread)
        self.set_content(self.content)
        self.set_style(self.style)
        if set_by_hand is not None:
            self.style_target = set_by_hand

    @property
    def layers(self) -> list[str]:
        """The layers that a call computes."""
        return list(dict.fromkeys([*self.content_target, *self._style_target]))

    @property
    def targets_version(self) -> int:
        """Grows with every change of a picture, a target or a formula, not with those of weights."""
        return self._swaps

    def way(self, image: Tensor) -> Way:
        """How a picture (B, 3, H, W) is computed, see `nstlib.large.ways`."""
        return self._ways.of(image)

    @property
    def tile(self) -> int | None:
        """Longest side of a tile in pixels, or None where every picture is computed whole."""
        return self._ways.tile

    @tile.setter
    def tile(self, side: int | None) -> None:
        self._ways.tile = side
        if self.content is not None:
            home = self.way(self.content).home
            self.content_target = {layer: target.to(home) for layer, target in self.content_target.items()}

    def smaller_tile(self, image: Tensor) -> int | None:
        """The tile with which a picture may fit after memory ran out; None where it cannot be smaller."""
        return self._ways.smaller_tile(image)

    @property
    def spread(self) -> bool:
        """Whether processes that were joined share the work."""
        return self._ways.spread

    def _kept(self, what: str, given: Tensor) -> Tensor:
        """A picture as it is kept: checked, in float32, and where its way has its home."""
        found = picture(what, given)
        return found.to(self.way(found).home, torch.float32)

    def _target(self, kept: Tensor | None, of: Callable[[Way, Tensor], Features], ways: Ways | None = None) -> Features:
        if kept is None:
            return {}
        with torch.inference_mode(False):  # targets outlive the block in which they are set
            return of((ways or self._ways).of(kept), kept)
