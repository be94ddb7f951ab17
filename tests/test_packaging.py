"""What is given to others: the wheel, its page on PyPI, the citation, the forms of issues, the changelog."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import jsonschema
import pytest
import yaml
from PIL import Image

import nstlib

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]*.yml"))
# What packages are called where they are imported, where that is not their name.
IMPORTED_AS = {"pillow": "PIL", "scikit-image": "skimage"}
COME_WITH = {"IPython": "ipykernel", "traitlets": "ipywidgets"}


def refuse_what_is_not(schema, *paths):
    """Raise where a file does not keep to a schema that check-jsonschema carries; nothing is fetched."""
    schemas = pytest.importorskip(
        "check_jsonschema.builtin_schemas", reason="no check-jsonschema here: pip install -e '.[test]'"
    )
    rules = schemas.get_builtin_schema(f"vendor.{schema}")
    for path in paths:
        jsonschema.validators.validator_for(rules)(rules).validate(yaml.safe_load(path.read_text()))


def test_the_citation_is_valid_and_of_this_version():
    path = ROOT / "CITATION.cff"
    citation = yaml.safe_load(path.read_text())
    assert citation["version"] == nstlib.__version__
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    refuse_what_is_not("citation-file-format", path)


def test_the_forms_of_issues_are_valid():
    assert len(FORMS) == 3
    refuse_what_is_not("github-issue-forms", *FORMS)
    refuse_what_is_not("github-issue-config", ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml")


def test_a_schema_refuses_what_is_wrong(tmp_path):
    broken = tmp_path / "CITATION.cff"
    broken.write_text((ROOT / "CITATION.cff").read_text().replace("family-names", "surname"))
    with pytest.raises(jsonschema.ValidationError, match="surname"):
        refuse_what_is_not("citation-file-format", broken)


def test_the_changelog_begins_with_what_comes_and_with_this_version():
    first, second = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:2]
    released = yaml.safe_load((ROOT / "CITATION.cff").read_text())["date-released"]
    assert first == "Next"
    assert second == f"{nstlib.__version__}, {released}"


def imports(path):
    """What a file imports, each with whether that is done as soon as the file is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_once = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for name in names:
            yield name.partition(".")[0], id(node) in at_once


def of(*entries):
    """How the packages of some entries in pyproject.toml are imported."""
    names = [re.match(r"[\w-]+", entry)[0] for group in entries for entry in group]
    return {IMPORTED_AS.get(name, name) for name in names}


def test_the_package_imports_what_it_asks_for_and_nothing_else():
    extras = PROJECT["optional-dependencies"]
    needed, optional = of(PROJECT["dependencies"]), of(extras["lab"], extras["onnx"])
    optional |= {name for name, package in COME_WITH.items() if package in optional}
    for path in (ROOT / "nstlib").rglob("*.py"):
        for name, at_once in imports(path):
            if name in sys.stdlib_module_names or name in needed or name == "nstlib":
                continue
            assert name in optional, (path, name)
            in_live = path.is_relative_to(ROOT / "nstlib" / "live") or path.name == "plots.py"
            assert in_live or not at_once, f"{path} imports {name} at once, which not everybody has"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the sdist, and the wheel that was built from it."""
    for package in ("build", "hatchling", "hatch_fancy_pypi_readme"):
        pytest.importorskip(package, reason=f"no {package} here: pip install -e '.[test]'")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A function that runs Python in an empty folder, with the wheel before all else that is installed."""
    site, empty = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("empty")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "NST_BACKBONE": "mini"}

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=empty, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    run.site, run.folder = site, empty
    return run


@pytest.mark.slow
def test_the_wheel_and_the_sdist_are_light(built, wheel):
    (sdist,) = built.glob("*.tar.gz")
    assert wheel.stat().st_size < 20_000_000
    assert sdist.stat().st_size < 20_000_000


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package_and_the_pictures_and_nothing_else(wheel):
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "nstlib", "img/content", "img/style"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("not a clone")
    wanted = {re.sub(r"^img/", "nstlib/img/", name) for name in tracked.stdout.split()}
    with zipfile.ZipFile(wheel) as files:
        found = {name for name in files.namelist() if ".dist-info/" not in name}
    assert found == wanted


