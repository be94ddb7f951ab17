"""What networks for any style give, of paintings that they have not learned on, and what a fast start is worth.

Parts: "losses" of their pictures of two photographs, beside the photographs themselves, recolored ones, and slow
transfers of quality "good" on their way; "start": the total loss of "good" in so many steps from the content and from
the fast picture; "study": the total loss after so many steps of study, and what they cost; "seconds" a picture at two
sizes, with the painting looked at before.

Example:
    python benchmarks/any_style.py
    python benchmarks/any_style.py --paintings starry_night.jpg great_wave.jpg
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from fast_transfer import HELD_OUT, JUDGED_SIZE, Paint, measure, seconds

import nstlib as nst
from nstlib.base.devices import fast_precision
from nstlib.feedforward.judging import Judge

UNSEEN = ("swirls", "mosaic", "watercolor")  # of the bundled styles, those that the bundled networks never learned on
KINDS = ("any", "adain")
EARLY, STEPS = 15, (10, 20, 40, 120)
STUDIED = (0, 60, 120, 240)
SIZES = (256, 512)


def losses(args: argparse.Namespace) -> Iterator[str]:
    """Total loss and style error, means over the photographs."""
    contents, paintings = loaded(args)
    judge = Judge(nst.FeatureExtractor("mini", device=args.device), dict(paintings))
    networks = {kind: nst.load_any_style(kind, args.device) for kind in KINDS}
    early = f"good after {EARLY} steps"
    yield f"| total, style | photograph | recolored | any | adain | {early} | good |"
    yield "| --- " * 7 + "|"
    for name, painting in paintings.items():
        ways: list[Paint] = [
            lambda content: content,
            lambda content, p=painting: nst.match_colors(content, p),
            *(lambda content, n=network, p=painting: n(content, p).detach() for network in networks.values()),
            *(lambda content, n=steps, p=painting: slow(content, p, "content", 120, n) for steps in (EARLY, 120)),
        ]
        found = [judge.judged(lambda content, _, way=way: way(content), contents, name) for way in ways]
        yield f"| {name} | {' | '.join(f'{each.total:.2f} {each.style:.3f}' for each in found)} |"


def start(args: argparse.Namespace) -> Iterator[str]:
    """Total loss of "good", planned for so many steps, from either start; means over the photographs."""
    contents, paintings = loaded(args)
    judge = Judge(nst.FeatureExtractor("mini", device=args.device), dict(paintings))
    yield f"| total loss | {' | '.join(f'{init}, {steps}' for steps in STEPS for init in ('content', 'fast'))} |"
    yield "| --- " * (1 + 2 * len(STEPS)) + "|"
    for name, painting in paintings.items():
        ways = [(painting, init, steps, steps) for steps in STEPS for init in ("content", "fast")]
        found = [judge.judged(lambda content, _, way=way: slow(content, *way), contents, name).total for way in ways]
        yield f"| {name} | {' | '.join(f'{total:.2f}' for total in found)} |"


@torch.enable_grad()
def slow(content: torch.Tensor, painting: torch.Tensor, init: str, planned: int, taken: int) -> torch.Tensor:
    """A slow transfer of quality "good" that is planned for so many steps, after some of them."""
    how = {"backbone": "mini", "size": JUDGED_SIZE, "device": content.device, "quiet": True}
    run = nst.prepare(content, painting, quality="good", steps=planned, init=init, **how)
    for _ in run.steps(taken, progress=False):
        pass
    return run.image


def study(args: argparse.Namespace) -> Iterator[str]:
    """Total loss after a painting was studied for so many steps, and seconds of them; means over the photographs."""
    contents, paintings = loaded(args)
    judge = Judge(nst.FeatureExtractor("mini", device=args.device), dict(paintings))
    others = nst.Contents(size=128, without=[name for name in HELD_OUT if name in args.contents])
    yield f"| total loss, style, seconds | {' | '.join(map(str, STUDIED))} |"
    yield "| --- " * (1 + len(STUDIED)) + "|"
    for name, painting in paintings.items():
        found = []
        for steps in STUDIED:
            others.taken, start = 0, time.perf_counter()
            how = {"contents": others, "device": args.device, "progress": False}
            network = nst.study({name: painting}, steps=steps, **how)
            took = time.perf_counter() - start
            with torch.no_grad():
                judged = judge.judged(network, contents, name)
            found.append(f"{judged.total:.2f} {judged.style:.3f} {took:.1f}")
        yield f"| {name} | {' | '.join(found)} |"


def costs(args: argparse.Namespace) -> Iterator[str]:
    """Seconds of one picture, the painting looked at before, in what the device is fastest in and in float32."""
    yield from ("| network | pixels | precision | seconds a picture |", "| --- | --- | --- | --- |")
    for kind in KINDS:
        network = nst.load_any_style(kind, args.device)
        network.keep_only(network.styles[:1])
        for size in SIZES:
            picture = nst.load_image(torch.rand(1, 3, size, size), device=network.device)
            for name in dict.fromkeys(["float32", fast_precision(network.device)]):
                for convolution in network.convolutions:
                    convolution.to(getattr(torch, name))
                with torch.inference_mode():
                    yield f"| {kind} | {size} | {name} | {seconds(network, picture):.4f} |"
            network.float()


def loaded(args: argparse.Namespace) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """The photographs, and the paintings by their names."""
    contents = [nst.load_image(name, JUDGED_SIZE, args.device) for name in args.contents]
    return contents, {Path(name).stem: nst.load_image(name, JUDGED_SIZE, args.device) for name in args.paintings}


PARTS = {"losses": losses, "start": start, "study": study, "seconds": costs}


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--only", choices=PARTS, nargs="+", default=list(PARTS), help="(%(default)s)")
    add("--paintings", nargs="+", default=UNSEEN, help="(%(default)s)")
    add("--contents", nargs="+", default=HELD_OUT, help="(%(default)s)")
    add("--device", help="cpu, cuda, mps (the best there is)")
    args = parser.parse_args()
    args.device = torch.device(args.device or nst.default_device())
    measure(PARTS, args)


if __name__ == "__main__":
    main()
