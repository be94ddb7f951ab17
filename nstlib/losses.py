"""The losses of Gatys, Ecker and Bethge (arXiv 1508.06576), as pure functions.

Every loss takes a batch and returns one value a picture, shape (B,). A target with a batch of one serves all pictures.
Sums are taken in float32, also where the features came in half precision.

Two normalizations:
    "paper"     the paper's formulas to the letter.
    "relative"  each layer's squared error divided by the target's own squared norm: 0.01 reads "1 % wrong", whatever
                the size of the picture, the layer or the backbone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from .base.checks import one_of
from .base.devices import without_autocast

Normalization = Literal["paper", "relative"]
NORMALIZATIONS: tuple[str, ...] = get_args(Normalization)
FADE = 4  # pixels within which the total variation counts more at a border


@dataclass(frozen=True)
class Terms:
    """The losses of a batch of pictures. Each tensor is (B,) and on the device.

    Attributes:
        total: alpha * content + beta * style + tv weight * tv; what is differentiated.
        content, style: sums over the layers of w_l times the layer's loss, without alpha and beta.
        tv: total variation, without its weight.
        layers: "content/relu4_2", "style/relu1_1", ...: each layer's loss, without any weight.
    """

    total: Tensor
    content: Tensor
    style: Tensor
    tv: Tensor
    layers: Mapping[str, Tensor]

    def as_dict(self) -> dict[str, Tensor]:
        """Every term by name, layers included."""
        return {"total": self.total, "content": self.content, "style": self.style, "tv": self.tv, **self.layers}

    def detach(self) -> "Terms":
        """The same numbers, cut off from the graph that made them."""
        layers = {layer: loss.detach() for layer, loss in self.layers.items()}
        return Terms(self.total.detach(), self.content.detach(), self.style.detach(), self.tv.detach(), layers)


def gram(features: Tensor) -> Tensor:
    """Gram matrix of the features, a mean over positions: which channels respond together, wherever they do so.

    The paper's Gram matrix is the sum G_ij = sum_k F_ik F_jk over the M positions (equation 3); this is G / M, so that
    pictures of different sizes can be compared.

    Args:
        features: (B, C, H, W).

    Returns:
        (B, C, C), float32.
    """
    matrix: Tensor = _Gram.apply(features)
    return matrix


class _Gram(torch.autograd.Function):
    """The Gram matrix, symmetric, so that its gradient takes one product: autograd by itself would make two."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        """F F^T / M."""
        ctx.save_for_backward(features)
        # float32 also under autocast: sums over many positions overflow or round away in half precision.
        with without_autocast(features.device):
            rows = features.flatten(2).float()
            return rows @ rows.mT / rows.shape[2]

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        """(S + S^T) F / M for the slope S."""
        (features,) = ctx.saved_tensors
        with without_autocast(features.device):
            rows = features.flatten(2).float()
            # Channels innermost, as the convolutions have them: adding gradients of unlike order is slow.
            gradient: Tensor = (rows.mT @ ((slope + slope.mT) / rows.shape[2])).mT
        return gradient.view(features.shape).to(features.dtype)


def guided_gram(features: Tensor, guides: Tensor) -> Tensor:
    """Gram matrices of the regions of a picture: for each, a weighted mean over positions.

    With weights T^2 / sum T^2 it is the Gram matrix of features that a guidance channel T multiplies, divided by its
    mass (Gatys et al. 2017, arXiv 1611.07865). Equal weights give `gram`.

    Args:
        features: (B, C, H, W).
        guides: (R, H, W), the weights of the positions for each of R regions. A mean has weights that sum to 1; sums
            over the parts of a picture, with the weights of the whole, add up to its mean.

    Returns:
        (B, R, C, C), float32.
    """
    matrices: Tensor = _GuidedGram.apply(features, guides)
    return matrices


class _GuidedGram(torch.autograd.Function):
    """As `_Gram`; the features are kept once, however many regions there are."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, guides: Tensor) -> Tensor:
        """F diag(w) F^T for each region's weights w."""
        ctx.save_for_backward(features, guides)
        with without_autocast(features.device):
            rows = features.flatten(2).float()
            return torch.stack([(rows * weights) @ rows.mT for weights in guides.flatten(1).float()], 1)

    @staticmethod
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor, None]:
        """The sum over regions of (S + S^T) F diag(w)."""
        features, guides = ctx.saved_tensors
        with without_autocast(features.device):
            columns = features.flatten(2).float().mT
            gradient = torch.zeros_like(columns)
            for slope, weights in zip(slopes.unbind(1), guides.flatten(1).float(), strict=True):
                gradient += columns @ (slope + slope.mT) * weights[:, None]
        return gradient.mT.view(features.shape).to(features.dtype), None


