"""Any style in one pass: a network that has not learned styles, but how to draw what it is told (AdaIN).

Huang and Belongie 2017 (arXiv 1703.06868): an encoder gives features of the content; each channel is brought from its
own mean and deviation to those that it has in the style; a decoder, which is all that learns, draws a picture from
that. So a style is what an encoder says of it, a mean and a deviation a channel, and a new one costs one look.

The paper swaps them at one depth, relu4_1. Here it happens at several, and the decoder meets each on its way up: what
a deep layer does not know of a picture, its colors and its edges, need not be guessed. `layers=("relu4_1",)` is the
paper's network.
"""

import copy
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..base.checks import Size, instance, known_arguments, size_of, whole
from ..errors import InputError
from ..extractor import FeatureExtractor, Features
from ..images import Source, load_image
from ..large.tiles import cut, halo_of
from .layers import EPS, Convolution
from .styled import Style, Styled, check_pictures, checked_names
from .tiles import Statistics

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
WIDTHS = (32, 64, 128, 160)
STYLE_SIZE = 256  # longer side of a style in pixels, as a judge has it
GRAY, FAINT = 0.5, 0.01  # the decoder begins with a gray picture: colors far beyond [0, 1] have huge Gram matrices

Moments = tuple[Tensor, Tensor]  # mean and deviation of each channel, (B, C) each


