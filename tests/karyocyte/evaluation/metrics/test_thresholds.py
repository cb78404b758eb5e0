"""The operating threshold."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.thresholds import choose_threshold
from karyocyte.evaluation.types.result import OperatingPoint
from tests.helpers.predictions import with_scores


def choose(labels, scores, method, sensitivity=0.95):
    settings = EvaluationConfig(threshold=method, sensitivity=sensitivity)
    return choose_threshold(score(with_scores(labels, scores, part="validation")), settings)


validation_sets = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@given(validation_sets, st.floats(0.05, 0.99))
@example([(True, 8), (True, 4), (False, 0)], 0.5)  # exactly kept
def test_the_wished_sensitivity_is_kept_by_the_highest_threshold(rows, wished):
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] / 8 for r in rows])
    point = choose(labels, scores, "sensitivity", wished)
    assert np.mean(scores[labels] >= point.value) >= wished
    higher = np.unique(scores[scores > point.value])
    assert all(np.mean(scores[labels] >= threshold) < wished for threshold in higher)


@given(validation_sets, st.sampled_from(["youden", "f1"]))
@example([(True, 5), (True, 4), (False, 4), (False, 0)], "youden")  # 5/8 and 4/8 are equally good
def test_no_threshold_is_better(rows, method):
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] / 8 for r in rows])

    def gain(threshold):
        if method == "f1":
            return f1_score(labels, scores >= threshold)
        return np.mean(scores[labels] >= threshold) - np.mean(scores[~labels] >= threshold)

    point = choose(labels, scores, method)
    best = max(gain(threshold) for threshold in np.unique(scores))
    assert gain(point.value) == pytest.approx(best)
    equal = [threshold for threshold in np.unique(scores) if gain(threshold) == pytest.approx(best, abs=1e-12)]
    assert abs(point.value - 0.5) == pytest.approx(min(abs(threshold - 0.5) for threshold in equal))


def test_a_class_without_images_leaves_no_threshold_and_says_why():
    assert choose([1, 1], [0.2, 0.9], "youden") == OperatingPoint(None, "youden", "no validation image of hem")
    assert choose([], [], "f1").reason == "no validation image of hem and all"
