"""Figures: what they draw, and what they say where they cannot."""

import pytest
import torch

from nstlib import InputError, plots


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(0)
    return {f"picture {number}": torch.rand(1, 3, 8, 12, generator=generator) for number in range(5)}


def visible(figure):
    return [ax for ax in figure.axes if ax.axison]


def test_a_sheet_holds_every_picture_under_its_title(pictures):
    figure = plots.sheet(pictures, columns=3)
    assert len(figure.axes) == 6
    assert [ax.get_title() for ax in visible(figure)] == list(pictures)
    assert all(title in figure.alt for title in pictures)


def test_a_sheet_of_nothing_says_so():
    with pytest.raises(InputError, match="no picture"):
        plots.sheet({})


def test_channel_pairs_show_both_maps_and_the_mean_of_their_product():
    features = torch.zeros(1, 3, 2, 4)
    features[0, 0] = 2.0
    features[0, 1, :, :2] = 3.0  # half of the positions: the mean of the product is 3
    figure = plots.channel_pairs(features, {"together": (0, 1), "never": (0, 2)})
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == ["channel 0", "channel 1", "product, mean 3"]
    assert titles[5] == "product, mean 0"
    product = figure.axes[2].images[0]
    assert product.get_clim() == (0, 6)
    assert product.get_array().max() == 6


def test_channel_pairs_can_stand_beside_their_picture(pictures):
    figure = plots.channel_pairs(torch.rand(1, 3, 2, 4), {"pair": (0, 1)}, pictures["picture 0"])
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 1]
    assert [ax.get_title() for ax in figure.axes][:2] == ["", "channel 0"]


@pytest.mark.parametrize("pair", [(0, 3), (-1, 0)])
def test_a_channel_that_is_not_there_is_named(pair):
    with pytest.raises(InputError, match="there is no channel"):
        plots.channel_pairs(torch.zeros(1, 3, 2, 4), {"pair": pair})


@pytest.fixture
def errors(pictures):
    """Of content and style, such that the pictures' order is not that of the content errors."""
    content = dict(zip(pictures, [0.5, 0.1, 0.3, 0.2, 0.4], strict=True))
    return content, {label: 1 - error for label, error in content.items()}


def test_a_tradeoff_shows_each_picture_over_its_point_in_the_order_of_the_curve(pictures, errors):
    content, style = errors
    figure = plots.tradeoff(pictures, content, style, name="β")
    curve, *thumbnails = figure.axes
    order = sorted(pictures, key=style.get)
    assert [ax.get_title() for ax in thumbnails] == [f"β = {label}" for label in order]
    points = curve.lines[0].get_xydata().tolist()
    assert points == [[style[label], content[label]] for label in order]
    assert [line.xy2 for line in figure.artists] == [tuple(point) for point in points]
    assert (curve.get_xscale(), curve.get_yscale()) == ("log", "log")
    assert all(f"{label}: content {content[label]:.2g}, style {style[label]:.2g}" in figure.alt for label in pictures)


def test_a_tradeoff_with_an_error_of_zero_has_linear_axes(pictures, errors):
    content, style = errors
    figure = plots.tradeoff(pictures, {**content, "picture 0": 0.0}, style)
    assert figure.axes[0].get_xscale() == "linear"


def test_a_tradeoff_without_errors_for_a_picture_names_it(pictures, errors):
    content, style = errors
    del style["picture 3"]
    with pytest.raises(InputError, match="no errors for picture 3"):
        plots.tradeoff(pictures, content, style)
    with pytest.raises(InputError, match="no picture"):
        plots.tradeoff({}, {}, {})


@pytest.fixture
def ways():
    return {
        "early": {
            "5 steps": {"content": 0.2, "layout": 0.0, "style": 0.5},
            "9 steps": {"content": 0.3, "layout": 0.1, "style": 0.1},
        },
        "far": {"all": {"content": 0.1, "layout": 0.4, "style": 0.05}},
    }


def test_paths_go_through_the_points_of_each_line_in_every_panel(ways):
    figure = plots.paths(ways, x=["content", "layout"], y="style")
    content, layout = figure.axes
    assert [line.get_xydata().tolist() for line in content.lines] == [[[0.2, 0.5], [0.3, 0.1]], [[0.1, 0.05]]]
    assert layout.lines[0].get_xydata().tolist() == [[0, 0.5], [0.1, 0.1]]
    assert [text.get_text() for text in layout.texts] == ["5 steps", "9 steps", "all"]
    assert [ax.get_xlabel() for ax in figure.axes] == ["content error", "layout error"]
    assert "early by way of 5 steps, 9 steps" in figure.alt


def test_paths_name_the_error_that_is_missing(ways):
    with pytest.raises(InputError, match="the error tv"):
        plots.paths(ways, x=["content", "tv"], y="style")
    with pytest.raises(InputError, match="no line"):
        plots.paths({}, x=["content"], y="style")
    with pytest.raises(InputError, match="no error across"):
        plots.paths(ways, x=[], y="style")


@pytest.mark.parametrize(("log_steps", "scale"), [(True, "log"), (False, "linear")])
def test_curves_can_have_logarithmic_steps(log_steps, scale):
    figure = plots.curves({"loss": [3.0, 2.0, 1.0]}, log_steps=log_steps, first=10)
    assert figure.axes[0].get_xscale() == scale
    assert figure.axes[0].lines[0].get_xdata().tolist() == [10, 11, 12]


def test_curves_can_stand_over_any_numbers():
    figure = plots.curves({"memory": [1.0, 4.0, 16.0]}, at=[256, 512, 1024], xlabel="size", log_steps=True)
    assert figure.axes[0].lines[0].get_xdata().tolist() == [256, 512, 1024]
    with pytest.raises(InputError, match="memory has 2 values, but there are 3 places"):
        plots.curves({"memory": [1.0, 4.0]}, at=[256, 512, 1024])
