"""How often intervals cover the truth, on synthetic data sets whose truth is known.

A data set is drawn as studies of cells are: subjects of one class each, with a class of their own difficulty (a random
shift of the logit that all images of a subject share) and unequal numbers of images. The truth is what a metric is over
all images of all subjects there could be; it follows from the normal distribution. ``python -m
benchmarks.interval_coverage --csv results/coverage.csv`` takes about ten minutes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.progress import track
from scipy import integrate, special, stats

from karyocyte.common.cli import report_user_errors
from karyocyte.common.files import write_csv
from karyocyte.common.revision import revision
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.intervals.methods import percentiles
from karyocyte.evaluation.intervals.over_subjects import Resamples, of_resamples
from karyocyte.evaluation.metrics.classification import DIFFERENCE, Metric, metrics_of, of_confusions
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import Combined
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.tables.renderers import frame_table
from karyocyte.evaluation.types.result import Interval

CLASSES = ("negative", "positive")
MAIN = ("auc", "f1_weighted", "accuracy", "sensitivity", "specificity", "average_precision", "balanced_accuracy")
COMPARED = ("auc", "f1_weighted", "accuracy")
METHODS = ("logit_t", "percentile")
OF_DIFFERENCE = " difference"
DIFFERENCES = tuple(name + OF_DIFFERENCE for name in COMPARED)
SUBJECTS = (14, 42, 100)  # a test fold of the C-NMC sample, all of its subjects, and about as many as in all of C-NMC
# The second model of a pair: less skill, and so much of the noise in common with the first.
WORSE_BY = 0.25
IN_COMMON = 0.7


@dataclass(frozen=True)
class World:
    """Where data sets are drawn from: the logit of an image is +-skill + the subject's shift + N(0, 1).

    A subject is positive with the probability ``prevalence``; ``spread`` is the standard deviation of the subjects'
    shifts, ``images`` the median number of images of a subject, ``unequal`` the standard deviation of its logarithm.
    """

    name: str
    prevalence: float
    skill: float
    spread: float
    images: float = 8.0
    unequal: float = 0.7


# AUC 0.885 and accuracy 0.80; and, where most intervals fail, 0.989 and 0.95: at 14 subjects many a case has no error.
WORLDS = (World("usual", 0.6, 1.2, 1.0), World("near perfect", 0.5, 2.3, 1.0))


def truth(world: World) -> dict[str, float]:
    """Return the population values of MAIN: of image and subject drawn at random, pairs from different subjects."""
    scale = np.hypot(1, world.spread)
    right = stats.norm.cdf(world.skill / scale)
    positive = world.prevalence
    shares = np.array(
        [[(1 - positive) * right, (1 - positive) * (1 - right)], [positive * (1 - right), positive * right]]
    )
    with np.errstate(invalid="ignore"):
        metrics = {name: float(values[0]) for name, values in of_confusions(shares[None], CLASSES, 1).items()}

    def precision_of_positives(score: float) -> float:
        """Return the precision above a score, weighted by the density of the positives there."""
        above = positive * stats.norm.sf(score, world.skill, scale)
        false = (1 - positive) * stats.norm.sf(score, -world.skill, scale)
        return float(above / (above + false) * stats.norm.pdf(score, world.skill, scale))

    reach = (world.skill - 8 * scale, world.skill + 8 * scale)
    metrics["auc"] = float(stats.norm.cdf(np.sqrt(2) * world.skill / scale))
    metrics["average_precision"] = integrate.quad(precision_of_positives, *reach)[0]
    return {name: metrics[name] for name in MAIN}


def truth_of_pair(world: World) -> dict[str, float]:
    """Return the population values of the differences between the two models of ``draw_pair``."""
    first = truth(world)
    second = truth(replace(world, skill=world.skill - WORSE_BY))
    return {name + OF_DIFFERENCE: first[name] - second[name] for name in COMPARED}


def draw_pair(world: World, subjects: int, rng: np.random.Generator) -> tuple[LabelledPredictions, LabelledPredictions]:
    """Draw the same subjects' images as two models see them; the second has less skill."""
    positive = rng.random(subjects) < world.prevalence
    number = np.exp(rng.normal(np.log(world.images), world.unequal, subjects)).round().clip(1).astype(np.int64)
    subject = np.repeat(np.arange(subjects), number)
    common = _noise(world, subject, rng)
    pair = []
    for skill in (world.skill, world.skill - WORSE_BY):
        noise = np.sqrt(IN_COMMON) * common + np.sqrt(1 - IN_COMMON) * _noise(world, subject, rng)
        called = special.expit(np.where(positive, skill, -skill)[subject] + noise)
        probabilities = np.column_stack([1 - called, called])
        labels = positive[subject].astype(np.int64)
        pair.append(LabelledPredictions(labels, probabilities, CLASSES, 1, subject, "subjects"))
    return pair[0], pair[1]


