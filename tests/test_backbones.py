"""Which networks there are, and where weights come from; downloads are tested against a local server."""

import dataclasses
import hashlib
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

import nstlib as nst
from nstlib import backbones
from nstlib.base import devices
from nstlib.networks import initializing
from nstlib.networks.pooling import L2Pool2d


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "cache" / "hub" / "checkpoints"


@pytest.fixture(scope="session")
def weights_file(tmp_path_factory):
    """Real names and shapes of vgg19's convolutions, random numbers, no classifier; with its SHA-256 in its name."""
    import torchvision

    torch.manual_seed(0)
    features = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["E"])
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save({f"features.{key}": value.half() for key, value in features.state_dict().items()}, path)
    return path.rename(path.with_name(f"vgg19-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth"))


@pytest.fixture
def serve(http_server, monkeypatch):
    """Serve bytes as vgg19's weights under a file name."""

    def start(name, body, status=200):
        server = http_server({f"/{name}": (status, {}, body)})
        monkeypatch.setattr(backbones, "weights_url", lambda _: server.url(f"/{name}"))
        return server

    return start


def test_weights_are_downloaded_once_checked_and_cached(cache, serve, weights_file, content):
    server = serve(weights_file.name, weights_file.read_bytes())
    first = nst.FeatureExtractor("vgg19", device="cpu")
    assert (cache / weights_file.name).read_bytes() == weights_file.read_bytes()
    second = nst.FeatureExtractor("vgg19", device="cpu")
    assert len(server.requests) == 1
    torch.testing.assert_close(first(content, ["relu3_1"]), second(content, ["relu3_1"]))


def test_a_progress_bar_is_shown_while_downloading(cache, serve, weights_file, capfd):
    serve(weights_file.name, weights_file.read_bytes())
    nst.load_backbone("vgg19")
    assert "100%" in capfd.readouterr().err


def test_a_download_with_another_hash_is_refused_and_not_kept(cache, serve, weights_file):
    serve("vgg19-00000000.pth", weights_file.read_bytes())
    with pytest.raises(nst.WeightsUnavailable, match=r"could not be downloaded.*hash"):
        nst.load_backbone("vgg19")
    assert not list(cache.glob("*.pth"))


def test_a_cut_off_download_is_refused_and_not_kept(cache, serve, weights_file):
    serve(weights_file.name, weights_file.read_bytes()[:100_000])
    with pytest.raises(nst.WeightsUnavailable, match="could not be downloaded"):
        nst.load_backbone("vgg19")
    assert not list(cache.glob("*.pth"))


def test_a_damaged_file_in_the_cache_is_named(cache, serve, weights_file):
    serve(weights_file.name, b"")
    cache.mkdir(parents=True)
    (cache / weights_file.name).write_bytes(weights_file.read_bytes()[:100_000])
    with pytest.raises(nst.WeightsUnavailable, match=rf"{weights_file.name} cannot be read.*delete it and try again"):
        nst.load_backbone("vgg19")


def test_without_a_network_the_message_says_where_to_put_the_file_and_what_else_works(cache, monkeypatch):
    monkeypatch.setattr(backbones, "weights_url", lambda _: "http://127.0.0.1:9/vgg19-00000000.pth")
    with pytest.raises(nst.WeightsUnavailable) as error:
        nst.load_backbone("vgg19")
    message = str(error.value)
    assert str(cache / "vgg19-00000000.pth") in message
    assert "'mini'" in message
    assert "127.0.0.1:9" in message


def test_weights_can_be_given_as_a_file(weights_file, content):
    features = nst.FeatureExtractor("vgg19", weights=weights_file, device="cpu")(content, ["relu2_1"])
    assert features["relu2_1"].dtype == torch.float32
    assert features["relu2_1"].shape[1] == 128


def test_weights_of_another_network_are_refused(weights_file):
    with pytest.raises(nst.WeightsUnavailable, match="another network"):
        nst.load_backbone("vgg16", weights=weights_file)


