"""Evaluation of finished runs: one experiment, or several and all pairs of them."""

import re
from collections.abc import Sequence
from pathlib import Path

from common.arguments import existing_predictions
from common.cli import console, heavy_imports
from common.errors import UserError
from common.files import write_csv
from common.predictions import Predictions, read_predictions
from common.runs.run import Run, open_runs
from evaluation.comparison.paired import compare, paired
from evaluation.comparison.pairwise import compare_groups
from evaluation.comparison.tables import comparison_of_groups, difference_table, groups_frame, pairs_frame
from evaluation.departures import departures
from evaluation.evaluate import evaluate_labelled, write_files
from evaluation.intervals.grouping import Group, group_runs
from evaluation.intervals.pooling import pool
from evaluation.labelled_runs import LabelledRuns
from evaluation.results_csv import (
    append_rows,
    read_rows,
    rows_of,
    rows_of_comparison,
    rows_of_matrix,
)
from evaluation.terminal import whole
from workflows.evaluation.request import EvaluateRequest


def evaluate(request: EvaluateRequest) -> None:
    """Evaluate folds of one experiment, or runs of several, print the results and write the files.

    Raises:
        UserError: ``csv`` is no table of results; ``against`` is of other images, or beside several experiments.
    """
    if request.is_external:
        with heavy_imports():
            from workflows.evaluation.external import evaluate_external
        evaluate_external(open_runs(request.runs), request)
        return
    if request.csv:
        read_rows(request.csv)
    files = existing_predictions(request.runs)
    groups = group_runs([_read_part(file, request) for file in files], [str(file.parent) for file in files])
    against = [_read_part(file, request) for file in existing_predictions(request.baseline)]
    _evaluate(groups, against, request)


def _evaluate(groups: list[Group], against: list[Predictions], request: EvaluateRequest) -> None:
    if len(groups) == 1:
        _evaluate_one(groups[0], against, request)
    elif against:
        labels = ", ".join(group.label for group in groups)
        raise UserError(
            f"--against subtracts from one experiment, these are {len(groups)} ({labels}): name one of them"
        )
    else:
        _evaluate_many(groups, request)


def _read_part(file: Path, request: EvaluateRequest) -> Predictions:
    predictions = read_predictions(file)
    if request.part == "test":
        return predictions
    validation = predictions.validation_as_test()
    if not len(validation.frame):
        raise UserError(f"{file} has no validation images: leave --part validation out")
    return validation


def _train_of(group: Group) -> list[Predictions | None]:
    """Return the predictions of training images of each run; None where there are none of these very predictions."""
    of_runs = [Run(Path(folder)).predictions_train for folder in group.names]
    pairs = zip(of_runs, group.runs, strict=True)
    return [train if train and train.about["name"] == run.about.get("name") else None for train, run in pairs]


def _evaluate_one(group: Group, against: list[Predictions], request: EvaluateRequest) -> None:
    settings = request.settings_of(group.runs)
    if against:
        paired(pool(list(group.runs)), pool(against))  # refuses other images before the evaluation, which takes a while
    runs = LabelledRuns.of(group.runs, settings, _train_of(group))
    evaluation = evaluate_labelled(runs)
    result = evaluation.result
    console.print(whole(result))
    rows = rows_of(result, request.label, _departures(group))
    if against:
        comparison = compare(list(group.runs), against, settings)
        console.print(difference_table(comparison))
        rows += rows_of_comparison(comparison, request.label)
    if request.csv:
        append_rows(request.csv, rows)
    if request.output:
        write_files(request.output, evaluation)


def _evaluate_many(groups: list[Group], request: EvaluateRequest) -> None:
    """Evaluate each group as if it were alone, then all pairs of them on the same images."""
    runs = [LabelledRuns.of(group.runs, request.settings_of(group.runs), _train_of(group)) for group in groups]
    evaluations = list(map(evaluate_labelled, runs))
    results = [evaluation.result for evaluation in evaluations]
    matrix = compare_groups(groups, runs[0].settings)
    labels = [group.label for group in groups]
    console.print(comparison_of_groups(labels, results, matrix))
    if request.csv:
        rows = []
        for group, result in zip(groups, results, strict=True):
            label = f"{request.label}: {group.label}" if request.label else group.label
            rows += rows_of(result, label, _departures(group))
        append_rows(request.csv, rows + rows_of_matrix(matrix, request.label))
    if request.output:
        for folder, evaluation in zip(folders(labels), evaluations, strict=True):
            write_files(request.output / folder, evaluation)
        write_csv(request.output / "groups.csv", groups_frame(labels, results), "%.6f")
        write_csv(request.output / "pairs.csv", pairs_frame(matrix), "%.6f")


def _departures(group: Group) -> tuple[str, ...]:
    return departures([Run(Path(name)) for name in group.names])


def folders(labels: Sequence[str]) -> list[str]:
    """Return a folder's name for each label: letters, digits and ``.=-``, and no two the same."""
    names: list[str] = []
    for label in labels:
        plain = re.sub(r"[^\w.=-]+", "_", label).strip("._") or "group"
        name = plain
        number = 2
        while name in names:
            name = f"{plain}_{number}"
            number += 1
        names.append(name)
    return names
