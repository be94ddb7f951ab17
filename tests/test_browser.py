"""The live studio in a real browser: JupyterLab, Notebook 7 and Voila, by keyboard and mouse.

The loop writes what it sees into the data attributes of the status line (.nst-facts): a test that reads them knows that
the page, the kernel and the loop agree. Needs Chromium; without one these tests are skipped, and say so.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import requests
from browsing import (
    CHROMIUM,
    LIGHT,
    PATIENT,
    ROOT,
    Kernel,
    chromium,
    end_kernels,
    free_port,
    jupyter_server,
    run_cell,
    serving,
    write_notebook,
)
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install -e '.[lab,test]'")

SILENCE = 5  # seconds after which nobody watches, in these tests

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]

SOURCES = [
    "import torch\ntorch.set_num_threads(1)\n"
    "from nstlib import live\nfrom nstlib.live import drivers, engine\n"
    f"drivers.SILENCE, engine.PATIENCE = {SILENCE}, 10**9\n"
    'options = {"size": 64, "backbone": "mini", "optimizer": "adam", "device": "cpu", "folder": None}',
    'studio = live.studio("village", "swirls", **options)\nstudio',
]


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A Jupyter server for a notebook whose second cell is a small studio: (its address, its folder)."""
    folder = tmp_path_factory.mktemp("jupyter")
    with jupyter_server(folder) as url:
        yield url, folder


@pytest.fixture(scope="module")
def voila(tmp_path_factory):
    """Notebook 06 as `make studio` serves it."""
    folder, port = tmp_path_factory.mktemp("voila"), free_port()
    command = [sys.executable, str(ROOT / "tools" / "studio.py"), f"--port={port}", "--students=2"]
    environment = {"OMP_NUM_THREADS": "1", "NST_BACKBONE": "mini", "JUPYTER_CONFIG_DIR": str(folder)}
    with serving(command, f"http://127.0.0.1:{port}/static/", folder, environment):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def browser():
    with chromium(playwright) as opened:
        yield opened


class Page:
    """A page with a studio on it."""

    def __init__(self, browser, url, width=1400, height=1200):
        self.page = browser.new_context(viewport={"width": width, "height": height}).new_page()
        self.page.set_default_timeout(1000 * PATIENT)
        self.page.on("dialog", lambda dialog: dialog.accept())
        self.url = url
        self.page.goto(url)

    @property
    def facts(self):
        return self.page.locator(".nst-facts").first

    def fact(self, name):
        return self.facts.get_attribute(f"data-{name}")

    def button(self, name):
        return self.page.locator("button.jupyter-button", has_text=re.compile(rf"^\s*{name}\s*$")).first

    def wait(self, condition):
        """Wait for a condition of the status line's data, in JavaScript: `d.taken > 3`."""
        look = "const e = document.querySelector('.nst-facts'); if (!e) return false; const d = e.dataset;"
        try:
            self.page.wait_for_function(f"() => {{ {look} return {condition}; }}")
        except playwright.TimeoutError as error:
            shown = self.facts.evaluate("e => e.outerHTML", timeout=1000) if self.facts.count() else "no studio"
            raise AssertionError(f"not so: {condition}; the page shows {shown}") from error

    def picture(self):
        return self.page.locator("img.widget-image").first.get_attribute("src")

    def slider(self, name):
        return self.page.locator(".widget-slider", has_text=name).locator(".noUi-handle").first

    def run_cells(self):
        self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        for number in range(len(SOURCES)):
            run_cell(self.page, number)
        self.wait("d.state === 'paused'")

    def save(self, path):
        """Save the notebook, with the view of the studio in it."""
        before, end = path.stat().st_mtime_ns, time.monotonic() + PATIENT
        self.page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
        self.page.keyboard.press("Control+s")
        while path.stat().st_mtime_ns == before or "widget-view" not in path.read_text():
            assert time.monotonic() < end, "the notebook was not saved"
            time.sleep(0.05)

    def close(self):
        self.page.context.close()


