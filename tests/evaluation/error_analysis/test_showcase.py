"""Which images are shown: the surest right and wrong calls of each class, and the doubtful."""

import numpy as np
import pandas as pd
import pytest

from common.errors import UserError
from common.predictions import Predictions, uncertainty_of
from evaluation.error_analysis.examples import ranked, showcase
from tests.helpers.predictions import make_predictions


def two_classes(positive: list[float], labels: list[str | None]) -> Predictions:
    probabilities = np.stack([1 - np.array(positive), positive], axis=1)
    frame = pd.DataFrame({"label": labels, "prob_hem": probabilities[:, 0], "prob_all": probabilities[:, 1]})
    return Predictions(frame.assign(uncertainty=uncertainty_of(probabilities)), ("hem", "all"), "all", {})


def test_of_each_class_the_surest_right_the_surest_wrong_and_the_most_doubtful():
    labels = ["hem", "hem", "hem", "hem", "all", "all", "all", None]
    test = two_classes([0.1, 0.02, 0.9, 0.45, 0.7, 0.99, 0.52, 0.001], labels)
    assert showcase(test) == [
        (1, "surest right"),
        (2, "surest wrong"),
        (3, "most doubtful"),
        (5, "surest right"),
        (6, "most doubtful"),  # none of this class is wrong
    ]


def test_ranks():
    test = two_classes([0.9, 0.6, 0.2, 0.4, 0.5], ["all", "hem", "all", "hem", None])
    assert ranked(test, "right") == [0, 3]
    assert ranked(test, "wrong") == [2, 1]
    assert set(ranked(test, "doubtful")[:2]) == {1, 3}
    with pytest.raises(UserError, match="no test image has a label"):
        showcase(two_classes([0.5], [None]))


def test_of_many_classes_four_of_each_sort_and_of_different_classes():
    test = make_predictions(images=120, classes=tuple("abcdefgh"), skill=1.0)
    found = showcase(test)
    assert len({row for row, _ in found}) == len(found) == 12
    for which in ("surest right", "surest wrong"):
        rows = [row for row, why in found if why == which]
        assert len({test.labels[row] for row in rows}) == 4
        right = test.probabilities[rows].argmax(axis=1) == test.labels[rows]
        assert right.all() if which == "surest right" else not right.any()
