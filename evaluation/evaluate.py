"""The judgement of a run: every metric with its interval, as a mapping and as files."""

from pathlib import Path

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from common.files import write_csv, write_json
from common.predictions import Predictions
from evaluation.breakdowns.by_subject import by_subject_table, judge_subjects
from evaluation.breakdowns.operating_points import operating_points, operating_points_table
from evaluation.breakdowns.per_class import per_class, per_kind, per_kind_table
from evaluation.breakdowns.subgroups import subgroup_cautions, subgroups, subgroups_table
from evaluation.core.labelled import LabelledPredictions, cases, score
from evaluation.core.warnings import cautions, cell_cautions, fold_mean_cautions, leakage
from evaluation.cytogenetics.cell_metrics import assigned_table, assignment_cautions, judge_cells
from evaluation.error_analysis.misclassified import wrong_cases
from evaluation.intervals.bootstrap import Interval, intervals
from evaluation.intervals.folds import fold_mean_intervals
from evaluation.intervals.pooling import pool
from evaluation.metrics.classification import Threshold, call, confusion, evaluate
from evaluation.metrics.thresholds import OperatingPoint, choose_threshold
from evaluation.uncertainty.calibration import calibration_cautions, judge_calibration
from evaluation.uncertainty.selective import curves
from evaluation.uncertainty.triage import judge_triage, triage_cautions, triage_table


def judge(predictions: Predictions, settings: EvaluationConfig) -> dict:
    """Judge one run: its test images, its validation images, and the threshold that the latter choose.

    Args:
        predictions: Validation and test rows of one run.
        settings: Resamples, confidence, seed, method of the threshold.

    Returns:
        A JSON-able mapping without NaN: ``about``, ``classes``, ``positive_class``, ``settings``, ``threshold`` (an
        ``OperatingPoint``), ``test`` and ``validation`` (see ``judge_part``), ``per_class`` (of the test part, see
        ``per_class.per_class``; None for two classes), ``assignment`` (see ``cells.judge_cells``), what
        ``details.judge_details`` finds, and ``warnings`` (lines for the user).

    Raises:
        UserError: No positive class for two classes, or a probability that is not a number.
    """
    test = score(predictions.part("test"))
    validation = score(predictions.part("validation"))
    point = choose_threshold(validation, settings)
    parts = {
        "test": judge_part(test, point.value, settings),
        "validation": judge_part(validation, point.value, settings),
    }
    cells = _cells([predictions], parts["test"], settings)
    details, limits = judge_details([predictions], test, [point], settings)
    return {
        **_header(predictions, settings),
        "threshold": point.as_dict(),
        **parts,
        **cells,
        **details,
        "warnings": leakage(predictions.about)
        + [line for name, part in parts.items() for line in cautions(name, part)]
        + assignment_cautions([predictions], settings.assignment)
        + cell_cautions(cells["assignment"])
        + limits,
    }


def judge_pooled(runs: list[Predictions], settings: EvaluationConfig) -> dict:
    """Judge the test images of several folds together, each fold at the threshold of its own validation images.

    Returns:
        As ``judge``, without ``validation``; ``threshold`` has the list of the folds' values. Beside it ``folds``: the
        ``metrics`` and ``metrics_at_threshold`` of each run's test part (plain values), and ``fold_means`` with the
        same two keys: the mean over the folds with its interval, of value None where a fold's is undefined.

    Raises:
        UserError: See ``pool`` and ``judge``.
    """
    pooled = pool(runs)
    points = [choose_threshold(score(run.part("validation")), settings) for run in runs]
    folds = [_plain(score(run.part("test")), point) for run, point in zip(runs, points, strict=True)]
    scored = score(pooled)
    test = judge_part(scored, _own_thresholds(runs, points), settings)
    means = _fold_means(scored, runs, points, settings)
    cells = _cells(runs, test, settings)
    details, limits = judge_details(runs, scored, points, settings)
    return {
        **_header(pooled, settings),
        "threshold": {
            "value": [point.value for point in points],
            "method": settings.threshold,
            "reason": next((point.reason for point in points if point.reason), None),
        },
        "test": test,
        "folds": folds,
        "fold_means": means,
        **cells,
        **details,
        "warnings": leakage(pooled.about)
        + cautions("test", test)
        + fold_mean_cautions(means)
        + assignment_cautions(runs, settings.assignment)
        + cell_cautions(cells["assignment"])
        + limits,
    }


