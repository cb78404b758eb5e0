"""The stages of a run, one fit after another; each starts from the best weights of the one before."""

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pytorch_lightning import Callback, LightningDataModule

from common.cli import say
from common.config.schema import Config
from common.errors import UserError
from common.files import atomic_path, write_csv, write_json
from common.preemption import in_training
from common.runs.files import RunFile, RunFolder
from common.runs.run import Run
from common.text import counted
from lightning_modules.callbacks.batchnorm_sync import BatchNormSync
from lightning_modules.callbacks.ema import BestCheckpoint
from lightning_modules.callbacks.finite_loss import FiniteLoss
from lightning_modules.callbacks.heartbeat import Heartbeat
from lightning_modules.callbacks.paper_002 import CheckAndAdjust, SavedWeights
from lightning_modules.callbacks.resumable import MaxSteps, PlateauStep, StepSeed
from lightning_modules.callbacks.resume_checkpoint import ResumeCheckpoint
from lightning_modules.callbacks.staged_unfreezing import StagedUnfreezing
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.classifier import Classifier
from lightning_modules.epoch_metrics import mode_of
from lightning_modules.extensions import build_callbacks, build_loggers
from lightning_modules.training.distributed import broadcast_tensors, current_world, joint_errors, on_rank_zero
from lightning_modules.training.frozen import FeatureBatches, features_in_place_of_images
from lightning_modules.training.machine import explained_faults
from lightning_modules.training.plan import Stage, batch_sizes, planned_stages, stage_length
from lightning_modules.training.trainer import build_trainer

SAVED_COLUMNS = ["step", "epoch", "reason", "accuracy", "lr"]  # of check_and_adjust.csv, before the monitored metric


@dataclass(frozen=True)
class FinishedStage:
    """The record of a finished stage, stage.json.

    Attributes:
        best: The best checkpoint, below the run's folder.
        score: The monitored metric of the best weights, finite.
        epochs: Epochs trained; a budget of images may end the last one early.
        images_seen: Training images seen, copies counted, over all epochs.
        seconds: Wall time of the fit without interruptions.
        best_of: What the best was chosen from: "epochs", or "checks", the checkpoints of check and adjust.
    """

    name: str
    best: str
    score: float
    epochs: int
    images_seen: int
    seconds: float
    best_of: str = "epochs"

    @classmethod
    def read(cls, folder: Path) -> "FinishedStage":
        """Read the record in the folder of a stage."""
        return cls(**json.loads((folder / RunFile.STAGE).read_text()))


def train_stages(
    model: Classifier,
    data: LightningDataModule,
    config: Config,
    run: Path,
    callbacks: Sequence[Callback] = (),
    features: FeatureBatches | None = None,
) -> list[FinishedStage]:
    """Train every stage that is not finished yet, and leave in ``model`` the best weights of the last one.

    Rank zero alone reads and writes the run's folder, apart from the state of a resume.

    Args:
        model: The classifier; its weights are overwritten where a finished or interrupted stage lies in ``run``.
        data: Provides the train and validation batches.
        config: The typed configuration.
        run: The run's folder.
        callbacks: Callbacks of every stage, after all others.
        features: Can serve features in place of the images, for stages that train the head alone.
    """
    finished: list[FinishedStage] = []
    for stage in planned_stages(config, run):
        if not on_rank_zero((stage.folder / RunFile.STAGE).exists):
            if finished:
                _load_on_all_ranks(model, run / finished[-1].best)
            _fit_stage(model, data, config, stage, callbacks, features)
        else:
            on_rank_zero(say, f"stage {stage.number + 1}, {stage.name}: finished before")
        finished.append(on_rank_zero(_close_stage, stage, finished))
    _load_on_all_ranks(model, run / finished[-1].best)
    return finished


def training_facts(stages: Sequence[FinishedStage]) -> dict[str, Any]:
    """Return ``images_seen`` and ``wall_seconds`` of all stages of a run."""
    return {
        "images_seen": sum(stage.images_seen for stage in stages),
        "wall_seconds": sum(stage.seconds for stage in stages),
    }


def read_score(run: Path) -> float:
    """Return the monitored metric of the best weights of a finished run."""
    return FinishedStage.read(Run(run).best_checkpoint.parent).score


