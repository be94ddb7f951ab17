"""Run the tests of widgets and notebooks with Colab's versions of IPython, ipykernel and ipywidgets.

python tools/colab_tests.py               all of them
python tools/colab_tests.py -k upload     with options for pytest

The folder .venv-colab becomes a second environment: a few packages of the versions in tests/colab.txt, and behind them
everything of the environment that runs this script, PyTorch included. Where the package index cannot be reached, it
says so and runs nothing.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "tests" / "colab.txt"
NOTEBOOK = "06_live_studio"  # executed from top to bottom; it asks the most of IPython and the widgets
UNREACHABLE = ("connection", "resolve", "timed out", "proxy", "network", "ssl")


class Unreachable(Exception):
    """The package index does not answer."""


def make(folder: Path) -> Path:
    """Make the environment, unless it is there and as it should be; gives its Python.

    Raises:
        Unreachable, SystemExit where a package cannot be installed for another reason.
    """
    stamp, wanted = folder / "made-of.txt", f"{sys.executable} {sys.version}\n{PINS.read_text(encoding='utf-8')}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, symlinks=sys.platform != "win32")
    install(python)
    own, shared = asked(python, "import sysconfig; print(sysconfig.get_path('purelib'))"), sysconfig.get_path("purelib")
    # The name puts it last, and so what it adds behind the environment's own packages.
    Path(own, "zz_shared.pth").write_text(f"import site; site.addsitedir({shared!r})\n", encoding="utf-8")
    stamp.write_text(wanted, encoding="utf-8")
    return python


def install(python: Path) -> None:
    """Install the pinned packages into an environment that has no pip of its own."""
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    command = [*pip, "install", "--quiet", "--no-deps", "--retries", "1", "--requirement", str(PINS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and any(word in done.stderr.lower() for word in UNREACHABLE):
        raise Unreachable(done.stderr.strip().splitlines()[0])
    if done.returncode:
        raise SystemExit(f"{PINS.name} cannot be installed:\n{done.stderr}")


def check(python: Path) -> None:
    """Stop unless a program in the environment sees the pinned versions."""
    for name, version in (line.split("==") for line in PINS.read_text().splitlines() if "==" in line):
        seen = asked(python, f"import importlib.metadata; print(importlib.metadata.version({name!r}))")
        if seen != version:
            raise SystemExit(f"{python} sees {name} {seen}, not {version}")


def asked(python: Path, program: str) -> str:
    """What a program of one line prints."""
    return subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def main() -> int:
    """Make the environment and run the tests in it; gives the status of pytest, or 0 where there is no index."""
    try:
        python = make(ROOT / ".venv-colab")
    except Unreachable as reason:
        print(f"SKIPPED the tests with Colab's versions: the package index cannot be reached ({reason})")
        return 0
    check(python)
    tests = [*map(str, sorted((ROOT / "tests").glob("test_live*.py"))), str(ROOT / "tests" / "test_notebooks.py")]
    chosen = f"test_live or set_up or (it_runs and {NOTEBOOK})"
    command = [str(python), "-m", "pytest", "-q", "-k", chosen, *tests, *sys.argv[1:]]
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # or the debugger of ipykernel warns of something else
    return subprocess.run(command, cwd=ROOT, env=os.environ | quiet, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
