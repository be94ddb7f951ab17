"""The painter at the kernel's side: sliders are moved and pressed, and what is painted follows."""

import base64
import sys
import threading
import time
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from test_live_upload import choose, png

import nstlib as nst
from nstlib import live
from nstlib.control.masks import fitted
from nstlib.feedforward.fast import painted, ready_network
from nstlib.feedforward.predicting import PredictingNetwork
from nstlib.live import panel
from nstlib.live.mixing import Mixing

module = sys.modules[live.Painter.__module__]  # live.painter is the function
SIZE = (24, 32)
STYLES = ("swirls", "mosaic", "own")
PICTURE = torch.linspace(0, 1, 3 * 24 * 32).reshape(1, 3, *SIZE)
HALVES = np.repeat(np.array([1] * 12 + [2] * 12 + [0] * 8, np.uint8)[None], 24, 0)  # first, second, unpainted


@pytest.fixture(scope="module")
def network():
    """A small one whose styles differ, as those of a trained one do."""
    made = nst.StyleNetwork(STYLES, (4, 4, 4), blocks=1)
    with torch.no_grad():
        for place, row in enumerate(made.rows):
            row += torch.randn(row.shape, generator=torch.Generator().manual_seed(place))
    return made.eval()


@pytest.fixture(autouse=True)
def _exactly(monkeypatch):
    """Whatever this machine is fastest in."""
    monkeypatch.setattr("nstlib.feedforward.fast.fast_precision", lambda device: "float32")


@pytest.fixture
def painter(network):
    return live.painter(PICTURE, "swirls", network=network, size=32, folder=None)


@pytest.fixture
def calls(monkeypatch):
    """The settings of every painting: (strength, color, whether there are masks)."""
    found = []

    def noted(network, content, shares, colors, places=None):
        found.append((round(shares[0].sum().item(), 4), colors[0], places is not None))
        return painted(network, content, shares, colors, places)

    monkeypatch.setattr(module, "painted", noted)
    return found


def same(image, other):
    return torch.allclose(image, other, atol=1e-4)  # processors round differently; a color is 4e-3


# Painting


def test_shares_strength_and_colors_give_what_the_network_and_the_colors_give(network):
    rows = torch.tensor([[0.75, 0.25, 0.0]])
    plain = network(PICTURE, {"swirls": 0.75, "mosaic": 0.25}, 0.6).detach()
    assert same(painted(network, PICTURE, 0.6 * rows, ["style"]), plain)
    assert same(painted(network, PICTURE, 0.6 * rows, ["luminance"]), nst.keep_colors(plain, PICTURE))
    assert same(painted(network, PICTURE, 0.6 * rows, ["match"]), nst.match_colors(plain, PICTURE))


def test_each_place_has_its_own_mix_and_what_no_mask_covers_is_the_content(network):
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    masks = torch.stack([torch.from_numpy(place == HALVES).float() for place in (1, 2)])
    image = painted(network, PICTURE, 0.8 * rows, ["luminance"] * 2, masks)
    for where, style in ((slice(0, 12), "swirls"), (slice(12, 24), "own")):
        alone = nst.keep_colors(network(PICTURE, style, 0.8).detach(), PICTURE)
        assert same(image[..., where], alone[..., where])
    assert torch.equal(image[..., 24:], PICTURE[..., 24:])


def test_soft_masks_blend_and_those_that_overlap_share_a_place(network):
    rows = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    first, second = (network(PICTURE, style).detach() for style in ("swirls", "own"))
    half = torch.full((2, *SIZE), 0.25)
    assert same(painted(network, PICTURE, rows, ["style"] * 2, half), 0.5 * PICTURE + 0.25 * (first + second))
    assert same(painted(network, PICTURE, rows, ["style"] * 2, torch.ones(2, *SIZE)), 0.5 * (first + second))
    assert torch.equal(painted(network, PICTURE, rows, ["style"] * 2, torch.zeros(2, *SIZE)), PICTURE)


