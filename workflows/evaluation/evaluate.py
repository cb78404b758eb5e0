"""Evaluation of finished runs: one experiment, or several and all pairs of them."""

from pathlib import Path

from common.arguments import existing_predictions
from common.cli import console, heavy_imports
from common.errors import UserError
from common.files import write_csv
from common.predictions import Predictions, read_predictions
from common.runs.run import Run, open_runs
from evaluation.comparison.pairwise import compare_groups
from evaluation.comparison.tables import comparison_of_groups, groups_frame, pairs_frame
from evaluation.departures import departures
from evaluation.evaluate import evaluate_labelled, write_files
from evaluation.intervals.grouping import Group, group_runs
from evaluation.labelled_runs import LabelledRuns
from evaluation.results_csv import (
    append_rows,
    read_rows,
    rows_of,
    rows_of_matrix,
)
from evaluation.terminal import whole
from workflows.evaluation.request import EvaluateRequest


def evaluate(request: EvaluateRequest) -> None:
    """Evaluate folds of one experiment, or runs of several, print the results and write the files.

    Raises:
        UserError: ``csv`` is no table of results, or runs cannot be pooled.
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
    runs = [LabelledRuns.of(group.runs, request.settings_of(group.runs), _train_of(group)) for group in groups]
    if len(groups) == 1:
        _evaluate_one(groups[0], runs[0], request)
    else:
        _evaluate_many(groups, runs, request)


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


def _evaluate_one(group: Group, runs: LabelledRuns, request: EvaluateRequest) -> None:
    evaluation = evaluate_labelled(runs)
    result = evaluation.result
    console.print(whole(result))
    if request.csv:
        append_rows(request.csv, rows_of(result, request.label, _departures(group)))
    if request.output:
        write_files(request.output, evaluation)


def _evaluate_many(groups: list[Group], runs: list[LabelledRuns], request: EvaluateRequest) -> None:
    """Evaluate each group as if it were alone, then all pairs of them on the same images."""
    results = [evaluate_labelled(labelled).result for labelled in runs]
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
        write_csv(request.output / "groups.csv", groups_frame(labels, results), "%.6f")
        write_csv(request.output / "pairs.csv", pairs_frame(matrix), "%.6f")


def _departures(group: Group) -> tuple[str, ...]:
    return departures([Run(Path(name)) for name in group.names])
