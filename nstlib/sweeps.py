"""Sweeps: every combination of some settings, computed as batches, each picture as its single run would make it."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from .errors import InputError, RunWarning
from .large import ranks
from .objective import Layers, Objective, layer_weights
from .optimize import OptimizerName, Run, is_out_of_memory
from .starts import Init, start_image

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
        style: pictures (1, 3, H, W) of any size.
        init: where a run starts, see `Run`.
        seed: of the noise.
    """

    alpha: float | Iterable[float] | Mapping[str, float]
    beta: float | Iterable[float] | Mapping[str, float]
    tv: float | Iterable[float] | Mapping[str, float]
    content_layers: Iterable[Layers] | Mapping[str, Layers]
    style_layers: Iterable[Layers] | Mapping[str, Layers]
    style: Tensor | Iterable[Tensor] | Mapping[str, Tensor]
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
    for name, number in {"steps": steps, "chunk": 1 if chunk is None else chunk}.items():
        if not isinstance(number, int) or number < 1:
            raise InputError(f"{name} is {number!r}; expected a whole number, 1 or more")
    result = _plan(objective, axes)
    start = partial(_start, objective, optimizer=optimizer, lr=lr, size=size)
    # What cannot work is refused here, before the first step.
    shapes = {start([settings]).image.shape for settings in result.settings.values()}
    if len(shapes) > 1:
        raise InputError(
            "the styles have several sizes, and the pictures of a sweep have one; give size=(height, width)"
        )
    on_cpu = objective.extract.device.type == "cpu"
    chunk = chunk or max(1, (CPU_PIXELS if on_cpu else GPU_PIXELS) // shapes.pop()[-2:].numel())
    # Pictures of the same layers go together, so that few compute layers for the sake of others.
    waiting = sorted(result.settings, key=lambda key: _layers(result.settings[key]))[ranks.rank() :: ranks.count()]
    total, quiet = len(waiting) * steps, not progress or ranks.rank() > 0
    with tqdm(total=total, disable=quiet, unit="step", leave=False) as bar:
        while waiting and not result.stop_reason:
            group = waiting[:chunk]
            try:
                _optimize(partial(start, [result.settings[key] for key in group]), steps, bar, group, result)
                waiting = waiting[chunk:]
            except RuntimeError as error:
                if len(group) == 1 or not is_out_of_memory(error):
                    raise
                chunk = len(group) // 2
                warnings.warn(f"out of memory with {len(group)} pictures at once; going on with {chunk}", RunWarning, 2)
            bar.n = total - len(waiting) * steps
            bar.refresh()
    for pictures, histories, stop_reason in ranks.gathered((result.pictures, result.histories, result.stop_reason)):
        result.pictures |= pictures
        result.histories |= histories
        result.stop_reason = result.stop_reason or stop_reason
    result.pictures = {key: result.pictures[key] for key in result.settings if key in result.pictures}
    result.histories = {key: result.histories[key] for key in result.pictures}
    return result


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
        "init": "noise" if objective.content is None else "content",
        "seed": 0,
    }
    for name in axes:
        if name not in defaults:
            raise InputError(f"there is no {name!r} to sweep; choose from {', '.join(defaults)}")
    several = {name: values for name, given in axes.items() if (values := _values(name, given)) is not None}
    if not several:
        raise InputError(f"there is nothing to sweep; give several values for one of {', '.join(defaults)}")
    settings: dict[Key, Settings] = {}
    for labels in itertools.product(*several.values()):
        chosen = {name: several[name][label] for name, label in zip(several, labels, strict=True)}
        combined = {**defaults, **axes, **chosen}
        for name in ("content_layers", "style_layers"):
            combined[name] = _layer_set(name, combined[name])
        settings[labels if len(labels) > 1 else labels[0]] = combined
    return Sweep({name: list(values) for name, values in several.items()}, settings)