# The page's side


def test_a_slider_paints_at_once_and_shares_are_brought_to_the_sum_one(painter, network):
    before = painter.paintings
    painter.sliders["own"].value = 0.5
    assert painter.paintings == before + 1
    assert painter.shares == pytest.approx({"swirls": 2 / 3, "own": 1 / 3})
    assert same(painter.image, network(PICTURE, {"swirls": 2, "own": 1}).detach())
    assert painter._page.picture.value == panel.encoded(nst.to_pil(painter.image))
    assert [painter.thumbnails[name].description for name in STYLES] == ["67 %", "0 %", "33 %"]


def test_all_sliders_at_none_give_the_content(painter):
    painter.sliders["swirls"].value = 0
    assert painter.shares == {}
    assert painter.style == {}
    assert (painter.image - PICTURE).abs().max() < 0.002


def test_a_thumbnail_chooses_its_style_alone_with_one_painting(painter):
    painter.style = {"swirls": 0.5, "own": 0.5}
    before = painter.paintings
    painter.thumbnails["mosaic"].click()
    assert painter.style == "mosaic"
    assert [slider.value for slider in painter.sliders.values()] == [0, 1, 0]
    assert painter.paintings == before + 1


def test_strength_and_colors_are_controls_with_the_words_of_stylize(painter, network):
    painter.controls["strength"].value = 0.5
    painter.controls["color"].value = "luminance"
    assert (painter.strength, painter.color) == (0.5, "luminance")
    assert same(painter.image, nst.keep_colors(network(PICTURE, "swirls", 0.5).detach(), PICTURE))
    assert [value for _, value in painter.controls["color"].options] == ["style", "match", "luminance"]


def test_mix_strength_colors_and_places_work_together(painter, network):
    painter.style, painter.second = {"swirls": 3, "mosaic": 1}, "own"
    painter.strength, painter.color, painter.masks = 0.7, "match", HALVES
    rows = torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]])
    places = fitted(list(painter.masks), SIZE)
    assert same(painter.image, painted(network, PICTURE, 0.7 * rows, ["match"] * 2, places))
    assert torch.equal(painter.image[..., 25:], PICTURE[..., 25:])  # beside the soft border of the masks
    assert not same(painter.image[..., :11], PICTURE[..., :11])
    facts = painter._page.facts.value
    assert 'data-places="painted"' in facts
    assert 'data-shares="swirls:0.75 mosaic:0.25"' in facts
    assert 'data-strength="0.7" data-color="match"' in facts


def test_the_sliders_are_those_of_the_chosen_mix(painter):
    painter._places.shown.value = True
    before = painter.paintings
    painter._places.mix.value = 1
    assert painter.paintings == before  # looking at it paints nothing
    assert [slider.value for slider in painter.sliders.values()] == [0, 0, 1]
    painter.brush.load(HALVES)
    painter.sliders["mosaic"].value = 1
    assert (painter.style, painter.second) == ("swirls", {"mosaic": 0.5, "own": 0.5})
    painter._places.shown.value = False
    assert [slider.value for slider in painter.sliders.values()] == [1, 0, 0]
    assert painter.masks is None


def test_a_stroke_paints_at_once_and_before_the_first_one_the_first_mix_is_everywhere(painter, network):
    everywhere = network(PICTURE, "swirls").detach()
    painter.places = True
    assert same(painter.image, everywhere)
    painter.brush.load(HALVES)
    assert torch.equal(painter.image[..., 25:], PICTURE[..., 25:])
    painter.brush.clear()
    assert same(painter.image, everywhere)


def test_a_content_or_a_size_from_the_page_is_painted(painter):
    painter.controls["size"].value = 128
    assert painter.image.shape == (1, 3, 96, 128)
    painter.controls["content"].value = "chelsea"
    assert painter.image.shape == (1, 3, 85, 128)
    assert torch.equal(painter.content, nst.load_image("chelsea", 128))
    assert (painter._page.picture.width, painter._page.picture.height) == ("128", "85")


