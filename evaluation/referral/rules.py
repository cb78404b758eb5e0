"""The rules of referral: when an image is reviewed by a person, the same of test images and of new ones."""

import numpy as np

from common.predictions import Predictions
from evaluation.metrics.classification import call
from evaluation.referral.choices import ReviewThresholds

# Rule -> when an image is reviewed; the texts are part of the table.
RULES = {
    "votes": "vote share below {votes:.4g}",
    "joint": "votes x probability below {joint:.4g}",
    "release": "not below the release threshold",
    "positive": "predicted “{positive}”",
    "confidence": "probability below {confidence:.4g}",
    "conformal": "conformal set is not one class",
}
NO_CONFIDENCE = "no probability keeps the target accuracy"


def rule_texts(thresholds: ReviewThresholds, positive_class: str | None) -> dict[str, str]:
    """Return RULES with the numbers of ``thresholds``."""
    joint = np.nan if thresholds.joint is None else thresholds.joint
    cut = thresholds.confidence.cut if thresholds.confidence else None
    numbers = {"votes": thresholds.vote_share, "joint": joint, "confidence": np.nan if cut is None else cut}
    texts = {name: text.format(**numbers, positive=positive_class) for name, text in RULES.items()}
    if cut is None:
        texts["confidence"] = NO_CONFIDENCE
    return texts


def reviewed(
    rule: str, images: Predictions, thresholds: ReviewThresholds, calibrated: np.ndarray | None = None
) -> np.ndarray:
    """Return the images that a rule of RULES selects for review, bool, shape (N,).

    ``confidence`` goes by ``calibrated``, the probabilities after scaling, shape (N, K).
    """
    frame = images.frame
    positive = images.positive_index
    probabilities = images.probabilities
    if rule == "confidence":
        assert calibrated is not None
        cut = thresholds.confidence.cut if thresholds.confidence else None
        return np.asarray(calibrated.max(axis=1) < (np.inf if cut is None else cut))
    if rule == "conformal":
        assert thresholds.set_limit is not None  # see select_rules
        return np.asarray(conformal_sets(probabilities, thresholds.set_limit).sum(axis=1) != 1)
    if rule == "votes":
        return np.asarray(frame["sampled_votes"] < thresholds.vote_share)
    if rule == "joint":
        return np.asarray(frame["sampled_confidence"] < thresholds.joint)
    if rule == "release":
        return np.asarray(probabilities[:, positive] >= thresholds.release)
    voted = frame["sampled_label"] == images.positive_class if images.sampled else False
    return np.asarray((call(probabilities, positive) == positive) | voted)


def conformal_sets(probabilities: np.ndarray, limit: float | np.ndarray) -> np.ndarray:
    """Return which classes are in the set of each image, bool, shape (N, K), with one limit or one for each class."""
    return np.asarray(1 - probabilities <= limit)
