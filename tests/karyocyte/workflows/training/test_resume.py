"""A run that left or was killed, wherever it was, ends with the very weights of one that was never disturbed."""

import os
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

from datamodules.image_datamodule import ImageDataModule
from datamodules.preprocessing import cache
from karyocyte.common.preemption import Preempted, watched
from karyocyte.config.schema import Config
from karyocyte.runs.facts import RunStatus
from karyocyte.runs.predictions import read_predictions
from karyocyte.runs.run import Run
from lightning_modules.callbacks.resume import ResumeCheckpoint
from tests.helpers.training import SMALL, run_unevaluated, small_config
from tests.karyocyte.workflows.full_disk import disk_to_fill, fill_disk, free_disk
from tests.karyocyte.workflows.training.interrupted_run import Place, preempted, run_process

pytestmark = pytest.mark.usefixtures("every_epoch_saved")

# Dropout, augmentation and BatchNorm all on, so that any stray randomness or lost state would show.
NET = ["model=resnet18", "model.cut=layer2", "head.layers=[gap,{dense:8},{dropout:0.5}]", "transform=flips_rotations"]
RUN = [*NET, "unfreeze=together", "unfreeze.train=[layer2]", "unfreeze.lr=0.003"]
UPRIGHT = ["head.orientation=true", "head.logits=null", "transform.flips=false", "transform.rotations=false"]
AVERAGED = "callbacks.averaging.enabled=true"
CHECKS = [f"callbacks.check_and_adjust.{key}" for key in ("enabled=true", "every_steps=2", "every_epochs=1")]
LEVELS = "callbacks.check_and_adjust.levels=[{above: 0.3, gate: 0.05, lr: 0.0005}]"
SAVED = "callbacks.checkpoint.every_steps"
# Name -> what makes the state richer. Six batches make an epoch, by three they make two steps.
ACCUMULATED = "trainer.accumulate_grad_batches"
KINDS = {
    "plain": RUN,
    "rich": [*RUN, f"{ACCUMULATED}=3", "scheduler=cosine", AVERAGED, "callbacks.early_stopping.enabled=true"],
    "checks": [*RUN, f"{ACCUMULATED}=2", AVERAGED, *CHECKS, LEVELS],
    "budget": [*RUN, "trainer.max_images=40", "scheduler=one_cycle"],
    "workers": [*RUN, "loader.workers=2", *UPRIGHT],
    "staged": [*NET, "trainer.max_epochs=3", "unfreeze.stages.finetune.lr=0.001"],
    "cached": [*NET, "transform.each_epoch=false", "trainer.max_epochs=3", "unfreeze=head_only", AVERAGED],
    "accumulated": [*NET, f"{ACCUMULATED}=2", f"{SAVED}=2", "unfreeze=head_only"],
}


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(Run(run).best_checkpoint, weights_only=True)["state_dict"]


def assert_same(one: Path, other: Path) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    pd.testing.assert_frame_equal(read_predictions(one).frame, read_predictions(other).frame)
    assert Run(one).status.images_seen == Run(other).status.images_seen
    curves = [Run(run).history for run in (one, other)]
    columns = ["stage", "epoch", "lr", *(name for name in curves[0] if name.startswith("val/"))]
    pd.testing.assert_frame_equal(*(curve[columns] for curve in curves))
    # Over the training batches nothing is measured in an epoch that was resumed: those before it are not known.
    measured = [curve.filter(like="train/") for curve in curves]
    pd.testing.assert_frame_equal(measured[1].fillna(measured[0])[measured[0].columns], measured[0])


def run_of(config: Config) -> Path:
    return next(Path(config.output_dir).glob("*/*/seed=0"))


