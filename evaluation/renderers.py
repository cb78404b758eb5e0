"""The three ways to draw a table: on a terminal of 80 columns, on an HTML page, as Markdown."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from evaluation.core.formats import ends, number
from evaluation.result import Estimate
from evaluation.tables import Cell, Named, Table

WIDTH = 78  # of 80, two are edges
HEADING = 10  # letters of a column's heading that are never folded


class PageCell(NamedTuple):
    """A cell of a page: its text, a second line or an interval in brackets below it, and whether it is a figure."""

    text: str
    note: str = ""
    is_figure: bool = False


class _Column(NamedTuple):
    """A column on the terminal: its heading, texts, whether they are numbers, and the intervals beside them or []."""

    heading: str
    texts: list[str]
    is_number: bool
    intervals: list[str]

    @property
    def width(self) -> int:
        return max(len(line) for text in (self.heading, *self.texts) for line in text.split("\n")) + 1


def terminal(table: Table) -> Group:
    """Draw a table for the terminal: numbers with three digits, what is not known as a dash, its notes below.

    Intervals are beside their values, or below them where ``table.below``; those of the last columns are left out
    where a terminal is too narrow for all. Long headings that are wider than the numbers below them are folded.
    """
    columns = []
    for place, name in enumerate(table.columns):
        if name not in table.detail:
            columns.append(_column(table, name, [row[place] for row in table.rows]))
    last = len(columns) - 1
    while _width(columns) > WIDTH and last > 0:
        columns[last] = columns[last]._replace(intervals=[])
        last -= 1
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
    # As text, here and below: a class may be called [red].
    drawn.title = Text(table.title, style="bold") if table.title else None
    cells = []
    for column in columns:
        if column.is_number:
            style = "bold" if column.intervals else ""
            drawn.add_column(Text(column.heading), justify="right", no_wrap=True, style=style)
        else:
            drawn.add_column(Text(column.heading), overflow="fold")
        cells.append(column.texts)
        if column.intervals:
            drawn.add_column(f"{100 * table.confidence:.4g} % interval", justify="center", no_wrap=True)
            cells.append(column.intervals)
    for row in zip(*cells, strict=True):
        drawn.add_row(*map(Text, row))
    return Group(drawn, *map(Text, table.notes))


def frame_table(frame: pd.DataFrame, title: str = "", **options: object) -> Group:
    """Draw a data frame for the terminal; ``options`` are fields of ``Table``."""
    return terminal(Table.of_frame(title, frame, **options))


def warning_lines(warnings: Sequence[object]) -> list[Text]:
    """Return a line for each warning."""
    return [Text(f"! {warning}", style="yellow") for warning in warnings]


def page(table: Table) -> list[list[PageCell]]:
    """Return the rows of a table as a page shows them, the headings first; the template blocks.html.j2 writes them."""
    rows = [[_page_cell(cell, sign) for cell, sign in zip(row, _signs(table), strict=True)] for row in table.rows]
    for place in range(1, len(table.columns)):
        if all(_is_number(row[place].text) for row in rows):
            for cells in rows:
                cells[place] = cells[place]._replace(is_figure=True)
    first = rows[0] if rows else [PageCell("")] * len(table.columns)
    heads = [PageCell(name, is_figure=cell.is_figure) for name, cell in zip(table.columns, first, strict=True)]
    return [heads, *rows]


def markdown(table: Table) -> list[str]:
    """Return a table as lines of Markdown, without its title and notes."""
    lines = [list(table.columns), ["---"] * len(table.columns)]
    for row in table.rows:
        lines.append([_in_line(cell, sign) for cell, sign in zip(row, _signs(table), strict=True)])
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _column(table: Table, name: str, cells: Sequence[Cell]) -> _Column:
    sign = "+" if name in table.signed else ""
    estimates = any(isinstance(cell, Estimate) for cell in cells)
    texts = [_text(cell, sign, table.below) for cell in cells]
    is_number = all(_is_number(text) for text in texts)
    heading = name
    if is_number:
        width = max([HEADING, *(len(line) for text in texts for line in text.split("\n"))])
        if len(name) > width:
            heading = textwrap.fill(name.replace("_", " "), width, break_long_words=False)
    intervals = [_ends(cell, sign) for cell in cells] if estimates and not table.below else []
    return _Column(heading, texts, is_number, intervals)


def _signs(table: Table) -> list[str]:
    return ["+" if name in table.signed else "" for name in table.columns]


def _width(columns: Sequence[_Column]) -> int:
    width = 0
    for column in columns:
        width += column.width
        if column.intervals:
            width += 1 + max(len("95 % interval"), *map(len, column.intervals))
    return width


def _is_number(text: str) -> bool:
    """Tell whether a text begins as a number does, with a digit, a sign or a dash."""
    return text[:1] in "0123456789+-<" or text == "undefined"


def _ends(cell: Cell, sign: str, between: str = " to ") -> str:
    return ends(cell.low, cell.high, sign, between) if isinstance(cell, Estimate) else "-"


def _text(cell: Cell, sign: str, below: bool) -> str:
    """Write a cell on the terminal, where ``below`` with the interval in a second line."""
    if isinstance(cell, Estimate):
        value = number(cell.value, sign)
        return f"{value}\n{_ends(cell, sign, '-')}" if below and cell.low is not None else value
    if isinstance(cell, Named):
        return cell.short
    if cell is None or pd.isna(cell):
        return "-"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell == int(cell) and abs(cell) > 1 else number(cell, sign)
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return str(cell)


def _in_line(cell: Cell, sign: str) -> str:
    """Write a cell with its interval in brackets."""
    if isinstance(cell, Estimate):
        value = number(cell.value, sign, "undefined")
        return value if cell.low is None else f"{value} ({_ends(cell, sign)})"
    return _text(cell, sign, below=False)


def _page_cell(cell: Cell, sign: str) -> PageCell:
    if isinstance(cell, Named):
        return PageCell(cell.words or cell.short, cell.note)
    if isinstance(cell, Estimate):
        interval = "" if cell.low is None else f"({_ends(cell, sign)})"
        return PageCell(number(cell.value, sign, "undefined"), interval)
    text, _, note = _text(cell, sign, below=False).partition("\n")
    return PageCell(text, note)
