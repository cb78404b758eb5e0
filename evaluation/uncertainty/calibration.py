"""Whether probabilities mean what they say, and one temperature, fitted on validation, that mends it.

Expected calibration error and temperature scaling: Guo et al., On Calibration of Modern Neural Networks, 2017.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special, stats
from sklearn.metrics import brier_score_loss, log_loss

from common.config.schema import EvaluationConfig
from evaluation.core.labelled import Cases, LabelledPredictions
from evaluation.intervals.bootstrap import bootstrap
from evaluation.labelled_runs import LabelledRuns
from evaluation.metrics.classification import call
from evaluation.result import (
    CalibratedError,
    CalibrationMetrics,
    CalibrationResult,
    EvaluationWarning,
    Interval,
    ReliabilityBin,
    warnings_about,
)

# Beyond these a temperature says that validation knows no errors, or that its calls are hardly worth more than even
# odds (as where nearly all images are called alike), rather than how sure to be.
TEMPERATURES = (0.1, 10.0)
EPSILON = 1e-12  # float32 sigmoids reach 0 and 1, which have no logarithm
DRAWS = 200
MEASURED = ("ece", "brier", "nll")
BINNING = "equally wide bins from 0 to 1, closed below, the last one on both sides; probability of the called class"


@dataclass(frozen=True)
class Temperature:
    """What log-probabilities are divided by.

    Attributes:
        value: Above 1 the model was too sure, below 1 not sure enough; None where none can be fitted.
        reason: Why there is none, or why it stands at the end of TEMPERATURES; None otherwise.
    """

    value: float | None
    reason: str | None = None


def fit_temperature(validation: LabelledPredictions) -> Temperature:
    """Fit the temperature that makes the labels of the validation images most probable, within TEMPERATURES."""
    present = np.unique(validation.labels)
    if len(present) < 2:
        missing = [name for name, images in validation.count_images().items() if not images]
        return Temperature(None, f"no validation image of {' and '.join(missing)}")
    logs = np.log(_clipped(validation.probabilities))
    images = np.arange(len(validation.labels))

    def loss(log_temperature: float) -> float:
        return -special.log_softmax(logs / np.exp(log_temperature), axis=1)[images, validation.labels].mean()

    bounds = np.log(TEMPERATURES)
    value = float(np.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded").x))
    if value < 1.01 * TEMPERATURES[0]:
        return Temperature(TEMPERATURES[0], "too few validation images are called wrongly: held at its lower end")
    if value > 0.99 * TEMPERATURES[1]:
        return Temperature(TEMPERATURES[1], "the sure validation calls are wrong too often: held at its upper end")
    return Temperature(value)


def rescale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divide log-probabilities, shape (N, K), by a temperature; the most probable class stays the same."""
    return special.softmax(np.log(_clipped(probabilities)) / temperature, axis=1)


def reliability(
    labels: np.ndarray, probabilities: np.ndarray, positive_index: int | None, bins: int
) -> list[ReliabilityBin]:
    """Compare how sure the calls are with how often they are right.

    Args:
        labels: Class indices, shape (N,).
        probabilities: 0 to 1, shape (N, K).
        positive_index: See ``metrics.call``; calls at 0.5.
        bins: How many, see BINNING.
    """
    called = call(probabilities, positive_index)
    sure = probabilities.max(axis=1)
    edges, counts, means = _binned(sure, np.stack([sure, called == labels]), bins)
    rows = []
    for place, images in enumerate(counts.tolist()):
        confidence, accuracy = means[:, place].tolist() if images else (None, None)
        rows.append(ReliabilityBin(float(edges[place]), float(edges[place + 1]), images, confidence, accuracy))
    return rows


