"""A room in the morning: sun through a tall window on a table with books, a chair, shelves and a carpet."""

from __future__ import annotations

import itertools
import math

import bpy
import numpy as np

from scenes.kit import Color, Nodes, Shape, camera, curve, glowing, grid, lathe, light, material, mottled, noise, sky

ASPECT, SEED, SAMPLES = (4, 3), 9, 64
RENDER = {"exposure": 1.15, "look": "AgX - Medium High Contrast"}
DEVELOP = {"contrast": 0.15, "color": 1.08, "bloom": 0.3}
LEFT, BACK, TOP = -2.1, 3.0, 2.95
SILL, HEAD = 0.78, 2.55
WINDOWS = ((0.35, 1.40), (1.85, 2.70))
CLOTHS = [
    (0.32, 0.05, 0.04),
    (0.05, 0.13, 0.20),
    (0.10, 0.17, 0.09),
    (0.38, 0.24, 0.09),
    (0.46, 0.38, 0.26),
    (0.11, 0.06, 0.05),
]
CLOTHS += [(0.55, 0.48, 0.36), (0.20, 0.08, 0.13), (0.06, 0.08, 0.11), (0.48, 0.15, 0.06)]


def grain(dark: Color, pale: Color, along: str = "X", name: str = "wood", rough: float = 0.42) -> bpy.types.Material:
    """Wood with its grain along one axis."""
    stretch = tuple(2.0 if axis == along else 24.0 for axis in "XYZ")

    def paint(n: Nodes) -> object:
        return n.ramp(n.noise(1.0, 8, 0.65, at=n.coords(stretch), warp=0.8), (0.3, dark), (0.7, pale))

    return material(name, paint, rough, bump=lambda n: n.noise(2.0, 6, 0.7, at=n.coords(stretch)), depth=0.002)


def boards(n: Nodes) -> object:
    """Wide floor boards, each of its own tone."""
    at = n.coords()
    turned = n.add("ShaderNodeCombineXYZ", X=n.split(at, "Y"), Y=n.split(at, "X"))
    plank = n.add(
        "ShaderNodeTexBrick",
        Vector=turned,
        Color1=(0.36, 0.20, 0.10),
        Color2=(0.20, 0.10, 0.048),
        Mortar=(0.02, 0.01, 0.006),
        Scale=1.0,
        Mortar_Size=0.004,
        Brick_Width=1.9,
        Row_Height=0.17,
    )
    lines = n.noise(1.0, 9, 0.65, at=n.coords((30, 2.2, 1)), warp=1.0)
    return n.mix(1.0, plank, n.ramp(lines, (0.3, 0.45), (0.7, 1.25)), "MULTIPLY")


def carpet(n: Nodes) -> object:
    """A carpet: borders around a field of diamonds, worn in places."""
    at = n.coords()
    x, y = n.math("ABSOLUTE", n.split(at, "X")), n.math("ABSOLUTE", n.split(at, "Y"))
    edge = n.math("MAXIMUM", n.math("SUBTRACT", x, 0.45), y)
    border = n.ramp(
        edge,
        (0.0, (0.30, 0.035, 0.03)),
        (0.50, (0.30, 0.035, 0.03)),
        (0.505, (0.62, 0.50, 0.30)),
        (0.535, (0.03, 0.06, 0.14)),
        (0.66, (0.03, 0.06, 0.14)),
        (0.665, (0.62, 0.50, 0.30)),
        (0.70, (0.34, 0.06, 0.04)),
        mode="CONSTANT",
    )
    wave = n.math("ADD", n.math("PINGPONG", x, 0.16), n.math("PINGPONG", y, 0.16))
    rings = n.ramp(
        n.math("DIVIDE", wave, 0.32), (0.0, 0.0), (0.18, 1.0), (0.30, 0.0), (0.62, 1.0), (0.74, 0.0), mode="CONSTANT"
    )
    knot = n.mix(n.ramp(n.noise(14, 2), (0.46, 0.0), (0.5, 1.0)), (0.62, 0.46, 0.24), (0.04, 0.10, 0.16))
    worn = n.ramp(n.noise(3, 8, 0.7), (0.3, 0.65), (0.7, 1.15))
    return n.mix(1.0, n.mix(n.math("MULTIPLY", rings, 0.85), border, knot), worn, "MULTIPLY")


