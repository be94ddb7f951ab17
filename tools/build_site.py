"""Build the site: README, the notebooks as they were executed, docs/, a gallery, a glossary and common errors.

    python tools/build_site.py           into build/site/; then open build/site/index.html

No notebook is executed, and nothing is fetched: MathJax, the theme and its icons come from installed packages, and lie
in the site itself. The gallery is painted by the bundled network, and kept in build/passes/ as long as its weights are
the same. A page that paints in the browser is part of the site where it has been built before, into build/page/.

The site mirrors the repository, so that links from file to file work on it too: notebooks/03_style_transfer.ipynb
becomes notebooks/03_style_transfer.html. What is in the repository but not on the site is linked to where the
repository lives.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import links
from PIL import Image, ImageDraw, ImageOps

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "site"
OWN = "site"  # the folder with the site's own pages, styles and scripts
# Pages of background that README and notebooks lead to.
CARDS = ("nstlib/weights/README.md", "visualizations/backbones/README.md", "img/CREDITS.md", "benchmarks/RESULTS.md")
# The site has a page of its own in place of these.
INSTEAD = {"docs/gallery.md": "gallery.md"}
PASSES = "passes"  # on the site: CONTENT_STYLE.webp, painted in one pass
PAINTED, SHOWN = 768, 520  # pixels of the longer side: painted larger than shown, so that strokes are fine
PHOTOGRAPH = "chelsea"  # the one content of the gallery that scikit-image holds
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".svg"}
COLAB = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")
ROW = re.compile(
    r'^\| <img src="(?P<picture>[^"]+)"[^>]*alt="(?P<alt>[^"]*)"> \| '
    r"\*\*\[(?P<title>[^\]]+)\]\((?P<path>notebooks/[^)]+)\)\*\*<br>(?P<about>.*?) \| (?P<time>[^<|]+)<br>.*\|$",
    re.MULTILINE,
)
TABLE = re.compile(r"^\| \| \| \|\n\| --- \| --- \| --- \|\n(?:\|.*\n)+", re.MULTILINE)
# What is no running prose: code, formulas, links, HTML, headings; the words in it stay as they are.
NO_PROSE = re.compile(
    r"```.*?^```|~~~.*?^~~~|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$|\[!\[[^\]]*\]\([^)]*\)\]\([^)]*\)|!?\[[^\]]*\]\([^)]*\)"
    r"|<summary>.*?</summary>|<[^>]+>|^\#.*?$|https?://\S+",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Word:
    """A word of the glossary: its name, what it means, and the other forms in which prose uses it."""

    name: str
    meaning: str
    forms: tuple[str, ...] = ()


@dataclass
class Stage:
    """The pages as Sphinx will read them: in `folder`, with `files` of the repository beside them."""

    folder: Path
    root: Path = ROOT
    pages: frozenset[str] = frozenset()
    words: Sequence[Word] = ()
    files: set[str] = field(default_factory=set)
    seen: dict[str, list[str]] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        """Write a page."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")

    def page(self, name: str) -> str:
        """A Markdown file of the repository as a page of the site."""
        return self.placed((self.root / name).read_text(encoding="utf-8"), name)

    def placed(self, text: str, name: str) -> str:
        """Text of the file `name`, with links that work on the site."""
        slug = links.address(self.root)
        # The builder's address first: pictures that were made to lead to the web lead to the folder again.
        text = re.sub(
            rf"https://raw\.githubusercontent\.com/{re.escape(slug)}/main/",
            lambda _: posixpath.relpath(".", posixpath.dirname(name) or ".") + "/",
            text,
        )
        text = text.replace(
            f"]({links.site_link(slug)})", f"]({posixpath.relpath('index.md', posixpath.dirname(name) or '.')})"
        )
        text = COLAB.sub(lambda badge: colab_badge(badge[1]), text)
        return self._outside_code(text, lambda prose: self._with_links(prose, name, slug))

    def _with_links(self, text: str, name: str, slug: str) -> str:
        here = posixpath.dirname(name)

        def markdown(link: re.Match[str]) -> str:
            bang, shown, target = link.groups()
            file, _, anchor = target.partition("#")
            path = posixpath.normpath(posixpath.join(here, file))
            if path in INSTEAD:
                return f"[{shown}]({posixpath.relpath(INSTEAD[path], here or '.')})"
            if not file or re.match(r"[a-z]+:|//", target) or path in self.pages or bang:
                return link[0]
            if not (self.root / path).exists():
                raise SystemExit(f"{name} leads to {target}, but there is no {path}; correct the link")
            if Path(path).suffix in PICTURES:  # the picture itself; Sphinx would offer it as a download
                self.files.add(path)
                return f'<a href="{escape(target)}">{shown}</a>'
            return f"[{shown}]({web_link(path, slug, self.root)}{'#' + anchor if anchor else ''})"

        text = re.sub(r"(!?)\[((?:[^\[\]]|!?\[[^\]]*\](?:\([^)]*\))?)*)\]\(([^)\s]+)\)", markdown, text)
        for picture in re.findall(r'<img\b[^>]*?\bsrc="([^":]+)"', text):
            path = posixpath.normpath(posixpath.join(here, picture))
            if (self.root / path).is_file():  # and not one that the build makes
                self.files.add(path)
        return text

    @staticmethod
    def _outside_code(text: str, change: Callable[[str], str]) -> str:
        parts = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)
        return "".join(part if number % 2 else change(part) for number, part in enumerate(parts))

    def notebook(self, name: str) -> str:
        """A notebook as a page: its outputs as they are, the first use of each word leading to the glossary."""
        notebook = json.loads((self.root / name).read_text(encoding="utf-8"))
        found: set[str] = set()
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                text = self.placed("".join(cell["source"]), name)
                cell["source"] = with_words(text, self.words, found)
        for word in found:
            self.seen.setdefault(word, []).append(name)
        return json.dumps(notebook, ensure_ascii=False)


