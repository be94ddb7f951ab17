"""Train the bundled backbone "mini": a narrow VGG-19 that sees pictures as the real one does.

Each layer of the student is followed, during training only, by 1x1 convolutions (its heads) that must turn the
student's features into the teacher's. The loss of a layer is the relative squared error of the features, plus that of
their Gram matrices.

A teacher that ends at conv3_1 teaches the deeper layers too: it looks at the picture made smaller. What conv2_1 is to
the picture, conv3_1 is to the picture halved, and conv4_1 to the picture quartered, so the student repeats the
teacher's convolutions one block and two blocks deeper. To get there, three channels carry the picture itself, blurred
before each pooling, through the first blocks. So deeper layers see larger things with the eyes of a trained network.
The layers past the teacher's last must also know the local means of its relu2_1 of the whole picture, or they would be
blind to what shrinking removes, and let noise pass.

Student and teacher pool alike, by average or by maximum, at the toss of a coin in each step.
"""

import argparse
import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import training_pictures
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from nstlib.backbones import IMAGENET_MEAN, IMAGENET_STD, MINI_WIDTHS, load_backbone, mini_net, named_vgg
from nstlib.devices import keep_freed_memory
from nstlib.lbfgs import LBFGS
from nstlib.losses import content_loss, gram, style_loss

AVERAGE_SHARE = 0.65  # of the steps pool by average, as style transfer mostly does; the others by maximum
DREAMS_AT_ONCE, DREAMS_KEPT, DREAM_SHARE = 4, 300, 0.25
CARRIED, LIFT = 3, 3.0  # channels that carry the picture; what is added to them, so that no color is negative
QUIET = 0.25  # how loud filters are that prepare what deeper layers see, as a share of the others of their layer
FADE = 4  # a block past its last layer the teacher gets a quarter of the filters
GROUPS = 3  # a step trains every third of the layers that have no target of their own, in turn


@dataclass(frozen=True)
class Recipe:
    """What decides the result, beside the teacher and the machine. A checkpoint remembers it."""

    steps: int
    seed: int
    batch: int
    crop: int
    pictures: int
    rate: float
    gram_weight: float
    dreams: int
    precision: str


# ---------------------------------------------------------------- networks


class Vgg:
    """A VGG with both kinds of pooling over the same convolutions."""

    def __init__(self, features: nn.Sequential):
        self.features = features.to(memory_format=torch.channels_last)
        self.named = {pooling: named_vgg(features, pooling) for pooling in ("avg", "max")}

    @property
    def convolutions(self) -> dict[str, nn.Conv2d]:
        """Name to convolution, in order of depth."""
        return {name: m for name, m in self.named["avg"].named_children() if isinstance(m, nn.Conv2d)}

    def __call__(
        self, normalized: Tensor, layers: Iterable[str], pooling: str, cut: str | None = None
    ) -> dict[str, Tensor]:
        """Features of a normalized picture at the layers, computing nothing past the deepest.

        No gradient passes back through the layer `cut`.
        """
        wanted, found, value = set(layers), {}, normalized.contiguous(memory_format=torch.channels_last)
        for name, module in self.named[pooling].named_children():
            value = module(value)
            if name in wanted:
                found[name] = value
                if len(found) == len(wanted):
                    break
            if name == cut:
                value = value.detach()
        return found


def load_teacher(source: str, padding_mode: str = "replicate") -> Vgg:
    """The teacher, frozen, for pictures normalized as torchvision does.

    Args:
        source: "vgg19" for torchvision's network, or a state dict of a sequence that opens with a 1x1 convolution on
            RGB in [0, 1], as the published "vgg_normalised" files do.
        padding_mode: how convolutions continue the picture past its border.
    """
    if source == "vgg19":
        convolutions = [(m.weight, m.bias) for m in load_backbone("vgg19").net if isinstance(m, nn.Conv2d)]
    else:
        convolutions = _convolutions_of(torch.load(source, map_location="cpu", weights_only=True))
    features = mini_net(_plan([len(weight) for weight, _ in convolutions]))
    with torch.no_grad():
        for module, (weight, bias) in zip(_convs(features), convolutions, strict=True):
            module.weight.copy_(weight)
            module.bias.copy_(bias)
            module.padding_mode = padding_mode
    features.eval().requires_grad_(False)
    return Vgg(features)


