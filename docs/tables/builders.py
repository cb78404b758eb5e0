"""Two ways to make a Markdown table of a CSV table of results: row by row, and with a column per value of a key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from common.errors import UserError
from evaluation.core.markdown import interval, markdown

Cell = str | Callable[[dict], str]  # a format string of the row's columns, or a function of the row
WIDTH = 110  # letters that fit a page in a browser


def bounds(name: str, prefix: str = "", sign: str = "") -> Callable[[dict], str]:
    """Return the cell of a value and its interval: the columns ``name``, ``<prefix>low`` and ``<prefix>high``."""
    return lambda row: interval(row[name], row[f"{prefix}low"], row[f"{prefix}high"], sign)


def optional(template: str, name: str) -> Callable[[dict], str]:
    """Return the cell of one column's value, "-" where it is missing."""
    return lambda row: "-" if pd.isna(row[name]) else template.format(row[name])


@dataclass(frozen=True)
class Rows:
    """A table with a line per row of a CSV table.

    Attributes:
        csv: Its path within results/, or a pattern of several; ``file`` then tells them apart.
        columns: The cell under each head.
        where: A pandas query.
    """

    csv: str
    columns: dict[str, Cell]
    where: str = ""

    def __call__(self, results: Path) -> str:
        """Return the table as Markdown."""
        lines = []
        for row in read(results, self.csv, self.where).to_dict("records"):
            lines.append({head: fill(cell, row) for head, cell in self.columns.items()})
        return split(pd.DataFrame(lines, columns=list(self.columns)))


@dataclass(frozen=True)
class Pivot:
    """A table with a line per index, and a column per value of a key.

    Attributes:
        csv: As of ``Rows``.
        index: The cell under each of the first heads; rows with the same cells are one line.
        column: The cell that is the head of the further columns.
        cell: What stands in them; "-" where there is no such row.
        where: A pandas query.
        read: Reads the rows.
        keys: The number of first columns that every part of a table too wide repeats.
    """

    csv: str
    index: dict[str, Cell]
    column: Cell
    cell: Cell
    where: str = ""
    read: Callable[[Path, str, str], pd.DataFrame] = field(default_factory=lambda: read)
    keys: int = 1

    def __call__(self, results: Path) -> str:
        """Return the table as Markdown.

        Raises:
            UserError: Two rows belong into the same cell.
        """
        lines: dict[tuple[str, ...], dict[str, str]] = {}
        heads: dict[str, None] = {}
        for row in self.read(results, self.csv, self.where).to_dict("records"):
            line = lines.setdefault(tuple(fill(cell, row) for cell in self.index.values()), {})
            head = fill(self.column, row)
            if head in line:
                raise UserError(f"{self.csv}: {head!r} of {row} is measured twice: remove the older rows")
            line[head] = fill(self.cell, row)
            heads[head] = None
        rows = [[*index, *(line.get(head, "-") for head in heads)] for index, line in lines.items()]
        return split(pd.DataFrame(rows, columns=[*self.index, *heads]), self.keys)


def read(results: Path, csv: str, where: str = "") -> pd.DataFrame:
    """Read one CSV table, or several with their names in the column ``file``."""
    paths = sorted(results.glob(csv))
    table = pd.concat([pd.read_csv(path).assign(file=path.stem) for path in paths], ignore_index=True)
    if where:
        return table.query(where)
    return table


def fill(cell: Cell, row: dict) -> str:
    """Return the text of a cell."""
    if isinstance(cell, str):
        return cell.format(**row)
    return cell(row)


def split(table: pd.DataFrame, keys: int = 1) -> str:
    """Return a table as Markdown; one that is too wide as several, each with the first ``keys`` columns."""
    widths = [max(len(head) + 2, table[head].str.len().max()) + 3 for head in table.columns]
    first = sum(widths[:keys]) + 1
    parts: list[list[str]] = [[]]
    used = first
    for head, width in zip(table.columns[keys:], widths[keys:], strict=True):
        if parts[-1] and used + width > WIDTH:
            parts.append([])
            used = first
        parts[-1].append(head)
        used += width
    return "\n\n".join(markdown(table[[*table.columns[:keys], *part]]) for part in parts)
