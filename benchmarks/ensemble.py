"""The measurement behind ``benchmark.py ensemble``: searches for the weights of an ensemble, by time and by fitness."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
from evaluation.ensembles.nested_cv import problem_of
from evaluation.ensembles.objective import Problem
from evaluation.ensembles.optimisers import fit_cma, fit_differential

# Where the course of a search is looked at: shares of its evaluations.
CHECKPOINTS = (0.02, 0.1, 0.5, 1.0)
RANDOM_BATCH = 1000
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
        if self.classes == 2:
            positive = 1
        else:
            positive = None
        return Problem(softmax(logits, axis=2), labels, positive, tuple(map(str, range(self.classes))))


# The weighted F1 of the models is about 0.90 to 0.94, as in paper 004, which joins four.
CASES = (
    Case("2 classes, 4 models, 2,000 images", 2000, 2, (2.6, 2.8, 3.0, 3.2)),
    Case("2 classes, 11 models, 500 images", 500, 2, tuple(np.linspace(2.0, 3.2, 11))),
    Case("24 classes, 4 models, 2,000 images", 2000, 24, (4.4, 4.6, 4.8, 5.0)),
)


@dataclass(frozen=True)
class Given:
    """The validation images of finished runs; the same whatever the seed."""

    name: str
    problem: Problem

    def draw(self, seed: int) -> Problem:
        """Return the same images every time; ``seed`` is not used."""
        return self.problem


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        genetic: Of the algorithm whose time is taken.
        rounds: How often ours is timed.
        slow_rounds: In how many of these rounds DEAP is timed too.
        seeds: How many searches the fitness is compared over.
        evaluations: Of weights, in each of these searches.
    """

    genetic: GeneticConfig = GeneticConfig()
    rounds: int = 10
    slow_rounds: int = 2
    seeds: int = 10
    evaluations: int = 10_000


@dataclass(frozen=True, eq=False)
class Recorded(Problem):
    """A problem that remembers every fitness that it gave."""

    seen: list[np.ndarray] = field(default_factory=list)

    def fitness(self, weights: np.ndarray) -> np.ndarray:
        """Return the fitness, shape (P,), of weights (P, M)."""
        self.seen.append(super().fitness(weights))
        return self.seen[-1]

    def best_after(self, evaluations: int) -> float:
        """Return the best fitness of the first so many."""
        return float(np.concatenate(self.seen)[:evaluations].max())


def read_case(runs: list[Path]) -> Given:
    """Return the labelled validation images that all runs have as a case.

    Raises:
        UserError: They are not predictions of the same images, or have no labelled validation image.
    """
    aligned = align([read_predictions(run) for run in runs], [str(run) for run in runs], common=True)
    problem = problem_of(aligned)
    name = f"named: {len(problem.classes)} classes, {problem.members} models, {len(problem.labels):,} images"
    return Given(name, problem)


def measure_time(case: Case | Given, settings: Settings) -> list[dict[str, Any]]:
    """Time the genetic algorithm, ours and DEAP's, in turn, on one thread.

    DEAP's fitness is scikit-learn's F1, or a few lines of numpy. Its restarts run one after another: of those with
    scikit-learn's F1, one is timed and multiplied. Where other programs share the machine, the seconds of the processor
    are the fair ones: those of the clock count the others in.

    Returns:
        A row per way: medians of ``cpu_seconds`` and of ``seconds`` by the clock, and ``cpu_ratio`` and ``ratio``, how
        many times as long as ours it takes. For ours and DEAP's also what ``compare_genetic`` says.
    """
    problem = case.draw(0)
    config = settings.genetic
    once = config.model_copy(update={"restarts": 1})
    quick = numpy_evaluation(problem)
    slow = sklearn_evaluation(problem)
    ways: dict[str, Callable[[int], Any]] = {
        "ours": lambda seed: fit_genetic(_fresh(problem), config, seed),
        DEAP: lambda seed: deap_genetic(problem.members, quick, config, seed),
        SLOW: lambda seed: deap_genetic(problem.members, slow, once, seed),
    }
    with threadpool_limits(1):
        times = _in_turn(ways, settings)
        alike = compare_genetic(problem, settings)
    medians = {name: np.median(seconds, axis=0) for name, seconds in times.items()}
    medians[SLOW] *= config.restarts
    each = config.population + config.generations * (config.population - config.elites)
    return [
        {
            "measured": "time",
            "case": case.name,
            "way": name,
            "evaluations": config.restarts * each,
            "rounds": len(times[name]),
            **dict(zip(("cpu_seconds", "seconds"), median.tolist(), strict=True)),
            **dict(zip(("cpu_ratio", "ratio"), (median / medians["ours"]).tolist(), strict=True)),
            **alike.get(name, {}),
        }
        for name, median in medians.items()
    ]


def compare_genetic(problem: Problem, settings: Settings) -> dict[str, dict[str, Any]]:
    """Compare the fitness that ours and DEAP's come to, over seeds.

    It is that of one initial population: the best of several would leave little to compare.

    Returns:
        Of each: ``f1_mean``, ``f1_min``, ``f1_max``, ``seeds``, and ``p`` of the Mann-Whitney test that both are alike.
    """
    config = settings.genetic.model_copy(update={"restarts": 1})
    evaluate = numpy_evaluation(problem)
    found = {
        "ours": [fit_genetic(problem, config, seed).score for seed in range(settings.seeds)],
        DEAP: [deap_genetic(problem.members, evaluate, config, seed)[1] for seed in range(settings.seeds)],
    }
    # The same calls give the same F1 but for its last digits, which must not break ties.
    ranked = [np.round(scores, 12) for scores in found.values()]
    p = float(mannwhitneyu(*ranked).pvalue)
    return {name: {**_spread(scores), "seeds": settings.seeds, "p": p} for name, scores in found.items()}


