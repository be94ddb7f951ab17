"""Any style by prediction: what an encoder sees of a painting foretells the row by which a network paints in its style.

Ghiasi et al. 2017 (arXiv 1705.06830): one network paints, as that of many styles does (see `network`), and another,
small one looks at a painting and says the gammas and betas that the first would have learned for it. Both learn
together, on many paintings. Theirs looks with Inception-v3; here it is the means and deviations of the judge's own
features, which are what the style loss compares.

Since a prediction is a row of a network of many styles, such a network paints as fast as that one, mixes, weakens and
tiles as it does, and gives the picture itself at strength 0. `learned` makes one of those of it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..base.checks import Size, instance, known_arguments, whole
from ..errors import InputError
from ..extractor import FeatureExtractor
from .any_style import AnyStyleNetwork, logarithms
from .layers import SMALLEST, STRIDE, Convolution, check_numbers
from .network import StyleNetwork
from .tiles import in_tiles

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
BOTTLENECK = 256  # numbers between a painting and its row; Ghiasi et al. have 100, and features that know more
FAINT = 0.02  # deviation of the weights at the beginning: every painting foretells much the same row
FARTHEST = 2.0  # spreads from what is usual, for what goes on straight
LEAST_SPREAD = 0.05  # of the logarithms over paintings: what hardly differs says little, too


class PredictingNetwork(AnyStyleNetwork):
    """Foretells from a painting the row of numbers by which a network of many styles paints in its style.

    Example:
        >>> network = PredictingNetwork(FeatureExtractor("mini"))
        >>> network.begin_like(nst.load_network(), paintings)
        >>> network.add_style("waves", "waves.jpg")
        >>> network(pictures, {"waves": 0.5, "swirls": 0.5})

    Args:
        encoder: the frozen network that looks at paintings.
        layers: of which it sees means and deviations.
        widths, blocks, kernel: of the network that paints, see `StyleNetwork`.
        bottleneck: numbers between what it sees and the row.
        styles: names of styles whose rows come later, from a file.
        seed: of the weights. No other random numbers are drawn.

    Attributes:
        painter: the network that paints; its only row is the one that a painting without a word to say would have.
        predictor: what foretells how a row differs from that.
    """

    stride, smallest = STRIDE, SMALLEST

    @known_arguments
    def __init__(
        self,
        encoder: FeatureExtractor,
        layers: Sequence[str] = LAYERS,
        widths: Sequence[int] = (16, 32, 64),
        blocks: int = 5,
        kernel: int = 5,
        bottleneck: int = BOTTLENECK,
        styles: Sequence[str] = (),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._look_with(encoder, layers, styles)
        with torch.inference_mode(False):
            self.painter = StyleNetwork(["any"], widths, blocks, kernel, seed=seed).to(encoder.device)
            seen, colors, numbers = self.rows.shape[1], 2 * self._channels[0], len(self.painter.rows[0])
            self.predictor = Predictor(seen, colors, numbers, bottleneck, seed)
            self.predictor.to(encoder.device)

    @property
    def convolutions(self) -> list[Convolution]:
        """The painter's, which may be in half precision."""
        return self.painter.convolutions

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.painter.device

    @property
    def dtype(self) -> torch.dtype:
        """The precision in which encoder and painter compute."""
        return self.painter.dtype

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build the same network with other weights, as JSON can hold them; see `from_settings`."""
        painter = {name: value for name, value in self.painter.settings.items() if name != "styles"}
        return {**super().settings, **painter, "bottleneck": self.predictor.bottleneck}

    @property
    def pixel_bytes(self) -> int:
        """What one pixel takes at the peak, where it is painted at once."""
        return self.painter.pixel_bytes

    @torch.no_grad()
    def begin_like(self, painter: StyleNetwork, paintings: Tensor) -> None:
        """Begin as a network of many styles paints on the mean of its styles, and with a first look at paintings.

        Args:
            painter: of the same widths, blocks and kernel.
            paintings: (B, 3, h, w), some thirty or more: from them on, what is usual in a painting says nothing.

        Raises:
            InputError: a painter of other sizes.
        """
        own, given = (
            {name: value for name, value in each.settings.items() if name != "styles"}
            for each in (self.painter, instance("the painter", StyleNetwork, painter))
        )
        if own != given:
            raise InputError(f"the painter has {given}, and this network {own}; build it with the painter's")
        row = torch.stack(list(painter.rows)).mean(0)
        self.painter.paint_like(painter, [row])
        self.predictor.look_around(torch.cat([self.row_of(painting[None]) for painting in paintings]))

    @torch.no_grad()
    def learned(self) -> StyleNetwork:
        """All that it paints in the styles that it knows, as a network of many styles; for ONNX, say.

        Raises:
            InputError: it knows no style.
        """
        if not self._names:
            raise InputError("the network knows no style yet; call add_style('mine', 'painting.jpg')")
        settings = {**self.painter.settings, "styles": list(self.styles)}
        network = StyleNetwork.from_settings(settings).to(self.device)
        for convolution in network.convolutions:
            convolution.to(self.dtype)
        network.paint_like(self.painter, self._foretold(self.rows))
        return network.train(self.training)

    def in_tiles(self, picture: Tensor, shares: Tensor, side: int, advance: Callable[[], object]) -> Tensor:
        """What `forward` makes of a picture (1, 3, H, W) whose sides are multiples of 4, in tiles; see `tiles`."""
        return in_tiles(self.painter, picture, self._mixed(self.rows, shares), side, advance)

    def tiles_of(self, size: Size, side: int) -> int:
        """How often `in_tiles` advances with a picture (H, W)."""
        return self.painter.tiles_of(size, side)

    def _painted_in(self, pictures: Tensor, rows: Tensor, shares: Tensor) -> Tensor:
        return self.painter.painted_by(pictures, self._mixed(rows, shares))

    def _mixed(self, rows: Tensor, shares: Tensor) -> Tensor:
        return self.painter.mixed(shares, self._foretold(rows))

    def _foretold(self, rows: Tensor) -> Tensor:
        """Rows of the painter (styles, its numbers) from what the encoder says of styles (styles, numbers)."""
        foretold: Tensor = self.painter.rows[0] + self.predictor(rows)
        return foretold


class Predictor(nn.Module):
    """From means and deviations to the difference that a style makes to a row: two linear layers, a tanh between.

    What the shallowest layer says, which is above all the colors, reaches the row on a straight way besides: a palette
    is not to be squeezed.

    Args:
        seen, colors, numbers: of what it sees, how many of those, the first, are the shallowest layer's, and of a row.
        bottleneck: numbers between.
        seed: of the weights.

    Attributes:
        center, spread: of the logarithms of what it has seen so far, by `look_around`.
    """

    center: Tensor
    spread: Tensor

    def __init__(self, seen: int, colors: int, numbers: int, bottleneck: int = BOTTLENECK, seed: int = 0):
        super().__init__()
        self.bottleneck = whole("the bottleneck", bottleneck, 1)
        check_numbers((seen + numbers) * self.bottleneck + colors * numbers)
        generator = torch.Generator("cpu").manual_seed(whole("the seed", seed, 0, 2**63 - 1))
        self.squeeze, self.spell = _linear(seen, self.bottleneck), _linear(self.bottleneck, numbers)
        self.straight = _linear(colors, numbers, bias=False)
        nn.init.normal_(self.squeeze.weight, std=seen**-0.5, generator=generator)
        nn.init.normal_(self.spell.weight, std=FAINT, generator=generator)
        nn.init.zeros_(self.straight.weight)
        for layer in (self.squeeze, self.spell):
            nn.init.zeros_(layer.bias)
        self.register_buffer("center", torch.zeros(seen, dtype=torch.float32, device="cpu"))
        self.register_buffer("spread", torch.ones(seen, dtype=torch.float32, device="cpu"))

    def look_around(self, rows: Tensor) -> None:
        """Learn from what is seen of several paintings (B, numbers) what is usual, and how far paintings differ."""
        seen = logarithms(rows)
        self.center.copy_(seen.mean(0))
        self.spread.copy_(seen.std(0) + LEAST_SPREAD)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, numbers of a row) from means and deviations (B, numbers)."""
        seen = self.unusual(rows)
        difference: Tensor = self.straight(self.colors(seen)) + self.spell(self.squeeze(seen).tanh())
        return difference

    def unusual(self, rows: Tensor) -> Tensor:
        """(B, numbers): how many spreads the logarithms of means and deviations are from what is usual."""
        return ((logarithms(rows) - self.center) / self.spread).to(self.squeeze.weight.dtype)

    def colors(self, seen: Tensor) -> Tensor:
        """(B, colors): those of the shallowest layer; a painting unlike all others must not throw them anywhere."""
        return FARTHEST * (seen[:, : self.straight.in_features] / FARTHEST).tanh()


def _linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """A layer without weights yet: torch's own would draw from everybody's generator."""
    with torch.device("meta"):
        layer = nn.Linear(inputs, outputs, bias, dtype=torch.float32)
    return layer.to_empty(device="cpu")
