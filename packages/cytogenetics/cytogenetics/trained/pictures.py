"""What is known of a trained detector, cutter or refiner, and of those in models/; and what a model knows of cells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter, ValidationError

from cytogenetics.config.networks import DecoderConfig, PictureConfig
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from karyocyte.common.errors import UserError, first_fault
from karyocyte.common.files import read_json
from karyocyte.common.paths import ROOT
from karyocyte.inference.models import RunsModel
from karyocyte.runs.facts import BackboneSettings, ModelFacts
from karyocyte.runs.run import EXPORT_AGAIN, Run

PictureNetworks = Literal["detector", "cutter", "refiner"]  # of pictures of metaphases
BUILT_IN = ROOT / "models" / "chromosomes"  # what names karyotypes where no model is named
BUILT_IN_DETECTOR = ROOT / "models" / "metaphases"  # and what finds chromosomes in pictures
BUILT_IN_DETECTORS = (BUILT_IN_DETECTOR, ROOT / "models" / "metaphases_turned")  # together
BUILT_IN_CUTTER = ROOT / "models" / "cutter"  # what cuts chromosomes out of boxes
BUILT_IN_REFINER = ROOT / "models" / "refiner"  # and what scores and moves the boxes that both find
CELLS = "cells"  # the key of ``more`` in the export.json of a classifier: what it knows of whole cells
DETECTOR_FACTS = "detector.json"  # of a detector, cutter or refiner: its calibration and evaluation


@dataclass(frozen=True)
class PictureSettings:
    """The keys of the configuration of a detector, a cutter or a refiner that its use depends on."""

    recipe: PictureNetworks
    model: BackboneSettings


@dataclass(frozen=True)
class DetectorSettings(PictureSettings):
    """The same of a detector."""

    decoder: DecoderConfig
    prepare: PictureConfig


@dataclass(frozen=True)
class PictureFacts:
    """The content of detector.json."""

    # slope and intercept of the logit of the probability of a box over that of its score; of a refiner the slopes over
    # the logits of the score of the detectors and of its own two, and the intercept
    calibration: tuple[float, ...]
    evaluation: list[dict[str, Any]]  # the rows of its evaluation: metric, value, low, high


@dataclass(frozen=True)
class DetectorDescription:
    """What is known of a trained detector, cutter or refiner."""

    settings: PictureSettings
    facts: PictureFacts
    network: ModelFacts

    @property
    def width(self) -> int:
        """Channels of the decoder; 0 of the others, which have none."""
        return self.settings.decoder.width if isinstance(self.settings, DetectorSettings) else 0

    @property
    def scale(self) -> float:
        """Of the pictures that the network sees."""
        return self.settings.prepare.canvas.scale if isinstance(self.settings, DetectorSettings) else 1.0


def describe(run: Run) -> DetectorDescription:
    """Describe the network of an evaluated run on pictures of metaphases, or of its export.

    Raises:
        UserError: A file is missing, changed or damaged.
    """
    settings = run.settings(DetectorSettings if run.recipe == "detector" else PictureSettings)
    path = run.checked(DETECTOR_FACTS)
    try:
        facts = TypeAdapter(PictureFacts).validate_python(read_json(path))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}: evaluate the run again, or {EXPORT_AGAIN}") from error
    return DetectorDescription(settings, facts, run.model)


def picture_network(folder: Path) -> str | None:
    """Return which of `PictureNetworks` a folder holds, exported or as an evaluated run; None for none of them."""
    run = Run(folder)
    return run.recipe if run.checked(DETECTOR_FACTS).is_file() and run.recipe in get_args(PictureNetworks) else None


@dataclass(frozen=True)
class Calibration:
    """What makes the probabilities of a run, or of an ensemble, those of the chromosomes of a cell."""

    # of each member, which its log-probabilities are divided by before they are combined
    temperatures: tuple[float, ...]
    combined: float  # the temperature of what they are combined to
    balanced: bool  # whether the members have learned equal shares of the classes
    notes: tuple[str, ...] = ()  # what limits the temperatures


@dataclass(frozen=True, kw_only=True)
class CellFacts(Calibration):
    """What the karyotypes of cells are named with, beside the probabilities of chromosomes."""

    thresholds: CellThresholds  # above what a cell is referred


def cell_facts(model: RunsModel) -> CellFacts | None:
    """Return what an export knows of cells; None of runs, which choose it, and of what names no chromosomes."""
    if model.export is None or CELLS not in model.export.more:
        return None
    return TypeAdapter(CellFacts).validate_python(model.export.more[CELLS])
