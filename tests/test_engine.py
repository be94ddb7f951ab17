"""The live engine without widgets: what a hand wants is taken up at the next step, and nothing is lost or doubled."""

import os
import signal
import threading
import time

import pytest
import torch

import nstlib as nst
from nstlib.live import drivers, sharing
from nstlib.live import engine as engines
from nstlib.live.curves import TERMS, Curves
from nstlib.live.drivers import Driver, Pump, Thread
from nstlib.live.engine import INTERRUPTED, Engine
from nstlib.live.pace import AHEAD, Pace
from nstlib.live.sharing import turn
from nstlib.live.snapshots import read_settings

PATIENT = 20.0  # seconds that a condition may take on a busy machine


@pytest.fixture(autouse=True)
def none_left_open():
    yield
    drivers.close_all()


@pytest.fixture
def objective(extract, content, style):
    return nst.Objective(extract, content, style)


@pytest.fixture
def make(objective):
    """Make an engine that steers beta and the learning rate."""

    def adopt(run, settings, changed):
        objective.beta = settings["beta"]
        run.lr = settings["lr"]
        return run

    def begin(settings):
        objective.beta = settings["beta"]
        return nst.Run(objective, "content", "adam", lr=settings["lr"])

    return lambda: Engine({"beta": 20.0, "lr": 0.02}, begin, adopt)


def until(condition):
    end = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def test_a_value_that_is_set_acts_on_the_next_step_and_nothing_restarts(make, objective):
    engine = make()
    run = engine.run
    engine.work(0, count=5)
    engine.set(beta=300.0)
    assert objective.beta.item() == 20  # only noted
    engine.work(0, count=1)
    assert objective.beta.item() == 300
    assert engine.run is run
    assert run.taken == 6
    assert list(engine.curves.changes) == [5]


def test_a_value_set_during_a_slice_acts_within_it(make, objective, monkeypatch):
    engine, betas = make(), []
    update = engine.run._update

    def step():
        betas.append(objective.beta.item())
        if len(betas) == 3:
            engine.set(beta=99.0)
        return update()

    monkeypatch.setattr(engine.run, "_update", step)
    engine.work(0, count=5)
    assert betas == [20, 20, 20, 99, 99]


def test_the_same_steps_as_a_plain_run(make, objective):
    engine = make()
    engine.work(0, count=12)
    plain = nst.Run(objective, "content", "adam")
    list(plain.steps(12, progress=False))
    assert torch.equal(engine.run.image, plain.image)
    assert engine.curves.steps == list(range(1, 13))
    assert engine.curves.values["style"] == pytest.approx(plain.history["style"].tolist())
    assert torch.equal(engine.shown, (plain.image[0] * 255).round().to(torch.uint8))


def test_an_unknown_setting_is_refused_by_name(make):
    with pytest.raises(nst.InputError, match="there is no setting 'gamma'; there are beta, lr"):
        make().set(gamma=1.0)


def test_reset_begins_anew_with_the_settings_as_they_are(make, objective):
    engine = make()
    engine.work(0, count=5)
    engine.set(beta=5.0)
    engine.reset()
    engine.work(0, stepping=False)
    assert engine.run.taken == 0
    assert engine.curves.steps == []
    assert torch.equal(engine.run.image, objective.content)
    assert objective.beta.item() == 5


def test_undo_goes_back_to_the_settings_and_the_picture_before_the_change(make, objective):
    engine = make()
    engine.work(0, count=5)
    before = engine.shown.clone()
    engine.set(beta=300.0)
    engine.set(beta=400.0)  # one move of one slider
    engine.work(0, count=5)
    assert not torch.equal(engine.shown, before)
    assert engine.undo() == {"beta": 20.0, "lr": 0.02}
    engine.work(0, stepping=False)
    assert torch.equal(engine.shown, before)
    assert engine.run.taken == 5
    assert objective.beta.item() == 20
    assert engine.undo() is None


def test_undo_takes_back_a_reset(make):
    engine = make()
    engine.work(0, count=5)
    before = engine.shown.clone()
    engine.reset()
    engine.work(0, stepping=False)
    assert engine.run.taken == 0
    engine.undo()
    engine.work(0, stepping=False)
    assert torch.equal(engine.shown, before)


def test_changes_of_different_settings_are_undone_one_by_one(make):
    engine = make()
    engine.set(beta=1.0)
    engine.set(lr=0.5)
    assert engine.undo() == {"beta": 1.0, "lr": 0.02}
    assert engine.undo() == {"beta": 20.0, "lr": 0.02}


