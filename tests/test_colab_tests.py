"""The second environment, with Colab's versions: it is made once, and says so where it cannot be made."""

import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import colab_tests  # noqa: E402


@pytest.fixture(autouse=True)
def _the_python_at_work(monkeypatch, request):
    """These tests make no environment of another Python: that takes minutes."""
    if "chosen" not in request.fixturenames:
        monkeypatch.setattr(colab_tests, "interpreter", lambda: Path(sys.executable))


@pytest.fixture
def chosen(monkeypatch, tmp_path):
    """A function that gives the Python that is chosen where nothing but the given files is there."""

    def choose(files=(), running=(3, 12), says="True"):
        for name in files:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#!/bin/sh\necho {says}\n")
            path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
        monkeypatch.setattr(colab_tests.sys, "version_info", (*running, 1))
        python = colab_tests.interpreter()
        return python.relative_to(tmp_path) if python.is_relative_to(tmp_path) else python

    return choose


PATH, PYENV = "path/python3.13", "pyenv/versions/3.13.0/bin/python"


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts of Unix")
def test_colabs_python_is_chosen_where_one_is_at_hand(chosen):
    assert chosen([PYENV]) == Path(PYENV)
    assert chosen([PYENV, PATH]) == Path(PATH)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts of Unix")
def test_uv_knows_where_colabs_python_is(chosen, tmp_path):
    assert chosen(["uv/python3.13"]) == Path(sys.executable)
    uv = tmp_path / "path" / "uv"
    uv.parent.mkdir()
    uv.write_text(f'#!/bin/sh\necho "{tmp_path}/uv/python3.13"\n')
    uv.chmod(0o755)
    assert chosen() == Path("uv/python3.13")


def test_without_colabs_python_it_is_the_one_at_work(chosen):
    assert chosen() == Path(sys.executable)


def test_colabs_python_at_work_needs_no_other(chosen):
    assert chosen([PATH], running=(3, 13)) == Path(sys.executable)


@pytest.mark.parametrize("says", ["False", "2> /dev/null; exit 127"], ids=["another version", "it does not run"])
def test_what_is_only_called_colabs_python_is_passed_over(chosen, says):
    assert chosen([PATH, PYENV], says=says) == Path(sys.executable)


def test_the_python_at_work_is_not_taken_for_colabs():
    assert colab_tests.is_colabs(Path(sys.executable)) == (sys.version_info[:2] == (3, 13))
    assert not colab_tests.is_colabs(Path("/nowhere/python3.13"))


def test_a_python_newer_than_colabs_goes_without_its_numpy(monkeypatch):
    monkeypatch.setattr(colab_tests, "asked", lambda *_: "True")
    assert "numpy" not in colab_tests.pins(Path("python3.14"))
    monkeypatch.setattr(colab_tests, "asked", lambda *_: "False")
    assert colab_tests.pins(Path("python3.12"))["numpy"] == "2.1.3"


@pytest.mark.parametrize("other", [False, True], ids=["the Python at work", "another Python"])
def test_another_python_gets_everything_and_the_one_at_work_shares(monkeypatch, tmp_path, other):
    base, installed, shared, linked = tmp_path / "python", [], [], []
    monkeypatch.setattr(colab_tests, "link_libraries", linked.append)
    base.symlink_to(sys.executable)
    monkeypatch.setattr(colab_tests, "interpreter", lambda: base if other else Path(sys.executable))
    monkeypatch.setattr(colab_tests, "install", lambda python, name, *what: installed.append((name, *what)))
    monkeypatch.setattr(colab_tests, "share", shared.append)
    python = colab_tests.make(tmp_path / "environment")
    everything = [("nstlib", "--editable", f"{colab_tests.ROOT}[lab,test]")]
    assert linked == ([python] if other else [])
    assert installed[:-1] == (everything if other else [])
    assert "ipython==7.34.0" in installed[-1]
    assert shared == ([] if other else [python])


def packages_of(folder, **versions):
    """Packages of one library each, that share a file, as pip leaves them."""
    for name, version in versions.items():
        (folder / "nvidia" / "lib").mkdir(parents=True, exist_ok=True)
        files = {f"nvidia/lib/{name}.so": name, "nvidia/__init__.py": ""}
        about = f"nvidia_{name}-{version}.dist-info"
        files[f"{about}/METADATA"] = f"Metadata-Version: 2.1\nName: nvidia-{name}\nVersion: {version}\n"
        files[f"{about}/RECORD"] = "\n".join(f"{file},," for file in [*files, f"{about}/RECORD", "nvidia/gone.pyc"])
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(text)


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_another_python_has_the_libraries_of_cuda_without_downloading_them_and_may_lose_them(
    monkeypatch, tmp_path, links
):
    packages_of(tmp_path / "here", cublas="13.1", cufft="12.0")
    (tmp_path / "here" / "torch-3.dist-info").mkdir()
    (tmp_path / "here" / "torch-3.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torch\nVersion: 3\n"
    )
    found = list(importlib.metadata.distributions(path=[str(tmp_path / "here")]))
    assert {package.metadata["Name"] for package in found} == {"nvidia-cublas", "nvidia-cufft", "torch"}
    distributions = importlib.metadata.distributions
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: found)
    monkeypatch.setattr(colab_tests, "asked", lambda *_: str(tmp_path / "there"))
    if not links:
        monkeypatch.setattr(colab_tests.os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links")))
    colab_tests.link_libraries(Path("python3.13"))
    linked = distributions(path=[str(tmp_path / "there")])
    assert {package.metadata["Name"]: package.version for package in linked} == {
        "nvidia-cublas": "13.1",
        "nvidia-cufft": "12.0",
    }
    library = tmp_path / "there" / "nvidia" / "lib" / "cublas.so"
    assert library.samefile(tmp_path / "here" / "nvidia" / "lib" / "cublas.so") == links
    library.unlink()
    assert (tmp_path / "here" / "nvidia" / "lib" / "cublas.so").read_text() == "cublas"


def test_the_pins_are_colabs_versions():
    pins = dict(line.split("==") for line in colab_tests.PINS.read_text().splitlines() if "==" in line)
    assert {"ipywidgets": "7.7.1", "ipython": "7.34.0", "ipykernel": "6.17.1", "numpy": "2.1.3"}.items() <= pins.items()
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
    monkeypatch.setattr(colab_tests, "install", lambda *_: None)
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
