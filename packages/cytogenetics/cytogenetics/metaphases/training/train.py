"""The recipe of a detector's training: build, fit, predict, evaluate.

Boxes are evaluated by case: on the test pictures, at a threshold chosen on those of validation.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from cytogenetics.config.networks import DetectorConfig
from cytogenetics.images.boxes import average_precision, crossing_boxes, match, overlaps
from cytogenetics.metaphases.box_finder import logits_of
from cytogenetics.metaphases.data.data_module import MetaphaseDataModule
from cytogenetics.metaphases.networks.detector import LEVELS
from cytogenetics.metaphases.training.steps import Found, build_network, fit_and_predict, keep_results
from datamodules.split_datamodule import SplitDataModule
from karyocyte.evaluation.intervals.by_case import by_case
from karyocyte.recipes.recipe import Recipe

DETECTIONS = "detections.parquet"  # boxes of the validation and test pictures, in pixels of the file
RESULTS = "detection.csv"
SIDES = ["left", "top", "right", "bottom"]
THRESHOLDS = np.arange(0.1, 0.91, 0.05)  # of the score, from which one is chosen
WORDS = {
    "ap50": "average precision at IoU 0.5",
    "ap75": "average precision at IoU 0.75",
    "recall": "true boxes found, IoU 0.5",
    "recall_crossing": "crossing boxes found, IoU 0.5",
    "precision": "detections that are right, IoU 0.5",
    "count_exact": "pictures with the right count",
    "count_within_one": "pictures with a count within one",
    "all_right": "pictures with every box right, IoU 0.5",
}


class Detected(NamedTuple):
    """The pictures of a part, by their row of the manifest, and what is detected in them."""

    pictures: pd.DataFrame  # the ``case`` of each, and how many true ``boxes`` it has, ``crossing`` ones among them
    # the ``row`` and ``score`` of each detection, the most certain of a picture first, whether it is right at each of
    # LEVELS, and whether it finds a ``crossing`` box at IoU 0.5
    found: pd.DataFrame

    @classmethod
    def of(cls, found: pd.DataFrame, frame: pd.DataFrame, parts: pd.Series, part: str) -> "Detected":
        """Match detections (columns ``row``, SIDES and ``score``) with the ``boxes`` of a manifest's pictures.

        A picture whose case is not known is a case of its own.
        """
        frame = frame[(parts == part).to_numpy()]
        pictures = pd.DataFrame({"case": frame["subject"].fillna(frame["image_id"]), "boxes": frame["boxes"].map(len)})
        found = found[found["row"].isin(frame.index)].sort_values(["row", "score"], ascending=[True, False])
        found[[*LEVELS, "crossing"]] = False
        for row, boxes in frame["boxes"].items():
            crossing = crossing_boxes(boxes)
            pictures.loc[row, "crossing"] = len(crossing)
            of_picture = found["row"] == row
            overlap = overlaps(found.loc[of_picture, SIDES].to_numpy(np.float64), boxes)
            found.loc[of_picture, "crossing"] = np.isin(match(overlap, LEVELS["ap50"]), crossing)
            for name, least in LEVELS.items():
                found.loc[of_picture, name] = match(overlap, least) >= 0
        return cls(pictures, found)

    def measure(self, kept: np.ndarray, threshold: float) -> dict[str, float]:
        """Return the metrics of WORDS, 0 to 1, on pictures that are ``kept``, bool, and the threshold of the score.

        NaN where there is nothing to measure.
        """
        pictures = self.pictures[kept]
        found = self.found[self.found["row"].isin(pictures.index)]
        values = {}
        for name in LEVELS:
            scores, right = found["score"].to_numpy(np.float64), found[name].to_numpy()
            values[name] = average_precision(scores, right, int(pictures["boxes"].sum()))
        above = found[found["score"] >= threshold].groupby("row")
        counts = above[["ap50", "crossing"]].sum().assign(detected=above.size()).reindex(pictures.index, fill_value=0)
        missed = pictures["boxes"] - counts["ap50"]
        excess = counts["detected"] - pictures["boxes"]
        values["recall"] = _share(counts["ap50"], pictures["boxes"])
        values["recall_crossing"] = _share(counts["crossing"], pictures["crossing"])
        values["precision"] = _share(counts["ap50"], counts["detected"])
        values["count_exact"] = float((excess == 0).mean())
        values["count_within_one"] = float((excess.abs() <= 1).mean())
        values["all_right"] = float(((missed == 0) & (excess == 0)).mean())
        return values | {"threshold": threshold}


def calibrate(evidence: np.ndarray, right: np.ndarray) -> tuple[float, ...]:
    """Return slopes and intercept of the logit of the probability that a box is right, over logits of its scores.

    Fitted to boxes of validation pictures (Platt, 1999): their logits, float64, shape (n, k), and which are right,
    bool, shape (n,). Where all or none are right, the first slope is 1 and the rest 0.
    """
    if right.all() or not right.any():
        return (1.0, *[0.0] * evidence.shape[1])
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(evidence, right)
    return (*map(float, fitted.coef_[0]), float(fitted.intercept_[0]))


def choose_box_threshold(validation: Detected) -> float:
    """Return the score above which detections have the highest F1 at IoU 0.5; 0.5 without pictures."""
    if validation.pictures.empty:
        return 0.5
    boxes = validation.pictures["boxes"].sum()
    best = []
    for threshold in THRESHOLDS:
        right = validation.found["ap50"][validation.found["score"] >= threshold]
        best.append(2 * right.sum() / max(len(right) + boxes, 1))
    return float(THRESHOLDS[int(np.argmax(best))])


def _share(part: pd.Series, whole: pd.Series) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else float("nan")


def write_boxes(found: Found, config: DetectorConfig, folder: Path) -> None:
    """Write a row per box: SIDES in pixels of the file, ``row`` of the manifest and ``score``."""
    kept = found["scores"] > 0
    frame = pd.DataFrame(found["boxes"][kept] / config.prepare.canvas.scale, columns=SIDES)
    frame = frame.assign(row=np.repeat(found["index"], kept.sum(axis=1)), score=found["scores"][kept])
    frame.to_parquet(folder / DETECTIONS, index=False)


def report_detections(folder: Path, config: DetectorConfig, data: SplitDataModule) -> None:
    """Evaluate the boxes of a finished run on its test pictures, print the table and keep it."""
    found = pd.read_parquet(folder / DETECTIONS)
    validation, test = (Detected.of(found, data.manifest.frame, data.parts, part) for part in ("validation", "test"))
    measure = partial(test.measure, threshold=choose_box_threshold(validation))
    results = by_case(measure, test.pictures["case"], config.evaluation.confidence)
    calibration = calibrate(logits_of(validation.found[["score"]].to_numpy()), validation.found["ap50"].to_numpy())
    keep_results(folder / RESULTS, results, "Detected chromosomes on the test pictures", WORDS, calibration)


DETECTION = Recipe(MetaphaseDataModule, build_network, partial(fit_and_predict, write=write_boxes), report_detections)
