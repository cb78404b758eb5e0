"""The classes of chromosomes that an expert has fixed: ``--fixed`` of scripts/karyotype.py."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.errors import UserError
from common.karyotype import CHROMOSOMES, class_of
from datamodules.inference.cells import Cell
from datamodules.io.tables import read_text_table
from workflows.cell_bundle import NO_CHROMOSOME

KEYS = ("case", "cell", "file")
NUMBER = "number of the cell"

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
    rows = table[table[column] != ""].rename_axis("row").reset_index()
    if rows.empty:
        raise UserError(f"{file} fixes nothing: write a class into its column {column}")
    keys = [name for name in KEYS if name in table]
    found = rows.merge(_files(cells), on=keys, how="left")
    for row, matches in found.groupby("row"):
        place = f"{file}, row {row}"
        one = matches.iloc[0]
        if len(matches) > 1 or pd.isna(one[NUMBER]):
            problem = "is in none of the cells"
            if len(matches) > 1:
                problem = f"is in {len(matches)} cells: add the column cell"
            raise UserError(f"{place}: {' / '.join(filter(None, one[keys]))} {problem}")
        kind = _class(one[column], column, place)
        if fixed[int(one[NUMBER])].setdefault(one["file"], kind) != kind:
            raise UserError(f"{place}: {one['file']} has another class in a row above: delete one of them")
    return fixed


def text_of(kind: int | None) -> str:
    """Write a class as a table of fixed classes has it."""
    return NO_CHROMOSOME if kind is None else CHROMOSOMES[kind]


def _files(cells: Sequence[Cell]) -> pd.DataFrame:
    rows = []
    for number, cell in enumerate(cells):
        for file in cell.files:
            rows.append((number, cell.case or "", cell.name, file.name))
    return pd.DataFrame(rows, columns=[NUMBER, *KEYS], dtype=object).drop_duplicates()


def _class(text: str, column: str, place: str) -> int | None:
    text = str(text).removesuffix(".0")  # pandas writes numbers beside empty fields so
    if text.lower() == NO_CHROMOSOME:
        return None
    name = class_of(text)
    if name is None:
        raise UserError(f"{place}: {column} {text} is none of 1 to 22, X, Y and {NO_CHROMOSOME}")
    return CHROMOSOMES.index(name)
