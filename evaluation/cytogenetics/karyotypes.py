"""Detection of abnormal cells: by counting chromosomes, by comparing homologues, or by a network on karyograms.

Counting uses the predicted classes of single chromosomes, each for itself, and after the joint assignment
(`evaluation.cytogenetics.assignment`) or in the most probable karyotype, and names the karyotype of their counts. A
cell is detected where any abnormality is predicted, and detected exactly where the true one is. A structural change is
in no count: with a derived one, a cell is counted as it is without.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from common.config.schema import AssignmentConfig, EvaluationConfig
from common.errors import UserError
from common.karyotype import NORMAL, PREPARATION_LOSS, name_karyotype
from common.predictions import PROBABILITY_PREFIX, Predictions
from evaluation.core.labelled import score
from evaluation.cytogenetics.cell_metrics import assigned_table, assignment_refusal
from evaluation.homologues.decisions import KEYS, ComparedCells, is_among, limit_of, refuse_untested
from evaluation.homologues.statistics import share as share_by_case
from evaluation.intervals.exact import share
from evaluation.intervals.pooling import pool
from evaluation.metrics.thresholds import choose_threshold
from evaluation.result import Interval, Share

# Kinds that real cells have by their counts, in the order of the table; all others were derived.
REAL = ("trisomy", "sex_aneuploidy", "normal")
COLUMNS = ("method", "kind", "sizes", "cells", "cases", "found", "share", "low", "high", "cases_found", "exactly")
ONE_BY_ONE = "counted one by one"
ASSIGNED = "counted, joint assignment"
MOST_PROBABLE = "counted, most probable karyotype"  # evaluation.assignment.costs=karyotype
COMPARED = "compared"
EITHER = "counted or compared"
CONFIDENCE = 0.95
CAPTION = "low, high: exact 95 % interval, which takes cells for independent; those of one case are not"
DERIVED_CAPTION = (
    "with sizes: a normal cell with one derived change of a pair, once for each chromosome; low, high: by case"
)


def compare_detection(
    chromosome_runs: Sequence[Predictions],
    karyogram_runs: Sequence[Predictions],
    settings: EvaluationConfig,
    compared: ComparedCells | None = None,
) -> pd.DataFrame:
    """Tabulate the detection of abnormal cells by counting and on the same cells by other methods.

    Args:
        chromosome_runs: One run, or the folds of one experiment.
        karyogram_runs: Likewise, of a network on karyograms; or none.
        settings: Costs of the assignment, thresholds of the network and intervals by case.
        compared: What the comparison of homologues says of test cells.

    Returns:
        A row per method and kind, with COLUMNS; of derived structural changes a row per sizes, too.

    Raises:
        UserError: See ``count_cells``, ``refuse_untested`` and ``tabulate_network``; or the runs have no cell in
            common.
    """
    assignment = settings.assignment.model_copy(update={"enabled": True})
    cells = count_cells(chromosome_runs, assignment)
    method = MOST_PROBABLE if assignment.costs == "karyotype" else ASSIGNED
    if compared:
        refuse_untested(compared.cells, pd.concat([run.part("test").frame for run in chromosome_runs]))
        cells = cells.merge(compared.cells, on=KEYS)
    common = cells
    if karyogram_runs:
        karyograms = _pool_karyograms(karyogram_runs)
        common = cells[is_among(cells, karyograms[karyograms["kind"].isin(REAL)])]
    if common.empty:
        raise UserError("no cell is tested by all: name runs of the same cells, and of all folds")
    tables = [tabulate_counts(common, method)]
    if compared:
        tables.append(tabulate_derived(compared, common, settings, method))
    if karyogram_runs:
        false_alarms = compared.false_alarms if compared else None
        tables.append(tabulate_network(karyogram_runs, settings, cells, false_alarms))
    return pd.concat(tables, ignore_index=True)


def known_kinds(runs: Sequence[Predictions]) -> pd.DataFrame:
    """Name the kind of the cells of all parts by their true counts: ``subject``, ``cell`` and ``kind``.

    A cell with a chromosome without label is left out.

    Raises:
        UserError: The runs are not of whole cells of chromosomes.
    """
    _refuse_uncountable(runs)
    frame = pd.concat([run.frame[["image_id", *KEYS, "label"]] for run in runs]).drop_duplicates("image_id")
    rows = []
    for (subject, cell), chromosomes in frame.groupby(KEYS, dropna=False, sort=False):
        if not chromosomes["label"].isna().any():
            kind = name_karyotype(Counter(chromosomes["label"])).kind
            rows.append({"subject": subject, "cell": cell, "kind": kind})
    return pd.DataFrame(rows, columns=[*KEYS, "kind"])


def count_cells(runs: Sequence[Predictions], assignment: AssignmentConfig) -> pd.DataFrame:
    """Name the karyotype of every whole test cell by its true, its predicted and its jointly assigned classes.

    Returns:
        A row per cell: ``subject``, ``cell``, ``kind`` and ``iscn`` of the true counts, and ``<method>_kind`` and
        ``<method>_iscn`` for the methods ``argmax`` and ``assigned``.

    Raises:
        UserError: The runs are not of whole cells of chromosomes.
    """
    _refuse_uncountable(runs)
    table = assigned_table(runs, assignment)
    assert table is not None  # see _refuse_uncountable
    rows = []
    for (subject, cell), chromosomes in table.groupby(KEYS, dropna=False, sort=False):
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

    The methods are ONE_BY_ONE and ``assigned``; of cells with the column ``compared`` also COMPARED and EITHER, which
    is ``assigned`` or COMPARED.

    A cell counts as abnormal unless its count is normal, or lacks one chromosome as if it was lost in preparation.
    """
    tables = []
    for method, found in _found_by(cells, assigned).items():
        rows = cells.assign(found=found)
        column = {ONE_BY_ONE: "argmax", assigned: "assigned"}.get(method)
        if column:
            rows["exactly"] = cells[f"{column}_iscn"] == cells["iscn"]
        tables.append(_tabulate(rows, method, REAL))
    return pd.concat(tables, ignore_index=True)


