"""How Sphinx renders the site; tools/build_site.py prepares what it reads, and calls it."""

import os
import sys
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

ROOT = Path(os.environ["NST_SITE_ROOT"])
SOURCE = Path(os.environ["NST_SITE_SOURCE"])
sys.path.append(str(ROOT / "tools"))
import links  # noqa: E402

project = "Style transfer, step by step"
author = f"the authors of {links.address(ROOT)}"
html_title = project
html_show_copyright = html_show_sphinx = html_show_sourcelink = False
extensions = ["myst_nb", "sphinx_copybutton"]
exclude_patterns = ["_made", ".doctrees"]

# The outputs are those of the committed notebooks: nothing is executed.
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # the default is a script from the web
nb_render_markdown_format = "myst"  # tables, which a notebook displays, are tables here too
nb_mime_priority_overrides = [("html", "text/markdown", 5)]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["mystnb.unknown_mime_type", "myst.header"]
copybutton_selector = "div.highlight:not(.output *) pre"

mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # its menu would load more scripts

html_theme = "pydata_sphinx_theme"
html_static_path = [str(Path(__file__).parent / "static"), str(SOURCE / "_made")]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = str(SOURCE / "_made" / "thumbs" / "icon.png")
html_copy_source = html_use_index = False
html_context = {"default_mode": "auto"}
html_sidebars = {"index": [], "gallery": [], "glossary": [], "errors": [], "paint": []}
html_theme_options = {
    "logo": {"text": project, "image_light": "_static/thumbs/icon.png", "image_dark": "_static/thumbs/icon.png"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher", "navbar-icon-links"],
    "icon_links": [
        {
            "name": "The repository",
            "url": f"https://github.com/{links.address(ROOT)}",
            "icon": "fa-brands fa-github",
        }
    ],
    "search_bar_text": "Search notebooks, words and messages",
    "show_toc_level": 2,
    "navigation_depth": 2,
    "show_nav_level": 1,
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        "index": [],
        "gallery": [],
        "paint": [],
    },
    "footer_start": ["license"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
templates_path = [str(Path(__file__).parent / "templates")]

PREVIEW = "visualizations/demo/village_swirls.jpg"


def first_words(page: nodes.document, most: int = 200) -> str:
    """What a page says of itself, or the beginning of its prose: whole words."""
    told = [meta["content"] for meta in page.findall(nodes.meta) if meta.get("name") == "description"]
    paragraphs = [each for each in page.findall(nodes.paragraph) if each.next_node(nodes.raw) is None]
    prose = [each.astext() for each in paragraphs if each.next_node(nodes.image) is None]
    text = " ".join(next((text for text in told + prose if len(text) > 40), project).split())
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " ..."


def describe(app: Sphinx, name: str, _template: str, context: dict[str, Any], page: nodes.document | None) -> None:
    """What search engines list, and what a link shows where it is posted: title, first words, a picture."""
    if name == "index":
        context["docstitle"] = None  # its title says it all
    if page is None:
        return
    home, words = links.site_link(links.address(ROOT)), first_words(page)
    tags = {"title": app.env.titles[name].astext(), "description": words, "type": "website"}
    tags |= {
        "url": f"{home}{name}.html",
        "image": home + PREVIEW,
        "image:alt": "A village, painted in swirling strokes",
    }
    about = [f'<meta property="og:{key}" content="{escape(value)}">' for key, value in tags.items()]
    about.append('<meta name="twitter:card" content="summary_large_image">')
    if 'name="description"' not in context["metatags"]:
        about.append(f'<meta name="description" content="{escape(words)}">')
    context["metatags"] += "\n" + "\n".join(about)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("html-page-context", describe)
