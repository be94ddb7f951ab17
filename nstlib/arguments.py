"""The words of the command line, and what it answers to other programs' words."""

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, cast

from .backbones import POOLINGS, available_backbones
from .base.checks import elsewhere, guess, the_nearest
from .base.reporting import tell
from .base.version import __version__
from .control.colors import COLORS
from .control.masks import GUIDANCES
from .extractor import PRECISIONS
from .losses import NORMALIZATIONS
from .objective import BETA
from .optimize import OPTIMIZERS
from .options import DEFAULTS, QUALITIES
from .pictures.sources import PICTURE_SUFFIXES, bundled_images, is_address
from .starts import INITS
from .style_losses.names import STYLE_LOSSES
from .transfer import MODES

# Words of Python that the command line says otherwise.
SPELLED = {"snapshot_every": "save_every", "progress": "quiet"}
PICTURES = {"content": "CONTENT, the first picture", "style": "STYLE, the second picture"}
# Options that take several values, with commas between them.
SEVERAL = ("--masks", "--style-masks", "--shares", "--style-size")
# Negative numbers that argparse takes for options.
NEGATIVE = re.compile(r"-(\d[\d.]*e[-+]?\d+|\.\d+e[-+]?\d+|inf(inity)?|nan)", re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """One clear line and exit status 2 for whatever cannot be; options are written out in full."""

    def __init__(self, **options: Any):
        super().__init__(allow_abbrev=False, **options)

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """What was asked for; ends the program where that makes no sense."""
        self._refuse_others(arguments)
        self._refuse_spaces(arguments)
        found = self.parse_intermixed_args(self._joined(arguments))
        if "style" in found:
            found.style = found.style if len(found.style) > 1 else next(iter(found.style), None)
        return found

    def error(self, message: str) -> NoReturn:
        """Say it without the usage before it; of a word that is no choice, which is the nearest."""
        if wrong := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            message += guess(wrong[1], re.findall(r"[\w.]+", wrong[2]))
        self.exit(2, f"nstlib: {message} ({self.prog} --help shows all options)\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Say it, whatever the stream can take, and end."""
        if message:
            tell(message.rstrip("\n"), sys.stderr)
        sys.exit(status)

    def print_help(self, file: Any = None) -> None:
        """Show all options."""
        tell(self.format_help().rstrip("\n"), file)

    def _refuse_others(self, arguments: Sequence[str]) -> None:
        """Options that are not of this program, all in one line: what they are called here."""
        told = [self._called_here(word, name) for word, name in self._strange(arguments)]
        if told:
            self.error(f"there is no option {'; no '.join(told)}")

    def _refuse_spaces(self, arguments: Sequence[str]) -> None:
        """Several values of an option with spaces between them: all but the first would be taken for styles."""
        for twice in SEVERAL:
            if sum(argument.partition("=")[0] == twice for argument in arguments) > 1:
                self.error(f"{twice} is there twice; give several values in one, with commas between them")
        pictures = 0
        for place, argument in enumerate(arguments):
            before, last = arguments[max(place - 2, 0) : place][:1], arguments[place - 1] if place else ""
            if argument.startswith("-") or last in self._option_string_actions:
                continue
            option = before[0] if place > 1 and before[0] in SEVERAL else None
            if option and (pictures > 1 or re.fullmatch(r"[\d.]+", argument)):
                self.error(f"several values have commas between them, and no spaces: {option} {last},{argument}")
            pictures += 1

    def _strange(self, arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Options that are not of this program, as written and as a plain name."""
        for argument in arguments:
            word = argument.partition("=")[0]
            name = word.lstrip("-").replace("-", "_")
            if argument == "--":
                return
            if word in self._option_string_actions or not re.match(r"--?[a-zA-Z]", word) or NEGATIVE.fullmatch(word):
                continue
            # One dash: -s512 is the size, -oa.png the result; -style_image, as neural-style writes it, is neither.
            other = re.fullmatch(r"-[^oq][a-zA-Z_]{2,}", word) and not word.endswith("none")
            if word.startswith("--") or other or elsewhere(name, [*self._names(), *SPELLED, *PICTURES]):
                yield word, name

    def _names(self) -> list[str]:
        words = (word[2:] for word in self._option_string_actions if word.startswith("--"))
        return [word.replace("-", "_") for word in words]

    def _called_here(self, word: str, name: str) -> str:
        here = elsewhere(name, [*self._names(), *SPELLED, *PICTURES])
        if here in PICTURES:
            return f"{word}: give it as {PICTURES[here]}, without an option"
        if here:
            return f"{word}, it is --{SPELLED.get(here, here).replace('_', '-')} here"
        near = ["--" + name.replace("_", "-") for name in difflib.get_close_matches(name, self._names(), 3, 0.5)]
        return f"{word}, {the_nearest(near)}" if near else word

    def _joined(self, arguments: Sequence[str]) -> list[str]:
        """Options and their values in one word where argparse would part or join them wrongly."""
        joined: list[str] = []
        for argument in arguments:
            before = joined[-1] if joined else ""
            is_number = NEGATIVE.fullmatch(argument)
            if (before in self._option_string_actions and is_number) or (before == "--gif" and _is_for_gif(argument)):
                joined[-1] = f"{before}={argument}"
            else:
                if before == "--gif":  # alone: the picture after it is none of its business
                    joined[-1] = "--gif="
                joined.append(argument)
        return joined


def parser() -> Parser:
    """The options of the command line.

    What says how a picture is made has no defaults here: what is not given is left to `DEFAULTS`, and `--resume` can
    tell what is given.
    """
    p = Parser(
        prog="python -m nstlib",
        description="Paint one picture in the style of another.",
        epilog="A picture is a path, an http(s) address or a bundled name (--list shows them). "
        "Ctrl-C ends a run early and saves what it has. Several GPUs or machines share a picture with "
        "torchrun --nproc-per-node 2 -m nstlib CONTENT STYLE. "
        "Exit status: 0; 1 for trouble on the way, also where something could not be saved where it should be; "
        "2 for arguments that cannot work; 130 for Ctrl-C.",
    )
    p.add_argument("content", nargs="?", metavar="CONTENT", help="picture that keeps its content, or 'noise'")
    p.add_argument("style", nargs="*", metavar="STYLE", help="picture that gives its style, or several: --shares")
    p.add_argument(
        *("-o", "--out"),
        type=Path,
        help="result, .png .jpg .webp .tif (img/results/CONTENT_STYLE.png, with a number where that is taken)",
    )
    p.add_argument("--mode", choices=MODES, default="style_transfer", help="what to make (%(default)s)")
    p.add_argument("--list", action="store_true", help="list the bundled pictures and the backbones, and stop")
    p.add_argument("--version", action="version", version=f"nstlib {__version__}")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress bar and no summary")
    for title, add_all in _GROUPS.items():
        add_all(partial(p.add_argument_group(title).add_argument, default=argparse.SUPPRESS))
    _add_files(p.add_argument_group("on the way").add_argument)
    return p


Add = Callable[..., Any]


def _add_picture(add: Add) -> None:
    add("-s", "--size", type=positive_or_none, help="longer side in pixels; 'none' keeps it" + _default("size"))
    sizes = "longer side of the style; larger, larger strokes (size); of several, one each"
    add("--style-size", type=_sizes, metavar="PIXELS[,...]", help=sizes)
    add("--shares", type=numbers, metavar="SHARE,SHARE,...", help="how much of each of several styles (equal shares)")
    add("--strokes", metavar="FILE", help="picture whose fine strokes the style gets on its own forms")
    add("--strokes-size", type=positive_or_none, metavar="PIXELS", help="longer side of it (the style's)")
    add("--init", help=f"start: {', '.join(INITS)} or a picture (content)")
    colors = "style: its own; match: the style in the content's; luminance: only brightness comes over"
    add("--color", choices=COLORS, help=colors + _default("color"))
    masks = "where each style goes: gray, one each; or one with a color each: red, green, blue, ... (everywhere)"
    add("--masks", type=files, metavar="FILE[,...]", help=masks)
    add("--style-masks", type=files, metavar="FILE[,...]", help="which part of each style counts; 'none' for all")
    seen = "how masks reach the layers: plain; inside: what sees nothing else; dilated: what sees any of it"
    add("--guidance", choices=GUIDANCES, help=seen + _default("guidance"))
    add("--seed", type=int, help="of the noise" + _default("seed"))


def _add_loss(add: Add) -> None:
    add("-a", "--alpha", type=float, help="weight of the content" + _default("alpha"))
    add("-b", "--beta", type=float, help=f"weight of the style ({_betas()})")
    add("--tv", type=float, help="weight of the total variation" + _default("tv"))
    add("--border", type=float, help="how much more that counts at the border" + _default("border"))
    add("--content-layers", type=_layers, metavar="L[=W],...", help="(relu4_2; of ResNets layer2), or novak: all")
    style = "(relu1_1,relu2_1,...,relu5_1; of ResNets relu,layer1,layer2), or novak: all"
    add("--style-layers", type=_layers, metavar="L[=W],...", help=style)
    losses = f"what is taken for style: {', '.join(STYLE_LOSSES)}"
    add("--style-loss", choices=STYLE_LOSSES, metavar="NAME", help=losses + _default("style_loss"))
    smoothing = "make responses more even first: softmax, or softmax:T with a temperature; whole pictures only"
    add("--smoothing", metavar="softmax[:T]", help=smoothing)
    add("--normalization", choices=NORMALIZATIONS, help=_default("normalization"))


def _add_optimization(add: Add) -> None:
    add("--quality", choices=QUALITIES, help=f"how far and how fast: {_qualities()} (good)")
    add("-n", "--steps", type=positive, default=None, help="evaluations of the loss; alone, all at full size, float32")
    add("--precision", choices=PRECISIONS, help="of the network (auto in draft and good, else float32)")
    add("--optimizer", choices=OPTIMIZERS, help="(adam with a quality, else lbfgs)")
    add("--lr", type=float, help="learning rate (1 for lbfgs, 0.02 for adam)")
    add("--backbone", choices=available_backbones(), help="(vgg19 where it can run fast, else mini)")
    weights = "weights for the backbone in place of its own: a file, or random, or random:SEED"
    add("--weights", metavar="FILE", help=weights)
    add("--pooling", choices=POOLINGS, help=_default("pooling"))
    add("--keep-scale", action="store_true", help="scale other poolings to what max pooling gives")
    tiles = "longest side of the tiles of a picture that does not fit into memory whole; 'none' for never (auto)"
    add("--tile", type=_tile, metavar="PIXELS", help=tiles)
    add("--device", help="cpu, cuda, cuda:1, mps (the best there is)")


_GROUPS = {"picture": _add_picture, "loss": _add_loss, "optimization": _add_optimization}


def _add_files(add: Add) -> None:
    add("--save-every", type=positive, metavar="N", help="save every N-th frame in a new folder beside OUT")
    add("--gif", nargs="?", const="", metavar="FILE", help="animation of the progress, FILE.gif (beside OUT)")
    add("--checkpoint", type=Path, metavar="FILE", help="save the run there, to resume it")
    add("--checkpoint-every", type=positive, default=50, metavar="N", help="(%(default)s steps)")
    add(
        "--resume",
        type=Path,
        metavar="FILE",
        help="go on with a saved run, in place of CONTENT STYLE; without -n for the steps that remain",
    )


def _is_for_gif(argument: str) -> bool:
    """Whether what follows --gif is its file, not the first picture."""
    suffix = Path(argument).suffix.lower()
    if argument.startswith("-") or is_address(argument) or argument in bundled_images():
        return False
    return bool(suffix) and suffix not in PICTURE_SUFFIXES


def _default(option: str) -> str:
    return f" ({cast(dict[str, Any], DEFAULTS)[option]})"


def _betas() -> str:
    return ", ".join(f"{beta:g} with {normalization}" for normalization, beta in BETA.items())


def _qualities() -> str:
    return ", ".join(f"{name} {quality.steps} steps" for name, quality in QUALITIES.items())


def positive(text: str) -> int:
    """A whole number above 0, as an option's value."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def positive_or_none(text: str) -> int | None:
    """The same, or 'none'."""
    return None if text.lower() == "none" else positive(text)


def _sizes(text: str) -> int | list[int | None] | None:
    sizes = [positive_or_none(part) for part in text.split(",")]
    return sizes if len(sizes) > 1 else sizes[0]


def numbers(text: str) -> list[float]:
    """Numbers with commas between them."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 0.7,0.3") from None


def files(text: str) -> str | list[str | None] | None:
    """One file, or several with commas between them; a file may have a comma in its own name."""
    names = [text] if os.path.exists(text) else [part.strip() for part in text.split(",")]
    found = [None if name.lower() == "none" else name for name in names]
    return found[0] if len(found) == 1 else found


def _tile(text: str) -> int | str | None:
    return text if text == "auto" else positive_or_none(text)


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
