"""Statistics of sums over clusters: for any counts of clusters, and without each cluster in turn (the jackknife)."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
from scipy import sparse

# Elements of an array of one batch: about 16 MB.
BATCH_ELEMENTS = 2_000_000


class StatisticOfSums:
    """Maps counts of clusters, shape (B, C), to a function of the sums over these clusters, shape (M, B).

    A resample of clusters is a count per cluster; one matrix product serves all. ``sums`` are what each cluster adds,
    float64, shape (C, S), dense or sparse; ``of_totals`` maps totals (B, S) to values (M, B), NaN where undefined.
    """

    def __init__(self, sums: np.ndarray | sparse.csr_array, of_totals: Callable[[np.ndarray], np.ndarray]) -> None:
        self.sums = sparse.csr_array(sums)
        self.of_totals = of_totals

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the values for counts of clusters, float64."""
        return np.asarray(self.of_totals(counts.astype(np.float64) @ self.sums))

    @cached_property
    def without_each(self) -> np.ndarray:
        """The values without each cluster, float64, shape (M, C)."""
        total = self.sums.sum(axis=0)
        return self._in_batches(lambda sums: total - sums)

    @cached_property
    def of_each(self) -> np.ndarray:
        """The values of each cluster alone, float64, shape (M, C)."""
        return self._in_batches(lambda sums: sums)

    def _in_batches(self, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        clusters, width = self.sums.shape
        parts = [self.of_totals(change(self.sums[rows].toarray())) for rows in batches(clusters, width)]
        return np.concatenate(parts, axis=1)


class Combined(StatisticOfSums):
    """What ``rule`` makes of the values of several statistics of the same clusters: ``np.subtract.reduce`` of two."""

    def __init__(self, statistics: Sequence[StatisticOfSums], rule: Callable[[list[np.ndarray]], np.ndarray]) -> None:
        self.statistics = statistics
        self.rule = rule

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the values for counts of clusters, float64."""
        return self.rule([each(counts) for each in self.statistics])

    @cached_property
    def without_each(self) -> np.ndarray:
        """The values without each cluster, float64, shape (M, C)."""
        return self.rule([each.without_each for each in self.statistics])

    @cached_property
    def of_each(self) -> np.ndarray:
        """The values of each cluster alone, float64, shape (M, C)."""
        return self.rule([each.of_each for each in self.statistics])


def batches(total: int, width: int) -> Iterator[slice]:
    """Yield slices of ``total`` rows such that ``width`` columns of each make one batch."""
    size = max(1, BATCH_ELEMENTS // max(1, width))
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
