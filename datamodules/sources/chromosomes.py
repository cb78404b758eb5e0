"""Single chromosomes in 24 classes: a table with case and cell, or one folder per class."""

import re
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.schema import ChromosomesConfig
from datamodules.manifest import Listing, Record
from datamodules.sources.files import hint_at_archives, image_files, require_data_dir, sub_folders
from datamodules.sources.tables import image_places, read_table

CLASSES = (*(str(number) for number in range(1, 23)), "X", "Y")
_NUMBERED = {"23": "X", "24": "Y"}


def list_chromosomes(data: ChromosomesConfig, data_dir: str | None) -> Listing:
    """List single chromosomes; the classes are 1 to 22, X and Y, in this order.

    With ``data.file`` (labels.csv) a row is a chromosome: its path, class and cell, and, where ``data.subject_column``
    is said, its case. Where the table has no such column, or there is no table, the cell is the subject: the honest
    split is by case, or, where only cells are known, by cell. With ``data.file: null`` the class is the name of the
    folder directly below ``data_dir``, and ``data.cell_regex`` finds the cell in the file's name.

    Classes may be written 1 to 24 (23 is X, 24 is Y), with leading zeros, "chr" before them, or as X and Y.

    Raises:
        UserError: The table, a column or a file is missing; a class folder or a label is none of the 24; a chromosome
            has no cell; the data folder is missing or empty; or a class has no image.
    """
    root = require_data_dir(data_dir)
    records = _from_folders(data, root) if data.file is None else _from_table(data, root)
    present = {record.label for record in records}
    absent = [name for name in CLASSES if name not in present]
    if absent:
        raise UserError(f"{root} has no chromosome of class {', '.join(absent)}: all 24 classes are needed")
    return Listing(tuple(records), root, CLASSES, None, "chromosomes", _notes(records))


def class_of(text: str) -> str | None:
    """Return the class, "1" to "22", "X" or "Y", that a label or a folder's name means; None where it is none."""
    name = re.sub(r"^chr", "", text.strip(), flags=re.IGNORECASE).upper()
    name = name.lstrip("0") if name.isdecimal() else name
    name = _NUMBERED.get(name, name)
    return name if name in CLASSES else None


def _from_table(data: ChromosomesConfig, root: Path) -> list[Record]:
    file = root / str(data.file)
    if not file.is_file():
        way_out = "set data.file, or data.file=null for one folder per class"
        raise UserError(f"no table {file}{hint_at_archives(root)}: {way_out}")
    table = read_table(file)
    for key in ("path_column", "label_column", "cell_column"):
        column = getattr(data, key)
        if column is not None and column not in table.columns:
            raise UserError(f"{file} has no column {column}: set data.{key} to one of {', '.join(table.columns)}")
    places = image_places(table[data.path_column], file, root)
    cells = _cells(data, table, file)
    known = data.subject_column in table.columns
    subjects = [value or None for value in table[data.subject_column]] if known else cells
    labels = [_label(text, f"{file}, row {index + 2}") for index, text in table[data.label_column].items()]
    names = table[data.path_column]
    rows = zip(names, places, labels, subjects, cells, strict=True)
    return [Record(name, place, label, subject, None, cell) for name, place, label, subject, cell in rows]


def _cells(data: ChromosomesConfig, table: pd.DataFrame, file: Path) -> list[str | None]:
    if data.cell_column is None:
        return [None] * len(table)
    for index, cell in table[data.cell_column].items():
        if not cell:
            way_out = "name the cell, or set data.cell_column=null to do without cells"
            raise UserError(f"{file}, row {int(index) + 2}: the chromosome has no {data.cell_column}: {way_out}")
    return list(table[data.cell_column])


def _label(text: str, where: str) -> str:
    label = class_of(text)
    if label is None:
        raise UserError(f"{where}: class {text or '(empty)'} is none of 1 to 24 (23 = X, 24 = Y), X and Y")
    return label


def _from_folders(data: ChromosomesConfig, root: Path) -> list[Record]:
    pattern = None if data.cell_regex is None else re.compile(data.cell_regex)
    folders = sub_folders(root)
    if not folders:
        raise UserError(f"{root} has no class folders{hint_at_archives(root)}: one per class, 1 to 22, X and Y")
    records = []
    for folder in folders:
        label = class_of(folder.name)
        if label is None:
            raise UserError(f"{folder}: an unknown class; folders are named 1 to 22, X and Y (or 23 and 24)")
        for path in image_files(folder):
            below, cell = path.relative_to(root).as_posix(), _cell(path, pattern)
            records.append(Record(below, below, label, cell, None, cell))
    return records


def _cell(path: Path, pattern: re.Pattern[str] | None) -> str | None:
    if pattern is None:
        return None
    match = pattern.search(path.name)
    if match is None or not match.group(1):
        raise UserError(f"{path}: no cell found by data.cell_regex={pattern.pattern}: mend the expression")
    return match.group(1)


def _notes(records: list[Record]) -> tuple[str, ...]:
    cells = {record.cell for record in records}
    if cells == {None}:
        return ("the cells are not known: no split by cell, no assignment (data.cell_column, data.cell_regex)",)
    subjects = len({record.subject for record in records})
    return (f"{len(records):,} chromosomes of {len(cells):,} cells and {subjects:,} subjects",)
