"""A small live picture for each thing that a notebook teaches.

Each function gives an object that shows itself as the last expression of a cell, and starts paused; `.run(40)` takes
some steps before that, which its still picture in a saved notebook shows.
"""

import math
from collections.abc import Iterable, Mapping, Sequence, Sized
from typing import TypeVar

from PIL import Image
from torch import Tensor

from ..base.checks import given, instance, known_arguments
from ..errors import InputError
from ..extractor import FeatureExtractor
from ..images import to_pil
from ..objective import Layers, Objective
from ..optimize import Run
from ..starts import Init
from . import sketch
from .engine import Engine, Settings
from .modes import own_modes
from .panel import WIDTH, DriverName, Live, encoded, framed, log_slider, show, widgets, with_own_keys
from .steering import all_or_nothing

Things = TypeVar("Things", bound=Sized)
WIDE = {"description_width": "110px"}


@known_arguments
@own_modes()
def reconstruct(
    extract: FeatureExtractor,
    content: Tensor,
    layers: Iterable[str],
    start: Init | Tensor = "noise",
    *,
    driver: DriverName = "auto",
) -> Live:
    """What a layer remembers of a picture, for the layer that is chosen from a list. Another layer begins anew.

    Args:
        extract: the backbone.
        content: the picture to reconstruct, (1, 3, H, W).
        layers: names to choose from; the first is chosen.
        start: "noise" or a picture.
        driver: see `Live`.

    Raises:
        LayerNotFound, InputError, ImageError.
    """
    layers = [layers] if isinstance(layers, str) else list(layers)
    _checked(extract, "content", content)
    extract.check(_some(layers, "layer"))
    objective = Objective(extract, content=content, content_layers=layers[:1])

    def begin(settings: Settings) -> Run:
        with all_or_nothing(objective):
            objective.set_content_layers([settings["layer"]])
            return Run(objective, init=start)

    layer = widgets.Dropdown(options=layers, description="layer", style=WIDE)
    return Live(Engine({"layer": layers[0]}, begin), "reconstruct", {"layer": layer}, driver=driver)


@known_arguments
@own_modes()
def texture(extract: FeatureExtractor, style: Tensor, layers: Layers, *, driver: DriverName = "auto") -> Live:
    """A texture from noise, for the style layers that are ticked; those that are share the weight of 1 equally.

    Args:
        extract: the backbone.
        style: the picture whose texture it is, (1, 3, H, W); the image gets its size.
        layers: names to choose from, all of them ticked; of a dict, those with a weight of 0 are not.
        driver: see `Live`.

    Raises:
        LayerNotFound, InputError, ImageError.
    """
    _checked(extract, "style", style)
    objective = Objective(extract, style=style, style_layers=layers)
    ticked = {name: weight.item() > 0 for name, weight in objective.style_layers.items()}

    def adopt(run: Run, settings: Settings, changed: Settings) -> Run:
        for name, on in settings.items():
            objective.style_layers[name] = on / max(sum(settings.values()), 1)
        return run

    def begin(settings: Settings) -> Run:
        run = Run(objective, init="noise")
        return adopt(run, settings, settings)

    boxes = {name: widgets.Checkbox(value=on, description=name, indent=False) for name, on in ticked.items()}
    return Live(Engine(ticked, begin, adopt), "texture", boxes, driver=driver)


