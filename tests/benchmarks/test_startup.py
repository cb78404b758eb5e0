"""What a job imports before its first batch, and how its start is timed."""

import pytest

from benchmarks.startup import first_batch, imports_by_library
from common.errors import UserError

# What only later steps, other commands or an asked-for key need.
NEEDLESS = {
    "captum",
    "cma",
    "jinja2.environment",
    "onnx",
    "onnxruntime",
    "optuna",
    "pytorch_grad_cam",
    "scripts",
    "tensorboard",
    "typer",
}


def test_a_job_imports_nothing_before_its_first_batch_that_it_does_not_need(tmp_path):
    network = ["model=resnet18", "model.cut=layer1", "prepare.size=32", "loader.batch_size=4"]
    data = ["data=synthetic", "data.images=40", "data.subjects=10", "data.size=32", "weights=random"]
    start = first_batch("train.py", tmp_path, [*network, *data, "logger.tensorboard=false"])
    assert "torch" in start["modules"]
    assert not NEEDLESS & set(start["modules"])
    seconds = imports_by_library(start["stderr"])
    assert {"torch", "timm", "Lightning", "Hydra", "our modules", "other libraries"} <= set(seconds)
    assert 0 < sum(seconds.values()) < start["seconds"]


def test_a_job_that_fails_is_no_measurement(tmp_path):
    with pytest.raises(UserError, match="no_such_key"):
        first_batch("train.py", tmp_path, ["no_such_key=1"])


def test_imports_are_added_up_by_library():
    stderr = """import time: self [us] | cumulative | imported package
import time:   1000000 |    1000000 |     torch._C
import time:    500000 |    1500000 |   torch
a warning | 7 | torch
import time:    250000 |    1750000 | common.cli
import time:    250000 |     250000 | PIL.Image
"""
    assert imports_by_library(stderr) == {"torch": 1.5, "our modules": 0.25, "other libraries": 0.25}
