"""Pictures drawn by rules: leaves, clouds, soft light and planes of color; as many as anybody wants, and nobody's own.

They widen what a few photographs show: colors that none of them has, and edges at every scale.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

Array = np.ndarray
Rng = np.random.Generator


def draw(count: int, size: int, seed: int = 0) -> Array:
    """So many pictures, uint8 (count, size, size, 3), of all kinds in turn; the same for the same arguments."""
    pictures = np.empty((count, size, size, 3), np.uint8)
    for index in range(count):
        picture = KINDS[index % len(KINDS)](np.random.default_rng((seed, index)), size)
        pictures[index] = np.clip(picture * 255, 0, 255)
    return pictures


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


KINDS: tuple[Callable[[Rng, int], Array], ...] = (dead_leaves, gradients, clouds, planes)
