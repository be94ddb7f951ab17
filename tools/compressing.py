"""Make a small network out of a large one, layer by layer, by least squares.

Where pictures are large a layer keeps some of the channels alone: those that best explain all of them (He et al. 2017,
arXiv 1707.06168). Deeper, it gives all channels, but reads only a few mixtures of its inputs and has only a few
responses of its own, of which the channels are mixtures (Zhang et al. 2015, arXiv 1411.4229; Kim et al. 2016, arXiv
1511.06530): the responses of a trained layer lie near such a space. It brings deep layers far nearer to the large
network's than keeping fewer channels does.

Each layer is told anew from what the small network sees before it, by ridge regression onto the response of the large
one. The regression goes through the ReLU: where the large network's response is negative, any negative response is
right.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from teachers import Vgg
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from nstlib.networks.vgg import LowRankConv2d

ROUNDS = 8  # of the regression through the ReLU; the first few do most
RIDGE = 1e-3  # of the inputs' mean square: with less, deep layers fit the pictures at hand and no others
LOUDEST = 2.5  # the largest root mean square of a channel whose mean is 1; those that respond seldom stay below 1
THINNED = 7  # of the positions of a map, one in so many says how the channels vary together


@dataclass(frozen=True)
class Kept:
    """The teacher's channels that a layer of the pupil keeps.

    Attributes:
        channels: (C,), which of them.
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


# ---------------------------------------------------------------- regression


