"""The start of a slow transfer that a network has painted: what remains to be done is little."""

import torch
from torch import Tensor

from ..control.styles import Blend
from .any_style import AnyStyleNetwork, called
from .fast import ANY, painted, ready_network
from .styled import Styled


def painted_start(content: Tensor, style: Blend, masks: Tensor | None = None) -> Tensor:
    """Paint a content (B, 3, H, W) in a style, or in several, by one pass of a bundled network.

    Bundled styles are recognized, and painted by the network that has learned them; all else by the one for any style,
    which looks at each painting in the size that it has: so strokes come as large as the objective wants them.

    Args:
        content: in [0, 1], on any device.
        style: without masks, the styles are mixed by their shares.
        masks: where each goes, (styles, H, W) in [0, 1]; what none covers is the content.

    Returns:
        (B, 3, H, W) in [0, 1], where the content is.

    Raises:
        WeightsUnavailable: a network cannot be read. OutOfMemory: not even tiles fit.
    """
    network, names = _network_for(style, content.device)
    shares = network.shares(names)  # a row a style
    if masks is None:
        shares = (torch.tensor(style.shares, device=shares.device)[:, None] * shares).sum(0, keepdim=True)
    return painted(network, content, shares, ["style"] * len(shares), masks).to(content)


def _network_for(style: Blend, device: torch.device) -> tuple[Styled, list[str]]:
    """The network that paints in these styles, and what it calls them."""
    many, network = ready_network(device=device), ready_network(ANY, device=device)
    assert isinstance(network, AnyStyleNetwork)
    known = [network.recognized(picture) for picture in style.pictures]
    names = [name for name in known if name in many.styles]
    if len(names) == len(known):
        return many, names
    network, names = network.that_knows([]), [called(picture) for picture in style.pictures]
    for name, picture in dict(zip(names, style.pictures, strict=True)).items():
        network.add_style(name, picture, size=None)
    return network, names