def test_another_content_begins_with_no_places(painter):
    painter.masks = HALVES
    painter.content = "chelsea"
    assert painter.places
    assert painter.masks is None
    assert painter.brush.size == (341, 512)
    painter.brush.load(np.ones((341, 512), np.uint8))
    assert painter.masks is not None


def test_an_upload_becomes_the_content_and_what_is_no_picture_is_said(painter):
    choose(painter._page.content_upload, png("red"))
    assert painter.controls["content"].value == "mine.png"
    assert torch.equal(painter.content[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]))
    assert "mine.png (0.0 MB) is here" in painter._page.facts.value
    before = painter.content
    choose(painter._page.content_upload, b"no picture")
    assert "cannot be read as a picture" in painter._page.facts.value
    assert painter.content is before


def test_what_goes_wrong_while_the_page_paints_is_said_there_and_the_next_move_works(painter, monkeypatch):
    def full(*_):
        raise nst.OutOfMemory("out of memory <here>")

    with monkeypatch.context() as patch:
        patch.setattr(module, "painted", full)
        painter.controls["strength"].value = 0.5
        assert 'role="status">out of memory &lt;here&gt;' in painter._page.facts.value
        with pytest.raises(nst.OutOfMemory):
            painter.strength = 0.4
    painter.controls["strength"].value = 0.6
    assert "out of memory" not in painter._page.facts.value
    assert painter.strength == 0.6


def test_a_move_that_comes_from_rounding_on_the_page_is_none(painter):
    painter.style = {"swirls": 0.333, "own": 0.667}
    painter.sliders["own"].value = 0.65  # the nearest step, as a page says it
    painter.sliders["swirls"].value = 0.35
    assert painter.shares == pytest.approx({"swirls": 0.333, "own": 0.667})


# No queue


class Door:
    """A lock that counts who has come to it."""

    def __init__(self):
        self.lock, self.came = threading.RLock(), 0

    def __enter__(self):
        self.came += 1
        self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()


def test_changes_that_come_during_a_painting_wait_and_only_the_newest_is_painted(painter, network, monkeypatch):
    go_on, strengths, door = threading.Event(), [], Door()

    def slow(network, content, shares, colors, places=None):
        strengths.append(round(shares.sum().item(), 4))
        assert go_on.wait(20)
        return painted(network, content, shares, colors, places)

    monkeypatch.setattr(module, "painted", slow)
    monkeypatch.setattr(painter, "_painting", door)
    threads = []
    for number in range(1, 5):
        threads.append(threading.Thread(target=setattr, args=(painter, "strength", number / 10)))
        threads[-1].start()
        end = time.monotonic() + 20
        while door.came < number or not strengths:
            assert time.monotonic() < end, "it did not come to paint"
            time.sleep(0.001)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert strengths == [0.1, 0.4]
    assert same(painter.image, network(PICTURE, "swirls", 0.4).detach())


# Python's side


def test_attributes_move_the_controls_and_each_paints_once(painter, calls):
    painter.style = {"mosaic": 0.75, "own": 0.25}
    painter.strength = 0.4
    painter.color = "luminance"
    assert [slider.value for slider in painter.sliders.values()] == [0, 0.75, 0.25]
    assert painter.controls["strength"].value == 0.4
    assert painter.controls["color"].value == "luminance"
    assert calls == [(1.0, "style", False), (0.4, "style", False), (0.4, "luminance", False)]
    painter.shares = {"swirls": 30, "mosaic": 10}
    assert painter.shares == pytest.approx({"swirls": 0.75, "mosaic": 0.25})
    painter.style = None
    assert painter.style == {}


