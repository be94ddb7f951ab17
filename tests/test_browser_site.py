"""The built site: every link leads somewhere, and in a browser without a network it can be read by everybody.

Needs the extra "site", and Chromium; without one of them these tests are skipped, and say so.
"""

import functools
import http.server
import importlib.util
import json
import re
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from browsing import CHROMIUM, ROOT, chromium

sys.path.append(str(ROOT / "tools"))
import build_site
import links

MISSING = [name for name in ("sphinx", "myst_nb", "pydata_sphinx_theme") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} here: pip install -e '.[site]'"),
]
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
NOTEBOOK = "notebooks/03_style_transfer.html"
SHOWN = ["index.html", "notebooks/06_live_studio.html", "glossary.html", "gallery.html", "errors.html"]
PAINTS = "<!doctype html><html lang='en'><title>Paint</title><a href='../index.html'>back</a>"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, with a page that paints of one line."""
    folder = tmp_path_factory.mktemp("built")
    (folder / "page").mkdir()
    (folder / "page" / "index.html").write_text(PAINTS)
    return build_site.build(folder / "site", page=folder / "page")


class Page(HTMLParser):
    """What a page leads to and loads, and the places in it that can be led to."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.alts = set(), [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "modulepreload", "shortcut icon"):
            self.loads.append(given["href"])
        if given.get("src"):
            self.loads.append(given["src"])
        if tag == "img":
            self.alts.append((given["src"], given.get("alt")))


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}


def test_no_link_within_the_site_is_broken(site, pages):
    assert {path.name for path in pages} >= {"index.html", "glossary.html", "12_many_styles.html", "paint.html"}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            address, anchor = urldefrag(link)
            if urlsplit(address).scheme:
                continue
            there = (path.parent / unquote(address)).resolve() if address else path
            there = there / "index.html" if there.is_dir() else there
            gallery = there.name == "gallery.html" and (site / build_site.PASSES / f"{anchor.replace('-', '_')}.webp")
            if not there.is_file() or (
                anchor and there.suffix == ".html" and unquote(anchor) not in pages[there].ids and not gallery
            ):
                broken.append((path.name, link))
            elif gallery and anchor and anchor not in pages[there].ids:
                assert gallery.is_file(), link
    assert broken == []


def test_every_picture_script_and_style_lies_on_the_site(pages):
    for path, page in pages.items():
        for load in page.loads:
            assert not urlsplit(load).scheme, (path, load)
            assert (path.parent / unquote(urlsplit(load).path)).is_file(), (path, load)
    for css in (pages and next(iter(pages)).parents[0]).rglob("*.css"):
        for load in re.findall(r"url\(['\"]?([^)'\"#?]+)", css.read_text(encoding="utf-8")):
            assert load.startswith("data:") or (css.parent / load).is_file(), (css, load)


def test_every_picture_says_what_it_shows_or_that_it_need_not(pages):
    for path, page in pages.items():
        for source, alt in page.alts:
            assert alt is not None, (path, source)


def test_notebooks_show_their_outputs_and_their_badge(site):
    text = (site / NOTEBOOK).read_text(encoding="utf-8")
    assert text.count("<img") > 10
    assert re.search(
        r'class="colab" href="https://colab\.research\.google\.com/github/\S+03_style_transfer\.ipynb"', text
    )
    assert 'href="../glossary.html#term-' in text


def test_tables_that_notebooks_display_are_tables(site):
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        outputs = [out for cell in json.loads(path.read_text())["cells"] for out in cell.get("outputs", [])]
        displayed = ["".join(out.get("data", {}).get("text/markdown", "")) for out in outputs]
        tables = [text for text in displayed if re.search(r"^\| *:?-", text, re.MULTILINE)]
        page = (site / "notebooks" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert "<p>| " not in page, path.stem
        assert page.count("<table") >= len(tables), path.stem


def test_every_page_has_a_title_of_its_own_and_says_in_words_and_a_picture_what_it_is(site, pages):
    titles = []
    for path in pages:
        if path.name == "search.html" or path.parent.name == "paint":
            continue
        head = path.read_text(encoding="utf-8").partition("</head>")[0]
        titles.append(re.search(r"<title>(.*?)</title>", head, re.DOTALL)[1].strip())
        properties = dict(re.findall(r'<meta property="og:([\w:]+)" content="([^"]*)">', head))
        home, place = links.site_link(links.address()), path.relative_to(site).as_posix()
        assert properties["url"] == home + place
        assert (site / properties["image"].removeprefix(home)).is_file()
        assert len(properties["description"]) > 40, place
        assert not re.search("&lt;|[$`]", properties["description"]), place
        assert len(re.findall(r'name="description"', head)) == 1, place
    assert len(set(titles)) == len(titles) > 30
    assert "Neural style transfer, step by step" in titles


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def browser(site):
    """A function that opens a page of the site in a new window, without any network but the site's own server."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright here: pip install -e '.[lab,test]'")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/"
    with chromium(playwright) as driver:

        def window(mode="light", width=1280, height=800):
            context = driver.new_context(viewport={"width": width, "height": height}, color_scheme=mode, base_url=base)
            page = context.new_page()
            page.wrong = []
            page.on("console", lambda said: page.wrong.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: page.wrong.append(str(error)))

            def local(route):
                if route.request.url.startswith(base):
                    route.continue_()
                else:
                    page.wrong.append(f"asked for {route.request.url}")
                    route.abort()

            context.route("**/*", local)
            return page

        yield window
    server.shutdown()


def settled(page, name):
    """Open a page and wait until its formulas are set."""
    page.goto(name)
    page.wait_for_load_state("load")
    page.evaluate("window.MathJax?.startup?.promise")
    return page


@in_a_browser
def test_on_a_small_screen_every_page_is_readable_and_its_pictures_and_formulas_are_there(browser, pages):
    page = browser(width=360, height=740)
    formulas = 0
    for path in pages:
        name = path.relative_to(next(iter(pages)).parents[0]).as_posix()
        settled(page, name)
        wide = page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("body *")]
            .filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 90))"""
        )
        assert wide == [], name
        page.evaluate("document.querySelectorAll('img').forEach(one => one.loading = 'eager')")
        page.wait_for_function("[...document.images].every(one => one.complete)")
        broken = "[...document.images].filter(one => !one.naturalWidth && one.currentSrc).map(one => one.src)"
        assert page.evaluate(broken) == [], name
        unset = "[...document.querySelectorAll('.math')].filter(one => !one.querySelector('mjx-container'))"
        assert page.evaluate(f"{unset}.map(one => one.textContent)") == [], name
        assert page.locator("mjx-merror").count() == 0, name
        formulas += page.locator("mjx-container").count()
        assert page.wrong == [], name
    assert formulas > 100


