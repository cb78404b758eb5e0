"""Thresholds that keep a requested sensitivity on validation, applied to test."""

from dataclasses import replace

import numpy as np
import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.breakdowns.operating_points import SENSITIVITIES
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.run.evaluate import evaluate_runs
from karyocyte.evaluation.types.result import Kind
from tests.helpers.predictions import join, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=30)


def points_of(*runs):
    """Thresholds of the folds, sensitivities on validation and metrics on test of what is requested."""
    result = evaluate_runs(runs, SETTINGS)
    points = {}
    for requested, metrics in result.sections(Kind.REQUESTED).items():
        chosen = [result.chosen(f"{Kind.REQUESTED}{requested}", name) for name in ("threshold", "sensitivity")]
        points[float(requested)] = (*chosen, metrics)
    return points


def test_the_threshold_keeps_the_sensitivity_on_validation_and_is_applied_to_test():
    run = make_run(images=200, subjects=40, skill=0.8)
    validation, test = (score(run.part(part)) for part in ("validation", "test"))
    points = points_of(run)
    assert tuple(points) == SENSITIVITIES
    for requested, ((threshold,), (sensitivity,), metrics) in points.items():
        kept = validation.probabilities[validation.labels == 1, 1] >= threshold
        assert sensitivity == pytest.approx(kept.mean())
        assert kept.mean() >= requested
        called = test.probabilities[:, 1] >= threshold
        assert metrics["sensitivity"].value == pytest.approx(called[test.labels == 1].mean())
        assert metrics["specificity"].value == pytest.approx(1 - called[test.labels == 0].mean())
        assert metrics["specificity"].low <= metrics["specificity"].value <= metrics["specificity"].high
    assert np.diff([threshold for (threshold,), *_ in points.values()]).max() <= 0


def test_each_fold_is_predicted_at_its_own_threshold():
    """The scores of one fold are half of the other's: at the other's threshold none of its positives would be found."""
    runs = []
    for fold, scale in enumerate((1.0, 0.5)):
        validation = with_scores([1, 1, 0, 0], scale * np.array([0.8, 0.9, 0.1, 0.2]), part="validation")
        run = join(validation, with_scores([1, 1, 0, 0], scale * np.array([0.85, 0.95, 0.1, 0.3])))
        run.frame["image_id"] = [f"{fold}-{number}" for number in range(8)]
        runs.append(replace(run, about=run.about | {"fold": fold}))
    for thresholds, sensitivities, metrics in points_of(*runs).values():
        assert thresholds == pytest.approx([0.8, 0.4])
        assert sensitivities == [1.0, 1.0]
        assert (metrics["sensitivity"].value, metrics["specificity"].value) == (1.0, 1.0)


@pytest.mark.parametrize(
    "run",
    [
        make_run(classes=("a", "b", "c")),
        join(make_run().part("test"), with_scores([1, 1], [0.2, 0.9], part="validation")),
        join(make_run().part("validation"), with_scores([None], [0.5])),
    ],
)
def test_there_are_none_without_two_classes_validation_images_of_both_and_test_images(run):
    assert points_of(run) == {}
