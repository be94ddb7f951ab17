"""What the scenes share: a fresh Blender, meshes from arrays, shader nodes in one line, scattered copies, a render."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector
from PIL import Image, ImageChops, ImageEnhance, ImageFilter

Color = tuple[float, float, float]
MAX_BYTES = 300_000


# ---------------------------------------------------------------------------------------------- scene and camera
def reset() -> bpy.types.Scene:
    """Empty the file and choose the path tracer."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.world = bpy.data.worlds.new("world")
    return scene


def camera(
    at: Sequence[float], look: Sequence[float], lens: float = 35.0, focus: float | None = None, fstop: float = 2.8
) -> bpy.types.Object:
    """Place the camera; with `focus`, a distance in meters, what lies nearer or farther is blurred."""
    data = bpy.data.cameras.new("camera")
    data.lens, data.clip_end = lens, 20_000.0
    if focus is not None:
        data.dof.use_dof, data.dof.focus_distance, data.dof.aperture_fstop = True, focus, fstop
    thing = link(bpy.data.objects.new("camera", data))
    aim(thing, at, look)
    bpy.context.scene.camera = thing
    return thing


def aim(thing: bpy.types.Object, at: Sequence[float], look: Sequence[float]) -> None:
    """Put a camera or a lamp at `at` and turn it toward `look`."""
    thing.location = at
    thing.rotation_euler = (Vector(look) - Vector(at)).to_track_quat("-Z", "Y").to_euler()


def light(
    kind: str,
    at: Sequence[float],
    look: Sequence[float] = (0, 0, 0),
    power: float = 100.0,
    color: Color = (1, 1, 1),
    size: float = 1.0,
    **more: Any,
) -> bpy.types.Object:
    """Add a lamp: SUN (size in degrees), AREA (size in meters), POINT or SPOT (radius in meters)."""
    data = bpy.data.lights.new(kind.lower(), kind)
    data.energy, data.color = power, color
    if kind == "SUN":
        data.angle = math.radians(size)
    elif kind == "AREA":
        data.size = size
    else:
        data.shadow_soft_size = size
    for key, value in more.items():
        setattr(data, key, value)
    thing = link(bpy.data.objects.new(kind.lower(), data))
    aim(thing, at, look)
    return thing


def link(thing: bpy.types.Object) -> bpy.types.Object:
    """Put an object into the scene."""
    bpy.context.scene.collection.objects.link(thing)
    return thing


