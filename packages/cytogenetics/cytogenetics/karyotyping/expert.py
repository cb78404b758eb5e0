"""The classes of files that an expert has fixed in a table (``--fixed``)."""

from pathlib import Path

import pandas as pd

from cytogenetics.images.cells import Cells
from cytogenetics.karyotypes.naming import MARKER
from cytogenetics.review.cell_bundle import NO_CHROMOSOME
from datamodules.io.text_tables import read_text_table
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import class_of

KEYS = ("case", "cell", "file")
NUMBER = "number of the cell"

# Of one cell: classes by the name of the file, of CHROMOSOMES, MARKER, or NO_CHROMOSOME.
FixedClasses = dict[str, str]


def read_fixed(file: Path | None) -> pd.DataFrame:
    """Read the rows of a table that fix a class: some of KEYS, ``class``, and ``place``; None fixes nothing.

    A table has a row per file: ``file``, ``cell`` and ``case`` where the name of the file alone is not enough, and
    ``fixed`` or, without such a column, ``class``: 1 to 22, X, Y, "mar" for a marker, or "none" for what is no
    chromosome. Rows that fix nothing are passed over, so that a chromosomes.csv can be given back with its column
    ``fixed`` filled in.

    Raises:
        UserError: A column is missing, or nothing is fixed.
    """
    if file is None:
        return pd.DataFrame(columns=["file", "class", "place"])
    if file.suffix == ".jsonl":
        raise UserError(f"{file} holds decisions of a review: approve its cells there, approved/ has their karyotypes")
    table = read_text_table(file)
    column = "fixed" if "fixed" in table else "class"
    for name in ("file", column):
        if name not in table:
            raise UserError(f"{file} has no column {name}: it needs file and class, as in chromosomes.csv")
    rows = table[table[column] != ""]
    if not len(rows):
        raise UserError(f"{file} fixes nothing: write a class into its column {column}")
    return rows.assign(**{"class": rows[column], "place": [f"{file}, row {row}" for row in rows.index]})


def classes_by_cell(rows: pd.DataFrame, cells: Cells) -> list[FixedClasses]:
    """Return which classes the rows of ``read_fixed`` fix in each cell.

    Raises:
        UserError: A file is in no cell, or in several; a class is unknown; or a file has two classes.
    """
    fixed: list[FixedClasses] = [{} for _ in cells.cells]
    keys = [name for name in KEYS if name in rows]
    found = rows.rename_axis("row").reset_index().merge(_files(cells), on=keys, how="left")
    for _, matches in found.groupby("row"):
        one = matches.iloc[0]
        place = one["place"]
        if len(matches) > 1 or pd.isna(one[NUMBER]):
            problem = "is in none of the cells"
            if len(matches) > 1:
                problem = f"is in {len(matches)} cells: add the column cell"
            raise UserError(f"{place}: {' / '.join(filter(None, one[keys]))} {problem}")
        kind = _class(one["class"], place)
        if fixed[int(one[NUMBER])].setdefault(one["file"], kind) != kind:
            raise UserError(f"{place}: {one['file']} has another class in a row above: delete one of them")
    return fixed


def _files(cells: Cells) -> pd.DataFrame:
    rows = []
    for number, cell in enumerate(cells.cells):
        for file in cell.files:
            rows.append((number, cell.case or "", cell.name, file.name))
    return pd.DataFrame(rows, columns=[NUMBER, *KEYS], dtype=object).drop_duplicates()


def _class(text: str, place: str) -> str:
    text = str(text).removesuffix(".0")  # pandas writes numbers beside empty fields so
    name = text.lower() if text.lower() in (NO_CHROMOSOME, MARKER) else class_of(text)
    if name is None:
        raise UserError(f"{place}: class {text} is none of 1 to 22, X, Y, {MARKER} and {NO_CHROMOSOME}")
    return name
