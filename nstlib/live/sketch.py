"""What live pictures draw beside themselves, fast: curves and a pad as SVG, and a still for a page without a kernel."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from .curves import Curves

# Okabe and Ito's colors, as in `plots`; the dashes tell the lines apart without any color.
LINES: Mapping[str, tuple[str, str]] = {
    "content": ("#0072B2", ""),
    "style": ("#D55E00", "7 3"),
    "tv": ("#009E73", "2 3"),
    "total": ("#777777", "9 3 2 3"),
}
INK = "var(--jp-ui-font-color1, #222)"
WIDEST = 672  # of the curves on a page, in pixels; wider, their letters would be too large
PALE = "var(--jp-border-color2, #ccc)"


def curves_svg(curves: Curves, width: int = 448, height: int = 160) -> str:
    """The terms against the steps, on a logarithmic axis; thin uprights where settings changed."""
    left, right, bottom, top = 44, 62, 20, 8
    found = _drawable(curves)
    if not found:
        words = _text(width / 2, height / 2, "curves follow")
        return _svg(width, height, "Curves of the losses: no step yet", words, widest=WIDEST)
    low, high = math.floor(math.log10(min(found))), math.ceil(math.log10(max(found)))
    high = max(high, low + 1)
    first, last = curves.steps[0], max(curves.steps[-1], curves.steps[0] + 1)

    def x(step: float) -> float:
        return left + (width - left - right) * (step - first) / (last - first)

    def y(value: float) -> float:
        return top + (height - top - bottom) * (high - math.log10(value)) / (high - low)

    parts = []
    for power in range(low, high + 1, max(1, (high - low) // 4)):
        parts.append(_line(left, y(10**power), width - right, y(10**power), PALE))
        parts.append(_text(left - 6, y(10**power) + 4, f"{10**power:g}", "end"))
    parts += [
        _line(x(step), top, x(step), height - bottom, PALE, "1 2") for step in curves.changes if first <= step <= last
    ]
    ends = {}
    for name, (color, dashes) in LINES.items():
        points = [(x(s), y(v)) for s, v in zip(curves.steps, curves.values[name], strict=True) if 0 < v < math.inf]
        if points:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
            look = f'fill="none" stroke="{color}" stroke-width="1.8" stroke-dasharray="{dashes}"'
            parts.append(f'<polyline points="{path}" {look}/>')
            ends[name] = points[-1][1]
    for name, place in spread(ends, 12, top + 6, height - bottom).items():
        parts.append(_text(width - right + 6, place + 4, name, "start", LINES[name][0]))
    parts.append(_text(left, height - 5, f"step {first}", "start"))
    parts.append(_text(width - right, height - 5, f"{last}", "end"))
    now = ", ".join(f"{name} {values[-1]:.3g}" for name, values in curves.values.items())
    return _svg(width, height, f"Curves of the losses up to step {last}: {now}", *parts, widest=WIDEST)


def spread(places: Mapping[str, float], least: float, low: float, high: float) -> dict[str, float]:
    """Places of labels, moved apart until neighbors are at least so far from each other, and kept in a range."""
    moved: dict[str, float] = {}
    floor = low
    for name, place in sorted(places.items(), key=lambda item: item[1]):
        moved[name] = floor = max(place, floor)
        floor += least
    ceiling = high
    for name in reversed(moved):
        moved[name] = ceiling = min(moved[name], ceiling)
        ceiling -= least
    return moved


def pad_svg(alpha: float, beta: float, alphas: tuple[float, float], betas: tuple[float, float], side: int = 220) -> str:
    """Where alpha and beta are, on logarithmic axes from 10**low to 10**high; on a dotted line their ratio is one."""
    edge, span = 34, side - 48

    def x(power: float) -> float:
        return edge + span * (power - alphas[0]) / (alphas[1] - alphas[0])

    def y(power: float) -> float:
        return 10 + span * (betas[1] - power) / (betas[1] - betas[0])

    a, b = math.log10(alpha), math.log10(beta)
    parts = [f'<rect x="{edge}" y="10" width="{span}" height="{span}" fill="none" stroke="{PALE}"/>']
    for shift in range(
        math.ceil(betas[0] - alphas[1]), math.floor(betas[1] - alphas[0]) + 1
    ):  # beta / alpha = 10**shift
        start, end = max(alphas[0], betas[0] - shift), min(alphas[1], betas[1] - shift)
        parts.append(_line(x(start), y(start + shift), x(end), y(end + shift), PALE, "2 3"))
    parts += [
        _line(x(a), 10, x(a), 10 + span, LINES["content"][0], "4 3"),
        _line(edge, y(b), edge + span, y(b), LINES["style"][0], "4 3"),
        f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="7" fill="{LINES["style"][0]}" stroke="white" stroke-width="2"/>',
        _text(edge + span / 2, side - 10, "alpha, content"),
        f'<g transform="translate(16 {10 + span / 2}) rotate(-90)">{_text(0, 0, "beta, style")}</g>',
        _text(edge + 5, 23, "style wins", "start", LINES["style"][0]),
        _text(edge + span - 5, span + 4, "content wins", "end", LINES["content"][0]),
    ]
    ratio = beta / alpha
    return _svg(side, side, f"alpha {alpha:.3g}, beta {beta:.3g}: a ratio beta / alpha of {ratio:.3g}", *parts)


def still(
    picture: Image.Image,
    title: str,
    rows: Sequence[tuple[str, str, float | None]],
    curves: Curves | None = None,
    width: int = 860,
) -> Image.Image:
    """The picture with its settings beside it and its curves below, for a page where no kernel runs.

    Args:
        picture: to show.
        title: above the settings.
        rows: (label, value, where on its slider from 0 to 1, or None for a choice).
        curves: the losses so far.
        width: of the still in pixels.
    """
    scale, column = 2, 460  # drawn twice as large, then reduced: smooth lines
    shown = picture.resize((column, max(1, round(column * picture.height / picture.width))), Image.Resampling.LANCZOS)
    below = 150 if curves is not None and len(curves.steps) > 1 and _drawable(curves) else 0
    height = max(shown.height + below, 70 + 25 * len(rows))
    sheet = Image.new("RGB", (width * scale, height * scale), "white")
    draw = ImageDraw.Draw(sheet)
    large, small = (ImageFont.load_default(size * scale) for size in (17, 14))
    left = (column + 30) * scale
    draw.text((left, 2 * scale), title, fill="#222", font=large)
    for number, (label, value, place) in enumerate(rows):
        top = (36 + 25 * number) * scale
        draw.text((left, top), label, fill="#555", font=small)
        bar, end, middle = left + 140 * scale, left + 280 * scale, top + 9 * scale
        if place is None:
            draw.text((bar, top), value, fill="#222", font=small)
            continue
        dot = bar + (end - bar) * min(max(place, 0.0), 1.0)
        draw.line((bar, middle, end, middle), fill="#ccc", width=3 * scale)
        draw.line((bar, middle, dot, middle), fill="#0072B2", width=3 * scale)
        radius = 6 * scale
        draw.ellipse((dot - radius, middle - radius, dot + radius, middle + radius), fill="#0072B2")
        draw.text((end + 14 * scale, top), value, fill="#222", font=small)
    draw.text((left, (height - 22) * scale), "It moves when you run this cell.", fill="#777", font=small)
    if curves is not None and below:
        box = (8 * scale, (shown.height + 14) * scale, (column - 62) * scale, (shown.height + below - 22) * scale)
        _draw_curves(draw, curves, box, small, scale)
    sheet = sheet.resize((width, height), Image.Resampling.LANCZOS)
    sheet.paste(shown, (0, 0))
    return sheet


def _drawable(curves: Curves) -> list[float]:
    """The values that have a place on a logarithmic axis."""
    return [value for values in curves.values.values() for value in values if 0 < value < math.inf]


def _draw_curves(
    draw: ImageDraw.ImageDraw, curves: Curves, box: tuple[int, int, int, int], font: Any, scale: int
) -> None:
    left, top, right, bottom = box
    found = _drawable(curves)
    low, high = math.log10(min(found)), math.log10(max(found)) + 1e-6
    first, last = curves.steps[0], curves.steps[-1]

    def point(step: float, value: float) -> tuple[float, float]:
        share = (math.log10(value) - low) / (high - low)
        return left + (right - left) * (step - first) / (last - first), bottom - (bottom - top) * share

    for step in curves.changes:
        if first <= step <= last:
            draw.line((*point(step, 10**low), *point(step, 10**high)), fill="#ddd", width=scale)
    ends = {}
    for name, (color, _) in LINES.items():
        points = [
            point(step, value)
            for step, value in zip(curves.steps, curves.values[name], strict=True)
            if 0 < value < math.inf
        ]
        if len(points) > 1:
            draw.line(points, fill=color, width=2 * scale, joint="curve")
            ends[name] = points[-1][1]
    for name, middle in spread(ends, 15 * scale, top, bottom).items():
        draw.text((right + 6 * scale, middle - 9 * scale), name, fill=LINES[name][0], font=font)
    draw.text((left, bottom + 4 * scale), f"step {first}", fill="#555", font=font)
    draw.text((right, bottom + 4 * scale), f"{last}", fill="#555", font=font, anchor="ra")


def _svg(width: int, height: int, label: str, *parts: str, widest: int = 0) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width} {height}" '
        f'style="display:block; width:100%; height:auto; max-width:{widest or width}px" '
        f'font-size="11" font-family="sans-serif"><title>{escape(label)}</title>'
        f"{''.join(parts)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, color: str, dashes: str = "") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-dasharray="{dashes}"/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", color: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>'
