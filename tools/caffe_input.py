"""From Caffe's input, blue, green and red in 0 ... 255 minus a mean, to the one that torchvision's networks take."""

import torch
from torch import Tensor

from nstlib.backbones import IMAGENET_MEAN, IMAGENET_STD

CAFFE_MEAN = (123.68, 116.779, 103.939)  # of red, green and blue


def for_normalized_pictures(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The first convolution's weight (C, 3, h, w) for pictures as torchvision normalizes them, and what to add, (C,).

    Where that convolution pads a picture with zeros, these mean another gray than before.
    """
    scales = 255 * torch.tensor(IMAGENET_STD)
    offsets = 255 * torch.tensor(IMAGENET_MEAN) - torch.tensor(CAFFE_MEAN)
    of_red_first = weight.flip(1)
    return of_red_first * scales.view(1, 3, 1, 1), of_red_first.sum((2, 3)) @ offsets
