"""The best of the checkpoints that check and adjust has saved (paper 002, 3.2)."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from common.config.schema import CallbacksConfig
from common.files import atomic_path, write_csv
from lightning_modules.callbacks import CheckAndAdjust
from lightning_modules.callbacks.check_and_adjust import SavedWeights
from lightning_modules.distributed import on_rank_zero

COLUMNS = ("step", "epoch", "reason", "accuracy", "lr")


def validate_saved(
    saved: Sequence[SavedWeights], folder: Path, table: Path, validate: Callable[[Path], float], config: CallbacksConfig
) -> tuple[Path, float] | None:
    """Validate every saved checkpoint, and write them into a table.

    Args:
        saved: What the stage has saved.
        folder: The folder of the checkpoints.
        table: The CSV file to write: step, epoch, reason, accuracy (of the mini-batch), lr, the monitored metric.
        validate: Returns the monitored metric of a checkpoint on the whole validation part.
        config: Names the monitored metric, and whether the least or the largest is best.

    Returns:
        The best checkpoint and its metric; of equal ones the earliest. None where no checkpoint has a finite metric.
    """
    scores = np.array([validate(folder / each.file) for each in saved], dtype=np.float64)
    frame = pd.DataFrame([asdict(each) for each in saved], columns=list(COLUMNS)).assign(**{config.monitor: scores})
    on_rank_zero(write_csv, table, frame)
    if not np.isfinite(scores).any():
        return None
    losses = scores if config.mode == "min" else -scores
    best = int(np.where(np.isfinite(scores), losses, np.inf).argmin())
    return folder / saved[best].file, float(scores[best])


def copy_checkpoint(file: Path, best: Path) -> None:
    """Put a copy of a checkpoint in the place of the stage's best one."""
    with atomic_path(best) as temporary:
        shutil.copyfile(file, temporary)


def remove_saved(folder: Path) -> None:
    """Remove the checkpoints of check and adjust of a finished stage."""
    for path in folder.glob(CheckAndAdjust.PATTERN):
        path.unlink()
