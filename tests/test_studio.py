"""The studio at the kernel's side: controls are moved and pressed, the run follows, and the line tells the truth."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from urllib.error import URLError

import numpy as np
import pytest
import torch

import nstlib as nst
from nstlib import backbones, live
from nstlib.control.colors import match_colors
from nstlib.control.regions import color_coded
from nstlib.live import drivers
from nstlib.live.choices import PRESETS, offered_backbones
from nstlib.live.engine import Engine
from nstlib.live.snapshots import default_folder
from nstlib.style_losses.sliced import Sliced

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
    assert made._picture.height == made._picture.width == "48"


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


def test_a_preset_leaves_the_layers_of_another_kind_of_network_as_they_are(make):
    made = make(backbone="resnet18", weights="random")
    assert [name for name in made.controls if name in made._layers] == ["relu", "layer1", "layer2", "layer3.0"]
    before = made.settings()["style_layers"]
    made.preset.value = "fine texture"
    assert made.settings()["style_layers"] == before
    assert made.engine.run.objective.beta.item() == 50
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
    assert "notes.txt: the file cannot be read as a picture" in made._facts.value
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
        ({"beta": 0.0}, "beta is \\[0.0\\]; a slider needs one number above 0"),
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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 128}, "at least"),
        ({"content": "astronaut", "content_layer": {"relu9_9": 1.0}}, "relu9_9"),  # half-way
        ({"content": "astronaut", "style": "not there"}, "not there"),
        ({"content_layer": {"relu9_9": 1.0}}, "relu9_9"),
        ({"content": "rocket", "backbone": "no such"}, "no such"),
    ],
)
def test_after_a_change_that_fails_settings_controls_and_run_are_what_they_were(make, content, change, words):
    strip = nst.to_pil(torch.rand(1, 3, 30, 900))
    made = live.studio("chelsea", strip, driver="none", folder=None, **{**SMALL, "size": 640}).run(2)
    settings, objective = made.settings(), made.engine.run.objective
    before = {"content": objective.content, "style": objective.style, "size": made.image.shape}
    with made._quietly():  # several at once, as undo does it
        for name, value in change.items():
            made.controls[name].options = [*made.controls[name].options, ("other", value)]
            made.controls[name].value = value
    made._changed(None)
    assert words in made._facts.value
    assert "The change was taken back" in made._facts.value
    assert made.settings() == settings == made.engine.settings == made.engine.wanted
    assert made.controls["size"].value == 640
    assert torch.equal(objective.content, before["content"])
    assert torch.equal(objective.style, before["style"])
    made.run(1)
    assert made.image.shape == before["size"]
    assert made.engine.run.taken == 3
    assert not made.driver.too_large


def test_out_of_memory_in_a_change_goes_back_and_offers_nothing_smaller(make, monkeypatch):
    made = make().run(1)
    objective, before = made.engine.run.objective, made.engine.run.objective.content

    def fail(picture):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(objective, "set_style", fail)
    made.controls["size"].value = 192
    assert "out of memory; use a smaller size" in made._facts.value
    assert made.controls["size"].value == 48
    assert torch.equal(objective.content, before)
    assert made._smaller.layout.display == "none"
    made.run(1)
    assert made.engine.run.taken == 2


def test_a_folder_that_cannot_be_written_costs_the_file_and_not_the_run(tmp_path):
    (tmp_path / "file").write_text("no folder")
    folder = tmp_path / "file" / "results"
    made = live.studio("chelsea", "coffee", driver="pump", folder=folder, **SMALL)
    assert "snapshots can only be saved from this page" in made._facts.value  # before anything is lost
    made._start.click()
    made.driver.tick()
    taken = made.engine.run.taken
    made._snap.click()
    assert made.driver.running
    assert "cannot be written to" in made._facts.value or "cannot be written to" in made._status()
    assert 'download="studio_chelsea_coffee_' in made._strip.value
    made.driver.tick()
    assert made.engine.run.taken > taken


def test_a_disk_that_fills_leaves_no_half_snapshot(make, tmp_path, monkeypatch):
    made = make().run(1)

    class Full(BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    def opened(path, mode):
        path.touch()
        return Full()

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", opened)
        made._snap.click()
    assert "No space left on device" in made._facts.value
    assert list(tmp_path.iterdir()) == []
    made._snap.click()
    assert [path.name for path in tmp_path.iterdir()] == ["studio_chelsea_coffee_1.png"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bta": 3}, "there is no option 'bta'; the nearest (is|are) .*beta"),
        ({"style_weight": 3}, "what other programs call style_weight is 'beta' here"),
        ({"imsize": 64}, "what other programs call imsize is 'size' here"),
        ({"learning_rate": 1}, "is 'lr' here"),
        ({"lr": 0}, "lr is 0; expected a finite number, above 0"),
        ({"lr": {0: 1.0}}, "lr is {0: 1.0}; expected"),
        ({"size": 2.5}, "size is 2.5; expected a whole number"),
        ({"size": True}, "size is True"),
        ({"folder": 5}, "folder is 5; give a path"),
        ({"quality": "fast"}, "quality is 'fast'; choose one of"),
        ({"style_layers": {"relu1_1": [1.0, 2.0]}}, "a slider needs one number"),
    ],
)
def test_arguments_that_mean_nothing_are_refused_in_words(options, words):
    with pytest.raises(nst.InputError, match=words):
        live.studio("chelsea", "coffee", driver="none", **{"folder": None, **SMALL, **options})


@pytest.mark.parametrize("pictures", [(None, "coffee"), ("chelsea", None)])
def test_a_picture_that_was_not_read_is_refused(pictures):
    with pytest.raises(nst.InputError, match="is None; give a picture"):
        live.studio(*pictures, driver="none", folder=None, **SMALL)


def test_sizes_of_numpy_and_the_contents_own(content):
    assert live.studio("chelsea", "coffee", driver="none", folder=None, **{**SMALL, "size": np.int64(48)}).run(1)
    made = live.studio(content, "coffee", driver="none", folder=None, **{**SMALL, "size": None}).run(np.int64(2))
    assert made.engine.run.taken == 2
    assert made.image.shape == content.shape
    assert f"size={max(content.shape)}" in made.call()


def test_one_layer_can_be_a_name(make):
    made = make(style_layers="relu2_1", content_layers="relu3_1").run(1)
    assert made.engine.settings["style_layers"] == {"relu2_1": 1.0}


def test_a_quality_gives_its_optimizer_and_a_line_that_tells_the_truth(make):
    made = make(quality="good").run(3)
    assert made.settings()["optimizer"] == "adam"
    assert made.settings()["lr"] == pytest.approx(0.05)
    made._reset.click()
    made.run(4)
    assert torch.equal(run_line(made.call()), made.engine.run.image)


def test_a_studio_in_a_folder_that_was_deleted_offers_its_snapshots_on_the_page(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert default_folder() is None


def test_a_studio_from_a_cell_in_inference_mode_steps():
    with torch.inference_mode():
        made = live.studio("chelsea", "coffee", driver="none", folder=None, **SMALL)
        made._step.click()
    made.run(1)
    assert made.engine.run.taken == 2
    assert made.driver.error == ""


@pytest.mark.parametrize("color", ["match", "luminance"])
def test_a_change_of_colors_acts_and_follows_the_content(make, color):
    made = make(init="noise").run(2)
    made.controls["color"].value = color
    made.run(2)
    made.controls["content"].value = "village"
    made.run(2)
    assert f"color={color!r}" in made.call()
    fresh = nst.prepare("village", "coffee", color=color, quiet=True, **SMALL).objective
    objective = made.engine.run.objective
    assert objective.extract.sees == fresh.extract.sees
    torch.testing.assert_close(objective.style, fresh.style)
    made._reset.click()
    made.run(4)
    assert torch.equal(run_line(made.call()), made.engine.run.image)
    shown = made.engine.run.image
    made.controls["color"].value = "style"
    made.engine.work(0, False)
    torch.testing.assert_close(made.engine.run.image, shown, rtol=0, atol=1e-6)  # nothing jumps
    made.run(1)
    assert made.engine.run.objective.extract.sees == "colors"
    assert torch.equal(made.engine.run.objective.style, nst.load_image("coffee", 48))


def test_a_second_style_comes_in_with_its_share_and_a_share_asks_no_network(make, monkeypatch):
    made = make().run(2)
    assert made.controls["share"].disabled
    assert "share" not in made.alt()
    made.controls["second"].value = "mosaic"
    made.run(2)
    assert not made.controls["share"].disabled
    objective = made.engine.run.objective
    assert objective.shares == (0.5, 0.5)
    assert "its share 0.5" in made.alt()
    with monkeypatch.context() as patch:
        patch.setattr(nst.Objective, "set_style", lambda *_: pytest.fail("the styles were computed anew"))
        made.controls["share"].value = 0.25
        made.run(1)
    assert objective.shares == pytest.approx((0.75, 0.25))
    assert "nst.stylize('chelsea', ['coffee', 'mosaic'], " in made.call()
    assert "shares=(0.75, 0.25)" in made.call()
    made._snap.click()
    assert made.engine.snapshots[-1].stem == "studio_chelsea_coffee_mosaic_5"
    made._reset.click()
    made.run(4)
    assert torch.equal(run_line(made.call()), made.engine.run.image)
    made.controls["share"].value = 0.6
    made.run(1)
    made._undo.click()
    assert made.controls["share"].value == 0.25
    made.run(1)
    assert objective.shares == (0.75, 0.25)
    made.controls["second"].value = ""
    made.run(1)
    assert objective.shares == (1.0,)
    assert "shares" not in made.call()


def test_the_studio_begins_with_two_styles_and_takes_no_more(make, tmp_path):
    made = live.studio("chelsea", {"coffee": 1, "mosaic": 3}, driver="none", folder=tmp_path, **SMALL).run(3)
    assert (made.controls["style"].value, made.controls["second"].value) == ("coffee", "mosaic")
    assert made.controls["share"].value == 0.75
    assert torch.equal(run_line(made.call()), made.engine.run.image)
    with pytest.raises(nst.InputError, match="the studio takes one style_size for all"):
        live.studio("chelsea", ["coffee", "mosaic"], driver="none", folder=tmp_path, style_size=[40, 48], **SMALL)
    with pytest.raises(nst.InputError, match="the studio takes one style or two, not 3"):
        live.studio("chelsea", ["coffee", "mosaic", "swirls"], driver="none", folder=tmp_path, **SMALL)


class Hand:
    """In place of a brush: holds masks, and tells who watches."""

    def __init__(self, masks):
        self.masks, self.watchers = masks, []

    def observe(self, callback):
        self.watchers.append(callback)

    def paint(self, masks):
        self.masks = masks
        for callback in self.watchers:
            callback()


def halves(height=32, width=48):
    left = torch.zeros(height, width)
    left[:, : width // 2] = 1
    return torch.stack([left, 1 - left])


def test_masks_stay_where_they_are_while_other_settings_move(tmp_path):
    nst.save_image(color_coded(halves()), tmp_path / "places.png")
    options = {**SMALL, "masks": str(tmp_path / "places.png")}
    made = live.studio("chelsea", ["coffee", "mosaic"], driver="none", folder=tmp_path, **options).run(2)
    assert torch.equal(made.engine.run.objective.masks, halves())
    assert torch.equal(run_line(made.call()), made.engine.run.image)
    made.controls["style"].value = "swirls"
    made.controls["size"].value = 128
    made.run(1)
    assert made.engine.run.objective.masks.shape == (2, *made.image.shape[-2:])
    made.controls["second"].value = ""
    made.run(1)
    assert "2 colors" in made._facts.value
    assert len(made.engine.run.objective.masks) == 2
    assert made.engine.settings["style"] == ["swirls", "mosaic"]


def test_what_is_painted_acts_on_the_next_step_and_a_blank_region_waits(tmp_path):
    hand = Hand(torch.zeros(2, 32, 48))
    made = live.studio("chelsea", ["coffee", "mosaic"], driver="none", folder=tmp_path, masks=hand, **SMALL).run(1)
    objective = made.engine.run.objective
    assert objective.masks is None
    hand.paint(halves() * torch.tensor([1, 0]).view(2, 1, 1))
    made.run(1)
    assert objective.masks is None
    hand.paint(halves())
    made.run(1)
    assert torch.equal(objective.masks, halves())
    hand.paint(halves().flip(0))
    made.controls["color"].value = "match"
    made.run(1)
    assert torch.equal(objective.masks, halves().flip(0))
    content = objective.content
    for picture, name, mask in zip(objective.style.pictures, ("coffee", "mosaic"), objective.masks, strict=True):
        place = content[..., mask == 1].unsqueeze(-2)
        torch.testing.assert_close(picture, match_colors(nst.load_image(name, 48), place))
    assert "masks='masks.png'" in made.call()
    assert 'brush.save("masks.png")' in made._line_note.value
    made._undo.click()
    made.run(1)
    assert made.engine.settings["color"] == "style"


def test_arrays_of_masks_are_kept_as_files_that_can_be_compared(tmp_path):
    made = live.studio(
        "chelsea", ["coffee", "mosaic"], driver="none", folder=tmp_path, masks=halves()[:1] * 0.5, **SMALL
    ).run(1)
    assert torch.allclose(made.engine.run.objective.masks[0], halves()[0] * 0.5, atol=0.003)
    made._snap.click()
    assert made.engine.snapshots


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"masks": halves()}, "there are 2 masks for 1 style"),
        ({"style_masks": [halves()[0]]}, "the studio takes whole styles"),
        ({"strokes": "mosaic"}, "give nstlib.strokes_on_forms"),
    ],
)
def test_control_that_the_studio_cannot_hold_is_refused(options, words, tmp_path):
    with pytest.raises(nst.InputError, match=words):
        live.studio("chelsea", "coffee", driver="none", folder=tmp_path, **options, **SMALL)


@pytest.mark.parametrize(
    ("start", "moved"),
    [
        ({"style_loss": "patches", "tile": 64}, {"style_loss": "gram", "size": 128}),
        ({"style_loss": "gram", "tile": 64, "size": 128}, {"style_loss": "patches", "size": 48}),
        ({"style_loss": "gram", "masks": "half"}, {"style_loss": "sliced", "masks": None}),
    ],
)
def test_a_style_loss_and_what_it_forbids_change_together(make, tmp_path, start, moved):
    if "masks" in start:
        mask = torch.zeros(1, 3, 32, 48)
        mask[..., :24] = 1
        nst.save_image(mask, tmp_path / "half.png")
        start = {**start, "masks": [tmp_path / "half.png"]}
    made = make(**start).run(2)
    made.engine.set(**moved)
    made.run(1)
    assert made.driver.error == ""
    assert {name: made.engine.settings[name] for name in moved} == moved
    assert made.engine.run.objective.style_loss.name == moved["style_loss"]
    made._undo.click()
    made.run(1)
    assert made.driver.error == ""
    assert made.engine.run.objective.style_loss.name == start["style_loss"]


def test_a_style_loss_that_masks_forbid_is_taken_back_in_words_and_nothing_is_lost(make):
    mask = torch.zeros(32, 48)
    mask[:, :24] = 1
    made = make(masks=[mask]).run(2)
    before = made.image
    made.controls["style_loss"].value = "sliced"
    assert "takes no masks" in made._facts.value
    assert "The change was taken back" in made._facts.value
    assert made.controls["style_loss"].value == made.settings()["style_loss"] == "gram"
    assert torch.equal(made.image, before)
    made.run(1)
    assert made.engine.run.objective.masks is not None


def test_a_style_loss_that_was_told_something_is_named_beside_the_line(make):
    made = make(style_loss=Sliced(seed=3)).run(1)
    assert "style_loss=Sliced(seed=3, " in made.call()
    assert "It needs Sliced of nstlib.style_losses.sliced." in made._line_note.value
    assert made.controls["style_loss"].label == "sliced, as given"


def test_places_painted_where_the_style_loss_takes_none_wait_and_hold_no_other_control(tmp_path):
    hand = Hand(torch.zeros(2, 32, 48))
    how = {"masks": hand, "style_loss": "sliced", **SMALL}
    made = live.studio("chelsea", ["coffee", "mosaic"], driver="none", folder=tmp_path, **how).run(1)
    hand.paint(halves())
    assert "takes no masks" in made._facts.value
    made.controls["beta"].value = 55.0
    made.run(1)
    assert made.engine.settings["beta"] == made.controls["beta"].value == 55
    assert made.engine.run.objective.masks is None
    made.controls["style_loss"].value = "wasserstein"
    made.run(1)
    assert torch.equal(made.engine.run.objective.masks, halves())


@pytest.fixture
def residual(monkeypatch):
    """The name of a backbone with layers of its own, and with random weights."""
    monkeypatch.setattr(backbones, "_KNOWN", dict(backbones._KNOWN))

    @nst.register("residual", backbones.RESNET_CONTENT, backbones.RESNET_STYLE["resnet18"], pooling="max")
    def build(pooling, keep_scale, weights):
        return replace(nst.load_backbone("resnet18", pooling, weights="random"), name="residual")

    return "residual"


def layers_shown(made):
    """What the sliders say, and what they show on the page, in that order."""
    assert [slider.description for slider in made._layer_box.children] == made._style_layers
    return {slider.description: slider.value for slider in made._layer_box.children}


def offered(made):
    return [label for label, _ in made.controls["content_layer"].options]


def test_another_kind_of_network_brings_its_layers_and_goes_on_from_the_picture(make, residual):
    made = make().run(3)
    before = made.image
    made.controls["relu2_1"].value = 0.7
    made.controls["content_layer"].value = {"relu3_1": 1.0}
    made.controls["backbone"].value = residual
    assert made.driver.reason == "press Start"
    assert torch.equal(made.image, before)
    objective = made.engine.run.objective
    assert objective.extract.backbone.name == "residual"
    assert dict(objective.content_layers) == made.controls["content_layer"].value == {"layer2": 1.0}
    assert layers_shown(made) == {"relu": 0.25, "layer1": 0.25, "layer2": 0.25, "layer3.0": 0.25}
    assert {"relu", "layer1", "layer1.0", "layer2", "layer4"} <= set(offered(made))
    assert not {"relu3_1", "conv1", "layer1.0.conv1"} & set(offered(made))
    assert "relu2_1" not in made.controls
    made.controls["layer1"].value = 0.8
    made.controls["content_layer"].value = {"layer1": 1.0}
    made.run(2)
    assert made.engine.run.taken == 5
    assert objective.style_layers["layer1"].item() == pytest.approx(0.8)
    assert dict(objective.content_layers) == {"layer1": 1.0}
    assert "content_layers={'layer1': 1.0}" in made.call()

    made.controls["backbone"].value = "tiny"  # and back, to what was set there
    assert made.controls["content_layer"].value == {"relu3_1": 1.0}
    assert layers_shown(made) == {**dict.fromkeys(nst.GATYS_STYLE, 0.2), "relu2_1": 0.7}
    assert "relu4_2" in offered(made)
    assert "layer1" not in offered(made)
    made.run(1)
    made.controls["backbone"].value = residual
    assert layers_shown(made)["layer1"] == 0.8
    assert made.controls["content_layer"].value == {"layer1": 1.0}
    made.run(1)
    assert made.engine.run.taken == 7
    assert made.driver.error == ""


def test_after_a_switch_the_loss_is_finite_and_falls(make, residual):
    made = make(size=64).run(3)
    made.controls["backbone"].value = residual
    run = made.engine.run
    totals = [step.loss for step in run.steps(12, progress=False)]
    assert np.isfinite(totals).all()
    assert totals[-1] < 0.7 * totals[0]


def test_the_line_gives_the_picture_of_another_kind_of_network(make, residual):
    made = make().run(2)
    made.controls["backbone"].value = residual
    made.controls["layer2"].value = 0.1
    assert "has a history" in made._line_note.value
    made._reset.click()
    made.run(4)
    assert "backbone='residual'" in made.call()
    assert "style_layers={'relu': 0.25, 'layer1': 0.25, 'layer2': 0.1, 'layer3.0': 0.25}" in made.call()
    assert "content_layers" not in made.call()
    assert torch.equal(run_line(made.call()), made.engine.run.image)


def test_what_a_snapshot_says_begins_the_same_studio_again(make, residual, tmp_path):
    made = make().run(1)
    made.controls["backbone"].value = residual
    made.controls["relu"].value = 0.6
    made._reset.click()
    made.run(2)
    made._snap.click()
    settings = live.read_settings(tmp_path / "studio_chelsea_coffee_2.png")["settings"]
    again = live.studio(driver="none", folder=tmp_path, **settings).run(2)
    assert {**again.settings(), "betas": (0.9, 0.999)} == made.settings()  # a list, as it comes from a file
    assert torch.equal(again.image, made.image)
    again.controls["backbone"].value = "tiny"
    assert layers_shown(again) == dict.fromkeys(nst.GATYS_STYLE, 0.2)


def test_networks_with_the_same_layers_keep_what_was_set(make):
    made = make(style_layers={"relu1_1": 0.4, "relu2_2": 0.6}).run(1)
    made.controls["relu2_2"].value = 0.9
    made.controls["backbone"].value = "mini"
    assert layers_shown(made) == {"relu1_1": 0.4, "relu2_2": 0.9}
    assert made.engine.run.objective.style_layers["relu2_2"].item() == pytest.approx(0.9)


def test_presets_move_only_the_layers_that_there_are(make):
    made = make(style_layers={"relu1_1": 0.4, "relu2_2": 0.6})
    made.preset.value = "fine texture"
    assert layers_shown(made) == {"relu1_1": 0.5, "relu2_2": 0.0}
    made = make(style_layers={"relu2_2": 0.6})
    made.preset.value = "fine texture"
    assert layers_shown(made) == {"relu2_2": 0.6}


def test_undo_goes_back_to_another_kind_of_network(make, residual):
    made = make().run(2)
    before, settings = made.image, made.settings()
    made.controls["backbone"].value = residual
    made.run(2)
    made._undo.click()
    assert made.settings() == made.engine.settings == settings
    assert made.controls["backbone"].label == "tiny"
    assert layers_shown(made) == dict.fromkeys(nst.GATYS_STYLE, 0.2)
    assert "relu4_2" in offered(made)
    assert torch.equal(made.image, before)
    made.run(1)
    assert made.engine.run.taken == 3


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_hand_that_switches_faster_than_networks_are_built_ends_where_it_stopped(residual):
    made = live.studio("chelsea", "coffee", driver="thread", folder=None, **SMALL)
    made.driver.start()
    for backbone in [residual, "tiny", "mini"] * 3 + [residual]:
        made.controls["backbone"].value = backbone
        time.sleep(0.02)
    until(lambda: "layer4" in offered(made))
    taken = made.engine.run.taken
    until(lambda: made.engine.run.taken > taken)
    until(lambda: made.settings() == made.engine.settings == made.engine.wanted)  # it was there on the way, too
    assert made.driver.error == ""
    assert made.engine.run.objective.extract.backbone.name == residual
    assert list(layers_shown(made)) == ["relu", "layer1", "layer2", "layer3.0"]
    made.close()


def unreachable(*_, **__):
    raise URLError("no network")


def without_memory(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    """Torch keeps no weights, and reaches no network."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize("why", ["no weights", "too small", "no memory"])
def test_a_switch_that_fails_leaves_everything_as_it_was(make, residual, no_cache, monkeypatch, why):
    made = make(size=24, content_layers="relu2_1", style_layers={"relu1_1": 0.4, "relu2_1": 0.6}).run(2)
    made.controls["relu2_1"].value = 0.3
    run, before, settings, choices = made.engine.run, made.image, made.settings(), offered(made)
    name, words = {
        "no weights": ("resnet50", "the weights of resnet50 could not be downloaded"),
        "too small": ("deep", "at least 32"),
        "no memory": (residual, "out of memory"),
    }[why]
    if why == "too small":
        known = replace(backbones._KNOWN[residual], style_layers={"layer4": 1.0})
        monkeypatch.setitem(backbones._KNOWN, "deep", known)
        control = made.controls["backbone"]
        with made._quietly():
            control.options, control.value = [*control.options, ("deep", "deep")], "tiny"
    if why == "no memory":
        monkeypatch.setattr("nstlib.live.steering.prepare", without_memory)
    made.controls["backbone"].value = name
    assert words in made._facts.value
    assert "The change was taken back" in made._facts.value
    assert "fetching" not in made._facts.value
    assert made.engine.run is run
    assert torch.equal(made.image, before)
    assert made.settings() == made.engine.settings == made.engine.wanted == settings
    assert layers_shown(made) == {"relu1_1": 0.4, "relu2_1": 0.3}
    assert offered(made) == choices
    assert made.controls["backbone"].value == "tiny"
    made._start.click()
    assert made.driver.reason == ""
    made.run(1)
    assert made.engine.run.taken == 3