def landscape(n: Nodes) -> object:
    """The picture on the wall: a sky, hills, a lake, in broad strokes."""
    at = n.coords()
    stroke = n.noise(9, 5, at=n.coords((1, 1, 3)), warp=2.0)
    up = n.math(
        "MULTIPLY_ADD",
        stroke,
        0.14,
        n.math("MULTIPLY_ADD", n.noise(3.0, 3, at=n.scaled(at, (1, 1, 0))), 0.25, n.split(at, "Z")),
    )
    return n.ramp(
        n.math("ADD", up, 0.33),
        (0.10, (0.10, 0.13, 0.06)),
        (0.28, (0.28, 0.30, 0.12)),
        (0.38, (0.22, 0.32, 0.36)),
        (0.46, (0.08, 0.13, 0.16)),
        (0.56, (0.14, 0.20, 0.24)),
        (0.60, (0.72, 0.52, 0.34)),
        (0.90, (0.34, 0.46, 0.58)),
    )


def walls(plaster: bpy.types.Material, trim: bpy.types.Material, beam: bpy.types.Material) -> None:
    """Floor, ceiling with beams, two walls with a panelled base, and the openings of the windows."""
    s = Shape()
    s.box((LEFT - 0.4, BACK, 0), (4, BACK + 0.3, TOP + 0.1), plaster)
    spans = [-4.0, *[edge for pair in WINDOWS for edge in pair], BACK + 0.3]
    for a, b in zip(spans[::2], spans[1::2], strict=True):
        s.box((LEFT - 0.4, a, 0), (LEFT, b, TOP), plaster)
    for a, b in WINDOWS:
        s.box((LEFT - 0.4, a, 0), (LEFT, b, SILL), plaster)
        s.box((LEFT - 0.4, a, HEAD), (LEFT, b, TOP), plaster)
        s.box((LEFT - 0.4, a - 0.05, SILL - 0.04), (LEFT + 0.10, b + 0.05, SILL + 0.012), trim)
        for y in (a - 0.09, b):
            s.box((LEFT - 0.01, y, SILL - 0.04), (LEFT + 0.035, y + 0.09, HEAD + 0.09), trim)
        s.box((LEFT - 0.01, a - 0.09, HEAD), (LEFT + 0.045, b + 0.09, HEAD + 0.12), trim)
        for y in np.linspace(a, b, 3):
            s.box((LEFT - 0.24, y - 0.028, SILL), (LEFT - 0.18, y + 0.028, HEAD), trim)
        for z in np.linspace(SILL + 0.02, HEAD - 0.02, 5):
            s.box((LEFT - 0.235, a, z - 0.018), (LEFT - 0.185, b, z + 0.018), trim)
    s.box((LEFT - 0.4, -4, TOP - 0.02), (4, BACK + 0.1, TOP + 0.1), plaster)
    for y in np.arange(-1.0, BACK, 0.95):
        s.box((LEFT, y, TOP - 0.17), (4, y + 0.17, TOP), beam)
    for z, out in ((0.0, 0.03), (0.86, 0.045)):
        s.box((LEFT, BACK - out, z), (4, BACK, z + (0.14 if z == 0 else 0.06)), trim)
    s.box((LEFT, -4.0, 0), (LEFT + 0.03, BACK, 0.14), trim)
    s.box((LEFT, BACK - 0.012, 0.1), (4, BACK, 0.88), trim)
    for x in np.arange(LEFT + 0.12, 3.0, 0.62):
        # Each panel is a frame with a raised field.
        for low, high, out in (((x, 0.24), (x + 0.5, 0.78), 0.025), ((x + 0.035, 0.275), (x + 0.465, 0.745), 0.012)):
            s.box((low[0], BACK - out, low[1]), (high[0], BACK, high[1]), trim)
    s.done("walls", bevel=0.006)


