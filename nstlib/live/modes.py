"""What the loop sets for itself while it works: modes of torch, and words for want of memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..errors import OutOfMemory
from ..optimize import is_out_of_memory


@contextmanager
def own_modes() -> Iterator[None]:
    """Gradients, whatever the cell that started it has chosen. As a decorator too."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def memory_explained() -> Iterator[None]:
    """Want of memory, wherever it shows, in the package's words."""
    try:
        yield
    except OutOfMemory:
        raise
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory("out of memory; use a smaller size. The picture is kept.") from error
