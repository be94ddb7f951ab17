"""The transfer beneath the studio: from settings to a run, and from changed settings to the run that goes on."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, cast

from torch import Tensor

from ..backbones import default_backbone
from ..base.checks import given, known_names, number, one_of, whole
from ..base.devices import default_device
from ..control.colors import for_color, sight_of
from ..control.regions import Masks, color_coded, read_masks
from ..control.styles import Blend
from ..errors import ImageError, InputError
from ..images import Source, load_image, to_pil
from ..objective import Objective
from ..optimize import DEFAULT_LR, OPTIMIZERS, Run
from ..options import DEFAULTS, QUALITIES, Options, QualityName, Styles
from ..starts import INITS
from ..style_losses.names import StyleLoss, style_loss_of
from ..transfer import prepare
from .engine import Settings
from .upload import PictureFile


def complete(content: Source, style: Styles, options: Options) -> tuple[dict[str, Any], Run]:
    """Every setting by name, as the controls hold them, and the run that they begin.

    Raises:
        NstError: an option that there is not, or a value that the studio cannot hold.
    """
    known_names(options, list(DEFAULTS))
    settings: dict[str, Any] = {**DEFAULTS, **_of_quality(options), **options, "quality": None, "snapshot_every": 0}
    shares = settings.pop("shares")
    if isinstance(settings["style_size"], list | tuple):
        raise InputError("the studio takes one style_size for all its styles; nstlib.stylize takes one for each")
    if settings["style_masks"] is not None:
        raise InputError("the studio takes whole styles; nstlib.stylize takes style_masks")
    if settings["strokes"] is not None:
        raise InputError("the studio takes finished styles; give nstlib.strokes_on_forms(strokes, style) as the style")
    settings = {"content": _kept(content, "content"), **_kept_styles(style, shares), **settings}
    settings["masks"] = kept_masks(settings["masks"], 2 if isinstance(settings["style"], list) else 1)
    settings["size"] = _size(options)
    settings["backbone"] = settings["backbone"] or default_backbone(True, settings["device"])
    settings["init"] = "content" if settings["init"] is None else settings["init"]
    if not isinstance(settings["init"], str) or settings["init"] not in INITS:
        raise InputError(f"init is {settings['init']!r:.80}; the studio starts from one of: {', '.join(INITS)}")
    one_of("optimizer", settings["optimizer"], OPTIMIZERS)
    rate = DEFAULT_LR[settings["optimizer"]] if settings["lr"] is None else settings["lr"]
    settings["lr"] = float(f"{number('lr', rate, above=True):.4g}")
    run = _prepare(settings)
    objective = run.objective
    settings["size"] = settings["size"] or max(objective.content.shape[-2:])  # type: ignore[union-attr]
    for name in ("alpha", "beta", "tv"):
        settings[name] = objective.weights[name] = _for_a_slider(name, getattr(objective, name))
    for name in ("content_layers", "style_layers"):
        weights = getattr(objective, name)
        settings[name] = {layer: _for_a_layer(layer, weight) for layer, weight in weights.items()}
        weights.update(settings[name])
    return settings, run


def adopt(run: Run, settings: Settings, changed: Settings) -> Run:
    """Take changed settings up, all or none of them; only what changed is computed anew, and the picture goes on."""
    if "backbone" in changed:
        return _with_its_past(_prepare(settings, init=run.image.cpu()), run)
    objective = run.objective
    pictures, sees = _changed_pictures(objective.content, settings, changed), sight_of(settings["color"])
    shown = None if sees == objective.extract.sees else run.image
    loss = style_loss_of(settings["style_loss"]) if "style_loss" in changed else objective.style_loss
    with all_or_nothing(objective):
        if loss.adds_up:  # one that does not may need what comes below: smaller pictures, no masks
            _take_loss(objective, loss)
        if "content" in pictures:
            objective.set_content(pictures["content"])
        objective.set_sight(sees)
        if "style" in pictures:
            objective.set_style(pictures["style"])
        elif changed.get("shares"):
            objective.shares = changed["shares"]
        if "masks" in changed:
            objective.set_masks(_loaded_masks(settings))
        _take_loss(objective, loss)
        if "content_layers" in changed:
            objective.set_content_layers(settings["content_layers"])
        if "optimizer" in changed:
            run = _with_its_past(_run_on(objective, run.image, settings), run)
    if shown is not None:
        run.go_on_from(shown)  # beneath what is seen, a picture that was made without colors has others
    objective.weights.update({name: value for name, value in changed.items() if name in objective.weights})
    objective.style_layers.update(changed.get("style_layers", {}))
    if "lr" in changed:
        run.lr = settings["lr"]
    return run


def _take_loss(objective: Objective, loss: StyleLoss) -> None:
    if objective.style_loss.settings() != loss.settings():
        objective.set_style_loss(loss)


def _changed_pictures(content: Tensor | None, settings: Settings, changed: Settings) -> dict[str, Any]:
    """What is to be compared with from now on, by its name; a style in the content's colors follows the content."""
    pictures: dict[str, Any] = {}
    if {"content", "size"} & changed.keys():
        pictures["content"] = content = _loaded(settings["content"], settings["size"])
    moved = pictures or "masks" in changed
    if {"style", "size", "color"} & changed.keys() or (settings["color"] != "style" and moved):
        kept = Blend.of(settings["style"], settings["shares"])
        size = settings["style_size"] or settings["size"]
        loaded = [_loaded(picture, size) for picture in kept.pictures]
        styles = Blend(tuple(loaded), kept.shares).style
        pictures["style"] = for_color(styles, content, settings["color"], _loaded_masks(settings))
    return pictures


