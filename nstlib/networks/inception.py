"""Inception v3 as a backbone (Szegedy et al. 2015, arXiv 1512.00567), cut off before its classifier.

Its layers have torchvision's node names; what a module gives also has the module's: `Conv2d_2b_3x3`, `Mixed_5d`, ... It
does not continue a picture past its border in its stem: at 256 pixels its maps have 127, 125, 62, 60, 29, 14 and 6
positions on a side, and the first position of `Mixed_5d` lies 13 pixels inside. A request for another pooling replaces
the two of the stem; those among the branches of `Mixed_6a` and `Mixed_7a` stay.
"""

import re
from collections.abc import Iterable

import torch
import torchvision
from torch import nn
from torchvision.models import Inception3

from .backbone import Backbone
from .graphs import graph_backbone
from .pooling import blur_strides, pooling_of

# Mean activation after max pooling over that after the other pooling, measured with random weights on photographs.
KEEP_SCALE = {"max": 1.0, "avg": 1.45, "l2": 1.35, "blur": 1.0}
# Torchvision brings ImageNet's normalization to this one inside the network; here the picture comes in this one.
HALF = (0.5, 0.5, 0.5)
NOT_LAYERS = ("x", "avgpool", "dropout", "flatten", "fc")


def inception_without_weights() -> Inception3:
    """Torchvision's, without classifiers; its parameters are on the device "meta", and take no memory."""
    with torch.device("meta"):
        net = torchvision.models.inception_v3(weights=None, aux_logits=False, init_weights=False)
    net.avgpool, net.dropout, net.fc = nn.Identity(), nn.Identity(), nn.Identity()
    return net.eval()


def inception_backbone(name: str, net: Inception3, pooling: str = "blur", keep_scale: bool = False) -> Backbone:
    """The backbone of an Inception v3; it gets the pooling asked for."""
    scale = KEEP_SCALE[pooling] if keep_scale else 1.0
    net.maxpool1, net.maxpool2 = (pooling_of(pooling, scale, window=3, stride=2) for _ in range(2))
    if pooling == "blur":
        blur_strides(net)
    return graph_backbone(name, net, _with_short_names, mean=HALF, std=HALF)


def _with_short_names(nodes: Iterable[str]) -> dict[str, str]:
    """Layer name to node, from the picture to the deepest; behind the last node of a module, its short name."""
    nodes = [node for node in nodes if node not in NOT_LAYERS]
    modules = {node.partition(".")[0]: node for node in nodes if re.match(r"(Conv2d|Mixed)_", node)}
    layers: dict[str, str] = {}
    for node in nodes:
        layers |= {node: node} | {short: node for short, last in modules.items() if last == node}
    return layers
