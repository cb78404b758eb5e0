"""Backbones: any timm network, whole or cut at a named module, and which of its modules train."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import timm
import torch
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.layers.helpers import to_2tuple
from torch import nn

from karyocyte.common.errors import UserError, close_names, first_line
from karyocyte.config.schema import HeadConfig
from lightning_modules.backbones.heads import Layout
from lightning_modules.backbones.truncation import ImageSize, cut_backbone, has_parameters
from lightning_modules.networks import network_names, register_network

ALL = "all"
HALF = "half"

# Arguments of timm.create_model that other keys set, and which.
OTHER_KEYS = {
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
    """A timm network that gives features."""

    module: nn.Module  # the network; ``module.forward_features`` maps images (B, 3, H, W) to the features
    # shape of one image's features: (C, H, W), (H, W, C), (tokens, C) or (C,), as ``layout`` says
    out_shape: tuple[int, ...]
    layout: Layout
    prefix_tokens: int  # number of class and register tokens before the patch tokens
    removed: tuple[str, ...]  # names of the modules that are no part of it: what the cut took, and the classifier


class OwnNetwork(nn.Module):
    """A module of the user's as a network of timm: what its ``forward`` gives are the features."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward_features(self, image: torch.Tensor) -> Any:
        """Return what the module gives for images (B, 3, H, W)."""
        return self.network(image)


def build_backbone(name: str, args: dict[str, Any], cut: str | None, input_size: ImageSize) -> Backbone:
    """Build a timm network with random weights, without classifier, cut where asked.

    Args:
        name: timm's name, or that of a network of the papers, such as ``scratch_cnn``.
        args: Further arguments of the timm model.
        cut: Name of the module whose output are the features; None for the whole network.
        input_size: Of the images, in pixels.

    Raises:
        UserError: An unknown name or argument, a wrong cut, or a size that the network refuses.
    """
    return finish_backbone(create_network(name, args, input_size, num_classes=0), cut, input_size)


def count_logits(config: HeadConfig, num_classes: int) -> int:
    """Return the number of logits: an image of unknown orientation has those of each class upright and upside down."""
    return 2 * num_classes if config.orientation else config.logits or num_classes


def check_model_name(name: str) -> None:
    """Refuse a name that is no network's, and one with a tag in it.

    Raises:
        UserError: The closest names are listed.
    """
    architecture, _, tag = name.partition(".")
    register_network(architecture)
    if timm.is_model(architecture):
        if not tag:
            return
        raise UserError(f"model.name={name}: say `model.name={architecture} weights={name}`, the tag as weights")
    close = difflib.get_close_matches(name, network_names(), n=5, cutoff=0.5)
    meant = f"close to it: {', '.join(close)}" if close else "timm.list_models() lists its names"
    own = "a network of your own is a file of its name in lightning_modules/networks with @register_model"
    raise UserError(f"model.name={name}: neither timm nor the papers have such a network; {meant}; {own}")


def create_network(name: str, args: dict[str, Any], input_size: ImageSize, **timm_args: Any) -> nn.Module:
    """Create the whole timm model; ``timm_args`` are ours (num_classes, pretrained, ...), ``args`` the user's.

    Raises:
        UserError: timm does not know the name, or the model refuses arguments or weights.
    """
    check_model_name(name)
    args = dict(args)
    if args.get("num_classes") == 0:  # a backbone has no classifier: saying so is no mistake
        del args["num_classes"]
    for key in args.keys() & OTHER_KEYS.keys():
        raise UserError(f"model.args.{key}: leave it out, it is set by {OTHER_KEYS[key]}")
    # A ViT is built for one image size, a ResNet takes no size.
    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size:
        timm_args = {"img_size": input_size, **timm_args}
    try:
        network: nn.Module = timm.create_model(name, **{**timm_args, **args})
    except Exception as error:  # models refuse their arguments, and files their loading, in many ways
        reason = first_line(error)
        size = "x".join(map(str, dict.fromkeys(to_2tuple(input_size))))  # one number of a square
        weights = getattr(timm_args.get("pretrained_cfg"), "file", "random")
        raise UserError(f"model.args={args} weights={weights}: {name} at {size} px: {reason}") from error
    if not hasattr(network, "forward_features"):
        needed = "a method forward_features, from images (B, 3, H, W) to features such as (B, C, h, w)"
        raise UserError(f"model.name={name}: its class {type(network).__name__} lacks {needed}")
    return network


def image_scale(network: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return means and standard deviations of the images that a network is made for; if unknown, those of ImageNet."""
    facts: Any = getattr(network, "pretrained_cfg", None) or {}
    return tuple(facts.get("mean", IMAGENET_DEFAULT_MEAN)), tuple(facts.get("std", IMAGENET_DEFAULT_STD))


def finish_backbone(network: nn.Module, cut: str | None, input_size: ImageSize) -> Backbone:
    """Turn a whole timm model, in place, into a backbone (see ``truncation.cut_backbone``)."""
    removed, shape = cut_backbone(network, cut, input_size)
    if len(shape) == 2:
        return Backbone(network, shape, "NLC", getattr(network, "num_prefix_tokens", 0), removed)
    layout: Layout = "NC"
    if len(shape) == 3:
        layout = getattr(network, "output_fmt", "NCHW")  # of the last features only
        height, width = to_2tuple(input_size)
        if height == width and len(set(shape)) > 1:  # of square images the two equal axes are space
            layout = "NHWC" if shape[0] == shape[1] else "NCHW"
    return Backbone(network, shape, layout, 0, removed)


def check_modules(backbone: nn.Module, names: Sequence[str]) -> None:
    """Check the names of modules that a stage trains, such as ``layer4.2``.

    ``all`` is the whole backbone, also what belongs to no module (a ViT's position embedding); ``half`` are the layers
    from the middle one on, of those with parameters.

    Raises:
        UserError: A name is no module, was removed by the cut, or holds no parameters.
    """
    right = [name for name, module in backbone.named_modules() if name and has_parameters(module)]
    for name in names:
        if name not in (ALL, HALF, *right):
            close = close_names(name, right)
            raise UserError(f"unfreeze: {name}: the backbone has no such module to train; say all, half, or: {close}")


def set_trainable(backbone: nn.Module, names: Sequence[str]) -> None:
    """Let exactly the parameters of the named modules take gradients (names as in ``check_modules``)."""
    backbone.requires_grad_(False)
    for module in _named(backbone, names):
        module.requires_grad_(True)


def set_modes(backbone: nn.Module, names: Sequence[str], batchnorm: Literal["train", "frozen"]) -> None:
    """Put the named modules (as in ``check_modules``) in train mode and all others in eval mode.

    In a frozen module BatchNorm keeps its running statistics, and dropout and stochastic depth do nothing. With
    ``batchnorm`` "frozen" every BatchNorm does so; its gain and bias still train where their module does.
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
    return hasattr(module, "running_var")


def _named(backbone: nn.Module, names: Sequence[str]) -> Iterator[nn.Module]:
    for name in names:
        if name == HALF:
            yield from _second_half(backbone)
        else:
            yield backbone if name == ALL else backbone.get_submodule(name)


def _second_half(backbone: nn.Module) -> Sequence[nn.Module]:
    """Return the modules from the middle one on, of those that hold parameters themselves, in order of definition."""
    modules = list(backbone.modules())  # a module comes before those in it: none of these holds an earlier layer
    layers = [module for module in modules if next(module.parameters(recurse=False), None) is not None]
    return modules[modules.index(layers[len(layers) // 2]) :]
