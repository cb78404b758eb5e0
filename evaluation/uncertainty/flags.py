"""Which of new images a person looks at: by what a run chose on its validation images, whose truth was known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig, TriageConfig
from common.errors import UserError
from common.predictions import Predictions, uncertainty_of
from evaluation.core.labelled import score
from evaluation.metrics.classification import call
from evaluation.metrics.thresholds import choose_threshold
from evaluation.uncertainty.calibration import fit_temperature, rescale
from evaluation.uncertainty.selective import choose_release

CALIBRATED_PREFIX = "calibrated_"
# Rule -> when a person looks.
RULES = {
    "votes": "vote share below {votes:.4g}",
    "joint": "votes x probability below {joint:.4g}",
    "release": "not below the release threshold",
    "positive": "called {positive}",
}
USUAL = ("votes", "release")
NOBODY_VOUCHES = "no rule of this run could release it"
BROKEN = "cannot be judged"


@dataclass(frozen=True)
class Chosen:
    """What a run, or an ensemble, chose on validation.

    Attributes:
        vote_share: Below this share of the votes a person looks (a wish, not chosen).
        threshold: From this probability of the positive class on an image is called positive; None without one.
        temperature: What log-probabilities are divided by; None without one.
        release: Below this probability of the positive class an image is released as negative; None without one.
        joint: Below this joint confidence a person looks; None without one.
        notes: What is missing, and how far the figures can be trusted, a line each.
    """

    vote_share: float
    threshold: float | None = None
    temperature: float | None = None
    release: float | None = None
    joint: float | None = None
    notes: tuple[str, ...] = ()


def chosen_by(judgement: dict) -> Chosen:
    """Take what a run chose from its judgement (``metrics.json``)."""
    wishes = TriageConfig(**(judgement["settings"].get("triage") or {}))
    calibration = judgement.get("calibration") or {}
    triage = judgement.get("triage") or {}
    found = Chosen(wishes.vote_share, judgement["threshold"]["value"], calibration.get("temperature"))
    notes = []
    if found.threshold is None:
        notes.append(f"no threshold of validation: {judgement['threshold']['reason']}")
    if found.temperature is not None and calibration.get("reason"):
        notes.append(f"temperature: {calibration['reason']}")
    if triage:
        (release,) = triage["release"]["validation"]
        cuts = {row["rule"]: row["cut"] for row in triage["rules"]}
        found = replace(found, release=release["threshold"], joint=cuts.get("joint"))
        notes += _vouched(release, judgement["positive_class"], wishes.sensitivity)
    return replace(found, notes=tuple(notes))


def choose(validated: Predictions, settings: EvaluationConfig) -> Chosen:
    """Choose threshold, temperature and release anew, on the validation rows of ``validated``.

    Raises:
        UserError: See ``scored.score``.
    """
    validation = score(validated.part("validation"))
    point = choose_threshold(validation, settings)
    temperature = fit_temperature(validation)
    if point.value is None:
        notes = [f"no threshold of validation: {point.reason}"]
    else:
        notes = []
    if temperature.value is not None and temperature.reason:
        notes.append(f"temperature: {temperature.reason}")
    found = Chosen(settings.triage.vote_share, point.value, temperature.value)
    if settings.triage.enabled and point.value is not None:
        release = choose_release(validation, settings)
        found = replace(found, release=release.threshold)
        notes += _vouched(release.as_dict(), validated.positive_class, settings.triage.sensitivity)
    return replace(found, notes=tuple(notes))


def known_rules(chosen: Chosen, sampled: bool, positive_class: str | None, asked: Sequence[str] | None) -> list[str]:
    """Return the rules that are applied: those asked for, or else those of USUAL that there is what is needed for.

    Raises:
        UserError: A rule that is asked for is unknown, or cannot be applied here.
    """
    needs = {
        "votes": None if sampled else "there are no passes (--passes) and no members that vote",
        "joint": "validation chose no cut of it" if chosen.joint is None else None if sampled else "there are no votes",
        "release": "validation chose no release threshold" if chosen.release is None else None,
        "positive": "there are more than two classes" if positive_class is None else None,
    }
    for name in asked or ():
        if name not in needs:
            raise UserError(f"--rules {name} is no rule: choose among {', '.join(RULES)}")
        if needs[name]:
            raise UserError(f"--rules {name}: {needs[name]}: leave it out")
    return [name for name in asked or USUAL if needs[name] is None]


def flag(predictions: Predictions, chosen: Chosen, rules: Sequence[str]) -> pd.DataFrame:
    """Call images of unknown class, and say which of them a person looks at.

    An image is left to the machine where no rule speaks. Without any rule nothing is: every image is to be reviewed.

    Args:
        predictions: One row per image.
        chosen: What its run chose.
        rules: See ``known_rules``.

    Returns:
        One row per image: ``called`` (at 0.5, or the most probable class), ``called_at_threshold`` (at the threshold
        of validation; None without one), ``prob_<class>``, ``calibrated_<class>`` (where there is a temperature),
        ``uncertainty``, ``sampled_...`` (where there are votes), ``review`` (bool) and ``reason`` (of a review, the
        rules that speak, in words; None otherwise).
    """
    classes = np.array(predictions.classes)
    positive = predictions.positive_index
    probabilities = predictions.probabilities
    table = pd.DataFrame({"called": classes[call(probabilities, positive)]}, dtype=object)
    if chosen.threshold is None:
        at = None
    else:
        at = classes[call(probabilities, positive, chosen.threshold)]
    table["called_at_threshold"] = pd.Series(at, index=table.index, dtype=object)
    frame = predictions.frame.reset_index(drop=True)
    table = table.join(frame.filter(regex="^prob_"))
    if chosen.temperature is not None:
        table[[CALIBRATED_PREFIX + name for name in classes]] = rescale(probabilities, chosen.temperature)
    table["uncertainty"] = uncertainty_of(probabilities)
    table = table.join(frame.filter(regex="^sampled_"))
    reasons = _reasons(predictions, chosen, rules)
    table["review"] = [bool(one) for one in reasons]
    table["reason"] = pd.Series([one or None for one in reasons], index=table.index, dtype=object)
    return table


def rule_lines(chosen: Chosen, rules: Sequence[str], positive_class: str | None) -> list[str]:
    """Say when a person looks, and at which numbers, a line each."""
    texts = {**_texts(chosen, positive_class)}
    if chosen.release is not None:
        texts["release"] = f"{positive_class} {texts['release']}, {chosen.release:.4g}"
    lines = [f"a person looks where: {texts[name]}" for name in rules]
    return lines or [f"a person looks at every image: {NOBODY_VOUCHES}"]


def _texts(chosen: Chosen, positive_class: str | None) -> dict[str, str]:
    numbers = {"votes": chosen.vote_share, "joint": np.nan if chosen.joint is None else chosen.joint}
    return {name: text.format(**numbers, positive=positive_class) for name, text in RULES.items()}


def _reasons(predictions: Predictions, chosen: Chosen, rules: Sequence[str]) -> list[str]:
    """The rules that speak of each image, joined; empty where none does."""
    if not rules:
        return [NOBODY_VOUCHES] * len(predictions.frame)
    texts = _texts(chosen, predictions.positive_class)
    spoken = {texts[name]: _speaks(name, predictions, chosen) for name in rules}
    rows = range(len(predictions.frame))
    return ["; ".join(text for text, where in spoken.items() if where[row]) for row in rows]


def _speaks(rule: str, predictions: Predictions, chosen: Chosen) -> np.ndarray:
    """Where a rule sends an image to a person, bool, shape (N,)."""
    frame = predictions.frame
    positive = predictions.positive_index
    if rule == "votes":
        return frame["sampled_votes"].to_numpy(np.float64) < chosen.vote_share
    if rule == "joint":
        return frame["sampled_confidence"].to_numpy(np.float64) < chosen.joint
    if rule == "release":
        return predictions.probabilities[:, positive] >= chosen.release
    plain = call(predictions.probabilities, positive) == positive
    if predictions.sampled:
        voted = (frame["sampled_label"] == predictions.positive_class).to_numpy()
    else:
        voted = plain
    return plain | voted


def _vouched(release: dict, positive_class: str, wish: float) -> list[str]:
    """Say where validation has too few positive images to promise the sensitivity that is wished."""
    bound = release["lower_bound"]
    if bound is None or bound >= wish:
        return []
    return [
        f"release: {release['positives']} “{positive_class}” validation images vouch for a sensitivity of {bound:.3f} "
        f"only, not of {wish:g}, and for none on images of another kind"
    ]
