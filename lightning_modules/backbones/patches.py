"""Rows and columns of images that no patch of a network covers."""

from collections.abc import Sequence

import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.truncation import (
    ImageSize,
    constants_scrambled,
    evaluating,
    features_of,
    random_image,
)


def check_size(backbone: nn.Module, size: ImageSize) -> None:
    """Refuse a size whose last rows or columns never reach a network with patch embedding.

    They are less than a patch, and an image that differs in them alone gives the very same features. Networks whose
    first convolution overlaps its neighbours pass: some of them lose a few rows at their last pooling, as published.

    Raises:
        UserError: The nearest sizes that fit are named.
    """
    patch = _patch(backbone)
    sides = to_2tuple(size)
    fitting = []
    lost = False
    for axis, (side, step) in enumerate(zip(sides, patch, strict=True)):
        below = side - side % step
        fitting.append((below or step, below + step if side % step else below))
        lost = lost or (side % step > 0 and _ignores_end(backbone, size, axis, side % step))
    if lost:
        lower, upper = zip(*fitting, strict=True)
        near = " or ".join(dict.fromkeys([_typed_size(lower), _typed_size(upper)]))
        covered = f"the patches of {patch[0]} x {patch[1]} px leave out the last rows or columns"
        raise UserError(f"prepare.size={_typed_size(sides)}: {covered}: set prepare.size={near}")


def _patch(backbone: nn.Module) -> tuple[int, int]:
    """Return height and width of the patches of a network, (1, 1) where its first convolution is no patch embedding."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            height, width = to_2tuple(module.kernel_size)
            return (height, width) if to_2tuple(module.stride) == (height, width) else (1, 1)
    return 1, 1


def _ignores_end(backbone: nn.Module, size: ImageSize, axis: int, count: int) -> bool:
    """Tell whether the last ``count`` rows (axis 0) or columns (axis 1) of an image make no difference."""
    image = random_image(size)
    other = image.clone()
    end = other.narrow(2 + axis, image.shape[2 + axis] - count, count)
    end.copy_(1 - end)
    with torch.no_grad(), evaluating(backbone), constants_scrambled(backbone):
        return torch.equal(features_of(backbone, image), features_of(backbone, other))


def _typed_size(sides: Sequence[int]) -> str:
    return str(sides[0]) if len(set(sides)) == 1 else "[" + ",".join(map(str, sides)) + "]"
