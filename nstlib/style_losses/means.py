"""Style losses of first and second moments: means over positions, so that tiles, ranks and masks give the same.

Features F_ik are those of channel i at position k; mu_i is the mean of F_i over positions, G_ij that of F_i F_j.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..base.checks import number
from ..base.devices import without_autocast
from ..losses import Normalization, checked, gram, guided_gram, or_one, style_loss, sum_of_squares
from .roots import common_trace, root
from .statistics import Maps, OfMeans

TINY = 1e-5  # added to a variance whose root is taken: the slope of a root at 0 is infinite
SHIFTS = -1e6, 1e6  # between which a shift is
FLAT = 1e-6  # of the squared norm of G: a covariance below it may be rounding, as a large flat style has it


@dataclass(eq=False)
class Gram(OfMeans):
    """Which channels respond together: sum (G - A)^2 of the Gram matrices (Gatys et al., arXiv 1508.06576)."""

    name = "gram"

    def mean(self, maps: Maps, guides: Tensor | None = None) -> Tensor:
        """The Gram matrix, (B, C, C)."""
        (response,) = maps
        return gram(response) if guides is None else guided_gram(response, guides)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """Equation 4 of the paper, see `nstlib.style_loss`."""
        return style_loss(found, target, "paper")

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """See `nstlib.style_loss`."""
        return style_loss(found, target, normalization)


@dataclass(eq=False)
class WithMeans(OfMeans):
    """Statistics that hold G and mu side by side, (B, C, C + 1)."""

    def mean(self, maps: Maps, guides: Tensor | None = None) -> Tensor:
        """G, and mu as a last column."""
        (response,) = maps
        if guides is None:
            statistic: Tensor = _GramAndMean.apply(response)
            return statistic
        return torch.cat([guided_gram(response, guides), guided_mean(response, guides).unsqueeze(-1)], 3)


@dataclass(eq=False)
class Shifted(WithMeans):
    """The Gram matrix of shifted features, (F + s)(F + s)^T (Novak and Nikulin, arXiv 1605.04603, section 3.3).

    Features after a ReLU are never negative, so no entry of their Gram matrix is, and much of it is the means. Where no
    channel responds it has no gradient; the shifted one has. With means of about 1, s = -1 is nearly the covariance.
    The authors' network has such means. The relative loss serves every network: s counts in units of the target's mean
    response at the layer.

    Attributes:
        shift: s.
    """

    name = "shifted"
    shift: float = -1.0

    def __post_init__(self) -> None:
        self.shift = number("the shift", self.shift, *SHIFTS)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """1/(4 C^2) sum of squares, as the Gram loss has it."""
        return self._distance(found, target, torch.ones_like(target[..., -1].mean(-1)))

    def loss(self, found: Tensor, target: Tensor, normalization: Normalization = "relative") -> Tensor:
        """See `StyleLoss` and above."""
        if checked(normalization) == "paper":
            return self.distance(found, target)
        unit = target[..., -1].mean(-1)
        return self._distance(found, target, unit) / or_one(self._distance(torch.zeros_like(target), target, unit))

    def _distance(self, found: Tensor, target: Tensor, unit: Tensor) -> Tensor:
        error = self._matrix(found, unit) - self._matrix(target, unit)
        return sum_of_squares(error) / (4 * target.shape[-2] ** 2)

    def _matrix(self, statistic: Tensor, unit: Tensor) -> Tensor:
        """The Gram matrix of F + s without s^2, which cancels in differences."""
        means = self.shift * unit.view(-1, 1, 1) * statistic[..., -1:]
        return statistic[..., :-1] + means + means.mT


@dataclass(eq=False)
class Covariance(WithMeans):
    """Which channels vary together: sum (S - S_s)^2 of the covariances, S = G - mu mu^T; the means are free."""

    name = "covariance"

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """1/(4 C^2) sum of squares, as the Gram loss has it."""
        error = covariance_of(found) - covariance_of(target)
        return sum_of_squares(error) / (4 * target.shape[-2] ** 2)

    def of_nothing(self, target: Tensor) -> Tensor:
        """The covariance's own norm; a flat style has none, and its Gram matrix says what is much."""
        norm, of_gram = super().of_nothing(target), sum_of_squares(target[..., :-1]) / (4 * target.shape[-2] ** 2)
        return torch.where(norm > FLAT * of_gram, norm, of_gram)


