"""Give a network that foretells rows another encoder: what the old one led to is found again in what the new one sees.

The first layers of what foretells are linear in the logarithms of means and deviations. So both encoders look at the
same paintings, and a ridge regression takes what the new one says to what those layers gave. Training mends the rest.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

import nstlib as nst

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)  # of the inputs' second moments, as a share of their mean
HELD_OUT = 6  # one painting in so many says which ridge is best


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
    seen, wanted = seen.double(), wanted.double()
    inputs, outputs = seen - seen.mean(0), wanted - wanted.mean(0)
    moments = inputs.T @ inputs
    moments.diagonal().add_(ridge * moments.diagonal().mean())
    weight = torch.linalg.solve(moments, inputs.T @ outputs).T
    bias = wanted.mean(0) - weight @ seen.mean(0)
    return weight.float(), bias.float()
