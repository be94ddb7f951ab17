"""Networks as ONNX: onnxruntime paints as torch does, at every size, in every mix, at every strength."""

import json
import sys

import pytest
import torch

import nstlib as nst
from nstlib.errors import InputError, MissingPackage
from nstlib.feedforward.export import IR, OPSET, onnx_of
from nstlib.feedforward.network import StyleNetwork

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
