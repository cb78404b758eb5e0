"""Prediction of image files that are not part of a data set, by a run or by several as an ensemble."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from common.cli import console, say, warn
from common.config.defaults import layered_value
from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.revision import revision
from common.runs.files import PortableFile, RunFile
from common.runs.portable import REMEDY, PortableModel
from common.runs.run import Run
from datamodules.inference.image_files import ImageFiles, find_image_files
from evaluation.averaging import average
from evaluation.core.warnings import fitted
from evaluation.labelled_runs import LabelledFold
from evaluation.predicted_table import PredictedFacts
from evaluation.result import EvaluationResult
from evaluation.uncertainty.flags import (
    ReviewThresholds,
    choose_thresholds,
    rule_lines,
    select_rules,
    thresholds_of,
)
from evaluation.uncertainty.referral import choose_referral, cut_notes
from workflows.members import run_warnings, source_warnings
from workflows.predict_request import PredictRequest
from workflows.prediction.chunk import ChunkPredictor, MemberPredictor
from workflows.prediction.parts import open_parts
from workflows.prediction.portable import load_portable
from workflows.prediction.summary import read_summary, summary_lines
from workflows.prediction.table import TableWriter


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
    settings = request.settings
    model = _portable_facts(request.portable) if request.portable else _facts_of_runs(request)
    images = find_image_files(request.places, Path(settings.cache_dir or model.cache_dir), console.is_terminal)
    if settings.labels:
        images.check_labels(model.classes)
    warn(*model.warnings)
    rules = select_rules(model.thresholds, model.votes, model.positive_class, settings.rules)
    members = _load_members(request, images)
    predictor = ChunkPredictor(request, members, model.classes, model.thresholds, rules)
    notes = _notes(model.thresholds, rules)
    warn(*notes)
    lines = rule_lines(model.thresholds, rules, model.positive_class)
    facts = PredictedFacts(
        name="",  # that of the predictions, once there are some
        runs=model.folders,
        classes=model.classes,
        positive_class=model.positive_class,
        rules=tuple(lines),
        warnings=(*model.warnings, *notes),
    )
    with open_parts(request.parts, _identity(request, model, rules, members)) as parts:
        request.check_outputs()  # again: another process may have finished in the meantime
        TableWriter(request, predictor, images.files, parts).write(facts)
    summary = read_summary(request.parquet)
    trained_on = int((summary["seen"] == "train").sum())
    if trained_on:
        warn(f"{trained_on:,} of the images are among those trained on")
    title = f"{request.output} and {request.parquet.name}"
    lines += summary_lines(summary, request.parquet, images.others)
    say(title, *lines, f"a page of them: python scripts/report.py {request.parquet}")


def _load_members(request: PredictRequest, images: ImageFiles) -> Sequence[MemberPredictor]:
    if request.portable:
        return load_portable(request.portable, request.settings.runtime, request.settings.batchnorm, images.files)
    from workflows.prediction.runs import load_runs  # here: a portable model needs no torch

    return load_runs(request, images.files)


def _notes(thresholds: ReviewThresholds, rules: Sequence[str]) -> list[str]:
    """Return what limits the thresholds, in sentences."""
    notes = list(thresholds.notes)
    if "confidence" in rules and thresholds.confidence and thresholds.accuracy:
        notes += cut_notes(thresholds.confidence, thresholds.accuracy)
    return notes


def _identity(
    request: PredictRequest, model: ModelFacts, rules: Sequence[str], members: Sequence[MemberPredictor]
) -> dict[str, Any]:
    """Return what the predictions of a file depend on besides the file, JSON-able; the keys are those of a message."""
    combiner = request.portable.description.combiner if request.portable else None
    if len(request.runs) == 1 and request.runs[0].has(RunFile.ENSEMBLE):
        combiner = request.runs[0].ensemble.combiner
    identity = {
        "revision": revision(),
        "models": [member.depends_on() for member in members],
        "combiner": combiner,
        "thresholds": asdict(model.thresholds),
        "rules": list(rules),
        "labels": request.settings.labels,
        "chunk_size": request.settings.chunk_size,
    }
    plain: dict[str, Any] = json.loads(json.dumps(identity))  # as it is read again
    return plain


def _facts_of_runs(request: PredictRequest) -> ModelFacts:
    members = request.members
    config = members[0].config
    passes = config.inference.mc_passes if request.settings.passes is None else request.settings.passes
    return ModelFacts(
        tuple(str(member.folder) for member in members),
        members[0].data.classes,
        members[0].data.positive_class,
        Path(config.cache_dir),
        votes=passes > 0 or len(members) > 1,
        warnings=(*run_warnings(members), *_scale_warnings(members)),
        thresholds=review_thresholds(request.runs, members, request.settings.accuracy),
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
        thresholds=_portable_thresholds(model),
    )


def _portable_thresholds(model: PortableModel) -> ReviewThresholds:
    try:
        return TypeAdapter(ReviewThresholds).validate_python(model.description.thresholds)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("thresholds", *first["loc"])))
        raise UserError(f"{model.folder / PortableFile.MODEL}: {place}: {first['msg']}: {REMEDY}") from error


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
