"""The site: what is written for Sphinx, the glossary's words, and the errors' messages."""

import contextlib
import importlib.util
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import nstlib as nst
from nstlib import backbones
from nstlib.cli import main as cli
from nstlib.feedforward.command import main as fast_cli

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import build_site  # noqa: E402
import links  # noqa: E402

WORDS = build_site.read_words((ROOT / "site" / "glossary.md").read_text())
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BLOB = f"https://github.com/{links.address()}/blob/main/"


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """All that Sphinx reads, without a page that paints."""
    return build_site.stage(tmp_path_factory.mktemp("staged"))


def prose(path):
    """The Markdown of a notebook."""
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


# The glossary


def test_the_glossary_has_some_forty_words_in_the_order_of_the_alphabet():
    names = [word.name for word in WORDS]
    assert 40 <= len(names) == len(set(names)) <= 60
    assert names == sorted(names, key=str.lower)
    text = (ROOT / "site" / "glossary.md").read_text()
    assert len(names) == text.count("\n: "), "a word that the tool does not read"


def test_no_form_of_a_word_belongs_to_two():
    forms = [form.lower() for word in WORDS for form in (word.name, *word.forms)]
    assert len(forms) == len(set(forms))


def test_nearly_every_word_is_used_and_every_notebook_uses_some(staged):
    unused = {word.name for word in WORDS} - staged.seen.keys()
    assert len(unused) <= 5, unused  # such as those that notebooks have as options, in code
    for path in NOTEBOOKS:
        links_to = re.findall(r"\{term\}`[^`]+ <([^`>]+)>`", prose(staged.folder / "notebooks" / path.name))
        assert len(links_to) >= 8, path
        assert len(links_to) == len(set(links_to)), "only the first use leads to the glossary"


def test_the_glossary_leads_back_to_the_notebooks_that_use_a_word(staged):
    text = (staged.folder / "glossary.md").read_text()
    entry = re.search(r"^Gram matrix\n  (.*)$", text, re.MULTILINE)[1]
    assert "[02](notebooks/02_style_reconstruction.ipynb)" in entry
    assert "<!--" not in text


MATRIX = build_site.Word("Gram matrix", "products", ("Gram matrices",))
FEATURE, MAP = build_site.Word("feature", "an answer"), build_site.Word("feature map", "a gray picture")


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("Two Gram matrices.", "Two {term}`Gram matrices <Gram matrix>`."),
        ("A gram matrix here.", "A {term}`gram matrix <Gram matrix>` here."),
        ("Feature by feature.", "{term}`Feature <feature>` by feature."),
        ("A feature map, a feature.", "A {term}`feature map <feature map>`, a {term}`feature <feature>`."),
        ("**feature**", "**{term}`feature <feature>`**"),
        *[
            (text, text)
            for text in (
                "`feature` and $feature$ and $$feature$$",
                "# A feature\n",
                "## The Gram matrix\n",
                "[a feature](a.md), ![feature](feature.png), [![feature](a.png)](b.md)",
                '<img alt="a feature">',
                "<summary>A feature</summary>",
                "```python\nfeature = 1\n```",
                "features, my-feature, featureless",
                "## References\n\n- A paper about a feature",
            )
        ],
    ],
)
def test_only_prose_leads_to_the_glossary(text, linked):
    assert build_site.with_words(text, [MATRIX, FEATURE, MAP], set()) == linked


def test_a_word_that_was_found_before_is_left_alone():
    found = set()
    assert "{term}" in build_site.with_words("A feature.", [FEATURE], found)
    assert found == {"feature"}
    assert build_site.with_words("A feature.", [FEATURE], found) == "A feature."


# Links and pages


