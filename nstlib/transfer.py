"""Style transfer in one call."""

import math
import os
import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, Unpack, get_args

import numpy as np
from PIL import ExifTags, Image
from torch import Tensor

from .backbones import default_backbone
from .base.checks import given, one_of, size_of, whole
from .base.devices import usable_device
from .base.interrupts import finish, noted
from .base.reporting import shown_path, tell
from .control.colors import for_color, sight_of
from .control.masks import checked_masks, fitted
from .control.regions import read_masks, read_style_masks
from .control.styles import Blend
from .errors import InputError, RunWarning
from .extractor import FeatureExtractor
from .images import Source, check_output, download, load_image, to_pil
from .large import ranks
from .large.budget import plan
from .lbfgs import MEMORY
from .objective import Objective, layer_weights, layers_of
from .optimize import Run, take_steps
from .options import DEFAULTS, Options, Styles, checked, chosen_quality, count_steps, style_sizes, with_quality
from .outputs import default_output, free_name, keep_inputs, save_picture
from .pictures.sources import find, is_address
from .scales import paint_strokes, prepare_strokes
from .starts import INITS

Mode = Literal["style_transfer", "content", "style"]
MODES: tuple[str, ...] = get_args(Mode)
COARSEST = 512  # pixels: strokes have a good size there, as far as a network sees
ENLARGED = 1.5  # times: from there on a picture is visibly soft


def prepare(
    content: Source | None,
    style: Styles | None,
    *,
    steps: int | None = None,
    quiet: bool = False,
    **options: Unpack[Options],
) -> Run:
    """Load the pictures, the backbone and the objective, and give a run that has not taken a step yet.

    Args:
        content: a path, an address, a bundled name, a PIL picture, an array, a tensor; None for a texture.
        style: likewise; several with their shares, as [("swirls", 0.7), ("mosaic", 0.3)]; None for a content
            reconstruction.
        steps: how many are to be taken: rates and scales of a quality take their course in that number.
        quiet: do not print which backbone and which tiles were chosen, and why.
        options: see `Options`.

    Raises:
        NstError: a picture, a layer, a backbone or a value that cannot work; the message says what to do.
    """
    options = checked(options, "content", "style", "steps", "quiet")
    steps = None if steps is None else whole("steps", steps, 1)
    quality = chosen_quality(options, steps)
    chosen: Options = {**DEFAULTS, **(quality.options if quality else {}), **options}
    quiet = quiet or ranks.rank() > 0
    size = chosen["size"]
    content = None if content is None else loaded_picture("content", content, size)
    if chosen["strokes_size"] is not None and chosen["strokes"] is None:
        raise InputError("strokes_size is given, but no strokes; give a picture of strokes, or leave it out")
    for name in ("shares", "masks", "style_masks", "strokes"):
        if chosen[name] is not None and (style is None or (name == "masks" and content is None)):
            missing = "styles" if style is None else "content"
            raise InputError(f"{name} are given, but no {missing}; leave them out")
    styles = None if style is None else _loaded_styles(style, chosen)
    extract = _extractor(chosen, quiet)
    if chosen["strokes"] is not None:
        styles = _with_strokes(extract, Blend.of(styles), chosen, quiet)
    masks = None
    if content is not None and chosen["masks"] is not None:
        read = checked_masks(read_masks(chosen["masks"], len(Blend.of(styles))), len(Blend.of(styles)))
        masks = list(fitted(read, size_of(content)))  # a large mask would be kept, and saved, as it is
        if not quiet:
            _tell_places(style, masks)
    styles = for_color(styles, content, chosen["color"], masks)
    objective, memory = _objective(extract, content, styles, masks, chosen, quiet)
    longer = max(_pictures(content, styles)[0].shape[-2:])
    return Run(
        objective,
        init=_init(chosen["init"], content),
        optimizer=chosen["optimizer"],
        lr=chosen["lr"],
        betas=chosen["betas"],
        seed=chosen["seed"],
        snapshot_every=chosen["snapshot_every"],
        memory=memory,
        scales=_coarse_to_fine(longer, quality.steps) if quality else None,
        planned=steps or (quality.steps if quality else 0),
    )


