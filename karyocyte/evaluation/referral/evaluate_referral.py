"""Referral evaluated: what rules that are chosen on validation leave to a person, and how good the rest is on test.

A rule decides the other images alone; the person is assumed to be always right. Two classes have the release of
negatives, any number of classes the referral by confidence, and with Monte Carlo dropout that by votes.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from karyocyte.common.text import quoted
from karyocyte.evaluation.intervals.bootstrap import around
from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.metrics.classification import Metric, call
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums
from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Drawing, Findings
from karyocyte.evaluation.referral.choices import (
    ReviewThresholds,
    choose_referral,
    choose_release,
    cut_notes,
    ends_of_ties,
    few_votes,
    review_mask,
)
from karyocyte.evaluation.types.result import (
    TEST,
    EvaluationResult,
    EvaluationWarning,
    Figures,
    Interval,
    Kind,
    Metrics,
    Release,
    warnings_about,
)

FEW_POSITIVES = 100


def triage(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: the release of negatives of two classes on test, each fold with its own, and its limits.

    Without an image of each class in every part a warning says so.
    """
    if runs.test.positive_index is None:
        return Findings()
    if absence := _missing_classes(runs):
        return Findings(warnings=warnings_about("triage", [absence]))
    releases = list(map(choose_release, runs.folds))
    reviewed = []  # by a person: the labels of the images are not used
    for fold, release in zip(runs.folds, releases, strict=True):
        thresholds = ReviewThresholds(release=release.threshold)
        reviewed.append(review_mask("release", fold.test, thresholds))
    review = np.concatenate(reviewed)
    figures: Figures = {(TEST, Kind.RELEASE): evaluate_release(review, runs)}
    warnings = triage_warnings(runs, releases)
    confidence = runs.test.probabilities.max(axis=1)
    wrong = call(runs.test.probabilities, runs.test.positive_index) != runs.test.labels
    drawn: dict[str, Drawing] = {"risk_coverage": partial(write_risk_coverage, confidence=confidence, wrong=wrong)}
    return Findings({"triage": releases}, warnings, figures, {}, drawn)


def _missing_classes(runs: LabelledRuns) -> str | None:
    """Say which classes have no image in some part; None where each part has all classes."""
    # The folds' test images are evaluated together, but each fold chooses for itself.
    parts = [("validation", fold.validation.count_images()) for fold in runs.folds]
    for part, counts in [*parts, ("test", runs.test.count_images())]:
        if missing := [name for name in counts if not counts[name]]:
            return f"none, no {part} image of {' and '.join(missing)}"
    return None


def write_risk_coverage(path: Path, result: EvaluationResult, confidence: np.ndarray, wrong: np.ndarray) -> None:
    """Draw the error rate of the most confident images over their share to a PNG: selective prediction.

    Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers, 2019.

    Arguments are the confidence of each test image, float, shape (N,), and whether its prediction is wrong, bool.
    """
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(ends_of_ties(confidence[order]))  # equal probabilities have no order
    risk = wrong[order].cumsum()[ends] / (ends + 1)
    with canvas(path, (7.6, 5.0), result.about) as figure:
        axis = figure.subplots()
        axis.plot((ends + 1) / len(wrong), risk, color=COLOURS[0])
        axis.set_xlim(0, 1.02)
        axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
        axis.xaxis.set_major_formatter(PercentFormatter(1))
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=1))
        axis.set_xlabel(f"coverage: share of the {len(wrong):,} test images decided alone, the most confident first")
        axis.set_ylabel("risk: error rate among them")


