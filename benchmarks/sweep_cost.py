"""What a sweep costs in one batch, in batches of several sizes and one picture after the other, in the same run.

Times are of one step of one picture. "single" is a `Run` of its own for each picture, as one would write it by hand.
"""

import argparse
import statistics
import time

import torch

import nstlib as nst


def seconds_of_a_sweep(objective: nst.Objective, betas: list[float], steps: int, chunk: int | None) -> float:
    """Time of all of it; the pictures come back to the CPU, which waits for the device."""
    began = time.perf_counter()
    nst.sweep(objective, beta=betas, steps=steps, chunk=chunk, progress=False)
    return time.perf_counter() - began


def seconds_of_single_runs(objective: nst.Objective, betas: list[float], steps: int) -> float:
    """Time of all of them, the computation of their targets included."""
    began = time.perf_counter()
    for beta in betas:
        alone = nst.Objective(objective.extract, objective.content, objective.style, beta=beta)
        run = nst.Run(alone)
        for _ in run.steps(steps, progress=False):
            pass
        run.image.cpu()
    return time.perf_counter() - began


def compare(
    extract: nst.FeatureExtractor, size: int, pictures: int, steps: int, rounds: int, chunks: list[int]
) -> dict[str, float]:
    """Median seconds of one step of one picture: "single", "sweep" as it splits by itself, and in chunks."""
    betas = [2.0**k for k in range(pictures)]
    content, style = nst.load_image("village", size), nst.load_image("swirls", size)
    objective = nst.Objective(extract, content, style)
    ways = {"single": lambda: seconds_of_single_runs(objective, betas, steps)}
    for chunk in (None, *chunks):
        name = "sweep" if chunk is None else f"chunk {chunk}"
        ways[name] = lambda chunk=chunk: seconds_of_a_sweep(objective, betas, steps, chunk)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):  # in turns, so that a busy moment hits all; the first round warms up
        for name, way in ways.items():
            times[name] += [way()] if number else []
    return {name: statistics.median(values) / pictures / steps for name, values in times.items()}


def main() -> None:
    """Measure in turns, and print medians and their ratios to single runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[128, 256], help="longer side in pixels (%(default)s)")
    parser.add_argument("--pictures", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="of each picture in a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--chunk", type=int, nargs="*", default=[1, 2, 4], help="pictures at once (%(default)s)")
    parser.add_argument("--backbone", default="mini", help="(%(default)s)")
    parser.add_argument("--device", help="cpu, cuda, mps (the best there is)")
    args = parser.parse_args()
    device = args.device or nst.default_device()
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, {args.backbone}")
    extract = nst.FeatureExtractor(args.backbone, device=device)
    for size in args.size:
        medians = compare(extract, size, args.pictures, args.steps, args.rounds, args.chunk)
        described = ", ".join(f"{name} {time / medians['single']:.2f}" for name, time in medians.items())
        print(f"{size} px: {medians['single']:.4f} s a step alone; as a share of it: {described}")


if __name__ == "__main__":
    main()
