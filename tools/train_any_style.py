"""Trains nstlib/weights/any_style.safetensors: the network that paints in the style of any picture.

It begins with the committed weights, where there are some, else with those of the network of many styles, and puts
better ones in their place: by the mean loss of its pictures of two photographs in three bundled styles, none of which
it learned on. It saves itself on the way and can be started again. With another --backbone than before it first gets
the eyes of that, and with --painter the weights that `styles` paints with by now. The other kind is a decoder that
learns from random weights; with another backbone, on a GPU:

    python tools/train_any_style.py --paintings paintings --minutes 100 --checkpoint any.pt
    python tools/train_any_style.py --backbone vgg19 --minutes 100 -o copy_of_any_style.safetensors
    python tools/train_any_style.py --kind adain --minutes 100 --checkpoint adain.pt -o adain.safetensors
    python tools/train_any_style.py --kind adain --backbone vgg19 --minutes 300 -o adain_vgg19.safetensors
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from changing_parts import drawing_with_eyes, with_eyes, with_painter
from torch import Tensor
from tqdm import tqdm
from train_styles import is_better, parser, sources

import nstlib as nst
from nstlib.feedforward.any_style import AnyStyleNetwork
from nstlib.feedforward.any_training import ADAIN, GOING_ON, PREDICTING, AnyStyleCourse
from nstlib.feedforward.files import ANY_STYLE, load_any_style
from nstlib.feedforward.judging import Judge
from nstlib.feedforward.paintings import SOURCES
from nstlib.feedforward.stages import HELD_OUT as LATER

HELD_OUT = ("coffee", "chelsea")
UNSEEN = ("swirls", "mosaic", "watercolor")
SIZE = 256  # of the photographs that it is judged on
PAINTINGS = 96  # for a first look
COMPARED = {"predicting": 1200, "adain": 300}  # paintings, at which old eyes and new ones look
KINDS = {"predicting": nst.PredictingNetwork, "adain": nst.AdaINNetwork}
STAGES = {"predicting": PREDICTING, "adain": ADAIN}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, compare, and save what is better."""
    options = parser(__doc__, ANY_STYLE)
    options.add_argument("--kind", choices=KINDS, default="predicting", help="of a network that begins anew")
    options.add_argument("--backbone", help="the encoder; without it, that of before, or mini")
    options.add_argument("--judge", help="the backbone by which pictures are judged; without it, the encoder's")
    options.add_argument("--paintings", type=Path, help="a folder of paintings to learn on besides the bundled ones")
    options.add_argument("--painter", action="store_true", help="paint with the weights of the network of many styles")
    options.add_argument("--layers", nargs="+", help="whose means and deviations are a style")
    options.add_argument("--widths", nargs="+", type=int, help="channels of the decoder, or of the painter")
    given = options.parse_args(arguments)
    begins = given.scratch or not given.output.exists()
    goes_on = given.checkpoint is not None and given.checkpoint.exists()
    network = _new(given) if begins else load_any_style(given.output, None)
    if not begins and not goes_on:
        network = _painting(_seeing(network, given), given)
    asked = given.judge or given.backbone
    eyes = nst.FeatureExtractor(asked) if asked else network.encoder
    judge = Judge(eyes.other(precision="auto"), {name: name for name in UNSEEN})
    how = {"without": HELD_OUT, "unseen": UNSEEN, "seed": given.seed, "checkpoint": given.checkpoint}
    learned = {"paintings": [*SOURCES, given.paintings]} if given.paintings else {}
    course = AnyStyleCourse(judge, **how, **sources(given), **learned)
    training = course.train(network, given.minutes, STAGES[given.kind] if begins else GOING_ON)
    if training.stop_reason and given.checkpoint:
        print(f"{training.stop_reason}: the same command goes on from {given.checkpoint}")
        return
    losses = judged(training.network, eyes)
    before = judged(load_any_style(given.output, None), eyes) if given.output.exists() else {}
    if is_better(losses, before):
        print(nst.save_network(training.network, given.output, {**training.notes, "unseen": UNSEEN}))


def _new(given: argparse.Namespace) -> AnyStyleNetwork:
    sizes = {name: value for name in ("layers", "widths") if (value := getattr(given, name)) is not None}
    network = KINDS[given.kind](nst.FeatureExtractor(given.backbone or "mini"), **sizes, seed=given.seed).eval()
    if isinstance(network, nst.PredictingNetwork):
        _begin_like_many_styles(network, given.seed)
    return _that_knows_the_bundled_styles(network)


def _seeing(network: AnyStyleNetwork, given: argparse.Namespace) -> AnyStyleNetwork:
    """The network as it is, or, where another backbone is asked for, with the eyes of that."""
    if given.backbone in (None, network.encoder.backbone.name):
        return network
    encoder = nst.FeatureExtractor(given.backbone)
    if isinstance(network, nst.PredictingNetwork):
        changed = with_eyes(network, encoder, _compared("predicting", given.seed))
    else:
        changed = drawing_with_eyes(network, encoder, _compared("adain", given.seed))
    return _that_knows_the_bundled_styles(changed)


def _compared(kind: str, seed: int) -> Iterable[Tensor]:
    return tqdm(_paintings(COMPARED[kind], seed), "looked at", COMPARED[kind], unit="painting")


def _painting(network: AnyStyleNetwork, given: argparse.Namespace) -> AnyStyleNetwork:
    """The network as it is, or, where that is asked for, with the painter of the bundled network of many styles."""
    if not given.painter:
        return network
    if not isinstance(network, nst.PredictingNetwork):
        raise nst.InputError("a decoder has no painter of rows; leave --painter out")
    many = nst.load_network(device=network.device)
    return with_painter(network, many, [name for name in many.styles if name not in UNSEEN])


def _that_knows_the_bundled_styles(network: AnyStyleNetwork) -> AnyStyleNetwork:
    for name in nst.bundled_images("style"):
        network.add_style(name, name)
    return network


def _begin_like_many_styles(network: nst.PredictingNetwork, seed: int) -> None:
    """With the weights of the bundled network of many styles, where they fit."""
    many = nst.load_network(device=network.device)
    if many.widths != network.painter.widths:
        many = nst.StyleNetwork(["any"], network.painter.widths, seed=seed).to(network.device)
    network.begin_like(many, torch.cat([*_paintings(PAINTINGS, seed)]).to(network.device))


def _paintings(count: int, seed: int) -> Iterator[Tensor]:
    """So many, (1, 3, H, W) each, which no training comes to."""
    paintings = nst.Paintings(size=SIZE, seed=seed, without=[*UNSEEN, *HELD_OUT])
    return (paintings.at(LATER + place, 1) for place in range(count))


def judged(network: AnyStyleNetwork, eyes: nst.FeatureExtractor) -> dict[str, float]:
    """Mean total loss of its pictures of the held-out photographs in each unseen style, in full precision."""
    contents = [nst.load_image(name, SIZE) for name in HELD_OUT]
    judge = Judge(eyes, {name: name for name in UNSEEN})
    return {name: judge.judged(network, contents, name).total for name in UNSEEN}


if __name__ == "__main__":
    main()
