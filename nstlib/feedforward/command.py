"""The command that paints in one pass, a picture or a folder of them: python -m nstlib.fast photo.jpg swirls."""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from ..arguments import Parser, files, numbers, positive, positive_or_none
from ..base.checks import counted, one_of
from ..base.interrupts import finish
from ..base.reporting import progress_bar, shown_path, tell
from ..cli import exit_status
from ..control.regions import read_masks
from ..control.styles import Blend
from ..errors import ImageError, InputError, OutOfMemory, RunWarning
from ..extractor import PRECISIONS
from ..images import bundled_images, check_output
from ..outputs import default_output, free_name, keep_inputs, save_picture
from ..pictures.sources import PICTURE_SUFFIXES, full_path, is_address
from ..transfer import named_files
from .any_style import AnyStyleNetwork
from .fast import fast, is_painting, network_for, painter_of, ready_network
from .pictures import folder_pictures
from .styled import Styled

ALL = "all"  # the word for each style of the network in turn
TRAIN = "--train"
TRIED, TRIED_SIZE = "village", 32  # a content and its longer side, to find out whether all else can work
# What is given on to `fast` as it is, where it is given at all.
PASSED_ON = ("strength", "size", "color", "tile", "precision", "device")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status.

    0; 2 for what cannot work; 1 where a picture of a folder was left out, or something could not be saved where it
    should be; 130 for Ctrl-C. What is painted by then is saved.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if any(word.partition("=")[0] == TRAIN for word in words):
        from .train import main as train  # reads far more than painting needs

        return train(_without_train(words))
    p = parser()
    args = p.read(words)
    if not args.list and args.content is None:
        p.error("give a picture, or a folder of pictures, and a style; --list shows the styles")
    return exit_status(lambda: _list(args) if args.list else _run(args))


def parser() -> Parser:
    """The options of the command. Those of `fast` have no defaults here: what is not given is left to it."""
    p = Parser(
        prog="python -m nstlib.fast",
        description="Paint a picture in one pass of a trained network, or each picture of a folder.",
        epilog="A picture is a path, an http(s) address or a bundled name. Ctrl-C ends a folder early; what is painted "
        "by then is saved. Exit status: 0; 1 where a picture of a folder was left out, or had to be saved elsewhere; "
        "2 for what cannot work; 130 for Ctrl-C.",
    )
    add = p.add_argument
    add("content", nargs="?", metavar="CONTENT", help="picture that keeps its content, or a folder of pictures")
    style = "style of the network; or several: a mix, --shares; or one for each of --masks, also a mix, "
    add("style", nargs="*", metavar="STYLE", help=style + "swirls=0.7,mosaic=0.3; 'all' paints one picture in each")
    out = "result, .png .jpg .webp .tif .bmp; of a folder or 'all', a folder (in img/results/, under a free name)"
    add("-o", "--out", type=Path, help=out)
    add("--list", action="store_true", help="list the styles of the network and its notes, and stop")
    add("-q", "--quiet", action="store_true", help="no progress bar and no summary")
    formats = "ending of the pictures that go into a folder (png)"
    add("--format", choices=[suffix[1:] for suffix in PICTURE_SUFFIXES], metavar="ENDING", help=formats)
    add("--network", metavar="FILE", help="network that paints (the bundled one, with all bundled styles)")
    add("--shares", type=numbers, metavar="SHARE,SHARE,...", help="how much of each of several styles (equal shares)")
    masks = "where each style goes: gray, one each; or one with a color each: red, green, blue, ... (everywhere)"
    add("--masks", type=files, metavar="FILE[,...]", help=masks)
    study = "look at a painting, then learn to paint in its style for so many steps; 60 take some seconds, and Ctrl-C "
    study += "ends them early and paints with what is learned"
    add("--study", type=positive, metavar="STEPS", help=study)
    training = "teach a network a painting instead: --train painting.jpg -o mine.safetensors; --train --help says more"
    add(TRAIN, action="store_true", help=training)
    _add_passed_on(p)
    return p