@dataclass(eq=False)
class Wasserstein(WithMeans):
    """Wasserstein's squared distance of the Gaussians with these means and covariances, a mean over channels.

    |mu - mu_s|^2 + tr(S + S_s - 2 (S_s^1/2 S S_s^1/2)^1/2), divided by C. It is the least mean squared way over which
    one cloud of features can be moved into the other, if both are Gaussian.
    """

    name = "wasserstein"

    def finished(self, target: Tensor) -> Tensor:
        """G, mu and the root of the covariance side by side, (..., C, 2 C + 1)."""
        channels = target.shape[-2]
        return torch.cat([target[..., : channels + 1], root(covariance_of(target[..., : channels + 1]))], -1)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """The mean over channels."""
        channels = target.shape[-2]
        if target.shape[-1] == channels + 1:
            target = self.finished(target)
        found, target, other = found[..., : channels + 1], target[..., : channels + 1], target[..., channels + 1 :]
        covariance, wanted = covariance_of(found), covariance_of(target)
        spreads = _trace(covariance) + _trace(wanted) - 2 * common_trace(covariance, other)
        return (sum_of_squares(found[..., -1] - target[..., -1]) + spreads.clamp(min=0)) / channels

    def of_nothing(self, target: Tensor) -> Tensor:
        """The mean square of the target's features."""
        channels = target.shape[-2]
        return _trace(target[..., :channels]) / channels


@dataclass(eq=False)
class Moments(OfMeans):
    """Each channel's mean and deviation, sum (mu - mu_s)^2 + (sigma - sigma_s)^2 (Li et al. 2017, arXiv 1701.01036).

    The statistic is the mean and the mean square of each channel, (B, C, 2).
    """

    name = "moments"

    def mean(self, maps: Maps, guides: Tensor | None = None) -> Tensor:
        """The mean and the mean square of each channel."""
        (response,) = maps
        if guides is None:
            statistic: Tensor = _MeanAndSquare.apply(response)
            return statistic
        powers = response.float(), response.float().square()
        return torch.stack([guided_mean(power, guides) for power in powers], -1)

    def distance(self, found: Tensor, target: Tensor) -> Tensor:
        """The mean over channels."""
        return sum_of_squares(_mean_and_deviation(found) - _mean_and_deviation(target)) / target.shape[-2]


class _GramAndMean(torch.autograd.Function):
    """G and mu side by side, as the Gram matrix of `nstlib.losses`: a gradient in one piece, in the features' order.

    Autograd by itself would add that of mu to that of G, which for shallow layers takes longer than both.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        """[F F^T / M | F 1 / M], (B, C, C + 1)."""
        ctx.save_for_backward(features)
        return torch.cat([gram(features), features.flatten(2).float().mean(2, keepdim=True)], 2)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        """(S + S^T) F / M + s / M for the slopes S of G and s of mu."""
        (features,) = ctx.saved_tensors
        with without_autocast(features.device):
            columns = features.flatten(2).float().mT
            of_gram, of_mean = (part / columns.shape[1] for part in (slope[..., :-1], slope[..., -1:]))
            gradient = torch.baddbmm(of_mean.mT, columns, of_gram + of_gram.mT).mT
        return gradient.view(features.shape).to(features.dtype)


class _MeanAndSquare(torch.autograd.Function):
    """Likewise the mean and the mean square of each channel."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        """The means of F and of F^2, (B, C, 2)."""
        ctx.save_for_backward(features)
        rows = features.flatten(2).float()
        return torch.stack([rows.mean(2), rows.square().mean(2)], -1)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        """s_1 / M + 2 s_2 F / M for the slopes s_1 and s_2."""
        (features,) = ctx.saved_tensors
        columns = features.flatten(2).float().mT
        of_mean, of_square = (slope / columns.shape[1]).unsqueeze(1).unbind(-1)
        gradient = torch.addcmul(of_mean, columns, of_square, value=2).mT
        return gradient.view(features.shape).to(features.dtype)


def guided_mean(response: Tensor, guides: Tensor) -> Tensor:
    """Weighted sums over positions of features (B, C, H, W), for each of R regions: (B, R, C)."""
    return torch.einsum("bcn,rn->brc", response.flatten(2).float(), guides.flatten(1).float())


def covariance_of(statistic: Tensor) -> Tensor:
    """G - mu mu^T of G and mu side by side, (..., C, C + 1)."""
    means = statistic[..., -1:]
    return statistic[..., :-1] - means @ means.mT


def _mean_and_deviation(statistic: Tensor) -> Tensor:
    mean, square = statistic.unbind(-1)
    return torch.stack([mean, ((square - mean.square()).clamp(min=0) + TINY).sqrt()], -1)


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)
