"""Painters with water, ink and breath: marbled paper, cave walls, watercolor and ink wash."""

import numpy as np
from numba import njit, prange
from painting import (
    Array,
    Canvas,
    Sheet,
    along,
    blur,
    flow_of,
    mix,
    paints,
    paper,
    ramp,
    relief,
    shifted,
    step,
    to_oklab,
    to_srgb,
)

# Marbling

DROP, COMB, WAVE, TWIST = 0, 1, 2, 3


@njit(cache=True, parallel=True)
def _float(x, y, acts, number, u, v):
    """Trace every point back through what was done to the bath; say which drop it came from, and where it was."""
    for i in prange(x.shape[0]):
        for j in range(x.shape[1]):
            px, py, found = x[i, j], y[i, j], -1
            for k in range(len(acts) - 1, -1, -1):
                kind, a, b, c, d, e = acts[k]
                if kind == DROP:  # center a, b and radius c: all else was pushed outward
                    dx, dy = px - a, py - b
                    far = dx * dx + dy * dy
                    if far < c * c:
                        found = k
                        px, py = dx, dy
                        break
                    shrink = np.sqrt(1 - c * c / far)
                    px, py = a + dx * shrink, b + dy * shrink
                elif kind == COMB:  # direction a, spacing b, offset c, pull d, softness e
                    s, t = np.cos(a), np.sin(a)
                    across = -t * px + s * py - c
                    away = abs(across - b * np.round(across / b))
                    pull = d * np.exp(-away / e)
                    px, py = px - s * pull, py - t * pull
                elif kind == WAVE:  # direction a, length b, phase c, height d
                    s, t = np.cos(a), np.sin(a)
                    pull = d * np.sin((-t * px + s * py) * 2 * np.pi / b + c)
                    px, py = px - s * pull, py - t * pull
                else:  # a twist about a, b: radius c, angle d
                    dx, dy = px - a, py - b
                    turn = -d * np.exp(-(dx * dx + dy * dy) / (c * c))
                    s, t = np.cos(turn), np.sin(turn)
                    px, py = a + s * dx - t * dy, b + t * dx + s * dy
            number[i, j], u[i, j], v[i, j] = found, px, py


