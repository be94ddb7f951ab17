"""Figures: pictures side by side, grids, film strips, loss curves, feature maps and Gram matrices.

Every function takes plain results (pictures, a run's history, features) and returns a `Figure`, which a notebook shows
by itself and `figure.savefig("figure.png")` saves. Needs matplotlib, which comes with `pip install "nstlib[lab]"`.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any, TypeVar

import numpy as np
import torch
from matplotlib import figure, ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import FuncNorm, Normalize, PowerNorm
from matplotlib.patches import ConnectionPatch
from torch import Tensor

from .base import checks
from .errors import InputError
from .images import to_pil

WIDTH = 9.0  # inches; 900 pixels fill a notebook's column
JPEG = {"quality": 75, "optimize": True, "progressive": True}
# Okabe and Ito's colors, which the color-blind can tell apart; the dashes do so without any color.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 2)))
MARKERS = ("", "s", "^", "D", "v", "P", "X")  # of the first seven lines, the next seven, ...
FEW, NEAR = 6, 0.08  # places of values that are all labeled, unless two are nearer, as a share of the axis
DECADES, ONE_DECADE = (1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8)  # what is labeled of a logarithmic axis that is so short
IN_THE_CORNER = 8  # lines whose names fit into the axes; more are named beside them
MAPS = "viridis"
SIGNED = "RdBu_r"  # white is 0; red and blue differ for the color-blind, too
LABELS = ((6, 3), (-6, -9), (-6, -9), (6, 3))  # where a line has the labels of its points, in points: right and up

Things = TypeVar("Things", bound=Mapping[Any, Any])


class Figure(figure.Figure):
    """A figure that carries a description in words, and that a notebook shows once, without pyplot.

    Attributes:
        alt: what it shows, for people and programs that cannot see it.
        photographic: shown as JPEG, which pictures want, in place of PNG, which lines and letters want.
    """

    def __init__(self, width: float, height: float, alt: str, photographic: bool = False):
        super().__init__(figsize=(width, height), dpi=100, layout="constrained", facecolor="white")
        self.alt, self.photographic = alt, photographic

    def _ipython_display_(self) -> None:
        from IPython.display import display

        kind = "jpeg" if self.photographic else "png"
        file = BytesIO()
        self.savefig(file, format=kind, pil_kwargs=JPEG if self.photographic else {})
        data = {f"image/{kind}": file.getvalue(), "text/plain": self.alt}
        display(data, raw=True, metadata={f"image/{kind}": {"alt": self.alt}})  # type: ignore[no-untyped-call]


@checks.known_arguments
def strip(pictures: Mapping[str, Tensor], height: float = 2.6, alt: str = "") -> Figure:
    """Pictures side by side at one height, each under its title.

    Example:
        >>> strip({"content": content, "style": style, "image": run.image})

    Args:
        pictures: title to picture, (3, H, W) or (1, 3, H, W).
        height: of the pictures, in inches; less where they would not fit the width.
        alt: description; without it, the titles.
    """
    arrays = {title: _array(picture) for title, picture in _some(pictures, "picture").items()}
    ratios = [array.shape[1] / array.shape[0] for array in arrays.values()]
    height = min(height, (WIDTH - 0.1 * len(ratios)) / sum(ratios))
    width = height * sum(ratios) + 0.1 * len(ratios)
    fig = Figure(width, height + 0.33, alt or f"Side by side: {_listed(pictures)}", photographic=True)
    for ax, (title, array) in zip(_row(fig, ratios), arrays.items(), strict=True):
        _show(ax, array)
        ax.set_title(title, fontsize=10)
    return fig


@checks.known_arguments
def film(snapshots: Mapping[int, Tensor], count: int = 6, alt: str = "") -> Figure:
    """The way of a run: up to `count` of its snapshots from the first to the last, closer together at the beginning.

    Args:
        snapshots: step number to picture, such as `run.snapshots`.
        count: how many pictures.
        alt: description; without it, the steps.
    """
    steps = sorted(_some(snapshots, "snapshot; give the run snapshot_every=10"))
    count = min(checks.whole("count", count, 1), len(steps))
    # Squares of evenly spaced numbers: a run changes most at its beginning. None is taken twice.
    places = np.linspace(0, 1, count) ** 2 * (len(steps) - 1)
    chosen = [max(round(place), number) for number, place in enumerate(places)]
    shown = {f"step {steps[place]}": snapshots[steps[place]] for place in chosen}
    return strip(shown, alt=alt or f"The image on its way: {', '.join(shown)}")


@checks.known_arguments
def grid(
    pictures: Mapping[tuple[str, str], Tensor], rows: str = "", columns: str = "", alt: str = "", width: float = WIDTH
) -> Figure:
    """Pictures in a labelled grid.

    Example:
        >>> grid({(start, optimizer): image, ...}, rows="start", columns="optimizer")

    Args:
        pictures: (name of the row, name of the column) to picture; all of about one shape. A missing one stays empty.
        rows, columns: what the names are names of.
        alt: description; without it, the names.
        width: of the figure in inches.

    Raises:
        InputError: keys that are no pairs.
    """
    if others := [key for key in _some(pictures, "picture") if not isinstance(key, tuple) or len(key) != 2]:
        raise InputError(f"a grid wants (row, column) to picture, but there is {others[0]!r}; see strip and sheet, too")
    names = [list(dict.fromkeys(keys)) for keys in zip(*pictures, strict=True)]
    arrays = {place: _array(picture) for place, picture in pictures.items()}
    ratio = max(array.shape[1] / array.shape[0] for array in arrays.values())
    side = (width - 0.5) / len(names[1])
    described = f"Grid of pictures. {rows or 'Rows'}: {_listed(names[0])}. {columns or 'Columns'}: {_listed(names[1])}"
    fig = Figure(width, len(names[0]) * side / ratio + 0.6, alt or described, photographic=True)
    axes = fig.subplots(len(names[0]), len(names[1]), squeeze=False)
    for i, row in enumerate(names[0]):
        for j, column in enumerate(names[1]):
            if (row, column) in arrays:
                _show(axes[i, j], arrays[row, column])
            else:  # nothing but the names of its row and column
                axes[i, j].set(xticks=[], yticks=[])
                axes[i, j].spines[:].set_visible(False)
            if i == 0:
                axes[i, j].set_title(column, fontsize=10)
        axes[i, 0].set_ylabel(row, fontsize=10)
    fig.supylabel(rows, fontsize=10, color="0.4")
    fig.suptitle(columns, fontsize=10, color="0.4")
    return fig


@checks.known_arguments
def sheet(pictures: Mapping[str, Tensor], columns: int = 3, alt: str = "") -> Figure:
    """A contact sheet: pictures of about one shape, row by row, each under its title.

    Example:
        >>> sheet({name: load_image(name, 192) for name in bundled_images("style")}, columns=5)

    Args:
        pictures: title to picture, (3, H, W) or (1, 3, H, W).
        columns: pictures in a row.
        alt: description; without it, the titles.
    """
    arrays = {title: _array(picture) for title, picture in _some(pictures, "picture").items()}
    ratio = max(array.shape[1] / array.shape[0] for array in arrays.values())
    rows = -(-len(arrays) // checks.whole("columns", columns, 1))
    described = f"Contact sheet of {_listed(pictures)}"
    fig = Figure(WIDTH, rows * (WIDTH / columns / ratio + 0.22) + 0.1, alt or described, photographic=True)
    axes = list(fig.subplots(rows, columns, squeeze=False).flat)
    for ax, (title, array) in zip(axes[: len(arrays)], arrays.items(), strict=True):
        _show(ax, array)
        ax.set_title(title, fontsize=9, pad=2)
    for ax in axes[len(arrays) :]:
        ax.set_axis_off()
    return fig


@checks.known_arguments
def curves(
    lines: Mapping[str, Any],
    ylabel: str = "loss",
    xlabel: str = "steps",
    alt: str = "",
    log: bool = True,
    log_steps: bool = False,
    first: int = 1,
    at: Sequence[float] = (),
) -> Figure:
    """Losses against steps, as lines that differ in color and in dashes.

    Example:
        >>> curves({"content": run.history["content"], "style": run.history["style"]})
        >>> curves({"from noise": {"Adam": losses, "L-BFGS": losses}, "from the content": {...}})

    Args:
        lines: name to one value a step; or name of a panel to such lines: panels share both axes.
        ylabel, xlabel: what the axes show.
        alt: description; without it, the names.
        log: logarithmic vertical axis.
        log_steps: logarithmic horizontal axis, on which each doubling of the steps takes the same room.
        first: the step of the first value.
        at: where the values stand, if not one a step; as many as each line has.

    A batch, (steps, B), is a line a picture. A line that cannot be seen, since it is NaN or, on a logarithmic axis,
    never above 0, says so beside its name.

    Raises:
        InputError: no values, or no numbers; more or fewer places than values; more lines than can be told apart.
    """
    panels = {title: _lines(group) for title, group in _panels(lines).items()}
    names = list(dict.fromkeys(name for group in panels.values() for name in group))
    looks = dict(zip(names, _looks(len(names)), strict=True))
    described = "; ".join(f"{title} {name}".strip() for title, group in panels.items() for name in group)
    fig = Figure(WIDTH if len(panels) > 1 else 6.0, 3.2, alt or f"Curves of {ylabel} against {xlabel}: {described}")
    axes = fig.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    log = log and any(bool((values > 0).any()) for group in panels.values() for values in group.values())
    for ax, (title, group) in zip(axes, panels.items(), strict=True):
        for name, values in group.items():
            places = _places(name, values, at, first, log_steps)
            seen = np.isfinite(values) & ((values > 0) if log else True)
            look = looks[name] | {"markevery": 0.1}
            if not (seen[1:] & seen[:-1]).any():  # a point that stands alone has no line
                look |= {"marker": "o", "markevery": None}
            ax.plot(places, values, linewidth=1.8, label=_remarked(name, values, log), **look)
        ax.set(xlabel=xlabel, title=title)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="0.9")
        _scale(ax, log, log_steps, at)
    axes[0].set_ylabel(ylabel)
    _name_lines(fig, axes)
    return fig


@checks.known_arguments
def paths(lines: Mapping[str, Mapping[str, Mapping[str, float]]], x: Sequence[str], y: str, alt: str = "") -> Figure:
    """Ways from one set of errors to another: lines of labelled points, on the same height in every panel.

    Example:
        >>> early = {"20 steps": {"content": 1.4, "layout": 0.004, "style": 0.02}, "50 steps": {...}}
        >>> paths({"stop early": early, "smaller β": {...}}, x=["content", "layout"], y="style")

    Args:
        lines: name to points, in the order in which the line joins them: label to errors by their names.
        x: the errors across, one panel for each.
        y: the error upwards, on a logarithmic axis where all are above 0.
        alt: description; without it, the points.

    Raises:
        InputError: a point without one of the errors, or with one that is no finite number; a line without a point;
            more lines than can be told apart.
    """
    if empty := [str(name) for name, way in _some(lines, "line").items() if not way]:
        raise InputError(f"there is nothing to draw: no point of {', '.join(empty)}")
    points = [(label, point) for way in lines.values() for label, point in way.items()]
    if missing := [error for error in (*x, y) if any(error not in point for _, point in points)]:
        raise InputError(f"not every point has the error {', '.join(missing)}; give each label all errors by name")
    if not x:
        raise InputError("there is nothing to draw: no error across")
    for label, point in points:
        for error in (*x, y):
            _finite(f"the {error} error of {label}", point[error])
    described = "; ".join(f"{name} by way of {_listed(way)}" for name, way in lines.items())
    fig = Figure(WIDTH, 3.8, alt or f"Ways of the {y} error against {' and '.join(x)} error: {described}")
    axes = fig.subplots(1, len(x), squeeze=False, sharey=True)[0]
    looks = _looks(len(lines))
    for ax, error in zip(axes, x, strict=True):
        for (name, way), look, (right, up) in zip(lines.items(), looks, itertools.cycle(LABELS), strict=False):
            places = [(point[error], point[y]) for point in way.values()]
            color = look["color"]
            ax.plot(*zip(*places, strict=True), linewidth=1.8, label=name, **look | {"marker": look["marker"] or "o"})
            for label, place in zip(way, places, strict=True):
                side = "left" if right > 0 else "right"
                ax.annotate(label, place, (right, up), textcoords="offset points", fontsize=8, color=color, ha=side)
        ax.set(xlabel=f"{error} error", yscale="log" if min(point[y] for _, point in points) > 0 else "linear")
        ax.xaxis.set_major_locator(ticker.MaxNLocator(5))
        ax.margins(x=0.2)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="0.93")
    axes[0].set_ylabel(f"{y} error")
    _name_lines(fig, axes[::-1])
    return fig


@checks.known_arguments
def chart(points: Mapping[str, tuple[float, float]], xlabel: str, ylabel: str, alt: str = "") -> Figure:
    """Things of very different size against each other: a named point for each, on two logarithmic axes.

    Example:
        >>> chart({"slow": (6.1, 1.0), "one pass": (0.03, 1.4)}, "seconds a picture", "total loss")

    Args:
        points: name to its place, across and upwards, both above 0.
        xlabel, ylabel: what the axes show.
        alt: description; without it, the points.

    Raises:
        InputError: no points, or a place that is no finite number above 0.
    """
    for name, place in _some(points, "point").items():
        for label, value in zip((xlabel, ylabel), place, strict=True):
            _finite(f"the {label} of {name}", value)
            if value <= 0:
                raise InputError(f"the {label} of {name} is {value}; a logarithmic axis wants numbers above 0")
    described = "; ".join(f"{name}: {x:.2g}, {y:.2g}" for name, (x, y) in points.items())
    fig = Figure(0.7 * WIDTH, 3.4, alt or f"{ylabel} against {xlabel}. {described}")
    ax = fig.subplots()
    for (name, place), look, above in zip(
        points.items(), _looks(len(points)), itertools.cycle((True, False)), strict=False
    ):
        ax.plot(*place, color=look["color"], marker="o", markersize=8)
        offset, side = ((0, 8), "bottom") if above else ((0, -8), "top")
        ax.annotate(name, place, offset, textcoords="offset points", fontsize=9, ha="center", va=side)
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale="log", yscale="log")
    ax.margins(0.16)
    _label_closely(ax.xaxis)
    _label_closely(ax.yaxis)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="0.93")
    return fig


@checks.known_arguments
def tradeoff(
    pictures: Mapping[Any, Tensor],
    content: Mapping[Any, float],
    style: Mapping[Any, float],
    name: str = "",
    alt: str = "",
) -> Figure:
    """Content error against style error: a curve of points, each with its picture above it.

    Example:
        >>> result = nst.sweep(objective, beta=[1, 10, 100])
        >>> tradeoff(result.pictures, result.final("content"), result.final("style"), name="β")

    Args:
        pictures: label to picture, (3, H, W) or (1, 3, H, W); all of about one shape.
        content, style: the same labels to the errors. Both axes are logarithmic where all errors are above 0.
        name: what the labels are values of.
        alt: description; without it, the labels and their errors.
    """
    if missing := [str(label) for label in _some(pictures, "picture") if label not in content or label not in style]:
        raise InputError(f"there are no errors for {', '.join(missing)}; give content and style the labels of pictures")
    for label in pictures:
        _finite(f"the content error of {label}", content[label])
        _finite(f"the style error of {label}", style[label])
    order = sorted(pictures, key=lambda label: style[label])
    titles = {label: f"{name} = {label}" if name else str(label) for label in order}
    described = "; ".join(f"{titles[label]}: content {content[label]:.2g}, style {style[label]:.2g}" for label in order)
    arrays = [_array(pictures[label]) for label in order]
    height = WIDTH / len(order) / max(array.shape[1] / array.shape[0] for array in arrays)
    fig = Figure(WIDTH, 3.6 + height, alt or f"Trade-off of content and style error. {described}", photographic=True)
    places = fig.add_gridspec(2, len(order), height_ratios=[height, 3.3])
    ax = fig.add_subplot(places[1, :])
    points = [(style[label], content[label]) for label in order]
    ax.plot(*zip(*points, strict=True), color=COLORS[0], marker="o", linewidth=1.8)
    ax.set(xlabel="style error", ylabel="content error")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="0.93")
    if min(min(point) for point in points) > 0:
        ax.set(xscale="log", yscale="log")
        for axis, errors in zip((ax.xaxis, ax.yaxis), zip(*points, strict=True), strict=True):
            if max(errors) < 100 * min(errors):
                _label_closely(axis)
    for column, (label, array, point) in enumerate(zip(order, arrays, points, strict=True)):
        thumbnail = fig.add_subplot(places[0, column])
        _show(thumbnail, array)
        thumbnail.set_title(titles[label], fontsize=10)
        # From the picture's lower edge to its point. Pictures stand in the order of the points, so lines hardly cross.
        line = ConnectionPatch((0.5, 0), point, thumbnail.transAxes, ax.transData, shrinkB=4, color="0.7")
        line.set_in_layout(False)
        fig.add_artist(line)
    return fig


@checks.known_arguments
def feature_maps(features: Mapping[str, Tensor], channels: int = 6, alt: str = "") -> Figure:
    """What some channels of each layer answer, as small pictures: bright where the answer is strong.

    Each row is a layer, and shows the channels that respond most strongly; each map is scaled by itself.

    Args:
        features: layer name (or any title) to features (1, C, H, W).
        channels: how many of each layer.
        alt: description; without it, the titles.
    """
    layers = {title: _single(title, tensor, "C, H, W") for title, tensor in _some(features, "layer").items()}
    ratio = max(maps.shape[-1] / maps.shape[-2] for maps in layers.values())
    side = (WIDTH - 0.5) / checks.whole("channels", channels, 1)
    described = f"Feature maps of {channels} channels each of {_listed(features)}"
    fig = Figure(WIDTH, len(features) * (side / ratio + 0.3) + 0.15, alt or described, photographic=True)
    axes = fig.subplots(len(features), channels, squeeze=False)
    for row, (title, maps) in zip(axes, layers.items(), strict=True):
        strongest = _strongest(maps.flatten(1).square().mean(1), channels)
        for ax, channel in zip(row[: len(strongest)], strongest, strict=True):
            _show(ax, maps[channel].numpy(), cmap=MAPS, interpolation="nearest")
            ax.set_title(f"channel {channel}", fontsize=8, color="0.4", pad=2)
        row[0].set_ylabel(title, fontsize=10)
        for ax in row[len(maps) :]:
            ax.set_axis_off()
    return fig


@checks.known_arguments
def channel_pairs(
    features: Tensor,
    pairs: Mapping[str, tuple[int, int]],
    picture: Tensor | None = None,
    height: float = 2.3,
    alt: str = "",
) -> Figure:
    """Pairs of channels and where they meet: the two maps, and their product, whose mean is the Gram matrix's entry.

    The product is drawn on a scale up to the product of the two maxima, so that a pair that never meets stays dark. The
    scales are of the square root, or the few strongest answers would outshine all others.

    Example:
        >>> channel_pairs(features["relu2_1"], {"often": (3, 17), "never": (3, 5)}, picture)

    Args:
        features: of one picture, (1, C, H, W), rectified.
        pairs: title to the numbers i, j of two channels.
        picture: stands before its maps, (3, H, W) or (1, 3, H, W).
        height: of the maps, in inches; less where they would not fit the width.
        alt: description; without it, the titles.

    Raises:
        InputError: a channel that is not there.
    """
    maps = _single("features", features, "C, H, W")
    for pair in _some(pairs, "pair").values():
        for channel in pair:
            if checks.whole("a channel", channel, -(2**63)) not in range(len(maps)):
                raise InputError(f"there is no channel {channel}; the features have {len(maps)}, counted from 0")
    first = 0 if picture is None else 1
    side = min(height, (WIDTH - 0.4) / (3 + first) * maps.shape[1] / maps.shape[2])
    size = ((3 + first) * (side * maps.shape[2] / maps.shape[1] + 0.1) + 0.3, len(pairs) * (side + 0.3))
    fig = Figure(*size, alt or f"Two channels and their product, for pairs: {_listed(pairs)}", photographic=True)
    for row, (title, (i, j)) in zip(fig.subplots(len(pairs), 3 + first, squeeze=False), pairs.items(), strict=True):
        if picture is not None:
            _show(row[0], _array(picture))
        product = maps[i] * maps[j]
        tops = [maps[i].max(), maps[j].max(), maps[i].max() * maps[j].max()]
        names = [f"channel {i}", f"channel {j}", f"product, mean {product.mean():.3g}"]
        for ax, array, top, name in zip(row[first:], [maps[i], maps[j], product], tops, names, strict=True):
            _show(ax, array.numpy(), cmap=MAPS, norm=PowerNorm(0.5, 0, float(top)), interpolation="nearest")
            ax.set_title(name, fontsize=9, color="0.3", pad=2)
        row[0].set_ylabel(title, fontsize=10)
    return fig


@checks.known_arguments
def gram_heatmap(
    grams: Mapping[str, Tensor], pictures: Mapping[str, Tensor] | None = None, channels: int = 32, alt: str = ""
) -> Figure:
    """Gram matrices as pictures, side by side, on one scale of color.

    They show the same channels in the same order, so that they can be compared: those that are strongest on the
    average, strongest first. The scale is of the square root, or the strongest channel would outshine all others. Where
    there are negative entries, as in covariances, white is 0.

    Args:
        grams: title to Gram matrix (1, C, C).
        pictures: the same titles to pictures, which stand above their matrices.
        channels: how many of the channels.
        alt: description; without it, the titles.
    """
    matrices = {title: _single(title, matrix, "C, C") for title, matrix in _some(grams, "Gram matrix").items()}
    if len(sizes := {matrix.shape for matrix in matrices.values()}) > 1:
        raise InputError(
            f"the matrices have {_listed(sorted(size[0] for size in sizes))} channels; give those of one layer"
        )
    if missing := [title for title in matrices if pictures and title not in pictures]:
        raise InputError(f"there is no picture for {_listed(missing)}; give pictures the titles of the matrices")
    strength = torch.stack([matrix.diagonal() / matrix.diagonal().sum() for matrix in matrices.values()]).mean(0)
    order = _strongest(strength, checks.whole("channels", channels, 1))
    shown = {title: matrix[order][:, order].double().numpy() for title, matrix in matrices.items()}
    cmap, norm = _color_scale(shown.values())
    side = min(3.2, (WIDTH - 0.8) / len(matrices))
    size = (side * len(matrices) + 0.8, side * (1.75 if pictures else 1.0) + 0.3)
    fig = Figure(*size, alt or f"Heat maps of the Gram matrices of {_listed(grams)}", photographic=bool(pictures))
    heights = [0.75, 1.0] if pictures else [1.0]
    axes = fig.subplots(len(heights), len(matrices), squeeze=False, height_ratios=heights)
    for column, title in zip(axes.T, shown, strict=True):
        ax = column[-1]
        image = _show(ax, shown[title], cmap=cmap, norm=norm, interpolation="nearest")
        ax.set_xlabel("channel j")
        column[0].set_title(title, fontsize=10)
        if pictures:
            _show(column[0], _array(pictures[title]))
    axes[-1, 0].set_ylabel("channel i")
    fig.colorbar(image, ax=list(axes[-1]), label="$G_{ij}$", shrink=0.9)
    return fig


def _color_scale(matrices: Iterable[np.ndarray]) -> tuple[str, Normalize]:
    """Colors and a scale of the square root, for all of these; of both signs where there are both."""
    values = np.concatenate([matrix.ravel() for matrix in matrices])
    top = float(np.abs(values).max())
    if not values.min() < 0:
        return MAPS, PowerNorm(0.5, 0, top)
    return SIGNED, FuncNorm((lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda x: np.sign(x) * x**2), -top, top)


def _panels(lines: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Title to lines; one panel without a title where the lines were given by themselves."""
    grouped = [isinstance(group, Mapping) for group in _some(lines, "line").values()]
    if any(grouped) and not all(grouped):
        raise InputError("some of the curves are lines, others are panels of lines; give one kind")
    if not any(grouped):
        return {"": lines}
    for title, group in lines.items():
        _some(group, f"line in {title}")
    return lines


