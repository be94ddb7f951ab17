"""Buttons that upload pictures, with either version of ipywidgets."""

from datetime import UTC, datetime
from io import BytesIO

import pytest
import torch
from PIL import Image

import nstlib as nst
from nstlib.live.upload import Upload


def choose(button, data, name="mine.png"):
    """What the browser does when a file is chosen."""
    if isinstance(button.value, dict):  # ipywidgets 7
        file = {"metadata": {"name": name, "type": "image/png", "size": len(data)}, "content": data}
        button.set_trait("value", {name: file})
    else:
        now = datetime.now(UTC)
        facts = {"name": name, "type": "image/png", "size": len(data), "last_modified": now}
        button.value = (facts | {"content": memoryview(data)},)


def png(color):
    file = BytesIO()
    Image.new("RGB", (40, 30), color).save(file, "PNG")
    return file.getvalue()


def test_a_chosen_file_takes_the_place_of_the_picture_that_stands_in():
    mine = Upload(content="chelsea", style="mosaic")
    assert mine["style"] == "mosaic"
    choose(mine.buttons["content"], png("red"))
    assert torch.equal(nst.load_image(mine["content"])[0, :, 0, 0], torch.tensor([1.0, 0.0, 0.0]))
    assert mine["style"] == "mosaic"


def test_a_file_that_is_no_picture_is_refused_in_words():
    mine = Upload(content="chelsea")
    choose(mine.buttons["content"], b"not a picture")
    with pytest.raises(nst.ImageError, match="cannot be read as a picture"):
        nst.load_image(mine["content"])


def test_it_shows_its_buttons_and_says_what_was_there_where_there_is_no_kernel(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    mine = Upload(content="chelsea")
    mine._ipython_display_()
    (data,) = shown
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == mine.widget.model_id
    assert "*Upload content*" in data["text/markdown"]


def test_a_name_that_no_button_has_is_refused():
    with pytest.raises(nst.InputError, match="'house'; there are content"):
        Upload(content="chelsea")["house"]
    with pytest.raises(nst.InputError, match="no picture to ask for"):
        Upload()


def test_it_says_which_picture_is_used(capsys):
    mine = Upload(content="chelsea", style=Image.new("RGB", (9, 9)))
    assert mine["content"] == "chelsea"
    assert capsys.readouterr().out == "content: no file has arrived; chelsea stands in\n"
    assert mine["style"].size == (9, 9)
    assert "the one given stands in" in capsys.readouterr().out
    choose(mine.buttons["content"], png("red") + bytes(2**20))
    assert "content: mine.png (1.0 MB)" in mine._arrived.value
    assert isinstance(mine["content"], bytes)
    assert capsys.readouterr().out == "content: mine.png (1.0 MB)\n"


def test_the_limit_of_the_server_stands_beside_the_buttons(monkeypatch):
    monkeypatch.delenv("NST_UPLOAD_LIMIT", raising=False)
    assert "up to 10 MB" in Upload(content="chelsea").widget.children[1].value
    monkeypatch.setenv("NST_UPLOAD_LIMIT", str(100 * 2**20))
    assert "Files up to 100 MB." in Upload(content="chelsea").widget.children[1].value
