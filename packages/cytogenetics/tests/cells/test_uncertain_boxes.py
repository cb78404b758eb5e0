"""Boxes that a detector is not sure of: the joint assignment and the detector decide together."""

import numpy as np
import pytest

from cytogenetics.cells.cell_settings import KaryotypePriors, NamingSettings
from cytogenetics.cells.uncertain_boxes import (
    Boxes,
    choose_boxes,
    karyotype_of_boxes,
    pooled_karyotype,
    weighed_choices,
)
from packages.cytogenetics.tests.cells.test_assignment import sure

SETTINGS = NamingSettings(KaryotypePriors(), 0.95, False)
FEMALE = np.repeat(np.arange(23), 2)


def logs_of(classes, wrong=0.01):
    """Log-probabilities of images of these classes; -1 looks like any."""
    logs = sure(classes, wrong)
    logs[np.asarray(classes) < 0] = np.log(1 / 24)
    return logs


def apart(probabilities):
    return Boxes.apart(np.asarray(probabilities))


def named(classes, boxes):
    cell, rows = karyotype_of_boxes(logs_of(classes), boxes, SETTINGS)
    return cell, rows.tolist()


@pytest.mark.parametrize(
    ("extra", "probability", "kept"),
    [
        ([], 0.6, 46),
        ([-1], 0.3, 46),  # a box that looks like nothing is left out
        ([5], 0.6, 46),  # a third chromosome 6 is too rare to be believed of a box that may be none
        ([20], 0.999, 47),  # trisomy 21
    ],
)
def test_what_is_kept_makes_a_probable_cell(extra, probability, kept):
    probabilities = np.append(np.full(46, 0.98), [probability] * len(extra))
    cell, rows = named([*FEMALE.tolist(), *extra], apart(probabilities))
    assert len(rows) == len(cell.calls) == kept
    assert cell.karyotype.iscn == ("47,XX,+21" if kept == 47 else "46,XX")


def test_a_cell_of_one_box_less_and_of_one_more_is_weighed_however_sure_its_boxes_are():
    boxes = apart(np.append(np.full(46, 0.999), 0.05))
    logs = logs_of([*FEMALE.tolist(), 20], wrong=0.001)
    cell, _ = karyotype_of_boxes(logs, boxes, SETTINGS)
    choices = weighed_choices(choose_boxes(boxes, logs, SETTINGS))
    assert {len(rows) for rows, _ in choices} == {45, 46, 47}
    assert sum(weight for _, weight in choices) == pytest.approx(1)
    names = [one.karyotype.iscn for one in cell.candidates]
    assert names[0] == "46,XX"
    assert {"45,X", "47,XX,+21"} <= {*names}


def test_a_box_that_completes_a_cell_is_kept_although_the_detector_doubts_it():
    probabilities = np.full(46, 0.98)
    probabilities[7] = 0.1
    cell, rows = named(FEMALE, apart(probabilities))
    assert 7 in rows
    assert cell.karyotype.iscn == "46,XX"


@pytest.mark.parametrize(
    ("changed", "covering", "classes", "at_edge"),
    [
        ({45: 0.2}, {46: 45}, [-1, FEMALE[45]], ()),  # it shows no chromosome, and another one covers it
        # It covers its own part and that of the next, which then covers nothing by itself.
        ({45: 0.9, 46: 0.9}, {45: (45, 46)}, [-1, FEMALE[45]], ()),
        ({45: 0.7, 46: 0.6}, {}, [FEMALE[45], FEMALE[45]], 45),  # the other one is inside the picture
    ],
)
def test_of_two_boxes_that_may_be_one_chromosome_the_better_one_is_kept(changed, covering, classes, at_edge):
    boxes = apart([changed.get(number, 0.98) for number in range(47)])
    regions = boxes.regions.copy()
    for number, parts in covering.items():
        regions[parts, number] = True
    edge = np.isin(np.arange(47), at_edge)
    _, rows = named([*FEMALE[:45], *classes], Boxes(boxes.probabilities, regions, boxes.pixels, edge))
    assert 46 in rows
    assert 45 not in rows


def test_a_chromosome_of_no_probable_class_is_kept_where_the_cell_lacks_one_and_referred():
    cell, rows = named([*FEMALE[1:], -1], apart(np.append(np.ones(45), 0.5)))
    assert (len(rows), cell.karyotype.iscn) == (46, "46,XX")
    assert any(reason.startswith("no class is probable for 1 of 46") for reason in cell.reasons)
    _, rows = named([*FEMALE, -1], apart(np.append(np.ones(46), 0.5)))
    assert 46 not in rows


def test_karyotypes_are_pooled_over_the_sets_of_boxes():
    logs = logs_of([*FEMALE, 20])
    choices = [(np.arange(46), 0.6), (np.arange(47), 0.4)]
    cell, rows = pooled_karyotype(logs, choices, SETTINGS)
    by_name = {one.karyotype.iscn: one.probability for one in cell.candidates}
    assert (len(rows), cell.karyotype.iscn) == (46, "46,XX")
    assert by_name["46,XX"] == pytest.approx(0.6, abs=0.02)
    assert by_name["47,XX,+21"] == pytest.approx(0.4, abs=0.02)
    assert cell.boxes_wrong == pytest.approx(0.4)
    assert any("it may be 47,XX,+21" in reason for reason in cell.reasons)
    cell, _ = pooled_karyotype(logs_of([*FEMALE[:45], 20]), [(np.arange(46), 1.0)], SETTINGS)
    assert cell.karyotype.iscn == "46,XY"
    assert cell.expected_wrong >= 0.5  # an image that contradicts its class is half an error


def test_what_is_shown_is_the_most_probable_karyotype_although_it_is_not_that_of_the_best_set():
    logs = logs_of([*FEMALE, 20, 20])
    two_third = [np.arange(47), np.append(np.arange(46), 47)]
    choices = [(np.arange(46), 0.4), *((kept, 0.3) for kept in two_third)]
    cell, rows = pooled_karyotype(logs, choices, SETTINGS)
    assert cell.karyotype.iscn == "47,XX,+21"
    assert len(rows) == len(cell.calls) == 47


def test_too_few_boxes_have_no_karyotype():
    cell, rows = named(FEMALE[:10], apart(np.full(10, 0.9)))
    assert (cell.karyotype, len(rows)) == (None, 10)