def test_it_is_faithful_until_something_changes_and_again_after_a_reset(make):
    engine = make()
    engine.work(0, count=2)
    assert engine.faithful
    engine.set(beta=1.0)
    engine.work(0, count=1)
    assert not engine.faithful
    engine.reset()
    engine.work(0, stepping=False)
    assert engine.faithful


def test_a_snapshot_is_a_png_with_its_settings_inside(make, tmp_path):
    engine = make()
    engine.work(0, count=3)
    engine.snapshot()
    engine.work(0, stepping=False)
    snapshot = engine.snapshots[0]
    assert read_settings(snapshot.png) == {"settings": {"beta": 20.0, "lr": 0.02}, "steps": 3, "faithful": True}
    (tmp_path / "kept.png").write_bytes(snapshot.png)
    assert read_settings(tmp_path / "kept.png")["steps"] == 3
    kept = (nst.load_image(tmp_path / "kept.png")[0] * 255).round().to(torch.uint8)
    assert torch.equal(kept, engine.shown)


@pytest.mark.parametrize("data", [b"", b"no picture", None])
def test_settings_of_something_else_are_refused(data, tmp_path, content):
    path = tmp_path / "other.png"
    nst.save_image(content, path) if data is None else path.write_bytes(data)
    with pytest.raises(nst.InputError, match="is not a snapshot"):
        read_settings(path)


def test_only_the_last_snapshots_are_kept(make):
    engine = make()
    for _ in range(engines.SNAPSHOTS + 3):
        engine.snapshot()
        engine.work(0, count=1)
    assert [snapshot.taken for snapshot in engine.snapshots] == list(range(3, engines.SNAPSHOTS + 3))


def test_curves_stay_bounded_and_evenly_spread(make):
    curves, step = Curves(limit=16), 1
    for length in (1, 5, 3, 40, 200, 7, 1000):
        values = torch.arange(step, step + length, dtype=torch.float32).numpy()
        curves.add(step, dict.fromkeys(TERMS, values))
        step += length
    assert 8 <= len(curves.steps) <= 16
    assert len({b - a for a, b in zip(curves.steps, curves.steps[1:], strict=False)}) == 1
    assert curves.values["total"] == [float(step) for step in curves.steps]


def test_what_a_long_run_keeps_does_not_grow(make):
    engine = make()
    engine.work(0, count=30)
    engine.work(0, count=30)
    assert len(engine.run.history) == 0
    assert len(engine.curves.steps) == 60
    for beta in range(40):
        engine.set(beta=float(beta + 1))
        engine._last_change = (frozenset(), 0.0)
    assert len(engine._moments) == engines.UNDOS


def test_a_run_that_cannot_get_better_says_so_and_goes_on_after_a_change(extract, content, style):
    objective = nst.Objective(extract, content, style, beta=0.0)

    def adopt(run, settings, changed):
        objective.beta = settings["beta"]
        return run

    engine = Engine({"beta": 0.0}, lambda settings: nst.Run(objective), adopt)
    assert engine.work(0, count=200).startswith("converged")
    taken = engine.run.taken
    assert taken < 200
    engine.set(beta=50.0)
    assert engine.work(0, count=5) == ""
    assert engine.run.taken == taken + 5


def test_a_loss_that_hardly_falls_counts_as_converged(make, monkeypatch):
    monkeypatch.setattr(engines, "PATIENCE", 10)
    engine = make()
    engine.set(lr=1e-9)
    found = [engine.work(0, count=10) for _ in range(2)]
    assert found[0] == ""
    assert found[1].startswith("converged: 10 steps changed the loss by less than 0.1%")


def test_a_driver_of_its_own_does_only_what_it_is_told(make):
    shown = []
    driver = Driver(make(), lambda: shown.append(driver.engine.run.taken))
    driver.start()
    driver.step()
    driver.step(3)
    assert shown == [0, 1, 4]


@pytest.mark.parametrize("kind", [Driver, Pump, Thread])
def test_an_error_pauses_is_shown_and_does_not_hide_the_picture(make, monkeypatch, kind):
    driver = kind(make())
    before = driver.engine.shown

    def fail(*_):
        raise ZeroDivisionError("on purpose")

    update = driver.engine.run._update
    monkeypatch.setattr(driver.engine.run, "_update", fail)
    driver.start()
    driver.step()
    until(lambda: driver.error)
    assert not driver.running
    assert driver.reason == "ZeroDivisionError: on purpose"
    assert "on purpose" in driver.error
    assert torch.equal(driver.engine.shown, before)
    monkeypatch.setattr(driver.engine.run, "_update", update)
    driver.start()
    driver.step()
    until(lambda: driver.engine.run.taken)
    assert driver.error == ""


