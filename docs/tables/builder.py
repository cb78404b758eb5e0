"""Markdown tables of CSV tables of results."""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from common.errors import UserError
from evaluation.core.markdown import interval, markdown

WIDTH = 110  # letters that fit a page in a browser
Reader = Callable[[Path, str], pd.DataFrame]


def read_tables(results: Path, csv: str) -> pd.DataFrame:
    """Read one CSV table, or those of a pattern, with their names in the column ``file``."""
    return pd.concat(
        [pd.read_csv(path).assign(file=path.stem) for path in sorted(results.glob(csv))], ignore_index=True
    )


@dataclass(frozen=True)
class Table:
    """A Markdown table of a CSV table.

    Cells are format strings of the row's columns. ``{NAME_ci}`` is the column NAME with its interval from NAME_low and
    NAME_high, ``{value_ci}`` that from low and high; ``{NAME_gap}`` and ``{value_gap}`` are the same with a sign.

    Attributes:
        csv: A path below results/, or a pattern of several.
        columns: Heads and cells, ``head={cell} | head={cell}``.
        pivot: ``{head}={cell}`` of further columns: rows with the same ``columns`` are one line; "" for a line per row.
        where: A pandas query.
        words: What is shown in place of values.
        read: Reads the rows.
        keys: The number of first columns that every part of a table too wide repeats.
    """

    csv: str
    columns: str
    pivot: str = ""
    where: str = ""
    words: Mapping[Any, str] | None = None
    read: Reader = read_tables
    keys: int = 1

    def __call__(self, results: Path) -> str:
        """Return the table as Markdown.

        Raises:
            UserError: Two rows belong into the same cell.
        """
        rows = self.read(results, self.csv)
        if self.where:
            rows = rows.query(self.where)
        if self.words:
            rows = rows.astype(object).replace(dict(self.words))
        cells = [column.split("=", 1) for column in self.columns.split(" | ")]
        head, _, value = self.pivot.partition("=")
        lines: dict[tuple[str, ...], dict[str, str]] = {}
        for number, row in enumerate(rows.to_dict("records")):
            fixed = {name: _fill(cell, row) for name, cell in cells}
            line = lines.setdefault((*fixed.values(), "" if head else str(number)), fixed)
            name = _fill(head, row)
            if name in line:
                raise UserError(
                    f"{self.csv}: {name!r} of {list(fixed.values())} is measured twice: remove the older row"
                )
            if head:
                line[name] = _fill(value, row)
        return split(pd.DataFrame(lines.values()).fillna("-"), self.keys)


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


class _Cells(string.Formatter):
    def get_value(self, key: Any, args: Any, kwargs: Any) -> Any:
        name, _, kind = str(key).rpartition("_")
        if not name or kind not in ("ci", "gap"):
            return kwargs[key]
        prefix = "" if name == "value" else f"{name}_"
        if pd.isna(kwargs[name]):
            return "-"
        return interval(kwargs[name], kwargs[f"{prefix}low"], kwargs[f"{prefix}high"], "+" if kind == "gap" else "")

    def format_field(self, value: Any, format_spec: str) -> str:
        if pd.isna(value):
            return "-"
        return str(super().format_field(value, format_spec))


def _fill(cell: str, row: Mapping[str, Any]) -> str:
    """Return the text of a cell, "-" in place of a missing value."""
    return _Cells().vformat(cell, (), row)
