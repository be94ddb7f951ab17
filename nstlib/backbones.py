"""Which networks there are, where their weights come from, and what their layers are called.

A backbone is a frozen network whose features the losses compare. `load_backbone` knows them by name and is open: a
function decorated with `register` adds a network, and no caller changes.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .base.checks import guess, one_of
from .base.devices import has_gpu, is_out_of_memory, usable_device
from .base.reporting import tell
from .errors import BackboneNotFound, InputError, OutOfMemory, WeightsUnavailable, brief
from .networks.backbone import IMAGENET_MEAN as IMAGENET_MEAN
from .networks.backbone import IMAGENET_STD as IMAGENET_STD
from .networks.backbone import Backbone as Backbone
from .networks.initializing import Seed, initialize
from .networks.pooling import KINDS
from .networks.vgg import MINI_PLAN, Width, mini_net, named_vgg, plan_of, vgg_backbone

MINI_WEIGHTS = Path(__file__).parent / "weights" / "mini.safetensors"
SQUEEZENET_WEIGHTS = MINI_WEIGHTS.with_name("squeezenet.safetensors")
AUTO = "auto"
POOLINGS = (AUTO, *KINDS)
# The paper writes conv4_2 and conv1_1 ... conv5_1; the authors' code takes the rectified responses, and so do these.
GATYS_CONTENT: Mapping[str, float] = {"relu4_2": 1.0}
GATYS_STYLE: Mapping[str, float] = {f"relu{block}_1": 0.2 for block in range(1, 6)}
# By eye with real weights, the village in swirls and Tuebingen in The Starry Night: without half of stage 3, or fire7,
# strokes come over and no swirls; with stage 4 houses begin to melt.
RESNET_CONTENT: Mapping[str, float] = {"layer2": 1.0}
RESNET_STYLE: Mapping[str, Mapping[str, float]] = {
    name: dict.fromkeys(("relu", "layer1", "layer2", half), 1 / 4)
    for name, half in {"resnet18": "layer3.0", "resnet50": "layer3.2"}.items()
}
SQUEEZENET_CONTENT: Mapping[str, float] = {"fire7": 1.0}
SQUEEZENET_STYLE: Mapping[str, float] = dict.fromkeys(("relu1", "fire2", "fire3", "fire5", "fire7"), 1 / 5)
# Not seen with real weights: layers that see as much of a picture as VGG's.
INCEPTION_CONTENT: Mapping[str, float] = {"Mixed_5d": 1.0}
INCEPTION_STYLE: Mapping[str, float] = dict.fromkeys(
    ("Conv2d_1a_3x3", "Conv2d_2b_3x3", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6a"), 1 / 5
)

Builder = Callable[[str, bool, Path | Seed | None], Backbone]


@dataclass(frozen=True)
class _Known:
    """What is known of a backbone before it is built."""

    build: Builder
    content_layers: Mapping[str, float]
    style_layers: Mapping[str, float]
    pooling: str
    download: str | None


_KNOWN: dict[str, _Known] = {}


def register(
    name: str,
    content_layers: Mapping[str, float] = GATYS_CONTENT,
    style_layers: Mapping[str, float] = GATYS_STYLE,
    pooling: str = "avg",
    download: str | None = None,
) -> Callable[[Builder], Builder]:
    """Make `load_backbone(name)` call the decorated function with (pooling, keep_scale, weights).

    There, `weights` is the path of a file; or a `Seed`, of weights to be made with
    `nstlib.networks.initializing.initialize`; or None. A name that is known already is taken over.

    Example:
        >>> @register("alexnet", {"features.7": 1.0}, {"features.1": 0.5, "features.4": 0.5})
        ... def alexnet(pooling, keep_scale, weights):
        ...     net = torchvision.models.alexnet(weights="DEFAULT")
        ...     return graph_backbone("alexnet", net, lambda nodes: {node: node for node in nodes})

    with `graph_backbone` from `nstlib.networks.graphs`.

    Args:
        name: of the backbone.
        content_layers, style_layers: its `default_layers`, layer name to w_l.
        pooling: what "auto" means for it.
        download: the network of torchvision's whose weights are fetched where none are given, if any are.

    Raises:
        InputError: no name, another pooling, or layers that are no dict.
    """
    if not isinstance(name, str):
        raise InputError(f'the name is {name!r:.80}; expected a word, as in @nst.register("mine")')
    one_of("pooling", pooling, KINDS)
    for layers in (content_layers, style_layers):
        if not isinstance(layers, Mapping):
            raise InputError(f"the layers of {name} are {layers!r:.80}; expected a dict of layer name to w_l")

    def add(builder: Builder) -> Builder:
        _KNOWN[name] = _Known(builder, dict(content_layers), dict(style_layers), pooling, download)
        return builder

    return add


def available_backbones() -> list[str]:
    """Names that `load_backbone` accepts."""
    return sorted(_KNOWN)


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
    if name not in _KNOWN:
        return dict(GATYS_CONTENT), dict(GATYS_STYLE)
    return dict(_KNOWN[name].content_layers), dict(_KNOWN[name].style_layers)


def load_backbone(
    name: str, pooling: str = AUTO, *, keep_scale: bool = False, weights: str | os.PathLike[str] | None = None
) -> Backbone:
    """Load a backbone by name, on the CPU, frozen and in evaluation mode.

    Args:
        name: one of `available_backbones()`.
        pooling: "max" (as the networks were trained), "avg" (as Gatys et al. recommend), "l2" (root mean square) or
            "blur" (the maximum, blurred before every second position is taken, and so are convolutions with a stride:
            fine patterns do not come out as coarse ones). "auto" is the backbone's own: "avg" for VGG and mini, "blur"
            for networks some of whose strides are those of convolutions: there any other leaves a grid in pictures.
        keep_scale: average and L2 pooling give smaller activations than the max pooling that the network was trained
            with. False leaves them so, as in the paper; True multiplies them by what brings them back to the scale of
            max pooling where a picture is large, measured at VGG-19's first two poolings: deeper they become too large.
        weights: a state dict on disk to use in place of the backbone's own weights; for all but mini, under
            torchvision's names. Or "random": no download, the same weights for the same seed, which is 0 or stands
            behind it, as in "random:7"; see `nstlib.networks.initializing`. (A file of that name is "./random".)

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
    pooling = _KNOWN[name].pooling if pooling == AUTO else pooling
    source = _source(weights)
    # Whatever the surroundings are: gradients are taken through the network, and it is built on the CPU.
    with torch.inference_mode(False), torch.device("cpu"):
        backbone = _KNOWN[name].build(pooling, keep_scale, source)
        if not isinstance(backbone, Backbone):
            raise InputError(
                f"what was registered as {name!r} returned {type(backbone).__name__}; expected an nstlib.Backbone"
            )
        # Convolutions run a fifth faster with the channels innermost (measured on two CPU cores).
        backbone.net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    # The whole path: a saved run may be resumed in another folder.
    again = os.path.abspath(source) if isinstance(source, Path) else None if source is None else str(source)
    recipe = {"backbone": name, "pooling": pooling, "keep_scale": keep_scale, "weights": again}
    object.__setattr__(backbone, "recipe", recipe)
    return backbone


