"""Live pictures at the kernel's side: widgets are moved and pressed, and the engine follows."""

import time

import numpy as np
import pytest
import torch
from PIL import Image

import nstlib as nst
from nstlib import live
from nstlib.live import drivers, panel, sketch
from nstlib.live.curves import TERMS, Curves

LAYERS = ["relu1_1", "relu2_1", "relu3_1"]


@pytest.fixture(autouse=True)
def none_left_open():
    yield
    drivers.close_all()


@pytest.fixture
def shown(monkeypatch):
    """What `display` was given: (data, metadata)."""
    given = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, raw=False, metadata=None: given.append((data, metadata))
    )
    return given


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def objective_of(extract, content, style):
    return nst.Objective(extract, content, style)


@pytest.fixture(params=["reconstruct", "texture", "balance"])
def small(request, extract, content, style):
    make = {
        "reconstruct": lambda: live.reconstruct(extract, content, LAYERS, driver="none"),
        "texture": lambda: live.texture(extract, style, LAYERS, driver="none"),
        "balance": lambda: live.balance(objective_of(extract, content, style), driver="none"),
    }
    return make[request.param]


def test_it_starts_paused_and_takes_no_step_by_itself(small):
    picture = small()
    assert picture.engine.run.taken == 0
    assert not picture.driver.running
    assert picture._start.description == "Start"


def test_it_shows_a_widget_and_beside_it_a_still_with_a_description(small, shown):
    small().run(2)._ipython_display_()
    (data, metadata) = shown[0]
    assert set(data) == {panel.VIEW, "image/jpeg", "text/plain"}
    assert data[panel.VIEW]["model_id"]
    assert "at step 2" in metadata["image/jpeg"]["alt"]


def test_in_colab_the_still_does_not_stand_before_the_widget(small, shown, monkeypatch):
    monkeypatch.setattr(panel, "in_colab", lambda: True)
    small()._ipython_display_()
    assert set(shown[0][0]) == {panel.VIEW, "text/plain"}


def test_the_buttons_step_reset_start_and_pause(small):
    picture = small()
    picture._step.click()
    picture._step.click()
    assert picture.engine.run.taken == 2
    assert 'data-taken="2"' in picture._facts.value
    picture._reset.click()
    assert picture.engine.run.taken == 0
    picture._start.click()
    assert picture.driver.running
    assert picture._start.description == "Pause"
    picture._start.click()
    assert not picture.driver.running
    assert 'data-state="paused"' in picture._facts.value


def test_the_picture_on_the_page_is_the_picture_of_the_run(small):
    picture = small().run(3)
    assert picture._picture.value == panel.encoded(nst.to_pil(picture.engine.run.image))
    height, width = picture.image.shape[-2:]
    assert (picture._picture.width, picture._picture.height) == (str(width), str(height))


def test_the_curves_hold_every_term_and_a_description(small):
    picture = small()
    assert "no step yet" in picture._curves.value
    picture.run(3)
    assert 'aria-label="Curves of the losses up to step 3' in picture._curves.value
    assert picture._curves.value.count("<polyline") >= 2


def test_every_control_and_button_is_named(small):
    picture = small()
    for control in (*picture.controls.values(), picture._start, picture._step, picture._reset):
        assert control.description
        assert not control.disabled
        assert control.tabbable is not False if hasattr(control, "tabbable") else True


def test_run_takes_a_whole_number(small):
    with pytest.raises(nst.InputError, match="steps is 0; expected a whole number"):
        small().run(0)


def test_another_layer_is_reconstructed_from_the_start(extract, content):
    picture = live.reconstruct(extract, content, LAYERS, driver="none").run(4)
    start = nst.Run(nst.Objective(extract, content, content_layers=["relu3_1"]), "noise")
    picture.controls["layer"].value = "relu3_1"
    assert picture.engine.run.taken == 0
    assert torch.equal(picture.engine.run.image, start.image)
    picture.run(5)
    list(start.steps(5, progress=False))
    assert torch.equal(picture.engine.run.image, start.image)