def marbling(sheet: Sheet) -> Array:
    """Paper marbling: drops of ink on a bath, combed both ways, then drawn into plumes and curls."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    names = "14203f 1d3f7a 8e1f2a c23b2e d9952a f1cf7a f4ead0 2a7a74 0f1418 7a3f5a e9b7a0 5a8fb0"
    chances = np.array([14, 13, 9, 11, 9, 8, 16, 8, 6, 4, 5, 7], float)
    acts, colors = [], []

    def act(*values):
        acts.append((*values, *[0.0] * (6 - len(values))))

    palette = paints(names)
    for k in range(1150):
        r = rng.uniform(28, 60) if k < 600 else rng.uniform(5, 26)
        act(DROP, rng.uniform(-350, 1350), rng.uniform(-350, 1150), r)
        own = palette[rng.choice(len(palette), p=chances / chances.sum())]
        colors.append(own + rng.standard_normal(3) * [0.03, 0.008, 0.01])
    # Combed to and fro, then finely across (nonpareil), then with two rakes that sway.
    act(COMB, 0.0, 84.0, 10.0, 130.0, 26.0)
    act(COMB, 0.0, 84.0, 52.0, -130.0, 26.0)
    act(COMB, np.pi / 2, 25.0, 6.0, 54.0, 7.5)
    act(WAVE, 0.0, 310.0, 0.6, 20.0)
    act(COMB, np.pi / 2, 150.0, 20.0, -118.0, 34.0)
    act(WAVE, np.pi / 2, 260.0, 1.0, 16.0)
    for cx, cy, r, turn in (
        (240, 210, 92, 3.6),
        (735, 170, 80, -3.4),
        (500, 430, 105, 4.0),
        (160, 610, 84, -3.5),
        (830, 580, 100, 3.7),
        (480, 740, 60, -3.0),
        (985, 340, 66, 3.2),
    ):
        act(TWIST, float(cx), float(cy), float(r), float(turn))
    wx = x + 1.6 * sheet.noise(50, 2)
    wy = y + 1.6 * sheet.noise(50, 2)
    number = np.zeros(sheet.shape, np.int32)
    u, v = np.zeros(sheet.shape, np.float32), np.zeros(sheet.shape, np.float32)
    _float(wx.astype(np.float64), wy.astype(np.float64), np.array(acts, float), number, u, v)
    colors.append(palette[0])  # the bath's own ink, where no drop fell
    ink = np.array(colors, np.float32)[np.where(number < 0, len(colors) - 1, number)]

    # A drop thins from its middle to its rim; the pigment's grain was stretched with it.
    spread = np.hypot(u, v) / np.array([a[3] for a in acts] + [1.0])[np.where(number < 0, len(acts), number)]
    grain = shifted(
        sheet.noise(5, 3, 0.7),
        (3 * u + 5 * number) * unit % sheet.width - x * unit,
        (3 * v + 11 * number) * unit % sheet.height - y * unit,
    )
    ink[..., 0] += 0.05 * np.where(number < 0, 0, spread - 0.6) + 0.018 * grain
    meet = np.zeros(sheet.shape, np.float32)
    meet[:, 1:] += number[:, 1:] != number[:, :-1]
    meet[1:] += number[1:] != number[:-1]
    rim = blur(np.minimum(meet, 1), 0.8 * unit)
    tooth = paper(sheet)
    page = ramp(0.6 + 0.1 * sheet.noise(150, 2), "e0cfa8 f2e6c8 faf3e0")
    density = 0.93 - 0.05 * np.maximum(tooth, 0) + 0.03 * sheet.noise(40, 3) - 0.16 * step(2.2, 3.0, tooth)
    out = mix(page, ink, np.clip(density, 0, 1))
    out[..., 0] -= 0.06 * rim
    # Specks where the ink broke, and the faint bands of a sheet laid down by hand.
    out[..., 0] += 0.05 * step(2.4, 3.0, sheet.noise(6, 1))
    out[..., 0] *= 1 + 0.012 * np.sin((x + 0.5 * y) / 23 + sheet.noise(120)) + 0.02 * sheet.noise(220)
    return relief(out, 0.3 * unit * tooth + 0.25 * unit * rim, 0.3, 0.03)


# Cave


def _smooth_union(distances: list[Array], soft: float) -> Array:
    """Join shapes as flesh does: the distance to all of them, rounded where they meet."""
    low = np.min(distances, axis=0)
    total = sum(np.exp(-np.minimum(d - low, 40 * soft) / soft) for d in distances)
    return low - soft * np.log(total)


BEASTS = {
    "bull": [
        [(-95, -12, 44), (-40, -22, 56), (30, -8, 50), (95, -6, 44), (125, 8, 34)],
        [(-100, -20, 42), (-145, -18, 30), (-168, 4, 22), (-192, 34, 14), (-200, 44, 11)],
        [(-80, 25, 22), (-92, 62, 12), (-80, 95, 7), (-86, 122, 6)],
        [(-55, 30, 20), (-50, 66, 11), (-60, 98, 7), (-56, 124, 6)],
        [(98, 20, 26), (112, 60, 13), (100, 94, 7), (108, 122, 6)],
        [(126, 14, 24), (146, 56, 12), (138, 92, 7), (144, 118, 6)],
        [(152, -6, 5), (176, 22, 4), (182, 66, 3), (178, 92, 5)],
    ],
    "horse": [
        [(-62, -4, 31), (-10, 6, 37), (48, 0, 35), (82, 0, 31)],
        [(-66, -14, 27), (-98, -52, 19), (-114, -72, 15)],
        [(-110, -74, 15), (-136, -58, 12), (-154, -38, 8)],
        [(-108, -88, 5), (-104, -102, 2)],
        [(-58, 20, 16), (-70, 52, 8), (-60, 84, 5), (-64, 104, 5)],
        [(-38, 24, 15), (-30, 56, 8), (-42, 84, 5), (-38, 106, 5)],
        [(74, 14, 21), (90, 52, 10), (80, 82, 5), (86, 106, 5)],
        [(92, 10, 18), (116, 46, 9), (112, 80, 5), (118, 100, 5)],
        [(108, -12, 5), (130, 12, 7), (132, 62, 5), (126, 84, 2)],
    ],
    "deer": [
        [(-50, -2, 25), (0, 4, 27), (56, -2, 26), (74, 2, 21)],
        [(-54, -10, 20), (-80, -46, 12), (-88, -66, 10)],
        [(-86, -68, 11), (-108, -58, 8), (-122, -48, 5)],
        [(-46, 14, 11), (-52, 52, 5), (-48, 92, 4)],
        [(-34, 16, 11), (-28, 54, 5), (-36, 92, 4)],
        [(62, 12, 15), (74, 48, 6), (68, 90, 4)],
        [(74, 8, 13), (92, 46, 6), (90, 86, 4)],
        [(-84, -76, 3), (-70, -112, 2.6), (-84, -146, 2), (-110, -160, 1)],
        [(-74, -112, 2.4), (-50, -130, 1.5), (-46, -150, 0.8)],
        [(-90, -76, 3), (-100, -108, 2.5), (-124, -128, 1.8), (-146, -132, 0.8)],
        [(-102, -110, 2.2), (-98, -136, 1.4), (-112, -150, 0.8)],
        [(-78, -134, 2), (-60, -158, 1.2), (-62, -170, 0.7)],
    ],
}


def cave(sheet: Sheet) -> Array:
    """Cave wall by torchlight: aurochs, horses and deer in ocher and charcoal, stenciled hands, blown pigment."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    # Rock: slow bulges, ledges, pits and cracks.
    ledges = np.abs(sheet.noise(150, 4, 0.55, stretch=1.8))
    bulge = sheet.noise(230, 2)
    grit = sheet.noise(6, 4, 0.85)
    pits = step(1.5, 2.6, sheet.noise(9, 2))
    rock = 26 * bulge + 15 * np.minimum(ledges, 1.2) + 2.6 * sheet.noise(34, 3) + 0.75 * grit - 2.2 * pits
    cracks = np.zeros(sheet.shape, np.float32)
    for _ in range(7):
        heading, spot, line = rng.uniform(0, 2 * np.pi), rng.uniform((0, 0), (1000, 800)), []
        for k in range(26):
            line.append((*spot, 1.3 * (1 - k / 26)))
            heading += rng.normal(0, 0.35)
            spot = spot + 13 * np.array([np.cos(heading), np.sin(heading)])
        cracks = np.maximum(cracks, step(0.5, -0.7, along(x, y, line)[0]))
    rock -= 4 * blur(cracks, 0.6 * unit)
    stain = sheet.noise(170, 4, 0.6)
    out = ramp(0.5 + 0.16 * stain + 0.05 * sheet.noise(20, 3) + 0.03 * grit, "6e4a2c 9a6f42 c19a66 d9bb8a ecdcb8")
    out = mix(out, paints("a9572c")[0], 0.45 * step(0.5, 1.8, sheet.noise(120, 4)))
    out = mix(out, paints("8c8a7c")[0], 0.4 * step(0.6, 1.8, sheet.noise(90, 4)))
    veil = step(0.7, 1.7, sheet.noise(60, 3, stretch=0.35))  # calcite that ran down
    out = mix(out, paints("efe6cf")[0], 0.4 * veil)
    # Pigment holds on the grain's high places, and has flaked elsewhere.
    hold = np.clip(
        0.95
        + 0.2 * grit
        - 0.3 * step(0.9, 1.9, sheet.noise(16, 3))
        - 0.6 * pits
        - 0.25 * step(1.0, 2.0, sheet.noise(80, 3)),
        0,
        1,
    )

    def stain_with(amount, name):
        nonlocal out
        out = mix(out, paints(name)[0], np.clip(amount, 0, 0.96) * hold)

    def charcoal(d, width, strength=0.85):
        press = np.clip(0.75 + 0.5 * sheet.noise(26, 2), 0.1, 1.3)
        stain_with(strength * press * step(1.0, 0.3, np.abs(d) / (width * (0.7 + 0.45 * press))), "1d1713")

    def beast(kind, cx, cy, size, coat, flip=1, tilt=0.0, full=0.8):
        """An animal: its coat blown on, dark along the back, then its outline drawn with charcoal."""
        c, s = np.cos(tilt), np.sin(tilt)
        u, v = flip * ((x - cx) * c + (y - cy) * s) / size, ((y - cy) * c - (x - cx) * s) / size
        near = (np.abs(u) < 250) & (np.abs(v) < 210)
        rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        d = np.full(sheet.shape, 99.0, np.float32)
        limbs = [np.minimum(along(u[part] + 1.2 * grit[part], v[part], limb)[0], 60) for limb in BEASTS[kind]]
        d[part] = _smooth_union(limbs, 3.5) * size
        inside = step(2, -3, d)
        back = step(30, -45, v)
        patch = np.clip(0.78 + 0.26 * sheet.noise(28, 3), 0, 1.1)
        stain_with(full * inside * patch * (0.45 + 0.55 * back), coat)
        stain_with(0.75 * inside * step(0.1, 0.9, back) * step(-26, -3, d) * patch, "3a2016")
        stain_with(0.5 * np.exp(-np.maximum(d, 0) / 4) * (d > 0) * (sheet.noise(2.2) > 0.2), coat)
        charcoal(d, 2.3 * max(size, 0.7))
        if kind == "bull":
            for horn in (
                [(-160, -40, 5), (-182, -66, 4), (-206, -74, 3), (-222, -98, 1)],
                [(-146, -46, 5), (-156, -78, 4), (-178, -92, 3), (-188, -116, 1)],
            ):
                stain_with(0.9 * step(1, -0.5, along(u, v, horn)[0]), "1d1713")
            stain_with(0.85 * step(3.4, 2.2, np.hypot(u + 160, v + 6)), "140f0c")
            for _ in range(40):
                stain_with(
                    0.7 * step(3.6, 2, np.hypot(u + 186 - 150 * rng.random() ** 2, v - 20 + 60 * rng.random())),
                    "2a1a14",
                )
        if kind == "horse":
            mane = along(u, v, [(-106, -92, 4), (-88, -70, 7), (-62, -40, 7), (-40, -32, 3)])[0]
            stain_with(0.9 * step(2, -2, mane + 2 * sheet.noise(4)), "1d1713")
            stain_with(0.8 * inside * step(-132, -150, u), "1d1713")
            stain_with(0.8 * inside * step(70, 92, v), "1d1713")
            stain_with(0.85 * step(2.6, 1.6, np.hypot(u + 128, v + 66)), "140f0c")
        if kind == "deer":
            stain_with(0.85 * step(2.2, 1.4, np.hypot(u + 100, v + 66)), "140f0c")

    def hand(cx, cy, size, turn, name, left=1):
        """A hand held to the wall, and pigment blown over it."""
        c, s = np.cos(turn), np.sin(turn)
        u, v = left * (c * (x - cx) + s * (y - cy)) / size, (c * (y - cy) - s * (x - cx)) / size
        parts = [along(u, v, [(0, 14, 19), (0, 34, 20), (2, 62, 16), (4, 110, 15)])[0]]
        for tip in (
            ((-14, 6, 6.5), (-22, -22, 6), (-27, -44, 5)),
            ((-5, 2, 7), (-8, -32, 6.3), (-10, -60, 5)),
            ((6, 2, 7), (7, -30, 6.3), (8, -56, 5)),
            ((15, 8, 6.5), (22, -18, 5.6), (27, -38, 4.5)),
            ((-12, 34, 9), (-34, 18, 7), (-46, 0, 5.5)),
        ):
            parts.append(along(u, v, list(tip))[0])
        d = np.minimum(_smooth_union(parts, 2.0), 200) * size
        fog = np.exp(-np.maximum(d, 0) / (26 * size)) * np.clip(0.85 + 0.35 * sheet.noise(30, 2), 0, 1.2)
        drops = (rng.random(sheet.shape) < 0.35).astype(np.float32)
        spray = np.clip(0.75 * fog + 0.9 * fog * blur(drops, 0.9) * 1.4 - 0.25, 0, 1) * step(-0.8, 1.2, d + 0.8 * grit)
        stain_with(0.95 * spray, name)

    for at in (
        (120, 150, 0.85, -0.25, "8e2f1c", 1),
        (245, 110, 0.75, 0.1, "a33a20", -1),
        (880, 640, 0.9, 0.3, "7a2418", 1),
        (760, 700, 0.78, -0.12, "2a1a15", -1),
        (95, 660, 0.8, 0.2, "b0702a", 1),
    ):
        hand(*at)
    # Older beasts first, then the great bull over them.
    beast("horse", 770, 240, 0.95, "a8622c", 1, -0.06, 0.6)
    beast("deer", 500, 150, 0.8, "8e3a20", -1, 0.05, 0.7)
    beast("horse", 215, 420, 0.9, "b8792f", -1, 0.04)
    beast("deer", 640, 610, 0.75, "9a4a26", 1, 0.0, 0.7)
    beast("horse", 330, 655, 0.8, "7a3420", 1, 0.05)
    beast("bull", 590, 405, 1.5, "9a3f20", 1, -0.03, 0.85)
    beast("bull", 900, 470, 0.8, "5a2c1c", 1, 0.05, 0.8)
    beast("horse", 90, 300, 0.55, "2f1d17", 1, 0.0, 0.8)
    for k in range(11):  # a row of dots, and a sign like a ladder
        stain_with(0.9 * step(9, 5, np.hypot(x - 400 - 24 * k, y - 735 - 9 * np.sin(k / 2)) + 2 * grit), "8e2f1c")
    for k in range(5):
        charcoal(along(x, y, [(880 + 18 * k, 90), (884 + 18 * k, 150)])[0] + grit, 2.6)
    for k in range(3):
        charcoal(along(x, y, [(872, 96 + 25 * k), (966, 92 + 25 * k)])[0] + grit, 2.6)
    out = mix(out, paints("2a1f18")[0], 0.75 * cracks)

    surface = rock * 0.34 * unit
    out = relief(out, surface.astype(np.float32), 1.15, 0.03)
    # Torchlight: warm, from below on the left, dying away.
    fire = np.hypot((x - 470) / 780, (y - 440) / 600)
    out[..., 0] *= 1.06 - 0.42 * step(0.35, 1.1, fire + 0.05 * bulge)
    out[..., 1] += 0.008
    out[..., 2] += 0.018 * step(1.0, 0.2, fire)
    return out


