"""Metrics over an epoch, of the scores that its batches leave: a step costs next to nothing, and waits for nothing."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torchmetrics.functional.classification as F  # noqa: N812
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

Measure = Callable[[torch.Tensor, torch.Tensor], Any]  # from scores and labels, see `KeptScores.update`


class KeptScores(Metric):
    """Keeps the scores and labels of all batches of an epoch, of which it computes measures, by their names."""

    full_state_update = False
    scores: list[torch.Tensor]
    labels: list[torch.Tensor]

    def __init__(self, measures: Mapping[str, Measure], prefix: str) -> None:
        super().__init__()
        self.measures = dict(measures)
        self.prefix = prefix
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")

    def update(self, scores: torch.Tensor, label: torch.Tensor) -> None:
        """Take probabilities, float, (B, classes) or (B,) of the positive class, and labels, int64, (B,)."""
        self.scores.append(scores.detach())
        self.labels.append(label)

    def compute(self) -> dict[str, Any]:
        """Return what is measured of all batches, by prefix and name, such as "val/acc"."""
        scores, labels = dim_zero_cat(self.scores), dim_zero_cat(self.labels)
        return {self.prefix + name: measure(scores, labels) for name, measure in self.measures.items()}


def weighted_f1(scores: torch.Tensor, label: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Return the weighted F1; of two classes from the positive class's probability, which is predicted at 0.5."""
    predicted = (scores >= 0.5).long() if scores.ndim == 1 else scores
    return F.multiclass_f1_score(predicted, label, num_classes, average="weighted")


def training_metrics(num_classes: int, prefix: str) -> KeptScores:
    """Return "acc", "auc", "precision" and "recall", float scalars in [0, 1], over the batches of an epoch.

    AUC, precision and recall of two classes are of the positive class, at 0.5; those of more are means over the
    classes.
    """
    kind: dict[str, Any] = {"task": "binary" if num_classes == 2 else "multiclass", "num_classes": num_classes}
    measures: dict[str, Measure] = {
        "acc": partial(F.accuracy, average="micro", **kind),
        "auc": _mean_auc if num_classes > 2 else partial(F.auroc, **kind),
        "precision": partial(F.precision, average="macro", **kind),
        "recall": partial(F.recall, average="macro", **kind),
    }
    return KeptScores(measures, prefix)


def validation_metrics(num_classes: int, prefix: str) -> KeptScores:
    """Return those of the training and "f1_weighted", over the validation or test part."""
    metrics = training_metrics(num_classes, prefix)
    metrics.measures["f1_weighted"] = partial(weighted_f1, num_classes=num_classes)
    return metrics


def _mean_auc(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean AUC of the classes that there are images of; torchmetrics takes 0 for the others."""
    classes = torch.unique(labels)
    if len(classes) == 1:
        return torch.tensor(torch.nan)
    each: torch.Tensor = F.multiclass_auroc(scores, labels, scores.shape[1], average="none")
    return each[classes].mean()