def test_ticks_choose_the_layers_of_a_texture_which_goes_on(extract, style):
    picture = live.texture(extract, style, LAYERS, driver="none").run(3)
    objective = picture.engine.run.objective
    assert {name: weight.item() for name, weight in objective.style_layers.items()} == pytest.approx(
        dict.fromkeys(LAYERS, 1 / 3)
    )
    picture.controls["relu1_1"].value = False
    picture.run(1)
    assert objective.style_layers["relu1_1"].item() == 0
    assert objective.style_layers["relu2_1"].item() == 0.5
    assert picture.engine.run.taken == 4
    assert picture.image.shape[-2:] == style.shape[-2:]


def test_a_texture_starts_with_the_layers_of_weight(extract, style):
    picture = live.texture(extract, style, {"relu1_1": 1.0, "relu2_1": 0.0}, driver="none")
    assert picture.settings() == {"relu1_1": True, "relu2_1": False}
    assert picture.run(1).engine.run.objective.style_layers["relu2_1"].item() == 0


def test_a_texture_without_any_tick_waits(extract, style):
    picture = live.texture(extract, style, ["relu1_1"], driver="none")
    picture.controls["relu1_1"].value = False
    picture.run(3)
    assert picture.driver.error == ""


def test_the_pad_follows_the_sliders_and_so_does_the_objective(extract, content, style):
    objective = objective_of(extract, content, style)
    picture = live.balance(objective, driver="none").run(2)
    before = picture._beside[0].value
    picture.controls["beta"].value = 200.0
    picture.controls["alpha"].value = 0.1
    picture.run(1)
    assert objective.beta.item() == pytest.approx(200)
    assert objective.alpha.item() == pytest.approx(0.1)
    assert picture._beside[0].value != before
    assert "a ratio beta / alpha of 2e+03" in picture._beside[0].value
    assert 'data-beta="200.0"' in picture._facts.value


@pytest.mark.parametrize(("weights", "words"), [({"beta": 0.0}, "beta is"), ({"alpha": [1.0, 2.0]}, "alpha is")])
def test_a_slider_needs_one_weight_above_zero(extract, content, style, weights, words):
    with pytest.raises(nst.InputError, match=words):
        live.balance(nst.Objective(extract, content, style, **weights))


def test_wrong_layers_are_refused_in_words(extract, content):
    with pytest.raises(nst.LayerNotFound, match="conv9_9"):
        live.reconstruct(extract, content, ["conv9_9"])
    with pytest.raises(nst.InputError, match="no layer"):
        live.reconstruct(extract, content, [])
    with pytest.raises(nst.InputError, match="driver is 'fast'; choose one of: auto, thread, pump, none"):
        live.reconstruct(extract, content, LAYERS, driver="fast")


def test_outside_of_a_kernel_nothing_runs_by_itself(extract, content):
    picture = live.reconstruct(extract, content, LAYERS)
    assert type(picture.driver) is drivers.Driver


def test_the_page_that_plays_pumps(extract, style):
    picture = live.texture(extract, style, LAYERS, driver="pump")
    picture._start.click()
    assert getattr(picture._clock, panel.PLAYING)
    picture._clock.value += 1  # what the page does ten times a second
    assert picture.engine.run.taken > 0
    picture._start.click()
    assert not getattr(picture._clock, panel.PLAYING)


def test_a_thread_shows_what_it_does_and_hears_the_page(extract, style):
    picture = live.texture(extract, style, LAYERS, driver="thread")
    picture._start.click()
    until(lambda: 'data-state="running"' in picture._facts.value)
    heard = picture.driver._seen
    picture._clock.value += 1
    assert picture.driver._seen > heard
    first = picture._picture.value
    until(lambda: picture._picture.value != first)
    picture._start.click()
    until(lambda: 'data-state="paused"' in picture._facts.value)
    assert picture.driver.error == ""


def test_the_cell_can_run_again(extract, style):
    first = live.texture(extract, style, LAYERS, driver="thread")
    first._start.click()
    second = live.texture(extract, style, LAYERS, driver="thread")
    assert first.driver.closed
    assert "run again" in first._facts.value
    assert not second.driver.running


