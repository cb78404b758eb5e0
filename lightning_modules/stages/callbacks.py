"""The callbacks of one stage, in the order that they depend on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytorch_lightning import Callback

from common.config.schema import Config, StageConfig
from lightning_modules.callbacks import (
    EMA,
    BatchNormSync,
    BestCheckpoint,
    CheckAndAdjust,
    EarlyBreak,
    Heartbeat,
    MaxSteps,
    Plateau,
    Preemption,
    ResumableEarlyStopping,
    ResumeCheckpoint,
    StagedUnfreezing,
    StepSeed,
)


@dataclass(frozen=True)
class StageCallbacks:
    """What watches a stage.

    Attributes:
        unfreezing: Counts the budget.
        best: Keeps the best of the validated epochs.
        checks: Saves by Algorithm 1 of paper 002, where that is on.
        everything: These and all others, in order.
    """

    unfreezing: StagedUnfreezing
    best: BestCheckpoint
    checks: CheckAndAdjust | None
    everything: list[Callback]


def stage_callbacks(  # noqa: PLR0913
    config: Config, stage: StageConfig, name: str, number: int, folder: Path, steps: int, later: Sequence[int] = ()
) -> StageCallbacks:
    """Return the callbacks of a stage.

    Args:
        config: The typed configuration.
        stage: The stage, its length bounded.
        name: The stage's name.
        number: Its place in the run, from 0.
        folder: Where its checkpoints lie.
        steps: Optimiser steps after which it ends.
        later: Those of each later stage, where there are any.
    """
    chosen = config.callbacks
    best = BestCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=chosen.monitor,
        mode=chosen.mode,
        save_weights_only=True,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    if chosen.check_and_adjust.enabled:
        checks = CheckAndAdjust(chosen.check_and_adjust, stage.lr, folder)
    else:
        checks = None
    unfreezing = StagedUnfreezing(name, number, stage)
    # What the processes know of BatchNorm is the same in all of them before anybody averages or saves it.
    everything: list[Callback] = [unfreezing, StepSeed(config.seed, number), BatchNormSync(), best]
    # The average moves before anybody saves it, and the state for a resume is saved last: it is what the others became.
    everything += [EMA(chosen.averaging.decay)] if chosen.averaging.enabled else []
    everything += [checks] if checks else []
    everything += _early_stopping(config, stage)
    everything += [EarlyBreak(chosen.early_break)] if chosen.early_break.enabled else []
    everything += [MaxSteps(steps)] if config.trainer.max_images else []
    everything += [Heartbeat(folder.parents[1], folder, [steps, *later])]
    everything += [Plateau()] if config.scheduler.name == "plateau" else []
    saving = ResumeCheckpoint(folder / "last.ckpt", chosen.checkpoint.every_steps, chosen.checkpoint.every_minutes)
    everything += [saving, Preemption(saving)]
    return StageCallbacks(unfreezing, best, checks, everything)


def _early_stopping(config: Config, stage: StageConfig) -> list[Callback]:
    """Stop a stage when its monitored metric has not got better for `patience` epochs."""
    stopping = config.callbacks.early_stopping
    if not stopping.enabled:
        return []
    return [
        ResumableEarlyStopping(
            config.callbacks.monitor,
            mode=config.callbacks.mode,
            patience=stage.patience or stopping.patience,
            min_delta=stopping.min_delta,
            # After the validation, so that the checkpoint at the epoch's end holds its newest state.
            check_on_train_epoch_end=False,
        )
    ]
