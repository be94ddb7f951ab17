"""Painters with a brush: strokes with bristles and relief, laid over a composed scene."""

import numpy as np
from painting import Array, Canvas, Sheet, along, blur, drawn_out, filled, flow_of, mix, paints, ramp, shifted, step
from scipy import ndimage
from scipy.spatial import cKDTree


def swirls(sheet: Sheet) -> Array:
    """Post-impressionist night: thick strokes run along a sky of vortices over hills, a village and a lake."""
    x, y = sheet.xy
    rng = sheet.rng
    # Flow: a wavy wind; vortices turn and draw it in; halos circle their stars.
    angle = 0.35 * np.sin(x / 130 + 1.1) + 0.12 * sheet.noise(160)
    vx, vy = np.cos(angle), np.sin(angle)
    for cx, cy, r, spin in ((390, 265, 175, 1), (655, 345, 105, -1), (90, 330, 90, -1)):
        dx, dy = x - cx, y - cy
        d = np.hypot(dx, dy) + 1e-3
        w = np.exp(-((d / r) ** 2) * 1.1) * 4
        vx += w * (-dy * spin - 0.18 * dx) / d
        vy += w * (dx * spin - 0.18 * dy) / d
    stars = [
        (815, 130, 105),
        (110, 95, 52),
        (262, 82, 36),
        (560, 88, 44),
        (930, 330, 38),
        (212, 455, 46),
        (505, 455, 26),
        (690, 185, 24),
        (40, 235, 24),
    ]
    for cx, cy, r in stars:
        dx, dy = x - cx, y - cy
        d = np.hypot(dx, dy) + 1e-3
        w = 12 * step(1.6 * r, 0.5 * r, d)
        vx, vy = vx - w * dy / d, vy + w * dx / d
    flow = flow_of(np.arctan2(vy, vx))

    # Sky: bands of blue drawn out along the flow, pale where the vortices lift them.
    unit = sheet.unit
    bands = drawn_out(sheet.noise(26, 2, 0.7), flow, 95 * unit)
    fine = drawn_out(sheet.noise(11), flow, 50 * unit)
    lift = np.zeros(sheet.shape, np.float32)
    for cx, cy, r in ((390, 265, 175), (655, 345, 105), (90, 330, 90)):
        d = np.hypot(x - cx, y - cy) / r
        lift += np.exp(-((d - 0.62) ** 2) / 0.07) + 0.5 * np.exp(-(d**2) / 0.02)
    milky = np.exp(-(((y - 495 + 60 * np.sin(x / 150)) / 45) ** 2))
    tone = 0.33 + 0.15 * bands + 0.06 * fine + 0.25 * lift + 0.26 * milky - 0.1 * step(250, 0, y)
    target = ramp(tone, "0a0f22 13204a 1b3876 2a5798 4a80b0 83adbf c5d2bd efe3ae")
    target = mix(target, paints("e9c46a")[0], 0.75 * step(0.6, 1.6, bands) * step(0.5, 0.9, tone))
    target = mix(target, paints("2f7f86")[0], 0.4 * step(0.6, 1.8, fine))
    for cx, cy, r in stars:
        d = np.hypot(x - cx, y - cy) / r * (1 + 0.08 * bands)
        rings = 0.5 + 0.5 * np.cos(d * 12)
        names = str(
            rng.choice(
                ["fffbe0 ffef9c f6c93f e8a11e cdb04e 7a9f8d 2b5a94", "fffde9 f7f3c4 ecdf8e d9c56a 9fb58a 5b8fa6 2b5a94"]
            )
        )
        glow = ramp(np.clip(d, 0, 1.5) / 1.5, names)
        glow[..., 0] -= 0.06 * rings * step(0.1, 0.4, d)
        dashes = step(0.2, 1.0, sheet.noise(6, 1))  # the night shows between the outer strokes
        target = mix(target, glow, step(1.6, 0.7, d + 0.45 * dashes * step(0.4, 0.9, d)))
    crescent = step(62, 56, np.hypot(x - 815, y - 130)) * step(46, 54, np.hypot(x - 788, y - 118))
    target = mix(target, paints("f28c12")[0], crescent)

    # Hills, each ridge darker and greener than the one behind; strokes run down their slopes.
    for base, height, wave, names in (
        (560, 42, 250, "2a4a8f 3a6cab 1b2f6b"),
        (600, 34, 190, "1d3f6e 2f6a7d 12244f"),
        (640, 28, 150, "15323f 3b6a52 0d1c2c"),
    ):
        ridge = base - height * (np.sin(x / wave * 2.2 + base) + 0.5 * np.sin(x / wave * 5.1 + 2 * base)) * (
            0.6 + x / 1500
        )
        inside = step(-2, 2, y - ridge)
        slope = np.arctan(np.gradient(ridge, axis=1) * unit) + 0.9 * np.sin(x / 70 + base)
        flow = np.where((inside > 0.5)[..., None], flow_of(slope), flow)
        hill = ramp(0.5 + 0.3 * drawn_out(sheet.noise(14, 2), flow_of(slope), 40 * unit), names)
        hill = mix(hill, paints("86b4b4")[0], 0.7 * np.exp(-(((y - ridge - 4) / 4) ** 2)))
        target = mix(target, hill, inside)

    # Lake, with the sky's light and the windows' in it.
    shore = 690 + 5 * np.sin(x / 60)
    water = step(-1, 1, y - shore)
    flow = np.where((water > 0.5)[..., None], flow_of(0.1 * np.sin(x / 40 + y / 9)), flow)
    lake = ramp(
        0.42 + 0.2 * drawn_out(sheet.noise(9, 2, stretch=4), flow_of(0 * x), 30 * unit) + 0.12 * np.sin(y / 5),
        "0a1436 14306e 23589a 4f8fb8 a9c6b0",
    )
    target = mix(target, lake, water)
    # Village: walls, roofs, a steeple, windows and their reflections.
    left = 40.0
    while left < 985:
        wide, tall = rng.uniform(22, 44), rng.uniform(16, 34)
        floor = 690 + rng.uniform(-14, 2)
        wall = paints(str(rng.choice(["31557d", "476a8c", "6a7f86", "24405f", "8a8f7c"])))[0]
        roof = paints(str(rng.choice(["1a1f3d", "4a2a35", "233a52", "6b3a2e"])))[0]
        body = (x > left) & (x < left + wide) & (y < floor) & (y > floor - tall)
        peak = (y < floor - tall) & (y > floor - tall - 0.7 * wide + 1.4 * np.abs(x - left - wide / 2))
        target[body], target[peak] = wall, roof
        flow[body] = (0, 1)
        flow[peak & (x < left + wide / 2)] = (0.58, -0.81)
        flow[peak & (x >= left + wide / 2)] = (0.58, 0.81)
        for wx in np.arange(left + 6, left + wide - 6, 11):
            if rng.random() < 0.65:
                lamp = paints(str(rng.choice(["ffd24a", "ffb31f", "ffe88a"])))[0]
                target[(np.abs(x - wx) < 3) & (np.abs(y - floor + tall * 0.55) < 4.5)] = lamp
                shine = (np.abs(x - wx - 3 * np.sin(y / 4)) < 4) & (y > 696) & (y < 696 + rng.uniform(30, 90))
                target[shine] = 0.65 * lamp + 0.35 * target[shine]
        left += wide + rng.uniform(-4, 26)
    spire = (np.abs(x - 606) < 9) & (y > 610) & (y < 690) | (y > 520) & (y < 612) & (np.abs(x - 606) < (y - 520) / 7)
    target[spire] = paints("2a4768")[0]
    flow[spire] = (0, 1)
    # A cypress, flame-like, in front of all.
    for cx, tip, half in ((868, 190, 42), (925, 330, 32)):
        rise = np.clip((y - tip) / (760 - tip), 0, 1)
        lean = x - cx - 9 * np.sin(y / 42) - 5 * np.sin(y / 17)
        tree = (np.abs(lean) < half * np.sqrt(rise) * (1 + 0.18 * np.sin(y / 13 + np.sign(lean)))) & (y > tip)
        sway = flow_of(np.pi / 2 + 0.5 * np.sin(y / 30 + lean / 12) + lean / 90)
        leaf = ramp(0.45 + 0.22 * drawn_out(sheet.noise(8, 2), sway, 45 * unit), "0a0d14 12211c 1d3a2a 3d5a34 7a5a34")
        flow[tree], target[tree] = sway[tree], leaf[tree]

    canvas = Canvas.primed(sheet, ramp(0.5 + 0.1 * sheet.noise(30, 3), "5a4632 7a6244"))
    canvas.strokes(target, flow, 30, 110, density=1.6, body=0.8, jitter=(0.03, 0.008, 0.01), dry=0.3)
    canvas.strokes(target, flow, 15, 70, density=1.2, body=1.3, jitter=(0.05, 0.009, 0.014), tolerance=0.16)
    detail = np.abs(target - blur(target, 10 * unit)).sum(-1)
    canvas.strokes(
        target,
        flow,
        8,
        46,
        density=0.75,
        body=1.6,
        jitter=(0.065, 0.011, 0.018),
        tolerance=0.13,
        where=0.45 + 6 * detail,
    )
    canvas.strokes(
        target,
        flow,
        5,
        26,
        density=0.5,
        body=1.6,
        jitter=(0.065, 0.012, 0.018),
        tolerance=0.1,
        where=step(0.04, 0.16, detail),
    )
    return canvas.lit(0.95, 0.12, 0.25)


