"""Subjects instead of images: what all images of a person say together."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from common.config.schema import EvaluationConfig
from common.predictions import Predictions
from evaluation.core.labelled import LabelledPredictions, cases
from evaluation.intervals.bootstrap import intervals
from evaluation.metrics.classification import call, confusion
from evaluation.metrics.thresholds import choose_threshold

RULES = ("mean", "share")
MAJORITY = 0.5  # where validation chooses no threshold
# A share of calls beside which the mean probability decides ties, and nothing else.
TIE = 1e-9
# of shares, which are so far apart at least
DECIMALS = 6
STEP = 1e-6


@dataclass(frozen=True)
class Subjects:
    """The subjects of a part that have images of one class.

    Attributes:
        frame: A row per subject: ``subject``, ``images``, ``truth`` (class name).
        scores: Rule -> probabilities, float64, shape (S, K), rows that sum to 1: ``mean`` of the images' probabilities,
            ``share`` of the images that are called so (at 0.5).
        labels: True classes as indices, shape (S,).
        left_out: How many other subjects have images of several classes.
    """

    frame: pd.DataFrame
    scores: dict[str, np.ndarray]
    labels: np.ndarray
    left_out: int


def judge_subjects(runs: list[Predictions], settings: EvaluationConfig) -> dict | None:
    """Judge one call per test subject, of one run or of several folds.

    Of two classes, a subject is called positive where its score is at least the threshold that its fold's validation
    subjects choose, else at MAJORITY (where they choose none, or a share of 0, which everybody has); of more, the class
    with the highest score is called. Intervals draw subjects.

    Returns:
        ``subjects`` (judged ones; who is tested in two folds counts in both), ``left_out`` (with images of several
        classes) and ``rules``: for ``mean`` (mean probability) and ``share`` (of images called so) ``metrics`` (name ->
        fields of an ``Interval``), ``confusion`` (rows the truth) and ``threshold`` (None: MAJORITY, or more than two
        classes; a list for several folds). None where no subject is known, where each has a single image, and where
        most have images of several classes.
    """
    parts = [(subjects_of(run.part("validation")), subjects_of(run.part("test"))) for run in runs]
    tests = [test for _, test in parts]
    judged = sum(len(test.labels) for test in tests)
    left_out = sum(test.left_out for test in tests)
    single = all((test.frame["images"] == 1).all() for test in tests)
    if single or left_out > judged:
        return None
    return {
        "subjects": judged,
        "left_out": left_out,
        "rules": {rule: _judge(runs[0], parts, rule, settings) for rule in RULES},
    }


def subjects_of(part: Predictions) -> Subjects:
    """Gather the labelled images of each subject of one part."""
    found = cases(part)
    called = call(found.scored.probabilities, found.scored.positive_index)
    known = found.frame["subject"].notna().to_numpy()
    columns = {
        "mean": found.scored.probabilities[known],
        "called": np.eye(len(part.classes))[called[known]],
    }
    subject = pd.factorize(found.frame["subject"][known], sort=True)
    labels = found.labels[known]
    counts = np.bincount(subject[0], minlength=len(subject[1]))
    scores = {name: _means(subject[0], values, counts) for name, values in columns.items()}
    # A subject's lowest and highest class are the same where it has one only.
    low = np.full(len(counts), len(part.classes))
    high = np.full(len(counts), -1)
    np.minimum.at(low, subject[0], labels)
    np.maximum.at(high, subject[0], labels)
    pure = low == high
    scores["share"] = (1 - TIE) * scores.pop("called") + TIE * scores["mean"]
    truth = np.array(part.classes, dtype=object)[low[pure]]
    frame = pd.DataFrame({"subject": subject[1][pure], "images": counts[pure], "truth": truth})
    return Subjects(frame, {rule: scores[rule][pure] for rule in RULES}, low[pure], int((~pure).sum()))


def by_subject_table(runs: list[Predictions], judgement: dict) -> pd.DataFrame:
    """Return a row per judged test subject, see ``judge_subjects``.

    Returns:
        ``fold`` (of several runs), ``subject``, ``images``, ``truth``, ``probability`` (mean, of the positive class; of
        more than two: of the called one), ``share`` (of images called positive; of more than two: called like it),
        ``called_by_mean`` and ``called_by_share``.
    """
    tables = []
    for place, run in enumerate(runs):
        test = subjects_of(run.part("test"))
        classes = np.array(run.classes, dtype=object)
        table = test.frame.copy()
        if len(runs) > 1:
            table.insert(0, "fold", run.about.get("fold"))
        for rule, column in zip(RULES, ("probability", "share"), strict=True):
            limit = _limit(rule, _of_fold(judgement["rules"][rule], place))
            called = call(test.scores[rule], run.positive_index, limit)
            if run.positive_index is None:
                shown = called
            else:
                shown = run.positive_index
            table[column] = test.scores[rule][np.arange(len(called)), shown].round(6)
            table[f"called_by_{rule}"] = classes[called]
        tables.append(table)
    columns = ["probability", "share", "called_by_mean", "called_by_share"]
    joined = pd.concat(tables, ignore_index=True)
    return joined[[name for name in joined.columns if name not in columns] + columns]


def _judge(run: Predictions, parts: list[tuple[Subjects, Subjects]], rule: str, settings: EvaluationConfig) -> dict:
    tests = [test for _, test in parts]
    points = [_choose(run, validation, rule, settings) for validation, _ in parts]
    limits = np.repeat([_limit(rule, value) for value in points], [len(test.labels) for test in tests])
    scored = _scored(run, tests, rule)
    called = call(scored.probabilities, scored.positive_index, limits)
    return {
        "metrics": {name: interval.as_dict() for name, interval in intervals(scored, settings, limits).items()},
        "confusion": confusion(scored.labels, called, len(scored.classes)).tolist(),
        "threshold": None if run.positive_index is None else points if len(points) > 1 else points[0],
    }


def _scored(run: Predictions, parts: list[Subjects], rule: str) -> LabelledPredictions:
    names = pd.concat([part.frame["subject"] for part in parts])
    return LabelledPredictions(
        labels=np.concatenate([part.labels for part in parts]),
        probabilities=np.concatenate([part.scores[rule] for part in parts]),
        classes=run.classes,
        positive_index=run.positive_index,
        clusters=pd.factorize(names)[0].astype(np.int64),
        by_subject=True,
        unlabelled=0,
    )


def _choose(run: Predictions, validation: Subjects, rule: str, settings: EvaluationConfig) -> float | None:
    """Choose a threshold on validation subjects: on shares, not on what decides between equal ones."""
    scored = _scored(run, [validation], rule)
    if rule == "mean":
        return choose_threshold(scored, settings).value
    return choose_threshold(replace(scored, probabilities=scored.probabilities.round(DECIMALS)), settings).value or None


def _limit(rule: str, threshold: float | None) -> float:
    """Where scores are called positive: with a chosen share itself, however its ties are decided."""
    if threshold is None:
        return MAJORITY
    if rule == "share":
        return threshold - STEP
    return threshold


def _of_fold(judged: dict, place: int) -> float | None:
    threshold = judged["threshold"]
    if isinstance(threshold, list):
        return threshold[place]
    return threshold


def _means(subject: np.ndarray, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average the rows of each subject: (S, K) from (N, K)."""
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, subject, values)
    return sums / counts[:, None]
