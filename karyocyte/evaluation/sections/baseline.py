"""What a few numbers of a picture tell without a network: a logistic regression beside every result."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from karyocyte.evaluation.intervals.over_subjects import around, intervals
from karyocyte.evaluation.metrics.classification import DIFFERENCE, headline_metric, metric_names
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.leave_one_out import Combined
from karyocyte.evaluation.metrics.resampled import WeightedMetrics
from karyocyte.evaluation.pooling.labelled_runs import LabelledRuns
from karyocyte.evaluation.pooling.sections import Findings
from karyocyte.evaluation.types.result import GAIN, TEST, EvaluationResult, Figures, Kind
from karyocyte.runs.predictions import BASELINE_PREFIX, VALIDATION, Predictions

BASELINES = {"area": "area alone", "all": "brightness and size"}  # in words
MOST_IMAGES = 10_000  # that the regression is fitted to: more would take minutes and change little
PENALTIES = (0.01, 1.0, 100.0)  # inverse strength of the L2 penalty


@dataclass(frozen=True)
class NumberedImages:
    """Numbers of N images, float64, shape (N, numbers), their labels, int64, -1 where unknown, and their parts."""

    numbers: pd.DataFrame
    labels: np.ndarray
    parts: np.ndarray

    def labelled_rows(self, part: str) -> np.ndarray:
        """Return which images of a part have a label, int64."""
        return np.flatnonzero((self.parts == part) & (self.labels >= 0))


def add_baselines(predictions: Predictions, rows: np.ndarray, images: NumberedImages) -> Predictions:
    """Return predictions with the probabilities that regressions on the numbers of their images give.

    One is fitted to the column ``area`` alone and one to all numbers, of at most `MOST_IMAGES` training images, evenly
    spaced, and the first of each class. The numbers are standardised, and the penalty is the one of `PENALTIES` with
    the lowest loss on validation.

    Args:
        predictions: Of the validation and test part.
        rows: The place among ``images`` of each of them, int64.
        images: All images of the run.
    """
    frame = predictions.frame
    for name in BASELINES:
        numbers = images.numbers[["area"]] if name == "area" else images.numbers
        probabilities = _fit(replace(images, numbers=numbers), rows)
        columns = [_column(name, label) for label in predictions.classes]
        frame = frame.join(pd.DataFrame(probabilities, columns=columns))
    return replace(predictions, frame=frame)


def _fit(images: NumberedImages, rows: np.ndarray) -> np.ndarray:
    """Fit a regression; return the probabilities of the images in some rows, shape (rows, classes)."""
    # scikit-learn takes a second to import, and only the end of a training needs it.
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = images.numbers.to_numpy(np.float64)
    train, validation = images.labelled_rows("train"), images.labelled_rows(VALIDATION)
    spaced = np.linspace(0, len(train) - 1, min(len(train), MOST_IMAGES), dtype=np.int64)
    first_of_classes = np.unique(images.labels[train], return_index=True)[1]  # a rare class may lie between the others
    train = train[np.union1d(spaced, first_of_classes)]
    best, least = np.empty(0), np.inf
    for penalty in PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))
        model.fit(values[train], images.labels[train])
        loss = 0.0
        if len(validation):
            loss = log_loss(images.labels[validation], model.predict_proba(values[validation]), labels=model.classes_)
        if loss < least:
            best, least = model.predict_proba(values[rows]), loss
    return best


def baselines_of(runs: LabelledRuns) -> dict[str, LabelledPredictions]:
    """Return the test images as each baseline predicts them, by its words; {} for predictions that have none."""
    found = {}
    for name, words in BASELINES.items():
        columns = [_column(name, label) for label in runs.test.classes]
        frame = runs.frame.reindex(columns=columns)
        # A baseline of a part of the images could not be compared with the network.
        if len(frame) and frame.notna().all(axis=None):
            found[words] = replace(runs.test, probabilities=frame.to_numpy(np.float64))
    return found


def baseline(runs: LabelledRuns, result: EvaluationResult) -> Findings:
    """Return the metrics of each baseline on the test images with the network's `GAIN`; nothing where there is none."""
    names = tuple(name for name in metric_names(runs.test.classes) if "/" not in name)
    headline = (headline_metric(result.positive_class),)
    figures: Figures = {}
    for words, scored in baselines_of(runs).items():
        both = Combined([WeightedMetrics(each, names=headline) for each in (runs.test, scored)], np.subtract.reduce)
        gain = around(both, {GAIN: DIFFERENCE}, runs.test, runs.settings)
        figures[TEST, f"{Kind.BASELINE}{words}"] = intervals(scored, runs.settings, names=names) | gain
    return Findings(metrics=figures)


def _column(name: str, label: str) -> str:
    return f"{BASELINE_PREFIX}{name}_{label}"
