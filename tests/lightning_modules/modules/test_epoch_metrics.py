"""Metrics over an epoch."""

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

from lightning_modules.modules.epoch_metrics import training_metrics, validation_metrics


@pytest.mark.parametrize("classes", [2, 3])
def test_scores_of_all_batches_are_measured_together(classes):
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(40, classes, generator=generator).softmax(1)
    label = torch.randint(classes, (40,), generator=generator)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    metric, validation = training_metrics(classes, ""), validation_metrics(classes, "val/")
    for rows in (slice(0, 16), slice(16, 32), slice(32, 40)):
        metric.update(scores[rows], label[rows])
        validation.update(scores[rows], label[rows])
    measured = {name: value.item() for name, value in metric.compute().items()}
    called = (scores > 0.5).long() if classes == 2 else scores.argmax(1)
    average = "binary" if classes == 2 else "macro"
    expected = {
        "acc": accuracy_score(label, called),
        "auc": roc_auc_score(label, scores, multi_class="ovr"),
        "precision": precision_score(label, called, average=average),
        "recall": recall_score(label, called, average=average),
    }
    assert measured == pytest.approx(expected, abs=1e-6)
    expected["f1_weighted"] = f1_score(label, called, average="weighted")
    measured = {name.removeprefix("val/"): value.item() for name, value in validation.compute().items()}
    assert measured == pytest.approx(expected, abs=1e-6)


def test_classes_that_an_epoch_lacks_do_not_count_in_its_auc():
    scores = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    metric = training_metrics(3, "")
    metric.update(scores, torch.tensor([0, 1, 0]))
    assert metric.compute()["auc"] == 1
    metric.reset()
    metric.update(scores, torch.tensor([0, 0, 0]))
    assert metric.compute()["auc"].isnan()
