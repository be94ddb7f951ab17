"""The figures of real networks, with random weights and tiny pictures."""

import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from tqdm import tqdm

import nstlib as nst

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))
figures = pytest.importorskip("figures")
real_networks = pytest.importorskip("real_networks")
Network = real_networks.Network


@pytest.fixture(scope="module")
def known():
    resnet = nst.FeatureExtractor("resnet50", weights="random", device="cpu")
    mini = Network(partial(nst.FeatureExtractor, "mini", weights="random", device="cpu"), ("relu1_1", "relu5_1"))
    return {
        "mini": mini,
        "near VGG-16": mini,
        "ResNet-50": Network(lambda pooling="auto": resnet, ("relu", "layer4")),
        "SqueezeNet": Network(partial(nst.FeatureExtractor, "squeezenet", device="cpu"), ("relu1", "fire9")),
    }


@pytest.fixture(scope="module")
def pairs():
    return real_networks.pairs("mosaic", 48)


def test_every_figure_is_drawn_and_shared_pictures_are_painted_once(known, pairs, monkeypatch, tmp_path):
    monkeypatch.setattr(real_networks, "RESOLUTIONS", [30])
    with open(tmp_path / "bar", "w") as file, tqdm(total=99, file=file) as bar:
        painter = real_networks.Painter(1, bar)
        for name, maker in real_networks.FIGURES.items():
            before = bar.n
            path = real_networks.write(maker(painter, known, pairs[:1]), tmp_path / "new" / f"{name}.jpg")
            with Image.open(path) as picture:
                assert picture.width == 270
            assert bar.n - before == real_networks.PICTURES[name]
    of_resnet = 1 + len(real_networks.STYLE_LAYERS) - 2  # the default, and the other depths
    assert len(painter.painted) == 3 + of_resnet


def test_the_pooling_and_the_layers_asked_for_are_used(known, pairs):
    painter = real_networks.Painter(3, tqdm(disable=True))
    average, maximum = (painter.paint(pairs[0], "mini", known["mini"], pooling) for pooling in ("auto", "max"))
    assert average.shape == pairs[0].content.shape
    assert not torch.equal(average, maximum)
    painter.paint(pairs[1], "ResNet-50", known["ResNet-50"], depth=2)
    assert list(painter.painted)[-1] == ("harbor", "ResNet-50", "blur", "relu", "layer1")


def test_a_figure_is_as_large_as_its_file_may_be(known, pairs, monkeypatch, tmp_path):
    figure = real_networks.all_networks(real_networks.Painter(1, tqdm(disable=True)), known, pairs[:1])
    monkeypatch.setattr(real_networks, "RESOLUTIONS", [60, 40, 20])
    monkeypatch.setattr(real_networks, "QUALITIES", [80])
    full = real_networks.write(figure, tmp_path / "full.jpg").stat().st_size
    monkeypatch.setattr(real_networks, "LARGEST", full * 3 // 4)
    with Image.open(real_networks.write(figure, tmp_path / "less.jpg")) as picture:
        assert picture.width == 360
    monkeypatch.setattr(real_networks, "LARGEST", 100)
    with pytest.raises(SystemExit, match=r"none\.jpg does not fit into 100 bytes"):
        real_networks.write(figure, tmp_path / "none.jpg")


@pytest.mark.parametrize(("middle", "first"), [((0.5, 0.5), (4, 8)), ((0.0, 0.0), (0, 0)), ((1.0, 1.0), (8, 16))])
def test_a_detail_is_a_part_pixel_by_pixel(middle, first):
    picture = torch.arange(12 * 24.0).reshape(1, 1, 12, 24)
    detail = real_networks.enlarged(picture, middle, 3)
    top, left = first
    assert detail.shape == picture.shape
    assert torch.equal(detail[..., ::3, ::3], picture[..., top : top + 4, left : left + 8])
    assert torch.equal(detail[..., 2::3, 1::3], detail[..., ::3, ::3])


def test_the_finest_share_is_that_of_a_grid():
    noise = torch.rand(1, 3, 24, 36, generator=torch.Generator().manual_seed(0))
    waves = (torch.arange(36) * torch.pi / 6).sin().expand(1, 3, 24, 36)
    grid = (-1.0) ** torch.arange(36).expand(1, 3, 24, 36)
    assert real_networks.finest(waves) < 1e-9
    assert real_networks.finest(waves + grid * 0.5) == pytest.approx(0.25 / (0.5 + 0.25))
    assert 0.1 < real_networks.finest(noise) < 0.25


def test_the_table_of_grids_has_each_pooling(pairs):
    painter = real_networks.Painter(1, tqdm(disable=True))
    for place, pooling in enumerate(real_networks.POOLINGS):
        painter.painted["village", "ResNet-50", pooling, *real_networks.DEFAULT_STYLE] = pairs[place // 2].content
    row = real_networks.grids(painter, pairs[:1]).splitlines()[-1].strip("| ").split(" | ")
    assert row[0] == "village"
    assert row[1] == row[3] == row[4] == f"{real_networks.finest(pairs[0].content):.2%}"
    assert row[5] == row[6] == f"{real_networks.finest(pairs[1].content):.2%}"


def test_the_table_holds_what_entropy_says(known, pairs):
    pictures = [pair.content for pair in pairs]
    lines = real_networks.table(known, pictures).splitlines()
    assert len(lines) == 2 + 2 * len(known)
    extract = known["SqueezeNet"].make()
    found = torch.cat([extract(picture, "fire9")["fire9"] for picture in pictures])
    wanted = nst.entropy(found).mean()
    row = [cell.strip() for cell in lines[-1].strip("|").split("|")]
    assert row[:3] == ["SqueezeNet", "fire9", f"{wanted:.3f}"]
    assert row[4:] == [f"{found.mean():.3g}", f"{found.max():.3g}"]


def test_the_default_style_layers_are_among_those_that_the_figure_adds_up():
    assert tuple(nst.default_layers("resnet50")[1]) == real_networks.DEFAULT_STYLE


def test_the_files_are_those_that_the_folder_should_hold():
    names = {f"backbones/{name}.jpg" for name in real_networks.FIGURES}
    assert names == {name for name in figures.OF_REAL_NETWORKS if name.endswith(".jpg")}
