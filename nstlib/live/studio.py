"""The live studio: every weight, picture and choice of a transfer under the hand, while it runs."""

import base64
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, Unpack, cast

from PIL import Image, ImageOps

from ..backbones import available_backbones, default_backbone
from ..devices import default_device
from ..errors import ImageError, InputError
from ..images import Source, bundled_images, load_image, to_pil
from ..optimize import DEFAULT_LR, OPTIMIZERS, Run
from ..sources import find
from ..starts import INITS
from ..transfer import CLONE, DEFAULTS, Options, prepare
from .engine import Engine, Settings, Snapshot
from .panel import DriverName, Live, button, heading, log_slider, set_by_hand, widgets, with_own_keys

SIZES = (128, 192, 256, 320, 384, 512, 640, 768, 1024)
SLIDERS: Mapping[str, tuple[str, float, float]] = {  # label, and powers of ten between which it slides
    "alpha": ("alpha (content)", -3, 2),
    "beta": ("beta (style)", -2, 4),
    "tv": ("tv (smoothness)", -2, 3),
    "lr": ("learning rate", -3, 1),
}
LAYERS = [f"relu{block}_1" for block in range(1, 6)]
PRESETS: Mapping[str, tuple[float, float, float, tuple[float, ...]]] = {  # alpha, beta, tv, and w_l of LAYERS
    "balanced": (1, 10, 10, (0.2, 0.2, 0.2, 0.2, 0.2)),
    "a touch of style": (1, 2, 10, (0.2, 0.2, 0.2, 0.2, 0.2)),
    "style above all": (0.05, 100, 10, (0.2, 0.2, 0.2, 0.2, 0.2)),
    "fine texture": (1, 50, 1, (0.5, 0.5, 0, 0, 0)),
    "large shapes": (0.2, 50, 10, (0.1, 0, 0, 0.4, 0.5)),
    "smooth": (1, 10, 150, (0.2, 0.2, 0.2, 0.2, 0.2)),
}
THUMBNAIL = (104, 60)


@dataclass(frozen=True)
class Upload:
    """A picture that came from the page, as the bytes of its file."""

    name: str
    data: bytes = field(repr=False)

    def __str__(self) -> str:
        return self.name

    def open(self) -> Image.Image:
        """The picture.

        Raises:
            ImageError: the file is none.
        """
        try:
            picture = Image.open(BytesIO(self.data))
            picture.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ImageError(f"{self.name} cannot be read as a picture ({error}); choose a JPEG or PNG file") from error
        return picture


