"""Stacking by logistic regression."""

import json
import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, log_loss

from common.config.ensemble import StackingConfig
from common.errors import UserError
from evaluation.ensembles.objective import Problem
from evaluation.ensembles.stacking import LEAST, Stacker, features, fit_stacking, subject_folds
from tests.evaluation.ensembles.problems import make_problem, of_positive

ONE = StackingConfig(strengths=(0.1,))
FULL = StackingConfig(strengths=(0.1,), kind="full")


def test_inputs_of_two_classes_are_log_odds_of_the_second():
    problem = of_positive([[0.2, 1.0], [0.5, 0.0]], [0, 1])
    expected = [[logit(0.2), 0.0], [logit(1 - LEAST), logit(LEAST)]]
    assert features(problem.probabilities) == pytest.approx(np.array(expected))


def test_inputs_of_more_classes_are_log_probabilities_member_by_member():
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
    """The loss of the shared regression, by its formula."""
    weights = numbers[: problem.members]
    intercepts = numbers[problem.members :]
    logits = np.einsum("m,mnk->nk", weights, np.log(problem.probabilities))
    loss = log_loss(problem.labels, softmax(logits + intercepts, axis=1), normalize=False)
    return numbers @ numbers / 2 + strength * loss


def test_more_classes_share_a_coefficient_per_member():
    problem = make_problem(classes=4, skills=[0.5, 1.0, 2.0])
    stacker, _ = fit_stacking(problem, ONE, 0)
    numbers = np.concatenate([stacker.coefficients, stacker.intercepts])
    assert (stacker.coefficients.shape, stacker.intercepts.shape) == ((3,), (4,))
    minimum = minimize(penalised_loss, np.zeros(7), (problem, 0.1))
    assert numbers == pytest.approx(minimum.x, abs=1e-4)
    logits = np.log(problem.probabilities).T @ stacker.coefficients + stacker.intercepts[:, None]
    assert stacker.combine(problem.probabilities) == pytest.approx(softmax(logits.T, axis=1))


def test_with_many_classes_the_shared_kind_generalises_and_the_full_kind_does_not():
    drawn = make_problem(classes=24, images=1500, skills=[2.0, 3.0, 4.0], clusters=np.arange(1500))
    parts = [drawn.select(np.arange(1500) < 300), drawn.select(np.arange(1500) >= 300)]
    f1 = {}
    for kind in ("shared", "full"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # such as that the regression did not converge
            stacker, _ = fit_stacking(parts[0], StackingConfig(kind=kind, folds=2), 0)
        predicted = [stacker.combine(part.probabilities).argmax(axis=1) for part in parts]
        f1[kind] = [
            f1_score(part.labels, rows, average="weighted") for part, rows in zip(parts, predicted, strict=True)
        ]
    assert f1["full"][0] - f1["full"][1] > 0.1 > 0.05 > f1["shared"][0] - f1["shared"][1]
    assert f1["shared"][1] > max(f1["full"][1], *parts[1].fitness(np.eye(3)))


@pytest.mark.parametrize("positive", [0, 1])
def test_a_member_that_is_usually_wrong_has_a_negative_coefficient(positive):
    drawn = make_problem(skills=[1.0, -3.0, -3.0], images=600, clusters=np.arange(600) // 4)
    problem = Problem(drawn.probabilities, drawn.labels, positive, drawn.classes, drawn.clusters)
    stacker, _ = fit_stacking(problem, StackingConfig(), 0)
    assert (stacker.coefficients[0, 1:] < 0).all()
    assert (stacker.combine(problem.probabilities).argmax(axis=1) == problem.labels).mean() > 0.85
    assert (problem.probabilities.mean(axis=0).argmax(axis=1) == problem.labels).mean() < 0.5


@pytest.mark.parametrize("images_of_a_subject", [6, 12])
def test_inner_folds_keep_subjects_together_and_spread_classes(images_of_a_subject):
    labels = np.repeat([0, 1], 60)
    clusters = np.arange(120) // images_of_a_subject
    fold_of = subject_folds(labels, clusters, 5, seed=1)
    assert set(fold_of) == set(range(5))
    for fold in range(5):
        test = fold_of == fold
        assert not set(clusters[~test]) & set(clusters[test])
        assert set(labels[~test]) == set(labels[test]) == {0, 1}


def test_the_penalty_of_least_inner_loss_is_chosen():
    problem = make_problem(images=300)
    _, facts = fit_stacking(problem, StackingConfig(strengths=(1e-6, 0.1)), 0)
    assert facts["strength"] == 0.1
    assert facts["log_loss"]["0.1"] < facts["log_loss"]["1e-06"] == pytest.approx(np.log(2), abs=0.01)
    noise = make_problem(skill=0.0, images=60)
    assert fit_stacking(noise, StackingConfig(strengths=(1e-4, 100.0)), 0)[1]["strength"] == 1e-4


@pytest.mark.parametrize("kind", ["shared", "full"])
@pytest.mark.parametrize("occurring", [[0, 2], [1, 2, 3]])
def test_a_class_without_images_has_probability_0(occurring, kind):
    labels = np.random.default_rng(0).choice(occurring, size=100)
    problem = make_problem(classes=4, labels=labels)
    stacker, _ = fit_stacking(problem, StackingConfig(kind=kind), 0)
    probabilities = stacker.combine(problem.probabilities)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert set(np.flatnonzero(probabilities.max(axis=0))) == set(occurring)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.6
    assert np.isfinite(stacker.log_loss(features(problem.probabilities[:, :4]), np.arange(4)))


@pytest.mark.parametrize("config", [ONE, FULL])
def test_a_stacker_can_be_saved_as_json(config):
    problem = make_problem(classes=3)
    stacker, _ = fit_stacking(problem, config, 0)
    read = Stacker.from_dict(json.loads(json.dumps(stacker.as_dict())))
    assert (read.combine(problem.probabilities) == stacker.combine(problem.probabilities)).all()


def test_images_of_one_class_are_an_error():
    with pytest.raises(UserError, match="class_1"):
        fit_stacking(make_problem(labels=np.ones(20, dtype=int)), ONE, 0)


def test_too_few_subjects_are_an_error_unless_the_penalty_is_given():
    problem = make_problem(images=20, clusters=np.zeros(20, dtype=int))
    with pytest.raises(UserError, match=r"stacking.strengths=\[0.1\]"):
        fit_stacking(problem, StackingConfig(), 0)
    assert fit_stacking(problem, ONE, 0)[1] == {"strength": 0.1}
