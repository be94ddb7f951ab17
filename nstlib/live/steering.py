"""The transfer beneath the studio: from settings to a run, and from changed settings to the run that goes on."""

import os
from io import BytesIO
from typing import Any, cast

from ..backbones import default_backbone
from ..devices import default_device
from ..errors import InputError
from ..images import Source, load_image, to_pil
from ..optimize import DEFAULT_LR, OPTIMIZERS, Run
from ..starts import INITS
from ..transfer import DEFAULTS, Options, prepare
from .engine import Settings
from .upload import PictureFile


def complete(content: Source, style: Source, options: Options) -> tuple[dict[str, Any], Run]:
    """Every setting by name, as the controls hold them, and the run that they begin."""
    settings: dict[str, Any] = {**DEFAULTS, **options}
    settings = {"content": _kept(content, "content"), "style": _kept(style, "style"), **settings}
    settings["size"] = options.get("size", 256 if default_device().type == "cpu" else 512)
    settings["backbone"] = settings["backbone"] or default_backbone(quiet=True)
    settings["init"] = settings["init"] or "content"
    if not isinstance(settings["init"], str) or settings["init"] not in INITS:
        raise InputError(f"init is {settings['init']!r}; the studio starts from one of: {', '.join(INITS)}")
    if settings["optimizer"] not in OPTIMIZERS:
        raise InputError(f"optimizer is {settings['optimizer']!r}; choose one of: {', '.join(OPTIMIZERS)}")
    settings["lr"] = float(f"{settings['lr'] or DEFAULT_LR[settings['optimizer']]:.4g}")
    settings["snapshot_every"] = 0
    run = _prepare(settings)
    objective = run.objective
    for name in ("alpha", "beta", "tv"):
        weight = getattr(objective, name)
        if weight.numel() != 1 or not weight.item() > 0:
            raise InputError(f"{name} is {settings[name]!r}; a slider needs one number above 0")
        settings[name] = objective.weights[name] = float(f"{weight.item():.4g}")  # what a slider can hold
    for name in ("content_layers", "style_layers"):
        weights = getattr(objective, name)
        settings[name] = {layer: round(weight.item(), 4) for layer, weight in weights.items()}
        weights.update(settings[name])
    return settings, run


def _kept(source: Source, name: str) -> str | PictureFile:
    """A name, a path or an address as it is; any other picture as a file in memory, so that it can be compared."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    file = BytesIO()
    to_pil(load_image(source)).save(file, "PNG")
    return PictureFile(f"{name}.png", file.getvalue())


def _source(kept: str | PictureFile) -> Source:
    return kept.open() if isinstance(kept, PictureFile) else kept


def _prepare(settings: Settings, **others: Any) -> Run:
    options = {**settings, **others}
    pictures = [_source(options.pop(name)) for name in ("content", "style")]
    return prepare(*pictures, **cast(Options, options))


def adopt(run: Run, settings: Settings, changed: Settings) -> Run:
    """Take changed settings up; only what changed is computed anew, and the picture goes on."""
    if "backbone" in changed:
        return _with_its_past(_prepare(settings, init=run.image.cpu()), run)
    objective = run.objective
    if {"content", "size"} & changed.keys():
        objective.set_content(load_image(_source(settings["content"]), settings["size"]))
    if {"style", "size"} & changed.keys():
        objective.set_style(load_image(_source(settings["style"]), settings["style_size"] or settings["size"]))
    if "content_layers" in changed:
        objective.set_content_layers(settings["content_layers"])
    objective.weights.update({name: value for name, value in changed.items() if name in objective.weights})
    objective.style_layers.update(changed.get("style_layers", {}))
    if "optimizer" in changed:
        return _with_its_past(Run(objective, run.image, settings["optimizer"], lr=settings["lr"]), run)
    if "lr" in changed:
        run.lr = settings["lr"]
    return run


def _with_its_past(run: Run, before: Run) -> Run:
    run.taken, run.seconds = before.taken, before.seconds
    return run
