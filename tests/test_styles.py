"""Several styles at once: the mean of their Gram matrices, wherever a style is taken."""

import copy

import pytest
import torch

import nstlib as nst
from nstlib.control.colors import match_colors
from nstlib.control.styles import Blend, mean_colors, normalized
from nstlib.losses import gram
from nstlib.starts import start_image


@pytest.fixture
def styles():
    return [nst.load_image("swirls", 40), nst.load_image("mosaic", 32)]


def test_the_target_is_the_mean_of_the_gram_matrices(extract, content, styles):
    objective = nst.Objective(extract, content, [(styles[0], 0.7), (styles[1], 0.3)])
    for layer, target in objective.style_target.items():
        one, other = (gram(extract(style, layer)[layer]) for style in styles)
        torch.testing.assert_close(target, 0.7 * one + 0.3 * other)


def test_a_blend_is_the_picture_that_has_the_styles_side_by_side(extract):
    one, other = (nst.load_image(name, 64)[..., :32, :32] for name in ("swirls", "mosaic"))
    both = nst.Objective(extract, style=[one, other], style_layers=["relu1_1"]).style_target["relu1_1"]
    aside = gram(extract(torch.cat([one, other], 3), "relu1_1")["relu1_1"])
    assert (both - aside).norm() < 0.02 * aside.norm()
    mixed = gram(extract((one + other) / 2, "relu1_1")["relu1_1"])
    assert (both - mixed).norm() > 5 * (both - aside).norm()


def test_one_style_with_a_share_is_that_style(extract, content, styles):
    alone, shared = (nst.Objective(extract, content, style) for style in (styles[0], [(styles[0], 3.0)]))
    assert torch.equal(shared.style, styles[0])
    assert shared.shares == (1.0,)
    for layer, target in alone.style_target.items():
        assert torch.equal(shared.style_target[layer], target)


@pytest.mark.parametrize(
    ("style", "shares"),
    [
        (["a", "b"], (0.5, 0.5)),
        ([("a", 2), ("b", 6)], (0.25, 0.75)),
        ({"a": 1, "b": 0}, (1.0, 0.0)),
        ("a", (1.0,)),
    ],
)
def test_shares_are_brought_to_the_sum_1(style, shares):
    assert Blend.of(style).shares == shares


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ([], "there is no style in the list"),
        ([("a", 0), ("b", 0)], "at least one must be above 0"),
        ([("a", -1), ("b", 2)], "a share is -1; expected a finite number, 0 or more"),
        ([("a", "half"), ("b", 2)], "a share is 'half'"),
        ([("a", 1, 512)], "is no style with its share; expected pairs"),
        ([("a", 1), "b"], "some styles have a share and some have none"),
        (("a", 0.7), "is one style with its share; expected a list of such pairs"),
    ],
)
def test_shares_that_cannot_work_are_refused(style, words):
    with pytest.raises(nst.InputError, match=words):
        Blend.of(style)
    for shares in (3, {0.9, 0.1}, {0.9: 1, 0.1: 1}):
        with pytest.raises(nst.InputError, match=r"the shares are .*; expected numbers"):
            normalized(shares)
    assert normalized([1e308, 1e308]) == (0.5, 0.5)


def test_shares_can_be_changed_and_the_network_is_not_asked(extract, content, styles, monkeypatch):
    objective = nst.Objective(extract, content, styles)
    fresh = nst.Objective(extract, content, list(zip(styles, (0.2, 0.8), strict=True)))
    version, kept = objective.version, {layer: t.clone() for layer, t in objective.style_target.items()}
    held = dict(objective.style_target)
    monkeypatch.setattr(nst.FeatureExtractor, "forward", lambda *_: pytest.fail("the network was asked"))
    objective.shares = (1, 4)
    assert objective.version > version
    assert objective.shares == (0.2, 0.8)
    for layer, target in objective.style_target.items():
        torch.testing.assert_close(target, fresh.style_target[layer])
        assert torch.equal(held[layer], kept[layer])  # whoever holds the old one keeps it
    with pytest.raises(nst.InputError, match="for 2 styles there should be as many shares, not 3"):
        objective.shares = (1, 2, 3)
    assert objective.shares == (0.2, 0.8)


def test_a_copy_has_shares_of_its_own(extract, content, styles):
    objective = nst.Objective(extract, content, styles)
    twin = copy.deepcopy(objective)
    twin.shares = (0, 1)
    assert objective.shares == (0.5, 0.5)
    assert not torch.equal(objective.style_target["relu1_1"], twin.style_target["relu1_1"])


