"""Steps recorded once and replayed, as a CUDA graph is: tested with a tape that repeats the same operations.

The tape knows what a CUDA graph knows: which operations ran on which memory. Python is not asked again.
"""

import contextlib
import copy
import gc
import threading
import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import nstlib as nst
from nstlib.large import recording
from nstlib.large.recording import EAGER, KEPT, Evaluator


class Tape(TorchDispatchMode):
    """Runs operations and remembers them."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation.overloadpacket in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero):
            raise RuntimeError("a number was read from the device")
        if operation.overloadpacket is torch.ops.aten.lift_fresh:
            raise RuntimeError("numbers were copied to the device")
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
    assert not objective.way(content).recordable
    assert recorder.recordings == 0


@pytest.mark.parametrize(
    ("fault", "reason"), [("broken", "this cannot be recorded"), ("wrong", "a replay gives other losses")]
)
def test_a_recording_that_fails_or_gives_other_losses_is_not_used_and_a_warning_says_so_once(
    content, style, fault, reason
):
    recorder = Recorder(**{fault: True})
    with pytest.warns(nst.RunWarning, match=f"could not be recorded on cpu .{reason}.; they go on") as warned:
        run = walk(objective_of(content, style), recorder=recorder)
    assert len(warned) == 1
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


def recorded_run(objective, optimizer="adam", **options):
    run, recorder = nst.Run(objective, "noise", optimizer, **options), Recorder()
    run._evaluate = Evaluator(objective, recorder)
    return run, recorder


def take(run, steps):
    for _ in run.steps(steps, progress=False):
        pass


def test_one_recording_serves_several_calls_of_steps(content, style):
    run, recorder = recorded_run(objective_of(content, style))
    for _ in range(5):
        take(run, 10)
    assert recorder.recordings == 1
    assert recorder.replays == 1 + 50 - EAGER


def test_one_recording_serves_steps_whose_generator_is_replaced_at_each_move_of_a_slider(content, style):
    """As the engine of the live pictures does."""
    run, recorder = recorded_run(objective_of(content, style), "lbfgs")
    steps = run.steps(2**62, progress=False)
    for number in range(50):
        if number % 2:
            run.objective.beta = 10.0 + number
            run.objective.style_layers["relu2_1"] = 0.01 * number
            steps = run.steps(2**62, progress=False)
        next(steps)
    assert recorder.recordings == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda objective: objective.set_style(objective.style.flip(1)),
        lambda objective: objective.set_content(objective.content.flip(3)),
        lambda objective: setattr(objective, "style_target", {k: 2 * v for k, v in objective.style_target.items()}),
        lambda objective: objective.set_content_layers({"relu3_1": 1.0}),
        lambda objective: setattr(objective, "border", 2.0),
        lambda objective: setattr(objective, "beta", torch.tensor([50.0])),
    ],
    ids=["style", "content", "style target", "content layers", "border", "weight"],
)
def test_a_change_brings_one_more_recording_at_most(content, style, change):
    objective = objective_of(content, style)
    recorder, evaluated = Recorder(), Evaluator(objective)
    evaluate = Evaluator(objective, recorder)
    for number in range(50):
        if number == 20:
            change(objective)
        (terms, gradient), (exact, exact_gradient) = evaluate(content.flip(-1)), evaluated(content.flip(-1))
        assert list(terms.as_dict()) == list(exact.as_dict())
        torch.testing.assert_close(terms.total, exact.total)
        torch.testing.assert_close(gradient, exact_gradient)
    assert recorder.recordings <= 2


@pytest.mark.parametrize("every", [1, EAGER, EAGER + 1])
def test_changes_that_come_faster_than_a_recording_pays_are_not_recorded_for_ever(content, style, every):
    objective, recorder = objective_of(content, style), Recorder()
    evaluate = Evaluator(objective, recorder)
    for number in range(60):
        if number % every == 0:
            objective.style_target = dict(objective.style_target)
            objective.set_style(style)
        evaluate(content)
    assert recorder.recordings <= 1


def test_content_layers_of_equal_shape_that_trade_places_are_not_mixed_up(content, style):
    """The names of the terms must follow, also where every address stays."""
    recorder, objective = Recorder(), objective_of(content, style, content_layers=["relu3_1", "relu3_2"])
    evaluate = Evaluator(objective, recorder)
    for _ in range(EAGER + 1):
        evaluate(content)
    first, second = (objective.content_target[layer] for layer in ("relu3_1", "relu3_2"))
    objective.content_target = {"relu3_2": first, "relu3_1": second}
    exact = objective(content)
    terms, _ = evaluate(content)
    assert terms.layers.keys() == exact.layers.keys()
    torch.testing.assert_close(terms.total, exact.total.detach())


def test_pictures_may_come_from_anywhere(content, style):
    """Where a run starts anew, after NaN or from another picture, its image lies elsewhere."""
    run, recorder = recorded_run(objective_of(content, style))
    for _ in range(5):
        take(run, 8)
        run.go_on_from(content.flip(-1))
    assert recorder.recordings == 1


def test_from_coarse_to_fine_there_is_one_recording_a_scale(style):
    objective = objective_of(nst.load_image("chelsea", 144), style)
    run, recorder = recorded_run(objective, scales={0: 0.5, 20: 0.75, 35: 1.0})
    take(run, 50)
    assert recorder.recordings == 3


@pytest.mark.parametrize("count", [2, KEPT])
def test_runs_that_alternate_keep_a_recording_each(content, style, count):
    runs = [recorded_run(objective_of(content, style)) for _ in range(count)]
    for _ in range(20):
        for run, _ in runs:
            run.step()
    assert [recorder.recordings for _, recorder in runs] == [1] * count


def test_of_more_runs_than_a_device_keeps_recordings_for_none_records_for_ever(content, style):
    objective = objective_of(content, style)
    evaluators = [Evaluator(objective, Recorder()) for _ in range(KEPT + 1)]
    for _ in range(50):
        for evaluate in evaluators:
            evaluate(content)
        assert sum(evaluate.last_used is not None for evaluate in evaluators) <= KEPT
    assert max(evaluate._given.recordings for evaluate in evaluators) <= 4  # the wait doubles: 3, 6, 12, 24 evaluations


def test_the_recording_that_was_not_used_for_longest_makes_room(content, style):
    objective = objective_of(content, style)
    evaluators = [Evaluator(objective, Recorder()) for _ in range(KEPT + 1)]
    for evaluate in evaluators:
        for _ in range(EAGER + 1):
            evaluate(content)
        evaluators[0](content)
    assert [evaluate.last_used is None for evaluate in evaluators] == [number == 1 for number in range(KEPT + 1)]


def test_runs_in_two_threads_do_not_disturb_each_other(content, style):
    exact, failures = walk(objective_of(content, style), steps=40), []
    runs = [recorded_run(objective_of(content, style)) for _ in range(2)]

    def work(run):
        try:
            take(run, 40)
            assert_same(run, exact)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=[run]) for run, _ in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [recorder.recordings for _, recorder in runs] == [1, 1]


def test_a_recording_that_is_released_during_its_replay_is_replayed_to_its_end(content, style):
    """As when another thread's recording takes its place."""
    evaluate = Evaluator(objective_of(content, style), recorder := Recorder())
    for _ in range(EAGER):
        evaluate(content)
    replay = evaluate._recording._replay
    evaluate._recording._replay = lambda: (evaluate.release(), replay())
    exact = Evaluator(evaluate.objective)(content)
    torch.testing.assert_close(evaluate(content)[1], exact[1])
    assert evaluate.last_used is None
    assert recorder.recordings == 1


