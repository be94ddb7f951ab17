"""The page that paints, in a real browser: what it shows is what the network paints in torch.

Needs Chromium, npm, and for the first time npm's registry; without them these tests are skipped, and say so.
"""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from browsing import CHROMIUM, PATIENT, ROOT, chromium, free_port, serving
from PIL import Image
from test_browser_camera import FAKE, REFUSALS, SPY, STATES

import nstlib as nst

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install -e '.[lab,test]'")
pytest.importorskip("onnx", reason="no onnx here: pip install -e '.[lab,test]'")
sys.path.append(str(ROOT / "tools"))
import build_page  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here: apt-get install npm"),
]

FOLDER = "some/folder"  # of the host: the page is not at its top
SENT = """\
window.sent = 0;
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...more) {
  window.sent += message.kind === "paint";
  return post.call(this, message, ...more);
};"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page, built and served by a plain host of files."""
    root = tmp_path_factory.mktemp("host")
    try:
        build_page.build(root / FOLDER)
    except build_page.Unreachable as error:
        pytest.skip(f"{error}\nso the packages of the page are not here")
    except SystemExit as error:  # pytest would not keep it for the tests to come, and hide the reason behind its own
        pytest.fail(str(error))
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(root)]
    with serving(command, f"http://127.0.0.1:{port}/{FOLDER}/", root, {}) as url:
        yield url


@pytest.fixture(scope="module")
def browser():
    with chromium(playwright, *FAKE) as opened:
        yield opened


class Page:
    """The page that paints, and what it asked for and complained of."""

    def __init__(self, browser, address, routes=None, ready=True):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
        self.asked, self.errors = [], []
        context.on("request", lambda request: self.asked.append(request.url))
        for pattern, answer in (routes or {}).items():
            context.route(pattern, answer)
        self.page = context.new_page()
        self.page.set_default_timeout(1000 * PATIENT)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: said.type == "error" and self.errors.append(said.text))
        self.page.add_init_script(SPY)
        self.page.add_init_script(SENT)
        self.page.goto(address)
        if ready:
            self.settled()

    def find(self, name):
        return self.page.locator(f"#{name}")

    def settled(self):
        self.page.wait_for_selector("#stage[aria-busy=false]")

    def open(self, path):
        self.find("file").set_input_files(path)
        self.settled()

    def choose(self, style):
        self.page.locator(f"button[data-style={style}]").click()
        self.settled()

    def set(self, selector, value):
        self.page.locator(selector).fill(str(value))
        self.settled()

    def pixels(self, name="painted"):
        """What a canvas shows, (1, 3, H, W) in [0, 1]; it must be opaque."""
        script = """e => [e.height, e.width,
            Array.from(e.getContext("2d").getImageData(0, 0, e.width, e.height).data)]"""
        height, width, values = self.find(name).evaluate(script)
        rgba = np.array(values, np.uint8).reshape(height, width, 4)
        assert (rgba[..., 3] == 255).all()
        return nst.load_image(rgba[..., :3])

    def said(self, name="status"):
        return self.find(name).inner_text()

    def complains(self, words):
        self.find("problem").get_by_text(words).wait_for()


@contextlib.contextmanager
def opened(browser, *more, **settings):
    page = Page(browser, *more, **settings)
    yield page
    page.page.context.close()


@pytest.fixture(scope="module")
def shared(browser, address):
    """A page that many tests use, one after the other."""
    with opened(browser, address) as page:
        yield page


@pytest.fixture
def page(shared):
    """The shared page as it begins, but for its picture."""
    shared.page.set_viewport_size({"width": 1280, "height": 900})
    shared.find("mix").uncheck()
    shared.choose("swirls")
    shared.set("#strength", 100)
    shared.find("size").select_option("384")
    shared.settled()
    return shared


def saved(path, height, width, content="village"):
    """A picture in a file."""
    picture = nst.to_pil(nst.load_image(content, 384)).resize((width, height))
    picture.save(path)
    return path


def assert_painted_alike(page, path, style, strength=1.0):
    wanted = nst.fast(path, style, strength=strength, precision="float32", device="cpu", progress=False)
    assert_close(page.pixels(), wanted)


def assert_close(found, wanted, levels=1.0):
    """Equal, but for the rounding to whole numbers of 255."""
    torch.testing.assert_close(found, wanted, rtol=0, atol=(levels + 0.01) / 255)


