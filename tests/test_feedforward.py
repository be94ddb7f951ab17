"""Networks that paint in one pass: many styles in one, mixes, their files, and pictures of any size in tiles."""

import copy
import json
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional as F

import nstlib as nst
from nstlib.errors import InputError, OutOfMemory, WeightsUnavailable
from nstlib.feedforward import network as network_module
from nstlib.feedforward import painting, tiles
from nstlib.feedforward.files import BUNDLED, load_network, save_network
from nstlib.feedforward.layers import Convolution, normalize
from nstlib.feedforward.network import StyleNetwork

STYLES = ["cubist", "swirls", "mosaic"]


def small(styles=STYLES, seed=0, spread=0.3):
    """A small network whose styles differ."""
    network = StyleNetwork(styles, (4, 6, 8), 2, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for row in network.rows:
            row.add_(spread * torch.randn(row.shape, generator=generator))
    return network


@pytest.fixture
def network():
    return small()


def pictures(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def same_up_to(painted, other, atol=1e-5):
    torch.testing.assert_close(painted, other, rtol=0, atol=atol)


def plain(network, x, row):
    """The network written out anew for one style, with torch's own instance normalization."""
    weights = [weight for name, weight in network.named_parameters() if "weight" in name]
    *row, skip = row.split([*(len(weight) for weight in weights for _ in "gb"), 1])
    row, weights, picture = iter(row), iter(weights), x.clamp(0.001, 0.999)

    def layer(x, pad, stride=1):
        x = F.conv2d(F.pad(x, [pad] * 4, mode="reflect"), next(weights), stride=stride)
        return F.instance_norm(x, weight=next(row), bias=next(row), eps=1e-5)

    x = F.relu(layer(x, 2))
    x = F.relu(layer(x, 1, 2))
    x = F.relu(layer(x, 1, 2))
    for _ in range(network.blocks):
        x = x + layer(F.relu(layer(x, 1)), 1)
    x = F.relu(layer(x.repeat_interleave(2, 2).repeat_interleave(2, 3), 1))
    x = F.relu(layer(x.repeat_interleave(2, 2).repeat_interleave(2, 3), 1))
    return torch.sigmoid(layer(x, 2) + skip * (picture / (1 - picture)).log())


# The network


def test_the_network_is_the_one_of_the_papers(network):
    network = network.double()
    x = pictures(2, 3, 24, 36).double()
    for name, row in zip(STYLES, network.rows, strict=True):
        same_up_to(network(x, name), plain(network, x, row), 1e-10)


def test_the_sizes_that_the_texts_name():
    network = StyleNetwork(["swirls"])
    assert network.rows[0].numel() == 1607
    assert sum(each.weight.numel() for each in network.convolutions) == 417_120
    assert len(network.convolutions) == 16


def test_a_new_style_neither_scales_nor_shifts():
    network = StyleNetwork(["swirls"])
    for gamma, beta in network.affines(network.mixed_row(torch.ones(1, 1))):
        assert gamma.eq(1).all()
        assert beta.eq(0).all()


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (4, 4), (5, 8), (7, 31), (33, 18), (40, 40)])
def test_every_size_comes_back_in_that_size_and_in_range(network, size):
    painted = network(pictures(2, 3, *size), "swirls")
    assert painted.shape == (2, 3, *size)
    assert painted.isfinite().all()
    assert painted.min() >= 0
    assert painted.max() <= 1


def test_an_odd_picture_is_the_crop_of_its_reflection(network):
    x = pictures(1, 3, 21, 30)
    continued = torch.cat([x, x[:, :, -4:-1].flip(2)], 2)
    continued = torch.cat([continued, continued[..., -3:-1].flip(3)], 3)
    assert torch.equal(network(x, "mosaic"), network(continued, "mosaic")[..., :21, :30])


def test_a_flat_picture_gives_numbers(network):
    assert network(torch.zeros(1, 3, 16, 16), "swirls").isfinite().all()


def test_a_batch_is_its_pictures_each_in_its_own_style(network):
    x, styles = pictures(3, 3, 20, 28), ["mosaic", {"swirls": 1, "mosaic": 3}, "swirls"]
    painted = network(x, styles)
    for index, style in enumerate(styles):
        same_up_to(painted[index : index + 1], network(x[index : index + 1], style))


