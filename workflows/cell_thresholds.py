"""Above what cells are referred: chosen on the validation cells of runs."""

import pandas as pd

from common.karyotype import CellThresholds
from common.predictions import OUT_OF_DISTRIBUTION
from common.runs.files import RunFile
from evaluation.cells.assignment import of_cells, refusal
from evaluation.cells.cell_referral import assess_cells, choose_thresholds
from workflows.cell_settings import KaryotypeConfig
from workflows.models import RunsModel
from workflows.temperatures import are_balanced, fit_temperatures, validated


def choose_on_validation(
    model: RunsModel, config: KaryotypeConfig, distances: pd.Series | None = None
) -> CellThresholds:
    """Choose thresholds on the validation cells of runs, where none are common on those of each by itself.

    ``distances`` are those of images by their ``image_id``.
    """
    parts = [of_cells(predictions, "validation") for predictions in validated(model)]
    if reason := next(filter(None, map(refusal, parts)), None):
        return CellThresholds(note=f"no threshold of referral is chosen, the default holds: {reason}")
    temperatures = fit_temperatures(model)
    values = temperatures.members if len(parts) == len(model.members) else (temperatures.combined,)
    cells = []
    for part, temperature in zip(parts, values, strict=True):
        part.frame[OUT_OF_DISTRIBUTION] = float("nan") if distances is None else part.frame["image_id"].map(distances)
        cells.append(assess_cells(part, temperature, config, config.refer_below, are_balanced(model)))
    return choose_thresholds(pd.concat(cells), config.out_of_distribution)


def validation_distances(model: RunsModel, share: float) -> pd.Series | None:
    """Return the mean distances of validation images by ``image_id``; None unless all runs measure them."""
    from lightning_modules.out_of_distribution import load_out_of_distribution  # here: a portable model needs no torch

    scores = []
    for member in model.members:
        distance, _ = load_out_of_distribution(member.path(RunFile.OUT_OF_DISTRIBUTION), share)
        if distance is None:
            return None
        scores.append(pd.Series(distance.validation, member.predictions.part("validation").frame["image_id"]))
    return pd.concat(scores, axis=1).mean(axis=1)
