"""Triage: rules, chosen on validation and evaluated on test, that select the images for review by a person.

A rule decides the other images alone; the person is assumed to be always right. Paper 001 uses the vote share of Monte
Carlo passes (section 3.4), and a person reviews every abnormal prediction (section 5.1).
"""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from evaluation.intervals.exact import share
from evaluation.labelled_runs import LabelledFold, LabelledRuns
from evaluation.result import (
    ConformalResult,
    ConformalSets,
    EvaluationWarning,
    Release,
    ReleaseResult,
    Share,
    TriageResult,
    TriageRuleResult,
    warnings_about,
)
from evaluation.uncertainty import conformal
from evaluation.uncertainty.selective import areas, choose_release

FEW_POSITIVES = 100
FEW_WRONG = 10
RULES = {
    "nobody": "no review: predicted at 0.5",
    "votes": "a person where the vote share is below {vote_share:g}",
    "votes_positive": "a person where the vote share is below {vote_share:g}, and for every {positive} prediction",
    "joint": "a person where votes x probability is below a cut that reviews as many validation images",
    "joint_positive": "a person below the cut of joint, and for every {positive} prediction",
    "release": "a person unless the probability of {positive} is below the threshold",
    "conformal": "a person where the conformal set is not one class",
    "conformal_by_class": "a person where the conformal set with a quantile for each class is not one class",
}


@dataclass(frozen=True)
class Decision:
    """The decisions of a rule on N test images.

    Attributes:
        predicted: Classes where no person reviews, as indices, int64, shape (N,).
        review: Whether a person reviews, bool, shape (N,).
        cut: Confidence below which a person reviews, or probability below which an image is released; None for others.
    """

    predicted: np.ndarray
    review: np.ndarray
    cut: float | None = None


def evaluate_triage(runs: LabelledRuns) -> TriageResult | None:
    """Evaluate every rule on the test images, each fold with the choices of its own validation.

    Returns:
        None where ``triage_refusal`` has a reason.
    """
    if triage_refusal(runs) is not None:
        return None
    releases = [choose_release(fold) for fold in runs.folds]
    decisions = [decide(fold, release) for fold, release in zip(runs.folds, releases, strict=True)]
    return TriageResult(
        risk_coverage=areas(runs),
        release=ReleaseResult(releases, _release_sensitivity(runs, releases)),
        conformal=ConformalResult(
            coverage=runs.settings.triage.coverage,
            note=conformal.APPROXIMATE,
            marginal=_measure_sets(runs, by_class=False),
            by_class=_measure_sets(runs, by_class=True),
        ),
        rules=_rule_results(runs, decisions),
    )


def triage_refusal(runs: LabelledRuns) -> str | None:
    """Return why there is no triage; None where there is one."""
    if not runs.settings.triage.enabled:
        return "triage.enabled is false"
    if runs.positive_index is None:
        return "there are more than two classes"
    # The folds' test images are evaluated together, but each fold chooses for itself.
    parts = [("validation", fold.validation.scored) for fold in runs.folds]
    for part, images in [*parts, ("test", runs.test)]:
        missing = [name for name, count in images.count_images().items() if not count]
        if missing:
            return f"no {part} image of {' and '.join(missing)}"
    return None


def triage_warnings(runs: LabelledRuns, triage: TriageResult | None) -> list[EvaluationWarning]:
    """Return why two classes have no triage, or the limits of its results."""
    settings = runs.settings.triage
    if triage is None:
        reason = triage_refusal(runs)
        if settings.enabled and runs.positive_index is not None:
            return warnings_about("triage", [f"none, {reason}"])
        return []
    lines = []
    name = runs.pooled.positive_class
    positives = triage.release.test.total
    # Without a positive image there is no triage, so every release has a bound.
    bound, low = min(
        ((release.lower_bound or 0.0, release) for release in triage.release.validation), key=itemgetter(0)
    )
    if bound < settings.sensitivity:
        advice = f"{low.needed:,} without a miss would"
        if low.positives >= low.needed:
            advice = "raise triage.sensitivity"
        lines.append(
            f"{low.positives:,} “{name}” validation images guarantee a sensitivity of "
            f"{bound:.3f} only, not of {settings.sensitivity:g} ({advice})"
        )
    if positives < FEW_POSITIVES:
        lines.append(f"only {positives} “{name}” test images: one miss costs {1 / positives:.3f} of sensitivity")
    few = [area.wrong for area in triage.risk_coverage.values() if area.wrong < FEW_WRONG]
    if few:
        lines.append(f"as few as {min(few)} wrong predictions: areas under risk-coverage curves say little")
    if any(fold.test.scored.by_subject for fold in runs.folds):
        lines.append("exact intervals take images for independent; those of one subject are not")
    least = conformal.needed_images(settings.coverage)
    if triage.conformal.marginal is None:
        lines.append(f"no conformal sets: fewer than {least} validation images")
    if triage.conformal.by_class is None:
        lines.append(f"no conformal sets by class: fewer than {least} validation images of each class")
    return warnings_about("triage", lines)


