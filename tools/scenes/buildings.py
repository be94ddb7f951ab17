"""Houses for the village and the harbor: walls, tiled roofs, windows lit and dark, half-timbering, street lamps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bpy
import numpy as np

from scenes.kit import Color, Haze, Nodes, Shape, glowing, light, material

PLASTER = [(0.80, 0.70, 0.52), (0.78, 0.52, 0.30), (0.72, 0.42, 0.34), (0.62, 0.66, 0.66), (0.82, 0.78, 0.70)]
PLASTER += [(0.70, 0.60, 0.36), (0.50, 0.58, 0.50), (0.76, 0.60, 0.50)]
SHUTTERS = [(0.10, 0.22, 0.14), (0.28, 0.08, 0.06), (0.10, 0.16, 0.28), (0.25, 0.16, 0.09)]


def plaster(color: Color, haze: Haze) -> bpy.types.Material:
    """Painted lime plaster, weathered in patches and darker toward the ground."""

    def paint(n: Nodes) -> object:
        worn = n.noise(0.55, 8, 0.65)
        low = n.ramp(n.split(n.coords(), "Z"), (0.0, 0.72), (0.25, 1.0))
        return n.mix(
            1.0, n.mix(n.ramp(worn, (0.35, 0.0), (0.7, 0.5)), color, tuple(c * 0.6 for c in color)), low, "MULTIPLY"
        )

    return material("plaster", paint, 0.9, bump=lambda n: n.noise(9, 5), depth=0.02, haze=haze)


def tiles(color: Color, haze: Haze, across: str = "Y") -> bpy.types.Material:
    """Rows of clay tiles, each of its own shade, with moss; `across` is the ridge's axis."""

    def rows(n: Nodes, out: str) -> object:
        at = n.coords()
        flat = n.add("ShaderNodeCombineXYZ", X=n.split(at, across), Y=n.math("MULTIPLY", n.split(at, "Z"), 1.35))
        return n.add(
            "ShaderNodeTexBrick",
            out=out,
            Vector=flat,
            Color1=color,
            Color2=tuple(c * 0.5 for c in color),
            Mortar=tuple(c * 0.18 for c in color),
            Scale=1.0,
            Mortar_Size=0.035,
            Brick_Width=0.34,
            Row_Height=0.36,
        )

    def paint(n: Nodes) -> object:
        moss = n.ramp(n.noise(0.5, 8, 0.7), (0.5, 0.0), (0.75, 0.7))
        return n.mix(moss, rows(n, "Color"), (0.10, 0.085, 0.06))

    return material(
        "tiles", paint, 0.75, bump=lambda n: n.math("SUBTRACT", 1.0, rows(n, "Factor")), depth=0.06, haze=haze
    )


class Palette:
    """The materials of all the houses of a scene."""

    def __init__(self, haze: Haze, colors: Sequence[Color] = PLASTER) -> None:
        self.plaster = [plaster(c, haze) for c in colors]
        self.roofs = [
            tiles(c, haze) for c in ((0.40, 0.13, 0.065), (0.30, 0.11, 0.07), (0.25, 0.13, 0.09), (0.44, 0.18, 0.09))
        ]
        self.slate = tiles((0.10, 0.12, 0.15), haze)
        self.shutters = [material("shutter", c, 0.6, haze=haze) for c in SHUTTERS]
        self.timber = material("timber", (0.085, 0.045, 0.025), 0.8, haze=haze)
        self.trim = material("trim", (0.75, 0.71, 0.63), 0.7, haze=haze)
        self.stone = material("stone", masonry, 0.9, bump=lambda n: n.noise(3, 8, 0.7), depth=0.08, haze=haze)
        self.dark = material("dark pane", (0.02, 0.03, 0.045), 0.06)
        # A lit room is brighter where its lamp is: no two panes glow alike.
        self.lit = [
            glowing("lit pane", lambda n, c=c: n.mix(n.noise(0.9, 2), c, tuple(v * 0.3 for v in c)), power)
            for c, power in (((1.0, 0.34, 0.05), 1.5), ((1.0, 0.43, 0.09), 2.0), ((1.0, 0.28, 0.03), 1.0))
        ]
        self.blooms = material(
            "blooms",
            lambda n: n.ramp(
                n.noise(5, 2), (0.42, (0.05, 0.11, 0.03)), (0.5, (0.6, 0.05, 0.07)), (0.6, (0.8, 0.3, 0.35))
            ),
            0.9,
        )


def masonry(n: Nodes) -> object:
    """Gray-brown stone in blotches."""
    return n.ramp(
        n.noise(1.6, 8, 0.7), (0.3, (0.13, 0.11, 0.10)), (0.55, (0.30, 0.27, 0.23)), (0.75, (0.42, 0.39, 0.34))
    )