def test_one_picture_comes_out_in_each_of_several_styles(network):
    x = pictures(1, 3, 20, 20)
    painted = network(x, ["swirls", "mosaic"])
    same_up_to(painted, torch.cat([network(x, "swirls"), network(x, "mosaic")]))


def test_a_mix_of_one_style_is_that_style(network):
    x = pictures(1, 3, 16, 16)
    for mix in ({"swirls": 1.0}, {"swirls": 5, "mosaic": 0}, torch.tensor([[0.0, 1.0, 0.0]]), ["swirls"]):
        assert torch.equal(network(x, mix), network(x, "swirls"))


def test_a_mix_is_the_mean_of_gamma_and_beta(network):
    mixed, *both = (
        network.affines(network.mixed_row(network.shares(style)))
        for style in ({"swirls": 3, "mosaic": 1}, "swirls", "mosaic")
    )
    for mix, swirls, mosaic in zip(mixed, *both, strict=True):
        for of_mix, of_swirls, of_mosaic in zip(mix, swirls, mosaic, strict=True):
            torch.testing.assert_close(of_mix, 0.75 * of_swirls + 0.25 * of_mosaic)


def test_strength_goes_from_the_picture_itself_to_the_style(network):
    x = pictures(2, 3, 16, 20)
    same_up_to(network(x, "swirls", strength=0), x, 0.001)
    assert torch.equal(network(x, "swirls", strength=1), network(x, "swirls"))
    assert torch.equal(network(x, "swirls", 0.6), network(x, torch.tensor([[0.0, 0.6, 0.0]])))
    each = network(x, "swirls", torch.tensor([0.0, 1.0]))
    same_up_to(each, torch.cat([network(x[:1], "swirls", 0), network(x[1:], "swirls")]))
    distances = [(network(x, "swirls", strength) - x).square().mean() for strength in (0, 0.1, 0.2, 0.5, 1)]
    assert distances == sorted(distances)


def test_what_shares_lack_to_one_is_the_contents(network):
    shares = torch.tensor([[0.0, 0.5, 0.2]])
    content = [*network.content.split([width for width in network._channels[:-1] for _ in "gb"]), 0, 0]
    row, *of_styles = (network.mixed_row(each) for each in (shares, network.shares("swirls"), network.shares("mosaic")))
    affines, swirls, mosaic = ([n for pair in network.affines(each) for n in pair] for each in (row, *of_styles))
    for mixed, of_swirls, of_mosaic, of_content in zip(affines, swirls, mosaic, content, strict=True):
        torch.testing.assert_close(mixed, 0.5 * of_swirls + 0.2 * of_mosaic + 0.3 * of_content)
    assert network.skip(row).item() == pytest.approx(
        0.5 * network.rows[1][-1].item() + 0.2 * network.rows[2][-1].item() + 0.3
    )


def test_the_only_style_need_not_be_named():
    network, x = small(["swirls"]), pictures(1, 3, 12, 12)
    assert torch.equal(network(x), network(x, "swirls"))
    with pytest.raises(InputError, match="say which style: the network has cubist, swirls, mosaic"):
        small()(x)


def test_the_seed_decides_the_weights_and_nobody_elses_random_numbers_are_drawn():
    state = torch.get_rng_state()
    one, same, other = (StyleNetwork(["a"], (4, 4, 4), 1, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    for mine, again, another in zip(one.convolutions, same.convolutions, other.convolutions, strict=True):
        assert torch.equal(mine.weight, again.weight)
        assert not torch.equal(mine.weight, another.weight)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float16, 0.02), (torch.bfloat16, 0.1)])
def test_half_precision_paints_almost_the_same_and_gives_float32(network, dtype, atol):
    x = pictures(2, 3, 32, 32)
    half = copy.deepcopy(network).to(dtype)
    painted = half(x, "swirls", 0.7)
    assert painted.dtype == torch.float32
    same_up_to(painted, network(x, "swirls", 0.7), atol)
    same_up_to(half.paint(x, "swirls", 0.7, tile=12, progress=False), painted, atol)


