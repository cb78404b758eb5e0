"""Optimisers and schedules by the dotted names of their classes."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from karyocyte.common.errors import UserError
from karyocyte.config.schema import OptimizerConfig, SchedulerConfig, StageConfig
from lightning_modules.optimizers import build_optimizer, build_scheduler

PARAMETERS = [nn.Parameter(torch.ones(2))]


def sgd():
    return torch.optim.SGD(PARAMETERS, lr=0.1)


def rates(config, steps=20):
    optimizer = sgd()
    entry = build_scheduler(config, optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        entry["scheduler"].step()
    return rates


def test_optimizers_and_schedules_of_any_package():
    optimizer = build_optimizer(OptimizerConfig(_target_="timm.optim.Lamb", betas=[0.8, 0.9]), PARAMETERS, 0.1)
    assert optimizer.param_groups[0]["betas"] == [0.8, 0.9]  # no list of OmegaConf's, which would be in checkpoints
    step = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.5}
    schedule = SchedulerConfig(**step)
    entry = build_scheduler(schedule, optimizer, 10)
    optimizer.step()
    entry["scheduler"].step()
    assert (entry["interval"], entry["scheduler"].get_last_lr()) == ("step", [0.05])


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"_target_": "torch.optim.RMSProp"}, "optimizer: torch.optim.RMSProp: .* did you mean .*RMSprop"),
        ({"_target_": "Adam"}, "correct optimizer._target_"), ({"_target_": "absent.Adam"}, "No module named 'absent'"),
        ({"_target_": "torch.optim.Adam", "momentum": 0.9}, "leave it out: '~optimizer.momentum'"),
        ({"_target_": "torch.optim.SGD", "lr": 0.1}, "optimizer.lr belongs to a stage"),
        ({"_target_": "torch.nn.Linear"}, "torch.nn.Linear is no torch.optim.*Optimizer"),
    ],
)  # fmt: skip
def test_wrong_names_and_arguments_are_user_errors(entry, words):
    with pytest.raises(UserError, match=words):
        build_optimizer(OptimizerConfig(**entry), PARAMETERS, 0.1)


@pytest.mark.parametrize(
    ("config", "entry"),
    [
        (OptimizerConfig, "torch.optim.SGD"), (OptimizerConfig, {"_target_": None}),
        (SchedulerConfig, {"_target_": None, "warmup": 0.1}),
        (StageConfig, {"lr": 0.1, "optimizer": "Adam"}), (StageConfig, {"lr": 0.1, "head_lr": 0.2}),
    ],
)  # fmt: skip
def test_what_would_have_no_effect_is_refused(config, entry):
    with pytest.raises(ValidationError):
        config.model_validate(entry)


def test_schedules_rise_and_fall_as_named():
    assert build_scheduler(SchedulerConfig(), sgd(), 20) is None
    cosine = rates(schedule("cosine", warmup=0.0))
    assert cosine[0] == pytest.approx(0.1)
    assert cosine == sorted(cosine, reverse=True)
    assert cosine[-1] < 0.001
    warm = rates(schedule("cosine", warmup=0.25))
    assert warm[0] == pytest.approx(0.02)
    assert max(warm) == warm[5] == pytest.approx(0.1)
    cycle = rates(schedule("one_cycle", warmup=0.3))
    assert max(cycle) == pytest.approx(0.1, rel=0.05)
    assert max(cycle[0], cycle[-1]) < 0.01
    late = rates(schedule("one_cycle", warmup=0.8))
    assert late.index(max(late)) > 0.7 * len(late) > 2 * cycle.index(max(cycle))


def schedule(name, **arguments):
    return SchedulerConfig(_target_=f"lightning_modules.optimizers.{name}", **arguments)
