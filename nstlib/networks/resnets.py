"""Residual networks as backbones (He et al. 2015, arXiv 1512.03385), cut off before their classifier.

Their layers have torchvision's node names: `conv1`, `relu`, `layer2.0.bn1`, `layer2.0.add`, ... What a block gives, the
rectified sum `layer2.3.relu_2`, is also called `layer2.3`, and what a stage gives, `layer2`. Already the first
convolution has a stride of 2, and strides leave a grid in pictures, unless they are blurred: see `pooling`. A position
of `layer3` sees more of a picture than one of VGG-19's relu5_1.
"""

import re
from collections.abc import Iterable

import torch
import torchvision
from torch import nn
from torchvision.models import ResNet

from .backbone import Backbone
from .graphs import graph_backbone
from .pooling import blur_strides, pooling_of

# Mean activation after max pooling over that after the other pooling, measured with a ResNet-50 on photographs.
KEEP_SCALE = {"max": 1.0, "avg": 1.3, "l2": 1.25, "blur": 1.0}
NOT_LAYERS = ("x", "avgpool", "flatten", "fc")


def resnet_without_weights(name: str) -> ResNet:
    """A ResNet of torchvision's, without classifier; its parameters are on the device "meta", and take no memory."""
    with torch.device("meta"):
        net = torchvision.models.get_model(name, weights=None)
    net.avgpool, net.fc = nn.Identity(), nn.Identity()
    return net.eval()


def resnet_backbone(name: str, net: ResNet, pooling: str = "blur", keep_scale: bool = False) -> Backbone:
    """The backbone of a ResNet of torchvision's kind; it gets the pooling asked for.

    Convolutions with a stride are blurred too where the pooling is "blur".
    """
    net.maxpool = pooling_of(pooling, KEEP_SCALE[pooling] if keep_scale else 1.0, window=3, stride=2, padding=1)
    if pooling == "blur":
        blur_strides(net)
    return graph_backbone(name, net, _with_short_names)


def _with_short_names(nodes: Iterable[str]) -> dict[str, str]:
    """Layer name to node, from the picture to the deepest; behind the last node of a block, its short names."""
    nodes = [node for node in nodes if node not in NOT_LAYERS]
    blocks = {block.group(1): node for node in nodes if (block := re.match(r"(layer\d+\.\d+)\.", node))}
    stages = {block.partition(".")[0]: node for block, node in blocks.items()}
    layers: dict[str, str] = {}
    for node in nodes:
        layers[node] = node
        layers |= {short: node for short, last in (blocks | stages).items() if last == node}
    return layers
