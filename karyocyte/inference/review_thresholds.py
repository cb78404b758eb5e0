"""The thresholds by which a model's predictions of new images are reviewed: those of its validation images."""

from collections.abc import Sequence
from dataclasses import replace

from karyocyte.common.errors import UserError
from karyocyte.evaluation.pooling.averaging import average
from karyocyte.evaluation.referral.choices import ReviewThresholds, choose_review_thresholds, thresholds_of
from karyocyte.evaluation.types.result import EvaluationResult
from karyocyte.evaluation.types.warnings import fit_warnings
from karyocyte.runs.run import Run


def thresholds_of_runs(runs: Sequence[Run], members: Sequence[Run]) -> ReviewThresholds:
    """Return the thresholds of the one run or ensemble; several runs are averaged, and choose new ones."""
    settings = members[0].config.evaluation
    if len(runs) == 1 and runs[0].metrics:
        result = EvaluationResult.from_dict(runs[0].metrics)
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
