"""AlexNet (2012), the pattern that the papers' networks 002 and 003 share with it, and timm's contract."""

import pytest
import timm
import torch
from torch import nn

from common.errors import UserError
from lightning_modules.backbones.backbone import build_backbone, count_parameters
from lightning_modules.backbones.heads import build_head
from lightning_modules.networks.alexnet import AlexNet
from tests.lightning_modules.networks.networks import assert_cut_equals_uncut

CONVOLUTIONS = 34_944 + 614_656 + 885_120 + 1_327_488 + 884_992
GROUPED = 34_944 + 307_456 + 885_120 + 663_936 + 442_624
NARROW = {"units": (8, 8)}  # most of AlexNet's time and memory are its dense layers


@pytest.fixture(scope="module")
def network() -> AlexNet:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return timm.create_model("alexnet", num_classes=3, img_size=67, **NARROW).eval()


def test_layer_shapes_at_227_pixels_are_those_of_the_table():
    network = timm.create_model("alexnet", num_classes=3, **NARROW).eval()
    shapes = {}
    for name, module in network.named_children():
        hook = lambda _m, _i, output, name=name: shapes.__setitem__(name, tuple(output.shape[1:]))  # noqa: E731
        module.register_forward_hook(hook)
    with torch.no_grad():
        network(torch.zeros(1, 3, 227, 227))
    assert shapes == {
        **dict.fromkeys(("conv1", "act1", "norm1"), (96, 55, 55)),
        "pool1": (96, 27, 27),
        **dict.fromkeys(("conv2", "act2", "norm2"), (256, 27, 27)),
        "pool2": (256, 13, 13),
        **dict.fromkeys(("conv3", "act3", "conv4", "act4"), (384, 13, 13)),
        **dict.fromkeys(("conv5", "act5"), (256, 13, 13)),
        "pool5": (256, 6, 6),
        "pre_logits": (8,),
        "fc": (3,),
    }


@pytest.mark.parametrize(("groups", "total"), [(1, 62_378_344), (2, 60_965_224)])
def test_all_parameters_are_those_of_2012(groups, total):
    with torch.device("meta"):  # 62 million numbers without their memory
        network = timm.create_model("alexnet", groups=groups)
    assert count_parameters(network).total == total
    assert count_parameters(network.pre_logits.dense1).total == 37_752_832
    assert count_parameters(network.fc).total == 4_097_000


def test_it_keeps_timms_contract(network):
    image = torch.rand(2, 3, 67, 67)
    features = network.forward_features(image)
    assert features.shape == (2, network.num_features, 1, 1)
    assert network.forward_head(features, pre_logits=True).shape == (2, network.head_hidden_size) == (2, 8)
    assert torch.equal(network(image), network.forward_head(features))
    assert isinstance(network.get_classifier(), nn.Linear)
    assert [tuple(info.values()) for info in network.feature_info] == [
        (96, 8, "pool1"),
        (256, 16, "pool2"),
        (256, 32, "pool5"),
    ]
    assert network.pretrained_cfg["input_size"] == (3, 227, 227)
    assert network.pretrained_cfg["std"] == pytest.approx((1 / 255,) * 3)


def test_the_classifier_can_be_reset():
    network = timm.create_model("alexnet", num_classes=0, img_size=99, **NARROW)
    image = torch.rand(1, 3, 99, 99)
    assert network(image).shape == (1, 8)
    network.reset_classifier(5)
    assert network.num_classes == 5
    assert network(image).shape == (1, 5)
    network.reset_classifier(0, global_pool="")
    assert network(image).shape == (1, 256, 2, 2)
    with pytest.raises(UserError, match="needs global_pool=flatten"):
        network.reset_classifier(5)
    with pytest.raises(UserError, match="global_pool=avg"):
        network.reset_classifier(5, global_pool="avg")


def test_a_fresh_classifier_has_the_networks_precision():
    network = timm.create_model("alexnet", num_classes=2, img_size=67, **NARROW).double()
    network.reset_classifier(5)
    assert network(torch.rand(1, 3, 67, 67).double()).dtype == torch.float64


def test_timm_extracts_its_intermediate_features():
    maps = timm.create_model("alexnet", features_only=True, img_size=67, **NARROW)(torch.rand(1, 3, 67, 67))
    assert [tuple(map_.shape[1:]) for map_ in maps] == [(96, 7, 7), (256, 3, 3), (256, 1, 1)]


