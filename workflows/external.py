"""Evaluation of runs on another data set (scripts/evaluate.py --on); the result is a folder like a run's."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from common.cli import console, say, warn
from common.config.compose import compose_config
from common.config.schema import Config, EvaluationConfig
from common.errors import UserError
from common.files import write_csv
from common.predictions import Predictions
from common.runs.run import Run
from datamodules.inference.external_datamodule import scan_external
from datamodules.sources._published import is_incomplete
from evaluation.comparison.class_mapping import parse_map
from evaluation.comparison.external import beside, beside_table, is_compared
from evaluation.comparison.submission import image_numbers, parse_codes, submission_lines, write_submission
from evaluation.ensembles.averaging import average
from evaluation.evaluate import evaluate_runs
from evaluation.metrics.classification import call
from evaluation.results_csv import append_rows, read_rows, rows_of
from lightning_modules.trainer import set_up_torch
from workflows.external_request import ExternalRequest
from workflows.external_run import ExternalDataset, ExternalPredictions, finish_folder, predict_external, write_folder

Settings = Callable[[list[Predictions]], EvaluationConfig]
MEANS = ("auc", "accuracy", "f1_weighted")


def evaluate_external(runs: Sequence[Run], request: ExternalRequest, settings_of: Settings) -> None:
    """Predict another data set by each run, print the metrics beside those of the run itself, and write the results.

    Folds of one experiment predict the same images, so each run is evaluated alone; ``scripts/ensemble.py`` combines
    the results.

    Args:
        runs: Finished runs.
        request: Checked by ``ExternalRequest.check``.
        settings_of: Returns the settings of the evaluation of given predictions.

    Raises:
        UserError: The data set or its classes do not fit, no image is left, or no submission is possible.
    """
    if request.csv:
        read_rows(request.csv)
    dataset = read_dataset(request, runs[0])
    set_up_torch()
    folders = request.folders(runs)
    results = []
    for number, run in enumerate(runs):
        results.append(predict_external(run, folders[number] if folders else run.folder, dataset))
    if request.submission:
        _submit(results, request.submission, request.codes)
    tables = []
    for result, folder in zip(results, folders, strict=False):  # none without --output
        tables.append(_report(result, folder, request, settings_of))
    if len(tables) > 1:
        _print_means(tables)


def read_dataset(request: ExternalRequest, run: Run) -> ExternalDataset:
    """Scan the other data set; ``run`` has the positive class, and the cache.

    Raises:
        UserError: The data set cannot be read; no image has a label and there is no submission; or some images of a
            submission are missing.
    """
    class_map = parse_map(request.class_map)
    positive_class = str(run.data.positive_class)
    positive = [name for name, own_name in class_map.items() if own_name == positive_class]
    scanned, config = scan_external(_compose(request, run.config), [*positive, positive_class], console.is_terminal)
    say(f"{scanned.source}: {len(scanned.frame):,} images in {scanned.root}", *scanned.remarks)
    if request.submission:
        # Whether a submission is possible is checked before the prediction, which takes long.
        incomplete = [note for note in scanned.notes if is_incomplete(note)]
        if incomplete:
            raise UserError(f"{request.submission}: {incomplete[0]}: a submission has a line per image, add them all")
        image_numbers(scanned.frame["path"])
        parse_codes(request.codes, run.data.classes, run.data.positive_class)
    elif scanned.frame["label"].isna().all():
        raise UserError("no image of the other data set has a label, so there is no metric: add --submission FILE")
    name = scanned.source
    if config.data_dir is not None and not scanned.synthetic:
        name = Path(config.data_dir).resolve().name.removesuffix(".zip")
    return ExternalDataset(name, scanned, config, class_map, unlabelled=request.submission is not None)


def _compose(request: ExternalRequest, own: Config) -> Config:
    """Return the configuration of the other data set; its cache is the run's by default."""
    config = compose_config(list(request.on))
    if "cache_dir" in request.keys:
        return config
    return config.model_copy(update={"cache_dir": own.cache_dir})


def _report(result: ExternalPredictions, folder: Path, request: ExternalRequest, settings_of: Settings) -> pd.DataFrame:
    """Write one run's folder and rows, print its metrics and return them."""
    own = result.run.predictions
    inside = evaluate_runs([own], settings_of([own]))
    outside = write_folder(result, folder, settings_of([result.predictions]))
    frame = beside(inside, outside)
    write_csv(folder / "inside_outside.csv", frame, "%.6f")
    finish_folder(result, folder)
    facts = result.predictions.about["external"]
    reasons = facts["left_out"]
    left_out = reasons["unlabelled"] + sum(reasons["classes"].values()) + reasons["train"] + reasons["validation"]
    console.print(beside_table(inside, outside))
    warn(*map(str, outside.warnings_except("validation")))
    counts = f"{facts['images']:,} images: {facts['tested']:,} evaluated, {left_out:,} left out"
    say(f"everything is in {folder}", counts)
    if request.csv:
        rows = rows_of(inside, request.label) + rows_of(outside, request.label)
        append_rows(request.csv, [row for row in rows if is_compared(row["metric"])])
    return frame


def _print_means(tables: list[pd.DataFrame]) -> None:
    lines = []
    for metric in MEANS:
        rows = pd.concat([table[table["metric"] == metric] for table in tables])
        means = {side: rows[side].dropna().astype(float).mean() for side in ("inside", "outside")}
        lines.append(f"{metric}: {means['inside']:.3f} inside, {means['outside']:.3f} outside")
    combined = "each run is evaluated alone; for one model of them: scripts/ensemble.py average ... --common"
    say(f"mean over {len(tables)} runs", *lines, combined)


def _submit(results: list[ExternalPredictions], file: Path, pairs: Sequence[str]) -> None:
    """Write the predicted classes at 0.5; those of several runs come from the mean of their probabilities."""
    tests = [result.predictions.part("test") for result in results]
    test = tests[0]
    if len(tests) > 1:
        test = average(tests, [str(result.run.folder) for result in results])
    codes = parse_codes(pairs, test.classes, test.positive_class)
    predicted = [test.classes[index] for index in call(test.probabilities, test.positive_index)]
    write_submission(file, submission_lines(test.frame["path"], predicted, codes))
    counts = ", ".join(f"{predicted.count(name):,} {name} ({codes[name]})" for name in test.classes)
    order = "predicted at 0.5, in the order of the images' numbers"
    say(f"{file}: {len(predicted):,} lines", counts, order)