def measure_fitness(case: Case | Given, settings: Settings) -> list[dict[str, Any]]:
    """Compare searches after equal numbers of evaluations, over seeds; each seed draws its own images and search.

    Returns:
        A row per way and checkpoint: ``f1_mean``, ``f1_min``, ``f1_max``; ``gap`` (the mean distance to the best that
        any way found on the same images in the end) and ``reached`` (the share of seeds that it is 0 in).
    """
    checkpoints = [max(1, round(share * settings.evaluations)) for share in CHECKPOINTS]
    f1 = {name: np.zeros((settings.seeds, len(checkpoints))) for name in SEARCHES}
    for seed in range(settings.seeds):
        problem = case.draw(seed)
        for name, search in SEARCHES.items():
            recorded = Recorded(problem.probabilities, problem.labels, problem.positive_index, problem.classes)
            search(recorded, settings.evaluations, seed)
            f1[name][seed] = [recorded.best_after(evaluations) for evaluations in checkpoints]
    best = np.max([values[:, -1] for values in f1.values()], axis=0)
    return [
        {
            "measured": "fitness",
            "case": case.name,
            "way": name,
            "evaluations": evaluations,
            **_spread(values[:, place]),
            "gap": float((best - values[:, place]).mean()),
            "reached": float((best - values[:, place] < 1e-12).mean()),
            "seeds": settings.seeds,
        }
        for place, evaluations in enumerate(checkpoints)
        for name, values in f1.items()
    ]


def time_table(rows: list[dict[str, Any]]) -> Table:
    """Return what ``measure_time`` measured of one case, to be printed."""
    heads = ("way", "CPU, ms", "x ours", "clock, ms", "x ours", "F1, mean", "p")
    shown = Table(*heads, title=rows[0]["case"], box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.caption = f"the same genetic algorithm, {rows[0]['evaluations']:,} evaluations; F1 of one initial population"
    for row in rows:
        times = [f"{1000 * row['cpu_seconds']:,.0f}", f"{row['cpu_ratio']:,.0f}"]
        times += [f"{1000 * row['seconds']:,.0f}", f"{row['ratio']:,.0f}"]
        if "p" in row:
            f1 = [f"{row['f1_mean']:.4f}", f"{row['p']:.2f}"]
        else:
            f1 = ["", ""]
        shown.add_row(row["way"], *times, *f1)
    return shown


def fitness_table(rows: list[dict[str, Any]]) -> Table:
    """Return what ``measure_fitness`` measured of one case, to be printed."""
    after = sorted({row["evaluations"] for row in rows})
    heads = ["mean F1 after", *(f"{evaluations:,}" for evaluations in after), "gap to best", "reached it"]
    shown = Table(*heads, title=rows[0]["case"], box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown.caption = "after equal evaluations; gap and share of the seeds without one, at the end"
    for way in dict.fromkeys(row["way"] for row in rows):
        course = {row["evaluations"]: row for row in rows if row["way"] == way}
        last = course[after[-1]]
        f1 = [f"{course[evaluations]['f1_mean']:.4f}" for evaluations in after]
        shown.add_row(way, *f1, f"{last['gap']:.4f}", f"{last['reached']:.0%}")
    return shown


def _genetic(problem: Problem, evaluations: int, seed: int) -> None:
    fit_genetic(problem, _one_population(evaluations), seed)


def _deap(problem: Problem, evaluations: int, seed: int) -> None:
    def evaluate(weights: list[float]) -> tuple[float]:
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
    """The house's algorithm with one initial population, and as many generations as it takes."""
    config = GeneticConfig(restarts=1)
    each = config.population - config.elites
    return config.model_copy(update={"generations": max(0, -(-(evaluations - config.population) // each))})


def _fresh(problem: Problem) -> Problem:
    return Problem(problem.probabilities, problem.labels, problem.positive_index, problem.classes)


def _spread(values: Any) -> dict[str, float]:
    return {"f1_mean": float(np.mean(values)), "f1_min": float(np.min(values)), "f1_max": float(np.max(values))}


def _in_turn(ways: dict[str, Callable[[int], Any]], settings: Settings) -> dict[str, list[tuple[float, float]]]:
    """Time the first way in every round and the others in some, spread evenly, after one of the first to warm up.

    Returns:
        Seconds of the processor, and of the clock.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    next(iter(ways.values()))(0)
    for number, name in _plan(list(ways), settings):
        start = time.process_time(), time.perf_counter()
        ways[name](number)
        times[name].append((time.process_time() - start[0], time.perf_counter() - start[1]))
    return times


def _plan(names: list[str], settings: Settings) -> Iterator[tuple[int, str]]:
    slow = {number * settings.rounds // settings.slow_rounds for number in range(settings.slow_rounds)}
    for number in range(settings.rounds):
        for name in names if number in slow else names[:1]:
            yield number, name
