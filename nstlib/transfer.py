"""Style transfer in one call."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, Unpack, get_args

import torch
from PIL import Image
from torch import Tensor

from .backbones import default_backbone
from .errors import InputError
from .extractor import FeatureExtractor, Precision
from .images import Source, check_output, load_image, save_image, to_pil
from .large import ranks
from .large.budget import plan
from .lbfgs import MEMORY
from .losses import Normalization
from .objective import GATYS_CONTENT, GATYS_STYLE, Layers, Objective, Weight, layer_weights
from .optimize import ADAM_BETAS, OptimizerName, Run
from .starts import INITS

Mode = Literal["style_transfer", "content", "style"]
QualityName = Literal["draft", "good", "best"]
MODES: tuple[str, ...] = get_args(Mode)
CLONE = Path(__file__).resolve().parents[1]


class Options(TypedDict, total=False):
    """What `prepare`, `stylize` and `main` can be told; `DEFAULTS` holds what they do otherwise.

    Attributes:
        size: longer side of the result in pixels. The aspect is the content's.
        style_size: longer side of the style; without it, `size`. Larger gives larger strokes.
        backbone: a name of `available_backbones()`; without it, `default_backbone()` chooses and says why.
        pooling, keep_scale, weights: see `load_backbone`.
        device: "cpu", "cuda", "mps"; without it, the best there is.
        content_layers, style_layers: layer names with weights w_l.
        alpha, beta, tv: weights of content, style and total variation; without beta, `BETA` of the normalization.
        border: how much more the total variation counts at the border; see `nstlib.tv_loss`.
        normalization: "relative" or "paper", see `nstlib.losses`; "paper" wants other weights.
        optimizer: "lbfgs" or "adam".
        lr, betas: learning rate, or a schedule of it, and how far back Adam looks; see `Run`.
        init: "content", "noise", "style_statistics", or a picture to start from; without it, the content if there is
            one, else noise.
        seed: of the noise.
        snapshot_every: keep a picture every so many steps; 0 keeps none.
        quality: "draft", "good" or "best" choose optimizer, rates, steps and precision, whatever comes to a good
            picture soonest on the device, see `QUALITIES`; large pictures go from coarse to fine. What is given beside
            it stays as given. None: what `DEFAULTS` says, every step at full size. Who says neither how many steps nor
            which quality gets "good".
        precision: in which the network computes, see `FeatureExtractor`.
        tile: longest side of a tile in pixels, see `Objective`; "auto" takes tiles where the whole picture would not
            fit into memory, and says so; None never.
    """

    size: int
    style_size: int | None
    backbone: str | None
    pooling: str
    keep_scale: bool
    weights: str | os.PathLike[str] | None
    device: str | torch.device | None
    content_layers: Layers
    style_layers: Layers
    alpha: Weight
    beta: Weight | None
    tv: Weight
    border: float
    normalization: Normalization
    optimizer: OptimizerName
    lr: float | Mapping[int, float] | None
    betas: tuple[float, float]
    init: Source | None
    seed: int
    snapshot_every: int
    quality: QualityName | None
    precision: Precision
    tile: int | Literal["auto"] | None


DEFAULTS: Options = {
    "size": 512,
    "style_size": None,
    "backbone": None,
    "pooling": "avg",
    "keep_scale": False,
    "weights": None,
    "device": None,
    "content_layers": GATYS_CONTENT,
    "style_layers": GATYS_STYLE,
    "alpha": 1.0,
    "beta": None,
    "tv": 10.0,
    "border": 0.5,  # enough against beads, too little to blur
    "normalization": "relative",
    "optimizer": "lbfgs",
    "lr": None,
    "betas": ADAM_BETAS,
    "init": None,
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


# Chosen by trials at 256 and 512 pixels and by eye; benchmarks/RESULTS.md has what they reach, and when.
QUALITIES: dict[QualityName, Quality] = {
    "draft": Quality(40, {"optimizer": "adam", "lr": {0: 0.03, 40: 0.005}, "betas": (0.8, 0.7), "precision": "auto"}),
    "good": Quality(120, {"optimizer": "adam", "lr": {0: 0.05, 120: 0.005}, "betas": (0.9, 0.8), "precision": "auto"}),
    "best": Quality(300, {"optimizer": "adam", "lr": {0: 0.04, 300: 0.002}, "betas": (0.9, 0.8)}),
}
COARSEST = 512  # pixels: strokes have a good size there, as far as a network sees


def prepare(content: Source | None, style: Source | None, *, quiet: bool = False, **options: Unpack[Options]) -> Run:
    """Load the pictures, the backbone and the objective, and give a run that has not taken a step yet.

    Args:
        content: a path, an address, a bundled name, a PIL picture, an array, a tensor; None for a texture.
        style: likewise; None for a content reconstruction.
        quiet: do not print which backbone and which tiles were chosen, and why.
        options: see `Options`.

    Raises:
        NstError: a picture, a layer, a backbone or a value that cannot work; the message says what to do.
    """
    quality = _quality(options)
    chosen: Options = {**DEFAULTS, **(quality.options if quality else {}), **options}
    quiet = quiet or ranks.rank() > 0
    size, init = chosen["size"], chosen["init"]
    content = None if content is None else load_image(content, size)
    style = None if style is None else load_image(style, chosen["style_size"] or size)
    extract = FeatureExtractor(
        chosen["backbone"] or default_backbone(quiet),
        chosen["pooling"],
        keep_scale=chosen["keep_scale"],
        weights=chosen["weights"],
        precision=chosen["precision"],
        device=chosen["device"],
    )
    tile, memory = _fitting(extract, content, style, chosen, quiet)
    objective = Objective(
        extract,
        content=content,
        style=style,
        content_layers=chosen["content_layers"],
        style_layers=chosen["style_layers"],
        alpha=chosen["alpha"],
        beta=chosen["beta"],
        tv=chosen["tv"],
        border=chosen["border"],
        normalization=chosen["normalization"],
        tile=tile,
        spread=ranks.count() > 1,
    )
    if init is None:
        init = "noise" if content is None else "content"
    return Run(
        objective,
        init=init if isinstance(init, str) and init in INITS else load_image(init),  # type: ignore[arg-type]
        optimizer=chosen["optimizer"],
        lr=chosen["lr"],
        betas=chosen["betas"],
        seed=chosen["seed"],
        snapshot_every=chosen["snapshot_every"],
        memory=memory,
        scales=_coarse_to_fine(size, quality.steps) if quality else None,
    )


def _coarse_to_fine(size: int, steps: int) -> dict[int, float]:
    """Sizes that double, from about `COARSEST` on: the smaller ones share the first half of the steps."""
    doublings = max(round(math.log2(size / COARSEST)), 0)
    shares = {number * steps // 2 // doublings: 0.5 ** (doublings - number) for number in range(doublings)}
    return {**shares, steps // 2: 1.0} if shares else {}


def _fitting(
    extract: FeatureExtractor,
    content: Tensor | None,
    style: Tensor | None,
    chosen: Options,
    quiet: bool,
) -> tuple[int | None, int]:
    """The tile, and how many pairs L-BFGS remembers."""
    tile = chosen["tile"]
    pictures = [picture for picture in (content, style) if picture is not None]
    if tile != "auto" or not pictures:
        return (None if tile == "auto" else tile), MEMORY
    layers = [
        *(layer_weights(chosen["content_layers"]) if content is not None else ()),
        *(layer_weights(chosen["style_layers"]) if style is not None else ()),
    ]
    sizes = [(picture.shape[-2], picture.shape[-1]) for picture in pictures]
    extract.check(layers, min(sizes, key=min))
    fitting = plan(extract, layers, sizes, pairs=MEMORY if chosen["optimizer"] == "lbfgs" else 1)
    if fitting.tile is not None and not quiet:
        print(f"tiles: of {fitting.tile} pixels ({fitting.reason})")
    return fitting.tile, fitting.memory


def stylize(
    content: Source, style: Source, *, steps: int | None = None, progress: bool = True, **options: Unpack[Options]
) -> Tensor:
    """Paint one picture in the style of another.

    Example:
        >>> nst.save_image(nst.stylize("village", "swirls", size=512), "village_swirls.png")

    Args:
        content, style: a path, an address, a bundled name, a PIL picture, an array or a tensor.
        steps: evaluations of the objective; without it, those of the quality. Ctrl-C ends the run early and keeps
            what it has.
        progress: show a progress bar, and print what was chosen where nobody said.
        options: see `Options`.

    Returns:
        Picture (1, 3, H, W) in [0, 1], on the CPU.
    """
    count = count_steps(steps, options)
    run = prepare(content, style, quiet=not progress, **options)
    for _ in run.steps(count, progress):
        pass
    return run.image.cpu()


def main(
    content_path: Source = "noise",
    style_path: Source | None = None,
    mode: Mode = "style_transfer",
    *,
    steps: int | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **options: Unpack[Options],
) -> Image.Image:
    """The three experiments of the tutorials, each in one line; the result is saved and returned.

    Example:
        >>> main("village", "mosaic", mode="style_transfer")
        >>> main("noise", "village", mode="content")    # what a layer remembers of the village
        >>> main("noise", "mosaic", mode="style")       # what the Gram matrices remember of the mosaic

    Args:
        content_path: where the image starts: a picture, or "noise". In mode "style_transfer" it is the content too.
        style_path: the reference: the style, or in mode "content" the picture to reconstruct.
        mode: "style_transfer", "content" or "style".
        steps, progress, options: see `stylize`.
        out: where to save; without it, img/results/<content>_<style>.png.

    Returns:
        The result as a PIL picture, which a notebook shows by itself.
    """
    path = check_output(out or default_output(content_path, style_path, mode))
    count = count_steps(steps, options)
    run = prepare_mode(content_path, style_path, mode, quiet=not progress, **options)
    for _ in run.steps(count, progress):
        pass
    if ranks.rank() == 0:
        print(f"saved {os.path.relpath(save_image(run.image, path))}")
    return to_pil(run.image)


def count_steps(steps: int | None, options: Options) -> int:
    """How many steps to take; where neither these nor a quality are given, the options get the quality "good"."""
    if steps is not None:
        return steps
    options["quality"] = options.get("quality") or "good"
    quality = _quality(options)
    assert quality is not None
    return quality.steps


def _quality(options: Options) -> Quality | None:
    """The quality asked for, without what is meant for another optimizer than the one that is given."""
    name = options.get("quality")
    if name is None:
        return None
    if name not in QUALITIES:
        raise InputError(f"quality is {name!r}; choose one of: {', '.join(QUALITIES)}")
    quality = QUALITIES[name]
    if options.get("optimizer", quality.options["optimizer"]) == quality.options["optimizer"]:
        return quality
    return Quality(quality.steps, {})  # in float32: L-BFGS lives on small differences of gradients


def prepare_mode(
    content_path: Source, style_path: Source | None, mode: str, *, quiet: bool = False, **options: Unpack[Options]
) -> Run:
    """`prepare` for a mode of `main`; see there."""
    if mode not in MODES:
        raise InputError(f"mode is {mode!r}; choose one of: {', '.join(MODES)}")
    from_noise = isinstance(content_path, str) and content_path == "noise"
    if style_path is None and (from_noise or mode != "content"):
        raise InputError(f"mode {mode!r} needs a second picture: the {'content' if mode == 'content' else 'style'}")
    if mode == "style_transfer":
        if from_noise:
            raise InputError(
                "mode 'style_transfer' needs a content picture, not 'noise'; "
                "for a start from noise give init='noise', for a texture mode='style'"
            )
        return prepare(content_path, style_path, quiet=quiet, **options)
    if style_path is None:  # one picture: reconstruct it, from noise
        style_path, from_noise = content_path, True
    options.setdefault("init", "noise" if from_noise else content_path)
    pictures = (style_path, None) if mode == "content" else (None, style_path)
    return prepare(*pictures, quiet=quiet, **options)


def default_output(content_path: Source, style_path: Source | None, mode: str) -> Path:
    """img/results/<content>_<style>.png, after the names of the pictures.

    In the folder at hand; from anywhere in a clone, such as notebooks/, in the clone's own folder of results.
    """
    names = [_name(source) for source in (content_path, style_path) if source is not None]
    base = CLONE if Path.cwd().is_relative_to(CLONE) and (CLONE / "img").is_dir() else Path()
    return base / "img" / "results" / ("_".join([*names, *([] if mode == "style_transfer" else [mode])]) + ".png")


def _name(source: Source) -> str:
    return Path(os.fspath(source)).stem if isinstance(source, str | os.PathLike) else "picture"