def book(
    s: Shape,
    low: tuple[float, float, float],
    size: tuple[float, float, float],
    cloth: object,
    paper: object,
    gold: object,
) -> None:
    """A book standing with its spine toward -y: boards, pages, gilt bands."""
    (x, y, z), (thick, deep, tall) = low, size
    for side in (0.0, thick - 0.004):
        s.box((x + side, y, z), (x + side + 0.004, y + deep, z + tall), cloth)
    s.box((x, y - 0.003, z), (x + thick, y + 0.004, z + tall), cloth)
    s.box((x + 0.004, y + 0.003, z + 0.004), (x + thick - 0.004, y + deep - 0.006, z + tall - 0.005), paper)
    for level in (0.12, 0.16, 0.80):
        s.box((x + 0.001, y - 0.0045, z + tall * level), (x + thick - 0.001, y, z + tall * level + 0.005), gold)


def shelves(rng: np.random.Generator, wood: object, cloths: list, paper: object, gold: object) -> None:
    """A bookcase against the back wall, full but not tidy."""
    s, x0, x1, y, top = Shape(), 0.78, 2.38, BACK - 0.36, 2.28
    for x in (x0 - 0.04, (x0 + x1) / 2 - 0.015, x1):
        s.box((x, y, 0), (x + 0.04, BACK, top), wood)
    s.box((x0, BACK - 0.06, 0), (x1, BACK - 0.05, top), wood)
    s.box((x0 - 0.09, y - 0.05, top), (x1 + 0.09, BACK, top + 0.06), wood)
    levels = [0.10, 0.54, 0.93, 1.30, 1.65, 1.98]
    for level, above in zip(levels, [*levels[1:], top], strict=True):
        s.box((x0, y, level - 0.03), (x1, BACK, level), wood)
        for a, b in ((x0 + 0.005, (x0 + x1) / 2 - 0.02), ((x0 + x1) / 2 + 0.03, x1 - 0.005)):
            x = a
            while True:
                thick = rng.uniform(0.018, 0.055)
                if x + thick > b:
                    break
                if rng.random() < 0.07:
                    x += rng.uniform(0.03, 0.10)
                    continue
                tall = (above - level) * rng.uniform(0.58, 0.86)
                book(
                    s,
                    (x, y + rng.uniform(0.03, 0.08), level),
                    (thick, rng.uniform(0.17, 0.23), tall),
                    cloths[rng.integers(len(cloths))],
                    paper,
                    gold,
                )
                x += thick + 0.001
    s.done("shelves")


def table(wood: object) -> None:
    """A table with turned legs."""
    top = Shape()
    top.box((-0.72, -0.43, 0.725), (0.72, 0.43, 0.755), wood)
    top.box((-0.62, -0.34, 0.63), (0.62, 0.34, 0.725), wood)
    made = top.done("table", bevel=0.006)
    made.location, made.rotation_euler = (-0.72, 1.12, 0), (0, 0, 0.06)
    turning = [
        (0.0, 0.0),
        (0.022, 0.0),
        (0.028, 0.05),
        (0.020, 0.09),
        (0.030, 0.16),
        (0.038, 0.30),
        (0.030, 0.44),
        (0.022, 0.50),
        (0.036, 0.53),
        (0.036, 0.64),
    ]
    for x in (-0.58, 0.58):
        for y in (-0.30, 0.30):
            leg = lathe("leg", turning, wood, 28)
            leg.parent, leg.location = made, (x, y, 0)


