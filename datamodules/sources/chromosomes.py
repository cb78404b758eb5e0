"""Single chromosomes in 24 classes: a table with case and cell, or one folder per class."""

import re
from pathlib import Path
from typing import Literal

import pandas as pd

from common.config.base import FROM_YAML
from common.config.data import SourceConfig
from common.errors import UserError
from datamodules.manifest.manifest import Listing, Record
from datamodules.sources._files import (
    compile_group,
    group_in_name,
    hint_at_archives,
    image_files,
    require_data_dir,
    sub_folders,
)
from datamodules.sources._registry import SourceContext, source
from datamodules.sources._tables import image_places, read_table

CLASSES = (*(str(number) for number in range(1, 23)), "X", "Y")
CASES = "case_id"  # the usual column of data.subject_column
_NUMBERED = {"23": "X", "24": "Y"}


class ChromosomesConfig(SourceConfig, defaults="data/chromosomes"):
    """Single chromosomes in 24 classes, by a table or by class folders."""

    source: Literal["chromosomes"]
    file: str | None = FROM_YAML
    path_column: str = FROM_YAML
    label_column: str = FROM_YAML
    subject_column: str | None = FROM_YAML
    cell_column: str | None = FROM_YAML
    cell_regex: str | None = FROM_YAML


@source(ChromosomesConfig)
def list_chromosomes(data: ChromosomesConfig, context: SourceContext) -> Listing:
    """List single chromosomes; the classes are 1 to 22, X and Y, in this order.

    With ``data.file`` (labels.csv) a row is a chromosome: its path, class and cell, and, in ``data.subject_column``,
    its case. Where a table has no column of the usual name, case_id, or there is no table, the cell is the subject, and
    a note says so: the honest split is by case, or, where only cells are known, by cell. With ``data.file: null`` the
    class is the name of the folder directly below ``data_dir``, and ``data.cell_regex`` finds the cell in the file's
    name: its group ``cell``, or else the first.

    Classes may be written 1 to 24 (23 is X, 24 is Y), with leading zeros, "chr" before them, or as X and Y.

    Raises:
        UserError: The table, a column or a file is missing; a class folder or a label is none of the 24; a chromosome
            has no cell, or cells of two cases bear one name; the data folder is missing or empty; a class has no image.
    """
    root = require_data_dir(context.data_dir)
    records = _from_folders(data, root) if data.file is None else _from_table(data, root)
    present = {record.label for record in records}
    absent = [name for name in CLASSES if name not in present]
    if absent:
        raise UserError(f"{root} has no chromosome of class {', '.join(absent)}: all 24 classes are needed")
    _check_cells(records, root)
    return Listing(tuple(records), root, CLASSES, None, "chromosomes", _notes(records))


def class_of(text: str) -> str | None:
    """Return the class, "1" to "22", "X" or "Y", that a label or a folder's name means; None where it is none."""
    name = re.sub(r"^chr", "", text.strip(), flags=re.IGNORECASE).upper()
    if name.isdecimal():
        name = name.lstrip("0")
    name = _NUMBERED.get(name, name)
    if name in CLASSES:
        return name
    return None


def _from_table(data: ChromosomesConfig, root: Path) -> list[Record]:
    if data.cell_regex is not None:
        raise UserError("data.cell_regex counts with data.file=null alone, a table names its cells: leave it out")
    file = root / str(data.file)
    if not file.is_file():
        remedy = "set data.file, or data.file=null for one folder per class"
        raise UserError(f"no table {file}{hint_at_archives(root)}: {remedy}")
    table = read_table(file)
    for key in ("path_column", "label_column", "cell_column", "subject_column"):
        column = getattr(data, key)
        # The usual column of cases may be missing, as the notes then say; one that the user names may not.
        optional = key == "subject_column" and column == CASES
        if column is not None and column not in table.columns and not optional:
            raise UserError(f"{file} has no column {column}: set data.{key} to one of {', '.join(table.columns)}")
    places = image_places(table[data.path_column], file, root)
    cells = _cells(data, table, file)
    known = data.subject_column in table.columns
    if known:
        subjects = [value or None for value in table[data.subject_column]]
    else:
        subjects = cells
    labels = [_label(text, f"{file}, row {index + 2}") for index, text in table[data.label_column].items()]
    names = table[data.path_column]
    rows = zip(names, places, labels, subjects, cells, strict=True)
    return [Record(name, place, label, subject, None, cell) for name, place, label, subject, cell in rows]


def _cells(data: ChromosomesConfig, table: pd.DataFrame, file: Path) -> list[str | None]:
    if data.cell_column is None:
        return [None] * len(table)
    for index, cell in table[data.cell_column].items():
        if not cell:
            remedy = "name the cell, or set data.cell_column=null to do without cells"
            raise UserError(f"{file}, row {int(index) + 2}: the chromosome has no {data.cell_column}: {remedy}")
    return list(table[data.cell_column])


def _label(text: str, where: str) -> str:
    label = class_of(text)
    if label is None:
        raise UserError(f"{where}: class {text or '(empty)'} is none of 1 to 24 (23 = X, 24 = Y), X and Y")
    return label


def _from_folders(data: ChromosomesConfig, root: Path) -> list[Record]:
    pattern = compile_group(data.cell_regex, "data.cell_regex", "cell")
    folders = sub_folders(root)
    if not folders:
        raise UserError(f"{root} has no class folders{hint_at_archives(root)}: one per class, 1 to 22, X and Y")
    records = []
    for folder in folders:
        label = class_of(folder.name)
        if label is None:
            raise UserError(f"{folder}: an unknown class; folders are named 1 to 22, X and Y (or 23 and 24)")
        for path in image_files(folder):
            below = path.relative_to(root).as_posix()
            if pattern is None:
                cell = None
            else:
                cell = group_in_name(path, pattern, "data.cell_regex", "cell")
            records.append(Record(below, below, label, cell, None, cell))
    return records


def _check_cells(records: list[Record], root: Path) -> None:
    """Cells are scaled and assigned as a whole: two cases whose cells bear the same name would be mixed up."""
    first: dict[str, Record] = {}
    for record in records:
        if record.cell is None or record.subject is None:
            continue
        other = first.setdefault(record.cell, record)
        if other.subject != record.subject:
            found = f"cell {record.cell} is of {other.subject} ({other.path}) and of {record.subject} ({record.path})"
            raise UserError(f"{root}: {found}: give each cell a name that no other case uses, e.g. <case>.<cell>")


def _notes(records: list[Record]) -> tuple[str, ...]:
    cells = {record.cell for record in records}
    if cells == {None}:
        return ("the cells are not known: no split by cell, no assignment (data.cell_column, data.cell_regex)",)
    counted = f"{len(records):,} chromosomes of {len(cells):,} cells"
    if all(record.subject == record.cell for record in records):
        return (f"{counted}; cases are not known: each cell counts as a subject of its own (data.subject_column)",)
    return (f"{counted} and {len({record.subject for record in records} - {None}):,} subjects",)
