"""Boxes that a detector is not sure of: the joint assignment and the detector decide together."""

import numpy as np
import pytest

from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.evaluation.cells.prior import KaryotypePriors
from karyocyte.evaluation.cells.uncertain_boxes import karyotype_of_boxes

PRIORS = KaryotypePriors()
FEMALE = np.repeat(np.arange(23), 2)


def logs_of(classes, sure=0.99):
    """Log-probabilities of images of these classes; -1 looks like any."""
    logs = np.full((len(classes), len(CHROMOSOMES)), np.log((1 - sure) / 23))
    for row, kind in enumerate(classes):
        if kind < 0:
            logs[row] = np.log(1 / 24)
        else:
            logs[row, kind] = np.log(sure)
    return logs


@pytest.mark.parametrize(
    ("extra", "probability", "kept"),
    [
        ([], 0.6, 46),
        ([-1], 0.3, 46),  # a box that looks like nothing is left out
        ([5], 0.7, 46),  # a third chromosome 6 is too rare to be believed of a box that may be none
        ([20], 0.999, 47),  # trisomy 21
    ],
)
def test_what_is_kept_makes_a_probable_cell(extra, probability, kept):
    classes = [*FEMALE.tolist(), *extra]
    probabilities = np.append(np.full(46, 0.98), [probability] * len(extra))
    cell, rows = karyotype_of_boxes(logs_of(classes), probabilities, PRIORS, {}, 0.95, False)
    assert len(rows) == len(cell.calls) == kept
    assert cell.karyotype.iscn == ("47,XX,+21" if kept == 47 else "46,XX")


def test_a_box_that_completes_a_cell_is_kept_although_the_detector_doubts_it():
    probabilities = np.full(46, 0.98)
    probabilities[7] = 0.2
    cell, rows = karyotype_of_boxes(logs_of(FEMALE), probabilities, PRIORS, {}, 0.95, False)
    assert 7 in rows
    assert cell.karyotype.iscn == "46,XX"


def test_a_doubtful_number_of_chromosomes_is_a_reason_and_lessens_the_probability():
    probabilities = np.append(np.full(46, 0.98), 0.97)
    cell, _ = karyotype_of_boxes(logs_of([*FEMALE, 20]), probabilities, PRIORS, {}, 0.95, False)
    assert cell.reasons[0].startswith("it is uncertain whether")
    assert cell.probability < 0.95


def test_what_an_expert_has_fixed_is_kept():
    probabilities = np.append(np.full(46, 0.98), 0.01)
    _, rows = karyotype_of_boxes(logs_of([*FEMALE, -1]), probabilities, PRIORS, {46: 20}, 0.95, False)
    assert 46 in rows


def test_too_few_boxes_have_no_karyotype():
    cell, rows = karyotype_of_boxes(logs_of(FEMALE[:10]), np.full(10, 0.9), PRIORS, {}, 0.95, False)
    assert (cell.karyotype, len(rows)) == (None, 10)