def test_it_begins_with_what_it_is_given(network):
    made = live.painter(
        *(PICTURE, {"swirls": 1, "own": 3}),
        network=network,
        strength=0.5,
        color="match",
        masks=HALVES,
        second="mosaic",
        size=32,
        styles=["own", "mosaic", "swirls"],
        folder=None,
    )
    assert made.styles == ("own", "mosaic", "swirls")
    assert made.shares == pytest.approx({"own": 0.75, "swirls": 0.25})
    assert (made.second, made.strength, made.color, made.size, made.places) == ("mosaic", 0.5, "match", 32, True)
    assert made.masks.flatten(1).any(1).all()
    assert made.paintings == 1


def test_the_bundled_network_is_the_default_and_begins_with_swirls():
    made = live.painter(size=48, folder=None)
    assert made.style == "swirls"
    assert len(made.styles) == len(made.sliders) == 13
    assert made.controls["content"].value == "village"


def test_masks_are_taken_as_the_brush_takes_them_or_from_a_brush(painter):
    brush = live.brush(PICTURE, start=HALVES)
    painter.masks = brush
    assert painter.masks.shape == (2, 384, 512)
    assert painter.brush is not brush
    painter.masks = None
    assert not painter.places
    with pytest.raises(nst.InputError, match="3 masks"):
        painter.masks = torch.zeros(3, *SIZE)
    assert not painter.places


def test_other_pictures_are_painted_with_the_present_settings_without_the_places(painter, network):
    painter.strength, painter.color, painter.masks = 0.5, "luminance", HALVES
    frames = torch.rand(2, 3, 20, 28, generator=torch.Generator().manual_seed(0))
    before = painter.paintings
    found = painter.paint(frames)
    assert same(found, nst.keep_colors(network(frames, "swirls", 0.5).detach(), frames))
    assert painter.paintings == before
    with pytest.raises(nst.InputError, match="expected a picture"):
        painter.paint(frames[0])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("style", "swirl", "no style 'swirl'; the nearest is swirls"),
        ("style", {"swirl": 1}, "no style 'swirl'; the nearest is swirls"),
        ("shares", {"swirls": -1}, "a share is -1"),
        ("shares", {"swirls": 0}, "at least one must be above 0"),
        ("second", 7, "7"),
        ("strength", 1.5, "from 0 to 1"),
        ("strength", True, "expected a finite number"),
        ("color", "colour", "style, match, luminance"),
        ("size", 0, "expected a whole number"),
        ("places", 1, "expected True or False"),
        ("content", None, "content is None"),
        ("content", PICTURE.repeat(2, 1, 1, 1), "batch of 2 pictures"),
        ("image", PICTURE, "cannot be assigned"),
        ("network", None, "make another painter"),
        ("colors", "match", "no 'colors'; the nearest"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_changes_nothing(painter, name, value, words):
    before, paintings = painter.image, painter.paintings
    with pytest.raises(nst.InputError, match=words):
        setattr(painter, name, value)
    assert painter.image is before
    assert (painter.style, painter.strength, painter.color, painter.size) == ("swirls", 1.0, "style", 32)
    assert painter.paintings == paintings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"styles": []}, "expected a list of names"),
        ({"styles": "swirls"}, "expected a list of names"),
        ({"styles": ["swril"]}, "no style 'swril'"),
        ({"style": "mosaic", "styles": ["own"]}, "no style 'mosaic'; there are own"),
        ({"network": 5}, "expected an instance of StyleNetwork"),
        ({"colour": "match"}, "no argument 'colour'"),
        ({"folder": 5}, "folder is 5"),
    ],
)
def test_a_painter_that_cannot_be_is_refused_in_words(network, options, words):
    with pytest.raises(nst.InputError, match=words):
        live.painter(PICTURE, **{"network": network, "size": 32, **options})


# What stays


