"""The live studio: every weight, picture and choice of a transfer under the hand, while it runs."""

import os
import threading
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, Unpack

from ..backbones import default_layers
from ..base.reporting import shown_path
from ..control.styles import Blend
from ..errors import BackboneNotFound, InputError
from ..images import Source, bundled_images
from ..optimize import DEFAULT_LR, Run
from ..options import DEFAULTS, Options, Styles
from ..style_losses.names import style_loss_of
from .choices import (
    LAYERS,
    PRESETS,
    SLIDERS,
    THUMBNAIL,
    layer_sliders,
    made_controls,
    megabytes,
    offered_backbones,
    offered_content_layers,
    thumbnail_url,
    weights_for,
    wide,
)
from .engine import Engine, Settings
from .modes import own_modes
from .panel import DriverName, Live, button, column, heading, set_by_hand, widgets, with_own_keys
from .snapshots import default_folder, problem_of, strip_html, written
from .steering import adopt, complete, kept_masks
from .upload import PictureFile, limit_html, upload_button, uploaded

Kind = tuple[tuple[str, ...], tuple[str, ...]]  # names of a network's default layers
OF_A_NETWORK = ("backbone", "weights", "content_layers", "style_layers")


class Studio(Live):
    """A transfer under the hand: sliders, choices, presets, snapshots, undo. `live.studio` makes it.

    Attributes:
        image: the picture as it is now, (1, 3, H, W).
        folder: where snapshots go, or None.
    """

    def __init__(
        self,
        content: Source,
        style: Styles,
        driver: DriverName = "auto",
        folder: str | os.PathLike[str] | None = "auto",
        **options: Unpack[Options],
    ):
        self.folder = folder_for(folder)
        masks: Any = options.get("masks")
        self._brush = masks if hasattr(masks, "observe") else None
        self._first: Run | None
        start, self._first = complete(content, style, options)
        moving = ("content_layers", "style_layers", "masks")
        self._fixed = {name: start[name] for name in start if name not in moving}
        engine = Engine(start, self._begin, adopt, OF_A_NETWORK)
        self._layers, self._style_layers = engine.run.objective.extract.layers, list(start["style_layers"])
        self._followed = start["backbone"]
        self._put_aside: dict[Kind | None, Settings] = {}  # layers as they were set for other kinds of networks
        self._moving_controls = threading.RLock()  # the thread that hears the page and the loop's both change them
        self._optimizer = start["optimizer"]
        self._said = problem_of(self.folder)
        self._strip, self._line_note = widgets.HTML(), widgets.HTML()
        self._line = widgets.Textarea(rows=2, description="in Python", layout=widgets.Layout(width="98%"))
        self._undo = button("Undo", self._on_undo, "undo", "Back to before the last change")
        self._snap = button("Snapshot", self._on_snapshot, "camera", "Keep this picture, with its settings inside")
        self._smaller = button("", self._go_smaller, "compress", "Go on with a smaller picture")
        self._uploads = {kind: self._upload(kind) for kind in ("content", "style")}
        self.thumbnails = {name: button(name.replace("_", " "), self._choose(name)) for name in bundled_images("style")}
        self.preset = widgets.Dropdown(options=["", *PRESETS], description="preset", **wide())
        self.preset.observe(self._on_preset, "value")
        super().__init__(engine, "studio", made_controls(start, self._layers), driver=driver)
        if self._brush is not None:
            self._brush.observe(self._on_painted)
        for name in ("style", "second"):
            self.controls[name].observe(self._mark_style, "value")
        self._mark_style()

    def settings(self) -> Settings:
        """What the controls say, in the words of `nstlib.stylize`."""
        wanted = self.engine.wanted
        share = wanted["shares"][1] if wanted["shares"] else self.controls["share"].value
        wanted = {**wanted, **wanted["style_layers"], "share": share}
        with self._moving_controls:  # one that is given new options says something else for a moment
            values = {name: set_by_hand(each, wanted.get(name, each.value)) for name, each in self.controls.items()}
        # Of a loss that takes no masks, what is painted was refused, and waits for another one.
        painted = None if not style_loss_of(values["style_loss"]).adds_up else self._brush
        return {
            **self._fixed,
            **{
                name: values[name]
                for name in ("content", "size", "style_loss", "color", "backbone", "optimizer", "init")
            },
            **_styles(values["style"], values["second"], values["share"]),
            "weights": self._weights(values["backbone"]),
            "masks": wanted["masks"] if painted is None else kept_masks(painted, 2 if values["second"] else 1),
            **{name: float(f"{values[name]:.4g}") for name in SLIDERS},
            "content_layers": dict(values["content_layer"]),
            "style_layers": {layer: round(values[layer], 4) for layer in self._style_layers},
        }

    def call(self) -> str:
        """The line of Python that gives the picture of these settings, from the start, after as many steps."""
        settings, defaults = dict(self.engine.settings), dict(DEFAULTS)
        if settings["lr"] == DEFAULT_LR[settings["optimizer"]]:
            del settings["lr"]
        pictures = ", ".join(_in_python(settings.pop(name)) for name in ("content", "style"))
        if settings["masks"] is not None:
            settings["masks"] = _plain(settings["masks"])
        content_layers, style_layers = default_layers(settings["backbone"])
        defaults |= {"init": "content", "backbone": None}
        defaults |= {"content_layers": content_layers, "style_layers": style_layers}
        told = [f"{name}={value!r}" for name, value in settings.items() if value != defaults[name]]
        return f"nst.stylize({pictures}, steps={self.engine.run.taken}, {', '.join(told)})"

    @staticmethod
    def widest(width: int, height: int) -> str:
        """As wide as there is room, and so low that its curves are on the same page: on a projector, too."""
        return f"min(100%, 50vh * {width / height:.4f})"

    def rows(self) -> list[tuple[str, str, float | None]]:
        """The settings for the still: sliders first; of a second style only where there is one."""
        of_second = () if self.controls["second"].value else ("second style", "its share")
        return sorted((row for row in super().rows() if row[0] not in of_second), key=lambda row: row[2] is None)

    def _begin(self, settings: Settings) -> Run:
        """A fresh run; the objective of the run before it serves again, as `adopt` kept it up to date."""
        if self._first is not None:
            run, self._first = self._first, None
            return run
        options = {name: settings[name] for name in ("init", "optimizer", "lr", "betas", "seed")}
        return Run(self.engine.run.objective, **options)

    def _weights(self, backbone: str) -> Any:
        return weights_for(backbone, self._fixed["backbone"], self._fixed["weights"])

    def _switch(self, backbone: str) -> None:
        """Want another backbone, with layers that it has."""
        layers = self._layers_for(backbone)
        self._write(layers)
        self.engine.set(**{**self.settings(), **layers})
        self._facts.value = self._status()  # now: while the loop fetches weights, it shows nothing

    def _layers_for(self, backbone: str) -> Settings:
        """Of another kind of network, the layers as they were last set, or its own; nothing new for the same kind."""
        wanted, names = self.engine.wanted, ("content_layers", "style_layers")
        before, after = _kind(wanted["backbone"]), _kind(backbone)
        if after in (before, None):
            return {}
        self._put_aside[before] = {name: wanted[name] for name in names}
        own = [{layer: round(weight, 4) for layer, weight in layers.items()} for layers in default_layers(backbone)]
        return self._put_aside.get(after) or dict(zip(names, own, strict=True))

    def _follow_network(self) -> None:
        """Once another network is there, its layers can be chosen, and what it fetched is at hand."""
        layers = self._layers_there()
        if layers and layers != self._layers:
            self._offer_content_layers(self.controls["content_layer"].value)
        control = self.controls["backbone"]
        if layers and control.value != self._followed:
            self._followed = control.value
            control.options = offered_backbones(self._fixed["backbone"], self._fixed["weights"])
            control.value = self._followed  # new options alone choose the first of them

    def _layers_there(self) -> list[str]:
        """The layers of the network that is chosen, or none as long as it is not there."""
        there = self.controls["backbone"].value == self.engine.settings["backbone"]
        return self.engine.run.objective.extract.layers if there else []

    def _offer_content_layers(self, chosen: Mapping[str, float]) -> None:
        control, layers = self.controls["content_layer"], self._layers_there()
        if layers != self._layers or chosen not in [value for _, value in control.options]:
            self._layers, control.options = layers, offered_content_layers(layers, chosen)
        control.value = chosen

    def _renew_layer_sliders(self, weights: Mapping[str, float]) -> None:
        before, sliders = self._style_layers, layer_sliders(weights)
        for slider in sliders.values():
            slider.observe(self._changed, "value")
        self._layer_box.children = tuple(sliders.values())
        gone = [self.controls[layer] for layer in before]
        self.controls = {**{name: each for name, each in self.controls.items() if name not in before}, **sliders}
        self._style_layers = list(sliders)
        for slider in gone:
            slider.close()

    def _lay_out(self) -> widgets.Widget:
        row = widgets.Layout(flex_flow="row wrap")
        apart = widgets.Layout(flex_flow="row wrap", grid_gap="0 12px")
        buttons = [self._start, self._step, self._reset, self._undo, self._snap, self._smaller, self._clock_place]
        painted = getattr(self._brush, "widget", None)
        places = () if painted is None else (heading("Places: paint where each style goes"), painted)
        shown = (self._picture, widgets.HBox(buttons, layout=row), self._facts, *places, self._curves)
        self._left = column("100 1 400px", *shown)
        self._layer_box = widgets.VBox([self.controls[layer] for layer in self._style_layers])
        pictures = ("content", "style", "second", "share", "color", "size")
        choices = (*pictures, "style_loss", "content_layer", "init", "optimizer", "backbone")
        right = [
            self.preset,
            heading("Weights: they act on the next step"),
            *(self.controls[name] for name in SLIDERS),
            heading("Style layers"),
            self._layer_box,
            heading("What and how"),
            *(self.controls[name] for name in choices),
        ]
        controls = with_own_keys(*right)
        controls.layout.flex = "1 1 352px"
        cells = [self._thumbnail(name) for name in self.thumbnails]
        cells.append(widgets.VBox([*self._uploads.values(), limit_html()], layout=widgets.Layout(max_width="230px")))
        return widgets.VBox(
            [
                widgets.HBox([self._left, controls], layout=apart),
                heading("Style"),
                widgets.HBox(cells, layout=row),
                self._strip,
                heading("These settings"),
                self._line,
                self._line_note,
            ]
        )

    def _thumbnail(self, name: str) -> widgets.Widget:
        layout = self.thumbnails[name].layout
        layout.width, layout.padding = f"{THUMBNAIL[0]}px", "0"  # room for "stained glass"
        picture = widgets.HTML(f'<img src="{thumbnail_url(name)}" alt="{escape(name)}" style="display:block">')
        return widgets.VBox([picture, self.thumbnails[name]], layout=widgets.Layout(width=f"{THUMBNAIL[0] + 8}px"))

    def _upload(self, kind: str) -> widgets.FileUpload:
        upload = upload_button(f"own {kind}")

        def take(_: Any) -> None:
            picture = uploaded(upload.value)
            if picture is not None:
                control = self.controls[kind]
                kept = [option for option in control.options if option[1] != picture]
                with self._quietly():  # new options alone choose the first of them
                    before, control.options = control.value, [*kept, (picture.name, picture)]
                    control.value = before
                control.value = picture
                self._said = self._said or f"{picture.in_words} is here"
                self.driver.poke()

        upload.observe(take, "value")
        return upload

    def _choose(self, style: str) -> Any:
        def choose() -> None:
            self.controls["style"].value = style

        return choose

    def _changed(self, change: Any) -> None:
        if self._writes_itself():
            return
        self._said = ""
        if self.controls["optimizer"].value != self._optimizer:  # each has a scale of its own
            self._optimizer = self.controls["optimizer"].value
            self._write({"lr": DEFAULT_LR[self._optimizer]})
        with self._moving_controls:
            backbone = self.controls["backbone"].value
            if backbone != self.engine.wanted["backbone"]:
                self._switch(backbone)
        super()._changed(change)

    def _put(self, settings: Settings) -> None:
        layers = settings.get("style_layers", {})
        with self._moving_controls:
            if layers and layers.keys() != set(self._style_layers):
                self._renew_layer_sliders(layers)
            super()._put({**settings, **_for_controls(settings), **layers})
            if "content_layers" in settings:
                self._offer_content_layers(settings["content_layers"])
        self._optimizer = self.controls["optimizer"].value

    def _on_preset(self, change: Any) -> None:
        if change["new"]:
            alpha, beta, tv, layers = PRESETS[change["new"]]
            chosen: dict[str, Any] = {"alpha": alpha, "beta": beta, "tv": tv}
            if set(LAYERS) & set(self._style_layers):  # of another network, the layers stay as they are
                weights = dict(zip(LAYERS, layers, strict=True))
                chosen["style_layers"] = {layer: weights.get(layer, 0.0) for layer in self._style_layers}
            self._write(chosen)
            self.engine.set(**self.settings())
            self.driver.poke()

    def _on_painted(self, *_: Any) -> None:
        """What the brush holds acts on the next step."""
        assert self._brush is not None
        styles = Blend.of(self.engine.wanted["style"])
        self.engine.set(masks=kept_masks(self._brush, len(styles)))
        self.driver.poke()

    def _on_undo(self) -> None:
        settings = self.engine.undo()
        if settings is None:
            self._said = "there is nothing to undo"
        else:
            self._write(settings)
        self.driver.poke()

    def _on_snapshot(self) -> None:
        self.engine.snapshot()
        self.engine.tell(self._keep_snapshot)
        self.driver.poke()

    def _keep_snapshot(self) -> None:
        snapshot = self.engine.snapshots[-1]
        if self.folder is not None:
            try:
                self._said = f"kept {shown_path(written(snapshot, self.folder))}"
            except OSError as error:  # the picture is on the page all the same
                why = f"it cannot be written to {shown_path(self.folder)}, {error.strerror or error}"
                self._said = f"{why}: click it below to save it"
        self._strip.value = heading("Snapshots: click one to save it").value + strip_html(self.engine.snapshots)

    def _smaller_size(self) -> int | None:
        sizes = [size for _, size in self.controls["size"].options if size < self.engine.wanted["size"]]
        return max(sizes, default=None)

    def _go_smaller(self) -> None:
        size = self._smaller_size()
        if size is not None:
            self.controls["size"].value = size
            self.driver.start()

    def _show(self) -> None:
        with self._moving_controls:
            super()._show()
            with self._quietly():
                self._follow_network()
        driver = getattr(self, "driver", None)
        if driver is None or driver.running:
            return
        self._line.value = self.call()
        faithful = (
            "This line gives this picture."
            if self.engine.faithful
            else (
                "This line gives the picture of these settings from the start. Yours has a history: "
                "settings moved on its way. Reset, and as many steps, give what the line gives."
            )
        )
        settings = self.engine.settings
        masks = settings["masks"] if isinstance(settings["masks"], list) else [settings["masks"]]
        pictures = [settings["content"], *Blend.of(settings["style"]).pictures, *masks]
        uploads = [str(picture) for picture in pictures if isinstance(picture, PictureFile)]
        if self._brush is not None and settings["masks"] is not None:
            uploads = [name for name in uploads if name not in map(str, masks)]
            faithful += ' It needs the places that you painted: brush.save("masks.png").'
        if not isinstance(loss := settings["style_loss"], str):
            faithful += f" It needs {type(loss).__name__} of {type(loss).__module__}."
        note = f" It needs your file {escape(', '.join(uploads))} beside it." if uploads else ""
        self._line_note.value = f'<span style="font-size: 12px">{faithful}{note}</span>'
        smaller = self._smaller_size() if driver.too_large else None
        self._smaller.description = f"Go on at {smaller} pixels" if smaller else ""
        self._smaller.layout.display = "" if smaller else "none"

    def _mark_style(self, _: Any = None) -> None:
        for name, thumbnail in self.thumbnails.items():
            thumbnail.button_style = "primary" if name == self.controls["style"].value else ""
        self.controls["share"].disabled = not self.controls["second"].value

    def _status(self) -> str:
        said = [escape(each) for each in (self._fetching(), self._said) if each]
        return super()._status() + "".join(f'<br><span role="status">{each}</span>' for each in said)

    def _fetching(self) -> str:
        name = self.engine.wanted["backbone"]
        if name == self.engine.settings["backbone"] or _kind(name) is None:
            return ""
        size = megabytes(name, self._weights(name))
        return "" if size is None else f"fetching the weights of {name}, {size:.0f} MB"


