"""Every method of an ensemble by one function, and nested cross-validation."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config.ensemble import EnsembleConfig
from common.errors import UserError
from evaluation.core.labelled import score
from evaluation.ensembles.methods import METHODS, Combiner, fit, inner_folds, predict_folds
from tests.evaluation.ensembles.problems import make_problem
from tests.helpers.predictions import make_predictions

QUICK = EnsembleConfig(
    genetic={"generations": 5, "restarts": 2},
    cma={"evaluations": 400},
    differential={"evaluations": 400},
    stacking={"strengths": [0.1, 1.0]},
)
SKILLS = [0.5, 1.5, 2.0]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("method", METHODS)
def test_combiners_of_all_methods(method, classes):
    problem = make_problem(skills=SKILLS, classes=classes)
    combiner = fit(method, problem, QUICK, seed=3)
    combined = combiner.combine(problem.probabilities)
    assert combined.shape == (200, classes)
    assert combined.sum(axis=1) == pytest.approx(1)
    if method != "stacking":
        assert combiner.weights.min() >= 0
        assert combiner.weights.sum() == pytest.approx(1)
        assert combined == pytest.approx(np.einsum("m,mnk->nk", combiner.weights, problem.probabilities))
    fitness = replace(problem, probabilities=combined[None]).fitness(np.ones((1, 1)))[0]
    assert combiner.facts["fitness"] == pytest.approx(fitness)
    assert (combiner.facts["seed"], combiner.facts["images"]) == (3, 200)
    read = Combiner.from_dict(json.loads(json.dumps(combiner.as_dict(), allow_nan=False)))
    assert (read.combine(problem.probabilities) == combined).all()
    assert (read.method, read.parameters, read.facts) == (method, combiner.parameters, combiner.facts)


def test_average_weighs_all_alike_and_best_takes_the_best_only():
    problem = make_problem(skills=[0.5, 3.0, 1.0])
    assert fit("average", problem, QUICK, 0).weights == pytest.approx([1 / 3] * 3)
    assert fit("best", problem, QUICK, 0).weights.tolist() == [0, 1, 0]


@pytest.mark.parametrize("method", ["genetic", "cma", "differential"])
def test_searches_are_fitter_than_the_best_and_the_average(method):
    problem = make_problem(skills=[0.5, 1.5, 2.0, 1.0])
    facts = fit(method, problem, QUICK, 0).facts
    for simple in ("average", "best"):
        assert facts["fitness"] > fit(simple, problem, QUICK, 0).facts["fitness"]
    assert facts["settings"] == getattr(QUICK, method).model_dump(mode="json")
    assert facts["evaluations"] > 300


@pytest.mark.parametrize("method", METHODS)
def test_a_single_member_is_combined_too(method):
    problem = make_problem(1)
    predicted = fit(method, problem, QUICK, 0).combine(problem.probabilities).argmax(axis=1)
    if method != "stacking":
        assert (predicted == problem.probabilities[0].argmax(axis=1)).all()


@pytest.mark.parametrize(
    ("method", "members", "classes", "message"),
    [
        ("average", 2, 3, "3 members, not for 2"),
        ("stacking", 2, 3, "3 members, not for 2"),
        ("stacking", 3, 4, "3 classes, not for 4"),
    ],
)
def test_other_members_or_classes_are_an_error(method, members, classes, message):
    combiner = fit(method, make_problem(3, classes=3), QUICK, 0)
    with pytest.raises(UserError, match=message):
        combiner.combine(make_problem(members, classes=classes).probabilities)


def test_an_unknown_method_is_an_error():
    with pytest.raises(UserError, match=r"median: choose one of average, best"):
        fit("median", make_problem(), QUICK, 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(8, 40), st.integers(2, 4), st.integers(0, 100))
def test_inner_folds_keep_subjects_together_and_classes_apart(subjects, folds, seed):
    labelled = score(make_predictions(images=3 * subjects, subjects=subjects))
    fold_of = inner_folds(labelled, folds, seed)
    assert set(fold_of) == set(range(folds))
    for fold in range(folds):
        assert not set(labelled.clusters[fold_of == fold]) & set(labelled.clusters[fold_of != fold])
        assert set(labelled.labels[fold_of != fold]) == {0, 1}


@pytest.mark.parametrize(
    ("subjects", "folds", "message"),
    # Of three subjects, one has all images of the second class.
    [(4, 5, "--nested 5: validation has 4 subjects"), (3, 2, "without one of the folds validation has no all")],
)
def test_inner_folds_need_subjects(subjects, folds, message):
    with pytest.raises(UserError, match=message):
        inner_folds(score(make_predictions(images=40, subjects=subjects)), folds, 0)


def test_each_inner_fold_is_predicted_by_a_fit_on_the_others():
    problem = make_problem(3, images=60)
    fold_of = np.arange(60) % 3
    predicted = predict_folds(problem, fold_of, lambda part: fit("best", part, QUICK, 0))
    for fold in range(3):
        best = fit("best", problem.select(fold_of != fold), QUICK, 0).weights.argmax()
        assert (predicted[fold_of == fold] == problem.probabilities[best][fold_of == fold]).all()
