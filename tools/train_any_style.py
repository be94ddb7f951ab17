"""Trains nstlib/weights/any_style.safetensors: the network that paints in the style of any picture.

It begins with the committed weights, where there are some, else with those of the network of many styles, and puts
better ones in their place: by the mean loss of its pictures of two photographs in three bundled styles, none of which
it learned on. It saves itself on the way and can be started again. The other kind is a decoder that learns from random
weights; with another backbone, on a GPU:

    python tools/train_any_style.py --minutes 100 --checkpoint any.pt
    python tools/train_any_style.py --kind adain --minutes 100 --checkpoint adain.pt -o adain.safetensors
    python tools/train_any_style.py --kind adain --backbone vgg19 --minutes 300 -o adain_vgg19.safetensors
"""

import argparse
from collections.abc import Sequence

import torch
from train_styles import is_better, parser, sources

import nstlib as nst
from nstlib.feedforward.any_style import AnyStyleNetwork
from nstlib.feedforward.any_training import ADAIN, GOING_ON, PREDICTING, AnyStyleCourse
from nstlib.feedforward.files import ANY_STYLE, load_any_style
from nstlib.feedforward.judging import Judge
from nstlib.feedforward.stages import HELD_OUT as LATER

HELD_OUT = ("coffee", "chelsea")
UNSEEN = ("swirls", "mosaic", "watercolor")
SIZE = 256  # of the photographs that it is judged on
PAINTINGS = 96  # for a first look
KINDS = {"predicting": nst.PredictingNetwork, "adain": nst.AdaINNetwork}
STAGES = {"predicting": PREDICTING, "adain": ADAIN}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, compare, and save what is better."""
    options = parser(__doc__, ANY_STYLE)
    options.add_argument("--kind", choices=KINDS, default="predicting", help="of a network that begins anew")
    options.add_argument("--backbone", default="mini", help="of a network that begins anew: the encoder, and the judge")
    options.add_argument("--layers", nargs="+", help="whose means and deviations are a style")
    options.add_argument("--widths", nargs="+", type=int, help="channels of the decoder, or of the painter")
    given = options.parse_args(arguments)
    begins = given.scratch or not given.output.exists()
    network = _new(given) if begins else load_any_style(given.output)
    judge = Judge(network.encoder.other(precision="auto"), {name: name for name in UNSEEN})
    how = {"without": HELD_OUT, "unseen": UNSEEN, "seed": given.seed, "checkpoint": given.checkpoint}
    course = AnyStyleCourse(judge, **how, **sources(given))
    training = course.train(network, given.minutes, STAGES[given.kind] if begins else GOING_ON)
    losses = judged(training.network)
    before = judged(load_any_style(given.output)) if given.output.exists() else {}
    if is_better(losses, before):
        print(nst.save_network(training.network, given.output, {**training.notes, "unseen": UNSEEN}))


def _new(given: argparse.Namespace) -> AnyStyleNetwork:
    sizes = {name: value for name in ("layers", "widths") if (value := getattr(given, name)) is not None}
    network = KINDS[given.kind](nst.FeatureExtractor(given.backbone), **sizes, seed=given.seed).eval()
    if isinstance(network, nst.PredictingNetwork):
        _begin_like_many_styles(network, given.seed)
    for name in nst.bundled_images("style"):
        network.add_style(name, name)
    return network


def _begin_like_many_styles(network: nst.PredictingNetwork, seed: int) -> None:
    """With the weights of the bundled network of many styles, where they fit."""
    many = nst.load_network(device=network.device)
    if many.widths != network.painter.widths:
        many = nst.StyleNetwork(["any"], network.painter.widths, seed=seed).to(network.device)
    paintings = nst.Paintings(size=SIZE, seed=seed, without=[*UNSEEN, *HELD_OUT])
    seen = [paintings.at(LATER + place, 1) for place in range(PAINTINGS)]
    network.begin_like(many, torch.cat(seen).to(network.device))


def judged(network: AnyStyleNetwork) -> dict[str, float]:
    """Mean total loss of its pictures of the held-out photographs in each unseen style, in full precision."""
    contents = [nst.load_image(name, SIZE) for name in HELD_OUT]
    judge = Judge(network.encoder, {name: name for name in UNSEEN})
    return {name: judge.judged(network, contents, name).total for name in UNSEEN}


if __name__ == "__main__":
    main()
