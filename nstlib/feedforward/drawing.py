"""Pictures drawn by rules: leaves, clouds, soft light and planes of color; as many as anybody wants, and nobody's own.

They widen what a few photographs show: colors that none of them has, and edges at every scale.
"""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

Array = np.ndarray
Rng = np.random.Generator
Kind = Callable[[Rng, int], Array]


MOST_STROKES = 3000


def draw(count: int, size: int, seed: int = 0) -> Array:
    """So many pictures that show things, uint8 (count, size, size, 3); the same for the same arguments."""
    return np.stack([drawing(index, size, seed) for index in range(count)])


def drawing(index: int, size: int, seed: int = 0, kinds: Sequence[Kind] | None = None) -> Array:
    """One of them, uint8 (size, size, 3). Kinds take turns: `KINDS`, or `STROKES`, drawn as painters draw."""
    kinds = KINDS if kinds is None else kinds
    picture = kinds[index % len(kinds)](np.random.default_rng((seed, index)), size)
    drawn: Array = np.clip(picture * 255, 0, 255).astype(np.uint8)
    return drawn


def palette(rng: Rng, count: int) -> Array:
    """Colors (count, 3) that share a mood: a random walk between a few anchors, sometimes nearly gray."""
    anchors = rng.random((rng.integers(2, 5), 3))
    mix = rng.dirichlet(np.full(len(anchors), 0.5), count)
    colors = mix @ anchors + rng.normal(0, 0.05, (count, 3))
    gray = colors.mean(1, keepdims=True)
    colors = gray + (colors - gray) * rng.choice([0.1, 0.6, 1.0, 1.4])
    low, high = np.sort(rng.random(2)) * 0.4 + (0.0, 0.6)
    clipped: Array = np.clip(low + (high - low) * (colors - colors.min()) / (np.ptp(colors) + 1e-6), 0, 1)
    return clipped


def noise(rng: Rng, size: int, exponent: float) -> Array:
    """Noise (size, size) whose amplitude falls with frequency as 1 / f^exponent; mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(size, size))) / frequency**exponent
    field = np.fft.irfft2(spectrum, (size, size))
    even: Array = (field - field.mean()) / (field.std() + 1e-9)
    return even


def ramp(rng: Rng, field: Array) -> Array:
    """Color a field (H, W) by a palette: (H, W, 3), smooth or in steps."""
    colors = palette(rng, int(rng.integers(3, 9)))
    place = (field - field.min()) / (np.ptp(field) + 1e-9) * (len(colors) - 1)
    if rng.random() < 0.3:
        place = np.round(place)
    return np.stack([np.interp(place, np.arange(len(colors)), colors[:, c]) for c in range(3)], -1)


def background(rng: Rng, size: int) -> Array:
    """Noise of some roughness in colors that go together, (size, size, 3)."""
    return ramp(rng, noise(rng, size, rng.uniform(1.2, 2.5)))


def canvas(picture: Array) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A picture (H, W, 3) in [0, 1] to draw on."""
    image = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    return image, ImageDraw.Draw(image)


def rgb(color: Array) -> tuple[int, int, int]:
    """A color in [0, 1] as Pillow takes it."""
    r, g, b = (int(255 * v) for v in np.clip(color, 0, 1))
    return r, g, b


def done(image: Image.Image, size: int) -> Array:
    """What was drawn, smoothly at its final size: (size, size, 3) in [0, 1]."""
    return np.asarray(image.resize((size, size), Image.Resampling.BOX), float) / 255


def polygon(rng: Rng, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """Corners of a shape around a place."""
    corners = rng.integers(3, 8)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = radius * rng.uniform(0.5, 1.3, corners)
    return [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]


def dead_leaves(rng: Rng, size: int) -> Array:
    """Shapes of all sizes, each over the ones before, as leaves fall."""
    image, pen = canvas(background(rng, 2 * size))
    colors, shape = palette(rng, 40), rng.integers(4)
    for radius in np.sort(np.clip(size * 0.02 * rng.pareto(1.3, 400) + 4, 0, size * 0.6))[::-1]:
        x, y = rng.uniform(0, 2 * size, 2)
        fill = rgb(colors[rng.integers(40)] + rng.normal(0, 0.03, 3))
        edge = None if rng.random() < 0.7 else rgb(colors[0])
        kind = rng.integers(3) if shape == 3 else shape
        if kind == 0:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill, edge, 3)
        elif kind == 1:
            pen.polygon(polygon(rng, x, y, radius), fill, edge)
        else:
            stretch = rng.uniform(0.2, 1)
            pen.rectangle((x - radius, y - radius * stretch, x + radius, y + radius * stretch), fill, edge, 3)
    return done(image, size)