def test_it_is_said_which_weights_do_not_fit(tmp_path):
    state = load_file(backbones.MINI_WEIGHTS)
    del state["conv2_1.bias"]
    save_file(state, tmp_path / "short.safetensors")
    with pytest.raises(nst.WeightsUnavailable, match=r"another network \(Missing key.*conv2_1\.bias"):
        nst.load_backbone("mini", weights=tmp_path / "short.safetensors")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    state = load_file(backbones.MINI_WEIGHTS)
    state["conv1_1.bias"] = state["conv1_1.bias"] * torch.nan
    save_file(state, tmp_path / "broken.safetensors")
    with pytest.raises(nst.WeightsUnavailable, match=r"conv1_1\.bias holds numbers that are not finite"):
        nst.load_backbone("mini", weights=tmp_path / "broken.safetensors")


@pytest.mark.parametrize("name", ["mini", "squeezenet", "any style"])
def test_loading_what_is_bundled_draws_from_nobodys_generator(name):
    before = torch.get_rng_state()
    nst.load_any_style() if name == "any style" else nst.load_backbone(name)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_missing_or_broken_file_of_weights_is_refused(tmp_path):
    with pytest.raises(nst.WeightsUnavailable, match=r"no file of weights at .*nowhere\.pth"):
        nst.load_backbone("vgg19", weights=tmp_path / "nowhere.pth")
    (tmp_path / "text.pth").write_text("not weights")
    for name in ("vgg19", "mini"):
        with pytest.raises(nst.WeightsUnavailable, match=r"text\.pth cannot be read as weights"):
            nst.load_backbone(name, weights=tmp_path / "text.pth")


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_the_addresses_are_torchvisions_and_carry_a_hash(name):
    assert backbones.weights_url(name).startswith(f"https://download.pytorch.org/models/{name}-")
    assert backbones.weights_path(name).name == backbones.weights_url(name).rsplit("/")[-1]


def test_an_unknown_backbone_is_named_with_the_known_ones():
    with pytest.raises(nst.BackboneNotFound, match=r"'vgg18'.*mini.*vgg16, vgg19"):
        nst.load_backbone("vgg18")


def test_an_unknown_pooling_is_named_with_the_known_ones():
    with pytest.raises(nst.InputError, match=r"'median'.*auto, max, avg, l2, blur"):
        nst.load_backbone("mini", pooling="median")


def test_a_network_can_be_added_without_touching_a_caller(content, style):
    """Any torchvision graph, by its node names."""
    import torchvision

    @nst.register("squeezed")
    def build(pooling, keep_scale, weights):
        net = torchvision.models.squeezenet1_1(weights=None).features
        return nst.Backbone("squeezed", net, {"fire3": "3.cat"}, {"fire3": 8})

    try:
        extract = nst.FeatureExtractor("squeezed", device="cpu")
        objective = nst.Objective(extract, content, style, {"fire3": 1.0}, {"fire3": 1.0})
        assert objective(content).total.isfinite().all()
    finally:
        del backbones._KNOWN["squeezed"]


