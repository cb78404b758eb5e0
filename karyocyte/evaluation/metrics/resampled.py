"""The metrics for thousands of weightings of the same images at once.

A resample of subjects is a count per subject; one matrix product serves all. The tests compare with scikit-learn.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import sparse

from karyocyte.evaluation.metrics.classification import (
    METRICS,
    Metric,
    ScoreTables,
    Threshold,
    call,
    metric_names,
    of_confusions,
)
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import LeaveOneOut, StatisticOfSums, batches, one_by_one

# Maps counts of clusters, shape (B, C), to M values, shape (M, B), NaN where undefined.
Statistic = Callable[[np.ndarray], np.ndarray]


def without_each(statistic: Statistic, clusters: int, width: int) -> np.ndarray:
    """Return a statistic without each cluster in turn, float64, shape (M, C).

    ``width`` is the number of elements that one computation needs.
    """
    if isinstance(statistic, LeaveOneOut):
        return statistic.without_each()
    return one_by_one(statistic, clusters, width)


def defined_on_each(statistic: Statistic, clusters: int, width: int) -> np.ndarray:
    """Return whether a statistic is defined on each cluster alone, bool, shape (M, C); see ``without_each``."""
    if isinstance(statistic, LeaveOneOut):
        return statistic.defined_on_each()
    return np.asarray(~np.isnan(one_by_one(statistic, clusters, width, without=False)))


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
        self._images = len(scored.labels)
        predicted = call(scored.probabilities, scored.positive_index, threshold)
        self._confusions = confusions_of_clusters(scored.labels, predicted, scored.clusters, len(scored.classes))
        self._of_predictions = StatisticOfSums(self._confusions, self._metrics_of_confusions)
        self._of_scores = {}
        for row, name in enumerate(self.names):
            metric = METRICS.get(name)
            if metric is not None and metric.of_scores is not None:
                self._of_scores[row] = metric
        self._tables: list[ScoreTables] = []
        if self._of_scores:
            ranked = range(len(scored.classes)) if scored.positive_index is None else [scored.positive_index]
            for index in ranked:
                of_class = scored.labels == index
                self._tables.append(_score_tables(scored.probabilities[:, index], of_class, scored.clusters))

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the metrics, float64, shape (M, B), for ``counts`` of shape (B, C), each how often a cluster is in."""
        counts = counts.astype(np.float64)
        values = self._of_predictions(counts)
        scores = [tables.weighted(counts) for tables in self._tables]
        with np.errstate(divide="ignore", invalid="ignore"):
            for row, metric in self._of_scores.items():
                assert metric.of_scores is not None
                values[row] = np.mean([metric.of_scores(of_class) for of_class in scores], axis=0)
        return values

    def without_each(self) -> np.ndarray:
        """Return the metrics without each cluster in turn, float64, shape (M, C)."""
        values = self._of_predictions.without_each()
        with np.errstate(divide="ignore", invalid="ignore"):
            for row, metric in self._of_scores.items():
                values[row] = np.mean([self._score_without_each(metric, tables) for tables in self._tables], axis=0)
        return values

    def defined_on_each(self) -> np.ndarray:
        """Return whether the metrics are defined on each cluster alone, bool, shape (M, C)."""
        defined = self._of_predictions.defined_on_each()
        k = len(self._classes)
        # Those of scores need an image of every class.
        every_class = (self._confusions.reshape(-1, k, k).sum(axis=2) > 0).all(axis=1)
        defined[list(self._of_scores)] = every_class
        return defined

    def _metrics_of_confusions(self, confusions: np.ndarray) -> np.ndarray:
        """Compute the metrics from confusion matrices, shape (B, K * K); those of scores are NaN, shape (M, B)."""
        k = len(self._classes)
        found = of_confusions(confusions.reshape(-1, k, k), self._classes, self._positive)
        unknown = np.full(len(confusions), np.nan)
        return np.stack([found.get(name, unknown) for name in self.names])

    def _score_without_each(self, metric: Metric, tables: ScoreTables) -> np.ndarray:
        assert metric.of_scores is not None
        clusters, levels = tables.positives.shape
        return np.concatenate([metric.of_scores(tables.without(rows)) for rows in batches(clusters, levels)])


def evaluate(scored: LabelledPredictions, threshold: Threshold = 0.5) -> dict[str, float | None]:
    """Compute every metric of some images, under the keys of ``metric_names``; None where undefined.

    Beyond two classes AUC and average precision are the mean over the classes, each against the rest.
    """
    together = replace(scored, clusters=np.zeros(len(scored.labels), dtype=np.int64))
    metrics = WeightedMetrics(together, threshold)
    values = metrics(np.ones((1, together.cluster_count)))[:, 0]
    return {name: None if np.isnan(value) else float(value) for name, value in zip(metrics.names, values, strict=True)}


def confusions_of_clusters(labels: np.ndarray, predicted: np.ndarray, clusters: np.ndarray, k: int) -> np.ndarray:
    """Count the cells of each cluster's confusion matrix, rows the truth: float64, shape (C, k * k)."""
    counts = np.zeros((int(clusters.max(initial=-1)) + 1, k * k))
    np.add.at(counts, (clusters, labels * k + predicted), 1)
    return counts


def _score_tables(scores: np.ndarray, is_class: np.ndarray, clusters: np.ndarray) -> ScoreTables:
    """Count each cluster's images at the L distinct scores that the positives of a class have, highest first.

    No other score matters to AUC and average precision: of 24 classes the tables are some 25 times smaller.
    """
    levels = np.unique(-scores[is_class])
    level = np.searchsorted(levels, -scores)
    tied = np.append(levels, np.nan)[level] == -scores
    shape = (int(clusters.max(initial=-1)) + 1, len(levels) + 1)
    tables = []
    for rows in (is_class, ~is_class, ~is_class & tied):
        cells = (clusters[rows], level[rows])
        tables.append(sparse.csr_array((np.ones(rows.sum()), cells), shape=shape))
    return ScoreTables(*tables)