def test_weights_are_fetched_in_the_background_and_the_page_says_so(no_cache, monkeypatch):
    asked, going_on = threading.Event(), threading.Event()

    def slow(*_, **__):
        asked.set()
        going_on.wait(20)
        unreachable()

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", slow)
    made = live.studio("chelsea", "coffee", driver="thread", folder=None, **SMALL)
    try:
        made.controls["backbone"].value = "resnet50"  # returns at once
        assert "fetching the weights of resnet50, 98 MB" in made._facts.value
        assert list(layers_shown(made)) == ["relu", "layer1", "layer2", "layer3.2"]
        assert offered(made) == ["layer2"]
        assert asked.wait(20)
        made.controls["layer1"].value = 0.9  # a hand that does not wait
        made.controls["beta"].value = 100.0
    finally:
        going_on.set()
    until(lambda: "The change was taken back" in made._facts.value)
    assert "the weights of resnet50 could not be downloaded" in made._facts.value
    assert "fetching" not in made._facts.value
    until(lambda: made.engine.settings["beta"] == 100)
    made.close()
    assert made.controls["backbone"].value == made.engine.wanted["backbone"] == "tiny"
    assert made.controls["beta"].value == made.engine.wanted["beta"] == 100
    assert made.engine.run.objective.extract.backbone.name == "tiny"
    assert layers_shown(made) == dict.fromkeys(nst.GATYS_STYLE, 0.2)
    assert "relu4_2" in offered(made)


