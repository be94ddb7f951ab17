"""Where each of two mixes goes: a check box, the brush that it opens, and a switch between the mixes of the sliders."""

from collections.abc import Callable
from html import escape
from typing import Any, cast

from torch import Tensor

from ..images import Source
from .brush import Brush
from .panel import widgets

MIXES = ("first mix", "second mix")
FIRST, SECOND = range(2)
BRUSH_SIZE = 512  # pixels of the longer side of what is painted on: places keep their edges at any size
NOTE = (
    "Paint where each mix goes. What stays unpainted keeps the content; as long as nothing is painted, the first mix "
    "is everywhere."
)


class Places:
    """The part of a page on which places are painted.

    Args:
        content: gives the picture that they are painted on.
        painted: called after each stroke.

    Attributes:
        shown: the check box.
        mix: the switch; its value is `FIRST` or `SECOND`.
        brush: None before it is needed.
        box: check box and brush.
        mix_box: the switch, where it is needed.
    """

    def __init__(self, content: Callable[[], Source], painted: Callable[[], object]):
        self._content, self._painted = content, painted
        self.brush: Brush | None = None
        self.shown = widgets.Checkbox(description="paint places", indent=False, layout=widgets.Layout(width="auto"))
        self.mix = widgets.ToggleButtons(options=[(name, place) for place, name in enumerate(MIXES)])
        self.mix.style.button_width = "auto"
        self.box, self.mix_box = widgets.VBox([self.shown]), widgets.VBox()

    @property
    def masks(self) -> Tensor | None:
        """Where the mixes go, (2, H, W) of 0 and 1; None for the first everywhere."""
        masks = self.brush.masks if self.shown.value and self.brush is not None else None
        return masks if masks is not None and bool(masks.any()) else None

    def lay_out(self) -> None:
        """Show or hide the brush, and whose mix the sliders are."""
        if self.shown.value:
            note = widgets.HTML(f'<span style="font-size: 12px">{escape(NOTE)}</span>')
            self.box.children, self.mix_box.children = (self.shown, note, self.opened().widget), (self.mix,)
        else:
            self.box.children, self.mix_box.children = (self.shown,), ()
            self.mix.value = FIRST

    def opened(self) -> Brush:
        """The brush, which is there from now on."""
        if self.brush is None:
            self.renew()
        return cast(Brush, self.brush)

    def renew(self, start: Any = None) -> None:
        """Another brush, for another picture or with other places; what cannot be leaves the one that there is."""
        brush = Brush(self._content(), len(MIXES), names=MIXES, size=BRUSH_SIZE, start=start)
        self.brush = brush
        brush.observe(self._on_stroke)
        if self.shown.value:
            self.lay_out()

    def _on_stroke(self, brush: Brush) -> None:
        if self.shown.value and brush is self.brush:
            self._painted()
