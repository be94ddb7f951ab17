"""Pictures on which the bundled backbone is trained: drawn by rules, or scikit-image's photographs.

Nobody's painting is among them. What matters is variety: every kind of edge, stroke, cell, dot, weave and grain, at
many scales and in many colors, so that a small network learns to see what a large one sees.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import skimage.data
from PIL import Image, ImageFont
from scipy import ndimage, spatial

from nstlib.feedforward.drawing import (
    background,
    canvas,
    clouds,
    dead_leaves,
    done,
    gradients,
    noise,
    palette,
    planes,
    ramp,
    rgb,
)

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


def strokes(rng: Rng, size: int, source: Array | None = None) -> Array:
    """Brush strokes along a flow, in the colors of what lies beneath them."""
    source = background(rng, size) if source is None else source
    angle, (image, draw) = flow(rng, size), canvas(np.kron(source, np.ones((2, 2, 1))))
    width, length, spread = rng.integers(2, 14), rng.uniform(6, 40), rng.uniform(0.02, 0.15)
    for _ in range(int(min(2500, 3 * size * size / (width * length)))):
        x, y = rng.uniform(0, size, 2)
        color = rgb(source[int(y), int(x)] + rng.normal(0, spread) + rng.normal(0, spread / 2, 3))
        points = []
        for _ in range(6):
            points.append((2 * x, 2 * y))
            a = angle[min(max(int(y), 0), size - 1), min(max(int(x), 0), size - 1)]
            x, y = x + np.cos(a) * length / 5, y + np.sin(a) * length / 5
        draw.line(points, color, int(width), joint="curve")
    return done(image, size)


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
        picture = 0.6 * picture + 0.4 * background(rng, size)
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
    image, draw = canvas(background(rng, 2 * size))
    t, colors = np.linspace(0, 1, 60), palette(rng, 20)
    for _ in range(rng.integers(15, 120)):
        x, y = rng.uniform(0, 2 * size, 2)
        turn, growth, start = rng.uniform(-12, 12), rng.uniform(0.05, 0.8) * size, rng.uniform(0, 2 * np.pi)
        line = np.stack([x + growth * t * np.cos(start + turn * t), y + growth * t * np.sin(start + turn * t)], 1)
        width = int(np.exp(rng.uniform(0.3, 3)))
        draw.line([tuple(p) for p in line], rgb(colors[rng.integers(20)]), width, joint="curve")
    return done(image, size)


def text(rng: Rng, size: int) -> Array:
    """Letters in many sizes."""
    image, draw = canvas(background(rng, 2 * size))
    colors, letters = palette(rng, 6), list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789&?!%")
    for _ in range(rng.integers(20, 150)):
        word = "".join(rng.choice(letters, rng.integers(1, 9)))
        font = ImageFont.load_default(float(np.exp(rng.uniform(2.5, 5))))
        draw.text(tuple(rng.uniform(-40, 2 * size, 2)), word, rgb(colors[rng.integers(6)]), font)
    return done(image.rotate(rng.choice([0, 0, 15, 90]), expand=False), size)


def marbling(rng: Rng, size: int) -> Array:
    """Noise looked up at places that other noise has moved, as paint is combed."""
    exponent, bend = rng.uniform(1.2, 2.2), size * rng.uniform(0.02, 0.15)
    y, x = np.mgrid[:size, :size] + bend * np.stack([noise(rng, size, 2), noise(rng, size, 2)])
    return ramp(rng, ndimage.map_coordinates(noise(rng, size, exponent), (y, x), order=1, mode="wrap"))


def dots(rng: Rng, size: int) -> Array:
    """Pointillism: touches of pure color, near the color beneath."""
    source = photograph(rng, size) if rng.random() < 0.5 else background(rng, size)
    image, draw = canvas(np.kron(source, np.ones((2, 2, 1))))
    radius, spread = rng.uniform(2, 8), rng.uniform(0.05, 0.25)
    for _ in range(int(min(4000, 3 * size * size / radius**2))):
        x, y = rng.uniform(0, size, 2)
        r = radius * rng.uniform(0.7, 1.3)
        fill = rgb(source[int(y), int(x)] + rng.normal(0, spread, 3))
        draw.ellipse((2 * x - r, 2 * y - r, 2 * x + r, 2 * y + r), fill)
    return done(image, size)


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