def test_a_recording_is_freed_with_its_run_without_a_collection_of_garbage(content, style):
    run, _ = recorded_run(objective_of(content, style))
    take(run, EAGER + 1)
    recorded = weakref.ref(run._evaluate._recording)
    gc.disable()
    try:
        del run
        assert recorded() is None
    finally:
        gc.enable()


def test_a_picture_of_another_size_frees_the_recording_before_it_is_evaluated(content, style):
    objective = objective_of(None, style)
    evaluate = Evaluator(objective, Recorder())
    for _ in range(EAGER + 1):
        evaluate(content)
    recorded, seen = weakref.ref(evaluate._recording), []
    evaluated = evaluate._evaluated
    evaluate._evaluated = lambda image: (seen.append(recorded()), evaluated(image))[1]
    evaluate(content[..., :-8])
    assert seen == [None]


def test_tensors_that_a_recording_reads_are_not_freed_before_it(content, style):
    """Else their memory could be another tensor's of the same shape, and the address would tell nothing."""
    objective = objective_of(content, style)
    evaluate = Evaluator(objective, Recorder())
    for _ in range(EAGER + 1):
        evaluate(content)
    target = weakref.ref(objective.style_target["relu1_1"])
    objective.set_style(style.flip(-1))
    assert target() is not None
    evaluate(content)
    assert target() is None


def test_going_over_to_tiles_frees_the_recording(content, style):
    objective, recorder = objective_of(content, style), Recorder()
    evaluate = Evaluator(objective, recorder)
    for _ in range(EAGER + 1):
        evaluate(content)
    objective.tile = 32
    evaluate(content)
    assert evaluate.last_used is None


