"""Backbones: any timm network, whole or cut at a named module, and which of its modules train."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import timm
from timm.layers.helpers import to_2tuple
from torch import nn

from common.errors import UserError, close_names
from lightning_modules import networks  # noqa: F401  (importing it registers the papers' networks with timm)
from lightning_modules.backbones.truncation import ImageSize, Removed, cut_backbone, first_line, has_parameters
from lightning_modules.compat import is_batchnorm

ALL = "all"

# Arguments of timm.create_model that are said elsewhere, and where.
SAID_ELSEWHERE = {
    "pretrained": "weights",
    "pretrained_cfg": "weights",
    "pretrained_cfg_overlay": "weights",
    "checkpoint_path": "weights",
    "cache_dir": "weights",
    "num_classes": "head.logits",
    "features_only": "model.cut",
    "in_chans": "nothing: images reach the network as RGB",
}


@dataclass(frozen=True)
class Backbone:
    """A timm network that gives features.

    Attributes:
        module: The network; ``module.forward_features`` maps images (B, 3, H, W) to the features.
        name: timm's name of it.
        out_shape: Shape of one image's features at the size it was built for: (C, H, W), (H, W, C), (tokens, C), (C,).
        layout: What these axes mean.
        prefix_tokens: How many class and register tokens stand before the patch tokens.
        removed: Names of the modules that are no part of it: what the cut took, and the classifier.
    """

    module: nn.Module
    name: str
    out_shape: tuple[int, ...]
    layout: Literal["NCHW", "NHWC", "NLC", "NC"]
    prefix_tokens: int
    removed: tuple[str, ...]

    @property
    def channels(self) -> int:
        """How many feature channels there are."""
        return self.out_shape[0 if self.layout == "NCHW" else -1]


def build_backbone(name: str, args: dict[str, Any], cut: str | None, input_size: ImageSize) -> Backbone:
    """Build a timm network with random weights, without classifier, cut where asked.

    Args:
        name: timm's name, such as ``resnet50``, or that of a network of the papers, such as ``scratch_cnn``.
        args: Further arguments of the timm model, such as ``{"drop_path_rate": 0.1}``.
        cut: Name of the module whose output are the features; None for the whole network.
        input_size: Of the images: their side, or height and width, in pixels.

    Raises:
        UserError: An unknown name or argument, a wrong cut, or a size that the network refuses.
    """
    return finish_backbone(create_network(name, args, input_size, num_classes=0), name, cut, input_size)


def check_model_name(name: str) -> None:
    """Refuse a name that is no network's, and one with a tag in it.

    Raises:
        UserError: The closest names are listed.
    """
    architecture, _, tag = name.partition(".")
    if timm.is_model(architecture):
        if not tag:
            return
        raise UserError(f"model.name={name}: say model.name={architecture}, and the tag as weights={name}")
    close = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5)
    if close:
        meant = f"close to it: {', '.join(close)}"
    else:
        meant = "timm.list_models() lists its names"
    raise UserError(f"model.name={name}: neither timm nor the papers have such a network; {meant}")


def create_network(name: str, args: dict[str, Any], input_size: ImageSize, **timm_args: Any) -> nn.Module:
    """Create the whole timm model; ``timm_args`` are ours (num_classes, pretrained, ...), ``args`` the user's.

    Raises:
        UserError: timm does not know the name, or the model does not take the arguments or the weights.
    """
    check_model_name(name)
    # A model without classifier is what a backbone is: saying so is no mistake.
    args = {key: value for key, value in args.items() if not (key == "num_classes" and value == 0)}
    for key in args:
        if key in SAID_ELSEWHERE:
            raise UserError(f"model.args.{key}: leave it out, it is said by {SAID_ELSEWHERE[key]}")
    # A ViT is built for one image size, a ResNet refuses to be told any.
    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:
        sized = {"img_size": input_size}
    else:
        sized = {}
    try:
        return timm.create_model(name, **{**sized, **args}, **timm_args)
    except Exception as error:  # models refuse their arguments, and files their loading, in many ways
        if timm_args.get("pretrained"):
            tag = f" weights={name}.{timm_args['pretrained_cfg']}"
        else:
            tag = ""
        raise UserError(f"model.args={args}{tag}: {name} at {_pixels(input_size)}: {first_line(error)}") from error


def finish_backbone(network: nn.Module, name: str, cut: str | None, input_size: ImageSize) -> Backbone:
    """Turn a whole timm model, in place, into a backbone (see ``truncation.cut_backbone``)."""
    removed, shape = cut_backbone(network, cut, input_size)
    if len(shape) == 2:
        prefix_tokens = getattr(network, "num_prefix_tokens", 0)
    else:
        prefix_tokens = 0
    return Backbone(network, name, shape, _layout(network, shape, input_size), prefix_tokens, removed)


def _layout(network: nn.Module, shape: tuple[int, ...], input_size: ImageSize) -> Literal["NCHW", "NHWC", "NLC", "NC"]:
    if len(shape) != 3:
        if len(shape) == 2:
            return "NLC"
        return "NC"
    height, width = to_2tuple(input_size)
    if height != width:
        return getattr(network, "output_fmt", "NCHW")
    # Of square images the two equal axes are space; timm declares the layout of the last features only.
    if shape[0] == shape[1] != shape[2]:
        return "NHWC"
    if shape[0] == shape[1] == shape[2]:
        return getattr(network, "output_fmt", "NCHW")
    return "NCHW"


def _pixels(input_size: ImageSize) -> str:
    height, width = to_2tuple(input_size)
    if height == width:
        return f"{height} px"
    return f"{height}x{width} px"


class ParameterCounts(NamedTuple):
    """Numbers of parameters; Keras counts the running statistics of BatchNorm among the total, torch does not."""

    total: int
    trainable: int
    running_statistics: int


def resolve_modules(backbone: nn.Module, names: Sequence[str]) -> list[str]:
    """Check the names of modules that a stage trains.

    Args:
        backbone: The network, cut.
        names: Names such as ``layer4.2``; ``all`` is the whole backbone, also what belongs to no module (a ViT's
            position embedding); an empty list is nothing.

    Returns:
        The names, in their order.

    Raises:
        UserError: A name is no module, was removed by the cut, or holds no parameters.
    """
    modules = {name: module for name, module in backbone.named_modules() if name}
    right = [name for name, module in modules.items() if has_parameters(module)]
    for name in names:
        if name == ALL or name in right:
            continue
        parents = [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 2)]
        if any(isinstance(modules.get(parent), Removed) for parent in parents):
            reason = "the cut removed it"
        elif name in modules:
            reason = "it has no parameters to train"
        else:
            reason = "the backbone has no such module"
        raise UserError(f"unfreeze: {name}: {reason}; say all, or: {close_names(name, right)}")
    return list(names)


def set_trainable(backbone: nn.Module, names: Sequence[str]) -> None:
    """Let exactly the parameters of the named modules take gradients (names as in :func:`resolve_modules`)."""
    backbone.requires_grad_(False)
    for module in _named(backbone, names):
        module.requires_grad_(True)


def set_modes(backbone: nn.Module, names: Sequence[str], batchnorm: Literal["train", "frozen"]) -> None:
    """Put the named modules in train mode and all others in eval mode.

    In a frozen module BatchNorm keeps its running statistics, and dropout and stochastic depth do nothing. This holds
    for steps that timm writes as functions too (``F.dropout(..., training=self.training)``), since they read the
    flag of the module that they stand in.

    Args:
        backbone: The network, cut.
        names: The modules that train, as in :func:`resolve_modules`.
        batchnorm: "frozen" keeps every BatchNorm in eval mode: it normalises by its stored statistics and leaves them
            as they are; its gain and bias still train where their module does. "train" does so only where frozen.
    """
    backbone.eval()
    for module in _named(backbone, names):
        module.train()
    if batchnorm == "frozen":
        for module in backbone.modules():
            if has_running_statistics(module):
                module.training = False


def has_running_statistics(module: nn.Module) -> bool:
    """Tell whether the module itself is a BatchNorm of any kind (torch's, timm's with activation, synchronised)."""
    return is_batchnorm(module) or "running_var" in dict(module.named_buffers(recurse=False))


def count_parameters(module: nn.Module) -> ParameterCounts:
    """Count all parameters, those that take gradients, and the running means and variances beside them."""
    parameters = list(module.parameters())
    running = [buffer for name, buffer in module.named_buffers() if name.endswith(("running_mean", "running_var"))]
    return ParameterCounts(
        total=sum(parameter.numel() for parameter in parameters),
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        running_statistics=sum(buffer.numel() for buffer in running),
    )


def _named(backbone: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    return [backbone if name == ALL else backbone.get_submodule(name) for name in names]
