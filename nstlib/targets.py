"""What an image is compared with: pictures, and the targets that the network gives for them, computed once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from .base.checks import KnownAttributes, Size, one_of, picture, shape_of, size_of
from .base.devices import without_autocast
from .control.masks import GUIDANCES, Guidance, Map, checked_masks, checked_parts, covered, fitted, guides, with_plain
from .control.styles import Blend, side_by_side
from .errors import InputError, LayerNotFound
from .extractor import FeatureExtractor, Features, Precision, Sight
from .large.tiles import halo_of
from .large.ways import Way, Ways, no_even_maps, no_sum
from .smoothing import Smoothing, checked_smoothing, no_tiles
from .style_losses.names import StyleLoss, name_of, style_loss_of
from .style_losses.statistics import no_masks
from .weighting import Layers, Weights, layer_weights

Style = Tensor | Blend | Sequence[Tensor | tuple[Tensor, float]]


class Targets(KnownAttributes):
    """Pictures and their targets, each of which can be changed while the other stays; the lower half of `Objective`.

    Attributes:
        extract: the features to compare.
        style_loss: what of them is taken for style, see `nstlib.style_losses`.
        content_layers, style_layers: layer name to w_l; they say which targets there are.
        content: the picture; one in tiles, in the memory of the CPU.
        style: likewise; or a `Blend` of several pictures with their shares.
        content_target: layer name to response (B or 1, C, H', W'); likewise.
        guidance: how masks are brought to the layers, see `nstlib.control.masks`.
        own_style_target: whether the style target is the style picture's own, and not one that was set.
    """

    extract: FeatureExtractor
    style_loss: StyleLoss
    content_layers: Weights
    style_layers: Weights
    content: Tensor | None
    style: Tensor | Blend | None
    content_target: Features
    guidance: Guidance
    own_style_target: bool
    _swaps: int = 0
    _instead: ClassVar[Mapping[str, str]] = {
        "extract": "call set_precision, set_sight or set_smoothing, or make a new objective",
        "style_loss": "call set_style_loss(name)",
        "content_layers": "set single weights, or call set_content_layers",
        "style_layers": "set single weights, as in style_layers['relu1_1'] = 0, or make a new objective",
        "content": "call set_content(picture)",
        "style": "call set_style(picture)",
        "masks": "call set_masks(masks)",
        "guidance": "make a new objective",
        "own_style_target": "call set_style(picture), or assign style_target",
    }

    def __init__(
        self,
        extract: FeatureExtractor,
        content: Tensor | None,
        style: Style | None,
        content_layers: Layers,
        style_layers: Layers,
        tile: int | None,
        spread: bool,
        masks: Sequence[Tensor] | Tensor | None = None,
        style_masks: Sequence[Tensor | None] | None = None,
        guidance: Guidance = "plain",
        style_loss: str | StyleLoss | Mapping[str, Any] = "gram",
    ):
        self.style_loss = style_loss_of(style_loss)
        self.guidance = cast(Guidance, one_of("guidance", guidance, GUIDANCES))
        self._masks: list[Tensor] | None = None  # as given, from which those of any size are made
        self._fit_masks: Tensor | None = None
        self._coverage: Tensor | None = None
        self._guides: dict[str, Tensor] | None = None
        self._region_shares: Tensor | None = None
        self.extract = extract
        self.content_layers = Weights(layer_weights(content_layers, "content", extract.layers), extract.device)
        self.style_layers = Weights(layer_weights(style_layers, "style", extract.layers), extract.device)
        extract.check([*self.content_layers, *self.style_layers])
        self._ways = Ways(extract, [*self.content_layers, *self.style_layers], tile, spread)
        self.set_content(content)
        self.set_style(style, style_masks)
        self.set_masks(masks)
        self._refuse_tiles(self.style_loss, tile, self._pictures)

    def set_content(self, content: Tensor | None) -> None:
        """Change the content picture, (B or 1, 3, H, W); only its own target is computed anew. Masks follow its size.

        Raises:
            ImageError: masks that were made over a picture of another aspect. InputError: it would take tiles, and the
                style loss takes none.
        """
        kept = None if content is None else self._kept("content", content)
        self._refuse_tiles(self.style_loss, self.tile, [] if kept is None else [kept])
        placed = self._placed(self._masks, kept)
        self.content_target = self._target(kept, lambda way, kept: way.responses(kept, self.content_layers))
        self._put(content=kept)
        self._take_masks(self._masks, placed)
        self._swaps += 1

    def set_masks(self, masks: Sequence[Tensor] | Tensor | None) -> None:
        """Change where each style goes; the network is not asked.

        Where no mask is, the image keeps its content, pixel by pixel. With masks, `shares` say how much each style's
        place counts, however large it is. The styles' own targets are put in place of any that was set.

        Args:
            masks: for each style one, (H, W) in [0, 1] of any size and of the content's aspect; or one fewer: the last
                style then has the rest. None: every style is everywhere. See `nstlib.control.regions.read_masks` for
                pictures of masks.

        Raises:
            InputError: no content or no style, not as many as there are styles, an empty one, or values outside of
                [0, 1]. ImageError: another aspect than the content's.
        """
        if masks is not None and (self.content is None or self.style is None):
            raise InputError("masks say where in a content each style goes; give a content and a style")
        if masks is None and self._masks is None:
            return
        kept = None if masks is None else checked_masks(masks, len(Blend.of(self.style)))
        if kept is not None:
            self._refuse_masks(self.style_loss)
        self._take_masks(kept, self._placed(kept, self.content))
        self._mix(self.shares)

    @property
    def masks(self) -> Tensor | None:
        """Where each style goes: (styles, H, W) in [0, 1], of the content's size; None where each is everywhere."""
        return self._fit_masks

    @property
    def given_masks(self) -> list[Tensor] | None:
        """Masks as they were given, of whatever size, one for each style."""
        return self._masks

    @property
    def guides(self) -> Mapping[str, Tensor]:
        """How much each position of the style layers counts for each style, (styles, H', W'); empty without masks."""
        return MappingProxyType(self._guides or {})

    @property
    def coverage(self) -> Tensor | None:
        """How much of each pixel has any style, (H, W); None where that is all of every pixel."""
        return self._coverage

    def _placed(self, masks: list[Tensor] | None, content: Tensor | None) -> tuple[Tensor, Features] | None:
        """Masks brought to the content's size, and to each layer."""
        if masks is None:
            return None
        if content is None:
            raise InputError("there are masks, which say where in a content each style goes; call set_masks(None)")
        with torch.inference_mode(False):
            fit = fitted(masks, size_of(content)).to(content.device)
            return fit, self._guides_of(fit, self.guidance)

    def _take_masks(self, masks: list[Tensor] | None, placed: tuple[Tensor, Features] | None) -> None:
        self._masks = masks
        if placed is None:
            self._fit_masks = self._coverage = self._guides = self._region_shares = None
        else:
            self._fit_masks, self._guides = placed
            self._coverage = covered(self._fit_masks)
            if self._region_shares is not None and self.own_style_target:
                self._mix(self.shares)  # in a content of another size, other layers may see a place

    def _guides_of(self, masks: Tensor, guidance: Guidance) -> dict[str, Tensor]:
        """Masks (R, H, W) of a picture's size, brought to the style layers."""
        sizes = self.extract.map_sizes(self.style_layers, size_of(masks))
        maps = {layer: self._map(layer, size, guidance) for layer, size in sizes.items()}
        return guides(masks, maps, guidance)

    def _map(self, layer: str, size: Size, guidance: Guidance) -> Map:
        backbone = self.extract.backbone
        try:
            reach = 0 if guidance == "plain" else halo_of(self.extract, [layer])
        except InputError as error:
            raise InputError(
                f"guidance {guidance!r} asks what a position sees, and each of {layer} sees the whole picture; use "
                "guidance 'plain', or a layer less deep"
            ) from error
        return Map(size, backbone.strides[layer], reach, backbone.overhangs.get(layer, 0))

    def set_style(self, style: Style | None, style_masks: Sequence[Tensor | None] | None = None) -> None:
        """Change the style; only its own target is computed anew.

        Args:
            style: a picture (B or 1, 3, H, W) of any size; or several, as a list of pictures or of pairs (picture,
                share), see `nstlib.control.styles`; or None.
            style_masks: which part of each style counts: a mask (h, w) of any size, or None for all of it.
        """
        kept = Blend((), ()) if style is None else Blend.of(style).map(partial(self._kept, "style"))
        kept = kept.with_parts(checked_parts(kept.parts if style_masks is None else style_masks) or [None] * len(kept))
        if len(batches := {len(picture) for picture in kept.pictures} - {1}) > 1:
            raise InputError(f"the styles are batches of {sorted(batches)} pictures; give 1 or as many of each")
        if self._masks is not None and len(kept) != len(self._masks):
            raise InputError(
                f"there are {len(self._masks)} masks for as many styles, but now {len(kept)} styles; call "
                "set_masks(None) before"
            )
        parts = kept.parts or (None,) * len(kept)
        self._statistics_of_styles = [self.statistics_of(*each) for each in zip(kept.pictures, parts, strict=True)]
        self._mix(kept.shares)
        self._put(style=None if style is None else kept.style)

    def statistics_of(self, picture: Tensor, part: Tensor | None = None) -> Features:
        """What the style loss keeps of a style, or of a part of it, by layer name: Gram matrices (B or 1, C, C)."""
        picture, loss, layers = self._kept("style", picture), self.style_loss, self._deep_last(self.style_layers)
        self._refuse_layers(loss, layers)
        if part is None:
            return self._target(picture, lambda way, picture: way.statistics(picture, layers, loss))
        self._refuse_masks(loss)
        fit = fitted([part], size_of(picture), "its style", "style mask")
        of_part = with_plain(self._guides_of(fit, self.guidance), self._guides_of(fit, "plain"))
        statistics = self._target(picture, lambda way, picture: way.statistics(picture, layers, loss, of_part))
        return {layer: statistic[:, 0] for layer, statistic in statistics.items()}

    @property
    def style_statistics(self) -> Sequence[Features]:
        """Of each style what the style loss keeps of it, by layer name, from which the target is made."""
        return self._statistics_of_styles

    def set_style_loss(self, style_loss: str | StyleLoss) -> None:
        """Change what is taken for style; the style's own target is computed anew, and put in place.

        A chain has no term for the deepest layer: give a run that goes on to or from one a new `history`.

        Raises:
            InputError: no such style loss, or one that takes no masks or no tiles where there are some, or not these
                layers.
        """
        before, new = self.style_loss, style_loss_of(style_loss)
        self.check_style_loss(new, self.style_layers, self._pictures)
        self._put(style_loss=new)
        try:
            self.set_style(self.style)
        except BaseException:
            self._put(style_loss=before)
            raise

    def check_style_loss(self, style_loss: StyleLoss, style_layers: Iterable[str], pictures: Iterable[Tensor]) -> None:
        """Raise InputError for a style loss that cannot work with these layers, the masks, or tiles of the pictures."""
        self._refuse_layers(style_loss, self._deep_last(style_layers))
        if self.masks is not None:
            self._refuse_masks(style_loss)
        self._refuse_tiles(style_loss, self.tile, pictures)

    @property
    def _pictures(self) -> list[Tensor]:
        styles = [] if self.style is None else list(Blend.of(self.style).pictures)
        return styles if self.content is None else [*styles, self.content]

    @staticmethod
    def _refuse_layers(style_loss: StyleLoss, layers: Sequence[str]) -> None:
        if layers:  # without any there is no style to be compared
            style_loss.terms(layers)

    @staticmethod
    def _refuse_masks(style_loss: StyleLoss) -> None:
        if not style_loss.adds_up:
            raise InputError(no_masks(name_of(style_loss)))

    def _refuse_tiles(self, style_loss: StyleLoss, tile: int | None, pictures: Iterable[Tensor]) -> None:
        if not self._takes_tiles(tile, pictures):
            return
        if not style_loss.adds_up:
            raise InputError(no_sum(style_loss))
        if style_loss.across_layers and any(self.extract.backbone.overhangs.values()):
            raise InputError(no_even_maps(style_loss, self.extract.backbone.name))
        if self.extract.smoothing is not None:
            raise InputError(no_tiles(self.extract.smoothing))

    def check_smoothing(self, smoothing: Smoothing, pictures: Iterable[Tensor]) -> None:
        """Raise InputError for a smoothing that cannot work with tiles of the pictures."""
        if smoothing is not None and self._takes_tiles(self.tile, pictures):
            raise InputError(no_tiles(smoothing))

    def _takes_tiles(self, tile: int | None, pictures: Iterable[Tensor]) -> bool:
        longest = max((max(size_of(picture)) for picture in pictures), default=0)
        return (tile is not None and longest > self._ways.checked(tile)) or self.spread

    def _deep_last(self, layers: Iterable[str]) -> list[str]:
        """These layers, shallow ones first."""
        return sorted(layers, key=self.extract.layers.index)

    @property
    def layers_of_style(self) -> list[str]:
        """The layers whose features the style target needs, shallow ones first."""
        return self.style_loss.needs(list(self._style_target), self._deep_last(self.style_layers))

    @property
    def shares(self) -> tuple[float, ...]:
        """How much of each style there is; the sum is 1. Set, it acts from the next call on."""
        return self.style.shares if isinstance(self.style, Blend) else () if self.style is None else (1.0,)

    @shares.setter
    def shares(self, shares: Sequence[float]) -> None:
        if self.style is None:
            raise InputError("there is no style that could have a share; call set_style")
        blend = Blend.of(self.style).with_shares(shares)
        self._mix(blend.shares)
        self._put(style=blend.style)

    def _mix(self, shares: Sequence[float]) -> None:
        """Take the styles' own target, in these shares; with masks, each style's own, which counts by its share."""
        with torch.inference_mode(False):
            self._style_target = MappingProxyType(self.target_of(self._statistics_of_styles, shares))
            if self._guides is not None:
                self.weigh_regions([shares])
        self._put(own_style_target=True)
        self._swaps += 1

    def weigh_regions(self, shares: Sequence[Sequence[float]]) -> None:
        """How much each region counts, for all pictures or for each of a batch, (1 or B, regions)."""
        with torch.inference_mode(False):
            weights = torch.tensor(shares, dtype=torch.float32, device=self.extract.device)
        if self._region_shares is not None and self._region_shares.shape == weights.shape:
            self._region_shares.copy_(weights)  # in place, so that a recording reads it
        else:
            self._region_shares = weights
        self._swaps += 1

    def target_of(self, statistics: Sequence[Features], shares: Sequence[float]) -> Features:
        """The style target that the statistics of the styles make: their mean in these shares, or with masks each by
        itself."""
        if self._guides is None:
            mixed = {
                layer: self.style_loss.mixed([each[layer] for each in statistics], shares)
                for layer in (statistics[0] if statistics else ())
            }
        else:
            mixed = self._of_regions(side_by_side(statistics), self._guides)
        with without_autocast(self.extract.device):
            return {layer: self.style_loss.finished(target) for layer, target in mixed.items()}

    @staticmethod
    def _of_regions(statistics: Features, guides: Features) -> Features:
        """The target of each region, nothing where no position of a layer stands for it: it then has no loss there."""
        present = {layer: (guides[layer].sum((1, 2)) > 0).to(each.device) for layer, each in statistics.items()}
        return {layer: each * present[layer].view(-1, *[1] * (each.ndim - 2)) for layer, each in statistics.items()}

    @property
    def style_target(self) -> Mapping[str, Tensor]:
        """Layer name to the Gram matrix to match, (B or 1, C, C), or to what another style loss has in its place; the
        style picture's own unless it is set.

        With masks, it is one for each region: (B or 1, styles, C, C).

        Set it to match something that no single picture has, such as a mean of the matrices of two styles. A change of
        the style picture puts the picture's own in place again.
        """
        return self._style_target

    @style_target.setter
    def style_target(self, target: Mapping[str, Tensor]) -> None:
        if not isinstance(target, Mapping):
            raise InputError(f"the style target is {target!r:.80}; expected layer names and Gram matrices")
        for layer, matrix in target.items():
            if layer not in self.style_layers:
                raise LayerNotFound(f"{layer!r} has no weight here; there are {', '.join(self.style_layers)}")
            known = self._style_target.get(layer)
            dimensions = 3 if self.masks is None else 4
            fits = isinstance(matrix, Tensor) and matrix.ndim == dimensions
            of_grams = self.style_loss.name == "gram"
            if fits and of_grams:
                fits = matrix.shape[-2] == matrix.shape[-1]
            if not fits or (known is not None and matrix.shape[1:] != known.shape[1:]):
                c = ("C", "C") if known is None else known.shape[-2:]
                what = "a Gram matrix" if of_grams else f"what style_loss {name_of(self.style_loss)!r} compares"
                expected = f"{what} (B or 1, {c[0]}, {c[1]})"
                if self.masks is not None:
                    expected = f"{what} of each region, (B or 1, {len(self.masks)}, {c[0]}, {c[1]})"
                raise InputError(f"the target of {layer} is {shape_of(matrix)}; expected {expected}")
        with torch.inference_mode(False):
            kept = {layer: self.style_loss.finished(matrix.detach().clone()) for layer, matrix in target.items()}
        self._style_target = MappingProxyType(
            {layer: matrix.to(self.extract.device, torch.float32) for layer, matrix in kept.items()}
        )
        self._put(own_style_target=False)
        self._swaps += 1

    def set_content_layers(self, layers: Layers) -> None:
        """Change where the content is compared; only its own target is computed anew.

        The names of the terms change with it: give a run that goes on a new `history`.
        """
        weights = Weights(layer_weights(layers, "content", self.extract.layers), self.extract.device)
        self.extract.check(weights)
        ways = Ways(self.extract, [*weights, *self.style_layers], self.tile, self.spread)
        self.content_target = self._target(self.content, lambda way, kept: way.responses(kept, weights), ways)
        self._swaps += 1 + self.content_layers.version  # which the sum of versions loses
        self._put(content_layers=weights)
        self._ways = ways

    def set_precision(self, precision: Precision) -> None:
        """Let the network compute in another precision; targets are computed anew, except one set by hand."""
        self._look_through(self.extract.other(precision=precision))

    def set_sight(self, sees: Sight) -> None:
        """Let the network see "colors" or "luminance"; targets are computed anew, except one set by hand."""
        self._look_through(self.extract.other(sees=sees))

    def set_smoothing(self, smoothing: Smoothing) -> None:
        """Let responses be smoothed, see `FeatureExtractor`, or None; targets are computed anew, but one set by hand.

        Raises:
            InputError: no such smoothing, or pictures that take tiles.
        """
        smoothing = checked_smoothing(smoothing)
        self.check_smoothing(smoothing, self._pictures)
        self._look_through(self.extract.other(smoothing=smoothing))

    def _look_through(self, extract: FeatureExtractor) -> None:
        if extract is self.extract:
            return
        set_by_hand = None if self.own_style_target else self._style_target
        self._put(extract=extract)
        self._ways = Ways(extract, [*self.content_layers, *self.style_layers], self.tile, self.spread)
        self.set_content(self.content)
        self.set_style(self.style)
        if set_by_hand is not None:
            self.style_target = set_by_hand

    @property
    def layers(self) -> list[str]:
        """The layers that a call computes."""
        return list(dict.fromkeys([*self.content_target, *self.layers_of_style]))

    @property
    def targets_version(self) -> int:
        """Grows with every change of a picture, a target or a formula, not with those of weights."""
        return self._swaps

    def way(self, image: Tensor) -> Way:
        """How a picture (B, 3, H, W) is computed, see `nstlib.large.ways`."""
        return self._ways.of(image)

    @property
    def tile(self) -> int | None:
        """Longest side of a tile in pixels, or None where every picture is computed whole."""
        return self._ways.tile

    @tile.setter
    def tile(self, side: int | None) -> None:
        self._refuse_tiles(self.style_loss, side, self._pictures)
        self._ways.tile = side
        if self.content is not None:
            home = self.way(self.content).home
            self.content_target = {layer: target.to(home) for layer, target in self.content_target.items()}
            self._put(content=self.content.to(home))
            if self._guides is not None and self._fit_masks is not None:
                self._guides = {layer: guide.to(home) for layer, guide in self._guides.items()}
                self._fit_masks = self._fit_masks.to(home)
                self._coverage = covered(self._fit_masks)

    def smaller_tile(self, image: Tensor) -> int | None:
        """The tile with which a picture may fit after memory ran out; None where it cannot be smaller."""
        return self._ways.smaller_tile(image) if self.style_loss.adds_up and self.extract.smoothing is None else None

    @property
    def spread(self) -> bool:
        """Whether processes that were joined share the work."""
        return self._ways.spread

    def _kept(self, what: str, given: Tensor) -> Tensor:
        """A picture as it is kept: checked, in float32, and where its way has its home."""
        found = picture(what, given)
        return found.to(self.way(found).home, torch.float32)

    def _target(self, kept: Tensor | None, of: Callable[[Way, Tensor], Features], ways: Ways | None = None) -> Features:
        if kept is None:
            return {}
        # Targets outlive the block in which they are set, and do not have its precision.
        with torch.inference_mode(False), without_autocast(self.extract.device):
            return of((ways or self._ways).of(kept), kept)
