"""Painters with burin and knife: lines that swell and cross, and blocks printed in flat color."""

from itertools import count

import numpy as np
from numba import njit
from painting import Array, Sheet, along, blur, filled, mix, paints, paper, ramp, relief, smooth, step
from scipy import ndimage
from scipy.spatial import cKDTree


@njit(cache=True)
def _rule(ink, labels, angle, dark, gap, starts, thick):
    """Draw evenly spaced lines along `angle`, as wide as `dark` asks, never across the border of two labels.

    After Jobard and Lefer (1997): every line offers places beside itself for the next, and stops where it comes
    too close to another.
    """
    height, width = labels.shape
    cell = gap.max()
    rows, columns = int(height / cell) + 1, int(width / cell) + 1
    held = np.zeros((rows, columns), np.int32)
    points = np.zeros((rows, columns, 24, 3), np.float32)
    queue = np.zeros((400000, 2), np.float32)
    line, stride = 0, 1.5
    path = np.zeros((2001, 2), np.float32)
    for s in range(len(starts)):
        head, tail = 0, 1
        queue[0] = starts[s]
        while head < tail:
            x0, y0 = queue[head]
            head += 1
            if not (1 <= x0 < width - 1 and 1 <= y0 < height - 1):
                continue
            mark = labels[int(y0), int(x0)]
            low, high = 1000, 1000
            line += 1
            for way in (-1, 1):
                x, y, px, py = x0, y0, 0.0, 0.0
                for n in range(1000):
                    i, j = int(y), int(x)
                    if not (0 <= i < height and 0 <= j < width) or labels[i, j] != mark:
                        break
                    near = gap[i, j] * (0.95 if n == 0 else 0.6)
                    a, b, crowded = int(y / cell), int(x / cell), False
                    for u in range(max(a - 1, 0), min(a + 2, rows)):
                        for v in range(max(b - 1, 0), min(b + 2, columns)):
                            for k in range(held[u, v]):
                                far = (points[u, v, k, 0] - x) ** 2 + (points[u, v, k, 1] - y) ** 2
                                crowded = crowded or (points[u, v, k, 2] != line and far < near * near)
                    if crowded:
                        break
                    path[1000 + way * n] = np.array((x, y), np.float32)
                    low, high = min(low, 1000 + way * n), max(high, 1000 + way * n)
                    dx, dy = way * np.cos(angle[i, j]), way * np.sin(angle[i, j])
                    if n > 0 and dx * px + dy * py < 0:
                        dx, dy = -dx, -dy
                    if n > 0 and dx * px + dy * py < 0.5:
                        break
                    px, py = dx, dy
                    x, y = x + stride * dx, y + stride * dy
                if low == 1000 and high == 1000 and way == -1 and crowded:
                    break
            if high - low < 4:
                continue
            for n in range(low, high + 1):
                x, y = path[n]
                a, b = int(y / cell), int(x / cell)
                if held[a, b] < 24:
                    points[a, b, held[a, b]] = np.array((x, y, line), np.float32)
                    held[a, b] += 1
                i, j = int(y), int(x)
                # A line sets in and lifts off in a point.
                ends = min(1.0, min(n - low, high - n) * stride / (2.5 * gap[i, j]) + 0.25)
                r = 0.5 * gap[i, j] * min(dark[i, j] * thick, 0.8) * ends
                if r > 0.3:
                    for u in range(max(int(y - r - 1), 0), min(int(y + r + 3), height)):
                        for v in range(max(int(x - r - 1), 0), min(int(x + r + 3), width)):
                            c = r - np.hypot(u - y, v - x) + 0.5
                            ink[u, v] = max(ink[u, v], min(max(c, 0.0), 1.0))
                if n % 6 == 0 and tail < len(queue) - 2:
                    for way in (-1, 1):
                        queue[tail] = (
                            x - way * gap[i, j] * np.sin(angle[i, j]),
                            y + way * gap[i, j] * np.cos(angle[i, j]),
                        )
                        tail += 1


