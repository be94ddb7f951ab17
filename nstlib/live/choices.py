"""What the studio offers: its sliders, its choices, its presets, its thumbnails."""

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from ..backbones import at_hand, available_backbones, download_size
from ..images import bundled_images
from ..networks.initializing import Seed
from ..optimize import OPTIMIZERS
from ..pictures.sources import find
from ..starts import INITS
from ..style_losses.names import STYLE_LOSSES, StyleLoss, name_of
from .engine import Settings
from .panel import log_slider, widgets
from .snapshots import picture_url
from .upload import PictureFile

SIZES = (128, 192, 256, 320, 384, 512, 640, 768, 1024)
SLIDERS: Mapping[str, tuple[str, float, float]] = {  # label, and powers of ten between which it slides
    "alpha": ("alpha (content)", -3, 2),
    "beta": ("beta (style)", -2, 4),
    "tv": ("tv (smoothness)", -2, 3),
    "lr": ("learning rate", -3, 1),
}
COLORS_OF: Mapping[str, str] = {
    "the style's": "style",
    "the content's, matched": "match",
    "the content's, brightness alone": "luminance",
}
LAYERS = [f"relu{block}_1" for block in range(1, 6)]
PRESETS: Mapping[str, tuple[float, float, float, tuple[float, ...]]] = {  # alpha, beta, tv, and w_l of LAYERS
    "balanced": (1, 10, 10, (0.2, 0.2, 0.2, 0.2, 0.2)),
    "a touch of style": (1, 2, 10, (0.2, 0.2, 0.2, 0.2, 0.2)),
    "style above all": (0.05, 100, 10, (0.2, 0.2, 0.2, 0.2, 0.2)),
    "fine texture": (1, 50, 1, (0.5, 0.5, 0, 0, 0)),
    "large shapes": (0.2, 50, 10, (0.1, 0, 0, 0.4, 0.5)),
    "smooth": (1, 10, 150, (0.2, 0.2, 0.2, 0.2, 0.2)),
}
THUMBNAIL = (104, 60)
STEPS_ON_THE_WAY = re.compile(r"(conv|bn|norm|pool|maxpool)[\d_]*")  # layers that no dropdown offers


def made_controls(start: Settings, layers: Sequence[str]) -> dict[str, widgets.ValueWidget]:
    """A widget for each setting that a hand can change, by the setting's name; the style layers' by the layer's.

    Args:
        start: every setting by name.
        layers: of the backbone.
    """
    return {**_dropdowns(start, layers), **_sliders(start), **layer_sliders(start["style_layers"])}


def offered_backbones(first: str, weights: Any) -> list[tuple[str, str]]:
    """Label and name of every backbone: those that are at hand, then the others, with what they fetch.

    Args:
        first: the one that the studio begins with; it and that of NST_BACKBONE count as at hand.
        weights: those that the studio was given.
    """
    offered: list[tuple[str, str]] = []
    others: list[tuple[str, str]] = []
    chosen = (first, os.environ.get("NST_BACKBONE"))
    for name in available_backbones():
        fetched = megabytes(name, weights_for(name, first, weights))
        place = offered if fetched is None or name in chosen else others
        place.append((name if fetched is None else f"{name} (downloads {fetched:.0f} MB)", name))
    return offered + others


def weights_for(backbone: str, first: str, weights: Any) -> Any:
    """The weights that were given: a file is of the backbone that it was given with, random ones are of every one."""
    shared = isinstance(weights, str) and Seed.of(weights) is not None
    return weights if shared or backbone == first else None


def megabytes(backbone: str, weights: Any) -> float | None:
    """How many are fetched when a backbone is chosen, or None."""
    return None if weights is not None or at_hand(backbone) else download_size(backbone)


