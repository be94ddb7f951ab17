"""How Sphinx renders the site; tools/build_site.py prepares what it reads, and calls it."""

import os
import sys
from pathlib import Path

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
