"""Which images a person still has to look at: rules chosen on validation, counted on test.

A rule decides some test images alone and hands the others to a person, who is taken to be always right. Paper 001 asks
for the vote share of Monte Carlo passes (section 3.4) and lets a person see every abnormal call (section 5.1).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from evaluation.core.labelled import Confidence
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
    "nobody": "nobody looks: called at 0.5",
    "votes": "a person where the vote share is below {vote_share:g}",
    "votes_positive": "a person where the vote share is below {vote_share:g}, and for every {positive} call",
    "joint": "a person where votes x probability is below a cut that reviews as many validation images",
    "joint_positive": "a person below the cut of joint, and for every {positive} call",
    "release": "a person unless the probability of {positive} is below the threshold",
    "conformal": "a person where the conformal set is not one class",
    "conformal_by_class": "a person where the conformal set with a quantile for each class is not one class",
}


@dataclass(frozen=True)
class Decision:
    """What a rule does with N test images.

    Attributes:
        called: What is decided where no person looks: class indices, int64, shape (N,).
        review: Whether a person looks, bool, shape (N,).
        cut: Below which confidence a person looks, or below which probability an image is released; None for others.
    """

    called: np.ndarray
    review: np.ndarray
    cut: float | None = None


def evaluate_triage(runs: LabelledRuns) -> TriageResult | None:
    """Evaluate every rule on the test images, each fold with what its own validation chose.

    Returns:
        None where ``triage_refusal`` has a reason.
    """
    if triage_refusal(runs) is not None:
        return None
    releases = [choose_release(fold) for fold in runs.folds]
    decided = [decide(fold, release) for fold, release in zip(runs.folds, releases, strict=True)]
    return TriageResult(
        risk_coverage=areas(runs),
        release=ReleaseResult(releases, _kept(runs, releases)),
        conformal=ConformalResult(
            coverage=runs.settings.triage.coverage,
            note=conformal.APPROXIMATE,
            marginal=_sets(runs, by_class=False),
            by_class=_sets(runs, by_class=True),
        ),
        rules=_outcomes(runs, decided),
    )


def triage_refusal(runs: LabelledRuns) -> str | None:
    """Say why there is no triage; None where there is one."""
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
    """Say why two classes have no triage, or what limits its figures."""
    settings = runs.settings.triage
    if triage is None:
        reason = triage_refusal(runs)
        if settings.enabled and runs.positive_index is not None:
            return warnings_about("triage", [f"none, {reason}"])
        return []
    lines = []
    name = runs.pooled.positive_class
    positives = triage.release.test.total
    low = min(triage.release.validation, key=lambda release: release.lower_bound)
    if low.lower_bound < settings.sensitivity:
        advice = f"{low.needed:,} without a miss would"
        if low.positives >= low.needed:
            advice = "wish for more"
        lines.append(
            f"{low.positives:,} “{name}” validation images vouch for a sensitivity of "
            f"{low.lower_bound:.3f} only, not of {settings.sensitivity:g} ({advice})"
        )
    if positives < FEW_POSITIVES:
        lines.append(f"only {positives} “{name}” test images: one miss costs {1 / positives:.3f} of sensitivity")
    few = [area.wrong for area in triage.risk_coverage.values() if area.wrong < FEW_WRONG]
    if few:
        lines.append(f"as few as {min(few)} wrong calls: areas under risk-coverage curves say little")
    if any(fold.test.scored.by_subject for fold in runs.folds):
        lines.append("exact intervals take images for independent; those of one subject are not")
    least = conformal.fewest(settings.coverage)
    if triage.conformal.marginal is None:
        lines.append(f"no conformal sets: fewer than {least} validation images")
    if triage.conformal.by_class is None:
        lines.append(f"no conformal sets by class: fewer than {least} validation images of each class")
    return warnings_about("triage", lines)


def decide(fold: LabelledFold, release: Release) -> dict[str, Decision]:
    """Apply every rule that can be chosen on validation to test images, whose labels are not read.

    Returns:
        Decisions under the keys of RULES; those of votes only where both parts have them, those of conformal sets only
        where validation has enough images.
    """
    validation = fold.validation
    test = fold.test
    settings = fold.settings.triage
    plain = test.plain.called
    positive = test.scored.positive_index
    decisions = {"nobody": Decision(plain, np.zeros(len(plain), dtype=bool))}
    if validation.sampled and test.sampled:
        reviewed = int((validation.votes.values < settings.vote_share).sum())
        cut = matching_cut(validation.joint.values, reviewed)
        decisions |= _below("votes", test.votes, settings.vote_share, positive)
        decisions |= _below("joint", test.joint, cut, positive)
    scores = test.scored.probabilities[:, positive]
    negative = np.full(len(plain), 1 - positive)
    decisions["release"] = Decision(negative, scores >= release.threshold, release.threshold)
    for name, by_class in (("conformal", False), ("conformal_by_class", True)):
        limits = conformal.quantiles(validation.scored, settings.coverage, by_class)
        if limits is not None:
            held = conformal.sets(test.scored.probabilities, limits)
            decisions[name] = Decision(held.argmax(axis=1), held.sum(axis=1) != 1)
    return {name: decisions[name] for name in RULES if name in decisions}


def matching_cut(confidence: np.ndarray, reviewed: int) -> float:
    """Return the cut below which as near as ties allow to ``reviewed`` images lie, in doubt more.

    Args:
        confidence: Of the validation images, shape (N,).
        reviewed: How many images the other rule has reviewed.

    Returns:
        A confidence that occurs, or the next number above the largest of them (everything is reviewed).
    """
    values, counts = np.unique(confidence, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    candidates = np.append(values, np.nextafter(values[-1], np.inf))
    distance = np.abs(below - reviewed)
    return float(candidates[np.flatnonzero(distance == distance.min())[-1]])


def outcome(decision: Decision, labels: np.ndarray, positive: int, confidence: float) -> dict[str, Any]:
    """Count what a rule does: the fields of a ``TriageRuleResult`` from ``images`` on."""
    alone = ~decision.review
    true = labels == positive
    missed = int((alone & true & (decision.called != positive)).sum())
    right = int((alone & (decision.called == labels)).sum())
    return {
        "images": len(labels),
        "review": int(decision.review.sum()),
        "review_share": float(decision.review.mean()),
        "alone": int(alone.sum()),
        "accuracy": share(right, alone.sum(), confidence),
        "missed": missed,
        "false_alarms": int((alone & ~true & (decision.called == positive)).sum()),
        "sensitivity": share(true.sum() - missed, true.sum(), confidence),
    }


def triage_table(triage: TriageResult) -> pd.DataFrame:
    """Return the rules as a flat table, a row each: shares with their ends in columns of their own."""
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


def _below(name: str, confidence: Confidence, cut: float, positive: int) -> dict[str, Decision]:
    review = confidence.values < cut
    seen = review | (confidence.called == positive)
    return {
        name: Decision(confidence.called, review, cut),
        f"{name}_positive": Decision(confidence.called, seen, cut),
    }


def _outcomes(runs: LabelledRuns, decided: list[dict[str, Decision]]) -> list[TriageRuleResult]:
    """Put the folds of each rule that all of them have together, and count."""
    words = {"vote_share": runs.settings.triage.vote_share, "positive": runs.pooled.positive_class}
    results = []
    for name, text in RULES.items():
        folds = [fold[name] for fold in decided if name in fold]
        if len(folds) < len(decided):
            continue
        called = np.concatenate([fold.called for fold in folds])
        review = np.concatenate([fold.review for fold in folds])
        cuts = [fold.cut for fold in folds]
        cut = cuts[0] if cuts[0] is None else runs.single_or_list(cuts)
        counts = outcome(Decision(called, review), runs.test.labels, runs.positive_index, runs.settings.confidence)
        results.append(TriageRuleResult(rule=name, text=text.format(**words), cut=cut, **counts))
    return results


def _kept(runs: LabelledRuns, releases: list[Release]) -> Share:
    """Count the positive test images that are not released."""
    thresholds = runs.spread([release.threshold for release in releases])
    positive = runs.test.labels == runs.positive_index
    kept = positive & (runs.test.probabilities[:, runs.positive_index] >= thresholds)
    return share(kept.sum(), positive.sum(), runs.settings.confidence)


def _sets(runs: LabelledRuns, by_class: bool) -> ConformalSets | None:
    held = []
    for fold in runs.folds:
        limits = conformal.quantiles(fold.validation.scored, runs.settings.triage.coverage, by_class)
        if limits is None:
            return None
        held.append(conformal.sets(fold.test.scored.probabilities, limits))
    return conformal.measure_sets(runs.test.labels, np.concatenate(held), runs.classes, runs.settings.confidence)
