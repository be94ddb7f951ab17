"""Painters in pieces: tesserae set in mortar, and glass set in lead."""

import numpy as np
from numba import njit
from painting import (
    Array,
    Sheet,
    along,
    blur,
    drawn_out,
    flow_of,
    mix,
    paints,
    ramp,
    relief,
    shifted,
    step,
    to_oklab,
    to_srgb,
)
from scipy import ndimage
from scipy.spatial import cKDTree

# Tesserae


@njit(cache=True)
def _assign(labels, sites, sizes, angles, marks, cell, grid_start, grid_items, columns, rows):
    """Give every pixel to the nearest site in a turned square metric; sites of another region count as far away."""
    height, width = labels.shape
    owner = np.zeros((height, width), np.int32)
    gap = np.zeros((height, width), np.float32)
    for i in range(height):
        for j in range(width):
            first, second, who = 1e9, 1e9, 0
            gi, gj = int(i / cell), int(j / cell)
            for a in range(max(gi - 1, 0), min(gi + 2, rows)):
                for b in range(max(gj - 1, 0), min(gj + 2, columns)):
                    for n in range(grid_start[a * columns + b], grid_start[a * columns + b + 1]):
                        k = grid_items[n]
                        dx, dy = j - sites[k, 0], i - sites[k, 1]
                        c, s = np.cos(angles[k]), np.sin(angles[k])
                        u, v = abs(c * dx + s * dy), abs(c * dy - s * dx)
                        d = (max(u, v) + 0.12 * min(u, v)) / sizes[k]
                        if marks[k] != labels[i, j]:
                            d += 3.0
                        d *= sizes[k]
                        if d < first:
                            first, second, who = d, first, k
                        elif d < second:
                            second = d
            owner[i, j] = who
            gap[i, j] = second - first
    return owner, gap


def tesserae(
    sheet: Sheet, labels: Array, angle: Array, pitch: Array, rounds: int = 14
) -> tuple[Array, Array, Array, Array]:
    """Set tiles along `angle`, about `pitch` units wide; return owner, distance to the joint, sites and sizes.

    After Hausner, "Simulating decorative mosaics" (2001): Lloyd's relaxation in a metric whose circles are squares.
    """
    rng, unit = sheet.rng, sheet.unit
    finest = float(pitch.min())
    spots = sheet.spots(finest)
    i, j = np.clip(spots[:, 1].astype(int), 0, sheet.height - 1), np.clip(spots[:, 0].astype(int), 0, sheet.width - 1)
    sites = spots[rng.random(len(spots)) < (finest / pitch[i, j]) ** 2].astype(np.float64)
    cell = 1.7 * float(pitch.max()) * unit
    rows, columns = int(sheet.height / cell) + 1, int(sheet.width / cell) + 1
    for _ in range(rounds):
        sites = np.clip(sites, 0, np.array([sheet.width, sheet.height]) - 1)
        i, j = sites[:, 1].astype(int), sites[:, 0].astype(int)
        sizes, angles, marks = pitch[i, j] * unit, angle[i, j], labels[i, j]
        home = (sites[:, 1] / cell).astype(int) * columns + (sites[:, 0] / cell).astype(int)
        start = np.concatenate([[0], np.cumsum(np.bincount(home, minlength=rows * columns))])
        owner, gap = _assign(labels, sites, sizes, angles, marks, cell, start, np.argsort(home), columns, rows)
        count = np.maximum(np.bincount(owner.ravel(), minlength=len(sites)), 1)
        yy, xx = np.mgrid[: sheet.height, : sheet.width]
        middle = [np.bincount(owner.ravel(), c.ravel(), minlength=len(sites)) / count for c in (xx, yy)]
        last = sites
        sites = np.where((count > 1)[:, None], np.stack(middle, -1), sites)
    return owner, gap / 2, last, count


