"""A harbor on a bright morning: sailing boats and fishing boats before a row of tall painted houses."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import bpy
import numpy as np

from scenes.buildings import Palette, house, person
from scenes.kit import (
    Color,
    Haze,
    Nodes,
    Shape,
    broadleaf,
    camera,
    grid,
    light,
    material,
    mottled,
    noise,
    rowboat,
    scatter,
    sky,
)

ASPECT, SEED, SAMPLES = (3, 2), 11, 48
RENDER = {"exposure": 0.6, "look": "AgX - Punchy"}
DEVELOP = {"contrast": 0.35, "color": 1.2, "bloom": 0.12}
HAZE = Haze((0.62, 0.74, 0.88), 1500.0)
FRONTS = [(0.78, 0.22, 0.12), (0.85, 0.55, 0.12), (0.80, 0.72, 0.52), (0.22, 0.40, 0.52), (0.76, 0.38, 0.32)]
FRONTS += [(0.86, 0.82, 0.74), (0.32, 0.48, 0.36), (0.84, 0.68, 0.28), (0.55, 0.18, 0.14)]
HULLS = [
    (0.80, 0.80, 0.78),
    (0.03, 0.09, 0.26),
    (0.52, 0.05, 0.04),
    (0.03, 0.20, 0.17),
    (0.82, 0.74, 0.55),
    (0.10, 0.32, 0.50),
]
QUAY, EDGE = 1.5, 13.0


def noon(n: Nodes) -> object:
    """Blue with heaps of cloud."""
    way = n.coords(kind="Generated")
    up = n.split(way, "Z")
    clear = n.ramp(up, (0.0, (0.62, 0.76, 0.92)), (0.15, (0.36, 0.58, 0.90)), (0.5, (0.12, 0.30, 0.72)))
    flat = n.math("DIVIDE", 1.0, n.math("ADD", n.math("MAXIMUM", up, 0.0), 0.22))
    plane = n.add("ShaderNodeVectorMath", operation="SCALE", Vector=way, Scale=flat)
    heap = n.noise(1.5, 10, 0.55, at=n.scaled(plane, (1, 1.1, 0.6)), warp=0.25)
    cover = n.ramp(heap, (0.50, 0.0), (0.60, 1.0), mode="EASE")
    shade = n.ramp(heap, (0.52, (1.25, 1.22, 1.18)), (0.75, (0.72, 0.76, 0.84)))
    return n.mix(cover, clear, shade)


def paint(color: Color, keel: Color = (0.30, 0.05, 0.04)) -> bpy.types.Material:
    """A boat's paint: red below the waterline, a white boot top, worn patches."""

    def coat(n: Nodes) -> object:
        up = n.split(n.world(), "Z")
        worn = n.mix(
            n.ramp(n.noise(1.2, 8, 0.7), (0.55, 0.0), (0.8, 0.55)), color, tuple(0.55 * c + 0.05 for c in color)
        )
        line = n.ramp(up, (0.10, 0.0), (0.11, 1.0), (0.22, 1.0), (0.23, 0.0))
        return n.mix(n.ramp(up, (0.10, 1.0), (0.11, 0.0)), n.mix(line, worn, (0.85, 0.84, 0.80)), keel)

    return material("paint", coat, 0.3, haze=HAZE, Coat_Weight=0.4)


class Gear:
    """The materials of the boats and the quay."""

    def __init__(self) -> None:
        self.hulls = [paint(c) for c in HULLS]
        planks = mottled((0.16, 0.09, 0.05), (0.42, 0.28, 0.17), 2.0, 8, 0.7, stretch=(1, 8, 8))
        self.wood = material("wood", planks, 0.6, haze=HAZE)
        self.mast = material("mast", (0.62, 0.40, 0.20), 0.35, haze=HAZE)
        self.wire = material("wire", (0.16, 0.16, 0.17), 0.5, haze=HAZE)
        self.white = material("white", (0.82, 0.81, 0.78), 0.5, haze=HAZE)
        self.sail = material(
            "sail",
            mottled((0.58, 0.52, 0.42), (0.80, 0.76, 0.66), 5, 6),
            0.9,
            haze=HAZE,
        )
        self.cover = [
            material("cover", c, 0.85, haze=HAZE) for c in ((0.05, 0.12, 0.35), (0.45, 0.06, 0.05), (0.06, 0.22, 0.16))
        ]
        self.glass = material("glass", (0.02, 0.03, 0.04), 0.05)
        self.rubber = material("rubber", (0.02, 0.02, 0.02), 0.8)
        self.float = material("float", (0.85, 0.25, 0.06), 0.5, haze=HAZE)