def _add_passed_on(p: Parser) -> None:
    def add(*names: str, **options: Any) -> None:
        p.add_argument(*names, default=argparse.SUPPRESS, **options)

    each = "; with --masks, one for all or one each"
    add("--strength", type=_strength, metavar="S[,...]", help=f"how much of the style, 0 to 1{each} (1)")
    add("-s", "--size", type=positive_or_none, help="longer side in pixels; 'none' keeps it (none)")
    colors = "style: its own; match: what is painted in the content's; luminance: only brightness comes over"
    add("--color", type=_color, metavar="COLOR[,...]", help=f"{colors}{each} (style)")
    add(
        "--style-size",
        type=positive,
        metavar="PIXELS",
        help="longer side of the paintings: larger, larger strokes (256)",
    )
    add("--tile", type=positive, metavar="PIXELS", help="side of the tiles of a large picture (by the free memory)")
    add("--precision", choices=PRECISIONS, help="of the network's convolutions (auto)")
    add("--device", help="cpu, cuda, cuda:1, mps (the best there is)")


@dataclass(frozen=True)
class Job:
    """A picture to paint.

    Attributes:
        content: the picture or its path.
        style: as `fast` takes it.
        out: where it goes.
        chosen: somebody gave that name, or its folder's: a picture of that name is replaced.
    """

    content: str | Path
    style: Any
    out: Path
    chosen: bool


@dataclass
class Done:
    """What has become of the jobs.

    Attributes:
        saved: where the pictures are.
        trouble: one was left out, or had to be saved elsewhere.
        interruptions: one entry for each Ctrl-C while something was saved.
    """

    saved: list[Path] = field(default_factory=list)
    trouble: bool = False
    interruptions: list[int] = field(default_factory=list)


def _run(args: argparse.Namespace) -> int:
    network = ready_network(args.network, vars(args).get("precision", "auto"), vars(args).get("device"))
    jobs = _jobs(args, network)
    for job in jobs:
        inputs = {"content": job.content, "network": args.network, **named_files({"masks": args.masks})}
        keep_inputs({"-o": job.out}, {**inputs, **_paintings(job.style)})
    options = {name: vars(args)[name] for name in PASSED_ON if name in vars(args)}
    styles = list(dict.fromkeys(name for job in jobs for name in _paintings(job.style).values()))
    looks: dict[str, Any] = {
        name: vars(args)[name] for name in ("style_size", "precision", "device") if name in vars(args)
    }
    if args.masks is not None:  # read once for all pictures; here the style is a list with one for each
        options["masks"] = read_masks(args.masks, len(jobs[0].style))
    if args.study is not None:
        _try(jobs, {**options, **looks, "network": args.network})
    painter = _painter(args, styles, looks)
    done = Done()
    try:
        _paint(jobs, {"network": painter, **options}, done, args.quiet)
    except KeyboardInterrupt:
        if not done.saved:
            raise
        done.interruptions.append(1)
    return _told(jobs, done, args.quiet)


def _try(jobs: Sequence[Job], options: dict[str, Any]) -> None:
    """Paint a small picture after one look: what cannot work is to be said before the study, not after it."""
    contents = {job.content for job in jobs}
    content = jobs[0].content if len(contents) == 1 else TRIED  # of several, one that cannot be read is left out
    fast(content, jobs[0].style, **{**options, "size": TRIED_SIZE, "progress": False})


def _painter(args: argparse.Namespace, styles: Sequence[str], looks: dict[str, Any]) -> Styled:
    """What has looked at each painting, or studied it, once for all pictures."""
    if args.study is None:
        return painter_of(args.network, styles, **looks)
    precision = looks.pop("precision", "auto")
    found = network_for(styles, args.network, "float32", looks.get("device"))
    any_style = isinstance(found, AnyStyleNetwork)
    unknown = [name for name in styles if name not in found.styles]
    paintings = {name: name for name in unknown if any_style or is_painting(name, found.styles)}
    for name in unknown:
        if name not in paintings:
            one_of("the style", name, found.styles)
    if not paintings:
        raise InputError(f"--study is for a painting, and the network knows {', '.join(styles)}; leave it out")
    from .studying import study  # reads far more than painting needs

    studied = study(paintings, found, steps=args.study, progress=not args.quiet, **looks)
    return ready_network(studied, precision)


