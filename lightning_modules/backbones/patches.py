"""Rows and columns of images that no patch of a network covers."""

import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.truncation import ImageSize, constants_scrambled, evaluating, features_of, random_image


def check_size(backbone: nn.Module, size: ImageSize) -> None:
    """Refuse a size whose last rows or columns, fewer than a patch, never reach the network.

    Networks whose first convolution overlaps its neighbours pass: Inception v3 leaves out the last of 150 rows, as
    published. A ``UserError`` names the size of the patches and the nearest sizes that they cover.
    """
    sides, patch = to_2tuple(size), _patch(backbone)
    rests = [side % step for side, step in zip(sides, patch, strict=True)]
    if not any(rests) or not _ignores_end(backbone, size, rests):
        return
    below = [max(side - side % step, step) for side, step in zip(sides, patch, strict=True)]
    above = [side + -side % step for side, step in zip(sides, patch, strict=True)]
    near = " or ".join(dict.fromkeys([_typed(below), _typed(above)]))
    covered = f"patches of {patch[0]} x {patch[1]} px leave out the last rows or columns"
    raise UserError(f"prepare.size={_typed(list(sides))}: {covered}: set prepare.size={near}")


def _patch(backbone: nn.Module) -> tuple[int, int]:
    """Return height and width of the steps of the first convolution, (1, 1) where these overlap."""
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            height, width = to_2tuple(module.stride)
            overlaps = module.kernel_size[0] > height or module.kernel_size[1] > width
            return (1, 1) if overlaps else (height, width)
    return 1, 1


def _ignores_end(backbone: nn.Module, size: ImageSize, rests: list[int]) -> bool:
    """Tell whether the last rows and columns of an image, as many as ``rests`` says, make no difference."""
    image = random_image(size)
    other = image.clone()
    for axis, rest in zip((2, 3), rests, strict=True):
        other.narrow(axis, image.shape[axis] - rest, rest).zero_()
    with torch.no_grad(), evaluating(backbone), constants_scrambled(backbone):
        return torch.equal(features_of(backbone, image), features_of(backbone, other))


def _typed(sides: list[int]) -> str:
    return str(sides[0]) if len(set(sides)) == 1 else "[" + ",".join(map(str, sides)) + "]"
