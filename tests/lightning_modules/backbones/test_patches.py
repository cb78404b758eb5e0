"""Sizes and arguments that would not reach the network are refused, and the remedy works."""

import re

import pytest

from karyocyte.common.errors import UserError
from lightning_modules.backbones.backbone import build_backbone, check_model_args
from lightning_modules.backbones.patches import check_size


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
    check_size(build_backbone(name, {}, None, size).module, size)


@pytest.mark.parametrize("args", [{"num_classes": 0}, {"global_pool": "max"}, {"drop_rate": 0.9}])
def test_arguments_of_the_classifier_are_refused(args):
    words = r"head.layers .*\{dropout: 0.9\}" if "drop_rate" in args else "head.layers"
    with pytest.raises(UserError, match=words):
        check_model_args(args)
    check_model_args({"drop_path_rate": 0.5})