@contextmanager
def all_or_nothing(objective: Objective) -> Iterator[None]:
    """Where the block fails half-way, the objective is what it was, but for its weights."""
    sees, masks, style_loss = objective.extract.sees, objective.given_masks, objective.style_loss
    content, style, layers = objective.content, objective.style, dict(objective.content_layers)
    try:
        yield
    except BaseException:
        if objective.given_masks is not masks:
            objective.set_masks(None)
        if style_loss.adds_up:
            _take_loss(objective, style_loss)
        if objective.content is not content:
            objective.set_content(content)
        if objective.style is not style:
            objective.set_style(style)
        _take_loss(objective, style_loss)
        if list(objective.content_layers) != list(layers):
            objective.set_content_layers(layers)
        objective.set_sight(sees)
        if objective.given_masks is not masks:
            objective.set_masks(masks)
        raise


def _of_quality(options: Options) -> Mapping[str, Any]:
    """What a quality means here, where a hand says how long: its optimizer, and the rate that it begins with."""
    if options.get("quality") is None:
        return {}
    quality = QUALITIES[cast(QualityName, one_of("quality", options["quality"], QUALITIES))].options
    if options.get("optimizer", quality["optimizer"]) != quality["optimizer"]:
        return {}
    rates = cast(Mapping[int, float], quality["lr"])
    return {"optimizer": quality["optimizer"], "betas": quality["betas"], "lr": rates[0]}


def _size(options: Options) -> int | None:
    if "size" not in options:
        return 256 if default_device().type == "cpu" else 512
    return None if options["size"] is None else whole("size", options["size"], 1, hint="; None keeps the content's")


def _for_a_slider(name: str, weight: Tensor) -> float:
    if weight.numel() != 1 or not weight.item() > 0:
        raise InputError(f"{name} is {weight.tolist()}; a slider needs one number above 0")
    return float(f"{weight.item():.4g}")


def _for_a_layer(layer: str, weight: Tensor) -> float:
    if weight.numel() != 1:
        raise InputError(f"the weight of {layer} is {weight.tolist()}; a slider needs one number")
    return round(weight.item(), 4)


def _kept(source: Source, name: str) -> str | PictureFile:
    """A name, a path or an address as it is; any other picture as a file in memory, so that it can be compared."""
    given(name, source)
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    return _file_of(name, load_image(source))


def _kept_styles(style: Styles, shares: Sequence[float] | None) -> dict[str, Any]:
    """One style, or two with their shares: the studio has room for so many."""
    given("style", style)
    blend = Blend.of(style, shares)
    if len(blend) > 2:
        raise InputError(f"the studio takes one style or two, not {len(blend)}; nstlib.stylize takes any number")
    kept = [_kept(picture, "style") for picture in blend.pictures]
    return {"style": kept if len(kept) > 1 else kept[0], "shares": blend.shares if len(kept) > 1 else None}


def kept_masks(masks: Masks | None, count: int) -> str | PictureFile | list[str | PictureFile] | None:
    """Masks as they can be compared: names as they are, anything else as files in memory.

    What a brush holds counts as no masks, as long as a region has no paint, or where the styles are not as many.
    """
    if masks is None or isinstance(masks, str | os.PathLike):
        return None if masks is None else os.fspath(masks)
    if hasattr(masks, "masks"):
        painted = masks.masks
        if len(painted) not in (count, count - 1) or not bool(painted.flatten(1).any(1).all()):
            return None
        hard = bool(((painted == 0) | (painted == 1)).all())
        if hard and len(painted) == count:
            return _file_of("masks", color_coded(painted))
        return [_file_of(f"mask_{place}", each.expand(1, 3, -1, -1)) for place, each in enumerate(painted, start=1)]
    named = list(masks) if isinstance(masks, list | tuple) else []
    if named and all(isinstance(mask, str | os.PathLike) for mask in named):
        return [os.fspath(cast(str, mask)) for mask in named]
    read = read_masks(masks, count)
    return [_file_of(f"mask_{place}", mask.expand(1, 3, -1, -1)) for place, mask in enumerate(read, start=1)]


def _file_of(name: str, picture: Tensor) -> PictureFile:
    file = BytesIO()
    to_pil(picture).save(file, "PNG")
    return PictureFile(f"{name}.png", file.getvalue())


def _loaded_masks(settings: Settings) -> list[Tensor] | None:
    count = len(Blend.of(settings["style"]))
    return None if settings["masks"] is None else read_masks(_data_of_masks(settings["masks"]), count)


def _data_of_masks(masks: Any) -> Any:
    return [_data(mask) for mask in masks] if isinstance(masks, list) else None if masks is None else _data(masks)


def _loaded(kept: str | PictureFile, size: int | None) -> Tensor:
    if not isinstance(kept, PictureFile):
        return load_image(kept, size)
    try:
        return load_image(kept.data, size)
    except ImageError as error:
        raise ImageError(f"{kept.name}: {error}") from error


def _prepare(settings: Settings, **others: Any) -> Run:
    options = {**settings, **others}
    content, style = options.pop("content"), options.pop("style")
    styles = [_data(each) for each in style] if isinstance(style, list) else _data(style)
    options["masks"] = _data_of_masks(options["masks"])
    return prepare(_data(content), styles, **cast(Options, options))


def _data(kept: str | PictureFile) -> str | bytes:
    return kept.data if isinstance(kept, PictureFile) else kept


def _run_on(objective: Objective, image: Tensor, settings: Settings) -> Run:
    return Run(objective, image, settings["optimizer"], lr=settings["lr"], betas=settings["betas"])


def _with_its_past(run: Run, before: Run) -> Run:
    run.taken, run.seconds = before.taken, before.seconds
    return run
