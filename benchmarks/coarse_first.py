"""Does it pay at 512 pixels to begin at half the size? Each style loss answers, and a real network judges.

Two runs of quality "good" with each loss: all steps at full size, and the first half of them at half the size, as large
pictures have it. Printed are seconds, the total loss of the picture at full size, and, where the weights of a judge are
given, what `deep_judge` says: the relative Gram distances to the style, and the relative error of the content.

Example:
    python benchmarks/coarse_first.py --judge vgg16.pth --loss gram wasserstein --out compared
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from deep_judge import distances

import nstlib as nst
from nstlib.options import QUALITIES
from nstlib.style_losses.names import STYLE_LOSSES

PAIRS = (("village", "swirls"), ("chelsea", "stained_glass"))


def both_ways(content: str, style: str, size: int, style_loss: str, backbone: str) -> Iterator[tuple[str, nst.Run]]:
    """A run at full size, and one that begins at half of it; with all their steps taken."""
    good = QUALITIES["good"]
    options, steps = good.options, good.steps
    for way, scales in (("full size", {}), ("coarse first", {0: 0.5, steps // 2: 1.0})):
        objective = nst.prepare(
            content, style, size=size, quality="good", style_loss=style_loss, backbone=backbone, quiet=True
        ).objective
        run = nst.Run(objective, optimizer="adam", lr=options["lr"], betas=options["betas"], scales=scales)
        for _ in run.steps(steps, progress=False):
            pass
        yield way, run


def main() -> None:
    """Compare, and print a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--size", type=int, default=512, help="longer side in pixels (%(default)s)")
    add("--loss", choices=STYLE_LOSSES, nargs="+", default=["gram", "shifted", "wasserstein", "sliced"])
    add("--backbone", default="mini", help="(%(default)s)")
    add("--judge", type=Path, metavar="FILE", help="weights of VGG-16, as torchvision has them")
    add("--out", type=Path, help="folder for the pictures")
    args = parser.parse_args()
    judge = nst.FeatureExtractor("vgg16", weights=args.judge) if args.judge else None
    print(f"torch {torch.__version__}, {nst.default_device()}, {torch.get_num_threads()} threads")
    for content, style in PAIRS:
        for name in args.loss:
            for way, run in both_ways(content, style, args.size, name, args.backbone):
                with torch.no_grad():
                    total = run.objective(run.image).total.item()
                told = f"{content} in {style}, {name}, {way}: {run.seconds:.0f} s, total loss {total:.4f}"
                if judge is not None:
                    pictures = (nst.load_image(each, args.size, judge.device) for each in (content, style))
                    told += "; judged " + " ".join(f"{one:.3f}" for one in distances(judge, run.image, *pictures))
                print(told, flush=True)
                if args.out:
                    file = args.out / f"{content}_{style}_{name}_{way.replace(' ', '_')}.png"
                    nst.save_image(run.image, file)


if __name__ == "__main__":
    main()
