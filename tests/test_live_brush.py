"""The brush without a page: what its map is made of, what it refuses, and its talk with a page, played by the test."""

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageDraw

import nstlib as nst
from nstlib import live
from nstlib.live import maps as regions
from nstlib.live.past import CHANGE, HEAD, KERNEL, REDO, UNDO, Note, Past

PAGE = 12345  # the number of a page
SIZE = (32, 48)
PICTURE = torch.linspace(0, 1, 3 * 32 * 48).reshape(1, 3, *SIZE)


def maps(least=1):
    """Maps of up to 40 pixels a side."""
    shapes = npst.array_shapes(min_dims=2, max_dims=2, min_side=least, max_side=40)
    return npst.arrays(np.uint8, shapes, elements=st.integers(0, regions.MOST))


def brush(count=3, **options):
    return live.brush(PICTURE, count, size=48, **options)


def stripes(*labels):
    """A map of uprights."""
    return np.repeat(np.array(labels, np.uint8), SIZE[1] // len(labels))[None].repeat(SIZE[0], 0)


class Page:
    """What a page does: it paints on the map that it knows."""

    def __init__(self, brush, author=PAGE):
        self.brush, self.author, self.edit = brush, author, 0
        self.seen = self.heard().seen

    def heard(self):
        return Note.read(self.brush.widget.painted)

    def sends(self, labels, way=CHANGE, goes_on=False):
        self.edit += not goes_on
        note = Note(self.author, self.edit, self.seen, way, regions.packed(labels))
        self.brush.widget.set_state({"painted": memoryview(note.packed())})


# The map


@given(maps())
def test_a_map_survives_the_way_to_a_page(labels):
    assert np.array_equal(regions.unpacked(regions.packed(labels), labels.shape), labels)


@pytest.mark.parametrize("width", [regions.LONGEST - 1, regions.LONGEST, regions.LONGEST + 1, 5 * regions.LONGEST])
def test_runs_of_any_length_survive_it(width):
    labels = np.full((2, width), 7, np.uint8)
    labels[1, width // 2 :] = 3
    assert np.array_equal(regions.unpacked(regions.packed(labels), labels.shape), labels)


@given(maps(), st.integers(1, 40), st.integers(1, 40))
def test_runs_that_do_not_fill_the_map_are_refused(labels, height, width):
    if height * width != labels.size:
        with pytest.raises(nst.InputError, match="arrived damaged"):
            regions.unpacked(regions.packed(labels), (height, width))
    with pytest.raises(nst.InputError, match="arrived damaged"):
        regions.unpacked(regions.packed(labels)[:-1], labels.shape)


def test_a_map_full_of_strokes_is_a_small_message():
    rng = np.random.default_rng(0)
    sheet = Image.new("L", (512, 512))
    draw = ImageDraw.Draw(sheet)
    for _ in range(400):
        points = [tuple(point) for point in rng.integers(0, 512, (4, 2)).tolist()]
        draw.line(points, fill=int(rng.integers(0, 8)), width=int(rng.integers(2, 40)), joint="curve")
    assert len(regions.packed(np.asarray(sheet))) < 100_000


@given(maps())
def test_each_pixel_is_in_the_mask_of_its_region_and_in_no_other(labels):
    masks = regions.masks_of(labels, regions.MOST)
    assert masks.dtype == torch.float32
    assert masks.shape == (regions.MOST, *labels.shape)
    assert np.array_equal(masks.sum(0).numpy(), labels > 0)
    assert np.array_equal(regions.labels_from(masks, labels.shape, regions.MOST), labels)


@given(maps(least=16))
@settings(max_examples=30)
def test_a_saved_map_is_the_same_when_it_is_loaded(tmp_path_factory, labels):
    path = regions.save_color_coded(labels, tmp_path_factory.mktemp("maps") / "map.png")
    assert np.array_equal(regions.labels_from(path, labels.shape, regions.MOST), labels)


def test_a_file_has_the_pure_colors_in_their_order(tmp_path):
    path = brush(7, start=stripes(1, 2, 3, 4, 5, 6, 7, 0)).save(tmp_path / "map.png")
    assert path == tmp_path / "map.png"
    with Image.open(path) as picture:
        colors = [picture.getpixel((6 * k + 3, 9)) for k in range(8)]
    assert picture.mode == "RGB"
    assert colors[:4] == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]
    assert colors[4:] == [(255, 0, 255), (0, 255, 255), (255, 255, 255), (0, 0, 0)]


def test_a_file_that_would_blur_the_colors_is_refused(tmp_path):
    with pytest.raises(nst.ImageError, match=r"'\.jpg' says no known format; possible are \.png"):
        brush().save(tmp_path / "map.jpg")


# Regions from elsewhere


def test_the_map_has_the_size_of_the_content_as_it_is_loaded():
    painted = live.brush("chelsea", size=120)
    assert painted.size == painted.labels.shape == tuple(painted.content.shape[-2:]) == (80, 120)
    assert painted.masks.shape == (2, 80, 120)
    assert max(live.brush("chelsea").size) == 512
    assert live.brush(PICTURE).size == SIZE  # a tensor as it is
    assert live.brush(PICTURE, size=96).size == (64, 96)


@pytest.mark.parametrize("kind", ["labels", "floats", "tensor", "masks", "soft masks", "picture", "array", "bytes"])
def test_regions_come_from_whatever_tells_them(kind, tmp_path):
    wanted = stripes(0, 1, 2, 3)
    masks = regions.masks_of(wanted, 3)
    path = regions.save_color_coded(wanted, tmp_path / "map.png")
    given = {
        "labels": wanted,
        "floats": wanted.astype(float),
        "tensor": torch.from_numpy(wanted),
        "masks": masks.numpy(),
        "soft masks": 0.4 + 0.2 * masks,
        "picture": regions.color_coded(wanted),
        "array": np.asarray(regions.color_coded(wanted)),
        "bytes": path.read_bytes(),
    }
    assert np.array_equal(brush(start=given[kind]).labels, wanted)
    assert np.array_equal(brush().load(given[kind]).labels, wanted)


def test_transparent_pixels_of_a_file_belong_to_no_region():
    layer = regions.color_coded(stripes(1, 1, 2, 2)).convert("RGBA")
    layer.putalpha(Image.fromarray(np.where(stripes(0, 1, 0, 1), 255, 0).astype(np.uint8)))
    assert np.array_equal(brush(start=layer).labels, stripes(0, 1, 0, 2))


def test_a_file_with_soft_edges_gives_the_nearest_regions(tmp_path):
    wanted = np.zeros(SIZE, np.uint8)
    wanted[:, :24], wanted[:, 24:] = 1, 2
    regions.color_coded(wanted).save(tmp_path / "map.jpg", quality=85)
    assert (brush(2, start=tmp_path / "map.jpg").labels == wanted).mean() > 0.95


@pytest.mark.parametrize("scale", [2, 3])
def test_a_map_of_another_size_is_scaled_with_its_labels_as_they_are(scale):
    large = stripes(0, 1, 2, 3).repeat(scale, 0).repeat(scale, 1)
    assert np.array_equal(brush(start=large).labels, stripes(0, 1, 2, 3))


@pytest.mark.parametrize(
    ("start", "error", "words"),
    [
        (stripes(0, 4), nst.InputError, "from 0 to 4; expected whole numbers from 0, no region, to 3"),
        (stripes(0, 1) - 0.5, nst.InputError, "from -0.5 to 0.5"),
        (np.full(SIZE, np.nan), nst.InputError, "from nan to nan"),
        (np.zeros((4, *SIZE)), nst.InputError, "4 masks .* this brush has 3 regions"),
        (np.full((2, *SIZE), 255), nst.InputError, r"must lie in \[0, 1\]; divide by 255"),
        (np.zeros((48, 32)), nst.InputError, "32 x 48 pixels, and the picture 48 x 32 pixels: that is another shape"),
        (np.zeros(9), nst.InputError, r"shape \(9,\)"),
        (np.zeros((0, 4)), nst.InputError, r"shape \(0, 4\)"),
        ([[1, 0]], nst.InputError, "cannot be read from .*list"),
        (7, nst.InputError, "cannot be read from 7"),
        (
            regions.color_coded(stripes(0, 5)),
            nst.InputError,
            r"regions in magenta, but .* 3 regions \(red, green, blue\)",
        ),
        ("no_such_map.png", nst.ImageError, "no file 'no_such_map.png'"),
        (b"no picture", nst.ImageError, "cannot be read as a picture"),
    ],
)
def test_what_tells_no_regions_for_this_picture_is_refused_in_words(start, error, words):
    painted = brush(start=stripes(1, 2))
    with pytest.raises(error, match=words):
        painted.load(start)
    assert np.array_equal(painted.labels, stripes(1, 2))
    with pytest.raises(error, match=words):
        brush(start=start)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regions": 0}, "regions is 0; expected a whole number, from 1 to 7"),
        ({"regions": 8}, "from 1 to 7; each has a corner of the color cube"),
        ({"regions": 2, "names": ["sky"]}, "1 names, but 2 regions"),
        ({"names": []}, "0 names"),
        ({"names": "sky"}, "'sky'; expected one word or more a region"),
        ({"names": 2}, "names is 2"),
        ({"names": ["sky", ""]}, "expected one word or more a region"),
        ({"names": list("abcdefgh")}, "8 names"),
        ({"size": 0}, "size is 0"),
        ({"region": 2}, "there is no argument 'region'; the nearest"),
    ],
)
def test_a_brush_that_cannot_be_is_refused_in_words(options, words):
    with pytest.raises(nst.InputError, match=words):
        live.brush(PICTURE, **options)


