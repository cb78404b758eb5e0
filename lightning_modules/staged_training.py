"""The stages of a run, one fit after another; each starts from the best of the one before."""

import json
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningDataModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from common.errors import UserError
from common.files import write_json
from common.schema import Config, OptimizerConfig, StageConfig
from lightning_modules.callbacks import Progress
from lightning_modules.checked_stage import keep, remove_saved, validate_saved
from lightning_modules.classifier import Classifier
from lightning_modules.stage_callbacks import StageCallbacks, stage_callbacks
from lightning_modules.stage_length import batch_sizes, stage_length


@dataclass(frozen=True)
class FinishedStage:
    """What a finished stage leaves behind, beside its best weights.

    Attributes:
        name: The stage's name.
        best: The best checkpoint, below the run's folder.
        score: The monitored metric of the best weights, finite.
        epochs: Epochs trained; a budget of images may end the last one early.
        images_seen: Training images seen, copies counted, over all epochs.
        seconds: Wall time of the fit, interruptions left out.
        best_of: Among what the best was chosen: "epochs" (every validated one) or "checks" (the checkpoints of check
            and adjust; where none of them has a score, the epochs stand in).
    """

    name: str
    best: str
    score: float
    epochs: int
    images_seen: int
    seconds: float
    best_of: str = "epochs"


def stages_of(config: Config) -> dict[str, StageConfig]:
    """Return the stages to train, in their order: ``init_from`` stands for those that train the head alone."""
    stages = {name: _bounded(stage, config) for name, stage in config.unfreeze.stages.items()}
    if config.unfreeze.train is not None:
        last = list(stages)[-1]
        stages[last] = stages[last].model_copy(update={"train": config.unfreeze.train})
    fine_tuning = {name: stage for name, stage in stages.items() if stage.train}
    return fine_tuning if config.init_from and fine_tuning else stages


def train_stages(
    model: Classifier, data: LightningDataModule, config: Config, run: Path, extra: Sequence[Callback] = ()
) -> list[FinishedStage]:
    """Train every stage that is not finished yet, and leave in ``model`` the best weights of the last one.

    Args:
        model: The classifier; its weights are overwritten where a finished or interrupted stage lies in ``run``.
        data: Serves the train and validation batches.
        config: The typed configuration.
        run: The run's folder.
        extra: Callbacks that watch every stage, after all others.
    """
    finished: list[FinishedStage] = []
    for number, (name, stage) in enumerate(stages_of(config).items()):
        folder = stage_folder(run, number, name)
        done = folder / "stage.json"
        if not done.exists():
            if finished:
                load_checkpoint(model, run / finished[-1].best)
            _fit_stage(model, data, config, run, number, name, stage, extra)
        (folder / "last.ckpt").unlink(missing_ok=True)
        remove_saved(folder)
        for earlier in finished:  # the disk is a budget: only the newest best is needed
            (run / earlier.best).unlink(missing_ok=True)
        finished.append(FinishedStage(**json.loads(done.read_text())))
    load_checkpoint(model, run / finished[-1].best)
    return finished


def stage_folder(run: Path, number: int, name: str) -> Path:
    """Return where a stage keeps its checkpoints and, once finished, its record; ``number`` counts from 0."""
    return run / "checkpoints" / f"{number + 1}-{name}"


def load_checkpoint(model: Classifier, path: Path) -> None:
    """Load the weights of a checkpoint into ``model``, every key of it.

    Raises:
        UserError: The file is missing, or of another network.
    """
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        model.load_state_dict(weights, strict=True)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint at {path}") from error
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise UserError(f"{path} does not fit the model of this run: {reason}") from error


def read_score(run: Path) -> float:
    """Return the monitored metric of the best weights of a finished run."""
    best = run / json.loads((run / "status.json").read_text())["best"]
    return FinishedStage(**json.loads((best.parent / "stage.json").read_text())).score


def _fit_stage(
    model: Classifier,
    data: LightningDataModule,
    config: Config,
    run: Path,
    number: int,
    name: str,
    stage: StageConfig,
    extra: Sequence[Callback],
) -> None:
    """Fit one stage, from its start or from where it was interrupted, and record it as finished."""
    folder = stage_folder(run, number, name)
    sizes = batch_sizes(data.train_dataloader(), config.trainer.limit_train_batches)
    length = stage_length(sizes, stage.max_epochs, config.trainer)
    model.learning_rate, model.stage_steps = stage.lr, length.steps
    model.optimizer_config = optimizer_of(config, stage)
    for leftover in folder.glob(".*.ckpt"):  # of a process that was killed while it saved
        leftover.unlink()
    callbacks = stage_callbacks(config, stage, name, number, folder, length.steps)
    loggers = _loggers(config, run, folder.name)
    trainer = build_trainer(config, length.epochs, [*callbacks.everything, *extra], loggers)
    last = folder / "last.ckpt"
    trainer.fit(model, data, ckpt_path=str(last) if last.exists() else None, weights_only=True)
    seconds = callbacks.unfreezing.state_dict()["seconds"]
    score, best_of = _choose_best(model, data, config, callbacks, folder, run / "logs" / folder.name)
    record = FinishedStage(
        name=name,
        best=str((folder / "best.ckpt").relative_to(run)),
        score=_finite(score, config.callbacks.monitor, name),
        epochs=trainer.current_epoch,
        images_seen=callbacks.unfreezing.images_seen,
        seconds=seconds,
        best_of=best_of,
    )
    write_json(folder / "stage.json", asdict(record))


