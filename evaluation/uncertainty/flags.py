"""Review of new images: rules with the thresholds that a run chose on its validation images, and a contact sheet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig, TriageConfig
from common.errors import UserError
from common.predictions import OUT_OF_DISTRIBUTION, SAMPLED_PREFIX, UPSIDE_DOWN, Predictions, uncertainty_of
from common.text import quoted
from evaluation.examples import PLAIN, RIGHT, WRONG, draw_sheet, end_of
from evaluation.labelled_runs import LabelledFold
from evaluation.metrics.classification import call
from evaluation.result import ConfidenceCut, EvaluationResult, OperatingPoint, Release
from evaluation.uncertainty.calibration import Temperature, fit_temperature, rescale
from evaluation.uncertainty.referral import Referral, choose_referral
from evaluation.uncertainty.selective import choose_release

CALIBRATED_PREFIX = "calibrated_"
# Rule -> when an image is reviewed; the texts are part of the table.
RULES = {
    "votes": "vote share below {votes:.4g}",
    "joint": "votes x probability below {joint:.4g}",
    "release": "not below the release threshold",
    "positive": "predicted “{positive}”",
    "confidence": "probability below {confidence:.4g}",
    "conformal": "conformal set is not one class",
}
USUAL = ("votes", "release")
USUAL_OF_MANY = ("votes", "confidence")  # of more than two classes
NO_CONFIDENCE = "no probability keeps the target accuracy"
NOT_EVALUATED = "there are no labelled validation images, or triage.enabled is false"
NO_RULE = "no rule of this run could release it"
BROKEN = "cannot be read"
FOREIGN = "out of distribution"
COLUMNS = 6
LIMIT = 48  # images on a contact sheet
SIDE = 320  # pixels of the longer side of a thumbnail
LETTERS = 30  # of a file's name


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


def select_rules(
    thresholds: ReviewThresholds, sampled: bool, positive_class: str | None, requested: Sequence[str] | None
) -> list[str]:
    """Return the rules to apply: the requested ones, or those of USUAL (USUAL_OF_MANY) that are possible.

    Raises:
        UserError: A requested rule is not possible.
    """
    obstacles: dict[str, str] = {}
    if thresholds.joint is None:
        obstacles["joint"] = "validation chose no cut of it"
    elif not sampled:
        obstacles["joint"] = "there are no votes"
    if not sampled:
        obstacles["votes"] = "there are no passes (passes=20) and no members that vote"
    if thresholds.release is None:
        obstacles["release"] = "validation chose no release threshold"
    if positive_class is None:
        obstacles["positive"] = "there are more than two classes"
    if thresholds.confidence is None:
        obstacles["confidence"] = NOT_EVALUATED
    if thresholds.set_limit is None:
        obstacles["conformal"] = "there are too few validation images"
    for rule in requested or ():
        if rule in obstacles:
            raise UserError(f"rules={rule}: {obstacles[rule]}: leave it out")
    usual = USUAL_OF_MANY if positive_class is None else USUAL
    return [rule for rule in requested or usual if rule not in obstacles]


def review_table(predictions: Predictions, thresholds: ReviewThresholds, rules: Sequence[str]) -> pd.DataFrame:
    """Predict the classes of unlabelled images, and select those for review.

    An image is reviewed where any rule applies, and where it is out of distribution; without rules every image is.

    Returns:
        One row per image: ``prediction`` (class at 0.5, or the most probable one) and its ``probability`` (calibrated,
        with a temperature), ``runner_up`` and ``runner_up_probability`` of the next class, ``conformal_set`` (names
        with commas between, or ""; with a limit only), ``prediction_at_threshold`` (at the threshold of validation;
        None without one), ``prob_<class>``, ``calibrated_<class>`` (with a temperature only), ``uncertainty``,
        ``upside_down`` (where estimated), ``out_of_distribution`` (where measured: the distance from the training
        images over its threshold), ``sampled_...`` (with votes only), ``review`` (bool) and ``reason`` (texts of the
        rules that apply; None without review).
    """
    classes = np.array(predictions.classes)
    positive = predictions.positive_index
    probabilities = predictions.probabilities
    frame = predictions.frame.reset_index(drop=True)
    calibrated = probabilities
    if thresholds.temperature is not None:
        calibrated = rescale(probabilities, thresholds.temperature)
    table = _ranked(predictions, calibrated)
    if thresholds.set_limit is not None:
        sets = [", ".join(classes[members]) for members in _sets(predictions, thresholds.set_limit)]
        table["conformal_set"] = pd.Series(sets, table.index, dtype=object)
    at_threshold = None
    if thresholds.threshold is not None:
        at_threshold = classes[call(probabilities, positive, thresholds.threshold)]
    table["prediction_at_threshold"] = pd.Series(at_threshold, index=table.index, dtype=object)
    table = table.join(frame.filter(regex="^prob_"))
    if thresholds.temperature is not None:
        table[[CALIBRATED_PREFIX + name for name in classes]] = calibrated
    table["uncertainty"] = uncertainty_of(probabilities)
    table = table.join(frame.filter(regex=f"^({UPSIDE_DOWN}$|{OUT_OF_DISTRIBUTION}$|{SAMPLED_PREFIX})"))
    texts = _texts(thresholds, predictions.positive_class)
    reasons = pd.Series("" if rules else NO_RULE, index=table.index, dtype=object)
    applying = {texts[rule]: _applies(rule, predictions, thresholds, calibrated) for rule in rules}
    for text, applies in {FOREIGN: is_foreign(table), **applying}.items():
        reasons[applies] += np.where(reasons[applies] == "", "", "; ") + text
    table["review"] = reasons.ne("").to_numpy(bool)
    table["reason"] = reasons.where(reasons.ne(""), None)
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


def _sets(predictions: Predictions, limit: float) -> np.ndarray:
    """Return which classes are in the conformal set of each image, bool, shape (N, K)."""
    return np.asarray(1 - predictions.probabilities <= limit)


def doubtful_first(table: pd.DataFrame) -> np.ndarray:
    """Return the order of the rows of a table of ``review_table``, int64, shape (N,).

    Images to be reviewed are first, of these the ones that are out of distribution, then the others, all by the
    probability of their prediction; files that are not predicted (no probability) are last.
    """
    probability = table["probability"].to_numpy(np.float64)
    order: np.ndarray = np.lexsort(
        (probability, ~is_foreign(table), ~table["review"].to_numpy(bool), np.isnan(probability))
    )
    return order


def is_foreign(table: pd.DataFrame) -> np.ndarray:
    """Return which images of a table of ``review_table`` are out of distribution, bool; none where not measured."""
    if OUT_OF_DISTRIBUTION not in table:
        return np.zeros(len(table), bool)
    return np.asarray(table[OUT_OF_DISTRIBUTION] > 1.0)


def rule_lines(thresholds: ReviewThresholds, rules: Sequence[str], positive_class: str | None) -> list[str]:
    """Describe the rules and their thresholds, a line each."""
    texts = _texts(thresholds, positive_class)
    if thresholds.release is not None:
        texts["release"] = f"probability of “{positive_class}” {texts['release']}, {thresholds.release:.4g}"
    if thresholds.confidence is not None and thresholds.confidence.cut is not None:
        kept = f"{thresholds.confidence.kept:,} of {thresholds.confidence.images:,} validation images are at or above"
        texts["confidence"] += f" ({kept}, {thresholds.confidence.accuracy:.3f} of them right)"
    lines = [f"to be reviewed where: {texts[name]}" for name in rules]
    return lines or [f"every image is to be reviewed: {NO_RULE}"]


def _texts(thresholds: ReviewThresholds, positive_class: str | None) -> dict[str, str]:
    joint = np.nan if thresholds.joint is None else thresholds.joint
    cut = thresholds.confidence.cut if thresholds.confidence else None
    numbers = {"votes": thresholds.vote_share, "joint": joint, "confidence": np.nan if cut is None else cut}
    texts = {name: text.format(**numbers, positive=positive_class) for name, text in RULES.items()}
    if cut is None:
        texts["confidence"] = NO_CONFIDENCE
    return texts


def _applies(rule: str, predictions: Predictions, thresholds: ReviewThresholds, calibrated: np.ndarray) -> np.ndarray:
    """Return the images that a rule selects for review, bool, shape (N,)."""
    if rule == "confidence":
        cut = thresholds.confidence.cut if thresholds.confidence else None
        return np.asarray(calibrated.max(axis=1) < (np.inf if cut is None else cut))
    if rule == "conformal":
        assert thresholds.set_limit is not None  # see select_rules
        return np.asarray(_sets(predictions, thresholds.set_limit).sum(axis=1) != 1)
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


def draw_contact_sheet(
    path: Path, table: pd.DataFrame, images: Sequence[np.ndarray], about: dict[str, Any], total: int
) -> None:
    """Draw some of ``total`` images (uint8 RGB, (h, w, 3), of any size) with their predictions to a PNG.

    ``table`` has a row per image: ``file``, the columns of ``review_table`` and, where known, ``label``. Images
    that are all smaller than ``SIDE``, such as chromosomes, are shown at one scale: their size says what they are.
    """
    if all(max(image.shape[:2]) < SIDE for image in images):
        images = at_one_scale(images)
    number = f"{total:,}" if total == len(table) else f"{len(table)} of {total:,}"
    captions = map(caption, table.to_dict("records"))
    strips = {f"{number} pictures, the most doubtful first": list(zip(images, captions, strict=True))}
    draw_sheet(path, about, strips, COLUMNS, 2.35)


def at_one_scale(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Pad images (uint8 RGB, (h, w, 3)) around to one height and width, each with the colour of its border."""
    height, width, _ = np.max([image.shape for image in images], axis=0)
    padded = []
    for image in images:
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        sheet = np.empty((height, width, 3), np.uint8)
        sheet[:] = np.median(border, axis=0)
        top = (height - image.shape[0]) // 2
        left = (width - image.shape[1]) // 2
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
        padded.append(sheet)
    return padded


def caption(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines below an image with their colours: prediction and truth, both scores, review, file."""
    predicted = row["prediction"]
    text = f"{predicted} {row['probability']:.2f}"
    colour = PLAIN
    label = row.get("label")
    if label is not None and pd.notna(label):
        text += f" · is {quoted(label)}"
        colour = RIGHT if label == predicted else WRONG
    lines = [(text, colour)]
    lines.append((f"or {row['runner_up']} {row['runner_up_probability']:.2f}", PLAIN))
    if "sampled_votes" in row:
        scores = f"votes {row['sampled_votes']:.0%}, joint {row['sampled_confidence']:.2f}"
        lines.append((f"{row['sampled_label']}: {scores}", PLAIN))
    reviewed = FOREIGN if row.get(OUT_OF_DISTRIBUTION, 0.0) > 1.0 else "to be reviewed"
    lines.append((reviewed, WRONG) if row["review"] else ("", PLAIN))
    return [*lines, (end_of(row["file"], LETTERS), PLAIN)]
