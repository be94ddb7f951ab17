"""Render the project's own content pictures with Blender's path tracer.

    pip install "bpy==5.0.1" pillow numpy     # Python 3.11 exactly: Blender's module is built for one version
    python tools/paint_content.py             # all of them
    python tools/paint_content.py village --size 384 --samples 16   # one, as a sketch

On a bare Debian or Ubuntu, Blender also wants
    apt-get install libxrender1 libxi6 libxkbcommon0 libxfixes3 libsm6 libgl1
A picture takes one to four minutes of processor time at 768 px.
Every shape and texture comes from numbers and a seed; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SCENES = ("village", "mountains", "still_life", "harbor", "interior", "dancer", "street")
ROOT = Path(__file__).resolve().parents[1]


def paint(name: str, out: Path, size: int, samples: int | None = None) -> Path:
    """Build one scene, render it and write `out/name.jpg`; `size` is the longer side."""
    from scenes import kit

    scene = importlib.import_module(f"scenes.{name}")
    width, height = scene.ASPECT
    longer = max(width, height)
    pixels = (round(size * width / longer), round(size * height / longer))
    kit.reset()
    scene.build(np.random.default_rng(scene.SEED))
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.png"
        kit.render(raw, pixels, samples or scene.SAMPLES, **getattr(scene, "RENDER", {}))
        image = kit.develop(Image.open(raw).convert("RGB"), **getattr(scene, "DEVELOP", {}))
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.jpg"
    kit.save_jpeg(image, path)
    return path


def main() -> None:
    """Read the command line and render."""
    parser = argparse.ArgumentParser(description="Render the project's own content pictures.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones; all when left out: {', '.join(SCENES)}")
    parser.add_argument("--out", type=Path, default=ROOT / "img" / "content", help="folder to write to")
    parser.add_argument("--size", type=int, default=768, help="longer side in pixels")
    parser.add_argument("--samples", type=int, help="paths a pixel; few for a sketch")
    args = parser.parse_args()
    unknown = sorted(set(args.names) - set(SCENES))
    if unknown:
        parser.error(f"no scene {', '.join(unknown)}; there are {', '.join(SCENES)}")
    try:
        import bpy  # noqa: F401
    except ImportError as error:
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            f"Blender's module does not load: {error}.\n"
            f'It needs Python 3.11 (this is {version}) and pip install "bpy==5.0.1"; see {Path(__file__).name}.'
        )
    for name in args.names or SCENES:
        start = time.perf_counter()
        path = paint(name, args.out, args.size, args.samples)
        print(f"{path}: {path.stat().st_size // 1000} kB, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
