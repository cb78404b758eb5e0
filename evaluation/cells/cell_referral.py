"""Which cells an expert should see: thresholds that are chosen on validation cells."""

from dataclasses import replace

import numpy as np
import pandas as pd

from common.karyotype import CellThresholds
from common.predictions import OUT_OF_DISTRIBUTION, Predictions
from evaluation.cells.assignment import rows_of_cells
from evaluation.cells.cell_karyotype import CellKaryotype, implausible, karyotype_of_cell
from evaluation.cells.cell_posteriors import log_probabilities
from evaluation.cells.prior import KaryotypePriors

RIGHT = 0.95  # share of the cells that are not referred without a wrong chromosome, at least
FEW = 20  # so many validation cells, or fewer, choose no reliable threshold
MEASURED = ["expected_wrong", "doubtful", "distance"]


def doubts(cell: CellKaryotype, distance: float, thresholds: CellThresholds) -> list[str]:
    """Return which thresholds a cell is above, as reasons to refer it; a ``distance`` that is not measured is NaN."""
    of_all = f"of {len(cell.calls)}"
    values = (
        (f"expected wrong: {cell.expected_wrong:.3g} {of_all}", cell.expected_wrong, thresholds.expected_wrong),
        (f"in doubt: {cell.doubtful} {of_all}", cell.doubtful, thresholds.doubtful),
        (f"mean distance from the training images {distance:.3g}", distance, thresholds.distance),
    )
    return [f"{text}, above {limit:.3g}" for text, value, limit in values if limit is not None and value > limit]


def assess_cells(
    predictions: Predictions, temperature: float, priors: KaryotypePriors, refer_below: float, balanced: bool
) -> pd.DataFrame:
    """Name the cells of one part of a run as scripts/karyotype.py does; arguments are those of ``karyotype_of_cell``.

    Returns:
        A row per cell: MEASURED (NaN where the predictions have no distances), ``referred`` for any other reason, and
        ``right``, whether every chromosome is in its class; None where a label is unknown.
    """
    logs = log_probabilities(predictions, temperature)
    frame = predictions.frame.reindex(columns=["label", OUT_OF_DISTRIBUTION])
    cells = []
    for rows in rows_of_cells(predictions.frame):
        cell = karyotype_of_cell(logs[rows], priors, {}, refer_below, balanced)
        labels, distances = frame.iloc[rows].to_numpy(object).T
        right = None if pd.isna(labels).any() else [call.assigned for call in cell.calls] == labels.tolist()
        referred = bool(cell.reasons or implausible(logs[rows]).any())
        cells.append((cell.expected_wrong, cell.doubtful, distances.mean(), referred, right))
    return pd.DataFrame(cells, columns=[*MEASURED, "referred", "right"])


def choose_thresholds(cells: pd.DataFrame, share: float) -> CellThresholds:
    """Choose thresholds on validation cells, see ``assess_cells``.

    Those of doubtful chromosomes and of the distance are quantiles: RIGHT of the cells, and all but a ``share`` (0 to
    1), are not above. That of expected errors is the largest with which RIGHT of the labelled cells that are not
    referred have no wrong chromosome; 0 where none is so. FEW cells choose none, and where FEW of more cells are below
    it, it is the default at most.
    """
    default = CellThresholds()
    others = CellThresholds(np.inf, _quantile(cells["doubtful"], RIGHT), _quantile(cells["distance"], 1 - share))
    labelled = cells[cells["right"].notna()]
    limits = pd.Series({name: getattr(others, name) for name in MEASURED}, dtype=float)
    referred = labelled["referred"].astype(bool) | (labelled[MEASURED].astype(float) > limits).any(axis=1)
    left = labelled[~referred].astype({"right": bool})
    right = left.groupby("expected_wrong")["right"].agg(["sum", "size"]).cumsum()
    right = right[right["sum"] >= RIGHT * right["size"]]
    value, support = (0.0, 0) if right.empty else (float(right.index[-1]), int(right["size"].iloc[-1]))
    if support > FEW:
        return replace(others, expected_wrong=value)
    value = min(value, default.expected_wrong) if len(labelled) > FEW else default.expected_wrong
    cells_left = f"{support} of {len(labelled)} validation cells"
    note = f"referral above {value:.2g} expected wrong is not reliable: it rests on {cells_left}"
    return replace(others, expected_wrong=value, note=note)


def _quantile(values: pd.Series, share: float) -> float | None:
    """Return the smallest value that at least a ``share`` is not above; None of FEW."""
    known = values.dropna().astype(float)
    return float(known.quantile(share, "higher")) if len(known) > FEW else None