def judge_part(scored: LabelledPredictions, threshold: Threshold | None, settings: EvaluationConfig) -> dict:
    """Judge one part.

    Returns:
        ``images`` (labelled ones), ``unlabelled``, ``subjects`` (None where none is known), ``drawn`` (what the
        intervals resample: "subjects", "cells" or "images"), ``class_counts``, ``class_subjects`` (None where no
        subject is known), ``metrics`` (name -> fields of an ``Interval``; two classes called at 0.5,
        more by the most probable one), ``confusion`` (rows the truth, in the order of the classes), and both again
        ``_at_threshold`` (None where there is none).
    """
    at_threshold = threshold is not None and scored.positive_index is not None
    return {
        "images": len(scored.labels),
        "unlabelled": scored.unlabelled,
        "subjects": scored.subjects,
        "drawn": "subjects" if scored.by_subject else "cells" if scored.by_cell else "images",
        "class_counts": scored.count_images(),
        "class_subjects": scored.count_clusters() if scored.by_subject else None,
        "metrics": _as_dicts(intervals(scored, settings)),
        "confusion": _confusion(scored, 0.5),
        "metrics_at_threshold": _as_dicts(intervals(scored, settings, threshold)) if at_threshold else None,
        "confusion_at_threshold": _confusion(scored, threshold) if at_threshold else None,
    }


def judge_runs(runs: list[Predictions], settings: EvaluationConfig) -> dict:
    """Judge one run (see ``judge``) or several folds (see ``judge_pooled``)."""
    if len(runs) == 1:
        return judge(runs[0], settings)
    return judge_pooled(runs, settings)


def write_judgement(
    run_dir: Path, predictions: Predictions, history: pd.DataFrame | None, settings: EvaluationConfig
) -> dict:
    """Judge a run and write its files, see ``write_files``.

    Args:
        run_dir: Where to write; each file is whole or absent.
        predictions: Validation and test rows of the run.
        history: One row per epoch, see ``figures.learning_curves``; ``about`` may name the ``monitor``. None
            or empty: no learning curves.
        settings: See ``judge``.

    Returns:
        The judgement.

    Raises:
        UserError: See ``judge``.
    """
    judgement = judge(predictions, settings)
    write_files(run_dir, judgement, [predictions], settings, history)
    return judgement


def write_files(
    folder: Path,
    judgement: dict,
    runs: list[Predictions],
    settings: EvaluationConfig,
    history: pd.DataFrame | None = None,
) -> None:
    """Write ``metrics.json``, the tables, ``learning_curves.png``, ``confusion_matrix.png``, ``roc.png`` and others.

    ``wrong.csv`` and ``reliability.png`` need labelled test images. More than two classes have a ``per_class.csv``,
    images of known kinds a ``per_kind.csv``, subjects that can be judged as such a ``by_subject.csv``, what divides
    into subgroups a ``subgroups.csv``, two classes an ``operating_points.csv``, a ``triage.csv`` and a
    ``risk_coverage.png``, cells placed jointly an ``assigned.csv`` and a ``confusion_matrix_assigned.png``. Without
    labelled test images there is no confusion matrix, and without test images of every class no ROC; the judgement's
    warnings say so.

    Args:
        folder: Where to write; each file is whole or absent.
        judgement: What ``judge`` or ``judge_pooled`` returns.
        runs: The one run, or the folds, that it judges.
        settings: Of the judgement.
        history: See ``write_judgement``.
    """
    folder = Path(folder)
    for name, rows in _tables(judgement, runs, settings).items():
        write_csv(folder / f"{name}.csv", rows, "%.6f")
    _draw(folder, judgement, runs, history)
    write_json(folder / "metrics.json", judgement)


def _draw(folder: Path, judgement: dict, runs: list[Predictions], history: pd.DataFrame | None) -> None:
    # matplotlib costs seconds that a judgement without files need not spend.
    from evaluation.core import plots as figures
    from evaluation.uncertainty import plots as triage_figures

    if history is not None and len(history):
        figures.learning_curves(folder / "learning_curves.png", history, judgement["about"])
    if judgement["test"]["images"]:
        figures.confusion_matrix(folder / "confusion_matrix.png", judgement)
        triage_figures.reliability(folder / "reliability.png", judgement)
        if judgement["assignment"]:
            figures.assigned_confusion_matrix(folder / "confusion_matrix_assigned.png", judgement)
    if judgement["test"]["metrics"]["auc"]["value"] is not None:
        figures.roc(folder / "roc.png", judgement, score(pool(runs).part("test")))
    if judgement["triage"]:
        found = curves([cases(run.part("test")) for run in runs])
        triage_figures.risk_coverage(folder / "risk_coverage.png", judgement, found)


