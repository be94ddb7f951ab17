"""The camera in a real browser, whose camera is Chromium's fake one: frames go out and come back painted.

Needs Chromium; without one these tests are skipped, and say so.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from browsing import CHROMIUM, PATIENT, Kernel, chromium, end_kernels, jupyter_server, run_cell, write_notebook
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install -e '.[lab,test]'")

SOURCE = """\
import time
import torch
torch.set_num_threads(1)
from nstlib import live
camera = live.camera(style="swirls", size=96)
colors, own = [], []
camera.on_frame(lambda camera: colors.append([round(float(c), 4) for c in camera.frame.mean((0, 2, 3))]))
def slow(picture):
    time.sleep(6)
    return picture
camera.on_frame(lambda camera: own.append(round(float((camera.frame - camera.content).abs().mean()), 4)))
camera"""
AGAIN = "camera"
LONG = "time.sleep(4); print('done')"
FAKE = "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
# What the page's cameras have given, so that a test sees whether they were released; and how it may be refused one.
SPY = """\
window.streams = [];
const open = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
if (open) navigator.mediaDevices.getUserMedia = async (wanted) => {
  if (window.refuses) throw new DOMException("no", window.refuses);
  window.streams.push(await open(wanted));
  return window.streams.at(-1);
};"""
REFUSALS = [
    ("NotAllowedError", "did not allow the camera"),
    ("NotFoundError", "no camera here"),
    ("NotReadableError", "in use by another program"),
]
STATES = "() => window.streams.flatMap((stream) => stream.getTracks().map((track) => track.readyState))"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A Jupyter server with notebooks that show a camera: (its address, its folder)."""
    folder = tmp_path_factory.mktemp("camera")
    write_notebook(folder / "camera.ipynb", [SOURCE, AGAIN, LONG])
    write_notebook(folder / "seven.ipynb", [SOURCE])
    with jupyter_server(folder) as url:
        yield url, folder


@pytest.fixture(scope="module")
def browser():
    with chromium(playwright, *FAKE) as opened:
        yield opened


class Camera:
    """A camera on a page, and the kernel behind it."""

    def __init__(self, page, kernel):
        self.page, self.kernel = page, kernel
        self.root = page.locator(".nst-camera").first
        self.painted = self.root.locator("canvas")
        self.status, self.problem = self.root.get_by_role("status"), self.root.get_by_role("alert")

    def button(self, name):
        return self.root.get_by_role("button", name=name)

    def start(self):
        self.button("Start").click()

    def stop(self):
        self.button("Stop").click()

    def heard(self):
        """How many frames the kernel has painted."""
        return int(self.kernel.asked("len(own)"))

    def more(self, count=5):
        """Wait until the kernel has painted some more frames."""
        self.kernel.wait(f"len(own) >= {self.heard() + count}")

    def set(self, name, value):
        self.kernel.asked(f"setattr(camera, {name!r}, {value!r})")

    def pixels(self):
        """What the page shows as painted, (H, W, 4)."""
        script = """e => [e.height, e.width,
            Array.from(e.getContext("2d").getImageData(0, 0, e.width, e.height).data)]"""
        height, width, values = self.painted.evaluate(script)
        return np.array(values).reshape(height, width, 4)

    def sent(self):
        """How many frames the page has sent."""
        self.page.evaluate("0")  # the events that have come are counted while the page is asked something
        return self.page.frames_sent[0]

    def states(self):
        """Of all tracks that the page ever got."""
        return self.page.evaluate(STATES)


def note_frame(page, data):
    """Count a message of the page that holds a frame."""
    page.frames_sent[0] += isinstance(data, bytes) and b'"kind":"frame"' in data


def opened(browser, url):
    page = browser.new_context(viewport={"width": 1200, "height": 1100}, accept_downloads=True).new_page()
    page.set_default_timeout(1000 * PATIENT)
    page.add_init_script(SPY)
    page.frames_sent = [0]
    page.on("websocket", lambda socket: socket.on("framesent", lambda data: note_frame(page, data)))
    page.goto(url)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    run_cell(page, 0)
    page.locator(".nst-camera").wait_for()
    return page


@pytest.fixture(scope="module")
def lab(jupyter, browser):
    """A page of JupyterLab whose first cell has run, and its kernel."""
    page = opened(browser, f"{jupyter[0]}/lab/tree/camera.ipynb")
    with Kernel(jupyter) as kernel:
        yield page, kernel
    page.context.close()
    end_kernels(jupyter[0])