def _check_name(name: str) -> None:
    if not isinstance(name, str) or name not in _KNOWN:
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
    if chosen and chosen not in _KNOWN:
        known = available_backbones()
        raise BackboneNotFound(f"NST_BACKBONE is {chosen!r}{guess(chosen, known)}; choose one of: {', '.join(known)}")
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
    if at_hand("vgg19"):
        return "vgg19", "there is a GPU, and its weights are here"
    if _reachable(weights_url("vgg19")):
        return "vgg19", "there is a GPU, and its weights can be fetched"
    return "mini", "the weights of vgg19 are not here and cannot be fetched"


@register("mini")
def _mini(pooling: str, keep_scale: bool, weights: Path | Seed | None) -> Backbone:
    if isinstance(weights, Seed):
        net = _mini_without_weights(MINI_PLAN)
        initialize(net, weights)
        return vgg_backbone("mini", named_vgg(net, pooling, keep_scale))
    path = weights or MINI_WEIGHTS
    state = read_weights(path, load_file)
    # The file's own, as another training of mini may have chosen others.
    found = plan_of(state)
    net = named_vgg(_mini_without_weights([*found, "M"] if found else MINI_PLAN), pooling, keep_scale)
    load_weights(net, state, path)
    return vgg_backbone("mini", net)


def _mini_without_weights(plan: Sequence[Width | str]) -> nn.Sequential:
    with torch.device("meta"):  # random weights of its own would draw from everybody's generator
        return mini_net(plan)