def test_the_sample_is_painted_without_a_click(page):
    assert "Painted in" in page.said()
    assert "by WebAssembly, on this computer's processor" in page.said()
    assert page.said("problem") == ""
    assert float((page.pixels("content") - nst.load_image("village", 384)).abs().mean()) < 0.01
    assert float((page.pixels() - page.pixels("content")).abs().mean()) > 0.05


@pytest.mark.parametrize(("height", "width", "style"), [(45, 60, "mosaic"), (51, 33, "woodcut"), (17, 101, "swirls")])
def test_a_file_is_painted_as_torch_paints_it(page, tmp_path, height, width, style):
    path = saved(tmp_path / "small.png", height, width)
    page.open(path)
    page.choose(style)
    assert_close(page.pixels("content"), nst.load_image(path), levels=0)
    assert_painted_alike(page, path, style)
    assert f"{width} × {height} pixels." in page.said()
    assert style in page.find("painted").get_attribute("aria-label")


def test_styles_are_mixed_by_their_sliders(page, tmp_path):
    path = saved(tmp_path / "small.png", 40, 64)
    page.open(path)
    page.find("mix").check()
    page.choose("mosaic")
    assert_painted_alike(page, path, {"swirls": 0.5, "mosaic": 0.5})
    page.set("#shares label[data-style=swirls] input", 90)
    page.set("#shares label[data-style=mosaic] input", 30)
    assert page.page.locator("#shares output").all_inner_texts() == ["75 %", "25 %"]
    assert_painted_alike(page, path, {"swirls": 0.75, "mosaic": 0.25})
    assert "swirls 75 %, mosaic 25 %" in page.find("painted").get_attribute("aria-label")
    page.find("mix").uncheck()
    page.settled()
    assert_painted_alike(page, path, "swirls")


def add_own(page, path):
    """Add a painting; gives the name of its style."""
    styles = page.page.locator("#styles button")
    before = styles.count()
    page.find("own-file").set_input_files(path)
    styles.nth(before).wait_for()
    page.settled()
    return styles.nth(before).get_attribute("data-style")


def assert_painted_in_any(page, path, shares, paintings):
    """As torch paints in bundled styles and in paintings, of which shares (their places in order) are taken."""
    network = nst.load_any_style(device="cpu").float()
    network.keep_only(list(nst.load_network(device="cpu").styles))
    for name, painting in paintings.items():
        network.add_style(name, painting)
    with torch.no_grad():
        assert_close(page.pixels(), network(nst.load_image(path), shares))


def test_a_painting_of_ones_own_becomes_a_style_like_the_others(page, tmp_path):
    path, painting = saved(tmp_path / "small.png", 40, 64), saved(tmp_path / "my_waves.png", 160, 256, "mosaic")
    page.open(path)
    own = add_own(page, painting)
    assert own == "my_waves"
    assert page.page.locator(f"button[data-style={own}]").get_attribute("aria-pressed") == "true"
    assert page.page.locator(f"button[data-style={own}]").inner_text() == "My waves"
    assert page.said("problem") == ""
    assert_painted_in_any(page, path, "own", {"own": painting})
    page.find("mix").check()
    page.choose("swirls")
    assert_painted_in_any(page, path, {"own": 0.5, "swirls": 0.5}, {"own": painting})
    assert "my waves 50 %, swirls 50 %" in page.find("painted").get_attribute("aria-label")
    page.set("#shares label[data-style=my_waves] input", 0)
    assert_painted_alike(page, path, "swirls")  # what learned the style paints it, where nothing else is asked for
    page.find("mix").uncheck()
    page.set("#strength", 40)
    page.choose(own)
    again = add_own(page, painting)
    assert again == "my_waves 2"
    page.set("#strength", 0)
    assert float((page.pixels() - page.pixels("content")).abs().max()) < 0.005


@pytest.mark.parametrize("size", [640, 180])
def test_a_painting_of_any_size_is_looked_at_in_the_one_that_the_network_knows(page, tmp_path, size):
    painting = tmp_path / "a painting of some size.jpg"
    nst.to_pil(nst.load_image("watercolor", size)).save(painting, quality=95)
    path = saved(tmp_path / "small.png", 48, 48)
    page.open(path)
    own = add_own(page, painting)
    assert own.startswith("a painting of some…")
    network = nst.load_any_style(device="cpu").float()
    network.add_style("own", painting)
    with torch.no_grad():
        away = (page.pixels() - network(nst.load_image(path), "own")).abs().mean()
        other = (page.pixels() - network(nst.load_image(path), "swirls")).abs().mean()
    assert away < 0.2 * other  # the browser makes pictures smaller in its own way


