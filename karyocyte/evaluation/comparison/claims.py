"""The tables of what the papers print: results/claims.csv and results/claims/."""

from pathlib import Path

import pandas as pd

from karyocyte.common.errors import UserError


def read_claims(results: Path, papers: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read ``claims.csv``, of some papers or of all, as text; what is not printed is "".

    Raises:
        UserError: The file is missing, or none of its rows is of a paper that is named.
    """
    path = Path(results) / "claims.csv"
    if not path.is_file():
        raise UserError(f"no claims at {path}: name the folder of measured results")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    unknown = sorted(set(papers) - set(table["paper"]))
    if unknown:
        known = ", ".join(sorted(table["paper"].unique()))
        raise UserError(f"no claims of paper {unknown[0]}: choose from {known}")
    if papers:
        return table[table["paper"].isin(papers)]
    return table


def read_table(results: Path, name: str) -> pd.DataFrame:
    """Read a table of ``claims/`` as text, so that figures keep their digits; a ``UserError`` says that it is missing.

    ``name`` is without ".csv".
    """
    path = Path(results) / "claims" / f"{name}.csv"
    if not path.is_file():
        raise UserError(f"no printed figures at {path}: name the folder of measured results")
    return pd.read_csv(path, dtype=str, keep_default_na=False)
