"""The temperatures that make the probabilities of a run, or of an ensemble, honest: fitted on validation images."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import UserError
from common.predictions import Predictions
from common.runs.files import RunFile
from common.runs.run import Run
from evaluation.core.labelled import score
from evaluation.cytogenetics.cell_posteriors import temperature_of_chromosomes
from evaluation.ensembles.averaging import align, average, combine
from evaluation.ensembles.methods import Combiner


@dataclass(frozen=True)
class Temperatures:
    """Divisors of log-probabilities: of each member before they are combined, and of what they are combined to.

    ``notes`` say what limits them.
    """

    members: tuple[float, ...]
    combined: float
    notes: tuple[str, ...] = ()


def fit_temperatures(runs: Sequence[Run], members: Sequence[Run]) -> Temperatures:
    """Fit the temperatures of ``runs``, for which ``members`` stand.

    Members that share their validation images have one temperature together; others, such as the folds of an
    experiment, one each.
    """
    plain = (1.0,) * len(members)
    if len(members) > 1:
        try:
            combined, notes = _fit(_combined(runs, members))
        except UserError:  # the members share no validation images, which those of a fitted ensemble do
            if _is_fitted_ensemble(runs):
                raise
        else:
            return Temperatures(plain, combined, notes)
    fitted = [_fit(member.predictions.evidence) for member in members]
    notes = tuple(dict.fromkeys(note for _, of_member in fitted for note in of_member))
    return Temperatures(tuple(temperature for temperature, _ in fitted), 1.0, notes)


def _is_fitted_ensemble(runs: Sequence[Run]) -> bool:
    return len(runs) == 1 and runs[0].has(RunFile.ENSEMBLE)


def _combined(runs: Sequence[Run], members: Sequence[Run]) -> Predictions:
    """The predictions of the ensemble, combined as those of new cells are."""
    predictions = [member.predictions.evidence for member in members]
    names = [str(member.folder) for member in members]
    if not _is_fitted_ensemble(runs):
        return average(predictions, names)
    combiner = Combiner.from_dict(runs[0].ensemble.combiner)
    aligned = align(predictions, names)
    return combine(aligned, combiner.combine, combiner.method)


def _fit(predictions: Predictions) -> tuple[float, tuple[str, ...]]:
    temperature = temperature_of_chromosomes(score(predictions.part("validation")))
    if temperature.value is None:
        return 1.0, (f"the probabilities are not calibrated: {temperature.reason}",)
    return temperature.value, (f"temperature: {temperature.reason}",) if temperature.reason else ()
