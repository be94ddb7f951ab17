"""Pictures on which the bundled backbone is trained: drawn by rules, or scikit-image's photographs.

Nobody's painting is among them. What matters is variety: every kind of edge, stroke, cell, dot, weave and grain, at
many scales and in many colors, so that a small network learns to see what a large one sees.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage, spatial

Array = np.ndarray
Rng = np.random.Generator
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field", "immunohistochemistry")
GRAY_PHOTOGRAPHS = ("brick", "grass", "gravel")


@cache
def photographs() -> tuple[Array, ...]:
    """scikit-image's photographs as uint8 arrays (H, W, 3), each also at half its size where it is large."""
    pictures = [getattr(skimage.data, name)() for name in (*PHOTOGRAPHS, "colorwheel", *GRAY_PHOTOGRAPHS)]
    pictures = [np.repeat(p[..., None], 3, 2) if p.ndim == 2 else p[..., :3] for p in pictures]
    small = [np.asarray(Image.fromarray(p).reduce(2)) for p in pictures if min(p.shape[:2]) >= 512]
    return tuple(np.ascontiguousarray(p) for p in pictures + small)


def pool(count: int, size: int, seed: int) -> Array:
    """Draw `count` pictures: uint8 (count, size, size, 3), always the same for the same arguments."""
    kinds = list(KINDS.values())
    pictures = np.empty((count, size, size, 3), np.uint8)
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        pictures[index] = np.clip(kinds[index % len(kinds)](rng, size) * 255, 0, 255)
    return pictures


def palette(rng: Rng, count: int) -> Array:
    """Colors (count, 3) that share a mood: a random walk between a few anchors, sometimes nearly gray."""
    anchors = rng.random((rng.integers(2, 5), 3))
    mix = rng.dirichlet(np.full(len(anchors), 0.5), count)
    colors = mix @ anchors + rng.normal(0, 0.05, (count, 3))
    gray = colors.mean(1, keepdims=True)
    colors = gray + (colors - gray) * rng.choice([0.1, 0.6, 1.0, 1.4])
    low, high = np.sort(rng.random(2)) * 0.4 + (0.0, 0.6)
    return np.clip(low + (high - low) * (colors - colors.min()) / (np.ptp(colors) + 1e-6), 0, 1)


