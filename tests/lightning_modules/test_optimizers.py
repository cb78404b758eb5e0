"""Optimisers and schedules by their names in torch, or by a dotted path."""

import pytest
import torch
from torch import nn

from karyocyte.common.config.schema import OptimizerConfig, SchedulerConfig, StageConfig
from karyocyte.common.errors import UserError
from lightning_modules.optimizers import build_optimizer, build_scheduler, stage_optimizer


def parameters():
    return [nn.Parameter(torch.ones(2))]


def sgd():
    return torch.optim.SGD(parameters(), lr=0.1)


def rates(config, steps=20):
    optimizer = sgd()
    entry = build_scheduler(config, optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        entry["scheduler"].step()
    return rates


def test_optimizers_and_schedules_by_dotted_path():
    optimizer = build_optimizer(OptimizerConfig(name="timm.optim.Lion", args={}), parameters(), 0.1)
    args = {"step_size": 1, "gamma": 0.5}
    schedule = SchedulerConfig(name="torch.optim.lr_scheduler.StepLR", args=args, interval="epoch")
    entry = build_scheduler(schedule, optimizer, 10)
    optimizer.step()
    entry["scheduler"].step()
    assert (entry["interval"], entry["scheduler"].get_last_lr()) == ("epoch", [0.05])


@pytest.mark.parametrize(
    ("named", "name", "args"),
    [(None, "SGD", {"momentum": 0.9}), ("SGD", "SGD", {"momentum": 0.9}), ("Adam", "Adam", {})],
)
def test_another_optimizer_of_a_stage_takes_no_arguments_of_the_runs(named, name, args):
    of_run = OptimizerConfig(name="SGD", args={"momentum": 0.9})
    assert stage_optimizer(of_run, StageConfig(lr=0.1, optimizer=named)) == OptimizerConfig(name=name, args=args)


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("RMSProp", {}, "RMSProp.*RMSprop"), ("Adam", {"momentum": 0.9}, "momentum"),
        ("torch.optim.Absent", {}, "torch.optim.Absent"), ("torch.nn.Linear", {}, "torch.nn.Linear is no Optimizer"),
    ],
)  # fmt: skip
def test_wrong_names_and_arguments_are_user_errors(name, args, words):
    with pytest.raises(UserError, match=words):
        build_optimizer(OptimizerConfig(name=name, args=args), parameters(), 0.1)


def test_schedules_rise_and_fall_as_named():
    assert build_scheduler(SchedulerConfig(), sgd(), 20) is None
    cosine = rates(SchedulerConfig(name="cosine"))
    assert cosine[0] == pytest.approx(0.1)
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[-1] < 0.001
    warm = rates(SchedulerConfig(name="cosine", warmup=0.25))
    assert warm[0] == pytest.approx(0.02)
    assert max(warm) == warm[5] == pytest.approx(0.1)
    cycle = rates(SchedulerConfig(name="one_cycle", warmup=0.3))
    assert max(cycle) == pytest.approx(0.1, rel=0.05)
    assert max(cycle[0], cycle[-1]) < 0.01
