"""Which abnormal cells are found: by counting the chromosomes of a cell, or by a network that looks at its karyogram.

Counting takes the calls of single chromosomes, one by one or placed jointly (see
`evaluation.cytogenetics.assignment`), and names the
karyotype that they add up to. A cell is found where any abnormality is called, and found exactly where the true one is.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.files import write_csv
from common.karyotype import PREPARATION_LOSS, name_karyotype
from common.predictions import Predictions
from evaluation.core.labelled import score
from evaluation.cytogenetics.cell_metrics import assigned_table, assignment_refusal
from evaluation.intervals.exact import share
from evaluation.intervals.pooling import pool
from evaluation.metrics.thresholds import choose_threshold

# Kinds that real cells have by their counts, in the order of the table; all others were derived.
REAL = ("trisomy", "sex_aneuploidy", "normal")
COLUMNS = ("method", "kind", "cells", "cases", "found", "share", "low", "high", "cases_found", "exactly")
CONFIDENCE = 0.95
CAPTION = "low, high: exact 95 % interval, which takes cells for independent; those of one case are not"


def count_cells(runs: list[Predictions], config: AssignmentConfig) -> pd.DataFrame:
    """Name the karyotype of every whole test cell: the true one, by counting one by one, and placed jointly.

    Args:
        runs: Predictions of single chromosomes: one run, or folds of one experiment.
        config: The costs of the assignment.

    Returns:
        A row per cell: ``subject``, ``cell``, ``kind`` and ``iscn`` of the true counts, and ``<way>_kind`` and
        ``<way>_iscn`` for the ways ``argmax`` and ``assigned``.

    Raises:
        UserError: The runs are not of whole cells of chromosomes.
    """
    config = config.model_copy(update={"enabled": True})
    table = assigned_table(runs, config)
    if table is None:
        raise UserError(f"these runs cannot be counted: {assignment_refusal(runs)}")
    rows = []
    for (subject, cell), chromosomes in table.groupby(["subject", "cell"], dropna=False, sort=False):
        if chromosomes["label"].isna().any():
            continue
        row = {"subject": subject, "cell": cell}
        for way, prefix in (("label", ""), ("argmax", "argmax_"), ("assigned", "assigned_")):
            named = name_karyotype(Counter(chromosomes[way]))
            row |= {f"{prefix}kind": named.kind, f"{prefix}iscn": named.iscn}
        rows.append(row)
    return pd.DataFrame(rows)


def counted(cells: pd.DataFrame, way: str, method: str) -> pd.DataFrame:
    """Tabulate what counting finds (see COLUMNS): a row per true kind of REAL.

    A count that is neither normal nor that of one chromosome lost in preparation calls a cell abnormal.

    Args:
        cells: See ``count_cells``.
        way: "argmax" or "assigned".
        method: Its name in the table.
    """
    found = ~cells[f"{way}_kind"].isin(["normal", PREPARATION_LOSS])
    cells = cells.assign(found=found, exactly=cells[f"{way}_iscn"] == cells["iscn"])
    return _tabulate(cells, method, REAL)


def seen(
    runs: list[Predictions], settings: EvaluationConfig, method: str, cells: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Tabulate what a network on karyograms calls abnormal: at 0.5, and at the threshold that validation chose.

    Args:
        runs: Predictions of composed karyograms: one run, or folds of one experiment.
        settings: How the threshold is chosen.
        method: The network's name in the table.
        cells: What ``same_cells`` returns: of the kinds of REAL no others are tabulated, so that both ways are judged
            on the same cells; None for all. Derived karyograms stay, whatever their parent.

    Returns:
        See COLUMNS, ``exactly`` empty: a row per kind and threshold; the kinds of REAL first, derived ones after them.

    Raises:
        UserError: The runs know no kinds, or cannot be pooled.
    """
    pooled = _pooled(runs)
    scores = np.concatenate([run.part("test").probabilities[:, run.positive_index] for run in runs])
    sizes = [len(run.part("test").frame) for run in runs]
    own = [choose_threshold(score(run.part("validation")), settings).value for run in runs]
    known = set(pooled["kind"].dropna())
    kinds = [*(kind for kind in REAL if kind in known), *sorted(known - set(REAL))]
    ways = {f"{method}, at 0.5": np.full(len(scores), 0.5)}
    if None not in own:
        ways[f"{method}, at the threshold"] = np.repeat(own, sizes)
    if cells is None:
        kept = np.ones(len(pooled), dtype=bool)
    else:
        kept = ~pooled["kind"].isin(REAL) | _is_of(pooled, cells)
    tables = [_tabulate(pooled.assign(found=scores >= cut)[kept], name, kinds) for name, cut in ways.items()]
    return pd.concat(tables, ignore_index=True)


def same_cells(cells: pd.DataFrame, runs: list[Predictions]) -> pd.DataFrame:
    """Keep those counted cells whose own karyogram a network was tested on.

    Raises:
        UserError: No cell is left: the runs are of different data, or of different folds. Or see ``seen``.
    """
    frame = _pooled(runs)
    tested = frame.loc[frame["kind"].isin(REAL), ["subject", "cell"]].drop_duplicates()
    kept = cells.merge(tested, on=["subject", "cell"])
    if not len(kept):
        raise UserError("no cell is tested by both: name runs of the same cells, and of all folds")
    return kept


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write the table as CSV, whole or not at all."""
    table = table.assign(exactly=table["exactly"].astype("Int64"))
    write_csv(path, table, "%.4f")


def _pooled(runs: list[Predictions]) -> pd.DataFrame:
    """Return the test karyograms of all folds, after a look at whether they are any."""
    frame = pool(runs).frame
    if frame["kind"].isna().all() or runs[0].positive_index is None:
        raise UserError("these runs know no kinds of karyograms: name runs on data=composed_karyograms")
    return frame


def _is_of(images: pd.DataFrame, cells: pd.DataFrame) -> np.ndarray:
    """Tell which images are of one of the cells, bool, shape (N,)."""
    ours, theirs = (pd.MultiIndex.from_frame(frame[["subject", "cell"]]) for frame in (images, cells))
    return ours.isin(theirs)


def _tabulate(cells: pd.DataFrame, method: str, kinds: Iterable[str]) -> pd.DataFrame:
    rows = [_row(method, kind, cells[cells["kind"] == kind]) for kind in kinds]
    return pd.DataFrame([row for row in rows if row["cells"]], columns=list(COLUMNS))


def _row(method: str, kind: str, cells: pd.DataFrame) -> dict[str, object]:
    found = int(cells["found"].sum())
    count = len(cells)
    row: dict[str, object] = {"method": method, "kind": kind, "cells": count, "found": found}
    row |= {"cases": cells["subject"].nunique(), "cases_found": cells.loc[cells["found"], "subject"].nunique()}
    if "exactly" in cells:
        row["exactly"] = int(cells["exactly"].sum())
    if count:
        exact = share(found, count, CONFIDENCE)
        row |= {"share": exact["value"], "low": exact["low"], "high": exact["high"]}
    return row
