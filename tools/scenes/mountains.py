"""Mountains in mist: ranges carved by rain, spruces on the near slope, and the sun low on the left."""

from __future__ import annotations

import bpy
import numpy as np

from scenes.kit import (
    Haze,
    Nodes,
    Shape,
    camera,
    conifer,
    erode,
    grid,
    light,
    material,
    noise,
    scatter,
    sky,
    tuft,
)

ASPECT, SEED, SAMPLES = (3, 2), 5, 64
RENDER = {"exposure": 0.3, "look": "AgX - Medium High Contrast"}
DEVELOP = {"contrast": 0.3, "color": 1.2, "bloom": 0.35}
EYE = 620.0
HAZE = Haze((0.60, 0.66, 0.76), 21000.0, ground=3.0, height=260.0)
NEAR = Haze((0.60, 0.66, 0.76), 9000.0)


def morning(n: Nodes) -> object:
    """Gold around the sun, pale above the mist, blue overhead."""
    way = n.coords(kind="Generated")
    up = n.split(way, "Z")
    clear = n.ramp(
        up, (0.0, (0.80, 0.76, 0.74)), (0.10, (0.74, 0.76, 0.82)), (0.28, (0.30, 0.47, 0.76)), (0.6, (0.16, 0.30, 0.56))
    )
    sun = n.add("ShaderNodeVectorMath", out="Value", operation="DOT_PRODUCT", Vector=way)
    sun.node.inputs[1].default_value = SUN
    flat = n.math("DIVIDE", 1.0, n.math("ADD", n.math("MAXIMUM", up, 0.0), 0.15))
    plane = n.add("ShaderNodeVectorMath", operation="SCALE", Vector=way, Scale=flat)
    veil = n.ramp(n.noise(1.3, 9, 0.6, at=n.scaled(plane, (0.5, 1.0, 0.0)), warp=0.8), (0.48, 0.0), (0.75, 0.75))
    clear = n.mix(veil, clear, (0.95, 0.88, 0.84))
    # Three halos of one sun: the warmth of that half of the sky, the aureole, the disk.
    for power, strength, color in ((9.0, 0.75, (1.20, 0.78, 0.44)), (150.0, 0.85, (1.7, 1.15, 0.60))):
        clear = n.mix(n.math("MULTIPLY", n.math("POWER", n.math("MAXIMUM", sun, 0.0), power), strength), clear, color)
    disk = n.math("MULTIPLY", n.math("SUBTRACT", sun, 0.99972), 12000.0, clamp=True)
    return n.mix(disk, clear, (9.0, 7.5, 5.0))


def toward(azimuth: float, elevation: float) -> np.ndarray:
    """Unit vector, degrees to the right of the view and above the horizon."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])


SUN = tuple(toward(-13.5, 10.5))


def ranges() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The far land: a massif on the right, lower ridges to the left, a valley between."""
    rows, columns, cell = 640, 760, 13.0
    y = (1300 + cell * np.arange(rows))[:, None] + np.zeros(columns)
    x = cell * (np.arange(columns) - columns / 2)[None] + np.zeros((rows, 1))
    bend = 300 * noise(x / 2500, y / 2500, 40, 3)
    crest = noise((x + bend) / 2300 + 0.35, (y - bend) / 2300 + 0.2, 12, 8, 0.47, ridged=True)
    massif = np.exp(-(((x - 900) / 1900) ** 2) - ((y - 7400) / 1700) ** 2)
    shoulder = 0.62 * np.exp(-(((x + 2300) / 1300) ** 2) - ((y - 6400) / 1500) ** 2)
    spurs = 0.36 * np.exp(-(((y - 3600) / 900) ** 2)) * (0.45 + 0.55 * np.abs(np.sin(x / 800 + 0.4)))
    z = crest * (2500 * massif + 1900 * shoulder + 1500 * spurs + 260) + 90 * noise(x / 500, y / 500, 3, 5)
    z += 620 * np.exp(-(((x - 780) / 620) ** 2) - ((y - 7300) / 700) ** 2)
    return x, y, erode(z / cell, 1) * cell


def slopes(n: Nodes) -> object:
    """Forest below, rock above, snow where it can lie."""
    at = n.add("ShaderNodeNewGeometry", out="Position")
    steep = n.split(n.add("ShaderNodeNewGeometry", out="Normal"), "Z")
    height = n.math("DIVIDE", n.math("MULTIPLY_ADD", n.noise(0.003, 9, 0.7, at=at), 700.0, n.split(at, "Z")), 2800.0)
    trees = n.ramp(n.noise(0.03, 7, 0.75, at=at), (0.35, (0.012, 0.028, 0.022)), (0.7, (0.05, 0.075, 0.045)))
    bare = n.ramp(n.noise(0.008, 12, 0.78, at=at), (0.3, (0.07, 0.068, 0.07)), (0.7, (0.30, 0.275, 0.26)))
    ground = n.mix(n.ramp(height, (0.40, 0.0), (0.47, 1.0)), trees, bare)
    lies = n.ramp(n.math("MULTIPLY_ADD", n.noise(0.02, 8, 0.75, at=at), 0.22, steep), (0.56, 0.0), (0.70, 1.0))
    return n.mix(n.math("MULTIPLY", lies, n.ramp(height, (0.42, 0.0), (0.54, 1.0))), ground, (0.88, 0.89, 0.92))


