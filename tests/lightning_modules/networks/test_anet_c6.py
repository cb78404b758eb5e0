"""ANet-c6 of paper 002 in the three readings of its pools."""

import pytest
import timm
import torch

from common.errors import UserError
from lightning_modules.backbones.backbone import build_backbone, count_parameters
from lightning_modules.backbones.heads import build_head
from lightning_modules.networks.anet_c6 import ANetC6
from tests.lightning_modules.networks.networks import assert_cut_equals_uncut

CONVOLUTIONS = 34_944 + 614_656 + 885_120 + 1_327_488 + 884_992 + 590_080
NARROW = {"units": (8, 8)}  # most of the time and memory are the dense layers
SIDES = {  # module: side of its square map at 227 pixels, as the table in the docstring has it
    "four": {1: (55, 27), 2: (27, 13), 3: (13, None), 4: (13, None), 5: (13, 6), 6: (6, 2)},
    "five": {1: (55, 28), 2: (28, 14), 3: (14, 7), 4: (7, None), 5: (7, 4), 6: (4, 2)},
    "six": {1: (55, 28), 2: (28, 14), 3: (14, 7), 4: (7, 4), 5: (4, 2), 6: (2, 1)},
}
FILTERS = {1: 96, 2: 256, 3: 384, 4: 384, 5: 256, 6: 256}


@pytest.fixture(scope="module")
def network() -> ANetC6:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return timm.create_model("anet_c6", img_size=131, **NARROW).eval()


@pytest.mark.parametrize("pools", ["four", "five", "six"])
def test_layer_shapes_at_227_pixels_are_those_of_the_table(pools):
    network = timm.create_model("anet_c6", pools=pools, **NARROW).eval()
    shapes = {}
    for name, module in network.named_children():
        hook = lambda _m, _i, output, name=name: shapes.__setitem__(name, tuple(output.shape[1:]))  # noqa: E731
        module.register_forward_hook(hook)
    with torch.no_grad():
        network(torch.zeros(1, 3, 227, 227))
    expected = {"pre_logits": (8,), "fc": (24,)}
    for number, (side, pooled) in SIDES[pools].items():
        for layer in ("conv", "act", *(["norm"] if number < 3 else [])):
            expected[f"{layer}{number}"] = (FILTERS[number], side, side)
        if pooled:
            expected[f"pool{number}"] = (FILTERS[number], pooled, pooled)
    assert shapes == expected
    assert network.feature_shape == shapes["pool6"]


@pytest.mark.parametrize(("pools", "first_dense"), [("four", 4_198_400), ("five", 4_198_400), ("six", 1_052_672)])
def test_all_parameters_are_counted(pools, first_dense):
    with torch.device("meta"):
        network = timm.create_model("anet_c6", num_classes=24, pools=pools)
    assert count_parameters(network.pre_logits.dense1).total == first_dense
    assert count_parameters(network).total == CONVOLUTIONS + first_dense + 16_781_312 + 98_328
    if pools == "four":
        assert count_parameters(network).total == 25_415_320


def test_it_keeps_timms_contract(network):
    image = torch.rand(2, 3, 131, 131)
    features = network.forward_features(image)
    assert features.shape == (2, 256, 1, 1)
    assert torch.equal(network(image), network.forward_head(features))
    assert network.forward_head(features, pre_logits=True).shape == (2, 8)
    assert network.get_classifier().out_features == network.num_classes == 24
    assert [(info["module"], info["reduction"]) for info in network.feature_info] == [
        ("pool1", 8),
        ("pool2", 16),
        ("pool5", 32),
        ("pool6", 64),
    ]
    assert network.pretrained_cfg["input_size"] == (3, 227, 227)


def test_the_classifier_can_be_reset():
    network = timm.create_model("anet_c6", num_classes=0, img_size=64, pools="five", **NARROW)
    image = torch.rand(1, 3, 64, 64)
    assert network(image).shape == (1, 8)
    network.reset_classifier(10)  # MNIST, CIFAR-10
    assert network(image).shape == (1, 10)
    network.reset_classifier(0, "")
    assert network(image).shape == (1, 256, 1, 1)