def _convolutions_of(state: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
    keys = sorted((key.removesuffix(".weight") for key in state if key.endswith(".weight")), key=int)
    (matrix, offset), first, *rest = [(state[f"{key}.weight"], state[f"{key}.bias"]) for key in keys]
    return [_fold(matrix, offset, *first), *rest]


def _fold(matrix: Tensor, offset: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """One convolution in place of: undo torchvision's normalization, 1x1 convolution, convolution."""
    matrix = matrix.flatten(1)
    offset = offset + matrix @ torch.tensor(IMAGENET_MEAN)
    matrix = matrix * torch.tensor(IMAGENET_STD)
    return torch.einsum("oihw,ij->ojhw", weight, matrix), bias + weight.sum((2, 3)) @ offset


def _plan(widths: list[int]) -> list[int | str]:
    """Convolutions of these widths, with a pooling wherever VGG-19 has one."""
    left, plan = list(widths), []
    for block in (2, 2, 4, 4, 4):
        plan += [*left[:block], *(["M"] if len(left) > block else [])]
        left = left[block:]
    return plan


def _convs(features: nn.Sequential) -> list[nn.Conv2d]:
    return [m for m in features if isinstance(m, nn.Conv2d)]


class Student(nn.Module):
    """The network to be trained, with a head for each kind of pooling and each target."""

    def __init__(self, widths: Iterable[int | str], targets: "dict[str, Target]", teacher_widths: dict[str, int]):
        super().__init__()
        self.features = mini_net(widths)
        for convolution in _convs(self.features):
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)
        self.vgg = Vgg(self.features)
        own = {_layer(name): m.out_channels for name, m in self.vgg.convolutions.items()}
        self.heads = nn.ModuleDict(
            {
                pooling: nn.ModuleDict(
                    {
                        name: nn.Conv2d(own[target.layer], teacher_widths[target.teacher_layer], 1, bias=False)
                        for name, target in targets.items()
                    }
                )
                for pooling in ("avg", "max")
            }
        )


# ---------------------------------------------------------------- what a layer must know


@dataclass(frozen=True)
class Target:
    """What one layer of the student learns of the teacher's `teacher_layer`.

    Attributes:
        layer: the student's.
        teacher_layer: the teacher's.
        shrink: by how much the picture is shrunk that the teacher sees.
        means: the teacher's features are averaged over each position of the student's layer.
    """

    layer: str
    teacher_layer: str
    shrink: float = 1.0
    means: bool = False


def curriculum(teacher: Vgg, student_convolutions: Iterable[str]) -> dict[str, Target]:
    """Each layer's targets, by name.

    A layer learns its namesake where the teacher has one. Each other learns the teacher's last layer of the picture
    made smaller by the fourth root of two with each convolution, so that the scale doubles from block to block as the
    stride does; and the local means of relu2_1. All learn besides what they repeat of the picture halved, quartered.
    """
    names = list(student_convolutions)
    taught = list(teacher.convolutions)
    targets = {}
    for depth, name in enumerate(names):
        layer = _layer(name)
        if name in taught:
            targets[layer] = Target(layer, layer)
        else:
            targets[layer] = Target(layer, _layer(taught[-1]), shrink=2 ** ((depth + 1 - len(taught)) / 4))
            targets[f"{layer}_fine"] = Target(layer, "relu2_1", means=True)
        for halvings in range(1, _halvings(taught, names) + 1):
            twin = _twin(name, halvings)
            repeated = Target(layer, _layer(twin), shrink=2.0**halvings)
            if twin in taught and repeated not in targets.values():
                targets[f"{layer}_{2**halvings}"] = repeated
    return targets


def _layer(convolution: str) -> str:
    return convolution.replace("conv", "relu")


def _block(convolution: str) -> int:
    return int(convolution[4])


def _twin(convolution: str, halvings: int) -> str:
    """What it is called so many blocks before: conv2_1 for conv4_1 and two."""
    block, index = convolution.removeprefix("conv").split("_")
    return f"conv{int(block) - halvings}_{index}"


def _halvings(taught: list[str], names: list[str]) -> int:
    """How often the picture must be halved for the teacher's last block to be the student's."""
    return _block(names[-1]) - _block(taught[-1])


def lesson(targets: dict[str, Target], step: int) -> dict[str, Target]:
    """The targets of one step: all of the layers that have a namesake, and of a part of the others."""
    others = without_namesake(targets)
    today = set(others[step % GROUPS :: GROUPS])
    return {name: target for name, target in targets.items() if target.layer not in others or target.layer in today}


def without_namesake(targets: dict[str, Target]) -> list[str]:
    """The student's layers that the teacher lacks."""
    return [layer for layer in dict.fromkeys(t.layer for t in targets.values()) if targets[layer].shrink > 1]


@torch.no_grad()
def teach(teacher: Vgg, normalized: Tensor, targets: dict[str, Target], pooling: str) -> dict[str, Tensor]:
    """The teacher's features for each target."""
    layers: dict[float, set[str]] = {}
    for target in targets.values():
        layers.setdefault(target.shrink, set()).add(target.teacher_layer)
    features = {shrink: teacher(shrunk(normalized, shrink), at, pooling) for shrink, at in layers.items()}
    return {name: features[target.shrink][target.teacher_layer] for name, target in targets.items()}


def shrunk(normalized: Tensor, shrink: float) -> Tensor:
    """Square pictures made smaller, to a multiple of four pixels."""
    if shrink == 1:
        return normalized
    side = max(8, 4 * round(normalized.shape[-1] / shrink / 4))
    return F.interpolate(normalized, (side, side), mode="bilinear", antialias=True)


def fit(taught: Tensor, target: Target, shape: torch.Size) -> Tensor:
    """The teacher's features at the positions of the student's."""
    if target.means:
        return F.adaptive_avg_pool2d(taught.float(), shape)
    return taught if taught.shape[-2:] == shape else F.interpolate(taught.float(), shape, mode="bilinear")


def errors(
    student: Student,
    normalized: Tensor,
    taught: dict[str, Tensor],
    targets: dict[str, Target],
    pooling: str,
    cut: str,
) -> dict[str, Tensor]:
    """For each target two numbers: the relative squared error of the features; the relative error of Gram matrices.

    No gradient passes back through the layer `cut`.
    """
    layers = {target.layer for target in targets.values()}
    features, found = student.vgg(normalized, layers, pooling, cut), {}
    for name, target in targets.items():
        own = features[target.layer]
        aim = fit(taught[name], target, own.shape[-2:])
        head = student.heads[pooling][name].weight.flatten(1)
        with torch.autocast(aim.device.type, enabled=False):
            found[name] = layer_errors(_rows(own), _rows(aim), head)
    return found


def _rows(features: Tensor) -> Tensor:
    """(B, positions, C) in float32, without moving memory where channels are innermost."""
    return features.permute(0, 2, 3, 1).flatten(1, 2).float()


def layer_errors(features: Tensor, target: Tensor, head: Tensor) -> Tensor:
    """Errors of features @ head.T as a guess of the target, and of its Gram matrix (its root): a tensor of two.

    Both follow from second moments alone. That is exact, and saves the large tensors that the guess would need.
    """
    moments, cross, own = features.mT @ features, features.mT @ target, target.mT @ target
    guessed = head @ moments @ head.T
    norm = _trace(own)
    error = _trace(guessed) - 2 * (cross * head.T).sum((1, 2)) + norm
    gram_norm = own.square().sum((1, 2))
    gram_error = (guessed - own).square().sum((1, 2))
    # The root: a few pictures are far worse than the rest, and squares would listen to nobody else.
    return torch.stack([_relative(error, norm).mean(), (_relative(gram_error, gram_norm) + 1e-5).sqrt().mean()])


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)


