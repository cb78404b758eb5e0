"""The stages of a run, one fit after another; each starts from the best weights so far, or of the one before."""

import json
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import Callback, LightningDataModule, Trainer

from karyocyte.common.cli import console, say, warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import sha256_of_file, write_json
from karyocyte.common.preemption import in_training
from karyocyte.common.text import counted, metric_in_words
from karyocyte.config.schema import TrainingConfig
from karyocyte.runs.files import RunFile
from karyocyte.runs.run import Run
from karyocyte.runs.stages import RunStage, batch_sizes, planned_stages, stage_length, stages_of
from lightning_modules.callbacks.best_checkpoint import STEP_CHECKPOINTS, BestCheckpoint, is_better
from lightning_modules.callbacks.resume import ResumeCheckpoint, StepSeed
from lightning_modules.callbacks.stage_watch import StageWatch
from lightning_modules.modules.classifier import Classifier
from lightning_modules.modules.staged_module import StagedModule, describe_stage
from lightning_modules.support.checkpoint_io import is_whole, load_weights
from lightning_modules.support.distributed import broadcast_tensors, current_world, on_rank_zero, raised_on_all_ranks
from lightning_modules.training.extensions import build_callbacks, build_loggers
from lightning_modules.training.frozen import features_in_place_of_images
from lightning_modules.training.machine_faults import explained_faults
from lightning_modules.training.trainer import build_trainer

Mode = Literal["min", "max"]
LAST = "last.ckpt"  # the state from which a stage is resumed


@dataclass(frozen=True)
class FinishedStage:
    """The record of a finished stage, stage.json."""

    name: str
    best: str  # the best checkpoint, below the run's folder, and the ``score`` of its weights by the monitored metric
    score: float
    epochs: int  # epochs trained; a budget of images may end the last one early
    images_seen: int  # training images seen, copies counted, over all epochs
    seconds: float  # wall time of the fit without interruptions
    sha256: str  # of the best checkpoint

    @classmethod
    def read(cls, folder: Path) -> "FinishedStage":
        """Read the record in the folder of a stage."""
        values = json.loads((folder / RunFile.STAGE).read_text())
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def delivered(stages: Sequence[FinishedStage], config: TrainingConfig, mode: Mode) -> tuple[FinishedStage, str]:
    """Return which of the stages so far is evaluated by ``unfreeze.deliver``, and a note; the latest of equal ones.

    The note is a sentence where the last stage is worse than another one, else empty.
    """
    best = last = stages[-1]
    for stage in reversed(stages[:-1]):
        if is_better(stage.score, best.score, mode):
            best = stage
    if best is last:
        return last, ""
    scores = f"{metric_in_words(config.callbacks.monitor)} {last.score:.3f} against {best.score:.3f}"
    worse = f"stage {last.name} is worse on validation than stage {best.name} ({scores})"
    if config.unfreeze.deliver == "best":
        return best, f"{worse}: stage {best.name} is evaluated"
    return last, f"{worse} and is evaluated all the same (unfreeze.deliver=last)"


def training_facts(stages: Sequence[FinishedStage]) -> dict[str, Any]:
    """Return ``images_seen`` and ``wall_seconds`` of all stages of a run."""
    seconds = sum((stage.seconds for stage in stages), 0.0)
    return {"images_seen": sum(stage.images_seen for stage in stages), "wall_seconds": seconds}


