"""Residual networks: every layer is torchvision's, nothing is overwritten, and tiles and masks know its positions."""

import copy

import pytest
import torch
import torchvision
from test_extractor import normalized
from test_tiles import assert_equal_from_tiles, noisy
from torch.nn import functional as F
from torchvision.models import ResNet
from torchvision.models.resnet import BasicBlock, Bottleneck

import nstlib as nst
from nstlib import backbones
from nstlib.large.tiles import halo_of
from nstlib.networks import resnets


@pytest.fixture(autouse=True)
def same_pictures():
    torch.manual_seed(0)


def uneven(net):
    """Other statistics than those of a batch: whoever takes the batch's is found out."""
    generator = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return net.eval()


@pytest.fixture(scope="module")
def plain():
    """Torchvision's ResNet-18 as it comes, with ReLUs that overwrite."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return uneven(torchvision.models.resnet18(weights=None)).requires_grad_(False)


@pytest.fixture(scope="module")
def weights_file(plain, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(plain.state_dict(), path)
    return path


@pytest.fixture
def extract(weights_file):
    return nst.FeatureExtractor("resnet18", "max", weights=weights_file, device="cpu")


def small(block=BasicBlock, pooling="avg"):
    """One block a stage."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = uneven(ResNet(block, [1, 1, 1, 1])).requires_grad_(False)
    return nst.FeatureExtractor(resnets.resnet_backbone("small", net, pooling), device="cpu")


def responses_by_hooks(net, picture):
    """Node name to response, each copied before anything can overwrite it; sums from their parts."""
    found, times = {}, {}

    def keep(name):
        def hook(module, given, response):
            count = times[name] = times.get(name, -1) + 1
            found[f"{name}_{count}" if count else name] = response.clone()

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in net.named_modules() if name]
    net(picture)
    for hook in hooks:
        hook.remove()
    before, last = found["maxpool"], "bn3" if "layer1.0.bn3" in found else "bn2"
    for name in [name for name in found if name.endswith(f".{last}")]:
        block = name.rpartition(".")[0]
        found[f"{block}.add"] = found[name] + found.get(f"{block}.downsample.1", before)
        before = found[f"{block}.add"].relu()
    return found


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_every_layer_captured_with_all_others_is_that_of_the_plain_network(block, content):
    extract = small(block, pooling="max")
    plain = copy.deepcopy(extract.backbone.net)
    for module in plain.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = True
    expected = responses_by_hooks(plain, normalized(content))
    features = extract(content, extract.layers)
    assert [*features] == extract.layers
    for layer, response in features.items():
        torch.testing.assert_close(response, expected[extract.backbone.nodes[layer]], rtol=1e-4, atol=1e-4)
    assert (features["bn1"] < 0).any()
    assert (features["layer1.0.add"] < 0).any()


def test_a_file_of_weights_gives_torchvisions_network(plain, extract, content):
    features, expected = extract(content, extract.layers), responses_by_hooks(plain, normalized(content))
    for layer, node in extract.backbone.nodes.items():
        torch.testing.assert_close(features[layer], expected[node], rtol=1e-4, atol=1e-4)


def test_short_names_are_those_of_blocks_and_stages(extract, content):
    features = extract(content, ["layer2", "layer2.1", "layer2.1.relu_1", "layer1", "relu"])
    assert list(features) == ["layer2", "layer2.1", "layer2.1.relu_1", "layer1", "relu"]
    assert torch.equal(features["layer2"], features["layer2.1"])
    assert torch.equal(features["layer2"], features["layer2.1.relu_1"])
    depths = [extract.layers.index(layer) for layer in ("relu", "layer1", "layer2", "layer3", "layer4")]
    assert depths == sorted(depths)
    assert extract.layers[0] == "conv1"
    assert not {"x", "avgpool", "flatten", "fc"} & {*extract.layers}


def test_resnet50_has_torchvisions_names_and_strides(tmp_path):
    net = resnets.resnet_without_weights("resnet50")
    backbone = resnets.resnet_backbone("resnet50", net.to_empty(device="cpu"))
    plain = torchvision.models.feature_extraction.get_graph_node_names(torchvision.models.resnet50(weights=None))[1]
    assert [node for node in backbone.layers if node in plain] == plain[1:-3]
    assert backbone.nodes["layer1"] == backbone.nodes["layer1.2"] == "layer1.2.relu_2"
    assert backbone.nodes["layer3"] == "layer3.5.relu_2"
    strides = {"conv1": 2, "relu": 2, "maxpool": 4, "layer1": 4, "layer2": 8, "layer3": 16, "layer4": 32}
    assert {layer: backbone.strides[layer] for layer in strides} == strides
    assert (backbone.strides["layer2.0.conv1"], backbone.strides["layer2.0.conv2"]) == (4, 8)


@pytest.mark.parametrize(("name", "digits"), [("resnet18", "f37072fd"), ("resnet50", "0676ba61")])
def test_the_weights_to_download_are_torchvisions_first(name, digits):
    assert backbones.weights_url(name) == f"https://download.pytorch.org/models/{name}-{digits}.pth"


