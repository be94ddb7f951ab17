"""The brush in a real browser: a mouse, a finger and keys paint, and the kernel has what was painted.

The picture's map is 171 x 256 pixels. Needs Chromium; without one these tests are skipped, and say so.
"""

import json
import os
import sys
import time

import numpy as np
import pytest
from browsing import (
    CHROMIUM,
    LIGHT,
    PATIENT,
    Kernel,
    chromium,
    end_kernels,
    free_port,
    jupyter_server,
    run_cell,
    serving,
    write_notebook,
)

from nstlib.live import maps as regions
from nstlib.live.past import Note

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install -e '.[lab,test]'")

HEIGHT, WIDTH = SIZE = 171, 256
START = 19  # the width of the brush at first, in pixels of the map
SOURCE = f"""\
import time
from nstlib import live
brush = live.brush("village", names=["sky", "houses", "water"], size={WIDTH})
heard = []
brush.observe(lambda brush: heard.append((time.monotonic(), int((brush.labels > 0).sum()))))
brush"""
AGAIN = "brush"
STUDIO = f"""\
import torch
torch.set_num_threads(1)
from nstlib import live
brush = live.brush("village", names=["sky", "houses"], size={WIDTH})
studio = live.studio("village", ["swirls", "mosaic"], size=64, backbone="mini", optimizer="adam", device="cpu",
                     folder=None, masks=brush)
def place():
    masks = studio.engine.run.objective.masks
    return None if masks is None else [round(float(mask.mean()), 2) for mask in masks]
studio"""
BUSY = "print('busy'); time.sleep(6); print('done')"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A Jupyter server with notebooks that show a brush: (its address, its folder)."""
    folder = tmp_path_factory.mktemp("brush")
    write_notebook(folder / "brush.ipynb", [SOURCE, AGAIN, BUSY])
    write_notebook(folder / "seven.ipynb", [SOURCE])
    with jupyter_server(folder) as url:
        yield url, folder


@pytest.fixture(scope="module")
def browser():
    with chromium(playwright) as opened:
        yield opened


class Brush:
    """A brush on a page, and the kernel behind it."""

    def __init__(self, page, kernel=None, number=0):
        self.page, self.kernel = page, kernel
        self.root = page.locator(".nst-brush").nth(number)
        self.canvas = self.root.locator("canvas")
        self.status = self.root.locator("[role=status]")

    def show(self):
        """Wait until it is there, with its picture, and bring it into sight."""
        self.canvas.wait_for()
        self.page.wait_for_function("e => e.complete && e.naturalWidth", arg=self.root.locator("img").element_handle())
        self.canvas.scroll_into_view_if_needed()
        return self

    def at(self, x, y):
        """Where a place of the map is on the page."""
        box = self.canvas.bounding_box()
        return box["x"] + x / WIDTH * box["width"], box["y"] + y / HEIGHT * box["height"]

    def press(self, x, y):
        self.page.mouse.move(*self.at(x, y))
        self.page.mouse.down()

    def stroke(self, start, *places):
        self.press(*start)
        for place in places:
            self.page.mouse.move(*self.at(*place), steps=8)
        self.page.mouse.up()

    def button(self, name):
        return self.root.get_by_role("button", name=name)

    def labels(self):
        """The map in the kernel."""
        note = Note.read(bytes.fromhex(self.kernel.asked("brush.widget.painted.hex()").strip("'")))
        return regions.unpacked(note.runs, SIZE)

    def shown(self):
        """Where the page shows a region."""
        script = """e => Array.from(e.getContext("2d").getImageData(0, 0, e.width, e.height).data)
            .filter((_, k) => k % 4 == 3)"""
        opaque = self.canvas.evaluate(script)
        return np.array(opaque).reshape(SIZE) > 0

    def becomes(self, wanted):
        """Wait until the kernel and the page have a map."""
        end = time.monotonic() + PATIENT
        while not (np.array_equal(self.labels(), wanted) and np.array_equal(self.shown(), wanted > 0)):
            if time.monotonic() > end:
                differ = [int((labels != wanted).sum()) for labels in (self.labels(), self.shown() * wanted)]
                raise AssertionError(f"pixels that differ in the kernel and on the page: {differ}")
            time.sleep(0.05)

    def settled(self):
        """The map in the kernel, once the page has told all."""
        self.page.wait_for_timeout(300)
        return self.labels()


def opened(browser, url, width=1200, **options):
    page = browser.new_context(viewport={"width": width, "height": 1100}, **options).new_page()
    page.set_default_timeout(1000 * PATIENT)
    page.goto(url)
    return page


def run_first_cell(page):
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    run_cell(page, 0)


@pytest.fixture(scope="module")
def lab(jupyter, browser):
    """A page of JupyterLab whose first cell has run, and its kernel."""
    url, _ = jupyter
    page = opened(browser, f"{url}/lab/tree/brush.ipynb")
    run_first_cell(page)
    page.locator(".nst-brush").wait_for()
    with Kernel(jupyter) as kernel:
        yield page, kernel
    page.context.close()
    end_kernels(url)


@pytest.fixture
def brush(lab):
    """The brush in JupyterLab, with nothing painted, region 1 chosen and its first width."""
    page, kernel = lab
    page.mouse.up()
    kernel.asked("(brush.clear(), heard.clear())")
    brush = Brush(page, kernel).show()
    brush.button("sky").click()
    set_width(brush, START)
    brush.becomes(empty())
    return brush


def set_width(brush, width):
    """Move the slider by keys until it says so."""
    slider, readout = brush.root.locator("input[type=range]"), brush.root.locator("output")
    slider.focus()
    for _ in range(60):
        now = int(readout.inner_text().split()[0])
        if now == width:
            return
        brush.page.keyboard.press("ArrowRight" if now < width else "ArrowLeft")
    raise AssertionError(f"the slider has no place for {width}")


def empty():
    return np.zeros(SIZE, np.uint8)


def near(*places, radius=START / 2):
    """Which pixels are nearer to a line through places than a radius: with their middles, as the brush decides it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    found = np.zeros(SIZE, bool)
    for (x1, y1), (x2, y2) in zip(places, [*places[1:], places[-1]], strict=True):
        dx, dy = x2 - x1, y2 - y1
        along = np.clip(((x - x1) * dx + (y - y1) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        found |= np.hypot(x - x1 - along * dx, y - y1 - along * dy) < radius
    return found


def assert_painted(labels, region, *places, radius=START / 2):
    """The line is painted to its border, give or take a pixel that the mouse's rounding moves, and nothing else is."""
    assert (labels[near(*places, radius=radius - 1)] == region).all()
    assert not labels[~near(*places, radius=radius + 1)].any()


def test_a_stroke_is_in_the_kernel_where_it_was_painted_and_nowhere_else(brush):
    corner = [(40, 40), (200, 60), (120, 140)]
    brush.stroke(*corner)
    labels = brush.settled()
    assert_painted(labels, 1, *corner)
    brush.becomes(labels)
    brush.button("water").click()
    brush.stroke((60, 120), (100, 120))
    both = brush.settled()
    assert_painted(np.where(both == 3, both, 0), 3, (60, 120), (100, 120))
    assert np.array_equal(both[both != 3], labels[both != 3])
    assert "sky" in brush.status.inner_text()
    assert "houses 0 %" in brush.status.inner_text()


def test_a_stroke_is_heard_before_it_ends_and_not_too_often(brush):
    brush.press(20, 30)
    for x in range(20, 240, 2):
        brush.page.mouse.move(*brush.at(x, 30))
        brush.page.wait_for_timeout(20)
    during = json.loads(brush.kernel.asked("[list(one) for one in heard]"))
    brush.page.mouse.up()
    times, sizes = zip(*during, strict=True)
    assert len(during) >= 5
    assert list(sizes) == sorted(set(sizes))
    assert sizes[-1] > 0.8 * near((20, 30), (238, 30)).sum()
    assert len(during) <= 5 * (times[-1] - times[0]) + 2
    brush.settled()
    brush.kernel.asked("brush.undo()")  # all of it is one step
    brush.becomes(empty())


def test_undo_redo_fill_and_clear_by_buttons(brush):
    brush.stroke((40, 40), (80, 40))
    first = brush.settled()
    brush.button("houses").click()
    brush.button("Fill the rest").click()
    filled = np.where(first, first, 2)
    brush.becomes(filled)
    assert brush.button("Fill the rest").is_disabled()
    brush.button("Clear").click()
    brush.becomes(empty())
    assert brush.button("Clear").is_disabled()
    for wanted in (filled, first, empty()):
        brush.button("Undo").click()
        brush.becomes(wanted)
    for wanted in (first, filled, empty()):
        brush.button("Redo").click()
        brush.becomes(wanted)
    assert brush.button("Redo").is_disabled()


def test_the_eraser_takes_away_what_it_touches(brush):
    brush.button("Fill the rest").click()
    brush.button("Eraser").click()
    assert brush.button("Eraser").get_attribute("aria-pressed") == "true"
    assert brush.button("sky").get_attribute("aria-pressed") == "false"
    brush.stroke((40, 40), (200, 100))
    labels = brush.settled()
    assert_painted(1 - labels, 1, (40, 40), (200, 100))


@pytest.mark.parametrize("width", [1, 2, 75])
def test_the_slider_says_how_wide_the_brush_paints(brush, width):
    set_width(brush, width)
    brush.stroke((128.5, 85.5), (150.5, 85.5))
    labels = brush.settled()
    assert abs(int((labels[:, 140] == 1).sum()) - width) <= 1
    assert labels[85, 128] == 1
    ring = brush.root.locator(".nst-brush-ring").bounding_box()
    scale = brush.canvas.bounding_box()["width"] / WIDTH
    assert ring["width"] == pytest.approx(max(5, width * scale), abs=1)


def test_a_picture_is_painted_by_keys_alone(brush):
    keys = brush.page.keyboard
    brush.root.get_by_role("button").first.focus()
    keys.press("2")
    for _ in range(10):
        if brush.page.evaluate("document.activeElement.tagName") == "CANVAS":
            break
        keys.press("Tab")
    start = cursor(brush)
    keys.press("Space")  # a dab
    dab = brush.settled()
    assert_painted(np.where(dab == 2, 1, dab), 1, start)
    keys.down("Space")  # held
    for _ in range(6):
        keys.press("ArrowRight")
    keys.up("Space")
    right = (start[0] + 6 * 5, start[1])
    line = brush.settled()
    assert_painted(np.where(line == 2, 1, line), 1, start, right)
    for _ in range(8):
        keys.press("ArrowDown")
    assert np.array_equal(brush.settled(), line)  # lifted, it only moves
    keys.press("e")
    keys.press("Enter")  # down, until it is pressed again
    for _ in range(8):
        keys.press("ArrowUp")
    keys.press("Enter")
    keys.press("ArrowLeft")
    erased = brush.settled()
    way = [(right[0], right[1] + 8 * 5), right]
    assert not erased[near(*way, radius=START / 2 - 1)].any()
    beside = ~near(*way, radius=START / 2 + 1)
    assert np.array_equal(erased[beside], line[beside])
    keys.press("Control+z")
    brush.becomes(line)
    keys.press("Control+z")
    brush.becomes(dab)
    keys.press("Control+y")
    brush.becomes(line)
    assert "at " in brush.status.inner_text()


def cursor(brush):
    """Where the brush is on the map."""
    ring, box = brush.root.locator(".nst-brush-ring").bounding_box(), brush.canvas.bounding_box()
    x, y = ring["x"] + ring["width"] / 2 - box["x"], ring["y"] + ring["height"] / 2 - box["y"]
    return x / box["width"] * WIDTH, y / box["height"] * HEIGHT


def test_keys_change_region_and_width_and_never_reach_jupyters_shortcuts(brush):
    cells = brush.page.locator(".jp-CodeCell").count()
    for focused in (brush.canvas, brush.button("sky"), brush.root.locator("input[type=range]")):
        focused.focus()
        for key in ("d", "d", "a", "b", "x", "m", "0", "0", "i", "i", "Shift+M", "3", "[", "[", "]"):
            brush.page.keyboard.press(key)
        assert brush.button("water").get_attribute("aria-pressed") == "true"
    assert brush.root.locator("output").inner_text() == "13 px"  # one narrower each time
    assert brush.page.locator(".jp-CodeCell").count() == cells
    assert brush.page.locator(".jp-MarkdownCell, dialog, .jp-Dialog").count() == 0


def test_every_control_is_reached_by_the_tab_key_and_has_a_name(brush):
    brush.stroke((40, 40), (80, 40))
    brush.stroke((40, 80), (80, 80))
    brush.button("Undo").click()
    brush.root.get_by_role("button").first.focus()
    name = "(e => e.ariaLabel || e.closest('label')?.innerText || e.innerText)(document.activeElement)"
    found = []
    for _ in range(11):
        found.append(brush.page.evaluate(name))
        brush.page.keyboard.press("Tab")
    names = [" ".join(name.split()) for name in found]
    assert names[:4] == ["1 sky", "2 houses", "3 water", "0 Eraser"]
    assert names[4] == "Picture to paint regions on"
    assert names[5].startswith("Brush size")
    assert names[6:] == ["Undo", "Redo", "Fill the rest", "Clear", "Keys"]


def test_what_python_sets_during_a_stroke_and_the_stroke_both_come_back_with_undo(brush):
    brush.press(40, 40)
    brush.page.mouse.move(*brush.at(100, 40), steps=8)
    before = brush.settled()
    brush.kernel.asked("brush.load(brush.labels * 0 + 3) is brush")
    brush.becomes(np.full(SIZE, 3, np.uint8))
    brush.page.mouse.move(*brush.at(200, 40), steps=8)
    brush.page.mouse.up()
    over = brush.settled()
    assert (over[near((100, 40), (200, 40), radius=8)] == 1).all()
    assert (over == 3).any()
    brush.becomes(over)
    for wanted in (np.full(SIZE, 3, np.uint8), before, empty()):
        brush.button("Undo").click()
        brush.becomes(wanted)


def test_a_busy_kernel_keeps_nobody_from_painting(brush):
    cell = brush.page.locator(".jp-CodeCell").nth(2)
    cell.locator(".cm-content").click()
    brush.page.keyboard.press("Control+Enter")
    said = cell.locator(".jp-OutputArea-output")
    said.get_by_text("busy").wait_for()
    brush.show().stroke((40, 40), (100, 40))
    brush.button("houses").click()
    brush.stroke((40, 120), (100, 120))
    brush.stroke((150, 120), (200, 120))
    brush.button("Undo").click()
    brush.page.wait_for_timeout(100)
    shown = brush.shown()
    assert said.get_by_text("done").count() == 0
    expected = near((40, 40), (100, 40), radius=9) | near((40, 120), (100, 120), radius=9)
    assert shown[expected].all()
    assert not shown[near((150, 120), (200, 120), radius=9)].any()
    said.get_by_text("done").wait_for()
    labels = brush.settled()
    assert np.array_equal(labels > 0, shown)
    assert set(np.unique(labels)) == {0, 1, 2}


def test_two_views_and_two_pages_show_one_map(brush, jupyter, browser):
    run_cell(brush.page, 1)
    below = Brush(brush.page, brush.kernel, 1).show()
    below.stroke((40, 40), (100, 40))
    labels = below.settled()
    brush.becomes(labels)
    brush.button("Undo").click()
    below.becomes(empty())
    below.button("Redo").click()
    brush.becomes(labels)
    save(brush.page, jupyter[1] / "brush.ipynb")
    page = opened(browser, f"{jupyter[0]}/lab/tree/brush.ipynb")
    other = Brush(page, brush.kernel).show()
    other.becomes(labels)  # as after a reload
    other.button("Undo").click()  # of what this page has not seen
    brush.becomes(empty())
    other.becomes(empty())
    other.button("Redo").click()
    brush.becomes(labels)
    other.button("houses").click()
    other.stroke((40, 140), (100, 140))
    more = other.settled()
    assert (more == 2).any()
    brush.becomes(more)
    brush.button("Undo").click()
    other.becomes(labels)
    page.context.close()


def save(page, path):
    """Save the notebook, with the view of the brush in it."""
    end = time.monotonic() + PATIENT
    page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
    page.keyboard.press("Control+s")
    while "widget-view" not in path.read_text():
        assert time.monotonic() < end, "the notebook was not saved"
        time.sleep(0.05)


def test_a_saved_notebook_has_a_still_and_no_state_of_widgets(brush, jupyter):
    path = jupyter[1] / "brush.ipynb"
    save(brush.page, path)
    notebook = json.loads(path.read_text())
    assert "widgets" not in notebook["metadata"]
    data = notebook["cells"][0]["outputs"][0]["data"]
    assert {"image/jpeg", "text/plain", "application/vnd.jupyter.widget-view+json"} == set(data)
    assert "regions painted over it" in "".join(data["text/plain"])


def test_notebook_7_shows_it_and_paints(jupyter, browser):
    url, _ = jupyter
    end_kernels(url)
    page = opened(browser, f"{url}/notebooks/seven.ipynb")
    run_first_cell(page)
    page.locator(".nst-brush").wait_for()
    with Kernel(jupyter) as kernel:
        brush = Brush(page, kernel).show()
        set_width(brush, START)
        brush.page.keyboard.press("2")
        brush.stroke((40, 40), (200, 60))
        labels = brush.settled()
        assert_painted(np.where(labels == 2, 1, labels), 1, (40, 40), (200, 60))
        brush.becomes(labels)
    page.context.close()
    end_kernels(url)


VOILA = f"""\
import ipywidgets as widgets
from nstlib import live
brush = live.brush("village", 7, size={WIDTH})
told = widgets.HTML()
brush.observe(lambda brush: setattr(told, "value", f'<i class=told>{{brush.widget.painted.hex()}}</i>'))
widgets.VBox([brush.widget, told, widgets.HTML("<p style='height: 2000px'>far below</p>")])"""


@pytest.fixture(scope="module")
def voila(tmp_path_factory):
    """A page of Voila with a brush and much below it."""
    folder, port = tmp_path_factory.mktemp("voila"), free_port()
    write_notebook(folder / "page.ipynb", [VOILA])
    command = [sys.executable, "-m", "voila", "page.ipynb", "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with serving(command, f"http://127.0.0.1:{port}/static/", folder, LIGHT | {"JUPYTER_CONFIG_DIR": str(folder)}):
        yield f"http://127.0.0.1:{port}/"


class VoilaBrush(Brush):
    """A brush on a page without code: the kernel writes its map into the page."""

    def labels(self):
        told = self.page.locator(".told")
        note = Note.read(bytes.fromhex(told.inner_text())) if told.count() else None
        return regions.unpacked(note.runs, SIZE) if note else empty()


def test_a_finger_paints_on_the_picture_and_scrolls_beside_it(voila, browser):
    page = opened(browser, voila, 360, has_touch=True, is_mobile=True)
    brush = VoilaBrush(page).show()
    set_width(brush, START)
    touch = page.context.new_cdp_session(page)

    def drag(start, end):
        for kind, share in [("touchStart", 0), *(("touchMove", k / 10) for k in range(1, 11)), ("touchEnd", 1)]:
            x, y = (a + (b - a) * share for a, b in zip(start, end, strict=True))
            points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            page.wait_for_timeout(20)

    top = brush.canvas.bounding_box()["y"]
    drag(brush.at(128, 160), brush.at(128, 40))
    labels = brush.settled()
    assert brush.canvas.bounding_box()["y"] == top
    assert_painted(labels, 1, (128, 160), (128, 40), radius=START / 2)
    brush.becomes(labels)
    box = brush.root.bounding_box()
    below = box["y"] + box["height"] + 100
    drag((180, below), (180, below - 300))
    assert brush.canvas.bounding_box()["y"] < top - 100
    assert np.array_equal(brush.settled(), labels)
    page.context.close()


@pytest.mark.parametrize("width", [360, 1200])
def test_on_a_page_without_code_a_mouse_paints_and_nothing_sticks_out(voila, browser, width):
    page = opened(browser, voila, width)
    brush = VoilaBrush(page).show()
    set_width(brush, START)
    brush.button("white").click()
    brush.stroke((40, 40), (200, 60))
    labels = brush.settled()
    assert_painted(np.where(labels == 7, 1, labels), 1, (40, 40), (200, 60))
    brush.becomes(labels)
    sticking_out = "(es, width) => es.filter(e => e.getBoundingClientRect().right > width).map(e => e.className)"
    assert page.locator(".nst-brush *:not(.nst-brush-ring)").evaluate_all(sticking_out, width) == []
    cut = "es => es.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)"
    assert page.locator(".nst-brush button, .nst-brush-name").evaluate_all(cut) == []
    box = brush.canvas.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(WIDTH / HEIGHT, rel=0.01)
    assert box["width"] > 0.8 * min(width, 640)
    page.context.close()


def test_what_is_painted_in_the_studio_acts_on_the_running_transfer(tmp_path, browser):
    write_notebook(tmp_path / "studio.ipynb", [STUDIO])
    with jupyter_server(tmp_path) as url:
        page = opened(browser, f"{url}/lab/tree/studio.ipynb")
        run_first_cell(page)
        page.get_by_title("Start or pause the steps").click()
        page.wait_for_function("+document.querySelector('.nst-facts').dataset.taken > 2")
        with Kernel((url, tmp_path)) as kernel:
            brush = Brush(page, kernel).show()
            assert kernel.asked("place()") == "None"
            brush.stroke((20, 30), (236, 30))
            brush.button("houses").click()
            brush.button("Fill the rest").click()
            kernel.wait("place()")
            sky, rest = json.loads(kernel.asked("place()"))
            assert 0.05 < sky < 0.25
            assert sky + rest == pytest.approx(1, abs=0.02)
            taken = kernel.asked("studio.engine.run.taken")
            kernel.wait(f"studio.engine.run.taken > {taken} + 2")  # it goes on
        if shot := os.environ.get("NST_SHOT"):
            page.screenshot(path=shot)
        page.context.close()
