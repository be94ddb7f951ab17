"""What is optimized: targets computed once, weights that can change at any moment, one call for every term."""

import math
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import torch
from torch import Tensor

from .devices import give_back_large_blocks
from .errors import ImageError, InputError, LayerNotFound
from .extractor import FeatureExtractor, Features
from .large import ranks
from .large.tiles import TiledLosses, halo_of, shared_tile, smaller_tile, stride_of, tiled_grams, tiled_responses
from .losses import Normalization, checked, content_loss, gram, style_loss, tv_loss

# The paper writes conv4_2 and conv1_1 ... conv5_1; the authors' code takes the rectified responses, and so do these.
GATYS_CONTENT: Mapping[str, float] = {"relu4_2": 1.0}
GATYS_STYLE: Mapping[str, float] = {f"relu{block}_1": 0.2 for block in range(1, 6)}

# Balanced by eye with the layers above; each normalization counts content and style in units of its own.
BETA: Mapping[str, float] = {"relative": 10.0, "paper": 2e6}

Weight = float | Sequence[float] | Tensor
Layers = Mapping[str, Weight] | Iterable[str]


@dataclass(frozen=True)
class Terms:
    """The losses of a batch of pictures. Each tensor is (B,) and on the device.

    Attributes:
        total: alpha * content + beta * style + tv weight * tv; what is differentiated.
        content, style: sums over the layers of w_l times the layer's loss, without alpha and beta.
        tv: total variation, without its weight.
        layers: "content/relu4_2", "style/relu1_1", ...: each layer's loss, without any weight.
    """

    total: Tensor
    content: Tensor
    style: Tensor
    tv: Tensor
    layers: Mapping[str, Tensor]

    def as_dict(self) -> dict[str, Tensor]:
        """Every term by name, layers included."""
        return {"total": self.total, "content": self.content, "style": self.style, "tv": self.tv, **self.layers}

    def detach(self) -> "Terms":
        """The same numbers, cut off from the graph that made them."""
        layers = {layer: loss.detach() for layer, loss in self.layers.items()}
        return Terms(self.total.detach(), self.content.detach(), self.style.detach(), self.tv.detach(), layers)


class Weights(MutableMapping[str, Tensor]):
    """Named weights as tensors on a device, one value for all pictures, shape (1,), or one a picture, shape (B,).

    Setting a value changes its tensor in place, so that a running optimization, a slider and a captured graph all read
    the same number. Names are fixed at construction. `version` counts the changes.
    """

    def __init__(self, values: Mapping[str, Weight], device: torch.device):
        self._tensors = {name: _weight(name, value).to(device) for name, value in values.items()}
        self.version = 0

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __setitem__(self, name: str, value: Weight) -> None:
        if name not in self._tensors:
            raise LayerNotFound(f"{name!r} has no weight here; there are {', '.join(self._tensors) or 'none'}")
        new, old = _weight(name, value), self._tensors[name]
        if new.shape == old.shape:
            old.copy_(new)
        else:  # from one value for all pictures to one a picture, or back
            self._tensors[name] = new.to(old.device)
        self.version += 1

    def __delitem__(self, name: str) -> None:
        raise InputError(f"the weight of {name} cannot be removed; set it to 0")

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


