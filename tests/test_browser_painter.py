"""The painter in a real browser: sliders are moved in JupyterLab, and what they say is painted without a queue.

The painter writes what it has painted into the data attributes of its line of facts (.nst-facts). Needs Chromium;
without one these tests are skipped, and say so.
"""

import os

import pytest
from browsing import CHROMIUM, PATIENT, ROOT, Kernel, chromium, end_kernels, jupyter_server, run_cell, write_notebook

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install -e '.[lab,test]'")

SOURCE = """\
import time, torch
torch.set_num_threads(1)
from nstlib import live
painter = live.painter("harbor", "swirls", size=128, folder=None)
quick, pauses = painter._paint_now, []
def slow():  # as slow as a large picture, however fast the machine
    time.sleep(sum(pauses))
    return quick()
painter._paint_now = slow
painter"""
ANY_STYLE = """\
import torch
torch.set_num_threads(1)
from nstlib import live
live.painter("harbor", "swirls", network="any", size=128, folder=None)"""
MOVES = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


class Page:
    """A page of JupyterLab with a painter on it, and its kernel."""

    def __init__(self, page, kernel):
        self.page, self.kernel = page, kernel

    def fact(self, name):
        return self.page.locator(".nst-facts").get_attribute(f"data-{name}")

    def wait(self, condition):
        """Wait for a condition of the facts, in JavaScript: `d.color === 'match'`."""
        look = "const e = document.querySelector('.nst-facts'); if (!e) return false; const d = e.dataset;"
        try:
            self.page.wait_for_function(f"() => {{ {look} return {condition}; }}")
        except playwright.TimeoutError as error:
            shown = self.page.locator(".nst-facts").evaluate("e => e.outerHTML", timeout=1000)
            raise AssertionError(f"not so: {condition}; the page shows {shown}") from error

    def picture(self):
        return self.page.locator(".nst-painter img.widget-image").get_attribute("src")

    def changed_picture(self, before):
        """Wait until another is shown."""
        script = "before => document.querySelector('.nst-painter img.widget-image').src !== before"
        self.page.wait_for_function(script, arg=before)
        return self.picture()

    def slider(self, name):
        return self.page.locator(".nst-painter .widget-slider", has_text=name).locator(".noUi-handle")

    def thumbnail(self, name):
        return self.page.get_by_title(f"{name} alone")


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A server of a folder with the notebooks, and a browser."""
    folder = tmp_path_factory.mktemp("painter")
    write_notebook(folder / "painter.ipynb", [SOURCE])
    write_notebook(folder / "any.ipynb", [ANY_STYLE])
    with jupyter_server(folder) as url, chromium(playwright) as browser:
        yield url, folder, browser
        end_kernels(url)


def opened(jupyter, notebook):
    """The page of a notebook whose cell has run, in a workspace of its own: one restores what was open before."""
    url, _, browser = jupyter
    page = browser.new_context(viewport={"width": 1200, "height": 1000}).new_page()
    page.set_default_timeout(1000 * PATIENT)
    page.goto(f"{url}/lab/workspaces/{notebook.partition('.')[0]}/tree/{notebook}")
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    run_cell(page, 0)
    return page


@pytest.fixture(scope="module")
def lab(jupyter):
    page = opened(jupyter, "painter.ipynb")
    with Kernel(jupyter[:2]) as kernel:
        made = Page(page, kernel)
        made.wait("d.paintings === '1'")
        yield made
    page.context.close()


@pytest.fixture
def painter(lab):
    """The painter as it begins."""
    lab.kernel.asked(
        "[setattr(painter, name, value) for name, value in dict(places=False, style='swirls', strength=1.0, "
        "color='style').items()], pauses.clear()"
    )
    lab.wait("d.shares === 'swirls:1' && d.strength === '1.0' && d.color === 'style' && d.places === 'none'")
    return lab


def test_sliders_colors_and_thumbnails_act_at_once(painter):
    before = painter.picture()
    painter.slider("mosaic").focus()
    for _ in range(5):
        painter.page.keyboard.press("ArrowRight")
    painter.wait("d.shares === 'mosaic:0.2 swirls:0.8'")
    mixed = painter.changed_picture(before)
    assert painter.thumbnail("mosaic").inner_text() == "20 %"
    painter.slider("strength").focus()
    painter.page.keyboard.press("PageDown")
    painter.wait("Number(d.strength) < 1")
    weaker = painter.changed_picture(mixed)
    painter.page.locator(".nst-painter select").first.select_option("the content's, brightness alone")
    painter.wait("d.color === 'luminance'")
    colored = painter.changed_picture(weaker)
    painter.thumbnail("woodcut").click()
    painter.wait("d.shares === 'woodcut:1'")
    painter.changed_picture(colored)
    assert painter.kernel.asked("painter.style, painter.color") == "('woodcut', 'luminance')"


def test_many_quick_moves_are_fewer_paintings_and_the_last_one_wins(painter):
    painter.kernel.asked("pauses.append(0.2)")
    before = int(painter.fact("paintings"))
    painter.slider("strength").focus()
    for _ in range(MOVES):
        painter.page.keyboard.press("ArrowLeft")
    wanted = f"{1 - 0.02 * MOVES:.2g}"
    painter.wait(f"Math.abs(Number(d.strength) - {wanted}) < 1e-6")
    painter.page.wait_for_timeout(1000)  # a queue would go on
    paintings = int(painter.fact("paintings")) - before
    assert 1 <= paintings < MOVES / 2
    assert painter.kernel.asked("round(painter.strength, 6)") == wanted


def test_a_dragged_slider_paints_on_the_way_and_ends_where_it_is_let_go(painter):
    handle = painter.slider("strength")
    handle.scroll_into_view_if_needed()
    box, before = handle.bounding_box(), int(painter.fact("paintings"))
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    painter.page.mouse.move(x, y)
    painter.page.mouse.down()
    for step in range(1, 101):
        painter.page.mouse.move(x - step, y)
        painter.page.wait_for_timeout(8)
    on_the_way = int(painter.fact("paintings")) - before
    painter.page.mouse.up()
    shown = painter.slider("strength").get_attribute("aria-valuetext")  # aria-valuenow is rounded to tenths
    painter.wait(f"Math.abs(Number(d.strength) - {shown}) < 1e-6")
    assert on_the_way >= 2
    assert float(shown) < 0.8


def test_places_are_painted_while_mix_strength_and_colors_are_as_they_were(painter):
    painter.kernel.asked(
        "[setattr(painter, 'style', {'swirls': 0.5, 'cave': 0.5}), setattr(painter, 'color', 'match')]"
    )
    painter.page.get_by_text("paint places").click()
    canvas = painter.page.locator(".nst-painter .nst-brush canvas")
    canvas.wait_for()
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")  # it may be drawn anew meanwhile
    before, box = painter.picture(), canvas.bounding_box()
    painter.page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    painter.page.mouse.down()
    painter.page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"], steps=8)
    painter.page.mouse.up()
    painter.wait("d.places === 'painted' && d.color === 'match' && d.shares === 'cave:0.5 swirls:0.5'")
    one = painter.changed_picture(before)
    painter.page.locator(".nst-brush-button", has_text="second mix").click()
    painter.page.get_by_role("button", name="Fill the rest").click()
    both = painter.changed_picture(one)
    painter.page.locator(".widget-toggle-buttons button", has_text="second mix").click()
    painter.thumbnail("mosaic").click()
    painter.changed_picture(both)
    assert painter.kernel.asked("painter.second, bool(painter.masks.sum(0).all())") == "('mosaic', True)"
    if shot := os.environ.get("NST_SHOT"):
        painter.page.screenshot(path=shot)


@pytest.mark.parametrize("width", [500, 1200])
def test_nothing_sticks_out_and_columns_follow_the_room(painter, width):
    painter.page.set_viewport_size({"width": width, "height": 1000})
    painter.page.locator(".jp-SideBar [data-id='filebrowser']").click() if width == 500 else None
    painter.page.wait_for_timeout(500)
    picture, controls = (
        painter.page.locator(f".nst-painter-{name}").bounding_box() for name in ("picture", "controls")
    )
    panel = painter.page.locator(".nst-painter").bounding_box()
    assert (controls["y"] >= picture["y"] + picture["height"]) == (width == 500)
    right = "(es, edge) => es.filter(e => e.getBoundingClientRect().right > edge + 1).map(e => e.className)"
    inside = ".nst-painter button, .nst-painter select, .nst-painter img.widget-image, .nst-painter .noUi-handle"
    assert painter.page.locator(inside).evaluate_all(right, panel["x"] + panel["width"]) == []


def test_an_uploaded_painting_is_a_style_like_the_others_and_its_strokes_have_a_size(jupyter):
    painter = Page(opened(jupyter, "any.ipynb"), None)
    painter.wait("d.paintings === '1'")
    before = painter.picture()
    with painter.page.expect_file_chooser() as chooser:
        painter.page.locator(".nst-painter .widget-upload", has_text="own style").click()
    chooser.value.set_files(ROOT / "img" / "content" / "harbor.jpg")
    painter.wait("d.shares === 'harbor:1'")
    uploaded = painter.changed_picture(before)
    assert painter.page.locator(".nst-style button").first.get_attribute("title") == "harbor alone"
    assert painter.thumbnail("harbor").inner_text() == "100 %"
    background = painter.thumbnail("harbor").evaluate("e => getComputedStyle(e).backgroundImage")
    assert background.startswith('url("data:image/jpeg;base64,')
    painter.slider("mosaic").focus()
    painter.page.keyboard.press("End")
    painter.wait("d.shares === 'harbor:0.5 mosaic:0.5'")
    mixed = painter.changed_picture(uploaded)
    painter.slider("harbor").focus()
    painter.page.keyboard.press("ArrowLeft")
    painter.wait("d.shares === 'harbor:0.4872 mosaic:0.5128'")
    less = painter.changed_picture(mixed)
    painter.slider("stroke size").focus()
    painter.page.keyboard.press("ArrowRight")
    painter.wait("d.styleSize === '288'")
    painter.changed_picture(less)
    if shot := os.environ.get("NST_SHOT_ANY"):
        for width in (360, 900, 1400):
            painter.page.set_viewport_size({"width": width, "height": 1500})
            painter.page.wait_for_timeout(1500)
            painter.page.screenshot(path=f"{shot}_{width}.png")
    painter.page.context.close()
