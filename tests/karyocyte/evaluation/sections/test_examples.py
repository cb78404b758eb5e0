"""Which images are shown as examples."""

import numpy as np
import pandas as pd

from karyocyte.evaluation.sections.examples import ranked_rows, showcase
from karyocyte.runs.predictions import Predictions, uncertainty_of
from tests.helpers.predictions import make_predictions


def two_classes(positive: list[float], labels: list[str | None]) -> Predictions:
    probabilities = np.stack([1 - np.array(positive), positive], axis=1)
    frame = pd.DataFrame({"label": labels, "prob_hem": probabilities[:, 0], "prob_all": probabilities[:, 1]})
    return Predictions(frame.assign(uncertainty=uncertainty_of(probabilities)), ("hem", "all"), "all", {})


def test_ranks():
    test = two_classes([0.9, 0.6, 0.2, 0.4, 0.5], ["all", "hem", "all", "hem", None])
    assert ranked_rows(test, "right") == [0, 3]
    assert ranked_rows(test, "wrong") == [2, 1]
    assert set(ranked_rows(test, "doubtful")[:2]) == {1, 3}


def test_a_showcase_has_none_twice_and_each_class_before_another_image_of_one():
    labels = ["hem", "hem", "hem", "hem", "all", "all", "all", None]
    scores = [0.1, 0.02, 0.9, 0.45, 0.7, 0.99, 0.52, 0.001]
    # None of “all” is wrong; 1, 0 and 5 are surer than 4.
    expected = [
        (1, "surest right"),
        (5, "surest right"),
        (2, "surest wrong"),
        (6, "most doubtful"),
        (3, "most doubtful"),
    ]
    assert sorted(showcase(two_classes(scores, labels), 2)) == sorted(expected)
    assert showcase(two_classes([0.5], [None])) == []


def test_a_showcase_has_four_images_of_each_kind_and_of_different_classes():
    test = make_predictions(images=120, classes=tuple("abcdefgh"), skill=1.0)
    shown = showcase(test)
    assert len({row for row, _ in shown}) == len(shown) == 12
    for which in ("surest right", "surest wrong"):
        rows = [row for row, reason in shown if reason == which]
        assert len({test.labels[row] for row in rows}) == 4
        right = test.probabilities[rows].argmax(axis=1) == test.labels[rows]
        assert right.all() if which == "surest right" else not right.any()