def with_words(text: str, words: Sequence[Word], found: set[str]) -> str:
    """Prose in which the first use of each word leads to the glossary; `found` gets the words."""
    if re.match(r"## References\b", text):
        return text

    by_form = {form.lower(): word for word in words for form in (word.name, *word.forms)}
    longest_first = sorted(by_form, key=len, reverse=True)  # "feature map" before "feature"
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)

    def link(use: re.Match[str]) -> str:
        word = by_form[use[0].lower()]
        if word.name in found:
            return use[0]
        found.add(word.name)
        return f"{{term}}`{use[0]} <{word.name}>`"

    parts, end = list[str](), 0
    for other in NO_PROSE.finditer(text):
        parts += [pattern.sub(link, text[end : other.start()]), other[0]]
        end = other.end()
    return "".join([*parts, pattern.sub(link, text[end:])])


def read_words(text: str) -> list[Word]:
    """The words of the glossary, from lines "name (form, form)" with ": meaning" below."""
    words = []
    for name, forms, meaning in re.findall(r"^(\S[^(\n]*?)(?: \(([^\n]*)\))?\n: (.*?)(?=\n\n|\Z)", text, re.M | re.S):
        given = [form for form in forms.split(", ") if form and "$" not in form]
        words.append(Word(name, " ".join(meaning.split()), tuple(given)))
    return words


def glossary(text: str, words: Iterable[Word], seen: dict[str, list[str]]) -> str:
    """The page of the glossary; each word leads back to the notebooks that use it."""
    entries = []
    for word in words:
        back = ", ".join(f"[{Path(name).name[:2]}]({name})" for name in sorted(seen.get(word.name, [])))
        entries.append(f"{word.name}\n  {word.meaning}" + (f" *In notebook* {back}" if back else ""))
    listed = "````{glossary}\n" + "\n\n".join(entries) + "\n````\n"
    return re.sub(r"<!-- words -->.*", lambda _: listed, text, flags=re.DOTALL)


def colab_badge(link: str) -> str:
    """A link to Colab that needs no picture from there."""
    return f'<a class="colab" href="{escape(link)}">Open in Colab</a>'


def web_link(path: str, slug: str, root: Path = ROOT) -> str:
    """Where the web shows a file or a folder of the repository."""
    return f"https://github.com/{slug}/{'tree' if (root / path).is_dir() else 'blob'}/main/{path}"


def toctree(entries: Iterable[str], *options: str) -> str:
    """A list of pages for the menus, not shown on the page itself."""
    return "\n".join(["```{toctree}", ":hidden:", *options, "", *entries, "```", ""])


def cards(readme: str, up: str = "") -> str:
    """The notebooks of README's table as cards."""
    shown = []
    for row in ROW.finditer(readme):
        page = up + row["path"].replace(".ipynb", ".html")
        number, _, title = row["title"].partition(" ")
        shown.append(
            f'<li class="nst-card"><a href="{page}"><img src="{up}{row["picture"]}" alt="" width="360" height="240" '
            f'loading="lazy"><span class="nst-number">{number}</span> <strong>{escape(title)}</strong></a>'
            f"<p>{escape(row['about'])}</p><p class='nst-time'>{escape(row['time'].strip())}</p></li>"
        )
    return '<ul class="nst-cards">\n' + "\n".join(shown) + "\n</ul>\n"