@pytest.mark.parametrize("pools", ["four", "five", "six"])
def test_timm_extracts_its_intermediate_features(pools):
    maps = timm.create_model("anet_c6", features_only=True, img_size=131, pools=pools, **NARROW)(
        torch.rand(1, 3, 131, 131)
    )
    assert [map_.shape[1] for map_ in maps] == [96, 256, 256, 256]


@pytest.mark.parametrize("cut", ["pool1", "pool2", "pool5", "conv6"])
def test_a_cut_gives_what_the_uncut_network_has_there(network, cut):
    assert_cut_equals_uncut("anet_c6", NARROW, network, cut, 131)


def test_the_head_of_the_paper_fits_on_it():
    backbone = build_backbone("anet_c6", NARROW, None, 227)
    assert backbone.out_shape == (256, 2, 2)
    assert count_parameters(backbone.module).total == CONVOLUTIONS == 4_337_280
    with torch.device("meta"):
        layers = ["flatten", {"dense": 4096}, {"dropout": 0.5}, {"dense": 4096}, {"dropout": 0.5}]
        head = build_head(layers, backbone.out_shape, 24)
    assert count_parameters(head).total == 4_198_400 + 16_781_312 + 98_328


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    network = timm.create_model("anet_c6", img_size=67, pools="five", units=(64, 64))
    network(torch.randn(4, 3, 67, 67) * 50).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("norm", ["norm1", "norm2"])
def test_the_normalisation_makes_strong_neighbours_dampen_a_channel(network, norm):
    layer = network.get_submodule(norm)
    alone, crowded = torch.zeros(1, 9, 1, 1), torch.full((1, 9, 1, 1), 100.0)
    alone[0, 4] = 100.0
    assert layer(alone)[0, 4].item() == pytest.approx(100 / 3**0.75)  # 2 + 1e-4 * 100^2
    assert layer(crowded)[0, 4].item() == pytest.approx(100 / 7**0.75)


def test_padded_pools_never_let_the_padding_win():
    network = timm.create_model("anet_c6", img_size=67, pools="six", **NARROW)
    assert torch.equal(network.pool5(torch.full((1, 1, 4, 4), -1.0)), torch.full((1, 1, 2, 2), -1.0))


def test_images_too_small_are_refused_with_the_least_size():
    with pytest.raises(UserError, match=r"anet_c6 at 64 px: img_size=64x64: .* prepare.size=131 or more"):
        build_backbone("anet_c6", NARROW, None, 64)
    assert build_backbone("anet_c6", NARROW, None, 131).out_shape == (256, 1, 1)


@pytest.mark.parametrize(("size", "side"), [(64, 1), (96, 1), (128, 1), (227, 2)])
def test_the_five_pools_take_small_images(size, side):
    assert build_backbone("anet_c6", {"pools": "five", **NARROW}, None, size).out_shape == (256, side, side)


def test_five_pools_need_one_step_of_the_first_convolution():
    with pytest.raises(UserError, match="prepare.size=11 or more"):
        build_backbone("anet_c6", {"pools": "six", **NARROW}, None, 10)


def test_an_unknown_reading_is_named():
    with pytest.raises(UserError, match="pools=seven: say one of auto, four, five, six"):
        build_backbone("anet_c6", {"pools": "seven"}, None, 227)


@pytest.mark.parametrize(("size", "reading"), [(227, "four"), (131, "four"), (130, "five"), (72, "five")])
def test_auto_is_four_pools_where_the_image_allows_them_and_five_below(size, reading):
    auto = build_backbone("anet_c6", {"pools": "auto"}, None, size)
    said = build_backbone("anet_c6", {"pools": reading}, None, size)
    assert auto.out_shape == said.out_shape
    assert [name for name, _ in auto.module.named_children()] == [name for name, _ in said.module.named_children()]
