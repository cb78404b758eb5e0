"""The fitness of many weights at once is scikit-learn's F1 of each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from karyocyte.workflows.ensembles.fitness import Problem
from tests.karyocyte.workflows.ensembles.problems import make_problem, predicted_by


def reference(problem, weights):
    return [f1_score(problem.labels, predicted_by(problem, row), average="weighted") for row in weights]


@settings(max_examples=60)
@given(
    members=st.integers(1, 5),
    images=st.integers(1, 40),
    classes=st.integers(2, 6),
    skill=st.floats(-1, 4),
    seed=st.integers(0, 10_000),
    occurring=st.integers(1, 6),
)
def test_fitness_is_the_weighted_f1_of_scikit_learn(members, images, classes, skill, seed, occurring):
    rng = np.random.default_rng(seed)
    labels = rng.integers(min(occurring, classes), size=images)  # classes may have no image
    problem = make_problem(members, classes=classes, skill=skill, seed=seed, labels=labels)
    weights = np.concatenate([rng.dirichlet(np.ones(members), size=5), np.eye(members)])
    assert problem.fitness(weights) == pytest.approx(reference(problem, weights), abs=1e-12)


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 4))
def test_ties_are_predicted_as_everywhere_else(seed, classes):
    # Probabilities and weights are multiples of 1/8: the means are exact, and often tie.
    rng = np.random.default_rng(seed)
    parts = rng.multinomial(8, np.full(classes, 1 / classes), size=(3, 30)) / 8
    labels = rng.integers(classes, size=30)
    problem = Problem(parts, labels, 1 if classes == 2 else None, tuple("abcd"[:classes]))
    weights = rng.multinomial(8, np.full(3, 1 / 3), size=10) / 8
    assert problem.fitness(weights) == pytest.approx(reference(problem, weights), abs=1e-12)
