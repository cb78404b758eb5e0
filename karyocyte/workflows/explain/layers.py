"""The outputs of a network's layers as maps over the image, for any network."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from math import isqrt, log
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from karyocyte.common.errors import UserError, close_names
from lightning_modules.build.load import TrainedRun

MOST_DISTORTED = 0.5  # of the logarithm of a proportion: small maps are of rounded sizes
STAGES = 4  # shown stages of a network without pools
POOLS = (nn.MaxPool2d, nn.AvgPool2d)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.GELU, nn.Hardswish)


class Model(NamedTuple):
    """A network that takes images, float32, shape (B, 3, H, W), in [0, 1], with its modules to choose from by name.

    ``feature_info`` is timm's list of its stages, each with the name of its "module"; a transformer puts
    ``prefix_tokens`` class and register tokens before those of the patches.
    """

    forward: nn.Module
    modules: Mapping[str, nn.Module]
    feature_info: Sequence[Mapping[str, Any]] = ()
    prefix_tokens: int = 0

    @classmethod
    def of_run(cls, run: TrainedRun) -> "Model":
        """Return the network of a run; only timm's networks list their stages and tokens."""
        backbone = run.classifier.backbone
        stages = getattr(backbone, "feature_info", ())
        return cls(run.classifier, run.layers(), stages, getattr(backbone, "num_prefix_tokens", 0))


def layer_maps(model: Model, image: np.ndarray) -> dict[str, np.ndarray]:
    """Return the maps of every module that has some, for an image, uint8 RGB, shape (H, W, 3).

    Tokens of a transformer are laid out on the grid of their patches, without the prefix tokens. The windows of a
    window transformer, which are more than one for an image, are no maps of it.

    Returns:
        name -> float32, shape (C, h, w), of the last output of a module that runs more than once; in the order in which
        the modules end.
    """
    outputs: dict[str, np.ndarray] = {}

    def keep(name: str, _module: nn.Module, _inputs: object, output: object) -> None:
        """Keep a copy of the maps of a module that ends, since the next module may work in place."""
        maps = as_maps(output, image.shape[:2], model.prefix_tokens)
        if maps is not None and len(maps) == 1:
            outputs.pop(name, None)  # a module that runs twice is listed at its last end
            outputs[name] = maps[0].float().cpu().clone().numpy()

    with ExitStack() as stack, torch.no_grad():
        for name, module in model.modules.items():
            stack.enter_context(module.register_forward_hook(partial(keep, name)))
        model.forward(to_batch(image[None]))
    return outputs


def check_layers(names: Sequence[str], known: Iterable[str]) -> None:
    """Check that every name is among the ``known`` ones of ``layer_maps``; a ``UserError`` names those."""
    for name in names:
        if name not in known:
            raise UserError(
                f"layer {name}: no module whose output is a map of the image; {close_names(name, list(known))}"
            )


def default_layers(model: Model, names: Sequence[str]) -> list[str]:
    """Choose the layers to show by default: those of paper 002 (figure 4), or the stages that timm lists.

    In networks of three pools or more they are the first convolution before its activation, the first two pools and the
    last; else up to four stages, evenly spread.

    Args:
        model: The network.
        names: The modules of ``layer_maps``.
    """
    convolutions = []
    pools = []
    for name in names:
        if isinstance(model.modules[name], nn.Conv2d):
            convolutions.append(name)
        # Deeper ones are in side branches (ResNet-D's shortcuts) or within a block.
        elif isinstance(model.modules[name], POOLS) and name.count(".") < 2:
            pools.append(name)
    if convolutions and len(pools) > 2:
        return [convolutions[0], *pools[:2], pools[-1]]
    return _spread_stages(model, names)


def _spread_stages(model: Model, names: Sequence[str]) -> list[str]:
    stages = [stage["module"] for stage in model.feature_info if stage["module"] in names] or names
    spread = np.unique(np.linspace(0, len(stages) - 1, STAGES).round().astype(int))
    return [stages[place] for place in spread]


def activations_and_pools(model: Model, names: Sequence[str]) -> list[str]:
    """Choose what every convolution gives after its activation, and every pool (paper 004, figures 36 to 38).

    Raises:
        UserError: The network has no such modules, but calls functions instead.
    """
    chosen = [name for name in names if isinstance(model.modules[name], (*ACTIVATIONS, *POOLS))]
    if not chosen:
        raise UserError("layer=activations: the network has no modules of activations and pools: name its layers")
    return chosen


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
        is_last = _distortion(output.shape[1:3], size) < _distortion(output.shape[2:], size)
        maps = output.permute(0, 3, 1, 2) if is_last else output
        # Heads of an attention have four axes, too, but not the proportions of an image.
        return maps if _distortion(maps.shape[2:], size) < MOST_DISTORTED else None
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
