"""Networks as ONNX: one file that paints in programs and pages without PyTorch, and without this package.

The graph is written here, node by node, in place of being traced from torch's: so every size of picture goes in and
comes out, a normalization is the one operator that runtimes have for it, and nothing but the package onnx is needed.
"""

import math
import os
from collections.abc import Mapping
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from ..base.checks import instance, known_arguments
from ..errors import InputError, MissingPackage
from ..extractor import is_sequence
from ..networks.vgg import LowRankConv2d
from .any_style import QUIET
from .files import metadata_of, path_of_network, write_complete
from .layers import DARKEST, EPS, SMALLEST, STRIDE, Convolution
from .network import LAST, StyleNetwork
from .predicting import FARTHEST, PredictingNetwork

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET, IR = 17, 8  # of 2022: every onnxruntime since 1.13 reads them, also the one for web pages
Shape = tuple[int | str, ...]
PICTURES: Shape = ("batch", 3, "height", "width")
PADDINGS = {"zeros": "constant", "replicate": "edge", "reflect": "reflect"}
POOLINGS: dict[type[nn.Module], str] = {nn.AvgPool2d: "AveragePool", nn.MaxPool2d: "MaxPool"}


@known_arguments
def save_onnx(
    network: StyleNetwork | PredictingNetwork,
    path: str | os.PathLike[str],
    notes: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
    look: str | os.PathLike[str] | None = None,
) -> Path:
    """Save a network as ONNX, for onnxruntime (also in web pages) and whatever else reads it.

    The graph has two inputs: `pictures`, float32 (B, 3, H, W) in [0, 1], of any size and number; and `shares`, float32
    (1, styles), how much of each style, in the order of the network's: mixes and strengths are chosen at run time. What
    the shares lack to the sum 1 is the picture itself, so the strength is their sum. Its output is `painted`, float32
    (B, 3, H, W) in [0, 1], of the size of the pictures. The metadata hold the names of the styles, the network's
    settings and its notes, each as JSON.

    A network for any style becomes two files. What paints has one input more: `rows`, float32 (styles, numbers), what
    is known of each style; the shares, (1, styles), are of these, and `network.rows` are those that it knows. What
    looks at paintings, `look`, makes such rows: from `paintings`, float32 (B, 3, H, W) in [0, 1], to `rows`, (B,
    numbers). Look at one whose longer side has 256 pixels, as `add_style` does.

    Example:
        >>> nst.save_onnx(nst.load_network(), "styles.onnx", half=True)
        >>> session = onnxruntime.InferenceSession("styles.onnx")
        >>> styles = json.loads(session.get_modelmeta().custom_metadata_map["styles"])
        >>> shares = numpy.array([[0.8 * (name == "swirls") for name in styles]], numpy.float32)
        >>> (painted,) = session.run(["painted"], {"pictures": pictures, "shares": shares})
        >>> nst.save_onnx(nst.load_any_style(), "any.onnx", look="look.onnx", half=True)

    Args:
        network: a `StyleNetwork` or a `PredictingNetwork`, of any precision, on any device.
        path: of the file; it is complete, or as it was.
        notes: how it was trained, or whatever else JSON can hold; without them, the network's own.
        half: keep the weights in half precision: half the size, 0.9 MB for the bundled network. It computes in float32
            all the same, and a network that `load_network` gave has no more digits to lose.
        look: of a network for any style: the file of what looks at paintings. Its encoder must be a plain sequence, as
            mini and VGG are.

    Returns:
        The path.

    Raises:
        InputError: weights that are not finite, notes that JSON cannot hold, or a file that cannot be written.
        MissingPackage: onnx is not installed.
    """
    models = {path_of_network(path): onnx_of(network, notes, half=half)}
    if look is not None:
        if not isinstance(network, PredictingNetwork):
            raise InputError("look is for a network for any style, a PredictingNetwork; this one looks at no paintings")
        models[path_of_network(look)] = onnx_of_look(network, notes, half=half)
    if len(models) < 1 + (look is not None):
        raise InputError(f"path and look are both {os.fspath(path)!r:.80}; give each a file of its own")
    written = [_written(model, place) for place, model in models.items()]
    return written[0]


def onnx_of(
    network: StyleNetwork | PredictingNetwork, notes: Mapping[str, Any] | None = None, *, half: bool = False
) -> "ModelProto":
    """What paints as ONNX in memory; arguments and errors as in `save_onnx`."""
    graph = _Graph(half)
    if isinstance(network, PredictingNetwork):
        taken = {"pictures": PICTURES, "rows": ("styles", network.rows.shape[1]), "shares": (1, "styles")}
        _write(graph, network.painter, _foretold(graph, network))
    else:
        instance("the network", StyleNetwork, network)
        taken = {"pictures": PICTURES, "shares": (1, len(network.styles))}
        _write(graph, network, graph.weights("rows", torch.stack(list(network.rows))))
    return graph.model(taken, {"painted": PICTURES}, metadata_of(network, notes))


