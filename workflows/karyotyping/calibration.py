"""The temperatures that make the probabilities of a run, or of an ensemble, honest: fitted on validation images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.errors import UserError
from common.predictions import Predictions
from common.runs.files import RunFile
from common.runs.run import Run
from evaluation.averaging import Combiner, align, combine
from evaluation.core.labelled import score
from evaluation.uncertainty.calibration import fit_temperature


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

    Members that share validation images have one temperature together, fitted on those; others, such as the folds of
    an experiment, one each.
    """
    combined = _combined(runs, members) if len(members) > 1 else None
    if combined is not None:
        temperature, notes = _fit(combined)
        return Temperatures((1.0,) * len(members), temperature, notes)
    fitted = [_fit(member.predictions) for member in members]
    notes = tuple(dict.fromkeys(note for _, of_member in fitted for note in of_member))
    return Temperatures(tuple(temperature for temperature, _ in fitted), 1.0, notes)


def combiner_of(runs: Sequence[Run]) -> Combiner | None:
    """Return how the one ensemble that is named combines its members; None for runs, which are averaged."""
    if len(runs) == 1 and runs[0].has(RunFile.ENSEMBLE):
        return Combiner.from_dict(runs[0].ensemble.combiner)
    return None


def _combined(runs: Sequence[Run], members: Sequence[Run]) -> Predictions | None:
    """Combine the members' predictions as those of new cells are; None where they share no validation images."""
    predictions = [member.predictions for member in members]
    try:
        aligned = align(predictions, [str(member.folder) for member in members], common=True)
    except UserError:  # they test other images, as folds do
        return None
    if not (aligned[0].frame["part"] == "validation").any():
        return None
    combiner = combiner_of(runs) or Combiner("average", np.full(len(members), 1 / len(members)))
    return combine(aligned, combiner.combine, combiner.method)


def _fit(predictions: Predictions) -> tuple[float, tuple[str, ...]]:
    temperature = fit_temperature(score(predictions.part("validation")))
    if temperature.value is None:
        return 1.0, (f"the probabilities are not calibrated: {temperature.reason}",)
    return temperature.value, (f"temperature: {temperature.reason}",) if temperature.reason else ()
