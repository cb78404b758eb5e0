"""All pairs of several experiments on the same images, their p-values corrected for being many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

from karyocyte.common.errors import UserError
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.bootstrap import Differences, Resamples, of_resamples
from karyocyte.evaluation.intervals.grouping import Group
from karyocyte.evaluation.metrics.classification import DIFFERENCE, call
from karyocyte.evaluation.metrics.labelled import LabelledPredictions, score
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.types.result import Interval
from karyocyte.evaluation.types.warnings import few_clusters
from karyocyte.runs.predictions import Predictions

# Below this number of images that one group alone predicts right, a bootstrap of predictions has too little to draw.
FEW_DISCORDANT = 10
COMPARED = ("f1_weighted", "auc", "accuracy")


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test: images that only the one side predicts right, and the two-sided p-value (1 without any)."""

    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True)
class Pair:
    """Two groups, by their labels, on the same images: differences of metrics, first minus second, not corrected.

    ``mcnemar`` is of the predictions at 0.5, ``p_corrected`` its p-value corrected for the number of pairs.
    """

    first: str
    second: str
    images: int
    subjects: int | None
    differences: dict[str, Interval]
    mcnemar: McNemar
    p_corrected: float


class PairLeftOut(NamedTuple):
    """Two groups that cannot be compared, and why: images, labels or classes differ."""

    first: str
    second: str
    reason: UserError


@dataclass(frozen=True)
class PairwiseComparison:
    """All pairs of several groups; ``confidence`` (0 to 1) is that of the intervals."""

    labels: list[str]
    pairs: list[Pair]
    left_out: list[PairLeftOut]
    confidence: float
    warnings: list[str]


def compare_groups(groups: Sequence[Group], settings: EvaluationConfig) -> PairwiseComparison:
    """Compare every two groups, as ``grouping.group_runs`` returns them, on the test images of all their folds.

    Raises:
        UserError: See ``pool``.
    """
    pooled = [pool(group.runs) for group in groups]
    resamples = [_resamples(images, settings=settings) for images in pooled]
    pairs = []
    left_out = []
    warnings: dict[str, None] = {}
    for one, two in combinations(range(len(groups)), 2):
        labels = (groups[one].label, groups[two].label)
        try:
            # Groups of other images are no fault of the call: the remaining pairs are compared all the same.
            first, second = aligned_pair(pooled[one], pooled[two])
        except UserError as reason:
            left_out.append(PairLeftOut(*labels, reason))
            continue
        test = mcnemar(first, second)
        both = Differences(resamples[one], resamples[two])
        differences = of_resamples(dict.fromkeys(COMPARED, DIFFERENCE), both, settings)
        pairs.append(Pair(*labels, len(first.labels), first.subjects, differences, test, test.p_value))
        warnings |= dict.fromkeys(few_clusters(first.count_clusters(), first.by_subject))
    p_values = np.array([pair.mcnemar.p_value for pair in pairs])
    pairs = [replace(pair, p_corrected=float(p)) for pair, p in zip(pairs, holm(p_values), strict=True)]
    few = sum(pair.mcnemar.only_first + pair.mcnemar.only_second < FEW_DISCORDANT for pair in pairs)
    if few:
        line = (
            f"in {few} of {len(pairs)} pairs fewer than {FEW_DISCORDANT} images are classified correctly by one side "
            "alone: go by McNemar's p there, not by intervals of calls"
        )
        warnings[line] = None
    names = [group.label for group in groups]
    return PairwiseComparison(names, pairs, left_out, settings.confidence, list(warnings))


def _resamples(predictions: Predictions, settings: EvaluationConfig) -> Resamples:
    """Return resamples in the order of ``aligned_pair``, so that all groups of one set draw the same subjects."""
    scored = score(replace(predictions, frame=predictions.frame.sort_values("image_id", ignore_index=True)))
    return Resamples(WeightedMetrics(scored, names=COMPARED), scored, settings)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values, shape (N,), corrected after Holm (Scandinavian Journal of Statistics, 1979).

    The k-th smallest is multiplied by N + 1 - k, and none falls: 0.05 bounds the chance of any false difference.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected


def mcnemar(first: LabelledPredictions, second: LabelledPredictions) -> McNemar:
    """Test the images, in the same order, that only one of the two predicts right (at 0.5).

    It treats images as independent: where a subject has several, the p-value is too small, and the interval of the
    difference is the one to trust.
    """
    right = call(first.probabilities, first.positive_index) == first.labels
    other_right = call(second.probabilities, second.positive_index) == second.labels
    only_first = int((right & ~other_right).sum())
    only_second = int((other_right & ~right).sum())
    if only_first == only_second:
        return McNemar(only_first, only_second, 1.0)
    return McNemar(only_first, only_second, float(stats.binomtest(only_first, only_first + only_second).pvalue))


def aligned_pair(first: Predictions, second: Predictions) -> tuple[LabelledPredictions, LabelledPredictions]:
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
            f"the images differ: {len(only)} are in one set only, such as {min(only)}: compare runs of the same folds"
        )
    for column in ("label", "subject"):
        own, others = frame[column], other[column]
        differs = (own != others) & (own.notna() | others.notna())
        if differs.any():
            image = frame["image_id"][differs].iloc[0]
            raise UserError(
                f"the {column} of {differs.sum()} images differs, such as {image}: both runs must come from the same "
                "data"
            )
    return score(replace(first, frame=frame)), score(replace(second, frame=other))