class Studio(Live):
    """A transfer under the hand: sliders, choices, presets, snapshots, undo. `live.studio` makes it.

    Attributes:
        image: the picture as it is now, (1, 3, H, W).
        folder: where snapshots go, or None.
    """

    def __init__(
        self,
        content: Source,
        style: Source,
        driver: DriverName = "auto",
        folder: str | os.PathLike[str] | None = "auto",
        **options: Unpack[Options],
    ):
        self.folder = default_folder() if folder == "auto" else None if folder is None else Path(folder)
        self._first: Run | None
        start, self._first = _complete(content, style, options)
        self._fixed = {name: start[name] for name in start if name not in ("content_layers", "style_layers")}
        engine = Engine(start, self._begin, _adopt)
        self._layers = engine.run.objective.extract.layers
        self._quiet = False
        self._optimizer = start["optimizer"]
        self._said = ""
        self._strip, self._line_note = widgets.HTML(), widgets.HTML()
        self._line = widgets.Textarea(rows=2, description="in Python", layout=widgets.Layout(width="98%"))
        self._undo = button("Undo", self._on_undo, "undo", "Back to before the last change")
        self._snap = button("Snapshot", self._on_snapshot, "camera", "Keep this picture, with its settings inside")
        self._smaller = button("", self._go_smaller, "compress", "Go on with a smaller picture")
        self._uploads = {kind: self._upload(kind) for kind in ("content", "style")}
        self.thumbnails = {name: button(name.replace("_", " "), self._choose(name)) for name in bundled_images("style")}
        self.preset = widgets.Dropdown(options=["", *PRESETS], description="preset", **_wide())
        self.preset.observe(self._on_preset, "value")
        super().__init__(engine, "studio", self._make_controls(start), driver=driver)
        self.controls["style"].observe(self._mark_style, "value")
        self._mark_style()

    def settings(self) -> Settings:
        """What the controls say, in the words of `nstlib.stylize`."""
        wanted = {**self.engine.wanted, **self.engine.wanted["style_layers"]}
        values = {name: set_by_hand(control, wanted.get(name)) for name, control in self.controls.items()}
        return {
            **self._fixed,
            **{name: values[name] for name in ("content", "style", "size", "backbone", "optimizer", "init")},
            **{name: float(f"{values[name]:.4g}") for name in SLIDERS},
            "content_layers": dict(values["content_layer"]),
            "style_layers": {layer: round(values[layer], 4) for layer in self._style_layers()},
        }

    def call(self) -> str:
        """The line of Python that gives the picture of these settings, from the start, after as many steps."""
        settings, defaults = dict(self.engine.settings), dict(DEFAULTS)
        if settings["lr"] == DEFAULT_LR[settings["optimizer"]]:
            del settings["lr"]
        pictures = ", ".join(repr(str(settings.pop(name))) for name in ("content", "style"))
        defaults |= {"init": "content", "backbone": None}
        told = [f"{name}={value!r}" for name, value in settings.items() if value != defaults[name]]
        return f"nst.stylize({pictures}, steps={self.engine.run.taken}, {', '.join(told)})"

    def rows(self) -> list[tuple[str, str, float | None]]:
        """The settings for the still: sliders first."""
        return sorted(super().rows(), key=lambda row: row[2] is None)

    def _begin(self, settings: Settings) -> Run:
        """A fresh run; the objective of the run before it serves again, as `_adopt` kept it up to date."""
        if self._first is not None:
            run, self._first = self._first, None
            return run
        options = {name: settings[name] for name in ("init", "optimizer", "lr", "seed")}
        return Run(self.engine.run.objective, **options)

    def _style_layers(self) -> list[str]:
        return [name for name in self.controls if name in self._layers]

    def _make_controls(self, start: Settings) -> dict[str, widgets.ValueWidget]:
        layers = {layer: {layer: 1.0} for layer in self._layers if layer.startswith("relu")}
        if start["content_layers"] not in layers.values():
            layers = {" + ".join(start["content_layers"]): start["content_layers"], **layers}
        choices = {
            "content": _named(bundled_images("content") + bundled_images("photo"), start["content"]),
            "style": _named(bundled_images("style"), start["style"]),
            "content_layer": list(layers.items()),
            "init": [(init.replace("_", " "), init) for init in INITS],
            "optimizer": [("L-BFGS" if name == "lbfgs" else name.title(), name) for name in OPTIMIZERS],
            "size": [(f"{size} pixels", size) for size in sorted({*SIZES, start["size"]})],
            "backbone": [(name, name) for name in available_backbones()],
        }
        values = {**start, "content_layer": start["content_layers"]}
        labels = {"content_layer": "content layer", "init": "start"}
        controls: dict[str, widgets.ValueWidget] = {
            name: widgets.Dropdown(options=options, value=values[name], description=labels.get(name, name), **_wide())
            for name, options in choices.items()
        }
        for name, (label, low, high) in SLIDERS.items():
            power = math.log10(start[name])
            controls[name] = log_slider(label, start[name], min(low, power), max(high, power))
        for layer, weight in start["style_layers"].items():
            controls[layer] = widgets.FloatSlider(
                value=weight, min=0, max=max(1, weight), step=0.05, description=layer, readout_format=".2f", **_wide()
            )
        return controls

    def _lay_out(self) -> widgets.Widget:
        row = widgets.Layout(flex_flow="row wrap")
        apart = widgets.Layout(flex_flow="row wrap", grid_gap="0 12px")
        buttons = [self._start, self._step, self._reset, self._undo, self._snap, self._smaller, self._clock_place]
        left = [self._picture, widgets.HBox(buttons, layout=row), self._facts, self._curves]
        choices = ("content", "style", "size", "content_layer", "init", "optimizer", "backbone")
        right = [
            self.preset,
            heading("Weights: they act on the next step"),
            *(self.controls[name] for name in SLIDERS),
            heading("Style layers"),
            *(self.controls[layer] for layer in self._style_layers()),
            heading("What and how"),
            *(self.controls[name] for name in choices),
        ]
        cells = [self._thumbnail(name) for name in self.thumbnails]
        cells.append(widgets.VBox([*self._uploads.values()]))
        return widgets.VBox(
            [
                widgets.HBox([widgets.VBox(left), with_own_keys(*right)], layout=apart),
                heading("Style"),
                widgets.HBox(cells, layout=row),
                self._strip,
                heading("These settings"),
                self._line,
                self._line_note,
            ],
            layout=widgets.Layout(max_width="832px"),
        )

    def _thumbnail(self, name: str) -> widgets.Widget:
        self.thumbnails[name].layout.width = f"{THUMBNAIL[0]}px"
        picture = widgets.HTML(f'<img src="{_thumbnail_url(name)}" alt="{escape(name)}" style="display:block">')
        return widgets.VBox([picture, self.thumbnails[name]], layout=widgets.Layout(width=f"{THUMBNAIL[0] + 8}px"))

    def _upload(self, kind: str) -> widgets.FileUpload:
        upload = widgets.FileUpload(accept="image/*", multiple=False, description=f"own {kind}")
        upload.layout.width = "130px"  # room for the count of files that the page puts after it

        def take(_: Any) -> None:
            picture = uploaded(upload.value)
            if picture is not None:
                control = self.controls[kind]
                kept = [option for option in control.options if option[1] != picture]
                control.options = [*kept, (picture.name, picture)]
                control.value = picture

        upload.observe(take, "value")
        return upload

    def _choose(self, style: str) -> Any:
        def choose() -> None:
            self.controls["style"].value = style

        return choose

    def _changed(self, change: Any) -> None:
        if self._quiet:
            return
        self._said = ""
        if self.controls["optimizer"].value != self._optimizer:  # each has a scale of its own
            self._optimizer = self.controls["optimizer"].value
            self._write({"lr": DEFAULT_LR[self._optimizer]})
        super()._changed(change)

    def _write(self, settings: Settings) -> None:
        """Move the controls without their telling the engine."""
        self._quiet = True
        try:
            for name, value in settings.items():
                if name == "content_layers":
                    self.controls["content_layer"].value = value
                elif name == "style_layers":
                    for layer in self._style_layers():
                        self.controls[layer].value = value.get(layer, 0.0)
                elif name in self.controls:
                    self.controls[name].value = value
            self._optimizer = self.controls["optimizer"].value
        finally:
            self._quiet = False

    def _on_preset(self, change: Any) -> None:
        if change["new"]:
            alpha, beta, tv, layers = PRESETS[change["new"]]
            self._write(
                {"alpha": alpha, "beta": beta, "tv": tv, "style_layers": dict(zip(LAYERS, layers, strict=True))}
            )
            self.engine.set(**self.settings())
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
            path, number = self.folder / _file_name(snapshot), 2
            while path.exists():
                path, number = path.with_name(f"{_stem(snapshot)}_{number}.png"), number + 1
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(snapshot.png)
            self._said = f"kept {os.path.relpath(path)}"
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
        super()._show()
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
        uploads = [str(value) for value in self.engine.settings.values() if isinstance(value, Upload)]
        note = f" It needs your file {escape(', '.join(uploads))} beside it." if uploads else ""
        self._line_note.value = f'<span style="font-size: 12px">{faithful}{note}</span>'
        smaller = self._smaller_size() if driver.too_large else None
        self._smaller.description = f"Go on at {smaller} pixels" if smaller else ""
        self._smaller.layout.display = "" if smaller else "none"

    def _mark_style(self, _: Any = None) -> None:
        for name, thumbnail in self.thumbnails.items():
            thumbnail.button_style = "primary" if name == self.controls["style"].value else ""

    def _status(self) -> str:
        said = f'<br><span role="status">{escape(self._said)}</span>' if self._said else ""
        return super()._status() + said


