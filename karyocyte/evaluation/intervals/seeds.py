"""The mean of a metric over folds and seeds, and how far it may be off: three kinds of chance, told apart.

- *Over subjects*: the models stay as they are; a subject that several runs have tested moves all of their figures.
- *Over seeds*: the t distribution of the few seeds, joined with the interval over subjects by the squares of the
  distances to the ends (MOVER: Zou and Donner, Statistics in Medicine, 2008), which counts some of the chance twice.
- *Over folds*: the standard deviation alone, since the folds share what they train with (Bengio and Grandvalet, No
  unbiased estimator of the variance of k-fold cross-validation, JMLR, 2004).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter

import numpy as np
import pandas as pd
from scipy import special

from karyocyte.common.errors import UserError
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.folds import fold_mean_intervals
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.types.result import Estimate
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.run import Run

OF_ALL = ("f1_weighted", "auc", "accuracy", "balanced_accuracy", "f1_macro")
OF_TWO = ("sensitivity", "specificity")
SHARED = ("name", "source", "synthetic", "protocol", "config", "folds", "test", "on")  # by the runs that a mean is over


@dataclass(frozen=True)
class Mean(Estimate):
    """The mean of a metric over all runs, None where a run's is undefined, and its interval.

    ``low`` and ``high`` are over subjects and, of several seeds, over these too; ``sd_seeds`` is the standard deviation
    between the seeds' means over the folds that all of them have, ``sd_folds`` likewise.
    """

    sd_seeds: float | None = None
    sd_folds: float | None = None

    def all_columns(self, name: str) -> dict[str, float | None]:
        """Return ``columns``, ``<name>_sd_seeds`` and ``<name>_sd_folds``."""
        return {**self.columns(name), f"{name}_sd_seeds": self.sd_seeds, f"{name}_sd_folds": self.sd_folds}


@dataclass(frozen=True)
class Collected:
    """What several runs of one experiment say together: different images and subjects (None: unknown), and metrics."""

    images: int
    subjects: int | None
    metrics: dict[str, Mean]


def run_groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Return finished runs of one experiment, protocol, configuration and data set together.

    Raises:
        UserError: Two runs of a group are of the same fold and seed.
    """
    groups: dict[tuple[str, ...], dict[tuple[object, object], Run]] = {}
    for run in runs:
        about = run.predictions.about
        data = (run.identity.get("contents") or {}).get("data")
        group = groups.setdefault((*(str(about.get(fact)) for fact in SHARED), str(data)), {})
        other = group.setdefault((about.get("fold"), about.get("seed")), run)
        if other is not run:
            raise UserError(f"{other.folder} and {run.folder} are of the same fold and seed: name one of them")
    return [list(group.values()) for group in groups.values()]


def seed_means(
    runs: Sequence[Predictions], settings: EvaluationConfig, part: str = "test", names: Sequence[str] | None = None
) -> Collected:
    """Join the runs of one experiment, of any folds and seeds, as ``about`` names them; runs weigh alike.

    ``part`` is "test" or "validation"; ``names`` are keys of ``metric_names`` (None: OF_ALL, of two classes OF_TWO
    too).

    Raises:
        UserError: See ``labelled.score``.
    """
    parts = [run.part(part) for run in runs]
    scored = list(map(score, parts))
    pooled = score(*parts)
    sizes = [len(of_run.labels) for of_run in scored]
    if names is None:
        names = OF_ALL + OF_TWO * (len(pooled.classes) == 2)
    over_subjects = fold_mean_intervals(pooled, sizes, [0.5] * len(sizes), settings, tuple(names))
    facts = pd.DataFrame(map(attrgetter("about"), runs), columns=["fold", "seed"], dtype=object).astype(str)
    values = pd.DataFrame(map(evaluate, scored)).join(facts).drop_duplicates(["fold", "seed"], keep="last")
    metrics = {}
    for name in names:
        table = values.pivot(index="fold", columns="seed", values=name)
        metrics[name] = with_seeds(over_subjects[name], table, settings.confidence)
    images = set(chain.from_iterable(part.frame["image_id"] for part in parts))
    return Collected(len(images), pooled.subjects, metrics)


def with_seeds(over_subjects: Estimate, table: pd.DataFrame, confidence: float) -> Mean:
    """Join what seeds and folds say with the mean over all runs and its interval over subjects.

    ``table`` holds the metric of each run, a row per fold and a column per seed; NaN where there is no run.
    """
    value, low, high = over_subjects.value, over_subjects.low, over_subjects.high
    if value is None:
        return Mean(None)
    seeds = table.dropna(axis="index").mean(axis="index")
    folds = table.dropna(axis="columns").mean(axis="columns")
    mean = Mean(value, low, high, sd_seeds=_deviation(seeds), sd_folds=_deviation(folds))
    if mean.sd_seeds is None or low is None or high is None:
        return mean
    reach = special.stdtrit(len(seeds) - 1, (1 + confidence) / 2) * mean.sd_seeds / np.sqrt(len(seeds))
    low = max(0.0, value - float(np.hypot(value - low, reach)))
    return replace(mean, low=low, high=min(1.0, value + float(np.hypot(high - value, reach))))


def _deviation(means: pd.Series) -> float | None:
    """The standard deviation; None for fewer than two means, and where they are undefined."""
    deviation = means.std()
    return None if pd.isna(deviation) else float(deviation)
