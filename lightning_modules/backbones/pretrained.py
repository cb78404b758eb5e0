"""Backbones with weights: random, by timm's tag, or from a file; never another than was asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.config.schema import ModelConfig
from common.errors import UserError
from common.files import sha256_of_file, sha256_of_value
from lightning_modules.backbones.backbone import (
    Backbone,
    build_backbone,
    check_model_name,
    create_network,
    finish_backbone,
)
from lightning_modules.backbones.local_weights import SUFFIX, load_file, merge_arguments, read_side_file
from lightning_modules.backbones.timm_weights import check_tag, complete_loading, find_tag
from lightning_modules.backbones.truncation import ImageSize

RANDOM = "random"
OTHER_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".h5", ".keras", ".npz", ".onnx")


@dataclass(frozen=True)
class WeightsInfo:
    """Where a backbone's weights come from and how they want their images.

    Attributes:
        mean: Per channel, of images in [0, 1].
        std: Per channel, likewise.
        source: "random", the tag, or what the side file says.
        sha256: Of the file's bytes, 64 hex digits; None for random weights.
        freeze_batchnorm: True where BatchNorm must stay in eval mode in every stage.
        args: timm's arguments that the network was built with, the side file's among them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    sha256: str | None
    freeze_batchnorm: bool
    args: dict[str, Any]

    def content_hash(self) -> str:
        """Return a SHA-256 (64 hex digits) over all that changes what the network computes, wherever the file lies."""
        return sha256_of_value([self.sha256, self.mean, self.std, self.freeze_batchnorm, self.args])


def build_pretrained(model: ModelConfig, weights: str, input_size: ImageSize) -> tuple[Backbone, WeightsInfo]:
    """Build the backbone that ``model`` describes, with its weights.

    Args:
        model: Name, timm arguments and cut of the network.
        weights: ``random``, one of timm's tags for this network (``resnet50.tv_in1k``), or the path of a
            ``.safetensors`` file (relative to the working directory) with its side file.
        input_size: Side of the images, or height and width, in pixels.

    Raises:
        UserError: Anything about the model or its weights that the user must correct.
    """
    path = find_weights(model.name, weights)
    if path is None:
        backbone = build_backbone(model.name, model.args, model.cut, input_size)
        config: Any = backbone.module.pretrained_cfg
        mean, std = tuple(config["mean"]), tuple(config["std"])
        return backbone, WeightsInfo(mean, std, RANDOM, None, freeze_batchnorm=False, args=model.args)
    sha256 = sha256_of_file(path)
    if weights.endswith(SUFFIX):
        side = read_side_file(path)
        args = merge_arguments(model.args, side, path)
        backbone = build_backbone(model.name, args, model.cut, input_size)
        load_file(backbone.module, backbone.removed, path, side)
        source = side.source or path.name
        return backbone, WeightsInfo(side.mean, side.std, source, sha256, side.freeze_batchnorm, args)
    # timm knows how each of its files is converted: it loads the whole network, which is then cut.
    tag = check_tag(model.name, weights)
    # A file from the hub is in timm's own format even where its first source, at an address, was in another.
    overlay = {"file": str(path), "custom_load": tag.custom_load and not tag.hf_hub_id}
    timm_args = {"pretrained": True, "pretrained_cfg": weights.partition(".")[2], "pretrained_cfg_overlay": overlay}
    with complete_loading(weights):
        network = create_network(model.name, model.args, input_size, **timm_args)
    backbone = finish_backbone(network, model.name, model.cut, input_size)
    return backbone, WeightsInfo(tuple(tag.mean), tuple(tag.std), weights, sha256, False, model.args)


def find_weights(name: str, weights: str) -> Path | None:
    """Return the local file of ``weights`` for the network ``name``; None for random weights.

    A tag's file is looked for in the caches, then downloaded.

    Raises:
        UserError: ``name`` is no network, ``weights`` is none of the three kinds, the file is missing or of another
            model, or the tag cannot be downloaded.
    """
    check_model_name(name)
    if weights == RANDOM:
        return None
    if weights.endswith(SUFFIX):
        path = Path(weights).expanduser()
        side = read_side_file(path)
        if side.model != name:
            raise UserError(f"weights={path}: of {side.model} (its side file says), but model.name={name}")
        return path
    if weights.endswith(OTHER_SUFFIXES) or "/" in weights:
        raise UserError(f"weights={weights}: save the weights as {SUFFIX}, with their side file beside them")
    return find_tag(weights, check_tag(name, weights))
