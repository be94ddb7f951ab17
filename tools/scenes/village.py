"""A village by a lake at dusk: gabled houses, a church, wooded hills and mountains, all seen twice in the water."""

from __future__ import annotations

import itertools
import math

import numpy as np

from scenes.buildings import Palette, arch, house, lamps
from scenes.kit import (
    Haze,
    Nodes,
    Shape,
    broadleaf,
    camera,
    conifer,
    erode,
    glowing,
    grid,
    light,
    material,
    mottled,
    noise,
    rowboat,
    scatter,
    sky,
)

ASPECT, SEED, SAMPLES = (3, 2), 7, 64
RENDER = {"exposure": 0.8, "look": "AgX - Punchy"}
DEVELOP = {"contrast": 0.35, "color": 1.2, "bloom": 0.35}
HAZE = Haze((0.46, 0.5, 0.52), 5200.0)


def dusk(n: Nodes) -> object:
    """Warm at the horizon, blue overhead, with streaks of cloud lit from below."""
    way = n.coords(kind="Generated")
    up = n.split(way, "Z")
    clear = n.ramp(
        up, (0.0, (1.0, 0.55, 0.30)), (0.07, (0.95, 0.55, 0.40)), (0.2, (0.56, 0.46, 0.58)), (0.5, (0.17, 0.27, 0.50))
    )
    flat = n.math("DIVIDE", 1.0, n.math("ADD", n.math("MAXIMUM", up, 0.0), 0.12))
    plane = n.add("ShaderNodeVectorMath", operation="SCALE", Vector=way, Scale=flat)
    streaks = n.noise(1.0, 9, 0.55, at=n.scaled(plane, (0.55, 1.3, 0.0)), warp=0.6)
    cover = n.ramp(streaks, (0.46, 0.0), (0.66, 1.0))
    lit = n.ramp(streaks, (0.5, (1.25, 0.62, 0.5)), (0.72, (0.50, 0.36, 0.46)))
    # The sun has gone down on the left: the glow is strongest there.
    side = n.ramp(n.math("MULTIPLY_ADD", n.split(way, "X"), -0.7, 0.5), (0.2, 0.0), (1.0, 0.85))
    clear = n.mix(n.math("MULTIPLY", side, n.ramp(up, (0.0, 1.0), (0.28, 0.0))), clear, (1.5, 0.66, 0.22))
    return n.mix(n.math("MULTIPLY", cover, 0.85), clear, lit)


