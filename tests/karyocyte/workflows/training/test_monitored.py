"""Any metric of the registry chooses the best epoch."""

from functools import partial

import numpy as np
import pytest
import torch

from karyocyte.common.errors import UserError
from karyocyte.evaluation.metrics.classification import METRICS, Metric
from karyocyte.runs.run import Run
from karyocyte.workflows.training.monitored import add_monitored, monitored
from lightning_modules.modules.epoch_metrics import KeptScores
from tests.helpers.training import small_config
from tests.lightning_modules.tiny import build, train

CLASSES = ("hem", "all")
NET = ["model=resnet18", "model.cut=layer1", "unfreeze=whole", "trainer.max_epochs=2"]


@pytest.mark.parametrize(
    ("name", "expected"), [("balanced_accuracy", 0.75), ("recall/all", 0.5), ("average_precision", 1.0)]
)
def test_it_is_computed_over_all_batches(name, expected):
    metric = KeptScores({name: partial(monitored, name=name, classes=CLASSES)}, "")
    metric.update(torch.tensor([0.9, 0.1]), torch.tensor([1, 0]))
    metric.update(torch.tensor([0.4, 0.2]), torch.tensor([1, 0]))
    assert float(metric.compute()[name]) == pytest.approx(expected)


@pytest.mark.parametrize("monitor", ["val/acurracy", "f1_macro"])
def test_an_unknown_metric_is_refused_with_the_known_ones(tmp_path, monitor):
    with pytest.raises(UserError, match=r"callbacks.monitor=.* val/loss, val/acc.*val/balanced_accuracy"):
        add_monitored(build(small_config(tmp_path, *NET, f"callbacks.monitor={monitor}")), monitor, CLASSES)


def test_a_training_keeps_its_best_epoch_by_a_registered_metric(tmp_path, monkeypatch):
    def errors(confusions):
        return np.asarray(1 - confusions.right.sum(axis=1) / confusions.total)

    monkeypatch.setitem(METRICS, "errors", Metric(errors, higher_is_better=False))
    config = small_config(tmp_path, *NET, "callbacks.monitor=val/errors")
    model = build(config)
    add_monitored(model, "val/errors", CLASSES)
    _, (stage,) = train(config, tmp_path / "run", model=model)
    history = Run(tmp_path / "run").history
    assert stage.score == pytest.approx(history["val/errors"].min())
    assert history["val/errors"].to_numpy() == pytest.approx(1 - history["val/acc"].to_numpy())


def test_a_metric_that_is_undefined_in_every_epoch_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "none", Metric(lambda confusions: np.full(len(confusions.total), np.nan)))
    config = small_config(tmp_path, *NET, "callbacks.monitor=val/none", "callbacks.early_stopping.enabled=true")
    model = build(config)
    add_monitored(model, "val/none", CLASSES)
    with pytest.raises(UserError, match="val/none is undefined in every epoch.*set callbacks.monitor=val/loss"):
        train(config, tmp_path / "run", model=model)
    assert len(Run(tmp_path / "run").history) == 2