@torch.no_grad()
def regress(
    inputs: Tensor,
    responses: Tensor,
    rounds: int = ROUNDS,
    ridge: float = RIDGE,
    rank: int | None = None,
    importance: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Weights (D, C) and relative squared errors after the ReLU (C,) of: relu(inputs @ weights) is relu(responses).

    Args:
        inputs: (N, D).
        responses: (N, C), before the ReLU.
        rounds: how often the targets that are free, as the response is negative, follow what was found.
        ridge: what is added to the inputs' second moments, as a share of their mean square.
        rank: of the weights, at most; None for any.
        importance: (C,), what an error of a response counts where the rank decides which are made; 1 by default.
    """
    moments = _product(inputs, inputs)
    moments.diagonal().add_(ridge * moments.diagonal().mean())
    factor = torch.linalg.cholesky(moments)
    importance = torch.ones(responses.shape[1]) if importance is None else importance

    def solve(targets: Tensor) -> Tensor:
        weights = torch.cholesky_solve(_product(inputs, targets), factor)
        if rank is not None:
            # Reduced-rank regression: the best such weights give the principal components of what all weights give.
            weighed = weights * importance
            _, components = torch.linalg.eigh(weighed.T @ moments @ weighed)
            weights = weighed @ components[:, -rank:] @ components[:, -rank:].T / importance
        return weights.float()

    weights = solve(responses)
    for _ in range(rounds):
        weights = solve(torch.where(responses > 0, responses, (inputs @ weights).clamp_max(0)))
    wanted = responses.relu()
    error = ((inputs @ weights).relu() - wanted).square().sum(0)
    return weights, error / wanted.square().sum(0).clamp_min(1e-9)


@torch.no_grad()
def mixtures_to_read(moments: Tensor, weight: Tensor, count: int) -> Tensor:
    """The mixtures (count, C_in) of a convolution's inputs that matter most to its responses.

    Args:
        moments: (C_in, C_in), the inputs' second moments.
        weight: (C_out, C_in, k, k), the convolution's, times what an error of each response counts.
    """
    values, vectors = torch.linalg.eigh(moments.double())
    values = values.clamp_min(1e-6 * moments.diagonal().mean())  # rounding leaves some below zero
    root, inverse_root = (vectors * power @ vectors.T for power in (values.sqrt(), values.rsqrt()))
    taps = root @ weight.double().permute(1, 0, 2, 3).flatten(1)
    _, components = torch.linalg.eigh(taps @ taps.T)
    return (inverse_root @ components[:, -count:]).T.float()


def _product(left: Tensor, right: Tensor, rows: int = 8192) -> Tensor:
    """left.T @ right, sums of many rows in float64."""
    pairs = zip(left.split(rows), right.split(rows), strict=True)
    return sum((a.T @ b).double() for a, b in pairs)  # type: ignore[return-value]


# ---------------------------------------------------------------- layer by layer


@dataclass
class _Layer:
    """What is known of a layer of the teacher at some places of the pictures.

    Attributes:
        responses: for each batch of pictures (N, C), before the ReLU, in half precision.
        places: for each batch, indices into (B, H, W).
    """

    responses: list[Tensor]
    places: list[tuple[Tensor, Tensor, Tensor]]


@torch.no_grad()
def compress(
    pupil: Vgg,
    teacher: Vgg,
    batches: Iterable[tuple[str, Tensor]],
    positions: int = 160,
    seed: int = 0,
    ridge: float = RIDGE,
) -> tuple[dict[str, Kept], dict[str, float]]:
    """Give the pupil the weights that bring its layers nearest to the teacher's.

    Args:
        batches: pairs of a pooling and normalized pictures.
        positions: how many places of a picture, at random, the regression of a layer listens to.

    Returns:
        What each layer keeps, and its relative squared error on these pictures.
    """
    batches = list(batches)
    layers = _listen(teacher, batches, positions, seed)
    maps = batches
    kept, errors, before = {}, {}, Kept(torch.arange(3), torch.ones(3))
    for name, module in (bar := tqdm(list(pupil.named["avg"].named_children()), desc="compressing", unit="layer")):
        if name.startswith("conv"):
            layer = name.replace("conv", "relu")
            responses = torch.cat(layers[name].responses).float()
            now = _choose(responses, _last(module).out_channels)
            wanted = responses[:, now.channels] * now.scale
            weight = teacher.convolutions[name].weight[now.channels][:, before.channels]
            weight = weight * now.scale[:, None, None, None] / before.scale[:, None, None]
            errors[layer] = _tell(module, maps, layers.pop(name).places, wanted, weight, now.loudness.sqrt(), ridge)
            kept[layer] = before = now
            bar.set_postfix_str(f"{layer} {errors[layer]:.3f}")
        maps = [(pooling, _half(pupil.named[pooling].get_submodule(name), value)) for pooling, value in maps]
    return kept, errors


def _listen(teacher: Vgg, batches: list[tuple[str, Tensor]], positions: int, seed: int) -> dict[str, _Layer]:
    """What the teacher's convolutions say at some places."""
    rng = torch.Generator().manual_seed(seed)
    layers = {name: _Layer([], []) for name in teacher.convolutions}
    for pooling, pictures in tqdm(batches, desc="teacher", unit="batch"):
        for name, response in teacher(pictures, layers, pooling).items():
            at = _random_places(response.shape, positions, rng)
            layers[name].places.append(at)
            layers[name].responses.append(response.permute(0, 2, 3, 1)[at].half())
    return layers


def _tell(
    module: nn.Module,
    maps: list[tuple[str, Tensor]],
    places: list[tuple[Tensor, Tensor, Tensor]],
    wanted: Tensor,
    weight: Tensor,
    importance: Tensor,
    ridge: float,
) -> float:
    """Give a convolution its weights, and the relative squared error with them.

    Args:
        maps: the pupil's features before it, by pooling.
        wanted: (N, C_out), its responses at the places.
        weight: the teacher's, between the channels that both keep.
        importance: (C_out,), what an error of each response counts where some have to give way.
    """
    read: Callable[[Tensor], Tensor] = nn.Identity()
    if hasattr(module, "read"):
        moments = sum(_second_moments(value) for _, value in maps) / len(maps)
        mixtures = mixtures_to_read(moments, weight * importance[:, None, None, None], module.read.out_channels)
        module.read.weight.copy_(mixtures[:, :, None, None])
        read = module.read
    inputs = torch.cat([_patches(read(value.float()), at) for (_, value), at in zip(maps, places, strict=True)])
    if isinstance(module, nn.Conv2d):
        weights, error = regress(inputs, wanted, ridge=ridge)
        module.weight.copy_(weights[:-1].T.view(module.weight.shape))
        module.bias.copy_(weights[-1])
        return error.mean().item()
    rank = module.see.out_channels
    weights, error = regress(inputs, wanted, ridge=ridge, rank=rank, importance=importance)
    left, size, right = torch.linalg.svd(weights, full_matrices=False)
    seen = left[:-1, :rank] * size[:rank]
    loud = (inputs[:, :-1] @ seen).square().mean(0).sqrt().clamp_min(1e-6)
    module.see.weight.copy_((seen / loud).T.reshape(module.see.weight.shape))
    module.tell.weight.copy_((loud[:, None] * right[:rank]).T[:, :, None, None])
    module.tell.bias.copy_(weights[-1])
    return error.mean().item()


def _second_moments(features: Tensor) -> Tensor:
    rows = features.float().permute(0, 2, 3, 1).flatten(0, 2)[::THINNED]
    return rows.T @ rows / len(rows)


def _choose(responses: Tensor, count: int) -> Kept:
    """The channels to keep, given responses (N, C) before the ReLU."""
    seen = responses.relu()
    loud = torch.maximum(seen.mean(0), seen.square().mean(0).sqrt() / LOUDEST)
    scale = 1 / loud.clamp_min(1e-3 * loud.mean().item() + 1e-9)  # some never respond
    if count == seen.shape[1]:
        return Kept(torch.arange(count), scale)
    normalized = seen * scale
    channels = choose_channels(_product(normalized, normalized) / len(seen), count)
    return Kept(channels, scale[channels])


def _last(module: nn.Module) -> nn.Conv2d:
    return module.tell if isinstance(module, LowRankConv2d) else module


def _half(module: nn.Module, value: Tensor) -> Tensor:
    """What a module gives, in half precision: of many pictures at once it has to lie in memory."""
    return module(value.float().contiguous(memory_format=torch.channels_last)).half()


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
