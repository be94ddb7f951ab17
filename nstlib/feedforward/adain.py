"""Any style by AdaIN: a decoder draws pictures from features that have a style's means and deviations.

Huang and Belongie 2017 (arXiv 1703.06868): an encoder gives features of the content; each channel is brought from its
own mean and deviation to those that it has in the style; a decoder, which is all that learns, draws a picture from
that.

The paper swaps them at one depth, relu4_1. Here it happens at several, and the decoder meets each on its way up: what
a deep layer does not know of a picture, its colors and its edges, need not be guessed. `layers=("relu4_1",)` is the
paper's network.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import Size, known_arguments, size_of, whole
from ..errors import InputError
from ..extractor import FeatureExtractor, Features
from ..large.tiles import cut, halo_of
from .any_style import AnyStyleNetwork, Moments, moments
from .layers import Convolution, check_numbers

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
WIDTHS = (32, 64, 128, 160)
GRAY, FAINT = 0.5, 0.01  # the decoder begins with a gray picture: colors far beyond [0, 1] have huge Gram matrices


class AdaINNetwork(AnyStyleNetwork):
    """Gives the features of a picture another's means and deviations, and draws a picture from them.

    Example:
        >>> network = AdaINNetwork(FeatureExtractor("mini"))
        >>> network.add_style("waves", "waves.jpg")
        >>> network(pictures, "waves", strength=0.7)

    Args:
        encoder: the frozen network whose features are swapped.
        layers: of which depths, from shallow to deep, one for each size of maps at most.
        widths: channels of the decoder at the full size, at half of it, ..., down to the maps of the deepest layer.
        styles: names of styles whose rows come later, from a file.
        seed: of the decoder's weights. No other random numbers are drawn.

    Attributes:
        decoder: what learns.

    Raises:
        InputError: layers of one size, or numbers that cannot work. LayerNotFound: a layer that the encoder lacks.
    """

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
        self._look_with(encoder, layers, styles)
        strides = _checked_strides(encoder, self.layers)
        self.stride, self.smallest = strides[-1], max(2 * strides[-1], self.seen_smallest)
        self.widths = _checked_widths(widths, self.stride)
        channels = dict(zip(strides, self._channels, strict=True))
        check_numbers(_numbers(channels, self.widths))
        with torch.inference_mode(False):
            self.decoder = Decoder(channels, self.widths, seed).to(encoder.device)

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
        return {**super().settings, "widths": list(self.widths)}

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
        halo, whole_picture = halo_of(encoder, self.layers), self._moments_in_tiles(picture, side, advance)
        painted = torch.empty(1, 3, *size, dtype=torch.float32, device="cpu")
        for tile in cut(size, side, halo + self.decoder.halo, self.stride):
            features = encoder(tile.crop(picture).to(self.device), self.layers)
            colors = self.decoder(self._aligned(features, *_mixed(shares, self.rows), whole_picture))
            tile.own(painted, 1).copy_(tile.own_of_seen(colors.clamp(0, 1), 1))
            advance()
        return painted

    def _painted_in(self, pictures: Tensor, rows: Tensor, shares: Tensor) -> Tensor:
        """In training also beyond [0, 1], where clamping has no gradient."""
        aligned = self._aligned(self.encoder(pictures, self.layers), *_mixed(shares, rows))
        colors: Tensor = self.decoder(aligned)
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


def _mixed(shares: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The row of a mix (B, numbers), and its strength (B,): means and deviations of its styles, by their shares."""
    # No product of matrices, which GPUs may round to TF32.
    return (shares[:, :, None] * rows).sum(1), shares.sum(1)


def _numbers(channels: Mapping[int, int], widths: Sequence[int]) -> int:
    """How many weights the filters of such a decoder have."""
    finer = sum(width * (9 * deeper + 9 * width) for width, deeper in pairwise(widths))
    added = sum(channels.get(2**place, 0) * width for place, width in enumerate(widths[:-1]))
    return 9 * channels[2 ** (len(widths) - 1)] * widths[-1] + finer + added + 27 * widths[0]


def _checked_strides(encoder: FeatureExtractor, layers: Sequence[str]) -> list[int]:
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
