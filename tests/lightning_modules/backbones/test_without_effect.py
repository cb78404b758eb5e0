"""Settings of a backbone that would have no effect are refused, and the remedy works."""

import re

import pytest
import torch

from karyocyte.common.errors import UserError
from karyocyte.config.schema import ModelConfig
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.without_effect import check_model_args, check_size


def model(name: str, cut: str | None = None, **args: object) -> ModelConfig:
    return ModelConfig(name=name, args=args, cut=cut, weights="random")


def with_all_branches(network: torch.nn.Module) -> torch.nn.Module:
    """Let the branches of blocks count, whose last BatchNorm begins with weights of zero; its statistics stay."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.eval().weight)
    return network


@pytest.mark.parametrize(
    ("name", "size", "near"),
    [
        ("vit_tiny_patch16_224", 100, "96 or 112"),
        ("vit_tiny_patch16_224", 97, "96 or 112"),
        ("vit_tiny_patch16_224", (96, 40), r"\[96,32\] or \[96,48\]"),
        ("mixer_s32_224", 100, "96 or 128"),
        ("convnext_atto", 102, "100 or 104"),
    ],
)
def test_rows_that_no_patch_covers_are_refused_with_sizes_that_fit(name, size, near):
    with pytest.raises(UserError, match=f"set prepare.size={near}$") as refusal:
        check_size(build_backbone(name, {}, None, size).module, size)
    for word in re.findall(r"\d+", str(refusal.value).partition("set prepare.size=")[2]):
        check_size(build_backbone(name, {}, None, int(word)).module, int(word))


@pytest.mark.parametrize(
    ("name", "size"),
    [("resnet18", 50), ("inception_v3_keras", 150), ("alexnet", 96), ("pvt_v2_b0", 102)],
)
def test_networks_whose_patches_overlap_take_any_size(name, size):
    network = build_backbone(name, {}, None, size).module
    check_size(network, size)
    image = torch.rand(1, 3, size, size, requires_grad=True)
    with_all_branches(network.eval()).forward_features(image).sum().backward()
    assert image.grad[..., -8:, -8:].any()  # the last rows and columns reach it


@pytest.mark.parametrize(("name", "cut"), [("resnet18", "layer1"), ("efficientnet_b0", None), ("scratch_cnn", None)])
def test_dropout_of_the_classifier_that_the_head_replaces_is_refused(name, cut):
    chosen = model(name, cut, drop_rate=0.9)
    with pytest.raises(UserError, match=r"'head\.layers=\[gap,\{dense: 8\},\{dropout: 0\.9\}\]'"):
        check_model_args(chosen, ["gap", {"dense": 8}], 64)


@pytest.mark.parametrize(
    ("name", "args"),
    [("resnet18", {"drop_path_rate": 0.5}), ("vit_tiny_patch16_224", {"proj_drop_rate": 0.5, "attn_drop_rate": 0.5})],
)
def test_dropout_in_the_kept_network_is_accepted_and_drops(name, args):
    check_model_args(model(name, **args), ["gap"], 32)
    network = with_all_branches(build_backbone(name, args, None, 32).module.train())
    image = torch.rand(4, 3, 32, 32)
    assert not torch.equal(network.forward_features(image), network.forward_features(image))


def test_an_argument_that_says_what_is_so_is_accepted():
    chosen = model("resnet18", drop_rate=0.0)
    check_model_args(chosen, ["gap"], 64)
    assert not [layer for layer in build_backbone("resnet18", chosen.args, None, 64).module.modules()
                if isinstance(layer, torch.nn.Dropout) and layer.p]  # fmt: skip


def test_stochastic_depth_behind_the_cut_is_refused():
    """Its first block drops nothing: the share grows from 0 with the depth."""
    with pytest.raises(UserError, match=r"drop_path_rate=0\.2 has no effect"):
        check_model_args(model("resnet18", "layer1.0", drop_path_rate=0.2), ["gap"], 64)


def test_an_argument_of_the_removed_head_is_refused_and_one_of_the_features_is_not():
    with pytest.raises(UserError, match="model.args.head_init_scale=0.5 has no effect"):
        check_model_args(model("convnext_atto", head_init_scale=0.5), ["gap"], 64)
    chosen = model("convnext_atto", head_norm_first=True)
    check_model_args(chosen, ["gap"], 64)
    assert "norm_pre.weight" in build_backbone("convnext_atto", chosen.args, None, 64).module.state_dict()


@pytest.mark.parametrize("args", [{"num_classes": 0}, {"global_pool": "max"}])
def test_arguments_of_the_classifier_are_refused(args):
    with pytest.raises(UserError, match="head.layers"):
        check_model_args(model("resnet18", **args), ["gap"], 64)
