"""Whether the probabilities of karyotypes are right, and which cells to refer to an expert by them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.config.karyotype import KaryotypePriors
from common.files import write_csv
from common.karyotype import name_karyotype
from common.predictions import Predictions
from evaluation.cytogenetics.cases import share_constitution
from evaluation.cytogenetics.cell_karyotype import describe_cell
from evaluation.cytogenetics.cell_posteriors import CellPosterior, cell_posteriors
from evaluation.cytogenetics.posterior import Candidate
from evaluation.intervals.exact import share
from evaluation.intervals.pooling import pool

CONFIDENCE = 0.95
# Shares of the cells that are referred: those of the table.
REFERRED = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
# The share of its validation cells by which each run chooses the probability below which cells are referred.
OF_VALIDATION = 0.05
# What chose a threshold, in the table.
TEST = "test probabilities"
TEST_LABELS = "test labels"
VALIDATION = "validation"
KARYOTYPE_PY = "karyotype.py"
# Ends of the bins of the probability, finer where most cells are.
EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)


def cell_table(runs: Sequence[Predictions], priors: KaryotypePriors) -> pd.DataFrame:
    """Name the most probable karyotypes of every test cell whose chromosomes all have a label.

    The runs are one or the folds of one experiment, each calibrated on its own validation cells.

    Returns:
        A row per cell, fold after fold: ``subject``, ``cell``, ``chromosomes``, ``iscn`` (of the labels),
        ``predicted`` (the most probable karyotype), ``probability`` (0 to 1), ``next`` and ``next_probability``,
        ``correct`` (bool) and ``errors`` (chromosomes of a wrong class); ``with_case`` and ``with_case_probability``,
        the karyotype where the test cells of a subject share its constitution; ``refer_below``, the probability below
        which OF_VALIDATION of the run's validation cells lie; ``refer`` (bool): whether karyotype.py refers the cell
        by its own default. A cell without a karyotype has neither ``predicted`` nor ``errors``, and a probability of 0:
        it is referred first.

    Raises:
        UserError: See ``cell_posteriors``; or the runs cannot be pooled.
    """
    pool(list(runs))
    rows = []
    for run in runs:
        frame = run.part("test").frame
        cells = cell_posteriors(run, priors)
        with_case = _share_constitutions(frame, cells, priors)
        threshold = _validation_threshold(run, priors)
        for cell, best in zip(cells, with_case, strict=True):
            chromosomes = frame.iloc[cell.rows]
            if not chromosomes["label"].isna().any():
                rows.append(_row(chromosomes, cell, best) | {"refer_below": threshold})
    return pd.DataFrame(rows)


def referral_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Tabulate the wrong karyotypes among the cells that are left when the least probable ones are referred.

    Args:
        cells: Of ``cell_table``: ``subject``, ``probability``, ``correct``, ``refer_below`` and ``refer`` count.

    Returns:
        A row per share of REFERRED, one for the least share that leaves no wrong karyotype, which the labels of the
        test cells choose, one for the thresholds of the validation cells and one for the rule of karyotype.py:
        ``chosen_by``, ``referred`` (share) and ``referred_cells``, ``threshold`` (the least probability that is left),
        ``cells`` (left), ``wrong`` among them, ``share`` and its exact interval ``low``, ``high``, which assumes that
        cells are independent. Cells of one case are not; cases are: ``cases`` (with cells that are left),
        ``wrong_cases`` (where one is wrong) and the exact interval of their share, ``cases_low`` and ``cases_high``.
    """
    # Of equal probabilities the correct ones are referred first: the table is not to flatter.
    ordered = cells.sort_values(["probability", "correct"], ascending=[True, False], kind="stable")
    wrong = ~ordered["correct"].to_numpy(bool)
    numbers = {int(np.ceil(each * len(cells))) for each in REFERRED}
    first = int(np.flatnonzero(wrong).max(initial=-1)) + 1
    rows = []
    for number in sorted(numbers | {first}):
        rows.append(_referral_row(ordered.iloc[number:], len(cells), TEST if number in numbers else TEST_LABELS))
    rows.append(_referral_row(ordered[ordered["probability"] >= ordered["refer_below"]], len(cells), VALIDATION))
    rows.append(_referral_row(ordered[~ordered["refer"].astype(bool)], len(cells), KARYOTYPE_PY))
    return pd.DataFrame(rows)


