"""The maker of the studio's moving picture: what it writes. What it films is tested in the browser's own tests."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
import film  # noqa: E402


@pytest.fixture
def frames():
    noise = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), dtype=np.uint8)
    return [Image.fromarray(each) for each in noise]


def test_every_frame_is_shown_in_turn_and_the_last_one_stays(frames, tmp_path):
    assert film.save(frames, tmp_path / "film.webp") == (tmp_path / "film.webp").stat().st_size
    with Image.open(tmp_path / "film.webp") as saved:
        shown = []
        for number in range(saved.n_frames):
            saved.seek(number)
            saved.load()
            shown.append(saved.info["duration"])
        assert saved.info["loop"] == 0
    assert shown == [film.SHOWN] * 3 + [film.HELD]


def test_a_film_that_is_too_large_is_made_in_a_lower_quality(frames, tmp_path, monkeypatch):
    best = film.save(frames, tmp_path / "film.webp")
    monkeypatch.setattr(film, "LARGEST", best - 1)
    assert film.save(frames, tmp_path / "film.webp") < best
    monkeypatch.setattr(film, "LARGEST", 100)
    with pytest.raises(SystemExit, match="at most 100 are wanted"):
        film.save(frames, tmp_path / "film.webp")


def test_without_a_browser_it_says_what_to_install(monkeypatch):
    pytest.importorskip("playwright", reason="no playwright here: pip install -e '.[lab,test]'")
    monkeypatch.setattr(film, "CHROMIUM", None)
    with pytest.raises(SystemExit, match="no Chromium here"), film.opened_studio():
        pass
