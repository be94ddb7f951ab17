"""Write the repository's address wherever it is needed, and the Colab badge and the set-up cell into every notebook.

python tools/links.py owner/name    the project has this address
python tools/links.py               it has the address of the remote "origin", as git knows it

The address stands in pyproject.toml, as [project.urls] Repository; everything else follows it. Pictures in the prose of
a notebook lead to the web, since Colab shows no others. As long as the address is the placeholder OWNER/NAME, they lead
to the files beside the notebook, and the set-up cells clone nothing, since nobody knows whose code that would be. All
else in a notebook stays as it is, byte by byte.
"""

import argparse
import json
import re
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "OWNER/NAME"
SLUG = r"[A-Za-z0-9][\w.-]*/[\w.-]*\w"
# What tells a link to this project from one to another project: how it begins, or where it leads.
OURS = (
    rf'(^(?:Repository|Documentation|Changelog|Issues) = "https://github\.com/){SLUG}(?=["/])',
    rf'(^repository-code: "https://github\.com/){SLUG}(?=")',
    rf'(^REPOSITORY = "https://github\.com/){SLUG}(?=")',  # whom downloads name
    rf"(git clone https://github\.com/){SLUG}(?=[\s`\"]|$)",
    rf"(colab\.research\.google\.com/github/){SLUG}(?=/blob/main/notebooks/\d\d_)",
    rf"(//github\.com/){SLUG}(?=/(?:blob|tree|raw)/main/(?:notebooks/\d\d_|nstlib/|img/|visualizations/))",
    rf"(//raw\.githubusercontent\.com/){SLUG}(?=/main/(?:notebooks/\d\d_|nstlib/|img/|visualizations/|'))",
)
PICTURE = r"(!\[[^\]]*\]\(|<img\b[^>]*?\bsrc=\")"  # how a picture begins in Markdown, up to its address
OURS_ON_THE_WEB = rf"https://raw\.githubusercontent\.com/{SLUG}/main/(?=(?:img|visualizations)/)"
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


def raw_link(name: str, slug: str) -> str:
    """Where the web has a file of the repository, such as img/style/mosaic.jpg, without a page around it."""
    return f"https://raw.githubusercontent.com/{slug}/main/{name}"


def site_link(slug: str) -> str:
    """Where GitHub Pages shows the site."""
    owner, name = slug.split("/")
    return f"https://{owner}.github.io/{name}/"


def slug_of(text: str) -> str | None:
    """owner/name of an address on GitHub as browsers, https and ssh write it, or of owner/name itself; else None."""
    found = re.fullmatch(
        r"(?:(?:(?:https?|ssh|git)://)?(?:[^@/\s]+@)?(?:www\.|ssh\.)?github\.com(?::\d+(?=/))?[:/]/*)?(\S+?)(?:\.git)?/*",
        text.strip(),
        re.IGNORECASE,
    )
    return found[1] if found and re.fullmatch(SLUG, found[1]) else None


def remote_slug(root: Path = ROOT) -> str:
    """owner/name of the remote "origin" of a clone."""
    try:
        command = ["git", "-C", str(root), "remote", "get-url", "origin"]
        # A folder that is no clone of its own, inside of another clone, has no remote.
        top = subprocess.run(
            [*command[:3], "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=False
        )
        cloned = top.returncode == 0 and Path(top.stdout.strip()).resolve() == root.resolve()
        told = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise SystemExit(f"there is no git to ask for the address. {_hint(root)}") from error
    if not cloned or told.returncode:
        raise SystemExit(f"git knows no remote origin of {root}. {_hint(root)}")
    slug = slug_of(told.stdout) if "github.com" in told.stdout.lower() else None
    if slug is None:
        shown = re.sub(r"//[^@/\s]+@", "//", told.stdout.strip())  # without a password
        raise SystemExit(f"the remote origin is {shown}, which is no address on github.com. {_hint(root)}")
    return slug


def _hint(root: Path) -> str:
    return (
        f"Say where the repository lives: make links REPO=owner/name (REPO={address(root)} keeps the present address)"
    )


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
    notebook = json.loads(text)
    _rewrite(notebook, path.stem, slug, old)
    return _as_before(notebook, text)


def _as_before(notebook: dict[str, Any], text: str) -> str:
    """A notebook as JSON, laid out as its text was: Jupyter, VS Code and Colab each have a way of their own."""
    indent = re.match(r"\{\n( +)", text)
    escaped = text.isascii() and "\\u" in text
    end = text[len(text.rstrip("\n")) :]
    return json.dumps(notebook, indent=len(indent[1]) if indent else None, ensure_ascii=escaped) + end


def _rewrite(notebook: dict[str, Any], stem: str, slug: str, old: str) -> None:
    cells = notebook["cells"]
    for cell in cells:
        if cell["cell_type"] == "markdown":
            _put(cell, _with_pictures(_with_links(_source(cell), slug, old), slug))
    heading, *rest = [line for line in _source(cells[0]).split("\n") if "colab-badge.svg" not in line]
    _put(
        cells[0], "\n".join([heading, "", BADGE.format(link=colab_link(stem, slug)), "", "\n".join(rest).lstrip("\n")])
    )
    setup = next((cell for cell in cells if cell["cell_type"] == "code" and "find_project" in _source(cell)), None)
    if setup is None:
        raise SystemExit(f"{stem} has no set-up cell; copy the one of another notebook below its title")
    _put(setup, setup_source(slug))


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _put(cell: dict[str, Any], source: str) -> None:
    """Change the source of a cell, in the form that it has: one text, or a list of lines."""
    if source != _source(cell):
        cell["source"] = source.splitlines(keepends=True) if isinstance(cell["source"], list) else source


def _with_pictures(text: str, slug: str) -> str:
    """Pictures of the repository from the web, where it is known where that is; else from the folder."""
    beside = re.sub(PICTURE + OURS_ON_THE_WEB, r"\1../", text)
    if slug == PLACEHOLDER:
        return beside
    return re.sub(PICTURE + r"\.\./(?=(?:img|visualizations)/)", lambda begin: begin[1] + raw_link("", slug), beside)


def _with_links(text: str, slug: str, old: str) -> str:
    for pattern in OURS:
        text = re.sub(pattern, lambda match: match[1] + slug, text, flags=re.MULTILINE)
    for stale in {old, PLACEHOLDER}:
        text = re.sub(rf"(github\.com/){re.escape(stale)}(?![\w-])", lambda match: match[1] + slug, text)
        text = text.replace(site_link(stale), site_link(slug))
    return text


def _files(root: Path) -> list[Path]:
    return [
        root / "pyproject.toml",
        *sorted(root.glob("*.cff")),
        *sorted(root.glob("*.md")),
        *sorted((root / "docs").glob("*.md")),
        *sorted((root / ".github").rglob("*.yml")),
        *sorted((root / "nstlib").rglob("*.md")),
        *sorted((root / "nstlib").rglob("sources.py")),
        *sorted((root / "img").glob("*.md")),
        *sorted((root / "page").glob("*.html")),
        *sorted((root / "notebooks").glob("*.ipynb")),
    ]


def main() -> None:
    """Write the address that the command line names, or the present one, everywhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", nargs="?", metavar="owner/name", help="or its address on github.com")
    given = parser.parse_args().repository
    slug = remote_slug(ROOT) if given is None else slug_of(given)
    if slug is None:
        parser.error(f"{given!r} is not of the form owner/name")
    for path in write(ROOT, slug):
        print(path.relative_to(ROOT))
    print(f"the repository is {address()}")


if __name__ == "__main__":
    main()