def _relative(error: Tensor, norm: Tensor) -> Tensor:
    # A nearly empty picture has a small norm; without a floor it would drown the others.
    return error / (norm + 0.1 * norm.mean())


# ---------------------------------------------------------------- a head start


def rooms(teacher: Vgg, convolutions: dict[str, nn.Conv2d]) -> dict[str, dict[int, range]]:
    """Which of its filters a convolution has for what the teacher sees in the picture halved 0, 1, 2... times.

    In proportion to the teacher's, but fewer by `_fading`; `CARRIED` before them where the picture must be carried on.
    """
    taught, names, found = teacher.convolutions, list(convolutions), {}
    widths = {name: module.out_channels for name, module in taught.items()}
    halvings, current = _halvings(list(taught), names), {}
    for name, module in convolutions.items():
        start, shares = CARRIED if _block(name) <= halvings else 0, {}
        for times in range(min(halvings, _block(name) - 1) + 1):
            current[times] = widths.get(_twin(name, times), current.get(times, 0))
            shares[times] = current[times] / FADE ** _fading(name, times, list(taught))
        found[name] = {}
        for times, share in shares.items():
            left = sum(value for at, value in shares.items() if at >= times)
            count = round((module.out_channels - start) * share / left)
            found[name][times] = range(start, start + count)
            start += count
    return found


