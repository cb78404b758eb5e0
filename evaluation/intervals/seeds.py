"""The mean of a metric over folds and seeds, and how far it may be off: three kinds of chance, told apart.

- *Over subjects*: other people, other figures. The models stay as they are; a subject that several runs have tested
  (every seed does) moves all of their figures together.
  See ``evaluation.intervals.folds`` and ``evaluation.intervals.bootstrap``.
- *Over seeds*: the same training from other random numbers. Seeds that are few say little of their spread, and the t
  distribution says so: of two, the interval is wide. It is joined with the one over subjects by the squares of the
  distances to the ends (MOVER: Zou and Donner, Construction of confidence limits about effect measures, Statistics in
  Medicine, 2008), which counts some of the chance twice, never too little.
- *Over folds*: other subjects to train with. The standard deviation is told, no interval: the folds share what they
  train with, so that no unbiased estimate of it exists (Bengio and Grandvalet, No unbiased estimator of the variance of
  k-fold cross-validation, JMLR, 2004).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.core.labelled import score
from evaluation.intervals.folds import fold_mean_intervals
from evaluation.metrics.classification import evaluate

OF_ALL = ("f1_weighted", "auc", "accuracy", "balanced_accuracy", "f1_macro")
OF_TWO = ("sensitivity", "specificity")
COLUMNS = ("", "_low", "_high", "_low_with_seeds", "_high_with_seeds", "_sd_seeds", "_sd_folds")


@dataclass(frozen=True)
class Mean:
    """A metric over all runs.

    Attributes:
        value: The mean; None where a run's is undefined.
        low: Lower end of the interval over subjects (images where none is known); None where there is none.
        high: Upper end.
        low_with_seeds: Lower end of the interval over subjects and seeds; None with a single seed.
        high_with_seeds: Upper end.
        sd_seeds: Standard deviation between the seeds' means over the folds that all of them have.
        sd_folds: Standard deviation between the folds' means over the seeds that all of them have.
    """

    value: float | None
    low: float | None
    high: float | None
    low_with_seeds: float | None
    high_with_seeds: float | None
    sd_seeds: float | None
    sd_folds: float | None

    def columns(self, name: str) -> dict[str, float | None]:
        """Return the fields as cells: ``name`` the value, the others behind it."""
        values = (self.value, self.low, self.high, self.low_with_seeds, self.high_with_seeds)
        return dict(zip((name + end for end in COLUMNS), (*values, self.sd_seeds, self.sd_folds), strict=True))


@dataclass(frozen=True)
class Collected:
    """What several runs of one experiment say together.

    Attributes:
        images: Different test images.
        subjects: Different subjects among them; None where unknown.
        metrics: By name.
    """

    images: int
    subjects: int | None
    metrics: dict[str, Mean]


def collect(runs: Sequence[Predictions], settings: EvaluationConfig) -> Collected:
    """Join the runs of one experiment, of any folds and seeds.

    Args:
        runs: Of the same classes; ``about`` says each one's "fold" and "seed". Runs weigh alike, so that a fold which
            fewer seeds have weighs less.
        settings: How the intervals are made.

    Raises:
        UserError: A probability is not a number, or two classes are without a positive one.
    """
    parts = [run.part("test") for run in runs]
    scored = [score(part) for part in parts]
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    first = runs[0]
    pooled = score(Predictions(frame, first.classes, first.positive_class, first.about))
    sizes = [len(one.labels) for one in scored]
    found = fold_mean_intervals(pooled, sizes, [0.5] * len(sizes), settings)
    each = [evaluate(one.labels, one.probabilities, one.classes, one.positive_index) for one in scored]
    places = [(run.about.get("fold"), run.about.get("seed")) for run in runs]
    metrics = {}
    for name in OF_ALL + (OF_TWO if len(first.classes) == 2 else ()):
        values = {place: one[name] for place, one in zip(places, each, strict=True)}
        over = found[name]
        metrics[name] = summed_up(over.value, over.low, over.high, values, settings.confidence)
    return Collected(frame["image_id"].nunique(), pooled.subjects, metrics)


def summed_up(
    value: float | None,
    low: float | None,
    high: float | None,
    values: dict[tuple[int | None, int | None], float | None],
    confidence: float,
) -> Mean:
    """Put what seeds and folds say beside the interval over subjects.

    Args:
        value: The mean over all runs.
        low: Lower end of its interval over subjects.
        high: Upper end.
        values: The metric of each run, by fold and seed.
        confidence: How often the interval should hold the truth, 0 to 1.
    """
    seeds = _means(values, 1)
    folds = _means(values, 0)
    spread = _deviation(seeds)
    ends = (None, None)
    if spread is not None and None not in (value, low, high):
        reach = stats.t.ppf((1 + confidence) / 2, len(seeds) - 1) * spread / np.sqrt(len(seeds))
        ends = (
            max(0.0, value - float(np.hypot(value - low, reach))),
            min(1.0, value + float(np.hypot(high - value, reach))),
        )
    return Mean(value, low, high, *ends, spread, _deviation(folds))


def _means(values: dict[tuple[int | None, int | None], float | None], of: int) -> list[float]:
    """The mean of each seed (``of`` = 1) over the folds that all seeds have, or of each fold (0) over such seeds.

    [] where they have none in common, or where a figure is undefined.
    """
    own: dict[int | None, dict] = {}
    for place, value in values.items():
        own.setdefault(place[of], {})[place[1 - of]] = value
    common = set.intersection(*(set(one) for one in own.values()))
    rows = [[one[key] for key in sorted(common, key=str)] for one in own.values()]
    if not common or any(value is None for row in rows for value in row):
        return []
    return [float(np.mean(row)) for row in rows]


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) > 1:
        return float(np.std(values, ddof=1))
    return None
