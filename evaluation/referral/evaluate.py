"""Referral evaluated: what rules that are chosen on validation leave to a person, and how good the rest is on test.

A rule decides the other images alone; the person is assumed to be always right. Paper 001 uses the vote share of Monte
Carlo passes (section 3.4), and a person reviews every abnormal prediction (section 5.1). Two classes have the rules of
triage, any number of classes the referral by confidence.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from evaluation.calibration import fit_temperature
from evaluation.intervals.exact import share
from evaluation.labelled_runs import LabelledFold, LabelledRuns, single_or_list
from evaluation.metrics.classification import call
from evaluation.referral.choices import (
    ReviewThresholds,
    choose_referral,
    choose_release,
    confidences,
    cut_notes,
    matching_cut,
    needed_images,
    quantiles,
)
from evaluation.referral.rules import conformal_sets, reviewed
from evaluation.referral.selective import areas, curves
from evaluation.result import (
    ConformalResult,
    ConformalSets,
    EvaluationResult,
    EvaluationWarning,
    ReferralResult,
    Release,
    ReleaseResult,
    TriageResult,
    TriageRuleResult,
    flat_table,
    warnings_about,
)
from evaluation.sections import Findings

FEW_POSITIVES = 100
FEW_WRONG = 10
RULES = {
    "nobody": "no review: predicted at 0.5",
    "votes": "a person where the vote share is below {vote_share:g}",
    "votes_positive": "a person where the vote share is below {vote_share:g}, and for every “{positive}” prediction",
    "joint": "a person where votes x probability is below a cut that reviews as many validation images",
    "joint_positive": "a person below the cut of joint, and for every “{positive}” prediction",
    "release": "a person unless the probability of “{positive}” is below the threshold",
    "conformal": "a person where the conformal set is not one class",
    "conformal_by_class": "a person where the conformal set with a quantile for each class is not one class",
}
APPROXIMATE = (
    "validation also chose the epoch, and images of one subject are alike: the coverage holds approximately, so it is "
    "measured on test"
)


class Decision(NamedTuple):
    """The decisions of a rule on N test images: predicted class indices, and whether a person reviews, shape (N,).

    ``cut`` is the confidence below which a person reviews, or the probability below which an image is released.
    """

    predicted: np.ndarray
    review: np.ndarray
    cut: float | None = None


def evaluate_triage(runs: LabelledRuns) -> TriageResult | None:
    """Evaluate every rule on test, each fold with its own choices; None where ``triage_refusal`` has a reason."""
    if triage_refusal(runs) is not None:
        return None
    releases = [choose_release(fold) for fold in runs.folds]
    folds = [decide(fold, release) for fold, release in zip(runs.folds, releases, strict=True)]
    rules = []
    for name in RULES:
        decisions = [of_fold[name] for of_fold in folds if name in of_fold]
        if len(decisions) == len(folds):
            rules.append(evaluate_rule(name, decisions, runs))
    # What is not released is kept for a person, who misses none: the sensitivity of the rule is that of the release.
    released = next(rule.sensitivity for rule in rules if rule.rule == "release")
    return TriageResult(
        risk_coverage=areas(runs),
        release=ReleaseResult(releases, released),
        conformal=evaluate_sets(runs),
        rules=rules,
    )


def evaluate_sets(runs: LabelledRuns) -> ConformalResult:
    """Evaluate the conformal sets of the test images, with one quantile for all classes and with one for each."""
    return ConformalResult(
        coverage=runs.settings.triage.coverage,
        note=APPROXIMATE,
        marginal=_measure_sets(runs, by_class=False),
        by_class=_measure_sets(runs, by_class=True),
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
    low = min(triage.release.validation, key=lambda release: release.lower_bound or 0.0)
    bound = low.lower_bound or 0.0
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
        lines.append("exact intervals treat images as independent; those of one subject are not")
    least = needed_images(settings.coverage)
    if triage.conformal.marginal is None:
        lines.append(f"no conformal sets: fewer than {least} validation images")
    if triage.conformal.by_class is None:
        lines.append(f"no conformal sets by class: fewer than {least} validation images of each class")
    return warnings_about("triage", lines)


def evaluate_referral(runs: LabelledRuns) -> ReferralResult | None:
    """Evaluate the choices of each fold on its test images; None without validation images, or without triage."""
    if not runs.settings.triage.enabled:
        return None
    choices = []
    referred = []
    for fold in runs.folds:
        choice = choose_referral(fold)
        if choice is None:
            return None
        choices.append(choice)
        certain = confidences(fold.test.scored.probabilities, fit_temperature(fold.validation.scored).value)
        referred.append(certain < (np.inf if choice.cut.cut is None else choice.cut.cut))
    review = np.concatenate(referred)
    test = runs.test
    correct = call(test.probabilities, test.positive_index) == test.labels
    confidence = runs.settings.confidence
    return ReferralResult(
        accuracy=runs.settings.triage.accuracy,
        validation=[choice.cut for choice in choices],
        set_limits=[choice.set_limit for choice in choices],
        referred=share(review.sum(), len(review), confidence),
        correct=share((correct & ~review).sum(), (~review).sum(), confidence),
        # Two classes have the sets among the rules of triage.
        conformal=evaluate_sets(runs) if test.positive_index is None and len(review) else None,
    )


def referral_warnings(referral: ReferralResult | None, many_classes: bool) -> list[EvaluationWarning]:
    """Return the limits of the results of ``evaluate_referral``, of more than two classes."""
    if referral is None or not many_classes:
        return []
    weakest = min(referral.validation, key=lambda cut: cut.kept)
    return warnings_about("triage", cut_notes(weakest, referral.accuracy))


def decide(fold: LabelledFold, release: Release) -> dict[str, Decision]:
    """Apply the RULES that validation has the votes or images for to the test images; their labels are not used."""
    validation = fold.validation
    test = fold.test
    settings = fold.settings.triage
    positive = test.scored.positive_index
    assert positive is not None  # see triage_refusal
    images = replace(fold.run, frame=test.frame)
    chosen = ReviewThresholds(settings.vote_share, release=release.threshold)
    predicted = test.plain.called
    decisions = {"nobody": Decision(predicted, np.zeros(len(predicted), dtype=bool))}
    if validation.sampled and test.sampled:
        as_many = int((validation.votes.values < settings.vote_share).sum())
        joint = matching_cut(validation.joint.values, as_many)
        chosen = replace(chosen, joint=joint)
        voted = test.votes.called
        for name, cut in (("votes", settings.vote_share), ("joint", joint)):
            review = reviewed(name, images, chosen)
            decisions[name] = Decision(voted, review, cut)
            decisions[f"{name}_positive"] = Decision(voted, review | (voted == positive), cut)
    review = reviewed("release", images, chosen)
    decisions["release"] = Decision(np.full(len(predicted), 1 - positive), review, release.threshold)
    for name, by_class in (("conformal", False), ("conformal_by_class", True)):
        sets = sets_of(fold, by_class)
        if sets is not None:
            decisions[name] = Decision(sets.argmax(axis=1), sets.sum(axis=1) != 1)
    return decisions


def evaluate_rule(name: str, decisions: list[Decision], runs: LabelledRuns) -> TriageRuleResult:
    """Count what the decisions of a rule, one per fold, do to the test images of all folds."""
    triage = runs.settings.triage
    confidence = runs.settings.confidence
    text = RULES[name].format(vote_share=triage.vote_share, positive=runs.pooled.positive_class)
    predicted = np.concatenate([decision.predicted for decision in decisions])
    review = np.concatenate([decision.review for decision in decisions])
    cuts = [decision.cut for decision in decisions if decision.cut is not None]
    labels = runs.test.labels
    alone = ~review
    true = labels == runs.positive_index
    positive = predicted == runs.positive_index
    missed = int((alone & true & ~positive).sum())
    return TriageRuleResult(
        rule=name,
        text=text,
        cut=single_or_list(cuts) if cuts else None,
        images=len(labels),
        review=int(review.sum()),
        review_share=float(review.mean()),
        alone=int(alone.sum()),
        accuracy=share((alone & (predicted == labels)).sum(), alone.sum(), confidence),
        missed=missed,
        false_alarms=int((alone & ~true & positive).sum()),
        sensitivity=share(true.sum() - missed, true.sum(), confidence),
    )


def sets_of(fold: LabelledFold, by_class: bool) -> np.ndarray | None:
    """Return the conformal sets of the test images of a fold, bool, shape (N, K); None without ``quantiles``."""
    validation = fold.validation.scored
    limits = quantiles(validation.probabilities, validation.labels, fold.settings.triage.coverage, by_class)
    return None if limits is None else conformal_sets(fold.test.scored.probabilities, limits)


def _measure_sets(runs: LabelledRuns, by_class: bool) -> ConformalSets | None:
    """Measure the coverage and the sizes of the sets of at least one image; None where a fold has none."""
    of_folds = []
    for fold in runs.folds:
        of_fold = sets_of(fold, by_class)
        if of_fold is None:
            return None
        of_folds.append(of_fold)
    sets = np.concatenate(of_folds)
    labels = runs.test.labels
    covered = sets[np.arange(len(labels)), labels]
    sizes = sets.sum(axis=1)
    confidence = runs.settings.confidence
    per_class = {}
    for index, name in enumerate(runs.classes):
        of_class = covered[labels == index]
        per_class[name] = share(of_class.sum(), len(of_class), confidence)
    return ConformalSets(
        coverage=share(covered.sum(), len(covered), confidence),
        per_class=per_class,
        one=float((sizes == 1).mean()),
        several=float((sizes > 1).mean()),
        none=float((sizes == 0).mean()),
    )


def triage(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: the rules of triage of two classes, their limits, and risk against coverage."""
    value = evaluate_triage(runs)
    warnings = triage_warnings(runs, value)
    if value is None:
        return Findings(warnings=warnings)
    return Findings(value, warnings, {"triage": flat_table(value.rules)}, {"risk_coverage": partial(_draw, runs)})


def referral(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: referral by confidence, of any number of classes, and its limits."""
    value = evaluate_referral(runs)
    return Findings(value, referral_warnings(value, many_classes=runs.positive_index is None))


def _draw(runs: LabelledRuns, path: Path, result: EvaluationResult) -> None:
    from evaluation.core import confidence_plots  # here: matplotlib costs seconds

    confidence_plots.risk_coverage(path, result, curves(runs.tests))
