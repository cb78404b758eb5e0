"""The three ways to draw a table: on a terminal of 80 columns, on an HTML page, as Markdown."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from karyocyte.evaluation.types.formats import ends, interval, number
from karyocyte.evaluation.types.result import Estimate
from karyocyte.evaluation.types.table import Cell, Named, Table

SHORT = 12  # characters of a column of texts, such as states, that is never folded


class PageCell(NamedTuple):
    """A cell of a page: its text, a second line or an interval in brackets below it, and whether it is a figure."""

    text: str
    note: str = ""
    is_figure: bool = False


def terminal(table: Table) -> Group:
    """Draw a table for the terminal: numbers with three digits, what is not known as a dash, its notes below.

    An interval is in brackets after its value, or below it where the terminal is too narrow.
    """
    # As text, here and below: a class may be called [red].
    title = Text(table.title, style="bold")
    drawn = RichTable(
        title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, title_justify="left"
    )
    shown = []
    for name, *cells in zip(table.columns, *table.rows, strict=True):
        if name in table.detail:
            continue
        texts = [_text(table.sign_of(name), cell) for cell in cells]
        has_names = any(isinstance(cell, Named) for cell in cells)  # an experiment may be called 1, or +
        if not has_names and all(map(_is_number, texts)):
            width = max(map(len, " ".join(texts).split()), default=0)  # else a long name beside it cuts figures
            drawn.add_column(Text(name), justify="right", no_wrap=not _have_intervals(cells), min_width=width)
        else:
            drawn.add_column(Text(name), overflow="fold", no_wrap=max(map(len, (name, *texts))) <= SHORT)
        shown.append(texts)
    for row in zip(*shown, strict=True):
        drawn.add_row(*map(Text, row))
    notes = list(table.notes)
    if any(map(_have_intervals, table.rows)):
        notes.append(f"in brackets: {100 * table.confidence:.4g} % intervals")
    return Group("", drawn, *map(Text, notes))


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


def _have_intervals(cells: Sequence[Cell]) -> bool:
    return any(isinstance(cell, Estimate) and ends(cell.low, cell.high) for cell in cells)


def _is_number(text: str) -> bool:
    """Tell whether a text begins with a number, which may have a sign, or stands for one that is not known."""
    return text in ("", "-", "undefined") or re.match(r"[-+<]?\.?\d", text) is not None


def _text(sign: str, cell: Cell) -> str:
    """Write a cell on the terminal."""
    if isinstance(cell, Estimate):
        return _short_interval(sign, cell)
    if isinstance(cell, Named):
        return cell.short
    if pd.isna(cell):
        return "-"
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell == int(cell) and abs(cell) > 1 else number(cell, sign)
    return f"{cell:,}" if type(cell) is int else str(cell)  # True is one, too


def _short_interval(sign: str, cell: Estimate) -> str:
    """Write a value with its interval, such as 0.913 (0.870-0.951); a dash beside a minus would not be read."""
    dash = ".." if sign or (cell.low or 0.0) < 0 else "-"
    written = ends(cell.low, cell.high, sign, dash)
    return number(cell.value, sign) + f" ({written})" * bool(written)


def _in_line(sign: str, cell: Cell) -> str:
    """Write a cell with its interval in brackets."""
    return interval(cell.value, cell.low, cell.high, sign) if isinstance(cell, Estimate) else _text(sign, cell)


def _page_cell(sign: str, cell: Cell) -> PageCell:
    if isinstance(cell, Named):
        return PageCell(cell.words or cell.short, cell.note)
    if isinstance(cell, Estimate):
        written = ends(cell.low, cell.high, sign)
        return PageCell(number(cell.value, sign, "undefined"), f"({written})" * bool(written))
    text, _, note = _text(sign, cell).partition("\n")
    return PageCell(text, note)