def test_saving_keeps_a_file_with_its_settings_and_a_link(network, tmp_path):
    made = live.painter("chelsea", {"swirls": 0.5, "own": 0.5}, network=network, size=32, folder=tmp_path)
    made._page.save.click()
    made.strength = 0.5
    made._page.save.click()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["painter_chelsea_swirls_own_1.png", "painter_chelsea_swirls_own_2.png"]
    kept = live.read_settings(tmp_path / files[1])
    assert kept["settings"]["strength"] == 0.5
    assert kept["settings"]["style"] == {"swirls": 0.5, "own": 0.5}
    with Image.open(tmp_path / files[1]) as picture:
        assert picture.tobytes() == nst.to_pil(made.image).tobytes()
    assert made._page.strip.value.count("<a download=") == 2
    assert f"{files[1]}</b>" in made._page.facts.value
    made.style = None
    made._page.save.click()
    assert (tmp_path / "painter_chelsea_3.png").exists()


def test_it_shows_a_widget_and_beside_it_a_still_with_a_description(painter, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: shown.append((data, metadata)))
    painter.style, painter.masks = {"swirls": 0.6, "own": 0.4}, HALVES
    painter._ipython_display_()
    ((data, metadata),) = shown
    assert set(data) == {panel.VIEW, "image/jpeg", "text/plain"}
    alt = metadata["image/jpeg"]["alt"]
    assert "60% swirls and 40% own at strength 1, in places that were painted" in alt
    assert ("second: own", "100%", 1.0) in painter.rows()


def test_every_control_is_named(painter):
    for control in (*painter.controls.values(), *painter.sliders.values(), painter._page.save, painter._places.shown):
        assert control.description
    for name, thumbnail in painter.thumbnails.items():
        assert thumbnail.tooltip == f"{name} alone"


def test_a_style_without_a_picture_has_a_thumbnail_that_the_network_paints(painter):
    (look,) = [child.value for child in painter._page.palette.widget.children if hasattr(child, "value")]
    assert look.count("background-image: url(data:image/jpeg;base64,") == 3


# Any style


@pytest.fixture(scope="module")
def any_network():
    """A small one for any style, in which paintings and their sizes make a difference."""
    made = PredictingNetwork(nst.FeatureExtractor("tiny"), widths=(4, 6, 8), blocks=2, kernel=3, bottleneck=5).eval()
    torch.nn.init.normal_(made.predictor.spell.weight, std=0.5, generator=torch.Generator().manual_seed(3))
    for name in ("swirls", "mosaic"):
        made.add_style(name, name)
    return made.requires_grad_(False)


@pytest.fixture
def free(any_network):
    """A painter for any style."""
    return live.painter(PICTURE, "swirls", network=any_network, size=32, folder=None)


@pytest.fixture
def waves(tmp_path):
    path = tmp_path / "waves.png"
    nst.save_image(nst.load_image("hubble_deep_field", 200), path)
    return path


def with_painting(network, name, picture, **size):
    twin = network.that_knows([])
    twin.add_style(name, picture, **size)
    return twin


def everything_in(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from everything_in(child)


def test_only_a_network_for_any_style_takes_paintings_and_their_size(painter, free):
    for made, takes in ((painter, False), (free, True)):
        said = [getattr(widget, "description", "") for widget in everything_in(made.widget)]
        assert ("own style" in said) == takes
        assert ("stroke size" in said) == takes
        assert ("style_size" in made.controls) == takes
    assert painter.style_size is None
    assert free.style_size == 256


def test_an_uploaded_painting_stands_first_and_is_painted_in_alone_and_at_once(free, any_network, waves):
    before = free.paintings
    choose(free._page.style_upload, waves.read_bytes(), "my waves.png")
    assert free.styles == ("my_waves", "swirls", "mosaic")
    assert [slider.description for slider in free.sliders.values()] == ["my waves", "swirls", "mosaic"]
    assert free.thumbnails["my_waves"].tooltip == "my waves alone"
    assert free._page.palette._grid.children[0].children == (free.thumbnails["my_waves"], free.sliders["my_waves"])
    assert (free.style, free.paintings) == ("my_waves", before + 1)
    assert same(free.image, with_painting(any_network, "new", waves)(PICTURE, "new"))
    assert "my waves.png (0.1 MB) is here" in free._page.facts.value
    free.thumbnails["swirls"].click()
    assert same(free.image, any_network(PICTURE, "swirls"))
    free.thumbnails["my_waves"].click()
    assert free.style == "my_waves"


def test_the_thumbnail_of_a_painting_is_the_painting(free):
    choose(free._page.style_upload, png("red"))
    free.add_style("blue", Image.new("RGB", (40, 90), "blue"))
    assert free.styles[:2] == ("blue", "mine")
    for name, color in (("mine", (255, 0, 0)), ("blue", (0, 0, 255))):
        url = free._page.palette._pictures[name]
        assert url in free._page.palette._look.value
        with Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))) as thumbnail:
            assert thumbnail.size == (168, 108)
            assert np.abs(np.array(thumbnail.getpixel((80, 50))) - color).max() < 8


