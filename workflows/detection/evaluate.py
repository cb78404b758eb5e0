"""The evaluation of detected boxes by case: on the test pictures, at a threshold chosen on those of validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from common.config.schema import EvaluationConfig
from evaluation.intervals.methods import t_on_scale
from evaluation.tables import Table
from lightning_modules.detection.matching import average_precision, match, overlaps

SIDES = ["left", "top", "right", "bottom"]
CROSSING = 0.3  # intersection over union of a true box with another one, above which the two cross
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
READING = "Intervals by case. The last six count the detections above a score chosen on the validation pictures."


@dataclass(frozen=True, eq=False)
class DetectedPicture:
    """The detections of one picture, the most certain first, and its true boxes."""

    case: str
    scores: np.ndarray  # float64, shape (n,)
    found: Mapping[float, np.ndarray]  # the true box that each finds, -1 for none, by the least overlap; int64, (n,)
    crossing: np.ndarray  # which true boxes overlap another by more than CROSSING, bool, shape (m,)

    @classmethod
    def of(cls, case: str, detections: pd.DataFrame, boxes: np.ndarray) -> "DetectedPicture":
        """Match detections (columns SIDES and score) with true boxes, shape (m, 4)."""
        detections = detections.sort_values("score", ascending=False, kind="stable")
        overlap = overlaps(detections[SIDES].to_numpy(np.float64), boxes)
        among = overlaps(boxes, boxes)
        np.fill_diagonal(among, 0)
        found = {least: match(overlap, least) for least in (0.5, 0.75)}
        return cls(case, detections["score"].to_numpy(np.float64), found, among.max(axis=1, initial=0) > CROSSING)

    def counts(self, threshold: float) -> np.ndarray:
        """Count detections above a threshold, right ones, boxes, crossing boxes, and those found; float64, (5,)."""
        found = self.found[0.5][self.scores >= threshold]
        right = found[found >= 0]
        return np.array([len(found), len(right), len(self.crossing), self.crossing.sum(), self.crossing[right].sum()])


def evaluate_detections(
    found: pd.DataFrame, frame: pd.DataFrame, parts: pd.Series, settings: EvaluationConfig
) -> pd.DataFrame:
    """Return ``metric``, ``value``, ``low`` and ``high`` of each of WORDS on the test pictures, and of the threshold.

    Args:
        found: Detections, see ``detect``.
        frame: Of the manifest, with the column ``boxes``.
        parts: The part of each row.
        settings: The confidence of the intervals, which leave out case by case.
    """
    threshold = choose_threshold(_pictures(found, frame, parts, "validation"))
    pictures = _pictures(found, frame, parts, "test")
    values = measure(pictures, threshold)
    cases = sorted({picture.case for picture in pictures})
    left_out = [measure([one for one in pictures if one.case != case], threshold) for case in cases]
    rows: list[tuple[str, float, float | None, float | None]] = []
    for name, value in values.items():
        ends = None
        if len(cases) > 1:
            ends = t_on_scale(value, np.array([each[name] for each in left_out]), settings.confidence, (0.0, 1.0))
        low, high, _ = ends or (None, None, None)
        rows.append((name, value, low, high))
    rows.append(("threshold", threshold, None, None))
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])


def calibrate(found: pd.DataFrame, frame: pd.DataFrame, parts: pd.Series) -> tuple[float, float]:
    """Return slope and intercept of the logit of the probability that a box is right (IoU 0.5) over that of its score.

    Fitted to the validation pictures (Platt, 1999); slope 1 and intercept 0 where all or none of their boxes are right.
    """
    pictures = _pictures(found, frame, parts, "validation")
    scores = np.concatenate([np.zeros(0), *[picture.scores for picture in pictures]])
    right = np.concatenate([np.zeros(0, bool), *[picture.found[0.5] >= 0 for picture in pictures]])
    if right.all() or not right.any():
        return 1.0, 0.0
    fitted = LogisticRegression(C=np.inf).fit(logit(scores.clip(1e-6, 1 - 1e-6))[:, None], right)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def choose_threshold(pictures: Sequence[DetectedPicture]) -> float:
    """Return the score above which detections have the highest F1 at IoU 0.5; 0.5 without pictures."""
    if not pictures:
        return 0.5
    best = []
    for threshold in THRESHOLDS:
        detected, right, boxes, *_ = np.sum([picture.counts(threshold) for picture in pictures], axis=0)
        best.append(2 * right / max(detected + boxes, 1))
    return float(THRESHOLDS[int(np.argmax(best))])


def measure(pictures: Sequence[DetectedPicture], threshold: float) -> dict[str, float]:
    """Return the metrics of WORDS, 0 to 1; NaN where there is nothing to measure."""
    values = {}
    boxes = sum(len(picture.crossing) for picture in pictures)
    scores = np.concatenate([picture.scores for picture in pictures])
    for name, least in {"ap50": 0.5, "ap75": 0.75}.items():
        right = np.concatenate([picture.found[least] >= 0 for picture in pictures])
        values[name] = average_precision(scores, right, boxes)
    counts = np.array([picture.counts(threshold) for picture in pictures])
    detected, found, true = counts[:, :3].T
    _, _, _, crossing, crossing_found = counts.sum(axis=0)
    values["recall"] = _share(found.sum(), true.sum())
    values["recall_crossing"] = _share(crossing_found, crossing)
    values["precision"] = _share(found.sum(), detected.sum())
    values["count_exact"] = float((detected == true).mean())
    values["count_within_one"] = float((np.abs(detected - true) <= 1).mean())
    values["all_right"] = float(((found == true) & (detected == true)).mean())
    return values


def results_table(results: pd.DataFrame) -> Table:
    """Return the table for the terminal."""
    shown = results.assign(metric=results["metric"].replace(WORDS))
    return Table.of_frame("Detected chromosomes on the test pictures", shown, reading=READING)


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _pictures(found: pd.DataFrame, frame: pd.DataFrame, parts: pd.Series, part: str) -> list[DetectedPicture]:
    """Return the pictures of a part; one whose case is not known is a case of its own."""
    by_row = dict(list(found.groupby("row")))
    pictures = []
    for row in np.flatnonzero(parts.to_numpy() == part).tolist():
        subject, image_id, boxes = frame[["subject", "image_id", "boxes"]].iloc[row]
        case = subject if isinstance(subject, str) else image_id
        pictures.append(DetectedPicture.of(str(case), by_row.get(row, found.iloc[:0]), boxes))
    return pictures
