"""What a step with each style loss costs beside one with Gram matrices, and how each judges the pictures of the others.

A step is one evaluation of the objective, forward and backward, and a change of the image by Adam, with which what is
random in a loss is renewed at every step. Seconds are medians of turns within one run; peaks of memory are those of
processes of their own. VGG-19 has random weights here, which cost the same, and nothing is downloaded.

Example:
    python benchmarks/style_losses.py --size 256 --rounds 5
    python benchmarks/style_losses.py --pictures --size 192 --steps 100
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence

import torch
from big_picture import BACKBONES, alone, peak_bytes
from step_cost import seconds
from torch import Tensor

import nstlib as nst
from nstlib.style_losses.names import STYLE_LOSSES

CONTENT, STYLES = "village", ("swirls", "mosaic")
# How much longer than with "gram" a step may take.
LIMITS = {"shifted": 1.1, "moments": 1.1, "covariance": 1.1, "wasserstein": 2.0, "sliced": 2.0}


def start_run(extract: nst.FeatureExtractor, style_loss: str, size: int) -> nst.Run:
    """A run with the paper's layers that has taken its first steps."""
    content, style = nst.load_image(CONTENT, size), nst.load_image(STYLES[0], size)
    run = nst.Run(nst.Objective(extract, content, style, style_loss=style_loss), optimizer="adam")
    for _ in run.steps(3, progress=False):
        pass
    return run


def step_seconds(
    extract: nst.FeatureExtractor, size: int, names: Sequence[str], rounds: int, steps: int
) -> dict[str, float]:
    """Median seconds of a step with each style loss."""
    runs = {name: start_run(extract, name, size) for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):  # in turns, so that a busy moment hits all
        for name, run in runs.items():
            times[name].append(seconds(run, steps))
    return {name: statistics.median(found) for name, found in times.items()}


def step_bytes(backbone: str, device: str | None, style_loss: str, size: int) -> int:
    """The peak of memory of this process, which takes some steps and nothing else."""
    return peak_bytes(start_run(nst.FeatureExtractor(backbone, device=device), style_loss, size).device)


def cost_table(
    backbones: Sequence[str], sizes: Sequence[int], names: Sequence[str], rounds: int, steps: int, device: str | None
) -> Iterator[str]:
    """Seconds of a step as multiples of gram's."""
    found = []
    for backbone in backbones:
        extract = nst.FeatureExtractor(BACKBONES[backbone], device=device)
        found += [step_seconds(extract, size, names, rounds, steps) for size in sizes]
    columns = [f"{backbone}, {size} px" for backbone in backbones for size in sizes]
    yield from _header("style loss", [*columns, "at most"])
    yield _row("gram", [f"{medians['gram']:.4f} s" for medians in found] + [""])
    for name in names:
        if name != "gram":
            limit = f"{LIMITS[name]:g}" if name in LIMITS else ""
            yield _row(name, [f"{medians[name] / medians['gram']:.2f}" for medians in found] + [limit])


def memory_table(
    backbones: Sequence[str], sizes: Sequence[int], names: Sequence[str], device: str | None
) -> Iterator[str]:
    """Peaks of memory, gram's in GB and the others' as multiples of it."""
    ways = [(backbone, size) for backbone in backbones for size in sizes]
    yield from _header("style loss", [f"{backbone}, {size} px" for backbone, size in ways])
    peaks = {name: [alone(step_bytes, BACKBONES[way[0]], device, name, way[1]) for way in ways] for name in names}
    yield _row("gram", [f"{peak / 1e9:.2f} GB" for peak in peaks["gram"]])
    for name in names:
        if name != "gram":
            yield _row(name, [f"{mine / gram:.2f}" for mine, gram in zip(peaks[name], peaks["gram"], strict=True)])


def picture_table(extract: nst.FeatureExtractor, size: int, names: Sequence[str], steps: int) -> Iterator[str]:
    """Rows: the style loss that made the picture; columns: the relative losses that judge it, means over styles."""
    content = nst.load_image(CONTENT, size)
    of_styles = []
    for path in STYLES:
        judges = {name: nst.Objective(extract, content, nst.load_image(path, size), style_loss=name) for name in names}
        pictures = {"the content itself": content} | {name: made(judges[name], steps) for name in names}
        for judge in judges.values():
            judge.style_loss.renew(steps)  # judged by draws that no picture was made with
        of_styles.append({maker: judged(picture, judges) for maker, picture in pictures.items()})
    yield from _header("made with", [*names, "content"])
    for maker in of_styles[0]:
        means = torch.tensor([rows[maker] for rows in of_styles], dtype=torch.float64).mean(0)
        yield _row(maker, [f"{mean:.3f}" for mean in means.tolist()])


def described(backbone: str, size: int, steps: int) -> str:
    """What the table of pictures shows."""
    return (
        f"Relative losses of pictures after {steps} steps of Adam from the content, with {backbone} at {size} pixels: "
        f"means over {CONTENT} in {' and in '.join(STYLES)}."
    )


def made(objective: nst.Objective, steps: int) -> Tensor:
    """The picture that starts as the content."""
    run = nst.Run(objective, optimizer="adam", seed=0)
    for _ in run.steps(steps, progress=False):
        pass
    return run.image


@torch.no_grad()
def judged(picture: Tensor, judges: dict[str, nst.Objective]) -> list[float]:
    """Each judge's style loss, and the content loss, which is the same for all."""
    terms = [judge(picture.to(judge.extract.device)) for judge in judges.values()]
    return [*(each.style.item() for each in terms), terms[0].content.item()]


def _header(first: str, columns: Sequence[str]) -> list[str]:
    return [_row(first, columns), "| --- " * (len(columns) + 1) + "|"]


def _row(first: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([first, *cells])} |"


def main() -> None:
    """Measure what is asked for, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--size", type=int, nargs="+", help="longer side in pixels (256 512, of pictures 192)")
    add("--backbone", choices=BACKBONES, nargs="+", help="(both, of pictures mini)")
    add("--loss", choices=STYLE_LOSSES, nargs="+", default=list(STYLE_LOSSES), help='beside "gram" (all)')
    add("--rounds", type=int, default=5, help="(%(default)s)")
    add("--steps", type=int, help="of each loss in a round (3), or of each picture (100)")
    add("--no-memory", action="store_true", help="leave out the peaks of memory")
    add("--pictures", action="store_true", help="make pictures instead, and let each style loss judge them all")
    add("--device", help="cpu, cuda, mps (the best there is)")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {args.device or nst.default_device()}, {torch.get_num_threads()} threads")
    names = list(dict.fromkeys(["gram", *args.loss]))
    if args.pictures:
        for backbone in args.backbone or ["mini"]:
            extract = nst.FeatureExtractor(BACKBONES[backbone], device=args.device)
            for size in args.size or [192]:
                steps = args.steps or 100
                print_table(described(backbone, size, steps), picture_table(extract, size, names, steps))
        return
    backbones, sizes = args.backbone or list(BACKBONES), args.size or [256, 512]
    print_table("Seconds a step.", cost_table(backbones, sizes, names, args.rounds, args.steps or 3, args.device))
    if not args.no_memory:
        print_table("GB at most.", memory_table(backbones, sizes, names, args.device))


def print_table(title: str, lines: Iterator[str]) -> None:
    """Below its title."""
    print(f"\n{title}\n")
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
