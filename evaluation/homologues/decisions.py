"""Whole cells that the comparison of their homologues calls abnormal: real ones, and ones with a derived rearrangement.

A cell is called abnormal where its most abnormal pair is above the threshold of its fold, which few normal validation
cells exceed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.errors import UserError
from common.karyotype import NORMAL
from common.predictions import VALIDATION, Predictions
from evaluation.homologues import levels
from evaluation.homologues.items import ABNORMAL, PairItems
from evaluation.intervals.pooling import pool

KEYS = ["subject", "cell"]
# The kinds of composed karyograms, and which rearrangements of pairs are of each.
KINDS = {
    "terminal_deletion": ("terminal deletion",),
    "interstitial_deletion": ("deletion",),
    "duplication": ("duplication",),
    "inversion": ("paracentric inversion", "pericentric inversion"),
    "paracentric_inversion": ("paracentric inversion",),
    "pericentric_inversion": ("pericentric inversion",),
    "translocation": ("translocation",),
}
COMPOSED_SIZES = (0.2, 0.4)  # the shares of the length that conf/data/composed_karyograms.yaml derives


@dataclass(frozen=True)
class CellThreshold:
    """The threshold of one fold.

    Attributes:
        fold: As the run's facts name it.
        value: A cell is abnormal where the calibrated score of its most abnormal pair is above.
        cells: How many normal validation cells chose it.
        left_out: Validation cells that are abnormal by count, or not known to be normal.
    """

    fold: object
    value: float
    cells: int
    left_out: int


@dataclass(frozen=True)
class ComparedCells:
    """What the comparison of homologues says of test cells.

    Attributes:
        cells: A row per test cell: ``subject``, ``cell`` and ``compared``, whether it is called abnormal.
        derived: A row per rearranged pair put into its cell (both pairs of a translocation): these columns, ``kind``
            (of pairs), ``size`` (share of the length) and ``cluster`` (number of the case, int64).
        thresholds: Of each run.
        false_alarms: The share of normal validation cells that may be above them, 0 to 1.
    """

    cells: pd.DataFrame
    derived: pd.DataFrame
    thresholds: tuple[CellThreshold, ...]
    false_alarms: float

    def subsets(self, derived: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
        """Yield kind (of KINDS), sizes ("all", or those of COMPOSED_SIZES) and the rows of ``derived`` of both."""
        low, high = COMPOSED_SIZES
        of_sizes = {"all": derived["size"] > 0, f"{low:g} to {high:g}": derived["size"].between(low, high)}
        for sizes, rows in of_sizes.items():
            for kind, of_pairs in KINDS.items():
                yield kind, sizes, derived[rows & derived["kind"].isin(of_pairs)]


def compare_cells(
    runs: Sequence[Predictions], pairs: Sequence[pd.DataFrame], kinds: pd.DataFrame, false_alarms: float
) -> ComparedCells:
    """Call the test cells of one run, or of the folds of one experiment, by their most abnormal pair.

    Args:
        runs: Predictions of comparisons of homologues.
        pairs: What each found, in the same order, see `Run.pairs`.
        kinds: ``subject``, ``cell`` and ``kind`` of the true counts; validation cells that it does not call normal
            choose no threshold.
        false_alarms: The share of a fold's normal validation cells that may be above its threshold, 0 to 1.

    Raises:
        UserError: The runs are not folds of one experiment, a run has no validation cell that is known to be normal, or
            see `PairItems.of`.
    """
    pool(list(runs))
    normal = [_of_normal_cells(run, kinds) for run in runs]
    items = PairItems.of(normal, pairs)
    validation = levels.cells_of(items.part(VALIDATION)).scored()
    thresholds = []
    for number, run in enumerate(runs):
        scores = validation.score[validation.fold == number]
        left_out = _validation_cells(run) - len(scores)
        value = limit_of(scores, false_alarms)
        thresholds.append(CellThreshold(run.about.get("fold"), value, len(scores), left_out))
    limits = np.array([threshold.value for threshold in thresholds])
    return ComparedCells(*_called(items.part("test"), limits), tuple(thresholds), false_alarms)


def limit_of(normal: np.ndarray, false_alarms: float) -> float:
    """Return one of the normal scores, shape (N,), above which at most a share of them (0 to 1) is."""
    return float(np.quantile(normal, 1 - false_alarms, method="higher"))


def refuse_untested(cells: pd.DataFrame, tested: pd.DataFrame) -> None:
    """Raise a ``UserError`` if one of ``cells`` is not ``tested`` (both with ``subject`` and ``cell``)."""
    strange = cells[~is_among(cells, tested)]
    if len(strange):
        case, cell = strange[KEYS].iloc[0]
        raise UserError(
            f"{len(strange)} test cells of the comparisons of homologues, cell {cell} of case {case} first, are in no "
            "test part of the runs on single chromosomes, which may have learned from them: name runs of the same "
            "split and folds"
        )


def is_among(frame: pd.DataFrame, cells: pd.DataFrame) -> np.ndarray:
    """Return which rows are of some cells, bool, shape (N,); both have ``subject`` and ``cell``."""
    return np.asarray(pd.MultiIndex.from_frame(frame[KEYS]).isin(pd.MultiIndex.from_frame(cells[KEYS])))


def _of_normal_cells(run: Predictions, kinds: pd.DataFrame) -> Predictions:
    """Return a run without the validation cells that are not known to be normal."""
    frame = run.frame
    known = is_among(frame, kinds[kinds["kind"] == NORMAL])
    if not (known & (frame["part"] == VALIDATION)).any():
        raise UserError(
            f"no validation cell of fold {run.about.get('fold')} of {run.about.get('name')} is known to be normal, so "
            "that none can choose the threshold: name the runs on single chromosomes of all folds"
        )
    kept = frame[known | (frame["part"] != VALIDATION)]
    return Predictions(kept, run.classes, run.positive_class, run.about)


def _validation_cells(run: Predictions) -> int:
    return len(run.part(VALIDATION).frame[KEYS].drop_duplicates())


def _called(test: pd.DataFrame, limits: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the fields ``cells`` and ``derived`` of test items; ``limits``: thresholds of all folds, shape (F,)."""
    cells = levels.cells_of(test)
    named = test.drop_duplicates("cell").set_index("cell")
    names = named.loc[cells.number, ["subject", "cell_name"]].set_axis(KEYS, axis=1).reset_index(drop=True)
    scored = cells.scored()
    changed = levels.changed_in(cells, levels.with_partners(test[test["kind"].isin(ABNORMAL)].reset_index(drop=True)))
    replaced = cells.replaced(changed)
    derived = names.iloc[changed["unit"]].reset_index(drop=True)
    for column in ("kind", "size", "cluster"):
        derived[column] = changed[column].to_numpy()
    return (
        names.assign(compared=scored.score > limits[scored.fold]),
        derived.assign(compared=replaced.score > limits[replaced.fold]),
    )
