"""Figures: what they draw, and what they say where they cannot."""

from io import BytesIO

import numpy as np
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


def test_a_chart_has_a_named_point_for_each_on_logarithmic_axes():
    figure = plots.chart({"slow": (6.0, 1.0), "fast": (0.03, 1.4)}, "seconds", "loss")
    (ax,) = figure.axes
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[6.0, 1.0]], [[0.03, 1.4]]]
    assert [text.get_text() for text in ax.texts] == ["slow", "fast"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert "fast: 0.03, 1.4" in figure.alt
    with pytest.raises(InputError, match="the seconds of slow is 0"):
        plots.chart({"slow": (0, 1.0)}, "seconds", "loss")
    with pytest.raises(InputError, match="the loss of slow"):
        plots.chart({"slow": (1.0, float("nan"))}, "seconds", "loss")


@pytest.mark.parametrize(("log_steps", "scale"), [(True, "log"), (False, "linear")])
def test_curves_can_have_logarithmic_steps(log_steps, scale):
    figure = plots.curves({"loss": [3.0, 2.0, 1.0]}, log_steps=log_steps, first=10)
    assert figure.axes[0].get_xscale() == scale
    assert figure.axes[0].lines[0].get_xdata().tolist() == [10, 11, 12]


def test_a_few_places_of_values_are_all_labeled_and_nothing_else():
    axes = plots.curves({"loss": [3.0, 2.0, 1.0]}, at=[10, 20, 40]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10", "20", "40"]
    near = plots.curves({"loss": [3.0, 2.0, 1.0]}, at=[12, 48, 50]).axes[0]
    assert {48, 50} - set(near.get_xticks())  # one label would lie on the other


@pytest.mark.parametrize(("largest", "plain"), [(9.0, True), (9000.0, False)])
def test_a_short_logarithmic_axis_is_labeled_in_plain_numbers(largest, plain):
    fig = plots.curves({"loss": [largest, 1.5, 1.0]})
    fig.draw_without_rendering()
    labels = [label.get_text() for label in fig.axes[0].get_yticklabels(which="both") if label.get_text()]
    assert ({"1", "2"} <= set(labels)) == plain
    assert any("^" in label for label in labels) != plain  # 10^2 and the like


def test_curves_can_stand_over_any_numbers():
    figure = plots.curves({"memory": [1.0, 4.0, 16.0]}, at=[256, 512, 1024], xlabel="size", log_steps=True)
    assert figure.axes[0].lines[0].get_xdata().tolist() == [256, 512, 1024]
    with pytest.raises(InputError, match="memory has 2 values, but there are 3 places"):
        plots.curves({"memory": [1.0, 4.0]}, at=[256, 512, 1024])


def looks(lines):
    return {(line.get_color(), str(line._unscaled_dash_pattern), line.get_marker()) for line in lines}


def drawn(figure):
    """The figure, after it was drawn: some faults show only then."""
    figure.savefig(BytesIO(), format="png")
    return figure


def legend(figure):
    (found,) = [*figure.legends, *filter(None, (ax.get_legend() for ax in figure.axes))]
    return [text.get_text() for text in found.get_texts()]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 49])
def test_every_line_is_drawn_named_and_told_apart(count):
    names = [f"line {number}" for number in range(count)]
    figure = drawn(plots.curves({name: [3.0, 2.0, 1.0] for name in names}))
    assert [line.get_label() for line in figure.axes[0].lines] == names
    assert len(looks(figure.axes[0].lines)) == count
    assert legend(figure) == names
    way = {"a": {"content": 0.1, "style": 0.2}, "b": {"content": 0.2, "style": 0.1}}
    figure = drawn(plots.paths(dict.fromkeys(names, way), x=["content"], y="style"))
    assert [line.get_label() for line in figure.axes[0].lines] == names
    assert len(looks(figure.axes[0].lines)) == count
    assert len(figure.axes[0].texts) == 2 * count
    assert legend(figure) == names


def test_more_lines_than_can_be_told_apart_are_refused():
    lines = {f"line {number}": [2.0, 1.0] for number in range(50)}
    with pytest.raises(InputError, match="50 lines; no more than 49"):
        plots.curves(lines)
    with pytest.raises(InputError, match="50 lines; no more than 49"):
        plots.paths({name: {"a": {"x": 1, "y": 1}} for name in lines}, x=["x"], y="y")


