"""What the studio offers: its sliders, its choices, its presets, its thumbnails."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from ..backbones import available_backbones
from ..images import bundled_images
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


def made_controls(start: Settings, layers: Sequence[str]) -> dict[str, widgets.ValueWidget]:
    """A widget for each setting that a hand can change, by the setting's name; the style layers' by the layer's.

    Args:
        start: every setting by name.
        layers: of the backbone.
    """
    return {**_dropdowns(start, layers), **_sliders(start)}


def _dropdowns(start: Settings, layers: Sequence[str]) -> dict[str, widgets.ValueWidget]:
    content_layers = {layer: {layer: 1.0} for layer in layers if layer.startswith("relu")}
    if start["content_layers"] not in content_layers.values():
        content_layers = {" + ".join(start["content_layers"]): start["content_layers"], **content_layers}
    styles = [*start["style"]] if isinstance(start["style"], list) else [start["style"], ""]
    choices: dict[str, Sequence[tuple[str, Any]]] = {
        "content": _named(bundled_images("content") + bundled_images("photo"), start["content"]),
        "style": _named(bundled_images("style"), styles[0]),
        "second": [("none", ""), *_named(bundled_images("style"), styles[1] or "swirls")],
        "content_layer": list(content_layers.items()),
        "init": [(init.replace("_", " "), init) for init in INITS],
        "style_loss": _losses(start["style_loss"]),
        "color": list(COLORS_OF.items()),
        "optimizer": [("L-BFGS" if name == "lbfgs" else name.title(), name) for name in OPTIMIZERS],
        "size": [(f"{size} pixels", size) for size in sorted({*SIZES, start["size"]})],
        "backbone": [(name, name) for name in available_backbones()],
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
    for layer, weight in start["style_layers"].items():
        sliders[layer] = widgets.FloatSlider(
            value=weight, min=0, max=max(1, weight), step=0.05, description=layer, readout_format=".2f", **wide()
        )
    return sliders


def _named(names: list[str], chosen: str | PictureFile) -> list[tuple[str, str | PictureFile]]:
    options: list[tuple[str, str | PictureFile]] = [(name.replace("_", " "), name) for name in names]
    return options if chosen in names else [(Path(str(chosen)).name, chosen), *options]


def wide() -> dict[str, Any]:
    """How wide a control is, and its label."""
    return {"style": {"description_width": "110px"}, "layout": widgets.Layout(width="auto", max_width="480px")}


def thumbnail_url(name: str) -> str:
    """A bundled picture, small, as an address that holds it."""
    with Image.open(find(name)) as picture:
        picture.draft("RGB", (2 * THUMBNAIL[0], 2 * THUMBNAIL[1]))  # decodes a JPEG at a fraction of its size
        return picture_url(ImageOps.fit(picture.convert("RGB"), THUMBNAIL))
