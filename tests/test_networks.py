"""Networks without padding in their stems, and blurred strides: every layer is torchvision's, at its true positions."""

import hashlib
import pickle
from functools import cache

import pytest
import torch
import torchvision
from test_extractor import normalized
from test_resnets import small
from test_tiles import assert_equal_from_tiles, noisy
from torch import nn

import nstlib as nst
from nstlib import backbones
from nstlib.large.tiles import halo_of
from nstlib.networks import pooling
from nstlib.networks.graphs import graph_backbone
from nstlib.networks.receptive import Field, receptive_fields
from nstlib.networks.tracing import graph_of

SHALLOW = {
    "squeezenet": ("relu1", "pool1", "fire2", "fire5"),
    "inception_v3": ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "maxpool1", "Conv2d_4a_3x3", "maxpool2"),
}


@pytest.fixture(autouse=True)
def same_pictures():
    torch.manual_seed(0)


@cache
def random(name, kind="auto"):
    return nst.FeatureExtractor(name, kind, weights="random", device="cpu")


def plain_of(extract):
    """The same weights in torchvision's own network, whose ReLUs overwrite."""
    state = extract.backbone.net.state_dict()
    if extract.backbone.name == "squeezenet":
        net = torchvision.models.squeezenet1_1(weights=None)
    else:
        net = torchvision.models.inception_v3(weights=None, aux_logits=False, init_weights=False)
    net.load_state_dict(state, strict=False)
    return net.eval().requires_grad_(False)


def responses_by_hooks(net, picture):
    """Of each module, copied before anything can overwrite it."""
    found = {}
    for name, module in net.named_modules():  # a hook that returns something would put that in the response's place
        module.register_forward_hook(lambda _, given, response, name=name: found.update({name: response.clone()}))
    net(picture)
    return found


@pytest.mark.parametrize("name", ["squeezenet", "inception_v3"])
def test_every_layer_captured_with_all_others_is_that_of_torchvisions_network(name):
    extract, picture = random(name, "max"), torch.rand(1, 3, 96, 112)
    features = extract(picture, extract.layers)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (extract.backbone.mean, extract.backbone.std))
    hooked = responses_by_hooks(plain_of(extract), (picture - mean) / std)
    by_module = {layer: _module_of(layer, extract.backbone.nodes[layer], hooked) for layer in features}
    compared = {layer: module for layer, module in by_module.items() if module}
    assert len(compared) > 0.8 * len(features)
    for layer, module in compared.items():
        expected = hooked[module]
        assert (features[layer] - expected).abs().max() <= 1e-4 * expected.abs().max(), layer


def _module_of(layer, node, modules):
    """The module of torchvision's whose response a layer is; None for what is computed inside of one."""
    fire = node.removesuffix(".cat") if node.startswith("features.") else node
    return next((name for name in (layer, node, node.removesuffix(".relu"), fire) if name in modules), None)


def test_what_batch_normalization_gives_is_not_rectified_by_the_function_behind_it():
    features = random("inception_v3")(torch.rand(1, 3, 80, 80), ["Conv2d_1a_3x3.bn", "Conv2d_1a_3x3.relu"])
    assert (features["Conv2d_1a_3x3.bn"] < 0).any()
    assert torch.equal(features["Conv2d_1a_3x3.bn"].relu(), features["Conv2d_1a_3x3.relu"])


def test_inception_takes_the_normalization_that_torchvision_brings_its_pictures_to():
    net = torchvision.models.inception_v3(weights=None, aux_logits=False, init_weights=False, transform_input=True)
    picture = torch.rand(1, 3, 75, 75)
    torch.testing.assert_close(net._transform_input(normalized(picture)), (picture - 0.5) / 0.5)


def test_inceptions_maps_are_those_of_its_unpadded_stem():
    layers = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "maxpool1", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6a", "Mixed_7c"]
    sizes = random("inception_v3").map_sizes(layers, (256, 256))
    assert [sizes[layer][0] for layer in layers] == [127, 125, 62, 60, 29, 14, 6]
    strides = random("inception_v3").backbone.strides
    assert [strides[layer] for layer in layers] == [2, 2, 4, 4, 8, 16, 32]