def test_a_scrubber_turns_the_pages(content, style, shown):
    run = nst.Run(nst.Objective(nst.FeatureExtractor("tiny", device="cpu"), content, style), snapshot_every=2)
    list(run.steps(6, progress=False))
    scrubber = live.scrub(run.snapshots)
    last = scrubber._shown.value
    assert scrubber.slider.label == "step 6"
    scrubber.slider.value = 0
    assert scrubber.slider.label == "step 0"
    assert scrubber._shown.value != last
    scrubber._ipython_display_()
    assert shown[0][1]["image/jpeg"]["alt"] == "One of 4 pictures under a slider: step 0"


def test_a_scrubber_takes_titles_and_refuses_wrong_ones(content):
    assert live.scrub([content, 1 - content], ["as it is", "inverted"]).slider.label == "inverted"
    with pytest.raises(nst.InputError, match="there are 1 pictures, but 2 titles"):
        live.scrub([content], ["a", "b"])
    with pytest.raises(nst.InputError, match="no picture"):
        live.scrub([])


def test_arguments_that_mean_nothing_are_refused_in_words(extract, content):
    for call, words in [
        (lambda: live.reconstruct("mini", content, LAYERS), "extract is 'mini'; expected an instance of"),
        (lambda: live.reconstruct(extract, None, LAYERS), "content is None; give a picture"),
        (lambda: live.texture(extract, None, LAYERS), "style is None; give a picture"),
        (lambda: live.balance(content), "expected an instance of Objective"),
        (lambda: live.scrub(5), "frames is 5; expected pictures"),
        (lambda: live.scrub("village"), "frames is 'village'; expected pictures"),
        (lambda: live.scrub([content, content], "ab"), "titles is 'ab'; expected a list"),
        (lambda: live.Upload(content=None), "content is None; give a picture"),
        (lambda: live.read_settings(5), "5 is not a snapshot"),
    ]:
        with pytest.raises(nst.InputError, match=words):
            call()


def test_one_layer_can_be_a_name_and_steps_a_number_of_numpy(extract, content, style):
    assert live.reconstruct(extract, content, "relu1_1", driver="none").run(np.int64(2)).engine.run.taken == 2
    assert live.texture(extract, style, "relu1_1", driver="none").settings() == {"relu1_1": True}
    assert live.scrub(iter([content, content])).slider.label == "step 2"


def test_a_layer_that_cannot_begin_is_taken_back(extract, content, monkeypatch):
    picture = live.reconstruct(extract, content, LAYERS, driver="none").run(2)

    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr("nstlib.live.small.Run", fail)
        picture.controls["layer"].value = "relu3_1"
    assert picture.controls["layer"].value == "relu1_1"
    assert list(picture.engine.run.objective.content_layers) == ["relu1_1"]
    assert "out of memory" in picture._facts.value
    picture.run(1)
    assert picture.engine.run.taken == 3


def test_a_still_of_losses_that_are_no_numbers_is_drawn():
    curves = Curves()
    curves.add(1, {name: np.full(5, np.nan) for name in TERMS})
    picture = sketch.still(Image.new("RGB", (30, 20)), "broken", [("beta", "1", 0.5)], curves)
    assert picture.width == 860
    assert "curves follow" in sketch.curves_svg(curves)


def test_live_pictures_from_a_cell_in_inference_mode_step(extract, content, style):
    objective = objective_of(extract, content, style)
    with torch.inference_mode():
        pictures = [
            live.reconstruct(extract, content, LAYERS, driver="none").run(2),
            live.texture(extract, style, LAYERS, driver="none").run(2),
            live.balance(objective, driver="none").run(2),
        ]
    assert [picture.run(1).engine.run.taken for picture in pictures] == [3, 3, 3]


def test_a_studio_can_begin_with_what_a_network_paints_in_one_pass():
    studio = live.studio("village", "swirls", init="fast", size=192)
    painted = nst.fast("village", "swirls", size=192)
    assert (studio.image.cpu() - painted).abs().max() < 0.06  # half precision, where it is fast
    assert studio.controls["init"].value == "fast"
    assert "init='fast'" in studio.call()
    studio.close()