def test_a_file_that_cannot_be_read_as_a_style_is_said_and_changes_nothing(free):
    image, network = free.image, free.network
    choose(free._page.style_upload, b"no picture")
    assert 'role="status"' in free._page.facts.value
    assert "cannot be read as a picture" in free._page.facts.value
    assert free.styles == tuple(free.sliders) == tuple(free.thumbnails) == ("swirls", "mosaic")
    assert free.image is image
    assert free.network is network


def test_several_uploads_stay_and_mix_strength_and_places_go_on_with_them(free, any_network):
    for color in ("red", "green", "blue"):
        choose(free._page.style_upload, png(color), f"{color}.png")
    choose(free._page.style_upload, png("white"), "red.png")
    assert free.styles == ("red_2", "blue", "green", "red", "swirls", "mosaic")
    twin = any_network.that_knows([])
    for color in ("red", "green", "blue"):
        twin.add_style(color, png(color))
    free.style = {}
    free.sliders["red"].value = 0.3
    free.sliders["mosaic"].value = 0.1
    free.controls["strength"].value = 0.5
    first = twin(PICTURE, {"red": 3, "mosaic": 1}, 0.5)
    assert same(free.image, first)
    free.masks = HALVES
    free._places.mix.value = 1
    free.thumbnails["blue"].click()
    assert (free.second, free.shares) == ("blue", pytest.approx({"red": 0.75, "mosaic": 0.25}))
    assert same(free.image[..., :11], first[..., :11])
    assert same(free.image[..., 14:22], twin(PICTURE, "blue", 0.5)[..., 14:22])
    choose(free._page.style_upload, png("black"), "black.png")  # into the mix that the sliders are
    assert (free.second, free.shares) == ("black", pytest.approx({"red": 0.75, "mosaic": 0.25}))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("waves.jpg", "waves"),
        ("the great wave (1831).JPG", "the_great_wave_(1831)"),
        ("Swirls.png", "Swirls_2"),
        ("https://example.org/a/starry%20night.jpg?width=80", "starry_night"),
        ("cafe\u0301.png", "caf\u00e9"),
        ("<b>.png", "b"),
        ("....png", "painting"),
        (torch.rand(1, 3, 8, 8), "painting"),
    ],
)
def test_a_painting_is_called_after_its_file_in_letters_that_a_page_can_show(any_network, file, name):
    assert Mixing(any_network).free_name(file) == name


def test_python_offers_a_painting_as_the_page_does(free, any_network, waves):
    before = free.paintings
    free.add_style("sea", waves)
    assert (free.styles[0], free.style, free.paintings) == ("sea", "sea", before + 1)
    assert same(free.image, with_painting(any_network, "sea", waves)(PICTURE, "sea"))
    free.style = {waves: 0.5, "swirls": 0.5}  # the same painting
    assert free.shares == {"sea": 0.5, "swirls": 0.5}
    assert free.styles == ("sea", "swirls", "mosaic")
    for name, picture, words in (
        ("sea", waves, "two styles 'sea'"),
        ("", waves, "expected a word"),
        ("x", None, "None"),
    ):
        with pytest.raises(nst.InputError, match=words):
            free.add_style(name, picture)
    with pytest.raises(nst.ImageError, match=r"no file 'nowhere\.jpg'"):
        free.style = {"nowhere.jpg": 1, png("red"): 1}
    assert free.styles == ("sea", "swirls", "mosaic")
    assert free.shares == {"sea": 0.5, "swirls": 0.5}


