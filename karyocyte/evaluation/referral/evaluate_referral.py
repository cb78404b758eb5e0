"""Referral evaluated: what rules that are chosen on validation leave to a person, and how good the rest is on test.

A rule decides the other images alone: that by confidence, and with Monte Carlo dropout that by votes.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.ticker import PercentFormatter

from karyocyte.evaluation.intervals.exact import share
from karyocyte.evaluation.intervals.over_subjects import around
from karyocyte.evaluation.metrics.classification import Metric, call
from karyocyte.evaluation.metrics.leave_one_out import StatisticOfSums
from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Drawing, Findings
from karyocyte.evaluation.referral.choices import choose_referral, cut_notes, ends_of_ties, few_votes, review_mask
from karyocyte.evaluation.types.result import TEST, EvaluationResult, Figures, Kind, warnings_about


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
    weakest = min(cuts, key=lambda cut: cut.kept)
    warnings = warnings_about("referral", cut_notes(weakest, settings.triage.accuracy))
    drawn: dict[str, Drawing] = {}
    if len(test.labels):
        confidence = test.probabilities.max(axis=1)
        drawn["risk_coverage"] = partial(write_risk_coverage, confidence=confidence, wrong=~correct)
    return Findings({"referral": cuts}, warnings, figures, {}, drawn)


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
