"""Callbacks and loggers of other packages."""

import pytest
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from karyocyte.common.errors import UserError
from karyocyte.runs.address import run_folder, run_identity
from karyocyte.runs.stages import planned_stages
from lightning_modules.training.extensions import build_callbacks, build_loggers, check_extensions
from tests.helpers.training import small_config

RATE = "+callbacks.extra.rate={_target_: pytorch_lightning.callbacks.LearningRateMonitor, logging_interval: step}"
SWA = "{_target_: pytorch_lightning.callbacks.StochasticWeightAveraging, swa_lrs: 0.01}"


def test_extra_callbacks_and_loggers_are_built_for_a_stage(tmp_path):
    logger = "+logger.extra.own={_target_: pytorch_lightning.loggers.CSVLogger, save_dir: '{run}', name: '{stage}'}"
    config = small_config(tmp_path, RATE, logger, "logger.tensorboard=true")
    stage = planned_stages(config, tmp_path)[0]
    assert [callback.logging_interval for callback in build_callbacks(config, stage, "min")] == ["step"]
    loggers = build_loggers(config, stage)
    assert [type(each) for each in loggers] == [CSVLogger, TensorBoardLogger, CSVLogger]
    assert loggers[-1].root_dir == str(tmp_path / "1-head")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("+callbacks.extra.x={_target_: pytorch_lightning.callbacks.Absent}", "callbacks.extra.x"),
        ("+callbacks.extra.x={_target_: pytorch_lightning.callbacks.Timer, absent: 1}", "absent"),
        ("+callbacks.extra.x={_target_: collections.Counter}", "Callback"),
        ("+callbacks.extra.x={every: 1}", "_target_"),
        ("+logger.extra.x={_target_: no_such_package.Logger}", "No module named"),
        ("+callbacks.early_stopping.changes_result=false", "callbacks.early_stopping.changes_result"),
        (f"+callbacks.extra.x={SWA}", "its average comes after the last validation"),
    ],
)
def test_a_wrong_extension_is_a_user_error(tmp_path, override, words):
    with pytest.raises(UserError, match=words):
        check_extensions(small_config(tmp_path, override))


def test_what_only_watches_leaves_the_run_where_it_is(tmp_path):
    def address(*overrides):
        config = small_config(tmp_path, *overrides)
        return run_folder(config, run_identity(config, {}))

    timer = "+callbacks.extra.own={_target_: pytorch_lightning.callbacks.Timer%s}"
    assert address() == address("logger.tensorboard=false") == address(RATE)
    assert address() == address(timer % ", changes_result: false") == address(timer % ", enabled: false")
    assert address() != address(timer % "")
    assert address() != address("callbacks.early_stopping.patience=3")
