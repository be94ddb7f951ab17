"""Execute the notebooks from fresh kernels and write their outputs, in a form that gives no needless diff.

python tools/execute_notebooks.py           all of them, in order
python tools/execute_notebooks.py 03 05     those whose names begin so

What would differ from run to run or from machine to machine is not written: times, versions, what the kernel says on
stderr, and widgets, which nobody can move without a kernel; of one that carries a still picture, the picture stays. A
picture that looks as before stays as it was, byte by byte. A notebook with a failing cell is left as it was.

The figures of cells with a tag such as "figure:steps/film" go into visualizations/ too (see tools/figures.py).
"""

import argparse
import base64
import sys
import time
from io import BytesIO
from pathlib import Path

import figures
import nbclient
import nbformat
import numpy as np
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"
# Mean differences, of 255, below which nobody sees that a figure has changed: in all of it, and in any part of it,
# where a curve may have moved, or a number.
ALIKE, ALIKE_IN_PARTS = 1.0, 12.0
PART = 6  # pixels a side


def execute(path: Path) -> NotebookNode:
    """The notebook with the outputs of a fresh kernel, which runs in the notebook's folder."""
    notebook = nbformat.read(path, as_version=4)
    before = {cell.id: cell.get("outputs", []) for cell in notebook.cells}
    client = nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=900,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = tidy(cell.outputs, before[cell.id])
    return notebook


def tidy(outputs: list[NotebookNode], before: list[NotebookNode]) -> list[NotebookNode]:
    """What is worth keeping of a cell's outputs, with the pictures of before where they look the same."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":  # how prints fall into messages is chance
                kept[-1].text += output.text
                continue
        elif shows_nothing(output):
            continue
        kept.append(without_widget(output))
    if len(kept) == len(before):
        for new, old in zip(kept, before, strict=True):
            for kind in ("image/png", "image/jpeg"):
                if alike(new.get("data", {}).get(kind), old.get("data", {}).get(kind)):
                    new.data[kind] = old.data[kind]
    return kept


def shows_nothing(output: NotebookNode) -> bool:
    """Whether it is a progress bar that is gone, or shows nothing without its widget."""
    kinds = output.get("data", {"of an error": ""}).keys()
    return not kinds or (WIDGET in kinds and kinds <= {WIDGET, "text/plain"})


def without_widget(output: NotebookNode) -> NotebookNode:
    """The output as a page without a kernel can show it."""
    for part in ("data", "metadata"):
        output.get(part, {}).pop(WIDGET, None)
    return output


def alike(new: str | None, old: str | None) -> bool:
    """Whether two encoded pictures look the same."""
    if new is None or old is None:
        return False
    a, b = (np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert("RGB"), np.float32) for data in (new, old))
    if a.shape != b.shape:
        return False
    away = np.abs(a - b).mean(2)
    filled = np.pad(away, [(0, -side % PART) for side in away.shape])
    rows, columns = (side // PART for side in filled.shape)
    parts = filled.reshape(rows, PART, columns, PART).mean((1, 3))
    return float(away.mean()) < ALIKE and float(parts.max()) < ALIKE_IN_PARTS


def write(notebook: NotebookNode, path: Path) -> None:
    """Write the notebook whole or not at all."""
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    part.replace(path)


def main() -> int:
    """Execute the notebooks that the command line names; gives 1 if one fails."""
    parser = argparse.ArgumentParser(description="Execute notebooks and write their outputs.")
    parser.add_argument("names", nargs="*", help="beginnings of names, such as 03; all notebooks without any")
    names = tuple(parser.parse_args().names)
    paths = [path for path in sorted(FOLDER.glob("*.ipynb")) if not names or path.name.startswith(names)]
    if not paths:
        parser.exit(2, f"no notebook in {FOLDER} begins with {' or '.join(names) or 'anything'}\n")
    failed = False
    for path in paths:
        began = time.perf_counter()
        try:
            write(execute(path), path)
            figures.write_tagged(path)
            if path.stem in figures.THUMBNAILS:
                figures.write_thumbnail(path.stem)
            print(f"{path.name}: {time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:.2f} MB", flush=True)
        except nbclient.exceptions.CellExecutionError as error:
            failed = True
            print(f"{path.name}: left as it was, because a cell failed\n{error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