@pytest.fixture
def camera(lab):
    """The camera in JupyterLab, off, painting in swirls."""
    page, kernel = lab
    page.evaluate("window.refuses = null")
    camera = Camera(page, kernel)
    if camera.button("Stop").count():
        camera.stop()
    kernel.asked("[setattr(camera, 'style', 'swirls'), setattr(camera, 'paint', None), colors.clear(), own.clear()]")
    return camera


def test_frames_arrive_painted_and_stop_releases_the_camera(camera):
    assert camera.states() == []  # not before a click
    camera.start()
    camera.more(10)
    assert camera.states() == ["live"]
    shown = camera.pixels()
    assert max(shown.shape[:2]) == 96
    assert shown[..., :3].std() > 10
    assert camera.status.inner_text() == "The camera is on."
    assert float(camera.kernel.asked("min(own)")) > 0.02  # painted, and not as it came
    camera.root.locator(".nst-camera-rate", has_text="frames/s").wait_for()
    if folder := os.environ.get("NST_SHOTS"):
        camera.root.screenshot(path=f"{folder}/camera.png")
    camera.stop()
    assert camera.states() == ["ended"]
    assert camera.status.inner_text() == "The camera is off."
    assert camera.root.locator("video").evaluate("e => e.srcObject") is None
    camera.page.wait_for_timeout(500)
    heard = camera.heard()
    camera.page.wait_for_timeout(500)
    assert camera.heard() == heard


def test_a_change_of_style_changes_the_pictures_while_it_runs(camera):
    camera.start()
    means = {}
    for style in ("swirls", "ink_wash"):
        camera.set("style", style)
        camera.root.locator("figcaption", has_text=style).wait_for()
        camera.kernel.asked("colors.clear()")
        camera.more(8)
        means[style] = np.array(json.loads(camera.kernel.asked("colors[:8]")))
        assert style in camera.painted.get_attribute("aria-label")
    camera.stop()
    (swirls, ink) = means.values()
    assert np.abs(swirls.mean(0) - ink.mean(0)).max() > 4 * max(swirls.std(0).max(), ink.std(0).max())
    assert np.abs(swirls.mean(0) - ink.mean(0)).max() > 0.05


def test_a_change_of_size_changes_what_is_painted_and_shown(camera):
    camera.start()
    for size in (160, 96):
        camera.set("size", size)
        camera.kernel.wait(f"max(camera.frame.shape) == {size}")
        camera.page.wait_for_function("([e, size]) => e.width == size", arg=[camera.painted.element_handle(), size])
    camera.stop()


def test_a_stopped_picture_is_painted_anew_by_python(camera):
    camera.start()
    camera.more()
    camera.stop()
    before = camera.pixels()
    camera.kernel.asked("[setattr(camera, 'style', 'ink_wash'), camera.repaint()]")
    camera.root.locator("figcaption", has_text="ink_wash").wait_for()
    assert np.abs(camera.pixels() - before).mean() > 5


def test_it_starts_again_and_is_worked_by_keys(camera):
    opened = len(camera.states())
    camera.button("Start").focus()
    camera.page.keyboard.press("Enter")
    camera.more()
    camera.page.keyboard.press("Tab")
    with camera.page.expect_download() as saved:
        camera.page.keyboard.press("Enter")
    picture = Image.open(Path(saved.value.path()))
    assert (picture.format, max(picture.size)) == ("PNG", 96)
    assert saved.value.suggested_filename.startswith("camera-")
    camera.page.keyboard.press("Shift+Tab")
    camera.page.keyboard.press("Space")
    assert camera.states()[opened:] == ["ended"]


def test_the_mirror_turns_what_is_painted_around(camera):
    camera.kernel.asked("setattr(camera, 'paint', lambda picture: picture)")
    camera.start()
    camera.more()
    box, video = camera.root.get_by_label("Mirror"), camera.root.locator("video")
    straight = []
    for mirrored in (True, False):
        box.set_checked(mirrored)
        camera.more()
        assert ("nst-camera-mirrored" in video.get_attribute("class")) == mirrored
        script = """video => { const canvas = document.createElement("canvas"); canvas.width = 96; canvas.height = 72;
            const context = canvas.getContext("2d"); context.drawImage(video, 0, 0, 96, 72);
            return Array.from(context.getImageData(0, 0, 96, 72).data); }"""
        seen = np.array(video.evaluate(script)).reshape(72, 96, 4)[..., :3].mean((0, 2))
        shown = camera.pixels()[..., :3].mean((0, 2))
        straight.append(np.abs(seen - shown).mean() < np.abs(seen[::-1] - shown).mean())
    camera.stop()
    box.set_checked(True)
    assert straight == [False, True]


