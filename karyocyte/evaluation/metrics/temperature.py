"""Temperature scaling: Guo et al., On Calibration of Modern Neural Networks, 2017."""

from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from karyocyte.evaluation.metrics.labelled import LabelledPredictions

# A temperature beyond these means that validation has no errors, or that its predictions are hardly better than even
# odds (as where nearly all images get the same class); it does not measure confidence.
TEMPERATURES = (0.1, 10.0)
EPSILON = 1e-12  # float32 sigmoids reach 0 and 1, which have no logarithm


class Temperature(NamedTuple):
    """The divisor of the log-probabilities: above 1 for an overconfident model; None where none can be fitted.

    ``reason`` is why there is none, or why it is 1 or at an end of TEMPERATURES; None otherwise.
    """

    value: float | None
    reason: str | None = None


def fit_temperature(validation: LabelledPredictions) -> Temperature:
    """Fit the temperature that makes the labels of the validation images most probable, within TEMPERATURES.

    Where no validation image is predicted wrongly it is at least 1: the likelihood would grow without end as the
    probabilities become certain.
    """
    counts = validation.count_images()
    missing = [name for name in counts if not counts[name]]
    if len(missing) > len(validation.classes) - 2:
        return Temperature(None, f"no validation image of {' and '.join(missing)}")
    logs = np.log(clip(validation.probabilities))
    images = np.arange(len(validation.labels))

    def loss(log_temperature: float) -> float:
        """Return the mean negative log-likelihood at a temperature."""
        likelihoods = special.log_softmax(logs / np.exp(log_temperature), axis=1)
        return float(-likelihoods[images, validation.labels].mean())

    value = float(np.exp(optimize.minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))
    if value < 1 and (logs.argmax(axis=1) == validation.labels).all():
        return Temperature(1.0, "no validation image is predicted wrongly: it is left at 1")
    lowest, highest = TEMPERATURES
    if value < 1.01 * lowest:
        return Temperature(lowest, "too few validation images are predicted wrongly: held at its lower end")
    if value > 0.99 * highest:
        return Temperature(highest, "the confident validation predictions are wrong too often: held at its upper end")
    return Temperature(value)


def rescale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divide log-probabilities, shape (N, K), by a temperature; the most probable class stays the same."""
    scaled: np.ndarray = special.softmax(np.log(clip(probabilities)) / temperature, axis=1)
    return scaled


def clip(probabilities: np.ndarray) -> np.ndarray:
    """Return probabilities that have a logarithm: at least EPSILON."""
    return np.asarray(np.clip(probabilities, EPSILON, 1.0))
