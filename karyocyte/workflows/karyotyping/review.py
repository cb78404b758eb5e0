"""What scripts/karyotype.py keeps for the review page."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datamodules.inference.image_files import printable
from karyocyte.evaluation.cells.prior import KaryotypePriors
from karyocyte.workflows.karyotyping.cell_result import CellResult
from karyocyte.workflows.karyotyping.predictor import CellModel, CellPrediction
from karyocyte.workflows.karyotyping.request import KaryotypeRequest
from karyocyte.workflows.review.cell_bundle import (
    CUT_OUTS,
    CellSummary,
    ReviewedBox,
    ReviewedCell,
    ReviewedFile,
    ReviewIndex,
    rounded,
)


def reviewed_cell(result: CellResult, used: CellPrediction, output: Path) -> ReviewedCell:
    """Return a cell with what is known of its used files, which are named as seen from the folder ``output``."""
    files: list[ReviewedFile] = []
    left_out = []
    for one, call in result.calls:
        name = one.file.name
        if call is None:
            left_out.append(f"{name}: {one.cause}")
            continue
        path = printable(os.path.relpath(one.file.path.resolve(), output.resolve()))
        if result.metaphase is not None:
            path = f"{CUT_OUTS}/{name}"
        logs = rounded(used.log_probabilities[len(files)])
        turned = bool(used.upside_down[len(files)])
        fixed = result.fixed.get(name)
        files.append(ReviewedFile(name, path, call.assigned, fixed, logs, name in result.foreign, turned, one.area))
    distance = None if np.isnan(result.mean_distance) else result.mean_distance
    boxes = {}
    if result.metaphase is not None:
        for name, found in result.metaphase.found.items():
            boxes[name] = ReviewedBox.of(found.box, found.outline)
    return ReviewedCell(result.cell.case, result.cell.name, files, left_out, distance, result.markers, boxes)


def review_index(results: Sequence[CellResult], request: KaryotypeRequest, model: CellModel) -> ReviewIndex:
    """Return what all cells share, and a line for each with a file that is used."""
    cells = []
    for result in results:
        if result.karyotype.calls:
            errors = round(result.karyotype.expected_wrong, 6)
            cells.append(CellSummary(result.stem, result.cell.title, errors, result.cell.case))
    return ReviewIndex(
        model=model.identity,
        runs=list(map(str, request.named)),
        priors=request.config.model_dump(include=set(KaryotypePriors.model_fields)),
        balanced=model.balanced,
        refer_below=request.config.refer_below,
        cells=cells,
        thresholds=results[0].thresholds,
    )