def _fading(name: str, times: int, taught: list[str]) -> float:
    """How many times what a convolution sees of the picture halved so often gives way to the rest, by `FADE` each.

    Once for each block past the teacher's last. Half a time past its last layer in the same block, and for smaller
    pictures in layers that have a namesake.
    """
    blocks_past = _block(name) - times - _block(taught[-1])
    if blocks_past == 0 and _twin(name, times) not in taught:
        return 0.5
    return max(blocks_past, 0.5 if times and name in taught else 0.0)


def loudness(teacher: Vgg, convolutions: dict[str, nn.Conv2d]) -> dict[str, Tensor]:
    """For each filter of a convolution 1, or `QUIET` where it is only on its way to a deeper layer.

    In a layer that has a namesake, what it prepares would count in its Gram matrix as if it saw larger things than the
    namesake does. The layers past the teacher's last need all that they have.
    """
    found = {}
    for name, places in rooms(teacher, convolutions).items():
        found[name] = torch.full((convolutions[name].out_channels,), QUIET)
        for times, room in places.items():
            if times == 0 or name not in teacher.convolutions:
                found[name][room.start : room.stop] = 1.0
    return found


@torch.no_grad()
def inherit(student: Student, teacher: Vgg, normalized: Tensor) -> None:
    """Start from the teacher's own filters: those from which all its filters can best be told, by least squares.

    The matrix that tells all from the chosen is multiplied into the next convolution. That makes the student a pruned
    teacher of the picture, and of the picture halved as often as it has blocks more; training starts from there. Where
    the teacher has no next convolution, or not yet, the chosen are passed on.
    """
    convolutions = student.vgg.convolutions
    places = rooms(teacher, convolutions)
    for module in convolutions.values():
        module.weight.zero_()
        module.bias.zero_()
    halvings = _halvings(list(teacher.convolutions), list(convolutions))
    _carry([module for name, module in convolutions.items() if _block(name) <= halvings])
    for times in range(halvings + 1):
        features = teacher(shrunk(normalized, 2**times), map(_layer, teacher.convolutions), "avg")
        before, lift, tell = range(3), LIFT if times else 0.0, torch.eye(3)
        for name, module in convolutions.items():
            if times not in places[name]:
                continue
            twin, room = _twin(name, times), places[name][times]
            if twin in teacher.convolutions:
                weight, bias = teacher.convolutions[twin].weight, teacher.convolutions[twin].bias
                moments = gram(features[_layer(twin)]).mean(0).double()
            else:
                weight, bias = _passing(len(moments)), torch.zeros(len(moments))
            chosen = choose_filters(moments, len(room))
            own = torch.einsum("oihw,ij->ojhw", weight[chosen], tell)
            module.weight[room.start : room.stop, before.start : before.stop] = own
            module.bias[room.start : room.stop] = bias[chosen] - lift * own.sum((1, 2, 3))
            tell = (moments[:, chosen] @ torch.linalg.pinv(moments[chosen][:, chosen], rtol=1e-6)).float()
            before, lift = room, 0.0


def _carry(convolutions: list[nn.Conv2d]) -> None:
    """Let the first filters pass the picture on, blurred so that pooling it does not alias."""
    blur = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    for number, module in enumerate(convolutions):
        module.weight[range(CARRIED), range(CARRIED)] = blur
        module.bias[:CARRIED] = 0.0 if number else LIFT


def _passing(count: int) -> Tensor:
    """Weights of a 3x3 convolution that changes nothing."""
    weight = torch.zeros(count, count, 3, 3)
    weight[range(count), range(count), 1, 1] = 1
    return weight


@torch.no_grad()
def fit_heads(student: Student, teacher: Vgg, normalized: Tensor, targets: dict[str, Target]) -> None:
    """Give each head the least-squares solution to start from."""
    for pooling, heads in student.heads.items():
        taught = teach(teacher, normalized, targets, pooling)
        features = student.vgg(normalized, {target.layer for target in targets.values()}, pooling)
        for name, target in targets.items():
            aim = fit(taught[name], target, features[target.layer].shape[-2:])
            rows, aims = _rows(features[target.layer]).flatten(0, 1), _rows(aim).flatten(0, 1)
            moments = rows.mT @ rows
            ridge = (1e-4 * moments.diagonal() + 1e-6 * moments.diagonal().mean()).diag()
            heads[name].weight.copy_(torch.linalg.solve(moments + ridge, rows.mT @ aims).mT[..., None, None])