def pointillism(sheet: Sheet) -> Array:
    """Divided color: a sunny river bank with sails, trees and strollers, all in dots of pure paint."""
    x, y = sheet.xy
    _rng, unit = sheet.rng, sheet.unit
    haze = sheet.noise(120, 3)
    target = ramp(0.15 + 0.75 * y / 330 + 0.05 * haze, "8fb4dd a9c6e4 cbd9e4 efe4d2 f8e6c8")
    target = mix(
        target, paints("fbf3e6")[0], 0.75 * step(0.7, 1.9, sheet.noise(90, 3, stretch=2.6) - 0.004 * np.abs(y - 130))
    )
    # The other bank: trees, roofs, a chimney.
    bank = 300 - 26 * np.abs(np.sin(x / 61 + 1)) - 12 * np.abs(np.sin(x / 23)) - 30 * step(600, 1000, x)
    woods = ramp(0.5 + 0.28 * sheet.noise(22, 2) - 0.006 * (y - 280), "38588a 4f7f86 7aa46a b9c47c")
    target = mix(target, woods, step(-2, 2, y - bank))
    for left, top, wide in ((210, 268, 36), (262, 275, 24), (520, 266, 44), (585, 276, 26)):
        house = (x > left) & (x < left + wide) & (y > top)
        target[house & (y < 318)] = paints("f3dfc4")[0]
        target[house & (y < top + 10)] = paints("d9775a")[0]
    # River, with the bank's colors in it.
    river = y > 318
    glint = sheet.noise(14, 2, stretch=5)
    water = ramp(0.5 + 0.2 * glint + 0.3 * step(330, 560, y), "4a74a8 6f9ac4 9cc0d8 c5dade e6e6d4")
    water = mix(water, paints("5f8f7a")[0], 0.6 * step(372, 322, y + 9 * glint))
    target = mix(target, water, river)
    for cx, foot, tall in ((150, 372, 95), (375, 350, 66), (455, 430, 150), (660, 342, 48)):
        for side, lean in ((-1, 0.42), (1, 0.26)):
            u = (x - cx) * side
            sail = (u > 1) & (u < lean * (y - foot + tall)) & (y < foot - 6) & (y > foot - tall)
            target[sail] = ramp(u / (lean * tall), "fffaf0 f6e6d0 d8cfe0")[sail]
        target[(np.abs(x - cx) < tall * 0.3 - 0.9 * (y - foot)) & (np.abs(y - foot) < 6)] = paints("7a3b46")[0]
        shade = (np.abs(x - cx + 3 * glint) < tall * 0.3 * step(foot + tall * 0.8, foot, y)) & (y > foot + 6)
        target = mix(target, paints("eef0e6")[0], 0.55 * shade)
    # Lawn that falls to the water, in bands of sun and shade.
    shore = 700 - 0.42 * x + 14 * np.sin(x / 70)
    lawn = step(-3, 3, y - np.maximum(shore, 395))
    shadow = step(-0.15, 0.25, np.sin((y + 0.28 * x) / 47) + 0.35 * sheet.noise(40, 2) - 0.3 + 0.9 * step(700, 850, y))
    grass = mix(
        ramp(0.5 + 0.2 * sheet.noise(30, 2), "a9b845 c6cd57 e6dc7a"),
        ramp(0.5 + 0.25 * sheet.noise(26, 2), "2a5a66 35704f 4f8a4a"),
        shadow,
    )
    target = mix(target, grass, lawn)
    # Trees on the right.
    for cx, foot, r in ((760, 600, 13), (905, 690, 20), (640, 520, 8)):
        trunk = (
            (np.abs(x - cx - 10 * np.sin(y / 90)) < r * (0.8 + 0.4 * step(foot - 60, foot, y))) & (y < foot) & (y > 100)
        )
        target[trunk] = ramp((x - cx + r) / (2 * r), "c98a5a 7a5060 3f3a66")[trunk]
    crown = np.full(sheet.shape, 1e9, np.float32)
    for cx, cy, r in (
        (760, 150, 115),
        (905, 110, 150),
        (640, 240, 62),
        (840, 230, 100),
        (990, 240, 110),
        (700, 60, 90),
    ):
        crown = np.minimum(crown, np.hypot(x - cx, (y - cy) * 1.15) - r)
    leaf = ramp(
        0.5 + 0.2 * sheet.noise(34, 2) - 0.0022 * (x - 800) - 0.002 * (y - 150), "1f3f5c 2a6a58 4f8f48 9ab548 dcd468"
    )
    target = mix(target, leaf, step(4, -10, crown + 15 * sheet.noise(26, 2)) * step(-1.6, -0.9, sheet.noise(16, 2)))
    # Strollers: skirts, coats, hats, parasols, and their shadows on the grass.
    people = (
        (300, 690, 120, "31356b", "d9542f"),
        (352, 700, 128, "4a2f4f", ""),
        (560, 590, 82, "b0435a", "f2c14e"),
        (150, 742, 96, "5a6aa8", ""),
        (700, 760, 150, "273a66", "7fb0a0"),
        (480, 520, 56, "d8d0d8", ""),
    )
    for cx, foot, tall, coat, shade in people:
        fall = (np.abs(y - foot - 0.12 * (cx - x)) < tall * 0.05) & (x < cx) & (x > cx - tall * 0.9)
        target = mix(target, paints("23506a")[0], 0.8 * fall)
        u, v = (x - cx) / tall, (foot - y) / tall
        skirt = (np.abs(u) < 0.2 - 0.24 * v + 0.015 * np.sin(v * 9)) & (v > 0) & (v < 0.56)
        chest = (np.abs(u + 0.015) < 0.065 + 0.03 * np.sin((v - 0.5) * 9)) & (v >= 0.5) & (v < 0.82)
        light = ramp((u + 0.2) / 0.4, f"f0b98a {coat} {coat} 1d2450")
        target[skirt | chest] = light[skirt | chest]
        target[np.hypot(u, (v - 0.88) * 1.0) < 0.06] = paints("e8b48c")[0]
        target[(np.abs(u) < 0.085) & (np.abs(v - 0.93) < 0.015) | (np.abs(u) < 0.05) & (v > 0.92) & (v < 1.0)] = paints(
            "3a2a4a"
        )[0]
        if shade:
            dome = (np.hypot((u + 0.12) / 0.33, (v - 0.98) / 0.24) < 1) & (v > 0.98 + 0.02 * np.cos(u * 40))
            target[dome] = ramp((u + 0.45) / 0.66, f"fbe6c0 {shade} {shade} 4a3566")[dome]
            target[(np.abs(u - 0.05 + 0.35 * (v - 0.6)) < 0.012) & (v > 0.5) & (v < 1.2)] = paints("4a3040")[0]

    # Dots: each spot is divided into its own color, its light and its complement.
    turn = flow_of(2 * np.pi * sheet.noise(5))
    canvas = Canvas.primed(sheet, mix(target, paints("efe2c6")[0], np.full(sheet.shape, 0.55)))
    canvas.strokes(target, turn, 16, 20, density=1.2, body=0.4, jitter=(0.02, 0.01, 0.012))
    canvas.strokes(target, turn, 9.5, 6, density=1.5, body=0.8, jitter=(0.05, 0.028, 0.04), dry=0.1)
    for share, shift in (
        (0.55, (0.0, 0.0, 0.0)),
        (0.35, (0.06, 0.012, 0.05)),
        (0.35, (-0.05, 0.0, -0.07)),
        (0.16, (0.02, 0.07, 0.02)),
        (0.14, (0.02, -0.055, 0.02)),
    ):
        divided = target + np.array(shift, np.float32)
        where = np.full(sheet.shape, share, np.float32)
        canvas.strokes(
            divided, turn, 6.4, 4, density=0.9, body=1.3, jitter=(0.035, 0.016, 0.02), where=where, dry=0.1, soften=0.1
        )
    detail = np.abs(target - blur(target, 8 * unit)).sum(-1)
    canvas.strokes(
        target,
        turn,
        5,
        3,
        density=1.0,
        body=1.3,
        jitter=(0.04, 0.02, 0.025),
        where=0.85 * step(0.05, 0.2, detail),
        dry=0.1,
        soften=0.1,
    )
    return canvas.lit(0.55, 0.05, 0.35)


