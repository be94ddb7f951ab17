"""Slides of a notebook: what a teacher shows, with all that the notebook says beside it as speaker notes.

A notebook is made for reading, with whole paragraphs; a slide shows one thing. So the rule is not "a cell, a slide":

- a section begins with a slide of its heading, and of the question that it opens with, in bold;
- a slide each: what stands in bold, a prediction to make, formulas, a list, a table, a figure, what a cell has printed;
- all other prose, such as what was seen and why, goes into the speaker notes of the slide before it;
- code is not shown, nor is anything before the first section but the title and what one will learn.

Where the rule is wrong, the metadata of a cell say so, `slideshow.slide_type`, as JupyterLab's property inspector
writes it: "skip" leaves the cell out, "notes" makes all of it notes, and "subslide" shows the code of a code cell: the
functions that it defines, or all of it where it defines none.

A deck is one HTML file: reveal.js, pictures and formulas are inside, and it opens without a net and without a server.
"""

import ast
import base64
import html
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import ziamath
from exercises import FOLDED_SOLUTION, plain
from nbconvert.exporters import SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from pygments.formatters import HtmlFormatter

TOOLS = Path(__file__).resolve().parent
WIDTH, HEIGHT = 1184, 560  # of what a slide of 1280 x 720 has for its body, in pixels
SIZES = range(44, 25, -2)  # of prose, in pixels: the largest that fits
QUESTION_SIZES = range(60, 25, -2)
CODE_SIZES = range(28, 17, -1)
TEXT_SIZES = range(40, 19, -1)
TABLE_SIZES = range(36, 17, -1)
PRINTED_LINES = 18  # what is longer is for reading
AT_ONCE = 3  # items of a list
CAPTION_LINES = 2  # of what a cell prints beside its figure
EM = 24  # of the formulas' own pictures
LABELS = ("What you ", "How long ")
BLOCK = re.compile(r"```.*?```|<details>.*?</details>|\$\$.*?\$\$|(?:(?!\n\s*\n|\$\$|```|<details>).)+", re.DOTALL)
FORMULA = re.compile(r"`[^`]*`|\$\$(?P<shown>.+?)\$\$|\$(?P<inline>[^$\n]+?)\$", re.DOTALL)
PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)]*)\)")
BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)


@dataclass
class Slide:
    """One slide: where it belongs, what kind it is, its text as Markdown or its code, and its notes."""

    where: str
    kind: str
    text: str
    code: str = ""
    starts: bool = False  # a section
    notes: list[str] = field(default_factory=list)


def slides(notebook: NotebookNode, folder: Path) -> list[Slide]:
    """The slides of a notebook, whose pictures lie relative to a folder."""
    made: list[Slide] = []
    where = ""
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if kind == "skip":
            continue
        if cell.cell_type == "code":
            if where and where not in ("Exercises", "References"):
                made += of_code(cell, where, kind)
            continue
        for block in blocks(cell.source):
            heading = re.match(r"(#+) (.*)", block)
            if heading and heading[2] != where:
                where = of_heading(made, heading, where)
            elif where == "References" or not made:
                continue
            elif kind == "notes":
                made[-1].notes.append(block)
            elif where or not of_title(made, block, folder):
                of_prose(made, block, where, folder)
    return made


def of_heading(made: list[Slide], heading: re.Match[str], where: str) -> str:
    """Begin the title, a section, a part of one or an exercise; gives where the next slides are."""
    level, title = len(heading[1]), heading[2]
    if level == 1:
        made.append(Slide("", "title", f"# {title}", starts=True))
        return ""
    if level == 3 and where == "Exercises":
        title = title.removeprefix("Exercise ")
        begin = next(slide for slide in made if slide.text.startswith("## Exercises"))
        begin.text += f"\n\n{title}"
        made.append(Slide("Exercises", "exercise", f"### {title}"))
        return where
    if level == 2 and title not in ("Summary", "References"):
        made.append(Slide("", "section", f"## {title}", starts=True))
    return title


