"""Painting in one pass: `nst.fast`, its four wishes together, and its command line."""

import importlib
import os
import runpy
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nstlib as nst
from nstlib.control.colors import luminance
from nstlib.errors import ImageError, InputError, OutOfMemory, WeightsUnavailable
from nstlib.feedforward import command
from nstlib.feedforward.any_style import AnyStyleNetwork
from nstlib.feedforward.network import StyleNetwork

fast_file = importlib.import_module("nstlib.feedforward.fast")
EXACT = {"precision": "float32", "device": "cpu"}


def small(styles=("swirls", "mosaic", "cave"), seed=0):
    """A network without training whose styles differ."""
    network = StyleNetwork(list(styles), (4, 6, 8), 2, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for row in network.rows:
            row.add_(0.3 * torch.randn(row.shape, generator=generator))
    return network


@pytest.fixture
def network():
    return small()


@pytest.fixture
def content():
    return nst.load_image("chelsea", 48)


@pytest.fixture
def paint(network, content):
    """The small network on the small picture, in float32."""
    return lambda style="swirls", **wishes: nst.fast(content, style, network=network, **EXACT, **wishes)


@pytest.fixture
def halves(content):
    """White on the left, and the rest."""
    mask = torch.zeros(content.shape[-2:])
    mask[:, :20] = 1
    return mask, 1 - mask


def differ(one, other):
    return float((one - other).abs().max()) > 0.02


# The function.


def test_it_is_one_pass_of_the_network_in_a_style_a_mix_and_a_strength(network, content, paint):
    mix = {"swirls": 0.7, "mosaic": 0.3}
    assert torch.equal(paint(), network.paint(content, "swirls"))
    assert torch.equal(paint(mix), network.paint(content, mix))
    assert torch.equal(paint([("swirls", 7), ("mosaic", 3)]), paint(mix))
    assert torch.equal(paint(["swirls", "mosaic"]), paint({"swirls": 0.5, "mosaic": 0.5}))
    assert torch.equal(paint(mix, strength=0.4), network.paint(content, mix, 0.4))
    assert torch.equal(paint([("swirls", 1), ("swirls", 2)]), paint())


def test_content_is_whatever_a_picture_can_be_and_size_its_longer_side(network, tmp_path, content):
    file = nst.save_image(content, tmp_path / "a.png")
    for source in ("chelsea", file, np.asarray(Image.open(file)), Image.open(file), content):
        painted = nst.fast(source, "cave", size=40, network=network)
        assert (painted.shape[0], max(painted.shape), painted.dtype) == (1, 40, torch.float32)
    assert nst.fast(file, "cave", network=network).shape == content.shape
    assert nst.fast(content.expand(2, -1, -1, -1), "cave", network=network).shape == (2, *content.shape[1:])


def test_the_bundled_network_paints_every_bundled_style(content):
    for style in nst.bundled_images("style"):
        painted = nst.fast("chelsea", style, size=48)
        assert painted.shape == content.shape
        assert differ(painted, content)


def test_half_precision_is_not_seen_and_strength_0_gives_the_picture_back_in_it_too():
    content = nst.load_image("chelsea", 96)
    for style in ("swirls", "mosaic", "stained_glass"):
        exact = nst.fast(content, style, **EXACT)
        painted = nst.fast(content, style, precision="bfloat16", device="cpu")
        assert 0 < float((painted - exact).abs().max()) < 0.05
        for precision in ("auto", "bfloat16", "float32"):
            nothing = nst.fast(content, style, strength=0, precision=precision, device="cpu")
            assert float((nothing - content).abs().max()) < 0.002


def test_a_network_in_the_hand_stays_as_it_is(network, content):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    nst.fast(content, "swirls", network=network, precision="bfloat16")
    assert network.dtype == torch.float32
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_luminance_has_the_contents_colors_and_the_painted_brightness(content, paint):
    painted, plain = paint(color="luminance"), paint()
    assert torch.equal(painted, nst.keep_colors(plain, content))
    torch.testing.assert_close(luminance(painted), luminance(plain), rtol=0, atol=1e-5)


def test_match_has_the_contents_mean_and_spread(content, paint):
    painted, plain = paint(color="match"), paint()
    assert torch.equal(painted, nst.match_colors(plain, content))

    def away(picture):
        return float((picture.mean((2, 3)) - content.mean((2, 3))).abs().max())

    assert away(painted) < 0.02 < away(plain)


def test_inside_its_place_each_style_is_exactly_the_whole_picture_in_it(paint, halves):
    left, right = (mask.bool() for mask in halves)
    painted = paint(["swirls", "mosaic"], masks=list(halves))
    assert torch.equal(painted[..., left], paint("swirls")[..., left])
    assert torch.equal(painted[..., right], paint("mosaic")[..., right])
    assert torch.equal(paint(["swirls", "mosaic"], masks=[halves[0]]), painted)


def test_what_no_mask_covers_is_exactly_the_content(content, paint, halves):
    left, right = (mask.bool() for mask in halves)
    painted = paint("swirls", masks=[halves[0]])
    assert torch.equal(painted[..., right], content[..., right])
    assert torch.equal(painted[..., left], paint()[..., left])


def test_gray_and_overlapping_masks_mix_the_pictures(content, paint):
    swirls, mosaic, half = paint("swirls"), paint("mosaic"), torch.full(content.shape[-2:], 0.5)
    torch.testing.assert_close(paint("swirls", masks=[half]), (content + swirls) / 2)
    torch.testing.assert_close(paint(["swirls", "mosaic"], masks=[half, half]), (swirls + mosaic) / 2)
    everywhere = torch.ones(content.shape[-2:])
    torch.testing.assert_close(paint(["swirls", "mosaic"], masks=[everywhere, everywhere]), (swirls + mosaic) / 2)


def test_mix_strength_colors_and_masks_work_in_one_call_and_do_not_disturb_each_other(paint, halves):
    left, right = (mask.bool() for mask in halves)
    mix = [("swirls", 0.7), ("cave", 0.3)]
    for masks in (list(halves), torch.stack(halves)):
        painted = paint([mix, "mosaic"], strength=[0.8, 0.3], color=["luminance", "match"], masks=masks)
        there, here = paint(mix, strength=0.8, color="luminance"), paint("mosaic", strength=0.3, color="match")
        assert torch.equal(painted[..., left], there[..., left])
        assert torch.equal(painted[..., right], here[..., right])
        assert differ(there, here)
    both = paint([dict(mix), "mosaic"], strength=0.5, color="match", masks=list(halves))
    assert torch.equal(both[..., left], paint(mix, strength=0.5, color="match")[..., left])


def test_masks_of_any_size_lie_over_the_whole_picture(paint, content):
    mask = torch.zeros(2 * content.shape[-2], 2 * content.shape[-1])
    mask[:, :48] = 1
    painted = paint("swirls", masks=[mask])
    assert torch.equal(painted[..., :20], paint()[..., :20])
    assert torch.equal(painted[..., 28:], content[..., 28:])


def test_tiles_give_the_same_picture(paint):
    whole, tiled = paint(), paint(tile=16, progress=False)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("style", "wishes", "words"),
    [
        ("swirl", {}, "did you mean 'swirls'"),
        ({"swirls": 1, "mosiac": 1}, {}, "did you mean 'mosaic'"),
        ("painting.jpg", {}, "use nstlib.stylize, or teach a network"),
        (torch.rand(1, 3, 8, 8), {}, "the style is a Tensor, but a network paints in the styles"),
        ("harbor", {}, "use nstlib.stylize"),  # a bundled picture, and no style
        ([None], {}, "the style is None, but"),
        (None, {}, "say which style: the network has swirls, mosaic, cave"),
        (("swirls", 0.5), {}, "one style with its share"),
        ("swirls", {"strength": 1.5}, "the strength is 1.5; expected a number from 0 to 1"),
        ("swirls", {"strength": -1}, "the strength is -1"),
        ("swirls", {"strength": [0.5, 1]}, "one strength for the whole picture; these are 2; give masks"),
        ("swirls", {"strength": torch.tensor([0.5, 1])}, "one strength for the whole picture; these are 2; give masks"),
        ("swirls", {"strength": np.array([0.5, 1])}, "one strength for the whole picture; these are 2; give masks"),
        ("swirls", {"color": "lum"}, "color is 'lum'; choose one of"),
        ("swirls", {"tile": 1}, "the tile is 1"),
        ("swirls", {"precision": "half"}, "precision is 'half'"),
        ("swirls", {"style_strength": 1}, "is 'strength' here"),
        (["swirls", "mosaic", "cave"], {"masks": [torch.ones(32, 48)]}, "1 mask for 3 styles"),
        ([("swirls", 0.7), ("mosaic", 0.3)], {"masks": [torch.ones(32, 48)]}, "give how much of each as strength="),
    ],
)
def test_what_cannot_work_is_said_in_words(network, content, style, wishes, words):
    with pytest.raises(InputError, match=words):
        nst.fast(content, style, network=network, **wishes)