def sailboat(g: Gear, rng: np.random.Generator, at: tuple[float, float], turn: float, length: float) -> None:
    """A sloop or ketch with furled sails, stays and a small cabin."""
    hull = rowboat(g.hulls[rng.integers(len(g.hulls))], g.wood, (*at, 0.0), turn, length)
    s, k = Shape(), length / 10
    s.add(deck(length), [range(26)], g.wood)
    s.box((-2.4 * k, -0.85 * k, 0.8 * k), (1.5 * k, 0.85 * k, 1.42 * k), g.white)
    s.box((-2.5 * k, -0.92 * k, 1.42 * k), (1.6 * k, 0.92 * k, 1.5 * k), g.wood)
    for x in (-1.9, -0.9, 0.1, 1.0):
        for side in (-1, 1):
            s.box(
                (x * k - 0.25, side * 0.86 * k - 0.01, 1.0 * k),
                (x * k + 0.25, side * 0.86 * k + 0.01, 1.3 * k),
                g.glass,
            )
    masts = [(1.7 * k, 1.28 * length)] + ([(-3.4 * k, 0.86 * length)] if rng.random() < 0.5 else [])
    for x, top in masts:
        s.tube([(x, 0, 0.6 * k), (x, 0, top)], [0.115 * k, 0.06 * k], g.mast, sides=10)
        s.tube([(x, 0, 0.62 * top), (x, 0, 0.622 * top)], [0.02, 0.02], g.wire, sides=4)
        s.beam((x, -0.75 * k, 0.66 * top), (x, 0.75 * k, 0.66 * top), 0.07, g.mast)
        for side in (-1, 1):
            for back in (-0.5, 0.25):
                s.tube(
                    [(x + back * k, side * 1.55 * k, 1.0 * k), (x, side * 0.75 * k, 0.66 * top), (x, 0, 0.97 * top)],
                    [0.016] * 3,
                    g.wire,
                    sides=4,
                )
        boom = 0.36 * length if x > 0 else 0.2 * length
        s.tube([(x, 0, 2.1 * k), (x - boom, 0, 2.25 * k)], [0.07 * k, 0.06 * k], g.mast, sides=8)
        # The furled sail lies on the boom in uneven rolls.
        along = np.linspace(0.02, 0.98, 30)
        roll = (0.20 - 0.10 * along + 0.03 * np.sin(along * 40 + rng.uniform(0, 6)) + 0.02 * rng.normal(size=30)) * k
        used = g.sail if rng.random() < 0.5 else g.cover[rng.integers(3)]
        s.tube(
            [(x - boom * a, 0.02 * math.sin(30 * a), 2.1 * k + 0.15 * k * a + 0.16 * k) for a in along],
            roll.tolist(),
            used,
            sides=10,
        )
    head = masts[0][1]
    for a, b in (
        ((4.9 * k, 0, 1.5 * k), (1.7 * k, 0, 0.97 * head)),
        ((-4.8 * k, 0, 1.1 * k), (1.7 * k, 0, 0.99 * head)),
    ):
        s.tube([a, b], [0.018, 0.018], g.wire, sides=4)
    furl = np.linspace(0.03, 0.86, 24)[:, None]
    line = np.array([4.8 * k, 0, 1.6 * k]) * (1 - furl) + np.array([1.75 * k, 0, 0.97 * head]) * furl
    s.tube(line.tolist(), (0.11 * k * (1 - 0.6 * furl[:, 0])).tolist(), g.sail, sides=8)
    rails(s, g, length)
    if rng.random() < 0.8:
        x, z = -4.7 * k, 1.2 * k
        s.tube([(x, 0, z), (x - 0.5, 0, z + 1.6)], [0.025, 0.02], g.mast, sides=6)
        flag = [(x - 0.48 - 0.9 * t, 0.12 * math.sin(7 * t), z + 1.5 - 0.35 * t) for t in np.linspace(0, 1, 8)]
        for a, b in itertools.pairwise(flag):
            s.panel([a, b, (b[0], b[1], b[2] - 0.6), (a[0], a[1], a[2] - 0.6)], g.cover[rng.integers(2)])
    s.done("rig").parent = hull


