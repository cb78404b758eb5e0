"""Karyotypes of new cells: the work of scripts/karyotype.py, from the request to the tables."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from cytogenetics.images.cells import find_cells
from cytogenetics.karyotyping.cell_model import CellModel
from cytogenetics.karyotyping.cell_result import KARYOGRAMS, CellInput, CellResult, name_cell
from cytogenetics.karyotyping.karyotype_request import KaryotypeRequest, refuse_picture_networks
from cytogenetics.karyotyping.karyotype_tables import PageFacts, Tables, write_karyotype_page
from cytogenetics.karyotyping.metaphases import MetaphaseFile, cut_pictures, find_pictures
from cytogenetics.review.cell_bundle import (
    CUT_OUTS,
    CellSummary,
    ReviewedBox,
    ReviewedCell,
    ReviewedFile,
    ReviewIndex,
    write_bundle,
    write_picture,
)
from cytogenetics.review.cell_bundle import FOLDER as REVIEW
from cytogenetics.trained.pictures import BUILT_IN
from datamodules.inference.image_files import printable
from datamodules.io.decode import note_lines
from datamodules.io.folder_content import describe_others
from datamodules.io.progress import progress_bar
from datamodules.io.whole_folder import new_whole_folder
from karyocyte.common.checksums import FILE as CHECKSUMS
from karyocyte.common.cli import console, say, warn
from karyocyte.common.files import sha256_of_file
from karyocyte.common.paths import ROOT
from karyocyte.common.revision import revision
from karyocyte.common.text import counted
from karyocyte.inference.failed_reader import NewImages, joined, sentence, why_failed
from karyocyte.inference.models import Model


def karyotype_cells(request: KaryotypeRequest) -> None:
    """Name the karyotypes of cells; write tables, karyograms and a page, and print a summary.

    Raises:
        UserError: There is no image; or a table is unfit.
    """
    opened = request.model
    with new_whole_folder(request.folder) as folder, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        model, inputs, others = read_input(request, folder)
        warnings = list(dict.fromkeys([*opened.facts.warnings, *model.notes]))
        notes = model.adapt([one.cell for one in inputs], pool)
        warn(*warnings)
        for note in notes:
            say(note)
        results, looks = name_cells(inputs, model, folder, pool)
        results, failed = doubted_together(results, looks, opened)
        warnings += failed
        tables = Tables.of(results, opened.seen, request.config)
        tables.write(folder)
        chosen = note_lines(one.metaphase.note for one in inputs if one.metaphase is not None)
        lines = [*tables.summary(model.thresholds), *chosen, describe_others(others)]
        facts = page_facts(request, [*lines, *notes], [*warnings, *tables.warnings])
        write_karyotype_page(folder / "index.html", tables, facts, results)
        write_review(folder / REVIEW, request, model, results, tables)
    warn(*tables.warnings)
    say(str(request.folder / "index.html"), *tables.cell_lines, *lines, *tables.case_lines)


def doubted_together(
    results: list[CellResult], looks: Sequence[NewImages], model: Model
) -> tuple[list[CellResult], list[str]]:
    """Return the results, all to be reviewed where they look as if a reader had failed, and the warning that says so.

    Only all cells together show it, such as one class for everything.
    """
    failed = why_failed(joined(looks), model)
    if not failed:
        return results, []
    warn(sentence(failed))
    return [replace(result, failed=failed) for result in results], [sentence(failed)]


def name_cells(
    inputs: Sequence[CellInput], model: CellModel, folder: Path, pool: ThreadPoolExecutor
) -> tuple[list[CellResult], list[NewImages]]:
    """Name cells one by one, and write the karyogram and the strip of each into a folder; also return what is seen."""
    (folder / KARYOGRAMS).mkdir()
    (folder / REVIEW).mkdir()
    results = []
    looks = []
    with progress_bar(len(inputs), f"naming {counted(len(inputs), 'karyotype')}", True) as advance:
        for given in inputs:
            result, pictures, strip = name_cell(given, model, pool)
            looks.append(look_of(result, pictures))
            if strip is not None:
                write_picture(folder / REVIEW / f"{result.stem}.png", 255 - strip)
            if result.drawn is not None:
                write_picture(folder / KARYOGRAMS / f"{result.stem}.png", result.drawn.pixels)
                result = replace(result, drawn=result.drawn.emptied())
            results.append(result)
            advance()
    return results, looks


def write_review(
    folder: Path, request: KaryotypeRequest, model: CellModel, results: Sequence[CellResult], tables: Tables
) -> None:
    """Write what review.py shows of the cells that have chromosomes."""
    shown = [one for one in results if one.karyotype.calls]
    index = replace(review_index(shown, request, model), cases=tables.case_titles)
    write_bundle(folder, index, {one.stem: reviewed_cell(one, request.folder) for one in shown})


def page_facts(request: KaryotypeRequest, lines: Sequence[str], warnings: Sequence[str]) -> PageFacts:
    """Return what the page says of all cells."""
    place = Path(request.model.named)
    name = place.relative_to(ROOT) if place == BUILT_IN else place  # not the folder of this installation
    title = f"Karyotypes: {printable(request.cells.resolve().name)}"
    return PageFacts(title, [f"Model: {name}", *lines], list(warnings), request.config.refer_below)


def read_input(request: KaryotypeRequest, folder: Path) -> tuple[CellModel, list[CellInput], dict[str, int]]:
    """Return the model, the cells, and ``Cells.others``; chromosomes of metaphases are cut out into a folder.

    Raises:
        UserError: There is no image, or no detector for pictures of metaphases; or one is named for single chromosomes.
    """
    config = request.config
    cache_dir = Path(config.cache_dir or request.model.facts.cache_dir)
    pictures = find_pictures(request.cells, config.input, cache_dir, console.is_terminal, config.follow_links)
    metaphases: Sequence[MetaphaseFile | None]
    if pictures is None:
        refuse_picture_networks(config)
        cells = find_cells(request.cells, cache_dir, console.is_terminal, config.follow_links)
        say("read as pictures of single chromosomes (input=metaphases reads them as metaphases)")
        model = CellModel.load(request, of_metaphases=False)
        metaphases = [None] * len(cells.cells)
    else:
        say("read as pictures of metaphases (input=chromosomes reads them as single chromosomes)")
        model = CellModel.load(request, of_metaphases=True)
        assert model.finder is not None
        cells, metaphases = cut_pictures(pictures, model.finder, folder, console.is_terminal)
    inputs = list(map(CellInput, cells.cells, cells.stems, metaphases))
    return model, inputs, dict(cells.others)


def look_of(result: CellResult, pictures: np.ndarray | None) -> NewImages:
    """Return what is seen of the images of a cell; of a metaphase the picture, not its cut-outs, is an image."""
    means = np.zeros(0)
    if pictures is not None:
        means = pictures.mean(axis=(1, 2, 3))
    if result.metaphase is not None:
        means = np.array([] if result.metaphase.problem else [result.metaphase.mean])
    return NewImages(means, np.exp(result.predicted.log_probabilities))


def reviewed_cell(result: CellResult, output: Path) -> ReviewedCell:
    """Return a cell with what is known of its used files, which are named as seen from the folder ``output``."""
    karyotype = result.karyotype
    return ReviewedCell(
        case=result.cell.case,
        name=result.cell.name,
        files=reviewed_files(result, output),
        left_out=[f"{one.file.name}: {one.cause}" for one, call in result.calls if call is None],
        karyotype=karyotype.karyotype and karyotype.karyotype.iscn,
        probability=karyotype.probability,
        reasons=list(result.reasons),
        distance=None if np.isnan(result.mean_distance) else result.mean_distance,
        boxes={name: ReviewedBox.of(box.box, box.outline) for name, box in result.found.items()},
        boxes_wrong=karyotype.boxes_wrong,
        reasons_of_files=[*result.reasons_of_files, *filter(None, [result.unlike])],
    )


def reviewed_files(result: CellResult, output: Path) -> list[ReviewedFile]:
    """Return the used files of a cell; cut-outs of a metaphase lie in the output, other files where they are."""
    files: list[ReviewedFile] = []
    for one, call in result.calls:
        if call is None:
            continue
        name = one.file.name
        path = printable(os.path.relpath(one.file.path.resolve(), output.resolve()))
        row = len(files)  # of what was predicted, which has no row of files that are left out
        files.append(
            ReviewedFile(
                name=name,
                path=path if result.metaphase is None else f"{CUT_OUTS}/{name}",
                assigned=call.assigned,
                log_probabilities=result.predicted.log_probabilities[row].tolist(),
                probability=call.probability,
                doubtful=call.doubtful,
                others=result.karyotype.others(row),
                unlike=name in result.out_of_distribution,
                sha256=one.sha256,
            )
        )
    return files


def review_index(results: Sequence[CellResult], request: KaryotypeRequest, model: CellModel) -> ReviewIndex:
    """Return what all cells share, and a line for each."""
    cells = []
    for result in results:
        errors = round(result.karyotype.expected_wrong, 6)
        cells.append(CellSummary(result.stem, result.cell.title, errors, result.cell.case))
    return ReviewIndex(
        priors=request.config,
        balanced=model.naming.balanced,
        refer_below=request.config.refer_below,
        cells=cells,
        thresholds=model.thresholds,
        failed=results[0].failed if results else None,
        version=f"{version('karyocyte')}, revision {revision()}",
        models=_hashes(request, model),
    )


def _hashes(request: KaryotypeRequest, model: CellModel) -> dict[str, str]:
    """Return the SHA-256 of the checksums.json of each model that has a part in the result, by its folder."""
    folders = [run.folder for run in request.model.members]
    if model.finder is not None:
        detectors, *others = request.pictures
        folders += [*detectors, *filter(None, others)]
    return {"/".join(folder.parts[-2:]): sha256_of_file(folder / CHECKSUMS) for folder in folders}