def reliability_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Compare the probabilities of karyotypes with the share that is correct, in bins between EDGES.

    Returns:
        A row per bin with cells: ``above`` and ``up_to`` (its ends), ``cells``, ``probability`` (mean), ``correct``
        (share) and its exact interval ``low``, ``high``.
    """
    place = np.clip(np.searchsorted(EDGES, cells["probability"], side="left") - 1, 0, len(EDGES) - 2)
    rows = []
    for index, of_bin in cells.groupby(place):
        interval = share(int(of_bin["correct"].sum()), len(of_bin), CONFIDENCE)
        row: dict[str, float | None] = {"above": EDGES[index], "up_to": EDGES[index + 1], "cells": len(of_bin)}
        row |= {"probability": of_bin["probability"].mean(), "correct": interval.value}
        rows.append(row | {"low": interval.low, "high": interval.high})
    return pd.DataFrame(rows)


def write_referral(folder: Path, runs: Sequence[Predictions], priors: KaryotypePriors) -> pd.DataFrame:
    """Write ``cells.csv``, ``referral.csv``, ``reliability.csv`` and ``referral.png``; return the table of referral.

    Raises:
        UserError: See ``cell_table``.
    """
    from evaluation.cytogenetics.plots import draw_referral  # matplotlib costs seconds that errors need not wait for

    cells = cell_table(runs, priors)
    referral = referral_table(cells)
    reliability = reliability_table(cells)
    for name, table in {"cells": cells, "referral": referral, "reliability": reliability}.items():
        write_csv(folder / f"{name}.csv", table, "%.6f")
    about = runs[0].about if len(runs) == 1 else pool(list(runs)).about
    draw_referral(folder / "referral.png", cells, reliability, about)
    return referral


def _share_constitutions(
    frame: pd.DataFrame, cells: Sequence[CellPosterior], priors: KaryotypePriors
) -> list[Candidate | None]:
    """Return the most probable karyotype of each cell, given the other cells of its subject, where that is known."""
    of_subjects: dict[object, list[int]] = {}
    for number, cell in enumerate(cells):
        subject = frame["subject"].iloc[cell.rows[0]]
        of_subjects.setdefault(number if pd.isna(subject) else str(subject), []).append(number)
    best: list[Candidate | None] = [None] * len(cells)
    for numbers in of_subjects.values():
        named = [number for number in numbers if cells[number].posterior]
        posteriors = [cells[number].posterior for number in named]
        shared = share_constitution([each.candidates for each in posteriors if each], priors)
        for number, candidates in zip(named, shared, strict=True):
            best[number] = candidates[0]
    return best


def _validation_threshold(run: Predictions, priors: KaryotypePriors) -> float:
    probabilities = []
    for cell in cell_posteriors(run, priors, "validation"):
        probabilities.append(cell.posterior.best.probability if cell.posterior else 0.0)
    return float(np.quantile(probabilities, OF_VALIDATION))


def _referral_row(left: pd.DataFrame, total: int, chosen_by: str) -> dict[str, object]:
    """Return a row of ``referral_table`` by the cells that are left."""
    wrong = ~left["correct"].astype(bool)
    of_cells = share(int(wrong.sum()), len(left), CONFIDENCE)
    # A cell whose case is not known is a case of its own.
    cases = wrong.groupby(left["subject"].where(left["subject"].notna(), left.index.to_series())).any()
    of_cases = share(int(cases.sum()), len(cases), CONFIDENCE)
    referred = total - len(left)
    row = {"chosen_by": chosen_by, "referred": referred / total, "referred_cells": referred}
    row |= {"threshold": left["probability"].min() if len(left) else None, "cells": len(left)}
    row |= {"wrong": of_cells.hits, "share": of_cells.value, "low": of_cells.low, "high": of_cells.high}
    row |= {"cases": len(cases), "wrong_cases": of_cases.hits}
    return row | {"cases_low": of_cases.low, "cases_high": of_cases.high}


def _row(chromosomes: pd.DataFrame, cell: CellPosterior, with_case: Candidate | None) -> dict[str, object]:
    truth = name_karyotype(Counter(chromosomes["label"])).iscn
    row = {"subject": chromosomes["subject"].iloc[0], "cell": chromosomes["cell"].iloc[0]}
    row |= {"chromosomes": len(chromosomes), "iscn": truth, "predicted": None, "probability": 0.0}
    row |= {"next": None, "next_probability": None, "correct": False, "errors": None}
    row |= {"with_case": None, "with_case_probability": None, "refer": True}
    if cell.posterior is None or with_case is None:
        return row
    row |= {"with_case": with_case.karyotype.iscn, "with_case_probability": with_case.probability}
    best = cell.posterior.best
    row["refer"] = bool(describe_cell(cell.log_probabilities, cell.posterior, {}).reasons)
    row |= {"predicted": best.karyotype.iscn, "probability": best.probability}
    row |= {"correct": best.karyotype.iscn == truth, "errors": int((best.names != chromosomes["label"]).sum())}
    if len(cell.posterior.candidates) > 1:
        second = cell.posterior.candidates[1]
        row |= {"next": second.karyotype.iscn, "next_probability": second.probability}
    return row
