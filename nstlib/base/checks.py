"""Checks of what is given: each gives the value in the type that the code wants, or says what was expected."""

import difflib
import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, ParamSpec, TypeVar

import torch
from torch import Tensor

from ..errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Size = tuple[int, int]  # height and width of a picture, in pixels
ROUNDING = 0.01  # by which values of a picture may leave [0, 1]

# What other programs for style transfer call it (neural-style, neural-style-pt, PyTorch's and TensorFlow's tutorials).
ELSEWHERE = {
    "beta": ("style_weight", "style_weights", "weight_style", "lambda_s", "lambda_style", "style_loss_weight"),
    "alpha": (
        *("content_weight", "content_weights", "weight_content", "lambda_c", "lambda_content"),
        *("content_loss_weight",),
    ),
    "tv": ("tv_weight", "total_variation_weight", "total_variation", "lambda_tv", "tv_loss_weight", "smoothness"),
    "steps": (
        *("iterations", "num_iterations", "num_steps", "n_steps", "n_iter", "max_iter", "epochs", "num_iter"),
        *("niter", "iter", "iters", "num_epochs", "n_iterations", "max_iterations", "step_count", "num_of_iterations"),
    ),
    "size": (
        *("imsize", "image_size", "img_size", "max_size", "max_dim", "resolution", "max_image_size", "imgsize"),
        *("height", "width", "image_width", "image_height", "img_nrows", "end_scale"),
    ),
    "style_size": ("style_scale", "style_image_size"),
    "lr": ("learning_rate", "rate", "step_size", "lrate"),
    "init": ("init_image", "start", "init_method", "initialization", "input_img", "input_image", "start_image"),
    "content": ("content_image", "content_img", "content_img_name", "base_image_path", "content_path", "input"),
    "style": (
        *("style_image", "style_img", "style_img_name", "style_reference_image_path", "style_path", "style_images"),
        *("styles", "style_imgs"),
    ),
    "out": (
        *("output", "output_image", "save_path", "output_path", "out_path", "output_file", "output_image_path", "save"),
        *("combination_image_path",),
    ),
    "backbone": ("model", "network", "cnn", "model_file", "net", "model_name", "feature_extractor"),
    "weights": ("model_weights", "checkpoint_path", "weights_path"),
    "pooling": ("pool", "pooling_type"),
    "device": ("gpu", "gpus", "devices", "use_gpu", "cuda", "cpu", "no_gpu", "use_cuda"),
    "color": (
        *("original_colors", "preserve_color", "preserve_colors", "keep_colors", "color_transfer", "maintain_color"),
        *("preserve_original_colors", "original_color"),
    ),
    "shares": ("style_blend_weights", "style_interpolation_weights", "blend_weights", "style_mix"),
    "masks": (
        *("mask", "mask_path", "content_mask", "content_masks", "mask_image", "segmentation", "content_seg"),
        *("semantic_map", "color_codes", "regions"),
    ),
    "style_masks": ("style_mask", "style_mask_imgs", "style_seg", "style_segmentation"),
    "strength": ("style_strength", "stylization_strength", "style_intensity", "intensity"),
    "seed": ("random_seed", "manual_seed"),
    "snapshot_every": ("save_iter", "save_every", "save_iterations", "saving_freq", "save_interval"),
    "progress": ("verbose", "print_iter", "show_progress", "print_interval"),
    "quality": ("preset",),
    "content_layers": ("content_layer", "content_layers_default"),
    "style_layers": ("style_layer", "style_layers_default"),
    "style_loss": ("style_loss_type", "style_loss_fn", "style_criterion", "style_representation", "loss_type"),
    "precision": ("dtype", "half", "fp16", "amp"),
    "tile": ("tile_size", "tiles"),
}
_HERE = {there: here for here, words in ELSEWHERE.items() for there in words}


def whole(name: str, value: Any, least: int = 0, most: int | None = None, hint: str = "", unit: str = "") -> int:
    """A whole number from `least` to `most`; NumPy's count, True and 2.0 do not.

    Args:
        name: what messages call it.
        value: what was given.
        least, most: what is possible.
        hint: what else is possible, at the end of the message.
        unit: of what, such as "pixels".

    Raises:
        InputError: anything else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least or (most is not None and number > most):
        limits = f"{least} or more" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} is {value!r:.80}; expected a whole number{unit and f' of {unit}'}, {limits}{hint}")
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


def fraction(name: str, value: Any) -> float:
    """A number from 0 to 1; what counts as one, see `number`.

    Raises:
        InputError: anything else.
    """
    found = number(name, value)
    if found > 1:
        raise InputError(f"{name} is {found:g}; expected a number from 0 to 1")
    return found


def one_of(name: str, value: Any, choices: Iterable[str], also: str = "") -> str:
    """A word among the choices.

    Args:
        name: what messages call it.
        value: what was given.
        choices: the words.
        also: what else is possible, in the middle of the message.

    Raises:
        InputError: another; its message names the nearest.
    """
    choices = list(choices)
    if isinstance(value, str) and value in choices:
        return value
    raise InputError(f"{name} is {value!r:.80}; choose {also}one of: {', '.join(choices)}{guess(value, choices)}")


def guess(value: Any, choices: Iterable[str]) -> str:
    """What may have been meant, as the end of a message; empty where nothing is near."""
    near = difflib.get_close_matches(str(value).lower(), list(choices), n=1, cutoff=0.65)
    return f" (did you mean {near[0]!r}?)" if near else ""


def known_names(given: Iterable[str], known: Sequence[str], what: str = "option") -> None:
    """Refuse names that mean nothing here.

    Raises:
        InputError: it names the word that this package has for it, or the nearest ones.
    """
    for name in given:
        if name not in known:
            raise InputError(f"there is no {what} {name!r}; {nearest(name, known)}")


def known_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """A function that refuses, in `known_names`' words, arguments by names that it does not have."""
    kinds = inspect.signature(function).parameters
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [name for name, parameter in kinds.items() if parameter.kind in by_name and name != "self"]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        known_names(kwargs, known, "argument")
        return function(*args, **kwargs)

    return checked


