"""Training of networks that paint in one pass."""

import math
import signal
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import nstlib as nst
from nstlib.feedforward import pictures as contents_module
from nstlib.feedforward import train as command
from nstlib.feedforward import training as module
from nstlib.feedforward.files import load_network, save_network
from nstlib.feedforward.judging import Judge
from nstlib.feedforward.network import StyleNetwork
from nstlib.feedforward.pictures import Contents
from nstlib.feedforward.stages import Course, Stage
from nstlib.feedforward.training import Training

SIZE = 32
WIDTHS = (4, 4, 8)
LAYERS = {"content_layers": ["relu2_1"], "style_layers": ["relu1_1", "relu2_1"]}


@pytest.fixture(scope="module")
def judge():
    return Judge(
        nst.FeatureExtractor("keen", device="cpu"), {"swirls": "swirls", "mosaic": "mosaic"}, style_size=48, **LAYERS
    )


@pytest.fixture(scope="module")
def picture():
    return nst.load_image("coffee", 64)


def network_of(*styles, seed=0):
    return StyleNetwork(styles or ("swirls", "mosaic"), WIDTHS, 1, seed=seed)


def contents_of(seed=0):
    return Contents(["village", "street"], SIZE, seed=seed)


def training_of(judge, network=None, **options):
    options = {"contents": contents_of(), "batch": 2, "planned": 20, **options}
    return Training(network or network_of(), judge, **options)


def take(training, count):
    for _ in training.steps(count, progress=False):
        pass
    return training


def weights_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def everybodys_randomness():
    numpys = np.random.get_state()[1]  # noqa: NPY002
    return torch.random.get_rng_state().tolist(), numpys.tolist()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


# ---------------------------------------------------------------- contents


def test_batches_depend_on_the_seed_and_their_number_alone():
    one, same_seed, other = contents_of(3), contents_of(3), contents_of(4)
    before = everybodys_randomness()
    first, second = one.batch(3), one.batch(3)
    assert first.shape == (3, 3, SIZE, SIZE)
    assert 0 <= first.min() <= first.max() <= 1
    assert torch.equal(same_seed.batch(3), first)
    assert not torch.equal(first, second)
    assert not torch.equal(other.batch(3), first)
    again = contents_of(3)
    again.load_state_dict(one.state_dict() | {"taken": 1})
    assert torch.equal(again.batch(3), second)
    assert everybodys_randomness() == before


def test_contents_of_others_are_not_gone_on_with():
    with pytest.raises(nst.RunError, match="seed"):
        contents_of(3).load_state_dict(contents_of(4).state_dict())


def test_bundled_pictures_photographs_and_drawn_ones_can_be_mixed_and_left_out():
    contents = Contents(["photo", "drawn"], 16, without=["chelsea", "coffee"], drawn=(4, 0.5))
    assert "rocket" in contents.names
    assert not {"chelsea", "coffee"} & set(contents.names)
    assert len(contents) == len(contents.names) + 4
    assert Contents(**contents.recipe).batch(2).equal(contents.batch(2))


