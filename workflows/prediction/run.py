"""Prediction of image files that are not part of a data set: the work of scripts/predict.py."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.cli import console, say, warn
from common.files import write_csv
from common.predictions import Predictions
from common.runs.run import Run
from datamodules.inference.image_batches import read_thumbnail
from datamodules.inference.image_files import ImageFile, find_image_files
from datamodules.io.progress import progress_bar
from evaluation.predicted_table import PredictedFacts, write_predicted
from evaluation.referral.choices import ReviewThresholds, cut_notes
from evaluation.referral.new_images import doubtful_first, rule_lines, select_rules
from workflows.models import RunsModel
from workflows.prediction.files import predict_files, reviewed
from workflows.prediction.request import PredictRequest
from workflows.prediction.sheet import LIMIT, SIDE, draw_contact_sheet
from workflows.prediction.summary import summary_lines
from workflows.thresholds import portable_thresholds, review_thresholds


def predict_images(request: PredictRequest) -> None:
    """Predict the classes of image files; write the table and the contact sheet, and print a summary.

    Raises:
        UserError: There are no images, or none with a label where labels are wanted; or a rule is not possible.
    """
    settings = request.settings
    model = request.model
    thresholds = _thresholds(request)
    images = find_image_files(request.places, Path(settings.cache_dir or model.facts.cache_dir), console.is_terminal)
    if settings.labels:
        images.check_labels(model.facts.classes)
    warnings = [*model.facts.warnings, *_scale_warnings(model.members if isinstance(model, RunsModel) else [])]
    warn(*warnings)
    rules = select_rules(thresholds, _votes(request), model.facts.positive_class, settings.rules)
    networks = model.load(request.options)
    for note in dict.fromkeys(note for network in networks for note in network.notes):
        say(note)
    notes = _notes(thresholds, rules)
    warn(*notes)
    fast = settings.fast_network and isinstance(model, RunsModel)
    with progress_bar(len(images.files) * len(networks), "predicting", True) as advance:
        predictions, files = predict_files(model, networks, images.files, fast, advance)
    if settings.labels:
        files["label"] = pd.Series([file.label(model.facts.classes) for file in images.files], dtype=object)
    table = reviewed(predictions, files, thresholds, rules)
    table = table.iloc[doubtful_first(table)].reset_index(drop=True)
    lines = rule_lines(thresholds, rules, model.facts.positive_class)
    facts = PredictedFacts(
        name=str(predictions.about["name"]),
        runs=model.facts.folders,
        classes=model.facts.classes,
        positive_class=model.facts.positive_class,
        rules=tuple(lines),
        warnings=(*warnings, *notes),
    )
    write_predicted(request.parquet, table, facts)
    write_csv(request.output, table, "%.6f")
    if request.sheet:
        _draw_sheet(request.sheet, table, images.files, predictions)
    trained_on = int((table["seen"] == "train").sum())
    if trained_on:
        warn(f"{trained_on:,} of the images are among those trained on")
    lines += summary_lines(table, len(model.facts.classes), images.others)
    say(
        f"{request.output} and {request.parquet.name}",
        *lines,
        f"review them: python scripts/review.py {request.parquet}",
    )


def _thresholds(request: PredictRequest) -> ReviewThresholds:
    model = request.model
    if isinstance(model, RunsModel):
        return review_thresholds(model.runs, model.members, request.settings.accuracy)
    return portable_thresholds(model.model)


def _votes(request: PredictRequest) -> bool:
    """Whether passes or members vote."""
    model = request.model
    if len(model.facts.preparations) > 1 or not isinstance(model, RunsModel):
        return len(model.facts.preparations) > 1
    passes = request.settings.passes
    return bool(model.members[0].config.inference.mc_passes if passes is None else passes)


def _notes(thresholds: ReviewThresholds, rules: Sequence[str]) -> list[str]:
    """Return what limits the thresholds, in sentences."""
    notes = list(thresholds.notes)
    if "confidence" in rules and thresholds.confidence and thresholds.accuracy:
        notes += cut_notes(thresholds.confidence, thresholds.accuracy)
    return notes


def _scale_warnings(members: Sequence[Run]) -> list[str]:
    """Return a warning where the scale of a chromosome should come from its cell."""
    folders = [str(member.folder) for member in members if member.config.prepare.scales_by_cell]
    if not folders:
        return []
    return [
        "prepare.canvas.scale_by=cell: the cell of single files is unknown, so each chromosome is scaled by its own "
        "width, which is less accurate; with a folder per cell use "
        f"python scripts/karyotype.py {folders[0]} <folder of cells> --output <new folder>"
    ]


def _draw_sheet(path: Path, table: pd.DataFrame, files: Sequence[ImageFile], predictions: Predictions) -> None:
    """Draw the most doubtful images of the table; nothing where all files are broken."""
    predicted = table[table["status"] == "predicted"]
    shown = predicted.head(LIMIT)
    if shown.empty:
        return
    # The table's own paths are text, which a path need not be.
    paths = {file.name: file.path for file in files}
    thumbnails = [read_thumbnail(paths[name], SIDE) for name in shown["file"]]
    draw_contact_sheet(path, shown, thumbnails, predictions.about, len(predicted))
