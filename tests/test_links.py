"""The repository's address: in one place, and every link agrees with it."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import links  # noqa: E402

NAME, OTHER = "ada/brush-strokes", "grace/nst.notebooks"


@pytest.fixture
def copy(tmp_path):
    """The files that carry links, as they are before anybody knows the address."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for path in (ROOT / "README.md", ROOT / "pyproject.toml"):
        shutil.copy(path, tmp_path)
    links.write(tmp_path, links.PLACEHOLDER)
    return tmp_path


def texts(folder):
    return {path.relative_to(folder): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def first_notebook(folder):
    return min((folder / "notebooks").glob("*.ipynb"))


def test_every_link_and_every_set_up_cell_agrees_with_the_address():
    assert links.disagreements() == [], "make links puts them right"


def test_one_command_writes_the_address_everywhere(copy):
    changed = links.write(copy, NAME)
    assert {path.suffix for path in changed} == {".toml", ".md", ".ipynb"}
    assert links.address(copy) == NAME
    assert links.disagreements(copy) == []
    for path, text in texts(copy).items():
        assert links.PLACEHOLDER not in text, path
        if path.suffix == ".ipynb":
            assert f"https://colab.research.google.com/github/{NAME}/blob/main/notebooks/{path.name}" in text
            assert f'REPO = \\"https://github.com/{NAME}\\"' in text


def test_it_can_be_repeated_changed_and_taken_back(copy):
    before = texts(copy)
    links.write(copy, NAME)
    assert links.write(copy, NAME) == []
    links.write(copy, OTHER)
    assert not any(NAME in text for text in texts(copy).values())
    links.write(copy, links.PLACEHOLDER)
    assert texts(copy) == before


def test_it_leaves_outputs_and_other_peoples_links_alone(copy):
    before = nbformat.read(first_notebook(copy), as_version=4)
    links.write(copy, NAME)
    after = nbformat.read(first_notebook(copy), as_version=4)
    for old, new in zip(before.cells, after.cells, strict=True):
        assert old.get("outputs") == new.get("outputs")
        assert old.get("execution_count") == new.get("execution_count")
    theirs = "[code](https://github.com/jcjohnson/neural-style) https://github.com/pytorch/vision/blob/main/README.md"
    theirs += " https://colab.research.google.com/github/tensorflow/docs/blob/master/style_transfer.ipynb"
    (copy / "README.md").write_text(theirs)
    links.write(copy, OTHER)
    assert (copy / "README.md").read_text() == theirs


@pytest.mark.parametrize(
    ("name", "pattern", "wrong"),
    [
        ("README.md", r"github/OWNER/NAME/blob", "github/someone/else/blob"),
        ("README.md", r"\Z", "\n[code](https://github.com/someone/else/blob/main/nstlib/losses.py)\n"),
        ("README.md", r"\Z", "\ngit clone https://github.com/someone/else\n"),
        ("README.md", r"\Z", "\n![x](https://raw.githubusercontent.com/someone/else/main/img/style/mosaic.jpg)\n"),
        ("README.md", r"\Z", "\n[this project](https://github.com/OWNER/NAME)\n"),
        ("notebook", r"github/OWNER/NAME/blob", "github/someone/else/blob"),
        ("notebook", r"colab-badge\.svg\)\]\(.*?\)", "colab-badge.svg)](https://example.org)"),
        ("notebook", r"\[!\[Open in Colab\].*?\.ipynb\)", ""),
        ("notebook", r'REPO = \\"\\"', r"REPO = \"https://github.com/someone/else\""),
        ("notebook", r"here\.parents", "here.parent"),
    ],
)
def test_a_link_that_disagrees_is_found_and_put_right(copy, name, pattern, wrong):
    path = first_notebook(copy) if name == "notebook" else copy / name
    text, count = re.subn(pattern, lambda _: wrong, path.read_text(), count=1)
    assert count == 1
    if links.PLACEHOLDER in wrong:  # wrong only where the address is known
        links.write(copy, NAME)
    path.write_text(text)
    assert links.disagreements(copy) == [path]
    assert links.write(copy) == [path]
    assert links.disagreements(copy) == []


def test_an_address_that_is_none_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["links.py", "not an address"])
    with pytest.raises(SystemExit):
        links.main()
    assert "owner/name" in capsys.readouterr().err


@pytest.mark.parametrize("given", [NAME, f"https://github.com/{NAME}", f"https://github.com/{NAME}.git"])
def test_the_address_can_be_pasted_from_the_browser(copy, monkeypatch, given):
    monkeypatch.setattr(links, "ROOT", copy)
    monkeypatch.setattr(links.address, "__defaults__", (copy,))
    monkeypatch.setattr(sys, "argv", ["links.py", given])
    links.main()
    assert links.address(copy) == NAME
