"""Optimisers and schedules by their names."""

import pytest
import torch
from torch import nn

from common.config.schema import OptimizerConfig, SchedulerConfig
from common.errors import UserError
from lightning_modules.optimizers import NEVER, build_optimizer, build_scheduler, optimizer_class


def parameters():
    return [nn.Parameter(torch.ones(2))]


def test_an_optimizer_by_its_torch_name_with_its_arguments():
    found = build_optimizer(OptimizerConfig(name="RMSprop", args={"alpha": 0.9}), parameters(), 5e-5)
    assert isinstance(found, torch.optim.RMSprop)
    assert found.param_groups[0]["lr"] == 5e-5
    assert found.param_groups[0]["alpha"] == 0.9


def test_wrong_names_and_arguments_are_user_errors():
    with pytest.raises(UserError, match="RMSprop"):
        optimizer_class("RMSProp")
    with pytest.raises(UserError, match=r"optimizer\.args"):
        build_optimizer(OptimizerConfig(name="Adam", args={"momentum": 0.9}), parameters(), 1e-3)


def rates(config, steps=20):
    optimizer = torch.optim.SGD(parameters(), lr=0.1)
    entry = build_scheduler(config, optimizer, 0.1, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        entry["scheduler"].step()
    return found


def test_schedules_rise_and_fall_as_named():
    assert build_scheduler(SchedulerConfig(), torch.optim.SGD(parameters(), lr=0.1), 0.1, 20) is None
    cosine = rates(SchedulerConfig(name="cosine"))
    assert cosine[0] == pytest.approx(0.1)
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[-1] < 0.001
    warm = rates(SchedulerConfig(name="cosine", warmup=0.25))
    assert warm[0] == pytest.approx(0.02)
    assert max(warm) == warm[5] == pytest.approx(0.1)
    cycle = rates(SchedulerConfig(name="one_cycle", warmup=0.3))
    assert max(cycle) == pytest.approx(0.1, rel=0.05)
    assert cycle[0] < 0.01
    assert cycle[-1] < 0.001
    plateau = build_scheduler(SchedulerConfig(name="plateau"), torch.optim.SGD(parameters(), lr=0.1), 0.1, 20)
    assert plateau["interval"] == "epoch"
    assert plateau["frequency"] == NEVER  # by Lightning, which would do so after the state for a resume is saved
