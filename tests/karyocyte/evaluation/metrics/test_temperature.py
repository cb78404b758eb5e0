"""Temperature scaling."""

import numpy as np
import pytest
from sklearn.calibration import _TemperatureScaling

from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.temperature import TEMPERATURES, fit_temperature, rescale
from tests.helpers.predictions import make_predictions, with_scores


@pytest.mark.parametrize("classes", [("hem", "all"), tuple("abcd")])
def test_the_temperature_is_that_of_scikit_learn(classes):
    scored = score(make_predictions(images=200, classes=classes, skill=0.7, seed=3))
    reference = _TemperatureScaling().fit(scored.probabilities, scored.labels)
    assert fit_temperature(scored).value == pytest.approx(1 / reference.beta_, rel=1e-3)
    scaled = rescale(scored.probabilities, 1 / reference.beta_)
    assert scaled == pytest.approx(reference.predict(scored.probabilities), abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "scores", "value", "reason"),
    [
        ([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9], 1.0, "no validation image is predicted wrongly"),
        ([0, 0, 1, 1], [0.1, 0.5 + 1e-9, 0.6, 0.9], TEMPERATURES[0], "lower end"),
        ([0, 1] * 20, [0.9, 0.1] * 20, TEMPERATURES[1], "upper end"),
        (np.arange(100) % 3 > 0, np.linspace(1e-4, 0.01, 100), TEMPERATURES[1], "upper end"),
        ([], [], None, "no validation image of hem"),
        ([1, 1, 1], [0.5] * 3, None, "no validation image of hem"),
    ],
    ids=["no errors", "hardly an error", "no skill", "all predicted alike", "no image", "one class"],
)
def test_temperatures_that_cannot_be_fitted_have_a_reason(labels, scores, value, reason):
    temperature = fit_temperature(score(with_scores(labels, scores)))
    assert temperature.value == value
    assert reason in temperature.reason
