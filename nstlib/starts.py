"""Where a run can start."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from .base.checks import one_of, picture, whole
from .control.styles import Blend, mean_colors
from .errors import InputError
from .images import cover
from .objective import Objective

Init = Literal["content", "noise", "style_statistics", "fast"]
INITS: tuple[str, ...] = get_args(Init)
NOISE = 0.1  # standard deviation of the "noise" start; larger noise leaves [0, 1] and is a hard start


def start_image(
    objective: Objective, init: Init | Tensor, seed: int = 0, size: tuple[int, int] | None = None
) -> Tensor:
    """The picture from which a run starts, (B or 1, 3, H, W); see `Run` for the arguments."""
    device, batch = objective.extract.device, objective.batch
    return start_of(objective.content, objective.style, device, init, seed, size, batch, objective.masks)


def start_of(
    content: Tensor | None,
    style: Tensor | Blend | None,
    device: torch.device,
    init: Init | Tensor,
    seed: int = 0,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    masks: Tensor | None = None,
) -> Tensor:
    """The same for pictures that no objective has yet; not both are None. Masks are (styles, H, W)."""
    with torch.inference_mode(False):
        wanted = _size(content, style, size)
        if isinstance(init, Tensor):
            return cover(_picture(init, batch).to(device, torch.float32), wanted)
        if not isinstance(init, str):
            raise InputError(
                f"init is of type {type(init).__name__}; expected a picture as nstlib.load_image gives it, "
                f"or one of: {', '.join(INITS)}"
            )
        one_of("init", init, INITS, also="a picture or ")
        seed = whole("the seed", seed, most=2**63 - 1)
        if init == "fast":
            return _painted(content, style, masks).to(device)
        return _named_start(content, style, init, seed, wanted).to(device)


def _named_start(
    content: Tensor | None, style: Tensor | Blend | None, init: str, seed: int, size: tuple[int, int]
) -> Tensor:
    if init == "content":
        if content is None:
            raise InputError("init is 'content', but the objective has no content picture; use 'noise' or a picture")
        return content
    if init == "noise":
        reference = content if content is not None else style
        mean = mean_colors(Blend.of(reference))[0][..., None]
        return (mean + NOISE * _noise(seed, size).to(mean.device)).clamp(0, 1)
    if style is None:
        raise InputError("init is 'style_statistics', but the objective has no style picture")
    return _colored_like(Blend.of(style), _noise(seed, size)).clamp(0, 1)


def _painted(content: Tensor | None, style: Tensor | Blend | None, masks: Tensor | None) -> Tensor:
    """What a network for any style makes of it in one pass; the method itself knows no such networks."""
    if content is None or style is None:
        raise InputError("init is 'fast', which paints a content in a style, but the objective has not both")
    starting: Any = import_module(f"{__package__}.feedforward.starting")
    painted: Tensor = starting.painted_start(content, Blend.of(style), masks)
    return painted


def _noise(seed: int, size: tuple[int, int]) -> Tensor:
    # On the CPU whatever the default device is: the same seed gives the same noise everywhere.
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(1, 3, *size, generator=generator, device="cpu", dtype=torch.float32)


def _size(content: Tensor | None, style: Tensor | Blend | None, size: Sequence[int] | None) -> tuple[int, int]:
    """Height and width of the start."""
    if size is not None:
        if not isinstance(size, Sequence) or isinstance(size, str) or len(size) != 2:
            raise InputError(f"the size is {size!r:.80}; expected height and width in pixels")
        size = whole("the height", size[0], least=1), whole("the width", size[1], least=1)
        if content is not None and size != tuple(content.shape[-2:]):
            there = tuple(content.shape[-2:])
            raise InputError(f"the size is {size}, but the content's is {there}; leave the size out")
        return size
    reference = Blend.of(content if content is not None else style).pictures[0]
    return reference.shape[-2], reference.shape[-1]


def _picture(init: Tensor, batch: int) -> Tensor:
    init = picture("init", init)
    if batch > 1 and len(init) not in (1, batch):
        raise InputError(f"init holds {len(init)} pictures, but the objective is made for {batch}; give 1 or {batch}")
    return init


def _colored_like(style: Blend, noise: Tensor) -> Tensor:
    mean, covariance = mean_colors(style)
    # The small diagonal lets a gray picture, whose covariance is singular, have a Cholesky factor too.
    little = 1e-6 * torch.eye(3, device="cpu", dtype=torch.float32)
    factor = torch.linalg.cholesky(covariance.cpu() + little).to(mean.device)
    return mean[..., None] + torch.einsum("bij,ojhw->bihw", factor, noise.to(mean.device))
