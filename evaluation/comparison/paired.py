"""Two sets of predictions of the same images against one another."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy import stats

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions, score
from evaluation.core.warnings import few_clusters
from evaluation.intervals.bootstrap import Differences, Resamples, of_resamples
from evaluation.intervals.folds import weighted_over_folds
from evaluation.intervals.pooling import pool
from evaluation.metrics.classification import DIFFERENCE, call, metric_names
from evaluation.metrics.resampled import WeightedMetrics, evaluate
from evaluation.result import Interval

# Below this number of images that one group alone predicts right, a bootstrap of predictions has too little to draw.
FEW_DISCORDANT = 10
COMPARED = ("f1_weighted", "auc", "accuracy")


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test: images that only the one side predicts right, and the two-sided p-value (1 without any)."""

    only_first: int
    only_second: int
    p_value: float

    @property
    def discordant(self) -> int:
        """Images that one side alone predicts right."""
        return self.only_first + self.only_second


@dataclass(frozen=True)
class Comparison:
    """The facts and metrics of two groups of runs, and the differences, first minus second, with their intervals.

    ``fold_mean_differences`` are those of the means over folds; None where there are no folds in common.
    """

    first_about: dict[str, Any]
    second_about: dict[str, Any]
    first: dict[str, float | None]
    second: dict[str, float | None]
    differences: dict[str, Interval]
    fold_mean_differences: dict[str, Interval] | None
    mcnemar: McNemar
    images: int
    subjects: int | None
    confidence: float
    warnings: list[str]


def compare(
    first: list[Predictions], second: list[Predictions], settings: EvaluationConfig, names: tuple[str, ...] = COMPARED
) -> Comparison:
    """Compare the pooled test images of two groups of runs, the same folds each.

    Raises:
        UserError: See ``pool`` and ``paired_difference``.
    """
    ours = pool(first)
    theirs = pool(second)
    one, two = paired(ours, theirs)
    test = mcnemar(one, two)
    warnings = few_clusters(one.count_clusters(), one.by_subject)
    if test.discordant < FEW_DISCORDANT:
        warnings.append(
            f"only {test.discordant} images are classified correctly by one side alone: "
            "go by McNemar's p, not by intervals of calls"
        )
    return Comparison(
        first_about=ours.about,
        second_about=theirs.about,
        first=evaluate(one),
        second=evaluate(two),
        differences=paired_difference(ours, theirs, names, settings),
        fold_mean_differences=fold_mean_differences(first, second, names, settings),
        mcnemar=test,
        images=len(one.labels),
        subjects=one.subjects,
        confidence=settings.confidence,
        warnings=warnings,
    )


def paired_difference(
    first: Predictions, second: Predictions, names: tuple[str, ...], settings: EvaluationConfig
) -> dict[str, Interval]:
    """Compute metrics of ``first`` minus those of ``second`` on the same images, with the same subjects drawn for both.

    Returns:
        Under each of ``names`` (keys of ``metric_names``) the difference (-1 to 1) and its interval, predicted at 0.5.

    Raises:
        UserError: Images, labels, subjects or classes differ, or a name is none of a metric.
    """
    one, two = paired(first, second)
    unknown = set(names) - set(metric_names(one.classes))
    if unknown:
        raise UserError(f"no metric {min(unknown)}: choose from {', '.join(metric_names(one.classes))}")
    sides = [Resamples(WeightedMetrics(scored, names=names), scored, settings) for scored in (one, two)]
    return of_resamples(dict.fromkeys(names, DIFFERENCE), Differences(*sides), settings)


def fold_mean_differences(
    first: list[Predictions], second: list[Predictions], names: tuple[str, ...], settings: EvaluationConfig
) -> dict[str, Interval] | None:
    """Compute the differences of the means over folds: no model's scores are mixed with another's.

    Returns:
        As ``paired_difference``; None for single runs, and where the two groups divide the images into other folds.
    """
    theirs = [set(run.part("test").frame["image_id"]) for run in second]
    partners = []
    for run in first:
        images = set(run.part("test").frame["image_id"])
        if images in theirs:
            partners.append(second[theirs.index(images)])
    if len(first) < 2 or len(partners) != len(first):
        return None
    ours = pool(first)
    frame = pool(partners).frame.set_index("image_id").loc[ours.frame["image_id"]].reset_index()
    one = score(ours)
    two = replace(score(replace(ours, frame=frame)), clusters=one.clusters)
    sizes = [len(score(run.part("test")).labels) for run in first]
    thresholds = [0.5] * len(first)
    sides = [
        Resamples(weighted_over_folds(scored, sizes, thresholds, names), scored, settings) for scored in (one, two)
    ]
    return of_resamples(dict.fromkeys(names, DIFFERENCE), Differences(*sides), settings)


def mcnemar(first: LabelledPredictions, second: LabelledPredictions) -> McNemar:
    """Test the images, in the same order, that only one of the two predicts right (at 0.5).

    It treats images as independent: where a subject has several, the p-value is too small, and the interval of
    ``paired_difference`` is the one to trust.
    """
    right, other_right = (call(side.probabilities, side.positive_index) == side.labels for side in (first, second))
    only_first = int((right & ~other_right).sum())
    only_second = int((other_right & ~right).sum())
    discordant = only_first + only_second
    p_value = float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0
    return McNemar(only_first, only_second, p_value)


def paired(first: Predictions, second: Predictions) -> tuple[LabelledPredictions, LabelledPredictions]:
    """Bring two sets of predictions of the same images into the same order, by ``image_id``.

    Raises:
        UserError: Images, labels, subjects or classes differ.
    """
    if first.classes != second.classes or first.positive_class != second.positive_class:
        raise UserError(
            f"the classes differ: {', '.join(first.classes)} (positive {first.positive_class}) and "
            f"{', '.join(second.classes)} (positive {second.positive_class}): compare runs of one task"
        )
    frame = first.frame.sort_values("image_id", ignore_index=True)
    other = second.frame.sort_values("image_id", ignore_index=True)
    only = set(frame["image_id"]) ^ set(other["image_id"])
    if only:
        raise UserError(
            f"the images differ: {len(only)} are in one set only, such as {min(only)}: compare runs of the same folds",
            anonymous=f"the images differ: {len(only)} are in one set only",
        )
    for column in ("label", "subject"):
        _check_same(frame, other, column)
    return score(replace(first, frame=frame)), score(replace(second, frame=other))


def _check_same(first: pd.DataFrame, second: pd.DataFrame, column: str) -> None:
    differs = (first[column] != second[column]) & (first[column].notna() | second[column].notna())
    if differs.any():
        image = first["image_id"][differs].iloc[0]
        raise UserError(
            f"the {column} of {differs.sum()} images differs, such as {image}: both runs must come from the same data",
            anonymous=f"the {column} of {differs.sum()} images differs",
        )
