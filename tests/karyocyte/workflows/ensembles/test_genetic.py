"""The genetic algorithm of paper 004: its operators by hand, and properties of every run of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyocyte.workflows.ensembles.ensemble_request import GeneticConfig
from karyocyte.workflows.ensembles.genetic import breed, evolve, fit, normalise
from tests.karyocyte.workflows.ensembles.problems import make_problem

QUICK = GeneticConfig(generations=5, restarts=2)


class Draws:
    """Prepared draws in place of a generator."""

    def __init__(self, *draws):
        self.draws = list(draws)

    def random(self, shape):
        drawn = np.asarray(self.draws.pop(0))
        assert drawn.shape == tuple(shape)
        return drawn

    def integers(self, high, size):
        drawn = self.random(size)
        assert drawn.max() < high
        return drawn


def test_a_generation_by_hand():
    genes = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.4], [0.5, 0.5]])
    fitness = np.array([0.1, 0.4, 0.3, 0.2])
    # Three children: first parents 2, 1, 3; second parents 0, 3, 1; the first two cross, the last two mutate.
    entrants = np.array([[0, 2], [2, 1], [3, 0], [0, 0], [0, 3], [1, 3]])
    draws = ([0.1, 0.49, 0.5], [0.5, 0.2, 0.1], [0, 0, 1], [0.7, 0.75, 0.125])
    # The second population is the first one in reverse.
    rng = Draws([entrants, 3 - entrants], *([drawn] * 2 for drawn in draws))
    config = GeneticConfig(population=4, tournament=2, crossover=0.5, mutation=0.5)
    children = breed(np.stack([genes, genes[::-1]]), np.stack([fitness, fitness[::-1]]), 3, config, rng)
    assert children == pytest.approx(np.array([[[0.8, 0.2], [0.5, 0.5], [0.8, 0.2]]] * 2))
    assert normalise(np.zeros((1, 4))).tolist() == [[0.25] * 4]
    assert not rng.draws


@given(
    members=st.integers(1, 6),
    population=st.integers(2, 12),
    elites=st.integers(0, 3),
    restarts=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_populations_hold_valid_weights_in_falling_order(members, population, elites, restarts, seed):
    elites = min(elites, population - 1)
    config = GeneticConfig(population=population, generations=6, restarts=restarts, elites=elites, mutation=0.8)
    problem = make_problem(members, images=30)
    genes, best = evolve(problem, config, np.random.default_rng(seed))
    assert genes.shape == (restarts, population, members)
    assert genes.min() >= 0
    assert genes.sum(axis=2) == pytest.approx(1)
    fitness = problem.fitness(genes.reshape(-1, members)).reshape(genes.shape[:2])
    assert (np.diff(fitness, axis=1) <= 1e-12).all()
    assert best.shape == (restarts, 7)
    assert fitness[:, 0] == pytest.approx(best[:, -1])
    if config.elites:
        assert (np.diff(best, axis=1) >= 0).all()


def test_the_best_of_all_restarts_is_returned():
    problem = make_problem()
    config = GeneticConfig(population=5, generations=3, restarts=6)
    genes, best = evolve(problem, config, np.random.default_rng(7))
    result = fit(problem, config, 7)
    assert result.facts["fitness"] == best[:, -1].max() > best[:, -1].min()
    assert result.weights.tolist() == genes[best[:, -1].argmax(), 0].tolist()
    assert result.facts["evaluations"] == 6 * (5 + 3 * 4)
    assert (result.facts["seed"], result.facts["images"]) == (7, 200)
    assert fit(problem, config, 8).weights.tolist() != result.weights.tolist()


def test_the_search_is_fitter_than_each_member_and_the_average():
    problem = make_problem(skills=[0.5, 1.5, 2.0, 1.0])
    facts = fit(problem, QUICK, 0).facts
    assert facts["fitness"] > problem.fitness(np.full((1, 4), 1 / 4))[0]
    assert facts["fitness"] > problem.fitness(np.eye(4)).max()
    assert facts["settings"] == QUICK.model_dump(mode="json")