@pytest.mark.parametrize("kind", ["max", "blur"])
@pytest.mark.parametrize("name", ["squeezenet", "inception_v3", "resnet18"])
def test_the_arithmetic_of_windows_gives_the_size_of_every_map(name, kind):
    extract = random(name, kind)
    graph = graph_of(extract.backbone.net)
    for side in (75, 96, 110):
        fields = receptive_fields(graph, side)
        features = extract(torch.rand(1, 3, side, side), extract.layers)
        for layer, node in extract.backbone.nodes.items():
            assert fields[node].count == features[layer].shape[-1], layer


@pytest.mark.parametrize("kind", ["max", "avg", "blur"])
@pytest.mark.parametrize("name", ["squeezenet", "inception_v3", "resnet18", "tiny"])
def test_what_a_position_sees_is_where_the_arithmetic_says(name, kind):
    """By the gradient of one position, from the first pixel that has any to the last."""
    extract = nst.FeatureExtractor(name, kind, device="cpu") if name == "tiny" else random(name, kind)
    layers = ["layer1", "relu"] if name == "resnet18" else ["relu1_2", "relu2_1"] if name == "tiny" else SHALLOW[name]
    fields = receptive_fields(graph_of(extract.backbone.net), 160)
    for layer in layers:
        field = fields[extract.backbone.nodes.get(layer, layer)]
        picture = torch.rand(1, 3, 160, 160, requires_grad=True)
        place = field.count // 2
        extract(picture, layer)[layer][..., place, place].square().sum().backward()
        seen = picture.grad.abs().sum((0, 1, 2)).nonzero().flatten()
        middle = field.first + place * field.stride
        assert int(seen[0]) >= middle - (field.size - 1) / 2
        assert int(seen[-1]) <= middle + (field.size - 1) / 2
        assert int(seen[-1]) - int(seen[0]) + 1 >= 0.7 * field.size, layer  # a maximum listens to some alone


@pytest.mark.parametrize("name", ["squeezenet", "inception_v3"])
def test_the_smallest_picture_that_reaches_a_layer_works_and_a_smaller_one_is_refused(name):
    extract = random(name)
    for layer in (*SHALLOW[name], extract.layers[-1]):
        side = extract.backbone.smallest_side(layer)
        assert extract(torch.rand(1, 3, side, side), layer)[layer].numel()
        with pytest.raises(nst.ImageError, match=f"{layer} of {name} needs at least {side} on each side"):
            extract(torch.rand(1, 3, side - 1, 96), layer)


@pytest.mark.parametrize("kind", ["max", "avg", "l2", "blur"])
@pytest.mark.parametrize("size", [(96, 128), (77, 135), (129, 97)])
@pytest.mark.parametrize("name", ["squeezenet", "inception_v3"])
def test_terms_and_gradient_from_tiles_equal_those_of_the_whole_picture(name, size, kind):
    content, style = torch.rand(1, 3, *size), torch.rand(1, 3, 91, 84)
    *others, deepest = SHALLOW[name]
    objective = nst.Objective(random(name, kind), content, style, [deepest], [*others, deepest], beta=20.0, tv=10.0)
    assert_equal_from_tiles(objective, noisy(content), 32, rtol=5e-5)


@pytest.mark.parametrize(("name", "layers"), [("squeezenet", ["fire2", "fire7"]), ("inception_v3", ["Mixed_5d"])])
def test_a_last_tile_in_which_a_deep_layer_has_no_position_adds_nothing(name, layers):
    """At 193 pixels the last tile begins at 192, behind the last position of networks that do not continue it."""
    content, style = torch.rand(1, 3, 193, 195), torch.rand(1, 3, 91, 84)
    objective = nst.Objective(random(name), content, style, layers, layers, tile=32)
    assert_equal_from_tiles(objective, noisy(content), 32, rtol=5e-5)


