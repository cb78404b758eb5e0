"""Thresholds that keep a wished sensitivity on validation, judged on test."""

import numpy as np
import pytest

from common.schema import EvaluationConfig
from evaluation.operating_points import WISHED, operating_points, operating_points_table
from evaluation.pooling import pool
from evaluation.scored import score
from tests.helpers.predictions import join, make_run, with_scores

SETTINGS = EvaluationConfig(resamples=30)


def points_of(*runs):
    return operating_points(list(runs), score(pool(list(runs))), SETTINGS)


def test_the_threshold_keeps_the_wish_on_validation_and_is_judged_on_test():
    run = make_run(images=200, subjects=40, skill=0.8)
    validation, test = (score(run.part(part)) for part in ("validation", "test"))
    rows = points_of(run)
    assert [row["wished"] for row in rows] == list(WISHED)
    for row in rows:
        kept = validation.probabilities[validation.labels == 1, 1] >= row["threshold"]
        assert row["validation"]["sensitivity"] == pytest.approx(kept.mean())
        assert kept.mean() >= row["wished"]
        called = test.probabilities[:, 1] >= row["threshold"]
        assert row["sensitivity"]["value"] == pytest.approx(called[test.labels == 1].mean())
        assert row["specificity"]["value"] == pytest.approx(1 - called[test.labels == 0].mean())
        assert row["specificity"]["low"] <= row["specificity"]["value"] <= row["specificity"]["high"]
    assert np.diff([row["threshold"] for row in rows]).max() <= 0


def test_labels_of_the_test_images_change_no_threshold():
    run = make_run(images=80)
    before = [row["threshold"] for row in points_of(run)]
    test = run.frame["part"] == "test"
    run.frame.loc[test, "label"] = run.frame.loc[test, "label"].map({"hem": "all", "all": "hem"})
    assert [row["threshold"] for row in points_of(run)] == before


def test_each_fold_is_called_at_its_own_threshold():
    runs = [make_run(fold, images=60, skill=skill) for fold, skill in enumerate((0.3, 1.5))]
    pooled, single = points_of(*runs), [points_of(run) for run in runs]
    assert pooled[0]["threshold"] == [one[0]["threshold"] for one in single]
    test = [score(run.part("test")) for run in runs]
    for row in pooled:
        called = [one.probabilities[:, 1] >= at for one, at in zip(test, row["threshold"], strict=True)]
        other = [one.probabilities[:, 1] >= at for one, at in zip(test, row["threshold"][::-1], strict=True)]
        negatives = np.concatenate([one.labels == 0 for one in test])
        assert row["specificity"]["value"] == pytest.approx(1 - np.concatenate(called)[negatives].mean())
        assert row["specificity"]["value"] != pytest.approx(1 - np.concatenate(other)[negatives].mean())
    table = operating_points_table(pooled)
    assert len(str(table["threshold"][0]).split()) == 2
    assert table["sensitivity_low"].notna().all()


def test_there_are_none_without_two_classes_or_validation_images_of_both():
    assert points_of(make_run(classes=("a", "b", "c"))) is None
    assert points_of(join(make_run().part("test"), with_scores([1, 1], [0.2, 0.9], part="validation"))) is None
    assert points_of(join(make_run().part("validation"), with_scores([None], [0.5]))) is None
