"""The temperatures of runs and ensembles."""

from dataclasses import replace

import numpy as np
import pytest

from common.runs.run import Run
from evaluation.ensembles.averaging import average
from tests.evaluation.cytogenetics.cells import make_cells
from tests.helpers.predictions import join
from workflows.karyotype.calibration import fit_temperatures


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
    temperatures = fit_temperatures([run], [run])
    assert temperatures.members == pytest.approx((power,), rel=0.15)
    assert temperatures.combined == 1.0


def test_members_with_common_validation_images_are_calibrated_together(tmp_path):
    runs = [write_run(tmp_path / str(power), power) for power in (2.0, 3.0)]
    temperatures = fit_temperatures(runs, runs)
    assert temperatures.members == (1.0, 1.0)
    mean = average([run.predictions for run in runs], ["a", "b"])
    ensemble = Run(tmp_path / "ensemble")
    ensemble.write_predictions(replace(mean, about={}))
    assert fit_temperatures([ensemble], runs) == temperatures
    assert 1.5 < temperatures.combined < 3.0


def test_folds_are_calibrated_each_by_its_own(tmp_path):
    runs = [write_run(tmp_path / str(power), power, first=int(power * 1000)) for power in (0.5, 2.0)]
    temperatures = fit_temperatures(runs, runs)
    assert temperatures.members == pytest.approx((0.5, 2.0), rel=0.15)
    assert temperatures.combined == 1.0


def test_a_run_without_validation_images_is_not_calibrated(tmp_path):
    run = Run(tmp_path)
    run.write_predictions(make_cells(2))
    temperatures = fit_temperatures([run], [run])
    assert temperatures.members == (1.0,)
    assert len(temperatures.notes) == 1
    assert np.isfinite(temperatures.combined)