def test_a_folder_of_pictures_may_hold_broken_files(tmp_path):
    for number in range(3):
        pixels = np.full((40, 50, 3), 60 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 and no more")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.warns(nst.RunWarning, match=r"1 picture left out.*broken\.jpg"):
        contents = Contents(tmp_path, 16, without=["0"])
    assert contents.names == ["1.png", "2.png"]
    assert {round(value, 3) for value in contents.batch(8).mean((1, 2, 3)).tolist()} <= {0.235, 0.471}


def test_drawn_pictures_are_not_more_than_all_of_the_crops():
    with pytest.raises(nst.InputError, match="share of drawn pictures is 25; expected a number from 0 to 1"):
        Contents("drawn", 16, drawn=(4, 25))


def test_what_is_to_be_left_out_is_left_out_or_missed(tmp_path):
    assert "village" not in Contents("content", 16, without="village").names
    with pytest.raises(nst.InputError, match=r"no picture 'vilage' to leave out .*'village'"):
        Contents("content", 16, without=["vilage"])
    nst.save_image(nst.load_image("coffee", 48), tmp_path / "me.png")
    with pytest.raises(nst.InputError, match=r"no picture 'me\.jpg' to leave out"):
        Contents(tmp_path, 16, without=["me.jpg"])


def test_other_crops_of_the_same_pictures_are_what_the_arguments_would_give():
    one = Contents(["village", "drawn"], 64, seed=3, drawn=(4, 0.5))
    one.batch(2)
    small, anew = one.resized(32), Contents(["village", "drawn"], 32, seed=3, drawn=(4, 0.5))
    assert torch.equal(small.batch(3), anew.batch(3))
    assert small.recipe == anew.recipe
    assert one.size == 64
    assert one.resized(512) is None


def test_what_cannot_be_trained_on_is_refused(tmp_path):
    with pytest.raises(nst.ImageError, match="no pictures"):
        Contents(tmp_path)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.warns(nst.RunWarning), pytest.raises(nst.ImageError, match="no picture to train on"):
        Contents(tmp_path)
    with pytest.raises(nst.ImageError, match="missing"):
        Contents("missing.jpg")
    with pytest.raises(nst.InputError, match="sources"):
        Contents(5)


def test_without_scikit_image_its_photographs_are_missed_by_name(monkeypatch):
    monkeypatch.setattr("nstlib.feedforward.pictures.bundled_images", lambda kind: [])
    with pytest.raises(nst.MissingPackage, match="scikit-image"):
        Contents("photo")


# ---------------------------------------------------------------- the judge


def test_the_loss_is_the_objectives(judge, picture):
    contents = contents_of().batch(3)
    pictures = contents_of(1).batch(3)
    styles = ["mosaic", "swirls", "mosaic"]
    terms = judge(pictures, contents, styles)
    weak = judge(pictures, contents, styles, torch.tensor([0.0, 0.5, 1.0])).total
    assert torch.allclose(weak, terms.total - torch.tensor([1.0, 0.75, 0.0]) * 10 * terms.style)
    for place, style in enumerate(styles):
        one, content = pictures[place : place + 1], contents[place : place + 1]
        objective = nst.Objective(
            judge.extract, content, nst.load_image(style, 48), alpha=1, beta=10, tv=10, border=0.5, **LAYERS
        )
        expected = objective(one)
        for name in ("total", "content", "style", "tv"):
            assert getattr(terms, name)[place].item() == pytest.approx(getattr(expected, name).item(), rel=1e-6)
        assert judge.objective_of(content, style)(one).total.item() == pytest.approx(expected.total.item(), rel=1e-6)


def test_several_style_sizes_give_the_mean_of_their_targets(judge):
    both = Judge(judge.extract, {"swirls": "swirls"}, style_size=[48, 32], **LAYERS)
    small = Judge(judge.extract, {"swirls": "swirls"}, style_size=32, **LAYERS)
    mean = (judge.targets["swirls"]["relu2_1"] + small.targets["swirls"]["relu2_1"]) / 2
    assert torch.allclose(both.targets["swirls"]["relu2_1"], mean)


def test_judged_gives_means_over_contents_of_unlike_sizes(judge, picture):
    network, other = network_of(), nst.load_image("chelsea", 48)
    each = [judge.judged(network, [content], "swirls") for content in (picture, other)]
    both = judge.judged(network, [picture, other], "swirls")
    assert both.total == pytest.approx(sum(one.total for one in each) / 2)
    assert both.total > both.style * 10


def test_a_judge_refuses_what_it_cannot_judge(judge, picture):
    with pytest.raises(nst.InputError, match="expected names and pictures"):
        Judge(judge.extract, {})
    with pytest.raises(nst.InputError, match="cannot judge a batch"):
        Judge(judge.extract, {"swirls": "swirls"}, style_loss="patches", style_size=48)
    with pytest.raises(nst.InputError, match="no style 'waves'"):
        judge(picture, picture, ["waves"])
    with pytest.raises(nst.InputError, match="one style for each"):
        judge(picture, picture, ["swirls", "mosaic"])


# ---------------------------------------------------------------- training


def test_the_loss_falls_and_the_rate_rises_and_falls(judge, picture):
    one = Judge(judge.extract, {"swirls": "swirls"}, style_size=48, **LAYERS)
    training = training_of(one, network_of("swirls"), planned=40, lr=5e-3)
    before = training.judge.judged(training.network, picture, "swirls")
    take(training, 40)
    after = training.judge.judged(training.network, picture, "swirls")
    assert after.total < 0.7 * before.total
    rates = training.history["rate"]
    assert len(rates) == 40
    assert rates.argmax() == 4
    assert rates[-1] < 0.05 * rates.max()


def test_what_a_training_is_depends_on_its_seed_alone(judge):
    before = everybodys_randomness()
    one, other = (take(training_of(judge, seed=seed), 3) for seed in (0, 0))
    assert same(weights_of(one.network), weights_of(other.network))
    assert everybodys_randomness() == before
    different = take(training_of(judge, seed=1, contents=contents_of(1)), 3)
    assert not same(weights_of(one.network), weights_of(different.network))


def test_each_style_has_its_turn_in_a_batch(judge):
    training = training_of(judge, batch=3)
    drawn = []
    for taken in range(6):
        training.taken = taken
        drawn.append(tuple(training._styles()))
        assert set(drawn[-1]) == {"swirls", "mosaic"}
    assert len(set(drawn)) > 1


def test_a_saved_training_goes_on_exactly(judge, tmp_path, picture):
    whole = take(training_of(judge, held_out=[picture], check_every=2), 6)
    half = take(training_of(judge, held_out=[picture], check_every=2), 3)
    with torch.inference_mode():
        resumed = Training.load(half.save(tmp_path / "training.pt"), device="cpu")
    assert resumed.taken == 3
    take(resumed, 3)
    assert same(weights_of(whole.network), weights_of(resumed.network))
    assert same(weights_of(whole._working), weights_of(resumed._working))
    for name, values in whole.history.items():
        assert np.array_equal(values, resumed.history[name]), name
    assert resumed.checks == whole.checks
    assert resumed.keep_best() == whole.keep_best()
    assert same(weights_of(whole.network), weights_of(resumed.network))


def test_contents_that_a_file_cannot_name_are_given_again(judge, tmp_path, picture):
    contents = Contents([picture], SIZE)
    path = take(training_of(judge, contents=contents), 1).save(tmp_path / "training.pt")
    with pytest.raises(nst.RunError, match="give load the same Contents"):
        Training.load(path, device="cpu")
    assert Training.load(path, Contents([picture], SIZE), device="cpu").taken == 1


def test_a_file_of_something_else_is_no_training(tmp_path):
    (tmp_path / "other.pt").write_bytes(b"something else")
    for name in ("other.pt", "missing.pt"):
        with pytest.raises(nst.RunError, match=r"Training\.save"):
            Training.load(tmp_path / name)


def test_only_a_style_leaves_all_else_as_it_is(judge):
    network = network_of("swirls", "waves")
    network.add_style("mosaic", like="swirls")
    before = weights_of(network)
    one = Judge(judge.extract, {"mosaic": "mosaic"}, style_size=48, **LAYERS)
    training = take(training_of(one, network, only="style"), 3)
    after = weights_of(network)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert changed == ["rows.2"]
    assert training.rows == ["mosaic"]
    assert network.rows[2].requires_grad


def test_in_bfloat16_it_learns_nearly_the_same(judge):
    full, half = (take(training_of(judge, precision=precision), 3) for precision in ("float32", "bfloat16"))
    assert half.history["total"][0] == pytest.approx(full.history["total"][0], rel=0.05)
    assert not np.array_equal(half.history["total"], full.history["total"])
    assert half.network.dtype == torch.float32


def test_averages_follow_the_weights(judge):
    training = training_of(judge, averaged=0.9)
    kept = [parameter.detach().clone() for parameter in training.network.parameters()]
    for taken in range(3):
        take(training, 1)
        stays = min(0.9, (1 + taken) / (10 + taken))
        kept = [old.lerp(new, 1 - stays) for old, new in zip(kept, training._learned, strict=True)]
    assert all(torch.equal(*pair) for pair in zip(kept, training.network.parameters(), strict=True))
    assert not all(torch.equal(*pair) for pair in zip(kept, training._learned, strict=True))


def test_after_nan_it_goes_back_to_the_last_good_weights(judge, monkeypatch):
    monkeypatch.setattr(module, "GOOD_EVERY", 2)
    training = take(training_of(judge), 2)
    good, rate = weights_of(training._working), training.rate
    with torch.no_grad():
        training._learned[0].fill_(math.nan)
    take(training, 1)
    assert training.rate > 0.9 * rate  # it may have been the batch
    with pytest.warns(nst.RunWarning, match="went back"):
        take(training, 1)
    assert same(weights_of(training._working), good)
    assert training.rate < 0.6 * rate
    take(training, 2)
    assert all(value.isfinite().all() for value in training.network.state_dict().values())


def test_a_batch_without_a_finite_gradient_is_passed_over(judge, monkeypatch):
    training = take(training_of(judge), 2)
    before, contents = weights_of(training._working), contents_of()
    bad = contents.batch(2) * math.nan
    monkeypatch.setattr(training.contents, "batch", lambda count: bad)
    monkeypatch.setattr(training.judge.objective, "set_content", lambda picture: None)
    take(training, 1)
    assert same(weights_of(training._working), before)
    monkeypatch.undo()
    take(training, 1)
    assert not same(weights_of(training._working), before)
    assert training._restorations == 0


def test_crops_without_contrast_are_taken_elsewhere():
    picture = nst.load_image("coffee", 64)
    picture[..., :48] = 0.5
    contents = Contents([picture], 16, seed=1)
    assert contents.batch(20).std((2, 3)).amax(1).min() > 0.03
    assert Contents([picture[..., :32]], 16).batch(2).std() < 1e-6  # where there is nothing else


def test_where_the_loss_stays_nan_it_ends_with_what_was_good(judge, monkeypatch):
    training = take(training_of(judge), 1)
    monkeypatch.setattr(training.judge.objective.weights["alpha"], "data", torch.tensor([math.nan]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        take(training, 10)
    assert training.stop_reason == "broken"
    assert training.taken == 8
    assert all(value.isfinite().all() for value in training.network.state_dict().values())


def test_stop_and_ctrl_c_keep_what_there_is(judge):
    shown = []

    def watch(training):
        shown.append(training.taken)
        if training.taken == 4:
            training.stop()
        if training.taken == 6:
            signal.raise_signal(signal.SIGINT)

    network = network_of()
    before = weights_of(network)
    training = training_of(judge, network, watch=watch, watch_every=2)
    assert training.run(progress=False) is network
    assert (training.taken, training.stop_reason) == (4, "stopped")
    assert not same(before, weights_of(network))
    take(training, 10)
    assert (training.taken, training.stop_reason) == (6, "interrupted")
    assert shown == [2, 4, 6]
    take(training, training.remaining)
    assert (training.taken, training.stop_reason) == (20, "")


def test_the_best_of_the_last_snapshots_is_kept(judge, picture):
    training = training_of(judge, held_out=[picture], check_every=1, planned=4)
    take(training, 4)
    totals = [check.total for check in training.checks]
    assert [check.number for check in training.checks] == [1, 2, 3, 4]
    best = training.keep_best()
    assert best.total == min(totals)
    judged = [training.judge.judged(training.network, picture, row).total for row in training.rows]
    assert sum(judged) / 2 == pytest.approx(best.total, rel=1e-5)


def test_a_run_ends_with_a_check(judge, picture):
    training = training_of(judge, held_out=[picture], check_every=2, planned=3)
    training.run(progress=False)
    assert [check.number for check in training.checks] == [2, 3]


def test_minutes_say_how_many_steps(judge):
    training = training_of(judge, planned=10_000)
    training.run(minutes=0.5 / 60, progress=False)
    assert 2 < training.taken == training.planned
    assert training.seconds < 1.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch"),
        ({"lr": 0}, "lr"),
        ({"only": "row"}, "only"),
        ({"averaged": 1.0}, "averaged"),
        ({"precision": "float16"}, "precision"),
        ({"held_out": "coffee"}, "held_out is 'coffee'"),
        ({"held_out": ["coffee"]}, "the held-out picture is str"),
        ({"watch": 3}, "watch is 3"),
        ({"learning_rate": 1}, "'lr' here"),
    ],
)
def test_arguments_that_cannot_work_are_refused(judge, options, message):
    with pytest.raises(nst.InputError, match=message):
        training_of(judge, **options)


def test_what_a_judge_is_to_be_is_named():
    with pytest.raises(nst.InputError, match="how is 3"):
        Training(network_of("swirls"), {"swirls": "swirls"}, how=3)


def test_a_single_batch_is_held_out_without_a_list(judge, picture):
    training = training_of(judge, held_out=picture)
    assert training.check().total == training_of(judge, held_out=[picture]).check().total


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_network_in_half_precision_learns_in_float32(judge, dtype):
    network = network_of().to(dtype)
    training = take(training_of(judge, network), 4)
    assert all(parameter.dtype == torch.float32 for parameter in network.parameters())
    assert training.network is network
    assert not training.stop_reason
    assert np.isfinite(training.history["total"]).all()


def test_a_style_that_the_network_has_not_is_refused(judge):
    with pytest.raises(nst.InputError, match="mosaic"):
        training_of(judge, network_of("swirls"))


# ---------------------------------------------------------------- the command


def train(capsys, *arguments):
    status = command.main([str(argument) for argument in arguments])
    return status, capsys.readouterr()


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """What makes a command short: few pictures, and small ones."""
    monkeypatch.setenv("NST_BACKBONE", "mini")
    folder = tmp_path / "contents"
    folder.mkdir()
    nst.save_image(nst.load_image("coffee", 48), folder / "coffee.png")
    return ("--minutes", 0.002, "--size", 128, "--style-size", 32, "--device", "cpu", "--contents", folder)


@pytest.fixture
def trained(tmp_path):
    return save_network(network_of("swirls", "mosaic"), tmp_path / "trained.safetensors")


def test_the_command_learns_a_painting_from_nothing(quick, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "StyleNetwork", lambda names, seed: network_of(*names, seed=seed))
    status, said = train(capsys, "swirls", "-o", tmp_path / "mine.safetensors", "--scratch", *quick)
    assert status == 0
    assert "saved" in said.out
    network = load_network(tmp_path / "mine.safetensors")
    assert network.styles == ("swirls",)
    assert network.notes["backbone"] == "mini"
    assert network.notes["size"] == 128


def test_the_command_learns_rows_alone_and_all_else_stays(quick, trained, tmp_path, capsys):
    out = tmp_path / "mine.safetensors"
    status, _ = train(capsys, "cubist", "-o", out, "--start", trained, "--only-style", *quick)
    assert status == 0
    before, more = load_network(trained), load_network(out)
    assert more.styles == ("swirls", "mosaic", "cubist")
    assert same(weights_of(before), weights_of(more))


def test_the_command_saves_samples_and_keeps_no_styles_that_it_would_spoil(quick, trained, tmp_path, capsys):
    out = tmp_path / "mine.safetensors"
    folder = tmp_path / "samples"
    assert train(capsys, "cubist", "mosaic", "-o", out, "--start", trained, "--samples", folder, *quick)[0] == 0
    assert load_network(out).styles == ("cubist", "mosaic")
    names = {path.name.rpartition("_")[0] for path in folder.iterdir()}  # without the number of steps
    assert names == {"cubist_64", "mosaic_64", "cubist_128", "mosaic_128"}


def test_the_command_goes_on_where_it_was_stopped(quick, trained, tmp_path, capsys):
    paths = "-o", tmp_path / "mine.safetensors", "--checkpoint", tmp_path / "mine.pt", "--start", trained
    assert train(capsys, "cubist", *paths, *quick)[0] == 0
    first = Training.load(tmp_path / "mine.pt")
    assert train(capsys, "cubist", *paths, *quick[2:], "--minutes", 0.2)[0] == 0
    second = Training.load(tmp_path / "mine.pt")
    assert second.taken > first.taken
    assert second.seconds > first.seconds
    status, said = train(capsys, "engraving", *paths, *quick)
    assert status == 2
    assert "another training" in said.err


def test_files_that_cannot_be_written_are_refused_before_the_training(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "Judge", lambda *_, **__: pytest.fail("it has begun"))
    painting, out = tmp_path / "a.png", tmp_path / "mine.safetensors"
    nst.save_image(nst.load_image("coffee", 48), painting)
    (tmp_path / "file").write_text("no folder")
    for paths, words in (
        (("-o", tmp_path / "file" / "mine.safetensors"), "cannot be written"),
        (("-o", out, "--checkpoint", tmp_path / "file" / "run.pt"), "cannot be written"),
        (("-o", out, "--checkpoint", out), "are both"),
        (("-o", out, "--checkpoint", painting), "is the painting a itself"),
        (("-o", out, "--start", trained, "--checkpoint", trained), "is the network to begin with itself"),
        (("-o", out, "--minutes", "nan"), "--minutes is nan"),
    ):
        status, said = train(capsys, painting, *paths)
        assert status == 2
        assert words in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "file", trained.name]


