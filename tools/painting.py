"""What the painters share: color, noise, flow, brushes, relief, paper, and saving.

A picture is painted on a `Sheet`, in units of a thousandth of its longer side, so that it looks the same at any size.
Colors are OKLab throughout, because mixing and varying paint there looks like paint; `to_srgb` comes last.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

Array = NDArray[np.floating]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


# Color


def to_oklab(rgb: Array) -> Array:
    """Turn sRGB in [0, 1] into OKLab."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4)
    return (np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T).astype(np.float32)


def to_srgb(lab: Array) -> Array:
    """Turn OKLab into sRGB, clipped to [0, 1]."""
    linear = np.clip((lab @ np.linalg.inv(_TO_LAB).T) ** 3 @ np.linalg.inv(_TO_LMS).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055).astype(np.float32)


def paints(names: str) -> Array:
    """Return the OKLab colors of hexadecimal names, as in `paints("1b2a6b f2c14e")`."""
    return to_oklab(np.array([[int(n[i : i + 2], 16) / 255 for i in (0, 2, 4)] for n in names.split()]))


def ramp(t: Array, names: str) -> Array:
    """Grade through the named colors as t goes from 0 to 1."""
    colors = paints(names)
    at = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(t, at, c) for c in colors.T], axis=-1).astype(np.float32)


def mix(a: Array, b: Array, t: Array) -> Array:
    """Go from color a to color b by t, a map or a number."""
    t = np.asarray(t, np.float32)[..., None]
    return (a * (1 - t) + b * t).astype(np.float32)


def step(low: float, high: float, x: Array) -> Array:
    """Rise smoothly from 0 at low to 1 at high; low may be the greater."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


# Sheet and noise


@dataclass
class Sheet:
    """What is painted on: its size in pixels and the painter's own random numbers."""

    height: int
    width: int
    rng: np.random.Generator

    @property
    def unit(self) -> float:
        """Pixels to a thousandth of the longer side."""
        return max(self.height, self.width) / 1000

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    @property
    def xy(self) -> tuple[Array, Array]:
        """Coordinates of every pixel, in units, from the upper left."""
        y, x = np.mgrid[: self.height, : self.width].astype(np.float32) / np.float32(self.unit)
        return x, y

    def noise(self, scale: float, octaves: int = 1, gain: float = 0.5, stretch: float = 1.0) -> Array:
        """Smooth noise, mean 0 and deviation 1, with features of `scale` units, `stretch` times as wide as high."""
        total, weight = np.zeros(self.shape, np.float32), 1.0
        for _ in range(octaves):
            cells = [
                max(side / (max(scale * k * self.unit, 1.0)), 0.01)
                for side, k in ((self.height, 1), (self.width, stretch))
            ]
            grid = self.rng.standard_normal([int(np.ceil(c)) + 4 for c in cells]).astype(np.float32)
            # A random offset keeps the lattices of the octaves from lining up.
            at = [
                np.linspace(0, c, n, dtype=np.float32) + self.rng.uniform(1, 1.9)
                for c, n in zip(cells, self.shape, strict=True)
            ]
            total += weight * _spline(grid, *at)
            weight *= gain
            scale /= 2
        return (total - total.mean()) / (total.std() + 1e-6)

    def spots(self, spacing: float) -> Array:
        """Points (x, y) in pixels, one to each cell of a jittered grid, in random order."""
        pitch = spacing * self.unit
        y, x = np.mgrid[-pitch : self.height + pitch : pitch, -pitch : self.width + pitch : pitch]
        points = np.stack([x.ravel(), y.ravel()], -1)
        return self.rng.permutation(points + self.rng.uniform(0, pitch, points.shape)).astype(np.float32)


