"""Weights by name: what a slider moves, and a running optimization reads."""

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from .errors import InputError, LayerNotFound

Weight = float | Sequence[float] | Tensor
Term = Literal["content", "style"]
TERMS: tuple[Term, ...] = get_args(Term)
NOVAK = "novak"
Layers = Mapping[str, Weight] | Iterable[str]


class Weights(MutableMapping[str, Tensor]):
    """Named weights as tensors on a device, one value for all pictures, shape (1,), or one a picture, shape (B,).

    Setting a value changes its tensor in place, so that a running optimization, a slider and a captured graph all read
    the same number. Names are fixed at construction. `version` counts the changes.
    """

    def __init__(self, values: Mapping[str, Weight], device: torch.device):
        self._tensors = {name: _weight(name, value, device) for name, value in values.items()}
        self.version = 0

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __setitem__(self, name: str, value: Weight) -> None:
        self.update({name: value})

    def update(self, *changes: Any, **more: Any) -> None:
        """Change several weights: all of them, or none where one cannot be.

        Raises:
            LayerNotFound: a name that has no weight here. InputError: a value that is no weight.
        """
        wanted = {name: (value, self._known(name)) for name, value in dict(*changes, **more).items()}
        new = {name: _weight(name, value, old.device) for name, (value, old) in wanted.items()}
        for name, weight in new.items():
            if weight.shape == self._tensors[name].shape:
                self._tensors[name].copy_(weight)
            else:  # from one value for all pictures to one a picture, or back
                self._tensors[name] = weight
            self.version += 1

    def __delitem__(self, name: str) -> None:
        raise InputError(f"the weight of {name} cannot be removed; set it to 0")

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def _known(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise LayerNotFound(f"{name!r} has no weight here; there are {', '.join(self._tensors) or 'none'}")
        return self._tensors[name]


class OneWeight:
    """An attribute that reads and sets one of an object's `weights`, so that `objective.beta = 200` acts at once."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, of: Any, owner: type) -> Tensor:
        if of is None:
            raise AttributeError(f"{owner.__name__}.{self._name} belongs to each object, not to the class")
        weight: Tensor = of.weights[self._name]
        return weight

    def __set__(self, of: Any, value: Weight) -> None:
        of.weights[self._name] = value


def layer_weights(layers: Layers, term: Term | None = None, known: Sequence[str] = ()) -> dict[str, Weight]:
    """Layer name to w_l; names alone share a weight of 1.

    Args:
        layers: a dict, or names; or "novak", for `novak_layers`.
        term: for which they are.
        known: the layers of the network, shallow ones first.

    Raises:
        InputError: what is no name of a layer.
    """
    if term is not None and (layers == NOVAK or (isinstance(layers, list | tuple) and list(layers) == [NOVAK])):
        return novak_layers(term, known)
    if isinstance(layers, str):
        layers = [layers]
    elif not isinstance(layers, Iterable):
        raise InputError(f"the layers are {layers!r:.80}; expected names, such as ['relu1_1', 'relu2_1']")
    names = list(layers)
    if strange := [name for name in names if not isinstance(name, str)]:
        raise InputError(f"a layer is called {strange[0]!r:.80}; expected names, such as 'relu4_2'")
    if term is not None and (meant := [name for name in names if name.lower() == NOVAK]):
        raise InputError(f"{meant[0]!r} among the layers; for all layers and their weights give {NOVAK!r} alone")
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{', '.join(sorted(twice))} is there twice; name each layer once")
    if isinstance(layers, Mapping):
        return dict(layers)
    return {name: 1 / len(names) for name in names}


def novak_layers(term: Term, known: Sequence[str]) -> dict[str, Weight]:
    """All rectified layers, weighted as Novak and Nikulin have it (arXiv 1605.04603, sections 3.1 and 3.2).

    w_l is 2^(D - d) for style and 2^d for content, with d the depth of layer l among D; brought to the sum 1. So
    shallow layers lead the style, and deep ones the content.

    Args:
        term: "style" or "content".
        known: the layers of the network, shallow ones first.

    Raises:
        InputError: a network without layers of these names.
    """
    rectified = [layer for layer in known if re.fullmatch(r"relu\d+_\d+", layer)]
    if not rectified:
        raise InputError(f"{NOVAK!r} takes the layers relu1_1, relu1_2, ..., which this network has not; name its own")
    powers = range(len(rectified)) if term == "content" else reversed(range(len(rectified)))
    total = 2.0 ** len(rectified) - 1
    return {layer: 2.0**power / total for layer, power in zip(rectified, powers, strict=True)}


def _weight(name: str, value: Weight, device: torch.device) -> Tensor:
    try:
        with torch.inference_mode(False):  # the weight outlives the block in which it is set
            if isinstance(value, bool | str):
                raise TypeError
            given = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float32, device="cpu")
            tensor = given.detach().to(device, torch.float32, copy=True)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"the weight {name} is {value!r:.80}; expected a number") from error
    if tensor.ndim > 1 or not tensor.numel() or not (tensor.isfinite() & (tensor >= 0)).all():
        raise InputError(f"the weight {name} is {value!r:.80}; expected a finite number, 0 or more, or one a picture")
    return tensor.reshape(-1)
