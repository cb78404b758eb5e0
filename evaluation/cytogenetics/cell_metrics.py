"""Metrics of whole cells: classes and counts of their chromosomes, before and after the joint assignment."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.config.schema import AssignmentConfig
from common.karyotype import CHROMOSOMES
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions
from evaluation.cytogenetics.assignment import (
    LARGEST,
    SMALLEST,
    assign_cells,
    choose_costs,
    is_normal,
    numbered_cells,
    refusal,
    unassignable,
)
from evaluation.intervals.bootstrap import around
from evaluation.intervals.folds import MeanOverFolds
from evaluation.intervals.methods import SHARE
from evaluation.labelled_runs import LabelledRuns
from evaluation.metrics.classification import call, confusion, of_confusions
from evaluation.metrics.resampled import confusions_of_clusters
from evaluation.result import AssignmentCosts, AssignmentResult, EvaluationWarning, KaryotypeCounts, warnings_about

# Shares of cells, each with its own denominator.
SHARES = (
    "cells_right",  # of all cells: every chromosome is predicted correctly
    "abnormal_recovered",  # of the cells whose counts are not 46,XX or 46,XY: exactly these counts are predicted
    "normal_alarmed",  # of the cells of 46,XX and 46,XY: any other counts are predicted
)
SUFFIX = "_assigned"


@dataclass(frozen=True)
class AssignedCells:
    """The labelled chromosomes of test cells with their joint assignment.

    Attributes:
        scored: N labelled chromosomes.
        assigned: Their classes after the joint assignment, int64, shape (N,).
        cells: The cell of each, int64 in 0 to G - 1, shape (N,).
        complete: Whether every chromosome of a cell has a label, bool, shape (G,).
    """

    scored: LabelledPredictions
    assigned: np.ndarray
    cells: np.ndarray
    complete: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """The most probable classes, int64, shape (N,)."""
        return call(self.scored.probabilities, None)


def cell_metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of SHARES for the most probable classes and, with SUFFIX, after the joint assignment.

    Those with SUFFIX include ``accuracy``, ``f1_macro`` and each ``recall/<class>``.
    """
    return (*SHARES, *(name + SUFFIX for name in (*SHARES, *_class_metric_names(classes))))


class CellMetrics:
    """Maps counts of clusters, shape (B, C), to ``cell_metric_names``, shape (M, B); NaN where a metric is undefined.

    A cell must not be spread over clusters.
    """

    def __init__(self, cells: AssignedCells) -> None:
        scored = cells.scored
        self._classes = scored.classes
        self._confusions = confusions_of_clusters(scored, cells.assigned)
        hits_before, bases = _shares(cells, cells.predicted)
        hits, _ = _shares(cells, cells.assigned)
        cluster = np.zeros(len(cells.complete), dtype=np.int64)
        cluster[cells.cells] = scored.clusters
        self._hits = _sum_by(cluster, np.concatenate([hits_before, hits]), scored.cluster_count)
        self._bases = _sum_by(cluster, np.concatenate([bases, bases]), scored.cluster_count)

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the metrics, float64, shape (M, B), for ``counts`` of shape (B, C), each how often a cluster is in."""
        counts = counts.astype(np.float64)
        k = len(self._classes)
        with np.errstate(divide="ignore", invalid="ignore"):
            metrics = of_confusions((counts @ self._confusions).reshape(-1, k, k), self._classes, None)
            shares = (counts @ self._hits) / (counts @ self._bases)
        return np.concatenate([shares.T, [metrics[name] for name in _class_metric_names(self._classes)]])


def assignment_refusal(runs: list[Predictions]) -> str | None:
    """Return why the cells of some runs cannot be assigned jointly; None where they can."""
    for run in runs:
        reason = refusal(run)
        if reason:
            return reason
    return None


def costs_of(run: Predictions, config: AssignmentConfig) -> AssignmentConfig:
    """Return the costs for a run's test cells: as configured, or chosen on its validation cells."""
    if config.costs == "validation":
        return choose_costs(run.part("validation"), config)
    return config


def assigned_table(runs: list[Predictions], config: AssignmentConfig) -> pd.DataFrame | None:
    """Return the joint assignment of the test chromosomes.

    Args:
        runs: One run, or folds of one experiment.
        config: Whether there is an assignment, and its costs.

    Returns:
        A row per test image, fold after fold, with ``image_id``, ``subject``, ``cell``, ``label``, ``argmax`` and
        ``assigned``; None where the assignment is disabled or impossible.
    """
    if not config.enabled or assignment_refusal(runs):
        return None
    frames = []
    for run in runs:
        test = run.part("test")
        names = np.array(run.classes, dtype=object)
        assigned = names[assign_cells(test, costs_of(run, config))]
        argmax = names[call(test.probabilities, None)]
        frames.append(test.frame[["image_id", "subject", "cell", "label"]].assign(argmax=argmax, assigned=assigned))
    return pd.concat(frames, ignore_index=True)


