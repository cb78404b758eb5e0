"""The metrics of a set of images: one registry entry each. What is undefined is None, or NaN in arrays.

To add a metric, register it: ``METRICS["name"] = Metric(...)``; metrics.json, tables and report then have it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Literal

import numpy as np

from karyocyte.common.errors import UserError

Threshold = float | np.ndarray
# Low and high, the latter possibly infinite: between them a statistic must be.
Bounds = tuple[float, float]
SHARE: Bounds = (0.0, 1.0)
POSITIVE: Bounds = (0.0, np.inf)


class Confusions:
    """B confusion matrices of K classes (counts, shape (B, K, K), rows the truth), and what metrics have in common.

    Images that are ``right``, all ``images`` and those ``predicted`` of each class have shape (B, K), as ``precision``,
    ``recall`` and ``f1`` (0 for a class that is never predicted); ``total`` has shape (B,).
    """

    def __init__(self, counts: np.ndarray, positive_index: int | None) -> None:
        self.counts = counts
        self.positive_index = positive_index
        self.right: np.ndarray = np.diagonal(counts, axis1=1, axis2=2)
        self.images: np.ndarray = counts.sum(axis=2)
        self.predicted: np.ndarray = counts.sum(axis=1)
        self.total: np.ndarray = self.images.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.precision: np.ndarray = self.right / self.predicted
            self.recall: np.ndarray = self.right / self.images
            self.f1: np.ndarray = 2 * self.right / (self.images + self.predicted)


@dataclass(frozen=True)
class Scores:
    """One class against the rest, for B weightings of the images: counts at the L distinct scores of its images.

    Shape (B, L + 1), the highest score first: ``positives`` of the class, ``negatives`` that score at least as much, at
    the first such level (last, those below every level), and others exactly at the level (``tied``).
    """

    positives: np.ndarray
    negatives: np.ndarray
    tied: np.ndarray


@dataclass(frozen=True)
class Metric:
    """A metric: what it is called, how its values are read and bounded, and how it is computed, by one function."""

    # turns confusion matrices into values of shape (B,), NaN where undefined; one of each class into (B, K)
    of_predictions: Callable[[Confusions], np.ndarray] | None = None
    # turns the scores of one class into values (B,); beyond two classes their mean counts
    of_scores: Callable[[Scores], np.ndarray] | None = None
    # "any", "two" (classes only) or "each" (a value of each class, ``<metric>/<class>``)
    classes: Literal["any", "two", "each"] = "any"
    bounds: Bounds = SHARE  # between which the values are
    is_share: bool = False  # whether it is a share of some images: binomial where they are independent
    higher_is_better: bool = True
    words: str | None = None  # its name on pages; None: its key. Of a class it holds ``{name}``
    meaning: str = ""  # what it measures; it may hold ``{name}``, ``{positive}`` and ``{negative}``, of classes


def accuracy(confusions: Confusions) -> np.ndarray:
    """Return the share of the images that are predicted right."""
    return np.asarray(confusions.right.sum(axis=1) / confusions.total)


def balanced_accuracy(confusions: Confusions) -> np.ndarray:
    """Return the mean recall of the classes that occur in the truth, of which it needs two."""
    occurring = (confusions.images > 0).sum(axis=1)
    return np.where(occurring > 1, np.nansum(confusions.recall, axis=1) / occurring, np.nan)


def f1_weighted(confusions: Confusions) -> np.ndarray:
    """Return the mean F1 of the classes, weighted by their images."""
    return np.asarray(np.nansum(confusions.f1 * confusions.images, axis=1) / confusions.total)


def f1_macro(confusions: Confusions) -> np.ndarray:
    """Return the mean F1 of the classes that occur in truth or predictions."""
    occurring = (confusions.images + confusions.predicted > 0).sum(axis=1)
    return np.asarray(np.nansum(confusions.f1, axis=1) / occurring)


def sensitivity(confusions: Confusions) -> np.ndarray:
    """Return the recall of the positive class."""
    assert confusions.positive_index is not None
    return confusions.recall[:, confusions.positive_index]


def specificity(confusions: Confusions) -> np.ndarray:
    """Return the recall of the negative class."""
    assert confusions.positive_index is not None
    return confusions.recall[:, 1 - confusions.positive_index]


def auc(scores: Scores) -> np.ndarray:
    """Return the area under the ROC curve; ties count half."""
    false = scores.negatives.cumsum(axis=1)
    all_false = false[:, -1]
    won = scores.positives * (all_false[:, None] - false + scores.tied / 2)
    return np.asarray(won.sum(axis=1) / (scores.positives.sum(axis=1) * all_false))


def average_precision(scores: Scores) -> np.ndarray:
    """Return the average precision."""
    true = scores.positives.cumsum(axis=1)
    false = scores.negatives.cumsum(axis=1)
    # A level whose images all have weight 0 is no level: 0 / 0 there counts nothing.
    precision = np.nansum(scores.positives * true / (true + false), axis=1) / true[:, -1]
    return np.where(false[:, -1] > 0, precision, np.nan)


METRICS: dict[str, Metric] = {
    "accuracy": Metric(accuracy, is_share=True, meaning="share of the images that are predicted right"),
    "balanced_accuracy": Metric(balanced_accuracy, meaning="mean of the classes' recalls: every class weighs the same"),
    "f1_weighted": Metric(
        f1_weighted, words="weighted F1", meaning="mean of the classes' F1, weighted by their images"
    ),
    "f1_macro": Metric(f1_macro, words="macro F1", meaning="mean of the classes' F1: every class weighs the same"),
    "auc": Metric(of_scores=auc, words="AUC", meaning="0.5 is chance, 1 is perfect; it depends on no threshold"),
    "average_precision": Metric(of_scores=average_precision, meaning="area under the precision-recall curve"),
    "sensitivity": Metric(
        sensitivity, classes="two", is_share=True, meaning="of the “{positive}” images, the share that is recognised"
    ),
    "specificity": Metric(
        specificity, classes="two", is_share=True, meaning="of the “{negative}” images, the share that is recognised"
    ),
    "precision": Metric(
        attrgetter("precision"),
        classes="each",
        is_share=True,
        words="precision of “{name}”",
        meaning="of the images predicted “{name}”, the share that really are",
    ),
    "recall": Metric(
        attrgetter("recall"),
        classes="each",
        is_share=True,
        words="recall of “{name}”",
        meaning="of the “{name}” images, the share that is recognised",
    ),
    "f1": Metric(
        attrgetter("f1"), classes="each", words="F1 of “{name}”", meaning="one figure for its precision and recall"
    ),
}
# Of probabilities, by ``evaluation.calibration``; the Brier score of two classes is at most 1.
CALIBRATION: dict[str, Metric] = {
    "ece": Metric(higher_is_better=False, words="ECE", meaning="how far the stated probabilities are off, on average"),
    "brier": Metric(
        bounds=(0.0, 2.0),
        higher_is_better=False,
        words="Brier score",
        meaning="mean squared error of the probabilities",
    ),
    "nll": Metric(
        bounds=POSITIVE,
        higher_is_better=False,
        words="negative log-likelihood",
        meaning="punishes predictions that are sure and wrong",
    ),
}
DIFFERENCE = Metric(bounds=(-1.0, 1.0))  # of two shares or metrics


def metric_of(name: str) -> Metric:
    """Return the entry of a metric or of a class's, such as ``recall/hem``.

    Raises:
        UserError: None of that name is registered.
    """
    kind = name.partition("/")[0]
    registered = METRICS | CALIBRATION
    if kind not in registered:
        raise UserError(f"there is no metric {name}: choose one of {', '.join(registered)}")
    return registered[kind]


def lower_is_better(monitor: str) -> bool:
    """Tell whether the least value of a monitored quantity, such as "val/loss", is best: of a loss, or as it says."""
    name = monitor.removeprefix("val/")
    metric = (METRICS | CALIBRATION).get(name.partition("/")[0], Metric())
    return name.endswith("loss") or not metric.higher_is_better


def metrics_of(names: Iterable[str]) -> dict[str, Metric]:
    """Return the entries of several metrics by their names, see ``metric_of``."""
    return {name: metric_of(name) for name in names}


def in_words(name: str, classes: Sequence[str] = (), positive_class: str | None = None) -> tuple[str, str]:
    """Return a metric's name in words, and what it measures; one that is not registered keeps its key."""
    kind, _, of_class = name.partition("/")
    metric = (METRICS | CALIBRATION).get(kind, Metric())
    words = metric.words or kind.replace("_", " ")
    negative = "".join(other for other in classes if other != positive_class)
    named = {"{name}": of_class, "{positive}": positive_class or "", "{negative}": negative}
    meaning = metric.meaning
    for place, name_of_class in named.items():
        meaning = meaning.replace(place, name_of_class)
    return words.replace("{name}", of_class), meaning


def metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all metrics in their order; some metrics are those of two classes only."""
    names: dict[str, list[str]] = {"any": [], "two": [], "each": []}
    for name, metric in METRICS.items():
        if metric.classes == "each":
            names["each"] += [f"{name}/{of_class}" for of_class in classes]
        elif metric.classes == "any" or len(classes) == 2:
            names[metric.classes].append(name)
    return tuple(chain.from_iterable(names.values()))


def headline_metric(positive_class: str | None) -> str:
    """Return the metric that models are compared by: the AUC of two classes, the accuracy of more."""
    return "accuracy" if positive_class is None else "auc"


def call(probabilities: np.ndarray, positive_index: int | None, threshold: Threshold = 0.5) -> np.ndarray:
    """Turn probabilities (N, K) into predicted classes: indices, int64, shape (N,).

    With a ``positive_index`` (of two classes) it is predicted where its probability is at least the threshold, one
    number or one per image (N,); else the most probable class is.
    """
    if positive_index is None:
        return np.asarray(probabilities.argmax(axis=1))
    positive = probabilities[:, positive_index] >= threshold
    return np.where(positive, positive_index, 1 - positive_index)


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count images whose label is not -1, int64, shape (classes, classes): rows the truth, columns the predictions."""
    labelled = labels >= 0
    cells = labels[labelled] * classes + predicted[labelled]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def of_confusions(matrices: np.ndarray, classes: tuple[str, ...], positive_index: int | None) -> dict[str, np.ndarray]:
    """Compute the metrics of predictions from confusion matrices, shape (B, K, K): arrays (B,) by ``metric_names``."""
    confusions = Confusions(matrices, positive_index)
    values: dict[str, np.ndarray] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, metric in METRICS.items():
            if metric.of_predictions is None or (metric.classes == "two" and positive_index is None):
                continue
            found = metric.of_predictions(confusions)
            shape = (len(matrices), len(classes)) if metric.classes == "each" else (len(matrices),)
            if np.shape(found) != shape:
                raise UserError(f"metric {name}: its function returned the shape {np.shape(found)}, not {shape}")
            if metric.classes == "each":
                for of_class, of_metric in zip(classes, found.T, strict=True):
                    values[f"{name}/{of_class}"] = of_metric
            else:
                values[name] = found
    return values
