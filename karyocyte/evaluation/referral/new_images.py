"""Review of new images by the rules of referral, with the thresholds that a run chose on its validation images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.metrics.temperature import rescale
from karyocyte.evaluation.referral.choices import ReviewThresholds, review_mask
from karyocyte.runs.predictions import OUT_OF_DISTRIBUTION, SAMPLED_PREFIX, UPSIDE_DOWN, Predictions, uncertainty_of

# Rule -> when an image is reviewed; the texts are part of the table.
RULES = {"confidence": "probability below {:.4g}", "votes": "fewer than {:.4g} of the dropout passes vote for it"}
NO_CONFIDENCE = "no probability keeps the target accuracy"
CALIBRATED_PREFIX = "calibrated_"
NO_RULE = "no rule of this run could decide it alone"
BROKEN = "cannot be read"
OUTSIDE = "out of distribution"


def select_rules(thresholds: ReviewThresholds, requested: Sequence[str] | None) -> list[str]:
    """Return the rules to apply: the requested ones; else confidence and the votes of passes, where there are any.

    Votes alone decide nothing unless requested: without confidence there is no rule.

    Raises:
        UserError: A requested rule is not possible.
    """
    obstacles = _obstacles(thresholds)
    for rule in requested or ():
        if rule in obstacles:
            raise UserError(f"rules={rule}: {obstacles[rule]}: leave it out")
    if not requested and "confidence" in obstacles:
        return []
    return [rule for rule in requested or RULES if rule not in obstacles]


def _obstacles(thresholds: ReviewThresholds) -> dict[str, str]:
    """Return why rules are not possible."""
    obstacles: dict[str, str] = {}
    if thresholds.confidence is None:
        obstacles["confidence"] = "there are no labelled validation images"
    if thresholds.vote_share is None:
        obstacles["votes"] = "there are no passes of Monte Carlo dropout"
    return obstacles


def rule_texts(thresholds: ReviewThresholds) -> dict[str, str]:
    """Return RULES with the numbers of ``thresholds``."""
    texts = {**RULES, "confidence": NO_CONFIDENCE}
    for rule, number in (("confidence", thresholds.cut), ("votes", thresholds.vote_share)):
        if number is not None:
            texts[rule] = RULES[rule].format(number)
    return texts


def review_table(predictions: Predictions, thresholds: ReviewThresholds, rules: Sequence[str]) -> pd.DataFrame:
    """Predict the classes of unlabelled images, and select those for review.

    An image is reviewed where any rule applies, and where it is out of distribution; without rules every image is. A
    row per image: ``prediction`` (class at 0.5, or the most probable one), its ``probability`` (calibrated, with a
    temperature), ``runner_up`` and ``runner_up_probability``, ``prediction_at_threshold`` (None without one),
    ``prob_<class>``, ``calibrated_<class>`` (with a temperature only), ``uncertainty``, ``upside_down``,
    ``out_of_distribution`` and ``sampled_...`` (where measured), ``review`` (bool) and ``reason`` (texts of the rules
    that apply; None without review).
    """
    classes = np.array(predictions.classes)
    positive = predictions.positive_index
    probabilities = predictions.probabilities
    frame = predictions.frame.reset_index(drop=True)
    calibrated = probabilities
    if thresholds.temperature is not None:
        calibrated = rescale(probabilities, thresholds.temperature)
    table = _ranked(predictions, calibrated)
    table["prediction_at_threshold"] = pd.Series(None, table.index, dtype=object)
    if thresholds.threshold is not None:
        table["prediction_at_threshold"] = classes[call(probabilities, positive, thresholds.threshold)]
    table = table.join(frame.filter(regex="^prob_"))
    if thresholds.temperature is not None:
        table[[CALIBRATED_PREFIX + name for name in classes]] = calibrated
    table["uncertainty"] = uncertainty_of(probabilities)
    table = table.join(frame.filter(regex=f"^({UPSIDE_DOWN}$|{OUT_OF_DISTRIBUTION}$|{SAMPLED_PREFIX})"))
    texts = rule_texts(thresholds)
    reasons = pd.Series("", index=table.index, dtype=object)
    if not rules:
        reasons += f"; {NO_RULE}"
    reasons[is_out_of_distribution(table)] += f"; {OUTSIDE}"
    for rule in rules:
        reasons[review_mask(rule, predictions, thresholds)] += f"; {texts[rule]}"
    table["review"] = reasons.ne("").to_numpy(bool)
    table["reason"] = reasons.str.removeprefix("; ").where(reasons.ne(""), None)
    return table


def _ranked(predictions: Predictions, calibrated: np.ndarray) -> pd.DataFrame:
    """Return the most probable class of each image and the next one, with their ``calibrated`` probabilities (N, K)."""
    classes = np.array(predictions.classes)
    rows = np.arange(len(calibrated))
    first = call(predictions.probabilities, predictions.positive_index)
    others = calibrated.copy()
    others[rows, first] = -1.0
    second = others.argmax(axis=1)
    table = pd.DataFrame({"prediction": classes[first]}, dtype=object)
    table["probability"] = calibrated[rows, first]
    table["runner_up"] = classes[second].astype(object)
    table["runner_up_probability"] = calibrated[rows, second]
    return table


def doubtful_first(table: pd.DataFrame) -> np.ndarray:
    """Return the order of the rows of a table of ``review_table``, int64, shape (N,).

    Images to be reviewed are first, of these the ones that are out of distribution, then the others, all by the
    probability of their prediction; files that are not predicted (no probability) are last.
    """
    probability = table["probability"].to_numpy(np.float64)
    order: np.ndarray = np.lexsort(
        (probability, ~is_out_of_distribution(table), ~table["review"].to_numpy(bool), np.isnan(probability))
    )
    return order


def is_out_of_distribution(table: pd.DataFrame) -> np.ndarray:
    """Return which images of a table of ``review_table`` are out of distribution, bool; none where not measured."""
    if OUT_OF_DISTRIBUTION not in table:
        return np.zeros(len(table), bool)
    return np.asarray(table[OUT_OF_DISTRIBUTION] > 1.0)


def rule_lines(thresholds: ReviewThresholds, rules: Sequence[str]) -> list[str]:
    """Describe the rules and their thresholds, a line each."""
    texts = rule_texts(thresholds)
    chosen = thresholds.confidence
    if chosen is not None and chosen.cut is not None:
        kept = f"{chosen.kept:,} of {chosen.images:,} validation images are at or above"
        texts["confidence"] += f" ({kept}, {chosen.accuracy:.3f} of them right)"
    if not rules:
        return [f"every image is to be reviewed: {NO_RULE}"]
    return [f"to be reviewed where: {texts[name]}" for name in rules]
