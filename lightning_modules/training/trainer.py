"""Lightning's Trainer for one fit, validation or prediction."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import RichProgressBar
from pytorch_lightning.loggers import Logger

from karyocyte.common.cli import console, warn_once
from karyocyte.common.errors import UserError
from karyocyte.common.files import write_bytes
from karyocyte.config.schema import TrainingConfig
from lightning_modules.callbacks.best_checkpoint import BestCheckpoint
from lightning_modules.callbacks.loaders import EndsWorkers, LoaderLimit
from lightning_modules.support.compat import disable_signal_handlers, has_bfloat16
from lightning_modules.support.distributed import UnevenDDPStrategy, cluster_environment, current_world
from lightning_modules.training.process import silence_lightning

NOT_LIGHTNINGS = {"max_epochs", "max_images", "channels_last", "matmul_precision"}  # not keys of Lightning
REFRESHES = 20  # of the progress bar, per second; Lightning would draw it a hundred times


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a kill or a full disk in the middle leaves the old one.

    Lightning would write it to the machine's folder for temporary files first, which is small on many nodes.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write ``checkpoint`` to ``path``; after an OSError, such as of a full disk, nothing of it is left."""
        content = io.BytesIO()  # given a file, torch would not say that the disk is full
        torch.save(checkpoint, content)
        write_bytes(Path(path), content.getbuffer())


def build_trainer(
    config: TrainingConfig,
    epochs: int | None = None,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
) -> Trainer:
    """Return a Trainer that joins the present process group; ``epochs`` are None for a validation or a prediction."""
    silence_lightning()
    torch.set_float32_matmul_precision(config.trainer.matmul_precision)
    settings: dict[str, Any] = config.trainer.model_dump(exclude=NOT_LIGHTNINGS)
    world = current_world()
    if world.size == 1:  # also where one process alone loads a run of several
        settings.update(devices=1, num_nodes=1, sync_batchnorm=False)
    else:
        settings.update(strategy=UnevenDDPStrategy())
    all_callbacks = [EndsWorkers(), *callbacks]
    settings["enable_progress_bar"] &= world.is_first and console.is_terminal  # in a file each bar would be a line
    if settings["enable_progress_bar"]:
        all_callbacks.append(RichProgressBar(refresh_rate=REFRESHES))
    timeout = config.loader.timeout
    trainer = Trainer(
        **settings,
        plugins=[cluster_environment(world, config.trainer), WholeFiles()],
        max_epochs=epochs,
        callbacks=all_callbacks,
        profiler=LoaderLimit(timeout) if timeout else None,
        logger=list(loggers),
        # The order is ours to choose (EpochBatchSampler), under DDP too.
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_checkpointing=BestCheckpoint in map(type, all_callbacks),
    )
    disable_signal_handlers(trainer)
    return trainer


def _warn_of_bfloat16(precision: str) -> None:
    if precision.startswith("bf16") and not has_bfloat16():
        remedy = "this CPU has no instructions for bfloat16, which slows most networks: set trainer.precision=32-true"
        warn_once(f"trainer.precision={precision}: {remedy}")


def check_trainer(config: TrainingConfig) -> None:
    """Check that the device exists and that Lightning accepts the keys of ``trainer``.

    Raises:
        UserError: It does not.
    """
    trainer = config.trainer
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    available["gpu"] = available["cuda"] or available["mps"]
    if not available.get(trainer.accelerator, True):
        raise UserError(
            f"trainer.accelerator={trainer.accelerator}, but torch {torch.__version__} sees no such device here: "
            "use trainer.accelerator=cpu or auto"
        )
    if trainer.sync_batchnorm and not (available["cuda"] and trainer.accelerator in ("auto", "gpu", "cuda")):
        raise UserError(
            "trainer.sync_batchnorm=true is for GPUs: leave it false, or set batchnorm: frozen for the unfreeze.stages"
        )
    if trainer.accelerator == "cpu" or (trainer.accelerator == "auto" and not available["gpu"]):
        _warn_of_bfloat16(trainer.precision)
    try:
        build_trainer(config, 1)
    except Exception as error:  # Lightning raises half a dozen kinds; each says which argument it refuses
        raise UserError(f"trainer: {' '.join(str(error).split())}") from error