def test_a_content_that_is_none_or_several_is_refused_in_words():
    with pytest.raises(nst.InputError, match="content is None"):
        live.brush(None)
    with pytest.raises(nst.InputError, match="batch of 2 pictures"):
        live.brush(PICTURE.repeat(2, 1, 1, 1))


def test_without_a_number_there_are_as_many_regions_as_names_or_as_what_it_begins_with():
    assert live.brush(PICTURE).names == ("red", "green")
    assert live.brush(PICTURE, names=["sky", "sea", "boats"]).regions == 3
    assert live.brush(PICTURE, size=48, start=stripes(0, 5)).regions == 5
    assert live.brush(PICTURE, size=48, start=regions.color_coded(stripes(0, 4))).regions == 4
    assert live.brush(PICTURE, size=48, start=np.zeros((3, *SIZE))).regions == 3  # a mask may be empty
    assert live.brush(PICTURE, size=48, start=stripes(0, 1)).regions == 2


def test_labels_that_were_given_out_do_not_change():
    painted = brush(start=stripes(0, 1))
    before = painted.labels
    with pytest.raises(ValueError, match="read-only"):
        before[:] = 2
    painted.clear()
    assert before.any()
    assert not painted.labels.any()


# Undo, by Python and by a page


@given(st.lists(st.sampled_from(["undo", "redo", "clear", *range(4)]), max_size=30), st.data())
@settings(max_examples=60)
def test_undo_and_redo_walk_through_all_that_was_whoever_has_made_it(moves, data):
    painted, was, here = brush(), [stripes(0)], 0
    page = Page(painted)
    for move in moves:
        by_page = data.draw(st.booleans())
        page.seen = page.heard().seen
        if move in ("undo", "redo"):
            there = here + (1 if move == "redo" else -1)
            possible = 0 <= there < len(was)
            if by_page and possible:
                page.sends(was[there], UNDO if move == "undo" else REDO)
            elif not by_page:
                assert getattr(painted, move)() == possible
            here = there if possible else here
        else:
            wanted = stripes(0 if move == "clear" else move)
            if by_page:
                page.sends(wanted)
            elif move == "clear":
                painted.clear()
            else:
                painted.load(wanted)
            if not np.array_equal(wanted, was[here]):
                was, here = [*was[: here + 1], wanted], here + 1
        assert np.array_equal(painted.labels, was[here])
        assert page.heard().runs == regions.packed(was[here])