def noise(rng: Rng, size: int, exponent: float) -> Array:
    """Noise (size, size) whose amplitude falls with frequency as 1 / f^exponent; mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) / frequency**exponent
    field = np.fft.irfft2(spectrum, (size, size))
    return (field - field.mean()) / (field.std() + 1e-9)


def ramp(rng: Rng, field: Array) -> Array:
    """Color a field (H, W) by a palette: (H, W, 3), smooth or in steps."""
    colors = palette(rng, rng.integers(3, 9))
    place = (field - field.min()) / (np.ptp(field) + 1e-9) * (len(colors) - 1)
    if rng.random() < 0.3:
        place = np.round(place)
    return np.stack([np.interp(place, np.arange(len(colors)), colors[:, c]) for c in range(3)], -1)


def flow(rng: Rng, size: int) -> Array:
    """Angles (size, size) of a field: smooth noise, vortices, or one direction."""
    kind = rng.integers(3)
    if kind == 0:
        return np.arctan2(noise(rng, size, 2.2), noise(rng, size, 2.2))
    y, x = np.mgrid[:size, :size] / size
    angle = np.full((size, size), rng.uniform(0, 2 * np.pi)) + 0.5 * noise(rng, size, 2.5)
    if kind == 1:
        return angle
    vector = np.exp(1j * angle) * 0.3
    for _ in range(rng.integers(2, 7)):
        z = (x - rng.random()) + 1j * (y - rng.random())
        vector += rng.choice([-1j, 1j]) * z / np.abs(z + 1e-6) * np.exp(-np.abs(z) * rng.uniform(2, 8)) * 2
    return np.angle(vector)


def _background(rng: Rng, size: int) -> Array:
    return ramp(rng, noise(rng, size, rng.uniform(1.2, 2.5)))


def _canvas(picture: Array) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    return image, ImageDraw.Draw(image)


def _rgb(color: Array) -> tuple[int, int, int]:
    r, g, b = (int(255 * v) for v in np.clip(color, 0, 1))
    return r, g, b


def _done(image: Image.Image, size: int) -> Array:
    return np.asarray(image.resize((size, size), Image.Resampling.BOX), float) / 255


def _polygon(rng: Rng, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    corners = rng.integers(3, 8)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = radius * rng.uniform(0.5, 1.3, corners)
    return [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]


def dead_leaves(rng: Rng, size: int) -> Array:
    """Shapes of all sizes, each over the ones before, as leaves fall."""
    image, draw = _canvas(_background(rng, 2 * size))
    colors, shape = palette(rng, 40), rng.integers(4)
    for radius in np.sort(np.clip(size * 0.02 * rng.pareto(1.3, 400) + 4, 0, size * 0.6))[::-1]:
        x, y = rng.uniform(0, 2 * size, 2)
        fill = _rgb(colors[rng.integers(40)] + rng.normal(0, 0.03, 3))
        edge = None if rng.random() < 0.7 else _rgb(colors[0])
        kind = rng.integers(3) if shape == 3 else shape
        if kind == 0:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill, edge, 3)
        elif kind == 1:
            draw.polygon(_polygon(rng, x, y, radius), fill, edge)
        else:
            stretch = rng.uniform(0.2, 1)
            draw.rectangle((x - radius, y - radius * stretch, x + radius, y + radius * stretch), fill, edge, 3)
    return _done(image, size)


def strokes(rng: Rng, size: int, source: Array | None = None) -> Array:
    """Brush strokes along a flow, in the colors of what lies beneath them."""
    source = _background(rng, size) if source is None else source
    angle, (image, draw) = flow(rng, size), _canvas(np.kron(source, np.ones((2, 2, 1))))
    width, length, spread = rng.integers(2, 14), rng.uniform(6, 40), rng.uniform(0.02, 0.15)
    for _ in range(int(min(2500, 3 * size * size / (width * length)))):
        x, y = rng.uniform(0, size, 2)
        color = _rgb(source[int(y), int(x)] + rng.normal(0, spread) + rng.normal(0, spread / 2, 3))
        points = []
        for _ in range(6):
            points.append((2 * x, 2 * y))
            a = angle[min(max(int(y), 0), size - 1), min(max(int(x), 0), size - 1)]
            x, y = x + np.cos(a) * length / 5, y + np.sin(a) * length / 5
        draw.line(points, color, int(width), joint="curve")
    return _done(image, size)


def painted_photograph(rng: Rng, size: int) -> Array:
    """A part of a photograph in brush strokes."""
    return strokes(rng, size, photograph(rng, size))


def photograph(rng: Rng, size: int) -> Array:
    """A part of a photograph, at some scale."""
    source = photographs()[rng.integers(len(photographs()))]
    side = int(rng.integers(min(size, *source.shape[:2]) // 2, min(source.shape[:2]) + 1))
    y, x = rng.integers(0, source.shape[0] - side + 1), rng.integers(0, source.shape[1] - side + 1)
    crop = Image.fromarray(source[y : y + side, x : x + side])
    return np.asarray(crop.resize((size, size), Image.Resampling.LANCZOS), float) / 255


def gratings(rng: Rng, size: int) -> Array:
    """Waves across each other, bent by noise."""
    y, x = np.mgrid[:size, :size].astype(float)
    bend, field = noise(rng, size, 2) * rng.choice([0, 2, 8]), np.zeros((size, size))
    for _ in range(rng.integers(1, 4)):
        angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(2.5), np.log(40)))
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle) + bend) / period)
        field += np.sign(wave) if rng.random() < 0.3 else wave
    return ramp(rng, field)


def cells(rng: Rng, size: int) -> Array:
    """Voronoi cells as in a mosaic or a church window, with or without joints between them."""
    count = int(np.exp(rng.uniform(np.log(20), np.log(1500))))
    y, x = np.mgrid[:size, :size]
    at = np.stack([y, x], -1) + rng.choice([0, 4]) * np.stack([noise(rng, size, 2), noise(rng, size, 2)], -1)
    distance, nearest = spatial.cKDTree(rng.uniform(0, size, (count, 2))).query(at, k=2)
    picture = palette(rng, count)[nearest[..., 0]]
    if rng.random() < 0.5:
        picture = 0.6 * picture + 0.4 * _background(rng, size)
    joint = distance[..., 1] - distance[..., 0] < rng.choice([0, 1, 2.5])
    return np.where(joint[..., None], palette(rng, 1)[0] * rng.choice([0.2, 1]), picture)


def hatching(rng: Rng, size: int) -> Array:
    """Lines in one or more directions, denser where it is dark, as an engraver works."""
    y, x = np.mgrid[:size, :size].astype(float)
    tone = noise(rng, size, 1.8) if rng.random() < 0.6 else (photograph(rng, size).mean(-1) - 0.5) * 4
    ink, period = np.zeros((size, size)), rng.uniform(3, 9)
    for level in range(rng.integers(1, 4)):
        angle = rng.uniform(0, np.pi)
        wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle) + 2 * tone) / period)
        ink = np.maximum(ink, np.clip((wave - tone - 0.4 + 0.5 * level) * 3, 0, 1))
    dark, light = palette(rng, 2)
    return light + ink[..., None] * (dark - light)


def curves(rng: Rng, size: int) -> Array:
    """Long curved lines and spirals over a ground."""
    image, draw = _canvas(_background(rng, 2 * size))
    t, colors = np.linspace(0, 1, 60), palette(rng, 20)
    for _ in range(rng.integers(15, 120)):
        x, y = rng.uniform(0, 2 * size, 2)
        turn, growth, start = rng.uniform(-12, 12), rng.uniform(0.05, 0.8) * size, rng.uniform(0, 2 * np.pi)
        line = np.stack([x + growth * t * np.cos(start + turn * t), y + growth * t * np.sin(start + turn * t)], 1)
        width = int(np.exp(rng.uniform(0.3, 3)))
        draw.line([tuple(p) for p in line], _rgb(colors[rng.integers(20)]), width, joint="curve")
    return _done(image, size)


def text(rng: Rng, size: int) -> Array:
    """Letters in many sizes."""
    image, draw = _canvas(_background(rng, 2 * size))
    colors, letters = palette(rng, 6), list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789&?!%")
    for _ in range(rng.integers(20, 150)):
        word = "".join(rng.choice(letters, rng.integers(1, 9)))
        font = ImageFont.load_default(float(np.exp(rng.uniform(2.5, 5))))
        draw.text(tuple(rng.uniform(-40, 2 * size, 2)), word, _rgb(colors[rng.integers(6)]), font)
    return _done(image.rotate(rng.choice([0, 0, 15, 90]), expand=False), size)


def gradients(rng: Rng, size: int) -> Array:
    """Soft light, as in a sky or out of focus, with a few hard edges."""
    picture = ramp(rng, noise(rng, size, rng.uniform(2.5, 4)))
    for _ in range(rng.integers(0, 4)):
        mask = noise(rng, size, 3) > rng.uniform(0.3, 1.5)
        picture = np.where(mask[..., None], ramp(rng, noise(rng, size, 3)), picture)
    return picture


def marbling(rng: Rng, size: int) -> Array:
    """Noise looked up at places that other noise has moved, as paint is combed."""
    exponent, bend = rng.uniform(1.2, 2.2), size * rng.uniform(0.02, 0.15)
    y, x = np.mgrid[:size, :size] + bend * np.stack([noise(rng, size, 2), noise(rng, size, 2)])
    return ramp(rng, ndimage.map_coordinates(noise(rng, size, exponent), (y, x), order=1, mode="wrap"))


def clouds(rng: Rng, size: int) -> Array:
    """Noise of some roughness in each channel, the channels more or less alike."""
    exponent, alike = rng.uniform(0, 2.2), rng.random()
    common = noise(rng, size, exponent)
    field = np.stack([alike * common + (1 - alike) * noise(rng, size, exponent) for _ in range(3)], -1)
    return rng.random(3) * 0.6 + 0.2 + field * rng.uniform(0.03, 0.3)


def dots(rng: Rng, size: int) -> Array:
    """Pointillism: touches of pure color, near the color beneath."""
    source = photograph(rng, size) if rng.random() < 0.5 else _background(rng, size)
    image, draw = _canvas(np.kron(source, np.ones((2, 2, 1))))
    radius, spread = rng.uniform(2, 8), rng.uniform(0.05, 0.25)
    for _ in range(int(min(4000, 3 * size * size / radius**2))):
        x, y = rng.uniform(0, size, 2)
        r = radius * rng.uniform(0.7, 1.3)
        fill = _rgb(source[int(y), int(x)] + rng.normal(0, spread, 3))
        draw.ellipse((2 * x - r, 2 * y - r, 2 * x + r, 2 * y + r), fill)
    return _done(image, size)


def planes(rng: Rng, size: int) -> Array:
    """Rectangles cut again and again, with or without black lines, as the neoplasticists did."""
    boxes, colors = [(0.0, 0.0, 1.0, 1.0)], palette(rng, 12)
    for _ in range(rng.integers(5, 60)):
        left, top, right, bottom = boxes.pop(rng.integers(len(boxes)))
        cut = rng.uniform(0.25, 0.75)
        if right - left > bottom - top:
            middle = left + cut * (right - left)
            boxes += [(left, top, middle, bottom), (middle, top, right, bottom)]
        else:
            middle = top + cut * (bottom - top)
            boxes += [(left, top, right, middle), (left, middle, right, bottom)]
    image, draw = _canvas(np.ones((2 * size, 2 * size, 3)))
    line = int(rng.choice([0, 2, 5, 12]))
    for box in boxes:
        draw.rectangle([2 * size * v for v in box], _rgb(colors[rng.integers(12)]), (0, 0, 0), line)
    return _done(image.rotate(rng.choice([0, 0, 20, 45])).resize((2 * size, 2 * size)), size)


def weave(rng: Rng, size: int) -> Array:
    """A small tile repeated, as in cloth, brickwork or a carpet."""
    side = int(np.exp(rng.uniform(np.log(6), np.log(size / 2))))
    tile = KINDS[str(rng.choice(["dead_leaves", "cells", "gratings", "planes", "clouds"]))](rng, max(side, 32))
    tile = np.concatenate([tile, tile[:, ::-1]], 1) if rng.random() < 0.5 else tile
    repeats = (-(-size // tile.shape[0]), -(-size // tile.shape[1]), 1)
    return np.tile(tile, repeats)[:size, :size]


def collage(rng: Rng, size: int) -> Array:
    """Two kinds of picture, one beside or within the other, or both at once."""
    names = rng.choice([name for name in KINDS if name not in ("collage", "weave")], 2)
    first, second = (KINDS[str(name)](rng, size) for name in names)
    if rng.random() < 0.4:
        return first + rng.uniform(0.2, 0.8) * (second - first)
    return np.where((noise(rng, size, 2.5) > 0)[..., None], first, second)


KINDS: dict[str, Callable[[Rng, int], Array]] = {
    kind.__name__: kind
    for kind in (
        *(dead_leaves, strokes, painted_photograph, photograph, gratings, cells, hatching, curves, text, gradients),
        *(marbling, clouds, dots, planes, weave, collage),
    )
}
