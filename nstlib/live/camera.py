"""The browser's camera in the notebook, painted frame by frame while one looks.

The page sends one frame and waits until it comes back painted before it sends the next, so that nothing piles up where
the painting is slower than the camera. Frames are messages: a kernel hears them between cells, and some, such as
JupyterLab's since 4.4, also while a cell runs, on another thread.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from ..base.checks import KnownAttributes, instance, known_arguments, whole
from ..base.checks import picture as checked_picture
from ..base.devices import fast_precision, without_autocast
from ..errors import InputError, NstError, brief
from ..feedforward.files import load_network
from ..feedforward.network import StyleNetwork
from ..images import bundled_images, load_image, to_pil
from . import sketch
from .panel import encoded, show

Style = str | Mapping[str, float] | Tensor
Paint = Callable[[Tensor], Tensor]

FIRST = "swirls"  # the style at first, of a network that has it
STAND_IN = "village"  # painted for pages without a kernel: nobody's face is to be saved with a notebook
SMALLEST, LARGEST = 32, 2048  # pixels of a frame's longer side


class Camera(KnownAttributes):
    """The browser's camera, painted. As the last expression of a cell it shows itself; a click there starts it.

    Python can change the style and all else while it runs; the next frame follows. While a cell runs, frames may have
    to wait. No picture of the camera gets into the notebook's file.

    Example:
        >>> camera = live.camera(style="mosaic", strength=0.8)
        >>> camera                                   # shows itself; press Start
        >>> camera.style = {"swirls": 1, "ink_wash": 2}
        >>> nst.save_image(camera.frame, "me.png")

    Args:
        network: that paints, or a file that `save_network` wrote; without it, the bundled one, on the best device.
        style: a name, a mapping of names to shares, or shares (1, styles); without it, swirls where the network has it,
            else its first style.
        strength: how much of the style, from 0 to 1.
        size: pixels of the longer side of what is painted, 32 to 2048.
        paint: what to do with a frame in place of the network's painting: a function from a picture (1, 3, H, W), on
            the CPU, to another, of any size and on any device. It runs without gradients.
        mirror: show and paint the frames mirrored, as one sees oneself; the page has a switch for it.

    Attributes:
        network: that paints; None where `paint` was given and no network.
        content, frame: the last frame as it came and as it was painted, (1, 3, H, W) in [0, 1], float32, on the CPU;
            None before the first.
        error: what went wrong with the last frame, as the page says in short; None where nothing did.
        widget: what the page shows, to be put into a layout of one's own.

    Raises:
        InputError, WeightsUnavailable; MissingPackage without anywidget.
    """

    network: StyleNetwork | None
    content: Tensor | None
    frame: Tensor | None
    error: Exception | None
    widget: Any
    _instead: ClassVar[Mapping[str, str]] = {
        "network": "make another camera",
        "content": "the page sends it",
        "frame": "it is what was painted last; a function given as camera.paint says how",
        "error": "it is what went wrong last",
        "widget": "put it into a layout as it is",
    }

    def __init__(
        self,
        network: StyleNetwork | str | os.PathLike[str] | None = None,
        style: Style | None = None,
        *,
        strength: float = 1.0,
        size: int = 256,
        paint: Paint | None = None,
        mirror: bool = True,
    ):
        from .lens import Lens

        found = _found(network) if network is not None or paint is None else None
        self._put(network=found, content=None, frame=None, error=None)
        self._style: Style | None = None
        self._paint: Paint | None = None
        self._strength = strength
        self._listeners: list[Callable[[Camera], object]] = []
        self._lock = threading.RLock()  # a page's messages may come on another thread than a cell's
        if found is not None or style is not None:
            self.style = _first(found) if style is None else style
        self.paint = paint
        self._put(widget=Lens(size=_checked_size(size), mirror=bool(mirror)))
        self.widget.on_msg(self._hear)

    @property
    def style(self) -> Style | None:
        """What the frames are painted in; see `Camera`. None where there is no network."""
        return self._style

    @style.setter
    def style(self, style: Style) -> None:
        self._check(style, self._strength)
        self._style = style

    @property
    def strength(self) -> float:
        """How much of the style, from 0, the frame itself, to 1."""
        return self._strength

    @strength.setter
    def strength(self, strength: float) -> None:
        self._check(self._style, strength)
        self._strength = strength

    @property
    def size(self) -> int:
        """Pixels of the longer side of the frames to come."""
        return int(self.widget.size)

    @size.setter
    def size(self, size: int) -> None:
        self.widget.size = _checked_size(size)

    @property
    def paint(self) -> Paint:
        """What is done with a frame, (1, 3, H, W) to (1, 3, H', W'). None, assigned, is the network's painting."""
        return self._paint or self._by_network

    @paint.setter
    def paint(self, paint: Paint | None) -> None:
        if paint is not None and not callable(paint):
            raise InputError(f"paint is {paint!r:.80}; expected a function from a picture (1, 3, H, W) to another")
        if paint is None and self.network is None:
            raise InputError("this camera has no network to paint with; give a function")
        self._paint = paint

    def on_frame(self, callback: Callable[["Camera"], object], remove: bool = False) -> Callable[["Camera"], object]:
        """Call a function with the camera after each painted frame; gives the function.

        It runs before the next frame is heard, so what takes long slows the camera down. An error in it stops the
        camera, and the page says so.

        Args:
            callback: takes the camera, whose `frame` and `content` are new.
            remove: call it no longer.

        Raises:
            InputError: it cannot be called, or was not called before.
        """
        if not callable(callback):
            raise InputError(f"the callback is {callback!r:.80}; expected a function that takes the camera")
        if not remove:
            self._listeners.append(callback)
        elif callback in self._listeners:
            self._listeners.remove(callback)
        else:
            raise InputError(f"{callback!r:.80} is not called by this camera")
        return callback

    def repaint(self) -> None:
        """Paint the last frame once more, for a camera that was stopped; the page shows it. Without one, nothing."""
        with self._lock:
            if self.content is not None:
                self._answer(self.content, {})

    def stop(self) -> None:
        """Let the page release the camera, as its own button does. Only the page can start it."""
        self.widget.send({"kind": "stop"})

    def alt(self) -> str:
        """The still in words."""
        return f"A live camera that paints what it sees: {self.in_words()}. In its place here: {STAND_IN}"

    def still(self) -> Image.Image:
        """A picture of the package painted as the camera's would be, for a page without a kernel."""
        content = load_image(STAND_IN, min(self.size, 512))
        try:
            with torch.no_grad():
                shown = checked_picture("painted picture", self.paint(content)).cpu()
        except Exception:  # the page says it of the first frame
            shown = content
        rows: list[tuple[str, str, float | None]] = [("size", f"{self.size} pixels", None)]
        if self._paint is None:
            strength = float(self._strength)
            rows = [("style", _named(self._style), None), ("strength", f"{strength:.2f}", strength), *rows]
        return sketch.still(to_pil(shown), "Live: camera", rows)

    def in_words(self) -> str:
        """How the frames are painted."""
        if self._paint is not None:
            return "painted by a function"
        weak = "" if float(self._strength) == 1 else f", strength {float(self._strength):.2f}"
        return f"{_named(self._style)}{weak}"

    def _ipython_display_(self) -> None:
        bundle = self.widget._repr_mimebundle_()  # Colab needs to be told where third-party widgets come from
        show(self.widget, self.still(), self.alt(), bundle[1] if isinstance(bundle, tuple) else {})

    def _check(self, style: Style | None, strength: float) -> None:
        """Refuse what the network cannot paint in, before a frame comes."""
        if self.network is None:
            raise InputError("this camera paints by a function and has no network, so it has no style and no strength")
        if len(self.network.shares(style, strength)) != 1:
            raise InputError(
                f"the style is {style!r:.80}; a camera has one style at a time: mix them, as {{name: share}}"
            )

    def _by_network(self, picture: Tensor) -> Tensor:
        network = self.network
        assert network is not None
        # The network itself, not a copy of it in another precision: it may be learning meanwhile.
        with _fast(network.device):
            painted: Tensor = network(picture.to(network.device), self._style, self._strength)
        return painted

    def _hear(self, _: Any, message: Any, buffers: Sequence[Any]) -> None:
        """A page's message; with a frame in it, a JPEG, it is answered in any case: the page waits for that."""
        if not isinstance(message, Mapping) or message.get("kind") != "frame":
            return
        asked = {name: message.get(name) for name in ("view", "number")}
        with self._lock, self._told(asked):
            self._answer(load_image(bytes(buffers[0])), asked)

    def _answer(self, content: Tensor, asked: Mapping[str, Any]) -> None:
        """Paint a frame, send it, and tell those who listen."""
        said = self.in_words()
        with torch.inference_mode(False), torch.no_grad():
            painted = checked_picture("painted picture", self.paint(content))[:1].cpu().float()
        self._put(content=content, frame=painted, error=None)
        self.widget.send({"kind": "painted", "said": said, **asked}, [encoded(to_pil(painted))])
        for callback in list(self._listeners):
            callback(self)

    @contextmanager
    def _told(self, asked: Mapping[str, Any]) -> Iterator[None]:
        """Errors go to the page, which stops its camera and says them."""
        try:
            yield
        except Exception as error:
            self._put(error=error)
            words = str(error) if isinstance(error, NstError) else f"{type(error).__name__}: {brief(error)}"
            self.widget.send({"kind": "failed", "said": words, **asked})
        except BaseException:
            self.widget.send({"kind": "failed", "said": "the painting was interrupted", **asked})
            raise


