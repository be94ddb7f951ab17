"""Painters with a brush: strokes with bristles and relief, laid over a composed scene."""

import numpy as np

from painting import Array, Canvas, Sheet, blur, drawn_out, flow_of, mix, paints, ramp, step


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


PAINTERS = {"swirls": (swirls, 1.25)}
