"""The start of a slow transfer that a network has painted: what remains to be done is little."""

from torch import Tensor

from ..control.styles import Blend
from .any_style import AnyStyleNetwork, called
from .fast import ANY, ready_network


def painted_start(content: Tensor, style: Blend) -> Tensor:
    """Paint a content (B, 3, H, W) in a style, or a mix of several, in one pass of the bundled network for any style.

    Each style counts in the size that it has: so strokes come as large as the objective wants them.

    Returns:
        (B, 3, H, W) in [0, 1], where the content is.

    Raises:
        WeightsUnavailable: the network cannot be read. OutOfMemory: not even tiles fit.
    """
    network = ready_network(ANY, device=content.device)
    assert isinstance(network, AnyStyleNetwork)
    painter, shares = network.that_knows([]), dict[str, float]()
    for picture, share in style:
        name = called(picture)
        painter.add_style(name, picture, size=None)
        shares[name] = share
    return painter.paint(content, shares, progress=False)
