"""Optimisers and learning-rate schedules by their names in torch.optim, or by the dotted path of any class."""

import difflib
import inspect
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from hydra.utils import get_class
from torch import nn, optim
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from common.config.schema import OptimizerConfig, SchedulerConfig
from common.errors import UserError
from lightning_modules.backbones.truncation import first_line

T = TypeVar("T")

NEVER = sys.maxsize  # by Lightning: the callback PlateauStep steps this scheduler


def optimizer_class(name: str) -> Callable[..., optim.Optimizer]:
    """Return an optimiser's class by its name in torch.optim, or by its dotted path.

    Raises:
        UserError: There is no such optimiser; of torch.optim close names are given.
    """
    if "." in name:
        return _class_at(name, "optimizer.name", optim.Optimizer)
    names = {
        key: value
        for key, value in vars(optim).items()
        if inspect.isclass(value) and issubclass(value, optim.Optimizer) and value is not optim.Optimizer
    }
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or sorted(names)
        raise UserError(f"optimizer {name!r} is not in torch.optim: did you mean {' or '.join(near)}?")
    return names[name]


def build_optimizer(config: OptimizerConfig, parameters: list[nn.Parameter], rate: float) -> optim.Optimizer:
    """Return the optimiser over ``parameters`` at learning rate ``rate``.

    Raises:
        UserError: The name or an argument is unknown to torch.optim.
    """
    try:
        return optimizer_class(config.name)(parameters, lr=rate, **config.args)
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer.args {config.args} do not fit {config.name}: {error}") from error


def build_scheduler(
    config: SchedulerConfig, optimizer: optim.Optimizer, rate: float, steps: int
) -> dict[str, Any] | None:
    """Return Lightning's scheduler entry for one stage of ``steps`` optimiser steps; None for a constant rate."""
    warmup = int(config.warmup * steps)
    if config.name == "none":
        return None
    if "." in config.name:
        other = _class_at(config.name, "scheduler.name", LRScheduler)
        try:
            return {"scheduler": other(optimizer, **config.args), "interval": config.interval}
        except (TypeError, ValueError) as error:
            raise UserError(f"scheduler.args {config.args} do not fit {config.name}: {error}") from error
    if config.name == "plateau":
        plateau = ReduceLROnPlateau(optimizer, factor=config.factor, patience=config.patience)
        return {"scheduler": plateau, "interval": "epoch", "monitor": "val/loss", "frequency": NEVER}
    scheduler: LRScheduler
    if config.name == "one_cycle":
        # The momentum is the optimiser's business: cycling it would give RMSprop one that it was not asked to have.
        scheduler = OneCycleLR(
            optimizer, max_lr=rate, total_steps=max(steps, 1), pct_start=config.warmup, cycle_momentum=False
        )
    else:
        scheduler = CosineAnnealingLR(optimizer, T_max=max(steps - warmup, 1))
        if warmup:
            rise_first = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup)
            scheduler = SequentialLR(optimizer, [rise_first, scheduler], milestones=[warmup])
    return {"scheduler": scheduler, "interval": "step"}


def _class_at(path: str, key: str, kind: type[T]) -> type[T]:
    """Return the class at a dotted path, which must be a ``kind``."""
    try:
        cls = get_class(path)
    except Exception as error:  # Hydra wraps whatever the import raises
        raise UserError(f"{key}={path}: {first_line(error)}") from error
    if not issubclass(cls, kind):
        raise UserError(f"{key}={path} is no {kind.__name__} of torch")
    return cls