@pytest.mark.slow
def test_the_page_on_pypi_says_who_and_where_and_its_links_lead_to_the_web(wheel):
    with zipfile.ZipFile(wheel) as files:
        name = next(name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        about = message_from_string(files.read(name).decode())
        licenses = {name.partition("/licenses/")[2] for name in files.namelist() if "/licenses/" in name}
    assert about["Version"] == nstlib.__version__
    assert about["Description-Content-Type"] == "text/markdown"
    assert set(about.get_all("License-File")) == licenses == {"LICENSE", "nstlib/weights/README.md", "img/CREDITS.md"}
    urls = dict(each.split(", ") for each in about.get_all("Project-URL"))
    assert urls == PROJECT["urls"]
    page = about.get_payload()
    found = [first or second for first, second in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", page)]
    assert len(found) > 30
    assert all(link.startswith("https://") for link in found)
    repository = urls["Repository"].removeprefix("https://github.com/")
    for link in found:
        inside = re.fullmatch(rf"https://(?:raw\.githubusercontent|github)\.com/{repository}/(?:blob/)?main/(.*)", link)
        assert not inside or (ROOT / inside[1].partition("#")[0]).exists(), link
    pictures = re.findall(r"(?:!\[[^\]]*\]\(|src=\")(https://[^)\"]+)", page)
    assert all("raw.githubusercontent.com" in link or link.endswith(".svg") for link in pictures)


@pytest.mark.slow
def test_from_an_empty_folder_the_wheel_lists_what_it_has(installed):
    said = installed("-m", "nstlib", "--list")
    for name in ("village", "swirls", "mini", "squeezenet"):
        assert re.search(rf"\b{name}\b", said), said
    suffix = ".exe" if os.name == "nt" else ""
    assert (installed.site / sysconfig.get_path("scripts").rpartition(os.sep)[2] / f"nstlib{suffix}").is_file()


@pytest.mark.slow
def test_from_an_empty_folder_the_wheel_paints_slowly_and_at_once(installed):
    installed("-m", "nstlib", "village", "swirls", "--size", "64", "--steps", "2", "--quiet", "-o", "slow.png")
    installed("-m", "nstlib.fast", "harbor", "mosaic", "--size", "64", "-o", "fast.png")
    for name in ("slow.png", "fast.png"):
        with Image.open(installed.folder / name) as picture:
            assert max(picture.size) == 64


@pytest.mark.slow
def test_from_an_empty_folder_the_wheel_has_its_live_pictures_with_their_scripts_and_styles(installed):
    script = """
import nstlib as nst
from nstlib import live
print(nst.__file__)
studio = live.studio("village", "swirls", size=64, driver="none").run(1)
widgets = [live.brush("harbor", regions=2), live.camera(style="mosaic"), live.painter("harbor", "mosaic")]
nst.FeatureExtractor("squeezenet")
print(studio.image.shape)
"""
    where, shape = installed("-c", script).split("\n")[:2]
    assert Path(where).is_relative_to(installed.site)
    assert shape.startswith("torch.Size([1, 3, ")


@pytest.mark.slow
def test_without_what_notebooks_need_the_wheel_paints_all_the_same(installed):
    script = """
import sys
for name in ("IPython", "ipywidgets", "anywidget", "matplotlib", "filelock", "onnx"):
    sys.modules[name] = None  # not there
import nstlib as nst
nst.save_image(nst.stylize("village", "swirls", size=64, steps=1, progress=False), "bare.png")
nst.save_image(nst.fast("village", "swirls", size=64), "bare_fast.png")
try:
    from nstlib import live
except nst.MissingPackage as error:
    print(error)
"""
    assert 'pip install "nstlib[lab]"' in installed("-c", script)
    assert {"bare.png", "bare_fast.png"} <= set(os.listdir(installed.folder))