@pytest.mark.parametrize("size", [(96, 128), (77, 135)])
def test_blurred_strides_from_tiles_equal_those_of_the_whole_picture(size):
    content, style = torch.rand(1, 3, *size), torch.rand(1, 3, 91, 64)
    objective = nst.Objective(small(pooling="blur"), content, style, ["layer2"], ["relu", "layer1"], tv=10.0)
    assert_equal_from_tiles(objective, noisy(content), 32, rtol=5e-5)


@pytest.mark.parametrize("guidance", ["plain", "inside", "dilated"])
@pytest.mark.parametrize("size", [(96, 96), (75, 97)])
@pytest.mark.parametrize("name", ["squeezenet", "inception_v3"])
def test_masks_from_tiles_equal_those_of_the_whole_picture(name, size, guidance):
    content, styles = torch.rand(1, 3, *size), [torch.rand(1, 3, 84, 84), torch.rand(1, 3, 84, 84)]
    mask = torch.zeros(size)
    mask[:, : size[1] // 2] = 1
    layers = SHALLOW[name][:3]
    objective = nst.Objective(
        random(name), content, styles, layers[-1:], layers, masks=[mask], guidance=guidance, beta=20.0
    )
    assert_equal_from_tiles(objective, noisy(content), 32, rtol=5e-5)


@pytest.mark.parametrize("size", [(96, 96), (75, 97)])
@pytest.mark.parametrize("name", ["squeezenet", "inception_v3"])
def test_a_mask_lies_at_each_layer_where_the_layer_looks(name, size):
    """A ramp: what a position finds of it is the ramp in the middle of what the position sees."""
    ramp = torch.linspace(0, 1, size[1]).expand(size)
    picture, style = torch.rand(1, 3, *size), torch.rand(1, 3, 84, 84)
    objective = nst.Objective(
        random(name), picture, [style, style], [SHALLOW[name][0]], SHALLOW[name], masks=[ramp, 1 - ramp]
    )
    fields = receptive_fields(graph_of(random(name).backbone.net), size[1])
    for layer in SHALLOW[name]:
        field = fields[random(name).backbone.nodes[layer]]
        across = objective.guides[layer][0].sqrt()[0]
        middles = torch.tensor([field.first + place * field.stride for place in range(field.count)]) / (size[1] - 1)
        inner = middles < 1 - field.stride / size[1]  # the last cell may reach beyond the picture
        measured = across * (middles[inner].sum() / across[inner].sum())
        torch.testing.assert_close(measured[inner], middles[inner], rtol=0, atol=0.6 / size[1])


@pytest.mark.parametrize("name", ["squeezenet", "inception_v3", "resnet18"])
def test_a_chain_is_refused_in_tiles_where_maps_do_not_halve_evenly(name):
    content, style = torch.rand(1, 3, 96, 128), torch.rand(1, 3, 91, 84)
    chained = nst.Objective(random(name), content, style, style_loss="chain")
    assert chained(content).total.isfinite().all()
    with pytest.raises(nst.InputError, match=f"positions of {name} do not halve evenly.*'mini' or 'vgg19'"):
        chained.tile = 32


def test_the_bundled_squeezenet_is_the_one_that_its_card_tells_of():
    digest = hashlib.sha256(backbones.SQUEEZENET_WEIGHTS.read_bytes()).hexdigest()
    assert digest in backbones.SQUEEZENET_WEIGHTS.with_name("README.md").read_text()


def test_the_bundled_squeezenet_needs_no_network_and_has_its_default_layers(content, style, monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    extract = nst.FeatureExtractor("squeezenet", device="cpu")
    objective = nst.Objective(extract, content, style)
    assert [*objective.style_layers], [*objective.content_layers] == nst.default_layers("squeezenet")
    assert objective(content).total.isfinite().all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mini", "avg"), ("vgg19", "avg"), ("resnet18", "blur"), ("squeezenet", "blur"), ("inception_v3", "blur")],
)
def test_each_backbone_has_a_pooling_of_its_own(name, kind):
    weights = None if name == "mini" else "random"
    assert nst.load_backbone(name, weights=weights).recipe["pooling"] == kind
    assert nst.load_backbone(name, "l2", weights=weights).recipe["pooling"] == "l2"


def test_a_stripe_pattern_that_a_stride_turns_into_another_fades_in_the_blur():
    """Stripes of two pixels, shifted by one: the plain stride sees two different pictures, the blur one."""
    stripes = torch.arange(64).remainder(2).float().expand(1, 1, 64, 64)
    shifted = 1 - stripes
    for window in (1, 2, 3):
        plain = nn.MaxPool2d(window, 2)
        blur = pooling.pooling_of("blur", window=window, padding=0)
        assert (blur(stripes) - blur(shifted))[..., 2:-2, 2:-2].abs().max() <= 1e-6
        if window == 1:
            assert (plain(stripes) - plain(shifted)).abs().min() == 1


@pytest.mark.parametrize("size", [(8, 8), (9, 11)])
@pytest.mark.parametrize(
    ("window", "padding", "ceil_mode"), [(2, 0, False), (3, 1, False), (3, 0, True), (3, 0, False)]
)
def test_the_blur_has_as_many_positions_as_the_pooling_in_whose_place_it_is(size, window, padding, ceil_mode):
    given = {"window": window, "stride": 2, "padding": padding, "ceil_mode": ceil_mode}
    flat, sizes = torch.full((2, 3, *size), 0.7), {}
    for kind in pooling.KINDS:
        pooled = pooling.pooling_of(kind, **given)(flat)
        torch.testing.assert_close(pooled, torch.full_like(pooled, 0.7))  # what lies outside does not count
        sizes[kind] = pooled.shape
    assert len(set(sizes.values())) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_blur_keeps_responses_within_the_range_of_their_type(dtype):
    high = torch.full((1, 2, 9, 8), 0.9 * torch.finfo(dtype).max, dtype=dtype)
    torch.testing.assert_close(pooling.blurred(high), high[..., ::2, ::2])


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (9, 11), (1, 2)])
def test_a_convolution_that_looks_at_one_position_is_the_same_behind_the_blur(size, bias):
    convolution = nn.Conv2d(3, 5, 1, stride=2, bias=bias).double()
    features = torch.rand(2, 3, *size, dtype=torch.float64)
    before = pooling.blurred(nn.functional.conv2d(features, convolution.weight, convolution.bias))
    torch.testing.assert_close(pooling.BlurredConv2d.of(convolution)(features), before)


