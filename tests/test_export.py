"""Networks as ONNX: onnxruntime paints as torch does, at every size, in every mix, at every strength."""

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import nstlib as nst
from nstlib.errors import InputError, MissingPackage
from nstlib.feedforward import any_style, export
from nstlib.feedforward.export import IR, OPSET, onnx_of
from nstlib.feedforward.network import StyleNetwork
from nstlib.networks.vgg import mini_net, named_vgg

onnx = pytest.importorskip("onnx", reason="no onnx here: pip install -e '.[lab,test]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="no onnxruntime here: pip install -e '.[lab,test]'")

STYLES = ["cubist", "swirls", "mosaic"]
SIZES = [(64, 64), (48, 80), (33, 51), (101, 30), (8, 9), (1, 2), (4, 4), (3, 21)]
MIXES = [("swirls", 1.0), ("mosaic", 0.0), ({"swirls": 0.7, "mosaic": 0.3}, 1.0), ({"cubist": 1, "mosaic": 2}, 0.45)]


def small(kernel=5, seed=0):
    """A small network whose styles differ from each other, and from the content."""
    network = StyleNetwork(STYLES, (4, 6, 8), 2, kernel, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for row in [*network.rows, network.content]:
            row.add_(0.3 * torch.randn(row.shape, generator=generator))
    network.notes = {"steps": 7, "by": "Zoë"}
    return network


def pictures(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def assert_paints_alike(session, network, x, style, strength, atol=1e-4):
    shares = network.shares(style, strength)
    with torch.no_grad():
        wanted = network(x, shares)
    (painted,) = session.run(["painted"], {"pictures": x.numpy(), "shares": shares.numpy()})
    torch.testing.assert_close(torch.from_numpy(painted), wanted, rtol=0, atol=atol)


@pytest.fixture(scope="module")
def network():
    return small()


@pytest.fixture(scope="module")
def session(network, tmp_path_factory):
    return session_of(nst.save_onnx(network, tmp_path_factory.mktemp("onnx") / "small.onnx"))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_one_file_paints_every_size_in_every_mix_at_every_strength(session, network, size):
    for style, strength in MIXES:
        assert_paints_alike(session, network, pictures(1, 3, *size), style, strength)


@pytest.fixture(scope="module")
def predicting():
    """A small network for any style, whose rows differ from each other."""
    network = nst.PredictingNetwork(nst.FeatureExtractor("mini"), widths=(4, 6, 8), blocks=2, bottleneck=6)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in [*network.predictor.parameters(), network.painter.rows[0], network.painter.content]:
            weights.add_(0.3 * torch.randn(weights.shape, generator=generator))
        network.predictor.look_around(torch.cat([network.row_of(pictures(1, 3, side, 40)) for side in (20, 40, 60)]))
    network.add_style("mosaic", "mosaic", 48)
    network.add_style("swirls", "swirls", 48)
    return network


@pytest.fixture(scope="module")
def two_sessions(predicting, tmp_path_factory):
    """Of what paints in any style, and of what looks at paintings."""
    folder = tmp_path_factory.mktemp("any")
    return session_of(nst.save_onnx(predicting, folder / "any.onnx", look=folder / "look.onnx")), session_of(
        folder / "look.onnx"
    )


@pytest.mark.parametrize("size", [(48, 40), (64, 33), (17, 90), (5, 3)], ids=str)
def test_one_file_looks_at_paintings_and_another_paints_in_their_style(predicting, two_sessions, size):
    paints, looks = two_sessions
    painting, x = pictures(1, 3, *size), pictures(1, 3, 21, 30)
    (row,) = looks.run(["rows"], {"paintings": painting.numpy()})
    torch.testing.assert_close(torch.from_numpy(row), predicting.row_of(painting), rtol=1e-4, atol=1e-4)
    for strength in (1.0, 0.4, 0.0):
        feeds = {"pictures": x.numpy(), "rows": row, "shares": np.array([[strength]], np.float32)}
        with torch.no_grad():
            wanted = predicting(x, painting, strength)
        torch.testing.assert_close(torch.from_numpy(paints.run(["painted"], feeds)[0]), wanted, rtol=0, atol=5e-4)


def test_paintings_are_looked_at_in_batches_and_mixed_with_known_styles(predicting, two_sessions):
    paints, looks = two_sessions
    both, x = pictures(2, 3, 40, 40), pictures(1, 3, 24, 24)
    (rows,) = looks.run(["rows"], {"paintings": both.numpy()})
    torch.testing.assert_close(torch.from_numpy(rows), predicting.row_of(both), rtol=1e-4, atol=1e-4)
    twin = predicting.that_knows([])
    twin.rows, twin._names = torch.cat([predicting.rows, torch.from_numpy(rows)]), ["mosaic", "swirls", "one", "other"]
    shares = twin.shares({"swirls": 0.5, "one": 0.2, "other": 0.3}, 0.9)
    with torch.no_grad():
        wanted = twin(x, shares)
    feeds = {"pictures": x.numpy(), "rows": twin.rows.numpy(), "shares": shares.numpy()}
    torch.testing.assert_close(torch.from_numpy(paints.run(None, feeds)[0]), wanted, rtol=0, atol=1e-4)
    assert (wanted - twin(x, twin.shares("mosaic"))).abs().mean() > 0.001


def test_an_encoder_of_low_rank_is_written_as_it_sees(tmp_path, monkeypatch):
    torch.manual_seed(3)
    plan = (4, "M", (None, 4, 6), "M", (4, 4, 8), "M", (4, 5, 8), "M", (4, 4, 8))
    save_file(named_vgg(mini_net(plan)).state_dict(), tmp_path / "eyes.safetensors")
    encoder = nst.FeatureExtractor("mini", weights=tmp_path / "eyes.safetensors", device="cpu")
    monkeypatch.setattr(any_style, "USUAL", {})  # a file of it would not keep these weights
    network = nst.PredictingNetwork(encoder, widths=(4, 4, 4), blocks=1)
    nst.save_onnx(network, tmp_path / "any.onnx", look=tmp_path / "look.onnx")
    painting = pictures(1, 3, 45, 37)
    (rows,) = session_of(tmp_path / "look.onnx").run(["rows"], {"paintings": painting.numpy()})
    torch.testing.assert_close(torch.from_numpy(rows), network.row_of(painting), rtol=1e-4, atol=1e-5)


def test_the_bundled_network_for_any_style_fits_into_two_small_files(tmp_path):
    path = nst.save_onnx(nst.load_any_style(), tmp_path / "any.onnx", look=tmp_path / "look.onnx", half=True)
    assert path.stat().st_size + (tmp_path / "look.onnx").stat().st_size < 9_000_000


def test_what_looks_is_refused_where_there_is_none_or_no_place_for_it(network, predicting, tmp_path):
    with pytest.raises(InputError, match="look is for a network for any style"):
        nst.save_onnx(network, tmp_path / "a.onnx", look=tmp_path / "b.onnx")
    with pytest.raises(InputError, match="give each a file of its own"):
        nst.save_onnx(predicting, tmp_path / "a.onnx", look=tmp_path / "a.onnx")
    with pytest.raises(InputError, match="AdaINNetwork"):
        nst.save_onnx(nst.AdaINNetwork(predicting.encoder, widths=(4, 4, 4, 4)), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_is_no_sequence_is_refused_and_nothing_is_written(predicting, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "is_sequence", lambda *given: False)
    with pytest.raises(InputError, match="no plain sequence"):
        nst.save_onnx(predicting, tmp_path / "a.onnx", look=tmp_path / "b.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "layer",
    [
        torch.nn.Conv2d(32, 32, 3, groups=2),
        torch.nn.Conv2d(32, 32, 3, dilation=2),
        torch.nn.Conv2d(32, 32, 3, padding="same"),
        torch.nn.Conv2d(32, 32, 3, padding_mode="circular"),
        torch.nn.MaxPool2d(2, ceil_mode=True),
        torch.nn.AvgPool2d(2, padding=1),
        torch.nn.Tanh(),
    ],
    ids=repr,
)
def test_a_layer_that_would_be_written_as_another_is_refused(layer):
    with pytest.raises(InputError, match=f"layer {type(layer).__name__}, which cannot be written"):
        export._seen(export._Graph(half=False), "maps", layer, "layer")


def test_an_encoder_that_sees_otherwise_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(any_style, "USUAL", {})
    gray = nst.PredictingNetwork(nst.FeatureExtractor("mini", sees="luminance"), widths=(4, 4, 4), blocks=1)
    with pytest.raises(InputError, match="sees luminance alone"):
        nst.save_onnx(gray, tmp_path / "a.onnx", look=tmp_path / "b.onnx")


def test_the_mixes_and_strengths_differ(session, network):
    x = pictures(1, 3, 32, 32).numpy()
    painted = [
        torch.from_numpy(session.run(None, {"pictures": x, "shares": network.shares(*mix).numpy()})[0]) for mix in MIXES
    ]
    for place, one in enumerate(painted):
        assert all((one - other).abs().mean() > 0.01 for other in painted[:place])
    assert (painted[1] - pictures(1, 3, 32, 32)).abs().max() < 0.002  # without strength it is the picture itself


@pytest.mark.parametrize("size", [(32, 32), (31, 18)], ids=str)
def test_a_batch_is_painted_picture_by_picture(session, network, size):
    assert_paints_alike(session, network, pictures(3, 3, *size), {"swirls": 0.5, "cubist": 0.5}, 0.8)


def test_black_and_white_come_out_alike(session, network):
    x = torch.cat([torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)])
    assert_paints_alike(session, network, x, "swirls", 0.5)


@pytest.mark.parametrize("kernel", [1, 3, 9])
def test_other_networks_are_written_as_well(tmp_path, kernel):
    network = small(kernel, seed=1)
    session = session_of(nst.save_onnx(network, tmp_path / "other.onnx"))
    assert_paints_alike(session, network, pictures(1, 3, 21, 40), "mosaic", 0.9)


def test_the_bundled_network_fits_into_a_small_file_without_loss(tmp_path):
    network = nst.load_network()
    path = nst.save_onnx(network, tmp_path / "styles.onnx", half=True)
    assert path.stat().st_size < 1_000_000
    session = session_of(path)
    for size, style in [((64, 96), "swirls"), ((75, 50), {"mosaic": 0.6, "swirls": 0.4})]:
        assert_paints_alike(session, network, pictures(1, 3, *size), style, 0.9)


def test_half_precision_takes_half_the_size_and_changes_little(network, tmp_path):
    full, half = (onnx_of(network, half=half) for half in (False, True))
    weights = [
        sum(len(each.raw_data) for each in model.graph.initializer if each.data_type != 7) for model in (full, half)
    ]
    assert weights[1] < 0.51 * weights[0]
    assert_paints_alike(
        session_of(nst.save_onnx(network, tmp_path / "h.onnx", half=True)),
        network,
        pictures(1, 3, 32, 32),
        "swirls",
        1.0,
        0.02,
    )


def test_a_network_of_half_precision_is_written_too(network, tmp_path):
    halved = small().to(torch.bfloat16)
    session = session_of(nst.save_onnx(halved, tmp_path / "bfloat16.onnx"))
    assert_paints_alike(session, halved.float(), pictures(1, 3, 16, 16), "swirls", 1.0)


def test_the_file_says_what_it_takes_and_what_is_in_it(session):
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["kind"] == "nstlib.StyleNetwork"
    assert json.loads(metadata["styles"]) == STYLES
    assert json.loads(metadata["notes"]) == {"steps": 7, "by": "Zoë"}
    taken = {each.name: (each.type, each.shape) for each in session.get_inputs()}
    assert taken["pictures"] == ("tensor(float)", ["batch", 3, "height", "width"])
    assert taken["shares"] == ("tensor(float)", [1, 3])
    (given,) = session.get_outputs()
    assert (given.name, given.shape) == ("painted", ["batch", 3, "height", "width"])


def test_notes_of_the_call_come_before_those_of_the_network(network):
    metadata = {each.key: each.value for each in onnx_of(network, {"mine": 1}).metadata_props}
    assert json.loads(metadata["notes"]) == {"mine": 1}


@pytest.mark.parametrize("half", [False, True])
def test_the_graph_is_what_the_standard_allows_and_old_runtimes_read(network, half):
    model = onnx_of(network, half=half)
    onnx.checker.check_model(model, full_check=True)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", OPSET)]
    assert model.ir_version == IR
    assert {node.op_type for node in model.graph.node} <= {  # all of them are onnxruntime-web's, too
        *("Add", "Cast", "Clip", "Concat", "Conv", "Div", "Gemm", "InstanceNormalization", "Less", "Log", "Max", "Mul"),
        *("Pad", "Relu", "Reshape", "Resize", "Shape", "Sigmoid", "Slice", "Sub"),
    }


def test_no_node_has_more_inputs_and_outputs_than_webgpu_has_buffers_for(network):
    assert max(len(node.input) + len(node.output) for node in onnx_of(network).graph.node) <= 8


def test_what_cannot_be_written_is_said(network, tmp_path):
    broken = small()
    with torch.no_grad():
        broken.last.weight[0, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match=r"last\.weight holds numbers that are not finite"):
        nst.save_onnx(broken, tmp_path / "broken.onnx")
    with pytest.raises(InputError, match="expected an instance of StyleNetwork"):
        nst.save_onnx(torch.nn.ReLU(), tmp_path / "broken.onnx")
    with pytest.raises(InputError, match="the notes cannot be kept as JSON"):
        nst.save_onnx(network, tmp_path / "broken.onnx", {"net": network})
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be saved"):
        nst.save_onnx(network, tmp_path / "file" / "network.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_onnx_it_says_what_to_install(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackage, match=r'pip install "nstlib\[onnx\]"'):
        nst.save_onnx(network, tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())
