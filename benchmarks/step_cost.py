"""How long a step takes with mini, as a share of a step with vgg19, in the same run.

A step is one evaluation of the objective, forward and backward, and the optimizer's change of the image. The time does
not depend on the weights, so vgg19 is measured with random ones and nothing is downloaded.
"""

import argparse
import statistics
import time

import torch
import torchvision
from torch import nn

import nstlib as nst
from nstlib.networks.vgg import named_vgg, vgg_backbone


def vgg19_of_random_weights() -> nst.Backbone:
    """VGG-19's convolutions, as torchvision builds them and as He et al. (arXiv 1502.01852) start their training."""
    torch.manual_seed(0)
    features = torchvision.models.get_model("vgg19", weights=None, init_weights=False).features
    for convolution in filter(lambda module: isinstance(module, nn.Conv2d), features):
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(convolution.bias)
    return vgg_backbone("vgg19", named_vgg(features).eval().requires_grad_(False))


def start_run(backbone: str | nst.Backbone, size: int, optimizer: str, device: str | None) -> nst.Run:
    """A run with the paper's layers that has taken its first steps."""
    extract = nst.FeatureExtractor(backbone, device=device)
    content, style = nst.load_image("chelsea", size), nst.load_image("coffee", size)
    run = nst.Run(nst.Objective(extract, content, style), optimizer=optimizer)
    for _ in run.steps(3, progress=False):
        pass
    return run


def seconds(run: nst.Run, steps: int) -> float:
    """Time of one step, a mean over some; the device is idle before and after."""
    began = time.perf_counter()
    for _ in range(steps):
        step = run.step()
    float(step.loss)  # waits for the device
    return (time.perf_counter() - began) / steps


def main() -> None:
    """Measure in turns, and print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[256, 512], help="longer side in pixels (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="of each backbone in a round (%(default)s)")
    parser.add_argument("--optimizer", choices=("lbfgs", "adam"), default="lbfgs")
    parser.add_argument("--device", help="cpu, cuda, mps (the best there is)")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {args.device or nst.default_device()}, {torch.get_num_threads()} threads")
    for size in args.size:
        backbones = {"mini": "mini", "vgg19": vgg19_of_random_weights()}
        runs = {name: start_run(backbone, size, args.optimizer, args.device) for name, backbone in backbones.items()}
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(args.rounds):  # in turns, so that a busy moment hits both
            for name, run in runs.items():
                times[name].append(seconds(run, args.steps))
        mini, vgg19 = (statistics.median(times[name]) for name in ("mini", "vgg19"))
        print(f"{size} px: mini {mini:.3f} s, vgg19 {vgg19:.3f} s a step, ratio {mini / vgg19:.2f}")


if __name__ == "__main__":
    main()