def measure(labels: np.ndarray, probabilities: np.ndarray, positive_index: int | None, bins: int) -> dict[str, float]:
    """Compute calibration metrics of at least one image; arguments as ``reliability``.

    Returns:
        ``ece``: expected calibration error, 0 to 1. ``brier``: squared error of the positive class's probability (0 to
        1), with more than two classes summed over them (0 to 2). ``nll``: mean negative log-probability of the truth,
        nats; probabilities below EPSILON count as EPSILON.
    """
    rows = [row for row in reliability(labels, probabilities, positive_index, bins) if row.images]
    gaps = [row.images * abs(row.accuracy - row.confidence) for row in rows]
    classes = list(range(probabilities.shape[1]))
    if positive_index is None:
        brier = brier_score_loss(labels, probabilities, labels=classes)
    else:
        brier = brier_score_loss(labels == positive_index, probabilities[:, positive_index], labels=[False, True])
    nll = log_loss(labels, _clipped(probabilities), labels=classes)
    return {"ece": sum(gaps) / len(labels), "brier": float(brier), "nll": float(nll)}


def ece_of_the_calibrated(probabilities: np.ndarray, bins: int, seed: int) -> CalibratedError:
    """Draw what ``ece`` would come out if every probability were right: few images make it larger than 0.

    Calls are drawn right with the probability that they have (Broecker and Smith, 2007), images for themselves.

    Returns:
        ``mean`` and ``high`` (the 95 % quantile) over DRAWS draws.
    """
    sure = probabilities.max(axis=1)
    right = np.random.default_rng(seed).random((DRAWS, len(sure))) < sure
    _, counts, means = _binned(sure, np.vstack([sure, right]), bins)
    gaps = np.abs(np.nan_to_num(means[1:] - means[0])) @ counts / len(sure)
    return CalibratedError(float(gaps.mean()), float(np.quantile(gaps, 0.95)))


class WeightedCalibration:
    """Maps counts of clusters, shape (B, C), to the metrics of ``measure`` in the order of MEASURED, shape (3, B).

    An error of calibration in a bin is a sum over its images, so that one matrix product serves all resamples.

    Args:
        scored: The images.
        bins: How many, see BINNING.
    """

    def __init__(self, scored: LabelledPredictions, bins: int) -> None:
        probabilities = scored.probabilities
        images = np.arange(len(scored.labels))
        called = call(probabilities, scored.positive_index)
        truth = np.eye(probabilities.shape[1])[scored.labels]
        squared = ((probabilities - truth) ** 2).sum(axis=1)
        # Of two classes both squares are the same, and one of them counts.
        if scored.positive_index is None:
            brier = squared
        else:
            brier = squared / 2
        nll = -np.log(_clipped(probabilities[images, scored.labels]))
        self._losses = np.zeros((scored.cluster_count, 3))
        np.add.at(self._losses, scored.clusters, np.column_stack([np.ones(len(images)), brier, nll]))
        sure = probabilities.max(axis=1)
        self._gaps = np.zeros((scored.cluster_count, bins))
        np.add.at(self._gaps, (scored.clusters, _bin_of(sure, bins)), (called == scored.labels) - sure)

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the metrics, float64, for counts of clusters."""
        images, brier, nll = (counts @ self._losses).T
        with np.errstate(invalid="ignore"):
            return np.stack([np.abs(counts @ self._gaps).sum(axis=1), brier, nll]) / images


def evaluate_calibration(runs: LabelledRuns) -> CalibrationResult | None:
    """Evaluate the calibration of the test images, before and after each fold's own temperature.

    Intervals hold the temperature and the bins fast; that of ``ece`` begins at 0 where the error is within
    ``ece_if_calibrated``.

    Returns:
        None without labelled test images.
    """
    if not len(runs.test.labels):
        return None
    temperatures = [fit_temperature(fold.validation.scored) for fold in runs.folds]
    values = [temperature.value for temperature in temperatures]
    reasons = [temperature.reason for temperature in temperatures if temperature.reason]
    after = sampled = None
    if None not in values:
        after = _evaluate(runs, scaled_tests(runs.tests, values))
    if all(test.sampled for test in runs.tests):
        sampled = _evaluate(runs, [test.mean_probabilities for test in runs.tests])
    return CalibrationResult(
        bins=runs.settings.calibration_bins,
        binning=BINNING,
        temperature=runs.single_or_list(values),
        reason=next(iter(reasons), None),
        images=len(runs.test.labels),
        before=_evaluate(runs, [runs.test.probabilities]),
        after=after,
        sampled=sampled,
    )


def scaled_tests(tests: list[Cases], temperatures: list[float]) -> list[np.ndarray]:
    """Return the rescaled probabilities of each fold's test images."""
    return [rescale(test.scored.probabilities, value) for test, value in zip(tests, temperatures, strict=True)]


