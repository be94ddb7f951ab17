"""Any style in one pass: networks that have not learned styles, but how to paint in what they see of one.

An encoder, a frozen network, looks at a painting, and what it says is the style: the mean and the deviation of each
channel of some layers. So a new style costs one look. How they are painted in is each network's own: a decoder draws a
picture from features that have these means and deviations (`adain`), or they foretell the row of numbers by which a
network of many styles paints (`predicting`).
"""

import copy
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from ..base.checks import instance, size_of
from ..errors import InputError
from ..extractor import PRECISIONS, FeatureExtractor
from ..images import Source, load_image
from ..large.tiles import cut, halo_of
from .layers import EPS, SMALLEST, check_numbers, continued
from .styled import Style, Styled, check_pictures, checked_names
from .tiles import Statistics

QUIET = 0.1  # added to means and deviations before their logarithms: a silent channel says little
SAME = 0.2  # how far the logarithm of any shallow mean of a painting may be from that of another look at it
STYLE_SIZE = 256  # longer side of a style in pixels, as a judge has it
LOOK = 1024  # side of the tiles in which a large painting is looked at, in pixels
LOOKED_AT_ONCE = 1024**2  # pixels: 0.6 GB by mini
ENCODER = ("backbone", "pooling")  # what is kept of one
USUAL = {"keep_scale": False, "weights": None, "sees": "colors", "smoothing": None}  # what else one could have

Moments = tuple[Tensor, Tensor]  # mean and deviation of each channel, (B, C) each


