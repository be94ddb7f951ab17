"""What surrounds a call, such as a default type or a block without gradients, changes nothing in its result."""

from contextlib import contextmanager

import pytest
import torch

import nstlib as nst


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


SURROUNDINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "another default device": lambda: torch.device("meta"),
    "deterministic algorithms": deterministic,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.fixture(params=SURROUNDINGS)
def surroundings(request):
    return SURROUNDINGS[request.param]


@pytest.mark.parametrize("options", [{}, {"optimizer": "adam"}, {"tile": 16}, {"init": "style_statistics"}])
def test_stylize_gives_the_same_picture(surroundings, options):
    def picture():
        options_of_all = {"size": 48, "steps": 4, "backbone": "mini", "device": "cpu", "progress": False}
        return nst.stylize("chelsea", "coffee", **options_of_all, **options)

    expected = picture()
    with surroundings():
        found = picture()
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_a_sweep_gives_the_same_losses(surroundings):
    def losses():
        content, style = nst.load_image("chelsea", 48), nst.load_image("coffee", 48)
        objective = nst.Objective(nst.FeatureExtractor("mini", device="cpu"), content, style)
        return nst.sweep(objective, beta=[1, 10], steps=3, progress=False).final("total")

    expected = losses()
    with surroundings():
        assert losses() == expected


def test_a_run_goes_on_in_other_surroundings(surroundings, content, style, tmp_path):
    extract = nst.FeatureExtractor("mini", device="cpu")

    def walked(run, steps):
        for _ in run.steps(steps, progress=False):
            pass
        return run

    expected = walked(nst.Run(nst.Objective(extract, content, style)), 6).image
    run = walked(nst.Run(nst.Objective(extract, content, style)), 3)
    with surroundings():
        resumed = walked(nst.Run.load(run.save(tmp_path / "run.pt"), device="cpu"), 3)
    assert torch.equal(resumed.image, expected)
