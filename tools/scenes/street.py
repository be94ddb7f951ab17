"""A street on a rainy evening: wet cobbles mirror lamps, shop windows and strings of lights; people under umbrellas."""

from __future__ import annotations

import math

import numpy as np

from scenes.buildings import Palette, house, lamps, person
from scenes.kit import Haze, Nodes, Shape, camera, glowing, light, material, sky

ASPECT, SEED, SAMPLES = (4, 5), 21, 56
RENDER = {"exposure": 0.9, "look": "AgX - Medium High Contrast"}
DEVELOP = {"contrast": 0.35, "color": 1.12, "bloom": 0.3}
HAZE = Haze((0.10, 0.135, 0.22), 150.0)
HALF = 5.0


def evening(n: Nodes) -> object:
    """The last blue light between rain clouds."""
    way = n.coords(kind="Generated")
    up = n.split(way, "Z")
    clear = n.ramp(up, (0.0, (0.50, 0.36, 0.34)), (0.15, (0.28, 0.31, 0.45)), (0.5, (0.08, 0.14, 0.30)))
    cloud = n.noise(2.2, 9, 0.6, at=n.scaled(way, (1.0, 1.0, 2.2)), warp=0.5)
    return n.mix(n.ramp(cloud, (0.45, 0.0), (0.62, 0.85)), clear, (0.10, 0.12, 0.19))


def bend(y: float) -> float:
    """How far the street has turned to the right at `y`."""
    return 0.0016 * max(y - 8, 0) ** 2


def cobbles(n: Nodes, out: str = "Color") -> object:
    """Setts in rows across the street."""
    return n.add(
        "ShaderNodeTexBrick",
        out=out,
        Vector=n.world(),
        Color1=(0.13, 0.12, 0.115),
        Color2=(0.07, 0.066, 0.065),
        Mortar=(0.02, 0.019, 0.018),
        Scale=1.0,
        Mortar_Size=0.014,
        Mortar_Smooth=0.6,
        Brick_Width=0.22,
        Row_Height=0.13,
    )


def wet(n: Nodes) -> object:
    """Rain stands in the hollows: smooth there, dull on the crowns."""
    return n.ramp(n.noise(0.55, 6, 0.6, at=n.world()), (0.40, 0.05), (0.62, 0.34))


def shop(s: Shape, p: Palette, rng: np.random.Generator, x: float, y: float, side: int, cloth: object) -> None:
    """A lit shop front under an awning, with a hanging sign; `side` is -1 on the left."""
    s.at(x, y, 0.12, -side * math.pi / 2)
    s.box((-1.7, -0.16, 0), (1.7, -0.02, 2.75), p.timber)
    for a, b in ((-1.5, -0.1), (0.1, 1.5)):
        s.panel([(a, -0.18, 0.75), (b, -0.18, 0.75), (b, -0.18, 2.35), (a, -0.18, 2.35)], p.lit[rng.integers(2)])
        s.box(((a + b) / 2 - 0.03, -0.21, 0.75), ((a + b) / 2 + 0.03, -0.17, 2.35), p.timber)
        for k in range(6):
            tall = rng.uniform(0.15, 0.6)
            spot = a + (k + 0.5) * (b - a) / 6
            s.box(
                (spot - 0.08, -0.23, 0.75),
                (spot + 0.08, -0.19, 0.75 + tall),
                [p.timber, p.dark, cloth][rng.integers(3)],
            )
    s.slab([(-1.8, -1.3, 2.35), (1.8, -1.3, 2.35), (1.8, -0.1, 2.85), (-1.8, -0.1, 2.85)], 0.04, cloth)
    s.box((-1.8, -1.31, 2.12), (1.8, -1.28, 2.37), cloth)
    s.box((2.0, -1.0, 3.1), (2.05, -0.25, 3.75), cloth)
    s.box((1.99, -1.05, 3.8), (2.06, 0, 3.85), p.timber)
    s.at(0, 0)


def umbrella(s: Shape, x: float, y: float, used: object, dark: object) -> None:
    """An open umbrella held over somebody's head."""
    rim = 1.78
    s.tube([(x, y, 1.0), (x, y, 2.2)], [0.012, 0.012], dark, sides=5)
    s.tube(
        [(x, y, rim), (x, y, rim + 0.02), (x, y, rim + 0.22), (x, y, rim + 0.31)],
        [0.56, 0.57, 0.36, 0.02],
        used,
        sides=8,
    )


def lights(s: Shape, rng: np.random.Generator, y: float, bulb: object, wire: object) -> None:
    """A string of bulbs across the street."""
    t = np.linspace(-1, 1, 23)
    path = [(bend(y) + HALF * a, y + 1.5 * a, 6.3 - 1.3 * (1 - a * a) + 0.02 * rng.normal()) for a in t]
    s.tube(path, [0.012] * len(path), wire, sides=4)
    for a, b, c in path[1:-1]:
        s.tube([(a, b, c - 0.02), (a, b, c - 0.08), (a, b, c - 0.17)], [0.03, 0.075, 0.02], bulb, sides=8)


