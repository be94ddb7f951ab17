"""Sweeps: every combination of some settings, computed as batches, each picture as its single run would make it."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from .base.checks import elsewhere, instance, number, one_of, whole
from .base.interrupts import finish
from .base.reporting import progress_bar
from .control.colors import COLORS, Color, for_color
from .control.styles import Blend, is_several
from .errors import InputError, RunWarning
from .extractor import Features, Sight
from .large import ranks
from .objective import Layers, Objective, Style, layer_weights
from .optimize import OptimizerName, Run, is_out_of_memory
from .options import checked
from .smoothing import Smoothing, checked_smoothing
from .starts import Init, start_of
from .style_losses.names import StyleLoss, name_of, style_loss_of
from .weighting import TERMS, Term

Key = str | tuple[str, ...]
Settings = Mapping[str, Any]

# Pixels that are computed at once. More gain nothing: on a CPU they leave its caches (benchmarks/sweep_cost.py), and
# on a GPU all of it is busy by then.
CPU_PIXELS, GPU_PIXELS = 200_000, 4_000_000


class Axes(TypedDict, total=False):
    """What can be swept. Each is one value for all pictures, or several: a list, or a dict of label to value.

    Attributes:
        alpha, beta, tv: weights of content, style and total variation.
        content_layers, style_layers: sets of layers: dicts of layer name to w_l, or names alone. Always several.
        style: pictures (1, 3, H, W) of any size; of a dict, each may be several with their shares, see `Objective`. All
            of each counts: style masks are those of the objective's own style.
        shares: of the objective's several styles: how much of each; of two, a number is the share of the first.
        style_loss: what is taken for style, see `nstlib.Options`.
        smoothing: None, "softmax" or "softmax:T", see `FeatureExtractor`.
        color: whose colors: "style", "match" or "luminance", see `nstlib.Options`.
        init: where a run starts, see `Run`.
        seed: of the noise.
    """

    alpha: float | Iterable[float] | Mapping[str, float]
    beta: float | Iterable[float] | Mapping[str, float]
    tv: float | Iterable[float] | Mapping[str, float]
    content_layers: Iterable[Layers] | Mapping[str, Layers]
    style_layers: Iterable[Layers] | Mapping[str, Layers]
    style: Tensor | Iterable[Tensor] | Mapping[str, Style]
    shares: Iterable[float | Sequence[float]] | Mapping[str, float | Sequence[float]]
    style_loss: str | StyleLoss | Iterable[str | StyleLoss] | Mapping[str, str | StyleLoss]
    smoothing: Smoothing | Iterable[Smoothing] | Mapping[str, Smoothing]
    color: Color | Iterable[Color] | Mapping[str, Color]
    init: Init | Tensor | Iterable[Init | Tensor] | Mapping[str, Init | Tensor]
    seed: int | Iterable[int] | Mapping[str, int]


@dataclass
class Sweep:
    """The pictures of a sweep, and how they came about.

    All dicts have the same keys: where one thing was swept, the label of its value, as `plots.strip` takes it; where
    several were, a tuple of labels in the order of `axes`, as `plots.grid` takes it for two.

    Attributes:
        axes: name of what was swept to the labels of its values.
        settings: everything that can be swept, with the value that the picture was made with.
        pictures: (1, 3, H, W) in [0, 1], on the CPU.
        histories: every term at every step, as in `Run.history`.
        stop_reason: "interrupted" where Ctrl-C ended it early, so that pictures are missing or unfinished; else "".
    """

    axes: dict[str, list[str]]
    settings: dict[Key, Settings]
    pictures: dict[Key, Tensor] = field(default_factory=dict)
    histories: dict[Key, dict[str, np.ndarray]] = field(default_factory=dict)
    stop_reason: str = ""

    def final(self, term: str) -> dict[Key, float]:
        """A term of each picture, without its weight: "content", "style", "tv", "style/relu1_1", ..., or "total"."""
        known = set.intersection(*map(set, self.histories.values())) if self.histories else set()
        if term not in known:
            raise InputError(f"there is no {term!r} for every picture; there are {', '.join(sorted(known)) or 'none'}")
        return {key: float(history[term][-1]) for key, history in self.histories.items()}


def sweep(
    objective: Objective,
    *,
    steps: int = 200,
    optimizer: OptimizerName = "lbfgs",
    lr: float | None = None,
    size: tuple[int, int] | None = None,
    chunk: int | None = None,
    progress: bool = True,
    **axes: Unpack[Axes],
) -> Sweep:
    """Make a picture for every combination of the given values.

    The pictures are optimized together, in batches that fit the memory, and do not feel each other: each comes out as
    from a `Run` of its own. Ctrl-C ends the sweep after the step and keeps the pictures that it has. Processes that
    `nstlib.large.ranks` joined make some of the pictures each, and in the end all have all of them.

    Example:
        >>> result = sweep(objective, init=["content", "noise"], beta=[1, 10, 100], steps=100)
        >>> plots.grid(result.pictures, rows="init", columns="beta")
        >>> result.final("style")["noise", "10"]

    Args:
        objective: what to minimize; what is not given in `axes` is as it has it.
        steps: evaluations of the objective for each picture.
        optimizer, lr, size: see `Run`.
        chunk: how many pictures are computed at once; without it, as many as pay. Out of memory, it is halved.
        progress: show a progress bar.
        axes: see `Axes`. Without `init`, runs start from the content if there is one, else from noise.

    Raises:
        InputError: nothing to sweep, an unknown name, a value that cannot work. LayerNotFound, ImageError: see
            `Objective`. OutOfMemory: not even a single picture fits.
    """
    instance("the objective", Objective, objective)
    steps, chunk = whole("steps", steps, 1), None if chunk is None else whole("chunk", chunk, 1)
    result = _plan(objective, axes)
    batches = _Batches(objective, optimizer, lr, size)
    # What cannot work is refused here, before the network is asked anything.
    height, width = batches.checked_size(result.settings.values())
    on_cpu = objective.extract.device.type == "cpu"
    chunk = chunk or max(1, (CPU_PIXELS if on_cpu else GPU_PIXELS) // (height * width))
    # Pictures of the same layers go together, so that few compute layers for the sake of others.
    waiting = sorted(result.settings, key=lambda key: _kind(result.settings[key]))[ranks.rank() :: ranks.count()]
    with progress_bar(len(waiting) * steps, shown=progress and ranks.rank() == 0) as bar:
        _make(waiting, chunk, steps, batches, bar, result)
    _gather(result)
    return result


def _make(keys: list[Key], chunk: int, steps: int, batches: "_Batches", bar: "tqdm[Any]", result: Sweep) -> None:
    """Make these pictures, so many at once; Ctrl-C, whenever it comes, ends it with those that there are."""
    waiting = keys
    try:
        while waiting and not result.stop_reason:
            kinds = [_must_agree(result.settings[key]) for key in waiting]
            group = waiting[: min(chunk, kinds.count(kinds[0]))]
            try:
                _optimize(partial(batches.start, [result.settings[key] for key in group]), steps, bar, group, result)
                waiting = waiting[len(group) :]
            except (RuntimeError, MemoryError) as error:
                if len(group) == 1 or not is_out_of_memory(error):
                    raise
                chunk = len(group) // 2
                warnings.warn(f"out of memory with {len(group)} pictures at once; going on with {chunk}", RunWarning, 3)
            bar.n = (len(keys) - len(waiting)) * steps
            bar.refresh()
    except KeyboardInterrupt:  # between two batches
        result.stop_reason = "interrupted"


def _gather(result: Sweep) -> None:
    """Put together what each of the processes that share the sweep has made, in the order of the settings."""
    for pictures, histories, stop_reason in ranks.gathered((result.pictures, result.histories, result.stop_reason)):
        result.pictures |= pictures
        result.histories |= histories
        result.stop_reason = result.stop_reason or stop_reason
    result.pictures = {key: result.pictures[key] for key in result.settings if key in result.pictures}
    result.histories = {key: result.histories[key] for key in result.pictures}


def _plan(objective: Objective, axes: Axes) -> Sweep:
    """The sweep before its first picture: every combination of the values."""
    if objective.batch > 1:
        raise InputError(f"the objective is for a batch of {objective.batch}; a sweep wants one for a single picture")
    defaults: dict[str, Any] = {
        "alpha": float(objective.alpha),
        "beta": float(objective.beta),
        "tv": float(objective.tv),
        "content_layers": {layer: float(weight) for layer, weight in objective.content_layers.items()},
        "style_layers": {layer: float(weight) for layer, weight in objective.style_layers.items()},
        "style": objective.style,
        "shares": None,
        "style_loss": objective.style_loss,
        "smoothing": objective.extract.smoothing,
        "color": "style",
        "init": "noise" if objective.content is None else "content",
        "seed": 0,
    }
    _refuse_unknown(axes, list(defaults))
    several = {name: values for name, given in axes.items() if (values := _values(name, given)) is not None}
    if not several:
        raise InputError(f"there is nothing to sweep; give several values for one of {', '.join(defaults)}")
    settings: dict[Key, dict[str, Any]] = {}
    for labels in itertools.product(*several.values()):
        chosen = {name: several[name][label] for name, label in zip(several, labels, strict=True)}
        settings[labels if len(labels) > 1 else labels[0]] = _checked({**defaults, **axes, **chosen}, objective)
    _finish_styles(objective, settings.values())
    return Sweep({name: list(values) for name, values in several.items()}, {**settings})


def _finish_styles(objective: Objective, settings: Iterable[dict[str, Any]]) -> None:
    """Give each style its shares and its colors, a picture once for all that share it."""
    made: dict[tuple[int, int, str], Any] = {}

    def colored(picture: Tensor, place: int, color: Color) -> Any:
        mask = None if objective.masks is None else objective.masks[place : place + 1]
        key = id(picture), 0 if mask is None else place, color
        if key not in made:
            made[key] = for_color(picture, objective.content, color, mask)
        return made[key]

    for chosen in settings:
        changed = chosen["shares"] is not None or chosen["color"] != "style"
        if changed and (objective.extract.sees != "colors" or not objective.own_style_target):
            raise InputError(
                "colors and shares are swept from the styles' own pictures and targets; make the objective "
                "with these, and let it see colors"
            )
        if chosen["shares"] is not None:
            chosen["style"] = _shared(chosen["style"], chosen["shares"])
        if chosen["color"] != "style":
            blend = Blend.of(chosen["style"])
            pictures = (colored(picture, place, chosen["color"]) for place, picture in enumerate(blend.pictures))
            chosen["style"] = Blend(tuple(pictures), blend.shares, blend.parts).style


def _shared(style: Any, shares: Any) -> Blend:
    """The styles with other shares; of two, a number is that of the first."""
    blend = Blend.of(style)
    if len(blend) < 2:
        raise InputError("there are shares to sweep, but not several styles; give the objective some")
    if not isinstance(shares, Iterable) and len(blend) == 2:
        first = number("a share", shares)
        if first > 1:
            raise InputError(f"a share is {first:g}; expected a number from 0 to 1, the share of the first style")
        shares = (first, 1 - first)
    return blend.with_shares(shares)


def _refuse_unknown(axes: Iterable[str], known: list[str]) -> None:
    for name in axes:
        if name not in known:
            others = ("steps", "optimizer", "lr", "size", "chunk", "progress")
            here = elsewhere(name, (*known, *others))
            there = f"what other programs call {name} is {here!r} here" if here else f"choose from {', '.join(known)}"
            raise InputError(f"there is no {name!r} to sweep; {there}")


def _checked(settings: dict[str, Any], objective: Objective) -> dict[str, Any]:
    """The settings of one picture, in the types that the code wants."""
    for name in ("alpha", "beta", "tv"):
        settings[name] = number(f"the weight {name}", settings[name])
    for term in TERMS:
        name = f"{term}_layers"
        layers = _layer_set(term, settings[name], objective.extract.layers)
        settings[name] = {layer: number(f"the weight {layer}", weight) for layer, weight in layers.items()}
    for style in () if settings["style"] is None else Blend.of(settings["style"]).pictures:
        if not (isinstance(style, Tensor) and style.ndim == 4 and style.shape[1] == 3):
            shape = tuple(style.shape) if isinstance(style, Tensor) else type(style).__name__
            raise InputError(f"the style is {shape}; expected a picture (B, 3, H, W), as nstlib.load_image gives it")
    one_of("color", settings["color"], COLORS)
    settings["style_loss"] = style_loss_of(settings["style_loss"])
    settings["smoothing"] = checked_smoothing(settings["smoothing"])
    settings["seed"] = whole("the seed", settings["seed"], most=2**63 - 1)
    return settings


def _values(name: str, given: Any) -> dict[str, Any] | None:
    """Label to value; None where there is one value for all pictures."""
    if isinstance(given, np.ndarray) or (isinstance(given, Tensor) and given.ndim == 1):
        given = given.tolist()
    if isinstance(given, str | Tensor | Blend | StyleLoss) or not isinstance(given, Iterable):
        return None
    # What can be read only once is read here.
    pairs = list(given.items()) if isinstance(given, Mapping) else [(None, value) for value in given]
    kept = [(label, list(value) if isinstance(value, Iterator) else value) for label, value in pairs]
    if isinstance(given, Mapping):
        labelled = [(str(label), value) for label, value in kept]
    else:
        labelled = [(_label(value, place), value) for place, (_, value) in enumerate(kept, start=1)]
    if not labelled:
        raise InputError(f"{name} has no values; give at least one")
    values = dict(labelled)
    if len(values) < len(labelled):
        called = ", ".join(label for label, _ in labelled)
        raise InputError(f"{name} has values of the same name ({called}); give a dict of names to values")
    return values


def _label(value: Any, place: int) -> str:
    if isinstance(value, Tensor):
        return f"{value.item():g}" if value.ndim == 0 else f"picture {place}"
    if isinstance(value, StyleLoss):
        return name_of(value)
    if isinstance(value, Blend) or (is_several(value) and any(map(_holds_a_picture, value))):
        return f"styles {place}"
    if isinstance(value, float):
        return f"{value:g}".replace("e+0", "e").replace("e-0", "e-")
    return " + ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)


def _holds_a_picture(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, list | tuple) and any(map(_holds_a_picture, value)))


def _layer_set(term: Term, layers: Any, known: Sequence[str]) -> dict[str, Any]:
    if not isinstance(layers, Iterable):
        raise InputError(
            f"{term}_layers is {layers!r}; expected several sets of layers, such as ['relu1_1', {{'relu2_1': 1.0}}]"
        )
    return layer_weights(layers, term, known)


def _layers(settings: Settings) -> list[str]:
    return sorted([*settings["content_layers"], *settings["style_layers"]])


def _sees(settings: Settings) -> Sight | None:
    """How the network sees these pictures, where it is not as the given objective has it."""
    return "luminance" if settings["color"] == "luminance" else None


def _kind(settings: Settings) -> tuple[bool, str, str, str, list[str]]:
    """Pictures of the same kind can be computed together."""
    return *_must_agree(settings), _layers(settings)


def _must_agree(settings: Settings) -> tuple[bool, str, str, str]:
    """What pictures of one batch have in common: sight and smoothing, the style loss, and what its targets need.

    Those of a layer that needs its neighbors are of one set of layers; those of positions are of styles of one size.
    """
    loss, layers, style = settings["style_loss"], sorted(settings["style_layers"]), settings["style"]
    needs = layers if any(loss.needs([layer], layers) != [layer] for layer in layers) else []
    styles = () if style is None or loss.adds_up else Blend.of(style).pictures
    seen, smoothing = _sees(settings) is not None, settings["smoothing"] or ""
    return seen, smoothing, str(loss.settings()), f"{needs} {[picture.shape for picture in styles]}"


def _optimize(start: Callable[[], Run], steps: int, bar: "tqdm[Any]", keys: list[Key], result: Sweep) -> None:
    """Make the pictures of one batch and put them into the result; on Ctrl-C, those that there are."""
    run: Run | None = None
    interruptions: list[int] = []
    try:
        run = start()
        for _ in run.steps(steps, progress=False):
            bar.update(len(keys))
    except KeyboardInterrupt:  # outside a step, or pressed twice
        interruptions.append(1)
    if run is not None and run.taken:
        made = run
        finish(lambda: _put(made, keys, result), interruptions)
    if interruptions or (run is not None and run.stop_reason == "interrupted"):
        result.stop_reason = "interrupted"


def _put(run: Run, keys: list[Key], result: Sweep) -> None:
    """The pictures and histories of a batch, one by one, into the result."""
    pictures, rows = run.image.cpu(), run.history.rows()
    for column, key in enumerate(keys):
        result.pictures[key] = pictures[column : column + 1].clone()
        result.histories[key] = {term: rows[:, place, column] for place, term in enumerate(run.history)}


class _Batches:
    """Runs for several pictures at once, each picture with weights, a style and a start of its own.

    Groups of the same layers share an objective, so that each style goes through the network once for them.
    """

    def __init__(self, objective: Objective, optimizer: OptimizerName, lr: Any, size: tuple[int, int] | None):
        self._given = objective
        self._how: dict[str, Any] = {**checked({"optimizer": optimizer, "lr": lr})}
        self._size = _checked_size(size)
        self._batch: Objective | None = None
        self._agreed: tuple[bool, str, str, str] | None = None
        # Of the batch's styles, by the identity of the picture and of the mask that says which part of it counts.
        self._statistics: dict[tuple[int, int], Features] = {}

    def checked_size(self, settings: Iterable[Settings]) -> tuple[int, int]:
        """Height and width that all pictures will have; the network is not asked.

        Raises:
            NstError: pictures that cannot be made, or not together.
        """
        extract, content = self._given.extract, self._given.content
        starts: dict[Any, torch.Size] = {}
        for chosen in settings:
            style, init = chosen["style"], chosen["init"]
            key = (init if isinstance(init, str) else id(init), chosen["seed"], id(style))
            starts[key] = starts[key] if key in starts else self._start(chosen).shape
            styles = () if style is None else Blend.of(style).pictures
            if self._given.masks is not None and len(styles) != len(self._given.masks):
                raise InputError(f"there are {len(self._given.masks)} masks, but a style to sweep is {len(styles)}")
            others = styles if content is None else (*styles, content)
            pictures = {starts[key], *(picture.shape for picture in others)}
            if any(shape[0] != 1 for shape in pictures):
                raise InputError(
                    "a sweep makes one picture of each combination; give content, styles and starts as (1, 3, H, W)"
                )
            extract.check(_layers(chosen), min((shape[-2:] for shape in pictures), key=min))
            self._given.check_smoothing(chosen["smoothing"], others)
            if style is not None:
                self._given.check_style_loss(chosen["style_loss"], chosen["style_layers"], others)
        sizes = {(shape[-2], shape[-1]) for shape in starts.values()}
        if len(sizes) > 1:
            raise InputError(
                "the styles have several sizes, and the pictures of a sweep have one; give size=(height, width)"
            )
        return sizes.pop()

    def start(self, group: Sequence[Settings]) -> Run:
        """One run for these pictures."""
        batch = self._objective(group)
        targets = [self._target(batch, settings["style"]) for settings in group]
        batch.style_target = {layer: torch.cat([target[layer] for target in targets]) for layer in targets[0]}
        if batch.masks is not None:
            batch.weigh_regions([Blend.of(settings["style"]).shares for settings in group])
        images = torch.cat([self._start(settings) for settings in group])
        return Run(batch, images, size=(images.shape[-2], images.shape[-1]), **self._how)

    def _start(self, settings: Settings) -> Tensor:
        given, style, init = self._given, settings["style"], settings["init"]
        masks = given.masks
        return start_of(given.content, style, given.extract.device, init, settings["seed"], self._size, masks=masks)

    def _objective(self, group: Sequence[Settings]) -> Objective:
        """What to minimize, with the weights of these pictures; the one before, where it has the same layers."""
        weights: dict[str, Any] = {name: [settings[name] for settings in group] for name in ("alpha", "beta", "tv")}
        content_layers, style_layers = (
            _stacked([settings[name] for settings in group]) for name in ("content_layers", "style_layers")
        )
        batch, given = self._batch, self._given
        extract = given.extract.other(sees=_sees(group[0]), smoothing=group[0]["smoothing"])
        style_loss = group[0]["style_loss"]
        if (
            batch
            and self._agreed == _must_agree(group[0])
            and [*batch.content_layers] == [*content_layers]
            and [*batch.style_layers] == [*style_layers]
        ):
            batch.weights.update(weights)
            batch.content_layers.update(content_layers)
            batch.style_layers.update(style_layers)
            return batch
        first, self._agreed = group[0]["style"], _must_agree(group[0])
        self._batch = batch = Objective(
            extract,
            given.content,
            first,
            content_layers,
            style_layers,
            normalization=given.normalization,
            tile=given.tile,
            border=given.border,
            masks=given.masks,
            guidance=given.guidance,
            style_loss=style_loss,
            **weights,
        )
        pairs = [] if first is None else zip(_parts(first), batch.style_statistics, strict=True)
        self._statistics = {_identity(*part): statistics for part, statistics in pairs}
        return batch

    def _target(self, batch: Objective, style: Tensor | Blend | None) -> Mapping[str, Tensor]:
        """The target of a style: its own, or what was set in its place."""
        if style is None:
            return {}
        given = self._given
        own = batch.target_of([self._statistics_of(batch, *part) for part in _parts(style)], Blend.of(style).shares)
        other_loss = batch.style_loss.settings() != given.style_loss.settings()
        other_smoothing = batch.extract.smoothing != given.extract.smoothing
        if style is not given.style or given.own_style_target or other_loss or other_smoothing:
            return own
        return own | {layer: target for layer, target in given.style_target.items() if layer in batch.style_layers}

    def _statistics_of(self, batch: Objective, picture: Tensor, part: Tensor | None) -> Features:
        """Each picture goes through the network once."""
        key = _identity(picture, part)
        if key not in self._statistics:
            self._statistics[key] = batch.statistics_of(picture, part)
        return self._statistics[key]


def _parts(style: Tensor | Blend) -> list[tuple[Tensor, Tensor | None]]:
    """Each of the styles, with the mask that says which part of it counts."""
    blend = Blend.of(style)
    return list(zip(blend.pictures, blend.parts or (None,) * len(blend), strict=True))


def _identity(picture: Tensor, part: Tensor | None) -> tuple[int, int]:
    return id(picture), id(part)


def _checked_size(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
        raise InputError(f"size is {size!r:.80}; expected (height, width) in pixels")
    return whole("the height", size[0], 1), whole("the width", size[1], 1)


def _stacked(sets: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Weights of every layer of any set, one value a set; 0 where a set is without it."""
    return {layer: [weights.get(layer, 0.0) for weights in sets] for layer in dict.fromkeys(itertools.chain(*sets))}
