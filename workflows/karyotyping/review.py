"""What scripts/karyotype.py keeps for the review page."""

from collections.abc import Sequence

import numpy as np

from datamodules.inference.image_files import printable
from evaluation.cells.prior import KaryotypePriors
from workflows.cell_bundle import CellSummary, ReviewedCell, ReviewedFile, ReviewIndex, rounded
from workflows.karyotyping.cell_result import CellResult
from workflows.karyotyping.fixed import text_of
from workflows.karyotyping.predictor import CellModel
from workflows.karyotyping.request import KaryotypeRequest


def reviewed_cell(result: CellResult, log_probabilities: np.ndarray) -> ReviewedCell:
    """Return a cell with the probabilities of its used files, float64, shape (n, 24)."""
    files: list[ReviewedFile] = []
    left_out = []
    for one, call in result.calls:
        name = one.file.name
        if call is None:
            left_out.append(f"{name}: {one.cause}")
            continue
        path = printable(str(one.file.path.resolve()))
        fixed = text_of(result.fixed[name]) if name in result.fixed else None
        logs = rounded(log_probabilities[len(files)])
        files.append(ReviewedFile(name, path, call.assigned, fixed, logs, name in result.foreign))
    distance = None if np.isnan(result.mean_distance) else result.mean_distance
    return ReviewedCell(result.cell.case, result.cell.name, files, left_out, distance)


def review_index(results: Sequence[CellResult], request: KaryotypeRequest, model: CellModel) -> ReviewIndex:
    """Return what all cells share, and a line for each with a file that is used."""
    cells = []
    for result in results:
        if result.karyotype.calls:
            cells.append(CellSummary(result.stem, result.cell.title, round(result.karyotype.expected_wrong, 6)))
    return ReviewIndex(
        model=model.identity,
        runs=list(map(str, request.named)),
        priors=request.config.model_dump(include=set(KaryotypePriors.model_fields)),
        balanced=model.balanced,
        refer_below=request.config.refer_below,
        cells=cells,
        thresholds=results[0].thresholds,
    )
