"""What an expert has decided (``--fixed``): classes of files in a table, or the decisions of a review, read once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from cytogenetics.images.cells import Cells
from cytogenetics.karyotypes.naming import MARKER
from cytogenetics.review.cell_bundle import NO_CHROMOSOME, Box, ReviewBundle
from cytogenetics.review.decisions import Decision, read_decisions, replay
from datamodules.io.text_tables import read_text_table
from karyocyte.common.checksums import OPTION, is_accepting
from karyocyte.common.cli import warn
from karyocyte.common.errors import UserError
from karyocyte.common.karyotype import class_of

KEYS = ("stem", "case", "cell", "file")
NUMBER = "number of the cell"

# Of one cell: classes by the name of the file, of CHROMOSOMES, MARKER, or NO_CHROMOSOME.
FixedClasses = dict[str, str]


@dataclass(frozen=True)
class DrawnBoxes:
    """What readers have drawn in the picture of a metaphase."""

    boxes: Mapping[str, Box]  # by the names of the files
    removed: set[str]  # files that are no chromosomes


@dataclass(frozen=True, eq=False)
class ExpertDecisions:
    """The file of an expert."""

    file: Path | None = None
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)  # some of KEYS, and ``column``
    column: str = "class"  # that of the classes
    drawn: Mapping[str, DrawnBoxes] = field(default_factory=dict)  # by the stems of the cells that readers have decided

    @classmethod
    def read(cls, file: Path | None) -> "ExpertDecisions":
        """Read a table or decisions; None decides nothing.

        A table has a row per file: ``file``, ``cell`` and ``case`` where the name of the file alone is not enough, and
        ``fixed`` or, without such a column, ``class``: 1 to 22, X, Y, "mar" for a marker, or "none" for what is no
        chromosome. Rows that fix nothing are passed over, so that a chromosomes.csv can be given back with its column
        ``fixed`` filled in. Decisions of a review (.jsonl), beside the output that they are on, fix the classes of
        approved cells, and in others those that a reader has given; those on others are left out with a warning.

        Raises:
            UserError: A column is missing; nothing is fixed; readers differ; or the reviewed output is not there.
        """
        if file is None:
            return cls()
        expert = _reviewed(file) if file.suffix == ".jsonl" else _listed(file)
        if not len(expert.rows) and not expert.drawn:
            raise UserError(f"{file} fixes nothing: write a class into its column {expert.column}")
        return expert

    def classes_of(self, cells: Cells) -> list[FixedClasses]:
        """Return which classes are fixed, for each cell.

        Raises:
            UserError: A file is in no cell, or in several; a class is unknown; or a file has two classes.
        """
        fixed: list[FixedClasses] = [{} for _ in cells.cells]
        if not len(self.rows):
            return fixed
        if "stem" in self.rows and len(unknown := self.rows[~self.rows["stem"].isin(cells.stems)]):
            reader, stem = unknown.iloc[0][["reader", "stem"]]
            raise UserError(f"{self.file}: {reader} has reviewed {stem}, which is none of the cells")
        keys = [name for name in KEYS if name in self.rows]
        found = self.rows.rename_axis("row").reset_index().merge(_files(cells), on=keys, how="left")
        for row, matches in found.groupby("row"):
            place = f"{self.file}, row {row}"
            one = matches.iloc[0]
            if len(matches) > 1 or pd.isna(one[NUMBER]):
                problem = "is in none of the cells"
                if len(matches) > 1:
                    problem = f"is in {len(matches)} cells: add the column cell"
                raise UserError(f"{place}: {' / '.join(filter(None, one[keys]))} {problem}")
            kind = _class(one[self.column], self.column, place)
            if fixed[int(one[NUMBER])].setdefault(one["file"], kind) != kind:
                raise UserError(f"{place}: {one['file']} has another class in a row above: delete one of them")
        return fixed


def _listed(file: Path) -> ExpertDecisions:
    table = read_text_table(file)
    column = "fixed" if "fixed" in table else "class"
    for name in ("file", column):
        if name not in table:
            raise UserError(f"{file} has no column {name}: it needs file and class, as in chromosomes.csv")
    return ExpertDecisions(file, table[table[column] != ""].drop(columns="stem", errors="ignore"), column)


def _reviewed(file: Path) -> ExpertDecisions:
    """Read what the readers of a file of decisions have fixed and drawn, who must not differ."""
    decisions, warnings = read_decisions(file, _is_own(file))
    warn(*warnings)
    kinds: dict[tuple[str, str], str] = {}
    rows = []
    drawn: dict[str, DrawnBoxes] = {}
    for (reader, stem), state in replay(decisions).items():
        settled, boxes = state.settled, state.drawn
        for name, kind in settled.items():
            if name in boxes and kind == NO_CHROMOSOME:  # it is not drawn
                continue
            if kinds.setdefault((stem, name), kind) != kind:
                raise UserError(f"{file}: readers differ on {name}: export the labels, which leaves it out, or agree")
            rows.append((reader, stem, name, kind))
        if (settled or boxes) and not state.rejection:
            known = drawn.setdefault(stem, DrawnBoxes(boxes, state.removed))
            if known.boxes != boxes:
                raise UserError(f"{file}: readers have drawn different boxes in {stem}: keep the lines of one of them")
    table = pd.DataFrame(rows, columns=["reader", "stem", "file", "class"], dtype=object)
    return ExpertDecisions(file, table, drawn=drawn)


def _is_own(file: Path) -> Callable[[Decision], bool] | None:
    """Return what tells whether a decision is on a picture and a prediction of the output that holds the file."""
    if is_accepting():
        return None
    try:
        bundle = ReviewBundle(file.absolute().parent)
    except UserError as error:
        problem = f"{file} cannot be compared with the pictures and predictions that were reviewed"
        raise UserError(f"{problem} ({error}): give it in their folder, or add {OPTION}") from error
    return lambda decision: decision.model == bundle.identity(decision.cell)


def _files(cells: Cells) -> pd.DataFrame:
    rows = []
    for number, (cell, stem) in enumerate(zip(cells.cells, cells.stems, strict=True)):
        for file in cell.files:
            rows.append((number, stem, cell.case or "", cell.name, file.name))
    return pd.DataFrame(rows, columns=[NUMBER, *KEYS], dtype=object).drop_duplicates()


def _class(text: str, column: str, place: str) -> str:
    text = str(text).removesuffix(".0")  # pandas writes numbers beside empty fields so
    name = text.lower() if text.lower() in (NO_CHROMOSOME, MARKER) else class_of(text)
    if name is None:
        raise UserError(f"{place}: {column} {text} is none of 1 to 22, X, Y, {MARKER} and {NO_CHROMOSOME}")
    return name
