"""What the command line does: its checks, the run and its files; `arguments` has its words."""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

from .arguments import Parser
from .arguments import parser as parser
from .backbones import at_hand, available_backbones, download_size
from .base.checks import size_of
from .base.interrupts import finish, noted
from .base.reporting import tell
from .errors import InputError, NstError, RunWarning
from .images import bundled_images, check_output, save_gif, save_image
from .large import ranks
from .optimize import Run
from .options import Options, count_steps, with_quality
from .outputs import default_output, free_name, keep_inputs, save_picture
from .transfer import named_files, named_styles, prepare_mode

GIF_FRAMES = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status.

    0; 2 for bad arguments; 1 for trouble on the way, also where something could not be saved where it should be;
    130 for Ctrl-C.
    """
    p = parser()
    args = p.read(sys.argv[1:] if arguments is None else arguments)
    if args.list:
        _list()
        return 0

    def run() -> int:
        with ranks.joined(getattr(args, "device", None)):
            return _run(args, p)

    return exit_status(run)


def exit_status(run: Callable[[], int]) -> int:
    """What a command's work gives; warnings and errors are told in a line: 2 for these, 130 for Ctrl-C."""
    try:
        with warnings_in_a_line():
            return run()
    except NstError as error:
        tell(f"nstlib: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        tell("nstlib: interrupted before there was anything to save", sys.stderr)
        return 130


@dataclass
class Files:
    """What is written, and what could not be.

    Attributes:
        out: the picture.
        chosen: somebody gave its name, so that a picture of that name is replaced.
        frames, gif, checkpoint: what is made on the way; None where nobody asked.
        every: steps between two frames, and between two checkpoints.
        made: what is there, by the word for it.
        lost: what is not.
        interruptions: one entry for each Ctrl-C while something was written.
    """

    out: Path
    chosen: bool
    frames: Path | None = None
    gif: Path | None = None
    checkpoint: Path | None = None
    every: tuple[int, int] = (1, 50)
    made: dict[str, Path] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    interruptions: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, args: argparse.Namespace, inputs: dict[str, Any]) -> "Files":
        """The files that were asked for.

        Raises:
            NstError: one that cannot be written, or would be written over what is read.
        """
        out = check_output(args.out) if args.out else _unasked(args)
        gif = check_output(args.gif or out.with_suffix(".gif"), (".gif",)) if args.gif is not None else None
        checkpoint = args.checkpoint and check_output(args.checkpoint, (args.checkpoint.suffix.lower(),))
        frames = _new_folder(out.with_name(out.stem + "_frames")) if args.save_every else None
        if frames:
            check_output(frames / "00001.png")
        keep_inputs({"-o": out, "--gif": gif, "--checkpoint": checkpoint}, inputs)
        keep_inputs({"-o": out, "--gif": gif}, {"saved run": args.resume})  # a run goes on in its own file
        every = args.save_every or 1, args.checkpoint_every
        return cls(out, bool(args.out), frames, gif, checkpoint, every)

    def check(self, size: tuple[int, int]) -> None:
        """Refuse formats that cannot hold a picture of this size (H, W), before there is one."""
        check_output(self.out, size=size)
        if self.gif:
            check_output(self.gif, (".gif",), size)

    def on_the_way(self, run: Run, number: int) -> None:
        """A frame and a checkpoint where they are due; one that cannot be written stops nothing."""
        if (frames := self.frames) and number % self.every[0] == 0:
            self._write("frames", lambda: save_image(run.image, frames / f"{number:05d}.png").parent)
        if (checkpoint := self.checkpoint) and number % self.every[1] == 0:
            self._write("run", lambda: run.save(checkpoint))

    def at_the_end(self, run: Run) -> None:
        """Everything else; what cannot be written does not keep the rest from it."""
        self._write("picture", lambda: save_picture(run.image, self.out, self.chosen))
        if self.chosen and self.made.get("picture") != self.out:
            self.lost.add("picture")
        if gif := self.gif:
            self._write("progress", lambda: save_gif(run.snapshots.values(), gif))
        if checkpoint := self.checkpoint:
            self.lost.discard("run")
            self._write("run", lambda: run.save(checkpoint))

    def _write(self, what: str, save: Callable[[], Path]) -> None:
        try:
            self.made[what] = finish(save, self.interruptions)
        except NstError as error:
            self.lost.add(what)
            warnings.warn(str(error), RunWarning, stacklevel=2)


def _run(args: argparse.Namespace, p: Parser) -> int:
    """Make the picture; where processes share the work, the first one shows and saves it."""
    if ranks.rank() > 0:
        args.quiet, args.save_every, args.checkpoint, args.gif = True, None, None, None
    run, count, files = _prepare(args, p)
    with noted(files.interruptions):  # to the end: whenever Ctrl-C comes, what is there is saved
        trouble = _take(run, count, files, args)
        if ranks.rank() == 0 and (run.taken or not run.stop_reason):
            files.at_the_end(run)
            if not args.quiet and not trouble:
                _summarize(run, files)
    if not trouble:
        ranks.gathered("saved")  # no process goes on before the first one is ready, and reads what is not yet there
    if run.stop_reason == "interrupted" or files.interruptions:
        if not run.taken:
            tell("nstlib: interrupted before the first step", sys.stderr)
        return 130
    return 1 if trouble or files.lost else 0


