"""The best of the checkpoints that check and adjust has saved (paper 002, 3.2)."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from common.files import atomic_path, write_csv
from lightning_modules.callbacks import CheckAndAdjust
from lightning_modules.callbacks.check_and_adjust import SavedWeights
from lightning_modules.distributed import first_does

COLUMNS = ("step", "epoch", "reason", "accuracy", "lr")


def validate_saved(
    saved: Sequence[SavedWeights],
    folder: Path,
    table: Path,
    validate: Callable[[Path], Mapping[str, float]],
    monitor: str,
    mode: Literal["min", "max"],
) -> tuple[str, float] | None:
    """Validate every saved checkpoint, and write them into a table.

    Args:
        saved: What the stage has saved.
        folder: Where it lies.
        table: The CSV file to write: step, epoch, reason, accuracy (of the mini-batch), lr, the monitored metric.
        validate: Returns the metrics of a checkpoint on the whole validation part.
        monitor: The metric that decides.
        mode: Whether the least or the largest is best.

    Returns:
        The best one's file name and its metric; of equals the earliest. None where no checkpoint has a finite metric.
    """
    scores = np.array([float(validate(folder / each.file)[monitor]) for each in saved])
    frame = pd.DataFrame([asdict(each) for each in saved], columns=list(COLUMNS)).assign(**{monitor: scores})
    first_does(lambda: write_csv(table, frame))
    if not np.isfinite(scores).any():
        return None
    if mode == "min":
        worst = np.inf
    else:
        worst = -np.inf
    finite = np.where(np.isfinite(scores), scores, worst)
    best = int(finite.argmin() if mode == "min" else finite.argmax())
    return saved[best].file, float(scores[best])


def keep(file: Path, best: Path) -> None:
    """Put a copy of a checkpoint in the place of the stage's best one."""
    with atomic_path(best) as temporary:
        shutil.copyfile(file, temporary)


def remove_saved(folder: Path) -> None:
    """Remove the checkpoints of a stage that is recorded as finished."""
    for path in folder.glob(CheckAndAdjust.PATTERN):
        path.unlink()
