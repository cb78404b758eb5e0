"""Callbacks and loggers that a YAML names by ``_target_``: our own and those of other packages."""

import inspect
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from hydra.utils import get_class
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import DeviceStatsMonitor
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from karyocyte.common.config.schema import Config
from karyocyte.common.errors import UserError, first_line
from karyocyte.common.runs.files import RunFolder
from karyocyte.common.runs.stages import Stage, planned_stages


def build_loggers(config: Config, stage: Stage) -> list[Logger]:
    """Return the loggers of a stage: CSV (a new version after each interruption), TensorBoard, ``logger.extra``.

    Raises:
        UserError: A package is missing, or a logger refuses its arguments.
    """
    loggers: list[Logger] = [CSVLogger(stage.run / RunFolder.LOGS, name=stage.folder.name)]
    if config.logger.tensorboard:
        loggers.append(TensorBoardLogger(stage.run / RunFolder.TENSORBOARD, name=stage.folder.name, version=""))
    for name, entry in config.logger.extra.items():
        loggers.append(_instantiate(f"logger.extra.{name}", entry, Logger, stage))
    return loggers


def build_callbacks(config: Config, stage: Stage, mode: str) -> list[Callback]:
    """Return the callbacks that ``callbacks`` enables for a stage: our own, then those of ``callbacks.extra``.

    A class with an argument ``stage``, ``monitor`` or ``mode`` ("min" or "max" of the monitored metric) is given it.

    Raises:
        UserError: A package is missing, or a callback refuses its arguments.
    """
    given = {"monitor": config.callbacks.monitor, "mode": mode, "stage": stage}
    callbacks = []
    for name, entry in config.callbacks.named.items():
        callbacks.append(_instantiate(f"callbacks.{name}", entry.arguments, Callback, stage, given))
    for name, extension in config.callbacks.extra.items():
        arguments = dict(extension)
        arguments.pop("changes_result", None)
        callbacks.append(_instantiate(f"callbacks.extra.{name}", arguments, Callback, stage, given))
    return callbacks


def check_extensions(config: Config) -> None:
    """Build all callbacks and loggers once, so that a mistake is reported before a run is opened.

    Raises:
        UserError: A package is missing, or a class refuses its arguments.
    """
    with TemporaryDirectory() as folder:
        stage = planned_stages(config, Path(folder))[0]
        build_loggers(config, stage)
        build_callbacks(config, stage, "min")


def _instantiate(key: str, entry: Mapping[str, Any], kind: type, stage: Stage, given: Mapping[str, Any] = {}) -> Any:  # noqa: B006
    """Build the class of an entry; ``{run}`` and ``{stage}`` in its strings become the run's folder and the stage."""
    text = json.dumps(dict(entry))
    for placeholder, value in (("{run}", str(stage.run)), ("{stage}", stage.folder.name)):
        text = text.replace(placeholder, json.dumps(value)[1:-1])
    arguments = json.loads(text)
    target = arguments.pop("_target_")
    try:
        cls = get_class(target)
        for name in given.keys() & inspect.signature(cls).parameters.keys():
            arguments.setdefault(name, given[name])
        instance = cls(**arguments)
    except Exception as error:  # Hydra wraps whatever an import raises; constructors raise many kinds
        cause: BaseException = error.__cause__ or error
        remedy = "correct its _target_ and arguments"
        if isinstance(cause, ImportError) and target not in str(cause):  # else its package lacks the class
            remedy = "install its package, see the extra `loggers` in pyproject.toml"
        raise UserError(f"{key}: {target}: {first_line(cause)}; {remedy}") from error
    if not isinstance(instance, kind):
        raise UserError(f"{key}: {target} is no {kind.__module__}.{kind.__name__}")
    reads_cpu = arguments.get("cpu_stats", not torch.cuda.is_available())
    if isinstance(instance, DeviceStatsMonitor) and reads_cpu and find_spec("psutil") is None:
        other = "pytorch_lightning.callbacks.LearningRateMonitor"
        raise UserError(f"{key}: {target} needs psutil on a CPU: install it, or name another class, such as {other}")
    return instance
