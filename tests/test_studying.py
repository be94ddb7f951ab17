"""Studying a painting: its row learns, all else stays, and the network that was given stays as it was."""

import copy

import pytest
import torch

import nstlib as nst
from nstlib.errors import ImageError, InputError
from nstlib.feedforward.command import main


@pytest.fixture(scope="module")
def network():
    """A small network for any style, which knows one, and whose rows differ."""
    network = nst.PredictingNetwork(nst.FeatureExtractor("mini"), widths=(4, 6, 8), blocks=1, kernel=3, bottleneck=5)
    generator = torch.Generator().manual_seed(3)
    for layer in (network.predictor.spell, network.predictor.straight):
        torch.nn.init.normal_(layer.weight, std=0.2, generator=generator)
    network.add_style("mosaic", "mosaic", 64)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def contents():
    return nst.Contents("content", 128)


def loss_of(network, style, contents):
    judge = nst.Judge(nst.FeatureExtractor("mini"), {style: "swirls"})
    return judge.judged(network, contents.at(99, 2), style).total


def test_studying_lowers_the_loss_of_the_painting(network, contents):
    first, studied = (
        nst.study({"s": "swirls"}, network, steps=steps, contents=contents, progress=False) for steps in (0, 12)
    )
    assert loss_of(studied, "s", contents) < 0.9 * loss_of(first, "s", contents)


def test_only_the_row_of_the_painting_changes_and_the_network_stays_as_it_was(network, contents):
    before = copy.deepcopy(network.state_dict())
    first, studied = (
        nst.study({"s": "swirls"}, network, steps=steps, contents=contents, progress=False) for steps in (0, 2)
    )
    changed = [name for name, value in studied.state_dict().items() if not torch.equal(value, first.state_dict()[name])]
    assert changed == [f"rows.{studied.styles.index('s')}"]
    assert network.styles == ("mosaic",)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_it_learns_inside_a_block_without_gradients_too(network):
    how = {"steps": 1, "contents": "content", "progress": False}
    with torch.inference_mode():
        inside = nst.study({"s": "swirls"}, network, **how)
    assert torch.equal(inside.rows[-1], nst.study({"s": "swirls"}, network, **how).rows[-1])


def test_without_steps_it_is_what_the_first_look_says(network):
    x = nst.load_image("village", 48)
    with torch.no_grad():
        wanted = network(x, nst.load_image("swirls", 256))
        torch.testing.assert_close(nst.study({"s": "swirls"}, network, steps=0)(x, "s"), wanted, rtol=0, atol=1e-5)


def test_a_style_that_is_known_learns_on_and_mixes_with_the_others(network, contents):
    how = {"steps": 2, "contents": contents, "progress": False}
    studied = nst.study({"mosaic": "mosaic", "s": "swirls"}, network, **how)
    assert studied.styles == ("mosaic", "s")
    picture = nst.fast("village", {"mosaic": 0.5, "s": 0.5}, network=studied, size=48, progress=False)
    assert picture.shape[-1] == 48
    assert picture.isfinite().all()


def test_the_same_seed_gives_the_same_row_and_another_another(network, contents):
    rows = [
        nst.study({"s": "swirls"}, network, steps=2, contents="content", seed=seed, progress=False).rows[-1]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


def test_what_cannot_study_is_refused_with_what_can(network):
    with pytest.raises(InputError, match="looks at no paintings; give a PredictingNetwork"):
        nst.study({"s": "swirls"}, nst.load_network())
    with pytest.raises(InputError, match="AdaIN draws by no row"):
        nst.study({"s": "swirls"}, "adain")
    with pytest.raises(InputError, match="no painting to study"):
        nst.study({}, network)
    with pytest.raises(InputError, match="steps"):
        nst.study({"s": "swirls"}, network, steps=-1)
    with pytest.raises(InputError, match="style_size is -3"):
        nst.study({"s": "swirls"}, network, style_size=-3)
    with pytest.raises(InputError, match="steeps"):
        nst.study({"s": "swirls"}, network, steeps=3)
    with pytest.raises(InputError, match="styles is 'swirls'"):
        nst.study("swirls", network)
    with pytest.raises(ImageError):
        nst.study({"s": "nowhere.jpg"}, network)


def test_the_command_studies_a_painting_once_for_all_pictures(network, tmp_path, capsys):
    painting = tmp_path / "waves.png"
    nst.save_image(nst.load_image("swirls", 96), painting)
    file, contents = nst.save_network(network, tmp_path / "any.safetensors"), tmp_path / "in"
    contents.mkdir()
    for name in ("village", "harbor"):
        nst.save_image(nst.load_image(name, 48), contents / f"{name}.png")
    words = [str(contents), str(painting), "--network", str(file), "--precision", "float32", "-q"]
    assert main([*words, "--study", "2", "-o", str(tmp_path / "studied")]) == 0
    assert main([*words, "-o", str(tmp_path / "looked")]) == 0
    one, other = (nst.load_image(next((tmp_path / name).glob("village*"))) for name in ("studied", "looked"))
    assert len(list((tmp_path / "studied").iterdir())) == 2
    assert (one - other).abs().mean() > 0.001


def test_of_several_paintings_in_a_batch_the_first_is_studied(network):
    both = torch.cat([nst.load_image("swirls", 64)[..., :40, :40], torch.rand(1, 3, 40, 40)])
    how = {"steps": 1, "contents": "content", "progress": False}
    one, two = (nst.study({"s": painting}, network, **how) for painting in (both[:1], both))
    assert torch.equal(one.rows[-1], two.rows[-1])


def test_the_command_says_that_it_does_not_know_a_misspelled_style(capsys):
    assert main(["village", "swirlz", "--study", "5"]) == 2
    assert "swirls" in capsys.readouterr().err


def test_the_command_refuses_to_study_what_is_no_painting(capsys):
    assert main(["village", "mosaic", "--study", "5"]) == 2
    assert "--study is for a painting" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.jpg"], "nowhere.jpg"),
        (["village", "--strength", "1,0.5"], "one strength"),
        (["village", "--tile", "1"], "tile"),
        (["village", "--masks", "nowhere.png"], "nowhere.png"),
    ],
)
def test_the_command_says_what_cannot_work_before_it_studies(words, said, tmp_path, monkeypatch, capsys):
    from nstlib.feedforward import studying

    def refuse(*_args, **_keywords):
        raise AssertionError("it has studied")

    monkeypatch.setattr(studying, "study", refuse)
    nst.save_image(nst.load_image("swirls", 32), tmp_path / "painting.png")
    content, *options = words
    assert main([content, str(tmp_path / "painting.png"), "--study", "5", *options]) == 2
    assert said in capsys.readouterr().err


def test_whoever_is_given_judges_and_else_mini(network, contents, monkeypatch):
    judges = []

    class Noted(nst.Judge):
        def __init__(self, extract, *arguments, **how):
            judges.append(extract.backbone.name)
            super().__init__(extract, *arguments, **how)

    monkeypatch.setattr("nstlib.feedforward.studying.Judge", Noted)
    how = {"steps": 1, "contents": contents, "progress": False}
    nst.study({"s": "swirls"}, network, **how)
    nst.study({"s": "swirls"}, network, extract=nst.FeatureExtractor("squeezenet"), **how)
    assert judges == ["mini", "squeezenet"]
    with pytest.raises(nst.InputError, match="extract"):
        nst.study({"s": "swirls"}, network, extract="mini", **how)