def _torchvision_vgg(name: str, pooling: str, keep_scale: bool, weights: Path | Seed | None) -> Backbone:
    import torchvision  # takes two seconds

    with torch.device("meta"):  # no memory and no time for the classifier, which is not used
        features = torchvision.models.get_model(name, weights=None, init_weights=False).features
    if isinstance(weights, Seed):
        initialize(features, weights)
    else:
        state, path = _torchvisions_state(name, weights)
        state = {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
        load_weights(features, state, path)
    return vgg_backbone(name, named_vgg(features, pooling, keep_scale))


for _name in ("vgg16", "vgg19"):
    register(_name, download=_name)(partial(_torchvision_vgg, _name))


def _resnet(name: str, pooling: str, keep_scale: bool, weights: Path | Seed | None) -> Backbone:
    from .networks.resnets import resnet_backbone, resnet_without_weights  # as all graphs, it imports torchvision

    net = resnet_without_weights(name)
    _fill(net, name, weights, but="fc.")
    return resnet_backbone(name, net, pooling, keep_scale)


for _name in ("resnet18", "resnet50"):
    register(_name, RESNET_CONTENT, RESNET_STYLE[_name], pooling="blur", download=_name)(partial(_resnet, _name))


@register("inception_v3", INCEPTION_CONTENT, INCEPTION_STYLE, pooling="blur", download="inception_v3")
def _inception(pooling: str, keep_scale: bool, weights: Path | Seed | None) -> Backbone:
    from .networks.inception import inception_backbone, inception_without_weights

    net = inception_without_weights()
    _fill(net, "inception_v3", weights, but=("fc.", "AuxLogits."))
    return inception_backbone("inception_v3", net, pooling, keep_scale)


@register("squeezenet", SQUEEZENET_CONTENT, SQUEEZENET_STYLE, pooling="blur")
def _squeezenet(pooling: str, keep_scale: bool, weights: Path | Seed | None) -> Backbone:
    from .networks.squeezenet import squeezenet_backbone, squeezenet_without_weights

    net = squeezenet_without_weights()
    if weights is None:
        load_weights(net, read_weights(SQUEEZENET_WEIGHTS, load_file), SQUEEZENET_WEIGHTS)
    else:
        _fill(net, "squeezenet1_1", weights, but="classifier.")
    return squeezenet_backbone("squeezenet", net, pooling, keep_scale)


def _fill(net: nn.Module, name: str, weights: Path | Seed | None, but: str | tuple[str, ...]) -> None:
    """Give a network of torchvision's the weights; those of layers that begin with `but` are not for it."""
    if isinstance(weights, Seed):
        initialize(net, weights)
        return
    state, path = _torchvisions_state(name, weights)
    load_weights(net, {key: value for key, value in state.items() if not key.startswith(but)}, path)


def _torchvisions_state(name: str, weights: Path | None) -> tuple[dict[str, Tensor], Path]:
    """The state dict of a file, or torchvision's own, and where it lies."""
    if weights is None:
        return _download(name)
    return read_weights(weights, partial(torch.load, map_location="cpu", weights_only=True)), weights


def weights_url(name: str) -> str:
    """Address of torchvision's first ImageNet weights; the file's name ends in the first digits of its SHA-256.

    For ResNet-50 these are IMAGENET1K_V1, 0676ba61; the later ones, of another recipe, have other features.
    """
    url: str = _torchvisions(name).url
    return url


def _torchvisions(name: str) -> Any:
    import torchvision

    return torchvision.models.get_model_weights(name).IMAGENET1K_V1


def weights_path(name: str) -> Path:
    """Where torch keeps the downloaded weights of a torchvision backbone."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(weights_url(name)).name


def at_hand(name: str) -> bool:
    """Whether `load_backbone(name)` fetches nothing: its weights are bundled, or torch has kept them.

    Raises:
        BackboneNotFound: another name.
    """
    _check_name(name)
    download = _KNOWN[name].download
    return download is None or os.path.exists(weights_path(download))


def download_size(name: str) -> float | None:
    """How many megabytes `load_backbone(name)` fetches where they are not at hand, or None: it never fetches any.

    Raises:
        BackboneNotFound: another name.
    """
    _check_name(name)
    download = _KNOWN[name].download
    return None if download is None else float(_torchvisions(download).meta["_file_size"])


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


def read_weights(path: Path, reader: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """The state dict that the reader finds in a file.

    Raises:
        WeightsUnavailable: no file, or one that holds something else. OutOfMemory.
    """
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


def load_weights(net: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Give a network the weights that were read from a path, in float32.

    Raises:
        WeightsUnavailable: they are another network's, or not finite. OutOfMemory.
    """
    broken = next((key for key, value in state.items() if not value.isfinite().all()), None)
    if broken is not None:
        raise WeightsUnavailable(f"{path} is of no use: {broken} holds numbers that are not finite")
    try:
        wide = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
        net.load_state_dict(wide, assign=True)
    except RuntimeError as error:
        _refuse_lack_of_memory(error, path)
        # The first line names torch's class, the second what does not fit.
        *_, said = brief(error), *str(error).strip().splitlines()[1:2]
        raise WeightsUnavailable(f"{path} holds the weights of another network ({said.strip()[:200]})") from error


def _refuse_lack_of_memory(error: Exception, path: Path) -> None:
    if is_out_of_memory(error):
        raise OutOfMemory(
            f"out of memory while reading the weights in {path}; close other programs, or use the backbone 'mini'"
        ) from error
