"""Selective prediction: the errors that remain when a person reviews the least confident predictions.

Risk-coverage curves and their area: Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural
Classifiers, 2019.
"""

from typing import NamedTuple

import numpy as np
from scipy import sparse, special

from karyocyte.evaluation.intervals.bootstrap import around
from karyocyte.evaluation.metrics.classification import Metric
from karyocyte.evaluation.metrics.leave_one_out import batches
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.types.result import TEST, Figures, Interval, Kind

# Equal probabilities may differ in their last bits; such images are tied.
DECIMALS = 12
AREA = Metric(higher_is_better=False)


class RiskCoverage(NamedTuple):
    """The error rate (``risk``) of the most confident share (``coverage``: 1/N, 2/N ... 1) of the images.

    ``cuts`` tells the ends of ties, bool: the possible cuts on the confidence. Each has shape (N,).
    """

    coverage: np.ndarray
    risk: np.ndarray
    cuts: np.ndarray

    @property
    def area(self) -> float:
        """AURC: the mean risk over the coverages 1/N to 1; 0 best."""
        return float(self.risk.mean())


def risk_coverage(confidence: np.ndarray, wrong: np.ndarray) -> RiskCoverage:
    """Compute the curve from the confidence of at least one image and whether it is wrong (bool), shape (N,) each.

    Ties have no order: the curve is the mean over all orders, where each image of a tie has the tie's mean error.
    """
    _, tie, sizes = np.unique(-np.round(confidence, DECIMALS), return_inverse=True, return_counts=True)
    errors = np.bincount(tie, weights=wrong) / sizes
    taken = np.arange(1, len(wrong) + 1)
    risk = np.cumsum(np.repeat(errors, sizes)) / taken
    cuts = np.zeros(len(wrong), dtype=bool)
    cuts[np.cumsum(sizes) - 1] = True
    return RiskCoverage(taken / len(wrong), risk, cuts)


def areas(confidence: np.ndarray, wrong: np.ndarray, runs: LabelledRuns) -> Figures:
    """Return the area of the test images of all folds and its excess over the best order of the images.

    Beside them is the share of the images that is ``wrong``. Arguments as ``risk_coverage``.
    """
    area = risk_coverage(confidence, wrong).area
    best = risk_coverage(-wrong.astype(float), wrong).area
    figures = {
        **around(WeightedArea(confidence, wrong, runs.test.clusters), {"aurc": AREA}, runs.test, runs.settings),
        "e_aurc": Interval(area - best),
        "wrong": Interval(float(wrong.mean()), n=len(wrong)),
    }
    return {(TEST, Kind.RISK): figures}


class WeightedArea:
    """Maps counts of clusters, shape (B, C), to the area under the curve, shape (1, B); NaN where no image is left.

    An image that is drawn n times counts as n images of equal confidence. Arguments as ``risk_coverage``, with the
    cluster of each image, 0 to C - 1, shape (N,).
    """

    def __init__(self, confidence: np.ndarray, wrong: np.ndarray, clusters: np.ndarray) -> None:
        levels, tie = np.unique(-np.round(confidence, DECIMALS), return_inverse=True)
        shape = (int(clusters.max()) + 1, len(levels))
        self._images = sparse.csr_array((np.ones(len(wrong)), (clusters, tie)), shape=shape)
        self._errors = sparse.csr_array((wrong.astype(np.float64), (clusters, tie)), shape=shape)

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Return the areas, float64."""
        return _areas(counts @ self._images, counts @ self._errors)[None]

    def without_each(self) -> np.ndarray:
        """Return the area without each cluster, float64, shape (1, C)."""
        images = self._images.sum(axis=0)
        errors = self._errors.sum(axis=0)
        areas = []
        for rows in batches(*self._images.shape):
            areas.append(_areas(images - self._images[rows].toarray(), errors - self._errors[rows].toarray()))
        return np.concatenate(areas)[None]

    def defined_on_each(self) -> np.ndarray:
        """Return True for each cluster, bool, shape (1, C): it has an image."""
        return np.ones((1, self._images.shape[0]), dtype=bool)


def _areas(images: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return the areas, shape (B,), of numbers of images and of errors at each level of confidence, shape (B, L) each.

    A tie of s images with e errors, after n images with l errors, adds (l + j e / s) / (n + j) over j = 1 ... s.
    """
    total = images.cumsum(axis=1)
    taken = total - images
    lost = errors.cumsum(axis=1) - errors
    rate = np.divide(errors, images, out=np.zeros_like(errors), where=images > 0)
    digamma = special.digamma(np.arange(1, total.max(initial=0) + 2))  # looked up, since it is slow
    harmonic = digamma[total.astype(int)] - digamma[taken.astype(int)]
    sums = np.asarray(rate * images + (lost - rate * taken) * harmonic)
    with np.errstate(invalid="ignore"):
        return np.asarray(sums.sum(axis=1) / total[:, -1])
