"""Plots of calibration and triage."""

import numpy as np
import pytest
from PIL import Image

from karyocyte.common.config.schema import EvaluationConfig
from karyocyte.evaluation.evaluate import evaluate_labelled, evaluate_runs, write_files
from karyocyte.evaluation.labelled_runs import LabelledRuns
from karyocyte.evaluation.referral import confidence_plots as plots
from tests.helpers.predictions import make_run, with_passes

SETTINGS = EvaluationConfig(resamples=20)


def is_drawn(path):
    picture = np.asarray(Image.open(path).convert("L"))
    return picture.std() > 10 and min(picture.shape) > 500


@pytest.mark.parametrize(("folds", "passes"), [(1, False), (2, True)])
def test_both_are_drawn(tmp_path, folds, passes):
    runs = [make_run(fold) for fold in range(folds)]
    runs = [with_passes(run) for run in runs] if passes else runs
    write_files(tmp_path, evaluate_labelled(LabelledRuns.of(runs, SETTINGS)))
    assert is_drawn(tmp_path / "reliability.png")
    assert is_drawn(tmp_path / "risk_coverage.png")


def test_many_classes_have_a_reliability_diagram_alone(tmp_path):
    runs = [make_run(classes=tuple("abcdefgh"))]
    write_files(tmp_path, evaluate_labelled(LabelledRuns.of(runs, SETTINGS)))
    assert is_drawn(tmp_path / "reliability.png")
    assert not (tmp_path / "risk_coverage.png").exists()


def test_without_a_temperature_one_side_is_drawn(tmp_path):
    run = make_run()
    run.frame.loc[run.frame["part"] == "validation", "label"] = "all"
    result = evaluate_runs([run], SETTINGS)
    assert result.calibration.after is None
    plots.reliability(tmp_path / "reliability.png", result)
    assert is_drawn(tmp_path / "reliability.png")
