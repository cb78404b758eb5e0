"""What the sources that read a CSV file share."""

import os
from pathlib import Path

import pandas as pd

from common.errors import UserError


def read_table(file: Path) -> pd.DataFrame:
    """Read a CSV file as text, without its blank lines; the index counts lines from 0 after the header.

    Raises:
        UserError: It cannot be read, or has no rows.
    """
    try:
        # As text: a class called "01", "NA" or "None" stays what it is.
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False)
    except (ValueError, OSError) as error:  # pandas' parser errors and decoding errors are ValueErrors
        raise UserError(f"{file} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    table = table.apply(lambda column: column.str.strip())
    table = table[(table != "").any(axis=1)]  # the index still counts the blank lines
    if table.empty:
        raise UserError(f"{file} has no rows: it needs one per image")
    return table


def image_places(names: pd.Series, file: Path, root: Path) -> list[str]:
    """Return each image's path below ``root``.

    Args:
        names: Paths relative to the table's folder, indexed as `read_table` indexes.
        file: The table.
        root: The data folder.

    Raises:
        UserError: A path is empty, given twice, missing on disk or outside ``root``; the message names the row as a
            spreadsheet counts: the header is row 1.
    """
    first: dict[str, int] = {}
    # With os.path: tens of thousands of Paths take as long as half of the other checks before a training.
    base = os.path.join(os.path.abspath(root), "")  # noqa: PTH100, PTH118 (Path.resolve would follow links)
    folder = os.path.abspath(file.parent)  # noqa: PTH100
    places = []
    for index, name in names.items():
        row = int(index) + 2
        where = f"{file}, row {row}"
        if not name:
            raise UserError(f"{where}: the path is empty")
        place = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
        if place in first:
            raise UserError(f"{where}: {name} is in row {first[place]} already: keep one of the two rows")
        first[place] = row
        if not os.path.isfile(place):  # noqa: PTH113
            raise UserError(f"{where}: no file {place} (paths are relative to the table's folder)")
        if not place.startswith(base):
            raise UserError(f"{where}: {place} lies outside {root}: set data_dir to a folder that holds all images")
        places.append(place.removeprefix(base).replace(os.sep, "/"))
    return places
