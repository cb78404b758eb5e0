"""Evidence pooled: of a pair to its cell, of the cells of a case to the case.

The score of a cell is that of its most abnormal pair; that of a case the highest mean over its cells of the scores of a
chromosome. An abnormal cell is made of a normal one: a rearranged pair in the place of the untouched one. An abnormal
case has the same kind of rearrangement of the same chromosome in every cell, of sizes and places of their own.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.karyotype import CHROMOSOMES
from evaluation.homologues.statistics import Scored


@dataclass(frozen=True)
class Units:
    """Calibrated scores of the normal pairs of N cells or cases.

    Attributes:
        scores: Float64, shape (N, 24); NaN where there is no such pair.
        fold: The fold of each, int64, shape (N,).
        cluster: The case of each, likewise.
        number: The number of each, likewise: of the cell, or again of the case.
    """

    scores: np.ndarray
    fold: np.ndarray
    cluster: np.ndarray
    number: np.ndarray

    def scored(self) -> Scored:
        """Return the score of each: the highest of its pairs."""
        return Scored(np.nanmax(self.scores, axis=1), np.zeros_like(self.fold), self.fold, self.cluster)

    def suspect(self) -> np.ndarray:
        """Return the chromosome of the highest score of each, index into CHROMOSOMES, int64, shape (N,)."""
        return np.asarray(np.nanargmax(self.scores, axis=1))

    def replaced(self, changed: pd.DataFrame) -> Scored:
        """Return scores with one chromosome replaced.

        Args:
            changed: A row each: ``unit`` (position here), ``chromosome`` and ``calibrated``.
        """
        unit = changed["unit"].to_numpy()
        chromosome = changed["chromosome"].to_numpy()
        filled = np.nan_to_num(self.scores, nan=-np.inf)
        ordered = np.sort(filled, axis=1)
        is_highest = filled[unit, chromosome] == ordered[unit, -1]
        others = np.where(is_highest, ordered[unit, -2], ordered[unit, -1])
        score = np.maximum(others, changed["calibrated"].to_numpy())
        return Scored(score, np.zeros_like(unit), self.fold[unit], self.cluster[unit])


def cells_of(items: pd.DataFrame, kind: str = "untouched") -> Units:
    """Return the cells of some items, see `PairItems.part`, all of whose pairs are of one normal kind."""
    rows = items[items["kind"] == kind]
    table = rows.pivot_table(index=["fold", "cell", "cluster"], columns="chromosome", values="calibrated")
    table = table.reindex(columns=range(len(CHROMOSOMES)))
    fold, cell, cluster = (table.index.get_level_values(name).to_numpy() for name in table.index.names)
    return Units(table.to_numpy(np.float64), fold, cluster, cell)


def changed_in(cells: Units, items: pd.DataFrame) -> pd.DataFrame:
    """Return the items whose cell is among some cells, with its position there, ``unit``."""
    position = pd.Index(cells.number).get_indexer(items["cell"])
    return items.assign(unit=position)[position >= 0]


def cells_of_cases(cells: Units, count: int, at_least: bool) -> Units:
    """Return the first ``count`` cells of the cases that have so many; with ``at_least`` all their cells."""
    frame = pd.DataFrame({"cluster": cells.cluster})
    number = frame.groupby("cluster").cumcount().to_numpy()
    size = frame.groupby("cluster")["cluster"].transform("size").to_numpy()
    rows = size >= count
    if not at_least:
        rows &= number < count
    return Units(cells.scores[rows], cells.fold[rows], cells.cluster[rows], cells.number[rows])


def cases_of(cells: Units) -> Units:
    """Return the cases of some cells: means over those of their cells that have the pair."""
    frame = pd.DataFrame(cells.scores).assign(fold=cells.fold, cluster=cells.cluster)
    table = frame.groupby(["fold", "cluster"]).mean()
    fold, cluster = (table.index.get_level_values(name).to_numpy() for name in table.index.names)
    return Units(table.to_numpy(np.float64), fold, cluster, cluster)


def changed_cases(cases: Units, cells: Units, items: pd.DataFrame) -> pd.DataFrame:
    """Return rearranged chromosomes of cases: means over the items of a kind and chromosome of the cells.

    Only those that every cell with the pair has. Columns: ``unit`` (position of the case), ``chromosome``, ``kind``,
    ``calibrated``, ``size`` and ``arm_change``, the latter means over the cells.
    """
    changed = changed_in(cells, items)
    changed = changed.groupby(["cluster", "chromosome", "kind", "cell"], as_index=False).agg(
        {"calibrated": "mean", "size": "mean", "arm_change": "mean", "unit": "first"}
    )
    groups = changed.groupby(["cluster", "chromosome", "kind"], as_index=False)
    found = groups.agg(
        calibrated=("calibrated", "mean"),
        size=("size", "mean"),
        arm_change=("arm_change", "mean"),
        cells=("cell", "size"),
    )
    unit = pd.Index(cases.cluster).get_indexer(found["cluster"])
    present = pd.DataFrame(~np.isnan(cells.scores)).groupby(cells.cluster).sum()
    expected = present.loc[found["cluster"]].to_numpy()[np.arange(len(found)), found["chromosome"]]
    return found.assign(unit=unit)[found["cells"].to_numpy() == expected].reset_index(drop=True)
