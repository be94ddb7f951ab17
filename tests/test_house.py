"""The house: files that must agree with each other."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import nstlib
from nstlib import backbones
from nstlib.pictures import sources

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
LIMITS = {".jpg": 300_000, ".png": 300_000, ".webp": 2_000_000, ".ipynb": 1_500_000, ".safetensors": 8_000_000}  # bytes
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements():
    extras = PROJECT["optional-dependencies"]
    return [*PROJECT["dependencies"], *extras["lab"], *extras["test"]]


def tracked_files():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a clone")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    names = {"torch": "pytorch", "POT": "pot", "build": "python-build"}
    wanted = {re.sub(r"^[\w-]+", lambda name: names.get(name[0], name[0]), entry) for entry in requirements()}
    assert wanted <= set(conda)
    assert f"python{PROJECT['requires-python']}" in conda


def test_the_lower_bounds_are_met_by_colabs_image():
    colab = {"torch": "2.11", "torchvision": "0.26", "numpy": "2.0", "pillow": "11", "matplotlib": "3.10"}
    bounds = dict(re.match(r"([\w-]+)\W+([\d.]+)", entry).groups() for entry in requirements())
    assert {name: bounds[name] for name in colab} == colab
    assert bounds["ipywidgets"] == "7.7"


def test_every_dependency_says_why_it_is_there():
    text = (ROOT / "pyproject.toml").read_text()
    for entry in [*requirements(), *PROJECT["optional-dependencies"]["site"]]:
        assert re.search(rf'"{re.escape(entry)}",\s+# \S', text), entry


def test_every_command_of_the_makefile_is_in_the_table_of_commands():
    targets = re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)
    assert {"demo", "test", "check", "lab"} <= set(targets)
    for target in targets:
        assert re.search(rf"^\| `make {target}\b.*` \| .*\S \|$", COMMANDS, re.MULTILINE), target


def test_the_cards_name_each_file_of_weights_by_its_digest():
    weights = ROOT / "nstlib" / "weights"
    cards = (weights / "README.md").read_text(encoding="utf-8")
    for path in weights.glob("*.safetensors"):
        assert f"`{path.name}`" in cards
        assert hashlib.sha256(path.read_bytes()).hexdigest() in cards, path.name


def test_readme_has_the_commands_that_a_visitor_needs_first():
    readme = (ROOT / "README.md").read_text()
    for target in ("demo", "test", "lab", "studio"):
        assert f"make {target}" in readme, target


def test_make_check_leaves_out_what_is_slow_and_nothing_else():
    test, check = (
        re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1] for target in ("test", "check")
    )
    left_out = ["\t$(SLOW_TESTS)", "\t$(BIN)/python tools/colab_tests.py"]
    assert test.splitlines() == [*check.splitlines(), *left_out]
    assert re.search(r'^FAST_TESTS = .* -m pytest -m "not slow" ', MAKEFILE, re.MULTILINE)
    assert re.search(r"^SLOW_TESTS = .* -m pytest -m slow ", MAKEFILE, re.MULTILINE)
    assert '`pytest -m "not slow"`' in COMMANDS


def test_the_docs_say_where_downloads_are_kept(monkeypatch, tmp_path):
    networks = (ROOT / "docs" / "networks.md").read_text()
    for name in ("NST_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if sys.platform == "linux":
        assert f"`~/{sources.cache_folder().relative_to(tmp_path)}` on Linux" in networks
        assert f"`~/{backbones.weights_path('vgg19').parent.relative_to(tmp_path)}`" in networks
    monkeypatch.setenv("NST_CACHE", str(tmp_path / "pictures"))
    assert sources.cache_folder() == tmp_path / "pictures"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert backbones.weights_path("vgg19").parent == tmp_path / "torch" / "hub" / "checkpoints"


def test_readme_lists_every_notebook_with_its_picture_its_time_and_its_colab_link():
    rows = re.findall(r"^\|.*\]\(notebooks/(\d\d_\w+)\.ipynb\).*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for stem in rows:
        row = re.search(rf"^\|.*\(notebooks/{stem}\.ipynb\).*$", (ROOT / "README.md").read_text(), re.MULTILINE)[0]
        assert f'src="visualizations/thumbnails/{stem}.jpg"' in row
        assert f"/blob/main/notebooks/{stem}.ipynb)" in row
        time = re.search(r"\| ([^|]+)<br>\[!", row)[1]
        promise = re.search(r"\*\*How long it takes\.\*\*.*", (ROOT / f"notebooks/{stem}.ipynb").read_text())[0]
        assert f"{time} on two CPU cores" in promise


def test_ci_runs_the_readmes_own_command():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()


def test_pictures_and_weights_stay_light():
    for path in tracked_files():
        limit = LIMITS.get(path.suffix, 200_000)
        assert path.stat().st_size <= limit, path


def test_the_package_carries_its_version_and_its_types():
    assert re.fullmatch(r"\d+\.\d+\.\d+", nstlib.__version__)
    assert (ROOT / "nstlib" / "py.typed").exists()
