"""Searches for the weights of an ensemble, by time and by fitness: ``python -m benchmarks ensemble``."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table
from scipy.special import softmax
from scipy.stats import mannwhitneyu
from threadpoolctl import threadpool_limits

from benchmarks.deap_genetic import deap_genetic, numpy_evaluation, sklearn_evaluation
from common.config.ensemble import CmaConfig, DifferentialConfig, GeneticConfig
from common.predictions import read_predictions
from evaluation.ensembles.averaging import align
from evaluation.ensembles.genetic import fit_genetic
from evaluation.ensembles.membership import EnsembleMembers
from evaluation.ensembles.objective import Problem
from evaluation.ensembles.optimisers import fit_cma, fit_differential

CHECKPOINTS = (0.02, 0.1, 0.5, 1.0)  # shares of the evaluations of a search
RANDOM_BATCH = 1000
OURS = "ours"
DEAP = "DEAP, numpy's F1"
SLOW = "DEAP, scikit-learn's F1"


@dataclass(frozen=True)
class Case:
    """Drawn models of the same validation images.

    Attributes:
        skills: Of each model: how far its logit of the true class is above the others, whose noise has a standard
            deviation of 1.4; half of its variance is shared by all models, since the same images are hard for all.
    """

    name: str
    images: int
    classes: int
    skills: tuple[float, ...]

    def draw(self, seed: int) -> Problem:
        """Draw the labels and the models' probabilities."""
        rng = np.random.default_rng(seed)
        labels = rng.integers(self.classes, size=self.images)
        shape = (len(self.skills), self.images, self.classes)
        noise = rng.normal(size=shape) + rng.normal(size=shape[1:])
        logits = noise + np.reshape(self.skills, (-1, 1, 1)) * np.eye(self.classes)[labels]
        positive = 1 if self.classes == 2 else None
        return Problem(softmax(logits, axis=2), labels, positive, tuple(map(str, range(self.classes))))


# The weighted F1 of the models is about 0.90 to 0.94, as in paper 004, which joins four.
CASES = (
    Case("2 classes, 4 models, 2,000 images", 2000, 2, (2.6, 2.8, 3.0, 3.2)),
    Case("2 classes, 11 models, 500 images", 500, 2, tuple(np.linspace(2.0, 3.2, 11))),
    Case("24 classes, 4 models, 2,000 images", 2000, 24, (4.4, 4.6, 4.8, 5.0)),
)


