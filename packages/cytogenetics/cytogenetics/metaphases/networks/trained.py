"""Trained detectors, refiners and cutters, from their runs or from folders that need no run."""

import math
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from cytogenetics.config.networks import REFINED_SIDE
from cytogenetics.metaphases.networks.cutter import Cutter
from cytogenetics.metaphases.networks.detector import Detector
from cytogenetics.metaphases.networks.network import CentreDecoder, levels_of
from cytogenetics.metaphases.networks.picture_network import PictureNetwork
from cytogenetics.metaphases.networks.refiner import BoxRefiner, RefinerHead
from cytogenetics.trained.pictures import DetectorDescription, describe, picture_network
from karyocyte.common.errors import UserError
from karyocyte.runs.run import Run
from lightning_modules.backbones.backbone import Backbone, build_backbone
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.support.checkpoint_io import load_weights

Network = TypeVar("Network", bound=PictureNetwork)
NETWORKS: dict[str, type[PictureNetwork]] = {one.kind: one for one in (Detector, Cutter, BoxRefiner)}


def load(folder: Path, network: type[Network]) -> Network:
    """Load a network of a class from the folder of a finished run or of an export, to a GPU where torch sees one.

    Raises:
        UserError: The folder holds none, or its files are missing, changed or damaged.
    """
    kind = network.kind
    if picture_network(folder) != kind:
        raise UserError(f"{folder} holds no {kind}: train one (python train.py --config-name {kind}) and name its run")
    run = Run.open_trained(folder)
    description = describe(run)
    module = build(description)
    assert isinstance(module, network)
    load_weights(module, run.best_checkpoint)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.eval().to(device=device, memory_format=torch.channels_last)
    module.description = description
    return module


def build(description: DetectorDescription) -> PictureNetwork:
    """Build the network of a description with random weights."""
    settings, network = description.settings, description.network
    side = REFINED_SIDE if settings.recipe == "refiner" else 64
    backbone = build_backbone(settings.model.name, network.args, settings.model.cut, (side, side))
    head = build_head(settings.recipe, backbone, description.width)
    return NETWORKS[settings.recipe](backbone.module, head, network, TrainingSettings())


def build_head(kind: str, backbone: Backbone, width: int) -> Any:
    """Build what reads the features of a backbone; ``width`` is that of a detector's decoder.

    Raises:
        UserError: The backbone of a detector is no ResNet.
    """
    channels, *places = backbone.out_shape
    if kind == "cutter":
        return nn.Conv2d(channels, 1, 1)
    if kind == "refiner":
        return RefinerHead(channels, math.prod(places))
    with torch.no_grad():
        levels = levels_of(backbone.module.eval(), torch.zeros(1, 3, 64, 64))
    return CentreDecoder([level.shape[1] for level in levels], width)
