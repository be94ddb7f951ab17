"""Make the figures in visualizations/backbones/: the same pictures by networks that were trained on ImageNet.

    python tools/real_networks.py WEIGHTS --night starry_night.jpg
    python tools/real_networks.py WEIGHTS --only table

The folder WEIGHTS holds two files that are not bundled: resnet50_v1_imagenet.pth, which tools/caffe_resnet.py reads,
and vgg16_near_imagenet.pth, weights near VGG-16's under torchvision's names. The Starry Night is a file too.
visualizations/backbones/README.md tells where they come from, and what there is to see. Nothing is random: every
picture starts from its content.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from figures import FIGURES as FOLDER
from torch import Tensor
from tqdm import tqdm

import nstlib as nst
from nstlib import plots

RESNET, NEAR_VGG = "resnet50_v1_imagenet.pth", "vgg16_near_imagenet.pth"
SIZE, STEPS = 320, 80
POOLINGS = ("max", "avg", "l2", "blur")
STYLE_LAYERS = ("relu", "layer1", "layer2", "layer3.2", "layer3.5", "layer4.2")
DEFAULT_STYLE = STYLE_LAYERS[:4]
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")  # with the village, those of the table
RESNET_LAYERS = ("relu", "layer1", "layer2", "layer3", "layer4")
VGG_LAYERS = tuple(f"relu{block}_1" for block in range(1, 6))
DETAIL = 3  # times larger
PERIOD = 2.2  # pixels; of a grid that a stride of 2 leaves, and of next to nothing else
LARGEST = 300_000  # bytes of a figure
RESOLUTIONS = range(150, 90, -5)  # dots an inch, the first that fits
QUALITIES = (88, 80)  # of JPEG
PICTURES = {"resnet50_pooling": len(POOLINGS), "networks": 4, "resnet50_layers": len(STYLE_LAYERS) - 1}  # of a pair

Make = Callable[..., nst.FeatureExtractor]  # takes the pooling, by default the network's own


@dataclass(frozen=True)
class Network:
    """A network, and the layers whose responses the table has."""

    make: Make
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """Two pictures with their names.

    Attributes:
        short: a word for the content.
        even: where it is even, so that a grid shows: the middle of a detail, as shares of width and height.
    """

    short: str
    names: tuple[str, str]
    content: Tensor
    style: Tensor
    even: tuple[float, float]


@dataclass
class Painter:
    """Paints each picture once."""

    steps: int
    bar: tqdm
    painted: dict[tuple[str, ...], Tensor] = field(default_factory=dict)

    def paint(self, pair: Pair, name: str, network: Network, pooling: str = "auto", depth: int = 0) -> Tensor:
        """The picture by a network's default layers, or the first `depth` of `STYLE_LAYERS`."""
        extract = network.make(pooling)
        layers = list(STYLE_LAYERS[:depth]) if depth else None
        used = layers or list(nst.default_layers(extract)[1])
        key = (pair.short, name, extract.backbone.recipe["pooling"], *used)
        if key not in self.painted:
            objective = nst.Objective(extract, content=pair.content, style=pair.style, style_layers=layers)
            run = nst.Run(objective, init="content", optimizer="lbfgs")
            for step in run.steps(self.steps, progress=False):
                self.bar.set_postfix_str(f"{pair.short}, {name}, step {step.number}")
            self.painted[key] = run.image.cpu()
        self.bar.update()
        return self.painted[key]


def networks(weights: Path) -> dict[str, Network]:
    """The networks by the names that figures give them."""
    from caffe_resnet import register_caffe_resnet50  # it imports torchvision, which takes two seconds

    register_caffe_resnet50(weights / RESNET)
    make = partial(nst.FeatureExtractor, device="cpu")
    return {
        "mini": Network(partial(make, "mini"), VGG_LAYERS),
        "near VGG-16": Network(partial(make, "vgg16", weights=weights / NEAR_VGG), VGG_LAYERS),
        "ResNet-50": Network(partial(make, "resnet50_caffe"), RESNET_LAYERS),
        "SqueezeNet": Network(partial(make, "squeezenet"), ("relu1", "fire2", "fire3", "fire5", "fire7", "fire9")),
    }


