"""The three ways to draw a table: on a terminal of 80 columns, on an HTML page, as Markdown."""

import re
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from karyocyte.evaluation.types.formats import ends, number
from karyocyte.evaluation.types.result import Estimate
from karyocyte.evaluation.types.table import Cell, Named, Table

WIDTH = 78  # of 80, two are edges
HEADING = 10  # letters of a column's heading that are never folded
SHORT = 12  # characters of a column of texts, such as states, that is never folded
INTERVAL = len("95 % interval")


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
        """The characters of the column."""
        width = max(map(_widest_line, (self.heading, *self.texts))) + 1
        if self.intervals:
            width += 1 + max(INTERVAL, *map(len, self.intervals))
        return width


def terminal(table: Table) -> Group:
    """Draw a table for the terminal: numbers with three digits, what is not known as a dash, its notes below.

    Intervals are beside their values, or below them where ``table.below``; those of the last columns are left out
    where a terminal is too narrow for all. Long headings that are wider than the numbers below them are folded.
    """
    columns = []
    for name, *cells in zip(table.columns, *table.rows, strict=True):
        if name not in table.detail:
            columns.append(_column(table, name, cells))
    # A table too wide for the terminal loses intervals, the last column's first.
    for last in range(len(columns) - 1, 0, -1):
        if sum(column.width for column in columns) > WIDTH:
            columns[last] = columns[last]._replace(intervals=[])
    # As text, here and below: a class may be called [red].
    title = Text(table.title, style="bold")
    drawn = RichTable(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
    shown = []
    for column in columns:
        heading = Text(column.heading)
        if column.is_number:
            width = max(map(_widest_line, column.texts))  # else a long name beside it cuts figures
            style = "bold" * bool(column.intervals)
            drawn.add_column(heading, justify="right", no_wrap=True, min_width=width, style=style)
        else:
            drawn.add_column(heading, overflow="fold", no_wrap=column.width <= SHORT)
        shown.append(column.texts)
        if column.intervals:
            width = max(map(len, column.intervals))
            heading = Text(f"{100 * table.confidence:.4g} % interval")
            drawn.add_column(heading, justify="center", no_wrap=True, min_width=width)
            shown.append(column.intervals)
    for row in zip(*shown, strict=True):
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
    columns = []
    for place, (name, *cells) in enumerate(zip(table.columns, *table.rows, strict=True)):
        drawn = [_page_cell(table.sign_of(name), cell) for cell in cells]
        is_figure = bool(drawn) and place > 0 and all(_is_number(cell.text) for cell in drawn)
        columns.append([cell._replace(is_figure=is_figure) for cell in (PageCell(name), *drawn)])
    return list(map(list, zip(*columns, strict=True)))


def markdown(table: Table) -> list[str]:
    """Return a table as lines of Markdown, without its title and notes."""
    columns = []
    for name, *cells in zip(table.columns, *table.rows, strict=True):
        texts = [name, "---", *(_in_line(table.sign_of(name), cell) for cell in cells)]
        columns.append([text.replace("|", "\\|") for text in texts])
    return [f"| {' | '.join(row)} |" for row in zip(*columns, strict=True)]


def _column(table: Table, name: str, cells: Sequence[Cell]) -> _Column:
    sign = table.sign_of(name)
    texts = [_text(sign, table.below, cell) for cell in cells]
    is_name = any(isinstance(cell, Named) for cell in cells)  # an experiment may be called 1, or +
    is_number = not is_name and all(map(_is_number, texts))
    heading = name
    width = max([HEADING, *map(_widest_line, texts)])
    if is_number and len(name) > width:
        heading = textwrap.fill(name.replace("_", " "), width, break_long_words=False)
    intervals = []
    if not table.below and any(isinstance(cell, Estimate) for cell in cells):
        intervals = [_ends(sign, cell) for cell in cells]
    return _Column(heading, texts, is_number, intervals)


def _widest_line(text: str) -> int:
    return max(map(len, text.split("\n")))


def _is_number(text: str) -> bool:
    """Tell whether a text begins with a number, which may have a sign, or stands for one that is not known."""
    return text in ("", "-", "undefined") or re.match(r"[-+<]?\.?\d", text) is not None


def _ends(sign: str, cell: Cell, between: str = " to ") -> str:
    return ends(cell.low, cell.high, sign, between) if isinstance(cell, Estimate) else "-"


def _text(sign: str, below: bool, cell: Cell) -> str:
    """Write a cell on the terminal, where ``below`` with the interval in a second line."""
    if isinstance(cell, Estimate):
        value = number(cell.value, sign)
        return f"{value}\n{_ends(sign, cell, '-')}" if below and cell.low is not None else value
    if isinstance(cell, Named):
        return cell.short
    if pd.isna(cell):
        return "-"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell == int(cell) and abs(cell) > 1 else number(cell, sign)
    if type(cell) is int:  # True is one, too
        return f"{cell:,}"
    return str(cell)


def _in_line(sign: str, cell: Cell) -> str:
    """Write a cell with its interval in brackets."""
    drawn = _page_cell(sign, cell)
    if isinstance(cell, Estimate):
        return f"{drawn.text} {drawn.note}".rstrip()
    return _text(sign, False, cell)


def _page_cell(sign: str, cell: Cell) -> PageCell:
    if isinstance(cell, Named):
        return PageCell(cell.words or cell.short, cell.note)
    if isinstance(cell, Estimate):
        note = f"({_ends(sign, cell)})" if cell.low is not None else ""
        return PageCell(number(cell.value, sign, "undefined"), note)
    text, _, note = _text(sign, False, cell).partition("\n")
    return PageCell(text, note)
