"""Subjects instead of images: what all images of a person say together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.over_subjects import intervals
from karyocyte.evaluation.metrics.classification import call
from karyocyte.evaluation.metrics.labelled import score
from karyocyte.evaluation.metrics.thresholds import choose_threshold
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import TEST, EvaluationResult, Figures, Interval, Kind
from karyocyte.runs.predictions import PROBABILITY_PREFIX, VALIDATION, Predictions

HALF = 0.5  # where validation chooses no threshold


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
    tests, mixed = zip(*(subjects_of(run.part("test")) for run in runs.runs), strict=True)
    images = pd.concat([test.frame["images"] for test in tests])
    left_out = sum(mixed)
    if (images == 1).all() or left_out > len(images):
        return Findings()
    thresholds = _choose(runs)
    cuts = [HALF if threshold is None else threshold for threshold in thresholds]
    metrics = intervals(score(*tests), runs.settings, np.repeat(cuts, [len(test.frame) for test in tests]))
    counts = {"subjects": Interval(len(images)), "left_out": Interval(left_out)}
    figures: Figures = {(TEST, Kind.SUBJECTS): counts, (TEST, Kind.BY_SUBJECT): metrics}
    for number, value in enumerate(thresholds):
        part = VALIDATION if len(thresholds) == 1 else f"{VALIDATION} {number}"
        figures[part, Kind.BY_SUBJECT] = {"threshold": Interval(value)}
    return Findings(tables={"by_subject": by_subject_table(tests, cuts)}, metrics=figures)


def _choose(runs: LabelledRuns) -> list[float | None]:
    """Return the threshold that the validation subjects of each fold choose."""
    validations = [score(subjects_of(run.part(VALIDATION))[0]) for run in runs.runs]
    return [choose_threshold(validation, runs.settings).value for validation in validations]


def subjects_of(images: Predictions) -> tuple[Predictions, int]:
    """Return the subjects of a part that have labelled images of one class, and how many others have several.

    A row is a subject, as if it were an image: ``images`` is the number of its images, of which it has the means of the
    probabilities.
    """
    columns = [PROBABILITY_PREFIX + name for name in images.classes]
    labelled = images.frame[images.labels >= 0].astype(dict.fromkeys(columns, np.float64))
    subjects = labelled.groupby("subject")  # images without subject are left out
    is_pure = subjects["label"].nunique() == 1
    rows = subjects[columns].mean().assign(label=subjects["label"].first(), images=subjects.size(), cell=None)
    rows = rows[is_pure].reset_index()
    return replace(images, frame=rows.assign(image_id=rows["subject"])), int((~is_pure).sum())


def by_subject_table(tests: Sequence[Predictions], cuts: Sequence[float]) -> pd.DataFrame:
    """Return a row per evaluated test subject of each fold, see ``by_subject``.

    Returns:
        ``fold`` (of several runs), ``subject``, ``images``, ``truth``, ``probability`` (mean, of the positive class; of
        more than two: of the predicted one) and ``predicted``.
    """
    tables = []
    for test, cut in zip(tests, cuts, strict=True):
        table = test.frame[["subject", "images"]].assign(truth=test.frame["label"])
        if len(tests) > 1:
            table.insert(0, "fold", test.about.get("fold"))
        predicted = call(test.probabilities, test.positive_index, cut)
        shown = predicted if test.positive_index is None else test.positive_index
        table["probability"] = test.probabilities[np.arange(len(predicted)), shown].round(6)
        table["predicted"] = np.array(test.classes, dtype=object)[predicted]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