@pytest.mark.parametrize(
    ("change", "by_hand", "wanted"),
    [
        ({"net": "b"}, {"net": "c"}, {"net": "c", "layers": "of b and c", "beta": 1}),
        ({"net": "b"}, {"layers": "more of b", "beta": 3}, {"net": "a", "layers": "of a", "beta": 3}),
        ({}, {"layers": "more of a"}, {"net": "a", "layers": "more of a", "beta": 1}),
    ],
)
def test_settings_that_fit_each_other_stay_together_while_a_change_is_refused(
    extract, content, style, change, by_hand, wanted
):
    run = nst.Run(nst.Objective(extract, content, style))

    def adopt(*_):
        engine.set(**by_hand)  # meanwhile
        raise ValueError("refused")

    settings = {"net": "a", "layers": "of a", "beta": 1}
    engine = Engine(settings, lambda _: run, adopt, together=("net", "layers"))
    engine.set(beta=2, **change, **({"layers": "of b and c"} if change else {}))
    with pytest.raises(ValueError, match="refused"):
        engine.work(0.0, stepping=False)
    assert engine.settings == settings
    assert engine.wanted == wanted


def test_backbones_at_hand_are_offered_first_and_the_others_say_what_they_fetch(make, residual, no_cache, monkeypatch):
    monkeypatch.delenv("NST_BACKBONE", raising=False)
    labels = [label for label, _ in offered_backbones("tiny", None)]
    assert {"mini", "tiny", residual, "squeezenet"} < set(labels)
    first = labels.index(next(label for label in labels if "downloads" in label))
    assert all("downloads" in label for label in labels[first:])
    assert "resnet50 (downloads 98 MB)" in labels[first:]
    assert "vgg19 (downloads 548 MB)" in labels[first:]

    no_cache.mkdir(parents=True)
    backbones.weights_path("resnet50").touch()
    control = make().controls["backbone"]
    still = [label for label in labels[first:] if "resnet50" not in label]
    assert [label for label, _ in control.options] == [*sorted([*labels[:first], "resnet50"]), *still]
    assert control.label == "tiny"

    monkeypatch.setenv("NST_BACKBONE", "vgg16")
    labels = [label for label, _ in offered_backbones("tiny", None)]
    assert next(label for label in labels if "downloads" in label) == "vgg16 (downloads 528 MB)"
    for weights in ("random", "random:7"):
        assert not any("downloads" in label for label, _ in offered_backbones("tiny", weights))


