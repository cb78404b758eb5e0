"""The metrics for thousands of weightings of the same images at once. The tests compare with scikit-learn."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from karyocyte.evaluation.metrics.classification import (
    METRICS,
    Metric,
    Scores,
    Threshold,
    call,
    metric_names,
    of_confusions,
)
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums


class WeightedMetrics(StatisticOfSums):
    """Maps counts of clusters, shape (B, C), to metrics, shape (M, B); NaN where a metric is undefined.

    ``names``: M keys of ``metric_names``; None: all of them. ``threshold``: see ``metrics.classification.call``.
    ``rows`` are the images that are evaluated.
    """

    def __init__(
        self,
        scored: LabelledPredictions,
        threshold: Threshold = 0.5,
        names: tuple[str, ...] | None = None,
        rows: slice | np.ndarray = slice(None),
    ) -> None:
        self.names = metric_names(scored.classes) if names is None else names
        self._classes = scored.classes
        self._positive = scored.positive_index
        self._of_scores = {}
        for name in self.names:
            if of_scores := METRICS.get(name, Metric()).of_scores:
                self._of_scores[name] = of_scores
        labels, probabilities, clusters = scored.labels[rows], scored.probabilities[rows], scored.clusters[rows]
        k, count = len(scored.classes), scored.cluster_count
        predicted = call(probabilities, scored.positive_index, threshold)
        tables = [counts_of_clusters(clusters, labels * k + predicted, (count, k * k))]
        if self._of_scores:
            for index in range(k) if scored.positive_index is None else [scored.positive_index]:
                tables += _score_tables(probabilities[:, index], labels == index, clusters, count)
        self._ends = np.cumsum([table.shape[1] for table in tables])[:-1]
        super().__init__(sparse.hstack(tables, format="csr"), self._metrics)

    def _metrics(self, totals: np.ndarray) -> np.ndarray:
        """Compute the metrics, float64, shape (M, B), from totals of confusion matrices and of the tables of scores."""
        confusions, *tables = np.split(totals, self._ends, axis=1)
        k = len(self._classes)
        found = of_confusions(confusions.reshape(-1, k, k), self._classes, self._positive)
        scores = list(map(Scores, tables[0::3], tables[1::3], tables[2::3]))
        with np.errstate(divide="ignore", invalid="ignore"):
            for name, of_scores in self._of_scores.items():
                found[name] = np.mean([of_scores(of_class) for of_class in scores], axis=0)
        unknown = np.full(len(totals), np.nan)
        return np.stack([found.get(name, unknown) for name in self.names])


def evaluate(scored: LabelledPredictions, threshold: Threshold = 0.5) -> dict[str, float | None]:
    """Compute every metric of some images, under the keys of ``metric_names``; None where undefined.

    Beyond two classes AUC and average precision are the mean over the classes, each against the rest.
    """
    together = replace(scored, clusters=np.zeros(len(scored.labels), dtype=np.int64))
    metrics = WeightedMetrics(together, threshold)
    values = metrics(np.ones((1, together.cluster_count)))[:, 0]
    return {name: None if np.isnan(value) else float(value) for name, value in zip(metrics.names, values, strict=True)}


def _score_tables(scores: np.ndarray, is_class: np.ndarray, clusters: np.ndarray, count: int) -> list[sparse.csr_array]:
    """Return the columns of ``Scores`` of C clusters, at the L distinct scores that the positives of a class have.

    No other score matters to AUC and average precision: of 24 classes the tables are some 25 times smaller.
    """
    levels = np.unique(-scores[is_class])
    level = np.searchsorted(levels, -scores)
    tied = np.append(levels, np.nan)[level] == -scores
    chosen = (is_class, ~is_class, ~is_class & tied)
    return [counts_of_clusters(clusters[rows], level[rows], (count, len(levels) + 1)) for rows in chosen]


def counts_of_clusters(clusters: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Count how many images, by their cluster and column, shape (N,), are in each cell of a table, float64."""
    return sparse.csr_array((np.ones(len(clusters)), (clusters, columns)), shape=shape)