def window(
    s: Shape,
    p: Palette,
    rng: np.random.Generator,
    x: float,
    z: float,
    wide: float,
    tall: float,
    lit: float,
    shutter: object,
) -> None:
    """A window in the wall at y = 0: frame, panes, sill, shutters, sometimes flowers."""
    pane = p.lit[rng.integers(3)] if rng.random() < lit else p.dark
    half = wide / 2
    s.panel(
        [(x - half, -0.02, z), (x + half, -0.02, z), (x + half, -0.02, z + tall), (x - half, -0.02, z + tall)], pane
    )
    for a, b in ((x - half - 0.1, x - half), (x - 0.03, x + 0.03), (x + half, x + half + 0.1)):
        s.box((a, -0.09, z), (b, 0, z + tall), p.trim)
    for a, b, out in (
        (z - 0.1, z, 0.2),
        (z + tall * 0.62, z + tall * 0.62 + 0.06, 0.08),
        (z + tall, z + tall + 0.12, 0.12),
    ):
        s.box((x - half - 0.14, -out, a), (x + half + 0.14, 0, b), p.trim)
    if shutter is not None:
        for a in (x - half - 0.12 - half, x + half + 0.12):
            s.box((a, -0.1, z - 0.02), (a + half, 0, z + tall + 0.02), shutter)
        if rng.random() < 0.4:
            s.box((x - half, -0.42, z - 0.25), (x + half, -0.1, z + 0.1), p.blooms)


def house(
    p: Palette,
    rng: np.random.Generator,
    at: tuple[float, float, float],
    turn: float,
    wide: float,
    deep: float,
    floors: int,
    lit: float = 0.5,
) -> None:
    """A house with its gable toward -y before it is turned; the roof's ridge runs along y."""
    s = Shape()
    tall, pitch = 2.75 * floors + 0.3, rng.uniform(0.85, 1.15)
    rise, over = wide / 2 * pitch, 0.55
    wall, roof = p.plaster[rng.integers(len(p.plaster))], p.roofs[rng.integers(len(p.roofs))]
    shutter = p.shutters[rng.integers(len(p.shutters))] if rng.random() < 0.75 else None
    w, d = wide / 2, deep / 2
    s.box((-w, -d, -3), (w, d, tall), wall)
    s.box((-w - 0.06, -d - 0.06, -3), (w + 0.06, d + 0.06, 0.5), p.stone)
    for y in (-d, d):
        s.panel([(-w, y, tall), (w, y, tall), (0, y, tall + rise)][:: 1 if y < 0 else -1], wall)
    low, foot = tall - over * pitch, w + over
    top = tall + rise + 0.1
    for side in (-1, 1):
        corners = [
            (side * foot, -d - over, low + 0.1),
            (side * foot, d + over, low + 0.1),
            (0, d + over, top),
            (0, -d - over, top),
        ]
        s.slab(corners if side > 0 else corners[::-1], 0.18, roof)
        # Barge boards close the roof's edge.
        s.beam((side * foot, -d - over, low), (0, -d - over, top - 0.06), 0.2, p.timber)
    s.beam((0, -d - over, top), (0, d + over, top), 0.26, roof)
    for _ in range(rng.integers(1, 3)):
        x, y = rng.uniform(0.25, 0.6) * w * rng.choice([-1, 1]), rng.uniform(-0.6, 0.6) * d
        foot_z = top - abs(x) * pitch
        s.box((x - 0.35, y - 0.35, foot_z - 1), (x + 0.35, y + 0.35, foot_z + 1.5), p.stone)
        s.box((x - 0.45, y - 0.45, foot_z + 1.5), (x + 0.45, y + 0.45, foot_z + 1.65), p.trim)
    framed = rng.random() < 0.5
    for angle, width, distance in ((0.0, wide, d), (math.pi / 2, deep, w), (-math.pi / 2, deep, w)):
        s.at(distance * math.sin(angle), -distance * math.cos(angle), 0, angle)
        count = max(2, round(width / 2.5))
        spots = (np.arange(count) + 0.5) / count * width - width / 2
        for floor in range(floors):
            for k, x in enumerate(spots):
                z = 0.95 + 2.75 * floor
                if floor == 0 and angle == 0 and k == count // 2:
                    s.box((x - 0.55, -0.08, 0), (x + 0.55, 0, 2.1), shutter or p.timber)
                    s.box((x - 0.7, -0.14, 2.1), (x + 0.7, 0, 2.25), p.trim)
                else:
                    window(s, p, rng, float(x), z, 0.95, 1.35, lit, shutter)
        if angle == 0:
            for x in (-wide * 0.13, wide * 0.13):
                window(s, p, rng, x, tall + 0.7, 0.8, 1.1, lit, None)
            if rise > 4.5:
                window(s, p, rng, 0.0, tall + 2.7, 0.65, 0.8, lit * 0.5, None)
        if framed:
            timbers(s, p, width, floors, tall, rise if angle == 0 else 0.0)
    s.at(0, 0)
    if wide > 8:
        for side in (-1, 1):
            dormers(s, p, rng, side, w, deep, tall, pitch, roof, wall, lit)
    thing = s.done("house")
    thing.location, thing.rotation_euler = at, (0, 0, turn)


