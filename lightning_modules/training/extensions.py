"""Callbacks and loggers that a YAML names by ``_target_``: our own and those of other packages."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.callbacks import StochasticWeightAveraging
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from karyocyte.common.errors import UserError
from karyocyte.config.build import build
from karyocyte.config.schema import TrainingConfig
from karyocyte.runs.files import RunFolder
from karyocyte.runs.stages import RunStage, planned_stages


def build_loggers(config: TrainingConfig, stage: RunStage) -> list[Logger]:
    """Return the loggers of a stage: CSV (a new version after each interruption), TensorBoard, ``logger.extra``.

    Raises:
        UserError: A package is missing, or a logger refuses its arguments.
    """
    loggers: list[Logger] = [CSVLogger(stage.run / RunFolder.LOGS, name=stage.folder.name)]
    if config.logger.tensorboard:
        loggers.append(TensorBoardLogger(stage.run / RunFolder.TENSORBOARD, name=stage.folder.name, version=""))
    for name, logger in config.logger.extra.items():
        entry = _placed(logger.entry, stage)
        loggers.append(build(f"logger.extra.{name}", entry, Logger))  # type: ignore[type-abstract]  # for isinstance
    return loggers


def build_callbacks(config: TrainingConfig, stage: RunStage, mode: str) -> list[Callback]:
    """Return the callbacks that ``callbacks`` enables for a stage: our own, then those of ``callbacks.extra``.

    A class with an argument ``stage``, ``monitor`` or ``mode`` ("min" or "max" of the monitored metric) is given it.

    Raises:
        UserError: A package is missing, or a callback refuses its arguments.
    """
    callbacks = []
    for name, config_of in config.callbacks.enabled.items():
        key, entry = f"callbacks.{name}", _placed(config_of.entry, stage)
        callback = build(key, entry, Callback, monitor=config.callbacks.monitor, mode=mode, stage=stage)
        if isinstance(callback, StochasticWeightAveraging):
            remedy = "set callbacks.averaging.enabled=true, whose average is validated and saved, in its place"
            raise UserError(f"{key}: its average comes after the last validation, which picks what is kept: {remedy}")
        callbacks.append(callback)
    return callbacks


def check_extensions(config: TrainingConfig) -> None:
    """Build all callbacks and loggers once, so that a mistake is reported before a run is opened.

    Raises:
        UserError: A package is missing, or a class refuses its arguments.
    """
    with TemporaryDirectory() as folder:
        stage = planned_stages(config, Path(folder))[0]
        build_loggers(config, stage)
        build_callbacks(config, stage, "min")


def _placed(entry: Mapping[str, Any], stage: RunStage) -> dict[str, Any]:
    """Return an entry with the run's folder for ``{run}`` and the name of the stage's folder for ``{stage}``."""
    text = json.dumps(dict(entry))
    for placeholder, value in (("{run}", str(stage.run)), ("{stage}", stage.folder.name)):
        text = text.replace(placeholder, json.dumps(value)[1:-1])
    placed: dict[str, Any] = json.loads(text)
    return placed
