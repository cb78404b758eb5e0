"""Detection of abnormal cells: by counting their chromosomes, or by a network on their karyograms.

Counting uses the predicted classes of single chromosomes, each for itself, and after the joint assignment
(`evaluation.cytogenetics.assignment`) or in the most probable karyotype, and names the karyotype of their counts. A
cell is detected where any abnormality is predicted, and detected exactly where the true one is.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.karyotype import PREPARATION_LOSS, name_karyotype
from common.predictions import PROBABILITY_PREFIX, Predictions
from evaluation.core.labelled import score
from evaluation.cytogenetics.cell_metrics import assigned_table, assignment_refusal
from evaluation.intervals.exact import share
from evaluation.intervals.pooling import pool
from evaluation.metrics.thresholds import choose_threshold

# Kinds that real cells have by their counts, in the order of the table; all others were derived.
REAL = ("trisomy", "sex_aneuploidy", "normal")
COLUMNS = ("method", "kind", "cells", "cases", "found", "share", "low", "high", "cases_found", "exactly")
ONE_BY_ONE = "counted one by one"
ASSIGNED = "counted, joint assignment"
MOST_PROBABLE = "counted, most probable karyotype"  # evaluation.assignment.costs=karyotype
CONFIDENCE = 0.95
CAPTION = "low, high: exact 95 % interval, which takes cells for independent; those of one case are not"


def compare_detection(
    chromosome_runs: Sequence[Predictions], karyogram_runs: Sequence[Predictions], settings: EvaluationConfig
) -> pd.DataFrame:
    """Tabulate the detection of abnormal cells by counting and, with ``karyogram_runs``, by a network on these cells.

    Both are one run or the folds of one experiment; a row per method and kind, with COLUMNS.

    Raises:
        UserError: See ``count_cells`` and ``tabulate_network``; or the runs have no cell in common.
    """
    assignment = settings.assignment.model_copy(update={"enabled": True})
    cells = count_cells(chromosome_runs, assignment)
    method = MOST_PROBABLE if assignment.costs == "karyotype" else ASSIGNED
    if not karyogram_runs:
        return tabulate_counts(cells, method)
    karyograms = _pool_karyograms(karyogram_runs)
    tested = karyograms.loc[karyograms["kind"].isin(REAL), ["subject", "cell"]].drop_duplicates()
    common = cells.merge(tested, on=["subject", "cell"])
    if common.empty:
        raise UserError("no cell is tested by both: name runs of the same cells, and of all folds")
    return pd.concat(
        [tabulate_counts(common, method), tabulate_network(karyogram_runs, settings, cells)], ignore_index=True
    )


def count_cells(runs: Sequence[Predictions], assignment: AssignmentConfig) -> pd.DataFrame:
    """Name the karyotype of every whole test cell by its true, its predicted and its jointly assigned classes.

    Returns:
        A row per cell: ``subject``, ``cell``, ``kind`` and ``iscn`` of the true counts, and ``<method>_kind`` and
        ``<method>_iscn`` for the methods ``argmax`` and ``assigned``.

    Raises:
        UserError: The runs are not of whole cells of chromosomes.
    """
    table = assigned_table(runs, assignment)
    if table is None:
        raise UserError(f"these runs cannot be counted: {assignment_refusal(runs)}")
    rows = []
    for (subject, cell), chromosomes in table.groupby(["subject", "cell"], dropna=False, sort=False):
        if chromosomes["label"].isna().any():
            continue
        row = {"subject": subject, "cell": cell}
        for column, prefix in {"label": "", "argmax": "argmax_", "assigned": "assigned_"}.items():
            karyotype = name_karyotype(Counter(chromosomes[column]))
            row |= {f"{prefix}kind": karyotype.kind, f"{prefix}iscn": karyotype.iscn}
        rows.append(row)
    return pd.DataFrame(rows)


def tabulate_counts(cells: pd.DataFrame, assigned: str = ASSIGNED) -> pd.DataFrame:
    """Tabulate the detection by counting the cells of ``count_cells``: a row per method and kind of REAL.

    The methods are ONE_BY_ONE and ``assigned``.

    A cell counts as abnormal unless its count is normal, or lacks one chromosome as if it was lost in preparation.
    """
    tables = []
    for column, method in {"argmax": ONE_BY_ONE, "assigned": assigned}.items():
        found = ~cells[f"{column}_kind"].isin(["normal", PREPARATION_LOSS])
        exactly = cells[f"{column}_iscn"] == cells["iscn"]
        tables.append(_tabulate(cells.assign(found=found, exactly=exactly), method, REAL))
    return pd.concat(tables, ignore_index=True)


def tabulate_network(runs: Sequence[Predictions], settings: EvaluationConfig, cells: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the detection by a network on karyograms: at 0.5, and at the threshold of each fold's validation.

    The kinds of REAL are restricted to ``cells`` (with ``subject`` and ``cell``), so that methods are compared on the
    same ones; derived karyograms are tabulated in any case.

    Returns:
        COLUMNS, ``exactly`` empty: a row per threshold and kind, those of REAL first.

    Raises:
        UserError: The kinds of the karyograms are unknown, or the runs cannot be pooled.
    """
    karyograms = _pool_karyograms(runs)
    thresholds = []
    for run in runs:
        threshold = choose_threshold(score(run.part("validation")), settings).value
        thresholds += [threshold] * len(run.part("test").frame)
    scores = karyograms[f"{PROBABILITY_PREFIX}{runs[0].positive_class}"]
    name = runs[0].about["name"]
    found = {f"{name}, at 0.5": scores >= 0.5}
    if None not in thresholds:
        found[f"{name}, at the threshold"] = scores >= np.array(thresholds)
    derived = karyograms["kind"].notna() & ~karyograms["kind"].isin(REAL)
    keys = ["subject", "cell"]
    counted = pd.MultiIndex.from_frame(karyograms[keys]).isin(pd.MultiIndex.from_frame(cells[keys]))
    kinds = (*REAL, *sorted(set(karyograms["kind"][derived])))
    tables = []
    for method, rows in found.items():
        tables.append(_tabulate(karyograms.assign(found=rows)[derived | counted], method, kinds))
    return pd.concat(tables, ignore_index=True)


def _pool_karyograms(runs: Sequence[Predictions]) -> pd.DataFrame:
    """Return the test karyograms of all folds, with their kinds."""
    frame = pool(list(runs)).frame
    if frame["kind"].isna().all() or runs[0].positive_index is None:
        raise UserError("the kinds of these karyograms are unknown: name runs on data=composed_karyograms")
    return frame


def _tabulate(cells: pd.DataFrame, method: str, kinds: Sequence[str]) -> pd.DataFrame:
    """Count the cells of each kind that occurs, and those of them that are ``found``."""
    rows = []
    by_kind = dict(list(cells.groupby("kind")))
    for kind in kinds:
        if kind not in by_kind:
            continue
        of_kind = by_kind[kind]
        found = of_kind[of_kind["found"]]
        interval = share(len(found), len(of_kind), CONFIDENCE)
        row = {"method": method, "kind": kind, "cells": len(of_kind), "cases": of_kind["subject"].nunique()}
        row |= {"found": len(found), "share": interval.value, "low": interval.low, "high": interval.high}
        row["cases_found"] = found["subject"].nunique()
        if "exactly" in of_kind:
            row["exactly"] = of_kind["exactly"].sum()
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"exactly": "Int64"})
