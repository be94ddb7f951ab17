"""The networks that the bundled backbone learns from, and which of their layers each of its layers learns.

Two teachers may share the work: a shallow one for as deep as it goes, a deep one for what lies past that. Both see the
picture itself, each through all of its own layers.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from nstlib.backbones import IMAGENET_MEAN, IMAGENET_STD, load_backbone
from nstlib.networks.vgg import mini_net, named_vgg

Source = tuple[str, str]  # "shallow" or "deep", and a layer of that teacher


class Vgg:
    """A VGG with both kinds of pooling over the same convolutions."""

    def __init__(self, features: nn.Sequential):
        self.features = features.to(memory_format=torch.channels_last)
        self.named = {pooling: named_vgg(features, pooling) for pooling in ("avg", "max")}

    @property
    def convolutions(self) -> dict[str, nn.Conv2d]:
        """Name to convolution, in order of depth."""
        return {name: m for name, m in self.named["avg"].named_children() if isinstance(m, nn.Conv2d)}

    def __call__(self, normalized: Tensor, layers: Iterable[str], pooling: str) -> dict[str, Tensor]:
        """Features of a normalized picture at the layers, computing nothing past the deepest."""
        wanted, found, value = set(layers), {}, normalized.contiguous(memory_format=torch.channels_last)
        for name, module in self.named[pooling].named_children():
            value = module(value)
            if name in wanted:
                found[name] = value
                if len(found) == len(wanted):
                    break
        return found


def load_network(source: str | Path, padding_mode: str = "replicate") -> Vgg:
    """A frozen VGG for pictures normalized as torchvision does.

    Args:
        source: "vgg16" or "vgg19" for torchvision's networks, or a file: a state dict of torchvision's `features` or of
            their first layers, or one of the published "vgg_normalised" files, which open with a 1x1 convolution on RGB
            in [0, 1].
        padding_mode: how convolutions continue the picture past its border.
    """
    if source in ("vgg16", "vgg19"):
        state = load_backbone(str(source)).net.state_dict()
    else:
        state = torch.load(source, map_location="cpu", weights_only=True)
    plan, convolutions = _read(state)
    features = mini_net(plan)
    with torch.no_grad():
        for module, (weight, bias) in zip(_convs(features), convolutions, strict=True):
            module.weight.copy_(weight)
            module.bias.copy_(bias)
            module.padding_mode = padding_mode
    return Vgg(features.eval().requires_grad_(False))


def _read(state: Mapping[str, Tensor]) -> tuple[list[int | str], list[tuple[Tensor, Tensor]]]:
    """The plan that `mini_net` takes, and each convolution's weight and bias."""
    state = {key.removeprefix("features."): value.float() for key, value in state.items()}
    places = sorted(int(key.removesuffix(".weight")) for key in state if key.endswith(".weight"))
    convolutions = [(state[f"{at}.weight"], state[f"{at}.bias"]) for at in places]
    if convolutions[0][0].shape[-1] == 1:
        first, second, *rest = convolutions
        places, convolutions = places[1:], [_fold(*first, *second), *rest]
    plan: list[int | str] = [len(convolutions[0][0])]
    for (before, after), (weight, _) in zip(pairwise(places), convolutions[1:], strict=True):
        # The first two are of one block; a wider gap than theirs holds a pooling.
        plan += [*(["M"] if after - before > places[1] - places[0] else []), len(weight)]
    return plan, convolutions


def _fold(matrix: Tensor, offset: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """One convolution in place of: undo torchvision's normalization, 1x1 convolution, convolution."""
    matrix = matrix.flatten(1)
    offset = offset + matrix @ torch.tensor(IMAGENET_MEAN)
    matrix = matrix * torch.tensor(IMAGENET_STD)
    return torch.einsum("oihw,ij->ojhw", weight, matrix), bias + weight.sum((2, 3)) @ offset


def _convs(features: nn.Sequential) -> list[nn.Conv2d]:
    return [m for m in features if isinstance(m, nn.Conv2d)]


class Teachers:
    """Both teachers as one: for each layer of the pupil, all the channels that it may learn.

    Attributes:
        sources: for each of the pupil's layers, where these channels come from.
    """

    def __init__(self, shallow: Vgg, deep: Vgg, pupil_convolutions: Iterable[str], precision: str = "float32"):
        self.networks, self.precision = {"shallow": shallow, "deep": deep}, precision
        self.sources = curriculum(shallow.convolutions, deep.convolutions, pupil_convolutions)

    @torch.no_grad()
    def __call__(self, normalized: Tensor, pooling: str, rectified: bool = True) -> dict[str, Tensor]:
        """Features (B, C, H, W) for each of the pupil's layers; not rectified, the convolutions' own responses."""
        seen = {}
        for name, network in self.networks.items():
            layers = {layer for sources in self.sources.values() for teacher, layer in sources if teacher == name}
            named = {layer: layer if rectified else layer.replace("relu", "conv") for layer in layers}
            with torch.autocast(normalized.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
                features = network(normalized, named.values(), pooling) if layers else {}
            seen |= {(name, layer): features[at] for layer, at in named.items()}
        return {layer: torch.cat([seen[source] for source in sources], 1) for layer, sources in self.sources.items()}

    def to(self, device: str) -> "Teachers":
        """Both on the device."""
        for network in self.networks.values():
            network.features.to(device)
        return self


def curriculum(shallow: Iterable[str], deep: Iterable[str], pupil: Iterable[str]) -> dict[str, tuple[Source, ...]]:
    """For each rectified layer of the pupil, the teachers' layers whose channels it may learn.

    A layer learns its namesake of the shallow teacher; past that teacher's last, of the deep one, or of the neighbor
    before, where a block of the deep teacher is shorter. In the shallow teacher's last block a layer may learn besides
    what the deep teacher sees there: the deep teacher's next block is made of that.

    Args:
        shallow, deep, pupil: names of the convolutions, in order of depth.
    """
    shallow, deep, pupil = list(shallow), list(deep), list(pupil)
    last = _block(shallow[-1])
    found: dict[str, tuple[Source, ...]] = {}
    for name in pupil:
        block, index = _block(name), int(name.split("_")[1])
        counts = [sum(_block(other) == block for other in names) for names in (deep, pupil)]
        namesake = _layer(name)
        if name not in shallow:
            found[namesake] = (("deep", f"relu{block}_{min(index, counts[0])}"),)
        elif block == last and shallow != deep and index > counts[1] - counts[0]:
            found[namesake] = (("shallow", namesake), ("deep", f"relu{block}_{index - counts[1] + counts[0]}"))
        else:
            found[namesake] = (("shallow", namesake),)
    return found


def _layer(convolution: str) -> str:
    return convolution.replace("conv", "relu")


def _block(convolution: str) -> int:
    return int(convolution[4])
