"""Metrics of whole cells: classes and counts of their chromosomes, before and after the joint assignment."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cytogenetics.cells.assigned import ASSIGNED, CELLS, JOINTLY
from cytogenetics.cells.assignment import assign_cells, numbered_cells, refusal, unassignable
from cytogenetics.cells.posterior import LARGEST, SMALLEST, is_normal
from karyocyte.common.karyotype import CHROMOSOMES
from karyocyte.common.text import counted
from karyocyte.evaluation.intervals.over_subjects import around
from karyocyte.evaluation.metrics.classification import Metric, call, confusion, metric_of, of_confusions
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums
from karyocyte.evaluation.metrics.resampled import counts_of_clusters
from karyocyte.evaluation.plots import plots
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import TEST, EvaluationResult, Figures, Interval, Matrix, warnings_about
from karyocyte.runs.predictions import Predictions

SUFFIX = "_assigned"
# Shares of cells, beside the registered metrics, each with its own denominator.
CELL_SHARES = (
    "cells_right",  # of all cells: every chromosome is predicted correctly
    "abnormal_recovered",  # of the cells whose counts are not 46,XX or 46,XY: exactly these counts are predicted
    "normal_alarmed",  # of the cells of 46,XX and 46,XY: any other counts are predicted
)


def cell_metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of CELL_SHARES for the most probable classes and, with SUFFIX, after the joint assignment.

    Those with SUFFIX include ``accuracy``, ``f1_macro`` and each ``recall/<class>``.
    """
    return (*CELL_SHARES, *(name + SUFFIX for name in (*CELL_SHARES, *_class_metric_names(classes))))