def _paint(jobs: Sequence[Job], options: dict[str, Any], done: Done, quiet: bool) -> None:
    """Paint and save one after the other; where there are several contents, one that cannot be read is left out."""
    several, contents = len(jobs) > 1, {job.content for job in jobs}
    with progress_bar(len(jobs), several and not quiet, unit="picture") as bar:
        for job in jobs:
            try:
                _paint_one(job, {**options, "progress": not (several or quiet)}, done)
            except (ImageError, OutOfMemory) as error:
                if len(contents) == 1:
                    raise
                warnings.warn(f"left out: {error}", RunWarning, stacklevel=2)
                done.trouble = True
            bar.update()
            if done.interruptions:
                break


def _paint_one(job: Job, options: dict[str, Any], done: Done) -> None:
    painted = fast(job.content, job.style, **options)
    saved = finish(lambda: save_picture(painted, job.out, job.chosen), done.interruptions)
    done.saved.append(saved)
    done.trouble |= job.chosen and saved != job.out


def _told(jobs: Sequence[Job], done: Done, quiet: bool) -> int:
    """Say what was done; gives the exit status."""
    if done.saved:
        where = shown_path(done.saved[0] if len(jobs) == 1 else jobs[0].out.parent)
        count = "" if len(jobs) == 1 else f": {len(done.saved)} of {counted(len(jobs), 'picture')}"
        if done.interruptions and len(done.saved) < len(jobs):
            tell(f"nstlib: interrupted; saved {where}{count}", sys.stderr)
        elif not quiet:
            tell(f"saved {where}{count}")
    return 130 if done.interruptions else int(done.trouble)


# What is painted, and where it goes.


def _jobs(args: argparse.Namespace, network: Styled) -> list[Job]:
    """All that is asked for.

    Raises:
        NstError: styles that cannot be, or a place that cannot be written.
    """
    everything = args.style == ALL and ALL not in network.styles
    if everything and (args.masks or args.shares):
        raise InputError(f"'{ALL}' is one picture in each style; with --masks or --shares name the styles")
    styles: dict[str, Any] = dict(zip(network.styles, network.styles, strict=True))
    if not everything:
        styles = {"": _style(args, network)}
    if _is_folder(args.content):
        return _jobs_of_a_folder(args, styles)
    if everything:
        return _jobs_of_all_styles(args, network.styles)
    if args.out is not None and args.format is not None:
        raise InputError(f"--format is for a folder of pictures; the ending of -o {args.out} says it already")
    out = args.out or free_name(_default(args.content, _names(styles[""]), args))
    return [Job(args.content, styles[""], check_output(out), args.out is not None)]


def _jobs_of_all_styles(args: argparse.Namespace, names: Sequence[str]) -> list[Job]:
    """One picture in each style."""
    paths = [_default(args.content, name, args) for name in names]
    if args.out is not None:
        folder = _folder_for(args.out, f"'{ALL}' paints one picture in each style")
        paths = [folder / path.name for path in paths]
    outs = _outs(paths if args.out else [free_name(path) for path in paths])
    return [Job(args.content, name, out, args.out is not None) for name, out in zip(names, outs, strict=True)]


def _jobs_of_a_folder(args: argparse.Namespace, styles: dict[str, Any]) -> list[Job]:
    """Each picture of a folder, in one style or in each of several by their names."""
    contents = full_path(args.content)
    names = _names(styles[""]) if "" in styles else ALL
    if args.out is None:
        folder = free_name(_default(contents, names, args).with_suffix(""))
    else:
        folder = _folder_for(args.out, f"{args.content} is a folder")
    if folder.is_dir() and folder.samefile(contents):
        raise InputError(f"-o {folder} is the folder of the contents itself; choose another")
    pairs = [(source, name) for source in folder_pictures(contents) for name in styles]
    outs = _outs([folder / _default(source, name or None, args).name for source, name in pairs])
    read = {os.path.realpath(source): source for source, _ in pairs}
    for out in outs:  # one may be a link to a file in the other folder
        if os.path.realpath(out) in read:
            raise InputError(
                f"{out} is {read[os.path.realpath(out)]} itself and would be written over; choose another -o"
            )
    return [Job(source, styles[name], out, True) for (source, name), out in zip(pairs, outs, strict=True)]


