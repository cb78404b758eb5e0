"""CMA-ES and differential evolution on the weights."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from common.config.ensemble import CmaConfig, DifferentialConfig
from evaluation.ensembles.optimisers import fit_cma, fit_differential
from tests.evaluation.ensembles.problems import make_problem, of_positive

SMALL = [(fit_cma, CmaConfig(evaluations=1000)), (fit_differential, DifferentialConfig(evaluations=1000))]
FINE = [
    (fit_cma, CmaConfig(evaluations=3000, objective="nll")),
    (fit_differential, DifferentialConfig(evaluations=3000, objective="nll")),
]


@pytest.mark.parametrize(("optimise", "config"), SMALL)
def test_weights_are_weights_and_better_than_equal_ones(optimise, config):
    problem = make_problem(skills=[0.5, 1.0, 2.0, 0.0])
    found = optimise(problem, config, seed=0)
    assert found.weights.min() >= 0
    assert found.weights.sum() == pytest.approx(1)
    assert found.score == pytest.approx(problem.fitness(found.weights[None])[0])
    assert found.score > problem.fitness(np.full((1, 4), 0.25))[0]
    assert config.evaluations - config.population < found.evaluations <= config.evaluations


@pytest.mark.parametrize(("optimise", "config"), FINE)
def test_the_optimum_of_the_likelihood_is_found(optimise, config):
    problem = make_problem(skills=[1.0, 2.0, 2.5], images=300)
    expected = minimize(lambda logits: problem.negative_log_likelihood(softmax(logits)[None])[0], np.zeros(3))
    found = optimise(problem, config, seed=0)
    assert found.score == pytest.approx(-expected.fun, abs=1e-5)
    assert found.weights == pytest.approx(softmax(expected.x), abs=0.01)


@pytest.mark.parametrize(("optimise", "config"), SMALL)
def test_the_seed_alone_decides(optimise, config):
    problem = make_problem()
    first = optimise(problem, config, seed=1).weights
    # What cma would draw from and reseed, were it let: the generator that everyone shares.
    np.random.seed(11)  # noqa: NPY002
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert optimise(problem, config, seed=1).weights.tolist() == first.tolist()
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert optimise(problem, config, seed=2).weights.tolist() != first.tolist()


@pytest.mark.parametrize(("optimise", "config"), SMALL)
def test_a_member_that_is_best_alone_is_found(optimise, config):
    # It is right by a hair, the others are wrong for sure: next to no weight of theirs is too much.
    problem = of_positive([[0, 1], [0.5 + 1e-7, 0.5 - 1e-7], [0, 1]], [1, 0])
    found = optimise(problem, config, seed=0)
    assert (found.score, found.weights.tolist()) == (1, [0, 1, 0])


@pytest.mark.parametrize(("optimise", "config"), SMALL)
def test_a_fitness_without_slope_ends_well(optimise, config):
    problem = make_problem(skill=12.0)
    found = optimise(problem, config, seed=0)
    assert found.score == 1
    assert found.weights.tolist() == [0.25] * 4
