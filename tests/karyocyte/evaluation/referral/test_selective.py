"""Risk against coverage, and the threshold of release."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyocyte.config.schema import EvaluationConfig, TriageConfig
from karyocyte.evaluation.intervals.exact import lower_bounds
from karyocyte.evaluation.pooling.labelled_runs import LabelledFold, LabelledRuns
from karyocyte.evaluation.referral.choices import choose_release
from karyocyte.evaluation.referral.selective import WeightedArea, areas, risk_coverage
from tests.helpers.predictions import make_predictions, with_scores

few_cases = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


def arrays_of(rows):
    confidence, wrong = zip(*rows, strict=True)
    return np.array(confidence, float), np.array(wrong)


def area_of(order, wrong):
    """The definition: the mean risk over coverages."""
    return np.mean([np.mean([wrong[place] for place in order[:taken]]) for taken in range(1, len(order) + 1)])


@given(few_cases)
def test_ties_are_the_mean_over_all_orders(rows):
    confidence, wrong = arrays_of(rows)
    orders = [order for order in permutations(range(len(rows))) if all(np.diff(confidence[list(order)]) <= 0)]
    assert risk_coverage(confidence, wrong).area == pytest.approx(np.mean([area_of(order, wrong) for order in orders]))


def test_confidences_that_differ_by_rounding_alone_are_tied():
    wrong = np.array([True, False, True])
    assert risk_coverage(np.array([0.3, 0.1 + 0.2, 0.3]), wrong).area == pytest.approx(2 / 3)


@given(few_cases, st.integers(0, 1000))
def test_an_image_that_is_drawn_twice_is_two_images(rows, seed):
    confidence, wrong = arrays_of(rows)
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 3, len(rows))
    clusters[0] = 2
    counts = rng.integers(0, 3, (4, 3))
    actual = WeightedArea(confidence, wrong, clusters)(counts)[0]
    for row, area in zip(counts, actual, strict=True):
        images = np.repeat(np.arange(len(rows)), row[clusters])
        if len(images):
            assert area == pytest.approx(risk_coverage(confidence[images], wrong[images]).area)
        else:
            assert np.isnan(area)


def test_the_area_has_an_interval_by_subject():
    run = make_predictions(images=80, subjects=20, skill=0.6)
    wrong = run.probabilities.argmax(1) != run.labels
    confidence = run.probabilities.max(axis=1)
    (found,) = areas(confidence, wrong, LabelledRuns.of([run], EvaluationConfig(resamples=50))).values()
    area = risk_coverage(confidence, wrong).area
    assert found["aurc"].value == pytest.approx(area)
    assert found["aurc"].low < area < found["aurc"].high
    assert (found["aurc"].n, found["wrong"].hits) == (20, wrong.sum())
    assert found["e_aurc"].value >= 0


def release_of(labels, scores, config):
    return choose_release(LabelledFold.from_run(with_scores(labels, scores, part="validation"), config))


def test_the_release_counts_the_positives_that_its_threshold_keeps():
    actual = release_of(
        [1, 1, 1, 0, 0], [0.9, 0.6, 0.2, 0.7, 0.1], EvaluationConfig(triage=TriageConfig(sensitivity=0.6))
    )
    assert (actual.threshold, actual.kept, actual.positives) == (0.6, 2, 3)
    assert (actual.sensitivity, actual.lower_bound) == (2 / 3, lower_bounds(np.array([2]), np.array([3]), 0.95))


def test_a_class_without_validation_images_leaves_no_release():
    assert release_of([1, 1], [0.2, 0.8], EvaluationConfig()).threshold is None