class CellMetrics(StatisticOfSums):
    """Maps counts of clusters, shape (B, C), to ``cell_metric_names``, shape (M, B); NaN where a metric is undefined.

    A cell must not be spread over clusters.

    Args:
        scored: N labelled chromosomes of test cells.
        assigned: Their classes after the joint assignment, int64, shape (N,).
        cells: The cell of each, int64 in 0 to G - 1, shape (N,).
        complete: Whether every chromosome of a cell has a label, bool, shape (G,).

    Attributes:
        hits: Numerators of CELL_SHARES, before and after the assignment, float64, shape (C, 6).
        bases: Their denominators, likewise.
    """

    def __init__(
        self, scored: LabelledPredictions, assigned: np.ndarray, cells: np.ndarray, complete: np.ndarray
    ) -> None:
        self._classes = scored.classes
        true = self._count_chromosomes(scored.labels, cells)
        normal = is_normal(true)
        bases = 2 * [np.ones(len(true), dtype=bool), ~normal & complete, normal & complete]
        hits = []
        for classes in (call(scored.probabilities, None), assigned):
            errors = np.bincount(cells, weights=classes != scored.labels, minlength=len(true))
            predicted = self._count_chromosomes(classes, cells)
            hits += [errors == 0, (true == predicted).all(axis=1), ~is_normal(predicted)]
        cluster = np.zeros(len(true), dtype=np.int64)
        cluster[cells] = scored.clusters
        sums = np.zeros((scored.cluster_count, len(hits) + len(bases)))
        np.add.at(sums, cluster, np.stack([*np.logical_and(hits, bases), *bases], axis=1))
        self.hits, self.bases = np.hsplit(sums, 2)
        k = len(scored.classes)
        confusions = counts_of_clusters(scored.clusters, scored.labels * k + assigned, (scored.cluster_count, k * k))
        super().__init__(np.hstack([sums, confusions.toarray()]), self._metrics)

    def _metrics(self, totals: np.ndarray) -> np.ndarray:
        """Return the metrics, float64, shape (M, B), of totals of hits, bases and confusion matrices."""
        k = len(self._classes)
        width = self.hits.shape[1]
        hits, bases, confusions = np.split(totals, [width, 2 * width], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            metrics = of_confusions(confusions.reshape(-1, k, k), self._classes, None)
            shares = hits / bases
        return np.concatenate([shares.T, [metrics[name] for name in _class_metric_names(self._classes)]])

    def _count_chromosomes(self, classes: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Count each cell's chromosomes in the order of CHROMOSOMES, int64, shape (G, 24)."""
        counts = np.zeros((cells.max(initial=-1) + 1, len(CHROMOSOMES)), np.int64)
        np.add.at(counts, (cells, classes), 1)
        return counts[:, pd.Index(self._classes).get_indexer(list(CHROMOSOMES))]


def of_whole_cells(runs: LabelledRuns) -> LabelledRuns:
    """Leave out the test images that name no cell, such as those of a set of single chromosomes among other sets."""
    kept = []
    for run in runs.runs:
        rows = (run.frame["part"] != "test") | run.frame["cell"].notna()
        kept.append(replace(run, frame=run.frame[rows].reset_index(drop=True)))
    if sum(len(run.frame) for run in kept) == sum(len(run.frame) for run in runs.runs):
        return runs
    return LabelledRuns.of(kept, runs.settings)


def assigned_table(runs: Sequence[Predictions]) -> pd.DataFrame:
    """Return the joint assignment of the test chromosomes of whole cells, of one run or of folds of one experiment.

    Returns:
        A row per test image, fold after fold, with ``image_id``, ``subject``, ``cell``, ``label``, ``argmax`` and
        ``assigned``.
    """
    frames = []
    for run in runs:
        test = run.part("test")
        names = np.array(run.classes, dtype=object)
        assigned = names[assign_cells(run)]
        argmax = names[call(test.probabilities, None)]
        frames.append(test.frame[["image_id", "subject", "cell", "label"]].assign(argmax=argmax, assigned=assigned))
    return pd.concat(frames, ignore_index=True)


def evaluate_cells(runs: LabelledRuns, table: pd.DataFrame) -> tuple[Figures, Matrix]:
    """Evaluate the test cells before and after the joint assignment, which is their ``assigned_table``.

    The figures are those of ``cell_metric_names`` and, of the section CELLS, counts: of all ``cells``, of those that
    are ``unplaceable``, since no karyotype has their size, of ``abnormal`` cells, whose true counts of chromosomes are
    not those of 46,XX or 46,XY, ``recovered`` with exactly their counts, and of ``normal`` ones, ``alarmed`` with any
    others; ``..._before``: by the most probable classes. The confusion (rows the truth) is that of assigned classes.
    """
    settings = runs.settings
    labelled = runs.pooled.labels >= 0
    numbers = numbered_cells(runs.pooled.frame)
    by_cell = pd.Series(labelled).groupby(numbers).agg(["all", "any"])
    assigned = pd.Index(runs.test.classes).get_indexer(table["assigned"])[labelled]
    cells = np.unique(numbers[labelled], return_inverse=True)[1]
    complete = by_cell["all"][by_cell["any"]].to_numpy()
    metrics = CellMetrics(runs.test, assigned, cells, complete)
    names = cell_metric_names(runs.test.classes)
    described = dict.fromkeys(names, Metric(is_share=True))  # CELL_SHARES, and the metrics of classes
    for name in _class_metric_names(runs.test.classes):
        described[name + SUFFIX] = metric_of(name)
    figures: Figures = {(TEST, ASSIGNED): around(metrics, described, runs.test, settings)}
    _, recovered_before, alarmed_before, _, recovered, alarmed = metrics.hits.sum(axis=0).astype(int).tolist()
    abnormal, normal = metrics.bases[:, 1:3].sum(axis=0).astype(int).tolist()
    counts = {"cells": len(complete), "unplaceable": unassignable(*(run.part("test") for run in runs.runs))}
    counts |= {"abnormal": abnormal, "recovered": recovered, "recovered_before": recovered_before}
    counts |= {"normal": normal, "alarmed": alarmed, "alarmed_before": alarmed_before}
    figures[TEST, CELLS] = {name: Interval(count) for name, count in counts.items()}
    return figures, confusion(runs.test.labels, assigned, len(runs.test.classes)).tolist()


def _class_metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    return ("accuracy", "f1_macro", *(f"recall/{name}" for name in classes))


def draw_confusion(path: Path, result: EvaluationResult) -> None:
    """Draw the test part's confusion matrix of the joint assignment."""
    plots.draw_confusions(path, result, {JOINTLY.words: result.confusions[ASSIGNED]})


def assignment(runs: LabelledRuns, result: EvaluationResult) -> Findings:
    """Return the section: the joint assignment, its limits, a row per test chromosome, and the confusion matrix."""
    if reason := refusal(*runs.runs):
        return Findings(warnings=warnings_about("", [f"cells are not assigned: {reason}"]))
    images = len(runs.test.labels)
    runs = of_whole_cells(runs)
    table = assigned_table(runs.runs)
    measured, matrix = evaluate_cells(runs, table)
    texts = []
    if left_out := images - len(runs.test.labels):
        texts.append(f"{counted(left_out, 'test image')} without a cell are not assigned")
    if unplaceable := measured[TEST, CELLS]["unplaceable"].value:
        sizes = f"fewer than {SMALLEST} or more than {LARGEST} chromosomes"
        texts.append(f"{counted(int(unplaceable), 'cell')} of {sizes} keep their most probable classes")
    warnings = warnings_about("assignment", texts)
    figures = {}
    if result.test.images:
        figures["confusion_matrix_assigned"] = draw_confusion
    return Findings({}, warnings, measured, {"assigned": table}, figures, {ASSIGNED: matrix})
