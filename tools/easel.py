"""Pictures that are being painted with the network in training: where its errors hide.

An optimizer seeks out whatever a network sees wrongly. So the network learns from the pictures that transfers with
itself pass through.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from training_batches import Pictures, normalize_picture

from nstlib.losses import content_loss, gram, style_loss, tv_loss
from nstlib.objective import GATYS_CONTENT, GATYS_STYLE

Network = Callable[[Tensor, Iterable[str], str], dict[str, Tensor]]  # normalized picture, layers, pooling
STEPS_A_VISIT = 3
AGES = (30, 120)  # steps after which a group of transfers is finished and gives way to another
BETAS = (2.0, 100.0)
TV = 10.0
RATES = (0.05, 0.005)  # of Adam, first and last: those of a transfer of quality "good"


class Easel:
    """A few groups of transfers on their way, at random weights, each picture with a content and a style of its own.

    Each visit goes to the next group. All is decided by the seed, the step and the network.
    """

    def __init__(self, pictures: Pictures, groups: int, count: int, crop: int):
        self.pictures, self.count, self.crop = pictures, count, crop
        self.groups: list[dict[str, Any]] = [{"age": 0, "due": 0} for _ in range(groups)]

    def visit(self, network: Network, step: int) -> Tensor:
        """Paint on for a moment, and give the pictures (count, 3, crop, crop), normalized."""
        number = step % len(self.groups)
        if self.groups[number]["age"] >= self.groups[number]["due"]:
            self.groups[number] = self._begin(step)
        group = self.groups[number]
        _paint(network, group)
        return normalize_picture(group["image"])

    def _begin(self, step: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.pictures.seed, step, 2))
        content = self.pictures.contents(rng, self.count, self.crop)
        noise = content.mean((2, 3), keepdim=True) + 0.1 * torch.from_numpy(rng.normal(size=content.shape)).float()
        from_noise = torch.from_numpy(rng.random(self.count) < 0.3).view(-1, 1, 1, 1)
        betas = np.exp(rng.uniform(*np.log(BETAS), self.count))
        return {
            "age": 0,
            "due": int(rng.integers(*AGES)),
            "content": content,
            "style": self.pictures.styles(rng, self.count, self.crop),
            "beta": torch.from_numpy(betas).float(),
            "image": torch.where(from_noise, noise, content).clamp(0, 1),
            "mean": torch.zeros_like(content),
            "square": torch.zeros_like(content),
        }


def _paint(network: Network, group: dict[str, Any]) -> None:
    """Some steps of Adam towards content and style as the network sees them now."""
    layers = [*GATYS_CONTENT, *GATYS_STYLE]
    with torch.no_grad():
        content = network(normalize_picture(group["content"]), GATYS_CONTENT, "avg")
        style = network(normalize_picture(group["style"]), GATYS_STYLE, "avg")
        grams = {layer: gram(features) for layer, features in style.items()}
    for _ in range(STEPS_A_VISIT):
        image = group["image"].requires_grad_()
        features = network(normalize_picture(image), layers, "avg")
        terms = [w * content_loss(features[at], content[at], "relative") for at, w in GATYS_CONTENT.items()]
        terms += [
            group["beta"] * w * style_loss(gram(features[at]), grams[at], "relative") for at, w in GATYS_STYLE.items()
        ]
        loss = sum(terms) + TV * tv_loss(image, border=0.5)
        (slope,) = torch.autograd.grad(loss.sum(), image)
        _adam(group, slope)


@torch.no_grad()
def _adam(group: dict[str, Any], slope: Tensor, betas: tuple[float, float] = (0.9, 0.8)) -> None:
    """A step of Adam that stays within the range of colors, with the state in the group."""
    group["age"] += 1
    progress = min(1.0, group["age"] / AGES[1])
    rate = RATES[0] * (RATES[1] / RATES[0]) ** progress
    group["mean"].lerp_(slope, 1 - betas[0])
    group["square"].lerp_(slope.square(), 1 - betas[1])
    mean, square = (
        group[name] / (1 - beta ** group["age"]) for name, beta in zip(("mean", "square"), betas, strict=True)
    )
    group["image"] = (group["image"].detach() - rate * mean / (square.sqrt() + 1e-8)).clamp(0, 1)
