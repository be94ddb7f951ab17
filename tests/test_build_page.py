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


@pytest.mark.parametrize(
    ("said", "kind"), [("npm error code EAI_AGAIN", "Unreachable"), ("npm error EINTEGRITY", "SystemExit")]
)
def test_a_missing_network_is_told_from_other_faults(tmp_path, monkeypatch, said, kind):
    npm = tmp_path / "npm.py"
    npm.write_text(f"#!{sys.executable}\nimport sys\nsys.exit({said!r})\n")
    npm.chmod(0o755)
    monkeypatch.setattr(build_page.shutil, "which", lambda _: str(npm))
    with pytest.raises(SystemExit, match=said) as failed:
        build_page.installed(tmp_path / "packages")
    assert type(failed.value).__name__ == kind
    assert not (tmp_path / "packages" / "installed.json").exists()


def test_each_script_on_the_page_names_elements_that_are_there():
    html = (ROOT / "page" / "index.html").read_text()
    used = set(re.findall(r"""(?:find|on)\("([\w-]+)\"""", (ROOT / "page" / "js" / "main.js").read_text()))
    assert used <= set(re.findall(r'\bid="([\w-]+)"', html))
    assert len(used) > 15
