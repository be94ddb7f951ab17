"""Teach a network a painting: python -m nstlib.feedforward.train painting.jpg -o mine.safetensors."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..arguments import Parser
from ..backbones import default_backbone
from ..base.interrupts import finish
from ..base.reporting import shown_path, tell
from ..cli import exit_status
from ..errors import InputError
from ..extractor import FeatureExtractor
from ..images import load_image
from .files import load_network, save_network
from .network import StyleNetwork
from .pictures import DEFAULT_SOURCES, Contents
from .training import Training

CHECK_EVERY = 50
HELD_OUT = 2**40  # the number of a batch that no training comes to


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status: 0; 2 for what cannot work; 130 where Ctrl-C ended the training early."""
    args = parser().parse_args(arguments)
    return exit_status(lambda: _train(args))


def parser() -> Parser:
    """The options of the command."""
    p = Parser(
        prog="python -m nstlib.feedforward.train",
        description="Teach a network to paint in the style of one painting, or of several.",
        epilog="A picture is a path, an http(s) address or a bundled name. Ctrl-C ends the training early and saves "
        "what has been learned.",
    )
    add = p.add_argument
    add("paintings", nargs="+", metavar="PAINTING", help="picture that gives its style; its name becomes the style's")
    add("-o", "--out", type=Path, required=True, help="file for the network, such as mine.safetensors")
    add("--minutes", type=float, default=3.0, help="how long (%(default)g)")
    add("--start", type=Path, metavar="NETWORK", help="network to begin with; its styles stay, new ones come to it")
    add("--only-style", action="store_true", help="with --start: learn the new styles' rows, and leave all else")
    add("-s", "--size", type=int, default=128, help="side of the pictures it learns on, in pixels (%(default)s)")
    add("--style-size", type=int, metavar="PIXELS", help="longer side of the paintings; larger, larger strokes (256)")
    add("--batch", type=int, default=4, help="pictures a step (%(default)s)")
    add("--beta", type=float, help="weight of the style (10)")
    add("--contents", metavar="FOLDER", help="pictures to learn on (the bundled ones, and drawn ones)")
    add("--seed", type=int, default=0, help="of the weights, the pictures and their order (%(default)s)")
    add("--device", help="cpu, cuda, cuda:1, mps (the best there is)")
    add("-q", "--quiet", action="store_true", help="no progress bar and no summary")
    return p


def _train(args: argparse.Namespace) -> int:
    if args.only_style and args.start is None:
        raise InputError("--only-style needs a network whose other weights stay; give one with --start")
    if args.out.suffix != ".safetensors":
        raise InputError(f"the network's file is {args.out}; give a name that ends in .safetensors")
    styles = {name: load_image(painting) for name, painting in _styles(args.paintings).items()}
    network = _network(args, list(styles))
    name = default_backbone(args.quiet, args.device)
    contents = Contents(args.contents or DEFAULT_SOURCES, args.size, seed=args.seed)
    training = Training(
        network,
        styles,
        contents=contents,
        batch=args.batch,
        only="style" if args.only_style else None,
        seed=args.seed,
        precision="auto",
        extract=FeatureExtractor(name, precision="auto", device=args.device),
        held_out=[contents.at(HELD_OUT, 4)],
        check_every=CHECK_EVERY,
        how={name: value for name in ("style_size", "beta") if (value := getattr(args, name)) is not None},
    )
    training.run(minutes=args.minutes, progress=not args.quiet)
    saved = finish(lambda: save_network(network, args.out, training.notes))
    if not args.quiet:
        tell(f"saved {shown_path(saved)} after {training.taken} steps")
    return 130 if training.stop_reason == "interrupted" else 0


def _styles(paintings: Sequence[str]) -> dict[str, str]:
    """Names of styles, and where their pictures are."""
    styles: dict[str, str] = {}
    for painting in paintings:
        name = Path(painting).stem
        if name in styles:
            raise InputError(f"a style would be called {name!r}, which is taken; rename {painting}")
        styles[name] = painting
    return styles


def _network(args: argparse.Namespace, names: list[str]) -> StyleNetwork:
    if args.start is None:
        return StyleNetwork(names, seed=args.seed)
    network = load_network(args.start)
    for name in names:
        if name not in network.styles:
            network.add_style(name)
    return network


if __name__ == "__main__":
    sys.exit(main())
