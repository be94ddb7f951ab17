"""TEACHING.md: minutes add up, and every section, question, exercise and time that it names is in the notebooks."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "TEACHING.md").read_text(encoding="utf-8")
NOTEBOOKS = {path.name[:2]: nbformat.read(path, as_version=4) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
PLANS = {
    "A lesson of 45 minutes": 45,
    "A lesson of 90 minutes": 90,
    "Day 1: 360 minutes": 360,
    "Day 2: 360 minutes": 360,
}


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def said(notebook):
    """All that stands in a notebook: its prose, its code and what its cells have printed."""
    printed = [o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "stream"]
    return "\n".join([*(cell.source for cell in notebook.cells), *printed])


def part(notebook, number):
    """The prose of a section."""
    found = re.search(rf"^## {number} .*?(?=^## )", prose(notebook), re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def under(heading):
    """What stands under a heading of TEACHING.md, up to the next one."""
    return re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]


def rows(text):
    """The cells of a table's rows, without its head."""
    found = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return found[2:]


def named(line, number=None):
    """The (notebook, kind, number, title) of each section and exercise that a line names."""
    token = r"\[(?P<in>\d\d)\]\(notebooks/|(?P<kind>exercise )?(?P<number>\d+) \*(?P<title>[^*]+)\*"
    for found in re.finditer(token, line):
        if found["in"]:
            number = found["in"]
        elif number:
            yield number, found["kind"] or "", int(found["number"]), found["title"]


NAMED = [entry for paragraph in TEXT.split("\n\n") for entry in named(paragraph)]
CARDS = {number: under(f"{number} {title}") for number, title in re.findall(r"^### (\d\d) (.+)$", TEXT, re.MULTILINE)}
QUESTIONS = [(number, *row) for number, card in CARDS.items() for row in rows(card)]
MARKED = rows(under("Marking the exercises"))


@pytest.mark.parametrize("heading", PLANS)
def test_the_minutes_of_a_plan_add_up_and_its_clock_goes_with_them(heading):
    clock = 0
    for starts, minutes, *_ in rows(under(heading)):
        assert int(starts) == clock
        clock += int(minutes)
    assert clock == PLANS[heading]


def test_the_parts_of_the_short_lesson_are_explained_at_their_minutes():
    starts = [int(row[0]) for row in rows(under("A lesson of 45 minutes"))]
    minutes = [int(m) for m in re.findall(r"^\*\*(\d+), ", under("A lesson of 45 minutes"), re.MULTILINE)]
    assert minutes == starts


def test_sections_and_exercises_that_are_named_are_in_the_notebooks():
    assert len(NAMED) > 100
    for number, kind, place, title in NAMED:
        heading = f"### Exercise {place}: {title}" if kind else f"## {place} {title}"
        assert heading in prose(NOTEBOOKS[number]).splitlines(), (number, heading)


def test_each_notebook_has_a_card_and_its_measured_time():
    assert list(CARDS) == list(NOTEBOOKS)
    table = {row[0][1:3]: row[1] for row in rows(under("The evening before")) if row[0].startswith("[")}
    assert list(table) == list(NOTEBOOKS)
    for number, time in table.items():
        promise = re.search(r"\*\*How long it takes\.\*\*(.*)", prose(NOTEBOOKS[number]))[1]
        assert time.lower() in promise.lower(), (number, time)


@pytest.mark.parametrize(("number", "row", "section", "ask", "hear", "answer"), QUESTIONS)
def test_a_question_of_a_card_stands_in_its_section(number, row, section, ask, hear, answer):
    assert re.fullmatch("“.+”", ask)
    assert ask[1:-1] in part(NOTEBOOKS[number], section)
    assert hear.startswith('"')
    assert answer
    assert [r for n, r, *_ in QUESTIONS if n == number].index(row) + 1 == int(row)


def test_what_is_quoted_is_in_some_notebook():
    quoted = {" ".join(quote.split()) for quote in re.findall("“([^”]+)”", TEXT)} - {"..."}
    everything = " ".join(" ".join(map(said, NOTEBOOKS.values())).split())
    assert len(quoted) > 70
    assert [quote for quote in quoted if quote not in everything] == []


def test_every_exercise_is_marked_once():
    marked = [entry for row in MARKED for entry in named("|".join(row))]
    asked = [
        (number, "exercise ", int(place), title)
        for number, notebook in NOTEBOOKS.items()
        for place, title in re.findall(r"^### Exercise (\d+): (.+)$", prose(notebook), re.MULTILINE)
    ]
    assert marked == asked


def test_each_question_at_the_desk_has_its_answer():
    assert [row[0] for row in MARKED if not re.search(r"\? \(.+\)$", row[2])] == []


def test_rows_of_cards_that_are_named_exist():
    names = re.findall(r"card (\d\d)[, ]+rows? (\d+)(?: and (\d+))?", TEXT)
    assert names
    for number, *places in names:
        for place in filter(None, places):
            assert int(place) <= len(rows(CARDS[number])), (number, place)


def test_links_lead_somewhere():
    headings = {
        re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    for address in re.findall(r"\]\(([^)\s]+)\)", TEXT):
        if address.startswith("#"):
            assert address[1:] in headings, address
        elif not address.startswith("http"):
            assert (ROOT / address).exists(), address


def test_commands_are_those_of_the_makefile():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    commands = re.findall(r"`make ([a-z]+)|^make ([a-z]+)", TEXT, re.MULTILINE)
    assert {"demo", "class", "studio"} <= {a or b for a, b in commands} <= set(targets)
