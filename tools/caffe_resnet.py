"""ResNet-50 as its authors trained it, from a state dict that keeps their form, as a backbone "resnet50_caffe".

Torchvision's ResNet-50 differs in where a stage strides, so that these weights are not for `--weights`. Here is what
they want: the stride in the first 1x1 convolution of a stage, batch normalization with an epsilon of 1e-3, and BGR in
0 ... 255 without a mean.
"""

from pathlib import Path

import torch
from caffe_input import for_normalized_pictures
from torch import Tensor
from torchvision.models import ResNet

import nstlib as nst
from nstlib.networks.resnets import resnet_backbone, resnet_without_weights

EPSILON = 1e-3 - 1e-5  # by how much it is larger than torchvision's


def register_caffe_resnet50(path: Path) -> None:
    """Make `load_backbone("resnet50_caffe")` give the network whose weights lie there."""

    @nst.register("resnet50_caffe", *nst.default_layers("resnet50"), pooling="blur")
    def build(pooling: str, keep_scale: bool, weights: object) -> nst.Backbone:
        return resnet_backbone("resnet50_caffe", caffe_resnet50(path), pooling, keep_scale)


def caffe_resnet50(path: Path) -> ResNet:
    """The network, in evaluation mode; it takes a picture as torchvision normalizes it."""
    net = resnet_without_weights("resnet50")
    for stage in (net.layer2, net.layer3, net.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    net.load_state_dict(normalized_as_torchvisions(state), assign=True)
    return net


def normalized_as_torchvisions(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same for torchvision's epsilon and normalization; at the border zeros mean a slightly other gray."""
    first, more = for_normalized_pictures(state["conv1.weight"])
    variances = {key: value + EPSILON for key, value in state.items() if key.endswith("running_var")}
    return {
        **{key: value for key, value in state.items() if not key.startswith("fc.")},
        **variances,
        "conv1.weight": first,
        "bn1.running_mean": state["bn1.running_mean"] - more,
    }
