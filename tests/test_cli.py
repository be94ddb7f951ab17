"""The command line: other programs' words, names of files, what fails on the way, Ctrl-C, and where output goes."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import nstlib as nst
from nstlib import cli as command
from nstlib import outputs, transfer
from nstlib.cli import main as cli
from nstlib.errors import ImageError, RunError
from nstlib.options import QUALITIES

HOW = ["--size", "32", "--backbone", "tiny", "--device", "cpu"]
FAST = {"size": 32, "backbone": "tiny", "device": "cpu"}
SHORT = [*HOW, "-n", "4"]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--style-weight", "5"), ["--style-weight, it is --beta here"]),
        (("--style_weight=5",), ["it is --beta here"]),
        (("--num-steps", "5"), ["it is --steps here"]),
        (("--imsize", "64"), ["it is --size here"]),
        (("--save-iter", "64"), ["it is --save-every here"]),
        (("--aplha", "64"), ["nearest is --alpha"]),
        (("--styl", "64"), ["no option --styl"]),
        (("--siz", "64"), ["nearest is --size"]),
        (("-size", "64"), ["-size, it is --size here"]),
        (("-backend", "nn"), ["no option -backend"]),
        (
            ("-content_image", "x", "-style_image", "y", "-num_iterations", "100"),
            ["-content_image: give it as CONTENT", "-style_image: give it as STYLE", "-num_iterations, it is --steps"],
        ),
    ],
)
def test_words_of_other_programs_get_one_line_with_the_words_of_this_one(run_cli, arguments, words):
    status, _, err = run_cli("chelsea", "coffee", *arguments)
    assert status == 2
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "meta"), "meta"),
        (("--device", "nonsense"), "nonsense"),
        (("--beta", "-5"), "beta is -5"),
        (("--beta", "-1e5"), "beta is -1"),
        (("--alpha", "-inf"), "alpha is -inf"),
        (("--tv", "nan"), "tv is nan"),
        (("--lr", "nan"), "learning rate is nan"),
        (("--border", "-1"), "border is -1"),
        (("--seed", "-1"), "seed is -1"),
        (("--steps", "2.0"), "'2.0'"),
        (("--content-layers", "relu4_2=abc"), "relu4_2=abc"),
        (("--content-layers", "relu4_2=nan"), "nan"),
        (("--size", "-3"), "'-3'"),
    ],
)
def test_values_that_cannot_be_get_one_clear_line(run_cli, arguments, words):
    base = ["--size", "32"] if "--size" not in arguments else []
    status, _, err = run_cli("chelsea", "coffee", "--backbone", "tiny", *base, *arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert words in err


def test_short_options_may_hold_their_value(run_cli, tmp_path):
    assert run_cli("chelsea", "coffee", "-s32", "-n2", "-oa.png", "-q", "--backbone=tiny", "--device=cpu")[0] == 0
    assert (tmp_path / "a.png").is_file()


@pytest.mark.parametrize("place", ["before", "after"])
def test_gif_takes_no_picture_for_its_file(run_cli, tmp_path, place):
    pictures = ["chelsea", "coffee"]
    arguments = ["--gif", *pictures] if place == "before" else [*pictures, "--gif"]
    assert run_cli(*arguments, "-o", "a.png", *SHORT)[0] == 0
    assert Image.open(tmp_path / "a.gif").n_frames >= 3


def test_size_none_keeps_the_size(run_cli, tmp_path):
    nst.save_image(nst.load_image("chelsea", 40), "small.png")
    arguments = ["--size", "none", "--backbone", "tiny", "--device", "cpu", "--quality", "draft", "-n", 2]
    assert run_cli("small.png", "small.png", "-o", "a.png", *arguments)[0] == 0
    assert Image.open(tmp_path / "a.png").size == Image.open(tmp_path / "small.png").size


def test_names_nobody_chose_take_no_place(run_cli, tmp_path):
    for _ in range(2):
        assert run_cli("chelsea", "coffee", *SHORT, "--save-every", 2)[0] == 0
    names = sorted(path.name for path in (tmp_path / "img/results").iterdir())
    stems = ["chelsea_coffee", "chelsea_coffee_2"]
    assert names == sorted([f"{stem}.png" for stem in stems] + [f"{stem}_frames" for stem in stems])


def test_a_chosen_name_is_replaced_and_its_frames_are_not_mixed_with_older_ones(run_cli, tmp_path):
    run_cli("chelsea", "coffee", *SHORT, "-o", "a.png", "--save-every", 1)
    run_cli("chelsea", "coffee", *SHORT, "-o", "a.png", "--save-every", 2)
    assert sorted(path.name for path in tmp_path.glob("a*")) == ["a.png", "a_frames", "a_frames_2"]
    assert len(list((tmp_path / "a_frames_2").iterdir())) == 2


@pytest.mark.parametrize("name", ["What? a:b & c|d.png", "CON.png", "nul.png", "é" * 100 + ".png"])
def test_default_names_can_be_on_every_system(name):
    found = outputs.default_output(f"https://x.org/{'a' * 3000}/{name}", name, "style").name
    assert not set('<>:"/\\|?*&') & set(found)
    assert len(found.encode()) < 250
    assert found.partition(".")[0].upper() not in {"CON", "NUL"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("-o", "photo.png"),
        ("-o", "link.png"),
        ("-o", "a.png", "--checkpoint", "photo.png"),
        ("-o", "a.png", "--init", "coffee.png", "--checkpoint", "coffee.png"),
        ("-o", "a.png", "--checkpoint", "a.png"),
    ],
)
def test_nothing_that_is_read_is_written_over(run_cli, tmp_path, arguments):
    nst.save_image(nst.load_image("chelsea", 32), "photo.png")
    nst.save_image(nst.load_image("coffee", 32), "coffee.png")
    os.link("photo.png", "link.png")
    before = (tmp_path / "photo.png").read_bytes()
    status, _, err = run_cli("photo.png", "coffee", *SHORT, *arguments)
    assert status == 2
    assert "choose another name" in err
    assert (tmp_path / "photo.png").read_bytes() == before


def test_main_writes_over_none_of_its_pictures():
    nst.save_image(nst.load_image("chelsea", 32), "photo.png")
    with pytest.raises(nst.InputError, match="the content itself"):
        nst.main("photo.png", "coffee", out="photo.png", steps=1, **FAST)


@pytest.mark.parametrize(
    "arguments", [("--checkpoint", "file/x.pt"), ("--gif", "file/x.gif"), ("-o", "file/x.png"), ("--checkpoint", ".")]
)
def test_places_that_cannot_be_are_refused_before_the_first_step(run_cli, tmp_path, monkeypatch, arguments):
    (tmp_path / "file").write_text("a file, not a folder")
    monkeypatch.setattr(nst.Run, "steps", lambda *_: pytest.fail("it took steps"))
    output = [] if "-o" in arguments else ["-o", "a.png"]
    status, _, err = run_cli("chelsea", "coffee", *SHORT, *output, *arguments)
    assert (status, err.count("\n")) == (2, 1)


def test_a_format_too_small_for_the_picture_is_refused_before_the_first_step(run_cli, monkeypatch):
    from nstlib.pictures import saving

    monkeypatch.setitem(saving.LONGEST_SIDE, "WEBP", 30)
    monkeypatch.setattr(nst.Run, "steps", lambda *_: pytest.fail("it took steps"))
    status, _, err = run_cli("chelsea", "coffee", *SHORT, "-o", "a.webp")
    assert status == 2
    assert "30 pixels a side" in err
    with pytest.raises(ImageError, match="30 pixels a side"):
        nst.main("chelsea", "coffee", out="a.webp", steps=1, **FAST)


def test_a_picture_that_cannot_be_saved_there_is_saved_elsewhere_with_status_1(run_cli, tmp_path, monkeypatch):
    from nstlib.pictures import saving

    write = saving.write_whole

    def full(path, save):
        if path.parent.name == "gone":
            raise ImageError(f"{path} cannot be written (no space left)")
        return write(path, save)

    monkeypatch.setattr(saving, "write_whole", full)
    status, out, err = run_cli("chelsea", "coffee", *SHORT, "-o", "gone/a.png")
    assert status == 1
    assert "no space left" in err
    assert str(tmp_path / "a.png") in out
    assert Image.open(tmp_path / "a.png").size == (32, 21)


def test_frames_and_checkpoints_that_cannot_be_written_stop_nothing(run_cli, tmp_path, monkeypatch):
    def fails(*_):
        raise RunError("the run cannot be saved (no space left)")

    monkeypatch.setattr(nst.Run, "save", fails)
    monkeypatch.setattr(command, "save_image", fails)
    arguments = ["-o", "a.png", "--save-every", 2, "--checkpoint", "a.pt", "--checkpoint-every", 2]
    status, out, err = run_cli("chelsea", "coffee", *SHORT, *arguments)
    assert (status, "4 steps" in out, "no space left" in err) == (1, True, True)
    assert Image.open(tmp_path / "a.png").size == (32, 21)


def test_a_resumed_run_takes_what_remained_and_says_when_nothing_does(run_cli, tmp_path):
    run = nst.prepare("chelsea", "coffee", steps=5, **FAST)
    list(run.steps(3, progress=False))
    run.save("run.pt")
    status, out, _ = run_cli("--resume", "run.pt", "--device", "cpu", "--checkpoint", "run.pt")
    assert (status, "5 steps" in out) == (0, True)
    status, out, _ = run_cli("--resume", "run.pt", "--device", "cpu", "-o", "again.png")
    assert (status, "none remains" in out) == (0, True)
    assert (tmp_path / "again.png").is_file()
    assert nst.Run.load("run.pt").taken == 5


class Once:
    """A function that Ctrl-C breaks into the first time."""

    def __init__(self, function, after=0):
        self.function, self.after = function, after

    def __call__(self, *arguments, **options):
        self.after -= 1
        if self.after == -1:
            raise KeyboardInterrupt
        return self.function(*arguments, **options)


@pytest.mark.parametrize(
    ("owner", "name"),
    [(command, "save_image"), (command, "save_picture"), (command, "save_gif"), (nst.Run, "save"), (nst.Run, "step")],
)
@pytest.mark.parametrize("after", [0, 1])
def test_ctrl_c_whenever_it_comes_saves_what_is_there(run_cli, tmp_path, monkeypatch, owner, name, after):
    once = Once(getattr(owner, name), after)
    monkeypatch.setattr(owner, name, lambda *arguments, **options: once(*arguments, **options))
    arguments = ["-o", "a.png", "--save-every", 2, "--checkpoint", "a.pt", "--checkpoint-every", 2, "--gif"]
    status, _, err = run_cli("chelsea", "coffee", *SHORT, *arguments)
    assert "Traceback" not in err
    if once.after > -1:  # it was called once only
        assert status == 0
    else:
        assert status == 130
    if name == "step" and after == 0:
        assert "before the first step" in err
    else:
        assert Image.open(tmp_path / "a.png").size == (32, 21)
        assert nst.Run.load("a.pt").taken >= 1


def test_ctrl_c_while_all_is_prepared_gives_no_traceback(run_cli, monkeypatch):
    monkeypatch.setattr(command, "prepare_mode", Once(transfer.prepare_mode))
    status, _, err = run_cli("chelsea", "coffee", *SHORT)
    assert (status, "Traceback" in err) == (130, False)


@pytest.mark.parametrize("name", ["save_picture", "save_image"])
def test_main_saves_what_is_there_on_ctrl_c_and_stylize_gives_it(monkeypatch, name):
    if name == "save_picture":
        monkeypatch.setattr(transfer, "save_picture", Once(transfer.save_picture))
    else:
        once = Once(nst.Run.step, after=2)
        monkeypatch.setattr(nst.Run, "step", lambda run: once(run))
    picture = nst.main("chelsea", "coffee", out="a.png", steps=4, progress=False, **FAST)
    assert np.array_equal(np.asarray(Image.open("a.png")), np.asarray(picture))


def test_stylize_gives_what_it_has_on_ctrl_c(monkeypatch):
    once = Once(nst.Run.step, after=2)
    monkeypatch.setattr(nst.Run, "step", lambda run: once(run))
    assert nst.stylize("chelsea", "coffee", steps=4, progress=False, **FAST).shape == (1, 3, 21, 32)


def in_a_shell(line, **environment):
    here = os.path.dirname(os.path.dirname(nst.__file__))
    environment = {**os.environ, "PYTHONPATH": here, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(line, shell=True, env=environment, capture_output=True, check=False)


TAKE = '"$PYTHON" -m nstlib chelsea coffee --size 32 --backbone mini --device cpu -n 1'


@pytest.mark.skipif(os.name == "nt", reason="a line for a POSIX shell")
@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"{TAKE} -o 結果.png > log.txt", 0),
        (f"{{ {TAKE} -o a.png; echo $? > status; }} | true; exit $(cat status)", 0),
        (f"{TAKE} -o a.png >&- 2>&-", 0),
        (f"mkdir gone; cd gone; rmdir ../gone; {TAKE}", 2),
    ],
)
def test_a_report_that_cannot_be_made_fails_no_run(line, status):
    done = in_a_shell(line, PYTHONIOENCODING="cp1252")
    assert (done.returncode, b"Traceback" in done.stderr) == (status, False), done.stderr.decode()


def test_without_any_stream_the_picture_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli(["chelsea", "coffee", "-o", "a.png", *SHORT]) == 0
    nst.main("chelsea", "coffee", out="b.png", steps=1, **FAST)
    assert (tmp_path / "b.png").is_file()


# What is told in Python.


@pytest.mark.parametrize(
    ("option", "words"),
    [("style_weight", "'beta'"), ("iterations", "'steps'"), ("imsize", "'size'"), ("aplha", "alpha")],
)
def test_names_that_mean_nothing_are_refused_everywhere(option, words):
    for call in (nst.stylize, nst.main, nst.prepare):
        with pytest.raises(nst.InputError, match=words):
            call("chelsea", "coffee", **{option: 1})
    with pytest.raises(nst.InputError, match=words):
        transfer.prepare_mode("chelsea", "coffee", "style_transfer", **{option: 1})


def test_main_refuses_several_pictures_before_the_first_step(monkeypatch):
    monkeypatch.setattr(nst.Run, "steps", lambda *_: pytest.fail("it took steps"))
    with pytest.raises(nst.InputError, match="main makes one picture, but these are 2"):
        nst.main("chelsea", "coffee", alpha=[1, 2], steps=1, **FAST)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"style_layers": [1, 6]}, "style_layers is"),
        ({"snapshot_every": -1}, "snapshot_every is -1"),
        ({"size": 2.0}, "size is 2.0"),
        ({"size": "big"}, "size is 'big'"),
        ({"lr": {}}, "learning rate is"),
        ({"betas": 0.5}, "betas are 0.5"),
        ({"seed": None}, "seed is None"),
        ({"tile": 2.5}, "tile is 2.5"),
        ({"device": "meta"}, "device 'meta'"),
        ({"keep_scale": "yes"}, "keep_scale is 'yes'"),
    ],
)
def test_values_are_checked_where_they_come_in(options, words):
    with pytest.raises(nst.InputError, match=words):
        nst.stylize("chelsea", "coffee", steps=1, progress=False, **{**FAST, **options})


def test_none_is_no_picture():
    for call in (nst.stylize, nst.main):
        with pytest.raises(nst.InputError, match="None"):
            call(None, "coffee", **FAST)
    with pytest.raises(nst.InputError, match="None"):
        nst.stylize("chelsea", None, **FAST)
    assert nst.prepare(None, "coffee", **FAST).objective.content is None


@pytest.mark.parametrize("steps", [2.0, "3", -3, 0, True])
def test_steps_are_whole_numbers(steps):
    with pytest.raises(nst.InputError, match="steps is"):
        nst.stylize("chelsea", "coffee", steps=steps, **FAST)


def test_numbers_of_numpy_are_taken_and_size_none_keeps_the_size():
    content = nst.load_image("chelsea", 40)
    numbers = {"size": np.int64(32), "seed": np.int64(3), "init": "noise"}
    assert nst.stylize("chelsea", "coffee", steps=np.int64(2), **{**FAST, **numbers}).shape == (1, 3, 21, 32)
    kept = nst.stylize(content, content, quality="draft", progress=False, steps=1, **{**FAST, "size": None})
    assert kept.shape == content.shape
    assert nst.prepare(content, content, quality="good", **{**FAST, "size": None}).image.shape == content.shape


def test_options_stay_as_they_were_given():
    options = {}
    transfer.count_steps(None, options)
    assert options == {}


def test_a_style_that_must_be_enlarged_is_said_in_a_line(run_cli):
    nst.save_image(nst.load_image("coffee", 48), "small.png")
    _, _, err = run_cli("chelsea", "small.png", "--size", 96, *SHORT[2:], "-o", "a.png", "-q")
    assert err.count("\n") == 1
    assert "the style is 48 x" in err


@pytest.mark.parametrize("quality", ["draft", "good", "best"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 120, 1000])
@pytest.mark.parametrize("size", [512, 736, 2048, 8192])
def test_in_any_number_of_steps_a_quality_ends_at_full_size_with_its_last_rate(quality, steps, size):
    course = transfer.chosen_quality({"quality": quality}, steps)
    rates, whole = course.options["lr"], QUALITIES[quality]
    assert max(rates) == steps
    assert rates[max(rates)] == whole.options["lr"][whole.steps]
    scales = transfer._coarse_to_fine(size, course.steps)
    due = [scales[step] for step in sorted(scales) if step <= steps - 1]
    assert not scales or due[-1] == 1.0


def test_with_few_steps_a_picture_reaches_its_full_size():
    content = torch.rand(1, 3, 500, 1000)
    run = nst.prepare(content, "coffee", quality="good", steps=4, **{**FAST, "size": None, "style_size": 64})
    for _ in run.steps(4, progress=False):
        pass
    assert max(run._param.shape) == 1000


def test_a_python_without_the_packages_says_what_to_do():
    code = "import sys; sys.modules['requests'] = None; sys.argv = ['nstlib', 'a', 'b']; import runpy; "
    code += "runpy.run_module('nstlib', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "has no requests; activate the environment" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: nst.save_image("x.png", torch.rand(1, 3, 8, 8)),
            "the path is of type Tensor; expected the path of a file",
        ),
        (lambda: nst.FeatureExtractor("VGG19"), "there is no backbone 'VGG19'; .*did you mean 'vgg19'"),
        (
            lambda: nst.FeatureExtractor("mini", device="gpu"),
            "'gpu' cannot be used .it is none of cpu, cuda, mps, xpu.",
        ),
        (
            lambda: nst.stylize("village", "swirls", quality="great"),
            "quality is 'great'; choose one of: draft, good, best$",
        ),
        (lambda: nst.stylize("village", "swirls", cpu=True), "what other programs call cpu is 'device' here"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant_and_with_no_wild_guess(call, words):
    with pytest.raises(nst.NstError, match=words):
        call()


def test_random_weights_are_a_word_of_the_command_line(run_cli, tmp_path):
    how = ("--size", "32", "--backbone", "mini", "--device", "cpu", "-n", "6", "-q")
    for weights, out in (("random", "a.png"), ("random:0", "b.png"), ("random:1", "c.png")):
        assert run_cli("chelsea", "coffee", *how, "--weights", weights, "-o", tmp_path / out) == (0, "", "")
    pictures = {name: np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "abc"}
    assert np.array_equal(pictures["a"], pictures["b"])
    assert not np.array_equal(pictures["a"], pictures["c"])
    status, _, err = run_cli("chelsea", "coffee", *how, "--weights", "random:x")
    assert status == 2
    assert "such as 'random:7'" in err


def test_another_kind_of_network_simply_works(run_cli, tmp_path):
    how = ("--size", "32", "--backbone", "resnet18", "--weights", "random", "--device", "cpu", "-n", "2", "-q")
    assert run_cli("chelsea", "coffee", *how, "-o", tmp_path / "out.png") == (0, "", "")
