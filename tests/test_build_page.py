"""The page that paints, as it stands in the repository: what its tool needs to build it, without npm or a browser."""

import json
import re
import sys
from pathlib import Path

import pytest

import nstlib as nst

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import build_page  # noqa: E402

SOURCES = [path for path in sorted((ROOT / "page").rglob("*")) if path.suffix in {".html", ".css", ".js"}]


def test_every_style_of_the_network_has_a_picture_for_its_thumbnail(tmp_path):
    styles = nst.load_network(device="cpu").styles
    build_page._write_thumbnails(styles, tmp_path / "styles")
    assert {path.stem for path in (tmp_path / "styles").iterdir()} == set(styles)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_works_from_any_folder_and_asks_no_other_host(path):
    text = re.sub(r"https://github\.com/[\w./-]+", "", path.read_text())
    for begins in (r"https?://[\w]", r"""["'(]//""", r"""(?:src|href)=["']/""", r"""(?:fetch|import|url)\(["']?/"""):
        assert not re.search(begins, text), f"{begins} in {path}"


def test_versions_are_pinned_and_the_lock_agrees():
    package = json.loads((ROOT / "page" / "package.json").read_text())
    locked = json.loads((ROOT / "page" / "package-lock.json").read_text())["packages"]
    for name, version in {**package["dependencies"], **package["devDependencies"]}.items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all(entry.get("integrity") for name, entry in locked.items() if name)


def test_a_machine_without_npm_is_told_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setattr(build_page.shutil, "which", lambda _: None)
    with pytest.raises(build_page.Unreachable, match="nodejs"):
        build_page.build(tmp_path / "page", tmp_path / "npm")
    assert not (tmp_path / "page").exists()


def npm_that(folder, monkeypatch, *answers):
    """A stand-in for npm that gives these answers, one a call, the last for good; gives the file that counts calls."""
    npm, calls = folder / "npm.py", folder / "calls"
    npm.write_text(
        f"#!{sys.executable}\nimport sys\nwith open({str(calls)!r}, 'a+') as calls:\n"
        f"    calls.write('.')\n    calls.seek(0)\n    count = len(calls.read())\n"
        f"sys.exit({answers!r}[:count][-1])\n"
    )
    npm.chmod(0o755)
    monkeypatch.setattr(build_page.shutil, "which", lambda _: str(npm))
    monkeypatch.setattr(build_page, "PAUSE", 0.0)
    return calls


@pytest.mark.parametrize(
    ("said", "kind", "tries"),
    [
        ("npm error code EAI_AGAIN", "Unreachable", 3),
        ("npm error code E503\nnpm error 503 Service Unavailable", "Unreachable", 3),
        ("npm error Exit handler never called!", "Unreachable", 3),
        ("npm error code EINTEGRITY", "SystemExit", 1),
        ("npm error code EUSAGE", "SystemExit", 1),
    ],
)
def test_a_registry_that_fails_is_told_from_faults_of_our_own_and_asked_again(tmp_path, monkeypatch, said, kind, tries):
    calls = npm_that(tmp_path, monkeypatch, said)
    with pytest.raises(SystemExit, match=said) as failed:
        build_page.installed(tmp_path / "packages")
    assert type(failed.value).__name__ == kind
    assert len(calls.read_text()) == tries
    assert not (tmp_path / "packages" / "installed.json").exists()


def test_a_registry_that_comes_back_is_enough(tmp_path, monkeypatch):
    calls = npm_that(tmp_path, monkeypatch, "npm error code ECONNRESET", 0)
    build_page.installed(tmp_path / "packages")
    assert len(calls.read_text()) == 2
    assert (tmp_path / "packages" / "installed.json").exists()


def test_each_script_on_the_page_names_elements_that_are_there():
    html = (ROOT / "page" / "index.html").read_text()
    used = set(re.findall(r"""(?:find|on)\("([\w-]+)\"""", (ROOT / "page" / "js" / "main.js").read_text()))
    assert used <= set(re.findall(r'\bid="([\w-]+)"', html))
    assert len(used) > 15