def _prepare(args: argparse.Namespace, p: Parser) -> tuple[Run, int, Files]:
    """Check everything that can be checked before the first step; gives the run, its steps and its files."""
    options: Any = {name: vars(args)[name] for name in get_type_hints(Options) if name in vars(args)}
    _check_pictures(args, options, p)
    inputs = {"content": args.content, **named_styles(args.style), "start": options.get("init")}
    files = Files.of(args, {**inputs, **named_files(options)})
    if args.resume:
        run = Run.load(args.resume, device=options.get("device"))
        count = _remaining(run, args)
        run.snapshot_every = run.snapshot_every or (_gif_every(count) if files.gif else 0)
    else:
        count = count_steps(args.steps, options)
        options = with_quality(args.steps, options)
        options["snapshot_every"] = _gif_every(count) if files.gif else 0
        run = prepare_mode(args.content, args.style, args.mode, steps=count, quiet=args.quiet, **options)
    if files.gif and not run.snapshots:
        run.snapshots.take(run.taken, run.image)
    run.planned = run.taken + count
    files.check(size_of(run.image))
    return run, count, files


def _check_pictures(args: argparse.Namespace, options: dict[str, Any], p: Parser) -> None:
    if args.resume is not None and (args.content is not None or options.keys() - {"device"}):
        given = sorted(options.keys() - {"device"}) or ["CONTENT", "STYLE"]
        p.error(f"--resume goes on with the pictures and settings of the saved run; leave out {', '.join(given)}")
    if args.resume is None and args.content is None:
        p.error("give a content and a style picture")
    if args.resume is None and args.style is None and args.mode != "content":
        p.error("give a style picture after the content" + (", which is 'noise' here" if args.mode == "style" else ""))


def _remaining(run: Run, args: argparse.Namespace) -> int:
    """How many steps a saved run is to take."""
    if args.steps is not None:
        return int(args.steps)
    if not run.planned:
        raise InputError(f"{args.resume} does not say how many steps it is meant for; give -n")
    if not run.remaining and not args.quiet:
        tell(f"all {run.planned} steps were taken and none remains; give -n for more")
    return run.remaining


def _take(run: Run, count: int, files: Files, args: argparse.Namespace) -> bool:
    """Take the steps; Ctrl-C ends them, whenever it comes. Gives whether there was trouble, and says which."""
    try:
        for step in run.steps(count, progress=not args.quiet):
            files.on_the_way(run, step.number)
            if files.interruptions:
                break
    except KeyboardInterrupt:  # between two steps, or pressed twice
        files.interruptions.append(1)
    except NstError as error:
        tell(f"nstlib: {error}", sys.stderr)
        return True
    if files.interruptions:
        run.stop_reason = "interrupted"
    return False


def _unasked(args: argparse.Namespace) -> Path:
    """The name of a picture for which nobody chose one."""
    default = default_output(args.content, args.style, args.mode) if args.resume is None else args.resume
    return free_name(check_output(default.with_suffix(".png")))


def _new_folder(folder: Path) -> Path:
    """The folder, or where another run has its frames there, the next free one."""
    try:
        return folder if folder.is_dir() and not any(folder.iterdir()) else free_name(folder)
    except OSError:
        return free_name(folder)


def _gif_every(count: int) -> int:
    return max(count // GIF_FRAMES, 1)


@contextmanager
def warnings_in_a_line() -> Iterator[None]:
    """Warnings of the package in words alone, without the line of code that gave them."""

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, RunWarning):
            tell(f"nstlib: {message}", sys.stderr)
        else:
            usual(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", RunWarning)
        usual, warnings.showwarning = warnings.showwarning, show
        yield


def _summarize(run: Run, files: Files) -> None:
    for term in ("content", "style", "total") if run.history else ():
        tell(f"{term:8} {run.history[term][0]:10.4g}  ->  {run.history[term][-1]:10.4g}")
    ended = f", {run.stop_reason}" if run.stop_reason else ""
    shared = f", shared by {ranks.count()} processes" if ranks.count() > 1 else ""
    tell(f"{run.taken} steps in {run.seconds:.0f} s on {run.device}{shared}{ended}")
    for what, path in files.made.items():
        tell(f"{what:8} {path}")


def _list() -> None:
    for kind in ("content", "style", "photo"):
        tell(f"{kind:10}{' '.join(bundled_images(kind))}")
    here = {name: at_hand(name) for name in available_backbones()}
    tell(f"{'backbone':10}{' '.join(name for name, there in here.items() if there)}")
    for name in (name for name, there in here.items() if not there):
        tell(f"{'':10}{name} (downloads {download_size(name):.0f} MB once)")
