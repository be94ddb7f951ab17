"""Write the repository's address wherever it is needed, and the Colab badge and the set-up cell into every notebook.

python tools/links.py owner/name    the project has a new address
python tools/links.py               the address stays; a notebook is new, or the set-up cell has changed

The address stands in pyproject.toml, as [project.urls] Repository; everything else follows it. As long as it is the
placeholder OWNER/NAME, the set-up cells clone nothing, since nobody knows whose code that would be. The outputs of the
notebooks stay as they are.
"""

import argparse
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "OWNER/NAME"
SLUG = r"[A-Za-z0-9][\w.-]*/[\w.-]*\w"
# What tells a link to this project from one to another project: how it begins, or where it leads.
OURS = (
    rf'(^Repository = "https://github\.com/){SLUG}(?=")',
    rf"(git clone https://github\.com/){SLUG}(?=[\s`\"]|$)",
    rf"(colab\.research\.google\.com/github/){SLUG}(?=/blob/main/notebooks/\d\d_)",
    rf"(//github\.com/){SLUG}(?=/(?:blob|tree|raw)/main/(?:notebooks/\d\d_|nstlib/|img/|visualizations/))",
    rf"(//raw\.githubusercontent\.com/){SLUG}(?=/main/(?:notebooks/\d\d_|nstlib/|img/|visualizations/))",
)
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"


def address(root: Path = ROOT) -> str:
    """The repository as owner/name."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(rf'^Repository = "https://github\.com/({SLUG})"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit(f'pyproject.toml lacks [project.urls] Repository = "https://github.com/{PLACEHOLDER}"')
    return found[1]


def colab_link(stem: str, slug: str) -> str:
    """Where Colab opens a notebook."""
    return f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{stem}.ipynb"


def setup_source(slug: str) -> str:
    """The source of the set-up cell."""
    source = Path(__file__).with_name("setup_cell.py").read_text(encoding="utf-8").split('"""', 2)[2].strip()
    repository = "" if slug == PLACEHOLDER else f"https://github.com/{slug}"
    return source.replace('REPO = ""', f'REPO = "{repository}"', 1)


def write(root: Path = ROOT, slug: str | None = None) -> list[Path]:
    """Make every file say that the repository is `slug`, or what pyproject.toml says; gives the files that changed."""
    old = address(root)
    wanted = {path: rewritten(path, slug or old, old) for path in _files(root)}
    changed = [path for path, text in wanted.items() if text != path.read_text(encoding="utf-8")]
    for path in changed:
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    return changed


def disagreements(root: Path = ROOT) -> list[Path]:
    """The files that `write` would change."""
    slug = address(root)
    return [path for path in _files(root) if rewritten(path, slug, slug) != path.read_text(encoding="utf-8")]


def rewritten(path: Path, slug: str, old: str) -> str:
    """The text of a file as it should be, where the repository is `slug` and was `old`."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return _with_links(text, slug, old)
    notebook = nbformat.reads(text, as_version=4)
    _rewrite(notebook, path.stem, slug, old)
    return str(nbformat.writes(notebook)) + "\n"


def _rewrite(notebook: NotebookNode, stem: str, slug: str, old: str) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _with_links(cell.source, slug, old)
    title = notebook.cells[0]
    heading, *rest = [line for line in title.source.split("\n") if "colab-badge.svg" not in line]
    title.source = "\n".join([heading, "", BADGE.format(link=colab_link(stem, slug)), "", "\n".join(rest).lstrip("\n")])
    setup = next((cell for cell in notebook.cells if cell.cell_type == "code" and "find_project" in cell.source), None)
    if setup is None:
        raise SystemExit(f"{stem} has no set-up cell; copy the one of another notebook below its title")
    setup.source = setup_source(slug)


def _with_links(text: str, slug: str, old: str) -> str:
    for pattern in OURS:
        text = re.sub(pattern, lambda match: match[1] + slug, text, flags=re.MULTILINE)
    for stale in {old, PLACEHOLDER}:
        text = re.sub(rf"(github\.com/){re.escape(stale)}(?![\w-])", lambda match: match[1] + slug, text)
    return text


def _files(root: Path) -> list[Path]:
    return [
        root / "pyproject.toml",
        *sorted(root.glob("*.md")),
        *sorted((root / "nstlib").rglob("*.md")),
        *sorted((root / "img").glob("*.md")),
        *sorted((root / "notebooks").glob("*.ipynb")),
    ]


def main() -> None:
    """Write the address that the command line names, or the present one, everywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", nargs="?", metavar="owner/name", help="or its address on github.com")
    given = parser.parse_args().repository
    slug = re.sub(r"^(https://)?github\.com/|(\.git)?/?$", "", given) if given else None
    if slug is not None and not re.fullmatch(SLUG, slug):
        parser.error(f"{given!r} is not of the form owner/name")
    for path in write(ROOT, slug):
        print(path.relative_to(ROOT))
    print(f"the repository is {address()}")


if __name__ == "__main__":
    main()