def chair(wood: object, rush: object, at: tuple[float, float], turn: float) -> None:
    """A ladder-back chair with a rush seat, facing -y before it is turned."""
    s = Shape()
    for side in (-1, 1):
        back = curve(
            [(side * 0.18, 0.20, 0), (side * 0.18, 0.19, 0.45), (side * 0.175, 0.225, 0.80), (side * 0.17, 0.29, 1.08)],
            24,
        )
        s.tube(back.tolist(), [0.018] * 20 + [0.017, 0.02, 0.016, 0.006], wood, sides=12)
        s.tube(
            [(side * 0.22, -0.20, 0), (side * 0.22, -0.20, 0.30), (side * 0.22, -0.20, 0.47)],
            [0.014, 0.02, 0.018],
            wood,
            sides=12,
        )
        for z in (0.16, 0.28):
            s.tube([(side * 0.22, -0.20, z), (side * 0.18, 0.20, z)], [0.011, 0.011], wood, sides=8)
    for y, wide, z in ((-0.20, 0.22, 0.22), (-0.20, 0.22, 0.34), (0.20, 0.18, 0.22)):
        s.tube([(-wide, y, z), (wide, y, z)], [0.012, 0.012], wood, sides=8)
    for z, y in ((0.62, 0.205), (0.77, 0.222), (0.93, 0.252)):
        bow = [
            (x, y + 0.035 * (1 - (x / 0.175) ** 2), z + 0.02 * (1 - (x / 0.175) ** 2))
            for x in np.linspace(-0.175, 0.175, 9)
        ]
        for a, b in itertools.pairwise(bow):
            s.slab(
                [
                    (a[0], a[1], a[2]),
                    (b[0], b[1], b[2]),
                    (b[0], b[1] + 0.006, b[2] + 0.075),
                    (a[0], a[1] + 0.006, a[2] + 0.075),
                ],
                0.012,
                wood,
            )
    made = s.done("chair", smooth=False)
    made.location, made.rotation_euler = (*at, 0), (0, 0, turn)
    v, u = np.linspace(0, 1, 24)[:, None], np.linspace(-1, 1, 24)[None]
    x, y = u * (0.225 - 0.04 * v), -0.215 + 0.42 * v + 0 * u
    seat = grid("seat", x, y, 0.455 - 0.022 * (1 - u**2) * (1 - (2 * v - 1) ** 2), rush)
    seat.modifiers.new("thick", "SOLIDIFY").thickness = 0.035
    seat.parent = made


def curtain(y: float, wide: float, used: object, seed: int) -> None:
    """A curtain hanging in folds beside a window."""
    v, u = np.linspace(0, 1, 60)[:, None], np.linspace(0, 1, 120)[None]
    fold = 0.045 * np.sin(u * 2 * np.pi * 6.5 + noise(u * 3, v * 1.2, seed, 2) * 1.6) * (0.5 + 0.5 * v)
    sheet = grid(
        "curtain",
        LEFT + 0.12 + fold,
        y + wide * (u + 0.10 * noise(u * 2, v * 2, seed + 5, 2) * v) + 0 * v,
        HEAD + 0.13 - (HEAD + 0.10) * v + 0 * u,
        used,
    )
    sheet.modifiers.new("smooth", "SUBSURF").render_levels = 1


