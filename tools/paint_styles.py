"""Paint the style pictures: a panel over the history of art, each seeded, each by its own small painter.

python tools/paint_styles.py                    # all of them, into img/style
python tools/paint_styles.py swirls mosaic --size 512 --out /tmp
"""

import argparse
import time
import zlib
from pathlib import Path

import numpy as np
import styles_brush
import styles_line
import styles_tiles
import styles_wet
from painting import Array, Sheet, save

PAINTERS = {**styles_brush.PAINTERS, **styles_tiles.PAINTERS, **styles_line.PAINTERS, **styles_wet.PAINTERS}


def paint(name: str, size: int = 768, supersample: float = 2.0) -> Array:
    """Return the picture in OKLab, `supersample` times as large as it will be saved."""
    painter, aspect = PAINTERS[name]
    longer = round(size * supersample)
    height, width = (longer, round(longer * aspect)) if aspect < 1 else (round(longer / aspect), longer)
    # The seed is the name's, so that a picture does not depend on which others are painted.
    return painter(Sheet(height, width, np.random.default_rng(zlib.crc32(name.encode()))))


def main() -> None:
    """Read the command line and paint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to paint, all if none: {', '.join(PAINTERS)}")
    parser.add_argument("--out", type=Path, default=Path("img/style"), help="folder to write to (%(default)s)")
    parser.add_argument("--size", type=int, default=768, help="pixels on the longer side (%(default)s)")
    args = parser.parse_args()
    if unknown := set(args.names) - set(PAINTERS):
        parser.error(f"no painter named {', '.join(sorted(unknown))}; there are {', '.join(PAINTERS)}")
    for name in args.names or PAINTERS:
        began = time.perf_counter()
        path = args.out / f"{name}.jpg"
        save(paint(name, args.size), path, args.size)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
