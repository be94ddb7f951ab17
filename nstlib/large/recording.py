"""Losses and gradient recorded once and replayed: a GPU can be faster than the Python that tells it what to do."""

import threading
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, Self
from weakref import WeakSet

import torch
from torch import Tensor

from ..base.devices import is_out_of_memory
from ..errors import RunWarning, brief
from ..extractor import FeatureExtractor
from ..losses import Terms
from .ways import Way

Work = Callable[[], tuple[Tensor, Tensor]]
Recorder = Callable[[Work], tuple[Callable[[], object], tuple[Tensor, Tensor]]]

EAGER = 3  # evaluations of the same kind before a recording, which costs about as many
WORTH = 6  # replays that pay for a recording
KEPT = 4  # recordings on a device at a time: each keeps the memory of a whole step to itself
TOLERANCE = 0.02  # relative, of the replayed losses: half precision may choose other algorithms while recording

RECORDING = threading.RLock()  # one at a time


class Evaluated(Protocol):
    """What an evaluator asks of an objective."""

    @property
    def extract(self) -> FeatureExtractor:
        """Where the network lives."""

    def way(self, image: Tensor) -> Way:
        """How an image is computed."""

    def reads(self) -> dict[str, Any]:
        """All that a call reads beside the image, by name."""

    def __call__(self, image: Tensor) -> Terms:
        """The terms of an image."""


class Evaluator:
    """Losses and gradient of an objective, from a CUDA graph where there is a GPU.

    A recording reads and writes the same memory each time. Weights change in place, so a slider needs no new recording,
    and the image is copied to where the recording reads it. Another target, a picture of another size or a weight of
    another shape does need one, and shows by its address. Where such changes come faster than a recording pays for
    itself, the wait before the next one doubles each time.

    A recording lives as long as its evaluator, until it is released, something changes, or memory runs out. A device
    has `KEPT` of them; another takes the place of the one that was not used for longest.

    Pictures in tiles are not recorded: a tile is work enough for a GPU. Where recording fails, or gives other losses
    than the evaluation before, a `RunWarning` says so, and everything goes on without.

    Args:
        objective: what to evaluate. It may be replaced at any time.
        record: gives what replays the work, and its results, which each replay changes in place; `record_on_cuda` for
            an objective on a GPU, else None, which evaluates as ever.
    """

    def __init__(self, objective: Evaluated, record: Recorder | None = None):
        self.objective, self._given = objective, record
        device = objective.extract.device
        self._record = record or (partial(record_on_cuda, device) if device.type == "cuda" else None)
        self._recording: Recording | None = None
        self._kind: object = None
        self._seen = 0  # evaluations of this kind without a recording
        self._wait = EAGER
        self._turn = threading.Lock()  # a recording has one image and one result

    def __reduce__(self) -> tuple[type[Self], tuple[Evaluated, Recorder | None]]:
        return type(self), (self.objective, self._given)  # a copy makes a recording of its own

    @property
    def device(self) -> torch.device:
        """Where the objective is computed."""
        return self.objective.extract.device

    @property
    def last_used(self) -> float | None:
        """When its recording was last replayed, in seconds of `time.monotonic`; None without a recording."""
        recording = self._recording
        return None if recording is None else recording.last_used

    def release(self, to_another: bool = False) -> None:
        """Give the recording's memory back; after some evaluations there is another, later if its place is taken."""
        recording, self._recording = self._recording, None  # a replay in another thread holds on to its own
        if recording is not None:
            self._wait = EAGER if recording.replays > WORTH and not to_another else 2 * self._wait
            self._seen = 0

    @torch.inference_mode(False)
    @torch.enable_grad()
    def __call__(self, image: Tensor) -> tuple[Terms, Tensor]:
        """The terms, detached, and the gradient (B, 3, H, W) of the sum of their totals.

        Where memory runs out while recordings of this or other evaluators hold some, it is taken from them.

        Args:
            image: (B, 3, H, W).
        """
        with self._turn:
            try:
                return self._replayed_or_evaluated(image)
            except RuntimeError as error:
                if not (is_out_of_memory(error) and release_recordings(self.device)):
                    raise
            return self._evaluated(image)

    def _replayed_or_evaluated(self, image: Tensor) -> tuple[Terms, Tensor]:
        reads = self._reads(image) if self._recordable(image) else None
        kind = _addresses(reads)
        if kind != self._kind:
            self.release()
            self._kind, self._seen = kind, 0
        recording = self._recording
        if recording is not None:
            return recording.replayed(image)
        terms, gradient = self._evaluated(image)
        self._seen += 1
        if reads is not None and self._seen >= self._wait:
            self._start_recording(image, reads, terms)
        return terms, gradient

    def _evaluated(self, image: Tensor) -> tuple[Terms, Tensor]:
        # A leaf of its own, over the same memory: autograd ties a leaf to the stream on which it was first used.
        image = (image.clone() if image.is_inference() else image).detach().requires_grad_()
        terms = self.objective(image)
        (gradient,) = torch.autograd.grad(terms.total.sum(), image)
        return terms.detach(), gradient

    def _start_recording(self, image: Tensor, reads: Mapping[str, Any], expected: Terms) -> None:
        """Record, and keep the recording if it gives the losses that are expected."""
        assert self._record is not None
        with RECORDING:
            _make_room(self.device)
            try:
                recording = Recording(self._record, self._evaluated, image, reads, list(expected.layers))
                found = recording.replayed(image)[0].total
                if torch.allclose(found, expected.total, rtol=TOLERANCE, atol=0, equal_nan=True):
                    self._recording = recording
                    _RECORDED.add(self)
                    return
                reason = "a replay gives other losses"
            except Exception as error:  # whatever it is: without a recording it goes as well, only slower
                if is_out_of_memory(error) and release_recordings(self.device):
                    self._wait, self._seen = 2 * self._wait, 0  # it may fit next time
                    return
                reason = brief(error)
        self._record = None
        warnings.warn(
            f"steps could not be recorded on {self.device} ({reason}); they go on, only slower",
            RunWarning,
            stacklevel=2,
        )

    def _recordable(self, image: Tensor) -> bool:
        return self._record is not None and self.objective.way(image).recordable

    def _reads(self, image: Tensor) -> dict[str, Any]:
        """What decides what is to be done, and the tensors that are read on the way, but for the image."""
        return {"image": (image.shape, image.dtype, image.device), **self.objective.reads()}


