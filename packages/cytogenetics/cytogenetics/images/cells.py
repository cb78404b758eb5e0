"""Cells of single chromosomes without labels: in folders, in a zip file, or in a table."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from datamodules.inference.image_files import ImageFile, find_image_files, printable
from datamodules.io.archives import is_zip
from datamodules.io.text_tables import read_text_table
from datamodules.sources.listing import as_written_elsewhere
from karyocyte.common.errors import UserError
from karyocyte.common.files import safe_stems
from karyocyte.common.karyotype import AUTOSOMES, class_of
from karyocyte.common.text import natural_key

TABLE_SUFFIX = ".csv"
PATH, CELL, CASE = "path", "cell_id", "case_id"  # columns of a table
FilesByFolders = dict[tuple[str, ...], list[ImageFile]]
CELL_SIZES = (22, 70)  # images of a cell, by which numbered cells differ from most numbered classes


@dataclass(frozen=True)
class Cell:
    """The files of one cell; ``case`` is None where it is unknown."""

    name: str
    case: str | None
    files: tuple[ImageFile, ...]

    @cached_property
    def title(self) -> str:
        """The case, where it is known, and the cell."""
        return " / ".join(filter(None, [self.case, self.name]))


@dataclass(frozen=True)
class Cells:
    """The cells of a folder, a zip file or a table."""

    cells: tuple[Cell, ...]  # in natural order
    others: dict[str, int]  # number of other files of each kind (`ImageFiles.others`)

    @cached_property
    def stems(self) -> list[str]:
        """The names of the files of each cell, which are its identities in the decisions of a review."""
        return safe_stems(cell.title.replace(" / ", ".") for cell in self.cells)


def find_cells(place: Path, cache_dir: Path, progress: bool = True, follow_links: bool = False) -> Cells:
    """Find the cells of a folder, a zip file or a table.

    In a folder, each sub-folder with images is a cell, and the folders above it are its case; images that lie directly
    in the folder are one cell, which has its name. A folder that holds all cells of a zip file is no case. In a table
    (CSV) are the columns path (relative to its folder), cell_id and, where it is known, case_id; a file that is missing
    is a file that cannot be read.

    Args:
        place: The folder, zip file or table.
        cache_dir: The folder below which a zip file is unpacked.
        progress: Whether a progress bar may be shown.
        follow_links: Whether links that lead out of the folder are followed.

    Raises:
        UserError: There is no image; the sub-folders are those of classes; the table is unfit; or the zip file is
            unsafe or damaged.
    """
    if place.suffix.lower() == TABLE_SUFFIX:
        return Cells(_cells_of_table(place), {})
    if not place.is_dir() and not is_zip(place):
        raise UserError(f"{place} is a single file: name a folder, a zip or a table (.csv) of single chromosomes")
    images = find_image_files([place], cache_dir, progress, follow_links)
    grouped = _by_folders(images.files, place)
    _check_classes(grouped, place)
    return Cells(_cells_of_folders(grouped, place), images.others)


def _by_folders(files: Sequence[ImageFile], place: Path) -> FilesByFolders:
    """Group files by the names of the folders from the named one (not with it) to the file."""
    grouped: FilesByFolders = {}
    for file in files:
        grouped.setdefault(file.folders[1:], []).append(file)  # the first one is the named folder
    # A zip file often holds one folder with all cells in it.
    if is_zip(place) and len({folders[:1] for folders in grouped}) == 1 and max(map(len, grouped)) > 1:
        return {folders[1:]: of_folder for folders, of_folder in grouped.items()}
    return grouped


def _cells_of_folders(grouped: FilesByFolders, place: Path) -> tuple[Cell, ...]:
    own_name = place.resolve().name  # "case1.7" is a folder's whole name, not one with a suffix
    if is_zip(place):
        own_name = place.stem
    cells = []
    for folders, of_cell in grouped.items():
        *cases, name = folders or (own_name,)
        cells.append(Cell(printable(name), printable("/".join(cases)) or None, tuple(of_cell)))
    return tuple(cells)


def _check_classes(grouped: FilesByFolders, place: Path) -> None:
    """Refuse folders of classes; folders that have the numbers of classes, but as many images as cells, are cells."""
    names: set[str] = set()
    for folders in grouped:
        names.update(folders[-1:])
    if len(names) < len(AUTOSOMES) or not all(map(class_of, names)):
        return
    size = np.median(list(map(len, grouped.values())))
    if all(map(str.isdecimal, names)) and CELL_SIZES[0] <= size <= CELL_SIZES[1]:
        return
    raise UserError(
        f"{place} has a folder per class (1 to 22, X, Y): cells are wanted, a folder for each or a table with the "
        "columns path and cell_id"
    )


def _cells_of_table(file: Path) -> tuple[Cell, ...]:
    table = read_text_table(file)
    for column in (PATH, CELL):
        if column not in table:
            raise UserError(f"{file} has no column {column}, only {', '.join(table.columns)}: rename the one it is")
    places = table[PATH].map(partial(as_written_elsewhere, str(file.parent)))
    table[CASE] = table.get(CASE, "")
    without = table[CASE] == ""
    of_known = table[CELL].isin(table.loc[~without, CELL])
    faults = {
        f"{PATH} or {CELL} is empty: write it, or delete the row": (table[[PATH, CELL]] == "").any(axis=1),
        f"{CASE} is empty, but other rows of this cell have one": without & of_known,  # it would fall into two cells
        f"its {PATH} is in an earlier row already: keep one of the two rows": places.duplicated(),
    }
    for fault, rows in faults.items():
        if rows.any():
            raise UserError(f"{file}, row {rows.idxmax()}: {fault}")
    paths = table[PATH]
    if not any(map(os.path.lexists, places)):
        raise UserError(
            f"{file}: none of its {len(paths):,} files exists, such as {paths.iloc[0]}: write them into the column "
            f"{PATH} relative to {file.parent}"
        )
    cells = []
    for (case, name), of_cell in paths.groupby([table[CASE], table[CELL]], sort=False):
        files = [ImageFile(Path(places[row]), path, (name,)) for row, path in of_cell.items()]
        cells.append(Cell(name, case or None, tuple(files)))
    return tuple(sorted(cells, key=lambda cell: natural_key(cell.title)))
