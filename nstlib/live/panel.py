"""A live picture as a widget: the picture, its buttons, its curves and its state, over an engine and a driver."""

import base64
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from html import escape
from io import BytesIO
from typing import Any, Literal, Self, get_args

import torch
from PIL import Image

from ..base.checks import one_of, whole
from ..errors import MissingPackage
from . import drivers, sketch
from .drivers import Driver, Pump, Thread
from .engine import Engine, Settings
from .sharing import take_share

try:
    import ipywidgets as widgets
except ImportError as error:
    raise MissingPackage('live pictures need ipywidgets; install it with: pip install "nstlib[lab]"') from error

__all__ = [
    "WIDTH",
    "DriverName",
    "Live",
    "button",
    "column",
    "encoded",
    "framed",
    "heading",
    "log_slider",
    "set_by_hand",
    "show",
    "widgets",
]

DriverName = Literal["auto", "thread", "pump", "none"]
WIDTH = 448  # of a picture on the page, in pixels
CURVES_EVERY = 0.4  # seconds
RENDERED = 0.5  # seconds after which a page shows what it was sent, so that it notices a change
BEAT = 2000  # milliseconds between two signs of life of the page
FRAME = 100  # milliseconds between two ticks of the clock that pumps
PLAYING = "playing" if hasattr(widgets.Play, "playing") else "_playing"  # ipywidgets 8 and 7
VIEW = "application/vnd.jupyter.widget-view+json"


