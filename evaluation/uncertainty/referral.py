"""Referral for any number of classes: the least confident predictions, or those whose conformal set is not one class.

Both are chosen on validation and evaluated on test. The confidence is the probability of the predicted class after
temperature scaling; its cut keeps a target accuracy of what is not referred (selective classification: Geifman and
El-Yaniv, Selective Classification for Deep Neural Networks, 2017). Two classes have further rules, see ``triage``.
"""

from dataclasses import dataclass

import numpy as np

from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.exact import lower_bounds, share
from evaluation.labelled_runs import LabelledFold, LabelledRuns
from evaluation.metrics.classification import call
from evaluation.result import ConfidenceCut, EvaluationWarning, ReferralResult, warnings_about
from evaluation.uncertainty.calibration import fit_temperature, rescale
from evaluation.uncertainty.selective import risk_coverage
from evaluation.uncertainty.triage import evaluate_sets, quantile


@dataclass(frozen=True)
class Referral:
    """What the validation images of one run choose.

    ``cut`` is on the calibrated probability of the prediction; a class is in the conformal set of an image where 1 -
    its uncalibrated probability is at most ``set_limit`` (None: too few validation images).
    """

    cut: ConfidenceCut
    set_limit: float | None


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
    certain = confidences(validation, _temperature(fold))
    cut = _choose_cut(validation, certain, target, triage.certainty)
    return Referral(cut, quantile(validation, triage.coverage))


def confidences(scored: LabelledPredictions, temperature: float | None) -> np.ndarray:
    """Return the probability of each prediction after scaling by a temperature (None: none), shape (N,)."""
    probabilities = scored.probabilities
    if temperature is not None:
        probabilities = rescale(probabilities, temperature)
    return np.asarray(probabilities.max(axis=1))


def evaluate_referral(runs: LabelledRuns) -> ReferralResult | None:
    """Evaluate the choices of each fold on its test images; None without validation images, or without triage."""
    if not runs.settings.triage.enabled:
        return None
    choices = []
    referred = []
    for fold in runs.folds:
        choice = choose_referral(fold)
        if choice is None:
            return None
        choices.append(choice)
        certain = confidences(fold.test.scored, _temperature(fold))
        referred.append(certain < (np.inf if choice.cut.cut is None else choice.cut.cut))
    review = np.concatenate(referred)
    test = runs.test
    correct = call(test.probabilities, test.positive_index) == test.labels
    confidence = runs.settings.confidence
    return ReferralResult(
        accuracy=runs.settings.triage.accuracy,
        validation=[choice.cut for choice in choices],
        set_limits=[choice.set_limit for choice in choices],
        referred=share(review.sum(), len(review), confidence),
        correct=share((correct & ~review).sum(), (~review).sum(), confidence),
        # Two classes have the sets among the rules of triage.
        conformal=evaluate_sets(runs) if test.positive_index is None and len(review) else None,
    )


def cut_notes(cut: ConfidenceCut, target: float) -> list[str]:
    """Return that no cut was found for the ``target`` accuracy, as a sentence; none where there is one."""
    if cut.cut is None:
        return [
            f"confidence: with {cut.images:,} validation images no threshold guarantees an accuracy of {target:g}: all "
            "images are referred; lower evaluation.triage.accuracy (predict.py: accuracy=0.8), or validate on more "
            "images"
        ]
    return []


def referral_warnings(referral: ReferralResult | None, many_classes: bool) -> list[EvaluationWarning]:
    """Return the limits of the results of ``evaluate_referral``, of more than two classes."""
    if referral is None or not many_classes:
        return []
    weakest = min(referral.validation, key=lambda cut: cut.kept)
    return warnings_about("triage", cut_notes(weakest, referral.accuracy))


def _temperature(fold: LabelledFold) -> float | None:
    return fit_temperature(fold.validation.scored).value


def _choose_cut(scored: LabelledPredictions, certain: np.ndarray, target: float, certainty: float) -> ConfidenceCut:
    wrong = call(scored.probabilities, scored.positive_index) != scored.labels
    curve = risk_coverage(certain, wrong)
    taken = np.arange(1, len(wrong) + 1)
    bounds = lower_bounds(np.rint((1 - curve.risk) * taken), taken, certainty)
    possible = np.flatnonzero(curve.cuts & (bounds >= target))
    if not len(possible):
        return ConfidenceCut(None, len(wrong), 0, None, None)
    last = possible[-1]
    kept = certain >= np.sort(certain)[::-1][last]
    right = int((kept & ~wrong).sum())
    total = int(kept.sum())
    return ConfidenceCut(float(certain[kept].min()), len(wrong), total, right / total, float(bounds[last]))
