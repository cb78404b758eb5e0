"""Boxes of a picture, each its left, top, right and bottom in pixels: overlaps, matches and average precision."""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

CROSSING = 0.3  # intersection over union of a true box with another one, above which the two cross


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of boxes (n, 4) with others (m, 4), float64, shape (n, m)."""
    return np.asarray(box_iou(*map(torch.from_numpy, (first.astype(np.float64), second.astype(np.float64)))))


def crossing_boxes(boxes: np.ndarray) -> np.ndarray:
    """Return the numbers of boxes, shape (n, 4), that overlap another by more than CROSSING, int64."""
    among = overlaps(boxes, boxes)
    np.fill_diagonal(among, 0)
    return np.flatnonzero(among.max(axis=1, initial=0) > CROSSING)


def assign(overlap: np.ndarray, least: float) -> np.ndarray:
    """Return the true box of each box, int64, shape (n,), -1 for none, so that the sum of their overlaps is largest.

    One to one, whatever the order of the boxes; the arguments are those of ``match``.
    """
    enough = overlap >= least
    rows, true = linear_sum_assignment(np.where(enough, overlap, 0.0), maximize=True)
    found = np.full(len(overlap), -1)
    found[rows] = np.where(enough[rows, true], true, -1)
    return found


def match(overlap: np.ndarray, least: float) -> np.ndarray:
    """Return the true box that each detection finds, int64, shape (n,), -1 for none; as COCO does.

    So average precision is defined: what a detection finds does not depend on less certain ones.

    Args:
        overlap: Of detections, the most certain first, with true boxes, shape (n, m).
        least: Intersection over union that is needed. Each true box is found once.
    """
    found = np.full(len(overlap), -1)
    free = np.ones(overlap.shape[1], bool)
    for row, of_row in enumerate(overlap):
        candidates = np.where(free, of_row, 0.0)
        best = int(candidates.argmax()) if len(candidates) else -1
        if best >= 0 and candidates[best] >= least:
            found[row] = best
            free[best] = False
    return found


def average_precision(scores: np.ndarray, right: np.ndarray, boxes: int) -> float:
    """Return the average precision over 101 values of recall, as COCO does; NaN without true boxes.

    Args:
        scores: Of all detections of all pictures, float, shape (n,).
        right: Which of them find a true box, bool, shape (n,).
        boxes: How many true boxes there are.
    """
    if not boxes:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(order) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    # The first detection by which a recall is reached; of one that never is, the precision is 0.
    places = np.searchsorted(hits / boxes, np.linspace(0, 1, 101), side="left")
    return float(np.append(highest, 0.0)[np.minimum(places, len(order))].mean())