def test_a_backbone_that_was_fetched_is_at_hand_from_then_on(make, no_cache, monkeypatch):
    def fetched(*_, **__):
        no_cache.mkdir(parents=True)
        backbones.weights_path("resnet18").touch()
        return state

    state = nst.load_backbone("resnet18", weights="random").net.state_dict()
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetched)
    made = make()
    control = made.controls["backbone"]
    assert ("resnet18 (downloads 45 MB)", "resnet18") in control.options
    control.value = "resnet18"
    assert made.driver.error == ""
    assert control.label == "resnet18"
    assert made.settings()["backbone"] == "resnet18"
    assert made.engine.faithful is False


def test_a_file_of_weights_is_of_the_backbone_that_it_was_given_with(make, residual, tmp_path):
    file = tmp_path / "resnet18.pth"
    torch.save(nst.load_backbone("resnet18", weights="random:3").net.state_dict(), file)
    made = make(backbone="resnet18", weights=file)
    assert made.controls["backbone"].label == "resnet18"
    made.controls["backbone"].value = "mini"
    assert made.engine.settings["weights"] is None
    made._reset.click()
    made.run(2)
    assert "weights" not in made.call()
    made.controls["backbone"].value = "resnet18"
    assert made.engine.settings["weights"] == file
    assert made.driver.error == ""


def test_random_weights_are_of_every_backbone(make, no_cache):
    made = make(weights="random:3", backbone="mini").run(1)
    made.controls["backbone"].value = "resnet18"
    assert made.driver.error == ""
    made._reset.click()
    made.run(2)
    assert "weights='random:3'" in made.call()
    assert torch.equal(run_line(made.call()), made.engine.run.image)