def test_without_a_network_the_message_is_that_of_vgg19(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(backbones, "weights_url", lambda _: "http://127.0.0.1:9/resnet50-00000000.pth")
    with pytest.raises(nst.WeightsUnavailable, match=r"resnet50 could not be downloaded.*copy that file.*'mini'"):
        nst.load_backbone("resnet50")


def test_weights_of_another_network_are_refused(weights_file):
    with pytest.raises(nst.WeightsUnavailable, match="another network"):
        nst.load_backbone("resnet50", weights=weights_file)


def test_a_layers_name_is_mended(extract, content):
    with pytest.raises(nst.LayerNotFound, match=r"'layer5' is not in resnet18; the nearest are .*layer"):
        extract(content, "layer5")


def test_batch_normalization_is_that_of_training_whoever_is_beside(extract, content, style):
    pair = torch.cat([content, F.interpolate(style, content.shape[-2:])])
    torch.testing.assert_close(extract(pair, "layer3")["layer3"][:1], extract(content, "layer3")["layer3"])


def test_a_copy_stays_in_evaluation_mode(extract, content):
    expected = extract(content, "layer1")["layer1"]
    twin = copy.deepcopy(extract)
    assert torch.equal(twin(content, "layer1")["layer1"], expected)
    assert torch.equal(twin(content, "layer1")["layer1"], expected)
    assert not any(module.training for module in twin.net.modules())


@pytest.mark.parametrize("pooling", ["avg", "l2", "max"])
def test_pooling_is_the_one_asked_for_and_its_padding_does_not_count(pooling, content):
    features = small(pooling=pooling)(content, ["relu", "maxpool"])
    windows = F.unfold(F.pad(features["relu"], (1, 1, 1, 1), value=torch.nan).flatten(0, 1)[:, None], 3, stride=2)
    mean = {"avg": windows.nanmean(1), "l2": windows.square().nanmean(1).sqrt(), "max": windows.nan_to_num(0).amax(1)}
    torch.testing.assert_close(features["maxpool"].flatten(0, 1).flatten(1), mean[pooling], rtol=1e-3, atol=2e-4)


def test_the_smallest_picture_that_reaches_a_layer_works_and_a_smaller_one_is_refused():
    extract = small()
    for layer in ("relu", "layer1", "layer3"):
        stride = extract.backbone.strides[layer]
        assert extract(torch.rand(1, 3, stride, stride), layer)[layer].shape[-2:] == (1, 1)
        with pytest.raises(nst.ImageError, match=rf"{layer} of small needs at least {stride} on each side"):
            extract(torch.rand(1, 3, 64, stride - 1), layer)


@pytest.mark.parametrize("size", [(64, 64), (65, 70), (63, 33)])
def test_sizes_of_maps_are_told_without_computing(extract, size):
    layers = ["relu", "layer1", "layer2"]
    found = extract(torch.rand(1, 3, *size), layers)
    assert extract.map_sizes(layers, size) == {layer: tuple(found[layer].shape[-2:]) for layer in layers}


def reach_of(extract, layer):
    """By how many pixels the gradient of one position goes beyond the cell in which it lies."""
    picture = torch.rand(1, 3, 256, 256, requires_grad=True)
    stride = extract.backbone.strides[layer]
    place = 128 // stride
    extract(picture, layer)[layer][..., place, place].square().sum().backward()
    seen = picture.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    return max(place * stride - int(seen[0]), int(seen[-1]) + 1 - (place + 1) * stride)


def test_the_halo_is_what_the_responses_depend_on():
    extract = small()
    for layer in ("relu", "maxpool", "layer1", "layer2"):
        reach, stride = reach_of(extract, layer), extract.backbone.strides[layer]
        assert halo_of(extract, [layer]) == -(-reach // stride) * stride


@pytest.mark.parametrize("pooling", ["avg", "max", "l2"])
@pytest.mark.parametrize("size", [(96, 128), (77, 135)])
def test_terms_and_gradient_from_tiles_equal_those_of_the_whole_picture(pooling, size):
    content, style = torch.rand(1, 3, *size), torch.rand(1, 3, 91, 64)
    objective = nst.Objective(
        small(pooling=pooling), content, style, ["layer2"], ["relu", "layer1", "layer3"], beta=20.0, tv=10.0
    )
    assert_equal_from_tiles(objective, noisy(content), 32, rtol=3e-5)


@pytest.mark.parametrize("guidance", ["plain", "inside", "dilated"])
@pytest.mark.parametrize("size", [(96, 96), (75, 90)])
def test_masks_from_tiles_equal_those_of_the_whole_picture(guidance, size):
    content, styles = torch.rand(1, 3, *size), [torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)]
    mask = torch.zeros(size)
    mask[:, : size[1] // 2] = 1
    objective = nst.Objective(
        small(), content, styles, ["layer1"], ["relu", "layer1"], masks=[mask], guidance=guidance, beta=20.0
    )
    assert_equal_from_tiles(objective, noisy(content), 32, rtol=3e-5)


@pytest.mark.parametrize("size", [(64, 64), (61, 75)])
def test_a_mask_lies_at_each_layer_where_the_layer_looks(size):
    """Each position lies around a pixel at a multiple of the stride; its cell is as far on either side."""
    mask = torch.rand(size)
    picture, style = torch.rand(1, 3, *size), torch.rand(1, 3, 64, 64)
    objective = nst.Objective(small(), picture, [style, style], ["layer1"], ["relu", "layer2"], masks=[mask, 1 - mask])
    for layer, stride in (("relu", 2), ("layer2", 8)):
        guide = objective.guides[layer][0]
        cells = torch.stack(
            [
                torch.stack(
                    [mean_of_cell(mask, row * stride, column * stride, stride) for column in range(len(across))]
                )
                for row, across in enumerate(guide)
            ]
        )
        torch.testing.assert_close(guide, cells.square() / cells.square().sum())


def mean_of_cell(mask, row, column, stride):
    half = stride // 2
    return mask[max(row - half, 0) : row + half, max(column - half, 0) : column + half].mean()


def test_novak_and_nikulins_layers_are_those_of_vgg(extract, content, style):
    with pytest.raises(nst.InputError, match=r"'novak' takes the layers relu1_1.*which this network has not"):
        nst.Objective(extract, content, style, "novak", "novak")