def strip(content: str, styles: Sequence[str]) -> str:
    """One content in each style, as a way into the gallery."""
    tiles = [
        f'<a href="gallery.html#{content}-{style}"><img src="{PASSES}/{content}_{style}.webp" alt="" loading="lazy" '
        f'width="520" height="347">{spoken(style)}</a>'
        for style in styles
    ]
    photograph = f"img/content/{content}.jpg"
    tiles.insert(0, f'<a href="{photograph}"><img src="{photograph}" alt="" loading="lazy">as it was</a>')
    return '<div class="nst-strip">\n' + "\n".join(tiles) + "\n</div>\n"


def picker(contents: Sequence[str], styles: Sequence[str]) -> str:
    """The gallery's contents and styles to choose from, and the picture that they make."""

    painted = shown(contents[0], styles[0])

    def choices(kind: str, legend: str, names: Sequence[str]) -> str:
        boxes = "".join(
            f'<label><input type="radio" name="{kind}" value="{name}"{" checked" if name == names[0] else ""}>'
            f'<img src="_static/thumbs/{name}.jpg" alt="" width="120" height="90"><span>{spoken(name)}</span></label>'
            for name in names
        )
        return f'<fieldset class="nst-{kind}s"><legend>{legend}</legend><div>{boxes}</div></fieldset>'

    first = f"{PASSES}/{contents[0]}_{styles[0]}.webp"
    return (
        f'<form class="nst-picker" data-pictures="{PASSES}/">\n'
        f'<figure><a href="{first}"><img src="{first}" alt="{painted}" '
        'width="520" height="347"></a>'
        f'<figcaption><span aria-live="polite">{painted}</span>'
        '<span class="nst-turn"><button type="button" data-turn="-1">Previous</button>'
        '<button type="button" data-turn="1">Next</button></span></figcaption></figure>\n'
        + choices("content", "Content", contents)
        + "\n"
        + choices("style", "Style", styles)
        + "\n</form>\n"
    )


def shown(content: str, style: str) -> str:
    """What a picture of the gallery shows, in words; site.js says the same."""
    return f"{spoken(content)} in the style “{spoken(style)}”"


def spoken(name: str) -> str:
    """A picture's name as a reader says it."""
    return name.replace("_", " ")


def contents_and_styles(root: Path = ROOT) -> tuple[list[str], list[str]]:
    """The names of the gallery's pictures, as its files have them."""
    contents = [*sorted(path.stem for path in (root / "img" / "content").glob("*.jpg")), PHOTOGRAPH]
    contents.sort(key=lambda name: name != "harbor")  # what the gallery opens with comes first
    styles = sorted(path.stem for path in (root / "img" / "style").glob("*.jpg"))
    styles.sort(key=lambda name: name != "fauve")
    return contents, styles


def write_thumbs(folder: Path, root: Path = ROOT) -> None:
    """Small pictures of all contents and styles, and the site's icon."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*(root / "img").glob("content/*.jpg"), *(root / "img").glob("style/*.jpg")]:
        with Image.open(path) as picture:
            ImageOps.fit(picture, (240, 180)).save(folder / path.name, quality=80)
    from skimage import data  # slow to import, and needed here alone

    ImageOps.fit(Image.fromarray(data.chelsea()), (240, 180)).save(folder / f"{PHOTOGRAPH}.jpg", quality=80)
    with Image.open(root / "img" / "style" / "swirls.jpg") as swirls:
        disc = Image.new("L", (256, 256))
        ImageDraw.Draw(disc).ellipse((2, 2, 253, 253), fill=255)
        icon = ImageOps.fit(swirls, (256, 256), centering=(0.5, 0.3)).convert("RGBA")
        icon.putalpha(disc)
        icon.resize((96, 96), Image.Resampling.LANCZOS).save(folder / "icon.png")


def ordered_guide(readme: str, root: Path = ROOT) -> list[str]:
    """The pages beside README, in docs/, and of background; those that README names first in its order."""
    found = [*root.glob("*.md"), *(root / "docs").glob("*.md"), *(root / name for name in CARDS)]
    names = {path.relative_to(root).as_posix() for path in found if path.is_file()}
    there = sorted(names - {"README.md"} - INSTEAD.keys())
    return sorted(there, key=lambda name: (readme.find(name) if name in readme else len(readme), name))


def stage(folder: Path, page: Path | None = None, root: Path = ROOT) -> Stage:
    """Write everything that Sphinx reads into a folder; `page` is a page that paints in the browser."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    notebooks = sorted(path.relative_to(root).as_posix() for path in (root / "notebooks").glob("*.ipynb"))
    guide = ordered_guide(readme, root)
    own = {path.name: path.read_text(encoding="utf-8") for path in sorted((root / OWN).glob("*.md"))}
    words = read_words(own["glossary.md"])
    staged = Stage(folder, root, frozenset(["README.md", *guide, *notebooks, *own]), words)

    for name in notebooks:
        staged.write(name, staged.notebook(name))
    for name in guide:
        staged.write(name, staged.page(name))
    text = staged.placed(TABLE.sub(lambda _: cards(readme), readme), "README.md")
    text = re.sub(r"^# .*", "# Start and use", text, count=1, flags=re.MULTILINE)  # the home page has the title
    staged.write("README.md", text + "\n" + toctree(guide))
    staged.files |= {row["picture"] for row in ROW.finditer(readme)}
    contents, styles = contents_and_styles(root)
    own["glossary.md"] = glossary(own["glossary.md"], words, staged.seen)
    made = {
        "cards": cards(readme),
        "picker": picker(contents, styles),
        "strip": strip("harbor", styles),
        "notebooks": "\n".join(notebooks),
    }
    for name, text in own.items():
        text = re.sub(r"<!-- paint -->(.*?)<!-- end -->", r"\1" if page else "", text, flags=re.DOTALL)
        for place, what in made.items():
            text = text.replace(f"<!-- {place} -->", what)
        staged.write(name, staged.placed(text, name))
    if not page:
        (folder / "paint.md").unlink(missing_ok=True)

    for name in staged.files | set(pictures_in_prose(folder)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)
    return staged


