"""Trained detectors and cutters, from their runs or from folders that need no run."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from scipy.special import expit, logit
from torch import nn

from karyocyte.common.errors import UserError, first_fault
from karyocyte.common.files import read_whole_json, sha256_of_file
from karyocyte.common.runs.files import PortableFile
from karyocyte.common.runs.portable import DETECTOR_FACTS, DETECTOR_KIND, training_command
from karyocyte.common.runs.portable_folder import REMEDY
from karyocyte.common.runs.run import ModelFacts, Run
from lightning_modules.backbones.backbone import build_backbone
from lightning_modules.checkpoint_io import load_checkpoint, load_exported
from lightning_modules.detection.cutter import Cutter
from lightning_modules.detection.detector import Detector
from lightning_modules.detection.network import CentreDecoder, levels_of
from lightning_modules.optimizers import TrainingSettings

FORMAT = 1
CUTTER_KIND = "karyocyte portable cutter"
EXPERIMENTS = {DETECTOR_KIND: "metaphase_detector", CUTTER_KIND: "chromosome_cutter"}
WEIGHTS = {DETECTOR_KIND: "detector.safetensors", CUTTER_KIND: "cutter.safetensors"}
MULTIPLE = 32  # of pixels that height and width are padded to


class FoundBoxes(NamedTuple):
    """The boxes of a picture, the most certain first."""

    boxes: np.ndarray  # left, top, right, bottom in pixels of the scaled picture, float32, shape (n, 4)
    probabilities: np.ndarray  # that a box holds a chromosome, calibrated, float64, shape (n,)


@dataclass(frozen=True, kw_only=True)
class Description:
    """The content of model.json."""

    kind: str  # DETECTOR_KIND or CUTTER_KIND
    name: str  # timm's name of the backbone
    args: dict[str, Any]  # its further arguments
    cut: str | None  # the module that it ends with; None for the whole network
    width: int  # channels of the decoder; 0 of a cutter, which has none
    mean: tuple[float, ...]  # of the channels, which images in [0, 1] are normalised with
    std: tuple[float, ...]  # their standard deviations
    scale: float  # of the pictures that the network sees
    # slope and intercept of the logit of the probability of a box over that of its score
    calibration: tuple[float, float]
    evaluation: list[dict[str, Any]]  # the rows of its evaluation: metric, value, low, high
    command: str | None  # that trained it, without the places of files; None where it is not known
    licence: str | None = None  # of the weights; None where nobody has stated it
    data_notes: str = ""  # what is to be said of the data, as Markdown
    revision: str = ""
    sha256: str = ""  # of the weights; "" in a run
    format: int = field(default=FORMAT)

    def build(self) -> Detector | Cutter:
        """Build the network with random weights."""
        built = build_backbone(self.name, self.args, self.cut, (64, 64))
        backbone = built.module
        facts = ModelFacts(list(self.mean), list(self.std), self.args)
        if self.kind == CUTTER_KIND:
            return Cutter(backbone, nn.Conv2d(built.out_shape[0], 1, 1), facts, TrainingSettings())
        with torch.no_grad():
            levels = levels_of(backbone.eval(), torch.zeros(1, 3, 64, 64))
        decoder = CentreDecoder([level.shape[1] for level in levels], self.width)
        return Detector(backbone, decoder, facts, TrainingSettings())


_DESCRIPTION = TypeAdapter(Description)


@dataclass(frozen=True, eq=False)
class TrainedDetector:
    """A detector with its weights, on the CPU or, where torch sees one, a GPU."""

    description: Description
    module: Detector

    @torch.inference_mode()
    def find(self, picture: np.ndarray) -> FoundBoxes:
        """Find the chromosomes of a picture, bright on black, uint8 gray, shape (H, W), scaled by ``scale``."""
        height, width = picture.shape
        padded = np.pad(picture, ((0, -height % MULTIPLE), (0, -width % MULTIPLE)))
        batch = torch.from_numpy(padded)[None, None].to(self.module.device).float() / 255
        boxes, scores = (one[0].cpu().numpy() for one in self.module.find(batch))
        kept = scores > 0
        slope, intercept = self.description.calibration
        logits = slope * logit(scores[kept].astype(np.float64).clip(1e-6, 1 - 1e-6)) + intercept
        limits = np.array([width, height] * 2, np.float32)
        return FoundBoxes(boxes[kept].clip(0, limits), expit(logits))


def load_detector(folder: Path) -> TrainedDetector:
    """Load a detector from the folder of a finished run or of an export; errors are those of ``load``."""
    description, module = load(folder, DETECTOR_KIND)
    assert isinstance(module, Detector)
    return TrainedDetector(description, module)


def load_cutter(folder: Path) -> Cutter:
    """Load a cutter from the folder of a finished run or of an export; errors are those of ``load``."""
    _, module = load(folder, CUTTER_KIND)
    assert isinstance(module, Cutter)
    return module


def load(folder: Path, kind: str) -> tuple[Description, Detector | Cutter]:
    """Load a network of a kind from the folder of a finished run or of an export, to where it computes fastest.

    Raises:
        UserError: The folder holds none, or its files are missing, changed or damaged.
    """
    path = folder / PortableFile.MODEL
    of_run = (folder / DETECTOR_FACTS).is_file()
    try:
        if of_run:
            description = describe(Run.open_finished(folder))
        elif path.is_file():
            description = _DESCRIPTION.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}: {REMEDY}") from error
    if not (of_run or path.is_file()) or description.kind != kind:
        named = EXPERIMENTS[kind].split("_")[1]
        raise UserError(f"{folder} holds no {named}: train one (+experiment={EXPERIMENTS[kind]}) and name its run")
    module = description.build()
    if of_run:
        load_checkpoint(module, Run.open_finished(folder).best_checkpoint)
    else:
        weights = folder / WEIGHTS[kind]
        if not weights.is_file() or sha256_of_file(weights) != description.sha256:
            raise UserError(f"{weights} is missing, or was changed since it was exported: {REMEDY}")
        load_exported(module, weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module.eval().to(device=device, memory_format=torch.channels_last)
    return description, module


def describe(run: Run) -> Description:
    """Describe the detector or the cutter of a finished run, which was evaluated."""
    config = run.config
    facts = read_whole_json(run.folder / DETECTOR_FACTS)
    width = 0
    if "kind" not in facts:
        width = int(config.head.layers[0]["centres"])  # type: ignore[index]  # see `build_detector`
    return Description(
        kind=facts.get("kind", DETECTOR_KIND),
        name=config.model.name,
        args=run.model.args,
        cut=config.model.cut,
        width=width,
        mean=tuple(run.model.mean),
        std=tuple(run.model.std),
        scale=float(config.prepare.canvas.scale),
        calibration=tuple(facts["calibration"]),
        evaluation=facts["evaluation"],
        command=training_command(run),
    )