def tower(p: Palette, x: float, y: float) -> None:
    """A town gate with a clock at the end of the street."""
    s = Shape()
    s.at(x, y)
    for a, b in ((-4, -1.7), (1.7, 4)):
        s.box((a, -3, 0), (b, 3, 5), p.plaster[4])
    s.box((-4, -3, 4.6), (4, 3, 19), p.plaster[4])
    for z, out in ((4.6, 0.2), (11, 0.25), (18.6, 0.5)):
        s.box((-4 - out, -3 - out, z), (4 + out, 3 + out, z + 0.4), p.stone)
    for z in (7.0, 12.2):
        for k in (-2, 2):
            s.panel(
                [(k - 0.5, -3.05, z), (k + 0.5, -3.05, z), (k + 0.5, -3.05, z + 1.7), (k - 0.5, -3.05, z + 1.7)],
                p.lit[1],
            )
    ring = [
        (1.4 * math.cos(a), -3.1, 15.8 + 1.4 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 32, endpoint=False)
    ]
    s.panel(ring, glowing("clock", (1.0, 0.80, 0.50), 2.0))
    for turn, long in ((0.9, 1.1), (2.6, 0.75)):
        s.beam((0, -3.15, 15.8), (long * math.cos(turn), -3.15, 15.8 + long * math.sin(turn)), 0.12, p.timber)
    corner = [(-4.6, -3.6, 19), (4.6, -3.6, 19), (4.6, 3.6, 19), (-4.6, 3.6, 19)]
    for k in range(4):
        s.panel([corner[k], corner[(k + 1) % 4], (0, 0, 28)], p.slate)
    s.done("gate")


def build(rng: np.random.Generator) -> None:
    """Put the scene together."""
    camera((-0.6, -1.5, 1.95), (1.2, 30, 5.0), lens=30)
    sky(evening, 0.9)
    p = Palette(HAZE)
    ground = Shape()
    setts = material(
        "setts", cobbles, wet, bump=lambda n: n.math("MULTIPLY", cobbles(n, "Factor"), -1.0), depth=0.012, haze=HAZE
    )
    ground.panel([(-40, -20, 0), (40, -20, 0), (40, 120, 0), (-40, 120, 0)], setts)
    ground.done("ground")

    curbs, shops = Shape(), Shape()
    cloths = [
        material("awning", c, 0.8, haze=HAZE)
        for c in ((0.40, 0.04, 0.04), (0.04, 0.20, 0.13), (0.06, 0.10, 0.28), (0.50, 0.32, 0.08))
    ]
    for side in (-1, 1):
        y = -6.0
        while y < 82:
            wide = rng.uniform(5.6, 8.0)
            flip = rng.random() < 0.35
            deep = wide * 1.15
            front, back = (deep, wide) if flip else (wide, deep)
            x = bend(y + front / 2) + side * HALF
            house(
                p,
                rng,
                (x + side * back / 2, y + front / 2, 0.1),
                math.pi if flip else -side * math.pi / 2,
                wide,
                deep,
                int(rng.choice([3, 3, 4])),
                0.5,
            )
            if rng.random() < 0.75:
                shop(shops, p, rng, x, y + front / 2, side, cloths[rng.integers(4)])
            y += front
        for k in np.arange(-6, 82, 2.0):
            a, b = bend(k) + side * (HALF - 1.3), bend(k) + side * (HALF + 1)
            curbs.box((min(a, b), k, 0), (max(a, b), k + 2, 0.12), p.stone)
    curbs.done("curbs")
    shops.done("shops")
    tower(p, bend(84) + 1.0, 86)
    lamps(
        p,
        [
            (bend(y) + side * (HALF - 1.1), y, 0.1)
            for side in (-1, 1)
            for y in (7.5 + 4 * side, 22 + 4 * side, 38 + 4 * side, 56 + 4 * side)
        ],
        power=230.0,
    )

    s = Shape()
    bulb = glowing("bulb", (1.0, 0.62, 0.26), 14.0)
    bulb.cycles.emission_sampling = "NONE"
    for y in (13, 21, 31, 44):
        lights(s, rng, y, bulb, p.timber)
        light("AREA", (bend(y), y, 5.0), (bend(y), y, 0), power=70.0, color=(1.0, 0.66, 0.32), size=3.0)
    coats = [
        material("coat", c, 0.8, haze=HAZE)
        for c in ((0.03, 0.03, 0.04), (0.10, 0.06, 0.04), (0.05, 0.07, 0.13), (0.30, 0.24, 0.15), (0.25, 0.03, 0.04))
    ]
    domes = [
        material("umbrella", c, 0.35, haze=HAZE)
        for c in ((0.50, 0.03, 0.03), (0.02, 0.02, 0.03), (0.03, 0.14, 0.24), (0.60, 0.42, 0.06), (0.04, 0.18, 0.12))
    ]
    face = material("face", (0.55, 0.34, 0.25), 0.6, haze=HAZE)
    walkers = [
        (1.1, 10.4),
        (1.8, 10.8),
        (-1.9, 11.5),
        (2.2, 14.0),
        (-0.6, 17.5),
        (-2.9, 20.0),
        (1.6, 24.0),
        (2.3, 24.3),
        (-1.0, 30.0),
    ]
    walkers += [(bend(y) + rng.uniform(-3.2, 3.2), y) for y in np.linspace(33, 72, 14)]
    for k, (x, y) in enumerate(walkers):
        person(s, rng, (x, y, 0.0), coats[rng.integers(5)], coats[rng.integers(3)], face)
        if k % 5 != 4:
            umbrella(s, x + 0.12, y, domes[(3 * k) % 5], coats[0])
    s.done("people")
