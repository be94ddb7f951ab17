"""Losses and gradient recorded once and replayed: a GPU can be faster than the Python that tells it what to do."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor

from ..objective import Objective, Terms

Work = Callable[[], tuple[Tensor, Tensor]]
Recorder = Callable[[Work], tuple[Callable[[], object], tuple[Tensor, Tensor]]]

EAGER = 3  # evaluations of the same kind before a recording, which costs about as many
TOLERANCE = 0.02  # relative, of the replayed losses: half precision may choose other algorithms while recording


class Evaluator:
    """Losses and gradient of an objective, from a CUDA graph where there is a GPU.

    A recording reads and writes the same memory each time. Weights change in place, so a slider needs no new recording.
    A picture of another size, another target or a weight of another shape does, and shows by its address. One recording
    at a time lives on a device, as each keeps the memory of a whole step to itself.

    Pictures in tiles are not recorded: a tile is work enough for a GPU. Where recording fails, or gives other losses
    than the evaluation before, everything goes on without.

    Args:
        objective: what to evaluate.
        record: gives what replays the work, and its results, which each replay changes in place; `record_on_cuda` for
            an objective on a GPU, else None, which evaluates as ever.
    """

    _recorded: "weakref.ReferenceType[Evaluator] | None" = None

    def __init__(self, objective: Objective, record: Recorder | None = None):
        self.objective = objective
        device = objective.extract.device
        self._record = record or (partial(record_on_cuda, device) if device.type == "cuda" else None)
        self.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the recording's memory back."""
        self._replay: Callable[[], object] | None = None
        self._found: tuple[Tensor, Tensor] | None = None
        self._reads: tuple[Any, ...] = ()
        self._seen = 0

    def __call__(self, image: Tensor) -> tuple[Terms, Tensor]:
        """The terms, detached, and the gradient (B, 3, H, W) of the sum of their totals.

        Args:
            image: (B, 3, H, W), read where it lies.
        """
        if self._record is None or self.objective.is_tiled(image):
            return self._evaluated(image)
        reads = self._addresses(image)
        if reads != self._reads:
            self.release()
            self._reads = reads
        if self._replay is None:
            terms, gradient = self._evaluated(image)
            self._seen += 1
            if self._seen == EAGER:
                self._start_recording(image, terms)
            return terms, gradient
        return self._replayed()

    def _evaluated(self, image: Tensor) -> tuple[Terms, Tensor]:
        # A leaf of its own, over the same memory: autograd ties a leaf to the stream on which it was first used.
        image = image.detach().requires_grad_()
        terms = self.objective(image)
        (gradient,) = torch.autograd.grad(terms.total.sum(), image)
        return terms.detach(), gradient

    def _replayed(self) -> tuple[Terms, Tensor]:
        assert self._replay is not None
        assert self._found is not None
        self._replay()
        # Copies: the next replay writes over what is here.
        rows, gradient = (found.clone() for found in self._found)
        total, content, style, tv, *losses = rows
        return Terms(total, content, style, tv, dict(zip(self._layers, losses, strict=True))), gradient

    def _start_recording(self, image: Tensor, expected: Terms) -> None:
        """Record, and keep the recording if it gives the losses that are expected."""
        assert self._record is not None
        if Evaluator._recorded is not None and (other := Evaluator._recorded()):
            other.release()
        self._layers = list(expected.layers)

        def work() -> tuple[Tensor, Tensor]:
            terms, gradient = self._evaluated(image)
            return torch.stack(list(terms.as_dict().values())), gradient

        try:
            self._replay, self._found = self._record(work)
            terms, _ = self._replayed()
            right = torch.allclose(terms.total, expected.total, rtol=TOLERANCE, atol=0, equal_nan=True)
        except RuntimeError:  # whatever it is: without a recording it goes as well, only slower
            right = False
        if right:
            Evaluator._recorded = weakref.ref(self)
        else:
            self.release()
            self._record = None

    def _addresses(self, image: Tensor) -> tuple[Any, ...]:
        """Where the work reads what may change, and what else decides what is to be done."""
        objective = self.objective
        tensors = [
            *(image, *objective.weights.values(), *objective.content_layers.values()),
            *(*objective.style_layers.values(), *objective.content_target.values(), *objective.style_target.values()),
        ]
        return (objective.normalization, objective.border, *((tensor.data_ptr(), tensor.shape) for tensor in tensors))


def record_on_cuda(device: torch.device, work: Work) -> tuple[Callable[[], object], tuple[Tensor, Tensor]]:
    """A CUDA graph of the work.

    Before it come two runs on the same stream, in which the libraries choose their algorithms. What other threads do
    meanwhile, such as a notebook's, does not disturb it.

    Source: docs.pytorch.org, CUDA semantics, CUDA graphs; github.com/pytorch/pytorch issues 164302 and 179961 for what
    must happen on the stream of the recording.
    """
    with torch.cuda.device(device):
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            found = work()
    return graph.replay, found
