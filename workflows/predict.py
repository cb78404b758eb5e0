"""Prediction of image files that are not part of a data set, by a run or by several as an ensemble."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from common.cli import console, say, warn
from common.config.schema import Config
from common.errors import UserError
from common.files import atomic_path
from common.predictions import FACTS, Predictions
from common.runs.files import RunFile
from common.runs.lifecycle import other_revisions
from common.runs.run import Run
from datamodules.inference.image_files import ImageFiles, describe_others, find_image_files
from datamodules.inference.predict_datamodule import PredictDataModule, read_thumbnail
from datamodules.io.progress import LONG
from evaluation.core.warnings import fitted
from evaluation.ensembles.averaging import align, average, combine, stacked
from evaluation.ensembles.methods import Combiner
from evaluation.result import EvaluationResult
from evaluation.uncertainty.contact_sheet import SIDE, draw_contact_sheet, select_rows
from evaluation.uncertainty.flags import (
    BROKEN,
    ReviewThresholds,
    choose_thresholds,
    review_table,
    rule_lines,
    select_rules,
    thresholds_of,
)
from lightning_modules.inference import predict, to_predictions
from lightning_modules.load import load_run
from lightning_modules.mc_dropout import check_dropout
from lightning_modules.trainer import set_up_torch
from workflows.prediction_request import PredictionRequest

# A file in several parts belongs to the first of these.
PARTS = ("train", "validation", "test", "unused")
LISTED = 5  # broken files that are listed on the terminal
COMPOSED_WARNING = (
    "this run learned from karyograms composed of single chromosomes (data.source=composed_karyograms): images from "
    "other sources differ in layout, background and marks, and the run's figures do not hold for them"
)
SYNTHETIC_WARNING = "this run learned from drawn images (SYNTHETIC): its predictions of real ones mean nothing"


@dataclass(frozen=True)
class FilePredictions:
    """Predictions of image files.

    Attributes:
        predictions: A row per readable file, in their order; ``image_id`` is the file's name.
        facts: A row per file: ``file``, ``status`` ("judged" or "broken"), ``cause`` (of the broken), ``sha256`` and
            ``seen`` (the part of a run's split that holds the same file; None in none).
    """

    predictions: Predictions
    facts: pd.DataFrame


def predict_images(request: PredictionRequest) -> None:
    """Predict the classes of image files; write the table and the contact sheet, and print a summary.

    Args:
        request: Checked by ``PredictionRequest.check``.

    Raises:
        UserError: There are no images, or none with a label where labels are wanted; a rule is not possible; or see
            ``load_run`` and ``inference.predict``.
    """
    members = request.members
    data = members[0].data
    images = find_image_files(
        request.places, request.cache_dir or Path(members[0].config.cache_dir), console.is_terminal
    )
    labels = images.labels(data.classes) if request.folder_labels else None
    warn(*_run_warnings(members))
    thresholds = review_thresholds(request)
    passes = members[0].config.inference.mc_passes if request.passes is None else request.passes
    rules = select_rules(thresholds, passes > 0 or len(members) > 1, data.positive_class, request.rules)
    result = predict_files(request, images)
    table = join_table(result, review_table(result.predictions, thresholds, rules), labels)
    warn(*thresholds.notes)
    trained_on = int((table["seen"] == "train").sum())
    if trained_on:
        warn(f"{trained_on:,} of the images are among those trained on")
    if request.sheet and len(result.predictions.frame):
        _draw_sheet(request.sheet, table, images, result.predictions.about)
    write_tables(request, table)
    title = f"{request.output} and {request.parquet.name}"
    say(title, *rule_lines(thresholds, rules, data.positive_class), *summary_lines(table, images))


def predict_files(request: PredictionRequest, images: ImageFiles) -> FilePredictions:
    """Predict the files by each member, prepared like its own images; several members have one vote each.

    Raises:
        UserError: See ``load_run`` and ``inference.predict``.
    """
    members = request.members
    passes = 0 if len(members) > 1 else request.passes
    set_up_torch()
    predictions = []
    causes: dict[int, str] = {}
    hashes: dict[int, str] = {}
    for member in members:
        of_member, data = _predict_member(member, images, passes)
        predictions.append(of_member)
        # The first member's cause is reported.
        causes = {**data.causes, **causes}
        hashes = {**data.hashes, **hashes}
    readable = [file.name for row, file in enumerate(images.files) if row not in causes]
    of_readable = [_select(of_member, readable) for of_member in predictions]
    return FilePredictions(_combine(of_readable, request), _facts(images, causes, hashes, members))


def review_thresholds(request: PredictionRequest) -> ReviewThresholds:
    """Return the thresholds of the one run or ensemble; several runs are averaged, and choose new ones."""
    members = request.members
    run = request.runs[0]
    if len(request.runs) == 1 and run.metrics:
        result = EvaluationResult.from_dict(run.metrics)
        thresholds = thresholds_of(result)
        return replace(thresholds, notes=(*thresholds.notes, *fitted(result.about)))
    settings = members[0].config.evaluation
    if len(members) == 1:
        return choose_thresholds(members[0].predictions, settings)
    predictions = [member.predictions for member in members]
    try:
        return choose_thresholds(average(predictions, _names(members)), settings)
    except UserError as error:  # such as the folds of an experiment: they have no validation image in common
        note = f"the members share no validation part, so no threshold, temperature or release is chosen: {error}"
        return ReviewThresholds(settings.triage.vote_share, notes=(note,))


def join_table(result: FilePredictions, review: pd.DataFrame, labels: Sequence[str | None] | None) -> pd.DataFrame:
    """Return a row per file: its facts, its label if given, and the columns of ``flags.review_table``.

    Broken files are to be reviewed as well.
    """
    facts = result.facts
    if labels is not None:
        facts = facts.assign(label=list(labels))
    review = review.assign(file=result.predictions.frame["image_id"].to_numpy())
    table = facts.merge(review, on="file", how="left", validate="one_to_one")
    broken = table["status"] == "broken"
    table["review"] = table["review"].astype(object).where(~broken, True).astype(bool)
    table["reason"] = table["reason"].astype(object).where(~broken, BROKEN)
    last = ["seen", "sha256"]
    return table[[name for name in table.columns if name not in last] + last]


def write_tables(request: PredictionRequest, table: pd.DataFrame) -> None:
    """Write the table as CSV and as parquet, both or none."""
    with ExitStack() as stack:
        parquet = stack.enter_context(atomic_path(request.parquet))
        csv = stack.enter_context(atomic_path(request.output))
        table.to_csv(csv, index=False, float_format="%.6f")
        table.to_parquet(parquet, index=False)


def _draw_sheet(path: Path, table: pd.DataFrame, images: ImageFiles, about: dict[str, Any]) -> None:
    predicted = table[table["status"] == "judged"].reset_index(drop=True)
    shown = predicted.iloc[select_rows(predicted)]
    files = {file.name: file.path for file in images.files}
    thumbnails = [read_thumbnail(files[name], SIDE) for name in shown["file"]]
    draw_contact_sheet(path, shown, thumbnails, about, len(predicted))


def summary_lines(table: pd.DataFrame, images: ImageFiles) -> list[str]:
    """Account for every file, in a few lines."""
    predicted = table[table["status"] == "judged"]
    broken = table[table["status"] == "broken"]
    classes = ", ".join(f"{count:,} {name}" for name, count in predicted["called"].value_counts().items()) or "none"
    files = len(table) + sum(images.others.values())
    numbers = f"{len(predicted):,} predicted ({classes}), {len(broken):,} broken, {describe_others(images.others)}"
    lines = [f"{files:,} files: {numbers}"]
    lines += [f"broken: {row.file}: {row.cause}" for row in broken.head(LISTED).itertuples()]
    if len(broken) > LISTED:
        lines.append(f"... and {len(broken) - LISTED:,} more, see the table")
    lines.append(f"to be reviewed: {int(predicted['review'].sum()):,} of the predicted")
    if "label" in table:
        lines += _accuracy_lines(predicted)
    return lines


def _accuracy_lines(predicted: pd.DataFrame) -> list[str]:
    lines = []
    labelled = predicted[predicted["label"].notna()]
    for column, text in (("called", "at 0.5"), ("called_at_threshold", "at the threshold of validation")):
        if len(labelled) and labelled[column].notna().all():
            correct = labelled[column] == labelled["label"]
            by_class = correct.groupby(labelled["label"])
            each = ", ".join(f"{int(rows.sum())} of {len(rows)} {name}" for name, rows in by_class)
            lines.append(f"correct {text}: {int(correct.sum()):,} of {len(labelled):,} ({each})")
    unlabelled = len(predicted) - len(labelled)
    if unlabelled:
        lines.append(f"{unlabelled:,} of the predicted are in no folder with the name of a class")
    return lines


def _run_warnings(members: Sequence[Run]) -> list[str]:
    """Return warnings of runs that learned from other kinds of images, or were made by other revisions."""
    lines = []
    if any(member.data.source == "composed_karyograms" for member in members):
        lines.append(COMPOSED_WARNING)
    if any(member.data.synthetic for member in members):
        lines.append(SYNTHETIC_WARNING)
    for member in members:
        lines += other_revisions(member.folder)
    return list(dict.fromkeys(lines))


def _predict_member(member: Run, images: ImageFiles, passes: int | None) -> tuple[Predictions, PredictDataModule]:
    run = load_run(member.folder)
    config = _inference_config(run.config, passes, len(images.files))
    if passes and config.inference.mc_passes:
        check_dropout(run.classifier, passes, config.prepare.size)
    data = PredictDataModule([file.path for file in images.files], config.prepare, config.loader.batch_size)
    predicted = predict(run.classifier, data, config)
    assert predicted is not None  # there is one process
    names = [file.name for file in images.files]
    frame = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": names, "path": names})
    source = "SYNTHETIC images" if member.data.synthetic else member.data.source
    about: dict[str, Any] = {"name": config.name, "source": f"trained on {source}", "synthetic": False}
    parts = pd.Series("test", index=frame.index)
    return to_predictions(predicted, frame, parts, run.classes, run.positive_class, about), data


def _inference_config(config: Config, passes: int | None, files: int) -> Config:
    """Return a run's configuration with the requested passes, for the present machine."""
    progress = console.is_terminal or files >= LONG
    trainer = config.trainer.model_copy(update={"accelerator": "auto", "enable_progress_bar": progress})
    inference = config.inference
    if passes is not None:
        inference = inference.model_copy(update={"mc_passes": passes})
    return config.model_copy(update={"trainer": trainer, "inference": inference})


def _select(predictions: Predictions, names: Sequence[str]) -> Predictions:
    frame = predictions.frame[predictions.frame["image_id"].isin(names)].reset_index(drop=True)
    return replace(predictions, frame=frame)


def _combine(predictions: list[Predictions], request: PredictionRequest) -> Predictions:
    if len(predictions) == 1:
        return predictions[0]
    names = _names(request.members)
    run = request.runs[0]
    if len(request.runs) > 1 or not run.has(RunFile.ENSEMBLE):
        return average(predictions, names)
    combiner = Combiner.from_dict(run.ensemble.combiner)
    aligned = align(predictions, names)
    return combine(aligned, combiner.combine(stacked(aligned)), combiner.method)


def _facts(images: ImageFiles, causes: dict[int, str], hashes: dict[int, str], members: Sequence[Run]) -> pd.DataFrame:
    parts: dict[str, str] = {}
    for part in reversed(PARTS):
        for member in members:
            if member.has(RunFile.SPLIT):
                split = member.split
                parts |= dict.fromkeys(split.loc[split["part"] == part, "sha256"], part)
    rows = []
    for row, file in enumerate(images.files):
        status = "broken" if row in causes else "judged"
        digest = hashes.get(row)
        rows.append((file.name, status, causes.get(row), digest, parts.get(digest or "")))
    return pd.DataFrame(rows, columns=["file", "status", "cause", "sha256", "seen"], dtype=object)


def _names(members: Sequence[Run]) -> list[str]:
    return [str(member.folder) for member in members]