def _fragments(sheet: Sheet, big: float, small: float) -> tuple[Array, Array]:
    """Split the sheet by straight cuts, again and again, finer toward the middle: facets and their middles."""
    rng = sheet.rng
    tall, wide = 1000 * sheet.height / max(sheet.shape), 1000 * sheet.width / max(sheet.shape)
    facet = np.zeros(sheet.shape, np.int32)
    todo, done, middles = [np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], float)], [], []
    while todo:
        shape = todo.pop()
        middle = shape.mean(0)
        size = np.sqrt(
            0.5 * abs(np.dot(shape[:, 0], np.roll(shape[:, 1], 1)) - np.dot(shape[:, 1], np.roll(shape[:, 0], 1)))
        )
        off = np.hypot((middle[0] - wide / 2) / wide, (middle[1] - tall / 2) / tall)
        if size < rng.uniform(0.8, 1.5) * (small + (big - small) * min(2 * off, 1) ** 1.5):
            facet[filled(sheet, shape)] = len(middles)
            middles.append(middle)
            done.append(shape)
            continue
        # Cuts follow a few leading directions, as cubists' do, and mostly cross the longer way.
        spread = np.cov((shape - middle).T)
        long_way = np.linalg.eigh(spread)[1][:, 1]
        angles = rng.choice([0.15, 1.05, 1.57, 2.2, 2.75], 4) + rng.normal(0, 0.12, 4)
        normal = max(
            (np.array([-np.sin(a), np.cos(a)]) for a in angles), key=lambda n: abs(n @ long_way) + 0.4 * rng.random()
        )
        side = (shape - middle) @ normal + rng.normal(0, 0.12) * size
        halves: tuple[list, list] = ([], [])
        for k in range(len(shape)):
            p, q, a, b = shape[k], shape[(k + 1) % len(shape)], side[k], side[(k + 1) % len(shape)]
            halves[int(a < 0)].append(p)
            if a * b < 0:
                cross = p + (q - p) * a / (a - b)
                halves[0].append(cross)
                halves[1].append(cross)
        parts = [np.array(h) for h in halves if len(h) > 2]
        if len(parts) < 2:
            facet[filled(sheet, shape)] = len(middles)
            middles.append(middle)
        else:
            todo += parts
    return facet, np.array(middles)


