"""What is given is checked where it comes in, and refused with what was expected."""

import math

import numpy as np
import pytest
import torch

import nstlib as nst
from nstlib import InputError, live, plots
from nstlib.base.checks import known_names, number, one_of, whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), torch.tensor(3)])
def test_whole_numbers_of_every_kind_are_taken(value):
    assert whole("steps", value) == 3
    assert type(whole("steps", value)) is int


@pytest.mark.parametrize("value", [True, 3.0, "3", None, -1, np.float64(3), [3], math.nan])
def test_what_is_no_whole_number_is_refused_by_name(value):
    with pytest.raises(InputError, match=r"steps is .*; expected a whole number, 0 or more"):
        whole("steps", value)


def test_whole_numbers_have_limits():
    assert whole("size", 16, 16, 20) == 16
    for value in (15, 21):
        with pytest.raises(InputError, match=f"size is {value}; expected a whole number, from 16 to 20"):
            whole("size", value, 16, 20)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), torch.tensor(0.5), np.array(0.5)])
def test_numbers_of_every_kind_are_taken(value):
    assert number("border", value) == 0.5


@pytest.mark.parametrize("value", [True, "0.5", None, -0.1, math.nan, math.inf, [0.5], torch.zeros(2)])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(InputError, match=r"border is .*; expected a finite number, 0 or more"):
        number("border", value)


def test_a_number_above_zero_is_not_zero():
    with pytest.raises(InputError, match="lr is 0; expected a finite number, above 0"):
        number("lr", 0, above=True)


def test_a_word_with_a_slip_is_refused_with_the_right_one():
    assert one_of("pooling", "max", ["max", "avg"]) == "max"
    with pytest.raises(InputError, match=r"pooling is 'Max'; choose one of: max, avg \(did you mean 'max'\?\)"):
        one_of("pooling", "Max", ["max", "avg"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("aplha", "the nearest is alpha"),
        ("style_weight", "what other programs call style_weight is 'beta' here"),
        ("iteration", "what other programs call iteration is 'steps' here"),
        ("num_steps", "what other programs call num_steps is 'steps' here"),
        ("zzz", "there are alpha, beta, steps"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_the_word_that_this_package_has(name, words):
    known_names(["alpha", "beta"], ["alpha", "beta", "steps"])
    with pytest.raises(InputError, match=f"there is no option '{name}'; {words}"):
        known_names([name], ["alpha", "beta", "steps"])


@pytest.mark.parametrize(
    ("face", "name", "words"),
    [
        (nst.Objective, "style_weight", "what other programs call style_weight is 'beta' here"),
        (nst.Objective, "bta", "the nearest is beta"),
        (nst.Run, "learning_rate", "what other programs call learning_rate is 'lr' here"),
        (nst.FeatureExtractor, "pool", "what other programs call pool is 'pooling' here"),
        (nst.load_image, "imsize", "what other programs call imsize is 'size' here"),
        (nst.save_image, "qualty", "the nearest is quality"),
        (nst.sweep, "iterations", "what other programs call iterations is 'steps' here"),
        (plots.grid, "row", "the nearest is rows"),
        (live.texture, "layer", "the nearest is layers"),
        (live.scrub, "title", "the nearest is titles"),
    ],
)
def test_every_face_refuses_arguments_that_it_does_not_have(extract, face, name, words):
    objective = nst.Objective(extract, style=torch.rand(1, 3, 32, 32))
    with pytest.raises(InputError, match=f"there is no (argument )?'{name}'.*; {words}"):
        face(*([objective] if face is nst.sweep else []), **{name: 1})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nst.Objective("mini"), "the extractor is 'mini'; expected an instance of FeatureExtractor"),
        (lambda: nst.Run(None), "the objective is None; expected an instance of Objective"),
        (lambda: nst.sweep(None, beta=[1, 2]), "the objective is None; expected an instance of Objective"),
    ],
)
def test_a_thing_of_another_kind_is_refused_by_name(call, words):
    with pytest.raises(InputError, match=words):
        call()