def measure(world: World, subjects: int, settings: EvaluationConfig, cases: int) -> pd.DataFrame:
    """Draw data sets and count how often each method's interval covers the truth: a row per metric and method.

    ``images`` is the mean of a case, ``without`` the number of cases without an interval, ``share`` that of the others
    that cover the truth (with an exact 95 % interval); it lies below or above in ``missed_low`` and ``missed_high`` of
    them. In ``other_method`` cases another method was taken.
    """
    true = truth(world) | truth_of_pair(world)
    rows: list[dict[str, Any]] = []
    images = 0
    for case in track(range(cases), f"{world.name}, {subjects} subjects", console=Console(stderr=True)):
        first, second = draw_pair(world, subjects, np.random.default_rng([settings.seed, subjects, case]))
        images += len(first.labels)
        for metric, method, interval in _intervals(first, second, settings.model_copy(update={"seed": case})):
            other = interval.method not in (method, None)
            rows.append({**asdict(interval), "metric": metric, "method": method, "other": other})
    found = pd.DataFrame(rows).astype({"low": float, "high": float})
    found["missed_low"] = found["metric"].map(true) < found["low"]
    found["missed_high"] = found["metric"].map(true) > found["high"]
    found["width"] = found["high"] - found["low"]
    facts = {"world": world.name, "subjects": subjects, "images": images / cases}
    counted = []
    for (metric, method), of_metric in found.groupby(["metric", "method"], sort=False):
        row = {**facts, "metric": metric, "method": method, "truth": true[str(metric)]}
        counted.append(row | _count(of_metric))
    return pd.DataFrame(counted)


def _noise(world: World, subject: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.asarray(rng.normal(0, world.spread, subject.max() + 1)[subject] + rng.normal(size=len(subject)))


def _intervals(
    first: LabelledPredictions, second: LabelledPredictions, settings: EvaluationConfig
) -> Iterator[tuple[str, str, Interval]]:
    """Yield the intervals of MAIN, and of the differences of COMPARED, as ``by_methods`` does."""
    both = [WeightedMetrics(each, names=COMPARED) for each in (first, second)]
    differences = Combined(both, np.subtract.reduce)
    yield from by_methods(metrics_of(MAIN), Resamples(WeightedMetrics(first, names=MAIN), first, settings))
    yield from by_methods(dict.fromkeys(DIFFERENCES, DIFFERENCE), Resamples(differences, first, settings))


def by_methods(metrics: Mapping[str, Metric], resamples: Resamples) -> Iterator[tuple[str, str, Interval]]:
    """Yield metric, method and interval, by each of METHODS; all from the same resamples."""
    found = of_resamples(metrics, resamples)
    for (name, interval), drawn in zip(found.items(), resamples.drawn, strict=True):
        low, high, used = percentiles(drawn, resamples.settings.confidence)
        methods = interval, replace(interval, low=low, high=high, method=used)
        for method, by_method in zip(METHODS, methods, strict=True):
            yield name, method, by_method


def _count(cases: pd.DataFrame) -> dict[str, float | None]:
    defined = int(cases["low"].notna().sum())
    missed = cases[["missed_low", "missed_high"]].sum()
    covered = share(defined - int(missed.sum()), defined, 0.95)
    return {
        "cases": len(cases),
        "without": len(cases) - defined,
        "covered": covered.hits,
        "share": covered.value,
        "share_low": covered.low,
        "share_high": covered.high,
        **(missed / max(defined, 1)),
        "width": cases["width"].mean(),
        "median_width": cases["width"].median(),
        "other_method": int(cases["other"].sum()),
    }


Cases = Annotated[int, typer.Option(min=1, help="Synthetic data sets of each kind and number of subjects.")]
Draws = Annotated[int, typer.Option("--resamples", min=10, help="Of each data set.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table to this file.")]


def coverage(cases: Cases = 1000, resamples: Draws = 1000, csv: Csv = None) -> None:
    """Count how often 95 % intervals cover the truth, on synthetic data sets of 14, 42 and 100 subjects.

    Each way to make an interval, each main metric and differences between two models.
    """
    settings = EvaluationConfig(resamples=resamples)
    tables = [measure(*case, settings, cases) for case in product(WORLDS, SUBJECTS)]
    table = pd.concat(tables, ignore_index=True).assign(resamples=resamples, confidence=settings.confidence)
    for world, rows in table.groupby("world", sort=False):
        shares = rows.set_index(["subjects", "metric", "method"])["share"].unstack(sort=False).reset_index()
        title = f"{world}: share of the intervals that cover the truth"
        Console().print(frame_table(shares[["subjects", "metric", *METHODS]], title))
    if csv:
        write_csv(csv, table.assign(revision=revision()).round(4))


if __name__ == "__main__":
    typer.run(report_user_errors()(coverage))