def _tables(judgement: dict, runs: list[Predictions], settings: EvaluationConfig) -> dict[str, pd.DataFrame]:
    """Return what is written as CSV tables, by their names."""
    found = {"assigned": assigned_table(runs, settings.assignment)}
    if judgement["test"]["images"]:
        found["wrong"] = wrong_cases(pool(runs)).drop(columns="row")
        found["per_class"] = judgement["per_class"] and pd.DataFrame(judgement["per_class"])
    return {name: rows for name, rows in found.items() if rows is not None} | detail_tables(judgement, runs)


def _header(predictions: Predictions, settings: EvaluationConfig) -> dict:
    return {
        "about": predictions.about,
        "classes": list(predictions.classes),
        "positive_class": predictions.positive_class,
        "settings": settings.model_dump(mode="json"),
    }


def _cells(runs: list[Predictions], test: dict, settings: EvaluationConfig) -> dict[str, dict | list[dict] | None]:
    """Judge class by class and cell by cell."""
    assignment = judge_cells(runs, settings)
    classes = list(runs[0].classes)
    assigned = assignment and assignment["confusion"]
    return {
        "per_class": per_class(classes, test["confusion"], assigned) if len(classes) > 2 else None,
        "assignment": assignment,
    }


def _as_dicts(found: dict[str, Interval]) -> dict[str, dict]:
    return {name: interval.as_dict() for name, interval in found.items()}


def _confusion(scored: LabelledPredictions, threshold: Threshold) -> list[list[int]]:
    called = call(scored.probabilities, scored.positive_index, threshold)
    return confusion(scored.labels, called, len(scored.classes)).tolist()


def _own_thresholds(runs: list[Predictions], points: list[OperatingPoint]) -> np.ndarray | None:
    """Return the threshold of each labelled test image, in the order of the pool; None where a fold has none."""
    if any(point.value is None for point in points):
        return None
    images = [len(score(run.part("test")).labels) for run in runs]
    return np.repeat([point.value for point in points], images)


def _plain(test: LabelledPredictions, point: OperatingPoint) -> dict[str, dict | None]:
    def at(threshold: float) -> dict[str, float | None]:
        return evaluate(test.labels, test.probabilities, test.classes, test.positive_index, threshold)

    return {"metrics": at(0.5), "metrics_at_threshold": None if point.value is None else at(point.value)}


def _fold_means(
    pooled: LabelledPredictions, runs: list[Predictions], points: list[OperatingPoint], settings: EvaluationConfig
) -> dict[str, dict | None]:
    sizes = [len(score(run.part("test")).labels) for run in runs]
    own = [point.value for point in points]
    halves = _as_dicts(fold_mean_intervals(pooled, sizes, [0.5] * len(runs), settings))
    if None in own:
        chosen = None
    else:
        chosen = _as_dicts(fold_mean_intervals(pooled, sizes, own, settings))
    return {"metrics": halves, "metrics_at_threshold": chosen}


def judge_details(
    runs: list[Predictions], test: LabelledPredictions, points: list[OperatingPoint], settings: EvaluationConfig
) -> tuple[dict[str, dict | list[dict] | None], list[str]]:
    """Judge everything that is said beside the metrics.

    Args:
        runs: One run, or folds of one experiment.
        test: Their labelled test images, fold after fold.
        points: Each fold's threshold.
        settings: See ``judge.judge``.

    Returns:
        ``per_kind``, ``by_subject``, ``subgroups``, ``operating_points``, ``calibration`` and ``triage`` (see the
        functions of these names, ``judge_...``), and lines that say what limits them.
    """
    calibration = judge_calibration(runs, settings)
    triage = judge_triage(runs, settings)
    groups = subgroups(runs, test, settings)
    found = {
        "per_kind": per_kind(runs, [point.value for point in points], settings.confidence),
        "by_subject": judge_subjects(runs, settings),
        "subgroups": groups,
        "operating_points": operating_points(runs, test, settings),
        "calibration": calibration,
        "triage": triage,
    }
    lines = subgroup_cautions(groups) + calibration_cautions(calibration) + triage_cautions(runs, triage, settings)
    return found, lines


def detail_tables(judgement: dict, runs: list[Predictions]) -> dict[str, pd.DataFrame]:
    """Return what is written of it as CSV tables, by their names; what there is none of is absent."""
    tables = {
        "per_kind": per_kind_table,
        "by_subject": lambda found: by_subject_table(runs, found),
        "subgroups": subgroups_table,
        "operating_points": operating_points_table,
        "triage": triage_table,
    }
    return {name: make(judgement[name]) for name, make in tables.items() if judgement[name]}
