"""Rows and columns of images that no patch of a network covers."""

import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.truncation import ImageSize, constants_scrambled, evaluating, features_of, random_image


def check_size(backbone: nn.Module, size: ImageSize) -> None:
    """Refuse a size of which patches leave out the last rows or columns.

    Networks without patches pass: layers without padding may leave out some rows, as in Inception v3, as published.
    A ``UserError`` names the nearest sizes that are used whole.
    """
    sides, patch = to_2tuple(size), _patch(backbone)
    ignored = _count_ignored(backbone, sides) if patch else [0, 0]
    if not patch or not any(ignored):
        return
    below = _typed([side - rows for side, rows in zip(sides, ignored, strict=True)])
    rounded = zip(sides, ignored, patch, strict=True)
    above = _typed([side + (step - side % step) * bool(rows) for side, rows, step in rounded])
    unused = f"the network ignores the last {max(ignored)} rows or columns"
    raise UserError(f"prepare.size={_typed(list(sides))}: {unused}: set prepare.size={below} or {above}")


def _patch(backbone: nn.Module) -> tuple[int, int] | None:
    """Return height and width of the steps from patch to patch in pixels; None of a network without patches."""
    height = width = 1
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d | nn.Unfold):
            kernel, stride = to_2tuple(module.kernel_size), to_2tuple(module.stride)
            height, width = height * stride[0], width * stride[1]
            if max(kernel) > 1 and kernel[0] <= stride[0] and kernel[1] <= stride[1]:
                return height, width
    return None


def _count_ignored(backbone: nn.Module, sides: tuple[int, int]) -> list[int]:
    """Return how many of the last rows and columns make no difference."""
    counts = [0, 0]
    image = random_image(sides)
    with torch.no_grad(), evaluating(backbone), constants_scrambled(backbone):
        features = features_of(backbone, image)
        for axis, side in enumerate(sides):
            for count in range(1, side):
                other = image.clone()
                other.narrow(2 + axis, side - count, count).zero_()
                if not torch.equal(features_of(backbone, other), features):
                    break
                counts[axis] = count
    return counts


def _typed(sides: list[int]) -> str:
    return str(sides[0]) if len(set(sides)) == 1 else "[" + ",".join(map(str, sides)) + "]"