def choose_filters(moments: Tensor, count: int) -> Tensor:
    """Greedy choice of filters: each time the one that explains most of what is left of all filters' energy."""
    left, chosen = moments.clone(), []
    for _ in range(count):
        gain = left.square().sum(0) / left.diagonal().clamp_min(1e-9)
        gain[chosen] = -1
        best = int(gain.argmax())
        chosen.append(best)
        left = left - torch.outer(left[best], left[best]) / left[best, best].clamp_min(1e-9)
    return torch.tensor(chosen, dtype=torch.long)


# ---------------------------------------------------------------- pictures


class Pictures:
    """Batches of training pictures. The batch of a step depends on the seed and the step alone."""

    def __init__(self, recipe: Recipe, side: int = 256):
        self.recipe = recipe
        drawn = training_pictures.pool(recipe.pictures, max(side, recipe.crop), recipe.seed)
        self.drawn = [torch.from_numpy(p).permute(2, 0, 1) for p in drawn]
        self.photographs = [torch.from_numpy(p.copy()).permute(2, 0, 1) for p in training_pictures.photographs()]
        self.dreams: list[Tensor] = []

    def batch(self, step: int, count: int | None = None, use: int = 1) -> Tensor:
        """Pictures (count, 3, crop, crop), normalized as torchvision does."""
        rng = np.random.default_rng((self.recipe.seed, step, use))
        pictures = [self._picture(rng) for _ in range(count or self.recipe.batch)]
        return normalize_picture(torch.stack(pictures))

    def targets(self, step: int, count: int, use: int = 2) -> Tensor:
        """Pictures whose textures are to be synthesized, normalized."""
        rng = np.random.default_rng((self.recipe.seed, step, use))
        return normalize_picture(torch.stack([self._crop(rng) for _ in range(count)]))

    def keep(self, normalized: Tensor) -> None:
        """Add synthesized pictures to the training pictures; the oldest give way."""
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        pictures = normalized * std + mean
        self.dreams.extend(((pictures + 0.5) * 127.5).round().clamp(0, 255).to(torch.uint8))
        del self.dreams[:-DREAMS_KEPT]

    def _picture(self, rng: np.random.Generator) -> Tensor:
        if self.dreams and rng.random() < min(DREAM_SHARE, len(self.dreams) / 100):
            return self.dreams[rng.integers(len(self.dreams))].float() / 127.5 - 0.5
        picture = self._crop(rng)
        if rng.random() < 0.15:
            picture = picture.lerp(self._crop(rng), float(rng.uniform(0.1, 0.9)))
        return _disturb(rng, _recolor(rng, picture))

    def _crop(self, rng: np.random.Generator) -> Tensor:
        sources = self.photographs if rng.random() < 0.2 else self.drawn
        source, crop = sources[rng.integers(len(sources))], self.recipe.crop
        side = int(min(crop * np.exp(rng.uniform(-0.6, 0.6)), *source.shape[1:]))
        y, x = (int(rng.integers(0, length - side + 1)) for length in source.shape[1:])
        part = source[:, y : y + side, x : x + side].float()[None] / 255
        part = F.interpolate(part, (crop, crop), mode="bilinear", antialias=True)[0]
        part = part.mT if rng.random() < 0.5 else part
        return part.flip([axis for axis in (1, 2) if rng.random() < 0.5])


