"""The evaluation of a run, or of folds: every metric with its interval, the sections, warnings, and their files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from karyocyte.common.files import write_csv
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.breakdowns.by_part import by_part
from karyocyte.evaluation.breakdowns.by_subject import by_subject
from karyocyte.evaluation.breakdowns.operating_points import operating_points
from karyocyte.evaluation.breakdowns.per_class import per_class, per_kind
from karyocyte.evaluation.breakdowns.subgroups import subgroups
from karyocyte.evaluation.intervals.bootstrap import intervals
from karyocyte.evaluation.intervals.folds import fold_mean_intervals
from karyocyte.evaluation.metrics.classification import Threshold, call, confusion
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.plots import plots
from karyocyte.evaluation.pooling.labelled_runs import LabelledFold, LabelledRuns, spread
from karyocyte.evaluation.pooling.sections import Drawing, FindingsWithoutValue, Section, added_sections, own_sections
from karyocyte.evaluation.referral.evaluate_referral import referral, triage
from karyocyte.evaluation.sections.baseline import baseline
from karyocyte.evaluation.sections.calibration import calibration
from karyocyte.evaluation.sections.examples import wrong
from karyocyte.evaluation.types.result import (
    EvaluationResult,
    FoldMeans,
    FoldMetrics,
    FoldThresholds,
    OperatingPoint,
    PartResult,
)
from karyocyte.evaluation.types.warnings import interval_warnings, leakage, part_warnings
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import Predictions
from karyocyte.runs.run import Run


def figures(runs: LabelledRuns, result: EvaluationResult) -> FindingsWithoutValue:
    """Return the figures of any evaluation; curves and checkpoints are those of the logs in the folder."""
    drawn: dict[str, Drawing] = {"learning_curves": plots.learning_curves, "checkpoints": plots.checkpoints}
    if result.test.images:
        drawn["confusion_matrix"] = plots.confusion_matrix
    if result.test.metrics["auc"].value is not None:
        drawn["roc"] = partial(plots.roc, test=runs.test, train=runs.train)
    return FindingsWithoutValue(figures=drawn)


# What is evaluated, written and drawn beside the metrics, in this order: a value is the field of EvaluationResult.
# Those of installed packages are between the two, since per_class reads their results.
FIRST_SECTIONS: dict[str, Section] = {"figures": figures, "by_part": by_part, "baseline": baseline}
SECTIONS: dict[str, Section] = {
    "per_class": per_class,
    "per_kind": per_kind,
    "by_subject": by_subject,
    "subgroups": subgroups,
    "operating_points": operating_points,
    "calibration": calibration,
    "triage": triage,
    "referral": referral,
    "wrong": wrong,
}


@dataclass(frozen=True)
class Evaluation:
    """A result, with the contents of tables and what draws the figures, by the names of their files."""

    result: EvaluationResult
    tables: dict[str, pd.DataFrame]
    figures: dict[str, Callable[[Path, EvaluationResult], None]]


def evaluate_runs(
    runs: Sequence[Predictions], settings: EvaluationConfig, train: Sequence[Predictions | None] = ()
) -> EvaluationResult:
    """Evaluate one run, or several folds of one experiment pooled, each at the threshold of its validation images.

    ``train`` are the predictions of training images of each run, or empty.

    Raises:
        UserError: See ``LabelledRuns.of``.
    """
    return evaluate_labelled(LabelledRuns.of(runs, settings, train)).result


def evaluate_labelled(runs: LabelledRuns) -> Evaluation:
    """Evaluate what ``LabelledRuns.of`` prepared: the metrics, and each section."""
    result = evaluate_parts(runs)
    warnings = result.warnings
    evaluation = Evaluation(result, {}, {})
    added = added_sections(runs.settings)
    own = own_sections(runs.settings)
    for name, section in [*FIRST_SECTIONS.items(), *added.items(), *SECTIONS.items(), *own.items()]:
        findings = section(runs, result)
        if findings.value is not None:
            value = {name: findings.value}
            result = replace(result, **({"more": result.more | value} if name in added else value))
        warnings += findings.warnings
        evaluation.tables.update(findings.tables)
        evaluation.figures.update(findings.figures)
    return replace(evaluation, result=replace(result, warnings=warnings))


def evaluate_parts(runs: LabelledRuns) -> EvaluationResult:
    """Evaluate every metric of each part, without the sections."""
    settings = runs.settings
    test = evaluate_part(runs.test, spread(runs.thresholds, runs.sizes), settings)
    warnings = leakage(runs.about) + part_warnings("test", test)
    threshold: OperatingPoint | FoldThresholds = runs.folds[0].threshold
    validation = folds = fold_means = None
    if len(runs.folds) == 1:
        validation = evaluate_part(runs.folds[0].validation.scored, runs.thresholds[0], settings)
        warnings += part_warnings("validation", validation)
    else:
        reasons = (fold.threshold.reason for fold in runs.folds if fold.threshold.reason)
        threshold = FoldThresholds(runs.thresholds, settings.threshold, next(reasons, None))
        folds = list(map(_evaluate_fold, runs.folds))
        fold_means = _fold_means(runs)
        warnings += interval_warnings("fold mean", fold_means.metrics)
    return EvaluationResult(
        about=runs.about,
        classes=list(runs.classes),
        positive_class=runs.pooled.positive_class,
        settings=settings.model_dump(mode="json", exclude={"extra"}),
        threshold=threshold,
        test=test,
        validation=validation,
        folds=folds,
        fold_means=fold_means,
        warnings=warnings,
    )


def evaluate_part(labelled: LabelledPredictions, threshold: Threshold | None, settings: EvaluationConfig) -> PartResult:
    """Evaluate the images of one part, at 0.5 and at a threshold (None: there is none)."""
    k = len(labelled.classes)
    positive = labelled.positive_index
    part = PartResult(
        images=len(labelled.labels),
        unlabelled=labelled.unlabelled,
        subjects=labelled.subjects,
        drawn=labelled.drawn,
        class_counts=labelled.count_images(),
        class_subjects=None,
        metrics=intervals(labelled, settings),
        confusion=confusion(labelled.labels, call(labelled.probabilities, positive), k).tolist(),
        metrics_at_threshold=None,
        confusion_at_threshold=None,
    )
    if labelled.by_subject:
        part = replace(part, class_subjects=labelled.count_clusters())
    if threshold is None or positive is None:
        return part
    called = call(labelled.probabilities, positive, threshold)
    matrix = confusion(labelled.labels, called, k).tolist()
    return replace(part, metrics_at_threshold=intervals(labelled, settings, threshold), confusion_at_threshold=matrix)


def write_evaluation(
    folder: Path, predictions: Predictions, settings: EvaluationConfig, train: Predictions | None = None
) -> EvaluationResult:
    """Evaluate a run by its validation and test images, and those of ``train``, and write its files."""
    evaluation = evaluate_labelled(LabelledRuns.of([predictions], settings, [train]))
    write_files(folder, evaluation)
    return evaluation.result


def write_files(folder: Path, evaluation: Evaluation) -> None:
    """Write ``metrics.json``, the tables and the figures, each whole or absent."""
    for name, rows in evaluation.tables.items():
        write_csv(folder / f"{name}.csv", rows, "%.6f")
    draw_figures(folder, evaluation)
    Run(folder).write_json(RunFile.METRICS, evaluation.result.to_dict())


def draw_figures(folder: Path, evaluation: Evaluation) -> None:
    """Draw the figures for which there are images or logs."""
    for name, draw in evaluation.figures.items():
        draw(folder / f"{name}.png", evaluation.result)


def _evaluate_fold(fold: LabelledFold) -> FoldMetrics:
    own = fold.threshold.value
    return FoldMetrics(evaluate(fold.test.scored), None if own is None else evaluate(fold.test.scored, own))


def _fold_means(runs: LabelledRuns) -> FoldMeans:
    at_half = fold_mean_intervals(runs.test, runs.sizes, [0.5] * len(runs.folds), runs.settings)
    own = [value for value in runs.thresholds if value is not None]
    if len(own) < len(runs.folds):
        return FoldMeans(at_half, None)
    return FoldMeans(at_half, fold_mean_intervals(runs.test, runs.sizes, own, runs.settings))
