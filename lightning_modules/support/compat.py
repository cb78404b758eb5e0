"""Private interfaces of torch, timm and Lightning, each behind one function: the place to look after an upgrade."""

import platform
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from timm.models._hub import load_model_config_from_path
from torch import nn
from torch.optim.swa_utils import AveragedModel


def abort_process_group() -> None:
    """Break the connections to the other ranks without waiting for them."""
    dist.distributed_c10d._abort_process_group()


def disable_signal_handlers(trainer: Trainer) -> None:
    """Keep Lightning from handling signals: ``preemption.py`` does; its handler would end a training unsaved."""
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]  # there is no setting


def is_last_batch(trainer: Trainer) -> bool:
    """Whether the newest training batch is the last of its epoch."""
    return trainer.fit_loop.epoch_loop.batch_progress.is_last_batch


def average_model(averaging: WeightAveraging) -> AveragedModel:
    """Return the averaged model of a callback whose fit has begun."""
    assert averaging._average_model is not None
    return averaging._average_model


def swap_models(averaging: WeightAveraging, model: LightningModule) -> None:
    """Swap the weights of the model and of its average."""
    averaging._swap_models(model)


def forget_buffers(module: nn.Module) -> None:
    """Keep the buffers of a module out of its state_dict."""
    for each in module.modules():
        each._non_persistent_buffers_set.update(each._buffers)


def seed_cpu(seed: int) -> None:
    """Seed the CPU alone: ``torch.manual_seed`` looks for every other kind of device, a tenth of a millisecond."""
    torch.default_generator.manual_seed(seed)


def has_bfloat16() -> bool:
    """Return False if an x86 processor lacks the instructions of AVX-512 for bfloat16; others are not examined."""
    return platform.machine() not in ("x86_64", "AMD64") or torch.cpu._is_avx512_bf16_supported()


def timm_folder_config(folder: Path) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return what config.json of a folder in timm's form says: facts about the weights, the network, its arguments."""
    facts: tuple[dict[str, Any], str, dict[str, Any]] = load_model_config_from_path(folder)
    return facts
