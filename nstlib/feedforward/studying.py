"""Studying a painting: after the first look, its row learns for some seconds, and all else stays as it is.

What a network for any style foretells of a painting is a row of numbers, and those of most paintings could be better.
So the painter paints a few pictures in that style, is told how far they are from it, and changes the row alone: what
`Training` does with `only="style"`, begun where the first look ends. The painter itself was not made for this painting,
so that all other styles stay, and can be mixed with the one that was studied.
"""

from collections.abc import Mapping
from typing import Any

import torch

from ..base.checks import instance, known_arguments, whole
from ..errors import InputError
from ..extractor import FeatureExtractor
from ..images import MAX_SIZE, Source, load_image
from .any_style import STYLE_SIZE, AnyStyleNetwork
from .fast import ANY, Network, ready_network
from .judging import Judge
from .network import StyleNetwork
from .predicting import PredictingNetwork
from .training import Training

STEPS = 60  # some seconds on two cores: twice as many take the loss 4 to 8 % lower
SIZE, BATCH = 128, 2  # of the pictures that it paints on the way; at 192 px and twice the time it is 3 % lower, too
RATE = 0.1  # at a fifth of it even a hundred steps end higher
AVERAGED = 0.9  # of the averages that stays with each step: there are few steps


@known_arguments
@torch.inference_mode(False)  # what is learned needs gradients
def study(
    styles: Mapping[str, Source],
    network: Network = ANY,
    *,
    steps: int = STEPS,
    style_size: int | None = None,
    contents: Any = None,
    seed: int = 0,
    extract: FeatureExtractor | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> StyleNetwork:
    """Look at paintings, then learn for some seconds to paint in their styles; the network given stays as it is.

    Example:
        >>> network = nst.study({"waves": "waves.jpg"})
        >>> nst.fast("photo.jpg", "waves", network=network)
        >>> nst.fast("photo.jpg", [("waves", 0.6), ("swirls", 0.4)], network=network)
        >>> nst.save_network(network, "waves.safetensors")

    Args:
        styles: name to painting, in any form that `load_image` takes. One that the network knows learns on.
        network: a `PredictingNetwork`, or its file; "any" is the bundled one.
        steps: for each painting; 0 leaves what the first look says. Ctrl-C ends them early, and keeps what is learned.
        style_size: longer side of the paintings in pixels; larger, larger strokes. None is 256.
        contents: what it paints meanwhile, see `Contents`; without any, the bundled pictures.
        seed: of the contents.
        extract: whose features judge; without it, those of mini.
        device: where it learns; without it, where the network is, and for a file the best there is.
        progress: show a bar.

    Returns:
        A network of all styles that the one given knows, and of these, in float32.

    Raises:
        InputError: a network of another kind, no painting, or a value that cannot work. ImageError: a picture that
            cannot be read.
    """
    steps = whole("steps", steps)
    if extract is not None:
        instance("extract", FeatureExtractor, extract)
    if not instance("styles", Mapping, styles):  # type: ignore[type-abstract]
        raise InputError("there is no painting to study; give one, as {'waves': 'waves.jpg'}")
    found = ready_network(network, "float32", device)
    if not isinstance(found, PredictingNetwork):
        other = "AdaIN draws by no row" if isinstance(found, AnyStyleNetwork) else "it looks at no paintings"
        raise InputError(f"this network cannot study a painting: {other}; give a PredictingNetwork, such as {ANY!r}")
    size = STYLE_SIZE
    if style_size is not None:
        size = whole("style_size", style_size, 1, MAX_SIZE, "; it is the longer side in pixels")
    looked = found.that_knows([])  # a network that somebody else holds is not to learn names
    paintings = {name: load_image(painting, size)[:1] for name, painting in styles.items()}
    for name, painting in paintings.items():
        (looked.look_again if name in looked.styles else looked.add_style)(name, painting, size)
    learned = looked.learned().eval()
    if steps:
        eyes = extract or FeatureExtractor("mini", device=found.device)
        judge = Judge(eyes.other(precision="auto"), paintings, style_size=size)
        how: dict[str, Any] = {
            "size": SIZE,
            "batch": BATCH,
            "lr": RATE,
            "averaged": AVERAGED,
            "weak": 0.0,
            "precision": "auto",
        }
        planned = steps * len(styles)
        Training(learned, judge, contents=contents, only="style", planned=planned, seed=seed, **how).run(
            progress=progress
        )
    return learned