def test_it_begins_with_paintings_as_fast_takes_them(any_network, waves, tmp_path):
    made = live.painter(
        *(PICTURE, {str(waves): 0.5, "swirls": 0.5}),
        network=any_network,
        second=nst.load_image("harbor", 64),
        size=32,
        folder=None,
    )
    assert made.styles == ("painting", "waves", "swirls", "mosaic")
    assert (made.shares, made.second) == ({"waves": 0.5, "swirls": 0.5}, "painting")
    wanted = nst.fast(PICTURE, {str(waves): 0.5, "swirls": 0.5}, network=any_network, progress=False)
    assert same(made.image, wanted)
    made = live.painter(PICTURE, network=any_network, styles=["mosaic", waves], size=32, folder=None)
    assert (made.styles, made.style, made.second) == (("mosaic", "waves"), "mosaic", "waves")
    with pytest.raises(nst.InputError, match="no style 'swirls'"):
        made.style = "swirls"


def test_a_network_that_knows_no_style_needs_a_painting(waves):
    empty = PredictingNetwork(nst.FeatureExtractor("tiny"), widths=(4, 6, 8), blocks=1, kernel=3).eval()
    with pytest.raises(nst.InputError, match="knows no style yet; give a painting"):
        live.painter(PICTURE, network=empty, size=32)
    made = live.painter(PICTURE, waves, network=empty, size=32, folder=None)
    assert (made.styles, made.style, made.second) == (("waves",), "waves", "waves")


def test_a_network_of_known_styles_refuses_paintings_and_their_size(painter, network, waves):
    refused = 'styles that it has learned: swirls, mosaic, own. For a painting of your own take network="any"'
    for style in (waves, {str(waves): 1, "own": 1}, PICTURE):
        with pytest.raises(nst.InputError, match=refused):
            painter.style = style
        with pytest.raises(nst.InputError, match=refused):
            live.painter(PICTURE, style, network=network, size=32)
    with pytest.raises(nst.InputError, match=refused):
        painter.add_style("waves", waves)
    with pytest.raises(nst.InputError, match="has learned how large strokes are"):
        painter.style_size = 300
    with pytest.raises(nst.InputError, match="has learned how large strokes are"):
        live.painter(PICTURE, network=network, size=32, style_size=300)
    assert painter.styles == STYLES


def test_without_a_network_a_painting_finds_the_bundled_one_for_any_style(waves):
    made = live.painter(PICTURE, waves, size=32, folder=None)
    assert (made.style, len(made.styles)) == ("waves", 14)
    assert same(made.image, nst.fast(PICTURE, waves, progress=False))


def test_the_stroke_size_looks_at_the_paintings_again_and_paints_at_once(free, any_network, waves):
    free.add_style("waves", waves)
    at_256, before = free.image, free.paintings
    free.controls["style_size"].value = 128
    assert (free.style_size, free.paintings) == (128, before + 1)
    smaller = with_painting(any_network, "waves", waves, size=128)
    assert same(free.image, smaller(PICTURE, "waves"))
    assert not same(free.image, at_256)
    free.style = "mosaic"  # which had no share when the size was chosen
    assert same(free.image, nst.fast(PICTURE, "mosaic", network=any_network, style_size=128, progress=False))
    frames = torch.rand(2, 3, 20, 28, generator=torch.Generator().manual_seed(0))
    assert same(free.paint(frames), any_network.that_knows(["mosaic"], 128)(frames, "mosaic"))
    free.style, free.style_size = "waves", 256
    assert torch.equal(free.image, at_256)
    assert free.controls["style_size"].value == 256


