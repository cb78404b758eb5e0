"""The fitness of many weights at once is scikit-learn's F1 of each."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

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
    ties=st.booleans(),
)
def test_fitness_is_the_weighted_f1_of_scikit_learn(members, images, classes, skill, seed, occurring, ties):
    rng = np.random.default_rng(seed)
    labels = rng.integers(min(occurring, classes), size=images)  # classes may have no image
    problem = make_problem(members, classes=classes, skill=skill, seed=seed, labels=labels)
    weights = np.concatenate([rng.dirichlet(np.ones(members), size=5), np.eye(members)])
    if ties:  # multiples of 1/8: the means are exact, and classes often tie
        parts = rng.multinomial(8, np.full(classes, 1 / classes), size=(members, images)) / 8
        problem = replace(problem, probabilities=parts)
        weights = rng.multinomial(8, np.full(members, 1 / members), size=10) / 8
    assert problem.fitness(weights) == pytest.approx(reference(problem, weights), abs=1e-12)
