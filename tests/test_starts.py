"""Where a run can start: what is given is checked, and surroundings change nothing."""

import numpy as np
import pytest
import torch
from PIL import Image

import nstlib as nst
from nstlib.starts import INITS, start_image


@pytest.fixture
def objective(extract, content, style):
    return nst.Objective(extract, content, style)


@pytest.mark.parametrize(
    "init", [np.zeros((8, 8, 3)), Image.new("RGB", (8, 8)), None, 5, ["noise"]], ids=lambda init: type(init).__name__
)
def test_what_is_neither_a_word_nor_a_tensor_is_refused_in_words(objective, init):
    with pytest.raises(nst.InputError, match=f"init is of type {type(init).__name__}; expected a picture as nstlib"):
        start_image(objective, init)
    with pytest.raises(nst.InputError, match="init is of type"):
        nst.Run(objective, init)


@pytest.mark.parametrize("init", ["style", "Noise", "village", ""])
def test_another_word_is_refused_with_those_that_there_are(objective, init):
    with pytest.raises(nst.InputError, match=f"init is '{init}'; choose a picture or one of: {', '.join(INITS)}"):
        start_image(objective, init)


@pytest.mark.parametrize(
    "init", [torch.rand(3, 8, 8), torch.rand(1, 1, 8, 8), torch.rand(8, 8), torch.rand(0, 3, 8, 8)]
)
def test_a_tensor_that_is_no_picture_is_refused(objective, init):
    with pytest.raises(nst.InputError, match=r"init is .*expected a picture \(B, 3, H, W\)"):
        start_image(objective, init)


@pytest.mark.parametrize("options", [{}, {"beta": [1.0, 2.0]}], ids=["content", "weight"])
def test_a_batch_of_starts_that_does_not_fit_the_objective_is_refused(extract, content, style, options):
    pictures = content if options else content.expand(2, -1, -1, -1)
    objective = nst.Objective(extract, pictures, style, **options)
    with pytest.raises(nst.InputError, match="init holds 3 pictures, but the objective is made for 2; give 1 or 2"):
        nst.Run(objective, content.expand(3, -1, -1, -1))
    for count in (1, 2):
        assert len(nst.Run(objective, content.expand(count, -1, -1, -1)).image) == 2
    assert len(nst.Run(nst.Objective(extract, content, style), content.expand(3, -1, -1, -1)).image) == 3


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, "1", True, None])
def test_seeds_that_are_no_whole_numbers_are_refused(objective, seed):
    with pytest.raises(nst.InputError, match=r"the seed is .*expected a whole number, from 0 to"):
        start_image(objective, "noise", seed)


def test_numpys_whole_numbers_are_whole_numbers(extract, style, objective):
    assert torch.equal(start_image(objective, "noise", np.int64(3)), start_image(objective, "noise", 3))
    texture = nst.Objective(extract, style=style)
    assert start_image(texture, "noise", size=(np.int64(40), np.int32(56))).shape[-2:] == (40, 56)
    assert start_image(texture, "noise", size=torch.Size([40, 56])).shape[-2:] == (40, 56)


@pytest.mark.parametrize("size", [40, (40,), (40, 56, 3), "40", (40.0, 56), (0, 56), ("40", "56"), (-8, 56)])
def test_sizes_that_are_no_height_and_width_are_refused(extract, style, size):
    with pytest.raises(nst.InputError, match=r"the (size|height|width) is"):
        start_image(nst.Objective(extract, style=style), "noise", size=size)


@pytest.mark.parametrize("init", INITS)
def test_neither_default_type_nor_default_device_changes_a_start(objective, init):
    expected = start_image(objective, init, seed=1)
    torch.set_default_dtype(torch.float64)
    try:
        wide = start_image(objective, init, seed=1)
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.device("meta"):
        elsewhere = start_image(objective, init, seed=1)
    for found in (wide, elsewhere):
        assert torch.equal(found, expected)
        assert found.dtype == torch.float32


@pytest.mark.parametrize("init", [*INITS, torch.rand(1, 3, 20, 30)], ids=[*INITS, "picture"])
def test_a_start_made_in_inference_mode_can_be_optimized(objective, init):
    with torch.inference_mode():
        found = start_image(objective, init.clone() if isinstance(init, torch.Tensor) else init)
    assert not found.is_inference()
    objective(found.clone().requires_grad_()).total.sum().backward()


def test_a_fast_start_is_what_the_network_for_any_style_paints(extract, content, style):
    network = nst.load_any_style()
    network.add_style("this", style, size=None)
    found = start_image(nst.Objective(extract, content, style), "fast")
    assert (found - network.paint(content, "this")).abs().max() < 0.05  # half precision, where it is fast
    assert (found - content).abs().mean() > 0.02


def test_a_fast_start_in_bundled_styles_is_painted_by_the_network_that_has_learned_them(extract, content):
    styles = [nst.load_image(name, size) for name, size in (("swirls", 384), ("mosaic", 256))]
    found = start_image(nst.Objective(extract, content, [(styles[0], 0.7), (styles[1], 0.3)]), "fast")
    learned = nst.load_network().paint(content, {"swirls": 0.7, "mosaic": 0.3})
    assert (found - learned).abs().max() < 0.06  # half precision, where it is fast
    other = start_image(nst.Objective(extract, content, [(styles[0], 0.7), (styles[1].flip(1), 0.3)]), "fast")
    assert (other - found).abs().mean() > 0.02


def test_a_fast_start_mixes_styles_by_their_shares(extract, content, style):
    other = style.flip(1)
    one, both, third = (
        start_image(nst.Objective(extract, content, [(style, share), (other, 1 - share)]), "fast")
        for share in (1.0, 0.5, 0.0)
    )
    assert torch.equal(one, start_image(nst.Objective(extract, content, style), "fast"))
    assert all((both - end).abs().mean() < (one - third).abs().mean() for end in (one, third))


def test_a_fast_start_has_each_style_in_its_place(extract, content, style):
    other, left = style.flip(1), torch.zeros(content.shape[-2:])
    left[:, : content.shape[-1] // 2] = 1
    found = start_image(nst.Objective(extract, content, [style, other], masks=[left]), "fast")
    for picture, place in ((style, left), (other, 1 - left)):
        alone = start_image(nst.Objective(extract, content, picture), "fast")
        assert torch.equal(found * place, alone * place)


def test_a_fast_start_needs_a_content_and_a_style(extract, content, style):
    for objective in (nst.Objective(extract, content), nst.Objective(extract, style=style)):
        with pytest.raises(nst.InputError, match="has not both"):
            start_image(objective, "fast")


def test_a_few_steps_from_a_fast_start_do_more_than_from_the_content():
    extract, content, style = (
        nst.FeatureExtractor("mini"),
        nst.load_image("coffee", 96),
        nst.load_image("swirls", 96),
    )
    total = {}
    for init in ("content", "fast"):
        run = nst.Run(nst.Objective(extract, content, style), init)
        list(run.steps(5, progress=False))
        total[init] = float(run.history["total"][-1])
    assert total["fast"] < 0.8 * total["content"]