def evaluate_release(review: np.ndarray, runs: LabelledRuns) -> Metrics:
    """Measure what the release does to the test images of all folds, of which a person reviews some, bool, shape (N,).

    A person is right on every image of ``review``. The ``accuracy`` is that of images released ``alone``, as negative,
    with ``missed`` positives; the ``sensitivity`` is that of person and machine together.
    """
    confidence = runs.settings.confidence
    alone = ~review
    true = runs.test.labels == runs.test.positive_index
    missed = int((alone & true).sum())
    return {
        "review_share": Interval(float(review.mean()), n=len(true)),
        "alone": Interval(int(alone.sum())),
        "accuracy": share((alone & ~true).sum(), alone.sum(), confidence),
        "missed": Interval(missed),
        "sensitivity": share(true.sum() - missed, true.sum(), confidence),
    }


def triage_warnings(runs: LabelledRuns, releases: list[Release]) -> list[EvaluationWarning]:
    """Return what limits the figures of ``triage``."""
    lines = []
    name = str(runs.pooled.positive_class)
    positive, positives = quoted(name), runs.test.count_images()[name]
    sensitivity = runs.settings.triage.sensitivity
    # Without a positive image there is no triage, so every release has a bound.
    low = min(releases, key=lambda release: release.lower_bound or 0.0)
    bound = low.lower_bound or 0.0
    if bound < sensitivity:
        advice = f"{low.needed:,} without a miss would"
        if low.positives >= low.needed:
            advice = "raise triage.sensitivity"
        lines.append(
            f"{low.positives:,} {positive} validation images guarantee a sensitivity of "
            f"{bound:.3f} only, not of {sensitivity:g} ({advice})"
        )
    if positives < FEW_POSITIVES:
        lines.append(f"only {positives} {positive} test images: one miss costs {1 / positives:.3f} of sensitivity")
    if runs.test.subjects is not None:
        lines.append("exact intervals treat images as independent; those of one subject are not")
    return warnings_about("triage", lines)


def referral(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: referral by confidence, each fold with its own cut, and its limits.

    Without validation images there is none.
    """
    cuts = []
    referred = []
    for fold in runs.folds:
        chosen = choose_referral(fold)
        if chosen.confidence is None:
            return Findings()
        cuts.append(chosen.confidence)
        referred.append(review_mask("confidence", fold.test, chosen))
    review = np.concatenate(referred)
    test = runs.test
    correct = call(test.probabilities, test.positive_index) == test.labels
    settings = runs.settings
    shares = {
        "referred": share(review.sum(), len(review), settings.confidence),
        "correct": share((correct & ~review).sum(), (~review).sum(), settings.confidence),
    }
    figures: Figures = {(TEST, Kind.REFERRAL): shares}
    if test.positive_index is not None:  # two classes have the warnings of triage
        return Findings({"referral": cuts}, metrics=figures)
    weakest = min(cuts, key=lambda cut: cut.kept)
    warnings = warnings_about("triage", cut_notes(weakest, settings.triage.accuracy))
    return Findings({"referral": cuts}, warnings, figures)


def votes(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Return the section: referral by the votes of passes of Monte Carlo dropout (paper 001, 3.4); none without passes.

    The share of images that are ``referred`` and of the others the share that is ``correct``, with intervals over
    subjects where they are known.
    """
    test = runs.test
    if not (len(test.labels) and runs.pooled.has_passes):
        return Findings()
    referred = few_votes(replace(runs.pooled, frame=runs.frame), runs.settings.triage.vote_share)
    correct = call(test.probabilities, test.positive_index) == test.labels
    sums = np.zeros((test.cluster_count, 3))
    np.add.at(sums, test.clusters, np.stack([np.ones(len(correct)), referred, correct & ~referred], axis=1))
    metrics = dict.fromkeys(("referred", "correct"), Metric(is_share=True))
    shares = around(StatisticOfSums(sums, _shares_of_votes), metrics, test, runs.settings)
    return Findings(metrics={(TEST, Kind.VOTES): shares})


def _shares_of_votes(totals: np.ndarray) -> np.ndarray:
    """Return the shares of images referred, and right among the others, (2, B), of totals (B, 3); NaN of none."""
    images, referred, correct = totals.T
    with np.errstate(invalid="ignore"):
        return np.stack([referred / images, correct / (images - referred)])
