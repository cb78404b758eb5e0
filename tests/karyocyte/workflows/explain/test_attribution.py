"""Heat maps: they lie where the decision is made, whatever the model."""

from collections import OrderedDict

import numpy as np
import pytest
import timm
import torch
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.workflows.explain.attribution import METHODS, display_map, heat_maps, method_at
from karyocyte.workflows.explain.layers import Model, to_batch
from lightning_modules.build.build import build_classifier
from tests.helpers.training import small_config

IMAGES = np.random.default_rng(0).integers(30, 255, (5, 32, 32, 3), dtype=np.uint8)
IMAGES[:, [0, -1]] = IMAGES[:, :, [0, -1]] = 0  # on black, as a cropped cell


class Gate(nn.Module):
    """Lets through what lies in the upper left corner, or what a mask of its own says."""

    def __init__(self, size: int = 32, corner: int = 8):
        super().__init__()
        self.register_buffer("mask", torch.zeros(1, 1, size, size))
        self.mask[..., :corner, :corner] = 1

    def forward(self, x):
        return x * self.mask


def corner_net(logits: int = 1) -> Model:
    """Mean gray of the upper left corner, with a BatchNorm on the way: one logit, or its negative and itself."""
    conv, norm, dense = nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Linear(4, logits, bias=False)
    nn.init.constant_(conv.weight, 0.5)
    nn.init.constant_(dense.weight, 1.0)
    if logits == 2:
        dense.weight.data[0] = -1.0
    layers = [("conv", conv), ("norm", norm), ("gate", Gate()), ("pool", nn.AdaptiveAvgPool2d(1))]
    return model_of(nn.Sequential(OrderedDict([*layers, ("flatten", nn.Flatten()), ("dense", dense)])))


def model_of(net: nn.Module) -> Model:
    return Model(net.eval(), {name: module for name, module in net.named_modules() if name})


def maps(model, name, layer=None, images=IMAGES, classes=(1,) * 5):
    method = method_at(name, layer, model, images[0])
    return np.stack(list(heat_maps(model, images, classes[: len(images)], method)))


@pytest.mark.parametrize("logits", [1, 2])
@pytest.mark.parametrize("name", METHODS)
def test_the_heat_lies_where_the_decision_is_made(name, logits):
    model = corner_net(logits)
    actual = maps(model, name, "gate")
    assert actual.shape == IMAGES.shape[:3]
    assert actual.dtype == np.float32
    inside = actual[:, :8, :8].sum(axis=(1, 2)) / actual.sum(axis=(1, 2))
    assert (inside > 0.999).all()
    tops = np.stack([display_map(one) for one in actual])
    assert (tops >= 0).all()
    assert tops.max(axis=(1, 2)) == pytest.approx(1)


@pytest.mark.parametrize("name", METHODS)
def test_a_single_logit_is_what_speaks_for_class_1_and_its_negative_for_class_0(name):
    one, two = corner_net(1), corner_net(2)
    for index in (0, 1):
        classes = [index] * len(IMAGES)
        ours, theirs = (maps(model, name, "gate", classes=classes) for model in (one, two))
        np.testing.assert_allclose(ours, theirs, atol=1e-7)
    # Gray is above zero everywhere: nothing speaks for class 0, and nothing is made of that.
    against = maps(one, name, "gate", classes=[0] * len(IMAGES))
    assert not against.any()
    assert not display_map(against[0]).any()
    mixed = maps(one, name, "gate", classes=[1, 0, 1, 0, 1])
    assert [bool(heat.any()) for heat in mixed] == [True, False, True, False, True]


def random_net(inplace: bool = False) -> Model:
    torch.manual_seed(0)
    layers = [("conv1", nn.Conv2d(3, 6, 3, stride=2)), ("act1", nn.ReLU(inplace)), ("conv2", nn.Conv2d(6, 8, 3))]
    layers += [("act2", nn.ReLU(inplace)), ("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
    return model_of(nn.Sequential(OrderedDict([*layers, ("dense", nn.Linear(8, 3))])))


def test_where_the_head_pools_the_maps_are_the_sum_of_the_channels_by_their_weights_in_the_head():
    torch.manual_seed(0)
    layers = [("conv", nn.Conv2d(3, 6, 1)), ("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
    model = model_of(nn.Sequential(OrderedDict([*layers, ("dense", nn.Linear(6, 3))])))
    weights = model.modules["dense"].weight[2, :, None, None] / 32**2
    expected = (weights * model.modules["conv"](to_batch(IMAGES))).sum(dim=1).clamp(min=0).detach()
    assert expected.any()
    for name in ("gradcam", "hirescam"):  # Selvaraju et al., 2017, section 3
        np.testing.assert_allclose(maps(model, name, "conv", classes=[2] * 5), expected, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_a_step_that_works_in_place_spoils_no_map_of_the_layer_before(name, layer):
    np.testing.assert_allclose(maps(random_net(True), name, layer), maps(random_net(False), name, layer), atol=1e-6)


def test_the_default_layer_is_the_last_of_four_by_four_values_or_else_of_more_than_one():
    model = random_net()
    layers = [method_at("gradcam", None, model, IMAGES[0, :side, :side]).layer for side in (32, 9, 7)]
    assert layers == ["act2", "act1", "act1"]  # at nine pixels two by two values at the end, four by four before


def test_the_default_layer_of_a_network_with_stages_is_a_whole_stage_or_follows_the_last():
    network = timm.create_model("mobilenetv2_100", num_classes=2).eval()
    model = Model(network, dict(network.named_modules()), network.feature_info)
    places = [method_at("gradcam", None, model, np.zeros((side, side, 3), np.uint8)).layer for side in (64, 128)]
    assert places[0] in [stage["module"] for stage in network.feature_info]  # not within its next block
    assert "." not in places[1]


def test_a_layer_that_the_output_does_not_depend_on_is_an_error():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            self.conv(x)
            return x.mean(dim=(2, 3))

    with pytest.raises(UserError, match="does not depend on this layer"):
        maps(model_of(Unused()), "gradcam", "conv")


def test_a_model_that_returns_nan_is_an_error():
    model = random_net()
    torch.nn.init.constant_(model.forward.dense.weight, float("nan"))
    with pytest.raises(UserError, match="returns NaN"):
        maps(model, "gradcam")


NETWORKS = {
    "mobilenetv2": ["model=mobilenetv2"],
    "vit": ["model=resnet18", "model.name=vit_tiny_patch16_224", "+model.args.depth=2"],
    "anet_c6": ["model=anet_c6", "head.layers=[flatten]", "+model.args.pools=five"],
    "places": ["model=resnet18", "model.cut=layer1", "head.layers=[{dropout: 0.5}, flatten]"],
}


@pytest.mark.parametrize("network", NETWORKS)
def test_any_network_has_maps_at_its_last_layer(network, tmp_path):
    config = small_config(tmp_path, *NETWORKS[network])
    classifier, _ = build_classifier(config, ("hem", "all"))
    modules = model_of(classifier.backbone).modules
    model = Model(classifier.eval(), modules, prefix_tokens=getattr(classifier.backbone, "num_prefix_tokens", 0))
    for name in METHODS:
        actual = maps(model, name, images=IMAGES[:2], classes=[0, 1])
        assert actual.shape == (2, 32, 32)
        assert all(0 <= display_map(heat).min() <= display_map(heat).max() <= 1 for heat in actual)
