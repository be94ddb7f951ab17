"""Give a network for any style another encoder, or another painter; training mends what is lost.

Eyes: what comes first is linear in what the encoder says: of what foretells rows, in the logarithms of means and
deviations, of a decoder, in maps. So both encoders look at the same pictures, and a ridge regression takes what the
new one says to what the old one said, or to what was made of it.

A painter: two networks that paint and had the same ancestor have much the same channels. So each number of a row is
taken to its place in the other's rows by a factor and a shift of its own, from the styles that both know.
"""

import copy
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

import nstlib as nst
from nstlib.feedforward.adain import Decoder, adain
from nstlib.feedforward.any_style import AnyStyleNetwork, moments
from nstlib.feedforward.layers import Convolution

AnyNetwork = TypeVar("AnyNetwork", bound=AnyStyleNetwork)

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)  # of the inputs' second moments, as a share of their mean
PLACES = 96  # of each map, whose channels are compared
HELD_OUT = 6  # the first part in so many of what was seen says which ridge is best
# Of what a number varies by, on average over a row: how much speaks for a factor of 1. A dozen styles say little of a
# number that hardly varies.
STAYING = 0.03
FACTORS = (-1.0, 3.0)


@torch.no_grad()
def with_eyes(
    network: nst.PredictingNetwork, encoder: nst.FeatureExtractor, paintings: Iterable[Tensor]
) -> nst.PredictingNetwork:
    """A network that paints as the given one, but looks with another encoder; it knows no styles yet.

    Args:
        network: it stays as it is.
        encoder: of the new one, on the same device.
        paintings: (1, 3, h, w) each; some thousand.
    """
    changed = _like(network, encoder)
    changed.painter.load_state_dict(network.painter.state_dict())
    seen = (painting.to(network.device) for painting in paintings)
    pairs = [(network.row_of(each), changed.row_of(each)) for each in seen]
    before, now = (torch.cat(rows) for rows in zip(*pairs, strict=True))
    old, new = network.predictor, changed.predictor
    new.look_around(now)
    new.spell.load_state_dict(old.spell.state_dict())
    weight, bias = regression(new.unusual(now), old.squeeze(old.unusual(before)))
    new.squeeze.weight.copy_(weight)
    new.squeeze.bias.copy_(bias)
    weight, bias = regression(new.colors(new.unusual(now)), old.colors(old.unusual(before)))
    new.straight.weight.copy_(old.straight.weight @ weight)
    new.spell.bias.add_(old.straight.weight @ bias)
    return changed


@torch.no_grad()
def drawing_with_eyes(
    network: nst.AdaINNetwork, encoder: nst.FeatureExtractor, pictures: Iterable[Tensor], seed: int = 0
) -> nst.AdaINNetwork:
    """A network that draws as the given one, but from the features of another encoder; it knows no styles yet.

    Args:
        network: it stays as it is.
        encoder: of the new one, on the same device; its layers have the same strides.
        pictures: (1, 3, h, w) each; some hundred. Each is seen in the style of the one after it.
        seed: of the places that are compared.

    Raises:
        InputError: layers of other strides. LayerNotFound: a layer that the encoder lacks.
    """
    encoder.check(network.layers)
    before, now = ([each.backbone.strides[layer] for layer in network.layers] for each in (network.encoder, encoder))
    if now != before:
        layers = ", ".join(network.layers)
        raise nst.InputError(f"{layers} of {encoder.backbone.name} have strides {now}, not {before}; begin anew")
    changed, generator = _like(network, encoder), torch.Generator("cpu").manual_seed(seed)
    changed.decoder.load_state_dict(_where_it_fits(network.decoder, changed.decoder), strict=False)
    seen_there = (picture.to(network.device) for picture in pictures)
    looks = ((network.encoder(each, network.layers), encoder(each, network.layers)) for each in seen_there)
    seen: dict[int, list[list[Tensor]]] = {stride: [] for stride in before}
    for contents, styles in pairwise(looks):
        for layer, stride in zip(network.layers, before, strict=True):
            places = torch.randperm(contents[0][layer][0, 0].numel(), generator=generator)[:PLACES]
            both = zip(contents, styles, strict=True)
            seen[stride].append([_at(places, _aligned(own[layer], style[layer])) for own, style in both])
    for stride, pairs in seen.items():
        wanted, given = (torch.cat(each) for each in zip(*pairs, strict=True))
        weight, bias = regression(given, wanted)
        old, new = (_first_filters(each.decoder, stride) for each in (network, changed))
        new[0].weight.copy_(torch.einsum("fohw,oi->fihw", old[0].weight, weight))
        new[1].add_(old[0].weight.sum((2, 3)) @ bias)
    return changed


