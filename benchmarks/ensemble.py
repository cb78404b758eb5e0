"""Searches for the weights of an ensemble, by time and by fitness: ``python -m benchmarks ensemble``."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from deap import base, creator, tools
from scipy.special import softmax
from scipy.stats import mannwhitneyu
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

from benchmarks.shared import time_in_turn
from common.predictions import read_predictions
from evaluation.averaging import align
from evaluation.metrics.classification import call
from workflows.ensembles.config import GeneticConfig
from workflows.ensembles.fitness import Problem
from workflows.ensembles.genetic import fit_genetic
from workflows.ensembles.members import EnsembleMembers

CHECKPOINTS = (0.02, 0.1, 0.5, 1.0)  # shares of the evaluations of a search
RANDOM_BATCH = 1000
OURS = "ours"
DEAP = "DEAP, numpy's F1"
SLOW = "DEAP, scikit-learn's F1"
Evaluate = Callable[[Sequence[float]], tuple[float]]
creator.create("WeightedF1", base.Fitness, weights=(1.0,))
creator.create("Weights", list, fitness=creator.WeightedF1)


@dataclass(frozen=True)
class Case:
    """Validation images and the probabilities of several models, drawn by a seed, or always the same."""

    name: str
    draw: Callable[[int], Problem]


def drawn_case(images: int, classes: int, skills: Sequence[float]) -> Case:
    """Return drawn models of the same validation images.

    ``skills`` say how far each model's logit of the true class is above the others. The noise has a standard deviation
    of 1.4; half of its variance is shared by all models, since the same images are hard for all.
    """

    def draw(seed: int) -> Problem:
        rng = np.random.default_rng(seed)
        labels = rng.integers(classes, size=images)
        shape = (len(skills), images, classes)
        noise = rng.normal(size=shape) + rng.normal(size=shape[1:])
        logits = noise + np.reshape(skills, (-1, 1, 1)) * np.eye(classes)[labels]
        return Problem(softmax(logits, axis=2), labels, 1 if classes == 2 else None, tuple(map(str, range(classes))))

    return Case(f"{classes} classes, {len(skills)} models, {images:,} images", draw)


# The weighted F1 of the models is about 0.90 to 0.94, as in paper 004, which joins four.
CASES = (
    drawn_case(2000, 2, (2.6, 2.8, 3.0, 3.2)),
    drawn_case(500, 2, tuple(np.linspace(2.0, 3.2, 11))),
    drawn_case(2000, 24, (4.4, 4.6, 4.8, 5.0)),
)


def read_case(runs: list[Path]) -> Case:
    """Return the labelled validation images that all runs have as a case.

    Raises:
        UserError: They are not predictions of the same images, or have no labelled validation image.
    """
    names = tuple(map(str, runs))
    aligned = align([read_predictions(run) for run in runs], names, common=True)
    problem = EnsembleMembers(None, names, names, tuple(aligned)).problem
    size = f"{len(problem.classes)} classes, {problem.members} models, {len(problem.labels):,} images"
    return Case(f"named: {size}", lambda _: problem)


@dataclass(frozen=True, eq=False)
class RecordingProblem(Problem):
    """A problem that records every fitness that it computes."""

    history: list[np.ndarray] = field(default_factory=list)

    def fitness(self, weights: np.ndarray) -> np.ndarray:
        """Return the fitness, shape (P,), of weights (P, M)."""
        self.history.append(super().fitness(weights))
        return self.history[-1]

    def best_after(self, evaluations: int) -> float:
        """Return the best fitness of the first ``evaluations`` weights."""
        return float(np.concatenate(self.history)[:evaluations].max())


def deap_genetic(members: int, evaluate: Evaluate, config: GeneticConfig, seed: int) -> tuple[list[float], float]:
    """Return the best weights of all restarts of the genetic algorithm as a user of DEAP would write it, with their F1.

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


