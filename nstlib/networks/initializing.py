"""Networks with random weights, the same for the same seed."""

import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InputError
from .vgg import LowRankConv2d

RANDOM = "random"
BATCH, SIDE, OCTAVES = 4, 128, 7  # of the noise whose statistics batch normalizations take for those of a training


@dataclass(frozen=True)
class Seed:
    """Random weights in place of a file of weights."""

    number: int

    @classmethod
    def of(cls, text: str) -> "Seed | None":
        """What "random" or "random:7" stands for; None for another text.

        Raises:
            InputError: "random:" and what is no whole number from 0 to 2**63 - 1.
        """
        word, colon, number = text.partition(":")
        if word != RANDOM:
            return None
        number = number if colon else "0"
        if not re.fullmatch("[0-9]{1,19}", number) or int(number) >= 2**63:
            raise InputError(f"weights is {text!r:.80}; expected 'random', or with its seed, such as 'random:7'")
        return cls(int(number))

    def __str__(self) -> str:
        return f"{RANDOM}:{self.number}"


def initialize(net: nn.Module, seed: Seed) -> None:
    """Give a network on the CPU weights with which responses keep their size from layer to layer.

    Convolutions: normal, of variance 2 / fan_out (He et al. 2015, arXiv 1502.01852, equation 14), or 1 / fan_out where
    no rectifier follows, within a convolution of low rank; biases 0. Batch normalizations: weight 1 and bias 0; their
    means and variances are measured once, on noise from the same seed.
    """
    generator = torch.Generator().manual_seed(seed.number)
    net.to_empty(device="cpu")
    linear = {part for module in net.modules() if isinstance(module, LowRankConv2d) for part in list(module)[:-1]}
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            if module in linear:
                module.weight.data.mul_(0.5**0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    if any(isinstance(module, nn.BatchNorm2d) for module in net.modules()):
        _measure_statistics(net, noise(generator))


def noise(generator: torch.Generator) -> Tensor:
    """Noise (B, 3, H, W) of mean 0 and variance 1, as strong in each octave, as photographs are."""
    octaves = [
        F.interpolate(torch.randn(BATCH, 3, SIDE >> k, SIDE >> k, generator=generator), size=SIDE)
        for k in range(OCTAVES)
    ]
    return torch.stack(octaves).sum(0).div(OCTAVES**0.5)


@torch.no_grad()
def _measure_statistics(net: nn.Module, pictures: Tensor) -> None:
    """Let batch normalizations keep the means and variances of these pictures alone."""
    normalizations = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in normalizations:
        module.momentum = None  # the mean over all that it sees
    net.train()
    net(pictures)
    net.eval()
