"""What a painter mixes: a network, the styles that it offers, and their shares in each mix; without a widget.

A network for any style may be in everybody's memory, so that it is never changed: a painting that is new gives a twin.
A look at a painting takes longer than to paint, so that in another size only those are looked at that have a share.
"""

import os
import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import torch
from torch import Tensor

from ..base.checks import given, known_names, whole
from ..control.styles import Blend, normalized
from ..errors import InputError
from ..feedforward.any_style import STYLE_SIZE, AnyStyleNetwork, called
from ..feedforward.fast import is_painting, refuse_painting, refuse_style_size
from ..feedforward.styled import Styled
from ..images import Source, bundled_images
from ..pictures.sources import is_address

Shares = Mapping[Any, float]
Style = Source | Shares | Sequence[Any]
STYLE_SIZES = (128, 512)  # pixels of the longer side at which paintings may be looked at
MOST_LETTERS = 32  # of a name that a painting has after its file


class Mixing:
    """A network, the styles that it offers, and their shares in each mix.

    Args:
        network: a ready one, see `nstlib.feedforward.fast.ready_network`.
        styles: those that are offered, of a network for any style also paintings; None for all that it knows.
        style_size: pixels of the longer side at which paintings are looked at; None is 256, and what the network has.
        mixes: how many.

    Attributes:
        mixes: of each its shares, style to number, for all that are offered; their sum is any.
        pictures: the paintings behind the styles, by name, as far as they are known.
        style_size: None for a network of known styles.

    Raises:
        InputError: styles or a size that cannot be. ImageError: a painting that cannot be read.
    """

    def __init__(
        self, network: Styled, styles: Sequence[Any] | None = None, style_size: int | None = None, mixes: int = 2
    ):
        bundled = bundled_images("style")
        self._network, self._lock = network, threading.RLock()
        self._looks: dict[int, tuple[AnyStyleNetwork, frozenset[str]]] = {}  # by size, and who was looked at in it
        self.pictures: dict[str, Source] = {name: name for name in network.styles if name in bundled}
        self.style_size = STYLE_SIZE if self.takes_paintings else None
        self.mixes: list[dict[str, float]] = [dict.fromkeys(network.styles, 0.0) for _ in range(mixes)]
        if style_size is not None:
            self.look_in(style_size)
        if styles is not None:
            self._offer_only(styles)

    @property
    def offered(self) -> tuple[str, ...]:
        """The names of the styles, those that came last first."""
        return tuple(self.mixes[0])

    @property
    def takes_paintings(self) -> bool:
        """Whether it is a network for any style."""
        return isinstance(self._network, AnyStyleNetwork)

    @property
    def device(self) -> torch.device:
        """Where it paints."""
        return self._network.device

    def usual(self) -> str:
        """The style to begin with.

        Raises:
            InputError: there is none.
        """
        if not self.offered:
            raise InputError("the network knows no style yet; give a painting, as style='painting.jpg'")
        return "swirls" if "swirls" in self.offered else self.offered[0]

    def shares(self, which: int) -> dict[str, float]:
        """Of each style that has one in a mix; their sum is 1, or there are none."""
        named = {name: share for name, share in self.mixes[which].items() if share > 0}
        return dict(zip(named, normalized(named.values()), strict=True)) if named else {}

    def set(self, which: int, style: Style | None) -> list[str]:
        """Give a mix a style, or several with their shares, or none; on an error all is as before.

        Returns:
            The names of paintings that are new, and offered from now on.

        Raises:
            InputError: an unknown style, a painting for a network of known styles, or shares that cannot work.
            ImageError: a painting that cannot be read.
        """
        nothing = style is None or (isinstance(style, Mapping) and not style)
        with self._lock:
            new: dict[str, Source] = {}
            shares: dict[str, float] = {}
            for each, share in () if nothing else Blend.of(style):
                name = self._name_of(each, new)
                shares[name] = shares.get(name, 0.0) + share
            self._offer(new)
            self.mixes[which].update(dict.fromkeys(self.offered, 0.0) | shares)
            return list(new)

    def add(self, name: str, picture: Source) -> None:
        """Offer a painting under a name, before all others; errors as of `AnyStyleNetwork.add_style`."""
        given("the painting", picture)
        if not self.takes_paintings:
            refuse_painting(picture, self._network)
        self._offer({name: picture})

    def free_name(self, source: Source) -> str:
        """A name for a painting, after its file, that no style has."""
        return _free_name(source, self._network.styles)

    def look_in(self, size: int) -> None:
        """Look at the paintings in another size from now on; those that have a share are looked at at once.

        Raises:
            InputError: a size that cannot be, or a network of known styles. ImageError: a painting that is gone.
        """
        if not self.takes_paintings:
            refuse_style_size(size)
        with self._lock:
            before, self.style_size = self.style_size, whole("style_size", size, *STYLE_SIZES, unit="pixels")
            try:
                self.ready()
            except Exception:
                self.style_size = before
                raise

    def ready(self, mixes: int = 1) -> Styled:
        """The network, which has looked at all that has a share in the first mixes, in the present size."""
        network, size = self._network, self.style_size
        if not isinstance(network, AnyStyleNetwork) or size in (None, STYLE_SIZE):
            return network
        with self._lock:
            found, seen = self._looks.get(size, (network, frozenset()))
            used = {name for which in range(mixes) for name in self.shares(which)}
            unseen = sorted((used & self.pictures.keys()) - seen)
            if unseen:
                found = found.that_knows([])
                for name in unseen:
                    found.look_again(name, self.pictures[name], size)
                self._looks[size] = found, seen.union(unseen)
            return found

    def rows(self, network: Styled, strength: float) -> Tensor:
        """Shares of all styles of the network, a row a mix; their sum is the strength, of a mix of none it is 0."""
        mixes = [self.shares(which) for which in range(len(self.mixes))]
        rows = [[mix.get(name, 0.0) for name in network.styles] for mix in mixes]
        return strength * torch.tensor(rows, dtype=torch.float32)

    def _offer_only(self, styles: Any) -> None:
        if isinstance(styles, str) or not isinstance(styles, Sequence) or not styles:
            raise InputError(f"styles is {styles!r:.80}; expected a list of names, as ['swirls', 'mosaic']")
        new: dict[str, Source] = {}
        names = [self._name_of(each, new) for each in styles]
        self._offer(new)
        self.mixes = [dict.fromkeys(names, 0.0) for _ in self.mixes]

    def _name_of(self, style: Any, new: dict[str, Source]) -> str:
        """The name of a style; a painting that is not offered yet gets one, and is noted among the new ones."""
        if not is_painting(style, self._network.styles):
            known_names([style], self.offered, "style")
            return str(style)
        given("the style", style)
        if not self.takes_paintings:
            refuse_painting(style, self._network)
        for name, picture in {**self.pictures, **new}.items():
            if called(picture) == called(style) and (name in self.offered or name in new):
                return name
        name = _free_name(style, (*self._network.styles, *new))
        new[name] = style
        return name

    def _offer(self, paintings: Mapping[str, Source]) -> None:
        """Let a twin of the network look at paintings, and offer these before all others."""
        if not paintings:
            return
        with self._lock:
            assert isinstance(self._network, AnyStyleNetwork)
            twin = self._network.that_knows([])
            for name, picture in paintings.items():
                twin.add_style(name, picture)
            self._network, self._looks = twin, {}
            self.pictures = {**self.pictures, **paintings}
            self.mixes = [dict.fromkeys(paintings, 0.0) | mix for mix in self.mixes]


def _free_name(source: Source, taken: Iterable[str]) -> str:
    """Letters, digits and little else: a page shows it, and files are called so."""
    text = os.fsdecode(source) if isinstance(source, str | os.PathLike) else ""
    stem = Path(unquote(urlsplit(text).path) if is_address(text) else text).stem
    plain = re.sub(r"[^\w.()-]+", "_", unicodedata.normalize("NFC", stem)).strip("_.")[:MOST_LETTERS] or "painting"
    known = {name.casefold() for name in taken}
    names = (plain if number == 1 else f"{plain}_{number}" for number in count(1))
    return next(name for name in names if name.casefold() not in known)
