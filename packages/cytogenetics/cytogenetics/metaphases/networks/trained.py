"""Trained detectors, refiners and cutters, from their runs or from folders that need no run."""

import math
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from cytogenetics.config.networks import REFINED_SIDE, DetectorConfig, MetaphaseConfig
from cytogenetics.metaphases.networks.cutter import Cutter
from cytogenetics.metaphases.networks.detector import Detector
from cytogenetics.metaphases.networks.network import CentreDecoder, levels_of
from cytogenetics.metaphases.networks.picture_network import PictureNetwork
from cytogenetics.metaphases.networks.refiner import BoxRefiner, RefinerHead
from cytogenetics.portable.pictures import DETECTOR_FACTS, DetectorDescription, picture_network
from karyocyte.common.errors import UserError
from karyocyte.common.files import read_whole_json
from karyocyte.runs.facts import ModelFacts
from karyocyte.runs.portable import BackboneFacts, Licence, PortableFolder, read_description, training_command
from karyocyte.runs.run import Run
from lightning_modules.backbones.backbone import Backbone, build_backbone
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.support.checkpoint_io import load_checkpoint, load_exported

Network = TypeVar("Network", bound=PictureNetwork)
NETWORKS: dict[str, type[PictureNetwork]] = {one.kind: one for one in (Detector, Cutter, BoxRefiner)}


def load(folder: Path, network: type[Network]) -> Network:
    """Load a network of a class from the folder of a finished run or of an export, to a GPU where torch sees one.

    Raises:
        UserError: The folder holds none, or its files are missing, changed or damaged.
    """
    kind = network.kind
    of_run = (folder / DETECTOR_FACTS).is_file()
    if picture_network(folder) != kind:
        raise UserError(f"{folder} holds no {kind}: train one (python train.py --config-name {kind}) and name its run")
    description = describe(Run.open_finished(folder)) if of_run else read_description(folder, DetectorDescription)
    module = build(description)
    assert isinstance(module, network)
    if of_run:
        load_checkpoint(module, Run(folder).best_checkpoint)
    else:
        load_exported(module, PortableFolder(folder).checked(folder / description.weights))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.eval().to(device=device, memory_format=torch.channels_last)
    module.description = description
    return module


def build(description: DetectorDescription) -> PictureNetwork:
    """Build the network of a description with random weights."""
    network = description.network
    side = REFINED_SIDE if description.kind == "refiner" else 64
    backbone = build_backbone(network.name, network.args, network.cut, (side, side))
    head = build_head(description.kind, backbone, description.width)
    facts = ModelFacts(list(network.mean), list(network.std), network.args)
    return NETWORKS[description.kind](backbone.module, head, facts, TrainingSettings())


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


def describe(run: Run) -> DetectorDescription:
    """Describe the network of a finished run on pictures of metaphases, which was evaluated."""
    config, model = run.any_config, run.model
    assert isinstance(config, MetaphaseConfig)
    width, scale = 0, 1.0
    if isinstance(config, DetectorConfig):
        width, scale = config.decoder.width, config.prepare.canvas.scale
    facts = read_whole_json(run.checked(DETECTOR_FACTS))
    backbone = BackboneFacts(
        name=config.model.name, args=model.args, cut=config.model.cut, mean=tuple(model.mean), std=tuple(model.std)
    )
    return DetectorDescription(
        kind=config.recipe,
        network=backbone,
        width=width,
        scale=scale,
        calibration=tuple(facts["calibration"]),
        evaluation=facts["evaluation"],
        command=training_command(run),
        licence=Licence(weights=None),
        revision="",
    )