def measure_time(case: Case, config: GeneticConfig, rounds: int, slow_rounds: int, seeds: int) -> pd.DataFrame:
    """Time the genetic algorithm, ours and DEAP's, in turn, on one thread.

    DEAP's fitness is scikit-learn's F1, or a few lines of numpy. Its restarts run one after another: with
    scikit-learn's F1, one is timed and multiplied. DEAP is timed in ``slow_rounds`` of the rounds.

    Returns:
        A row per implementation: medians of ``cpu_seconds`` and of ``seconds`` by the clock, and ``cpu_ratio`` and
        ``ratio`` to ours. For ours and DEAP's also the columns of ``compare_genetic``.
    """
    problem = case.draw(0)
    once = config.model_copy(update={"restarts": 1})
    fast_f1 = numpy_evaluation(problem)
    slow_f1 = sklearn_evaluation(problem)
    implementations: dict[str, Callable[[int], object]] = {
        # A new problem has nothing cached.
        OURS: lambda seed: fit_genetic(replace(problem), config, seed),
        DEAP: lambda seed: deap_genetic(problem.members, fast_f1, config, seed),
        SLOW: lambda seed: deap_genetic(problem.members, slow_f1, once, seed),
    }
    with threadpool_limits(1):
        medians = time_in_turn(implementations, (DEAP, SLOW), rounds, slow_rounds)
        comparison = compare_genetic(problem, config, seeds)
    medians[SLOW] *= config.restarts
    each = config.population + config.generations * (config.population - config.elites)
    table = pd.DataFrame({"measured": "time", "case": case.name, "way": list(medians)})
    table["evaluations"] = config.restarts * each
    table["rounds"] = [rounds, slow_rounds, slow_rounds]
    seconds = np.stack(list(medians.values()))
    table[["cpu_seconds", "seconds"]] = seconds
    table[["cpu_ratio", "ratio"]] = seconds / medians[OURS]
    return table.join(comparison, on="way")


def compare_genetic(problem: Problem, config: GeneticConfig, seeds: int) -> pd.DataFrame:
    """Compare the fitness of ours and DEAP's over seeds.

    Each run has one initial population: the best of several would leave little to compare.

    Returns:
        A row for each: ``f1_mean``, ``f1_min``, ``f1_max``, ``seeds``, and ``p`` of the Mann-Whitney test of both.
    """
    config = config.model_copy(update={"restarts": 1})
    evaluate = numpy_evaluation(problem)
    scores = pd.DataFrame(index=range(seeds), columns=[OURS, DEAP], dtype=float)
    for seed in scores.index:
        scores.loc[seed, OURS] = fit_genetic(problem, config, seed).score
        scores.loc[seed, DEAP] = deap_genetic(problem.members, evaluate, config, seed)[1]
    # Equal predictions have the same F1 but for its last digits, which must not break ties.
    test = mannwhitneyu(scores[OURS].round(12), scores[DEAP].round(12))
    spread = scores.agg(["mean", "min", "max"]).T.add_prefix("f1_")
    return spread.assign(seeds=seeds, p=float(test.pvalue))


def measure_fitness(case: Case, seeds: int, evaluations: int) -> pd.DataFrame:
    """Compare searches after equal numbers of evaluations, over seeds; each seed draws its own images and search.

    Returns:
        A row per search and checkpoint: ``f1_mean``, ``f1_min``, ``f1_max``; ``gap`` (the mean distance to the best of
        all searches on the same images in the end) and ``reached`` (the share of seeds where it is 0).
    """
    checkpoints = [max(1, round(share * evaluations)) for share in CHECKPOINTS]
    rows: list[dict[str, Any]] = []
    for seed in range(seeds):
        problem = case.draw(seed)
        for name, search in SEARCHES.items():
            recording = RecordingProblem(problem.probabilities, problem.labels, problem.positive_index, problem.classes)
            search(recording, evaluations, seed)
            for checkpoint in checkpoints:
                f1 = recording.best_after(checkpoint)
                rows.append({"evaluations": checkpoint, "way": name, "seed": seed, "f1": f1})
    table = pd.DataFrame(rows)
    table["gap"] = table.groupby("seed")["f1"].transform("max") - table["f1"]
    table["reached"] = table["gap"] < 1e-12
    groups = table.groupby(["evaluations", "way"], sort=False)
    columns = {f"f1_{kind}": ("f1", kind) for kind in ("mean", "min", "max")}
    spread = groups.agg(**columns, gap=("gap", "mean"), reached=("reached", "mean"), seeds=("seed", "size"))
    spread = spread.reset_index().sort_values("evaluations", kind="stable")
    return spread.assign(measured="fitness", case=case.name)


def _deap(problem: Problem, evaluations: int, seed: int) -> None:
    def evaluate(weights: Sequence[float]) -> tuple[float]:
        return (float(problem.fitness(np.array([weights]))[0]),)

    deap_genetic(problem.members, evaluate, _one_population(evaluations), seed)


def _random(problem: Problem, evaluations: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(-(-evaluations // RANDOM_BATCH)):
        problem.fitness(rng.dirichlet(np.ones(problem.members), size=RANDOM_BATCH))


SEARCHES: dict[str, Callable[[Problem, int, int], object]] = {
    "genetic, ours": lambda problem, number, seed: fit_genetic(problem, _one_population(number), seed),
    "genetic, DEAP": _deap,
    "random search": _random,
}


def _one_population(evaluations: int) -> GeneticConfig:
    """Our algorithm with one initial population, and as many generations as the evaluations allow."""
    config = GeneticConfig(restarts=1)
    each = config.population - config.elites
    return config.model_copy(update={"generations": max(0, -(-(evaluations - config.population) // each))})