def calibration_warnings(calibration: CalibrationResult | None) -> list[EvaluationWarning]:
    """Say what limits the figures of ``evaluate_calibration``."""
    if calibration is None:
        return []
    lines = []
    if calibration.reason:
        lines.append(f"temperature: {calibration.reason}")
    before = calibration.before
    after = calibration.after
    if after and after.nll > before.nll:
        lines.append("the temperature that suits validation makes the test probabilities worse (NLL)")
    if before.ece <= before.ece_if_calibrated.high:
        lines.append(
            f"an error of {before.ece:.3f} is within what {calibration.images:,} images give by chance, were every "
            f"probability right (up to {before.ece_if_calibrated.high:.3f})"
        )
    return warnings_about("calibration", lines)


def _evaluate(runs: LabelledRuns, probabilities: list[np.ndarray]) -> CalibrationMetrics:
    labels = runs.test.labels
    joined = np.concatenate(probabilities)
    positive = runs.positive_index
    bins = runs.settings.calibration_bins
    measured = measure(labels, joined, positive, bins)
    intervals = _intervals(measured, replace(runs.test, probabilities=joined), runs.settings)
    chance = ece_of_the_calibrated(joined, bins, runs.settings.seed)
    if intervals["ece"].low is not None and measured["ece"] <= chance.high:
        # Resamples only add to an error that is never negative: no error at all is not ruled out.
        intervals["ece"] = replace(intervals["ece"], low=0.0)
    return CalibrationMetrics(
        **measured,
        intervals=intervals,
        ece_if_calibrated=chance,
        reliability=reliability(labels, joined, positive, bins),
    )


def _intervals(
    measured: dict[str, float], scored: LabelledPredictions, settings: EvaluationConfig
) -> dict[str, Interval]:
    """Put intervals around the metrics, each within its own bounds, all from the same resamples."""
    largest = 1.0 if scored.positive_index is not None else 2.0
    bounds = {"ece": (0.0, 1.0), "brier": (0.0, largest), "nll": (0.0, np.inf)}
    return bootstrap(dict(measured), WeightedCalibration(scored, settings.calibration_bins), scored, settings, bounds)


def _binned(sure: np.ndarray, values: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return edges (bins + 1,), images (bins,), and the mean of each row of ``values`` (V, N): (V, bins), NaN if none.

    Rounding keeps a probability of 0.8999999 that was 0.9 in the bin that begins there; an edge of 0.6000000000000001,
    which was 0.6, would not.
    """
    edges = _edges(bins)
    sure = _rounded(sure)
    counts = np.histogram(sure, edges)[0]
    means = stats.binned_statistic(sure, values, "mean", bins=edges).statistic
    return edges, counts, means


def _bin_of(sure: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each image, int64, shape (N,): that in which ``_binned`` counts it."""
    return np.clip(np.searchsorted(_edges(bins), _rounded(sure), side="right") - 1, 0, bins - 1)


def _edges(bins: int) -> np.ndarray:
    return np.round(np.linspace(0, 1, bins + 1), 9)


def _rounded(sure: np.ndarray) -> np.ndarray:
    return np.clip(np.round(sure, 9), 0, 1)


def _clipped(probabilities: np.ndarray) -> np.ndarray:
    return np.clip(probabilities, EPSILON, 1.0)
