"""The pictures in visualizations/: each is what its maker writes, and none is left over."""

import base64
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import figures  # noqa: E402


@pytest.fixture(scope="module")
def of_notebooks():
    """Name to bytes, and no name in two notebooks."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        tagged = figures.tagged(path)
        assert not found.keys() & tagged.keys(), path
        found |= tagged
    return found


def test_every_figure_is_in_the_folder_and_nothing_else(of_notebooks):
    files = {path.relative_to(figures.FIGURES).as_posix() for path in figures.FIGURES.rglob("*") if path.is_file()}
    assert files == {*figures.PAINTED, *of_notebooks}, "tools/figures.py notebooks writes the notebooks' figures"


def test_the_figures_of_notebooks_are_those_of_their_outputs(of_notebooks):
    for name, data in of_notebooks.items():
        assert (figures.FIGURES / name).read_bytes() == data, name


def notebook_with(folder, tag, *kinds):
    pictures = [
        new_output("display_data", data={kind: base64.b64encode(kind.encode()).decode(), "text/plain": "a figure"})
        for kind in kinds
    ]
    cell = new_code_cell("show()", metadata={"tags": ["other", tag]}, outputs=pictures)
    path = folder / "01_one.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1"), cell]), path)
    return path


@pytest.mark.parametrize(("kind", "suffix"), [("image/jpeg", ".jpg"), ("image/png", ".png")])
def test_a_tagged_picture_is_written_byte_by_byte(tmp_path, kind, suffix):
    notebook = notebook_with(tmp_path, "figure:steps/film", kind)
    assert figures.write_tagged(notebook, tmp_path) == [tmp_path / "steps" / f"film{suffix}"]
    assert (tmp_path / "steps" / f"film{suffix}").read_bytes() == kind.encode()


@pytest.mark.parametrize("kinds", [[], ["image/png", "image/png"]])
def test_a_tagged_cell_without_its_one_picture_is_an_error(tmp_path, kinds):
    with pytest.raises(SystemExit, match=f"figure:steps/film shows {len(kinds)} pictures"):
        figures.tagged(notebook_with(tmp_path, "figure:steps/film", *kinds))
