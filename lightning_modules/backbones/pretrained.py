"""Backbones with weights: random, from a file with a side file, or those of timm; never others than were asked for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file, sha256_of_value
from karyocyte.config.schema import ModelConfig, PretrainedConfig
from lightning_modules.backbones.backbone import Backbone, build_backbone, create_network, finish_backbone, image_scale
from lightning_modules.backbones.truncation import ImageSize
from lightning_modules.backbones.weights_folders import WeightsFolders


@dataclass(frozen=True)
class WeightsInfo:
    """What a backbone's weights are, and the mean and standard deviation of the images that they want, in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str | None  # of the file's bytes, 64 hex digits; None for random weights
    freeze_batchnorm: bool  # true where BatchNorm must stay in eval mode in every stage
    args: dict[str, Any]  # timm's arguments that the network was built with, the side file's among them

    def content_hash(self) -> str:
        """Return a SHA-256 (64 hex digits) over all that changes what the network computes, wherever the file lies."""
        return sha256_of_value([self.sha256, self.mean, self.std, self.freeze_batchnorm, self.args])


def build_pretrained(
    model: ModelConfig,
    weights: str,
    input_size: ImageSize,
    pretrained: PretrainedConfig = PretrainedConfig(),  # noqa: B008 (frozen)
    folders: WeightsFolders = WeightsFolders(),  # noqa: B008 (frozen)
) -> tuple[Backbone, WeightsInfo]:
    """Build the backbone that ``model`` describes, with its weights.

    Args:
        model: Name, timm arguments and cut of the network.
        weights: ``random``; ``keras``, those that Keras publishes; the name of a file in ``weights_dir``
            (``resnet50_v1.msra_in1k``); one of timm's tags for this network (``resnet50.tv_in1k``); the path of a
            ``.safetensors`` file with its side file; or timm's forms ``hf-hub:<owner>/<repository>`` and
            ``local-dir:<folder>``, whose config.json says what the weights are.
        input_size: Of the images, in pixels.
        pretrained: What becomes of modules that a file lacks.
        folders: A name is looked for there before it is downloaded.

    Raises:
        UserError: Anything about the model or its weights that the user must correct.
    """
    if weights == "random":
        backbone = build_backbone(model.name, model.args, model.cut, input_size)
        return backbone, WeightsInfo(*image_scale(backbone.module), None, False, model.args)
    from lightning_modules.backbones.find_weights import find_weights  # here: it needs the client of the hub

    found = find_weights(model, weights, folders)
    if found.facts is None:
        return _from_file(model, found.path, input_size, pretrained)
    args = {**found.args, **model.args}
    # timm loads the whole network, which is then cut: it knows how each of its files is converted.
    with _complete_loading(weights):
        network = create_network(model.name, args, input_size, pretrained=True, pretrained_cfg=found.facts)
    backbone = finish_backbone(network, model.cut, input_size)
    mean, std = tuple(found.facts.mean), tuple(found.facts.std)
    return backbone, WeightsInfo(mean, std, sha256_of_file(found.path), False, args)


def _from_file(
    model: ModelConfig, path: Path, input_size: ImageSize, pretrained: PretrainedConfig
) -> tuple[Backbone, WeightsInfo]:
    from lightning_modules.backbones.find_weights import load_file, merge_arguments, read_side_file

    side = read_side_file(path)
    args = merge_arguments(model.args, side, path)
    backbone = build_backbone(model.name, args, model.cut, input_size)
    load_file(backbone, path, side, pretrained.missing == "random")
    return backbone, WeightsInfo(side.mean, side.std, sha256_of_file(path), side.freeze_batchnorm, args)


@contextmanager
def _complete_loading(weights: str) -> Iterator[None]:
    """Make an error of what timm only logs: that the weights which it loads lack some of the network's keys."""
    logger = logging.getLogger("timm.models._builder")
    listener = BufferingHandler(capacity=10_000)
    before = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(listener)
        logger.level, logger.propagate = before
    for message in map(logging.LogRecord.getMessage, listener.buffer):
        if message.startswith(("Missing keys", "Unable to convert", "Invalid pretrained")):
            raise UserError(f"weights={weights}: the file does not hold the whole network: {message[:160]}")
