"""Trains nstlib/weights/any_style.safetensors: the decoder that paints in the style of any picture.

It begins with the committed weights, where there are some, and puts better ones in their place: by the mean loss of its
pictures of two photographs in three bundled styles, none of which it learned on. It saves itself on the way and can be
started again. With another backbone, on a GPU:

    python tools/train_any_style.py --minutes 100 --checkpoint any.pt
    python tools/train_any_style.py --backbone vgg19 --scratch --minutes 300 -o any_vgg19.safetensors
"""

import argparse
from collections.abc import Sequence

from train_styles import is_better, parser, sources

import nstlib as nst
from nstlib.feedforward.any_style import LAYERS, WIDTHS, AnyStyleNetwork
from nstlib.feedforward.any_training import FROM_SCRATCH, GOING_ON, AnyStyleCourse
from nstlib.feedforward.files import ANY_STYLE, load_any_style
from nstlib.feedforward.judging import Judge

HELD_OUT = ("coffee", "chelsea")
UNSEEN = ("swirls", "mosaic", "watercolor")
SIZE = 256  # of the photographs that it is judged on


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, compare, and save what is better."""
    options = parser(__doc__, ANY_STYLE)
    options.add_argument("--backbone", default="mini", help="with --scratch, the encoder, which is the judge too")
    options.add_argument("--layers", nargs="+", default=list(LAYERS), help="where means and deviations are swapped")
    options.add_argument("--widths", nargs="+", type=int, default=list(WIDTHS), help="channels of the decoder")
    given = options.parse_args(arguments)
    begins = given.scratch or not given.output.exists()
    network = _new(given) if begins else load_any_style(given.output)
    judge = Judge(network.encoder.other(precision="auto"), {name: name for name in UNSEEN})
    how = {"without": HELD_OUT, "unseen": UNSEEN, "seed": given.seed, "checkpoint": given.checkpoint}
    course = AnyStyleCourse(judge, **how, **sources(given))
    training = course.train(network, given.minutes, FROM_SCRATCH if begins else GOING_ON)
    losses = judged(training.network)
    before = judged(load_any_style(given.output)) if given.output.exists() else {}
    if is_better(losses, before):
        print(nst.save_network(training.network, given.output, {**training.notes, "unseen": UNSEEN}))


def _new(given: argparse.Namespace) -> AnyStyleNetwork:
    network = AnyStyleNetwork(nst.FeatureExtractor(given.backbone), given.layers, given.widths, seed=given.seed).eval()
    for name in nst.bundled_images("style"):
        network.add_style(name, name)
    return network


def judged(network: AnyStyleNetwork) -> dict[str, float]:
    """Mean total loss of its pictures of the held-out photographs in each unseen style, in full precision."""
    contents = [nst.load_image(name, SIZE) for name in HELD_OUT]
    judge = Judge(network.encoder, {name: name for name in UNSEEN})
    return {name: judge.judged(network, contents, name).total for name in UNSEEN}


if __name__ == "__main__":
    main()
