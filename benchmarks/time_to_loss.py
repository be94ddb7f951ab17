"""How long it takes to come to the loss that Adam reaches after 500 steps at full size in float32.

Adam is run as tutorials do it, in plain PyTorch; then the same pictures by this package, in several ways. One objective
judges them all, in float32 at full size and with a plain total variation, while the clock stands still. Everything else
counts, the targets too; only networks are loaded before. vgg19 has random weights, of the size that training starts
from: nothing is downloaded.

    python benchmarks/time_to_loss.py --backbone mini vgg19
"""

import argparse
import copy
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from step_cost import vgg19_of_random_weights
from torch import Tensor

import nstlib as nst
from nstlib.objective import BETA, GATYS_CONTENT, GATYS_STYLE
from nstlib.options import DEFAULTS, QUALITIES

TEXTBOOK = "textbook Adam"
TV = 10.0
LOOK_EVERY = 5  # steps
SHORT_MEANS = {"optimizer": "adam", "betas": (0.9, 0.8)}


@dataclass(frozen=True)
class Way:
    """Precision, options of a run, and how many steps it may take."""

    precision: str
    options: dict[str, Any]
    steps: int


WAYS = {
    "L-BFGS": Way("float32", {"optimizer": "lbfgs"}, 250),
    "Adam of short means": Way("float32", SHORT_MEANS, 250),
    "the same, fast precision": Way("auto", SHORT_MEANS, 250),
    **{
        f'quality="{name}"': Way(
            quality.options.get("precision", "float32"),
            {option: value for option, value in quality.options.items() if option != "precision"},
            quality.steps,
        )
        for name, quality in QUALITIES.items()
    },
}


@dataclass
class Watch:
    """A clock that stands still while the picture is judged.

    Attributes:
        judge: from a picture to its loss.
        seconds, losses: at every look.
    """

    judge: Callable[[Tensor], float]
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    began: float = 0.0

    def start(self) -> None:
        """From here on time counts."""
        self.began = time.perf_counter()

    def look(self, image: Tensor) -> None:
        """Judge the picture."""
        if image.is_cuda:
            torch.cuda.synchronize()
        stopped = time.perf_counter()
        self.seconds.append(stopped - self.began)
        self.losses.append(self.judge(image))
        self.began += time.perf_counter() - stopped


def textbook_adam(backbone: nst.Backbone, content: Tensor, style: Tensor, steps: int, watch: Watch) -> None:
    """The loop of the tutorials: a sequential network, losses on the way, Adam with its usual settings, a clamp."""
    names = {node: layer for layer, node in backbone.nodes.items()}
    modules = [(names.get(node), module) for node, module in backbone.net.named_children()]
    wanted = [*GATYS_CONTENT, *GATYS_STYLE]
    modules = modules[: 1 + max(place for place, (name, _) in enumerate(modules) if name in wanted)]
    mean = torch.tensor(backbone.mean, device=content.device).view(1, 3, 1, 1)
    std = torch.tensor(backbone.std, device=content.device).view(1, 3, 1, 1)

    def features(image: Tensor) -> dict[str, Tensor]:
        found, response = {}, (image - mean) / std
        for name, module in modules:
            response = module(response)
            if name in wanted:
                found[str(name)] = response
        return found

    def gram(response: Tensor) -> Tensor:
        rows = response.flatten(2)[0]
        return rows @ rows.T / rows.shape[1]

    def difference(ours: Tensor, target: Tensor) -> Tensor:
        return (ours - target).square().sum() / target.square().sum()

    watch.start()
    with torch.no_grad():
        content_target = features(content)
        style_target = {layer: gram(response) for layer, response in features(style).items()}
    image = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.02)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        found = features(image)
        loss = TV * (image.diff(dim=-1).square().mean() + image.diff(dim=-2).square().mean())
        for layer, weight in GATYS_CONTENT.items():
            loss = loss + weight * difference(found[layer], content_target[layer])
        for layer, weight in GATYS_STYLE.items():
            loss = loss + BETA["relative"] * weight * difference(gram(found[layer]), style_target[layer])
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        if step % (5 * LOOK_EVERY) == 0:
            watch.look(image.detach())


def compare(
    backbone: nst.Backbone, size: int, pictures: list[str], steps: int, device: str | None
) -> dict[str, tuple[int, float, float]]:
    """Each way's steps, loss and seconds, until it has come to the textbook's loss, or as many steps as it may take."""
    plain = copy.deepcopy(backbone.net).to(memory_format=torch.contiguous_format)  # as the tutorials have it
    extract = {name: nst.FeatureExtractor(backbone, precision=name, device=device) for name in ("float32", "auto")}
    content, style = (nst.load_image(picture, size).to(extract["auto"].device) for picture in pictures)
    judging = nst.Objective(extract["float32"], content, style, tv=TV)

    @torch.no_grad()
    def judge(image: Tensor) -> float:
        return judging(image).total.item()

    watch = Watch(judge)
    textbook_adam(dataclasses.replace(backbone, net=plain.to(content.device)), content, style, steps, watch)
    found = {TEXTBOOK: (steps, watch.losses[-1], watch.seconds[-1])}
    for name, way in WAYS.items():
        watch = Watch(judge)
        watch.start()
        objective = nst.Objective(extract[way.precision], content, style, tv=TV, border=DEFAULTS["border"])
        run = nst.Run(objective, **way.options)
        for step in run.steps(way.steps, progress=False):
            if step.number % LOOK_EVERY == 0:
                watch.look(run.image)
                if watch.losses[-1] <= found[TEXTBOOK][1]:
                    break
        found[name] = (run.taken, watch.losses[-1], watch.seconds[-1])
    return found


def table(found: dict[str, tuple[int, float, float]]) -> str:
    """In Markdown."""
    _, goal, whole = found[TEXTBOOK]
    rows = ["| way | steps | loss | seconds | of the textbook's time |", "| --- | --- | --- | --- | --- |"]
    for name, (steps, loss, seconds) in found.items():
        share = f"{seconds / whole:.2f}" if loss <= goal else f"not reached ({seconds / whole:.2f})"
        rows.append(f"| {name} | {steps} | {loss:.4f} | {seconds:.1f} | {share} |")
    return "\n".join(rows)


def main() -> None:
    """Measure, and print a table for each backbone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", choices=("mini", "vgg19"), nargs="+", default=["mini"], help="(mini)")
    parser.add_argument("--size", type=int, default=512, help="longer side in pixels (%(default)s)")
    parser.add_argument("--pictures", nargs=2, default=["village", "swirls"], metavar=("CONTENT", "STYLE"))
    parser.add_argument("--steps", type=int, default=500, help="of the textbook's Adam (%(default)s)")
    parser.add_argument("--device", help="cpu, cuda, mps (the best there is)")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {args.device or nst.default_device()}, {torch.get_num_threads()} threads")
    for name in args.backbone:
        backbone = vgg19_of_random_weights() if name == "vgg19" else nst.load_backbone(name, "avg")
        print(f"\n{name}, {args.size} px, {' in '.join(args.pictures)}\n")
        print(table(compare(backbone, args.size, args.pictures, args.steps, args.device)), flush=True)


if __name__ == "__main__":
    main()
