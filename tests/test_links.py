"""The repository's address: in one place, and every link agrees with it."""

import json
import re
import shutil
import subprocess
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
    for path in (*ROOT.glob("*.md"), ROOT / "CITATION.cff", ROOT / "pyproject.toml"):
        shutil.copy(path, tmp_path)
    for folder in ("docs", ".github"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "nstlib" / "pictures").mkdir(parents=True)
    shutil.copy(ROOT / "nstlib" / "pictures" / "sources.py", tmp_path / "nstlib" / "pictures")
    (tmp_path / "page").mkdir()
    shutil.copy(ROOT / "page" / "index.html", tmp_path / "page")
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
    assert {path.suffix for path in changed} == {".toml", ".cff", ".md", ".yml", ".ipynb", ".py", ".html"}
    assert links.address(copy) == NAME
    assert links.disagreements(copy) == []
    for path, text in texts(copy).items():
        assert links.PLACEHOLDER not in text, path
        assert links.site_link(links.PLACEHOLDER) not in text, path
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
        ("pyproject.toml", r"OWNER/NAME/issues", "someone/else/issues"),
        ("pyproject.toml", r"usercontent\.com/OWNER/NAME", "usercontent.com/someone/else"),
        ("CITATION.cff", r"OWNER/NAME", "someone/else"),
        ("docs/commands.md", r"OWNER/NAME", "someone/else"),
        ("nstlib/pictures/sources.py", r"OWNER/NAME", "someone/else"),
        ("page/index.html", r"OWNER/NAME(?=/blob)", "someone/else"),
        ("notebook", r"github/OWNER/NAME/blob", "github/someone/else/blob"),
        ("notebook", r"colab-badge\.svg\)\]\(.*?\)", "colab-badge.svg)](https://example.org)"),
        ("notebook", r"\[!\[Open in Colab\].*?\.ipynb\)", ""),
        ("notebook", r'REPO = \\"\\"', r"REPO = \"https://github.com/someone/else\""),
        ("notebook", r"here\.parents", "here.parent"),
        ("notebook", r"\]\(\.\./vis", "](https://raw.githubusercontent.com/someone/else/main/vis"),
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


@pytest.fixture
def told(copy, monkeypatch):
    """A function that gives the tool its arguments, in the copy."""
    monkeypatch.setattr(links, "ROOT", copy)
    monkeypatch.setattr(links.address, "__defaults__", (copy,))

    def tell(*arguments):
        monkeypatch.setattr(sys, "argv", ["links.py", *arguments])
        links.main()
        return links.address(copy)

    return tell


FORMS = [
    f"https://github.com/{NAME}",
    f"https://github.com/{NAME}.git",
    f"https://github.com/{NAME}/",
    f"https://www.github.com/{NAME}",
    f"https://ada:secret@github.com/{NAME}.git",
    f"http://github.com/{NAME}",
    f"git@github.com:{NAME}.git",
    f"git@github.com:{NAME}",
    f"ssh://git@github.com/{NAME}.git",
    f"ssh://git@ssh.github.com:443/{NAME}.git",
    f"git://github.com/{NAME}.git",
    f"https://GitHub.com/{NAME}",
]


@pytest.mark.parametrize("given", [NAME, f"github.com/{NAME}", *FORMS])
def test_the_address_can_be_pasted_as_the_browser_and_git_write_it(told, given):
    assert told(given) == NAME


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("remote", FORMS)
def test_without_an_address_it_takes_that_of_the_remote(copy, told, remote):
    git(copy, "init", "--quiet")
    git(copy, "remote", "add", "origin", remote)
    assert told() == NAME


