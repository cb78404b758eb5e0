"""What scripts/karyotype.py keeps for the review page."""

from collections.abc import Sequence

from datamodules.inference.cell_images import FileStatus
from datamodules.inference.cells import Cell
from datamodules.inference.image_files import printable
from evaluation.cells.prior import KaryotypePriors
from workflows.cell_bundle import CellSummary, ReviewedCell, ReviewedFile, ReviewIndex, rounded
from workflows.karyotyping.cell_result import CellResult, NamedFiles
from workflows.karyotyping.fixed import FixedClasses, text_of
from workflows.karyotyping.predictor import CellModel
from workflows.karyotyping.request import KaryotypeRequest


def reviewed_cell(cell: Cell, named: NamedFiles, fixed: FixedClasses) -> ReviewedCell:
    """Return a cell with the probabilities of its used files."""
    files = []
    left_out = []
    rows = zip(named.karyotype.calls, named.log_probabilities, strict=True)
    for one in named.files:
        file = one.file
        if one.status is not FileStatus.USED:
            left_out.append(f"{file.name}: {one.cause}")
            continue
        call, logs = next(rows)
        text = text_of(fixed[file.name]) if file.name in fixed else None
        foreign = named.distances.get(file.name, 0.0) > 1.0
        files.append(
            ReviewedFile(file.name, printable(str(file.path.resolve())), call.assigned, text, rounded(logs), foreign)
        )
    return ReviewedCell(cell.case, cell.name, files, left_out)


def review_index(results: Sequence[CellResult], request: KaryotypeRequest, model: CellModel) -> ReviewIndex:
    """Return what all cells share, and a line for each with a file that is used."""
    cells = []
    for result in results:
        if result.karyotype.calls:
            errors = sum(1 - call.probability for call in result.karyotype.calls)
            cells.append(CellSummary(result.stem, result.cell.title, round(errors, 6)))
    return ReviewIndex(
        model=model.identity,
        runs=[str(path) for path in request.named],
        priors=request.config.model_dump(include=set(KaryotypePriors.model_fields)),
        balanced=model.balanced,
        refer_below=request.config.refer_below,
        cells=cells,
    )