def offered_content_layers(layers: Sequence[str], chosen: Mapping[str, float]) -> list[tuple[str, dict[str, float]]]:
    """Label and weights of what a content can be compared in: a network's blocks and responses, and what is chosen.

    Not each of the hundreds of layers within the blocks, nor a convolution before it is rectified.
    """

    def is_block(layer: str) -> bool:
        stage, dot, number = layer.partition(".")
        return not dot or (number.isdigit() and stage in layers)

    blocks = [layer for layer in layers if is_block(layer) and not STEPS_ON_THE_WAY.fullmatch(layer)]
    offered = {layer: {layer: 1.0} for layer in blocks or layers}
    if chosen not in offered.values():
        offered = {" + ".join(chosen): dict(chosen), **offered}
    return list(offered.items())


def _dropdowns(start: Settings, layers: Sequence[str]) -> dict[str, widgets.ValueWidget]:
    styles = [*start["style"]] if isinstance(start["style"], list) else [start["style"], ""]
    choices: dict[str, Sequence[tuple[str, Any]]] = {
        "content": _named(bundled_images("content") + bundled_images("photo"), start["content"]),
        "style": _named(bundled_images("style"), styles[0]),
        "second": [("none", ""), *_named(bundled_images("style"), styles[1] or "swirls")],
        "content_layer": offered_content_layers(layers, start["content_layers"]),
        "init": [(init.replace("_", " "), init) for init in INITS],
        "style_loss": _losses(start["style_loss"]),
        "color": list(COLORS_OF.items()),
        "optimizer": [("L-BFGS" if name == "lbfgs" else name.title(), name) for name in OPTIMIZERS],
        "size": [(f"{size} pixels", size) for size in sorted({*SIZES, start["size"]})],
        "backbone": offered_backbones(start["backbone"], start["weights"]),
    }
    values = {**start, "content_layer": start["content_layers"], "style": styles[0], "second": styles[1]}
    labels = {
        "style_loss": "style loss",
        "content_layer": "content layer",
        "init": "start",
        "color": "colors",
        "second": "second style",
    }
    return {
        name: widgets.Dropdown(options=options, value=values[name], description=labels.get(name, name), **wide())
        for name, options in choices.items()
    }


def _losses(chosen: str | StyleLoss) -> list[tuple[str, str | StyleLoss]]:
    named: list[tuple[str, str | StyleLoss]] = [(name.replace("_", " "), name) for name in STYLE_LOSSES]
    return named if isinstance(chosen, str) else [(f"{name_of(chosen)}, as given", chosen), *named]


def _sliders(start: Settings) -> dict[str, widgets.ValueWidget]:
    sliders: dict[str, widgets.ValueWidget] = {}
    for name, (label, low, high) in SLIDERS.items():
        power = math.log10(start[name])
        sliders[name] = log_slider(label, start[name], min(low, power), max(high, power))
    share = start["shares"][1] if start["shares"] else 0.5
    sliders["share"] = widgets.FloatSlider(
        value=share, min=0, max=1, step=0.05, description="its share", readout_format=".2f", **wide()
    )
    return sliders


def layer_sliders(weights: Mapping[str, float]) -> dict[str, widgets.ValueWidget]:
    """A slider for each style layer, by its name."""
    return {
        layer: widgets.FloatSlider(
            value=weight, min=0, max=max(1, weight), step=0.05, description=layer, readout_format=".2f", **wide()
        )
        for layer, weight in weights.items()
    }


def _named(names: list[str], chosen: str | PictureFile) -> list[tuple[str, str | PictureFile]]:
    options: list[tuple[str, str | PictureFile]] = [(name.replace("_", " "), name) for name in names]
    return options if chosen in names else [(Path(str(chosen)).name, chosen), *options]


def wide() -> dict[str, Any]:
    """How wide a control is, and its label."""
    return {"style": {"description_width": "110px"}, "layout": widgets.Layout(width="auto", max_width="480px")}


def thumbnail_url(name: str, size: tuple[int, int] = THUMBNAIL) -> str:
    """A bundled picture, small, as an address that holds it."""
    with Image.open(find(name)) as picture:
        picture.draft("RGB", (2 * size[0], 2 * size[1]))  # decodes a JPEG at a fraction of its size
        return picture_url(ImageOps.fit(picture.convert("RGB"), size))
