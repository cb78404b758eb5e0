"""Plots of calibration and triage."""

import numpy as np
import pytest
from PIL import Image

from karyocyte.common.config.schema import EvaluationConfig
from karyocyte.evaluation.evaluate import evaluate_labelled, evaluate_runs, write_files
from karyocyte.evaluation.labelled_runs import LabelledRuns
from karyocyte.evaluation.metrics.labelled import cases
from karyocyte.evaluation.referral import confidence_plots as plots
from karyocyte.evaluation.referral.selective import rankings
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
def test_both_are_drawn_but_for_many_classes_no_curve(tmp_path, runs):
    write_files(tmp_path, evaluate_labelled(LabelledRuns.of(runs, SETTINGS)))
    assert is_drawn(tmp_path / "reliability.png")
    curve = tmp_path / "risk_coverage.png"
    assert is_drawn(curve) if len(runs[0].classes) == 2 else not curve.exists()


def test_rules_are_drawn_on_the_curve_of_their_confidence(tmp_path, monkeypatch):
    run = with_passes(make_run(images=200), noise=2.0)
    drawn = {}
    plot = plots.Axes.plot

    def record(axis, *arguments, label=None, **style):
        drawn[label] = arguments
        return plot(axis, *arguments, label=label, **style)

    result = evaluate_runs([run], SETTINGS)
    actual = {name: each.curve for name, each in rankings([cases(run.part("test"))]).items()}
    monkeypatch.setattr(plots.Axes, "plot", record)
    plots.risk_coverage(tmp_path / "risk_coverage.png", result, actual)
    rows = {row.rule: row for row in result.triage.rules}
    coverage, risk, _ = drawn["rule 'votes'"]
    assert 0 < coverage < 1
    assert coverage == pytest.approx(rows["votes"].alone / 200)
    assert risk == pytest.approx(actual["votes"].risk[rows["votes"].alone - 1])


def test_without_a_temperature_one_side_is_drawn(tmp_path):
    run = make_run()
    run.frame.loc[run.frame["part"] == "validation", "label"] = "all"
    result = evaluate_runs([run], SETTINGS)
    assert result.calibration.after is None
    plots.reliability(tmp_path / "reliability.png", result)
    assert is_drawn(tmp_path / "reliability.png")
