"""Precision against recall on given axes."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import score
from evaluation.core.plots import draw_precision_recall
from evaluation.evaluate import evaluate_runs
from tests.helpers.predictions import make_run, with_scores

SETTINGS = EvaluationConfig(resamples=20)


def drawn(run):
    axis = Figure().subplots()
    test = score(run.part("test"))
    draw_precision_recall(axis, evaluate_runs([run], SETTINGS), test)
    return axis, test


def test_the_curve_encloses_the_average_precision_and_marks_both_operating_points():
    run = make_run(images=100, subjects=25)
    axis, test = drawn(run)
    recall, precision = axis.lines[1].get_xydata().T
    area = -np.sum(np.diff(recall) * precision[:-1])
    assert area == pytest.approx(average_precision_score(test.labels, test.probabilities[:, 1]))
    found = evaluate_runs([run], SETTINGS).test
    points = [line.get_xydata()[0] for line in axis.lines if line.get_linestyle() == "None"]
    for point, key in zip(points, ("metrics", "metrics_at_threshold"), strict=True):
        expected = (found[key]["sensitivity"].value, found[key]["precision/all"].value)
        assert tuple(point) == pytest.approx(expected)
    assert axis.lines[0].get_ydata()[0] == pytest.approx(test.labels.mean())


def test_an_undefined_precision_is_not_drawn():
    # Nothing is called positive at 0.5.
    run = with_scores([True, False, True, False], [0.4, 0.1, 0.3, 0.2])
    axis, _ = drawn(run)
    (point,) = [line.get_xydata()[0] for line in axis.lines if line.get_linestyle() == "None"]
    assert np.isnan(point[1])


def test_of_many_classes_the_weakest_are_named():
    axis, _ = drawn(make_run(images=240, subjects=None, classes=tuple(f"chr{number}" for number in range(24))))
    named = [text.get_text() for text in axis.get_legend().get_texts()]
    assert len(named) == 6
    assert named[-1] == "the other classes"
