"""Prediction of image files that are not part of a data set, by a run or by several as an ensemble."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from common.cli import console, say, warn
from common.config.defaults import layered_value
from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.files import atomic_path
from common.predictions import Predictions
from common.runs.files import RunFile
from common.runs.portable import PortableModel
from common.runs.run import Run
from datamodules.inference.image_batches import ImageFileBatches, read_thumbnail
from datamodules.inference.image_files import ImageFiles, describe_others, find_image_files, printable
from evaluation.core.warnings import fitted
from evaluation.ensembles.averaging import align, average, combine
from evaluation.ensembles.methods import Combiner
from evaluation.labelled_runs import LabelledFold
from evaluation.predicted_table import PredictedFacts, write_predicted
from evaluation.result import EvaluationResult
from evaluation.uncertainty.flags import (
    BROKEN,
    LIMIT,
    SIDE,
    ReviewThresholds,
    choose_thresholds,
    draw_contact_sheet,
    most_doubtful_first,
    review_table,
    rule_lines,
    select_rules,
    thresholds_of,
)
from evaluation.uncertainty.referral import choose_referral, cut_notes
from workflows.members import run_warnings, seen_parts, source_warnings
from workflows.predict_request import PredictRequest
from workflows.prediction.portable import predict_by_portable

LISTED = 5  # broken files that are listed on the terminal


@dataclass(frozen=True)
class ModelFacts:
    """What the prediction needs to know of the named runs, or of a portable model.

    Attributes:
        folders: Of the members, or of the portable model.
        classes: In the order of the probabilities.
        positive_class: None where there are more than two classes.
        cache_dir: Where zip files are unpacked.
        votes: Whether passes or members vote.
        warnings: For the user.
        thresholds: Of validation.
    """

    folders: tuple[str, ...]
    classes: tuple[str, ...]
    positive_class: str | None
    cache_dir: Path
    votes: bool
    warnings: tuple[str, ...]
    thresholds: ReviewThresholds


def predict_images(request: PredictRequest) -> None:
    """Predict the classes of image files; write the table and the contact sheet, and print a summary.

    Raises:
        UserError: There are no images, or none with a label where labels are wanted; or a rule is not possible.
    """
    model = _portable_facts(request.portable) if request.portable else _facts_of_runs(request)
    images = find_image_files(request.places, request.cache_dir or model.cache_dir, console.is_terminal)
    labels = images.labels(model.classes) if request.labels else None
    limits = list(model.warnings)
    warn(*limits)
    thresholds = model.thresholds
    rules = select_rules(thresholds, model.votes, model.positive_class, request.rule_names)
    predictions, files = predict_files(request, images)
    if labels is not None:
        files = files.assign(label=labels)
    review = review_table(predictions, thresholds, rules)
    table = join_review(files, review.assign(file=predictions.frame["image_id"].to_numpy()))
    notes = []
    if "confidence" in rules and thresholds.confidence and thresholds.accuracy:
        notes = cut_notes(thresholds.confidence, thresholds.accuracy)
    warn(*thresholds.notes, *notes)
    trained_on = int((table["seen"] == "train").sum())
    if trained_on:
        warn(f"{trained_on:,} of the images are among those trained on")
    if request.sheet and len(predictions.frame):
        predicted = table[table["status"] == "predicted"]
        shown = predicted.head(LIMIT)
        paths = {file.name: file.path for file in images.files}
        thumbnails = [read_thumbnail(paths[name], SIDE) for name in shown["file"]]
        draw_contact_sheet(request.sheet, shown, thumbnails, predictions.about, len(predicted))
    lines = rule_lines(thresholds, rules, model.positive_class)
    facts = PredictedFacts(
        name=str(predictions.about["name"]),
        runs=model.folders,
        classes=predictions.classes,
        positive_class=predictions.positive_class,
        rules=tuple(lines),
        warnings=(*limits, *thresholds.notes, *notes),
    )
    with ExitStack() as stack:  # both tables or none
        parquet = stack.enter_context(atomic_path(request.parquet))
        csv = stack.enter_context(atomic_path(request.output))
        table.to_csv(csv, index=False, float_format="%.6f")
        write_predicted(parquet, table, facts)
    title = f"{request.output} and {request.parquet.name}"
    say(title, *lines, *summary_lines(table, images), f"a page of them: python scripts/report.py {request.parquet}")


def _facts_of_runs(request: PredictRequest) -> ModelFacts:
    members = request.members
    config = members[0].config
    passes = config.inference.mc_passes if request.passes is None else request.passes
    return ModelFacts(
        tuple(str(member.folder) for member in members),
        members[0].data.classes,
        members[0].data.positive_class,
        Path(config.cache_dir),
        votes=passes > 0 or len(members) > 1,
        warnings=(*run_warnings(members), *_scale_warnings(members)),
        thresholds=review_thresholds(request.runs, members, request.accuracy),
    )


def _portable_facts(model: PortableModel) -> ModelFacts:
    description = model.description
    training = [member.training for member in description.members]
    return ModelFacts(
        (str(model.folder),),
        description.classes,
        description.positive_class,
        Path(layered_value("cache_dir")),
        votes=len(training) > 1,
        warnings=(*source_warnings(training), *description.notes),
        thresholds=TypeAdapter(ReviewThresholds).validate_python(description.thresholds),
    )


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


def predict_files(request: PredictRequest, images: ImageFiles) -> tuple[Predictions, pd.DataFrame]:
    """Predict the files by each member, prepared like its own images; several members have one vote each.

    Returns:
        A row per readable file, in their order, whose ``image_id`` is the file's name; and a row per file: ``file``,
        ``status`` ("predicted" or "broken"), ``cause`` (of the broken), ``seen`` (the part of a run's split that
        holds the same file; None in none), ``sha256`` and ``path`` (absolute; of a zip file where it is unpacked).
    """
    predictions = []
    causes: dict[int, str] = {}
    hashes: dict[int, str] = {}
    for of_member, batches in _predict_by_members(request, images):
        predictions.append(of_member)
        # The first member's cause is reported.
        causes = {**batches.causes, **causes}
        hashes = {**batches.hashes, **hashes}
    names = pd.Series([file.name for file in images.files], dtype=object)
    cause = pd.Series(causes, names.index, dtype=object)
    sha256 = pd.Series(hashes, names.index, dtype=object)
    files = pd.DataFrame({"file": names, "status": "predicted", "cause": cause, "seen": None, "sha256": sha256})
    files["path"] = [printable(str(file.path.absolute())) for file in images.files]
    files = files.astype(object).where(files.notna(), None)
    files.loc[cause.notna(), "status"] = "broken"
    parts = seen_parts(request.members)
    files["seen"] = [parts.get(digest) for digest in files["sha256"]]

    readable = []
    for of_member in predictions:
        frame = of_member.frame[of_member.frame["image_id"].isin(names[cause.isna()])]
        readable.append(replace(of_member, frame=frame.reset_index(drop=True)))
    return _combine(readable, request), files


def _predict_by_members(request: PredictRequest, images: ImageFiles) -> Iterator[tuple[Predictions, ImageFileBatches]]:
    if request.portable:
        return predict_by_portable(request.portable, images, request.runtime)
    from workflows.prediction.runs import predict_by_runs  # here: a portable model needs no torch

    return predict_by_runs(request, images)


def _combine(predictions: list[Predictions], request: PredictRequest) -> Predictions:
    if len(predictions) == 1:
        return predictions[0]
    if request.portable:
        names = [f"member {position + 1}" for position in range(len(predictions))]
        combiner = request.portable.description.combiner
        return _combined(predictions, names, combiner)
    names = [str(member.folder) for member in request.members]
    run = request.runs[0]
    if len(request.runs) > 1 or not run.has(RunFile.ENSEMBLE):
        return average(predictions, names)
    return _combined(predictions, names, run.ensemble.combiner)


def _combined(predictions: list[Predictions], names: list[str], values: dict[str, Any] | None) -> Predictions:
    """Combine members as the combiner of an ensemble does, or by their mean."""
    if values is None:
        return average(predictions, names)
    combiner = Combiner.from_dict(values)
    return combine(align(predictions, names), combiner.combine, combiner.method)


def review_thresholds(runs: Sequence[Run], members: Sequence[Run], accuracy: float | None = None) -> ReviewThresholds:
    """Return the thresholds of the one run or ensemble; several runs are averaged, and choose new ones.

    Args:
        runs: As they are named.
        members: The runs, with the members of an ensemble in place of its folder.
        accuracy: Target of the images that are not reviewed; None: that of the first member.
    """
    run = runs[0]
    settings = _with_accuracy(members[0].config.evaluation, accuracy)
    if len(runs) == 1 and run.metrics:
        result = EvaluationResult.from_dict(run.metrics)
        thresholds = thresholds_of(result)
        thresholds = replace(thresholds, notes=(*thresholds.notes, *fitted(result.about)))
        # Results of earlier revisions have no referral.
        if accuracy is not None or (result.referral is None and run.has(RunFile.PREDICTIONS)):
            referral = choose_referral(LabelledFold.of(run.predictions, settings))
            thresholds = thresholds.with_referral(referral, settings.triage.accuracy)
        return thresholds
    predictions = [member.predictions for member in members]
    if len(members) == 1:
        return choose_thresholds(predictions[0], settings)
    try:
        return choose_thresholds(average(predictions, [str(member.folder) for member in members]), settings)
    except UserError as error:  # such as the folds of an experiment: they have no validation image in common
        note = f"the members share no validation part, so no threshold, temperature or release is chosen: {error}"
        return ReviewThresholds(settings.triage.vote_share, notes=(note,))


def _with_accuracy(settings: EvaluationConfig, accuracy: float | None) -> EvaluationConfig:
    """Return the settings with another target accuracy of the images that are not reviewed, if one is given."""
    if accuracy is None:
        return settings
    triage = settings.triage.model_copy(update={"accuracy": accuracy})
    return settings.model_copy(update={"triage": triage})


def join_review(files: pd.DataFrame, review: pd.DataFrame) -> pd.DataFrame:
    """Return a row per file with the columns of ``flags.review_table``, the most doubtful images first.

    Broken files are to be reviewed as well; they are last.
    """
    predicted = most_doubtful_first(files.merge(review, on="file", validate="one_to_one"))
    table = pd.concat([predicted, files[files["status"] == "broken"]], ignore_index=True)
    broken = table["status"] == "broken"
    table["review"] = table["review"].astype(object).where(~broken, True).astype(bool)
    table["reason"] = table["reason"].astype(object).where(~broken, BROKEN)
    last = ["seen", "sha256", "path"]
    return table[[name for name in table.columns if name not in last] + last]


def summary_lines(table: pd.DataFrame, images: ImageFiles) -> list[str]:
    """Account for every file, in a few lines."""
    predicted = table[table["status"] == "predicted"]
    broken = table[table["status"] == "broken"]
    classes = (
        ", ".join(f"{count:,} “{name}”" for name, count in predicted["prediction"].value_counts().items()) or "none"
    )
    files = len(table) + sum(images.others.values())
    numbers = f"{len(predicted):,} predicted ({classes}), {len(broken):,} broken, {describe_others(images.others)}"
    lines = [f"{files:,} files: {numbers}"]
    lines += [f"broken: {row.file}: {row.cause}" for row in broken.head(LISTED).itertuples()]
    if len(broken) > LISTED:
        lines.append(f"... and {len(broken) - LISTED:,} more, see the table")
    lines.append(f"to be reviewed: {int(predicted['review'].sum()):,} of the predicted")
    if "label" not in table:
        return lines
    labelled = predicted[predicted["label"].notna()]
    at_half = "correct at 0.5" if len(table.filter(regex="^prob_").columns) == 2 else "correct"
    for column, text in (
        ("prediction", at_half),
        ("prediction_at_threshold", "correct at the threshold of validation"),
    ):
        if len(labelled) and labelled[column].notna().all():
            correct = labelled[column] == labelled["label"]
            by_class = correct.groupby(labelled["label"])
            each = ", ".join(f"{int(rows.sum())} of {len(rows)} “{name}”" for name, rows in by_class)
            lines.append(f"{text}: {int(correct.sum()):,} of {len(labelled):,} ({each})")
    if len(labelled) < len(predicted):
        lines.append(f"{len(predicted) - len(labelled):,} of the predicted are in no folder with the name of a class")
    return lines
