"""The evaluation of a run, or of folds: every metric with its interval, the sections, warnings, and their files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from karyocyte.common.files import write_csv
from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.breakdowns.by_subject import by_subject
from karyocyte.evaluation.breakdowns.subgroups import subgroups
from karyocyte.evaluation.intervals.over_subjects import intervals
from karyocyte.evaluation.metrics.classification import Threshold, call, confusion
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.resampled import evaluate
from karyocyte.evaluation.plots import plots
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Drawing, Findings, Section, added_sections, own_sections
from karyocyte.evaluation.referral.evaluate_referral import referral, votes
from karyocyte.evaluation.sections.baseline import baseline, baselines_of
from karyocyte.evaluation.sections.calibration import calibration
from karyocyte.evaluation.types.result import (
    FOLD_MEAN,
    TEST,
    EvaluationResult,
    Figures,
    Interval,
    Kind,
    PartResult,
    rows_of_figures,
)
from karyocyte.evaluation.types.warnings import leakage, part_warnings
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import VALIDATION, Predictions
from karyocyte.runs.run import Run


def figures(runs: LabelledRuns, result: EvaluationResult) -> Findings:
    """Return the figures of any evaluation; curves are those of the logs in the folder."""
    drawn: dict[str, Drawing] = {"learning_curves": plots.learning_curves}
    if result.test.images:
        drawn["confusion_matrix"] = plots.confusion_matrix
    if result.metrics["auc"].value is not None:
        drawn["roc"] = partial(plots.roc, test=runs.test, train=runs.train, rules=baselines_of(runs))
    return Findings(figures=drawn)


# What is evaluated, written and drawn beside the metrics, in this order; those of packages are between the two.
FIRST_SECTIONS: tuple[Section, ...] = (figures, baseline)
SECTIONS: tuple[Section, ...] = (by_subject, subgroups, calibration, referral, votes)


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
    for section in chain(FIRST_SECTIONS, added_sections(runs.settings), SECTIONS, own_sections(runs.settings)):
        findings = section(runs, result)
        figures, confusions = result.figures | findings.metrics, result.confusions | findings.confusions
        result = replace(result, figures=figures, confusions=confusions, **findings.fields)
        warnings += findings.warnings
        evaluation.tables.update(findings.tables)
        evaluation.figures.update(findings.figures)
    return replace(evaluation, result=replace(result, warnings=warnings))


def evaluate_parts(runs: LabelledRuns) -> EvaluationResult:
    """Evaluate every metric of each part, without the sections."""
    settings = runs.settings
    figures: Figures = {}
    thresholds = None  # of each image that of its fold
    if None not in runs.thresholds:
        thresholds = np.repeat(np.array(runs.thresholds, dtype=np.float64), runs.sizes)
    test = _part(runs.test, thresholds)
    figures |= _figures(TEST, runs.test, thresholds, settings)
    warnings = leakage(runs.pooled.about) + part_warnings(TEST, test, figures[TEST, Kind.AT_HALF])
    validation = None
    if len(runs.folds) == 1:
        images = runs.folds[0].validation
        validation = _part(images, runs.thresholds[0])
        figures |= _figures(VALIDATION, images, runs.thresholds[0], settings)
        warnings += part_warnings(VALIDATION, validation, figures[VALIDATION, Kind.AT_HALF])
    else:
        figures |= _fold_figures(runs)
    return EvaluationResult(
        about=runs.pooled.about,
        classes=list(runs.test.classes),
        positive_class=runs.pooled.positive_class,
        settings=settings.model_dump(mode="json", exclude={"extra"}),
        thresholds=[fold.threshold for fold in runs.folds],
        test=test,
        validation=validation,
        figures=figures,
        warnings=warnings,
    )


def _part(labelled: LabelledPredictions, threshold: Threshold | None) -> PartResult:
    """Count the images of one part, and their predictions at 0.5 and at a threshold (None: there is none)."""
    positive = labelled.positive_index
    matrices = []
    for cut in [0.5] if threshold is None or positive is None else [0.5, threshold]:
        called = call(labelled.probabilities, positive, cut)
        matrices.append(confusion(labelled.labels, called, len(labelled.classes)).tolist())
    return PartResult(
        images=len(labelled.labels),
        unlabelled=labelled.unlabelled,
        subjects=labelled.subjects,
        drawn=labelled.drawn,
        class_counts=labelled.count_images(),
        class_subjects=labelled.count_clusters() if labelled.drawn == "subjects" else None,
        confusion=matrices[0],
        confusion_at_threshold=matrices[1] if matrices[1:] else None,
    )


def _figures(
    part: str, labelled: LabelledPredictions, threshold: Threshold | None, settings: EvaluationConfig
) -> Figures:
    """Return the metrics of the images of one part, at 0.5 and at a threshold."""
    figures: Figures = {(part, Kind.AT_HALF): intervals(labelled, settings)}
    if threshold is not None and labelled.positive_index is not None:
        figures[part, Kind.AT_THRESHOLD] = intervals(labelled, settings, threshold)
    return figures


def _fold_figures(runs: LabelledRuns) -> Figures:
    """Return the plain metrics of each fold, and their means with intervals, at 0.5 and at the folds' thresholds."""
    from karyocyte.evaluation.intervals.folds import fold_mean_intervals  # here: a training evaluates one run

    figures: Figures = {}
    halves: list[float | None] = [0.5] * len(runs.folds)
    sections = {Kind.AT_HALF: halves, Kind.AT_THRESHOLD: runs.thresholds}
    for section, thresholds in sections.items():
        known = [value for value in thresholds if value is not None]
        for number, (fold, value) in enumerate(zip(runs.folds, thresholds, strict=True)):
            if value is not None:
                values = evaluate(fold.test, value)
                figures[f"fold {number}", section] = {name: Interval(each) for name, each in values.items()}
        if len(known) == len(runs.folds):
            figures[FOLD_MEAN, section] = fold_mean_intervals(runs.test, runs.sizes, known, runs.settings)
    return figures


def write_evaluation(
    folder: Path, predictions: Predictions, settings: EvaluationConfig, train: Predictions | None = None
) -> EvaluationResult:
    """Evaluate a run by its validation and test images, and those of ``train``, and write its files."""
    evaluation = evaluate_labelled(LabelledRuns.of([predictions], settings, [train]))
    write_files(folder, evaluation)
    return evaluation.result


def write_files(folder: Path, evaluation: Evaluation) -> None:
    """Write ``metrics.json``, its table as ``metrics.csv``, other tables and the figures, each whole or absent."""
    figures = pd.DataFrame(rows_of_figures(evaluation.result.figures))
    for name, rows in {"metrics": figures, **evaluation.tables}.items():
        write_csv(folder / f"{name}.csv", rows, "%.6f")
    run = Run(folder)
    run.record_made(*draw_figures(folder, evaluation))
    run.write_json(RunFile.METRICS, evaluation.result.to_dict())


def draw_figures(folder: Path, evaluation: Evaluation) -> list[Path]:
    """Draw the figures for which there are images or logs, and return their files."""
    files = {folder / f"{name}.png": draw for name, draw in evaluation.figures.items()}
    for file, draw in files.items():
        draw(file, evaluation.result)
    return list(filter(Path.is_file, files))
