"""The linear probe: coefficients as a layer, folds by subject, features that are computed once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from common.config.compose import check_config
from common.config.schema import ProbeConfig
from common.errors import UserError
from common.runs.run import Run
from lightning_modules.load import load_run
from lightning_modules.stages.probe_fit import (
    TrainingFeatures,
    compare_candidates,
    logistic_regression,
    set_last_layer,
)
from tests.helpers.training import composed, run_undrawn, small_config
from workflows.features import cache

PROBE = ["unfreeze=head_only", "transform=none", "probe.enabled=true", "probe.folds=2", "model.name=test_vit"]


def features(images: int, width: int, classes: int, seed: int = 0) -> TrainingFeatures:
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(images) % classes)
    values = (rng.normal(size=(images, width)) * 7 + 3 + label[:, None]).astype(np.float32)
    return TrainingFeatures(values, label, np.arange(images).astype(str), np.ones(images))


@pytest.mark.parametrize(("classes", "logits"), [(3, 3), (2, 2), (2, 1)])
def test_the_layer_gives_the_probabilities_of_the_regression(classes, logits):
    training = features(60, 5, classes)
    fitted = logistic_regression(0.1).fit(training.features, training.label)
    layer = torch.nn.Linear(5, logits)
    set_last_layer(layer, fitted)
    with torch.no_grad():
        given = layer(torch.from_numpy(training.features)).double()
    probability = torch.softmax(given, 1) if logits > 1 else torch.cat([1 - given.sigmoid(), given.sigmoid()], 1)
    np.testing.assert_allclose(probability.numpy(), fitted.predict_proba(training.features), atol=1e-5)


def test_no_fold_parts_the_images_of_a_subject():
    """A subject's images are alike and its class is drawn: who had seen the subject would predict all rightly."""
    rng = np.random.default_rng(1)
    subject = np.repeat(np.arange(40), 5)
    values = rng.normal(size=(40, 30)).astype(np.float32)[subject]
    label = rng.permutation(np.arange(40) % 2)[subject]
    settings = ProbeConfig(strengths=(1.0,), neighbours=(1,), folds=4)
    apart = compare_candidates(TrainingFeatures(values, label, subject.astype(str), np.ones(200)), settings, seed=0)
    mixed = compare_candidates(TrainingFeatures(values, label, np.arange(200).astype(str), np.ones(200)), settings, 0)
    assert list(apart["method"]) == ["logistic regression", "k-NN"]
    assert (apart["accuracy"] < 0.75).all()
    assert mixed["accuracy"].iloc[1] > 0.9


def test_fewer_subjects_than_folds_are_refused():
    training = features(20, 3, 2)
    two = TrainingFeatures(training.features, training.label, np.repeat(["a", "b"], 10), training.weight)
    with pytest.raises(UserError, match="probe.folds=5, but only 2 subjects train: set probe.folds=2"):
        compare_candidates(two, ProbeConfig(folds=5), seed=0)


@pytest.fixture(scope="module")
def probed(tmp_path_factory) -> Path:
    """The folder of a finished probe on drawn cells, of weights that are said to have seen them."""
    folder = tmp_path_factory.mktemp("probe")
    return run_undrawn(small_config(folder, *PROBE, "+model.pretraining=drawn cells", "model.weights=random"))


def test_a_probe_is_an_ordinary_run(probed):
    run = Run.open_finished(probed)
    assert {"accuracy", "auc"} <= run.metrics["test"]["metrics"].keys()
    assert len(run.predictions.part("test").frame)
    layer = load_run(probed).classifier.head[-1]
    assert layer.weight.abs().sum() > 0
    listed = pd.read_csv(next(probed.glob("logs/*/probe.csv")))
    assert set(listed["method"]) == {"logistic regression", "k-NN"}


def test_what_the_weights_have_seen_is_said_beside_the_figures(probed):
    said = Run(probed).metrics["warnings"]
    assert [text for text in said if "trained on drawn cells" in text]


def test_other_weights_of_the_network_have_not_seen_it():
    given = ["model.name=resnet18", "+model.pretraining=drawn cells", "model.weights=resnet18.tv_in1k"]
    for weights, seen in (("resnet18.tv_in1k", "drawn cells"), ("random", None), ("resnet18.a1_in1k", None)):
        assert check_config(composed(["data=synthetic", *given, f"weights={weights}"])).pretraining == seen


def test_folds_and_seeds_share_the_features(tmp_path, monkeypatch):
    """Of pretrained weights; random ones differ by seed."""
    computed = []
    compute = cache.compute_features
    monkeypatch.setattr(cache, "compute_features", lambda *given: computed.append(1) or compute(*given))
    for fold in (0, 1):
        run_undrawn(small_config(tmp_path, *PROBE, f"split.fold={fold}"))
    assert len(computed) == 1
    run_undrawn(small_config(tmp_path, *PROBE, "prepare.size=64"))
    assert len(computed) == 2


@pytest.mark.parametrize(
    ("override", "needed"),
    [
        ("unfreeze=whole", "unfreeze=head_only"),
        ("transform=flips_rotations", "transform=none"),
        ("balance=weighted_sampling", "balance=none"),
        ("head.layers=[gap,{dense: 8}]", "head.layers"),
    ],
)
def test_what_shapes_a_training_is_refused(override, needed):
    with pytest.raises(UserError, match=f"probe.enabled=true.*{needed.partition('=')[0]}"):
        check_config(composed(["data=synthetic", "unfreeze=head_only", "probe.enabled=true", override]))