@pytest.fixture(params=["lab", "notebook"])
def page(request, jupyter, browser):
    """The studio on a page, its cells run; its kernel ends with the test."""
    url, folder = jupyter
    write_notebook(folder / "live.ipynb", SOURCES)
    opened = Page(browser, url + {"lab": "/lab/tree/live.ipynb", "notebook": "/notebooks/live.ipynb"}[request.param])
    opened.run_cells()
    yield opened
    opened.close()
    end_kernels(url)


def steer(page):
    """Start, move a slider by keyboard, pause: the loop saw it, and the picture changed."""
    before, beta = page.picture(), float(page.fact("beta"))
    page.button("Start").click()
    page.wait("d.state === 'running' && Number(d.taken) > 2")
    page.slider("beta (style)").focus()
    page.page.keyboard.press("ArrowRight")
    page.wait(f"Number(d.beta) > {beta}")
    page.button("Pause").click()
    page.wait("d.state === 'paused'")
    assert page.picture() != before


def hears(jupyter):
    """Wait for signs of life of the page in the kernel, for longer than a silence may be."""
    with Kernel(jupyter) as kernel:
        began = float(kernel.asked("studio.driver._seen"))
        kernel.wait(f"studio.driver._seen > {began + SILENCE + 1}")
        assert kernel.asked("studio.driver.running") == "True"


def test_it_starts_follows_the_keyboard_pauses_resets_and_keeps_snapshots(page):
    steer(page)
    page.button("Snapshot").click()
    link = page.page.locator("a[download^=studio_village_swirls_]").first
    with page.page.expect_download() as download:
        link.click()
    from nstlib import live

    facts = live.read_settings(download.value.path())
    assert facts["settings"]["beta"] == float(page.fact("beta"))
    page.button("Undo").click()
    page.wait("Number(d.beta) === 10")
    page.button("Reset").click()
    page.wait("Number(d.taken) === 0")
    page.button("Step").click()
    page.wait("Number(d.taken) === 1")
    page.button("mosaic").click()
    page.wait("d.style === 'mosaic'")


def test_after_a_reload_the_page_steers_the_same_run(page, jupyter):
    page.button("Step").click()
    page.wait("Number(d.taken) === 1")
    page.save(jupyter[1] / "live.ipynb")
    page.page.goto(page.url)
    page.wait("Number(d.taken) === 1")
    page.button("Step").click()
    page.wait("Number(d.taken) === 2")
    steer(page)
    page.button("Start").click()  # and the loop hears the page again
    page.wait("d.state === 'running'")
    hears(jupyter)


def test_when_the_cell_runs_again_the_old_loop_ends(page, jupyter):
    page.button("Start").click()
    page.wait("Number(d.taken) > 2")
    page.page.locator(".jp-CodeCell .cm-content").nth(1).click()
    page.page.keyboard.press("Shift+Enter")
    page.wait("d.state === 'paused' && Number(d.taken) === 0")
    loops = "len([t for t in __import__('threading').enumerate() if t.name.startswith('nstlib')])"
    with Kernel(jupyter) as kernel:
        assert kernel.asked(loops) == "1"
    steer(page)


def test_when_the_page_is_closed_the_loop_pauses_until_it_is_open_again(page, jupyter, browser):
    page.save(jupyter[1] / "live.ipynb")
    page.button("Start").click()
    page.wait("Number(d.taken) > 2")
    page.close()
    with Kernel(jupyter) as kernel:
        kernel.wait("studio.driver.unwatched and not studio.driver.running")
    again = Page(browser, page.url)
    again.wait("d.state === 'paused'")
    assert "nobody watches" in again.facts.inner_text()
    again.button("Start").click()
    again.wait("d.state === 'running'")
    hears(jupyter)
    again.close()


def test_two_pages_show_one_run_and_either_steers_it(page, jupyter, browser):
    page.save(jupyter[1] / "live.ipynb")
    other = Page(browser, page.url)
    other.wait("d.state === 'paused'")
    other.button("Start").click()
    page.wait("d.state === 'running' && Number(d.taken) > 2")
    page.slider("beta (style)").focus()
    page.page.keyboard.press("ArrowRight")
    other.wait("Number(d.beta) > 10")
    other.close()
    page.button("Pause").click()
    page.wait("d.state === 'paused'")


