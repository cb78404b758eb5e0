"""Statistics without each cluster in turn (the jackknife), from sums over all clusters less those of each."""

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

# Elements of an array of one batch: about 16 MB.
BATCH_ELEMENTS = 2_000_000


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
