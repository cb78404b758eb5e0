"""Two sets of predictions of the same images against one another."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.core.warnings import few_clusters
from evaluation.intervals.bootstrap import Interval, Statistic, around, bootstrap
from evaluation.intervals.folds import weighted_over_folds
from evaluation.intervals.methods import DIFFERENCE
from evaluation.intervals.pooling import pool
from evaluation.metrics.classification import call, evaluate, metric_names
from evaluation.metrics.resampled import WeightedMetrics

# Below this number of images that one group alone calls rightly, a bootstrap of calls has too little to draw from.
FEW_DISCORDANT = 10
COMPARED = ("f1_weighted", "auc", "accuracy")


def compare(
    first: list[Predictions], second: list[Predictions], settings: EvaluationConfig, names: tuple[str, ...] = COMPARED
) -> dict:
    """Compare the pooled test images of two groups of runs, the same folds each.

    Returns:
        A JSON-able mapping: ``first`` and ``second`` (metric -> value), ``differences`` (metric -> fields of an
        ``Interval``, first minus second), ``fold_mean_differences`` (the same of the means over folds, None where there
        are no folds in common), ``mcnemar``, ``images``, ``subjects``, both groups' ``about``, ``settings``
        and ``warnings``.

    Raises:
        UserError: See ``pool`` and ``paired_difference``.
    """
    ours = pool(first)
    theirs = pool(second)
    one, two = paired(ours, theirs)
    differences = paired_difference(ours, theirs, names, settings)
    means = fold_mean_differences(first, second, names, settings)
    test = mcnemar(ours, theirs)
    return {
        "first_about": ours.about,
        "second_about": theirs.about,
        "settings": settings.model_dump(mode="json"),
        "first": {name: _values(one)[name] for name in names},
        "second": {name: _values(two)[name] for name in names},
        "differences": {name: interval.as_dict() for name, interval in differences.items()},
        "fold_mean_differences": means and {name: interval.as_dict() for name, interval in means.items()},
        "mcnemar": test,
        "images": len(one.labels),
        "subjects": one.subjects,
        "warnings": [*few_clusters(one.count_clusters(), one.by_subject), *_few_discordant(test)],
    }


def paired_difference(
    first: Predictions,
    second: Predictions,
    names: tuple[str, ...],
    settings: EvaluationConfig,
    statistic: Callable[[LabelledPredictions], Statistic] = WeightedMetrics,
) -> dict[str, Interval]:
    """Compute metrics of ``first`` minus those of ``second`` on the same images, with the same subjects drawn for both.

    Args:
        first: Predictions of one part, or folds pooled; calls are made at 0.5.
        second: Predictions of the same images, in any order.
        names: Keys of ``metrics.metric_names``.
        settings: Number of resamples, confidence, seed.
        statistic: Makes what computes ``metrics.metric_names`` for counts of clusters; another one may remember.

    Returns:
        Under each name the difference (-1 to 1) and its interval.

    Raises:
        UserError: Images, labels, subjects or classes differ, or a name is none of a metric.
    """
    one, two = paired(first, second)
    known = metric_names(one.classes)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"no metric {unknown[0]}: choose from {', '.join(known)}")
    ours = statistic(one)
    theirs = statistic(two)
    rows = [known.index(name) for name in names]
    values = {name: _minus(_values(one)[name], _values(two)[name]) for name in names}
    return bootstrap(values, lambda counts: (ours(counts) - theirs(counts))[rows], one, settings, DIFFERENCE)


def fold_mean_differences(
    first: list[Predictions], second: list[Predictions], names: tuple[str, ...], settings: EvaluationConfig
) -> dict[str, Interval] | None:
    """Compute the differences of the means over folds: no model's scores are mixed with another's.

    Returns:
        As ``paired_difference``; None for single runs, and where the two groups divide the images into other folds.
    """
    folds = [[set(run.part("test").frame["image_id"]) for run in runs] for runs in (first, second)]
    order = [folds[1].index(fold) for fold in folds[0] if fold in folds[1]]
    if len(first) < 2 or len(order) != len(first):
        return None
    ours = pool(first)
    theirs = pool([second[place] for place in order])
    rows = theirs.frame.set_index("image_id").loc[ours.frame["image_id"]].reset_index()
    one = score(ours)
    two = replace(score(replace(theirs, frame=rows)), clusters=score(ours).clusters)
    sizes = [len(score(run.part("test")).labels) for run in first]
    means = [weighted_over_folds(scored, sizes, [0.5] * len(first)) for scored in (one, two)]
    picked = [metric_names(one.classes).index(name) for name in names]

    def difference(counts: np.ndarray) -> np.ndarray:
        return (means[0](counts) - means[1](counts))[picked]

    return around(difference, names, one, settings, DIFFERENCE)


def mcnemar(first: Predictions, second: Predictions) -> dict[str, int | float]:
    """McNemar's exact test on the images that only one of the two calls rightly (at 0.5).

    It takes images for independent: where a subject has several, the p-value is too small, and the interval of
    ``paired_difference`` is the one to trust.

    Returns:
        ``only_first`` and ``only_second`` (images that only this one calls rightly) and the two-sided ``p_value``,
        which is 1 where there are none.

    Raises:
        UserError: Images, labels, subjects or classes differ.
    """
    right = [call(one.probabilities, one.positive_index) == one.labels for one in paired(first, second)]
    only_first = int((right[0] & ~right[1]).sum())
    only_second = int((right[1] & ~right[0]).sum())
    discordant = only_first + only_second
    if discordant:
        p_value = float(stats.binomtest(only_first, discordant).pvalue)
    else:
        p_value = 1.0
    return {"only_first": only_first, "only_second": only_second, "p_value": p_value}


def paired(first: Predictions, second: Predictions) -> tuple[LabelledPredictions, LabelledPredictions]:
    """Bring two sets of predictions of the same images into the same order.

    Raises:
        UserError: Images, labels, subjects or classes differ.
    """
    if first.classes != second.classes or first.positive_class != second.positive_class:
        raise UserError(
            f"the classes differ: {', '.join(first.classes)} (positive {first.positive_class}) and "
            f"{', '.join(second.classes)} (positive {second.positive_class}): compare runs of one task"
        )
    frames = [one.frame.sort_values("image_id", ignore_index=True) for one in (first, second)]
    only = set(frames[0]["image_id"]) ^ set(frames[1]["image_id"])
    if only:
        raise UserError(
            f"the images differ: {len(only)} are in one set only, such as {min(only)}: compare runs of the same folds",
            anonymous=f"the images differ: {len(only)} are in one set only",
        )
    for column in ("label", "subject"):
        _same_column(frames[0], frames[1], column)
    both = [Predictions(frame, first.classes, first.positive_class, {}) for frame in frames]
    return score(both[0]), score(both[1])


def _few_discordant(test: dict[str, int | float]) -> list[str]:
    images = test["only_first"] + test["only_second"]
    if images >= FEW_DISCORDANT:
        return []
    return [f"only {images} images are called rightly by one side alone: go by McNemar's p, not by intervals of calls"]


def _same_column(first: pd.DataFrame, second: pd.DataFrame, column: str) -> None:
    differs = (first[column] != second[column]) & (first[column].notna() | second[column].notna())
    if differs.any():
        image = first["image_id"][differs].iloc[0]
        raise UserError(
            f"the {column} of {differs.sum()} images differs, such as {image}: both runs must come from the same data",
            anonymous=f"the {column} of {differs.sum()} images differs",
        )


def _values(scored: LabelledPredictions) -> dict[str, float | None]:
    return evaluate(scored.labels, scored.probabilities, scored.classes, scored.positive_index)


def _minus(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return None
    return float(np.subtract(first, second))