def test_a_line_looks_the_same_in_every_panel_and_all_are_named():
    figure = drawn(plots.curves({"p": {"x": [2.0, 1.0], "y": [3.0, 1.0]}, "q": {"y": [1.0, 2.0]}}))
    left, right = figure.axes
    assert looks(left.lines[1:]) == looks(right.lines)
    assert legend(figure) == ["x", "y"]


def test_a_batch_is_a_line_a_picture():
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    figure = drawn(plots.curves({"style": values, "content": [torch.tensor(1.0, requires_grad=True)] * 3}))
    assert legend(figure) == ["style, picture 1", "style, picture 2", "content"]
    assert figure.axes[0].lines[1].get_ydata().tolist() == [2, 4, 6]


@pytest.mark.parametrize(
    ("values", "remark"),
    [([np.nan, np.nan], "no finite value"), ([np.inf, -np.inf], "no finite value"), ([0.0, 0.0], "never above 0")],
)
def test_a_line_that_cannot_be_seen_says_so(values, remark):
    figure = drawn(plots.curves({"tv": values, "style": [2.0, 1.0]}))
    assert legend(figure) == [f"tv ({remark})", "style"]


def test_curves_without_a_value_above_zero_have_a_linear_axis():
    assert drawn(plots.curves({"tv": [0.0, 0.0]})).axes[0].get_yscale() == "linear"
    assert drawn(plots.curves({"tv": [np.nan]})).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("values", [[1.0], [1.0, np.nan, 2.0], [0.0, 1.0]])
def test_a_point_that_stands_alone_is_seen(values):
    figure = plots.curves({"alone": values})
    with_point = BytesIO()
    figure.savefig(with_point, format="rgba")
    for line in figure.axes[0].lines:
        line.set_visible(False)
    without = BytesIO()
    figure.savefig(without, format="rgba")
    assert with_point.getvalue() != without.getvalue()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"loss": []}, "loss has values of the shape"),
        ({"loss": 3.0}, "loss has values of the shape"),
        ({"loss": torch.zeros(2, 2, 2)}, "loss has values of the shape"),
        ({"loss": ["a", "b"]}, "loss are no numbers"),
        ({"loss": [1.0, None, [2.0]]}, "loss are no numbers"),
        ({"a": {"loss": [1.0]}, "b": [1.0]}, "give one kind"),
        ({"a": {}}, "no line in a"),
    ],
)
def test_lines_that_cannot_be_drawn_are_refused(lines, said):
    with pytest.raises(InputError, match=said):
        plots.curves(lines)


def test_steps_that_a_logarithmic_axis_lacks_are_refused():
    with pytest.raises(InputError, match="stands at 0"):
        plots.curves({"loss": [2.0, 1.0]}, log_steps=True, first=0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), None, "much"])
def test_an_error_that_is_no_number_is_named(pictures, errors, ways, wrong):
    content, style = errors
    with pytest.raises(InputError, match="the style error of picture 2 is"):
        plots.tradeoff(pictures, content, style | {"picture 2": wrong})
    ways["early"]["9 steps"]["layout"] = wrong
    with pytest.raises(InputError, match="the layout error of 9 steps is"):
        plots.paths(ways, x=["content", "layout"], y="style")


def test_paths_without_a_point_or_with_an_error_of_zero(ways):
    with pytest.raises(InputError, match="no point of lost"):
        plots.paths(ways | {"lost": {}}, x=["content"], y="style")
    ways["far"]["all"]["style"] = 0.0
    assert drawn(plots.paths(ways, x=["content"], y="style")).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(("count", "there"), [(6, 7), (6, 40), (6, 3), (1, 5), (4, 4)])
def test_a_film_shows_as_many_pictures_as_it_can_from_the_first_to_the_last(count, there):
    figure = plots.film({step: torch.rand(3, 4, 6) for step in range(there)}, count)
    steps = [int(ax.get_title().removeprefix("step ")) for ax in figure.axes]
    assert len(steps) == min(count, there)
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert steps[-1] == there - 1 or count == 1


def test_a_row_of_a_grid_keeps_its_name_where_its_first_picture_is_missing(pictures):
    picture = next(iter(pictures.values()))
    figure = plots.grid({("one", "left"): picture, ("one", "right"): picture, ("two", "right"): picture})
    names = [axes.get_ylabel() for axes in figure.axes if axes.axison]
    assert names == ["one", "", "two", ""]
    assert not any(spine.get_visible() for spine in figure.axes[2].spines.values())


