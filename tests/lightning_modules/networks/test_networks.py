"""The papers' own networks: their tables, their heads, first weights and errors."""

import pytest
import timm
import torch
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.heads import build_head
from lightning_modules.modules.staged_module import count_parameters
from lightning_modules.networks import network_names

NARROW = {"units": (8, 8)}  # most of the time and memory are the dense layers
DENSE_TOP = ["alexnet", "anet_c6", "hem_all_cnn"]

# Name -> arguments, side of the smallest images.
SMALLEST = {"alexnet": (NARROW, 67), "anet_c6": (NARROW, 131), "hem_all_cnn": (NARROW, 32), "scratch_cnn": ({}, 60)}
# The tables at the top of the modules: name, arguments, side of the image -> for each convolution its channels, the
# side of its map and of the pool behind it.
ALEXNET = [(96, 55, 27), (256, 27, 13), (384, 13, None), (384, 13, None), (256, 13, 6)]
TABLES = [
    ("alexnet", {}, 227, ALEXNET),
    ("anet_c6", {"pools": "four"}, 227, [*ALEXNET, (256, 6, 2)]),
    ("anet_c6", {"pools": "five"}, 227,
     [(96, 55, 28), (256, 28, 14), (384, 14, 7), (384, 7, None), (256, 7, 4), (256, 4, 2)]),
    ("hem_all_cnn", {}, 256, [(64, 256, 128), (128, 128, 64), (256, 64, 32), (512, 32, 16), (512, 16, 8)]),
    ("hem_all_cnn", {}, 64, [(64, 64, 32), (128, 32, 16), (256, 16, 8), (512, 8, 4), (512, 4, 2)]),
    ("hem_all_cnn", {}, 32, [(64, 32, 16), (128, 16, 8), (256, 8, 4), (512, 4, 2), (512, 2, 1)]),
    ("scratch_cnn", {}, 300, [(32, 300, 150), (64, 150, 75), (128, 75, 25), (256, 25, 5)]),
]  # fmt: skip
# Name, arguments, parameters of the first dense layer and of the whole network.
PARAMETERS = [
    ("alexnet", {}, 37_752_832, 62_378_344),
    ("anet_c6", {"pools": "four"}, 4_198_400, 25_415_320),
    ("anet_c6", {"pools": "five"}, 4_198_400, 25_415_320),
    ("hem_all_cnn", {}, 33_555_456, 45_467_778),
    ("hem_all_cnn", {"img_size": 64}, 2_098_176, 10_860_672 + 2_098_176 + 1_049_600 + 2_050),
    ("hem_all_cnn", {"img_size": 32}, 525_312, 10_860_672 + 525_312 + 1_049_600 + 2_050),
]


@pytest.fixture(autouse=True)
def _registered_and_one_thread():
    network_names()
    torch.set_num_threads(1)
    torch.manual_seed(0)


def create(name: str, num_classes: int = 3, **args) -> nn.Module:
    """Return the narrow network, for its smallest images if no size is given."""
    narrow, size = SMALLEST[name]
    # That of paper 003 takes images of any size, and has no dense layers.
    args = {} if name == "scratch_cnn" else {"img_size": size, **narrow, **args}
    return timm.create_model(name, num_classes=num_classes, **args).eval()


def smallest_image(name: str, count: int = 1) -> torch.Tensor:
    size = SMALLEST[name][1]
    return torch.rand(count, 3, size, size)


@pytest.mark.parametrize(("name", "args", "size", "table"), TABLES)
def test_layer_shapes_are_those_of_the_table(name, args, size, table):
    network = create(name, img_size=size, **args)
    shapes = {}
    for child, module in network.named_children():
        record = lambda _m, _i, output, child=child: shapes.__setitem__(child, tuple(output.shape[1:]))  # noqa: E731
        module.register_forward_hook(record)
    with torch.no_grad():
        network(torch.zeros(1, 3, size, size))
    expected = {"fc": (3,)}
    for number, (channels, side, pooled) in enumerate(table, start=1):
        for layer in ("conv", "act", "norm"):
            if layer != "norm" or (name in ("alexnet", "anet_c6") and number < 3):
                expected[f"{layer}{number}"] = (channels, side, side)
        if pooled:
            expected[f"pool{number}"] = (channels, pooled, pooled)
    assert {child: shapes[child] for child in expected} == expected
    assert shapes.keys() - expected.keys() <= {"pre_logits", "global_pool", "head_drop"}


def test_alexnet_takes_pixels_of_0_to_255_less_a_mean():
    facts = create("alexnet").default_cfg
    white = [round((1 - mean) / std) for mean, std in zip(facts["mean"], facts["std"], strict=True)]
    assert white == [131, 139, 151]