class Recording:
    """A recorded evaluation, and all the memory that it uses.

    Args:
        record: see `Evaluator`.
        evaluated: what is recorded, as a function of the image.
        image: an image like those to come.
        reads: what else it reads. The recording holds on to it: memory that was freed could be anything's.
        layers: names of the terms of layers.
    """

    def __init__(
        self,
        record: Recorder,
        evaluated: Callable[[Tensor], tuple[Terms, Tensor]],
        image: Tensor,
        reads: Mapping[str, Any],
        layers: list[str],
    ):
        self._image, self._held, self._layers = image.detach().clone(), reads, layers
        self.replays, self.last_used = 0, time.monotonic()

        def work() -> tuple[Tensor, Tensor]:
            terms, gradient = evaluated(self._image)
            return torch.stack(list(terms.as_dict().values())), gradient

        self._replay, self._found = record(work)

    def replayed(self, image: Tensor) -> tuple[Terms, Tensor]:
        """What the evaluation gives for an image."""
        self._image.copy_(image.detach())
        self._replay()
        self.replays, self.last_used = self.replays + 1, time.monotonic()
        # Copies: the next replay writes over what is here.
        rows, gradient = (found.clone() for found in self._found)
        total, content, style, tv, *losses = rows
        return Terms(total, content, style, tv, dict(zip(self._layers, losses, strict=True))), gradient


_RECORDED: WeakSet[Evaluator] = WeakSet()


def release_recordings(device: torch.device) -> bool:
    """Give back the memory of all recordings on a device; False where there are none."""
    with RECORDING:
        recorded = _recorded(device)
        for evaluator in recorded:
            evaluator.release()
    return bool(recorded)


def _make_room(device: torch.device) -> None:
    """Leave one place for another recording."""
    while len(recorded := _recorded(device)) >= KEPT:
        min(recorded, key=lambda evaluator: evaluator.last_used or 0.0).release(to_another=True)


def _recorded(device: torch.device) -> list[Evaluator]:
    """The evaluators that have a recording on the device."""
    return [evaluator for evaluator in _RECORDED if evaluator.device == device and evaluator.last_used is not None]


def _addresses(reads: Mapping[str, Any] | None) -> object:
    """The same for two evaluations that a recording cannot tell apart."""
    if reads is None:
        return None
    return tuple(
        (name, (value.data_ptr(), value.shape, value.stride(), value.dtype) if isinstance(value, Tensor) else value)
        for name, value in reads.items()
    )


def record_on_cuda(device: torch.device, work: Work) -> tuple[Callable[[], object], tuple[Tensor, Tensor]]:
    """A CUDA graph of the work.

    Before it come two runs on the same stream, in which the libraries choose their algorithms. What other threads do
    meanwhile, such as a notebook's, does not disturb it. The thread is on its own stream again afterwards, also where
    recording fails.

    Source: docs.pytorch.org, CUDA semantics, CUDA graphs; github.com/pytorch/pytorch issues 164302 and 179961 for what
    must happen on the stream of the recording.
    """
    with torch.cuda.device(device):
        before = torch.cuda.current_stream()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        try:
            stream.wait_stream(before)
            with torch.cuda.stream(stream):
                for _ in range(2):
                    work()
            before.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                found = work()
        finally:
            torch.cuda.set_stream(before)
    return graph.replay, found
