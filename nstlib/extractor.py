"""From a picture to named features."""

import copy
import os
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Literal, TypeGuard, cast, get_args

import torch
from torch import Tensor, nn

from .backbones import AUTO, load_backbone
from .base.checks import known_arguments, nearest, one_of
from .base.devices import fast_precision, keep_freed_memory, usable_device, without_autocast
from .errors import ImageError, InputError, LayerNotFound
from .networks.backbone import Backbone
from .smoothing import Smoothing, checked_smoothing, smoothed, temperature_of

Features = dict[str, Tensor]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
Sight = Literal["colors", "luminance"]
SIGHTS: tuple[str, ...] = get_args(Sight)
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as the paper's authors have it
LARGEST_GRADIENT = 2.0**4  # of float16's 65504, which leaves room for the sums on the way back through the network


class FeatureExtractor(nn.Module):
    """A frozen backbone that gives the responses of the layers asked for, and computes nothing past the deepest.

    Example:
        >>> extract = FeatureExtractor("mini", pooling="avg")
        >>> extract(picture, ["relu1_1", "relu4_2"])["relu4_2"].shape
        torch.Size([1, 512, 64, 64])

    Args:
        backbone: a name that `load_backbone` knows, or a `Backbone`.
        pooling, keep_scale, weights: see `load_backbone`; a `Backbone` has its own.
        precision: in which the network computes. "bfloat16" and "float16" are faster where the device is made for them
            and halve the memory; "auto" takes what `fast_precision` says. The responses are float32 whatever it is,
            and so are Gram matrices and losses. Gradients on their way back through a network in float16 are scaled
            to its range, for each picture by a power of two.
        device: where the network lives; without it, `default_device()`.
        sees: "colors", or "luminance": pictures without their colors, as gray ones.
        smoothing: None, or "softmax", or "softmax:10" with a temperature: each response becomes a softmax of all its
            activations, see `nstlib.smoothing.smoothed`. Masks act on what comes out: the softmax is that of the whole
            picture. It does not add up over tiles, nor over processes that share a picture, which are refused.

    Attributes:
        backbone: the `Backbone` whose layers it extracts. It stays as it is: extractors share its network, and one for
            another device or precision has a copy.
        precision: what "auto" came to.
        sees: "colors" or "luminance".
        smoothing: None, "softmax" or "softmax:T".
        spec: the arguments that build the same extractor again, for a saved run. Those of a `Backbone` that
            `load_backbone` did not build cannot, and say so when they are tried.
    """

    mean: Tensor
    std: Tensor

    @known_arguments
    @torch.inference_mode(False)  # gradients are taken through it later
    def __init__(
        self,
        backbone: str | Backbone = "mini",
        pooling: str = AUTO,
        *,
        keep_scale: bool = False,
        weights: str | os.PathLike[str] | None = None,
        precision: Precision = "float32",
        device: str | torch.device | None = None,
        sees: Sight = "colors",
        smoothing: Smoothing = None,
    ):
        super().__init__()
        device = usable_device(device, with_numbers=False)
        one_of("precision", precision, PRECISIONS)
        self.sees = cast(Sight, one_of("sees", sees, SIGHTS))
        self.smoothing = checked_smoothing(smoothing)
        self.precision = fast_precision(device) if precision == "auto" else precision
        self.dtype: torch.dtype = getattr(torch, self.precision)
        if isinstance(backbone, Backbone):
            _refuse_others(backbone, {"pooling": pooling, "keep_scale": keep_scale, "weights": weights})
        else:
            backbone = load_backbone(backbone, pooling, keep_scale=keep_scale, weights=weights)
        self.backbone = backbone
        recipe = backbone.recipe or {"backbone": backbone.name, "pooling": None}
        self.spec = {**recipe, "precision": self.precision, "sees": sees, "smoothing": self.smoothing}
        # Channels innermost: see `load_backbone`. MPS was not tried.
        self._format = torch.contiguous_format if device.type == "mps" else torch.channels_last
        self.net = _at_home(backbone.net, device, self.dtype, self._format)
        for name in ("mean", "std"):
            values = torch.tensor(getattr(backbone, name), dtype=torch.float32, device=device)
            self.register_buffer(name, values.view(1, 3, 1, 1))
        self._cuts: dict[frozenset[str], nn.Module] = {}
        if device.type == "cpu":
            keep_freed_memory()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cuts": {}}  # made again when asked for; some graphs cannot be pickled

    @property
    def layers(self) -> list[str]:
        """Names of the layers that can be asked for, in order of depth."""
        return self.backbone.layers

    @property
    def device(self) -> torch.device:
        """Where the network lives; pictures must be there too."""
        return self.mean.device

    def forward(self, image: Tensor, layers: str | Iterable[str]) -> Features:
        """Features of a picture.

        Args:
            image: (B, 3, H, W), sRGB in [0, 1]. Values outside, as an optimizer may leave them, are taken as they are.
            layers: names of layers, or one name.

        Returns:
            Layer name to float32 tensor (B, C, H', W'), in the order of `layers`.

        Raises:
            LayerNotFound, ImageError for a picture too small for the deepest layer, InputError for what is no picture.
        """
        layers = _names(layers)
        if not isinstance(image, Tensor) or image.ndim != 4 or image.shape[1] != 3:
            given = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
            raise InputError(f"the picture is {given}; expected (B, 3, H, W), as nstlib.load_image gives it")
        self.check(layers, image.shape[-2:])
        if not layers:
            return {}
        seen = luminance(image) if self.sees == "luminance" else image
        normalized = ((seen - self.mean) / self.std).contiguous(memory_format=self._format)
        cut = self.cut(layers)
        with without_autocast(self.device):  # the precision is what it was built with
            if self.dtype == torch.float16:
                features = _in_float16(cut, normalized)
            else:
                features = {layer: response.float() for layer, response in cut(normalized.to(self.dtype)).items()}
            if self.smoothing is not None:
                temperature = temperature_of(self.smoothing)
                features = {layer: smoothed(response, temperature) for layer, response in features.items()}
        return {layer: features[layer] for layer in layers}

    def other(
        self,
        precision: Precision | None = None,
        sees: Sight | None = None,
        smoothing: Smoothing | Literal["as it is"] = "as it is",
    ) -> "FeatureExtractor":
        """The same network on the same device, in another precision, with another sight or smoothing."""
        precision, sees = precision or cast(Precision, self.precision), sees or self.sees
        smoothing = self.smoothing if smoothing == "as it is" else checked_smoothing(smoothing)
        if (precision, sees, smoothing) == (self.precision, self.sees, self.smoothing):
            return self
        how: dict[str, Any] = {"precision": precision, "sees": sees, "smoothing": smoothing}
        made = FeatureExtractor(self.backbone, device=self.device, **how)
        made.spec = {**self.spec, **how, "precision": made.precision}
        return made

    def check(self, layers: str | Iterable[str], size: tuple[int, int] | torch.Size = (2**31, 2**31)) -> None:
        """Raise LayerNotFound for a name that is not there, ImageError for a size (H, W) that cannot reach a layer."""
        for layer in _names(layers):
            if not isinstance(layer, str) or layer not in self.backbone.strides:
                near = nearest(str(layer), self.backbone.layers)
                raise LayerNotFound(f"{layer!r} is not in {self.backbone.name}; {near}")
            smallest = self.backbone.smallest_side(layer)
            if min(size) < smallest:
                raise ImageError(
                    f"the picture is {size[1]} x {size[0]} pixels, but {layer} of {self.backbone.name} needs at least "
                    f"{smallest} on each side; use a larger size or a layer less deep"
                )

    @torch.no_grad()
    def map_sizes(self, layers: str | Iterable[str], size: tuple[int, int]) -> dict[str, tuple[int, int]]:
        """Height and width of the responses of a picture (H, W), by layer; nothing is computed."""
        self.check(layers := _names(layers), size)
        if not layers:
            return {}
        # On torch's device "meta" tensors have a shape and no values.
        responses = copy.deepcopy(self.cut(layers)).to("meta")(
            torch.empty(1, 3, *size, device="meta", dtype=self.dtype)
        )
        return {layer: (responses[layer].shape[-2], responses[layer].shape[-1]) for layer in layers}

    def cut(self, layers: str | Iterable[str]) -> nn.Module:
        """The network up to the deepest of the layers; all cuts share the network's weights."""
        self.check(layers := _names(layers))
        asked = frozenset(layers)
        if asked not in self._cuts:
            nodes = {layer: self.backbone.nodes[layer] for layer in layers}
            self._cuts[asked] = _cut(self.net, nodes).eval()
        return self._cuts[asked]


