"""Calibration and temperature scaling."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from sklearn.calibration import _TemperatureScaling
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import score
from evaluation.labelled_runs import LabelledRuns
from evaluation.uncertainty.calibration import (
    MEASURED,
    TEMPERATURES,
    WeightedCalibration,
    calibration_warnings,
    ece_if_calibrated,
    evaluate_calibration,
    fit_temperature,
    measure,
    reliability,
    rescale,
)
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
    assert any(
        "lower end" in line
        for line in map(str, calibration_warnings(evaluate_calibration(LabelledRuns.of([run], SETTINGS))))
    )


def test_without_skill_it_is_held_at_its_upper_end():
    found = fit_temperature(score(with_scores([0, 1] * 20, [0.9, 0.1] * 20)))
    assert found.value == TEMPERATURES[1]
    assert "upper end" in found.reason


def test_a_network_that_tells_the_classes_apart_and_calls_all_alike_is_not_said_to_have_no_skill():
    scores = np.linspace(1e-4, 0.01, 100)
    found = fit_temperature(score(with_scores(np.arange(100) % 3 > 0, scores)))
    assert found.value == TEMPERATURES[1]
    assert "upper end" in found.reason


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


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.sampled_from([2, 4]), st.booleans(), st.integers(0, 10_000))
def test_the_error_on_edges_of_one_class_and_of_a_single_image(images, classes, one_class, seed):
    """Sixteenths in eight bins lie on edges, exactly; torchmetrics has a bin of its own for 1, which ours has not."""
    rng = np.random.default_rng(seed)
    probabilities = (rng.multinomial(16 - classes, np.full(classes, 1 / classes), images) + 1) / 16
    labels = np.full(images, classes - 1) if one_class else rng.integers(0, classes, images)
    found = measure(labels, probabilities, 1 if classes == 2 else None, 8)
    tensor = torch.tensor(probabilities)
    if classes == 2:  # at 0.5 the positive class is called here, the first one there
        tensor[:, 1] += torch.where(tensor[:, 1] == 0.5, 1e-5, 0.0)
    reference = multiclass_calibration_error(tensor, torch.tensor(labels), num_classes=classes, n_bins=8, norm="l1")
    assert found["ece"] == pytest.approx(float(reference), abs=2e-5)


@pytest.mark.parametrize("labels", [[1, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], [1], [0]])
def test_brier_of_the_degenerate_is_scikit_learns(labels):
    positives = np.array([0.9, 0.5, 1.0, 0.0])[: len(labels)]
    found = measure(np.array(labels), np.column_stack([1 - positives, positives]), 1, 10)
    assert found["brier"] == pytest.approx(brier_score_loss(labels, positives, labels=[0, 1]))
    assert found["brier"] == pytest.approx(np.mean((positives - labels) ** 2))
    assert np.isfinite(list(found.values())).all()


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
    few, many = (ece_if_calibrated(score(too_sure(n, 1.0)).probabilities, 10, 0) for n in (50, 5_000))
    assert few["mean"] > 3 * many["mean"]
    scored = score(too_sure(5_000, 1.0))
    assert measure(scored.labels, scored.probabilities, 1, 10)["ece"] < many["high"] * 1.5


def test_scaling_mends_what_is_too_sure_and_survives_json():
    test = too_sure(4_000, 3.0, seed=5, part="test")
    test.frame["image_id"] = "t" + test.frame["image_id"]
    found = evaluate_calibration(LabelledRuns.of([join(too_sure(4_000, 3.0), test)], SETTINGS))
    assert found["after"]["ece"] < 0.02 < found["before"]["ece"]
    assert found["after"]["nll"] < found["before"]["nll"]
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False)) == found.as_dict()


def test_labels_of_the_test_images_change_no_temperature():
    run = make_run(images=80)
    before = evaluate_calibration(LabelledRuns.of([run], SETTINGS))["temperature"]
    test = run.frame["part"] == "test"
    run.frame.loc[test, "label"] = run.frame.loc[test, "label"].map({"hem": "all", "all": "hem"})
    assert evaluate_calibration(LabelledRuns.of([run], SETTINGS))["temperature"] == before


def test_each_fold_has_its_own_temperature():
    runs = [make_run(fold, images=60, skill=skill) for fold, skill in enumerate((0.5, 1.5))]
    pooled = evaluate_calibration(LabelledRuns.of(runs, SETTINGS))
    single = [evaluate_calibration(LabelledRuns.of([run], SETTINGS)) for run in runs]
    assert pooled["temperature"] == [one["temperature"] for one in single]
    assert pooled["after"]["nll"] == pytest.approx(np.mean([one["after"]["nll"] for one in single]))


@pytest.mark.parametrize("classes", [("hem", "all"), tuple("abcde")])
def test_weights_are_images_that_stand_there_more_than_once(classes):
    scored = score(make_predictions(images=120, subjects=15, classes=classes, skill=0.4))
    statistic = WeightedCalibration(scored, 10)
    counts = np.random.default_rng(0).integers(0, 4, (6, 15))
    found = statistic(counts)
    for row, values in zip(counts, found.T, strict=True):
        images = np.repeat(np.arange(120), row[scored.clusters])
        labels, probabilities = scored.labels[images], scored.probabilities[images]
        expected = measure(labels, probabilities, scored.positive_index, 10)
        assert values == pytest.approx([expected[name] for name in MEASURED])
    assert np.isnan(statistic(np.zeros((1, 15)))).all()


def test_intervals_draw_subjects_not_images():
    """Ten copies of every image of each subject tell nothing new."""
    once = make_run(images=80, subjects=20, skill=0.5)
    many = join(once.part("validation"), *[once.part("test")] * 10)
    test = many.frame["part"] == "test"
    many.frame.loc[test, "image_id"] = [f"t{number}" for number in range(test.sum())]
    for side in ("before", "after"):
        one, ten = (evaluate_calibration(LabelledRuns.of([run], SETTINGS))[side]["intervals"] for run in (once, many))
        for name in ("brier", "nll"):
            assert [one[name][end] for end in ("low", "high")] == pytest.approx([ten[name]["low"], ten[name]["high"]])
            assert one[name]["low"] < one[name]["value"] < one[name]["high"]
            assert one[name]["clusters"] == 20


def test_an_error_that_chance_alone_gives_is_not_said_to_be_above_0():
    test = too_sure(400, 1.0, seed=5, part="test")
    test.frame["image_id"] = "t" + test.frame["image_id"]
    good = evaluate_calibration(LabelledRuns.of([join(too_sure(400, 1.0), test)], SETTINGS))["before"]
    assert good["ece"] < good["ece_if_calibrated"]["high"]
    assert good["intervals"]["ece"]["low"] == 0.0
    assert good["intervals"]["ece"]["high"] > good["ece"]
    poor = too_sure(400, 4.0, seed=5, part="test")
    poor.frame["image_id"] = "t" + poor.frame["image_id"]
    assert (
        evaluate_calibration(LabelledRuns.of([join(too_sure(400, 4.0), poor)], SETTINGS))["before"]["intervals"]["ece"][
            "low"
        ]
        > 0.02
    )


def test_the_mean_of_passes_is_measured_beside():
    assert evaluate_calibration(LabelledRuns.of([make_run()], SETTINGS))["sampled"] is None
    found = evaluate_calibration(LabelledRuns.of([with_passes(make_run())], SETTINGS))["sampled"]
    assert found["nll"] != evaluate_calibration(LabelledRuns.of([make_run()], SETTINGS))["before"]["nll"]


def test_without_labels_there_is_none():
    run = join(make_run().part("validation"), with_scores([None], [0.5]))
    assert evaluate_calibration(LabelledRuns.of([run], SETTINGS)) is None
    assert calibration_warnings(None) == []


def test_a_temperature_that_does_not_suit_the_test_images_says_so():
    test = too_sure(500, 0.5, seed=5, part="test")
    test.frame["image_id"] = "t" + test.frame["image_id"]
    lines = list(
        map(
            str, calibration_warnings(evaluate_calibration(LabelledRuns.of([join(too_sure(500, 3.0), test)], SETTINGS)))
        )
    )
    assert any("makes the test probabilities worse" in line for line in lines)
    assert not any("lower end" in line or "upper end" in line for line in lines)
