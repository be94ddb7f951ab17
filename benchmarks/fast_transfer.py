"""What a network that paints in one pass costs, and what it gives, beside a slow transfer of the same objective.

Parts: "seconds" a picture at three sizes; "loss" of its pictures of photographs that the bundled network never learned
on, in each style, beside those of qualities "draft" and "good"; "curves": the loss on the way, while a network learns a
painting from nothing, from the bundled network with all weights, and by a row alone.

Example:
    python benchmarks/fast_transfer.py
    python benchmarks/fast_transfer.py --only curves --painting starry_night.jpg --minutes 3
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch

import nstlib as nst
from nstlib.base.devices import fast_precision
from nstlib.feedforward.judging import Judge
from nstlib.feedforward.network import StyleNetwork
from nstlib.feedforward.stages import FROM_SCRATCH, NEW_STYLE, ROWS, Course
from nstlib.feedforward.training import Training

HELD_OUT = ("coffee", "chelsea")
SIZES = (256, 512, 1024)
JUDGED_SIZE = 256
NEW = "new"
Paint = Callable[[torch.Tensor], torch.Tensor]
Part = Callable[[argparse.Namespace], Iterator[str]]


@torch.inference_mode()
def costs(args: argparse.Namespace) -> Iterator[str]:
    """Seconds of one picture, at each size and in each precision, beside those of a step of the slow way."""
    yield from ("| pixels | precision | seconds a picture | pictures a second |", "| --- | --- | --- | --- |")
    network = nst.load_network(args.network, args.device)
    for size in SIZES:
        picture = nst.load_image(torch.rand(1, 3, size, size), device=network.device)
        for name in dict.fromkeys(["float32", fast_precision(network.device)]):
            precise = network.to(getattr(torch, name))
            each = seconds(precise, picture)
            yield f"| {size} | {name} | {each:.4f} | {1 / each:.1f} |"
        network.float()


def seconds(network: StyleNetwork, picture: torch.Tensor, rounds: int = 12) -> float:
    """The median time of a picture, in the computer's memory at last."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        network(picture, network.styles[0]).cpu()
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])  # the first ones choose algorithms


def losses(args: argparse.Namespace) -> Iterator[str]:
    """Total losses under one objective, means over the held-out photographs, and how many times the slow way's."""
    yield from (
        "| style | fast | draft | good | fast / draft | fast / good | content fast, good | style fast, good |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    )
    network = nst.load_network(args.network, args.device)
    judge = Judge(nst.FeatureExtractor("mini", device=args.device), {name: name for name in network.styles})
    contents = [nst.load_image(name, JUDGED_SIZE, network.device) for name in args.contents]
    rows = []
    for style in args.styles or network.styles:
        terms = [means(judge, contents, style, way(network, style, args.device)) for way in (fast, draft, good)]
        rows.append([term[0] for term in terms])
        yield row(style, rows[-1], f"{terms[0][1]:.3f} {terms[2][1]:.3f}", f"{terms[0][2]:.4f} {terms[2][2]:.4f}")
    yield row("mean", torch.tensor(rows).mean(0).tolist(), "", "")


def row(name: str, totals: list[float], *more: str) -> str:
    """A line of the table."""
    paid = [f"{totals[0] / total:.2f}" for total in totals[1:]]
    return "| " + " | ".join([name, *(f"{total:.3f}" for total in totals), *paid, *more]) + " |"


def means(judge: Judge, contents: list[torch.Tensor], style: str, paint: Paint) -> tuple[float, float, float]:
    """Total, content and style of what is painted of the contents, means over them."""
    judged = judge.judged(lambda content, _: paint(content), contents, style)
    return judged.total, judged.content, judged.style


def fast(network: StyleNetwork, style: str, _: object) -> Paint:
    """One pass."""
    return lambda content: network(content, style)


def draft(_: StyleNetwork, style: str, device: str | None) -> Paint:
    """The slow way, quality "draft"."""
    return lambda content: slow(content, style, "draft", device)


def good(_: StyleNetwork, style: str, device: str | None) -> Paint:
    """The slow way, quality "good"."""
    return lambda content: slow(content, style, "good", device)


@torch.enable_grad()
def slow(content: torch.Tensor, style: str, quality: str, device: str | None) -> torch.Tensor:
    """A slow transfer."""
    options = {"size": JUDGED_SIZE, "quality": quality, "backbone": "mini", "device": device}
    return nst.stylize(content, style, progress=False, **options)


def curves(args: argparse.Namespace) -> Iterator[str]:
    """Total loss on the held-out photographs on the way, at so many minutes of training."""
    yield f"{args.painting}, {args.minutes:g} minutes each, {torch.get_num_threads()} threads"
    contents = [nst.load_image(name, JUDGED_SIZE) for name in args.contents]
    judge = Judge(nst.FeatureExtractor("mini", precision="auto", device=args.device), {NEW: args.painting})
    for name, stages in {"from nothing": FROM_SCRATCH, "all weights": NEW_STYLE, "a row alone": ROWS}.items():
        seen: list[str] = []
        spent: dict[int, float] = {}

        def look(training: Training, seen: list[str] = seen, spent: dict[int, float] = spent) -> None:
            spent[training.contents.size] = training.seconds / 60
            seen.append(f"{sum(spent.values()):.1f}: {judge.judged(training.network, contents, NEW).total:.2f}")

        course = Course(judge, without=HELD_OUT, only="style" if stages is ROWS else None, watch=look)
        network = StyleNetwork([NEW])
        if stages is not FROM_SCRATCH:
            network = nst.load_network(args.network, args.device)
            network.add_style(NEW, like=course.nearest(network, NEW))
        training = course.train(network, args.minutes, stages, progress=False)
        yield f"{name}: {', '.join(seen)}"
        if args.out:
            for picture in args.contents:
                painted = training.network.paint(nst.load_image(picture, 2 * JUDGED_SIZE), NEW, progress=False)
                nst.save_image(painted, args.out / f"{picture}_{name.replace(' ', '_')}.png")


def measure(parts: Mapping[str, Part], args: argparse.Namespace) -> None:
    """Print the lines of each part that is asked for."""
    print(f"torch {torch.__version__}, {args.device or nst.default_device()}, {torch.get_num_threads()} threads")
    for part in args.only:
        print(f"\n## {part}\n")
        for line in parts[part](args):
            print(line, flush=True)


PARTS = {"seconds": costs, "loss": losses, "curves": curves}


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", choices=PARTS, nargs="+", default=["seconds", "loss"], help="(%(default)s)")
    add("--network", type=Path, help="(the bundled one)")
    add("--styles", nargs="+", help="for the losses (all of the network)")
    add("--contents", nargs="+", default=HELD_OUT, help="for the losses (%(default)s)")
    add("--painting", help="for the curves")
    add("--minutes", type=float, default=3.0, help="for each curve (%(default)g)")
    add("--out", type=Path, help="folder for the pictures of the curves")
    add("--device", help="cpu, cuda, mps (the best there is)")
    args = parser.parse_args()
    if "curves" in args.only and not args.painting:
        parser.error("say which painting the curves are to be of: --painting FILE")
    measure(PARTS, args)


if __name__ == "__main__":
    main()
