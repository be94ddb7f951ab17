"""Copies for a class, and slides: what students get, what the teacher gets, and what a room sees without a net."""

import re
import socket
import sys
import zipfile
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from browsing import CHROMIUM, chromium
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import class_copies  # noqa: E402
import studio  # noqa: E402
from exercises import answered, exercises, unsolved  # noqa: E402

PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in PATHS}
STEMS = [path.stem for path in PATHS]
# What the tools of slides make of `slideshow.slide_type`, by the kind of cell that it stands on.
SLIDE_TYPES = {"code": {"skip", "subslide"}, "markdown": {"skip", "notes"}}
needs_slides = pytest.mark.skipif(
    find_spec("ziamath") is None or find_spec("sphinx_revealjs") is None,
    reason='slides need the packages of pip install -e ".[class]"',
)
SMALLEST = 18  # pixels of a slide's 720 in height


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def flat(source):
    return " ".join(source.split())


@pytest.mark.parametrize("stem", STEMS)
def test_a_students_copy_has_the_stubs_and_hints_and_neither_solutions_nor_outputs(stem):
    notebook = NOTEBOOKS[stem]
    copy = class_copies.student_copy(notebook)
    nbformat.validate(copy)
    assert [cell.id for cell in copy.cells] == [cell.id for cell in notebook.cells]
    for cell, original in zip(copy.cells, notebook.cells, strict=True):
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert cell.source == original.source or cell.cell_type == "markdown"
    count = len(exercises(notebook))
    assert prose(copy).count("<summary>Hint</summary>") == count
    assert prose(copy).count("<details>") == prose(copy).count("</details>") == count
    everything = flat("\n".join(cell.source for cell in copy.cells))
    for exercise in exercises(notebook).values():
        assert flat(exercise.stub) in everything
        assert flat(exercise.solution) not in everything


@pytest.mark.parametrize("stem", STEMS)
def test_copies_do_not_lead_to_the_original_with_its_solutions(stem):
    for copy in (class_copies.student_copy(NOTEBOOKS[stem]), class_copies.answer_copy(NOTEBOOKS[stem])):
        assert "colab" in prose(NOTEBOOKS[stem])
        assert "colab" not in copy.cells[0].source
        assert copy.cells[0].source.startswith(f"# {stem[:2]} ")


@pytest.mark.parametrize("stem", STEMS)
def test_an_answer_copy_differs_in_its_stubs_alone_and_keeps_what_they_say_of_themselves(stem):
    notebook, places = NOTEBOOKS[stem], {exercise.at for exercise in exercises(NOTEBOOKS[stem]).values()}
    copy = answered(notebook)
    changed = {at for at, cell in enumerate(copy.cells) if cell.source != notebook.cells[at].source}
    assert changed == places
    for at in places:
        assert "your code here" in notebook.cells[at].source
        assert "your code here" not in copy.cells[at].source
        about = re.search(r'""".*?"""', notebook.cells[at].source, re.DOTALL)
        assert about[0] in copy.cells[at].source
        after = re.search(r"\n\n\nprint\(check_.*", notebook.cells[at].source, re.DOTALL)
        assert copy.cells[at].source.endswith(after[0])


@pytest.mark.parametrize("stem", STEMS)
def test_a_stub_that_was_run_is_unsolved(stem):
    assert list(unsolved(NOTEBOOKS[stem])) == list(exercises(NOTEBOOKS[stem]))


def test_the_students_folder_has_all_that_its_notebooks_need_and_nothing_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.setattr(class_copies, "BUILD", tmp_path)
    (tmp_path / "students").mkdir()
    (tmp_path / "students" / "of yesterday.txt").touch()
    class_copies.make_students(PATHS)
    folder = tmp_path / "students"
    assert sorted(path.name for path in (folder / "notebooks").iterdir()) == [path.name for path in PATHS]
    for stem in STEMS:
        for address in re.findall(r"\]\((?!http)([^)#\s]+)", prose(NOTEBOOKS[stem])):
            assert (folder / "notebooks" / address).exists(), address
    assert (folder / "nstlib" / "__init__.py").is_file()  # the set-up cell looks for it
    assert not (folder / "img" / "results").exists()
    with zipfile.ZipFile(tmp_path / "students.zip") as archive:
        names = archive.namelist()
        assert sum(entry.compress_size for entry in archive.infolist()) < 40e6
    assert {name.split("/")[0] for name in names} == {"students"}
    assert "students/notebooks/03_style_transfer.ipynb" in names
    assert not any("__pycache__" in name or "of yesterday" in name for name in names)


CHECKER = "def check_double(answer):\n    return 'Right.' if answer(2) == 4 else f'Not yet: {answer(2)}'"
STUB = "def double(x):\n    '''Two times x.'''\n    return 0  # your code here\n\n\nprint(check_double(double))"


