"""Remake the figures that README and notebooks show, in visualizations/.

    python tools/figures.py              all of them
    python tools/figures.py demo         the picture at the top of README
    python tools/figures.py sheet        every bundled picture in one contact sheet
    python tools/figures.py gallery      every content picture in every style
    python tools/figures.py favorites    six transfers that one would hang on a wall, at their best
    python tools/figures.py notebooks    the figures that the notebooks hold in their outputs, as they were executed
    python tools/figures.py thumbnails   a small picture for each notebook, cut out of its figures; always made

They are made with the bundled backbone, so that everybody gets the same ones. A cell of a notebook with the tag
"figure:steps/film" gives visualizations/steps/film.jpg, or .png, byte by byte; tools/execute_notebooks.py writes it
too. Those in visualizations/backbones/ want other weights: tools/real_networks.py makes them. The moving picture of the
studio wants a browser: tools/film.py makes it.
"""

import argparse
import base64
from collections.abc import Sequence
from pathlib import Path

import nbformat
from PIL import Image, ImageDraw, ImageFont, ImageOps
from tqdm import tqdm

import nstlib as nst

ROOT = Path(__file__).resolve().parents[1]
FIGURES = ROOT / "visualizations"
TABLES = 3  # of transfers
PAINTED = (
    "demo/village_swirls.jpg",
    "gallery/pictures.jpg",
    "gallery/favorites.jpg",
    *(f"gallery/transfers_{number}.jpg" for number in range(1, TABLES + 1)),
)
# tools/real_networks.py makes these, from weights that are not bundled.
OF_REAL_NETWORKS = (
    *(f"backbones/{name}.jpg" for name in ("resnet50_pooling", "networks", "resnet50_layers")),
    "backbones/README.md",
)
FILMED = ("live/studio_moving.webp",)  # by tools/film.py, in a browser
# Of each notebook: a figure, and the part of it (left, top, right, bottom, from 0 to 1) that README shows, 3 : 2.
THUMBNAILS = {
    "01_content_reconstruction": ("content_optimization/layers.jpg", (0.515, 0.07, 0.997, 0.975)),
    "02_style_reconstruction": ("style_reconstruction/styles.jpg", (0.711, 0.424, 0.956, 0.589)),
    "03_style_transfer": ("demo/village_swirls.jpg", (0.0, 0.0, 1.0, 1.0)),
    "04_alpha_beta_sweep": ("alpha_beta/layers.jpg", (0.287, 0.437, 0.997, 0.997)),
    "05_step_count_sweep": ("steps/counts.jpg", (0.005, 0.03, 0.493, 0.475)),
    "06_live_studio": ("live/studio.jpg", (0.0, 0.0, 0.82, 1.0)),
    "07_improved_transfer": ("improved/means.jpg", (0.516, 0.07, 0.75, 0.475)),
    "08_control": ("control/places.jpg", (0.005, 0.06, 0.995, 0.995)),
    "09_backbones": ("backbones/eyes.jpg", (0.3375, 0.045, 0.6625, 0.46)),
    "10_big_pictures": ("big_pictures/big.jpg", (0.005, 0.035, 0.995, 0.995)),
    "11_fast_transfer": ("fast/ways.jpg", (0.756, 0.075, 0.994, 0.495)),
    "12_many_styles": ("many_styles/square.jpg", (0.035, 0.09, 0.995, 0.985)),
    "13_arbitrary_style": ("any_style/refined.jpg", (0.373, 0.575, 0.681, 0.98)),
}
TAG = "figure:"
SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}
PHOTOGRAPH = "chelsea"  # the gallery's real photograph, beside our own pictures
FAVORITES = {
    "harbor": "woodcut",
    PHOTOGRAPH: "fauve",
    "mountains": "swirls",
    "still_life": "stained_glass",
    "village": "watercolor",
    "interior": "cubist",
}
PAPER = "#f7f5f0"
GAP = 6


def demo() -> list[Path]:
    """The village in swirls, as `make demo` paints it."""
    picture = nst.stylize("village", "swirls", backbone="mini", size=768, quality="good")
    return [nst.save_image(picture, FIGURES / "demo" / "village_swirls.jpg", quality=88)]


def sheet() -> list[Path]:
    """All bundled pictures with their names."""
    tiles = [
        named_tile(name, nst.to_pil(nst.load_image(name, 320)), 250, 200)
        for kind in ("content", "style", "photo")
        for name in nst.bundled_images(kind)
    ]
    return [save(table(tiles, 5), "gallery/pictures.jpg")]


