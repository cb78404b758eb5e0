"""Callbacks, loggers, optimisers and schedules of other packages."""

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from common.config.schema import OptimizerConfig, SchedulerConfig
from common.errors import UserError
from common.runs.address import run_folder, run_identity
from lightning_modules.extensions import build_extra_callbacks, build_loggers, check_extensions
from lightning_modules.optimizers import build_optimizer, build_scheduler
from tests.helpers.training import small_config

RATE = "+callbacks.extra.rate={_target_: pytorch_lightning.callbacks.LearningRateMonitor, logging_interval: step}"


def test_extra_callbacks_and_loggers_are_built_for_a_stage(tmp_path):
    logger = "+logger.extra.own={_target_: pytorch_lightning.loggers.CSVLogger, save_dir: '{run}', name: '{stage}'}"
    config = small_config(tmp_path, RATE, logger, "logger.tensorboard=true")
    assert [callback.logging_interval for callback in build_extra_callbacks(config, tmp_path, "1-head")] == ["step"]
    loggers = build_loggers(config, tmp_path, "1-head")
    assert [type(each) for each in loggers] == [CSVLogger, TensorBoardLogger, CSVLogger]
    assert loggers[-1].root_dir == str(tmp_path / "1-head")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+callbacks.extra.x={_target_: pytorch_lightning.callbacks.Absent}", "callbacks.extra.x"),
        ("+callbacks.extra.x={_target_: pytorch_lightning.callbacks.Timer, absent: 1}", "absent"),
        ("+callbacks.extra.x={_target_: collections.Counter}", "Callback"),
        ("+callbacks.extra.x={every: 1}", "_target_"),
        ("+logger.extra.x={_target_: no_such_package.Logger}", "install"),
    ],
)
def test_a_wrong_extension_is_a_user_error(tmp_path, override, words):
    with pytest.raises(UserError, match=words):
        check_extensions(small_config(tmp_path, override))


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_logger_without_its_package_names_the_remedy(tmp_path, name):
    try:
        __import__(name)
    except ImportError:
        with pytest.raises(UserError, match=rf"logger\.extra\.{name}.*pyproject\.toml"):
            check_extensions(small_config(tmp_path, f"logger={name}"))


def test_a_run_without_extensions_keeps_its_address(tmp_path):
    def address(*overrides):
        config = small_config(tmp_path, *overrides)
        return run_folder(config, run_identity(config, {}))

    identity = run_identity(small_config(tmp_path), {})["config"]
    assert "extra" not in identity["callbacks"]
    assert not {"args", "interval"} & identity["scheduler"].keys()
    assert address() == address("logger.csv=false")
    assert address() != address(RATE)


def test_optimizers_and_schedules_by_dotted_path():
    optimizer = build_optimizer(
        OptimizerConfig(name="timm.optim.Lion", args={}), [torch.nn.Parameter(torch.zeros(1))], 0.1
    )
    schedule = SchedulerConfig(
        name="torch.optim.lr_scheduler.StepLR", args={"step_size": 1, "gamma": 0.5}, interval="epoch"
    )
    entry = build_scheduler(schedule, optimizer, 0.1, 10)
    optimizer.step()
    entry["scheduler"].step()
    assert (entry["interval"], entry["scheduler"].get_last_lr()) == ("epoch", [0.05])


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [("torch.optim.Absent", {}, "torch.optim.Absent"), ("torch.nn.Linear", {}, "no Optimizer")],
)
def test_a_wrong_dotted_path_is_a_user_error(name, args, words):
    with pytest.raises(UserError, match=words):
        build_optimizer(OptimizerConfig(name=name, args=args), [torch.nn.Parameter(torch.zeros(1))], 0.1)