def test_a_run_with_several_styles_resumes_exactly(extract, content, styles, tmp_path):
    run = nst.Run(nst.Objective(nst.FeatureExtractor("mini", device="cpu"), content, styles), scales={0: 0.5, 3: 1})
    list(run.steps(2, progress=False))
    run.objective.shares = (0.1, 0.9)
    list(run.steps(2, progress=False))
    run.save(tmp_path / "run.pt")
    resumed = nst.Run.load(tmp_path / "run.pt", device="cpu")
    assert resumed.objective.shares == pytest.approx((0.1, 0.9))
    for each in (run, resumed):
        list(each.steps(3, progress=False))
    assert torch.equal(run.image, resumed.image)


def test_a_share_that_moves_in_a_run_acts_on_the_next_step(extract, content, styles):
    moved = nst.Run(nst.Objective(extract, content, styles), optimizer="adam")
    moved.objective.shares = (0, 1)
    alone = nst.Run(nst.Objective(extract, content, styles[1]), optimizer="adam")
    for run in (moved, alone):
        list(run.steps(4, progress=False))
    torch.testing.assert_close(moved.image, alone.image, rtol=0, atol=1e-5)


def test_tiles_give_the_same_with_several_styles(extract, styles):
    content = nst.load_image("chelsea", 96)
    terms = [nst.Objective(extract, content, styles, tile=tile)(content.flip(3)) for tile in (None, 32)]
    torch.testing.assert_close(terms[0].style, terms[1].style, rtol=1e-4, atol=0)


def test_style_statistics_are_those_of_all_pixels_together(extract):
    one, other = torch.rand(1, 3, 8, 8), 0.5 * torch.rand(1, 3, 4, 16)
    mean, covariance = mean_colors(Blend.of([one, other]))
    pixels = torch.cat([one.flatten(2), other.flatten(2)], 2)
    torch.testing.assert_close(mean, pixels.mean(2, keepdim=True))
    torch.testing.assert_close(covariance[0], torch.cov(pixels[0], correction=0))
    start = start_image(
        nst.Objective(extract, style=[one.repeat(1, 1, 4, 4), other.repeat(1, 1, 8, 2)]), "style_statistics"
    )
    assert start.shape == (1, 3, 32, 32)  # the first style's


FAST = {"size": 32, "backbone": "mini", "device": "cpu", "steps": 2}


def test_stylize_takes_several_styles_each_in_its_size():
    run = nst.prepare("village", {"swirls": 0.7, "mosaic": 0.3}, style_size=[48, 40], quiet=True, **FAST)
    assert [max(picture.shape[-2:]) for picture in run.objective.style.pictures] == [48, 40]
    assert run.objective.shares == pytest.approx((0.7, 0.3))
    one = nst.stylize("village", [("swirls", 0.7), ("mosaic", 0.3)], progress=False, **FAST)
    other = nst.stylize("village", [("swirls", 0.3), ("mosaic", 0.7)], progress=False, **FAST)
    assert not torch.equal(one, other)
    with pytest.raises(nst.InputError, match="there are 3 style sizes, but the number of styles is 2"):
        nst.prepare("village", ["swirls", "mosaic"], style_size=[48, 40, 32], quiet=True, **FAST)
    with pytest.raises(nst.InputError, match="style 2 is None; give a picture"):
        nst.prepare("village", ["swirls", None], quiet=True, **FAST)


def test_each_of_several_styles_is_matched_to_the_colors_of_the_content():
    run = nst.prepare("village", ["swirls", "mosaic"], color="match", quiet=True, **FAST)
    for name, picture in zip(("swirls", "mosaic"), run.objective.style.pictures, strict=True):
        torch.testing.assert_close(picture, match_colors(nst.load_image(name, 32), run.objective.content))


