"""How evenly a layer responds, and what makes it more even: a softmax over the whole of its response.

Wang, Li and Vasconcelos (CVPR 2021, arXiv 2104.05623) find that residual networks make worse pictures than VGG because
their deep layers respond with a few high peaks: of low `entropy`, so that the losses chase the peaks alone. They take a
softmax of the activations before they compare them.

The code that they released (github.com/peiwang062/swag) does not: the lines with the softmax are commented out, and the
responses of layer3 and layer4 are multiplied by 0.001, so that these layers all but drop out of its sum of Gram losses.
Weights of the layers do the same. A relative loss does not feel such a factor at all.
"""

import math
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from .base.checks import number, one_of, shape_of
from .errors import InputError
from .losses import or_one

Smoothing = str | None
SMOOTHINGS = ("softmax",)
COLDEST = 1e-6  # a temperature: long before, one activation alone is left, and there is no gradient


def smoothed(response: Tensor, temperature: float = 1.0) -> Tensor:
    """The softmax over all activations of a picture, of all channels and positions, times how many they are.

    That is N exp(F_ik / T) / sum_mn exp(F_mn / T). The paper has it without N and with a temperature T of 1. With N the
    mean is 1, whatever the size: without it the activations of a large picture are so small that squared differences of
    their Gram matrices fall below what float32 holds. In relative content and Gram losses the factor changes nothing.

    Args:
        response: (B, C, H, W), of any layer, rectified or not.
        temperature: T; the larger, the more even. One that is small against the activations does the opposite, and
            leaves the highest alone: mini's reach 15 to 50 on a photograph, and with 1 the entropy of its layers falls
            from 0.9 to 0.4 and less, with 10 it rises to 0.99.

    Returns:
        (B, C, H, W), above 0 but for what vanishes; its mean over each picture is 1.
    """
    # Channels innermost, as the convolutions have them: nothing is put in another order.
    innermost = response.movedim(1, -1)
    activations = innermost.flatten(1)
    even = (activations / temperature).softmax(1) * activations.shape[1]
    return even.view(innermost.shape).movedim(-1, 1)


@torch.no_grad()
def entropy(response: Tensor) -> Tensor:
    """How evenly a rectified response is spread over all channels and positions: its normalized entropy.

    With p = F / sum F over the N activations of a picture, -sum p log p / log N. A factor on the response changes
    nothing. It is measured, not minimized: it has no gradient.

    Args:
        response: (B, C, H, W), nowhere below 0.

    Returns:
        (B,) in [0, 1], float32, or float64 where the response is: 1 where all activations are equal; 0 where only one
        is not zero, or none, or where there is only one.

    Raises:
        InputError: no floats of this shape, or negative ones among them.
    """
    fits = isinstance(response, Tensor) and response.ndim == 4 and response.is_floating_point()
    if not fits or not (count := response.shape[1:].numel()):
        raise InputError(f"the response is {shape_of(response)}; expected floats (B, C, H, W), as an extractor gives")
    activations = response.flatten(1).to(torch.promote_types(response.dtype, torch.float32))
    if bool((activations < 0).any()):
        raise InputError(
            "the response has negative values, of which there are no shares; take a rectified layer, such as relu4_2 "
            "in place of conv4_2"
        )
    activations = activations / or_one(activations.amax(1, keepdim=True))  # a sum of large ones would overflow
    shares = activations / or_one(activations.sum(1, keepdim=True))
    found: Tensor = torch.special.entr(shares).sum(1) / math.log(max(count, 2))
    return found.clamp(max=1)  # but for rounding it is


def checked_smoothing(given: Any) -> Smoothing:
    """None, "softmax" or "softmax:T" with a temperature T, in one spelling.

    Raises:
        InputError: anything else; its message names the nearest.
    """
    if given is None:
        return None
    word, colon, text = given.partition(":") if isinstance(given, str) else (given, "", "")
    kind = one_of("smoothing", word, SMOOTHINGS, "None, 'softmax:T' with a temperature T, or ")
    temperature = _temperature(text) if colon else 1.0
    return kind if temperature == 1 else f"{kind}:{str(temperature).removesuffix('.0')}"


def temperature_of(smoothing: str) -> float:
    """The temperature of a smoothing that is checked."""
    return float(smoothing.partition(":")[2] or 1)


def no_tiles(smoothing: str) -> str:
    """Why a picture cannot be computed in tiles, and what to do."""
    return (
        f"smoothing {smoothing!r} divides each activation by a sum over the whole picture, which takes the whole "
        "picture at once and no tiles; use a smaller size, or leave smoothing out"
    )


def _temperature(text: str) -> float:
    value: Any = text
    with suppress(ValueError):
        value = float(text)
    return number("the temperature of smoothing", value, COLDEST)