# ---------------------------------------------------------------------------------------------- shader nodes
class Nodes:
    """A node tree, written as calls: each call adds a node, links the sockets it is given and returns an output."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def add(self, kind: str, out: int | str = 0, **settings: Any) -> Any:
        """Add a node; lower-case settings are its properties, the others its inputs (`_` stands for a space)."""
        node = self.tree.nodes.new(kind)
        for key, value in settings.items():
            if key[0].islower():
                setattr(node, key, value)
        for key, value in settings.items():
            if not key[0].islower():
                # A node may have several inputs of one name, one for each data type: only one is in use.
                name = key.replace("_", " ")
                self.put(next(s for s in node.inputs if s.name == name and s.enabled), value)
        return node.outputs[out]

    def put(self, socket: Any, value: Any) -> None:
        """Link `value` to an input, or set it as the input's constant."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif isinstance(value, (tuple, list)) and len(value) == 3 and len(socket.default_value) == 4:
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def math(self, operation: str, *values: Any, clamp: bool = False) -> Any:
        """Arithmetic on one to three numbers or sockets."""
        node = self.tree.nodes.new("ShaderNodeMath")
        node.operation, node.use_clamp = operation, clamp
        for socket, value in zip(node.inputs, values, strict=False):
            self.put(socket, value)
        return node.outputs[0]

    def mix(self, factor: Any, a: Any, b: Any, blend: str = "MIX") -> Any:
        """Blend two colors."""
        node = self.tree.nodes.new("ShaderNodeMix")
        node.data_type, node.blend_type = "RGBA", blend
        for index, value in ((0, factor), (6, a), (7, b)):
            self.put(node.inputs[index], value)
        return node.outputs[2]

    def ramp(self, factor: Any, *stops: tuple[float, Any], mode: str = "LINEAR") -> Any:
        """Look a number up in a color ramp; a stop's color may be a gray level."""
        node = self.tree.nodes.new("ShaderNodeValToRGB")
        ramp = node.color_ramp
        ramp.interpolation = mode
        while len(ramp.elements) < len(stops):
            ramp.elements.new(1.0)
        for element, (where, color) in zip(ramp.elements, stops, strict=True):
            element.position = where
            element.color = (color, color, color, 1) if isinstance(color, (int, float)) else (*color, 1)
        self.put(node.inputs[0], factor)
        return node.outputs[0]

    def noise(self, scale: float, detail: float = 6.0, rough: float = 0.55, at: Any = None, warp: float = 0.0) -> Any:
        """Fractal noise between 0 and 1, in object coordinates unless told otherwise."""
        at = self.coords() if at is None else at
        return self.add("ShaderNodeTexNoise", Vector=at, Scale=scale, Detail=detail, Roughness=rough, Distortion=warp)

    def coords(self, scale: Sequence[float] | None = None, kind: str = "Object") -> Any:
        """Object coordinates (or `Generated`, `UV`), each axis scaled."""
        at = self.add("ShaderNodeTexCoord", out=kind)
        return at if scale is None else self.scaled(at, scale)

    def world(self, scale: Sequence[float] = (1, 1, 1)) -> Any:
        """World coordinates, each axis scaled."""
        return self.scaled(self.add("ShaderNodeNewGeometry", out="Position"), scale)

    def scaled(self, at: Any, scale: Sequence[float]) -> Any:
        """Scale each axis of a vector."""
        return self.add("ShaderNodeMapping", Vector=at, Scale=tuple(scale))

    def split(self, vector: Any, axis: str) -> Any:
        """One axis of a vector: X, Y or Z."""
        return self.add("ShaderNodeSeparateXYZ", out=axis, Vector=vector)

    def bump(self, height: Any, distance: float, strength: float = 1.0) -> Any:
        """Turn a height into a bent normal."""
        return self.add("ShaderNodeBump", Height=height, Distance=distance, Strength=strength)

    def random(self) -> Any:
        """A number in [0, 1) that differs from copy to copy."""
        return self.add("ShaderNodeObjectInfo", out="Random")


class Haze:
    """Air that lightens what is far: a mix in each material instead of a volume, so it is free of noise."""

    def __init__(self, color: Color, distance: float, ground: float = 0.0, height: float = 1.0) -> None:
        self.color, self.distance, self.ground, self.height = color, distance, ground, height

    def over(self, n: Nodes, shader: Any) -> Any:
        """Mix the haze's glow over a shader."""
        far = n.math("DIVIDE", n.add("ShaderNodeCameraData", out="View Distance"), self.distance)
        if self.ground:
            # Mist lies in the valleys: it thins out with height.
            up = n.math("DIVIDE", n.split(n.world(), "Z"), -self.height)
            thick = n.math("MULTIPLY_ADD", n.math("EXPONENT", n.math("MINIMUM", up, 0.0)), self.ground, 1.0)
            far = n.math("MULTIPLY", far, thick)
        seen = n.math("SUBTRACT", 1.0, n.math("EXPONENT", n.math("MULTIPLY", far, -1.0)))
        glow = n.add("ShaderNodeEmission", Color=self.color)
        node = n.tree.nodes.new("ShaderNodeMixShader")
        for index, value in ((0, seen), (1, shader), (2, glow)):
            n.put(node.inputs[index], value)
        return node.outputs[0]