@pytest.mark.parametrize("keys", [["a", "b"], ["ab", "cd"], [("a", "b", "c"), ("a", "b", "d")]])
def test_a_grid_wants_pairs(pictures, keys):
    with pytest.raises(InputError, match=r"\(row, column\)"):
        plots.grid(dict(zip(keys, pictures.values(), strict=False)))


def test_numbers_can_be_titles(pictures):
    picture = pictures["picture 0"]
    assert "10" in drawn(plots.strip({10: picture, 20.5: picture})).alt
    assert "10" in drawn(plots.sheet({10: picture})).alt
    assert "10" in drawn(plots.grid({(10, 1): picture})).alt


@pytest.mark.parametrize(
    "draw",
    [
        lambda picture, wrong: plots.film({0: picture}, wrong),
        lambda picture, wrong: plots.sheet({"a": picture}, columns=wrong),
        lambda picture, wrong: plots.feature_maps({"a": picture}, channels=wrong),
        lambda picture, wrong: plots.gram_heatmap({"a": torch.eye(3)[None]}, channels=wrong),
    ],
    ids=["film", "sheet", "feature_maps", "gram_heatmap"],
)
@pytest.mark.parametrize("wrong", [0, -1, 2.0, "3", None])
def test_counts_that_cannot_be_are_refused(pictures, draw, wrong):
    with pytest.raises(InputError, match="expected a whole number, 1 or more"):
        draw(pictures["picture 0"], wrong)


def test_what_is_of_one_picture_is_not_taken_from_a_batch_without_a_word():
    batch = torch.rand(2, 3, 3, 3)
    with pytest.raises(InputError, match="relu1_1 is of a batch of 2"):
        plots.feature_maps({"relu1_1": batch})
    with pytest.raises(InputError, match="features is of a batch of 2"):
        plots.channel_pairs(batch, {"pair": (0, 1)})
    with pytest.raises(InputError, match="relu1_1 is of a batch of 2"):
        plots.gram_heatmap({"relu1_1": batch[:, 0]})
    assert len(visible(drawn(plots.feature_maps({"relu1_1": batch[0]}, channels=2)))) == 2


@pytest.mark.parametrize("wrong", [torch.zeros(3), torch.zeros(1, 3, 0, 4), torch.zeros(1, 1, 1, 1, 1), [1.0], None])
def test_what_are_no_features_is_refused(wrong):
    with pytest.raises(InputError, match="expected \\(1, C"):
        plots.feature_maps({"relu1_1": wrong})
    with pytest.raises(InputError, match="expected \\(1, C"):
        plots.channel_pairs(wrong, {"pair": (0, 0)})


def test_gram_matrices_that_do_not_go_together_are_refused(pictures):
    with pytest.raises(InputError, match="3, 4 channels"):
        plots.gram_heatmap({"a": torch.eye(3)[None], "b": torch.eye(4)[None]})
    with pytest.raises(InputError, match="no picture for b"):
        plots.gram_heatmap({"a": torch.eye(3)[None], "b": torch.eye(3)[None]}, {"a": pictures["picture 0"]})


def test_matrices_with_negative_entries_have_white_at_zero_and_one_scale_for_both_signs():
    matrices = {"Gram": torch.eye(3)[None], "covariance": torch.tensor([[[4.0, -1.0], [-1.0, 1.0]]])}
    figure = drawn(plots.gram_heatmap({"covariance": matrices["covariance"]}))
    image = figure.axes[0].images[0]
    assert image.norm(0.0) == pytest.approx(0.5)
    assert image.norm(-1.0) == pytest.approx(0.25)  # of the root: half of the way to -4
    assert (image.norm.vmin, image.norm.vmax) == (-4, 4)
    assert drawn(plots.gram_heatmap({"Gram": matrices["Gram"]})).axes[0].images[0].norm.vmin == 0


def test_maps_without_a_number_are_drawn():
    features = torch.full((1, 3, 2, 4), float("nan"))
    drawn(plots.feature_maps({"broken": features}))
    drawn(plots.channel_pairs(features, {"broken": (0, 1)}))
    drawn(plots.gram_heatmap({"broken": features[:, :, 0, :3]}))
