"""The size at which a rearrangement is found."""

import numpy as np
import pandas as pd
import pytest

from common.config.schema import EvaluationConfig
from evaluation.homologues.detection import detection_curve, detection_limit

SIZES = np.array([0.1, 0.2, 0.4])


@pytest.mark.parametrize(
    ("sensitivities", "expected"),
    [
        ([0.6, 0.8, 0.9], 0.2),
        ([0.7, 0.9, 0.9], np.sqrt(0.02)),  # half-way, in the logarithm
        ([0.9, 0.9, 0.9], 0.1),
        ([0.9, 0.7, 0.9], np.sqrt(0.08)),  # reached from there on
        ([0.9, 0.9, 0.7], np.nan),
        ([np.nan, 0.7, 0.9], np.sqrt(0.08)),
    ],
)
def test_limit(sensitivities, expected):
    assert detection_limit(SIZES, np.array(sensitivities)) == pytest.approx(expected, nan_ok=True)


def test_the_curve_follows_the_truth_and_its_limit_has_an_interval():
    rng = np.random.default_rng(0)
    size = np.exp(rng.uniform(np.log(0.05), np.log(0.5), 20_000))
    truth = 1 / (1 + np.exp(-4 * np.log(size / 0.1)))
    items = pd.DataFrame({"size": size, "found": rng.random(20_000) < truth, "cluster": rng.integers(50, size=20_000)})
    curve = detection_curve("deletion", items, EvaluationConfig())
    values = [each.value for each in curve.sensitivities]
    assert values == sorted(values)
    assert sum(curve.items) == 20_000
    assert curve.limit.value == pytest.approx(0.1 * 4 ** (1 / 4), rel=0.03)
    assert curve.limit.low < curve.limit.value < curve.limit.high
    assert detection_curve("deletion", items[:0], EvaluationConfig()) is None
