"""The classes of chromosomes that an expert has fixed: ``--fixed`` of scripts/karyotype.py."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.karyotype import CHROMOSOMES, class_of
from datamodules.inference.cells import Cell
from datamodules.io.tables import read_text_table
from workflows.cell_bundle import NO_CHROMOSOME

KEYS = ("case", "cell", "file")

# Of one cell: classes as indices into CHROMOSOMES by the name of the file; None where it is no chromosome.
FixedClasses = dict[str, int | None]


def read_fixed(file: Path | None, cells: Sequence[Cell]) -> list[FixedClasses]:
    """Read which classes are fixed, for each cell.

    A table has a row per file: ``file``, ``cell`` and ``case`` where the name of the file alone is not enough, and
    ``fixed`` or, without such a column, ``class``: 1 to 22, X, Y, or "none" for what is no chromosome. Rows that fix
    nothing are passed over, so that a chromosomes.csv can be given back with its column ``fixed`` filled in.

    Raises:
        UserError: A column is missing; a file is in no cell, or in several; a class is unknown; a file has two classes;
            or nothing is fixed.
    """
    fixed: list[FixedClasses] = [{} for _ in cells]
    if file is None:
        return fixed
    table = read_text_table(file)
    column = "fixed" if "fixed" in table else "class"
    for name in ("file", column):
        if name not in table:
            raise UserError(f"{file} has no column {name}: it needs file and class, as in chromosomes.csv")
    keys = [name for name in KEYS if name in table]
    places: dict[tuple[str, ...], list[int]] = {}
    for number, names in _names(cells):
        places.setdefault(tuple(names[key] for key in keys), []).append(number)
    rows = table[table[column] != ""]
    if rows.empty:
        raise UserError(f"{file} fixes nothing: write a class into its column {column}")
    for row, values in rows.iterrows():
        key = tuple(values[keys])
        numbers = places.get(key, [])
        if len(numbers) != 1:
            problem = "is in none of the cells" if not numbers else f"is in {len(numbers)} cells: add the column cell"
            raise UserError(f"{file}, row {row}: {' / '.join(filter(None, key))} {problem}")
        of_cell = fixed[numbers[0]]
        kind = _class(values, column, f"{file}, row {row}")
        if of_cell.setdefault(values["file"], kind) != kind:
            raise UserError(f"{file}, row {row}: {values['file']} has another class in a row above: delete one of them")
    return fixed


def text_of(kind: int | None) -> str:
    """Write a class as a table of fixed classes has it."""
    return NO_CHROMOSOME if kind is None else CHROMOSOMES[kind]


def _names(cells: Sequence[Cell]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, cell in enumerate(cells):
        for file in {file.name for file in cell.files}:
            yield number, {"case": cell.case or "", "cell": cell.name, "file": file}


def _class(row: pd.Series, column: str, place: str) -> int | None:
    text = str(row[column]).removesuffix(".0")  # pandas writes numbers beside empty fields so
    if text.lower() == NO_CHROMOSOME:
        return None
    name = class_of(text)
    if name is None:
        raise UserError(f"{place}: {column} {text} is none of 1 to 22, X, Y and {NO_CHROMOSOME}")
    return CHROMOSOMES.index(name)
