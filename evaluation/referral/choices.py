"""What the validation images of a run choose: thresholds, a temperature, and the cuts of the rules of referral.

The cut on the confidence of a prediction, its probability after temperature scaling, keeps a target accuracy of what is
not referred (selective classification: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017).

Split-conformal sets hold the classes that an image may have, with a requested coverage: Vovk, Gammerman and Shafer,
Algorithmic Learning in a Random World, 2005; Angelopoulos and Bates, A Gentle Introduction to Conformal Prediction,
2021. The score is 1 - probability of the class (LAC: Sadinle, Lei and Wasserman, 2019).
"""

from dataclasses import dataclass, replace

import numpy as np

from common.config.schema import EvaluationConfig, TriageConfig
from common.predictions import Predictions
from evaluation.calibration import Temperature, fit_temperature, rescale
from evaluation.intervals.exact import lower_bound, lower_bounds, needed_without_a_miss
from evaluation.labelled_runs import LabelledFold, evaluation_settings
from evaluation.metrics.classification import call
from evaluation.referral.selective import risk_coverage
from evaluation.result import ConfidenceCut, EvaluationResult, OperatingPoint, Release

# Confidence level of the one-sided lower bound by which validation must meet triage.accuracy.
CERTAINTY = 0.9


@dataclass(frozen=True)
class Referral:
    """What the validation images of one run choose.

    ``cut`` is on the calibrated probability of the prediction; a class is in the conformal set of an image where 1 -
    its uncalibrated probability is at most ``set_limit`` (None: too few validation images).
    """

    cut: ConfidenceCut
    set_limit: float | None


@dataclass(frozen=True)
class ReviewThresholds:
    """The thresholds that a run, or an ensemble, chose on validation; None where it chose none.

    Images with a smaller ``vote_share`` (configured) or a ``joint`` confidence below the cut are reviewed. On the
    probability of the positive class, ``threshold`` is the least of positive images, and below ``release`` images are
    released as negative. Predictions with a calibrated probability below the cut of ``confidence``, which was chosen
    for a target ``accuracy``, are reviewed; a class is in the conformal set where 1 - its probability is at most
    ``set_limit``. ``notes`` say what is missing, and the limits of the numbers.
    """

    vote_share: float
    threshold: float | None = None
    temperature: float | None = None
    release: float | None = None
    joint: float | None = None
    confidence: ConfidenceCut | None = None
    accuracy: float | None = None
    set_limit: float | None = None
    notes: tuple[str, ...] = ()

    def with_referral(self, referral: Referral | None, accuracy: float) -> "ReviewThresholds":
        """Return them with what ``choose_referral`` has chosen for a target accuracy."""
        if referral is None:
            return self
        return replace(self, confidence=referral.cut, accuracy=accuracy, set_limit=referral.set_limit)


def thresholds_of(result: EvaluationResult) -> ReviewThresholds:
    """Take the thresholds from the evaluation of a single run."""
    settings = evaluation_settings(result.settings).triage
    temperature = Temperature(None)
    if result.calibration is not None and not isinstance(result.calibration.temperature, list):
        temperature = Temperature(result.calibration.temperature, result.calibration.reason)
    point = result.threshold
    assert isinstance(point, OperatingPoint)  # a single run has one
    release = None
    joint = None
    if result.triage is not None:
        (release,) = result.triage.release.validation
        joint = next((rule.cut for rule in result.triage.rules if rule.rule == "joint"), None)
    assert not isinstance(joint, list)
    thresholds = replace(_thresholds(point, temperature, release, settings, result.positive_class), joint=joint)
    if result.referral is None:
        return thresholds
    referral = Referral(result.referral.validation[0], result.referral.set_limits[0])
    return thresholds.with_referral(referral, result.referral.accuracy)


def choose_thresholds(predictions: Predictions, settings: EvaluationConfig) -> ReviewThresholds:
    """Choose threshold, temperature and release on the validation rows.

    Raises:
        UserError: See ``labelled.score``.
    """
    fold = LabelledFold.of(predictions, settings)
    release = None
    if settings.triage.enabled and fold.threshold.value is not None:
        release = choose_release(fold)
    temperature = fit_temperature(fold.validation.scored)
    thresholds = _thresholds(fold.threshold, temperature, release, settings.triage, predictions.positive_class)
    referral = choose_referral(fold) if settings.triage.enabled else None
    return thresholds.with_referral(referral, settings.triage.accuracy)


def _thresholds(
    point: OperatingPoint,
    temperature: Temperature,
    release: Release | None,
    settings: TriageConfig,
    positive_class: str | None,
) -> ReviewThresholds:
    notes = []
    if point.value is None and point.reason:
        notes.append(point.reason)
    if temperature.value is not None and temperature.reason:
        notes.append(f"temperature: {temperature.reason}")
    if release and release.lower_bound is not None and release.lower_bound < settings.sensitivity:
        notes.append(
            f"release: {release.positives} “{positive_class}” validation images guarantee a sensitivity of "
            f"{release.lower_bound:.3f} only, not of {settings.sensitivity:g}, and none on images of another kind"
        )
    threshold = release.threshold if release else None
    return ReviewThresholds(settings.vote_share, point.value, temperature.value, threshold, notes=tuple(notes))


