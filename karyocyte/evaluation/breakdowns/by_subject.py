"""Subjects instead of images: what all images of a person say together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.bootstrap import intervals
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.metrics.labelled import LabelledPart, LabelledPredictions
from karyocyte.evaluation.metrics.thresholds import choose_threshold
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import TEST, EvaluationResult, Figures, Interval, Kind, chosen_figures

RULES = ("mean", "share")
MAJORITY = 0.5  # where validation chooses no threshold
# A share of predictions beside which the mean probability decides ties, and nothing else.
TIE = 1e-9
# of shares, which are so far apart at least
DECIMALS = 6
STEP = 1e-6


@dataclass(frozen=True)
class Subjects:
    """The S subjects of a part that have images of one class; ``left_out`` others have images of several."""

    frame: pd.DataFrame  # a row per subject: ``subject``, ``images``, ``truth`` (class name)
    # rule -> probabilities, float64, shape (S, K), rows that sum to 1: ``mean`` of the images' probabilities, ``share``
    # of the images predicted as the class (at 0.5)
    scores: dict[str, np.ndarray]
    labels: np.ndarray  # true classes as indices, shape (S,)
    left_out: int


def by_subject(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Evaluate one prediction per test subject, of one run or of several folds.

    Of two classes, a subject is predicted positive where its score is at least the threshold that its fold's validation
    subjects choose, else at MAJORITY (where they choose none, or a share of 0, which everybody has); of more, the class
    with the highest score is predicted. Intervals draw subjects. Who is tested in two folds counts in both.

    Returns:
        Metrics of each rule, with the ``threshold`` of each fold where validation chose one, the number of
        ``subjects``, how many with images of several classes are ``left_out``, and a row per subject. Nothing where no
        subject is known, where each has a single image, and where most have images of several classes.
    """
    tests = list(map(subjects_of, runs.tests))
    images = pd.concat([test.frame["images"] for test in tests])
    left_out = sum(test.left_out for test in tests)
    if (images == 1).all() or left_out > len(images):
        return Findings()
    validations = [subjects_of(fold.validation) for fold in runs.folds]
    figures: Figures = {(TEST, Kind.SUBJECTS): {"subjects": Interval(len(images)), "left_out": Interval(left_out)}}
    thresholds = {rule: [_choose(runs, part, rule) for part in validations] for rule in RULES}
    for rule, of_folds in thresholds.items():
        figures |= _figures(runs, tests, rule, of_folds)
    return Findings(tables={"by_subject": by_subject_table(runs, tests, thresholds)}, metrics=figures)


def subjects_of(images: LabelledPart) -> Subjects:
    """Gather the labelled images of each subject of one part."""
    scored = images.scored
    predicted = np.eye(len(scored.classes))[call(scored.probabilities, scored.positive_index)]
    # Images without subject are left out by groupby.
    subject = images.frame["subject"]
    labels = pd.Series(scored.labels).groupby(subject).agg(["min", "max", "size"])
    mean = pd.DataFrame(scored.probabilities).groupby(subject).mean().to_numpy()
    share = (1 - TIE) * pd.DataFrame(predicted).groupby(subject).mean().to_numpy() + TIE * mean
    pure = (labels["min"] == labels["max"]).to_numpy()
    truth = labels["min"].to_numpy(np.int64)[pure]
    frame = pd.DataFrame({"subject": labels.index[pure], "images": labels["size"].to_numpy()[pure]})
    frame["truth"] = np.array(scored.classes, dtype=object)[truth]
    return Subjects(frame, {"mean": mean[pure], "share": share[pure]}, truth, int((~pure).sum()))


def by_subject_table(
    runs: LabelledRuns, tests: list[Subjects], thresholds: Mapping[str, list[float | None]]
) -> pd.DataFrame:
    """Return a row per evaluated test subject of each fold, see ``by_subject``.

    Returns:
        ``fold`` (of several runs), ``subject``, ``images``, ``truth``, ``probability`` (mean, of the positive class; of
        more than two: of the predicted one), ``share`` (of images predicted positive; of more than two: like it),
        ``called_by_mean`` and ``called_by_share``.
    """
    tables = []
    classes = np.array(runs.classes, dtype=object)
    for number, test in enumerate(tests):
        table = test.frame.copy()
        if len(tests) > 1:
            table.insert(0, "fold", runs.runs[number].about.get("fold"))
        for rule, column in zip(RULES, ("probability", "share"), strict=True):
            predicted = call(test.scores[rule], runs.positive_index, _limit(rule, thresholds[rule][number]))
            shown = predicted if runs.positive_index is None else runs.positive_index
            table[column] = test.scores[rule][np.arange(len(predicted)), shown].round(6)
            table[f"called_by_{rule}"] = classes[predicted]
        tables.append(table)
    whole = pd.concat(tables, ignore_index=True)
    called = whole.filter(like="called_by_")
    return whole.drop(columns=called.columns).join(called)


def _figures(runs: LabelledRuns, tests: list[Subjects], rule: str, thresholds: list[float | None]) -> Figures:
    """Return the metrics of a rule at the thresholds of the folds, and these."""
    section = f"{Kind.BY_SUBJECT}{rule}"
    cuts = np.repeat([_limit(rule, threshold) for threshold in thresholds], [len(test.labels) for test in tests])
    metrics = intervals(_scored(runs, tests, rule), runs.settings, cuts)
    return {(TEST, section): metrics} | chosen_figures(section, [{"threshold": value} for value in thresholds])


def _choose(runs: LabelledRuns, validation: Subjects, rule: str) -> float | None:
    """Return the threshold that the validation subjects of a fold choose."""
    scored = _scored(runs, [validation], rule)
    if rule == "mean":
        return choose_threshold(scored, runs.settings).value
    # The threshold is a share, not what decides between equal ones.
    scored = replace(scored, probabilities=scored.probabilities.round(DECIMALS))
    return choose_threshold(scored, runs.settings).value or None


def _scored(runs: LabelledRuns, parts: list[Subjects], rule: str) -> LabelledPredictions:
    names = pd.concat([part.frame["subject"] for part in parts])
    return LabelledPredictions(
        labels=np.concatenate([part.labels for part in parts]),
        probabilities=np.concatenate([part.scores[rule] for part in parts]),
        classes=runs.classes,
        positive_index=runs.positive_index,
        clusters=pd.factorize(names)[0].astype(np.int64),
        by_subject=True,
        unlabelled=0,
    )


def _limit(rule: str, threshold: float | None) -> float:
    """Where scores are predicted positive: with a chosen share itself, however its ties are decided."""
    if threshold is None:
        return MAJORITY
    return threshold - STEP * (rule == "share")
