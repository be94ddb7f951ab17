"""The workflows of GitHub Actions: they are sound, and they do what `make check` and `make site` do."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = shutil.which("actionlint", path=str(Path(sys.executable).parent)) or shutil.which("actionlint")


def jobs(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())["jobs"]


def commands(job):
    return [step["run"] for step in job["steps"] if "run" in step]


def recipe(target):
    """The commands of a target of the Makefile, with its variables put in."""
    text = (ROOT / "Makefile").read_text()
    lines = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)[1].replace("\t", "").splitlines()
    for name in ("FAST_TESTS", "SLOW_TESTS"):
        tests = re.search(rf"^{name} = OMP_NUM_THREADS=1 (.*)$", text, re.MULTILINE)[1]
        lines = [line.replace(f"$({name})", tests) for line in lines]
    return [line.replace("$(BIN)/", "") for line in lines]


@pytest.mark.skipif(ACTIONLINT is None, reason="no actionlint here: pip install -e '.[site]'")
def test_actionlint_finds_nothing_in_the_workflows():
    assert {path.name for path in WORKFLOWS} >= {"tests.yml", "pages.yml"}
    done = subprocess.run([ACTIONLINT, *map(str, WORKFLOWS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(ACTIONLINT is None, reason="no actionlint here: pip install -e '.[site]'")
def test_actionlint_would_find_a_mistake(tmp_path):
    wrong = (ROOT / ".github" / "workflows" / "tests.yml").read_text().replace("matrix.python", "matrix.snake", 1)
    (tmp_path / "tests.yml").write_text(wrong)
    done = subprocess.run([ACTIONLINT, str(tmp_path / "tests.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "snake" in done.stdout


def test_every_system_and_every_python_does_what_make_check_does():
    check = jobs("tests.yml")["check"]
    assert {name.split("-")[0] for name in check["strategy"]["matrix"]["os"]} == {"ubuntu", "macos", "windows"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [re.search(r":: (3\.\d+)$", classifier) for classifier in project["classifiers"]]
    assert check["strategy"]["matrix"]["python"] == [found[1] for found in named if found]
    _, install, *rest = commands(check)
    extras = re.search(r"\.tested: .*\n\t\$\(PIP\) --editable (\S+)", (ROOT / "Makefile").read_text())[1]
    assert install.endswith(extras)
    assert rest == recipe("check")


def test_the_slow_tests_run_once():
    slow = jobs("tests.yml")["slow"]
    assert "strategy" not in slow
    (slow_tests,) = [command for command in recipe("test") if "-m slow" in command]
    assert slow_tests in commands(slow)


def test_the_site_that_is_published_is_the_one_of_make_site():
    pages = jobs("pages.yml")
    assert any(command.startswith("make page site") for command in commands(pages["build"]))
    upload = next(step for step in pages["build"]["steps"] if "upload-pages-artifact" in step.get("uses", ""))
    assert upload["with"]["path"] == "build/site"
    assert pages["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
