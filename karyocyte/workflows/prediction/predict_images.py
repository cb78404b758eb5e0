"""Prediction of image files that are not part of a data set: the work of scripts/predict.py."""

import os
import shlex
from collections.abc import Collection
from itertools import chain
from pathlib import Path

import pandas as pd

from datamodules.inference.image_files import find_image_files
from datamodules.io.decode import note_lines
from datamodules.io.folder_content import describe_others
from datamodules.io.progress import progress_bar
from karyocyte.common.cli import console, say, warn
from karyocyte.common.files import atomic_path, write_csv
from karyocyte.common.locks import file_lock
from karyocyte.common.text import class_sizes
from karyocyte.evaluation.pooling.predicted_table import PredictedFacts, write_predicted
from karyocyte.evaluation.referral.choices import ReviewThresholds, cut_notes
from karyocyte.evaluation.referral.new_images import doubtful_first, is_out_of_distribution, rule_lines, select_rules
from karyocyte.inference.failed_reader import sentence
from karyocyte.inference.models import RunsModel
from karyocyte.inference.networks import load_networks
from karyocyte.runs.predictions import OUT_OF_DISTRIBUTION
from karyocyte.workflows.prediction.files import for_readers, predict_files, reviewed
from karyocyte.workflows.prediction.labels import labels_of
from karyocyte.workflows.prediction.predict_request import PredictRequest

LISTED = 5  # broken files that are listed on the terminal


def predict_images(request: PredictRequest) -> None:
    """Predict the classes of image files; write the table, and print a summary.

    Raises:
        UserError: There are no images, or a rule is not possible.
    """
    model = request.model
    facts = model.facts
    thresholds = model.thresholds
    cache_dir = Path(request.settings.cache_dir or facts.cache_dir)
    images = find_image_files(request.places, cache_dir, console.is_terminal, request.settings.follow_links)
    labels = labels_of(images.files, facts.classes)  # a wrong table is refused before the work
    rules = select_rules(thresholds, request.settings.rules)
    warnings = [*facts.warnings, *_scale_warnings(model), *thresholds.notes, *_cut_notes(thresholds, rules)]
    warn(*warnings)
    networks = load_networks(model, request.options)
    for note in dict.fromkeys(chain.from_iterable(network.notes for network in networks)):
        say(note)
    with progress_bar(len(images.files) * len(networks), "predicting", True) as advance:
        predictions, files, failed = predict_files(model, networks, images.files, advance)
    if failed:
        warnings.append(sentence(failed))
        warn(warnings[-1])
    # Relative to the table: it stays right where both are moved together.
    files["path"] = [os.path.relpath(path, request.output.absolute().parent) for path in files["path"]]
    table = reviewed(predictions, files, thresholds, rules, failed).join(labels)
    table = table.iloc[doubtful_first(table)].reset_index(drop=True)
    lines = rule_lines(thresholds, rules)
    name = str(predictions.about["name"])
    about = PredictedFacts(
        name=name,
        runs=tuple(dict(facts.preparations)),  # the folders
        classes=facts.classes,
        positive_class=facts.positive_class,
        rules=tuple(lines),
        warnings=tuple(warnings),
        model=None if model.export else model.named,
    )
    with file_lock(request.lock), atomic_path(request.parquet) as parquet:  # a full disk leaves neither table
        request.check_output()  # in the meantime another process may have written there
        request.unfinished.touch()
        write_predicted(parquet, table, about)
        write_csv(request.output, table if request.settings.columns == "all" else for_readers(table), "%.6f")
    request.unfinished.unlink()
    request.lock.unlink(missing_ok=True)
    trained_on = int((table["seen"] == "train").sum())
    if trained_on:
        warn(f"{trained_on:,} of the images are among those trained on")
    lines += summary_lines(table, images.others)
    named = shlex.quote(str(request.parquet))
    if "label" in table:
        lines.append(f"evaluate them: python scripts/evaluate.py {named}")
    lines.append(f"review them: python scripts/review.py {named}")
    say(f"{request.output} and {request.parquet.name}", *lines)


def _cut_notes(thresholds: ReviewThresholds, rules: Collection[str]) -> list[str]:
    if "confidence" in rules and thresholds.confidence and thresholds.accuracy:
        return cut_notes(thresholds.confidence, thresholds.accuracy)
    return []


def _scale_warnings(model: RunsModel) -> list[str]:
    """Return a warning where the scale of a chromosome should come from its cell."""
    for folder, prepare in model.facts.preparations:
        if prepare.scales_by_cell:
            return [
                "prepare.canvas.scale_by=cell: the cell of single files is unknown, so each chromosome is scaled by "
                "its own width, which is less accurate; with a folder per cell use "
                f"python scripts/karyotype.py {shlex.quote(str(folder))} <folder of cells> --output <new folder>"
            ]
    return []


def summary_lines(table: pd.DataFrame, others: dict[str, int]) -> list[str]:
    """Account for every file, in a few lines: those of the table as it is written, and the ``others`` by kind."""
    predicted = table[table["status"] == "predicted"]
    broken = table[table["status"] == "broken"]
    by_class = class_sizes(predicted["prediction"].value_counts().to_dict()) or "none"
    files = len(table) + sum(others.values())
    numbers = f"{len(predicted):,} predicted ({by_class}), {len(broken):,} broken, {describe_others(others)}"
    lines = [f"{files:,} files: {numbers}"]
    lines.extend(f"broken: {row.file}: {row.cause}" for row in broken.head(LISTED).itertuples())
    if len(broken) > LISTED:
        lines.append(f"... and {len(broken) - LISTED:,} more, see the table")
    lines += note_lines(predicted["note"])
    lines.append(f"to be reviewed: {int(predicted['review'].sum()):,} of the predicted")
    if OUT_OF_DISTRIBUTION in table:
        marked = int(is_out_of_distribution(predicted).sum())
        lines.append(f"out of distribution: {marked:,} of the predicted do not look like the training images")
    return lines
