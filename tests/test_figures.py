"""The pictures in visualizations/: each is what its maker writes, and none is left over."""

import base64
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

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
    thumbnails = {f"thumbnails/{stem}.jpg" for stem in figures.THUMBNAILS}
    wanted = {*figures.PAINTED, *figures.OF_REAL_NETWORKS, *figures.FILMED, *of_notebooks, *thumbnails}
    assert files == wanted, "tools/figures.py notebooks thumbnails writes those that are missing"


def test_the_figures_of_notebooks_are_those_of_their_outputs(of_notebooks):
    for name, data in of_notebooks.items():
        assert (figures.FIGURES / name).read_bytes() == data, name


@pytest.mark.parametrize("stem", figures.THUMBNAILS)
def test_a_thumbnail_is_the_part_of_a_figure_that_it_should_be(stem):
    with Image.open(figures.FIGURES / "thumbnails" / f"{stem}.jpg") as picture:
        difference = np.subtract(picture, figures.thumbnail(stem), dtype=np.float32)
    assert difference.shape == (240, 360, 3)
    # JPEG costs 2 to 6; the same scene painted with other weights differs by 25.
    assert np.abs(difference).mean() < 8, "tools/figures.py thumbnails writes it anew"


@pytest.mark.parametrize("name", figures.FILMED)
def test_a_film_is_light_moves_and_has_no_blank_frame(name):
    path = figures.FIGURES / name
    assert path.stat().st_size <= 2_000_000
    with Image.open(path) as film:
        assert film.n_frames >= 60
        parts = []
        for number in range(0, film.n_frames, 10):
            film.seek(number)
            parts.append(np.asarray(film.convert("RGB").crop((0, 0, film.width // 2, film.height // 2)), np.float32))
    assert min(part.std() for part in parts) > 40  # of a blank page it is 0
    changes = [np.abs(after - before).mean() for before, after in pairwise(parts)]
    assert np.median(changes) > 1
    assert np.abs(parts[-1] - parts[0]).mean() > 20


def test_every_notebook_has_a_thumbnail():
    assert set(figures.THUMBNAILS) == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}


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
def test_a_tagged_picture_is_written_byte_by_byte(monkeypatch, tmp_path, kind, suffix):
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    notebook = notebook_with(tmp_path, "figure:steps/film", kind)
    assert figures.write_tagged(notebook) == [tmp_path / "steps" / f"film{suffix}"]
    assert (tmp_path / "steps" / f"film{suffix}").read_bytes() == kind.encode()


@pytest.mark.parametrize("kinds", [[], ["image/png", "image/png"]])
def test_a_tagged_cell_without_its_one_picture_is_an_error(tmp_path, kinds):
    with pytest.raises(SystemExit, match=f"figure:steps/film shows {len(kinds)} pictures"):
        figures.tagged(notebook_with(tmp_path, "figure:steps/film", *kinds))