def test_where_memory_runs_out_recordings_give_theirs(content, style):
    objective = objective_of(content, style)
    first, second = (Evaluator(objective, Recorder()) for _ in range(2))
    for _ in range(EAGER + 1):
        first(content)
    evaluated, held = second._evaluated, []

    def full(image):
        held.append(first.last_used is not None)
        if held[-1]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return evaluated(image)

    second._evaluated = full
    torch.testing.assert_close(second(content)[1], evaluated(content)[1])
    assert held == [True, False]

    second._evaluated = lambda image: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        second(content)


def test_a_recording_that_does_not_fit_waits_until_others_have_given_their_memory(content, style):
    objective = objective_of(content, style)
    first, recorder = Evaluator(objective, Recorder()), Recorder()
    for _ in range(EAGER + 1):
        first(content)

    def full(work):
        if first.last_used is not None:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return recorder(work)

    second = Evaluator(objective, full)
    for _ in range(20):
        second(content)
    assert recorder.recordings == 1
    assert second.last_used is not None


def test_a_copy_of_an_evaluator_makes_a_recording_of_its_own(content, style):
    evaluate = Evaluator(objective_of(content, style), Recorder())
    for _ in range(EAGER + 1):
        evaluate(content)
    other = copy.copy(evaluate)
    assert other.last_used is None
    for _ in range(EAGER):
        other(content)
    assert other._given.recordings == 2
    assert other._recording is not evaluate._recording


@pytest.mark.parametrize("ambient", [torch.no_grad, torch.inference_mode])
def test_it_evaluates_whatever_the_grad_mode_is(content, style, ambient):
    objective, recorder = objective_of(content, style), Recorder()
    exact, evaluate = Evaluator(objective)(content.flip(-1)), Evaluator(objective, recorder)
    with ambient():
        image = content.flip(-1)
        for _ in range(EAGER + 2):
            terms, gradient = evaluate(image)
            torch.testing.assert_close(terms.total, exact[0].total)
            torch.testing.assert_close(gradient, exact[1])
            assert not gradient.is_inference()
    assert recorder.recordings == 1


class Cuda:
    """In place of torch.cuda: only the stream of this thread, and captures that fail where they are told to."""

    def __init__(self, fails=""):
        self.stream_now, self.fails = "the notebook's", fails

    def install(self, monkeypatch):
        cuda = self
        monkeypatch.setattr(torch.cuda, "device", contextlib.nullcontext)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: Stream("side"))
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream(cuda.stream_now))
        monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: setattr(cuda, "stream_now", stream.name))
        monkeypatch.setattr(torch.cuda, "stream", self._on)
        monkeypatch.setattr(torch.cuda, "graph", self._graph)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)

    @contextlib.contextmanager
    def _on(self, stream):
        before, self.stream_now = self.stream_now, stream.name
        yield
        self.stream_now = before

    @contextlib.contextmanager
    def _graph(self, graph, stream, capture_error_mode):
        before, self.stream_now = self.stream_now, stream.name
        yield  # as torch's: after an error, the stream is not set back
        if self.fails == "end":
            raise RuntimeError("capture_end failed")
        self.stream_now = before


class Stream:
    def __init__(self, name):
        self.name = name

    def wait_stream(self, stream): ...


class Graph:
    def replay(self): ...


@pytest.mark.parametrize("fails", ["", "warm-up", "work", "end"])
def test_after_a_recording_the_thread_is_on_its_own_stream_again(monkeypatch, fails):
    cuda, runs = Cuda(fails), []
    cuda.install(monkeypatch)

    def work():
        runs.append(cuda.stream_now)
        if fails == {1: "warm-up", 3: "work"}.get(len(runs)):
            raise RuntimeError(f"{fails} failed")
        return torch.zeros(5, 1), torch.zeros(1, 3, 4, 4)

    context = pytest.raises(RuntimeError, match="failed") if fails else contextlib.nullcontext()
    with context:
        recording.record_on_cuda(torch.device("cuda", 0), work)
    assert set(runs) == {"side"}
    assert cuda.stream_now == "the notebook's"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_step_never_waits_for_a_number_from_the_device(content, style, precision):
    run = nst.Run(objective_of(content, style, precision), "noise", "lbfgs", memory=2)
    for _ in range(4):
        with Tape():
            run.step()


def test_a_step_through_a_blur_copies_nothing_to_the_device(content, style):
    """From the memory of the CPU, that is: it would make the GPU wait, and cannot be recorded."""
    run = nst.Run(nst.Objective(nst.FeatureExtractor("tiny", "blur", device="cpu"), content, style), "noise")
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
    assert recorded.last_used is not None


def test_recording_is_for_gpus_alone(content, style):
    assert Evaluator(objective_of(content, style))._record is None
