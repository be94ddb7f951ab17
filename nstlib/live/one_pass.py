"""A picture painted by a network with all that a panel can say: a mix of styles a place, strength, colors, masks."""

from torch import Tensor

from ..base.checks import size_of
from ..control.colors import Color, keep_colors, match_colors
from ..control.masks import fitted
from ..feedforward.network import StyleNetwork


def painted(
    network: StyleNetwork,
    content: Tensor,
    shares: Tensor,
    strength: float,
    color: Color,
    masks: Tensor | None = None,
) -> Tensor:
    """Paint.

    Args:
        network: that paints.
        content: (1, 3, H, W) in [0, 1]; without masks (B, 3, H, W).
        shares: (R, styles), a row a place, whose sum is 1; a row of zeros is the content.
        strength: from 0, the content, to 1.
        color: whose colors: the "style"'s, the content's by "match", or the content's but for the brightness by
            "luminance".
        masks: (R, h, w) in [0, 1], where each row goes; what they leave is the content's. None is the first row
            everywhere.

    Returns:
        As many pictures as contents, of their size, in [0, 1].

    Raises:
        InputError, ImageError, OutOfMemory.
    """
    if masks is None:
        return _colored(network.paint(content, shares[:1], strength, progress=False), content, color)
    places = fitted(list(masks), size_of(content)).to(content.device)
    there = places.flatten(1).any(1)
    places, shares = places[there], shares[there.to(shares.device)]
    if not len(places):
        return content.clone()
    weights = (places / places.sum(0).clamp(min=1))[:, None]
    pictures = _colored(network.paint(content, shares, strength, progress=False), content, color)
    return (content + (weights * (pictures - content)).sum(0, keepdim=True)).clamp(0, 1)


def _colored(pictures: Tensor, content: Tensor, color: Color) -> Tensor:
    if color == "style":
        return pictures
    return match_colors(pictures, content) if color == "match" else keep_colors(pictures, content)
