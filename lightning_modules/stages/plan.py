"""The stages of a run: their order, their settings and the folders of their checkpoints."""

from dataclasses import dataclass
from pathlib import Path

from common.config.schema import Config, OptimizerConfig, StageConfig
from common.runs.run import Run
from lightning_modules.classifier import StageSettings


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
        number: Its place in the run, from 0.
        name: Its name in the configuration.
        config: What trains and for how long, with ``trainer.max_epochs`` and ``unfreeze.lr`` applied.
        folder: Holds its checkpoints and, once it is finished, its record.
    """

    number: int
    name: str
    config: StageConfig
    folder: Path

    @property
    def epochs(self) -> int:
        """Most epochs that the stage may have."""
        assert self.config.max_epochs is not None  # set by stages_of
        return self.config.max_epochs

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.folder.parents[1]


def stages_of(config: Config) -> dict[str, StageConfig]:
    """Return the stages to train, in their order; ``init_from`` replaces those that train the head alone."""
    stages = {}
    for name, stage in config.unfreeze.stages.items():
        epochs = min(stage.max_epochs or config.trainer.max_epochs, config.trainer.max_epochs)
        stages[name] = stage.model_copy(update={"max_epochs": epochs, "lr": config.unfreeze.lr or stage.lr})
    if config.unfreeze.train is not None:
        last = list(stages)[-1]
        stages[last] = stages[last].model_copy(update={"train": config.unfreeze.train})
    fine_tuning = {name: stage for name, stage in stages.items() if stage.train}
    if config.init_from and fine_tuning:
        return fine_tuning
    return stages


def planned_stages(config: Config, run: Path) -> list[Stage]:
    """Return the stages of a run with their folders."""
    stages = stages_of(config).items()
    return [Stage(i, name, stage, Run(run).stage_folder(i, name)) for i, (name, stage) in enumerate(stages)]


def stage_settings(config: Config, stage: StageConfig, steps: int | None = None) -> StageSettings:
    """Return the settings of a stage for the classifier.

    Args:
        config: The typed configuration.
        stage: The stage, of :func:`stages_of`; its own optimiser has the defaults of torch.
        steps: Optimiser steps of the stage; None: Lightning's estimate.
    """
    optimizer = config.optimizer
    if stage.optimizer not in (None, optimizer.name):
        optimizer = OptimizerConfig(name=stage.optimizer, args={})
    return StageSettings(stage.lr, optimizer, stage.train, stage.batchnorm, steps)
