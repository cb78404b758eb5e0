"""The classes of chromosomes that an expert has fixed: ``--fixed`` of scripts/karyotype.py."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from datamodules.inference.cells import Cell
from datamodules.io.tables import read_text_table
from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.files import safe_stems
from karyocyte.common.karyotype import MARKER, class_of
from karyocyte.workflows.review.cell_bundle import NO_CHROMOSOME
from karyocyte.workflows.review.decisions import CellDecisions, read_decisions, replay

KEYS = ("case", "cell", "file", "path")
NUMBER = "number of the cell"

# Of one cell: classes by the name of the file, of CHROMOSOMES, MARKER, or NO_CHROMOSOME.
FixedClasses = dict[str, str]


def read_fixed(file: Path | None, cells: Sequence[Cell]) -> list[FixedClasses]:
    """Read which classes are fixed, for each cell.

    A table has a row per file: ``file``, ``cell`` and ``case`` where the name of the file alone is not enough, or
    ``path``, relative to the table, and ``fixed`` or, without such a column, ``class``: 1 to 22, X, Y, "mar" for a
    marker, or "none" for what is no chromosome. Rows that fix nothing are passed over, so that a chromosomes.csv can
    be given back with its column ``fixed`` filled in. Decisions of a review (.jsonl) fix the classes of approved cells,
    and in others those that a reader has given.

    Raises:
        UserError: A column is missing; a file is in no cell, or in several; a class is unknown; a file has two classes,
            readers differ; or nothing is fixed.
    """
    fixed: list[FixedClasses] = [{} for _ in cells]
    if file is None:
        return fixed
    table = _decided(file, cells) if file.suffix == ".jsonl" else _listed(file)
    column = "fixed" if "fixed" in table else "class"
    rows = table[table[column] != ""].rename_axis("row").reset_index()
    if rows.empty and not read_drawn(file):
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


def read_drawn(file: Path | None) -> dict[str, CellDecisions]:
    """Read the decisions on cells of metaphases in which readers have drawn boxes, by the stems of the cells.

    Raises:
        UserError: Readers have drawn different ones.
    """
    drawn: dict[str, CellDecisions] = {}
    if file is None or file.suffix != ".jsonl":
        return drawn
    for (_, stem), state in replay(read_decisions(file)[0]).items():
        decided = (state.settled or state.drawn) and not state.rejection
        if decided and drawn.setdefault(stem, state).drawn != state.drawn:
            raise UserError(f"{file}: readers have drawn different boxes in {stem}: keep the lines of one of them")
    return drawn


def stems_of(cells: Sequence[Cell]) -> list[str]:
    """Return the names of the files of each cell, which are its identities in the decisions of a review."""
    return safe_stems(cell.title.replace(" / ", ".") for cell in cells)


def _listed(file: Path) -> pd.DataFrame:
    """Read a table; its files are named either by ``file``, ``cell`` and ``case`` or by absolute paths."""
    table = read_text_table(file)
    for names in (("fixed", "class"), ("path", "file")):
        if not set(names) & set(table):
            raise UserError(f"{file} has no column {names[1]}: it needs file and class, as in chromosomes.csv")
    if "file" in table:
        return table.drop(columns="path", errors="ignore")
    return table.assign(path=[str((file.parent / path).resolve()) for path in table["path"]])


def _decided(file: Path, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return what the readers of a file of decisions have fixed, as a table."""
    by_stem = dict(zip(stems_of(cells), cells, strict=True))
    decisions, warnings = read_decisions(file)
    warn(*warnings)
    kinds: dict[tuple[str, str, str], str] = {}
    for (reader, stem), state in replay(decisions).items():
        if state.settled and stem not in by_stem:
            raise UserError(f"{file}: {reader} has reviewed {stem}, which is none of the cells")
        for name, kind in state.settled.items():
            cell = by_stem[stem]
            if name in state.drawn and kind == NO_CHROMOSOME:  # it is not drawn
                continue
            if kinds.setdefault((cell.case or "", cell.name, name), kind) != kind:
                raise UserError(f"{file}: readers differ on {name}: export the labels, which leaves it out, or agree")
    rows = [(*key, kind) for key, kind in kinds.items()]
    return pd.DataFrame(rows, columns=["case", "cell", "file", "class"], dtype=object)


def _files(cells: Sequence[Cell]) -> pd.DataFrame:
    rows = []
    for number, cell in enumerate(cells):
        for file in cell.files:
            rows.append((number, cell.case or "", cell.name, file.name, str(file.path.resolve())))
    return pd.DataFrame(rows, columns=[NUMBER, *KEYS], dtype=object).drop_duplicates()


def _class(text: str, column: str, place: str) -> str:
    text = str(text).removesuffix(".0")  # pandas writes numbers beside empty fields so
    name = text.lower() if text.lower() in (NO_CHROMOSOME, MARKER) else class_of(text)
    if name is None:
        raise UserError(f"{place}: {column} {text} is none of 1 to 22, X, Y, {MARKER} and {NO_CHROMOSOME}")
    return name
