"""Stacking by logistic regression."""

import json
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss

from common.config.ensemble import StackingConfig
from common.errors import UserError
from evaluation.ensembles.objective import Problem
from evaluation.ensembles.stacking import LEAST, Stacker, _folds, features, fit_stacking
from tests.evaluation.ensembles.problems import make_problem, of_positive

ONE, FULL = StackingConfig(strengths=(0.1,)), StackingConfig(strengths=(0.1,), kind="full")


def test_two_classes_are_read_as_log_odds_of_the_second():
    problem = of_positive([[0.2, 1.0], [0.5, 0.0]], [0, 1])
    expected = [[logit(0.2), 0.0], [logit(1 - LEAST), logit(LEAST)]]
    assert features(problem.probabilities) == pytest.approx(np.array(expected))


def test_more_classes_are_read_as_log_probabilities_member_by_member():
    probabilities = np.array([[[0.5, 0.25, 0.25]], [[1.0, 0.0, 0.0]]])
    assert features(probabilities) == pytest.approx(np.log([[0.5, 0.25, 0.25, 1.0, LEAST, LEAST]]))


@pytest.mark.parametrize(("classes", "config"), [(2, ONE), (2, FULL), (3, FULL)])
def test_it_is_the_regression_of_scikit_learn(classes, config):
    problem = make_problem(3, classes=classes)
    stacker, facts = fit_stacking(problem, config, 0)
    inputs = features(problem.probabilities)
    model = LogisticRegression(C=0.1, max_iter=10_000, tol=1e-7).fit(inputs, problem.labels)
    expected = model.predict_proba(inputs)
    assert stacker.combine(problem.probabilities) == pytest.approx(expected, abs=1e-5)
    assert facts == {"strength": 0.1}
    loss = log_loss(problem.labels, expected, normalize=False)
    assert stacker.log_loss(inputs, problem.labels) == pytest.approx(loss, abs=1e-3)


def penalised_loss(numbers, problem, strength):
    """What the shared regression makes least, class by class as the formula says."""
    weights, intercepts = numbers[: problem.members], numbers[problem.members :]
    logits = sum(weight * np.log(member) for weight, member in zip(weights, problem.probabilities, strict=True))
    found = softmax(logits + intercepts, axis=1)
    return numbers @ numbers / 2 + strength * log_loss(problem.labels, found, normalize=False)


def test_more_classes_share_a_number_per_member():
    problem = make_problem(classes=4, skills=[0.5, 1.0, 2.0])
    stacker, _ = fit_stacking(problem, ONE, 0)
    numbers = np.concatenate([stacker.coefficients, stacker.intercepts])
    assert (stacker.coefficients.shape, stacker.intercepts.shape) == ((3,), (4,))
    least = minimize(penalised_loss, np.zeros(7), (problem, 0.1))
    assert numbers == pytest.approx(least.x, abs=1e-4)
    logits = np.log(problem.probabilities).T @ stacker.coefficients + stacker.intercepts[:, None]
    assert stacker.combine(problem.probabilities) == pytest.approx(softmax(logits.T, axis=1))


