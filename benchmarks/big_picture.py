"""What a large picture costs in tiles: the peak memory of the whole process, and seconds a step.

Each measurement has a process of its own: a run as the command line makes it, with tile="auto", at a large size, and
one of the whole picture at a size where it fits. The cost of tiling is the ratio of their seconds a megapixel. VGG-19
has random weights here, which cost the same, and nothing is downloaded.
"""

import argparse
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import torch
from step_cost import seconds, vgg19_of_random_weights

import nstlib as nst

BACKBONES = {"mini": "mini", "vgg19": "vgg19 of random weights"}


@nst.register("vgg19 of random weights")
def _random_vgg19(*_: object) -> nst.Backbone:
    return vgg19_of_random_weights()


@dataclass(frozen=True)
class Cost:
    """What a run took."""

    height: int
    width: int
    tile: int | None
    seconds: float  # a step
    bytes: int  # at most, the whole process on a CPU, all tensors on a GPU

    @property
    def seconds_a_megapixel(self) -> float:
        """Of a step."""
        return self.seconds / (self.height * self.width / 1e6)

    def __str__(self) -> str:
        how = "whole" if self.tile is None else f"tiles of {self.tile}"
        return (
            f"{self.width:5} x {self.height:<5} {how:14} {self.seconds:7.2f} s a step  "
            f"{self.seconds_a_megapixel:6.2f} s a megapixel  {self.bytes / 1e9:5.2f} GB at most"
        )


def measure(size: int, steps: int, options: nst.Options) -> Cost:
    """Take some steps after a first one, in this process."""
    run = nst.prepare("village", "swirls", size=size, quiet=True, **options)
    run.step()
    each = seconds(run, steps)
    return Cost(*run.image.shape[-2:], run.objective.tile, each, peak_bytes(run.device))


def peak_bytes(device: torch.device) -> int:
    """The most that this process has had in memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in kilobytes


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives in a process of its own, whose peak of memory nothing before it has raised."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> None:
    """Measure both sizes with each backbone, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=4096, help="longer side of the large picture (%(default)s)")
    parser.add_argument("--whole", type=int, default=1024, help="of the picture that is computed whole (%(default)s)")
    parser.add_argument("--backbone", choices=BACKBONES, nargs="+", default=list(BACKBONES), help="(both)")
    parser.add_argument("--steps", type=int, default=3, help="that are timed (%(default)s)")
    parser.add_argument("--optimizer", choices=("lbfgs", "adam"), default="lbfgs", help="(%(default)s)")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--device", help="cpu, cuda, mps (the best there is)")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {args.device or nst.default_device()}, {torch.get_num_threads()} threads")
    shared = {"optimizer": args.optimizer, "precision": args.precision, "device": args.device}
    for name in args.backbone:
        options = {"backbone": BACKBONES[name], **shared}
        whole = alone(measure, args.whole, args.steps, {"tile": None, **options})
        print(f"{name:6} {whole}", flush=True)
        large = alone(measure, args.size, args.steps, {"tile": "auto", **options})
        print(f"{name:6} {large}, {large.seconds_a_megapixel / whole.seconds_a_megapixel:.2f} times the whole's")


if __name__ == "__main__":
    main()
