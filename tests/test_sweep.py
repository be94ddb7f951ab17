"""Sweeps: a batch that is nothing but its single runs, at once."""

import signal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nstlib as nst
from nstlib.control.colors import sight_of
from nstlib.starts import start_image

STEPS = 6  # later on, differences in the last digit of a convolution have grown
LAYERS = [{"relu1_1": 1.0}, {"relu1_1": 0.3, "relu3_1": 0.7}, ["relu2_1", "relu4_1"], "relu5_1"]


@pytest.fixture
def objective(extract, content, style):
    return nst.Objective(extract, content, style, beta=10.0)


def sweep(objective, **options):
    return nst.sweep(objective, **{"steps": STEPS, "progress": False, **options})


def single(objective, chosen, optimizer):
    """The run that the settings of a picture describe, without any batch."""
    chosen = dict(chosen)
    init, seed, sees = chosen.pop("init"), chosen.pop("seed"), sight_of(chosen.pop("color"))
    smoothing = chosen.pop("smoothing")
    assert chosen.pop("shares") is None
    options = {"normalization": objective.normalization, "border": objective.border, **chosen}
    alone = nst.Objective(objective.extract.other(sees=sees, smoothing=smoothing), objective.content, **options)
    run = nst.Run(alone, init, optimizer, seed=seed)
    for _ in run.steps(STEPS, progress=False):
        pass
    return run


def assert_equals_its_single_runs(result, objective, optimizer):
    assert list(result.pictures) == list(result.histories) == list(result.settings)
    for key, picture in result.pictures.items():
        run = single(objective, result.settings[key], optimizer)
        torch.testing.assert_close(picture, run.image, rtol=0, atol=2e-3)
        for term in run.history:
            np.testing.assert_allclose(result.histories[key][term], run.history[term], rtol=1e-2, atol=1e-6)


AXES = {
    "alpha": st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=1, max_size=2, unique=True),
    "beta": st.lists(st.sampled_from([0.1, 10.0, 1e4]), min_size=1, max_size=2, unique=True),
    "tv": st.lists(st.sampled_from([0.0, 30.0]), min_size=1, max_size=2, unique=True),
    "content_layers": st.lists(st.sampled_from(["relu2_2", "relu4_2"]), min_size=1, max_size=2, unique=True),
    "style_layers": st.lists(st.sampled_from(LAYERS), min_size=1, max_size=2, unique_by=str),
    "style": st.lists(st.sampled_from(["coffee", "rocket"]), min_size=1, max_size=2, unique=True),
    "smoothing": st.lists(st.sampled_from([None, "softmax", "softmax:10"]), min_size=1, max_size=2, unique=True),
    "init": st.lists(st.sampled_from(["content", "noise", "style_statistics"]), min_size=1, max_size=2, unique=True),
    "seed": st.lists(st.integers(0, 9), min_size=1, max_size=2, unique=True),
}


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@settings(max_examples=12)
@given(data=st.data())
def test_every_picture_equals_its_single_run(optimizer, data):
    extract = nst.FeatureExtractor("tiny", device="cpu")
    content, style = nst.load_image("chelsea", 32), nst.load_image("coffee", 40)
    objective = nst.Objective(extract, content, style, beta=5.0)
    names = data.draw(st.lists(st.sampled_from(sorted(AXES)), min_size=1, max_size=3, unique=True))
    axes = {name: data.draw(AXES[name], label=name) for name in names}
    if "style" in axes:  # of several sizes
        axes["style"] = {name: nst.load_image(name, 40 + 9 * len(name)) for name in axes["style"]}
    result = sweep(objective, optimizer=optimizer, chunk=data.draw(st.integers(1, 9), label="chunk"), **axes)
    assert len(result.pictures) == np.prod([len(values) for values in axes.values()])
    assert_equals_its_single_runs(result, objective, optimizer)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_styles_starts_weights_and_layers_in_one_batch(objective, content, optimizer):
    result = sweep(
        objective,
        optimizer=optimizer,
        chunk=100,
        style={"coffee": nst.load_image("coffee", 40), "rocket": nst.load_image("rocket", 64)},
        init={"noise": "noise", "colors": "style_statistics", "upside down": content.flip(2)},
        style_layers=LAYERS[:2],
        alpha=[0.5, 2.0],
    )
    assert len(result.pictures) == 24
    assert_equals_its_single_runs(result, objective, optimizer)


