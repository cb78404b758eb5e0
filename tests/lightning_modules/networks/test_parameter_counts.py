"""The parameter counts that the papers print, exactly where torch counts alike, else with the difference stated.

Keras counts the running means and variances of BatchNorm, gives the convolutions of ResNet-50 biases (which the
BatchNorm behind them makes superfluous), and leaves out the gain of InceptionV3's BatchNorm.
"""

import copy

import pytest
from torch import nn

from lightning_modules.backbones.backbone import Backbone, build_backbone, set_trainable
from lightning_modules.backbones.heads import build_head
from tests.helpers.training import composed
from tests.lightning_modules.tiny import parameter_count

SIZE = 64  # counts do not depend on it, except a flattened head's


def built_once(name: str, cut: str | None = None, size: int = SIZE):
    """Return a fixture of a network that all tests of this file share."""
    return pytest.fixture(scope="module")(lambda: build_backbone(name, {}, cut, size))


vgg16 = built_once("vgg16", size=224)
inceptionv3 = built_once("inception_v3", size=96)
resnet18_cut = built_once("resnet18", "layer3")
resnet50_backbone = built_once("resnet50_v1")
resnet50_cut_backbone = built_once("resnet50_v1", "layer3")
mobilenetv2_backbone = built_once("mobilenetv2_100")


def count(backbone: nn.Module, train: list[str], head: nn.Module) -> tuple[int, int]:
    """Return (total, trainable) of a backbone of which the modules ``train`` learn, and its head."""
    backbone = copy.deepcopy(backbone)
    set_trainable(backbone, train)
    both = nn.ModuleList([backbone, head])
    return parameter_count(both), parameter_count(both, trainable=True)


def running_statistics(network: nn.Module) -> int:
    """Count the running means and variances, which Keras counts among the total."""
    return sum(value.numel() for name, value in network.named_buffers() if name.endswith(("_mean", "_var")))


def head_001(backbone: Backbone) -> nn.Module:
    """Build the head of paper 001, figures 3.5 and 3.6."""
    layers = [{"dropout": 0.5}, "gap", {"dense": 256}, "batchnorm", {"dropout": 0.5}]
    return build_head(layers, backbone.out_shape, 1)


def conv_biases(network: nn.Module) -> int:
    """Count the biases that Keras' ResNet-50 has and torch's has not."""
    return sum(m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d) and m.bias is None)


def test_vgg16_004_3_3_1(vgg16):
    assert vgg16.out_shape == (512, 7, 7)
    head = build_head(["flatten", {"dense": 256}, {"dropout": 0.5}], vgg16.out_shape, 1)
    assert count(vgg16.module, [], head) == (21_137_729, 6_423_041)
    block5 = ["features.24", "features.26", "features.28"]
    assert count(vgg16.module, block5, head) == (21_137_729, 6_423_041 + 3 * 2_359_808)


def test_vgg16_cut_004_3_3_1_3_2():
    backbone = build_backbone("vgg16", {}, "features.23", SIZE)
    head = build_head(["gap", {"dense": 256}, {"dropout": 0.5}], backbone.out_shape, 1)
    assert parameter_count(backbone.module) == 7_635_264
    blocks_2_to_4 = [f"features.{index}" for index in (5, 7, 10, 12, 14, 17, 19, 21)]
    assert count(backbone.module, blocks_2_to_4, head) == (7_766_849, 7_728_129)
    assert count(backbone.module, [], head) == (7_766_849, 131_328 + 257)


def test_mobilenetv2_004_3_3_3(mobilenetv2_backbone):
    mobilenetv2 = mobilenetv2_backbone.module
    head = build_head(["gap"], (1280, 2, 2), 1)
    assert parameter_count(mobilenetv2) + running_statistics(mobilenetv2) == 2_257_984 == 2_259_265 - 1_281
    assert count(mobilenetv2, [], head)[1] == 1_281
    last1 = ["blocks.6", "conv_head", "bn2"]
    assert count(mobilenetv2, last1, head)[1] == 887_361
    assert count(mobilenetv2, ["blocks.4", "blocks.5", *last1], head)[1] == 1_985_793


