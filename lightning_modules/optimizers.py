"""How a network is trained: optimisers and schedules by their names in torch.optim, or by the path of any class."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hydra.utils import get_class
from torch import nn, optim
from torch.optim import lr_scheduler

from karyocyte.common.config.schema import LossConfig, OptimizerConfig, SchedulerConfig, StageConfig
from karyocyte.common.errors import UserError, first_line

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingSettings:
    """How a classifier is trained; a stage has its own learning rate, and may have another optimiser."""

    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig(name="Adam")
    scheduler: SchedulerConfig = SchedulerConfig(name="none")
    lr: float = 1e-3


def stage_optimizer(optimizer: OptimizerConfig, stage: StageConfig | None) -> OptimizerConfig:
    """Return the optimiser of a stage: its own, with the defaults of torch, or that of the run."""
    if stage is None or stage.optimizer in (None, optimizer.name):
        return optimizer
    return optimizer.model_copy(update={"name": stage.optimizer, "args": {}})


def build_optimizer(config: OptimizerConfig, parameters: Sequence[nn.Parameter], rate: float) -> optim.Optimizer:
    """Return the optimiser over ``parameters`` at learning rate ``rate``.

    Raises:
        UserError: The name or an argument is unknown; of torch.optim close names are given.
    """
    path = config.name
    if "." not in path:
        if path not in optim.__all__:
            near = difflib.get_close_matches(path, optim.__all__, n=3, cutoff=0.4) or optim.__all__
            raise UserError(f"optimizer {path!r} is not in torch.optim: did you mean {' or '.join(near)}?")
        path = f"torch.optim.{path}"
    return _build(path, "optimizer", optim.Optimizer, config.args, parameters, lr=rate)


def build_scheduler(config: SchedulerConfig, optimizer: optim.Optimizer, steps: int) -> dict[str, Any] | None:
    """Return Lightning's scheduler entry for one stage of ``steps`` optimiser steps; None for a constant rate.

    Raises:
        UserError: There is no such class, or it refuses an argument.
    """
    if config.name == "none":
        return None
    if "." in config.name:
        other = _build(config.name, "scheduler", lr_scheduler.LRScheduler, config.args, optimizer)
        return {"scheduler": other, "interval": config.interval}
    scheduler: lr_scheduler.LRScheduler
    if config.name == "one_cycle":
        rate = float(optimizer.param_groups[0]["lr"])
        # The momentum is the optimiser's business: cycling it would give RMSprop one that it was not asked to have.
        scheduler = lr_scheduler.OneCycleLR(
            optimizer, rate, max(steps, 1), pct_start=config.warmup, cycle_momentum=False
        )
    else:
        warmup = int(config.warmup * steps)
        scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(steps - warmup, 1))
        if warmup:
            rise_first = lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup)
            scheduler = lr_scheduler.SequentialLR(optimizer, [rise_first, scheduler], milestones=[warmup])
    return {"scheduler": scheduler, "interval": "step"}


def _build(path: str, key: str, kind: type[T], args: dict[str, Any], *given: Any, **more: Any) -> T:
    """Build an instance of the class at a dotted path, which must be a ``kind``."""
    try:
        cls = get_class(path)
    except Exception as error:  # Hydra wraps whatever the import raises
        raise UserError(f"{key}.name={path}: {first_line(error)}") from error
    if not issubclass(cls, kind):
        raise UserError(f"{key}.name={path} is no {kind.__name__} of torch")
    try:
        return cls(*given, **more, **args)
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}.args {args} do not fit {path}: {error}") from error