def test_out_of_memory_pauses_and_is_told_apart(make, monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    driver = Driver(make())
    monkeypatch.setattr(driver.engine.run, "_update", fail)
    driver.step()
    assert driver.too_large
    assert "use a smaller size" in driver.reason


def test_out_of_memory_in_a_change_is_explained_too(extract, content):
    def adopt(run, settings, changed):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    engine = Engine({"size": 1}, lambda settings: nst.Run(nst.Objective(extract, content)), adopt)
    engine.set(size=2)
    with pytest.raises(nst.OutOfMemory, match="use a smaller size"):
        engine.work(0)
    assert engine.settings == {"size": 1}  # not taken up: the next attempt tries again


def test_a_thread_runs_follows_pauses_and_ends(make, objective):
    driver = Thread(make())
    engine = driver.engine
    assert not driver.running
    driver.start()
    until(lambda: engine.run.taken > 3)
    engine.set(beta=77.0)
    until(lambda: objective.beta.item() == 77)
    driver.pause()
    engine.work(0, stepping=False)  # waits for the slice that was under way
    taken = engine.run.taken
    engine.set(beta=78.0)  # taken up while paused too, without a step
    driver.poke()
    until(lambda: objective.beta.item() == 78)
    assert engine.run.taken == taken
    driver.step(2)
    until(lambda: engine.run.taken == taken + 2)
    driver.close()
    assert not driver._thread.is_alive()


def test_the_loop_steps_with_gradients_whatever_the_kernel_is_set_to(make):
    with torch.no_grad():
        driver = Driver(make())
        driver.step(2)
    assert driver.error == ""


def test_a_thread_pauses_when_nobody_watches_and_goes_on_when_somebody_does(make, monkeypatch):
    monkeypatch.setattr(drivers, "SILENCE", 0.2)
    driver = Thread(make())
    driver.start()
    until(lambda: not driver.running)
    assert driver.unwatched
    assert driver.reason.startswith("nobody watches")
    driver.seen()
    until(lambda: driver.running or driver.unwatched)
    assert driver.engine.run.taken > 0


def test_silence_does_not_count_while_the_kernel_runs_a_cell(make, monkeypatch):
    monkeypatch.setattr(drivers, "SILENCE", 0.05)
    driver = Thread(make(), busy=lambda: True)
    driver.start()
    until(lambda: driver.engine.run.taken > 20)
    assert driver.running


def test_somebody_who_watches_does_not_start_what_was_paused_by_hand(make):
    driver = Thread(make())
    driver.seen()
    driver.start()
    driver.pause()
    driver.seen()
    assert not driver.running


def test_a_new_driver_closes_the_old_one_of_its_name_and_only_one_runs(make):
    first, other = Thread(make(), name="a"), Thread(make(), name="b")
    first.start()
    other.start()
    assert not first.running
    assert first.reason == "another picture runs"
    again = Thread(make(), name="a")
    assert first.closed
    assert not first._thread.is_alive()
    assert not again.closed
    first.start()  # its buttons may still be on a page
    assert not first.running
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("nstlib")]
    assert sorted(names) == ["nstlib a", "nstlib b"]


def test_a_pump_works_at_each_tick_while_it_runs(make):
    driver = Pump(make())
    driver.tick()
    assert driver.engine.run.taken == 0
    driver.start()
    driver.tick()
    taken = driver.engine.run.taken
    assert taken > 0
    driver.pause()
    driver.tick()
    assert driver.engine.run.taken == taken


def test_processes_take_turns_at_a_shared_device(make, monkeypatch, tmp_path):
    monkeypatch.setenv("NST_LIVE_LOCK", str(tmp_path / "turns"))
    driver = Thread(make())
    with turn():
        driver.start()
        assert not driver.engine.run.taken  # it waits
    until(lambda: driver.engine.run.taken)


def test_a_share_of_memory_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("NST_LIVE_MEMORY", "half")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(nst.InputError, match="NST_LIVE_MEMORY is 'half'; give a share from 0 to 1"):
        sharing.take_share()


