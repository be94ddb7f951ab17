"""Networks as ONNX: one file that paints in programs and pages without PyTorch, and without this package.

The graph is written here, node by node, in place of being traced from torch's: so every size of picture goes in and
comes out, a normalization is the one operator that runtimes have for it, and nothing but the package onnx is needed.
"""

import os
from collections.abc import Mapping
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..base.checks import instance, known_arguments
from ..errors import InputError, MissingPackage
from .files import metadata_of, path_of_network, write_complete
from .layers import DARKEST, EPS, SMALLEST, STRIDE, Convolution
from .network import LAST, StyleNetwork

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET, IR = 17, 8  # of 2022: every onnxruntime since 1.13 reads them, also the one for web pages
INPUTS, OUTPUT = ("pictures", "shares"), "painted"


@known_arguments
def save_onnx(
    network: StyleNetwork,
    path: str | os.PathLike[str],
    notes: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
) -> Path:
    """Save a network as ONNX, for onnxruntime (also in web pages) and whatever else reads it.

    The graph has two inputs: `pictures`, float32 (B, 3, H, W) in [0, 1], of any size and number; and `shares`, float32
    (1, styles), how much of each style, in the order of the network's: mixes and strengths are chosen at run time. What
    the shares lack to the sum 1 is the picture itself, so the strength is their sum. Its output is `painted`, float32
    (B, 3, H, W) in [0, 1], of the size of the pictures. The metadata hold the names of the styles, the network's
    settings and its notes, each as JSON.

    Example:
        >>> nst.save_onnx(nst.load_network(), "styles.onnx", half=True)
        >>> session = onnxruntime.InferenceSession("styles.onnx")
        >>> styles = json.loads(session.get_modelmeta().custom_metadata_map["styles"])
        >>> shares = numpy.array([[0.8 * (name == "swirls") for name in styles]], numpy.float32)
        >>> (painted,) = session.run(["painted"], {"pictures": pictures, "shares": shares})

    Args:
        network: of any precision, on any device.
        path: of the file; it is complete, or as it was.
        notes: how it was trained, or whatever else JSON can hold; without them, the network's own.
        half: keep the weights in half precision: half the size, 0.9 MB for the bundled network. It computes in float32
            all the same, and a network that `load_network` gave has no more digits to lose.

    Returns:
        The path.

    Raises:
        InputError: weights that are not finite, notes that JSON cannot hold, or a file that cannot be written.
        MissingPackage: onnx is not installed.
    """
    path = path_of_network(path)
    model = onnx_of(instance("the network", StyleNetwork, network), notes, half=half)
    data = model.SerializeToString()
    return write_complete(path, lambda part: part.write_bytes(data))


def onnx_of(network: StyleNetwork, notes: Mapping[str, Any] | None = None, *, half: bool = False) -> "ModelProto":
    """The network as ONNX in memory; arguments and errors as in `save_onnx`."""
    graph = _Graph(half)
    _write(graph, network)
    return graph.model(len(network.styles), metadata_of(network, notes))