def _kind(backbone: str) -> Kind | None:
    """What networks whose layers have the same names have in common; None of what is no backbone."""
    try:
        content_layers, style_layers = default_layers(backbone)
    except BackboneNotFound:
        return None
    return tuple(content_layers), tuple(style_layers)


def _styles(style: Any, second: Any, share: float) -> Settings:
    """The styles as `nstlib.stylize` takes them."""
    if not second:
        return {"style": style, "shares": None}
    return {"style": [style, second], "shares": (round(1 - share, 4), round(share, 4))}


def _for_controls(settings: Settings) -> Settings:
    """The same as the controls hold it."""
    held: dict[str, Any] = {}
    if "style" in settings:
        styles = settings["style"]
        held["style"], held["second"] = styles if isinstance(styles, list) else (styles, "")
    if settings.get("shares"):
        held["share"] = settings["shares"][1]
    return held


def _in_python(picture: Any) -> str:
    return repr(_plain(picture))


def _plain(picture: Any) -> str | list[str]:
    """One picture or several by their names."""
    return [str(each) for each in picture] if isinstance(picture, list) else str(picture)


def folder_for(folder: str | os.PathLike[str] | None) -> Path | None:
    """Where snapshots go: "auto" is the usual place."""
    if folder is None:
        return None
    if not isinstance(folder, str | os.PathLike):
        raise InputError(f"folder is {folder!r:.80}; give a path, or None to write nothing")
    return default_folder() if folder == "auto" else Path(folder).expanduser()


@own_modes()
def studio(
    content: Source = "village",
    style: Styles = "swirls",
    *,
    driver: DriverName = "auto",
    folder: str | os.PathLike[str] | None = "auto",
    **options: Unpack[Options],
) -> Studio:
    """The live studio: a transfer with all its weights, pictures and choices under the hand.

    Example:
        >>> studio = live.studio("village", "swirls", size=384)
        >>> studio                   # shows itself; press Start
        >>> studio.call()            # the settings of the moment as a line of Python

    Args:
        content, style: as for `nstlib.stylize`, one style or two; others can be chosen and uploaded on the page.
        driver: see `Live`.
        folder: where snapshots are written; "auto" is img/results; None only offers them on the page.
        options: as for `nstlib.stylize`. With a brush as `masks`, see `live.brush`, the page shows it too, and what is
            painted acts on the next step; as long as a place has no paint, every style is everywhere. Without a size,
            256 pixels, and 512 where there is a GPU. Of a quality, the studio takes the optimizer, and the rate at its
            beginning. A file of weights is of the backbone that it is given with: others take their own.

    Raises:
        NstError: a picture, a layer, a backbone or a value that cannot work.
    """
    return Studio(content, style, driver, folder, **options)