def material(
    name: str,
    color: Color | Callable[[Nodes], Any] = (0.8, 0.8, 0.8),
    rough: float | Callable[[Nodes], Any] = 0.7,
    bump: Callable[[Nodes], Any] | None = None,
    depth: float = 0.01,
    haze: Haze | None = None,
    **inputs: Any,
) -> bpy.types.Material:
    """A Principled material; color, roughness and bump height may be functions that build nodes."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    n = Nodes(tree)
    values = {key: value(n) if callable(value) else value for key, value in inputs.items()}
    if bump is not None:
        values["Normal"] = n.bump(bump(n), depth)
    shader = n.add(
        "ShaderNodeBsdfPrincipled",
        Base_Color=color(n) if callable(color) else color,
        Roughness=rough(n) if callable(rough) else rough,
        **values,
    )
    if haze is not None:
        shader = haze.over(n, shader)
        made.cycles.emission_sampling = "NONE"
    tree.links.new(shader, tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return made


def mottled(
    dark: Color | float,
    pale: Color | float,
    scale: float,
    detail: float = 6.0,
    rough: float = 0.55,
    stretch: Sequence[float] | None = None,
) -> Callable[[Nodes], Any]:
    """Patches between two colors (or gray levels), for `material`: few things in the world are of one color."""

    def paint(n: Nodes) -> Any:
        return n.ramp(n.noise(scale, detail, rough, at=n.coords(stretch)), (0.3, dark), (0.7, pale))

    return paint


def glowing(name: str, color: Color | Callable[[Nodes], Any], strength: float) -> bpy.types.Material:
    """A material that only shines."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    tree = made.node_tree
    tree.nodes.clear()
    n = Nodes(tree)
    glow = n.add("ShaderNodeEmission", Color=color(n) if callable(color) else color, Strength=strength)
    tree.links.new(glow, tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return made


def sky(color: Color | Callable[[Nodes], Any], strength: float = 1.0) -> None:
    """Paint the world's background in one color, or with a function that builds nodes."""
    tree = bpy.context.scene.world.node_tree
    tree.nodes.clear()
    n = Nodes(tree)
    ground = n.add("ShaderNodeBackground", Color=color(n) if callable(color) else color, Strength=strength)
    tree.links.new(ground, tree.nodes.new("ShaderNodeOutputWorld").inputs["Surface"])


# ---------------------------------------------------------------------------------------------- meshes
class Shape:
    """A mesh in the making: add boxes, slabs, tubes and panels, each with a material, then `done()`."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float, float]] = []
        self.faces: list[tuple[int, ...]] = []
        self.slots: list[int] = []
        self.materials: list[bpy.types.Material] = []
        self.frame = Matrix.Identity(4)

    def at(self, x: float, y: float, z: float = 0.0, turn: float = 0.0) -> Shape:
        """Move the origin of what is added next, turned about the vertical (radians)."""
        self.frame = Matrix.Translation((x, y, z)) @ Matrix.Rotation(turn, 4, "Z")
        return self

    def add(
        self, points: Iterable[Sequence[float]], faces: Iterable[Sequence[int]], material: bpy.types.Material
    ) -> None:
        """Add points and the faces between them."""
        if material not in self.materials:
            self.materials.append(material)
        start, slot = len(self.points), self.materials.index(material)
        self.points += [tuple(self.frame @ Vector(p)) for p in points]
        for face in faces:
            self.faces.append(tuple(start + i for i in face))
            self.slots.append(slot)

    def panel(self, points: Sequence[Sequence[float]], material: bpy.types.Material) -> None:
        """Add one flat face."""
        self.add(points, [range(len(points))], material)

    def box(self, low: Sequence[float], high: Sequence[float], material: bpy.types.Material) -> None:
        """Add a box between two corners."""
        (a, b, c), (d, e, f) = low, high
        points = [(a, b, c), (d, b, c), (d, e, c), (a, e, c), (a, b, f), (d, b, f), (d, e, f), (a, e, f)]
        self.add(points, BOX, material)

    def slab(self, corners: Sequence[Sequence[float]], thick: float, material: bpy.types.Material) -> None:
        """Add a four-cornered plate (a roof's side), `thick` deep along its normal's opposite."""
        a, b, _, d = (Vector(c) for c in corners)
        under = -(b - a).cross(d - a).normalized() * thick
        points = [tuple(Vector(c) + under) for c in corners] + [tuple(c) for c in corners]
        self.add(points, BOX, material)

    def beam(self, a: Sequence[float], b: Sequence[float], width: float, material: bpy.types.Material) -> None:
        """Add a square timber from one point to another."""
        self.tube([a, b], [width * 0.7071] * 2, material, sides=4)

    def tube(
        self,
        path: Sequence[Sequence[float]],
        radii: Sequence[float],
        material: bpy.types.Material,
        sides: int = 10,
    ) -> None:
        """Add a round bar along a path, one radius for each point."""
        points: list[Vector] = []
        for i, (center, radius) in enumerate(zip(path, radii, strict=True)):
            along = Vector(path[min(i + 1, len(path) - 1)]) - Vector(path[max(i - 1, 0)])
            side = (
                along.orthogonal().normalized() if abs(along.normalized().z) > 0.99 else Vector((0, 0, 1)).cross(along)
            )
            side.normalize()
            up = along.cross(side).normalized()
            for k in range(sides):
                angle = 2 * math.pi * (k + 0.5) / sides
                points.append(Vector(center) + radius * (math.cos(angle) * side + math.sin(angle) * up))
        faces: list[Sequence[int]] = [range(sides)[::-1], range(len(points) - sides, len(points))]
        for i in range(len(path) - 1):
            for k in range(sides):
                a, b = i * sides + k, i * sides + (k + 1) % sides
                faces.append((a, b, b + sides, a + sides))
        self.add(points, faces, material)

    def done(self, name: str, smooth: bool = False, bevel: float = 0.0) -> bpy.types.Object:
        """Make the object."""
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(self.points, [], self.faces)
        for used in self.materials:
            mesh.materials.append(used)
        mesh.polygons.foreach_set("material_index", self.slots)
        mesh.polygons.foreach_set("use_smooth", [smooth] * len(self.faces))
        thing = link(bpy.data.objects.new(name, mesh))
        if bevel:
            edge = thing.modifiers.new("bevel", "BEVEL")
            edge.width, edge.segments, edge.limit_method = bevel, 2, "ANGLE"
        return thing


BOX = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]


def mesh(
    name: str, points: np.ndarray, faces: np.ndarray, material: bpy.types.Material, smooth: bool = True
) -> bpy.types.Object:
    """An object from arrays of points (N, 3) and faces (M, 3 or 4)."""
    data = bpy.data.meshes.new(name)
    data.from_pydata(points.tolist(), [], faces.tolist())
    data.materials.append(material)
    data.polygons.foreach_set("use_smooth", [smooth] * len(faces))
    return link(bpy.data.objects.new(name, data))


def grid(name: str, x: np.ndarray, y: np.ndarray, z: np.ndarray, material: bpy.types.Material) -> bpy.types.Object:
    """A surface over a grid: x, y, z have one shape (rows, columns)."""
    rows, columns = z.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    faces = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1, 4)
    return mesh(name, np.stack([x, y, z], -1).reshape(-1, 3), faces, material)


def lathe(
    name: str, profile: Sequence[tuple[float, float]], material: bpy.types.Material, sides: int = 64
) -> bpy.types.Object:
    """A surface of revolution about z; the profile is pairs of radius and height."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    r, h = np.array(profile, float).T
    return grid(name, r[:, None] * np.cos(angle), r[:, None] * np.sin(angle), h[:, None] + 0 * angle, material)


def curve(points: Sequence[Sequence[float]], count: int) -> np.ndarray:
    """A smooth line through the points (Catmull-Rom), `count` points long."""
    p = np.array(points, float)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.linspace(0, len(p) - 3 - 1e-9, count)
    i, f = t.astype(int), (t % 1)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)


def scatter(child: bpy.types.Object, points: np.ndarray, sizes: np.ndarray, turns: np.ndarray) -> None:
    """Copy an object to many points; copies share the mesh, so thousands cost little."""
    # Blender copies a child onto each face of its parent: one small square a copy carries place, size and turn.
    corners = turns[:, None] + np.pi * (np.arange(4) / 2 + 0.25)
    around = np.stack([np.cos(corners), np.sin(corners), 0 * corners], -1) * (sizes / np.sqrt(2))[:, None, None]
    squares = (points[:, None] + around).reshape(-1, 3)
    data = bpy.data.meshes.new("scatter")
    data.from_pydata(squares.tolist(), [], np.arange(len(squares)).reshape(-1, 4).tolist())
    parent = link(bpy.data.objects.new("scatter", data))
    parent.instance_type, parent.use_instance_faces_scale = "FACES", True
    parent.show_instancer_for_render = False
    child.parent = parent
    child.location = (0, 0, 0)


# ---------------------------------------------------------------------------------------------- numbers
def noise(x: np.ndarray, y: np.ndarray, seed: int, octaves: int = 6, gain: float = 0.5, ridged: bool = False) -> Any:
    """Fractal gradient noise over arrays of coordinates, about -1 to 1; ridged noise runs from 0 to 1."""
    total, size, norm = np.zeros(np.broadcast(x, y).shape), 1.0, 0.0
    for octave in range(octaves):
        wave = _gradient_noise(x * 2.0**octave + 17.3 * octave, y * 2.0**octave - 9.1 * octave, seed + octave)
        total += size * ((1 - np.abs(wave) * 1.6).clip(0) ** 2 if ridged else wave * 1.6)
        norm += size
        size *= gain
    return total / norm


def _gradient_noise(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Perlin's noise: smooth, and zero at the corners of a unit grid."""
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (256, 256))
    i, j = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = x - i, y - j

    def corner(a: int, b: int) -> np.ndarray:
        angle = angles[(i + a) % 256, (j + b) % 256]
        return np.cos(angle) * (u - a) + np.sin(angle) * (v - b)

    s, t = u**3 * (u * (6 * u - 15) + 10), v**3 * (v * (6 * v - 15) + 10)
    top = corner(0, 0) * (1 - s) + corner(1, 0) * s
    return top * (1 - t) + (corner(0, 1) * (1 - s) + corner(1, 1) * s) * t


def erode(z: np.ndarray, seed: int, drops: int = 160_000, steps: int = 56, batch: int = 20_000) -> np.ndarray:
    """Let rain carve a height field (heights in cells): drops run downhill, dig where fast, drop silt where slow."""
    rng, z = np.random.default_rng(seed), z.astype(float).copy()
    rows, columns = z.shape
    flat = z.reshape(-1)
    for _ in range(0, drops, batch):
        at = rng.uniform(1, [rows - 3, columns - 3], (batch, 2))
        way, speed, water, silt = np.zeros((batch, 2)), np.ones(batch), np.ones(batch), np.zeros(batch)
        for _ in range(steps):
            corner = at.astype(int)
            (u, v), base = (at - corner).T, corner[:, 0] * columns + corner[:, 1]
            a, b, c, d = flat[base], flat[base + 1], flat[base + columns], flat[base + columns + 1]
            slope = np.stack([(c - a) * (1 - v) + (d - b) * v, (b - a) * (1 - u) + (d - c) * u], 1)
            way = 0.25 * way - 0.75 * slope
            way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-9
            height = a * (1 - u) * (1 - v) + b * (1 - u) * v + c * u * (1 - v) + d * u * v
            at = (at + way).clip(1, [rows - 3, columns - 3])
            i, j = at.astype(int).T
            fall = height - flat[i * columns + j]
            room = np.maximum(fall, 0.01) * speed * water * 4 - silt
            move = np.where(
                (room > 0) & (fall > 0), np.minimum(0.15 * room, 0.5 * fall.clip(0)), 0.15 * np.minimum(room, 0)
            )
            silt += move
            for shift, share in (
                (0, (1 - u) * (1 - v)),
                (1, (1 - u) * v),
                (columns, u * (1 - v)),
                (columns + 1, u * v),
            ):
                np.subtract.at(flat, base + shift, (move * share).clip(-0.1, 0.1))
            speed = np.sqrt((speed**2 + fall).clip(0.05, 16))
            water *= 0.97
    return z


# ---------------------------------------------------------------------------------------------- plants
def conifer(
    rng: np.random.Generator, needles: bpy.types.Material, bark: bpy.types.Material, tiers: int = 26, leaves: int = 7
) -> Any:
    """A spruce of height 1: whorls of drooping branches, each a fan of narrow leaves."""
    points, faces = [], []
    for tier in range(tiers):
        up = (tier / tiers) ** 0.9
        reach = 0.19 * (1 - up) ** 0.85 * rng.uniform(0.8, 1.15) + 0.008
        for arm in range(9):
            angle = 2.4 * tier + 2 * np.pi * arm / 9 + rng.normal(0, 0.3)
            length, high = reach * rng.uniform(0.5, 1.25), 0.09 + 0.9 * up + rng.normal(0, 0.006)
            droop = rng.uniform(0.35, 1.0)
            out, side = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0])
            for leaf in np.linspace(0.12, 1, leaves):
                # A branch sinks first and lifts its tip.
                base = out * length * leaf + np.array([0, 0, high - length * (droop * leaf - 0.4 * leaf**2)])
                for hand in (-1, 1):
                    tip = base + out * length * 0.25 + side * hand * length * 0.34 * (1.2 - leaf)
                    tip = tip + np.array([0, 0, -0.2 * length * rng.uniform(0.3, 1.2)])
                    points += [base - out * length * 0.07, base + out * length * 0.13, tip]
                    faces.append((len(points) - 3, len(points) - 2, len(points) - 1))
    tree = Shape()
    tree.add(points, faces, needles)
    tree.tube([(0, 0, -0.03), (0, 0, 0.97)], [0.014, 0.002], bark, sides=6)
    return tree.done("conifer")