@dataclass(frozen=True)
class StagedTraining:
    """The training of a run; its rank zero alone reads and writes the run's folder, but for the state of a resume."""

    model: StagedModule  # its weights are overwritten where a finished or interrupted stage lies in ``run``
    data: LightningDataModule  # the train and validation batches
    config: TrainingConfig
    run: Path  # the run's folder
    callbacks: Sequence[Callback] = ()  # of every stage, after all others
    features: Any | None = None  # a `FeatureDataModule`, for stages that train the head alone
    mode: Mode = "min"  # whether the least or the largest value of ``callbacks.monitor`` is best

    def train(self) -> list[FinishedStage]:
        """Train each stage that is not finished yet; leave in ``model`` the weights of the one that is `delivered`."""
        finished: list[FinishedStage] = []
        for stage in planned_stages(self.config, self.run):
            if on_rank_zero((stage.folder / RunFile.STAGE).exists):
                on_rank_zero(say, f"stage {stage.number + 1}, {stage.name}: finished before")
            else:
                if finished:
                    self.load_best(delivered(finished, self.config, self.mode)[0])
                self.fit(stage)
            finished.append(on_rank_zero(_close_stage, stage))
            evaluated, note = delivered(finished, self.config, self.mode)
            on_rank_zero(_keep_only, self.run, evaluated, finished)
        if note:
            on_rank_zero(say, note)
        self.load_best(evaluated)
        return finished

    def load_best(self, stage: FinishedStage) -> None:
        """Load the best weights of a finished stage, if they are those that were recorded."""
        on_rank_zero(Run(self.run).check, self.run / stage.best, stage.sha256)
        self.load(self.run / stage.best)

    def load(self, checkpoint: Path) -> None:
        """Load the weights of a checkpoint on all ranks."""
        on_rank_zero(load_weights, self.model, checkpoint)
        broadcast_tensors(self.model.state_dict())

    def fit(self, stage: RunStage) -> None:
        """Fit one stage, from its start or from where it was interrupted, and record it as finished."""
        settings = self.config.trainer
        sizes = batch_sizes(self.data.train_dataloader(), settings.limit_train_batches)
        epochs, steps = stage_length(sizes, stage.config.max_epochs or settings.max_epochs, settings)
        images_seen = sum(sizes) * epochs
        of_features, seconds = features_in_place_of_images(self.model, self.features, self.config, stage, images_seen)
        self.model.configure_stage(stage.config, steps)
        on_rank_zero(say, describe_stage(self.model, stage.config, stage.number, stage.name))

        prints = settings.enable_progress_bar and not console.is_terminal
        watch = StageWatch(stage, len(stages_of(self.config)), steps, sizes, seconds, prints)
        optional = build_callbacks(self.config, stage, self.mode)
        resume = on_rank_zero(_state_to_resume, stage)
        loggers = build_loggers(self.config, stage) if current_world().is_first else []
        trainer = build_trainer(self.config, epochs, self.all_callbacks(stage, optional, watch), loggers)
        with in_training(), explained_faults(self.config.loader, stage.name), self.taking(of_features):
            trainer.fit(self.model, of_features or self.data, ckpt_path=resume, weights_only=True)
        self.record(stage, trainer, watch, optional)

    def taking(self, features: LightningDataModule | None) -> AbstractContextManager[None]:
        """Return the context in which the model takes features, where there are any, in place of images."""
        if features is None:
            return nullcontext()
        assert isinstance(self.model, Classifier)
        return self.model.on_features()

    def record(self, stage: RunStage, trainer: Trainer, watch: StageWatch, optional: Sequence[Callback]) -> None:
        """Record a stage as finished, whose fit has just ended."""
        seconds = watch.state_dict()["seconds"]  # before its best weights are chosen, which may take long
        score = self.best_score(stage, trainer, optional)
        best = stage.folder / "best.ckpt"
        record = FinishedStage(
            name=stage.name,
            best=str(best.relative_to(stage.run)),
            score=score,
            epochs=trainer.current_epoch,
            images_seen=watch.images_seen,
            seconds=seconds,
            sha256=on_rank_zero(sha256_of_file, best),
        )
        on_rank_zero(write_json, stage.folder / RunFile.STAGE, asdict(record))
        ended = f"{counted(record.epochs, 'epoch')} in {seconds:,.0f} s, best {self.monitor} {score:.3f}"
        on_rank_zero(say, f"stage {stage.number + 1}, {stage.name}: {ended}")

    @property
    def monitor(self) -> str:
        """The metric that picks the best epoch."""
        return self.config.callbacks.monitor

    def all_callbacks(self, stage: RunStage, optional: Sequence[Callback], watch: StageWatch) -> list[Callback]:
        """Return the callbacks of a stage.

        BatchNorm's statistics are equal on all ranks before anything averages or saves them. The average moves before
        anything saves it, and the state for a resume is saved last, when all others have changed.
        """
        callbacks: list[Callback] = [StepSeed(self.config.seed, stage.number)]
        if current_world().size > 1:
            from lightning_modules.callbacks.batchnorm_sync import BatchNormSync  # here: most trainings have one

            callbacks.append(BatchNormSync())
        best = BestCheckpoint(
            dirpath=stage.folder,
            filename="best",
            monitor=self.monitor,
            mode=self.mode,
            save_weights_only=True,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )
        best.checked = ", ".join(self.config.callbacks.changing_entries)
        saving = self.config.callbacks.checkpoint
        resume = ResumeCheckpoint(stage.folder / LAST, saving.every_steps, saving.every_minutes)
        return [*callbacks, best, *optional, watch, resume, *self.callbacks]

    def best_score(self, stage: RunStage, trainer: Trainer, optional: Sequence[Callback]) -> float:
        """Return the metric of the best weights, which are in best.ckpt.

        Raises:
            UserError: No weights have a finite metric.
        """
        checkpoint: Any = trainer.checkpoint_callback
        score = math.nan if checkpoint.best_model_score is None else float(checkpoint.best_model_score)
        for callback in optional:
            if hasattr(callback, "choose_best"):  # of the weights that it has saved itself
                chosen = callback.choose_best(self.score_of)
                if chosen is not None:
                    score = chosen
        with raised_on_all_ranks():
            if current_world().is_first and not math.isfinite(score):
                raise UserError(self.why_no_best(stage, trainer))
        return score

    def score_of(self, checkpoint: Path) -> float:
        """Validate the weights of a checkpoint."""
        self.load(checkpoint)
        metrics = build_trainer(self.config).validate(self.model, datamodule=self.data, verbose=False)[0]
        return float(metrics[self.monitor])

    def why_no_best(self, stage: RunStage, trainer: Trainer) -> str:
        """Say why no epoch has a finite metric."""
        name = f"stage {stage.name}"
        if math.isfinite(trainer.callback_metrics.get("val/loss", math.nan)):
            reason = "as where all images are predicted as one class, or the validation part lacks a class"
            return f"{name}: {self.monitor} is undefined in every epoch, {reason}: set callbacks.monitor=val/loss"
        return f"{name} diverged ({self.monitor} is no finite number): lower unfreeze.stages.{stage.name}.lr"


def _state_to_resume(stage: RunStage) -> str | None:
    """Return the state that an interrupted stage goes on from; without a whole one it starts again: None."""
    last = stage.folder / LAST
    _remove(stage.folder, ".*.ckpt")  # of a process that was killed while it saved
    if not last.exists():
        return None
    damaged = [path for path in sorted(stage.folder.glob("*.ckpt")) if not is_whole(path)]
    if not damaged:
        return str(last)
    warn(f"{damaged[0]} is damaged: stage {stage.number + 1}, {stage.name}, starts again")
    _remove(stage.folder, "*.ckpt")
    return None


def _remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()


def _close_stage(stage: RunStage) -> FinishedStage:
    """Remove the files that a finished stage no longer needs, and return its record."""
    (stage.folder / LAST).unlink(missing_ok=True)
    _remove(stage.folder, STEP_CHECKPOINTS)
    return FinishedStage.read(stage.folder)


def _keep_only(run: Path, kept: FinishedStage, stages: Sequence[FinishedStage]) -> None:
    """Remove the best checkpoints of the other stages: the disk is a budget."""
    for each in stages:
        if each is not kept:
            (run / each.best).unlink(missing_ok=True)
