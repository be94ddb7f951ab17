"""Style losses by name."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from ..base.checks import one_of
from ..errors import InputError
from .chain import Chain
from .means import Covariance, Gram, Moments, Shifted, Wasserstein
from .patches import Patches
from .relaxed import Relaxed
from .sliced import Histogram, Sliced
from .statistics import StyleLoss as StyleLoss

_KINDS: Mapping[str, type[StyleLoss]] = {
    kind.name: kind
    for kind in (Gram, Shifted, Chain, Moments, Covariance, Wasserstein, Sliced, Histogram, Patches, Relaxed)
}
# What Novak and Nikulin found best, all of it together, but for the weights of the layers.
_VARIANTS: Mapping[str, StyleLoss] = {"chain_blurred": Chain(blur=True), "novak": Chain(shift=-1.0, blur=True)}
STYLE_LOSSES: tuple[str, ...] = (*_KINDS, *_VARIANTS)


def style_loss_of(given: str | StyleLoss | Mapping[str, Any]) -> StyleLoss:
    """The style loss that is meant by a name, by its settings, or by itself; a new one, which draws for itself.

    Raises:
        InputError: no such style loss, or a class of your own without a name or fields that tell it from others.
    """
    if isinstance(given, StyleLoss):
        _refuse_unnamed(type(given))
        return deepcopy(given)
    if isinstance(given, Mapping):
        settings = dict(given)
        kind = _kind_of(settings.pop("name", None))
        try:
            return kind(**settings)
        except TypeError as error:
            raise InputError(f"the style loss {kind.name!r} cannot be told {settings}") from error
    name = one_of("style_loss", given, STYLE_LOSSES)
    return deepcopy(_VARIANTS[name]) if name in _VARIANTS else _KINDS[name]()


def _kind_of(name: Any) -> type[StyleLoss]:
    """The class of a name; of your own classes with one name, the last that was defined."""
    known: dict[Any, type[StyleLoss]] = {vars(kind).get("name"): kind for kind in _below(StyleLoss)}
    if isinstance(name, str) and name in known and name not in _KINDS:
        return known[name]
    also = "the name of a class of your own, which is to be defined before, or "
    return _KINDS[one_of("style_loss", name, _KINDS, also)]


def _below(kind: Any) -> Iterator[type[StyleLoss]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _refuse_unnamed(kind: type[StyleLoss]) -> None:
    """A name and fields say in a file what a style loss is, and in a sweep which pictures have the same one."""
    if kind in _KINDS.values():
        return
    name, settings = vars(kind).get("name"), kind.settings is not StyleLoss.settings
    if not isinstance(name, str) or name in STYLE_LOSSES:
        raise InputError(f"{kind.__name__} needs a name of its own, as in name = {kind.__name__.lower()!r}")
    if not settings and "__dataclass_fields__" not in vars(kind):
        raise InputError(f"{kind.__name__} is no dataclass; write @dataclass(eq=False) above it")


def name_of(loss: StyleLoss) -> str:
    """The name by which a style loss is asked for; that of its kind, where it was told something else."""
    for name in STYLE_LOSSES:
        if style_loss_of(name).settings() == loss.settings():
            return name
    return loss.name