def test_a_network_that_cannot_be_saved_any_more_is_saved_elsewhere(quick, trained, tmp_path, capsys, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    out, saving = tmp_path / "full" / "mine.safetensors", command.save_network

    def full(network, path, notes):
        if path == out:
            raise nst.InputError("the disk is full")
        return saving(network, path, notes)

    monkeypatch.setattr(command, "save_network", full)
    status, said = train(capsys, "cubist", "-o", out, "--start", trained, *quick)
    assert status == 1
    assert "the disk is full. The network is in" in said.err
    assert load_network(tmp_path / "work" / "mine.safetensors").styles == ("cubist",)


def test_a_style_is_called_as_its_picture_is_wherever_that_is():
    addresses = "https://a.org/pictures/my%20cat.jpg?from=a/b.c", "pictures/two words, 1=2.v2.png", "swirls"
    assert list(command._styles(addresses)) == ["my cat", "two words, 1=2.v2", "swirls"]


def test_a_style_that_learns_on_is_told(quick, trained, tmp_path, capsys):
    status, said = train(capsys, "swirls", "-o", tmp_path / "a.safetensors", "--start", trained, "--only-style", *quick)
    assert status == 0
    assert "has swirls already" in said.out
    assert not torch.equal(load_network(trained).rows[0], load_network(tmp_path / "a.safetensors").rows[0])


# ---------------------------------------------------------------- stages


def course_of(judge, **options):
    return Course(judge, sources=["coffee"], size=64, precision="float32", **options)


def test_stages_grow_the_contents_and_hand_the_weights_on(judge):
    network, seen = network_of(), []
    course = course_of(judge, watch=lambda training: seen.append((training.contents.size, training.batch, training.lr)))
    training = course.train(network, 0.01, [Stage(0.5, 2, 2, 1e-3), Stage(0.5, 1, 1, 1e-4)], progress=False)
    assert seen == [(32, 2, 1e-3), (64, 1, 1e-4)]
    assert training.network is network
    assert [training.contents.size, training.batch] == [64, 1]


def test_a_course_goes_on_in_the_stage_where_it_was_saved(judge, tmp_path):
    file, stages = tmp_path / "course.pt", [Stage(0.5, 2, 1, 1e-3), Stage(0.5, 1, 1, 1e-4)]
    first = course_of(judge, checkpoint=file).train(network_of(), 0.03, stages[:1], progress=False)
    seen = []
    course = course_of(judge, checkpoint=file, watch=seen.append)
    again = course.train(network_of(seed=7), 0.01, stages, progress=False)
    # The first stage has had its time: its weights go on, not those that were given.
    assert [training.contents.size for training in seen] == [64]
    assert len(again.history) >= 1
    assert first.contents.size == 32
    longer = course_of(judge, checkpoint=file).train(network_of(seed=7), 0.05, stages, progress=False)
    assert longer.taken > again.taken
    assert list(longer.history["total"][: again.taken]) == list(again.history["total"])


def test_a_folder_is_read_once_for_all_stages(judge, tmp_path, monkeypatch):
    nst.save_image(nst.load_image("coffee", 80), tmp_path / "a.png")
    (tmp_path / "broken.jpg").write_text("no picture")
    read, reading = [], contents_module._read
    monkeypatch.setattr(contents_module, "_read", lambda *given: read.append(given) or reading(*given))
    course = Course(judge, sources=tmp_path, size=64, precision="float32")
    with pytest.warns(nst.RunWarning, match="1 picture left out"):
        course.nearest(network_of(), "swirls")
    # Were it read again, the warning would come again, and be an error.
    course.train(network_of(), 0.005, [Stage(0.5, 2, 1, 1e-3), Stage(0.5, 1, 1, 1e-4)], progress=False)
    assert len(read) == 2


def test_ctrl_c_between_two_stages_keeps_what_was_learned(judge, monkeypatch):
    stages, begun = [Stage(0.5, 2, 1, 1e-3), Stage(0.5, 1, 1, 1e-4)], Course._begun

    def interrupted(self, network, stage):
        if stage is stages[1]:
            signal.raise_signal(signal.SIGINT)
        return begun(self, network, stage)

    monkeypatch.setattr(Course, "_begun", interrupted)
    network = network_of()
    before = weights_of(network)
    training = course_of(judge).train(network, 0.005, stages, progress=False)
    assert training.stop_reason == "interrupted"
    assert training.network is network
    assert not same(before, weights_of(network))


def test_a_checkpoint_that_cannot_be_written_stops_nothing(judge, tmp_path):
    (tmp_path / "file").write_text("no folder")
    course = course_of(judge, checkpoint=tmp_path / "file" / "course.pt")
    with pytest.warns(nst.RunWarning, match="cannot be saved"):
        training = course.train(network_of(), 0.005, [Stage(1.0, 1, 1, 1e-3)], progress=False)
    assert training.taken
    assert not training.stop_reason


def test_a_watch_that_fails_stops_nothing(judge, tmp_path):
    (tmp_path / "file").write_text("no folder")
    picture = nst.load_image("coffee", 32)
    course = course_of(judge, watch=lambda training: nst.save_image(picture, tmp_path / "file" / "sample.png"))
    with pytest.warns(nst.RunWarning, match="sample"):
        training = course.train(network_of(), 0.005, [Stage(1.0, 1, 1, 1e-3)], progress=False)
    assert training.taken
    assert not training.stop_reason


def full_with(monkeypatch, count):
    """No memory for so many pictures of 64 pixels, or more."""
    judged = Training._judged

    def judging(self):
        if self.contents.size == 64 and self.batch >= count:
            raise torch.OutOfMemoryError("out of memory")
        return judged(self)

    monkeypatch.setattr(Training, "_judged", judging)


def test_a_stage_without_memory_keeps_what_those_before_it_learned(judge, monkeypatch):
    full_with(monkeypatch, 1)
    network = network_of()
    before = weights_of(network)
    stages = [Stage(0.5, 2, 1, 1e-3), Stage(0.5, 1, 1, 1e-4)]
    with pytest.warns(nst.RunWarning, match="out of memory with 1 pictures of 64 pixels"):
        training = course_of(judge).train(network, 0.01, stages, progress=False)
    assert training.stop_reason == "broken"
    assert not same(before, weights_of(network))
    with pytest.raises(nst.OutOfMemory):  # nothing was learned
        course_of(judge).train(network_of(), 0.01, stages[1:], progress=False)


def test_a_step_without_memory_takes_no_contents_away(judge, monkeypatch):
    training, other = training_of(judge), training_of(judge)

    def full(self):
        self.contents.batch(self.batch)
        raise torch.OutOfMemoryError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_judged", full)
        with pytest.raises(nst.OutOfMemory):
            training.step()
    assert training.step().terms.total.tolist() == other.step().terms.total.tolist()


def test_a_check_without_memory_is_said_in_words(judge, picture, monkeypatch):
    training = training_of(judge, held_out=[picture])

    def full(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(Judge, "judged", full)
    with pytest.raises(nst.OutOfMemory, match="smaller batch or size"):
        training.check()


@pytest.mark.parametrize("whole", [np.int64, int])
def test_whole_numbers_of_numpy_can_be_saved(judge, whole, tmp_path):
    contents = Contents(["village"], whole(SIZE), seed=whole(3))
    path = take(training_of(judge, contents=contents), 1).save(tmp_path / "run.pt")
    assert Training.load(path).contents.batch(1).equal(contents.batch(1))


def test_a_course_goes_on_with_the_same_paintings_and_weights_alone(judge, tmp_path):
    stages, file = [Stage(1.0, 1, 1, 1e-3)], tmp_path / "course.pt"
    course_of(judge, checkpoint=file).train(network_of(), 0.005, stages, progress=False)
    for other in ({"mosaic": "cave"}, {}):
        styles = {"swirls": "swirls", "mosaic": "mosaic", **other}
        unlike = Judge(judge.extract, styles, style_size=48, beta=10 if other else 20, **LAYERS)
        with pytest.raises(nst.RunError, match="other paintings of these names, or other weights"):
            course_of(unlike, checkpoint=file).train(network_of(), 0.005, stages, progress=False)
    with pytest.raises(nst.RunError, match="another training"):
        course_of(judge, checkpoint=file, only="style").train(network_of(), 0.005, stages, progress=False)


def test_a_stopped_stage_is_the_last(judge):
    stages = [Stage(0.5, 2, 1, 1e-3), Stage(0.5, 1, 1, 1e-4)]
    course = course_of(judge)
    begun = Course._begun

    def stopping(self, network, stage):
        training = begun(self, network, stage)
        training._on_the_way = training.stop
        return training

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Course, "_begun", stopping)
        training = course.train(network_of(), 5, stages, progress=False)
    assert training.stop_reason == "stopped"
    assert training.contents.size == 32
    assert training.taken == 1


def test_a_course_refuses_sizes_without_positions_and_other_trainings(judge, tmp_path):
    stages = [Stage(1.0, 2, 1, 1e-3)]
    with pytest.raises(nst.InputError, match="size is 60"):
        Course(judge, size=60).train(network_of(), 0.002, stages)
    file = training_of(judge, contents=contents_of()).save(tmp_path / "other.pt")
    with pytest.raises(nst.RunError, match="another training, of swirls, mosaic at"):
        course_of(judge, checkpoint=file).train(network_of(), 0.002, [Stage(1.0, 1, 1, 1e-3)])


def test_the_nearest_style_is_the_one_of_the_least_loss(judge):
    network = network_of("swirls", "mosaic")
    with torch.no_grad():
        network.rows[1].mul_(0.3)
    assert judge.nearest(network, contents_of().batch(2), "swirls") in network.styles
    distances = {
        own: judge(network(contents_of().batch(2), own), contents_of().batch(2), ["swirls"] * 2).total.mean().item()
        for own in network.styles
    }
    assert judge.nearest(network, contents_of().batch(2), "swirls") == min(distances, key=distances.get)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("swirls", "-o", "mine.pt"), ".safetensors"),
        (("swirls", "-o", "mine.safetensors", "--only-style", "--scratch"), "--only-style"),
        (("swirls", "-o", "mine.safetensors", "--size", "40"), "size is 40"),
        (("swirls", "-o", "mine.safetensors", "--size", "1000000"), "size is 1000000"),
        (("swirls", "img/style/swirls.jpg", "-o", "mine.safetensors"), "taken"),
        (("swirls", "-o", "mine.safetensors", "--start", "missing.safetensors"), "no file"),
        (("missing.jpg", "-o", "mine.safetensors"), "missing.jpg"),
    ],
)
def test_the_command_says_what_cannot_work(capsys, arguments, message):
    status, said = train(capsys, *arguments)
    assert status == 2
    assert message in said.err
    assert len(said.err.splitlines()) == 1


def test_the_command_refuses_words_that_it_does_not_know(capsys):
    with pytest.raises(SystemExit) as end:
        train(capsys, "swirls", "--minuts", 3)
    assert end.value.code == 2
    assert "nstlib.fast --train --help" in capsys.readouterr().err
