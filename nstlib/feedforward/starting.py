"""The start of a slow transfer that a network has painted: what remains to be done is little."""

from torch import Tensor

from ..control.styles import Blend
from .any_style import AnyStyleNetwork, called
from .fast import ANY, painted, ready_network


def painted_start(content: Tensor, style: Blend, masks: Tensor | None = None) -> Tensor:
    """Paint a content (B, 3, H, W) in a style, or in several, by one pass of the bundled network for any style.

    Each style counts in the size that it has: so strokes come as large as the objective wants them.

    Args:
        content: in [0, 1], on any device.
        style: without masks, the styles are mixed by their shares.
        masks: where each goes, (styles, H, W) in [0, 1]; what none covers is the content.

    Returns:
        (B, 3, H, W) in [0, 1], where the content is.

    Raises:
        WeightsUnavailable: the network cannot be read. OutOfMemory: not even tiles fit.
    """
    network = ready_network(ANY, device=content.device)
    assert isinstance(network, AnyStyleNetwork)
    network = network.that_knows([])  # the one in memory is everybody's
    names = [called(picture) for picture in style.pictures]
    for name, picture in dict(zip(names, style.pictures, strict=True)).items():
        network.add_style(name, picture, size=None)
    if masks is None:
        shares = sum((share * network.shares(name) for name, share in zip(names, style.shares, strict=True)))
    else:
        shares = network.shares(names)
    assert isinstance(shares, Tensor)
    return painted(network, content, shares, ["style"] * len(shares), masks).to(content)