def test_what_is_no_painting_or_cannot_be_looked_at_is_said_and_the_styles_still_paint(browser, address, tmp_path):
    path, painting = saved(tmp_path / "small.png", 40, 64), saved(tmp_path / "waves.png", 192, 256, "mosaic")
    (tmp_path / "text.png").write_text("no picture")
    with opened(browser, address, {"**/look.onnx": lambda route: route.abort()}) as page:
        page.open(path)
        page.find("own-file").set_input_files(tmp_path / "text.png")
        page.complains("text.png is no picture that this browser can read")
        page.find("own-file").set_input_files(painting)
        page.complains("The painting could not be looked at")
        page.settled()
        assert page.page.locator("#styles button").count() == len(nst.load_network().styles)
        assert_painted_alike(page, path, "swirls")
        page.page.context.unroute("**/look.onnx")
        own = add_own(page, painting)
        assert page.said("problem") == ""
        assert_painted_in_any(page, path, "own", {"own": painting})
        assert own == "waves"
        assert all("look.onnx" in error or "ERR_FAILED" in error for error in page.errors)


def test_shares_of_nothing_leave_the_picture_and_say_so(page, tmp_path):
    page.open(saved(tmp_path / "small.png", 40, 64))
    page.find("mix").check()
    page.set("#shares input", 0)
    assert_close(page.pixels(), page.pixels("content"))
    assert "All shares are 0" in page.said()


def test_strength_goes_from_the_picture_itself_to_all_of_the_style(page, tmp_path):
    path = saved(tmp_path / "small.png", 40, 64)
    page.open(path)
    page.set("#strength", 0)
    assert_close(page.pixels(), nst.load_image(path))
    assert page.said() == "At strength 0 this is the picture itself: 64 × 40 pixels."
    page.set("#strength", 60)
    assert_painted_alike(page, path, "swirls", 0.6)
    assert page.said("strength-shown") == "60 %"


