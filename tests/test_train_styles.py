"""What trains the bundled networks: it puts better weights in the place of others, and no worse ones."""

import sys
from collections import OrderedDict
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import nstlib as nst
from nstlib import backbones
from nstlib.feedforward.any_training import AnyStyleCourse
from nstlib.feedforward.stages import Course
from nstlib.networks.initializing import Seed, initialize
from nstlib.networks.vgg import mini_net, named_vgg, vgg_backbone

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
train_styles = pytest.importorskip("train_styles")
train_any_style = pytest.importorskip("train_any_style")
changing_parts = pytest.importorskip("changing_parts")


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


def test_a_network_of_other_styles_takes_the_place_of_the_one_before(capsys):
    assert train_styles.is_better({"swirls": 2.0, "waves": 9.0}, {"swirls": 1.0})
    assert "waves           9.000\n" in capsys.readouterr().out
    assert not train_styles.is_better({"swirls": 1.0}, {"swirls": 1.0})


@pytest.fixture
def narrow_vgg(monkeypatch):
    """The name of a narrow VGG with random weights, beside mini."""
    monkeypatch.setattr(backbones, "_KNOWN", dict(backbones._KNOWN))

    @nst.register("narrow")
    def build(pooling, keep_scale, weights):
        net = mini_net((8, 8, "M", 12, "M", 16, "M", 20, 20, "M", 24, "M"))
        initialize(net, Seed(1))
        return vgg_backbone("narrow", named_vgg(net, pooling, keep_scale))

    return "narrow"


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Small pictures, and few paintings."""
    monkeypatch.setattr(train_any_style, "SIZE", 64)
    monkeypatch.setattr(train_any_style, "HELD_OUT", ("harbor",))
    monkeypatch.setattr(train_any_style, "PAINTINGS", 2)
    monkeypatch.setattr(train_any_style, "COMPARED", {"predicting": 12, "adain": 12})
    monkeypatch.setattr(
        train_any_style, "AnyStyleCourse", partial(AnyStyleCourse, sources=["content"], paintings=["style"], size=128)
    )
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


@pytest.mark.parametrize(("kind", "widths"), [("adain", "4444"), ("predicting", "444")])
def test_a_network_gets_the_eyes_and_the_judge_that_are_asked_for(kind, widths, few, narrow_vgg, monkeypatch):
    arguments = ["--minutes", "0.002", "-o", str(few)]
    train_any_style.main(["--scratch", "--kind", kind, "--backbone", narrow_vgg, "--widths", *widths, *arguments])
    assert nst.load_any_style(few).encoder.backbone.name == narrow_vgg
    losses = iter([1.0, 2.0] * 2)  # now, and before
    monkeypatch.setattr(train_any_style, "judged", lambda network, eyes: {"swirls": next(losses)})
    train_any_style.main(["--backbone", "mini", *arguments])
    changed = nst.load_any_style(few)
    assert changed.encoder.backbone.name == changed.notes["backbone"] == "mini"
    assert changed.styles == tuple(nst.bundled_images("style"))
    train_any_style.main(["--judge", narrow_vgg, *arguments])
    judged = nst.load_any_style(few)
    assert judged.encoder.backbone.name == "mini"
    assert judged.notes["backbone"] == narrow_vgg


def test_who_goes_on_from_a_checkpoint_gives_no_new_eyes_first(few, narrow_vgg, monkeypatch, tmp_path):
    arguments = ["--minutes", "0.002", "-o", str(few)]
    train_any_style.main(["--scratch", "--backbone", narrow_vgg, "--widths", *"444", *arguments])
    given = []
    monkeypatch.setattr(train_any_style, "judged", lambda network, eyes: {"swirls": 1.0})  # never better than before
    monkeypatch.setattr(train_any_style, "with_eyes", lambda *how: given.append(how) or changing_parts.with_eyes(*how))
    arguments += ["--backbone", "mini", "--checkpoint", str(tmp_path / "any.pt")]
    train_any_style.main(arguments)
    train_any_style.main(arguments)
    assert len(given) == 1


def test_what_was_interrupted_puts_nothing_in_place_and_goes_on(few, monkeypatch, tmp_path, capsys):
    class Interrupted(AnyStyleCourse):
        def train(self, *how):
            training = super().train(*how)
            training.stop_reason = "interrupted"
            return training

    interrupted = partial(Interrupted, sources=["content"], size=128)
    arguments = ["--widths", *"444", "--minutes", "0.002", "-o", str(few), "--checkpoint", str(tmp_path / "any.pt")]
    with monkeypatch.context() as patch:
        patch.setattr(train_any_style, "AnyStyleCourse", interrupted)
        train_any_style.main(arguments)
    assert "the same command goes on" in capsys.readouterr().out
    assert not few.exists()
    train_any_style.main(arguments)
    assert few.exists()


def test_paintings_of_a_folder_are_learned_on_besides_the_bundled_ones(few, monkeypatch, tmp_path):
    folder = tmp_path / "paintings"
    nst.save_image(nst.load_image("village", 64), folder / "mine.png")
    seen = []
    watched = partial(train_any_style.AnyStyleCourse, watch=lambda training: seen.append(training.paintings.names))
    monkeypatch.setattr(train_any_style, "AnyStyleCourse", watched)
    arguments = ["--scratch", "--widths", *"444", "--minutes", "0.002", "-o", str(few)]
    train_any_style.main([*arguments, "--paintings", str(folder)])
    assert {"mine.png", "woodcut"} <= set(seen[-1])
    assert set(train_any_style.UNSEEN).isdisjoint(seen[-1])


def test_with_another_painter_rows_are_foretold_that_are_that_painters():
    sizes = {"widths": (4, 4, 4), "blocks": 1}
    network = nst.PredictingNetwork(nst.FeatureExtractor("mini"), ["relu1_1"], **sizes, bottleneck=8)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network.predictor.straight.weight.normal_(std=0.1, generator=generator)
    styles = ["swirls", "mosaic", "cave"]
    for name in styles:
        network.add_style(name, name, 64)
    many = nst.StyleNetwork([*styles, "woodcut"], **sizes, seed=5)
    factors = torch.rand(len(many.rows[0]), generator=generator) + 0.5
    with torch.no_grad():
        for row, foretold in zip(many.rows, network.learned().rows, strict=False):
            row.copy_(factors * foretold + 0.3)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changing_parts, "STAYING", 1e-9)
        changed = changing_parts.with_painter(network, many, styles)
    for row, wanted in zip(changed.learned().rows, many.rows, strict=False):
        torch.testing.assert_close(row, wanted, rtol=1e-3, atol=1e-3)
    picture = torch.rand(1, 3, 24, 24, generator=generator)
    torch.testing.assert_close(changed(picture, "swirls"), many(picture, "swirls"), rtol=1e-2, atol=2e-3)
    assert all(torch.equal(weights, before[name]) for name, weights in network.state_dict().items())


def test_the_painter_of_many_styles_is_taken_where_it_is_asked_for(few, monkeypatch):
    arguments = ["--minutes", "0.002", "-o", str(few)]
    train_any_style.main(["--scratch", "--widths", *"444", *arguments])
    many = nst.StyleNetwork(nst.bundled_images("style"), (4, 4, 4), seed=9)
    monkeypatch.setattr(nst, "load_network", lambda **how: many)
    taken = []
    monkeypatch.setattr(
        train_any_style, "with_painter", lambda *how: taken.append(how) or changing_parts.with_painter(*how)
    )
    train_any_style.main(["--painter", *arguments])
    assert taken[0][1] is many
    assert set(train_any_style.UNSEEN).isdisjoint(taken[0][2])


def test_a_network_that_gets_the_same_eyes_again_foretells_the_same_rows():
    network = nst.PredictingNetwork(nst.FeatureExtractor("mini"), ["relu1_1"], (4, 4, 4), 1, bottleneck=8)
    many = nst.Paintings(size=32, seed=3)  # reads and draws its pictures once
    paintings = [many.at(place, 1) for place in range(120)]
    seen = torch.cat([network.row_of(each) for each in paintings])
    network.predictor.look_around(seen)
    with torch.no_grad():
        network.predictor.straight.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
        other = changing_parts.with_eyes(network, nst.FeatureExtractor("mini"), paintings)
        before, after = network.predictor(seen), other.predictor(seen)
    assert (after - before).norm() < 0.05 * (before - before.mean(0)).norm()
    for name, weights in network.painter.state_dict().items():
        assert torch.equal(weights, other.painter.state_dict()[name])


@torch.no_grad()
def drawn_by(network, picture, style):
    return network(picture, style)


def a_decoder(encoder):
    """Whose weights are far from those that it would begin with."""
    network = nst.AdaINNetwork(encoder, widths=(8, 8, 8, 8), seed=2).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network.decoder.last.weight.normal_(std=0.05, generator=generator)
        for name in ("1", "2", "4"):
            network.decoder.grow[name].bias.normal_(generator=generator)
    return network


def test_a_decoder_that_gets_the_same_eyes_again_draws_the_same_pictures():
    network, many = a_decoder(nst.FeatureExtractor("mini")), nst.Paintings(size=64, seed=3)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    changed = changing_parts.drawing_with_eyes(network, network.encoder, [many.at(place, 1) for place in range(30)])
    picture, style = many.at(40, 1), many.at(41, 1)
    wanted, drawn = (drawn_by(each, picture, style) for each in (network, changed))
    assert (drawn - wanted).norm() < 0.05 * (wanted - wanted.mean((2, 3), keepdim=True)).norm()
    assert all(torch.equal(weights, before[name]) for name, weights in network.state_dict().items())


def test_a_decoder_that_gets_minis_eyes_draws_nearer_to_what_it_drew_than_with_its_deeper_weights_alone(narrow_vgg):
    network, many = a_decoder(nst.FeatureExtractor(narrow_vgg)), nst.Paintings(size=64, seed=3)
    mini = nst.FeatureExtractor("mini")
    changed = changing_parts.drawing_with_eyes(network, mini, [many.at(place, 1) for place in range(30)])
    plain = nst.AdaINNetwork(mini, widths=network.widths, seed=2).eval()
    shapes = {name: weight.shape for name, weight in plain.decoder.state_dict().items()}
    weights = {name: weight for name, weight in network.decoder.state_dict().items() if weight.shape == shapes[name]}
    plain.decoder.load_state_dict(weights, strict=False)
    picture, style = many.at(40, 1), many.at(41, 1)
    wanted = drawn_by(network, picture, style)
    away, plainly = ((drawn_by(each, picture, style) - wanted).norm() for each in (changed, plain))
    assert away < 0.5 * plainly


def test_a_decoder_is_not_given_eyes_whose_layers_have_other_strides(narrow_vgg):
    network = nst.AdaINNetwork(nst.FeatureExtractor("mini"), ["relu1_1", "relu2_1"], [4, 4])

    @nst.register(narrow_vgg)
    def without_first_pooling(pooling, keep_scale, weights):
        net = mini_net((8, 8, "M", 12, "M"))
        initialize(net, Seed(1))
        named = named_vgg(net, pooling, keep_scale)
        return vgg_backbone(
            narrow_vgg, nn.Sequential(OrderedDict((n, m) for n, m in named.named_children() if n != "pool1"))
        )

    with pytest.raises(nst.InputError, match=r"of narrow have strides \[1, 1\], not \[1, 2\]; begin anew"):
        changing_parts.drawing_with_eyes(network, nst.FeatureExtractor(narrow_vgg), [])
