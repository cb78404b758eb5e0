"""Which cells an expert should see: thresholds that are chosen on validation cells, and what they do on test cells."""

from dataclasses import replace

import numpy as np
import pandas as pd

from cytogenetics.cells.assigned import REFERRED
from cytogenetics.cells.assignment import log_probabilities, of_cells, refusal, rows_of_cells
from cytogenetics.cells.cell_karyotype import implausible, karyotype_of_cell
from cytogenetics.cells.cell_metrics import of_whole_cells
from cytogenetics.cells.cell_settings import KaryotypePriors, NamingSettings
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from karyocyte.config.defaults import section_defaults
from karyocyte.evaluation.intervals.over_subjects import around
from karyocyte.evaluation.metrics.classification import Metric
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums
from karyocyte.evaluation.metrics.temperature import fit_temperature
from karyocyte.evaluation.pooling.labelled_runs import LabelledFold, LabelledRuns
from karyocyte.evaluation.pooling.pooling import is_balanced
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import TEST, EvaluationResult, warnings_about
from karyocyte.runs.predictions import OUT_OF_DISTRIBUTION, VALIDATION, Predictions

RIGHT = 0.95  # share of the cells that are not referred without a wrong chromosome, at least
FEW = 20  # so many validation cells, or fewer, choose no reliable threshold
MEASURED = ["expected_wrong", "distance"]
# Of the test cells whose labels are all known: those that are referred; of the others those without a wrong chromosome.
SHARES = ("cells_referred", "cells_right_unreferred")


def assess_cells(predictions: Predictions, temperature: float, settings: NamingSettings) -> pd.DataFrame:
    """Name the cells of one part of a run as scripts/karyotype.py does.

    Returns:
        A row per cell, by the ``image_id`` of its first image: MEASURED (NaN where the predictions have no distances),
        ``referred`` for any other reason, and ``right``, whether every chromosome is in its class; None where a label
        is unknown.
    """
    logs = log_probabilities(predictions, temperature)
    frame = predictions.frame.reindex(columns=["image_id", "label", OUT_OF_DISTRIBUTION])
    cells = []
    for rows in rows_of_cells(predictions.frame):
        cell = karyotype_of_cell(logs[rows], {}, settings)
        images, labels, distances = frame.iloc[rows].to_numpy(object).T
        right = None if pd.isna(labels).any() else [call.assigned for call in cell.calls] == labels.tolist()
        referred = bool(cell.reasons or implausible(logs[rows]).any())
        cells.append((images[0], cell.expected_wrong, distances.mean(), referred, right))
    return pd.DataFrame(cells, columns=["image_id", *MEASURED, "referred", "right"]).set_index("image_id")


def choose_cell_thresholds(cells: pd.DataFrame, share: float) -> CellThresholds:
    """Choose thresholds on validation cells, see ``assess_cells``.

    That of the distance is a quantile: all cells but a ``share`` (0 to 1) are not above. That of expected errors is the
    largest with which RIGHT of the labelled cells that are not referred have no wrong chromosome; 0 where none is so.
    FEW cells choose none, and where FEW of more cells are below it, it is the default at most.
    """
    default = CellThresholds()
    distances = cells["distance"].dropna().astype(float)
    others = CellThresholds(np.inf, float(distances.quantile(1 - share, "higher")) if len(distances) > FEW else None)
    labelled = cells[cells["right"].notna()]
    left = labelled[~are_referred(labelled, others)].astype({"right": bool})
    right = left.groupby("expected_wrong")["right"].agg(["sum", "size"]).cumsum()
    right = right[right["sum"] >= RIGHT * right["size"]]
    value, support = (0.0, 0) if right.empty else (float(right.index[-1]), int(right["size"].iloc[-1]))
    if support > FEW:
        return replace(others, expected_wrong=value)
    value = min(value, default.expected_wrong) if len(labelled) > FEW else default.expected_wrong
    cells_left = f"{support} of {len(labelled)} validation cells"
    note = f"referral above {value:.2g} expected wrong is not reliable: it rests on {cells_left}"
    return replace(others, expected_wrong=value, note=note)


def are_referred(cells: pd.DataFrame, thresholds: CellThresholds) -> pd.Series:
    """Return whether each cell of ``assess_cells`` is above a threshold, or referred for any other reason; bool."""
    limits = pd.Series({name: getattr(thresholds, name) for name in MEASURED}, dtype=float)
    return cells["referred"].astype(bool) | (cells[MEASURED].astype(float) > limits).any(axis=1)


def cell_referral(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: SHARES of the test cells, at thresholds of each run's own validation cells."""
    if refusal(*runs.runs) or runs.pooled.about.get("on") == VALIDATION:
        return Findings()
    runs = of_whole_cells(runs)
    cells, notes = zip(*map(_assess_fold, runs.folds), strict=True)
    known = pd.concat(cells).dropna(subset="right").astype({"right": bool})
    known = known.assign(cells=True, left=~known["referred"], right=known["right"] & ~known["referred"])
    clusters = pd.Series(runs.test.clusters, runs.frame["image_id"])
    counted = known[["referred", "cells", "right", "left"]].groupby(clusters[known.index]).sum()
    counted = counted.reindex(range(runs.test.cluster_count), fill_value=0)

    def shares(totals: np.ndarray) -> np.ndarray:
        """Return SHARES for totals of ``counted``."""
        referred, all_cells, right, left = totals.T
        with np.errstate(invalid="ignore"):
            return np.stack([referred / all_cells, right / left])

    statistic = StatisticOfSums(counted.to_numpy(float), shares)
    metrics = around(statistic, dict.fromkeys(SHARES, Metric(is_share=True)), runs.test, runs.settings)
    warnings = warnings_about("assignment", dict.fromkeys(filter(None, notes)))
    return Findings(warnings=warnings, metrics={(TEST, REFERRED): metrics})


def _assess_fold(fold: LabelledFold) -> tuple[pd.DataFrame, str | None]:
    """Return the test cells of a run as ``assess_cells`` does, referred for any reason, and what limits this."""
    keys = section_defaults("karyotype")
    settings = NamingSettings(KaryotypePriors(), keys["refer_below"], is_balanced(fold.run.about))
    temperature = fit_temperature(fold.validation).value or 1.0
    validation = assess_cells(of_cells(fold.run, VALIDATION), temperature, settings)
    chosen = choose_cell_thresholds(validation, keys["out_of_distribution"])
    cells = assess_cells(fold.run.part("test"), temperature, settings)
    return cells.assign(referred=are_referred(cells, chosen)), chosen.note