def test_after_its_kernel_has_died_the_cells_run_again(page, jupyter):
    page.button("Start").click()
    page.wait("Number(d.taken) > 2")
    with Kernel(jupyter) as kernel:
        os.kill(int(kernel.asked("__import__('os').getpid()")), signal.SIGKILL)
    url, folder = jupyter
    kernel = requests.get(f"{url}/api/kernels", timeout=PATIENT).json()[0]["id"]
    requests.post(f"{url}/api/kernels/{kernel}/restart", timeout=PATIENT)
    write_notebook(folder / "live.ipynb", SOURCES)  # a saved notebook shows numbers beside cells that have not run
    page.page.goto(page.url)
    page.run_cells()
    steer(page)


def test_another_kind_of_network_brings_its_layers_to_the_page(page, jupyter):
    def choice(name):
        return page.page.locator(".widget-dropdown", has_text=name).locator("select")

    page.button("Start").click()
    page.wait("Number(d.taken) > 1")
    choice("backbone").select_option(label="squeezenet")
    page.wait("d.backbone === 'squeezenet'")
    page.slider("fire2").focus()
    page.page.keyboard.press("ArrowRight")
    with Kernel(jupyter) as kernel:
        kernel.wait("studio.engine.settings['style_layers']['fire2'] > 0.205")
    assert page.slider("relu5_1").count() == 0
    choice("content layer").select_option(label="fire4")
    choice("backbone").select_option(label="mini")
    page.wait("d.backbone === 'mini'")
    page.slider("relu5_1").focus()
    assert page.slider("fire2").count() == 0
    assert "relu4_2" in choice("content layer").inner_text()
    page.button("Pause").click()
    page.wait("d.state === 'paused'")


def test_every_control_is_reached_by_the_tab_key_and_has_a_name(page):
    page.button("Start").focus()
    found = set()
    for _ in range(90):
        found.add(
            page.page.evaluate(
                """() => { const e = document.activeElement, w = e.closest('.jupyter-widgets');
                return w ? (w.querySelector('label.widget-label')?.innerText || e.innerText).trim() : ''; }"""
            )
        )
        page.page.keyboard.press("Tab")
    wanted = ["Start", "Step", "Reset", "Undo", "Snapshot", "preset", "alpha (content)", "beta (style)", "relu5_1"]
    wanted += ["tv (smoothness)", "learning rate", "content", "style", "size", "content layer", "start", "optimizer"]
    wanted += ["backbone", "second style", "its share", "colors", "cave", "woodcut", "in Python"]
    assert set(wanted) <= found, set(wanted) - found
    assert any(name.startswith("own style") for name in found)


def test_the_page_for_a_class_shows_the_studio_without_code(voila, browser):
    page = Page(browser, voila)
    page.wait("d.state === 'paused'")
    assert page.page.locator(".cm-content, .highlight pre").count() == 0
    steer(page)
    page.button("Snapshot").click()
    page.page.locator("a[download^=studio_village_swirls_]").first.wait_for()
    other = Page(browser, voila)  # another student, another run
    other.wait("d.state === 'paused'")
    assert other.fact("beta") == "10.0"
    other.close()
    page.page.reload()
    page.wait("d.state === 'paused'")
    page.close()