def test_with_the_papers_normalization_too(extract, content, style):
    objective = nst.Objective(extract, content, style, normalization="paper")
    assert_equals_its_single_runs(sweep(objective, beta=[1e4, 1e6]), objective, "lbfgs")


def test_what_is_not_swept_is_as_the_objective_has_it(objective):
    objective.alpha, objective.tv, objective.border = 3.0, 0.5, 2.0
    objective.style_layers["relu1_1"] = 0.7
    result = sweep(objective, beta=[1.0, 2.0], init="noise", seed=4)
    chosen = result.settings["2"]
    assert chosen["alpha"] == 3.0
    assert chosen["tv"] == 0.5
    assert chosen["style_layers"]["relu1_1"] == pytest.approx(0.7)
    assert (chosen["init"], chosen["seed"]) == ("noise", 4)
    assert_equals_its_single_runs(result, objective, "lbfgs")


def test_a_style_target_that_was_set_is_kept(objective, style):
    objective.style_target = {layer: 2 * target for layer, target in objective.style_target.items()}
    result = sweep(objective, beta=[1.0, 100.0])
    for key, picture in result.pictures.items():
        assert result.final("style")[key] == pytest.approx(objective(picture).style.item(), rel=1e-4)
    swept = sweep(objective, style=[style.flip(3)], steps=1)
    own = nst.Objective(objective.extract, objective.content, style.flip(3))(objective.content).style.item()
    assert swept.histories["picture 1"]["style"][0] == pytest.approx(own, rel=1e-4)


def test_textures_and_reconstructions_can_be_swept(extract, content, style):
    textures = sweep(nst.Objective(extract, style=style), style_layers=["relu1_1", "relu3_1"], size=(32, 48))
    assert [picture.shape for picture in textures.pictures.values()] == [(1, 3, 32, 48)] * 2
    reconstructions = sweep(nst.Objective(extract, content), content_layers=["relu1_1", "relu3_1"], init="noise")
    assert list(reconstructions.pictures) == ["relu1_1", "relu3_1"]
    assert reconstructions.final("content")["relu1_1"] < reconstructions.histories["relu1_1"]["content"][0]


def test_keys_are_labels_in_the_order_that_was_given(objective, style):
    one = sweep(objective, beta=[1e-5, 0.5, 100, 1e6], steps=1)
    assert one.axes == {"beta": ["1e-5", "0.5", "100", "1e6"]}
    assert list(one.pictures) == ["1e-5", "0.5", "100", "1e6"]
    two = sweep(objective, style_layers=["relu5_1", LAYERS[1]], init={"a": "noise"}, tv=2.0, steps=1)
    assert two.axes == {"style_layers": ["relu5_1", "relu1_1 + relu3_1"], "init": ["a"]}
    assert list(two.pictures) == [("relu5_1", "a"), ("relu1_1 + relu3_1", "a")]
    assert list(sweep(objective, beta=np.logspace(0, 2, 3), steps=1).pictures) == ["1", "10", "100"]
    assert list(sweep(objective, beta=torch.tensor([1.0, 2.0]), steps=1).pictures) == ["1", "2"]
    assert list(sweep(objective, style=[style, style.flip(3)], steps=1).pictures) == ["picture 1", "picture 2"]


def test_pictures_are_single_and_final_is_what_the_objective_says_of_them(objective):
    result = sweep(objective, beta=[1.0, 100.0])
    assert set(result.final("style")) == {"1", "100"}
    for key, picture in result.pictures.items():
        assert picture.shape == objective.content.shape
        terms = objective(picture).as_dict()
        for term in ("content", "style", "tv", "style/relu3_1"):
            assert result.final(term)[key] == pytest.approx(terms[term].item(), rel=1e-4, abs=1e-7)
    with pytest.raises(nst.InputError, match=r"no 'gamma'.*content.*style/relu5_1"):
        result.final("gamma")


def test_each_batch_holds_as_many_as_the_chunk_says(objective, monkeypatch):
    sizes, call = [], nst.Objective.__call__
    monkeypatch.setattr(nst.Objective, "__call__", lambda self, image: sizes.append(len(image)) or call(self, image))
    sweep(objective, beta=[1, 2, 3, 4, 5], steps=1, chunk=2)
    assert sizes == [2, 2, 1]


