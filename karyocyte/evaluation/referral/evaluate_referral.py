"""Referral evaluated: what rules that are chosen on validation leave to a person, and how good the rest is on test.

A rule decides the other images alone; the person is assumed to be always right. Paper 001 uses the vote share of Monte
Carlo passes (section 3.4), and a person reviews every abnormal prediction (section 5.1). Two classes have the rules of
triage, any number of classes the referral by confidence.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from karyocyte.common.config.schema import EvaluationConfig, TriageConfig
from karyocyte.common.uncertainty import needed_images
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.labelled_runs import LabelledFold, LabelledRuns, single_or_list
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.referral import confidence_plots
from karyocyte.evaluation.referral.choices import (
    ReviewThresholds,
    choose_referral,
    choose_release,
    conformal_sets,
    cut_notes,
    reviewed,
)
from karyocyte.evaluation.referral.selective import areas, rankings
from karyocyte.evaluation.result import (
    ConformalResult,
    ConformalSets,
    EvaluationResult,
    EvaluationWarning,
    ReferralResult,
    ReleaseResult,
    TriageResult,
    TriageRuleResult,
    warnings_about,
)
from karyocyte.evaluation.sections import Findings, flat_table

FEW_POSITIVES = 100
FEW_WRONG = 10
RULES = {
    "nobody": "no review: predicted at 0.5",
    "votes": "a person where the vote share is below {vote_share:g}",
    "votes_positive": "a person where the vote share is below {vote_share:g}, and for every “{positive}” prediction",
    "release": "a person unless the probability of “{positive}” is below the threshold",
    "conformal": "a person where the conformal set is not one class",
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


def triage(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: the rules of triage of two classes on test, each fold with its own choices, and their limits.

    Without an image of each class in every part a warning says so.
    """
    if runs.positive_index is None:
        return Findings()
    # The folds' test images are evaluated together, but each fold chooses for itself.
    parts = [("validation", fold.validation.scored.count_images()) for fold in runs.folds]
    for part, counts in [*parts, ("test", runs.test.count_images())]:
        missing = [name for name in counts if not counts[name]]
        if missing:
            return Findings(warnings=warnings_about("triage", [f"none, no {part} image of {' and '.join(missing)}"]))
    releases = list(map(choose_release, runs.folds))
    decisions = []
    sets = []
    for fold, release in zip(runs.folds, releases, strict=True):
        chosen = replace(choose_referral(fold), release=release.threshold)
        decisions.append(decide(fold, chosen))
        sets.append(conformal_sets(fold.test.scored.probabilities, chosen.set_limit))
    rules = {}
    for name in RULES:
        if all(name in of_fold for of_fold in decisions):
            rules[name] = evaluate_rule(name, [of_fold[name] for of_fold in decisions], runs)
    value = TriageResult(
        risk_coverage=areas(runs),
        # What is not released is kept for a person, who misses none: the sensitivity of the rule is the release's.
        release=ReleaseResult(releases, rules["release"].sensitivity),
        conformal=evaluate_sets(sets, runs.test.labels, runs.classes, runs.settings),
        rules=list(rules.values()),
    )
    by_subject = any(fold.test.scored.by_subject for fold in runs.folds)
    warnings = triage_warnings(value, runs.settings.triage, f"“{runs.pooled.positive_class}”", by_subject)
    curves = {name: ranking.curve for name, ranking in rankings(runs.tests).items()}
    figures = {"risk_coverage": partial(confidence_plots.risk_coverage, curves=curves)}
    return Findings(value, warnings, {"triage": flat_table(value.rules)}, figures)


def decide(fold: LabelledFold, chosen: ReviewThresholds) -> dict[str, Decision]:
    """Apply the RULES that validation has the votes or images for to the test images; their labels are not used."""
    test = fold.test
    positive = test.scored.positive_index
    assert positive is not None  # triage is of two classes
    images = replace(fold.run, frame=test.frame)
    confidences = test.confidences()
    predicted = confidences["probability"].called
    decisions = {"nobody": Decision(predicted, np.zeros(len(predicted), dtype=bool))}
    if fold.validation.sampled and test.sampled:
        voted = confidences["votes"].called
        review = reviewed("votes", images, chosen)
        decisions["votes"] = Decision(voted, review, chosen.vote_share)
        decisions["votes_positive"] = Decision(voted, review | (voted == positive), chosen.vote_share)
    negative = np.full(len(predicted), 1 - positive)
    decisions["release"] = Decision(negative, reviewed("release", images, chosen), chosen.release)
    sets = conformal_sets(test.scored.probabilities, chosen.set_limit)
    if sets is not None:
        decisions["conformal"] = Decision(sets.argmax(axis=1), reviewed("conformal", images, chosen))
    return decisions


