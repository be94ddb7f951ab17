"""From picture to features: the right layers, nothing else, and nothing overwritten."""

import copy
import re
import subprocess
import sys
import threading

import pytest
import torch
import torchvision
from torch.nn import functional as F

import nstlib as nst
from nstlib import backbones
from nstlib.networks import tracing, vgg
from nstlib.networks.pooling import L2Pool2d

VGG19_NAMES = [
    name
    for block, count in enumerate((2, 2, 4, 4, 4), start=1)
    for name in (*(f"{kind}{block}_{k}" for k in range(1, count + 1) for kind in ("conv", "relu")), f"pool{block}")
]


def random_vgg(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torchvision.models.get_model(name, weights=None, init_weights=False).features.eval()


def extractor_of(features, **options):
    net = vgg.named_vgg(features, **options).eval().requires_grad_(False)
    return nst.FeatureExtractor(vgg.vgg_backbone("vgg", net), device="cpu")


def normalized(picture):
    return (picture - torch.tensor(backbones.IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(backbones.IMAGENET_STD).view(
        3, 1, 1
    )


def test_vgg19_has_the_papers_names_in_order():
    assert extractor_of(random_vgg("vgg19")).layers == VGG19_NAMES


def test_vgg16_has_three_convolutions_in_its_last_blocks():
    layers = extractor_of(random_vgg("vgg16")).layers
    assert {"conv3_3", "conv4_3", "conv5_3"} <= set(layers)
    assert not {"conv3_4", "conv4_4", "conv5_4"} & set(layers)


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_every_layer_equals_torchvisions_layer_at_its_position(name, content):
    features = random_vgg(name)
    extract = extractor_of(features, pooling="max")
    responses, x = extract(content, extract.layers), normalized(content)
    for layer, module in zip(extract.layers, features, strict=True):
        x = F.relu(x) if isinstance(module, torch.nn.ReLU) else module(x)
        torch.testing.assert_close(responses[layer], x, rtol=1e-4, atol=1e-5)


def test_conv_responses_are_not_overwritten_by_the_relu_behind_them(extract, content):
    features = extract(content, ["conv1_1", "relu1_1"])
    assert (features["conv1_1"] < 0).any()
    torch.testing.assert_close(features["conv1_1"].relu(), features["relu1_1"])


def test_nothing_is_computed_past_the_deepest_layer(extract, content):
    ran = []
    for layer, module in zip(extract.layers, extract.net, strict=True):
        module.register_forward_hook(lambda *_, layer=layer: ran.append(layer))
    extract(content, ["relu2_1", "conv1_2"])
    assert ran == VGG19_NAMES[: VGG19_NAMES.index("relu2_1") + 1]


def test_features_come_in_the_order_asked_for_and_once(extract, content):
    assert list(extract(content, ["relu3_1", "conv1_1", "relu3_1"])) == ["relu3_1", "conv1_1"]
    assert extract(content, []) == {}


def test_all_cuts_share_one_set_of_weights(extract, content):
    extract(content, ["relu1_1"])
    extract(content, ["relu5_1"])
    weights = {parameter.data_ptr() for cut in extract._cuts.values() for parameter in cut.parameters()}
    assert weights <= {parameter.data_ptr() for parameter in extract.net.parameters()}


def test_the_network_is_frozen_and_in_evaluation_mode_and_the_picture_gets_a_gradient(extract, content):
    content.requires_grad_()
    extract(content, ["relu4_2"])["relu4_2"].sum().backward()
    assert content.grad.abs().sum() > 0
    assert not extract.net.training
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in extract.net.parameters())


def test_normalization_happens_inside(content):
    extract = nst.FeatureExtractor("tiny", device="cpu")
    first = extract.net[0]
    torch.testing.assert_close(
        extract(content, ["conv1_1"])["conv1_1"], first(normalized(content)), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("pooling", ["avg", "l2", "max"])
@pytest.mark.parametrize("keep_scale", [True, False])
def test_pooling_is_the_one_asked_for(pooling, keep_scale, content):
    extract = nst.FeatureExtractor("tiny", pooling, keep_scale=keep_scale, device="cpu")
    features = extract(content, ["relu1_2", "pool1"])
    windows = F.unfold(features["relu1_2"].flatten(0, 1)[:, None], 2, stride=2)
    expected = {"avg": windows.mean(1), "l2": windows.square().mean(1).sqrt(), "max": windows.amax(1)}[pooling]
    scale = vgg.KEEP_SCALE[pooling] if keep_scale else 1
    torch.testing.assert_close(features["pool1"].flatten(0, 1).flatten(1), scale * expected, rtol=1e-3, atol=2e-4)


def test_kept_scale_brings_the_mean_activation_back_to_that_of_max_pooling():
    photograph = nst.load_image("coffee", 256)
    means = {
        pooling: nst.FeatureExtractor("mini", pooling, keep_scale=True, device="cpu")(photograph, ["pool2"])["pool2"]
        for pooling in ("max", "avg", "l2")
    }
    for pooling in ("avg", "l2"):
        assert means[pooling].mean() == pytest.approx(float(means["max"].mean()), rel=0.25)


def test_l2_pooling_has_a_finite_gradient_where_all_is_zero():
    features = torch.zeros(1, 1, 4, 4, requires_grad=True)
    L2Pool2d()(features).sum().backward()
    assert features.grad.isfinite().all()


def test_odd_sizes_and_batches_work(extract):
    features = extract(torch.rand(3, 3, 37, 51), ["relu1_1", "relu3_1", "relu5_1"])
    assert [tuple(f.shape) for f in features.values()] == [(3, 4, 37, 51), (3, 8, 9, 12), (3, 8, 2, 3)]


def test_the_smallest_picture_that_reaches_a_layer_works_and_a_smaller_one_is_refused(extract):
    for layer, stride in extract.backbone.strides.items():
        assert extract(torch.rand(1, 3, stride, stride), [layer])[layer].shape[-2:] == (1, 1)
        if stride > 1:
            with pytest.raises(nst.ImageError, match=rf"{layer} of tiny needs at least {stride}"):
                extract(torch.rand(1, 3, 64, stride - 1), [layer])


@pytest.mark.parametrize(("wrong", "near"), [("conv6_1", "conv5_1"), ("relu41", "relu4_1"), ("Relu4_2", "relu4_2")])
def test_a_mistyped_layer_is_named_with_the_nearest(extract, content, wrong, near):
    with pytest.raises(nst.LayerNotFound, match=f"'{wrong}' is not in tiny; the nearest are .*{near}"):
        extract(content, [wrong])


def test_on_meta_there_are_shapes_to_count_memory_with():
    extract = nst.FeatureExtractor("tiny", device="meta")
    features = extract(torch.empty(1, 3, 64, 96, device="meta"), ["relu3_1"])
    assert features["relu3_1"].shape[-2:] == (16, 24)


ABSENT = ["cuda:77", "tpu", "toaster", "privateuseone", "hip", "lazy", "", 5.0, [1]]


@pytest.mark.parametrize("device", ABSENT, ids=repr)
def test_a_device_that_is_not_there_is_refused_in_words(device):
    with pytest.raises(nst.InputError, match=rf"device '{re.escape(str(device))}' cannot be used"):
        nst.FeatureExtractor("tiny", device=device)


@pytest.mark.parametrize("device", [77, torch.device("cuda", 77)], ids=repr)
def test_a_gpu_that_is_not_there_is_refused_in_words(device):
    with pytest.raises(nst.InputError, match="cannot be used"):
        nst.FeatureExtractor("tiny", device=device)


def test_one_name_of_a_layer_is_a_name_and_not_its_letters(extract, content):
    assert list(extract(content, "relu1_1")) == ["relu1_1"]
    assert list(extract.cut("relu1_1")(normalized(content))) == ["relu1_1"]
    extract.check("relu1_1", (48, 48))
    with pytest.raises(nst.LayerNotFound, match="'relu9_1' is not in tiny; the nearest are"):
        extract.check("relu9_1")


@pytest.mark.parametrize("wrong", [["relu9_1"], [1, 6], ["relu1_1", None], [("relu1_1",)], [["relu1_1"]]], ids=repr)
def test_what_names_no_layer_is_refused_by_call_check_and_cut(extract, content, wrong):
    for use in (lambda: extract(content, wrong), lambda: extract.check(wrong), lambda: extract.cut(wrong)):
        with pytest.raises(nst.LayerNotFound, match="is not in tiny; "):
            use()


@pytest.mark.parametrize("wrong", [None, 5])
def test_what_holds_no_names_of_layers_is_refused(extract, content, wrong):
    for use in (lambda: extract(content, wrong), lambda: extract.check(wrong), lambda: extract.cut(wrong)):
        with pytest.raises(nst.InputError, match="expected names of layers"):
            use()


@pytest.mark.parametrize("wrong", [None, torch.rand(3, 32, 32), torch.rand(1, 1, 32, 32), torch.rand(1, 32, 32, 3)])
def test_what_is_no_picture_is_refused(extract, wrong):
    with pytest.raises(nst.InputError, match=r"the picture is .*; expected \(B, 3, H, W\)"):
        extract(wrong, "relu1_1")


def test_a_plain_sequence_gives_what_torchvisions_own_extractor_gives_bit_for_bit(content):
    extract = nst.FeatureExtractor("mini", device="cpu")
    layers = ["conv1_2", "relu3_1", "pool3", "relu4_2"]
    traced = tracing.traced(extract.net, {extract.backbone.nodes[layer]: layer for layer in layers})
    features, expected = extract(content, layers), traced(normalized(content).contiguous(memory_format=extract._format))
    assert set(features) == set(expected)
    assert all(torch.equal(features[layer], expected[layer]) for layer in layers)


def test_only_what_is_no_plain_sequence_is_traced(monkeypatch, content):
    traced = []
    real = tracing.traced
    monkeypatch.setattr(tracing, "traced", lambda *given: traced.append(given) or real(*given))
    nst.FeatureExtractor("tiny", device="cpu")(content, ["relu4_2", "conv1_1"])
    assert not traced
    squeezed(inplace=True)(content, ["fire3"])
    assert len(traced) == 1


class Skip(torch.nn.Sequential):
    """A sequence that does more than its modules one after the other."""

    def forward(self, x):
        return x + super().forward(x)


def test_a_sequence_with_a_way_of_its_own_is_traced(content):
    torch.manual_seed(0)
    net = Skip(torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.ReLU())
    extract = nst.FeatureExtractor(nst.Backbone("skip", net, {"sum": "add"}, {"sum": 1}), device="cpu")
    torch.testing.assert_close(extract(content, ["sum"])["sum"], net(normalized(content)))


def squeezed(inplace):
    net = torchvision.models.squeezenet1_1(weights=None).features.eval().requires_grad_(False)
    for module in net.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = inplace
    nodes = {"conv": "0", "relu": "1", "fire3": "3.cat"}
    return nst.FeatureExtractor(nst.Backbone("squeezed", net, nodes, {"conv": 2, "relu": 2, "fire3": 8}), device="cpu")


@pytest.mark.parametrize("layers", [["conv", "relu"], ["conv", "relu", "fire3"]], ids=["sequence", "traced"])
def test_responses_of_a_network_of_others_are_not_overwritten_by_its_in_place_relus(layers, content):
    features = squeezed(inplace=True)(content, layers)
    assert (features["conv"] < 0).any()
    torch.testing.assert_close(features["conv"].relu(), features["relu"])


@pytest.mark.parametrize("network", [lambda: nst.FeatureExtractor("tiny", device="cpu"), lambda: squeezed(False)])
def test_networks_run_in_one_thread_while_extractors_are_built_in_another(network, content):
    extract, failures, rounds, done = network(), [], [], threading.Event()
    layers = extract.layers[-1:]
    expected = extract(content, layers)[layers[0]]

    def run():
        try:
            while not done.is_set():
                assert torch.equal(extract(content, layers)[layers[0]], expected)
                rounds.append(1)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        for _ in range(8):
            nst.FeatureExtractor("tiny", device="cpu")(content, ["relu5_1", "conv2_1"])
            nst.FeatureExtractor(extract.backbone, device="cpu")(content, extract.layers)
            squeezed(False)(content, ["fire3"])
    finally:
        done.set()
        thread.join()
    assert rounds
    assert not failures


def test_extractors_that_need_tracing_are_built_in_several_threads(content):
    found = []

    def build():
        found.extend(squeezed(False)(content, ["fire3"]).values())

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [response.shape[1] for response in found] == [128] * 3
    assert torch.nn.Module.__call__ is plain_call


plain_call = torch.nn.Module.__call__


def test_a_copy_of_an_extractor_is_independent(extract, content):
    expected = extract(content, ["relu2_1"])["relu2_1"]
    other = copy.deepcopy(extract)
    with torch.no_grad():
        extract.net[0].weight.zero_()
    assert torch.equal(other(content, ["relu2_1"])["relu2_1"], expected)
    assert other.spec == extract.spec
    assert not torch.equal(extract(content, ["relu2_1"])["relu2_1"], expected)


def test_neither_torchvision_nor_the_compiler_is_imported_for_the_bundled_network():
    """They take two seconds."""
    script = """
import sys, torch
import nstlib as nst, nstlib.objective, nstlib.optimize, nstlib.transfer
picture = torch.rand(1, 3, 32, 32)
nst.Objective(nst.FeatureExtractor("mini", device="cpu"), picture, picture)(picture)
print([name for name in ("torchvision", "torch._dynamo") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def gradient(extract, image):
    image = image.clone().requires_grad_()
    extract(image, "relu3_1")["relu3_1"].square().sum().backward()
    return image.grad


@pytest.mark.parametrize("ambient", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("built_from", ["tiny", nst.load_backbone("tiny")], ids=["name", "object"])
def test_an_extractor_built_without_gradients_gives_them_later(ambient, built_from, content):
    expected = gradient(nst.FeatureExtractor("tiny", device="cpu"), content)
    with ambient():
        extract = nst.FeatureExtractor(built_from, device="cpu")
        extract(content, "relu3_1")
    assert torch.equal(gradient(extract, content), expected)


def test_a_network_made_in_inference_mode_serves_too(content):
    with torch.inference_mode():
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1).requires_grad_(False))
    extract = nst.FeatureExtractor(nst.Backbone("one", net, {"relu3_1": "0"}, {"relu3_1": 1}), device="cpu")
    assert gradient(extract, content).isfinite().all()


@pytest.fixture
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_where_float64_is_the_default_features_are_the_same(float64_by_default, content):
    extract = nst.FeatureExtractor("mini", device="cpu")
    features = extract(content.double(), ["relu1_1", "relu3_1"])
    torch.set_default_dtype(torch.float32)
    expected = nst.FeatureExtractor("mini", device="cpu")(content, ["relu1_1", "relu3_1"])
    for layer, response in features.items():
        assert response.dtype == torch.float32
        torch.testing.assert_close(response, expected[layer], rtol=1e-4, atol=1e-5)


def test_a_network_of_float64_is_computed_in_the_precision_asked_for(float64_by_default, content):
    extract = nst.FeatureExtractor("tiny", device="cpu")
    assert extract.net[0].weight.dtype == torch.float32
    assert extract(content, "relu1_1")["relu1_1"].dtype == torch.float32


@pytest.mark.parametrize("name", ["mini", "tiny"])
def test_whatever_device_is_the_default_the_one_asked_for_is_used(name, content):
    expected = nst.FeatureExtractor(name, device="cpu")(content, "relu2_1")["relu2_1"]
    with torch.device("meta"):
        extract = nst.FeatureExtractor(name, device="cpu")
        found = extract(content, "relu2_1")["relu2_1"]
    assert torch.equal(found, expected)


def test_where_only_deterministic_algorithms_are_allowed_it_gives_the_same(extract, content):
    expected = gradient(extract, content)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.equal(gradient(extract, content), expected)
    finally:
        torch.use_deterministic_algorithms(False)


def test_responses_are_float32_under_autocast_too(extract, content):
    with torch.autocast("cpu", torch.bfloat16):
        assert extract(content, "relu2_1")["relu2_1"].dtype == torch.float32
