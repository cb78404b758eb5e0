"""Calibration."""

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.metrics.labelled import LabelledPredictions, score
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.run.evaluate import evaluate_parts
from karyocyte.evaluation.sections.calibration import calibration, reliability, weighted_calibration
from karyocyte.evaluation.types.result import Kind
from tests.helpers.predictions import join, make_predictions, make_run, with_passes, with_scores

SETTINGS = EvaluationConfig()


def overconfident(images, factor, seed=0, part="validation"):
    """Two classes whose logit is ``factor`` times what it should be."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(scale=2, size=images)
    labels = rng.random(images) < expit(logit)
    return with_scores(labels, expit(factor * logit), part=part)


def run_of(validation_factor, test_factor, images):
    """A run whose validation and test parts are overconfident by these factors."""
    test = overconfident(images, test_factor, seed=5, part="test")
    test.frame["image_id"] = "t" + test.frame["image_id"]
    return join(overconfident(images, validation_factor), test)


def findings(*runs):
    runs = LabelledRuns.of(runs, SETTINGS)
    return calibration(runs, evaluate_parts(runs))


def evaluate(*runs):
    """The figures of the test images by section."""
    return {section: metrics for (_, section), metrics in findings(*runs).metrics.items()}


def labelled(labels, probabilities):
    """Images without subjects, of two classes or more."""
    images, classes = np.shape(probabilities)
    names = tuple("abcdef"[:classes])
    positive = 1 if classes == 2 else None
    return LabelledPredictions(np.array(labels), np.array(probabilities), names, positive, np.arange(images))


def measure(scored, bins=10):
    values = weighted_calibration(scored, bins)(np.ones((1, scored.cluster_count)))[:, 0]
    return dict(zip(("ece", "brier", "nll"), values.tolist(), strict=True))


@pytest.mark.parametrize("bins", [2, 10, 15])
@pytest.mark.parametrize("classes", [("hem", "all"), tuple("abcde")])
def test_metrics_are_those_of_torchmetrics_and_scikit_learn(bins, classes):
    scored = score(make_predictions(images=300, classes=classes, skill=0.5))
    values = measure(scored, bins)
    tensors = torch.tensor(scored.probabilities), torch.tensor(scored.labels)
    reference = multiclass_calibration_error(*tensors, num_classes=len(classes), n_bins=bins, norm="l1")
    assert values["ece"] == pytest.approx(float(reference), abs=1e-6)
    assert values["nll"] == pytest.approx(log_loss(scored.labels, scored.probabilities))
    probabilities = scored.probabilities[:, 1] if len(classes) == 2 else scored.probabilities
    assert values["brier"] == pytest.approx(brier_score_loss(scored.labels, probabilities))


def test_bins_are_closed_below_and_the_last_on_both_sides():
    probabilities = np.array([[0.1, 0.9], [0.0, 1.0], [0.2, 0.8], [1 - 0.8999999999, 0.8999999999]])
    rows = reliability(probabilities.max(axis=1), np.array([True, True, False, True]), 10)
    assert [row.images for row in rows] == [0, 0, 0, 0, 0, 0, 0, 0, 1, 3]
    assert rows[8].accuracy == 0.0
    assert rows[0].accuracy is None
    assert rows[9].confidence == pytest.approx((0.9 + 1 + 0.9) / 3)


def test_scaling_corrects_overconfidence():
    sides = evaluate(run_of(3.0, 3.0, 4_000))
    assert sides[Kind.SCALED]["ece"].value < 0.02 < sides[Kind.CALIBRATED]["ece"].value
    assert sides[Kind.SCALED]["nll"].value < sides[Kind.CALIBRATED]["nll"].value
    assert Kind.SAMPLED not in sides  # there are no passes
    sides = evaluate(with_passes(make_run()))
    assert sides[Kind.SAMPLED]["nll"] != sides[Kind.CALIBRATED]["nll"]


def test_each_fold_has_its_own_temperature():
    runs = [make_run(fold, images=60, skill=skill) for fold, skill in enumerate((0.5, 1.5))]
    pooled, *single = (findings(*some) for some in (runs, runs[:1], runs[1:]))
    assert pooled.fields["calibration"].temperatures == [each.fields["calibration"].temperatures[0] for each in single]
    after, *alone = (each.metrics["test", Kind.SCALED]["nll"] for each in (pooled, *single))
    assert after.value == pytest.approx(np.mean([each.value for each in alone]))
    assert after.n == 24  # subjects are drawn, not images


@pytest.mark.parametrize("classes", [("hem", "all"), tuple("abcde")])
def test_a_cluster_that_is_drawn_twice_counts_twice(classes):
    scored = score(make_predictions(images=120, subjects=15, classes=classes, skill=0.4))
    statistic = weighted_calibration(scored, 10)
    counts = np.random.default_rng(0).integers(0, 4, (6, 15))
    for row, values in zip(counts, statistic(counts).T, strict=True):
        images = np.repeat(np.arange(120), row[scored.clusters])
        repeated = labelled(scored.labels[images], scored.probabilities[images])
        assert values == pytest.approx(list(measure(repeated).values()))
    assert np.isnan(statistic(np.zeros((1, 15)))).all()


def test_an_interval_contains_0_where_the_error_may_be_chance():
    sides = evaluate(run_of(1.0, 1.0, 400))
    good = sides[Kind.CALIBRATED]["ece"]
    assert good.low == 0.0 < good.value < good.high
    assert good.value < sides[Kind.BY_CHANCE]["ece"].high
    assert evaluate(run_of(4.0, 4.0, 400))[Kind.CALIBRATED]["ece"].low > 0.02


def test_warnings_name_unsuitable_temperatures():
    lines = [warning.text for warning in findings(run_of(3.0, 0.5, 500)).warnings]
    assert any("makes the test probabilities worse" in line for line in lines)
    assert not any("left at 1" in line or " end" in line for line in lines)
    run = join(with_scores([0, 1], [0.2, 0.7], part="validation"), with_scores([0, 1, 1], [0.3, 0.4, 0.9]))
    run.frame["image_id"] = [str(number) for number in range(5)]
    assert any("left at 1" in warning.text for warning in findings(run).warnings)
