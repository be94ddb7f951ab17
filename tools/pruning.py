"""Make a narrow network out of a wide one, layer by layer, by least squares (He et al. 2017, arXiv 1707.06168).

Of each layer the channels are kept that best explain all of them. Each kept channel is then told anew from what the
narrow network sees before it, by ridge regression onto the response of the wide one. The regression goes through the
ReLU: where the wide network's response is negative, any negative response is right.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from teachers import Teachers, Vgg
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

ROUNDS = 8  # of the regression through the ReLU; the first few do most
RIDGE = 1e-3  # of the inputs' mean square: with less, deep layers fit the pictures at hand and no others
LOUDEST = 2.5  # the largest root mean square of a channel whose mean is 1; those that respond seldom stay below 1


@dataclass(frozen=True)
class Kept:
    """The teachers' channels that a layer of the pupil keeps.

    Attributes:
        channels: (C,), which of the channels that `Teachers` gives for the layer.
        scale: (C,), brings each to a mean of 1 over training pictures.
    """

    channels: Tensor
    scale: Tensor

    def of(self, taught: Tensor) -> Tensor:
        """What the pupil is to see, (B, C, H, W)."""
        return taught[:, self.channels] * self.scale[:, None, None]

    @property
    def loudness(self) -> Tensor:
        """(C,), how loud each channel is in the teacher beside the others of its layer; their mean is 1."""
        return 1 / self.scale / (1 / self.scale).mean()


@torch.no_grad()
def choose_channels(moments: Tensor, count: int) -> Tensor:
    """Greedy choice: each time the channel that explains most of what is left of all channels' energy.

    It is a pivoted Cholesky decomposition of the second moments (C, C).
    """
    left, chosen = moments.clone(), []
    for _ in range(count):
        gain = left.square().sum(0) / left.diagonal().clamp_min(1e-9)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        left = left - torch.outer(left[best], left[best]) / left[best, best].clamp_min(1e-9)
    return torch.tensor(chosen, dtype=torch.long)


@torch.no_grad()
def regress(inputs: Tensor, responses: Tensor, rounds: int = ROUNDS, ridge: float = RIDGE) -> tuple[Tensor, Tensor]:
    """Weights (D, C) and relative squared errors after the ReLU (C,) of: relu(inputs @ weights) is relu(responses).

    Args:
        inputs: (N, D).
        responses: (N, C), before the ReLU.
        rounds: how often the targets that are free, as the response is negative, follow what was found.
        ridge: what is added to the inputs' second moments, as a share of their mean square.
    """
    moments = _product(inputs, inputs)
    moments.diagonal().add_(ridge * moments.diagonal().mean())
    factor = torch.linalg.cholesky(moments)

    def solve(targets: Tensor) -> Tensor:
        return torch.cholesky_solve(_product(inputs, targets), factor).float()

    weights = solve(responses)
    for _ in range(rounds):
        weights = solve(torch.where(responses > 0, responses, (inputs @ weights).clamp_max(0)))
    wanted = responses.relu()
    error = ((inputs @ weights).relu() - wanted).square().sum(0)
    return weights, error / wanted.square().sum(0).clamp_min(1e-9)


def _product(left: Tensor, right: Tensor, rows: int = 8192) -> Tensor:
    """left.T @ right, sums of many rows in float64."""
    pairs = zip(left.split(rows), right.split(rows), strict=True)
    return sum((a.T @ b).double() for a, b in pairs)  # type: ignore[return-value]


@torch.no_grad()
def prune(
    pupil: Vgg,
    teachers: Teachers,
    batches: Iterable[tuple[str, Tensor]],
    positions: int = 160,
    seed: int = 0,
    ridge: float = RIDGE,
) -> tuple[dict[str, Kept], dict[str, float]]:
    """Give the pupil the weights of a pruned teacher.

    Args:
        batches: pairs of a pooling and normalized pictures.
        positions: how many places of a picture, at random, the regression of a layer listens to.

    Returns:
        What each layer keeps, and its relative squared error on these pictures.
    """
    rng = torch.Generator().manual_seed(seed)
    maps, responses, places = [], {layer: [] for layer in teachers.sources}, {layer: [] for layer in teachers.sources}
    for pooling, pictures in tqdm(list(batches), desc="teachers", unit="batch"):
        maps.append((pooling, pictures))
        for layer, response in teachers(pictures, pooling, rectified=False).items():
            at = _random_places(response.shape, positions, rng)
            places[layer].append(at)
            responses[layer].append(response.permute(0, 2, 3, 1)[at].float())
    kept, errors = {}, {}
    for name, module in (bar := tqdm(list(pupil.named["avg"].named_children()), desc="pruning", unit="layer")):
        layer = name.replace("conv", "relu")
        if isinstance(module, nn.Conv2d):
            wanted = torch.cat(responses.pop(layer))
            kept[layer] = _choose(wanted, module.out_channels)
            wanted = wanted[:, kept[layer].channels] * kept[layer].scale
            inputs = torch.cat([_patches(value, at) for (_, value), at in zip(maps, places[layer], strict=True)])
            weights, error = regress(inputs, wanted, ridge=ridge)
            module.weight.copy_(weights[:-1].T.view(module.weight.shape))
            module.bias.copy_(weights[-1])
            errors[layer] = error.mean().item()
            bar.set_postfix_str(f"{layer} {errors[layer]:.3f}")
        maps = [(pooling, pupil.named[pooling].get_submodule(name)(value)) for pooling, value in maps]
    return kept, errors


def _choose(responses: Tensor, count: int) -> Kept:
    """The channels to keep, given responses (N, C) before the ReLU."""
    seen = responses.relu()
    loud = torch.maximum(seen.mean(0), seen.square().mean(0).sqrt() / LOUDEST)
    scale = 1 / loud.clamp_min(1e-3 * loud.mean().item() + 1e-9)  # some never respond
    normalized = seen * scale
    channels = choose_channels(_product(normalized, normalized) / len(seen), count)
    return Kept(channels, scale[channels])


def _random_places(shape: torch.Size, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Indices into (B, H, W): so many places of each picture."""
    batch, _, height, width = shape
    pictures = torch.arange(batch).repeat_interleave(count)
    return (
        pictures,
        torch.randint(height, (batch * count,), generator=rng),
        torch.randint(width, (batch * count,), generator=rng),
    )


def _patches(features: Tensor, places: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """What a 3x3 convolution sees at the places, and a one for its bias: (N, 9 C + 1)."""
    pictures, rows, columns = places
    padded = F.pad(features.float(), (1, 1, 1, 1), mode="replicate").permute(0, 2, 3, 1)
    windows = padded.unfold(1, 3, 1).unfold(2, 3, 1)  # (B, H, W, C, 3, 3)
    patches = windows[pictures, rows, columns].flatten(1)
    return torch.cat([patches, torch.ones(len(patches), 1)], 1)