def flowers(rng: np.random.Generator, at: tuple[float, float, float]) -> None:
    """A glazed vase with stems, leaves and blossoms."""
    vase = lathe(
        "vase",
        curve(
            [
                (0.0, 0, 0),
                (0.045, 0.0, 0),
                (0.075, 0.07, 0),
                (0.078, 0.13, 0),
                (0.045, 0.20, 0),
                (0.040, 0.225, 0),
                (0.052, 0.245, 0),
            ],
            50,
        )[:, :2].tolist(),
        material("vase", mottled((0.05, 0.16, 0.22), (0.14, 0.32, 0.36), 12, 6), 0.15, Coat_Weight=0.5),
    )
    vase.location = at
    green = material("stem", mottled((0.04, 0.10, 0.02), (0.12, 0.22, 0.05), 20, 4), 0.6)
    petals = [
        material("petal", c, 0.7, Subsurface_Weight=0.1)
        for c in ((0.86, 0.62, 0.10), (0.85, 0.80, 0.70), (0.80, 0.30, 0.10))
    ]
    heart = material("heart", (0.10, 0.05, 0.02), 0.9)
    s = Shape()
    for k in range(17):
        angle, lean, tall = 2.4 * k, rng.uniform(0.05, 0.24), rng.uniform(0.34, 0.58)
        tip = np.array([lean * math.cos(angle), lean * math.sin(angle), tall])
        path = curve([(0, 0, 0.15), tip * [0.35, 0.35, 0.62], tip], 10)
        s.at(*at).tube(path.tolist(), [0.0035] * 10, green, sides=6)
        axis = np.array([lean * math.cos(angle) * 2.5, lean * math.sin(angle) * 2.5 - 0.25, 0.5])
        axis /= np.linalg.norm(axis)
        a = np.cross(axis, [1.0, 0.2, 0.1])
        a /= np.linalg.norm(a)
        b, size, used = np.cross(axis, a), rng.uniform(0.032, 0.055), petals[rng.integers(3)]
        for ring, (count, reach) in enumerate(((13, 1.0), (9, 0.65))):
            for p in range(count):
                turn = 2 * math.pi * p / count + 0.2 * ring
                out, side = math.cos(turn) * a + math.sin(turn) * b, -math.sin(turn) * a + math.cos(turn) * b
                far = tip + out * size * reach + axis * size * (0.15 + 0.3 * ring)
                mid = tip + out * size * reach * 0.6 + axis * size * 0.05
                s.panel([tip + axis * 0.004 * ring, mid - side * size * 0.2, far, mid + side * size * 0.2], used)
        s.tube([tip - axis * 0.006, tip + axis * 0.010], [size * 0.3, size * 0.22], heart, sides=10)
        for _ in range(2):
            t = rng.integers(3, 9)
            turn, long = rng.uniform(0, 6.28), rng.uniform(0.06, 0.11)
            out = np.array([math.cos(turn), math.sin(turn), 0.25])
            side = np.array([-math.sin(turn), math.cos(turn), 0]) * long * 0.2
            s.panel(
                [
                    path[t],
                    path[t] + out * long * 0.5 - side,
                    path[t] + out * long - [0, 0, 0.03],
                    path[t] + out * long * 0.5 + side,
                ],
                green,
            )
    s.done("flowers")


def open_book(at: tuple[float, float, float], turn: float, paper: object, cloth: object) -> None:
    """A book left open: two arched stacks of pages."""
    ink = material(
        "page",
        lambda n: n.mix(
            n.math(
                "MULTIPLY",
                n.ramp(n.math("PINGPONG", n.split(n.coords(), "Y"), 0.005), (0.0, 1.0), (0.0025, 0.0), mode="CONSTANT"),
                n.ramp(n.noise(160, 2), (0.45, 0.0), (0.5, 0.55)),
            ),
            (0.74, 0.68, 0.56),
            (0.10, 0.08, 0.07),
        ),
        0.9,
    )
    u, v = np.linspace(-1, 1, 60)[None], np.linspace(-1, 1, 12)[:, None]
    lift = 0.010 + 0.020 * np.abs(u) ** 0.5 * (1 - np.abs(u)) * 2.2
    sheet = grid("pages", 0.155 * u + 0 * v, 0.115 * v + 0 * u, lift + 0 * v, ink)
    s = Shape()
    s.box((-0.163, -0.122, 0), (0.163, 0.122, 0.006), cloth)
    s.box((-0.155, -0.115, 0.005), (0.155, 0.115, 0.010), paper)
    cover = s.done("cover")
    sheet.parent = cover
    cover.location, cover.rotation_euler = at, (0, 0, turn)


