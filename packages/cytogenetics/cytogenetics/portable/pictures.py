"""What is known of a portable detector, cutter or refiner, and of those in models/; and what a model knows of cells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from cytogenetics.karyotypes.thresholds import CellThresholds
from karyocyte.common.paths import ROOT
from karyocyte.runs.portable import WEIGHTS, BackboneFacts, ClassifierDescription, PortableDescription, kind_of
from karyocyte.runs.run import Run

PictureNetworks = Literal["detector", "cutter", "refiner"]  # of pictures of metaphases
BUILT_IN = ROOT / "models" / "chromosomes"  # what names karyotypes where no model is named
BUILT_IN_DETECTOR = ROOT / "models" / "metaphases"  # and what finds chromosomes in pictures
BUILT_IN_DETECTORS = (BUILT_IN_DETECTOR, ROOT / "models" / "metaphases_turned")  # together
BUILT_IN_CUTTER = ROOT / "models" / "cutter"  # what cuts chromosomes out of boxes
BUILT_IN_REFINER = ROOT / "models" / "refiner"  # and what scores and moves the boxes that both find
CELLS = "cells"  # the key of the model.json of a classifier: what it knows of whole cells
DETECTOR_FACTS = "detector.json"  # in the run of a detector, cutter or refiner: its calibration and evaluation


@dataclass(frozen=True, kw_only=True)
class DetectorDescription(PortableDescription):
    """The content of the model.json of a detector, a cutter or a refiner."""

    kind: PictureNetworks
    network: BackboneFacts
    width: int  # channels of the decoder; 0 of the others, which have none
    scale: float  # of the pictures that the network sees
    # slope and intercept of the logit of the probability of a box over that of its score; of a refiner the slopes over
    # the logits of the score of the detectors and of its own two, and the intercept
    calibration: tuple[float, ...]
    evaluation: list[dict[str, Any]]  # the rows of its evaluation: metric, value, low, high
    command: str | None  # that trained it, without the places of files; None where it is not known

    @property
    def weights(self) -> str:
        """The name of the file of the weights."""
        return f"{self.kind}{WEIGHTS}"


def picture_network(folder: Path) -> str | None:
    """Return which of `PictureNetworks` a folder holds, exported or as an evaluated run; None for none of them."""
    kind = Run(folder).raw_config.get("recipe") if (folder / DETECTOR_FACTS).is_file() else kind_of(folder)
    return kind if kind in get_args(PictureNetworks) else None


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


def cell_facts(model: ClassifierDescription) -> CellFacts | None:
    """Return what a portable model knows of cells; None where it does not name the 24 chromosomes."""
    return TypeAdapter(CellFacts).validate_python(model.more[CELLS]) if CELLS in model.more else None
