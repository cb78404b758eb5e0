"""The outputs of a model's layers as maps over the image, for any model."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from math import isqrt, log
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from common.errors import UserError, close_names

BATCH = 4  # images at a time: 64 maps of 224x224, VGG's first, take 13 MB for each image
STAGES = 4  # shown stages of a network without pools
POOLS = (nn.MaxPool2d, nn.AvgPool2d)
Shape = tuple[int, int, int]  # channels, height and width of maps


class Model(NamedTuple):
    """A network that takes images, float32, shape (B, 3, H, W), in [0, 1], with its modules to choose from by name.

    ``feature_info`` is timm's list of its stages, each with the name of its "module"; a transformer puts
    ``prefix_tokens`` class and register tokens before those of the patches.
    """

    forward: nn.Module
    modules: Mapping[str, nn.Module]
    feature_info: Sequence[Mapping[str, Any]] = ()
    prefix_tokens: int = 0


def layer_shapes(model: Model, image: np.ndarray) -> dict[str, Shape | None]:
    """Return the shape (C, H, W) of every module's maps for an image, uint8 RGB, shape (H, W, 3).

    The modules are in the order in which they end, those that the model does not use left out; None is the shape of
    those whose output is not a map, such as a dense layer's.
    """
    shapes: dict[str, Shape | None] = {}
    for name, maps in _outputs(model, model.modules, image[None]).items():
        shapes[name] = None if maps is None else (maps.shape[1], maps.shape[2], maps.shape[3])
    return shapes


def layer_maps(model: Model, images: np.ndarray, names: Sequence[str]) -> Iterator[dict[str, np.ndarray]]:
    """Yield the maps of the named modules for images, uint8 RGB, shape (N, H, W, 3), a few at a time.

    Of a module that runs more than once, the last output counts.

    Yields:
        name -> float32, shape (B, C, H, W); all batches together have N images, in their order. Tokens of a transformer
        are laid out on the grid of their patches, without the prefix tokens.

    Raises:
        UserError: See ``check_names``.
    """
    check_names(names, model, layer_shapes(model, images[0]))
    modules = {name: model.modules[name] for name in names}
    for start in range(0, len(images), BATCH):
        outputs = _outputs(model, modules, images[start : start + BATCH])
        yield {name: np.asarray(outputs[name]) for name in names}


def _outputs(model: Model, modules: Mapping[str, nn.Module], images: np.ndarray) -> dict[str, torch.Tensor | None]:
    """Run the model; return the maps of modules in the order in which they end, None where an output is no map."""
    outputs: dict[str, torch.Tensor | None] = {}

    def note(name: str, _module: nn.Module, _inputs: object, output: object) -> None:
        maps = as_maps(output, images.shape[1:3], model.prefix_tokens)
        outputs.pop(name, None)  # a module that runs twice is listed at its last end
        # A copy, since the next module may work in place.
        outputs[name] = None if maps is None else maps.float().cpu().clone()

    with ExitStack() as stack, torch.no_grad():
        for name, module in modules.items():
            stack.enter_context(module.register_forward_hook(partial(note, name)))
        model.forward(to_batch(images))
    return outputs


def check_names(names: Sequence[str], model: Model, shapes: Mapping[str, Shape | None]) -> None:
    """Check that every name is that of a module whose output is a map; ``shapes`` are those of ``layer_shapes``.

    Raises:
        UserError: There is no such module, the model does not use it, or its output is not a map; with the valid names.
    """
    valid = [name for name, shape in shapes.items() if shape]
    for name in names:
        if name in valid:
            continue
        reason = "the model has no such module"
        if name in shapes:
            reason = "its output is not a map over the image"
        elif name in model.modules:
            reason = "the model does not use it"
        raise UserError(f"layer {name}: {reason}; {close_names(name, valid)}")


def positions(model: Model, shapes: Mapping[str, Shape | None]) -> dict[str, str]:
    """Choose the layers to show by default: those of paper 002 (figure 4), or the stages that timm lists.

    Returns:
        Position -> name of the module. In networks of three pools or more: the first convolution before its activation
        (conv1), the first two pools (pool1, pool2) and the last (last pool), whatever their names. Else up to four
        stages, evenly spread, under their own names.
    """
    maps = [name for name, shape in shapes.items() if shape]
    convolutions = [name for name in maps if isinstance(model.modules[name], nn.Conv2d)]
    # Deeper ones are in side branches (ResNet-D's shortcuts) or within a block.
    pools = [name for name in maps if isinstance(model.modules[name], POOLS) and name.count(".") < 2]
    if convolutions and len(pools) > 2:
        return {"conv1": convolutions[0], "pool1": pools[0], "pool2": pools[1], "last pool": pools[-1]}
    stages = [stage["module"] for stage in model.feature_info if stage["module"] in maps]
    if not stages:  # a network that lists none: its upper modules
        stages = [name for name in maps if "." not in name] or maps
    spread = np.unique(np.linspace(0, len(stages) - 1, STAGES).round().astype(int))
    return {stages[place]: stages[place] for place in spread}


def as_maps(output: object, size: tuple[int, ...], prefix_tokens: int = 0) -> torch.Tensor | None:
    """Return a module's output as maps over images of a size (height, width), shape (B, C, H, W).

    Returns:
        None where the output is not a map: no single tensor, a vector, or tokens that fill no grid. Of the two layouts
        of four axes, (B, C, H, W) and (B, H, W, C), the one whose maps are closer to the image's proportions; the first
        where both are.
    """
    if not isinstance(output, torch.Tensor):
        return None
    if output.ndim == 4:
        channels_last = _distortion(output.shape[1:3], size) < _distortion(output.shape[2:], size)
        return output.permute(0, 3, 1, 2) if channels_last else output
    if output.ndim == 3:
        # The output of the patch embedding has no prefix tokens yet.
        for prefix in (prefix_tokens, 0):
            tokens = max(output.shape[1] - prefix, 0)
            rows = isqrt(tokens * size[0] // size[1])
            if rows and rows * rows * size[1] == tokens * size[0]:
                return output[:, prefix:].transpose(1, 2).reshape(len(output), -1, rows, tokens // rows)
    return None


def _distortion(shape: Sequence[int], size: Sequence[int]) -> float:
    return abs(log(shape[0] / shape[1]) - log(size[0] / size[1]))


def to_batch(images: np.ndarray) -> torch.Tensor:
    """Return uint8 RGB images, shape (B, H, W, 3), as float32 in [0, 1], shape (B, 3, H, W)."""
    return torch.from_numpy(np.array(images.transpose(0, 3, 1, 2), order="C")).float() / 255
