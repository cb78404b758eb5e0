"""Karyotypes of new cells: the work of scripts/karyotype.py."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from common.cli import console, say, warn
from common.files import safe_stems, write_csv
from common.text import counted
from datamodules.inference.cell_images import CellFile, read_cell, used_files
from datamodules.inference.cells import Cell, find_cells
from datamodules.inference.image_files import describe_others, printable
from datamodules.io.progress import progress_bar
from datamodules.io.whole_folder import new_whole_folder
from workflows.adaptation import SAMPLE, sample_rows
from workflows.cell_bundle import FOLDER as REVIEW
from workflows.cell_bundle import write_cell, write_index, write_picture
from workflows.karyotyping.cell_result import CellResult, name_cell
from workflows.karyotyping.fixed import FixedClasses, read_fixed
from workflows.karyotyping.page import PageFacts, write_karyotype_page
from workflows.karyotyping.predictor import CellModel, load_cell_model
from workflows.karyotyping.request import KaryotypeRequest
from workflows.karyotyping.review import review_index, reviewed_cell
from workflows.karyotyping.settings import KaryotypeConfig
from workflows.karyotyping.summary import (
    Tables,
    case_tables,
    data_warnings,
    summarise,
)
from workflows.karyotyping.tables import case_table, cell_table, chromosome_table


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
    warnings = list(dict.fromkeys([*model.facts.warnings, *predictor.notes]))
    warn(*warnings)
    for note in notes:
        say(note)
    with new_whole_folder(request.output) as folder:
        results = list(_results(cells.cells, fixed, predictor, config, folder))
        write_index(folder / REVIEW, review_index(results, request, predictor))
        tables = Tables(
            cell_table(results),
            chromosome_table(results, model.seen),
            case_table(results, config),
        )
        new_warnings = data_warnings(tables.chromosomes)
        about = f"{counted(len(results), 'cell')}, {describe_others(cells.others)}; {model.named}"
        title = f"Karyotypes: {printable(request.cells.resolve().name)}"
        all_warnings = [*warnings, *new_warnings]
        facts = PageFacts(title, about, all_warnings, config.refer_below, case_tables(tables.cases), notes)
        beside = _write(folder, results, tables, facts)
    warn(*new_warnings)
    summarise(tables, request.output, cells.others, beside)


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


def _write(folder: Path, results: Sequence[CellResult], tables: Tables, facts: PageFacts) -> int:
    """Write tables and page; return the number of karyograms that the page does not contain."""
    write_csv(folder / "karyotypes.csv", tables.cells, "%.6f")
    write_csv(folder / "chromosomes.csv", tables.chromosomes, "%.6f")
    if len(tables.cases):
        write_csv(folder / "cases.csv", tables.cases, "%.6f")
    return write_karyotype_page(folder / "index.html", sorted(results, key=lambda result: result.order), facts)


def _results(
    cells: Sequence[Cell],
    fixed: Sequence[FixedClasses],
    predictor: CellModel,
    config: KaryotypeConfig,
    folder: Path,
) -> Iterator[CellResult]:
    """Name cell after cell, and write their karyograms."""
    (folder / "karyograms").mkdir()
    (folder / REVIEW).mkdir()
    stems = safe_stems(cell.title.replace(" / ", ".") for cell in cells)
    with (
        progress_bar(len(cells), f"naming {len(cells):,} karyotypes", True) as advance,
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        for cell, of_cell, stem in zip(cells, fixed, stems, strict=True):
            named = name_cell(cell, of_cell, predictor, config, pool)
            if named.karyogram is not None:
                write_picture(folder / "karyograms" / f"{stem}.png", named.karyogram)
            if named.pictures is not None:
                write_cell(folder / REVIEW, stem, reviewed_cell(cell, named, of_cell), named.pictures)
            drawn = named.karyogram is not None
            yield CellResult(cell, named.files, named.karyotype, stem, drawn, of_cell, named.distances)
            advance()