def test_a_blurred_convolution_keeps_its_weights_and_their_names():
    net = torchvision.models.resnet18(weights=None)
    names = [*net.state_dict()]
    weight = net.layer2[0].conv1.weight
    pooling.blur_strides(net)
    assert [*net.state_dict()] == names
    assert net.layer2[0].conv1.weight is weight
    assert not any(max(module.stride) > 1 for module in net.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize(
    "given",
    [{"groups": 4}, {"dilation": 2, "padding": 2}, {"padding": 1, "padding_mode": "replicate"}, {"bias": False}],
)
def test_a_blurred_convolution_is_the_one_that_was_given(given):
    plain = nn.Conv2d(4, 8, 3, **given)
    strided = nn.Conv2d(4, 8, 3, stride=2, **given)
    strided.load_state_dict(plain.state_dict())
    features = torch.rand(1, 4, 12, 13)
    blurred = pooling.BlurredConv2d.of(strided)
    torch.testing.assert_close(blurred(features), pooling.blurred(plain(features)))
    field = Field(12)
    for window in blurred.windows:
        field = field.through(window)
    assert field.count == blurred(features).shape[-2]


@pytest.mark.parametrize("kind", ["max", "blur"])
@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "resnext50_32x4d"])
def test_other_networks_of_torchvisions_have_their_layers_and_strides(name, kind):
    """Some of their strides are inside of modules of torchvision's own; others have groups."""
    random("resnet18")(torch.rand(1, 3, 64, 64), "relu")  # what was traced before must not matter
    net = torchvision.models.get_model(name, weights=None)
    if kind == "blur":
        pooling.blur_strides(net)
    backbone = graph_backbone(name, net, lambda nodes: {node: node for node in nodes if node != "x"})
    extract = nst.FeatureExtractor(backbone, device="cpu")
    assert max(backbone.strides.values()) == 32
    deep = [layer for layer, stride in backbone.strides.items() if stride == 32][:2]
    picture = torch.rand(1, 3, 96, 64)
    assert [tuple(response.shape[-2:]) for response in extract(picture, deep).values()] == [(3, 2)] * 2


