"""The temperatures that make the probabilities of a run, or of an ensemble, honest: fitted on validation images."""

from itertools import chain

import numpy as np

from cytogenetics.trained.pictures import Calibration
from karyocyte.common.errors import UserError
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.temperature import fit_temperature
from karyocyte.evaluation.pooling.averaging import Combiner, align, combine
from karyocyte.evaluation.pooling.pooling import is_balanced, merge_facts
from karyocyte.inference.models import RunsModel
from karyocyte.runs.predictions import Predictions


def fit_temperatures(model: RunsModel) -> Calibration:
    """Fit the temperatures of runs, and tell which shares of the classes these have learned.

    Members that share validation images have one temperature together, fitted on those; others, such as the folds of
    an experiment, one each.
    """
    fitted = list(map(_fit, validated(model)))
    temperatures = tuple(temperature for temperature, _ in fitted)
    notes = tuple(dict.fromkeys(chain.from_iterable(of_each for _, of_each in fitted)))
    balanced = is_balanced(merge_facts([member.predictions.about for member in model.members]))
    if len(fitted) < len(model.members):
        return Calibration((1.0,) * len(model.members), temperatures[0], balanced, notes)
    return Calibration(temperatures, 1.0, balanced, notes)


def validated(model: RunsModel) -> list[Predictions]:
    """Return predictions with validation images: one for all members where they share these, else those of each."""
    combined = _combined_predictions(model) if len(model.members) > 1 else None
    return [member.predictions for member in model.members] if combined is None else [combined]


def _combined_predictions(model: RunsModel) -> Predictions | None:
    """Combine the members' predictions as those of new cells are; None where they share no validation images."""
    predictions = [member.predictions for member in model.members]
    try:
        aligned = align(predictions, [str(member.folder) for member in model.members], common=True)
    except UserError:  # they test other images, as folds do
        return None
    if not (aligned[0].frame["part"] == "validation").any():
        return None
    combiner = Combiner("average", np.full(len(aligned), 1 / len(aligned)))
    first = model.runs[0]
    if len(model.runs) == 1 and first.is_ensemble:
        combiner = Combiner.from_dict(first.ensemble.combiner)
    return combine(aligned, combiner.combine, combiner.method)


def _fit(predictions: Predictions) -> tuple[float, tuple[str, ...]]:
    temperature = fit_temperature(score(predictions.part("validation")))
    if temperature.value is None:
        return 1.0, (f"the probabilities are not calibrated: {temperature.reason}",)
    return temperature.value, (f"temperature: {temperature.reason}",) if temperature.reason else ()
