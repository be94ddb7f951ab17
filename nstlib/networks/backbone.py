"""A frozen network whose features the losses compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """A network ready for extraction.

    Attributes:
        name: what `load_backbone` was asked for.
        net: the network, in evaluation mode, with no gradient for its parameters. It takes a normalized picture. Its
            in-place modules are told not to be: they would overwrite a response that a caller has captured.
        nodes: for each layer that can be asked for, what computes it: a position in a plain `nn.Sequential`, else a
            node of the network's graph, as torchvision's `get_graph_node_names` calls it.
        strides: for each layer that can be asked for, in order of depth, how many pixels of the picture one of its
            positions stands for.
        overhangs: by how many pixels the first of these begins before the picture, where it does, as in networks whose
            windows lie around every second pixel; negative where it begins later, as in networks that do not continue
            a picture past its border.
        smallest: for a layer that needs more than its stride, the smallest side of a picture that reaches it.
        mean, std: the normalization (sRGB in [0, 1]) that the network was trained with, one value a channel.
        recipe: the arguments of `load_backbone` that build it again; None for one that was built in another way.
    """

    name: str
    net: nn.Module
    nodes: Mapping[str, str]
    strides: Mapping[str, int]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    overhangs: Mapping[str, int] = field(default_factory=dict)
    smallest: Mapping[str, int] = field(default_factory=dict)
    recipe: Mapping[str, Any] | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        for module in self.net.modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]

    @property
    def layers(self) -> list[str]:
        """Names of the layers, from the picture to the deepest."""
        return list(self.strides)

    def smallest_side(self, layer: str) -> int:
        """Pixels that a picture needs on each side to reach a layer."""
        return max(self.strides[layer], self.smallest.get(layer, 0))
