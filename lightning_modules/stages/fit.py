"""The stages of a run, one fit after another; each starts from the best of the one before."""

import json
import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningDataModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from common.config.schema import Config, OptimizerConfig, StageConfig, TrainerConfig
from common.errors import UserError
from common.files import write_json
from common.preemption import in_training
from lightning_modules.callbacks import Progress
from lightning_modules.callbacks.preemption import leave_signals_alone
from lightning_modules.checkpoint_io import WholeFiles
from lightning_modules.classifier import Classifier
from lightning_modules.distributed import (
    UnevenDDPStrategy,
    environment_of,
    first_decides,
    first_does,
    first_hands_out,
    is_first,
    present_world,
)
from lightning_modules.stages.callbacks import StageCallbacks, stage_callbacks
from lightning_modules.stages.length import batch_sizes, stage_length
from lightning_modules.stages.selection import keep, remove_saved, validate_saved


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
    if config.init_from and fine_tuning:
        return fine_tuning
    return stages


def train_stages(
    model: Classifier, data: LightningDataModule, config: Config, run: Path, extra: Sequence[Callback] = ()
) -> list[FinishedStage]:
    """Train every stage that is not finished yet, and leave in ``model`` the best weights of the last one.

    Of several processes, the first one alone reads and writes the run's folder, but for the state of a resume.

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
        if not first_decides((folder / "stage.json").exists):
            if finished:
                _load_for_all(model, run / finished[-1].best)
            _fit_stage(model, data, config, run, number, name, stage, extra)
        finished.append(first_decides(partial(_close_stage, folder, run, finished)))
    _load_for_all(model, run / finished[-1].best)
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


def _load_for_all(model: Classifier, path: Path) -> None:
    """Load a checkpoint in the first process, and hand its weights out to the others."""
    first_does(partial(load_checkpoint, model, path))
    first_hands_out(model.state_dict())


def _close_stage(folder: Path, run: Path, earlier: Sequence[FinishedStage]) -> FinishedStage:
    """Remove what a finished stage needs no longer, and return its record."""
    (folder / "last.ckpt").unlink(missing_ok=True)
    remove_saved(folder)
    for stage in earlier:  # the disk is a budget: only the newest best is needed
        (run / stage.best).unlink(missing_ok=True)
    return FinishedStage(**json.loads((folder / "stage.json").read_text()))


def read_score(run: Path) -> float:
    """Return the monitored metric of the best weights of a finished run."""
    best = run / json.loads((run / "status.json").read_text())["best"]
    return FinishedStage(**json.loads((best.parent / "stage.json").read_text())).score


def _fit_stage(  # noqa: PLR0913
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
    model.learning_rate = stage.lr
    model.stage_steps = length.steps
    model.optimizer_config = optimizer_of(config, stage)
    first_does(partial(_remove_leftovers, folder))
    later = [stage_length(sizes, each.max_epochs, config.trainer).steps for each in _after(config, number)]
    callbacks = stage_callbacks(config, stage, name, number, folder, length.steps, later)
    loggers = _loggers(config, run, folder.name)
    trainer = build_trainer(config, length.epochs, [*callbacks.everything, *extra], loggers)
    last = folder / "last.ckpt"
    if first_decides(last.exists):
        start = str(last)
    else:
        start = None
    with in_training():
        trainer.fit(model, data, ckpt_path=start, weights_only=True)
    seconds = callbacks.unfreezing.state_dict()["seconds"]
    score, best_of = _choose_best(model, data, config, callbacks, folder, run / "logs" / folder.name)
    record = FinishedStage(
        name=name,
        best=str((folder / "best.ckpt").relative_to(run)),
        score=first_decides(lambda: _finite(score, config.callbacks.monitor, name)),
        epochs=trainer.current_epoch,
        images_seen=callbacks.unfreezing.images_seen,
        seconds=seconds,
        best_of=best_of,
    )
    first_does(lambda: write_json(folder / "stage.json", asdict(record)))


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
        _load_for_all(model, checkpoint)
        return build_trainer(config, None, [], []).validate(model, datamodule=data, verbose=False)[0]

    monitor = config.callbacks.monitor
    mode = config.callbacks.mode
    table = logs / "check_and_adjust.csv"
    chosen = validate_saved(callbacks.checks.saved, folder, table, validate, monitor, mode)
    if chosen is None:  # none was saved, or none has a score: the best of the validated epochs stays
        return (None if score is None else float(score)), "epochs"
    file, best = chosen
    first_does(lambda: keep(folder / file, folder / "best.ckpt"))
    return best, "checks"


def _finite(score: float | None, monitor: str, stage: str) -> float:
    """The best score of a stage, which is a number unless the training went astray."""
    if score is None or not math.isfinite(score):
        raise UserError(f"stage {stage} diverged ({monitor} is {score}): lower unfreeze.stages.{stage}.lr")
    return score


def build_trainer(config: Config, epochs: int | None, callbacks: list[Callback], loggers: list[Logger]) -> Trainer:
    """Return Lightning's Trainer for one fit, or for a prediction where ``epochs`` is None."""
    settings: dict[str, Any] = config.trainer.model_dump(exclude={"max_epochs", "max_images", "channels_last"})
    settings["enable_progress_bar"] &= is_first()
    if settings["enable_progress_bar"]:
        callbacks = [*callbacks, Progress()]
    trainer = Trainer(
        **settings | _processes(config.trainer),
        max_epochs=epochs,
        callbacks=callbacks,
        logger=loggers,
        # The order is ours to choose (EpochBatchSampler), under DDP too.
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
    )
    leave_signals_alone(trainer)
    return trainer


