"""The temperatures of runs and ensembles."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cytogenetics.cells.temperatures import fit_temperatures
from karyocyte.evaluation.pooling.averaging import Combiner, align, combine
from karyocyte.inference.models import RunsModel
from karyocyte.runs.ensemble import EnsembleFile, write_ensemble
from karyocyte.runs.run import Run
from packages.cytogenetics.tests.cells.cells import make_cells
from tests.helpers.predictions import join


def write_run(folder, power=1.0, seed=0, first=1000):
    """Write the predictions of a run that knows how sure it is, to a power: it is overconfident above 1."""
    validation = make_cells(12, skill=2.0, part="validation", first=first, seed=seed)
    probabilities = validation.probabilities**power
    columns = [f"prob_{name}" for name in validation.classes]
    validation.frame[columns] = probabilities / probabilities.sum(axis=1, keepdims=True)
    run = Run(folder)
    run.write_predictions(join(validation, make_cells(2, seed=99)))
    return run


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_temperature_undoes_overconfidence(tmp_path, power):
    run = write_run(tmp_path, power)
    fitted = fit_temperatures(RunsModel([run]))
    assert fitted.temperatures == pytest.approx((power,), rel=0.15)
    assert fitted.combined == 1.0


def part_of_validation(run, first, last):
    """Keep some of the validation images of a run."""
    predictions = run.predictions
    frame = predictions.frame
    kept = pd.concat([frame[frame["part"] == "validation"][first:last], frame[frame["part"] == "test"]])
    run.write_predictions(replace(predictions, frame=kept))
    return run


def ensemble_of(folder, runs):
    """Write the folder of an average, as scripts/ensemble.py --common does."""
    names = [str(run.folder) for run in runs]
    combiner = Combiner("average", np.full(len(runs), 1 / len(runs)))
    ensemble = Run(folder)
    aligned = align([run.predictions for run in runs], names, common=True)
    ensemble.write_predictions(combine(aligned, combiner.combine))
    write_ensemble(ensemble.folder, EnsembleFile("average", tuple(names), tuple(names), combiner.as_dict()))
    return ensemble


def test_members_with_common_validation_images_are_calibrated_together(tmp_path):
    runs = [write_run(tmp_path / str(power), power) for power in (2.0, 3.0)]
    fitted = fit_temperatures(RunsModel(runs))
    assert fitted.temperatures == (1.0, 1.0)
    assert fit_temperatures(RunsModel([ensemble_of(tmp_path / "ensemble", runs)])) == fitted
    assert 1.5 < fitted.combined < 3.0


def test_members_without_a_common_validation_image_are_calibrated_each(tmp_path):
    runs = [write_run(tmp_path / str(power), power) for power in (0.5, 2.0)]
    runs = [part_of_validation(runs[0], 0, 276), part_of_validation(runs[1], 276, None)]
    fitted = fit_temperatures(RunsModel([ensemble_of(tmp_path / "ensemble", runs)]))
    assert fitted.temperatures == pytest.approx((0.5, 2.0), rel=0.3)
    assert fitted.combined == 1.0


def test_a_run_without_validation_images_is_not_calibrated(tmp_path):
    run = Run(tmp_path)
    run.write_predictions(make_cells(2))
    fitted = fit_temperatures(RunsModel([run]))
    assert fitted.temperatures == (1.0,)
    assert len(fitted.notes) == 1
    assert np.isfinite(fitted.combined)
