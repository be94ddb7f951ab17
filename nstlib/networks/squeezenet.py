"""SqueezeNet 1.1 as a backbone (Iandola et al. 2016, arXiv 1602.07360), cut off before its classifier.

Its layers have the paper's names, `conv1`, `relu1`, `pool1`, `fire2`, ..., `fire9`, where a fire module's response is
its rectified branches side by side, and torchvision's node names. Like VGG it adds nothing to what it has; unlike VGG
it has a stride of 2 in the first convolution, and does not continue a picture past its border there and in its pools.
"""

from collections.abc import Iterable

import torch
import torchvision
from torch import nn

from .backbone import Backbone
from .graphs import graph_backbone
from .pooling import blur_strides, pooling_of

# Mean activation after max pooling over that after the other pooling, a mean over the three, on photographs.
KEEP_SCALE = {"max": 1.0, "avg": 2.45, "l2": 1.8, "blur": 1.0}
SHORT = {
    **{"features.0": "conv1", "features.1": "relu1", "features.2": "pool1", "features.5": "pool3"},
    **{"features.8": "pool5", "features.3.cat": "fire2", "features.4.cat": "fire3", "features.6.cat": "fire4"},
    **{"features.7.cat": "fire5", "features.9.cat": "fire6", "features.10.cat": "fire7"},
    **{"features.11.cat": "fire8", "features.12.cat": "fire9"},
}


class Trunk(nn.Module):
    """SqueezeNet's `features` alone, under the names that they have in the whole network."""

    def __init__(self, features: nn.Sequential):
        super().__init__()
        self.features = features

    def forward(self, normalized: torch.Tensor) -> torch.Tensor:
        """From a normalized picture to the deepest response."""
        found: torch.Tensor = self.features(normalized)
        return found


def squeezenet_without_weights() -> Trunk:
    """The trunk of torchvision's SqueezeNet 1.1; its parameters are on the device "meta", and take no memory."""
    with torch.device("meta"):
        return Trunk(torchvision.models.squeezenet1_1(weights=None).features).eval()


def squeezenet_backbone(name: str, net: Trunk, pooling: str = "blur", keep_scale: bool = False) -> Backbone:
    """The backbone of a SqueezeNet's trunk; its three poolings are replaced by those asked for."""
    scale = KEEP_SCALE[pooling] if keep_scale else 1.0
    for place, module in enumerate(net.features):
        if isinstance(module, nn.MaxPool2d):
            net.features[place] = pooling_of(pooling, scale, window=3, stride=2, ceil_mode=True)
    if pooling == "blur":
        blur_strides(net)
    return graph_backbone(name, net, _with_short_names)


def _with_short_names(nodes: Iterable[str]) -> dict[str, str]:
    """Layer name to node; behind a node with a short name, that."""
    layers: dict[str, str] = {}
    for node in nodes:
        if node != "normalized":
            layers |= {node: node} | ({SHORT[node]: node} if node in SHORT else {})
    return layers