def test_a_large_mean_does_not_spoil_the_variance_in_half_precision():
    x = 200 + pictures(1, 2, 64, 64) * 4
    z = normalize(x.half(), torch.ones(1, 2), torch.zeros(1, 2)).float()
    same_up_to(z.mean((2, 3)), torch.zeros(1, 2), 1e-3)
    same_up_to(z.std((2, 3)), torch.ones(1, 2), 1e-2)


def test_channels_last_paints_the_same(network):
    x = pictures(2, 3, 20, 24)
    last = copy.deepcopy(network).to(memory_format=torch.channels_last)
    same_up_to(last(x.to(memory_format=torch.channels_last), "mosaic"), network(x, "mosaic"))


def test_gradients_are_those_of_finite_differences():
    network = small(["cubist", "swirls"]).double()
    x, shares = pictures(1, 3, 8, 8).double(), torch.tensor([[0.4, 0.6]]).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, shares: network(x, shares), (x.requires_grad_(), shares))


def test_surroundings_change_nothing(network):
    x, outside = pictures(1, 3, 16, 16), StyleNetwork(["a"], (4, 6, 8), 1)
    with torch.inference_mode(), torch.device("meta"):
        inside = StyleNetwork(["a"], (4, 6, 8), 1)
        inside.add_style("b")
        tiled = inside.paint(x, "b", tile=8, progress=False)
    assert all(each.requires_grad and not each.is_inference() for each in inside.parameters())
    assert torch.equal(inside(x, "b"), outside(x, "a"))
    same_up_to(tiled, outside(x, "a"))
    torch.set_default_dtype(torch.float64)
    try:
        assert network(x, {"swirls": 1, "mosaic": 2}).dtype == torch.float32
        assert StyleNetwork(["a"]).dtype == torch.float32
        assert network.paint(x, "swirls", tile=8, progress=False).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


# Styles


def test_a_new_style_leaves_the_others_pictures_as_they_are(network):
    x = pictures(2, 3, 20, 20)
    before = {name: network(x, name) for name in STYLES}
    network.add_style("waves", like="mosaic")
    network.add_style("stained glass")
    assert network.styles == (*STYLES, "waves", "stained glass")
    for name, painted in before.items():
        assert torch.equal(network(x, name), painted)
    assert torch.equal(network(x, "waves"), before["mosaic"])
    mean = torch.stack([network.rows[index] for index in (0, 1, 2, 3)]).mean(0)
    torch.testing.assert_close(network.rows[4].detach(), mean.detach())


def test_learning_one_style_changes_nothing_else(network):
    x, before = pictures(1, 3, 16, 16), copy.deepcopy(network.state_dict())
    network.add_style("waves", like="swirls")
    optimizer = torch.optim.Adam(network.learn_only("waves"), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        network(x, "waves").square().sum().backward()
        optimizer.step()
    assert not torch.equal(network.rows[3], before["rows.1"])
    for name, value in before.items():
        assert torch.equal(network.state_dict()[name], value)
    network.requires_grad_()
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_style_that_is_added_is_learned_in_the_networks_precision():
    network = small().bfloat16()
    network.add_style("waves")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


# Tiles


@settings(max_examples=25)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    tile=st.integers(4, 48),
    styles=st.lists(st.sampled_from([*STYLES, {"swirls": 1, "mosaic": 2}]), min_size=1, max_size=2),
    batch=st.sampled_from([1, None]),
    strength=st.sampled_from([1.0, 0.4]),
    blocks=st.integers(0, 2),
)
def test_tiles_paint_what_the_whole_picture_would_be(height, width, tile, styles, batch, strength, blocks):
    network = StyleNetwork(STYLES, (4, 5, 6), blocks, seed=2)
    with torch.no_grad():
        for index, row in enumerate(network.rows):
            row.add_(0.2 * torch.randn(row.shape, generator=torch.Generator().manual_seed(index)))
    # Dark on the left: a tile's own statistics are far from the picture's.
    x = pictures(batch or len(styles), 3, height, width) * torch.linspace(0.1, 1, width)
    whole = network(x, styles, strength).detach()
    # A channel that is almost flat is divided by next to nothing, which enlarges the rounding of both.
    exact = copy.deepcopy(network).double()(x.double(), styles, strength).detach()
    rounding = (whole - exact).abs().max().item()
    painted = network.paint(x, styles, strength, tile=tile, progress=False)
    assert painted.shape == whole.shape
    assert (painted - exact).abs().max() <= max(1e-4, 3 * rounding)


