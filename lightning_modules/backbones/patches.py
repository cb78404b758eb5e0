"""Rows and columns of images that no patch of a network covers."""

from collections.abc import Sequence

from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError
from lightning_modules.backbones.truncation import ImageSize


def check_size(backbone: nn.Module, size: ImageSize) -> None:
    """Refuse a size that is no multiple of the patches of a network with patch embedding.

    Its last rows or columns would never reach the network. Networks whose first convolution overlaps its neighbours
    pass: some of them lose a few rows at their last pooling, as published.

    Raises:
        UserError: The nearest sizes that fit are named.
    """
    patch = _patch(backbone)
    sides = to_2tuple(size)
    if not any(side % step for side, step in zip(sides, patch, strict=True)):
        return
    lower, upper = [], []
    for side, step in zip(sides, patch, strict=True):
        below = side - side % step
        lower.append(below or step)
        upper.append(below + step if side % step else below)
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


def _typed_size(sides: Sequence[int]) -> str:
    return str(sides[0]) if len(set(sides)) == 1 else "[" + ",".join(map(str, sides)) + "]"
