"""The metrics for thousands of weightings of the same images at once.

A resample of subjects is a count per subject. scikit-learn takes one weighting at a call (1 to 7 ms each on 2,000
images); here one matrix product serves them all. The tests compare both.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from scipy import sparse

from evaluation.core.labelled import LabelledPredictions
from evaluation.metrics.classification import METRICS, Scores, Threshold, call, metric_names, of_confusions

# Maps counts of clusters, shape (B, C), to M values, shape (M, B), NaN where undefined.
Statistic = Callable[[np.ndarray], np.ndarray]


@runtime_checkable
class CostlyStatistic(Protocol):
    """A statistic that tells at less cost than its own where it is defined.

    What is defined on some clusters must be defined on these and others.
    """

    def defined(self, counts: np.ndarray, /) -> np.ndarray:
        """Return where the values are defined, bool, shape (M, B)."""
        ...


def defined(statistic: Statistic, counts: np.ndarray) -> np.ndarray:
    """Return where a statistic is defined, bool, shape (M, B), for counts of clusters, shape (B, C)."""
    if isinstance(statistic, CostlyStatistic):
        return statistic.defined(counts)
    return ~np.isnan(statistic(counts))


class WeightedMetrics:
    """Maps counts of clusters, shape (B, C), to metrics, shape (M, B); NaN where a metric is undefined.

    ``names``: M keys of ``metric_names``; None: all of them. ``threshold``: see ``metrics.classification.call``.
    """

    def __init__(
        self, scored: LabelledPredictions, threshold: Threshold = 0.5, names: tuple[str, ...] | None = None
    ) -> None:
        self.names = metric_names(scored.classes) if names is None else names
        self._classes = scored.classes
        self._positive = scored.positive_index
        predicted = call(scored.probabilities, scored.positive_index, threshold)
        self._confusions = confusions_of_clusters(scored, predicted)
        self._of_scores = {}
        for name in self.names:
            metric = METRICS.get(name)
            if metric is not None and metric.of_scores is not None:
                self._of_scores[name] = metric.of_scores
        self._levels = []
        if self._of_scores:
            ranked = range(len(scored.classes)) if scored.positive_index is None else [scored.positive_index]
            self._levels = [_score_levels(scored, index) for index in ranked]

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the metrics, float64, shape (M, B), for ``counts`` of shape (B, C), each how often a cluster is in."""
        counts = counts.astype(np.float64)
        values = of_confusions(self._matrices(counts), self._classes, self._positive)
        scores = [Scores(*(counts @ table for table in tables)) for tables in self._levels]
        with np.errstate(divide="ignore", invalid="ignore"):
            for name, metric in self._of_scores.items():
                values[name] = np.mean([metric(of_class) for of_class in scores], axis=0)
        return np.stack([values[name] for name in self.names])

    def defined(self, counts: np.ndarray) -> np.ndarray:
        """Return where the metrics are defined, bool, shape (M, B), without the cost of those of scores."""
        matrices = self._matrices(counts.astype(np.float64))
        values = of_confusions(matrices, self._classes, self._positive)
        every_class = (matrices.sum(axis=2) > 0).all(axis=1)
        rows = [every_class if name in self._of_scores else ~np.isnan(values[name]) for name in self.names]
        return np.stack(rows)

    def _matrices(self, counts: np.ndarray) -> np.ndarray:
        k = len(self._classes)
        return np.reshape(counts @ self._confusions, (-1, k, k))


def evaluate(scored: LabelledPredictions, threshold: Threshold = 0.5) -> dict[str, float | None]:
    """Compute every metric of some images.

    For more than two classes AUC and average precision are the mean over the classes, each against the rest.

    Returns:
        Values under the keys of ``metric_names``; None where undefined (precision of a class never predicted, recall of
        a class without images, AUC and average precision with a class missing).
    """
    together = replace(scored, clusters=np.zeros(len(scored.labels), dtype=np.int64))
    metrics = WeightedMetrics(together, threshold)
    values = metrics(np.ones((1, together.cluster_count)))[:, 0]
    return {name: None if np.isnan(value) else float(value) for name, value in zip(metrics.names, values, strict=True)}


def confusions_of_clusters(scored: LabelledPredictions, predicted: np.ndarray) -> np.ndarray:
    """Count the cells of each cluster's confusion matrix, rows the truth: float64, shape (C, K * K)."""
    k = len(scored.classes)
    counts = np.zeros((scored.cluster_count, k * k))
    np.add.at(counts, (scored.clusters, scored.labels * k + predicted), 1)
    return counts


def _score_levels(scored: LabelledPredictions, index: int) -> tuple[sparse.csr_array, ...]:
    """Count each cluster's images at the L distinct scores that the positives of a class have, highest first.

    No other score matters to AUC and average precision. Of 24 classes with long tails of negatives this makes the
    tables some 25 times smaller.

    Returns:
        The tables of ``Scores`` for each cluster, shape (C, L + 1).
    """
    scores = scored.probabilities[:, index]
    is_class = scored.labels == index
    levels = np.unique(-scores[is_class])
    level = np.searchsorted(levels, -scores)
    tied = np.append(levels, np.nan)[level] == -scores
    shape = (scored.cluster_count, len(levels) + 1)
    tables = []
    for rows in (is_class, ~is_class, ~is_class & tied):
        cells = (scored.clusters[rows], level[rows])
        tables.append(sparse.csr_array((np.ones(rows.sum()), cells), shape=shape))
    return tuple(tables)