def of_title(made: list[Slide], block: str, folder: Path) -> bool:
    """Of the first cell: the picture goes onto the title's slide, what one will learn onto the next."""
    picture = PICTURE.fullmatch(block)
    if picture and "colab-badge" not in block:
        made[0].text += f"\n\n{embedded(picture, folder)}"
    elif block.startswith("- "):
        made.append(Slide("What you will learn", "list", block))
    elif "colab-badge" not in block and not block.startswith("The next cell sets"):
        made[-1].notes.append(block)
    return True


def of_prose(made: list[Slide], block: str, where: str, folder: Path) -> None:
    """A block of a section: a slide of its own, or more of the last one, or notes."""
    last = made[-1]
    if where == "Exercises":
        if last.kind == "exercise" and not block.startswith("<details>") and not FOLDED_SOLUTION.search(block):
            last.text += f"\n\n{block}"
    elif block.startswith(("```", "<details>")):
        last.notes.append(block)
    elif picture := PICTURE.fullmatch(block):
        made.append(Slide(where, "figure", embedded(picture, folder)))
    elif block.startswith("$$"):
        lead = last.notes.pop() if last.notes else ""
        if last.kind == "formula" and not lead:
            last.text += f"\n\n{block}"
        else:
            made.append(Slide(where, "formula", f"{last_sentence(lead)}\n\n{block}", notes=[lead] if lead else []))
    elif block.startswith("|"):
        made.append(Slide(where, "table", block))
    elif items := re.split(r"\n(?=- |\d+\. )", block) if re.match(r"- |\d+\. ", block) else []:
        made += [
            Slide(where, "list", "\n".join(items[at : at + AT_ONCE]), starts=where == "Summary" and at == 0)
            for at in range(0, len(items), AT_ONCE)
        ]
    else:
        made += of_paragraph(made, block, where)


def of_paragraph(made: list[Slide], block: str, where: str) -> Iterator[Slide]:
    """What stands in bold, and predictions; the paragraph itself goes into the notes of its slide."""
    before, predict, question = block.partition("**Predict.**")
    if before:
        lead = BOLD.match(before)
        label = lead is not None and (lead[1].startswith(LABELS) or (len(lead[1].split()) < 4 and lead[1][-1] != "?"))
        bold = [found[1] for found in BOLD.finditer(before) if len(found[1].split()) > 4 or found.start() == 0]
        shown = bold[1:] if label else bold
        opens = made[-1].kind == "section" and not made[-1].notes
        if opens and lead and not label:
            made[-1].text += f"\n\n{lead[1]}"
            shown = shown[1:]
        rest = [Slide(where, "question" if text.endswith("?") else "statement", text) for text in shown]
        (rest[0] if rest and lead and not label else made[-1]).notes.append(before.strip())
        yield from rest
    if predict:
        yield Slide(where, "predict", f"{predict}\n\n{question.strip()}")


def of_code(cell: NotebookNode, where: str, kind: str) -> Iterator[Slide]:
    """The code, where the notebook says so, and the cell's outputs."""
    if kind in ("slide", "subslide"):
        yield Slide(where, "code", "", code=defined(cell.source))
    printed = "".join(
        output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"
    ).rstrip()
    lines, caption = len(printed.splitlines()), ""
    if 0 < lines <= CAPTION_LINES and len(printed) < 160:
        caption = f'<p class="caption">{html.escape(printed)}</p>'
    for output in cell.outputs:
        data = output.get("data", {})
        if text := data.get("text/markdown"):
            yield Slide(where, "table" if text.lstrip().startswith("|") else "statement", text)
        for form in {"image/jpeg", "image/png"} & data.keys():
            alt = output.metadata.get(form, {}).get("alt", "")
            yield Slide(where, "figure", picture_tag(alt, form, data[form].replace("\n", "")) + caption)
            caption = printed = ""
    if printed and lines <= PRINTED_LINES:
        yield Slide(where, "printed", printed)


