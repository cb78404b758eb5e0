"""Selective prediction: what remains wrong when the least sure images are left to a person.

Risk-coverage curves and their area: Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural
Classifiers, 2019.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse, special

from evaluation.core.labelled import Cases, Confidence
from evaluation.intervals.bootstrap import around
from evaluation.intervals.exact import lower_bound, needed_without_a_miss
from evaluation.intervals.methods import SHARE
from evaluation.labelled_runs import LabelledFold, LabelledRuns
from evaluation.result import Release, RiskCoverageResult

# Mutual informations of equal passes differ in their last bits; such images are tied.
DECIMALS = 12


@dataclass(frozen=True)
class RiskCoverage:
    """The share of wrong calls among the surest images.

    Attributes:
        coverage: Share of the images that is decided without a person: 1/N, 2/N ... 1, shape (N,).
        risk: Share of wrong calls among them, shape (N,); within a tie the mean over its orders.
        cuts: Where the curve leaves a tie, bool, shape (N,): only there can a cut on the confidence be set.
    """

    coverage: np.ndarray
    risk: np.ndarray
    cuts: np.ndarray

    @property
    def area(self) -> float:
        """AURC: the mean risk over the coverages 1/N to 1; 0 best."""
        return float(self.risk.mean())


def risk_coverage(confidence: np.ndarray, wrong: np.ndarray) -> RiskCoverage:
    """Draw the curve of at least one image.

    Among equally sure images no order is better than another: the curve is the mean over all of them, which is what
    the mean number of errors per image of the tie gives.

    Args:
        confidence: The larger the surer, shape (N,).
        wrong: Whether the call is wrong, bool, shape (N,).
    """
    _, tie, sizes = np.unique(-np.round(confidence, DECIMALS), return_inverse=True, return_counts=True)
    errors = np.bincount(tie, weights=wrong) / sizes
    taken = np.arange(1, len(wrong) + 1)
    risk = np.cumsum(np.repeat(errors, sizes)) / taken
    cuts = np.zeros(len(wrong), dtype=bool)
    cuts[np.cumsum(sizes) - 1] = True
    return RiskCoverage(taken / len(wrong), risk, cuts)


def curves(tests: list[Cases]) -> dict[str, RiskCoverage]:
    """Return the curve of every confidence that all folds have, over the test images of all of them."""
    return {name: risk_coverage(one.values, wrong) for name, (one, wrong) in _joined(tests).items()}


def areas(runs: LabelledRuns) -> dict[str, RiskCoverageResult]:
    """Return the area of each confidence that all folds have, with its interval."""
    results = {}
    for name, (confidence, wrong) in _joined(runs.tests).items():
        area = risk_coverage(confidence.values, wrong).area
        best = risk_coverage(-wrong.astype(float), wrong).area
        statistic = WeightedArea(confidence.values, wrong, runs.test.clusters)
        results[name] = RiskCoverageResult(
            aurc=area,
            e_aurc=area - best,
            wrong=int(wrong.sum()),
            images=len(wrong),
            interval=around(statistic, (name,), runs.test, runs.settings, SHARE)[name],
        )
    return results


class WeightedArea:
    """Maps counts of clusters, shape (B, C), to the area under the risk-coverage curve, shape (1, B).

    An image that is drawn n times is n images, equally sure.

    Args:
        confidence: The larger the surer, shape (N,).
        wrong: Whether the call is wrong, bool, shape (N,).
        clusters: Which images are drawn together, int64 in 0 to C - 1, shape (N,).
    """

    def __init__(self, confidence: np.ndarray, wrong: np.ndarray, clusters: np.ndarray) -> None:
        levels, tie = np.unique(-np.round(confidence, DECIMALS), return_inverse=True)
        shape = (int(clusters.max()) + 1, len(levels))
        self._images, self._errors = (
            sparse.csr_array((weight.astype(np.float64), (clusters, tie)), shape=shape)
            for weight in (np.ones(len(wrong)), wrong)
        )

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the area for counts of clusters; NaN where no image is left."""
        images = counts @ self._images
        errors = counts @ self._errors
        taken = images.cumsum(axis=1)
        lost = errors.cumsum(axis=1) - errors
        # A tie of s images with e errors, after n with l: sum over j = 1 ... s of (l + j e / s) / (n + j).
        rate = np.divide(errors, images, out=np.zeros_like(errors), where=images > 0)
        harmonic = np.diff(special.digamma(taken + 1), axis=1, prepend=special.digamma(1.0))
        area = rate * images + (lost - rate * (taken - images)) * harmonic
        with np.errstate(invalid="ignore"):
            return (area.sum(axis=1) / taken[:, -1])[None]


def choose_release(fold: LabelledFold) -> Release:
    """Choose the highest threshold that keeps ``triage.sensitivity`` of the positive validation images."""
    sensitivity = fold.settings.triage.sensitivity
    threshold = fold.threshold_for(sensitivity).value
    needed = needed_without_a_miss(sensitivity, fold.settings.confidence)
    validation = fold.validation.scored
    positive = validation.labels == validation.positive_index
    if threshold is None:
        return Release(None, int(positive.sum()), 0, None, None, needed)
    kept = int((validation.probabilities[positive, validation.positive_index] >= threshold).sum())
    bound = lower_bound(kept, positive.sum(), fold.settings.confidence)
    return Release(threshold, int(positive.sum()), kept, float(kept / positive.sum()), bound, needed)


def _joined(tests: list[Cases]) -> dict[str, tuple[Confidence, np.ndarray]]:
    labels = np.concatenate([test.labels for test in tests])
    folds = [test.confidences() for test in tests]
    found = {}
    for name in folds[0]:
        if all(name in fold for fold in folds):
            called = np.concatenate([fold[name].called for fold in folds])
            values = np.concatenate([fold[name].values for fold in folds])
            found[name] = (Confidence(called, values), called != labels)
    return found