def timbers(s: Shape, p: Palette, width: float, floors: int, tall: float, rise: float) -> None:
    """Half-timbering over the upper floors and the gable."""
    base, half = 2.75 + 0.25, width / 2
    bays = max(2, round(width / 2.5))
    for z in [2.75 * f + 0.25 for f in range(1, floors)] + [tall - 0.1]:
        s.box((-half, -0.07, z - 0.11), (half, 0, z + 0.11), p.timber)
    for k in range(bays + 1):
        x = min(max(-half + width * k / bays, -half + 0.1), half - 0.1)
        s.box((x - 0.1, -0.07, base), (x + 0.1, 0, tall), p.timber)
    for side in (-1, 1):
        s.beam(
            (side * (half - 0.1), -0.02, base), (side * (half - width / bays * 0.5), -0.02, tall - 0.3), 0.17, p.timber
        )
    if rise:
        s.box((-half * 0.45, -0.07, tall + rise * 0.52), (half * 0.45, 0, tall + rise * 0.52 + 0.2), p.timber)
        s.box((-0.1, -0.07, tall), (0.1, 0, tall + rise * 0.95), p.timber)
        for side in (-1, 1):
            s.beam((side * half * 0.62, -0.02, tall), (side * half * 0.3, -0.02, tall + rise * 0.55), 0.17, p.timber)


def dormers(
    s: Shape,
    p: Palette,
    rng: np.random.Generator,
    side: int,
    w: float,
    deep: float,
    tall: float,
    pitch: float,
    roof: object,
    wall: object,
    lit: float,
) -> None:
    """Small gabled windows in the roof's slope."""
    for y in np.arange(-deep / 2 + 2, deep / 2 - 1.5, 3.2):
        x, z = side * w * 0.72, tall + w * 0.28 * pitch
        back = side * w * 0.15
        s.box((min(x, back), y - 0.7, z - 0.3), (max(x, back), y + 0.7, z + 1.2), wall)
        for hand in (-1, 1):
            corners = [
                (x + side * 0.3, y + hand * 0.95, z + 1.1),
                (back, y + hand * 0.95, z + 1.1),
                (back, y, z + 1.95),
                (x + side * 0.3, y, z + 1.95),
            ]
            s.slab(corners if hand * side > 0 else corners[::-1], 0.1, roof)
        s.panel([(x, y - 0.7, z + 1.2), (x, y + 0.7, z + 1.2), (x, y, z + 1.9)], wall)
        s.at(x, y, 0, side * math.pi / 2)
        window(s, p, rng, 0.0, z + 0.1, 0.8, 0.95, lit, None)
        s.at(0, 0)


def arch(s: Shape, p: Palette, x: float, z: float, half: float, tall: float, pane: object) -> None:
    """A round-arched window in the wall at y = 0, with a stone rim."""
    for grow, y, used in ((0.22, -0.05, p.stone), (0.0, -0.09, pane)):
        r = half + grow
        bow = [(x + r * math.cos(a), y, z + tall + r * math.sin(a)) for a in np.linspace(0, math.pi, 10)]
        s.panel([(x - r, y, z - grow), (x + r, y, z - grow), *bow], used)


def lamps(p: Palette, spots: list[tuple[float, float, float]], power: float = 420.0) -> None:
    """Street lamps: a post, a globe and its light."""
    s = Shape()
    globe = glowing("globe", (1.0, 0.50, 0.15), 16.0)
    globe.cycles.emission_sampling = "NONE"
    for x, y, z in spots:
        s.tube([(x, y, z), (x, y, z + 3.2)], [0.09, 0.06], p.timber, sides=6)
        s.tube(
            [(x, y, z + 3.2), (x, y, z + 3.35), (x, y, z + 3.6), (x, y, z + 3.7)], [0.1, 0.2, 0.2, 0.08], globe, sides=8
        )
        light("POINT", (x, y - 0.35, z + 3.4), power=power, color=(1.0, 0.55, 0.20), size=0.3)
    s.done("lamps")


def person(
    s: Shape,
    rng: np.random.Generator,
    at: tuple[float, float, float],
    coat: bpy.types.Material,
    legs: bpy.types.Material,
    face: bpy.types.Material,
) -> None:
    """Somebody far away, who gives the houses their size: legs, coat, arms and head."""
    s.at(*at, rng.uniform(0, 6.28))
    for side in (-1, 1):
        s.tube(
            [(side * 0.17 * rng.uniform(0.5, 1.4), side * 0.1, 0), (0, side * 0.09, 0.85)], [0.07, 0.1], legs, sides=8
        )
        s.tube([(0, side * 0.2, 1.42), (0.06, side * 0.28, 0.85)], [0.06, 0.045], coat, sides=8)
    s.tube([(0, 0, z) for z in (0.62, 0.75, 1.1, 1.42, 1.5)], [0.19, 0.18, 0.16, 0.2, 0.07], coat, sides=12)
    s.tube([(0, 0, z) for z in (1.48, 1.56, 1.68, 1.76)], [0.05, 0.085, 0.09, 0.03], face, sides=12)
    s.tube([(-0.02, 0, z) for z in (1.62, 1.70, 1.79)], [0.095, 0.1, 0.04], legs, sides=12)
    s.at(0, 0)
