"""Stages that train the head alone: on cached features they end as on images."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning import Callback

from common.config.schema import Config
from common.runs.run import Run
from datamodules.image_datamodule import ImageDataModule
from lightning_modules.checkpoint_io import read_checkpoint
from lightning_modules.classifier import Classifier
from lightning_modules.stages.fit import train_stages
from lightning_modules.stages.plan import planned_stages
from tests.helpers.training import small_config
from tests.workflows.interrupted_run import run_unevaluated
from workflows.features import cache
from workflows.train import build_model

HEAD = ["model=resnet18", "model.cut=layer2", "unfreeze=head_only", "head.layers=[gap,{dense:8},{dropout:0.5}]"]
TURNED = ["transform.flips=true", "transform.probability=0.8", "trainer.max_epochs=7"]
OFF = "cache_features=off"
# Of the order of the sums in convolutions, after some epochs.
CLOSE = {"rtol": 2e-4, "atol": 2e-5}


class Killed(Callback):
    """Ends a training in its second epoch."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == (1, 2):
            raise RuntimeError("killed")


def small(folder: Path, *overrides: str) -> Config:
    return small_config(folder, *HEAD, "trainer.max_epochs=3", *overrides)


def prepared(config: Config) -> tuple[Classifier, cache.CachedFeatures]:
    """Return an untrained classifier and the features of its images."""
    data = ImageDataModule.from_config(config, progress=False)
    data.setup()
    return build_model(config, data)[0], cache.CachedFeatures(data, config)


def fit(config: Config, *callbacks: Callback) -> tuple[Classifier, Run]:
    """Train without the predictions and the rest of a run."""
    model, features = prepared(config)
    run = Run(Path(config.output_dir))
    train_stages(model, features.data, config, run.folder, callbacks, features)
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
        pytest.param([*TURNED, "callbacks.averaging.enabled=true", "scheduler=cosine"], id="other views in each epoch"),
        pytest.param(["transform=paper", "balance=paper", "trainer.channels_last=true"], id="turned copies"),
        pytest.param(["head.layers=[{dropout:0.3},batchnorm,gap]", "balance=weighted_sampling"], id="before the pool"),
        pytest.param(["unfreeze=head_then_finetune", "unfreeze.stages.finetune.train=[layer2]"], id="later unfrozen"),
    ],
)
def test_a_stage_on_cached_features_ends_as_on_images(tmp_path, capsys, overrides):
    cached = fit(small(tmp_path / "cached", *overrides))
    assert "stage 1, head: trains on cached features of " in capsys.readouterr().out
    plain = fit(small(tmp_path / "plain", *overrides, OFF))
    assert "cached features" not in capsys.readouterr().out
    assert_close(cached, plain)


def test_mixed_precision_rounds_alike(tmp_path):
    mixed = "trainer.precision=bf16-mixed"
    cached, plain = (fit(small(tmp_path / key, mixed, f"cache_features={key}")) for key in ("auto", "off"))
    assert_close(cached, plain, rtol=0.05, atol=0.01)


def test_a_whole_run_predicts_the_same(tmp_path):
    cached, plain = (run_unevaluated(small(tmp_path / key, f"cache_features={key}")) for key in ("auto", "off"))
    assert cached.relative_to(tmp_path / "auto") == plain.relative_to(tmp_path / "off")
    mine, theirs = (Run(run).predictions.frame for run in (cached, plain))
    np.testing.assert_allclose(mine["prob_all"], theirs["prob_all"], **CLOSE)
    assert Run(cached).status.images_seen == Run(plain).status.images_seen


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """The numbers of images whose features were computed."""
    counts: list[int] = []
    compute = cache.compute_features

    def count(frozen, images, *rest):
        counts.append(len(images.views.row))
        compute(frozen, images, *rest)

    monkeypatch.setattr(cache, "compute_features", count)
    return counts


def test_heads_and_folds_share_features_and_other_networks_and_images_do_not(tmp_path, computed):
    fit(small(tmp_path, "output_dir=" + str(tmp_path / "1")))
    fit(small(tmp_path, "output_dir=" + str(tmp_path / "2"), "unfreeze.stages.head.lr=0.01", "head.layers=[gap]"))
    assert computed == [32]
    fit(small(tmp_path, "output_dir=" + str(tmp_path / "3"), "split.fold=1"))
    assert computed == [32, 8]


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ([], "32 views would be computed for 63 images that the stage sees"),
        (["transform=chromosomes"], "transform changes images by more"),
        (["head.orientation=true", "head.logits=null"], "head.orientation"),
        (["+callbacks.extra={a:{_target_:pytorch_lightning.callbacks.Timer}}"], "callbacks.extra"),
    ],
)
def test_elsewhere_it_says_why_not(tmp_path, capsys, overrides, reason):
    config = small(tmp_path, *overrides)
    model, features = prepared(config)
    assert features.of_stage(model, planned_stages(config, tmp_path)[0], images_seen=63) is None
    assert f"stage 1, head: features are not cached: {reason}" in capsys.readouterr().out


def test_features_too_large_for_the_memory_are_not_cached(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cache, "LARGEST", 100)
    config = small(tmp_path)
    model, features = prepared(config)
    assert features.of_stage(model, planned_stages(config, tmp_path)[0], images_seen=100) is None
    assert "GB are too large" in capsys.readouterr().out


@pytest.mark.parametrize(("begun", "resumed"), [("auto", "off"), ("off", "auto")])
def test_a_stage_goes_on_with_or_without_cached_features(tmp_path, begun, resumed):
    averaged = "callbacks.averaging.enabled=true"
    with pytest.raises(RuntimeError, match="killed"):
        fit(small(tmp_path / "interrupted", averaged, f"cache_features={begun}"), Killed())
    interrupted = fit(small(tmp_path / "interrupted", averaged, f"cache_features={resumed}"))
    assert_close(interrupted, fit(small(tmp_path / "whole", averaged, OFF)))


def test_the_best_epoch_is_a_whole_network_although_the_stage_ended_on_images(tmp_path):
    settings = ["callbacks.monitor=val/acc", "unfreeze.stages.head.lr=1e-12"]  # the first epoch stays the best
    with pytest.raises(RuntimeError, match="killed"):
        fit(small(tmp_path, *settings), Killed())
    model, run = fit(small(tmp_path, *settings, OFF))
    best = read_checkpoint(run.folder / "checkpoints" / "1-head" / "best.ckpt")["state_dict"]
    assert best.keys() == model.state_dict().keys()


def test_what_a_killed_process_has_kept_is_not_computed_again(tmp_path, computed, monkeypatch):
    monkeypatch.setattr("lightning_modules.stages.frozen.PART", 8)
    add = cache.FeatureStore.add
    parts = []

    def killed(store, views, values):
        if len(parts) == 2:
            raise RuntimeError("killed")
        parts.append(len(views.row))
        add(store, views, values)

    with monkeypatch.context() as patch:
        patch.setattr(cache.FeatureStore, "add", killed)
        with pytest.raises(RuntimeError, match="killed"):
            fit(small(tmp_path))
    fit(small(tmp_path))
    assert parts == [8, 8]
    assert computed == [32, 16]