def test_resnet50_004_3_3_2(resnet50_backbone):
    resnet50 = resnet50_backbone.module
    head = build_head(["gap"], (2048, 2, 2), 1)
    assert running_statistics(resnet50) == 53_120
    assert conv_biases(resnet50) == 26_560
    assert parameter_count(resnet50) + 53_120 + 26_560 == 23_587_712
    assert count(resnet50, [], head) == (23_589_761 - 53_120 - 26_560, 2_049)
    # The last bottleneck, whose three convolutions have 512 + 512 + 2,048 biases in Keras.
    assert conv_biases(resnet50.layer4[2]) == 3_072
    assert count(resnet50, ["layer4.2"], head)[1] == 4_464_641 == 4_467_713 - 3_072


def test_resnet50_cut_004_3_3_2_1(resnet50_cut_backbone):
    resnet50_cut = resnet50_cut_backbone.module
    counts = parameter_count(resnet50_cut), running_statistics(resnet50_cut), conv_biases(resnet50_cut)
    assert counts == (8_543_296, 30_592, 15_296)
    base = 8_543_296 + 30_592 + 15_296
    assert base == 8_589_184
    d256 = parameter_count(build_head(["gap", {"dense": 256}, {"dropout": 0.5}], (1024, 4, 4), 1))
    assert (d256, base + d256) == (262_657, 8_851_841)
    d512 = parameter_count(build_head(["gap", {"dense": 512}], (1024, 4, 4), 1))
    assert base + d512 == 9_114_497
    # What Keras calls untrainable in the fine-tuned network is the running statistics alone.
    assert 8_543_296 + 15_296 + d512 == 9_083_905


def test_vgg16_001(vgg16):
    """Figure 3.5: Keras calls untrainable what torch does not count, the running statistics of the head's BatchNorm."""
    head = head_001(vgg16)
    assert running_statistics(head) == 512
    assert count(vgg16.module, ["all"], head) == (14_847_297 - 512, 14_846_785)


def test_inceptionv3_001(inceptionv3):
    """Figure 3.6: Keras' InceptionV3 has no gains in its BatchNorm, and counts the running statistics."""
    network, head = inceptionv3.module, head_001(inceptionv3)
    gains = sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    assert (parameter_count(network), gains, running_statistics(network)) == (21_785_568, 17_216, 34_432)
    running = running_statistics(network) + running_statistics(head)
    assert running == 34_944
    total, trainable = count(network, ["all"], head)
    assert (total - gains + running, trainable - gains) == (22_328_609, 22_293_665)


def test_what_trains_in_the_experiments_of_001(vgg16, inceptionv3, mobilenetv2_backbone, resnet18_cut):
    """How many parameters of the backbone train: frozen, from the last block on, from the last two on, all of them."""
    block4, block5 = 1_180_160 + 2 * 2_359_808, 3 * 2_359_808
    expected = {
        "vgg16": (vgg16.module, 0, block5, block4 + block5, 14_714_688),
        "inceptionv3": (inceptionv3.module, 0, 6_076_800, 6_076_800 + 5_044_608, 21_785_568),
        "mobilenetv2": (mobilenetv2_backbone.module, 0, 886_080, 886_080 + 795_264, 2_223_872),
        "resnet18": (resnet18_cut.module, 0, 2_099_712, 2_099_712 + 525_568, 2_782_784),
    }
    for network, (module, *trainable) in expected.items():
        for suffix, parameters in zip(("", "_last1", "_last2", "_full"), trainable, strict=True):
            stages = composed([f"+experiment=karyogram_{network}{suffix}"]).unfreeze.stages
            assert list(stages) == ["together"]
            trainable_count = count(module, list(stages.together.train), nn.Identity())[1]
            assert trainable_count == parameters, f"karyogram_{network}{suffix}"
