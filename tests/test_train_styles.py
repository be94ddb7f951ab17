"""What trains the bundled networks: it puts better weights in the place of others, and no worse ones."""

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import nstlib as nst
from nstlib.feedforward.any_training import AnyStyleCourse
from nstlib.feedforward.stages import Course

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
train_styles = pytest.importorskip("train_styles")
train_any_style = pytest.importorskip("train_any_style")
changing_eyes = pytest.importorskip("changing_eyes")


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


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Small pictures, and few paintings."""
    monkeypatch.setattr(train_any_style, "SIZE", 64)
    monkeypatch.setattr(train_any_style, "HELD_OUT", ("harbor",))
    monkeypatch.setattr(train_any_style, "PAINTINGS", 2)
    monkeypatch.setattr(train_any_style, "COMPARED", 12)
    monkeypatch.setattr(train_any_style, "AnyStyleCourse", partial(AnyStyleCourse, sources=["content"], size=128))
    return tmp_path / "any.safetensors"


@pytest.mark.parametrize(("kind", "widths"), [("adain", "4 4 4 4"), ("predicting", "4 4 4")])
def test_the_network_for_any_style_knows_all_bundled_ones_and_is_kept_where_a_new_one_is_worse(
    kind, widths, monkeypatch, few
):
    arguments = ["--minutes", "0.002", "-o", str(few)]
    train_any_style.main(["--scratch", "--kind", kind, "--widths", *widths.split(), *arguments])
    network = nst.load_any_style(few)
    assert isinstance(network, train_any_style.KINDS[kind])
    assert network.styles == tuple(nst.bundled_images("style"))
    assert network.notes["unseen"] == list(train_any_style.UNSEEN)
    before = few.read_bytes()
    losses = iter([{"swirls": 2.0}, {"swirls": 1.0}])
    monkeypatch.setattr(train_any_style, "judged", lambda network, eyes: next(losses))
    train_any_style.main(arguments)
    assert few.read_bytes() == before


def test_a_network_gets_the_eyes_and_the_judge_that_are_asked_for_and_a_decoder_keeps_its_eyes(few, monkeypatch):
    arguments = ["--minutes", "0.002", "-o", str(few)]
    train_any_style.main(["--scratch", "--backbone", "mini19", "--widths", *"444", *arguments])
    assert nst.load_any_style(few).encoder.backbone.name == "mini19"
    losses = iter([1.0, 2.0] * 2)  # now, and before
    monkeypatch.setattr(train_any_style, "judged", lambda network, eyes: {"swirls": next(losses)})
    train_any_style.main(["--backbone", "mini", *arguments])
    changed = nst.load_any_style(few)
    assert changed.encoder.backbone.name == changed.notes["backbone"] == "mini"
    assert changed.styles == tuple(nst.bundled_images("style"))
    train_any_style.main(["--judge", "mini19", *arguments])
    judged = nst.load_any_style(few)
    assert judged.encoder.backbone.name == "mini"
    assert judged.notes["backbone"] == "mini19"
    nst.save_network(nst.AdaINNetwork(nst.FeatureExtractor("mini19"), widths=[4] * 4), few)
    with pytest.raises(nst.InputError, match="begin anew"):
        train_any_style.main(["--backbone", "mini", *arguments])


def test_a_network_that_gets_the_same_eyes_again_foretells_the_same_rows():
    network = nst.PredictingNetwork(nst.FeatureExtractor("mini"), ["relu1_1"], (4, 4, 4), 1, bottleneck=8)
    many = nst.Paintings(size=32, seed=3)  # reads and draws its pictures once
    paintings = [many.at(place, 1) for place in range(120)]
    seen = torch.cat([network.row_of(each) for each in paintings])
    network.predictor.look_around(seen)
    with torch.no_grad():
        network.predictor.straight.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
        other = changing_eyes.with_eyes(network, nst.FeatureExtractor("mini"), paintings)
        before, after = network.predictor(seen), other.predictor(seen)
    assert (after - before).norm() < 0.05 * (before - before.mean(0)).norm()
    for name, weights in network.painter.state_dict().items():
        assert torch.equal(weights, other.painter.state_dict()[name])
