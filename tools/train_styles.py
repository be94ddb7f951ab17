"""Trains nstlib/weights/styles.safetensors: one network with all bundled styles.

It begins with the committed weights, and puts better ones in their place: by the mean loss of their pictures of two
photographs that it never learns on, under the objective of a slow transfer. It saves itself on the way and can be
started again.

    python tools/train_styles.py --minutes 100 --checkpoint styles.pt
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nstlib as nst
from nstlib.feedforward.files import BUNDLED
from nstlib.feedforward.judging import Judge
from nstlib.feedforward.network import StyleNetwork
from nstlib.feedforward.pictures import DEFAULT_SOURCES
from nstlib.feedforward.stages import FROM_SCRATCH, Course, Stage

HELD_OUT = ("coffee", "chelsea")
SIZE = 256  # of the photographs that it is judged on
GOING_ON = (Stage(1.0, 1, 1, 1e-3),)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, compare, and save what is better."""
    given = parser(__doc__, BUNDLED).parse_args(arguments)
    names = nst.bundled_images("style")
    network = StyleNetwork(names, seed=given.seed) if given.scratch else nst.load_network(given.output)
    judge = Judge(nst.FeatureExtractor("mini", precision="auto"), {name: name for name in names})
    course = Course(judge, without=HELD_OUT, seed=given.seed, checkpoint=given.checkpoint, **sources(given))
    training = course.train(network, given.minutes, FROM_SCRATCH if given.scratch else GOING_ON)
    losses = judged(training.network)
    before = judged(nst.load_network(given.output)) if given.output.exists() else {}
    if is_better(losses, before):
        print(nst.save_network(training.network, given.output, training.notes))


def parser(description: str | None, output: Path) -> argparse.ArgumentParser:
    """The options that all trainings have."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=100.0)
    options.add_argument("--checkpoint", type=Path, help="where it is saved on the way, outside the repository")
    options.add_argument("--photos", type=Path, help="a folder of photographs to learn on besides the bundled ones")
    options.add_argument("--scratch", action="store_true", help="begin with random weights")
    options.add_argument("--seed", type=int, default=0, help="of the weights, the pictures and their order")
    options.add_argument("-o", "--output", type=Path, default=output)
    return options


def sources(given: argparse.Namespace) -> dict[str, Any]:
    """What a course learns on, where it is not the bundled pictures alone."""
    return {"sources": [*DEFAULT_SOURCES, given.photos]} if given.photos else {}


def is_better(losses: Mapping[str, float], before: Mapping[str, float]) -> bool:
    """Show the losses of each style beside those of before, if there are any, and compare their sums.

    A network that knows other styles than the one before takes its place.
    """
    for name, loss in losses.items():
        print(f"{name:15} {loss:.3f}" + (f"  before {before[name]:.3f}" if name in before else ""))
    if losses.keys() == before.keys() and sum(losses.values()) >= sum(before.values()):
        print("not better: nothing was saved")
        return False
    return True


def judged(network: StyleNetwork) -> dict[str, float]:
    """Mean total loss of its pictures of the held-out photographs, of each style; with mini in full precision."""
    contents = [nst.load_image(name, SIZE) for name in HELD_OUT]
    judge = Judge(nst.FeatureExtractor("mini", device=network.device), {name: name for name in network.styles})
    return {name: judge.judged(network, contents, name).total for name in network.styles}


if __name__ == "__main__":
    main()