def test_of_many_classes_the_shared_kind_holds_beyond_its_images_and_the_full_one_does_not():
    drawn = make_problem(classes=24, images=1500, skills=[2.0, 3.0, 4.0], clusters=np.arange(1500))
    fitted_on, beyond = (drawn.select((np.arange(1500) < 300) == first) for first in (True, False))
    f1 = {}
    for kind in ("shared", "full"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as that the regression did not converge
            stacker, _ = fit_stacking(fitted_on, StackingConfig(kind=kind, folds=2), 0)
        f1[kind] = [
            f1_score(one.labels, stacker.combine(one.probabilities).argmax(axis=1), average="weighted")
            for one in (fitted_on, beyond)
        ]
    assert f1["full"][0] - f1["full"][1] > 0.1 > 0.05 > f1["shared"][0] - f1["shared"][1]
    assert f1["shared"][1] > max(f1["full"][1], *beyond.fitness(np.eye(3)))


def test_two_classes_are_one_logistic_curve():
    problem = make_problem(2)
    stacker, _ = fit_stacking(problem, ONE, 0)
    odds = features(problem.probabilities) @ stacker.coefficients[0] + stacker.intercepts[0]
    assert stacker.combine(problem.probabilities)[:, 1] == pytest.approx(expit(odds))


@pytest.mark.parametrize("positive", [0, 1])
def test_an_anti_informative_member_is_turned_round(positive):
    drawn = make_problem(skills=[1.0, -3.0, -3.0], images=600, clusters=np.arange(600) // 4)
    problem = Problem(drawn.probabilities, drawn.labels, positive, drawn.classes, drawn.clusters)
    stacker, _ = fit_stacking(problem, StackingConfig(), 0)
    assert (stacker.coefficients[0, 1:] < 0).all()
    stacked, mean = stacker.combine(problem.probabilities), problem.probabilities.mean(axis=0)
    right = [(found.argmax(axis=1) == problem.labels).mean() for found in (stacked, mean)]
    assert right[0] > 0.85 > 0.5 > right[1]


def test_inner_folds_never_part_a_subject():
    problem = make_problem(images=120, clusters=np.arange(120) // 6)
    folds = list(_folds(problem, 5, seed=0))
    assert len(folds) == 5
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(120))
    for train, test in folds:
        assert not set(problem.clusters[train]) & set(problem.clusters[test])


def test_subjects_of_one_class_are_spread_over_the_inner_folds():
    labels = np.repeat([0, 1], 60)
    problem = make_problem(labels=labels, clusters=np.arange(120) // 12)
    for train, test in _folds(problem, 5, seed=1):
        assert set(labels[train]) == set(labels[test]) == {0, 1}


def test_the_penalty_of_least_inner_loss_is_taken():
    problem = make_problem(images=300)
    _, facts = fit_stacking(problem, StackingConfig(strengths=(1e-6, 0.1)), 0)
    assert facts["strength"] == 0.1
    assert facts["log_loss"]["0.1"] < facts["log_loss"]["1e-06"] == pytest.approx(np.log(2), abs=0.01)
    noise = make_problem(skill=0.0, images=60)
    assert fit_stacking(noise, StackingConfig(strengths=(1e-4, 100.0)), 0)[1]["strength"] == 1e-4


@pytest.mark.parametrize("kind", ["shared", "full"])
@pytest.mark.parametrize("seen", [[0, 2], [1, 2, 3]])
def test_a_class_that_was_never_seen_has_probability_0(seen, kind):
    labels = np.random.default_rng(0).choice(seen, size=100)
    problem = make_problem(classes=4, labels=labels)
    stacker, _ = fit_stacking(problem, StackingConfig(kind=kind), 0)
    found = stacker.combine(problem.probabilities)
    assert found.sum(axis=1) == pytest.approx(1)
    assert set(np.flatnonzero(found.max(axis=0))) == set(seen)
    assert (found.argmax(axis=1) == labels).mean() > 0.6
    assert np.isfinite(stacker.log_loss(features(problem.probabilities[:, :4]), np.arange(4)))


@pytest.mark.parametrize("config", [ONE, FULL])
def test_it_goes_through_json(config):
    problem = make_problem(classes=3)
    stacker, _ = fit_stacking(problem, config, 0)
    read = Stacker.from_dict(json.loads(json.dumps(stacker.as_dict())))
    assert (read.combine(problem.probabilities) == stacker.combine(problem.probabilities)).all()


def test_images_of_one_class_are_refused():
    with pytest.raises(UserError, match="two classes: all are class_1"):
        fit_stacking(make_problem(labels=np.ones(20, dtype=int)), ONE, 0)


def test_too_few_subjects_are_refused_unless_the_penalty_is_said():
    problem = make_problem(images=20, clusters=np.zeros(20, dtype=int))
    with pytest.raises(UserError, match=r"too few of them: name one, such as stacking.strengths=\[0.1\]"):
        fit_stacking(problem, StackingConfig(), 0)
    assert fit_stacking(problem, ONE, 0)[1] == {"strength": 0.1}