@dataclass(frozen=True)
class RunCase:
    """The validation images of finished runs, the same for every seed."""

    name: str
    problem: Problem

    def draw(self, seed: int) -> Problem:
        """Return the images; ``seed`` is not used."""
        return self.problem


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        genetic: The timed algorithm.
        rounds: Number of timings of our implementation.
        slow_rounds: In how many of these rounds DEAP is timed too.
        seeds: Number of searches that the fitness is compared over.
        evaluations: Evaluations of weights in each of these searches.
    """

    genetic: GeneticConfig = GeneticConfig()
    rounds: int = 10
    slow_rounds: int = 2
    seeds: int = 10
    evaluations: int = 10_000


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


def read_case(runs: list[Path]) -> RunCase:
    """Return the labelled validation images that all runs have as a case.

    Raises:
        UserError: They are not predictions of the same images, or have no labelled validation image.
    """
    names = tuple(map(str, runs))
    aligned = align([read_predictions(run) for run in runs], names, common=True)
    problem = EnsembleMembers(None, names, names, tuple(aligned)).problem
    size = f"{len(problem.classes)} classes, {problem.members} models, {len(problem.labels):,} images"
    return RunCase(f"named: {size}", problem)


def measure_time(case: Case | RunCase, settings: Settings) -> list[dict[str, Any]]:
    """Time the genetic algorithm, ours and DEAP's, in turn, on one thread.

    DEAP's fitness is scikit-learn's F1, or a few lines of numpy. Its restarts run one after another: with
    scikit-learn's F1, one is timed and multiplied. Where other programs share the machine, CPU seconds are fair; the
    seconds by the clock include the others.

    Returns:
        A row per implementation: medians of ``cpu_seconds`` and of ``seconds`` by the clock, and ``cpu_ratio`` and
        ``ratio`` to ours. For ours and DEAP's also the columns of ``compare_genetic``.
    """
    problem = case.draw(0)
    config = settings.genetic
    once = config.model_copy(update={"restarts": 1})
    fast_f1 = numpy_evaluation(problem)
    slow_f1 = sklearn_evaluation(problem)
    implementations: dict[str, Callable[[int], Any]] = {
        # A new problem has nothing cached.
        OURS: lambda seed: fit_genetic(replace(problem), config, seed),
        DEAP: lambda seed: deap_genetic(problem.members, fast_f1, config, seed),
        SLOW: lambda seed: deap_genetic(problem.members, slow_f1, once, seed),
    }
    with threadpool_limits(1):
        times = _time_in_turn(implementations, settings)
        comparison = compare_genetic(problem, settings)
    medians = {name: np.median(seconds, axis=0) for name, seconds in times.items()}
    medians[SLOW] *= config.restarts
    each = config.population + config.generations * (config.population - config.elites)
    rows = []
    for name, median in medians.items():
        ratios = median / medians[OURS]
        row = {
            "measured": "time",
            "case": case.name,
            "way": name,
            "evaluations": config.restarts * each,
            "rounds": len(times[name]),
            "cpu_seconds": float(median[0]),
            "seconds": float(median[1]),
            "cpu_ratio": float(ratios[0]),
            "ratio": float(ratios[1]),
        }
        rows.append(row | comparison.get(name, {}))
    return rows


def compare_genetic(problem: Problem, settings: Settings) -> dict[str, dict[str, Any]]:
    """Compare the fitness of ours and DEAP's over seeds.

    Each run has one initial population: the best of several would leave little to compare.

    Returns:
        For each: ``f1_mean``, ``f1_min``, ``f1_max``, ``seeds``, and ``p`` of the Mann-Whitney test of both.
    """
    config = settings.genetic.model_copy(update={"restarts": 1})
    evaluate = numpy_evaluation(problem)
    seeds = range(settings.seeds)
    scores = {
        OURS: [fit_genetic(problem, config, seed).score for seed in seeds],
        DEAP: [deap_genetic(problem.members, evaluate, config, seed)[1] for seed in seeds],
    }
    # Equal predictions have the same F1 but for its last digits, which must not break ties.
    p_value = float(mannwhitneyu(np.round(scores[OURS], 12), np.round(scores[DEAP], 12)).pvalue)
    return {name: {**_spread(values), "seeds": settings.seeds, "p": p_value} for name, values in scores.items()}


def measure_fitness(case: Case | RunCase, settings: Settings) -> list[dict[str, Any]]:
    """Compare searches after equal numbers of evaluations, over seeds; each seed draws its own images and search.

    Returns:
        A row per search and checkpoint: ``f1_mean``, ``f1_min``, ``f1_max``; ``gap`` (the mean distance to the best of
        all searches on the same images in the end) and ``reached`` (the share of seeds where it is 0).
    """
    checkpoints = [max(1, round(share * settings.evaluations)) for share in CHECKPOINTS]
    f1 = {name: np.zeros((settings.seeds, len(checkpoints))) for name in SEARCHES}
    for seed in range(settings.seeds):
        problem = case.draw(seed)
        for name, search in SEARCHES.items():
            recording = RecordingProblem(problem.probabilities, problem.labels, problem.positive_index, problem.classes)
            search(recording, settings.evaluations, seed)
            f1[name][seed] = [recording.best_after(evaluations) for evaluations in checkpoints]
    best = np.max([values[:, -1] for values in f1.values()], axis=0)
    rows = []
    for place, evaluations in enumerate(checkpoints):
        for name, values in f1.items():
            gap = best - values[:, place]
            row = {"measured": "fitness", "case": case.name, "way": name, "evaluations": evaluations}
            row |= _spread(values[:, place])
            row |= {"gap": float(gap.mean()), "reached": float((gap < 1e-12).mean()), "seeds": settings.seeds}
            rows.append(row)
    return rows


def time_table(rows: list[dict[str, Any]]) -> Table:
    """Return the rows of ``measure_time`` of one case as a table for the terminal."""
    heads = ("implementation", "CPU, ms", "x ours", "clock, ms", "x ours", "F1, mean", "p")
    table = Table(*heads, title=rows[0]["case"], box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.caption = f"the same genetic algorithm, {rows[0]['evaluations']:,} evaluations; F1 of one initial population"
    for row in rows:
        times = [f"{1000 * row['cpu_seconds']:,.0f}", f"{row['cpu_ratio']:,.0f}"]
        times += [f"{1000 * row['seconds']:,.0f}", f"{row['ratio']:,.0f}"]
        f1 = [f"{row['f1_mean']:.4f}", f"{row['p']:.2f}"] if "p" in row else ["", ""]
        table.add_row(row["way"], *times, *f1)
    return table


def fitness_table(rows: list[dict[str, Any]]) -> Table:
    """Return the rows of ``measure_fitness`` of one case as a table for the terminal."""
    after = sorted({row["evaluations"] for row in rows})
    heads = ["mean F1 after", *(f"{evaluations:,}" for evaluations in after), "gap to best", "reached it"]
    table = Table(*heads, title=rows[0]["case"], box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.caption = "after equal evaluations; gap and share of the seeds without one, at the end"
    for search in dict.fromkeys(row["way"] for row in rows):
        by_evaluations = {row["evaluations"]: row for row in rows if row["way"] == search}
        last = by_evaluations[after[-1]]
        f1 = [f"{by_evaluations[evaluations]['f1_mean']:.4f}" for evaluations in after]
        table.add_row(search, *f1, f"{last['gap']:.4f}", f"{last['reached']:.0%}")
    return table


def _genetic(problem: Problem, evaluations: int, seed: int) -> None:
    fit_genetic(problem, _one_population(evaluations), seed)


def _deap(problem: Problem, evaluations: int, seed: int) -> None:
    def evaluate(weights: Sequence[float]) -> tuple[float]:
        return (float(problem.fitness(np.array([weights]))[0]),)

    deap_genetic(problem.members, evaluate, _one_population(evaluations), seed)


def _cma(problem: Problem, evaluations: int, seed: int) -> None:
    fit_cma(problem, CmaConfig(evaluations=evaluations), seed)


def _differential(problem: Problem, evaluations: int, seed: int) -> None:
    fit_differential(problem, DifferentialConfig(evaluations=evaluations), seed)


def _random(problem: Problem, evaluations: int, seed: int) -> None:
    """Weights drawn uniformly from the simplex."""
    rng = np.random.default_rng(seed)
    for _ in range(-(-evaluations // RANDOM_BATCH)):
        problem.fitness(rng.dirichlet(np.ones(problem.members), size=RANDOM_BATCH))


SEARCHES: dict[str, Callable[[Problem, int, int], None]] = {
    "genetic, ours": _genetic,
    "genetic, DEAP": _deap,
    "CMA-ES": _cma,
    "differential evolution": _differential,
    "random search": _random,
}


def _one_population(evaluations: int) -> GeneticConfig:
    """Our algorithm with one initial population, and as many generations as the evaluations allow."""
    config = GeneticConfig(restarts=1)
    each = config.population - config.elites
    return config.model_copy(update={"generations": max(0, -(-(evaluations - config.population) // each))})


def _spread(values: Any) -> dict[str, float]:
    return {"f1_mean": float(np.mean(values)), "f1_min": float(np.min(values)), "f1_max": float(np.max(values))}


def _time_in_turn(
    implementations: dict[str, Callable[[int], Any]], settings: Settings
) -> dict[str, list[tuple[float, float]]]:
    """Time the first in every round and the others in some, spread evenly, after one of the first to warm up.

    Returns:
        CPU seconds and seconds by the clock.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in implementations}
    first, *others = implementations
    implementations[first](0)
    slow = {number * settings.rounds // settings.slow_rounds for number in range(settings.slow_rounds)}
    for number in range(settings.rounds):
        for name in [first, *others] if number in slow else [first]:
            cpu = time.process_time()
            clock = time.perf_counter()
            implementations[name](number)
            times[name].append((time.process_time() - cpu, time.perf_counter() - clock))
    return times
