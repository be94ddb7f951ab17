"""The camera without a page: its talk with a page, played by the test, and what it refuses."""

import base64
import contextlib
import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import nstlib as nst
from nstlib import live
from nstlib.errors import InputError
from nstlib.feedforward.network import StyleNetwork
from nstlib.live.panel import encoded

STYLES = ["mosaic", "swirls", "waves"]


def small(styles=STYLES):
    """A small network whose styles differ."""
    network = StyleNetwork(styles, (4, 6, 8), 1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for row in network.rows:
            row.add_(0.3 * torch.randn(row.shape, generator=generator))
    return network


def jpeg(height=24, width=32):
    """A frame as a page sends it."""
    ramp = np.linspace(0, 255, height * width * 3).reshape(height, width, 3).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, "JPEG", quality=95)
    return file.getvalue()


class Page:
    """What a page does: it sends frames, and keeps what it is told."""

    def __init__(self, camera, monkeypatch):
        self.camera, self.told = camera, []
        monkeypatch.setattr(camera.widget, "send", lambda message, buffers=(): self.told.append((message, *buffers)))

    def sends(self, file=None, number=1, view="here"):
        """Send a frame; gives what it is told then."""
        message = {"kind": "frame", "view": view, "number": number}
        self.camera.widget._handle_custom_msg(message, [memoryview(jpeg() if file is None else file)])
        return self.told[-1]


@pytest.fixture
def camera():
    return live.camera(small(), size=32)


@pytest.fixture
def page(camera, monkeypatch):
    return Page(camera, monkeypatch)


def test_a_frame_comes_back_painted_with_its_number(camera, page):
    message, file = page.sends(number=7)
    assert message == {"kind": "painted", "said": "swirls", "view": "here", "number": 7}
    picture = Image.open(io.BytesIO(file))
    assert (picture.format, picture.size) == ("JPEG", (32, 24))
    assert len(page.told) == 1
    assert camera.error is None
    assert camera.content.shape == camera.frame.shape == (1, 3, 24, 32)
    assert camera.frame.dtype == torch.float32
    assert not camera.frame.is_inference()
    assert file == encoded(nst.to_pil(camera.frame))


def test_the_frame_is_what_the_network_makes_of_it(camera, page):
    page.sends()
    wanted = camera.network.paint(camera.content, "swirls", progress=False)
    assert (camera.frame - wanted).abs().mean() < 0.02  # bfloat16, where it is faster
    assert (camera.frame - camera.content).abs().mean() > 0.1


def test_style_and_strength_act_at_the_next_frame(camera, page):
    painted = []
    for style, strength, said in [
        ("swirls", 1.0, "swirls"),
        ("mosaic", 1.0, "mosaic"),
        ("mosaic", 0.5, "mosaic, strength 0.50"),
        ({"swirls": 1, "waves": 3}, 1.0, "swirls 25%, waves 75%"),
        (torch.tensor([[0.2, 0.3, 0.1]]), 1.0, "a mix of styles"),
    ]:
        camera.style, camera.strength = style, strength
        assert page.sends()[0]["said"] == said
        painted.append(camera.frame)
    for place, one in enumerate(painted):
        assert all((one - other).abs().mean() > 0.005 for other in painted[:place])
    camera.strength = 0
    page.sends()
    torch.testing.assert_close(camera.frame, camera.content, rtol=0, atol=0.02)


def test_what_cannot_be_is_refused_at_once_and_changes_nothing(camera):
    with pytest.raises(InputError, match="did you mean 'swirls'"):
        camera.style = "swirl"
    with pytest.raises(InputError, match="from 0 to 1"):
        camera.strength = 2
    with pytest.raises(InputError, match="one style at a time"):
        camera.style = ["swirls", "mosaic"]
    with pytest.raises(InputError, match="size is 5000"):
        camera.size = 5000
    with pytest.raises(InputError, match="Camera has no 'stlye'; the nearest are style"):
        camera.stlye = "mosaic"
    with pytest.raises(InputError, match="frame cannot be assigned"):
        camera.frame = None
    with pytest.raises(InputError, match="paint is 5"):
        camera.paint = 5
    with pytest.raises(InputError, match="expected a function that takes the camera"):
        camera.on_frame("print")
    with pytest.raises(InputError, match="expected an instance of StyleNetwork"):
        live.camera(5)
    with pytest.raises(InputError, match="is a style: style='swirls'"):
        live.camera("swirls")
    with pytest.raises(InputError, match="no argument 'mirorr'"):
        live.camera(small(), mirorr=True)
    assert (camera.style, camera.strength, camera.size) == ("swirls", 1.0, 32)


def test_without_a_word_it_paints_in_swirls_or_in_the_first_style():
    assert live.camera(small()).style == "swirls"
    assert live.camera(small(["waves", "mosaic"])).style == "waves"
    bundled = live.camera()
    assert bundled.style in bundled.network.styles
    assert bundled.network.styles == nst.load_network().styles


def test_a_file_is_a_network_too_as_everywhere(tmp_path):
    file = nst.save_network(small(["waves"]), tmp_path / "mine.safetensors")
    assert live.camera(str(file)).network.styles == live.camera(network=file).network.styles == ("waves",)


def test_a_strength_of_one_value_is_a_number(camera):
    camera.strength = torch.tensor([0.5])
    assert camera.in_words() == "swirls, strength 0.50"
    assert camera.still().size


