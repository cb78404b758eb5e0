"""Stages that train the head alone: on features that are computed once they end as on images."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from datamodules.feature_datamodule import FeatureDataModule
from datamodules.image_datamodule import ImageDataModule
from karyocyte.config.schema import Config
from karyocyte.runs.run import Run
from karyocyte.runs.stages import planned_stages
from karyocyte.workflows.training.classification import build_model
from lightning_modules.modules.classifier import Classifier
from lightning_modules.training import frozen
from lightning_modules.training.fit import StagedTraining
from tests.helpers.training import small_config

HEAD = ["model=resnet18", "model.cut=layer2", "unfreeze=head_only", "head.layers=[gap,{dense:8},{dropout:0.5}]"]
# Of the order of the sums in convolutions, after some epochs.
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


def small(folder: Path, *overrides: str) -> Config:
    return small_config(folder, *HEAD, "transform=none", "trainer.max_epochs=3", *overrides)


def prepared(config: Config) -> tuple[Classifier, ImageDataModule]:
    data = ImageDataModule(config, progress=False)
    data.setup()
    return build_model(config, data)[0], data


def fit(config: Config, on_features: bool = True) -> tuple[Classifier, Run]:
    """Train without the predictions and the rest of a run."""
    model, data = prepared(config)
    run = Run(Path(config.output_dir))
    StagedTraining(model, data, config, run.folder, (), FeatureDataModule(data) if on_features else None).train()
    return model, run


def assert_close(one: tuple[Classifier, Run], other: tuple[Classifier, Run], **tolerance: float) -> None:
    """Check that weights, losses and metrics are equal but for rounding."""
    tolerance = tolerance or CLOSE
    torch.testing.assert_close(dict(one[0].state_dict()), dict(other[0].state_dict()), **tolerance)
    mine, theirs = (run.history for _, run in (one, other))
    pd.testing.assert_frame_equal(mine, theirs[list(mine)], **tolerance)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(
            ["callbacks.averaging.enabled=true", "scheduler=cosine", "trainer.channels_last=true"], id="plain"
        ),
        pytest.param(["transform=paper", "balance=paper"], id="turned copies"),
        pytest.param(["+callbacks.extra={a:{_target_:pytorch_lightning.callbacks.Timer}}"], id="an extra callback"),
        pytest.param(["head.layers=[{dropout:0.3},batchnorm,gap]", "balance=weighted_sampling"], id="before the pool"),
        pytest.param(["unfreeze=head_then_finetune", "unfreeze.stages.finetune.train=[layer2]"], id="later unfrozen"),
    ],
)
def test_a_stage_on_features_ends_as_on_images(tmp_path, capsys, overrides):
    of_features = fit(small(tmp_path / "features", *overrides))
    first = next(of_features[0].backbone.parameters())
    assert first.is_contiguous() == ("trainer.channels_last=true" not in overrides)  # as before the features
    assert "stage 1, head: trains on features of " in capsys.readouterr().out
    of_images = fit(small(tmp_path / "images", *overrides), on_features=False)
    assert "features of" not in capsys.readouterr().out
    assert_close(of_features, of_images)
    for _, run in (of_features, of_images):
        stages = [json.loads(path.read_text()) for path in run.folder.glob("checkpoints/*/stage.json")]
        assert all(0 < stage["seconds"] < 600 for stage in stages)


def test_mixed_precision_rounds_alike(tmp_path):
    mixed = "trainer.precision=bf16-mixed"
    one, other = (fit(small(tmp_path / f"{on}", mixed), on_features=on) for on in (True, False))
    assert_close(one, other, rtol=0.05, atol=0.01)


@pytest.mark.parametrize(("spare", "cached"), [(0, True), (-1, False)])
def test_features_that_just_fit_are_cached(tmp_path, monkeypatch, spare, cached):
    config = small(tmp_path)
    model, data = prepared(config)
    stage = planned_stages(config, tmp_path)[0]
    size = 32 * model.fixed_features(torch.zeros(1, 3, *config.prepare.shape)).numel() * 4
    monkeypatch.setattr(frozen, "LARGEST", size + spare)
    batches, _ = frozen.features_in_place_of_images(model, FeatureDataModule(data), config, stage, 100)
    assert (batches is not None) == cached


@pytest.mark.parametrize(
    ("overrides", "images_seen"),
    [
        ([], 63),
        (["transform=flips_rotations"], 100),
        (["head.orientation=true", "head.logits=null"], 100),
        (["+callbacks.extra={a:{_target_:lightning_modules.callbacks.part_curve.PartCurve,part:test}}"], 100),
    ],
)
def test_elsewhere_the_images_train(tmp_path, overrides, images_seen):
    config = small(tmp_path, *overrides)
    model, data = prepared(config)
    stage = planned_stages(config, tmp_path)[0]
    features = frozen.features_in_place_of_images(model, FeatureDataModule(data), config, stage, images_seen)
    assert features == (None, 0.0)