def broadleaf(rng: np.random.Generator, leaves: bpy.types.Material, bark: bpy.types.Material, count: int = 3500) -> Any:
    """A round-headed tree of height 1: leaves on the shells of a few dozen puffs."""
    tree = Shape()
    tree.tube([(0, 0, -0.03), (0.01, 0, 0.2), (0, 0.01, 0.5)], [0.03, 0.022, 0.012], bark, sides=7)
    puffs = []
    for _ in range(34):
        way = rng.normal(size=3)
        way /= np.linalg.norm(way)
        puffs.append(np.array([0, 0, 0.6]) + way * np.array([0.25, 0.25, 0.28]) * rng.uniform(0.5, 1.0) ** 0.5)
    points, faces = [], []
    for _ in range(count):
        way = rng.normal(size=3)
        way /= np.linalg.norm(way)
        here = puffs[rng.integers(len(puffs))] + way * rng.uniform(0.05, 0.115)
        a, b = (v / np.linalg.norm(v) * rng.uniform(0.012, 0.022) for v in rng.normal(size=(2, 3)))
        points += [here - a, here + b, here + a, here - b]
        faces.append(tuple(range(len(points) - 4, len(points))))
    tree.add(points, faces, leaves)
    for puff in puffs[:12]:
        tree.tube([(0, 0.01, 0.35), tuple(puff)], [0.012, 0.004], bark, sides=5)
    return tree.done("broadleaf")