def test_a_function_of_ones_own_paints(monkeypatch):
    seen = []

    def negative(picture):
        seen.append((picture.shape, torch.is_grad_enabled()))
        return 1 - picture[..., ::2, ::2]

    camera = live.camera(paint=negative)
    page = Page(camera, monkeypatch)
    message, file = page.sends()
    assert message["said"] == "painted by a function"
    assert Image.open(io.BytesIO(file)).size == (16, 12)
    assert seen == [((1, 3, 24, 32), False)]
    assert torch.equal(camera.frame, 1 - camera.content[..., ::2, ::2])
    assert camera.network is None
    with pytest.raises(InputError, match="has no network"):
        camera.style = "swirls"
    with pytest.raises(InputError, match="give a function"):
        camera.paint = None


def test_a_function_takes_the_networks_place_and_gives_it_back(camera, page):
    page.sends()
    by_network = camera.frame
    camera.paint = lambda picture: picture
    page.sends()
    assert torch.equal(camera.frame, camera.content)
    camera.paint = None
    page.sends()
    assert torch.equal(camera.frame, by_network)


@pytest.mark.parametrize(
    ("paint", "said"),
    [
        (lambda picture: picture.no_such_thing, "AttributeError: 'Tensor' object has no attribute 'no_such_thing'"),
        (lambda picture: None, "the painted picture is NoneType; expected a picture"),
        (lambda picture: 255 * picture, "the painted picture holds values from"),
    ],
)
def test_an_error_in_painting_is_told_on_the_page_and_kept(camera, page, paint, said):
    page.sends()
    frame = camera.frame
    camera.paint = paint
    message, *_ = page.sends(number=2)
    assert message["kind"] == "failed"
    assert message["number"] == 2
    assert message["said"].startswith(said)
    assert camera.error is not None
    assert camera.frame is frame
    camera.paint = None
    assert page.sends()[0]["kind"] == "painted"
    assert camera.error is None


def test_an_interrupted_painting_is_answered_too(camera, page):
    def interrupted(picture):
        raise KeyboardInterrupt

    camera.paint = interrupted
    with contextlib.suppress(KeyboardInterrupt):
        page.sends()
    assert page.told[-1][0]["kind"] == "failed"


def test_what_is_no_picture_is_answered_too(camera, page):
    message, *_ = page.sends(b"no picture")
    assert message["kind"] == "failed"
    assert isinstance(camera.error, nst.ImageError)


def test_other_messages_are_not_answered(camera, page):
    camera.widget._handle_custom_msg({"kind": "else"}, [])
    camera.widget._handle_custom_msg("text", [])
    assert page.told == []


def test_callbacks_get_the_camera_after_each_frame(camera, page):
    seen = []
    keep = camera.on_frame(lambda camera: seen.append(camera.frame))
    page.sends()
    assert seen[0] is camera.frame
    camera.on_frame(keep, remove=True)
    page.sends()
    assert len(seen) == 1
    with pytest.raises(InputError, match="is not called by this camera"):
        camera.on_frame(keep, remove=True)


def test_an_error_in_a_callback_is_told_after_the_picture(camera, page):
    camera.on_frame(lambda camera: 1 / 0)
    page.sends()
    assert [message["kind"] for message, *_ in page.told] == ["painted", "failed"]
    assert page.told[-1][0]["said"] == "ZeroDivisionError: division by zero"


def test_the_last_frame_is_painted_once_more_for_every_view(camera, page):
    camera.repaint()
    assert page.told == []  # there is none yet
    page.sends()
    camera.style = "mosaic"
    camera.repaint()
    message, _ = page.told[-1]
    assert message == {"kind": "painted", "said": "mosaic"}


def test_python_can_stop_it_and_change_its_size(camera, page):
    camera.stop()
    assert page.told == [({"kind": "stop"},)]
    camera.size = 64
    assert camera.widget.size == 64


def test_no_frame_gets_into_the_state_that_notebooks_keep(camera, page):
    page.sends()
    state = {name: value for name, value in camera.widget.get_state().items() if not name.startswith("_")}
    assert {name for name, value in state.items() if isinstance(value, bytes | memoryview)} == set()
    assert {"size", "mirror"} <= set(state)


def test_readers_without_a_kernel_see_a_still_that_shows_nobody(camera, page, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: shown.append((data, metadata)))
    before = camera.still()
    page.sends()
    camera._ipython_display_()
    ((data, metadata),) = shown
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/plain", "image/jpeg"}
    assert data["text/plain"] == metadata["image/jpeg"]["alt"]
    assert "swirls" in data["text/plain"]
    still = Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"])))
    assert still.size == before.size
    assert np.abs(np.asarray(still, float) - np.asarray(before.convert("RGB"), float)).mean() < 4


def test_a_still_is_there_even_where_painting_fails(camera):
    camera.paint = lambda picture: 1 / 0
    assert camera.still().width == 860


def test_without_anywidget_the_camera_says_what_to_install():
    program = (
        "import sys; sys.modules['anywidget'] = None\n"
        "from nstlib import live, errors\n"
        "try: live.camera()\n"
        "except errors.MissingPackage as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'the camera needs anywidget; install it with: pip install "nstlib[lab]"' in done.stdout
