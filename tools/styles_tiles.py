"""Painters in pieces: tesserae set in mortar, and glass set in lead."""

import numpy as np
from numba import njit
from painting import Array, Sheet, blur, flow_of, mix, paints, ramp, relief, step
from scipy import ndimage

# Shapes


def along(x: Array, y: Array, points: list[tuple[float, ...]]) -> tuple[Array, Array, Array]:
    """Return distance to a smooth line through points, the place along it (0 to 1), and its angle there.

    A third number in each point is the line's half-width, which is taken off the distance.
    """
    given = np.array(points, float)
    if given.shape[1] == 2:
        given = np.pad(given, ((0, 0), (0, 1)))
    t = np.linspace(0, len(given) - 1, 8 * len(given))
    dense = np.stack([_catmull(given[:, c], t) for c in range(3)], -1)
    best = np.full(x.shape, 1e9, np.float32)
    place, angle = np.zeros_like(best), np.zeros_like(best)
    _nearest(x, y, dense, best, place, angle)
    return best, place, angle


@njit(cache=True)
def _nearest(x, y, dense, best, place, angle):
    for n in range(len(dense) - 1):
        ax, ay, wide = dense[n]
        dx, dy, more = dense[n + 1] - dense[n]
        size = dx * dx + dy * dy + 1e-9
        reach = 40 + max(wide, 0) + abs(more)  # further away nobody asks
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                px, py = x[i, j] - ax, y[i, j] - ay
                if abs(px - dx / 2) > abs(dx) + reach or abs(py - dy / 2) > abs(dy) + reach:
                    continue
                f = min(max((px * dx + py * dy) / size, 0.0), 1.0)
                d = np.hypot(px - f * dx, py - f * dy) - wide - f * more
                if d < best[i, j]:
                    best[i, j] = d
                    place[i, j] = (n + f) / (len(dense) - 1)
                    angle[i, j] = np.arctan2(dy, dx)


def _catmull(values: Array, t: Array) -> Array:
    padded = np.concatenate([[2 * values[0] - values[1]], values, [2 * values[-1] - values[-2]] * 2])
    i = np.minimum(t.astype(int), len(values) - 2)
    f = t - i
    a, b, c, d = (padded[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)


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


PAINTERS = {"mosaic": (mosaic, 1.0)}