def test_pictures_of_the_same_layers_are_computed_together(objective, monkeypatch):
    asked, forward = [], nst.FeatureExtractor.forward
    monkeypatch.setattr(
        nst.FeatureExtractor,
        "forward",
        lambda self, image, layers: (len(image) > 1 and asked.append(list(layers))) or forward(self, image, layers),
    )
    sweep(objective, beta=[1, 2], style_layers=["relu1_1", "relu2_1"], steps=1, chunk=2)
    assert asked == [["relu4_2", "relu1_1"], ["relu4_2", "relu2_1"]]


def interrupt_at(monkeypatch, evaluation, times=1):
    """Press Ctrl-C during that evaluation of the objective."""
    call, count = nst.Objective.__call__, iter(range(1, 1000))

    def interrupted(self, image):
        if next(count) == evaluation:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return call(self, image)

    monkeypatch.setattr(nst.Objective, "__call__", interrupted)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_keeps_finished_and_current_pictures(objective, monkeypatch, times):
    interrupt_at(monkeypatch, STEPS + 3, times)
    result = sweep(objective, beta=[1, 2, 3, 4, 5], chunk=2)
    assert result.stop_reason == "interrupted"
    assert list(result.pictures) == ["1", "2", "3", "4"]
    steps_taken = [len(history["total"]) for history in result.histories.values()]
    assert steps_taken == [STEPS, STEPS, 4 - times, 4 - times]
    assert set(result.final("content")) == {"1", "2", "3", "4"}


def test_ctrl_c_before_the_first_step_gives_no_picture_and_no_traceback(objective, monkeypatch):
    interrupt_at(monkeypatch, 1, times=2)
    result = sweep(objective, beta=[1, 2])
    assert result.pictures == {}
    assert result.stop_reason == "interrupted"
    with pytest.raises(nst.InputError, match="none"):
        result.final("style")


def fits_only(monkeypatch, count, error=torch.OutOfMemoryError):
    """Let batches of more pictures run out of memory."""
    call = nst.Objective.__call__

    def small(self, image):
        if len(image) > count:
            raise error("CUDA out of memory")
        return call(self, image)

    monkeypatch.setattr(nst.Objective, "__call__", small)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, MemoryError])
def test_out_of_memory_halves_the_batch_and_goes_on(objective, monkeypatch, error):
    betas = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    expected = sweep(objective, beta=betas)
    fits_only(monkeypatch, 2, error)
    with pytest.warns(nst.RunWarning, match="out of memory with") as said:
        result = sweep(objective, beta=betas, chunk=100)
    assert [str(warning.message).split("with ")[1:] for warning in said] == [
        ["7 pictures at once; going on ", "3"],
        ["3 pictures at once; going on ", "1"],
    ]
    assert list(result.pictures) == list(expected.pictures)
    for key in expected.pictures:
        torch.testing.assert_close(result.pictures[key], expected.pictures[key], rtol=0, atol=2e-3)


@pytest.mark.filterwarnings("ignore::nstlib.errors.RunWarning")
def test_out_of_memory_with_a_single_picture_is_an_error_that_says_what_to_do(objective, monkeypatch):
    fits_only(monkeypatch, 0)
    with pytest.raises(nst.RunError, match=r"out of memory at 48 x 32 pixels.*smaller size"):
        sweep(objective, beta=[1, 2, 3])


def test_other_errors_are_not_called_out_of_memory(objective, monkeypatch):
    def wrong(self, image):
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr(nst.Objective, "__call__", wrong)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        sweep(objective, beta=[1, 2])


def test_progress_counts_the_steps_of_all_pictures(objective, capsys):
    sweep(objective, beta=[1, 2, 3], chunk=2, progress=True)
    assert f"{3 * STEPS}/{3 * STEPS}" in capsys.readouterr().err
    sweep(objective, beta=[1, 2, 3], chunk=2, progress=False)
    assert not capsys.readouterr().err


def test_the_objective_is_left_as_it_was(objective, style):
    version, target = objective.version, objective.style_target
    sweep(objective, beta=[1, 2], style=[style, style.flip(2)])
    assert objective.version == version
    assert objective.style_target is target


