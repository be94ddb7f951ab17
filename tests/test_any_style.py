"""Networks for any style: what is promised of every size, mix, strength, file and training holds."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

import nstlib as nst
from nstlib.errors import ImageError, InputError, LayerNotFound, RunError, WeightsUnavailable
from nstlib.feedforward import any_style, any_training, files
from nstlib.feedforward.adain import AdaINNetwork, _mixed, adain
from nstlib.feedforward.adain import _numbers as decoder_numbers
from nstlib.feedforward.any_style import moments
from nstlib.feedforward.any_training import AnyStyleCourse, AnyStyleTraining
from nstlib.feedforward.drawing import STROKES, drawing
from nstlib.feedforward.judging import Judge
from nstlib.feedforward.network import StyleNetwork
from nstlib.feedforward.network import _numbers as many_numbers
from nstlib.feedforward.paintings import Paintings, recolored
from nstlib.feedforward.predicting import PredictingNetwork
from nstlib.feedforward.stages import Stage
from nstlib.feedforward.training import Training


@pytest.fixture(scope="module")
def extract():
    return nst.FeatureExtractor("mini")


@pytest.fixture
def swapping(extract):
    network = AdaINNetwork(extract, widths=(4, 6, 8, 10), seed=1).eval()
    for convolution in network.convolutions:  # random colors, not the gray that a new network begins with
        torch.nn.init.normal_(convolution.weight, std=0.1, generator=torch.Generator().manual_seed(3))
    return with_two_styles(network)


@pytest.fixture
def predicting(extract):
    network = PredictingNetwork(extract, widths=(4, 6, 8), blocks=2, kernel=3, bottleneck=5, seed=1).eval()
    for layer in (network.predictor.spell, network.predictor.straight):
        torch.nn.init.normal_(layer.weight, std=0.2, generator=torch.Generator().manual_seed(3))
    return with_two_styles(network)


def with_two_styles(network):
    network.add_style("swirls", "swirls", 64)
    network.add_style("mosaic", "mosaic", 64)
    return network.requires_grad_(False)


@pytest.fixture(params=["swapping", "predicting"])
def network(request):
    """What is promised of both."""
    return request.getfixturevalue(request.param)


def pictures(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def same_up_to(one, other, tolerance=2e-5):
    assert (one - other).abs().max() <= tolerance


def test_adain_is_the_papers_equation_in_numpy():
    x, y = pictures(2, 3, 7, 5).double(), pictures(2, 3, 4, 9, seed=1).double()
    ours = adain(x, moments(x), moments(y)).numpy()
    x, y = x.numpy(), y.numpy()
    mean_x, mean_y = (each.mean((2, 3), keepdims=True) for each in (x, y))
    deviation_x, deviation_y = (np.sqrt(each.var((2, 3), keepdims=True) + 1e-5) for each in (x, y))
    np.testing.assert_allclose(ours, deviation_y * (x - mean_x) / deviation_x + mean_y, rtol=1e-12)


def test_swapped_features_have_the_styles_means_and_deviations():
    x, y = pictures(2, 3, 40, 40), 3 * pictures(2, 3, 40, 40, seed=1) + 2
    for found, wanted in zip(moments(adain(x, moments(x), moments(y))), moments(y), strict=True):
        same_up_to(found, wanted, 1e-4)


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (16, 16), (17, 31), (40, 24)])
def test_every_size_comes_back_in_that_size_and_in_range(network, size):
    painted = network(pictures(2, 3, *size), "swirls")
    assert painted.shape == (2, 3, *size)
    assert painted.isfinite().all()
    assert painted.min() >= 0
    assert painted.max() <= 1


def test_a_flat_picture_gives_numbers(network):
    assert network(torch.zeros(1, 3, 24, 24), "mosaic").isfinite().all()


def test_a_batch_is_its_pictures_each_in_the_style_of_its_own_painting(network):
    x, paintings, strengths = pictures(3, 3, 32, 40), pictures(3, 3, 48, 32, seed=2), torch.tensor([1.0, 0.3, 0.0])
    painted = network(x, paintings, strengths)
    for index in range(3):
        one = network(x[index : index + 1], paintings[index : index + 1], strengths[index : index + 1])
        same_up_to(painted[index : index + 1], one)


def test_a_painting_given_and_a_painting_known_by_name_are_the_same(network):
    x, painting = pictures(1, 3, 40, 32), nst.load_image("cubist", 64)
    network.add_style("cubist", "cubist", 64)
    same_up_to(network(x, painting, 0.6), network(x, "cubist", 0.6))


def test_at_strength_0_no_style_matters(network):
    x = pictures(1, 3, 40, 32)
    same_up_to(network(x, "swirls", 0), network(x, "mosaic", 0), 0)


def test_at_strength_0_the_swapped_features_are_the_contents_own(swapping):
    x = pictures(1, 3, 40, 32)
    features = swapping.encoder(x, swapping.layers)
    row, strength = _mixed(swapping.shares("swirls", 0), swapping.rows)
    for layer, aligned in zip(swapping.layers, swapping._aligned(features, row, strength).values(), strict=True):
        same_up_to(aligned, features[layer], 1e-4)


def test_at_strength_0_a_network_that_foretells_rows_gives_the_picture_itself(predicting):
    x = pictures(2, 3, 41, 30)
    same_up_to(predicting(x, "swirls", 0), x, 0.002)


def test_the_row_of_a_mix_is_the_mean_of_the_rows_by_their_shares(swapping):
    row, strength = _mixed(swapping.shares({"swirls": 3, "mosaic": 1}), swapping.rows)
    torch.testing.assert_close(row[0], 0.75 * swapping.rows[0] + 0.25 * swapping.rows[1])
    assert strength.item() == 1


def test_foretold_rows_are_what_two_layers_make_of_what_is_seen_in_numpy(predicting):
    seen = np.log(predicting.rows.numpy().astype(np.float64) + 0.1)
    weights = {name: value.numpy().astype(np.float64) for name, value in predicting.predictor.state_dict().items()}
    seen = (seen - weights["center"]) / weights["spread"]
    squeezed = np.tanh(seen @ weights["squeeze.weight"].T + weights["squeeze.bias"])
    rows = predicting.painter.rows[0].numpy() + squeezed @ weights["spell.weight"].T + weights["spell.bias"]
    rows += 2 * np.tanh(seen[:, : 2 * predicting._channels[0]] / 2) @ weights["straight.weight"].T
    np.testing.assert_allclose(predicting._foretold(predicting.rows).numpy(), rows, rtol=1e-3, atol=1e-4)


def test_what_is_foretold_paints_the_same_in_a_network_of_many_styles(predicting):
    x, many = pictures(1, 3, 41, 30), predicting.learned()
    assert many.styles == predicting.styles
    for style, strength in (("swirls", 1.0), ({"swirls": 1, "mosaic": 2}, 0.6)):
        same_up_to(many(x, style, strength).detach(), predicting(x, style, strength))


def test_a_network_that_begins_like_another_paints_the_mean_of_its_styles(extract):
    painter = StyleNetwork(["one", "two"], widths=(4, 6, 8), blocks=2, kernel=3, seed=5).eval().requires_grad_(False)
    for place, row in enumerate(painter.rows):
        row.copy_(pictures(len(row), seed=place))
    network = PredictingNetwork(extract, widths=(4, 6, 8), blocks=2, kernel=3).eval()
    paintings = Paintings("style", 48).at(0, 4)
    network.begin_like(painter, paintings)
    torch.nn.init.zeros_(network.predictor.spell.weight)
    x = pictures(1, 3, 24, 24)
    same_up_to(network(x, paintings[:1]).detach(), painter(x, {"one": 1, "two": 1}))
    seen = (network.row_of(paintings) + 0.1).log()
    torch.testing.assert_close(network.predictor.center, seen.mean(0), rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="the painter has"):
        network.begin_like(StyleNetwork(["one"]), paintings)


@pytest.mark.parametrize(("size", "tile"), [((96, 96), 32), ((75, 130), 40), ((24, 200), 64), ((70, 41), 16)])
def test_tiles_give_the_picture_that_the_whole_gives(network, size, tile):
    x = pictures(1, 3, *size)
    for strength in (1.0, 0.4):
        whole = network(x, {"swirls": 0.5, "mosaic": 0.5}, strength)
        same_up_to(network.paint(x, {"swirls": 0.5, "mosaic": 0.5}, strength, tile=tile, progress=False), whole, 1e-4)


def test_tiles_are_counted_as_they_are_painted(network):
    x, advanced = pictures(1, 3, 64, 96), []
    network.in_tiles(x, network.shares("swirls"), 32, lambda: advanced.append(1))
    assert len(advanced) == network.tiles_of((64, 96), 32)


def test_what_learns_is_the_decoder_and_nothing_else(swapping):
    assert all(name.startswith("decoder.") for name, _ in swapping.named_parameters())
    assert set(swapping.state_dict()) == {name for name, _ in swapping.named_parameters()} | {"rows"}


def test_what_learns_is_the_painter_and_what_foretells_its_rows(predicting):
    assert {name.split(".")[0] for name, _ in predicting.named_parameters()} == {"painter", "predictor"}
    kept = {"rows", "predictor.center", "predictor.spread"}
    assert set(predicting.state_dict()) == {name for name, _ in predicting.named_parameters()} | kept


def test_the_papers_network_swaps_at_one_depth(extract):
    network = AdaINNetwork(extract, ["relu4_1"], widths=(4, 6, 8, 10))
    assert len(network.decoder.add) == 0
    network.add_style("swirls", "swirls", 64)
    assert network.rows.shape == (1, 2 * 512)
    assert network(pictures(1, 3, 33, 20), "swirls").shape == (1, 3, 33, 20)


def test_styles_are_added_kept_and_refused_by_their_names(network):
    with pytest.raises(InputError, match="two styles 'mosaic'"):
        network.add_style("mosaic", "mosaic")
    with pytest.raises(ImageError, match="cubist"):
        network.add_style("mine", "cubits")
    with pytest.raises(InputError, match="swirls"):
        network(pictures(1, 3, 20, 20), "swirl")
    x = pictures(1, 3, 24, 24)
    before = network(x, "mosaic")
    network.keep_only(["mosaic"])
    assert network.styles == ("mosaic",)
    same_up_to(network(x), before)


@pytest.mark.parametrize("kind", ["any", "adain"])
@pytest.mark.parametrize("size", [192, 512])
def test_every_bundled_painting_is_recognized_small_and_large(kind, size):
    network = nst.load_any_style(kind)
    found = {style: network.recognized(nst.load_image(style, size)) for style in network.styles}
    assert found == {style: style for style in network.styles}


def test_a_painting_is_recognized_in_any_size_and_no_other_painting_is():
    network = nst.load_any_style()
    for style in nst.bundled_images("style"):
        assert network.recognized(nst.load_image(style, 384)) == style
        assert network.recognized(nst.load_image(style, 256).flip(1)) is None  # other colors
    assert network.recognized("coffee") is None
    network.keep_only(["mosaic"])
    assert network.recognized("swirls") is None


def test_a_network_that_has_seen_nothing_says_what_to_do(extract):
    with pytest.raises(InputError, match="add_style"):
        AdaINNetwork(extract, widths=(4, 4, 4, 4))(pictures(1, 3, 20, 20), torch.zeros(1, 0))


def test_another_look_leaves_the_network_as_it_was(network):
    rows = network.rows.clone()
    twin = network.that_knows(["cubist", "swirls"], 32)
    assert network.styles == ("swirls", "mosaic")
    assert torch.equal(network.rows, rows)
    assert twin.styles == ("swirls", "mosaic", "cubist")
    torch.testing.assert_close(twin.rows[0], network.row_of(nst.load_image("swirls", 32))[0])
    torch.testing.assert_close(network.that_knows(["swirls"]).rows, rows)


@pytest.mark.parametrize(
    ("layers", "widths", "told"),
    [
        (["relu1_1", "relu1_2"], (4,), "one layer a size"),
        (["relu2_1", "relu1_1"], (4, 4), "that grow"),
        (["relu1_1"], (4,), "smaller than the picture"),
        ([], (4,), "expected a list of names"),
        ("relu4_1", (4,), "expected a list of names"),
        (["relu2_1"], (4, 4, 4), "expected 2 numbers"),
    ],
)
def test_layers_and_widths_that_cannot_work_are_refused(extract, layers, widths, told):
    with pytest.raises(InputError, match=told):
        AdaINNetwork(extract, layers, widths)


def test_an_unknown_layer_is_refused_with_the_nearest(extract):
    with pytest.raises(LayerNotFound, match="nearest are relu4"):
        AdaINNetwork(extract, ["relu4_l"])


# Files


def test_a_saved_network_paints_as_before_and_knows_its_styles(network, tmp_path):
    path = nst.save_network(network, tmp_path / "any.safetensors", {"minutes": 3})
    again, x = nst.load_any_style(path), pictures(1, 3, 40, 40)
    assert again.styles == network.styles
    assert again.notes == {"minutes": 3}
    same_up_to(again(x, "mosaic"), network(x, "mosaic"), 1e-2)  # half precision


def test_a_file_of_the_other_kind_is_refused_with_what_reads_it(network, tmp_path):
    path = nst.save_network(network, tmp_path / "any.safetensors")
    with pytest.raises(WeightsUnavailable, match="load_any_style"):
        nst.load_network(path)
    with pytest.raises(WeightsUnavailable, match="load_network"):
        nst.load_any_style(files.BUNDLED)


@pytest.mark.parametrize(
    ("contents", "paintings", "words"),
    [
        (pictures(3, 3, 20, 20), pictures(2, 3, 20, 20), "3 pictures and 2 styles"),
        (pictures(1, 3, 20, 20), pictures(1, 1, 20, 20), r"the paintings are \(1, 1, 20, 20\)"),
        (pictures(1, 3, 20, 20), pictures(1, 3, 0, 20), r"the paintings are \(1, 3, 0, 20\)"),
        (pictures(1, 3, 20, 20), pictures(1, 3, 20, 20).byte(), "the paintings are torch.uint8"),
        (pictures(1, 3, 20, 20).byte(), pictures(1, 3, 20, 20), "the pictures are torch.uint8"),
        (pictures(3, 20, 20), pictures(1, 3, 20, 20), r"the pictures are \(3, 20, 20\)"),
        ("coffee", pictures(1, 3, 20, 20), "the pictures are"),
    ],
)
def test_pictures_and_paintings_that_cannot_be_are_said_in_words(network, contents, paintings, words):
    with pytest.raises(InputError, match=words):
        network(contents, paintings)


def test_a_network_that_knows_no_style_yet_says_so(extract):
    with pytest.raises(InputError, match="knows no style yet"):
        AdaINNetwork(extract, widths=(4, 6, 8, 10)).paint(pictures(1, 3, 20, 20))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"paintings": 5}, "paintings is 5; expected an instance of Mapping"),
        ({"paintings": {"sze": 64}}, "no argument 'sze'"),
        ({"only": "style"}, "learns no rows"),
    ],
)
def test_a_training_for_any_style_names_what_it_cannot_do(network, extract, wrong, words):
    with pytest.raises(InputError, match=words):
        AnyStyleTraining(network, {"swirls": "swirls"}, size=32, extract=extract, **wrong)


def test_a_network_of_another_kind_is_named_by_its_kind_and_not_by_all_its_layers(swapping, tmp_path):
    with pytest.raises(InputError, match="is of type AdaINNetwork; expected an instance of StyleNetwork"):
        nst.save_onnx(swapping, tmp_path / "any.onnx")


# In one call


@pytest.fixture
def saved(network, tmp_path, monkeypatch):
    path = nst.save_network(network, tmp_path / "any.safetensors")
    monkeypatch.setitem(files.CALLED, "any", path)
    return path


def test_a_painting_is_painted_in_by_the_network_for_any_style(saved, tmp_path):
    painting = tmp_path / "mine.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8)).save(painting)
    x = nst.load_image("coffee", 48)
    wanted = nst.load_any_style(saved)
    wanted.add_style("mine", painting, 256)
    for style in (str(painting), painting, Image.open(painting)):
        same_up_to(nst.fast(x, style, precision="float32"), wanted(x, "mine").detach())
    # Tensors are resampled in floats, pictures in bytes.
    same_up_to(nst.fast(x, nst.load_image(painting), precision="float32"), wanted(x, "mine").detach(), 0.1)


def test_known_names_keep_the_network_of_many_styles(saved):
    x = nst.load_image("coffee", 48)
    many = nst.load_network()(x, "swirls").detach()
    same_up_to(nst.fast(x, "swirls", precision="float32"), many)
    assert (nst.fast(x, "swirls", network="any", precision="float32") - many).abs().max() > 0.05


def test_a_mix_with_a_painting_is_painted_by_one_network(saved, tmp_path):
    painting, x = tmp_path / "mine.png", nst.load_image("coffee", 48)
    nst.save_image(nst.load_image("cubist", 64), painting)
    network = nst.load_any_style(saved)
    network.add_style("mine", painting, 256)
    painted = nst.fast(x, [(painting, 0.3), ("swirls", 0.7)], strength=0.5, precision="float32")
    same_up_to(painted, network(x, {"mine": 0.3, "swirls": 0.7}, 0.5).detach())


def test_a_misspelled_name_is_no_painting(saved):
    with pytest.raises(InputError, match="swirls"):
        nst.fast("coffee", "swirl", size=32)


def test_a_bundled_picture_that_is_no_style_is_a_painting(saved):
    x = nst.load_image("coffee", 48)
    same_up_to(nst.fast(x, "harbor"), nst.fast(x, "harbor", network="any"), 0)


def test_no_picture_among_the_styles_is_named_as_what_it_is(saved):
    with pytest.raises(InputError, match="None"):
        nst.fast("coffee", [None], network="any", size=32)


def test_the_size_of_strokes_is_a_wish_for_paintings_alone(saved):
    with pytest.raises(InputError, match="network for any style"):
        nst.fast("coffee", "swirls", size=32, style_size=128)
    x = nst.load_image("coffee", 48)
    small, large = (nst.fast(x, "swirls", network="any", style_size=size, precision="float32") for size in (32, 200))
    assert (small - large).abs().max() > 1e-3


# Paintings and training


def test_paintings_are_the_same_for_the_same_seed_and_others_for_another():
    one, same, other = (Paintings("style", 32, seed=seed, without=["swirls"]) for seed in (1, 1, 2))
    assert torch.equal(one.at(5, 4), same.at(5, 4))
    assert not torch.equal(one.at(5, 4), other.at(5, 4))
    assert not torch.equal(one.at(5, 4), one.at(6, 4))
    assert "swirls" not in one.names
    assert one.at(0, 8).min() >= 0
    assert one.at(0, 8).max() <= 1


def test_colors_change_and_stay_colors():
    picture = nst.load_image("mosaic", 48)[0]
    changed = [recolored(picture, np.random.default_rng(seed)) for seed in range(20)]
    assert all(each.min() >= 0 and each.max() <= 1 for each in changed)
    means = torch.stack([each.mean((1, 2)) for each in changed])
    assert means.std(0).min() > 0.08  # of three channels, over twenty changes


def test_what_is_drawn_as_painters_draw_is_drawn_again_for_the_same_seed():
    for index in range(6):
        assert (drawing(index, 64, 1, STROKES) == drawing(index, 64, 1, STROKES)).all()
        assert drawing(index, 64, 1, STROKES).std() > 5


def training(network, **how):
    options = {
        "planned": 8,
        "paintings": {"sources": "style", "size": 32},
        "contents": nst.Contents("content", 32),
        "batch": 2,
    }
    judge = Judge(network.encoder, {"swirls": "swirls"}, style_size=64)
    return AnyStyleTraining(network, judge, **{**options, **how})


def test_training_lowers_the_loss_and_leaves_encoder_and_rows_alone(extract):
    network = AdaINNetwork(extract, widths=(8, 8, 8, 8)).eval()
    network.add_style("swirls", "swirls", 64)
    before, rows = {name: value.clone() for name, value in extract.net.state_dict().items()}, network.rows.clone()
    x = nst.Contents("content", 32, seed=9).batch(4)
    gray = (network(x, "swirls", 0) - x).square().mean().item()
    training(network, planned=40, lr=5e-3, plain=True).run(progress=False)
    assert (network(x, "swirls", 0) - x).square().mean() < 0.7 * gray
    assert all(torch.equal(value, before[name]) for name, value in extract.net.state_dict().items())
    assert torch.equal(network.rows, rows)


def test_a_saved_training_goes_on_exactly(network, tmp_path):
    network.requires_grad_()
    one = training(network, exact=3.0)
    list(one.steps(3, progress=False))
    one.save(tmp_path / "any.pt")
    other = AnyStyleTraining.load(tmp_path / "any.pt")
    assert other.exact == 3.0
    for first, second in zip(one.steps(2, progress=False), other.steps(2, progress=False), strict=True):
        assert torch.equal(first.terms.total, second.terms.total)
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[name])


def test_pixels_count_as_much_as_the_strength_lacks(network, monkeypatch):
    network.requires_grad_()
    monkeypatch.setattr(AnyStyleTraining, "_strengths", lambda self: torch.tensor([1.0, 0.5]))
    without, with_pixels = (training(network, exact=exact)._judged().total.detach() for exact in (0.0, 4.0))
    x = nst.Contents("content", 32).at(0, 2)
    paintings = Paintings("style", 32).at(0, 2)
    painted = network.train()(x, paintings, torch.tensor([1.0, 0.5])).detach()
    expected = without + 4.0 * torch.tensor([0.0, 0.25]) * (painted - x).square().mean((1, 2, 3))
    torch.testing.assert_close(with_pixels, expected, rtol=1e-4, atol=1e-4)


def test_a_picture_that_is_far_too_loud_does_not_drown_the_others(network):
    lesson = training(network.requires_grad_())._lesson(torch.tensor([0.0, 999.0]))
    assert lesson.item() == pytest.approx(np.log(1000) / 2)


def test_a_saved_training_of_known_styles_is_refused_with_what_reads_it(tmp_path):
    known = nst.Training(StyleNetwork(["swirls"], (4, 4, 4), 1), {"swirls": "swirls"}, size=32, planned=1)
    with pytest.raises(RunError, match=r"Training\.load"):
        AnyStyleTraining.load(known.save(tmp_path / "known.pt"))


def test_pixels_count_only_for_a_network_that_has_to_learn_to_give_them_back(swapping, predicting):
    assert training(swapping.requires_grad_()).exact == any_training.EXACT
    assert training(predicting.requires_grad_()).exact == 0


def test_a_plain_stage_asks_for_no_style(network):
    network.requires_grad_()
    seen = []
    working = training(network, plain=True)
    working._working.register_forward_pre_hook(lambda module, given: seen.append(given[2]))
    working.step()
    assert torch.equal(seen[0], torch.zeros(2))


def test_a_course_learns_in_stages_without_what_is_held_out_and_goes_on_from_its_checkpoint(extract, tmp_path):
    network = AdaINNetwork(extract, widths=(4, 4, 4, 4)).eval()
    network.add_style("swirls", "swirls", 64)
    judge = Judge(extract, {"swirls": "swirls"}, style_size=64)
    stages = Stage(0.5, 2, 2, 1e-3, plain=True), Stage(0.5, 1, 1, 1e-3)
    how = {"sources": ("content",), "size": 64, "unseen": ["swirls"], "checkpoint": tmp_path / "any.pt"}
    made = AnyStyleCourse(judge, without=["village"], **how).train(network, 0.02, stages, progress=False)
    assert made.contents.size == made.paintings.size == 64
    assert not made.plain
    assert {"swirls", "village"}.isdisjoint(made.paintings.names)
    again = AnyStyleCourse(judge, without=["village"], **how).train(network, 0.02, stages, progress=False)
    assert made.taken <= again.taken <= made.taken + 2  # what was left of the time
    assert any_training.ADAIN[0].plain


def test_a_course_with_two_stages_of_one_size_goes_on_in_the_one_that_was_saved(extract, tmp_path):
    network = AdaINNetwork(extract, widths=(4, 4, 4, 4)).eval()
    network.add_style("swirls", "swirls", 64)
    judge = Judge(extract, {"swirls": "swirls"}, style_size=64)
    stages = Stage(0.5, 1, 1, 1e-3), Stage(0.5, 1, 2, 1e-3)
    course = AnyStyleCourse(judge, sources=("content",), size=64, checkpoint=tmp_path / "any.pt")
    made = course.train(network, 0.02, stages, progress=False)
    assert made.batch == 2
    again = course.train(network, 0.02, stages, progress=False)
    assert again.batch == 2
    assert made.taken <= again.taken <= made.taken + 2  # what was left of the time


def test_what_foretells_rows_learns_at_a_fraction_of_the_rate(predicting):
    working = training(predicting.requires_grad_())
    before, rate = [weights.detach().clone() for weights in working._working.parameters()], working.rate
    working.step()  # Adam's first step is as long as the rate, whatever the gradient is
    moved = {"painter": 0.0, "predictor": 0.0}
    for (name, weights), old in zip(working._working.named_parameters(), before, strict=True):
        part = name.split(".")[0]
        moved[part] = max(moved[part], float((weights.detach() - old).abs().max()))
    assert moved == pytest.approx({"painter": rate, "predictor": any_training.PREDICTORS_PACE * rate}, rel=0.01)


def test_a_content_does_not_meet_the_same_paintings_each_time():
    contents, paintings = nst.Contents("content", 32, seed=4), Paintings("content", 32, seed=4)
    assert contents.names == paintings.names
    pairs = [(contents.at(number, 1).mean(), paintings.at(number, 1).mean()) for number in range(60)]
    assert abs(np.corrcoef(np.array(pairs).T)[0, 1]) < 0.4


def test_a_training_on_paintings_that_no_file_keeps_is_not_gone_on_with(predicting, tmp_path):
    own = training(predicting.requires_grad_(), paintings=Paintings([pictures(1, 3, 48, 48)], 32))
    own.step()
    own.save(tmp_path / "own.pt")
    with pytest.raises(RunError, match="given as pictures"):
        AnyStyleTraining.load(tmp_path / "own.pt")


def test_a_folder_of_paintings_that_has_changed_is_noticed(predicting, tmp_path):
    folder = tmp_path / "paintings"
    for name in ("one", "two"):
        nst.save_image(pictures(1, 3, 48, 48), folder / f"{name}.png")
    working = training(predicting.requires_grad_(), paintings={"sources": str(folder), "size": 32})
    working.step()
    working.save(tmp_path / "run.pt")
    assert AnyStyleTraining.load(tmp_path / "run.pt").taken == 1
    (folder / "two.png").unlink()
    with pytest.raises(RunError, match="number of pictures"):
        AnyStyleTraining.load(tmp_path / "run.pt")


def test_a_training_that_is_refused_leaves_the_network_without_its_styles(predicting):
    with pytest.raises(InputError, match="batch"):
        AnyStyleTraining(predicting, {"mine": "cave"}, paintings={"sources": "style", "size": 32}, batch=0)
    assert predicting.styles == ("swirls", "mosaic")
    assert len(predicting.rows) == 2


@pytest.mark.parametrize("how", [{"weights": "random"}, {"keep_scale": True}, {"sees": "luminance"}])
def test_an_encoder_that_a_file_would_not_keep_is_refused(how):
    encoder = nst.FeatureExtractor("mini", **how)
    with pytest.raises(InputError, match=f"has {next(iter(how))} .* would not keep"):
        PredictingNetwork(encoder)


def test_a_course_on_paintings_of_ones_own_keeps_bundled_contents_from_it(extract, tmp_path):
    nst.save_image(pictures(1, 3, 80, 80), tmp_path / "mine" / "one.png")
    network = PredictingNetwork(extract, ["relu1_1"], (4, 4, 4), 1, bottleneck=8).eval()
    network.add_style("swirls", "swirls", 64)
    judge = Judge(extract, {"swirls": "swirls"}, style_size=64)
    course = AnyStyleCourse(judge, sources=("content",), without="village", paintings=str(tmp_path / "mine"), size=64)
    made = course.train(network, 0.01, [Stage(1.0, 1, 1, 1e-3)], progress=False)
    assert made.paintings.names == ["one.png"]
    assert "village" not in made.contents.names


# What files may say, and what must not be believed.

HUGE = {
    "bottleneck": 10**9,
    "blocks": 10**8,
    "widths": [3000, 3000, 3000],
    "styles": [f"style {number}" for number in range(10**5)],
    "layers": ["relu1_1"] * 10**5,
    "encoder": {"backbone": "mini", "pooling": "avg", "weights": "/etc/passwd"},
}


def changed_file(network, path, settings=None, **tensors):
    """A saved network, some of whose settings and tensors are others."""
    nst.save_network(network, path)
    with safe_open(path, "pt") as file:
        metadata, found = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    metadata |= {name: json.dumps(value) for name, value in (settings or {}).items()}
    save_file({**found, **tensors}, path, metadata)
    return path


@pytest.mark.parametrize("name", HUGE)
def test_a_file_cannot_ask_for_a_network_of_any_size(predicting, tmp_path, monkeypatch, name):
    path = changed_file(predicting, tmp_path / "huge.safetensors", {name: HUGE[name]})
    monkeypatch.setattr(files.Styled, "load_state_dict", lambda *_: pytest.fail("it was built"))
    with pytest.raises(WeightsUnavailable, match="describes no network that can be built"):
        nst.load_any_style(path)


def test_the_decoder_cannot_be_of_any_size(swapping, tmp_path):
    path = changed_file(swapping, tmp_path / "huge.safetensors", {"widths": [10**9] * 4})
    with pytest.raises(WeightsUnavailable, match="50,000,000 at most"):
        nst.load_any_style(path)


def test_the_numbers_of_a_network_are_known_before_it_is_built(swapping, predicting):
    painter, decoder = predicting.painter, swapping.decoder
    counted = many_numbers(painter.widths, painter.blocks, painter.kernel, 1)
    assert counted == sum(value.numel() for value in painter.state_dict().values())
    weights = [value for value in decoder.state_dict().values() if value.ndim == 4]
    channels = dict(zip((1, 2, 4, 8), swapping._channels, strict=True))
    assert decoder_numbers(channels, swapping.widths) == sum(value.numel() for value in weights)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows * torch.nan, "rows holds numbers that are not finite"),
        (lambda rows: rows.to(torch.int32), "expected floats"),
        (lambda rows: rows[:, 1:].contiguous(), "rows is .* by the settings it should be"),
    ],
)
def test_a_file_whose_rows_cannot_be_those_of_styles_is_refused(network, tmp_path, change, told):
    path = changed_file(network, tmp_path / "other.safetensors", rows=change(network.rows).half().contiguous())
    if "floats" in told:
        path = changed_file(network, path, rows=change(network.rows))
    with pytest.raises(WeightsUnavailable, match=told):
        nst.load_any_style(path)


def test_a_file_whose_paintings_differ_by_nothing_is_refused_as_it_would_paint_no_numbers(predicting, tmp_path):
    spread = predicting.predictor.spread.half()
    spread[1] = 0
    path = changed_file(predicting, tmp_path / "other.safetensors", **{"predictor.spread": spread})
    with pytest.raises(WeightsUnavailable, match=r"predictor.spread holds numbers that are not above 0"):
        nst.load_any_style(path)


@pytest.mark.parametrize("layers", [["relu1_1", "relu1_1"], [1], "relu1_1", []])
def test_layers_are_names_each_once(extract, layers):
    with pytest.raises(InputError, match="each once"):
        PredictingNetwork(extract, layers)


def test_layers_that_no_relu_has_cut_foretell_numbers(extract):
    network = PredictingNetwork(extract, ["conv1_1", "conv3_1"], (4, 6, 8), 1, 3, bottleneck=5)
    network.add_style("swirls", "swirls", 64)
    assert network.rows.min() < -0.1
    assert network(pictures(1, 3, 24, 24), "swirls").isfinite().all()


@pytest.mark.parametrize("kind", ["swapping", "predicting"])
def test_networks_compute_in_float32_whatever_the_default_is(extract, kind):
    torch.set_default_dtype(torch.float64)
    try:
        made = {"swapping": AdaINNetwork, "predicting": PredictingNetwork}[kind](extract)
        made.add_style("swirls", "swirls", 64)
        assert {value.dtype for value in made.state_dict().values()} == {torch.float32}
        assert made(pictures(1, 3, 24, 24), pictures(1, 3, 32, 32).float()).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("strength", [2.0, -0.5, float("nan"), [1.0, 1.5]])
def test_a_tensor_of_strengths_that_cannot_be_is_refused_as_a_number_is(network, strength):
    for paint in (network, network.paint):
        with pytest.raises(InputError, match="expected a number from 0 to 1"):
            paint(pictures(2, 3, 24, 24), "swirls", torch.tensor(strength))


def test_a_large_painting_is_looked_at_in_tiles_to_the_same_row(network, monkeypatch):
    painting = nst.load_image("swirls", 400)
    expected, sizes = network.row_of(painting), []
    monkeypatch.setattr(any_style, "LOOKED_AT_ONCE", 64**2)
    monkeypatch.setattr(any_style, "LOOK", 64)
    look = nst.FeatureExtractor.forward
    monkeypatch.setattr(
        nst.FeatureExtractor, "forward", lambda self, x, layers: sizes.append(x.shape[-1]) or look(self, x, layers)
    )
    network.add_style("large", painting, None)
    assert max(sizes) < 300
    same_up_to(network.rows[-1], expected[0], 1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_a_network_that_is_brought_to_another_precision_still_looks_and_paints(network, dtype):
    x, expected = pictures(1, 3, 32, 32), network(pictures(1, 3, 32, 32), "mosaic")
    network.to(dtype).add_style("cave", "cave", 64)
    assert network(x, "cave").isfinite().all()
    same_up_to(network(x, "mosaic").float(), expected, 1e-4 if dtype == torch.float64 else 0.3)


@pytest.mark.parametrize(
    ("given", "told"),
    [({"styles": 5}, "styles is 5"), ({"plain": "no"}, "plain is 'no'"), ({"exact": -1}, "exact is -1")],
)
def test_a_training_that_cannot_be_leaves_the_network_as_it_was(extract, given, told):
    network = AdaINNetwork(extract, widths=(4, 6, 8, 10))
    with pytest.raises(InputError, match=told):
        AnyStyleTraining(network, **{"styles": {"mosaic": "mosaic"}, **given})
    assert network.styles == ()


def test_a_training_for_any_style_says_what_reads_it():
    with pytest.raises(RunError, match=r"AnyStyleTraining\.load"):
        Training._kind_in({"kind": "AdaINNetwork"})


@pytest.mark.parametrize("name", ["any", "adain"])
def test_a_bundled_network_for_any_style_is_light(name):
    assert Path(files.bundled_file(name)).stat().st_size < 4e6