def test_a_stroke_that_arrives_in_pieces_is_one_step_back():
    painted = brush(start=stripes(0, 1))
    page = Page(painted)
    page.sends(stripes(2, 1))
    page.sends(stripes(2, 2), goes_on=True)
    page.sends(stripes(3, 2), goes_on=True)
    assert np.array_equal(painted.labels, stripes(3, 2))
    assert painted.undo()
    assert np.array_equal(painted.labels, stripes(0, 1))
    assert not painted.undo()


def test_what_was_painted_while_python_set_the_map_comes_back_with_an_undo():
    painted = brush()
    page = Page(painted)
    page.sends(stripes(1, 0, 0))
    painted.load(stripes(3))
    page.sends(stripes(1, 1, 0), goes_on=True)  # on its way before the page has heard of it
    assert np.array_equal(painted.labels, stripes(3))
    assert page.heard().runs == regions.packed(stripes(3))
    assert painted.undo()
    assert np.array_equal(painted.labels, stripes(1, 1, 0))
    assert painted.undo()
    assert not painted.labels.any()


def test_what_was_painted_after_python_set_the_map_wins():
    painted = brush()
    page = Page(painted)
    painted.load(stripes(3))
    page.seen = page.heard().seen
    page.sends(stripes(1, 3))
    assert np.array_equal(painted.labels, stripes(1, 3))
    assert painted.undo()
    assert np.array_equal(painted.labels, stripes(3))