def _default(content: str | Path, names: Any, args: argparse.Namespace) -> Path:
    """The name of a picture for which nobody chose one."""
    return default_output(content, names, "style_transfer").with_suffix(f".{args.format or 'png'}")


def _outs(paths: Sequence[Path]) -> list[Path]:
    """The full paths, each once: two pictures of one name, but for its ending, go under two."""
    outs: dict[Path, None] = {}
    for path in paths:
        out, number = check_output(path), 2
        while out in outs:
            out, number = out.with_name(f"{path.stem}_{number}{path.suffix}"), number + 1
        outs[out] = None
    return list(outs)


def _is_folder(content: str) -> bool:
    return os.path.isdir(os.path.expanduser(content)) and content not in bundled_images()


def _folder_for(out: Path, why: str) -> Path:
    folder = full_path(out)
    if folder.is_file() or (folder.suffix.lower() in PICTURE_SUFFIXES and not folder.is_dir()):
        raise InputError(f"-o {out} is the name of a picture, but {why}; give the name of a folder")
    return folder


# Styles in words.


def _style(args: argparse.Namespace, network: Styled) -> Blend | list[Blend]:
    """The style as `fast` takes it: a mix, or with masks a list of them."""
    words = [args.style] if isinstance(args.style, str) else args.style or []
    if args.masks is not None and args.shares is not None:
        raise InputError(
            "with --masks each style has a place of its own; say how much of each with --strength 0.7,0.3, and a mix "
            "for one place as swirls=0.7,mosaic=0.3"
        )
    if not words and len(network.styles) > 1:
        raise InputError(f"say which style: the network has {', '.join(network.styles)}")
    mixes = [_mix(word, network) for word in words or network.styles]
    return [Blend.of(mix) for mix in mixes] if args.masks is not None else Blend.of([*chain(*mixes)], args.shares)


def _mix(word: str, network: Styled) -> list[str | tuple[str, float]]:
    """'swirls', 'swirls,mosaic' or 'swirls=0.7,mosaic=0.3'; a file or an address may have such signs of its own."""
    if word in network.styles or is_address(word) or os.path.isfile(os.path.expanduser(word)):
        return [word]
    parts = [part.strip().partition("=") for part in word.split(",")]
    try:
        return [(name, float(share)) if equals else name for name, equals, share in parts]
    except ValueError:
        raise InputError(
            f"the style is {word!r:.80}; expected a name, or a mix such as swirls=0.7,mosaic=0.3"
        ) from None


def _paintings(style: Any) -> dict[str, str]:
    """Each style by what messages call it: one may be a file."""
    return {f"style {name}": name for name in ([style] if isinstance(style, str) else _names(style))}


def _names(style: Blend | list[Blend]) -> list[str]:
    """Of all styles in it."""
    return [name for blend in ([style] if isinstance(style, Blend) else style) for name in blend.pictures]


# Words of the command line.


def _strength(text: str) -> float | list[float]:
    values = numbers(text)
    return values if len(values) > 1 else values[0]


def _color(text: str) -> str | list[str]:
    words = [word.strip() for word in text.split(",")]
    return words if len(words) > 1 else words[0]


def _without_train(words: Sequence[str]) -> list[str]:
    """What is left for the training: the option's value, as in --train=painting.jpg, is a painting."""
    found = [word.removeprefix(f"{TRAIN}=") for word in words]
    return [word for word in found if word != TRAIN]


def _list(args: argparse.Namespace) -> int:
    network = ready_network(args.network, "float32", "cpu")
    tell(f"{'style':16}{' '.join(network.styles)}")
    for name, value in network.notes.items():
        tell(f"{name:16}{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    return 0
