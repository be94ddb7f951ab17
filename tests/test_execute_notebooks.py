"""The tool that executes the notebooks: what it keeps of the outputs, and what it does when a cell fails."""

import base64
import sys
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image, ImageDraw, ImageFont

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
import execute_notebooks
import figures
from execute_notebooks import WIDGET, tidy


def jpeg(level, quality=75):
    file = BytesIO()
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(file, "JPEG", quality=quality)
    return base64.b64encode(file.getvalue()).decode()


def shown(data, **metadata):
    return new_output("display_data", data=dict(data), metadata=metadata)


def widget(**still):
    return {WIDGET: {"model_id": "f00", "version_major": 2}, "text/plain": "IntSlider(value=3)", **still}


def test_a_widget_leaves_its_still_picture_and_the_description():
    alt = {"alt": "The village after 60 steps"}
    outputs = [shown(widget(**{"image/jpeg": jpeg(90)}), **{"image/jpeg": alt, WIDGET: {"scripts": 1}})]
    (kept,) = tidy(outputs, [])
    assert kept.data == {"image/jpeg": jpeg(90), "text/plain": "IntSlider(value=3)"}
    assert kept.metadata == {"image/jpeg": alt}


def test_a_widget_without_a_still_leaves_nothing():
    text = new_output("stream", name="stdout", text="after")
    assert tidy([shown(widget()), text], []) == [text]


def test_a_progress_bar_that_is_gone_leaves_nothing():
    assert tidy([shown({})], []) == []


def test_an_output_that_is_no_widget_stays_whole():
    outputs = [
        new_output("error", ename="E", evalue="", traceback=[]),
        shown({"text/plain": "3"}),
        shown({"image/png": "", "text/plain": "a figure"}, **{"image/png": {}}),
    ]
    assert tidy(outputs, []) == outputs


def test_prints_are_joined_and_warnings_left_out():
    texts = [("stdout", "one\n"), ("stderr", "careful"), ("stdout", "two\n")]
    (kept,) = tidy([new_output("stream", name=name, text=text) for name, text in texts], [])
    assert (kept.name, kept.text) == ("stdout", "one\ntwo\n")


@pytest.mark.parametrize(("level", "stays"), [(100, True), (140, False)], ids=["looks the same", "looks different"])
def test_a_picture_that_looks_as_before_stays_byte_by_byte(level, stays):
    before, new = jpeg(100, quality=95), jpeg(level, quality=60)
    (kept,) = tidy([shown({"image/jpeg": new})], [shown({"image/jpeg": before})])
    assert kept.data["image/jpeg"] == (before if stays else new)


def numbered(text):
    """A large white figure with a small number in it."""
    picture, file = Image.new("RGB", (900, 600), "white"), BytesIO()
    ImageDraw.Draw(picture).text((404, 301), text, fill="black", font=ImageFont.load_default(11))
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(("before", "new"), [("1.80", "1.89"), ("3.3", "3.8"), ("1", "7")])
def test_a_figure_in_which_one_number_has_changed_is_another(before, new):
    before, new = numbered(before), numbered(new)
    (kept,) = tidy([shown({"image/png": new})], [shown({"image/png": before})])
    assert kept.data["image/png"] == new


def run_tool(monkeypatch, folder, *names):
    monkeypatch.setattr(execute_notebooks, "FOLDER", folder)
    monkeypatch.setattr(figures, "FIGURES", folder / "figures")
    monkeypatch.setattr(sys, "argv", ["execute_notebooks.py", *names])
    return execute_notebooks.main()


@pytest.mark.slow
def test_it_runs_in_the_notebooks_folder_and_gives_the_same_bytes_twice(monkeypatch, tmp_path):
    path = tmp_path / "01_one.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("import os; print(os.path.basename(os.getcwd()))")]), path)
    assert run_tool(monkeypatch, tmp_path) == 0
    first = path.read_bytes()
    assert nbformat.reads(first, 4).cells[0].outputs[0].text == f"{tmp_path.name}\n"
    assert run_tool(monkeypatch, tmp_path, "01") == 0
    assert path.read_bytes() == first


@pytest.mark.slow
def test_it_writes_the_figures_of_tagged_cells_and_the_thumbnail(monkeypatch, tmp_path):
    monkeypatch.setattr(figures, "THUMBNAILS", {"01_one": ("colors/black.jpg", (0.0, 0.0, 1.0, 1.0))})
    show = "from PIL import Image; Image.new('RGB', (4, 4))"
    cell = new_code_cell(show, metadata={"tags": ["figure:colors/black"]})
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "01_one.ipynb")
    assert run_tool(monkeypatch, tmp_path) == 0
    with Image.open(tmp_path / "figures" / "colors" / "black.jpg") as figure:
        assert figure.size == (4, 4)
    assert (tmp_path / "figures" / "thumbnails" / "01_one.jpg").is_file()


@pytest.mark.slow
def test_a_notebook_with_a_failing_cell_is_left_as_it_was_and_the_others_are_written(monkeypatch, tmp_path, capsys):
    for name, source in {"01_broken": "1 / 0", "02_sound": "print('sound')"}.items():
        nbformat.write(new_notebook(cells=[new_code_cell(source)]), tmp_path / f"{name}.ipynb")
    before = (tmp_path / "01_broken.ipynb").read_bytes()
    assert run_tool(monkeypatch, tmp_path) == 1
    assert (tmp_path / "01_broken.ipynb").read_bytes() == before
    assert "sound" in (tmp_path / "02_sound.ipynb").read_text()
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.part"))


def test_a_name_that_no_notebook_has_is_refused(monkeypatch, tmp_path):
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, tmp_path, "09")
