"""Backbones: the cut equals the uncut network, names are checked, and what is frozen stays so."""

import pytest
import torch
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.backbone import (
    build_backbone,
    check_modules,
    create_network,
    finish_backbone,
    set_modes,
    set_trainable,
)
from lightning_modules.backbones.truncation import cut_backbone

# Every family that the experiments use or that was promised; nested names among them. Image sizes are kept small.
CUTS = [
    ("vgg16", "features.23", 64),
    ("resnet18", "layer3", 64),
    ("resnet18", "layer4.0", 64),
    ("resnet18", "bn1", 64),  # an in-place activation follows
    ("resnet50", "layer3", 64),
    ("resnet50", "layer4.1", 64),
    ("mobilenetv2_100", "blocks.4", 64),
    ("mobilenetv2_100", "blocks.5.1", 64),
    ("inception_v3", "Mixed_5d", 96),
    ("convnext_tiny", "stages.2", 64),
    ("tf_efficientnetv2_s", "blocks.4", 64),
    ("vit_tiny_patch16_224", "blocks.4", 64),
    ("swin_tiny_patch4_window7_224", "layers.2", 64),
    ("densenet121", "features.denseblock3", 64),
    ("scratch_cnn", "pool3", 60),
    *(("alexnet", cut, 67) for cut in ("norm1", "pool2", "conv4")),
    *(("anet_c6", cut, 131) for cut in ("pool1", "pool5", "conv6")),
    *(("hem_all_cnn", cut, 32) for cut in ("conv1", "pool3", "act5")),
]
NARROW = dict.fromkeys(("alexnet", "anet_c6", "hem_all_cnn"), {"units": (8, 8)})


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def resnet18() -> nn.Module:
    return build_backbone("resnet18", {}, "layer3", 64).module


