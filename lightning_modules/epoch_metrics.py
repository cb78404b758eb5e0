"""Metrics over an epoch that torchmetrics does not have as they are needed here."""

from typing import Any

import torch
import torchmetrics.functional.classification as F  # noqa: N812
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import AUROC, Accuracy, MulticlassF1Score, Precision, Recall
from torchmetrics.utilities import dim_zero_cat


class WeightedF1(MulticlassF1Score):
    """Weighted F1; of two classes from the positive class's probability, which is predicted at 0.5."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes, average="weighted")

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Take probabilities, float, (B, classes) or (B,) of the positive class, and labels, int64, (B,)."""
        if preds.ndim == 1:
            preds = (preds >= 0.5).long()
        super().update(preds, target)


def validation_metrics(num_classes: int, prefix: str) -> MetricCollection:
    """Return the metrics over the validation or test part, with names such as "val/acc"."""
    kind: dict[str, Any] = {"task": "binary" if num_classes == 2 else "multiclass", "num_classes": num_classes}
    metrics: dict[str, Any] = {
        "acc": Accuracy(average="micro", **kind),
        "auc": AUROC(**kind),
        "f1_weighted": WeightedF1(num_classes),
        "precision": Precision(average="macro", **kind),
        "recall": Recall(average="macro", **kind),
    }
    # Each keeps its own state: sharing it would need an update before the collection is used.
    return MetricCollection(metrics, prefix=prefix, compute_groups=False)


class KeptScores(Metric):
    """Keeps the scores and labels of all batches of an epoch, of which a subclass computes what it measures.

    A step costs next to nothing.
    """

    full_state_update = False
    scores: list[torch.Tensor]
    labels: list[torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, scores: torch.Tensor, label: torch.Tensor) -> None:
        """Take probabilities, float, (B, classes) or (B,) of the positive class, and labels, int64, (B,)."""
        self.scores.append(scores.detach())
        self.labels.append(label)


class EpochScores(KeptScores):
    """Accuracy, AUC, precision and recall over the training batches of an epoch.

    AUC, precision and recall of two classes are of the positive class, at 0.5; those of more are means over the
    classes.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def compute(self) -> dict[str, torch.Tensor]:
        """Return {"acc", "auc", "precision", "recall"}, float scalars in [0, 1]."""
        scores = dim_zero_cat(self.scores)
        labels = dim_zero_cat(self.labels)
        if self.num_classes == 2:
            auc = F.binary_auroc(scores, labels)
            precision = F.binary_precision(scores, labels)
            recall = F.binary_recall(scores, labels)
            return {"acc": F.binary_accuracy(scores, labels), "auc": auc, "precision": precision, "recall": recall}
        predicted = scores.argmax(1)
        accuracy = F.multiclass_accuracy(predicted, labels, self.num_classes, average="micro")
        precision = F.multiclass_precision(predicted, labels, self.num_classes)
        recall = F.multiclass_recall(predicted, labels, self.num_classes)
        return {"acc": accuracy, "auc": _mean_auc(scores, labels), "precision": precision, "recall": recall}


def _mean_auc(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean AUC of the classes that a short epoch has images of; torchmetrics takes 0 for the others."""
    classes = torch.unique(labels)
    if len(classes) == 1:
        return torch.tensor(torch.nan)
    each: torch.Tensor = F.multiclass_auroc(scores, labels, scores.shape[1], average="none")
    return each[classes].mean()