def _spline(grid: Array, y: Array, x: Array) -> Array:
    """Read a lattice at rows y and columns x with a cubic B-spline, which is smooth and separable."""

    def weights(at: Array, n: int) -> Array:
        out = np.zeros((len(at), n), np.float32)
        i, f = np.floor(at).astype(int), at - np.floor(at)
        parts = ((1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3)
        for k, part in enumerate(parts):
            out[np.arange(len(at)), np.clip(i + k - 1, 0, n - 1)] += part / 6
        return out

    return weights(y, grid.shape[0]) @ grid @ weights(x, grid.shape[1]).T


def shifted(picture: Array, dx: Array, dy: Array) -> Array:
    """Read a picture at every pixel plus (dx, dy), in pixels: domain warping."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    if picture.ndim == 3:
        return np.stack([shifted(picture[..., c], dx, dy) for c in range(picture.shape[2])], -1)
    return ndimage.map_coordinates(picture, [y + dy, x + dx], order=1, mode="nearest").astype(np.float32)


def blur(picture: Array, sigma: float) -> Array:
    """Blur a map or a color picture."""
    sigmas = (sigma, sigma, 0) if picture.ndim == 3 else sigma
    return ndimage.gaussian_filter(picture, sigmas, mode="nearest")


# Lines


def along(x: Array, y: Array, points: list[tuple[float, ...]]) -> tuple[Array, Array, Array]:
    """Return distance to a smooth line through points, the place along it (0 to 1), and its angle there.

    A third number in each point is the line's half-width, which is taken off the distance.
    """
    given = np.array(points, float)
    if given.shape[1] == 2:
        given = np.pad(given, ((0, 0), (0, 1)))
    t = np.linspace(0, len(given) - 1, 8 * len(given))
    dense = np.stack([_catmull(given[:, c], t) for c in range(3)], -1)
    best = np.full(x.shape, 1e9, np.float32)
    place, angle = np.zeros_like(best), np.zeros_like(best)
    # Look only at the part of the sheet that the line may reach.
    low, high = dense[:, :2].min(0) - dense[:, 2].max() - 45, dense[:, :2].max(0) + dense[:, 2].max() + 45
    inside = (x > low[0]) & (x < high[0]) & (y > low[1]) & (y < high[1])
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if len(rows):
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        _nearest(x[part], y[part], dense, best[part], place[part], angle[part])
    return best, place, angle


@njit(cache=True)
def _nearest(x, y, dense, best, place, angle):
    for n in range(len(dense) - 1):
        ax, ay, wide = dense[n]
        dx, dy, more = dense[n + 1] - dense[n]
        size = dx * dx + dy * dy + 1e-9
        reach = 40 + max(wide, 0) + abs(more)  # further away nobody asks
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                px, py = x[i, j] - ax, y[i, j] - ay
                if abs(px - dx / 2) > abs(dx) + reach or abs(py - dy / 2) > abs(dy) + reach:
                    continue
                f = min(max((px * dx + py * dy) / size, 0.0), 1.0)
                d = np.hypot(px - f * dx, py - f * dy) - wide - f * more
                if d < best[i, j]:
                    best[i, j] = d
                    place[i, j] = (n + f) / (len(dense) - 1)
                    angle[i, j] = np.arctan2(dy, dx)


def smooth(points: list[tuple[float, ...]] | Array, count: int = 200) -> Array:
    """Return `count` points on a smooth line through the given ones."""
    given = np.array(points, float)
    t = np.linspace(0, len(given) - 1, count)
    return np.stack([_catmull(c, t) for c in given.T], -1)


def filled(sheet: Sheet, outline: Array) -> Array:
    """Return where a polygon (x, y in units) is, as a mask."""
    picture = Image.new("1", (sheet.width, sheet.height))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in np.asarray(outline) * sheet.unit], fill=1)
    return np.array(picture)


def _catmull(values: Array, t: Array) -> Array:
    padded = np.concatenate([[2 * values[0] - values[1]], values, [2 * values[-1] - values[-2]] * 2])
    i = np.minimum(t.astype(int), len(values) - 2)
    f = t - i
    a, b, c, d = (padded[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)


# Flow


def flow_of(angle: Array) -> Array:
    """Return unit vectors (H, W, 2) at these angles."""
    return np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)


@njit(cache=True)
def _lic(values, flow, length):
    height, width = values.shape
    out = np.zeros_like(values)
    for i in range(height):
        for j in range(width):
            total, count = 0.0, 0
            for sign in (-1.0, 1.0):
                x, y = float(j), float(i)
                for _ in range(length):
                    a, b = min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)
                    total += values[a, b]
                    count += 1
                    x += sign * flow[a, b, 0]
                    y += sign * flow[a, b, 1]
            out[i, j] = total / count
    return out


def drawn_out(values: Array, flow: Array, length: float) -> Array:
    """Smear values along the flow for `length` pixels each way (line integral convolution); deviation 1 again."""
    # Streaks are smooth along their length, so that a third of the size is enough.
    small = ndimage.zoom(values, 1 / 3, order=1).astype(np.float32)
    field = np.stack([ndimage.zoom(flow[..., c], 1 / 3, order=1) for c in (0, 1)], -1).astype(np.float32)
    out = _lic(small, field, max(int(length / 3), 1))
    factors = [n / m for n, m in zip(values.shape, out.shape, strict=True)]
    out = ndimage.zoom(out, factors, order=1)
    return ((out - out.mean()) / (out.std() + 1e-6)).astype(np.float32)


# Brush


@njit(cache=True)
def _hash(a, b, c):
    """Return a random number in [0, 1) that depends on three integers only."""
    n = (a * 374761393 + b * 668265263 + c * 1442695041) & 0xFFFFFFFF
    n = ((n ^ (n >> 13)) * 1274126177) & 0xFFFFFFFF
    n = ((n ^ (n >> 16)) * 2246822519) & 0xFFFFFFFF
    return ((n ^ (n >> 15)) & 0xFFFFFF) / 16777216.0


@njit(cache=True)
def _wobble(seed, a, b):
    """Smooth noise in [0, 1) over the plane."""
    i, j = int(np.floor(a)), int(np.floor(b))
    f, g = a - i, b - j
    f, g = f * f * (3 - 2 * f), g * g * (3 - 2 * g)
    top = _hash(seed, i, j) * (1 - f) + _hash(seed, i + 1, j) * f
    low = _hash(seed, i, j + 1) * (1 - f) + _hash(seed, i + 1, j + 1) * f
    return top * (1 - g) + low * g


@njit(cache=True)
def _trace(spots, flow, target, reach, tolerance, count):
    """Follow the flow from each spot, both ways, as long as the color underneath stays alike."""
    height, width = flow.shape[:2]
    paths = np.zeros((len(spots), 2 * count + 1, 2), np.float32)
    for k in range(len(spots)):
        for way in (-1, 1):
            x, y = spots[k, 0], spots[k, 1]
            i0, j0 = min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)
            paths[k, count] = spots[k]
            px, py, alive = 0.0, 0.0, True
            for n in range(1, count + 1):
                i, j = min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)
                vx, vy = way * flow[i, j, 0], way * flow[i, j, 1]
                if n > 1 and vx * px + vy * py < 0:  # a direction has no sign: go on, do not turn back
                    vx, vy = -vx, -vy
                px, py = vx, vy
                nx, ny = x + vx * reach[k] / count, y + vy * reach[k] / count
                a, b = min(max(int(ny), 0), height - 1), min(max(int(nx), 0), width - 1)
                gap = 0.0
                for c in range(3):
                    gap += (target[a, b, c] - target[i0, j0, c]) ** 2
                alive = alive and gap < tolerance * tolerance
                if alive:
                    x, y = nx, ny
                paths[k, count + way * n] = (x, y)
    return paths


@njit(cache=True)
def _lay(color, height, paths, radius, first, second, seeds, bristle, body, dry):
    """Lay strokes one over the other: bristles carry two colors, run dry, and leave ridges."""
    rows, columns = height.shape
    for k in range(len(paths)):
        path, r = paths[k], radius[k]
        lengths = np.zeros(len(path))
        for n in range(1, len(path)):
            lengths[n] = lengths[n - 1] + np.hypot(path[n, 0] - path[n - 1, 0], path[n, 1] - path[n - 1, 1])
        total = lengths[-1] + 2 * r
        left, right = max(int(path[:, 0].min() - r), 0), min(int(path[:, 0].max() + r) + 2, columns)
        top, low = max(int(path[:, 1].min() - r), 0), min(int(path[:, 1].max() + r) + 2, rows)
        seed = seeds[k]
        for i in range(top, low):
            for j in range(left, right):
                best, along, across = r * r, -1.0, 0.0
                for n in range(len(path) - 1):
                    dx, dy = path[n + 1, 0] - path[n, 0], path[n + 1, 1] - path[n, 1]
                    size = dx * dx + dy * dy
                    if size == 0:
                        continue
                    ax, ay = j - path[n, 0], i - path[n, 1]
                    f = min(max((ax * dx + ay * dy) / size, 0.0), 1.0)
                    d = (ax - f * dx) ** 2 + (ay - f * dy) ** 2
                    if d < best:
                        best = d
                        at_end = n == 0 or n == len(path) - 2  # where the stroke reaches beyond its path
                        along = lengths[n] + r + ((ax * dx + ay * dy) / np.sqrt(size) if at_end else f * np.sqrt(size))
                        across = np.sqrt(d) * (1.0 if ax * dy - ay * dx > 0 else -1.0)
                if along < 0:
                    continue
                side = across / r
                hair = across / bristle
                s = along / total
                ridge = 0.7 * _wobble(seed, hair, along / (9 * bristle)) + 0.3 * _wobble(
                    seed + 7, hair * 2.1, along / (5 * bristle)
                )
                # Some bristles touch down late and lift off early, so that the ends are ragged.
                start = along - 1.1 * r * _wobble(seed + 1, hair * 0.8, 0.5)
                end = total - along - 1.6 * r * _wobble(seed + 2, hair * 0.8, 0.5)
                edge = max(min((1 - abs(side)) * r / 1.3, 1.0), 0.0)
                loaded = min(max(1.65 + 2.25 * ridge - 3 * dry * max(1.6 * s - 0.4, 0.0), 0.0), 1.0)
                cover = edge * loaded * min(max(start + 0.5, 0.0), 1.0) * min(max(end + 0.5, 0.0), 1.0)
                if cover <= 0:
                    continue
                blend = min(max(2.2 * _wobble(seed + 3, hair * 0.45, along / (30 * bristle)) - 0.6, 0.0), 1.0)
                for c in range(3):
                    tone = first[k, c] * (1 - blend) + second[k, c] * blend
                    if c == 0:
                        tone += 0.14 * (ridge - 0.5)
                    color[i, j, c] += cover * (tone - color[i, j, c])
                # Paint is pushed to both sides of a stroke and piles up where the brush was set down and lifted.
                rim = np.exp(-((abs(side) - 0.8) ** 2) / 0.02) * 0.35 + np.exp(-((s - 0.93) ** 2) / 0.004) * 0.4
                high = body * (0.25 + 0.75 * ridge + rim) * (0.5 + 0.5 * max(edge, 0.0))
                height[i, j] += cover * (0.45 * height[i, j] + high - height[i, j])


@dataclass
class Canvas:
    """Wet paint: its color (OKLab) and how high it stands, in pixels."""

    sheet: Sheet
    color: Array
    height: Array

    @classmethod
    def primed(cls, sheet: Sheet, color: Array) -> "Canvas":
        """Start from a ground of one color, or from a picture."""
        ground = np.broadcast_to(color, (*sheet.shape, 3)).astype(np.float32).copy()
        return cls(sheet, ground, np.zeros(sheet.shape, np.float32))

    def strokes(
        self,
        target: Array,
        flow: Array,
        width: float,
        length: float,
        *,
        density: float = 1.0,
        jitter: tuple[float, float, float] = (0.03, 0.015, 0.015),
        where: Array | None = None,
        tolerance: float = 0.25,
        body: float = 1.0,
        bristle: float = 2.2,
        dry: float = 0.6,
        spots: Array | None = None,
        soften: float = 0.3,
    ) -> None:
        """Cover the canvas with strokes along the flow, in the target's colors, each varied by `jitter`.

        `width` and `length` are in units; `where` is the chance that a spot is painted; `tolerance` is how far the
        target's color may drift before a stroke ends; `body` is how thick the paint is; `dry` how soon it runs out.
        """
        sheet, rng = self.sheet, self.sheet.rng
        spots = sheet.spots(width / np.sqrt(density)) if spots is None else spots
        i = np.clip(spots[:, 1].astype(int), 0, sheet.height - 1)
        j = np.clip(spots[:, 0].astype(int), 0, sheet.width - 1)
        if where is not None:
            kept = rng.random(len(spots)) < where[i, j]
            spots, i, j = spots[kept], i[kept], j[kept]
        n = len(spots)
        seen = blur(target, soften * width * sheet.unit)
        radius = 0.5 * width * sheet.unit * rng.uniform(0.7, 1.25, n)
        reach = 0.5 * length * sheet.unit * rng.uniform(0.6, 1.3, n)
        paths = _trace(spots, flow, seen, reach, tolerance, 5)
        own = seen[i, j] + rng.standard_normal((n, 3)) * np.array(jitter)
        other = own + rng.standard_normal((n, 3)) * np.array(jitter) * 1.3
        seeds = rng.integers(1, 1 << 30, n)
        hair = max(bristle * sheet.unit, 1.2)
        _lay(self.color, self.height, paths, radius, own, other, seeds, hair, body * sheet.unit, dry)

    def lit(self, strength: float = 0.5, gloss: float = 0.05, weave: float = 0.3) -> Array:
        """Return the color under light from the upper left; the weave of the canvas shows where paint is thin."""
        thin = np.exp(-self.height / (0.8 * self.sheet.unit))
        surface = self.height + weave * woven(self.sheet) * self.sheet.unit * (0.35 + 0.65 * thin)
        return relief(self.color, surface, strength, gloss)


def relief(color: Array, surface: Array, strength: float = 0.5, gloss: float = 0.05) -> Array:
    """Light a surface, heights in pixels, from the upper left: light and shade in L, and a little gloss."""
    gy, gx = np.gradient(ndimage.gaussian_filter(surface, 0.6))
    slope = -(gx + gy) * 0.7071
    out = color.copy()
    out[..., 0] *= 1 - strength * 0.5 * np.tanh(1.4 * slope * -1)
    shine = gloss * step(0.35, 1.3, slope)
    out[..., 0] += shine
    out[..., 1:] *= (1 - 1.5 * shine)[..., None]
    return out


# Canvas and paper


def woven(sheet: Sheet, pitch: float = 2.6) -> Array:
    """Height of a linen canvas, about -1 to 1: threads over and under, never quite straight."""
    x, y = sheet.xy
    x, y = x + 0.5 * sheet.noise(40, 2), y + 0.5 * sheet.noise(40, 2)
    a, b = np.pi * x / pitch, np.pi * y / pitch
    over = np.abs(np.sin(a)) * (0.5 + 0.5 * np.sin(b) * np.sign(np.sin(a))) + np.abs(np.sin(b)) * (
        0.5 - 0.5 * np.sin(a) * np.sign(np.sin(b))
    )
    return (over - over.mean() + 0.15 * sheet.noise(3, 2)).astype(np.float32)


def paper(sheet: Sheet, fiber: float = 6.0) -> Array:
    """Height of a sheet of paper, deviation about 1: fine tooth, felt marks and fibers."""
    tooth = sheet.noise(3.2, 3, 0.8)
    fibers = sheet.noise(1.6, 1, stretch=fiber) + sheet.noise(1.6 * fiber, 1, stretch=1 / fiber)
    return (0.7 * tooth + 0.25 * fibers + 0.3 * sheet.noise(14, 2)).astype(np.float32)


# Files


def save(lab: Array, path: Path, size: int, limit: int = 300_000) -> None:
    """Write a JPEG, `size` pixels on the longer side, at the best quality that stays within `limit` bytes."""
    image = Image.fromarray((to_srgb(lab) * 255 + 0.5).astype(np.uint8))
    scale = size / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    for quality in range(94, 40, -2):
        image.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size <= limit:
            return
    raise ValueError(f"{path.name} does not fit into {limit} bytes: make it smaller with --size")