def steps_saved(run: Path) -> int:
    (last,) = run.glob("checkpoints/*/last.ckpt")
    return torch.load(last, weights_only=True)["global_step"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The runs that were never disturbed, made when they are asked for."""
    made: dict[str, Path] = {}

    def run(kind: str) -> Path:
        if kind not in made:
            made[kind] = run_unevaluated(small_config(tmp_path_factory.mktemp(kind), *KINDS[kind]))
        return made[kind]

    return run


@pytest.mark.parametrize(
    ("kind", "place", "step"),
    [
        pytest.param("plain", Place("on_train_batch_start", 0, 1, 2), 9, id="in mid-epoch"),
        pytest.param("plain", Place("on_train_batch_start", 0, 0, 5), 6, id="in the epoch's last batch"),
        pytest.param("plain", Place("on_train_epoch_end", 0, 0), 6, id="when an epoch is saved"),
        pytest.param("plain", Place("on_train_end", 0, 2), 12, id="when the stage has ended"),
        pytest.param("rich", Place("on_train_batch_start", 0, 1, 0), 3, id="while gradients are accumulated"),
        pytest.param("rich", Place("on_validation_batch_end", 0, 0, 0), 2, id="in a validation, averaged"),
        pytest.param("checks", Place("on_train_batch_end", 0, 0, 1), 1, id="right after a step, with checks"),
        pytest.param("cached", Place("on_train_batch_start", 0, 1, 2), 9, id="in mid-epoch, on cached features"),
        pytest.param(
            "budget", Place("on_train_batch_start", 0, 1, 2), 9, id="in the last part of an epoch, by a budget"
        ),
        pytest.param("budget", Place("on_validation_batch_start", 0, 1, 0), 10, id="in a validation of mid-epoch"),
    ],
)
def test_it_goes_on_to_the_very_same_weights(undisturbed, tmp_path, kind, place, step):
    config = small_config(tmp_path, *KINDS[kind])
    left = preempted(config, place)
    run = run_of(config)
    assert (left.signum, left.code) == (signal.SIGTERM, 143)
    assert Run(run).status == RunStatus("preempted", signal="SIGTERM")
    assert steps_saved(run) == step
    assert run_unevaluated(config) == run
    assert_same(undisturbed(kind), run)


def places_of(config: Config) -> list[str]:
    """The overrides of a process of its own that trains like ``small_config``."""
    return [*SMALL, f"output_dir={config.output_dir}", f"cache_dir={config.cache_dir}"]


def test_slurm_warns_a_process_and_its_workers(undisturbed, tmp_path):
    config = small_config(tmp_path, *KINDS["workers"])
    scontrol = tmp_path / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    # So often started again, it is queued once more only because it has got on.
    slurm = {"SLURM_JOB_ID": "14", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "3", "SLURM_RESTART_COUNT": "9"}
    overrides = [*places_of(config), *KINDS["workers"]]
    path = f"{tmp_path}:{os.environ['PATH']}"
    place = Place("on_train_batch_start", 0, 1, 2)
    assert run_process(signal.SIGUSR2, place, overrides, tmp_path / "printed", **slurm, PATH=path) == 143
    assert (tmp_path / "asked").read_text() == "requeue 12_3\n"
    assert Run(run_of(config)).status == RunStatus("preempted", signal="SIGUSR2")
    assert steps_saved(run_of(config)) == 9
    assert_same(undisturbed("workers"), run_unevaluated(config))


@pytest.mark.parametrize(
    ("kind", "more", "places"),
    [
        pytest.param("staged", [], [(1, 1, 3)], id="in a later stage"),
        pytest.param("staged", [f"{SAVED}=3"], [(1, 1, 4)], id="saved within the epoch"),
        pytest.param("staged", [], [(0, 2, 1)], id="in the first stage"),
        pytest.param("accumulated", [], [(0, 1, 4), (0, 1, 5)], id="twice, with accumulated gradients"),
    ],
)
def test_a_killed_run_is_resumed_to_the_very_same_weights(undisturbed, tmp_path, kind, more, places):
    config = small_config(tmp_path, *KINDS[kind], *more)
    for place in places:
        overrides = [*places_of(config), *KINDS[kind], *more]
        killed = run_process(signal.SIGKILL, Place("on_train_batch_start", *place), overrides, tmp_path / "printed")
        assert killed == -signal.SIGKILL
    run = run_of(config)
    assert Run(run).status.state == "running"
    assert run_unevaluated(config) == run
    assert_same(undisturbed(kind), run)


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The configuration of a run that has left in mid-epoch, and a copy of its files."""
    folder = tmp_path_factory.mktemp("left")
    config = small_config(folder, *KINDS["plain"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightning_modules.callbacks.resume.SHARE", 1e9)
        preempted(config, Place("on_train_batch_start", 0, 1, 3))
    return config, shutil.copytree(config.output_dir, folder / "copy")


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
@pytest.mark.parametrize("size", [0.5, 1])
def test_a_damaged_state_is_not_gone_on_from_but_the_stage_starts_again(undisturbed, left, capsys, name, size):
    config, files = left
    shutil.rmtree(config.output_dir)
    shutil.copytree(files, config.output_dir)
    (state,) = Path(config.output_dir).rglob(name)
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content[: int(size * len(content))])
    run = run_unevaluated(config)
    assert f"{state} is damaged: stage 1, together, starts again" in capsys.readouterr().out.replace("\n", "")
    assert_same(undisturbed("plain"), run)


@pytest.mark.parametrize("override", ["loader.workers=3", "seed=1"])
def test_the_seed_changes_the_weights_and_the_number_of_workers_does_not(undisturbed, tmp_path, override):
    run = run_unevaluated(small_config(tmp_path, *KINDS["plain"], override))
    one = weights(undisturbed("plain"))
    other = weights(run)
    assert all(torch.equal(one[name], other[name]) for name in one) == (override != "seed=1")
    assert run.parent.name == undisturbed("plain").parent.name


def test_in_the_preparation_it_leaves_at_once_and_nothing_is_half_done(tmp_path, monkeypatch):
    config = small_config(tmp_path, *RUN)
    prepare, seen = cache.prepare_image, []

    def interrupted(*args):
        seen.append(args)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGTERM)
        return prepare(*args)

    # In the main thread, as the signal is: what is under way in the others is waited for, and the rest dropped.
    monkeypatch.setattr(cache, "in_threads", map)
    monkeypatch.setattr(cache, "prepare_image", interrupted)
    with pytest.raises(Preempted), watched():
        run_unevaluated(config)
    assert len(seen) == 3
    assert [path.name for path in (tmp_path / "cache" / "prepared").iterdir() if path.suffix != ".lock"] == []
    assert Run(run_of(config)).status.state == "preempted"


def test_in_the_prediction_it_leaves_at_once_and_trains_nothing_again(undisturbed, tmp_path, monkeypatch):
    config = small_config(tmp_path, *RUN)
    with monkeypatch.context() as patch:
        patch.setattr(ImageDataModule, "predict_dataloader", lambda self: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Preempted), watched():
            run_unevaluated(config)
    (best,) = run_of(config).glob("checkpoints/*/best.ckpt")
    written = best.stat().st_mtime_ns
    assert_same(undisturbed("plain"), run_unevaluated(config))
    assert best.stat().st_mtime_ns == written


def test_a_second_signal_does_not_disturb_the_saving(undisturbed, tmp_path, monkeypatch):
    config = small_config(tmp_path, *RUN)
    save = ResumeCheckpoint.save

    def disturbed(self, trainer):
        leaves = trainer.global_step == 9
        if leaves:
            signal.raise_signal(signal.SIGTERM)
        save(self, trainer)
        if leaves:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(ResumeCheckpoint, "save", disturbed)
        preempted(config, Place("on_train_batch_start", 0, 1, 2))
    assert steps_saved(run_of(config)) == 9
    assert_same(undisturbed("plain"), run_unevaluated(config))


@pytest.mark.parametrize("asked", [True, False], ids=["asked to leave", "undisturbed"])
def test_a_full_disk_leaves_the_old_checkpoint_from_which_it_goes_on(undisturbed, tmp_path, monkeypatch, asked):
    save, at = ResumeCheckpoint.save, []

    def full_at_the_third(self, trainer):
        at.append(trainer.global_step)
        if len(at) == 3:
            kept.append(self.path.read_bytes())
            fill_disk()
        save(self, trainer)

    kept: list[bytes] = []
    with disk_to_fill():
        config = small_config(tmp_path, *RUN, f"output_dir={tmp_path}", f"{SAVED}=4")
        with monkeypatch.context() as patch:
            patch.setattr(ResumeCheckpoint, "save", full_at_the_third)
            if asked:
                preempted(config, Place("on_train_batch_start", 0, 1, 0))
            else:
                with pytest.raises(OSError, match="No space left|File too large"):
                    run_unevaluated(config)
        assert at == ([4, 6, 7] if asked else [4, 6, 8])
        (last,) = tmp_path.glob("*/*/seed=0/checkpoints/*/last.ckpt")
        assert last.read_bytes() == kept[0]
        assert not list(last.parent.glob(".*"))
        free_disk()
        assert_same(undisturbed("plain"), run_unevaluated(config))
