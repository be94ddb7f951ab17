"""VGG (Simonyan and Zisserman 2014, arXiv 1409.1556) under the paper's names of layers, and mini, its small pupil."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from torch import Tensor, nn

from .backbone import Backbone
from .pooling import pooling_of

# Mean activation after max pooling over that after the other pooling, measured at pool1 and pool2 of VGG-19 on
# scikit-image's photographs (tools/pooling_scale.py prints them).
KEEP_SCALE = {"max": 1.0, "avg": 1.6, "l2": 1.4, "blur": 1.0}


Width = int | tuple[int | None, int, int]  # of a convolution; see `mini_net`

# VGG-16's topology. Fewer channels than it has where a picture is large; deeper, nearly all or all, told by fewer: a
# step costs a third of VGG-19's.
MINI_PLAN: tuple[Width | str, ...] = (
    *(24, 32, "M", 64, 80, "M"),
    *((None, 80, 208), (80, 80, 256), (80, 80, 256), "M"),
    *((128, 128, 512), (176, 176, 512), (208, 208, 512), "M"),
    *((288, 288, 512), (96, 96, 512), (96, 96, 512), "M"),
)


class LowRankConv2d(nn.Sequential):
    """A 3 x 3 convolution told by less: it reads a few mixtures of its inputs, and gives mixtures of a few responses.

    A convolution 1 x 1, one of 3 x 3, and one of 1 x 1 in turn, with nothing between them; the bias is the last one's
    (Kim et al. 2016, arXiv 1511.06530; Zhang et al. 2015, arXiv 1411.4229).

    Args:
        inputs: channels of the features.
        reads: how many mixtures of them the convolution sees; None for the features as they are.
        sees: how many responses it has.
        width: how many mixtures of these it gives.
    """

    def __init__(self, inputs: int, reads: int | None, sees: int, width: int):
        parts = OrderedDict[str, nn.Module]()
        if reads is not None:
            parts["read"] = nn.Conv2d(inputs, reads, 1, bias=False)
        parts["see"] = _conv3x3(inputs if reads is None else reads, sees, bias=False)
        parts["tell"] = nn.Conv2d(sees, width, 1)
        super().__init__(parts)


def named_vgg(features: nn.Sequential, pooling: str = "avg", keep_scale: bool = False) -> nn.Sequential:
    """Give torchvision's VGG layers the paper's names (conv1_1, relu1_1, ..., pool5) and the pooling asked for.

    In-place ReLUs are replaced: they would overwrite the convolution's response that a caller has captured.
    """
    named = nn.Sequential()
    block, index = 1, 0
    for module in features:
        if isinstance(module, nn.Conv2d | LowRankConv2d):
            index += 1
            named.add_module(f"conv{block}_{index}", module)
        elif isinstance(module, nn.ReLU):
            named.add_module(f"relu{block}_{index}", nn.ReLU(inplace=False))
        elif isinstance(module, nn.MaxPool2d):
            named.add_module(f"pool{block}", pooling_of(pooling, KEEP_SCALE[pooling] if keep_scale else 1.0))
            block, index = block + 1, 0
        else:
            raise TypeError(f"not a plain VGG: {module}")
    return named


def vgg_backbone(name: str, named: nn.Sequential) -> Backbone:
    """The backbone of a network that `named_vgg` gave."""
    nodes, strides, stride = {}, {}, 1
    for position, (layer, _) in enumerate(named.named_children()):
        stride *= 2 if layer.startswith("pool") else 1
        nodes[layer], strides[layer] = str(position), stride
    return Backbone(name, nn.Sequential(*named.children()), nodes, strides)


def mini_net(plan: Iterable[Width | str] = MINI_PLAN) -> nn.Sequential:
    """A VGG with random weights, in the topology and of the widths of a plan.

    Its convolutions continue the picture past its border by its outermost pixels; zeros there would teach a dark frame.

    Args:
        plan: in order, each convolution's width, or (reads, sees, width) of a `LowRankConv2d`, and "M" for poolings.
    """
    net, channels = nn.Sequential(), 3
    for width in plan:
        if isinstance(width, str):
            net.append(nn.MaxPool2d(2))
            continue
        net.append(_conv3x3(channels, width) if isinstance(width, int) else LowRankConv2d(channels, *width))
        net.append(nn.ReLU())
        channels = width if isinstance(width, int) else width[-1]
    return net


def plan_of(state: Mapping[str, Tensor]) -> list[Width | str]:
    """The plan of the `mini_net` that a state dict under the paper's names of layers belongs to; [] if to none."""
    widths: dict[tuple[int, int], Width] = {}
    for key, weight in state.items():
        named = re.fullmatch(r"conv(\d+)_(\d+)\.(tell\.)?weight", key)
        if named and weight.ndim == 4:
            place, (_, *mixed) = (int(named[1]), int(named[2])), weight.shape
            read = state.get(f"{key.removesuffix('tell.weight')}read.weight")
            reads = None if read is None or not read.ndim else len(read)
            widths[place] = (reads, mixed[0], len(weight)) if named[3] else len(weight)
    places = sorted(widths)
    plan: list[Width | str] = [widths[places[0]]] if places else []
    for before, after in pairwise(places):
        plan += [*(["M"] if after[0] > before[0] else []), widths[after]]
    return plan


def _conv3x3(inputs: int, outputs: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate", bias=bias)