def evaluate_cells(runs: LabelledRuns) -> AssignmentResult | None:
    """Evaluate the test cells before and after the joint assignment.

    Returns:
        None where the assignment is disabled or impossible.
    """
    settings = runs.settings
    table = assigned_table(runs.runs, settings.assignment)
    if table is None:
        return None
    cells = join_assignment(runs, table)
    scored = cells.scored
    names = cell_metric_names(scored.classes)
    costs = [costs_of(run, settings.assignment) for run in runs.runs]
    fold_means = None
    if len(runs.folds) > 1:

        def of_fold(number: int, rows: slice, fold: LabelledPredictions) -> CellMetrics:
            numbers, of_row = np.unique(cells.cells[rows], return_inverse=True)
            return CellMetrics(AssignedCells(fold, cells.assigned[rows], of_row, cells.complete[numbers]))

        statistic = MeanOverFolds(scored, runs.sizes, len(names), of_fold)
        fold_means = around(statistic, names, scored, settings, SHARE)
    return AssignmentResult(
        costs=[AssignmentCosts(cost.extra_cost, cost.missing_cost) for cost in costs],
        chosen=settings.assignment.costs,
        cells=len(cells.complete),
        unplaceable=_count_unassignable(runs),
        metrics=around(CellMetrics(cells), names, scored, settings, SHARE),
        fold_means=fold_means,
        confusion=confusion(scored.labels, cells.assigned, len(scored.classes)).tolist(),
        karyotypes=count_karyotypes(cells),
    )


def assignment_warnings(runs: LabelledRuns) -> list[EvaluationWarning]:
    """Return why there is no joint assignment, or for which cells."""
    if not runs.settings.assignment.enabled:
        return []
    reason = assignment_refusal(runs.runs)
    if reason:
        return warnings_about("", [f"cells are not assigned: {reason}"])
    count = _count_unassignable(runs)
    if not count:
        return []
    sizes = f"fewer than {SMALLEST} or more than {LARGEST} chromosomes"
    return warnings_about("assignment", [f"{count} cells of {sizes} keep their most probable classes"])


def join_assignment(runs: LabelledRuns, table: pd.DataFrame) -> AssignedCells:
    """Join the labelled test chromosomes with their rows of ``assigned_table``."""
    pooled = runs.pooled
    index = {name: position for position, name in enumerate(pooled.classes)}
    labelled = pooled.labels >= 0
    numbers = numbered_cells(pooled.frame)
    _, cells = np.unique(numbers[labelled], return_inverse=True)
    by_cell = pd.Series(labelled).groupby(numbers).agg(["all", "any"])
    return AssignedCells(
        scored=runs.test,
        assigned=table["assigned"].map(index).to_numpy(np.int64)[labelled],
        cells=cells,
        complete=by_cell["all"][by_cell["any"]].to_numpy(),
    )


def count_karyotypes(cells: AssignedCells) -> KaryotypeCounts:
    """Count cells by their predicted karyotypes; cells with an unlabelled chromosome are left out."""
    (_, recovered, alarmed), (_, abnormal, normal) = _shares(cells, cells.assigned)
    (_, recovered_before, alarmed_before), _ = _shares(cells, cells.predicted)
    return KaryotypeCounts(
        abnormal=int(abnormal.sum()),
        recovered=int(recovered.sum()),
        recovered_before=int(recovered_before.sum()),
        normal=int(normal.sum()),
        alarmed=int(alarmed.sum()),
        alarmed_before=int(alarmed_before.sum()),
    )


def _count_unassignable(runs: LabelledRuns) -> int:
    return sum(unassignable(run.part("test")) for run in runs.runs)


def _shares(cells: AssignedCells, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numerators and denominators of SHARES for each cell, bool, shape (len(SHARES), G) each."""
    errors = np.bincount(cells.cells, weights=classes != cells.scored.labels, minlength=len(cells.complete))
    true = _chromosome_counts(cells, cells.scored.labels)
    predicted = _chromosome_counts(cells, classes)
    normal = is_normal(true)
    bases = np.stack([np.ones(len(errors), dtype=bool), ~normal & cells.complete, normal & cells.complete])
    hits = np.stack([errors == 0, (true == predicted).all(axis=1), ~is_normal(predicted)])
    return hits & bases, bases


def _chromosome_counts(cells: AssignedCells, classes: np.ndarray) -> np.ndarray:
    """Count each cell's chromosomes in the order of CHROMOSOMES, int64, shape (G, 24)."""
    k = len(CHROMOSOMES)
    flat = np.bincount(cells.cells * k + classes, minlength=len(cells.complete) * k)
    order = [cells.scored.classes.index(name) for name in CHROMOSOMES]
    counts: np.ndarray = flat.reshape(-1, k)[:, order]
    return counts


def _sum_by(cluster: np.ndarray, values: np.ndarray, clusters: int) -> np.ndarray:
    """Sum values of cells, shape (V, G), over the cells of each cluster: float64, shape (clusters, V)."""
    sums = np.zeros((clusters, len(values)))
    np.add.at(sums, cluster, values.T)
    return sums


def _class_metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    return ("accuracy", "f1_macro", *(f"recall/{name}" for name in classes))
