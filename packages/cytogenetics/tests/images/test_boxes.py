"""Boxes of a picture: overlaps, matches with true boxes, and the average precision, which is that of COCO."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision

from cytogenetics.images.boxes import assign, crossing_boxes, match
from cytogenetics.metaphases.networks.detector import LEVELS, DetectionScores


def test_each_true_box_is_found_once_by_the_most_certain():
    overlap = np.array([[0.6, 0.9], [0.8, 0.95], [0.7, 0.4], [0.2, 0.3]])
    assert match(overlap, 0.5).tolist() == [1, 0, -1, -1]
    assert match(overlap, 0.85).tolist() == [1, -1, -1, -1]
    assert match(np.zeros((2, 0)), 0.5).tolist() == [-1, -1]
    assert match(np.zeros((0, 2)), 0.5).tolist() == []


def test_boxes_are_assigned_one_to_one_so_that_the_sum_of_overlaps_is_largest():
    crossing = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert match(crossing, 0.5).tolist() == [0, -1]
    assert assign(crossing, 0.5).tolist() == [1, 0]
    assert assign(np.zeros((2, 0)), 0.5).tolist() == [-1, -1]
    assert assign(np.zeros((0, 2)), 0.5).tolist() == []
    rng = np.random.default_rng(0)
    for _ in range(20):
        overlap = rng.random((4, 5))
        found = assign(overlap, 0.5)
        rows = np.flatnonzero(found >= 0)
        kept = np.where(overlap >= 0.5, overlap, 0)
        assert len(set(found[rows])) == len(rows)
        assert (overlap[rows, found[rows]] >= 0.5).all()
        best = max(kept[range(4), list(columns)].sum() for columns in permutations(range(5), 4))
        assert kept[rows, found[rows]].sum() == pytest.approx(best)
        assert assign(overlap[::-1], 0.5)[::-1].tolist() == found.tolist()


def test_boxes_cross_that_overlap_another_one_by_more_than_three_tenths():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10], [26, 0, 36, 10]])  # by 0.33, and by 0.25
    assert crossing_boxes(boxes).tolist() == [0, 1]
    assert crossing_boxes(boxes[:0]).tolist() == []


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