@torch.no_grad()
def with_painter(
    network: nst.PredictingNetwork, painter: nst.StyleNetwork, styles: Sequence[str]
) -> nst.PredictingNetwork:
    """A network that looks as the given one, but paints with the weights of a network of many styles.

    Args:
        network: it stays as it is.
        painter: of the same widths, blocks and kernel, on the same device.
        styles: that both know, and by which rows of the one are taken to rows of the other.
    """
    changed, foretold = copy.deepcopy(network), network.learned()
    old, new = (torch.stack([each.rows[each.styles.index(name)] for name in styles]) for each in (foretold, painter))
    factor, shift = _line_through(old, new)
    predictor = changed.predictor
    for layer in (predictor.spell, predictor.straight):
        layer.weight.mul_(factor[:, None])
    predictor.spell.bias.mul_(factor)
    changed.painter.paint_like(painter, [factor * network.painter.rows[0] + shift])
    return changed


def _like(network: AnyNetwork, encoder: nst.FeatureExtractor) -> AnyNetwork:
    """A network of the same sizes with another encoder, and weights of its own."""
    own = {name: value for name, value in network.settings.items() if name not in ("encoder", "styles")}
    return type(network)(encoder, **own).to(encoder.device).eval()


def _where_it_fits(old: nn.Module, new: nn.Module) -> dict[str, Tensor]:
    """The weights of the one that have a place of their shape in the other."""
    places = new.state_dict()
    return {name: weight for name, weight in old.state_dict().items() if weight.shape == places[name].shape}


def _aligned(content: Tensor, style: Tensor) -> Tensor:
    """The features of a content with the means and deviations of a style's."""
    return adain(content, moments(content), moments(style))


def _at(places: Tensor, maps: Tensor) -> Tensor:
    """Of maps (1, C, H, W) the values at some places, (places, C)."""
    return maps[0].flatten(1)[:, places.to(maps.device)].T


def _first_filters(decoder: Decoder, stride: int) -> tuple[Convolution, Tensor]:
    """What a decoder does first with the maps of a stride, and the numbers that are added to what comes of it."""
    if stride > max(decoder.strides):
        return decoder.enter, decoder.enter.bias
    return decoder.add[str(stride)], decoder.grow[str(stride)].bias


def _line_through(old: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
    """For each number of rows (styles, numbers) the factor and the shift that take the old near the new."""
    middle, wanted = old.mean(0), new.mean(0)
    variance = (old - middle).square().mean(0)
    together = ((old - middle) * (new - wanted)).mean(0)
    staying = STAYING * variance.mean()
    factor = ((together + staying) / (variance + staying)).clamp(*FACTORS)
    return factor, wanted - factor * middle


def regression(seen: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (numbers, inputs) and bias (numbers,) with which what is seen (B, inputs) gives what is wanted.

    Ridge regression; how strong the ridge is, the first of them say, which are kept from the trials.
    """
    place = len(seen) // HELD_OUT
    fits = {ridge: _ridge(seen[place:], wanted[place:], ridge) for ridge in RIDGES}

    def error(ridge: float) -> float:
        weight, bias = fits[ridge]
        return float((seen[:place] @ weight.T + bias - wanted[:place]).square().sum())

    return _ridge(seen, wanted, min(fits, key=error))


def _ridge(seen: Tensor, wanted: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    home = seen.device
    seen, wanted = seen.cpu().double(), wanted.cpu().double()  # Apple's GPUs have no such numbers
    inputs, outputs = seen - seen.mean(0), wanted - wanted.mean(0)
    moments = inputs.T @ inputs
    moments.diagonal().add_(ridge * moments.diagonal().mean())
    weight = torch.linalg.solve(moments, inputs.T @ outputs).T
    bias = wanted.mean(0) - weight @ seen.mean(0)
    return weight.float().to(home), bias.float().to(home)