def cubist(sheet: Sheet) -> Array:
    """Analytical cubism: guitar, bottle, glass and pears broken into facets of ocher, umber and gray."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    # What was on the table, seen once and plainly.
    scene = ramp(0.35 + 0.25 * step(1000, 0, y) + 0.12 * sheet.noise(200, 2), "4b4438 857660 b7a583 d8cba8")
    table = y > 640 + 0.12 * (x - 375)
    scene = mix(
        scene,
        ramp(0.5 + 0.2 * sheet.noise(90, 2, stretch=5), "5a3d22 8a6232 b98b4a"),
        step(-2, 2, y - 640 - 0.12 * (x - 375)),
    )
    cloth = table & (x < 330 + 0.4 * (y - 640)) & (x > 90)
    scene = mix(scene, ramp(0.5 + 0.4 * np.sin((x + 0.4 * y) / 17), "8f8c80 cfc9b4 ece4cc"), cloth)
    bottle, _place, _ = along(x, y, [(205, 250, 17), (207, 330, 19), (210, 400, 44), (212, 480, 56), (213, 680, 57)])
    glassy = ramp(0.5 + 0.4 * np.sin((x - 150) / 16), "1f2a24 34463a 6f8068 b9c0a0")
    scene = mix(scene, glassy, step(2, -2, bottle))
    label = (bottle < -3) & (y > 520) & (y < 620)
    scene = mix(scene, paints("e2d6b0")[0], label)
    scene[label & (np.mod(y, 17) < 5) & (np.abs(np.sin(x / 4.1)) > 0.35)] = paints("2e2820")[0]
    body = np.minimum(np.hypot((x - 450) / 1.05, y - 620) - 150, np.hypot(x - 480, y - 430) - 108)
    wood = ramp(0.5 + 0.3 * sheet.noise(50, 2, stretch=0.15) - body / 700, "6e4319 a8702c d09a48 e8c27a")
    scene = mix(scene, wood, step(3, -3, body))
    scene = mix(scene, paints("2c1c10")[0], step(5, 1, np.abs(body)))
    hole = np.hypot(x - 470, y - 520)
    scene = mix(scene, paints("17110c")[0], step(50, 46, hole))
    scene = mix(scene, paints("e3cf9a")[0], 0.8 * np.exp(-(((hole - 58) / 4) ** 2)))
    lean = x - 470 - 0.2 * (520 - y)
    neck = (np.abs(lean) < 24) & (y < 480) & (y > 60)
    scene = mix(scene, ramp(lean / 48 + 0.5, "4a2f1a 2a1a10 120c08"), neck)
    scene[neck & (np.mod(y, 34) < 4)] = paints("d8c690")[0]
    scene[(np.abs(lean) < 20) & (np.mod(lean + 20, 8) < 1.6) & (y > 60) & (y < 690)] = paints("efe4c4")[0]
    scene[(np.abs(lean) < 52) & (np.abs(y - 692) < 11)] = paints("2a1a10")[0]
    glass = (np.abs(x - 632) < 44 - 0.06 * (y - 560)) & (y > 560) & (y < 730)
    scene = mix(scene, ramp(0.5 + 0.5 * np.cos((x - 632) / 14), "4d544e 9aa394 e6e6d2"), 0.8 * glass)
    for cx, cy, r, names in (
        (330, 820, 58, "e6c86a b98a2f 5a3f16"),
        (245, 850, 50, "c9b85a 8f8a3a 3f4020"),
        (560, 850, 54, "d98a4a a5542a 4a2414"),
    ):
        pear = np.minimum(np.hypot(x - cx, y - cy) - r, np.hypot(x - cx - 8, y - cy + r) - 0.55 * r)
        scene = mix(scene, ramp(np.hypot(x - cx + 20, y - cy + 25) / (2 * r), names), step(2, -2, pear))
    sheet_music = (np.abs(x - 620 - 0.25 * (y - 300)) < 95) & (np.abs(y - 300 + 0.3 * (x - 620)) < 95)
    scene = mix(scene, paints("e9dfc2")[0], 0.9 * sheet_music)
    lines = np.mod(y + 0.3 * x, 11) < 1.8
    scene[sheet_music & lines & (np.mod(y + 0.3 * x, 77) < 50)] = paints("3a332a")[0]

    # The facets: each shows the scene from its own side, and is shaded from one edge to the other.
    facet, middles = _fragments(sheet, 130, 40)
    n = len(middles)
    turn, size = rng.normal(0, 0.16, n), rng.uniform(0.8, 1.15, n)
    drift = rng.normal(0, 16, (n, 2))
    dx, dy = x - middles[facet, 0], y - middles[facet, 1]
    c, s = (np.cos(turn) / size)[facet], (np.sin(turn) / size)[facet]
    sx = middles[facet, 0] + c * dx - s * dy + drift[facet, 0]
    sy = middles[facet, 1] + s * dx + c * dy + drift[facet, 1]
    target = shifted(scene, (sx - x) * unit, (sy - y) * unit)
    slant = rng.choice([0.3, 1.2, 2.0, 2.8, -0.6], n) + rng.normal(0, 0.2, n)
    ramped = (np.cos(slant)[facet] * dx + np.sin(slant)[facet] * dy) / 36
    plane = ramp(
        np.clip(rng.normal(0.52, 0.2, n)[facet] + 0.34 * np.tanh(ramped), 0, 1),
        "1d1712 4a3a26 856a40 ab8f5c d2b67c f0e2b8",
    )
    cool = (rng.random(n) < 0.4)[facet]
    plane = mix(plane, ramp(np.clip(0.5 + 0.4 * np.tanh(ramped), 0, 1), "2f3638 5f6a66 98a096 c9cab8"), 0.7 * cool)
    target = mix(target, plane, rng.uniform(0.2, 0.85, n)[facet])
    target[..., 0] += 0.13 * np.tanh(ramped) * rng.choice([-1, 1], n, p=[0.3, 0.7])[facet]
    # Contours, broken, darkest where planes turn away.
    meet = np.zeros(sheet.shape, bool)
    meet[:, 1:] |= facet[:, 1:] != facet[:, :-1]
    meet[1:] |= facet[1:] != facet[:-1]
    off = ndimage.distance_transform_edt(~meet).astype(np.float32) / unit
    target[..., 0] -= 0.2 * np.exp(-off / 10) * step(-0.2, 0.8, ramped)
    target[..., 0] += 0.07 * np.exp(-off / 6) * step(0.2, -0.6, ramped)
    target = mix(target, paints("1d1712")[0], 0.85 * step(2.0, 0.8, off) * step(-0.8, 0.0, sheet.noise(60, 2)))
    # A vignette of thin paint, as the cubists left toward the edge.
    away = step(0.3, 0.72, np.hypot((x - 400) / 800, (y - 500) / 1000) + 0.03 * sheet.noise(80, 2))
    target = mix(target, ramp(0.5 + 0.2 * sheet.noise(90, 3), "8a7d62 a89a7a c0b390"), 0.4 * away)
    target[..., 1:] *= 0.92

    flow = flow_of((slant + np.pi / 2)[facet] + 0.15 * sheet.noise(40))
    cross = flow_of(slant[facet] + 0.2 * sheet.noise(30))
    canvas = Canvas.primed(sheet, ramp(0.5 + 0.15 * sheet.noise(40, 3), "6a5a42 8f7d5c"))
    canvas.strokes(target, flow, 26, 60, density=1.5, body=0.7, jitter=(0.018, 0.004, 0.006), tolerance=0.12)
    canvas.strokes(target, flow, 13, 26, density=1.3, body=1.0, jitter=(0.02, 0.004, 0.007), tolerance=0.08)
    canvas.strokes(
        target,
        cross,
        9,
        16,
        density=0.8,
        body=1.1,
        jitter=(0.028, 0.005, 0.008),
        tolerance=0.08,
        where=0.5 + 0.4 * np.tanh(sheet.noise(60)),
    )
    detail = np.abs(target - blur(target, 6 * unit)).sum(-1)
    along_edge = flow_of(np.arctan2(*np.gradient(blur(target[..., 0], 2 * unit))) + np.pi / 2)
    canvas.strokes(
        target,
        along_edge,
        4.5,
        22,
        density=1.2,
        body=0.8,
        jitter=(0.03, 0.006, 0.01),
        tolerance=0.09,
        where=step(0.05, 0.14, detail),
        soften=0.15,
    )
    out = canvas.lit(0.7, 0.06, 0.35)
    out[..., 0] = 0.62 + 1.3 * (out[..., 0] - 0.58)  # as if cleaned of its old varnish
    return out


def suprematist(sheet: Sheet) -> Array:
    """Planes of color afloat on white: thick brushwork that follows each plane, and a century of craquelure."""
    x, y = sheet.xy
    _rng, unit = sheet.rng, sheet.unit
    target = ramp(0.55 + 0.14 * sheet.noise(150, 3) + 0.08 * sheet.noise(30, 2), "c9c0a8 ddd5c0 ebe5d4 f4f0e4")
    flow = flow_of(0.9 * sheet.noise(130, 2))
    edge = np.full(sheet.shape, 1e9, np.float32)

    def plane(cx, cy, wide, tall, turn, names, fade=0.0):
        """A turned rectangle; its paint varies, and it may fade toward one end."""
        nonlocal target
        c, s = np.cos(turn), np.sin(turn)
        u, v = c * (x - cx) + s * (y - cy), c * (y - cy) - s * (x - cx)
        d = np.maximum(np.abs(u) - wide / 2, np.abs(v) - tall / 2) + 0.8 * sheet.noise(18, 2)
        tone = (
            0.5
            + 0.2 * sheet.noise(60, 2)
            + 0.1 * drawn_out(sheet.noise(6), flow_of(np.full(sheet.shape, turn)), 40 * unit)
        )
        if fade:
            tone = tone + fade * u / wide
        lay(d, ramp(tone, names), turn if wide > tall else turn + np.pi / 2)

    def lay(d, paint, turn):
        nonlocal target
        # The white around a plane is painted up to it, and a little of an earlier plane shows beside it.
        target = mix(target, paints("8f8672")[0], 0.35 * step(5, 0.5, d) * step(-0.4, 0.6, sheet.noise(50)))
        target = mix(target, paint, step(0.8, -0.8, d))
        flow[d < 0] = flow_of(np.broadcast_to(turn, sheet.shape))[d < 0]
        edge[d < 3] = np.abs(d)[d < 3]

    black, red, blue = "0d0c0e 1c1a1e 2e2b30", "8f1a12 b7261a d2452c", "14265f 1f3c8f 3a63b4"
    yellow, green, pink, gray = (
        "c98d14 e3b021 f2ce56",
        "1d4a3c 2c6b52 4c8c6a",
        "c98d86 dba8a0 ebc8bd",
        "8a8780 a8a59c c4c1b4",
    )
    plane(500, 520, 700, 74, -0.52, gray, 0.5)
    lay(
        np.hypot(x - 690, y - 300) - 128 + 0.8 * sheet.noise(20, 2),
        ramp(0.5 + 0.2 * sheet.noise(50, 2) + 0.0015 * (x - 690), yellow),
        np.arctan2(y - 300, x - 690) + np.pi / 2,
    )
    plane(330, 420, 330, 300, -0.3, black)
    plane(700, 640, 430, 96, -0.52, red)
    plane(470, 700, 250, 130, 0.25, blue)
    plane(755, 420, 36, 360, 0.45, black)
    plane(560, 215, 270, 40, -0.52, red, 0.3)
    plane(215, 720, 190, 46, -0.9, green)
    plane(215, 210, 150, 120, 0.2, pink, 0.6)
    plane(600, 455, 190, 54, 0.35, yellow)
    for k in range(6):
        plane(820 + 14 * k, 790 - 34 * k, 190 - 18 * k, 11, -0.52 + 0.02 * k, black if k % 2 else red)
    for k in range(5):
        plane(120 + 22 * k, 500 + 50 * k, 130 - 12 * k, 8, 0.25, black)
    plane(400, 880, 460, 20, -0.08, black)
    plane(330, 835, 140, 26, -0.08, red)
    plane(880, 150, 90, 90, 0.6, blue, 0.4)
    plane(905, 560, 44, 44, 0.1, black)
    plane(90, 890, 84, 60, -0.4, yellow)
    plane(370, 380, 60, 250, -0.3, "d5cdb8 e6dfcd f0ebdd")
    plane(70, 90, 70, 14, -0.52, black)
    lay(
        np.hypot(x - 640, y - 850) - 46 + 0.6 * sheet.noise(20, 2),
        ramp(0.5 + 0.2 * sheet.noise(30, 2), black),
        np.arctan2(y - 850, x - 640) + np.pi / 2,
    )

    canvas = Canvas.primed(sheet, ramp(0.5 + 0.15 * sheet.noise(40, 3), "a89b7c c4b99c"))
    canvas.strokes(target, flow, 28, 80, density=1.6, body=0.9, jitter=(0.016, 0.004, 0.005), tolerance=0.1)
    canvas.strokes(target, flow, 16, 64, density=1.2, body=1.2, jitter=(0.022, 0.005, 0.007), tolerance=0.08, dry=0.9)
    canvas.strokes(
        target,
        flow,
        7,
        34,
        density=1.2,
        body=1.1,
        jitter=(0.022, 0.005, 0.007),
        tolerance=0.07,
        where=step(16, 4, edge),
    )
    canvas.strokes(
        target,
        flow,
        3.6,
        22,
        density=1.2,
        body=0.9,
        jitter=(0.015, 0.004, 0.005),
        tolerance=0.06,
        where=step(7, 2, edge),
        soften=0.1,
    )
    rim = flow_of(np.arctan2(*np.gradient(blur(target[..., 0], 2 * unit))) + np.pi / 2)
    canvas.strokes(
        target,
        rim,
        4,
        26,
        density=1.2,
        body=0.9,
        jitter=(0.015, 0.004, 0.005),
        tolerance=0.06,
        where=0.9 * step(4.5, 2, edge),
        soften=0.1,
    )

    # Craquelure: the paint shrinks into islands, these into smaller ones; thick dark paint cracks most.
    cracks = np.zeros(sheet.shape, np.float32)
    cup = np.zeros(sheet.shape, np.float32)
    for pitch, width, share in ((62, 1.0, 1.0), (24, 0.62, 0.75)):
        wx, wy = x + 0.13 * pitch * sheet.noise(pitch / 2, 3), y + 0.13 * pitch * sheet.noise(pitch / 2, 3)
        d, _ = cKDTree(sheet.spots(pitch) / unit).query(np.stack([wx.ravel(), wy.ravel()], -1), k=2)
        gap = (d[:, 1] - d[:, 0]).reshape(sheet.shape) / 2
        open_here = width * np.clip(0.5 + 0.3 * sheet.noise(90, 2), 0, 0.85) * share
        cracks = np.maximum(cracks, step(0.5, -0.3, gap - open_here))
        cup += share * np.exp(-gap / (0.1 * pitch)) * step(0.0, 0.3, open_here)
    cracks *= 0.55 + 0.45 * step(0.75, 0.35, target[..., 0])
    canvas.height += 0.9 * unit * cup - 1.6 * unit * cracks
    canvas.color[:] = mix(canvas.color, paints("2a2118")[0], 0.75 * cracks * step(0.3, 0.6, target[..., 0]))
    canvas.color[:] = mix(canvas.color, paints("9a8c70")[0], 0.5 * cracks * step(0.5, 0.3, target[..., 0]))
    out = canvas.lit(0.85, 0.07, 0.5)
    out[..., 2] += 0.012  # old varnish
    return out


def fauve(sheet: Sheet) -> Array:
    """Fauve harbor: red hills, an orange sea of dashes, boats and masts, pure color with bare canvas between."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    target = ramp(y / 300 + 0.12 * sheet.noise(70, 2, stretch=2), "2f8fc0 5fb8c4 a9d3b0 f2dc8c f7b28a ee8f9a")
    flow = flow_of(0.35 * np.sin(x / 110) + 0.3 * sheet.noise(90))
    # A sun, and its heat.
    sun = np.hypot(x - 330, y - 120)
    target = mix(target, ramp(sun / 120, "fff2a8 ffd23f f7931e f2683c"), step(105, 60, sun + 12 * sheet.noise(20)))
    flow = np.where((sun < 110)[..., None], flow_of(np.arctan2(y - 120, x - 330) + np.pi / 2), flow)
    # Hills.
    for base, high, wave, names in (
        (300, 90, 300, "7a4fb0 b06ac4 e58aa8"),
        (330, 70, 190, "c8242f e8502e f58a3a"),
        (352, 40, 120, "14604f 1f9a5f 8fc43f e8d23a"),
    ):
        ridge = base - high * np.abs(np.sin(x / wave + base)) - 10 * sheet.noise(60, 2)
        hill = y > ridge
        slope = np.arctan(np.gradient(ridge, axis=1) * unit * 1.0) + 0.7 * np.sin(x / 50)
        target = np.where(
            hill[..., None], ramp(0.5 + 0.3 * sheet.noise(34, 2) + 0.004 * (y - ridge - 30), names), target
        )
        target = mix(
            target, paints("1d2a6a")[0], 0.8 * step(5, 2, np.abs(y - ridge)) * step(-0.6, 0.1, sheet.noise(40))
        )
        flow = np.where(hill[..., None], flow_of(slope), flow)
    # Town along the quay.
    left = -10.0
    while left < 1000:
        wide, tall = rng.uniform(34, 70), rng.uniform(36, 92)
        wall = paints(str(rng.choice(["f7c6b0", "f2a03c", "f4e3a0", "7fc4c8", "e86a7a", "b79ae0", "fdf0d8"])))[0]
        roof = paints(str(rng.choice(["c8242f", "e8502e", "7a2f8a", "1f5fae"])))[0]
        house = (x > left) & (x < left + wide) & (y > 402 - tall) & (y < 404)
        target[house] = wall
        flow[house] = (0, 1)
        top = (x > left - 3) & (x < left + wide + 3) & (y > 402 - tall - 16) & (y <= 402 - tall + 0.2 * (x - left))
        target[top] = roof
        flow[top] = (0.96, 0.28)
        for wx in np.arange(left + 10, left + wide - 6, 17):
            for wy in np.arange(402 - tall + 20, 395, 26):
                target[(np.abs(x - wx) < 3.5) & (np.abs(y - wy) < 6)] = paints("1d4f8a")[0]
        side = house & (x > left + wide - 5)
        target[side] = paints("3a3f9a")[0]
        left += wide
    # Sea of dashes, with the town's colors in it.
    sea = y > 404
    depth = np.clip((y - 404) / 380, 0, 1)
    wave = drawn_out(sheet.noise(13, 2, stretch=3), flow_of(0.12 * np.sin(x / 60)), 40 * unit)
    water = ramp(
        0.36 + 0.24 * wave + 0.1 * np.sin(y / (12 + 30 * depth)), "0f4f9a 1f86c0 3fb8b0 8fd0a0 f6d34f f7943f ee5f6a"
    )
    target = np.where(sea[..., None], water, target)
    flow = np.where(sea[..., None], flow_of(0.22 * np.sin(x / 47 + y / 31) + 0.1), flow)
    path = step(75, 15, np.abs(x - 330 + 24 * wave)) * sea
    target = mix(target, paints("ffd84a")[0], 0.8 * path * step(-0.3, 0.4, wave))
    # Boats: hulls, masts, sails, outlines in blue and red.
    boats = (
        (170, 600, 190, "d8262f", "1f9a8f"),
        (560, 560, 150, "1f4fae", "f7b23a"),
        (800, 690, 280, "1f8a5a", "f06a8a"),
        (430, 740, 200, "f2a01f", "3a4fb8"),
        (700, 470, 80, "c8242f", "fdf0d8"),
        (330, 455, 60, "14604f", "f7943f"),
    )
    for cx, cy, size, hull, sail in boats:
        u, v = (x - cx) / size, (y - cy) / size
        mast = (np.abs(u + 0.05 + 0.03 * v) < 0.013) & (v < 0) & (v > -1.05)
        cloth = (u > -0.03) & (u < 0.42 * (v + 1.0)) & (v > -0.95) & (v < -0.1 + 0.1 * u)
        jib = (u < -0.08) & (u > -0.34 * (v + 0.85)) & (v > -0.8) & (v < -0.12)
        target[cloth] = ramp(0.5 + u, f"fdf0d8 {sail} {sail} 7a2f8a")[cloth]
        target[jib] = ramp(0.5 - u, f"{sail} fbe9c0")[jib]
        flow[cloth | jib] = flow_of(np.full(sheet.shape, 1.25))[cloth | jib]
        rim = 0.06 * np.cos(u * 2.6)
        boat = (
            (np.abs(u) < 0.5 - 0.5 * np.maximum(v, 0))
            & (v > -0.06 * np.abs(u) * 4 + 0.02 - rim)
            & (v < 0.17 - 0.3 * u**2)
        )
        target[boat] = ramp((v + 0.05) / 0.2, f"fbe6b0 {hull} {hull} 1d1f5a")[boat]
        flow[boat] = flow_of(0.5 * u)[boat]
        target[mast] = paints("7a1f2a")[0]
        flow[mast] = (0, 1)
        outline = (ndimage.binary_dilation(boat | cloth, iterations=max(int(2.6 * unit), 1)) & ~(boat | cloth)) & (
            sheet.noise(30) > -0.7
        )
        target[outline] = paints("16246a")[0]
        glow = (np.abs(u + 0.06 * wave) < 0.42) & (v > 0.19) & (v < 0.6) & (wave > 0)
        target[glow] = (0.35 * target + 0.65 * paints(hull)[0])[glow]
    target[..., 1:] *= 1.12

    canvas = Canvas.primed(sheet, ramp(0.6 + 0.12 * sheet.noise(50, 3), "d8c49a eadcb8 f4ead0"))
    canvas.strokes(target, flow, 26, 60, density=0.75, body=0.9, jitter=(0.03, 0.012, 0.014), tolerance=0.2, dry=0.8)
    canvas.strokes(target, flow, 17, 44, density=0.85, body=1.4, jitter=(0.04, 0.02, 0.024), tolerance=0.16, dry=0.7)
    canvas.strokes(target, flow, 11, 26, density=0.5, body=1.6, jitter=(0.05, 0.03, 0.035), tolerance=0.15, dry=0.6)
    detail = np.abs(target - blur(target, 8 * unit)).sum(-1)
    canvas.strokes(
        target,
        flow,
        6,
        24,
        density=1.0,
        body=1.3,
        jitter=(0.03, 0.014, 0.016),
        tolerance=0.13,
        where=step(0.08, 0.25, detail),
        soften=0.15,
    )
    return canvas.lit(0.8, 0.08, 0.7)


PAINTERS = {
    "swirls": (swirls, 1.25),
    "pointillism": (pointillism, 1.25),
    "cubist": (cubist, 0.8),
    "suprematist": (suprematist, 1.0),
    "fauve": (fauve, 1.25),
}
