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

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import counted, fraction, known_arguments, known_names, one_of, picture, shape_of, whole
from ..base.devices import without_autocast
from ..control.styles import normalized
from ..errors import InputError
from .layers import SMALLEST, STRIDE, Convolution, colored, continued, normalize
from .painting import paint

LAST = 3 + 3 + 1  # numbers of a row for the last layer: gamma, beta and how much of the picture is added
WIDEST = 2 * SMALLEST - 1  # kernel that sees the smallest pictures continued by reflection
SKIP = 0.5  # how much of the picture's own colors a row begins with

Style = str | Mapping[str, float] | Sequence[str | Mapping[str, float]] | Tensor


class StyleNetwork(nn.Module):
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

    notes: dict[str, Any]

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
        self._names, self.notes = _checked_names(styles), {}
        self.widths, self.blocks = _checked_widths(widths), whole("blocks", blocks)
        self.kernel, seed = _checked_kernel(kernel), whole("the seed", seed, 0, 2**63 - 1)
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
    def styles(self) -> tuple[str, ...]:
        """The names of the styles, in the order of the columns of shares."""
        return tuple(self._names)

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

    def forward(self, pictures: Tensor, style: Style | None = None, strength: float | Tensor = 1.0) -> Tensor:
        """Paint.

        Args:
            pictures: (B, 3, H, W) in [0, 1], of any size.
            style: a name; a mapping of names to shares, which are brought to the sum 1: gamma and beta are the weighted
                mean; a list of such, one a picture; or a tensor (B or 1, styles) of shares, which are taken as they
                are, without waiting for a GPU to show them; what they lack to 1 is the content's. For one picture there
                may be several: it comes out in each. None is the style of a network that has but one.
            strength: how much of the style, from 0, the picture itself within 0.001, to 1; a number, or a tensor of
                one, or of one a picture. All shares are multiplied by it.

        Returns:
            (B, 3, H, W) in [0, 1], float32 or better.

        Raises:
            InputError: no pictures, an unknown style, not as many styles as pictures, or a strength that cannot work.
        """
        shares = self.shares(style, strength)
        _check_pictures(pictures, len(shares))
        size = pictures.shape[-2:]
        return self._painted(continued(pictures), shares)[..., : size[0], : size[1]]

    def _painted(self, pictures: Tensor, shares: Tensor) -> Tensor:
        """From pictures whose sides are multiples of `STRIDE` to pictures."""
        maps, affines = pictures.to(self.dtype), self.affines(shares)
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
        return colored(colors, pictures, self.skip(shares))

    @known_arguments
    @torch.no_grad()
    def paint(
        self,
        pictures: Tensor,
        style: Style | None = None,
        strength: float | Tensor = 1.0,
        *,
        tile: int | None = None,
        progress: bool = True,
    ) -> Tensor:
        """Paint pictures of any size: at once where they fit into memory, one by one, or in tiles; without gradients.

        All three give the same picture. Tiles take up to twice as long, and 60 bytes a pixel of the picture besides the
        memory of a tile; see `nstlib.feedforward.tiles`. Ctrl-C stops at once.

        Args:
            pictures: (B, 3, H, W) in [0, 1], anywhere; they are brought to the network's device.
            style, strength: as in `forward`.
            tile: side of the tiles in pixels, rounded down to a multiple of 4; larger pictures are painted in them.
                None decides by the memory that is free.
            progress: show a bar while tiles are painted.

        Returns:
            (B, 3, H, W) in [0, 1], float32 or better, where the pictures are.

        Raises:
            InputError: as in `forward`, or values that are not in [0, 1], or a tile that is none.
            OutOfMemory: not even tiles fit.
        """
        pictures, shares = picture("batch of pictures", pictures), self.shares(style, strength)
        _check_pictures(pictures, len(shares))
        if tile is not None:
            tile = whole("the tile", tile, STRIDE, unit="pixels") // STRIDE * STRIDE
        with without_autocast(self.device):
            return paint(self, pictures, shares, tile, progress)

    def shares(self, style: Style | None = None, strength: float | Tensor = 1.0) -> Tensor:
        """How much of each style, (B or 1, styles); arguments and errors as in `forward`."""
        if style is None:
            style = self._only_style()
        if isinstance(style, Tensor):
            if style.ndim != 2 or style.shape[1] != len(self._names) or not style.dtype.is_floating_point:
                raise InputError(
                    f"the tensor of shares is {tuple(style.shape)}, {style.dtype}; expected fractions, (B, "
                    f"{len(self._names)}): a row a picture, and a column each for {', '.join(self._names)}"
                )
            shares = style.to(self.device)
        else:
            each = style if isinstance(style, list | tuple) else [style]
            if not each:
                raise InputError("there is no style in the list of styles; give one a picture")
            shares = torch.tensor([self._share_of(one) for one in each], dtype=torch.float32, device=self.device)
        return self._weakened(shares, strength)

    def affines(self, shares: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """gamma and beta of each normalization, (B, C) each, for shares (B, styles).

        The row of a mix is the mean of the rows, the content's with what the shares lack to 1: gamma = sum_s share_s
        gamma_s + (1 - sum_s share_s) gamma_content, and beta so.
        """
        widths = [channels for channels in self._channels for _ in range(2)]
        parts = torch.split(self._mixed(shares)[:, :-1], widths, dim=1)
        return zip(parts[::2], parts[1::2], strict=True)

    def skip(self, shares: Tensor) -> Tensor:
        """How much of the picture's own colors is added, (B, 1, 1, 1), for shares (B, styles)."""
        return self._mixed(shares)[:, -1, None, None, None]

    def _mixed(self, shares: Tensor) -> Tensor:
        dtype = _at_least_float32(self.dtype)
        shares, rows, content = shares.to(dtype), torch.stack(list(self.rows)).to(dtype), self.content.to(dtype)
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
        names = _checked_names([*self._names, name])
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
        names = _checked_names(names)
        self.rows = nn.ParameterList([self.rows[self._place(name)] for name in names])
        self._names = names

    def extra_repr(self) -> str:
        """What print shows."""
        return f"styles: {', '.join(self._names)}"

    @property
    def _channels(self) -> list[int]:
        """Of each normalization."""
        return [len(convolution.weight) for convolution in self.convolutions]

    def _only_style(self) -> str:
        if len(self._names) > 1:
            raise InputError(f"say which style: the network has {', '.join(self._names)}")
        return self._names[0]

    def _place(self, name: Any) -> int:
        return self._names.index(one_of("the style", name, self._names))

    def _share_of(self, style: Any) -> list[float]:
        """The shares of all styles in what one picture is to be painted in."""
        if not isinstance(style, Mapping):
            place = self._place(style)
            return [float(place == column) for column in range(len(self._names))]
        known_names((str(name) for name in style), self._names, "style")
        shares = dict(zip(style, normalized(style.values()), strict=True))
        return [shares.get(name, 0.0) for name in self._names]

    def _weakened(self, shares: Tensor, strength: float | Tensor) -> Tensor:
        """Shares of a style at a strength."""
        if not isinstance(strength, Tensor):
            strength = fraction("the strength", strength)
            return shares if strength == 1 else strength * shares
        if strength.ndim > 1 or not strength.numel():
            raise InputError(f"the strength is {tuple(strength.shape)}; expected a number, or (B,), one a picture")
        if len(shares) != strength.numel() and 1 not in (len(shares), strength.numel()):
            raise InputError(
                f"there are {strength.numel()} strengths and {len(shares)} styles; give one strength, or one a picture"
            )
        return strength.to(shares).view(-1, 1) * shares


def _check_pictures(pictures: Any, rows: int) -> None:
    """Refuse what is no batch of pictures by its shape; values are not looked at, which would wait for a GPU."""
    if not isinstance(pictures, Tensor) or pictures.ndim != 4 or pictures.shape[1] != 3 or not pictures.numel():
        raise InputError(
            f"the pictures are {shape_of(pictures)}; expected (B, 3, H, W), as nstlib.load_image gives them"
        )
    if not pictures.dtype.is_floating_point:
        raise InputError(f"the pictures are {pictures.dtype}; expected fractions in [0, 1]: divide by 255")
    if len(pictures) != rows and 1 not in (len(pictures), rows):
        raise InputError(
            f"there are {counted(len(pictures), 'picture')} and {counted(rows, 'style')}; give one style, or one a "
            "picture"
        )


def _checked_names(styles: Any) -> list[str]:
    if isinstance(styles, str) or not isinstance(styles, Sequence) or not styles:
        raise InputError(f"the styles are {styles!r:.80}; expected a list of names, such as ['swirls', 'mosaic']")
    for name in styles:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"the name of a style is {name!r:.80}; expected a word")
        if styles.count(name) > 1:
            raise InputError(f"there are two styles {name!r}; give each its own name")
    return list(styles)


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