class AnyStyleNetwork(Styled):
    """Paints pictures of any size in the style of any picture, in one pass.

    Example:
        >>> network = AnyStyleNetwork(FeatureExtractor("mini"))
        >>> network.add_style("waves", "waves.jpg")
        >>> network(pictures, "waves", strength=0.7)
        >>> network(pictures, paintings)                         # a batch, each in the style of its own painting

    Args:
        encoder: the frozen network whose features are swapped.
        layers: of which depths, from shallow to deep, one for each size of maps at most.
        widths: channels of the decoder at the full size, at half of it, ..., down to the maps of the deepest layer.
        styles: names of styles whose rows come later, from a file.
        seed: of the decoder's weights. No other random numbers are drawn.

    Attributes:
        rows: of each style, (styles, numbers): mean and deviation of each channel, layer by layer.
        decoder: what learns.

    Raises:
        InputError: layers of one size, or numbers that cannot work. LayerNotFound: a layer that the encoder lacks.
    """

    rows: Tensor

    @known_arguments
    def __init__(
        self,
        encoder: FeatureExtractor,
        layers: Sequence[str] = LAYERS,
        widths: Sequence[int] = WIDTHS,
        styles: Sequence[str] = (),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        # In a list, a module is none of the network's own: it has no weights to learn, nor to save.
        self._encoder, self.notes = [instance("the encoder", FeatureExtractor, encoder)], {}
        self.layers = tuple(layers)
        encoder.check(self.layers)
        strides = _checked_strides(encoder, self.layers)
        self.stride, self.smallest = strides[-1], 2 * strides[-1]
        self.widths = _checked_widths(widths, self.stride)
        self._names = checked_names(styles) if styles else []
        side = max(self.smallest, *(encoder.backbone.smallest_side(layer) for layer in self.layers))
        with torch.inference_mode(False), torch.no_grad():
            shapes = encoder(torch.zeros(1, 3, side, side, device=encoder.device), self.layers)
            self._channels: list[int] = [shapes[layer].shape[1] for layer in self.layers]
            channels = dict(zip(strides, self._channels, strict=True))
            self.decoder = Decoder(channels, self.widths, seed).to(encoder.device)
            self.register_buffer("rows", torch.zeros(len(self._names), 2 * sum(self._channels), device=encoder.device))

    @property
    def encoder(self) -> FeatureExtractor:
        """The frozen network, where the decoder is, and in its precision."""
        encoder, precision = self._encoder[0], str(self.dtype).removeprefix("torch.")
        if encoder.device != self.device:
            encoder = FeatureExtractor(encoder.backbone, device=self.device)
        self._encoder[0] = encoder.other(precision=precision)  # type: ignore[arg-type]
        return self._encoder[0]

    @property
    def convolutions(self) -> list[Convolution]:
        """The decoder's, which may be in half precision."""
        return [module for module in self.decoder.modules() if isinstance(module, Convolution)]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.decoder.last.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which encoder and decoder compute."""
        return self.decoder.last.weight.dtype

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build the same network with other weights, as JSON can hold them; see `from_settings`."""
        spec = self._encoder[0].spec
        return {
            "encoder": {name: spec[name] for name in ("backbone", "pooling")},
            "layers": list(self.layers),
            "widths": list(self.widths),
            "styles": list(self.styles),
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The network that has these settings, with weights and rows to be loaded; on the CPU."""
        encoder = FeatureExtractor(**settings["encoder"], device="cpu")
        return cls(encoder, **{name: settings[name] for name in ("layers", "widths", "styles")})

    def forward(self, pictures: Tensor, style: Style | None = None, strength: float | Tensor = 1.0) -> Tensor:
        """Paint; as `Styled.forward`, and `style` may be paintings (B or 1, 3, h, w), one for each picture."""
        if not isinstance(style, Tensor) or style.ndim != 4:
            return super().forward(pictures, style, strength)
        check_pictures(style, 1, "the paintings")
        each = self._weakened(torch.ones(len(style), 1, device=self.device), strength)
        check_pictures(pictures, len(each))
        height, width = size_of(pictures)
        return self._drawn(self.continued(pictures), each * self.row_of(style), each[:, 0])[..., :height, :width]

    def row_of(self, style: Tensor) -> Tensor:
        """What the encoder says of paintings (B, 3, h, w): the mean and the deviation of each channel, (B, numbers)."""
        features = self.encoder(self.continued(style), self.layers)
        return torch.cat([torch.cat(moments(features[layer]), 1) for layer in self.layers], 1)

    def add_style(self, name: str, picture: Source, size: int | None = STYLE_SIZE) -> None:
        """Look at a painting, and paint in its style from then on.

        Args:
            name: of the new style.
            picture: in any form that `load_image` takes.
            size: its longer side in pixels, which says how large strokes become; None keeps its own.

        Raises:
            InputError: a name that is taken or no name. ImageError: a picture that cannot be read.
        """
        names = checked_names([*self._names, name])
        self.rows, self._names = torch.cat([self.rows, self._row_of_picture(picture, size)]), names

    @torch.no_grad()
    def _row_of_picture(self, picture: Source, size: int | None) -> Tensor:
        return self.row_of(load_image(picture, size, device=self.device)[:1]).to(self.rows)

    def that_knows(self, styles: Iterable[Source], size: int | None = None) -> Self:
        """The same network, which has looked at these pictures besides, and knows each by what `called` says.

        Args:
            styles: pictures, or names of styles that it knows.
            size: as for `add_style`; None is 256, and what it knows already.
        """
        twin = copy.copy(self)
        twin._buffers, twin._names = dict(self._buffers), list(self._names)
        for style in styles:
            name = called(style)
            if name not in twin.styles:
                twin.add_style(name, style, STYLE_SIZE if size is None else size)
            elif size is not None:
                place = twin._place(name)
                rows = [*twin.rows]
                rows[place] = self._row_of_picture(style, size)[0]
                twin.rows = torch.stack(rows)
        return twin

    def keep_only(self, names: Sequence[str]) -> None:
        """Forget all styles but these, which paint as before.

        Raises:
            InputError: no name, a name twice, or an unknown one.
        """
        names = checked_names(names)
        self.rows, self._names = self.rows[[self._place(name) for name in names]], names

    @property
    def pixel_bytes(self) -> int:
        """What one pixel takes at the peak: the decoder's maps of the full size, and the encoder's beside them."""
        return (3 * self.widths[0] + 2 * self.widths[1] + 2 * self._channels[0]) * torch.float32.itemsize

    def tiles_of(self, size: Size, side: int) -> int:
        """How often `in_tiles` advances with a picture (H, W)."""
        return 2 * len(cut(size, side, 0, self.stride))

    def in_tiles(self, picture: Tensor, shares: Tensor, side: int, advance: Callable[[], object]) -> Tensor:
        """What `forward` makes of a picture (1, 3, H, W) whose sides divide by the stride, in tiles.

        Twice over all of them: the first time for the means and deviations of the whole picture, the second to draw.
        Each tile is seen with as much around it as its pixels depend on, so that they fit together exactly.
        """
        encoder, size = self.encoder, size_of(picture)
        halo = halo_of(encoder, self.layers)
        statistics = {layer: Statistics() for layer in self.layers}
        for tile in cut(size, side, halo, self.stride):
            features = encoder(tile.crop(picture).to(self.device), self.layers)
            for layer, response in features.items():
                statistics[layer].add(tile.own_of_seen(response, encoder.backbone.strides[layer]))
            advance()
        whole_picture = {layer: each.moments(self.rows) for layer, each in statistics.items()}
        painted = torch.empty(1, 3, *size, dtype=torch.float32, device="cpu")
        for tile in cut(size, side, halo + self.decoder.halo, self.stride):
            features = encoder(tile.crop(picture).to(self.device), self.layers)
            colors = self.decoder(self._aligned(features, *self._mixed(shares), whole_picture))
            tile.own(painted, 1).copy_(tile.own_of_seen(colors.clamp(0, 1), 1))
            advance()
        return painted

    def _painted(self, pictures: Tensor, shares: Tensor) -> Tensor:
        """From pictures whose sides divide by the stride to pictures."""
        return self._drawn(pictures, *self._mixed(shares))

    def _mixed(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """The row of a mix (B, numbers), and its strength (B,): means and deviations of its styles, by their shares."""
        # No product of matrices, which GPUs may round to TF32.
        return (shares[:, :, None] * self.rows).sum(1), shares.sum(1)

    def _drawn(self, pictures: Tensor, row: Tensor, strength: Tensor) -> Tensor:
        """Pictures whose sides divide by the stride; in training also beyond [0, 1], where clamping has no gradient."""
        colors: Tensor = self.decoder(self._aligned(self.encoder(pictures, self.layers), row, strength))
        return colors if self.training else colors.clamp(0, 1)

    def _aligned(
        self, features: Features, row: Tensor, strength: Tensor, of_content: Mapping[str, Moments] | None = None
    ) -> dict[int, Tensor]:
        """The features in the style, by stride.

        Args:
            features: of the content.
            row: of the style, times its strength.
            strength: (B,); what it lacks to 1 is the content's own mean and deviation.
            of_content: these, where the features are those of a tile.
        """
        parts = torch.split(row, [channels for channels in self._channels for _ in range(2)], dim=1)
        aligned, rest = {}, (1 - strength)[:, None]
        for layer, mean, deviation in zip(self.layers, parts[::2], parts[1::2], strict=True):
            own = moments(features[layer]) if of_content is None else of_content[layer]
            target = mean + rest * own[0], deviation + rest * own[1]
            stride = self._encoder[0].backbone.strides[layer]
            aligned[stride] = adain(features[layer], own, target).to(self.dtype)
        return aligned


class Decoder(nn.Module):
    """Draws pictures from maps, the deepest first, with those of each larger size added as it comes to it.

    A mirror of a VGG: filters of 3 x 3, rows and columns repeated in place of pooled, continued by reflection. Nothing
    is normalized in it, which would take away again what the maps say of a style (the paper, section 7.1).

    Args:
        channels: of the maps, by their stride; the deepest one's is there.
        widths: channels at the strides 1, 2, 4, ..., up to the deepest maps' stride.
        seed: of the weights.

    Attributes:
        halo: pixels around a picture that its pixels depend on, a multiple of the deepest stride.
    """

    def __init__(self, channels: Mapping[int, int], widths: Sequence[int], seed: int = 0):
        super().__init__()
        *larger, deepest = [2**place for place in range(len(widths))]
        width = dict(zip([*larger, deepest], widths, strict=True))
        self.strides = larger[::-1]
        self.enter = Convolution(channels[deepest], width[deepest], kernel=3, bias=True)
        self.grow, self.add, self.refine = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for stride in self.strides:
            self.grow[str(stride)] = Convolution(width[2 * stride], width[stride], kernel=3, enlarge=2, bias=True)
            if stride in channels:
                self.add[str(stride)] = Convolution(channels[stride], width[stride], kernel=1)
            self.refine[str(stride)] = Convolution(width[stride], width[stride], kernel=3, bias=True)
        self.last = Convolution(width[1], 3, kernel=3, bias=True)
        self._initialize(torch.Generator("cpu").manual_seed(whole("the seed", seed, 0, 2**63 - 1)))
        reach = deepest + sum(2 * stride for stride in self.strides) + 1
        self.halo = -(-reach // deepest) * deepest

    def _initialize(self, generator: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, Convolution):
                module.initialize(generator)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias, GRAY)
        self.last.weight.data.mul_(FAINT)

    def forward(self, maps: Mapping[int, Tensor]) -> Tensor:
        """Colors (B, 3, H, W), mostly in [0, 1], float32 or better, from maps by stride."""
        x = self.enter(maps[2 * self.strides[0]]).relu_()
        for stride in self.strides:
            x, name = self.grow[str(stride)](x), str(stride)
            if name in self.add:
                x = x + self.add[name](maps[stride])
            x = self.refine[name](x.relu_()).relu_()
        colors: Tensor = self.last(x)
        return colors.to(torch.promote_types(colors.dtype, torch.float32))


def called(style: Source) -> str:
    """The name by which a network knows a picture that got none: its path, address or name."""
    return os.fsdecode(style) if isinstance(style, str | os.PathLike) else f"a picture ({id(style)})"


def adain(features: Tensor, own: Moments, target: Moments) -> Tensor:
    """sigma(y) (x - mu(x)) / sigma(x) + mu(y), the paper's equation 8.

    Args:
        features: x, (B, C, H, W).
        own: mu(x) and sigma(x), (B or 1, C) each.
        target: mu(y) and sigma(y), likewise.
    """
    scale = target[1] / own[1]
    shift = target[0] - scale * own[0]
    return torch.addcmul(shift[:, :, None, None], features, scale[:, :, None, None])


def moments(features: Tensor) -> Moments:
    """Mean and deviation of each channel over its positions, (B, C) each, of features (B, C, H, W).

    The deviation is sqrt(sigma^2 + 1e-5), over n, so that a channel that is the same everywhere can be divided by it.
    """
    variance, mean = torch.var_mean(features, (2, 3), correction=0)
    return mean, (variance + EPS).sqrt()


def _checked_strides(encoder: FeatureExtractor, layers: Sequence[str]) -> list[int]:
    if not layers:
        raise InputError("there are no layers to swap means and deviations of; give some, such as ['relu4_1']")
    strides = [encoder.backbone.strides[layer] for layer in layers]
    if strides != sorted(set(strides)) or any(stride & (stride - 1) for stride in strides) or strides[-1] < 2:
        raise InputError(
            f"the layers {', '.join(layers)} have the strides {strides}; expected powers of two that grow, one layer a "
            "size, the deepest smaller than the picture, such as relu1_1, relu2_1, relu3_1, relu4_1"
        )
    return strides


def _checked_widths(widths: Any, stride: int) -> tuple[int, ...]:
    count = stride.bit_length()
    if isinstance(widths, str) or not isinstance(widths, Sequence) or len(widths) != count:
        raise InputError(
            f"the widths are {widths!r:.80}; expected {count} numbers of channels, for the sizes from 1 to 1/{stride}"
        )
    return tuple(whole("a width", width, 1) for width in widths)
