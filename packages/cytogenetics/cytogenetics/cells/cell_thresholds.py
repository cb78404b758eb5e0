"""Above what cells are referred: as the user says, or chosen on the validation cells of runs."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from cytogenetics.cells.assignment import of_cells, refusal
from cytogenetics.cells.cell_referral import assess_cells, choose_cell_thresholds
from cytogenetics.cells.cell_settings import KaryotypeConfig, NamingSettings
from cytogenetics.cells.temperatures import fit_temperatures, validated
from cytogenetics.karyotypes.referral_thresholds import CellThresholds
from cytogenetics.trained.pictures import BUILT_IN, cell_facts
from karyocyte.inference.models import RunsModel
from karyocyte.runs.files import RunFile
from karyocyte.runs.predictions import OUT_OF_DISTRIBUTION

# Of pictures of metaphases, chosen on 72 validation pictures with earlier networks: of the 20 that are not referred 19
# are wholly right, and with those in models/ 10 of 11 of 60 others. The distance is a quantile of 95 %.
# A case is settled from the probabilities on that `cytogenetics.evidence.cases` chooses, by its number of pictures.
OF_METAPHASES = CellThresholds(expected_wrong=0.35, distance=0.48, settled=(1.0, 0.9986, 0.9975, 0.9975))
OF_OTHER_NETWORKS = (
    "metaphases are referred above thresholds that were chosen with earlier networks of models/, which may not fit "
    "what is named: refer_expected_wrong and refer_distance set others"
)
OF_OTHER_STATISTICS = "metaphases and the settling of their cases were measured without batchnorm=images: leave it out"


def referral_thresholds(model: RunsModel, config: KaryotypeConfig, of_metaphases: bool) -> CellThresholds:
    """Return the thresholds that the user sets, and for the others those of metaphases or of the validation cells."""
    chosen = _chosen_thresholds(model, config, of_metaphases)
    if config.refer_expected_wrong is not None:
        note = chosen.note if of_metaphases else None  # that of metaphases is on all thresholds
        chosen = replace(chosen, expected_wrong=config.refer_expected_wrong, note=note)
    if config.settle_from is not None:
        chosen = replace(chosen, settled=(config.settle_from,))
    return chosen if config.refer_distance is None else replace(chosen, distance=config.refer_distance)


def _chosen_thresholds(model: RunsModel, config: KaryotypeConfig, of_metaphases: bool) -> CellThresholds:
    """Return the thresholds where the user sets none."""
    if of_metaphases:
        is_built_in = Path(model.named).resolve() == BUILT_IN.resolve()
        notes = [] if is_built_in and not (config.detector or config.refiner or config.cutter) else [OF_OTHER_NETWORKS]
        notes += [OF_OTHER_STATISTICS] if config.batchnorm == "images" else []
        kept = replace(OF_METAPHASES, note="; ".join(notes), settled=()) if notes else OF_METAPHASES
    elif facts := cell_facts(model):
        kept = facts.thresholds
    else:
        return choose_on_validation(model, config)
    if config.out_of_distribution != KaryotypeConfig().out_of_distribution:  # distances are in another unit then
        return replace(kept, distance=None)
    return kept


def choose_on_validation(model: RunsModel, config: KaryotypeConfig) -> CellThresholds:
    """Choose thresholds on the validation cells of runs, where none are common on those of each by itself."""
    parts = [of_cells(predictions, "validation") for predictions in validated(model)]
    if reason := refusal(*parts):
        return CellThresholds(note=f"no threshold of referral is chosen, the default holds: {reason}")
    fitted = fit_temperatures(model)
    values = fitted.temperatures if len(parts) == len(model.members) else (fitted.combined,)
    naming = NamingSettings(config, config.refer_below, fitted.balanced)
    distances = validation_distances(model, config.share_of_files)
    cells = []
    for part, temperature in zip(parts, values, strict=True):
        part.frame[OUT_OF_DISTRIBUTION] = float("nan") if distances is None else part.frame["image_id"].map(distances)
        cells.append(assess_cells(part, temperature, naming))
    return choose_cell_thresholds(pd.concat(cells), config.out_of_distribution)


def validation_distances(model: RunsModel, share: float) -> pd.Series | None:
    """Return the mean distances of validation images by ``image_id``; None unless all runs measure them."""
    from lightning_modules.prediction.out_of_distribution import (
        load_out_of_distribution,  # here: a portable model does without it
    )

    scores = []
    for member in model.members:
        path = member.checked(RunFile.OUT_OF_DISTRIBUTION)
        distance, _ = load_out_of_distribution(path, share)
        if distance is None:
            return None
        scores.append(pd.Series(distance.validation, member.predictions.part("validation").frame["image_id"]))
    return pd.concat(scores, axis=1).mean(axis=1)
