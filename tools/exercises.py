"""How exercises are written in the notebooks, read once for all: by the tests, and by tools/class_copies.py.

An exercise has a prose cell, `### Exercise 1: ...`, with a folded hint and a folded solution; below it a stub, a cell
that defines the function to be written and shows what its checker says; and, further up, the checker, `check_` before
the function's name.
"""

import ast
import re
from copy import deepcopy
from typing import NamedTuple

from nbformat import NotebookNode

FOLDED_SOLUTION = re.compile(r"\n*<details><summary>Solution</summary>(.*?)</details>", re.DOTALL)
RIGHT = "Right."  # what a checker says of a solution


class Exercise(NamedTuple):
    """The sources of an exercise, and which of the notebook's cells holds its stub."""

    checker: str
    stub: str
    solution: str
    at: int


def plain(source: str) -> str:
    """Python without IPython's magics."""
    return "\n".join(line for line in source.splitlines() if not line.startswith(("%", "!")))


def functions(source: str) -> list[str]:
    """The names of the functions that a cell defines."""
    return [node.name for node in ast.parse(plain(source)).body if isinstance(node, ast.FunctionDef)]


def exercises(notebook: NotebookNode) -> dict[str, Exercise]:
    """The exercises of a notebook, by the names of the functions to be written."""
    sources = [cell.source if cell.cell_type == "code" else "" for cell in notebook.cells]
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    folded = re.findall(r"```python\n(.*?)```", "\n".join(FOLDED_SOLUTION.findall(prose)), re.DOTALL)
    found = {}
    for checker in sources:
        for name in [name.removeprefix("check_") for name in functions(checker) if name.startswith("check_")]:
            at = next(place for place, source in enumerate(sources) if name in functions(source))
            solution = next(source for source in folded if name in functions(source))
            found[name] = Exercise(checker, sources[at], solution, at)
    return found


def without_solutions(prose: str) -> str:
    """The text of a cell without its folded solutions; hints stay."""
    return FOLDED_SOLUTION.sub("", prose)


def answer(name: str, exercise: Exercise) -> str:
    """The cell of a stub with the solution in place of the function, which keeps its docstring."""
    lines = exercise.stub.splitlines()
    stub = next(node for node in ast.parse(exercise.stub).body if getattr(node, "name", "") == name)
    solution = exercise.solution.strip().splitlines()
    (head,) = (number for number, line in enumerate(solution) if line.startswith(f"def {name}("))
    about = stub.body[0]
    if isinstance(about, ast.Expr):
        solution[head + 1 : head + 1] = lines[about.lineno - 1 : about.end_lineno]
    lines[stub.lineno - 1 : stub.end_lineno] = solution
    return "\n".join(lines)


def answered(notebook: NotebookNode) -> NotebookNode:
    """The notebook with the solutions in place of the stubs."""
    filled = deepcopy(notebook)
    for name, exercise in exercises(notebook).items():
        filled.cells[exercise.at].source = answer(name, exercise)
    return filled


def says(cell: NotebookNode) -> str:
    """What a cell has printed."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def unsolved(notebook: NotebookNode) -> dict[str, str]:
    """Of an executed notebook, the exercises whose checkers are not content, and what they say."""
    said = {name: says(notebook.cells[exercise.at]) for name, exercise in exercises(notebook).items()}
    return {name: text for name, text in said.items() if RIGHT not in text.splitlines()}
