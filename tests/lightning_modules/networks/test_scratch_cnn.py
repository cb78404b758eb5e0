"""The scratch CNN of paper 004 and timm's contract."""

import pytest
import timm
import torch
from torch import nn

from lightning_modules.backbones.backbone import build_backbone, count_parameters
from lightning_modules.backbones.heads import build_head
from lightning_modules.networks.scratch_cnn import ScratchCnn


@pytest.fixture(scope="module")
def network() -> ScratchCnn:
    torch.set_num_threads(1)
    return timm.create_model("scratch_cnn", num_classes=2).eval()


def test_layer_shapes_at_300_pixels_are_those_of_the_table(network):
    shapes, handles = {}, []
    for name, module in network.named_children():
        hook = lambda _m, _i, output, name=name: shapes.__setitem__(name, tuple(output.shape[1:]))  # noqa: E731
        handles.append(module.register_forward_hook(hook))
    with torch.no_grad():
        logits = network(torch.zeros(1, 3, 300, 300))
    for handle in handles:
        handle.remove()
    expected = {
        "conv1": (32, 300, 300),
        "pool1": (32, 150, 150),
        "conv2": (64, 150, 150),
        "pool2": (64, 75, 75),
        "conv3": (128, 75, 75),
        "pool3": (128, 25, 25),
        "conv4": (256, 25, 25),
        "pool4": (256, 5, 5),
    }
    assert {name: shapes[name] for name in expected} == expected
    assert logits.shape == (1, 2)


def test_it_keeps_timms_contract(network):
    image = torch.rand(2, 3, 60, 60)
    features = network.forward_features(image)
    assert features.shape == (2, network.num_features, 1, 1)
    assert network.forward_head(features, pre_logits=True).shape == (2, 256)
    assert torch.equal(network(image), network.forward_head(features))
    assert isinstance(network.get_classifier(), nn.Linear)
    assert [info["module"] for info in network.feature_info] == ["pool1", "pool2", "pool3", "pool4"]
    assert [info["reduction"] for info in network.feature_info] == [2, 4, 12, 60]
    assert network.default_cfg["mean"] == (0.0, 0.0, 0.0)
    assert network.default_cfg["std"] == (1.0, 1.0, 1.0)
    assert network.default_cfg["input_size"] == (3, 300, 300)


def test_the_classifier_can_be_reset():
    network = timm.create_model("scratch_cnn", num_classes=0)
    assert network(torch.rand(1, 3, 60, 60)).shape == (1, 256)
    network.reset_classifier(5)
    assert network.num_classes == 5
    assert network(torch.rand(1, 3, 60, 60)).shape == (1, 5)
    network.reset_classifier(0, global_pool="")
    assert network(torch.rand(1, 3, 120, 120)).shape == (1, 256, 2, 2)


def test_timm_extracts_its_intermediate_features():
    maps = timm.create_model("scratch_cnn", features_only=True, out_indices=(0, 1, 2, 3))(torch.rand(1, 3, 60, 60))
    assert [tuple(map_.shape[1:]) for map_ in maps] == [(32, 30, 30), (64, 15, 15), (128, 5, 5), (256, 1, 1)]


def test_it_starts_as_keras_would():
    network = timm.create_model("scratch_cnn")
    weight = network.conv3.weight
    limit = (6 / (64 * 9 + 128 * 9)) ** 0.5
    assert weight.abs().max() <= limit
    assert weight.abs().max() > 0.95 * limit
    assert not network.conv3.bias.any()


@pytest.mark.parametrize(
    ("layers", "head"),
    [
        (["flatten", {"dense": 256}, {"dropout": 0.5}], 6400 * 256 + 256 + 257),
        (["flatten", {"dropout": 0.5}, {"dense": 256}, {"dropout": 0.5}], 6400 * 256 + 256 + 257),
        (["flatten", {"dropout": 0.5}, {"dense": 128}, {"dropout": 0.5}], 6400 * 128 + 128 + 129),
        (["flatten", {"dense": 256}, {"dense": 256}], 6400 * 256 + 256 + 256 * 256 + 256 + 257),
    ],
)
def test_the_four_heads_of_the_paper_fit_on_it(layers, head):
    backbone = build_backbone("scratch_cnn", {}, None, 300)
    built = build_head(layers, backbone.out_shape, 1)
    assert count_parameters(backbone.module).total == 896 + 18_496 + 73_856 + 295_168
    assert count_parameters(built).total == head
    assert built(torch.zeros(2, 256, 5, 5)).shape == (2, 1)
