"""The sum over assignments against the enumeration of all of them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from cytogenetics.cells import exchanges
from cytogenetics.cells.exchanges import path_costs, step_costs, sum_over_assignments
from packages.cytogenetics.tests.cells.test_assignment import seeds

COUNTS = np.array([2, 2, 1, 1])
confidences = st.floats(0, 8)


def enumerate_assignments(log_weights, counts):
    """Log of the sum, the class probabilities, and the log-weight of the best, over all assignments."""
    chromosomes, classes = log_weights.shape
    rows = np.arange(chromosomes)
    weights = []
    marginals = np.zeros((chromosomes, classes))
    for assignment in product(range(classes), repeat=chromosomes):
        if np.array_equal(np.bincount(assignment, minlength=classes), counts):
            weights.append(np.exp(log_weights[rows, assignment].sum()))
            marginals[rows, assignment] += weights[-1]
    return np.log(np.sum(weights)), marginals / np.sum(weights), np.log(np.max(weights))


def best_assignment(log_weights, counts):
    kinds = np.repeat(np.arange(len(counts)), counts)
    return kinds[linear_sum_assignment(log_weights[:, kinds], maximize=True)[1]]


def random_weights(seed, confidence):
    """Weights of 6 chromosomes in 4 classes that favour COUNTS."""
    truth = np.repeat(np.arange(4), COUNTS)
    return np.random.default_rng(seed).normal(size=(6, 4)) + confidence * np.eye(4)[truth]


def assert_sums(logs, counts, tolerance):
    log_sum, found = sum_over_assignments(logs, best_assignment(logs, counts))
    exact, marginals, _ = enumerate_assignments(logs, counts)
    assert log_sum == pytest.approx(exact, abs=tolerance)
    np.testing.assert_allclose(found, marginals, atol=tolerance)


@given(seeds, confidences)
def test_a_group_is_summed_exactly(seed, confidence):
    assert_sums(random_weights(seed, confidence), COUNTS, 0.02)


@given(seeds, st.floats(1, 6))
def test_a_cell_of_several_groups_is_summed_nearly_exactly(seed, confidence):
    """Seven classes of two chromosomes, in groups by what exchanges cost, against all of them in one group."""
    truth = np.repeat(np.arange(7), 2)
    logs = np.random.default_rng(seed).normal(size=(14, 7)) + confidence * np.eye(7)[truth]
    logs[:, :2] += 2 * (truth < 2)[:, None]  # two classes that are alike
    classes = best_assignment(logs, np.full(7, 2))
    log_sum, found = sum_over_assignments(logs, classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchanges, "JOINING", 50.0)
        exact, marginals = sum_over_assignments(logs, classes)
    assert log_sum == pytest.approx(exact, abs=0.02)
    np.testing.assert_allclose(found, marginals, atol=0.02)


def test_an_exchange_between_groups_counts_once():
    assert_sums(np.array([[0.0, -4.0], [-4.0, 0.0]]), np.array([1, 1]), 1e-12)  # dearer than what joins two classes


@given(seeds, confidences)
def test_a_path_costs_what_the_best_assignment_to_the_changed_counts_loses(seed, confidence):
    logs = random_weights(seed, confidence)
    paths = path_costs(step_costs(logs, best_assignment(logs, COUNTS)))
    best = enumerate_assignments(logs, COUNTS)[2]
    for less, more in [(0, 1), (2, 3), (3, 0)]:
        changed = COUNTS.copy()
        changed[less] -= 1
        changed[more] += 1
        assert best - paths[less, more] == pytest.approx(enumerate_assignments(logs, changed)[2])