@pytest.mark.parametrize(
    "remote",
    [
        None,
        "https://gitlab.com/ada/brush-strokes.git",
        "https://ada:secret@gitlab.com/ada/brush-strokes.git",
        "https://notgithub.com/ada/brush-strokes",
        "git@example.org:github.com/ada/brush-strokes.git",
        "/srv/ada/brush-strokes",
        "ada/brush-strokes",
    ],
)
def test_a_remote_that_tells_no_address_changes_nothing_and_says_what_to_do(copy, told, remote):
    git(copy, "init", "--quiet")
    if remote:
        git(copy, "remote", "add", "origin", remote)
    links.write(copy, OTHER)
    before = texts(copy / "notebooks")
    with pytest.raises(SystemExit, match=rf"make links REPO=owner/name \(REPO={OTHER} ") as refused:
        told()
    assert "secret" not in str(refused.value)
    assert texts(copy / "notebooks") == before


def test_a_copy_within_another_clone_has_no_remote(copy, told):
    git(copy.parent, "init", "--quiet")
    git(copy.parent, "remote", "add", "origin", FORMS[0])
    try:
        with pytest.raises(SystemExit, match="no remote origin"):
            told()
    finally:
        shutil.rmtree(copy.parent / ".git")


def test_without_git_it_says_what_to_do(told, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"no git .* make links REPO=owner/name"):
        told()


def pictures(folder):
    """The addresses of the pictures in the prose of each notebook, but for the badge."""
    sources = {
        path: "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
        for path in sorted((folder / "notebooks").glob("*.ipynb"))
    }
    return {path: re.findall(r"(?<!\[)!\[[^\]]*\]\((.*?)\)", source) for path, source in sources.items()}


def test_pictures_of_notebooks_lead_to_the_web_where_the_address_is_known(copy):
    for path, found in pictures(copy).items():
        assert found, path
        assert all((ROOT / "notebooks" / address).is_file() for address in found)
    for slug in (NAME, OTHER):
        links.write(copy, slug)
        for path, found in pictures(copy).items():
            web = f"https://raw.githubusercontent.com/{slug}/main/"
            assert all(address.startswith(web) for address in found), path
            assert all((ROOT / address.removeprefix(web)).is_file() for address in found)


@pytest.mark.parametrize(
    ("beside", "on_the_web"),
    [
        ("![a](../img/a.jpg)", f"![a](https://raw.githubusercontent.com/{NAME}/main/img/a.jpg)"),
        (
            '<img width="9" src="../img/a.jpg">',
            f'<img width="9" src="https://raw.githubusercontent.com/{NAME}/main/img/a.jpg">',
        ),
        ("[![a](../img/a.jpg)](b.ipynb)", f"[![a](https://raw.githubusercontent.com/{NAME}/main/img/a.jpg)](b.ipynb)"),
        ("[no picture](../nstlib/losses.py)", "[no picture](../nstlib/losses.py)"),
        ("![theirs](https://raw.githubusercontent.com/a/b/main/logo.png)",) * 2,
        ("![attached](attachment:a.png)",) * 2,
    ],
)
def test_only_pictures_of_the_project_lead_elsewhere(beside, on_the_web):
    assert links._with_pictures(beside, NAME) == on_the_web
    assert links._with_pictures(on_the_web, NAME) == on_the_web
    assert links._with_pictures(on_the_web, links.PLACEHOLDER) == beside


@pytest.mark.parametrize(
    "layout",
    [{"indent": 1, "ensure_ascii": False}, {"indent": 2, "ensure_ascii": True}, {"indent": None}],
    ids=["Jupyter", "another", "one line"],
)
@pytest.mark.parametrize("as_text", [False, True], ids=["lists of lines", "texts"])
@pytest.mark.parametrize("end", ["", "\n"])
def test_everything_else_in_a_notebook_stays_byte_by_byte(copy, layout, as_text, end):
    path = first_notebook(copy)
    notebook = json.loads(path.read_text())
    notebook["metadata"] = {"zebra": 1e-05, "apple": "é"}  # not in the order of the alphabet
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]) if as_text else cell["source"]
    before = json.dumps(notebook, **layout) + end
    path.write_text(before)
    assert links.disagreements(copy) == []
    assert path in links.write(copy, NAME)
    links.write(copy, links.PLACEHOLDER)
    assert path.read_text() == before
