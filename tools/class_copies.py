"""Copies of the notebooks for a class, and slides, all from the one committed notebook; into build/class/.

python tools/class_copies.py                  of all notebooks
python tools/class_copies.py 03 06            of those whose names begin so
python tools/class_copies.py --no-answers     without the answer copies, which have to be run

students/  a folder that works on its own: stubs, no solutions, no outputs, and the package beside them
answers/   the same with the solutions filled in, run, and found right by the checkers
slides/    one HTML file for each notebook, which opens without a net and without a server

Each is there as a zip, too. Students' copies and slides take a minute; the answer copies are run one after the other,
and each takes as long as its notebook says.
"""

import argparse
import re
import shutil
import sys
import time
from copy import deepcopy
from pathlib import Path

import execute_notebooks
import nbformat
from exercises import answered, unsolved, without_solutions
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build" / "class"
CARRIED = ("nstlib", "img", "visualizations", "LICENSE", "pyproject.toml")  # so that a folder works on its own
LEFT_OUT = shutil.ignore_patterns("__pycache__", "results", ".ipynb_checkpoints")
BADGE = re.compile(r"\n*\[!\[Open in Colab\][^\n]*")
LINKED = re.compile(r"\]\((\.\./[^)#\s]+)")
START = """# Neural style transfer: notebooks for a class

You need Python 3.11 or later. In this folder:

```sh
python -m venv .venv
source .venv/bin/activate        # on Windows: .venv\\Scripts\\activate
python -m pip install -e ".[lab]"
jupyter lab --LabApp.default_url=/lab/tree/notebooks
```

Where your teacher has installed everything, the last line is enough.
"""


def student_copy(notebook: NotebookNode) -> NotebookNode:
    """Stubs as they are, hints, no solutions, no outputs, and no badge, since that leads to the solutions."""
    copy = without_badge(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = without_solutions(cell.source)
        else:
            cell.outputs, cell.execution_count = [], None
    return copy


def answer_copy(notebook: NotebookNode) -> NotebookNode:
    """The solutions in place of the stubs, not run yet; the outputs are those of before."""
    return without_badge(answered(notebook))


def without_badge(notebook: NotebookNode) -> NotebookNode:
    """A copy of a notebook that does not lead to the original."""
    copy = deepcopy(notebook)
    copy.cells[0].source = BADGE.sub("", copy.cells[0].source)
    return copy


def folder_for(kind: str, paths: list[Path]) -> Path:
    """A fresh folder with all that notebooks need beside them, such as the package and the pictures in their prose."""
    folder = fresh(kind)
    for name in CARRIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=LEFT_OUT)
        else:
            shutil.copy(source, folder)
    (folder / "README.md").write_text(START, encoding="utf-8")
    for path in paths:
        for address in LINKED.findall("\n".join(cell.source for cell in read(path).cells)):
            target = folder / "notebooks" / address
            if not target.resolve().exists():
                target.resolve().parent.mkdir(parents=True, exist_ok=True)
                shutil.copy((NOTEBOOKS / address).resolve(), target.resolve())
    (folder / "notebooks").mkdir()
    return folder


def fresh(kind: str) -> Path:
    """An empty folder; what an earlier call has left there is gone."""
    folder = BUILD / kind
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def read(path: Path) -> NotebookNode:
    """A notebook from its file."""
    return nbformat.read(path, as_version=4)


def packed(folder: Path) -> None:
    """The zip of a folder, beside it; unpacked, it is one folder."""
    archive = shutil.make_archive(str(folder), "zip", folder.parent, folder.name)
    print(f"{shown(Path(archive))}: {Path(archive).stat().st_size / 1e6:.1f} MB", flush=True)


def shown(path: Path) -> Path:
    """A path as it is printed: from the repository's root, where it is below that."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def make_students(paths: list[Path]) -> None:
    """Write the students' copies."""
    folder = folder_for("students", paths)
    for path in paths:
        nbformat.write(student_copy(read(path)), folder / "notebooks" / path.name)
    packed(folder)


def make_slides(paths: list[Path]) -> None:
    """Write the slides."""
    try:
        import class_slides
    except ImportError as error:
        raise SystemExit(f'{error}. Slides need: python -m pip install -e ".[class]"') from error
    folder = fresh("slides")
    for path in paths:
        deck = class_slides.deck(read(path), path.parent)
        (folder / f"{path.stem}.html").write_text(deck, encoding="utf-8")
    packed(folder)


def make_answers(paths: list[Path]) -> bool:
    """Write the answer copies and run them; whether all checkers are content."""
    folder, content = folder_for("answers", paths), True
    for path in paths:
        began, place = time.perf_counter(), folder / "notebooks" / path.name
        nbformat.write(answer_copy(read(path)), place)
        try:
            run = execute_notebooks.execute(place)
        except CellExecutionError as error:
            print(f"{path.name}: a cell of the answer copy failed\n{error}", file=sys.stderr)
            place.unlink()
            content = False
            continue
        execute_notebooks.write(run, place)
        print(f"{shown(place)}: {time.perf_counter() - began:.0f} s", flush=True)
        for name, said in unsolved(run).items():
            print(f"{path.name}: the checker of {name} is not content: {said}", file=sys.stderr)
            content = False
    packed(folder)
    return content


def main() -> int:
    """Make what the command line asks for; gives 1 if an answer copy fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of names, such as 03; all notebooks without any")
    parser.add_argument("--no-answers", action="store_true", help="make no answer copies, which have to be run")
    chosen = parser.parse_args()
    paths = [p for p in sorted(NOTEBOOKS.glob("*.ipynb")) if not chosen.names or p.name.startswith((*chosen.names,))]
    if not paths:
        parser.error(f"no notebook in {NOTEBOOKS} begins with {' or '.join(chosen.names)}")
    make_students(paths)
    make_slides(paths)
    return 0 if chosen.no_answers or make_answers(paths) else 1


if __name__ == "__main__":
    sys.exit(main())