@in_a_browser
def test_on_a_half_wide_screen_the_menu_is_one_line(browser):
    for width in (960, 1024, 1199, 1440):
        page = settled(browser(width=width), "README.html")
        header = "document.querySelector('.bd-header .bd-header__inner').getBoundingClientRect().height"
        assert page.evaluate(header) < 90, width


@in_a_browser
def test_long_code_and_tables_scroll_within_themselves_and_by_keyboard(browser):
    page = settled(browser(width=360, height=740), NOTEBOOK)
    inner = "[...document.querySelectorAll('article pre')].filter(one => one.scrollWidth > one.clientWidth + 1)"
    assert page.evaluate(f"{inner}.length") > 5
    assert page.evaluate(f"{inner}.every(one => one.tabIndex === 0)")
    assert page.evaluate(
        "[...document.querySelectorAll('article table')].some(one => one.scrollWidth > one.clientWidth)"
    )


@in_a_browser
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, mode):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: pip install -e '.[site]'").Axe()
    page = browser(mode)
    for name in SHOWN:
        settled(page, name)
        found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        grave = [
            (one["id"], one["impact"], [node["html"][:120] for node in one["nodes"]][:4])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert grave == [], (name, mode)


@in_a_browser
def test_the_dark_is_dark_and_paintings_keep_their_colors_there(browser):
    page = settled(browser("dark"), "index.html")
    brightness = "(color) => color.match(/[0-9.]+/g).slice(0, 3).map(Number).reduce((a, b) => a + b) / 3"
    color = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.evaluate(brightness, color) < 60
    assert page.evaluate("getComputedStyle(document.querySelector('.nst-hero img')).filter") == "none"


@in_a_browser
def test_by_keyboard_the_contents_are_one_step_away_and_the_search_opens(browser):
    page = settled(browser(), "index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to main content"
    page.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")  # it slides in
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main-content"
    for _ in range(8):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            "(({outlineWidth, outlineStyle}) => [outlineWidth, outlineStyle])(getComputedStyle(document.activeElement))"
        )
        assert outline == ["3px", "solid"], page.evaluate("document.activeElement.outerHTML")
    page.keyboard.press("Control+k")
    page.keyboard.type("Wasserstein")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=Wasserstein*")
    found = page.locator("#search-results a[href*='07_improved_transfer']").first
    found.wait_for()
    assert page.wrong == []


@in_a_browser
def test_the_gallery_follows_clicks_keys_and_links(browser):
    page = settled(browser(), "gallery.html")
    picture = page.locator(".nst-picker figure img")
    page.locator("label", has_text="chelsea").click()
    page.locator("label", has_text="mosaic").click()
    assert picture.get_attribute("src").endswith("/chelsea_mosaic.webp")
    assert picture.get_attribute("alt") == "chelsea in the style “mosaic”"
    page.keyboard.press("ArrowRight")
    assert picture.get_attribute("src").endswith("/chelsea_pointillism.webp")
    page.get_by_role("button", name="Previous").click()
    assert picture.get_attribute("src").endswith("/chelsea_mosaic.webp")
    page.wait_for_function("document.querySelector('.nst-picker figure img').naturalWidth > 400")
    settled(page, "index.html").locator("a[href='gallery.html#harbor-ink_wash']").click()
    page.wait_for_url("**/gallery.html#harbor-ink_wash")
    assert page.locator(".nst-picker figure img").get_attribute("src").endswith("/harbor_ink_wash.webp")
    assert page.wrong == []


def test_the_page_that_paints_is_part_of_the_site(site):
    assert (site / "paint" / "index.html").read_text() == PAINTS
    assert 'href="paint/index.html"' in (site / "paint.html").read_text(encoding="utf-8")


def test_the_built_files_lie_where_github_pages_serves_them(site):
    assert (site / ".nojekyll").exists()
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 100e6
    assert Path(site / "searchindex.js").stat().st_size > 30_000