def test_the_head_list_says_what_the_networks_own_head_does(network):
    backbone = build_backbone("alexnet", NARROW, None, 67)
    layers = ["flatten", {"dense": 8}, {"dropout": 0.5}, {"dense": 8}, {"dropout": 0.5}]
    head = build_head(layers, backbone.out_shape, 3).eval()
    assert set(backbone.removed) == {"pre_logits", "fc"}
    assert count_parameters(backbone.module).total == CONVOLUTIONS
    own = [*network.pre_logits.parameters(), *network.fc.parameters()]
    with torch.no_grad():
        for theirs, ours in zip(head.parameters(), own, strict=True):
            theirs.copy_(ours)
        features = network.forward_features(torch.rand(2, 3, 67, 67))
        assert torch.allclose(head(features), network.forward_head(features), atol=1e-6)


@pytest.mark.parametrize("cut", ["norm1", "pool2", "conv4"])
def test_a_cut_gives_what_the_uncut_network_has_there(network, cut):
    assert_cut_equals_uncut("alexnet", NARROW, network, cut, 67)


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    network = timm.create_model("alexnet", num_classes=3, img_size=67, units=(64, 64))
    network(torch.randn(4, 3, 67, 67) * 50).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("norm", ["norm1", "norm2"])
def test_the_response_normalisation_is_the_formula_of_2012(network, norm):
    activity = torch.rand(1, 12, 2, 2, generator=torch.Generator().manual_seed(0)).double() * 200
    expected = torch.empty_like(activity)
    for channel in range(12):
        near = activity[:, max(0, channel - 2) : channel + 3]
        expected[:, channel] = activity[:, channel] / (2 + 1e-4 * near.square().sum(1)) ** 0.75
    assert torch.allclose(network.get_submodule(norm)(activity), expected)
    assert not torch.allclose(expected, activity * 2**-0.75, rtol=0.1)


def test_pixels_reach_the_first_convolution_unpadded_and_pools_overlap(network):
    assert network.conv1.padding == (0, 0)
    assert [(pool.kernel_size, pool.stride) for pool in (network.pool1, network.pool2, network.pool5)] == [(3, 2)] * 3
    assert not hasattr(network, "pool3")


def test_two_groups_see_half_of_the_channels_each():
    network = timm.create_model("alexnet", num_classes=0, img_size=67, groups=2, **NARROW)
    assert sum(p.numel() for name, p in network.named_parameters() if name.startswith("conv")) == GROUPED
    maps = torch.rand(1, 96, 5, 5)
    other = maps.clone()
    other[:, 48:] = 0  # the second GPU's channels
    before, after = network.conv2(maps), network.conv2(other)
    assert torch.allclose(before[:, :128], after[:, :128])
    assert not torch.allclose(before[:, 128:], after[:, 128:])


def test_the_first_weights_of_2012_are_an_option():
    network = timm.create_model("alexnet", num_classes=3, img_size=67, init="gaussian", **NARROW)
    assert network.conv3.weight.std().item() == pytest.approx(0.01, rel=0.01)
    biases = {name: set(p.tolist()) for name, p in network.named_parameters() if name.endswith("bias")}
    ones = {"conv2.bias", "conv4.bias", "conv5.bias", "pre_logits.dense1.bias", "pre_logits.dense2.bias"}
    assert {name for name, values in biases.items() if values == {1.0}} == ones
    assert {name for name, values in biases.items() if values == {0.0}} == {"conv1.bias", "conv3.bias", "fc.bias"}
    network.reset_classifier(1000)
    assert network.fc.weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_the_default_first_weights_are_xaviers(network):
    limit = (6 / (9 * 256 + 9 * 384)) ** 0.5
    assert 0.95 * limit < network.conv3.weight.abs().max() <= limit
    assert not any(p.any() for name, p in network.named_parameters() if name.endswith("bias"))


def test_dropout_is_one_half_and_can_be_said():
    rates = [module.p for module in AlexNet(img_size=67, **NARROW).modules() if isinstance(module, nn.Dropout)]
    assert rates == [0.5, 0.5]
    assert AlexNet(img_size=67, drop_rate=0.2, **NARROW).pre_logits.dropout2.p == 0.2


def test_images_too_small_are_refused_with_the_least_size():
    with pytest.raises(UserError, match=r"alexnet at 66 px: img_size=66x66: .* prepare.size=67 or more"):
        build_backbone("alexnet", NARROW, None, 66)


def test_images_of_another_size_than_built_for_are_refused(network):
    with pytest.raises(UserError, match=r"features of shape \(256, 2, 2\).*67x67 px.*img_size"):
        network(torch.rand(1, 3, 99, 99))


@pytest.mark.parametrize(("args", "said"), [({"groups": 3}, "groups=3: say 1"), ({"init": "zeros"}, "init=zeros: say")])
def test_wrong_arguments_are_named(args, said):
    with pytest.raises(UserError, match=said):
        build_backbone("alexnet", args, None, 67)
