"""Callbacks and loggers that a YAML names by ``_target_``: our own and those of other packages."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra.utils import get_class
from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from common.config.schema import Config
from common.errors import UserError
from common.runs.files import RunFolder
from lightning_modules.backbones.truncation import first_line
from lightning_modules.training.plan import Stage, planned_stages


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

    Args:
        config: The typed configuration.
        stage: Given to a class with an argument of this name, as ``monitor`` and ``mode`` are.
        mode: "min" or "max": which value of the monitored metric is best.

    Raises:
        UserError: A package is missing, or a callback refuses its arguments.
    """
    given = {"monitor": config.callbacks.monitor, "mode": mode, "stage": stage}
    callbacks = []
    for name, entry in config.callbacks.named.items():
        callbacks.append(_instantiate(f"callbacks.{name}", entry.arguments, Callback, stage, given))
    for name, extension in config.callbacks.extra.items():
        arguments = {key: value for key, value in extension.items() if key != "changes_result"}
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
    texts = {"{run}": str(stage.run), "{stage}": stage.folder.name}
    target, arguments = entry["_target_"], {name: entry[name] for name in entry if name != "_target_"}
    try:
        cls = get_class(target)
        names = inspect.signature(cls).parameters.keys() - arguments.keys()
        more = {name: value for name, value in given.items() if name in names}
        instance = cls(**_fill(arguments, texts), **more)
    except Exception as error:  # Hydra wraps whatever an import raises; constructors raise many kinds
        cause: BaseException = error.__cause__ or error
        remedy = "correct its _target_ and arguments"
        if isinstance(cause, ImportError):
            remedy = "install its package, see the extra `loggers` in pyproject.toml"
        raise UserError(f"{key}: {target}: {first_line(cause)}; {remedy}") from error
    if not isinstance(instance, kind):
        raise UserError(f"{key}: {target} is no {kind.__module__}.{kind.__name__}")
    return instance


def _fill(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _fill(each, texts) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_fill(each, texts) for each in value]
    if isinstance(value, str):
        for placeholder, text in texts.items():
            value = value.replace(placeholder, text)
    return value