def gallery(size: int = 320) -> list[Path]:
    """Every content in every style: contents across, styles down, a few in each table."""
    contents, styles = [*nst.bundled_images("content"), PHOTOGRAPH], nst.bundled_images("style")
    made = []
    with tqdm(total=len(contents) * len(styles), unit="picture") as bar:
        for number in range(1, TABLES + 1):
            tiles = [Image.new("RGB", (200, 150), PAPER), *(shown(name) for name in contents)]
            for style in styles[len(styles) * (number - 1) // TABLES : len(styles) * number // TABLES]:
                tiles.append(shown(style))
                for content in contents:
                    picture = nst.stylize(content, style, backbone="mini", size=size, quality="good", progress=False)
                    tiles.append(tile(nst.to_pil(picture), 200, 150))
                    bar.update()
            made.append(save(table(tiles, 1 + len(contents)), f"gallery/transfers_{number}.jpg"))
    return made


def favorites(size: int = 512) -> list[Path]:
    """A few contents, each in a style that becomes it."""
    tiles = []
    for content, style in tqdm(FAVORITES.items(), unit="picture"):
        picture = nst.stylize(content, style, backbone="mini", size=size, quality="best", progress=False)
        tiles.append(named_tile(f"{content} in {style}".replace("_", " "), nst.to_pil(picture), 426, 320))
    return [save(table(tiles, 3), "gallery/favorites.jpg")]


def notebooks() -> list[Path]:
    """The figures of all notebooks, from their outputs."""
    return [path for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")) for path in write_tagged(notebook)]


def thumbnails() -> list[Path]:
    """A small picture for each notebook."""
    return [write_thumbnail(stem) for stem in THUMBNAILS]


def write_thumbnail(stem: str) -> Path:
    """Write the small picture of one notebook."""
    return nst.save_image(thumbnail(stem), FIGURES / "thumbnails" / f"{stem}.jpg", quality=85)


def thumbnail(stem: str) -> Image.Image:
    """A part of a notebook's figure, 360 x 240 pixels, which is twice what README shows."""
    name, part = THUMBNAILS[stem]
    with Image.open(FIGURES / name) as figure:
        box = [round(share * side) for share, side in zip(part, figure.size * 2, strict=True)]
        return ImageOps.fit(figure.crop(box), (360, 240), Image.Resampling.LANCZOS)


def write_tagged(notebook: Path) -> list[Path]:
    """Write the figures of one notebook; gives their paths."""
    made = []
    for name, data in tagged(notebook).items():
        path = FIGURES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        made.append(path)
    return made


def tagged(notebook: Path) -> dict[str, bytes]:
    """The pictures in the outputs of a notebook's tagged cells: "steps/film.jpg" to the file's bytes."""
    found: dict[str, bytes] = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        for name in (tag.removeprefix(TAG) for tag in cell.metadata.get("tags", []) if tag.startswith(TAG)):
            pictures = [output.data for output in cell.get("outputs", []) if SUFFIXES.keys() & output.get("data", {})]
            if len(pictures) != 1:
                raise SystemExit(f"{notebook.name}: the cell of {TAG}{name} shows {len(pictures)} pictures, not one")
            kind = next(kind for kind in SUFFIXES if kind in pictures[0])
            if name + SUFFIXES[kind] in found:
                raise SystemExit(f"{notebook.name}: two cells are tagged {TAG}{name}")
            found[name + SUFFIXES[kind]] = base64.b64decode(pictures[0][kind])
    return found


def shown(name: str) -> Image.Image:
    """A bundled picture as a tile."""
    return tile(nst.to_pil(nst.load_image(name, 256)), 200, 150)


def tile(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture, whole, in the middle of a sheet of paper."""
    picture.thumbnail((width, height), Image.Resampling.LANCZOS)
    sheet = Image.new("RGB", (width, height), PAPER)
    sheet.paste(picture, ((width - picture.width) // 2, (height - picture.height) // 2))
    return sheet


def named_tile(name: str, picture: Image.Image, width: int, height: int) -> Image.Image:
    """A tile with the picture's name beneath."""
    sheet = Image.new("RGB", (width, height + 26), PAPER)
    sheet.paste(tile(picture, width, height))
    draw = ImageDraw.Draw(sheet)
    draw.text((width / 2, height + 14), name, fill="#333333", font=ImageFont.load_default(15), anchor="mm")
    return sheet


def table(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    """Tiles of one size in rows."""
    width, height = tiles[0].width + GAP, tiles[0].height + GAP
    whole = Image.new("RGB", (columns * width + GAP, -(-len(tiles) // columns) * height + GAP), PAPER)
    for position, one in enumerate(tiles):
        whole.paste(one, (GAP + position % columns * width, GAP + position // columns * height))
    return whole


def save(figure: Image.Image, name: str) -> Path:
    """Save as JPEG of at most 300 kB: smaller and smaller, each time in three qualities."""
    for scale in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5):
        smaller = figure.resize([round(scale * side) for side in figure.size], Image.Resampling.LANCZOS)
        for quality in (90, 82, 74):
            path = nst.save_image(smaller, FIGURES / name, quality=quality)
            if path.stat().st_size <= 300_000:
                return path
    return path


def main() -> None:
    """Make the figures that the command line names."""
    makers = {maker.__name__: maker for maker in (demo, sheet, gallery, favorites, notebooks, thumbnails)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help=f"{', '.join(makers)} (all)")
    names = parser.parse_args().figures or list(makers)
    for name in names:
        if name not in makers:
            parser.error(f"there is no figure {name!r}; choose from {', '.join(makers)}")
    for name in dict.fromkeys([*names, "thumbnails"]):  # thumbnails follow the figures
        for path in makers[name]():
            print(path)


if __name__ == "__main__":
    main()