def stylize(
    content: Source, style: Styles, *, steps: int | None = None, progress: bool = True, **options: Unpack[Options]
) -> Tensor:
    """Paint one picture in the style of another.

    Example:
        >>> nst.save_image(nst.stylize("village", "swirls", size=512), "village_swirls.png")

    Args:
        content: a path, an address, a bundled name, a PIL picture, an array or a tensor.
        style: likewise; or several with their shares, as [("swirls", 0.7), ("mosaic", 0.3)], or a dict of them.
        steps: evaluations of the objective; without it, those of the quality. Ctrl-C ends the run early and keeps
            what it has.
        progress: show a progress bar, and print what was chosen where nobody said.
        options: see `Options`.

    Returns:
        Picture (1, 3, H, W) in [0, 1], on the CPU.

    Raises:
        NstError: see `prepare`; InputError for an option that means nothing, and for None in place of a picture.
    """
    options = checked(options, "content", "style", "steps", "progress")
    given("content", content)
    given("style", style)
    count = count_steps(steps, options)
    run = prepare(content, style, steps=count, quiet=not progress, **with_quality(steps, options))
    with noted([]) as interruptions:  # to the end: whenever Ctrl-C comes, what is there is given
        take_steps(run, count, progress, interruptions)
        return finish(lambda: run.image.cpu())