@pytest.mark.parametrize(
    ("text", "name", "placed"),
    [
        ("[losses](nstlib/losses.py)", "README.md", f"[losses]({BLOB}nstlib/losses.py)"),
        ("[`losses.py`](nstlib/losses.py)", "README.md", f"[`losses.py`]({BLOB}nstlib/losses.py)"),
        ("[losses](../nstlib/losses.py#L3)", "notebooks/a.ipynb", f"[losses]({BLOB}nstlib/losses.py#L3)"),
        ("[tools](tools)", "README.md", f"[tools]({BLOB.replace('blob', 'tree')}tools)"),
        ("[b](b.md#part)", "docs/a.md", "[b](b.md#part)"),
        ("[web](https://example.org/a.py)", "README.md", "[web](https://example.org/a.py)"),
        ("[here](#live)", "README.md", "[here](#live)"),
        ("![a](img/content/village.jpg)", "README.md", "![a](img/content/village.jpg)"),
        (
            "[all *three*](img/content/village.jpg)",
            "README.md",
            '<a href="img/content/village.jpg">all *three*</a>',
        ),
        ("```sh\n[x](nstlib/losses.py)\n```", "README.md", "```sh\n[x](nstlib/losses.py)\n```"),
        (
            f"![a]({links.raw_link('img/content/village.jpg', links.address())})",
            "notebooks/a.ipynb",
            "![a](../img/content/village.jpg)",
        ),
        (
            links.BADGE.format(link="https://colab.research.google.com/x"),
            "README.md",
            '<a class="colab" href="https://colab.research.google.com/x">Open in Colab</a>',
        ),
    ],
)
def test_links_lead_to_pages_of_the_site_or_to_the_repository(tmp_path, text, name, placed):
    stage = build_site.Stage(tmp_path, pages=frozenset({"README.md", "docs/b.md"}))
    assert stage.placed(text, name) == placed


def test_a_link_to_a_file_that_is_not_there_stops_the_build(tmp_path):
    with pytest.raises(SystemExit, match=r"docs/a\.md leads to \.\./lost\.py, but there is no lost\.py"):
        build_site.Stage(tmp_path).placed("[x](../lost.py)", "docs/a.md")


def test_code_and_outputs_of_notebooks_are_those_that_are_committed(staged):
    for path in NOTEBOOKS:
        before, after = (json.loads(text.read_text()) for text in (path, staged.folder / "notebooks" / path.name))
        for old, new in zip(before["cells"], after["cells"], strict=True):
            assert {**old, "source": ""} == {**new, "source": ""}
            if old["cell_type"] == "code":
                assert old["source"] == new["source"]


def test_every_notebook_of_the_readme_has_a_card(staged):
    for page in ("index.md", "notebooks.md", "README.md"):
        text = (staged.folder / page).read_text()
        found = re.findall(r'<li class="nst-card"><a href="notebooks/(\w+)\.html"><img src="([^"]+)"', text)
        assert [stem for stem, _ in found] == [path.stem for path in NOTEBOOKS], page
        assert all((staged.folder / picture).is_file() for _, picture in found)


def test_what_lies_in_docs_becomes_pages_in_the_readmes_order(tmp_path):
    (tmp_path / "docs").mkdir()
    for name in ("apple", "live", "use"):
        (tmp_path / "docs" / f"{name}.md").write_text("# A page")
    readme = "[use](docs/use.md), [live](docs/live.md)"
    assert build_site.ordered_guide(readme, tmp_path) == ["docs/use.md", "docs/live.md", "docs/apple.md"]


def test_what_the_site_has_a_page_of_its_own_for_is_not_there_twice(staged):
    assert not (staged.folder / "docs" / "gallery.md").exists()
    readme = (staged.folder / "README.md").read_text()
    assert "[Gallery](gallery.md)" in readme
    assert "[The site](index.md)" in readme