class Objective:
    """alpha * L_content + beta * L_style + tv * L_tv (equation 7 of the paper, and the total variation).

    Example:
        >>> objective = Objective(FeatureExtractor("mini"), content=content, style=style, beta=50)
        >>> objective(image).total       # (B,)
        >>> objective.beta = 200         # from the next call on; nothing else is computed anew
        >>> objective.style_layers["relu1_1"] = 0.0

    Args:
        extract: the features to compare.
        content: picture (B or 1, 3, H, W) in [0, 1], or None for no content term.
        style: picture of any size, or None for no style term.
        content_layers, style_layers: layer name to w_l, or names alone, which share a weight of 1.
        alpha, beta, tv: a number, or one for each picture of the batch. Without beta, `BETA` of the normalization.
        normalization: "relative" or "paper", see `nstlib.losses`.
        tile: pictures larger than so many pixels are computed in tiles no longer than this (rounded down to a multiple
            of the deepest layer's stride): the same losses and gradients in bounded memory, see `nstlib.large.tiles`.
            It can be changed at any time; None computes every picture whole.
        spread: whether processes that `nstlib.large.ranks` joined share the tiles. These are then small enough that
            each process has one.
        border: how much more the total variation counts at the border, see `nstlib.losses.tv_loss`.

    Attributes:
        content, style: the pictures; of those in tiles, in the memory of the CPU.
        own_style_target: whether the style target is the style picture's own, and not one that was set.
        content_target: layer name to response (B or 1, C, H', W'); likewise.

    Raises:
        LayerNotFound, ImageError (a picture too small for the deepest layer), InputError.
    """

    def __init__(
        self,
        extract: FeatureExtractor,
        content: Tensor | None = None,
        style: Tensor | None = None,
        content_layers: Layers = GATYS_CONTENT,
        style_layers: Layers = GATYS_STYLE,
        alpha: Weight = 1.0,
        beta: Weight | None = None,
        tv: Weight = 0.0,
        normalization: Normalization = "relative",
        tile: int | None = None,
        spread: bool = False,
        border: float = 0.0,
    ):
        self.extract, self.normalization, self.spread = extract, normalization, spread
        self.border = _checked_border(border)
        beta = BETA[checked(normalization)] if beta is None else beta
        self.weights = Weights({"alpha": alpha, "beta": beta, "tv": tv}, extract.device)
        self.content_layers = Weights(layer_weights(content_layers), extract.device)
        self.style_layers = Weights(layer_weights(style_layers), extract.device)
        extract.check([*self.content_layers, *self.style_layers])
        self._tile = self._checked_tile(tile)
        self._swaps = 0
        self.set_content(content)
        self.set_style(style)
        if not self.layers:
            raise InputError("there is nothing to match: give a content or a style picture, and layers for it")

    def set_content(self, content: Tensor | None) -> None:
        """Change the content picture, (B or 1, 3, H, W); only its own target is computed anew."""
        picture = self._picture("content", content)
        self.content_target = self._responses(picture, self.content_layers)
        self.content = picture
        self._swaps += 1

    def set_style(self, style: Tensor | None) -> None:
        """Change the style picture, of any size; only its own target is computed anew."""
        picture = self._picture("style", style)
        self._style_target = MappingProxyType(self._grams(picture))
        self.own_style_target = True
        self.style = picture
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
        for layer, matrix in target.items():
            if layer not in self.style_layers:
                raise LayerNotFound(f"{layer!r} has no weight here; there are {', '.join(self.style_layers)}")
            known = self._style_target.get(layer)
            square = isinstance(matrix, Tensor) and matrix.ndim == 3 and matrix.shape[1] == matrix.shape[2]
            if not square or (known is not None and matrix.shape[1:] != known.shape[1:]):
                c = "C" if known is None else known.shape[1]
                raise InputError(
                    f"the target of {layer} is {_shape(matrix)}; expected a Gram matrix (B or 1, {c}, {c})"
                )
        self._style_target = MappingProxyType(
            {layer: matrix.detach().to(self.extract.device, torch.float32) for layer, matrix in target.items()}
        )
        self.own_style_target = False
        self._swaps += 1

    def set_content_layers(self, layers: Layers) -> None:
        """Change where the content is compared; only its own target is computed anew.

        The names of the terms change with it: give a run that goes on a new `history`.
        """
        weights = Weights(layer_weights(layers), self.extract.device)
        self.extract.check(weights)
        self.content_target = self._responses(self.content, weights)
        self._swaps += 1 + self.content_layers.version  # which the sum of versions loses
        self.content_layers = weights

    @property
    def layers(self) -> list[str]:
        """The layers that a call computes."""
        return list(dict.fromkeys([*self.content_target, *self.style_target]))

    @property
    def batch(self) -> int:
        """How many pictures the weights and the targets are made for; 1 where each holds for all pictures."""
        weights = [*self.weights.values(), *self.content_layers.values(), *self.style_layers.values()]
        targets = [*self.content_target.values(), *self.style_target.values()]
        sizes = {len(tensor) for tensor in (*weights, *targets)} - {1}
        if len(sizes) > 1:
            raise InputError(f"weights and pictures are made for batches of different sizes: {sorted(sizes)}")
        return max(sizes, default=1)

    @property
    def version(self) -> int:
        """Grows with every change of a weight or of a target: what an optimizer remembers is then out of date."""
        return self._swaps + self.weights.version + self.content_layers.version + self.style_layers.version

    def __call__(self, image: Tensor) -> Terms:
        """Every term for a picture.

        Args:
            image: (B, 3, H, W), of the content's size where there is a content.

        Returns:
            `Terms`; `total` can be differentiated with respect to `image`.
        """
        if self.content is not None and image.shape[-2:] != self.content.shape[-2:]:
            raise ImageError(f"the image is {_size(image)}, but the content is {_size(self.content)}")
        tile = self._tile_of(image)
        losses = self._whole(image) if tile is None else self._in_tiles(image, tile)
        tv = losses.pop("tv")
        content = self._weighted("content", losses, self.content_layers, image)
        style = self._weighted("style", losses, self.style_layers, image)
        total = self.alpha * content + self.beta * style + self.tv * tv
        return Terms(total, content, style, tv, layers=losses)

    def is_tiled(self, image: Tensor) -> bool:
        """Whether a call computes this picture in tiles."""
        return self._tile_of(image) is not None

    @property
    def tile(self) -> int | None:
        """Longest side of a tile in pixels, or None where every picture is computed whole."""
        return self._tile

    @tile.setter
    def tile(self, side: int | None) -> None:
        self._tile = self._checked_tile(side)
        if self.content is not None:
            home = self._home(self.content)
            self.content_target = {layer: target.to(home) for layer, target in self.content_target.items()}

    def shrink_tile(self, image: Tensor) -> bool:
        """Go over to tiles, or to smaller ones, after memory ran out; False where they cannot be smaller."""
        side = max(image.shape[-2:]) if self.tile is None else min(self.tile, max(image.shape[-2:]))
        smaller = smaller_tile(side, self._stride)
        if smaller is None or self.spread:  # the ranks must all have the same tiles
            return False
        with suppress(InputError):  # of a backbone that sees the whole picture at once
            halo_of(self.extract, self.layers)
            self.tile = smaller
        return self.tile == smaller

    @property
    def alpha(self) -> Tensor:
        """Weight of the content term."""
        return self.weights["alpha"]

    @alpha.setter
    def alpha(self, value: Weight) -> None:
        self.weights["alpha"] = value

    @property
    def beta(self) -> Tensor:
        """Weight of the style term."""
        return self.weights["beta"]

    @beta.setter
    def beta(self, value: Weight) -> None:
        self.weights["beta"] = value

    @property
    def tv(self) -> Tensor:
        """Weight of the total variation."""
        return self.weights["tv"]

    @tv.setter
    def tv(self, value: Weight) -> None:
        self.weights["tv"] = value

    def state_dict(self) -> dict[str, Any]:
        """What `from_state_dict` needs to build the same objective: pictures, weights and the backbone's name."""
        return {
            "backbone": self.extract.spec,
            "content": self.content,
            "style": self.style,
            "content_layers": dict(self.content_layers),
            "style_layers": dict(self.style_layers),
            **self.weights,
            "normalization": self.normalization,
            "style_target": None if self.own_style_target else dict(self.style_target),
            "tile": self.tile,
            "border": self.border,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any], device: str | torch.device | None = None) -> Self:
        """Build the objective that `state_dict` described; the backbone's weights are loaded by its name."""
        arguments = dict(state)
        extract = FeatureExtractor(**arguments.pop("backbone"), device=device)
        style_target = arguments.pop("style_target", None)
        objective = cls(extract, **arguments, spread=ranks.count() > 1)
        if style_target is not None:
            objective.style_target = style_target
        return objective

    def _picture(self, what: str, picture: Tensor | None) -> Tensor | None:
        if picture is None:
            return None
        if not isinstance(picture, Tensor) or picture.ndim != 4 or picture.shape[1] != 3:
            raise InputError(
                f"the {what} is {_shape(picture)}; expected a picture (B, 3, H, W), as nstlib.load_image gives it"
            )
        return picture.detach().to(self._home(picture), torch.float32)

    def _home(self, picture: Tensor) -> torch.device:
        """Where a picture and its responses are kept: large ones leave a GPU to the image that is being made."""
        return self.extract.device if self._tile_of(picture) is None else torch.device("cpu")

    def _whole(self, image: Tensor) -> dict[str, Tensor]:
        """The loss of each layer, "content/relu4_2", "style/relu1_1", ..., and "tv"."""
        features = self.extract(image, self.layers)
        content = {
            f"content/{layer}": content_loss(features[layer], target, self.normalization)
            for layer, target in self.content_target.items()
        }
        style = {
            f"style/{layer}": style_loss(gram(features[layer]), target, self.normalization)
            for layer, target in self.style_target.items()
        }
        return {**content, **style, "tv": tv_loss(image, self.border)}

    def _in_tiles(self, image: Tensor, tile: int) -> dict[str, Tensor]:
        """What `_whole` gives, from tiles."""
        targets = self.content_target, self.style_target
        return TiledLosses(self.extract, *targets, self.normalization, tile, self.spread, self.border)(image)

    def _tile_of(self, picture: Tensor) -> int | None:
        """In tiles of which side the picture is computed; None for whole."""
        height, width = picture.shape[-2:]
        side = max(height, width) if self.tile is None else self.tile
        if self.spread and ranks.count() > 1:
            return min(side, shared_tile((height, width), self._stride, ranks.count()))
        return side if side < max(height, width) else None

    @property
    def _stride(self) -> int:
        return stride_of(self.extract, [*self.content_layers, *self.style_layers])

    def _checked_tile(self, tile: int | None) -> int | None:
        if tile is None:
            return None
        if isinstance(tile, bool) or not isinstance(tile, int) or tile < self._stride:
            raise InputError(f"the tile is {tile!r}; expected a whole number of pixels, {self._stride} or more")
        if self.extract.device.type == "cpu":
            give_back_large_blocks()
        return tile - tile % self._stride

    @torch.no_grad()
    def _responses(self, picture: Tensor | None, layers: Iterable[str]) -> Features:
        if picture is None:
            return {}
        tile = self._tile_of(picture)
        if tile is not None:
            return tiled_responses(self.extract, picture, layers, tile)
        features: Features = self.extract(picture, layers)
        return features

    @torch.no_grad()
    def _grams(self, picture: Tensor | None) -> Features:
        if picture is None:
            return {}
        tile = self._tile_of(picture)
        if tile is not None:
            return tiled_grams(self.extract, picture, self.style_layers, tile)
        features = self.extract(picture, self.style_layers)
        return {layer: gram(response) for layer, response in features.items()}

    @staticmethod
    def _weighted(term: str, losses: Mapping[str, Tensor], weights: Weights, image: Tensor) -> Tensor:
        total = torch.zeros(len(image), device=image.device)
        for layer, weight in weights.items():
            if f"{term}/{layer}" in losses:
                total = total + weight * losses[f"{term}/{layer}"]
        return total


def layer_weights(layers: Layers) -> dict[str, Weight]:
    """Layer name to w_l; names alone share a weight of 1."""
    if isinstance(layers, Mapping):
        return dict(layers)
    names = [layers] if isinstance(layers, str) else list(layers)
    return {name: 1 / len(names) for name in names}


def _weight(name: str, value: Weight) -> Tensor:
    try:
        tensor = torch.as_tensor(value, dtype=torch.float32).detach().clone()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"the weight {name} is {value!r}; expected a number") from error
    if tensor.ndim > 1 or not (tensor.isfinite() & (tensor >= 0)).all():
        raise InputError(f"the weight {name} is {value!r}; expected a finite number, 0 or more, or one a picture")
    return tensor.reshape(-1)


def _checked_border(border: float) -> float:
    if not isinstance(border, int | float) or not 0 <= border < math.inf:
        raise InputError(f"the border is {border!r}; expected a finite number, 0 or more")
    return float(border)


def _shape(thing: object) -> object:
    return tuple(thing.shape) if isinstance(thing, Tensor) else type(thing).__name__


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]} x {picture.shape[-2]} pixels"
