"""Review of new images: rules with the thresholds that a run chose on its validation images, and a contact sheet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig, TriageConfig
from common.errors import UserError
from common.predictions import PROBABILITY_PREFIX, SAMPLED_PREFIX, UPSIDE_DOWN, Predictions, uncertainty_of
from evaluation.error_analysis.examples import PLAIN, RIGHT, WRONG, draw_sheet, end_of
from evaluation.labelled_runs import LabelledFold
from evaluation.metrics.classification import call
from evaluation.result import EvaluationResult, OperatingPoint, Release
from evaluation.uncertainty.calibration import Temperature, fit_temperature, rescale
from evaluation.uncertainty.selective import choose_release

CALIBRATED_PREFIX = "calibrated_"
# Rule -> when an image is reviewed; the texts are part of the table.
RULES = {
    "votes": "vote share below {votes:.4g}",
    "joint": "votes x probability below {joint:.4g}",
    "release": "not below the release threshold",
    "positive": "called {positive}",
}
USUAL = ("votes", "release")
NO_RULE = "no rule of this run could release it"
BROKEN = "cannot be read"
COLUMNS = 6
LIMIT = 48  # images on a contact sheet
SIDE = 320  # pixels of the longer side of a thumbnail
LETTERS = 30  # of a file's name


@dataclass(frozen=True)
class ReviewThresholds:
    """The thresholds that a run, or an ensemble, chose on validation; None where it chose none.

    Images with a smaller ``vote_share`` (configured) or a ``joint`` confidence below the cut are reviewed. On the
    probability of the positive class, ``threshold`` is the least of positive images, and below ``release`` images are
    released as negative. ``notes`` say what is missing, and the limits of the numbers.
    """

    vote_share: float
    threshold: float | None = None
    temperature: float | None = None
    release: float | None = None
    joint: float | None = None
    notes: tuple[str, ...] = ()


def thresholds_of(result: EvaluationResult) -> ReviewThresholds:
    """Take the thresholds from the evaluation of a single run."""
    settings = TriageConfig(**(result.settings.get("triage") or {}))
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
    thresholds = _thresholds(point, temperature, release, settings, result.positive_class)
    return replace(thresholds, joint=joint)


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
    return _thresholds(fold.threshold, temperature, release, settings.triage, predictions.positive_class)


def _thresholds(
    point: OperatingPoint,
    temperature: Temperature,
    release: Release | None,
    settings: TriageConfig,
    positive_class: str | None,
) -> ReviewThresholds:
    notes = []
    if point.value is None:
        notes.append(f"no threshold of validation: {point.reason}")
    if temperature.value is not None and temperature.reason:
        notes.append(f"temperature: {temperature.reason}")
    if release and release.lower_bound is not None and release.lower_bound < settings.sensitivity:
        notes.append(
            f"release: {release.positives} “{positive_class}” validation images guarantee a sensitivity of "
            f"{release.lower_bound:.3f} only, not of {settings.sensitivity:g}, and none on images of another kind"
        )
    threshold = release.threshold if release else None
    return ReviewThresholds(settings.vote_share, point.value, temperature.value, threshold, notes=tuple(notes))


def select_rules(
    thresholds: ReviewThresholds, sampled: bool, positive_class: str | None, requested: Sequence[str] | None
) -> list[str]:
    """Return the rules to apply: the requested ones, or those of USUAL that are possible.

    Raises:
        UserError: A requested rule is not possible.
    """
    obstacles: dict[str, str] = {}
    if thresholds.joint is None:
        obstacles["joint"] = "validation chose no cut of it"
    elif not sampled:
        obstacles["joint"] = "there are no votes"
    if not sampled:
        obstacles["votes"] = "there are no passes (--passes) and no members that vote"
    if thresholds.release is None:
        obstacles["release"] = "validation chose no release threshold"
    if positive_class is None:
        obstacles["positive"] = "there are more than two classes"
    for rule in requested or ():
        if rule in obstacles:
            raise UserError(f"--rules {rule}: {obstacles[rule]}: leave it out")
    return [rule for rule in requested or USUAL if rule not in obstacles]


def review_table(predictions: Predictions, thresholds: ReviewThresholds, rules: Sequence[str]) -> pd.DataFrame:
    """Predict the classes of unlabelled images, and select those for review.

    An image is reviewed where any rule applies; without rules every image is.

    Returns:
        One row per image: ``called`` (class at 0.5, or the most probable one), ``called_at_threshold`` (at the
        threshold of validation; None without one), ``prob_<class>``, ``calibrated_<class>`` (with a temperature only),
        ``uncertainty``, ``upside_down`` (where estimated), ``sampled_...`` (with votes only), ``review`` (bool) and
        ``reason`` (texts of the rules that apply; None without review).
    """
    classes = np.array(predictions.classes)
    positive = predictions.positive_index
    probabilities = predictions.probabilities
    frame = predictions.frame.reset_index(drop=True)
    table = pd.DataFrame({"called": classes[call(probabilities, positive)]}, dtype=object)
    at_threshold = None
    if thresholds.threshold is not None:
        at_threshold = classes[call(probabilities, positive, thresholds.threshold)]
    table["called_at_threshold"] = pd.Series(at_threshold, index=table.index, dtype=object)
    table = table.join(frame.filter(regex="^prob_"))
    if thresholds.temperature is not None:
        table[[CALIBRATED_PREFIX + name for name in classes]] = rescale(probabilities, thresholds.temperature)
    table["uncertainty"] = uncertainty_of(probabilities)
    table = table.join(frame.filter(regex=f"^({UPSIDE_DOWN}$|{SAMPLED_PREFIX})"))
    texts = _texts(thresholds, predictions.positive_class)
    reasons = pd.Series("" if rules else NO_RULE, index=table.index, dtype=object)
    for rule in rules:
        applies = _applies(rule, predictions, thresholds)
        reasons[applies] += np.where(reasons[applies] == "", "", "; ") + texts[rule]
    table["review"] = reasons.ne("").to_numpy(bool)
    table["reason"] = reasons.where(reasons.ne(""), None)
    return table


def rule_lines(thresholds: ReviewThresholds, rules: Sequence[str], positive_class: str | None) -> list[str]:
    """Describe the rules and their thresholds, a line each."""
    texts = _texts(thresholds, positive_class)
    if thresholds.release is not None:
        texts["release"] = f"{positive_class} {texts['release']}, {thresholds.release:.4g}"
    lines = [f"to be reviewed where: {texts[name]}" for name in rules]
    return lines or [f"every image is to be reviewed: {NO_RULE}"]


def _texts(thresholds: ReviewThresholds, positive_class: str | None) -> dict[str, str]:
    joint = np.nan if thresholds.joint is None else thresholds.joint
    numbers = {"votes": thresholds.vote_share, "joint": joint}
    return {name: text.format(**numbers, positive=positive_class) for name, text in RULES.items()}


def _applies(rule: str, predictions: Predictions, thresholds: ReviewThresholds) -> np.ndarray:
    """Return the images that a rule selects for review, bool, shape (N,)."""
    frame = predictions.frame
    positive = predictions.positive_index
    if rule == "votes":
        return np.asarray(frame["sampled_votes"] < thresholds.vote_share)
    if rule == "joint":
        return np.asarray(frame["sampled_confidence"] < thresholds.joint)
    if rule == "release":
        return np.asarray(predictions.probabilities[:, positive] >= thresholds.release)
    voted = frame["sampled_label"] == predictions.positive_class if predictions.sampled else False
    return np.asarray((call(predictions.probabilities, positive) == positive) | voted)


def select_rows(table: pd.DataFrame) -> np.ndarray:
    """Return the rows to draw, int64: those to be reviewed first, else in their order, at most LIMIT."""
    return np.argsort(~table["review"].to_numpy(bool), kind="stable")[:LIMIT]


def draw_contact_sheet(
    path: Path, table: pd.DataFrame, images: Sequence[np.ndarray], about: dict[str, Any], total: int
) -> None:
    """Draw some of ``total`` images (uint8 RGB, (h, w, 3), of any size) with their predictions to a PNG.

    ``table`` has a row per image: ``file``, the columns of ``review_table`` and, where known, ``label``.
    """
    number = f"{total:,}" if total == len(table) else f"{len(table)} of {total:,}"
    captions = map(caption, table.to_dict("records"))
    strips = {f"{number} pictures, those to be reviewed first": list(zip(images, captions, strict=True))}
    draw_sheet(path, about, strips, COLUMNS, 2.35)


def caption(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines below an image with their colours: prediction and truth, both scores, review, file."""
    predicted = row["called"]
    text = f"{predicted} {row[PROBABILITY_PREFIX + predicted]:.2f}"
    colour = PLAIN
    label = row.get("label")
    if label is not None and pd.notna(label):
        text += f" · is {label}"
        colour = RIGHT if label == predicted else WRONG
    lines = [(text, colour)]
    if "sampled_votes" in row:
        scores = f"votes {row['sampled_votes']:.0%}, joint {row['sampled_confidence']:.2f}"
        lines.append((f"{row['sampled_label']}: {scores}", PLAIN))
    lines.append(("to be reviewed", WRONG) if row["review"] else ("", PLAIN))
    return [*lines, (end_of(row["file"], LETTERS), PLAIN)]
