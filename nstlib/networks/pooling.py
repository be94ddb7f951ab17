"""How a network loses resolution: the poolings, and convolutions with a stride."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KINDS = ("max", "avg", "l2", "blur")
TAPS = (0.25, 0.5, 0.25)  # of the blur; their sum is 1, and no response leaves the range of float16


@dataclass(frozen=True)
class Window:
    """What one position is computed from, along one axis: `size` positions, `stride` from one window to the next.

    Attributes:
        size: from the first to the last of them, both counted.
        stride: in positions.
        padding: how many positions stand before the first, and after the last.
        ceil_mode: whether a last window may reach beyond them.
    """

    size: int = 1
    stride: int = 1
    padding: int = 0
    ceil_mode: bool = False


BLUR = Window(size=len(TAPS), stride=2, padding=len(TAPS) // 2)


class L2Pool2d(nn.Module):
    """Root mean square over windows, of what is no padding. Its gradient is finite where all values are zero."""

    def __init__(self, window: int = 2, stride: int = 2, padding: int = 0, ceil_mode: bool = False):
        super().__init__()
        self.windows = (Window(window, stride, padding, ceil_mode),)

    def forward(self, features: Tensor) -> Tensor:
        """Pool (B, C, H, W), by default to (B, C, H // 2, W // 2)."""
        (at,) = self.windows
        wide = features.to(torch.promote_types(features.dtype, torch.float32))  # where 1e-8 is not 0, nor a square inf
        squares = F.avg_pool2d(wide.square(), at.size, at.stride, at.padding, at.ceil_mode, count_include_pad=False)
        return (squares + 1e-8).sqrt().to(features.dtype)


class BlurPool2d(nn.Module):
    """Maxima over windows at every position, blurred before every second is taken (Zhang 2019, arXiv 1904.11486).

    A pattern finer than two positions then fades, where a pooling alone would make a coarser one of it: an alias.
    """

    def __init__(self, window: int = 2, stride: int = 2, padding: int = 0, ceil_mode: bool = False):
        super().__init__()
        if stride != BLUR.stride:
            raise ValueError(f"the blur is made for a stride of {BLUR.stride}, not {stride}")
        self.windows = (Window(window, 1, padding), Window(BLUR.size, BLUR.stride, BLUR.padding, ceil_mode))

    def forward(self, features: Tensor) -> Tensor:
        """Pool (B, C, H, W), by default to (B, C, H // 2, W // 2)."""
        dense, blur = self.windows
        return blurred(F.max_pool2d(features, dense.size, 1, dense.padding), blur.ceil_mode)


class BlurredConv2d(nn.Conv2d):
    """A convolution at every position, blurred before every second is taken.

    One that looks at a single position gives the same behind the blur, where a quarter of the positions are left.
    """

    windows: tuple[Window, ...]

    @classmethod
    def of(cls, convolution: nn.Conv2d) -> Self:
        """The same weights, without their stride of 2, and the blur."""
        given = convolution
        made = cls(
            *(given.in_channels, given.out_channels, given.kernel_size),  # type: ignore[arg-type]
            padding=given.padding,  # type: ignore[arg-type]
            dilation=given.dilation,  # type: ignore[arg-type]
            groups=given.groups,
            bias=given.bias is not None,
            padding_mode=given.padding_mode,
            device="meta",
        )
        made.weight, made.bias = given.weight, given.bias
        size = given.dilation[0] * (given.kernel_size[0] - 1) + 1
        made.windows = (Window(size, 1, int(given.padding[0])), BLUR)
        return made

    def forward(self, features: Tensor) -> Tensor:
        """From (B, C, H, W) to half as many positions."""
        if self.kernel_size == (1, 1) and self.padding == (0, 0):
            return super().forward(blurred(features))
        return blurred(super().forward(features))


def blurred(features: Tensor, ceil_mode: bool = False) -> Tensor:
    """Every second position of (B, C, H, W), each with its neighbors by `TAPS`; what lies outside does not count."""
    last = [1 - size % 2 if ceil_mode else 0 for size in features.shape[-2:]]
    pads = (BLUR.padding, BLUR.padding + last[1], BLUR.padding, BLUR.padding + last[0])
    # Filled in on the device: a copy from the CPU would stop a GPU each time, and cannot be recorded.
    taps = torch.stack([features.new_full((), tap) for tap in TAPS])
    kernel = torch.outer(taps, taps)[None, None]
    count = features.shape[1]
    sums = F.conv2d(F.pad(features, pads), kernel.expand(count, 1, -1, -1), stride=BLUR.stride, groups=count)
    inside = F.conv2d(F.pad(torch.ones_like(features[:1, :1]), pads), kernel, stride=BLUR.stride)
    return sums / inside


class ScaledPool2d(nn.Module):
    """A pooling followed by a constant factor."""

    def __init__(self, pool: nn.Module, scale: float):
        super().__init__()
        self.pool, self.scale = pool, scale

    def forward(self, features: Tensor) -> Tensor:
        """Pool (B, C, H, W) as the pooling does."""
        pooled: Tensor = self.pool(features) * self.scale
        return pooled


def pooling_of(
    kind: str, scale: float = 1.0, window: int = 2, stride: int = 2, padding: int = 0, ceil_mode: bool = False
) -> nn.Module:
    """A pooling of one of the `KINDS`; what pads a window does not count.

    Args:
        kind: "max", "avg", "l2" or "blur".
        scale: what its response is multiplied by.
        window, stride, padding: in positions.
        ceil_mode: whether a last window may reach beyond them.
    """
    pools: dict[str, Callable[..., nn.Module]] = {
        "max": nn.MaxPool2d,
        "avg": partial(nn.AvgPool2d, count_include_pad=False),
        "l2": L2Pool2d,
        "blur": BlurPool2d,
    }
    pool = pools[kind](window, stride, padding, ceil_mode=ceil_mode)
    return pool if scale == 1 else ScaledPool2d(pool, scale)


def blur_strides(net: nn.Module) -> None:
    """Let every convolution of a network that has a stride of 2 work at every position, and blur what it gives."""
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and tuple(child.stride) == (BLUR.stride, BLUR.stride):
                setattr(module, name, BlurredConv2d.of(child))
