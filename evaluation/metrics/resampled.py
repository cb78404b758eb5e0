"""The metrics of ``metrics.py`` for thousands of weightings of the same images at once.

A resample of subjects is a count per subject. scikit-learn takes one weighting at a call (1 to 7 ms each on 2,000
images); here one matrix product serves them all. The tests hold both equal.
"""

import numpy as np
from scipy import sparse

from evaluation.core.labelled import LabelledPredictions
from evaluation.metrics.classification import Threshold, call, metric_names


class WeightedMetrics:
    """Maps counts of clusters, shape (B, C), to metrics, shape (M, B); NaN where a metric is undefined.

    Attributes:
        names: The M keys of ``metrics.metric_names``.
        clusters: C, the number of clusters.
    """

    def __init__(self, scored: LabelledPredictions, threshold: Threshold = 0.5) -> None:
        self.names = metric_names(scored.classes)
        self.clusters = scored.cluster_count
        self._classes = scored.classes
        self._positive = scored.positive_index
        called = call(scored.probabilities, scored.positive_index, threshold)
        self._confusions = confusions_of_clusters(scored, called)
        if scored.positive_index is None:
            ranked = range(len(scored.classes))
        else:
            ranked = [scored.positive_index]
        self._ranks = [_score_levels(scored, index) for index in ranked]

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the metrics, float64, shape (M, B), for ``counts`` of shape (B, C), each how often a cluster is in."""
        counts = counts.astype(np.float64)
        k = len(self._classes)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = of_confusions((counts @ self._confusions).reshape(-1, k, k), self._classes, self._positive)
            ranked = np.stack([_of_levels(*(counts @ table for table in tables)) for tables in self._ranks])
        values["auc"], values["average_precision"] = ranked.mean(axis=0)
        return np.stack([values[name] for name in self.names])


def of_confusions(matrices: np.ndarray, classes: tuple[str, ...], positive_index: int | None) -> dict[str, np.ndarray]:
    """Compute the metrics of calls from confusion matrices, shape (B, K, K), rows the truth.

    Returns:
        Arrays of shape (B,) under the keys of ``metrics.metric_names``, without ``auc`` and ``average_precision``.
    """
    right = np.diagonal(matrices, axis1=1, axis2=2)
    images = matrices.sum(axis=2)
    called = matrices.sum(axis=1)
    total = images.sum(axis=1)
    precision = right / called
    recall = right / images
    f1 = 2 * right / (images + called)
    occurring = (images > 0).sum(axis=1)
    values = {
        "accuracy": right.sum(axis=1) / total,
        "balanced_accuracy": np.where(occurring > 1, np.nansum(recall, axis=1) / occurring, np.nan),
        "f1_weighted": np.nansum(f1 * images, axis=1) / total,
        "f1_macro": np.nansum(f1, axis=1) / (images + called > 0).sum(axis=1),
    }
    for kind, of_class in (("precision", precision), ("recall", recall), ("f1", f1)):
        values |= {f"{kind}/{name}": of_class[:, index] for index, name in enumerate(classes)}
    if positive_index is not None:
        values |= {"sensitivity": recall[:, positive_index], "specificity": recall[:, 1 - positive_index]}
    return values


def confusions_of_clusters(scored: LabelledPredictions, called: np.ndarray) -> np.ndarray:
    """Count the cells of each cluster's confusion matrix, rows the truth: float64, shape (C, K * K)."""
    k = len(scored.classes)
    counts = np.zeros((scored.cluster_count, k * k))
    np.add.at(counts, (scored.clusters, scored.labels * k + called), 1)
    return counts


def _score_levels(
    scored: LabelledPredictions, index: int
) -> tuple[sparse.csr_array, sparse.csr_array, sparse.csr_array]:
    """Count each cluster's images at the L distinct scores that the positives of a class have, highest first.

    No other score matters to AUC and average precision. Of 24 classes with long tails of negatives this makes the
    tables some 25 times smaller.

    Returns:
        Three tables of shape (C, L + 1): positives at each level; negatives that score at least as much, counted once,
        at the first such level (the last column: those below every positive); and negatives exactly at the level.
    """
    scores = scored.probabilities[:, index]
    is_class = scored.labels == index
    levels = np.unique(-scores[is_class])
    level = np.searchsorted(levels, -scores)
    tied = np.append(levels, np.nan)[level] == -scores
    shape = (scored.cluster_count, len(levels) + 1)
    return tuple(
        sparse.csr_array((np.ones(rows.sum()), (scored.clusters[rows], level[rows])), shape=shape)
        for rows in (is_class, ~is_class, ~is_class & tied)
    )


def _of_levels(positives: np.ndarray, negatives: np.ndarray, tied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC (ties count half) and average precision from counts, shape (B, L + 1), see ``_score_levels``."""
    true = positives.cumsum(axis=1)
    false = negatives.cumsum(axis=1)
    all_true = true[:, -1]
    all_false = false[:, -1]
    won = positives * (all_false[:, None] - false + tied / 2)
    auc = won.sum(axis=1) / (all_true * all_false)
    # A level whose images all have weight 0 is no level: 0 / 0 there counts nothing.
    average_precision = np.nansum(positives * true / (true + false), axis=1) / all_true
    return auc, np.where(all_false > 0, average_precision, np.nan)
