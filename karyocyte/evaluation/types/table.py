"""A typed table, which the renderers draw for the terminal, a page, or Markdown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import pandas as pd

from karyocyte.evaluation.types.result import Estimate


@dataclass(frozen=True)
class Named:
    """The name of a row: short for the terminal; in words, with a note below, for pages."""

    short: str
    words: str = ""
    note: str = ""


Cell = str | int | float | Estimate | Named | None
Row = dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """A table, whatever it is drawn on."""

    title: str  # above it
    columns: tuple[str, ...]  # their headings
    # cells, as many as there are columns; numbers and estimates are written by the renderer
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()  # sentences below it
    reading: str = ""  # how to read it, on pages
    signed: tuple[str, ...] = ()  # columns of differences, which have a sign
    detail: tuple[str, ...] = ()  # columns that only pages have
    confidence: float = 0.95  # of the intervals, 0 to 1

    def __bool__(self) -> bool:
        """Whether it has a row."""
        return bool(self.rows)

    def sign_of(self, column: str) -> str:
        """Return the sign of a column's numbers as a format has it."""
        return "+" if column in self.signed else ""

    @classmethod
    def of(cls, title: str, rows: Iterable[Mapping[str, Cell]], reading: str = "", **options: object) -> "Table":
        """Make a table of rows by column; a column that a row lacks is empty there."""
        listed = list(rows)
        columns = dict.fromkeys(chain.from_iterable(listed))
        cells = tuple(tuple(map(row.get, columns)) for row in listed)
        return cls(title, tuple(columns), cells, reading=reading, **options)  # type: ignore[arg-type]  # the fields above

    @classmethod
    def of_frame(cls, title: str, frame: pd.DataFrame, **options: object) -> "Table":
        """Make a table of a data frame, whose cells may be estimates."""
        rows = tuple(zip(*map(pd.Series.tolist, map(frame.get, frame.columns)), strict=True))
        return cls(title, tuple(map(str, frame.columns)), rows, **options)  # type: ignore[arg-type]
