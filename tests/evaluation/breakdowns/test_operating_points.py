"""Thresholds that keep a wished sensitivity on validation, applied to test."""

from dataclasses import replace

import numpy as np
import pytest

from common.config.schema import EvaluationConfig
from evaluation.breakdowns.operating_points import REQUESTED, operating_points, operating_points_table
from evaluation.core.labelled import score
from evaluation.labelled_runs import LabelledRuns
from tests.helpers.predictions import join, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=30)


def points_of(*runs):
    return operating_points(LabelledRuns.of(runs, SETTINGS))


def test_the_threshold_keeps_the_wish_on_validation_and_is_applied_to_test():
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


def test_labels_of_the_test_images_change_no_threshold():
    run = make_run(images=80)
    before = [row.threshold for row in points_of(run)]
    test = run.frame["part"] == "test"
    run.frame.loc[test, "label"] = run.frame.loc[test, "label"].map({"hem": "all", "all": "hem"})
    assert [row.threshold for row in points_of(run)] == before


def test_each_fold_is_called_at_its_own_threshold():
    """The one fold's scores are half of the other's: at the other's threshold none of its positives would be called."""
    runs = []
    for fold, scale in enumerate((1.0, 0.5)):
        parts = [("validation", [0.8, 0.9, 0.1, 0.2]), ("test", [0.85, 0.95, 0.1, 0.3])]
        run = join(*(with_scores([1, 1, 0, 0], [scale * one for one in of_part], part=name) for name, of_part in parts))
        run.frame["image_id"] = [f"{fold}-{number}" for number in range(8)]
        runs.append(replace(run, about=run.about | {"fold": fold}))
    pooled = points_of(*runs)
    for row in pooled:
        assert row.threshold == pytest.approx([0.8, 0.4])
        assert (row.sensitivity.value, row.specificity.value) == (1.0, 1.0)
    table = operating_points_table(pooled)
    assert len(str(table.threshold[0]).split()) == 2
    assert table["validation_sensitivity"].tolist() == ["1 1"] * len(REQUESTED)


def test_there_are_none_without_two_classes_or_validation_images_of_both():
    assert points_of(make_run(classes=("a", "b", "c"))) is None
    assert points_of(join(make_run().part("test"), with_scores([1, 1], [0.2, 0.9], part="validation"))) is None
    assert points_of(join(make_run().part("validation"), with_scores([None], [0.5]))) is None