def tabulate_derived(
    compared: ComparedCells, cells: pd.DataFrame, settings: EvaluationConfig, assigned: str = ASSIGNED
) -> pd.DataFrame:
    """Tabulate the detection of structural changes derived in the normal ones of some cells of ``count_cells``.

    Counting says of a changed cell what it says of the same one unchanged.

    Returns:
        COLUMNS, ``exactly`` empty: a row per method, kind and sizes; ``cells`` are items, several of each cell, and the
        interval is by case.
    """
    normal = cells[cells["kind"] == NORMAL].drop(columns=["kind", "compared"])
    items = compared.derived.merge(normal, on=KEYS)
    rows = []
    for method, found in _found_by(items, assigned).items():
        for kind, sizes, of_kind in compared.subsets(items.assign(found=found)):
            if len(of_kind):
                interval = share_by_case(of_kind["found"].to_numpy(), of_kind["cluster"].to_numpy(), settings)
                rows.append(_row(method, kind, of_kind, interval) | {"sizes": sizes})
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"exactly": "Int64"})


def tabulate_network(
    runs: Sequence[Predictions], settings: EvaluationConfig, cells: pd.DataFrame, false_alarms: float | None = None
) -> pd.DataFrame:
    """Tabulate the detection by a network on karyograms: at 0.5, and at the threshold of each fold's validation.

    With ``false_alarms`` also above what this share (0 to 1) of each fold's normal validation karyograms exceeds.

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
    if false_alarms is not None:
        limits = np.concatenate([_limits(run, false_alarms) for run in runs])
        found[f"{name}, at {100 * false_alarms:g} % false alarms"] = scores > limits
    derived = karyograms["kind"].notna() & ~karyograms["kind"].isin(REAL)
    counted = is_among(karyograms, cells)
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


def _limits(run: Predictions, false_alarms: float) -> np.ndarray:
    """Return for each test karyogram what this share of the normal validation ones exceeds, float64, shape (N,)."""
    validation = run.part("validation").frame
    normal = validation.loc[validation["kind"] == NORMAL, f"{PROBABILITY_PREFIX}{run.positive_class}"]
    if normal.empty:
        raise UserError(
            f"fold {run.about.get('fold')} of {run.about.get('name')} has no normal validation karyogram, by which a "
            "share of false alarms is chosen: train with split.validation above 0"
        )
    return np.full(len(run.part("test").frame), limit_of(normal.to_numpy(), false_alarms))


def _refuse_uncountable(runs: Sequence[Predictions]) -> None:
    reason = assignment_refusal(runs)
    if reason:
        raise UserError(f"these runs cannot be counted: {reason}")


def _found_by(cells: pd.DataFrame, assigned: str) -> dict[str, pd.Series]:
    """Return which cells each method calls abnormal."""
    found = {}
    for column, method in {"argmax": ONE_BY_ONE, "assigned": assigned}.items():
        found[method] = ~cells[f"{column}_kind"].isin([NORMAL, PREPARATION_LOSS])
    if "compared" in cells:
        found |= {COMPARED: cells["compared"], EITHER: found[assigned] | cells["compared"]}
    return found


def _tabulate(cells: pd.DataFrame, method: str, kinds: Sequence[str]) -> pd.DataFrame:
    """Count the cells of each kind that occurs, and those of them that are ``found``."""
    rows = []
    by_kind = dict(list(cells.groupby("kind")))
    for kind in kinds:
        if kind in by_kind:
            of_kind = by_kind[kind]
            rows.append(_row(method, kind, of_kind, share(of_kind["found"].sum(), len(of_kind), CONFIDENCE)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"exactly": "Int64"})


def _row(method: str, kind: str, of_kind: pd.DataFrame, interval: Interval | Share) -> dict[str, object]:
    """Return a row of COLUMNS, without ``sizes``, of cells of one kind."""
    found = of_kind[of_kind["found"]]
    row: dict[str, object] = {"method": method, "kind": kind, "cells": len(of_kind)}
    row |= {"cases": of_kind["subject"].nunique(), "found": len(found)}
    row |= {"share": interval.value, "low": interval.low, "high": interval.high}
    row["cases_found"] = found["subject"].nunique()
    if "exactly" in of_kind:
        row["exactly"] = of_kind["exactly"].sum()
    return row
