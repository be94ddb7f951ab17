"""What is given is checked where it comes in, and refused with what was expected."""

import math

import numpy as np
import pytest
import torch

from nstlib import InputError
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
        ("aplha", "the nearest are alpha"),
        ("style_weight", "what other programs call style_weight is 'beta' here"),
        ("num_steps", "what other programs call num_steps is 'steps' here"),
        ("zzz", "there are alpha, beta, steps"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_the_word_that_this_package_has(name, words):
    known_names(["alpha", "beta"], ["alpha", "beta", "steps"])
    with pytest.raises(InputError, match=f"there is no option '{name}'; {words}"):
        known_names([name], ["alpha", "beta", "steps"])