class Live:
    """A live picture. As the last expression of a cell it shows itself; it starts paused.

    Example:
        >>> picture = live.balance(objective)
        >>> picture.run(40)      # some steps at once, before it is shown
        >>> picture              # shows itself
        >>> picture.image        # (1, 3, H, W), as it is now

    Args:
        engine: the run.
        name: of the kind; a new live picture closes the old one of the same name, so that a cell can run again.
        controls: setting to widget; a control's value is the setting's.
        beside: widgets above the controls.
        driver: "thread"; "pump", for Colab; "none", which never runs by itself; "auto" chooses.

    Attributes:
        engine, driver: see `nstlib.live.engine` and `nstlib.live.drivers`.
        widget: all of it, to be put into a layout of one's own.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        controls: Mapping[str, widgets.ValueWidget],
        beside: tuple[widgets.Widget, ...] = (),
        driver: DriverName = "auto",
    ):
        self.engine, self.name, self.controls, self._beside = engine, name, dict(controls), beside
        self._picture = framed(engine.pil())
        self._writer = threading.local()
        self._facts, self._curves = widgets.HTML(), widgets.HTML()
        self._start = button("Start", self._toggle, "play", "Start or pause the steps")
        self._step = button("Step", lambda: self.driver.step(), "step-forward", "Take one step, then pause")
        self._reset = button("Reset", self._on_reset, "refresh", "Begin anew with these settings")
        self._clock_place = widgets.HBox()
        self._drawn: tuple[Any, float] = (None, 0.0)
        take_share()
        self.driver = _driver(driver, engine, self._show, name)
        self._renew_clock()
        for control in self.controls.values():
            control.observe(self._changed, "value")
        self.widget = self._lay_out()
        self._show()

    @property
    def image(self) -> torch.Tensor:
        """The picture as it is now, (1, 3, H, W) in [0, 1], on the CPU."""
        return self.engine.shown[None].float() / 255

    def run(self, steps: int) -> Self:
        """Take some steps here and now, for scripts and for a first look; gives the live picture itself."""
        count = whole("steps", steps, 1)
        try:
            self.engine.work(0.0, count=count)
        finally:
            self._show()
        return self

    def close(self) -> None:
        """End it, as the next run of its cell does."""
        self.driver.close()

    def settings(self) -> Settings:
        """What the controls say."""
        return {name: set_by_hand(control, self.engine.wanted[name]) for name, control in self.controls.items()}

    def rows(self) -> list[tuple[str, str, float | None]]:
        """The settings for the still: label, value and place on the slider."""
        return [(label(control), shown_value(control), place(control)) for control in self.controls.values()]

    def alt(self) -> str:
        """The still in words."""
        said = ", ".join(f"{name} {value}" for name, value, _ in self.rows())
        return f"A live picture, {self.name}, at step {self.engine.run.taken}; settings: {said}"

    def still(self) -> Image.Image:
        """The picture with its settings beside it."""
        return sketch.still(
            self.engine.pil(), f"Live: {self.name}, step {self.engine.run.taken}", self.rows(), self.engine.curves
        )

    def _ipython_display_(self) -> None:
        show(self.widget, self.still(), self.alt())

    def _lay_out(self) -> widgets.Widget:
        row = widgets.Layout(flex_flow="row wrap")
        buttons = widgets.HBox([self._start, self._step, self._reset, self._clock_place], layout=row)
        self._left = column(f"0 1 {WIDTH}px", self._picture, buttons, self._facts)
        right = column(f"0 1 {WIDTH}px", *self._beside, with_own_keys(*self.controls.values()), self._curves)
        return widgets.HBox([self._left, right], layout=widgets.Layout(flex_flow="row wrap", grid_gap="16px"))

    @staticmethod
    def widest(width: int, height: int) -> str:
        """How wide a picture of so many pixels may become on the page, in CSS."""
        return f"min(100%, {WIDTH}px)"

    def _write(self, settings: Settings) -> None:
        """Move the controls without their telling the engine."""
        with self._quietly():
            self._put(settings)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """What this thread does to controls meanwhile is not done by hand."""
        self._writer.writes = True
        try:
            yield
        finally:
            self._writer.writes = False

    def _put(self, settings: Settings) -> None:
        for name, value in settings.items():
            if name in self.controls:
                self.controls[name].value = value

    def _writes_itself(self) -> bool:
        """Whether a control moves because this thread moves it, and not by hand."""
        return getattr(self._writer, "writes", False)

    def _agree(self) -> None:
        """After a change that was taken back, the controls say again what is so."""
        wanted, said = self.engine.wanted, self.settings()
        self._write({name: value for name, value in wanted.items() if said.get(name) != value})

    def _changed(self, _: Any) -> None:
        if self._writes_itself():
            return
        self.engine.set(**self.settings())
        self.driver.poke()

    def _toggle(self) -> None:
        if self.driver.running:
            self.driver.pause()
        else:
            self.driver.start()

    def _on_reset(self) -> None:
        self.engine.reset()
        self.driver.poke()

    def _show(self) -> None:
        """Bring the page up to date; the loop calls it after each slice."""
        engine, driver, now = self.engine, getattr(self, "driver", None), time.monotonic()
        running = driver is not None and driver.running
        if engine.taken_back:
            self._agree()
        if engine.shown is not self._drawn[0]:
            height, width = engine.shown.shape[-2:]
            self._picture.width, self._picture.height = str(width), str(height)
            self._picture.layout.max_width = widest = self.widest(width, height)
            self._left.layout.max_width = f"max({widest}, min(100%, {WIDTH}px))"  # curves below an upright picture
            self._picture.value = encoded(engine.pil())
            self._drawn = (engine.shown, self._drawn[1])
        if not running or now - self._drawn[1] > CURVES_EVERY:
            self._curves.value = sketch.curves_svg(engine.curves, WIDTH)
            self._drawn = (self._drawn[0], now)
            self._facts.value = self._status()
        self._start.description, self._start.icon = ("Pause", "pause") if running else ("Start", "play")
        if driver is not None:
            self._keep_clock(running, now)

    def _renew_clock(self) -> None:
        """Put a clock on the page that has not ticked yet. One that the kernel has stopped never ticks again."""
        pump = isinstance(self.driver, Pump)
        clock = widgets.Play(
            interval=FRAME if pump else BEAT, max=2**31 - 1, layout=widgets.Layout(display="none"), description="clock"
        )
        if isinstance(self.driver, Pump):
            clock.observe(lambda _: self.driver.tick(), "value")
        elif isinstance(self.driver, Thread):
            clock.observe(lambda _: self.driver.seen(), "value")
        self._clock, self._clock_since = clock, time.monotonic()
        self._clock_place.children = (clock,)

    def _keep_clock(self, running: bool, now: float) -> None:
        """Let the clock tick while steps are taken, and renew it where a page that was opened anew needs one."""
        ticking, age = getattr(self._clock, PLAYING), now - self._clock_since
        silent = (
            isinstance(self.driver, Thread)
            and self.driver.silence() > drivers.SILENCE / 2
            and age > drivers.SILENCE / 2
        )
        if ticking and (not running or silent):
            self._renew_clock()
        elif running and not ticking and (age > RENDERED or isinstance(self.driver, Pump)):
            setattr(self._clock, PLAYING, True)

    def _status(self) -> str:
        """A line of facts; its data attributes say what the loop saw."""
        engine, driver = self.engine, self.driver
        steps, frames = engine.rates() if driver.running else (0.0, 0.0)
        rates = f"{steps:.1f} steps/s · {frames:.1f} frames/s · " if driver.running else ""
        facts = f"step {engine.run.taken} · {rates}{device_name(engine.run.device)} · {memory()}"
        data = {"state": "running" if driver.running else "paused", "taken": engine.run.taken, **self._probe()}
        attributes = " ".join(f'data-{name}="{escape(str(value))}"' for name, value in data.items())
        reason = f'<br><b role="status">{escape(driver.reason)}</b>' if driver.reason else ""
        return f'<span class="nst-facts" {attributes}>{facts}{reason}</span>'

    def _probe(self) -> dict[str, Any]:
        numbers = {name: value for name, value in self.engine.settings.items() if isinstance(value, int | float | str)}
        return {name.replace("_", "-"): value for name, value in numbers.items()}


def show(widget: widgets.Widget, still: Image.Image, alt: str, metadata: Mapping[str, Any] | None = None) -> None:
    """Show a widget, and beside it a still that stays where there is no kernel.

    Args:
        widget: what to show.
        still: the picture that stays.
        alt: the picture in words.
        metadata: what else a page must know of the widget.
    """
    from IPython.display import display

    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    data = {VIEW: view, "text/plain": alt, "image/jpeg": base64.b64encode(encoded(still)).decode()}
    if in_colab():  # where a picture might be chosen over the widget
        del data["image/jpeg"]
    told = dict(metadata or {}) | ({"image/jpeg": {"alt": alt}} if "image/jpeg" in data else {})
    display(data, raw=True, metadata=told)  # type: ignore[no-untyped-call]


def encoded(picture: Image.Image) -> bytes:
    """A picture as JPEG."""
    file = BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=80)
    return file.getvalue()


def framed(picture: Image.Image) -> widgets.Image:
    """A picture on the page, as wide as its column and never of another shape.

    Its numbers of pixels tell the page the shape before the picture is there, so that nothing moves or flickers.
    """
    return widgets.Image(
        format="jpeg",
        value=encoded(picture),
        width=str(picture.width),
        height=str(picture.height),
        layout=widgets.Layout(width="100%", height="auto", max_width=f"{WIDTH}px"),
    )


def column(flex: str, *children: widgets.Widget) -> widgets.VBox:
    """A column that may become narrower than what is in it."""
    return widgets.VBox(children, layout=widgets.Layout(flex=flex, min_width="0", max_width="100%"))


def button(description: str, action: Callable[[], None], icon: str = "", tooltip: str = "") -> widgets.Button:
    """A button that calls a function without arguments."""
    made = widgets.Button(description=description, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="auto"))
    made.on_click(lambda _: action())
    return made


def heading(text: str) -> widgets.HTML:
    """A line above a group of controls."""
    return widgets.HTML(f'<div style="font-weight: 600; margin-top: 6px">{escape(text)}</div>')


def with_own_keys(*children: widgets.Widget) -> widgets.VBox:
    """A column whose controls keep their keys in JupyterLab and Notebook 7, which have uses of their own for them."""
    # An attribute of what has the focus says so to Jupyter's shortcuts: they look at it first, at what is around it
    # later. Widgets cannot set attributes, so a picture that fails to load does.
    script = (
        "const picture = this; (function say() { const box = picture.closest('.nst-keys');"
        "box ? box.addEventListener('focusin', event => event.target.dataset.lmSuppressShortcuts = 'true')"
        " : setTimeout(say, 100); })()"
    )
    box = widgets.VBox([*children, widgets.HTML(f'<img alt="" hidden src="data:," onerror="{script}">')])
    box.add_class("nst-keys")
    return box


def log_slider(description: str, value: float, low: float, high: float) -> widgets.FloatLogSlider:
    """A slider from 10**low to 10**high that tells of every move."""
    return widgets.FloatLogSlider(
        value=value,
        min=low,
        max=high,
        step=0.05,
        description=description,
        readout_format=".3g",
        style={"description_width": "110px"},
        layout=widgets.Layout(width="auto", max_width="480px"),
    )


def label(control: widgets.Widget) -> str:
    """What a control is called on the page."""
    return str(control.description)


def shown_value(control: widgets.Widget) -> str:
    """A control's value in words."""
    value = getattr(control, "label", None) or control.value
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def place(control: widgets.Widget) -> float | None:
    """Where a slider stands from 0 to 1; None for other controls."""
    if not hasattr(control, "min") or not isinstance(control.value, int | float):
        return None
    value = math.log10(control.value) if isinstance(control, widgets.FloatLogSlider) else control.value
    return float((value - control.min) / (control.max - control.min))