def test_main_names_the_result_after_all_styles(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    nst.main("village", ["swirls", "mosaic"], progress=False, **FAST)
    assert (tmp_path / "img" / "results" / "village_swirls_mosaic.png").exists()
    with pytest.raises(nst.InputError, match="mode 'content' reconstructs one picture"):
        nst.main("village", ["swirls", "mosaic"], mode="content", progress=False, **FAST)


def test_a_sweep_over_shares_makes_what_single_runs_make(extract, content, styles):
    objective = nst.Objective(extract, content, styles)
    swept = nst.sweep(objective, shares=[0, 0.25, 1], steps=4, optimizer="adam", progress=False)
    assert list(swept.pictures) == ["0", "0.25", "1"]
    for share in (0, 0.25, 1):
        objective.shares = (share, 1 - share)
        run = nst.Run(objective, optimizer="adam")
        list(run.steps(4, progress=False))
        torch.testing.assert_close(swept.pictures[str(share)], run.image, rtol=0, atol=2e-3)
    with pytest.raises(nst.InputError, match="not several styles"):
        nst.sweep(nst.Objective(extract, content, styles[0]), shares=[0, 1], steps=1, progress=False)


def test_a_sweep_over_shares_asks_the_network_once_a_style(extract, content, styles, monkeypatch):
    seen = []
    forward = nst.FeatureExtractor.forward
    objective = nst.Objective(extract, content, styles)

    def counted(self, image, layers):
        seen.append(tuple(image.shape))
        return forward(self, image, layers)

    monkeypatch.setattr(nst.FeatureExtractor, "forward", counted)
    nst.sweep(objective, shares=[0, 0.25, 0.5, 1], steps=1, progress=False)
    assert sorted(seen) == sorted(
        [tuple(content.shape), *(tuple(style.shape) for style in styles), (4, *content.shape[1:])]
    )


def test_the_command_line_takes_several_styles(run_cli, tmp_path):
    out = tmp_path / "made.png"
    common = ["-s", "32", "-n", "2", "--backbone", "mini", "-q", "-o", out]
    assert run_cli("village", "swirls", "mosaic", "--shares", "0.7,0.3", *common)[0] == 0
    assert run_cli("village", "swirls", "-s", "32", "mosaic", "-n", "2", "--backbone", "mini", "-q", "-o", out)[0] == 0
    status, _, errors = run_cli("village", "swirls", "mosaic", "--shares", "1", *common)
    assert status == 2
    assert "for 2 styles there should be as many shares, not 1" in errors
    assert "is not of the form 0.7,0.3" in run_cli("village", "swirls", "mosaic", "--shares", "a,b", *common)[2]
    assert run_cli("village", "swirls", "mosaic", "--style-size", "48,40", *common)[0] == 0
    assert "there are 2 style sizes" in run_cli("village", "swirls", "--style-size", "48,40", *common)[2]


def test_shares_beside_the_styles_and_as_an_option_are_refused():
    with pytest.raises(nst.InputError, match="the styles have shares already"):
        nst.prepare("village", {"swirls": 0.7, "mosaic": 0.3}, shares=[0.1, 0.9], quiet=True, **FAST)
    run = nst.prepare("village", ["swirls", "mosaic"], shares=[1, 9], quiet=True, **FAST)
    assert run.objective.shares == pytest.approx((0.1, 0.9))


def test_styles_of_different_batches_blend(extract, styles):
    content = nst.load_image("chelsea", 32)
    objective = nst.Objective(extract, content, [styles[0].repeat(2, 1, 1, 1), styles[1]])
    assert objective.batch == 2
    assert mean_colors(Blend.of([styles[0].repeat(2, 1, 1, 1), styles[1]]))[1].shape == (2, 3, 3)


def test_shares_set_under_inference_mode_serve_later(extract, content, styles):
    with torch.inference_mode():
        objective = nst.Objective(extract, content, styles)
        objective.shares = (0.3, 0.7)
    objective.shares = (0.1, 0.9)
    list(nst.Run(objective).steps(1, progress=False))


def test_a_sweep_refuses_colors_and_shares_where_the_styles_own_target_is_not_used(extract, content, styles):
    objective = nst.Objective(extract, content, styles)
    objective.style_target = dict(objective.style_target)
    gray = nst.Objective(extract.other(sees="luminance"), content, styles)
    for of, axis in (
        (objective, {"shares": [0, 1]}),
        (objective, {"color": ["style", "match"]}),
        (gray, {"shares": [0, 1]}),
    ):
        with pytest.raises(nst.InputError, match=r"swept from the styles' own pictures and targets"):
            nst.sweep(of, steps=1, progress=False, **axis)
    with pytest.raises(nst.InputError, match=r"a share is 1.5; expected a number from 0 to 1"):
        nst.sweep(nst.Objective(extract, content, styles), shares=[0, 1.5], steps=1, progress=False)
    named = nst.sweep(nst.Objective(extract, content, styles[0]), style=[styles, styles[::-1]], steps=1, progress=False)
    assert list(named.pictures) == ["styles 1", "styles 2"]


def test_a_name_that_nobody_chose_stays_short_with_many_styles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    long = [f"{letter * 48}.png" for letter in "abcdef"]
    for name in long:
        nst.save_image(torch.rand(1, 3, 32, 32), tmp_path / name)
    nst.main(long[0], long[1:], progress=False, **FAST)
    (made,) = (tmp_path / "img" / "results").iterdir()
    assert len(made.stem) < 120
