"""A dancer on a stage: an arabesque in a spotlight, the skirt caught in mid-fall, others waiting in the dark."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np

from scenes.kit import Nodes, Shape, camera, curve, grid, light, link, material, mottled, noise, sky

ASPECT, SEED, SAMPLES = (4, 5), 4, 56
RENDER = {"exposure": 0.8, "look": "AgX - Medium High Contrast"}
DEVELOP = {"contrast": 0.3, "color": 1.05, "bloom": 0.3}

# The pose in meters, seen from the side: toes, ankle, knee, hip and so on. She looks along +x.
STAND = [
    (0.0, -0.05, 0.0),
    (0.002, -0.05, 0.06),
    (-0.012, -0.05, 0.165),
    (-0.018, -0.05, 0.33),
    (0.018, -0.055, 0.56),
    (0.02, -0.07, 0.76),
    (0.0, -0.08, 0.98),
]
STAND_SIZE = [0.014, 0.026, 0.033, 0.053, 0.051, 0.070, 0.085]
LIFT = [
    (-1.10, 0.15, 1.44),
    (-1.03, 0.15, 1.435),
    (-0.91, 0.15, 1.375),
    (-0.74, 0.15, 1.32),
    (-0.50, 0.14, 1.185),
    (-0.27, 0.11, 1.09),
    (-0.03, 0.07, 1.0),
]
LIFT_SIZE = [0.012, 0.024, 0.032, 0.050, 0.051, 0.072, 0.088]
SPINE = [(-0.01, 0, 0.955), (0.0, 0, 1.03), (0.035, 0, 1.13), (0.065, 0, 1.24), (0.075, 0, 1.34), (0.055, 0, 1.43)]
SPINE_WIDE, SPINE_DEEP = [0.135, 0.142, 0.105, 0.122, 0.142, 0.105], [0.098, 0.105, 0.078, 0.092, 0.098, 0.058]
REACH = [
    (0.065, -0.135, 1.415),
    (0.12, -0.185, 1.405),
    (0.25, -0.235, 1.425),
    (0.39, -0.25, 1.485),
    (0.52, -0.235, 1.555),
    (0.635, -0.21, 1.625),
    (0.70, -0.20, 1.652),
    (0.80, -0.19, 1.672),
]
RAISE = [
    (0.035, 0.135, 1.415),
    (0.02, 0.185, 1.43),
    (-0.05, 0.26, 1.545),
    (-0.13, 0.32, 1.66),
    (-0.185, 0.345, 1.79),
    (-0.215, 0.345, 1.905),
    (-0.222, 0.34, 1.965),
    (-0.205, 0.335, 2.06),
]
ARM_SIZE = [0.050, 0.046, 0.035, 0.030, 0.031, 0.021, 0.025, 0.008]
NECK = [(0.055, 0, 1.40), (0.062, 0, 1.46), (0.085, 0, 1.545)]


def limb(
    s: Shape, path: Sequence[Sequence[float]], sizes: Sequence[float], used: object, wide: Sequence[float] | None = None
) -> None:
    """A limb: rings around a smooth path; `wide` stretches them sideways (the trunk is broader than it is deep)."""
    line, count = curve(path, 60), 28
    r = curve([(a, b, 0) for a, b in zip(sizes, wide or sizes, strict=True)], 60)[:, :2]
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, np.where(np.abs(along[:, 1:2]) > 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)[:, None, None]
    rings = (line + r[:, :1] * np.cos(angle) * side + r[:, 1:] * np.sin(angle) * up).transpose(1, 0, 2)
    index = np.arange(60 * count).reshape(60, count)
    after = np.roll(index, -1, axis=1)
    faces = np.stack([index[:-1], after[:-1], after[1:], index[1:]], -1).reshape(-1, 4)
    s.add(rings.reshape(-1, 3).tolist(), [*faces.tolist(), index[0, ::-1].tolist(), index[-1].tolist()], used)


def ball(s: Shape, at: Sequence[float], size: Sequence[float], used: object, lean: float = 0.0) -> None:
    """An ellipsoid, tipped about y."""
    u, v = np.linspace(0, 2 * np.pi, 32, endpoint=False)[None], np.linspace(0.02, np.pi - 0.02, 20)[:, None]
    p = np.stack([size[0] * np.cos(u) * np.sin(v), size[1] * np.sin(u) * np.sin(v), size[2] * np.cos(v) + 0 * u], -1)
    c, d = np.cos(lean), np.sin(lean)
    p = np.stack([c * p[..., 0] + d * p[..., 2], p[..., 1], c * p[..., 2] - d * p[..., 0]], -1) + np.array(at)
    index = np.arange(20 * 32).reshape(20, 32)
    after = np.roll(index, -1, axis=1)
    faces = np.stack([index[:-1], index[1:], after[1:], after[:-1]], -1).reshape(-1, 4)
    s.add(p.reshape(-1, 3).tolist(), [*faces.tolist(), index[0].tolist(), index[-1, ::-1].tolist()], used)


def fuse(s: Shape, name: str, voxel: float = 0.006, soft: int = 6) -> bpy.types.Object:
    """Merge overlapping parts into one smooth skin."""
    thing = s.done(name, smooth=True)
    merge = thing.modifiers.new("merge", "REMESH")
    merge.mode, merge.voxel_size, merge.use_smooth_shade = "VOXEL", voxel, True
    smooth = thing.modifiers.new("smooth", "SMOOTH")
    smooth.factor, smooth.iterations = 0.5, soft
    return thing


def figure() -> list[bpy.types.Object]:
    """The body: legs in tights, a bodice, bare arms, head and neck, hair with a bun."""
    tights = material("tights", (0.78, 0.56, 0.50), 0.55, Sheen_Weight=0.3)
    bodice = material(
        "bodice",
        mottled((0.60, 0.62, 0.68), (0.85, 0.86, 0.90), 30, 5),
        0.35,
        Sheen_Weight=0.4,
        Coat_Weight=0.2,
    )
    skin = material(
        "skin",
        mottled((0.62, 0.36, 0.26), (0.70, 0.43, 0.32), 12, 5),
        0.6,
        Subsurface_Weight=0.2,
        Subsurface_Radius=(0.02, 0.008, 0.004),
    )
    hair = material(
        "hair", (0.035, 0.018, 0.010), 0.35, bump=lambda n: n.noise(1.0, 4, at=n.coords((40, 160, 40))), depth=0.004
    )
    satin = material("satin", (0.80, 0.50, 0.46), 0.25)
    legs, trunk, arms, head, shoes = (Shape() for _ in range(5))
    limb(legs, STAND, STAND_SIZE, tights)
    limb(legs, LIFT, LIFT_SIZE, tights)
    ball(legs, (-0.055, 0.0, 0.985), (0.10, 0.135, 0.09), tights)
    limb(trunk, SPINE, SPINE_DEEP, bodice, SPINE_WIDE)
    for side in (-1, 1):
        ball(trunk, (0.128, side * 0.055, 1.325), (0.052, 0.056, 0.056), bodice)
    limb(arms, REACH, ARM_SIZE, skin)
    limb(arms, RAISE, ARM_SIZE, skin)
    for path in (REACH, RAISE):
        hand(arms, np.array(path[-2]), np.array(path[-1]), skin)
    limb(
        arms, [(0.06, 0, 1.36), (0.058, 0, 1.41), (0.056, 0, 1.445)], [0.080, 0.066, 0.045], skin, [0.125, 0.150, 0.075]
    )
    limb(arms, NECK, [0.054, 0.037, 0.038], skin)
    # Cranium, face, jaw, chin, brow, nose: the profile is what one sees.
    ball(head, (0.098, 0, 1.640), (0.095, 0.073, 0.092), skin)
    ball(head, (0.133, 0, 1.588), (0.056, 0.054, 0.074), skin, -0.1)
    ball(head, (0.126, 0, 1.553), (0.050, 0.047, 0.028), skin, 0.25)
    ball(head, (0.168, 0, 1.533), (0.017, 0.020, 0.016), skin)
    ball(head, (0.174, 0, 1.634), (0.014, 0.038, 0.012), skin)
    limb(head, [(0.180, 0, 1.626), (0.195, 0, 1.605), (0.204, 0, 1.590)], [0.006, 0.008, 0.010], skin)
    for side in (-1, 1):
        ball(head, (0.092, side * 0.070, 1.600), (0.017, 0.009, 0.028), skin, -0.2)
    limb(head, NECK, [0.046, 0.037, 0.040], skin)
    face = Shape()
    ball(face, (0.184, 0, 1.561), (0.010, 0.017, 0.007), material("lips", (0.50, 0.08, 0.07), 0.4))
    for side in (-1, 1):
        ball(face, (0.172, side * 0.030, 1.613), (0.010, 0.010, 0.0055), hair)
        ball(face, (0.176, side * 0.031, 1.632), (0.009, 0.014, 0.0025), hair)
    locks = Shape()
    ball(locks, (0.088, 0, 1.657), (0.091, 0.0762, 0.086), hair, 0.3)
    ball(locks, (-0.008, 0, 1.682), (0.040, 0.046, 0.043), hair)
    limb(shoes, STAND[:3], [0.017, 0.0285, 0.034], satin)
    limb(shoes, LIFT[:3], [0.016, 0.0265, 0.033], satin)
    made = [
        fuse(legs, "legs", 0.006, 8),
        fuse(trunk, "trunk", 0.006, 10),
        fuse(arms, "arms", 0.0045, 5),
        fuse(head, "head", 0.0035, 5),
    ]
    return [*made, fuse(locks, "locks", 0.005, 3), fuse(shoes, "shoes", 0.0035, 3), face.done("face", smooth=True)]


def hand(s: Shape, wrist: np.ndarray, tip: np.ndarray, used: object) -> None:
    """Loosely spread fingers."""
    along = (tip - wrist) / np.linalg.norm(tip - wrist)
    across = np.cross(along, [0.0, 1.0, 0.0])
    across /= np.linalg.norm(across)
    palm = wrist + along * 0.06
    for k, long in enumerate((0.070, 0.082, 0.078, 0.062)):
        spread = (k - 1.5) * 0.011 * np.array([0, 1.0, 0]) + across * (0.006 * k - 0.012)
        end = palm + along * long + spread * 2.1 - across * 0.004 * k
        limb(s, [palm + spread * 0.6, palm + along * long * 0.5 + spread * 1.4, end], [0.0095, 0.0085, 0.005], used)
    limb(
        s,
        [wrist + along * 0.02, palm - across * 0.022 - along * 0.01, palm - across * 0.03 + along * 0.03],
        [0.012, 0.010, 0.006],
        used,
    )


def skirt(
    rng: np.random.Generator, body: list[bpy.types.Object], reach: float, frames: int, used: object, seed: int
) -> bpy.types.Object:
    """A ring of tulle around the waist, let fall over the legs and stopped before it comes to rest."""
    for part in body[:2]:
        if "hit" not in part.modifiers:
            part.modifiers.new("hit", "COLLISION")
            part.collision.thickness_outer, part.collision.cloth_friction = 0.008, 2.0
    around, out = 200, 34
    a, t = np.linspace(0, 2 * np.pi, around, endpoint=False)[None], np.linspace(0, 1, out)[:, None]
    flare = 1 + 0.05 * noise(np.cos(a) * 3, np.sin(a) * 3 + t, seed, 2)
    r = 0.118 + reach * t * flare
    # Many small pleats at the waist become broad waves at the hem.
    x = 0.018 + r * np.cos(a) * (0.82 + 0.18 * t)
    z = (
        1.085
        + 0.10 * t
        + 0.085 * t * np.sin(9 * a + 3 * noise(np.cos(a) * 2, np.sin(a) * 2, seed + 1, 2))
        - 0.10 * np.cos(a) * r
    )
    p = np.stack([x, r * np.sin(a), z], -1).reshape(-1, 3)
    index = np.arange(around * out).reshape(out, around)
    after = np.roll(index, -1, axis=1)
    faces = np.stack([index[:-1], after[:-1], after[1:], index[1:]], -1).reshape(-1, 4)
    data = bpy.data.meshes.new("skirt")
    data.from_pydata(p.tolist(), [], faces.tolist())
    data.materials.append(used)
    data.polygons.foreach_set("use_smooth", [True] * len(faces))
    thing = link(bpy.data.objects.new("skirt", data))
    pin = thing.vertex_groups.new(name="pin")
    pin.add(index[:2].ravel().tolist(), 1.0, "REPLACE")
    sim = thing.modifiers.new("cloth", "CLOTH")
    sim.settings.vertex_group_mass, sim.settings.quality, sim.settings.mass = "pin", 6, 0.06
    sim.settings.bending_stiffness, sim.settings.air_damping = 0.6, 2.5
    sim.collision_settings.distance_min = 0.005
    sim.point_cache.frame_end = frames
    for frame in range(1, frames + 1):
        bpy.context.scene.frame_set(frame)
    thing.modifiers.new("smooth", "SUBSURF").render_levels = 1
    return thing


def tulle() -> bpy.types.Material:
    """Thin white cloth: half lets the light through, so that edges and folds show brighter."""
    made = bpy.data.materials.new("tulle")
    made.use_nodes = True
    made.node_tree.nodes.clear()
    n = Nodes(made.node_tree)

    def mixed(factor: object, a: object, b: object) -> object:
        node = n.tree.nodes.new("ShaderNodeMixShader")
        for index, value in enumerate((factor, a, b)):
            n.put(node.inputs[index], value)
        return node.outputs[0]

    color = (0.82, 0.85, 0.92)
    cloth = mixed(0.45, n.add("ShaderNodeBsdfDiffuse", Color=color), n.add("ShaderNodeBsdfTranslucent", Color=color))
    # Seen edge-on, tulle is denser.
    edge = n.add("ShaderNodeLayerWeight", out="Facing", Blend=0.35)
    dense = n.math("MULTIPLY_ADD", edge, 0.55, 0.36)
    surface = mixed(dense, n.add("ShaderNodeBsdfTransparent"), cloth)
    n.tree.links.new(surface, n.tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return made


def beam(
    tip: Sequence[float], foot: Sequence[float], radius: float, color: tuple[float, float, float], strength: float
) -> None:
    """The lit dust in a spotlight's cone: glow that fades downward and toward the rim."""
    made = bpy.data.materials.new("beam")
    made.use_nodes = True
    made.cycles.emission_sampling = "NONE"
    made.node_tree.nodes.clear()
    n = Nodes(made.node_tree)
    facing = n.math("SUBTRACT", 1.0, n.add("ShaderNodeLayerWeight", out="Facing", Blend=0.5))
    fade = n.ramp(n.math("DIVIDE", n.split(n.world(), "Z"), tip[2]), (0.0, 0.0), (0.25, 0.25), (1.0, 1.0))
    dust = n.ramp(n.noise(0.9, 5, 0.6, at=n.world((1, 1, 0.6))), (0.3, 0.45), (0.7, 1.2))
    glow = n.math(
        "MULTIPLY", n.math("MULTIPLY", n.math("POWER", facing, 2.2), fade), n.math("MULTIPLY", dust, strength)
    )
    node = n.tree.nodes.new("ShaderNodeAddShader")
    n.put(node.inputs[0], n.add("ShaderNodeBsdfTransparent"))
    n.put(node.inputs[1], n.add("ShaderNodeEmission", Color=color, Strength=glow))
    n.tree.links.new(node.outputs[0], n.tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    s = Shape()
    s.tube([tip, foot], [0.05, radius], made, sides=72)
    # Only the mantle: the caps would be seen.
    s.faces, s.slots = s.faces[2:], s.slots[2:]
    thing = s.done("beam", smooth=True)
    thing.visible_shadow = thing.visible_diffuse = thing.visible_glossy = False


def velvet(x: float, y: float, wide: float, tall: float, folds: float, used: object, seed: int) -> None:
    """A stage curtain in deep folds."""
    u, v = np.linspace(0, 1, 240)[None], np.linspace(0, 1, 40)[:, None]
    fold = 0.16 * np.sin(u * 2 * np.pi * folds + 1.4 * noise(u * 4, v * 0.8, seed, 2)) + 0.05 * noise(
        u * 20, v, seed + 1, 2
    )
    grid("velvet", x + wide * u + 0 * v, y + fold + 0 * v, tall * v + 0 * u, used)


def build(rng: np.random.Generator) -> None:
    """Put the scene together."""
    camera((1.0, -6.2, 1.02), (-0.12, 0, 1.12), lens=72, focus=6.3, fstop=0.9)
    sky((0.05, 0.06, 0.10), 0.35)

    def boards(n: Nodes) -> object:
        plank = n.add(
            "ShaderNodeTexBrick",
            Vector=n.coords(),
            Color1=(0.17, 0.095, 0.055),
            Color2=(0.085, 0.045, 0.026),
            Mortar=(0.008, 0.005, 0.003),
            Scale=1.0,
            Mortar_Size=0.004,
            Brick_Width=2.4,
            Row_Height=0.15,
        )
        return n.mix(
            1.0,
            plank,
            n.ramp(n.noise(1.0, 8, 0.7, at=n.coords((2.5, 30, 1)), warp=1.0), (0.3, 0.5), (0.7, 1.3)),
            "MULTIPLY",
        )

    floor = Shape()
    floor.panel(
        [(-8, -8, 0), (8, -8, 0), (8, 8, 0), (-8, 8, 0)],
        material("boards", boards, mottled(0.16, 0.42, 3, 8, 0.7)),
    )
    floor.done("floor")
    red = material(
        "velvet",
        mottled((0.20, 0.012, 0.016), (0.36, 0.03, 0.03), 1.0, 6, 0.7, stretch=(6, 6, 1.5)),
        0.9,
        Sheen_Weight=0.6,
    )
    velvet(-5.5, 5.6, 11.0, 7.0, 17, red, 1)
    velvet(-4.6, 2.2, 2.7, 7.0, 6, red, 4)
    velvet(2.05, 2.6, 3.0, 7.0, 6, red, 8)

    body = figure()
    gauze = tulle()
    layers = [skirt(rng, body, reach, frames, gauze, seed) for reach, frames, seed in ((0.56, 23, 3), (0.66, 19, 9))]
    for x, y, turn, size in ((-1.75, 3.2, 0.35, 1.0), (1.45, 4.1, 2.7, 1.0), (-0.7, 4.6, 0.1, 0.98)):
        ghost = bpy.data.objects.new("place", None)
        link(ghost)
        ghost.location, ghost.rotation_euler, ghost.scale = (x, y, 0), (0, 0, turn), (size, size, size)
        graph = bpy.context.evaluated_depsgraph_get()
        for part in (*body, *layers):
            # The others are frozen copies: a second simulation would only cost time.
            copy = link(bpy.data.objects.new("other", bpy.data.meshes.new_from_object(part.evaluated_get(graph))))
            copy.parent = ghost

    light(
        "SPOT",
        (-2.6, -3.4, 5.6),
        (-0.1, 0, 1.05),
        power=2100.0,
        color=(1.0, 0.88, 0.70),
        size=0.10,
        spot_size=0.40,
        spot_blend=0.35,
    )
    light(
        "SPOT",
        (2.6, 2.9, 4.6),
        (-0.1, 0, 1.1),
        power=1300.0,
        color=(0.55, 0.70, 1.0),
        size=0.15,
        spot_size=0.55,
        spot_blend=0.5,
    )
    light(
        "SPOT",
        (-3.4, 2.6, 4.2),
        (-0.2, 0, 1.2),
        power=700.0,
        color=(1.0, 0.62, 0.36),
        size=0.15,
        spot_size=0.6,
        spot_blend=0.5,
    )
    light("AREA", (0, 4.2, 6.4), (0, 5.4, 1.0), power=130.0, color=(1.0, 0.42, 0.32), size=2.5)
    light("AREA", (0.5, -5, 0.4), (0, 0, 1.0), power=16.0, color=(1.0, 0.72, 0.52), size=1.5)
    beam((-1.5, 0.8, 5.6), (-0.05, 0.25, 0.0), 1.15, (1.0, 0.86, 0.66), 0.08)
    beam((2.6, 3.4, 4.9), (0.2, 0.8, 0.0), 1.0, (0.50, 0.66, 1.0), 0.06)
