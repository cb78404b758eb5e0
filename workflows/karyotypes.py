"""The karyotypes of the test cells of finished runs: abnormal cells detected, referral to an expert, suspect labels."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.cli import console, warn
from common.config.karyotype import KaryotypePriors
from common.config.schema import EvaluationConfig
from common.runs.run import Run
from evaluation.cytogenetics.cell_posteriors import balance_warnings
from evaluation.cytogenetics.karyotypes import CAPTION, compare_detection
from evaluation.cytogenetics.referral import write_referral
from evaluation.terminal import frame_table
from workflows.suspect_labels import write_suspects

REFERRAL_SHOWN = ["referred", "threshold", "cells", "wrong", "low", "high", "chosen_by"]
SUSPECTS_SHOWN = ["case_id", "cell_id", "cell_chromosomes", "cell_gain", "cell_moves"]


def detect_abnormal_cells(
    chromosome_runs: Sequence[Run], karyogram_runs: Sequence[Run], settings: EvaluationConfig
) -> pd.DataFrame:
    """Print and return which cells are predicted abnormal by counting, and by a network on karyograms."""
    chromosomes = [run.predictions for run in chromosome_runs]
    table = compare_detection(chromosomes, [run.predictions for run in karyogram_runs], settings)
    for method, rows in table.groupby("method", sort=False):
        console.print(frame_table(rows.drop(columns="method"), f"cells predicted abnormal, {method}"))
    console.print(CAPTION)
    return table


def refer_cells(folder: Path, runs: Sequence[Run]) -> None:
    """Write the karyotype of each test cell and which cells to refer by its probability; print the latter."""
    predictions = [run.predictions for run in runs]
    warn(*balance_warnings(predictions))
    table = write_referral(folder, predictions, KaryotypePriors())
    title = "wrong karyotypes where the least probable cells are referred"
    console.print(frame_table(table[REFERRAL_SHOWN], title))


def list_suspects(folder: Path, runs: Sequence[Run], data_dir: str | None) -> None:
    """Write the cells whose labels look wrong, with a picture of each; print them."""
    warn(*balance_warnings([run.predictions for run in runs]))
    cells = write_suspects(folder, runs, data_dir).drop_duplicates(["case_id", "cell_id"])
    console.print(frame_table(cells[SUSPECTS_SHOWN], f"cells whose labels look wrong: {len(cells)}"))
