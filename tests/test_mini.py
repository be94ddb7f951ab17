"""The bundled backbone: what its file holds, and what it must do without a network."""

import socket

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from nstlib import FeatureExtractor, load_backbone, load_image, stylize
from nstlib.backbones import IMAGENET_MEAN, IMAGENET_STD, MINI_WEIGHTS
from nstlib.networks.initializing import Seed, initialize
from nstlib.networks.vgg import LowRankConv2d, mini_net, named_vgg, plan_of

RELUS = [f"relu{block}_{index}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for index in range(1, count + 1)]


@pytest.fixture(scope="module")
def mini():
    return FeatureExtractor("mini", device="cpu")


def test_file_is_small_and_holds_thirteen_convolutions_in_half_precision():
    assert MINI_WEIGHTS.stat().st_size <= 8_000_000
    expected = {key: list(value.shape) for key, value in named_vgg(mini_net()).state_dict().items()}
    with safe_open(MINI_WEIGHTS, "pt") as file:
        found = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118  not a dict
        assert {key: part.get_shape() for key, part in found.items()} == expected
        assert {part.get_dtype() for part in found.values()} == {"F16"}
    assert sum(key.endswith("bias") for key in expected) == 13


def test_loads_without_a_network(monkeypatch):
    def refuse(*_args, **_keywords):
        raise AssertionError("the bundled backbone asked for a network")

    monkeypatch.setattr(socket, "socket", refuse)
    backbone = load_backbone("mini")
    assert set(RELUS) <= set(backbone.layers)


@pytest.mark.parametrize("photograph", ["astronaut", "coffee", "chelsea"])
def test_mean_activation_is_near_one(mini, photograph):
    image = load_image(photograph, size=256)
    with torch.no_grad():
        means = {layer: float(response.mean()) for layer, response in mini(image, RELUS).items()}
    # In the last layer there are many that respond seldom, and these stay quiet.
    del means["relu5_3"]
    assert not {layer: mean for layer, mean in means.items() if not 1 / 2 < mean < 2}


def test_few_filters_are_dead(mini):
    images = [load_image(name, size=192) for name in ("astronaut", "coffee", "chelsea", "rocket")]
    with torch.no_grad():
        peaks = [mini(image, RELUS) for image in images]
    for layer in RELUS:
        peak = torch.stack([features[layer].amax((0, 2, 3)) for features in peaks]).amax(0)
        # Each is one of the teacher's, some of which respond to what is in few pictures.
        assert (peak == 0).float().mean() <= (0.02 if layer < "relu4" else 0.1), layer


@pytest.mark.parametrize("pooling", ["max", "avg", "l2"])
def test_a_flat_picture_has_no_dark_border(pooling):
    extract = FeatureExtractor("mini", pooling, device="cpu")
    with torch.no_grad():
        features = extract(torch.full((1, 3, 64, 64), 0.5), RELUS)
    for layer, response in features.items():
        middle = response.mean((2, 3), keepdim=True)
        assert (response - middle).abs().max() <= 1e-4 * middle.abs().max(), layer


def test_the_border_of_a_transfer_is_no_rougher_than_what_lies_inside():
    image = stylize("village", "swirls", size=224, backbone="mini", quality="draft", device="cpu", progress=False)
    sides = [side[..., 8:-8, :12].diff().abs().mean((0, 1, 2)) for side in turned(image)]
    rough = torch.stack(sides).mean(0)  # from the outermost pixels inward
    assert rough[0] <= 1.25 * rough[4:].mean()


def turned(image):
    return image, image.flip(-1), image.mT, image.mT.flip(-1)


def test_features_are_finite_far_outside_the_range_of_colors(mini):
    with torch.no_grad():
        features = mini(torch.randn(1, 3, 64, 64) * 5, RELUS)
    assert all(response.isfinite().all() for response in features.values())


def test_weights_of_other_widths_are_read_as_they_are(tmp_path):
    widths = (2, 2, "M", 3, 3, "M", 5, 4, 4, 4, "M", 6, 4, 4, 4, "M", 7, 4, 4, 4, "M")
    state = named_vgg(mini_net(widths)).state_dict()
    save_file(state, tmp_path / "other.safetensors")
    extract = FeatureExtractor("mini", weights=tmp_path / "other.safetensors", device="cpu")
    features = extract(torch.rand(1, 3, 32, 32), ["relu3_1", "relu5_1"])
    assert [features[layer].shape[1] for layer in features] == [5, 7]


LOW_RANK = (2, 3, "M", 4, "M", (None, 3, 6), (4, 3, 7), "M", (4, 3, 9), "M", (5, 4, 8))


def test_weights_of_low_rank_and_of_another_topology_are_read_as_they_are(tmp_path):
    torch.manual_seed(0)
    net = named_vgg(mini_net(LOW_RANK))
    save_file(net.state_dict(), tmp_path / "other.safetensors")
    extract = FeatureExtractor("mini", weights=tmp_path / "other.safetensors", device="cpu")
    picture = torch.rand(1, 3, 32, 32)
    found = extract(picture, ["conv3_2", "relu5_1"])
    with torch.no_grad():
        torch.testing.assert_close(
            found["relu5_1"],
            net((picture - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)),
        )
    assert found["conv3_2"].shape[1] == 7
    assert found["conv3_2"].min() < 0
    assert [layer for layer in extract.backbone.layers if layer.startswith("conv")] == [
        *("conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv3_2", "conv4_1", "conv5_1")
    ]


def test_a_convolution_of_low_rank_is_one_convolution():
    torch.manual_seed(1)
    convolution, features = LowRankConv2d(5, 3, 2, 4).requires_grad_(False), torch.randn(1, 5, 7, 7)
    weight = torch.einsum(
        "os,srhw,ri->oihw",
        convolution.tell.weight.flatten(1),
        convolution.see.weight,
        convolution.read.weight.flatten(1),
    )
    padded = torch.nn.functional.pad(features, (1, 1, 1, 1), mode="replicate")
    expected = torch.nn.functional.conv2d(padded, weight, convolution.tell.bias)
    torch.testing.assert_close(convolution(features), expected)
    assert torch.linalg.matrix_rank(weight.flatten(1)) == 2


@pytest.mark.parametrize("plan", [LOW_RANK, (3, "M", 4), (2,)])
def test_a_plan_is_read_from_the_weights_that_it_made(plan):
    assert plan_of(named_vgg(mini_net(plan)).state_dict()) == list(plan)


def test_weights_under_other_names_belong_to_no_plan():
    assert plan_of(mini_net((2, "M", 3)).state_dict()) == []
    assert plan_of({"conv1_1.weight": torch.tensor(1.0)}) == []


def test_random_responses_of_low_rank_keep_their_size():
    net = mini_net((32, *[(24, 24, 32)] * 8))
    initialize(net, Seed(0))
    with torch.no_grad():
        responses = net(torch.randn(1, 3, 32, 32))
    assert 0.1 < responses.square().mean().sqrt() < 10