def mist(
    distance: float, low: float, high: float, color: tuple[float, float, float], thick: float, seed: float
) -> None:
    """A bank of mist: a wide upright card, dense below, torn above."""
    made = bpy.data.materials.new("mist")
    made.use_nodes = True
    made.cycles.emission_sampling = "NONE"
    made.node_tree.nodes.clear()
    n = Nodes(made.node_tree)
    at = n.world((1 / (high - low) * 0.35, 1.0, 1 / (high - low)))
    at = n.add("ShaderNodeVectorMath", operation="ADD", Vector=at)
    at.node.inputs[1].default_value = (seed, seed, 0)
    billow = n.noise(0.9, 8, 0.6, at=at, warp=0.5)
    up = n.math("DIVIDE", n.math("SUBTRACT", n.split(n.world(), "Z"), low), high - low)
    body = n.math("SUBTRACT", n.math("MULTIPLY_ADD", billow, 1.5, 0.05), up)
    fade = n.ramp(up, (0.0, 0.0), (0.22, 1.0), mode="EASE")
    alpha = n.math("MULTIPLY", n.math("MULTIPLY", n.ramp(body, (0.0, 0.0), (0.65, 1.0), mode="EASE"), thick), fade)
    node = n.tree.nodes.new("ShaderNodeMixShader")
    n.put(node.inputs[0], alpha)
    n.put(node.inputs[1], n.add("ShaderNodeBsdfTransparent"))
    n.put(node.inputs[2], n.add("ShaderNodeEmission", Color=color))
    n.tree.links.new(node.outputs[0], n.tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    card, wide = Shape(), distance * 0.7
    card.panel([(-wide, distance, low), (wide, distance, low), (wide, distance, high), (-wide, distance, high)], made)
    thing = card.done("mist")
    thing.visible_shadow = thing.visible_diffuse = False


def near(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The slope we stand on: it falls away ahead and rises to the right, then a second wooded spur."""
    first = (
        EYE
        - 10
        - 0.17 * (y - 20)
        + 0.30 * np.maximum(x - 8, 0)
        + 0.10 * np.maximum(-x - 12, 0)
        + 9 * noise(x / 70, y / 70, 2, 4)
    )
    spur = 500 - 0.00035 * (y - 820) ** 2 - 0.38 * np.maximum(x + 60, 0) + 60 * noise(x / 300, y / 260, 6, 4)
    return np.maximum(np.maximum(first, spur), 120)


def build(rng: np.random.Generator) -> None:
    """Put the scene together."""
    camera((0, 0, EYE), (60, 1000, EYE + 50), lens=46)
    sky(morning, 0.9)
    lamp = toward(-62, 17) * 1000
    light("SUN", tuple(lamp), power=8.5, color=(1.0, 0.74, 0.48), size=1.5)

    x, y, z = ranges()
    grid(
        "ranges",
        x,
        y,
        z,
        material("slopes", slopes, 0.95, bump=lambda n: n.noise(0.02, 10, 0.75, at=n.world()), depth=14.0, haze=HAZE),
    )
    floor = material(
        "floor",
        lambda n: n.ramp(n.noise(0.4, 8, 0.7, at=n.world()), (0.35, (0.03, 0.04, 0.018)), (0.7, (0.13, 0.12, 0.05))),
        1.0,
        haze=NEAR,
    )
    v = 12 * (1500 / 12) ** np.linspace(0, 1, 260)[:, None]
    u = np.linspace(-1, 1, 240)[None]
    x, y = u * (25 + v * 0.62), v + 0 * u
    grid("near", x, y, near(x, y), floor)

    for distance, low, high, thick, tone in (
        (5200, 150, 1150, 0.80, 0.92),
        (3000, 100, 800, 0.85, 0.86),
        (1500, 180, 600, 0.80, 0.80),
        (560, 300, 560, 0.55, 0.74),
    ):
        mist(distance, low, high, (0.98 * tone, 0.93 * tone, 0.90 * tone), thick, distance / 777)

    def needles(name: str, a: tuple[float, float, float], b: tuple[float, float, float]) -> object:
        return material(name, lambda n: n.mix(n.random(), a, b), 0.75, haze=NEAR)

    bark = material("bark", (0.06, 0.04, 0.03), 0.9, haze=NEAR)
    green = needles("needles", (0.03, 0.075, 0.035), (0.10, 0.13, 0.045))
    fine = [conifer(rng, green, bark, 46, 11) for _ in range(4)]
    coarse = [conifer(rng, green, bark) for _ in range(2)]
    n = 260
    y = 30 * (330 / 30) ** rng.random(n)
    x = rng.uniform(-1, 1, n) * (10 + y * 0.5)
    keep = (np.abs(x + 4) > 0.12 * y + 3) & (noise(x / 40, y / 40, 9, 2) > -0.35)
    x, y = x[keep], y[keep]
    spread(fine, rng, x, y, rng.uniform(7, 19, len(x)))
    straw = needles("straw", (0.09, 0.10, 0.03), (0.30, 0.22, 0.09))
    n = 26000
    y = 14 * (260 / 14) ** rng.random(n)
    x = rng.uniform(-1, 1, n) * (6 + y * 0.45)
    spread([tuft(rng, straw) for _ in range(3)], rng, x, y, rng.uniform(0.5, 1.3, n) * (0.5 + y / 150))
    n = 9000
    y = 300 * (1400 / 300) ** rng.random(n)
    x = rng.uniform(-1, 1, n) * (20 + y * 0.58)
    keep = near(x, y) > 170
    spread(coarse, rng, x[keep], y[keep], rng.uniform(10, 24, keep.sum()))


def spread(trees: list, rng: np.random.Generator, x: np.ndarray, y: np.ndarray, tall: np.ndarray) -> None:
    """Plant each point with one of the trees."""
    kind = rng.integers(len(trees), size=len(x))
    points = np.stack([x, y, near(x, y)], -1)
    for k, tree in enumerate(trees):
        one = kind == k
        scatter(tree, points[one], tall[one], rng.uniform(0, 6.28, one.sum()))