def fisher(g: Gear, rng: np.random.Generator, at: tuple[float, float], turn: float, length: float) -> None:
    """A fishing boat with a wheelhouse, a short mast, nets and floats."""
    hull = rowboat(g.hulls[rng.integers(1, len(g.hulls))], g.wood, (*at, 0.0), turn, length)
    s, k = Shape(), length / 9
    s.add(deck(length), [range(26)], g.wood)
    s.box((-2.6 * k, -0.8 * k, 0.6 * k), (-0.7 * k, 0.8 * k, 2.5 * k), g.white)
    s.box((-2.8 * k, -0.95 * k, 2.5 * k), (-0.4 * k, 0.95 * k, 2.62 * k), g.cover[rng.integers(3)])
    for y in (-0.5, 0.0, 0.5):
        s.box((-0.71 * k, (y - 0.2) * k, 1.7 * k), (-0.68 * k, (y + 0.2) * k, 2.3 * k), g.glass)
    for side in (-1, 1):
        for x in (-2.2, -1.4):
            s.box(
                ((x - 0.3) * k, side * 0.8 * k - 0.02, 1.7 * k),
                ((x + 0.3) * k, side * 0.8 * k + 0.02, 2.3 * k),
                g.glass,
            )
    s.tube([(0.9 * k, 0, 0.6 * k), (0.9 * k, 0, 5.6 * k)], [0.10 * k, 0.06 * k], g.mast, sides=8)
    s.tube([(0.9 * k, 0, 2.2 * k), (3.0 * k, 0, 4.4 * k)], [0.06, 0.05], g.mast, sides=6)
    for a in (
        (4.3 * k, 0, 1.4 * k),
        (-2.4 * k, 0.7 * k, 2.6 * k),
        (-2.4 * k, -0.7 * k, 2.6 * k),
        (3.0 * k, 0, 4.4 * k),
    ):
        s.tube([a, (0.9 * k, 0, 5.5 * k)], [0.016, 0.016], g.wire, sides=4)
    for _ in range(14):
        x, y, r = rng.uniform(-4, -2.9) * k, rng.uniform(-0.6, 0.6) * k, rng.uniform(0.12, 0.22)
        s.tube(
            [(x, y, 0.65 * k), (x + 0.05, y, 0.65 * k + 2 * r)],
            [r, r * 0.6],
            g.float if rng.random() < 0.5 else g.cover[2],
            sides=8,
        )
    rails(s, g, length)
    s.done("gear").parent = hull


def deck(length: float) -> list[tuple[float, float, float]]:
    """The outline of the deck, a little below the rim."""
    t = np.linspace(-1, 0.97, 13)
    half = 0.163 * length * np.clip(1 - np.abs((t + 0.15) / 1.15) ** 2.6, 0.015, 1) ** 0.8
    right = [(float(a * length / 2), float(-b), 0.072 * length) for a, b in zip(t, half, strict=True)]
    return right + [(x, -y, z) for x, y, z in right[::-1]]


def rails(s: Shape, g: Gear, length: float) -> None:
    """Stanchions with a wire, and fenders along the sides."""
    for side in (-1, 1):
        path = [(x, side * abs(y) * 0.96, z + 0.55) for x, y, z in deck(length)[1:12]]
        s.tube(path, [0.014] * len(path), g.wire, sides=4)
        for x, y, z in path[::2]:
            s.tube([(x, y, z - 0.6), (x, y, z)], [0.018, 0.018], g.wire, sides=4)
        for x, y, z in path[3:9:2]:
            s.tube([(x, y * 1.10, z - 1.15), (x, y * 1.10, z - 0.65)], [0.11, 0.11], g.white, sides=8)


def cobbles(n: Nodes) -> object:
    """Paving in rows."""
    return n.add(
        "ShaderNodeTexBrick",
        Vector=n.world(),
        Color1=(0.36, 0.33, 0.29),
        Color2=(0.22, 0.20, 0.18),
        Mortar=(0.11, 0.10, 0.09),
        Scale=1.0,
        Mortar_Size=0.02,
        Brick_Width=0.5,
        Row_Height=0.28,
    )