def _processes(config: TrainerConfig) -> dict[str, Any]:
    """What the Trainer is told of the processes: those that are joined; who asks alone, computes alone."""
    world = present_world()
    told: dict[str, Any] = {"plugins": [environment_of(world, config), WholeFiles()]}
    if world.size == 1:
        return {**told, "strategy": "auto", "devices": 1, "num_nodes": 1, "sync_batchnorm": False}
    return {**told, "strategy": UnevenDDPStrategy()}


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
        ".*The `srun` command is available.*",  # a run of one process needs none, and others are checked by world_of
        ".*recommended to use .*sync_dist=True.*",  # the metrics are computed over all processes
        ".*Grad strides do not match bucket view strides.*",  # DDP, of channels_last: nothing is wrong, but slower
    ):
        warnings.filterwarnings("ignore", message)


def optimizer_of(config: Config, stage: StageConfig) -> OptimizerConfig:
    """Return the optimiser of a stage: its own by torch's defaults, or the one of the ``optimizer`` group."""
    if stage.optimizer in (None, config.optimizer.name):
        return config.optimizer
    return OptimizerConfig(name=stage.optimizer)


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.glob(".*.ckpt"):  # of a process that was killed while it saved
        leftover.unlink()


def _after(config: Config, number: int) -> list[StageConfig]:
    """The stages that come after the one with that number, from 0."""
    return list(stages_of(config).values())[number + 1 :]


def _bounded(stage: StageConfig, config: Config) -> StageConfig:
    """The stage with its length bounded by trainer.max_epochs, and with the rate that overrules it."""
    epochs = min(stage.max_epochs or config.trainer.max_epochs, config.trainer.max_epochs)
    return stage.model_copy(update={"max_epochs": epochs, "lr": config.unfreeze.lr or stage.lr})


def _loggers(config: Config, run: Path, stage: str) -> list[Logger]:
    """CSV (a new version after each interruption, merged when read) and TensorBoard."""
    loggers: list[Logger] = []
    if not is_first():
        return loggers
    if config.logger.csv:
        loggers.append(CSVLogger(run / "logs", name=stage))
    if config.logger.tensorboard:
        loggers.append(TensorBoardLogger(run / "tensorboard", name=stage, version=""))
    return loggers