def evaluate_rule(name: str, decisions: list[Decision], runs: LabelledRuns) -> TriageRuleResult:
    """Count what the decisions of a rule, one per fold, do to the test images of all folds."""
    confidence = runs.settings.confidence
    facts = {"vote_share": runs.settings.triage.vote_share, "positive": runs.pooled.positive_class}
    all_predicted, all_reviews, cuts = zip(*decisions, strict=True)
    predicted = np.concatenate(all_predicted)
    review = np.concatenate(all_reviews)
    labels = runs.test.labels
    alone = ~review
    true = labels == runs.positive_index
    positive = predicted == runs.positive_index
    missed = int((alone & true & ~positive).sum())
    return TriageRuleResult(
        rule=name,
        text=RULES[name].format(**facts),
        cut=None if None in cuts else single_or_list(list(cuts)),
        images=len(labels),
        review=int(review.sum()),
        review_share=float(review.mean()),
        alone=int(alone.sum()),
        accuracy=share((alone & (predicted == labels)).sum(), alone.sum(), confidence),
        missed=missed,
        false_alarms=int((alone & ~true & positive).sum()),
        sensitivity=share(true.sum() - missed, true.sum(), confidence),
    )


def triage_warnings(
    result: TriageResult, settings: TriageConfig, positive: str, by_subject: bool
) -> list[EvaluationWarning]:
    """Return what limits the results of ``triage``; ``positive`` is the class in quotes."""
    lines = []
    positives = result.release.test.total
    # Without a positive image there is no triage, so every release has a bound.
    low = min(result.release.validation, key=lambda release: release.lower_bound or 0.0)
    bound = low.lower_bound or 0.0
    if bound < settings.sensitivity:
        advice = f"{low.needed:,} without a miss would"
        if low.positives >= low.needed:
            advice = "raise triage.sensitivity"
        lines.append(
            f"{low.positives:,} {positive} validation images guarantee a sensitivity of "
            f"{bound:.3f} only, not of {settings.sensitivity:g} ({advice})"
        )
    if positives < FEW_POSITIVES:
        lines.append(f"only {positives} {positive} test images: one miss costs {1 / positives:.3f} of sensitivity")
    wrong = min(area.wrong for area in result.risk_coverage.values())
    if wrong < FEW_WRONG:
        lines.append(f"as few as {wrong} wrong predictions: areas under risk-coverage curves say little")
    if by_subject:
        lines.append("exact intervals treat images as independent; those of one subject are not")
    if result.conformal.marginal is None:
        lines.append(f"no conformal sets: fewer than {needed_images(1 - settings.coverage)} validation images")
    return warnings_about("triage", lines)


def referral(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: referral by confidence, each fold with its own cut, and its limits.

    Without validation images there is none.
    """
    cuts = []
    limits = []
    referred = []
    sets = []
    for fold in runs.folds:
        chosen = choose_referral(fold)
        if chosen.confidence is None:
            return Findings()
        cuts.append(chosen.confidence)
        limits.append(chosen.set_limit)
        referred.append(reviewed("confidence", replace(fold.run, frame=fold.test.frame), chosen))
        sets.append(conformal_sets(fold.test.scored.probabilities, chosen.set_limit))
    review = np.concatenate(referred)
    test = runs.test
    correct = call(test.probabilities, test.positive_index) == test.labels
    settings = runs.settings
    value = ReferralResult(
        accuracy=settings.triage.accuracy,
        validation=cuts,
        set_limits=limits,
        referred=share(review.sum(), len(review), settings.confidence),
        correct=share((correct & ~review).sum(), (~review).sum(), settings.confidence),
        conformal=None,
    )
    if test.positive_index is not None:  # two classes have the sets, and the warnings, of triage
        return Findings(value)
    if len(review):
        value = replace(value, conformal=evaluate_sets(sets, test.labels, test.classes, settings))
    weakest = min(cuts, key=lambda cut: cut.kept)
    return Findings(value, warnings_about("triage", cut_notes(weakest, value.accuracy)))


def evaluate_sets(
    of_folds: Sequence[np.ndarray | None], labels: np.ndarray, classes: Sequence[str], settings: EvaluationConfig
) -> ConformalResult:
    """Measure coverage and sizes of the conformal sets of at least one test image; None: a fold has no limit."""
    found = [sets for sets in of_folds if sets is not None]
    if len(found) < len(of_folds):
        return ConformalResult(settings.triage.coverage, APPROXIMATE, None)
    sets = np.concatenate(found)
    covered = sets[np.arange(len(labels)), labels]
    sizes = sets.sum(axis=1)
    per_class = {}
    for index, name in enumerate(classes):
        of_class = covered[labels == index]
        per_class[name] = share(of_class.sum(), len(of_class), settings.confidence)
    marginal = ConformalSets(
        coverage=share(covered.sum(), len(covered), settings.confidence),
        per_class=per_class,
        one=float((sizes == 1).mean()),
        several=float((sizes > 1).mean()),
        none=float((sizes == 0).mean()),
    )
    return ConformalResult(settings.triage.coverage, APPROXIMATE, marginal)
