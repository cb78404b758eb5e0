"""CSV files with a row per image."""

import codecs
import csv
import io
import re
from pathlib import Path

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.common.files import changed_text
from karyocyte.common.text import unescape_formula

_FIRST_LINE = "its first line names the columns (lines with # may come before), and values with a comma need quotes"


def read_text_table(file: Path, path_column: str = "path", may_be_empty: bool = False) -> pd.DataFrame:
    """Read a CSV file as text without blank rows; a class called "01", "NA" or "None" stays what it is.

    A line with # that names ``path_column`` is the header, other such lines are comments. An apostrophe
    before what would be a formula (`escape_formula`) is removed.

    Its values may be separated by commas, semicolons, tabs or ``|``, and its text be UTF-8, UTF-16 or Windows-1252.

    Returns:
        Its columns, stripped, empty where there is nothing. The index counts rows as a spreadsheet does: the header is
        row 1. ``attrs["notes"]`` has what is to be said of the file.

    Raises:
        UserError: The file cannot be read, has no rows (unless it ``may_be_empty``), two columns of one name, or rows
            that are longer than its header.
    """
    text, notes = file_text(file)
    first, separator, rows = _header(text, path_column)
    names = [name.strip() for name in next(csv.reader(rows.splitlines()[:1], delimiter=separator), [])]
    if twice := {name for name in names if name and names.count(name) > 1}:  # pandas would read the first
        raise UserError(f"{file} has two columns {' and '.join(sorted(twice))}: rename or remove one")
    try:
        table = pd.read_csv(
            io.StringIO(rows), sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=False, quotechar='"'
        )
    except ValueError as error:  # pandas' parser errors
        raise UserError(f"{file} cannot be read as CSV: {str(error).splitlines()[0]}: {_FIRST_LINE}") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the surplus columns for an index
        raise UserError(f"{file}: rows have more values than the header: {_FIRST_LINE}")
    table.columns = table.columns.str.strip()
    table.index += 1 + first  # the index counts blank lines too
    table = changed_text(table.apply(lambda column: column.str.strip()), unescape_formula)
    table = table[(table != "").any(axis=1)]
    if table.empty and not may_be_empty:
        raise UserError(f"{file} has no rows: it needs one per image")
    table.attrs["notes"] = notes
    return table


def file_text(file: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file in UTF-8, UTF-16 with its mark, or else Windows-1252, which a note says."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    is_utf32 = data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE))
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not is_utf32:
        return data.decode("utf-16", errors="replace"), ()
    if b"\0" in data.partition(b"\n")[0]:
        raise UserError(f"{file} is no text file, or has no mark of UTF-16: save it as UTF-8, a table as CSV")
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        note = f"{file.name} is not UTF-8: read as Windows-1252; check names with accents, or save it as UTF-8"
        return data.decode("cp1252", errors="replace"), (note,)


def _header(text: str, path_column: str) -> tuple[int, str, str]:
    """Return the number of the line of the header, the separator, and the text from the header on.

    Lines before it that are blank or begin with "#" are passed over, unless one of these names the column of paths; a
    first line "sep=;" is Excel's way to name the separator. Else the separator is what the header has most of.
    """
    lines = text.splitlines(keepends=True)
    separator = None
    first = 0
    for line in lines:
        names = re.split(r"[,;\t|]", line.lstrip("# "))
        if line.startswith("#") and path_column in (name.strip(' "\r\n') for name in names):
            lines[first] = line.lstrip("# ")
            break
        if match := re.fullmatch(r"sep=(.)\s*", line):
            separator = match[1]
        elif line.strip() and not line.startswith("#"):
            break
        first += 1
    header = re.sub('"[^"]*"', "", lines[first]) if first < len(lines) else ""
    return first + 1, separator or max(",;\t|", key=header.count), "".join(lines[first:])