def pairs(night: Path, size: int = SIZE) -> list[Pair]:
    """The two pairs of all figures; `night` is The Starry Night."""
    load = partial(nst.load_image, size=size)
    return [
        Pair("village", ("village", "swirls"), load("village"), load("swirls"), (0.28, 0.17)),
        Pair("harbor", ("harbor", "The Starry Night"), load("harbor"), load(night), (0.46, 0.2)),
    ]


def resnet50_pooling(painter: Painter, known: Mapping[str, Network], of: list[Pair]) -> plots.Figure:
    """ResNet-50 with each pooling, and beneath each picture a part of it."""
    pictures = {}
    for pair in of:
        for pooling in POOLINGS:
            picture = painter.paint(pair, "ResNet-50", known["ResNet-50"], pooling)
            pictures[f"{pair.short}, whole", pooling] = picture
            pictures[f"{pair.short}, {DETAIL} times", pooling] = enlarged(picture, pair.even)
    return plots.grid(pictures, alt="By ResNet-50: pictures with a grid for max, avg and l2, and without one for blur")


def all_networks(painter: Painter, known: Mapping[str, Network], of: list[Pair]) -> plots.Figure:
    """Every network at its own layers and pooling, beside content and style."""
    pictures = {}
    for pair in of:
        made = {f"{pair.short} by {name}": painter.paint(pair, name, network) for name, network in known.items()}
        first, second = dict(zip(pair.names, (pair.content, pair.style), strict=True)).items()
        pictures |= dict([first, *list(made.items())[:2], second, *list(made.items())[2:]])
    return spaced(plots.sheet(pictures))


def resnet50_layers(painter: Painter, known: Mapping[str, Network], of: list[Pair]) -> plots.Figure:
    """ResNet-50 with the style of more and more layers."""
    pictures = {}
    for pair in of:
        pictures[pair.names[1]] = pair.style
        for depth in range(2, len(STYLE_LAYERS) + 1):
            title = f"{pair.short}, style up to {STYLE_LAYERS[depth - 1]}"
            pictures[title] = painter.paint(pair, "ResNet-50", known["ResNet-50"], depth=depth)
    return spaced(plots.sheet(pictures))


def spaced(figure: plots.Figure) -> plots.Figure:
    """With room between a picture and the title beneath it."""
    figure.get_layout_engine().set(h_pad=0.08)
    figure.set_figheight(figure.get_figheight() + 0.4)
    return figure


