"""The stages of a run, one fit after another; each starts from the best weights of the one before."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pytorch_lightning import Callback, LightningDataModule

from common.config.schema import Config
from common.errors import UserError
from common.files import write_json
from common.preemption import in_training
from common.runs.run import Run
from lightning_modules.callbacks import (
    EMA,
    BatchNormSync,
    BestCheckpoint,
    CheckAndAdjust,
    EarlyBreak,
    Heartbeat,
    MaxSteps,
    PlateauStep,
    Preemption,
    ResumableEarlyStopping,
    ResumeCheckpoint,
    StagedUnfreezing,
    StepSeed,
)
from lightning_modules.checkpoint_io import load_checkpoint
from lightning_modules.classifier import Classifier
from lightning_modules.distributed import broadcast_tensors, is_rank_zero, on_rank_zero
from lightning_modules.extensions import build_extra_callbacks, build_loggers
from lightning_modules.stages.length import batch_sizes, stage_length
from lightning_modules.stages.plan import Stage, planned_stages, stage_settings
from lightning_modules.stages.selection import copy_checkpoint, remove_saved, validate_saved
from lightning_modules.trainer import build_trainer


@dataclass(frozen=True)
class FinishedStage:
    """The record of a finished stage, stage.json.

    Attributes:
        name: The stage's name.
        best: The best checkpoint, below the run's folder.
        score: The monitored metric of the best weights, finite.
        epochs: Epochs trained; a budget of images may end the last one early.
        images_seen: Training images seen, copies counted, over all epochs.
        seconds: Wall time of the fit without interruptions.
        best_of: What the best was chosen from: "epochs" (every validated one) or "checks" (the checkpoints of check
            and adjust; if none of them has a score, the epochs).
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
        return cls(**json.loads((folder / "stage.json").read_text()))


def train_stages(
    model: Classifier, data: LightningDataModule, config: Config, run: Path, callbacks: Sequence[Callback] = ()
) -> list[FinishedStage]:
    """Train every stage that is not finished yet, and leave in ``model`` the best weights of the last one.

    Rank zero alone reads and writes the run's folder, apart from the state of a resume.

    Args:
        model: The classifier; its weights are overwritten where a finished or interrupted stage lies in ``run``.
        data: Provides the train and validation batches.
        config: The typed configuration.
        run: The run's folder.
        callbacks: Callbacks of every stage, after all others.
    """
    finished: list[FinishedStage] = []
    for stage in planned_stages(config, run):
        if not on_rank_zero((stage.folder / "stage.json").exists):
            if finished:
                _load_on_all_ranks(model, run / finished[-1].best)
            _fit_stage(model, data, config, stage, callbacks)
        finished.append(on_rank_zero(_close_stage, stage, finished))
    _load_on_all_ranks(model, run / finished[-1].best)
    return finished


def read_score(run: Path) -> float:
    """Return the monitored metric of the best weights of a finished run."""
    return FinishedStage.read(Run(run).best_checkpoint.parent).score