def garden() -> None:
    """What is seen through the panes: bright leaves and sky, out of focus; only the camera sees it."""

    def paint(n: Nodes) -> object:
        leaves = n.ramp(
            n.noise(1.6, 3, 0.5), (0.35, (0.16, 0.26, 0.08)), (0.5, (0.50, 0.62, 0.26)), (0.65, (1.0, 1.0, 0.78))
        )
        edge = n.math("MULTIPLY_ADD", n.noise(0.9, 3), 1.6, n.math("MULTIPLY", n.split(n.coords(), "Z"), 0.55))
        return n.mix(n.math("SUBTRACT", edge, 1.45, clamp=True), leaves, (0.95, 1.0, 1.05))

    s = Shape()
    s.panel([(-7, -6, -2), (-7, 16, -2), (-7, 16, 8), (-7, -6, 8)], glowing("garden", paint, 1.5))
    thing = s.done("garden")
    thing.visible_diffuse = thing.visible_shadow = False


def build(rng: np.random.Generator) -> None:
    """Put the scene together."""
    camera((1.22, -2.25, 1.42), (-0.28, 1.6, 1.12), lens=27)
    garden()
    sky((0.42, 0.50, 0.62), 0.55)
    light("SUN", (-7.0, 0.3, 4.9), power=13.0, color=(1.0, 0.80, 0.56), size=0.7)
    for a, b in WINDOWS:
        light(
            "AREA",
            (LEFT - 0.6, (a + b) / 2, 1.75),
            (2, (a + b) / 2 - 0.4, 0.9),
            power=42.0,
            color=(0.80, 0.90, 1.0),
            size=1.3,
        )
    light("AREA", (2.2, -2.8, 2.3), (-0.5, 1.5, 1.0), power=14.0, color=(1.0, 0.88, 0.74), size=2.2)

    plaster = material(
        "plaster",
        mottled((0.36, 0.42, 0.38), (0.48, 0.53, 0.47), 1.4, 9, 0.68),
        0.9,
        bump=lambda n: n.noise(18, 6),
        depth=0.003,
    )
    trim = material("trim", mottled((0.60, 0.58, 0.52), (0.74, 0.72, 0.66), 3, 8, 0.7), 0.5)
    oak, dark = (
        grain((0.10, 0.045, 0.02), (0.30, 0.16, 0.075)),
        grain((0.045, 0.022, 0.012), (0.14, 0.075, 0.04), "Z", "walnut"),
    )
    walls(plaster, trim, grain((0.06, 0.035, 0.02), (0.17, 0.10, 0.06), "X", "beam", 0.8))
    floor = Shape()
    floor.panel(
        [(LEFT, -4, 0), (4, -4, 0), (4, BACK, 0), (LEFT, BACK, 0)],
        material("boards", boards, mottled(0.22, 0.42, 5, 7, 0.7)),
    )
    floor.done("floor")
    u, v = np.linspace(-1, 1, 60)[None], np.linspace(-1, 1, 40)[:, None]
    rug = grid(
        "carpet",
        1.20 * u + 0 * v,
        0.76 * v + 0 * u,
        0.012 + 0.006 * noise(u * 2, v * 2, 3, 3),
        material("carpet", carpet, 0.95, bump=lambda n: n.noise(170, 2), depth=0.006, Sheen_Weight=0.2),
    )
    rug.location, rug.rotation_euler = (0.32, 0.55, 0), (0, 0, 0.10)

    cloths = [
        material(
            "binding",
            lambda n, c=c: n.mix(n.ramp(n.noise(9, 7, 0.7), (0.45, 0.0), (0.8, 0.5)), c, tuple(v * 0.45 for v in c)),
            0.65,
        )
        for c in CLOTHS
    ]
    paper = material(
        "paper",
        mottled((0.48, 0.42, 0.31), (0.68, 0.61, 0.48), 1.0, 4, stretch=(300, 300, 4)),
        0.9,
    )
    gold = material("gold", (0.75, 0.52, 0.18), 0.35, Metallic=1.0)
    shelves(rng, dark, cloths, paper, gold)
    table(oak)
    chair(
        dark,
        material(
            "rush",
            mottled((0.22, 0.14, 0.05), (0.52, 0.37, 0.17), 1.0, 5, 0.7, stretch=(14, 90, 14)),
            0.85,
        ),
        (0.36, 0.86),
        -1.05,
    )

    # On the table: a pile of books, an open one, flowers, a cup.
    pile, z = Shape(), 0.757
    for k in range(5):
        thick, long, deep = rng.uniform(0.025, 0.05), rng.uniform(0.20, 0.27), rng.uniform(0.15, 0.19)
        pile.at(-0.24 + rng.normal(0, 0.008), 1.22 + rng.normal(0, 0.008), 0, rng.normal(0, 0.16))
        pile.box((-long / 2, -deep / 2, z), (long / 2, deep / 2, z + 0.004), cloths[(3 * k + 1) % 10])
        pile.box((-long / 2, -deep / 2, z + thick - 0.004), (long / 2, deep / 2, z + thick), cloths[(3 * k + 1) % 10])
        pile.box((-long / 2, -deep / 2 - 0.003, z), (long / 2, -deep / 2 + 0.004, z + thick), cloths[(3 * k + 1) % 10])
        pile.box(
            (-long / 2 + 0.006, -deep / 2, z + 0.003), (long / 2 - 0.006, deep / 2 - 0.006, z + thick - 0.003), paper
        )
        z += thick + 0.001
    pile.done("pile")
    open_book((-0.62, 0.93, 0.756), 0.25, paper, cloths[0])
    flowers(rng, (-0.98, 1.25, 0.756))
    china = material("china", (0.80, 0.79, 0.75), 0.18, Coat_Weight=0.4)
    for profile in (
        [(0.0, 0.004), (0.028, 0.0), (0.038, 0.02), (0.045, 0.065), (0.043, 0.065), (0.034, 0.02), (0.0, 0.008)],
        [(0.0, 0.001), (0.05, 0.002), (0.082, 0.014), (0.05, 0.005), (0.0, 0.003)],
    ):
        lathe("cup", profile, china, 48).location = (-0.30, 0.88, 0.757)

    # On the walls: a picture and curtains.
    frame = Shape()
    frame.box(
        (-0.46, 0.0, -0.33),
        (0.46, 0.03, 0.33),
        material("canvas", landscape, 0.7, bump=lambda n: n.noise(40, 5), depth=0.004),
    )
    for low, high in (
        ((-0.54, -0.41), (0.54, -0.33)),
        ((-0.54, 0.33), (0.54, 0.41)),
        ((-0.54, -0.33), (-0.46, 0.33)),
        ((0.46, -0.33), (0.54, 0.33)),
    ):
        frame.box(
            (low[0], -0.03, low[1]),
            (high[0], 0.04, high[1]),
            material(
                "gilt",
                mottled((0.30, 0.18, 0.06), (0.62, 0.43, 0.17), 20, 6),
                0.4,
                Metallic=0.8,
            ),
        )
    frame.done("picture", bevel=0.012).location = (-0.62, BACK - 0.045, 1.72)
    linen = material("linen", (0.80, 0.76, 0.68), 0.9, Transmission_Weight=0.0, Subsurface_Weight=0.0, Sheen_Weight=0.2)
    for y, wide, seed in ((0.02, 0.30, 1), (1.42, 0.36, 2), (2.68, 0.26, 3)):
        curtain(y, wide, linen, seed)
    rod = Shape()
    rod.tube(
        [(LEFT + 0.12, -0.15, HEAD + 0.15), (LEFT + 0.12, BACK - 0.04, HEAD + 0.15)], [0.016, 0.016], gold, sides=10
    )
    rod.done("rod")