def main(
    content_path: Source = "noise",
    style_path: Styles | None = None,
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
        style_path: the reference: the style, or several as for `stylize`; in mode "content" the picture to reconstruct.
        mode: "style_transfer", "content" or "style".
        steps, progress, options: see `stylize`.
        out: where to save; without it, img/results/<content>_<style>.png, with a number where that is taken.

    Returns:
        The result as a PIL picture, which a notebook shows by itself.

    Raises:
        NstError: see `stylize`; InputError also for an output that is one of the pictures.
    """
    options = checked(options, "content_path", "style_path", "mode", "steps", "out", "progress")
    _check_mode(content_path, style_path, mode)
    path = check_output(out or free_name(default_output(content_path, style_path, mode)))
    inputs = {"content": content_path, **named_styles(style_path), "start": options.get("init")}
    keep_inputs({"the output": path}, {**inputs, **named_files(options)})
    count, options = count_steps(steps, options), with_quality(steps, options)
    run = prepare_mode(content_path, style_path, mode, steps=count, quiet=not progress, **options)
    if run.objective.batch > 1:
        raise InputError(f"main makes one picture, but these are {run.objective.batch}; use nstlib.stylize, or sweep")
    check_output(path, size=size_of(run.image))
    with noted([]) as interruptions:
        take_steps(run, count, progress, interruptions)
        if ranks.rank() == 0:
            saved = finish(lambda: save_picture(run.image, path, chosen=bool(out)))
            tell(f"saved {shown_path(saved)}")
        return to_pil(run.image)


def prepare_mode(
    content_path: Source,
    style_path: Styles | None,
    mode: str,
    *,
    steps: int | None = None,
    quiet: bool = False,
    **options: Unpack[Options],
) -> Run:
    """`prepare` for a mode of `main`; see there."""
    from_noise = _check_mode(content_path, style_path, mode)
    if mode == "style_transfer":
        return prepare(content_path, style_path, steps=steps, quiet=quiet, **options)
    if mode == "content" and style_path is not None:
        if len(blend := Blend.of(style_path)) > 1:
            raise InputError("mode 'content' reconstructs one picture, but several are given; give one")
        style_path = blend.pictures[0]
    if style_path is None:  # one picture: reconstruct it, from noise
        style_path, from_noise = content_path, True
    options.setdefault("init", "noise" if from_noise else content_path)
    pictures = (style_path, None) if mode == "content" else (None, style_path)
    return prepare(*pictures, steps=steps, quiet=quiet, **options)


def named_styles(style: Styles | None) -> dict[str, Any]:
    """Each style by what messages call it."""
    pictures = () if style is None else Blend.of(style).pictures
    return {"style" if len(pictures) == 1 else f"style {place}": each for place, each in enumerate(pictures, start=1)}


def named_files(options: Options) -> dict[str, Any]:
    """Each file that is read beside content and style, by what messages call it."""
    files: dict[str, Any] = {"file of weights": options.get("weights"), "picture of strokes": options.get("strokes")}
    for name, word in (("masks", "mask"), ("style_masks", "style mask")):
        given = options.get(name)
        several = given if isinstance(given, list | tuple) else [given]
        files |= {f"{word} {place}": mask for place, mask in enumerate(several, start=1)}
    return files


def _loaded_styles(style: Styles, chosen: Options) -> Tensor | Blend:
    """The styles, each in its size."""
    blend = Blend.of(style, chosen["shares"])
    for name, picture in named_styles(style).items():
        given(name, picture)
    sizes = style_sizes(chosen["style_size"], len(blend), chosen["size"])
    pictures = [
        loaded_picture("style", picture, size, calls=4) for picture, size in zip(blend.pictures, sizes, strict=True)
    ]
    loaded = Blend(tuple(pictures), blend.shares)
    if chosen["style_masks"] is not None:
        loaded = loaded.with_parts(read_style_masks(chosen["style_masks"]))
    whole_or_blend: Tensor | Blend = loaded.style
    return whole_or_blend


def _pictures(content: Tensor | None, style: Tensor | Blend | None) -> list[Tensor]:
    return [*([] if content is None else [content]), *([] if style is None else Blend.of(style).pictures)]


def loaded_picture(what: str, source: Source, size: int | None, calls: int = 3) -> Tensor:
    """The picture in that size; where it is enlarged so much that it gets soft, with a word about it."""
    picture = load_image(source, size)
    width, height = _own_size(source) or (picture.shape[-1], picture.shape[-2])
    times = max(picture.shape[-2:]) / max(width, height)
    if times > ENLARGED and ranks.rank() == 0:
        setting = "size" if what == "content" else f"{what} size"
        message = (
            f"the {what} is {width} x {height} pixels and is enlarged {times:.1f} times, which leaves it soft; "
            f"give a larger picture, or a {setting} of about {max(width, height)}"
        )
        warnings.warn(message, RunWarning, stacklevel=calls)
    return picture


def _own_size(source: Source) -> tuple[int, int] | None:
    """Width and height as given, where they can be told without another look at all pixels."""
    if isinstance(source, Tensor):
        return source.shape[-1], source.shape[-2]
    if isinstance(source, np.ndarray):
        return source.shape[1], source.shape[0]
    if isinstance(source, Image.Image):
        return source.size
    with suppress(Exception), warnings.catch_warnings():  # it was loaded a moment ago: whatever it is, it is no trouble
        warnings.simplefilter("ignore")
        name = source if isinstance(source, bytes) else os.fsdecode(source)
        file = BytesIO(name) if isinstance(name, bytes) else download(name) if is_address(name) else find(name)
        with Image.open(file) as picture:
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            return (picture.height, picture.width) if turned else picture.size
    return None


def _tell_places(style: Styles | None, masks: list[Tensor]) -> None:
    """Say where each style goes, as far as masks were understood."""
    names = [
        Path(os.fsdecode(each)).stem if isinstance(each, str | os.PathLike) else name
        for name, each in named_styles(style).items()
    ]
    told = ", ".join(f"{name} on {float(mask.mean()):.0%}" for name, mask in zip(names, masks, strict=True))
    tell(f"places: {told} of the picture")


def _extractor(chosen: Options, quiet: bool) -> FeatureExtractor:
    usable_device(chosen["device"])  # before the backbone, which may be large
    return FeatureExtractor(
        chosen["backbone"] or default_backbone(quiet, chosen["device"]),
        chosen["pooling"],
        keep_scale=chosen["keep_scale"],
        weights=chosen["weights"],
        precision=chosen["precision"],
        device=chosen["device"],
        sees=sight_of(chosen["color"]),
        smoothing=chosen["smoothing"],
    )


def _with_strokes(extract: FeatureExtractor, styles: Blend, chosen: Options, quiet: bool) -> Tensor | Blend:
    """The styles with the fine strokes of another picture, see `nstlib.scales`.

    Raises:
        KeyboardInterrupt: pressed meanwhile; nothing has been painted yet.
    """
    source, longest = chosen["strokes"], chosen["strokes_size"]
    assert source is not None
    extract = extract.other(precision="float32", sees="colors", smoothing=None)

    def with_strokes(forms: Tensor) -> Tensor:
        strokes = loaded_picture("strokes", source, longest or max(size_of(forms)), calls=6)
        run = prepare_strokes(extract, strokes.to(extract.device), forms.to(extract.device))
        painted = paint_strokes(run, progress=not quiet)
        if run.stop_reason == "interrupted":
            raise KeyboardInterrupt
        return painted

    made: Tensor | Blend = styles.map(with_strokes).style
    return made


def _objective(
    extract: FeatureExtractor,
    content: Tensor | None,
    style: Tensor | Blend | None,
    masks: list[Tensor] | None,
    chosen: Options,
    quiet: bool,
) -> tuple[Objective, int]:
    """What to minimize, and how many pairs L-BFGS remembers."""
    tile, memory = _fitting(extract, content, style, len(masks or ()), chosen, quiet)
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
        masks=masks,
        guidance=chosen["guidance"],
        style_loss=chosen["style_loss"],
    )
    return objective, memory


def _fitting(
    extract: FeatureExtractor,
    content: Tensor | None,
    style: Tensor | Blend | None,
    masks: int,
    chosen: Options,
    quiet: bool,
) -> tuple[int | None, int]:
    """The tile, and how many pairs L-BFGS remembers."""
    tile = chosen["tile"]
    pictures = _pictures(content, style)
    if tile != "auto" or not pictures:
        return (None if tile == "auto" else tile), MEMORY
    at_content, at_style = layers_of(extract, chosen["content_layers"], chosen["style_layers"])
    layers = [
        *(layer_weights(at_content, "content", extract.layers) if content is not None else ()),
        *(layer_weights(at_style, "style", extract.layers) if style is not None else ()),
    ]
    sizes = [(picture.shape[-2], picture.shape[-1]) for picture in pictures]
    extract.check(layers, min(sizes, key=min))
    # A mask and its guides take about as much as a picture: a number a pixel, and as much again in all layers.
    sizes += masks * sizes[:1]
    fitting = plan(extract, layers, sizes, pairs=MEMORY if chosen["optimizer"] == "lbfgs" else 1)
    if fitting.tile is not None and not quiet:
        tell(f"tiles: of {fitting.tile} pixels ({fitting.reason})")
    return fitting.tile, fitting.memory


def _init(init: Source | None, content: Tensor | None) -> Any:
    """Where the run starts, as `Run` takes it."""
    if init is None:
        return "noise" if content is None else "content"
    return init if isinstance(init, str) and init in INITS else load_image(init)


def _coarse_to_fine(size: int, steps: int) -> dict[int, float]:
    """Sizes that double, from about `COARSEST` on: the smaller ones share the first half of the steps."""
    doublings = max(round(math.log2(size / COARSEST)), 0)
    shares = {number * (steps // 2) // doublings: 0.5 ** (doublings - number) for number in range(doublings)}
    return {**shares, steps // 2: 1.0} if shares else {}


def _check_mode(content_path: Source, style_path: Styles | None, mode: str) -> bool:
    """Refuse a mode without the pictures that it needs; gives whether the image starts from noise."""
    one_of("mode", mode, MODES)
    given("content", content_path)
    from_noise = isinstance(content_path, str) and content_path == "noise"
    if style_path is None and (from_noise or mode != "content"):
        raise InputError(f"mode {mode!r} needs a second picture: the {'content' if mode == 'content' else 'style'}")
    if mode == "style_transfer" and from_noise:
        raise InputError(
            "mode 'style_transfer' needs a content picture, not 'noise'; "
            "for a start from noise give init='noise', for a texture mode='style'"
        )
    return from_noise
