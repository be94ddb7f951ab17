"""Steps recorded once and replayed, as a CUDA graph is: tested with a tape that repeats the same operations.

The tape knows what a CUDA graph knows: which operations ran on which memory. Python is not asked again.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import nstlib as nst
from nstlib.large.recording import EAGER, Evaluator


class Tape(TorchDispatchMode):
    """Runs operations and remembers them."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero):
            raise RuntimeError("a number was read from the device")
        found = operation(*args, **(kwargs or {}))
        self.operations.append((operation, args, kwargs or {}, found))
        return found

    @torch.no_grad()
    def replay(self):
        """Do it all again; results go to where they went before."""
        for operation, args, kwargs, found in self.operations:
            for old, new in zip(tree_leaves(found), tree_leaves(operation(*args, **kwargs)), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class Recorder:
    """In place of `record_on_cuda`; counts its recordings and their replays."""

    def __init__(self, broken=False, wrong=False):
        self.broken, self.wrong, self.recordings, self.replays = broken, wrong, 0, 0

    def __call__(self, work):
        self.recordings += 1
        if self.broken:
            raise RuntimeError("this cannot be recorded")
        with Tape() as tape:
            found = work()

        def replay():
            self.replays += 1
            tape.replay()
            if self.wrong:
                found[0].mul_(1.1)

        return replay, found


def objective_of(content, style, precision="float32", **options):
    extract = nst.FeatureExtractor("tiny", precision=precision, device="cpu")
    return nst.Objective(extract, content, style, tv=1.0, **options)


def walk(objective, optimizer="adam", recorder=None, steps=12, change=lambda number: None):
    run = nst.Run(objective, "noise", optimizer)
    if recorder:
        run._evaluate = Evaluator(objective, recorder)
    for step in run.steps(steps, progress=False):
        change(step.number)
    return run


def assert_same(run, other):
    torch.testing.assert_close(run.image, other.image, rtol=0, atol=1e-6)
    for term, values in other.history.items():
        assert run.history[term] == pytest.approx(values, rel=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_recorded_run_is_the_run_itself(content, style, optimizer, precision):
    recorder = Recorder()
    run = walk(objective_of(content, style, precision), optimizer, recorder)
    assert recorder.recordings == 1
    assert recorder.replays == 1 + 12 - EAGER  # the first to see whether it is right
    assert_same(run, walk(objective_of(content, style, precision), optimizer))


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_slider_steers_a_recorded_run_without_a_new_recording(content, style, optimizer):
    def steered(recorder):
        objective = objective_of(content, style)

        def change(number):
            if number == 7:
                objective.beta, objective.style_layers["relu1_1"] = 300.0, 0.0

        return walk(objective, optimizer, recorder, change=change)

    recorder = Recorder()
    run = steered(recorder)
    assert recorder.recordings == 1
    assert_same(run, steered(None))


@pytest.mark.parametrize(
    "swap",
    [
        lambda objective: objective.set_style(objective.style.flip(1)),
        lambda objective: objective.set_content(objective.content.flip(3)),
        lambda objective: objective.set_content(objective.content[..., :-16, :]),
        lambda objective: setattr(objective, "beta", torch.tensor([50.0])),
        lambda objective: setattr(objective, "style_target", {k: 2 * v for k, v in objective.style_target.items()}),
    ],
    ids=["style", "content", "size", "weight in place", "style target"],
)
def test_what_changes_meanwhile_is_seen(content, style, swap):
    def swapped(recorder):
        objective = objective_of(content, style)
        return walk(
            objective, recorder=recorder, steps=14, change=lambda number: swap(objective) if number == 6 else None
        )

    run, other = swapped(Recorder()), swapped(None)
    torch.testing.assert_close(run.image, other.image, rtol=0, atol=1e-6)


def test_pictures_in_tiles_are_not_recorded(content, style):
    recorder = Recorder()
    objective = objective_of(content, style, tile=32)
    walk(objective, recorder=recorder, steps=EAGER + 2)
    assert objective.is_tiled(content)
    assert recorder.recordings == 0


@pytest.mark.parametrize("fault", ["broken", "wrong"])
def test_a_recording_that_fails_or_gives_other_losses_is_not_used(content, style, fault):
    recorder = Recorder(**{fault: True})
    run = walk(objective_of(content, style), recorder=recorder)
    assert recorder.recordings == 1
    assert_same(run, walk(objective_of(content, style)))


def test_terms_of_earlier_steps_stay_as_they_were(content, style):
    recorder = Recorder()
    objective = objective_of(content, style)
    run = nst.Run(objective, "noise", "adam")
    run._evaluate = Evaluator(objective, recorder)
    steps = list(run.steps(EAGER + 4, progress=False))
    assert recorder.replays > 2
    assert [step.loss for step in steps] == pytest.approx(run.history["total"])


def test_one_recording_at_a_time_keeps_memory_and_none_after_the_steps(content, style):
    first, second = (Evaluator(objective_of(content, style), Recorder()) for _ in range(2))
    for evaluate in (first, second):
        with evaluate:
            for _ in range(EAGER + 1):
                evaluate(content)
            assert evaluate._found is not None
            if evaluate is second:
                assert first._found is None
    for _ in range(EAGER):
        first(content)
    assert first._found is not None
    for _ in range(EAGER):
        second(content)
    assert second._found is not None
    assert first._found is None

    run = walk(objective_of(content, style), recorder=Recorder())
    assert run._evaluate._found is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_step_never_waits_for_a_number_from_the_device(content, style, precision):
    run = nst.Run(objective_of(content, style, precision), "noise", "lbfgs", memory=2)
    for _ in range(4):
        with Tape():
            run.step()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_cuda_graph_gives_the_losses_of_the_evaluation(content, style, precision):
    extract = nst.FeatureExtractor("tiny", precision=precision, device="cuda")
    objective = nst.Objective(extract, content, style, tv=1.0)
    recorded, evaluated = Evaluator(objective), Evaluator(objective)
    evaluated._record = None
    image = torch.rand_like(content).cuda()
    for number in range(EAGER + 3):
        image.add_(0.01)
        objective.beta = 10.0 + number
        (terms, gradient), (exact, exact_gradient) = recorded(image), evaluated(image)
        torch.testing.assert_close(terms.total, exact.total, rtol=1e-2, atol=0)
        assert (gradient - exact_gradient).norm() < 0.02 * exact_gradient.norm()
    assert recorded._found is not None


def test_recording_is_for_gpus_alone(content, style):
    assert Evaluator(objective_of(content, style))._record is None