def test_an_error_in_painting_stops_the_camera_and_is_said(camera):
    camera.start()
    camera.more()
    camera.kernel.asked("setattr(camera, 'paint', lambda picture: picture.nothing)")
    camera.problem.get_by_text("AttributeError: 'Tensor' object has no attribute 'nothing'").wait_for()
    assert set(camera.states()) == {"ended"}
    camera.set("paint", None)
    camera.start()
    camera.more()
    assert camera.problem.inner_text() == ""


@pytest.mark.parametrize(("refusal", "said"), REFUSALS)
def test_a_camera_that_is_refused_or_missing_is_said(camera, refusal, said):
    camera.page.evaluate("refusal => window.refuses = refusal", refusal)
    camera.start()
    camera.problem.get_by_text(said).wait_for()
    assert camera.button("Start").is_enabled()
    assert set(camera.states()) <= {"ended"}


def test_a_page_that_may_not_use_a_camera_says_how_it_could(camera):
    declare = "secure => Object.defineProperty(window, 'isSecureContext', {value: secure, configurable: true})"
    camera.page.evaluate(declare, False)
    camera.start()
    camera.problem.get_by_text("addresses that begin with https://, or at localhost").wait_for()
    camera.page.evaluate(declare, True)
    assert camera.button("Start").is_enabled()


def test_python_stops_it(camera):
    camera.start()
    camera.more()
    camera.kernel.asked("camera.stop()")
    camera.status.get_by_text("The camera is off.").wait_for()
    assert set(camera.states()) == {"ended"}


def test_a_camera_that_is_taken_away_is_said(camera):
    camera.start()
    camera.more()
    track = camera.page.evaluate_handle("window.streams.at(-1).getTracks()[0]")
    track.evaluate("track => { track.stop(); track.dispatchEvent(new Event('ended')); }")
    camera.problem.get_by_text("unplugged").wait_for()


def test_a_slow_painting_is_waited_for_and_gets_no_queue_of_frames(camera):
    camera.start()
    camera.more()
    camera.kernel.asked("setattr(camera, 'paint', slow)")
    camera.status.get_by_text("Waiting for the kernel").wait_for()
    sent = camera.sent()
    camera.page.wait_for_timeout(1000)
    assert camera.sent() == sent
    camera.status.get_by_text("The camera is on.", exact=True).wait_for()
    camera.set("paint", None)
    camera.more()
    assert camera.sent() > sent
    camera.stop()


def test_frames_go_on_after_a_cell_that_runs_long(camera):
    camera.start()
    camera.more()
    cell = camera.page.locator(".jp-CodeCell").nth(2)
    cell.locator(".cm-content").click()
    camera.page.keyboard.press("Control+Enter")
    cell.locator(".jp-OutputArea-output").get_by_text("done").wait_for()
    camera.more()
    camera.status.get_by_text("The camera is on.", exact=True).wait_for()
    camera.stop()


def test_a_cell_that_runs_again_releases_the_camera(camera):
    camera.start()
    camera.more()
    assert "live" in camera.states()
    camera.page.locator(".jp-CodeCell .cm-content").nth(0).click()
    camera.page.keyboard.press("Control+Enter")
    end = time.monotonic() + PATIENT
    while "live" in camera.states():
        assert time.monotonic() < end, "the camera is still on"
        camera.page.wait_for_timeout(100)
    camera.kernel.wait("camera is not None")


def test_a_saved_notebook_has_a_still_and_nobodys_picture(camera, jupyter):
    path = jupyter[1] / "camera.ipynb"
    camera.page.locator(".jp-CodeCell .jp-InputPrompt").first.click()
    camera.page.keyboard.press("Control+s")
    end = time.monotonic() + PATIENT
    while "widget-view" not in path.read_text():
        assert time.monotonic() < end, "the notebook was not saved"
        time.sleep(0.05)
    notebook = json.loads(path.read_text())
    assert "widgets" not in notebook["metadata"]
    data = notebook["cells"][0]["outputs"][0]["data"]
    assert {"image/jpeg", "text/plain", "application/vnd.jupyter.widget-view+json"} == set(data)


def test_notebook_7_shows_it_and_paints(jupyter, browser):
    end_kernels(jupyter[0])
    page = opened(browser, f"{jupyter[0]}/notebooks/seven.ipynb")
    with Kernel(jupyter) as kernel:
        camera = Camera(page, kernel)
        camera.start()
        camera.more()
        assert camera.pixels()[..., :3].std() > 10
        camera.stop()
        assert camera.states() == ["ended"]
    page.context.close()
    end_kernels(jupyter[0])
