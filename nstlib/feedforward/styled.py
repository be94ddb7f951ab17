"""What all networks that paint have in common: styles with names, shares of them, and pictures of any size.

A row of shares (one column a style) says how much of each style a picture gets. What the shares lack to 1 is the
content's: so their sum is the strength.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..base.checks import (
    Size,
    counted,
    fraction,
    known_arguments,
    known_names,
    one_of,
    picture,
    shape_of,
    size_of,
    whole,
)
from ..base.devices import without_autocast
from ..control.styles import normalized
from ..errors import InputError
from .layers import Convolution, continued
from .painting import paint

Style = str | Mapping[str, float] | Sequence[str | Mapping[str, float]] | Tensor


class Styled(nn.Module):
    """A network that paints pictures of any size in each of its styles, and in any mix of them.

    A kind of network says how it paints what divides by its stride, at once and in tiles; all else is here.

    Attributes:
        stride: sides of what goes through the network are multiples of it.
        smallest: and at least this.
        notes: how it was trained, or whatever else JSON can hold; kept in its file, see `files`.
    """

    stride: int
    smallest: int
    notes: dict[str, Any]
    _names: list[str]

    @property
    def styles(self) -> tuple[str, ...]:
        """The names of the styles, in the order of the columns of shares."""
        return tuple(self._names)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        raise NotImplementedError

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which the convolutions compute."""
        raise NotImplementedError

    @property
    def convolutions(self) -> list[Convolution]:
        """All that may be in half precision."""
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build the same network with other weights, as JSON can hold them."""
        raise NotImplementedError

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The network that has these settings, with weights to be loaded."""
        raise NotImplementedError

    @property
    def pixel_bytes(self) -> int:
        """What one pixel takes at the peak, where it is painted at once."""
        raise NotImplementedError

    def in_tiles(self, picture: Tensor, shares: Tensor, side: int, advance: Callable[[], object]) -> Tensor:
        """What `forward` makes of a picture (1, 3, H, W) whose sides divide by the stride, in tiles of a side."""
        raise NotImplementedError

    def tiles_of(self, size: Size, side: int) -> int:
        """How often `in_tiles` advances with a picture (H, W)."""
        raise NotImplementedError

    def _painted(self, pictures: Tensor, shares: Tensor) -> Tensor:
        """From pictures whose sides divide by the stride to pictures."""
        raise NotImplementedError

    def forward(self, pictures: Tensor, style: Style | None = None, strength: float | Tensor = 1.0) -> Tensor:
        """Paint.

        Args:
            pictures: (B, 3, H, W) in [0, 1], of any size.
            style: a name; a mapping of names to shares, which are brought to the sum 1: the row of a mix is the
                weighted mean of rows; a list of such, one a picture; or a tensor (B or 1, styles) of shares, which are
                taken as they are, without waiting for a GPU to show them; what they lack to 1 is the content's. For one
                picture there may be several: it comes out in each. None is the style of a network that has but one.
            strength: how much of the style, from 0, the picture itself as near as the network gives it back, to 1; a
                number, or a tensor of one, or of one a picture; one on a GPU is taken as it is. All shares are
                multiplied by it.

        Returns:
            (B, 3, H, W) in [0, 1], float32 or better.

        Raises:
            InputError: no pictures, an unknown style, not as many styles as pictures, or a strength that cannot work.
        """
        shares = self.shares(style, strength)
        check_pictures(pictures, len(shares))
        height, width = size_of(pictures)
        return self._painted(self.continued(pictures), shares)[..., :height, :width]

    def continued(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W), continued below and to the right until the network can take them."""
        return continued(pictures, self.stride, self.smallest)

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

        All three give the same picture; tiles take up to twice as long. Ctrl-C stops at once.

        Args:
            pictures: (B, 3, H, W) in [0, 1], anywhere; they are brought to the network's device.
            style, strength: as in `forward`.
            tile: side of the tiles in pixels, rounded down to a multiple of the stride; larger pictures are painted in
                them. None decides by the memory that is free.
            progress: show a bar while tiles are painted.

        Returns:
            (B, 3, H, W) in [0, 1], float32 or better, where the pictures are.

        Raises:
            InputError: as in `forward`, or values that are not in [0, 1], shares that are not finite, or a tile that is
                none.
            OutOfMemory: not even tiles fit.
        """
        if isinstance(strength, Tensor) and strength.device.type != "cpu":  # on the CPU `shares` looks at them
            check_strengths(strength)
        pictures, shares = picture("batch of pictures", pictures), self.shares(style, strength)
        check_pictures(pictures, len(shares))
        if not shares.isfinite().all():
            raise InputError("the shares of the styles hold numbers that are not finite (NaN or infinite)")
        if tile is not None:
            tile = whole("the tile", tile, self.stride, unit="pixels") // self.stride * self.stride
        with without_autocast(self.device):
            return paint(self, pictures, shares, tile, progress)

    def shares(self, style: Style | None = None, strength: float | Tensor = 1.0) -> Tensor:
        """How much of each style, (B or 1, styles); arguments and errors as in `forward`."""
        if not self._names:
            raise InputError("the network knows no style yet; call add_style('mine', 'painting.jpg')")
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

    def extra_repr(self) -> str:
        """What print shows."""
        return f"styles: {', '.join(self._names)}"

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
        if strength.device.type == "cpu" and not torch.compiler.is_compiling():
            check_strengths(strength)
        if len(shares) != strength.numel() and 1 not in (len(shares), strength.numel()):
            raise InputError(
                f"there are {strength.numel()} strengths and {len(shares)} styles; give one strength, or one a picture"
            )
        return strength.to(shares).view(-1, 1) * shares


def check_pictures(pictures: Any, rows: int, name: str = "the pictures") -> None:
    """Refuse what is no batch of pictures by its shape; values are not looked at, which would wait for a GPU."""
    if not isinstance(pictures, Tensor) or pictures.ndim != 4 or pictures.shape[1] != 3 or not pictures.numel():
        raise InputError(f"{name} are {shape_of(pictures)}; expected (B, 3, H, W), as nstlib.load_image gives them")
    if not pictures.dtype.is_floating_point:
        raise InputError(f"{name} are {pictures.dtype}; expected fractions in [0, 1]: divide by 255")
    if len(pictures) != rows and 1 not in (len(pictures), rows):
        raise InputError(
            f"there are {counted(len(pictures), 'picture')} and {counted(rows, 'style')}; give one style, or one a "
            "picture"
        )


def check_strengths(strengths: Tensor) -> None:
    """Refuse strengths that are not in [0, 1]."""
    values = strengths.detach().flatten().float()
    outside = values[~((values >= 0) & (values <= 1))]
    if len(outside):
        raise InputError(f"the strength is {outside[0].item():g}; expected a number from 0 to 1")


def checked_network(network: Any) -> Styled:
    """A network that paints.

    Raises:
        InputError: anything else.
    """
    if not isinstance(network, Styled):
        raise InputError(f"the network is {network!r:.80}; expected an instance of StyleNetwork or AnyStyleNetwork")
    return network


def checked_names(styles: Any) -> list[str]:
    """Names of styles, each once.

    Raises:
        InputError: something else.
    """
    if isinstance(styles, str) or not isinstance(styles, Sequence) or not styles:
        raise InputError(f"the styles are {styles!r:.80}; expected a list of names, such as ['swirls', 'mosaic']")
    seen: set[str] = set()
    for name in styles:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"the name of a style is {name!r:.80}; expected a word")
        if name in seen:
            raise InputError(f"there are two styles {name!r:.80}; give each its own name")
        seen.add(name)
    return list(styles)