def quay(g: Gear, p: Palette, rng: np.random.Generator) -> None:
    """The quay: a stone wall with ladders and tires, bollards, lamps, awnings, tables, crates and people."""
    s = Shape()
    s.box((EDGE, -20, -3), (90, 160, QUAY), material("cobbles", cobbles, 0.85, haze=HAZE))
    s.box((-120, 112, -3), (EDGE + 1, 160, QUAY), p.stone)
    s.box((EDGE - 0.12, -20, -3), (EDGE + 0.5, 112, QUAY + 0.12), p.stone)
    for y in np.arange(4, 110, 5.0):
        s.tube(
            [(EDGE + 0.55, y, QUAY), (EDGE + 0.55, y, QUAY + 0.55), (EDGE + 0.55, y, QUAY + 0.75)],
            [0.16, 0.13, 0.22],
            g.wire,
            sides=10,
        )
        s.tube([(EDGE - 0.3, y + 2, 0.75), (EDGE - 0.13, y + 2, 0.75)], [0.4, 0.4], g.rubber, sides=14)
        for step in np.arange(0.0, 1.5, 0.3):
            s.box((EDGE - 0.22, y + 3.2, step), (EDGE - 0.17, y + 3.7, step + 0.05), g.wire)
    for y in np.arange(12, 112, 15.0):
        s.tube([(EDGE + 1.6, y, QUAY), (EDGE + 1.6, y, QUAY + 4.0)], [0.09, 0.05], g.wire, sides=8)
        s.tube([(EDGE + 1.6, y, QUAY + z) for z in (4.0, 4.1, 4.45, 4.6)], [0.06, 0.2, 0.24, 0.05], g.white, sides=8)
    for y in np.arange(6, 108, 2.6):
        if rng.random() < 0.62:
            parasol(s, g, rng, EDGE + rng.uniform(3.4, 4.6), y)
    for _ in range(60):
        x, y, a = EDGE + rng.uniform(0.9, 2.6), rng.uniform(5, 108), rng.uniform(0.25, 0.45)
        s.at(x, y, QUAY, rng.uniform(0, 3)).box(
            (-a, -a, 0),
            (a, a, a * 1.3),
            (g.wood, g.cover[rng.integers(3)], g.float)[rng.choice(3, p=[0.6, 0.25, 0.15])],
        )
        s.at(0, 0)
    for _ in range(46):
        coat, legs = (
            [*g.cover, g.sail, g.rubber, g.float][rng.integers(6)],
            [g.rubber, g.cover[0], g.wood][rng.integers(3)],
        )
        person(s, rng, (EDGE + rng.uniform(0.9, 5.5), rng.uniform(9, 108), QUAY), coat, legs, g.mast)
    s.done("quay")


def parasol(s: Shape, g: Gear, rng: np.random.Generator, x: float, y: float) -> None:
    """A café's parasol with a table and chairs."""
    cloth = [g.white, g.sail, g.cover[1]][rng.integers(3)]
    s.tube([(x, y, QUAY), (x, y, QUAY + 2.6)], [0.03, 0.03], g.mast, sides=6)
    s.tube([(x, y, QUAY + 2.15), (x, y, QUAY + 2.2), (x, y, QUAY + 2.75)], [1.35, 1.35, 0.05], cloth, sides=8)
    s.tube([(x, y, QUAY + 0.7), (x, y, QUAY + 0.76)], [0.5, 0.5], g.wood, sides=10)
    for side in (-1, 1):
        s.box((x - 0.2, y + side * 0.8 - 0.2, QUAY + 0.42), (x + 0.2, y + side * 0.8 + 0.2, QUAY + 0.47), g.wood)
        s.box((x - 0.2, y + side * 0.98 - 0.02, QUAY), (x + 0.2, y + side * 0.98 + 0.02, QUAY + 0.9), g.wood)


def lighthouse(p: Palette, g: Gear, at: Sequence[float]) -> None:
    """A white tower with two red bands at the harbor's mouth."""
    s = Shape()
    s.at(at[0], at[1])
    red = g.cover[1]
    for a, b, used in ((0, 5, g.white), (5, 8, red), (8, 12, g.white), (12, 15, red), (15, 17, g.white)):
        s.tube([(0, 0, a), (0, 0, b)], [2.3 - a * 0.055, 2.3 - b * 0.055], used, sides=24)
    s.tube([(0, 0, 17), (0, 0, 17.4)], [2.0, 2.0], p.stone, sides=24)
    s.tube([(0, 0, 17.4), (0, 0, 19.6)], [1.0, 1.0], g.glass, sides=12)
    s.tube([(0, 0, 19.6), (0, 0, 20), (0, 0, 21.4)], [1.3, 1.2, 0.08], red, sides=16)
    s.tube([(0, 0, -2), (0, 0, 1.2)], [7, 5.5], p.stone, sides=14)
    s.done("lighthouse")