def test_transparent_pictures_lie_on_white_paper(page, tmp_path):
    values = np.zeros((30, 40, 4), np.uint8)
    values[..., 0], values[:, :20, 3] = 200, 255
    values[:10, :, 3] = 128
    Image.fromarray(values).save(tmp_path / "clear.png")
    page.open(tmp_path / "clear.png")
    assert_close(page.pixels("content"), nst.load_image(tmp_path / "clear.png"), levels=2)
    assert_painted_alike(page, page.pixels("content"), "swirls")


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_pictures_stand_upright_as_their_camera_says(page, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.new("RGB", (64, 48), "navy")
    picture.paste("gold", (0, 0, 32, 16))
    picture.save(tmp_path / "turned.jpg", exif=exif, quality=95, subsampling=0)
    page.open(tmp_path / "turned.jpg")
    assert_close(page.pixels("content"), nst.load_image(tmp_path / "turned.jpg"), levels=4)


def test_a_large_picture_is_made_smaller_and_that_is_said(page, tmp_path):
    path = saved(tmp_path / "large.jpg", 500, 1000)
    page.open(path)
    assert page.pixels().shape == (1, 3, 192, 384)
    assert "384 × 192 pixels, made smaller from 1000 × 500." in page.said()
    assert float((page.pixels("content") - nst.load_image(path, 384)).abs().mean()) < 0.01


@pytest.mark.parametrize("name", ["notes.txt", "broken.png", "empty.jpg", "photo.heic"])
def test_what_is_no_picture_is_said_and_the_last_one_stays(page, tmp_path, name):
    good, bad = saved(tmp_path / "good.png", 24, 32), tmp_path / name
    page.open(good)
    bad.write_bytes({"broken.png": good.read_bytes()[:12], "empty.jpg": b""}.get(name, b"no picture"))
    page.open(bad)
    page.complains(f"{name} is no picture that this browser can read")
    assert ("HEIC" in page.said("problem")) == name.endswith("heic")
    assert_painted_alike(page, good, "swirls")
    page.open(good)
    assert page.said("problem") == ""


DROP = """([event, files, text, then]) => {
    const data = new DataTransfer();
    for (const [name, type, values] of files) data.items.add(new File([new Uint8Array(values)], name, { type }));
    if (text) data.setData("text/plain", text);
    const made = event === "drop" ? new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true })
        : new ClipboardEvent(event, { clipboardData: data, bubbles: true });
    document.body.dispatchEvent(made);
    document.querySelector(then)?.click();
    return made.defaultPrevented || event === "paste"; }"""


def drop(page, *paths, event="drop", text="", then="no-such-thing"):
    """Drop or paste files or text on a page, and press something before it has had time to look at them."""
    files = [(path.name, "image/png" if path.suffix == ".png" else "", list(path.read_bytes())) for path in paths]
    assert page.page.evaluate(DROP, [event, files, text, then])
    page.settled()


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(page, tmp_path, event):
    path = saved(tmp_path / "dropped.png", 24, 40)
    drop(page, path, event=event)
    assert_painted_alike(page, path, "swirls")


def test_of_several_files_the_first_picture_is_taken_and_that_is_said(page, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    first, second = saved(tmp_path / "first.png", 24, 40), saved(tmp_path / "second.png", 30, 30)
    drop(page, tmp_path / "notes.txt", first, second)
    page.complains("One picture at a time: this is first.png.")
    assert_painted_alike(page, first, "swirls")


def test_a_folder_text_and_what_is_pasted_without_a_picture_are_told_apart(page, tmp_path):
    path = saved(tmp_path / "dropped.png", 24, 40)
    page.open(path)
    (tmp_path / "holidays").mkdir()
    devtools = page.page.context.new_cdp_session(page.page)
    dragged = {"items": [], "files": [str(tmp_path / "holidays")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": dragged})
    page.complains("holidays is a folder.")
    drop(page, text="some words")
    page.complains("What was dropped is no file.")
    drop(page, event="paste", text="some words")
    page.complains("What was pasted is no picture.")
    assert page.find("veil").is_hidden()
    assert_painted_alike(page, path, "swirls")
    # A picture of a style that is dragged by accident would be opened as a photograph.
    assert page.page.locator("#styles img").evaluate_all("all => all.every((one) => !one.draggable)")


def test_a_style_chosen_while_a_picture_is_opened_paints_that_picture(page, tmp_path):
    page.open(saved(tmp_path / "before.png", 30, 30))
    path = saved(tmp_path / "dropped.png", 24, 40)
    drop(page, path, then="[data-style=mosaic]")
    assert_painted_alike(page, path, "mosaic")


def test_a_drawing_that_browsers_keep_from_pages_is_refused_and_the_last_picture_stays(page, tmp_path):
    good, drawing = saved(tmp_path / "good.png", 24, 32), tmp_path / "drawing.svg"
    inner = '<foreignObject width="30" height="20"><p xmlns="http://www.w3.org/1999/xhtml">words</p></foreignObject>'
    drawing.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20">{inner}</svg>')
    page.open(good)
    page.open(drawing)
    page.complains("drawing.svg is no picture that this browser can read")
    page.choose("woodcut")
    assert_painted_alike(page, good, "woodcut")


@pytest.mark.parametrize(("height", "width"), [(2, 200), (200, 2)])
def test_very_long_pictures_are_not_stretched(page, tmp_path, height, width):
    page.open(saved(tmp_path / "long.png", height, width))
    page.page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
    with Image.open(io.BytesIO(page.find("stage").screenshot())) as shot:
        edges = np.asarray(shot.convert("RGB"))[5:-5, 5:-5].astype(int)
    across = edges[:, edges.shape[1] // 2] if width > height else edges[edges.shape[0] // 2]
    paper = (np.abs(across - across[0]).max(-1) < 3).mean()
    assert paper > 0.9, "the picture fills its frame"


def test_a_painted_picture_can_be_saved(page, tmp_path):
    page.open(saved(tmp_path / "my picture.png", 40, 64))
    for kind, suffix, levels in (("png", "png", 0), ("jpeg", "jpg", 60)):
        with page.page.expect_download() as download:
            page.find(f"save-{kind}").click()
        assert download.value.suggested_filename == f"my picture-swirls.{suffix}"
        with Image.open(Path(download.value.path())) as picture:
            assert picture.format == kind.upper()
            assert_close(nst.load_image(picture), page.pixels(), levels)


def test_what_is_saved_is_what_is_seen_while_another_is_painted(page, tmp_path):
    page.open(saved(tmp_path / "first.png", 40, 64))
    seen = page.pixels()
    press = "() => ['[data-style=mosaic]', '#save-png'].forEach((one) => document.querySelector(one).click())"
    with page.page.expect_download() as download:
        page.page.evaluate(press)
    assert download.value.suggested_filename == "first-swirls.png"
    with Image.open(Path(download.value.path())) as picture:
        assert_close(nst.load_image(picture), seen, levels=0)
    page.settled()
    page.page.evaluate("""() => { window.states = []; new MutationObserver(() => states.push(
        [painted.hidden, document.querySelector("#save-png").disabled, document.querySelector("#save-jpeg").disabled]
        )).observe(painted, { attributeFilter: ["hidden"] }); }""")
    page.open(saved(tmp_path / "second.png", 50, 50))
    assert page.page.evaluate("states") == [[True] * 3, [False] * 3]  # nothing to save before it is painted


def test_the_picture_as_it_was_can_be_compared(page, tmp_path):
    page.open(saved(tmp_path / "small.png", 40, 64))
    clip = "e => getComputedStyle(e).clipPath"
    page.set("#compare", 40)
    assert page.find("painted").evaluate(clip) == "inset(0px 0px 0px 40%)"
    page.set("#compare", 0)
    page.find("painted").hover()
    page.page.mouse.down()
    assert page.find("painted").evaluate(clip) == "inset(0px 0px 0px 100%)"
    page.page.mouse.up()
    assert page.find("painted").evaluate(clip) in ("inset(0px)", "inset(0px 0px 0px 0%)")


def test_only_the_last_of_many_wishes_waits_and_the_page_stays_quick(page, tmp_path):
    path = saved(tmp_path / "wide.png", 240, 320)
    page.open(path)
    script = """async () => {
        const slider = document.querySelector("#strength"), before = window.sent;
        for (let value = 0; value < 20; value++) {
            slider.value = value;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        }
        const busy = () => document.querySelector("#stage").getAttribute("aria-busy") === "true";
        let frames = 0;
        for (; busy(); frames++) await new Promise(requestAnimationFrame);
        return [window.sent - before, frames]; }"""
    requests, frames = page.page.evaluate(script)
    assert requests == 2
    assert frames > 3  # a page that painted by itself would show none
    assert_painted_alike(page, path, "swirls", 0.19)


def test_it_is_worked_by_keys(page, tmp_path):
    page.open(saved(tmp_path / "small.png", 24, 32))
    page.find("compare").focus()
    reached = ["compare"]
    while "strength" not in reached:
        page.page.keyboard.press("Tab")
        reached.append(page.page.evaluate("document.activeElement.id || document.activeElement.dataset.style"))
        shown = page.page.evaluate("""() => { const { outlineStyle, outlineWidth } =
            getComputedStyle(document.activeElement); return outlineStyle !== "none" && outlineWidth !== "0px"; }""")
        assert shown, f"nobody sees that {reached[-1]} has the focus"
        if reached[-1] == "woodcut":
            page.page.keyboard.press("Enter")
        assert len(reached) < 40
    assert set(nst.load_network(device="cpu").styles) | {"choose", "camera", "save-png", "compare", "mix"} <= {*reached}
    page.page.keyboard.press("ArrowLeft")
    page.settled()
    assert page.said("strength-shown") == "99 %"
    assert "woodcut" in page.find("painted").get_attribute("aria-label")


@pytest.mark.parametrize("width", [360, 800, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width_and_can_be_read_by_everybody(page, scheme, width):
    page.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.page.set_viewport_size({"width": width, "height": 760})
    page.find("mix").check()
    page.choose("mosaic")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.page.locator("button:visible, select, input[type=range]:visible").all():
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box["x"] >= 0, button
        assert box["x"] + box["width"] <= width + 1, button
    axe = (build_page.NPM / "node_modules" / "axe-core" / "axe.min.js").read_text()
    page.page.evaluate(f"() => {{ {axe} }}")
    found = page.page.evaluate("async () => (await axe.run()).violations")
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    moving = "() => document.getAnimations().filter((one) => one.effect.getTiming().iterations === Infinity).length"
    assert page.page.evaluate(moving) == 0
    if folder := os.environ.get("NST_SHOTS"):
        page.page.evaluate("scrollTo(0, 0)")
        page.page.screenshot(path=f"{folder}/page-{scheme}-{width}.png", full_page=True)


@pytest.mark.parametrize("width", [320, 641, 768, 960, 1400])
def test_the_name_of_every_style_fits_below_it_chosen_or_not(page, width):
    page.page.set_viewport_size({"width": width, "height": 760})
    page.find("mix").check()
    script = """(press) => [...document.querySelectorAll("#styles button")].filter((one) => {
        if (press && one.getAttribute("aria-pressed") === "false") one.click();
        return one.scrollWidth > one.clientWidth + 1; }).map((one) => one.textContent)"""
    assert [page.page.evaluate(script, press) for press in (False, True)] == [[], []]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (844, 390), (1280, 720)])
def test_the_picture_is_in_sight_of_the_sliders(page, width, height):
    page.page.set_viewport_size({"width": width, "height": height})
    page.find("mix").check()
    for style in ("mosaic", "woodcut"):
        page.choose(style)
    page.find("strength").evaluate("(slider) => slider.scrollIntoView({ block: 'end' })")
    top, bottom = page.find("stage").evaluate(
        "(e) => [e.getBoundingClientRect().top, e.getBoundingClientRect().bottom]"
    )
    assert min(bottom, height) - max(top, 0) > 0.7 * (bottom - top)


def test_times_and_reasons_are_said_in_words_that_fit_them(page):
    script = """async () => {
        const { seconds, words } = await import(new URL("js/words.js", location));
        return [...[0.001, 0.03, 1.01, 12.4].map(seconds), words.unloaded("WebAssembly SIMD is not supported")]; }"""
    *times, reason = page.page.evaluate(script)
    assert times == ["1 thousandth of a second", "30 thousandths of a second", "1 second", "12 seconds"]
    assert "cannot run the painter" in reason
    assert "connection" not in reason


def test_sizes_follow_what_was_measured(page):
    script = """async (each) => {
        const { Pace } = await import(new URL("js/pace.js", location));
        const pace = new Pace(), sides = [];
        pace.start(each);
        let last = null;
        for (let k = 0; k < 30; k++) {
            const width = pace.frame(last), height = Math.round(0.75 * width);
            last = { width, height, seconds: 4 * each * width * height };
            sides.push(width);
        }
        return [pace.still(), sides]; }"""
    stills = []
    for each in (1e-3, 1e-5, 5e-7, 1e-9):  # seconds a pixel; frames turn out to take four times as long
        still, sides = page.page.evaluate(script, each)
        stills.append(still)
        assert sides == sorted(sides, reverse=True)
        assert len(set(sides[-10:])) == 1  # it does not swing
        assert sides[-1] == 128 or 4 * each * 0.75 * sides[-1] ** 2 <= 0.25
    assert stills == [512, 512, 1024, 1536]
    assert sides[-1] == 640


def test_nothing_leaves_the_computer(shared, address):
    assert len(shared.asked) > 20
    assert {url for url in shared.asked if not url.startswith((address, "blob:"))} == set()
    refused = shared.page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
    assert all("example.org" in error for error in shared.errors), shared.errors


@pytest.fixture(scope="module")
def camera(browser, address):
    with opened(browser, address) as page:
        yield page


def frames(page, count=4):
    """Wait until some more frames were painted."""
    page.page.wait_for_function("until => window.sent >= until", arg=page.page.evaluate("window.sent") + count)


def test_the_camera_is_painted_frame_by_frame_until_it_is_stopped(camera):
    assert camera.page.evaluate(STATES) == []  # not before a click
    camera.find("camera").click()
    camera.find("rate").get_by_text("pictures a second").wait_for()
    first, content = camera.pixels(), camera.pixels("content")
    while first.shape != content.shape:  # between the two, frames have become larger or smaller
        first, content = camera.pixels(), camera.pixels("content")
    assert first.shape[-1] >= 128
    assert float((first - content).abs().mean()) > 0.05
    frames(camera, 6)
    if camera.pixels().shape == first.shape:
        assert not torch.equal(camera.pixels(), first)
    assert "The camera is on" in camera.said()
    camera.choose("mosaic")
    frames(camera)
    assert "mosaic" in camera.find("painted").get_attribute("aria-label")
    if folder := os.environ.get("NST_SHOTS"):
        camera.page.screenshot(path=f"{folder}/page-camera.png", full_page=True)
    camera.find("camera").click()
    camera.settled()
    assert camera.page.evaluate(STATES) == ["ended"]
    assert "village" in camera.find("painted").get_attribute("aria-label")


def test_a_picture_is_taken_and_painted_at_its_size(camera):
    camera.find("size").select_option("384")
    camera.settled()
    camera.find("camera").click()
    frames(camera)
    camera.find("take").click()
    camera.settled()
    assert set(camera.page.evaluate(STATES)) == {"ended"}
    assert max(camera.pixels().shape) == 384
    assert "Painted in" in camera.said()
    assert camera.find("take").is_hidden()


def test_the_mirror_turns_the_camera_around(camera):
    camera.find("camera").click()
    camera.find("mirror").wait_for()  # while it is hidden it says nothing, and Playwright would believe it
    seen = []
    for mirrored in (True, False):
        camera.find("mirror").set_checked(mirrored)
        frames(camera)
        seen.append(camera.pixels("content").mean((0, 2)))
    camera.find("mirror").set_checked(True)
    camera.find("camera").click()
    if seen[0].shape == seen[1].shape:
        assert float((seen[0] - seen[1].flip(-1)).abs().mean()) < float((seen[0] - seen[1]).abs().mean())


@pytest.mark.parametrize(("refusal", "said"), REFUSALS)
def test_a_camera_that_is_refused_or_missing_is_said(camera, refusal, said):
    camera.page.evaluate("refusal => window.refuses = refusal", refusal)
    camera.find("camera").click()
    camera.complains(said)
    camera.settled()
    camera.page.evaluate("delete window.refuses")
    assert camera.said("camera") == "Use the camera"


def test_a_camera_that_is_taken_away_is_said(camera):
    camera.find("camera").click()
    frames(camera)
    track = camera.page.evaluate_handle("window.streams.at(-1).getTracks()[0]")
    track.evaluate("track => { track.stop(); track.dispatchEvent(new Event('ended')); }")
    camera.complains("unplugged")
    camera.settled()
    assert camera.errors == []


def test_a_page_that_is_left_and_gone_back_to_has_no_camera_and_paints_its_picture(camera):
    camera.find("camera").click()
    frames(camera)
    for event in ("pagehide", "pageshow"):
        camera.page.evaluate("(name) => dispatchEvent(new PageTransitionEvent(name, { persisted: true }))", event)
    camera.settled()
    assert camera.said("camera") == "Use the camera"
    assert set(camera.page.evaluate(STATES)) == {"ended"}
    assert camera.find("painted").get_attribute("aria-label").split(",")[0] != "camera"
    assert "Painted in" in camera.said()


def test_without_webgpu_the_processor_paints(browser, address, tmp_path):
    with opened(browser, f"{address}?on=webgpu") as page:
        path = saved(tmp_path / "small.png", 24, 32)
        page.open(path)
        assert "by WebAssembly" in page.said()
        assert_painted_alike(page, path, "swirls")


def test_a_download_that_fails_is_not_taken_for_a_lost_graphics_processor(browser, address, tmp_path):
    def pretending(route):  # the processor paints, under the other's name
        text, line = route.fetch().text(), "executionProviders: [where]"
        assert line in text
        route.fulfill(body=text.replace(line, 'executionProviders: ["wasm"]'), content_type="text/javascript")

    routes = {"**/runtime.js": pretending, "**/look.onnx": lambda route: route.abort()}
    with opened(browser, f"{address}?on=webgpu", routes) as page:
        page.open(saved(tmp_path / "small.png", 24, 32))
        assert "by WebGPU" in page.said()
        page.find("own-file").set_input_files(saved(tmp_path / "waves.png", 192, 256, "mosaic"))
        page.complains("The painting could not be looked at")
        page.set("#strength", 60)
        assert "by WebGPU" in page.said()


def test_a_download_that_fails_makes_no_picture_smaller(browser, address):
    def losing(route):  # the graphics processor is lost with the first picture; the other runtime cannot be had
        text, provider, line = route.fetch().text(), "executionProviders: [where]", "  const feeds = { "
        assert provider in text
        assert line in text
        lost = '  if (width * height > 50000) throw new Error("the device is lost");\n'
        text = text.replace(provider, 'executionProviders: ["wasm"]').replace(line, lost + line)
        route.fulfill(body=text, content_type="text/javascript")

    routes = {"**/runtime.js": losing, "**/ort-wasm.bin": lambda route: route.fulfill(status=503)}
    with opened(browser, f"{address}?on=webgpu", routes) as page:
        page.complains("The picture could not be painted (ort-wasm.bin")
        page.settled()
        assert page.find("loading").is_hidden()
        assert max(page.pixels("content").shape) > 256


@pytest.mark.parametrize(
    ("says", "asked", "mirrored"),
    [(False, [None, "two", "one"], True), (True, [None] * 3, False)],
    ids=["at a desk", "of a phone"],
)
def test_the_other_camera_is_another_one(browser, address, says, asked, mirrored):
    with opened(browser, address) as page:
        page.page.evaluate(
            """says => {
            window.wishes = [];
            const open = navigator.mediaDevices.getUserMedia;
            navigator.mediaDevices.getUserMedia = (wanted) => {
              window.wishes.push(wanted.video);
              return open({ video: true }); };
            const both = ["one", "two"].map((deviceId) => ({ kind: "videoinput", deviceId }));
            navigator.mediaDevices.enumerateDevices = async () => both;
            MediaStreamTrack.prototype.getSettings = () =>
              ({ deviceId: window.wishes.at(-1).deviceId ?? "one",
                 facingMode: says ? window.wishes.at(-1).facingMode : undefined }); }""",
            says,
        )
        page.find("camera").click()
        page.find("turn").click()
        page.page.wait_for_function("() => window.streams.length === 2")
        page.page.wait_for_function("is => document.getElementById('mirror').checked === is", arg=mirrored)
        page.find("turn").click()
        page.page.wait_for_function("() => window.wishes.length === 3")
        assert page.page.evaluate("window.wishes.map(({ deviceId }) => deviceId ?? null)") == asked
        facing = page.page.evaluate("window.wishes.map(({ facingMode }) => facingMode)")
        assert facing == (["user"] * 3 if mirrored else ["user", "environment", "user"])


def test_a_picture_without_room_is_painted_smaller_and_a_host_may_unpack(browser, address, tmp_path):
    def unpacked(route):
        route.fulfill(body=gzip.decompress(route.fetch().body()), content_type="application/octet-stream")

    def without_room(route):
        text, line = route.fetch().text(), "  const feeds = { "
        assert line in text
        limit = '  if (width * height > 50000) throw new Error("out of memory");\n'
        route.fulfill(body=text.replace(line, limit + line), content_type="text/javascript")

    routes = {"**/ort-wasm.bin": unpacked, "**/runtime.js": without_room}
    with opened(browser, address, routes=routes) as page:
        page.complains("no room for a picture of that size")
        page.settled()
        assert "Painted in" in page.said()
        assert page.pixels().shape[-2] * page.pixels().shape[-1] <= 50000


def test_a_painter_that_cannot_be_loaded_is_said(browser, address):
    with opened(browser, address, routes={"**/styles.onnx": lambda route: route.fulfill(status=404)}) as page:
        page.complains("The painter could not be loaded (styles.onnx: 404)")


def test_without_a_painter_the_page_shows_pictures_and_goes_on_saying_why(browser, address, tmp_path):
    def late(route):
        time.sleep(1.5)  # the picture comes after the painter has failed
        route.continue_()

    routes = {"**/styles.onnx": lambda route: route.fulfill(status=404), "**/sample.jpg": late}
    with opened(browser, address, routes=routes) as page:
        page.complains("The painter could not be loaded")
        page.page.wait_for_function("document.getElementById('content').width > 300")
        page.settled()
        page.open(saved(tmp_path / "other.png", 90, 120))
        page.page.wait_for_function("document.getElementById('content').width === 120")
        page.complains("The painter could not be loaded")


def test_what_was_built_is_complete_and_says_whose_it_is(address, browser):
    with contextlib.closing(browser.new_context()) as context:
        about = json.loads(context.request.get(f"{address}about.json").text())
        assert about["styles"] == list(nst.load_network(device="cpu").styles)
        for name, size in about["sizes"].items():
            assert len(context.request.get(f"{address}{name}").body()) == size
        terms = context.request.get(f"{address}vendor/LICENSES.txt").text()
        assert re.search(r"onnxruntime-web 1\.\d+\.\d+", terms)
        assert "Microsoft" in terms
