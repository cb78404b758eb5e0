"""What finds the chromosomes of a picture: detectors, a refiner, which scores and moves their boxes, and a cutter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from cytogenetics.images.boxes import overlaps
from cytogenetics.metaphases.data.cut_out import CutOut, cut_out, cut_out_by, network_picture
from cytogenetics.metaphases.data.proposals import Proposed, proposal_images
from cytogenetics.metaphases.networks.cutter import Cutter
from cytogenetics.metaphases.networks.detector import Detector
from cytogenetics.metaphases.networks.refiner import BoxRefiner, moved_boxes
from cytogenetics.metaphases.networks.trained import load

ZOOMS = (1.0, 1.2)  # times its scale, at which a single detector looks at a picture; of several, each looks once
SAME = 0.6  # intersection over union, from which on boxes that were found at two scales are of one chromosome
LEAST_SCORE = 0.08  # of the detectors, of a box that is refined
EDGE = 1e-6  # least and, from 1, largest score


@dataclass(frozen=True, eq=False)
class BoxFinder:
    """Detectors; what refines their boxes, without which the probabilities are those of the first; and a cutter."""

    detectors: Sequence[Detector]
    refiner: BoxRefiner | None = None
    cut_out: Callable[[np.ndarray, np.ndarray], list[CutOut]] = field(default=cut_out)  # chromosomes out of their boxes

    @classmethod
    def load(cls, detectors: Sequence[Path], refiner: Path | None, cutter: Path | None = None) -> "BoxFinder":
        """Load the networks from folders of finished runs or of exports.

        Raises:
            UserError: A folder holds none, or its files are missing, changed or damaged.
        """
        return cls(
            [load(folder, Detector) for folder in detectors],
            load(refiner, BoxRefiner) if refiner else None,
            partial(cut_out_by, load(cutter, Cutter).probabilities) if cutter else cut_out,
        )

    @property
    def scales(self) -> list[float]:
        """At what share of its size each detector sees a picture."""
        return [detector.description.scale for detector in self.detectors]

    def _found_in_each_way(self, image: np.ndarray) -> list[Proposed]:
        found = []
        for detector in self.detectors:
            for zoom in ZOOMS if len(self.detectors) == 1 else ZOOMS[:1]:
                scale = detector.description.scale * zoom
                found.append(detector.find_in_picture(network_picture(image, scale), scale))
        return found

    def proposals(self, image: np.ndarray) -> list[Proposed]:
        """Return what a refiner sees of a picture, uint8 RGB, (H, W, 3): by all detectors, then in each way."""
        found = self._found_in_each_way(image)
        proposals = []
        for boxes, scores in [mean_boxes(found), *found]:
            kept = scores >= LEAST_SCORE
            proposals.append((boxes[kept], scores[kept]))
        return proposals

    def find(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the chromosomes of a picture, uint8 RGB, (H, W, 3).

        Returns:
            Boxes in pixels of the picture, float32, (n, 4), and the calibrated probabilities that each holds a
            chromosome, float64, (n,).
        """
        if self.refiner is None:
            boxes, scores = mean_boxes(self._found_in_each_way(image))
            slope, intercept = self.detectors[0].description.facts.calibration
            return boxes, expit(slope * logits_of(scores) + intercept)
        boxes, scores = self.proposals(image)[0]
        by_detectors = logits_of(scores)
        shown = proposal_images(network_picture(image, 1.0), boxes, np.arange(len(boxes)))
        refined, offsets = self.refiner.refine(shown.images, shown.sizes)
        *slopes, intercept = self.refiner.description.facts.calibration
        evidence = np.column_stack([by_detectors, refined])
        return moved_boxes(boxes, offsets, shown.sides), expit(evidence @ slopes + intercept)


def mean_boxes(found: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
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


def logits_of(scores: np.ndarray) -> np.ndarray:
    """Return the logits of scores, 0 to 1, float64."""
    return np.asarray(logit(scores.astype(np.float64).clip(EDGE, 1 - EDGE)))
