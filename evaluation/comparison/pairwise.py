"""All pairs of several experiments on the same images, their p-values corrected for being many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy import stats

from common.config.schema import EvaluationConfig
from common.errors import UserError
from evaluation.comparison.paired import COMPARED, FEW_DISCORDANT, McNemar, mcnemar, paired
from evaluation.core.labelled import score
from evaluation.core.warnings import few_clusters
from evaluation.intervals.bootstrap import Differences, Resamples, of_resamples
from evaluation.intervals.grouping import Group
from evaluation.intervals.pooling import pool
from evaluation.metrics.classification import DIFFERENCE
from evaluation.metrics.resampled import WeightedMetrics
from evaluation.result import Interval


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
    """All pairs of several groups; ``correction`` is the method, ``confidence`` (0 to 1) that of the intervals."""

    labels: list[str]
    pairs: list[Pair]
    left_out: list[PairLeftOut]
    correction: str
    confidence: float
    warnings: list[str]


def compare_groups(groups: Sequence[Group], settings: EvaluationConfig) -> PairwiseComparison:
    """Compare every two groups on the test images of all their folds.

    Args:
        groups: What ``grouping.group_runs`` returns.
        settings: Number of resamples, confidence, seed, and the ``correction`` of the p-values: "holm" (Holm,
            Scandinavian Journal of Statistics, 1979: the chance of any false difference), "fdr_bh" (Benjamini and
            Hochberg, JRSS B, 1995: the expected share of false ones among those found), or "none".

    Raises:
        UserError: See ``pool``.
    """
    pooled = [pool(list(group.runs)) for group in groups]
    sides = []
    for predictions in pooled:
        # In the order of ``paired``, so that the same subjects are drawn for all groups of the same images.
        scored = score(replace(predictions, frame=predictions.frame.sort_values("image_id", ignore_index=True)))
        sides.append(Resamples(WeightedMetrics(scored, names=COMPARED), scored, settings))
    pairs = []
    left_out = []
    warnings: list[str] = []
    for one, two in combinations(range(len(groups)), 2):
        labels = (groups[one].label, groups[two].label)
        try:
            first, second = paired(pooled[one], pooled[two])
        except UserError as reason:
            left_out.append(PairLeftOut(*labels, reason))
            continue
        test = mcnemar(first, second)
        differences = of_resamples(dict.fromkeys(COMPARED, DIFFERENCE), Differences(sides[one], sides[two]), settings)
        pairs.append(Pair(*labels, len(first.labels), first.subjects, differences, test, test.p_value))
        warnings += few_clusters(first.count_clusters(), first.by_subject)
    if pairs and settings.correction != "none":
        p_values = np.array([pair.mcnemar.p_value for pair in pairs])
        corrected = holm(p_values) if settings.correction == "holm" else stats.false_discovery_control(p_values)
        pairs = [replace(pair, p_corrected=float(p)) for pair, p in zip(pairs, corrected, strict=True)]
    few = sum(pair.mcnemar.discordant < FEW_DISCORDANT for pair in pairs)
    if few:
        warnings.append(
            f"in {few} of {len(pairs)} pairs fewer than {FEW_DISCORDANT} images are classified correctly by one side "
            "alone: go by McNemar's p there, not by intervals of calls"
        )
    warnings = list(dict.fromkeys(warnings))
    names = [group.label for group in groups]
    return PairwiseComparison(names, pairs, left_out, settings.correction, settings.confidence, warnings)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values, shape (N,), corrected after Holm: the k-th smallest times N + 1 - k, none falls."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected
