"""Where a run can start."""

from typing import Literal, get_args

import torch
from torch import Tensor

from .errors import InputError
from .images import cover
from .objective import Objective

Init = Literal["content", "noise", "style_statistics"]
INITS: tuple[str, ...] = get_args(Init)
NOISE = 0.1  # standard deviation of the "noise" start; larger noise leaves [0, 1] and is a hard start


def start_image(
    objective: Objective, init: Init | Tensor, seed: int = 0, size: tuple[int, int] | None = None
) -> Tensor:
    """The picture from which a run starts, (B or 1, 3, H, W); see `Run` for the arguments."""
    content, style = objective.content, objective.style
    if content is not None and size is not None and tuple(size) != tuple(content.shape[-2:]):
        raise InputError(f"the size is {size}, but the content's is {tuple(content.shape[-2:])}; leave the size out")
    reference = content if content is not None else style
    assert reference is not None  # an objective has a content or a style
    height, width = size or reference.shape[-2:]
    device = objective.extract.device
    if isinstance(init, Tensor):
        return cover(init.to(device, torch.float32), (height, width))
    if init == "content":
        if content is None:
            raise InputError("init is 'content', but the objective has no content picture; use 'noise' or a picture")
        return content.to(device)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise InputError(f"the seed is {seed!r}; expected a whole number from 0 to 2**63 - 1")
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed)).to(device)
    if init == "noise":
        return (reference.mean((2, 3), keepdim=True).to(device) + NOISE * noise).clamp(0, 1)
    if init == "style_statistics":
        if style is None:
            raise InputError("init is 'style_statistics', but the objective has no style picture")
        return _colored_like(style, noise).clamp(0, 1)
    raise InputError(f"init is {init!r}; choose a picture or one of: {', '.join(INITS)}")


def _colored_like(style: Tensor, noise: Tensor) -> Tensor:
    pixels = style.to(noise.device).flatten(2)
    mean = pixels.mean(2, keepdim=True)
    covariance = (pixels - mean) @ (pixels - mean).mT / pixels.shape[2]
    # The small diagonal lets a gray picture, whose covariance is singular, have a Cholesky factor too.
    factor = torch.linalg.cholesky(covariance.cpu() + 1e-6 * torch.eye(3)).to(noise.device)
    return mean[..., None] + torch.einsum("bij,ojhw->bihw", factor, noise)
