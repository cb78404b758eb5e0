"""The genetic algorithm of paper 004 as a user of DEAP would write it: the baseline of ``benchmarks.ensemble``."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from deap import base, creator, tools
from sklearn.metrics import f1_score

from common.config.ensemble import GeneticConfig
from evaluation.ensembles.objective import Problem
from evaluation.metrics.classification import call

creator.create("WeightedF1", base.Fitness, weights=(1.0,))
creator.create("Weights", list, fitness=creator.WeightedF1)

Evaluate = Callable[[Sequence[float]], tuple[float]]


def deap_genetic(members: int, evaluate: Evaluate, config: GeneticConfig, seed: int) -> tuple[list[float], float]:
    """Return the best weights of all restarts, one after another, and their fitness.

    Operators, probabilities and numbers are those of ``fit_genetic``, and so is the number of evaluations.
    """
    random.seed(seed)
    toolbox = build_toolbox(members, evaluate, config)
    bests = [_evolve(toolbox, config) for _ in range(config.restarts)]
    best = tools.selBest(bests, 1)[0]
    return list(best), best.fitness.values[0]


def build_toolbox(members: int, evaluate: Evaluate, config: GeneticConfig) -> base.Toolbox:
    """Register the paper's operators."""
    toolbox = base.Toolbox()
    toolbox.register("weights", tools.initRepeat, creator.Weights, random.random, n=members)
    toolbox.register("individual", lambda: _normalise(toolbox.weights()))
    toolbox.register("population", tools.initRepeat, list, toolbox.individual)
    toolbox.register("evaluate", evaluate)
    toolbox.register("select", tools.selTournament, tournsize=config.tournament)
    toolbox.register("mate", _average)
    toolbox.register("mutate", _replace_gene)
    return toolbox


def numpy_evaluation(problem: Problem) -> Evaluate:
    """Return a fitness of one individual in a few lines of numpy."""
    k = len(problem.classes)
    images = np.bincount(problem.labels, minlength=k)
    predict = _predictor(problem)

    def evaluate(weights: Sequence[float]) -> tuple[float]:
        predicted = predict(weights)
        correct = np.bincount(predicted[predicted == problem.labels], minlength=k)
        f1 = 2 * correct / np.maximum(images + np.bincount(predicted, minlength=k), 1)
        return (float(f1 @ images / len(predicted)),)

    return evaluate


def sklearn_evaluation(problem: Problem) -> Evaluate:
    """Return a fitness of one individual by scikit-learn's F1, the usual line."""
    predict = _predictor(problem)
    return lambda weights: (f1_score(problem.labels, predict(weights), average="weighted"),)


def _predictor(problem: Problem) -> Callable[[Sequence[float]], np.ndarray]:
    if problem.positive_index == 1:
        # A product with every second number would take twice the time.
        scores = np.ascontiguousarray(problem.probabilities[:, :, 1])
        return lambda weights: (np.asarray(weights) @ scores >= 0.5).astype(np.int64)
    return lambda weights: call(np.tensordot(weights, problem.probabilities, axes=1), problem.positive_index)


def _evolve(toolbox: base.Toolbox, config: GeneticConfig) -> Any:
    """Return the best individual of one initial population, a list with a fitness."""
    population = toolbox.population(n=config.population)
    for individual in population:
        individual.fitness.values = toolbox.evaluate(individual)
    for _ in range(config.generations):
        elites = tools.selBest(population, config.elites)
        first = toolbox.select(population, config.population - config.elites)
        second = toolbox.select(population, config.population - config.elites)
        children = [toolbox.clone(individual) for individual in first]
        for child, other in zip(children, second, strict=True):
            if random.random() < config.crossover:
                toolbox.mate(child, other)
            if random.random() < config.mutation:
                toolbox.mutate(child)
            child.fitness.values = toolbox.evaluate(child)
        population = elites + children
    return tools.selBest(population, 1)[0]


def _average(child: list[float], other: list[float]) -> list[float]:
    child[:] = [(gene + other_gene) / 2 for gene, other_gene in zip(child, other, strict=True)]
    return _normalise(child)


def _replace_gene(child: list[float]) -> list[float]:
    place = random.randrange(len(child))
    child[place] = random.random()
    return _normalise(child)


def _normalise(child: list[float]) -> list[float]:
    total = sum(child)
    child[:] = [gene / total for gene in child] if total else [1 / len(child)] * len(child)
    return child
