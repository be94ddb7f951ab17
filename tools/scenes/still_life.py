"""A still life: a stoneware jug, fruit on a pewter plate, grapes, wine and a linen cloth in the light of a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenes.kit import Nodes, Shape, bpy, camera, curve, grid, lathe, light, material, mottled, noise, scatter, sky

ASPECT, SEED, SAMPLES = (4, 3), 3, 72
RENDER = {"exposure": 0.75, "look": "AgX - Medium High Contrast"}
DEVELOP = {"grain": 1.2, "bloom": 0.15}


def skin(ground: tuple, blush: tuple, streak: float, specks: float = 0.3) -> object:
    """The skin of an apple or a pear: a blush in streaks over the ground color, fine specks, a waxy coat."""

    def paint(n: Nodes) -> object:
        at = n.coords()
        patch = n.noise(9, 3, at=at)
        fine = n.noise(1, 6, 0.6, at=n.scaled(at, (streak, streak, streak * 0.12)))
        where = n.ramp(n.math("MULTIPLY_ADD", fine, 0.55, n.math("MULTIPLY", patch, 0.75)), (0.50, 0.0), (0.78, 1.0))
        color = n.mix(where, ground, blush)
        dots = n.add("ShaderNodeTexVoronoi", out="Distance", Vector=at, Scale=170.0)
        return n.mix(n.ramp(dots, (0.12, specks), (0.25, 0.0)), color, tuple(min(1.0, c * 1.6 + 0.08) for c in ground))

    return material(
        "skin",
        paint,
        0.38,
        bump=lambda n: n.noise(60, 4),
        depth=0.0006,
        Coat_Weight=0.35,
        Coat_Roughness=0.22,
        Subsurface_Weight=0.12,
        Subsurface_Radius=(0.012, 0.006, 0.003),
        Subsurface_Scale=1.0,
    )


def fruit(
    profile: Sequence[tuple[float, float]], used: object, rng: np.random.Generator, wobble: float = 0.04
) -> bpy.types.Object:
    """A fruit turned on a lathe, then made a little uneven."""
    angle = np.linspace(0, 2 * np.pi, 97)
    r, h = curve([(a, b, 0.0) for a, b in profile], 90).T[:2]
    lump = 1 + wobble * noise(
        np.cos(angle) * 0.9 + h[:, None] * 9 + rng.uniform(0, 99), np.sin(angle) * 0.9, int(rng.integers(999)), 2
    )
    lump = lump + wobble * 0.35 * np.cos(5 * angle + rng.uniform(0, 6))
    x, y = r[:, None] * np.cos(angle) * lump, r[:, None] * np.sin(angle) * lump
    thing = grid("fruit", x, y, h[:, None] + 0 * angle, used)
    thing.modifiers.new("weld", "WELD").merge_threshold = 1e-5
    return thing


def stem(child_of: bpy.types.Object, start: float, long: float, used: object) -> None:
    """A stalk on top of a fruit."""
    s = Shape()
    path = curve([(0, 0, start), (0.002, 0, start + long * 0.5), (0.010, 0.003, start + long)], 10)
    s.tube(path.tolist(), np.linspace(0.0016, 0.0026, 10).tolist(), used, sides=8)
    s.done("stem", smooth=True).parent = child_of


APPLE = [
    (0.0, 0.0055),
    (0.006, 0.003),
    (0.016, 0.0),
    (0.027, 0.008),
    (0.036, 0.026),
    (0.0395, 0.044),
    (0.036, 0.060),
    (0.026, 0.070),
    (0.013, 0.070),
    (0.005, 0.062),
    (0.0, 0.058),
]
PEAR = [
    (0.0, 0.003),
    (0.008, 0.001),
    (0.020, 0.003),
    (0.032, 0.018),
    (0.0355, 0.036),
    (0.030, 0.056),
    (0.0205, 0.073),
    (0.0160, 0.088),
    (0.0125, 0.098),
    (0.006, 0.103),
    (0.0, 0.101),
]
ROUND = [
    (0.0, 0.0),
    (0.011, 0.001),
    (0.025, 0.009),
    (0.0345, 0.026),
    (0.0355, 0.036),
    (0.031, 0.052),
    (0.018, 0.066),
    (0.006, 0.069),
    (0.0, 0.068),
]
LEMON = [
    (0.0, -0.004),
    (0.004, -0.002),
    (0.009, 0.005),
    (0.019, 0.014),
    (0.0255, 0.030),
    (0.025, 0.042),
    (0.017, 0.058),
    (0.008, 0.066),
    (0.004, 0.073),
    (0.0, 0.075),
]


def jug(used: object) -> None:
    """A jug with a lip and a handle."""
    outer = [
        (0.0, 0.0),
        (0.050, 0.0),
        (0.054, 0.006),
        (0.060, 0.030),
        (0.078, 0.085),
        (0.080, 0.125),
        (0.066, 0.170),
        (0.047, 0.205),
    ]
    outer += [(0.043, 0.228), (0.047, 0.252), (0.055, 0.268), (0.054, 0.272)]
    inner = [(0.049, 0.268), (0.041, 0.250), (0.038, 0.228), (0.042, 0.205), (0.060, 0.168)]
    line = np.vstack([curve([(a, b, 0) for a, b in outer], 90), curve([(a, b, 0) for a, b in inner], 30)])
    r, h = line.T[:2]
    angle = np.linspace(0, 2 * np.pi, 129)
    # The lip: one side of the rim is drawn out.
    pull = np.clip((h - 0.235) / 0.035, 0, 1)[:, None] ** 1.5 * 0.026 * np.exp(-(((angle - np.pi) / 0.38) ** 2))
    ridge = 1 + 0.006 * np.sin(h * 900)[:, None] * (h < 0.2)[:, None]
    x, y = (r[:, None] * ridge + pull) * np.cos(angle), r[:, None] * ridge * np.sin(angle)
    body = grid("jug", x, y, h[:, None] + 0.25 * pull, used)
    body.modifiers.new("weld", "WELD").merge_threshold = 1e-5
    path = curve(
        [
            (0.045, 0, 0.245),
            (0.075, 0, 0.262),
            (0.107, 0, 0.235),
            (0.112, 0, 0.185),
            (0.094, 0, 0.135),
            (0.072, 0, 0.115),
        ],
        40,
    )
    s = Shape()
    s.tube(path.tolist(), (0.0085 + 0.002 * np.cos(np.linspace(0, 2 * np.pi, 40))).tolist(), used, sides=16)
    handle = s.done("handle", smooth=True)
    handle.parent = body
    body.location, body.rotation_euler = (-0.135, 0.085, 0.0), (0, 0, -0.35)


def glaze(n: Nodes) -> object:
    """Salt glaze: gray-blue above, with a painted band and runs, bare brown clay at the foot."""
    at = n.coords()
    up = n.math("MULTIPLY_ADD", n.noise(26, 6, 0.6, at=n.scaled(at, (1, 1, 0.25))), 0.05, n.split(at, "Z"))
    clay = n.ramp(n.noise(70, 7, 0.7), (0.3, (0.20, 0.095, 0.045)), (0.7, (0.36, 0.20, 0.10)))
    gray = n.ramp(n.noise(35, 8, 0.7), (0.3, (0.26, 0.29, 0.30)), (0.7, (0.52, 0.53, 0.48)))
    blue = n.ramp(n.noise(30, 6), (0.35, (0.015, 0.04, 0.17)), (0.7, (0.05, 0.11, 0.34)))
    bands = n.ramp(
        up, (0.165, 0.0), (0.17, 1.0), (0.19, 1.0), (0.195, 0.0), (0.232, 0.0), (0.236, 1.0), (0.25, 1.0), (0.256, 0.0)
    )
    return n.mix(n.ramp(up, (0.058, 0.0), (0.070, 1.0)), clay, n.mix(bands, gray, blue))


def cloth(rng: np.random.Generator, used: object) -> None:
    """A linen cloth, dropped in waves onto the table so that physics folds it and hangs it over the edge."""
    rows, columns = 84, 70
    v, u = np.linspace(0, 1, rows)[:, None], np.linspace(0, 1, columns)[None]
    wave = 0.042 * np.sin(u * 17 + 3 * noise(u * 1.5, v * 1.2, 4, 1)) * (0.35 + 0.65 * v)
    x = -0.40 + 0.44 * u + 0.05 * v
    y = -0.37 + 0.52 * v - 0.12 * u
    thing = grid("cloth", x + 0 * v, y + 0 * u, 0.06 + wave, used)
    sim = thing.modifiers.new("cloth", "CLOTH")
    sim.settings.quality, sim.settings.mass, sim.settings.bending_stiffness = 6, 0.25, 1.2
    sim.settings.tension_stiffness = sim.settings.compression_stiffness = 20
    sim.settings.air_damping = 2.0
    sim.collision_settings.distance_min, sim.collision_settings.use_self_collision = 0.003, True
    sim.collision_settings.self_distance_min = 0.003
    sim.point_cache.frame_end = 70
    for frame in range(1, 71):
        bpy.context.scene.frame_set(frame)
    thick = thing.modifiers.new("thick", "SOLIDIFY")
    thick.thickness = 0.0016
    thing.modifiers.new("smooth", "SUBSURF").render_levels = 1


def grapes(rng: np.random.Generator, at: tuple[float, float, float], used: object, wood: object) -> None:
    """A bunch of grapes lying on the table: spheres pushed apart until they touch."""
    count, radius = 62, 0.0098
    p = rng.normal(size=(count, 3)) * [0.040, 0.020, 0.014] + [0, 0, 0.02]
    size = radius * rng.uniform(0.82, 1.1, count)
    for _ in range(300):
        gap = p[:, None] - p[None]
        far = np.linalg.norm(gap, axis=-1) + np.eye(count)
        push = np.clip((size[:, None] + size[None]) * 0.97 - far, 0, None) * (1 - np.eye(count))
        p += (gap / far[..., None] * push[..., None]).sum(1) * 0.3
        p -= [0.01, 0.016, 0.02] * p * 0.3
        p[:, 2] = np.maximum(p[:, 2] - 0.0004, size)
    bpy.ops.mesh.primitive_uv_sphere_add(segments=40, ring_count=24, radius=1.0)
    ball = bpy.context.object
    ball.data.materials.append(used)
    ball.data.polygons.foreach_set("use_smooth", [True] * len(ball.data.polygons))
    scatter(ball, p + at, size, rng.uniform(0, 6, count))
    s = Shape()
    path = curve([(0.03, 0, 0.03), (0.055, 0.006, 0.042), (0.078, 0.02, 0.040), (0.088, 0.03, 0.055)], 14)
    s.at(*at).tube(path.tolist(), np.linspace(0.0014, 0.0026, 14).tolist(), wood, sides=8)
    s.done("stalk", smooth=True)


def wine(at: tuple[float, float, float]) -> None:
    """A goblet, half full."""
    glass = material("glass", (1, 1, 1), 0.0, Transmission_Weight=1.0, IOR=1.46)
    red = material("wine", (0.30, 0.008, 0.015), 0.0, Transmission_Weight=1.0, IOR=1.34)
    outer = [
        (0.0, 0.0),
        (0.034, 0.001),
        (0.030, 0.004),
        (0.008, 0.010),
        (0.0045, 0.030),
        (0.005, 0.070),
        (0.014, 0.082),
        (0.032, 0.100),
        (0.037, 0.128),
        (0.034, 0.160),
        (0.031, 0.176),
    ]
    inner = [(0.0300, 0.176), (0.0325, 0.160), (0.0355, 0.128), (0.0305, 0.102), (0.012, 0.085), (0.0, 0.083)]
    line = np.vstack([curve([(a, b, 0) for a, b in part], 60) for part in (outer, inner)])
    goblet = lathe("goblet", line[:, :2].tolist(), glass, 96)
    fill = [(0.0, 0.0834), (0.0118, 0.0855), (0.0302, 0.1022), (0.0352, 0.126), (0.0352, 0.1262), (0.0, 0.1262)]
    drink = lathe("wine", [*curve([(a, b, 0) for a, b in fill[:4]], 40)[:, :2].tolist(), *fill[4:]], red, 96)
    for part in (goblet, drink):
        part.modifiers.new("weld", "WELD").merge_threshold = 1e-5
        part.location = at


def lie(thing: bpy.types.Object, at: Sequence[float], turn: Sequence[float] = (0, 0, 0), size: float = 1.0) -> None:
    """Put a fruit somewhere, turned and scaled."""
    thing.location, thing.rotation_euler, thing.scale = at, turn, (size, size, size)


def build(rng: np.random.Generator) -> None:
    """Put the scene together."""
    camera((0.02, -1.34, 0.42), (0.005, 0.0, 0.098), lens=72, focus=1.27, fstop=9.0)
    sky((0.10, 0.115, 0.14), 0.7)
    light("AREA", (-1.25, -0.55, 0.95), (0.0, 0.02, 0.08), power=26.0, color=(1.0, 0.93, 0.82), size=0.75)
    light("AREA", (1.6, -0.8, 0.5), (0, 0, 0.1), power=4.5, color=(1.0, 0.75, 0.55), size=1.4)

    # The window's light falls on the wall in a soft slant.
    light(
        "SPOT",
        (-1.5, -0.2, 1.1),
        (0.75, 0.75, 0.30),
        power=22.0,
        color=(1.0, 0.86, 0.66),
        size=0.10,
        spot_size=0.42,
        spot_blend=0.6,
    )

    def planks(n: Nodes) -> object:
        at = n.coords((2.2, 26, 26))
        ring = n.noise(1.0, 8, 0.65, at=at, warp=1.2)
        wood = n.ramp(ring, (0.30, (0.045, 0.020, 0.009)), (0.5, (0.16, 0.075, 0.032)), (0.72, (0.27, 0.145, 0.065)))
        return n.mix(n.ramp(n.noise(6, 6, 0.7), (0.45, 0.0), (0.8, 0.6)), wood, (0.05, 0.025, 0.012))

    oak = material(
        "oak",
        planks,
        mottled(0.30, 0.55, 14, 6),
        bump=lambda n: n.noise(1.0, 8, 0.7, at=n.coords((5, 90, 90))),
        depth=0.0012,
    )
    table = Shape()
    for k in range(5):
        y = -0.30 + 0.17 * k
        table.box((-1.2, y, -0.045), (1.2, y + 0.1675, -0.0006 * (k % 3)), oak)
    top = table.done("table", bevel=0.003)
    bpy.context.view_layer.objects.active = top
    top.modifiers.new("hit", "COLLISION")
    top.collision.thickness_outer, top.collision.cloth_friction = 0.003, 25.0

    def wall(n: Nodes) -> object:
        return n.ramp(
            n.noise(2.2, 10, 0.68, warp=0.6),
            (0.3, (0.085, 0.070, 0.048)),
            (0.52, (0.15, 0.125, 0.085)),
            (0.72, (0.235, 0.195, 0.135)),
        )

    back = Shape()
    back.panel(
        [(-3, 0.75, -1), (3, 0.75, -1), (3, 0.75, 3), (-3, 0.75, 3)],
        material("wall", wall, 0.95, bump=lambda n: n.noise(14, 9, 0.7), depth=0.012),
    )
    back.done("wall")

    def weave(n: Nodes) -> object:
        return n.math(
            "ADD",
            n.add("ShaderNodeTexWave", out="Factor", Vector=n.coords(kind="Object"), Scale=260.0, bands_direction="X"),
            n.noise(220, 3),
        )

    cloth(
        rng,
        material(
            "linen",
            mottled((0.62, 0.585, 0.52), (0.80, 0.77, 0.71), 20, 6, 0.7),
            0.95,
            bump=weave,
            depth=0.0003,
            Sheen_Weight=0.25,
        ),
    )
    jug(
        material(
            "glaze",
            glaze,
            mottled(0.16, 0.34, 40, 5),
            bump=lambda n: n.noise(90, 5, 0.7),
            depth=0.0006,
            Coat_Weight=0.5,
            Coat_Roughness=0.1,
        )
    )

    pewter = material(
        "pewter",
        mottled((0.22, 0.22, 0.22), (0.42, 0.41, 0.39), 25, 7, 0.7),
        mottled(0.24, 0.42, 40, 7),
        Metallic=1.0,
    )
    dish = [
        (0.0, 0.006),
        (0.085, 0.006),
        (0.100, 0.012),
        (0.112, 0.020),
        (0.150, 0.025),
        (0.153, 0.0265),
        (0.150, 0.023),
        (0.110, 0.014),
        (0.095, 0.004),
        (0.0, 0.002),
    ]
    plate = lathe("plate", dish, pewter, 128)
    plate.location = (0.095, 0.06, 0.0)

    brown = material("stalk", (0.10, 0.06, 0.03), 0.8)
    red = skin((0.55, 0.36, 0.07), (0.40, 0.018, 0.018), 55)
    russet = skin((0.50, 0.42, 0.07), (0.52, 0.10, 0.03), 40)
    green = skin((0.38, 0.42, 0.07), (0.52, 0.40, 0.09), 25)
    pear = skin((0.56, 0.46, 0.10), (0.46, 0.17, 0.05), 22, 0.6)
    peel = material(
        "peel",
        mottled((0.80, 0.24, 0.015), (0.86, 0.34, 0.03), 18, 4),
        0.36,
        bump=lambda n: n.add("ShaderNodeTexVoronoi", out="Distance", Vector=n.coords(), Scale=240.0),
        depth=0.0012,
        Subsurface_Weight=0.1,
        Subsurface_Radius=(0.01, 0.004, 0.002),
    )
    zest = material(
        "zest",
        mottled((0.80, 0.55, 0.03), (0.88, 0.68, 0.08), 20, 4),
        0.38,
        bump=lambda n: n.add("ShaderNodeTexVoronoi", out="Distance", Vector=n.coords(), Scale=260.0),
        depth=0.0012,
        Subsurface_Weight=0.1,
        Subsurface_Radius=(0.01, 0.006, 0.002),
    )
    for used, at, turn, size in (
        (red, (0.055, 0.015, 0.009), (0.12, 0.2, 0.4), 1.02),
        (russet, (0.145, 0.035, 0.010), (-0.2, 0.25, 1.9), 0.98),
        (green, (0.085, 0.105, 0.010), (0.1, -0.2, 3.0), 1.05),
        (red, (0.106, 0.052, 0.067), (0.5, -0.35, 4.4), 0.92),
        (russet, (-0.015, 0.165, 0.001), (0.1, 0.2, 0.9), 1.0),
    ):
        apple = fruit(APPLE, used, rng)
        stem(apple, 0.058, 0.026, brown)
        lie(apple, at, turn, size)
    for at, turn, size in (
        ((0.168, 0.105, 0.012), (0.05, 0.12, 0.5), 1.12),
        ((0.228, -0.062, 0.034), (1.45, 0.15, 2.2), 1.05),
    ):
        one = fruit(PEAR, pear, rng, 0.05)
        stem(one, 0.099, 0.026, brown)
        lie(one, at, turn, size)
    lie(fruit(ROUND, peel, rng, 0.02), (-0.004, -0.055, 0.0), (0.2, 0.3, 0), 1.03)
    lie(fruit(ROUND, peel, rng, 0.02), (0.300, 0.035, 0.0), (0.4, -0.3, 2), 1.0)
    lie(fruit(LEMON, zest, rng, 0.03), (-0.068, -0.115, 0.0265), (1.52, 0.1, 1.1), 1.0)
    skin_of_grape = material(
        "grape",
        lambda n: n.mix(n.random(), (0.075, 0.012, 0.035), (0.20, 0.03, 0.06)),
        lambda n: n.ramp(n.noise(2.5, 5), (0.35, 0.16), (0.65, 0.45)),
        Subsurface_Weight=0.35,
        Subsurface_Radius=(0.4, 0.12, 0.12),
        Subsurface_Scale=0.4,
    )
    grapes(rng, (0.125, -0.135, 0.0), skin_of_grape, brown)
    wine((0.262, 0.13, 0.0))