def luminance(picture: Tensor) -> Tensor:
    """The brightness (B, 1, H, W) of a picture (B, 3, H, W)."""
    red, green, blue = picture.unbind(1)
    return (LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue).unsqueeze(1)


def _names(layers: str | Iterable[str]) -> list[str]:
    if isinstance(layers, str):
        return [layers]
    if not isinstance(layers, Iterable):
        raise InputError(f"layers is {layers!r:.80}; expected names of layers")
    return list(layers)


def _refuse_others(backbone: Backbone, given: Mapping[str, Any]) -> None:
    """Refuse arguments that would have no effect, as the network is there already."""
    defaults = {"pooling": AUTO, "keep_scale": False, "weights": None}
    for name, value in given.items():
        own = (backbone.recipe or {}).get(name, defaults[name])
        if value not in (defaults[name], own):
            raise InputError(
                f"{name} is {value!r}, but the Backbone {backbone.name!r} is built already; give it to load_backbone"
            )


def _at_home(net: nn.Module, device: torch.device, dtype: torch.dtype, order: torch.memory_format) -> nn.Module:
    """The network itself where it is as wanted, else a copy that is: others may use it as it is."""

    def fits(tensor: Tensor) -> bool:
        in_order = tensor.ndim != 4 or tensor.is_contiguous(memory_format=order)
        right = tensor.dtype == dtype or not tensor.is_floating_point()
        return tensor.device == device and in_order and right and not tensor.is_inference()

    if all(map(fits, chain(net.parameters(), net.buffers()))):
        return net
    return copy.deepcopy(net).to(device, dtype).to(memory_format=order)