def pictures_in_prose(folder: Path) -> Iterable[str]:
    """The pictures of the repository that the pages show, as paths in it."""
    for path in [*folder.rglob("*.md"), *folder.rglob("*.ipynb")]:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells: list[dict[str, Any]] = json.loads(text)["cells"]
            text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        here = path.parent.relative_to(folder).as_posix()
        for target in re.findall(r"!\[[^\]]*\]\((?!\w+:)([^)\s]+)\)", text):
            yield posixpath.normpath(posixpath.join(here, target))


def painted_passes(folder: Path, root: Path = ROOT) -> Path:
    """The gallery's pictures in a folder of their own, painted where they are not there yet; gives that folder."""
    weights = hashlib.sha256((root / "nstlib" / "weights" / "styles.safetensors").read_bytes()).hexdigest()
    folder = folder / weights[:12]
    contents, styles = contents_and_styles(root)
    missing = [
        (content, style, path)
        for content in contents
        for style in styles
        if not (path := folder / f"{content}_{style}.webp").is_file()
    ]
    if missing:
        import nstlib as nst  # reads torch, which all else here can do without

        folder.mkdir(parents=True, exist_ok=True)
        for content, style, path in missing:
            with warnings.catch_warnings():  # a small photograph is enlarged here, and then made small again
                warnings.simplefilter("ignore", nst.RunWarning)
                picture = nst.to_pil(nst.fast(content, style, size=PAINTED, progress=False))
            picture.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
            nst.save_image(picture, path, quality=74)
    return folder


def copy_mathjax(folder: Path) -> None:
    """MathJax with its fonts, out of the package that holds it."""
    for file in importlib.metadata.files("sphinx-mathjax-offline") or []:
        path = file.as_posix()
        if path.endswith("/mathjax/tex-chtml.js") or "/output/chtml/fonts/" in path:
            there = folder / path.split("/mathjax/")[1]
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), there)


def build(out: Path = OUT, page: Path = ROOT / "build" / "page", root: Path = ROOT) -> Path:
    """Build the site; gives its folder. A warning of Sphinx, such as a link that leads nowhere, is an error."""
    source = out.with_name(out.name + "-source")
    has_page = (page / "index.html").is_file()
    for folder in (source, out):
        shutil.rmtree(folder, ignore_errors=True)
    staged = stage(source, page if has_page else None, root)
    static = source / "_made"
    write_thumbs(static / "thumbs", root)
    copy_mathjax(static / "mathjax")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--builder", "html"]
    environment = os.environ | {"NST_SITE_SOURCE": str(source), "NST_SITE_ROOT": str(root)}
    command += ["--conf-dir", str(root / OWN), "--doctree-dir", str(source / ".doctrees"), str(source), str(out)]
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"Sphinx did not build the site (exit status {done.returncode}); what it said is above")
    for name in staged.files:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, out / name)
    shutil.copytree(painted_passes(ROOT / "build" / PASSES, root), out / PASSES)
    if has_page:
        shutil.copytree(page, out / "paint", dirs_exist_ok=True)
    (out / ".nojekyll").touch()  # GitHub Pages leaves out folders such as _static without it
    return out


def main() -> None:
    """Build the site where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, default=OUT, help="folder of the site (build/site)")
    out = build(parser.parse_args().out.resolve())
    print(f"the site is in {out}; open {out / 'index.html'}, or: python -m http.server --directory {out}")


if __name__ == "__main__":
    main()