@pytest.mark.parametrize(
    ("axes", "error", "words"),
    [
        ({}, nst.InputError, "nothing to sweep; give several values for one of alpha, beta, tv"),
        ({"beta": 3.0, "init": "noise"}, nst.InputError, "nothing to sweep"),
        ({"beta": []}, nst.InputError, "beta has no values"),
        ({"style_layers": {}}, nst.InputError, "style_layers has no values"),
        ({"gamma": [1, 2]}, nst.InputError, "no 'gamma' to sweep; choose from alpha, beta, tv"),
        ({"beta": [1, 1]}, nst.InputError, r"beta has values of the same name \(1, 1\); give a dict"),
        ({"beta": [1.0, 1.0 + 1e-9]}, nst.InputError, "same name"),
        ({"beta": [1, -1]}, nst.InputError, "the weight beta"),
        ({"beta": ["much"]}, nst.InputError, "the weight beta"),
        ({"style_layers": {"relu1_1": 1.0}}, nst.InputError, r"style_layers is 1.0; expected several sets of layers"),
        ({"style_layers": ["relu1_1", "relu6_1"]}, nst.LayerNotFound, "'relu6_1' is not in tiny"),
        ({"style": ["swirls"]}, nst.InputError, r"the style is str; expected a picture .*load_image"),
        ({"init": ["content", "start"]}, nst.InputError, "init is 'start'; choose"),
        ({"init": ["noise"], "seed": [0, -1]}, nst.InputError, "seed is -1"),
        ({"beta": [1], "init": torch.rand(2, 3, 32, 48)}, nst.InputError, "one picture of each combination"),
        ({"beta": [1], "steps": 0}, nst.InputError, "steps is 0"),
        ({"beta": [1], "chunk": 0}, nst.InputError, "chunk is 0"),
        ({"beta": [1], "optimizer": "sgd"}, nst.InputError, "optimizer is 'sgd'"),
    ],
)
def test_what_cannot_work_is_refused_in_words_before_the_first_step(objective, monkeypatch, axes, error, words):
    def too_late(self, image):
        raise AssertionError("a step was taken")

    monkeypatch.setattr(nst.Objective, "__call__", too_late)
    with pytest.raises(error, match=words):
        sweep(objective, **axes)


def test_an_objective_for_several_pictures_is_refused(extract, content, style):
    with pytest.raises(nst.InputError, match="for a batch of 2"):
        sweep(nst.Objective(extract, content, style, beta=[1, 2]), tv=[0, 1])


def test_textures_of_several_sizes_are_refused(extract, style):
    with pytest.raises(nst.InputError, match=r"several sizes.*give size"):
        sweep(nst.Objective(extract, style=style), style=[style, style[..., :30]])


def test_starts_use_the_style_and_the_seed_of_their_own_picture(objective, style):
    other = nst.load_image("rocket", 64)
    result = sweep(objective, style={"a": style, "b": other}, seed=[0, 1], init="style_statistics", steps=1)
    for (label, seed), picture in result.pictures.items():
        alone = nst.Objective(objective.extract, objective.content, {"a": style, "b": other}[label])
        torch.testing.assert_close(picture, start_image(alone, "style_statistics", int(seed)))


def test_shapes_need_no_network_and_each_style_is_asked_for_once(objective, style, monkeypatch):
    styles = {"one": style, "other": style.flip(3), "third": style.flip(2)}
    calls, call = [], nst.FeatureExtractor.__call__

    def counted(extract, image, *arguments, **options):
        calls.append(image)
        return call(extract, image, *arguments, **options)

    monkeypatch.setattr(nst.FeatureExtractor, "__call__", counted)
    monkeypatch.setattr(nst.Run, "steps", lambda *_, **__: iter(()))
    nst.sweep(objective, style=styles, beta=[1, 10, 100], steps=1, chunk=2, progress=False)
    looked_at = [any(torch.equal(image.cpu(), known) for known in styles.values()) for image in calls]
    assert sum(looked_at) == 3
    assert len(calls) <= 4  # and the content once


@pytest.mark.parametrize(("axis", "words"), [("style_weight", "'beta'"), ("num_steps", "'steps'"), ("btea", "beta")])
def test_names_that_mean_nothing_are_refused(objective, axis, words):
    with pytest.raises(nst.InputError, match=words):
        nst.sweep(objective, beta=[1, 2], progress=False, **{axis: 1})


def test_ctrl_c_while_pictures_are_put_away_keeps_them(objective, monkeypatch):
    from nstlib import sweeps

    put, broke = sweeps._put, []

    def once(*arguments):
        if not broke:
            broke.append(1)
            raise KeyboardInterrupt
        put(*arguments)

    monkeypatch.setattr(sweeps, "_put", once)
    result = nst.sweep(objective, beta=[1, 2], steps=1, chunk=1, progress=False)
    assert (list(result.pictures), result.stop_reason) == (["1"], "interrupted")