def little_notebook(folder, solution, last="print(double(4))"):
    """A notebook with one exercise, in a folder."""
    folded = f"<details><summary>Solution</summary>\n\n```python\n{solution}\n```\n\n</details>"
    cells = [
        new_markdown_cell("# 99 Little\n\n[![Open in Colab](a)](b)\n\nText."),
        new_code_cell(CHECKER),
        new_markdown_cell(f"### Exercise 1: double\n\nWrite it.\n\n{folded}"),
        new_code_cell(STUB),
        new_code_cell(last),
    ]
    path = folder / "99_little.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def little_class(monkeypatch, tmp_path):
    """The tool with notebooks in a folder of its own, and little to carry."""
    monkeypatch.setattr(class_copies, "BUILD", tmp_path / "build")
    monkeypatch.setattr(class_copies, "CARRIED", ("LICENSE",))
    return tmp_path


@pytest.mark.slow
def test_an_answer_copy_is_run_and_its_checker_says_right(little_class, capsys):
    path = little_notebook(little_class, "def double(x):\n    return 2 * x")
    assert class_copies.make_answers([path])
    made = nbformat.read(little_class / "build" / "answers" / "notebooks" / path.name, as_version=4)
    assert made.cells[3].source.startswith("def double(x):\n    '''Two times x.'''\n    return 2 * x\n")
    assert [cell.outputs[0].text for cell in made.cells[3:]] == ["Right.\n", "8\n"]
    assert "99_little.ipynb" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("solution", "last", "said"),
    [("return 3 * x", "1", "the checker of double is not content: Not yet: 6"), ("return 2 * x", "1 / 0", "failed")],
    ids=["wrong", "failing"],
)
def test_an_answer_copy_that_is_not_right_is_told(little_class, capsys, solution, last, said):
    path = little_notebook(little_class, f"def double(x):\n    {solution}", last)
    assert not class_copies.make_answers([path])
    assert said in capsys.readouterr().err


def test_a_name_that_no_notebook_has_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["class_copies.py", "77"])
    with pytest.raises(SystemExit):
        class_copies.main()
    assert "begins with 77" in capsys.readouterr().err


def test_without_the_packages_for_slides_it_says_how_to_get_them(monkeypatch, little_class):
    monkeypatch.setitem(sys.modules, "class_slides", None)
    with pytest.raises(SystemExit, match=r"pip install -e \"\.\[class\]\""):
        class_copies.make_slides([])


@pytest.mark.parametrize("stem", STEMS)
def test_metadata_of_slides_say_what_the_tool_knows(stem):
    for cell in NOTEBOOKS[stem].cells:
        if "slideshow" in cell.metadata:
            assert cell.metadata.slideshow.slide_type in SLIDE_TYPES[cell.cell_type], cell.source


@needs_slides
@pytest.mark.parametrize("stem", STEMS)
def test_slides_show_every_section_prediction_and_figure_and_no_solution(stem):
    import class_slides

    notebook = NOTEBOOKS[stem]
    slides = class_slides.slides(notebook, ROOT / "notebooks")
    kinds = [slide.kind for slide in slides]
    headings = re.findall(r"^## (\d+ .+)$", prose(notebook), re.MULTILINE)
    sections = [slide.text.splitlines()[0] for slide in slides if slide.kind == "section"]
    assert sections == [f"## {heading}" for heading in [*headings, "Exercises"]]
    assert kinds.count("predict") == prose(notebook).count("**Predict.**")
    assert kinds.count("exercise") == len(exercises(notebook))
    alts = {slide.text.split('"')[1] for slide in slides if slide.kind == "figure"}
    before = next(at for at, cell in enumerate(notebook.cells) if "## Exercises" in cell.source)
    for cell in notebook.cells[:before]:
        for output in cell.get("outputs", []):
            for kind in {"image/png", "image/jpeg"} & set(output.get("data", {})):
                assert class_slides.html.escape(output.metadata[kind]["alt"]) in alts
    everything = flat("\n".join("\n".join([slide.text, slide.code, *slide.notes]) for slide in slides))
    assert "Solution</summary>" not in everything
    for exercise in exercises(notebook).values():
        assert flat(exercise.solution) not in everything


@needs_slides
@pytest.mark.parametrize("stem", STEMS)
def test_after_a_prediction_a_slide_of_its_part_shows_what_happened(stem):
    import class_slides

    slides = class_slides.slides(NOTEBOOKS[stem], ROOT / "notebooks")
    for slide, after in pairwise(slides):
        if slide.kind == "predict":
            assert (after.where, after.kind not in ("predict", "section")) == (slide.where, True), slide.text


@needs_slides
@pytest.mark.parametrize("stem", STEMS)
def test_slides_do_not_speak_of_buttons_that_only_a_notebook_has(stem):
    import class_slides

    shown = [slide.text for slide in class_slides.slides(NOTEBOOKS[stem], ROOT / "notebooks")]
    assert [text for text in shown if "While the notebook runs" in text] == []