def normalize_picture(picture: Tensor) -> Tensor:
    """From sRGB in [0, 1] to what torchvision's networks take."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (picture - mean) / std


def _recolor(rng: np.random.Generator, picture: Tensor) -> Tensor:
    if rng.random() < 0.4:
        picture = picture[torch.from_numpy(rng.permutation(3))]
    if rng.random() < 0.1:
        picture = 1 - picture
    if rng.random() < 0.3:
        mean = picture.mean((1, 2), keepdim=True)
        picture = mean + (picture - mean) * float(rng.uniform(0.3, 1.5)) + float(rng.normal(0, 0.1))
    return picture


def _disturb(rng: np.random.Generator, picture: Tensor) -> Tensor:
    """Noise, and the stripes and checkerboards at the limit of resolution that optimizers like to hide in pictures."""
    size = picture.shape[-1]
    if rng.random() < 0.3:
        noise = rng.normal(0, np.exp(rng.uniform(-4, -1)), (3 if rng.random() < 0.7 else 1, size, size))
        picture = picture * float(rng.choice([0, 0.5, 1, 1, 1, 1])) + torch.from_numpy(noise).float()
        if rng.random() < 0.3:
            picture = F.avg_pool2d(picture[None], 3, 1, 1, count_include_pad=False)[0]
    if rng.random() < 0.08:
        y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        period, turn = int(rng.integers(1, 3)), int(rng.integers(3))
        board = ((y // period * (turn != 1) + x // period * (turn != 0)) % 2) - 0.5
        color = torch.from_numpy(rng.normal(0, 0.15, (3, 1, 1))).float()
        picture = picture + color * board
    return picture


# ---------------------------------------------------------------- training


class Training:
    """Student, optimizer and progress: all that a checkpoint holds."""

    def __init__(self, recipe: Recipe, teacher: Vgg, device: str, widths: Iterable[int | str] = MINI_WIDTHS):
        torch.manual_seed(recipe.seed)
        self.recipe, self.teacher, self.device, self.step = recipe, teacher, device, 0
        self.pictures = Pictures(recipe)
        names = list(Vgg(mini_net(widths)).convolutions)
        self.targets = curriculum(teacher, names)
        # The layers that learn the teacher's last one at larger scales take what lies before them as it is: it has a
        # better teacher of its own.
        self.last_taught = list(teacher.convolutions)[-1].replace("conv", "relu")
        channels = {_layer(name): m.out_channels for name, m in teacher.convolutions.items()}
        self.student = Student(widths, self.targets, channels)
        sample = self.pictures.batch(0, 24, use=4)
        inherit(self.student, teacher, sample)
        fit_heads(self.student, teacher, sample, self.targets)
        self.student.to(device)
        teacher.features.to(device)
        self.average = copy.deepcopy(self.student).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.student.parameters(), betas=(0.9, 0.99))

    def run(self) -> Iterator[dict[str, Tensor]]:
        """Train to the end of the recipe; gives each step's errors."""
        while self.step < self.recipe.steps:
            yield self.advance()

    def advance(self) -> dict[str, Tensor]:
        """One step."""
        step, recipe = self.step, self.recipe
        if recipe.dreams and step and step % recipe.dreams == 0:
            self.dream()
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate * _schedule(step / recipe.steps)
        pooling = "avg" if np.random.default_rng((recipe.seed, step, 3)).random() < AVERAGE_SHARE else "max"
        normalized = self.pictures.batch(step).to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            targets = lesson(self.targets, step)
            taught = teach(self.teacher, normalized, targets, pooling)
            found = errors(self.student, normalized, taught, targets, pooling, self.last_taught)
        loss = sum(feature + recipe.gram_weight * second for feature, second in found.values())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        self._follow(min(0.998, (1 + step) / (10 + step)))
        self.step += 1
        return {layer: error.detach() for layer, error in found.items()}

    def dream(self) -> None:
        """Synthesize pictures with the student, from noise or from others, and keep them among the training pictures.

        They are where its errors hide: to the student their Gram matrices, or the features of a deep layer, are right;
        to the teacher they may not be.
        """
        aims = self.pictures.targets(self.step, DREAMS_AT_ONCE).to(self.device)
        rng = np.random.default_rng((self.recipe.seed, self.step, 6))
        others = without_namesake(self.targets)
        of_content = bool(others) and rng.random() < 0.4
        layers = [_layer(name) for name in self.teacher.convolutions if rng.random() < 0.5]
        layers += [layer for layer in others if rng.random() < 0.15]
        layers = [str(rng.choice(others))] if of_content else layers or ["relu1_1"]
        seen: Callable[[Tensor], Tensor] = (lambda features: features) if of_content else gram
        measure = content_loss if of_content else style_loss
        with torch.no_grad():
            wanted = {layer: seen(f) for layer, f in self.average.vgg(aims, layers, "avg").items()}
        start = aims.mean((2, 3), keepdim=True) + 0.45 * torch.from_numpy(rng.normal(size=aims.shape)).to(aims)
        if rng.random() < 0.4:
            start = self.pictures.targets(self.step, DREAMS_AT_ONCE, use=7).to(aims)
        picture = start.requires_grad_()
        optimizer = LBFGS([picture])

        def losses() -> Tensor:
            optimizer.zero_grad()
            with torch.autocast(self.device, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
                features = self.average.vgg(picture, layers, "avg")
            loss = sum(measure(seen(features[layer]).float(), aim.float(), "relative") for layer, aim in wanted.items())
            loss.sum().backward()
            return loss.detach()

        for _ in range(int(rng.integers(20, 80))):
            optimizer.step(losses)
        self.pictures.keep(optimizer.accepted_point().detach().cpu())

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        """Move the averaged weights towards the present ones."""
        for average, now in zip(self.average.parameters(), self.student.parameters(), strict=True):
            average.lerp_(now, 1 - decay)

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on as if nothing had happened."""
        return {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "dreams": self.pictures.dreams,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same recipe."""
        if state["recipe"] != asdict(self.recipe):
            raise SystemExit(f"the checkpoint was made by another recipe: {state['recipe']}")
        self.student.load_state_dict(state["student"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.pictures.dreams = state["step"], state["dreams"]

    def weights(self) -> dict[str, Tensor]:
        """The averaged student's weights, normalized, in half precision, as `load_backbone` reads them."""
        features = copy.deepcopy(self.average.features).float().cpu()
        vgg, pictures = Vgg(features), torch.cat([self.pictures.batch(i, 16, use=5) for i in range(8)])
        normalize_filters(vgg, pictures, loudness(self.teacher, vgg.convolutions))
        return {key: value.half().contiguous() for key, value in named_vgg(features).state_dict().items()}


def _schedule(progress: float) -> float:
    """Share of the learning rate: a short rise, then half a cosine down to zero."""
    return float(min(1.0, progress / 0.02 + 0.01) * 0.5 * (1 + np.cos(np.pi * progress)))


@torch.no_grad()
def normalize_filters(vgg: Vgg, normalized: Tensor, loud: dict[str, Tensor] | None = None) -> None:
    """Rescale so that the mean activation over pictures and both poolings is 1, as Gatys et al. did for each filter.

    Here filters that respond seldom stay quieter, as with a mean of 1 their rare peaks would drown all others: before
    all filters of a layer are brought to a mean of 1 together, no filter has a mean above 1, a root mean square above 2
    over all pictures, or above 4 over any one. Nor is every filter as loud as the others where `loud` says so. Each
    convolution undoes the rescaling of the one before, so that the network sees what it saw.
    """
    convolutions = vgg.convolutions
    layers = [_layer(name) for name in convolutions]
    both = [vgg(normalized, layers, pooling) for pooling in vgg.named]
    before = torch.ones(3)
    for (name, module), layer in zip(convolutions.items(), layers, strict=True):
        responses = torch.cat([features[layer] for features in both])
        mean, squares = responses.mean((0, 2, 3)), responses.square().mean((2, 3))
        peaks = torch.maximum(squares.mean(0).sqrt() / 2, squares.amax(0).sqrt() / 4)
        scale = 1 / torch.maximum(mean, peaks).clamp_min(mean.median() / 5 + 1e-6)
        scale *= 1 if loud is None else loud[name]
        scale /= (scale * mean).mean()
        module.weight.mul_(scale[:, None, None, None] / before[None, :, None, None])
        module.bias.mul_(scale)
        before = scale


def pooling_scale(teacher: Vgg) -> dict[str, dict[str, float]]:
    """Mean activation after max pooling over that after another pooling, at pool1 and pool2, on photographs."""
    poolings = {"avg": lambda f: F.avg_pool2d(f, 2), "l2": lambda f: F.avg_pool2d(f.square(), 2).sqrt()}
    ratios: dict[str, dict[str, list[float]]] = {kind: {} for kind in poolings}
    for photograph in training_pictures.photographs():
        picture = torch.tensor(photograph).permute(2, 0, 1)[None] / 255
        features = teacher(normalize_picture(picture), ["relu1_2", "relu2_2"], "max")
        for layer, responses in features.items():
            for kind, pool in poolings.items():
                ratio = F.max_pool2d(responses, 2).mean() / pool(responses).mean()
                ratios[kind].setdefault(layer.replace("relu", "pool")[:-2], []).append(ratio.item())
    return {kind: {at: float(np.mean(values)) for at, values in by.items()} for kind, by in ratios.items()}


# ---------------------------------------------------------------- command line


def write(path: Path, save: Any) -> None:
    """Write a file so that an interruption leaves the old one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    save(partial)
    partial.chmod(0o644)  # safetensors leaves its files to their owner alone
    os.replace(partial, path)


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--teacher", required=True, help='"vgg19" (downloads it), or a vgg_normalised .pth file that opens with 1x1')
    add("--out", type=Path, default=Path("nstlib/weights/mini.safetensors"), help="the weights (default: %(default)s)")
    add("--steps", type=int, default=6000, help="optimizer steps (default: %(default)s)")
    add("--minutes", type=float, help="instead of --steps: as many as fit, measured on the first ones")
    add("--batch", type=int, default=10, help="pictures a step (default: %(default)s)")
    add("--crop", type=int, default=160, help="their side in pixels, a multiple of 16 (default: %(default)s)")
    add("--pictures", type=int, default=1600, help="how many pictures to draw (default: %(default)s)")
    add("--rate", type=float, default=4e-4, help="highest learning rate (default: %(default)s)")
    add("--gram-weight", type=float, default=0.5, help="weight of the Gram matrices' errors (default: %(default)s)")
    add("--dreams", type=int, default=0, help="every so many steps, synthesize textures to train on; 0: never")
    add("--seed", type=int, default=0, help="same seed, same machine: same weights (default: %(default)s)")
    add("--precision", choices=("float32", "bfloat16"), default="float32", help="bfloat16 is faster where it is native")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    add("--checkpoint", type=Path, help="file to save progress in, every --save-every steps and at the end")
    add("--save-every", type=int, default=250, help="(default: %(default)s)")
    add("--resume", action="store_true", help="go on from --checkpoint, exactly as if it had not stopped")
    add("--pooling-scale", action="store_true", help="only print how pooling changes the teacher's activations")
    return parser.parse_args()


def recipe_of(args: argparse.Namespace, steps: int) -> Recipe:
    """The part of the options that decides the result."""
    names = ("seed", "batch", "crop", "pictures", "rate", "gram_weight", "dreams", "precision")
    return Recipe(steps=steps, **{name: getattr(args, name) for name in names})


def steps_in(args: argparse.Namespace, teacher: Vgg) -> int:
    """How many steps fit into --minutes."""
    trial, count = Training(recipe_of(args, 1000), teacher, args.device), 12
    for index in range(count):
        if index == 3:
            start = time.perf_counter()
        trial.advance()
    return round(args.minutes * 60 * (count - 3) / (time.perf_counter() - start))


def train(args: argparse.Namespace, teacher: Vgg) -> Training:
    """Train with a progress bar, saving checkpoints."""
    steps = steps_in(args, teacher) if args.minutes else args.steps
    saved = torch.load(args.checkpoint, weights_only=True) if args.resume and args.checkpoint.exists() else None
    if saved and args.minutes:
        steps = saved["recipe"]["steps"]
    training = Training(recipe_of(args, steps), teacher, args.device)
    if saved:
        training.load_state(saved)
    shown: dict[str, Tensor] = {}
    with tqdm(total=steps, initial=training.step, unit="step", mininterval=5) as bar:
        for found in training.run():
            for layer, error in found.items():
                shown[layer] = shown.get(layer, error).lerp(error, 0.05)
            bar.set_postfix_str(report(shown), refresh=False)
            bar.update()
            if args.checkpoint and training.step % args.save_every == 0:
                write(args.checkpoint, lambda path: torch.save(training.state(), path))
    return training


def report(shown: dict[str, Tensor]) -> str:
    """Running errors in a line: features / Gram matrices, in percent."""
    return " ".join(f"{layer[4:]} {100 * e[0]:.1f}/{100 * e[1]:.0f}" for layer, e in sorted(shown.items()))


def main() -> None:
    """Train, or measure the pooling, as the command line says."""
    args = options()
    keep_freed_memory()
    teacher = load_teacher(args.teacher)
    if args.pooling_scale:
        for kind, ratios in pooling_scale(teacher).items():
            print(f"max / {kind}: " + ", ".join(f"{at} {ratio:.3f}" for at, ratio in ratios.items()))
        return
    training = train(args, teacher)
    if args.checkpoint:
        write(args.checkpoint, lambda path: torch.save(training.state(), path))
    write(args.out, lambda path: save_file(training.weights(), path))
    print(f"wrote {args.out}, {args.out.stat().st_size / 1e6:.2f} MB, after {training.step} steps")


if __name__ == "__main__":
    main()