def set_by_hand(control: widgets.ValueWidget, wanted: Any) -> Any:
    """A control's value. A page moves a slider that it is given to the nearest step and says so: that is no hand."""
    if not hasattr(control, "step"):
        return control.value
    to = math.log10 if isinstance(control, widgets.FloatLogSlider) else float
    nearest = control.min + round((to(wanted) - control.min) / control.step) * control.step
    return wanted if abs(to(control.value) - nearest) < 1e-6 else control.value


def in_colab() -> bool:
    """Whether this is Google's Colab."""
    return "google.colab" in sys.modules


def device_name(device: torch.device) -> str:
    """The device for the status line."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else str(device)


def memory() -> str:
    """How much memory this process holds, and of the GPU's where there is one."""
    import psutil

    text = f"{psutil.Process(os.getpid()).memory_info().rss / 2**20:.0f} MiB"
    if torch.cuda.is_available():
        text += f", GPU {torch.cuda.memory_reserved() / 2**20:.0f} MiB"
    return text


class Shell:
    """Whether IPython runs a cell, during which no message of a page can be heard."""

    def __init__(self) -> None:
        self.busy = False
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        if shell is not None:
            shell.events.register("pre_execute", lambda: self._note(True))
            shell.events.register("post_execute", lambda: self._note(False))

    def _note(self, busy: bool) -> None:
        self.busy = busy


@cache
def shell() -> Shell:
    """The one of this process."""
    return Shell()


def in_kernel() -> bool:
    """Whether a page may be listening."""
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def _driver(driver: DriverName, engine: Engine, on_frame: Callable[[], None], name: str) -> Driver:
    one_of("driver", driver, get_args(DriverName))
    if driver == "auto":
        driver = "pump" if in_colab() else "thread" if in_kernel() else "none"
    if driver == "thread":
        watch = shell()
        return Thread(engine, on_frame, name, busy=lambda: watch.busy)
    if driver == "pump":
        return Pump(engine, on_frame, name)
    return Driver(engine, on_frame, name)
