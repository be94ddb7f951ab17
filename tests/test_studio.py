"""The studio at the kernel's side: controls are moved and pressed, the run follows, and the line tells the truth."""

from datetime import UTC, datetime
from io import BytesIO

import pytest
import torch

import nstlib as nst
from nstlib import live
from nstlib.live import drivers
from nstlib.live.choices import PRESETS
from nstlib.live.snapshots import default_folder

SMALL = {"size": 48, "backbone": "tiny", "device": "cpu"}


@pytest.fixture(autouse=True)
def none_left_open():
    yield
    drivers.close_all()


@pytest.fixture
def make(tmp_path):
    return lambda **options: live.studio("chelsea", "coffee", driver="none", folder=tmp_path, **{**SMALL, **options})


def run_line(line):
    return eval(line.removesuffix(")") + ", progress=False)", {"nst": nst})


def png_of(picture):
    file = BytesIO()
    nst.to_pil(picture).save(file, "PNG")
    return file.getvalue()


def upload(control, name, data):
    """Give a FileUpload a file, as the page of ipywidgets 8 or 7 does."""
    if isinstance(control.value, dict):
        control.set_trait("value", {name: {"metadata": {"name": name}, "content": data}})
    else:
        file = {"name": name, "type": "image/png", "size": len(data), "last_modified": datetime.now(UTC)}
        control.value = ({**file, "content": memoryview(data)},)


MOVES = {
    "alpha": (0.5, lambda objective: objective.alpha.item()),
    "beta": (150.0, lambda objective: objective.beta.item()),
    "tv": (2.0, lambda objective: objective.tv.item()),
    "relu3_1": (0.75, lambda objective: objective.style_layers["relu3_1"].item()),
}


@pytest.mark.parametrize("name", MOVES)
def test_a_slider_acts_on_the_next_step_and_no_target_is_computed(make, name, monkeypatch):
    made = make().run(2)
    run, (value, read) = made.engine.run, MOVES[name]
    targets = run.objective.style_target, run.objective.content_target
    made.controls[name].value = value
    made._step.click()
    assert read(run.objective) == pytest.approx(value)
    assert made.engine.run is run
    assert run.taken == 3
    assert targets[0] is run.objective.style_target
    assert targets[1] is run.objective.content_target


def test_a_page_that_rounds_a_slider_to_its_steps_is_not_taken_for_a_hand(make):
    made = make(beta=20, style_layers={"relu1_1": 1 / 3, "relu2_1": 2 / 3}).run(2)
    made.controls["beta"].value = 10**1.3  # the step that is nearest to 20
    made.controls["relu1_1"].value = 0.35
    made.run(1)
    assert made.engine.faithful
    assert made.settings()["beta"] == 20
    assert made.settings()["style_layers"] == {"relu1_1": 0.3333, "relu2_1": 0.6667}
    made.controls["beta"].value = 10**1.35
    assert made.settings()["beta"] == pytest.approx(22.39)


def test_the_learning_rate_acts_on_the_next_step(make):
    made = make(optimizer="adam").run(2)
    assert made.controls["lr"].value == pytest.approx(0.02)
    made.controls["lr"].value = 0.1
    made._step.click()
    assert made.engine.run.lr == pytest.approx(0.1)


def test_another_style_swaps_its_own_target_only(make):
    made = make().run(2)
    run, content_target = made.engine.run, made.engine.run.objective.content_target
    before = run.image
    made.thumbnails["mosaic"].click()
    assert made.engine.run is run
    assert run.objective.content_target is content_target
    assert torch.equal(run.image, before)
    torch.testing.assert_close(run.objective.style, nst.load_image("mosaic", 48))
    assert made.thumbnails["mosaic"].button_style == "primary"


def test_another_size_resamples_the_picture_and_goes_on(make):
    made = make().run(3)
    made.controls["size"].value = 128
    made.run(1)
    assert max(made.image.shape) == 128
    assert made.engine.run.taken == 4
    assert max(made.engine.run.objective.style.shape) == 128


def test_another_content_of_another_shape_goes_on(make):
    made = make().run(3)
    made.controls["content"].value = "astronaut"
    made.run(1)
    assert made.image.shape[-2:] == (48, 48)
    assert made._picture.layout.height == made._picture.layout.width


def test_another_content_layer_optimizer_and_backbone_go_on_from_the_picture(make):
    made = make().run(3)
    made.controls["content_layer"].value = next(
        value for label, value in made.controls["content_layer"].options if label == "relu2_1"
    )
    before = made.image
    made.controls["optimizer"].value = "adam"
    assert made.controls["lr"].value == pytest.approx(0.02)
    made.controls["backbone"].value = "mini"
    assert torch.equal(made.image, before)
    made.run(2)
    assert made.engine.run.taken == 5
    assert list(made.engine.run.objective.content_layers) == ["relu2_1"]
    assert made.engine.run.objective.extract.backbone.name == "mini"


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_the_line_gives_the_picture_of_a_reset_and_as_many_steps(make, optimizer):
    made = make().run(3)
    made.controls["beta"].value = 77.7
    made.controls["tv"].value = 0.123456789
    made.controls["relu2_1"].value = 0.35
    made.controls["optimizer"].value = optimizer
    made.controls["init"].value = "noise"
    made.controls["style"].value = "mosaic"
    made.run(2)
    assert "has a history" in made._line_note.value
    assert not torch.equal(run_line(made.call()), made.engine.run.image)
    made._reset.click()
    made.run(6)
    assert "gives this picture" in made._line_note.value
    assert made._line.value == made.call()
    assert "steps=6" in made.call()
    assert torch.equal(run_line(made.call()), made.engine.run.image)


