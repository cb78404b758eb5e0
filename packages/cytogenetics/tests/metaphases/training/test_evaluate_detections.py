"""The evaluation of detected boxes: counted by hand on pictures of three boxes."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from cytogenetics.metaphases.training.train import Detected, choose_box_threshold
from karyocyte.evaluation.intervals.by_case import by_case

SIDES = ["left", "top", "right", "bottom"]
# The second crosses the first.
BOXES = np.array([[0, 0, 20, 20], [0, 6, 20, 26], [40, 40, 60, 60]], np.float32)
PARTS = pd.Series(["validation"] * 2 + ["test"] * 4)


def frame():
    cases = ["a", "b", "c", "c", "d", "e"]
    return pd.DataFrame({"subject": cases, "image_id": list(map(str, range(6))), "boxes": [BOXES] * 6})


def detections(missed=(), ghosts=()):
    """Every true box with score 0.8, but for some (row, box); and in some rows one elsewhere, with score 0.4."""
    rows = []
    for row in range(6):
        for number, box in enumerate(BOXES.tolist()):
            if (row, number) not in missed:
                rows.append((*box, row, 0.8))
    rows += [(100, 100, 120, 120, row, 0.4) for row in ghosts]
    return pd.DataFrame(rows, columns=[*SIDES, "row", "score"])


def test_intervals_leave_out_one_case_after_the_other():
    given = []

    def measure(kept):
        given.append(kept.tolist())
        return {"share": kept.mean()}

    by_case(measure, pd.Series(["b", "a", "b", "c"]), 0.95)
    assert given == [[True] * 4, [True, False, True, True], [False, True, False, True], [True, True, True, False]]


def evaluated(found):
    validation, test = (Detected.of(found, frame(), PARTS, part) for part in ("validation", "test"))
    measure = partial(test.measure, threshold=choose_box_threshold(validation))
    return by_case(measure, test.pictures["case"], 0.95).set_index("metric")


def test_all_is_right():
    results = evaluated(detections())
    names = results.index.drop("threshold")
    assert (results.loc[names, "value"] == 1).all()


def test_what_is_missed_counts_as_missed_also_at_crossings():
    results = evaluated(detections(missed={(2, 1), (3, 1), (4, 2)}))
    values = results["value"]
    assert values["recall"] == pytest.approx(9 / 12)
    assert values["recall_crossing"] == pytest.approx(6 / 8)
    assert values["precision"] == 1
    assert (values["count_exact"], values["all_right"], values["count_within_one"]) == (0.25, 0.25, 1)
    assert values["ap50"] == pytest.approx(76 / 101)  # recalls up to 0.75 are reached
    assert results.loc["recall", "low"] < values["recall"] < results.loc["recall", "high"]


def test_the_threshold_of_the_validation_pictures_leaves_ghosts_out():
    found = detections(ghosts=range(6))
    results = evaluated(found)
    assert 0.4 < results.loc["threshold", "value"] <= 0.8
    assert results.loc["precision", "value"] == 1
    assert results.loc["ap50", "value"] == 1  # the ghosts are the least certain
    assert choose_box_threshold(Detected.of(found, frame(), PARTS, "unused")) == 0.5


def test_a_box_must_fit_by_half_for_one_and_by_three_quarters_for_the_other_precision():
    found = detections()
    found["right"] = found["left"] + 0.6 * (found["right"] - found["left"])
    values = evaluated(found)["value"]
    assert (values["ap50"], values["ap75"]) == (1, 0)
