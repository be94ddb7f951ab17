"""What the command line does: its options, its checks, the run and its files."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

from .backbones import POOLINGS, available_backbones
from .errors import NstError
from .extractor import PRECISIONS
from .images import bundled_images, check_output, save_gif, save_image
from .large import ranks
from .losses import NORMALIZATIONS
from .objective import BETA
from .optimize import OPTIMIZERS, Run
from .options import DEFAULTS, QUALITIES, Options, count_steps
from .outputs import default_output
from .starts import INITS
from .transfer import MODES, prepare_mode
from .version import __version__

GIF_FRAMES = 40


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One clear line and exit status 2, without the usage before it."""
        self.exit(2, f"nstlib: {message} (python -m nstlib --help shows all options)\n")


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    p = _Parser(
        prog="python -m nstlib",
        description="Paint one picture in the style of another.",
        epilog="A picture is a path, an http(s) address or a bundled name (--list shows them). "
        "Ctrl-C ends a run early and saves what it has. Several GPUs or machines share a picture with "
        "torchrun --nproc-per-node 2 -m nstlib CONTENT STYLE.",
    )
    p.add_argument("content", nargs="?", metavar="CONTENT", help="picture that keeps its content, or 'noise'")
    p.add_argument("style", nargs="?", metavar="STYLE", help="picture that gives its style")
    p.add_argument("-o", "--out", type=Path, help="result, .png .jpg .webp .tif (img/results/CONTENT_STYLE.png)")
    p.add_argument("--mode", choices=MODES, default="style_transfer", help="what to make (%(default)s)")
    p.add_argument("--list", action="store_true", help="list the bundled pictures and the backbones, and stop")
    p.add_argument("--version", action="version", version=f"nstlib {__version__}")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no summary")

    # Without defaults here: what is not given is left to DEFAULTS, and --resume can tell what is given.
    picture = p.add_argument_group("picture")
    picture.add_argument("-s", "--size", type=_positive, help="longer side in pixels" + _default("size"))
    picture.add_argument("--style-size", type=_positive, help="longer side of the style; larger, larger strokes (size)")
    picture.add_argument("--init", help=f"start: {', '.join(INITS)} or a picture (content)")
    picture.add_argument("--seed", type=int, help="of the noise" + _default("seed"))

    loss = p.add_argument_group("loss")
    loss.add_argument("-a", "--alpha", type=float, help="weight of the content" + _default("alpha"))
    loss.add_argument("-b", "--beta", type=float, help=f"weight of the style ({_betas()})")
    loss.add_argument("--tv", type=float, help="weight of the total variation" + _default("tv"))
    loss.add_argument("--border", type=float, help="how much more that counts at the border" + _default("border"))
    loss.add_argument("--content-layers", type=_layers, metavar="L[=W],...", help="(relu4_2)")
    loss.add_argument("--style-layers", type=_layers, metavar="L[=W],...", help="(relu1_1,relu2_1,...,relu5_1)")
    loss.add_argument("--normalization", choices=NORMALIZATIONS, help=_default("normalization"))

    run = p.add_argument_group("optimization")
    run.add_argument("--quality", choices=QUALITIES, help=f"how far and how fast: {_qualities()} (good)")
    run.add_argument(
        "-n", "--steps", type=_positive, help="evaluations of the loss; alone, all at full size in float32"
    )
    run.add_argument("--precision", choices=PRECISIONS, help="of the network (auto in draft and good, else float32)")
    run.add_argument("--optimizer", choices=OPTIMIZERS, help="(adam with a quality, else lbfgs)")
    run.add_argument("--lr", type=float, help="learning rate (1 for lbfgs, 0.02 for adam)")
    run.add_argument("--backbone", choices=available_backbones(), help="(vgg19 where it can run fast, else mini)")
    run.add_argument("--weights", type=Path, metavar="FILE", help="weights for the backbone, in place of its own")
    run.add_argument("--pooling", choices=POOLINGS, help=_default("pooling"))
    run.add_argument(
        "--keep-scale", action="store_true", default=None, help="scale avg and l2 pooling to what max pooling gives"
    )
    run.add_argument(
        "--tile",
        type=_tile,
        metavar="PIXELS",
        help="longest side of the tiles of a picture that does not fit into memory whole; 'none' for never (auto)",
    )
    run.add_argument("--device", help="cpu, cuda, cuda:1, mps (the best there is)")

    save = p.add_argument_group("on the way")
    save.add_argument("--save-every", type=_positive, metavar="N", help="save every N-th frame beside OUT")
    save.add_argument("--gif", type=Path, nargs="?", const=True, metavar="FILE", help="animation of the progress")
    save.add_argument("--checkpoint", type=Path, metavar="FILE", help="save the run there, to resume it")
    save.add_argument("--checkpoint-every", type=_positive, default=50, metavar="N", help="(%(default)s steps)")
    save.add_argument("--resume", type=Path, metavar="FILE", help="go on with a saved run, in place of CONTENT STYLE")
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status: 0, 2 for bad arguments, 1 for trouble on the way, 130 for Ctrl-C."""
    p = parser()
    args = p.parse_args(arguments)
    if args.list:
        _list()
        return 0
    try:
        with ranks.joined(args.device):
            return _run(args, p)
    except NstError as error:
        p.exit(2, f"nstlib: {error}\n")


def _run(args: argparse.Namespace, p: argparse.ArgumentParser) -> int:
    """Make the picture; where processes share the work, the first one shows and saves it."""
    if ranks.rank() > 0:
        args.quiet, args.save_every, args.checkpoint, args.gif = True, None, None, None
    try:
        out, gif, run = _prepare(args, p)
    except KeyboardInterrupt:
        p.exit(130, "nstlib: interrupted before the first step\n")
    try:
        _optimize(run, args, out, gif)
    except NstError as error:
        print(f"nstlib: {error}", file=sys.stderr)
        _save(run, out)
        return 1
    return 130 if run.stop_reason == "interrupted" else 0


def _prepare(args: argparse.Namespace, p: argparse.ArgumentParser) -> tuple[Path, Path | None, Run]:
    """Check everything that can be checked before the first step."""
    options: Any = {name: getattr(args, name, None) for name in get_type_hints(Options)}
    options = {name: value for name, value in options.items() if value is not None}
    if args.tile == "none":
        options["tile"] = None
    if args.resume is not None and (args.content is not None or options.keys() - {"device"}):
        given = sorted(options.keys() - {"device"}) or ["CONTENT", "STYLE"]
        p.error(f"--resume goes on with the pictures and settings of the saved run; leave out {', '.join(given)}")
    if args.resume is None and args.content is None:
        p.error("give a content and a style picture")
    if args.resume is None and args.style is None and args.mode != "content":
        p.error("give a style picture after the content")
    out = args.out or (args.resume.with_suffix(".png") if args.resume else None)
    out = check_output(out or default_output(args.content, args.style, args.mode))
    gif = check_output(out.with_suffix(".gif") if args.gif is True else args.gif, (".gif",)) if args.gif else None
    args.steps = count_steps(args.steps, options)
    every = max(args.steps // GIF_FRAMES, 1) if gif else 0
    if args.resume:
        run = Run.load(args.resume, device=args.device)
        run.snapshot_every = run.snapshot_every or every
        return out, gif, run
    run = prepare_mode(args.content, args.style, args.mode, quiet=args.quiet, snapshot_every=every, **options)
    return out, gif, run


def _optimize(run: Run, args: argparse.Namespace, out: Path, gif: Path | None) -> None:
    for step in run.steps(args.steps, progress=not args.quiet):
        if args.save_every and step.number % args.save_every == 0:
            save_image(run.image, _frames(out) / f"{step.number:05d}.png")
        if args.checkpoint and step.number % args.checkpoint_every == 0:
            run.save(args.checkpoint)
    _save(run, out)
    if args.checkpoint:
        run.save(args.checkpoint)
    if gif:
        save_gif(run.snapshots.values(), gif)
    if not args.quiet:
        _summarize(run, args, out, gif)
    ranks.gathered("saved")  # no process goes on before the first one is ready, and reads what is not yet there


def _save(run: Run, out: Path) -> None:
    if ranks.rank() == 0:
        save_image(run.image, out)


def _summarize(run: Run, args: argparse.Namespace, out: Path, gif: Path | None) -> None:
    for term in ("content", "style", "total"):
        print(f"{term:8} {run.history[term][0]:10.4g}  ->  {run.history[term][-1]:10.4g}")
    ended = f", {run.stop_reason}" if run.stop_reason else ""
    shared = f", shared by {ranks.count()} processes" if ranks.count() > 1 else ""
    print(f"{run.taken} steps in {run.seconds:.0f} s on {run.device}{shared}{ended}")
    made = {"picture": out, "frames": args.save_every and _frames(out), "progress": gif, "run": args.checkpoint}
    for what, path in made.items():
        if path:
            print(f"{what:8} {path}")


def _frames(out: Path) -> Path:
    return out.with_name(out.stem + "_frames")


def _list() -> None:
    for kind in ("content", "style", "photo"):
        print(f"{kind:10}{' '.join(bundled_images(kind))}")
    print(f"{'backbone':10}{' '.join(available_backbones())}")


def _default(option: str) -> str:
    return f" ({DEFAULTS[option]})"  # type: ignore[literal-required]


def _betas() -> str:
    return ", ".join(f"{beta:g} with {normalization}" for normalization, beta in BETA.items())


def _qualities() -> str:
    return ", ".join(f"{name} {quality.steps} steps" for name, quality in QUALITIES.items())


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _tile(text: str) -> int | str:
    return text if text in ("auto", "none") else _positive(text)


def _layers(text: str) -> dict[str, float] | list[str]:
    """'relu1_1,relu2_1' share a weight of 1; 'relu1_1=0.5,relu2_1=2' have their own."""
    pairs = [layer.partition("=") for layer in text.replace(" ", ",").split(",") if layer]
    if not pairs:
        raise argparse.ArgumentTypeError(f"{text!r} names no layer")
    if not any(equals for _, equals, _ in pairs):
        return [name for name, _, _ in pairs]
    try:
        return {name: float(weight or 1) for name, _, weight in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form relu1_1=0.5,relu2_1=2") from None