def test_tiles_are_exact_in_double_precision(network):
    network, x = network.double(), pictures(1, 3, 37, 50).double()
    for tile in (4, 8, 20, 48):
        same_up_to(network.paint(x, "swirls", tile=tile, progress=False), network(x, "swirls"), 1e-12)


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 9), width=st.integers(1, 9), batch=st.integers(1, 2), bias=st.booleans())
def test_a_convolution_of_enlarged_maps_is_the_same_with_a_gradient_as_without(height, width, batch, bias):
    convolution = Convolution(3, 4, kernel=3, enlarge=2, bias=bias)
    convolution.initialize(torch.Generator().manual_seed(0))
    if bias:
        convolution.bias.data.uniform_(generator=torch.Generator().manual_seed(1))
    convolution, maps = convolution.double(), pictures(batch, 3, height, width).double()
    weights = [*convolution.parameters()]
    learning = convolution(maps.requires_grad_())
    with torch.no_grad():
        same_up_to(learning.detach(), convolution(maps), 1e-12)
    plainly = F.conv2d(F.pad(maps.repeat_interleave(2, 2).repeat_interleave(2, 3), [1] * 4, mode="reflect"), *weights)
    pull = pictures(*plainly.shape, seed=2).double()
    gradients = [torch.autograd.grad(each, [maps, *weights], pull) for each in (learning, plainly)]
    for one, other in zip(*gradients, strict=True):
        same_up_to(one, other, 1e-10)


def test_a_convolution_of_enlarged_maps_keeps_what_is_the_same_everywhere_so_where_it_only_paints():
    convolution = Convolution(16, 8, kernel=3, enlarge=2)
    convolution.initialize(torch.Generator().manual_seed(0))
    with torch.no_grad():
        response = convolution(pictures(1, 16, 1, 1).expand(-1, -1, 8, 8))
    assert (response == response[..., :1, :1]).all()


def test_in_half_precision_a_normalization_gives_what_float32_rounds_to():
    response = 3 * pictures(2, 4, 40, 30).bfloat16() + 5
    gamma, beta = pictures(2, 4, seed=2), pictures(2, 4, seed=3)
    wanted = normalize(response.float(), gamma, beta)
    got = normalize(response, gamma, beta)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), wanted, rtol=2**-7, atol=2**-7)


@pytest.mark.parametrize(
    ("of_maps", "of_rows"), [("float32", "float64"), ("float64", "float32"), ("float16", "float64")]
)
def test_maps_and_rows_may_have_any_two_precisions(of_maps, of_rows):
    response = pictures(1, 4, 8, 9).to(getattr(torch, of_maps))
    gamma, beta = (pictures(1, 4, seed=seed).to(getattr(torch, of_rows)) for seed in (2, 3))
    z = normalize(response, gamma, beta)
    assert z.dtype == response.dtype
    wanted = normalize(response.double(), gamma.double(), beta.double())
    torch.testing.assert_close(z.double(), wanted, rtol=2e-3, atol=2e-3)


def test_under_autocast_maps_stay_in_half_precision_between_convolutions(network, monkeypatch):
    """In float32 they would be taken there and back at each padding and each normalization, for no other number."""
    seen, pad, norm = [], F.pad, F.batch_norm
    monkeypatch.setattr(F, "pad", lambda x, *how, **more: seen.append(x.dtype) or pad(x, *how, **more))
    monkeypatch.setattr(F, "batch_norm", lambda x, *how, **more: seen.append(x.dtype) or norm(x, *how, **more))
    with torch.autocast("cpu", torch.bfloat16):
        painted = network(pictures(1, 3, 16, 16), "swirls")
    assert painted.dtype == torch.float32
    # The picture itself comes in float32, and what becomes colors is normalized in it.
    assert seen == [torch.float32, *[torch.bfloat16] * (len(seen) - 2), torch.float32]


