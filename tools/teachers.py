"""The networks that the bundled backbone learns from, and its own in training."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from nstlib.backbones import IMAGENET_MEAN, IMAGENET_STD, load_backbone, read_weights
from nstlib.errors import WeightsUnavailable
from nstlib.networks.vgg import LowRankConv2d, Width, mini_net, named_vgg


class Vgg:
    """A VGG with both kinds of pooling over the same convolutions."""

    def __init__(self, features: nn.Sequential):
        self.features = features.to(memory_format=torch.channels_last)
        self.named = {pooling: named_vgg(features, pooling) for pooling in ("avg", "max")}

    @property
    def convolutions(self) -> dict[str, nn.Conv2d | LowRankConv2d]:
        """Name to convolution, in order of depth."""
        return {name: m for name, m in self.named["avg"].named_children() if name.startswith("conv")}

    @property
    def layers(self) -> list[str]:
        """Names of all layers, in order of depth."""
        return [name for name, _ in self.named["avg"].named_children()]

    def width_of(self, name: str) -> int:
        """How many channels a convolution gives."""
        return len(list(self.convolutions[name].parameters())[-1])

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
        source: "vgg16" or "vgg19" for torchvision's networks, or a file: a state dict of one of torchvision's VGGs
            without batch normalization, of its `features` or of their first layers, or one of the published
            "vgg_normalised" files, which open with a 1x1 convolution on RGB in [0, 1].
        padding_mode: how convolutions continue the picture past its border.

    Raises:
        WeightsUnavailable: no file, or one of another network.
    """
    if source in ("vgg16", "vgg19"):
        state = load_backbone(str(source)).net.state_dict()
    else:
        state = read_weights(Path(source), partial(torch.load, map_location="cpu", weights_only=True))
    try:
        plan, convolutions = _read(state)
    except (KeyError, IndexError, ValueError) as error:
        raise WeightsUnavailable(f"{source} holds no VGG's weights, which are called features.0.weight, ...") from error
    features = mini_net(plan)
    with torch.no_grad():
        for module, (weight, bias) in zip(_convs(features), convolutions, strict=True):
            module.weight.copy_(weight)
            module.bias.copy_(bias)
            module.padding_mode = padding_mode
    return Vgg(features.eval().requires_grad_(False))


def _read(state: Mapping[str, Tensor]) -> tuple[list[Width | str], list[tuple[Tensor, Tensor]]]:
    """The plan that `mini_net` takes, and each convolution's weight and bias."""
    state = {key.removeprefix("features."): value.float() for key, value in state.items()}
    state = {key: value for key, value in state.items() if not key.startswith("classifier.")}
    places = sorted(int(key.removesuffix(".weight")) for key in state if key.endswith(".weight"))
    convolutions = [(state[f"{at}.weight"], state[f"{at}.bias"]) for at in places]
    if convolutions[0][0].shape[-1] == 1:
        first, second, *rest = convolutions
        places, convolutions = places[1:], [_fold(*first, *second), *rest]
    plan: list[Width | str] = [len(convolutions[0][0])]
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


def narrower(teacher: Vgg, plan: Sequence[Width | str]) -> Vgg:
    """A pupil of the teacher's topology with random weights, not trained.

    Args:
        plan: as `mini_net` takes it. A block that is longer in the teacher goes on with its last width.
    """
    blocks = [list(block) for pooling, block in groupby(plan, lambda width: width == "M") if not pooling]
    widths: list[Width | str] = []
    for name, _ in teacher.named["avg"].named_children():
        if name.startswith("conv"):
            block = blocks[int(name[4]) - 1]
            widths.append(block.pop(0) if len(block) > 1 else block[0])
        elif name.startswith("pool"):
            widths.append("M")
    return Vgg(mini_net(widths))