def mosaic(sheet: Sheet) -> Array:
    """Byzantine mosaic: a peacock on gold in a ring of waves, lapis spandrels with vines, a braided border."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    color = np.zeros((*sheet.shape, 3), np.float32)
    labels = np.zeros(sheet.shape, np.int32)
    angle = np.zeros(sheet.shape, np.float32)
    free = np.ones(sheet.shape, bool)  # where the tiles may turn to follow the nearest contour
    gold = np.zeros(sheet.shape, np.float32)
    pitch = np.full(sheet.shape, 12.5, np.float32)

    def lay(mask, paint, turn=None, *, shine=0.0, size=10.0):
        color[mask] = paint[mask] if np.ndim(paint) == 3 else paints(paint)[0]
        labels[mask] = labels.max() + 1
        gold[mask], pitch[mask] = shine, size
        free[mask] = turn is None
        if turn is not None:
            angle[mask] = np.broadcast_to(turn, mask.shape)[mask]

    everywhere = np.ones(sheet.shape, bool)
    lay(everywhere, ramp(0.5 + 0.2 * sheet.noise(70, 2), "0f1f4d 183275 24509b 3a74b5"), size=12)
    r, around = np.hypot(x - 500, y - 500), np.arctan2(y - 500, x - 500)

    # Spandrels: a vine coils in every corner, with leaves and fruit.
    for sx in (-1, 1):
        for sy in (-1, 1):
            u, v = 500 + (x - 500) * sx, 500 + (y - 500) * sy  # every corner seen as the lower right one
            turns = np.linspace(0, 2.6 * np.pi, 14)
            coil = [(778 + (62 - 6.6 * t) * np.cos(t + 0.4), 778 + (62 - 6.6 * t) * np.sin(t + 0.4), 6) for t in turns]
            d, _, _ = along(u, v, coil)
            lay(d < 0, "8fa35a", size=9)
            for t in np.linspace(0, 5.2, 9):
                cx, cy = 778 + (84 - 6.6 * t) * np.cos(t + 0.5), 778 + (84 - 6.6 * t) * np.sin(t + 0.5)
                leaf, place, _ = along(
                    u,
                    v,
                    [
                        (cx - 13 * np.cos(t + 2), cy - 13 * np.sin(t + 2), 2),
                        (cx, cy, 11),
                        (cx + 16 * np.cos(t + 2), cy + 16 * np.sin(t + 2), 1),
                    ],
                )
                lay(leaf < 0, ramp(place, "d8cf7a 9ab04e 4f7a3d"), size=9)
            for cx, cy in ((778, 778), (705, 812), (812, 705)):
                d = np.hypot(u - cx, v - cy)
                lay(d < 16, ramp(d / 16, "f0b27a c8452e 7e2019"), size=8)

    # Stars of gold between them.
    for _ in range(150):
        cx, cy = rng.uniform(150, 850, 2)
        star = np.hypot(x - cx, y - cy)
        if (
            np.hypot(cx - 500, cy - 500) > 372
            and max(abs(cx - 500), abs(cy - 500)) < 345
            and not (np.abs(np.array([cx, cy]) - 500) > 190).all()
        ):
            lay(star < 9, "f1d27a", shine=1, size=8)

    # Medallion: white and red rings, running waves, then gold.
    lay(r < 352, "efe3cb", around + np.pi / 2, size=9)
    lay(r < 342, "8e2a1d", around + np.pi / 2, size=9)
    lay(r < 331, "efe3cb", around + np.pi / 2, size=9)
    lay(r < 321, "1f3f63", around + np.pi / 2, size=9)
    phase = np.mod(around / (2 * np.pi) * 20, 1)
    crest = 289 + 29 * np.where(phase < 0.8, (phase / 0.8) ** 1.7, 0.8 * (1 - phase) / 0.2)
    lay((r < crest) & (r < 321), "cfe0d8", size=7.5)
    lay((r < crest - 6) & (r < 321), "5fa3b5", size=7.5)
    lay(r < 287, "b8862f", around + np.pi / 2, shine=1, size=9)
    dawn = ramp(
        0.25 + 0.16 * sheet.noise(90, 2) + 0.5 * step(330, 60, np.hypot(x - 520, y - 380)),
        "b57f2a d8a43c ecc765 f6e6ac",
    )
    lay(r < 276, dawn, shine=1, size=11.5)

    # Meadow with flowers.
    meadow = (r < 276) & (y > 655 + 12 * np.sin(x / 40))
    lay(meadow, ramp(0.5 + 0.3 * sheet.noise(30, 2), "2c4a2b 4c7a3a 86a04a"), size=10)
    for _ in range(16):
        cx, cy = rng.uniform(330, 690), rng.uniform(672, 740)
        d = np.hypot(x - cx, y - cy)
        lay((d < 12) & meadow, str(rng.choice(["c8452e", "efe3cb", "e0a02f"])), size=8)
        lay((d < 4.5) & meadow, "f1d27a", size=8)

    # Peacock: the train first, its eyes in rows, then legs, body, neck and head.
    train = [(520, 520, 40), (590, 560, 66), (655, 605, 84), (705, 650, 78), (735, 690, 40)]
    d, place, lie = along(x, y, train)
    inside = (d < 0) & (r < 276)
    barbs = 0.5 + 0.5 * np.sin(d / 4.2) * np.cos(place * 40)
    lay(inside, ramp(place * 0.7 + 0.3 * barbs, "1f4d52 2f7a63 5c9a55 a2a54a b98a35"), lie, size=8.5)
    lay((d < 0) & (d > -8) & (r < 276), "d9b24c", shine=1, size=8)
    for row, (t, count) in enumerate(((0.2, 2), (0.36, 3), (0.52, 4), (0.68, 4), (0.84, 4), (0.96, 3))):
        cx, cy = (np.interp(t, np.linspace(0, 1, 5), [p[c] for p in train]) for c in (0, 1))
        half = np.interp(t, np.linspace(0, 1, 5), [p[2] for p in train]) - 22
        for k in np.linspace(-1, 1, count) if count > 1 else [0]:
            ex, ey = cx + (k * half + 3 * (row % 2)) * 0.64, cy - k * half * 0.77
            eye = np.hypot((x - ex) * 0.92 + 0.2 * (y - ey), y - ey)
            for radius, name in ((17, "e3c565"), (12.5, "b5622a"), (8.5, "2ba39a"), (4.8, "131f52")):
                lay((eye < radius) & (r < 276), name, size=7.5)
    for lx in (452, 486):
        d, _, _ = along(x, y, [(lx + 12, 560, 5), (lx, 610, 4.5), (lx + 4, 672, 4)])
        lay(d < 0, "7a1f1a", size=7.5)
        d, _, _ = along(x, y, [(lx - 22, 680, 3), (lx + 4, 670, 5), (lx + 24, 682, 3)])
        lay(d < 0, "5c1512", size=7.5)
    d, place, lie = along(
        x, y, [(395, 330, 20), (392, 372, 24), (405, 425, 36), (440, 490, 62), (500, 530, 66), (560, 545, 34)]
    )
    scales = 0.5 + 0.5 * np.sin(d / 5)
    lay(d < 4, "0d1730", size=8)
    lay(
        d < -3,
        ramp(
            np.clip(place * 0.8 + 0.28 * (scales - 0.5) + 0.1, 0, 1), "5fc3c9 2b8fbf 1c5cae 1b3f8f 23629b 2f8a7a 3c7d55"
        ),
        lie,
        size=7.5,
    )
    d, place, lie = along(x, y, [(455, 478, 14), (510, 506, 34), (566, 534, 26), (606, 560, 6)])
    lay(d < 3, "4a2a17", size=7.5)
    lay(d < -2, ramp(0.5 + 0.5 * np.sin(place * 22), "e7d3a1 c98a4a a5542a"), lie, size=7.5)
    lay(np.hypot(x - 390, y - 316) < 27, "1f63a8", size=7)
    lay(along(x, y, [(371, 318, 8), (352, 322, 5), (336, 330, 1)])[0] < 0, "8e2a1d", size=7)
    lay(np.hypot((x - 384) * 0.8, y - 311) < 10, "f4ead2", size=7)
    lay(np.hypot(x - 383, y - 311) < 4.5, "14100e", size=6.5)
    for tip in (-26, -2, 24):
        stalk = along(x, y, [(396, 296, 2), (398 + tip * 0.5, 268, 2.4), (400 + tip, 246, 2.4)])[0]
        lay(stalk < 0, "2f8a7a", size=7)
        lay(np.hypot(x - 400 - tip, y - 240) < 9, "e3c565", shine=1, size=7)
    # A pomegranate branch before it.
    d, _, _ = along(x, y, [(300, 655, 6), (292, 590, 5), (310, 530, 5), (300, 470, 4), (318, 420, 3)])
    lay((d < 0) & (r < 276), "3a2416", size=8)
    for cx, cy, a in (
        (280, 560, 2.6),
        (322, 505, 0.2),
        (288, 480, 3.0),
        (328, 440, 0.5),
        (300, 408, 4.6),
        (318, 590, 0.5),
    ):
        d, place, _ = along(
            x,
            y,
            [
                (cx, cy, 3),
                (cx + 14 * np.cos(a), cy + 14 * np.sin(a), 10),
                (cx + 32 * np.cos(a), cy + 32 * np.sin(a), 1),
            ],
        )
        lay((d < 0) & (r < 270), ramp(place, "3a6b3a 7fa04a b9c46a"), size=7.5)
    for cx, cy in ((262, 520), (345, 470), (270, 440)):
        d = np.hypot(x - cx, y - cy)
        lay((d < 17) & (r < 270), ramp(np.hypot(x - cx + 5, y - cy + 5) / 24, "f5c08a d65a3a 8e2a1d 5c1512"), size=7.5)

    # Border: three lines, then two strands that braid, and a rosette in every corner.
    edge = 500 - np.maximum(np.abs(x - 500), np.abs(y - 500))
    side = np.where(np.abs(x - 500) > np.abs(y - 500), np.pi / 2, 0)
    for depth, name in ((140, "efe3cb"), (130, "8e2a1d"), (118, "efe3cb"), (108, "14203f")):
        lay(edge < depth, name, side, size=10)
    run = np.where(np.abs(x - 500) > np.abs(y - 500), y, x) - 500
    for strand, names in (
        (0, "6b1d14 b8402a e39a6a f6ead2 e39a6a b8402a 6b1d14"),
        (1, "12315a 2a6a9a 8fc0c8 f6ead2 8fc0c8 2a6a9a 12315a"),
    ):
        wave = run * np.pi / 64 + np.pi * strand
        off = edge - 54 - 25 * np.sin(wave)
        tilt = np.arctan(25 * np.pi / 64 * np.cos(wave))
        across = off * np.cos(tilt)
        # Each strand passes over the other at every second crossing.
        over = (np.cos(wave) > -0.35) if strand else np.ones(sheet.shape, bool)
        flip = np.where(np.abs(x - 500) > np.abs(y - 500), np.sign(x - 500) * -1, np.sign(y - 500) * -1)
        turn = side + np.where(side > 0, -tilt * flip, tilt * flip)
        lay((np.abs(across) < 20) & over & (edge < 104) & (edge > 4), "0f0d10", turn, size=8.5)
        lay((np.abs(across) < 16.5) & over & (edge < 104) & (edge > 4), ramp(across / 33 + 0.5, names), turn, size=8.5)
    lay(edge < 6, "14203f", side, size=10)
    for cx in (54, 946):
        for cy in (54, 946):
            lay((np.abs(x - cx) < 54) & (np.abs(y - cy) < 54), "efe3cb", size=9)
            lay((np.abs(x - cx) < 46) & (np.abs(y - cy) < 46), "14203f", size=9)
            d, a = np.hypot(x - cx, y - cy), np.arctan2(y - cy, x - cx)
            petals = 24 + 14 * np.cos(4 * a) ** 2
            lay(d < petals, ramp(d / 38, "f1d27a d65a3a 8e2a1d"), a, size=8)
            lay(d < 11, "f1d27a", shine=1, size=8)

    # Where they are free, the tiles follow the nearest contour, and with it the rows echo the figure.
    joint = ndimage.binary_dilation(ndimage.morphological_gradient(labels, size=3) > 0)
    near = blur(ndimage.distance_transform_edt(~joint).astype(np.float32), 5 * unit)
    gy, gx = np.gradient(near)
    echo = np.arctan2(gy, gx) + np.pi / 2
    angle = np.where(free, echo, angle)
    doubled = flow_of(4 * angle)  # squares look the same at every quarter turn
    angle = (np.arctan2(*(blur(doubled[..., c], 3 * unit) for c in (1, 0))) / 4).astype(np.float32)

    owner, gap, sites, _ = tesserae(sheet, labels, angle, pitch)
    n = len(sites)
    i, j = sites[:, 1].astype(int), sites[:, 0].astype(int)
    own = blur(color, 1.0)[i, j]
    shine = gold[i, j]
    # Every tile has its own color; gold leaf under glass flashes or darkens as the tile is tilted.
    own += rng.standard_normal((n, 3)) * np.array([0.045, 0.012, 0.014])
    tilt = rng.standard_normal((n, 2)) * 0.5
    own[:, 0] *= 1 + 0.07 * tilt.sum(1)
    flash = shine * (0.11 * tilt.sum(1) + 0.1 * (rng.random(n) < 0.12) - 0.05)
    own[:, 0] += flash
    own[:, 2] += 0.2 * np.minimum(flash, 0.05)
    tile = own[owner].astype(np.float32)
    tile[..., 0] += 0.02 * sheet.noise(3, 2) + 0.015 * sheet.noise(12, 2)

    joint_width = 0.85 + 0.25 * sheet.noise(25, 2)
    depth = gap / unit - np.clip(joint_width, 0.35, 1.8) + 0.12 * sheet.noise(2.2)
    body = step(-0.35, 0.55, depth)
    mortar = ramp(0.5 + 0.2 * sheet.noise(30, 3) + 0.1 * sheet.noise(2.5, 2), "3f3a35 6d6458 9a8f7d")
    yy, xx = np.mgrid[: sheet.height, : sheet.width]
    plane = (xx - sites[owner, 0]) * tilt[owner, 0] + (yy - sites[owner, 1]) * tilt[owner, 1]
    surface = body * (2.6 * unit * step(-0.3, 2.2, depth) - 0.05 * plane) + 0.25 * unit * sheet.noise(3, 2) * (
        1.3 - body
    )
    out = mix(mortar, tile, body)
    out = relief(out, surface.astype(np.float32), 0.75, 0.13)
    # Slow light over the wall, and its age.
    out[..., 0] *= 1 + 0.05 * sheet.noise(300) - 0.06 * step(350, 700, r) + 0.025 * sheet.noise(40, 3)
    return out


# Glass


def stained_glass(sheet: Sheet) -> Array:
    """Leaded window: a tree and irises by a river, the sun behind, in streaked and bubbled glass."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    color = np.zeros((*sheet.shape, 3), np.float32)
    pane = np.zeros(sheet.shape, np.int64)
    grain = np.zeros(sheet.shape, np.float32)  # the angle of the streaks in the glass
    # Cut lines waver, as a hand cuts.
    wx, wy = x + 5 * sheet.noise(60, 2), y + 5 * sheet.noise(60, 2)

    def cells(pitch, stretch=1.0):
        """Number every pixel by the nearest of scattered points."""
        spots = sheet.spots(pitch) / unit * np.array([stretch, 1])
        found = cKDTree(spots / [stretch, 1]).query(np.stack([wx.ravel() / stretch, wy.ravel()], -1))[1]
        return found.reshape(sheet.shape)

    def glaze(mask, cell, names, tone, vary=0.12, streak=0.0):
        """Set a region in panes; each pane takes its color from the ramp at its mean tone, with its own variation."""
        number = (cell - cell.min()).astype(np.int64)
        n = int(number.max()) + 1
        mean = np.bincount(number[mask], tone[mask], n) / np.maximum(np.bincount(number[mask], minlength=n), 1)
        own = ramp(np.clip(mean + vary * rng.standard_normal(n), 0, 1), names)
        own += rng.standard_normal((n, 3)) * np.array([0.035, 0.012, 0.012])
        color[mask] = own[number[mask]]
        pane[mask] = number[mask] + pane.max() + 1
        grain[mask] = np.broadcast_to(streak, mask.shape)[mask]

    # Sky: rings of panes about the sun.
    sx, sy = 485, 385
    d, a = np.hypot(wx - sx, wy - sy), np.arctan2(wy - sy, wx - sx)
    edges = np.array([78, 128, 190, 262, 345, 440, 550, 700, 1000])
    ring = np.searchsorted(edges, d)
    counts = np.array([1, 16, 16, 24, 24, 30, 30, 36, 36])[ring]
    wedge = np.floor((a / (2 * np.pi) + 0.5 + ring * 0.618) * counts)
    sky = "fff6cf ffe08a fdb94a f08a3c d9605a a34a86 5a4aa0 2f4fae 1d3f9a 14307c"
    glaze(d >= 0, ring * 64 + wedge, sky, np.clip(d / 640, 0, 1), 0.05, a)
    glaze(d < 78, np.zeros(sheet.shape), "fff6d0 ffeeb0", d / 78, 0.0, 0)
    # Clouds cross the rings.
    for cx, cy, wide in ((190, 330, 150), (600, 250, 120), (80, 180, 120), (640, 540, 130)):
        puff, place, _ = along(
            wx,
            wy,
            [(cx - wide, cy, 4), (cx - wide / 3, cy - 16, 26), (cx + wide / 3, cy + 6, 20), (cx + wide, cy - 4, 3)],
        )
        glaze(
            puff < 0,
            np.floor(place * 4),
            "fff4e0 f9cfb8 e9a0a8 b08ac0",
            step(sy - 250, sy + 100, y) * 0.5 + np.abs(cx - sx) / 800,
            0.08,
            0.1,
        )

    # Mountains, banks and river.
    far = (
        640 - 90 * np.exp(-(((wx - 160) / 130) ** 2)) - 120 * np.exp(-(((wx - 660) / 120) ** 2)) - 16 * np.sin(wx / 47)
    )
    glaze(wy > far, cells(70, 1.3), "8a78c0 5f62b4 3a4d9c 2b3f86", step(far.min(), 720, wy), 0.12, 0.7)
    near = 705 - 55 * np.exp(-(((wx - 20) / 140) ** 2)) - 50 * np.exp(-(((wx - 740) / 150) ** 2)) + 6 * np.sin(wx / 30)
    glaze(wy > near, cells(52, 1.4), "2f8f86 2a7f5a 3d8a3f 1f6b4a", step(650, 800, wy), 0.16, 0.3)
    fall = np.clip((wy - 690) / 310, 0, 1)
    middle = 470 + 70 * np.sin(fall * 5.2) * (0.3 + fall) - 70 * fall
    river = (np.abs(wx - middle) < 22 + 170 * fall**1.25) & (wy > 695)
    shine = step(110, 0, np.abs(wx - 475)) * step(960, 680, wy)
    glaze(
        river,
        cells(40, 2.4),
        "14458f 1f7ab8 35a9c4 8ad6d0 e9f0c0 ffd982",
        0.3 + 0.6 * shine + 0.1 * sheet.noise(60),
        0.13,
        0.05,
    )
    for bank, side in ((wx < middle, 1), (wx >= middle, 0)):
        meadow = ~river & (wy > 770 + 10 * np.sin(wx / 40)) & bank
        glaze(
            meadow,
            cells(46, 1.5),
            "14503a 2f8a3f 7fb33f d8cf4a e0a23a",
            0.45 + 0.3 * np.sin(wy / 35 + side * 2 + wx / 90),
            0.16,
            0.4,
        )

    # Tree: limbs, then clusters of leaves with sky between.
    limbs = [
        [(96, 985, 60), (126, 900, 40), (135, 790, 32), (150, 660, 27), (168, 520, 22), (165, 380, 15), (186, 240, 8)],
        [(162, 600, 13), (230, 500, 12), (300, 430, 8), (352, 350, 4)],
        [(168, 480, 14), (110, 400, 11), (60, 320, 6)],
        [(166, 380, 12), (250, 280, 9), (330, 200, 6), (410, 150, 4)],
    ]
    wood = np.full(sheet.shape, 1e9, np.float32)
    for limb in limbs:
        bark, place, lie = along(wx, wy, limb)
        glaze(
            (bark < 0) & (bark < wood),
            np.floor(place * 2.2 * len(limb)),
            "3a1f1a 6a3a26 9a5f35 b9824a",
            0.4 + 0.25 * np.sin(place * 30),
            0.16,
            lie,
        )
        wood = np.minimum(wood, bark)
    canopy = np.full(sheet.shape, 1e9, np.float32)
    for cx, cy, r in (
        (170, 150, 110),
        (60, 260, 90),
        (300, 130, 85),
        (420, 120, 60),
        (345, 320, 48),
        (75, 400, 60),
        (230, 270, 62),
        (110, 90, 100),
    ):
        canopy = np.minimum(canopy, np.hypot(wx - cx, (wy - cy) * 1.25) - r)
    leafy = (canopy + 16 * sheet.noise(40) < 0) & (wood > -4)
    leaf = cells(31)
    kept = rng.random(leaf.max() + 1)[leaf] < 0.88
    glaze(
        leafy & kept, leaf, "0f4a3a 1d7a45 4fa03f a9c23f f0c63a e07a2a", 0.35 + 0.0006 * (x + 1.2 * y - 300), 0.2, 0.8
    )

    # Irises and their leaves.
    blades = ((560, 760, -26), (605, 700, 12), (662, 770, 26), (700, 800, 22), (515, 830, -36), (636, 840, -8))
    for cx, tip, lean in blades:
        blade, place, lie = along(wx, wy, [(cx, 990, 12), (cx + lean * 0.4, (990 + tip) / 2, 14), (cx + lean, tip, 2)])
        glaze(blade < 0, np.floor(place * 3), "1d5a3a 2f8a4a 7ab84a", place, 0.15, lie)
    for cx, cy in ((536, 735), (622, 668), (684, 770), (590, 850), (668, 890)):
        for turn, size, names in (
            (1.57, 1.0, "3a1f8a 5a35b8 9a6ad8"),
            (0.45, 1.0, "4a2aa0 7a4ac8 c09ae8"),
            (2.7, 1.0, "4a2aa0 7a4ac8 c09ae8"),
            (-1.0, 0.85, "6a45c0 a07ae0 e0c8f4"),
            (-2.15, 0.85, "6a45c0 a07ae0 e0c8f4"),
        ):
            ux, uy = np.cos(turn) * 46 * size, np.sin(turn) * 46 * size
            petal, place, lie = along(
                wx,
                wy,
                [
                    (cx, cy, 4),
                    (cx + ux * 0.45, cy + uy * 0.45, 17),
                    (cx + ux, cy + uy, 12),
                    (cx + 1.15 * ux, cy + 1.15 * uy, 2),
                ],
            )
            glaze(petal < 0, np.zeros(sheet.shape), names, place, 0.2, lie)
        glaze(np.hypot(wx - cx, wy - cy) < 9, np.zeros(sheet.shape), "ffd23a ffe98a", wx * 0, 0, 0)

    # Border: ruby and cobalt by turns, between pearls.
    tall = 1000 * sheet.height / max(sheet.height, sheet.width)
    wide = 1000 * sheet.width / max(sheet.height, sheet.width)
    edge = np.minimum(np.minimum(x, wide - x), np.minimum(y, tall - y))
    upright = np.minimum(x, wide - x) < np.minimum(y, tall - y)
    run = np.where(upright, y, x)
    glaze(edge < 44, np.floor(run / 62.5) + 100 * upright, "a01020 c8182a 8a0f2a", 0.5 + 0 * x, 0.3, 0.8)
    blue = np.mod(np.floor(run / 62.5), 2) == 0
    glaze((edge < 44) & blue, np.floor(run / 62.5) + 100 * upright, "102a8a 1f4ac0 15358f", 0.5 + 0 * x, 0.3, 0.8)
    pearl = np.hypot(np.mod(run, 62.5) - 31.25, edge - 22)
    glaze((pearl < 12) & (edge < 44), np.floor(run / 62.5) + 100 * upright, "f4f0d8 ffe9b0", 0 * x, 0.3, 0)
    glaze(edge < 8, np.floor(run / 125) + 100 * upright, "e8d8a0 c8e0c8", 0 * x, 0.4, 0)

    # Leads: where panes meet; thicker about the larger shapes.
    meet = np.zeros(sheet.shape, bool)
    meet[:, 1:] |= pane[:, 1:] != pane[:, :-1]
    meet[1:] |= pane[1:] != pane[:-1]
    off = ndimage.distance_transform_edt(~meet).astype(np.float32) / unit
    half = 2.7 + 0.4 * sheet.noise(40, 2) + 1.6 * np.exp(-((edge - 44) ** 2) / 30)

    # Glass: streaks, a slow change over each pane, bubbles and ripples that bend the light; dirt along the leads.
    streaks = drawn_out(sheet.noise(7, 2), flow_of(grain), 45 * unit)
    cloud = sheet.noise(40, 3)
    glass = color.copy()
    glass[..., 0] += 0.035 * streaks + 0.035 * cloud
    glass[..., 1] += 0.012 * streaks - 0.006 * cloud
    glass[..., 2] += 0.010 * cloud
    worm = np.abs(sheet.noise(9, 1))  # scrolls scratched out of the paint, on the border only
    glass[..., 0] *= 1 - 0.35 * (edge < 44) * step(0.5, 0.25, worm) * (pearl > 12)
    glass[..., 0] *= 1 - 0.42 * np.exp(-np.maximum(off - half, 0) / 3.5) - 0.12 * np.exp(-off / 14)
    ripple = relief(
        np.ones((*sheet.shape, 3), np.float32), 2.6 * unit * sheet.noise(9, 2, 0.35) + 1.2 * unit * streaks, 0.35, 0
    )[..., 0]
    glass[..., 0] *= ripple
    bubbles = sheet.spots(21)
    bubbles = bubbles[rng.random(len(bubbles)) < 0.5]
    d, k = cKDTree(bubbles).query(
        np.stack(np.mgrid[: sheet.height, : sheet.width][::-1], -1).astype(np.float32), distance_upper_bound=6 * unit
    )
    d = (d / (unit * rng.uniform(1.2, 3.4, len(bubbles) + 1)[np.minimum(k, len(bubbles))])).reshape(sheet.shape)
    glass[..., 0] += 0.1 * step(0.75, 0.3, d) - 0.12 * np.exp(-(((d - 0.95) / 0.18) ** 2))
    glass = shifted(glass, 1.5 * unit * sheet.noise(12), 1.5 * unit * sheet.noise(12))

    # Light spills over the leads; these are rounded, dull, and soldered where they meet.
    light = to_srgb(glass) ** 2.2
    spill = blur(light, 5 * unit) * 0.16 + blur(light, 22 * unit) * 0.1
    lead = step(0.5, -0.4, off - half)
    bead = np.sqrt(np.clip(1 - (off / (half + 0.5)) ** 2, 0, 1)) * 3 * unit
    came = mix(paints("17161a")[0], paints("4a4a52")[0], np.clip(0.3 + 0.2 * sheet.noise(6, 3), 0, 1))
    came = relief(came, bead + 0.3 * unit * sheet.noise(4, 2), 1.2, 0.25)
    out = light * (1 - lead[..., None]) + lead[..., None] * to_srgb(came) ** 2.2 + spill
    out = out / (1 + 0.18 * out) * 1.08
    return to_oklab(np.clip(out, 0, 1) ** (1 / 2.2))


PAINTERS = {"mosaic": (mosaic, 1.0), "stained_glass": (stained_glass, 0.75)}