def scramble(network: nn.Module) -> None:
    """Give gains, biases and running statistics values that hide nothing."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.ndim == 1 and tensor.is_floating_point():
                tensor.uniform_(0.3, 0.9, generator=generator)


def output_at(network: nn.Module, name: str, image: torch.Tensor) -> torch.Tensor:
    """Return what the whole network has behind the module ``name``, copied before anything works on it in place."""
    seen = []
    handle = network.get_submodule(name).register_forward_hook(lambda _m, _i, output: seen.append(output.clone()))
    with torch.no_grad():
        network(image)
    handle.remove()
    return seen[-1]


@pytest.mark.parametrize(("name", "cut", "size"), CUTS)
def test_the_cut_equals_the_uncut_network_at_that_place(name, cut, size):
    network = create_network(name, NARROW.get(name, {}), size, num_classes=0).eval()
    scramble(network)
    image = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(5))
    expected = output_at(network, cut, image)
    whole = sum(parameter.numel() for parameter in network.parameters())

    backbone = finish_backbone(network, cut, size)

    features = backbone.module.forward_features(image)
    assert torch.equal(features, expected)
    assert tuple(features.shape[1:]) == backbone.out_shape
    # Nothing is left that the features do not need: each parameter takes a gradient (DDP asks for that too).
    features.sum().backward()
    assert [key for key, parameter in network.named_parameters() if parameter.grad is None] == []
    assert sum(parameter.numel() for parameter in network.parameters()) < whole


@pytest.mark.parametrize(
    ("name", "cut", "shape", "layout", "prefix_tokens"),
    [
        ("vit_tiny_patch16_224", "blocks.4", (17, 192), "NLC", 1),
        ("swin_tiny_patch4_window7_224", "layers.2", (4, 4, 384), "NHWC", 0),
        ("resnet18", "layer3", (256, 4, 4), "NCHW", 0),
    ],
)
def test_the_layout_of_the_features(name, cut, shape, layout, prefix_tokens):
    backbone = build_backbone(name, {}, cut, 64)
    assert (backbone.out_shape, backbone.layout, backbone.prefix_tokens) == (shape, layout, prefix_tokens)


def test_building_leaves_weights_modes_and_random_state_alone():
    network = create_network("resnet18", {}, 64, num_classes=0).train()
    network.layer1.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    cut_backbone(network, "layer3", 64)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert network.layer2.training
    assert not network.layer1.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize(
    ("name", "cut", "size", "words"),
    [
        ("resnet18", "layer33", 64, "no such module; close to it: layer3"),
        ("resnet18", "", 64, "the names are: conv1, bn1, act1, maxpool, layer1, layer2, layer3, layer4"),
        ("resnet18", "fc", 64, "does not call it; the names are: conv1"),
        ("resnet18", "layer3.1.conv1", 64, "cut where a block ends"),
        # The last gain of a fresh block is zero, so that block 1 does nothing and a wrong cut could look right.
        ("resnet18", "layer3.1.bn2", 64, "cut where a block ends"),
        ("mobilenetv2_100", "block.4", 64, "close to it: blocks.4"),
        ("vit_tiny_patch16_224", "patch_embed", 64, "cut where a block ends"),
        ("convnext_tiny", "stages.2.blocks.8.mlp", 64, "cut where a block ends"),
        ("inception_v3", "Mixed_5d.branch_pool", 96, "cut where a block ends"),
    ],
)
def test_a_wrong_cut_is_refused_and_the_right_names_are_listed(name, cut, size, words):
    with pytest.raises(UserError, match=f"model.cut={cut}: ") as caught:
        build_backbone(name, {}, cut, size)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_that_is_misspelt_or_gives_no_features_is_refused(monkeypatch):
    with pytest.raises(UserError, match="close to it: .*resnet18.*@register_model"):
        build_backbone("resnet81", {}, None, 32)
    monkeypatch.setattr("timm.create_model", lambda *_, **__: nn.Identity())
    with pytest.raises(UserError, match="its class Identity lacks a method forward_features"):
        build_backbone("resnet18", {}, None, 32)


class Scaled(nn.Module):
    """After its first layer it multiplies by a parameter that starts as one; ``table`` it reads, but never calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.gain = nn.Parameter(torch.ones(1))
        self.table = nn.Linear(1, 4, bias=False)
        self.last = nn.Conv2d(4, 4, 3)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return features (B, 4, H - 4, W - 4)."""
        return self.last(self.first(x) * self.gain + self.table.weight.view(1, 4, 1, 1))


def test_a_factor_of_one_after_the_cut_does_not_hide():
    network = Scaled()
    nn.init.zeros_(network.table.weight)
    with pytest.raises(UserError, match="model.cut=first"):
        cut_backbone(network, "first", 16)


def test_parameters_that_are_read_but_not_called_stay():
    network = Scaled()
    removed, shape = cut_backbone(network, None, 16)
    assert removed == ()
    assert shape == (4, 12, 12)
    assert isinstance(network.table, nn.Linear)


@pytest.mark.parametrize("name", ["layr3", "layer4", "layer4.1", "maxpool", ""])
def test_a_wrong_name_of_a_stage_lists_the_right_ones(resnet18, name):
    check_modules(resnet18, ["all", "half", "layer3.1", "layer2"])
    with pytest.raises(UserError, match="no such module to train; say all, half, or: .*layer3"):
        check_modules(resnet18, ["layer3", name])


def test_exactly_the_named_modules_take_gradients_and_train(resnet18):
    set_trainable(resnet18, ["layer3.1", "layer1"])
    trainable = {key for key, parameter in resnet18.named_parameters() if parameter.requires_grad}
    assert trainable == {key for key, _ in resnet18.named_parameters() if key.startswith(("layer3.1.", "layer1."))}
    for names in (["all"], []):
        set_trainable(resnet18, names)
        set_modes(resnet18, names, "train")
        assert {parameter.requires_grad for parameter in resnet18.parameters()} == {bool(names)}
        assert {module.training for module in resnet18.modules()} == {bool(names)}


@pytest.mark.parametrize(
    ("name", "first"), [("resnet18", "layer3.0.conv1"), ("vit_tiny_patch16_224", "blocks.5.mlp.fc2")]
)
def test_the_half_of_the_layers_that_is_nearest_to_the_head_trains(name, first):
    network = build_backbone(name, {}, None, 224).module
    set_trainable(network, ["half"])
    set_modes(network, ["half"], "train")
    names = [key for key, _ in network.named_parameters()]
    second_half = names[names.index(f"{first}.weight") :]
    assert [key for key, parameter in network.named_parameters() if parameter.requires_grad] == second_half
    for key in names:
        assert network.get_submodule(key.rpartition(".")[0]).training == (key in second_half)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_100"])  # plain BatchNorm, and timm's with activation
@pytest.mark.parametrize("batchnorm", ["train", "frozen"])
def test_statistics_move_only_where_they_may(name, batchnorm):
    network = build_backbone(name, {}, None, 64).module
    train = {"resnet18": "layer3", "mobilenetv2_100": "blocks.5"}[name]
    set_modes(network, [train], batchnorm)
    before = {key: value.clone() for key, value in network.named_buffers()}
    network.forward_features(torch.rand(4, 3, 64, 64))
    moved = {key for key, value in network.named_buffers() if not torch.equal(value, before[key])}
    own = {key for key in before if key.startswith(f"{train}.")}
    assert moved == (own if batchnorm == "train" else set())


def test_frozen_parts_do_not_drop():
    network = build_backbone("resnet18", {"drop_path_rate": 0.9}, None, 64).module
    scramble(network)
    image = torch.rand(2, 3, 64, 64)
    set_modes(network, [], "train")
    assert torch.equal(network.forward_features(image), network.forward_features(image))
    set_modes(network, ["layer4"], "frozen")
    outputs = [network.forward_features(image) for _ in range(8)]
    assert any(not torch.equal(outputs[0], other) for other in outputs[1:])