def test_a_tile_by_itself_would_be_another_picture(network):
    """What the tiles of other programs give: the reason for all of this."""
    x = pictures(1, 3, 32, 64) * torch.linspace(0.1, 1, 64)
    assert (network(x, "swirls")[..., :32] - network(x[..., :32], "swirls")).abs().max() > 0.05


def test_little_is_kept_and_nothing_on_the_way_is_larger_than_a_tile(monkeypatch):
    """At most three responses of a quarter's size are kept, or two and one of half the size; see `tiles`."""
    network, alive, most, computed = StyleNetwork(["swirls"]), [], [], []
    empty, conv2d = torch.empty, F.conv2d

    def kept(*args, **more):
        made = empty(*args, **more)
        alive.append(weakref.ref(made))
        most.append(sum(each().numel() for each in alive if each() is not None))
        return made

    def seen(maps, *args, **more):
        computed.append(maps.numel())
        return conv2d(maps, *args, **more)

    monkeypatch.setattr(torch, "empty", kept)
    monkeypatch.setattr(F, "conv2d", seen)
    side, tile, (_, half, quarter) = 128, 32, network.widths
    network.paint(pictures(1, 3, side, side), "swirls", tile=tile, progress=False)
    # What the last convolution needs of what is computed anew, and that of what is kept: 2 and 1 positions around.
    assert max(computed) == (tile + 2 * (2 + 1)) ** 2 * half
    assert max(most) == 3 * quarter / 16 * side**2


def test_pictures_that_fit_are_painted_at_once_and_others_in_tiles(network, monkeypatch):
    x, used = pictures(2, 3, 40, 40), []
    in_tiles = tiles.in_tiles
    monkeypatch.setattr(network_module, "in_tiles", lambda *args: used.append(args[3]) or in_tiles(*args))
    monkeypatch.setattr(painting, "TILE", 16)
    whole = network(x, "swirls").detach()
    pixel = network.pixel_bytes
    for free, expected in ((1e9, []), (1.5 * 1600 * pixel / painting.SHARE, []), (10.0, [16, 16])):
        monkeypatch.setattr(painting, "free_memory", lambda device, free=free: free)
        used.clear()
        same_up_to(network.paint(x, "swirls", progress=False), whole)
        assert used == expected
    assert not network.paint(x, "swirls", progress=False).requires_grad


def test_where_memory_runs_out_tiles_become_smaller_and_then_it_is_said(network, monkeypatch):
    x, tried = pictures(1, 3, 300, 300), []

    def too_much(network, picture, affines, side, advance):
        tried.append(side)
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(network_module, "in_tiles", too_much)
    with pytest.raises(OutOfMemory, match="300 x 300 pixels in tiles of 64"):
        network.paint(x, "swirls", tile=256, progress=False)
    assert tried == [256, 128, 64]


def test_what_was_to_fit_and_does_not_is_painted_in_tiles(network, monkeypatch):
    x, whole_passes = pictures(1, 3, 200, 160), []
    whole = network.paint(x, "swirls", tile=256, progress=False)

    def too_much(network, picture, shares):
        whole_passes.append(len(picture))
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(painting, "_at_once", too_much)
    same_up_to(network.paint(x, "swirls", progress=False), whole)
    assert whole_passes
    same_up_to(network.paint(x.expand(2, -1, -1, -1), "swirls", progress=False), whole.expand(2, -1, -1, -1))
    with pytest.raises(OutOfMemory, match="in tiles of 100"):
        network.paint(pictures(1, 3, 100, 40), "swirls", progress=False)


def test_painting_can_be_interrupted_and_begun_again(network, monkeypatch):
    x = pictures(1, 3, 40, 40)
    whole, affine, layers = network.paint(x, "swirls"), tiles.Statistics.affine, []

    def interrupted(*args):
        layers.append(args)
        if len(layers) == 4:
            raise KeyboardInterrupt
        return affine(*args)

    with monkeypatch.context() as patch:
        patch.setattr(tiles.Statistics, "affine", interrupted)
        with pytest.raises(KeyboardInterrupt):
            network.paint(x, "swirls", tile=16)
    same_up_to(network.paint(x, "swirls", tile=16), whole)


# Files


