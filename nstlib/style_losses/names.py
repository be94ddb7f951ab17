"""Style losses by name."""

from collections.abc import Mapping
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
        InputError: no such style loss.
    """
    if isinstance(given, StyleLoss):
        return deepcopy(given)
    if isinstance(given, Mapping):
        settings = dict(given)
        kind = _KINDS[one_of("style_loss", settings.pop("name", None), _KINDS)]
        try:
            return kind(**settings)
        except TypeError as error:
            raise InputError(f"the style loss {kind.name!r} cannot be told {settings}") from error
    name = one_of("style_loss", given, STYLE_LOSSES)
    return deepcopy(_VARIANTS[name]) if name in _VARIANTS else _KINDS[name]()


def name_of(loss: StyleLoss) -> str:
    """The name by which a style loss is asked for; that of its kind, where it was told something else."""
    for name in STYLE_LOSSES:
        if style_loss_of(name).settings() == loss.settings():
            return name
    return loss.name
