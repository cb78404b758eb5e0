"""Evidence pooled: of a pair to its cell, of the cells of a case to the case.

The score of a cell is that of its most abnormal pair; that of a case the highest mean over its cells of the scores of a
chromosome. An abnormal cell is made of a normal one: a rearranged pair, or both pairs of a translocation, in the place
of the untouched ones. An abnormal case has the same rearrangement in every cell.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.karyotype import CHROMOSOMES
from evaluation.homologues.items import PARTNER, TRANSLOCATION
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

    def pairs(self) -> Scored:
        """Return the score of each pair, which is compared within its chromosome."""
        unit, chromosome = np.nonzero(~np.isnan(self.scores))
        return Scored(self.scores[unit, chromosome], chromosome, self.fold[unit], self.cluster[unit])

    def changed_pairs(self, changed: pd.DataFrame) -> Scored:
        """Return the scores of the changed pairs alone; ``changed`` as for `replaced`."""
        unit, chromosome, score = (changed[name].to_numpy() for name in ("unit", "chromosome", "calibrated"))
        return Scored(score, chromosome, self.fold[unit], self.cluster[unit])

    def suspect(self) -> np.ndarray:
        """Return the chromosome of the highest score of each, index into CHROMOSOMES, int64, shape (N,)."""
        return np.asarray(np.nanargmax(self.scores, axis=1))

    def replaced(self, changed: pd.DataFrame) -> Scored:
        """Return scores with one chromosome replaced, or both of a translocation.

        Args:
            changed: A row each: ``unit`` (position here), ``chromosome``, ``calibrated``, and of a translocation
                ``partner`` and ``partner_calibrated``, else NaN.
        """
        unit = changed["unit"].to_numpy()
        scores = self.scores[unit]
        row = np.arange(len(unit))
        scores[row, changed["chromosome"].to_numpy()] = changed["calibrated"].to_numpy()
        both = changed["partner"].notna().to_numpy()
        partner = changed["partner"].to_numpy()[both].astype(np.int64)
        scores[row[both], partner] = changed["partner_calibrated"].to_numpy()[both]
        return Scored(np.nanmax(scores, axis=1), np.zeros_like(unit), self.fold[unit], self.cluster[unit])


def cells_of(items: pd.DataFrame, kind: str = "untouched") -> Units:
    """Return the cells of some items, see `PairItems.part`, all of whose pairs are of one normal kind."""
    rows = items[items["kind"] == kind]
    table = rows.pivot_table(index=["fold", "cell", "cluster"], columns="chromosome", values="calibrated")
    table = table.reindex(columns=range(len(CHROMOSOMES)))
    fold, cell, cluster = (table.index.get_level_values(name).to_numpy() for name in table.index.names)
    return Units(table.to_numpy(np.float64), fold, cluster, cell)


def with_partners(items: pd.DataFrame) -> pd.DataFrame:
    """Return rearranged items, the two chromosomes of a translocation in one row.

    ``partner`` and ``partner_calibrated`` are the chromosome and the calibrated score of the other one; NaN of other
    kinds.
    """
    is_partner = items["kind"] == PARTNER
    columns = {"chromosome": "partner", "calibrated": "partner_calibrated"}
    partners = items[is_partner].set_index(["fold", "event"])[list(columns)].rename(columns=columns)
    joined = items[~is_partner].join(partners, on=["fold", "event"])
    joined.loc[joined["kind"] != TRANSLOCATION, list(columns.values())] = np.nan
    return joined.reset_index(drop=True)


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


def in_clone(cells: Units, items: pd.DataFrame, share: float) -> pd.DataFrame:
    """Return rearranged items where a share of the cells of each case alone has the change, rounded down, at least one.

    Args:
        cells: Those of the cases.
        items: See `with_partners`.
        share: Of the cells of a case, above 0, to 1; the first ones. The others keep their untouched pairs.
    """
    changed = changed_in(cells, items)
    of_case = pd.Series(cells.cluster).groupby(cells.cluster)
    cells_with_it = (share * of_case.transform("size")).astype(int).clip(lower=1)
    abnormal = (of_case.cumcount() < cells_with_it).to_numpy()
    unit = changed["unit"].to_numpy()
    normal = ~abnormal[unit]
    changed.loc[normal, "calibrated"] = cells.scores[unit, changed["chromosome"]][normal]
    normal &= changed["partner"].notna().to_numpy()
    partner = changed["partner"].to_numpy()[normal].astype(np.int64)
    changed.loc[normal, "partner_calibrated"] = cells.scores[unit[normal], partner]
    return changed


def cases_of(cells: Units) -> Units:
    """Return the cases of some cells: means over those of their cells that have the pair."""
    frame = pd.DataFrame(cells.scores).assign(fold=cells.fold, cluster=cells.cluster)
    table = frame.groupby(["fold", "cluster"]).mean()
    fold, cluster = (table.index.get_level_values(name).to_numpy() for name in table.index.names)
    return Units(table.to_numpy(np.float64), fold, cluster, cluster)


def changed_cases(cases: Units, cells: Units, items: pd.DataFrame) -> pd.DataFrame:
    """Return rearranged chromosomes of cases: means over the items of a kind and chromosome of the cells.

    Only those that every cell with the pair has, with the same partner. Columns: ``unit`` (position of the case),
    ``chromosome``, ``kind``, ``partner`` (see `with_partners`), and the means over the cells ``calibrated``,
    ``partner_calibrated``, ``size`` and ``arm_change``.
    """
    means = dict.fromkeys(("calibrated", "partner_calibrated", "size", "arm_change"), "mean")
    group = ["cluster", "chromosome", "kind", "partner"]
    changed = changed_in(cells, items)
    of_cells = changed.groupby([*group, "cell"], as_index=False, dropna=False).agg(means)
    groups = of_cells.groupby(group, dropna=False)
    found = groups.agg(means).assign(cells=groups.size()).reset_index()
    unit = pd.Index(cases.cluster).get_indexer(found["cluster"])
    present = pd.DataFrame(~np.isnan(cells.scores)).groupby(cells.cluster).sum()
    expected = present.loc[found["cluster"]].to_numpy()[np.arange(len(found)), found["chromosome"]]
    return found.assign(unit=unit)[found["cells"].to_numpy() == expected].reset_index(drop=True)