def test_a_picture_of_the_gallery_that_is_enlarged_on_purpose_warns_nobody(tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(build_site, "contents_and_styles", lambda root: (["chelsea"], ["swirls"]))
    monkeypatch.setattr(build_site, "PAINTED", 480)
    build_site.painted_passes(tmp_path)
    assert [str(each.message) for each in recwarn if issubclass(each.category, nst.RunWarning)] == []


def test_the_page_that_paints_is_left_out_where_it_was_not_built(staged, tmp_path):
    assert not (staged.folder / "paint.md").exists()
    assert "paint.html" not in (staged.folder / "index.md").read_text()
    with_page = build_site.stage(tmp_path / "with", page=tmp_path)
    assert (with_page.folder / "paint.md").exists()
    assert "paint.html" in (with_page.folder / "index.md").read_text()


def test_nothing_on_the_sites_own_pages_comes_from_elsewhere():
    for path in [*(ROOT / "site").rglob("*.md"), *(ROOT / "site").rglob("*.css"), *(ROOT / "site").rglob("*.js")]:
        text = path.read_text()
        assert not re.findall(r"(?:src=\"|url\(|import .*)https?:", text), path
        assert "github.com" not in text, f"{path}: the repository's address comes from tools/links.py"


def test_the_gallery_has_every_content_in_every_style():
    contents, styles = build_site.contents_and_styles()
    assert sorted(contents) == sorted([*nst.bundled_images("content"), build_site.PHOTOGRAPH])
    assert sorted(styles) == sorted(nst.bundled_images("style"))


def test_the_gallerys_pictures_are_painted_once_and_again_for_other_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(build_site, "contents_and_styles", lambda root: (["village"], ["swirls", "mosaic"]))
    monkeypatch.setattr(build_site, "PAINTED", 64)
    folder = build_site.painted_passes(tmp_path)
    names = {"village_mosaic.webp", "village_swirls.webp"}
    assert {path.name for path in folder.iterdir()} == names
    (folder / "village_mosaic.webp").unlink()
    kept = (folder / "village_swirls.webp").stat().st_mtime_ns
    assert build_site.painted_passes(tmp_path) == folder
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "village_swirls.webp").stat().st_mtime_ns == kept
    other = tmp_path / "nstlib" / "weights"
    other.mkdir(parents=True)
    (other / "styles.safetensors").write_bytes(b"other weights")
    assert build_site.painted_passes(tmp_path, tmp_path) != folder


# Common errors


def errors():
    """What the page of errors says: (code's language, code, message)."""
    text = (ROOT / "site" / "errors.md").read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)\n```", text, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks[1::2]] == ["text"] * (len(blocks) // 2)
    return [(*code, message) for code, (_, message) in zip(blocks[::2], blocks[1::2], strict=True)]


def test_the_page_of_errors_is_long_enough_to_help():
    assert len(errors()) >= 20


@pytest.mark.parametrize(("language", "code", "message"), errors())
def test_a_message_is_what_the_package_says(language, code, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NST_BACKBONE", "mini")
    for name, known in list(backbones._KNOWN.items()):
        builder = getattr(known.build, "func", known.build)
        if not builder.__module__.startswith("nstlib"):  # which tests alone have
            monkeypatch.delitem(backbones._KNOWN, name)
    if language == "sh":
        _, _, module, *arguments = shlex.split(code)
        with contextlib.suppress(SystemExit):
            {"nstlib": cli, "nstlib.fast": fast_cli}[module](arguments)
        assert capsys.readouterr().err.splitlines()[-1] == message
        return
    if code.startswith("# the set-up cell"):
        monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
        code = links.setup_source(links.PLACEHOLDER)
    with pytest.raises(Exception) as raised:  # noqa: PT011  the message is compared in full
        exec(code, {"nst": nst, "np": np, "torch": torch})
    said = f"{raised.type.__name__}: {raised.value}"
    assert said == message.replace("/home/ada/pictures", str(Path.cwd()))


def test_every_error_of_the_page_is_the_packages_own():
    for language, code, message in errors():
        if language == "python" and "set-up cell" not in code:
            assert issubclass(getattr(nst, message.split(":")[0]), nst.NstError), message
