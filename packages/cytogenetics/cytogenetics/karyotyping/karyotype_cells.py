"""Karyotypes of new cells: the work of scripts/karyotype.py, from the request to the tables."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from cytogenetics.cells.cell_thresholds import referral_thresholds
from cytogenetics.cells.prior import KaryotypePriors
from cytogenetics.images.cells import Cells, find_cells
from cytogenetics.karyotyping.cell_model import CellModel, CellPrediction, load_cell_model
from cytogenetics.karyotyping.cell_result import CellInput, CellResult, name_cell
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest, read_drawn, read_fixed, stems_of
from cytogenetics.karyotyping.karyotype_tables import (
    PageFacts,
    Tables,
    cell_lines,
    data_warnings,
    summary,
    write_karyotype_page,
)
from cytogenetics.karyotyping.metaphases import ChromosomeFinder, MetaphaseFile, cut_pictures, find_pictures
from cytogenetics.metaphases.data.crops import cut_out_by
from cytogenetics.metaphases.data.cut_out import cut_out
from cytogenetics.portable.pictures import BUILT_IN
from cytogenetics.review.cell_bundle import (
    CUT_OUTS,
    CellSummary,
    ReviewedBox,
    ReviewedCell,
    ReviewedFile,
    ReviewIndex,
    rounded,
    write_cell,
    write_index,
    write_picture,
)
from cytogenetics.review.cell_bundle import FOLDER as REVIEW
from cytogenetics.synthesis.assigned_karyogram import draw_karyogram

from datamodules.inference.image_files import printable
from datamodules.io.decode import note_lines
from datamodules.io.folder_content import describe_others
from datamodules.io.progress import progress_bar
from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.cli import console, say, warn
from karyocyte.common.paths import ROOT
from karyocyte.common.text import counted
from karyocyte.inference.failed_reader import NewImages, sentence, why_failed


def karyotype_cells(request: KaryotypeRequest) -> Tables:
    """Name the karyotypes of cells; write tables, which are returned, karyograms and a page, and print a summary.

    Raises:
        UserError: There is no image; a table is unfit; or a fixed class is unknown, or of an unknown file.
    """
    opened, config = request.model, request.config
    model = load_cell_model(opened, request.options)
    with new_whole_folder(request.folder) as folder, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        cells, metaphases = read_input(request, folder)
        fixed = read_fixed(request.fixed, cells.cells)
        notes = model.adapt(cells.cells, fixed, pool)
        thresholds = referral_thresholds(opened, config, any(metaphases))
        warnings = list(dict.fromkeys(filter(None, [*opened.facts.warnings, *model.notes, thresholds.note])))
        warn(*warnings)
        for note in notes:
            say(note)
        inputs = list(map(CellInput, cells.cells, stems_of(cells.cells), fixed, metaphases))
        results = []
        looks = []
        (folder / "karyograms").mkdir()
        (folder / REVIEW).mkdir()
        with progress_bar(len(inputs), f"naming {counted(len(inputs), 'karyotype')}", True) as advance:
            for given in inputs:
                result, predicted = name_cell(given, model, config, thresholds, pool)
                looks.append(look_of(result, predicted))
                results.append(write_pictures(result, predicted, folder, request.folder))
                advance()
        # Only all cells together show that a reader failed, such as one class for everything.
        if failed := why_failed(together(looks), opened):
            warnings.append(sentence(failed))
            warn(warnings[-1])
            results = [replace(result, failed=failed) for result in results]
        write_index(folder / REVIEW, review_index(results, request, model))
        tables = Tables.of(results, opened.seen, config)
        tables.write(folder)
        new_warnings = data_warnings(tables.chromosomes)
        pictures = note_lines(metaphase.note for metaphase in metaphases if metaphase is not None)
        lines = [*summary(tables, thresholds), *pictures, describe_others(dict(cells.others))]
        place = Path(opened.named)
        name = place.relative_to(ROOT) if place == BUILT_IN else place  # not the folder of this installation
        facts = PageFacts(
            f"Karyotypes: {printable(request.cells.resolve().name)}",
            [f"Model: {name}", *lines, *notes],
            [*warnings, *new_warnings],
            config.refer_below,
        )
        write_karyotype_page(folder / "index.html", tables, facts, results)
    warn(*new_warnings)
    say(str(request.folder / "index.html"), *cell_lines(tables), *lines)
    return tables


def look_of(result: CellResult, predicted: CellPrediction) -> NewImages:
    """Return what is seen of the images of a cell; of a metaphase the picture, not its cut-outs, is an image."""
    means = np.zeros(0)
    if predicted.pictures is not None:
        means = predicted.pictures.mean(axis=(1, 2, 3))
    if result.metaphase is not None:
        means = np.array([] if result.metaphase.problem else [result.metaphase.mean])
    blank = sum(file.is_blank for file in result.files)
    return NewImages(blank, means, np.exp(predicted.log_probabilities))


def together(looks: Sequence[NewImages]) -> NewImages:
    """Return what is seen of the images of all cells."""
    means = np.concatenate([look.means for look in looks])
    probabilities = np.concatenate([look.probabilities for look in looks])
    return NewImages(sum(look.blank for look in looks), means, probabilities)


def read_input(request: KaryotypeRequest, folder: Path) -> tuple[Cells, Sequence[MetaphaseFile | None]]:
    """Return the cells, and of each the picture of its metaphase, whose chromosomes are cut out into a folder.

    Raises:
        UserError: There is no image, or no detector for pictures of metaphases; or one is named for single chromosomes.
    """
    config = request.config
    cache_dir = Path(config.cache_dir or request.model.facts.cache_dir)
    pictures = find_pictures(request.cells, config.input, cache_dir, console.is_terminal, config.follow_links)
    if pictures is None:
        request.refuse_picture_networks()
        cells = find_cells(request.cells, cache_dir, console.is_terminal, config.follow_links)
        say("read as pictures of single chromosomes (input=metaphases reads them as metaphases)")
        return cells, [None] * len(cells.cells)
    # Here: single chromosomes need no torch.
    from cytogenetics.metaphases.box_finder import BoxFinder
    from cytogenetics.metaphases.networks.trained import load_cutter

    say("read as pictures of metaphases (input=chromosomes reads them as single chromosomes)")
    cutting = cut_out
    if request.cutter:
        cutting = partial(cut_out_by, load_cutter(request.cutter).probabilities)
    boxes = BoxFinder.load(request.detectors, request.refiner)
    finder = ChromosomeFinder(boxes, cutting, read_drawn(request.fixed))
    return cut_pictures(pictures, finder, folder, console.is_terminal)


def write_pictures(result: CellResult, predicted: CellPrediction, folder: Path, output: Path) -> CellResult:
    """Write what the review needs of a cell with a used file, and its karyogram; return it with the karyogram.

    ``folder`` becomes ``output``, which paths of files are relative to.
    """
    if predicted.pictures is None:
        return result
    write_cell(folder / REVIEW, result.stem, reviewed_cell(result, predicted, output), predicted.pictures)
    if result.karyogram is None:
        return result
    calls = result.karyotype.calls
    assigned, questions = [call.assigned for call in calls], [call.question for call in calls]
    drawn = draw_karyogram(predicted.pictures, assigned, questions)
    write_picture(folder / result.karyogram, drawn.pixels)
    return replace(result, drawn=drawn)


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
        files.append(
            ReviewedFile(name, path, call.assigned, fixed, logs, name in result.out_of_distribution, turned, one.area)
        )
    distance = None if np.isnan(result.mean_distance) else result.mean_distance
    boxes = {}
    if result.metaphase is not None:
        for name, found in result.metaphase.found.items():
            boxes[name] = ReviewedBox.of(found.box, found.outline)
    return ReviewedCell(
        result.cell.case,
        result.cell.name,
        files,
        left_out,
        distance,
        result.markers,
        boxes,
        result.karyotype.boxes_wrong,
        result.karyotype.probability,
        list(result.reasons),
        list(result.copies),
    )


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
        failed=results[0].failed,
    )