def content_loss(features: Tensor, target: Tensor, normalization: Normalization = "paper") -> Tensor:
    """How far features are from the content's.

    "paper" is equation 1, 1/2 sum (F - P)^2; "relative" is sum (F - P)^2 / sum P^2.

    Args:
        features: (B, C, H, W), F.
        target: (B or 1, C, H, W), P.

    Returns:
        (B,)
    """
    return content_loss_of_sums(
        sum_of_squares(features.float() - target.float()), sum_of_squares(target.float()), normalization
    )


def content_loss_of_sums(error: Tensor, norm: Tensor, normalization: Normalization = "paper") -> Tensor:
    """`content_loss` of sum (F - P)^2 and sum P^2, each (B,), which can be added up over parts of a picture."""
    return error / 2 if checked(normalization) == "paper" else error / or_one(norm)


def style_loss(image_gram: Tensor, target: Tensor, normalization: Normalization = "paper") -> Tensor:
    """How far a Gram matrix is from the style's, for one layer.

    "paper" is E_l of equation 4, 1/(4 N^2 M^2) sum (G - A)^2, with N channels and M positions. The matrices of `gram`
    carry the 1/M already; where picture and style have the same size the two are equal, and where they have not, each
    is divided by its own M. "relative" is sum (G - A)^2 / sum A^2.

    Args:
        image_gram: (B, C, C), G / M of the picture, from `gram`.
        target: (B or 1, C, C), A / M of the style.

    Returns:
        (B,)
    """
    image_gram, target = _wide(image_gram), _wide(target)
    error = sum_of_squares(image_gram - target)
    if checked(normalization) == "paper":
        return error / (4 * target.shape[-1] ** 2)
    return error / or_one(sum_of_squares(target))


def tv_loss(image: Tensor, border: float = 0.0) -> Tensor:
    """Total variation: mean squared difference of neighbors down plus that of neighbors across.

    It is a mean, so that its weight means the same at every size (Mahendran and Vedaldi, arXiv 1412.0035, take the sum
    of the same squares: their beta is 2).

    Args:
        image: (B, 3, H, W).
        border: how much more the outermost neighbors count; it fades to nothing over `FADE` pixels. What mini sees past
            a border it makes up from the outermost pixels. So these decide more than others, and come out as a row of
            light and dark beads, which hardly lower the other losses.

    Returns:
        (B,)
    """
    size = image.shape[-2], image.shape[-1]
    down, across = (tv_sum(image.float().diff(dim=dim), size, dim, border) for dim in (-2, -1))
    return tv_loss_of_sums(down, across, size)


def tv_sum(
    differences: Tensor,
    size: tuple[int, int],
    dim: int,
    border: float,
    place: tuple[slice, slice] = (slice(None), slice(None)),
) -> Tensor:
    """Sum of squared differences, (B,), of neighbors along a dimension in a place of a picture of the size (H, W)."""
    if not border:
        return sum_of_squares(differences)
    lengths = [length - (axis == dim) for axis, length in zip((-2, -1), size, strict=True)]
    rows, columns = (_nearness(length, differences.device)[part] for length, part in zip(lengths, place, strict=True))
    return (differences.square() * (1 + border * (rows[:, None] + columns))).flatten(1).sum(1)


def _nearness(length: int, device: torch.device) -> Tensor:
    """1 at both ends of so many places, falling to 0 over `FADE` of them."""
    place = torch.arange(length, device=device, dtype=torch.float32)
    return (1 - torch.minimum(place, length - 1 - place) / FADE).clamp(min=0)


def tv_loss_of_sums(down: Tensor, across: Tensor, size: tuple[int, int]) -> Tensor:
    """`tv_loss` of the sums of squared differences, each (B,), of a picture of the size (H, W)."""
    height, width = size
    # A picture one pixel wide has no neighbors: 0, not NaN.
    return down / max(3 * (height - 1) * width, 1) + across / max(3 * height * (width - 1), 1)


def sum_of_squares(values: Tensor) -> Tensor:
    """Sum over all but the first axis, (B,)."""
    return values.flatten(1).square().sum(1)


def _wide(values: Tensor) -> Tensor:
    """In float32 at least."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def or_one(norm: Tensor) -> Tensor:
    """What an error is divided by: the norm of its target, or 1 where that is 0."""
    # A target that is zero everywhere (a black layer) has no norm to compare with: the error then counts as it is.
    return torch.where(norm > 0, norm, torch.ones_like(norm))


def checked(normalization: str) -> str:
    """The normalization, or InputError where it is not one of `NORMALIZATIONS`."""
    return one_of("normalization", normalization, NORMALIZATIONS)