def gradients(rng: Rng, size: int) -> Array:
    """Soft light, as in a sky or out of focus, with a few hard edges."""
    picture = ramp(rng, noise(rng, size, rng.uniform(2.5, 4)))
    for _ in range(rng.integers(0, 4)):
        mask = noise(rng, size, 3) > rng.uniform(0.3, 1.5)
        picture = np.where(mask[..., None], ramp(rng, noise(rng, size, 3)), picture)
    return picture


def clouds(rng: Rng, size: int) -> Array:
    """Noise of some roughness in each channel, the channels more or less alike."""
    exponent, alike = rng.uniform(0, 2.2), rng.random()
    common = noise(rng, size, exponent)
    field = np.stack([alike * common + (1 - alike) * noise(rng, size, exponent) for _ in range(3)], -1)
    return rng.random(3) * 0.6 + 0.2 + field * rng.uniform(0.03, 0.3)


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
    image, pen = canvas(np.ones((2 * size, 2 * size, 3)))
    line = int(rng.choice([0, 2, 5, 12]))
    for box in boxes:
        pen.rectangle([2 * size * v for v in box], rgb(colors[rng.integers(12)]), (0, 0, 0), line)
    return done(image.rotate(rng.choice([0, 0, 20, 45])).resize((2 * size, 2 * size)), size)


def brush(rng: Rng, size: int) -> Array:
    """Strokes that follow a flow, long or short, in the colors of what they cover."""
    side, below = 2 * size, background(rng, 2 * size)
    image, pen = canvas(below)
    flow = noise(rng, side, rng.uniform(2, 3.5)) * rng.uniform(0.3, 2) + rng.uniform(0, np.pi)
    width, length, jitter = rng.integers(3, 14), rng.uniform(3, 14), rng.uniform(0.02, 0.12)
    for _ in range(min(int(12 * (side / width) ** 2 / length), MOST_STROKES)):
        x, y = rng.uniform(0, side, 2)
        color, path = below[int(y), int(x)] + rng.normal(0, jitter, 3), [(x, y)]
        for _ in range(6):
            angle = flow[int(y) % side, int(x) % side]
            x, y = x + width * length / 6 * np.cos(angle), y + width * length / 6 * np.sin(angle)
            path.append((x, y))
        pen.line(path, rgb(color), int(width), "curve")
    return done(image, size)


def cells(rng: Rng, size: int) -> Array:
    """Stones or dots side by side, with or without mortar, each in the color of what it covers."""
    below, count = background(rng, size), int(rng.integers(10, 45))
    # A seed somewhere in each square of a grid: the nearest one to a place is in its own square or in one around it.
    across = (np.arange(count) + 0.5) * size / count
    seeds = np.stack(np.meshgrid(across, across, indexing="ij"), -1)
    seeds += rng.uniform(-0.5, 0.5, seeds.shape) * size / count * rng.uniform(0.3, 1)
    places = np.stack([*np.mgrid[:size, :size]], -1)
    square = (places * count) // size
    near, second, nearest = np.full((size, size), np.inf), np.full((size, size), np.inf), square
    for step in np.ndindex(3, 3):
        other = np.clip(square + np.array(step) - 1, 0, count - 1)
        away = np.hypot(*np.moveaxis(places - seeds[other[..., 0], other[..., 1]], -1, 0))
        closer, again = away < near, (other == nearest).all(-1)
        second = np.where(closer, np.where(again, second, near), np.where(again, second, np.minimum(second, away)))
        near, nearest = np.where(closer, away, near), np.where(closer[..., None], other, nearest)
    spots = np.clip(seeds, 0, size - 1).astype(int)
    colors = below[spots[..., 0], spots[..., 1]] + rng.normal(0, 0.06, (count, count, 3))
    gap = second - near if rng.random() < 0.6 else size / count * 0.45 - near
    mortar = np.clip(1 - gap / rng.uniform(0.8, 2.5), 0, 1)[..., None] * rng.choice([0.0, 1.0])
    shown: Array = colors[nearest[..., 0], nearest[..., 1]] * (1 - mortar) + palette(rng, 1) * mortar
    return shown


def hatching(rng: Rng, size: int) -> Array:
    """An engraver's lines: two colors, and lines that swell where it is dark."""
    tone, paper, ink = noise(rng, size, rng.uniform(1.6, 2.6)), *palette(rng, 2)
    down, across = np.mgrid[:size, :size]
    lines = np.full((size, size), -np.inf)
    for _ in range(rng.integers(1, 3)):
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(3, 9)
        bent = noise(rng, size, 3) * rng.uniform(0, 6)
        phase = (down * np.cos(angle) + across * np.sin(angle) + bent) * 2 * np.pi / pitch
        lines = np.maximum(lines, np.sin(phase) - 0.8 * tone)
    share = 1 / (1 + np.exp(-lines * rng.uniform(2, 8)))
    shown: Array = paper + share[..., None] * (ink - paper)
    return shown


KINDS: tuple[Kind, ...] = (dead_leaves, gradients, clouds, planes)
STROKES: tuple[Kind, ...] = (brush, cells, hatching)