def _fit_stage(
    model: Classifier, data: LightningDataModule, config: Config, stage: Stage, extra: Sequence[Callback]
) -> None:
    """Fit one stage, from its start or from where it was interrupted, and record it as finished."""
    sizes = batch_sizes(data.train_dataloader(), config.trainer.limit_train_batches)
    stages = planned_stages(config, stage.run)[stage.number :]
    lengths = [stage_length(sizes, each.epochs, config.trainer) for each in stages]
    steps = [length.steps for length in lengths]

    unfreezing = StagedUnfreezing(stage.name, stage.number, stage_settings(config, stage.config, steps[0]))
    best = BestCheckpoint(
        dirpath=stage.folder,
        filename="best",
        monitor=config.callbacks.monitor,
        mode=config.callbacks.mode,
        save_weights_only=True,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    checks = None
    if config.callbacks.check_and_adjust.enabled:
        checks = CheckAndAdjust(config.callbacks.check_and_adjust, stage.config.lr, stage.folder)
    # BatchNorm's statistics are equal on all ranks before anything averages or saves them. The average moves before
    # anything saves it, and the state for a resume is saved last, when all others have changed.
    callbacks: list[Callback] = [unfreezing, StepSeed(config.seed, stage.number), BatchNormSync(), best]
    callbacks += _optional_callbacks(config, stage, steps[0], checks)
    callbacks += build_extra_callbacks(config, stage.run, stage.folder.name)
    callbacks += [Heartbeat(stage.run, stage.folder, steps)]
    if config.scheduler.name == "plateau":
        callbacks += [PlateauStep()]
    saving = config.callbacks.checkpoint
    last = ResumeCheckpoint(stage.folder / "last.ckpt", saving.every_steps, saving.every_minutes)
    callbacks += [last, Preemption(last), *extra]

    on_rank_zero(_remove_leftovers, stage.folder)
    loggers = build_loggers(config, stage.run, stage.folder.name) if is_rank_zero() else []
    trainer = build_trainer(config, lengths[0].epochs, callbacks, loggers)
    resume = str(last.path) if on_rank_zero(last.path.exists) else None
    with in_training():
        trainer.fit(model, data, ckpt_path=resume, weights_only=True)
    seconds = unfreezing.state_dict()["seconds"]

    score = None if best.best_model_score is None else float(best.best_model_score)
    best_of = "epochs"
    if checks is not None:
        best_check = _best_check(model, data, config, stage, checks)
        if best_check is not None:
            score = best_check
            best_of = "checks"
    on_rank_zero(_check_score, score, config.callbacks.monitor, stage.name)
    assert score is not None
    record = FinishedStage(
        name=stage.name,
        best=str((stage.folder / "best.ckpt").relative_to(stage.run)),
        score=score,
        epochs=trainer.current_epoch,
        images_seen=unfreezing.images_seen,
        seconds=seconds,
        best_of=best_of,
    )
    on_rank_zero(write_json, stage.folder / "stage.json", asdict(record))


def _optional_callbacks(config: Config, stage: Stage, steps: int, checks: CheckAndAdjust | None) -> list[Callback]:
    """Return what ``config.callbacks`` and ``trainer.max_images`` switch on."""
    settings = config.callbacks
    callbacks: list[Callback] = []
    if settings.averaging.enabled:
        callbacks.append(EMA(settings.averaging.decay))
    if checks is not None:
        callbacks.append(checks)
    if settings.early_stopping.enabled:
        stopping = ResumableEarlyStopping(
            settings.monitor,
            mode=settings.mode,
            patience=stage.config.patience or settings.early_stopping.patience,
            min_delta=settings.early_stopping.min_delta,
            # After the validation, so that the checkpoint at the epoch's end holds its newest state.
            check_on_train_epoch_end=False,
        )
        callbacks.append(stopping)
    if settings.early_break.enabled:
        callbacks.append(EarlyBreak(settings.early_break))
    if config.trainer.max_images:
        callbacks.append(MaxSteps(steps))
    return callbacks


def _best_check(
    model: Classifier, data: LightningDataModule, config: Config, stage: Stage, checks: CheckAndAdjust
) -> float | None:
    """Copy the best checkpoint of check and adjust to best.ckpt and return its score; None where none has a score."""

    def validate(checkpoint: Path) -> float:
        _load_on_all_ranks(model, checkpoint)
        metrics = build_trainer(config).validate(model, datamodule=data, verbose=False)[0]
        return float(metrics[config.callbacks.monitor])

    table = stage.run / "logs" / stage.folder.name / "check_and_adjust.csv"
    best = validate_saved(checks.saved, stage.folder, table, validate, config.callbacks)
    if best is None:
        return None
    on_rank_zero(copy_checkpoint, best[0], stage.folder / "best.ckpt")
    return best[1]


def _load_on_all_ranks(model: Classifier, path: Path) -> None:
    on_rank_zero(load_checkpoint, model, path)
    broadcast_tensors(model.state_dict())


def _check_score(score: float | None, monitor: str, stage: str) -> None:
    if score is None or not math.isfinite(score):
        raise UserError(f"stage {stage} diverged ({monitor} is {score}): lower unfreeze.stages.{stage}.lr")


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.glob(".*.ckpt"):  # of a process that was killed while it saved
        leftover.unlink()


def _close_stage(stage: Stage, earlier: Sequence[FinishedStage]) -> FinishedStage:
    """Remove the files that a finished stage no longer needs, and return its record."""
    (stage.folder / "last.ckpt").unlink(missing_ok=True)
    remove_saved(stage.folder)
    for each in earlier:  # the disk is a budget: only the newest best is needed
        (stage.run / each.best).unlink(missing_ok=True)
    return FinishedStage.read(stage.folder)