def test_default_backbone_is_mini_without_a_gpu_and_says_why(monkeypatch, capsys):
    monkeypatch.delenv("NST_BACKBONE", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert nst.default_backbone() == "mini"
    assert "mini" in capsys.readouterr().out
    assert nst.default_backbone(quiet=True) == "mini"
    assert capsys.readouterr().out == ""


def test_default_backbone_is_the_one_in_the_environment(monkeypatch, capsys):
    monkeypatch.setenv("NST_BACKBONE", "vgg16")
    assert nst.default_backbone() == "vgg16"
    assert "NST_BACKBONE" in capsys.readouterr().out
    monkeypatch.setenv("NST_BACKBONE", "vgg18")
    with pytest.raises(nst.BackboneNotFound, match=r"NST_BACKBONE is 'vgg18' \(did you mean 'vgg1"):
        nst.default_backbone()


def test_default_backbone_with_a_gpu_is_vgg19_where_its_weights_can_be_had(
    monkeypatch, capsys, cache, serve, weights_file
):
    monkeypatch.delenv("NST_BACKBONE", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    serve(weights_file.name, weights_file.read_bytes())
    assert nst.default_backbone() == "vgg19"
    assert "can be fetched" in capsys.readouterr().out

    monkeypatch.setattr(backbones, "weights_url", lambda _: f"http://127.0.0.1:9/{weights_file.name}")
    assert nst.default_backbone() == "mini"
    assert "cannot be fetched" in capsys.readouterr().out

    cache.mkdir(parents=True)
    (cache / weights_file.name).write_bytes(weights_file.read_bytes())
    assert nst.default_backbone() == "vgg19"
    assert "are here" in capsys.readouterr().out


def test_default_backbone_for_the_cpu_is_mini_whatever_else_there_is(monkeypatch, capsys):
    monkeypatch.delenv("NST_BACKBONE", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(backbones, "weights_url", lambda _: pytest.fail("vgg19 was thought of"))
    assert nst.default_backbone(device="cpu") == "mini"
    assert nst.default_backbone(device=torch.device("cpu"), quiet=True) == "mini"
    assert "it is to run on the CPU" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_one_rule_says_what_a_gpu_is(monkeypatch, cache, serve, weights_file, kind):
    monkeypatch.delenv("NST_BACKBONE", raising=False)
    serve(weights_file.name, weights_file.read_bytes())
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *_: torch.device(kind))
    assert devices.default_device() == torch.device(kind)
    assert nst.default_backbone(quiet=True) == "vgg19"

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert devices.default_device() == torch.device("cpu")
    assert nst.default_backbone(quiet=True) == "mini"


def test_a_folder_of_weights_is_refused_by_name(tmp_path):
    for name in ("vgg19", "mini"):
        with pytest.raises(nst.WeightsUnavailable, match="is a folder; give the file"):
            nst.load_backbone(name, weights=tmp_path)


@pytest.mark.parametrize("content", [{"a": 1}, {1: torch.zeros(2)}, [torch.zeros(2)], {"state": {"a": torch.zeros(1)}}])
def test_a_file_of_something_else_than_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(nst.WeightsUnavailable, match=r"other\.pth"):
        nst.load_backbone("vgg19", weights=tmp_path / "other.pth")


class Foreign:
    """What only its own program can read."""


def test_nobody_is_advised_to_execute_what_is_in_a_file(tmp_path):
    torch.save({"model": Foreign()}, tmp_path / "foreign.pth")
    (tmp_path / "photo.pth").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    for name in ("foreign.pth", "photo.pth"):
        with pytest.raises(nst.WeightsUnavailable) as error:
            nst.load_backbone("vgg19", weights=tmp_path / name)
        assert name in str(error.value)
        assert not {"trust", "arbitrary", "weights_only", "\x1b"} & set(str(error.value).replace("[", " ").split())
        assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_lack_of_memory_is_not_called_a_broken_file(monkeypatch, tmp_path, error):
    (tmp_path / "vgg19.pth").write_bytes(b"fine")

    def load(*_, **__):
        raise error

    monkeypatch.setattr(torch, "load", load)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", load)
    for weights in (tmp_path / "vgg19.pth", None):
        with pytest.raises(nst.OutOfMemory, match="out of memory while reading the weights"):
            nst.load_backbone("vgg19", weights=weights)


@pytest.mark.parametrize("weights", [5, b"vgg19.pth", True])
def test_weights_that_are_no_path_are_refused(weights):
    with pytest.raises(nst.InputError, match="expected the path of a file"):
        nst.load_backbone("mini", weights=weights)


@pytest.mark.parametrize("name", [None, 5, ["mini"]])
def test_a_name_that_is_no_text_is_refused(name):
    with pytest.raises(nst.BackboneNotFound, match="there is no backbone"):
        nst.FeatureExtractor(name, device="cpu")


def test_a_run_is_resumed_in_another_folder_though_its_weights_were_given_from_here(
    tmp_path, monkeypatch, weights_file, content
):
    monkeypatch.chdir(weights_file.parent)
    extract = nst.FeatureExtractor("vgg19", weights=weights_file.name, device="cpu")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert os.path.isabs(extract.spec["weights"])
    again = nst.FeatureExtractor(**extract.spec, device="cpu")
    assert torch.equal(again(content, "relu1_2")["relu1_2"], extract(content, "relu1_2")["relu1_2"])


@pytest.mark.parametrize("options", [{"pooling": "max"}, {"pooling": "l2", "keep_scale": True}, {}])
def test_a_run_with_a_backbone_object_goes_on_with_what_the_object_was_built_with(tmp_path, options, content, style):
    extract = nst.FeatureExtractor(nst.load_backbone("tiny", **options), device="cpu")
    run = nst.Run(nst.Objective(extract, content, style), "noise")
    run.step()
    resumed = nst.Run.load(run.save(tmp_path / "run.pt"))
    with torch.no_grad():
        assert resumed.objective(content).total.item() == run.objective(content).total.item()


def test_a_run_with_a_backbone_that_was_built_by_hand_says_that_its_name_does_not_suffice(tmp_path, content, style):
    known = nst.load_backbone("tiny")
    backbone = nst.Backbone("tiny", known.net, known.nodes, known.strides)
    objective = nst.Objective(nst.FeatureExtractor(backbone, device="cpu"), content, style)
    path = nst.Run(objective, "noise").save(tmp_path / "run.pt")
    with pytest.raises(nst.InputError, match=r"'tiny' was a Backbone object.*give Run.load an objective"):
        nst.Run.load(path)
    assert nst.Run.load(path, objective=objective).objective is objective


def test_another_network_in_a_backbone_does_not_keep_its_recipe():
    backbone = nst.load_backbone("tiny", pooling="max")
    assert backbone.recipe["pooling"] == "max"
    assert dataclasses.replace(backbone, net=torch.nn.Sequential()).recipe is None


@pytest.mark.parametrize("options", [{"pooling": "max"}, {"keep_scale": True}, {"weights": "vgg.pth"}])
def test_arguments_beside_a_backbone_that_would_have_no_effect_are_refused(options):
    with pytest.raises(nst.InputError, match="is built already; give it to load_backbone"):
        nst.FeatureExtractor(nst.load_backbone("tiny"), **options, device="cpu")


def test_extractors_share_a_backbones_network_where_nothing_must_change():
    backbone = nst.load_backbone("tiny")
    first, second = (nst.FeatureExtractor(backbone, device="cpu") for _ in range(2))
    assert first.net is second.net is backbone.net


@pytest.mark.parametrize("change", [{"precision": "bfloat16"}, {"precision": "float16"}])
def test_an_extractor_leaves_a_backbone_and_those_that_use_it_as_they_are(change, content):
    backbone = nst.load_backbone("tiny")
    first = nst.FeatureExtractor(backbone, device="cpu")
    expected, weight = first(content, "relu3_1")["relu3_1"], first.net[0].weight
    address = weight.data_ptr()
    nst.FeatureExtractor(backbone, device="cpu", **change)(content, "relu3_1")
    assert first.net[0].weight.data_ptr() == address
    assert torch.equal(first(content, "relu3_1")["relu3_1"], expected)


def test_an_extractor_on_another_device_has_a_copy():
    """The "meta" device stands in for a GPU."""
    backbone = nst.load_backbone("tiny")
    first = nst.FeatureExtractor(backbone, device="cpu")
    second = nst.FeatureExtractor(backbone, device="meta")
    assert second.net[0].weight.device.type == second.device.type == "meta"
    assert first.net[0].weight.device.type == backbone.net[0].weight.device.type == "cpu"


def test_a_network_in_another_order_of_memory_has_a_copy():
    known = nst.load_backbone("tiny")
    net = torch.nn.Sequential(*known.net).to(memory_format=torch.contiguous_format)
    backbone = nst.Backbone("mine", net, known.nodes, known.strides)
    extract = nst.FeatureExtractor(backbone, device="cpu")
    assert extract.net is not net
    assert net[2].weight.is_contiguous()
    assert extract.net[2].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_l2_pooling_in_half_precision_is_near_that_in_float32_and_has_a_finite_gradient(dtype):
    values = torch.rand(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for scale in (0.0, 1e-3, 1.0, 300.0):
        features = (scale * values).to(dtype).requires_grad_()
        pooled = L2Pool2d()(features)
        pooled.sum().backward()
        assert pooled.dtype == dtype
        torch.testing.assert_close(pooled.float(), L2Pool2d()(features.detach().float()), rtol=0.01, atol=1e-4)
        assert features.grad.isfinite().all()


def weights_of(backbone):
    return {name: value for name, value in backbone.net.state_dict().items() if value.is_floating_point()}


def equal_weights(one, other):
    return all(torch.equal(value, weights_of(other)[name]) for name, value in weights_of(one).items())


@pytest.fixture
def no_download(monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("a download was tried"))


SHALLOW = {"mini": "relu3_1", "vgg16": "relu3_1", "vgg19": "relu3_1", "resnet18": "layer2", "resnet50": "layer2"}


@pytest.mark.parametrize("name", SHALLOW)
def test_random_weights_need_no_download_and_keep_responses_in_size(no_download, name, content):
    backbone = nst.load_backbone(name, "max", weights="random")
    assert backbone.recipe["weights"] == "random:0"
    response = nst.FeatureExtractor(backbone, device="cpu")(content, SHALLOW[name])[SHALLOW[name]]
    assert response.isfinite().all()
    assert 0.05 < response.square().mean().sqrt() < 20
    assert not any(module.training for module in backbone.net.modules())


@pytest.mark.parametrize("name", ["mini", "resnet18"])
def test_the_same_seed_gives_the_same_weights_whatever_else_is_random(no_download, name):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = nst.load_backbone(name, weights="random:7")
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert equal_weights(first, nst.load_backbone(name, "max", keep_scale=True, weights="random:7"))
    assert not equal_weights(first, nst.load_backbone(name, weights="random:8"))


@pytest.mark.parametrize("name", ["mini", "vgg16", "resnet18"])
def test_random_convolutions_are_those_of_he(no_download, name):
    for path, module in nst.load_backbone(name, weights="random").net.named_modules():
        if isinstance(module, torch.nn.Conv2d) and module.weight.numel() > 4000:
            fan_out = module.weight.shape[0] * module.weight.shape[2] * module.weight.shape[3]
            variance = (1 if path.endswith((".read", ".see")) else 2) / fan_out  # 1 where no rectifier follows
            assert module.weight.var().item() == pytest.approx(variance, rel=0.1)
            assert abs(module.weight.mean().item()) < 0.1 * variance**0.5
            assert module.bias is None or not module.bias.any()


def test_random_batch_normalizations_bring_every_channel_to_mean_0_and_variance_1(no_download):
    backbone = nst.load_backbone("resnet18", "max", weights="random:3")
    pictures = initializing.noise(torch.Generator().manual_seed(99))
    extract = nst.FeatureExtractor(backbone, device="cpu")
    for layer in ("bn1", "layer1.0.bn1", "layer2.0.bn2"):
        response = extract.cut(layer)(pictures)[layer]
        assert response.mean().item() == pytest.approx(0, abs=0.1)
        assert response.var().item() == pytest.approx(1, abs=0.25)


def test_a_run_with_random_weights_is_saved_and_resumed(no_download, tmp_path, content, style):
    extract = nst.FeatureExtractor("resnet18", weights="random:7", device="cpu")
    run = nst.Run(nst.Objective(extract, content, style, ["layer2"], ["relu", "layer1"]), "noise")
    run.step()
    resumed = nst.Run.load(run.save(tmp_path / "run.pt"))
    assert resumed.objective.extract.spec["weights"] == "random:7"
    with torch.no_grad():
        assert torch.equal(resumed.objective(content).total, run.objective(content).total)


@pytest.mark.parametrize("weights", ["random:", "random:x", "random:-1", "random:1.5", f"random:{2**63}"])
def test_a_seed_that_is_none_is_refused(weights):
    with pytest.raises(nst.InputError, match=r"weights is 'random:.*such as 'random:7'"):
        nst.load_backbone("mini", weights=weights)


def test_a_file_that_is_called_random_can_be_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for weights in ("./random", tmp_path / "random"):
        with pytest.raises(nst.WeightsUnavailable, match="no file of weights"):
            nst.load_backbone("mini", weights=weights)


@pytest.mark.parametrize("name", ["mini", "vgg16", "vgg19", "tiny"])
def test_default_layers_of_vgg_are_those_of_gatys(name):
    assert nst.default_layers(name) == (dict(nst.GATYS_CONTENT), dict(nst.GATYS_STYLE))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_default_layers_fit_the_backbone_however_it_is_given(no_download, name):
    content_layers, style_layers = nst.default_layers(name)
    assert sum(style_layers.values()) == pytest.approx(1)
    extract = nst.FeatureExtractor(name, weights="random", device="cpu")
    extract.check([*content_layers, *style_layers])
    assert nst.default_layers(extract) == nst.default_layers(extract.backbone) == (content_layers, style_layers)
    content_layers.clear()
    assert nst.default_layers(name)[0]


@pytest.mark.parametrize("wrong", ["resnet5", 5, None])
def test_there_are_no_default_layers_of_what_is_no_backbone(wrong):
    with pytest.raises(nst.BackboneNotFound, match="there is no backbone"):
        nst.default_layers(wrong)


def test_where_nobody_names_layers_they_fit_the_backbone(no_download, content, style):
    extract = nst.FeatureExtractor("resnet18", weights="random", device="cpu")
    objective = nst.Objective(extract, content, style)
    assert (dict(objective.content_layers), [*objective.style_layers]) == (
        {"layer2": 1.0},
        ["relu", "layer1", "layer2", "layer3.0"],
    )
    assert objective(content).total.isfinite().all()
    how = {"backbone": "resnet18", "weights": "random", "device": "cpu", "size": 48, "progress": False}
    assert nst.stylize("chelsea", "coffee", steps=2, **how).isfinite().all()
    assert nst.strokes_on_forms("coffee", "chelsea", steps=2, **how).isfinite().all()


def test_layers_that_are_given_stay_as_given(no_download, content, style):
    extract = nst.FeatureExtractor("resnet18", weights="random", device="cpu")
    objective = nst.Objective(extract, content, style, content_layers=["layer1"])
    assert [*objective.content_layers] == ["layer1"]
    assert [*objective.style_layers] == ["relu", "layer1", "layer2", "layer3.0"]


def test_a_registered_network_can_have_default_layers_of_its_own(content, style):
    @nst.register("twice", {"relu2_2": 1.0}, {"relu1_1": 1.0})
    def build(pooling, keep_scale, weights):
        return dataclasses.replace(nst.load_backbone("tiny"), name="twice")

    try:
        objective = nst.Objective(nst.FeatureExtractor("twice", device="cpu"), content, style)
        assert objective.layers == ["relu2_2", "relu1_1"]
    finally:
        del backbones._KNOWN["twice"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((lambda pooling, keep_scale, weights: None,), r"the name is <function .*@nst.register\("),  # no brackets
        (("mine", ["relu1_1"]), r"the layers of mine are \['relu1_1'\]; expected a dict"),
        (("mine", {}, {}, "blurr"), "'blurr'.*did you mean 'blur'"),
    ],
)
def test_what_cannot_be_registered_is_refused_at_once(given, message):
    with pytest.raises(nst.InputError, match=message):
        nst.register(*given)
    assert "mine" not in nst.available_backbones()


def test_a_registered_function_that_returns_no_backbone_is_named():
    nst.register("forgetful")(lambda pooling, keep_scale, weights: None)
    try:
        with pytest.raises(
            nst.InputError, match=r"registered as 'forgetful' returned NoneType; expected an .*Backbone"
        ):
            nst.load_backbone("forgetful")
    finally:
        del backbones._KNOWN["forgetful"]


def test_what_is_at_hand_needs_no_download(no_download, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    for name in ("mini", "squeezenet", "tiny"):
        assert backbones.at_hand(name)
        assert backbones.download_size(name) is None
    for name, size in {"vgg16": 528, "vgg19": 548, "resnet18": 45, "resnet50": 98}.items():
        assert not backbones.at_hand(name)
        assert round(backbones.download_size(name)) == size
    backbones.weights_path("resnet18").parent.mkdir()
    backbones.weights_path("resnet18").touch()
    assert backbones.at_hand("resnet18")
    for ask in (backbones.at_hand, backbones.download_size):
        with pytest.raises(nst.BackboneNotFound, match="'resnet5'"):
            ask("resnet5")


def test_a_node_that_is_not_there_is_refused_in_words(content):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU())
    backbone = nst.Backbone("mine", net, {"first": "1", "second": "4"}, {"first": 1, "second": 1})
    extract = nst.FeatureExtractor(backbone, device="cpu")
    assert extract(content, "first")["first"].shape[1] == 4
    with pytest.raises(nst.InputError, match=r"has not all of the nodes.*position in a plain nn\.Sequential"):
        extract(content, "second")
