"""The part of a network that some nodes of its graph need, for networks that are no plain sequence."""

import copy
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from torch import Tensor, fx, nn
from torchvision.models import feature_extraction

from ..errors import InputError, brief
from .pooling import BlurPool2d, BlurredConv2d, L2Pool2d, ScaledPool2d

TRACING = threading.Lock()
WHOLE = [BlurPool2d, BlurredConv2d, L2Pool2d, ScaledPool2d]  # modules that are one node each


class _OneThread(feature_extraction.NodePathTracer):  # type: ignore[misc]
    """A tracer that lets other threads be.

    While torch.fx traces, every module of the process calls the tracer in place of its own `forward`. It knows only the
    network that it traces, so a run in another thread would fail there.

    It looks into torchvision's own modules too, which `create_feature_extractor` takes as a whole: some have strides.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**{**kwargs, "leaf_modules": WHOLE})
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """Note the call, or leave it as it is."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Note the use of a parameter, or leave it as it is."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


@dataclass(frozen=True)
class Graph:
    """A network's graph.

    Attributes:
        names: of its nodes in order, as torchvision's `get_graph_node_names` has them.
        modules: what they call, by the names in the network.
    """

    names: Mapping[fx.Node, str]
    modules: Mapping[str, nn.Module]


def graph_of(net: nn.Module) -> Graph:
    """The graph of a network in evaluation mode."""
    tracer = _OneThread()
    with TRACING:
        tracer.trace(net)
    return Graph(dict(tracer.node_to_qualname), dict(net.named_modules()))


def traced(net: nn.Module, nodes: Mapping[str, str]) -> nn.Module:
    """A module that gives the responses of the nodes by the names that they are mapped to; none is overwritten."""
    with (
        TRACING,
        patch.object(feature_extraction, "NodePathTracer", _OneThread),
    ):  # one at a time: each patches torch
        try:
            cut = feature_extraction.create_feature_extractor(net, dict(nodes))
        except ValueError as error:  # no such node
            raise InputError(
                f"the network has not all of the nodes {', '.join(nodes)}: {brief(error)}; a node is a position in a "
                "plain nn.Sequential, or a name of torchvision's get_graph_node_names"
            ) from error
    _keep_responses(cut)
    return _Evaluating(cut).eval()


def _keep_responses(cut: fx.GraphModule) -> None:
    """Let no function work in place; modules that do were told not to by `Backbone`."""
    for node in cut.graph.nodes:
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
    cut.recompile()


class _Evaluating(nn.Module):
    """A graph that stays in evaluation mode in copies too: torch.fx puts what it copies into training mode."""

    def __init__(self, graph: nn.Module):
        super().__init__()
        self._graph = graph

    def forward(self, normalized: Tensor) -> dict[str, Tensor]:
        """From a normalized picture to the responses."""
        found: dict[str, Tensor] = self._graph(normalized)
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Evaluating":
        return _Evaluating(copy.deepcopy(self._graph, memo)).eval()