@pytest.mark.parametrize(("name", "args", "first_dense", "total"), PARAMETERS)
def test_parameters_are_those_of_the_table(name, args, first_dense, total):
    with torch.device("meta"):  # 62 million numbers without their memory
        network = timm.create_model(name, **args)
    assert [count_parameters(each)[1] for each in (network.pre_logits.dense1, network)] == [first_dense, total]


@pytest.mark.parametrize("name", SMALLEST)
def test_features_and_classes_of_the_smallest_images(name):
    network, image = create(name), smallest_image(name, 2)
    features = network.forward_features(image)
    assert features.shape == (2, network.num_features, 1, 1)
    assert torch.equal(network(image), network.forward_head(features))
    assert network(image).shape == (2, 3)
    assert create(name, 0)(image).shape == (2, network.head_hidden_size)
    assert network.feature_info[-1] == {"module": network.layer_names[-1]}


@pytest.mark.parametrize("name", DENSE_TOP)
def test_the_head_list_computes_what_the_networks_own_head_does(name):
    network = create(name)
    _, size = SMALLEST[name]
    backbone = build_backbone(name, NARROW, None, size)
    layers = ["flatten", {"dense": 8}, {"dropout": 0.5}, {"dense": 8}, {"dropout": 0.5}]
    head = build_head(layers, backbone.out_shape, 3).eval()
    assert set(backbone.removed) == {"pre_logits", "fc"}
    own = [*network.pre_logits.parameters(), *network.fc.parameters()]
    with torch.no_grad():
        for theirs, ours in zip(head.parameters(), own, strict=True):
            theirs.copy_(ours)
        features = network.forward_features(smallest_image(name))
        assert torch.allclose(head(features), network.forward_head(features), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer", "fans"),
    [
        ("alexnet", "conv3", 9 * (256 + 384)), ("scratch_cnn", "conv3", 9 * (64 + 128)),
        ("hem_all_cnn", "conv4", 25 * (256 + 512)), ("hem_all_cnn", "pre_logits.dense1", 512 + 1024),
        ("hem_all_cnn", "pre_logits.dense2", 1024 + 1024),
    ],
)  # fmt: skip
def test_the_first_weights_are_xaviers(name, layer, fans):
    args = {"units": (1024, 1024)} if name == "hem_all_cnn" else {}
    module, limit = create(name, **args).get_submodule(layer), (6 / fans) ** 0.5
    assert 0.95 * limit < module.weight.abs().max() <= limit
    assert module.weight.std().item() == pytest.approx((2 / fans) ** 0.5, rel=0.05)
    assert not module.bias.any()


@pytest.mark.parametrize(("name", "norm"), [("alexnet", "norm1"), ("alexnet", "norm2"), ("anet_c6", "norm1")])
def test_the_response_normalisation_is_the_formula_of_2012(name, norm):
    activity = torch.rand(1, 12, 2, 2, generator=torch.Generator().manual_seed(0)).double() * 200
    expected = torch.empty_like(activity)
    for channel in range(12):
        near = activity[:, max(0, channel - 2) : channel + 3]
        expected[:, channel] = activity[:, channel] / (2 + 1e-4 * near.square().sum(1)) ** 0.75
    assert torch.allclose(create(name).get_submodule(norm)(activity), expected)
    assert not torch.allclose(expected, activity * 2**-0.75, rtol=0.1)


@pytest.mark.parametrize(("size", "reading"), [(227, "four"), (131, "four"), (130, "five"), (72, "five")])
def test_auto_is_four_pools_where_the_image_allows_them_and_five_below(size, reading):
    auto = build_backbone("anet_c6", {"pools": "auto", **NARROW}, None, size)
    explicit = build_backbone("anet_c6", {"pools": reading, **NARROW}, None, size)
    assert auto.out_shape == explicit.out_shape
    assert auto.module.layer_names == explicit.module.layer_names


@pytest.mark.parametrize(
    ("name", "args", "size", "least"),
    [
        ("alexnet", {}, 66, 67), ("anet_c6", {}, 64, 131), ("anet_c6", {"pools": "five"}, 10, 11),
        ("hem_all_cnn", {}, 31, 32),
    ],
)  # fmt: skip
def test_images_too_small_are_refused(name, args, size, least):
    words = f"{name} at {size} px: .*nothing is left of such images in .*: take a larger prepare.size"
    with pytest.raises(UserError, match=words):
        build_backbone(name, {**NARROW, **args}, None, size)
    assert build_backbone(name, {**NARROW, **args}, None, least).out_shape[1:] == (1, 1)