class _Graph:
    """Nodes and constants of a graph. Its methods add a node each, and give the name of what comes out."""

    def __init__(self, half: bool):
        try:
            import onnx
        except ImportError as error:
            raise MissingPackage('ONNX files need onnx; install it with: pip install "nstlib[onnx]"') from error
        self._onnx, self._half = onnx, half
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}

    def add(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """A node with one output."""
        name = out or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weights(self, name: str, values: Tensor) -> str:
        """Parameters of the network, in float32; kept in half precision where they shall be."""
        kept = values.detach().to("cpu", torch.float16 if self._half else torch.float32)
        if not kept.isfinite().all():
            precision = "half precision" if self._half else "float32"
            raise InputError(f"{name} holds numbers that are not finite, or too large for {precision}; train anew")
        stored = self._constant(f"{name}.half" if self._half else name, kept.contiguous().numpy())
        return self.add("Cast", stored, out=name, to=self._onnx.TensorProto.FLOAT) if self._half else stored

    def wholes(self, *values: int) -> str:
        """Whole numbers, int64 (n,)."""
        return self._constant("_".join(["int", *map(str, values)]), np.array(values, np.int64))

    def numbers(self, *values: float) -> str:
        """Numbers in float32, (n,)."""
        return self._constant("_".join(["float", *map(str, values)]), np.array(values, np.float32))

    def number(self, value: float) -> str:
        """A number in float32, ()."""
        return self._constant(f"scalar_{value}", np.array(value, np.float32))

    def as_whole(self, truths: str) -> str:
        """1 for true and 0 for false."""
        return self.add("Cast", truths, to=self._onnx.TensorProto.INT64)

    def _constant(self, name: str, values: "np.ndarray[Any, Any]") -> str:
        if name not in self._constants:
            self._constants[name] = self._onnx.numpy_helper.from_array(values, name)
        return name

    def model(self, styles: int, metadata: Mapping[str, str]) -> "ModelProto":
        """All of it, with what it takes and gives."""
        helper, real = self._onnx.helper, self._onnx.TensorProto.FLOAT
        shape = ("batch", 3, "height", "width")
        shapes = zip(INPUTS, (shape, (1, styles)), strict=True)
        taken = [helper.make_tensor_value_info(name, real, each) for name, each in shapes]
        given = [helper.make_tensor_value_info(OUTPUT, real, shape)]
        graph = helper.make_graph(self._nodes, "nstlib", taken, given, list(self._constants.values()))
        opset = [helper.make_opsetid("", OPSET)]
        model: ModelProto = helper.make_model(graph, opset_imports=opset, ir_version=IR, producer_name="nstlib")
        helper.set_model_props(model, dict(metadata))
        return model


def _write(graph: _Graph, network: StyleNetwork) -> None:
    """What `StyleNetwork.forward` does, as nodes."""
    pictures, shares = INPUTS
    size = graph.add("Slice", graph.add("Shape", pictures), graph.wholes(2), graph.wholes(4))  # (H, W)
    whole = _continued(graph, pictures, size)
    affines, skip = _rows(graph, network, shares)
    names = {module: name for name, module in network.named_modules()}

    def layer(maps: str, convolution: Convolution) -> str:
        response = _convolved(graph, maps, convolution, f"{names[convolution]}.weight")
        return graph.add("InstanceNormalization", response, affines.pop(0), affines.pop(0), epsilon=EPS)

    *others, last = network.convolutions
    shrinking, residual, growing = others[:3], others[3:-2], others[-2:]
    maps = whole
    for convolution in shrinking:
        maps = graph.add("Relu", layer(maps, convolution))
    for first, second in zip(residual[::2], residual[1::2], strict=True):
        maps = graph.add("Add", maps, layer(graph.add("Relu", layer(maps, first)), second))
    for convolution in growing:
        maps = graph.add("Relu", layer(maps, convolution))
    painted = _colored(graph, layer(maps, last), whole, skip)
    graph.add("Slice", painted, graph.wholes(0, 0), size, graph.wholes(2, 3), out=OUTPUT)


def _continued(graph: _Graph, pictures: str, size: str) -> str:
    """What `layers.continued` does: by reflection up to a multiple of the stride, or by the outermost pixels."""
    up = graph.add("Add", size, graph.wholes(STRIDE - 1))
    multiple = graph.add("Mul", graph.add("Div", up, graph.wholes(STRIDE)), graph.wholes(STRIDE))
    more = graph.add("Sub", graph.add("Max", multiple, graph.wholes(SMALLEST)), size)
    reflects = graph.as_whole(graph.add("Less", more, size))
    by_reflection = graph.add("Mul", more, reflects)
    by_edge = graph.add("Sub", more, by_reflection)
    for mode, length in (("edge", by_edge), ("reflect", by_reflection)):
        pads = graph.add("Concat", graph.wholes(0, 0, 0, 0, 0, 0), length, axis=0)
        pictures = graph.add("Pad", pictures, pads, mode=mode)
    return pictures


def _rows(graph: _Graph, network: StyleNetwork, shares: str) -> tuple[list[str], str]:
    """gamma and beta of each normalization in turn, (C,) each, and how much of the picture is added, (1,)."""
    itself = torch.zeros(LAST)
    itself[-1] = 1.0
    content = graph.weights("content", torch.cat([network.content.detach().to("cpu", torch.float32), itself]))
    rows = graph.weights("rows", torch.stack(list(network.rows)))
    # A runtime takes the difference once, when it loads the file.
    mixed = graph.add("Gemm", shares, graph.add("Sub", rows, content), content)
    flat = graph.add("Reshape", mixed, graph.wholes(-1))
    widths = [len(convolution.weight) for convolution in network.convolutions for _ in range(2)]
    ends = list(accumulate([*widths, 1], initial=0))
    # Not a Split: WebGPU allows a program ten buffers, so as many outputs fail there.
    parts = [graph.add("Slice", flat, graph.wholes(start), graph.wholes(end)) for start, end in pairwise(ends)]
    return parts[:-1], parts[-1]


def _convolved(graph: _Graph, maps: str, convolution: Convolution, name: str) -> str:
    """What a convolution sees of maps that are enlarged, then continued by reflection."""
    if convolution.enlarge > 1:
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        scales = graph.numbers(1, 1, convolution.enlarge, convolution.enlarge)
        maps = graph.add("Resize", maps, "", scales, **how)
    reach, stride = convolution.reach, convolution.stride
    if reach:
        maps = graph.add("Pad", maps, graph.wholes(0, 0, reach, reach, 0, 0, reach, reach), mode="reflect")
    return graph.add("Conv", maps, graph.weights(name, convolution.weight), strides=[stride, stride])


def _colored(graph: _Graph, colors: str, pictures: str, skip: str) -> str:
    """What `layers.colored` does: sigmoid(x + skip * logit(p))."""
    inside = graph.add("Clip", pictures, graph.number(DARKEST), graph.number(1 - DARKEST))
    odds = graph.add("Div", inside, graph.add("Sub", graph.number(1.0), inside))
    return graph.add("Sigmoid", graph.add("Add", colors, graph.add("Mul", skip, graph.add("Log", odds))))
