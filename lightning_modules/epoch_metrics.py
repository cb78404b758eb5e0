"""Metrics over an epoch that torchmetrics does not have as they are needed here."""

import torch
from torchmetrics import Metric
from torchmetrics.classification import MulticlassF1Score
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


class MeanLoss(Metric):
    """The mean loss of the images of an epoch, in float32 or higher.

    Lightning's own mean of logged values has the same result, for a third of a millisecond in every step.
    """

    full_state_update = False
    total: torch.Tensor
    images: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("images", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, loss: torch.Tensor, images: int) -> None:
        """Take the mean loss of a batch, float, scalar, and how many images it has."""
        loss = loss.detach().to(torch.promote_types(loss.dtype, torch.float32))
        self.total = self.total + loss * images
        self.images = self.images + images

    def compute(self) -> torch.Tensor:
        """Return the mean, float, scalar."""
        return self.total / self.images


class EpochScores(Metric):
    """Accuracy, AUC, precision and recall over the training batches of an epoch.

    A step keeps the scores alone, which costs next to nothing; the metrics are computed once, at the end of the epoch.
    AUC, precision and recall of two classes are of the positive class, at 0.5; those of more are means over the
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
            auc = binary_auroc(scores, labels)
            return {
                "acc": binary_accuracy(scores, labels),
                "auc": auc,
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