@known_arguments
def camera(
    network: StyleNetwork | str | os.PathLike[str] | None = None,
    style: Style | None = None,
    *,
    strength: float = 1.0,
    size: int = 256,
    paint: Paint | None = None,
    mirror: bool = True,
) -> Camera:
    """The browser's camera, painted; see `Camera`, whose arguments these are."""
    return Camera(network, style, strength=strength, size=size, paint=paint, mirror=mirror)


def _found(network: StyleNetwork | str | os.PathLike[str] | None) -> StyleNetwork:
    """The network itself, that of a file, or the bundled one."""
    if network in bundled_images("style"):
        raise InputError(f"the network is {network!r}, which is a style: style={network!r}")
    if network is None or isinstance(network, str | os.PathLike):
        return load_network(network, device=None)
    return instance("the network", StyleNetwork, network)


def _fast(device: torch.device) -> AbstractContextManager[object]:
    """A block in which convolutions have the device's fastest precision."""
    precision = fast_precision(device)
    if precision == "float32":
        return without_autocast(device)
    return torch.autocast(device.type, getattr(torch, precision))


def _first(network: StyleNetwork | None) -> str:
    styles = network.styles if network is not None else (FIRST,)
    return FIRST if FIRST in styles else styles[0]


def _checked_size(size: Any) -> int:
    return whole("size", size, SMALLEST, LARGEST, "; it is the longer side of a frame")


def _named(style: Style | None) -> str:
    """A style in words."""
    if isinstance(style, Mapping):
        total = sum(style.values())
        return ", ".join(f"{name} {share / total:.0%}" for name, share in style.items() if share)
    return style if isinstance(style, str) else "a mix of styles"
