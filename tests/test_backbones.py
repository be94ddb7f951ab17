"""Which networks there are, and where weights come from; downloads are tested against a local server."""

import hashlib

import pytest
import torch

import nstlib as nst
from nstlib import backbones


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
    with pytest.raises(nst.InputError, match=r"'median'.*max, avg, l2"):
        nst.load_backbone("mini", pooling="median")


def test_a_network_can_be_added_without_touching_a_caller(content, style):
    """As ResNet and Inception will be: any torchvision graph, by its node names."""
    import torchvision

    @nst.register("squeezenet")
    def build(pooling, keep_scale, weights):
        net = torchvision.models.squeezenet1_1(weights=None).features
        return nst.Backbone("squeezenet", net, {"fire3": "3.cat"}, {"fire3": 8})

    try:
        extract = nst.FeatureExtractor("squeezenet", device="cpu")
        objective = nst.Objective(extract, content, style, {"fire3": 1.0}, {"fire3": 1.0})
        assert objective(content).total.isfinite().all()
    finally:
        del backbones._BUILDERS["squeezenet"]


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
    with pytest.raises(nst.BackboneNotFound, match="NST_BACKBONE is 'vgg18'"):
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