def test_a_change_that_fails_is_taken_back_and_the_next_one_is_taken_up(make, objective, monkeypatch):
    engine = make()
    driver, adopt = Driver(engine), engine._adopt

    def fail(run, settings, changed):
        if settings["beta"] == 66.0:
            raise nst.ImageError("66 is too small.")
        return adopt(run, settings, changed)

    monkeypatch.setattr(engine, "_adopt", fail)
    engine.set(lr=0.5)
    driver.step()
    engine.set(beta=66.0)
    driver.poke()
    assert engine.wanted == engine.settings == {"beta": 20.0, "lr": 0.5}
    assert driver.reason == "66 is too small. The change was taken back."
    driver.step()
    assert engine.run.taken == 2
    assert engine.undo() == {"beta": 20.0, "lr": 0.02}  # the change that failed is none to be undone
    engine.set(beta=67.0)
    driver.step()
    assert objective.beta.item() == 67


def test_what_is_set_while_a_change_fails_is_still_wanted(make, monkeypatch):
    engine = make()

    def fail(run, settings, changed):
        engine.set(lr=0.3)
        raise nst.ImageError("too small")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "_adopt", fail)
        engine.set(beta=66.0)
        with pytest.raises(nst.ImageError):
            engine.work(0)
    assert engine.wanted == {"beta": 20.0, "lr": 0.3}
    engine.work(0)
    assert engine.run.lr == 0.3


@pytest.mark.parametrize("kind", [Driver, Pump, Thread])
def test_a_frame_that_cannot_be_shown_is_noted_and_ends_nothing(make, kind):
    shown = []

    def show():
        shown.append(1)
        if len(shown) == 1:
            raise ValueError("no page")

    driver = kind(make(), show)
    driver.start()
    until(lambda: driver.error)
    assert "no page" in driver.error
    assert driver.reason == "a frame could not be shown (ValueError: no page)"
    assert driver.running
    driver.step(3)
    until(lambda: len(shown) > 1 and driver.engine.run.taken >= 3)


class Device:
    """A stand-in for a GPU: takes commands at once, and is done with them only when somebody waits."""

    def __init__(self):
        self.handed_over, self.done, self.furthest = 0, 0, 0

    def mark(self):
        self.handed_over += 1
        self.furthest = max(self.furthest, self.handed_over - self.done)
        return Mark(self, self.handed_over)


class Mark:
    def __init__(self, device, place):
        self.device, self.place = device, place

    def synchronize(self):
        self.device.done = max(self.device.done, self.place)


def test_the_loop_never_runs_far_ahead_of_its_device(make, monkeypatch):
    device = Device()
    monkeypatch.setattr(engines, "marks_of", lambda _: device.mark)
    engine = make()
    engine.work(0, count=30)
    assert device.handed_over == 30
    assert device.furthest == AHEAD + 1  # the step that is handed over, and those before it
    assert device.handed_over - device.done == AHEAD  # which the frame waits for
    device.done = device.handed_over
    engine.set(beta=5.0)
    engine.work(0, count=3)
    assert device.furthest == AHEAD + 1


def test_a_device_that_has_done_its_work_when_a_call_returns_is_not_waited_for():
    pace = Pace(None)
    pace.step_taken()
    assert not pace._marks


@pytest.mark.parametrize("where", ["_update", "_look", "adopt"])
def test_an_interrupt_ends_the_work_in_order_and_nothing_is_lost(make, monkeypatch, where):
    engine, hit = make(), []
    target, name = (engine.run, "_update") if where == "_update" else (engine, {"adopt": "_adopt"}.get(where, where))
    real = getattr(target, name)

    def interrupt(*arguments):
        result = real(*arguments)
        if not hit:
            hit.append(os.kill(os.getpid(), signal.SIGINT))
        return result

    monkeypatch.setattr(target, name, interrupt)
    driver = Pump(engine)
    driver.start()
    engine.set(beta=33.0)
    for _ in range(3):
        driver.tick()
    assert not driver.running
    assert driver.reason == INTERRUPTED
    assert driver.error == ""
    assert engine.curves.steps == list(range(1, engine.run.taken + 1))
    taken = engine.run.taken
    driver.start()
    driver.tick()
    assert engine.run.taken > taken
    assert driver.running
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_loop_steps_in_inference_mode_and_with_other_defaults(extract, content, style):
    with torch.inference_mode():
        engine = Engine({}, lambda settings: nst.Run(nst.Objective(extract, content, style), "content", "adam"))
        engine.work(0, count=2)
    assert engine.run.taken == 2
    torch.set_default_dtype(torch.float64)
    try:
        engine.work(0, count=2)
    finally:
        torch.set_default_dtype(torch.float32)
    assert engine.run.image.dtype == torch.float32
    assert engine.run.taken == 4
