"""ResNet-50 in its authors' form, with random weights: the converted network gives what theirs gives."""

import sys
from pathlib import Path

import pytest
import torch
import torchvision
from test_resnets import uneven

import nstlib as nst
from nstlib import backbones

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
caffe_resnet = pytest.importorskip("caffe_resnet")
caffe_input = pytest.importorskip("caffe_input")


@pytest.fixture(scope="module")
def theirs():
    """The stride in the first convolution of a stage, and another epsilon."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = uneven(torchvision.models.resnet50(weights=None)).requires_grad_(False)
    for stage in (net.layer2, net.layer3, net.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eps = 1e-3
    return net


def test_the_converted_network_gives_what_theirs_gives_of_bgr(theirs, tmp_path, monkeypatch):
    torch.save(theirs.state_dict(), tmp_path / "caffe.pth")
    monkeypatch.setattr(backbones, "_KNOWN", dict(backbones._KNOWN))
    caffe_resnet.register_caffe_resnet50(tmp_path / "caffe.pth")
    extract = nst.FeatureExtractor("resnet50_caffe", "max", device="cpu")
    picture = nst.load_image("chelsea", 128)

    bgr = (255 * picture - torch.tensor(caffe_input.CAFFE_MEAN).view(3, 1, 1)).flip(1)
    stem = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(bgr))))
    expected = theirs.layer2(theirs.layer1(stem))
    found = extract(picture, "layer2")["layer2"]
    inner = (..., slice(5, -5), slice(2, -2))  # at the border zeros stand for a slightly other gray
    assert found.shape == expected.shape
    assert (found - expected)[inner].norm() < 2e-3 * expected[inner].norm()
    assert nst.default_layers(extract) == nst.default_layers("resnet50")
