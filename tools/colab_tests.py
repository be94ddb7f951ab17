"""Run the tests of widgets and notebooks with Colab's versions of Python, IPython, ipykernel and ipywidgets.

python tools/colab_tests.py               all of them
python tools/colab_tests.py -k upload     with options for pytest

The folder .venv-colab becomes a second environment, with the versions in tests/colab.txt. Where Colab's Python is at
hand (on the PATH, from pyenv, uv or Windows' launcher), it is an environment of that Python, with everything that the
tests need: another 3 GB, once; CUDA's libraries are linked. Elsewhere it is of the Python that runs this script, and
behind the few packages of Colab's versions stands everything of the environment at work, PyTorch included. Where the
package index cannot be reached, it says so and runs nothing.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS, PROJECT = ROOT / "tests" / "colab.txt", ROOT / "pyproject.toml"
PYTHON = (3, 13)  # Colab's
NOTEBOOK = "06_live_studio"  # executed from top to bottom; it asks the most of IPython and the widgets
UNREACHABLE = ("connection", "resolve", "timed out", "proxy", "network", "ssl")


class Unreachable(Exception):
    """The package index does not answer."""


def interpreter() -> Path:
    """Colab's Python, where one is at hand, else the one that runs this."""
    if sys.version_info[:2] == PYTHON:
        return Path(sys.executable)
    return next((python for python in candidates() if is_colabs(python)), Path(sys.executable))


def candidates() -> Iterator[Path]:
    """Where Colab's Python may be; what is there may not be one, or not run."""
    name = ".".join(map(str, PYTHON))
    if found := shutil.which(f"python{name}"):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    yield from sorted((folder / "bin" / "python" for folder in pyenv.glob(f"{name}.*")), reverse=True)
    for command in (
        ["uv", "python", "find", "--system", name],
        ["py", f"-{name}", "-c", "import sys; print(sys.executable)"],
    ):
        with suppress(OSError):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0 and done.stdout.strip():
                yield Path(done.stdout.strip())


def is_colabs(python: Path) -> bool:
    """Whether it runs, is of Colab's version, and can make environments."""
    program = f"import ensurepip, sys, venv; print(sys.version_info[:2] == {PYTHON})"  # Debian's may lack ensurepip
    try:
        return asked(python, program) == "True"
    except (OSError, subprocess.CalledProcessError):
        return False


def make(folder: Path) -> Path:
    """Make the environment, unless it is there and as it should be; gives its Python.

    Raises:
        Unreachable, SystemExit where a package cannot be installed for another reason.
    """
    base, stamp = interpreter(), folder / "made-of.txt"
    version = asked(base, "import sys; print(sys.version)")
    wanted = "\n".join([str(base), version, *(path.read_text(encoding="utf-8") for path in (PINS, PROJECT))])
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    links = "--copies" if sys.platform == "win32" else "--symlinks"
    subprocess.run([str(base), "-m", "venv", links, "--without-pip", str(folder)], check=True)
    if base != Path(sys.executable):
        print(f"installing what the tests need for {base}, once: some minutes and 3 GB", flush=True)
        link_libraries(python)
        install(python, "nstlib", "--editable", f"{ROOT}[lab,test]")
    install(python, PINS.name, "--no-deps", *(f"{name}=={version}" for name, version in pins(python).items()))
    if base == Path(sys.executable):
        share(python)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def link_libraries(python: Path) -> None:
    """Let an environment have CUDA's libraries, which are the same for every Python, without another copy of 3 GB.

    The links are hard: what pip removes in one environment stays in the other.
    """
    there = Path(asked(python, "import sysconfig; print(sysconfig.get_path('purelib'))"))
    for package in importlib.metadata.distributions():
        if package.metadata["Name"].startswith("nvidia-"):
            for file in package.files or ():
                link(Path(str(package.locate_file(file))), there / file)


def link(source: Path, target: Path) -> None:
    """Link a file that is there, or copy it where the file system has no hard links."""
    if source.exists() and not target.exists():  # packages share folders, and some files
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)


def share(python: Path) -> None:
    """Let an environment see the packages of the one at work, behind its own."""
    own, shared = asked(python, "import sysconfig; print(sysconfig.get_path('purelib'))"), sysconfig.get_path("purelib")
    # The name puts it last, and so what it adds behind the environment's own packages.
    Path(own, "zz_shared.pth").write_text(f"import site; site.addsitedir({shared!r})\n", encoding="utf-8")


def pins(python: Path) -> dict[str, str]:
    """Package to version; without NumPy where Python is newer than Colab's, for which that NumPy was not built."""
    lines = [line for line in PINS.read_text(encoding="utf-8").splitlines() if "==" in line]
    found = dict(line.strip().split("==") for line in lines)
    if asked(python, f"import sys; print(sys.version_info[:2] > {PYTHON})") == "True":
        found.pop("numpy", None)
    return found


def install(python: Path, name: str, *what: str) -> None:
    """Install packages, called `name` where that fails, into an environment that has no pip of its own."""
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    command = [*pip, "install", "--quiet", "--retries", "1", *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and any(word in done.stderr.lower() for word in UNREACHABLE):
        raise Unreachable(done.stderr.strip().splitlines()[0])
    if done.returncode:
        raise SystemExit(f"{name} cannot be installed:\n{done.stderr}")


def check(python: Path) -> None:
    """Stop unless a program in the environment sees the pinned versions."""
    for name, version in pins(python).items():
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