def _fit_stage(
    model: Classifier,
    data: LightningDataModule,
    config: Config,
    stage: Stage,
    extra: Sequence[Callback],
    features: FeatureBatches | None,
) -> None:
    """Fit one stage, from its start or from where it was interrupted, and record it as finished."""
    settings = config.callbacks
    mode = mode_of(model.val_metrics, settings.monitor)
    sizes = batch_sizes(data.train_dataloader(), config.trainer.limit_train_batches)
    lengths = []
    for each in planned_stages(config, stage.run)[stage.number :]:
        lengths.append(stage_length(sizes, each.config.max_epochs or config.trainer.max_epochs, config.trainer))
    epochs, steps = lengths[0]
    of_features, seconds = features_in_place_of_images(model, features, config, stage, sum(sizes) * epochs)

    unfreezing = StagedUnfreezing(stage, steps, seconds)
    best = BestCheckpoint(
        dirpath=stage.folder,
        filename="best",
        monitor=settings.monitor,
        mode=mode,
        save_weights_only=True,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    # BatchNorm's statistics are equal on all ranks before anything averages or saves them. The average moves before
    # anything saves it, and the state for a resume is saved last, when all others have changed.
    callbacks: list[Callback] = [unfreezing, StepSeed(config.seed, stage.number), FiniteLoss(stage)]
    if current_world().size > 1:
        callbacks += [BatchNormSync()]
    callbacks += [best]
    optional = build_callbacks(config, stage, mode)
    callbacks += optional
    if config.trainer.max_images:
        callbacks += [MaxSteps(steps)]
    callbacks += [Heartbeat(stage, [each[1] for each in lengths])]
    if config.scheduler.name == "plateau":
        callbacks += [PlateauStep()]
    saving = settings.checkpoint
    last = ResumeCheckpoint(stage.folder / "last.ckpt", saving.every_steps, saving.every_minutes)
    callbacks += [last, *extra]

    on_rank_zero(_remove, stage.folder, ".*.ckpt")  # of a process that was killed while it saved
    loggers = build_loggers(config, stage) if current_world().is_first else []
    trainer = build_trainer(config, epochs, callbacks, loggers)
    resume = str(last.path) if on_rank_zero(last.path.exists) else None
    with in_training(), explained_faults(config.loader, training=True), model.on_features(of_features is not None):
        trainer.fit(model, of_features or data, ckpt_path=resume, weights_only=True)
    seconds = unfreezing.state_dict()["seconds"]

    score = math.nan if best.best_model_score is None else float(best.best_model_score)
    best_of = "epochs"
    for checks in optional:
        if isinstance(checks, CheckAndAdjust):
            of_checks = best_saved(model, data, config, stage, checks.saved)
            if of_checks is not None:
                score, best_of = of_checks, "checks"
    with joint_errors():
        if current_world().is_first and not math.isfinite(score):
            remedy = f"lower unfreeze.stages.{stage.name}.lr"
            raise UserError(f"stage {stage.name} diverged ({settings.monitor} is {score}): {remedy}")
    record = FinishedStage(
        name=stage.name,
        best=str((stage.folder / "best.ckpt").relative_to(stage.run)),
        score=score,
        epochs=trainer.current_epoch,
        images_seen=unfreezing.images_seen,
        seconds=seconds,
        best_of=best_of,
    )
    on_rank_zero(write_json, stage.folder / RunFile.STAGE, asdict(record))
    ended = f"{counted(record.epochs, 'epoch')} in {seconds:,.0f} s, best {settings.monitor} {score:.3f}"
    on_rank_zero(say, f"stage {stage.number + 1}, {stage.name}: {ended}")


def best_saved(
    model: Classifier, data: LightningDataModule, config: Config, stage: Stage, saved: Sequence[SavedWeights]
) -> float | None:
    """Validate every checkpoint that check and adjust has saved (paper 002, 3.2), and copy the best to best.ckpt.

    The table logs/<stage>/check_and_adjust.csv lists them, with the accuracy of the mini-batch and the monitored metric
    on the whole validation part.

    Returns:
        The monitored metric of the best, of equal ones the earliest; None where no checkpoint has a finite metric.
    """
    monitor = config.callbacks.monitor
    scores = np.array([_validate(model, data, config, stage.folder / each.file) for each in saved], dtype=np.float64)
    frame = pd.DataFrame([asdict(each) for each in saved], columns=SAVED_COLUMNS).assign(**{monitor: scores})
    on_rank_zero(write_csv, stage.run / RunFolder.LOGS / stage.folder.name / "check_and_adjust.csv", frame)
    if not np.isfinite(scores).any():
        return None
    losses = scores if mode_of(model.val_metrics, monitor) == "min" else -scores
    best = int(np.where(np.isfinite(scores), losses, np.inf).argmin())
    with joint_errors():
        if current_world().is_first:
            with atomic_path(stage.folder / "best.ckpt") as temporary:
                shutil.copyfile(stage.folder / saved[best].file, temporary)
    return float(scores[best])


def _validate(model: Classifier, data: LightningDataModule, config: Config, checkpoint: Path) -> float:
    _load_on_all_ranks(model, checkpoint)
    metrics = build_trainer(config).validate(model, datamodule=data, verbose=False)[0]
    return float(metrics[config.callbacks.monitor])


def _load_on_all_ranks(model: Classifier, path: Path) -> None:
    on_rank_zero(load_checkpoint, model, path)
    broadcast_tensors(model.state_dict())


def _remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()


def _close_stage(stage: Stage, earlier: Sequence[FinishedStage]) -> FinishedStage:
    """Remove the files that a finished stage no longer needs, and return its record."""
    (stage.folder / "last.ckpt").unlink(missing_ok=True)
    _remove(stage.folder, CheckAndAdjust.PATTERN)
    for each in earlier:  # the disk is a budget: only the newest best is needed
        (stage.run / each.best).unlink(missing_ok=True)
    return FinishedStage.read(stage.folder)