def test_another_stroke_size_takes_a_look_only_at_paintings_that_have_a_share_and_only_once(free, monkeypatch):
    looked, look_again = [], PredictingNetwork.look_again

    def noted(network, name, *more):
        looked.append(name)
        look_again(network, name, *more)

    monkeypatch.setattr(PredictingNetwork, "look_again", noted)
    free.style_size = 128
    free.strength = 0.5
    assert looked == ["swirls"]
    free.style = {"swirls": 0.5, "mosaic": 0.5}
    free.style = "swirls"
    assert looked == ["swirls", "mosaic"]


def test_each_place_is_painted_in_the_stroke_size(free, any_network):
    free.second, free.masks, free.style_size = "mosaic", HALVES, 512
    large = any_network.that_knows(["mosaic"], 512)(PICTURE, "mosaic")
    assert same(free.image[..., 14:22], large[..., 14:22])
    assert not same(large, any_network(PICTURE, "mosaic"))


def test_a_stroke_size_between_two_steps_of_the_slider_stays_as_it_was_set(free):
    free.style_size = 300
    before = free.paintings
    free.controls["style_size"].value = 288  # the nearest step, as a page says it
    assert (free.style_size, free.paintings) == (300, before)


def test_a_style_whose_painting_is_not_there_stays_as_the_network_knows_it(any_network):
    network = with_painting(any_network, "sea", PICTURE)
    made = live.painter(PICTURE, "sea", network=network, size=32, folder=None)
    before = made.image
    made.style_size = 512
    assert torch.equal(made.image, before)


@pytest.mark.parametrize("size", [127, 513, 256.0, True, None])
def test_a_stroke_size_that_cannot_be_is_refused_and_changes_nothing(free, any_network, size):
    image = free.image
    with pytest.raises(nst.InputError, match="expected a whole number of pixels, from 128 to 512"):
        free.style_size = size
    assert (free.style_size, free.image is image) == (256, True)


def test_a_painting_that_is_gone_is_said_when_it_is_to_be_looked_at_again(free, waves):
    free.add_style("waves", waves)
    waves.unlink()
    image = free.image
    free.controls["style_size"].value = 128
    assert "no file" in free._page.facts.value
    assert (free.style_size, free.controls["style_size"].value, free.image is image) == (256, 256, True)


def test_no_painter_changes_the_network_that_is_given_or_kept_and_two_share_no_styles(any_network, waves):
    kept, rows = ready_network("any"), any_network.rows.clone()
    names = kept.styles
    one, other = (live.painter(PICTURE, network=any_network, size=32, folder=None) for _ in range(2))
    bundled = live.painter(PICTURE, network="any", size=32, folder=None)
    for made in (one, bundled):
        made.add_style("waves", waves)
        made.style_size = 160
    assert ready_network("any") is kept
    assert kept.styles == names
    assert any_network.styles == other.styles == ("swirls", "mosaic")
    assert torch.equal(any_network.rows, rows)
    assert one.network.styles == ("swirls", "mosaic", "waves")
    assert (other.style_size, other.network.styles) == (256, ("swirls", "mosaic"))


def test_still_alt_and_saved_file_tell_the_stroke_size_and_the_paintings_name(any_network, tmp_path):
    made = live.painter(PICTURE, network=any_network, size=32, style_size=320, folder=tmp_path)
    choose(made._page.style_upload, png("red"), "my waves.png")
    assert ("my waves", "100%", 1.0) in made.rows()
    assert ("stroke size", "320", 0.5) in made.rows()
    assert "painted in 100% my waves at strength 1; " in made.alt()
    assert made.alt().endswith("stroke size: 320")
    made._page.save.click()
    (file,) = tmp_path.iterdir()
    assert file.name == "painter_the one given_my_waves_1.png"
    settings = live.read_settings(file)["settings"]
    assert (settings["style"], settings["style_size"]) == ({"my_waves": 1.0}, 320)
    assert 'data-style-size="320" data-shares="my_waves:1"' in made._page.facts.value