class AnyStyleNetwork(Styled):
    """Paints pictures of any size in the style of any picture, in one pass; see `AdaINNetwork`, `PredictingNetwork`.

    Example:
        >>> network = nst.load_any_style()
        >>> network.add_style("waves", "waves.jpg")
        >>> network(pictures, "waves", strength=0.7)
        >>> network(pictures, paintings)                         # a batch, each in the style of its own painting

    Attributes:
        layers: whose means and deviations make a style.
        rows: of each style, (styles, numbers): mean and deviation of each channel, layer by layer.
        seen_stride, seen_smallest: a painting is continued until its sides are multiples of the one and not below the
            other, in pixels.
    """

    layers: tuple[str, ...]
    rows: Tensor

    def _look_with(self, encoder: FeatureExtractor, layers: Sequence[str], styles: Sequence[str]) -> None:
        """Keep the frozen network and what it is to look at, and make room for the rows of styles.

        Raises:
            InputError: no encoder, one that a file of the network would not keep, or names that are none.
            LayerNotFound: a layer that the encoder lacks.
        """
        # In a list, a module is none of the network's own: it has no weights to learn, nor to save.
        self._encoder, self.notes = [_of_a_kind_that_is_kept(encoder)], {}
        self.layers = checked_layers(layers)
        encoder.check(self.layers)
        strides = [encoder.backbone.strides[layer] for layer in self.layers]
        self.seen_stride = max(strides)
        self.seen_smallest = max(SMALLEST, *(encoder.backbone.smallest_side(layer) for layer in self.layers))
        self._names = checked_names(styles) if styles else []
        with torch.inference_mode(False), torch.no_grad():
            side = -(-self.seen_smallest // self.seen_stride) * self.seen_stride
            flat = torch.zeros(1, 3, side, side, dtype=torch.float32, device=encoder.device)
            features = encoder(flat, self.layers)
            self._channels: list[int] = [features[layer].shape[1] for layer in self.layers]
            check_numbers(len(self._names) * 2 * sum(self._channels))
            self.register_buffer("rows", flat.new_zeros(len(self._names), 2 * sum(self._channels)))

    @property
    def encoder(self) -> FeatureExtractor:
        """The frozen network, where the weights are, and in their precision, but at most in float32."""
        encoder, precision = self._encoder[0], str(self.dtype).removeprefix("torch.")
        precision = precision if precision in PRECISIONS else "float32"
        if encoder.device != self.device:
            encoder = FeatureExtractor(encoder.backbone, device=self.device)
        self._encoder[0] = encoder.other(precision=precision)  # type: ignore[arg-type]
        return self._encoder[0]

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that build the same network with other weights, as JSON can hold them; see `from_settings`."""
        spec = self._encoder[0].spec
        return {
            "encoder": {name: spec[name] for name in ENCODER},
            "layers": list(self.layers),
            "styles": list(self.styles),
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The network that has these settings, with weights and rows to be loaded; on the CPU."""
        arguments = dict(settings)
        encoder = arguments.pop("encoder")
        if not isinstance(encoder, Mapping) or set(encoder) != set(ENCODER):
            raise InputError(f"the encoder is {encoder!r:.80}; expected a mapping of {' and '.join(ENCODER)}")
        return cls(FeatureExtractor(**encoder, device="cpu"), **arguments)

    def forward(self, pictures: Tensor, style: Style | None = None, strength: float | Tensor = 1.0) -> Tensor:
        """Paint; as `Styled.forward`, and `style` may be paintings (B or 1, 3, h, w), one for each picture."""
        if not isinstance(style, Tensor) or style.ndim != 4:
            return super().forward(pictures, style, strength)
        check_pictures(style, 1, "the paintings")
        each = self._weakened(torch.ones(len(style), 1, dtype=torch.float32, device=self.device), strength)
        check_pictures(pictures, len(each))
        height, width = size_of(pictures)
        shares = each if len(style) == 1 else torch.diag(each[:, 0])
        return self._painted_in(self.continued(pictures), self.row_of(style), shares)[..., :height, :width]

    def row_of(self, style: Tensor) -> Tensor:
        """What the encoder says of paintings (B, 3, h, w): the mean and the deviation of each channel, (B, numbers)."""
        features = self.encoder(continued(style, self.seen_stride, self.seen_smallest), self.layers)
        return _row(moments(features[layer]) for layer in self.layers)

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

    def look_again(self, name: str, picture: Source, size: int | None = STYLE_SIZE) -> None:
        """Look once more at the painting of a style that it knows, at another size say; arguments as for `add_style`.

        Raises:
            InputError: an unknown style. ImageError: a picture that cannot be read.
        """
        rows = [*self.rows]
        rows[self._place(name)] = self._row_of_picture(picture, size)[0]
        self.rows = torch.stack(rows)

    @torch.no_grad()
    def _row_of_picture(self, picture: Source, size: int | None) -> Tensor:
        painting = load_image(picture, size)[:1]
        if painting[0, 0].numel() <= LOOKED_AT_ONCE:
            return self.row_of(painting.to(self.device)).to(self.rows)
        painting = continued(painting, self.seen_stride, self.seen_smallest)
        return _row(self._moments_in_tiles(painting, LOOK, lambda: None)[layer] for layer in self.layers)

    def _moments_in_tiles(self, picture: Tensor, side: int, advance: Callable[[], object]) -> dict[str, Moments]:
        """Of each layer, for a picture (1, 3, H, W) whose sides divide by the stride of the deepest, in tiles.

        Each tile is seen with as much around it as its features depend on, so that they fit together exactly.
        """
        encoder = self.encoder
        halo, statistics = halo_of(encoder, self.layers), {layer: Statistics() for layer in self.layers}
        for tile in cut(size_of(picture), side, halo, self.seen_stride):
            features = encoder(tile.crop(picture).to(self.device), self.layers)
            for layer, response in features.items():
                statistics[layer].add(tile.own_of_seen(response, encoder.backbone.strides[layer]))
            advance()
        return {layer: each.moments(self.rows) for layer, each in statistics.items()}

    def that_knows(self, styles: Iterable[Source], size: int | None = None) -> Self:
        """The same network, which has looked at these pictures besides, and knows each by what `called` says.

        Args:
            styles: pictures, or names of styles that it knows.
            size: as for `add_style`; None is 256, and what it knows already.

        Raises:
            ImageError: a picture that cannot be read.
        """
        twin = copy.copy(self)
        twin._buffers, twin._names = dict(self._buffers), list(self._names)
        for name, style in {called(style): style for style in styles}.items():
            if name not in twin.styles:
                twin.add_style(name, style, STYLE_SIZE if size is None else size)
            elif size is not None:
                twin.look_again(name, style, size)
        return twin

    def recognized(self, picture: Source) -> str | None:
        """The name of the style whose painting this is, in any size; None for a painting that it has not seen.

        By the means of the first layer, which depend least on the size. The largest difference of their logarithms is,
        for the bundled styles and networks, up to 0.16 between looks at the same painting in 192 to 768 pixels, 0.23
        or more between two paintings, and 0.28 or more where red and blue are exchanged.
        """
        if not self._names:
            return None
        row = self._row_of_picture(picture, STYLE_SIZE)
        means = slice(self._channels[0])
        distances = (logarithms(self.rows[:, means]) - logarithms(row[:, means])).abs().amax(1)
        nearest = int(distances.argmin())
        return self._names[nearest] if distances[nearest] < SAME else None

    def keep_only(self, names: Sequence[str]) -> None:
        """Forget all styles but these, which paint as before.

        Raises:
            InputError: no name, a name twice, or an unknown one.
        """
        names = checked_names(names)
        self.rows, self._names = self.rows[[self._place(name) for name in names]], names

    def _painted(self, pictures: Tensor, shares: Tensor) -> Tensor:
        """From pictures whose sides divide by the stride to pictures."""
        return self._painted_in(pictures, self.rows, shares)

    def _painted_in(self, pictures: Tensor, rows: Tensor, shares: Tensor) -> Tensor:
        """The same for any rows (styles, numbers), of which pictures get shares (B or 1, styles)."""
        raise NotImplementedError


def _of_a_kind_that_is_kept(encoder: Any) -> FeatureExtractor:
    """An encoder that its backbone and pooling describe: with other eyes, rows and weights mean something else."""
    extract = instance("the encoder", FeatureExtractor, encoder)
    for name, usual in USUAL.items():
        if extract.spec.get(name, usual) != usual:
            raise InputError(
                f"the encoder has {name} {extract.spec[name]!r:.80}, which a file of the network would not keep; "
                "leave it out, or register a backbone that has it"
            )
    return extract


def called(style: Source) -> str:
    """The name by which a network knows a picture that got none: its path, address or name."""
    return os.fsdecode(style) if isinstance(style, str | os.PathLike) else f"a picture ({id(style)})"


def _row(of_layers: Iterable[Moments]) -> Tensor:
    return torch.cat([each for of_layer in of_layers for each in of_layer], 1)


def moments(features: Tensor) -> Moments:
    """Mean and deviation of each channel over its positions, (B, C) each, of features (B, C, H, W).

    The deviation is sqrt(sigma^2 + 1e-5), over n, so that a channel that is the same everywhere can be divided by it.
    """
    variance, mean = torch.var_mean(features, (2, 3), correction=0)
    return mean, (variance + EPS).sqrt()


def logarithms(rows: Tensor) -> Tensor:
    """log(x + QUIET), and on below 0, where the means of what no ReLU has cut may be, as the other way from 0."""
    rows = rows.float()
    return math.log(QUIET) + rows.sign() * (rows.abs() / QUIET).log1p()


def checked_layers(layers: Any) -> tuple[str, ...]:
    """Names of layers.

    Raises:
        InputError: none, one text in place of several, something else, or one twice.
    """
    listed = isinstance(layers, Sequence) and not isinstance(layers, str) and len(layers) > 0
    if not listed or not all(isinstance(layer, str) for layer in layers) or len(set(layers)) < len(layers):
        raise InputError(
            f"the layers are {layers!r:.80}; expected a list of names, each once, such as ['relu3_1', 'relu4_1']"
        )
    return tuple(layers)
