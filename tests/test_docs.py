"""The pages: every link leads somewhere, every command is one that exists, every line of Python can run."""

import ast
import builtins
import re
import shlex
from pathlib import Path

import pytest

import nstlib as nst
from nstlib import arguments, backbones, live
from nstlib.feedforward import command, train
from nstlib.options import Options
from nstlib.style_losses.statistics import StyleLoss

ROOT = Path(__file__).resolve().parents[1]
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, CONTRIBUTING, ROOT / "CHANGELOG.md", *DOCS]
TEXTS = {path: path.read_text(encoding="utf-8") for path in PAGES}
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def page_id(path):
    return path.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=page_id)
each_doc = pytest.mark.parametrize("page", [*DOCS, CONTRIBUTING], ids=page_id)


def prose(text):
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def links(text):
    """Where a page leads: of its links and pictures, in Markdown and in HTML."""
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose(text))
    return [first or second for first, second in found]


def anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(text, language):
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text):
    """What a page's shell blocks run, one list of words for each, and what stands after && as another."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines() if line.strip()]
    words = [shlex.split(part, comments=True) for line in lines for part in re.sub(r"\s#.*", "", line).split("&&")]
    return [command for command in words if command]


@each_page
def test_its_links_and_pictures_lead_somewhere(page):
    found = [link for link in links(TEXTS[page]) if not link.startswith(("https:", "http:"))]
    assert found or page.name == "CHANGELOG.md"
    for link in found:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_readme_leads_to_every_page():
    reached = {(ROOT / link.partition("#")[0]).resolve() for link in links(TEXTS[README])}
    assert set(PAGES) - {README} <= reached


@each_page
def test_its_pictures_are_described(page):
    pictures = re.findall(r"<img [^>]*>", TEXTS[page])
    assert all(re.search(r' alt="[^"]{15,}"', picture) for picture in pictures)
    assert all(len(alt) >= 12 for alt in re.findall(r"!\[([^\]]*)\]\(", TEXTS[page]))


@each_page
def test_it_begins_with_its_one_title(page):
    text = prose(TEXTS[page])
    assert re.match(r"# \S", text)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


def test_readme_can_be_read_in_two_minutes():
    table = re.compile(r"^\|.*$", re.MULTILINE)
    assert len(table.sub("", TEXTS[README]).split()) < 450


def understood(parser, words):
    """Whether a command takes its arguments; --help ends it without an error."""
    try:
        parser.read(words)
    except SystemExit as end:
        return not end.code
    return True


@each_page
def test_its_commands_are_understood(page):
    parsers = {
        ("python", "-m", "nstlib"): arguments.parser,
        ("python", "-m", "nstlib.fast"): command.parser,
        ("python", "-m", "nstlib.fast", "--train"): train.parser,
    }
    known = {"python", "torchrun", "make", "git", "cd", "source", "conda"}
    for words in commands(TEXTS[page]):
        assert words[0] in known, words
        if words[0] == "make":
            assert words[1] in TARGETS, words
        if words[0] == "torchrun":
            words = ["python", *words[words.index("-m") :]]
        if words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words
        module = tuple(words[:4]) if words[3:4] == ["--train"] else tuple(words[:3])
        if module in parsers:
            assert understood(parsers[module](), words[len(module) :]), words


def python(page):
    """The page's Python, block after block."""
    return "\n".join(blocks(TEXTS[page], "python"))


@each_page
def test_its_python_names_nothing_that_is_not_there(page):
    tree = ast.parse(python(page))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    assert names <= bound | set(dir(builtins))


@each_page
def test_its_python_asks_for_faces_and_options_that_exist(page):
    faces = {"nst": nst, "live": live}
    options = {"stylize": {*Options.__annotations__, "progress"}}
    for node in ast.walk(ast.parse(python(page))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in faces:
            assert hasattr(faces[node.value.id], node.attr), ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in options:
            assert {word.arg for word in node.keywords} <= options[node.func.attr], ast.unparse(node)


def test_faces_in_the_prose_exist():
    for page, text in TEXTS.items():
        for module, name in re.findall(r"`(nst|live)\.(\w+)", text):
            assert hasattr({"nst": nst, "live": live}[module], name), (page, name)


@each_doc
def test_the_files_that_it_names_exist(page):
    """Those in code: in a folder of the project's, or sources and pages: `nstlib/networks/`, `losses.py`."""
    folders = "|".join(["nstlib", "tools", "tests", "docs", "img", "notebooks", "benchmarks", "visualizations", "live"])
    named = set(re.findall(rf"`((?:{folders})/[\w./*-]*|[\w/]+\.(?:py|md|yml|toml|cff))`", prose(TEXTS[page])))
    places = [ROOT, ROOT / "nstlib", ROOT / "tests"]
    for name in named - {"img/style/NAME.jpg"}:  # for the reader to fill in
        assert any(list(place.glob(name.rstrip("/"))) for place in places), name


def test_contributing_names_things_of_files_that_hold_them():
    text = re.sub(r"\s+", " ", prose(TEXTS[CONTRIBUTING]))
    pairs = re.findall(r"`(\w+)` in `([\w/.]+\.py)`", text)
    assert len(pairs) >= 4
    pairs += [("_squeezenet", "nstlib/backbones.py"), ("Sheet", "tools/painting.py")]
    pairs += [("PAINTERS", f"tools/styles_{kind}.py") for kind in ("brush", "line", "tiles", "wet")]
    for name, file in pairs:
        held = rf"^(def|class) {name}\b|^\s*{name}\b.* = "
        assert re.search(held, (ROOT / file).read_text(), re.MULTILINE), (name, file)


@pytest.mark.parametrize("heading", ["A notebook", "A backbone", "A style loss", "A style picture"])
def test_contributing_tells_how_to_add(heading):
    assert re.search(rf"^## {heading}$", TEXTS[CONTRIBUTING], re.MULTILINE)


@pytest.fixture
def contributed():
    """What CONTRIBUTING's Python defines; the backbone that it registers is forgotten again."""
    before, names = dict(backbones._KNOWN), {}
    exec(compile(python(CONTRIBUTING), "CONTRIBUTING.md", "exec"), names)
    yield names
    backbones._KNOWN.clear()
    backbones._KNOWN.update(before)


def test_the_backbone_of_contributing_paints(contributed, content, style):
    picture = nst.stylize(content, style, backbone="alex", weights="random:7", size=48, steps=2, progress=False)
    assert picture.isfinite().all()


def test_the_style_loss_of_contributing_compares_means_alone(contributed, content, style, extract):
    loss = contributed["Means"]()
    assert isinstance(loss, StyleLoss)
    objective = nst.Objective(extract, content, style, style_loss=loss, normalization="paper", tv=0)
    features, wanted = extract(content, list(nst.GATYS_STYLE)), extract(style, list(nst.GATYS_STYLE))
    by_hand = sum(
        weight * (features[layer].mean((2, 3)) - wanted[layer].mean((2, 3))).square().mean()
        for layer, weight in nst.GATYS_STYLE.items()
    )
    assert objective(content).style.item() == pytest.approx(by_hand.item(), rel=1e-4)
    assert loss.mean([features["relu1_1"].bfloat16()]).dtype == content.dtype
    half = content.new_zeros(content.shape[-2:])
    half[: len(half) // 2] = 1
    masked = nst.Objective(extract, content, [style, content], style_loss=loss, masks=[half, 1 - half])
    assert masked(content).style.isfinite().all()
