"""The CNN of paper 003 at its three image sizes, and timm's contract."""

import pytest
import timm
import torch

from common.errors import UserError
from lightning_modules.backbones.backbone import build_backbone, count_parameters
from lightning_modules.backbones.heads import build_head
from lightning_modules.networks.hem_all_cnn import HemAllCnn
from tests.lightning_modules.networks.networks import assert_cut_equals_uncut

NARROW = {"units": (8, 8)}
FILTERS = {64: (64, 128, 256, 512, 512), 32: (32, 64, 128, 256, 512)}
CONVOLUTIONS = {
    64: 4_864 + 204_928 + 819_456 + 3_277_312 + 6_554_112,
    32: 2_432 + 51_264 + 204_928 + 819_456 + 3_277_312,
}


@pytest.fixture(scope="module")
def network() -> HemAllCnn:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return timm.create_model("hem_all_cnn", img_size=32).eval()


@pytest.mark.parametrize(("size", "start"), [(32, 64), (64, 64), (256, 64), (32, 32), (256, 32)])
def test_layer_shapes_are_those_of_the_table(size, start):
    network = timm.create_model("hem_all_cnn", img_size=size, start=start, **NARROW).eval()
    shapes = {}
    for name, module in network.named_children():
        hook = lambda _m, _i, output, name=name: shapes.__setitem__(name, tuple(output.shape[1:]))  # noqa: E731
        module.register_forward_hook(hook)
    with torch.no_grad():
        network(torch.zeros(1, 3, size, size))
    expected = {"pre_logits": (8,), "fc": (2,)}
    for number, filters in enumerate(FILTERS[start], start=1):
        side = size // 2 ** (number - 1)
        expected |= {f"{layer}{number}": (filters, side, side) for layer in ("conv", "act")}
        expected[f"pool{number}"] = (filters, side // 2, side // 2)
    assert shapes == expected


def test_the_shapes_that_the_paper_prints():
    network = timm.create_model("hem_all_cnn", **NARROW)
    assert network.feature_shape == (512, 8, 8)
    channels = [info["num_chs"] for info in network.feature_info]
    assert (channels[0], channels[1], channels[4]) == (64, 128, 512)


@pytest.mark.parametrize(
    ("size", "start", "first_dense"),
    [(256, 64, 33_555_456), (256, 32, 33_555_456), (64, 64, 2_098_176), (32, 64, 525_312)],
)
def test_all_parameters_are_counted(size, start, first_dense):
    with torch.device("meta"):
        network = timm.create_model("hem_all_cnn", img_size=size, start=start)
    assert count_parameters(network.pre_logits.dense1).total == first_dense
    assert count_parameters(network).total == CONVOLUTIONS[start] + first_dense + 1_049_600 + 2_050
    if size == 256:
        assert count_parameters(network).total == {64: 45_467_778, 32: 38_962_498}[start]


def test_it_keeps_timms_contract(network):
    image = torch.rand(2, 3, 32, 32)
    features = network.forward_features(image)
    assert features.shape == (2, 512, 1, 1)
    assert network.forward_head(features, pre_logits=True).shape == (2, 1024)
    assert torch.equal(network(image), network.forward_head(features))
    assert network.get_classifier().out_features == 2
    assert [info["module"] for info in network.feature_info] == [f"pool{number}" for number in range(1, 6)]
    assert [info["reduction"] for info in network.feature_info] == [2, 4, 8, 16, 32]
    assert network.pretrained_cfg["input_size"] == (3, 256, 256)
    assert network.pretrained_cfg["std"] == (1.0, 1.0, 1.0)


def test_the_classifier_can_be_reset():
    network = timm.create_model("hem_all_cnn", num_classes=0, img_size=32, start=32, **NARROW)
    image = torch.rand(1, 3, 32, 32)
    assert network(image).shape == (1, 8)
    network.reset_classifier(1)
    assert network(image).shape == (1, 1)
    network.reset_classifier(0, "")
    assert network(image).shape == (1, 512, 1, 1)


def test_timm_extracts_its_intermediate_features():
    maps = timm.create_model("hem_all_cnn", features_only=True, img_size=32, **NARROW)(torch.rand(1, 3, 32, 32))
    assert [tuple(map_.shape[1:]) for map_ in maps] == [
        (64, 16, 16),
        (128, 8, 8),
        (256, 4, 4),
        (512, 2, 2),
        (512, 1, 1),
    ]


@pytest.mark.parametrize("cut", ["conv1", "pool3", "act5"])
def test_a_cut_gives_what_the_uncut_network_has_there(network, cut):
    assert_cut_equals_uncut("hem_all_cnn", {}, network, cut, 32)


def test_the_head_of_the_paper_fits_on_it():
    backbone = build_backbone("hem_all_cnn", {}, None, 64)
    layers = ["flatten", {"dense": 1024}, {"dropout": 0.5}, {"dense": 1024}, {"dropout": 0.5}]
    head = build_head(layers, backbone.out_shape, 2)
    assert count_parameters(backbone.module).total == CONVOLUTIONS[64] == 10_860_672
    assert count_parameters(head).total == 2_098_176 + 1_049_600 + 2_050


def test_gradients_reach_every_parameter(network):
    network.zero_grad()
    network(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    network.zero_grad()


@pytest.mark.parametrize(
    ("name", "fans"),
    [
        ("conv1", 25 * (3 + 64)),
        ("conv4", 25 * (256 + 512)),
        ("pre_logits.dense1", 512 + 1024),
        ("pre_logits.dense2", 1024 + 1024),
        ("fc", 1024 + 2),
    ],
)
def test_it_starts_with_xaviers_weights(network, name, fans):
    module, limit = network.get_submodule(name), (6 / fans) ** 0.5
    assert 0.95 * limit < module.weight.abs().max() <= limit
    assert module.weight.std().item() == pytest.approx((2 / fans) ** 0.5, rel=0.05)
    assert not module.bias.any()


def test_images_too_small_are_refused_with_the_least_size():
    with pytest.raises(UserError, match=r"hem_all_cnn at 31 px: img_size=31x31: .* prepare.size=32 or more"):
        build_backbone("hem_all_cnn", NARROW, None, 31)


def test_another_start_is_named():
    with pytest.raises(UserError, match="start=16: say 64"):
        build_backbone("hem_all_cnn", {"start": 16}, None, 32)