def _values(name: str, given: Any) -> dict[str, Any] | None:
    """Label to value; None where there is one value for all pictures."""
    if isinstance(given, np.ndarray) or (isinstance(given, Tensor) and given.ndim == 1):
        given = given.tolist()
    if isinstance(given, str | Tensor) or not isinstance(given, Iterable):
        return None
    if isinstance(given, Mapping):
        labelled = [(str(label), value) for label, value in given.items()]
    else:
        labelled = [(_label(value, number), value) for number, value in enumerate(given, start=1)]
    if not labelled:
        raise InputError(f"{name} has no values; give at least one")
    values = dict(labelled)
    if len(values) < len(labelled):
        called = ", ".join(label for label, _ in labelled)
        raise InputError(f"{name} has values of the same name ({called}); give a dict of names to values")
    return values


def _label(value: Any, number: int) -> str:
    if isinstance(value, Tensor):
        return f"picture {number}"
    if isinstance(value, float):
        return f"{value:g}".replace("e+0", "e").replace("e-0", "e-")
    return " + ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)


def _layer_set(name: str, layers: Any) -> dict[str, Any]:
    if not isinstance(layers, Iterable):
        raise InputError(
            f"{name} is {layers!r}; expected several sets of layers, such as ['relu1_1', {{'relu2_1': 1.0}}]"
        )
    return layer_weights(layers)


def _layers(settings: Settings) -> list[str]:
    return sorted([*settings["content_layers"], *settings["style_layers"]])


def _optimize(start: Callable[[], Run], steps: int, bar: "tqdm[Any]", keys: list[Key], result: Sweep) -> None:
    """Make the pictures of one batch and put them into the result; on Ctrl-C, those that there are."""
    run: Run | None = None
    try:
        run = start()
        for _ in run.steps(steps, progress=False):
            bar.update(len(keys))
        interrupted = run.stop_reason == "interrupted"
    except KeyboardInterrupt:  # outside a step, or pressed twice
        interrupted = True
    result.stop_reason = "interrupted" if interrupted else ""
    if run is None or not run.taken:
        return
    pictures, rows = run.image.cpu(), run.history.rows()
    for number, key in enumerate(keys):
        result.pictures[key] = pictures[number : number + 1].clone()
        result.histories[key] = {term: rows[:, place, number] for place, term in enumerate(run.history)}


def _start(
    objective: Objective,
    group: Sequence[Settings],
    optimizer: OptimizerName,
    lr: float | None,
    size: tuple[int, int] | None,
) -> Run:
    """One run for several pictures, each with weights, a style and a start of its own."""
    weights: dict[str, Any] = {name: [settings[name] for settings in group] for name in ("alpha", "beta", "tv")}
    batch = Objective(
        objective.extract,
        objective.content,
        group[0]["style"],
        _stacked([settings["content_layers"] for settings in group]),
        _stacked([settings["style_layers"] for settings in group]),
        normalization=objective.normalization,
        tile=objective.tile,
        border=objective.border,
        **weights,
    )
    # A target that was set, in place of the style picture's own, stays.
    given = {layer: target for layer, target in objective.style_target.items() if layer in batch.style_layers}
    starts, targets, style = [], [], group[0]["style"]
    for settings in group:
        if settings["style"] is not style:
            style = settings["style"]
            batch.set_style(style)
        starts.append(start_image(batch, settings["init"], settings["seed"], size))
        targets.append({**batch.style_target, **(given if style is objective.style else {})})
    batch.style_target = {layer: torch.cat([target[layer] for target in targets]) for layer in targets[0]}
    images = torch.cat(starts)
    run = Run(batch, images, optimizer, lr=lr, size=(images.shape[-2], images.shape[-1]))
    if len(run.image) != len(group):
        raise InputError(
            "a sweep makes one picture of each combination; give content, styles and starts as (1, 3, H, W)"
        )
    return run


def _stacked(sets: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Weights of every layer of any set, one value a set; 0 where a set is without it."""
    return {layer: [weights.get(layer, 0.0) for weights in sets] for layer in dict.fromkeys(itertools.chain(*sets))}
