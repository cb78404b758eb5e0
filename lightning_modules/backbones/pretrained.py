"""Backbones with weights: random, from a file, or those of timm; never others than were asked for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import BufferingHandler
from typing import Any

import torch
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file, sha256_of_value
from karyocyte.config.schema import ModelConfig, PretrainedConfig
from lightning_modules.backbones.backbone import (
    Backbone,
    build_backbone,
    create_network,
    finish_backbone,
    has_running_statistics,
    image_scale,
)
from lightning_modules.backbones.truncation import ImageSize
from lightning_modules.backbones.weights_folders import WeightsFolders


@dataclass(frozen=True)
class WeightsInfo:
    """What a backbone's weights are, and the mean and standard deviation of the images that they want, in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    sha256: str | None  # of the file's bytes, 64 hex digits; None for random weights
    freeze_batchnorm: bool  # true where BatchNorm must stay in eval mode in every stage
    args: dict[str, Any]  # timm's arguments that the network was built with, those of the weights among them

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
        weights: ``random``; ``keras``, those that Keras publishes; ``pip``, those of an installed package; the name of
            a file in ``weights_dir`` (``resnet50_v1.msra_in1k``); one of timm's tags for this network
            (``resnet50.tv_in1k``); the path of a ``.safetensors`` or ``.pth`` file; or timm's forms
            ``hf-hub:<owner>/<repository>`` and ``local-dir:<folder>``, whose config.json says what the weights are.
        input_size: Of the images, in pixels.
        pretrained: The scale of the images, where it is another one.
        folders: A name is looked for there before it is downloaded.

    Raises:
        UserError: Anything about the model or its weights that the user must correct.
    """
    if weights == "random":
        backbone = build_backbone(model.name, model.args, model.cut, input_size)
        usual_mean, usual_std = image_scale(backbone.module)
        scale = pretrained.mean or usual_mean, pretrained.std or usual_std
        return backbone, WeightsInfo(*scale, None, False, model.args)
    from lightning_modules.backbones.find_weights import find_weights, load_file  # here: it needs the hub's client

    found = find_weights(model, weights, folders)
    args = {**found.args, **model.args}
    if found.config is None:
        backbone = build_backbone(model.name, args, model.cut, input_size)
        load_file(backbone, found.path)
    else:
        # timm loads the whole network, which is then cut: it knows how each of its files is converted.
        with _complete_loading(weights):
            network = create_network(model.name, args, input_size, pretrained=True, pretrained_cfg=found.config)
        backbone = finish_backbone(network, model.cut, input_size)
    known = found.scale or (None, None)
    mean, std = pretrained.mean or known[0], pretrained.std or known[1]
    if mean is None or std is None:
        remedy = "add pretrained.mean=[R,G,B] and pretrained.std=[R,G,B], of images in [0, 1]"
        raise UserError(f"weights={weights}: nothing says the scale of the images that it was trained with: {remedy}")
    return backbone, WeightsInfo(mean, std, sha256_of_file(found.path), _is_folded(backbone.module), args)


def _is_folded(backbone: nn.Module) -> bool:
    """Tell whether BatchNorm was folded into the convolutions of a trained network: every mean that it keeps is 0."""
    means = [module.get_buffer("running_mean") for module in backbone.modules() if has_running_statistics(module)]
    return bool(means) and not any(map(torch.any, means))


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
