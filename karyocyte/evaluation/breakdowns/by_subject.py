"""Subjects instead of images: what all images of a person say together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.bootstrap import intervals
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.metrics.labelled import LabelledPart, LabelledPredictions
from karyocyte.evaluation.metrics.thresholds import choose_threshold
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import TEST, EvaluationResult, Figures, Interval, Kind, chosen_figures

HALF = 0.5  # where validation chooses no threshold


@dataclass(frozen=True)
class Subjects:
    """The S subjects of a part that have images of one class; ``left_out`` others have images of several."""

    frame: pd.DataFrame  # a row per subject: ``subject``, ``images``, ``truth`` (class name)
    means: np.ndarray  # of the probabilities of the images, float64, shape (S, K)
    labels: np.ndarray  # true classes as indices, shape (S,)
    left_out: int


def by_subject(runs: LabelledRuns, _: EvaluationResult) -> Findings:
    """Evaluate one prediction per test subject, by the mean probability of its images, of one run or of several folds.

    Of two classes, a subject is predicted positive where its mean is at least the threshold that its fold's validation
    subjects choose, else at HALF; of more, the class with the highest mean is predicted. Intervals draw subjects. Who
    is tested in two folds counts in both.

    Returns:
        Metrics, with the ``threshold`` of each fold where validation chose one, the number of ``subjects``, how many
        with images of several classes are ``left_out``, and a row per subject. Nothing where no subject is known, where
        each has a single image, and where most have images of several classes.
    """
    tests = list(map(subjects_of, runs.tests))
    images = pd.concat([test.frame["images"] for test in tests])
    left_out = sum(test.left_out for test in tests)
    if (images == 1).all() or left_out > len(images):
        return Findings()
    thresholds = _choose(runs)
    cuts = [HALF if threshold is None else threshold for threshold in thresholds]
    metrics = intervals(_scored(runs, tests), runs.settings, np.repeat(cuts, [len(test.labels) for test in tests]))
    counts = {"subjects": Interval(len(images)), "left_out": Interval(left_out)}
    figures: Figures = {(TEST, Kind.SUBJECTS): counts, (TEST, Kind.BY_SUBJECT): metrics}
    figures |= chosen_figures(Kind.BY_SUBJECT, [{"threshold": value} for value in thresholds])
    return Findings(tables={"by_subject": by_subject_table(runs, tests, cuts)}, metrics=figures)


def _choose(runs: LabelledRuns) -> list[float | None]:
    """Return the threshold that the validation subjects of each fold choose."""
    validations = [_scored(runs, [subjects_of(fold.validation)]) for fold in runs.folds]
    return [choose_threshold(validation, runs.settings).value for validation in validations]


def subjects_of(images: LabelledPart) -> Subjects:
    """Gather the labelled images of each subject of one part."""
    scored = images.scored
    # Images without subject are left out by groupby.
    subject = images.frame["subject"]
    labels = pd.Series(scored.labels).groupby(subject).agg(["min", "max", "size"])
    means = pd.DataFrame(scored.probabilities).groupby(subject).mean().to_numpy()
    pure = (labels["min"] == labels["max"]).to_numpy()
    truth = labels["min"].to_numpy(np.int64)[pure]
    frame = pd.DataFrame({"subject": labels.index[pure], "images": labels["size"].to_numpy()[pure]})
    frame["truth"] = np.array(scored.classes, dtype=object)[truth]
    return Subjects(frame, means[pure], truth, int((~pure).sum()))


def by_subject_table(runs: LabelledRuns, tests: list[Subjects], cuts: list[float]) -> pd.DataFrame:
    """Return a row per evaluated test subject of each fold, see ``by_subject``.

    Returns:
        ``fold`` (of several runs), ``subject``, ``images``, ``truth``, ``probability`` (mean, of the positive class; of
        more than two: of the predicted one) and ``predicted``.
    """
    tables = []
    for number, (test, cut) in enumerate(zip(tests, cuts, strict=True)):
        table = test.frame.copy()
        if len(tests) > 1:
            table.insert(0, "fold", runs.runs[number].about.get("fold"))
        predicted = call(test.means, runs.positive_index, cut)
        shown = predicted if runs.positive_index is None else runs.positive_index
        table["probability"] = test.means[np.arange(len(predicted)), shown].round(6)
        table["predicted"] = np.array(runs.classes, dtype=object)[predicted]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _scored(runs: LabelledRuns, parts: list[Subjects]) -> LabelledPredictions:
    names = pd.concat([part.frame["subject"] for part in parts])
    return LabelledPredictions(
        labels=np.concatenate([part.labels for part in parts]),
        probabilities=np.concatenate([part.means for part in parts]),
        classes=runs.classes,
        positive_index=runs.positive_index,
        clusters=pd.factorize(names)[0].astype(np.int64),
        by_subject=True,
        unlabelled=0,
    )