def tuft(rng: np.random.Generator, blades: bpy.types.Material, count: int = 60) -> Any:
    """A tuft of grass of about height 1: bent blades."""
    points, faces = [], []
    for _ in range(count):
        angle, lean, tall = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.8), rng.uniform(0.4, 1.0)
        out, side = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0]) * 0.018
        root = out * rng.uniform(0, 0.5) + side * rng.normal(0, 6)
        knee, tip = root + out * lean * 0.3 + [0, 0, 0.6 * tall], root + out * lean + [0, 0, tall * (1 - 0.2 * lean)]
        points += [root - side, root + side, knee + side * 0.8, tip, knee - side * 0.8]
        faces.append(tuple(range(len(points) - 5, len(points))))
    grass = Shape()
    grass.add(points, faces, blades)
    return grass.done("tuft")


# ---------------------------------------------------------------------------------------------- boats
def rowboat(
    hull: bpy.types.Material, wood: bpy.types.Material, at: Sequence[float], turn: float, length: float
) -> bpy.types.Object:
    """A small open boat along x, afloat at z = 0."""
    t, s = np.linspace(-1, 1, 25)[:, None], np.linspace(-1, 1, 15)[None]
    # The stern (t = -1) is broad, the bow comes to a point and sweeps up.
    half = 0.17 * length * np.clip(1 - np.abs((t + 0.15) / 1.15) ** 2.6, 0.015, 1) ** 0.8
    rim = 0.085 * length + 0.06 * length * np.clip(t, 0, 1) ** 2.2 + 0.02 * length * np.clip(-t, 0, 1) ** 2
    keel = -0.05 * length + 0.05 * length * np.clip(t, 0, 1) ** 4
    x = t * length / 2 + 0.05 * length * np.clip(t, 0, 1) * np.abs(s)
    y = half * np.sign(s) * np.abs(s) ** 0.7
    z = keel + (rim - keel) * np.abs(s) ** 2.2
    boat = grid("boat", x + 0 * s, y, z, hull)
    boat.modifiers.new("planks", "SOLIDIFY").thickness = -0.035
    fittings = Shape()
    stern = [(float(a), float(b), float(c)) for a, b, c in zip(x[0], y[0], z[0], strict=True)]
    fittings.panel(stern, hull)
    fittings.panel([(a + 0.03, b, c) for a, b, c in stern[::-1]], wood)
    for place in (-0.62, -0.1, 0.38):
        i = int((place + 1) * 12)
        w = float(half[i, 0]) * 0.93
        fittings.box(
            (place * length / 2 - 0.13, -w, 0.055 * length), (place * length / 2 + 0.13, w, 0.055 * length + 0.04), wood
        )
    edge = [(float(a), float(b), float(c)) for a, b, c in zip(x[:, 0], y[:, 0], z[:, 0], strict=True)]
    for side in (-1, 1):
        fittings.tube([(a, -side * b, c) for a, b, c in edge], [0.035] * len(edge), wood, sides=6)
    seats = fittings.done("seats")
    seats.parent = boat
    boat.location, boat.rotation_euler = at, (0, 0, turn)
    return boat