def engraving(sheet: Sheet) -> Array:
    """Copper engraving: a castle on a crag above the sea, a ship and an old tree, in swelling lines that cross."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    light = np.array([-0.55, -0.6, 0.58])
    labels = np.zeros(sheet.shape, np.int32)
    dark = np.zeros(sheet.shape, np.float32)
    angle = np.zeros(sheet.shape, np.float32)
    gap = np.full(sheet.shape, 5.2, np.float32)
    bold = np.ones(sheet.shape, np.float32)  # how strong the outlines are

    marks = count(1)

    def cut(mask, shade, turn, spacing=5.2, line=1.0, part=np.s_[:, :]):
        """Give a region its darkness, the angle and spacing of its lines, and the weight of its outline."""
        labels[part][mask] = next(marks)
        for plane, value in ((dark, shade), (angle, turn), (gap, spacing), (bold, line)):
            plane[part][mask] = np.broadcast_to(value, mask.shape)[mask]

    def ball(cx, cy, r):
        """Part of the sheet around a ball, a little flattened, and its normal as seen from the front."""
        i, j, n = int(cy * unit), int(cx * unit), int(1.1 * r * unit) + 2
        part = np.s_[max(i - n, 0) : max(i + n, 0), max(j - n, 0) : max(j + n, 0)]
        nx, ny = (x[part] - cx) / r, (y[part] - cy) / (0.86 * r)
        return part, nx, ny, np.sqrt(np.clip(1 - nx * nx - ny * ny, 0, 1))

    def round_about(nx, ny, nz, axis):
        """Angle of the circles of latitude about an axis, as a line on the form would run."""
        tx, ty = ny * axis[2] - nz * axis[1], nz * axis[0] - nx * axis[2]
        return np.arctan2(ty, tx)

    # Sky: level lines, darker above; rays of the sun stay white.
    sx, sy = 690, 330
    ray = np.arctan2(y - sy, x - sx)
    beams = step(-0.1, 0.7, np.sin(ray * 22 + 1.2 * np.sin(ray * 5))) * step(420, 120, np.hypot(x - sx, y - sy))
    shade = 0.5 - 0.34 * y / 520 + 0.05 * sheet.noise(120, 2)
    cut(
        y < 2000,
        np.clip(shade - 0.5 * beams * (shade > 0), 0.02, 1) * step(46, 60, np.hypot(x - sx, y - sy)),
        0.05 * np.sin(x / 90),
        4.6,
    )
    # Clouds: banks of billows, each a ball lit from the upper left.
    banks = [(150, 200, 190, 90), (460, 110, 150, 70), (860, 150, 150, 70), (560, 290, 75, 30), (60, 350, 90, 34)]
    for cx, cy, wide, number in banks:
        for k in range(number):
            px = cx + wide * rng.uniform(-1, 1)
            lift = np.sqrt(max(1 - ((px - cx) / wide) ** 2, 0))
            py = cy + (k / number - 0.7) * 120 * lift + 10 + rng.normal(0, 6)
            r = (9 + 40 * lift * rng.random() ** 1.6 * (1.1 - 0.6 * k / number)) * (0.6 + 0.4 * min(wide / 150, 1))
            part, nx, ny, nz = ball(px, py, r)
            lit = nx * light[0] + ny * light[1] + nz * light[2]
            under = step(-60, 70, y[part] - cy)
            cut(
                nx**2 + ny**2 < 1,
                np.clip(0.26 - 0.46 * lit + 0.4 * under, 0.0, 0.7),
                round_about(nx, ny, nz, (0.45, -0.75, 0.5)),
                4.4,
                0.75,
                part,
            )

    # Sea and ship.
    horizon = 520
    sea = y > horizon
    depth = np.clip((y - horizon) / 220, 0.02, 2)
    swell = np.sin(
        np.maximum(y - horizon, 0) ** 0.72 * 1.15 + 2.2 * np.sin(x / (40 + 60 * depth)) + 0.8 * sheet.noise(50, 2)
    )
    glitter = step(110, 10, np.abs(x - sx)) * 0.5
    cut(
        sea,
        np.clip(0.42 + 0.3 * swell - glitter, 0, 1),
        0.28 * np.cos(x / (30 + 40 * depth) + y / 14) * np.clip(depth, 0.1, 1),
        4.2 + 1.6 * np.clip(depth, 0, 1),
        0.3,
    )
    hull, place, _ = along(x, y, [(742, 536, 4), (770, 548, 11), (815, 550, 12), (850, 530, 7)])
    cut(hull < 0, 0.85, 0.1, 4)
    for mx, top in ((768, 425), (803, 395), (836, 440)):
        cut((np.abs(x - mx) < 1.8) & (y > top) & (y < 545), 1.0, 1.5)
        for k, low in enumerate((top + 12, top + 50, top + 88)):
            half = 17 + 7 * k
            bulge = (x - mx) / half
            sail = (np.abs(bulge) < 1) & (y > low + 6 * bulge**2) & (y < low + 30 + 8 * bulge**2) & (low + 36 < 540)
            cut(sail, np.clip(0.18 + 0.4 * bulge + 0.012 * (y - low), 0, 1), 1.57 + 0.35 * bulge, 4.2)

    # Crag: facets of rock, each with its own plane; then the castle upon it.
    ragged = 34 * sheet.noise(42, 3, 0.7)
    top = np.interp(
        x.ravel(), [0, 150, 250, 300, 430, 470, 520, 570, 620], [600, 480, 350, 318, 326, 400, 500, 560, 700]
    ).reshape(x.shape)
    rock = (y > top + ragged * step(0, 60, np.abs(x - 345) - 75)) & (x < 640 + ragged - 0.2 * (y - 600))
    spots = sheet.spots(34) / unit
    where = np.stack(
        [(x + 0.25 * y + 3 * sheet.noise(20, 3, 0.7)).ravel(), (0.42 * y + 2 * sheet.noise(20, 3)).ravel()], -1
    )
    facet = cKDTree(spots * [1, 0.42]).query(where)[1].reshape(sheet.shape)
    normal = rng.standard_normal((len(spots), 3)) * [0.7, 0.4, 0.2] + [0, -0.15, 0.75]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    lit = (normal @ light)[facet]
    lean = (1.35 + 0.5 * normal[:, 0] + rng.normal(0, 0.25, len(spots)))[facet]
    grit = sheet.noise(25, 3)
    for n in np.unique(facet[rock]):
        here = rock & (facet == n)
        cut(
            here,
            np.clip(0.62 - 0.62 * lit + 0.3 * step(330, 470, x) * step(0.9, 0.2, lit) + 0.1 * grit, 0.04, 0.64),
            lean,
            5.0,
            0.3,
        )
    towers = [
        (268, 232, 26, 1),
        (318, 250, 40, 0),
        (352, 150, 24, 1),
        (392, 215, 34, 0),
        (424, 196, 21, 1),
        (298, 275, 15, 1),
    ]
    for cx, head, half, roof in sorted(towers, key=lambda t: t[1]):
        foot = 352
        u = (x - cx) / half
        body = (np.abs(u) < 1) & (y > head + 5 * (u**2 - 1) * roof) & (y < foot)
        if roof:
            cut(body, np.clip(0.25 + 0.55 * u + 0.1 * sheet.noise(20), 0, 1), 0.28 * -u, 5)
            cone = (y < head) & (y > head - 62) & (np.abs(x - cx) < (half + 5) * (1 - (head - y) / 62))
            cut(cone, np.clip(0.55 + 0.4 * u, 0, 1), 1.57 - 0.5 * u, 4.2)
        else:
            merlon = (np.abs(u) < 1) & (y > head - 9) & (y <= head) & (np.mod(x, 11) < 6.5)
            cut(body | merlon, 0.28 + 0.14 * u + 0.1 * step(280, 345, y), 0.03, 5.2)
        for wy in range(int(head) + 22, foot - 18, 34):
            for wx in (-0.35, 0.4):
                if rng.random() < 0.7:
                    cut((np.abs(x - cx - wx * half) < 2.6) & (np.abs(y - wy) < 7), 1.0, 1.57, 3.6)

    # Meadow and the old tree.
    lawn = y > 690 - 70 * step(380, 0, x) + 18 * np.sin(x / 55) + 6 * sheet.noise(25, 2)
    cut(
        lawn,
        np.clip(0.42 + 0.16 * sheet.noise(50, 3) + 0.12 * step(0, 500, x) * step(700, 400, x), 0.05, 0.75),
        0.25 * np.sin(x / 60 + y / 25) - 0.1,
        5.6,
    )
    trunks = [
        [(905, 800, 62), (880, 690, 40), (872, 580, 34), (890, 470, 27), (930, 390, 18), (985, 330, 10)],
        [(884, 500, 22), (830, 430, 15), (790, 380, 8)],
        [(876, 570, 16), (940, 520, 12), (1000, 480, 8)],
    ]
    for limb in trunks:
        d, place, lie = along(x, y, limb)
        half = np.interp(place, np.linspace(0, 1, len(limb)), [p[2] for p in limb])
        u = np.clip(1 + d / half, 0, 1)
        gy, gx = np.gradient(d)
        across = (gx * 0.8 + gy * 0.3) / (np.hypot(gx, gy) + 1e-6) * u
        knots = 0.25 * sheet.noise(14, 2)
        cut(
            d < 0, np.clip(0.5 + 0.5 * across + 0.5 * knots, 0.05, 1), lie + 1.57 + 0.8 * across + 0.5 * knots, 4.6, 1.3
        )
    for _ in range(300):
        a, d = rng.uniform(0, 2 * np.pi), np.sqrt(rng.random())
        px, py = 905 + 175 * d * np.cos(a), 350 + 150 * d * np.sin(a)
        if py > 470 + 25 * np.sin(px / 20):
            continue
        r = rng.uniform(10, 20)
        part, nx, ny, nz = ball(px, py, r)
        inside = nx**2 + ny**2 < 0.7 + 0.3 * np.abs(np.sin(4 * np.arctan2(ny, nx) + px))
        lit = nx * light[0] + ny * light[1] + nz * light[2]
        mass = 0.28 * ((px - 905) / 175 + (py - 350) / 150)
        turn = round_about(nx, ny, nz, (0.5, -0.6, 0.62))
        cut(inside, np.clip(0.42 - 0.45 * lit + mass, 0.02, 1), turn, 4.0, 0.8, part)
    for _ in range(420):  # tufts of grass
        px, py = rng.uniform(0, 1000), rng.uniform(640, 800)
        i, j = int(min(py * unit, sheet.height - 1)), int(min(px * unit, sheet.width - 1))
        if lawn[i, j]:
            tall, bend = rng.uniform(8, 22), rng.normal(0, 6)
            n = int(30 * unit)
            part = np.s_[max(i - n, 0) : i + n, max(j - n, 0) : j + n]
            blade = [(px, py, 1.5), (px + bend * 0.3, py - tall * 0.6, 1.1), (px + bend, py - tall, 0.2)]
            cut(along(x[part], y[part], blade)[0] < 0, 1.0, 1.57, part=part)

    dark = np.clip(blur(1.22 * dark + 0.03 * (dark > 0.04), 0.6), 0, 1)
    ink = np.zeros(sheet.shape, np.float32)
    angle = angle + 0.03 * sheet.noise(30, 2)
    starts = sheet.spots(9)
    for turn, begin, thick, spread in ((0.0, 0.03, 0.75, 1.0), (0.95, 0.42, 1.1, 1.05), (-0.5, 0.68, 1.3, 1.1)):
        layer = np.clip((dark - begin) / (1 - begin), 0, 1) if begin > 0.1 else dark
        _rule(
            ink,
            labels,
            (angle + turn).astype(np.float32),
            layer.astype(np.float32),
            (gap * unit * spread).astype(np.float32),
            starts,
            thick,
        )
    # Outlines, stronger on the shaded side.
    meet = np.zeros(sheet.shape, bool)
    meet[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    meet[1:] |= labels[1:] != labels[:-1]
    off = ndimage.distance_transform_edt(~meet).astype(np.float32) / unit
    weight = (0.35 + 1.1 * blur(dark, 6 * unit) + 0.12 * sheet.noise(15, 2)) * ndimage.maximum_filter(bold, 3)
    ink = np.maximum(ink, step(0.4, -0.4, off - weight))
    ink = np.maximum(ink, step(0.97, 0.985, dark) * 0.96)

    # Ink stands a little above warm paper, and takes unevenly.
    sheet_tooth = paper(sheet)
    ink *= np.clip(0.93 + 0.05 * sheet.noise(6, 2) - 0.05 * sheet_tooth, 0, 1)
    page = ramp(0.62 + 0.12 * sheet.noise(200, 3) + 0.05 * sheet_tooth, "b9995f d9c08c e9d7aa f2e6c4")
    spots = step(2.1, 3.2, sheet.noise(14, 2))
    page = mix(page, paints("a87b45")[0], 0.4 * spots)
    page[..., 0] -= 0.03 * ink.mean() + 0.05 * blur(ink, 3 * unit)  # a film of ink stays on the plate
    black = ramp(0.5 + 0.2 * sheet.noise(9, 2), "14100d 241b15 33271d")
    return relief(mix(page, black, ink), 0.5 * unit * ink + 0.22 * unit * sheet_tooth, 0.35, 0.02)


def woodcut(sheet: Sheet) -> Array:
    """Ukiyo-e print: a wave with claws of foam, graded sky, red sun and far mountain, on fibrous paper."""
    x, y = sheet.xy
    rng, unit = sheet.rng, sheet.unit
    tall = 1000 * sheet.height / sheet.width
    tooth = paper(sheet, 14)
    # The block's grain runs across; it shows where the color lies flat.
    knot = 60 * np.exp(-(((x - 690) / 90) ** 2 + ((y - 150) / 46) ** 2)) * np.sign(y - 150)
    rings = np.sin((y + 9 * sheet.noise(160, 2, stretch=4) + knot) / 1.9)
    grain = 0.6 * rings + 0.6 * sheet.noise(2.4, 2, stretch=26)
    wipe = sheet.noise(60, 3)
    page = ramp(0.6 + 0.12 * sheet.noise(180, 3) + 0.05 * tooth, "c9ae7c e0c99c eddcb6 f5ead0")
    out = page.copy()

    whole_sheet = np.s_[:, :]

    def ink(mask, names, tone=0.5, density=0.93, wood=1.0, part=whole_sheet):
        """Print an area; the paper's tooth and the block's grain leave it uneven."""
        cover = density * blur(np.asarray(mask, np.float32), 0.7)
        rough = np.maximum(tooth[part], 0)
        cover = cover * np.clip(0.95 + 0.045 * wood * grain[part] + 0.03 * wipe[part] - 0.045 * rough, 0, 1)
        cover *= 1 - 0.5 * step(2.0, 2.8, rough)
        paint = ramp(np.broadcast_to(tone, mask.shape) + 0.03 * wipe[part], names)
        out[part] = mix(out[part], paint, cover)

    def outline(d, width=1.5, dark="0c1c3c 1b3157", part=whole_sheet):
        swell = width * (1 + 0.35 * line_swell[part])
        ink(np.abs(d) < swell, dark, 0.4, 0.95, 0.4, part)

    line_swell = sheet.noise(35, 2)

    def shape_distance(mask):
        inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
        return ((outside - inside) / unit).astype(np.float32)

    # Sky: indigo wiped away downward, rose rising from the horizon; bands of mist; the sun.
    ink(y < 150, "1a3566 2c4f86 54789f", y / 150, 0.93 * step(125, 6, y + 7 * wipe))
    ink(y < 520, "d98a6a e0a184", 0.5, 0.62 * step(230, 470, y + 8 * wipe))
    ink(np.hypot(x - 250, y - 215) < 66, "8e1f1a b7301f d2553a", (y - 150) / 140, 0.9)
    for cy, left, right in ((236, -40, 240), (262, 120, 380), (150, 560, 1040), (330, -40, 130)):
        band, _, _ = along(x, y, [(left, cy, 9), ((left + right) / 2, cy + 2, 11), (right, cy, 9)])
        out[:] = mix(out, page, 0.85 * step(1.5, -1.5, band))
        ink(np.abs(band) < 0.7, "8a7a63 8a7a63", 0.5, 0.5)
    # Mountain, snow on top.
    sides = smooth(
        [(60, 470), (130, 440), (190, 392), (222, 366), (248, 364), (285, 396), (350, 440), (440, 464), (600, 492)]
    )
    mount = filled(sheet, np.concatenate([sides, [(600, 520), (60, 520)]]))
    ink(mount, "2b4a75 6f8fa8 b8c4b8", (y - 360) / 110)
    snow = mount & (y < 398 + 13 * np.abs(np.mod(x / 13, 2) - 1) + 6 * np.sin(x / 7))
    out[:] = mix(out, page, snow * 0.95)
    outline(shape_distance(mount), 0.9)
    for k in range(4):
        wing, _, _ = along(
            x,
            y,
            [
                (420 + 34 * k, 215 + 16 * np.sin(k * 2), 0.4),
                (428 + 34 * k, 208 + 16 * np.sin(k * 2), 1.9),
                (436 + 34 * k, 214 + 16 * np.sin(k * 2), 1.4),
                (444 + 34 * k, 205 + 16 * np.sin(k * 2), 1.9),
                (455 + 34 * k, 211 + 16 * np.sin(k * 2), 0.3),
            ],
        )
        ink(wing < 0, "22304a 22304a", 0.5)

    def water(outer, inner, stripes, base, foam=True):
        """Print a wave between two lines that run from its foot to its crest: deep blue, and stripes that follow it."""
        a, b = smooth(outer, 120), smooth(inner, 120)
        body = filled(sheet, np.concatenate([a, b[::-1]]))
        ink(body, base, (y - 80) / (tall - 80))
        for k in range(stripes):
            s = (k + 0.5 + 0.2 * rng.standard_normal()) / stripes
            t0, t1 = rng.uniform(0.0, 0.12), rng.uniform(0.8, 0.97)
            line = ((1 - s) * a + s * b)[int(t0 * 119) : int(t1 * 119) : 9]
            reach = np.linspace(0, 1, len(line))
            room = np.hypot(*(a - b)[int(t0 * 119) : int(t1 * 119) : 9].T) / stripes
            wide = (
                np.minimum(room, 60) * (0.16 + 0.1 * rng.random()) * np.sin(np.pi * np.clip(reach * 0.85 + 0.12, 0, 1))
                + 0.4
            )
            d, place, _ = along(x, y, [(*p, w) for p, w in zip(line, wide, strict=True)])
            names = str(
                rng.choice(
                    ["3f74a3 7fa9bd c3d5c8", "8fb3bd c9d9cb eee7cd", "2c5c92 4f86ad 7fa9bd", "dfe2cb ece6cc f2ead0"]
                )
            )
            here = (d < 0) & body
            out[:] = mix(out, page, here * 0.9)
            ink(here, names, place)
            ink(here & (d > -1.1), "16305c 16305c", 0.5, 0.75)
        outline(shape_distance(body), 1.7)
        return a, b, body

    def hook(u, v, cx, cy, aim, size, curl):
        """Distance to a claw: a tapering line that bends more and more."""
        points, px, py, a = [], cx, cy, aim
        for k in range(7):
            points.append((px, py, size * 0.17 * (1 - k / 6.6) ** 0.8))
            a += curl * (0.1 + 0.13 * k)
            px, py = px + size * 0.2 * np.cos(a), py + size * 0.2 * np.sin(a)
        return along(u, v, points)[0]

    def foam(cx, cy, aim, size, curl):
        """A clump: knobs of foam with claws that fan out and bend down; printed as one shape with a dark line."""
        i, j, r = int(cy * unit), int(cx * unit), int(2.2 * size * unit)
        part = np.s_[max(i - r, 0) : max(i + r, 0), max(j - r, 0) : max(j + r, 0)]
        u, v = x[part], y[part]
        if u.size == 0:
            return
        whole = np.hypot(u - cx, v - cy) - 0.42 * size
        reach = 0.42 * size
        for a in aim + rng.normal(0, 1.1, 4):
            whole = np.minimum(whole, np.hypot(u - cx - reach * np.cos(a), v - cy - reach * np.sin(a)) - 0.26 * size)
        for a in aim + np.linspace(-1.15, 1.15, 5) + rng.normal(0, 0.12, 5):
            bx, by = cx + reach * np.cos(a), cy + reach * np.sin(a)
            whole = np.minimum(whole, hook(u, v, bx, by, a - 0.25 * curl, size * rng.uniform(0.62, 0.95), curl))
        out[part] = mix(out[part], page[part], 0.97 * step(0.5, -0.5, whole / 0.6))
        below = np.hypot(u - cx + 0.2 * size * np.cos(aim), v - cy + 0.2 * size * np.sin(aim)) < 0.4 * size
        ink((whole < -0.5) & below, "7fa9b8 b5cbc4", 0.5 + 0.4 * np.sin((u + v) / 5), 0.55, part=part)
        outline(whole, 1.0, part=part)

    def fringe(line, outward, sizes, curl, rows=2, start=0.0):
        """Foam along a line, back rows first."""
        steps = np.hypot(*np.diff(line, axis=0).T)
        run = np.concatenate([[0], np.cumsum(steps)])
        for row in range(rows):
            at = start * run[-1]
            while at < run[-1]:
                size = rng.uniform(*sizes) * (0.75 + 0.5 * at / run[-1]) * (1 - 0.15 * row)
                k = min(int(np.searchsorted(run, at)), len(line) - 2)
                dx, dy = line[k + 1] - line[k]
                normal = np.arctan2(dy, dx) + outward * np.pi / 2
                inset = (0.55 * row - 0.1) * size
                foam(
                    line[k, 0] - inset * np.cos(normal),
                    line[k, 1] - inset * np.sin(normal),
                    normal + rng.normal(0, 0.25),
                    size,
                    curl,
                )
                at += size * rng.uniform(0.62, 0.95)

    # Far swell, then the great wave from the right, its hollow, its foam.
    water(
        [(-20, 478), (120, 470), (260, 476), (420, 488), (740, 505)],
        [(-20, 570), (150, 600), (300, 625), (500, 640), (740, 640)],
        12,
        "1d3f72 234d80",
    )
    crest = [(1020, 640), (1030, 430), (960, 250), (850, 130), (720, 72), (590, 76), (490, 128), (428, 205), (408, 278)]
    hollow = [
        (280, 640),
        (430, 610),
        (560, 540),
        (640, 440),
        (668, 340),
        (640, 250),
        (570, 205),
        (490, 215),
        (425, 270),
    ]
    a, b, _body = water(crest, hollow, 15, "16335f 12294f 0f2244")
    back = filled(sheet, np.concatenate([a, (0.72 * a + 0.28 * b)[::-1]]))
    out[:] = mix(out, page, 0.96 * back)
    ink(back, "9fbcc0 e6e2c8", step(0, 45, -shape_distance(back)), 0.5)
    outline(shape_distance(back), 1.3)
    fringe((0.72 * a + 0.28 * b)[12:112], -1, (22, 34), -1, 1)
    fringe((0.45 * a + 0.55 * b)[62:112], -1, (18, 28), -1, 1)
    fringe(a[58:], 1, (20, 34), -1, 2)
    fringe(smooth([(408, 278), (440, 262), (490, 228), (560, 205)], 60), -1, (22, 36), -1, 2)
    # Boat in the trough.
    hull = filled(
        sheet,
        np.concatenate(
            [
                smooth([(300, 520), (350, 556), (430, 578), (540, 576), (640, 540)], 60),
                smooth([(650, 536), (545, 596), (430, 602), (345, 578), (300, 520)], 60),
            ]
        ),
    )
    out[:] = mix(out, page, hull)
    ink(hull, "e2b878 c98d4a", (y - 520) / 80)
    ink(hull & (np.mod(y - 0.0016 * (x - 460) ** 2, 9) < 1.6), "6b4322 6b4322", 0.5, 0.7)
    outline(shape_distance(hull), 1.3)
    for k in range(9):
        px, py = 372 + 25 * k, 563 + 12 * np.sin(k / 8 * np.pi) - 4
        coat = np.hypot((x - px) / 1.15, y - py) < 12
        ink(coat & (y < py + 8), "1c3a66 3f6a94", (x - px) / 24 + 0.5)
        outline(np.where(y < py + 8, np.hypot((x - px) / 1.15, y - py) - 12, 9), 0.9)
        head = np.hypot(x - px + 6, y - py + 13)
        out[:] = mix(out, paints("ecd2ac")[0], step(6.2, 5.4, head))
        ink((head < 5.8) & (y < py - 15), "1a1a22 1a1a22", 0.5)
        outline(head - 5.8, 0.8)
    # Near waves cover its keel.
    a, b, _ = water(
        [(-30, 690), (40, 600), (120, 520), (190, 486), (250, 510), (310, 575), (400, 632), (520, 660)],
        [(-30, 720), (60, 700), (140, 690), (220, 690), (300, 700), (380, 710), (450, 710), (520, 700)],
        11,
        "1b3c6e 122b55",
    )
    cap = filled(
        sheet, np.concatenate([a, a[::-1] + np.array([0, 1]) * (14 + 46 * np.exp(-(((a[::-1, :1] - 190) / 90) ** 2)))])
    )
    out[:] = mix(out, page, 0.96 * cap)
    ink(cap & (np.mod(x + 0.8 * y, 23) < 8), "9fbcc0 e6e2c8", 0.4, 0.45)
    outline(shape_distance(cap), 1.2)
    fringe(smooth([(60, 640), (120, 585), (190, 560), (250, 580), (310, 630)], 80), -1, (18, 28), 1, 1)
    fringe(a[8:75], -1, (14, 26), 1, 1)
    water(
        [(380, 700), (520, 640), (680, 610), (840, 560), (1020, 470)],
        [(380, 730), (540, 720), (700, 715), (860, 700), (1020, 690)],
        10,
        "1d4478 132c57",
    )
    fringe(smooth([(470, 668), (560, 634), (690, 612), (840, 566), (1000, 490)], 100), -1, (13, 24), -1, 1)
    # Spray.
    for _ in range(520):
        at = rng.normal(0, 1, 2)
        px, py = 520 + 150 * at[0], 330 + 120 * at[1]
        if rng.random() < 0.35:
            px, py = rng.uniform(0, 1000), rng.uniform(200, tall)
        i, j = int(np.clip(py * unit, 0, sheet.height - 1)), int(np.clip(px * unit, 0, sheet.width - 1))
        r = rng.uniform(0.8, 3.2) * (1 + (rng.random() < 0.06))
        near = np.s_[max(i - int(6 * unit), 0) : i + int(6 * unit), max(j - int(6 * unit), 0) : j + int(6 * unit)]
        dot = step(r + 0.4, r - 0.4, np.hypot(x[near] - px, y[near] - py))
        out[near] = mix(out[near], page[near], 0.95 * dot)

    # A worn margin, a seal, and light on the paper.
    edge = np.minimum(np.minimum(x, 1000 - x), np.minimum(y, tall - y)) + 1.2 * sheet.noise(12, 3)
    frame = step(17, 15.5, edge)
    outline(edge - 17, 1.2, "1a1a22 2a2a33")
    out[:] = mix(out, page, frame)
    seal = (np.abs(x - 62) < 13) & (np.abs(y - 62) < 24)
    ink(seal, "a8281c c0392b", 0.5)
    out[:] = mix(
        out, page, 0.9 * (seal & (np.abs(sheet.noise(7, 1)) < 0.28) & (np.abs(x - 62) < 11) & (np.abs(y - 62) < 22))
    )
    return relief(out, 0.28 * unit * tooth, 0.3, 0.0)


PAINTERS = {"engraving": (engraving, 1.25), "woodcut": (woodcut, 1.47)}