def test_a_page_that_was_opened_anew_can_undo_what_it_has_not_seen():
    painted = brush(start=stripes(1))
    assert not painted.widget.undoable
    Page(painted).sends(stripes(2))
    assert painted.widget.undoable
    painted.widget._handle_custom_msg({"ask": "undo"}, [])
    assert np.array_equal(painted.labels, stripes(1))
    assert not painted.widget.undoable


def test_the_past_ends_somewhere():
    past = Past(Note(KERNEL, 0, 0, CHANGE, b"0"))
    for number in range(1, 500):
        past.follow(Note(KERNEL, number, number, CHANGE, str(number).encode()))
    steps = 0
    while (before := past.before()) is not None:
        past.follow(Note(KERNEL, 1000 + steps, 0, UNDO, before))
        steps += 1
    assert steps == 100


@pytest.mark.parametrize("data", [b"", b"short", HEAD.pack(PAGE, 1, 0, CHANGE), HEAD.pack(PAGE, 1, 0, CHANGE) + b"123"])
def test_a_damaged_message_changes_nothing(data):
    painted = brush(start=stripes(0, 1))
    with pytest.raises(nst.InputError, match="arrived damaged"):
        painted.widget.set_state({"painted": memoryview(data)})
    assert np.array_equal(painted.labels, stripes(0, 1))
    assert not painted.undo()


# Who listens


def test_callbacks_hear_of_each_change_and_see_the_new_masks():
    painted, heard = brush(1), []
    callback = painted.observe(lambda brush: heard.append(brush.masks.mean().item()))
    page = Page(painted)
    painted.load(stripes(1, 0))
    painted.load(stripes(1, 0))  # no change
    page.seen = page.heard().seen
    page.sends(stripes(1))
    page.sends(stripes(0), goes_on=True)
    painted.undo()
    painted.redo()
    assert heard == [0.5, 1.0, 0.0, 0.5, 0.0]
    painted.unobserve(callback)
    painted.load(stripes(1))
    assert len(heard) == 5


def test_an_error_in_one_callback_does_not_silence_the_others():
    painted, heard = brush(), []
    painted.observe(lambda _: 1 / 0)
    painted.observe(heard.append)
    with pytest.raises(ZeroDivisionError):
        painted.load(stripes(1))
    assert heard == [painted]
    assert painted.labels.all()


