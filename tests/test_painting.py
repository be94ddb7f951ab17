"""The pictures that the project paints: the same ones every time, and small enough to ship."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURES = sorted([*(ROOT / "img/style").glob("*"), *(ROOT / "img/content").glob("*")])


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_picture_is_a_small_jpeg(path):
    assert path.suffix == ".jpg"
    assert path.stat().st_size <= 300_000
    with Image.open(path) as picture:
        assert picture.format == "JPEG"
        assert picture.mode == "RGB"
        assert max(picture.size) <= 768


@pytest.fixture(scope="module")
def painter():
    pytest.importorskip("numba", reason="painting needs numba: pip install 'nstlib[paint]'")
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import paint_styles
    finally:
        sys.path.pop(0)
    return paint_styles


def test_every_painter_has_its_picture(painter):
    assert {path.stem for path in (ROOT / "img/style").glob("*.jpg")} == set(painter.PAINTERS)


def test_same_seed_paints_the_same_picture(painter):
    first, second = (painter.paint("stained_glass", size=64, supersample=1) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (64, 48, 3)
    assert first[..., 0].std() > 0.05


def test_oklab_goes_there_and_back(painter):
    import painting

    rgb = np.random.default_rng(0).random((7, 5, 3))
    np.testing.assert_allclose(painting.to_srgb(painting.to_oklab(rgb)), rgb, atol=2e-3)
