"""Whole cells judged: calls and counts of their chromosomes, one by one and placed jointly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.config.schema import AssignmentConfig
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions
from evaluation.cytogenetics.assignment import (
    CHROMOSOMES,
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

# Shares of cells, each with the denominator that its comment says.
SHARES = (
    "cells_right",  # of the cells: every chromosome is called rightly
    "abnormal_recovered",  # of the cells whose counts are not 46,XX or 46,XY: exactly these counts come out
    "normal_alarmed",  # of the cells of 46,XX and 46,XY: any other counts come out
)
SUFFIX = "_assigned"


@dataclass(frozen=True)
class PlacedCells:
    """The labelled chromosomes of test cells, called one by one and placed jointly.

    Attributes:
        scored: N labelled chromosomes.
        assigned: Their classes when placed jointly, int64, shape (N,).
        cells: Which cell each is of, int64 in 0 to G - 1, shape (N,).
        complete: Whether every chromosome of a cell has a label, bool, shape (G,).
    """

    scored: LabelledPredictions
    assigned: np.ndarray
    cells: np.ndarray
    complete: np.ndarray

    @property
    def called(self) -> np.ndarray:
        """The most probable classes, int64, shape (N,)."""
        return call(self.scored.probabilities, None)


def cell_metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of SHARES for the most probable classes and, with SUFFIX, for the cells placed jointly.

    With SUFFIX there are ``accuracy``, ``f1_macro`` and each ``recall/<class>`` too, which ``metrics`` has without.
    """
    return (*SHARES, *(name + SUFFIX for name in (*SHARES, *_of_calls(classes))))


class CellMetrics:
    """Maps counts of clusters, shape (B, C), to ``cell_metric_names``, shape (M, B); NaN where a metric is undefined.

    A cell must not be spread over clusters.
    """

    def __init__(self, placed: PlacedCells) -> None:
        scored = placed.scored
        self._classes = scored.classes
        self._confusions = confusions_of_clusters(scored, placed.assigned)
        self._of_calls = _of_calls(scored.classes)
        shares = [_shares(placed, calls) for calls in (placed.called, placed.assigned)]
        cluster = np.zeros(len(placed.complete), dtype=np.int64)
        cluster[placed.cells] = scored.clusters
        self._hits, self._bases = (
            _sum_by(cluster, np.concatenate([one[side] for one in shares]), scored.cluster_count) for side in (0, 1)
        )

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the metrics, float64, shape (M, B), for ``counts`` of shape (B, C), each how often a cluster is in."""
        counts = counts.astype(np.float64)
        k = len(self._classes)
        with np.errstate(divide="ignore", invalid="ignore"):
            of_calls = of_confusions((counts @ self._confusions).reshape(-1, k, k), self._classes, None)
            shares = (counts @ self._hits) / (counts @ self._bases)
        return np.concatenate([shares.T, [of_calls[name] for name in self._of_calls]])


def assignment_refusal(runs: list[Predictions]) -> str | None:
    """Say why the cells of some runs cannot be placed jointly; None where they can."""
    return next((reason for reason in map(refusal, runs) if reason), None)


def costs_of(run: Predictions, config: AssignmentConfig) -> AssignmentConfig:
    """Return the costs for a run's test cells: as configured, or chosen on its validation cells."""
    if config.costs == "validation":
        return choose_costs(run.part("validation"), config)
    return config


def assigned_table(runs: list[Predictions], config: AssignmentConfig) -> pd.DataFrame | None:
    """Return the test chromosomes as placed: ``image_id``, ``subject``, ``cell``, ``label``, ``argmax``, ``assigned``.

    Args:
        runs: One run, or folds of one experiment.
        config: What ``enabled``, ``costs`` and the costs say.

    Returns:
        A row per test image, fold after fold; None where nothing is to be assigned, or cannot be.
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
        None where nothing is to be assigned, or cannot be.
    """
    settings = runs.settings
    table = assigned_table(runs.runs, settings.assignment)
    if table is None:
        return None
    placed = place(runs, table)
    scored = placed.scored
    names = cell_metric_names(scored.classes)
    costs = [costs_of(run, settings.assignment) for run in runs.runs]
    fold_means = None
    if len(runs.folds) > 1:
        fold_means = around(_over_folds(placed, runs.sizes), names, scored, settings, SHARE)
    return AssignmentResult(
        costs=[AssignmentCosts(cost.extra_cost, cost.missing_cost) for cost in costs],
        chosen=settings.assignment.costs,
        cells=len(placed.complete),
        unplaceable=_unplaceable(runs),
        metrics=around(CellMetrics(placed), names, scored, settings, SHARE),
        fold_means=fold_means,
        confusion=confusion(scored.labels, placed.assigned, len(scored.classes)).tolist(),
        karyotypes=count_karyotypes(placed),
    )


