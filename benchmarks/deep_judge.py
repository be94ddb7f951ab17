"""Judge mini by the transfers it makes: how near do they come to style and content, as a real network sees them?

Each transfer is made with mini and with the teacher (VGG-16), with the same settings. The teacher judges both, with
average pooling: the relative Gram distance ||G - A||^2 / ||A||^2 to the style at the rectified first responses of each
block, and the relative error ||F - P||^2 / ||P||^2 to the content at relu4_2. The photograph itself is judged first.

Example:
    python benchmarks/deep_judge.py vgg16.pth tubingen.jpg starry_night.jpg --size 384 --beta 10 40 --out judged
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import nstlib as nst
from nstlib.objective import GATYS_CONTENT, GATYS_STYLE
from nstlib.options import DEFAULTS

JUDGED = tuple(GATYS_STYLE)
(CONTENT_LAYER,) = GATYS_CONTENT


@torch.no_grad()
def distances(judge: nst.FeatureExtractor, image: Tensor, content: Tensor, style: Tensor) -> list[float]:
    """Relative Gram distances to the style at each judged layer, then the relative error to the content.

    Image and content have the same size.
    """
    ours, theirs = judge(image, [*JUDGED, CONTENT_LAYER]), judge(style, JUDGED)
    kept = judge(content, [CONTENT_LAYER])[CONTENT_LAYER]
    found = [nst.style_loss(nst.gram(ours[at]), nst.gram(theirs[at]), "relative").item() for at in JUDGED]
    return [*found, nst.content_loss(ours[CONTENT_LAYER], kept, "relative").item()]


def transfers(args: argparse.Namespace, content: str, style: str) -> Iterator[tuple[str, float, int, Tensor]]:
    """What each picture is made with, beta, the seed, and the picture."""
    makers = {"mini": ("mini", args.weights)} | ({} if args.no_teacher else {"teacher": (args.backbone, args.teacher)})
    for name, (backbone, weights) in makers.items():
        for beta in args.beta:
            for seed in args.seeds:
                image = nst.stylize(
                    content,
                    style,
                    size=args.size,
                    quality=args.quality,
                    beta=beta,
                    tv=args.tv,
                    init=args.init,
                    seed=seed,
                    backbone=backbone,
                    weights=weights,
                    progress=False,
                )
                yield name, beta, seed, image


def line(pair: str, name: str, beta: float | None, seed: int | None, found: list[float]) -> str:
    """A row of the table."""
    told = ["-" if value is None else f"{value:g}" for value in (beta, seed)]
    return f"{pair:34} {name:10} {told[0]:>5} {told[1]:>4}" + "".join(f"{value:9.4f}" for value in found)


def judge_pair(
    args: argparse.Namespace, judge: nst.FeatureExtractor, content: str, style: str
) -> dict[str, list[float]]:
    """Print a row for each transfer of a pair; gives the distances by maker and beta."""
    pictures = [nst.load_image(path, args.size) for path in (content, style)]
    stems = [Path(path).stem[:16] for path in (content, style)]
    print(line(" in ".join(stems), "content", None, None, distances(judge, pictures[0], *pictures)), flush=True)
    rows: dict[str, list[list[float]]] = {}
    for name, beta, seed, image in transfers(args, content, style):
        found = distances(judge, image, *pictures)
        rows.setdefault(f"{name} {beta:g}", []).append(found)
        print(line(" in ".join(stems), name, beta, seed, found), flush=True)
        if args.out:
            nst.save_image(image, args.out / f"{'_'.join(stems)}_{name}_{beta:g}_{seed}.png")
    return {key: mean(values) for key, values in rows.items()}


def mean(rows: list[list[float]]) -> list[float]:
    """The mean of each column."""
    return torch.tensor(rows, dtype=torch.float64).mean(0).tolist()


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("teacher", type=Path, help="the judge: a state dict for --backbone")
    add("pictures", nargs="+", metavar="CONTENT STYLE", help="pairs of pictures: paths, addresses or bundled names")
    add("--backbone", default="vgg16", help="the teacher's network (default: %(default)s)")
    add("--weights", type=Path, help="of mini, a .safetensors file (default: the bundled ones)")
    add("--size", type=int, default=384, help="longer side in pixels (default: %(default)s)")
    add("--quality", choices=("draft", "good", "best"), default="good", help="(default: %(default)s)")
    add("--beta", type=float, nargs="+", default=[10.0], help="weights of the style (default: %(default)s)")
    add("--tv", type=float, default=DEFAULTS["tv"], help="weight of the smoothness (default: %(default)s)")
    add("--init", default="content", help="where the image starts: content or noise (default: %(default)s)")
    add("--seeds", type=int, nargs="+", default=[0], help="of the noise, if it starts there (default: %(default)s)")
    add(
        "--no-teacher",
        action="store_true",
        help="judge mini alone: the teacher's own transfers take three times as long",
    )
    add("--out", type=Path, help="folder for the pictures, as PNG")
    args = parser.parse_args()
    if len(args.pictures) % 2:
        parser.error(f"{len(args.pictures)} pictures are not pairs of a content and a style")
    return args


def main() -> None:
    """Print a table: a row for each pair, maker, beta and seed; with several pairs, the means at the end."""
    args = options()
    judge = nst.FeatureExtractor(args.backbone, "avg", weights=args.teacher)
    columns = [*(at[4:] for at in JUDGED), "content"]
    print(f"{'pair':34} {'made with':10} {'beta':>5} {'seed':>4}" + "".join(f"{column:>9}" for column in columns))
    pairs = list(zip(args.pictures[::2], args.pictures[1::2], strict=True))
    found = [judge_pair(args, judge, content, style) for content, style in pairs]
    if len(pairs) > 1:
        for key in found[0]:
            name, beta = key.split()
            print(line(f"mean of {len(pairs)} pairs", name, float(beta), None, mean([pair[key] for pair in found])))


if __name__ == "__main__":
    main()
