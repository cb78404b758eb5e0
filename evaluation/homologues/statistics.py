"""Areas under ROC curves within groups, and shares, with intervals by case."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.bootstrap import around
from evaluation.metrics.classification import SHARE
from evaluation.result import Interval


@dataclass(frozen=True)
class Scored:
    """Scores of N pairs, cells or cases, all of shape (N,).

    Attributes:
        score: The higher, the more abnormal, float64.
        group: Areas are averaged over groups, such as chromosomes, int64.
        fold: Only scores of one fold, of one network, are compared, int64.
        cluster: The case, int64.
    """

    score: np.ndarray
    group: np.ndarray
    fold: np.ndarray
    cluster: np.ndarray

    def subset(self, rows: np.ndarray) -> "Scored":
        """Return those of a mask, shape (N,)."""
        return Scored(self.score[rows], self.group[rows], self.fold[rows], self.cluster[rows])


@dataclass(frozen=True)
class Block:
    """Abnormal against normal scores of one group and fold.

    Attributes:
        group: Number of the group.
        clusters: The K clusters that occur, int64.
        won: How often an abnormal score of one cluster (row) is above a normal one of another, ties half: (K, K).
        abnormal: Abnormal scores of each cluster, shape (K,).
        normal: Normal ones, likewise.
    """

    group: int
    clusters: np.ndarray
    won: np.ndarray
    abnormal: np.ndarray
    normal: np.ndarray


class MeanAuc:
    """Maps counts of clusters, shape (B, C), to the mean over the groups of the area under the ROC curve, (1, B).

    Within a group, abnormal and normal scores of the same fold are compared. A group without either is left out.
    """

    def __init__(self, abnormal: Scored, normal: Scored) -> None:
        self.blocks = []
        for group, fold in np.unique(np.stack([abnormal.group, abnormal.fold], axis=1), axis=0):
            of_block = [each.subset((each.group == group) & (each.fold == fold)) for each in (abnormal, normal)]
            if len(of_block[1].score):
                self.blocks.append(_block(int(group), *of_block))
        self.groups = np.unique([block.group for block in self.blocks])

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the areas, float64, shape (1, B); NaN where no group has both."""
        won = np.zeros((len(self.groups), len(counts)))
        for block in self.blocks:
            drawn = counts[:, block.clusters].astype(np.float64)
            won[np.searchsorted(self.groups, block.group)] += ((drawn @ block.won) * drawn).sum(axis=1)
        compared = self._compared(counts)
        area = np.divide(won, compared, out=np.zeros_like(won), where=compared > 0).sum(axis=0)
        present = (compared > 0).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(area / present)[None]

    def defined(self, counts: np.ndarray) -> np.ndarray:
        """Return where the areas are defined, bool, shape (1, B)."""
        return np.asarray((self._compared(counts) > 0).any(axis=0, keepdims=True))

    def _compared(self, counts: np.ndarray) -> np.ndarray:
        """Return how many scores are compared in each group, float64, shape (G, B)."""
        compared = np.zeros((len(self.groups), len(counts)))
        for block in self.blocks:
            drawn = counts[:, block.clusters].astype(np.float64)
            row = np.searchsorted(self.groups, block.group)
            compared[row] += (drawn @ block.abnormal) * (drawn @ block.normal)
        return compared


class ClusterShares:
    """Maps counts of clusters, shape (B, C), to a share of what they hold, shape (1, B).

    Args:
        hits: Of each of N, bool, shape (N,).
        cluster: The cluster of each, int64 in 0 to C - 1, shape (N,).
    """

    def __init__(self, hits: np.ndarray, cluster: np.ndarray) -> None:
        self.total = np.bincount(cluster)
        self.hits = np.bincount(cluster, hits, len(self.total))

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the shares, float64; NaN of nothing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((counts @ self.hits) / (counts @ self.total))[None]


def auc(abnormal: Scored, normal: Scored, settings: EvaluationConfig) -> Interval:
    """Return the mean area over the groups, see `MeanAuc`, with its interval by case; of value None where undefined."""
    clusters, numbers = np.unique(np.concatenate([abnormal.cluster, normal.cluster]), return_inverse=True)
    labels = np.repeat([1, 0], [len(abnormal.score), len(normal.score)])
    if not len(clusters) or len(np.unique(labels)) < 2:
        return Interval(None, None, None, None, 0, 0, len(clusters))
    first = Scored(abnormal.score, abnormal.group, abnormal.fold, numbers[labels == 1])
    second = Scored(normal.score, normal.group, normal.fold, numbers[labels == 0])
    statistic = MeanAuc(first, second)
    return around(statistic, ("auc",), _labelled(labels, numbers), settings, SHARE)["auc"]


def share(hits: np.ndarray, cluster: np.ndarray, settings: EvaluationConfig) -> Interval:
    """Return a share with its interval by case; of value None where there is nothing.

    Args:
        hits: bool, shape (N,).
        cluster: The case of each, int64, shape (N,).
        settings: Method of the interval, confidence, seed.
    """
    numbers = np.unique(cluster, return_inverse=True)[1]
    if not len(numbers):
        return Interval(None, None, None, None, 0, 0, 0)
    labelled = _labelled(np.ones(len(numbers), dtype=np.int64), numbers)
    # Sensitivity is the registered metric that is a share of the abnormal ones.
    return around(ClusterShares(hits, numbers), ("sensitivity",), labelled, settings, SHARE)["sensitivity"]


def labelled_clusters(cluster: np.ndarray) -> LabelledPredictions:
    """Return what `evaluation.intervals` needs of N items of clusters, int64 in 0 to C - 1, shape (N,)."""
    return _labelled(np.ones(len(cluster), dtype=np.int64), cluster)


def _labelled(labels: np.ndarray, cluster: np.ndarray) -> LabelledPredictions:
    nothing = np.zeros((len(labels), 2))
    return LabelledPredictions(labels, nothing, ("normal", "abnormal"), 1, cluster, by_subject=True, unlabelled=0)


def _block(group: int, abnormal: Scored, normal: Scored) -> Block:
    clusters, numbers = np.unique(np.concatenate([abnormal.cluster, normal.cluster]), return_inverse=True)
    of_abnormal = _members(numbers[: len(abnormal.score)], len(clusters))
    of_normal = _members(numbers[len(abnormal.score) :], len(clusters))
    above = (abnormal.score[:, None] > normal.score).astype(np.float64)
    above += 0.5 * (abnormal.score[:, None] == normal.score)
    won = (of_normal @ (of_abnormal @ above).T).T
    return Block(group, clusters, won, of_abnormal.sum(axis=1), of_normal.sum(axis=1))


def _members(cluster: np.ndarray, clusters: int) -> sparse.csr_array:
    """Return which of N belong to each of K clusters, shape (K, N)."""
    rows = np.arange(len(cluster))
    return sparse.csr_array((np.ones(len(cluster)), (cluster, rows)), shape=(clusters, len(cluster)))
