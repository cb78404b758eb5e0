"""Which images a person still has to look at: rules chosen on validation, counted on test.

A rule decides some test images alone and hands the others to a person, who is taken to be always right. Paper 001 asks
for the vote share of Monte Carlo passes (section 3.4) and lets a person see every abnormal call (section 5.1).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.core.labelled import Cases, Confidence, cases, score
from evaluation.intervals.exact import share
from evaluation.intervals.pooling import pool
from evaluation.uncertainty import conformal
from evaluation.uncertainty.selective import Release, area_intervals, areas, choose_release

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


def judge_triage(runs: list[Predictions], settings: EvaluationConfig) -> dict | None:
    """Judge every rule on the test images of one run, or of several folds, each with what its own validation chose.

    Returns:
        ``risk_coverage`` (confidence -> see ``selective.areas``, and the ``interval`` of ``aurc``), ``release``
        (``validation``: a ``selective.Release`` per fold; ``test``: sensitivity as ``exact.share``), ``conformal``
        (``coverage`` wished, ``note``, and ``marginal`` and ``by_class``, see ``conformal.measure_sets``; None where
        validation has too few images) and ``rules``, see ``outcome``. None where ``triage_refusal`` has a reason.
    """
    if triage_refusal(runs, settings) is not None:
        return None
    parts = [(cases(run.part("validation")), cases(run.part("test"))) for run in runs]
    tests = [test for _, test in parts]
    releases = [choose_release(validation.scored, settings) for validation, _ in parts]
    decided = [decide(*part, release, settings) for part, release in zip(parts, releases, strict=True)]
    rules = _outcomes(decided, tests, settings)
    ends = area_intervals(tests, score(pool(runs)), settings)
    return {
        "risk_coverage": {name: {**row, "interval": ends[name]} for name, row in areas(tests).items()},
        "release": {"validation": [one.as_dict() for one in releases], "test": _kept(tests, releases, settings)},
        "conformal": {
            "coverage": settings.triage.coverage,
            "note": conformal.APPROXIMATE,
            "marginal": _sets(parts, settings, by_class=False),
            "by_class": _sets(parts, settings, by_class=True),
        },
        "rules": rules,
    }


def triage_refusal(runs: list[Predictions], settings: EvaluationConfig) -> str | None:
    """Say why there is no triage; None where there is one."""
    if not settings.triage.enabled:
        return "triage.enabled is false"
    if runs[0].positive_index is None:
        return "there are more than two classes"
    # The folds' test images are judged together, but each fold chooses for itself.
    chosen_on = [score(run.part("validation")).labels for run in runs]
    judged = np.concatenate([score(run.part("test")).labels for run in runs])
    for part, labels in [*(("validation", one) for one in chosen_on), ("test", judged)]:
        missing = [name for index, name in enumerate(runs[0].classes) if index not in labels]
        if missing:
            return f"no {part} image of {' and '.join(missing)}"
    return None


def triage_cautions(runs: list[Predictions], triage: dict | None, settings: EvaluationConfig) -> list[str]:
    """Say why two classes have no triage, or what limits its figures.

    Args:
        runs: What was judged.
        triage: What ``judge_triage`` returns.
        settings: Of the same judgement.
    """
    if triage is None:
        reason = triage_refusal(runs, settings)
        if settings.triage.enabled and runs[0].positive_index is not None:
            return [f"triage: none, {reason}"]
        return []
    lines = []
    wish = settings.triage.sensitivity
    releases = triage["release"]["validation"]
    positives = triage["release"]["test"]["total"]
    low = min(releases, key=lambda one: one["lower_bound"])
    if low["lower_bound"] < wish:
        enough = low["positives"] >= low["needed"]
        if enough:
            way_out = "wish for more"
        else:
            way_out = f"{low['needed']:,} without a miss would"
        lines.append(
            f"{low['positives']:,} “{runs[0].positive_class}” validation images vouch for a sensitivity of "
            f"{low['lower_bound']:.3f} only, not of {wish:g} ({way_out})"
        )
    if positives < FEW_POSITIVES:
        lines.append(
            f"only {positives} “{runs[0].positive_class}” test images: one miss costs {1 / positives:.3f} of "
            "sensitivity"
        )
    few = [row["wrong"] for row in triage["risk_coverage"].values() if row["wrong"] < FEW_WRONG]
    if few:
        lines.append(f"as few as {min(few)} wrong calls: areas under risk-coverage curves say little")
    if any(score(run.part("test")).by_subject for run in runs):
        lines.append("exact intervals take images for independent; those of one subject are not")
    for name, text in (("marginal", ""), ("by_class", " of each class")):
        if triage["conformal"][name] is None:
            least = conformal.fewest(settings.triage.coverage)
            lines.append(f"no conformal sets{text and ' by class'}: fewer than {least} validation images{text}")
    return [f"triage: {line}" for line in lines]


def decide(validation: Cases, test: Cases, release: Release, settings: EvaluationConfig) -> dict[str, Decision]:
    """Apply every rule that can be chosen on ``validation`` to ``test``; the labels of ``test`` are not read.

    Returns:
        Decisions under the keys of RULES; those of votes only where both parts have them, those of conformal sets only
        where validation has enough images.
    """
    plain = test.plain.called
    positive = test.scored.positive_index
    found = {"nobody": Decision(plain, np.zeros(len(plain), dtype=bool))}
    if validation.sampled and test.sampled:
        wish = settings.triage.vote_share
        same = matching_cut(validation.joint.values, int((validation.votes.values < wish).sum()))
        found |= _below("votes", test.votes, wish, positive) | _below("joint", test.joint, same, positive)
    scores = test.scored.probabilities[:, positive]
    negative = np.full(len(plain), 1 - positive)
    found["release"] = Decision(negative, scores >= release.threshold, release.threshold)
    for name, by_class in (("conformal", False), ("conformal_by_class", True)):
        limits = conformal.quantiles(validation.scored, settings.triage.coverage, by_class)
        if limits is not None:
            held = conformal.sets(test.scored.probabilities, limits)
            found[name] = Decision(held.argmax(axis=1), held.sum(axis=1) != 1)
    return {name: found[name] for name in RULES if name in found}


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


def outcome(decision: Decision, labels: np.ndarray, positive: int, confidence: float) -> dict:
    """Count what a rule does, a person being right on every image of the review.

    Returns:
        ``images``, ``review`` (how many a person sees), ``review_share``, ``alone`` (decided without), ``accuracy``
        (of those, as ``exact.share``), ``missed`` (positives decided alone as negative), ``false_alarms`` (negatives
        decided alone as positive) and ``sensitivity`` (of person and machine together, as ``exact.share``).
    """
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


def triage_table(triage: dict) -> pd.DataFrame:
    """Return the rules as a flat table, a row each: shares with their ends in columns of their own."""
    rows = []
    for row in triage["rules"]:
        flat = {}
        for name, value in row.items():
            if name in ("accuracy", "sensitivity"):
                flat |= {f"{name}{end}": value[key] for end, key in (("", "value"), ("_low", "low"), ("_high", "high"))}
            else:
                flat[name] = " ".join(f"{one:.6g}" for one in value) if isinstance(value, list) else value
        rows.append(flat)
    return pd.DataFrame(rows)


def _below(name: str, confidence: Confidence, cut: float, positive: int) -> dict[str, Decision]:
    review = confidence.values < cut
    seen = review | (confidence.called == positive)
    return {
        name: Decision(confidence.called, review, cut),
        f"{name}_positive": Decision(confidence.called, seen, cut),
    }


def _outcomes(decided: list[dict[str, Decision]], tests: list[Cases], settings: EvaluationConfig) -> list[dict]:
    """Put the folds of each rule that all of them have together, and count."""
    labels = np.concatenate([test.labels for test in tests])
    scored = tests[0].scored
    words = {"vote_share": settings.triage.vote_share, "positive": scored.classes[scored.positive_index]}
    rows = []
    for name, text in RULES.items():
        folds = [fold[name] for fold in decided if name in fold]
        if len(folds) < len(decided):
            continue
        cuts = [fold.cut for fold in folds]
        both = Decision(
            np.concatenate([fold.called for fold in folds]), np.concatenate([fold.review for fold in folds])
        )
        rows.append(
            {
                "rule": name,
                "text": text.format(**words),
                "cut": cuts if len(cuts) > 1 and cuts[0] is not None else cuts[0],
                **outcome(both, labels, scored.positive_index, settings.confidence),
            }
        )
    return rows


def _kept(tests: list[Cases], releases: list[Release], settings: EvaluationConfig) -> dict:
    """Count the positive test images that are not released."""
    kept = 0
    positives = 0
    for test, release in zip(tests, releases, strict=True):
        index = test.scored.positive_index
        scores = test.scored.probabilities[test.labels == index, index]
        kept = kept + int((scores >= release.threshold).sum())
        positives = positives + len(scores)
    return share(kept, positives, settings.confidence)


def _sets(parts: list[tuple[Cases, Cases]], settings: EvaluationConfig, by_class: bool) -> dict | None:
    held = []
    for validation, test in parts:
        limits = conformal.quantiles(validation.scored, settings.triage.coverage, by_class)
        if limits is None:
            return None
        held.append(conformal.sets(test.scored.probabilities, limits))
    labels = np.concatenate([test.labels for _, test in parts])
    return conformal.measure_sets(labels, np.concatenate(held), parts[0][1].scored.classes, settings.confidence)