def choose_release(fold: LabelledFold) -> Release:
    """Choose the highest threshold that keeps ``triage.sensitivity`` of the positive validation images."""
    sensitivity = fold.settings.triage.sensitivity
    confidence = fold.settings.confidence
    threshold = fold.threshold_for(sensitivity).value
    needed = needed_without_a_miss(sensitivity, confidence)
    validation = fold.validation.scored
    positive = validation.labels == validation.positive_index
    total = int(positive.sum())
    if threshold is None:
        return Release(None, total, 0, None, None, needed)
    kept = int((validation.probabilities[positive, validation.positive_index] >= threshold).sum())
    return Release(threshold, total, kept, kept / total, lower_bound(kept, total, confidence), needed)


def choose_referral(fold: LabelledFold, accuracy: float | None = None) -> Referral | None:
    """Choose by the labelled validation images; None without any. ``accuracy`` (0 to 1) replaces that of the settings.

    The cut is the lowest one at or above which so many of the predictions are right, by the lower bound of their share:
    of many cuts that few images choose from, one keeps the target by chance.
    """
    validation = fold.validation.scored
    if not len(validation.labels):
        return None
    triage = fold.settings.triage
    target = triage.accuracy if accuracy is None else accuracy
    certain = confidences(validation.probabilities, fit_temperature(validation).value)
    wrong = call(validation.probabilities, validation.positive_index) != validation.labels
    limits = quantiles(validation.probabilities, validation.labels, triage.coverage, by_class=False)
    return Referral(_choose_cut(certain, wrong, target), None if limits is None else float(limits[0]))


def confidences(probabilities: np.ndarray, temperature: float | None) -> np.ndarray:
    """Return the probability of each prediction, shape (N,), of probabilities (N, K) after scaling (None: none)."""
    scaled = probabilities if temperature is None else rescale(probabilities, temperature)
    return np.asarray(scaled.max(axis=1))


def cut_notes(cut: ConfidenceCut, target: float) -> list[str]:
    """Return that no cut was found for the ``target`` accuracy, as a sentence; none where there is one."""
    if cut.cut is None:
        return [
            f"confidence: with {cut.images:,} validation images no threshold guarantees an accuracy of {target:g}: all "
            "images are referred; lower evaluation.triage.accuracy (predict.py: accuracy=0.8), or validate on more "
            "images"
        ]
    return []


def matching_cut(confidence: np.ndarray, reviewed: int) -> float:
    """Return the cut with as close to ``reviewed`` images below it as ties allow; of two, that with more images.

    It is a confidence that occurs, or the next number above the largest of them (everything is reviewed).
    """
    values, counts = np.unique(confidence, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    candidates = np.append(values, np.nextafter(values[-1], np.inf))
    distance = np.abs(below - reviewed)
    return float(candidates[np.flatnonzero(distance == distance.min())[-1]])


def needed_images(coverage: float) -> int:
    """Return how many validation images a quantile at ``coverage`` needs: coverage / (1 - coverage), at least 1."""
    return max(1, int(np.ceil(coverage / (1 - coverage) - 1e-9)))


def quantiles(probabilities: np.ndarray, labels: np.ndarray, coverage: float, by_class: bool) -> np.ndarray | None:
    """Return the largest score that each class may have to be in the set, float64, shape (K,), by validation images.

    With ``by_class`` each class has a quantile of its own (Mondrian), so that the coverage (0 to 1) holds in each. None
    with fewer than ``needed_images`` (of a class, where ``by_class``).
    """
    scores = 1 - probabilities[np.arange(len(labels)), labels]
    limits = []
    for index in range(probabilities.shape[1]):
        group = scores[labels == index] if by_class else scores
        if len(group) < needed_images(coverage):
            return None
        # Of n scores the ceil((n + 1) coverage)-th smallest.
        rank = int(np.ceil((len(group) + 1) * coverage - 1e-9))
        limits.append(np.sort(group)[rank - 1])
    return np.array(limits)


def _choose_cut(certain: np.ndarray, wrong: np.ndarray, target: float) -> ConfidenceCut:
    curve = risk_coverage(certain, wrong)
    taken = np.arange(1, len(wrong) + 1)
    bounds = lower_bounds(np.rint((1 - curve.risk) * taken), taken, CERTAINTY)
    possible = np.flatnonzero(curve.cuts & (bounds >= target))
    if not len(possible):
        return ConfidenceCut(None, len(wrong), 0, None, None)
    last = possible[-1]
    kept = certain >= np.sort(certain)[::-1][last]
    right = int((kept & ~wrong).sum())
    total = int(kept.sum())
    return ConfidenceCut(float(certain[kept].min()), len(wrong), total, right / total, float(bounds[last]))