def land(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the near land: a gentle slope for the houses, then hills."""
    shore = 66.5 + 4 * noise(x / 60, 0 * x, 3, 3) - 26 * np.clip((-x - 34) / 30, 0, 1.3) ** 1.5
    up = y - shore
    slope = np.where(up < 0, up * 0.5, 1.0 + 0.15 * np.minimum(up, 90))
    far = np.clip((y - 150) / 600, 0, 1)
    hills = far**1.25 * (85 + 110 * noise(x / 330, y / 420, 11, 4) + 0.06 * np.abs(x)) + far * 7 * noise(
        x / 60, y / 60, 5, 4
    )
    return slope + np.maximum(hills, -4 * far)


def church(p: Palette, rng: np.random.Generator, at: tuple[float, float, float], turn: float) -> None:
    """A nave and a tall tower with a spire, clock and belfry."""
    s = Shape()
    wall = p.plaster[4]
    s.box((-5, 3, -4), (5, 26, 9), wall)
    for y in (3, 26):
        s.panel([(-5, y, 9), (5, y, 9), (0, y, 15)][:: 1 if y < 5 else -1], wall)
    for side in (-1, 1):
        corners = [(side * 5.6, 2.5, 8.3), (side * 5.6, 26.5, 8.3), (0, 26.5, 15.2), (0, 2.5, 15.2)]
        s.slab(corners if side > 0 else corners[::-1], 0.25, p.slate)
    w = 3.1
    s.box((-w, -w, -4), (w, w, 24), wall)
    for z, out in ((0.9, 0.3), (9.5, 0.18), (17.2, 0.18), (23.6, 0.4)):
        s.box((-w - out, -w - out, z), (w + out, w + out, z + 0.4), p.stone)
    for x in (-w, w):
        for z in np.arange(-1, 23, 1.1):
            # Quoins: corner stones, long and short by turns.
            long = 0.75 if round(z / 1.1) % 2 else 0.45
            s.box(
                (x - long if x > 0 else x - 0.05, -w - 0.05, z),
                (x + 0.05 if x > 0 else x + long, -w + 0.6, z + 0.9),
                p.stone,
            )
    spire = [(3.7, 24.0), (2.4, 26.3), (1.9, 27.6), (0.06, 41.0)]
    rings = [
        [(r * math.cos(a), r * math.sin(a), z) for a in np.arange(8) * math.pi / 4 + math.pi / 8] for r, z in spire
    ]
    copper = material(
        "copper",
        lambda n: n.ramp(n.noise(1.2, 8, 0.7), (0.3, (0.06, 0.13, 0.12)), (0.6, (0.20, 0.36, 0.31))),
        0.6,
        haze=HAZE,
    )
    for a, b in itertools.pairwise(rings):
        for k in range(8):
            s.panel([a[k], a[(k + 1) % 8], b[(k + 1) % 8], b[k]], copper)
    s.beam((0, 0, 40.5), (0, 0, 43.4), 0.16, p.timber)
    s.beam((-0.7, 0, 42.5), (0.7, 0, 42.5), 0.16, p.timber)
    face = glowing("clock", (1.0, 0.82, 0.55), 1.6)
    for angle in (0.0, math.pi / 2, -math.pi / 2):
        s.at(w * math.sin(angle), -w * math.cos(angle), 0, angle)
        for x in (-1.0, 1.0):
            arch(s, p, x, 18.6, 0.62, 3.0, p.dark)
        arch(s, p, 0.0, 11.0, 0.5, 2.2, p.lit[2])
        arch(s, p, 0.0, 4.0, 0.5, 2.4, p.lit[0])
        ring = [
            (1.15 * math.cos(a), -0.1, 15.3 + 1.15 * math.sin(a))
            for a in np.linspace(0, 2 * math.pi, 24, endpoint=False)
        ]
        s.panel([(1.18 * (x / 1.0), -0.06, 15.3 + (z - 15.3) * 1.18) for x, _, z in ring], p.timber)
        s.panel(ring, face)
        for turned, length in ((0.6, 0.95), (2.4, 0.65)):
            s.beam(
                (0, -0.14, 15.3), (length * math.cos(turned), -0.14, 15.3 + length * math.sin(turned)), 0.12, p.timber
            )
    for side in (-1, 1):
        s.at(side * 5, 14.5, 0, side * math.pi / 2)
        for x in np.arange(-8.5, 9, 4.25):
            arch(s, p, float(x), 2.6, 0.75, 3.6, p.lit[0])
    thing = s.done("church")
    thing.location, thing.rotation_euler = at, (0, 0, turn)


def build(rng: np.random.Generator) -> None:
    """Put the scene together."""
    camera((0, 0, 4.0), (0.5, 62, 10.2), lens=32)
    sky(dusk, 0.95)
    light("SUN", (-80, -45, 17), power=3.0, color=(1.0, 0.52, 0.25), size=2.0)
    p = Palette(HAZE)

    # Land, near and far.
    grass = material(
        "grass",
        lambda n: n.ramp(
            n.noise(0.12, 9, 0.7, at=n.world()),
            (0.35, (0.035, 0.06, 0.02)),
            (0.6, (0.10, 0.12, 0.04)),
            (0.75, (0.18, 0.15, 0.07)),
        ),
        0.95,
        haze=HAZE,
    )
    v = 30 * (700 / 30) ** np.linspace(0, 1, 220)[:, None]
    u = np.linspace(-1, 1, 260)[None]
    x, y = u * (40 + v * 0.85), v + 0 * u
    grid("land", x, y, land(x, y), grass)
    v = np.linspace(900, 5200, 330)[:, None]
    u = np.linspace(-1, 1, 520)[None]
    x, y = u * v * 0.8, v + 0 * u
    shape = np.clip((v - 900) / 2300, 0, 1) ** 1.2 * (1 + 0.35 * np.sin(x / 700 + 0.7) - 0.3 * np.clip(x / 2200, -1, 1))
    crest = noise(x / 1500 + 3, y / 1500, 21, 9, 0.5, ridged=True)
    peaks = shape * (1150 * crest + 220 * noise(x / 900, y / 900, 8, 6)) + 40 * noise(x / 150, y / 150, 9, 5)

    peaks = erode(peaks / 12, 2, drops=100_000) * 12

    def rock(n: Nodes) -> object:
        at = n.add("ShaderNodeNewGeometry", out="Position")
        steep = n.split(n.add("ShaderNodeNewGeometry", out="Normal"), "Z")
        height = n.math("MULTIPLY_ADD", n.noise(0.004, 9, 0.7, at=at), 420.0, n.split(at, "Z"))
        trees = n.ramp(n.noise(0.05, 6, 0.7, at=at), (0.35, (0.012, 0.03, 0.02)), (0.7, (0.05, 0.075, 0.035)))
        bare = n.ramp(n.noise(0.012, 10, 0.75, at=at), (0.3, (0.10, 0.09, 0.09)), (0.7, (0.34, 0.30, 0.28)))
        below = n.mix(n.ramp(n.math("DIVIDE", height, 1200.0), (0.50, 0.0), (0.60, 1.0)), trees, bare)
        snow = n.math(
            "MULTIPLY",
            n.ramp(n.math("DIVIDE", height, 1200.0), (0.56, 0.0), (0.72, 1.0)),
            n.ramp(steep, (0.40, 0.0), (0.62, 1.0)),
        )
        return n.mix(snow, below, (0.85, 0.85, 0.88))

    grid(
        "peaks",
        x,
        y,
        peaks - 60,
        material("rock", rock, 0.95, bump=lambda n: n.noise(0.03, 9, 0.7), depth=12.0, haze=HAZE),
    )

    # Water, calm enough for a mirror, with enough wind to draw the lights out.
    ripple = material(
        "water",
        (0.012, 0.03, 0.036),
        0.035,
        bump=lambda n: n.math(
            "MULTIPLY_ADD", n.noise(0.22, 3, at=n.world((1, 2.4, 1))), 3.0, n.noise(1.6, 4, at=n.world((1, 2.2, 1)))
        ),
        depth=0.016,
        IOR=1.33,
    )
    water = Shape()
    water.panel([(-400, -60, 0), (400, -60, 0), (400, 260, 0), (-400, 260, 0)], ripple)
    water.done("water")

    # Houses in rows up the slope: the first along the quay, the others filling gaps.
    def ground(x: float, y: float) -> float:
        return float(land(np.array(x), np.array(y)))

    place = -33.0
    while place < 34:
        wide = rng.uniform(5.6, 8.6)
        flip = rng.random() < 0.3
        front = wide if not flip else wide * 1.25
        y = 71 + rng.uniform(-0.8, 1.6) + 0.004 * place**2
        house(
            p,
            rng,
            (place + front / 2, y + 4, 1.5),
            (math.pi / 2 if flip else 0) + rng.normal(0, 0.05),
            wide,
            wide * 1.25,
            int(rng.integers(2, 4)),
            0.5,
        )
        place += front + rng.choice([0.5, 1.2, 3.6])
    for row, (y, count) in enumerate(((88, 9), (102, 10), (117, 11), (134, 10))):
        for k in range(count):
            x = (k + 0.5 + 0.35 * row) * 2 * (36 + 9 * row) / count - 36 - 9 * row + rng.normal(0, 1.5)
            if abs(x - 9) < 8 and y < 110:
                continue
            yy = y + rng.uniform(-4, 4)
            wide = rng.uniform(6.0, 8.5)
            house(
                p,
                rng,
                (x, yy, ground(x, yy) + 0.3),
                rng.choice([0, math.pi / 2]) + rng.normal(0, 0.15),
                wide,
                wide * 1.2,
                int(rng.integers(2, 4)),
                0.38,
            )
    church(p, rng, (9, 95, ground(9, 95)), 0.12)
    for x in (3.5, 14.5):
        light("SPOT", (x, 84, 8.0), (9, 95, 20), power=6500.0, color=(1.0, 0.70, 0.38), size=0.5, spot_size=1.3)

    # The quay, its lamps and boats.
    s = Shape()
    s.box((-39, 64.6, -2), (46, 70, 1.5), p.stone)
    s.box((-39, 64.45, 1.5), (46, 65.1, 1.72), p.trim)
    for x in np.arange(-30, 44, 11.0):
        s.box((x - 0.9, 62.6, -1), (x + 0.9, 64.6, 0.45), p.stone)
    s.done("quay")
    lamps(p, [(x, 65.6, 1.6) for x in (-31, -20, -8.5, 3.5, 15, 27, 38)])
    paints = [
        material("hull", c, 0.45)
        for c in ((0.55, 0.10, 0.06), (0.10, 0.24, 0.34), (0.65, 0.60, 0.50), (0.12, 0.28, 0.16))
    ]
    wood = material(
        "plank",
        mottled((0.07, 0.045, 0.03), (0.26, 0.19, 0.13), 1.5, 8, 0.7, stretch=(1, 9, 9)),
        0.75,
    )
    for k, x in enumerate((-26, -22.5, -13, -1.5, 1.6, 9, 21, 24, 33)):
        rowboat(
            paints[k % 4],
            wood,
            (x, 61.6 + rng.uniform(-1, 0.8), 0.0),
            rng.normal(0.0, 0.4) + rng.choice([0, 1.57]),
            4.2,
        )
    jetty(wood)
    rowboat(paints[0], wood, (2.4, 18.6, 0.0), 1.9, 4.4)
    rowboat(paints[1], wood, (-8.5, 27.5, 0.0), 0.5, 4.4)

    # Trees: two broadleaves and two spruces, copied by the thousand.
    def leaf(name: str, a: tuple[float, float, float], b: tuple[float, float, float]) -> object:
        return material(name, lambda n: n.mix(n.random(), a, b), 0.8, haze=HAZE, Subsurface_Weight=0.0)

    bark = material("bark", (0.05, 0.035, 0.025), 0.9, haze=HAZE)
    green, gold, needle = (
        leaf("green", (0.09, 0.15, 0.03), (0.22, 0.22, 0.05)),
        leaf("gold", (0.45, 0.20, 0.035), (0.22, 0.19, 0.04)),
        leaf("needle", (0.03, 0.075, 0.035), (0.09, 0.13, 0.05)),
    )
    trees = [
        broadleaf(rng, green, bark),
        broadleaf(rng, gold, bark),
        conifer(rng, needle, bark),
        conifer(rng, needle, bark),
    ]
    n = 9000
    y = 150 * (680 / 150) ** rng.random(n)
    x = rng.uniform(-1, 1, n) * (35 + y * 0.72)
    clump = noise(x / 90, y / 90, 31, 3)
    keep = (clump > -0.12) | (y > 520)
    x, y, clump = x[keep], y[keep], clump[keep]
    kind = np.where(noise(x / 130, y / 130, 77, 2) + rng.normal(0, 0.25, len(x)) > -0.05, 2, 0) + (
        rng.random(len(x)) < 0.4
    )
    tall = np.where(kind >= 2, rng.uniform(9, 17, len(x)), rng.uniform(7, 12, len(x)))
    near_x = np.concatenate([rng.uniform(-52, 52, 90), rng.uniform(-75, -44, 60), rng.uniform(47, 75, 45)])
    near_y = np.concatenate(
        [
            rng.choice([81, 95, 109.5, 125, 143], 90) + rng.normal(0, 1.5, 90),
            rng.uniform(52, 100, 60),
            rng.uniform(68, 100, 45),
        ]
    )
    near_x, near_y = np.append(near_x, [-25.5, -14.5, -3.0, 9.5, 21, 32.5]), np.append(near_y, np.full(6, 67.2))
    near_kind = rng.choice([0, 0, 1, 2, 3], len(near_x))
    near_tall = np.where(near_kind >= 2, rng.uniform(8, 15, len(near_x)), rng.uniform(5, 9, len(near_x)))
    ok = (land(near_x, near_y) > 0.8) & (np.hypot(near_x - 9, near_y - 92) > 9)
    x, y = np.concatenate([x, near_x[ok]]), np.concatenate([y, near_y[ok]])
    kind, tall = np.concatenate([kind, near_kind[ok]]), np.concatenate([tall, near_tall[ok]])
    z = np.where((np.abs(y - 67) < 3) & (np.abs(x) < 38), 1.5, land(x, y))
    for k, tree in enumerate(trees):
        one = kind == k
        scatter(tree, np.stack([x, y, z], -1)[one], tall[one], rng.uniform(0, 6.28, one.sum()))


def jetty(wood: object) -> None:
    """A plank walk on posts, leading from the lower right toward the village."""
    s = Shape()
    s.at(6.6, 8.6, 0, 0.2)
    for k in range(34):
        s.box((-0.9, k * 0.3, 0.72), (0.9, k * 0.3 + 0.27, 0.79), wood)
    for x in (-0.85, 0.85):
        s.box((x - 0.08, 0, 0.55), (x + 0.08, 10.2, 0.72), wood)
        for y in np.arange(0.4, 10.5, 2.4):
            s.tube([(x, y, -2), (x, y, 1.35)], [0.12, 0.11], wood, sides=10)
    s.done("jetty", bevel=0.01)
