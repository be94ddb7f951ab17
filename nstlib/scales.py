"""The strokes of one style on the forms of another, and strokes of a known size in print.

After Gatys et al. 2017, arXiv 1611.07865. Shallow layers see strokes; deep ones see forms, and the strokes in
them as well, so that Gram matrices of two styles, shallow ones of this and deep ones of that, do not go together. So
the strokes are painted first, onto the picture of the forms, and what comes out is the style.
"""

import os

import torch
from torch import Tensor

from .backbones import AUTO, default_backbone
from .base.checks import given, instance, known_arguments, number, one_of, size_of, whole
from .base.checks import picture as checked_picture
from .base.devices import usable_device
from .base.interrupts import finish, noted
from .control.colors import COLORS, Color, for_color, sight_of
from .errors import InputError
from .extractor import FeatureExtractor
from .images import MAX_SIZE, Source, load_image
from .large import ranks
from .large.budget import plan
from .objective import Layers, Objective, layer_weights, layers_of
from .optimize import Run, take_steps

SHALLOW = 2  # of the backbone's default style layers see strokes and no forms
ALPHA = 0.01  # the strokes come as near as without it; ten times as much begins to cost some
STEPS = 40  # by then the loss has fallen by far the most, and the eye sees no more change


@known_arguments
def strokes_on_forms(
    strokes: Source,
    forms: Source,
    *,
    size: int | None = 512,
    strokes_size: int | None = None,
    strokes_layers: Layers | None = None,
    forms_layers: Layers | None = None,
    alpha: float = ALPHA,
    color: Color = "match",
    steps: int = STEPS,
    backbone: str | None = None,
    pooling: str = AUTO,
    weights: str | os.PathLike[str] | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> Tensor:
    """Make one style of two: the fine strokes of one on the coarse forms of the other.

    There is no chance in it: the same pictures give the same result.

    Example:
        >>> style = nst.strokes_on_forms("engraving", "swirls")
        >>> nst.save_image(nst.stylize("village", style), "village_engraved_swirls.png")

    Args:
        strokes: the picture whose strokes it gets: a path, an address, a bundled name, a PIL picture, an array, a
            tensor.
        forms: the picture whose forms it keeps, likewise, of any other size and shape.
        size: longer side of the forms and of the result in pixels; None keeps the picture's own. Strokes have the
            right size where the transfer has the same.
        strokes_size: longer side of the picture of strokes; without it, `size`. Larger gives larger strokes.
        strokes_layers: shallow layers, where strokes are compared: names, or a dict of names to weights. Deeper ones
            bring larger parts of the picture of strokes. Without them, the two shallowest of `default_layers`.
        forms_layers: deep layers, where the forms are held on to, likewise; without them, those of content.
        alpha: how strongly they are. 0 is the paper's way, in less than half of the time; see `prepare_strokes`.
        color: "match": the strokes get the forms' colors first; "style": they bring their own; "luminance": only their
            brightness comes over, and every color stays the forms'.
        steps: evaluations of the objective. Ctrl-C ends it early and keeps the picture.
        backbone, pooling, weights: see `load_backbone`; without a name, `default_backbone()` chooses and says why.
        device: "cpu", "cuda", "mps"; without it, the best there is.
        progress: show a progress bar, and print what was chosen where nobody said.

    Returns:
        Picture (1, 3, H, W) in [0, 1], of the forms' size, on the CPU.

    Raises:
        NstError: see `prepare_strokes`, `load_image` and `load_backbone`.
    """
    steps = whole("steps", steps, 1)
    one_of("color", color, COLORS)
    given("strokes", strokes)
    given("forms", forms)
    if strokes_size is not None:
        strokes_size = whole("strokes_size", strokes_size, 1, MAX_SIZE, "; it is the longer side in pixels")
    pictures = load_image(strokes, strokes_size or size), load_image(forms, size)
    usable_device(device)  # before the backbone, which may be large
    name = backbone or default_backbone(not progress or ranks.rank() > 0, device)
    extract = FeatureExtractor(name, pooling, weights=weights, device=device)
    run = prepare_strokes(
        extract, *pictures, strokes_layers=strokes_layers, forms_layers=forms_layers, alpha=alpha, color=color
    )
    return paint_strokes(run, steps, progress)


@known_arguments
def prepare_strokes(
    extract: FeatureExtractor,
    strokes: Tensor,
    forms: Tensor,
    *,
    strokes_layers: Layers | None = None,
    forms_layers: Layers | None = None,
    alpha: float = ALPHA,
    color: Color = "match",
) -> Run:
    """The run of `strokes_on_forms` that has not taken a step yet, to be watched and steered.

    It starts from the forms. The paper leaves it at that, without a content term: shallow Gram matrices can be had
    without moving what is large. For the eye the forms survive, but a transfer from the result does not find them any
    more: its deep Gram matrices have come near those of the strokes. A weak content term keeps them near the forms',
    and the strokes come all the same.

    Args:
        extract: the network; layers past the deepest that is compared are not run, with alpha 0 only the shallow ones.
        strokes: (1, 3, h, w) in [0, 1].
        forms: (1, 3, H, W) in [0, 1].
        strokes_layers, forms_layers, alpha, color: see `strokes_on_forms`.

    Raises:
        InputError: what is no picture, no layers, or an unknown word. LayerNotFound: a layer that the network does not
        have. ImageError: a picture too small for the deepest layer.
    """
    instance("the extractor", FeatureExtractor, extract)
    strokes, forms = checked_picture("picture of strokes", strokes), checked_picture("picture of forms", forms)
    forms_layers, default_style = layers_of(extract, forms_layers, None)
    strokes_layers = list(default_style)[:SHALLOW] if strokes_layers is None else strokes_layers
    alpha, shallow = number("alpha", alpha), layer_weights(strokes_layers)
    if not shallow:
        raise InputError("there are no strokes_layers; give shallow ones, such as ['relu1_1', 'relu2_1']")
    deep = layer_weights(forms_layers) if alpha else {}
    extract = extract.other(sees=sight_of(color))
    sizes = [size_of(forms), size_of(strokes)]
    extract.check([*shallow, *deep], min(sizes, key=min))
    fitting = plan(extract, [*shallow, *deep], sizes)
    objective = Objective(
        extract,
        content=forms,
        style=for_color(strokes, forms, color),
        content_layers=deep,
        style_layers=shallow,
        alpha=alpha,
        beta=1.0,
        tile=fitting.tile,
        spread=ranks.count() > 1,
    )
    return Run(objective, memory=fitting.memory)


@known_arguments
def style_size_for(size: int, picture_cm: float, painting_cm: float) -> int:
    """The style's size in pixels with which strokes are as large in the print as they are in the painting.

    Painting and picture need the same number of pixels a centimeter. So strokes keep their size in pixels when the
    picture grows at the same number of dots per inch: leave `style_size` as it is. When the same print gets more dots,
    the style gets as many more.

    Example:
        >>> style_size_for(1000, picture_cm=40, painting_cm=92.1)  # The Starry Night is 92.1 cm wide
        2302
        >>> nst.stylize("village", "starry_night.jpg", size=1000, style_size=2302)

    Args:
        size: longer side of the result in pixels.
        picture_cm: longer side of the print.
        painting_cm: longer side of the painting, or of the part of it that the style shows.

    Raises:
        InputError: no such numbers, or a style of no pixel or of more than a picture may have.
    """
    size = whole("size", size, 1, MAX_SIZE, "; it is the longer side in pixels")
    picture_cm = number("picture_cm", picture_cm, above=True)
    painting_cm = number("painting_cm", painting_cm, above=True)
    exact = size / picture_cm * painting_cm
    if not 0.5 < exact < MAX_SIZE + 0.5:
        raise InputError(
            f"{size} pixels on {picture_cm:g} cm make a painting of {painting_cm:g} cm {exact:.4g} pixels long; "
            f"expected 1 to {MAX_SIZE}. Give the longer sides in centimeters; of a very large painting take a part"
        )
    return round(exact)


def paint_strokes(run: Run, steps: int = STEPS, progress: bool = True) -> Tensor:
    """The picture of such a run after the steps, on the CPU; whenever Ctrl-C comes, the one that is there."""
    with noted([]) as interruptions:
        take_steps(run, steps, progress, interruptions)
        return finish(lambda: run.image.cpu())
