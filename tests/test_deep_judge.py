"""The judge of deep layers, with the tiny backbone as judge and as mini."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import nstlib as nst

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import deep_judge


def test_distances_are_those_of_the_formulas(extract, content, style):
    image = (content + 0.1 * torch.rand(content.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    found = deep_judge.distances(extract, image, content, style)

    def rows(picture, layer):
        features = extract(picture, [layer])[layer][0].detach().double().numpy()
        return features.reshape(len(features), -1)

    for value, layer in zip(found, deep_judge.JUDGED, strict=False):
        own, aim = (f @ f.T / f.shape[1] for f in (rows(image, layer), rows(style, layer)))
        assert value == pytest.approx(np.square(own - aim).sum() / np.square(aim).sum(), rel=5e-3), layer
    own, aim = rows(image, "relu4_2"), rows(content, "relu4_2")
    assert found[-1] == pytest.approx(np.square(own - aim).sum() / np.square(aim).sum(), rel=1e-4)
    assert len(found) == 6


def test_a_picture_is_at_no_distance_from_itself(extract, content):
    assert deep_judge.distances(extract, content, content, content) == [0.0] * 6


def test_the_table_has_a_row_for_each_maker_and_beta_and_the_means_of_the_pairs(monkeypatch, capsys, tmp_path):
    made = []

    def stylize(content, style, **options):
        made.append((content, style, options))
        return nst.load_image(content, options["size"])

    monkeypatch.setattr(nst, "stylize", stylize)
    judge = nst.FeatureExtractor("tiny", device="cpu")
    monkeypatch.setattr(nst, "FeatureExtractor", lambda *_, **__: judge)
    words = ["judge", "teacher.pth", "chelsea", "coffee", "coffee", "chelsea", "--size", "48", "--beta", "10", "40"]
    words += ["--tv", "7"]
    monkeypatch.setattr(sys, "argv", [*words, "--weights", "next.safetensors", "--out", str(tmp_path)])
    deep_judge.main()

    told = [row.split() for row in capsys.readouterr().out.splitlines()]
    pairs, means = told[1:11], told[11:]
    assert [row[3] for row in pairs] == ["content", "mini", "mini", "teacher", "teacher"] * 2
    assert [row[4:6] for row in means] == [["mini", "10"], ["mini", "40"], ["teacher", "10"], ["teacher", "40"]]
    for column in range(-6, 0):
        both = [float(row[column]) for row in pairs if row[3:5] == ["mini", "10"]]
        assert float(means[0][column]) == pytest.approx(sum(both) / 2, abs=1e-4)
    assert {(options["backbone"], str(options["weights"])) for *_, options in made} == {
        ("mini", "next.safetensors"),
        ("vgg16", "teacher.pth"),
    }
    assert len(list(tmp_path.iterdir())) == 8
    for options in (options for *_, options in made):  # nothing but the network differs
        assert {key: options[key] for key in ("size", "quality", "init", "tv")} == {
            "size": 48,
            "quality": "good",
            "init": "content",
            "tv": 7.0,
        }


def test_an_odd_number_of_pictures_is_no_pairs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["judge", "teacher.pth", "chelsea", "coffee", "chelsea"])
    with pytest.raises(SystemExit):
        deep_judge.main()
    assert "3 pictures are not pairs" in capsys.readouterr().err
