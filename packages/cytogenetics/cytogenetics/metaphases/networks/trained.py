"""Trained detectors, refiners and cutters, from their runs or from folders that need no run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from cytogenetics.config.networks import REFINED_SIDE, DetectorConfig, MetaphaseConfig
from cytogenetics.images.boxes import overlaps
from cytogenetics.metaphases.networks.cutter import Cutter
from cytogenetics.metaphases.networks.detector import Detector
from cytogenetics.metaphases.networks.network import CentreDecoder, levels_of
from cytogenetics.metaphases.networks.refiner import BoxRefiner, RefinerHead
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.common.files import read_whole_json, sha256_of_file
from karyocyte.runs.facts import ModelFacts
from karyocyte.runs.portable import (
    CODE_LICENCE,
    DETECTOR_FACTS,
    DetectorDescription,
    Licence,
    picture_network,
    read_description,
    training_command,
)
from karyocyte.runs.portable_folder import REMEDY, BackboneFacts, PictureNetworks
from karyocyte.runs.run import Run
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.optimizers import TrainingSettings
from lightning_modules.support.checkpoint_io import load_checkpoint, load_exported

SAME = 0.6  # intersection over union, from which on boxes that were found at two scales are of one chromosome
MULTIPLE = 32  # of pixels that height and width are padded to


@dataclass(frozen=True, eq=False)
class TrainedDetector:
    """A detector with its weights, on the CPU or, where torch sees one, a GPU."""

    description: DetectorDescription
    module: Detector

    @torch.inference_mode()
    def find(self, picture: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Find the chromosomes of a picture, bright on black, uint8 gray, (H, W), that is scaled by ``scale``.

        Returns:
            Boxes in pixels of the picture before it was scaled, float32, (n, 4), and their scores, float32, (n,).
        """
        height, width = picture.shape
        padded = np.pad(picture, ((0, -height % MULTIPLE), (0, -width % MULTIPLE)))
        batch = torch.from_numpy(padded)[None, None].to(self.module.device).float() / 255
        boxes, scores = (one[0].cpu().numpy() for one in self.module.find_in_all_orientations(batch))
        kept = scores > 0
        limits = np.array([width, height] * 2, np.float32)
        return boxes[kept].clip(0, limits) / np.float32(scale), scores[kept]


def together(found: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes, (n, 4), and scores, (n,), of one picture that were found in several ways, as one of each.

    A box is the mean of those that are found in these ways, weighed by their scores; its score is their mean, in which
    a box that is not found counts 0. The most certain is the first.
    """
    boxes = np.concatenate([boxes for boxes, _ in found])
    scores = np.concatenate([scores for _, scores in found])
    ways = np.repeat(np.arange(len(found)), [len(scores) for _, scores in found])
    overlap = overlaps(boxes, boxes)
    free = np.ones(len(boxes), bool)
    kept = []
    for row in np.argsort(-scores, kind="stable"):
        if not free[row]:
            continue
        same = [row]
        for way in range(len(found)):
            others = np.where(free & (ways == way), overlap[row], 0.0)
            if way != ways[row] and others.max(initial=0.0) >= SAME:
                same.append(int(others.argmax()))
        free[same] = False
        kept.append((np.average(boxes[same], axis=0, weights=scores[same]), scores[same].sum() / len(found)))
    kept.sort(key=lambda one: -one[1])
    mean = np.array([box for box, _ in kept], np.float32).reshape(-1, 4)
    return mean, np.array([score for _, score in kept], np.float32)


@dataclass(frozen=True, eq=False)
class TrainedRefiner:
    """A refiner with its weights, likewise."""

    description: DetectorDescription
    module: BoxRefiner


def load_detector(folder: Path) -> TrainedDetector:
    """Load a detector from the folder of a finished run or of an export; errors are those of ``load``."""
    description, module = load(folder, "detector")
    assert isinstance(module, Detector)
    return TrainedDetector(description, module)


def load_cutter(folder: Path) -> Cutter:
    """Load a cutter from the folder of a finished run or of an export; errors are those of ``load``."""
    _, module = load(folder, "cutter")
    assert isinstance(module, Cutter)
    return module


def load_refiner(folder: Path) -> TrainedRefiner:
    """Load a refiner of boxes, likewise."""
    description, module = load(folder, "refiner")
    assert isinstance(module, BoxRefiner)
    return TrainedRefiner(description, module)


def load(folder: Path, kind: PictureNetworks) -> tuple[DetectorDescription, Detector | Cutter | BoxRefiner]:
    """Load a network of a kind from the folder of a finished run or of an export, to where it computes fastest.

    Raises:
        UserError: The folder holds none, or its files are missing, changed or damaged.
    """
    of_run = (folder / DETECTOR_FACTS).is_file()
    if picture_network(folder) != kind:
        raise UserError(f"{folder} holds no {kind}: train one (python train.py --config-name {kind}) and name its run")
    if of_run:
        run = Run.open_finished(folder)
        description = describe(run)
        module = build(description)
        load_checkpoint(module, run.best_checkpoint)
    else:
        description = read_description(folder, kind)
        module = build(description)
        weights = folder / description.weights
        if not weights.is_file() or sha256_of_file(weights) != description.sha256:
            raise UserError(f"{weights} is missing, or was changed since it was exported: {REMEDY}")
        load_exported(module, weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.eval().to(device=device, memory_format=torch.channels_last)
    return description, module


def build(description: DetectorDescription) -> Detector | Cutter | BoxRefiner:
    """Build the network of a description with random weights."""
    network = description.network
    side = REFINED_SIDE if description.kind == "refiner" else 64
    built = build_backbone(network.name, network.args, network.cut, (side, side))
    backbone = built.module
    facts = ModelFacts(list(network.mean), list(network.std), network.args)
    if description.kind == "cutter":
        return Cutter(backbone, nn.Conv2d(built.out_shape[0], 1, 1), facts, TrainingSettings())
    if description.kind == "refiner":
        channels, *places = built.out_shape
        return BoxRefiner(backbone, RefinerHead(channels, math.prod(places)), facts, TrainingSettings())
    with torch.no_grad():
        levels = levels_of(backbone.eval(), torch.zeros(1, 3, 64, 64))
    decoder = CentreDecoder([level.shape[1] for level in levels], description.width)
    return Detector(backbone, decoder, facts, TrainingSettings())


def describe(run: Run) -> DetectorDescription:
    """Describe the network of a finished run on pictures of metaphases, which was evaluated."""
    config, model = run.any_config, run.model
    assert isinstance(config, MetaphaseConfig)
    width, scale = 0, 1.0
    if isinstance(config, DetectorConfig):
        width, scale = config.decoder.width, config.prepare.canvas.scale
    facts = read_whole_json(run.folder / DETECTOR_FACTS)
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
        licence=Licence(CODE_LICENCE, None),
        revision="",
        sha256="",
    )
