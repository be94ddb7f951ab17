"""Judge a backbone by the textures it makes: how near are they to the style, as the real VGG-19 sees it?

A texture is synthesized from noise with the backbone under test. The teacher (VGG-19's first layers, average pooling)
then compares Gram matrices: ||G - A||^2 / ||A||^2 at the rectified responses of each layer. Smaller is better.

Example:
    python benchmarks/texture_judge.py teacher.pth starry_night.jpg great_wave.jpg --backbone mini teacher random
"""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

import nstlib as nst
from nstlib.networks.initializing import Seed, initialize
from nstlib.networks.vgg import mini_net, named_vgg, vgg_backbone

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
from teachers import load_network

JUDGED = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1")
LAYER_SETS = {
    "judged": JUDGED,
    "three": ("relu1_1", "relu2_1", "relu3_1"),
    "gatys": tuple(nst.GATYS_STYLE),
}


def as_backbone(name: str, features: nn.Sequential) -> nst.Backbone:
    """A plain VGG with average pooling, ready for `FeatureExtractor`."""
    return vgg_backbone(name, named_vgg(features, "avg").eval().requires_grad_(False))


def extractor(name: str, teacher: nst.FeatureExtractor, seed: int) -> nst.FeatureExtractor:
    """The backbone under test: "teacher", "random", a file of weights for mini, or a name that nstlib knows."""
    if name == "teacher":
        return teacher
    if name == "random":
        return nst.FeatureExtractor(as_backbone(name, random_net(seed)), device=teacher.device)
    if name.endswith(".safetensors"):
        return nst.FeatureExtractor("mini", "avg", weights=name, device=teacher.device)
    return nst.FeatureExtractor(name, "avg", device=teacher.device)


def random_net(seed: int) -> nn.Sequential:
    """mini's network with He's random weights."""
    features = mini_net()
    initialize(features, Seed(seed))
    return features


def texture(extract: nst.FeatureExtractor, style: Tensor, layers: tuple[str, ...], steps: int, seed: int) -> Tensor:
    """A picture of the style's size, synthesized from noise."""
    objective = nst.Objective(extract, style=style, content_layers={}, style_layers=layers)
    run = nst.Run(objective, init="noise", seed=seed)
    for _ in run.steps(steps):
        pass
    return run.image


@torch.no_grad()
def distances(teacher: nst.FeatureExtractor, image: Tensor, style: Tensor) -> list[float]:
    """Relative Gram distances at the judged layers."""
    ours, theirs = teacher(image, JUDGED), teacher(style, JUDGED)
    return [nst.style_loss(nst.gram(ours[at]), nst.gram(theirs[at]), "relative").item() for at in JUDGED]


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("teacher", help='the judge: a file that tools/teachers.py reads, or "vgg19" (downloads it)')
    add("styles", nargs="+", help="pictures: paths, addresses or bundled names")
    add("--backbone", nargs="+", default=["mini"], help="mini, vgg19, teacher, random, or a mini .safetensors file")
    add("--layers", nargs="+", default=["judged", "three", "gatys"], choices=LAYER_SETS, help="style layers")
    add("--size", type=int, default=256, help="longer side in pixels (default: %(default)s)")
    add("--steps", type=int, default=300, help="evaluations (default: %(default)s)")
    add("--seed", type=int, default=0)
    add("--out", type=Path, help="folder for the textures, as PNG")
    return parser.parse_args()


def main() -> None:
    """Print a table: a line for each style, backbone and set of style layers."""
    args = options()
    judge_net = load_network(args.teacher, "reflect").features
    judge = nst.FeatureExtractor(as_backbone("teacher", judge_net))
    print(f"{'style':16} {'backbone':16} {'style layers':13}" + "".join(f"{at[4:]:>8}" for at in JUDGED))
    for path in args.styles:
        style = nst.load_image(path, args.size).to(judge.device)
        for name in args.backbone:
            extract = extractor(name, judge, args.seed)
            extract.check(JUDGED[:1])
            for layers in args.layers:
                if LAYER_SETS[layers][-1] not in extract.layers:
                    continue
                image = texture(extract, style, LAYER_SETS[layers], args.steps, args.seed)
                found = distances(judge, image, style)
                line = f"{Path(path).stem[:16]:16} {Path(name).stem[:16]:16} {layers:13}"
                print(line + "".join(f"{value:8.4f}" for value in found), flush=True)
                if args.out:
                    nst.save_image(image, args.out / f"{Path(path).stem}_{Path(name).stem}_{layers}.png")


if __name__ == "__main__":
    main()