@pytest.mark.parametrize("guidance", ["inside", "dilated"])
def test_masks_at_layers_that_see_the_whole_picture_are_refused_in_their_own_words(guidance):
    picture, mask = torch.rand(1, 3, 96, 96), torch.ones(96, 96)
    mask[:, :48] = 0
    with pytest.raises(nst.InputError, match=f"guidance '{guidance}'.* Mixed_6e sees the whole.* 'plain'"):
        nst.Objective(
            random("inception_v3"), picture, [picture, picture], {}, ["Mixed_6e"], masks=[mask], guidance=guidance
        )


def test_an_extractor_that_has_worked_can_be_pickled():
    extract, picture = random("inception_v3"), torch.rand(1, 3, 96, 96)
    expected = extract(picture, "Mixed_5d")["Mixed_5d"]
    assert torch.equal(pickle.loads(pickle.dumps(extract))(picture, "Mixed_5d")["Mixed_5d"], expected)


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    for name in ("squeezenet", "inception_v3"):
        with pytest.raises(nst.WeightsUnavailable, match="another network"):
            nst.load_backbone(name, weights=tmp_path / "resnet18.pth")


@pytest.mark.parametrize("name", ["squeezenet1_1", "inception_v3"])
def test_torchvisions_own_state_dict_fits(name, tmp_path):
    options = {"aux_logits": True, "init_weights": False} if name == "inception_v3" else {}
    torch.save(torchvision.models.get_model(name, weights=None, **options).state_dict(), tmp_path / "all.pth")
    assert nst.load_backbone(name.removesuffix("1_1"), weights=tmp_path / "all.pth").layers


def test_the_default_layers_exist_and_their_weights_sum_to_one():
    for name in ("mini", "vgg16", "vgg19", "resnet18", "resnet50", "squeezenet", "inception_v3"):
        layers = random(name).layers
        for chosen in nst.default_layers(name):
            assert {*chosen} <= {*layers}
            assert sum(chosen.values()) == pytest.approx(1)


def test_halos_of_layers_without_padding_reach_as_far_as_they_look():
    for layer, field in receptive_fields(graph_of(random("inception_v3").backbone.net), 200).items():
        if layer in ("Conv2d_1a_3x3.relu", "Conv2d_2a_3x3.relu", "maxpool1", "Conv2d_4a_3x3.relu"):
            halo = halo_of(random("inception_v3"), [layer])
            needed = field.first + (field.size - 1) / 2 + 1 - field.stride
            assert needed <= halo <= needed + 2 * field.stride


@pytest.mark.parametrize("kind", ["avg", "l2", "blur"])
def test_keep_scale_brings_a_pooling_to_the_scale_of_maxima(kind):
    picture = nst.load_image("chelsea", 192)
    means = {}
    for keep_scale in (False, True):
        extract = nst.FeatureExtractor("squeezenet", kind, keep_scale=keep_scale, device="cpu")
        means[keep_scale] = extract(picture, "pool1")["pool1"].mean() / extract(picture, "relu1")["relu1"].mean()
    plain = nst.FeatureExtractor("squeezenet", "max", device="cpu")
    wanted = plain(picture, "pool1")["pool1"].mean() / plain(picture, "relu1")["relu1"].mean()
    assert abs(means[True] / wanted - 1) < 0.25
    assert kind == "blur" or means[False] < 0.7 * wanted
