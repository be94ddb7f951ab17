"""The studio at the kernel's side: controls are moved and pressed, the run follows, and the line tells the truth."""

from datetime import UTC, datetime
from io import BytesIO

import numpy as np
import pytest
import torch

import nstlib as nst
from nstlib import live
from nstlib.control.colors import match_colors
from nstlib.control.regions import color_coded
from nstlib.live import drivers
from nstlib.live.choices import PRESETS
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
    assert [name for name in made.controls if name in made._layers] == ["relu", "layer1", "layer2"]
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