def _choose_best(
    model: Classifier,
    data: LightningDataModule,
    config: Config,
    callbacks: StageCallbacks,
    folder: Path,
    logs: Path,
) -> tuple[float | None, str]:
    """Leave the stage's best weights in best.ckpt; return their score and among what they were chosen."""
    score = callbacks.best.best_model_score
    if callbacks.checks is None:
        return (None if score is None else float(score)), "epochs"

    def validate(checkpoint: Path) -> Mapping[str, float]:
        load_checkpoint(model, checkpoint)
        return build_trainer(config, None, [], []).validate(model, datamodule=data, verbose=False)[0]

    monitor, mode = config.callbacks.monitor, config.callbacks.mode
    table = logs / "check_and_adjust.csv"
    chosen = validate_saved(callbacks.checks.saved, folder, table, validate, monitor, mode)
    if chosen is None:  # none was saved, or none has a score: the best of the validated epochs stays
        return (None if score is None else float(score)), "epochs"
    file, best = chosen
    keep(folder / file, folder / "best.ckpt")
    return best, "checks"


def _finite(score: float | None, monitor: str, stage: str) -> float:
    """The best score of a stage, which is a number unless the training went astray."""
    if score is None or not math.isfinite(score):
        raise UserError(f"stage {stage} diverged ({monitor} is {score}): lower unfreeze.stages.{stage}.lr")
    return score


def build_trainer(config: Config, epochs: int | None, callbacks: list[Callback], loggers: list[Logger]) -> Trainer:
    """Return Lightning's Trainer for one fit, or for a prediction where ``epochs`` is None."""
    settings: dict[str, Any] = config.trainer.model_dump(exclude={"max_epochs", "max_images", "channels_last"})
    if config.trainer.enable_progress_bar:
        callbacks = [*callbacks, Progress()]
    return Trainer(
        **settings,
        devices=1,
        max_epochs=epochs,
        callbacks=callbacks,
        logger=loggers,
        # The order is ours to choose (EpochBatchSampler), under DDP too.
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
    )


def set_up_torch() -> None:
    """Set what holds for the whole process: call it before the first computation.

    Very dark images make denormal numbers, which slow training on a CPU several times: they are flushed to zero.
    Lightning's notes about devices, and its advice that does not fit here, are silenced; its other warnings stay.
    """
    torch.set_flush_denormal(True)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # the prepared cache is read faster than a worker is asked
        ".*smaller than the logging interval.*",
        ".*exists and is not empty.*",  # a resumed stage writes where it wrote
        ".*in eval mode at the start.*",  # frozen modules are meant to be
        ".*is not resumable.*",  # EpochBatchSampler is
        ".*isinstance.treespec, LeafSpec.*",  # between Lightning and torch
    ):
        warnings.filterwarnings("ignore", message)


def optimizer_of(config: Config, stage: StageConfig) -> OptimizerConfig:
    """Return the optimiser of a stage: its own by torch's defaults, or the one of the ``optimizer`` group."""
    if stage.optimizer in (None, config.optimizer.name):
        return config.optimizer
    return OptimizerConfig(name=stage.optimizer)


def _bounded(stage: StageConfig, config: Config) -> StageConfig:
    """The stage with its length bounded by trainer.max_epochs, and with the rate that overrules it."""
    epochs = min(stage.max_epochs or config.trainer.max_epochs, config.trainer.max_epochs)
    return stage.model_copy(update={"max_epochs": epochs, "lr": config.unfreeze.lr or stage.lr})


def _loggers(config: Config, run: Path, stage: str) -> list[Logger]:
    """CSV (a new version after each interruption, merged when read) and TensorBoard."""
    loggers: list[Logger] = []
    if config.logger.csv:
        loggers.append(CSVLogger(run / "logs", name=stage))
    if config.logger.tensorboard:
        loggers.append(TensorBoardLogger(run / "tensorboard", name=stage, version=""))
    return loggers
