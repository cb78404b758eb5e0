"""The rules of referral: what validation images choose for them, and which images they give to a person.

The cut on the confidence of a prediction, its probability after temperature scaling, keeps a target accuracy of what is
not referred (selective classification: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017).
Passes of Monte Carlo dropout vote (paper 001).
"""

from dataclasses import dataclass, replace

import numpy as np

from karyocyte.config.schema import EvaluationConfig
from karyocyte.evaluation.intervals.exact import lower_bounds
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.temperature import Temperature, fit_temperature, rescale
from karyocyte.evaluation.pooling.labelled_runs import LabelledFold, evaluation_settings
from karyocyte.evaluation.types.result import ConfidenceCut, EvaluationResult, Kind, OperatingPoint
from karyocyte.runs.predictions import SAMPLED_PREFIX, VOTES, Predictions

# Confidence level of the one-sided lower bound by which validation must meet triage.accuracy.
CERTAINTY = 0.9
# Equal probabilities may differ in their last bits: no cut is between them.
DECIMALS = 12


@dataclass(frozen=True)
class ReviewThresholds:
    """The thresholds that a run, or an ensemble, chose on validation; None where it chose none.

    The ``threshold`` is the least probability of the positive class of positive images. Predictions with a calibrated
    probability below the cut of ``confidence``, which was chosen for a target ``accuracy``, are reviewed. The
    ``vote_share`` is a setting, None without passes of Monte Carlo dropout. ``notes`` say what is missing, and the
    limits of the numbers.
    """

    threshold: float | None = None
    temperature: float | None = None
    confidence: ConfidenceCut | None = None
    accuracy: float | None = None
    vote_share: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def cut(self) -> float | None:
        """The least calibrated probability that is not reviewed."""
        return self.confidence.cut if self.confidence else None


def thresholds_of(result: EvaluationResult) -> ReviewThresholds:
    """Take the thresholds from the evaluation of a single run."""
    settings = evaluation_settings(result.settings).triage
    temperature = Temperature(None)
    if result.calibration is not None:
        temperature = Temperature(result.calibration.temperatures[0], result.calibration.reason)
    thresholds = _thresholds(result.thresholds[0], temperature)
    if result.of(Kind.VOTES):
        thresholds = replace(thresholds, vote_share=settings.vote_share)
    if result.referral is None:
        return thresholds
    return replace(thresholds, confidence=result.referral[0], accuracy=settings.accuracy)


def choose_review_thresholds(predictions: Predictions, settings: EvaluationConfig) -> ReviewThresholds:
    """Choose threshold, temperature and referral on the validation rows.

    Raises:
        UserError: See ``labelled.score``.
    """
    fold = LabelledFold.from_run(predictions, settings)
    thresholds = _thresholds(fold.threshold, fit_temperature(fold.validation))
    if predictions.has_passes:
        thresholds = replace(thresholds, vote_share=settings.triage.vote_share)
    return choose_referral(fold, thresholds)


def _thresholds(point: OperatingPoint, temperature: Temperature) -> ReviewThresholds:
    notes = []
    if point.value is None and point.reason:
        notes.append(point.reason)
    if temperature.value is not None and temperature.reason:
        notes.append(f"temperature: {temperature.reason}")
    return ReviewThresholds(point.value, temperature.value, notes=tuple(notes))


def choose_referral(fold: LabelledFold, thresholds: ReviewThresholds | None = None) -> ReviewThresholds:
    """Return thresholds with the cut that labelled validation images choose; without any as they are.

    The cut is the lowest one at or above which ``triage.accuracy`` of the predictions are right, by the lower bound of
    their share: of many cuts that few images choose from, one keeps the target by chance.
    """
    validation = fold.validation
    target = fold.settings.triage.accuracy
    thresholds = thresholds or ReviewThresholds()
    if not len(validation.labels):
        return thresholds
    temperature = fit_temperature(validation).value
    certain = confidences(validation.probabilities, temperature)
    wrong = call(validation.probabilities, validation.positive_index) != validation.labels
    cut = _choose_cut(certain, wrong, target)
    return replace(thresholds, temperature=temperature, confidence=cut, accuracy=target)


def _choose_cut(certain: np.ndarray, wrong: np.ndarray, target: float) -> ConfidenceCut:
    order = np.argsort(-certain, kind="stable")
    is_end = ends_of_ties(certain[order])
    bounds = lower_bounds(np.cumsum(~wrong[order]), np.arange(1, len(wrong) + 1), CERTAINTY)
    possible = np.flatnonzero(is_end & (bounds >= target))
    if not len(possible):
        return ConfidenceCut(None, len(wrong), 0, None, None)
    last = possible[-1]
    kept = certain >= certain[order][last]
    right = int((kept & ~wrong).sum())
    total = int(kept.sum())
    return ConfidenceCut(float(certain[kept].min()), len(wrong), total, right / total, float(bounds[last]))


def ends_of_ties(certain: np.ndarray) -> np.ndarray:
    """Tell which of falling probabilities, shape (N,), are the last of equal ones, bool, shape (N,)."""
    rounded = np.round(certain, DECIMALS)
    return np.append(rounded[1:] < rounded[:-1], True)


def confidences(probabilities: np.ndarray, temperature: float | None) -> np.ndarray:
    """Return the probability of each prediction, shape (N,), of probabilities (N, K) after scaling (None: none)."""
    scaled = probabilities if temperature is None else rescale(probabilities, temperature)
    return np.asarray(scaled.max(axis=1))


def review_mask(rule: str, images: Predictions | LabelledPredictions, thresholds: ReviewThresholds) -> np.ndarray:
    """Return the images that a rule gives to a person, bool, shape (N,): the same of test images and of new ones.

    ``rule`` is one of ``new_images.RULES``, and what it needs was chosen.
    """
    if rule == "votes":
        assert isinstance(images, Predictions)
        assert thresholds.vote_share is not None
        return few_votes(images, thresholds.vote_share)
    certain = confidences(images.probabilities, thresholds.temperature)
    return np.asarray(certain < (np.inf if thresholds.cut is None else thresholds.cut))


def few_votes(images: Predictions, vote_share: float) -> np.ndarray:
    """Return the images for whose prediction fewer than a share of the passes vote, bool, shape (N,): paper 001, 3.4.

    The prediction is that without dropout; the paper takes the class with the most votes. Where the two differ, at most
    half of the passes vote for the prediction, so that of the images that are not referred both are the same.
    """
    predicted = np.array(images.classes, dtype=object)[call(images.probabilities, images.positive_index)]
    is_other = images.frame[SAMPLED_PREFIX + "label"] != predicted
    return np.asarray(is_other | (images.frame[VOTES] < vote_share))


def cut_notes(cut: ConfidenceCut, target: float) -> list[str]:
    """Return that no cut was found for the ``target`` accuracy, as a sentence; none where there is one."""
    if cut.cut is not None:
        return []
    return [
        f"with {cut.images:,} validation images no threshold of the probability guarantees an accuracy of {target:g}: "
        "all images are referred; repeat train.py with a lower evaluation.triage.accuracy, or validate on more images"
    ]