def onnx_of_look(
    network: PredictingNetwork, notes: Mapping[str, Any] | None = None, *, half: bool = False
) -> "ModelProto":
    """What looks at paintings as ONNX in memory; arguments and errors as in `save_onnx`."""
    graph = _Graph(half)
    _write_look(graph, network)
    shape = ("batch", network.rows.shape[1])
    return graph.model({"paintings": PICTURES}, {"rows": shape}, metadata_of(network, notes))


def _written(model: "ModelProto", path: Path) -> Path:
    data = model.SerializeToString()
    return write_complete(path, lambda part: part.write_bytes(data))


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

    def exact(self, name: str, values: Tensor) -> str:
        """A few numbers by which others are measured, always in float32."""
        return self._constant(name, values.detach().to("cpu", torch.float32).contiguous().numpy())

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

    def model(
        self, takes: Mapping[str, Shape], gives: Mapping[str, Shape], metadata: Mapping[str, str]
    ) -> "ModelProto":
        """All of it, with what it takes and gives, each of a shape."""
        helper, real = self._onnx.helper, self._onnx.TensorProto.FLOAT
        taken, given = (
            [helper.make_tensor_value_info(name, real, shape) for name, shape in each.items()]
            for each in (takes, gives)
        )
        graph = helper.make_graph(self._nodes, "nstlib", taken, given, list(self._constants.values()))
        opset = [helper.make_opsetid("", OPSET)]
        model: ModelProto = helper.make_model(graph, opset_imports=opset, ir_version=IR, producer_name="nstlib")
        helper.set_model_props(model, dict(metadata))
        return model


def _write(graph: _Graph, network: StyleNetwork, rows: str) -> None:
    """What `StyleNetwork.forward` does with these rows (styles, numbers), as nodes."""
    size = _size(graph, "pictures")
    whole = _continued(graph, "pictures", size)
    affines, skip = _mixed(graph, network, rows)
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
    graph.add("Slice", painted, graph.wholes(0, 0), size, graph.wholes(2, 3), out="painted")


def _size(graph: _Graph, maps: str) -> str:
    """(H, W) of maps (B, C, H, W)."""
    return graph.add("Slice", graph.add("Shape", maps), graph.wholes(2), graph.wholes(4))


def _continued(graph: _Graph, pictures: str, size: str, stride: int = STRIDE, smallest: int = SMALLEST) -> str:
    """What `layers.continued` does: by reflection up to a multiple of the stride, or by the outermost pixels."""
    up = graph.add("Add", size, graph.wholes(stride - 1))
    multiple = graph.add("Mul", graph.add("Div", up, graph.wholes(stride)), graph.wholes(stride))
    more = graph.add("Sub", graph.add("Max", multiple, graph.wholes(smallest)), size)
    reflects = graph.as_whole(graph.add("Less", more, size))
    by_reflection = graph.add("Mul", more, reflects)
    by_edge = graph.add("Sub", more, by_reflection)
    for mode, length in (("edge", by_edge), ("reflect", by_reflection)):
        pads = graph.add("Concat", graph.wholes(0, 0, 0, 0, 0, 0), length, axis=0)
        pictures = graph.add("Pad", pictures, pads, mode=mode)
    return pictures


def _mixed(graph: _Graph, network: StyleNetwork, rows: str) -> tuple[list[str], str]:
    """gamma and beta of each normalization in turn, (C,) each, and how much of the picture is added, (1,)."""
    itself = torch.zeros(LAST)
    itself[-1] = 1.0
    content = graph.weights("content", torch.cat([network.content.detach().to("cpu", torch.float32), itself]))
    # A runtime takes the difference of two constants once, when it loads the file.
    mixed = graph.add("Gemm", "shares", graph.add("Sub", rows, content), content)
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


def _foretold(graph: _Graph, network: PredictingNetwork) -> str:
    """Rows of the painter from the input `rows`, as `Predictor.forward` foretells them."""
    predictor = network.predictor
    away = graph.add("Sub", _logarithms(graph, "rows"), graph.exact("center", predictor.center))
    seen = graph.add("Div", away, graph.exact("spread", predictor.spread))
    colors = graph.add("Slice", seen, graph.wholes(0), graph.wholes(predictor.straight.in_features), graph.wholes(1))
    near = graph.add("Tanh", graph.add("Mul", colors, graph.number(1 / FARTHEST)))
    squeezed = graph.add("Tanh", _linear(graph, seen, predictor.squeeze, "squeeze"))
    first = _linear(graph, graph.add("Mul", near, graph.number(FARTHEST)), predictor.straight, "straight")
    difference = graph.add("Add", first, _linear(graph, squeezed, predictor.spell, "spell"))
    return graph.add("Add", difference, graph.weights("usual", network.painter.rows[0]))