def decide(fold: LabelledFold, release: Release) -> dict[str, Decision]:
    """Apply every rule that can be chosen on validation to the test images; their labels are not used.

    Returns:
        Decisions under the keys of RULES; those of votes only where both parts have them, those of conformal sets only
        where validation has enough images.
    """
    validation = fold.validation
    test = fold.test
    settings = fold.settings.triage
    positive = test.scored.positive_index
    assert positive is not None  # see triage_refusal
    predicted = test.plain.called
    decisions = {"nobody": Decision(predicted, np.zeros(len(predicted), dtype=bool))}
    if validation.sampled and test.sampled:
        reviewed = int((validation.votes.values < settings.vote_share).sum())
        cuts = {"votes": settings.vote_share, "joint": matching_cut(validation.joint.values, reviewed)}
        for name, confidence in (("votes", test.votes), ("joint", test.joint)):
            review = confidence.values < cuts[name]
            review_positive = review | (confidence.called == positive)
            decisions[name] = Decision(confidence.called, review, cuts[name])
            decisions[f"{name}_positive"] = Decision(confidence.called, review_positive, cuts[name])
    review = test.scored.probabilities[:, positive] >= release.threshold
    decisions["release"] = Decision(np.full(len(predicted), 1 - positive), review, release.threshold)
    for name, by_class in (("conformal", False), ("conformal_by_class", True)):
        held = _conformal_sets(fold, by_class)
        if held is not None:
            decisions[name] = Decision(held.argmax(axis=1), held.sum(axis=1) != 1)
    return decisions


def matching_cut(confidence: np.ndarray, reviewed: int) -> float:
    """Return the cut with as close to ``reviewed`` images below it as ties allow; of two, that with more images.

    Args:
        confidence: Of the validation images, shape (N,).
        reviewed: Number of images that the other rule selects for review.

    Returns:
        A confidence that occurs, or the next number above the largest of them (everything is reviewed).
    """
    values, counts = np.unique(confidence, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    candidates = np.append(values, np.nextafter(values[-1], np.inf))
    distance = np.abs(below - reviewed)
    return float(candidates[np.flatnonzero(distance == distance.min())[-1]])


def count_outcome(decision: Decision, labels: np.ndarray, positive: int, confidence: float) -> dict[str, Any]:
    """Return the fields of a ``TriageRuleResult`` from ``images`` on."""
    alone = ~decision.review
    true = labels == positive
    missed = int((alone & true & (decision.predicted != positive)).sum())
    correct = int((alone & (decision.predicted == labels)).sum())
    return {
        "images": len(labels),
        "review": int(decision.review.sum()),
        "review_share": float(decision.review.mean()),
        "alone": int(alone.sum()),
        "accuracy": share(correct, alone.sum(), confidence),
        "missed": missed,
        "false_alarms": int((alone & ~true & (decision.predicted == positive)).sum()),
        "sensitivity": share(true.sum() - missed, true.sum(), confidence),
    }


def triage_table(triage: TriageResult) -> pd.DataFrame:
    """Return the rules as a table, a row each, with columns for the ends of intervals."""
    rows = []
    for rule in triage.rules:
        row: dict[str, object] = {}
        for name, value in vars(rule).items():
            if isinstance(value, Share):
                row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
            elif isinstance(value, list):
                row[name] = " ".join(f"{number:.6g}" for number in value)
            else:
                row[name] = value
        rows.append(row)
    return pd.DataFrame(rows)


def _rule_results(runs: LabelledRuns, decisions: list[dict[str, Decision]]) -> list[TriageRuleResult]:
    """Evaluate each rule that all folds have."""
    words = {"vote_share": runs.settings.triage.vote_share, "positive": runs.pooled.positive_class}
    positive = runs.positive_index
    assert positive is not None  # see triage_refusal
    results = []
    for name, text in RULES.items():
        folds = [of_fold[name] for of_fold in decisions if name in of_fold]
        if len(folds) < len(decisions):
            continue
        predicted = np.concatenate([fold.predicted for fold in folds])
        review = np.concatenate([fold.review for fold in folds])
        cuts = [fold.cut for fold in folds if fold.cut is not None]
        cut = runs.single_or_list(cuts) if cuts else None
        counts = count_outcome(Decision(predicted, review), runs.test.labels, positive, runs.settings.confidence)
        results.append(TriageRuleResult(rule=name, text=text.format(**words), cut=cut, **counts))
    return results


def _release_sensitivity(runs: LabelledRuns, releases: list[Release]) -> Share:
    """Return the share of the positive test images that are not released."""
    thresholds = runs.spread([release.threshold for release in releases])
    positive = runs.test.labels == runs.positive_index
    kept = positive & (runs.test.probabilities[:, runs.positive_index] >= thresholds)
    return share(kept.sum(), positive.sum(), runs.settings.confidence)


def _conformal_sets(fold: LabelledFold, by_class: bool) -> np.ndarray | None:
    limits = conformal.quantiles(fold.validation.scored, fold.settings.triage.coverage, by_class)
    if limits is None:
        return None
    return conformal.sets(fold.test.scored.probabilities, limits)


def _measure_sets(runs: LabelledRuns, by_class: bool) -> ConformalSets | None:
    sets = [_conformal_sets(fold, by_class) for fold in runs.folds]
    held = [of_fold for of_fold in sets if of_fold is not None]
    if len(held) < len(sets):
        return None
    return conformal.measure_sets(runs.test.labels, np.concatenate(held), runs.classes, runs.settings.confidence)
