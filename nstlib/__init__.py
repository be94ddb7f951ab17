"""Neural style transfer, small enough to read: `losses`, `extractor` and `optimize` hold the method.

The top folder is the method; rooms hold the rest: `networks` (whose features are compared), `pictures` (in and out),
`large` (big pictures, many devices), `control` (colors, styles, places), `style_losses` (other answers to what style
is), `feedforward` (networks that paint in one pass) and `live` (under the hand).

Example:
    >>> import nstlib as nst
    >>> picture = nst.stylize("village", "swirls")
    >>> nst.save_image(picture, "village_swirls.png")
    >>> picture = nst.fast("village", "swirls", strength=0.8)  # in one pass of a trained network
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .base.version import __version__ as __version__

if TYPE_CHECKING:
    from .backbones import (
        Backbone,
        at_hand,
        available_backbones,
        default_backbone,
        default_layers,
        load_backbone,
        register,
    )
    from .base.devices import default_device
    from .control.colors import keep_colors, match_colors, match_luminance
    from .errors import (
        BackboneNotFound,
        ImageError,
        InputError,
        LayerNotFound,
        MissingPackage,
        NstError,
        OutOfMemory,
        RunError,
        RunWarning,
        WeightsUnavailable,
    )
    from .extractor import FeatureExtractor, Features
    from .feedforward.adain import AdaINNetwork
    from .feedforward.any_style import AnyStyleNetwork
    from .feedforward.any_training import AnyStyleTraining
    from .feedforward.export import save_onnx
    from .feedforward.fast import fast
    from .feedforward.files import load_any_style, load_network, save_network
    from .feedforward.judging import Judge
    from .feedforward.network import StyleNetwork
    from .feedforward.paintings import Paintings
    from .feedforward.pictures import Contents
    from .feedforward.predicting import PredictingNetwork
    from .feedforward.studying import study
    from .feedforward.training import Training
    from .history import History, Snapshots
    from .images import bundled_images, load_image, save_gif, save_image, to_pil
    from .large import ranks
    from .lbfgs import LBFGS
    from .losses import content_loss, gram, guided_gram, style_loss, tv_loss
    from .objective import GATYS_CONTENT, GATYS_STYLE, Objective, Terms
    from .optimize import Run, Step
    from .options import Options
    from .scales import prepare_strokes, strokes_on_forms, style_size_for
    from .smoothing import entropy
    from .sweeps import Sweep, sweep
    from .transfer import main, prepare, stylize

# Which file has what. Each is read when first asked for: torch takes seconds, and `--version` needs none of it.
_FACES = {
    "backbones": (
        *("Backbone", "at_hand", "available_backbones", "default_backbone", "default_layers", "load_backbone"),
        "register",
    ),
    "control.colors": ("keep_colors", "match_colors", "match_luminance"),
    "devices": ("default_device",),
    "errors": (
        *("BackboneNotFound", "ImageError", "InputError", "LayerNotFound", "MissingPackage", "NstError"),
        *("OutOfMemory", "RunError", "RunWarning", "WeightsUnavailable"),
    ),
    "extractor": ("FeatureExtractor", "Features"),
    "feedforward.adain": ("AdaINNetwork",),
    "feedforward.any_style": ("AnyStyleNetwork",),
    "feedforward.any_training": ("AnyStyleTraining",),
    "feedforward.export": ("save_onnx",),
    "feedforward.fast": ("fast",),
    "feedforward.files": ("load_any_style", "load_network", "save_network"),
    "feedforward.judging": ("Judge",),
    "feedforward.network": ("StyleNetwork",),
    "feedforward.paintings": ("Paintings",),
    "feedforward.pictures": ("Contents",),
    "feedforward.predicting": ("PredictingNetwork",),
    "feedforward.studying": ("study",),
    "feedforward.training": ("Training",),
    "history": ("History", "Snapshots"),
    "images": ("bundled_images", "load_image", "save_gif", "save_image", "to_pil"),
    "lbfgs": ("LBFGS",),
    "losses": ("content_loss", "gram", "guided_gram", "style_loss", "tv_loss"),
    "objective": ("GATYS_CONTENT", "GATYS_STYLE", "Objective", "Terms"),
    "optimize": ("Run", "Step"),
    "options": ("Options",),
    "scales": ("prepare_strokes", "strokes_on_forms", "style_size_for"),
    "smoothing": ("entropy",),
    "sweeps": ("Sweep", "sweep"),
    "transfer": ("main", "prepare", "stylize"),
}
_FILE_OF = {face: file for file, faces in _FACES.items() for face in faces}
# Where notebooks and scripts from before the rooms look.
_ROOMS = {
    "base": ("checks", "devices", "interrupts", "reporting", "saving", "version"),
    "large": ("budget", "pyramid", "ranks", "recording", "tiles"),
    "pictures": ("sources",),
    "live": ("engine", "panel", "sketch", "studio", "upload"),
    "networks": ("initializing", "resnets", "tracing"),
}
_MOVED = {file: f"{room}.{file}" for room, files in _ROOMS.items() for file in files}

__all__ = [
    "GATYS_CONTENT",
    "GATYS_STYLE",
    "LBFGS",
    "AdaINNetwork",
    "AnyStyleNetwork",
    "AnyStyleTraining",
    "Backbone",
    "BackboneNotFound",
    "Contents",
    "FeatureExtractor",
    "Features",
    "History",
    "ImageError",
    "InputError",
    "Judge",
    "LayerNotFound",
    "MissingPackage",
    "NstError",
    "Objective",
    "Options",
    "OutOfMemory",
    "Paintings",
    "PredictingNetwork",
    "Run",
    "RunError",
    "RunWarning",
    "Snapshots",
    "Step",
    "StyleNetwork",
    "Sweep",
    "Terms",
    "Training",
    "WeightsUnavailable",
    "at_hand",
    "available_backbones",
    "bundled_images",
    "content_loss",
    "default_backbone",
    "default_device",
    "default_layers",
    "entropy",
    "fast",
    "gram",
    "guided_gram",
    "keep_colors",
    "load_any_style",
    "load_backbone",
    "load_image",
    "load_network",
    "main",
    "match_colors",
    "match_luminance",
    "prepare",
    "prepare_strokes",
    "ranks",
    "register",
    "save_gif",
    "save_image",
    "save_network",
    "save_onnx",
    "strokes_on_forms",
    "study",
    "style_loss",
    "style_size_for",
    "stylize",
    "sweep",
    "to_pil",
    "tv_loss",
]


def __getattr__(name: str) -> Any:
    if name in _FILE_OF:
        value = getattr(import_module(f"{__name__}.{_FILE_OF[name]}"), name)
    elif name in _MOVED:
        value = import_module(f"{__name__}.{_MOVED[name]}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Moved(ModuleType):
    """A file that went into a room, under its old address."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks of every module
            raise AttributeError(name)
        return getattr(import_module(f"{__package__}.{_MOVED[self.__name__.rpartition('.')[2]]}"), name)


sys.modules.update({f"{__name__}.{name}": _Moved(f"{__name__}.{name}") for name in _MOVED})
