"""Roots of covariance matrices, and their traces, with a gradient that stays finite where a matrix is singular."""

from typing import Any

import torch
from torch import Tensor

STEPS = 24  # of Newton and Schulz: an eigenvalue of a hundred-millionth of the largest has its root by then
EDGE = 1e-6  # of the mean eigenvalue of the other covariance


@torch.no_grad()
def root(matrices: Tensor) -> Tensor:
    """The symmetric root of symmetric matrices (..., C, C) without negative eigenvalues, float32; no gradient."""
    values, vectors = torch.linalg.eigh(_exact(matrices))
    made: Tensor = vectors * values.clamp(min=0).sqrt().unsqueeze(-2) @ vectors.mT
    return made.to(matrices.device, torch.float32)


def common_trace(covariance: Tensor, other: Tensor) -> Tensor:
    """tr (R S R)^1/2 of covariances S (B, C, C), with R the root of another, (B or 1, C, C); (B,).

    On the CPU from eigenvalues in float64. Elsewhere by Newton's and Schulz's iteration in float32, which takes
    products alone, and so neither waits for a GPU nor is slow there; it is exact to some hundredths.
    """
    traces: Tensor = _CommonTrace.apply(covariance, other.detach())
    return traces


class _CommonTrace(torch.autograd.Function):
    """d tr M^1/2 = 1/2 tr(M^-1/2 dM), so that the gradient needs no derivative of eigenvectors."""

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, other: Tensor) -> Tensor:
        """The traces; the gradient comes with them, and is kept."""
        on_cpu = covariance.device.type == "cpu"
        wide = _exact(other) if on_cpu else other
        between = wide @ covariance.to(wide.dtype) @ wide
        if on_cpu:
            traces, inverse = by_eigenvalues(between, edge_of(wide))
        else:
            traces, inverse = by_products(between, edge_of(wide), rounding_of(covariance, wide))
        ctx.save_for_backward((wide @ inverse @ wide / 2).to(covariance.dtype))
        return traces.to(covariance.dtype)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        """1/2 R M^-1/2 R, for each matrix."""
        (gradient,) = ctx.saved_tensors
        return slope[:, None, None] * gradient, None


def edge_of(root_matrices: Tensor) -> Tensor:
    """Below which roots of eigenvalues count as zero, (B or 1,): never 0 itself, as a flat picture has."""
    mean = root_matrices.square().sum((-2, -1)) / root_matrices.shape[-1]
    return (EDGE * mean).clamp(min=torch.finfo(torch.float32).tiny ** 0.5)


def by_eigenvalues(matrices: Tensor, edge: Tensor) -> tuple[Tensor, Tensor]:
    """Traces of the roots, and inverse roots. Below the edge an eigenvalue has no root, and its slope stays finite."""
    values, vectors = torch.linalg.eigh(matrices)
    edge = edge.unsqueeze(-1)
    roots = (values.clamp(min=0) + edge.square()).sqrt()
    return (roots - edge).sum(-1), vectors / roots.unsqueeze(-2) @ vectors.mT


def rounding_of(covariance: Tensor, root_matrices: Tensor) -> Tensor:
    """By how much rounding moves eigenvalues of R S R in float32, (B,): a unit roundoff of the largest it can be."""
    largest = (root_matrices @ root_matrices).square().sum((-2, -1)) * covariance.square().sum((-2, -1))
    return torch.finfo(torch.float32).eps / 2 * largest.sqrt()


def by_products(matrices: Tensor, edge: Tensor, rounding: Tensor) -> tuple[Tensor, Tensor]:
    """The same by Newton's and Schulz's coupled iteration: Y goes to the root, Z to its inverse.

    Of an eigenvalue below zero, as rounding leaves them, the iteration makes ever larger numbers. So all are lifted by
    the rounding, and the trace gives back what that alone has added.
    """
    one = torch.eye(matrices.shape[-1], device=matrices.device, dtype=matrices.dtype)
    scale = matrices.square().sum((-2, -1)).sqrt() + rounding + edge.square()
    lifted = rounding / scale
    y, z = matrices / scale[:, None, None] + lifted[:, None, None] * one, one.expand_as(matrices)
    zero, inverse_zero = lifted, torch.ones_like(lifted)  # what becomes of an eigenvalue of zero
    for _ in range(STEPS):
        step, step_zero = 1.5 * one - 0.5 * z @ y, 1.5 - 0.5 * zero * inverse_zero
        y, z, zero, inverse_zero = y @ step, step @ z, zero * step_zero, inverse_zero * step_zero
        y, z = (y + y.mT) / 2, (z + z.mT) / 2  # rounding would grow
    traces = (y.diagonal(dim1=-2, dim2=-1) - zero[:, None]).sum(-1)
    return traces * scale.sqrt(), z / scale.sqrt()[:, None, None]


def _exact(matrices: Tensor) -> Tensor:
    """In float64; MPS has none, and the CPU serves."""
    return matrices.to("cpu" if matrices.device.type == "mps" else matrices.device, torch.float64)
