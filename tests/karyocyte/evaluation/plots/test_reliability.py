"""The figure of calibration."""

import numpy as np
import pytest
from PIL import Image

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.plots.reliability import write_reliability
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.run.evaluate import evaluate_labelled, evaluate_runs, write_files
from karyocyte.evaluation.types.result import Kind
from tests.helpers.predictions import make_run, with_passes

SETTINGS = EvaluationConfig(resamples=20)


def is_drawn(path):
    picture = np.asarray(Image.open(path).convert("L"))
    return picture.std() > 10 and min(picture.shape) > 500


@pytest.mark.parametrize(
    "runs",
    [[make_run()], [with_passes(make_run(fold)) for fold in range(2)], [make_run(classes=tuple("abcdefgh"))]],
    ids=["one", "folds with passes", "many classes"],
)
def test_it_is_drawn_of_runs_and_folds(tmp_path, runs):
    write_files(tmp_path, evaluate_labelled(LabelledRuns.of(runs, SETTINGS)))
    assert is_drawn(tmp_path / "reliability.png")


def test_without_a_temperature_one_side_is_drawn(tmp_path, saved_figures):
    run = make_run()
    run.frame.loc[run.frame["part"] == "validation", "label"] = "all"
    result = evaluate_runs([run], SETTINGS)
    assert list(result.calibration.reliability) == [Kind.CALIBRATED]
    write_reliability(tmp_path / "reliability.png", result)
    assert is_drawn(tmp_path / "reliability.png")
    upper, lower = saved_figures[0].axes
    assert lower.get_xlim()[0] == 0.49  # of two classes one has a half at least
    filled = [row for row in result.calibration.reliability[Kind.CALIBRATED] if row.images]
    assert [bar.get_height() for bar in upper.patches] == [row.accuracy for row in filled]
    assert [bar.get_height() for bar in lower.patches if bar.get_height()] == [row.images for row in filled]
    for axis in (upper, lower):
        middles = [bar.get_x() + bar.get_width() / 2 for bar in axis.patches if bar.get_height()]
        assert middles == pytest.approx([(row.low + row.high) / 2 for row in filled])
        assert axis.get_ylim()[1] > max(bar.get_height() for bar in axis.patches)
