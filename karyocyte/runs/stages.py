"""The stages of a run: their order, settings, length and the folders of their checkpoints."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from karyocyte.common.errors import UserError
from karyocyte.config.schema import Config, StageConfig, TrainerConfig, TrainingConfig
from karyocyte.runs.files import RunFolder


@dataclass(frozen=True)
class RunStage:
    """One stage of a run, its number from 0; ``trainer.max_epochs`` and ``unfreeze.lr`` are applied to its config.

    The folder holds its checkpoints and, once it is finished, its record.
    """

    number: int
    name: str
    config: StageConfig
    folder: Path

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.folder.parents[1]


def stages_of(config: TrainingConfig) -> dict[str, StageConfig]:
    """Return the stages to train, in their order; a head of ``init_from`` replaces those that train the head alone."""
    stages = {}
    for name, stage in config.unfreeze.stages.items():
        epochs = min(stage.max_epochs or config.trainer.max_epochs, config.trainer.max_epochs)
        # One rate for all stages is one for the head, too: `unfreeze.lr` says so.
        rates = {"lr": config.unfreeze.lr, "head_lr": None} if config.unfreeze.lr else {}
        stages[name] = stage.model_copy(update={"max_epochs": epochs, **rates})
    if config.unfreeze.train is not None:
        last = list(stages)[-1]
        head_lr = stages[last].head_lr if config.unfreeze.train else None  # the head alone trains at `lr`
        stages[last] = stages[last].model_copy(update={"train": config.unfreeze.train, "head_lr": head_lr})
    if _has_head(config):
        return {name: stage for name, stage in stages.items() if stage.train} or stages
    return stages


def _has_head(config: TrainingConfig) -> bool:
    """Whether the training begins with the head of another run."""
    is_new = isinstance(config, Config) and config.head.start == "new"
    return config.init_from is not None and not is_new


def warnings_of_stages(config: TrainingConfig) -> list[str]:
    """Return a warning where random weights stay as they are, since no stage trains the whole backbone."""
    modules = [name for stage in stages_of(config).values() for name in stage.train]
    if config.weights != "random" or config.init_from or not modules or "all" in modules:
        return []
    return ["weights=random: a part of the network keeps its random weights; unfreeze=whole trains all of it"]


def planned_stages(config: TrainingConfig, run: Path) -> list[RunStage]:
    """Return the stages of a run with their folders."""
    stages = []
    for number, (name, stage) in enumerate(stages_of(config).items()):
        stages.append(RunStage(number, name, stage, run / RunFolder.CHECKPOINTS / f"{number + 1}-{name}"))
    return stages


def stage_length(sizes: Sequence[int], epochs: int, config: TrainerConfig) -> tuple[int, int]:
    """Return how long a stage trains: its epochs, the last of which may end early, and its optimiser steps.

    With ``trainer.max_images`` it ends after the first optimiser step by which so many images have been seen, copies
    counted; ``sizes`` are the images of each batch of an epoch. The last batches of an epoch make a step, however few.

    Raises:
        UserError: A step would need more batches than an epoch has.
    """
    per_step = config.accumulate_grad_batches
    if per_step > len(sizes):
        too_many = f"trainer.accumulate_grad_batches={per_step} exceeds the batches of an epoch ({len(sizes)})"
        raise UserError(f"{too_many}: set trainer.accumulate_grad_batches={len(sizes)} or less")
    per_epoch = math.ceil(len(sizes) / per_step)
    if config.max_images is None:
        return epochs, epochs * per_epoch
    whole, rest = divmod(config.max_images, sum(sizes))
    batches = int(np.searchsorted([0, *np.cumsum(sizes)], rest))
    return whole + (rest > 0), whole * per_epoch + math.ceil(batches / per_step)


def batch_sizes(loader: Any, limit: int | float | None) -> list[int]:
    """Return the images of each batch of an epoch that ``loader`` serves, over all processes; it is not started.

    Args:
        loader: Its batch sampler has ``sizes()``.
        limit: ``trainer.limit_train_batches``.

    Raises:
        UserError: The limit leaves no batch.
    """
    sizes: list[int] = loader.batch_sampler.sizes()
    count = int(limit * len(sizes)) if isinstance(limit, float) else limit
    if count == 0:
        raise UserError(f"trainer.limit_train_batches={limit} of {len(sizes)} leaves no batch: take a number such as 1")
    return sizes[:count]
