"""What a transfer can be told, what it does otherwise, and what a quality chooses."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypedDict, cast

import numpy as np
import torch

from .backbones import AUTO, POOLINGS
from .base.checks import known_names, number, one_of, whole
from .control.colors import COLORS, Color
from .control.masks import GUIDANCES, Guidance
from .control.regions import Masks
from .control.styles import Blend, normalized
from .errors import InputError
from .extractor import PRECISIONS, Precision
from .images import MAX_SIZE, Source
from .losses import NORMALIZATIONS, Normalization
from .objective import Layers, Weight
from .optimize import ADAM_BETAS, OPTIMIZERS, OptimizerName
from .smoothing import Smoothing, checked_smoothing
from .style_losses.names import STYLE_LOSSES, StyleLoss

Styles = Source | Mapping[Any, float] | Sequence[Source | tuple[Source, float]] | Blend
QualityName = Literal["draft", "good", "best"]


class Options(TypedDict, total=False):
    """What `prepare`, `stylize` and `main` can be told; `DEFAULTS` holds what they do otherwise.

    Attributes:
        size: longer side of the result in pixels; None keeps the picture's own. The aspect is the content's.
        shares: how much of each of several styles; equal ones unless given here or beside each style.
        style_size: longer side of the style; without it, `size`. Larger gives larger strokes. Of several styles, one
            for all or a list of one for each.
        strokes: a picture whose fine strokes the style gets, on its own coarse forms, before the transfer; see
            `nstlib.strokes_on_forms`.
        strokes_size: longer side of that picture; without it, the style's. Larger gives larger strokes.
        backbone: a name of `available_backbones()`; without it, `default_backbone()` chooses and says why.
        pooling, keep_scale, weights: see `load_backbone`.
        device: "cpu", "cuda", "mps"; without it, the best there is.
        content_layers, style_layers: layer names with weights w_l; or "novak", all layers with Novak and Nikulin's.
            Without them, those of `default_layers`, which fit the backbone.
        style_loss: what of the features is style: "gram", "shifted", "chain", "moments", "covariance", "wasserstein",
            "sliced", "histogram", "patches", "relaxed", "chain_blurred" or "novak", see `nstlib.style_losses`.
        smoothing: "softmax", or "softmax:10" with a temperature: responses are made more even before they are compared,
            see `nstlib.smoothing`. It takes whole pictures, and no tiles. None: they stay as they are.
        alpha, beta, tv: weights of content, style and total variation; without beta, `BETA` of the normalization.
        border: how much more the total variation counts at the border; see `nstlib.tv_loss`.
        normalization: "relative" or "paper", see `nstlib.losses`; "paper" wants other weights.
        optimizer: "lbfgs" or "adam".
        lr, betas: learning rate, or a schedule of it, and how far back Adam looks; see `Run`.
        init: "content", "noise", "style_statistics", "fast", or a picture to start from, see `Run`; without it, the
            content if there is one, else noise.
        masks: where in the content each style goes: one for each style, or one fewer, and the last has the rest. Gray
            pictures, white where it goes; one picture with a color for each region (red, green, blue, ... in the order
            of the styles); arrays; or a brush. What they leave uncovered keeps its content. With masks, shares say how
            much each place counts. See `nstlib.control.regions.read_masks`.
        style_masks: which part of each style counts: a mask, or None for all of it.
        guidance: how masks are brought to the layers: "plain", "inside" or "dilated"; see
            `nstlib.control.masks.guides`.
        color: whose colors: "style": the style brings its own; "match": it gets the content's before the transfer, see
            `nstlib.control.colors.match_colors`; "luminance": only brightness comes over, and every color stays the
            content's.
        seed: of the noise.
        snapshot_every: keep a picture every so many steps; 0 keeps none.
        quality: "draft", "good" or "best" choose optimizer, rates, steps and precision, whatever comes to a good
            picture soonest on the device, see `QUALITIES`; large pictures go from coarse to fine. With another number
            of steps, rates and scales take the same course in that number. What is given beside a quality stays as
            given. None: what `DEFAULTS` says, every step at full size. Who says neither how many steps nor which
            quality gets "good".
        precision: in which the network computes, see `FeatureExtractor`.
        tile: longest side of a tile in pixels, see `Objective`; "auto" takes tiles where the whole picture would not
            fit into memory, and says so; None never.
    """

    size: int | None
    shares: Sequence[float] | None
    style_size: int | Sequence[int | None] | None
    strokes: Source | None
    strokes_size: int | None
    backbone: str | None
    pooling: str
    keep_scale: bool
    weights: str | os.PathLike[str] | None
    device: str | torch.device | None
    content_layers: Layers | None
    style_layers: Layers | None
    style_loss: str | StyleLoss
    smoothing: Smoothing
    alpha: Weight
    beta: Weight | None
    tv: Weight
    border: float
    normalization: Normalization
    optimizer: OptimizerName
    lr: float | Mapping[int, float] | None
    betas: tuple[float, float]
    init: Source | None
    masks: Masks | None
    style_masks: Sequence[Source | None] | Source | None
    guidance: Guidance
    color: Color
    seed: int
    snapshot_every: int
    quality: QualityName | None
    precision: Precision
    tile: int | Literal["auto"] | None


DEFAULTS: Options = {
    "size": 512,
    "shares": None,
    "style_size": None,
    "strokes": None,
    "strokes_size": None,
    "backbone": None,
    "pooling": AUTO,
    "keep_scale": False,
    "weights": None,
    "device": None,
    "content_layers": None,
    "style_layers": None,
    "style_loss": "gram",
    "smoothing": None,
    "alpha": 1.0,
    "beta": None,
    "tv": 10.0,
    "border": 0.5,  # enough against beads, too little to blur
    "normalization": "relative",
    "optimizer": "lbfgs",
    "lr": None,
    "betas": ADAM_BETAS,
    "init": None,
    "masks": None,
    "style_masks": None,
    "guidance": "plain",
    "color": "style",
    "seed": 0,
    "snapshot_every": 0,
    "quality": None,
    "precision": "float32",
    "tile": "auto",
}


@dataclass(frozen=True)
class Quality:
    """How many steps, and what `DEFAULTS` are replaced by."""

    steps: int
    options: Options

    def over(self, steps: int) -> "Quality":
        """The same course in another number of steps: the rate falls as far, in that many."""
        options = self.options.copy()
        rates = options.get("lr")
        if isinstance(rates, Mapping):
            options["lr"] = {round(step * steps / self.steps): rate for step, rate in rates.items()}
        return Quality(steps, options)


# Chosen by trials at 256 and 512 pixels and by eye; benchmarks/RESULTS.md has what they reach, and when.
QUALITIES: dict[QualityName, Quality] = {
    "draft": Quality(40, {"optimizer": "adam", "lr": {0: 0.03, 40: 0.005}, "betas": (0.8, 0.7), "precision": "auto"}),
    "good": Quality(120, {"optimizer": "adam", "lr": {0: 0.05, 120: 0.005}, "betas": (0.9, 0.8), "precision": "auto"}),
    "best": Quality(300, {"optimizer": "adam", "lr": {0: 0.04, 300: 0.002}, "betas": (0.9, 0.8)}),
}


def with_quality(steps: int | None, options: Options) -> Options:
    """The options; with the quality "good" where neither a quality nor a number of steps is given."""
    return options if steps is not None or options.get("quality") else {**options, "quality": "good"}


def count_steps(steps: int | None, options: Options) -> int:
    """How many steps to take: those given, else those of the quality, else those of "good".

    Raises:
        InputError: not a whole number above 0, or an unknown quality.
    """
    if steps is not None:
        return whole("steps", steps, 1)
    quality = chosen_quality(with_quality(steps, options))
    assert quality is not None
    return quality.steps


def chosen_quality(options: Options, steps: int | None = None) -> Quality | None:
    """The quality asked for, in so many steps, without what is meant for another optimizer than the one given."""
    name = options.get("quality")
    if name is None:
        return None
    quality = QUALITIES[cast(QualityName, one_of("quality", name, QUALITIES))]
    if options.get("optimizer", quality.options["optimizer"]) != quality.options["optimizer"]:
        quality = Quality(quality.steps, {})  # in float32: L-BFGS lives on small differences of gradients
    return quality if steps is None else quality.over(steps)


def checked(options: Mapping[str, Any], *others: str) -> Options:
    """The options, each in the type that the code wants.

    Args:
        options: what was given.
        others: what the caller takes besides, for its messages.

    Raises:
        InputError: a name that means nothing, or a value that cannot work. What needs the pictures, the device or the
            network to be judged is judged there.
    """
    known_names(options, [*others, *DEFAULTS])
    return cast(Options, {name: _CHECKS.get(name, _as_given)(name, value) for name, value in options.items()})


def _as_given(name: str, value: Any) -> Any:
    return value


def _side(name: str, value: Any) -> int | None:
    hint = "; the longer side in pixels, or None for the picture's own size" if name == "size" else ""
    return None if value is None else whole(name, value, 1, MAX_SIZE, hint)


def _shares(name: str, value: Any) -> tuple[float, ...] | None:
    return None if value is None else normalized(value)


def _sides(name: str, value: Any) -> int | list[int | None] | None:
    if isinstance(value, list | tuple):
        return [_side(name, each) for each in value]
    return _side(name, value)


def style_sizes(given: int | Sequence[int | None] | None, count: int, size: int | None) -> list[int | None]:
    """The longer side of each style, where it is not said that of the content.

    Raises:
        InputError: not as many as there are styles.
    """
    sizes = list(given) if isinstance(given, Sequence) else [given] * count
    if len(sizes) != count:
        raise InputError(f"there are {len(sizes)} style sizes, but the number of styles is {count}")
    return [each or size for each in sizes]


def _tile(name: str, value: Any) -> int | str | None:
    if value is None or (isinstance(value, str) and value == "auto"):
        return value
    return whole("the tile", value, 1, hint=" (pixels); or 'auto', or None for never")


def _layers(name: str, value: Any) -> dict[str, Weight] | list[str] | None:
    if value is None:
        return None
    names: Iterable[Any] = [value] if isinstance(value, str) else value if isinstance(value, Iterable) else [None]
    layers: dict[Any, Weight] | list[Any] = dict(names) if isinstance(names, Mapping) else list(names)
    if not layers or not all(isinstance(layer, str) for layer in layers):
        raise InputError(
            f"{name} is {value!r:.80}; expected names of layers, such as ['relu1_1', 'relu2_1'], or a dict of them to "
            "weights"
        )
    return layers


def _rates(name: str, value: Any) -> float | dict[int, float] | None:
    what = "the learning rate"
    if isinstance(value, Mapping) and value:
        return {whole(f"a step of {what}", step): number(what, value[step], above=True) for step in value}
    return None if value is None else number(what, value, above=True)


def _betas(name: str, value: Any) -> tuple[float, float]:
    pair = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else []
    if len(pair) != 2:
        raise InputError(f"betas are {value!r:.80}; expected two numbers from 0 up to, but not including, 1")
    return number("the first of betas", pair[0], below=1), number("the second of betas", pair[1], below=1)


def _yes_or_no(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} is {value!r:.80}; expected True or False")
    return bool(value)


def _file(name: str, value: Any) -> str | os.PathLike[str] | None:
    if not (value is None or isinstance(value, str | os.PathLike)):
        raise InputError(f"{name} is {value!r:.80}; expected the path of a file, or 'random'")
    return value


def _word(choices: Iterable[str], name: str, value: Any) -> str:
    return one_of(name, value, choices)


def _smoothing(name: str, value: Any) -> Smoothing:
    return checked_smoothing(value)


def _style_loss(name: str, value: Any) -> str | StyleLoss:
    return value if isinstance(value, StyleLoss) else one_of(name, value, STYLE_LOSSES)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "size": _side,
    "shares": _shares,
    "style_size": _sides,
    "strokes_size": _side,
    "pooling": partial(_word, POOLINGS),
    "keep_scale": _yes_or_no,
    "weights": _file,
    "content_layers": _layers,
    "style_layers": _layers,
    "style_loss": _style_loss,
    "smoothing": _smoothing,
    "normalization": partial(_word, NORMALIZATIONS),
    "optimizer": partial(_word, OPTIMIZERS),
    "lr": _rates,
    "betas": _betas,
    "border": number,
    "guidance": partial(_word, GUIDANCES),
    "color": partial(_word, COLORS),
    "seed": partial(whole, most=2**63 - 1),
    "snapshot_every": whole,
    "precision": partial(_word, PRECISIONS),
    "tile": _tile,
}