def defined(source: str) -> str:
    """The functions and classes that a cell defines; all of a cell that defines none."""
    lines = source.removeprefix("# NBVAL_CHECK_OUTPUT\n").splitlines()
    nodes = ast.parse(plain("\n".join(lines))).body
    parts = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return "\n\n\n".join("\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in parts) or "\n".join(lines)


def blocks(source: str) -> Iterator[str]:
    """The paragraphs, lists, tables, formulas, code and folded parts of a cell; a heading is a block of its own."""
    for block in BLOCK.findall(source):
        head, newline, rest = block.strip().partition("\n")
        parts = [head, rest] if head.startswith("#") and newline else [block.strip()]
        yield from filter(None, (part.strip() for part in parts))


def last_sentence(text: str) -> str:
    """The end of a paragraph, which leads to the formula below it: its last sentence, or two if that one is short."""
    sentences = re.split(r"(?<=[.!?*])\s+(?=[A-Z*\"])", text.strip())
    return " ".join(sentences[-1:] if len(sentences[-1]) > 30 else sentences[-2:])


def picture_tag(alt: str, form: str, data: str) -> str:
    """A picture that is part of the page."""
    return f'<img alt="{html.escape(alt)}" src="data:{form};base64,{data}">'


def embedded(picture: re.Match[str], folder: Path) -> str:
    """A picture of the project, from its file."""
    path = picture["path"]
    path = re.sub(r"https://raw\.githubusercontent\.com/[^/]+/[^/]+/main/", "../", path)
    form = "image/png" if path.endswith(".png") else "image/jpeg"
    return picture_tag(picture["alt"], form, base64.b64encode((folder / path).read_bytes()).decode())


@cache
def formula(tex: str, shown: bool) -> str:
    """A formula as a picture that grows with the text around it; its TeX is what a screen reader says."""
    drawn = ziamath.Latex(tex, inline=not shown, size=EM)
    width, height = ((part + 2) / EM for part in drawn.getsize())  # ziamath leaves 1 around it
    sink = 0.0 if shown else (drawn.getyofst() - 1) / EM
    code = base64.b64encode(drawn.svg().encode()).decode()
    style = f"width:{width:.3f}em;height:{height:.3f}em;vertical-align:{sink:.3f}em"
    return (
        f'<img class="{"formula" if shown else "inline"}" style="{style}" alt="{html.escape(tex.strip())}" '
        f'src="data:image/svg+xml;base64,{code}">'
    )


def with_formulas(text: str) -> str:
    """The text with its formulas set."""

    def put(found: re.Match[str]) -> str:
        tex = found["shown"] or found["inline"]
        return formula(tex.strip(), bool(found["shown"])) if tex else found[0]

    return FORMULA.sub(put, text)


def fitting(text: str, sizes: range, room: int = HEIGHT) -> int:
    """The largest size at which a text should fit on a slide."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`#]", r"\1", re.sub(r"<img[^>]*>", "", text))
    formulas = sum(2.6 for _ in re.finditer(r"\$\$", text)) / 2

    def lines(size: int) -> float:
        across = WIDTH / (0.5 * size)
        return formulas + sum(math.ceil(len(line) / across) + 0.5 for line in plain.split("\n") if line.strip())

    return next((size for size in sizes if lines(size) * 1.4 * size <= room), sizes[-1])


def fitting_lines(text: str, sizes: range, across: int = WIDTH) -> int:
    """The largest size at which lines of equally wide letters fit."""
    rows = text.split("\n")
    widest = max((len(row) for row in rows if '"""' not in row), default=0)  # a docstring may go on below
    room = (size for size in sizes if 1.35 * size * (len(rows) + 1) <= HEIGHT and 0.61 * size * widest <= across)
    return next(room, sizes[-1])


def fitting_table(text: str, sizes: range) -> int:
    """The largest size at which a table should fit, whose columns are as wide as what they hold."""
    rows = [[part.strip() for part in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in text.split("\n")]
    rows = [row for row in rows if not re.fullmatch(r"[:\- ]*", "".join(row))]
    shares = [sum(len(row[at]) for row in rows if at < len(row)) ** 0.5 for at in range(len(rows[0]))]
    words = [
        max(len(word) for row in rows if at < len(row) for word in row[at].split(" ")) for at in range(len(shares))
    ]

    def height(size: int) -> float:
        spare = max(WIDTH / (0.66 * size) - sum(words) - 2.8 * len(words), 0)
        across = [word + spare * share / sum(shares) for word, share in zip(words, shares, strict=True)]
        lines = [max(math.ceil(len(part) / wide) for part, wide in zip(row, across, strict=False)) for row in rows]
        return sum(1.3 * size * max(count, 1) + 0.65 * size for count in lines)

    narrow = (size for size in sizes if 0.66 * size * (sum(words) + 2.8 * len(words)) <= WIDTH)
    return next((size for size in narrow if height(size) <= HEIGHT), sizes[-1])


def cells(slide: Slide) -> Iterator[NotebookNode]:
    """A slide as cells that nbconvert understands."""
    where = f'<p class="where">{html.escape(slide.where)}</p>\n\n' if slide.where else ""
    if slide.kind == "printed":
        size = fitting_lines(slide.text, TEXT_SIZES)
        body = f'<pre class="printed" style="font-size:{size}px">{html.escape(slide.text)}</pre>'
        body = body.replace("\n\n", "\n&#8203;\n")  # an empty line would end it
    else:
        large = slide.kind in ("question", "statement", "predict", "section")
        if slide.kind == "table":
            size = fitting_table(slide.text, TABLE_SIZES)
        else:
            size = fitting(slide.text, *((QUESTION_SIZES, HEIGHT - 180) if large else (SIZES, HEIGHT - 80)))
        body = f'<div class="{slide.kind}" style="font-size:{size}px">\n\n{with_formulas(slide.text)}\n\n</div>'
    place = {"slideshow": {"slide_type": "slide" if slide.starts else "subslide"}}
    yield new_markdown_cell(f"{where}{body}", metadata=place)
    if slide.code:
        yield new_code_cell(slide.code, metadata={"font": fitting_lines(slide.code, CODE_SIZES, WIDTH - 60)})
    if slide.notes:
        notes = with_formulas("\n\n".join(slide.notes))
        yield new_markdown_cell(notes, metadata={"slideshow": {"slide_type": "notes"}})


def deck(notebook: NotebookNode, folder: Path) -> str:
    """The slides of a notebook as one HTML file."""
    made = slides(notebook, folder)
    title = made[0].text.split("\n")[0].removeprefix("# ")
    shown = new_notebook(cells=[cell for slide in made for cell in cells(slide)], metadata={"title": title})
    exporter = SlidesExporter(template_name="slides", extra_template_basedirs=[str(TOOLS)])
    page, _ = exporter.from_notebook_node(nbformat.from_dict(shown), resources={"class_slides": inside()})
    return str(page)


@cache
def inside() -> dict[str, Any]:
    """What each deck carries: reveal.js with its speaker view, and the style sheets."""
    styles = [revealjs("dist/reset.css"), revealjs("dist/reveal.css"), HtmlFormatter().get_style_defs(".highlight")]
    styles.append((TOOLS / "slides" / "slides.css").read_text(encoding="utf-8"))
    return {"css": "\n".join(styles), "scripts": [revealjs("dist/reveal.js"), revealjs("plugin/notes/notes.js")]}


def revealjs(name: str) -> str:
    """A file of reveal.js, as the Python package sphinx-revealjs brings it along; Sphinx itself is not used."""
    files = metadata.distribution("sphinx-revealjs").files or []
    (found,) = (file for file in files if file.as_posix().endswith(f"/revealjs/{name}"))
    return found.read_text(encoding="utf-8")
