"""Split-conformal sets: the classes that a new image may have, with a stated coverage.

Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Angelopoulos and Bates, A Gentle Introduction
to Conformal Prediction, 2021. The score is 1 - probability of the class (LAC: Sadinle, Lei and Wasserman, 2019).
"""

import numpy as np

from evaluation.core.labelled import LabelledPredictions
from evaluation.intervals.exact import share
from evaluation.result import ConformalSets

APPROXIMATE = (
    "validation also chose the epoch, and images of one subject are alike: the coverage holds approximately, so it is "
    "measured on test"
)


def needed_images(coverage: float) -> int:
    """Return how many validation images a quantile at ``coverage`` needs: coverage / (1 - coverage), at least 1."""
    return max(1, int(np.ceil(coverage / (1 - coverage) - 1e-9)))


def quantile(scores: np.ndarray, coverage: float) -> float:
    """Return the finite-sample quantile: the ceil((n + 1) coverage)-th smallest of n >= ``needed_images`` scores."""
    rank = int(np.ceil((len(scores) + 1) * coverage - 1e-9))
    return float(np.sort(scores)[rank - 1])


def quantiles(validation: LabelledPredictions, coverage: float, by_class: bool) -> np.ndarray | None:
    """Return the largest score that each class may have to be in the set.

    Args:
        validation: Labelled validation images.
        coverage: How often the set should contain the true class, 0 to 1.
        by_class: Whether each class has a quantile of its own (Mondrian), so that the coverage holds in each.

    Returns:
        Float64, shape (K,); None with fewer than ``needed_images`` (of a class, where ``by_class``).
    """
    scores = 1 - validation.probabilities[np.arange(len(validation.labels)), validation.labels]
    limits = []
    for index in range(len(validation.classes)):
        group = scores[validation.labels == index] if by_class else scores
        if len(group) < needed_images(coverage):
            return None
        limits.append(quantile(group, coverage))
    return np.array(limits)


def sets(probabilities: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return which classes are in the set of each image, bool, shape (N, K).

    Args:
        probabilities: 0 to 1, shape (N, K).
        limits: See ``quantiles``, shape (K,).
    """
    return 1 - probabilities <= limits


def measure_sets(labels: np.ndarray, held: np.ndarray, classes: tuple[str, ...], confidence: float) -> ConformalSets:
    """Measure the coverage and the sizes of the sets of at least one image.

    Args:
        labels: True classes as indices, shape (N,).
        held: See ``sets``, shape (N, K).
        classes: The K class names.
        confidence: Of the exact intervals.
    """
    covered = held[np.arange(len(labels)), labels]
    sizes = held.sum(axis=1)
    per_class = {}
    for index, name in enumerate(classes):
        of_class = covered[labels == index]
        per_class[name] = share(of_class.sum(), len(of_class), confidence)
    return ConformalSets(
        coverage=share(covered.sum(), len(covered), confidence),
        per_class=per_class,
        one=float((sizes == 1).mean()),
        several=float((sizes > 1).mean()),
        none=float((sizes == 0).mean()),
    )