@needs_slides
def test_prose_of_a_cell_goes_to_slides_and_notes_and_metadata_overrule():
    import class_slides

    def cell(source, kind=None, make=new_markdown_cell):
        return make(source, metadata={"slideshow": {"slide_type": kind}} if kind else {})

    notebook = new_notebook(
        cells=[
            cell("# 99 Little"),
            cell("## 1 Start\n\n**Why so?** Because of $x_i$.\n\n$$y = x_i$$\n\n**Predict.** How many?"),
            cell("x = 1\n\n\ndef shown():\n    return 1", "subslide", new_code_cell),
            cell("y = 2", None, new_code_cell),
            cell("**What you saw, and why.** Three. **It is always three of them.**"),
            cell("**Is this asked?** No.", "notes"),
            cell("**Is that asked?** No.", "skip"),
            cell("## References\n\n- A book."),
        ]
    )
    slides = class_slides.slides(notebook, ROOT)
    assert [slide.kind for slide in slides] == ["title", "section", "formula", "predict", "code", "statement"]
    assert slides[1].text == "## 1 Start\n\nWhy so?"
    assert slides[2].text == "**Why so?** Because of $x_i$.\n\n$$y = x_i$$"
    assert slides[4].code == "def shown():\n    return 1"
    assert slides[4].notes == ["**What you saw, and why.** Three. **It is always three of them.**"]
    assert slides[5].text == "It is always three of them."
    assert slides[5].notes == ["**Is this asked?** No."]


LOOK = """() => Reveal.getSlides().map(slide => {
  const place = Reveal.getIndices(slide);
  Reveal.slide(place.h, place.v);
  const scale = Reveal.getScale(), box = slide.getBoundingClientRect();
  const shown = [...slide.querySelectorAll("*")].filter(e => !e.closest("aside"));
  const outside = shown.filter(e => {
    const at = e.getBoundingClientRect();
    return at.width && (at.right > box.left + 1280 * scale + 1 || at.bottom > box.top + 720 * scale + 1
      || e.scrollWidth > e.clientWidth + 2 && e.clientWidth && getComputedStyle(e).display != "inline");
  });
  const words = shown.filter(e => [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()));
  return {
    text: slide.innerText.slice(0, 60),
    outside: outside.map(e => e.outerHTML.slice(0, 80)),
    smallest: Math.min(99, ...words.map(e => parseFloat(getComputedStyle(e).fontSize))),
    formulas: slide.querySelectorAll("img.formula, img.inline").length,
    broken: [...slide.querySelectorAll("img")].filter(i => !i.complete || !i.naturalWidth || !i.alt).length,
    raw: shown.some(e => e.tagName != "CODE" && !e.closest("pre, code") && [...e.childNodes].some(
      n => n.nodeType == 3 && /\\$.*\\$|\\\\[a-z]{3}/.test(n.data))),
    notes: slide.querySelectorAll("aside.notes").length,
    empty: !slide.innerText.trim() && !slide.querySelector("img"),
  };
})"""


@needs_slides
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_slides_show_without_a_net_with_formulas_set_and_nothing_outside_of_a_slide(monkeypatch, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    monkeypatch.setattr(class_copies, "BUILD", tmp_path)
    class_copies.make_slides(PATHS)
    with chromium(playwright) as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True).new_page()
        errors, requests = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        for stem in STEMS:
            requests.clear()
            page.goto((tmp_path / "slides" / f"{stem}.html").as_uri())
            page.wait_for_function("window.Reveal && Reveal.isReady()")
            slides = page.evaluate(LOOK)
            assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
            assert len(slides) > 20
            assert sum(slide["formulas"] for slide in slides) > 0 or "$" not in prose(NOTEBOOKS[stem])
            assert sum(slide["notes"] for slide in slides) > 5
            for slide in slides:
                assert not slide["outside"], (stem, slide)
                assert not slide["broken"], (stem, slide)
                assert not slide["raw"], (stem, slide)
                assert not slide["empty"], (stem, slide)
                assert slide["smallest"] >= SMALLEST, (stem, slide)
        assert errors == []


def test_a_class_is_told_an_address_that_other_machines_can_open(monkeypatch):
    monkeypatch.setattr(studio, "own_address", lambda: "10.1.2.3")
    assert "http://10.1.2.3:8866 for the class" in studio.welcome("0.0.0.0", 8866)
    assert studio.welcome("127.0.0.1", 8867) == "The studio is at http://127.0.0.1:8867"


def test_this_machine_has_an_address_or_a_name_with_a_net_and_without(monkeypatch):
    assert studio.own_address() not in ("", "0.0.0.0")

    class NoNet(socket.socket):
        def connect(self, address):
            raise OSError("Network is unreachable")

    monkeypatch.setattr(studio.socket, "socket", NoNet)
    assert studio.own_address() == socket.gethostname()


def test_a_port_that_is_taken_is_said_and_no_other_is_served_at(monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["studio.py", "--ip=0.0.0.0", f"--port={port}"])
        with pytest.raises(SystemExit):
            studio.main()
    assert f"port {port} is taken" in capsys.readouterr().err
    assert not studio.is_taken("127.0.0.1", port)
