"""The karyotypes of the test cells of finished runs: abnormal cells detected, referral to an expert, suspect labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from common.cli import console, say, warn
from common.config.karyotype import KaryotypePriors
from common.config.schema import EvaluationConfig
from common.errors import UserError
from common.predictions import Predictions
from common.runs.run import Run
from common.text import counted
from evaluation.cytogenetics.cell_posteriors import balance_warnings
from evaluation.cytogenetics.karyotypes import CAPTION, DERIVED_CAPTION, compare_detection, known_kinds
from evaluation.cytogenetics.referral import write_referral
from evaluation.homologues.decisions import ComparedCells, compare_cells
from evaluation.terminal import frame_table
from workflows.suspect_labels import write_suspects

REFERRAL_SHOWN = ["referred", "threshold", "cells", "wrong", "low", "high", "chosen_by"]
SUSPECTS_SHOWN = ["case_id", "cell_id", "cell_chromosomes", "cell_gain", "cell_moves"]


@dataclass(frozen=True)
class PairRuns:
    """Runs that compare homologues, all folds, and the share of normal cells that may be false alarms, 0 to 1."""

    runs: Sequence[Run] = ()
    false_alarms: float = 0.05


def detect_abnormal_cells(
    chromosome_runs: Sequence[Run], karyogram_runs: Sequence[Run], pairs: PairRuns, settings: EvaluationConfig
) -> pd.DataFrame:
    """Print and return which cells are predicted abnormal by counting, comparing, and a network on karyograms."""
    compared = _compare_cells(chromosome_runs, pairs) if pairs.runs else None
    chromosomes = [run.predictions for run in chromosome_runs]
    table = compare_detection(chromosomes, [run.predictions for run in karyogram_runs], settings, compared)
    for (method, derived), rows in table.groupby(["method", table["sizes"].notna()], sort=False):
        title = f"{'derived in normal cells' if derived else 'cells'} predicted abnormal, {method}"
        shown = rows.drop(columns=["method", "cases_found"]) if derived else rows.drop(columns="method")
        console.print(frame_table(shown.dropna(axis=1, how="all"), title))
    console.print(CAPTION)
    if compared:
        console.print(DERIVED_CAPTION)
    return table


def _compare_cells(chromosome_runs: Sequence[Run], pairs: PairRuns) -> ComparedCells:
    """Call test cells by the comparison of their homologues, and say by how many cells the thresholds are chosen."""
    found = []
    for run in pairs.runs:
        if run.pairs is None:
            raise UserError(f"{run.folder} compares no homologues: name runs of +experiment=homologue_pairs")
        found.append(run.pairs)
    predicted = [each for run in chromosome_runs for each in (run.predictions, *_training(run))]
    predictions = [run.predictions for run in pairs.runs]
    compared = compare_cells(predictions, found, known_kinds(predicted), pairs.false_alarms)
    for each in compared.thresholds:
        cells = f"{counted(each.cells, 'normal validation cell')}, {each.left_out} abnormal or unknown left out"
        say(f"threshold of fold {each.fold}: {each.value:.2f}, by {cells}")
    return compared


def _training(run: Run) -> list[Predictions]:
    """Return the predictions of a run's training images where there are those of all, which tell whole cells."""
    train = run.predictions_train
    if train is None or len(train.frame) < (run.split["part"] == "train").sum():
        return []
    return [train]


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
