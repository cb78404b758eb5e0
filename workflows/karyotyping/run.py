"""Karyotypes of new cells: the work of scripts/karyotype.py."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.cli import console, say, warn
from common.text import counted
from datamodules.inference.cell_images import CellFile, read_cell, used_files
from datamodules.inference.cells import Cell, find_cells
from datamodules.inference.image_files import describe_others, printable
from datamodules.io.progress import progress_bar
from datamodules.io.whole_folder import new_whole_folder
from datamodules.synthesis.assigned_karyogram import draw_karyogram
from evaluation.cells.cell_karyotype import CellKaryotype
from workflows.adaptation import SAMPLE, sample_rows
from workflows.cell_bundle import FOLDER as REVIEW
from workflows.cell_bundle import write_cell, write_index, write_picture
from workflows.cell_settings import KaryotypeConfig
from workflows.karyotyping.cell_result import CellResult, name_cell
from workflows.karyotyping.fixed import FixedClasses, read_fixed, stems_of
from workflows.karyotyping.page import PageFacts, write_karyotype_page
from workflows.karyotyping.predictor import CellModel, load_cell_model
from workflows.karyotyping.referral import referral_thresholds
from workflows.karyotyping.request import KaryotypeRequest
from workflows.karyotyping.review import review_index, reviewed_cell
from workflows.karyotyping.summary import cell_lines, data_warnings, summary
from workflows.karyotyping.tables import Tables


def karyotype_cells(request: KaryotypeRequest) -> None:
    """Name the karyotypes of cells; write tables, karyograms and a page, and print a summary.

    Raises:
        UserError: There is no image; a table is unfit; or a fixed class is unknown, or of an unknown file.
    """
    config = request.config
    model = request.model
    cells = find_cells(request.cells, Path(config.cache_dir or model.facts.cache_dir), console.is_terminal)
    fixed = read_fixed(request.fixed, cells.cells)
    predictor = load_cell_model(model, request.options)
    notes = _adapt(predictor, cells.cells, fixed)
    thresholds = referral_thresholds(model, config)
    warnings = list(dict.fromkeys(filter(None, [*model.facts.warnings, *predictor.notes, thresholds.note])))
    warn(*warnings)
    for note in notes:
        say(note)
    with new_whole_folder(request.output) as folder:
        unreferred = _results(cells.cells, fixed, predictor, config, folder)
        results = [replace(result, thresholds=thresholds) for result in unreferred]
        write_index(folder / REVIEW, review_index(results, request, predictor))
        tables = Tables.of(results, model.seen, config)
        tables.write(folder)
        new_warnings = data_warnings(tables.chromosomes)
        lines = [*summary(tables, thresholds), describe_others(dict(cells.others))]
        title = f"Karyotypes: {printable(request.cells.resolve().name)}"
        facts = PageFacts(title, [str(model.named), *lines, *notes], [*warnings, *new_warnings], config.refer_below)
        write_karyotype_page(folder / "index.html", tables, facts, [result.stem for result in results])
    warn(*new_warnings)
    say(str(request.output / "index.html"), *cell_lines(tables), *lines)


def _adapt(predictor: CellModel, cells: Sequence[Cell], fixed: Sequence[FixedClasses]) -> list[str]:
    """Adapt the networks to some of the cells; return sentences for the user."""
    if not predictor.adapts:
        return []
    sample: list[list[CellFile]] = []
    wanted = SAMPLE
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for number in np.random.default_rng(0).permutation(len(cells)):
            files = [cells[number].files[row] for row in sample_rows(len(cells[number].files))]
            read = read_cell(replace(cells[number], files=tuple(files)), predictor.prepare, fixed[number], pool)
            used = used_files(read)
            if used:
                sample.append(used[:wanted])
                wanted -= len(sample[-1])
            if not wanted:
                break
        return predictor.adapt(sample, pool) if sample else []


def _draw(pictures: np.ndarray, karyotype: CellKaryotype) -> np.ndarray:
    calls = karyotype.calls
    return draw_karyogram(pictures, [call.assigned for call in calls], [call.question for call in calls])


def _results(
    cells: Sequence[Cell], fixed: Sequence[FixedClasses], predictor: CellModel, config: KaryotypeConfig, folder: Path
) -> Iterator[CellResult]:
    """Name cell after cell, and write their karyograms and what the review page needs."""
    (folder / "karyograms").mkdir()
    (folder / REVIEW).mkdir()
    stems = stems_of(cells)
    with (
        progress_bar(len(cells), f"naming {counted(len(cells), 'karyotype')}", True) as advance,
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        for cell, of_cell, stem in zip(cells, fixed, stems, strict=True):
            result, used = name_cell(cell, stem, of_cell, predictor, config, pool)
            if used.pictures is not None:
                write_cell(folder / REVIEW, stem, reviewed_cell(result, used), used.pictures)
                if result.karyogram:
                    write_picture(folder / result.karyogram, _draw(used.pictures, result.karyotype))
            yield result
            advance()