def studio(
    content: Source = "village",
    style: Source = "swirls",
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
        content, style: as for `nstlib.stylize`; others can be chosen and uploaded on the page.
        driver: see `Live`.
        folder: where snapshots are written; "auto" is img/results; None only offers them on the page.
        options: as for `nstlib.stylize`. Without a size, 256 pixels, and 512 where there is a GPU.

    Raises:
        NstError: a picture, a layer, a backbone or a value that cannot work.
    """
    return Studio(content, style, driver, folder, **options)


def uploaded(value: Any) -> Upload | None:
    """What a FileUpload holds: a dict of files in ipywidgets 7, a tuple in 8."""
    if not value:
        return None
    if isinstance(value, Mapping):
        name, file = list(value.items())[-1]
    else:
        file = value[-1]
        name = file["name"]
    return Upload(str(name), bytes(file["content"]))


def strip_html(snapshots: Any) -> str:
    """Snapshots side by side; each is a link that saves its file."""
    links = []
    for snapshot in snapshots:
        name = _file_name(snapshot)
        small = Image.open(BytesIO(snapshot.png))
        small.thumbnail((140, 140))
        links.append(
            f'<a download="{escape(name)}" href="{_url(snapshot.png, "png")}" style="margin-right:8px">'
            f'<img src="{_picture_url(small)}" alt="Snapshot at step {snapshot.taken}" title="{escape(name)}"></a>'
        )
    return f'<div style="display:flex; flex-wrap:wrap">{"".join(links)}</div>'


def _complete(content: Source, style: Source, options: Options) -> tuple[dict[str, Any], Run]:
    """Every setting by name, as the controls hold them, and the run that they begin."""
    settings: dict[str, Any] = {**DEFAULTS, **options}
    settings = {"content": _kept(content, "content"), "style": _kept(style, "style"), **settings}
    settings["size"] = options.get("size", 256 if default_device().type == "cpu" else 512)
    settings["backbone"] = settings["backbone"] or default_backbone(quiet=True)
    settings["init"] = settings["init"] or "content"
    if not isinstance(settings["init"], str) or settings["init"] not in INITS:
        raise InputError(f"init is {settings['init']!r}; the studio starts from one of: {', '.join(INITS)}")
    if settings["optimizer"] not in OPTIMIZERS:
        raise InputError(f"optimizer is {settings['optimizer']!r}; choose one of: {', '.join(OPTIMIZERS)}")
    settings["lr"] = float(f"{settings['lr'] or DEFAULT_LR[settings['optimizer']]:.4g}")
    settings["snapshot_every"] = 0
    run = _prepare(settings)
    objective = run.objective
    for name in ("alpha", "beta", "tv"):
        weight = getattr(objective, name)
        if weight.numel() != 1 or not weight.item() > 0:
            raise InputError(f"{name} is {settings[name]!r}; a slider needs one number above 0")
        settings[name] = objective.weights[name] = float(f"{weight.item():.4g}")  # what a slider can hold
    for name in ("content_layers", "style_layers"):
        weights = getattr(objective, name)
        settings[name] = {layer: round(weight.item(), 4) for layer, weight in weights.items()}
        weights.update(settings[name])
    return settings, run


def _kept(source: Source, name: str) -> str | Upload:
    """A name, a path or an address as it is; any other picture as a file in memory, so that it can be compared."""
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    file = BytesIO()
    to_pil(load_image(source)).save(file, "PNG")
    return Upload(f"{name}.png", file.getvalue())


def _source(kept: str | Upload) -> Source:
    return kept.open() if isinstance(kept, Upload) else kept


def _prepare(settings: Settings, **others: Any) -> Run:
    options = {**settings, **others}
    pictures = [_source(options.pop(name)) for name in ("content", "style")]
    return prepare(*pictures, **cast(Options, options))


def _adopt(run: Run, settings: Settings, changed: Settings) -> Run:
    """Take changed settings up; only what changed is computed anew, and the picture goes on."""
    if "backbone" in changed:
        return _with_its_past(_prepare(settings, init=run.image.cpu()), run)
    objective = run.objective
    if {"content", "size"} & changed.keys():
        objective.set_content(load_image(_source(settings["content"]), settings["size"]))
    if {"style", "size"} & changed.keys():
        objective.set_style(load_image(_source(settings["style"]), settings["style_size"] or settings["size"]))
    if "content_layers" in changed:
        objective.set_content_layers(settings["content_layers"])
    objective.weights.update({name: value for name, value in changed.items() if name in objective.weights})
    objective.style_layers.update(changed.get("style_layers", {}))
    if "optimizer" in changed:
        return _with_its_past(Run(objective, run.image, settings["optimizer"], lr=settings["lr"]), run)
    if "lr" in changed:
        run.lr = settings["lr"]
    return run


def _with_its_past(run: Run, before: Run) -> Run:
    run.taken, run.seconds = before.taken, before.seconds
    return run


def _named(names: list[str], chosen: str | Upload) -> list[tuple[str, str | Upload]]:
    options: list[tuple[str, str | Upload]] = [(name.replace("_", " "), name) for name in names]
    return options if chosen in names else [(Path(str(chosen)).name, chosen), *options]


def _wide() -> dict[str, Any]:
    return {"style": {"description_width": "110px"}, "layout": widgets.Layout(width="340px")}


def _stem(snapshot: Snapshot) -> str:
    names = [Path(str(snapshot.settings[name])).stem for name in ("content", "style")]
    return f"studio_{'_'.join(names)}_{snapshot.taken}"


def _file_name(snapshot: Snapshot) -> str:
    return f"{_stem(snapshot)}.png"


def _url(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _picture_url(picture: Image.Image) -> str:
    file = BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=80)
    return _url(file.getvalue(), "jpeg")


def _thumbnail_url(name: str) -> str:
    with Image.open(find(name)) as picture:
        picture.draft("RGB", (2 * THUMBNAIL[0], 2 * THUMBNAIL[1]))  # decodes a JPEG at a fraction of its size
        return _picture_url(ImageOps.fit(picture.convert("RGB"), THUMBNAIL))


def default_folder() -> Path | None:
    """img/results of the clone, or of the folder at hand; none on a page for a class, whose students would share it."""
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
        return None
    base = CLONE if Path.cwd().is_relative_to(CLONE) and (CLONE / "img").is_dir() else Path()
    return base / "img" / "results"
