"""Settings of a backbone that would have no effect: rows that no patch covers, arguments of the removed classifier."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.config.schema import ModelConfig
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.backbones.truncation import (
    ImageSize,
    constants_scrambled,
    evaluating,
    features_of,
    random_image,
)

OF_THE_HEAD = ("num_classes", "global_pool")


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


def check_model_args(model: ModelConfig, layers: Sequence[Any], size: ImageSize) -> None:
    """Refuse arguments that act on the classifier of timm's network, which ``head.layers`` replaces.

    Raises:
        UserError: What to set in ``head.layers`` instead is named.
    """
    for key in OF_THE_HEAD:
        if key in model.args:
            raise UserError(f"model.args.{key}: leave it out: head.layers and head.logits replace timm's classifier")
    for key, value in model.args.items():
        if "drop" in key and value and not _changes_training(model, key, size):
            # Only the dropout before the classifier has its like in head.layers.
            if key != "drop_rate":
                raise UserError(f"model.args.{key}={value} has no effect on the layers that are kept: leave it out")
            instead = "[" + ",".join([*map(_typed_layer, layers), f"{{dropout: {value}}}"]) + "]"
            lost = f"model.args.{key}={value} has no effect, its dropout is in the classifier that head.layers replaces"
            raise UserError(f"{lost}: leave it out, and set 'head.layers={instead}'")
        if key.startswith("head_") and not _changes_training(model, key, size):
            raise UserError(f"model.args.{key}={value} has no effect on the layers that are kept: leave it out")


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


def _changes_training(model: ModelConfig, key: str, size: ImageSize) -> bool:
    """Tell whether the kept network computes anything else in training with the argument than without it."""
    without = {name: value for name, value in model.args.items() if name != key}
    with torch.random.fork_rng(devices=[]):
        return not torch.equal(_in_training(model, model.args, size), _in_training(model, without, size))


def _in_training(model: ModelConfig, args: Mapping[str, Any], size: ImageSize) -> torch.Tensor:
    """Return the features of two images (one has no BatchNorm) in training mode, with the same random numbers."""
    torch.manual_seed(0)
    backbone = build_backbone(model.name, dict(args), model.cut, size).module.train()
    torch.manual_seed(1)
    images = torch.rand(2, 3, *to_2tuple(size))
    with torch.no_grad(), constants_scrambled(backbone):
        features: torch.Tensor = features_of(backbone, images)
    return features


def _typed_size(sides: Sequence[int]) -> str:
    return str(sides[0]) if len(set(sides)) == 1 else "[" + ",".join(map(str, sides)) + "]"


def _typed_layer(layer: Any) -> str:
    """Return a layer of a head as it is typed."""
    return (
        "{" + ", ".join(f"{name}: {value}" for name, value in layer.items()) + "}" if isinstance(layer, dict) else layer
    )
