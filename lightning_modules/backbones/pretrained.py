"""Backbones with weights: random, by timm's tag, or from a file; never another than was asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

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


class ModelChoice(Protocol):
    """What is read of the config's ``model``."""

    name: str
    args: dict[str, Any]
    cut: str | None


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


def build_pretrained(model: ModelChoice, weights: str, input_size: ImageSize) -> tuple[Backbone, WeightsInfo]:
    """Build the backbone that ``model`` describes, with its weights.

    Args:
        model: Name, timm arguments and cut of the network.
        weights: ``random``, one of timm's tags for this network (``resnet50.tv_in1k``), or the path of a
            ``.safetensors`` file (relative to the working directory) with its side file.
        input_size: Of the images: their side, or height and width, in pixels.

    Raises:
        UserError: Anything about the model or its weights that the user must mend.
    """
    path = find_weights(model.name, weights)
    if path is None:
        backbone = build_backbone(model.name, model.args, model.cut, input_size)
        return backbone, _random_info(backbone, model.args)
    if weights.endswith(SUFFIX):
        return _build_from_file(model, path, input_size)
    return _build_from_tag(model, weights, path, input_size)


def find_weights(name: str, weights: str) -> Path | None:
    """Return the local file that ``weights`` means for the network ``name``; None for random weights.

    A tag's file is looked for in the caches, then downloaded.

    Raises:
        UserError: ``name`` is no network, ``weights`` means nothing, the file is missing or of another model, or the
            tag cannot be had.
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


def _random_info(backbone: Backbone, args: dict[str, Any]) -> WeightsInfo:
    config = backbone.module.pretrained_cfg
    return WeightsInfo(tuple(config["mean"]), tuple(config["std"]), RANDOM, None, freeze_batchnorm=False, args=args)


def _build_from_file(model: ModelChoice, path: Path, input_size: ImageSize) -> tuple[Backbone, WeightsInfo]:
    side = read_side_file(path)
    args = merge_arguments(model.args, side, path)
    backbone = build_backbone(model.name, args, model.cut, input_size)
    load_file(backbone.module, backbone.removed, path, side)
    source = side.source or path.name
    return backbone, WeightsInfo(side.mean, side.std, source, sha256_of_file(path), side.freeze_batchnorm, args)


def _build_from_tag(
    model: ModelChoice, weights: str, path: Path, input_size: ImageSize
) -> tuple[Backbone, WeightsInfo]:
    """Load the whole network through timm, which knows how each file is to be converted; cut it then."""
    config = check_tag(model.name, weights)
    # A file from the hub is timm's own format even where its first source, at an address, was another.
    overlay = {"file": str(path), "custom_load": config.custom_load and not config.hf_hub_id}
    timm_args = {"pretrained": True, "pretrained_cfg": weights.partition(".")[2], "pretrained_cfg_overlay": overlay}
    with complete_loading(weights):
        network = create_network(model.name, model.args, input_size, **timm_args)
    backbone = finish_backbone(network, model.name, model.cut, input_size)
    found = sha256_of_file(path)
    return backbone, WeightsInfo(tuple(config.mean), tuple(config.std), weights, found, False, model.args)
