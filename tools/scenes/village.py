"""A village by a lake at dusk: gabled houses, a church, wooded hills and mountains, all seen twice in the water."""

from __future__ import annotations

import itertools
import math

import numpy as np

from scenes.kit import (
    Haze,
    Nodes,
    Shape,
    broadleaf,
    camera,
    conifer,
    glowing,
    grid,
    light,
    material,
    noise,
    rowboat,
    scatter,
    sky,
)

ASPECT, SEED, SAMPLES = (3, 2), 7, 160
RENDER = {"exposure": 0.55, "look": "AgX - Punchy"}
DEVELOP = {"grain": 1.5, "bloom": 0.3}
HAZE = Haze((0.46, 0.42, 0.52), 5200.0)
PLASTER = [(0.80, 0.70, 0.52), (0.78, 0.52, 0.30), (0.72, 0.42, 0.34), (0.62, 0.66, 0.66), (0.82, 0.78, 0.70)]
PLASTER += [(0.70, 0.60, 0.36), (0.50, 0.58, 0.50), (0.76, 0.60, 0.50)]
SHUTTERS = [(0.10, 0.22, 0.14), (0.28, 0.08, 0.06), (0.10, 0.16, 0.28), (0.25, 0.16, 0.09)]


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
    lit = n.ramp(streaks, (0.5, (1.25, 0.62, 0.42)), (0.72, (0.50, 0.36, 0.46)))
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


def plaster(color: tuple[float, float, float]) -> object:
    """Painted lime plaster, weathered in patches and darker toward the ground."""

    def paint(n: Nodes) -> object:
        worn = n.noise(0.55, 8, 0.65)
        low = n.ramp(n.split(n.coords(), "Z"), (0.0, 0.72), (0.25, 1.0))
        return n.mix(
            1.0, n.mix(n.ramp(worn, (0.35, 0.0), (0.7, 0.5)), color, tuple(c * 0.6 for c in color)), low, "MULTIPLY"
        )

    return material("plaster", paint, 0.9, bump=lambda n: n.noise(9, 5), depth=0.02, haze=HAZE)


def tiles(color: tuple[float, float, float], across: str = "Y") -> object:
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
        "tiles", paint, 0.75, bump=lambda n: n.math("SUBTRACT", 1.0, rows(n, "Factor")), depth=0.06, haze=HAZE
    )


class Palette:
    """The materials of all the houses."""

    def __init__(self) -> None:
        self.plaster = [plaster(c) for c in PLASTER]
        self.roofs = [
            tiles(c) for c in ((0.40, 0.13, 0.065), (0.30, 0.11, 0.07), (0.25, 0.13, 0.09), (0.44, 0.18, 0.09))
        ]
        self.slate = tiles((0.10, 0.12, 0.15))
        self.shutters = [material("shutter", c, 0.6, haze=HAZE) for c in SHUTTERS]
        self.timber = material("timber", (0.085, 0.045, 0.025), 0.8, haze=HAZE)
        self.trim = material("trim", (0.75, 0.71, 0.63), 0.7, haze=HAZE)
        self.stone = material("stone", masonry, 0.9, bump=lambda n: n.noise(3, 8, 0.7), depth=0.08, haze=HAZE)
        self.dark = material("dark pane", (0.02, 0.03, 0.045), 0.06)
        # A lit room is brighter where its lamp is: no two panes glow alike.
        self.lit = [
            glowing("lit pane", lambda n, c=c: n.mix(n.noise(0.9, 2), c, tuple(v * 0.3 for v in c)), power)
            for c, power in (((1.0, 0.36, 0.06), 2.4), ((1.0, 0.46, 0.11), 3.0), ((1.0, 0.30, 0.04), 1.5))
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


def arch(s: Shape, p: Palette, x: float, z: float, half: float, tall: float, pane: object) -> None:
    """A round-arched window in the wall at y = 0, with a stone rim."""
    for grow, y, used in ((0.22, -0.05, p.stone), (0.0, -0.09, pane)):
        r = half + grow
        bow = [(x + r * math.cos(a), y, z + tall + r * math.sin(a)) for a in np.linspace(0, math.pi, 10)]
        s.panel([(x - r, y, z - grow), (x + r, y, z - grow), *bow], used)


def lamps(p: Palette, spots: list[tuple[float, float, float]]) -> None:
    """Street lamps: a post, a globe and its light."""
    s = Shape()
    globe = glowing("globe", (1.0, 0.72, 0.38), 40.0)
    globe.cycles.emission_sampling = "NONE"
    for x, y, z in spots:
        s.tube([(x, y, z), (x, y, z + 3.2)], [0.09, 0.06], p.timber, sides=6)
        s.tube(
            [(x, y, z + 3.2), (x, y, z + 3.35), (x, y, z + 3.6), (x, y, z + 3.7)], [0.1, 0.2, 0.2, 0.08], globe, sides=8
        )
        light("POINT", (x, y - 0.35, z + 3.4), power=420.0, color=(1.0, 0.62, 0.28), size=0.3)
    s.done("lamps")


def build(rng: np.random.Generator) -> None:
    """Put the scene together."""
    camera((0, 0, 4.0), (0.5, 62, 10.2), lens=32)
    sky(dusk, 0.95)
    light("SUN", (-80, -45, 17), power=3.6, color=(1.0, 0.56, 0.28), size=2.0)
    p = Palette()

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
            0.42,
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
        lambda n: n.ramp(
            n.noise(1.5, 8, 0.7, at=n.coords((1, 9, 9))), (0.3, (0.07, 0.045, 0.03)), (0.7, (0.26, 0.19, 0.13))
        ),
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
    y = 150 * (740 / 150) ** rng.random(n)
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