def _unplaceable(runs: LabelledRuns) -> int:
    return sum(unassignable(run.part("test")) for run in runs.runs)


def assignment_warnings(runs: LabelledRuns) -> list[EvaluationWarning]:
    """Say why there is no joint assignment, or for which cells."""
    if not runs.settings.assignment.enabled:
        return []
    reason = assignment_refusal(runs.runs)
    if reason:
        return warnings_about("", [f"cells are not assigned: {reason}"])
    strange = _unplaceable(runs)
    if not strange:
        return []
    sizes = f"fewer than {SMALLEST} or more than {LARGEST} chromosomes"
    return warnings_about("assignment", [f"{strange} cells of {sizes} keep their most probable classes"])


def place(runs: LabelledRuns, table: pd.DataFrame) -> PlacedCells:
    """Take the labelled rows of ``assigned_table``."""
    pooled = runs.pooled
    index = {name: position for position, name in enumerate(pooled.classes)}
    known = pooled.labels >= 0
    _, cells = np.unique(numbered_cells(pooled.frame)[known], return_inverse=True)
    partly = pd.Series(known).groupby(numbered_cells(pooled.frame)).agg(["all", "any"])
    return PlacedCells(
        scored=runs.test,
        assigned=table["assigned"].map(index).to_numpy(np.int64)[known],
        cells=cells,
        complete=partly["all"][partly["any"]].to_numpy(),
    )


def count_karyotypes(placed: PlacedCells) -> KaryotypeCounts:
    """Count cells by what their numbers of chromosomes say; cells with an unlabelled chromosome are left out."""
    (_, recovered, alarmed), (_, abnormal, normal) = _shares(placed, placed.assigned)
    (_, recovered_before, alarmed_before), _ = _shares(placed, placed.called)
    cells = (abnormal, recovered, recovered_before, normal, alarmed, alarmed_before)
    return KaryotypeCounts(*(int(which.sum()) for which in cells))


def _shares(placed: PlacedCells, calls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators of SHARES for each cell, bool, shape (len(SHARES), G) each."""
    wrong = np.bincount(placed.cells, weights=calls != placed.scored.labels, minlength=len(placed.complete))
    true = _counts(placed, placed.scored.labels)
    found = _counts(placed, calls)
    normal = is_normal(true)
    same = (true == found).all(axis=1)
    bases = np.stack([np.ones(len(wrong), dtype=bool), ~normal & placed.complete, normal & placed.complete])
    return np.stack([wrong == 0, same, ~is_normal(found)]) & bases, bases


def _counts(placed: PlacedCells, classes: np.ndarray) -> np.ndarray:
    """Count each cell's chromosomes in the order of CHROMOSOMES, int64, shape (G, 24)."""
    k = len(CHROMOSOMES)
    flat = np.bincount(placed.cells * k + classes, minlength=len(placed.complete) * k)
    return flat.reshape(-1, k)[:, [placed.scored.classes.index(name) for name in CHROMOSOMES]]


def _sum_by(cluster: np.ndarray, values: np.ndarray, clusters: int) -> np.ndarray:
    """Sum values of cells, shape (V, G), over the cells of each cluster: float64, shape (clusters, V)."""
    sums = np.zeros((clusters, len(values)))
    np.add.at(sums, cluster, values.T)
    return sums


def _of_calls(classes: tuple[str, ...]) -> tuple[str, ...]:
    return ("accuracy", "f1_macro", *(f"recall/{name}" for name in classes))


def _over_folds(placed: PlacedCells, sizes: Sequence[int]) -> MeanOverFolds:
    def of_fold(number: int, rows: slice, fold: LabelledPredictions) -> CellMetrics:
        kept, cells = np.unique(placed.cells[rows], return_inverse=True)
        return CellMetrics(PlacedCells(fold, placed.assigned[rows], cells, placed.complete[kept]))

    return MeanOverFolds(placed.scored, sizes, len(cell_metric_names(placed.scored.classes)), of_fold)