def build(rng: np.random.Generator) -> None:
    """Put the scene together."""
    camera((0.4, 0, 4.3), (4.6, 40, 6.9), lens=29)
    sky(noon, 0.75)
    light("SUN", (-70, -32, 62), power=7.0, color=(1.0, 0.90, 0.76), size=0.6)
    p, g = Palette(HAZE, FRONTS), Gear()

    def waves(n):
        return n.math(
            "MULTIPLY_ADD",
            n.noise(0.35, 3, at=n.world((1.3, 1, 1))),
            2.5,
            n.noise(1.8, 4, 0.6, at=n.world((1.2, 1, 1)), warp=0.5),
        )

    sea = Shape()
    sea.panel(
        [(-900, -40, 0), (EDGE + 1, -40, 0), (EDGE + 1, 2500, 0), (-900, 2500, 0)],
        material("sea", (0.008, 0.045, 0.055), 0.04, bump=waves, depth=0.05, IOR=1.33),
    )
    sea.done("sea")
    quay(g, p, rng)

    y = 3.0
    while y < 118:
        wide = rng.uniform(5.6, 8.4)
        flip = rng.random() < 0.4
        front = wide * 1.15 if flip else wide
        house(
            p,
            rng,
            (EDGE + 6.5 + wide * 0.58, y + front / 2, QUAY),
            (math.pi if flip else -math.pi / 2),
            wide,
            wide * 1.15,
            int(rng.choice([3, 4, 4, 5])),
            0.03,
        )
        y += front + (0.05 if rng.random() < 0.85 else 2.2)
    x = EDGE + 4
    while x > -75:
        wide = rng.uniform(6, 9)
        house(p, rng, (x - wide / 2, 122 + wide / 2, QUAY), 0.0, wide, wide * 1.2, int(rng.choice([2, 3, 3, 4])), 0.03)
        x -= wide + rng.choice([0.1, 0.1, 3.0])

    sailboat(g, rng, (EDGE - 2.6, 20.5), math.pi / 2 + 0.02, 10.0)
    fisher(g, rng, (EDGE - 2.3, 32.0), -math.pi / 2, 9.0)
    for k, place in enumerate((43, 54, 65, 77, 90, 102)):
        (sailboat if k % 3 != 1 else fisher)(
            g, rng, (EDGE - 2.5 + rng.normal(0, 0.2), place), math.pi / 2 * rng.choice([-1, 1]), rng.uniform(8.5, 11.5)
        )
    for place in (33, 46, 59, 73, 88):
        sailboat(
            g,
            rng,
            (EDGE - 6.3 + rng.normal(0, 0.4), place + rng.normal(0, 1)),
            math.pi / 2 * rng.choice([-1, 1]) + rng.normal(0, 0.04),
            rng.uniform(8, 10.5),
        )
    for x, y, turn in (
        (-13.0, 30, 2.75),
        (-21.5, 47, 0.35),
        (-25, 60, 0.5),
        (-7, 60, 1.9),
        (-14, 74, 2.2),
        (-31, 84, 2.9),
        (-17, 95, 0.2),
        (-44, 104, 0.1),
    ):
        (fisher if x in (-25, -17) else sailboat)(g, rng, (x, y), turn, rng.uniform(8, 11))
    rowboat(g.hulls[5], g.wood, (-3.4, 14.4, 0.0), 2.45, 4.3)
    rowboat(g.hulls[2], g.wood, (1.2, 22.0, 0.0), 1.1, 4.0)
    lighthouse(p, g, (-62, 128))

    # A wooded hill across the bay.
    v, u = np.linspace(150, 900, 90)[:, None], np.linspace(-1, 1, 140)[None]
    x, y = u * v * 0.85, v + 0 * u

    def hill(x, y):
        return np.clip((y - 150) / 350, 0, 1) * (26 + 34 * noise(x / 260, y / 300, 4, 5) + 0.06 * np.abs(x - 60)) + 1

    grid("hill", x, y, hill(x, y), material("hill", (0.10, 0.13, 0.04), 0.95, haze=HAZE))
    leaf = material("leaf", lambda n: n.mix(n.random(), (0.05, 0.11, 0.02), (0.15, 0.20, 0.05)), 0.8, haze=HAZE)
    tree = broadleaf(rng, leaf, material("bark", (0.08, 0.06, 0.04), 0.9, haze=HAZE))
    y = 152 + 500 * rng.random(3200) ** 1.5
    x = rng.uniform(-1, 1, 3200) * y * 0.8
    scatter(tree, np.stack([x, y, hill(x, y)], -1), rng.uniform(7, 13, 3200), rng.uniform(0, 6.28, 3200))
