"""Settings of torch and Lightning for the whole process; imports no Lightning, which predictions do without."""

import logging
import os
import warnings

import torch

from karyocyte.common.memory import keep_freed_memory

SILENCED_WARNINGS = (
    ".*does not have many workers.*",  # the prepared cache is read faster than a worker is asked
    ".*smaller than the logging interval.*",
    ".*exists and is not empty.*",  # a resumed stage writes where it wrote
    ".*in eval mode at the start.*",  # frozen modules are meant to be
    ".*is not resumable.*",  # EpochBatchSampler is
    ".*isinstance.treespec, LeafSpec.*",  # between Lightning and torch
    ".*The `srun` command is available.*",  # a run of one process needs none, and others are checked by world_of
    ".*recommended to use .*sync_dist=True.*",  # the metrics are computed over all ranks
    ".*No (positive|negative) samples in targets.*",  # a short epoch without a class, see training_metrics
    ".*Grad strides do not match bucket view strides.*",  # DDP with channels_last: correct, but slower
)


def set_up_torch() -> None:
    """Configure torch and Lightning for the whole process, before the first computation.

    Denormal numbers, of very dark images, are flushed to zero: they slow training on a CPU several times.
    """
    keep_freed_memory()
    if not torch.cuda.is_available():
        # Lightning's; torch would look for the driver's library in every step of Adam.
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    torch.set_flush_denormal(True)
    # With deterministic algorithms torch would fill every new tensor with NaN, a tenth of a step of MobileNetV2.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    silence_lightning()


def silence_lightning() -> None:
    """Silence Lightning's notes about devices, its tips, and its advice that does not fit here; warnings stay."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in SILENCED_WARNINGS:
        warnings.filterwarnings("ignore", message)
