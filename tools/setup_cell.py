"""The set-up cell of every notebook: what follows this line. `make links` writes it into all of them."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

REPO = ""  # address to clone from; needed only where the notebook was opened without the repository, as in Colab
LARGE_SIZES = os.environ.get("NST_SIZES") == "large"  # the sizes that a GPU gets, on any machine


def find_project():
    """The folder that holds the package: this one, one above, or one right below."""
    here = Path.cwd()
    places = [here, *here.parents, *sorted(here.glob("*/"))]
    return next((place for place in places if (place / "nstlib" / "__init__.py").is_file()), None)


installed = importlib.util.find_spec("nstlib")
if installed is None or installed.origin is None:  # a mere folder of that name has no origin
    if find_project() is None and REPO:
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPO, "style-transfer"], check=False)
    if find_project() is None:
        raise RuntimeError("nstlib is not here. Open this notebook in its repository, or put its address into REPO.")
    sys.path.insert(0, str(find_project()))
