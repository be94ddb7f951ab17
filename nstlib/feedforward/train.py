"""The command that teaches a network a painting: python -m nstlib.fast --train painting.jpg -o mine.safetensors."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from ..arguments import Parser
from ..backbones import default_backbone
from ..base.checks import number
from ..base.interrupts import finish
from ..base.reporting import shown_path, tell
from ..cli import exit_status
from ..errors import InputError, RunWarning
from ..extractor import FeatureExtractor
from ..images import check_output, load_image, save_image
from ..outputs import keep_inputs, name_of
from ..pictures.saving import places_elsewhere
from .files import load_network, save_network
from .judging import Judge
from .network import StyleNetwork
from .pictures import DEFAULT_SOURCES
from .stages import FROM_SCRATCH, NEW_STYLE, ROWS, SIZE, Course
from .training import Training

SAMPLE, SAMPLE_SIZE = "village", 384


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status.

    0; 1 where the network had to be saved elsewhere; 2 for what cannot work; 130 where Ctrl-C ended the training early.
    """
    args = parser().read(sys.argv[1:] if arguments is None else arguments)
    return exit_status(lambda: _train(args))


def parser() -> Parser:
    """The options of the command."""
    p = Parser(
        prog="python -m nstlib.fast --train",
        description="Teach a network to paint in the style of one painting, or of several.",
        epilog="A picture is a path, an http(s) address or a bundled name. Ctrl-C ends the training early and saves "
        "what has been learned.",
    )
    add = p.add_argument
    add("paintings", nargs="+", metavar="PAINTING", help="picture that gives its style; its name becomes the style's")
    add("-o", "--out", type=Path, required=True, help="file for the network, such as mine.safetensors")
    add("--minutes", type=float, default=3.0, help="how long (%(default)g)")
    begin = p.add_mutually_exclusive_group()
    begin.add_argument("--start", type=Path, metavar="NETWORK", help="network to begin with (the bundled one)")
    begin.add_argument("--scratch", action="store_true", help="begin with random weights, which takes longer")
    add(
        "--only-style",
        action="store_true",
        help="learn the new styles' rows alone: the network keeps all its styles, and has these besides; one that it "
        "has by the name of a painting learns on, and becomes another",
    )
    add("-s", "--size", type=int, default=SIZE, help="side of the pictures it learns on, in pixels (%(default)s)")
    add("--style-size", type=int, metavar="PIXELS", help="longer side of the paintings; larger, larger strokes (256)")
    add("--beta", type=float, help="weight of the style (10)")
    add("--checkpoint", type=Path, metavar="FILE", help="saves the training on the way, and goes on with what is there")
    add("--samples", type=Path, metavar="FOLDER", help="saves a painted picture in each new style on the way")
    add("--contents", metavar="FOLDER", help="pictures to learn on (the bundled ones, and drawn ones)")
    add("--seed", type=int, default=0, help="of the weights, the pictures and their order (%(default)s)")
    add("--device", help="cpu, cuda, cuda:1, mps (the best there is)")
    add("-q", "--quiet", action="store_true", help="no progress bar and no summary")
    return p


def _train(args: argparse.Namespace) -> int:
    if args.only_style and args.scratch:
        raise InputError("--only-style learns nothing but rows, and --scratch begins with nothing; leave one out")
    number("--minutes", args.minutes, above=True)
    paintings = _styles(args.paintings)
    _check_files(args, paintings)
    styles = {name: load_image(painting) for name, painting in paintings.items()}
    name = default_backbone(args.quiet, args.device)
    how = {name: value for name in ("style_size", "beta") if (value := getattr(args, name)) is not None}
    course = Course(
        Judge(FeatureExtractor(name, precision="auto", device=args.device), styles, **how),
        sources=args.contents or DEFAULT_SOURCES,
        size=args.size,
        only="style" if args.only_style else None,
        seed=args.seed,
        checkpoint=args.checkpoint,
        watch=args.samples and partial(_save_samples, folder=args.samples),
    )
    network = StyleNetwork(list(styles), seed=args.seed) if args.scratch else _begun(args, course)
    stages = ROWS if args.only_style else FROM_SCRATCH if args.scratch else NEW_STYLE
    training = course.train(network, args.minutes, stages, progress=not args.quiet)
    saved = finish(lambda: _saved_somewhere(training, args.out))
    if not args.quiet:
        tell(f"saved {shown_path(saved)} after {training.taken} steps of {training.contents.size} pixels")
    return 130 if training.stop_reason == "interrupted" else int(saved != args.out)


def _check_files(args: argparse.Namespace, paintings: dict[str, str]) -> None:
    """Refuse, before the training, files that could not be written after it; makes the paths full."""
    if args.out.suffix != ".safetensors":
        raise InputError(f"the network's file is {args.out}; give a name that ends in .safetensors")
    args.out = check_output(args.out, (".safetensors",))
    if args.checkpoint is not None:
        args.checkpoint = check_output(args.checkpoint, (args.checkpoint.suffix.lower(),))
    sources = {f"painting {name}": source for name, source in paintings.items()}
    keep_inputs({"-o": args.out, "--checkpoint": args.checkpoint}, sources)
    keep_inputs({"--checkpoint": args.checkpoint}, {"network to begin with": args.start})


def _saved_somewhere(training: Training, path: Path) -> Path:
    """Where the network is; where it cannot be saved to the path, elsewhere: minutes of learning are not lost."""
    try:
        return save_network(training.network, path, training.notes)
    except InputError as error:
        reason = error
    for place in places_elsewhere(path.stem, (path.suffix,)):
        with suppress(InputError):
            saved = save_network(training.network, place, training.notes)
            warnings.warn(f"{reason}. The network is in {saved}", RunWarning, stacklevel=2)
            return saved
    raise reason


def _save_samples(training: Training, folder: Path) -> None:
    """What a picture looks like by now, such as swirls_128_00400.jpg: after so many steps of contents of that size."""
    content = load_image(SAMPLE, SAMPLE_SIZE)
    for style in training.rows:
        name = f"{style}_{training.contents.size}_{training.taken:05}.jpg"
        save_image(training.network.paint(content, style, progress=False), folder / name)


def _styles(paintings: Sequence[str]) -> dict[str, str]:
    """Names of styles, and where their pictures are."""
    styles: dict[str, str] = {}
    for painting in paintings:
        name = name_of(painting)
        if name in styles:
            raise InputError(f"a style would be called {name!r}, which is taken; rename {painting}")
        styles[name] = painting
    return styles


def _begun(args: argparse.Namespace, course: Course) -> StyleNetwork:
    """The network to begin with. Each new style begins as the one that comes nearest to it."""
    network = load_network(args.start, course.judge.extract.device)
    known = list(network.styles)
    taken = [name for name in course.judge.targets if name in known]
    if args.only_style and taken and not args.quiet:
        tell(f"the network has {', '.join(taken)} already: learns on; rename the painting to keep both")
    for name in course.judge.targets:
        if name not in known:
            network.add_style(name, like=course.nearest(network, name))
    if not args.only_style:  # the others would not stay what they are
        network.keep_only(list(course.judge.targets))
    return network
