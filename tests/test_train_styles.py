"""What trains the bundled networks: it puts better weights in the place of others, and no worse ones."""

import sys
from functools import partial
from pathlib import Path

import pytest

import nstlib as nst
from nstlib.feedforward.any_training import AnyStyleCourse
from nstlib.feedforward.stages import Course

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
train_styles = pytest.importorskip("train_styles")
train_any_style = pytest.importorskip("train_any_style")


@pytest.fixture
def small(monkeypatch, tmp_path):
    """One style, small pictures, and a small network in a file of its own."""
    monkeypatch.setattr(nst, "bundled_images", lambda kind: ["swirls"])
    monkeypatch.setattr(train_styles, "SIZE", 64)
    monkeypatch.setattr(train_styles, "HELD_OUT", ("harbor",))
    monkeypatch.setattr(train_styles, "Course", partial(Course, sources=["content"], size=128))
    monkeypatch.setattr(train_styles, "StyleNetwork", partial(nst.StyleNetwork, widths=(4, 4, 4), blocks=1))
    return tmp_path / "styles.safetensors"


def test_a_network_from_nothing_is_saved_and_a_worse_one_is_not(small, monkeypatch, capsys):
    train_styles.main(["--scratch", "--minutes", "0.002", "-o", str(small)])
    assert nst.load_network(small).styles == ("swirls",)
    before = small.read_bytes()
    losses = iter([{"swirls": 2.0}, {"swirls": 1.0}])  # now, and before
    monkeypatch.setattr(train_styles, "judged", lambda network: next(losses))
    train_styles.main(["--minutes", "0.002", "-o", str(small)])
    assert "not better" in capsys.readouterr().out
    assert small.read_bytes() == before


def test_a_better_one_takes_its_place(small, monkeypatch):
    train_styles.main(["--scratch", "--minutes", "0.002", "-o", str(small)])
    before = small.read_bytes()
    losses = iter([{"swirls": 1.0}, {"swirls": 2.0}])
    monkeypatch.setattr(train_styles, "judged", lambda network: next(losses))
    train_styles.main(["--minutes", "0.002", "-o", str(small)])
    assert small.read_bytes() != before


@pytest.mark.parametrize(("kind", "widths"), [("adain", "4 4 4 4"), ("predicting", "4 4 4")])
def test_the_network_for_any_style_knows_all_bundled_ones_and_is_kept_where_a_new_one_is_worse(
    kind, widths, monkeypatch, tmp_path
):
    path = tmp_path / "any.safetensors"
    monkeypatch.setattr(train_any_style, "SIZE", 64)
    monkeypatch.setattr(train_any_style, "HELD_OUT", ("harbor",))
    monkeypatch.setattr(train_any_style, "PAINTINGS", 2)
    monkeypatch.setattr(train_any_style, "AnyStyleCourse", partial(AnyStyleCourse, sources=["content"], size=128))
    arguments = ["--minutes", "0.002", "-o", str(path)]
    train_any_style.main(["--scratch", "--kind", kind, "--widths", *widths.split(), *arguments])
    network = nst.load_any_style(path)
    assert isinstance(network, train_any_style.KINDS[kind])
    assert network.styles == tuple(nst.bundled_images("style"))
    assert network.notes["unseen"] == list(train_any_style.UNSEEN)
    before = path.read_bytes()
    losses = iter([{"swirls": 2.0}, {"swirls": 1.0}])
    monkeypatch.setattr(train_any_style, "judged", lambda network: next(losses))
    train_any_style.main(arguments)
    assert path.read_bytes() == before
