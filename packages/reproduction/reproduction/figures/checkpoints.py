"""The checkpoints that check and adjust saves, with their accuracy (paper 002, Algorithm 1 and figure 3)."""

from pathlib import Path

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.evaluation.plots.plots import COLOURS, canvas
from karyocyte.runs.files import RunFolder
from karyocyte.runs.run import Run

TABLE = "check_and_adjust.csv"
REACHED = 0.9  # figure 3 counts the checkpoints that were saved before the training accuracy exceeded it
CHECKPOINTS = "checkpoints"  # the fact of that number


def checkpoints_of(run: Run) -> pd.DataFrame:
    """Return the saved checkpoints of a run: step, epoch, accuracy of the mini-batch, rate, and that of validation.

    Raises:
        UserError: Check and adjust was off.
    """
    tables = [pd.read_csv(file) for file in sorted((run.folder / RunFolder.LOGS).glob(f"*/{TABLE}"))]
    if not tables:
        raise UserError(f"{run.folder} has no {TABLE}: train it with callbacks=paper_002")
    return pd.concat(tables, ignore_index=True)


def count_checkpoints(run: Run) -> dict[str, int]:
    """Return how many checkpoints were saved before a mini-batch had an accuracy above REACHED; {} without any."""
    try:
        accuracy = checkpoints_of(run)["accuracy"]
    except UserError:
        return {}
    return {CHECKPOINTS: int((~(accuracy > REACHED).cummax()).sum())}


def draw_checkpoints(path: Path, table: pd.DataFrame) -> None:
    """Draw the accuracy of training and validation at each checkpoint, an axis per run (figure 3)."""
    groups = list(table.groupby(["name", "seed"], sort=False))
    with canvas(path, (4.0 * len(groups), 3.5), {"name": "accuracy of the saved checkpoints"}) as figure:
        axes = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
        for axis, ((name, seed), rows) in zip(axes, groups, strict=True):
            parts = {"accuracy": "mini-batch", "val/acc": "validation"}
            for colour, (column, label) in zip(COLOURS, parts.items(), strict=False):
                axis.plot(rows["step"], rows[column], "o-", color=colour, label=label)
            axis.set(title=f"{name}, seed {seed}", xlabel="step", ylim=(0, 1))
        axes[0].legend()
