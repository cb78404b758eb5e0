"""Boxes of a picture: overlaps, matches with true boxes, and the average precision, which is that of COCO."""

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision

from cytogenetics.images.boxes import average_precision, match, overlaps
from cytogenetics.metaphases.networks.detector import LEVELS, DetectionScores


def test_each_true_box_is_found_once_by_the_most_certain():
    overlap = np.array([[0.6, 0.9], [0.8, 0.95], [0.7, 0.4], [0.2, 0.3]])
    assert match(overlap, 0.5).tolist() == [1, 0, -1, -1]
    assert match(overlap, 0.85).tolist() == [1, -1, -1, -1]
    assert match(np.zeros((2, 0)), 0.5).tolist() == [-1, -1]
    assert match(np.zeros((0, 2)), 0.5).tolist() == []


def test_the_average_precision_of_perfect_missing_and_wrong_detections():
    scores = np.array([0.9, 0.8, 0.7])
    assert average_precision(scores, np.array([True] * 3), 3) == 1
    assert average_precision(scores, np.array([False] * 3), 3) == 0
    # Half of the boxes are found: of 101 values of recall 51 are reached.
    assert average_precision(scores[:1], np.array([True]), 2) == pytest.approx(51 / 101)
    # The wrong one comes before: the precision is 1/2 at every recall.
    assert average_precision(np.array([0.5, 0.9]), np.array([True, False]), 1) == 0.5
    assert np.isnan(average_precision(scores, np.array([True] * 3), 0))


def test_it_is_that_of_coco():
    generator = torch.Generator().manual_seed(0)
    ours, reference = DetectionScores(), MeanAveragePrecision(iou_thresholds=list(LEVELS.values()))
    for _ in range(8):
        corners = torch.rand(40, 2, generator=generator) * 200
        true = torch.cat([corners, corners + 20 + 30 * torch.rand(40, 2, generator=generator)], dim=1)
        found = true + 4 * torch.randn(40, 4, generator=generator)
        scores = torch.rand(40, generator=generator).sort(descending=True).values
        ours.update(found[None], scores[None], [true])
        none = torch.zeros(40, dtype=torch.long)
        reference.update([{"boxes": found, "scores": scores, "labels": none}], [{"boxes": true, "labels": none}])
    expected = reference.compute()
    assert ours.compute() == pytest.approx({"ap50": float(expected["map_50"]), "ap75": float(expected["map_75"])})


def test_overlaps_are_intersections_over_unions():
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]], float)
    assert overlaps(boxes, boxes) == pytest.approx(np.array([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]))
