"""Calibration and temperature scaling."""

import json

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.calibration import _TemperatureScaling
from torchmetrics.functional.classification import multiclass_calibration_error

from common.schema import EvaluationConfig
from evaluation.calibration import (
    TEMPERATURES,
    calibration_cautions,
    ece_of_the_calibrated,
    fit_temperature,
    judge_calibration,
    measure,
    reliability,
    rescale,
)
from evaluation.scored import score
from tests.helpers.predictions import join, make_predictions, make_run, with_passes, with_scores

SETTINGS = EvaluationConfig()


def too_sure(images, factor, seed=0, part="validation"):
    """Two classes whose logit is ``factor`` times what it should be."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(scale=2, size=images)
    labels = rng.random(images) < expit(logit)
    return with_scores(labels, expit(factor * logit), part=part)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_recovered(factor):
    assert fit_temperature(score(too_sure(20_000, factor))).value == pytest.approx(factor, rel=0.05)


def test_a_known_temperature_of_many_classes_is_recovered():
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=2, size=(8_000, 4))
    true = softmax(logits, axis=1)
    labels = np.array([rng.choice(4, p=row) for row in true])
    run = make_predictions(images=8_000, classes=tuple("abcd"), subjects=None)
    run.frame["label"] = np.array(list("abcd"), dtype=object)[labels]
    run.frame[[f"prob_{name}" for name in "abcd"]] = softmax(1.7 * logits, axis=1)
    assert fit_temperature(score(run)).value == pytest.approx(1.7, rel=0.05)


def test_it_is_that_of_scikit_learn():
    scored = score(make_predictions(images=200, skill=0.7, seed=3))
    reference = _TemperatureScaling().fit(scored.probabilities, scored.labels)
    assert fit_temperature(scored).value == pytest.approx(1 / reference.beta_, rel=1e-3)
    scaled = rescale(scored.probabilities, 1 / reference.beta_)
    assert scaled == pytest.approx(reference.predict(scored.probabilities), abs=1e-9)


def test_without_errors_it_is_held_at_its_end_and_says_so():
    found = fit_temperature(score(with_scores([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9])))
    assert found.value == TEMPERATURES[0]
    assert "lower end" in found.reason
    run = join(with_scores([0, 1], [0.2, 0.7], part="validation"), with_scores([0, 1, 1], [0.3, 0.4, 0.9]))
    run.frame["image_id"] = [str(number) for number in range(5)]
    assert any("lower end" in line for line in calibration_cautions(judge_calibration([run], SETTINGS)))


def test_without_skill_it_is_held_at_its_upper_end():
    found = fit_temperature(score(with_scores([0, 1] * 20, [0.9, 0.1] * 20)))
    assert found.value == TEMPERATURES[1]
    assert "upper end" in found.reason


def test_a_network_that_tells_the_classes_apart_and_calls_all_alike_is_not_said_to_have_no_skill():
    scores = np.linspace(1e-4, 0.01, 100)
    found = fit_temperature(score(with_scores(np.arange(100) % 3 > 0, scores)))
    assert found.value == TEMPERATURES[1]
    assert found.reason == "the sure validation calls are wrong too often: held at its upper end"


@pytest.mark.parametrize("labels", [[], [1, 1, 1]])
def test_one_class_leaves_no_temperature(labels):
    found = fit_temperature(score(with_scores(labels, [0.5] * len(labels))))
    assert found.value is None
    assert found.reason.startswith("no validation image of hem")


def test_probabilities_of_0_and_1_are_no_error():
    scored = score(with_scores([0, 1, 1, 0], [0.0, 1.0, 0.0, 0.3]))
    assert np.isfinite(fit_temperature(scored).value)
    assert np.isfinite(measure(scored.labels, scored.probabilities, 1, 10)["nll"])


@pytest.mark.parametrize("bins", [2, 10, 15])
@pytest.mark.parametrize("classes", [("hem", "all"), tuple("abcde")])
def test_the_error_is_that_of_torchmetrics(bins, classes):
    scored = score(make_predictions(images=300, classes=classes, skill=0.5))
    found = measure(scored.labels, scored.probabilities, scored.positive_index, bins)
    tensors = torch.tensor(scored.probabilities), torch.tensor(scored.labels)
    reference = multiclass_calibration_error(*tensors, num_classes=len(classes), n_bins=bins, norm="l1")
    assert found["ece"] == pytest.approx(float(reference), abs=1e-6)


def test_brier_and_likelihood_by_hand():
    labels, probabilities = np.array([0, 1]), np.array([[0.8, 0.2], [0.6, 0.4]])
    found = measure(labels, probabilities, 1, 10)
    assert found["brier"] == pytest.approx((0.2**2 + 0.6**2) / 2)
    assert found["nll"] == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    three = np.array([[0.5, 0.3, 0.2]])
    assert measure(np.array([1]), three, None, 10)["brier"] == pytest.approx(0.25 + 0.49 + 0.04)


def test_bins_are_closed_below_and_the_last_on_both_sides():
    probabilities = np.array([[0.1, 0.9], [0.0, 1.0], [0.2, 0.8], [1 - 0.8999999999, 0.8999999999]])
    rows = reliability(np.array([1, 1, 0, 1]), probabilities, 1, 10)
    assert [row["images"] for row in rows] == [0, 0, 0, 0, 0, 0, 0, 0, 1, 3]
    assert rows[8]["accuracy"] == 0.0
    assert rows[0]["accuracy"] is None
    assert rows[9]["confidence"] == pytest.approx((0.9 + 1 + 0.9) / 3)


@pytest.mark.parametrize("bins", [10, 20, 100])
def test_a_probability_on_an_edge_is_in_the_bin_that_begins_there(bins):
    for place in range(bins):
        edge = round(place / bins, 2)
        rows = reliability(np.array([1]), np.array([[0.0, edge]]), None, bins)
        assert [row["images"] for row in rows].index(1) == place


def test_the_error_of_the_calibrated_falls_with_the_images():
    few, many = (ece_of_the_calibrated(score(too_sure(n, 1.0)).probabilities, 10, 0) for n in (50, 5_000))
    assert few["mean"] > 3 * many["mean"]
    scored = score(too_sure(5_000, 1.0))
    assert measure(scored.labels, scored.probabilities, 1, 10)["ece"] < many["high"] * 1.5


def test_scaling_mends_what_is_too_sure_and_survives_json():
    test = too_sure(4_000, 3.0, seed=5, part="test")
    test.frame["image_id"] = "t" + test.frame["image_id"]
    found = judge_calibration([join(too_sure(4_000, 3.0), test)], SETTINGS)
    assert found["after"]["ece"] < 0.02 < found["before"]["ece"]
    assert found["after"]["nll"] < found["before"]["nll"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_labels_of_the_test_images_change_no_temperature():
    run = make_run(images=80)
    before = judge_calibration([run], SETTINGS)["temperature"]
    test = run.frame["part"] == "test"
    run.frame.loc[test, "label"] = run.frame.loc[test, "label"].map({"hem": "all", "all": "hem"})
    assert judge_calibration([run], SETTINGS)["temperature"] == before


def test_each_fold_has_its_own_temperature():
    runs = [make_run(fold, images=60, skill=skill) for fold, skill in enumerate((0.5, 1.5))]
    pooled = judge_calibration(runs, SETTINGS)
    single = [judge_calibration([run], SETTINGS) for run in runs]
    assert pooled["temperature"] == [one["temperature"] for one in single]
    assert pooled["after"]["nll"] == pytest.approx(np.mean([one["after"]["nll"] for one in single]))


def test_the_mean_of_passes_is_measured_beside():
    assert judge_calibration([make_run()], SETTINGS)["sampled"] is None
    found = judge_calibration([with_passes(make_run())], SETTINGS)["sampled"]
    assert found["nll"] != judge_calibration([make_run()], SETTINGS)["before"]["nll"]


def test_without_labels_there_is_none():
    run = join(make_run().part("validation"), with_scores([None], [0.5]))
    assert judge_calibration([run], SETTINGS) is None
    assert calibration_cautions(None) == []


def test_a_temperature_that_does_not_suit_the_test_images_says_so():
    test = too_sure(500, 0.5, seed=5, part="test")
    test.frame["image_id"] = "t" + test.frame["image_id"]
    lines = calibration_cautions(judge_calibration([join(too_sure(500, 3.0), test)], SETTINGS))
    assert any("makes the test probabilities worse" in line for line in lines)
    assert not any("lower end" in line or "upper end" in line for line in lines)
