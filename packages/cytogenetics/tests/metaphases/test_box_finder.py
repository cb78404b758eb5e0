"""Boxes that several detectors find are joined, and a refiner scores and moves them."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit, logit

from cytogenetics.metaphases.box_finder import BoxFinder, mean_boxes

BOX = np.array([[10, 10, 50, 30]], np.float32)


class Finds:
    """A detector that finds one box, moved by some pixels, wherever it looks."""

    def __init__(self, score, moved, scale):
        self.found = (BOX + np.float32(moved), np.array([score], np.float32))
        self.description = SimpleNamespace(scale=scale, facts=SimpleNamespace(calibration=(2.0, 0.5)))
        self.seen = []

    def find_in_picture(self, picture, scale):
        self.seen.append((picture.shape, scale))
        return self.found


class Refines:
    """A refiner that moves the right side of each box by a quarter of what it sees, and gives the logits 3 and 1."""

    description = SimpleNamespace(facts=SimpleNamespace(calibration=(1.0, 0.5, 0.25, -1.0)))

    def refine(self, images, sizes):
        return np.tile([3.0, 1.0], (len(images), 1)), np.tile([0, 0, 1.0, 0], (len(images), 1))


IMAGE = np.full((100, 120, 3), 255, np.uint8)


def test_each_of_several_detectors_sees_the_picture_at_its_scale():
    first, second = Finds(0.8, 0, 0.5), Finds(0.6, 2, 0.7)
    together, *ways = BoxFinder([first, second]).proposals(IMAGE)
    assert (first.seen, second.seen) == ([((50, 60), 0.5)], [((70, 84), 0.7)])
    assert [one[0].tolist() for one in ways] == [first.found[0].tolist(), second.found[0].tolist()]
    (box,), (score,) = together
    assert box == pytest.approx(BOX[0] + 2 * 0.6 / (0.8 + 0.6))
    assert score == pytest.approx((0.8 + 0.6) / 2)


def test_a_single_detector_sees_the_picture_larger_too():
    detector = Finds(0.8, 0, 0.5)
    assert len(BoxFinder([detector]).proposals(IMAGE)) == 3
    assert detector.seen == [((50, 60), 0.5), ((60, 72), pytest.approx(0.6))]


def test_without_a_refiner_probabilities_are_those_of_the_first_detector():
    _, probabilities = BoxFinder([Finds(0.8, 0, 0.5)]).find(IMAGE)
    assert probabilities == pytest.approx(expit(2 * logit(0.8) + 0.5))


def test_a_refiner_moves_boxes_and_its_scores_count():
    refiner = Refines()
    boxes, probabilities = BoxFinder([Finds(0.8, 0, 0.5)], refiner).find(IMAGE)
    assert boxes == pytest.approx(BOX + np.float32([[0, 0, 0.25 * 1.5 * 40, 0]]))
    assert probabilities == pytest.approx(expit(logit(0.8) + 0.5 * 3 + 0.25 * 1 - 1), rel=1e-5)


def test_a_box_that_would_vanish_stays_where_it_is():
    refiner = Refines()
    refiner.refine = lambda images, sizes: (np.zeros((len(images), 2)), np.tile([0, 0, -4.0, 0], (len(images), 1)))
    assert BoxFinder([Finds(0.8, 0, 0.5)], refiner).find(IMAGE)[0] == pytest.approx(BOX)


def test_boxes_that_are_hardly_seen_are_no_proposals():
    assert [len(boxes) for boxes, _ in BoxFinder([Finds(0.05, 0, 0.5)]).proposals(IMAGE)] == [0, 0, 0]
    assert len(BoxFinder([Finds(0.05, 0, 0.5)], Refines()).find(IMAGE)[0]) == 0
    # Without a refiner its calibrated probability decides.
    assert len(BoxFinder([Finds(0.05, 0, 0.5)]).find(IMAGE)[0]) == 1


def test_boxes_that_are_found_twice_are_one():
    first = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32), np.array([0.9, 0.4], np.float32)
    second = np.array([[0, 0, 10, 12]], np.float32), np.array([0.3], np.float32)
    boxes, scores = mean_boxes([first, second])
    np.testing.assert_allclose(boxes, [[0, 0, 10, 10.5], [50, 50, 60, 60]])
    np.testing.assert_allclose(scores, [0.6, 0.2])