@known_arguments
@own_modes()
def balance(objective: Objective, *, driver: DriverName = "auto") -> Live:
    """A running transfer under a pad of alpha against beta: two sliders, and the place that they give.

    Args:
        objective: of one picture. The sliders reach three decades to both sides of its alpha and beta.
        driver: see `Live`.

    Raises:
        InputError: alpha or beta is 0, or one for each picture of a batch.
    """
    instance("objective", Objective, objective)
    weights = {"alpha": objective.alpha, "beta": objective.beta}
    for name, weight in weights.items():
        if weight.numel() != 1 or not weight.item() > 0:
            raise InputError(f"{name} is {weight.tolist()}; a slider needs one number above 0")
    start = {name: weight.item() for name, weight in weights.items()}
    ranges = {name: (math.log10(value) - 3, math.log10(value) + 3) for name, value in start.items()}
    sliders = {
        "alpha": log_slider("alpha (content)", start["alpha"], *ranges["alpha"]),
        "beta": log_slider("beta (style)", start["beta"], *ranges["beta"]),
    }
    pad = widgets.HTML()

    def draw(_: object = None) -> None:
        pad.value = sketch.pad_svg(sliders["alpha"].value, sliders["beta"].value, ranges["alpha"], ranges["beta"])

    def adopt(run: Run, settings: Settings, changed: Settings) -> Run:
        objective.weights.update(changed)
        return run

    def begin(settings: Settings) -> Run:
        return adopt(Run(objective, init="noise" if objective.content is None else "content"), settings, settings)

    for slider in sliders.values():
        slider.observe(draw, "value")
    draw()
    return Live(Engine(start, begin, adopt), "balance", sliders, beside=(pad,), driver=driver)


class Scrubber:
    """Pictures that were kept, under a slider. As the last expression of a cell it shows itself.

    Attributes:
        widget: all of it.
        slider: whose value is the number of the picture, from 0.
    """

    def __init__(self, pictures: Sequence[Image.Image], titles: Sequence[str]):
        self._pictures, self._titles = pictures, titles
        self._files = [encoded(picture) for picture in pictures]
        self._shown = framed(pictures[-1])
        self.slider = widgets.SelectionSlider(
            options=[(title, number) for number, title in enumerate(titles)],
            value=len(titles) - 1,
            description="picture",
            layout=widgets.Layout(width="100%", max_width=f"{WIDTH}px"),
        )
        self.slider.observe(self._turn, "value")
        self.widget = with_own_keys(self._shown, self.slider)

    def _turn(self, change: Mapping[str, int]) -> None:
        picture = self._pictures[change["new"]]
        self._shown.width, self._shown.height = str(picture.width), str(picture.height)
        self._shown.value = self._files[change["new"]]

    def _ipython_display_(self) -> None:
        place = self.slider.value
        title = self._titles[place]
        rows = [("picture", title, (place + 1) / len(self._titles))]
        still = sketch.still(self._pictures[place], "Live: scrub", rows)
        show(self.widget, still, f"One of {len(self._titles)} pictures under a slider: {title}")


@known_arguments
def scrub(frames: Mapping[int, Tensor] | Iterable[Tensor], titles: Sequence[str] | None = None) -> Scrubber:
    """A slider through pictures that were kept, such as `run.snapshots`. Nothing is computed while it moves.

    Args:
        frames: step number to picture (3, H, W) or (1, 3, H, W), or pictures one after the other.
        titles: one a picture; without them, the steps.

    Raises:
        InputError: no pictures, or not as many titles.
    """
    if isinstance(frames, str | bytes) or not isinstance(frames, Iterable):
        raise InputError(f"frames is {frames!r:.80}; expected pictures, or a dict of steps to pictures")
    if isinstance(titles, str):
        raise InputError(f"titles is {titles!r:.80}; expected a list of titles, one a picture")
    if not isinstance(frames, Mapping):
        frames = list(frames)
    steps = list(frames) if isinstance(frames, Mapping) else list(range(1, len(frames) + 1))
    pictures = [to_pil(picture) for picture in (frames.values() if isinstance(frames, Mapping) else frames)]
    _some(pictures, "picture")
    titles = [f"step {step}" for step in steps] if titles is None else [str(title) for title in titles]
    if len(titles) != len(pictures):
        raise InputError(f"there are {len(pictures)} pictures, but {len(titles)} titles")
    return Scrubber(pictures, titles)


def _checked(extract: FeatureExtractor, name: str, picture: Tensor) -> None:
    instance("extract", FeatureExtractor, extract)
    given(name, picture)


def _some(things: Things, what: str) -> Things:
    if not things:
        raise InputError(f"there is nothing to choose from: no {what}")
    return things
