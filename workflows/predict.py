"""Prediction of image files that are not part of a data set, by a run or by several as an ensemble."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pandas as pd

from common.cli import console, say, warn
from common.config.schema import Config, EvaluationConfig
from common.errors import UserError
from common.files import atomic_path
from common.predictions import FACTS, Predictions
from common.runs.files import RunFile
from common.runs.run import Run
from datamodules.inference.image_files import ImageFiles, describe_others, find_image_files, printable
from datamodules.inference.predict_datamodule import PredictDataModule, read_thumbnail
from datamodules.io.progress import LONG
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
from lightning_modules.inference import predict, to_predictions
from lightning_modules.load import load_run
from lightning_modules.mc_dropout import check_dropout
from lightning_modules.trainer import set_up_torch
from workflows.adaptation import adapt_to, adapts, sample_rows
from workflows.members import run_warnings, seen_parts
from workflows.predict_request import PredictRequest

LISTED = 5  # broken files that are listed on the terminal


def predict_images(request: PredictRequest) -> None:
    """Predict the classes of image files; write the table and the contact sheet, and print a summary.

    Raises:
        UserError: There are no images, or none with a label where labels are wanted; or a rule is not possible.
    """
    members = request.members
    data = members[0].data
    images = find_image_files(
        request.places, request.cache_dir or Path(members[0].config.cache_dir), console.is_terminal
    )
    labels = images.labels(data.classes) if request.labels else None
    limits = [*run_warnings(members), *_scale_warnings(members)]
    warn(*limits)
    thresholds = review_thresholds(request)
    passes = members[0].config.inference.mc_passes if request.passes is None else request.passes
    rules = select_rules(thresholds, passes > 0 or len(members) > 1, data.positive_class, request.rule_names)
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
    lines = rule_lines(thresholds, rules, data.positive_class)
    facts = PredictedFacts(
        name=str(predictions.about["name"]),
        runs=tuple(str(member.folder) for member in members),
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
    members = request.members
    passes = 0 if len(members) > 1 else request.passes
    set_up_torch()
    predictions = []
    causes: dict[int, str] = {}
    hashes: dict[int, str] = {}
    for member in members:
        of_member, data = _predict_member(member, images, passes, request)
        predictions.append(of_member)
        # The first member's cause is reported.
        causes = {**data.batches.causes, **causes}
        hashes = {**data.batches.hashes, **hashes}
    names = pd.Series([file.name for file in images.files], dtype=object)
    cause = pd.Series(causes, names.index, dtype=object)
    sha256 = pd.Series(hashes, names.index, dtype=object)
    files = pd.DataFrame({"file": names, "status": "predicted", "cause": cause, "seen": None, "sha256": sha256})
    files["path"] = [printable(str(file.path.absolute())) for file in images.files]
    files = files.astype(object).where(files.notna(), None)
    files.loc[cause.notna(), "status"] = "broken"
    parts = seen_parts(members)
    files["seen"] = [parts.get(digest) for digest in files["sha256"]]

    readable = []
    for of_member in predictions:
        frame = of_member.frame[of_member.frame["image_id"].isin(names[cause.isna()])]
        readable.append(replace(of_member, frame=frame.reset_index(drop=True)))
    return _combine(readable, request), files


def _predict_member(
    member: Run, images: ImageFiles, passes: int | None, request: PredictRequest
) -> tuple[Predictions, PredictDataModule]:
    run = load_run(member.folder)
    config = for_this_machine(run.config, len(images.files))
    if passes is not None:
        inference = config.inference.model_copy(update={"mc_passes": passes})
        config = config.model_copy(update={"inference": inference})
    if passes and config.inference.mc_passes:
        check_dropout(run.classifier, passes, config.prepare.size)
    data = PredictDataModule([file.path for file in images.files], config.prepare, config.loader.batch_size)
    if adapts(config, request.batchnorm):
        sample = data.batches.prepared(sample_rows(len(images.files)).tolist())
        say(adapt_to(run.classifier, sample).note)
    predicted = predict(run.classifier, data, config)
    assert predicted is not None  # there is one process
    names = [file.name for file in images.files]
    frame = pd.DataFrame({**dict.fromkeys(FACTS), "image_id": names, "path": names})
    source = "SYNTHETIC images" if member.data.synthetic else member.data.source
    about = {"name": config.name, "source": f"trained on {source}", "synthetic": False}
    parts = pd.Series("test", index=frame.index)
    return to_predictions(predicted, frame, parts, run.classes, run.positive_class, about), data


def for_this_machine(config: Config, images: int) -> Config:
    """Return a run's configuration for the prediction of other images on the present machine."""
    progress = console.is_terminal or images >= LONG
    trainer = config.trainer.model_copy(update={"accelerator": "auto", "enable_progress_bar": progress})
    return config.model_copy(update={"trainer": trainer})


def _combine(predictions: list[Predictions], request: PredictRequest) -> Predictions:
    if len(predictions) == 1:
        return predictions[0]
    names = [str(member.folder) for member in request.members]
    run = request.runs[0]
    if len(request.runs) > 1 or not run.has(RunFile.ENSEMBLE):
        return average(predictions, names)
    combiner = Combiner.from_dict(run.ensemble.combiner)
    aligned = align(predictions, names)
    return combine(aligned, combiner.combine, combiner.method)


def review_thresholds(request: PredictRequest) -> ReviewThresholds:
    """Return the thresholds of the one run or ensemble; several runs are averaged, and choose new ones."""
    members = request.members
    run = request.runs[0]
    settings = _with_accuracy(members[0].config.evaluation, request.accuracy)
    if len(request.runs) == 1 and run.metrics:
        result = EvaluationResult.from_dict(run.metrics)
        thresholds = thresholds_of(result)
        thresholds = replace(thresholds, notes=(*thresholds.notes, *fitted(result.about)))
        # Results of earlier revisions have no referral.
        if request.accuracy is not None or (result.referral is None and run.has(RunFile.PREDICTIONS)):
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