def test_a_network_comes_back_from_its_file(network, tmp_path):
    x, notes = pictures(1, 3, 20, 20), {"steps": 2000, "loss": "relative", "pictures": ["dorf", "café"]}
    path = save_network(network, tmp_path / "new" / "painter.safetensors", notes)
    loaded = load_network(path)
    assert loaded.styles == network.styles
    assert (loaded.widths, loaded.blocks, loaded.notes) == (network.widths, network.blocks, notes)
    assert loaded.dtype == torch.float32
    assert path.stat().st_size < 2 * sum(each.numel() for each in network.parameters()) + 4000
    same_up_to(loaded(x, "swirls"), network(x, "swirls"), 0.02)
    again = load_network(save_network(loaded, tmp_path / "again.safetensors"))
    assert again.notes == notes
    assert torch.equal(again(x, "mosaic"), loaded(x, "mosaic"))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again.safetensors", "new"]


def test_a_style_added_after_loading_is_in_the_next_file(network, tmp_path):
    network.add_style("waves")
    assert load_network(save_network(network, tmp_path / "a.safetensors")).styles == (*STYLES, "waves")


def test_the_file_tells_others_what_it_is(network, tmp_path):
    with safe_open(save_network(network, tmp_path / "a.safetensors"), "pt") as file:
        metadata = file.metadata()
    assert metadata["kind"] == "nstlib.StyleNetwork"
    assert json.loads(metadata["styles"]) == STYLES


def test_other_files_are_refused_in_words(network, tmp_path):
    path = save_network(network, tmp_path / "a.safetensors")
    with safe_open(path, "pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    changed = tmp_path / "changed.safetensors"

    def refused(words, **changes):
        save_file(tensors, changed, metadata | changes)
        with pytest.raises(WeightsUnavailable, match=words):
            load_network(changed)

    refused("other tensors than those of a network that paints", kind="something")
    refused("has format 2; this version of nstlib reads 1", version="2")
    refused("describes no network", widths="[4, 6]")
    refused("by the settings it should be", widths="[4, 6, 10]")
    refused("cannot be read as a network", styles="[")
    with pytest.raises(WeightsUnavailable, match="no file of a network"):
        load_network(tmp_path / "none.safetensors")
    with pytest.raises(WeightsUnavailable, match="is a folder"):
        load_network(tmp_path)
    changed.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsUnavailable, match="cannot be read as a network"):
        load_network(changed)
    save_file({"weight": torch.zeros(1)}, changed)
    with pytest.raises(WeightsUnavailable, match="other tensors"):
        load_network(changed)


def test_what_cannot_be_saved_leaves_the_older_file(network, tmp_path):
    path = save_network(network, tmp_path / "a.safetensors")
    before = path.read_bytes()
    with pytest.raises(InputError, match="the notes cannot be kept as JSON"):
        save_network(network, path, {"when": object()})
    with pytest.raises(InputError, match="notes is 'by me'"):
        save_network(network, path, "by me")
    with torch.no_grad():
        network.rows[1][3] = torch.nan
    with pytest.raises(InputError, match=r"rows.1 holds numbers that are not finite"):
        save_network(network, path)
    with pytest.raises(InputError, match="the network cannot be saved"):
        save_network(small(), path / "below")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# Errors


def test_the_widest_kernel_sees_the_smallest_picture():
    assert StyleNetwork(["a"], (2, 2, 2), 1, kernel=15)(torch.rand(1, 3, 1, 8)).shape == (1, 3, 1, 8)


