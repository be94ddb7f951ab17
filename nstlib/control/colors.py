"""Whose colors: the content's, without a loss of strokes (Gatys et al. 2016, arXiv 1606.05897).

Two ways. Color matching changes the style before the transfer, so that it has the content's colors. Luminance-only
transfer lets the network see brightness alone, and keeps every color of the content.
"""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..base.checks import in_pixels, known_arguments, one_of, size_of
from ..base.checks import picture as checked_picture
from ..errors import ImageError, InputError
from ..extractor import Sight, luminance
from .masks import checked_masks, fitted
from .styles import Blend

Matching = Literal["transport", "cholesky", "pca", "histogram"]
MATCHINGS: tuple[str, ...] = get_args(Matching)
Color = Literal["style", "match", "luminance"]
COLORS: tuple[str, ...] = get_args(Color)

# A spread of less than one level of 255 is rounding and noise, and is not enlarged further.
LEAST_VARIANCE = (1 / 255) ** 2
ROUNDS = 12  # of matching histograms along three axes; then all directions fit


@known_arguments
def match_colors(style: Tensor, content: Tensor, how: Matching = "transport", *, clip: bool = True) -> Tensor:
    """The style in the content's colors: the mean and the covariance of its pixels become the content's.

    Colors are mapped by x -> A (x - mean of the style) + mean of the content, where A cov(style) A' = cov(content).
    Many matrices A do that; `how` says which one.

    Args:
        style: (B or 1, 3, h, w) in [0, 1].
        content: (B or 1, 3, H, W) in [0, 1], of any size.
        how: "transport": the one that moves colors least (the optimal transport between two normal distributions);
            "cholesky" and "pca": A = L_c L_s^-1, with Cholesky factors or with symmetric roots of the covariances, as
            the paper has them; "histogram": not only mean and covariance, the whole distribution becomes the
            content's, by matching histograms along many axes in turn (Pitie et al. 2005), and the covariance at last.
        clip: whether colors that leave [0, 1] are brought back. Without it mean and covariance are exact, but for
            directions in which the style varies by less than one level of 255: these are not enlarged further.

    Returns:
        (B, 3, h, w), where the style is. Directions in which the style does not vary, as those of a gray one, stay
        without variation: there is nothing that could be stretched.

    Raises:
        InputError: what is no picture, an unknown `how`, batches that do not fit together.
    """
    one_of("how", how, MATCHINGS)
    style, content = checked_picture("style", style), checked_picture("content", content)
    if len(style) != len(content) and 1 not in (len(style), len(content)):
        raise InputError(f"there are {len(style)} styles, but {len(content)} contents; give 1 or as many")
    count = max(len(style), len(content))
    pairs = zip(style.expand(count, -1, -1, -1), content.expand(count, -1, -1, -1), strict=True)
    # In float64 on the CPU: roots of nearly singular matrices, done once.
    matched = [_matched(one.cpu().double().flatten(1), other.cpu().double().flatten(1), how) for one, other in pairs]
    found = torch.stack(matched).view(count, 3, *size_of(style)).to(style.device, torch.float32)
    return found.clamp(0, 1) if clip else found


@known_arguments
def keep_colors(image: Tensor, content: Tensor) -> Tensor:
    """The image's brightness in the content's colors.

    A color is what red, green and blue have beyond the brightness 0.299 R + 0.587 G + 0.114 B. Where it does not fit
    into [0, 1] at the new brightness, it becomes paler, just so much that it fits: the brightness stays the image's.

    Args:
        image: (B or 1, 3, H, W) in [0, 1].
        content: (B or 1, 3, H, W) in [0, 1].

    Raises:
        ImageError: pictures of different sizes.
    """
    image, content = checked_picture("image", image), checked_picture("content", content)
    if size_of(image) != size_of(content):
        raise ImageError(f"the image is {in_pixels(size_of(image))}, but the content {in_pixels(size_of(content))}")
    if len(image) != len(content) and 1 not in (len(image), len(content)):
        raise InputError(f"there are {len(image)} images, but {len(content)} contents; give 1 or as many")
    return with_colors_of(content, image)


def with_colors_of(content: Tensor, image: Tensor) -> Tensor:
    """The same for pictures that are known to fit."""
    brightness = luminance(image).clamp(0, 1)
    color = content - luminance(content)
    room = torch.where(color > 0, 1 - brightness, brightness)
    share = torch.where(color.abs() > room, room / color.abs(), 1.0).amin(1, keepdim=True)
    return (brightness + share * color).clamp(0, 1)


