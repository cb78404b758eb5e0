"""Statistics without each cluster in turn (the jackknife), at a cost that grows as the images, not as their square.

A statistic of sums is computed from the total less each cluster. One of ranked images is a sum over levels, and a
cluster changes only the levels of its own images, and by its counts so far those that follow.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from scipy import sparse

# Elements of an array of one batch: about 16 MB.
BATCH_ELEMENTS = 2_000_000
# Given T counts at each of some levels and those of all levels before it, float64, each of shape (T, levels): what
# each level adds, shape (levels,). NaN counts as 0: a level without images.
LevelTerm = Callable[[np.ndarray, np.ndarray], np.ndarray]


@runtime_checkable
class LeaveOneOut(Protocol):
    """A statistic of clusters that has a faster way to leave each out than to be computed C times."""

    def without_each(self) -> np.ndarray:
        """Return the values without each of C clusters, float64, shape (M, C), NaN where undefined."""
        ...

    def defined_on_each(self) -> np.ndarray:
        """Return whether the values are defined on each cluster alone, bool, shape (M, C)."""
        ...


class StatisticOfSums:
    """Maps counts of clusters, shape (B, C), to a function of the sums over these clusters, shape (M, B).

    ``sums`` are what each cluster adds, float64, shape (C, S); ``of_total`` maps totals (B, S) to values (M, B).
    """

    def __init__(self, sums: np.ndarray, of_total: Callable[[np.ndarray], np.ndarray]) -> None:
        self._sums = sums
        self._of_total = of_total

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the values for counts of clusters, float64."""
        return np.asarray(self._of_total(counts @ self._sums))

    def without_each(self) -> np.ndarray:
        """Return the values without each cluster, float64, shape (M, C)."""
        total = self._sums.sum(axis=0)
        return self._in_batches(lambda sums: total - sums)

    def defined_on_each(self) -> np.ndarray:
        """Return whether the values are defined on each cluster alone, bool, shape (M, C)."""
        return np.asarray(~np.isnan(self._in_batches(lambda sums: sums)))

    def _in_batches(self, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        clusters, width = self._sums.shape
        parts = [self._of_total(change(self._sums[rows])) for rows in batches(clusters, width)]
        return np.concatenate(parts, axis=1)


def batches(total: int, width: int) -> Iterator[slice]:
    """Yield slices of ``total`` rows such that ``width`` columns of each make one batch."""
    size = max(1, BATCH_ELEMENTS // max(1, width))
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def one_by_one(
    statistic: Callable[[np.ndarray], np.ndarray], clusters: int, width: int, without: bool = True
) -> np.ndarray:
    """Compute a statistic without each cluster in turn, or of each alone, shape (M, C): C times its cost.

    ``width`` is the number of elements that one computation needs.
    """
    values = []
    for rows in batches(clusters, width):
        counts = np.full((rows.stop - rows.start, clusters), float(without))
        counts[np.arange(len(counts)), np.arange(rows.start, rows.stop)] = not without
        values.append(statistic(counts))
    return np.concatenate(values, axis=1)


@np.errstate(divide="ignore", invalid="ignore")  # levels before a pattern's first have no meaning, and are not read
def level_sums_without_each(tables: Sequence[sparse.csr_array], term: LevelTerm) -> np.ndarray | None:
    """Compute a sum over levels without each cluster in turn, float64, shape (C,).

    ``tables`` are T counts of each cluster at each level, in their order, shape (C, L) each; ``term`` is what a level
    adds. None where clusters are few and large, so that ``one_by_one`` is faster.
    """
    events = _Events.of(tables)
    patterns, pattern = np.unique(events.after, axis=1, return_inverse=True)
    clusters, levels = tables[0].shape
    if patterns.shape[1] > clusters:
        return None
    own = np.stack([table.sum(axis=0) for table in tables])
    before = own.cumsum(axis=1) - own
    ends = np.where(events.last, levels, np.append(events.level[1:], levels))
    sums = np.zeros(clusters)
    # Levels before a cluster's first image are as they were.
    unchanged = _prefix_sums(term(own, before))
    first = np.full(clusters, levels)
    np.minimum.at(first, events.cluster, events.level)
    sums += unchanged[first]
    at_events = term(own[:, events.level] - events.own, before[:, events.level] - (events.after - events.own))
    changed = np.nan_to_num(at_events, posinf=0.0, neginf=0.0)
    order = np.argsort(pattern, kind="stable")
    groups = np.split(order, np.bincount(pattern, minlength=patterns.shape[1]).cumsum()[:-1])
    for removed, rows in zip(patterns.T, groups, strict=True):
        prefix = _prefix_sums(term(own, before - removed[:, None]))
        changed[rows] += prefix[ends[rows]] - prefix[events.level[rows] + 1]
    return sums + np.bincount(events.cluster, changed, clusters)


class _Events:
    """The levels at which each cluster has images, E in all, by cluster and level.

    ``cluster``, ``level`` and ``last`` (of its cluster) have shape (E,); ``own`` are counts of the cluster at the
    level, ``after`` those up to and with it, shape (T, E).
    """

    def __init__(self, cluster: np.ndarray, level: np.ndarray, own: np.ndarray) -> None:
        self.cluster = cluster
        self.level = level
        self.own = own
        self.last = np.append(cluster[1:] != cluster[:-1], True)
        total = own.cumsum(axis=1)
        starts = np.flatnonzero(np.append(True, self.last[:-1]))
        before_cluster = (total - own)[:, starts]
        self.after = total - np.repeat(before_cluster, np.diff(np.append(starts, len(cluster))), axis=1)

    @classmethod
    def of(cls, tables: Sequence[sparse.csr_array]) -> "_Events":
        levels = tables[0].shape[1]
        rows = [table.tocoo() for table in tables]
        cells = [row.coords[0].astype(np.int64) * levels + row.coords[1] for row in rows]
        every = np.unique(np.concatenate(cells))
        own = np.zeros((len(tables), len(every)))
        for number, (row, cell) in enumerate(zip(rows, cells, strict=True)):
            np.add.at(own[number], np.searchsorted(every, cell), row.data)
        return cls(every // levels, every % levels, own)


def _prefix_sums(terms: np.ndarray) -> np.ndarray:
    """Return the sums of the first 0, 1, ... L terms; what is not finite counts as 0."""
    return np.append(0.0, np.nan_to_num(terms, posinf=0.0, neginf=0.0).cumsum())