def enlarged(picture: Tensor, middle: tuple[float, float], times: int = DETAIL) -> Tensor:
    """A part of a picture, about as large as the whole of it, pixel by pixel."""
    height, width = (side // times for side in picture.shape[-2:])
    top, left = (
        max(0, min(round(share * whole - part / 2), whole - part))
        for share, whole, part in zip(middle[::-1], picture.shape[-2:], (height, width), strict=True)
    )
    part = picture[..., top : top + height, left : left + width]
    return part.repeat_interleave(times, -1).repeat_interleave(times, -2)


def finest(picture: Tensor) -> float:
    """The share of a picture's variance, without its colors, in what repeats within less than `PERIOD` pixels."""
    gray = picture.mean(1)[0].double()
    power = torch.fft.fft2(gray - gray.mean()).abs().square()
    down, across = (torch.fft.fftfreq(side).abs() for side in gray.shape)
    return float(power[torch.maximum(down[:, None], across) > 1 / PERIOD].sum() / power.sum())


def grids(painter: Painter, of: list[Pair]) -> str:
    """How much of a grid the pictures of `resnet50_pooling` have, as a table in Markdown."""
    lines = [f"| | content | style | {' | '.join(POOLINGS)} |", "| --- |" + " --: |" * (2 + len(POOLINGS))]
    for pair in of:
        painted = [painter.painted[pair.short, "ResNet-50", pooling, *DEFAULT_STYLE] for pooling in POOLINGS]
        pictures = [pair.content, pair.style, *painted]
        lines.append(f"| {pair.short} | {' | '.join(f'{finest(picture):.2%}' for picture in pictures)} |")
    return "\n".join(lines)


@torch.no_grad()
def responses(network: Network, pictures: list[Tensor]) -> Iterator[tuple[str, list[float]]]:
    """Of each layer, over the pictures: its entropies, of the shares and of the softmax, its mean and its maximum.

    The first three are means over the pictures.
    """
    extract = network.make()
    softmax = extract.other(smoothing="softmax")
    found: dict[str, list[list[float]]] = {layer: [] for layer in network.layers}
    for picture in pictures:
        plain, even = extract(picture, network.layers), softmax(picture, network.layers)
        for layer in network.layers:
            response = plain[layer]
            numbers = (nst.entropy(response), nst.entropy(even[layer]), response.mean(), response.amax())
            found[layer].append([float(number) for number in numbers])
    for layer, rows in found.items():
        yield layer, [*np.mean(rows, 0)[:3].tolist(), float(np.max(rows, 0)[3])]


def table(known: Mapping[str, Network], pictures: list[Tensor]) -> str:
    """The responses of all networks as a table in Markdown."""
    lines = [
        "| network | layer | entropy | after a softmax | mean | maximum |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    for name, network in tqdm(known.items(), unit="network"):
        for layer, (shares, softmax, mean, most) in responses(network, pictures):
            lines.append(f"| {name} | {layer} | {shares:.3f} | {softmax:.3f} | {mean:.3g} | {most:.3g} |")
    return "\n".join(lines)


def write(figure: plots.Figure, path: Path) -> Path:
    """A figure as a JPEG of at most `LARGEST` bytes, drawn anew for each resolution, so that letters stay sharp."""
    for dpi in RESOLUTIONS:
        for quality in QUALITIES:
            file = BytesIO()
            options = {"quality": quality, "subsampling": "4:2:0", "progressive": True, "optimize": True}
            figure.savefig(file, format="jpeg", dpi=dpi, pil_kwargs=options)
            if file.tell() <= LARGEST:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.getvalue())
                return path
    raise SystemExit(f"{path.name} does not fit into {LARGEST} bytes")


FIGURES = {"resnet50_pooling": resnet50_pooling, "networks": all_networks, "resnet50_layers": resnet50_layers}


def main() -> None:
    """Make what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help=f"folder with {RESNET} and {NEAR_VGG}")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"{', '.join([*FIGURES, 'table'])} (all)")
    parser.add_argument("--night", type=Path, help="The Starry Night (WEIGHTS/starry_night.jpg)")
    parser.add_argument("--size", type=int, default=SIZE, help="longer side of the pictures (%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="of L-BFGS (%(default)s)")
    given = parser.parse_args()
    names = given.only or [*FIGURES, "table"]
    if unknown := set(names) - {*FIGURES, "table"}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join([*FIGURES, 'table'])}")
    known = networks(given.weights)
    if wanted := [name for name in FIGURES if name in names]:
        of = pairs(given.night or given.weights / "starry_night.jpg", given.size)
        with tqdm(unit="picture", total=sum(PICTURES[name] for name in wanted) * len(of)) as bar:
            painter = Painter(given.steps, bar)
            for name in wanted:
                bar.write(str(write(FIGURES[name](painter, known, of), FOLDER / "backbones" / f"{name}.jpg")))
                if name == "resnet50_pooling":
                    bar.write(grids(painter, of))
    if "table" in names:
        print(table(known, [nst.load_image(name, given.size) for name in (*PHOTOGRAPHS, "village")]))


if __name__ == "__main__":
    main()