@contextlib.contextmanager
def lab_of_the_makefile(folder):
    """What `make lab` starts, in another folder: its address."""
    make = ["make", "--dry-run", "lab"]
    told = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    options = shlex.split(re.search(r"/jupyter lab (.*)$", told, re.MULTILINE)[1])
    limit = re.search(r"NST_UPLOAD_LIMIT = (\d+)", (ROOT / "Makefile").read_text())[1]
    environment = {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data")}
    environment |= LIGHT | {"NST_UPLOAD_LIMIT": limit}
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", *options, "--no-browser", "--allow-root", f"--port={port}"]
    url = f"http://127.0.0.1:{port}"
    with serving([*command, "--IdentityProvider.token="], url, folder, environment):
        yield url


def photograph(path):
    """A file of some 20 MB, as a good telephone makes them."""
    noise = np.random.default_rng(0).integers(0, 256, (2000, 4000, 3), np.uint8)
    Image.fromarray(noise).save(path, "JPEG", quality=98, subsampling=0)
    assert 18 < path.stat().st_size / 2**20 < 26
    return path


def choose_file(page, button, path):
    with page.expect_file_chooser() as chooser:
        page.locator("button.widget-upload", has_text=button).click()
    chooser.value.set_files(path)


def test_a_large_photograph_arrives_in_the_lab_of_the_makefile(browser, tmp_path):
    source = "from nstlib.live import Upload\nmine = Upload(content='village')\nmine"
    write_notebook(tmp_path / "upload.ipynb", (source, "mine['content'][:0]"))
    with lab_of_the_makefile(tmp_path) as url:
        page = browser.new_page()
        page.set_default_timeout(1000 * PATIENT)
        page.goto(f"{url}/lab/tree/upload.ipynb")
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        run_cell(page, 0)
        page.get_by_text("Files up to 100 MB.").wait_for()
        choose_file(page, "Upload content", photograph(tmp_path / "photo.jpg"))
        page.get_by_text("Here: content: photo.jpg").wait_for()
        run_cell(page, 1)
        page.get_by_text(re.compile(r"^content: photo.jpg \(2\d\.\d MB\)")).wait_for()
        page.close()


def test_a_large_photograph_arrives_on_the_page_for_a_class(voila, browser, tmp_path):
    page = Page(browser, voila)
    page.wait("d.state === 'paused'")
    choose_file(page.page, "own style", photograph(tmp_path / "photo.jpg"))
    page.page.get_by_text("photo.jpg (2").wait_for()
    assert page.fact("state") == "paused"
    page.button("Step").click()
    page.wait("d.style === undefined && Number(d.taken) > 0")  # no bundled style any more
    page.close()


@pytest.mark.parametrize("width", [400, 1400])
def test_the_picture_keeps_its_shape_and_fills_its_column(voila, browser, width):
    page = Page(browser, voila, width)
    page.wait("d.state === 'paused'")
    box = page.page.locator("img.widget-image").first.evaluate(
        "e => [e.clientWidth, e.clientHeight, e.naturalWidth / e.naturalHeight, document.documentElement.scrollWidth]"
    )
    assert box[0] / box[1] == pytest.approx(box[2], rel=0.01)
    assert box[0] > (0.8 if width < 800 else 0.5) * width
    assert box[3] <= width  # nothing sticks out
    curves = page.page.locator(".widget-html svg").first.bounding_box()
    assert curves["x"] + curves["width"] <= width
    cut = "es => es.filter(e => e.offsetParent && e.scrollWidth > e.clientWidth).map(e => e.innerText)"
    assert page.page.locator("button.jupyter-button").evaluate_all(cut) == []
    sticking_out = "(es, width) => es.filter(e => e.getBoundingClientRect().right > width).map(e => e.className)"
    assert page.page.locator(".nst-keys *, .widget-html *").evaluate_all(sticking_out, width - 15) == []
    page.close()


def test_on_a_projector_the_picture_and_its_curves_are_seen_at_once(voila, browser):
    page = Page(browser, voila, 1280, 720)
    page.wait("d.state === 'paused'")
    picture = page.page.locator("img.widget-image").first.bounding_box()
    curves = page.page.locator(".widget-html svg").first.bounding_box()
    assert curves["y"] + curves["height"] - picture["y"] < 720
    assert curves["width"] > 400  # with letters that can be read
    page.close()


def test_the_lab_of_the_makefile_finds_the_pictures_of_a_notebook(browser, tmp_path):
    shutil.copytree(ROOT / "visualizations", tmp_path / "visualizations")
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "03_style_transfer.ipynb", tmp_path / "notebooks")
    with lab_of_the_makefile(tmp_path) as url:
        page = browser.new_page()
        page.set_default_timeout(1000 * PATIENT)
        page.goto(url)
        page.locator(".jp-DirListing-item", has_text="03_style_transfer").dblclick()
        page.wait_for_function(  # the badge comes from elsewhere, and is small
            "() => [...document.querySelectorAll('.jp-MarkdownOutput img')].some(i => i.naturalWidth > 300)"
        )
        page.close()