def test_no_content_and_no_network_are_said_in_words(tmp_path, content):
    with pytest.raises(InputError, match="content is None"):
        nst.fast(None, "swirls")
    with pytest.raises(WeightsUnavailable, match="no file of a network"):
        nst.fast(content, "swirls", network=tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="the network is 5; expected an instance of StyleNetwork"):
        nst.fast(content, "swirls", network=5)
    with pytest.raises(ImageError, match="sides have another ratio"):
        nst.fast(content, "swirls", masks=[torch.ones(48, 48)])


def test_a_picture_that_must_be_enlarged_is_said(content, network):
    with pytest.warns(nst.RunWarning, match="the content is 48 x .* enlarged 2.0 times") as told:
        nst.fast(content, "swirls", size=96, network=network)
    assert told[0].filename == __file__


def test_one_style_needs_no_name(content):
    alone = small(["only"])
    assert torch.equal(nst.fast(content, network=alone), nst.fast(content, "only", network=alone))


def test_a_file_is_read_once_and_again_where_it_has_changed(monkeypatch, tmp_path, content):
    read, load = [], fast_file.read_network
    monkeypatch.setattr(fast_file, "read_network", lambda *given: read.append(given) or load(*given))
    path = nst.save_network(small(), tmp_path / "mine.safetensors")
    first = nst.fast(content, "swirls", network=path)
    assert torch.equal(nst.fast(content, "swirls", network=str(path)), first)
    assert len(read) == 1
    nst.save_network(small(seed=1), path)
    os.utime(path, (1, 1))  # two writes may come within a tick of the clock
    assert differ(nst.fast(content, "swirls", network=path), first)
    assert len(read) == 2


