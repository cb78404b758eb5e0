"""The genetic algorithm of paper 004 (3.4.3.1) for the weights of an ensemble, all restarts at once.

Its text gives the operators: real genes that sum to 1, a random initial population, k-tournament selection, the mean of
two parents as crossover, one gene replaced by a uniform number as mutation, normalisation after both, a constant
population, and the best of several initial populations. Ours are the numbers, that each child has two drawn parents and
takes a place in the next generation, and that the fittest survive. Arrays have the shape (restarts, population, ...).
"""

import numpy as np

from karyocyte.evaluation.pooling.averaging import Combiner
from karyocyte.workflows.ensembles.ensemble_request import GeneticConfig
from karyocyte.workflows.ensembles.fitness import Problem


def normalise(genes: np.ndarray) -> np.ndarray:
    """Divide genes, not negative, shape (..., M), by their sum over the last axis; all 0 become equal weights."""
    total = genes.sum(axis=-1, keepdims=True)
    return np.where(total == 0, 1 / genes.shape[-1], genes / np.where(total == 0, 1, total))


def tournament(fitness: np.ndarray, entrants: np.ndarray) -> np.ndarray:
    """Return the winners, shape (..., C): the fittest of each tournament's entrants, the first of equals.

    Args:
        fitness: Of the population, shape (..., P).
        entrants: Indices into it, shape (..., C, k).
    """
    fittest = np.take_along_axis(fitness[..., None, :], entrants, axis=-1).argmax(axis=-1)
    return np.take_along_axis(entrants, fittest[..., None], axis=-1)[..., 0]


def replace_gene(genes: np.ndarray, place: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return mutants of genes (..., M): the one at ``place`` (...) gets ``value`` (0 to 1), then all are normalised."""
    mutants = genes.copy()
    np.put_along_axis(mutants, place[..., None], value[..., None], axis=-1)
    return normalise(mutants)


def breed(
    genes: np.ndarray, fitness: np.ndarray, count: int, config: GeneticConfig, rng: np.random.Generator
) -> np.ndarray:
    """Draw ``count`` children per population, shape (R, count, M), of populations (R, P, M) with fitness (R, P)."""
    restarts, population, members = genes.shape
    entrants = rng.integers(population, size=(restarts, 2 * count, config.tournament))
    parents = genes[np.arange(restarts)[:, None], tournament(fitness, entrants)]
    first = parents[:, :count]
    second = parents[:, count:]
    shape = (restarts, count)
    crosses = rng.random(shape) < config.crossover
    children = np.where(crosses[..., None], normalise((first + second) / 2), first)  # the mean of both parents
    mutates = rng.random(shape) < config.mutation
    mutants = replace_gene(children, rng.integers(members, size=shape), rng.random(shape))
    return np.where(mutates[..., None], mutants, children)


def evolve(problem: Problem, config: GeneticConfig, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the last populations of all restarts, shape (R, P, M), in falling order of fitness.

    Second, the best fitness of each generation, the initial one included, shape (R, generations + 1).
    """
    elites = config.elites
    restarts = np.arange(config.restarts)[:, None]
    genes = np.empty((config.restarts, 0, problem.members))
    fitness = np.empty((config.restarts, 0))
    children = normalise(rng.random((config.restarts, config.population, problem.members)))
    best = []
    for generation in range(config.generations + 1):
        if generation:
            children = breed(genes, fitness, config.population - elites, config, rng)
        of_children = problem.fitness(children.reshape(-1, problem.members)).reshape(children.shape[:2])
        genes = np.concatenate([genes[:, :elites], children], axis=1)
        fitness = np.concatenate([fitness[:, :elites], of_children], axis=1)
        order = np.argsort(-fitness, axis=1, kind="stable")
        genes = genes[restarts, order]
        fitness = fitness[restarts, order]
        best.append(fitness[:, 0])
    return genes, np.stack(best, axis=1)


def fit(problem: Problem, config: GeneticConfig, seed: int) -> Combiner:
    """Return the combiner with the best weights of all restarts; the same seed gives the same one."""
    genes, best = evolve(problem, config, np.random.default_rng(seed))
    restart = int(best[:, -1].argmax())
    each = config.population + config.generations * (config.population - config.elites)
    facts = {
        "fitness": float(best[restart, -1]),
        "images": len(problem.labels),
        "seed": seed,
        "settings": config.model_dump(mode="json"),
        "evaluations": config.restarts * each,
    }
    return Combiner("genetic", genes[restart, 0], facts)
