"""Give a network that foretells rows another encoder, or another painter; training mends what is lost.

Eyes: the first layers of what foretells are linear in the logarithms of means and deviations. So both encoders look at
the same paintings, and a ridge regression takes what the new one says to what those layers gave.

A painter: two networks that paint and had the same ancestor have much the same channels. So each number of a row is
taken to its place in the other's rows by a factor and a shift of its own, from the styles that both know.
"""

import copy
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

import nstlib as nst

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)  # of the inputs' second moments, as a share of their mean
HELD_OUT = 6  # one painting in so many says which ridge is best
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
    own = {name: value for name, value in network.settings.items() if name not in ("encoder", "styles")}
    changed = nst.PredictingNetwork(encoder, **own).to(encoder.device).eval()
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
    predictor, weights = changed.predictor, painter.state_dict()
    for layer in (predictor.spell, predictor.straight):
        layer.weight.mul_(factor[:, None])
    predictor.spell.bias.mul_(factor)
    shared = {name: values for name, values in weights.items() if not name.startswith("rows.")}
    changed.painter.load_state_dict({**shared, "rows.0": factor * network.painter.rows[0] + shift})
    return changed


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

    Ridge regression; how strong the ridge is, the first paintings say, which are kept from the trials.
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
