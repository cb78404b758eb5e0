"""The layers of any model: names, outputs as maps, and errors that name the valid ones."""

from collections import OrderedDict

import numpy as np
import pytest
import timm
import torch
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.workflows.explain.layers import (
    Model,
    activations_and_pools,
    as_maps,
    check_layers,
    default_layers,
    layer_maps,
)

IMAGES = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), dtype=np.uint8)


def small_net():
    """Convolution, in-place ReLU, three pools, a dense layer, and a module that is never called."""
    torch.manual_seed(0)
    layers = [("conv1", nn.Conv2d(3, 4, 3, padding=1)), ("act1", nn.ReLU(inplace=True))]
    layers += [(f"pool{number}", nn.MaxPool2d(2)) for number in (1, 2, 3)]
    layers += [("flatten", nn.Flatten()), ("dense1", nn.Linear(4 * 8 * 8, 2))]
    net = nn.Sequential(OrderedDict(layers)).eval()
    modules = {**dict(net.named_modules()), "idle": nn.Conv2d(3, 3, 1)}
    del modules[""]
    return net, Model(net, modules)


def timm_model(name, **args):
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=0, **args).eval()
    modules = {name: module for name, module in net.named_modules() if name}
    return Model(net, modules, net.feature_info, getattr(net, "num_prefix_tokens", 0))


def test_maps_are_the_output_before_the_next_layer_works_in_place():
    net, model = small_net()
    maps = layer_maps(model, IMAGES[0])
    image = torch.from_numpy(IMAGES[:1]).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        np.testing.assert_allclose(maps["conv1"], net.conv1(image)[0].numpy(), atol=1e-6)
        np.testing.assert_allclose(maps["pool2"], net[:4](image)[0].numpy(), atol=1e-6)
    assert (maps["conv1"] < 0).any()
    assert not any(module._forward_hooks for module in model.modules.values())


def test_a_module_that_runs_twice_has_its_last_output_and_place():
    again, other = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    net = nn.Sequential(again, other, again)
    maps = layer_maps(Model(net, {"again": again, "other": other}), IMAGES[0])
    assert list(maps) == ["other", "again"]
    with torch.no_grad():
        image = torch.from_numpy(IMAGES[:1]).permute(0, 3, 1, 2).float() / 255
        np.testing.assert_allclose(maps["again"], net(image)[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("name", ["conv7", "dense1", "idle"])
def test_a_layer_without_maps_is_an_error_with_the_valid_names(name):
    _, model = small_net()
    with pytest.raises(UserError, match=f"layer {name}: no module whose output is a map") as caught:
        check_layers([name], layer_maps(model, IMAGES[0]))
    assert ("conv1" if name == "conv7" else "pool3") in str(caught.value)  # those close to it, or all
    assert "flatten" not in str(caught.value)


def test_the_layers_of_the_paper_are_chosen_in_networks_of_pools_and_stages_in_others():
    _, model = small_net()
    assert default_layers(model, list(layer_maps(model, IMAGES[0]))) == ["conv1", "pool1", "pool2", "pool3"]
    vgg = timm_model("vgg11")
    chosen = default_layers(vgg, list(layer_maps(vgg, IMAGES[0])))
    assert chosen == ["features.0", "features.2", "features.5", "features.20"]
    model = timm_model("resnet10t")
    assert default_layers(model, list(layer_maps(model, IMAGES[0]))) == ["act1", "layer1", "layer3", "layer4"]
    bare = Model(model.forward, {name: model.modules[name] for name in ("layer1", "layer2")})
    assert default_layers(bare, list(layer_maps(bare, IMAGES[0]))) == ["layer1", "layer2"]


def test_tokens_of_a_transformer_are_laid_out_on_their_grid():
    model = timm_model("vit_tiny_patch16_224", img_size=64, depth=2)
    assert layer_maps(model, IMAGES[0])["blocks.1"].shape == (192, 4, 4)
    assert layer_maps(model, IMAGES[0])["patch_embed"].shape == (192, 4, 4)
    tokens = torch.arange(9.0).reshape(1, 9, 1)
    assert as_maps(tokens, (32, 64), prefix_tokens=1)[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert as_maps(tokens, (32, 64)) is None


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, 7, 7, 96), (64, 64), (1, 96, 7, 7)), ((1, 96, 7, 7), (64, 64), (1, 96, 7, 7)),
        ((1, 256, 3, 2), (96, 48), (1, 256, 3, 2)), ((1, 3, 2, 256), (96, 48), (1, 256, 3, 2)),
    ],
)  # fmt: skip
def test_the_layout_is_that_with_the_proportions_of_the_image_and_vectors_and_tuples_are_no_maps(shape, size, expected):
    assert as_maps(torch.zeros(shape), size).shape == expected
    assert as_maps(torch.zeros(2, 10), (64, 64)) is None
    assert as_maps((torch.zeros(1, 3, 2, 2),), (64, 64)) is None
    assert as_maps(torch.zeros(1, 3, 37, 64), (96, 96)) is None  # three heads of a transformer, 37 tokens


def test_every_activation_and_pool_is_chosen_in_its_order():
    _, model = small_net()
    assert activations_and_pools(model, list(layer_maps(model, IMAGES[0]))) == ["act1", "pool1", "pool2", "pool3"]
    without = Model(model.forward, {"conv1": model.modules["conv1"]})
    with pytest.raises(UserError, match="name its layers"):
        activations_and_pools(without, list(layer_maps(without, IMAGES[0])))


def test_windows_of_a_transformer_are_no_maps_but_its_stages_are():
    model = timm_model("swin_tiny_patch4_window7_224", img_size=64)
    maps = layer_maps(model, IMAGES[0])
    assert maps["layers.0"].shape == (96, 16, 16)
    assert "layers.0.blocks.0.attn" not in maps
