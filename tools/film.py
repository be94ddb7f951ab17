"""Film the live studio: what a visitor sees who starts it and moves its sliders, as one moving picture for README.

    python tools/film.py                   writes visualizations/live/studio_moving.webp
    python tools/film.py --frames FOLDER   keeps every frame too, as PNG

It serves the studio as `make studio` does, opens it in Chromium, and moves a mouse that the film shows. One frame is
taken after each movement and after each step, and each is shown for a tenth of a second: so the film looks the same
whatever the machine takes for a step. Some minutes on two CPU cores. Needs Chromium and playwright.
"""

import argparse
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
from browsing import CHROMIUM, PATIENT, chromium, free_port, serving  # noqa: E402

FILM = ROOT / "visualizations" / "live" / "studio_moving.webp"
WIDTH, HEIGHT = 860, 740
TITLE = 112  # pixels above the studio, which the film leaves out
PICTURE = 320  # pixels of the longer side, of the picture that is painted
SHOWN = 100  # milliseconds of each frame
HELD = 1500  # milliseconds of the last one
LARGEST = 2_000_000  # bytes
QUALITIES = range(72, 39, -4)
# A page that is driven shows no mouse.
MOUSE = """
addEventListener('DOMContentLoaded', () => {
  const arrow = document.createElement('div');
  arrow.innerHTML = '<svg width="22" height="26" viewBox="0 0 22 26"><path d="M2 1v20l5-5 3.5 8 4-1.7-3.5-7.8h7z"' +
    ' fill="#111" stroke="#fff" stroke-width="1.6"/></svg>';
  arrow.style.cssText = 'position:fixed;left:0;top:0;z-index:9999;pointer-events:none';
  document.body.append(arrow);
  addEventListener('mousemove', e => arrow.style.transform = `translate(${e.clientX - 2}px, ${e.clientY - 1}px)`, true);
});
"""
FACTS = "document.querySelector('.nst-facts').dataset"


class Studio:
    """The studio in a browser, filmed while a hand moves over it."""

    def __init__(self, page: Any, folder: Path | None = None):
        self.page, self.frames, self._folder = page, list[Image.Image](), folder
        self.at = (WIDTH / 3, HEIGHT / 2)  # of the mouse

    def wait(self, condition: str) -> None:
        """Until a condition of the status line holds, in JavaScript: `d.taken > 3`."""
        self.page.wait_for_function(f"() => {{ const d = {FACTS}; return {condition}; }}")

    def taken(self) -> int:
        """The steps so far."""
        return int(self.page.evaluate(f"{FACTS}.taken"))

    def frame(self) -> None:
        """One frame of the film."""
        shot = self.page.screenshot(clip={"x": 0, "y": TITLE, "width": WIDTH, "height": HEIGHT - TITLE})
        if self._folder:
            (self._folder / f"{len(self.frames):03}.png").write_bytes(shot)
        self.frames.append(Image.open(io.BytesIO(shot)).convert("RGB"))

    def watch(self, steps: int) -> None:
        """One frame after each of so many steps."""
        for _ in range(steps):
            before = self.taken()
            self.wait(f"Number(d.taken) > {before}")
            self.page.wait_for_timeout(60)  # until the picture of that step is drawn
            self.frame()

    def move(self, where: Any, frames: int = 6, offset: float = 0.0) -> None:
        """Move the mouse onto the middle of something, and so many pixels to the right of it."""
        box = where.bounding_box()
        goal = (box["x"] + box["width"] / 2 + offset, box["y"] + box["height"] / 2)
        x, y = self.at
        for number in range(1, frames + 1):
            part = number / frames
            part = part * part * (3 - 2 * part)  # a hand starts and stops gently
            self.page.mouse.move(x + part * (goal[0] - x), y + part * (goal[1] - y))
            self.frame()
        self.at = goal

    def click(self, name: str) -> None:
        """Press a button."""
        button = self.page.locator("button.jupyter-button", has_text=re.compile(rf"^\s*{name}\s*$")).first
        self.move(button)
        button.click()

    def drag(self, name: str, pixels: float) -> None:
        """Take the handle of a slider and move it to the right, or to the left."""
        handle = self.page.locator(".widget-slider", has_text=name).locator(".noUi-handle").first
        self.move(handle)
        self.page.mouse.down()
        self.move(handle, frames=10, offset=pixels)
        self.page.mouse.up()

    def list_of(self, name: str) -> Any:
        """The list with a label."""
        return self.page.locator(f'.widget-dropdown:has(label:text-is("{name}")) select').first


def play(studio: Studio) -> None:
    """What the film shows."""
    studio.list_of("size").select_option(f"{PICTURE} pixels")
    studio.wait(f"d.size === '{PICTURE}'")
    studio.page.locator("button.jupyter-button", has_text="Reset").first.click()
    studio.wait("Number(d.taken) === 0")
    studio.page.mouse.move(*studio.at)
    for _ in range(4):
        studio.frame()
    studio.click("Start")
    studio.watch(12)
    studio.drag("beta (style)", 36)
    studio.watch(10)
    studio.drag("beta (style)", -72)
    studio.watch(12)
    studio.move(studio.list_of("style"))
    studio.list_of("style").select_option("mosaic")
    studio.watch(3)
    studio.drag("beta (style)", 54)
    studio.watch(18)
    studio.click("Pause")
    studio.wait("d.state === 'paused'")
    studio.frame()


@contextmanager
def opened_studio(frames: Path | None = None) -> Iterator[Studio]:
    """The studio of `make studio`, in Chromium."""
    try:
        from playwright import sync_api
    except ImportError:
        sys.exit('playwright is missing; install it with: pip install -e ".[lab,test]"')
    if CHROMIUM is None:
        sys.exit("there is no Chromium here; install it, for example with: apt-get install chromium")
    port = free_port()
    command = [sys.executable, str(ROOT / "tools" / "studio.py"), f"--port={port}"]
    with tempfile.TemporaryDirectory() as folder:
        environment = {"NST_BACKBONE": "mini", "JUPYTER_CONFIG_DIR": folder, "PYTHONPATH": str(ROOT)}
        with (
            serving(command, f"http://127.0.0.1:{port}/static/", Path(folder), environment),
            chromium(sync_api) as browser,
        ):
            page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
            page.set_default_timeout(1000 * PATIENT)
            page.add_init_script(MOUSE)
            page.goto(f"http://127.0.0.1:{port}/")
            page.locator(".nst-facts").first.wait_for()
            studio = Studio(page, frames)
            studio.wait("d.state === 'paused'")
            yield studio


def save(frames: list[Image.Image], path: Path) -> int:
    """Write the film in the best quality that stays small enough; gives its bytes."""
    durations = [SHOWN] * (len(frames) - 1) + [HELD]
    for quality in QUALITIES:
        # No frame but the first is encoded by itself: each that is would flicker between its neighbors.
        options = {"duration": durations, "loop": 0, "quality": quality, "method": 5, "kmin": 0, "kmax": 0}
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        if path.stat().st_size <= LARGEST:
            return path.stat().st_size
    raise SystemExit(f"{path} has {path.stat().st_size} bytes in the lowest quality; at most {LARGEST} are wanted")


def main() -> None:
    """Film the studio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, help="a folder that gets every frame")
    folder = parser.parse_args().frames
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with opened_studio(folder) as studio:
        play(studio)
    size = save(studio.frames, FILM)
    print(f"{FILM}: {len(studio.frames)} frames, {size} bytes")


if __name__ == "__main__":
    main()
