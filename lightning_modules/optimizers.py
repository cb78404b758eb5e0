"""How a network is trained: its optimiser, and the schedules of the learning rate that ``conf/scheduler`` names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn, optim
from torch.optim import lr_scheduler

from karyocyte.common.errors import UserError, close_names
from karyocyte.common.paths import CONF
from karyocyte.config.build import build
from karyocyte.config.defaults import section_defaults
from karyocyte.config.schema import LossConfig, OptimizerConfig, SchedulerConfig


@dataclass(frozen=True)
class TrainingSettings:
    """How a classifier is trained; a stage has its own learning rate, and may have another optimiser."""

    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    lr: float = 1e-3


def named_optimizer(name: str) -> OptimizerConfig:
    """Return what a file of conf/optimizer/ says; a ``UserError`` lists them where there is none of the name."""
    names = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml"))
    if name not in names:
        raise UserError(f"there is no optimizer {name}: {close_names(name, names)}")
    return OptimizerConfig.model_validate(section_defaults(f"optimizer/{name}"))


def build_optimizer(
    config: OptimizerConfig,
    parameters: Sequence[nn.Parameter] | Sequence[dict[str, Any]],
    rate: float,
    key: str = "optimizer",
) -> optim.Optimizer:
    """Return the optimiser over ``parameters``, or groups of them, at learning rate ``rate`` where a group has none.

    Raises:
        UserError: There is no such class, or it refuses an argument; ``key`` is where it is named.
    """
    if "lr" in config.entry:
        raise UserError(f"{key}.lr belongs to a stage: set unfreeze.lr, or unfreeze.stages.<name>.lr")
    return build(key, {**config.entry, "lr": rate}, optim.Optimizer, parameters)


def build_scheduler(
    config: SchedulerConfig, optimizer: optim.Optimizer, steps: int, key: str = "scheduler"
) -> dict[str, Any] | None:
    """Return Lightning's scheduler entry for one stage of ``steps`` optimiser steps; None for a constant rate.

    Raises:
        UserError: There is no such class, or it refuses an argument; ``key`` is where it is named.
    """
    if config.target is None:
        return None
    scheduler = build(key, config.entry, lr_scheduler.LRScheduler, optimizer, steps=max(steps, 1))
    return {"scheduler": scheduler, "interval": "step"}


def cosine(optimizer: optim.Optimizer, steps: int, warmup: float) -> lr_scheduler.LRScheduler:
    """Return the schedule that rises in the share ``warmup`` of the steps, 0 to 1, and falls to 0 by a cosine."""
    if not 0 <= warmup < 1:
        raise ValueError(f"warmup={warmup} must be from 0 to below 1")
    rise = int(warmup * steps)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(steps - rise, 1))
    if not rise:
        return fall
    rise_first = lr_scheduler.LinearLR(optimizer, start_factor=1 / rise, total_iters=rise)
    return lr_scheduler.SequentialLR(optimizer, [rise_first, fall], milestones=[rise])


def one_cycle(optimizer: optim.Optimizer, steps: int, warmup: float) -> lr_scheduler.LRScheduler:
    """Return one cycle (Smith 2018): up in the share ``warmup`` of the steps, then down to almost 0."""
    if not 0 < warmup < 1:
        raise ValueError(f"warmup={warmup}: it rises first: set scheduler.warmup above 0, such as 0.3")
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    # The momentum is the optimiser's business: cycling it would give RMSprop one that it was not asked to have.
    return lr_scheduler.OneCycleLR(optimizer, rates, steps, pct_start=warmup, cycle_momentum=False)