def test_the_line_keeps_what_no_control_shows(make):
    made = make(pooling="max", normalization="paper", beta=1e6, seed=3, init="noise", style_size=40).run(3)
    line = made.call()
    for part in ("pooling='max'", "normalization='paper'", "beta=1000000.0", "seed=3", "init='noise'", "style_size=40"):
        assert part in line
    assert torch.equal(run_line(line), made.engine.run.image)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_moves_all_its_sliders_at_once(make, preset):
    made = make()
    made.preset.value = preset
    alpha, beta, tv, layers = PRESETS[preset]
    objective = made.engine.run.objective
    assert [objective.weights[name].item() for name in ("alpha", "beta", "tv")] == pytest.approx([alpha, beta, tv])
    assert [weight.item() for weight in objective.style_layers.values()] == pytest.approx(list(layers))
    made.run(2)
    assert made.driver.error == ""


def test_undo_brings_settings_controls_and_picture_back(make):
    made = make().run(3)
    before, settings = made.image, made.settings()
    made.preset.value = "large shapes"
    made.run(2)
    made.controls["optimizer"].value = "adam"
    made.run(2)
    made._undo.click()
    assert made.settings()["optimizer"] == "lbfgs"
    made._undo.click()
    assert made.settings() == settings
    assert torch.equal(made.image, before)
    assert made.engine.run.taken == 3
    made._undo.click()
    assert "nothing to undo" in made._facts.value


def test_a_snapshot_goes_to_the_strip_and_to_a_file_with_its_settings(make, tmp_path):
    made = make().run(3)
    made._snap.click()
    made._snap.click()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["studio_chelsea_coffee_3.png", "studio_chelsea_coffee_3_2.png"]
    facts = live.read_settings(tmp_path / files[0])
    assert facts["steps"] == 3
    assert facts["settings"]["beta"] == 10
    assert made._strip.value.count('download="studio_chelsea_coffee_3.png"') == 2
    assert made._strip.value.count('alt="Snapshot at step 3"') == 2
    options = {name: value for name, value in facts["settings"].items() if name not in ("content", "style")}
    again = nst.stylize("chelsea", "coffee", steps=3, progress=False, **options)
    assert torch.equal((again[0] * 255).round().to(torch.uint8), made.engine.shown)


@pytest.mark.parametrize("kind", ["content", "style"])
def test_an_uploaded_picture_is_used_and_named_in_the_line(make, kind):
    made, mine = make().run(1), nst.load_image("rocket", 40)
    upload(made._uploads[kind], "mine.png", png_of(mine))
    made.run(1)
    picture = getattr(made.engine.run.objective, kind)
    torch.testing.assert_close(picture, nst.load_image(nst.to_pil(mine), 48))
    assert "'mine.png'" in made.call()
    assert "needs your file mine.png" in made._line_note.value
    made._undo.click()
    assert made.controls[kind].label == {"content": "chelsea", "style": "coffee"}[kind]


def test_an_upload_that_is_no_picture_pauses_and_says_so(make):
    made = make().run(1)
    upload(made._uploads["style"], "notes.txt", b"no picture at all")
    assert not made.driver.running
    assert "notes.txt cannot be read as a picture" in made._facts.value
    made.thumbnails["swirls"].click()
    made._start.click()
    assert made.driver.running
    assert made.driver.reason == ""


def test_a_picture_in_memory_can_be_the_content(content):
    made = live.studio(content, "coffee", driver="none", folder=None, **SMALL).run(1)
    assert "'content.png'" in made.call()
    made._snap.click()
    assert "Snapshot at step 1" in made._strip.value


def test_out_of_memory_offers_a_smaller_size_which_goes_on(make, monkeypatch):
    made = make(size=192)
    update = made.engine.run._update

    def fail():
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made.engine.run, "_update", fail)
    made._step.click()
    assert made._smaller.description == "Go on at 128 pixels"
    assert made._smaller.layout.display != "none"
    monkeypatch.setattr(made.engine.run, "_update", update)
    made._smaller.click()
    made._step.click()
    assert max(made.image.shape) == 128
    assert made.engine.run.taken == 1
    assert made._smaller.layout.display == "none"


def test_every_control_is_named_and_every_picture_described(make):
    made = make()
    widgets = [made.preset, *made.controls.values(), *made.thumbnails.values(), *made._uploads.values(), made._line]
    widgets += [made._start, made._step, made._reset, made._undo, made._snap]
    assert len({widget.description for widget in widgets}) == len(widgets)
    assert all(widget.description for widget in widgets)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beta": 0.0}, "beta is 0.0; a slider needs one number above 0"),
        ({"init": "nothing"}, "init is 'nothing'; the studio starts from one of"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; choose one of"),
        ({"size": -1}, "size is -1"),
    ],
)
def test_options_that_cannot_work_are_refused_in_words(make, options, words):
    with pytest.raises(nst.InputError, match=words):
        make(**options)


def test_on_a_page_for_a_class_nothing_is_written(monkeypatch):
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5")
    assert default_folder() is None
    monkeypatch.delenv("SERVER_SOFTWARE")
    assert default_folder().parts[-2:] == ("img", "results")
