"""The thresholds by which a model's predictions of new images are reviewed: those of its validation images."""

from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from karyocyte.common.errors import UserError, first_fault
from karyocyte.evaluation.pooling.averaging import average
from karyocyte.evaluation.referral.choices import ReviewThresholds, choose_review_thresholds, thresholds_of
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.evaluation.types.warnings import fit_warnings
from karyocyte.inference.models import CheckpointModel, Model, RunsModel
from karyocyte.runs.files import PortableFile
from karyocyte.runs.portable import REMEDY


def thresholds_of_model(model: Model) -> ReviewThresholds:
    """Return the thresholds of runs, or those that a portable model was exported with; a checkpoint has none.

    A ``UserError`` says that those of a portable model are damaged.
    """
    if isinstance(model, CheckpointModel):
        return ReviewThresholds()
    if isinstance(model, RunsModel):
        return review_thresholds(model)
    try:
        return TypeAdapter(ReviewThresholds).validate_python(model.description.thresholds)
    except ValidationError as error:
        raise UserError(f"{model.folder / PortableFile.MODEL}: thresholds.{first_fault(error)}: {REMEDY}") from error


def review_thresholds(model: RunsModel) -> ReviewThresholds:
    """Return the thresholds of the one run or ensemble; several runs are averaged, and choose new ones."""
    members = model.members
    settings = members[0].config.evaluation
    if len(model.runs) == 1 and model.runs[0].metrics:
        result = EvaluationResult.from_dict(model.runs[0].metrics)
        thresholds = thresholds_of(result)
        return replace(thresholds, notes=(*thresholds.notes, *fit_warnings(result.about)))
    predictions = [member.predictions for member in members]
    if len(members) == 1:
        return choose_review_thresholds(predictions[0], settings)
    try:
        return choose_review_thresholds(average(predictions, [str(member.folder) for member in members]), settings)
    except UserError as error:  # such as the folds of an experiment: they have no validation image in common
        note = f"the members share no validation part, so no threshold, temperature or cut is chosen: {error}"
        return ReviewThresholds(notes=(note,))
