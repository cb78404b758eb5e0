"""Metrics over an epoch that torchmetrics does not have as they are needed here."""

from typing import Any, Literal

import torch
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import AUROC, Accuracy, MulticlassF1Score, Precision, Recall
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_auroc,
    binary_precision,
    binary_recall,
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_precision,
    multiclass_recall,
)
from torchmetrics.utilities import dim_zero_cat


class WeightedF1(MulticlassF1Score):
    """Weighted F1; of two classes from the positive class's probability, which is predicted at 0.5."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="weighted")

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Take probabilities, float, (B, classes) or (B,) of the positive class, and labels, int64, (B,)."""
        super().update((preds >= 0.5).long() if preds.ndim == 1 else preds, target)


def validation_metrics(num_classes: int, prefix: str) -> MetricCollection:
    """Return the metrics over the validation or test part, with names such as "val/acc"."""
    task: Literal["binary", "multiclass"] = "binary" if num_classes == 2 else "multiclass"
    metrics: dict[str, Any] = {
        "acc": Accuracy(task, num_classes=num_classes, average="micro"),
        "auc": AUROC(task, num_classes=num_classes),
        "f1_weighted": WeightedF1(num_classes),
        "precision": Precision(task, num_classes=num_classes, average="macro"),
        "recall": Recall(task, num_classes=num_classes, average="macro"),
    }
    # Each keeps its own state: sharing it would need an update before the collection is used.
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)


def mode_of(metrics: MetricCollection, monitor: str) -> Literal["min", "max"]:
    """Return which value of a monitored metric is best; what is none of the metrics is a loss."""
    metric = dict(metrics.items()).get(monitor)
    return "max" if metric is not None and metric.higher_is_better else "min"


class EpochScores(Metric):
    """Accuracy, AUC, precision and recall over the training batches of an epoch.

    A step keeps the scores alone, which costs next to nothing; the metrics are computed once, at the end of the
    epoch. AUC, precision and recall of two classes are of the positive class, at 0.5; those of more are means over the
    classes.
    """

    full_state_update = False
    scores: list[torch.Tensor]
    labels: list[torch.Tensor]

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, scores: torch.Tensor, label: torch.Tensor) -> None:
        """Take probabilities, float, (B, classes) or (B,) of the positive class, and labels, int64, (B,)."""
        self.scores.append(scores.detach())
        self.labels.append(label)

    def compute(self) -> dict[str, torch.Tensor]:
        """Return {"acc", "auc", "precision", "recall"}, float scalars in [0, 1]."""
        scores = dim_zero_cat(self.scores)
        labels = dim_zero_cat(self.labels)
        if self.num_classes == 2:
            return {
                "acc": binary_accuracy(scores, labels),
                "auc": binary_auroc(scores, labels),
                "precision": binary_precision(scores, labels),
                "recall": binary_recall(scores, labels),
            }
        predicted = scores.argmax(1)
        return {
            "acc": multiclass_accuracy(predicted, labels, self.num_classes, average="micro"),
            "auc": _mean_auc(scores, labels),
            "precision": multiclass_precision(predicted, labels, self.num_classes),
            "recall": multiclass_recall(predicted, labels, self.num_classes),
        }


def _mean_auc(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean AUC of the classes that a short epoch has images of; torchmetrics takes 0 for the others."""
    classes = torch.unique(labels)
    each = multiclass_auroc(scores, labels, scores.shape[1], average="none")
    return each[classes].mean() if len(classes) > 1 else torch.tensor(torch.nan)