# ---------------------------------------------------------------------------------------------- picture
def render(path: Path, size: tuple[int, int], samples: int, look: str = "AgX - Punchy", exposure: float = 0.0) -> None:
    """Trace the scene and keep the picture as PNG."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = *size, 100
    cycles = scene.cycles
    cycles.samples, cycles.use_adaptive_sampling, cycles.adaptive_threshold = samples, True, 0.02
    cycles.use_denoising, cycles.denoiser, cycles.seed = True, "OPENIMAGEDENOISE", 1
    cycles.max_bounces, cycles.diffuse_bounces, cycles.transparent_max_bounces = 8, 3, 16
    cycles.sample_clamp_indirect, cycles.caustics_reflective, cycles.caustics_refractive = 4.0, False, False
    scene.view_settings.view_transform, scene.view_settings.look = "AgX", look
    scene.view_settings.exposure = exposure
    scene.render.image_settings.file_format, scene.render.filepath = "PNG", str(path)
    bpy.ops.render.render(write_still=True)


def develop(
    image: Image.Image,
    contrast: float = 0.0,
    color: float = 1.0,
    bloom: float = 0.25,
    grain: float = 1.2,
    seed: int = 0,
) -> Image.Image:
    """What a camera and a darkroom add: an S-curve, fuller color, a glow around lights, and a little grain."""
    levels = np.linspace(0, 1, 256)
    levels = levels + contrast * (levels * levels * (3 - 2 * levels) - levels)
    image = ImageEnhance.Color(image.point((255 * levels).round().astype(int).tolist() * 3)).enhance(color)
    bright = image.point(lambda v: max(0, v - 190) * 3)
    for radius, weight in ((0.004, 0.6), (0.02, 0.4)):
        halo = bright.filter(ImageFilter.GaussianBlur(radius * image.width))
        image = ImageChops.screen(image, halo.point(lambda v, w=weight: int(v * w * bloom * 2)))
    pixels = np.asarray(image, np.float32)
    pixels = pixels + np.random.default_rng(seed).normal(0, grain, pixels.shape[:2])[..., None]
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def save_jpeg(image: Image.Image, path: Path) -> None:
    """Write the best JPEG that fits the limit."""
    for quality in range(95, 40, -1):
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        if buffer.tell() <= MAX_BYTES:
            path.write_bytes(buffer.getvalue())
            return
    raise ValueError(f"{path} does not fit {MAX_BYTES} bytes")
