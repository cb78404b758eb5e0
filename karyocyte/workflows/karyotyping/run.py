"""Karyotypes of new cells: the work of scripts/karyotype.py."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from datamodules.inference.cell_images import CellFile, read_cell, used_files
from datamodules.inference.cells import Cell, Cells, find_cells
from datamodules.inference.image_files import printable
from datamodules.io.listing import describe_others
from datamodules.io.progress import progress_bar
from datamodules.io.whole_folder import new_whole_folder
from datamodules.metaphases.crops import cut_out_by
from datamodules.metaphases.cut_out import cut_out
from datamodules.synthesis.assigned_karyogram import draw_karyogram
from karyocyte.common.cli import console, say, warn
from karyocyte.common.paths import ROOT
from karyocyte.common.runs.portable import BUILT_IN
from karyocyte.common.text import counted
from karyocyte.workflows.cell_bundle import FOLDER as REVIEW
from karyocyte.workflows.cell_bundle import write_cell, write_index, write_picture
from karyocyte.workflows.cell_thresholds import referral_thresholds
from karyocyte.workflows.karyotyping.cell_result import CellInput, CellResult, name_cell
from karyocyte.workflows.karyotyping.fixed import FixedClasses, read_drawn, read_fixed, stems_of
from karyocyte.workflows.karyotyping.metaphases import ChromosomeFinder, MetaphaseFile, cut_pictures, find_pictures
from karyocyte.workflows.karyotyping.page import PageFacts, write_karyotype_page
from karyocyte.workflows.karyotyping.predictor import CellModel, load_cell_model
from karyocyte.workflows.karyotyping.request import KaryotypeRequest
from karyocyte.workflows.karyotyping.review import review_index, reviewed_cell
from karyocyte.workflows.karyotyping.tables import Tables, cell_lines, data_warnings, summary
from karyocyte.workflows.models import PortableNetworks, RunsModel
from karyocyte.workflows.networks import SAMPLE, sample_rows


def karyotype_cells(request: KaryotypeRequest) -> None:
    """Name the karyotypes of cells; write tables, karyograms and a page, and print a summary.

    Raises:
        UserError: There is no image; a table is unfit; or a fixed class is unknown, or of an unknown file.
    """
    config = request.config
    model = request.model
    predictor = load_cell_model(model, request.options)
    with new_whole_folder(request.output) as folder:
        cells, metaphases = read_input(request, folder)
        fixed = read_fixed(request.fixed, cells.cells)
        notes = _adapt(predictor, cells.cells, fixed)
        thresholds = referral_thresholds(model, config)
        warnings = list(dict.fromkeys(filter(None, [*model.facts.warnings, *predictor.notes, thresholds.note])))
        warn(*warnings)
        for note in notes:
            say(note)
        inputs = list(map(CellInput, cells.cells, stems_of(cells.cells), fixed, metaphases))
        unreferred = _results(inputs, predictor, request, folder)
        results = [replace(result, thresholds=thresholds) for result in unreferred]
        write_index(folder / REVIEW, review_index(results, request, predictor))
        tables = Tables.of(results, model.seen, config)
        tables.write(folder)
        new_warnings = data_warnings(tables.chromosomes)
        lines = [*summary(tables, thresholds), describe_others(dict(cells.others))]
        title = f"Karyotypes: {printable(request.cells.resolve().name)}"
        facts = PageFacts(
            title,
            [f"Model: {_name_of(model)}", *lines, *notes],
            [*warnings, *new_warnings],
            config.refer_below,
        )
        write_karyotype_page(folder / "index.html", tables, facts, results)
    warn(*new_warnings)
    say(str(request.output / "index.html"), *cell_lines(tables), *lines)


def read_input(request: KaryotypeRequest, folder: Path) -> tuple[Cells, Sequence[MetaphaseFile | None]]:
    """Return the cells, and of each the picture of its metaphase, whose chromosomes are cut out into a folder.

    Raises:
        UserError: There is no image, or no detector for pictures of metaphases.
    """
    config = request.config
    cache_dir = Path(config.cache_dir or request.model.facts.cache_dir)
    pictures = find_pictures(request.cells, config.input, cache_dir, console.is_terminal)
    if pictures is None:
        cells = find_cells(request.cells, cache_dir, console.is_terminal)
        say("read as pictures of single chromosomes (input=metaphases reads them as metaphases)")
        return cells, [None] * len(cells.cells)
    from lightning_modules.detection import trained  # here: single chromosomes need no torch

    say("read as pictures of metaphases (input=chromosomes reads them as single chromosomes)")
    cutting = cut_out
    if request.cutter:
        cutting = partial(cut_out_by, trained.load_cutter(request.cutter).probabilities)
    finder = ChromosomeFinder(trained.load_detector(request.detector), cutting, read_drawn(request.fixed))
    return cut_pictures(pictures, finder, folder, console.is_terminal)


def _name_of(model: RunsModel | PortableNetworks) -> str:
    """Return how the page names a model: the built-in one without the folder of this installation."""
    place = Path(model.named)
    return str(place.relative_to(ROOT)) if place == BUILT_IN else model.named


def _adapt(predictor: CellModel, cells: Sequence[Cell], fixed: Sequence[FixedClasses]) -> list[str]:
    """Adapt the networks to some of the cells; return sentences for the user."""
    if not predictor.adapts:
        return []
    filled = [number for number, cell in enumerate(cells) if cell.files]
    sample: list[list[CellFile]] = []
    wanted = SAMPLE
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for number in np.random.default_rng(0).permutation(filled):
            files = [cells[number].files[row] for row in sample_rows(len(cells[number].files))]
            read = read_cell(replace(cells[number], files=tuple(files)), predictor.prepare, fixed[number], pool)
            used = used_files(read)
            if used:
                sample.append(used[:wanted])
                wanted -= len(sample[-1])
            if not wanted:
                break
        return predictor.adapt(sample, pool) if sample else []


def _results(
    inputs: Sequence[CellInput], predictor: CellModel, request: KaryotypeRequest, folder: Path
) -> Iterator[CellResult]:
    """Name cell after cell, and write their karyograms and what the review page needs."""
    (folder / "karyograms").mkdir()
    (folder / REVIEW).mkdir()
    with (
        progress_bar(len(inputs), f"naming {counted(len(inputs), 'karyotype')}", True) as advance,
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
    ):
        for given in inputs:
            result, used = name_cell(given, predictor, request.config, pool)
            if used.pictures is not None:
                write_cell(folder / REVIEW, given.stem, reviewed_cell(result, used, request.output), used.pictures)
                if result.karyogram:
                    calls = result.karyotype.calls
                    assigned, questions = [call.assigned for call in calls], [call.question for call in calls]
                    drawn = draw_karyogram(used.pictures, assigned, questions)
                    write_picture(folder / result.karyogram, drawn.pixels)
                    result = replace(result, drawn=drawn)
            yield result
            advance()
