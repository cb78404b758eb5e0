"""All pairs of several experiments on the same images, their p-values corrected for being many."""

import hashlib
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from statsmodels.stats.multitest import multipletests

from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from evaluation.comparison.paired import COMPARED, FEW_DISCORDANT, mcnemar, paired, paired_difference
from evaluation.core.labelled import LabelledPredictions
from evaluation.core.warnings import few_clusters
from evaluation.intervals.bootstrap import Statistic
from evaluation.intervals.grouping import Group
from evaluation.intervals.pooling import pool
from evaluation.metrics.resampled import WeightedMetrics


def compare_groups(groups: Sequence[Group], settings: EvaluationConfig) -> dict:
    """Compare every two groups on the test images of all their folds.

    Args:
        groups: What ``groups.group_runs`` returns.
        settings: Number of resamples, confidence, seed, and the ``correction`` of the p-values: "holm" (Holm,
            Scandinavian Journal of Statistics, 1979: the chance of any false difference), "fdr_bh" (Benjamini and
            Hochberg, JRSS B, 1995: the expected share of false ones among those found), or "none".

    Returns:
        A JSON-able mapping: ``method`` (the correction), ``pairs`` (``first`` and ``second`` (labels), ``images``,
        ``subjects``, ``differences`` (metric -> fields of an ``Interval``, first minus second; not corrected),
        ``mcnemar`` and its ``p_corrected``), ``left_out`` (``first``, ``second`` and the ``reason``: images, labels or
        classes differ), ``settings`` and ``warnings``.

    Raises:
        UserError: See ``pool``.
    """
    pooled = [pool(list(group.runs)) for group in groups]
    statistic = _Shared()
    pairs = []
    left_out = []
    few = []
    for one, two in combinations(range(len(groups)), 2):
        names = {"first": groups[one].label, "second": groups[two].label}
        try:
            pair, lines = _pair(pooled[one], pooled[two], settings, statistic)
        except UserError as reason:
            left_out.append({**names, "reason": str(reason), "anonymous": reason.anonymous})
        else:
            pairs.append({**names, **pair})
            few += lines
    for pair, p_value in zip(pairs, _corrected([pair["mcnemar"]["p_value"] for pair in pairs], settings), strict=True):
        pair["p_corrected"] = p_value
    return {
        "method": settings.correction,
        "pairs": pairs,
        "left_out": left_out,
        "settings": settings.model_dump(mode="json"),
        "warnings": [*dict.fromkeys(few), *_few_discordant(pairs)],
    }


def _pair(
    first: Predictions, second: Predictions, settings: EvaluationConfig, statistic: "_Shared"
) -> tuple[dict, list[str]]:
    one, _ = paired(first, second)
    differences = paired_difference(first, second, COMPARED, settings, statistic)
    found = {
        "images": len(one.labels),
        "subjects": one.subjects,
        "differences": {name: interval.as_dict() for name, interval in differences.items()},
        "mcnemar": mcnemar(first, second),
    }
    return found, few_clusters(one.count_clusters(), one.by_subject)


def _corrected(p_values: list[float], settings: EvaluationConfig) -> list[float]:
    if not p_values or settings.correction == "none":
        return p_values
    return multipletests(p_values, method=settings.correction)[1].tolist()


def _few_discordant(pairs: list[dict]) -> list[str]:
    few = [pair for pair in pairs if pair["mcnemar"]["only_first"] + pair["mcnemar"]["only_second"] < FEW_DISCORDANT]
    if not few:
        return []
    return [
        f"in {len(few)} of {len(pairs)} pairs fewer than {FEW_DISCORDANT} images are called rightly by one side alone: "
        "go by McNemar's p there, not by intervals of calls"
    ]


class _Shared:
    """Makes the statistic of each set of predictions once, though it is in many pairs, and evaluates it once.

    The same seed draws the same subjects for all pairs on the same images.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, _Remembered] = {}

    def __call__(self, scored: LabelledPredictions) -> Statistic:
        key = _digest(scored.labels, scored.probabilities, scored.clusters)
        if key not in self._known:
            self._known[key] = _Remembered(WeightedMetrics(scored))
        return self._known[key]


class _Remembered:
    """A statistic that does not compute anything twice."""

    def __init__(self, statistic: Statistic) -> None:
        self._statistic = statistic
        self._values: dict[bytes, np.ndarray] = {}

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        key = _digest(counts)
        if key not in self._values:
            self._values[key] = self._statistic(counts)
        return self._values[key]


def _digest(*arrays: np.ndarray) -> bytes:
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).digest()
