"""Which networks there are, where their weights come from, and what their layers are called.

A backbone is a frozen network whose features the losses compare. `load_backbone` knows them by name and is open: a
function decorated with `register` adds a network, and no caller changes.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import requests
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from .base.checks import guess, one_of
from .base.devices import has_gpu, is_out_of_memory, usable_device
from .base.reporting import tell
from .errors import BackboneNotFound, InputError, OutOfMemory, WeightsUnavailable, brief
from .initializing import Seed, initialize

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MINI_WEIGHTS = Path(__file__).parent / "weights" / "mini.safetensors"
# Wide where the judge looks (conv3_1), narrow where a picture is large: a step costs less than a third of VGG-19's.
MINI_WIDTHS = (32, 32, "M", 64, 80, "M", 176, 128, 128, 128, "M", 192, 160, 160, 160, "M", 192, 192, 192, 192, "M")

POOLINGS = ("max", "avg", "l2")

# The paper writes conv4_2 and conv1_1 ... conv5_1; the authors' code takes the rectified responses, and so do these.
GATYS_CONTENT: Mapping[str, float] = {"relu4_2": 1.0}
GATYS_STYLE: Mapping[str, float] = {f"relu{block}_1": 0.2 for block in range(1, 6)}
# Chosen by eye with a ResNet-50, see `nstlib.resnets`: from layer3 on a position sees more than one of relu5_1.
RESNET_CONTENT: Mapping[str, float] = {"layer2": 1.0}
RESNET_STYLE: Mapping[str, float] = dict.fromkeys(("relu", "layer1", "layer2"), 1 / 3)


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
            positions stands for. It is also the smallest side of a picture that reaches the layer.
        overhangs: by how many pixels the first of these begins before the picture, where it does, as in networks whose
            windows lie around every second pixel.
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
    recipe: Mapping[str, Any] | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        for module in self.net.modules():
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]

    @property
    def layers(self) -> list[str]:
        """Names of the layers, from the picture to the deepest."""
        return list(self.strides)


Builder = Callable[[str, bool, Path | Seed | None], Backbone]
_BUILDERS: dict[str, Builder] = {}
_LAYERS: dict[str, tuple[Mapping[str, float], Mapping[str, float]]] = {}


def register(
    name: str, content_layers: Mapping[str, float] = GATYS_CONTENT, style_layers: Mapping[str, float] = GATYS_STYLE
) -> Callable[[Builder], Builder]:
    """Make `load_backbone(name)` call the decorated function with (pooling, keep_scale, weights).

    There, `weights` is the path of a file; or a `Seed`, of weights to be made with `nstlib.initializing.initialize`; or
    None.

    Args:
        name: of the backbone.
        content_layers, style_layers: its `default_layers`, layer name to w_l.
    """

    def add(builder: Builder) -> Builder:
        _BUILDERS[name], _LAYERS[name] = builder, (content_layers, style_layers)
        return builder

    return add


def available_backbones() -> list[str]:
    """Names that `load_backbone` accepts."""
    return sorted(_BUILDERS)


def default_layers(backbone: Any) -> tuple[dict[str, float], dict[str, float]]:
    """The layers where content and style are compared if nobody names any, as dicts of layer name to w_l.

    Example:
        >>> content_layers, style_layers = default_layers("resnet50")
        >>> content_layers
        {'layer2': 1.0}

    Args:
        backbone: a name of `available_backbones()`, a `Backbone` or a `FeatureExtractor`. Of a network that was not
            registered they are those of VGG.

    Raises:
        BackboneNotFound: another name.
    """
    found = getattr(backbone, "backbone", backbone)  # an extractor's
    if not isinstance(found, Backbone):
        _check_name(found)
    name = found.name if isinstance(found, Backbone) else found
    content, style = _LAYERS.get(name, (GATYS_CONTENT, GATYS_STYLE))
    return dict(content), dict(style)


def load_backbone(
    name: str, pooling: str = "avg", *, keep_scale: bool = False, weights: str | os.PathLike[str] | None = None
) -> Backbone:
    """Load a backbone by name, on the CPU, frozen and in evaluation mode.

    Args:
        name: one of `available_backbones()`.
        pooling: "max" (as the networks were trained), "avg" (as Gatys et al. recommend) or "l2" (root mean square).
            A ResNet pools once; its other strides are those of convolutions.
        keep_scale: average and L2 pooling give smaller activations than the max pooling that the network was trained
            with. False leaves them so, as in the paper; True multiplies them back to the scale of max pooling.
        weights: a state dict on disk to use in place of the backbone's own weights; for all but mini, under
            torchvision's names. Or "random": no download, the same weights for the same seed, which is 0 or stands
            behind it, as in "random:7"; see `nstlib.initializing`. (A file of that name is "./random".)

    Raises:
        BackboneNotFound, InputError, WeightsUnavailable: each with what to do.
    """
    _check_name(name)
    if pooling is None:
        raise InputError(
            f"the backbone {name!r} was a Backbone object that load_backbone did not build, so it cannot be built "
            "again by its name; build it as before, and give Run.load an objective with it"
        )
    one_of("pooling", pooling, POOLINGS)
    source = _source(weights)
    # Whatever the surroundings are: gradients are taken through the network, and it is built on the CPU.
    with torch.inference_mode(False), torch.device("cpu"):
        backbone = _BUILDERS[name](pooling, keep_scale, source)
        # Convolutions run a fifth faster with the channels innermost (measured on two CPU cores).
        backbone.net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    # The whole path: a saved run may be resumed in another folder.
    again = os.path.abspath(source) if isinstance(source, Path) else None if source is None else str(source)
    recipe = {"backbone": name, "pooling": pooling, "keep_scale": keep_scale, "weights": again}
    object.__setattr__(backbone, "recipe", recipe)
    return backbone


def _check_name(name: str) -> None:
    if not isinstance(name, str) or name not in _BUILDERS:
        known = available_backbones()
        raise BackboneNotFound(f"there is no backbone {name!r}; choose one of: {', '.join(known)}{guess(name, known)}")


def _source(weights: str | os.PathLike[str] | None) -> Path | Seed | None:
    if weights is None:
        return None
    if not isinstance(weights, str | os.PathLike):
        raise InputError(f"weights is {weights!r:.80}; expected the path of a file, or 'random'")
    seed = Seed.of(weights) if isinstance(weights, str) else None
    return Path(weights) if seed is None else seed


def default_backbone(quiet: bool = False, device: str | torch.device | None = None) -> str:
    """Which backbone to use where nobody says, and prints why, unless `quiet`.

    The environment variable NST_BACKBONE if it is set; else "vgg19" where there is a GPU and its weights are at hand or
    can be fetched; else "mini", which needs neither.

    Args:
        quiet: do not print.
        device: where it is to run; without it, `default_device()`.
    """
    chosen = os.environ.get("NST_BACKBONE")
    if chosen and chosen not in _BUILDERS:
        raise BackboneNotFound(f"NST_BACKBONE is {chosen!r}; choose one of: {', '.join(available_backbones())}")
    name, reason = (chosen, "chosen by NST_BACKBONE") if chosen else _best_backbone(device)
    if not quiet:
        tell(f"backbone: {name} ({reason})")
    return name


def _best_backbone(device: str | torch.device | None) -> tuple[str, str]:
    """The name of the best backbone for a device, and why."""
    if device is None and not has_gpu():
        return "mini", "there is no GPU, and it is three times as fast as vgg19"
    if device is not None and usable_device(device).type == "cpu":
        return "mini", "it is to run on the CPU, and it is three times as fast as vgg19"
    if weights_path("vgg19").exists():
        return "vgg19", "there is a GPU, and its weights are here"
    if _reachable(weights_url("vgg19")):
        return "vgg19", "there is a GPU, and its weights can be fetched"
    return "mini", "the weights of vgg19 are not here and cannot be fetched"


class L2Pool2d(nn.Module):
    """Root mean square over windows, of what is no padding. Its gradient is finite where all values are zero."""

    def __init__(self, window: int = 2, stride: int = 2, padding: int = 0):
        super().__init__()
        self.window, self.stride, self.padding = window, stride, padding

    def forward(self, features: Tensor) -> Tensor:
        """Pool (B, C, H, W), by default to (B, C, H // 2, W // 2)."""
        wide = features.to(torch.promote_types(features.dtype, torch.float32))  # where 1e-8 is not 0, nor a square inf
        squares = F.avg_pool2d(wide.square(), self.window, self.stride, self.padding, count_include_pad=False)
        return (squares + 1e-8).sqrt().to(features.dtype)


class ScaledPool2d(nn.Module):
    """A pooling followed by a constant factor."""

    def __init__(self, pool: nn.Module, scale: float):
        super().__init__()
        self.pool, self.scale = pool, scale

    def forward(self, features: Tensor) -> Tensor:
        """Pool (B, C, H, W) as the pooling does."""
        pooled: Tensor = self.pool(features) * self.scale
        return pooled


# Mean activation after max pooling over that after the other pooling, measured at pool1 and pool2 of VGG-19 on
# scikit-image's photographs (tools/pooling_scale.py prints them).
KEEP_SCALE = {"max": 1.0, "avg": 1.6, "l2": 1.4}


def pooling_of(kind: str, scale: float = 1.0, window: int = 2, stride: int = 2, padding: int = 0) -> nn.Module:
    """A pooling of one of the `POOLINGS`; what pads a window does not count.

    Args:
        kind: "max", "avg" or "l2".
        scale: what its response is multiplied by.
        window, stride, padding: in positions.
    """
    pools: dict[str, Callable[[int, int, int], nn.Module]] = {
        "max": nn.MaxPool2d,
        "avg": partial(nn.AvgPool2d, count_include_pad=False),
        "l2": L2Pool2d,
    }
    pool = pools[kind](window, stride, padding)
    return pool if scale == 1 else ScaledPool2d(pool, scale)


def named_vgg(features: nn.Sequential, pooling: str = "avg", keep_scale: bool = False) -> nn.Sequential:
    """Give torchvision's VGG layers the paper's names (conv1_1, relu1_1, ..., pool5) and the pooling asked for.

    In-place ReLUs are replaced: they would overwrite the convolution's response that a caller has captured.
    """
    named = nn.Sequential()
    block, index = 1, 0
    for module in features:
        if isinstance(module, nn.Conv2d):
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


def mini_net(widths: Iterable[int | str] = MINI_WIDTHS) -> nn.Sequential:
    """The bundled backbone's network with random weights: VGG-19's topology and layer names, narrower.

    Its convolutions continue the picture past its border by its outermost pixels; zeros there would teach a dark frame.
    """
    net, channels = nn.Sequential(), 3
    for width in widths:
        if isinstance(width, int):
            net.extend((nn.Conv2d(channels, width, 3, padding=1, padding_mode="replicate"), nn.ReLU()))
            channels = width
        else:
            net.append(nn.MaxPool2d(2))
    return net


@register("mini")
def _mini(pooling: str, keep_scale: bool, weights: Path | Seed | None) -> Backbone:
    if isinstance(weights, Seed):
        with torch.device("meta"):  # its own random weights would draw from everybody's generator
            net = mini_net()
        initialize(net, weights)
        return vgg_backbone("mini", named_vgg(net, pooling, keep_scale))
    path = weights or MINI_WEIGHTS
    state = _read(path, load_file)
    net = named_vgg(mini_net(_widths(state)), pooling, keep_scale)
    _load(net, state, path)
    return vgg_backbone("mini", net)


def _widths(state: Mapping[str, Tensor]) -> list[int | str]:
    """Those of the file, in place of `MINI_WIDTHS`: another training of mini may have chosen others."""
    widths = iter([len(state[key]) for key in sorted(state) if state[key].ndim == 4])
    return [next(widths, width) if isinstance(width, int) else width for width in MINI_WIDTHS]


def _torchvision_vgg(name: str, pooling: str, keep_scale: bool, weights: Path | Seed | None) -> Backbone:
    import torchvision  # takes two seconds

    with torch.device("meta"):  # no memory and no time for the classifier, which is not used
        features = torchvision.models.get_model(name, weights=None, init_weights=False).features
    if isinstance(weights, Seed):
        initialize(features, weights)
    else:
        state, path = _torchvisions_state(name, weights)
        state = {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
        _load(features, state, path)
    return vgg_backbone(name, named_vgg(features, pooling, keep_scale))


for _name in ("vgg16", "vgg19"):
    register(_name)(partial(_torchvision_vgg, _name))


def _torchvision_resnet(name: str, pooling: str, keep_scale: bool, weights: Path | Seed | None) -> Backbone:
    from .resnets import resnet_backbone, resnet_without_weights  # imports torchvision, which takes two seconds

    net = resnet_without_weights(name)
    if isinstance(weights, Seed):
        initialize(net, weights)
    else:
        state, path = _torchvisions_state(name, weights)
        _load(net, {key: value for key, value in state.items() if not key.startswith("fc.")}, path)
    return resnet_backbone(name, net, pooling, keep_scale)


for _name in ("resnet18", "resnet50"):
    register(_name, RESNET_CONTENT, RESNET_STYLE)(partial(_torchvision_resnet, _name))


def _torchvisions_state(name: str, weights: Path | None) -> tuple[dict[str, Tensor], Path]:
    """The state dict of a file, or torchvision's own, and where it lies."""
    if weights is None:
        return _download(name)
    return _read(weights, partial(torch.load, map_location="cpu", weights_only=True)), weights


def weights_url(name: str) -> str:
    """Address of torchvision's first ImageNet weights; the file's name ends in the first digits of its SHA-256.

    For ResNet-50 these are IMAGENET1K_V1, 0676ba61; the later ones, of another recipe, have other features.
    """
    import torchvision

    url: str = torchvision.models.get_model_weights(name).IMAGENET1K_V1.url
    return url


def weights_path(name: str) -> Path:
    """Where torch keeps the downloaded weights of a torchvision backbone."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(weights_url(name)).name


def _download(name: str) -> tuple[dict[str, Tensor], Path]:
    url, path = weights_url(name), weights_path(name)
    try:
        state = torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except Exception as error:  # urllib, OS, hash and unpickling errors: the student needs the same help
        _refuse_lack_of_memory(error, path)
        if path.exists():
            raise WeightsUnavailable(
                f"the weights of {name} in {path} cannot be read ({brief(error)}). "
                "The file is probably incomplete: delete it and try again."
            ) from error
        raise WeightsUnavailable(
            f"the weights of {name} could not be downloaded from {url} ({brief(error)}). "
            f"Without a network, copy that file from another machine to {path}, or use the bundled backbone 'mini'."
        ) from error
    return state, path


def _reachable(url: str) -> bool:
    try:
        return requests.head(url, timeout=5, allow_redirects=True).ok
    except requests.RequestException:
        return False


def _read(path: Path, reader: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    if os.path.isdir(path):
        raise WeightsUnavailable(f"{path} is a folder; give the file of weights itself")
    try:
        state = dict(reader(path))
    except FileNotFoundError as error:
        raise WeightsUnavailable(f"there is no file of weights at {path}") from error
    except Exception as error:
        _refuse_lack_of_memory(error, path)
        raise WeightsUnavailable(f"{path} cannot be read as weights ({brief(error)})") from error
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
        raise WeightsUnavailable(f"{path} holds something else than weights; expected a state dict, names to tensors")
    return state


def _load(net: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    try:
        wide = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        net.load_state_dict(wide, assign=True)
    except RuntimeError as error:
        _refuse_lack_of_memory(error, path)
        raise WeightsUnavailable(f"{path} holds the weights of another network ({brief(error)})") from error


def _refuse_lack_of_memory(error: Exception, path: Path) -> None:
    if is_out_of_memory(error):
        raise OutOfMemory(
            f"out of memory while reading the weights in {path}; close other programs, or use the backbone 'mini'"
        ) from error
