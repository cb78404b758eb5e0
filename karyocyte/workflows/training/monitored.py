"""Metrics of the evaluation that a training monitors: computed on the validation part after each epoch."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from karyocyte.common.errors import UserError
from karyocyte.evaluation.metrics.classification import METRICS, metric_names
from karyocyte.evaluation.metrics.labelled import LabelledPredictions
from karyocyte.evaluation.metrics.resampled import evaluate
from lightning_modules.modules.classifier import Classifier

LOSS = "val/loss"


def monitored(scores: torch.Tensor, labels: torch.Tensor, name: str, classes: tuple[str, ...]) -> torch.Tensor:
    """Return a metric of the evaluation, such as "balanced_accuracy" or "recall/blast", float, scalar; NaN: undefined.

    ``scores`` and ``labels`` are those of `KeptScores` over the validation part.
    """
    probabilities = scores.double().cpu().numpy()
    if probabilities.ndim == 1:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    images = np.zeros(len(labels), np.int64)
    positive = 1 if len(classes) == 2 else None
    labelled = LabelledPredictions(labels.cpu().numpy(), probabilities, classes, positive, images)
    value = evaluate(labelled)[name]
    return torch.tensor(torch.nan if value is None else value, device=labels.device)


def add_monitored(model: Classifier, monitor: str, classes: Sequence[str]) -> None:
    """Let a classifier compute the metric of ``callbacks.monitor`` on validation, where it does not do so anyway.

    Raises:
        UserError: There is no such metric.
    """
    own = [LOSS, *(f"val/{name}" for name in model.val_metrics.measures)]
    if monitor in own:
        return
    name = monitor.removeprefix("val/")
    registered = metric_names(tuple(classes))
    if name == monitor or name not in registered or name.partition("/")[0] not in METRICS:
        known = [f"val/{each}" for each in registered if each.partition("/")[0] in METRICS]
        names = ", ".join(dict.fromkeys([*own, *known]))
        raise UserError(f"callbacks.monitor={monitor} is no metric: choose one of {names}")
    model.val_metrics.measures[name] = partial(monitored, name=name, classes=tuple(classes))