def test_what_is_no_path_and_no_network_is_refused_in_words(network, tmp_path):
    with pytest.raises(InputError, match="path of the network is None"):
        save_network(network, None)
    with pytest.raises(InputError, match="path of the network is 3"):
        load_network(3)
    with pytest.raises(InputError, match="the network is 'swirls'"):
        save_network("swirls", tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"style": "swirl"}, r"did you mean 'swirls'"),
        ({"style": {"mosaik": 1.0}}, "the nearest is mosaic"),
        ({"style": {"swirls": 0.0}}, "at least one must be above 0"),
        ({"style": {"swirls": -1.0}}, "a share is -1"),
        ({"style": {}}, "at least one"),
        ({"style": []}, "no style in the list"),
        ({"style": ["swirls", "mosaic", "swirls"]}, "2 pictures and 3 styles"),
        ({"style": torch.ones(1, 2)}, r"expected fractions, \(B, 3\)"),
        ({"style": "swirls", "strength": 1.5}, "the strength is 1.5; expected a number from 0 to 1"),
        ({"style": "swirls", "strength": -0.5}, "the strength"),
        ({"style": "swirls", "strength": torch.ones(1, 2)}, "the strength"),
        ({"style": ["swirls", "mosaic"], "strength": torch.ones(3)}, "3 strengths and 2 styles"),
        ({"pictures": torch.rand(3, 8, 8), "style": "swirls"}, r"expected \(B, 3, H, W\)"),
        ({"pictures": torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "style": "swirls"}, "divide by 255"),
    ],
)
def test_what_cannot_be_painted_is_refused_in_words(network, arguments, words):
    with pytest.raises(InputError, match=words):
        network(**{"pictures": torch.rand(2, 3, 8, 8), **arguments})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"styles": "swirls"}, "expected a list of names"),
        ({"styles": []}, "expected a list of names"),
        ({"styles": ["a", "a"]}, "two styles 'a'"),
        ({"styles": ["a", 3]}, "expected a word"),
        ({"widths": (4, 8)}, "expected three numbers"),
        ({"widths": (4, 8, 0)}, "a width is 0"),
        ({"blocks": -1}, "blocks is -1"),
        ({"kernel": 4}, "expected an odd number"),
        ({"kernel": 17}, "the kernel is 17; expected a whole number, from 1 to 15"),
        ({"width": (4, 4, 4)}, "no argument 'width'; the nearest is widths"),
        ({"seed": 0.5}, "the seed is 0.5"),
    ],
)
def test_a_network_that_cannot_be_is_refused_in_words(arguments, words):
    with pytest.raises(InputError, match=words):
        StyleNetwork(**{"styles": ["a"], **arguments})


def test_a_style_that_cannot_be_added_or_found_is_refused_in_words(network):
    with pytest.raises(InputError, match="two styles 'swirls'"):
        network.add_style("swirls")
    with pytest.raises(InputError, match="did you mean 'mosaic'"):
        network.add_style("waves", like="mosaics")
    with pytest.raises(InputError, match="did you mean 'swirls'"):
        network.learn_only("swirl")
    assert network.styles == tuple(STYLES)
    assert len(network.rows) == 3


def test_painting_refuses_values_out_of_range_and_tiles_that_are_none(network):
    with pytest.raises(InputError, match="divide by 255"):
        network.paint(torch.full((1, 3, 8, 8), 200.0), "swirls")
    with pytest.raises(InputError, match="the tile is 3"):
        network.paint(torch.rand(1, 3, 8, 8), "swirls", tile=3)


# The bundled network


@pytest.fixture(scope="module")
def bundled():
    return load_network()


@pytest.fixture(scope="module")
def judge(bundled):
    """Of the network by whose features the bundled one has learned."""
    return nst.Judge(nst.FeatureExtractor("mini", device="cpu"), {name: name for name in bundled.styles})


def test_the_bundled_network_has_all_bundled_styles_and_says_how_it_learned_them(bundled):
    assert bundled.styles == tuple(nst.bundled_images("style"))
    assert bundled.notes["backbone"] == "mini"
    assert BUNDLED.stat().st_size < 2.5e6


def test_in_the_bundled_network_each_row_paints_its_own_style_better_than_any_other_row(bundled, judge):
    contents = nst.load_image("coffee", 96)
    assert {name: judge.nearest(bundled, contents, name) for name in bundled.styles} == {
        name: name for name in bundled.styles
    }


def test_in_the_bundled_network_more_strength_means_more_style_and_less_content(bundled, judge):
    picture = nst.load_image("coffee", 192)  # near the size that it learned on
    strengths = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    for name in bundled.styles:
        with torch.no_grad():
            painted = bundled(picture.expand(5, -1, -1, -1), name, strengths)
            terms = judge(painted, picture.expand(5, -1, -1, -1), [name] * 5)
        assert terms.content.diff().min() > 0, name
        assert terms.style.diff().max() < 0, name