# Washes


class Wash:
    """Pigment in water on paper: washes multiply, pool at their edges, settle in the paper's hollows and bleed."""

    def __init__(self, sheet: Sheet, page: Array, tooth: Array):
        self.sheet, self.tooth = sheet, tooth
        self.light = to_srgb(page).astype(np.float64) ** 2.2
        # One large field of each kind serves all washes, each of which takes its own part.
        large = Sheet(sheet.height * 3 // 2, sheet.width * 3 // 2, sheet.rng)
        self.ragged = large.noise(14 / 1.5, 4, 0.6)
        self.bleed = [large.noise(scale / 1.5, 4, 0.62) for scale in (12, 24, 60)]
        self.flow = 1 + 0.16 * large.noise(70 / 1.5, 3) + 0.1 * large.noise(22 / 1.5, 3)
        self.fine = large.noise(2.4 / 1.5)

    def lay(
        self,
        d: Array,
        color: str | Array,
        density: Array | float = 1.0,
        *,
        wet: float = 0.0,
        rim: float = 0.5,
        grain: float = 0.25,
        rough: float = 2.0,
    ) -> None:
        """Lay a wash where the distance d (units) is negative; `wet` is how far it bleeds, `rim` how dark it dries."""
        near = d < 3 * wet + 4 * rough + 4
        rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
        if not len(rows):
            return
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        i, j = (int(self.sheet.rng.integers(0, side // 2)) for side in self.sheet.shape)

        def moved(field):
            return field[i : i + near.shape[0], j : j + near.shape[1]][part]

        d = d[part] + rough * moved(self.ragged)
        cover = step(0.8, -0.8, d)
        if wet:
            d = d + wet * 0.5 * moved(self.bleed[int(np.searchsorted((8, 25), wet))])
            cover = step(wet, -wet, d)
        density = np.broadcast_to(density, near.shape)[part]
        pool = rim * np.minimum(density, 1) * np.exp(-np.abs(d + 1.5) / 2.2) * (d < 0.5) * (0.25 if wet else 1)
        settle = 1 - grain * 0.5 * self.tooth[part] + grain * 0.25 * moved(self.fine)
        self.spend(color, np.clip((cover * density * moved(self.flow) + pool) * settle, 0, 3), part)

    def spend(self, color: str | Array, amount: Array, part: tuple[slice, slice] = np.s_[:, :]) -> None:
        """Dim the light by a pigment's own color, as often as `amount` says."""
        pigment = to_srgb(paints(color)[0] if isinstance(color, str) else color) ** 2.2
        self.light[part] *= np.clip(pigment, 0.004, 1) ** amount[..., None]

    def bloom(self, cx: float, cy: float, r: float, strength: float = 0.5) -> None:
        """A backrun: water dropped into a damp wash pushes the pigment out to a crinkled edge."""
        x, y = self.sheet.xy
        d = np.hypot(x - cx, y - cy) + 0.22 * r * self.sheet.noise(0.35 * r, 4, 0.65)
        lift = strength * step(r, 0.3 * r, d)
        self.light = self.light ** (1 - 0.6 * lift[..., None])
        edge = strength * 0.5 * np.exp(-(((d - r) / (0.05 * r)) ** 2))
        self.light = self.light ** (1 + edge[..., None])

    def done(self) -> Array:
        """Return the picture, in OKLab."""
        return to_oklab(np.clip(self.light, 0, 1) ** (1 / 2.2))


def watercolor(sheet: Sheet) -> Array:
    """Watercolor of a lake in autumn: wet skies, layered hills, trees that bleed, granulation and backruns."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    tooth = paper(sheet, 4) * 0.7 + 0.5 * sheet.noise(8, 2)
    page = ramp(0.6 + 0.1 * sheet.noise(200, 2) + 0.02 * tooth, "efe8d8 f8f3e7 fdfaf3")
    # A few pencil lines came first.
    pencil = np.zeros(sheet.shape, np.float32)
    shore = 430 + 6 * np.sin(x / 80) + 4 * np.sin(x / 31)
    ridges = []
    for base, high, wave in ((330, 150, 210), (365, 100, 150), (400, 52, 95)):
        ridges.append(
            base
            - high * np.abs(np.sin(x / wave + base)) ** 1.3 * (0.55 + 0.45 * np.sin(x / 340 + base))
            - 7 * sheet.noise(40, 3)[:1]
        )
    for ridge in ridges:
        pencil = np.maximum(pencil, step(1.0, 0.2, np.abs(y - ridge + 3 + 2 * sheet.noise(80))))
    page[..., 0] -= 0.22 * pencil * step(-0.3, 1.2, tooth) * step(-0.5, 0.5, sheet.noise(60))

    w = Wash(sheet, page, tooth)
    # Sky, wet in wet; clouds are paper left dry.
    cloud = step(0.1, 1.2, sheet.noise(110, 4, 0.55, stretch=1.7) - 0.004 * np.abs(y - 150))
    w.lay(y - 300, "6fa3cf", (0.95 * step(330, 0, y) + 0.1) * (1 - 0.95 * cloud), wet=50, rim=0, grain=0.3)
    w.lay(np.abs(y - 300) - 90, "f4b183", 0.7 * step(120, 300, y) * (1 - 0.5 * cloud), wet=60, rim=0)
    w.lay(np.hypot(x - 700, y - 265) - 90, "f6d67a", 0.8, wet=80, rim=0)
    w.lay(np.where(cloud > 0.4, 0, 30) + 0.2 * np.abs(y - 210), "8f8fb5", 0.55 * step(0.2, 0.9, cloud), wet=26, rim=0)
    w.bloom(210, 110, 80, 0.6)
    w.bloom(870, 90, 56, 0.5)
    # Hills, far to near; each dries with an edge.
    for k, (ridge, color, density) in enumerate(
        zip(ridges, ("8fa3cf", "6f86b8", "5f7f8f"), (0.6, 0.7, 0.7), strict=True)
    ):
        d = np.maximum((ridge - y) * 0.8, y - shore)
        w.lay(d, color, density * (0.55 + 0.5 * step(140, 0, y - ridge)), rim=0.45, grain=0.5)
        w.lay(
            d + 10 + 14 * sheet.noise(50, 2),
            ("b58fb0", "4f6f9f", "3f6a5a")[k],
            0.5 * step(-0.3, 1.0, sheet.noise(60, 3)),
            wet=16,
            rim=0.1,
            grain=0.5,
        )
    # Lake: the sky again, and the hills upside down, drawn out sideways.
    ripple = sheet.noise(10, 3, stretch=7)
    w.lay(
        np.maximum(shore + 2 - y, y - 790),
        "7fb0cc",
        0.35 + 0.55 * step(440, 760, y) + 0.06 * ripple,
        rim=0.3,
        grain=0.45,
    )

    w.lay(np.maximum(shore + 1 - y, (y - shore) - (shore - ridges[2]) * 0.9 + 8 * ripple), "5f7f9a", 0.75, wet=7)
    for low, color, density in ((0.7, "5f93bd", 0.5), (1.1, "3f78a8", 0.55), (1.5, "6f7fb0", 0.5)):
        swell = sheet.noise(24, 3, stretch=8) + 0.9 * step(430, 800, y) - 0.4
        w.lay(np.where(y > shore + 8, 14 * (low - swell), 99), color, density, rim=0.7, grain=0.6, rough=1.2)
    w.lay(
        np.abs(x - 700 + 22 * ripple) - 45 + 0.03 * (y - 430),
        "f3c06a",
        0.5 * step(430, 470, y) * step(760, 560, y),
        wet=26,
        rim=0,
    )
    for _ in range(60):
        cy = 450 + 300 * rng.random() ** 1.4
        cx, half = rng.uniform(0, 1000), rng.uniform(14, 70) * (0.4 + (cy - 430) / 300)
        dash = along(
            x, y, [(cx - half, cy, 0.3), (cx, cy + rng.normal(0, 2), 0.8 + (cy - 430) / 130), (cx + half, cy, 0.2)]
        )[0]
        w.spend(
            str(rng.choice(["4f7fa8", "6f93b5", "3f6a94"])),
            0.6 * step(0.5, -0.5, dash + 0.6 * tooth) * np.ones(sheet.shape),
        )
    # Trees on the far shore: drops of wet color that run together.
    for color, count, spread in (
        ("d9a233", 46, 17),
        ("c8622f", 40, 15),
        ("8f9a3f", 36, 16),
        ("a8392f", 24, 12),
        ("4f6a4a", 26, 13),
    ):
        d = np.full(sheet.shape, 1e9, np.float32)
        for _ in range(count):
            cx = rng.choice([rng.uniform(-20, 420), rng.uniform(560, 1020)])
            r = rng.uniform(0.5, 1.2) * spread
            cy = 428 + 6 * np.sin(cx / 80) - r - rng.uniform(0, 30)
            d = np.minimum(d, np.hypot(x - cx, (y - cy) * 0.9) - r)
        w.lay(d, color, 0.4 * step(-1.1, -0.2, sheet.noise(30, 2)), wet=6, rim=0.35, grain=0.3, rough=3)
        flip = np.clip(2 * shore - y, 0, None)
        rows = np.clip((flip * unit).astype(int), 0, sheet.height - 1)
        mirrored = np.take_along_axis(d, rows, 0) + 7 * ripple
        w.lay(np.where(y > shore + 3, mirrored, 99), color, 0.4, wet=12, rim=0.05)
    w.lay(np.abs(y - shore - 1) - 1.6, "5a5a4f", 0.5, wet=3)
    # Near bank, and a great tree that leans over the water.
    bank = 640 + 0.00042 * (x - 40) ** 2 * 0.9 - 26 * np.sin(x / 90) + 70 * step(350, 800, x)
    w.lay(np.maximum(bank - y, y - 788), "b5923f", 0.7, rim=0.6, grain=0.5)
    w.lay(np.maximum(bank + 30 + 20 * sheet.noise(50, 2) - y, y - 790), "7a7a3a", 0.5, wet=22, grain=0.6)
    w.lay(np.maximum(bank + 70 + 26 * sheet.noise(40, 2) - y, y - 792), "5a5048", 0.5, wet=20, grain=0.6)
    limbs = [
        [(150, 800, 30), (168, 700, 22), (176, 560, 18), (205, 420, 14), (250, 300, 9), (300, 190, 4)],
        [(182, 520, 12), (110, 430, 9), (60, 350, 6), (20, 260, 3)],
        [(205, 420, 10), (300, 370, 7), (390, 330, 5), (470, 320, 2)],
        [(235, 330, 7), (190, 240, 5), (160, 150, 2.5)],
        [(300, 370, 5), (350, 280, 3.5), (400, 220, 1.5)],
    ]
    wood = np.min([along(x, y, limb)[0] for limb in limbs], axis=0)
    wood = np.minimum(wood, 60)
    w.lay(wood, "8a6a50", 0.7, rim=0.6, grain=0.5, rough=1.2)
    w.lay(wood + 4 + 3 * np.sin(x / 5), "4a3a44", 0.45, wet=5, rough=1.5)
    for color, count, spread, density in (
        ("e3b23c", 80, 30, 0.75),
        ("d9772f", 80, 26, 0.75),
        ("b5402a", 70, 20, 0.8),
        ("7f8f3a", 50, 20, 0.65),
        ("8a2f2f", 50, 12, 0.85),
    ):
        d = np.full(sheet.shape, 1e9, np.float32)
        for _ in range(count):
            a, far = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
            cx, cy = 205 + 270 * far * np.cos(a), 215 + 185 * far * np.sin(a)
            r = spread * rng.uniform(0.3, 1.1)
            d = np.minimum(d, np.hypot(x - cx, y - cy) - r)
        gaps = step(-0.9, -0.3, sheet.noise(24, 3))
        w.lay(
            d + 6 * sheet.noise(9, 2), color, density * gaps, wet=5 if spread > 15 else 0, rim=0.6, grain=0.35, rough=4
        )
    for _ in range(90):  # reeds
        cx = rng.uniform(420, 1000)
        foot = float(np.interp(cx, np.arange(sheet.width) / unit, bank[-1])) + rng.uniform(0, 50)
        tall, bend = rng.uniform(40, 120), rng.normal(0, 14)
        reed = along(x, y, [(cx, foot, 1.8), (cx + 0.3 * bend, foot - 0.6 * tall, 1.2), (cx + bend, foot - tall, 0.3)])[
            0
        ]
        w.spend(str(rng.choice(["5a5a2f", "8a6a2f", "3f4a33", "a8702f"])), 0.85 * step(0.6, -0.6, reed + 0.4 * tooth))
    # Spatter, backruns, and the edge where the tape was.
    for _ in range(60):
        cx, cy = rng.normal((230, 330), (190, 170))
        r = rng.uniform(0.7, 2.6) * (1 + 1.4 * (rng.random() < 0.12))
        drop = np.hypot((x - cx) * rng.uniform(0.8, 1.2), y - cy) - r
        w.lay(drop, str(rng.choice(["d9772f", "b5402a", "e3b23c"])), 0.6, rough=0.5)
    for cx, cy, r in ((620, 560, 60), (860, 700, 46), (420, 700, 40), (80, 560, 36)):
        w.bloom(cx, cy, r, 0.45)
    out = w.done()
    tall = 1000 * sheet.height / sheet.width
    edge = np.minimum(np.minimum(x, 1000 - x), np.minimum(y, tall - y)) + 1.5 * sheet.noise(12, 4)
    out = mix(out, page, step(15, 13, edge))
    return relief(out, 0.3 * unit * tooth, 0.32, 0.0)


def ink_wash(sheet: Sheet) -> Array:
    """Ink on silk-toned paper: mountains in mist, pines on a cliff, a waterfall and a boat; wet washes, dry strokes."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    wide = 1000 * sheet.width / sheet.height
    tooth = paper(sheet, 16)
    page = ramp(0.55 + 0.12 * sheet.noise(220, 3) + 0.03 * tooth, "c9b48a ddcda6 ece0c2 f3ead2")
    w = Wash(sheet, page, tooth)
    ink = "4f4b48"

    def peaks(centers):
        """Height of a row of steep, rounded peaks along x."""
        top = np.full(x.shape, 2000.0, np.float32)
        for cx, head, half in centers:
            u = np.abs(x - cx) / half
            top = np.minimum(top, head + 0.9 * half * u**1.6 + 60 * u**3)
        return top + 9 * sheet.noise(40, 4, 0.6)

    texture = []
    rows = (
        ([(120, 170, 90), (260, 110, 70), (400, 210, 110), (620, 150, 90), (760, 240, 110)], 0.34, 190),
        ([(60, 330, 80), (210, 280, 70), (520, 250, 85), (640, 330, 70)], 0.55, 210),
        ([(300, 420, 80), (420, 360, 70), (720, 400, 90)], 0.8, 230),
        ([(20, 470, 110), (130, 560, 80)], 1.25, 420),
        ([(730, 640, 120), (640, 730, 100)], 1.3, 330),
    )
    for centers, density, reach in rows:
        top = peaks(centers)
        below = y - top
        head = np.mean([center[1] for center in centers])
        fade = step(reach, 0.15 * reach, y - head + 22 * sheet.noise(120, 2))  # mist swallows the foot
        w.lay(top - y, ink, density * 0.55 * fade, rim=0.55, grain=0.3, rough=2.5)
        cleft = sheet.noise(34, 4, 0.6, stretch=0.45)
        w.lay(np.maximum(top - y + 6, 20 - 30 * cleft), ink, density * 0.8 * fade, wet=12, rim=0.2, grain=0.35)
        w.lay(np.abs(top - y) - 5, ink, density * 0.5 * fade * step(-0.8, 0.6, sheet.noise(40)), wet=7, rim=0)
        texture.append((below, fade, density, np.gradient(top, axis=1) * unit))
    # Waterfall: paper left between two rocks.
    fall = np.abs(x - 470 - 5 * np.sin(y / 30)) - 8 - 0.02 * (y - 380)
    open_ = (y > 395) & (y < 640)
    back = to_srgb(page) ** 2.2
    veil = (step(2, -3, fall + 2 * sheet.noise(5, 2, stretch=0.2)) * open_ * 0.85)[..., None]
    w.light = w.light * (1 - veil) + back * veil
    # Water: a few level strokes, and mist over them.
    for _ in range(46):
        cy = 690 + 290 * rng.random()
        cx, half = rng.uniform(100, wide - 60), rng.uniform(20, 90)
        d = along(x, y, [(cx - half, cy, 0.2), (cx, cy + rng.normal(0, 2), 1.6), (cx + half, cy, 0.2)])[0]
        w.spend(ink, 0.3 * step(0.8, -0.8, d + 0.9 * tooth))

    # Dry strokes: ridges and clefts are drawn with a split brush; then dots of moss.
    canvas = Canvas.primed(sheet, w.done())
    black = np.broadcast_to(paints("26231f")[0], (*sheet.shape, 3)).astype(np.float32)
    for below, fade, density, slope in texture:
        inside = (below > 2) * fade * min(density, 1.0)
        lean = flow_of(np.pi / 2 - 0.3 * np.sign(slope) + 0.22 * sheet.noise(40))
        tone = mix(black, canvas.color, np.clip(0.8 - 0.33 * density + 0.12 * sheet.noise(30), 0.15, 0.9))
        chance = 0.3 * inside * (below > 16) * step(-0.2, 1.2, sheet.noise(46, 3))
        canvas.strokes(
            tone, lean, 4, 46, density=0.8, where=chance, tolerance=9, dry=2.2, body=0.1, jitter=(0.03, 0.002, 0.002)
        )
        line = inside * step(9, 2, below) * 0.9
        canvas.strokes(
            tone,
            flow_of(np.arctan(slope)),
            4,
            40,
            density=1.2,
            where=line,
            tolerance=9,
            dry=1.8,
            body=0.1,
            jitter=(0.03, 0.002, 0.002),
        )
        moss = 0.5 * inside * step(26, 4, below) * step(0.2, 1.0, sheet.noise(30, 2))
        canvas.strokes(
            black, lean, 5.5, 4, density=1.2, where=moss, tolerance=9, dry=0.3, body=0.1, jitter=(0.05, 0.002, 0.002)
        )
    w.light = to_srgb(canvas.color).astype(np.float64) ** 2.2

    def pine(cx, foot, tall, lean):
        """A pine: a bent trunk with bark, and clouds of needles."""
        bend = [
            (cx, foot, 7),
            (cx + 0.2 * lean + 8, foot - 0.3 * tall, 5.5),
            (cx + 0.5 * lean - 6, foot - 0.6 * tall, 4),
            (cx + lean, foot - tall, 1.5),
        ]
        trunk = along(x, y, bend)[0] * (tall / 150)
        w.lay(trunk + 1.5 * sheet.noise(5, 2), "2f2c30", 1.2, rim=0.6, rough=0.6)
        for _ in range(12):
            t = rng.uniform(0.35, 1.02)
            bx = cx + lean * t + rng.choice([-1, 1]) * rng.uniform(0.08, 0.34) * tall * (1.25 - t)
            by = foot - tall * t + rng.normal(0, 4)
            sx = cx + lean * t
            w.lay(along(x, y, [(sx, by + 10, 2.2), (bx, by, 0.8)])[0], "2f2c30", 1.0, rim=0.3, rough=0.4)
            pad = np.hypot((x - bx) / 2.4, y - by) - 0.065 * tall
            w.lay(pad, ink, 0.55, wet=5, rim=0.1)
            n = int(40 * tall / 150)
            for k in range(n):
                a = -np.pi * (k + rng.random()) / n
                px, py = bx + rng.normal(0, 0.07 * tall), by + rng.normal(0, 0.02 * tall)
                size = 0.085 * tall * rng.uniform(0.7, 1.2)
                i, j, r = int(py * unit), int(px * unit), int(size * unit * 1.3) + 3
                part = np.s_[max(i - r, 0) : max(i + r, 0), max(j - r, 0) : max(j + r, 0)]
                if x[part].size:
                    d = along(x[part], y[part], [(px, py, 0.9), (px + size * np.cos(a), py + size * np.sin(a), 0.2)])[0]
                    w.light[part] *= 0.16 ** (0.8 * step(0.5, -0.5, d))[..., None]

    for at in (
        (70, 500, 190, 50),
        (140, 575, 150, -30),
        (20, 480, 130, 40),
        (690, 668, 170, -46),
        (740, 650, 210, 20),
        (625, 745, 120, -20),
    ):
        pine(*at)
    # A boat with its fisherman, birds, and the seal.
    hull = along(x, y, [(330, 846, 1), (365, 858, 5), (420, 860, 6), (462, 846, 1)])[0]
    w.lay(hull, "2f2c30", 1.3, rim=0.5, rough=0.7)
    w.lay(along(x, y, [(398, 850, 7), (400, 832, 6), (402, 824, 3)])[0], "2f2c30", 0.9, rim=0.6, rough=0.6)
    w.lay(along(x, y, [(386, 822, 0.6), (402, 812, 4), (418, 822, 0.6)])[0], "2f2c30", 1.3, rough=0.4)
    w.lay(along(x, y, [(408, 838, 0.9), (470, 800, 0.7), (505, 786, 0.4)])[0], "2f2c30", 1.2, rough=0.2)
    for k in range(7):
        bx, by = 500 + 26 * k + 8 * np.sin(3 * k), 90 + 13 * np.cos(2.3 * k) - 5 * k
        bird = along(
            x,
            y,
            [
                (bx - 9, by - 4, 0.3),
                (bx - 3, by - 1, 1.3),
                (bx, by + 2, 1.1),
                (bx + 3, by - 1, 1.3),
                (bx + 9, by - 5, 0.3),
            ],
        )[0]
        w.lay(bird, "2f2c30", 1.1, rim=0.2, rough=0.2)
    seal = np.maximum(np.abs(x - 66), np.abs(y - 900)) - 22
    cut = np.abs(sheet.noise(11)) - 0.3
    w.lay(np.maximum(seal, -cut * 9 * (seal < -3)), "c43a28", 1.4, rim=0.4, rough=1.0)
    out = w.done()
    stains = step(1.4, 2.8, sheet.noise(60, 4))
    out = mix(out, paints("a8895a")[0], 0.14 * stains)
    threads = sheet.noise(1.4, stretch=30) + sheet.noise(42, stretch=1 / 30)
    return relief(out, (0.22 * tooth + 0.1 * threads) * unit, 0.35, 0.0)


PAINTERS = {
    "marbling": (marbling, 1.25),
    "cave": (cave, 1.25),
    "watercolor": (watercolor, 1.25),
    "ink_wash": (ink_wash, 0.75),
}