def _logarithms(graph: _Graph, rows: str) -> str:
    """What `any_style.logarithms` does: log(x + QUIET), and below 0 as the other way from 0."""
    loud = graph.add("Mul", graph.add("Abs", rows), graph.number(1 / QUIET))
    logarithm = graph.add("Log", graph.add("Add", loud, graph.number(1.0)))
    signed = graph.add("Mul", graph.add("Sign", rows), logarithm)
    return graph.add("Add", signed, graph.number(math.log(QUIET)))


def _linear(graph: _Graph, numbers: str, layer: nn.Linear, name: str) -> str:
    bias = [] if layer.bias is None else [graph.weights(f"{name}.bias", layer.bias)]
    return graph.add("Gemm", numbers, graph.weights(f"{name}.weight", layer.weight), *bias, transB=1)


def _write_look(graph: _Graph, network: PredictingNetwork) -> None:
    """What `AnyStyleNetwork.row_of` does, as nodes."""
    encoder, stride, smallest = network.encoder, network.seen_stride, network.seen_smallest
    maps = _continued(graph, "paintings", _size(graph, "paintings"), stride, smallest)
    maps = graph.add("Sub", maps, graph.exact("mean", encoder.mean))
    maps = graph.add("Div", maps, graph.exact("std", encoder.std))
    if encoder.sees != "colors" or encoder.smoothing is not None:
        raise InputError("the encoder sees luminance alone, or is smoothed; only what it sees of colors can be written")
    if not is_sequence(encoder.net, encoder.backbone.nodes.values()):
        raise InputError(
            f"{encoder.backbone.name} is no plain sequence of layers; only what mini or VGG see is written"
        )
    nodes = {layer: int(encoder.backbone.nodes[layer]) for layer in network.layers}
    moments = {}
    for node, module in enumerate(encoder.net[: max(nodes.values()) + 1]):
        maps = _seen(graph, maps, module, f"encoder.{node}")
        if node in nodes.values():
            moments[node] = _moments(graph, maps)
    graph.add("Concat", *(each for layer in network.layers for each in moments[nodes[layer]]), axis=1, out="rows")


def _seen(graph: _Graph, maps: str, module: nn.Module, name: str) -> str:
    """What a layer of the encoder makes of maps."""
    if isinstance(module, nn.ReLU):
        return graph.add("Relu", maps)
    if isinstance(module, LowRankConv2d):
        for part, convolution in module.named_children():
            maps = _seen(graph, maps, convolution, f"{name}.{part}")
        return maps
    if _is_plain_convolution(module):
        height, width = (int(each) for each in module.padding)
        if height or width:
            pads = graph.wholes(0, 0, height, width, 0, 0, height, width)
            maps = graph.add("Pad", maps, pads, mode=PADDINGS[module.padding_mode])
        bias = [] if module.bias is None else [graph.weights(f"{name}.bias", module.bias)]
        return graph.add(
            "Conv", maps, graph.weights(f"{name}.weight", module.weight), *bias, strides=list(module.stride)
        )
    if type(module) in POOLINGS and not module.padding and not module.ceil_mode:
        window, stride = ([size, size] for size in (module.kernel_size, module.stride))
        return graph.add(POOLINGS[type(module)], maps, kernel_shape=window, strides=stride)
    raise InputError(f"the encoder has a layer {type(module).__name__}, which cannot be written as ONNX")


def _is_plain_convolution(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether a layer is nothing but a convolution, such as VGG's: one that also blurs is of a class of its own."""
    if type(module) is not nn.Conv2d or isinstance(module.padding, str):
        return False
    return module.groups == 1 and set(module.dilation) == {1} and module.padding_mode in PADDINGS


def _moments(graph: _Graph, maps: str) -> tuple[str, str]:
    """Mean and deviation of each channel, (B, C) each, as `any_style.moments` has them."""
    mean = graph.add("ReduceMean", maps, axes=[2, 3])
    away = graph.add("Sub", maps, mean)
    variance = graph.add("ReduceMean", graph.add("Mul", away, away), axes=[2, 3], keepdims=0)
    deviation = graph.add("Sqrt", graph.add("Add", variance, graph.number(EPS)))
    return graph.add("Squeeze", mean, graph.wholes(2, 3)), deviation