def _cut(net: nn.Module, nodes: Mapping[str, str]) -> nn.Module:
    """What gives the responses of the layers, each of which is mapped to its node."""
    layers = {node: layer for layer, node in nodes.items()}
    cut = _cut_at(net, layers)
    return cut if len(layers) == len(nodes) else _Renamed(cut, {layer: layers[node] for layer, node in nodes.items()})


def _cut_at(net: nn.Module, nodes: Mapping[str, str]) -> nn.Module:
    """What gives the responses of the nodes by the names that they are mapped to."""
    if is_sequence(net, nodes):
        return _Sequence(net, nodes)
    from .networks.tracing import traced  # imports torchvision, which takes two seconds

    return traced(net, nodes)


class _Renamed(nn.Module):
    """A cut whose responses have several names."""

    def __init__(self, cut: nn.Module, names: Mapping[str, str]):
        super().__init__()
        self._cut, self._names = cut, dict(names)

    def forward(self, normalized: Tensor) -> Features:
        """From a normalized picture to the responses by all of their names."""
        found = self._cut(normalized)
        return {name: found[known] for name, known in self._names.items()}


class _Sequence(nn.Module):
    """The modules of a plain sequence up to the deepest one asked for, run one after the other."""

    def __init__(self, net: nn.Sequential, nodes: Mapping[str, str]):
        super().__init__()
        self._layers = {int(position): layer for position, layer in nodes.items()}
        self._modules_in_order = net[: max(self._layers) + 1]

    def forward(self, features: Tensor) -> Features:
        """From a normalized picture to the responses, shallow ones first."""
        found = {}
        for position, module in enumerate(self._modules_in_order):
            features = module(features)
            if position in self._layers:
                found[self._layers[position]] = features
        return found


def is_sequence(net: nn.Module, nodes: Iterable[str]) -> TypeGuard[nn.Sequential]:
    """Whether the network runs its modules one after the other, and the nodes are positions among them."""
    if not isinstance(net, nn.Sequential) or type(net).forward is not nn.Sequential.forward:
        return False
    return all(node.isdecimal() and int(node) < len(net) for node in nodes)


def _in_float16(cut: nn.Module, normalized: Tensor) -> Mapping[str, Tensor]:
    """Responses as float32, with a way back on which no gradient is too small or too large for float16."""
    scale: list[Tensor] = []
    features = cut(_IntoFloat16.apply(normalized, scale))
    return dict(zip(features, _OutOfFloat16.apply(scale, *features.values()), strict=True))


class _OutOfFloat16(torch.autograd.Function):
    """Responses to float32. On the way back, where it comes first, it scales each picture's gradients."""

    @staticmethod
    def forward(ctx: Any, scale: list[Tensor], *responses: Tensor) -> tuple[Tensor, ...]:
        """To float32."""
        ctx.chosen = scale
        return tuple(response.float() for response in responses)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """To float16, all layers of a picture by one power of two."""
        largest = torch.stack([gradient.abs().flatten(1).amax(1) for gradient in gradients]).amax(0)
        power = (LARGEST_GRADIENT / largest).log2().floor()
        scale = torch.where(power.isfinite(), power, 0.0).exp2().view(-1, 1, 1, 1)
        ctx.chosen[:] = [scale]
        return None, *((gradient * scale).half() for gradient in gradients)


class _IntoFloat16(torch.autograd.Function):
    """The picture to float16. On the way back, where it comes last, it takes the scale out again."""

    @staticmethod
    def forward(ctx: Any, normalized: Tensor, scale: list[Tensor]) -> Tensor:
        """To float16."""
        ctx.chosen = scale
        return normalized.half()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        """To float32, in its own size."""
        return gradient.float() / ctx.chosen[0], None
