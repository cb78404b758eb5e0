"""Sizes of which the last rows or columns would not reach the network are refused, and the remedy works."""

import re

import pytest
import torch
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.patches import check_size
from lightning_modules.build.create import create_classifier


@pytest.mark.parametrize(
    ("name", "size", "near"),
    [
        ("vit_tiny_patch16_224", 225, "224 or 240"),
        ("vit_tiny_patch16_224", (96, 40), r"\[96,32\] or \[96,48\]"),
        ("mixer_s32_224", 100, "96 or 128"),
        ("convnext_atto", 102, "100 or 104"),
        ("swin_tiny_patch4_window7_224", 98, "96 or 100"),
        ("tnt_s_patch16_224", 100, "96 or 128"),  # patches of what overlapping convolutions give
        ("visformer_tiny", 100, "98 or 104"),
    ],
)
def test_rows_that_no_patch_covers_are_refused_with_sizes_that_fit(name, size, near):
    module = build_backbone(name, {}, None, size).module
    with pytest.raises(UserError, match=f"set prepare.size={near}$") as refusal:
        check_size(module, size)
    for word in re.findall(r"\d+", str(refusal.value).partition("set prepare.size=")[2]):
        check_size(build_backbone(name, {}, None, int(word)).module, int(word))


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", 50), ("inception_v3_keras", 150), ("pvt_v2_b0", 102), ("vit_tiny_patch16_224", 100)]
)
def test_networks_that_overlap_or_pad_take_any_size(name, size):
    args = {"dynamic_img_size": True, "dynamic_img_pad": True} if "vit" in name else {}
    module = build_backbone(name, args, None, size).module
    check_size(module, size)
    assert module.forward_features(torch.rand(2, 3, size, size)).isfinite().all()


def test_a_module_of_ones_own_is_checked_too():
    module = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    create_classifier(module, 3, image_size=32)
    with pytest.raises(UserError, match="image_size=32 or 40"):
        create_classifier(module, 3, image_size=33)