def test_a_callback_that_cannot_be_is_refused_in_words():
    with pytest.raises(nst.InputError, match="expected a function"):
        brush().observe("print")
    with pytest.raises(nst.InputError, match="does not observe"):
        brush().unobserve(print)


def test_a_loop_may_read_and_set_the_map_while_a_page_paints():
    painted, errors = brush(), []
    page = Page(painted)

    def loop():
        try:
            for number in range(100):
                assert set(np.unique(painted.masks.sum(0))) <= {0.0, 1.0}
                painted.load(stripes(number % 4))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    for number in range(100):
        page.seen = page.heard().seen
        page.sends(stripes(number % 3, 1))
    thread.join()
    assert not errors
    assert page.heard().runs == regions.packed(painted.labels)


# The page


def test_the_widget_has_all_that_the_page_needs_and_nothing_comes_from_the_net():
    painted = brush(names=["sky", "houses", "water"])
    state = painted.widget.get_state()
    assert state["names"] == ["sky", "houses", "water"]
    assert state["size"] == list(SIZE)
    assert state["picture"][:2] == b"\xff\xd8"
    assert len(state["patterns"]) % 8 == 0
    for text in (state["_esm"], state["_css"]):
        assert len(text) > 1000
        assert not any(word in text for word in ("http", "import ", "import(", "url(", "fetch("))


def test_page_and_kernel_agree_on_the_numbers_of_their_talk():
    script = (Path(live.__file__).parent / "brush.js").read_text()
    assert f"KERNEL = {KERNEL};" in script
    assert f"CHANGE = {CHANGE}, UNDO = {UNDO}, REDO = {REDO};" in script
    assert f"HEAD = {HEAD.size};" in script
    assert f"LENGTH_BITS = {regions.LENGTH_BITS}," in script
    assert f"EDGE = {regions.EDGE}, EDGE_SHADE = {regions.EDGE_SHADE};" in script


def test_in_a_saved_notebook_a_still_shows_the_regions_and_words_tell_them(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: shown.append((data, metadata)))
    painted = brush(2, names=["sky", "houses"], start=stripes(1, 2, 0, 0))
    painted._ipython_display_()
    ((data, metadata),) = shown
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == painted.widget.model_id
    assert "sky 25%, houses 25%" in data["text/plain"] == metadata["image/jpeg"]["alt"]
    still, plain = np.asarray(painted.still()), np.asarray(brush(2).still())
    assert (still[:200, 10:200] != plain[:200, 10:200]).any()
    assert np.array_equal(still[:, 260:450], plain[:, 260:450])


def test_colab_is_told_where_widgets_of_others_come_from_and_gets_no_still_in_their_place(monkeypatch):
    url, asked, shown = "https://example.org/manager.js", [], []
    output = SimpleNamespace(
        enable_custom_widget_manager=lambda: asked.append(True), _widgets=SimpleNamespace(_installed_url=url)
    )
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(output=output))
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: shown.append((data, metadata)))
    brush()._ipython_display_()
    ((data, metadata),) = shown
    view = "application/vnd.jupyter.widget-view+json"
    assert set(data) == {view, "text/plain"}
    assert metadata == {view: {"colab": {"custom_widget_manager": {"url": url}}}}
    assert asked == [True]


def test_patterns_tell_neighbors_apart_without_colors():
    tiles = regions.patterns(512)
    assert len({tile.tobytes() for tile in tiles}) == 8


def test_without_anywidget_everything_else_is_there_and_the_brush_says_what_to_install():
    program = (
        "import sys; sys.modules['anywidget'] = None\n"
        "from nstlib import live, errors\n"
        "live.Upload(content='village')\n"
        "try: live.brush('village', size=64)\n"
        "except errors.MissingPackage as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'needs anywidget; install it with: pip install "nstlib[lab]"' in done.stdout