@known_arguments
def match_luminance(style: Tensor, content: Tensor) -> Tensor:
    """The style without its colors, its brightness with the mean and the standard deviation of the content's.

    L_s' = (sigma_c / sigma_s) (L_s - mu_s) + mu_c: equation 2 of Gatys et al. 2016, in which the authors' code leaves
    the deviations out. Brightness outside [0, 1] is clipped.
    """
    style, content = checked_picture("style", style), checked_picture("content", content)
    return match_colors(luminance(style).expand(-1, 3, -1, -1), luminance(content).expand(-1, 3, -1, -1))


def for_color(
    style: Tensor | Blend | None, content: Tensor | None, color: Color, masks: Sequence[Tensor] | Tensor | None = None
) -> Tensor | Blend | None:
    """The style as a transfer with that `color` takes it: as it is, in the content's colors, or without colors.

    Args:
        masks: where each style goes: it then gets the colors that the content has there.

    Raises:
        InputError: an unknown word, or not both pictures. ImageError: masks of another aspect than the content's.
    """
    if one_of("color", color, COLORS) == "style":
        return style
    if content is None or style is None:
        raise InputError(f"color is {color!r}, which takes a content and a style; without one of them leave it out")
    change = match_colors if color == "match" else match_luminance
    blend = Blend.of(style)
    places = [content] * len(blend) if masks is None else _places(content, checked_masks(masks, len(blend)))
    pictures = [change(picture, place) for picture, place in zip(blend.pictures, places, strict=True)]
    made: Tensor | Blend = Blend(tuple(pictures), blend.shares, blend.parts).style
    return made


def _places(content: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
    """The pixels of the content that a mask takes, as pictures of one row each."""
    fit = fitted(masks, size_of(content)).to(content.device)
    return [content[..., mask >= min(0.5, float(mask.max()))].unsqueeze(-2) for mask in fit]


def sight_of(color: Color) -> Sight:
    """What the network is to see in a transfer with that `color`."""
    return "luminance" if color == "luminance" else "colors"


def _matched(style: Tensor, content: Tensor, how: str) -> Tensor:
    """Colors (3, N) with the mean and the covariance of others (3, M)."""
    if how != "histogram":
        return _mapped(style, content, _MAPS[how])
    return _mapped(_with_histograms(style, content), content, _transport)


def _mapped(style: Tensor, content: Tensor, matrix: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    (mean, covariance), (wanted_mean, wanted) = _moments(style), _moments(content)
    return matrix(_enlarged(covariance), wanted) @ (style - mean) + wanted_mean


def _moments(colors: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3, 1) and covariance (3, 3) of colors (3, N)."""
    mean = colors.mean(1, keepdim=True)
    return mean, (colors - mean) @ (colors - mean).T / colors.shape[1]


def _enlarged(covariance: Tensor) -> Tensor:
    """The covariance, in no direction smaller than `LEAST_VARIANCE`: it is to be divided by."""
    return _of_eigenvalues(covariance, lambda values: values.clamp_min(LEAST_VARIANCE))


def _of_eigenvalues(matrix: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of a symmetric matrix, which acts on its eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    found: Tensor = (vectors * function(values)) @ vectors.T
    return found


def _root(matrix: Tensor) -> Tensor:
    """The symmetric root of a matrix without negative eigenvalues, but for rounding."""
    return _of_eigenvalues(matrix, lambda values: values.clamp_min(0).sqrt())


def _inverse(matrix: Tensor) -> Tensor:
    found: Tensor = torch.linalg.inv(matrix)
    return found


def _transport(covariance: Tensor, wanted: Tensor) -> Tensor:
    root = _root(covariance)
    inverse = _inverse(root)
    return inverse @ _root(root @ wanted @ root) @ inverse


def _cholesky(covariance: Tensor, wanted: Tensor) -> Tensor:
    little = 1e-14 * torch.eye(3, device="cpu", dtype=torch.float64)  # a gray content has a singular one
    lower: Tensor = torch.linalg.cholesky(wanted + little)
    return lower @ _inverse(torch.linalg.cholesky(covariance))


def _pca(covariance: Tensor, wanted: Tensor) -> Tensor:
    return _root(wanted) @ _inverse(_root(covariance))


_MAPS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "transport": _transport,
    "cholesky": _cholesky,
    "pca": _pca,
}


def _with_histograms(style: Tensor, content: Tensor) -> Tensor:
    """Colors (3, N) distributed as others (3, M) along many axes; equal colors stay equal."""
    from skimage.exposure import match_histograms  # takes a moment to import

    rng = np.random.default_rng(0)
    colors, wanted = style.numpy(), content.numpy()
    for place in range(ROUNDS):
        axes = np.eye(3) if place == 0 else np.linalg.qr(rng.normal(size=(3, 3)))[0]
        # Rounded, so that equal colors are still equal after the turn, and so are nearly equal ones.
        turned, aim = (np.round(axes @ values, 6) for values in (colors, wanted))
        colors = axes.T @ match_histograms(turned.T, aim.T, channel_axis=-1).T
    return torch.from_numpy(colors)