def instance(name: str, kind: type[T], value: Any) -> T:
    """An instance of the class.

    Raises:
        InputError: anything else.
    """
    if not isinstance(value, kind):
        shown = f"{value!r:.80}"
        if "\n" in shown:  # a network's is a page
            shown = f"of type {type(value).__name__}"
        raise InputError(f"{name} is {shown}; expected an instance of {kind.__name__}")
    return value


def nearest(name: str, known: Sequence[str]) -> str:
    """What may have been meant by a name that is not among the known ones, as the end of a message."""
    plain = name.strip("-").replace("-", "_")
    here = elsewhere(name, known)
    if here and here != plain.lower():  # which would be a slip of the shift key
        return f"what other programs call {plain} is {here!r} here"
    near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
    return the_nearest(near) if near else f"there are {', '.join(known)}"


def the_nearest(names: Sequence[str]) -> str:
    """One name or several, as a part of a message."""
    return f"the nearest {'is' if len(names) == 1 else 'are'} {', '.join(names)}"


def elsewhere(name: str, known: Sequence[str]) -> str | None:
    """The word that this package has for what other programs call so, if it is among the known ones."""
    plain = name.strip("-").replace("-", "_").lower()
    singular = plain.removesuffix("s")
    word = next((_HERE[word] for word in (plain, f"{plain}s", singular) if word in _HERE), plain)
    return next((here for here in (word, f"{word}_path") if here in known), None)


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


def picture(name: str, value: Any) -> Tensor:
    """A picture, (B, 3, H, W) with values in [0, 1], but for a little rounding; detached.

    Raises:
        InputError: anything else.
    """
    if not isinstance(value, Tensor) or value.ndim != 4 or value.shape[1] != 3 or not value.numel():
        raise InputError(
            f"the {name} is {shape_of(value)}; expected a picture (B, 3, H, W), as nstlib.load_image gives it"
        )
    with torch.inference_mode(False):
        found = value.detach().clone() if value.is_inference() else value.detach()
        low, high = (0.0, 1.0) if found.is_meta or not found.numel() else map(float, torch.aminmax(found.float()))
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise InputError(
            f"the {name} holds values from {low:.4g} to {high:.4g}, but must lie in [0, 1]; divide by 255 if white is "
            "255, take a normalization for a network back, or clip"
        )
    return found


def size_of(picture: Tensor) -> Size:
    """Height and width of a picture (..., H, W)."""
    return picture.shape[-2], picture.shape[-1]


def counted(count: int, word: str) -> str:
    """A number of things in words: "1 mask", "3 masks"."""
    return f"{count} {word}{'s' * (count != 1)}"


def in_pixels(size: Sequence[int]) -> str:
    """A size (H, W) in words: width before height, as people say it."""
    return f"{size[1]} x {size[0]} pixels"


def shape_of(thing: object) -> object:
    """What a message calls a thing that is no picture: its shape, or its type."""
    return tuple(thing.shape) if isinstance(thing, Tensor) else type(thing).__name__


class KnownAttributes:
    """Refuses what would do nothing, without a word, as `objective.bta = 5`, or would fail later.

    A class says in `_instead` how to change what cannot be assigned once it is there, and in `_checks` what makes of an
    assigned value one that can be.
    """

    _known: ClassVar[frozenset[str]] = frozenset()
    _instead: ClassVar[Mapping[str, str]] = {}
    _checks: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._known = frozenset(cls._known | set(inspect.get_annotations(cls)))

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name.startswith("_") or name in self._known or any(name in vars(kind) for kind in type(self).__mro__)):
            public = [known for known in (*sorted(self._known), *dir(type(self))) if not known.startswith("_")]
            raise InputError(f"{type(self).__name__} has no {name!r}; {nearest(name, public)}")
        read_only = isinstance(there := getattr(type(self), name, None), property) and there.fset is None
        if read_only or (name in self._instead and name in vars(self)):
            raise InputError(f"{name} cannot be assigned; {self._instead.get(name, 'it follows from the rest')}")
        self._put(**{name: self._checks[name](value) if name in self._checks else value})

    def _put(self, **values: Any) -> None:
        """Set what the class itself changes."""
        for name, value in values.items():
            super().__setattr__(name, value)
