"""What finds the chromosomes of a picture: detectors, and a refiner, which scores and moves their boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cytogenetics.metaphases.data.picture import network_picture
from cytogenetics.metaphases.data.proposals import Proposed, moved_boxes, proposal_images
from cytogenetics.metaphases.networks.trained import (
    TrainedDetector,
    TrainedRefiner,
    load_detector,
    load_refiner,
    together,
)
from scipy.special import expit, logit

ZOOMS = (1.0, 1.2)  # times its scale, at which a single detector looks at a picture; of several, each looks once
LEAST_SCORE = 0.08  # of the detectors, of a box that is refined
EDGE = 1e-6  # least and, from 1, largest score


class FoundBoxes(NamedTuple):
    """The boxes of a picture."""

    boxes: np.ndarray  # left, top, right, bottom in pixels of the picture, float32, shape (n, 4)
    probabilities: np.ndarray  # that a box holds a chromosome, calibrated, float64, shape (n,)


@dataclass(frozen=True, eq=False)
class BoxFinder:
    """Detectors, and what refines their boxes; without it, the probabilities are those of the first detector."""

    detectors: Sequence[TrainedDetector]
    refiner: TrainedRefiner | None = None

    @classmethod
    def load(cls, detectors: Sequence[Path], refiner: Path | None) -> "BoxFinder":
        """Load the networks from folders of finished runs or of exports.

        Raises:
            UserError: A folder holds none, or its files are missing, changed or damaged.
        """
        return cls([load_detector(folder) for folder in detectors], load_refiner(refiner) if refiner else None)

    @property
    def scales(self) -> list[float]:
        """At what share of its size each detector sees a picture."""
        return [detector.description.scale for detector in self.detectors]

    def _found_in_each_way(self, image: np.ndarray) -> list[Proposed]:
        found = []
        for detector in self.detectors:
            for zoom in ZOOMS if len(self.detectors) == 1 else ZOOMS[:1]:
                scale = detector.description.scale * zoom
                found.append(detector.find(network_picture(image, scale), scale))
        return found

    def proposals(self, image: np.ndarray) -> list[Proposed]:
        """Return what a refiner sees of a picture, uint8 RGB, (H, W, 3): by all detectors, then in each way."""
        found = self._found_in_each_way(image)
        proposals = []
        for boxes, scores in [together(found), *found]:
            kept = scores >= LEAST_SCORE
            proposals.append((boxes[kept], scores[kept]))
        return proposals

    def find(self, image: np.ndarray) -> FoundBoxes:
        """Find the chromosomes of a picture, uint8 RGB, (H, W, 3)."""
        if self.refiner is None:
            boxes, scores = together(self._found_in_each_way(image))
            slope, intercept = self.detectors[0].description.calibration
            return FoundBoxes(boxes, expit(slope * logits_of(scores) + intercept))
        boxes, scores = self.proposals(image)[0]
        shown = proposal_images(network_picture(image, 1.0), boxes, np.arange(len(boxes)))
        refined, offsets = self.refiner.module.refine(shown.images, shown.sizes)
        *slopes, intercept = self.refiner.description.calibration
        evidence = np.column_stack([logits_of(scores), refined])
        return FoundBoxes(moved_boxes(boxes, offsets, shown.sides), expit(evidence @ slopes + intercept))


def logits_of(scores: np.ndarray) -> np.ndarray:
    """Return the logits of scores, 0 to 1, float64."""
    return np.asarray(logit(scores.astype(np.float64).clip(EDGE, 1 - EDGE)))
