"""One network for many styles: a picture goes through it once, and a row of numbers says which style it comes out in.

The network is Johnson et al.'s (2016, arXiv 1603.08155): two halvings, residual blocks at a quarter of the size, two
enlargements. What makes it paint many styles is Dumoulin et al.'s (2017, arXiv 1610.07629): after every convolution
each channel is brought to mean 0 and variance 1, and from there to a deviation gamma_s and a mean beta_s of the style
s. All else is the same for all styles. So a style is one row of 1,607 numbers, and the styles between two are the rows
between.

The last number of a row is ours: how much of the picture's own colors, before the sigmoid, is added to what the network
finds, as in a residual block. A row of the content has 1 there and 0 for all else that the last layer gives: it is the
picture itself. The rows between it and a style are the style at less than its full strength.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..base.checks import Size, known_arguments, whole
from ..errors import InputError
from .layers import SMALLEST, STRIDE, Convolution, check_numbers, colored, normalize
from .styled import Styled, checked_names
from .tiles import areas, in_tiles

LAST = 3 + 3 + 1  # numbers of a row for the last layer: gamma, beta and how much of the picture is added
MOST_BLOCKS = 1000
WIDEST = 2 * SMALLEST - 1  # kernel that sees the smallest pictures continued by reflection
COPIES = 3  # of a response of the full size, and of the one before it, that a convolution holds at its peak
SKIP = 0.5  # how much of the picture's own colors a row begins with


class StyleNetwork(Styled):
    """Paints pictures of any size in each of its styles, and in any mix of them.

    Example:
        >>> network = StyleNetwork(["swirls", "mosaic"])
        >>> network(pictures, "swirls")
        >>> network(pictures, {"swirls": 0.7, "mosaic": 0.3})

    Args:
        styles: their names.
        widths: channels at the full size, at half of it and at a quarter.
        blocks: residual blocks, of two convolutions each.
        kernel: side of the first and of the last filters, odd, up to 15. Johnson et al. have 9; at 5 the network takes
            0.6 of the time for a picture of 256 pixels, and learned as fast.
        seed: of the weights. No other random numbers are drawn.

    Attributes:
        rows: of each style, gamma and beta of each normalization in turn, and how much of the picture is added.
        content: the content's gammas and betas, but for the last normalization's.
        notes: how it was trained, or whatever else JSON can hold; kept in its file, see `files`.

    Raises:
        InputError: no style, a name twice, or numbers that cannot work.
    """

    stride, smallest = STRIDE, SMALLEST

    @known_arguments
    def __init__(
        self,
        styles: Sequence[str],
        widths: Sequence[int] = (16, 32, 64),
        blocks: int = 5,
        kernel: int = 5,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._names, self.notes = checked_names(styles), {}
        self.widths, self.blocks = _checked_widths(widths), whole("blocks", blocks, 0, MOST_BLOCKS)
        self.kernel, seed = _checked_kernel(kernel), whole("the seed", seed, 0, 2**63 - 1)
        check_numbers(_numbers(self.widths, self.blocks, self.kernel, len(self._names)))
        full, half, quarter = self.widths
        with torch.inference_mode(False):
            self.shrinking = nn.ModuleList(
                [
                    Convolution(3, full, kernel=self.kernel),
                    Convolution(full, half, kernel=3, stride=2),
                    Convolution(half, quarter, kernel=3, stride=2),
                ]
            )
            self.residual = nn.ModuleList([Convolution(quarter, quarter, kernel=3) for _ in range(2 * self.blocks)])
            self.growing = nn.ModuleList(
                [
                    Convolution(quarter, half, kernel=3, enlarge=2),
                    Convolution(half, full, kernel=3, enlarge=2),
                ]
            )
            self.last = Convolution(full, 3, kernel=self.kernel)
            neutral = [value for channels in self._channels for value in [1.0] * channels + [0.0] * channels]
            row = torch.tensor([*neutral, SKIP], dtype=torch.float32, device="cpu")
            self.rows = nn.ParameterList([nn.Parameter(row.clone()) for _ in self._names])
            self.content = nn.Parameter(row[:-LAST].clone())
            generator = torch.Generator("cpu").manual_seed(seed)
            for convolution in self.convolutions:
                convolution.initialize(generator)

    @property
    def convolutions(self) -> list[Convolution]:
        """All of them, in the order in which a picture goes through them; a normalization follows each."""
        return [module for module in self.modules() if isinstance(module, Convolution)]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.last.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which the convolutions compute."""
        return self.last.weight.dtype

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build the same network with other weights, as JSON can hold them."""
        return {
            "styles": list(self.styles),
            "widths": list(self.widths),
            "blocks": self.blocks,
            "kernel": self.kernel,
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The network that has these settings, with weights to be loaded."""
        return cls(**settings)

    @property
    def pixel_bytes(self) -> int:
        """What one pixel takes at the peak, which is where responses have come back to the full size."""
        full, half, _ = self.widths
        return COPIES * (full + half) * max(self.dtype.itemsize, torch.float32.itemsize)

    def in_tiles(self, picture: Tensor, shares: Tensor, side: int, advance: Callable[[], object]) -> Tensor:
        """What `forward` makes of a picture (1, 3, H, W) whose sides are multiples of 4, in tiles; see `tiles`."""
        return in_tiles(self, picture, self.mixed_row(shares), side, advance)

    def tiles_of(self, size: Size, side: int) -> int:
        """How often `in_tiles` advances with a picture (H, W)."""
        return len(self.convolutions) * len(areas(size, side))

    def _painted(self, pictures: Tensor, shares: Tensor) -> Tensor:
        """From pictures whose sides are multiples of `STRIDE` to pictures."""
        return self.painted_by(pictures, self.mixed_row(shares))

    def painted_by(self, pictures: Tensor, row: Tensor) -> Tensor:
        """What the network paints by any row (B or 1, numbers); sides of pictures are multiples of `STRIDE`."""
        maps, affines = pictures.to(self.dtype), self.affines(row)
        # ReLUs may work in place: what the gradient needs of a normalization is what went into it.
        for convolution in self.shrinking:
            maps = normalize(convolution(maps), *next(affines)).relu_()
        for first, second in zip(self.residual[::2], self.residual[1::2], strict=True):
            inner = normalize(first(maps), *next(affines)).relu_()
            maps = maps + normalize(second(inner), *next(affines))
        for convolution in self.growing:
            maps = normalize(convolution(maps), *next(affines)).relu_()
        colors = self.last(maps)
        colors = normalize(colors.to(_at_least_float32(colors.dtype)), *next(affines))
        return colored(colors, pictures, self.skip(row))

    def affines(self, row: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """gamma and beta of each normalization, (B, C) each, in a row (B, numbers)."""
        widths = [channels for channels in self._channels for _ in range(2)]
        parts = torch.split(row[:, :-1], widths, dim=1)
        return zip(parts[::2], parts[1::2], strict=True)

    def skip(self, row: Tensor) -> Tensor:
        """How much of the picture's own colors is added, (B, 1, 1, 1), in a row (B, numbers)."""
        return row[:, -1, None, None, None]

    def mixed_row(self, shares: Tensor) -> Tensor:
        """The row of a mix, (B, numbers), for shares (B, styles): see `mixed`."""
        return self.mixed(shares, torch.stack(list(self.rows)))

    def mixed(self, shares: Tensor, rows: Tensor) -> Tensor:
        """The weighted mean of rows, the content's with what the shares lack to 1, (B, numbers).

        gamma = sum_s share_s gamma_s + (1 - sum_s share_s) gamma_content, and beta so.

        Args:
            shares: (B, styles).
            rows: of the styles, (styles, numbers).
        """
        dtype = _at_least_float32(self.dtype)
        shares, rows, content = shares.to(dtype), rows.to(dtype), self.content.to(dtype)
        itself = content.new_zeros(LAST)
        itself[-1:].fill_(1.0)
        # No product of matrices, which GPUs may round to TF32.
        mixed = (shares[:, :, None] * rows).sum(1)
        return mixed + (1 - shares.sum(1, keepdim=True)) * torch.cat([content, itself])

    def style_parameters(self, name: str) -> list[nn.Parameter]:
        """What is a style's own, for an optimizer: its row.

        Raises:
            InputError: there is no such style.
        """
        return [self.rows[self._place(name)]]

    def learn_only(self, name: str) -> list[nn.Parameter]:
        """Freeze all but one style's own, and give that; `requires_grad_()` takes it back.

        Example:
            >>> network.add_style("waves", like="swirls")
            >>> optimizer = torch.optim.Adam(network.learn_only("waves"), lr=0.01)

        Raises:
            InputError: there is no such style.
        """
        own = self.style_parameters(name)
        self.requires_grad_(False)
        for parameter in own:
            parameter.requires_grad_()
        return own

    def add_style(self, name: str, like: str | None = None) -> None:
        """Add a style after the others, which paint as before.

        Args:
            name: of the new style.
            like: whose row it begins with; without it, the mean of all.

        Raises:
            InputError: a name that is taken or no name, or no such style to begin with.
        """
        names = checked_names([*self._names, name])
        begin = [like] if like is not None else self._names
        with torch.inference_mode(False), torch.no_grad():
            row = torch.stack([self.rows[self._place(known)] for known in begin]).mean(0)
        self.rows.append(nn.Parameter(row))
        self._names = names

    def keep_only(self, names: Sequence[str]) -> None:
        """Forget all styles but these, which paint as before.

        Raises:
            InputError: no name, a name twice, or an unknown one.
        """
        names = checked_names(names)
        self.rows = nn.ParameterList([self.rows[self._place(name)] for name in names])
        self._names = names

    def paint_like(self, other: "StyleNetwork", rows: Iterable[Tensor]) -> None:
        """Take another network's weights, and in place of its rows these, one for each style of one's own.

        Args:
            other: of the same widths, blocks and kernel.
            rows: (numbers,) each.
        """
        weights = {name: value for name, value in other.state_dict().items() if not name.startswith("rows.")}
        self.load_state_dict({**weights, **{f"rows.{place}": row for place, row in enumerate(rows)}})

    @property
    def _channels(self) -> list[int]:
        """Of each normalization."""
        return [len(convolution.weight) for convolution in self.convolutions]


def _numbers(widths: tuple[int, int, int], blocks: int, kernel: int, styles: int) -> int:
    """How many numbers the convolutions and the rows of such a network have."""
    full, half, quarter = widths
    filters = 6 * full * kernel**2 + 18 * (full * half + half * quarter + blocks * quarter**2)
    row = 2 * (2 * full + 2 * half + (2 * blocks + 1) * quarter) + LAST
    return filters + (styles + 1) * row - LAST


def _checked_widths(widths: Any) -> tuple[int, int, int]:
    if isinstance(widths, str) or not isinstance(widths, Sequence) or len(widths) != 3:
        raise InputError(f"the widths are {widths!r:.80}; expected three numbers of channels, such as (16, 32, 64)")
    full, half, quarter = (whole("a width", width, 1) for width in widths)
    return full, half, quarter


def _checked_kernel(kernel: Any) -> int:
    if whole("the kernel", kernel, 1, WIDEST) % 2 == 0:
        raise InputError(f"the kernel is {kernel}; expected an odd number, such as 5 or 9")
    return int(kernel)


def _at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
