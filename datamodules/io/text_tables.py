"""CSV files with a row per image."""

from pathlib import Path

import pandas as pd

from karyocyte.common.errors import UserError
from karyocyte.common.files import changed_text
from karyocyte.common.text import unescape_formula


def read_text_table(file: Path) -> pd.DataFrame:
    """Read a CSV file as text without blank rows; a class called "01", "NA" or "None" stays what it is.

    An apostrophe before what would be a formula (`escape_formula`) is removed.

    Returns:
        Its columns, stripped, empty where there is nothing. The index counts rows as a spreadsheet does: the header is
        row 1.

    Raises:
        UserError: The file cannot be read, has no rows, or rows that are longer than its header.
    """
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False)
    except (ValueError, OSError) as error:  # pandas' parser errors and decoding errors are ValueErrors
        raise UserError(f"{file} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes the surplus columns for an index
        raise UserError(f"{file}: rows have more values than the header: quote values that hold a comma")
    table.index += 2  # the index counts blank lines too
    table = changed_text(table.apply(lambda column: column.str.strip()), unescape_formula)
    table = table[(table != "").any(axis=1)]
    if table.empty:
        raise UserError(f"{file} has no rows: it needs one per image")
    return table
