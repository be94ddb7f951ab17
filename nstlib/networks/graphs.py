"""The backbone of a network that is no plain sequence."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from .backbone import Backbone
from .receptive import receptive_fields, smallest_sides
from .tracing import graph_of

SIDE = 256  # pixels of a picture whose positions are counted


def graph_backbone(
    name: str, net: nn.Module, named: Callable[[Iterable[str]], Mapping[str, str]], **normalization: Any
) -> Backbone:
    """The backbone of a network of convolutions and poolings, which is set to evaluation mode.

    That is: its batch normalizations use the statistics of their training, and a picture's responses do not depend on
    those beside it. Where positions lie in a picture comes from the arithmetic of windows, see `receptive`.

    Args:
        name: of the backbone.
        net: the network.
        named: from its nodes that have positions, in order, to layer name to node.
        normalization: `mean` and `std` of the pictures that it takes, where they are not ImageNet's.
    """
    net.eval()
    graph = graph_of(net)
    fields, smallest = receptive_fields(graph, SIDE), smallest_sides(graph)
    nodes = dict(named(fields))
    return Backbone(
        name,
        net,
        nodes,
        strides={layer: fields[node].stride for layer, node in nodes.items()},
        overhangs={layer: fields[node].overhang for layer, node in nodes.items()},
        smallest={layer: smallest[node] for layer, node in nodes.items() if smallest[node] > fields[node].stride},
        **normalization,
    )
