"""Checks of what is given: each gives the value in the type that the code wants, or says what was expected."""

import difflib
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

from .errors import InputError

# What other programs for style transfer call it (neural-style, neural-style-pt, PyTorch's and TensorFlow's tutorials).
ELSEWHERE = {
    "beta": ("style_weight", "weight_style", "lambda_s", "lambda_style"),
    "alpha": ("content_weight", "weight_content", "lambda_c", "lambda_content"),
    "tv": ("tv_weight", "total_variation_weight", "lambda_tv", "smoothness"),
    "steps": ("iterations", "num_iterations", "num_steps", "n_steps", "n_iter", "max_iter", "epochs", "num_iter"),
    "size": ("imsize", "image_size", "img_size", "max_size", "max_dim", "resolution"),
    "style_size": ("style_scale", "style_image_size"),
    "lr": ("learning_rate", "rate", "step_size"),
    "init": ("init_image", "start", "init_method", "initialization"),
    "content": ("content_image", "content_img"),
    "style": ("style_image", "style_img"),
    "out": ("output", "output_image", "save_path", "output_path", "out_path"),
    "backbone": ("model", "network", "cnn", "model_file", "net"),
    "weights": ("model_weights", "checkpoint_path"),
    "pooling": ("pool",),
    "device": ("gpu",),
    "seed": ("random_seed",),
    "snapshot_every": ("save_iter", "save_every", "save_iterations"),
    "progress": ("verbose", "print_iter", "show_progress"),
    "quality": ("preset",),
}
_HERE = {there: here for here, words in ELSEWHERE.items() for there in words}


def whole(name: str, value: Any, least: int = 0, most: int | None = None, hint: str = "") -> int:
    """A whole number from `least` to `most`; NumPy's count, True and 2.0 do not.

    Args:
        name: what messages call it.
        value: what was given.
        least, most: what is possible.
        hint: what else is possible, at the end of the message.

    Raises:
        InputError: anything else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least or (most is not None and number > most):
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} is {value!r:.80}; expected a whole number, {limits}{hint}")
    return number


def number(name: str, value: Any, least: float = 0.0, below: float = math.inf, *, above: bool = False) -> float:
    """A finite number from `least` up to, but not including, `below`.

    Args:
        name: what messages call it.
        value: what was given; NumPy's numbers and tensors of one value count, True and text do not.
        least, below: what is possible.
        above: `least` itself is not.

    Raises:
        InputError: anything else.
    """
    try:
        found = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError, RuntimeError):
        found = math.nan
    if not (least < found if above else least <= found) or not found < below:
        low = f"above {least:g}" if above else f"{least:g} or more"
        high = "" if below == math.inf else f", below {below:g}"
        raise InputError(f"{name} is {value!r:.80}; expected a finite number, {low}{high}")
    return found


def one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    """A word among the choices.

    Raises:
        InputError: another; its message names the nearest.
    """
    choices = list(choices)
    if isinstance(value, str) and value in choices:
        return value
    near = difflib.get_close_matches(str(value).lower(), choices, n=1, cutoff=0.6)
    guess = f" (did you mean {near[0]!r}?)" if near else ""
    raise InputError(f"{name} is {value!r:.80}; choose one of: {', '.join(choices)}{guess}")


def known_names(given: Iterable[str], known: Sequence[str], what: str = "option") -> None:
    """Refuse names that mean nothing here.

    Raises:
        InputError: it names the word that this package has for it, or the nearest ones.
    """
    for name in given:
        if name not in known:
            raise InputError(f"there is no {what} {name!r}; {nearest(name, known)}")


def nearest(name: str, known: Sequence[str]) -> str:
    """What may have been meant by a name that is not among the known ones, as the end of a message."""
    plain = name.strip("-").replace("-", "_")
    here = _HERE.get(plain.lower())
    if here in known:
        return f"what other programs call {plain} is {here!r} here"
    near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
    return f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(known)}"


def given(name: str, picture: Any) -> None:
    """Refuse None where a picture is needed.

    Raises:
        InputError: it is None.
    """
    if picture is None:
        raise InputError(
            f"{name} is None; give a picture. Programs that cannot read a file often give None for it, as cv2.imread "
            "does: then look at the path"
        )
