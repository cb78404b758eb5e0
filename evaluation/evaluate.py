"""The evaluation of a run, or of folds: every metric with its interval, breakdowns, warnings, and their files."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.config.schema import EvaluationConfig
from common.files import write_csv
from common.predictions import Predictions
from common.runs.files import RunFile
from common.runs.run import Run
from evaluation.breakdowns.by_part import by_part
from evaluation.breakdowns.by_subject import by_subject_table, evaluate_subjects
from evaluation.breakdowns.operating_points import operating_points
from evaluation.breakdowns.per_class import per_class, per_kind
from evaluation.breakdowns.subgroups import subgroup_warnings, subgroups
from evaluation.calibration import calibration_warnings, evaluate_calibration
from evaluation.cells.cell_metrics import assigned_table, assignment_warnings, evaluate_cells
from evaluation.core.labelled import LabelledPredictions
from evaluation.core.warnings import interval_warnings, leakage, part_warnings
from evaluation.intervals.bootstrap import intervals
from evaluation.intervals.folds import fold_mean_intervals
from evaluation.labelled_runs import LabelledRuns, spread
from evaluation.metrics.classification import Threshold, call, confusion
from evaluation.metrics.resampled import evaluate
from evaluation.misclassified import wrong_cases
from evaluation.referral.evaluate import (
    evaluate_referral,
    evaluate_triage,
    referral_warnings,
    triage_warnings,
)
from evaluation.referral.selective import curves
from evaluation.result import (
    EvaluationResult,
    FoldMeans,
    FoldMetrics,
    FoldThresholds,
    Matrix,
    OperatingPoint,
    PartResult,
    flat_table,
)


def evaluate_runs(
    runs: Sequence[Predictions], settings: EvaluationConfig, train: Sequence[Predictions | None] = ()
) -> EvaluationResult:
    """Evaluate one run, or several folds of one experiment pooled, each at the threshold of its validation images.

    ``train`` are the predictions of training images of each run, or empty.

    Raises:
        UserError: See ``LabelledRuns.of``.
    """
    return evaluate_labelled(LabelledRuns.of(runs, settings, train))


def evaluate_labelled(runs: LabelledRuns) -> EvaluationResult:
    """Evaluate what ``LabelledRuns.of`` prepared."""
    settings = runs.settings
    points = [fold.threshold for fold in runs.folds]
    threshold: OperatingPoint | FoldThresholds = points[0]
    if len(points) > 1:
        reason = next((point.reason for point in points if point.reason), None)
        threshold = FoldThresholds(runs.thresholds, settings.threshold, reason)
    test = evaluate_part(runs.test, spread(runs.thresholds, runs.sizes), settings)
    validation = folds = fold_means = None
    if len(runs.folds) == 1:
        fold = runs.folds[0]
        validation = evaluate_part(fold.validation.scored, fold.threshold.value, settings)
    else:
        folds = []
        for fold in runs.folds:
            own = None if fold.threshold.value is None else evaluate(fold.test.scored, fold.threshold.value)
            folds.append(FoldMetrics(evaluate(fold.test.scored), own))
        fold_means = _fold_means(runs)
    assignment = evaluate_cells(runs)
    groups = subgroups(runs)
    calibration = evaluate_calibration(runs)
    triage = evaluate_triage(runs)
    referral = evaluate_referral(runs)
    warnings = leakage(runs.about) + part_warnings("test", test)
    if validation:
        warnings += part_warnings("validation", validation)
    if fold_means:
        warnings += interval_warnings("fold mean", fold_means.metrics)
    warnings += assignment_warnings(runs)
    if assignment:
        defined = {name: metric for name, metric in assignment.metrics.items() if metric.value is not None}
        of_cells = {name: metric for name, metric in defined.items() if not name.startswith("recall/")}
        warnings += interval_warnings("cells", of_cells)
    warnings += subgroup_warnings(groups) + calibration_warnings(calibration) + triage_warnings(runs, triage)
    warnings += referral_warnings(referral, many_classes=runs.positive_index is None)
    return EvaluationResult(
        about=runs.about,
        classes=list(runs.classes),
        positive_class=runs.pooled.positive_class,
        settings=settings.model_dump(mode="json"),
        threshold=threshold,
        test=test,
        validation=validation,
        folds=folds,
        fold_means=fold_means,
        by_part=by_part(runs),
        per_class=per_class(runs.classes, test.confusion, assignment.confusion if assignment else None),
        assignment=assignment,
        per_kind=per_kind(runs),
        by_subject=evaluate_subjects(runs),
        subgroups=groups,
        operating_points=operating_points(runs),
        calibration=calibration,
        triage=triage,
        referral=referral,
        warnings=warnings,
    )


def evaluate_part(labelled: LabelledPredictions, threshold: Threshold | None, settings: EvaluationConfig) -> PartResult:
    """Evaluate the images of one part, at 0.5 and at a threshold (None: there is none)."""
    k = len(labelled.classes)
    positive = labelled.positive_index
    matrix: Matrix = confusion(labelled.labels, call(labelled.probabilities, positive), k).tolist()
    metrics_at_threshold = None
    confusion_at_threshold: Matrix | None = None
    if threshold is not None and positive is not None:
        metrics_at_threshold = intervals(labelled, settings, threshold)
        called = call(labelled.probabilities, positive, threshold)
        confusion_at_threshold = confusion(labelled.labels, called, k).tolist()
    drawn = "images"
    if labelled.by_subject:
        drawn = "subjects"
    elif labelled.by_cell:
        drawn = "cells"
    return PartResult(
        images=len(labelled.labels),
        unlabelled=labelled.unlabelled,
        subjects=labelled.subjects,
        drawn=drawn,
        class_counts=labelled.count_images(),
        class_subjects=labelled.count_clusters() if labelled.by_subject else None,
        metrics=intervals(labelled, settings),
        confusion=matrix,
        metrics_at_threshold=metrics_at_threshold,
        confusion_at_threshold=confusion_at_threshold,
    )


def write_evaluation(
    folder: Path,
    predictions: Predictions,
    history: pd.DataFrame | None,
    settings: EvaluationConfig,
    train: Predictions | None = None,
) -> EvaluationResult:
    """Evaluate a run, of which ``predictions`` has validation and test rows, and write its files, see ``write_files``.

    ``train`` has rows of training images.

    Raises:
        UserError: See ``evaluate_runs``.
    """
    runs = LabelledRuns.of([predictions], settings, [train])
    result = evaluate_labelled(runs)
    write_files(folder, result, runs, history)
    return result


def write_files(
    folder: Path, result: EvaluationResult, runs: LabelledRuns, history: pd.DataFrame | None = None
) -> None:
    """Write ``metrics.json``, the tables and the figures, each whole or absent; empty ones have no file.

    ``result`` is that of ``runs``. Learning curves need a ``history``, see ``plots.learning_curves``.
    """
    folder = Path(folder)
    tables = {"assigned": assigned_table(runs.runs, runs.settings.assignment)}
    if result.test.images:
        tables["wrong"] = wrong_cases(runs.pooled).drop(columns="row")
    if result.test.images and result.per_class:
        tables["per_class"] = flat_table(result.per_class)
    if result.per_kind:
        tables["per_kind"] = flat_table(result.per_kind, ["recall_at_threshold"])
    if result.by_subject:
        tables["by_subject"] = by_subject_table(runs, result.by_subject)
    if result.subgroups:
        tables["subgroups"] = flat_table(result.subgroups, class_counts="images/")
    if result.operating_points:
        tables["operating_points"] = flat_table(result.operating_points, validation="validation_")
    if result.triage:
        tables["triage"] = flat_table(result.triage.rules)
    for name, rows in tables.items():
        if rows is not None:
            write_csv(folder / f"{name}.csv", rows, "%.6f")
    draw_figures(folder, result, runs, history)
    Run(folder).write_json(RunFile.METRICS, result.to_dict())


def draw_figures(folder: Path, result: EvaluationResult, runs: LabelledRuns, history: pd.DataFrame | None) -> None:
    """Draw learning curves, confusion matrices, reliability, ROC and risk against coverage, where there are any."""
    # matplotlib costs seconds that an evaluation without files need not spend.
    from evaluation.core import confidence_plots, plots

    if history is not None and len(history):
        plots.learning_curves(folder / "learning_curves.png", history, result.about)
    saved = Run(folder).saved_checkpoints
    if len(saved):
        plots.checkpoints(folder / "checkpoints.png", saved, result.about)
    if result.test.images:
        plots.confusion_matrix(folder / "confusion_matrix.png", result)
        confidence_plots.reliability(folder / "reliability.png", result)
    if result.test.images and result.assignment:
        plots.assigned_confusion_matrix(folder / "confusion_matrix_assigned.png", result)
    if result.test.metrics["auc"].value is not None:
        plots.roc(folder / "roc.png", result, runs.test, runs.train)
    if result.triage:
        confidence_plots.risk_coverage(folder / "risk_coverage.png", result, curves(runs.tests))


def draw_rocs(
    path: Path, labels: Sequence[str], results: Sequence[EvaluationResult], runs: Sequence[LabelledRuns]
) -> None:
    """Draw the ROCs of several experiments into one figure; nothing where none is defined."""
    from evaluation.core import plots

    curves = []
    for label, result, labelled in zip(labels, results, runs, strict=True):
        if result.test.metrics["auc"].value is not None:
            curves.append(plots.RocCurve(label, result, labelled.test, labelled.train))
    if curves:
        plots.rocs(path, curves)


def _fold_means(runs: LabelledRuns) -> FoldMeans:
    own = [value for value in runs.thresholds if value is not None]
    at_half = fold_mean_intervals(runs.test, runs.sizes, [0.5] * len(runs.folds), runs.settings)
    at_threshold = None
    if len(own) == len(runs.folds):
        at_threshold = fold_mean_intervals(runs.test, runs.sizes, own, runs.settings)
    return FoldMeans(at_half, at_threshold)