@pytest.mark.parametrize("color", ["style", "match"])
def test_no_memory_is_said_in_words(monkeypatch, paint, color):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    if color == "style":
        monkeypatch.setattr(StyleNetwork, "paint", full)
    else:
        monkeypatch.setitem(fast_file._RECOLORED, color, full)
    with pytest.raises(OutOfMemory, match="out of memory while a picture of 48 x 32 pixels"):
        paint(color=color)


def test_the_file_of_the_command_does_not_take_the_functions_place():
    with pytest.raises(ImportError, match="or run python -m nstlib"):
        importlib.import_module("nstlib.fast")
    from nstlib import fast

    assert fast is nst.fast is fast_file.fast


# The command.


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """The command in an empty folder, as a function that gives exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            status = command.main([str(argument) for argument in arguments])
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.fixture
def photos(tmp_path):
    """A folder of three pictures, two of one name, and one that is none."""
    folder = tmp_path / "photos"
    for name in ("a.jpg", "b.png", "b.jpg"):
        nst.save_image(nst.load_image("chelsea", 40), folder / name)
    (folder / "broken.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("no picture, and not called so")
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_line_paints_a_picture(run, tmp_path):
    assert run("chelsea", "swirls", "-s48", "-o", "out.png") == (0, "saved out.png\n", "")
    assert Image.open(tmp_path / "out.png").size == (48, 32)
    expected = np.asarray(nst.to_pil(nst.fast("chelsea", "swirls", size=48)))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), expected)


def test_python_runs_it_as_a_module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fast", "chelsea", "swirls", "--size", "32", "-qo", "out.png"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("nstlib.fast", run_name="__main__")
    assert ended.value.code == 0
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize(
    "words", [("swirls=.7", "mosaic=.3"), ("swirls=0.7,mosaic=0.3",), ("swirls", "mosaic", "--shares", ".7,.3")]
)
def test_shares_are_beside_the_styles_or_an_option(run, tmp_path, words):
    how = ("--strength", ".6", "--color", "luminance", "--size", 32, "-q")
    assert run("chelsea", *words, *how) == (0, "", "")
    style = [("swirls", 0.7), ("mosaic", 0.3)]
    expected = nst.to_pil(nst.fast("chelsea", style, strength=0.6, color="luminance", size=32))
    saved = Image.open(tmp_path / "img/results/chelsea_swirls_mosaic.png")
    assert np.array_equal(np.asarray(saved), np.asarray(expected))


def test_with_masks_each_style_has_its_place_strength_and_colors(run, tmp_path, halves):
    nst.save_image(halves[0].expand(3, -1, -1), tmp_path / "left.png")
    how = ("--masks", "left.png", "--strength", "1,.5", "--color", "match,style", "--size", 48)
    assert run("chelsea", "swirls=.7,cave=.3", "mosaic", *how, "-qo", "out.png") == (0, "", "")
    wishes = {"strength": [1, 0.5], "color": ["match", "style"], "masks": [halves[0]], "size": 48}
    expected = nst.to_pil(nst.fast("chelsea", [{"swirls": 0.7, "cave": 0.3}, "mosaic"], **wishes))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), np.asarray(expected))


def test_a_network_of_ones_own_paints_and_shows_what_it_has(run, tmp_path):
    nst.save_network(small(["mine"]), tmp_path / "mine.safetensors", {"steps": 7, "backbone": "mini"})
    assert run("chelsea", "--network", "mine.safetensors", "-s32")[0] == 0
    assert (tmp_path / "img/results/chelsea_mine.png").is_file()
    status, out, _ = run("--list", "--network", "mine.safetensors")
    assert (status, [line.split() for line in out.splitlines()]) == (
        0,
        [["style", "mine"], ["steps", "7"], ["backbone", "mini"]],
    )


def test_names_nobody_chose_take_no_place_and_chosen_ones_are_replaced(run, tmp_path):
    for _ in range(2):
        assert run("chelsea", "swirls", "-s32")[0] == 0
        assert run("chelsea", "swirls", "-s32", "-o", "out.png")[0] == 0
    assert names(tmp_path / "img/results") == ["chelsea_swirls.png", "chelsea_swirls_2.png"]
    assert names(tmp_path) == ["img", "out.png"]


def test_a_folder_is_painted_into_a_folder_and_what_cannot_be_read_is_left_out(run, tmp_path, photos):
    before = {path: path.read_bytes() for path in photos.iterdir()}
    for _ in range(2):
        status, out, err = run(photos, "swirls", "-o", "painted", "--format", "webp")
        assert (status, out) == (1, "saved painted: 3 of 4 pictures\n")
        assert "left out" in err
        assert "broken.jpg cannot be read" in err
        assert names(tmp_path / "painted") == ["a.webp", "b.webp", "b_2.webp"]
    (photos / "broken.jpg").unlink()
    assert run(photos, "swirls", "-q") == (0, "", "")
    assert run(photos, "mosaic", "swirls", "-q") == (0, "", "")
    assert run(photos, "swirls", "-q") == (0, "", "")
    assert names(tmp_path / "img/results") == ["photos_mosaic_swirls", "photos_swirls", "photos_swirls_2"]
    assert names(tmp_path / "img/results/photos_swirls_2") == ["a.png", "b.png", "b_2.png"]
    assert all(path.read_bytes() == before[path] for path in photos.iterdir())


def test_of_a_folder_no_picture_is_passed_over_and_hidden_files_are(run, tmp_path, photos):
    (photos / "broken.jpg").unlink()
    (photos / "._a.jpg").write_bytes(b"\0\5\x16\7Mac OS X")
    nst.to_pil(nst.load_image("chelsea", 40)).save(photos / "c.gif")
    assert run(photos, "swirls", "-o", "painted")[:2] == (0, "saved painted: 4 of 4 pictures\n")
    (photos / "d.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    status, out, err = run(photos, "swirls", "-o", "painted")
    assert (status, out) == (1, "saved painted: 4 of 5 pictures\n")
    assert "d.HEIC" in err


def test_no_picture_of_a_folder_is_written_over_behind_a_link(run, tmp_path, photos):
    painted = tmp_path / "painted"
    painted.mkdir()
    nst.save_image(nst.load_image("chelsea", 40), painted / "a.png")
    (photos / "z.png").symlink_to(painted / "a.png")
    before = (painted / "a.png").read_bytes()
    status, _, err = run(photos, "swirls", "-o", "painted")
    assert status == 2
    assert "z.png itself and would be written over" in err
    assert (painted / "a.png").read_bytes() == before


def test_all_is_one_picture_in_each_style(run, tmp_path, photos):
    nst.save_network(small(["mine", "yours"]), tmp_path / "two.safetensors")
    two = ("--network", "two.safetensors", "-q")
    assert run("chelsea", "all", *two, "-s32") == (0, "", "")
    assert names(tmp_path / "img/results") == ["chelsea_mine.png", "chelsea_yours.png"]
    assert run("chelsea", "all", *two, "-s32", "-o", "each", "--format", "jpg") == (0, "", "")
    assert names(tmp_path / "each") == ["chelsea_mine.jpg", "chelsea_yours.jpg"]
    (photos / "b.png").unlink()
    assert run(photos, "all", *two)[0] == 1
    assert names(tmp_path / "img/results/photos_all") == [f"{a}_{b}.png" for a in "ab" for b in ("mine", "yours")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("chelsea", "swirl"), "did you mean 'swirls'"),
        (("chelsea", "swirls=x"), "expected a name, or a mix such as swirls=0.7"),
        (("chelsea",), "say which style: the network has cave"),
        ((), "give a picture, or a folder of pictures, and a style"),
        (("chelsea", "swirls", "--strenght", "1"), "the nearest is --strength"),
        (("chelsea", "swirls", "--style-strength", "1"), "it is --strength here"),
        (("chelsea", "swirls", "--strength", "2"), "the strength is 2"),
        (("chelsea", "swirls", "--color", "lum"), "color is 'lum'"),
        (("chelsea", "swirls", "--precision", "bfloat"), "did you mean 'bfloat16'"),
        (("chelsea", "swirls", "-o", "out.gif"), "says no known format"),
        (("chelsea", "swirls", "-o", "out.png", "--format", "jpg"), "--format is for a folder"),
        (("nothing.jpg", "swirls"), "no file 'nothing.jpg'"),
        (("nothing.jpg", "all"), "no file 'nothing.jpg'"),
        (("photos", "swirls", "-o", "a.png"), "-o a.png is the name of a picture, but photos is a folder"),
        (("photos", "swirls", "-o", "photos"), "is the folder of the contents itself"),
        (("chelsea", "all", "-o", "a.png"), "'all' paints one picture in each style"),
        (("chelsea", "all", "--masks", "a.png"), "with --masks or --shares name the styles"),
        (("photos/a.jpg", "swirls", "-o", "photos/a.jpg"), "is the content itself"),
        (("chelsea", "swirls", "-o", "photos/a.jpg", "--masks", "photos/a.jpg"), "is the mask 1 itself"),
        (("chelsea", "swirls", "mosaic", "--masks", "photos/a.jpg", "--shares", "1,2"), "with --strength 0.7,0.3"),
        (("chelsea", "swirls=.3", "mosaic=.7", "--shares", "1,2"), "have shares already"),
        (("chelsea", "swirls", "--network", "photos/a.jpg"), "cannot be read as a network"),
        (("chelsea", "swirls", "--device", "nonsense"), "device 'nonsense' cannot be used"),
    ],
)
@pytest.mark.usefixtures("photos")
def test_what_cannot_work_gets_one_line_and_nothing_is_painted(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.setattr(command, "save_picture", lambda *_: pytest.fail("it was painted"))
    status, out, err = run(*arguments, "-q")
    assert (status, out, err.count("\n")) == (2, "", 1), err
    assert words in err
    assert names(tmp_path) == ["photos"]


@pytest.mark.parametrize("place", ["fast", "save_picture"])
def test_ctrl_c_keeps_what_is_painted(run, tmp_path, photos, monkeypatch, place):
    usual, calls = getattr(command, place), []

    def pressed(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return usual(*arguments, **options)

    monkeypatch.setattr(command, place, pressed)
    status, out, err = run(photos, "swirls", "-o", "painted")
    there = ["a.png"] if place == "fast" else ["a.png", "b.png"]  # what is being saved is saved
    assert (status, out, names(tmp_path / "painted")) == (130, "", there)
    assert f"nstlib: interrupted; saved painted: {len(there)} of 4 pictures" in err


def test_ctrl_c_before_anything_is_painted_gives_no_traceback(run, monkeypatch):
    monkeypatch.setattr(command, "fast", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    status, _, err = run("chelsea", "swirls")
    assert (status, err) == (130, "nstlib: interrupted before there was anything to save\n")


def test_no_memory_leaves_one_picture_of_a_folder_out_and_is_told(run, tmp_path, photos, monkeypatch):
    paint = command.fast

    def full(content, *arguments, **options):
        if str(content).endswith("a.jpg"):
            raise OutOfMemory("out of memory while a picture of 40 x 27 pixels is painted")
        return paint(content, *arguments, **options)

    monkeypatch.setattr(command, "fast", full)
    status, _, err = run(photos, "swirls", "-o", "painted", "-q")
    assert (status, "left out: out of memory" in err) == (1, True)
    assert names(tmp_path / "painted") == ["b.png", "b_2.png"]
    status, _, err = run(photos / "a.jpg", "swirls")
    assert (status, err.startswith("nstlib: out of memory")) == (2, True)


@pytest.mark.parametrize("words", [("--train", "painting.jpg"), ("--train=painting.jpg",)])
def test_train_hands_all_other_words_over_to_the_training(run, monkeypatch, words):
    seen = []
    train = importlib.import_module("nstlib.feedforward.train")
    monkeypatch.setattr(train, "main", lambda arguments: seen.append(arguments) or 7)
    assert run(*words, "-o", "mine.safetensors", "--minutes", "5")[0] == 7
    assert seen == [["painting.jpg", "-o", "mine.safetensors", "--minutes", "5"]]


def test_shares_that_are_not_finite_are_refused_where_a_picture_is_painted(network, content):
    with pytest.raises(InputError, match="not finite"):
        network.paint(content, torch.full((1, 3), torch.nan))


@pytest.mark.parametrize("strength", [2.0, -1.0, torch.nan])
def test_a_strength_in_a_tensor_is_checked_as_a_number_is(network, content, strength):
    for paint in (network, network.paint):
        with pytest.raises(InputError, match="expected a number from 0 to 1"):
            paint(content, "swirls", torch.tensor(strength))


@pytest.mark.parametrize("size", [0, -1, 2.5, "large", True])
def test_a_wrong_style_size_is_called_by_its_name(content, size):
    with pytest.raises(InputError, match="style_size is"):
        nst.fast(content, content, style_size=size)


def test_the_command_looks_once_at_a_painting_for_all_pictures_of_a_folder(run, monkeypatch):
    for name in ("contents/one.png", "contents/two.png", "Sunset, 1889=b.png"):
        Path(name).parent.mkdir(exist_ok=True)
        nst.save_image(nst.load_image("swirls", 32), name)
    looks, look = [], AnyStyleNetwork._row_of_picture
    monkeypatch.setattr(
        AnyStyleNetwork, "_row_of_picture", lambda self, *given: looks.append(given) or look(self, *given)
    )
    assert run("contents", "Sunset, 1889=b.png", "-o", "out", "--style-size", 48, "-q")[0] == 0
    assert looks == [("Sunset, 1889=b.png", 48)]
    assert len(list(Path("out").iterdir())) == 2


def test_a_painting_that_cannot_be_read_is_no_reason_to_leave_all_contents_out(run):
    Path("contents").mkdir()
    for name in ("one", "two"):
        nst.save_image(nst.load_image("swirls", 32), f"contents/{name}.png")
    status, _, told = run("contents", "nowhere.png", "-o", "out")
    assert status == 2
    assert told.count("there is no file 'nowhere.png'") == 1
    assert "left out" not in told
