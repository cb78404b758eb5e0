"""The metrics of a set of images, by scikit-learn. What is undefined is None."""

import numpy as np
from sklearn import metrics as reference

Threshold = float | np.ndarray


def metric_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of ``evaluate`` in their order; sensitivity and specificity exist for two classes only."""
    per_class = [f"{kind}/{name}" for kind in ("precision", "recall", "f1") for name in classes]
    if len(classes) == 2:
        two = ("sensitivity", "specificity")
    else:
        two = ()
    return ("accuracy", "balanced_accuracy", "f1_weighted", "f1_macro", "auc", "average_precision", *two, *per_class)


def call(probabilities: np.ndarray, positive_index: int | None, threshold: Threshold = 0.5) -> np.ndarray:
    """Turn probabilities into called classes.

    Args:
        probabilities: 0 to 1, shape (N, K).
        positive_index: The positive one of two classes; None: the most probable class is called.
        threshold: Two classes: positive where its probability is at least this; one number, or one per image (N,).

    Returns:
        Class indices, int64, shape (N,).
    """
    if positive_index is None:
        return probabilities.argmax(axis=1)
    positive = probabilities[:, positive_index] >= threshold
    return np.where(positive, positive_index, 1 - positive_index)


def confusion(labels: np.ndarray, called: np.ndarray, classes: int) -> np.ndarray:
    """Count images, int64, shape (classes, classes): rows are the truth, columns the calls."""
    known = labels >= 0
    if not known.any():
        return np.zeros((classes, classes), dtype=np.int64)
    return reference.confusion_matrix(labels[known], called[known], labels=np.arange(classes))


def evaluate(
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    positive_index: int | None,
    threshold: Threshold = 0.5,
) -> dict[str, float | None]:
    """Compute every metric; images with label -1 (unknown) are left out.

    For more than two classes AUC and average precision are the mean over the classes, each against the rest. Macro F1
    is the mean over the classes that occur in truth or calls; balanced accuracy that of the recalls of the classes that
    occur in the truth, of which it needs two. F1 is 2 TP / (2 TP + FP + FN): 0 for a class that is never called.

    Args:
        labels: Class indices, shape (N,); -1 where unknown.
        probabilities: 0 to 1, shape (N, K).
        classes: The K class names.
        positive_index: The positive one of two classes; None for K > 2.
        threshold: See ``call``.

    Returns:
        Values in 0 to 1 under the keys of ``metric_names``; None where undefined (precision of a class never called,
        recall of a class without images, AUC and average precision with a class missing).
    """
    known = labels >= 0
    if np.ndim(threshold) == 0:
        threshold = threshold
    else:
        threshold = np.asarray(threshold)[known]
    labels = labels[known]
    probabilities = probabilities[known]
    if not len(labels):
        return dict.fromkeys(metric_names(classes))
    called = call(probabilities, positive_index, threshold)
    values = _of_calls(labels, called, classes, positive_index) | _of_ranks(labels, probabilities, positive_index)
    return {name: _defined(values[name]) for name in metric_names(classes)}


def _of_calls(
    labels: np.ndarray, called: np.ndarray, classes: tuple[str, ...], positive_index: int | None
) -> dict[str, float]:
    precision, recall, f1, _ = reference.precision_recall_fscore_support(
        labels, called, labels=np.arange(len(classes)), zero_division=np.nan
    )
    occurring = recall[~np.isnan(recall)]
    values = {
        "accuracy": reference.accuracy_score(labels, called),
        "balanced_accuracy": occurring.mean() if len(occurring) > 1 else np.nan,
        "f1_weighted": reference.f1_score(labels, called, average="weighted"),
        "f1_macro": reference.f1_score(labels, called, average="macro"),
    }
    for kind, of_class in (("precision", precision), ("recall", recall), ("f1", f1)):
        values |= {f"{kind}/{name}": of_class[index] for index, name in enumerate(classes)}
    if positive_index is not None:
        values |= {"sensitivity": recall[positive_index], "specificity": recall[1 - positive_index]}
    return values


def _of_ranks(labels: np.ndarray, probabilities: np.ndarray, positive_index: int | None) -> dict[str, float]:
    truth = labels[:, None] == np.arange(probabilities.shape[1])
    if not truth.any(axis=0).all():
        return {"auc": np.nan, "average_precision": np.nan}
    if positive_index is None:
        columns = slice(None)
    else:
        columns = positive_index
    truth = truth[:, columns]
    scores = probabilities[:, columns]
    return {
        "auc": reference.roc_auc_score(truth, scores, average="macro"),
        "average_precision": reference.average_precision_score(truth, scores, average="macro"),
    }


def _defined(value: float) -> float | None:
    if np.isnan(value):
        return None
    return float(value)
