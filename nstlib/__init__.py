"""Neural style transfer, small enough to read: `losses`, `extractor` and `optimize` hold the method.

Example:
    >>> import nstlib as nst
    >>> picture = nst.stylize("village", "swirls")
    >>> nst.save_image(picture, "village_swirls.png")
"""

from .backbones import Backbone, available_backbones, default_backbone, load_backbone, register
from .devices import default_device
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
from .history import History, Snapshots
from .images import bundled_images, load_image, save_gif, save_image, to_pil
from .lbfgs import LBFGS
from .losses import content_loss, gram, style_loss, tv_loss
from .objective import GATYS_CONTENT, GATYS_STYLE, Objective, Terms
from .optimize import Run, Step
from .sweep import Sweep, sweep
from .transfer import Options, main, prepare, stylize

__version__ = "0.1.0"

__all__ = [
    "GATYS_CONTENT",
    "GATYS_STYLE",
    "LBFGS",
    "Backbone",
    "BackboneNotFound",
    "FeatureExtractor",
    "Features",
    "History",
    "ImageError",
    "InputError",
    "LayerNotFound",
    "MissingPackage",
    "NstError",
    "Objective",
    "Options",
    "OutOfMemory",
    "Run",
    "RunError",
    "RunWarning",
    "Snapshots",
    "Step",
    "Sweep",
    "Terms",
    "WeightsUnavailable",
    "available_backbones",
    "bundled_images",
    "content_loss",
    "default_backbone",
    "default_device",
    "gram",
    "load_backbone",
    "load_image",
    "main",
    "prepare",
    "register",
    "save_gif",
    "save_image",
    "style_loss",
    "stylize",
    "sweep",
    "to_pil",
    "tv_loss",
]
