"""The second environment, with Colab's versions: it is made once, and says so where it cannot be made."""

import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import colab_tests  # noqa: E402


def test_the_pins_are_colabs_versions():
    pins = dict(line.split("==") for line in colab_tests.PINS.read_text().splitlines() if "==" in line)
    assert {"ipywidgets": "7.7.1", "ipython": "7.34.0", "ipykernel": "6.17.1"}.items() <= pins.items()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(entry.startswith("ipywidgets>=7.7") for entry in extras["lab"])


def test_without_the_package_index_it_says_that_it_skips(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(colab_tests, "ROOT", tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    assert colab_tests.main() == 0
    assert "SKIPPED" in capsys.readouterr().out


def test_a_pin_that_does_not_exist_is_no_reason_to_skip(monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(SystemExit, match=r"colab\.txt cannot be installed"):
        colab_tests.make(tmp_path / "environment")


def test_an_environment_that_is_as_it_should_be_stays(monkeypatch, tmp_path):
    monkeypatch.setattr(colab_tests, "install", lambda python: None)
    python = colab_tests.make(tmp_path / "environment")
    (tmp_path / "environment" / "kept.txt").touch()
    assert colab_tests.make(tmp_path / "environment") == python
    assert (tmp_path / "environment" / "kept.txt").exists()
    monkeypatch.setattr(colab_tests, "PINS", tmp_path / "other.txt")
    (tmp_path / "other.txt").write_text("ipywidgets==7.7.0\n")
    colab_tests.make(tmp_path / "environment")
    assert not (tmp_path / "environment" / "kept.txt").exists()


def test_other_versions_than_the_pinned_ones_are_noticed(monkeypatch, tmp_path):
    (tmp_path / "pins.txt").write_text("nstlib==99\n")
    monkeypatch.setattr(colab_tests, "PINS", tmp_path / "pins.txt")
    with pytest.raises(SystemExit, match="not 99"):
        colab_tests.check(Path(sys.executable))
