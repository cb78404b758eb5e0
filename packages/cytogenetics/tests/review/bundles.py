"""Writes the folder ``review`` of synthetic cells, without a model."""

from pathlib import Path

import numpy as np

from cytogenetics.cells.cell_karyotype import karyotype_of_cell
from cytogenetics.cells.cell_settings import KaryotypePriors, NamingSettings
from cytogenetics.review.cell_bundle import (
    FOLDER,
    CellSummary,
    ReviewBundle,
    ReviewedCell,
    ReviewedFile,
    ReviewIndex,
    write_bundle,
    write_picture,
)
from cytogenetics.review.decisions import Decision
from karyocyte.common.files import sha256_of_file
from karyocyte.common.karyotype import CHROMOSOMES
from packages.cytogenetics.tests.cells.test_assignment import sure
from tests.helpers.images import write_image

COMMON = {"cell": "c0", "reader": "reader1", "time": "2026-01-01T00:00:00+00:00", "seconds": 1.5, "model": "m"}
MALE = [*[name for name in CHROMOSOMES[:22] for _ in range(2)], "X", "Y"]


def decision(action: str, **values: object) -> Decision:
    """Return a decision of reader1 on the cell c0, but for the values given."""
    return Decision(action=action, **{**COMMON, **values})


def log_probabilities(classes):
    """Return log-probabilities, shape (n, 24), of which 0.97 is for the given classes."""
    return sure(list(map(CHROMOSOMES.index, classes)), wrong=0.03)


def named_cell(case, name, files, logs, **values: object) -> ReviewedCell:
    """Return a cell of files, each a name and a path, as it is named by their log-probabilities."""
    karyotype = karyotype_of_cell(logs, {}, NamingSettings(KaryotypePriors(), 0.95, True))
    reviewed = []
    for row, ((file, path), call) in enumerate(zip(files, karyotype.calls, strict=True)):
        numbers = (logs[row].tolist(), call.probability, call.doubtful, karyotype.others(row))
        reviewed.append(ReviewedFile(file, path, call.assigned, *numbers, sha256=values.get("sha256", {}).get(file)))
    values.pop("sha256", None)
    iscn, reasons = karyotype.karyotype and karyotype.karyotype.iscn, list(karyotype.reasons)
    left_out = values.pop("left_out", [])
    return ReviewedCell(case, name, reviewed, left_out, iscn, karyotype.probability, reasons, **values)


def write_cells(output: Path, cells: int = 2, case: str | None = "case", name: str = "{:02d}.png") -> ReviewBundle:
    """Write cells c0, c1, ... of a male; in the last one, which is the most doubtful, a 5 resembles a 4."""
    folder = output / FOLDER
    folder.mkdir(parents=True)
    pictures = np.zeros((46, 40, 16, 3), np.uint8)
    for row in range(46):
        pictures[row, 5 : 36 - row // 2, 5:11] = 200
        pictures[row, 8:11, 5:11] = 90  # a band
    pictures[17] = np.roll(pictures[17], 3, axis=0)  # the second 9 lies lower
    summaries, named = [], {}
    for number in range(cells):
        logs = log_probabilities(MALE)
        if number == cells - 1:
            logs[8] = np.log(np.full(24, 0.02 / 22))
            logs[8, [3, 4]] = np.log([0.5, 0.48])
        files = []
        for row in range(len(MALE)):
            file = f"c{number}/{name.format(row)}"
            path = write_image(output / "images" / file, 255 - pictures[row])
            files.append((file, str(path)))
        sha256 = {file: sha256_of_file(Path(path)) for file, path in files}
        named[f"c{number}"] = named_cell(case, f"c{number}", files, logs, sha256=sha256)
        write_picture(folder / f"c{number}.png", 255 - np.concatenate(list(pictures[:, 4:37]), axis=1))
        title = f"{case} / c{number}" if case else f"c{number}"
        summaries.append(CellSummary(f"c{number}", title, 0.1 * (number + 1), case))
    cases = {"case": "46,XY; settled"}
    index = ReviewIndex(KaryotypePriors(), True, 0.95, summaries, cases=cases)
    write_bundle(folder, index, named)
    return ReviewBundle(output)
