"""Evaluation of finished runs: one experiment, or several and all pairs of them."""

from contextlib import nullcontext
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path

import pandas as pd

from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.cli import console
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_csv
from karyocyte.evaluation.comparison.pairwise import PairwiseComparison, compare_groups
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.pooling.experiments import Group, group_runs
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.pooling import pool
from karyocyte.evaluation.pooling.predicted_table import is_predicted
from karyocyte.evaluation.run.evaluate import evaluate_labelled, write_files
from karyocyte.evaluation.tables.comparison_tables import comparison_of_groups, experiment_rows
from karyocyte.evaluation.tables.terminal import whole
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.runs.arguments import existing_predictions
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import Predictions, read_predictions
from karyocyte.runs.run import Run
from karyocyte.workflows.evaluation.evaluate_request import EvaluateRequest
from karyocyte.workflows.evaluation.predicted_images import labelled_predictions


def evaluate_experiments(request: EvaluateRequest) -> None:
    """Evaluate folds of one experiment, or runs of several, print the results and write the files.

    Raises:
        UserError: Runs cannot be pooled.
    """
    files = existing_predictions(request.paths)
    # A run is named by its folder, a table of other images by itself: no run is around it.
    names = [str(file.parent if file.name == RunFile.PREDICTIONS else file) for file in files]
    runs = [_read_part(file, request) for file in files]
    request.settings.triage.check_votes(any(map(attrgetter("has_passes"), runs)))
    groups = group_runs(runs, names)
    evaluations = []
    for group in groups:
        train = [] if request.group else _train_of(group)
        evaluations.append(evaluate_labelled(LabelledRuns.of(group.runs, request.settings_of(group.runs), train)))
    results = [evaluation.result for evaluation in evaluations]
    with new_whole_folder(request.output) if request.output else nullcontext() as output:
        if len(groups) > 1:
            _compare(groups, results, request, output)
        else:
            console.print(whole(results[0]))
            if output:
                write_files(output, evaluations[0])


def _compare(
    groups: list[Group], results: list[EvaluationResult], request: EvaluateRequest, output: Path | None
) -> None:
    """Compare all pairs of groups on the same images, and write these, the groups' own figures, and the ROC curves."""
    matrix = compare_groups(groups, request.settings_of(groups[0].runs))
    console.print(comparison_of_groups(results, matrix))
    if output:
        write_csv(output / "experiments.csv", experiment_rows(matrix.labels, results), "%.6f")
        if matrix.pairs:
            write_csv(output / "pairs.csv", _pair_rows(matrix), "%.6g")
        curves = {}
        for group, result in zip(groups, results, strict=True):
            if result.metrics["auc"].value is not None:
                curves[group.label] = (result, score(pool(list(group.runs))))
        if curves:
            from karyocyte.evaluation.plots.plots import rocs  # here: matplotlib costs seconds

            rocs(output / "roc.png", curves)


def _pair_rows(comparison: PairwiseComparison) -> pd.DataFrame:
    """Return a row per pair and metric: its difference, first minus second."""
    rows = []
    for pair in comparison.pairs:
        facts = {name: getattr(pair, name) for name in ("first", "second", "images", "subjects")}
        rows += [{**facts, "metric": name, **asdict(difference)} for name, difference in pair.differences.items()]
    return pd.DataFrame(rows)


def _read(file: Path) -> Predictions:
    if is_predicted(file):
        return labelled_predictions(file)
    return Run(file.parent).predictions if file.name == RunFile.PREDICTIONS else read_predictions(file)


def _read_part(file: Path, request: EvaluateRequest) -> Predictions:
    predictions = _read(file)
    if request.part == "validation":
        predictions = predictions.validation_as_test()
        if not len(predictions.frame):
            raise UserError(f"{file} has no validation images: leave --part validation out")
    return predictions.of_group(request.group) if request.group else predictions


def _train_of(group: Group) -> list[Predictions | None]:
    """Return the predictions of training images of each run; None where there are none of these very predictions."""
    found: list[Predictions | None] = []
    for folder, run in zip(group.names, group.runs, strict=True):
        train = Run(Path(folder)).predictions_train
        found.append(train if train and train.about["name"] == run.about.get("name") else None)
    return found
