"""Greedy selection, CMA-ES and differential evolution on the weights."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.metrics import f1_score

from common.config.ensemble import CmaConfig, DifferentialConfig, GreedyConfig
from evaluation.ensembles.optimisers import fit_cma, fit_differential, fit_greedy, select
from tests.evaluation.ensembles.problems import make_problem, of_positive, permuted, predicted_by

each_optimiser = pytest.mark.parametrize(
    ("optimise", "config"),
    [(fit_cma, CmaConfig(evaluations=1000)), (fit_differential, DifferentialConfig(evaluations=1000))],
)


@each_optimiser
def test_optimised_weights_are_valid_and_better_than_equal_ones(optimise, config):
    problem = make_problem(skills=[0.5, 1.0, 2.0, 0.0])
    result = optimise(problem, config, seed=0)
    assert result.weights.min() >= 0
    assert result.weights.sum() == pytest.approx(1)
    assert result.score == pytest.approx(problem.fitness(result.weights[None])[0])
    assert result.score > problem.fitness(np.full((1, 4), 0.25))[0]
    assert config.evaluations - config.population < result.evaluations <= config.evaluations


@each_optimiser
def test_optimisers_find_the_maximum_of_the_likelihood(optimise, config):
    problem = make_problem(skills=[1.0, 2.0, 2.5], images=300)
    expected = minimize(lambda logits: problem.negative_log_likelihood(softmax(logits)[None])[0], np.zeros(3))
    result = optimise(problem, config.model_copy(update={"evaluations": 3000, "objective": "nll"}), seed=0)
    assert result.score == pytest.approx(-expected.fun, abs=1e-5)
    assert result.weights == pytest.approx(softmax(expected.x), abs=0.01)


@each_optimiser
def test_only_the_seed_determines_the_weights(optimise, config):
    problem = make_problem()
    first = optimise(problem, config, seed=1).weights
    # Without a generator of its own, cma would draw from and reseed the shared one.
    np.random.seed(11)  # noqa: NPY002
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert optimise(problem, config, seed=1).weights.tolist() == first.tolist()
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert optimise(problem, config, seed=2).weights.tolist() != first.tolist()


@each_optimiser
def test_optimisers_find_a_member_that_is_best_alone(optimise, config):
    # It is right by a small margin, the others are clearly wrong: hardly any weight of theirs is allowed.
    problem = of_positive([[0, 1], [0.5 + 1e-7, 0.5 - 1e-7], [0, 1]], [1, 0])
    result = optimise(problem, config, seed=0)
    assert (result.score, result.weights.tolist()) == (1, [0, 1, 0])


@each_optimiser
def test_a_constant_fitness_gives_equal_weights(optimise, config):
    result = optimise(make_problem(skill=12.0), config, seed=0)
    assert result.score == 1
    assert result.weights.tolist() == [0.25] * 4


def count(picks, members):
    return np.bincount(picks, minlength=members) / len(picks)


@pytest.mark.parametrize("seed", range(4))
def test_greedy_equals_the_exhaustive_search_of_two_members(seed):
    # Of a concave objective on a line, adding one member at a time passes the best of every size.
    problem = make_problem(2, skills=[1.0, 1.6], seed=seed)
    result = fit_greedy(problem, GreedyConfig(rounds=6, objective="nll"), 0)
    ensembles = []
    for size in range(1, 7):
        ensembles += [count(picks, 2) for picks in combinations_with_replacement(range(2), size)]
    assert result.score == pytest.approx(problem.score(np.array(ensembles), "nll").max())


@pytest.mark.parametrize("seed", range(4))
def test_each_greedy_step_is_the_best_of_all(seed):
    problem = make_problem(4, images=80, seed=seed)
    picks = []
    best = 0.0
    for _ in range(8):
        tried = [count([*picks, member], 4) for member in range(4)]
        scores = [f1_score(problem.labels, predicted_by(problem, one), average="weighted") for one in tried]
        picks.append(int(np.argmax(scores)))
        if max(scores) > best + 1e-12:
            best = max(scores)
            weights = count(picks, 4)
    result = fit_greedy(problem, GreedyConfig(rounds=8), 0)
    assert result.score == pytest.approx(best)
    assert result.weights == pytest.approx(weights)


@pytest.mark.parametrize(
    ("skills", "config", "weights"),
    [([0.5, 3.0, 1.0], {"rounds": 1}, [0, 1, 0]), ([0.5, 3.0, 1.0, 2.5], {"rounds": 2, "start": 2}, [0, 0.5, 0, 0.5])],
)
def test_greedy_starts_with_the_best_members(skills, config, weights):
    assert fit_greedy(make_problem(skills=skills), GreedyConfig(**config), 0).weights.tolist() == weights


def test_greedy_does_not_depend_on_the_order_of_members():
    problem = make_problem(skills=[0.5, 1.0, 1.5, 2.0])
    order = np.array([3, 1, 0, 2])
    config = GreedyConfig(objective="nll", rounds=20)
    expected = fit_greedy(problem, config, 0).weights[order]
    assert fit_greedy(permuted(problem, order), config, 0).weights == pytest.approx(expected)


def test_greedy_averages_bags():
    problem = make_problem(6)
    config = GreedyConfig(bags=4, bag_share=0.5, rounds=5)
    rng = np.random.default_rng(3)
    bags = [np.sort(rng.choice(6, 3, replace=False)) for _ in range(4)]
    selections = [select(problem, bag, config) for bag in bags]
    for bag, selection in zip(bags, selections, strict=True):
        assert set(np.flatnonzero(selection.weights)) <= set(bag)
    result = fit_greedy(problem, config, 3)
    assert result.weights == pytest.approx(np.mean([selection.weights for selection in selections], axis=0))
    assert result.score == pytest.approx(problem.fitness(result.weights[None])[0])


def test_greedy_counts_its_evaluations(monkeypatch):
    problem = make_problem(3)
    scored = []
    monkeypatch.setattr(
        type(problem), "score", lambda self, weights, _: scored.append(len(weights)) or weights @ [1, 2, 3]
    )
    result = fit_greedy(problem, GreedyConfig(rounds=4, bags=2, bag_share=0.7), 0)
    assert result.evaluations == sum(scored)
