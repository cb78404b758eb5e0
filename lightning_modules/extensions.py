"""Callbacks and loggers of other packages, which a YAML names by ``_target_``."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra.utils import instantiate
from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger

from common.config.schema import Config
from common.errors import UserError
from common.runs.files import RunFolder
from lightning_modules.backbones.truncation import first_line


def build_loggers(config: Config, run: Path, stage: str) -> list[Logger]:
    """Return the loggers of a stage: CSV (a new version after each interruption), TensorBoard, ``logger.extra``.

    Raises:
        UserError: A package is missing, or a logger refuses its arguments.
    """
    loggers: list[Logger] = []
    if config.logger.csv:
        loggers.append(CSVLogger(run / RunFolder.LOGS, name=stage))
    if config.logger.tensorboard:
        loggers.append(TensorBoardLogger(run / RunFolder.TENSORBOARD, name=stage, version=""))
    loggers += _instantiate_all(config.logger.extra, "logger.extra", Logger, run, stage)
    return loggers


def build_extra_callbacks(config: Config, run: Path, stage: str) -> list[Callback]:
    """Return the callbacks of ``callbacks.extra`` for a stage.

    Raises:
        UserError: A package is missing, or a callback refuses its arguments.
    """
    return _instantiate_all(config.callbacks.extra, "callbacks.extra", Callback, run, stage)


def check_extensions(config: Config) -> None:
    """Build all extensions once, so that a mistake is reported before a run is opened.

    Raises:
        UserError: A package is missing, or a class refuses its arguments.
    """
    if not config.logger.extra and not config.callbacks.extra:
        return
    with TemporaryDirectory() as folder:
        build_loggers(config, Path(folder), "check")
        build_extra_callbacks(config, Path(folder), "check")


def _instantiate_all(section: Mapping[str, Any], key: str, kind: type, run: Path, stage: str) -> list[Any]:
    """Instantiate every entry; ``{run}`` and ``{stage}`` in its strings become the run's folder and the stage."""
    instances = []
    for name, settings in section.items():
        try:
            instance = instantiate(_fill(settings, {"{run}": str(run), "{stage}": stage}))
        except Exception as error:  # Hydra wraps whatever a constructor raises
            cause: BaseException = error.__cause__ or error
            remedy = "correct its _target_ and arguments"
            if isinstance(cause, ImportError):
                remedy = "install its package, see the extra `loggers` in pyproject.toml"
            target = settings["_target_"]
            raise UserError(f"{key}.{name}: {target}: {first_line(cause)}; {remedy}") from error
        if not isinstance(instance, kind):
            raise UserError(f"{key}.{name}: {settings['_target_']} is no {kind.__module__}.{kind.__name__}")
        instances.append(instance)
    return instances


def _fill(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _fill(each, texts) for key, each in value.items()}
    if isinstance(value, str):
        for placeholder, text in texts.items():
            value = value.replace(placeholder, text)
    return value