def _lines(group: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Name to the values of one line; of a batch, a line for each picture."""
    lines: dict[str, np.ndarray] = {}
    for name, given in group.items():
        values = _numbers(name, given)
        if values.ndim == 1:
            lines[str(name)] = values
        else:
            lines |= {f"{name}, picture {number}": column for number, column in enumerate(values.T, start=1)}
    return lines


def _numbers(name: str, given: Any) -> np.ndarray:
    """Values (steps,) or (steps, B) as an array."""
    if isinstance(given, Tensor):
        given = given.detach().double().cpu()
    elif isinstance(given, Iterable) and not isinstance(given, np.ndarray):
        given = [value.detach().cpu() if isinstance(value, Tensor) else value for value in given]
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"the values of {name} are no numbers ({error}); give one a step") from error
    if values.ndim not in (1, 2) or not values.size:
        raise InputError(f"there is nothing to draw: {name} has values of the shape {values.shape}; give one a step")
    return values


def _places(name: str, values: np.ndarray, at: Sequence[float], first: int, log: bool) -> np.ndarray:
    """Where the values stand."""
    places = np.asarray(at, np.float64) if len(at) else first + np.arange(len(values))
    if len(places) != len(values):
        raise InputError(f"{name} has {len(values)} values, but there are {len(places)} places for them")
    if log and not places.min() > 0:
        raise InputError(f"{name} stands at {places.min():g}, which a logarithmic axis lacks; leave log_steps out")
    return places


def _label_closely(axis: Axis, labels: Sequence[float] = DECADES) -> None:
    """Label these of each decade in plain numbers, for a logarithmic axis of one or two."""
    axis.set_major_locator(ticker.LogLocator(subs=labels))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _remarked(name: str, values: np.ndarray, log: bool) -> str:
    """The name, with the reason where nothing of the line can be seen."""
    if not np.isfinite(values).any():
        return f"{name} (no finite value)"
    return f"{name} (never above 0)" if log and not (values > 0).any() else name


def _scale(ax: Axes, log: bool, log_steps: bool, at: Sequence[float]) -> None:
    ax.xaxis.set_major_locator(ticker.FixedLocator(at) if _can_be_labeled(at) else ticker.MaxNLocator(5, integer=True))
    if log:
        ax.set_yscale("log")
        bottom, top = ax.get_ylim()
        if top <= 100 * bottom:
            _label_closely(ax.yaxis, ONE_DECADE if top <= 10 * bottom else DECADES)
    if log_steps:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_locator(ticker.NullLocator())


def _can_be_labeled(at: Sequence[float]) -> bool:
    """Whether there are so few places, so far apart, that each can have its label."""
    gaps = np.diff(np.sort(np.asarray(at, np.float64)))
    return 0 < len(gaps) < FEW and bool(gaps.min() > NEAR * gaps.sum())


def _looks(count: int) -> list[dict[str, Any]]:
    """A color, dashes and a marker for each line, all different: after the last color, the colors change dashes."""
    colors, dashes = len(COLORS), len(DASHES)
    if count > colors * dashes:
        raise InputError(f"there are {count} lines; no more than {colors * dashes} can be told apart, so draw fewer")
    rounds = [divmod(number, colors) for number in range(count)]
    return [
        {"color": COLORS[place], "linestyle": DASHES[(place + again) % dashes], "marker": MARKERS[again]}
        for again, place in rounds
    ]


def _name_lines(fig: Figure, axes: Sequence[Axes]) -> None:
    """One legend for the lines of all panels: in the last, or beside them where there are many."""
    lines = {str(line.get_label()): line for ax in axes for line in ax.lines}
    if len(lines) <= IN_THE_CORNER:
        axes[-1].legend(list(lines.values()), list(lines), frameon=False)
        return
    fig.legend(list(lines.values()), list(lines), frameon=False, loc="outside right upper", fontsize=9)
    fig.set_size_inches(fig.get_figwidth() + 1.5, max(fig.get_figheight(), 0.21 * len(lines) + 0.2))


def _finite(what: str, value: Any) -> None:
    try:
        found = math.isfinite(value)
    except (TypeError, ValueError, RuntimeError):
        found = False
    if not found:
        raise InputError(f"{what} is {value!r:.80}; expected a finite number")


def _single(title: str, tensor: Tensor, shape: str) -> Tensor:
    """What belongs to one picture, without the batch, as floats on the CPU."""
    ndim = len(shape.split(", "))
    if isinstance(tensor, Tensor) and tensor.ndim == ndim + 1 and len(tensor) > 1:
        raise InputError(f"{title} is of a batch of {len(tensor)} pictures; choose one, for example [:1]")
    if not isinstance(tensor, Tensor) or tensor.ndim not in (ndim, ndim + 1) or not tensor.numel():
        given = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
        raise InputError(f"{title} has the shape {given}; expected (1, {shape})")
    return tensor.reshape(tensor.shape[-ndim:]).detach().float().cpu()


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names))


def _row(fig: Figure, ratios: list[float]) -> list[Axes]:
    return list(fig.subplots(1, len(ratios), squeeze=False, width_ratios=ratios)[0])


def _show(ax: Axes, array: np.ndarray, **options: Any) -> Any:
    image = ax.imshow(array, **options)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return image


def _array(picture: Tensor) -> np.ndarray:
    return np.asarray(to_pil(picture))


def _strongest(strength: Tensor, count: int) -> list[int]:
    order: list[int] = strength.argsort(descending=True, stable=True)[:count].tolist()
    return order


def _some(things: Things, what: str) -> Things:
    if not things:
        raise InputError(f"there is nothing to draw: no {what}")
    return things
