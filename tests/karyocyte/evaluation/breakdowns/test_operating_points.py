"""Thresholds that keep a requested sensitivity on validation, applied to test."""

from dataclasses import replace

import numpy as np
import pytest

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.breakdowns.operating_points import REQUESTED
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.pooling.sections import flat_table
from karyocyte.evaluation.run.evaluate import evaluate_runs
from tests.helpers.predictions import join, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=30)


def points_of(*runs):
    return evaluate_runs(runs, SETTINGS).operating_points


def test_the_threshold_keeps_the_sensitivity_on_validation_and_is_applied_to_test():
    run = make_run(images=200, subjects=40, skill=0.8)
    validation, test = (score(run.part(part)) for part in ("validation", "test"))
    rows = points_of(run)
    assert [row.wished for row in rows] == list(REQUESTED)
    for row in rows:
        kept = validation.probabilities[validation.labels == 1, 1] >= row.threshold
        assert row.validation["sensitivity"] == pytest.approx(kept.mean())
        assert kept.mean() >= row.wished
        called = test.probabilities[:, 1] >= row.threshold
        assert row.sensitivity.value == pytest.approx(called[test.labels == 1].mean())
        assert row.specificity.value == pytest.approx(1 - called[test.labels == 0].mean())
        assert row.specificity.low <= row.specificity.value <= row.specificity.high
    assert np.diff([row.threshold for row in rows]).max() <= 0


def test_each_fold_is_predicted_at_its_own_threshold():
    """The scores of one fold are half of the other's: at the other's threshold none of its positives would be found."""
    runs = []
    for fold, scale in enumerate((1.0, 0.5)):
        validation = with_scores([1, 1, 0, 0], scale * np.array([0.8, 0.9, 0.1, 0.2]), part="validation")
        run = join(validation, with_scores([1, 1, 0, 0], scale * np.array([0.85, 0.95, 0.1, 0.3])))
        run.frame["image_id"] = [f"{fold}-{number}" for number in range(8)]
        runs.append(replace(run, about=run.about | {"fold": fold}))
    rows = points_of(*runs)
    for row in rows:
        assert row.threshold == pytest.approx([0.8, 0.4])
        assert (row.sensitivity.value, row.specificity.value) == (1.0, 1.0)
    table = flat_table(rows, validation="validation_")
    assert table[["threshold", "validation_sensitivity"]].iloc[0].tolist() == ["0.8 0.4", "1 1"]


@pytest.mark.parametrize(
    "run",
    [
        make_run(classes=("a", "b", "c")),
        join(make_run().part("test"), with_scores([1, 1], [0.2, 0.9], part="validation")),
        join(make_run().part("validation"), with_scores([None], [0.5])),
    ],
)
def test_there_are_none_without_two_classes_validation_images_of_both_and_test_images(run):
    assert points_of(run) is None
